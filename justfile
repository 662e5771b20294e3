# Cheapest first; `just` alone runs what a change needs before it is shown.
default: fmt lint test doc

fmt:
    cargo fmt --all

lint:
    cargo clippy --workspace --all-targets -- -D warnings

test:
    cargo test --workspace

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Criterion's benches, then the same work in PyTorch, side by side.
bench:
    benches/peers/run

ci:
    .ci/run
