//! What every plan promises, proven on the plan itself before it is shown or walked.
//!
//! The planner chooses; this module only looks at what was chosen, not at how. So a fault of the planner is reported as
//! one, instead of being carried out. Each promise is one function; what takes a whole world to see (that planning
//! again yields nothing, that a destruction leaves nothing) is a property of the tests beside it.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use crate::observed::{StackReading, Standing};
use crate::plan::clusters::Content;
use crate::plan::unreached::OutOfReach;
use crate::plan::{LockPlace, OUTPUT_URL, ParameterValue, Plan, StackGoal, Step};
use crate::preflight::ours::OURS;
use crate::render::ObjectKind;
use crate::render::user_workload::names;
use crate::topology::names::{HEALTH_REGION, StackKind};
use crate::topology::{Region, Topology};

/// A promise that a plan does not keep: a fault of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanBreach {
    /// The promise, as a sentence.
    pub promise: &'static str,
    pub found: String,
}

impl fmt::Display for PlanBreach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the plan breaks the promise that {}: {}",
            self.promise, self.found
        )
    }
}

/// What a promise looks at.
struct PlanCase<'a> {
    topology: &'a Topology,
    /// The world that was planned on.
    standing: &'a Standing,
    plan: &'a Plan,
}

type Promise = (&'static str, fn(&PlanCase<'_>) -> Vec<String>);

/// The promises. The sentences continue "breaks the promise that …".
const PROMISES: &[Promise] = &[
    ("the lock encloses every change", lock_encloses_every_change),
    (
        "nothing touches a Region or a cluster that did not answer",
        what_does_not_answer_is_left,
    ),
    (
        "buckets and register stand before functions, and go after them",
        functions_stand_on_something,
    ),
    (
        "an accelerator says whose it is before a function decides, and no mark but our own is taken away",
        marks_come_before_functions,
    ),
    (
        "a function is made of a package that is there",
        packages_are_uploaded_first,
    ),
    (
        "a cluster gets a function's URL only when it is known",
        urls_are_known,
    ),
    (
        "nothing outside the topology's names is deleted",
        only_ours_is_deleted,
    ),
    ("no step writes to an endpoint group", endpoint_groups_are_left),
    (
        "a step's Region is one of the topology or one that it left",
        regions_are_the_topologys,
    ),
    ("no step is there twice", nothing_is_done_twice),
    ("what waits has no step", what_waits_has_no_step),
    ("no secret value is part of a plan", secrets_stay_out),
];

/// Every promise that `plan` does not keep.
pub fn breaches(topology: &Topology, standing: &Standing, plan: &Plan) -> Vec<PlanBreach> {
    let case = PlanCase {
        topology,
        standing,
        plan,
    };
    let breaches = PROMISES.iter().flat_map(|(promise, prove)| {
        let found = prove(&case).into_iter();
        found.map(move |found| PlanBreach { promise, found })
    });
    breaches.collect()
}

