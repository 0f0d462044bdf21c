//! The register is out of reach, and the sites have lost each other: a fence by force, stopped after each step, and
//! written down once the register answers again, stopped after each step.

use std::io::{BufRead, BufReader};

use tests::demo::{ACCELERATOR, EXAMPLE};
use tests::standins::accelerator::Endpoint;
use tests::standins::infinispan::BackupStatus::{Offline, Online};

use super::scene::{KEPT, STALE, Scene};

/// More attempts than either command has steps to tell of.
const ATTEMPTS: usize = 20;
const FENCE: [&str; 7] = [
    "fence",
    STALE,
    EXAMPLE,
    "--reason",
    "no register",
    "--force",
    "--yes",
];
const RECONCILE: [&str; 3] = ["reconcile", EXAMPLE, "--yes"];

/// Never nobody in the accelerator, never both cut.
fn is_safe(scene: &Scene, when: &[String]) {
    assert!(scene.endpoints().contains(&KEPT), "{when:?}");
    assert_eq!(scene.replication()[1], Some(Online), "{when:?}");
    if scene.replication()[0] == Some(Offline) {
        assert_eq!(scene.endpoints(), [KEPT], "the cut comes last: {when:?}");
    }
}

#[test]
fn a_site_is_fenced_without_its_register_whatever_interrupts_the_operator() {
    let scene = Scene::deployed();
    scene.watched();
    let nothing = scene.run(&RECONCILE);
    assert_eq!(nothing.code, Some(0), "{nothing}");
    assert!(nothing.stdout.contains("no forced fence waits"), "{nothing}");
    scene.stage.infinispan.cut_link();

    // Only what is asked for by name is done, and nothing without consent.
    let dry = scene.without_register(&[&FENCE[..6], &["--dry-run"]].concat());
    assert_eq!(dry.run().unwrap().code, Some(0));
    let refused = scene.without_register(&FENCE[..6]).run().unwrap();
    assert_eq!(refused.code, Some(2), "{refused}");
    assert_eq!(scene.endpoints(), [KEPT, STALE]);

    let mut known = Vec::new();
    for attempt in 0.. {
        let (code, said) = scene.run_on_without_register(&FENCE, &mut known);
        assert!(attempt < ATTEMPTS, "{known:?}: {said:#?}");
        assert!(code.is_none() || code == Some(0), "{known:?}: {said:#?}");
        is_safe(&scene, &known);
        if code == Some(0) {
            break;
        }
    }
    assert!(known.len() >= 2, "{known:?}");
    assert_eq!(scene.endpoints(), [KEPT]);
    assert_eq!(scene.replication(), [Some(Offline), Some(Online)]);

    // Whoever looks is told, whether the register answers or not, and told what comes next.
    let (code, status) = scene.status();
    assert_eq!(code, 6, "{status}");
    assert_eq!(status["register"]["state"], "open", "{status}");
    assert_eq!(status["next"], "provision reconcile local.yaml", "{status}");
    let blind = scene
        .without_register(&["status", EXAMPLE, "--within", "20s"])
        .run()
        .unwrap();
    assert_eq!(blind.code, Some(6), "{blind}");
    assert!(blind.stdout.contains("site-b was fenced by force"), "{blind}");
    // The other site was to be fenced by nobody.
    let other = scene.run(&["fence", KEPT, EXAMPLE, "--reason", "mistake", "--force", "--yes"]);
    assert_eq!(other.code, Some(3), "{other}");

    // Nothing is given back while the register cannot be written.
    let blind = scene.without_register(&RECONCILE).run().unwrap();
    assert_eq!(blind.code, Some(1), "{blind}");
    let mut known = Vec::new();
    for attempt in 0.. {
        let (code, said) = scene.run_on(&RECONCILE, &mut known);
        assert!(attempt < ATTEMPTS, "{known:?}: {said:#?}");
        assert!(code.is_none() || code == Some(0), "{known:?}: {said:#?}");
        is_safe(&scene, &known);
        if code == Some(0) {
            break;
        }
    }
    let (code, status) = scene.status();
    assert_eq!(code, 6, "{status}");
    assert_eq!(
        (&status["register"]["state"], &status["register"]["epoch"]),
        (&"complete".into(), &1.into()),
        "{status}"
    );
    assert_eq!(status["next"], "provision rejoin site-b local.yaml --when-healed");
    assert_eq!(scene.endpoints(), [KEPT]);
    // Functions run again, and find all in order.
    scene.minute();
    let (status, body) = scene.report(0);
    assert_eq!(status, 200, "{body}");
}

