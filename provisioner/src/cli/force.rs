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
                "\n{site} is to be fenced by force, from this machine and with your rights. Where the register answers, it is \
                 decided there. Where it does not, the functions of all Regions are stopped first, and a wait follows; \
                 nobody looks then whether a decision the other way stands in it. No function decides, repairs or watches \
                 until `provision reconcile {}`",
                self.file
            ));
            if self.cut_first {
                say(&format!(
                    "--cut-first: only {other} is cut off from {site}. Both stay in the accelerator and serve, apart from each \
                     other: what is written at {site} is lost when it is brought back"
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
    /// Write nothing down: only let the functions run again. What was forced may then be undone by them
    #[arg(long)]
    abandon: bool,
    /// Take a hold off, too, that was there before the forced fence
    #[arg(long, conflicts_with = "abandon")]
    lift_hold: bool,
    /// Consent in advance
    #[arg(short = 'y', long)]
    yes: bool,
    /// How to answer
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
