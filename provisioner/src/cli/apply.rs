//! `provision apply`: brings the topology into being, or up to date.

use clap::Args;

use super::cloud::{self, FunctionArgs};
use super::{Exit, Failure, OutputFormat, TopologyFile};
use crate::report;
use crate::run::Session;
use crate::run::apply::{self, Consent};
use crate::run::console::Console;

#[derive(Debug, Args)]
pub(super) struct Apply {
    #[command(flatten)]
    file: TopologyFile,
    #[command(flatten)]
    function: FunctionArgs,
    /// Agree to the changes beforehand
    #[arg(short = 'y', long)]
    yes: bool,
    /// Take over from another apply that died and has not lapsed yet
    #[arg(long)]
    break_lock: bool,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Apply {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let loaded = self.file.load()?;
        cloud::finish(async {
            let console = Console::new();
            // Whoever is not signed in learns it before the function is built.
            let session = Session::begin(&loaded.topology, console.clone()).await?;
            let wanted = cloud::wanted(&loaded, &self.function, &console).await?;
            let consent = Consent {
                given: self.yes,
                breaks_lock: self.break_lock,
            };
            let applied = apply::apply(&session, &wanted, consent).await?;
            console.say(if applied.changed { "done" } else { "nothing to do" });
            cloud::answer(
                self.output,
                || report::applied_text(&applied),
                || report::applied_json(&applied),
            )?;
            Ok(Exit::Done)
        })
    }
}
