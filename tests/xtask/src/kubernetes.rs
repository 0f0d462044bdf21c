//! The real kube-apiserver and the real prometheus-operator, built from their Go modules once and kept among the tools, and
//! the tests that they judge.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::command::Command;
use crate::failure::Failure;
use crate::tasks::{programs, with_tools};
use crate::workspace::Workspace;

/// A program that is built from a module of ours, which pins what it is made of.
#[derive(Debug, Clone, Copy)]
struct Built {
    name: &'static str,
    module: &'static str,
    /// What the module requires, and the version of which is the program's.
    requires: &'static str,
    package: &'static str,
    /// Where its sources keep the version that it says it has.
    says: &'static str,
}

const SERVER: Built = Built {
    name: "kube-apiserver",
    module: "tests/real/apiserver",
    requires: "k8s.io/kubernetes v",
    package: ".",
    says: "k8s.io/component-base/version.gitVersion=v",
};

const OPERATOR: Built = Built {
    name: "prometheus-operator",
    module: "tests/real/operator",
    requires: "github.com/prometheus-operator/prometheus-operator v",
    package: "github.com/prometheus-operator/prometheus-operator/cmd/operator",
    says: "github.com/prometheus/common/version.Version=",
};

/// Where the tests find prometheus-operator.
const OPERATORS_PROGRAM: &str = "SITEFENCE_PROMETHEUS_OPERATOR";
const HINT: &str = "install Go 1.24 or newer; on Debian and Ubuntu it is in the package golang-go";

/// A test program that speaks to it, and which of its tests.
type Suite = (&'static str, &'static [&'static str]);

const SUITES: &[Suite] = &[
    ("standins_kubernetes", &[]),
    ("operator", &[]),
    ("cloud", &["clusters::"]),
];

/// What a run of all tests asks of it: the whole of what the stand-in claims, and the clusters by the least rights.
const IN_EVERY_RUN: &[Suite] = &[("standins_kubernetes", &[]), ("cloud", &["clusters::rights"])];

/// Runs the suites; with arguments, one `cargo test` of one's own, or after `--` any command.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let server = built(workspace, SERVER)?;
    built(workspace, OPERATOR)?;
    programs(workspace).run()?;
    if let Some(("--", command)) = arguments
        .split_first()
        .map(|(first, rest)| (first.as_str(), rest))
    {
        return beside(workspace, &server, command).run();
    }
    if !arguments.is_empty() {
        let test = ["cargo", "test"].map(str::to_owned);
        return beside(workspace, &server, &[&test, arguments].concat()).run_tests();
    }
    judged(workspace, &server, SUITES)
}

/// As part of all tests: where the server was built before and its store is there. Elsewhere that is said; building it
/// would take longer than the tests.
pub(crate) fn run_where_it_is(workspace: &Workspace) -> Result<(), Failure> {
    let (_, program) = place(workspace, SERVER)?;
    let store = Command::new(workspace, "etcd", "")
        .arguments(&["--version"])
        .answer();
    if program.is_file() && store.is_some() {
        return judged(workspace, &program, IN_EVERY_RUN);
    }
    let missing = if store.is_none() {
        "etcd is not installed; on Debian and Ubuntu it is in the package etcd-server"
    } else {
        "no kube-apiserver is kept here; `cargo xtask real kubernetes` builds one, once, which takes minutes"
    };
    println!("skipped: the suites of the clusters on a real API server: {missing}");
    Ok(())
}

/// All suites, also after one that failed.
fn judged(workspace: &Workspace, server: &Path, suites: &[Suite]) -> Result<(), Failure> {
    let mut verdict = Ok(());
    for (suite, tests) in suites {
        let test = ["cargo", "test", "--workspace", "--test", suite, "--"];
        let test: Vec<String> = test.iter().chain(*tests).map(|it| (*it).to_owned()).collect();
        let judged = beside(workspace, server, &test).run_tests();
        verdict = verdict.and(judged);
    }
    verdict
}

/// A command with two API servers beside it, which end with it.
fn beside(workspace: &Workspace, server: &Path, command: &[String]) -> Command {
    let command = Command::new(workspace, workspace.binary("kubernetes"), "run this task again")
        .arguments(&[server])
        .arguments(command)
        // There are two servers, one for each site, and a test takes both.
        .environment("RUST_TEST_THREADS", "1");
    let command = match place(workspace, OPERATOR) {
        Ok((_, operator)) if operator.is_file() => {
            command.environment(OPERATORS_PROGRAM, operator.display().to_string())
        }
        _ => command,
    };
    with_tools(workspace, command)
}

/// The version that the module requires, and where a program of it is kept.
fn place(workspace: &Workspace, what: Built) -> Result<(String, PathBuf), Failure> {
    let requirements = workspace.root.join(what.module).join("go.mod");
    let text = std::fs::read_to_string(&requirements).map_err(|source| Failure::File {
        path: requirements,
        source,
    })?;
    let version = required(&text, what.requires).unwrap_or("unknown");
    let folder = workspace.tools.join(format!("{}-{version}", what.name));
    Ok((version.to_owned(), folder.join(what.name)))
}

/// The program: what is kept, or a new one.
fn built(workspace: &Workspace, what: Built) -> Result<PathBuf, Failure> {
    let (version, program) = place(workspace, what)?;
    // Go puts a program there as its last step, and the version is part of the place.
    if program.is_file() {
        return Ok(program);
    }
    eprintln!(
        "building {} {version}, once, into {}; this takes minutes",
        what.name,
        program.display()
    );
    let mut of_version = format!("-s -w -X {}{version}", what.says);
    if let Some(package) = what.says.strip_suffix("gitVersion=v") {
        for (name, number) in ["Major", "Minor"].into_iter().zip(version.split('.')) {
            // Writing to a String cannot fail.
            let _ = write!(of_version, " -X {package}git{name}={number}");
        }
    }
    Command::new(workspace, "go", HINT)
        .arguments(&[Path::new("-C"), &workspace.root.join(what.module)])
        .arguments(&["build", "-trimpath", "-ldflags", &of_version, "-o"])
        .arguments(&[&program])
        .arguments(&[what.package])
        .environment("GOTOOLCHAIN", "local")
        .environment("GOWORK", "off")
        .environment("CGO_ENABLED", "0")
        .without("GOFLAGS")
        .run()?;
    Ok(program)
}

/// The version that a `go.mod` requires of something.
fn required<'a>(module: &'a str, what: &str) -> Option<&'a str> {
    module
        .lines()
        .find_map(|line| line.trim().trim_start_matches("require ").strip_prefix(what))
        .and_then(|rest| rest.split(' ').next())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_version_is_the_one_that_the_module_requires() {
        for (built, version) in [(SERVER, "1."), (OPERATOR, "0.")] {
            let module = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../..")
                .join(built.module);
            let text = std::fs::read_to_string(module.join("go.mod")).unwrap();
            assert!(required(&text, built.requires).unwrap().starts_with(version));
        }
        let kubernetes = SERVER.requires;
        assert_eq!(
            required("require k8s.io/kubernetes v1.2.3", kubernetes),
            Some("1.2.3")
        );
        assert_eq!(
            required("\tk8s.io/kubernetes v1.2.3 // indirect", kubernetes),
            Some("1.2.3")
        );
        assert_eq!(required("module else", kubernetes), None);
    }
}
