//! Random topologies and worlds: whatever stands, half stands or does not answer, a plan keeps its promises. And each
//! promise is broken here by hand, and must be missed by nobody.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::LazyLock;

use proptest::prelude::*;

use super::breaches;
use crate::observed::cluster::{ClusterLook, ClusterReading, ClusterStanding, Looks, Unreached};
use crate::observed::{OwnerMark, RegionStanding, Standing};
use crate::package::Package;
use crate::plan::clusters::tests::{applied, bare, documents_of};
use crate::plan::tests::{OTHER, new_code, two_regions};
use crate::plan::unreached::{Deferred, OutOfReach};
use crate::plan::{Plan, Step, destroy, plan};
use crate::preflight::ours::{Choices, Clusters};
use crate::render::Template;
use crate::render::{ObjectDocument, StackDocument};
use crate::sample::*;
use crate::topology::names::StackKind;
use crate::topology::{Region, Topology};

/// A Region that the topology has left.
const LEFT: &str = "eu-north-1";

/// What became of a stack.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Status(&'static str),
    BucketGone,
    Edited,
    Gone,
}

/// How a site's cluster stands.
#[derive(Debug, Clone, Copy)]
enum SiteWorld {
    Bare,
    Applied,
    Silent,
    LeftOut,
}

#[derive(Debug, Clone)]
struct World {
    in_two_regions: bool,
    /// So much of the first plan was carried out.
    carried_out: usize,
    damages: Vec<(bool, StackKind, Damage)>,
    has_left_a_region: bool,
    silent: Option<bool>,
    sites: [SiteWorld; 2],
    is_new_code: bool,
}

fn worlds() -> impl Strategy<Value = World> {
    let kind = prop_oneof![
        Just(StackKind::Artifacts),
        Just(StackKind::Register),
        Just(StackKind::Fencing)
    ];
    let damage = prop_oneof![
        Just(Damage::Status("ROLLBACK_COMPLETE")),
        Just(Damage::Status("DELETE_FAILED")),
        Just(Damage::Status("UPDATE_ROLLBACK_COMPLETE")),
        Just(Damage::Status("UPDATE_ROLLBACK_FAILED")),
        Just(Damage::Status("UPDATE_IN_PROGRESS")),
        Just(Damage::BucketGone),
        Just(Damage::Edited),
        Just(Damage::Gone),
    ];
    let site = prop_oneof![
        Just(SiteWorld::Bare),
        Just(SiteWorld::Applied),
        Just(SiteWorld::Silent),
        Just(SiteWorld::LeftOut)
    ];
    (
        any::<bool>(),
        0..12_usize,
        proptest::collection::vec((any::<bool>(), kind, damage), 0..3),
        any::<bool>(),
        proptest::option::weighted(0.3, any::<bool>()),
        [site.clone(), site],
        any::<bool>(),
    )
        .prop_map(
            |(in_two_regions, carried_out, damages, has_left_a_region, silent, sites, is_new_code)| World {
                in_two_regions,
                carried_out,
                damages,
                has_left_a_region,
                silent,
                sites,
                is_new_code,
            },
        )
}

fn silent(index: usize) -> Unreached {
    Unreached {
        site: site(["site-a", "site-b"][index]),
        context: "a".to_owned(),
        what: "no answer within 20 seconds".to_owned(),
    }
}

fn region(second: bool) -> &'static str {
    if second { OTHER } else { REGION }
}

impl World {
    fn topology(&self) -> (Topology, Vec<StackDocument>) {
        if self.in_two_regions {
            two_regions()
        } else {
            (topology(), documents(&[REGION]))
        }
    }

    fn package(&self) -> Package {
        if self.is_new_code { new_code() } else { package() }
    }

    fn empty(&self) -> Standing {
        let mut standing = standing();
        if self.in_two_regions {
            standing.regions.insert(OTHER.into(), RegionStanding::default());
        }
        standing
    }

