//! `provision status`: one screen, how things stand and what to do next.

use std::time::Duration;

use clap::Args;

use super::cloud;
use super::{Exit, Failure, OutputFormat, TopologyFile, say};
use crate::report::{self, Condition};
use crate::run::console::Console;
use crate::run::{Session, status};
use crate::topology::Interval;

/// How often `--watch` looks.
const WATCH_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 healthy · 5 degraded · 6 a site is fenced · 1 cannot tell")]
pub(super) struct Status {
    #[command(flatten)]
    file: TopologyFile,
    /// Look again every five seconds and say what changed, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// How long to wait for what is slow to answer; it is shown as unknown then
    #[arg(long, value_name = "DURATION", value_parser = cloud::interval, default_value = "2s")]
    within: Interval,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Status {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let loaded = self.file.load()?;
        let topology = &loaded.topology;
        let file = self.file.name();
        let within = Duration::from_secs(self.within.seconds().into());
        cloud::finish(async {
            let session = Session::begin(topology, Console::new()).await?;
            let mut said = None;
            loop {
                let seen = status::look(&session, topology, &file, within).await;
                let verdict = report::verdict(&seen);
                // In words that count seconds something changes every time.
                if said.as_ref() != Some(&verdict) {
                    if said.is_some() {
                        say(&format!("--- changed at {}", seen.at));
                    }
                    cloud::answer(
                        self.output,
                        || report::status_text(&seen),
                        || report::status_json(&seen),
                    )?;
                    said = Some(verdict.clone());
                }
                if !self.watch {
                    return Ok(exit(verdict.condition));
                }
                session.interrupt.pause(WATCH_EVERY).await?;
            }
        })
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
