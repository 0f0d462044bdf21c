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

/// Breaks `fencing` in every way that cargo-mutants knows, one at a time, and names what no test notices. Each
/// mutant is judged by the crate's own tests, the model's quick part and the simulation's.
pub(crate) fn mutants(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let program = tools::installed(workspace, "cargo-mutants", MUTANTS_VERSION)?;
    let output = workspace.binaries.with_file_name("mutants");
    Command::new(workspace, program, "run this task again")
        .arguments(&["mutants", "--package", "fencing"])
        .arguments(&["--test-package", "fencing,model,simulation"])
        // A mutant may run in circles; the longest test takes a fraction of this.
        .arguments(&["--minimum-test-timeout", "60", "--jobs", "1", "--output"])
        .arguments(&[output])
        .arguments(arguments)
        .run()
}
