//! The mirror of a plan: what goes, in which order.
//!
//! The clusters' objects go first, so that nobody calls a function that is gone. Then the functions, so that
//! nobody fences while the rest is taken apart; the register after them, so that no function runs without
//! one; the buckets last, because one of them holds the lock. A cluster or a Region that is out of
//! reach keeps what it has until the next time; of the rest only the register waits for it.

use crate::observed::cluster::{ClusterStanding, Looks};
use crate::observed::{RegisterPlace, Standing};
use crate::plan::clusters;
use crate::plan::lock::{LockPlace, enclose};
use crate::plan::removal::{bucket, deletion, unprotection};
use crate::plan::unreached::{self, Deferred, OutOfReach};
use crate::plan::{Plan, Step, stacks};
use crate::preflight::ours;
use crate::preflight::{is_elsewhere, wanted_register};
use crate::topology::names::StackKind;
use crate::topology::{Region, Topology};

/// The order in which kinds of stacks go.
const ORDER: [StackKind; 4] = [
    StackKind::Health,
    StackKind::Fencing,
    StackKind::Register,
    StackKind::Artifacts,
];

/// Plans the way from what stands to nothing; of AWS only if `aws` says so.
pub fn plan(topology: &Topology, standing: &Standing, looks: &Looks<ClusterStanding>, aws: bool) -> Plan {
    let lock = LockPlace::of(topology, standing, &standing.unreached);
    let mut plan = Plan {
        topology: topology.name.to_string(),
        account_id: standing.identity.account_id.clone(),
        caller: standing.identity.arn.clone(),
        steps: if aws {
            stacks::unsettled(topology, standing, &lock)
        } else {
            Vec::new()
        },
        unchanged: Vec::new(),
        drifts: Vec::new(),
        functions: Vec::new(),
        unreached: ours::unreached(looks),
        unreached_regions: if aws {
            unreached::that_matter(topology, standing, &standing.unreached)
        } else {
            Vec::new()
        },
        deferred: Vec::new(),
        warnings: Vec::new(),
        plan_again: false,
    };
    if !plan.steps.is_empty() {
        plan.plan_again = true;
        return plan;
    }
    // A function that is out of reach must not be without a register: that goes when the function can.
    let silent_function = unreached::function_out_of_reach(topology, standing, &standing.unreached);
    let goes = |_: &Region, kind| kind != StackKind::Register || silent_function.is_none();
    let removals = if aws {
        removals(topology, standing, &lock, "destroy", goes)
    } else {
        Vec::new()
    };
    let mut forgets = aws && forgets(topology, standing, !removals.is_empty());
    if let (Some(silent), true) = (silent_function, aws) {
        let stack = topology.stack_name(StackKind::Register);
        let stands = standing.regions.iter();
        let stands = stands.filter(|(_, standing)| standing.stacks.contains_key(&StackKind::Register));
        let registers = stands.map(|(place, _)| (place.clone(), stack.clone()));
        let items = forgets.then(|| {
            let place = topology.register_region(topology.first_region()).clone();
            (
                place,
                format!("this topology's items in {}", topology.table_name()),
            )
        });
        plan.deferred = registers
            .chain(items)
            .map(|(region, what)| Deferred {
                place: OutOfReach::Region(region),
                what,
                why: format!("the function in {silent} may still be deployed, and needs it"),
            })
            .collect();
        forgets = false;
    }
    let mut steps = clusters::removals(topology, looks);
    // Before the functions, as long as their stacks tell which accelerator it is. Without its tag they still decide.
    // A function out of reach may still stand: the destroy that reaches it takes the tag, too.
    let loses_functions = removals.iter().any(|step| {
        matches!(
            step,
            Step::DeleteStack {
                kind: StackKind::Fencing,
                ..
            }
        )
    });
    if loses_functions && silent_function.is_none() {
        steps.extend(standing.marks().into_iter().map(Step::UnmarkAccelerator));
    }
    let (functions, rest): (Vec<Step>, Vec<Step>) = removals.into_iter().partition(|step| {
        matches!(
            step,
            Step::DeleteStack {
                kind: StackKind::Health | StackKind::Fencing,
                ..
            }
        )
    });
    steps.extend(functions);
    let loses_the_register = forgets
        || rest.iter().any(|step| {
            matches!(
                step,
                Step::DeleteStack {
                    kind: StackKind::Register,
                    ..
                }
            )
        });
    if loses_the_register {
        steps.extend(confirmation(topology, standing));
    }
    if forgets {
        steps.push(Step::ForgetItems {
            region: topology.register_region(topology.first_region()).clone(),
            table: topology.table_name(),
            role_arn: topology.register.role_arn.as_ref().map(ToString::to_string),
        });
    }
    steps.extend(rest);
    // Waiting alone is nothing to do. And where nothing holds the lock the rest must go all the same.
    if steps.iter().any(Step::is_change) {
        plan.steps = if lock.stands(standing) {
            enclose(steps, &lock)
        } else {
            steps
        };
    }
    plan
}

