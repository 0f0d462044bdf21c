//! A plan as a tree one can read: by Region, then by stack, then by resource; and by site, then by object.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use fencing::contract::alert;
use serde_json::Value;

use super::outcome::{Applied, Destroyed, Preview};
use super::properties::properties;
use super::version::moves_text;
use super::{bytes, objects};
use crate::observed::changes::{Action, Replacement, StackDifference, StackDrift};
use crate::observed::objects::ObjectAction;
use crate::plan::unreached::OutOfReach;
use crate::plan::{Plan, StackGoal, Step, Unchanged};
use crate::topology::time_to_fence::{Advice, Basis, Flap, OtherWay, Saving, Stage, TimeToFence};
use crate::topology::{Region, SiteName};
use fencing::accelerator::OWNER_TAG;

/// A step as it begins; nothing for those that only concern ourselves.
pub fn step(step: &Step) -> Option<String> {
    Some(match step {
        Step::AwaitStack {
            region,
            stack,
            status,
        } => {
            format!("{region}: waiting for {stack}, which is {status}")
        }
        Step::ContinueRollback { region, stack } => format!("{region}: finishing the rollback of {stack}"),
        Step::TakeLock { .. } | Step::ReleaseLock => return None,
        Step::CreateStack(goal) => format!("{}: creating {}", goal.region, goal.stack),
        Step::UpdateStack(goal) => format!("{}: changing {}", goal.region, goal.stack),
        Step::DeleteStack { region, stack, .. } => format!("{region}: deleting {stack}"),
        Step::Upload { region, package, .. } => {
            format!("{region}: uploading the function ({})", bytes(package.bytes))
        }
        Step::AwaitFunction { region, function, .. } => {
            format!("{region}: waiting for {function} to be ready")
        }
        Step::UnprotectTable { region, table } => {
            format!("{region}: removing the deletion protection of {table}")
        }
        Step::EmptyBucket { region, bucket } => format!("{region}: emptying {bucket}"),
        Step::ConfirmEpoch {
            registers,
            timeout_seconds,
        } => {
            let places: Vec<String> = registers.iter().map(|(place, _)| place.to_string()).collect();
            let are_as_they_were = match places.len() {
                1 => "is unchanged",
                _ => "are unchanged",
            };
            format!(
                "waiting {timeout_seconds} s, so that no function is still running, then checking that {} \
                 {are_as_they_were}",
                places.join(" and ")
            )
        }
        Step::MarkAccelerator(mark) => format!("marking the accelerator as {}", mark.owner),
        Step::UnmarkAccelerator(_) => "taking the mark off the accelerator".to_owned(),
        Step::ForgetItems { region, table, .. } => {
            format!("{region}: removing this topology's items from {table}")
        }
        Step::ApplyObject(_)
        | Step::DeleteObject { .. }
        | Step::MergeUserWorkloadConfig { .. }
        | Step::UndoUserWorkloadConfig { .. }
        | Step::AwaitRollout { .. }
        | Step::AwaitWatchdogs { .. } => return objects::step(step),
    })
}

/// What changes in a stack: its tags, then its resources, one line each and one more per property.
pub fn changes(difference: &StackDifference) -> Vec<String> {
    if difference.tags.is_empty() && difference.resources.is_empty() {
        return vec!["only the template's descriptions change, and no resource".to_owned()];
    }
    let mut lines: Vec<String> = properties(&difference.tags)
        .into_iter()
        .map(|line| format!("tag {}  (on everything in it)", line.trim_start()))
        .collect();
    for change in &difference.resources {
        let sign = match (change.action, change.replacement) {
            (Action::Create, _) => "+",
            (Action::Delete, _) => "-",
            (Action::Adopt, _) => "=",
            (Action::Change, Replacement::No) => "~",
            (Action::Change, Replacement::Perhaps | Replacement::Yes) => "±",
        };
        let fate = match (change.action, change.replacement) {
            (Action::Adopt, _) => "  (taken over)",
            (Action::Change, Replacement::Yes) => "  (REPLACED: a new one is made, the old one is removed)",
            (Action::Change, Replacement::Perhaps) => "  (perhaps replaced)",
            _ => "",
        };
        lines.push(format!("{sign} {} {}{fate}", change.kind, change.logical_id));
        lines.extend(properties(&change.properties));
    }
    lines
}

