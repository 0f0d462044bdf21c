//! Worlds in, steps out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::stacks::tags;
use super::{Plan, Step, destroy, plan};
use crate::observed::cluster::Looks;
use crate::observed::{RegionStanding, Standing};
use crate::package::Package;
use crate::preflight::problem::Problem;
use crate::preflight::{Findings, judge_destruction};
use crate::render::{StackDocument, Template};
use crate::sample::*;
use crate::topology::Topology;
use crate::topology::names::StackKind;

/// The steps, each as a few words.
pub(super) fn words(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| match step {
            Step::AwaitStack { stack, .. } => format!("await {stack}"),
            Step::ContinueRollback { stack, .. } => format!("continue {stack}"),
            Step::TakeLock { .. } => "lock".to_owned(),
            Step::ReleaseLock => "unlock".to_owned(),
            Step::CreateStack(goal) if goal.adopts => format!("adopt {} {}", goal.region, goal.kind.word()),
            Step::CreateStack(goal) => format!("create {} {}", goal.region, goal.kind.word()),
            Step::UpdateStack(goal) => format!("update {} {}", goal.region, goal.kind.word()),
            Step::DeleteStack { region, kind, .. } => format!("delete {region} {}", kind.word()),
            Step::Upload { region, .. } => format!("upload {region}"),
            Step::AwaitFunction { region, .. } => format!("ready {region}"),
            Step::UnprotectTable { table, .. } => format!("unprotect {table}"),
            Step::EmptyBucket { region, .. } => format!("empty {region}"),
            Step::ConfirmEpoch { registers, .. } => {
                let epochs: Vec<String> = registers.iter().map(|(_, epoch)| epoch.to_string()).collect();
                format!("confirm epoch {}", epochs.join(" "))
            }
            Step::ForgetItems { table, .. } => format!("forget {table}"),
            Step::MarkAccelerator(_) => "mark".to_owned(),
            Step::UnmarkAccelerator(_) => "unmark".to_owned(),
            Step::ApplyObject(goal) => format!("apply {} {}", goal.object.site, goal.object.kind.word()),
            Step::DeleteObject { object, .. } => format!("delete {} {}", object.site, object.kind.word()),
            Step::MergeUserWorkloadConfig { object, .. } => format!("merge {}", object.site),
            Step::UndoUserWorkloadConfig { object } => format!("undo {}", object.site),
            Step::AwaitRollout { site, .. } => format!("rollout {site}"),
            Step::AwaitWatchdogs { sites, .. } => format!("watchdogs {}", sites.len()),
        })
        .collect()
}

pub(super) fn planned(topology: &Topology, standing: &Standing) -> Plan {
    let regions: Vec<&str> = topology.regions.iter().map(|region| region.as_str()).collect();
    plan(
        topology,
        standing,
        &findings(),
        Some(&package()),
        &documents(&regions),
        &no_clusters(),
    )
    .unwrap()
}

/// The world in which `topology()` is deployed.
fn deployed() -> Standing {
    let topology = topology();
    let fresh = standing();
    carried_out(fresh.clone(), &topology, &planned(&topology, &fresh), &findings())
}

#[test]
fn a_fresh_account_gets_everything_in_an_order_in_which_nothing_is_missing() {
    assert_eq!(
        words(&planned(&topology(), &standing())),
        [
            "create eu-west-1 artifacts",
            "lock",
            "upload eu-west-1",
            "create eu-west-1 register",
            "create eu-west-1 fencing",
            "ready eu-west-1",
            "unlock",
        ]
    );
}

#[test]
fn planning_after_applying_yields_nothing() {
    let plan = planned(&topology(), &deployed());
    assert_eq!(words(&plan), [""; 0]);
    assert!(!plan.has_changes());
    assert_eq!(plan.unchanged.len(), 3);
}

