//! `provision hold` and `provision release`: forbid new decisions, and allow them again.

use clap::Args;
use fencing::contract::REASON_LIMIT;
use fencing::step::Task;
use fencing::words::Epoch;
use jiff::{SignedDuration, Timestamp};

use super::cloud;
use super::{CommandError, Exit, OutputFormat, TopologyFile, say};
use crate::report;
use crate::run::console::Console;
use crate::run::{Session, operate};
use crate::topology::Loaded;

#[derive(Debug, Args)]
pub(super) struct Hold {
    #[command(flatten)]
    file: TopologyFile,
    /// Why; shown to everybody who is refused meanwhile
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// When it is meant to end: a time such as 2026-11-21T22:00:00Z, or a duration such as 2h30m. The hold does not
    /// end by itself: an alarm reminds you then
    #[arg(long, value_name = "WHEN", value_parser = When::parse)]
    until: Option<When>,
    /// Replace another person's hold; otherwise the command is refused
    #[arg(long)]
    replace: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Debug, Args)]
pub(super) struct Release {
    #[command(flatten)]
    file: TopologyFile,
    /// Accept a register that was restored from a backup: give the epoch that it shows now. This does not release a hold
    #[arg(long, value_name = "EPOCH")]
    resume_epoch: Option<u64>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Hold {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let loaded = self.file.load()?;
        let until = match self.until.map(|when| when.after(Timestamp::now())).transpose() {
            Ok(until) => until,
            Err(problem) => return Err(CommandError::new(Exit::Invalid, problem)),
        };
        let (reason, replace) = (self.reason, self.replace);
        let exit = ask(&loaded, &self.file.name(), self.output, |by| Task::Hold {
            by,
            reason,
            until,
            replace,
        })?;
        say(&until.map_or_else(
            || {
                format!(
                    "it lasts until `provision release`; an alarm reminds you after {} (notify.holdAfter)",
                    loaded.topology.notify.hold_after
                )
            },
            |until| format!("meant to end at {until}: an alarm reminds you then, and the hold stays on"),
        ));
        say("it stops neither what was already decided nor a rejoin");
        Ok(exit)
    }
}

impl Release {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let loaded = self.file.load()?;
        ask(&loaded, &self.file.name(), self.output, |by| {
            match self.resume_epoch.map(Epoch) {
                Some(epoch) => Task::Resume { by, epoch },
                None => Task::Release { by },
            }
        })
    }
}

/// Says how things stand, and so whose hold is there, then asks.
fn ask(
    loaded: &Loaded,
    file: &str,
    output: OutputFormat,
    task: impl FnOnce(String) -> Task,
) -> Result<Exit, CommandError> {
    cloud::finish(async {
        let session = Session::begin(&loaded.topology, Console::new()).await?;
        cloud::herald(&session, &loaded.topology, file).await;
        let operated = operate::operate(&session, &loaded.topology, task).await?.done()?;
        cloud::answer(
            output,
            || report::operated_text(&operated),
            || report::operated_json(&operated),
        )?;
        Ok(Exit::Done)
    })
}

/// A reason that says nothing helps nobody at three in the morning.
pub(super) fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why: everybody who is refused meanwhile will read it".to_owned()),
        text if text.chars().count() > REASON_LIMIT => Err(format!("use at most {REASON_LIMIT} characters")),
        text => Ok(text.to_owned()),
    }
}

/// A point in time, or a span from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    At(Timestamp),
    In(SignedDuration),
}

impl When {
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        match text.parse::<SignedDuration>() {
            Ok(span) if span > SignedDuration::ZERO => Ok(Self::In(span)),
            _ => Err("neither a time such as 2026-11-21T22:00:00Z nor a duration such as 2h30m".to_owned()),
        }
    }

    fn after(self, now: Timestamp) -> Result<Timestamp, String> {
        let at = match self {
            Self::At(at) => at,
            Self::In(span) => now
                .checked_add(span)
                .map_err(|_| "--until is too far in the future".to_owned())?,
        };
        if at > now {
            Ok(at)
        } else {
            Err(format!("--until {at} has already passed: it is {now}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_is_a_time_or_a_span_from_now() {
        let now: Timestamp = "2026-11-21T20:00:00Z".parse().unwrap_or_default();
        let after = |text| When::parse(text).and_then(|when| when.after(now));
        for (text, at) in [
            ("2026-11-21T22:00:00Z", "2026-11-21T22:00:00Z"),
            ("2026-11-21T23:00:00+01:00", "2026-11-21T22:00:00Z"),
            ("2h", "2026-11-21T22:00:00Z"),
            ("1h 30m", "2026-11-21T21:30:00Z"),
        ] {
            assert_eq!(after(text).map(|at| at.to_string()), Ok(at.to_owned()), "{text}");
        }
        for text in ["", "tomorrow", "-2h", "0s", "2026-11-21T19:00:00Z", "2026-11-21"] {
            assert!(after(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_reason_says_something() {
        assert_eq!(reason(" maintenance "), Ok("maintenance".to_owned()));
        assert!(reason(" ").is_err());
        assert!(reason(&"x".repeat(REASON_LIMIT + 1)).is_err());
    }
}
