//! `provision fence --force` and `provision reconcile`: when the functions, or their register, are out of reach.

use clap::Args;

use super::consent::{DRY, LOOK_WITHIN, answer, consent};
use super::{CommandError, Exit, OutputFormat, TopologyFile, cloud, say};
use crate::report;
use crate::run::console::Console;
use crate::run::{Session, force, status};
use crate::topology::{Loaded, Site, SiteName};

/// What is asked for.
pub(super) struct Forced<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) file: String,
    pub(super) site: &'a Site,
    pub(super) reason: &'a str,
    pub(super) cut_first: bool,
    pub(super) dry_run: bool,
    pub(super) yes: bool,
    pub(super) output: OutputFormat,
}

impl Forced<'_> {
    pub(super) fn run(&self) -> Result<Exit, CommandError> {
        let topology = &self.loaded.topology;
        let (site, other) = (&self.site.name, &topology.peer_of(self.site).name);
        cloud::finish(async {
            let session = Session::begin(topology, Console::new()).await?;
            let seen = status::look(&session, topology, &self.file, LOOK_WITHIN).await;
            say(report::status_text(&seen).trim_end());
            say(&format!(
                "\nthis fences {site} by force, from this machine and with your rights. If the register answers, the \
                 decision is made there. If it does not, the functions of all Regions are stopped first, and a wait \
                 follows; nobody can then check whether the register holds the opposite decision, and no function \
                 decides, repairs or watches until `provision reconcile {}`",
                self.file
            ));
            if self.cut_first {
                say(&format!(
                    "--cut-first: {other} only stops replicating to {site}, and the functions are stopped in any \
                     case. Both sites stay in the accelerator: users still reach {site}, and what is written there is lost when \
                     it is brought back"
                ));
            }
            if self.dry_run {
                say(DRY);
                return Ok(Exit::Done);
            }
            consent(&session.console, self.yes, site.as_str())?;
            let operated =
                force::fence(&session, self.loaded, self.site, self.reason, self.cut_first).await?;
            answer(self.output, &operated)
        })
    }
}

#[derive(Debug, Args)]
pub(super) struct Reconcile {
    #[command(flatten)]
    file: TopologyFile,
    /// Record nothing: only let the functions run again. They may then undo the forced fence
    #[arg(long)]
    abandon: bool,
    /// Also release a hold from before the forced fence
    #[arg(long, conflicts_with = "abandon")]
    lift_hold: bool,
    /// Consent in advance
    #[arg(short = 'y', long)]
    yes: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Reconcile {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let loaded = self.file.load()?;
        cloud::finish(async {
            let session = Session::begin(&loaded.topology, Console::new()).await?;
            cloud::herald(&session, &loaded.topology, &self.file.name()).await;
            let asked = force::ForceRequest {
                abandon: self.abandon,
                lift_hold: self.lift_hold,
            };
            let agree = |site: &SiteName| consent(&session.console, self.yes, site.as_str());
            let operated = force::reconcile(&session, &loaded, asked, agree).await?;
            answer(self.output, &operated)
        })
    }
}
