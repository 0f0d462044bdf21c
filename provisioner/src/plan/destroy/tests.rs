//! What becomes of the register when everything goes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::observed::Standing;
use crate::observed::cluster::Looks;
use crate::plan::{Step, destroy};
use crate::preflight::problem::Problem;
use crate::preflight::{judge, judge_destruction};
use crate::render::Template;
use crate::sample::*;
use crate::topology::names::StackKind;

/// A world in which a register stands whose template says `policy` of its table.
fn with_register(policy: &str) -> Standing {
    let mut standing = standing();
    let mut made = stack(
        "CREATE_COMPLETE",
        &[("AWS::DynamoDB::Table", "sitefence-prod-register")],
    );
    made.template = Template::read(format!(
        "Resources:\n  It: {{ Type: 'AWS::DynamoDB::Table'{policy} }}\n"
    ));
    let region = standing.regions.get_mut(REGION).unwrap();
    region.stacks.insert(StackKind::Register, made);
    standing.register = Some(table("open"));
    standing
}

#[test]
fn a_table_stays_or_goes_as_its_deployed_template_says_and_is_listed_so() {
    let table = "AWS::DynamoDB::Table sitefence-prod-register".to_owned();
    for (policy, goes, stays) in [
        ("", vec![table.clone()], vec![]),
        (", DeletionPolicy: Delete", vec![table.clone()], vec![]),
        (", DeletionPolicy: Retain", vec![], vec![table]),
    ] {
        let plan = destroy::plan(&topology(), &with_register(policy), &Looks::new(), true);
        let deletion = plan.steps.iter().find_map(|step| match step {
            Step::DeleteStack { resources, keeps, .. } => Some((resources, keeps)),
            _ => None,
        });
        assert_eq!(deletion, Some((&goes, &stays)), "{policy}");
        // Only what goes may be deleted, and before its stack.
        let at = |wanted: fn(&Step) -> bool| plan.steps.iter().position(wanted);
        let unprotected = at(
            |step| matches!(step, Step::UnprotectTable { table, .. } if table == "sitefence-prod-register"),
        );
        let deleted = at(|step| matches!(step, Step::DeleteStack { .. }));
        assert_eq!(unprotected.is_some(), !goes.is_empty(), "{policy}");
        assert!(unprotected.is_none_or(|it| Some(it + 1) == deleted), "{policy}");
    }
}

#[test]
fn a_table_that_the_topology_keeps_is_not_left_to_a_stack_that_deletes_it() {
    let kept = topology_from("register: { retain: true }");
    let shared = topology_from("register: { retain: true, table: shared }");
    let mut lost = with_register("");
    lost.register = None;
    for (what, topology, standing, refused) in [
        ("told", &kept, with_register(", DeletionPolicy: Retain"), false),
        ("not told", &kept, with_register(", DeletionPolicy: Delete"), true),
        ("an older template", &kept, with_register(""), true),
        ("not wanted", &topology(), with_register(""), false),
        ("not ours", &shared, with_register(""), false),
        ("gone", &kept, lost, false),
    ] {
        for force in [false, true] {
            let judged = judge_destruction(topology, &standing, &Looks::new(), force);
            let problems = judged.err().unwrap_or_default();
            let found = problems
                .iter()
                .any(|problem| matches!(problem, Problem::RegisterNotKept { .. }) && problem.is_unsafe());
            assert_eq!(
                (found, problems.len()),
                (refused, refused.into()),
                "{what}: {problems:?}"
            );
        }
    }
}

#[test]
fn a_stack_is_gone_only_where_somebody_can_see_that() {
    let before = with_register("");
    let plan = destroy::plan(&topology(), &before, &Looks::new(), true);
    let deletion = plan
        .steps
        .iter()
        .find(|step| matches!(step, Step::DeleteStack { .. }));
    let deletion = deletion.unwrap();
    assert!(!destroy::is_gone(deletion, &before));
    let mut after = before;
    after.regions.get_mut(REGION).unwrap().stacks.clear();
    assert!(destroy::is_gone(deletion, &after));
    after.regions.remove(REGION);
    assert!(!destroy::is_gone(deletion, &after));
}

/// Nobody has to be asked to override what refuses nothing.
#[test]
fn a_register_that_somebody_deleted_needs_no_force_and_the_hint_warns_of_a_fenced_site() {
    let mut lost = with_register("");
    lost.register = None;
    assert_eq!(
        judge_destruction(&topology(), &lost, &Looks::new(), false),
        Ok(())
    );
    let mut observed = observed();
    observed.standing = lost;
    let problems = judge(&topology(), &observed, 0).unwrap_err();
    let [gone @ Problem::RegisterGone { .. }] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    let hint = gone.hint();
    assert!(
        hint.contains("make sure that both sites are in the accelerator"),
        "{hint}"
    );
    assert!(!hint.contains("--force"), "{hint}");
}
