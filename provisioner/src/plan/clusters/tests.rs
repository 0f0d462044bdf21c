//! Clusters in, steps and problems out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod refusals;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::heard;
use crate::observed::cluster::*;
use crate::observed::infinispan::InfinispanReading;
use crate::observed::objects::ObjectAction;
use crate::plan::{Plan, Step, Unchanged, destroy, plan};
use crate::preflight::ours::{Choices, Clusters, OURS};
use crate::preflight::problem::Problem;
use crate::preflight::warning::Warning;
use crate::preflight::{infinispan_urls, judge_clusters, judge_destruction};
use crate::render::user_workload::{self, ConfigMapChange};
use crate::render::{self, DocumentKind, ObjectDocument, ObjectKind};
use crate::sample::*;
use crate::topology::names::StackKind;
use crate::topology::{SiteName, Topology};

pub(crate) fn documents_of(topology: &Topology) -> Vec<ObjectDocument> {
    let documents = render::render(topology).unwrap().into_iter();
    documents
        .filter_map(|document| match document.kind {
            DocumentKind::Object { site, kind } if OURS.contains(&kind) => Some(ObjectDocument {
                site,
                kind,
                value: document.value,
            }),
            _ => None,
        })
        .collect()
}

/// An object as a server keeps it that `provision` applied.
fn kept(document: &Value) -> Value {
    let mut object = document.clone();
    object.as_object_mut().unwrap().remove("stringData");
    object["metadata"]["uid"] = json!(format!("uid-{}", document["kind"].as_str().unwrap()));
    let fields = json!({ "f:spec": {}, "f:data": { "f:url": {}, "f:username": {}, "f:password": {} } });
    object["metadata"]["managedFields"] =
        json!([{ "manager": "provision", "operation": "Apply", "fieldsV1": fields }]);
    object
}

fn config_map(text: &str) -> Value {
    json!({ "metadata": { "uid": "uid-config" }, "data": { "config.yaml": text } })
}

/// A cluster of OpenShift in which nothing of ours stands, as it should be.
pub(crate) fn bare(topology: &Topology, site: usize) -> ClusterReading {
    let site = &topology.sites[site];
    let versions = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
    ClusterReading {
        others_rules: Some(0),
        others_configs: Some(0),
        groups: [
            (OPENSHIFT.to_owned(), versions(&["v1"])),
            (MONITORING.to_owned(), versions(&["v1", "v1beta1"])),
        ]
        .into(),
        kinds: [
            ("Infinispan", versions(&["v1"])),
            ("AlertmanagerConfig", versions(&["v1beta1", "v1alpha1"])),
            ("PrometheusRule", versions(&["v1"])),
            ("PodMonitor", versions(&["v1"])),
        ]
        .into(),
        infinispan: Some(InfinispanReading {
            site: Some(site.name.to_string()),
            replicas: Some(3),
            relay_nodes: Some(2),
            locations: vec![topology.peer_of(site).name.to_string()],
            upgrade: Some("HotRodRolling".to_owned()),
            has_encryption: true,
            is_monitored: true,
            ..InfinispanReading::default()
        }),
        cluster_monitoring: Some(config_map("enableUserWorkload: true\n")),
        rollout: Some(Rollout::Absent),
        dry_runs: documents_of(topology)
            .into_iter()
            .filter(|document| document.site == site.name)
            .map(|document| {
                let after = kept(&document.value);
                let accepted = DryRun::Accepted {
                    after,
                    conflicts: Vec::new(),
                };
                (document.kind, accepted)
            })
            .collect(),
        ..ClusterReading::default()
    }
}

/// The same with everything applied.
pub(crate) fn applied(topology: &Topology, site: usize) -> ClusterReading {
    let mut reading = bare(topology, site);
    for (kind, dry_run) in &reading.dry_runs {
        if let DryRun::Accepted { after, .. } = dry_run {
            reading.standing.objects.insert(*kind, after.clone());
        }
    }
    match user_workload::merge(None, topology.name.as_str()).unwrap() {
        ConfigMapChange::Create(object) => reading.standing.user_workload = Some(object),
        other => panic!("{other:?}"),
    }
    reading.rollout = Some(Rollout::Done);
    reading.secret = ["url", "username", "password"]
        .map(|key| (key.to_owned(), Comparison::Same))
        .into();
    reading
}