/// By Lambda's own account, or because another package lies under the same key: CloudFormation sees neither.
#[test]
fn code_that_is_not_ours_is_uploaded_anew_and_put_back() {
    type Harm = fn(&mut RegionStanding);
    let harms: [Harm; 3] = [
        |it| it.function.as_mut().unwrap().code_sha256 = Some("ee".repeat(32)),
        |it| drop(it.artifacts.insert(package().key(), "another".to_owned())),
        |it| it.artifacts.clear(),
    ];
    for harm in harms {
        let mut standing = deployed();
        harm(standing.regions.get_mut(REGION).unwrap());
        let plan = planned(&topology(), &standing);
        assert_eq!(
            words(&plan),
            [
                "lock",
                "upload eu-west-1",
                "update eu-west-1 fencing",
                "ready eu-west-1",
                "unlock"
            ]
        );
        let end = carried_out(standing, &topology(), &plan, &findings());
        assert_eq!(words(&planned(&topology(), &end)), [""; 0]);
    }
}

/// A reference to a secret is resolved when a check is made, and a rotation is none of CloudFormation's business.
#[test]
fn a_rotated_health_secret_has_route_53_ask_with_the_new_one() {
    let topology = topology_from("health: { route53: true }");
    let mut documents = documents(&[REGION]);
    documents.push(StackDocument {
        kind: StackKind::Health,
        region: "us-east-1".into(),
        template: Template::read("Parameters:\n  HealthSecretVersion: { Type: String }\n"),
    });
    let plan_with = |standing: &Standing, version: Option<&str>| {
        let findings = Findings {
            health_secret_version: version.map(str::to_owned),
            ..findings()
        };
        plan(
            &topology,
            standing,
            &findings,
            Some(&package()),
            &documents,
            &no_clusters(),
        )
        .unwrap()
    };
    let fresh = standing();
    let first = plan_with(&fresh, None);
    assert!(
        words(&first).contains(&"create us-east-1 health".to_owned()),
        "{first:?}"
    );
    let made = carried_out(fresh, &topology, &first, &findings());
    assert_eq!(words(&plan_with(&made, Some("v1"))), [""; 0]);
    assert_eq!(
        words(&plan_with(&made, Some("v2"))),
        ["lock", "update us-east-1 health", "unlock"]
    );
}

#[test]
fn whatever_an_interruption_leaves_the_next_plan_finishes() {
    let topology = topology();
    let fresh = standing();
    let whole = planned(&topology, &fresh);
    for cut in 0..=whole.steps.len() {
        let mut part = whole.clone();
        part.steps.truncate(cut);
        let left = carried_out(fresh.clone(), &topology, &part, &findings());
        let rest = planned(&topology, &left);
        let end = carried_out(left, &topology, &rest, &findings());
        assert_eq!(end, deployed(), "after {cut} steps");
    }
}

