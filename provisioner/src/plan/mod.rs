//! Topology and what was observed in, an ordered list of steps out. All choices are made here.
//!
//! ```text
//!   Topology ─┐
//!   Observed ─┼─ preflight::judge ─▶ Found ─┐
//!   Package ──┤                             ├─ plan ──▶ Plan { steps, unchanged, … }
//!   Documents ┘                             │
//!   Standing ────────────────────────────── destroy ──▶ the mirror
//! ```
//!
//! A [`Step`] is one effect, with every value it needs; `run` carries it out and adds nothing. Steps are
//! chosen so that whatever an interruption leaves, planning again continues from there: a stack is compared
//! with what it should be, never with what was done last. Planning right after applying yields no step.
//!
//! No step knows how to write to an endpoint group.

pub mod clusters;
pub mod destroy;
#[cfg(test)]
mod moves_tests;
mod stacks;
mod step;
pub mod unreached;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use self::stacks::parameters::{OUTPUT_TOPIC, OUTPUT_URL, OUTPUT_WEBHOOK_SECRET};
pub use self::step::{OutputReading, ParameterValue, Plan, StackGoal, Step, Unchanged};

use self::stacks::parameters::{declared_parameters, parameter_values};
use self::unreached::{Deferred, Place};
use crate::observed::{Condition, StackReading, Standing};
use crate::package::Package;
use crate::preflight::Findings;
use crate::preflight::ours::{self, Clusters};
use crate::preflight::problem::Problem;
use crate::render::{ObjectKind, StackDocument};
use crate::topology::names::{StackKind, TAG_REGIONS, TAG_TOPOLOGY};
use crate::topology::{Region, Topology};

/// Plans the way from what stands to what the topology wants.
pub fn plan(
    topology: &Topology,
    standing: &Standing,
    findings: &Findings,
    package: &Package,
    documents: &[StackDocument],
    clusters: &Clusters<'_>,
) -> Result<Plan, Vec<Problem>> {
    let mut plan = Plan {
        topology: topology.name.to_string(),
        account_id: standing.identity.account_id.clone(),
        caller: standing.identity.arn.clone(),
        steps: Vec::new(),
        unchanged: Vec::new(),
        drifts: Vec::new(),
        unreached: ours::unreached(clusters.looks),
        unreached_regions: unreached::that_matter(topology, standing, &findings.unreached),
        deferred: Vec::new(),
        warnings: findings.warnings.clone(),
        plan_again: false,
    };
    let lock_region = lock_region(topology, &findings.unreached);
    let unsettled = match clusters.choices.aws {
        true => unsettled(topology, standing, lock_region),
        false => Vec::new(),
    };
    if !unsettled.is_empty() {
        plan.steps = unsettled;
        plan.plan_again = true;
        return Ok(plan);
    }

    let mut goals = match clusters.choices.aws {
        true => goals(topology, standing, findings, package, documents)?,
        false => Vec::new(),
    };
    // Kind by kind: every bucket and the register stand before the first function.
    let first_region = topology.first_region().as_str();
    goals.sort_by_key(|goal| (goal.kind, goal.region != first_region));
    let account_id = &standing.identity.account_id;
    let lock = take_lock(topology, standing, lock_region);
    let mut is_locked = false;
    let wanted: BTreeSet<(String, StackKind)> = goals
        .iter()
        .map(|goal| (goal.region.clone(), goal.kind))
        .collect();
    let silent_function = unreached::function_out_of_reach(topology, standing, &findings.unreached);
    let goals = within_reach(topology, standing, findings, goals, &mut plan.deferred);
    let waits_for = match (silent_function, plan.deferred.first()) {
        (Some(region), _) => Some(region.clone()),
        (None, Some(deferred)) => Some(deferred.place.to_string()),
        (None, None) => None,
    };

    for goal in goals {
        let standing_stack = standing.stack(&goal.region, goal.kind);
        let lost_its_bucket = goal.kind == StackKind::Artifacts && standing.bucket_is_gone(&goal.region);
        let mut steps = stack_steps(standing_stack, lost_its_bucket, &goal);
        if steps.is_empty() {
            plan.unchanged.push(Unchanged::Stack {
                region: goal.region.clone(),
                stack: goal.stack.clone(),
            });
        }
        let uploads = goal.kind == StackKind::Artifacts
            && !standing
                .regions
                .get(&goal.region)
                .is_some_and(|region| region.artifacts.contains(&package.key()));
        let bucket = bucket_of(topology, account_id, &goal.region);
        if let (StackKind::Artifacts, Some(bucket), Some(Step::DeleteStack { .. })) =
            (goal.kind, &bucket, steps.first())
        {
            steps.insert(
                0,
                Step::EmptyBucket {
                    region: goal.region.clone(),
                    bucket: bucket.clone(),
                },
            );
        }
        let makes_the_lock_s_bucket = goal.kind == StackKind::Artifacts
            && goal.region == lock_region.as_str()
            && steps.iter().any(is_creation);
        if goal.kind == StackKind::Fencing && !steps.is_empty() {
            steps.push(Step::AwaitFunction {
                region: goal.region.clone(),
                function: topology.function_name(),
            });
        }
        if !is_locked && !makes_the_lock_s_bucket && (uploads || !steps.is_empty()) {
            plan.steps.push(lock.clone());
            is_locked = true;
        }
        plan.steps.append(&mut steps);
        if makes_the_lock_s_bucket {
            plan.steps.push(lock.clone());
            is_locked = true;
        }
        if let (true, Some(bucket)) = (uploads, bucket) {
            plan.steps.push(Step::Upload {
                region: goal.region,
                bucket,
                package: package.clone(),
            });
        }
    }

    let leftovers = match clusters.choices.aws {
        true => destroy::removals(
            topology,
            standing,
            "the topology no longer wants it",
            |region, kind| {
                let is_left = !wanted.contains(&(region.to_owned(), kind));
                // A register that a function out of reach may still write to stays until that is seen to.
                is_left && !(kind == StackKind::Register && silent_function.is_some())
            },
        ),
        false => Vec::new(),
    };
    // The clusters are told of new functions before old ones go.
    let (mut rest, mut unchanged) = clusters::steps(topology, clusters);
    if let Some(region) = &waits_for {
        hold_back(topology, region, &mut rest, &mut plan.deferred);
    }
    plan.unchanged.append(&mut unchanged);
    rest.extend(leftovers);
    if !is_locked && rest.iter().any(Step::is_change) {
        plan.steps.push(lock);
        is_locked = true;
    }
    plan.steps.append(&mut rest);
    if is_locked {
        plan.steps.push(Step::ReleaseLock);
    }
    // Nobody else needs to wait while we do. Where something is left out there may be nothing to wait for.
    if plan.unreached_regions.is_empty() && plan.deferred.is_empty() {
        let watchdogs = clusters::watchdogs(topology, clusters, plan.has_changes());
        plan.steps.extend(watchdogs);
    }
    Ok(plan)
}

