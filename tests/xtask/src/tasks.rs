//! The table of tasks, and the tasks that are a sequence of cargo's own commands.

use std::fmt::Write as _;

use crate::bench;
use crate::command::Command;
use crate::demo;
use crate::deny;
use crate::dist;
use crate::failure::Failure;
use crate::kubernetes;
use crate::protocol;
use crate::real;
use crate::workspace::Workspace;

/// One thing that can be asked for.
pub(crate) struct Task {
    pub(crate) name: &'static str,
    /// What may follow the name.
    pub(crate) arguments: &'static str,
    /// What it does, in the table.
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Workspace, &[String]) -> Result<(), Failure>,
}

/// All of them, in the order in which a newcomer wants to know. A new task is one more entry here, and a
/// function that takes the workspace and what followed the name.
const TASKS: &[Task] = &[
    Task {
        name: "demo",
        arguments: "[--two-regions | --keep]",
        about: "plays a split brain against a local AWS: deploy, fence, destroy",
        run: demo::run,
    },
    Task {
        name: "test",
        arguments: "[ARGUMENTS OF cargo test]",
        about: "runs every test, or those that cargo test's own arguments choose",
        run: test,
    },
    Task {
        name: "simulate",
        arguments: "[--histories N] [--seed S] [--meets WHAT]",
        about: "plays random histories of crashes, lost replies and human hands",
        run: simulate,
    },
    Task {
        name: "model",
        arguments: "[--long] [--executors N] [--threads N] [NAME …]",
        about: "checks the fencing protocol in every order of events",
        run: protocol::model,
    },
    Task {
        name: "real",
        arguments: "kubernetes | infinispan [MORE]",
        about: "runs tests against the programs that stand-ins stand for; long",
        run: real::run,
    },
    Task {
        name: "bench",
        arguments: "function",
        about: "measures the function as it is shipped, beside a Python one",
        run: bench::run,
    },
    Task {
        name: "dist",
        arguments: "[--only x86_64 | arm64] [--check]",
        about: "makes what is released, the same bytes each time; half an hour",
        run: dist::run,
    },
    Task {
        name: "mutants",
        arguments: "[ARGUMENTS OF cargo mutants]",
        about: "breaks the protocol in every small way; hours",
        run: protocol::mutants,
    },
    Task {
        name: "ci",
        arguments: "",
        about: "format, clippy, deny and test: what must hold before a change lands",
        run: ci,
    },
    Task {
        name: "deny",
        arguments: "",
        about: "judges licences, banned crates, sources and known vulnerabilities",
        run: deny::run,
    },
];

pub(crate) fn list() -> String {
    let mut text = "Usage: cargo xtask TASK\n\nTasks:\n".to_owned();
    let width = TASKS.iter().map(|task| task.name.len()).max().unwrap_or_default();
    for task in TASKS {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:width$}  {}", task.name, task.about);
        if !task.arguments.is_empty() {
            let _ = writeln!(text, "  {:width$}  {} {}", "", task.name, task.arguments);
        }
    }
    text
}

/// The task of this name.
pub(crate) fn find(name: &str) -> Result<&'static Task, Failure> {
    TASKS
        .iter()
        .find(|task| task.name == name)
        .ok_or_else(|| Failure::Usage {
            what: format!("there is no task `{name}`"),
            hint: format!(
                "the tasks are {}",
                TASKS.iter().map(|task| task.name).collect::<Vec<_>>().join(", ")
            ),
        })
}

/// Fails when a task that takes no arguments was given some.
pub(crate) fn no_arguments(task: &str, arguments: &[String]) -> Result<(), Failure> {
    if arguments.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage {
        what: format!("`{task}` takes no arguments, got `{}`", arguments.join(" ")),
        hint: "run `cargo xtask` for the table of tasks".to_owned(),
    })
}

/// Tells tests and the demo where to keep the Python tools that they install for themselves on first use. They
/// know a place in the target directory; only a cache beyond it has to be named.
pub(crate) fn with_tools(workspace: &Workspace, command: Command) -> Command {
    if workspace.tools_outlive_target {
        command.environment("SITEFENCE_TOOLS", &workspace.tools)
    } else {
        command
    }
}

/// The programs that tests start. They come with the tests of their own packages: `cargo build` would settle the
/// features of shared crates without what only tests ask for, and compile the AWS SDK a second time.
pub(crate) fn programs(workspace: &Workspace) -> Command {
    let programs = [
        "test",
        "--workspace",
        "--no-run",
        "--test",
        "suite",
        "--test",
        "render",
        "--test",
        "standins_kubernetes",
    ];
    Command::cargo(workspace, &programs)
}

/// Every test of the workspace, with the programs that they start made first.
fn test(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    programs(workspace).run()?;
    let mut command = Command::cargo(workspace, &["test"]);
    if arguments.is_empty() {
        // One run tells of every failure, not only of the first crate that has one.
        command = command.arguments(&["--workspace", "--no-fail-fast"]);
    } else {
        command = command.arguments(arguments);
    }
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        // The longest tests wait for programs, and for the time that a deployment is to wait, more than they compute.
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        command = command.environment("RUST_TEST_THREADS", (2 * processors).to_string());
    }
    let tested = with_tools(workspace, command).run_tests();
    if arguments.is_empty() {
        let judged = kubernetes::run_where_it_is(workspace);
        return tested.and(judged);
    }
    tested
}

/// The crash simulation at length. Chosen alone, its package leaves the AWS SDK out, so it is compiled with
/// optimisation in a minute, once.
fn simulate(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    Command::cargo(
        workspace,
        &[
            "run",
            "--quiet",
            "--profile",
            "quick",
            "--package",
            "simulation",
            "--bin",
            "simulate",
            "--",
        ],
    )
    .arguments(arguments)
    .run()
}

/// What must hold before a change lands, cheapest first.
fn ci(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    no_arguments("ci", arguments)?;
    Command::cargo(workspace, &["fmt", "--all", "--check"]).run()?;
    // Warnings are refused by clippy itself, not through RUSTFLAGS: those would compile every dependency again.
    Command::cargo(
        workspace,
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ],
    )
    .run()?;
    let unjudged = deny::judge(workspace)?;
    let tested = test(workspace, &[]);
    if let Some(warning) = unjudged {
        eprintln!("warning: {warning}");
    }
    tested
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_task_is_listed_and_found_by_its_name() {
        let list = list();
        for task in TASKS {
            assert!(list.contains(&format!("  {} ", task.name)), "{list}");
            assert_eq!(find(task.name).ok().map(|found| found.name), Some(task.name));
        }
        assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    }

    #[test]
    fn no_two_tasks_share_a_name() {
        for (index, task) in TASKS.iter().enumerate() {
            assert!(
                TASKS[..index].iter().all(|other| other.name != task.name),
                "{}",
                task.name
            );
        }
    }

    #[test]
    fn an_unknown_task_is_a_usage_error_that_names_the_known_ones() {
        let Err(failure) = find("tset") else {
            panic!("`tset` was found");
        };
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.to_string().contains("`tset`"));
        assert!(failure.hint().unwrap().contains("test"));
    }
}
