//! Worlds in, steps out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod destruction;
mod silence;
mod stacks;
mod turns;

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
    plan.steps.iter().map(word).collect()
}

/// A step as a few words.
pub(super) fn word(step: &Step) -> String {
    match step {
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
    }
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

/// Functions in two Regions; the second one's stack learns from the first one's where the secret is.
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
fn code_that_is_not_ours_is_uploaded_again_and_put_back() {
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
