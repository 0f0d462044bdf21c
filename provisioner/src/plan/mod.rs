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
//! What each stack should be comes first, then the steps that get it there, then those for the clusters and for what is
//! removed; in the end, one pass puts whatever changes something between taking the [lock] and releasing it.
//!
//! A [`Step`] is one effect, with every value it needs; `run` carries it out and adds nothing. Steps are
//! chosen so that whatever an interruption leaves, planning again continues from there: a stack is compared
//! with what it should be, never with what was done last. Planning right after applying yields no step.
//!
//! No step knows how to write to an endpoint group.

#[cfg(test)]
mod anew_tests;
pub mod clusters;
pub mod destroy;
pub mod difference;
mod lock;
mod marks;
#[cfg(test)]
mod marks_tests;
#[cfg(test)]
mod moves_tests;
mod removal;
mod stacks;
mod step;
pub mod turns;
pub mod unreached;
mod versions;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;

pub use self::lock::LockPlace;
pub use self::stacks::parameters::{OUTPUT_TOPIC, OUTPUT_URL, OUTPUT_WEBHOOK_SECRET};
pub use self::step::{FunctionMove, OutputReading, ParameterValue, Plan, StackGoal, Step, Unchanged};
pub use self::versions::noted_version;

use self::marks::Marks;
use self::unreached::{Deferred, OutOfReach};
use crate::observed::Standing;
use crate::package::Package;
use crate::preflight::Findings;
use crate::preflight::ours::{self, Clusters};
use crate::preflight::problem::Problem;
use crate::render::{ObjectKind, StackDocument};
use crate::topology::names::StackKind;
use crate::topology::{Region, Topology};

/// Plans the way from what stands to what the topology wants. Without a package the AWS half is left as it is.
pub fn plan(
    topology: &Topology,
    standing: &Standing,
    findings: &Findings,
    package: Option<&Package>,
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
        functions: Vec::new(),
        warnings: findings.warnings.clone(),
        plan_again: false,
    };
    let lock = LockPlace::of(topology, standing, &findings.unreached);
    let silent_function = unreached::function_out_of_reach(topology, standing, &findings.unreached);
    let mut steps = Vec::new();
    let mut leftovers = Vec::new();
    if let (true, Some(package)) = (clusters.choices.aws, package) {
        let settling = stacks::unsettled(topology, standing, &lock);
        if !settling.is_empty() {
            plan.steps = settling;
            plan.plan_again = true;
            return Ok(plan);
        }
        let goals = stacks::goals(topology, standing, findings, package, documents)?;
        let wanted: BTreeSet<(Region, StackKind)> = goals
            .iter()
            .map(|goal| (goal.region.clone(), goal.kind))
            .collect();
        let (goals, deferred) = stacks::within_reach(topology, standing, findings, goals);
        plan.deferred = deferred;
        let mut marks = Marks::new(standing, findings, silent_function.is_none());
        for goal in &goals {
            let of_stack = stacks::steps(topology, standing, goal);
            if goal.kind == StackKind::Fencing {
                steps.extend(marks.before_functions(!of_stack.is_empty()));
                let moved = versions::function_move(standing, &goal.region, package);
                plan.functions.extend(moved.filter(|_| !of_stack.is_empty()));
            }
            if of_stack.is_empty() {
                plan.unchanged.push(Unchanged::Stack {
                    region: goal.region.clone(),
                    stack: goal.stack.clone(),
                });
            }
            let upload = stacks::upload(topology, standing, package, goal);
            steps.extend(of_stack);
            steps.extend(upload);
        }
        // A register that a function out of reach may still write to stays until that is seen to.
        let why = "the topology no longer needs it";
        leftovers = destroy::removals(topology, standing, &lock, why, |region, kind| {
            let is_left = !wanted.contains(&(region.clone(), kind));
            is_left && !(kind == StackKind::Register && silent_function.is_some())
        });
    }
    // The clusters post to new functions before old ones go.
    let (mut of_clusters, unchanged) = clusters::steps(topology, clusters);
    let waits_for = match (silent_function, plan.deferred.first()) {
        (Some(region), _) => Some(region.to_string()),
        (None, Some(deferred)) => Some(deferred.place.to_string()),
        (None, None) => None,
    };
    if let Some(place) = &waits_for {
        hold_back(topology, place, &mut of_clusters, &mut plan.deferred);
    }
    // A function goes only when each cluster in scope posts to those that stay.
    let are_told = waits_for.is_none() && plan.unreached.is_empty();
    if !clusters.looks.is_empty() && !are_told {
        keep_functions(&mut leftovers, &mut plan.deferred);
    }
    plan.unchanged.extend(unchanged);
    steps.extend(of_clusters);
    steps.extend(leftovers);
    // Without a Region that answers there is nobody to keep others out.
    let has_no_lock = findings.unreached.contains_key(&lock.region);
    if has_no_lock && steps.iter().any(Step::is_change) {
        steps.clear();
        plan.deferred.push(Deferred {
            place: OutOfReach::Region(lock.region.clone()),
            what: "the lock that every change needs".to_owned(),
            why: "none of the function's Regions answers".to_owned(),
        });
    }
    plan.steps = lock::enclose(steps, &lock);
    // Nobody else needs to wait while we do. Where something is left out there may be nothing to wait for.
    if plan.unreached_regions.is_empty() && plan.deferred.is_empty() {
        let watchdogs = clusters::watchdogs(topology, clusters, plan.has_changes());
        plan.steps.extend(watchdogs);
    }
    Ok(plan)
}

/// Leaves former functions where they are, with all that they stand on, while a cluster may know of nobody else.
fn keep_functions(leftovers: &mut Vec<Step>, deferred: &mut Vec<Deferred>) {
    let functions: Vec<Deferred> = leftovers
        .iter()
        .filter_map(|step| match step {
            Step::DeleteStack {
                kind: StackKind::Fencing,
                region,
                stack,
                ..
            } => Some(Deferred {
                place: OutOfReach::Region(region.clone()),
                what: format!("the removal of {stack}"),
                why: "a cluster may still post to it alone".to_owned(),
            }),
            _ => None,
        })
        .collect();
    if !functions.is_empty() {
        leftovers.clear();
        deferred.extend(functions);
    }
}

/// Leaves a cluster as it is whose Secret would be written without the URL of a function that nobody can ask:
/// what Alertmanager reads must be whole.
fn hold_back(topology: &Topology, place: &str, steps: &mut Vec<Step>, deferred: &mut Vec<Deferred>) {
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
                place: OutOfReach::Site(site.name.clone()),
                what: format!("Secret {} and what reads it", topology.object_name()),
                why: format!("it holds the URL of the function in {place}"),
            });
        }
    }
}
