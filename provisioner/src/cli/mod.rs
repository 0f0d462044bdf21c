//! The command line: arguments in, an exit code out. One module per verb; the library does the work.
//!
//! Data goes to stdout, messages to stderr. A verb is a struct of arguments with a method `run`. Adding one takes a
//! module here, a variant of `Verb` and an arm below, and an example in `examples`.

mod apply;
mod build;
mod cloud;
mod completions;
mod consent;
mod destroy;
mod drill;
mod examples;
mod explain;
mod force;
mod globals;
mod history;
mod hold;
mod init;
mod man;
mod plan;
mod recover;
mod render;
mod schema;
mod status;
mod topology_file;
mod validate;
mod version;

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::yaml::shortened;

pub use topology_file::TopologyFile;

/// Keeps a two-site Keycloak serving when the sites lose each other: deploys the fencing function from one topology
/// file, and removes it again.
#[derive(Debug, Parser)]
#[command(name = "provision", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done · 1 failed · 2 usage or invalid topology · 3 refused because unsafe · \
    4 `plan --detailed-exitcode` found changes · 5 `status` degraded, `drill` found that a loss would not be fenced · 6 `status` fenced"
)]
struct Cli {
    #[command(flatten)]
    globals: globals::Globals,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write a topology to start from: from flags, from two clusters and AWS, or by asking questions
    Init(init::Init),
    /// Check a topology offline, and report all mistakes at once, each with its line and what to do
    Validate(validate::Validate),
    /// Write every document to review or to commit; no credentials, no network
    Render(render::Render),
    /// Build the function for the topology's processor and pack it
    Build(build::Build),
    /// Show what apply would change, and how long fencing takes in the worst case
    Plan(plan::Plan),
    /// Put everything in place; after an interruption, run it again
    Apply(apply::Apply),
    /// Show how things stand and what to do next: the first thing to run when something is wrong
    Status(status::Status),
    /// Remove everything that apply made, and nothing else
    Destroy(destroy::Destroy),
    /// Show what was decided and when, who asked for it, and how it ended
    History(history::History),
    /// Take a site out for planned work, as an alert would
    Fence(recover::Fence),
    /// Record a forced fence in the register, and let the functions run again
    Reconcile(force::Reconcile),
    /// Bring the fenced site back, step by step; if it is interrupted, run it again
    Rejoin(recover::Rejoin),
    /// Make the fenced site serve, because the survivor died after the decision
    Promote(recover::Promote),
    /// Prevent new decisions until you release the hold; one already made is still carried out
    Hold(hold::Hold),
    /// Allow new decisions again
    Release(hold::Release),
    /// Rehearse the loss of a site, changing nothing; or cut the link for real (--split-brain)
    Drill(drill::Drill),
    /// Show the version of this program, the function that it carries, and what is deployed
    Version(version::Version),
    /// Print the JSON Schema of a topology, for editors
    Schema(schema::Schema),
    /// Show what a field of the topology is for, and what values it takes
    Explain(explain::Explain),
    /// Print completions for a shell
    Completions(completions::Completions),
    /// Print the manual page of a verb
    Man(man::ManPages),
}

impl Verb {
    fn run(self) -> Result<Exit, CommandError> {
        match self {
            Self::Init(verb) => verb.run(),
            Self::Validate(verb) => verb.run(),
            Self::Render(verb) => verb.run(),
            Self::Build(verb) => verb.run(),
            Self::Plan(verb) => verb.run(),
            Self::Apply(verb) => verb.run(),
            Self::Status(verb) => verb.run(),
            Self::Destroy(verb) => verb.run(),
            Self::History(verb) => verb.run(),
            Self::Fence(verb) => verb.run(),
            Self::Reconcile(verb) => verb.run(),
            Self::Rejoin(verb) => verb.run(),
            Self::Promote(verb) => verb.run(),
            Self::Hold(verb) => verb.run(),
            Self::Release(verb) => verb.run(),
            Self::Drill(verb) => verb.run(),
            Self::Version(verb) => verb.run(),
            Self::Schema(verb) => verb.run(),
            Self::Explain(verb) => verb.run(),
            Self::Completions(verb) => verb.run(),
            Self::Man(verb) => verb.run(),
        }
    }
}

