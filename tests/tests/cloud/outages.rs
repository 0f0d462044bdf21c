//! A Region that does not answer: it is named, the rest is done, and the next run does what was left.
//!
//! The local AWS has all Regions in one process. What falls silent here is the way to them: the gate closes every
//! connection that is signed for a lost Region.

use std::collections::BTreeMap;

use serde_json::Value;
use tests::provision::Run;
use tests::standins::gate::Moment;

use crate::world::{APPLY, Cloud, OTHER_REGION, REGION, THIRD_REGION, aws_half, fake_function};

const PLAN: &[&str] = &["plan", "--function-zip", "given.zip"];
const DESTROY: &[&str] = &["destroy", "--yes"];

/// Runs `provision`, which asks once: how patient it is with a silent Region is not the question here.
fn run(cloud: &Cloud, arguments: &[&str]) -> Run {
    let provision = cloud.provision().env("AWS_MAX_ATTEMPTS", "1");
    provision.args(aws_half(arguments)).run().unwrap()
}

fn apply(cloud: &Cloud) -> Run {
    run(cloud, APPLY)
}

/// Everything of ours in all Regions.
fn everything(cloud: &Cloud) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for region in [REGION, OTHER_REGION, THIRD_REGION] {
        for (name, state) in cloud.inventory_of(region) {
            if name.contains("sitefence") {
                all.insert(format!("{region} {name}"), state);
            }
        }
    }
    all
}

fn new_code(cloud: &Cloud) {
    std::fs::write(cloud.function_zip(), fake_function("newer", 62)).unwrap();
}

/// The state of a Region's function, as the inventory tells it.
fn artifact_keys(cloud: &Cloud, region: &str) -> usize {
    let inventory = cloud.inventory_of(region);
    let bucket = inventory.iter().find(|(name, _)| name.starts_with("bucket "));
    bucket.map_or(0, |(_, keys)| keys.split_whitespace().count())
}

#[test]
fn either_region_may_be_silent_and_the_other_is_brought_up_to_date() {
    for silent in [OTHER_REGION, REGION] {
        let answering = if silent == REGION { OTHER_REGION } else { REGION };
        let cloud = Cloud::in_two_regions();
        let applied = apply(&cloud);
        assert_eq!(applied.code, Some(0), "{applied}");
        new_code(&cloud);
        cloud.counter.lose_region(silent);

        let plan = run(&cloud, PLAN);
        assert_eq!(plan.code, Some(1), "{plan}");
        assert!(
            plan.stdout
                .contains(&format!("{silent}\n  ? out of reach: what it needs is not known")),
            "{plan}"
        );
        assert!(
            plan.stderr
                .contains(&format!("error: {silent} is not in this plan: ")),
            "{plan}"
        );

        let applied = apply(&cloud);
        assert_eq!(applied.code, Some(1), "{applied}");
        assert!(applied.stderr.contains("done as far as possible"), "{applied}");
        assert!(
            applied.stderr.contains(&format!("error: {silent} was skipped: ")),
            "{applied}"
        );
        assert!(
            applied
                .stderr
                .contains("hint: run the same command again once it answers"),
            "{applied}"
        );
        assert!(
            applied.stdout.contains(answering) && !applied.stdout.contains(silent),
            "{applied}"
        );
        assert_eq!(
            (artifact_keys(&cloud, answering), artifact_keys(&cloud, silent)),
            (2, 1)
        );
        assert!(!everything(&cloud).values().any(|it| it.contains("apply.lock")));

        cloud.counter.find_region(silent);
        let applied = apply(&cloud);
        assert_eq!(applied.code, Some(0), "{applied}");
        assert_eq!(artifact_keys(&cloud, silent), 2);
        cloud.counter.reset();
        let again = apply(&cloud);
        assert!(
            again.code == Some(0) && again.stderr.contains("nothing to do"),
            "{again}"
        );
        assert_eq!(cloud.counter.changes(), [""; 0]);
        assert!(cloud.accelerator.writes().is_empty());
    }
}

