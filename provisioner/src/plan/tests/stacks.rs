//! Stacks in every state that CloudFormation leaves them in.

use super::*;

const UPDATED: [&str; 5] = [
    "lock",
    "upload eu-west-1",
    "update eu-west-1 fencing",
    "ready eu-west-1",
    "unlock",
];

const REPLACED: [&str; 5] = [
    "lock",
    "delete eu-west-1 fencing",
    "create eu-west-1 fencing",
    "ready eu-west-1",
    "unlock",
];

#[test]
fn stacks_are_made_changed_replaced_or_waited_for_by_their_state() {
    // The fencing stack's status, what differs in it, the steps.
    let cases: &[(&str, bool, &[&str])] = &[
        ("CREATE_COMPLETE", false, &[]),
        ("UPDATE_ROLLBACK_COMPLETE", false, &[]),
        ("CREATE_COMPLETE", true, &UPDATED),
        ("UPDATE_COMPLETE", true, &UPDATED),
        ("UPDATE_FAILED", true, &UPDATED),
        ("ROLLBACK_COMPLETE", false, &REPLACED),
        ("REVIEW_IN_PROGRESS", false, &REPLACED),
        (
            "DELETE_FAILED",
            true,
            &[
                "lock",
                "upload eu-west-1",
                "delete eu-west-1 fencing",
                "create eu-west-1 fencing",
                "ready eu-west-1",
                "unlock",
            ],
        ),
        ("CREATE_IN_PROGRESS", true, &["await sitefence-prod-fencing"]),
        ("DELETE_IN_PROGRESS", false, &["await sitefence-prod-fencing"]),
        (
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            false,
            &["await sitefence-prod-fencing"],
        ),
        (
            "UPDATE_ROLLBACK_FAILED",
            false,
            &["lock", "continue sitefence-prod-fencing", "unlock"],
        ),
    ];
    for (status, differs, expected) in cases {
        let mut standing = deployed();
        let stack = standing
            .regions
            .get_mut(REGION)
            .and_then(|region| region.stacks.get_mut(&StackKind::Fencing))
            .unwrap();
        stack.status = (*status).to_owned();
        if *differs {
            stack
                .parameters
                .insert("ArtifactKey".to_owned(), "function/old.zip".to_owned());
        }
        let plan = planned(&topology(), &standing);
        assert_eq!(words(&plan), *expected, "{status} {differs}");
        let waits = expected.iter().any(|it| it.starts_with("await"));
        let continues = expected.iter().any(|it| it.starts_with("continue"));
        assert_eq!(plan.plan_again, waits || continues, "{status}");
        assert!(
            !(waits && plan.has_changes()) && (!continues || plan.has_changes()),
            "{status}"
        );
    }
}

/// Consent to one is none to the other.
#[test]
fn a_rollback_is_continued_only_after_what_is_under_way() {
    let mut standing = deployed();
    let stacks = &mut standing.regions.get_mut(REGION).unwrap().stacks;
    stacks.get_mut(&StackKind::Fencing).unwrap().status = "UPDATE_ROLLBACK_FAILED".to_owned();
    stacks.get_mut(&StackKind::Artifacts).unwrap().status = "UPDATE_IN_PROGRESS".to_owned();
    assert_eq!(
        words(&planned(&topology(), &standing)),
        ["await sitefence-prod-artifacts"]
    );
    // With its bucket's stack stuck, too, nothing can hold a lock.
    let stacks = &mut standing.regions.get_mut(REGION).unwrap().stacks;
    stacks.get_mut(&StackKind::Artifacts).unwrap().status = "UPDATE_ROLLBACK_FAILED".to_owned();
    let both = [
        "continue sitefence-prod-artifacts",
        "continue sitefence-prod-fencing",
    ];
    assert_eq!(words(&planned(&topology(), &standing)), both);
    let removal = destroy::plan(&topology(), &standing, &Looks::new(), true);
    assert_eq!(
        (words(&removal), removal.has_changes()),
        (both.map(str::to_owned).to_vec(), true)
    );
}

#[test]
fn work_on_clusters_alone_leaves_unsettled_stacks_to_others() {
    for status in ["UPDATE_ROLLBACK_FAILED", "UPDATE_IN_PROGRESS"] {
        let mut standing = deployed();
        let stacks = &mut standing.regions.get_mut(REGION).unwrap().stacks;
        stacks.get_mut(&StackKind::Fencing).unwrap().status = status.to_owned();
        let mut clusters = no_clusters();
        clusters.choices.aws = false;
        let plan = plan(
            &topology(),
            &standing,
            &findings(),
            Some(&package()),
            &documents(&[REGION]),
            &clusters,
        )
        .unwrap();
        let removal = destroy::plan(&topology(), &standing, &Looks::new(), false);
        for plan in [plan, removal] {
            assert_eq!((words(&plan), plan.plan_again), (Vec::new(), false), "{status}");
        }
    }
}

#[test]
fn template_parameters_and_tags_each_count_as_a_difference() {
    for change in 0..3 {
        let mut standing = deployed();
        let stack = standing
            .regions
            .get_mut(REGION)
            .and_then(|region| region.stacks.get_mut(&StackKind::Fencing))
            .unwrap();
        match change {
            0 => stack.template.text.push_str("# another\n"),
            1 => drop(stack.parameters.remove("Balancers")),
            _ => drop(stack.tags.insert("owner".to_owned(), "someone".to_owned())),
        }
        let plan = planned(&topology(), &standing);
        assert!(
            words(&plan).contains(&"update eu-west-1 fencing".to_owned()),
            "{change}"
        );
    }
}

#[test]
fn a_broken_artifact_stack_is_emptied_before_it_is_replaced_and_the_lock_comes_after() {
    let mut standing = standing();
    standing.regions.get_mut(REGION).unwrap().stacks.insert(
        StackKind::Artifacts,
        stack("DELETE_FAILED", &[("AWS::S3::Bucket", "b")]),
    );
    assert_eq!(
        words(&planned(&topology(), &standing))[..4],
        [
            "empty eu-west-1",
            "delete eu-west-1 artifacts",
            "create eu-west-1 artifacts",
            "lock"
        ]
    );
}

#[test]
fn a_bucket_that_somebody_deleted_is_made_again_and_keeps_nothing_from_going() {
    let mut standing = deployed();
    let region = standing.regions.get_mut(REGION).unwrap();
    region.bucket_is_gone = true;
    region.artifacts.clear();
    let made_again = planned(&topology(), &standing);
    assert_eq!(
        words(&made_again),
        [
            "empty eu-west-1",
            "delete eu-west-1 artifacts",
            "create eu-west-1 artifacts",
            "lock",
            "upload eu-west-1",
            // The upload is another version of the package, and the function runs from a version.
            "update eu-west-1 fencing",
            "ready eu-west-1",
            "unlock",
        ]
    );
    let gone = words(&destroy::plan(&topology(), &standing, &Looks::new(), true));
    assert!(!gone.contains(&"lock".to_owned()), "{gone:?}");
    assert_eq!(
        gone.last().map(String::as_str),
        Some("delete eu-west-1 artifacts")
    );
}