/// The Region whose bucket holds the lock: the first of the function's that answers.
fn lock_region<'a>(topology: &'a Topology, unreached: &BTreeMap<String, String>) -> &'a Region {
    let mut regions = topology.regions.iter();
    let answers = regions.find(|region| !unreached.contains_key(region.as_str()));
    answers.unwrap_or_else(|| topology.first_region())
}

fn take_lock(topology: &Topology, standing: &Standing, region: &Region) -> Step {
    Step::TakeLock {
        region: region.to_string(),
        bucket: topology.bucket_name(&standing.identity.account_id, region),
    }
}

/// Whether there is a bucket to hold the lock. One that somebody has deleted holds none.
fn lock_stands(standing: &Standing, region: &Region) -> bool {
    !standing.bucket_is_gone(region.as_str())
        && standing
            .stack(region.as_str(), StackKind::Artifacts)
            .is_some_and(|stack| stack.status.ends_with("_COMPLETE") && stack.status != "ROLLBACK_COMPLETE")
}

/// The goals that can be worked on now. Of those that cannot, the ones in reach are told.
fn within_reach(
    topology: &Topology,
    standing: &Standing,
    findings: &Findings,
    goals: Vec<StackGoal>,
    deferred: &mut Vec<Deferred>,
) -> Vec<StackGoal> {
    let mut ready = Vec::new();
    for mut goal in goals {
        if findings.unreached.contains_key(&goal.region) {
            continue;
        }
        match unreached::settle(topology, standing, &findings.unreached, &mut goal) {
            Ok(()) => ready.push(goal),
            Err(why) => deferred.push(Deferred {
                place: Place::Region(goal.region),
                what: goal.stack,
                why,
            }),
        }
    }
    ready
}

/// Leaves a cluster as it is whose Secret would be written without the URL of a function that nobody can ask:
/// what Alertmanager reads must be whole.
fn hold_back(topology: &Topology, region: &str, steps: &mut Vec<Step>, deferred: &mut Vec<Deferred>) {
    for site in &topology.sites {
        let writes_the_secret = steps.iter().any(|step| match step {
            Step::ApplyObject(goal) => {
                goal.object.site == site.name && goal.object.kind == ObjectKind::Secret
            }
            _ => false,
        });
        if writes_the_secret {
            steps.retain(|step| step.site() != Some(&site.name));
            deferred.push(Deferred {
                place: Place::Site(site.name.clone()),
                what: format!("Secret {} and what reads it", topology.object_name()),
                why: format!("it holds the URL of the function in {region}"),
            });
        }
    }
}