/// A step in few words.
fn word(step: &Step) -> String {
    match step {
        Step::AwaitStack { region, stack, .. } => format!("the wait for {stack} in {region}"),
        Step::ContinueRollback { region, stack } => format!("the rollback of {stack} in {region}"),
        Step::TakeLock { region, .. } => format!("the lock in {region}"),
        Step::ReleaseLock => "the lock's release".to_owned(),
        Step::CreateStack(goal) => format!("the creation of {} in {}", goal.stack, goal.region),
        Step::UpdateStack(goal) => format!("the update of {} in {}", goal.stack, goal.region),
        Step::DeleteStack { region, stack, .. } => format!("the deletion of {stack} in {region}"),
        Step::MarkAccelerator(mark) => format!("the mark on {}", mark.accelerator_arn),
        // In the middle of a register's move there may be two marks of ours that one accelerator may carry.
        Step::UnmarkAccelerator(mark) => {
            format!("the end of the mark {} on {}", mark.owner, mark.accelerator_arn)
        }
        Step::Upload { region, .. } => format!("the upload in {region}"),
        Step::AwaitFunction { region, .. } => format!("the wait for the function in {region}"),
        Step::UnprotectTable { region, table } => format!("the end of {table}'s protection in {region}"),
        Step::EmptyBucket { region, bucket } => format!("the emptying of {bucket} in {region}"),
        Step::ConfirmEpoch { .. } => "the look at the epoch".to_owned(),
        Step::ForgetItems { region, table, .. } => format!("the items of {table} in {region}"),
        Step::ApplyObject(goal) => format!("{} of {}", goal.object.title(), goal.object.site),
        Step::DeleteObject { object, .. } => {
            format!("the deletion of {} of {}", object.title(), object.site)
        }
        Step::MergeUserWorkloadConfig { object, .. } => {
            format!("what is added to {} of {}", object.title(), object.site)
        }
        Step::UndoUserWorkloadConfig { object } => {
            format!("what is taken out of {} of {}", object.title(), object.site)
        }
        Step::AwaitRollout { site, name, .. } => format!("the wait for {name} of {site}"),
        Step::AwaitWatchdogs { .. } => "the wait for the watchdogs".to_owned(),
    }
}

/// The Regions that a step works in.
fn regions(step: &Step) -> Vec<&str> {
    match step {
        Step::AwaitStack { region, .. }
        | Step::ContinueRollback { region, .. }
        | Step::TakeLock { region, .. }
        | Step::DeleteStack { region, .. }
        | Step::Upload { region, .. }
        | Step::AwaitFunction { region, .. }
        | Step::UnprotectTable { region, .. }
        | Step::EmptyBucket { region, .. }
        | Step::ForgetItems { region, .. } => vec![region],
        Step::CreateStack(goal) | Step::UpdateStack(goal) => vec![&goal.region],
        Step::ConfirmEpoch { registers, .. } => {
            registers.iter().map(|(place, _)| place.region.as_str()).collect()
        }
        Step::ReleaseLock
        | Step::MarkAccelerator(_)
        | Step::UnmarkAccelerator(_)
        | Step::ApplyObject(_)
        | Step::DeleteObject { .. }
        | Step::MergeUserWorkloadConfig { .. }
        | Step::UndoUserWorkloadConfig { .. }
        | Step::AwaitRollout { .. }
        | Step::AwaitWatchdogs { .. } => Vec::new(),
    }
}

/// The stack that a step makes or changes.
fn goal(step: &Step) -> Option<&StackGoal> {
    step.goal().map(|(goal, _)| goal)
}

impl PlanCase<'_> {
    /// The steps with their places.
    fn steps(&self) -> impl Iterator<Item = (usize, &Step)> {
        self.plan.steps.iter().enumerate()
    }

    /// The Regions that did not answer.
    fn silent(&self) -> BTreeSet<&str> {
        let unread = self.standing.unreached.keys().map(|region| region.as_str());
        let told = self.plan.unreached_regions.iter().map(|it| it.region.as_str());
        unread.chain(told).collect()
    }

    fn lock(&self) -> LockPlace {
        let silent = self.silent().into_iter().filter_map(Region::seen);
        let silent = silent.map(|region| (region, String::new()));
        LockPlace::of(self.topology, self.standing, &silent.collect())
    }

    fn stack(&self, region: &str, kind: StackKind) -> Option<&StackReading> {
        self.standing.stack(region, kind)
    }
}

