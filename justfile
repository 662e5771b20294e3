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

# Criterion's benches: `just bench kernels` runs one.
bench *names="kernels training sampling solving":
    cargo bench {{ prepend("--bench=", names) }}

# The same benches and the same work in PyTorch, side by side; PYTHON names a Python that has it.
peers *names:
    benches/peers/run {{ names }}

# Licences and sources of all dependencies.
deny:
    cargo deny check licenses bans sources

# Packs every crate as for the registry.
package:
    cargo package --workspace --allow-dirty --no-verify

ci:
    .ci/run