fn is_creation(step: &Step) -> bool {
    matches!(step, Step::CreateStack(_))
}

fn bucket_of(topology: &Topology, account_id: &str, region: &str) -> Option<String> {
    let region = topology.regions.iter().find(|known| known.as_str() == region)?;
    Some(topology.bucket_name(account_id, region))
}

/// Stacks on which something is under way, or stuck: nothing can be planned on them yet. What is under way is waited
/// for first, which changes nothing, so that nobody has to be asked or kept out; to go on with a rollback is a change.
fn unsettled(topology: &Topology, standing: &Standing, lock_region: &Region) -> Vec<Step> {
    let (mut waits, mut rollbacks) = (Vec::new(), Vec::new());
    for (region, reading) in &standing.regions {
        for (kind, stack) in &reading.stacks {
            let (region, name) = (region.clone(), topology.stack_name(*kind));
            match stack.condition() {
                Condition::Working => waits.push(Step::AwaitStack {
                    region,
                    stack: name,
                    status: stack.status.clone(),
                }),
                Condition::Stuck => rollbacks.push(Step::ContinueRollback { region, stack: name }),
                Condition::Usable | Condition::Broken => {}
            }
        }
    }
    if !waits.is_empty() {
        return waits;
    }
    if !rollbacks.is_empty() && lock_stands(standing, lock_region) {
        rollbacks.insert(0, take_lock(topology, standing, lock_region));
        rollbacks.push(Step::ReleaseLock);
    }
    rollbacks
}

/// What a stack needs to become its goal. CloudFormation does not notice that a bucket was deleted by hand, and
/// an update would not make it again.
fn stack_steps(standing: Option<&StackReading>, lost_its_bucket: bool, goal: &StackGoal) -> Vec<Step> {
    let Some(stack) = standing else {
        return vec![Step::CreateStack(goal.clone())];
    };
    let anew = |why: &str| {
        vec![
            destroy::deletion(goal.kind, &goal.region, &goal.stack, stack, why),
            Step::CreateStack(goal.clone()),
        ]
    };
    match stack.condition() {
        Condition::Broken => anew(&format!("it is {} and only a new one helps", stack.status)),
        Condition::Usable if lost_its_bucket => {
            anew("its bucket was deleted by hand and only a new one helps")
        }
        _ if is_reached(stack, goal) => Vec::new(),
        _ => vec![Step::UpdateStack(StackGoal {
            adopts: false,
            ..goal.clone()
        })],
    }
}

/// Whether a stack is what it should be: made from the same template, with the same values and tags.
fn is_reached(stack: &StackReading, goal: &StackGoal) -> bool {
    stack.template.trim_end() == goal.template.trim_end()
        // Parameters that are left to their default show in the stack, too.
        && goal
            .parameters
            .iter()
            .all(|(name, value)| value.known().is_some_and(|value| stack.parameters.get(name).is_some_and(|it| it == value)))
        && stack.tags == goal.tags
}

fn goals(
    topology: &Topology,
    standing: &Standing,
    findings: &Findings,
    package: &Package,
    documents: &[StackDocument],
) -> Result<Vec<StackGoal>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut goals = Vec::new();
    for document in documents {
        let stack = topology.stack_name(document.kind);
        let values = parameter_values(topology, standing, findings, package, document.region.as_str());
        let mut parameters: BTreeMap<String, ParameterValue> = BTreeMap::new();
        for (name, has_default) in declared_parameters(&document.value) {
            match values.get(&name) {
                Some(value) => {
                    parameters.insert(name, value.clone());
                }
                None if has_default => {}
                None => problems.push(Problem::UnknownParameter {
                    stack: stack.clone(),
                    parameter: name,
                }),
            }
        }
        goals.push(StackGoal {
            kind: document.kind,
            region: document.region.to_string(),
            adopts: document.kind == StackKind::Register
                && standing
                    .stack(document.region.as_str(), StackKind::Register)
                    .is_none()
                && standing.register.is_some(),
            stack,
            template: document.template.clone(),
            parameters,
            tags: tags(topology),
        });
    }
    if problems.is_empty() {
        Ok(goals)
    } else {
        Err(problems)
    }
}

/// The tags of every stack, which its resources inherit.
pub fn tags(topology: &Topology) -> BTreeMap<String, String> {
    let regions: Vec<&str> = topology.regions.iter().map(|region| region.as_str()).collect();
    let mut tags: BTreeMap<String, String> = topology
        .tags
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    tags.insert(TAG_TOPOLOGY.to_owned(), topology.name.to_string());
    tags.insert(TAG_REGIONS.to_owned(), regions.join(" "));
    tags
}
