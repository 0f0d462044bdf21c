//! `provision status`: one screen, how things stand and what to do next.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;

use super::{CommandError, Exit, OutputFormat, TopologyFile, cloud, say};
use crate::observed::status::StatusReading;
use crate::report::{self, Condition};
use crate::run::console::Console;
use crate::run::{self, Session, status};
use crate::topology::Interval;

/// How often `--watch` looks.
const WATCH_EVERY: Duration = Duration::from_secs(5);
/// Takes what a terminal shows away, and goes to its upper left corner.
const CLEAR: &str = "\x1b[2J\x1b[H";

#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 healthy · 5 degraded · 6 a site is fenced · 1 unknown")]
pub(super) struct Status {
    #[command(flatten)]
    file: TopologyFile,
    /// Look again every five seconds and show what changed, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// How long to wait for a slow answer before it is shown as unknown
    #[arg(long, value_name = "DURATION", value_parser = cloud::interval, default_value = "2s")]
    within: Interval,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Status {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let loaded = self.file.load()?;
        let topology = &loaded.topology;
        let file = self.file.name();
        let within = cloud::duration(self.within);
        cloud::finish(async {
            let session = Session::begin(topology, Console::new()).await?;
            let mut seen = status::look(&session, topology, &file, within).await;
            self.show(&seen)?;
            // An interrupt is how watching ends.
            let goes_on = async || self.watch && session.interrupt.pause(WATCH_EVERY).await.is_ok();
            while goes_on().await {
                let now = status::look(&session, topology, &file, within).await;
                self.show_again(&seen, &now)?;
                seen = now;
            }
            Ok(exit(report::verdict(&seen).condition))
        })
    }

    fn show(&self, seen: &StatusReading) -> Result<(), run::Failure> {
        cloud::answer(
            self.output,
            || report::status_text(seen),
            || report::status_json(seen),
        )
    }

    /// A terminal shows how things are now, and below it what changed last; a file gets what changed alone.
    fn show_again(&self, before: &StatusReading, now: &StatusReading) -> Result<(), run::Failure> {
        let changes = report::changes_between(before, now);
        let redraws = matches!(self.output, OutputFormat::Text) && std::io::stdout().is_terminal();
        if redraws {
            cloud::answer(
                self.output,
                || format!("{CLEAR}{}", report::status_text(now)),
                || report::status_json(now),
            )?;
        } else if !changes.is_empty() {
            self.show(now)?;
        }
        for change in &changes {
            say(&format!("changed at {}: {change}", now.at));
        }
        Ok(())
    }
}

fn exit(condition: Condition) -> Exit {
    match condition {
        Condition::Healthy => Exit::Done,
        Condition::Degraded => Exit::Degraded,
        Condition::Fenced => Exit::Fenced,
        Condition::Unknown => Exit::Failed,
    }
}