#[test]
fn a_region_that_falls_silent_in_the_middle_is_left_and_the_rest_goes_on() {
    let cloud = Cloud::in_two_regions();
    let applied = apply(&cloud);
    assert_eq!(applied.code, Some(0), "{applied}");
    new_code(&cloud);
    // The other Region's upload is not answered any more.
    let lost = cloud.counter.clone();
    cloud.counter.stop_in(OTHER_REGION, 0, Moment::Before, move || {
        lost.lose_region(OTHER_REGION);
    });
    let applied = apply(&cloud);
    assert_eq!(applied.code, Some(1), "{applied}");
    assert!(
        applied
            .stderr
            .contains("eu-central-1 stopped answering (S3:PutObject in eu-central-1 got no usable answer)"),
        "{applied}"
    );
    assert!(
        applied.stderr.contains("error: eu-central-1 was skipped: "),
        "{applied}"
    );
    assert!(
        applied
            .stderr
            .contains("eu-west-1: changing sitefence-demo-fencing"),
        "{applied}"
    );
    assert_eq!(
        (artifact_keys(&cloud, REGION), artifact_keys(&cloud, OTHER_REGION)),
        (2, 1)
    );

    cloud.counter.find_region(OTHER_REGION);
    cloud.counter.reset();
    let applied = apply(&cloud);
    assert_eq!(applied.code, Some(0), "{applied}");
    assert_eq!(artifact_keys(&cloud, OTHER_REGION), 2);
}

/// The first apply of all needs to see both sites' balancers, and says so by naming the Region.
#[test]
fn a_first_apply_that_loses_a_site_s_region_is_finished_by_the_next() {
    let cloud = Cloud::in_two_regions();
    let lost = cloud.counter.clone();
    cloud.counter.stop_in(OTHER_REGION, 1, Moment::After, move || {
        lost.lose_region(OTHER_REGION);
    });
    let applied = apply(&cloud);
    assert_eq!(applied.code, Some(1), "{applied}");
    assert!(
        applied.stderr.contains("in eu-central-1 got no usable answer")
            && !applied.stderr.contains("nothing was changed"),
        "{applied}"
    );
    cloud.counter.find_region(OTHER_REGION);
    cloud.counter.reset();
    let applied = apply(&cloud);
    assert_eq!(applied.code, Some(0), "{applied}");
    assert!(everything(&cloud).contains_key("eu-central-1 function sitefence-demo-fencing"));
}

#[test]
fn a_first_apply_waits_with_what_rests_on_the_silent_region() {
    let cloud = Cloud::in_two_regions();
    cloud.counter.lose_region(THIRD_REGION);
    let applied = apply(&cloud);
    assert_eq!(applied.code, Some(1), "{applied}");
    assert!(
        applied.stderr.contains("error: eu-west-3 was skipped: "),
        "{applied}"
    );
    for region in [REGION, OTHER_REGION] {
        assert!(
            applied.stderr.contains(&format!(
                "error: sitefence-demo-fencing in {region} has to wait: the register in eu-west-3 comes first"
            )),
            "{applied}"
        );
    }
    let made = everything(&cloud);
    assert!(
        made.contains_key("eu-central-1 stack sitefence-demo-artifacts"),
        "{made:#?}"
    );
    assert!(
        !made.keys().any(|name| name.contains("function")),
        "no function without a register: {made:#?}"
    );

    cloud.counter.find_region(THIRD_REGION);
    let applied = apply(&cloud);
    assert_eq!(applied.code, Some(0), "{applied}");

    // Once a function stands the register does, too: its silence keeps no new code back, but what a decision
    // may rest on.
    new_code(&cloud);
    cloud.counter.lose_region(THIRD_REGION);
    let applied = apply(&cloud);
    assert_eq!(applied.code, Some(1), "{applied}");
    assert_eq!(
        (artifact_keys(&cloud, REGION), artifact_keys(&cloud, OTHER_REGION)),
        (2, 2)
    );
    cloud.write_topology_in("topology.yaml", &[REGION, OTHER_REGION], "# elsewhere");
    let text = std::fs::read_to_string(cloud.home.path().join("topology.yaml")).unwrap();
    let moved = text.replace("regions: [eu-west-3]", "regions: [eu-north-1]");
    std::fs::write(cloud.home.path().join("topology.yaml"), moved).unwrap();
    let refused = apply(&cloud);
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(
        refused
            .stderr
            .contains("cannot change while it is not known whether a decision is in force"),
        "{refused}"
    );
}

