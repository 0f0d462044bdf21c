//! The Python tools, installed on first use.
//!
//! `ministack`, `cfn-lint`, `ziglang` and `cargo-zigbuild` come from PyPI, pinned by
//! `tests/requirements.txt`, into a virtual environment of our own: nobody has to install anything beyond
//! Python 3, nothing is put where other projects see it, and `cargo clean` takes it away. It is kept in the
//! target directory, or where the task runner says in `SITEFENCE_TOOLS`.
//!
//! Test binaries run side by side and the first of them installs. A file lock makes the others wait; it is
//! the kernel's, so an installation that was killed leaves no lock behind. A stamp with the requirements and
//! Python's version is written last, so a half-made or outdated environment is made anew instead of being used.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names a directory to keep the environment in, instead of `tools` in the target directory.
pub const TOOLS_VARIABLE: &str = "SITEFENCE_TOOLS";

const REQUIREMENTS: &str = include_str!("../requirements.txt");
const STAMP: &str = "installed-requirements.txt";
const OLDEST_PYTHON: (u32, u32) = (3, 10);

#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    #[error(
        "no cargo target directory above {0}, so there is no place for the Python tools\nhint: set \
         {TOOLS_VARIABLE} to a directory to keep them in"
    )]
    NoPlace(PathBuf),
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
        let directory = match std::env::var_os(TOOLS_VARIABLE).filter(|named| !named.is_empty()) {
            Some(named) => PathBuf::from(named),
            None => target_directory()?.join("tools"),
        };
        Self::ensure_in(&directory, REQUIREMENTS, Self::make)
    }

    /// Everything but the making, which takes long and needs the network.
    fn ensure_in(
        directory: &Path,
        requirements: &str,
        make: impl FnOnce(&Self, &Path, &str) -> Result<(), ToolsError>,
    ) -> Result<Self, ToolsError> {
        let place = |source| ToolsError::Place {
            path: directory.to_owned(),
            source,
        };
        let python = python_version()?;
        // Made absolute, because whoever runs a program of the environment may do so elsewhere.
        let directory = std::path::absolute(directory).map_err(place)?;
        fs::create_dir_all(&directory).map_err(place)?;
        let lock = File::create(directory.join("lock")).map_err(place)?;
        lock.lock().map_err(place)?;
        let tools = Self {
            venv: directory.join("venv"),
        };
        let stamp = tools.venv.join(STAMP);
        let wanted = format!("# for Python {python}\n{requirements}");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(tools);
        }
        match fs::remove_dir_all(&tools.venv) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(place(error)),
            _ => {}
        }
        make(&tools, &directory, requirements)?;
        fs::write(&stamp, wanted).map_err(place)?;
        Ok(tools)
    }

    fn make(&self, directory: &Path, requirements: &str) -> Result<(), ToolsError> {
        let place = |source| ToolsError::Place {
            path: directory.to_owned(),
            source,
        };
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

fn python_version() -> Result<String, ToolsError> {
    let print = "import sys; print('%d.%d.%d' % sys.version_info[:3])";
    let output = Command::new("python3").args(["-c", print]).output();
    let output = output.map_err(ToolsError::NoPython)?;
    let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut numbers = found.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST_PYTHON => Ok(found),
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
    use std::sync::atomic::{AtomicUsize, Ordering};

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
        for wanted in [
            "ministack==1.5.33",
            "cfn-lint==1.58.0",
            "ziglang==",
            "cargo-zigbuild==",
        ] {
            assert!(REQUIREMENTS.contains(wanted), "{wanted}");
        }
    }

    /// Stands in for venv and pip.
    fn makes(tools: &Tools, _: &Path, requirements: &str) -> Result<(), ToolsError> {
        fs::create_dir_all(tools.programs()).unwrap();
        fs::write(tools.program("made-for"), requirements).unwrap();
        Ok(())
    }

    #[test]
    fn of_several_at_once_one_makes_it() {
        let directory = tempfile::tempdir().unwrap();
        let made = AtomicUsize::new(0);
        let ensure = || {
            Tools::ensure_in(
                directory.path(),
                "# nothing\n",
                |tools, directory, requirements| {
                    made.fetch_add(1, Ordering::SeqCst);
                    makes(tools, directory, requirements)
                },
            )
        };
        std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(ensure));
            for thread in threads {
                assert!(thread.join().unwrap().unwrap().program("made-for").exists());
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn it_is_made_again_when_the_requirements_change_or_the_making_failed() {
        let directory = tempfile::tempdir().unwrap();
        let tools = Tools::ensure_in(directory.path(), "one\n", makes).unwrap();
        let left_by_us = tools.program("left-by-us");
        fs::write(&left_by_us, "").unwrap();
        Tools::ensure_in(directory.path(), "one\n", |_, _, _| {
            panic!("made without a reason")
        })
        .unwrap();
        let failed = Tools::ensure_in(directory.path(), "other\n", |tools, directory, requirements| {
            makes(tools, directory, requirements)?;
            run("a step", "a hint", "false".as_ref(), &[])
        });
        assert!(failed.unwrap_err().to_string().contains("a step failed"));
        assert!(!left_by_us.exists(), "what was outdated is still there");
        Tools::ensure_in(directory.path(), "other\n", makes).unwrap();
        assert_eq!(fs::read_to_string(tools.program("made-for")).unwrap(), "other\n");
    }

    #[test]
    fn a_step_that_fails_says_which_and_what_it_said_and_what_to_do() {
        let shell = ["-c".as_ref(), "echo this went wrong; exit 1".as_ref()];
        let error = run("installing", "try again", "sh".as_ref(), &shell)
            .unwrap_err()
            .to_string();
        assert_eq!(error, "installing failed:\nthis went wrong\n\nhint: try again");
    }
}
