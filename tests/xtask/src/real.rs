//! The lanes in which real programs judge: each is a test program whose long tests are left out of `cargo xtask test`.

use crate::command::Command;
use crate::failure::Failure;
use crate::tasks::with_tools;
use crate::workspace::Workspace;

/// One lane.
struct Lane {
    /// What it is asked for by.
    name: &'static str,
    /// The test program.
    program: &'static str,
}

/// All of them. A new lane is one more line.
const LANES: &[Lane] = &[Lane {
    name: "infinispan",
    program: "real_infinispan",
}];

/// Writes down anew what stand-ins are compared with.
const RECORD: &str = "--record";

/// Plays every scene of the lanes that are named, or of all: one at a time, for each starts servers of its own.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let mut lanes = Vec::new();
    let mut records = false;
    for argument in arguments {
        match LANES.iter().find(|lane| lane.name == argument) {
            Some(lane) => lanes.push(lane),
            None if argument == RECORD => records = true,
            None => {
                return Err(Failure::Usage {
                    what: format!("`real` does not know `{argument}`"),
                    hint: format!(
                        "it takes {}, and `{RECORD}`",
                        LANES
                            .iter()
                            .map(|lane| format!("`{}`", lane.name))
                            .collect::<Vec<_>>()
                            .join(", ")
                    ),
                });
            }
        }
    }
    if lanes.is_empty() {
        lanes.extend(LANES);
    }
    // The same choice of packages as for all tests, or the AWS SDK would be compiled again.
    Command::cargo(workspace, &["build", "--workspace", "--bins"]).run()?;
    for lane in lanes {
        let mut command = Command::cargo(workspace, &["test", "--workspace", "--test", lane.program])
            .arguments(&["--", "--include-ignored", "--nocapture", "--test-threads", "1"]);
        if records {
            command = command.environment("UPDATE_RECORDED", "1");
        }
        with_tools(workspace, command).run_tests()?;
    }
    Ok(())
}
