//! The tools that come from Python's package index: the local AWS, the template linter, and what cross-compiles.
//!
//! `tests/requirements.txt` names them with their versions. They are installed into an environment of their own,
//! whose name carries a digest of that file and of the interpreter: a changed file makes a new environment, an
//! unchanged one is found ready, and one whose installation was interrupted was never given its final name.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use crate::command::Command;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// Tells tests where the tools are: the environment's directory.
pub(crate) const TOOLS_VARIABLE: &str = "SITEFENCE_TOOLS";

/// Which Python to use, where `python3` is not the right one.
const PYTHON_VARIABLE: &str = "PYTHON";

const HINT: &str =
    "install Python 3.10 or newer with its venv module (Debian: apt install python3 python3-venv)";

/// What the environment's marker is called: it is written when everything is in.
const MARKER: &str = "complete";

/// The environment with the tools, made when it is not there.
pub(crate) fn tools(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let requirements = workspace.root.join("tests/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).map_err(|source| Failure::File {
        path: requirements.clone(),
        source,
    })?;
    let python = std::env::var(PYTHON_VARIABLE).unwrap_or_else(|_| "python3".to_owned());
    let version = Command::new(workspace, &python, HINT)
        .arguments(&[
            "-c",
            "import sys; print(sys.executable, *sys.version_info[:3]); sys.exit(sys.version_info < (3, 10))",
        ])
        .answer()
        .ok_or_else(|| Failure::Machine {
            what: format!("`{python}` is no Python 3.10 or newer"),
            hint: HINT,
        })?;
    let place = workspace
        .tools
        .join(format!("python-{}", digest(&[&wanted, &version])));
    if !place.join(MARKER).exists() {
        install(workspace, &python, &requirements, &place)?;
    }
    Ok(place)
}

fn install(workspace: &Workspace, python: &str, requirements: &Path, place: &Path) -> Result<(), Failure> {
    eprintln!(
        "installing tools for tests and demo, once, into {}",
        place.display()
    );
    Command::new(workspace, python, HINT)
        .arguments(&["-m", "venv", "--clear"])
        .arguments(&[place])
        .run()?;
    Command::new(workspace, place.join("bin/python"), HINT)
        .arguments(&[
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arguments(&[requirements])
        .run()?;
    let marker = place.join(MARKER);
    std::fs::write(&marker, "").map_err(|source| Failure::File { path: marker, source })
}

/// Enough to tell one list of tools from another; nothing depends on its being hard to forge.
fn digest(parts: &[&str]) -> String {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_list_or_another_python_is_another_environment() {
        let one = digest(&["ministack==1.5.33", "python 3.11"]);
        assert_eq!(one, digest(&["ministack==1.5.33", "python 3.11"]));
        assert_ne!(one, digest(&["ministack==1.5.34", "python 3.11"]));
        assert_ne!(one, digest(&["ministack==1.5.33", "python 3.12"]));
    }
}
