//! Programs that tasks need and cargo can install: in the version that they were written for.

use std::path::PathBuf;

use crate::command::Command;
use crate::failure::Failure;
use crate::workspace::Workspace;

const HINT: &str = "run this task again; it installs what it needs itself";

/// The program in the right version: the one on the path if it is that, else one of our own.
pub(crate) fn installed(workspace: &Workspace, name: &str, version: &str) -> Result<PathBuf, Failure> {
    let on_path = Command::new(workspace, name, HINT)
        .arguments(&["--version"])
        .answer()
        .is_some_and(|answer| answer.split_whitespace().last() == Some(version));
    if on_path {
        return Ok(PathBuf::from(name));
    }
    let place = workspace.tools.join(format!("{name}-{version}"));
    let own = place.join("bin").join(name);
    // Cargo puts a program there as its last step, and the version is part of the place.
    if own.is_file() {
        return Ok(own);
    }
    eprintln!(
        "installing {name} {version}, once, into {}; this takes minutes",
        place.display()
    );
    let package = format!("{name}@{version}");
    Command::cargo(workspace, &["install", "--locked", "--quiet", "--root"])
        .arguments(&[&place])
        .arguments(&[package])
        // Else its own few hundred crates would stay among ours for ever.
        .without("CARGO_TARGET_DIR")
        .run()?;
    Ok(own)
}