/// The register answers, and only the function would not: the same protocol, on it, from here.
#[test]
fn where_the_register_answers_nothing_has_to_be_stopped_or_recorded() {
    let scene = Scene::deployed();
    scene.watched();
    let run = scene.run(&FENCE);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(scene.endpoints(), [KEPT]);
    assert_eq!(scene.replication(), [Some(Offline), Some(Online)]);
    let (code, status) = scene.status();
    assert_eq!(
        (code, &status["register"]["state"]),
        (6, &"complete".into()),
        "{status}"
    );
    // The other way round it is refused before anything is touched.
    let other = scene.run(&["fence", KEPT, EXAMPLE, "--reason", "mistake", "--force", "--yes"]);
    assert_eq!(other.code, Some(3), "{other}");
    assert!(other.stderr.contains("its survivor is site-a"), "{other}");
    assert_eq!(scene.endpoints(), [KEPT]);
}

/// The accelerator's API is down as well: the survivor's users come first.
#[test]
fn replication_is_cut_first_and_the_rest_follows() {
    let scene = Scene::deployed();
    scene.watched();
    scene.stage.infinispan.cut_link();
    let cut = [&FENCE[..], &["--cut-first"]].concat();
    let run = scene.without_register(&cut).run().unwrap();
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stdout.contains("both are still in the accelerator"), "{run}");
    assert_eq!(scene.endpoints(), [KEPT, STALE]);
    assert_eq!(scene.replication(), [Some(Offline), Some(Online)]);
    let run = scene.run(&RECONCILE);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(scene.endpoints(), [KEPT]);
    assert_eq!(scene.replication(), [Some(Offline), Some(Online)]);
    assert_eq!(scene.status().1["register"]["state"], "complete");
}

/// Another operator ends it while the first one waits.
#[test]
fn nothing_is_forced_beside_functions_that_somebody_lets_run() {
    let scene = Scene::deployed();
    scene.watched();
    scene.stage.infinispan.cut_link();
    let mut child = scene.without_register(&FENCE).spawn().unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains("waiting") {
            let ben = scene.run(&RECONCILE);
            assert_eq!(ben.code, Some(0), "{ben}");
            assert!(ben.stdout.contains("nothing was done to site-b"), "{ben}");
        }
        said.push(line);
    }
    assert_eq!(child.wait().unwrap().code(), Some(3), "{said:#?}");
    let said = said.join("\n");
    assert!(said.contains("run again, so this command has stopped"), "{said}");
    assert_eq!(scene.endpoints(), [KEPT, STALE]);
    assert_eq!(scene.replication(), [Some(Online), Some(Online)]);
    let nothing = scene.run(&RECONCILE);
    assert!(nothing.stdout.contains("no forced fence waits"), "{nothing}");
}

/// Functions run again after a refusal only where nothing was begun before.
#[test]
fn what_is_refused_is_not_begun_and_what_was_begun_is_not_let_go() {
    let scene = Scene::deployed();
    scene.watched();
    scene.stage.infinispan.cut_link();
    let refused = |waits: bool| {
        let run = scene.without_register(&FENCE).run().unwrap();
        assert_eq!(run.code, Some(3), "{run}");
        assert_eq!(run.stderr.contains("the functions stay stopped"), waits, "{run}");
        let next = scene.status().1["next"].clone();
        assert_eq!(next == "provision reconcile local.yaml", waits, "{next}");
    };
    let set_stale = |status| scene.stage.infinispan.world().set_replication(STALE, status);
    // The other site may have been made the survivor.
    set_stale(Offline);
    refused(false);
    set_stale(Online);
    // The protocol refuses: the survivor is not in the accelerator.
    let survivor = &scene.stage.balancers[0];
    scene.stage.accelerator.world().remove_by_hand(survivor);
    refused(false);
    assert_eq!(scene.endpoints(), [STALE]);
    assert_eq!(scene.replication(), [Some(Online), Some(Online)]);
    let endpoint = Endpoint::healthy(survivor);
    let region = scene.stage.region().to_string();
    scene
        .stage
        .accelerator
        .world()
        .add_by_hand(ACCELERATOR, &region, &endpoint);

    let run = scene.without_register(&FENCE).run().unwrap();
    assert_eq!(run.code, Some(0), "{run}");
    set_stale(Offline);
    refused(true);
    assert_eq!(scene.endpoints(), [KEPT]);
}

/// Somebody else's hold is not taken off beside it.
#[test]
fn a_hold_from_before_is_asked_about() {
    let scene = Scene::deployed();
    scene.watched();
    let hold = scene.run(&["hold", EXAMPLE, "--reason", "router work"]);
    assert_eq!(hold.code, Some(0), "{hold}");
    scene.stage.infinispan.cut_link();
    let run = scene.without_register(&FENCE).run().unwrap();
    assert_eq!(run.code, Some(0), "{run}");
    let asked = scene.run(&RECONCILE[..2]);
    assert_eq!(asked.code, Some(2), "{asked}");
    let refused = scene.run(&RECONCILE);
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(refused.stderr.contains("router work"), "{refused}");
    assert!(refused.stderr.contains("--lift-hold"), "{refused}");
    let run = scene.run(&[&RECONCILE[..], &["--lift-hold"]].concat());
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(scene.status().1["register"]["state"], "complete");
}
