//! `destroy`: from what stands to nothing.

use serde::Serialize;

use super::apply::{Consent, WATCHDOGS_WITHIN, agree};
use super::clusters;
use super::failure::Failure;
use super::observe;
use super::walk::Walk;
use super::{Scope, Session};
use crate::plan::cluster::Unreached;
use crate::plan::{Step, destroy, preflight};
use crate::report;
use crate::topology::Topology;

/// What `destroy` came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Destroyed {
    /// The topology.
    pub topology: String,
    /// What went, as `Region stack` or `site object`.
    pub removed: Vec<String>,
    /// The clusters that did not answer and still hold what is ours.
    pub unreached: Vec<Unreached>,
}

/// Removes everything that `apply` made.
pub async fn destroy(
    session: &Session,
    topology: &Topology,
    scope: &Scope,
    force: bool,
    consent: Consent,
) -> Result<Destroyed, Failure> {
    loop {
        let (standing, looks) = tokio::join!(
            observe::standing(session, topology),
            clusters::standing(session, topology)
        );
        let standing = standing?;
        preflight::judge_destruction(topology, &standing, &looks, force).map_err(Failure::Problems)?;
        let plan = destroy::plan(topology, &standing, &looks, scope.aws);
        let walk = Walk {
            session,
            topology,
            identity: &standing.identity,
            wanted: None,
            verb: "destroy",
            breaks_lock: consent.breaks_lock,
            watchdogs_within: WATCHDOGS_WITHIN,
        };
        if plan.plan_again {
            walk.all(&plan, None).await?;
            continue;
        }
        if plan.has_changes() {
            session.console.say(&report::destruction_text(&plan));
            if !consent.given {
                agree(
                    session,
                    &format!("type the topology's name ({}) to remove all this:", topology.name),
                    topology.name.as_str(),
                )?;
            }
            let lock = match plan.steps.first() {
                Some(Step::TakeLock { region, bucket }) => {
                    let lock = walk.take_lock(region, bucket).await?;
                    // A site may have been fenced while the question stood.
                    match observe::standing(session, topology).await {
                        Ok(now) if now == standing => Some(lock),
                        other => {
                            lock.release().await?;
                            other?;
                            return Err(Failure::Overtaken);
                        }
                    }
                }
                _ => None,
            };
            walk.all(&plan, lock).await?;
        }
        return Ok(Destroyed {
            topology: plan.topology.clone(),
            unreached: plan.unreached.clone(),
            removed: plan
                .steps
                .iter()
                .filter_map(|step| match step {
                    Step::DeleteStack { region, stack, .. } => Some(format!("{region} {stack}")),
                    Step::DeleteObject { object, .. } => Some(format!("{} {}", object.site, object.title())),
                    Step::UndoUserWorkloadConfig { object } => {
                        Some(format!("{} what was added to {}", object.site, object.title()))
                    }
                    _ => None,
                })
                .collect(),
        });
    }
}
