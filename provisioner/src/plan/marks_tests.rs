//! The accelerator's mark in plans: written before the first function, taken away where nothing of ours is left.

#![allow(clippy::unwrap_used)]

use super::{Plan, Step, destroy, plan};
use crate::observed::cluster::Looks;
use crate::observed::{OwnerMark, Standing};
use crate::preflight::{self, Findings, judge};
use crate::sample::*;
use crate::topology::names::StackKind;

const FORMER: &str = "arn:aws:globalaccelerator::123456789012:accelerator/former";

fn planned(standing: &Standing, findings: &Findings) -> Plan {
    plan(
        &topology(),
        standing,
        findings,
        Some(&package()),
        &documents(&[REGION]),
        &no_clusters(),
    )
    .unwrap()
}

fn deployed(findings: &Findings) -> Standing {
    let plan = planned(&standing(), findings);
    carried_out(standing(), &topology(), &plan, findings)
}

fn unmarked() -> Findings {
    let mut observed = observed();
    observed.owner = None;
    judge(&topology(), &observed, 0).unwrap()
}

/// The steps that write or take marks, and those that make or unmake functions, in their order.
fn of_marks_and_functions(plan: &Plan) -> Vec<String> {
    let word = |step: &Step| match step {
        Step::MarkAccelerator(mark) => Some(format!("mark {}", mark.accelerator_arn)),
        Step::UnmarkAccelerator(mark) => Some(format!("unmark {}", mark.accelerator_arn)),
        Step::CreateStack(goal) | Step::UpdateStack(goal) => {
            (goal.kind == StackKind::Fencing).then(|| "function".to_owned())
        }
        Step::DeleteStack {
            kind: StackKind::Fencing,
            ..
        } => Some("no function".to_owned()),
        _ => None,
    };
    plan.steps.iter().filter_map(word).collect()
}

/// The fencing stack's parameters name an accelerator, whatever its function knows.
fn was_to_be_told(standing: &mut Standing, accelerator_arn: &str) {
    let stacks = &mut standing.regions.get_mut(REGION).unwrap().stacks;
    let parameters = &mut stacks.get_mut(&StackKind::Fencing).unwrap().parameters;
    parameters.extend([
        ("AcceleratorArn".to_owned(), accelerator_arn.to_owned()),
        ("Owner".to_owned(), topology().owner(ACCOUNT)),
    ]);
}

fn ours() -> String {
    findings().found.accelerator_arn
}

#[test]
fn the_accelerator_is_marked_before_the_first_function() {
    let plan = planned(&standing(), &unmarked());
    assert_eq!(
        of_marks_and_functions(&plan),
        [format!("mark {}", ours()), "function".to_owned()]
    );
    let mark = plan.steps.iter().find_map(|step| match step {
        Step::MarkAccelerator(mark) => Some(mark.owner.clone()),
        _ => None,
    });
    assert_eq!(mark, Some(topology().owner(ACCOUNT)));
}

/// Another tool may strip it, and then nothing else differs.
#[test]
fn a_mark_that_is_gone_is_written_again_and_nothing_else_changes() {
    let plan = planned(&deployed(&findings()), &unmarked());
    assert_eq!(of_marks_and_functions(&plan), [format!("mark {}", ours())]);
    assert!(plan.has_changes());
}

/// Else it would keep the next topology out of an accelerator that nobody uses.
#[test]
fn an_accelerator_that_the_topology_leaves_loses_its_mark() {
    let former = Findings {
        found: fencing::settings::Found {
            accelerator_arn: FORMER.to_owned(),
            ..findings().found
        },
        ..findings()
    };
    let standing = deployed(&former);
    let plan = planned(&standing, &unmarked());
    let expected = [
        format!("mark {}", ours()),
        format!("unmark {FORMER}"),
        "function".to_owned(),
    ];
    assert_eq!(of_marks_and_functions(&plan), expected);
    // And once that is done nothing is left to do.
    let after = carried_out(standing, &topology(), &plan, &findings());
    assert!(!planned(&after, &findings()).has_changes());
}

#[test]
fn destroy_takes_every_mark_before_the_functions() {
    let mut standing = deployed(&findings());
    // An apply that moved to another accelerator stopped before its function knew.
    was_to_be_told(&mut standing, FORMER);
    let plan = destroy::plan(&topology(), &standing, &Looks::new(), true);
    let mut expected = vec![format!("unmark {}", ours()), format!("unmark {FORMER}")];
    expected.sort();
    expected.push("no function".to_owned());
    assert_eq!(of_marks_and_functions(&plan), expected);
}

