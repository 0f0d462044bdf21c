//! `provision apply`: brings the topology into being, or up to date.

use std::time::Duration;

use clap::Args;

use super::cloud::{self, FunctionArgs, ScopeArgs};
use super::{CommandError, Exit, OutputFormat, TopologyFile};
use crate::observed::Observed;
use crate::preflight::ours::Choices;
use crate::preflight::warning::Warning;
use crate::report;
use crate::run::Session;
use crate::run::apply::{self, Consent};
use crate::run::console::Console;
use crate::run::places;
use crate::run::subscriptions as notify;
use crate::topology::{Interval, Loaded};

#[derive(Debug, Args)]
pub(super) struct Apply {
    #[command(flatten)]
    file: TopologyFile,
    #[command(flatten)]
    function: FunctionArgs,
    /// Consent in advance
    #[arg(short = 'y', long)]
    yes: bool,
    /// Take over from another apply that died and whose lock has not expired yet
    #[arg(long)]
    break_lock: bool,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Take back fields of our objects that others changed
    #[arg(long)]
    force_conflicts: bool,
    /// Switch on OpenShift's Alertmanager for user workloads even if that moves the alerts of other projects
    #[arg(long)]
    move_user_alerts: bool,
    /// Do not change OpenShift's user-workload-monitoring-config: somebody else adds the two lines
    #[arg(long)]
    skip_user_workload: bool,
    /// How long to wait at most for both sites' watchdog alerts to reach the function, for example 90s or 10m
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = cloud::interval, conflicts_with = "no_wait")]
    wait: Interval,
    /// Do not wait for the watchdog alerts
    #[arg(long)]
    no_wait: bool,
    /// When everything is in place, send a test message through each notification topic
    #[arg(long)]
    test_notification: bool,
    /// Continue from this epoch if the register's new table already holds an item, for example one restored from a
    /// backup
    #[arg(long, value_name = "EPOCH")]
    resume_epoch: Option<u64>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Apply {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let loaded = self.file.load()?;
        let scope = self.scope.scope(&loaded.topology)?;
        let choices = Choices {
            aws: scope.aws,
            force_conflicts: self.force_conflicts,
            moves_user_alerts: self.move_user_alerts,
            skips_user_workload: self.skip_user_workload,
            waits: !self.no_wait,
            only_looks: false,
        };
        let file = self.file.name();
        cloud::finish(async {
            let console = Console::new();
            // A caller who is not signed in learns that before the function is built.
            let session = Session::over(&loaded.topology, &scope, console.clone()).await?;
            // Before anything else, and not beside it: what is said first is how things stand.
            if scope.aws {
                cloud::herald(&session, &loaded.topology, &file).await;
            }
            let wanted = cloud::wanted(&loaded, &self.function, &session, choices, self.resume_epoch).await?;
            let (observed, plan) = apply::plan(&session, &wanted, choices).await?;
            let consent = Consent {
                given: self.yes,
                breaks_lock: self.break_lock,
            };
            let patience = Duration::from_secs(self.wait.seconds().into());
            let faults = faults(
                &session,
                &loaded,
                (plan.has_changes() || plan.plan_again).then(|| observed.clone()),
                scope.aws,
            );
            let said = async {
                for fault in faults.await {
                    console.say(&format!("warning: {fault}"));
                }
            };
            let applying = apply::apply(&session, &wanted, choices, (observed, plan), consent, patience);
            let applied = if self.yes {
                // Nobody decides by it, so nothing waits for it.
                tokio::join!(applying, said).0?
            } else {
                said.await;
                applying.await?
            };
            console.say(match (applied.changed, applied.is_whole()) {
                (true, true) => "done",
                (false, true) => "nothing to do",
                (true, false) => "done as far as possible",
                (false, false) => "nothing could be done: not everything answered",
            });
            if self.test_notification {
                notify::test(&session, &loaded.topology, &applied.unreached_regions).await?;
            }
            let exit = cloud::complete(
                &console,
                &applied.unreached,
                &applied.unreached_regions,
                &applied.deferred,
                "was skipped",
            );
            cloud::answer(
                self.output,
                || report::applied_text(&applied),
                || report::applied_json(&applied),
            )?;
            Ok(exit)
        })
    }
}

/// What is wrong at the sites' Infinispans, where something is to be changed or has to settle first. That it could not be looked at from here is
/// for `plan` to say.
async fn faults(
    session: &Session,
    loaded: &Loaded,
    observed: Option<Observed>,
    may_read_secrets: bool,
) -> Vec<Warning> {
    let Some(observed) = observed else {
        return Vec::new();
    };
    let (mut faults, _) = places::asked(session, loaded, &observed, may_read_secrets, false).await;
    faults.retain(|it| !matches!(it, Warning::Unverified { .. }));
    faults
}