#[test]
fn stacks_are_made_changed_replaced_or_waited_for_by_their_state() {
    // The fencing stack's status, what differs in it, the steps.
    let cases: &[(&str, bool, &[&str])] = &[
        ("CREATE_COMPLETE", false, &[]),
        ("UPDATE_ROLLBACK_COMPLETE", false, &[]),
        (
            "CREATE_COMPLETE",
            true,
            &[
                "lock",
                "upload eu-west-1",
                "update eu-west-1 fencing",
                "ready eu-west-1",
                "unlock",
            ],
        ),
        (
            "UPDATE_COMPLETE",
            true,
            &[
                "lock",
                "upload eu-west-1",
                "update eu-west-1 fencing",
                "ready eu-west-1",
                "unlock",
            ],
        ),
        (
            "UPDATE_FAILED",
            true,
            &[
                "lock",
                "upload eu-west-1",
                "update eu-west-1 fencing",
                "ready eu-west-1",
                "unlock",
            ],
        ),
        (
            "ROLLBACK_COMPLETE",
            false,
            &[
                "lock",
                "delete eu-west-1 fencing",
                "create eu-west-1 fencing",
                "ready eu-west-1",
                "unlock",
            ],
        ),
        (
            "REVIEW_IN_PROGRESS",
            false,
            &[
                "lock",
                "delete eu-west-1 fencing",
                "create eu-west-1 fencing",
                "ready eu-west-1",
                "unlock",
            ],
        ),
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
fn what_is_under_way_is_waited_for_before_a_rollback_is_continued() {
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
fn whoever_works_on_clusters_alone_leaves_unsettled_stacks_to_others() {
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

#[test]
fn several_regions_get_their_buckets_before_the_first_function() {
    let topology = topology_from("tags: { owner: identity }");
    let mut two = topology.clone();
    two.regions = vec![topology.regions[0].clone(), "eu-central-1".into()];
    let mut standing = standing();
    standing
        .regions
        .insert("eu-central-1".into(), RegionStanding::default());
    let plan = planned(&two, &standing);
    assert_eq!(
        words(&plan),
        [
            "create eu-west-1 artifacts",
            "lock",
            "upload eu-west-1",
            "create eu-central-1 artifacts",
            "upload eu-central-1",
            "create eu-west-1 register",
            "create eu-west-1 fencing",
            "ready eu-west-1",
            "create eu-central-1 fencing",
            "ready eu-central-1",
            "unlock",
        ]
    );
    let tags = tags(&two);
    assert_eq!(tags["sitefence:regions"], "eu-west-1 eu-central-1");
    assert_eq!(tags["owner"], "identity");
}

#[test]
fn a_region_that_the_topology_left_is_cleared() {
    let mut standing = deployed();
    let stacks = standing.regions[REGION].stacks.clone();
    let mut left = RegionStanding::default();
    left.stacks
        .insert(StackKind::Fencing, stacks[&StackKind::Fencing].clone());
    left.stacks
        .insert(StackKind::Artifacts, stacks[&StackKind::Artifacts].clone());
    standing.regions.insert("eu-north-1".into(), left);
    assert_eq!(
        words(&planned(&topology(), &standing)),
        [
            "lock",
            "delete eu-north-1 fencing",
            "empty eu-north-1",
            "delete eu-north-1 artifacts",
            "unlock",
        ]
    );
}

#[test]
fn a_register_that_was_kept_is_taken_over() {
    let mut standing = standing();
    standing.register = Some(table("open"));
    let plan = planned(&topology_from("register: { retain: true }"), &standing);
    assert!(words(&plan).contains(&"adopt eu-west-1 register".to_owned()));
}

#[test]
fn a_parameter_that_nobody_knows_stops_the_plan() {
    let mut documents = documents(&[REGION]);
    documents[0].template = Template::read("Parameters: { Surprise: { Type: String } }\nResources: {}\n");
    let problems = plan(
        &topology(),
        &standing(),
        &findings(),
        Some(&package()),
        &documents,
        &no_clusters(),
    )
    .unwrap_err();
    assert!(
        matches!(&problems[..], [Problem::UnknownParameter { parameter, .. }] if parameter == "Surprise")
    );
}

#[test]
fn everything_goes_functions_first_and_the_lock_s_bucket_last() {
    let topology = topology();
    let plan = destroy::plan(&topology, &deployed(), &Looks::new(), true);
    assert_eq!(
        words(&plan),
        [
            "lock",
            "unmark",
            "delete eu-west-1 fencing",
            "confirm epoch 0",
            "unprotect sitefence-prod-register",
            "delete eu-west-1 register",
            "unlock",
            "empty eu-west-1",
            "delete eu-west-1 artifacts",
        ]
    );
    let after = carried_out(deployed(), &topology, &plan, &findings());
    assert_eq!(
        words(&destroy::plan(&topology, &after, &Looks::new(), true)),
        [""; 0]
    );
}

#[test]
fn a_destruction_continues_after_any_step() {
    let topology = topology();
    let whole = destroy::plan(&topology, &deployed(), &Looks::new(), true);
    for cut in 0..=whole.steps.len() {
        let mut part = whole.clone();
        part.steps.truncate(cut);
        let left = carried_out(deployed(), &topology, &part, &findings());
        let rest = destroy::plan(&topology, &left, &Looks::new(), true);
        let end = carried_out(left, &topology, &rest, &findings());
        assert!(
            end.regions.values().all(|region| region.stacks.is_empty()),
            "after {cut} steps"
        );
    }
}

/// An earlier run may have been interrupted right after the function went, whose last call then still runs.
#[test]
fn a_register_waits_for_functions_of_which_nobody_knows_when_they_went() {
    let topology = topology_from("function: { timeout: 7s }");
    let mut standing = deployed();
    let region = standing.regions.get_mut(REGION).unwrap();
    region.stacks.remove(&StackKind::Fencing);
    region.function = None;
    let plan = destroy::plan(&topology, &standing, &Looks::new(), true);
    assert_eq!(
        words(&plan)[..4],
        [
            "lock",
            "confirm epoch 0",
            "unprotect sitefence-prod-register",
            "delete eu-west-1 register"
        ]
    );
    let waits = |step: &Step| {
        matches!(
            step,
            Step::ConfirmEpoch {
                timeout_seconds: 7,
                ..
            }
        )
    };
    assert!(plan.steps.iter().any(waits), "{:?}", plan.steps);
    // The one that is deployed may be slower than what the file says by now.
    let plan = destroy::plan(&topology, &deployed(), &Looks::new(), true);
    let waits = |step: &Step| {
        matches!(
            step,
            Step::ConfirmEpoch {
                timeout_seconds: 15,
                ..
            }
        )
    };
    assert!(plan.steps.iter().any(waits), "{:?}", plan.steps);
}

#[test]
fn a_shared_table_loses_only_this_topology_s_items() {
    let topology = topology_from("register: { table: shared }");
    let mut standing = deployed();
    standing
        .regions
        .get_mut(REGION)
        .unwrap()
        .stacks
        .remove(&StackKind::Register);
    let steps = words(&destroy::plan(&topology, &standing, &Looks::new(), true));
    assert_eq!(
        steps,
        [
            "lock",
            "unmark",
            "delete eu-west-1 fencing",
            "confirm epoch 0",
            "forget shared",
            "unlock",
            "empty eu-west-1",
            "delete eu-west-1 artifacts"
        ]
    );
    let kept = topology_from("register: { table: shared, retain: true }");
    assert!(
        !words(&destroy::plan(&kept, &standing, &Looks::new(), true)).contains(&"forget shared".to_owned())
    );
}

#[test]
fn only_a_new_decision_that_is_in_force_keeps_the_register() {
    for (state, known, keeps) in [
        ("complete", 0, true),
        ("decided", 0, true),
        ("complete", 1, false),
        ("open", 0, false),
    ] {
        assert_eq!(
            table(state).item.was_decided_after(known),
            keeps,
            "{state} {known}"
        );
    }
}

#[test]
fn destruction_is_refused_while_a_decision_is_in_force() {
    let topology = topology();
    for state in ["decided", "isolated", "complete", "rejoining"] {
        let mut standing = deployed();
        standing.register = Some(table(state));
        let problems = judge_destruction(&topology, &standing, &Looks::new(), false).unwrap_err();
        assert!(problems[0].is_unsafe(), "{state}");
        assert!(
            problems[0].to_string().contains("site-b is fenced"),
            "{}",
            problems[0]
        );
        assert_eq!(
            judge_destruction(&topology, &standing, &Looks::new(), true),
            Ok(()),
            "{state}"
        );
    }
    assert_eq!(
        judge_destruction(&topology, &deployed(), &Looks::new(), false),
        Ok(())
    );
}

#[test]
fn a_stack_of_our_name_without_our_tag_is_not_touched() {
    let topology = topology();
    let mut standing = deployed();
    standing
        .regions
        .get_mut(REGION)
        .and_then(|region| region.stacks.get_mut(&StackKind::Artifacts))
        .unwrap()
        .tags
        .clear();
    for force in [false, true] {
        let problems = judge_destruction(&topology, &standing, &Looks::new(), force).unwrap_err();
        assert!(
            matches!(&problems[..], [Problem::ForeignStack { .. }]),
            "{problems:?}"
        );
    }
}

pub(crate) const OTHER: &str = "eu-central-1";

/// Functions in two Regions; the second one's stack is told by the first one's where the secret is.
pub(crate) fn two_regions() -> (Topology, Vec<StackDocument>) {
    let mut topology = topology();
    topology.regions.push(OTHER.into());
    let mut documents = documents(&[REGION, OTHER]);
    for document in &mut documents {
        if document.kind == StackKind::Fencing && document.region.as_str() == OTHER {
            let parameter = "Parameters:\n  WebhookSecretArn: { Type: String }\n";
            document.template = Template::read(document.template.text.replace("Parameters:\n", parameter));
        }
    }
    (topology, documents)
}

/// A plan for two Regions with what is `unreached` left out of the world.
fn planned_without(standing: &Standing, package: &Package, unreached: &[&str]) -> Plan {
    let (topology, documents) = two_regions();
    let mut findings = findings();
    let mut standing = standing.clone();
    for region in unreached {
        standing.regions.remove(*region);
        standing
            .unreached
            .insert((*region).into(), "no answer".to_owned());
        if *region == REGION {
            standing.register = None;
            standing.register_unread = Some("no answer".to_owned());
        }
    }
    findings.unreached = standing.unreached.clone();
    plan(
        &topology,
        &standing,
        &findings,
        Some(package),
        &documents,
        &no_clusters(),
    )
    .unwrap()
}

fn empty_world() -> Standing {
    let mut standing = standing();
    standing.regions.insert(OTHER.into(), RegionStanding::default());
    standing
}

pub(super) fn deployed_in_two() -> Standing {
    let plan = planned_without(&empty_world(), &package(), &[]);
    carried_out(empty_world(), &two_regions().0, &plan, &findings())
}

pub(crate) fn new_code() -> Package {
    Package {
        sha256: "cd".repeat(32),
        ..package()
    }
}

fn unreached(plan: &Plan) -> Vec<&str> {
    plan.unreached_regions
        .iter()
        .map(|it| it.region.as_str())
        .collect()
}

pub(super) fn deferred(plan: &Plan) -> Vec<String> {
    let lines = plan.deferred.iter();
    lines
        .map(|it| format!("{} {}: {}", it.place, it.what, it.why))
        .collect()
}

#[test]
fn a_region_that_does_not_answer_hinders_only_itself() {
    for (silent, steps) in [
        (
            OTHER,
            [
                "lock",
                "upload eu-west-1",
                "update eu-west-1 fencing",
                "ready eu-west-1",
                "unlock",
            ],
        ),
        // Also the one with the secrets, the register and the lock.
        (
            REGION,
            [
                "lock",
                "upload eu-central-1",
                "update eu-central-1 fencing",
                "ready eu-central-1",
                "unlock",
            ],
        ),
    ] {
        let plan = planned_without(&deployed_in_two(), &new_code(), &[silent]);
        assert_eq!(words(&plan), steps, "{silent}");
        assert_eq!(
            (unreached(&plan), deferred(&plan)),
            (vec![silent], Vec::<String>::new())
        );
        assert!(!plan.is_whole());
        let Some(Step::TakeLock { region, .. }) = plan.steps.first() else {
            panic!("{plan:?}");
        };
        assert_ne!(region.as_str(), silent);
        // What is left out now the next plan finds.
        let half = carried_out(deployed_in_two(), &two_regions().0, &plan, &findings());
        let rest = planned_without(&half, &new_code(), &[]);
        assert!(
            words(&rest).contains(&format!("update {silent} fencing")),
            "{rest:?}"
        );
        assert!(rest.is_whole());
    }
}

#[test]
fn what_rests_on_a_silent_region_waits_for_it() {
    // A first apply: nobody knows where the secret will be, or whether the register stands.
    let plan = planned_without(&empty_world(), &package(), &[REGION]);
    assert_eq!(
        words(&plan),
        [
            "create eu-central-1 artifacts",
            "lock",
            "upload eu-central-1",
            "unlock"
        ]
    );
    assert_eq!(
        deferred(&plan),
        ["eu-central-1 sitefence-prod-fencing: it needs what eu-west-1 will say"]
    );
    let half = carried_out(empty_world(), &two_regions().0, &plan, &findings());
    let rest = planned_without(&half, &package(), &[]);
    let whole = carried_out(half, &two_regions().0, &rest, &findings());
    assert_eq!(words(&planned_without(&whole, &package(), &[])), [""; 0]);

    // Both silent: nothing is done, and it is said.
    let plan = planned_without(&deployed_in_two(), &new_code(), &[REGION, OTHER]);
    assert_eq!(
        (words(&plan), unreached(&plan)),
        (Vec::new(), vec![OTHER, REGION])
    );
}

#[test]
fn a_silent_region_that_has_nothing_of_ours_is_nobody_s_business() {
    let plan = planned_without(&deployed_in_two(), &package(), &["us-east-1"]);
    assert!(plan.is_whole() && !plan.has_changes(), "{plan:?}");
}

#[test]
fn a_register_outlives_the_function_that_cannot_be_removed_yet() {
    let (topology, _) = two_regions();
    let mut standing = deployed_in_two();
    let silent = standing.regions.remove(OTHER).unwrap();
    standing.unreached.insert(OTHER.into(), "no answer".to_owned());
    let plan = destroy::plan(&topology, &standing, &Looks::new(), true);
    assert_eq!(
        words(&plan),
        [
            "lock",
            "delete eu-west-1 fencing",
            "unlock",
            "empty eu-west-1",
            "delete eu-west-1 artifacts"
        ]
    );
    assert_eq!(unreached(&plan), [OTHER]);
    assert_eq!(
        deferred(&plan),
        [
            "eu-west-1 sitefence-prod-register: the function in eu-central-1 may still stand, and must not be without it"
        ]
    );
    let mut half = carried_out(standing, &topology, &plan, &findings());
    half.unreached.clear();
    half.regions.insert(OTHER.into(), silent);
    let rest = destroy::plan(&topology, &half, &Looks::new(), true);
    assert!(rest.is_whole());
    let end = carried_out(half, &topology, &rest, &findings());
    assert!(
        end.regions.values().all(|region| region.stacks.is_empty()),
        "{end:?}"
    );
}

#[test]
fn a_register_that_cannot_be_read_forbids_destruction_unless_forced() {
    let (topology, _) = two_regions();
    let mut standing = deployed_in_two();
    standing.register_unread = Some("no answer".to_owned());
    let looks = Looks::new();
    let problems = judge_destruction(&topology, &standing, &looks, false).unwrap_err();
    assert!(
        matches!(&problems[..], [problem @ Problem::RegisterSilent { .. }] if problem.is_unsafe()),
        "{problems:?}"
    );
    assert_eq!(judge_destruction(&topology, &standing, &looks, true), Ok(()));
    // Where nothing stands there is nothing to lose.
    let mut nothing = empty_world();
    nothing.register_unread = Some("no answer".to_owned());
    assert_eq!(judge_destruction(&topology, &nothing, &looks, false), Ok(()));
}

/// Nothing is deployed before the accelerator says whose it is; `destroy` lets go of it while it still knows which.
#[test]
fn the_accelerator_is_marked_before_the_first_function_and_let_go_of_with_it() {
    let findings = Findings {
        unmarked: true,
        ..findings()
    };
    let planned = |standing: &Standing| {
        let plan = plan(
            &topology(),
            standing,
            &findings,
            Some(&package()),
            &documents(&[REGION]),
            &no_clusters(),
        );
        words(&plan.unwrap())
    };
    let fresh = planned(&standing());
    let position = |words: &[String], wanted: &str| words.iter().position(|word| word == wanted).unwrap();
    let created = format!("create {REGION} fencing");
    assert!(position(&fresh, "lock") < position(&fresh, "mark"), "{fresh:?}");
    assert!(position(&fresh, "mark") < position(&fresh, &created), "{fresh:?}");
    // Where only the tag is gone, only the tag is written.
    assert_eq!(planned(&deployed()), ["lock", "mark", "unlock"]);

    let gone = words(&destroy::plan(&topology(), &deployed(), &Looks::new(), true));
    let deleted = format!("delete {REGION} fencing");
    assert!(position(&gone, "unmark") < position(&gone, &deleted), "{gone:?}");
}
