//! Real Infinispan servers, which a test fetches from Maven Central itself, and the scenes in which they judge.

use crate::command::Command;
use crate::failure::Failure;
use crate::tasks::{programs, with_tools};
use crate::workspace::Workspace;

/// The test program. What takes minutes is left out of `cargo xtask test` there, and played here.
const SCENES: &str = "real_infinispan";

/// Writes down anew what the stand-in is compared with.
const RECORD: &str = "--record";

/// Plays every scene, or those whose names contain one of the words; one at a time, for each starts servers of its
/// own.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let (options, words): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|argument| argument.starts_with('-'));
    if let Some(unknown) = options.iter().find(|option| option.as_str() != RECORD) {
        return Err(Failure::Usage {
            what: format!("`real infinispan` does not know `{unknown}`"),
            hint: format!("it takes words that names of scenes contain, and `{RECORD}`"),
        });
    }
    programs(workspace).run()?;
    let mut command = Command::cargo(workspace, &["test", "--workspace", "--test", SCENES, "--"])
        .arguments(&["--include-ignored", "--nocapture", "--test-threads", "1"])
        .arguments(&words);
    if !options.is_empty() {
        command = command.environment("UPDATE_RECORDED", "1");
    }
    with_tools(workspace, command).run_tests()
}
