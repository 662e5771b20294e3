//! The README says what is so.

const README: &str = include_str!("../README.md");

#[test]
fn its_program_is_the_example_that_runs() {
    let example = include_str!("../examples/quickstart.rs");
    let (_, program) = example
        .split_once("\n\n")
        .expect("a line of documentation comes first");
    assert!(
        README.contains(program),
        "examples/quickstart.rs stands in the README to the letter"
    );
    assert!(program.lines().count() <= 25);
}

#[test]
fn it_is_short() {
    assert!(README.lines().count() <= 125);
    assert!(README.split_whitespace().count() <= 1000);
    assert!(README.lines().all(|line| line.chars().count() <= 130));
}

#[test]
fn ci_runs_its_test_command() {
    let ci = include_str!("../.ci/run");
    assert!(README.contains("cargo test --workspace") && ci.contains("\ncargo test --workspace\n"));
}
