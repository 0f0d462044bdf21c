//! `destroy`: from what stands to nothing.

use super::apply::{Consent, LostRegions, WATCHDOGS_WITHIN, agree, prove};
use super::clusters;
use super::failure::Failure;
use super::learned::Learned;
use super::observe;
use super::walk::{Completed, Walk};
use super::{Scope, Session};
use crate::plan::{Step, destroy};
use crate::preflight;
use crate::report::{self, Destroyed};
use crate::topology::Topology;

/// Removes everything that `apply` made.
pub async fn destroy(
    session: &Session,
    topology: &Topology,
    scope: &Scope,
    force: bool,
    consent: Consent,
) -> Result<Destroyed, Failure> {
    let mut lost = LostRegions::default();
    let completed = Completed::default();
    let mut begun: Vec<Step> = Vec::new();
    let mut told = None;
    loop {
        let (standing, looks) = tokio::join!(
            observe::standing(session, topology),
            clusters::standing(session, topology)
        );
        let standing = standing?;
        // What a walk did not see end may have ended all the same.
        for step in begun.extract_if(.., |step| destroy::is_gone(step, &standing)) {
            completed.add(&step);
        }
        preflight::judge_destruction(topology, &standing, &looks, force).map_err(Failure::Problems)?;
        let plan = destroy::plan(topology, &standing, &looks, scope.aws);
        prove(topology, &standing, &plan)?;
        if told.is_none() {
            told = Some(());
            for line in report::unknown_kinds(&looks) {
                session.console.say(&line);
            }
        }
        let walk = Walk {
            session,
            topology,
            identity: &standing.identity,
            wanted: None,
            verb: "destroy",
            breaks_lock: consent.breaks_lock,
            watchdogs_within: WATCHDOGS_WITHIN,
            learned: &Learned::default(),
            completed: Some(&completed),
        };
        if plan.plan_again {
            if plan.has_changes() {
                consent.to(session, topology, &plan).await?;
            }
            walk.all(&plan, None, std::future::ready(())).await?;
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
            if let Err(failure) = walk.all(&plan, lock, std::future::ready(())).await {
                lost.note(session, failure)?;
                let done = completed.steps();
                begun = plan.steps;
                begun.retain(|step| !done.contains(step));
                continue;
            }
        }
        let steps = completed.steps();
        return Ok(Destroyed {
            topology: plan.topology,
            removed: steps.iter().filter_map(removal).collect(),
            kept: steps.iter().flat_map(left_behind).collect(),
            unreached: plan.unreached,
            unreached_regions: plan.unreached_regions,
            deferred: plan.deferred,
        });
    }
}

/// What a step leaves behind because the topology says so, in words.
fn left_behind(step: &Step) -> Vec<String> {
    match step {
        Step::DeleteStack { region, keeps, .. } => {
            keeps.iter().map(|what| format!("{region} {what}")).collect()
        }
        _ => Vec::new(),
    }
}

/// What a step removes, in words.
fn removal(step: &Step) -> Option<String> {
    match step {
        Step::DeleteStack { region, stack, .. } => Some(format!("{region} {stack}")),
        Step::DeleteObject { object, .. } => Some(format!("{} {}", object.site, object.title())),
        Step::UndoUserWorkloadConfig { object } => {
            Some(format!("{} what was added to {}", object.site, object.title()))
        }
        _ => None,
    }
}
