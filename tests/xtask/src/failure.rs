//! Why a task ended early.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that can stop a task.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The task was asked for in a way that makes no sense.
    Usage { what: String, hint: String },
    /// A command ran and said no.
    Command {
        /// The line that repeats it.
        line: String,
        /// How it ended; `None` when a signal ended it.
        code: Option<i32>,
    },
    /// A command could not be started.
    Start {
        /// The line that repeats it.
        line: String,
        source: io::Error,
        hint: &'static str,
    },
    /// A command was ended because it took too long.
    Deadline {
        /// The line that repeats it.
        line: String,
        /// How long it was given.
        limit: Duration,
    },
    /// A file or directory could not be read or made.
    File { path: PathBuf, source: io::Error },
}

impl Failure {
    /// The exit code that stands for it: a command's own, 2 for a wrong call, else 1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } => 2,
            // What is no exit code of this platform, as after a signal, still has to say that something failed.
            Self::Command { code, .. } => code
                .and_then(|code| u8::try_from(code).ok())
                .filter(|code| *code != 0)
                .unwrap_or(1),
            Self::Start { .. } | Self::Deadline { .. } | Self::File { .. } => 1,
        }
    }

    /// What to do about it, where that is not plain.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } => Some(hint.clone()),
            Self::Start { hint, .. } => Some((*hint).to_owned()),
            Self::Command { line, .. } => Some(format!("to repeat just this: {line}")),
            Self::Deadline { .. } | Self::File { .. } => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage { what, .. } => formatter.write_str(what),
            Self::Command {
                line,
                code: Some(code),
            } => write!(formatter, "exit code {code} from: {line}"),
            Self::Command { line, code: None } => write!(formatter, "ended by a signal: {line}"),
            Self::Start { line, .. } => write!(formatter, "cannot start: {line}"),
            Self::Deadline { line, limit } => {
                write!(formatter, "not done after {} s, ended: {line}", limit.as_secs())
            }
            Self::File { path, .. } => write!(formatter, "cannot use {}", path.display()),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start { source, .. } | Self::File { source, .. } => Some(source),
            Self::Usage { .. } | Self::Command { .. } | Self::Deadline { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended_with(code: Option<i32>) -> Failure {
        Failure::Command {
            line: "cargo test".to_owned(),
            code,
        }
    }

    #[test]
    fn the_exit_code_of_a_command_passes_through() {
        for (code, expected) in [(Some(1), 1), (Some(101), 101), (Some(255), 255)] {
            assert_eq!(ended_with(code).exit_code(), expected);
        }
    }

    #[test]
    fn no_failure_looks_like_success() {
        for code in [None, Some(0), Some(256), Some(-1)] {
            assert_eq!(ended_with(code).exit_code(), 1, "{code:?}");
        }
    }

    #[test]
    fn a_failed_command_names_the_line_that_repeats_it() {
        let failure = ended_with(Some(101));
        assert_eq!(failure.to_string(), "exit code 101 from: cargo test");
        assert_eq!(failure.hint().as_deref(), Some("to repeat just this: cargo test"));
    }
}