/// What a template creates, as `type name`.
fn created(goal: &StackGoal) -> Vec<String> {
    goal.template
        .resources()
        .map(|(name, resource)| {
            let kind = resource.get("Type").and_then(Value::as_str).unwrap_or("?");
            format!("{kind} {name}")
        })
        .collect()
}

fn region_of(step: &Step) -> Option<&Region> {
    match step {
        Step::AwaitStack { region, .. }
        | Step::ContinueRollback { region, .. }
        | Step::DeleteStack { region, .. }
        | Step::Upload { region, .. }
        | Step::EmptyBucket { region, .. }
        | Step::ForgetItems { region, .. } => Some(region),
        Step::CreateStack(goal) | Step::UpdateStack(goal) => Some(&goal.region),
        _ => None,
    }
}

pub fn plan_text(plan: &Plan, preview: &Preview) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{} in account {} as {}",
        plan.topology, plan.account_id, plan.caller
    );
    let regions: BTreeSet<&Region> = plan
        .steps
        .iter()
        .filter_map(region_of)
        .chain(plan.unchanged.iter().filter_map(|it| match it {
            Unchanged::Stack { region, .. } => Some(region),
            Unchanged::Object(_) => None,
        }))
        .chain(plan.unreached_regions.iter().map(|it| &it.region))
        .chain(plan.deferred.iter().filter_map(|it| match &it.place {
            OutOfReach::Region(region) => Some(region),
            OutOfReach::Site(_) => None,
        }))
        .collect();
    for region in regions {
        let _ = writeln!(text, "\n{region}");
        for unchanged in &plan.unchanged {
            match unchanged {
                Unchanged::Stack { region: its, stack } if its == region => {
                    let _ = writeln!(text, "  = {stack}  unchanged");
                }
                Unchanged::Stack { .. } | Unchanged::Object(_) => {}
            }
        }
        for drift in plan.drifts.iter().filter(|drift| drift.region == *region) {
            drift_text(&mut text, drift);
        }
        for step in plan.steps.iter().filter(|step| region_of(step) == Some(region)) {
            step_text(&mut text, step, preview);
        }
        for unreached in plan.unreached_regions.iter().filter(|it| it.region == *region) {
            let _ = writeln!(
                text,
                "  ? out of reach: what it needs is not known ({})",
                unreached.what
            );
        }
        deferred_text(&mut text, plan, &OutOfReach::Region(region.clone()));
    }
    marks_text(&mut text, plan);
    for site in sites(plan) {
        site_text(&mut text, plan, site);
    }
    text.push_str(&moves_text(&plan.functions));
    let (create, change, delete) = counts(plan);
    let _ = if plan.plan_again && plan.has_changes() {
        writeln!(text, "\nmore is known once that is done")
    } else if plan.plan_again {
        writeln!(text, "\nmore is known once that is over; `apply` waits for it")
    } else if plan.has_changes() {
        writeln!(
            text,
            "\n{create} to create, {change} to change, {delete} to delete"
        )
    } else if plan.unreached.is_empty() && plan.unreached_regions.is_empty() {
        writeln!(text, "\nnothing to do")
    } else {
        writeln!(
            text,
            "\nno changes where there was an answer; what did not answer is not known"
        )
    };
    text
}

/// What is written on accelerators, which stand in no Region.
fn marks_text(text: &mut String, plan: &Plan) {
    let mut heading = "\nGlobal Accelerator\n";
    for step in &plan.steps {
        let (sign, mark) = match step {
            Step::MarkAccelerator(mark) => ('+', mark),
            Step::UnmarkAccelerator(mark) => ('-', mark),
            _ => continue,
        };
        text.push_str(std::mem::take(&mut heading));
        let _ = writeln!(
            text,
            "  {sign} {}  tag {OWNER_TAG}={}",
            mark.accelerator_arn, mark.owner
        );
    }
}

/// What was changed by hand in a stack.
fn drift_text(text: &mut String, drift: &StackDrift) {
    let _ = writeln!(
        text,
        "  ! {}  drifted: changed by hand, and `apply` does not change it back; do that by hand, or let \
         CloudFormation do it (create-change-set --deployment-mode REVERT_DRIFT)",
        drift.stack
    );
    for resource in &drift.resources {
        let fate = if resource.is_gone { "  (gone)" } else { "" };
        let _ = writeln!(text, "      ! {} {}{fate}", resource.kind, resource.logical_id);
        for line in properties(&resource.properties) {
            let _ = writeln!(text, "      {line}");
        }
    }
}