#[test]
fn destroy_takes_what_it_reaches_and_the_register_last_of_all() {
    let cloud = Cloud::in_two_regions();
    assert_eq!(apply(&cloud).code, Some(0));
    cloud.counter.lose_region(OTHER_REGION);

    let destroyed = run(&cloud, DESTROY);
    assert_eq!(destroyed.code, Some(1), "{destroyed}");
    assert!(
        destroyed
            .stderr
            .contains("error: eu-central-1 still has objects of this deployment: "),
        "{destroyed}"
    );
    assert!(
        destroyed.stderr.contains(
            "error: sitefence-demo-register in eu-west-3 has to wait: the function in eu-central-1 may still be \
             deployed"
        ),
        "{destroyed}"
    );
    let left = everything(&cloud);
    assert!(
        !left.contains_key("eu-west-1 function sitefence-demo-fencing"),
        "{left:#?}"
    );
    assert!(
        left.contains_key("eu-central-1 function sitefence-demo-fencing"),
        "{left:#?}"
    );
    assert!(
        left.contains_key("eu-west-3 table sitefence-demo-register"),
        "{left:#?}"
    );

    cloud.counter.find_region(OTHER_REGION);
    let destroyed = run(&cloud, DESTROY);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");
    assert_eq!(everything(&cloud), BTreeMap::new());
}

/// What was planned and not done is not told as done: nobody would look for it again.
#[test]
fn a_destroy_that_loses_a_region_half_way_tells_only_what_is_gone() {
    let cloud = Cloud::in_two_regions();
    assert_eq!(apply(&cloud).code, Some(0));
    // The lock, and the first function, whose Region is not heard of again.
    let lost = cloud.counter.clone();
    cloud
        .counter
        .stop_at(1, Moment::Before, move || lost.lose_region(OTHER_REGION));
    let destroyed = run(&cloud, DESTROY);
    assert_eq!(destroyed.code, Some(1), "{destroyed}");
    assert_eq!(
        destroyed.stdout,
        "removed eu-west-1 sitefence-demo-fencing\nremoved eu-west-1 sitefence-demo-artifacts\n",
        "{destroyed}"
    );
    let left = everything(&cloud);
    assert!(
        left.contains_key("eu-west-3 table sitefence-demo-register"),
        "{left:#?}"
    );
}

#[test]
fn destroy_asks_the_register_first_and_takes_no_silence_for_an_answer() {
    let cloud = Cloud::in_two_regions();
    assert_eq!(apply(&cloud).code, Some(0));
    let before = everything(&cloud);
    cloud.counter.lose_region(THIRD_REGION);
    let refused = run(&cloud, DESTROY);
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(
        refused
            .stderr
            .contains("it is not known whether a site is fenced"),
        "{refused}"
    );
    assert_eq!(everything(&cloud), before);

    let forced = run(&cloud, &["destroy", "--yes", "--force"]);
    assert_eq!(forced.code, Some(1), "{forced}");
    let left: Vec<String> = everything(&cloud).into_keys().collect();
    assert_eq!(
        left,
        [
            "eu-west-3 stack sitefence-demo-register",
            "eu-west-3 table sitefence-demo-register"
        ]
    );
    cloud.counter.find_region(THIRD_REGION);
    assert_eq!(run(&cloud, DESTROY).code, Some(0));
    assert_eq!(everything(&cloud), BTreeMap::new());
}

#[test]
fn the_json_of_a_plan_names_the_silent_region() {
    let cloud = Cloud::in_two_regions();
    assert_eq!(apply(&cloud).code, Some(0));
    cloud.counter.lose_region(OTHER_REGION);
    let plan = run(
        &cloud,
        &[
            "plan",
            "--function-zip",
            "given.zip",
            "--output",
            "json",
            "--detailed-exitcode",
        ],
    );
    assert_eq!(
        plan.code,
        Some(1),
        "no answer to whether anything would change: {plan}"
    );
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(plan["unreachedRegions"][0]["region"], OTHER_REGION, "{plan:#}");
    assert_eq!(plan["unchanged"].as_array().map(Vec::len), Some(3), "{plan:#}");
}
