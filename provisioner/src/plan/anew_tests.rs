//! What goes, and what must not: stacks that only a new one helps, and functions that the topology no longer wants.

#![allow(clippy::unwrap_used)]

use super::plan;
use super::tests::{deferred, deployed_in_two, planned, words};
use crate::observed::StackReading;
use crate::observed::cluster::{ClusterLook, Looks, Unreached};
use crate::preflight::ours::Clusters;
use crate::render::Template;
use crate::sample::*;
use crate::topology::names::StackKind;

/// A stack that failed because the bucket's name was taken made none, and the one that is there is another's.
#[test]
fn a_bucket_that_our_stack_did_not_make_is_not_emptied() {
    let mut standing = standing();
    let stacks = &mut standing.regions.get_mut(REGION).unwrap().stacks;
    stacks.insert(StackKind::Artifacts, stack("ROLLBACK_COMPLETE", &[]));
    assert_eq!(
        words(&planned(&topology(), &standing))[..2],
        ["delete eu-west-1 artifacts", "create eu-west-1 artifacts"]
    );
}

/// The table is there when the new stack comes, so its name would be taken.
#[test]
fn a_broken_stack_that_keeps_its_table_is_replaced_over_it() {
    for (template, made) in [
        (
            "Resources: { It: { DeletionPolicy: Retain } }",
            "adopt eu-west-1 register",
        ),
        ("Resources: { It: {} }", "create eu-west-1 register"),
    ] {
        let mut standing = standing();
        let stacks = &mut standing.regions.get_mut(REGION).unwrap().stacks;
        let broken = StackReading {
            template: Template::read(template),
            ..stack(
                "DELETE_FAILED",
                &[("AWS::DynamoDB::Table", "sitefence-prod-register")],
            )
        };
        stacks.insert(StackKind::Register, broken);
        let words = words(&planned(&topology(), &standing));
        assert!(words.contains(&made.to_owned()), "{template}: {words:?}");
    }
}

/// Else both Alertmanagers would be left with an address at which nobody answers.
#[test]
fn a_former_function_stays_while_a_cluster_may_know_of_it_alone() {
    let standing = deployed_in_two();
    let silent = || Unreached {
        site: site("site-a"),
        context: "site-a".to_owned(),
        what: "no answer".to_owned(),
    };
    for (looks, goes) in [
        (Looks::new(), true),
        (
            Looks::from([(site("site-a"), ClusterLook::Unreached(silent()))]),
            false,
        ),
    ] {
        let plan = plan(
            &topology(),
            &standing,
            &findings(),
            Some(&package()),
            &documents(&[REGION]),
            &Clusters {
                looks: &looks,
                ..no_clusters()
            },
        )
        .unwrap();
        let removal = "delete eu-central-1 fencing".to_owned();
        assert_eq!(words(&plan).contains(&removal), goes, "{:?}", words(&plan));
        let waits = deferred(&plan)
            .iter()
            .any(|it| it.starts_with("eu-central-1 the removal of"));
        assert_eq!(waits, !goes, "{:?}", deferred(&plan));
    }
}
