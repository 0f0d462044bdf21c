//! The real `provision`, as a user runs it: a process with arguments, an environment, three streams.
//!
//! The binary is another package's. `cargo xtask test` builds all of them before any test starts; a test that asked
//! cargo itself would do so with another choice of packages, hence other features, and compile the AWS SDK again.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Deserializer, Value};

use crate::json_style;
use crate::tools::{self, ToolsError};

#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error(transparent)]
    Place(#[from] ToolsError),
    #[error(
        "{0} is not built\nhint: `cargo xtask test` builds it, and so does `cargo build --workspace --bins`"
    )]
    NotBuilt(PathBuf),
    #[error("provision cannot be started")]
    Start(#[source] io::Error),
    #[error("asked for JSON, it answered: {0}")]
    NoJson(String),
    #[error("these keys of its JSON are not in camelCase: {0:?}")]
    OddKeys(Vec<String>),
}

/// Another `provision` for tests to run: what is distributed, in a root of its own (`cargo xtask dist --check`).
pub const ANOTHER: &str = "SITEFENCE_PROVISION";

/// The binary that [`ANOTHER`] names, if it is set.
pub fn another() -> Option<PathBuf> {
    std::env::var_os(ANOTHER)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

/// The binary, as it was built last, unless another one is named. One that is older than its sources is told of and used: a test's own output is
/// shown when the test fails, and then this may be why.
#[allow(clippy::print_stderr)] // the way by which a test harness captures it
pub fn binary() -> Result<PathBuf, ProvisionError> {
    if let Some(another) = another() {
        return Ok(another);
    }
    let binary = tools::target_directory()?.join("debug").join("provision");
    let Ok(built) = modified(&binary) else {
        return Err(ProvisionError::NotBuilt(binary));
    };
    // What cargo says that it was made from.
    let sources = std::fs::read_to_string(binary.with_extension("d")).unwrap_or_default();
    let newer = sources
        .split_whitespace()
        .skip(1)
        .find(|source| modified(Path::new(source)).is_ok_and(|changed| changed > built));
    if let Some(source) = newer {
        eprintln!("{} is older than {source}", binary.display());
    }
    Ok(binary)
}

fn modified(path: &Path) -> io::Result<std::time::SystemTime> {
    path.metadata()?.modified()
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
        let run = self
            .command
            .output()
            .map(Run::from)
            .map_err(ProvisionError::Start)?;
        self.judge(&run)?;
        Ok(run)
    }

    /// What programs read is JSON in one style, whatever the test is about.
    fn judge(&self, run: &Run) -> Result<(), ProvisionError> {
        let words: Vec<&OsStr> = self.command.get_args().collect();
        let is_asked = words.windows(2).any(|pair| pair == ["--output", "json"]);
        // One that was killed said what it said.
        if !is_asked || run.code.is_none() {
            return Ok(());
        }
        let mut odd = Vec::new();
        let mut documents = 0;
        for document in Deserializer::from_str(&run.stdout).into_iter::<Value>() {
            let document = document.map_err(|_| ProvisionError::NoJson(run.to_string()))?;
            odd.extend(json_style::odd_keys(&document));
            documents += 1;
        }
        if documents == 0 {
            return Err(ProvisionError::NoJson(run.to_string()));
        }
        if odd.is_empty() {
            Ok(())
        } else {
            Err(ProvisionError::OddKeys(odd))
        }
    }

    /// What a person with a terminal sees who types this; `None` where nothing here plays a terminal. Both streams come as
    /// one, and the run is not judged: what a person reads is no JSON.
    pub fn on_a_terminal(self, typed: &str) -> Result<Option<(Option<i32>, String)>, ProvisionError> {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
        let mut terminal = Command::new("script");
        terminal.args(["-qec", &words.join(" "), "/dev/null"]).env_clear();
        terminal.env("NO_COLOR", "1");
        for (name, value) in self.command.get_envs() {
            terminal.env(name, value.unwrap_or_default());
        }
        if let Some(home) = self.command.get_current_dir() {
            terminal.current_dir(home);
        }
        let child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = match child {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            child => child.map_err(ProvisionError::Start)?,
        };
        // Held until the end: a terminal whose other side is gone hangs up.
        let mut keyboard = child.stdin.take();
        if let Some(keyboard) = &mut keyboard {
            keyboard
                .write_all(typed.as_bytes())
                .map_err(ProvisionError::Start)?;
        }
        let output = child.wait_with_output().map_err(ProvisionError::Start)?;
        drop(keyboard);
        let seen = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        Ok(Some((output.status.code(), seen)))
    }

    /// Starts it; whoever called kills it or waits for it.
    pub fn spawn(mut self) -> Result<Child, ProvisionError> {
        self.command.spawn().map_err(ProvisionError::Start)
    }
}