/// But for what makes the lock's bucket, and what removes it. Without a bucket to be had there is no lock.
fn lock_encloses_every_change(case: &PlanCase<'_>) -> Vec<String> {
    let lock = case.lock();
    let place_of = |wanted: fn(&Step) -> bool| case.steps().find(|(_, step)| wanted(step)).map(|(at, _)| at);
    let taken = place_of(|step| matches!(step, Step::TakeLock { .. }));
    let released = place_of(|step| matches!(step, Step::ReleaseLock));
    let made = case
        .steps()
        .find(|(_, step)| lock.is_made_by(step))
        .map(|(at, _)| at);
    let mut found = Vec::new();
    let (Some(taken), Some(released)) = (taken, released) else {
        let changes = case.plan.has_changes();
        if taken.is_some() != released.is_some() {
            found.push("it is taken and not given back, or the other way round".to_owned());
        } else if changes && (lock.stands(case.standing) || made.is_some()) {
            found.push("there are changes and no lock".to_owned());
        }
        return found;
    };
    for (at, step) in case.steps() {
        if let Step::TakeLock { region, bucket } = step
            && (*region != lock.region || *bucket != lock.bucket)
        {
            found.push(format!("{} is not where others look for it", word(step)));
        }
        let is_before =
            at < taken && made.is_some_and(|made| at <= made) && belongs_to_the_bucket(&lock, step);
        let is_after = at > released && lock.is_removed_by(step);
        let is_inside = taken < at && at < released;
        if step.is_change() && !is_inside && !is_before && !is_after {
            found.push(format!("{} is outside of it", word(step)));
        }
        if is_inside && lock.is_removed_by(step) {
            found.push(format!("{} takes the lock away from under it", word(step)));
        }
    }
    found
}

/// Whether a step works on the lock's own bucket, which may have to be replaced.
fn belongs_to_the_bucket(lock: &LockPlace, step: &Step) -> bool {
    lock.is_made_by(step) || lock.is_removed_by(step)
}

fn what_does_not_answer_is_left(case: &PlanCase<'_>) -> Vec<String> {
    let silent = case.silent();
    let sites: BTreeSet<_> = case.plan.unreached.iter().map(|it| &it.site).collect();
    let touches = |step: &Step| {
        // A look at registers is for those that were read while planning, wherever they are.
        let regions = match step {
            Step::ConfirmEpoch { .. } => Vec::new(),
            _ => regions(step),
        };
        let is_asked = regions.iter().any(|region| silent.contains(region));
        is_asked || step.site().is_some_and(|site| sites.contains(site))
    };
    let touching = case.steps().filter(|(_, step)| touches(step));
    touching.map(|(_, step)| word(step)).collect()
}

fn functions_stand_on_something(case: &PlanCase<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let touches =
        |step: &Step, wanted: &[StackKind]| goal(step).is_some_and(|goal| wanted.contains(&goal.kind));
    let deletes = |step: &Step, wanted: &[StackKind]| match step {
        Step::DeleteStack { kind, .. } => wanted.contains(kind),
        _ => false,
    };
    let foundations = [StackKind::Artifacts, StackKind::Register];
    for (at, step) in case
        .steps()
        .filter(|(_, step)| touches(step, &[StackKind::Fencing]))
    {
        let later = case.steps().skip(at);
        for (_, late) in later.filter(|(_, late)| touches(late, &foundations)) {
            found.push(format!("{} comes before {}", word(step), word(late)));
        }
    }
    for (at, step) in case.steps() {
        let takes_a_foundation = match step {
            // What is made again right after is not gone.
            Step::DeleteStack { kind, region, .. } => {
                let is_made_anew = case.steps().skip(at).any(|(_, later)| {
                    matches!(later, Step::CreateStack(goal) if goal.kind == *kind && goal.region == *region)
                });
                foundations.contains(kind) && !is_made_anew
            }
            Step::ForgetItems { .. } => true,
            _ => false,
        };
        if takes_a_foundation {
            let later = case.steps().skip(at);
            for (_, late) in later.filter(|(_, late)| deletes(late, &[StackKind::Fencing])) {
                found.push(format!("{} comes before {}", word(step), word(late)));
            }
        }
    }
    found
}

