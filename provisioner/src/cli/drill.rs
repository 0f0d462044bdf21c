//! `provision drill`: rehearses what nobody wants to see for the first time in earnest.

use clap::Args;
use fencing::health::FORCED_AT_MOST_SECONDS;

use super::{Exit, Failure, OutputFormat, TopologyFile, cloud};
use crate::report;
use crate::run::console::Console;
use crate::run::{Session, drill};
use crate::topology::Interval;

#[derive(Debug, Args)]
pub(super) struct Drill {
    #[command(flatten)]
    file: TopologyFile,
    /// Answer the health question with a failure for so long (10m, an hour at most; 0s ends it), to see whether
    /// Route 53 notices and people hear of it. Fences nobody, and ends by itself
    #[arg(long, value_name = "DURATION", value_parser = lasting, required = true)]
    fail_health: Option<Interval>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// A length of time that a rehearsal may have.
fn lasting(text: &str) -> Result<Interval, String> {
    let interval = cloud::interval(text)?;
    if interval.seconds() > FORCED_AT_MOST_SECONDS {
        return Err("a rehearsal lasts an hour at most: 1h".to_owned());
    }
    Ok(interval)
}

impl Drill {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let loaded = self.file.load()?;
        // Asked for by clap, since it is the only rehearsal so far.
        let lasts = self.fail_health.unwrap_or(Interval::from_seconds(0));
        let file = self.file.name();
        cloud::finish(async {
            let session = Session::begin(&loaded.topology, Console::new()).await?;
            cloud::herald(&session, &loaded.topology, &file).await;
            let drilled = drill::fail_health(&session, &loaded.topology, lasts).await?;
            cloud::answer(
                self.output,
                || report::drilled_text(&drilled),
                || report::drilled_json(&drilled),
            )?;
            Ok(Exit::Done)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_rehearsal_lasts_an_hour_at_most() {
        for (text, seconds) in [("10m", 600), ("0s", 0), ("1h", 3600)] {
            assert_eq!(lasting(text).unwrap().seconds(), seconds);
        }
        for text in ["2h", "61m", "10", "-1s", "soon", ""] {
            assert!(lasting(text).is_err(), "{text}");
        }
    }
}
