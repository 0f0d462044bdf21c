//! The stacks' half of a plan: what each should be, and the steps that get it there.

pub(super) mod parameters;

use std::collections::BTreeMap;

use self::parameters::{declared_parameters, parameter_values, trusted_version};
use super::lock::{LockPlace, enclose};
use super::unreached::{self, Deferred, OutOfReach};
use super::{ParameterValue, StackGoal, Step, difference, removal};
use crate::observed::changes::StackDifference;
use crate::observed::{StackHealth, StackReading, Standing};
use crate::package::{self, Package};
use crate::preflight::Findings;
use crate::preflight::problem::Problem;
use crate::render::{StackDocument, parameters::ARTIFACT_KEY};
use crate::topology::Topology;
use crate::topology::names::{StackKind, TAG_REGIONS, TAG_TOPOLOGY};

/// What each stack shall be, in the order in which they are made: kind by kind, so that every bucket and the
/// register stand before the first function, and the Region that holds the secrets first.
pub(super) fn goals(
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
        let values = parameter_values(topology, standing, findings, package, &document.region);
        let mut parameters: BTreeMap<String, ParameterValue> = BTreeMap::new();
        for (name, has_default) in declared_parameters(&document.template.value) {
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
            region: document.region.clone(),
            adopts: document.kind == StackKind::Register
                && standing.stack(&document.region, StackKind::Register).is_none()
                && standing.register.is_some(),
            stack,
            template: document.template.clone(),
            parameters,
            tags: tags(topology),
            difference: StackDifference::default(),
        });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let first_region = topology.first_region();
    goals.sort_by_key(|goal: &StackGoal| (goal.kind, goal.region != *first_region));
    Ok(goals)
}

/// The goals that can be worked on now. Of those that cannot, the ones in reach are reported.
pub(super) fn within_reach(
    topology: &Topology,
    standing: &Standing,
    findings: &Findings,
    goals: Vec<StackGoal>,
) -> (Vec<StackGoal>, Vec<Deferred>) {
    let (mut ready, mut deferred) = (Vec::new(), Vec::new());
    for mut goal in goals {
        if findings.unreached.contains_key(&goal.region) {
            continue;
        }
        match unreached::settle(topology, standing, &findings.unreached, &mut goal) {
            Ok(()) => ready.push(goal),
            Err(why) => deferred.push(Deferred {
                place: OutOfReach::Region(goal.region),
                what: goal.stack,
                why,
            }),
        }
    }
    (ready, deferred)
}

/// Stacks on which something is under way, or stuck: nothing can be planned on them yet. What is under way is waited
/// for first, which changes nothing, so that nobody has to be asked or kept out; to go on with a rollback is a change.
pub(super) fn unsettled(topology: &Topology, standing: &Standing, lock: &LockPlace) -> Vec<Step> {
    let (mut waits, mut rollbacks) = (Vec::new(), Vec::new());
    for (region, reading) in &standing.regions {
        for (kind, stack) in &reading.stacks {
            let (region, name) = (region.clone(), topology.stack_name(*kind));
            match stack.condition() {
                StackHealth::Working => waits.push(Step::AwaitStack {
                    region,
                    stack: name,
                    status: stack.status.clone(),
                }),
                StackHealth::Stuck => rollbacks.push(Step::ContinueRollback { region, stack: name }),
                StackHealth::Usable | StackHealth::Broken => {}
            }
        }
    }
    if !waits.is_empty() {
        return waits;
    }
    if lock.stands(standing) {
        enclose(rollbacks, lock)
    } else {
        rollbacks
    }
}

