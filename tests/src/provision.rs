//! The real `provision`, as a user runs it: a process with arguments, an environment, three streams.
//!
//! The binary is another package's, so cargo is asked for it once per test process; it does nothing when
//! the binary is there and fresh.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use crate::tools::{self, ToolsError};

#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error(transparent)]
    Place(#[from] ToolsError),
    #[error("cargo could not build provision: {message}")]
    Build { message: String },
    #[error("provision cannot be started")]
    Start(#[source] io::Error),
}

/// The binary.
pub fn binary() -> Result<PathBuf, ProvisionError> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    let directory = tools::target_directory()?;
    BUILT
        .get_or_init(|| build(&directory))
        .clone()
        .map_err(|message| ProvisionError::Build { message })?;
    Ok(directory.join("debug").join("provision"))
}

fn build(target_directory: &Path) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--package",
            "provisioner",
            "--bin",
            "provision",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", target_directory)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl fmt::Display for Run {
    /// The three things that a user sees, for snapshots.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => writeln!(f, "exit {code}")?,
            None => writeln!(f, "killed")?,
        }
        write!(f, "--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr)
    }
}

/// A command line of `provision` in an environment of its own: nothing of the caller's AWS leaks in.
#[derive(Debug)]
pub struct Provision {
    command: Command,
}

impl Provision {
    /// `provision`, in a directory where it may keep its state.
    pub fn new(home: &Path) -> Result<Self, ProvisionError> {
        let mut command = Command::new(binary()?);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("HOSTNAME", "test-machine")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(Self { command })
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Result<Run, ProvisionError> {
        self.command
            .output()
            .map(Run::from)
            .map_err(ProvisionError::Start)
    }

    /// Starts it; whoever called kills it or waits for it.
    pub fn spawn(mut self) -> Result<Child, ProvisionError> {
        self.command.spawn().map_err(ProvisionError::Start)
    }
}
