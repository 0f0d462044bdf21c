//! `apply`: from what stands to what the topology wants.

use std::collections::BTreeMap;
use std::time::Duration;

use super::failure::Failure;
use super::learned::{Learned, StackOutputs};
use super::observe;
use super::preview;
use super::subscriptions;
use super::walk::Walk;
use super::webhook::webhook_url;
use super::{Session, Wanted};
use crate::check;
use crate::observed::{Observed, Standing};
use crate::plan::unreached::{Deferred, OutOfReach, UnreachedRegion};
use crate::plan::{self, OUTPUT_URL, Plan, Step};
use crate::preflight;
use crate::preflight::Findings;
use crate::preflight::ours::{Choices, Clusters};
use crate::report::{self, Applied};
use crate::topology::names::StackKind;
use crate::topology::{Region, Topology};

/// How much is asked before anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consent {
    /// Agreed to in advance.
    pub given: bool,
    /// Take the lock from the run that has it.
    pub breaks_lock: bool,
}

impl Consent {
    /// Shows what would change and asks, unless that was agreed to in advance.
    pub(super) async fn to(
        &self,
        session: &Session,
        topology: &Topology,
        plan: &Plan,
    ) -> Result<(), Failure> {
        if self.given {
            return Ok(());
        }
        let preview = preview::preview(session, topology, plan).await?;
        session.console.say(&report::plan_text(plan, &preview));
        agree(session, "apply these changes? (yes/no)", "yes")
    }
}

/// How long the watchdogs have if nobody says otherwise: a monitoring stack needs a minute or two to take up new
/// rules and routes.
pub const WATCHDOGS_WITHIN: Duration = Duration::from_secs(300);

/// Looks, and says all that stands in the way as far as that can be known without the function: for the person who is
/// about to spend minutes on building it.
pub async fn look(session: &Session, wanted: &Wanted<'_>, choices: Choices) -> Result<(), Failure> {
    let observed = observe::observe(session, wanted.topology, &wanted.objects, choices).await?;
    judge(session, wanted, choices, &observed).map(drop)
}

/// Looks and plans, without changing anything.
pub async fn plan(
    session: &Session,
    wanted: &Wanted<'_>,
    choices: Choices,
) -> Result<(Observed, Plan), Failure> {
    let observed = observe::observe(session, wanted.topology, &wanted.objects, choices).await?;
    let findings = judge(session, wanted, choices, &observed)?;
    let plan = plan::plan(
        wanted.topology,
        &observed.standing,
        &findings,
        wanted.function.as_ref().map(|function| &function.package),
        &wanted.documents,
        &clusters(wanted, choices, &observed),
    )
    .map_err(Failure::Problems)?;
    prove(wanted.topology, &observed.standing, &plan)?;
    Ok((observed, plan))
}

fn clusters<'a>(wanted: &'a Wanted<'_>, choices: Choices, observed: &'a Observed) -> Clusters<'a> {
    Clusters {
        choices,
        looks: &observed.clusters,
        documents: &wanted.objects,
        heard: &observed.heard,
    }
}

/// What is found in what was seen, or all the problems with it at once.
fn judge(
    session: &Session,
    wanted: &Wanted<'_>,
    choices: Choices,
    observed: &Observed,
) -> Result<Findings, Failure> {
    let package_bytes = wanted
        .function
        .as_ref()
        .map_or(0, |function| function.package.bytes);
    let judged = preflight::judge(wanted.topology, observed, package_bytes);
    let history = preflight::judge_history(wanted.topology, &observed.standing, wanted.resume_epoch);
    let aws = match (judged, history) {
        (Ok(findings), Ok(())) => Ok(findings),
        (judged, history) => {
            let mut problems = judged.err().unwrap_or_default();
            problems.extend(history.err().unwrap_or_default());
            Err(problems)
        }
    };
    let of_clusters = preflight::judge_clusters(
        wanted.topology,
        &observed.standing,
        &clusters(wanted, choices, observed),
    );
    let mut findings = match (aws, of_clusters) {
        (Ok(findings), Ok(warnings)) => Findings {
            warnings: findings.warnings.into_iter().chain(warnings).collect(),
            ..findings
        },
        (aws, of_clusters) => {
            for unreached in preflight::ours::unreached(&observed.clusters) {
                session.console.say(&format!("warning: {}", unreached.what));
            }
            let problems = preflight::together(
                aws.err().unwrap_or_default(),
                of_clusters.err().unwrap_or_default(),
            );
            return Err(Failure::Problems(problems));
        }
    };
    findings.warnings.dedup();
    Ok(findings)
}

/// Refuses a plan that breaks a promise: none is shown or walked.
pub(super) fn prove(topology: &Topology, standing: &Standing, plan: &Plan) -> Result<(), Failure> {
    let breaches = check::plan::breaches(topology, standing, plan);
    if breaches.is_empty() {
        Ok(())
    } else {
        Err(Failure::FaultyPlan { breaches })
    }
}

