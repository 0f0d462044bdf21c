//! The real kube-apiserver, built from its Go module once and kept among the tools, and the tests that it judges.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::command::Command;
use crate::failure::Failure;
use crate::tasks::with_tools;
use crate::workspace::Workspace;

/// Where its main module is, which pins what it is made of.
const MODULE: &str = "tests/real/apiserver";
const REQUIRES: &str = "k8s.io/kubernetes v";
const HINT: &str = "install Go 1.24 or newer; on Debian and Ubuntu it is in the package golang-go";

/// Whose test binaries speak to it, and which of their tests.
const SUITES: &[(&str, &[&str])] = &[("standins_kubernetes", &[]), ("cloud", &["clusters::"])];

/// Runs the suites; with arguments, one `cargo test` of one's own, or after `--` any command.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let server = built(workspace)?;
    // As `cargo xtask test` builds: another choice of packages would compile the AWS SDK again.
    Command::cargo(workspace, &["build", "--workspace", "--bins"]).run()?;
    if let Some(("--", command)) = arguments
        .split_first()
        .map(|(first, rest)| (first.as_str(), rest))
    {
        return beside(workspace, &server, command).run();
    }
    if !arguments.is_empty() {
        let test = ["cargo", "test"].map(str::to_owned);
        return beside(workspace, &server, &[&test, arguments].concat()).run();
    }
    for (suite, tests) in SUITES {
        let test = ["cargo", "test", "--workspace", "--test", suite, "--"];
        let test: Vec<String> = test.iter().chain(*tests).map(|it| (*it).to_owned()).collect();
        beside(workspace, &server, &test).run()?;
    }
    Ok(())
}

/// A command with two API servers beside it, which end with it.
fn beside(workspace: &Workspace, server: &Path, command: &[String]) -> Command {
    let command = Command::new(workspace, workspace.binary("kubernetes"), "run this task again")
        .arguments(&[server])
        .arguments(command)
        // There are two servers, one for each site, and a test takes both.
        .environment("RUST_TEST_THREADS", "1");
    with_tools(workspace, command)
}

/// The server in the version that the module requires: what is kept, or a new one.
fn built(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let module = workspace.root.join(MODULE);
    let requirements = module.join("go.mod");
    let text = std::fs::read_to_string(&requirements).map_err(|source| Failure::File {
        path: requirements,
        source,
    })?;
    let version = required(&text).unwrap_or("unknown");
    let folder = workspace.tools.join(format!("kube-apiserver-{version}"));
    let program = folder.join("kube-apiserver");
    // Go puts a program there as its last step, and the version is part of the place.
    if program.is_file() {
        return Ok(program);
    }
    eprintln!(
        "building kube-apiserver {version}, once, into {}; this takes minutes",
        folder.display()
    );
    let mut of_version = format!("-s -w -X k8s.io/component-base/version.gitVersion=v{version}");
    for (name, number) in ["Major", "Minor"].into_iter().zip(version.split('.')) {
        // Writing to a String cannot fail.
        let _ = write!(of_version, " -X k8s.io/component-base/version.git{name}={number}");
    }
    Command::new(workspace, "go", HINT)
        .arguments(&[Path::new("-C"), &module])
        .arguments(&["build", "-trimpath", "-ldflags", &of_version, "-o"])
        .arguments(&[&program])
        .arguments(&["."])
        .environment("GOTOOLCHAIN", "local")
        .environment("GOWORK", "off")
        .environment("CGO_ENABLED", "0")
        .without("GOFLAGS")
        .run()?;
    Ok(program)
}

/// The version that a `go.mod` requires of Kubernetes.
fn required(module: &str) -> Option<&str> {
    module
        .lines()
        .find_map(|line| line.trim().trim_start_matches("require ").strip_prefix(REQUIRES))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_version_is_the_one_that_the_module_requires() {
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(MODULE);
        let text = std::fs::read_to_string(module.join("go.mod")).unwrap();
        assert!(required(&text).unwrap().starts_with("1."));
        assert_eq!(required("require k8s.io/kubernetes v1.2.3"), Some("1.2.3"));
        assert_eq!(required("module else"), None);
    }
}
