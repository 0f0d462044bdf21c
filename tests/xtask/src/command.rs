//! Commands: said before they run, on the same terminal, repeatable by pasting.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::summary::Summary;
use crate::workspace::Workspace;

/// How often a command with a deadline is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A command to be run in the root of the workspace.
#[derive(Debug)]
pub(crate) struct Command {
    inner: std::process::Command,
    line: String,
    hint: &'static str,
}

impl Command {
    /// Any program. `hint` says how to get it when it is not there.
    pub(crate) fn new(workspace: &Workspace, program: impl AsRef<OsStr>, hint: &'static str) -> Self {
        let mut inner = std::process::Command::new(program.as_ref());
        inner.current_dir(&workspace.root);
        // A program that asks would wait for ever where nobody sits.
        inner.stdin(Stdio::null());
        // What `cargo run` told this program about itself is not meant for others.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
                inner.env_remove(&name);
            }
        }
        Self {
            inner,
            line: quoted(program.as_ref()),
            hint,
        }
    }

    /// Cargo, the one that started this program.
    pub(crate) fn cargo(workspace: &Workspace, arguments: &[&str]) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Self::new(workspace, cargo, "install Rust by https://rustup.rs");
        // Its full path is right to run and tiresome to read.
        "cargo".clone_into(&mut command.line);
        command.arguments(arguments)
    }

    pub(crate) fn arguments<A: AsRef<OsStr>>(mut self, arguments: &[A]) -> Self {
        for argument in arguments {
            self.inner.arg(argument);
            self.line.push(' ');
            self.line.push_str(&quoted(argument.as_ref()));
        }
        self
    }

    /// Sets a variable, which then is part of the line.
    pub(crate) fn environment(mut self, name: &str, value: impl AsRef<Path>) -> Self {
        let value = value.as_ref().as_os_str();
        self.inner.env(name, value);
        self.line = format!("{name}={} {}", quoted(value), self.line);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.inner.env_remove(name);
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        self.announce();
        let mut child = self.start()?;
        let status = child.wait().map_err(|source| self.not_started(source))?;
        self.judge(status)
    }

    /// Runs it to its end, which must come within the limit.
    pub(crate) fn run_within(mut self, limit: Duration) -> Result<(), Failure> {
        self.announce();
        let mut child = self.start()?;
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(|source| self.not_started(source))? {
                return self.judge(status);
            }
            if started.elapsed() > limit {
                // It may have ended just now, which is as good.
                let _ = child.kill();
                let _ = child.wait();
                return Err(Failure::Deadline {
                    line: self.line,
                    limit,
                });
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Runs a program that only answers, and returns what it said; `None` when it is not there or fails.
    pub(crate) fn answer(mut self) -> Option<String> {
        self.inner.stderr(Stdio::null());
        let output = self.inner.output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Runs cargo's tests: passes on what they say, and ends with one line over all of them.
    pub(crate) fn run_tests(mut self) -> Result<(), Failure> {
        self.announce();
        self.inner.stdout(Stdio::piped());
        let mut child = self.start()?;
        let mut summary = Summary::default();
        if let Some(output) = child.stdout.take() {
            let mut terminal = std::io::stdout();
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                summary.read(&String::from_utf8_lossy(&line));
                // Nobody listens any more: the tests go on, their result still counts.
                let _ = terminal.write_all(&line).and_then(|()| terminal.write_all(b"\n"));
            }
        }
        let status = child.wait().map_err(|source| self.not_started(source))?;
        println!("{summary}");
        self.judge(status)
    }

    fn announce(&self) {
        eprintln!("$ {}", self.line);
    }

    fn start(&mut self) -> Result<Child, Failure> {
        self.inner.spawn().map_err(|source| self.not_started(source))
    }

    fn not_started(&self, source: std::io::Error) -> Failure {
        Failure::Start {
            line: self.line.clone(),
            source,
            hint: self.hint,
        }
    }

    fn judge(self, status: std::process::ExitStatus) -> Result<(), Failure> {
        if status.success() {
            return Ok(());
        }
        Err(Failure::Command {
            line: self.line,
            code: status.code(),
        })
    }
}

/// A word as a shell takes it back.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_=./:,@%+".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn workspace() -> Workspace {
        Workspace::locate().unwrap()
    }

    fn shell(script: &str) -> Command {
        Command::new(&workspace(), "sh", "a shell").arguments(&["-c", script])
    }

    #[test]
    fn a_line_can_be_pasted_back() {
        for (word, expected) in [
            ("--workspace", "--workspace"),
            ("two words", "'two words'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(OsStr::new(word)), expected);
        }
        let command = shell("exit 0").environment("A_NAME", "/a place");
        assert_eq!(command.line, "A_NAME='/a place' sh -c 'exit 0'");
    }

    #[test]
    fn the_exit_code_comes_back() {
        assert!(shell("exit 0").run().is_ok());
        let failure = shell("exit 7").run().unwrap_err();
        assert_eq!(failure.exit_code(), 7);
        assert_eq!(failure.to_string(), "exit code 7 from: sh -c 'exit 7'");
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_its_hint() {
        let failure = Command::new(&workspace(), "no-such-program", "install it")
            .run()
            .unwrap_err();
        assert_eq!(failure.to_string(), "cannot start: no-such-program");
        assert_eq!(failure.hint().as_deref(), Some("install it"));
    }

    #[test]
    fn a_command_is_ended_at_its_deadline() {
        // `exec`: the command itself, not a child of its shell, has to be ended.
        let failure = shell("exec sleep 60")
            .run_within(Duration::from_millis(100))
            .unwrap_err();
        let Failure::Deadline { line, .. } = failure else {
            panic!("{failure}");
        };
        assert_eq!(line, "sh -c 'exec sleep 60'");
    }

    #[test]
    fn a_command_within_its_deadline_ends_as_it_would_without() {
        assert!(shell("exit 0").run_within(Duration::from_secs(60)).is_ok());
        assert_eq!(
            shell("exit 3")
                .run_within(Duration::from_secs(60))
                .unwrap_err()
                .exit_code(),
            3
        );
    }

    #[test]
    fn nothing_is_asked_of_a_terminal() {
        assert_eq!(shell("cat; echo done").answer().as_deref(), Some("done"));
    }
}
