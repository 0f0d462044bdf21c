//! The demo's set-up: what it plays with is built, then it plays.

use crate::command::Command;
use crate::failure::Failure;
use crate::tasks::with_tools;
use crate::workspace::Workspace;

/// The function as the demo deploys it: small, but without the minutes of fat LTO.
const FUNCTION_PROFILE: &str = "quick";

/// What the demo can be asked for.
const TWO_REGIONS: &str = "--two-regions";
const KEEP: &str = "--keep";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let other = arguments
        .iter()
        .find(|argument| ![TWO_REGIONS, KEEP].contains(&argument.as_str()));
    if let Some(other) = other {
        return Err(Failure::Usage {
            what: format!("`demo` does not know `{other}`"),
            hint: format!("it takes `{TWO_REGIONS}`, `{KEEP}` or nothing"),
        });
    }
    // The whole workspace, as `cargo xtask test` builds it: another choice of packages would settle the features of
    // shared crates differently and compile the AWS SDK twice.
    Command::cargo(workspace, &["build", "--workspace", "--bins"]).run()?;
    Command::cargo(
        workspace,
        &[
            "build",
            "--profile",
            FUNCTION_PROFILE,
            "--package",
            "function",
            "--bin",
            "bootstrap",
        ],
    )
    .run()?;
    let demo = Command::new(workspace, workspace.binary("demo"), "run this task again");
    let demo = demo.arguments(arguments).arguments(&[
        workspace.binary("provision"),
        workspace.binary_of(FUNCTION_PROFILE, "bootstrap"),
        workspace.root.join("examples"),
    ]);
    with_tools(workspace, demo).run()
}