/// A former accelerator is known only as long as a function or its stack tells of it.
fn marks_come_before_functions(case: &PlanCase<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let touches_a_function = |step: &Step| match step {
        Step::DeleteStack { kind, .. } => *kind == StackKind::Fencing,
        step => goal(step).is_some_and(|goal| goal.kind == StackKind::Fencing),
    };
    for (at, step) in case.steps() {
        let is_ours = match step {
            Step::MarkAccelerator(_) => true,
            Step::UnmarkAccelerator(mark) => case.standing.marks().contains(mark),
            _ => continue,
        };
        if !is_ours {
            found.push(format!("{} is not our own", word(step)));
        }
        for (_, early) in case
            .steps()
            .take(at)
            .filter(|(_, early)| touches_a_function(early))
        {
            found.push(format!("{} comes before {}", word(early), word(step)));
        }
    }
    found
}

fn packages_are_uploaded_first(case: &PlanCase<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (at, step) in case.steps() {
        let Some(goal) = goal(step).filter(|goal| goal.kind == StackKind::Fencing) else {
            continue;
        };
        let Some(ParameterValue::Known(key)) = goal.parameters.get(crate::render::parameters::ARTIFACT_KEY)
        else {
            continue;
        };
        let stands = case.standing.regions.get(&goal.region);
        let is_emptied = case.steps().take(at).any(
            |(_, earlier)| matches!(earlier, Step::EmptyBucket { region, .. } if *region == goal.region),
        );
        let version = goal.parameters.get(crate::render::parameters::ARTIFACT_VERSION);
        let version = version.and_then(ParameterValue::known);
        let stands = stands.is_some_and(|region| {
            let newest = region.artifacts.get(key).map(String::as_str);
            newest.is_some() && newest == version && !region.bucket_is_gone
        });
        let stands = stands && !is_emptied;
        let is_uploaded = case.steps().take(at).any(|(_, earlier)| match earlier {
            Step::Upload { region, package, .. } => *region == goal.region && package.key() == *key,
            _ => false,
        });
        if !stands && !is_uploaded {
            found.push(format!("{} finds no {key}", word(step)));
        }
    }
    found
}

fn urls_are_known(case: &PlanCase<'_>) -> Vec<String> {
    let silent = case.silent();
    let mut found = Vec::new();
    for (at, step) in case.steps() {
        let Step::ApplyObject(applied) = step else {
            continue;
        };
        let Content::Webhook { urls, .. } = &applied.content else {
            continue;
        };
        for region in urls.values() {
            let stands = case.stack(region, StackKind::Fencing).is_some();
            let is_made = case.steps().take(at).any(|(_, earlier)| {
                goal(earlier).is_some_and(|goal| goal.kind == StackKind::Fencing && goal.region == *region)
            });
            if silent.contains(region.as_str()) || !(stands || is_made) {
                found.push(format!("{} needs {OUTPUT_URL} of {region}", word(step)));
            }
        }
    }
    found
}

fn only_ours_is_deleted(case: &PlanCase<'_>) -> Vec<String> {
    let topology = case.topology;
    let is_ours = |step: &Step| match step {
        Step::DeleteStack {
            kind,
            region,
            stack,
            id,
            ..
        } => {
            let standing = case.stack(region, *kind);
            *stack == topology.stack_name(*kind) && standing.is_some_and(|standing| standing.id == *id)
        }
        Step::EmptyBucket { region, bucket } => {
            let stack = case.stack(region, StackKind::Artifacts);
            stack.is_some_and(|stack| {
                let mut names = stack.resources.iter().filter_map(|it| it.physical_id.as_ref());
                names.any(|name| name == bucket)
            })
        }
        Step::UnprotectTable { region, table } => {
            let stack = case.stack(region, StackKind::Register);
            stack.is_some_and(|stack| {
                let mut names = stack.resources.iter().filter_map(|it| it.physical_id.as_ref());
                names.any(|name| name == table)
            })
        }
        Step::ForgetItems { table, .. } => *table == topology.table_name() && !topology.owns_register(),
        Step::DeleteObject { object, .. } => {
            let site = topology.sites.iter().find(|site| site.name == object.site);
            object.name == topology.object_name()
                && OURS.contains(&object.kind)
                && site.is_some_and(|site| object.namespace == site.namespace.to_string())
        }
        Step::UndoUserWorkloadConfig { object } => {
            object.namespace == names::NAMESPACE && object.name == names::CONFIG
        }
        _ => true,
    };
    let foreign = case.steps().filter(|(_, step)| !is_ours(step));
    foreign.map(|(_, step)| word(step)).collect()
}

