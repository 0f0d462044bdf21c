//! The Python tools, found or installed.
//!
//! `ministack` and `cfn-lint` come from PyPI, pinned by `tests/requirements.txt`, in a virtual environment of
//! our own: nobody has to install anything beyond Python 3, nothing is put where other projects see it, and
//! `cargo clean` takes it away. The task runner makes one and names it in `SITEFENCE_TOOLS`. A test that was
//! started without it, by plain `cargo test` or from an editor, makes one here, in the target directory.
//!
//! Test binaries run side by side and the first of them installs. A file lock makes the others wait; it is
//! the kernel's, so an installation that was killed leaves no lock behind. A stamp with the requirements'
//! text is written last, so a half-made or outdated environment is made anew instead of being used.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the environment where the task runner made one.
pub const TOOLS_VARIABLE: &str = "SITEFENCE_TOOLS";

const REQUIREMENTS: &str = include_str!("../requirements.txt");
const STAMP: &str = "installed-requirements.txt";
/// What ministack asks for.
const OLDEST_PYTHON: (u32, u32) = (3, 10);

#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    #[error(
        "no cargo target directory above {0}, so there is no place for the Python tools\nhint: run this \
         through `cargo xtask`, which names a place in {TOOLS_VARIABLE}"
    )]
    NoPlace(PathBuf),
    #[error(
        "{TOOLS_VARIABLE} names {0}, and there is no Python environment\nhint: unset it, or run this through \
         `cargo xtask`, which sets it"
    )]
    NotThere(PathBuf),
    #[error("the place for the Python tools, {path}, cannot be used")]
    Place { path: PathBuf, source: io::Error },
    #[error("python3 cannot be run\nhint: install Python {}.{} or newer", OLDEST_PYTHON.0, OLDEST_PYTHON.1)]
    NoPython(#[source] io::Error),
    #[error(
        "python3 is {found}, and the local AWS needs {}.{} or newer",
        OLDEST_PYTHON.0,
        OLDEST_PYTHON.1
    )]
    OldPython { found: String },
    #[error("{step} failed:\n{output}\nhint: {hint}")]
    Step {
        step: &'static str,
        output: String,
        hint: &'static str,
    },
}

/// The environment, with all tools in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    venv: PathBuf,
}

impl Tools {
    /// Finds the environment, or makes it, which takes a minute and needs the network once.
    pub fn ensure() -> Result<Self, ToolsError> {
        match std::env::var_os(TOOLS_VARIABLE).filter(|named| !named.is_empty()) {
            Some(named) => Self::named(PathBuf::from(named)),
            None => Self::ensure_in(&target_directory()?.join("tools"), REQUIREMENTS),
        }
    }

    fn named(venv: PathBuf) -> Result<Self, ToolsError> {
        let tools = Self { venv };
        if tools.python().exists() {
            Ok(tools)
        } else {
            Err(ToolsError::NotThere(tools.venv))
        }
    }

    fn ensure_in(directory: &Path, requirements: &str) -> Result<Self, ToolsError> {
        let place = |source| ToolsError::Place {
            path: directory.to_owned(),
            source,
        };
        fs::create_dir_all(directory).map_err(place)?;
        let lock = File::create(directory.join("lock")).map_err(place)?;
        lock.lock().map_err(place)?;
        let tools = Self {
            venv: directory.join("venv"),
        };
        let stamp = tools.venv.join(STAMP);
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == requirements) {
            return Ok(tools);
        }
        tools.make(directory, requirements)?;
        fs::write(&stamp, requirements).map_err(place)?;
        Ok(tools)
    }

    fn make(&self, directory: &Path, requirements: &str) -> Result<(), ToolsError> {
        let place = |source| ToolsError::Place {
            path: directory.to_owned(),
            source,
        };
        check_python()?;
        match fs::remove_dir_all(&self.venv) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(place(error)),
            _ => {}
        }
        let wanted = directory.join("requirements.txt");
        fs::write(&wanted, requirements).map_err(place)?;
        run(
            "making a virtual environment with python3 -m venv",
            "on Debian and Ubuntu it is in the package python3-venv",
            "python3".as_ref(),
            &["-m".as_ref(), "venv".as_ref(), self.venv.as_os_str()],
        )?;
        run(
            "installing the pinned Python tools with pip",
            "they come from PyPI; check the network, or pip's own configuration",
            self.python().as_os_str(),
            &[
                "-m".as_ref(),
                "pip".as_ref(),
                "install".as_ref(),
                "--quiet".as_ref(),
                "--disable-pip-version-check".as_ref(),
                "--no-input".as_ref(),
                "--requirement".as_ref(),
                wanted.as_os_str(),
            ],
        )
    }

    /// The environment's Python.
    pub fn python(&self) -> PathBuf {
        self.program("python")
    }

    /// A program of the environment, such as `cfn-lint`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs().join(name)
    }

    /// The directory to put on the `PATH` of whoever looks the programs up himself.
    pub fn programs(&self) -> PathBuf {
        self.venv.join("bin")
    }
}