/// The sites that the plan has something to say of.
fn sites(plan: &Plan) -> BTreeSet<&SiteName> {
    let of_unchanged = plan.unchanged.iter().filter_map(|it| match it {
        Unchanged::Object(object) => Some(&object.site),
        Unchanged::Stack { .. } => None,
    });
    let of_steps = plan.steps.iter().filter_map(Step::site);
    let unreached = plan.unreached.iter().map(|it| &it.site);
    let deferred = plan.deferred.iter().filter_map(|it| match &it.place {
        OutOfReach::Site(site) => Some(site),
        OutOfReach::Region(_) => None,
    });
    let told = of_unchanged.chain(of_steps);
    told.chain(unreached).chain(deferred).collect()
}

fn deferred_text(text: &mut String, plan: &Plan, place: &OutOfReach) {
    for deferred in plan.deferred.iter().filter(|it| it.place == *place) {
        let _ = writeln!(text, "  ? {}  has to wait: {}", deferred.what, deferred.why);
    }
}

fn site_text(text: &mut String, plan: &Plan, site: &SiteName) {
    let _ = writeln!(text, "\n{site}");
    for unchanged in &plan.unchanged {
        match unchanged {
            Unchanged::Object(object) if object.site == *site => {
                let _ = writeln!(text, "  = {}  unchanged", object.title());
            }
            Unchanged::Object(_) | Unchanged::Stack { .. } => {}
        }
    }
    for step in plan.steps.iter().filter(|step| step.site() == Some(site)) {
        for line in objects::lines(step) {
            let _ = writeln!(text, "  {line}");
        }
    }
    for unreached in plan.unreached.iter().filter(|it| it.site == *site) {
        let _ = writeln!(
            text,
            "  ? out of reach: what it needs is not known ({})",
            unreached.what
        );
    }
    deferred_text(text, plan, &OutOfReach::Site(site.clone()));
}

fn step_text(text: &mut String, step: &Step, preview: &Preview) {
    let mut lines = Vec::new();
    match step {
        Step::CreateStack(goal) => {
            let why = if goal.adopts {
                "  create, taking over the kept register"
            } else {
                "  create"
            };
            lines.push(format!("  + {}{why}", goal.stack));
            lines.extend(
                created(goal)
                    .into_iter()
                    .map(|resource| format!("      + {resource}")),
            );
        }
        Step::UpdateStack(goal) => {
            lines.push(format!("  ~ {}  change", goal.stack));
            let known = preview.get(&(goal.region.clone(), goal.stack.clone()));
            lines.extend(
                known
                    .into_iter()
                    .flat_map(changes)
                    .map(|line| format!("      {line}")),
            );
        }
        Step::DeleteStack {
            stack,
            why,
            resources,
            keeps,
            ..
        } => {
            lines.push(format!("  - {stack}  delete: {why}"));
            lines.extend(resources.iter().map(|resource| format!("      - {resource}")));
            lines.extend(keeps.iter().map(|resource| format!("      = {resource}  kept")));
        }
        Step::Upload { bucket, package, .. } => lines.push(format!(
            "  + {}  {} to {bucket}",
            package.key(),
            bytes(package.bytes)
        )),
        Step::EmptyBucket { bucket, .. } => lines.push(format!("  - everything in {bucket}")),
        Step::ForgetItems { table, .. } => lines.push(format!("  - this topology's items in {table}")),
        Step::AwaitStack { stack, status, .. } => lines.push(format!("  … {stack}  is {status}")),
        Step::ContinueRollback { stack, .. } => {
            lines.push(format!("  … {stack}  its rollback failed and is continued"));
        }
        _ => {}
    }
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
}

fn counts(plan: &Plan) -> (usize, usize, usize) {
    plan.steps
        .iter()
        .fold((0, 0, 0), |(create, change, delete), step| match step {
            Step::CreateStack(_) | Step::Upload { .. } | Step::MarkAccelerator(_) => {
                (create + 1, change, delete)
            }
            Step::UpdateStack(_) | Step::ContinueRollback { .. } => (create, change + 1, delete),
            Step::DeleteStack { .. }
            | Step::EmptyBucket { .. }
            | Step::ForgetItems { .. }
            | Step::UnmarkAccelerator(_)
            | Step::DeleteObject { .. } => (create, change, delete + 1),
            Step::MergeUserWorkloadConfig { is_new: true, .. } => (create + 1, change, delete),
            Step::MergeUserWorkloadConfig { .. } | Step::UndoUserWorkloadConfig { .. } => {
                (create, change + 1, delete)
            }
            Step::ApplyObject(goal) => match goal.change.action {
                ObjectAction::Create => (create + 1, change, delete),
                ObjectAction::Change | ObjectAction::Adopt => (create, change + 1, delete),
            },
            _ => (create, change, delete),
        })
}