fn both(make: impl Fn(usize) -> ClusterReading) -> Looks<ClusterReading> {
    [("site-a", 0), ("site-b", 1)]
        .map(|(name, index)| (site(name), ClusterLook::Seen(Box::new(make(index)))))
        .into()
}

fn change(looks: &mut Looks<ClusterReading>, name: &str, change: impl FnOnce(&mut ClusterReading)) {
    match looks.get_mut(&site(name)).unwrap() {
        ClusterLook::Seen(reading) => change(reading),
        other => panic!("{other:?}"),
    }
}

fn unreached_look<T>() -> ClusterLook<T> {
    ClusterLook::Unreached(Unreached {
        site: site("site-b"),
        context: "b".to_owned(),
        what: "no answer within 20 seconds".to_owned(),
    })
}

struct Case {
    topology: Topology,
    looks: Looks<ClusterReading>,
    choices: Choices,
    heard: BTreeSet<SiteName>,
}

impl Case {
    fn new(topology: Topology, make: impl Fn(&Topology, usize) -> ClusterReading) -> Self {
        Self {
            looks: both(|index| make(&topology, index)),
            topology,
            choices: Choices::default(),
            heard: [site("site-a"), site("site-b")].into(),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&Clusters<'_>) -> T) -> T {
        act(&Clusters {
            choices: self.choices,
            looks: &self.looks,
            documents: &documents_of(&self.topology),
            heard: &self.heard,
        })
    }

    fn plan(&self) -> Plan {
        let deployed = carried_out(
            standing(),
            &self.topology,
            &plan(
                &self.topology,
                &standing(),
                &findings(),
                Some(&package()),
                &documents(&[REGION]),
                &no_clusters(),
            )
            .unwrap(),
            &findings(),
        );
        self.with(|clusters| {
            plan(
                &self.topology,
                &deployed,
                &findings(),
                Some(&package()),
                &documents(&[REGION]),
                clusters,
            )
            .unwrap()
        })
    }

    fn problems(&self) -> Vec<String> {
        match self.with(|clusters| judge_clusters(&self.topology, &standing(), clusters)) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }
}

fn words(plan: &Plan) -> Vec<String> {
    let words = plan.steps.iter().map(|step| match step {
        Step::ApplyObject(goal) => format!(
            "{} {} {:?}",
            goal.object.site,
            goal.object.kind.word(),
            goal.change.action
        ),
        Step::DeleteObject { object, .. } => format!("{} {} delete", object.site, object.kind.word()),
        Step::MergeUserWorkloadConfig { object, .. } => format!("{} merge", object.site),
        Step::UndoUserWorkloadConfig { object } => format!("{} undo", object.site),
        Step::AwaitRollout { site, .. } => format!("{site} rollout"),
        Step::AwaitWatchdogs { sites, .. } => format!("watchdogs of {}", sites.len()),
        Step::TakeLock { .. } => "lock".to_owned(),
        Step::ReleaseLock => "unlock".to_owned(),
        other => format!("{other:?}"),
    });
    words.collect()
}

#[test]
fn bare_clusters_get_everything_credentials_before_those_who_use_them() {
    let plan = Case::new(topology(), bare).plan();
    assert_eq!(
        words(&plan),
        [
            "lock",
            "site-a merge",
            "site-a Secret Create",
            "site-a AlertmanagerConfig Create",
            "site-a PodMonitor Create",
            "site-a PrometheusRule Create",
            "site-a rollout",
            "site-b merge",
            "site-b Secret Create",
            "site-b AlertmanagerConfig Create",
            "site-b PodMonitor Create",
            "site-b PrometheusRule Create",
            "site-b rollout",
            "unlock",
            "watchdogs of 2",
        ]
    );
}

#[test]
fn planning_after_applying_yields_nothing() {
    let plan = Case::new(topology(), applied).plan();
    assert_eq!(words(&plan), [""; 0]);
    let objects = plan.unchanged.iter();
    assert_eq!(
        objects.filter(|it| matches!(it, Unchanged::Object(_))).count(),
        10
    );
}

#[test]
fn a_watchdog_is_heard_while_its_stamp_is_younger_than_the_alarm_allows() {
    let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    for (stamp, is_heard) in [
        ("2026-11-21T09:59:30.123Z", true),
        ("2026-11-21T09:57:00Z", true),
        ("2026-11-21T09:56:58Z", false),
        ("2025-11-21T10:00:00Z", false),
        // The function's clock is ahead of ours.
        ("2026-11-21T10:02:00Z", true),
    ] {
        let stamps = [(site("site-a"), stamp.parse().unwrap())].into();
        assert_eq!(heard(&stamps, now).contains(&site("site-a")), is_heard, "{stamp}");
    }
}

#[test]
fn apply_waits_for_a_watchdog_that_did_not_come_lately_unless_nobody_wants_to() {
    let mut case = Case::new(topology(), applied);
    case.heard.remove(&site("site-b"));
    let plan = case.plan();
    let [Step::AwaitWatchdogs { sites, silent }] = &plan.steps[..] else {
        panic!("{:?}", plan.steps);
    };
    assert_eq!((sites.len(), &silent[..]), (2, &[site("site-b")][..]));
    assert!(!plan.has_changes());
    case.choices.waits = false;
    assert_eq!(words(&case.plan()), [""; 0]);
}

#[test]
fn a_site_out_of_reach_leaves_the_other_one_its_steps() {
    let mut case = Case::new(topology(), bare);
    case.looks.insert(site("site-b"), unreached_look());
    assert_eq!(case.problems(), [""; 0]);
    let plan = case.plan();
    let words = words(&plan);
    assert!(words.iter().all(|word| !word.contains("site-b")), "{words:?}");
    assert!(words.contains(&"site-a Secret Create".to_owned()));
    assert!(words.contains(&"watchdogs of 1".to_owned()));
    assert_eq!(plan.unreached.len(), 1);
}

#[test]
fn a_secret_is_written_for_each_reason_and_never_shown() {
    type Reason = fn(&mut ClusterReading);
    type Expected = Option<(ObjectAction, &'static [&'static str])>;
    let cases: [(Reason, Expected); 6] = [
        (|_| {}, None),
        (
            |it| {
                it.secret.insert("password".into(), Comparison::Differs);
            },
            Some((ObjectAction::Change, &["data.password"])),
        ),
        (
            |it| it.secret.clear(),
            Some((
                ObjectAction::Change,
                &["data.password", "data.url", "data.username"],
            )),
        ),
        (
            |it| drop(it.standing.objects.remove(&ObjectKind::Secret)),
            Some((ObjectAction::Create, &[])),
        ),
        (
            |it| {
                let secret = it.standing.objects.get_mut(&ObjectKind::Secret).unwrap();
                secret["metadata"]["managedFields"] = json!([]);
            },
            Some((ObjectAction::Adopt, &[])),
        ),
        (
            |it| {
                let secret = it.standing.objects.get_mut(&ObjectKind::Secret).unwrap();
                secret["metadata"]["managedFields"][0]["fieldsV1"]["f:data"]["f:url-eu-central-1"] =
                    json!({});
            },
            Some((ObjectAction::Change, &["data.url-eu-central-1"])),
        ),
    ];
    for (index, (reason, expected)) in cases.into_iter().enumerate() {
        let mut case = Case::new(topology(), applied);
        change(&mut case.looks, "site-a", reason);
        let plan = case.plan();
        let goal = plan.steps.iter().find_map(|step| match step {
            Step::ApplyObject(goal) => Some(goal),
            _ => None,
        });
        let found = goal.map(|goal| {
            let values = goal
                .change
                .properties
                .iter()
                .flat_map(|it| it.before.iter().chain(&it.after));
            assert!(values.into_iter().all(|it| it == "[redacted]"), "{index}");
            let paths: Vec<&str> = goal.change.properties.iter().map(|it| it.path.as_str()).collect();
            (goal.change.action, paths)
        });
        assert_eq!(
            found,
            expected.map(|(action, paths)| (action, paths.to_vec())),
            "{index}"
        );
    }
}

