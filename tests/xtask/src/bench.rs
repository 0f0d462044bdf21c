//! `cargo xtask bench function`: the function as it is shipped, beside a Python one, in one run.
//!
//! It builds the release for this machine's processor and Lambda's system, installs what the Python function runs on, in
//! versions that stand still, and leaves the measuring to `tests/bench`. What it prints is what docs/performance.md
//! holds; on a machine that is busy with something else only the ratios mean anything.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::command::Command;
use crate::failure::Failure;
use crate::workspace::Workspace;

const HINT: &str = "install Python 3.10 or newer";

/// Its lines of `name==version` are what is installed.
const REQUIREMENTS: &str = include_str!("../../bench/guide/requirements.txt");

/// Measures what is named first.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    if arguments != ["function"] {
        return Err(Failure::Usage {
            what: format!("`bench` measures the function, got `{}`", arguments.join(" ")),
            hint: "run `cargo xtask bench function`".to_owned(),
        });
    }
    let python = python(workspace)?;
    let function = function(workspace, &python)?;
    let zipped = "import io, sys, zipfile\n\
                  packed = io.BytesIO()\n\
                  with zipfile.ZipFile(packed, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as archive:\n    \
                      archive.write(sys.argv[1], 'bootstrap')\n\
                  print(f'zip: {packed.tell() / 1e6:.2f} MB')";
    Command::new(workspace, &python, HINT)
        .arguments(&["-c", zipped])
        .arguments(&[&function])
        .run()?;
    Command::cargo(
        workspace,
        &["run", "--quiet", "--profile", "quick", "--package", "bench", "--"],
    )
    .arguments(&[&function, &python, &workspace.root.join("tests/bench/guide")])
    .run()
}

/// A Python with what the function needs, made once for each list of requirements.
fn python(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let place = workspace.tools.join("bench");
    let python = place.join("bin/python");
    let stamp = place.join("requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == REQUIREMENTS) {
        return Ok(python);
    }
    Command::new(workspace, "python3", HINT)
        .arguments(&["-m", "venv", "--clear"])
        .arguments(&[&place])
        .run()?;
    Command::new(workspace, &python, HINT)
        .arguments(&["-m", "pip", "install", "--quiet", "--requirement"])
        .arguments(&[workspace.root.join("tests/bench/guide/requirements.txt")])
        .run()?;
    // Last, so that an installation that was broken off is made anew.
    std::fs::write(&stamp, REQUIREMENTS).map_err(|source| Failure::File { path: stamp, source })?;
    Ok(python)
}

/// The function, linked as Lambda gets it.
fn function(workspace: &Workspace, python: &Path) -> Result<PathBuf, Failure> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let tools = python.parent().map(Path::as_os_str).map(OsString::from);
    let mut path = tools.unwrap_or_default();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    Command::cargo(workspace, &["zigbuild", "--locked", "--package", "function"])
        .arguments(&["--bin", "bootstrap", "--features", "shipped"])
        .arguments(&["--profile", "release", "--target", &target])
        .environment("PATH", PathBuf::from(path))
        .run()?;
    let directory = workspace.binaries.parent().unwrap_or(&workspace.root);
    Ok(directory.join(target).join("release/bootstrap"))
}