/// How a reading verb answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// What the process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    /// Wrong usage, or an invalid topology.
    Invalid = 2,
    /// Refused because it is not safe.
    Refused = 3,
    /// `plan --detailed-exitcode` found changes.
    Changes = 4,
    /// `status` found something that is not as it should be.
    Degraded = 5,
    /// `status` found a site fenced.
    Fenced = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a verb did not do what it was asked for.
#[derive(Debug)]
pub struct CommandError {
    exit: Exit,
    /// Written as it is; a chain of causes follows.
    error: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
    /// What it is called by programs; stable.
    code: &'static str,
    /// Where, if that is a place in a file.
    at: Option<Box<str>>,
    /// Each of several things that are wrong, for programs: the key, one sentence for all, and the things.
    details: Option<Box<Details>>,
    /// The hint, where `error` is a whole report that ends with it.
    advice: Option<Box<str>>,
    /// Where to read on, likewise.
    runbook: Option<Box<str>>,
}

/// See [`CommandError::details`].
#[derive(Debug)]
struct Details {
    key: &'static str,
    sentence: String,
    things: Vec<serde_json::Value>,
}

impl CommandError {
    /// A failure with its exit code.
    pub fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            exit,
            error: error.into(),
            hint: None,
            code: match exit {
                Exit::Invalid => "usage",
                Exit::Refused => "refused",
                _ => "failed",
            },
            at: None,
            details: None,
            advice: None,
            runbook: None,
        }
    }

    /// With what to do about it, where people have read that already.
    #[must_use]
    fn advice(mut self, hint: Option<String>) -> Self {
        self.advice = hint.map(String::into_boxed_str);
        self
    }

    /// With where to read on, where people have read that already.
    #[must_use]
    fn runbook(mut self, runbook: Option<String>) -> Self {
        self.runbook = runbook.map(String::into_boxed_str);
        self
    }

    /// With the name that programs know it by.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// With its place.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.at = Some(place.into().into_boxed_str());
        self
    }

    /// With each of several things that are wrong, for programs, and one sentence for all of them.
    #[must_use]
    pub fn details(
        mut self,
        key: &'static str,
        sentence: impl Into<String>,
        things: Vec<serde_json::Value>,
    ) -> Self {
        self.details = Some(Box::new(Details {
            key,
            sentence: sentence.into(),
            things,
        }));
        self
    }

    /// The same for programs: what people read on stderr, in parts.
    fn as_json(&self) -> serde_json::Value {
        let mut error = serde_json::json!({
            "code": self.code,
            "message": self.error.to_string(),
            "hint": self.hint.as_deref().or(self.advice.as_deref()),
            "at": self.at,
        });
        if let Some(details) = &self.details {
            error["message"] = details.sentence.as_str().into();
            error[details.key] = details.things.clone().into();
        }
        if let Some(runbook) = &self.runbook {
            error["runbook"] = serde_json::json!(runbook);
        }
        serde_json::json!({ "error": error })
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for CommandError {
    /// What, why, and what to do: each cause once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.error.to_string();
        // What already reads as a report is passed on as it is.
        if text.starts_with("error: ") {
            write!(f, "{}", text.trim_end())?;
        } else {
            write!(f, "error: {text}")?;
        }
        let mut cause = self.error.source();
        while let Some(error) = cause {
            write!(f, "\n  because: {error}")?;
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// Runs the command line.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    if completions::answered() {
        return Exit::Done.into();
    }
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let wants_json = wants_json(&arguments);
    let parsed = examples::command()
        .try_get_matches_from(&arguments)
        .and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    let failure = match parsed {
        Ok(cli) => match cli.globals.apply().and_then(|()| cli.verb.run()) {
            Ok(exit) => return exit.into(),
            Err(failure) => {
                say(&failure.to_string());
                failure
            }
        },
        Err(error) => {
            let rendered = error.render().to_string();
            let text = quoting_shortly(&rendered, &arguments);
            if text == rendered {
                // Nothing is left to be done when the terminal is gone.
                let _ = error.print();
            } else {
                say(text.trim_end());
            }
            if !error.use_stderr() {
                return Exit::Done.into();
            }
            let text = text.split("\n\nUsage:").next().unwrap_or_default();
            let text = text.split("\n\nFor more information").next().unwrap_or_default();
            CommandError::new(
                Exit::Invalid,
                text.trim_start_matches("error: ").trim_end().to_owned(),
            )
            .hint("--help shows how the verb is used")
        }
    };
    if wants_json {
        // A program that closed its end does not want to know.
        let _ = print_json(&failure.as_json());
    }
    failure.exit.into()
}

/// What clap says of the arguments, with each of them quoted in part, and without what a terminal would obey.
fn quoting_shortly(text: &str, arguments: &[OsString]) -> String {
    let mut written: Vec<String> = Vec::new();
    for argument in arguments.iter().map(|it| it.to_string_lossy()) {
        written.extend(argument.split_once('=').map(|(_, value)| value.to_owned()));
        written.push(argument.into_owned());
    }
    written.sort_by_key(|it| std::cmp::Reverse(it.len()));
    written.iter().fold(text.to_owned(), |text, written| {
        let shown = shortened(written, 80);
        if shown == *written {
            text
        } else {
            text.replace(written, &shown)
        }
    })
}

/// Whether the answer is read by a program. Asked of the arguments themselves: those that cannot be parsed are
/// answered, too.
fn wants_json(arguments: &[OsString]) -> bool {
    let own = arguments.iter().take_while(|argument| *argument != "--");
    let words: Vec<&str> = own.filter_map(|argument| argument.to_str()).collect();
    words.windows(2).any(|pair| pair == ["--output", "json"]) || words.contains(&"--output=json")
}

/// Messages: to stderr, with a little colour on a terminal.
pub fn say(text: &str) {
    let mut painted = String::with_capacity(text.len());
    for line in text.lines() {
        let known = [("error:", 31), ("warning:", 33), ("hint:", 36)];
        match known
            .into_iter()
            .find_map(|(word, code)| Some((word, code, line.strip_prefix(word)?)))
        {
            Some((word, code, rest)) => painted.push_str(&format!("\u{1b}[1;{code}m{word}\u{1b}[0m{rest}\n")),
            None => {
                painted.push_str(line);
                painted.push('\n');
            }
        }
    }
    // A closed stderr does not want to hear.
    let _ = anstream::stderr().lock().write_all(painted.as_bytes());
}

/// Data: to stdout. A closed pipe (`| head`) is no failure of ours.
pub fn print(data: &str) -> Result<(), CommandError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(data.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CommandError::new(Exit::Failed, error))
        }
        _ => Ok(()),
    }
}