/// Brings the topology into being, or up to date, by a plan that was made just now.
pub async fn apply(
    session: &Session,
    wanted: &Wanted<'_>,
    choices: Choices,
    first: (Observed, Plan),
    consent: Consent,
    watchdogs_within: Duration,
) -> Result<Applied, Failure> {
    let mut has_changed = false;
    let mut lost = LostRegions::default();
    let learned = Learned::default();
    let mut planned = Some(first);
    loop {
        let (observed, plan) = match planned.take() {
            Some(planned) => planned,
            None => match plan(session, wanted, choices).await {
                Ok(planned) => planned,
                Err(failure) => return Err(lost.instead_of(failure)),
            },
        };
        let walk = Walk {
            session,
            topology: wanted.topology,
            identity: &observed.standing.identity,
            wanted: Some(wanted),
            verb: "apply",
            breaks_lock: consent.breaks_lock,
            watchdogs_within,
            learned: &learned,
            completed: None,
        };
        if plan.plan_again {
            if plan.has_changes() {
                consent.to(session, wanted.topology, &plan).await?;
                has_changed = true;
            }
            walk.all(&plan, None, std::future::ready(())).await?;
            continue;
        }
        let outputs = |kind: StackKind, region: &Region| {
            let stood = || Some(observed.standing.stack(region, kind)?.outputs.clone());
            learned.outputs(region, kind).or_else(stood)
        };
        let last_words =
            subscriptions::warn_of_pending(session, wanted.topology, &plan.unreached_regions, outputs);
        for warning in &plan.warnings {
            session.console.say(&format!("warning: {warning}"));
        }
        if plan.has_changes() {
            consent.to(session, wanted.topology, &plan).await?;
            // Where the lock's bucket stands already, nobody must have changed anything since we looked.
            let lock = match plan.steps.first() {
                Some(Step::TakeLock { region, bucket }) => {
                    let lock = walk.take_lock(region, bucket).await?;
                    match observe::standing(session, wanted.topology).await {
                        Ok(now) if now == observed.standing => Some(lock),
                        other => {
                            lock.release().await?;
                            other?;
                            return Err(Failure::Overtaken);
                        }
                    }
                }
                _ => None,
            };
            has_changed = true;
            if let Err(failure) = walk.all(&plan, lock, last_words).await {
                lost.note(session, failure)?;
                continue;
            }
        } else {
            if plan.unreached_regions.is_empty() {
                walk.tidy_lock().await?;
            }
            // What is left to do is waiting, for which nobody needs to be asked or kept out.
            walk.all(&plan, None, last_words).await?;
        }
        let webhook_urls = webhook_urls(wanted, &plan.unreached_regions, &plan.deferred, outputs)?;
        return Ok(Applied {
            topology: plan.topology,
            changed: has_changed,
            function_sha256: wanted
                .function
                .as_ref()
                .map(|function| function.package.sha256.clone()),
            webhook_urls,
            unreached: plan.unreached,
            unreached_regions: plan.unreached_regions,
            deferred: plan.deferred,
        });
    }
}

/// The Regions that stopped answering in the middle of the work, each with the failure that showed it.
///
/// The rest is planned again without such a Region, once for each: looking again finds out whether it is still
/// silent.
#[derive(Debug, Default)]
pub(super) struct LostRegions(BTreeMap<Region, Failure>);

impl LostRegions {
    /// Notes the Region that a failure was about, if it was about nothing else.
    pub(super) fn note(&mut self, session: &Session, failure: Failure) -> Result<(), Failure> {
        match failure.outage() {
            Some(region) if !self.0.contains_key(&region) => {
                session.console.say(&format!(
                    "{region} stopped answering ({failure}): continuing with the rest"
                ));
                self.0.insert(region, failure);
                Ok(())
            }
            _ => Err(failure),
        }
    }

    /// What to tell when there is no going on without it: why that was tried.
    pub(super) fn instead_of(self, failure: Failure) -> Failure {
        match failure {
            Failure::Problems(_) => self.0.into_values().next().unwrap_or(failure),
            other => other,
        }
    }
}

/// Asks, and goes on only if the answer is the one that is wanted.
pub(super) fn agree(session: &Session, question: &str, wanted: &str) -> Result<(), Failure> {
    match session.console.ask(question) {
        Ok(answer) if agrees(&answer, wanted) => Ok(()),
        Ok(_) => Err(Failure::Declined),
        Err(_) => Err(Failure::NoTerminal),
    }
}

/// A yes is a yes in any spelling; a name is typed as it is.
fn agrees(answer: &str, wanted: &str) -> bool {
    match wanted {
        "yes" => ["y", "yes"].contains(&answer.to_lowercase().as_str()),
        name => answer == name,
    }
}

/// The functions' addresses, from what their stacks tell.
fn webhook_urls(
    wanted: &Wanted<'_>,
    unreached: &[UnreachedRegion],
    deferred: &[Deferred],
    outputs: impl Fn(StackKind, &Region) -> Option<StackOutputs>,
) -> Result<BTreeMap<Region, String>, Failure> {
    let stack = wanted.topology.stack_name(StackKind::Fencing);
    let is_left_out = |region: &Region| {
        let waits = |it: &Deferred| it.what == stack && it.place == OutOfReach::Region(region.clone());
        unreached.iter().any(|it| it.region == *region) || deferred.iter().any(waits)
    };
    let mut urls = BTreeMap::new();
    for document in wanted
        .documents
        .iter()
        .filter(|document| document.kind == StackKind::Fencing && !is_left_out(&document.region))
    {
        let region = &document.region;
        let url = outputs(StackKind::Fencing, region).and_then(|outputs| outputs.get(OUTPUT_URL).cloned());
        let url = url.ok_or_else(|| Failure::NoOutput {
            stack: stack.clone(),
            region: region.clone(),
            output: OUTPUT_URL,
        })?;
        urls.insert(region.clone(), webhook_url(&url));
    }
    Ok(urls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_has_many_spellings_and_a_name_one() {
        for (answer, wanted, agreed) in [
            ("yes", "yes", true),
            ("Y", "yes", true),
            ("YES", "yes", true),
            ("", "yes", false),
            ("yep", "yes", false),
            ("keycloak", "keycloak", true),
            ("Keycloak", "keycloak", false),
            ("y", "keycloak", false),
        ] {
            assert_eq!(agrees(answer, wanted), agreed, "{answer} for {wanted}");
        }
    }
}
