//! `provision destroy`: removes everything that apply made, and nothing else.

use clap::Args;

use super::cloud;
use super::{Exit, Failure, OutputFormat, TopologyFile};
use crate::report;
use crate::run::apply::Consent;
use crate::run::console::Console;
use crate::run::{Session, destroy};

#[derive(Debug, Args)]
pub(super) struct Destroy {
    #[command(flatten)]
    file: TopologyFile,
    /// Agree beforehand
    #[arg(short = 'y', long)]
    yes: bool,
    /// Remove it even while a site is fenced: nothing will remember that afterwards
    #[arg(long)]
    force: bool,
    /// Take over from another apply or destroy that died and has not lapsed yet
    #[arg(long)]
    break_lock: bool,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Destroy {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let loaded = self.file.load()?;
        cloud::finish(async {
            let session = Session::begin(&loaded.topology, Console::new()).await?;
            let consent = Consent {
                given: self.yes,
                breaks_lock: self.break_lock,
            };
            let destroyed = destroy::destroy(&session, &loaded.topology, self.force, consent).await?;
            cloud::answer(
                self.output,
                || report::destroyed_text(&destroyed),
                || report::destroyed_json(&destroyed),
            )?;
            Ok(Exit::Done)
        })
    }
}