/// Data for programs.
pub fn print_json(value: &serde_json::Value) -> Result<(), CommandError> {
    print(&format!("{value:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        examples::command().debug_assert();
    }

    #[test]
    fn arguments_are_quoted_in_part_and_harmlessly() {
        let long = format!("--{}", "x".repeat(200));
        for argument in [
            long.as_str(),
            "--a\u{1b}[2Jb",
            "--until=a\u{202e}b",
            "un\u{a0}known",
        ] {
            let arguments: Vec<OsString> = ["provision", "hold", argument].map(OsString::from).into();
            let error = examples::command().try_get_matches_from(&arguments).err();
            let said = error.map(|it| quoting_shortly(&it.render().to_string(), &arguments));
            let said = said.unwrap_or_default();
            let is_hidden = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{a0}');
            assert!(
                said.starts_with("error: ") && !said.contains(is_hidden),
                "{said:?}"
            );
            assert!(said.lines().all(|line| line.chars().count() < 240), "{said}");
        }
    }

    #[test]
    fn a_program_is_known_by_its_argument() {
        let asks = |line: &str| wants_json(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(asks("provision plan --output json") && asks("provision plan --output=json x.yaml"));
        assert!(!asks("provision plan --output text") && !asks("provision plan -- --output json"));
    }

    #[test]
    fn a_failure_tells_each_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot write `out`")]
        struct Outer(#[source] std::io::Error);
        let failure =
            CommandError::new(Exit::Failed, Outer(std::io::Error::other("disk full"))).hint("make room");
        assert_eq!(
            failure.to_string(),
            "error: cannot write `out`\n  because: disk full\nhint: make room"
        );
    }
}
