//! `provision plan`: what apply would change, and the worst-case time to fence.

use clap::Args;
use jiff::Timestamp;

use super::cloud::{self, FunctionArgs, ScopeArgs};
use super::{CommandError, Exit, OutputFormat, TopologyFile};
use crate::check;
use crate::observed::cluster;
use crate::preflight::ours::Choices;
use crate::preflight::warning::Warning;
use crate::report;
use crate::run::console::Console;
use crate::run::{Session, apply, drift, places, preview};
use crate::topology::{endings, time_to_fence};

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    file: TopologyFile,
    #[command(flatten)]
    function: FunctionArgs,
    /// Continue from this epoch if the register's new table already holds an item, for example one restored from a
    /// backup
    #[arg(long, value_name = "EPOCH")]
    resume_epoch: Option<u64>,
    /// Exit with 4 if anything would change
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Plan to take back fields of our objects that others changed
    #[arg(long)]
    force_conflicts: bool,
    /// Switch on OpenShift's Alertmanager for user workloads even if that moves the alerts of other projects
    #[arg(long)]
    move_user_alerts: bool,
    /// Also show what the topology costs a month, and how that is calculated
    #[arg(long)]
    cost: bool,
    /// Do not change OpenShift's user-workload-monitoring-config: somebody else adds the two lines
    #[arg(long)]
    skip_user_workload: bool,
    /// Sign in to Infinispan with its password even where the deployed function does not do so yet. Do not use it with
    /// a topology that you have not read
    #[arg(long)]
    sign_in: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Plan {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let loaded = self.file.load()?;
        let topology = &loaded.topology;
        let scope = self.scope.scope(topology)?;
        let choices = Choices {
            aws: scope.aws,
            force_conflicts: self.force_conflicts,
            moves_user_alerts: self.move_user_alerts,
            skips_user_workload: self.skip_user_workload,
            waits: false,
            only_looks: true,
        };
        let bill = if self.cost {
            let documents = check::documents(topology);
            let documents = documents.map_err(|error| CommandError::new(Exit::Failed, error))?;
            Some(report::monthly(topology, &documents))
        } else {
            None
        };
        let file = self.file.name();
        cloud::finish(async {
            let console = Console::new();
            // A caller who is not signed in learns that before the function is built.
            let session = Session::over(topology, &scope, console.clone()).await?;
            // Before anything else, and not beside it: what is said first is how things stand.
            if scope.aws {
                cloud::herald(&session, &loaded.topology, &file).await;
            }
            let wanted = cloud::wanted(&loaded, &self.function, &session, choices, self.resume_epoch).await?;
            let (observed, mut plan) = apply::plan(&session, &wanted, choices).await?;
            let preview = preview::preview(&session, topology, &plan).await?;
            plan.drifts = drift::drifts(&session, &plan).await?;
            let endings = endings(&loaded.ca_bundles, Timestamp::now()).into_iter();
            plan.warnings.extend(endings.map(Warning::from));
            let (warnings, statistics) =
                places::asked(&session, &loaded, &observed, scope.aws, self.sign_in).await;
            plan.warnings.extend(warnings);
            for warning in &plan.warnings {
                console.say(&format!("warning: {warning}"));
            }
            let mut read = cluster::what_fencing_waits_for(&observed.clusters);
            // What a server says of itself is so, whatever the resource says that it was made from.
            read.statistics.extend(statistics);
            let (cases, advice, savings) = (
                time_to_fence::worst_cases(topology, &read),
                time_to_fence::advice(topology, &read),
                time_to_fence::savings(topology, &read),
            );
            cloud::answer(
                self.output,
                || {
                    let cost = bill.as_deref().map(report::cost_text);
                    format!(
                        "{}\n{}{}",
                        report::plan_text(&plan, &preview),
                        report::latency_text(&cases, &advice, &savings),
                        cost.unwrap_or_default()
                    )
                },
                || report::plan_json(&plan, &preview, &cases, &advice, &savings, bill.as_deref()),
            )?;
            let has_changes = plan.has_changes() || plan.plan_again;
            let exit = cloud::complete(
                &console,
                &plan.unreached,
                &plan.unreached_regions,
                &plan.deferred,
                "is not in this plan",
            );
            // A plan that lacks a cluster or a Region is no answer to whether anything would change.
            if !plan.is_whole() {
                return Ok(exit);
            }
            Ok(if self.detailed_exitcode && has_changes {
                Exit::Changes
            } else {
                Exit::Done
            })
        })
    }
}
