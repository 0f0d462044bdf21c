//! `destroy`: from what stands to nothing.

use serde::Serialize;

use super::Session;
use super::apply::{Consent, agree};
use super::failure::Failure;
use super::observe;
use super::walk::Walk;
use crate::plan::{Step, destroy, preflight};
use crate::report;
use crate::topology::Topology;

/// What `destroy` came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Destroyed {
    /// The topology.
    pub topology: String,
    /// What went, as `Region stack`.
    pub removed: Vec<String>,
}

/// Removes everything that `apply` made.
pub async fn destroy(
    session: &Session,
    topology: &Topology,
    force: bool,
    consent: Consent,
) -> Result<Destroyed, Failure> {
    loop {
        let standing = observe::standing(session, topology).await?;
        preflight::judge_destruction(topology, &standing, force).map_err(Failure::Problems)?;
        let plan = destroy::plan(topology, &standing);
        let walk = Walk {
            session,
            topology,
            identity: &standing.identity,
            wanted: None,
            verb: "destroy",
            breaks_lock: consent.breaks_lock,
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
            removed: plan
                .steps
                .iter()
                .filter_map(|step| match step {
                    Step::DeleteStack { region, stack, .. } => Some(format!("{region} {stack}")),
                    _ => None,
                })
                .collect(),
        });
    }
}
