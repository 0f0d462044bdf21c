//! What goes on side by side.

use super::super::turns::{Lane, StepTurn, turns};
use super::*;

/// Each turn as a line: lanes beside each other by `|`, what is prepared meanwhile in brackets.
fn lines(plan: &Plan, topology: &Topology) -> Vec<String> {
    let all = |steps: &[&Step]| -> String {
        let words: Vec<String> = steps.iter().map(|step| word(step)).collect();
        words.join(", ")
    };
    let early = |step: Option<&Step>| step.map(|step| format!(" ({})", word(step))).unwrap_or_default();
    let of_lane = |lane: &Lane<'_>| format!("{}{}", all(&lane.steps), early(lane.then));
    turns(&plan.steps, topology.first_region())
        .iter()
        .map(|turn| match turn {
            StepTurn::Clusters(steps) => format!("clusters: {}", steps.len()),
            StepTurn::Lanes(lanes) => lanes.iter().map(of_lane).collect::<Vec<_>>().join(" | "),
            StepTurn::TakeLock { .. } => "lock".to_owned(),
            StepTurn::ReleaseLock { looks: None } => "unlock".to_owned(),
            StepTurn::ReleaseLock { looks: Some(step) } => format!("{} | unlock", word(step)),
            StepTurn::One { step, meanwhile } => format!("{}{}", word(step), early(*meanwhile)),
        })
        .collect()
}

#[test]
fn a_first_apply_waits_only_for_what_it_rests_on() {
    let topology = topology();
    let plan = planned(&topology, &standing());
    insta::assert_debug_snapshot!(lines(&plan, &topology));
}

#[test]
fn the_first_region_s_function_shows_that_the_code_starts_before_the_others_follow() {
    let (topology, _) = two_regions();
    let plan = planned_without(&empty_world(), &package(), &[]);
    insta::assert_debug_snapshot!(lines(&plan, &topology));
}

/// Nothing is lost, doubled or put before what the plan puts before it, whatever part of the plan is left.
#[test]
fn turns_hold_every_step_once() {
    let topology = topology();
    let plan = planned(&topology, &standing());
    for from in 0..plan.steps.len() {
        let rest = &plan.steps[from..];
        let mut seen: Vec<&Step> = Vec::new();
        for turn in turns(rest, topology.first_region()) {
            match turn {
                StepTurn::Clusters(steps) => seen.extend(steps),
                StepTurn::Lanes(lanes) => seen.extend(lanes.into_iter().flat_map(|lane| lane.steps)),
                StepTurn::TakeLock { step, .. } | StepTurn::One { step, .. } => seen.push(step),
                StepTurn::ReleaseLock { looks } => {
                    seen.extend(looks);
                    seen.push(&Step::ReleaseLock);
                }
            }
        }
        assert_eq!(seen.len(), rest.len());
        assert!(rest.iter().all(|step| seen.contains(&step)));
    }
}