    /// What stands after part of a plan and some accidents.
    fn standing(&self) -> Standing {
        let (topology, documents) = self.topology();
        let empty = self.empty();
        let mut part = planned(&topology, &documents, &empty, &package());
        part.steps.truncate(self.carried_out);
        let mut standing = carried_out(empty, &topology, &part, &findings());
        for (second, kind, damage) in &self.damages {
            let Some(reading) = standing.regions.get_mut(region(*second)) else {
                continue;
            };
            let Some(stack) = reading.stacks.get_mut(kind) else {
                continue;
            };
            match damage {
                Damage::Status(status) => stack.status = (*status).to_owned(),
                Damage::BucketGone => {
                    reading.bucket_is_gone = reading.stacks.contains_key(&StackKind::Artifacts);
                    reading.artifacts.clear();
                }
                Damage::Edited => stack.template.text.push_str("# by hand\n"),
                Damage::Gone => {
                    reading.stacks.remove(kind);
                    // A bucket is missed only where its stack stands.
                    reading.bucket_is_gone &= reading.stacks.contains_key(&StackKind::Artifacts);
                }
            }
        }
        if self.has_left_a_region {
            let left = RegionStanding {
                stacks: [
                    (
                        StackKind::Artifacts,
                        stack("CREATE_COMPLETE", &[("AWS::S3::Bucket", "bucket-left")]),
                    ),
                    (StackKind::Fencing, stack("CREATE_COMPLETE", &[])),
                ]
                .into(),
                ..RegionStanding::default()
            };
            standing.regions.insert(LEFT.into(), left);
        }
        if let Some(second) = self.silent {
            let region: Region = region(second).into();
            standing.regions.remove(&region);
            if region.as_str() == REGION {
                standing.register = None;
                standing.register_unread = Some("no answer".to_owned());
            }
            standing.unreached.insert(region, "no answer".to_owned());
        }
        standing
    }

    fn looks(&self, topology: &Topology) -> Looks<ClusterReading> {
        let looks = self.sites.iter().enumerate();
        let looks = looks.filter_map(|(index, world)| {
            let look = match world {
                SiteWorld::Bare => ClusterLook::Seen(Box::new(ground(topology).bare[index].clone())),
                SiteWorld::Applied => ClusterLook::Seen(Box::new(ground(topology).applied[index].clone())),
                SiteWorld::Silent => ClusterLook::Unreached(silent(index)),
                SiteWorld::LeftOut => return None,
            };
            Some((topology.sites[index].name.clone(), look))
        });
        looks.collect()
    }
}

/// What the clusters of a topology shall hold, and how they look before and after. Rendered once for all worlds.
struct Ground {
    objects: Vec<ObjectDocument>,
    bare: [ClusterReading; 2],
    applied: [ClusterReading; 2],
}

fn ground(topology: &Topology) -> &'static Ground {
    fn of(topology: &Topology) -> Ground {
        Ground {
            objects: documents_of(topology),
            bare: [0, 1].map(|site| bare(topology, site)),
            applied: [0, 1].map(|site| applied(topology, site)),
        }
    }
    static ONE: LazyLock<Ground> = LazyLock::new(|| of(&topology_from("")));
    static TWO: LazyLock<Ground> = LazyLock::new(|| of(&two_regions().0));
    if topology.regions.len() > 1 { &TWO } else { &ONE }
}

fn planned(topology: &Topology, documents: &[StackDocument], standing: &Standing, package: &Package) -> Plan {
    planned_with(
        topology,
        documents,
        standing,
        package,
        &Looks::new(),
        Choices::default(),
    )
}

fn planned_with(
    topology: &Topology,
    documents: &[StackDocument],
    standing: &Standing,
    package: &Package,
    looks: &Looks<ClusterReading>,
    choices: Choices,
) -> Plan {
    let mut findings = findings();
    findings.unreached = standing.unreached.clone();
    // An accelerator that no function's settings ever named says nothing yet.
    findings.unmarked = standing.marks().is_empty();
    let clusters = Clusters {
        choices,
        looks,
        documents: &ground(topology).objects,
        heard: &Default::default(),
    };
    plan(topology, standing, &findings, Some(package), documents, &clusters).unwrap()
}

/// What is under way has ended, and what was stuck is not any more.
fn settled(mut standing: Standing) -> Standing {
    let stacks = standing.regions.values_mut();
    for stack in stacks.flat_map(|region| region.stacks.values_mut()) {
        if ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"].contains(&stack.status.as_str()) {
            stack.status = "UPDATE_ROLLBACK_COMPLETE".to_owned();
        }
    }
    standing
}