/// The target directory that this program was built into.
pub fn target_directory() -> Result<PathBuf, ToolsError> {
    let program = std::env::current_exe().map_err(|source| ToolsError::Place {
        path: PathBuf::from("(this program)"),
        source,
    })?;
    let above = program
        .ancestors()
        .find(|directory| directory.join("CACHEDIR.TAG").is_file());
    above
        .map(Path::to_owned)
        .ok_or_else(|| ToolsError::NoPlace(program.clone()))
}

fn check_python() -> Result<(), ToolsError> {
    let print = "import sys; print('%d.%d.%d' % sys.version_info[:3])";
    let output = Command::new("python3")
        .args(["-c", print])
        .output()
        .map_err(ToolsError::NoPython)?;
    let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut numbers = found.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST_PYTHON => Ok(()),
        _ => Err(ToolsError::OldPython { found }),
    }
}

fn run(
    step: &'static str,
    hint: &'static str,
    program: &OsStr,
    arguments: &[&OsStr],
) -> Result<(), ToolsError> {
    let output = Command::new(program)
        .args(arguments)
        // A virtual environment or path of the caller's must not leak into ours.
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .env_remove("VIRTUAL_ENV")
        .output();
    let failed = |output: String| Err(ToolsError::Step { step, output, hint });
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => failed(format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => failed(error.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_pinned_to_one_version() {
        let lines = REQUIREMENTS.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            assert!(
                line.split_once("==")
                    .is_some_and(|(_, version)| !version.contains('*')),
                "{line}"
            );
        }
        for wanted in ["ministack==1.5.33", "cfn-lint==1.58.0"] {
            assert!(REQUIREMENTS.contains(wanted), "{wanted}");
        }
    }

    #[test]
    fn a_named_environment_must_be_there() {
        let directory = tempfile::tempdir().unwrap();
        let error = Tools::named(directory.path().to_owned()).unwrap_err();
        assert!(error.to_string().contains("hint: unset it"), "{error}");
    }

    #[test]
    fn it_is_made_once_whoever_asks_and_anew_when_the_requirements_change() {
        let directory = tempfile::tempdir().unwrap();
        // Nothing to install: this needs no network.
        let ensure = || Tools::ensure_in(directory.path(), "# nothing\n").unwrap();
        let tools = std::thread::scope(|scope| {
            let threads = [(); 3].map(|()| scope.spawn(ensure));
            threads.map(|thread| thread.join().unwrap())
        });
        assert!(tools[0].python().exists());
        assert!(tools.iter().all(|one| *one == tools[0]));
        let left_by_us = tools[0].programs().join("left-by-us");
        fs::write(&left_by_us, "").unwrap();
        ensure();
        assert!(left_by_us.exists(), "it was made again without a reason");

        let error = Tools::ensure_in(directory.path(), "not a requirement !\n").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("pip") && text.contains("hint:"), "{text}");
        assert!(!left_by_us.exists(), "it was not made anew");
        assert!(
            !directory.path().join("venv").join(STAMP).exists(),
            "and what failed is not taken for made"
        );
    }
}