/// Steps are a closed list, and none of them knows of endpoints; a stack is the only way left.
fn endpoint_groups_are_left(case: &PlanCase<'_>) -> Vec<String> {
    let writing = case.steps().filter(|(_, step)| {
        goal(step).is_some_and(|goal| {
            let mut kinds = goal
                .template
                .resources()
                .filter_map(|(_, resource)| resource["Type"].as_str());
            kinds.any(|kind| kind.starts_with("AWS::GlobalAccelerator::"))
        })
    });
    writing.map(|(_, step)| word(step)).collect()
}

fn regions_are_the_topologys(case: &PlanCase<'_>) -> Vec<String> {
    let topology = case.topology;
    let wanted: BTreeSet<&str> = topology
        .regions
        .iter()
        .map(|region| region.as_str())
        .chain(topology.register_regions().iter().map(|region| region.as_str()))
        .chain(topology.health.route53.then_some(HEALTH_REGION))
        .collect();
    let stands = |region: &str| {
        let standing = case.standing.regions.get(region);
        standing.is_some_and(|standing| !standing.stacks.is_empty())
    };
    let is_former = |region: &str| {
        let mut former = case.standing.former_registers.keys();
        former.any(|place| place.region.as_str() == region)
    };
    let is_known = |step: &Step, region: &str| match step {
        // What is made is made where the topology says.
        Step::CreateStack(_) | Step::UpdateStack(_) | Step::Upload { .. } => wanted.contains(region),
        Step::ConfirmEpoch { .. } => wanted.contains(region) || stands(region) || is_former(region),
        _ => wanted.contains(region) || stands(region),
    };
    let elsewhere = case.steps().filter(|(_, step)| {
        let regions = regions(step);
        regions.iter().any(|region| !is_known(step, region))
    });
    elsewhere.map(|(_, step)| word(step)).collect()
}

fn nothing_is_done_twice(case: &PlanCase<'_>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let twice = case.steps().filter(|(_, step)| !seen.insert(word(step)));
    twice.map(|(_, step)| word(step)).collect()
}

fn what_waits_has_no_step(case: &PlanCase<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for deferred in &case.plan.deferred {
        let waits = |step: &Step| match (&deferred.place, step) {
            (OutOfReach::Region(region), Step::CreateStack(goal) | Step::UpdateStack(goal)) => {
                *region == goal.region && deferred.what == goal.stack
            }
            (
                OutOfReach::Region(region),
                Step::DeleteStack {
                    region: at, stack, ..
                },
            ) => region == at && deferred.what == *stack,
            (OutOfReach::Site(site), step) => step.site() == Some(site),
            _ => false,
        };
        found.extend(
            case.steps()
                .filter(|(_, step)| waits(step))
                .map(|(_, step)| word(step)),
        );
    }
    found
}

fn secrets_stay_out(case: &PlanCase<'_>) -> Vec<String> {
    let carries = |step: &Step| match step {
        Step::ApplyObject(applied) => match &applied.content {
            Content::Document(object) => applied.object.kind == ObjectKind::Secret || has_values(object),
            Content::Webhook { frame, .. } => has_values(frame),
        },
        _ => false,
    };
    let carrying = case.steps().filter(|(_, step)| carries(step));
    carrying.map(|(_, step)| word(step)).collect()
}

fn has_values(object: &serde_json::Value) -> bool {
    object["kind"] == "Secret" && (object.get("data").is_some() || object.get("stringData").is_some())
}