/// The mark is written before the stack is, and a stack that fails leaves no function to ask.
#[test]
fn a_stack_that_never_came_to_life_tells_the_mark_too() {
    let mut standing = deployed(&findings());
    was_to_be_told(&mut standing, &ours());
    let region = standing.regions.get_mut(REGION).unwrap();
    region.function = None;
    region.stacks.get_mut(&StackKind::Fencing).unwrap().status = "ROLLBACK_COMPLETE".to_owned();
    let mark = OwnerMark {
        accelerator_arn: ours(),
        owner: topology().owner(ACCOUNT),
    };
    assert_eq!(standing.marks().into_iter().collect::<Vec<_>>(), [mark]);
    let plan = destroy::plan(&topology(), &standing, &Looks::new(), true);
    assert_eq!(
        of_marks_and_functions(&plan),
        [format!("unmark {}", ours()), "no function".to_owned()]
    );
}

/// A function out of reach decides on, so the accelerator is still its own.
#[test]
fn the_mark_stays_while_a_function_may_stand_out_of_reach() {
    let mut standing = deployed(&findings());
    let stacks = &mut standing.regions.get_mut(REGION).unwrap().stacks;
    let tags = &mut stacks.get_mut(&StackKind::Fencing).unwrap().tags;
    tags.insert("sitefence:regions".to_owned(), format!("{REGION} eu-west-3"));
    standing
        .unreached
        .insert("eu-west-3".into(), "silence".to_owned());
    let plan = destroy::plan(&topology(), &standing, &Looks::new(), true);
    assert_eq!(of_marks_and_functions(&plan), ["no function"]);
}

/// The same for an accelerator that the topology leaves.
#[test]
fn the_former_mark_stays_while_a_function_is_out_of_reach() {
    let former = Findings {
        found: fencing::settings::Found {
            accelerator_arn: FORMER.to_owned(),
            ..findings().found
        },
        ..findings()
    };
    let mut standing = deployed(&former);
    let stacks = &mut standing.regions.get_mut(REGION).unwrap().stacks;
    let tags = &mut stacks.get_mut(&StackKind::Fencing).unwrap().tags;
    tags.insert("sitefence:regions".to_owned(), format!("{REGION} eu-west-3"));
    let silent = Findings {
        unreached: [(
            crate::topology::Region::seen("eu-west-3").unwrap(),
            "silence".to_owned(),
        )]
        .into(),
        ..unmarked()
    };
    let plan = planned(&standing, &silent);
    assert_eq!(
        of_marks_and_functions(&plan),
        [format!("mark {}", ours()), "function".to_owned()]
    );
}

/// What is noted there is another register's, and the new one would seem to have gone back. Where the same register is
/// used on, it has to stay.
#[test]
fn how_far_another_register_had_come_goes_with_a_mark() {
    let noted = |standing: &Standing| {
        let mut observed = observed();
        observed.standing = standing.clone();
        let tag = (fencing::accelerator::REACHED_TAG.to_owned(), "4/60".to_owned());
        observed.accelerator_tags.extend([tag]);
        observed
    };
    let mut used = deployed(&findings());
    let mut held = table("open");
    held.holds_item = true;
    used.register = Some(held.clone());
    let fresh = Standing {
        register: Some(crate::observed::TableReading {
            holds_item: false,
            ..held
        }),
        ..used.clone()
    };
    let gone = Standing {
        register: None,
        ..used.clone()
    };
    let silent = Standing {
        register_unread: Some("silence".to_owned()),
        ..gone.clone()
    };
    // Through a role of the same account it has the same place by name, so the owner's tag stays.
    let by_role = "register: { roleArn: 'arn:aws:iam::123456789012:role/register' }";
    for (name, standing, topology, goes) in [
        ("used", &used, topology(), false),
        ("fresh", &fresh, topology(), true),
        ("gone", &gone, topology(), true),
        ("silent", &silent, topology(), false),
        ("moves", &used, topology_from(by_role), true),
    ] {
        assert_eq!(preflight::register_is_anew(&topology, standing), goes, "{name}");
    }
    for (standing, goes) in [(&used, false), (&fresh, true)] {
        let mut observed = noted(standing);
        let findings = judge(&topology(), &observed, 0).unwrap();
        let expected: Vec<String> = goes.then(|| format!("mark {}", ours())).into_iter().collect();
        assert_eq!(of_marks_and_functions(&planned(standing, &findings)), expected);
        observed.accelerator_tags.clear();
        assert!(!judge(&topology(), &observed, 0).unwrap().unmarked);
    }
}