/// The steps that bring a stack to its goal; none where it is there.
pub(super) fn steps(topology: &Topology, standing: &Standing, goal: &StackGoal) -> Vec<Step> {
    let stack = standing.stack(&goal.region, goal.kind);
    let lost_its_bucket = goal.kind == StackKind::Artifacts && standing.bucket_is_gone(&goal.region);
    let mut steps = stack_steps(stack, lost_its_bucket, goal, &standing.identity.account_id);
    // By what the stack made: one that failed because another's bucket has the name must not touch that.
    let made = stack
        .filter(|_| goal.kind == StackKind::Artifacts)
        .and_then(removal::bucket);
    if let (Some(bucket), Some(Step::DeleteStack { .. })) = (made, steps.first()) {
        steps.insert(
            0,
            Step::EmptyBucket {
                region: goal.region.clone(),
                bucket,
            },
        );
    }
    if let (StackKind::Register, Some(stack), Some(Step::DeleteStack { .. })) =
        (goal.kind, stack, steps.first())
    {
        steps.splice(0..0, removal::unprotection(&goal.region, stack));
    }
    let key = goal.parameters.get(ARTIFACT_KEY);
    let key = key.and_then(ParameterValue::known).unwrap_or_default();
    if goal.kind == StackKind::Fencing && !steps.is_empty() {
        steps.push(Step::AwaitFunction {
            region: goal.region.clone(),
            function: topology.function_name(),
            code_sha256: package::sha256_of_key(key).unwrap_or_default().to_owned(),
        });
    }
    steps
}

/// The upload that an artifact stack's bucket lacks, after the stack's own steps.
pub(super) fn upload(
    topology: &Topology,
    standing: &Standing,
    package: &Package,
    goal: &StackGoal,
) -> Option<Step> {
    let holds_it = trusted_version(standing, &goal.region, package).is_some();
    let bucket = bucket(topology, standing, goal)?;
    (!holds_it).then(|| Step::Upload {
        region: goal.region.clone(),
        bucket,
        package: package.clone(),
    })
}

/// The bucket that an artifact stack makes.
fn bucket(topology: &Topology, standing: &Standing, goal: &StackGoal) -> Option<String> {
    let is_ours = goal.kind == StackKind::Artifacts && topology.regions.contains(&goal.region);
    is_ours.then(|| topology.bucket_name(&standing.identity.account_id, &goal.region))
}

/// What a stack needs to become its goal. CloudFormation does not notice that a bucket was deleted by hand, and
/// an update would not make it again.
fn stack_steps(
    standing: Option<&StackReading>,
    lost_its_bucket: bool,
    goal: &StackGoal,
    account_id: &str,
) -> Vec<Step> {
    let Some(stack) = standing else {
        return vec![Step::CreateStack(goal.clone())];
    };
    let anew = |why: &str| {
        vec![
            removal::deletion(goal.kind, &goal.region, &goal.stack, stack, why),
            Step::CreateStack(StackGoal {
                // A table that the stack keeps as it goes is there when the new one comes.
                adopts: goal.adopts
                    || stack
                        .resources
                        .iter()
                        .any(|it| it.is_table() && it.stands() && stack.keeps(it)),
                ..goal.clone()
            }),
        ]
    };
    match stack.condition() {
        StackHealth::Broken => anew(&format!("it is {}, and only a new one helps", stack.status)),
        StackHealth::Usable if lost_its_bucket => {
            anew("its bucket was deleted by hand, and only a new one helps")
        }
        _ if is_reached(stack, goal) => Vec::new(),
        _ => vec![Step::UpdateStack(StackGoal {
            adopts: false,
            difference: difference::between(stack, goal, account_id),
            ..goal.clone()
        })],
    }
}

/// Whether a stack is what it should be: made from the same template, with the same values and tags.
fn is_reached(stack: &StackReading, goal: &StackGoal) -> bool {
    stack.template.text.trim_end() == goal.template.text.trim_end()
        // Parameters that are left to their default show in the stack, too.
        && goal
            .parameters
            .iter()
            .all(|(name, value)| value.known().is_some_and(|value| stack.parameters.get(name).is_some_and(|it| it == value)))
        && stack.tags == goal.tags
}

/// The tags of every stack, which its resources inherit.
pub(super) fn tags(topology: &Topology) -> BTreeMap<String, String> {
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
