//! The fencing protocol under its model checker, and its tests under mutation.

use crate::command::Command;
use crate::failure::Failure;
use crate::tools;
use crate::workspace::Workspace;

/// The version of cargo-mutants that the list of survivors in `docs/protocol.md` was made with.
const MUTANTS_VERSION: &str = "27.1.0";

/// Checks the model, optimised: `--long` for all of it, `--executors N` for more at the same time, names for a few.
pub(crate) fn model(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    // Few crates, and none of them AWS's: a profile of its own costs half a minute, once.
    Command::cargo(
        workspace,
        &["run", "--quiet", "--package", "model", "--profile", "model", "--"],
    )
    .arguments(arguments)
    .run()
}

/// Who judges a mutant, the quickest first: packages, and which of their tests.
const JUDGES: &[(&str, &[&str])] = &[
    ("fencing,model", &["--lib", "--test=scenarios"]),
    ("model", &["--tests"]),
    ("simulation", &["--tests"]),
];

/// Breaks `fencing` in every way that cargo-mutants knows, one at a time, and names what no test notices. What the
/// tables and the transcripts let pass goes before the model checker, and what that lets pass before the
/// simulation. With arguments of one's own: those, and every judge at once.
pub(crate) fn mutants(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let program = tools::installed(workspace, "cargo-mutants", MUTANTS_VERSION)?;
    let output = workspace.binaries.with_file_name("mutants");
    let mutants = |packages: &str| {
        Command::new(workspace, &program, "run this task again")
            .arguments(&["mutants", "--profile", "mutants", "--package", "fencing"])
            .arguments(&["--test-package", packages])
            // A mutant may run in circles; the longest test takes a fraction of this. cargo-mutants would measure it
            // with the tests of `fencing` alone.
            .arguments(&["--baseline", "skip", "--timeout", "120", "--output"])
            .arguments(&[&output])
    };
    if !arguments.is_empty() {
        return mutants("fencing,model,simulation").arguments(arguments).run();
    }
    // What does not pass unbroken judges nobody.
    Command::cargo(workspace, &["test", "--quiet", "--profile", "mutants"])
        .arguments(&["--package=fencing", "--package=model", "--package=simulation"])
        .run()?;
    let mut judged = Ok(());
    for (round, (packages, tests)) in JUDGES.iter().enumerate() {
        let iterates: &[&str] = if round == 0 { &[] } else { &["--iterate"] };
        let tests: Vec<String> = tests
            .iter()
            .map(|test| format!("--cargo-test-arg={test}"))
            .collect();
        // It fails where it has missed one, which the next judge may catch.
        judged = mutants(packages).arguments(iterates).arguments(&tests).run();
    }
    judged
}