/// What is made, as `Region kind`.
fn creations(plan: &Plan) -> Vec<String> {
    let creations = plan.steps.iter().filter_map(|step| match step {
        Step::CreateStack(goal) => Some(format!("{} {}", goal.region, goal.kind.word())),
        _ => None,
    });
    creations.collect()
}

fn standing_of(looks: &Looks<ClusterReading>) -> Looks<ClusterStanding> {
    let looks = looks.iter().map(|(site, look)| {
        let look = match look {
            ClusterLook::Seen(reading) => ClusterLook::Seen(Box::new(reading.standing.clone())),
            ClusterLook::Unreached(unreached) => ClusterLook::Unreached(unreached.clone()),
            ClusterLook::Unusable(problems) => ClusterLook::Unusable(problems.clone()),
        };
        (site.clone(), look)
    });
    looks.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_keeps_its_promises(world in worlds()) {
        let (topology, documents) = world.topology();
        let (standing, looks) = (world.standing(), world.looks(&topology));
        for aws in [true, false] {
            let choices = Choices { aws, ..Choices::default() };
            let plan = planned_with(&topology, &documents, &standing, &world.package(), &looks, choices);
            // The preflight refuses to work on clusters alone where a function is missing.
            let functions = topology.regions.iter().filter(|region| {
                standing.stack(region.as_str(), StackKind::Fencing).is_some()
            });
            if aws || functions.count() == topology.regions.len() {
                prop_assert_eq!(breaches(&topology, &standing, &plan), [], "{:?}", plan.steps);
            }
            let plan = destroy::plan(&topology, &standing, &standing_of(&looks), aws);
            prop_assert_eq!(breaches(&topology, &standing, &plan), [], "{:?}", plan.steps);
        }
    }

    #[test]
    fn a_plan_leads_to_where_nothing_is_left_to_do_and_back(world in worlds()) {
        let (topology, documents) = world.topology();
        let standing = settled(World { silent: None, ..world.clone() }.standing());
        let plan = planned(&topology, &documents, &standing, &world.package());
        let there = carried_out(standing, &topology, &plan, &findings());
        let again = planned(&topology, &documents, &there, &world.package());
        prop_assert_eq!(&again.steps, &[], "after {:?}", plan.steps);

        let removal = destroy::plan(&topology, &there, &Looks::new(), true);
        let nothing = carried_out(there, &topology, &removal, &findings());
        let anew = planned(&topology, &documents, &nothing, &world.package());
        let first = planned(&topology, &documents, &world.empty(), &world.package());
        prop_assert_eq!(creations(&anew), creations(&first));
    }
}

/// The world in which everything stands, and a plan with a bit of everything.
fn whole() -> (Topology, Standing, Plan) {
    let world = World {
        in_two_regions: true,
        carried_out: 0,
        damages: Vec::new(),
        has_left_a_region: true,
        silent: None,
        sites: [SiteWorld::Bare; 2],
        is_new_code: false,
    };
    let (topology, documents) = world.topology();
    let (standing, looks) = (world.standing(), world.looks(&topology));
    let choices = Choices::default();
    let plan = planned_with(&topology, &documents, &standing, &package(), &looks, choices);
    assert_eq!(breaches(&topology, &standing, &plan), []);
    (topology, standing, plan)
}

fn position(plan: &Plan, wanted: impl Fn(&Step) -> bool) -> usize {
    plan.steps.iter().position(wanted).unwrap()
}

fn makes(kind: StackKind) -> impl Fn(&Step) -> bool {
    move |step| matches!(step, Step::CreateStack(goal) if goal.kind == kind)
}

fn mark() -> OwnerMark {
    OwnerMark {
        accelerator_arn: "arn:aws:globalaccelerator::123456789012:accelerator/another".to_owned(),
        owner: "somebody else's".to_owned(),
    }
}

