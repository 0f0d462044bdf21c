//! `provision destroy`: removes everything that apply made, and nothing else.

use clap::Args;

use super::cloud::{self, ScopeArgs};
use super::{CommandError, Exit, OutputFormat, TopologyFile};
use crate::report;
use crate::run::apply::Consent;
use crate::run::console::Console;
use crate::run::{Session, destroy};

#[derive(Debug, Args)]
pub(super) struct Destroy {
    #[command(flatten)]
    file: TopologyFile,
    /// Consent in advance
    #[arg(short = 'y', long)]
    yes: bool,
    /// Remove it even while a site is fenced: no record of that remains
    #[arg(long)]
    force: bool,
    /// Take over from another apply or destroy that died and whose lock has not expired yet
    #[arg(long)]
    break_lock: bool,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Destroy {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let loaded = self.file.load()?;
        let scope = self.scope.scope(&loaded.topology)?;
        let file = self.file.name();
        cloud::finish(async {
            let console = Console::new();
            let session = Session::over(&loaded.topology, &scope, console.clone()).await?;
            if scope.aws {
                cloud::herald(&session, &loaded.topology, &file).await;
            }
            let consent = Consent {
                given: self.yes,
                breaks_lock: self.break_lock,
            };
            let destroyed = destroy::destroy(&session, &loaded.topology, &scope, self.force, consent).await?;
            let exit = cloud::complete(
                &console,
                &destroyed.unreached,
                &destroyed.unreached_regions,
                &destroyed.deferred,
                "still has objects of this deployment",
            );
            cloud::answer(
                self.output,
                || report::destroyed_text(&destroyed),
                || report::destroyed_json(&destroyed),
            )?;
            Ok(exit)
        })
    }
}