/// A site may have been fenced until the last function had ended, and only the register would tell. That no
/// function stands says nothing about when it went: an earlier run may have been interrupted right after it.
///
/// Functions of two Regions may know different registers, if an apply stopped between them: each is looked at.
fn confirmation(topology: &Topology, standing: &Standing) -> Option<Step> {
    let former = standing.former_registers.iter();
    let former = former.map(|(place, table)| (place.clone(), table.item.epoch()));
    // Of a strongly consistent table's replicas the one that a function in reach uses is in reach, too.
    let mut places = standing.told().filter_map(|told| RegisterPlace::of(&told));
    let place = places.find(|place| !is_elsewhere(topology, place));
    let place = place.unwrap_or_else(|| wanted_register(topology));
    let wanted = standing.register.iter();
    let wanted = wanted.map(|table| (place.clone(), table.item.epoch()));
    let registers: Vec<_> = former.chain(wanted).collect();
    let timeouts = standing.told().map(|told| told.timeout_seconds);
    let timeouts = timeouts.chain([topology.function.timeout.seconds()]);
    // Where nothing was ever recorded nothing has to be confirmed.
    (!registers.is_empty()).then_some(Step::ConfirmEpoch {
        timeout_seconds: timeouts.max()?,
        registers,
    })
}

/// Whether this topology's items have to leave a table that others use too.
fn forgets(topology: &Topology, standing: &Standing, something_goes: bool) -> bool {
    match &standing.register {
        Some(table) if !topology.owns_register() && !topology.register.retain => {
            table.holds_item || something_goes
        }
        _ => false,
    }
}

/// The steps that remove those stacks which `unwanted` says so of.
pub(super) fn removals(
    topology: &Topology,
    standing: &Standing,
    lock: &LockPlace,
    why: &str,
    unwanted: impl Fn(&Region, StackKind) -> bool,
) -> Vec<Step> {
    let mut regions: Vec<&Region> = standing.regions.keys().collect();
    // The lock is in that Region's bucket.
    regions.sort_by_key(|region| **region == lock.region);
    let mut steps = Vec::new();
    for kind in ORDER {
        for region in &regions {
            let Some(stack) = standing.stack(region, kind) else {
                continue;
            };
            if !unwanted(region, kind) {
                continue;
            }
            if kind == StackKind::Artifacts {
                steps.extend(bucket(stack).map(|bucket| Step::EmptyBucket {
                    region: (*region).clone(),
                    bucket,
                }));
            }
            steps.extend(unprotection(region, stack));
            steps.push(deletion(kind, region, &topology.stack_name(kind), stack, why));
        }
    }
    steps
}

/// Whether what a step was to delete is known to be gone. What lies in a Region that does not answer is not.
pub fn is_gone(step: &Step, standing: &Standing) -> bool {
    match step {
        Step::DeleteStack { kind, region, .. } => standing
            .regions
            .get(region)
            .is_some_and(|region| !region.stacks.contains_key(kind)),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