type Break = (&'static str, fn(&mut Plan));

/// By promise, something that a faulty planner might do.
const BREAKS: &[Break] = &[
    ("the lock encloses every change", |plan| {
        let at = position(plan, |step| matches!(step, Step::TakeLock { .. }));
        let lock = plan.steps.remove(at);
        plan.steps.insert(at + 2, lock);
    }),
    ("the lock encloses every change", |plan| {
        let at = position(plan, |step| matches!(step, Step::ReleaseLock));
        plan.steps.remove(at);
    }),
    ("the lock encloses every change", |plan| {
        plan.steps
            .retain(|step| !matches!(step, Step::TakeLock { .. } | Step::ReleaseLock));
    }),
    (
        "nothing touches a Region or a cluster that did not answer",
        |plan| {
            plan.unreached_regions = vec![crate::plan::unreached::UnreachedRegion {
                region: OTHER.into(),
                what: "no answer".to_owned(),
            }];
        },
    ),
    (
        "nothing touches a Region or a cluster that did not answer",
        |plan| {
            plan.unreached = vec![silent(0)];
        },
    ),
    (
        "buckets and register stand before functions, and go after them",
        |plan| {
            let at = position(plan, makes(StackKind::Register));
            let register = plan.steps.remove(at);
            let end = position(plan, |step| matches!(step, Step::ReleaseLock));
            plan.steps.insert(end, register);
        },
    ),
    (
        "an accelerator says whose it is before a function decides, and no mark but our own is taken away",
        |plan| {
            let at = position(plan, makes(StackKind::Fencing));
            plan.steps.insert(at + 1, Step::MarkAccelerator(mark()));
        },
    ),
    (
        "an accelerator says whose it is before a function decides, and no mark but our own is taken away",
        |plan| {
            let at = position(plan, makes(StackKind::Fencing));
            plan.steps.insert(at, Step::UnmarkAccelerator(mark()));
        },
    ),
    ("a function is made of a package that is there", |plan| {
        let at = position(plan, |step| matches!(step, Step::Upload { .. }));
        plan.steps.remove(at);
    }),
    ("a cluster gets a function's URL only when it is known", |plan| {
        let at = position(plan, makes(StackKind::Fencing));
        plan.steps.remove(at);
    }),
    ("nothing outside the topology's names is deleted", |plan| {
        for step in &mut plan.steps {
            if let Step::DeleteStack { stack, .. } = step {
                *stack = "somebody-else-s".to_owned();
            }
        }
    }),
    ("nothing outside the topology's names is deleted", |plan| {
        for step in &mut plan.steps {
            if let Step::EmptyBucket { bucket, .. } = step {
                *bucket = "backups".to_owned();
            }
        }
    }),
    ("no step writes to an endpoint group", |plan| {
        for step in &mut plan.steps {
            if let Step::CreateStack(goal) = step {
                let group = "  Group: { Type: 'AWS::GlobalAccelerator::EndpointGroup' }\n";
                goal.template = Template::read(format!("{}{group}", goal.template.text));
            }
        }
    }),
    (
        "a step's Region is one of the topology or one that it left",
        |plan| {
            for step in &mut plan.steps {
                if let Step::AwaitFunction { region, .. } = step {
                    *region = "sa-east-1".into();
                }
            }
        },
    ),
    ("no step is there twice", |plan| {
        let at = position(plan, makes(StackKind::Fencing));
        let step = plan.steps[at].clone();
        plan.steps.insert(at, step);
    }),
    ("what waits has no step", |plan| {
        plan.deferred = vec![Deferred {
            place: OutOfReach::Site(site("site-a")),
            what: "its Secret".to_owned(),
            why: "a test says so".to_owned(),
        }];
    }),
    ("no secret value is part of a plan", |plan| {
        for step in &mut plan.steps {
            if let Step::ApplyObject(goal) = step
                && let crate::plan::clusters::Content::Webhook { frame, .. } = &mut goal.content
            {
                frame["kind"] = "Secret".into();
                frame["stringData"] = serde_json::json!({ "password": "changeme" });
            }
        }
    }),
];

#[test]
fn each_promise_is_missed_when_it_is_broken() {
    for (promise, break_it) in BREAKS {
        let (topology, standing, mut plan) = whole();
        break_it(&mut plan);
        let found = breaches(&topology, &standing, &plan);
        assert!(
            found.iter().any(|breach| breach.promise == *promise),
            "{promise}: {found:?}"
        );
    }
    // None of them is forgotten here.
    for (promise, _) in super::PROMISES {
        assert!(BREAKS.iter().any(|(broken, _)| broken == promise), "{promise}");
    }
}