#[test]
fn a_secret_that_others_deliver_is_left_to_them() {
    let topology = topology_from("secretDelivery: manual");
    let case = Case::new(topology.clone(), bare);
    assert!(words(&case.plan()).iter().all(|word| !word.contains("Secret")));
    let warnings = case.with(|clusters| judge_clusters(&topology, &standing(), clusters).unwrap());
    assert!(
        matches!(&warnings[..], [Warning::NoSecretYet { .. }, _]),
        "{warnings:?}"
    );
    let delivered = Case::new(topology.clone(), applied);
    let warnings = delivered.with(|clusters| judge_clusters(&topology, &standing(), clusters).unwrap());
    assert_eq!(warnings, []);
}

#[test]
fn what_the_topology_no_longer_wants_goes() {
    let mut case = Case::new(topology(), applied);
    case.topology = topology_from("monitoring: { podMonitor: false }");
    assert_eq!(
        words(&case.plan())[..3],
        ["lock", "site-a PodMonitor delete", "site-b PodMonitor delete"]
    );
}

#[test]
fn infinispan_is_found_in_the_topology_in_the_cluster_or_in_what_is_deployed() {
    let named = topology();
    let mut unnamed = topology();
    unnamed.sites[0].infinispan.endpoint = None;
    let urls = |topology: &Topology, looks: &Looks<ClusterReading>, standing| {
        infinispan_urls(topology, looks, &standing).remove(&site("site-a"))
    };
    let mut looks = both(|index| bare(&unnamed, index));
    change(&mut looks, "site-a", |it| {
        it.infinispan_endpoint = Some("lb.example.com:11222".to_owned());
    });
    let mut deployed = standing();
    deployed.regions.get_mut(REGION).unwrap().function = Some(function(&topology(), &findings()));
    assert_eq!(
        urls(&named, &looks, standing()).as_deref(),
        Some("https://a.example.com")
    );
    assert_eq!(
        urls(&unnamed, &looks, standing()).as_deref(),
        Some("https://lb.example.com:11222")
    );
    let none = Looks::new();
    assert_eq!(urls(&unnamed, &none, standing()), None);
    assert_eq!(
        urls(&unnamed, &none, deployed).as_deref(),
        Some("https://a.example.com")
    );
}

#[test]
fn everything_of_ours_goes_and_what_is_out_of_reach_is_reported() {
    let topology = topology();
    let mut looks: Looks<ClusterStanding> = BTreeMap::new();
    let mut seen = applied(&topology, 0).standing;
    let foreign = json!({ "metadata": { "name": "sitefence-prod", "labels": {} } });
    seen.objects.insert(ObjectKind::PodMonitor, foreign);
    looks.insert(site("site-a"), ClusterLook::Seen(Box::new(seen)));
    looks.insert(site("site-b"), unreached_look());
    assert_eq!(judge_destruction(&topology, &standing(), &looks, false), Ok(()));
    let plan = destroy::plan(&topology, &standing(), &looks, true);
    assert_eq!(
        words(&plan),
        [
            "site-a PrometheusRule delete",
            "site-a AlertmanagerConfig delete",
            "site-a Secret delete",
            "site-a undo",
        ]
    );
    assert_eq!(plan.unreached.len(), 1);
    looks.insert(site("site-a"), ClusterLook::Seen(Box::default()));
    assert_eq!(
        words(&destroy::plan(&topology, &standing(), &looks, true)),
        [""; 0]
    );
}