fn stage_text(text: &mut String, sign: &str, stage: &Stage) {
    let basis = match stage.basis {
        Basis::Rendered => "rendered",
        Basis::Read => "read",
        Basis::Stated => "stated",
        Basis::Sourced => "sourced",
        Basis::Measured => "measured",
        Basis::Assumed => "assumed",
    };
    let seconds = format!("{sign}{}", stage.seconds);
    let _ = writeln!(
        text,
        "  {seconds:>3} s  {:<11} {basis:<9} {}",
        stage.name, stage.why
    );
}

/// Another way to the fence, by what distinguishes it.
fn way_text(text: &mut String, case: &TimeToFence, way: &OtherWay, alert: &str) {
    let without = |these: &[Stage], those: &[Stage]| -> String {
        let differ = these.iter().filter(|stage| !those.contains(stage));
        let differ: Vec<String> = differ
            .map(|stage| format!("{} {} s", stage.name, stage.seconds))
            .collect();
        differ.join(", ")
    };
    let _ = writeln!(
        text,
        "  within {} s by {alert} ({} instead of {}) {}",
        way.total_seconds,
        without(&way.stages, &case.stages),
        without(&case.stages, &way.stages),
        way.when
    );
}

/// The worst case for each site, as a table, and what would shorten it.
pub fn latency_text(cases: &[TimeToFence], advice: &[Advice], savings: &[Saving]) -> String {
    let mut text = String::new();
    let delayed = |case: &TimeToFence| -> u32 { case.delays.iter().map(|stage| stage.seconds).sum() };
    let same = matches!(cases, [a, b] if a.stages == b.stages && delayed(a) == delayed(b));
    let shown = if same {
        cases.get(..1).unwrap_or_default()
    } else {
        cases
    };
    for case in shown {
        let who = if same {
            "a lost site".to_owned()
        } else {
            case.fenced.clone()
        };
        let _ = writeln!(text, "worst-case time to fence {who}: {} s", case.total_seconds);
        for stage in &case.stages {
            stage_text(&mut text, "", stage);
        }
        for stage in &case.delays {
            stage_text(&mut text, "+", stage);
        }
        for (way, alert) in [
            (&case.sooner, alert::SITE_SUSPECTED),
            (&case.fallback, alert::SITE_OFFLINE),
        ] {
            if let Some(way) = way {
                way_text(&mut text, case, way, alert);
            }
        }
        let Flap {
            noticed_after_seconds,
            back_in_view_seconds: [least, most],
            why,
            ..
        } = &case.flap;
        let _ = writeln!(
            text,
            "  if the link is down for {noticed_after_seconds} s or longer, writes fail until the sites see each other \
             again: {least} to {most} s after the link is back ({why})"
        );
    }
    for advice in advice {
        let _ = writeln!(
            text,
            "  to fence faster or more safely: {}: {}",
            advice.path, advice.what
        );
    }
    for Saving { path, seconds, what } in savings {
        let _ = writeln!(text, "  could save {seconds} s: {path}: {what}");
    }
    text
}

/// What `destroy` is about to remove.
pub fn destruction_text(plan: &Plan) -> String {
    let mut text = plan_text(plan, &Preview::new());
    text.insert_str(0, "to be removed: ");
    text
}

/// What `apply` came to.
pub fn applied_text(applied: &Applied) -> String {
    let mut text = String::new();
    for (region, url) in &applied.webhook_urls {
        let _ = writeln!(text, "{region}  {url}");
    }
    text
}

/// What `destroy` came to.
pub fn destroyed_text(destroyed: &Destroyed) -> String {
    if destroyed.removed.is_empty() {
        return format!("nothing of {} is deployed\n", destroyed.topology);
    }
    let mut text = String::new();
    for stack in &destroyed.removed {
        let _ = writeln!(text, "removed {stack}");
    }
    for resource in &destroyed.kept {
        let _ = writeln!(text, "kept {resource}");
    }
    text
}
