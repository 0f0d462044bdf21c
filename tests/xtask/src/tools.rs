//! Programs that tasks need and cargo can install: in the version that they were written for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

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

/// A Python with these packages and nothing else, made once for each list of them.
pub(crate) fn python(workspace: &Workspace, name: &str, packages: &[&str]) -> Result<PathBuf, Failure> {
    let place = workspace.tools.join(format!("python-{name}"));
    let python = place.join("bin/python");
    let (stamp, wanted) = (place.join("packages.txt"), packages.join("\n"));
    if std::fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == wanted) {
        return Ok(python);
    }
    const PYTHON: &str = "install Python 3.10 or newer";
    Command::new(workspace, "python3", PYTHON)
        .arguments(&["-m", "venv", "--clear"])
        .arguments(&[&place])
        .run()?;
    Command::new(workspace, &python, PYTHON)
        .arguments(&["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .arguments(packages)
        .run()?;
    // Last, so that an installation that was broken off is made anew.
    std::fs::write(&stamp, wanted).map_err(|source| Failure::File { path: stamp, source })?;
    Ok(python)
}

/// The path to find programs by, with a folder before all others.
pub(crate) fn path_with(folder: Option<&Path>) -> OsString {
    let mut path = folder
        .map(|folder| folder.as_os_str().to_owned())
        .unwrap_or_default();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}
