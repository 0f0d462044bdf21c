//! Healthy → split → fenced → healed → brought back → healthy, stopped after each step.

use std::io::{BufRead as _, BufReader};

use tests::demo::EXAMPLE;
use tests::skip;
use tests::standins::infinispan::BackupStatus::{Offline, Online};

use super::scene::{KEPT, STALE, Scene};

/// More attempts than a rejoin has steps to tell of.
const ATTEMPTS: usize = 30;
const REJOIN: [&str; 4] = ["rejoin", STALE, EXAMPLE, "--yes"];

#[test]
fn a_site_is_lost_and_comes_back_whatever_interrupts_the_operator() {
    let scene = Scene::deployed();
    let (code, status) = scene.status();
    assert_eq!((code, &status["condition"]), (5, &"degraded".into()), "{status}");

    scene.watched();
    let (code, status) = scene.status();
    assert_eq!(code, 0, "{status}");
    assert_eq!(
        status["sentence"],
        "demo: both sites serve, and a lost one would be fenced; nothing was ever decided"
    );
    for site in [0, 1] {
        let site = &status["sites"][site];
        assert_eq!(site["keycloak"]["ready"], 2, "{site}");
        assert_eq!(site["endpoints"][0]["health"], "HEALTHY", "{site}");
        assert_eq!(site["sees"], "sees", "{site}");
    }
    let run = scene.run(&REJOIN);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stderr.contains("there is nothing to bring back"), "{run}");

    held_and_released(&scene);
    rehearsed(&scene);
    watched_in_a_loop(&scene);

    // Something that only one of them has afterwards.
    scene
        .stage
        .infinispan
        .world()
        .put(STALE, "sessions", "before", "ana")
        .unwrap();
    scene.stage.infinispan.cut_link();
    let (status, body) = scene.report(0);
    assert_eq!(status, 200, "{body}");
    scene
        .stage
        .infinispan
        .world()
        .put(KEPT, "sessions", "during", "ben")
        .unwrap();
    scene.minute();

    let run = scene.run(&["status", EXAMPLE, "--within", "20s"]);
    assert_eq!(run.code, Some(6), "{run}");
    let mut lines = run.stdout.lines();
    let sentence = lines.next().unwrap();
    assert!(
        sentence.starts_with("demo: site-b has been fenced since "),
        "{run}"
    );
    assert!(sentence.ends_with(", epoch 1: site-a serves alone"), "{run}");
    assert_eq!(
        lines.next(),
        Some("next: provision rejoin site-b local.yaml --when-healed")
    );

    every_verb_says_so_first(&scene);

    // The link is still down, so nothing is begun; what comes back is named rightly or not at all.
    let run = scene.run(&REJOIN);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(
        run.stderr
            .contains("site-a does not see site-b: repair the link first"),
        "{run}"
    );
    let run = scene.run(&["rejoin", KEPT, EXAMPLE, "--yes"]);
    assert_eq!(run.code, Some(3), "{run}");
    assert_eq!(scene.keycloak(), (2, 2), "nobody touched it");

    scene.stage.infinispan.heal_link();
    let run = scene.run(&["rejoin", STALE, EXAMPLE, "--dry-run"]);
    assert_eq!(run.code, Some(0), "{run}");
    // What it would cost, counted at both: site-b has missed one entry, and nothing is there alone.
    let counted = "entries of                site-b    site-a  only site-b\n";
    assert!(run.stderr.contains(counted), "{run}");
    let sessions = "sessions                       1         2            0\n";
    assert!(run.stderr.contains(sessions), "{run}");
    assert_eq!(scene.keycloak(), (2, 2), "nobody touched it");
    // Nobody agreed, and there is nobody to ask.
    let run = scene.run(&["rejoin", STALE, EXAMPLE]);
    assert_eq!(run.code, Some(2), "{run}");

    believed_only_where_it_is_so(&scene);

    // Each attempt takes over, gets one step further than all before it, and is killed.
    let mut known = Vec::new();
    let mut seen_stopped = false;
    // Its pods become ready, and say that they cannot serve yet.
    scene.stage.clusters[1].world().lb_check = 503;
    let (mut seen_unserved, mut seen_served) = (false, false);
    for attempt in 0.. {
        let (code, said) = scene.run_until(&REJOIN, |line| {
            let is_unserved = line.contains("does not serve yet: /lb-check of keycloak-");
            seen_unserved |= is_unserved;
            is_unserved || Scene::is_new_step(line, &mut known)
        });
        seen_served |= said
            .iter()
            .any(|line| line.contains("answers /lb-check with 200"));
        assert!(attempt < ATTEMPTS, "{known:?}: {said:#?}");
        assert!(code.is_none() || code == Some(0), "{known:?}: {said:#?}");
        let (code, status) = scene.status();
        if status["register"]["state"] == "open" {
            break;
        }
        assert_eq!(code, 6, "{status}");
        assert_eq!(status["next"], "provision rejoin site-b local.yaml", "{status}");
        let sentence = status["sentence"].as_str().unwrap();
        assert!(
            sentence.starts_with(
                "demo: site-b is being brought back, epoch 1: site-a serves alone until that is done"
            ) || sentence.ends_with(", epoch 1: site-a serves alone"),
            "{sentence}"
        );
        if !seen_served {
            assert_eq!(scene.endpoints(), [KEPT], "{known:?}");
        }
        if seen_unserved {
            scene.stage.clusters[1].world().lb_check = 200;
        }
        let (wanted, pods) = scene.keycloak();
        seen_stopped |= (wanted, pods) == (0, 0);
        if scene.endpoints() != [KEPT] {
            // The last step was under way when its operator was killed, and it is made by the function.
            assert_eq!((scene.endpoints(), wanted), (vec![KEPT, STALE], 2), "{known:?}");
            assert_eq!(scene.replication(), [Some(Online), Some(Online)], "{known:?}");
        }
        if scene.replication() == [Some(Offline), Some(Offline)] {
            assert_eq!(pods, 0, "both are cut, so nobody may write there: {known:?}");
        }
    }
    assert!(seen_stopped && known.len() > 8, "{known:?}");
    assert!(seen_unserved && seen_served, "{seen_unserved} {seen_served}");

    assert_eq!(scene.endpoints(), [KEPT, STALE]);
    assert_eq!(scene.replication(), [Some(Online), Some(Online)]);
    assert_eq!(scene.keycloak(), (2, 2));
    assert_eq!(
        scene.stage.infinispan.world().entries(STALE, "sessions"),
        ["before", "during"]
    );
    let keycloak = scene.stage.clusters[1]
        .world()
        .get("Keycloak", "keycloak", "keycloak")
        .cloned()
        .unwrap();
    assert!(
        keycloak["metadata"]["annotations"]["sitefence.io/keycloak-replicas"].is_null(),
        "{keycloak}"
    );
    let managers = keycloak["metadata"]["managedFields"].to_string();
    assert!(!managers.contains("\"provision\""), "{managers}");
    scene.watched();
    let (code, status) = scene.status();
    assert_eq!(code, 0, "{status}");
    assert_eq!(
        status["sentence"],
        "demo: both sites serve, and a lost one would be fenced; epoch 1 is over"
    );

    its_history(&scene);
    fenced_as_planned_and_promoted(&scene);
}

/// Whatever somebody types while a site is fenced, the first thing said is that it is. None of these changes anything.
fn every_verb_says_so_first(scene: &Scene) {
    let zip = ["--only", "aws", "--function-zip", "function.zip"];
    let verbs: [(&[&str], i32); 9] = [
        (&["plan", EXAMPLE, zip[0], zip[1], zip[2], zip[3]], 0),
        (
            &[
                "apply",
                EXAMPLE,
                zip[0],
                zip[1],
                zip[2],
                zip[3],
                "--yes",
                "--no-wait",
            ],
            0,
        ),
        (&["destroy", EXAMPLE, "--yes"], 3),
        (&["history", EXAMPLE], 0),
        // While the survivor lives it is not replaced, and a hold says what it does not stop.
        (&["promote", STALE, EXAMPLE, "--yes"], 3),
        (&["hold", EXAMPLE, "--reason", "router work"], 0),
        (&["release", EXAMPLE], 0),
        (&["reconcile", EXAMPLE], 0),
        (&["drill", EXAMPLE], 0),
    ];
    for (verb, code) in verbs {
        let run = scene.run(verb);
        assert_eq!(run.code, Some(code), "{verb:?}: {run}");
        let mut said = run
            .stderr
            .lines()
            .filter(|line| !line.contains(" is set: calls go to "));
        let first = said.next().unwrap_or_default();
        let first = first.strip_prefix("error: ").unwrap_or(first);
        assert!(first.contains("site-b has been fenced since "), "{verb:?}: {run}");
        match verb[0] {
            "hold" => assert!(
                run.stderr
                    .contains("it stops neither what was already decided nor a rejoin"),
                "{run}"
            ),
            "promote" => assert!(run.stderr.contains("`site-a` looks alive"), "{run}"),
            _ => {}
        }
    }
    let (code, status) = scene.status();
    assert_eq!(
        (code, &status["register"]["state"]),
        (6, &"complete".into()),
        "{status}"
    );
}

fn held_and_released(scene: &Scene) {
    let until = "2999-01-01T00:00:00Z";
    let run = scene.run(&["hold", EXAMPLE, "--reason", "router work", "--until", until]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stderr.contains(&format!("meant to end at {until}")), "{run}");
    let (code, status) = scene.status();
    assert_eq!(code, 5, "{status}");
    assert_eq!(status["next"], "provision release local.yaml");
    assert_eq!(status["register"]["hold"]["reason"], "router work");
    // What is released is shown first.
    let run = scene.run(&["release", EXAMPLE]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(
        run.stderr.contains("no site is fenced, and none will be:") && run.stderr.contains(": router work"),
        "{run}"
    );
    assert_eq!(scene.status().0, 0);
}

/// `status --watch` says what changes, until somebody stops it.
fn watched_in_a_loop(scene: &Scene) {
    let mut child = scene
        .provision(&["status", EXAMPLE, "--watch", "--within", "20s"])
        .spawn()
        .unwrap();
    let mut shown = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = shown.next().unwrap().unwrap();
    assert!(first.starts_with("demo: both sites serve"), "{first}");
    let run = scene.run(&["hold", EXAMPLE, "--reason", "watched"]);
    assert_eq!(run.code, Some(0), "{run}");
    let changed = said.find_map(|line| line.ok().filter(|line| line.starts_with("changed at ")));
    assert!(changed.is_some());
    let again = shown.find_map(|line| line.ok().filter(|line| line.contains("none will be: ")));
    assert!(again.unwrap().ends_with(": watched"));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(
        child.wait().unwrap().code(),
        Some(5),
        "as it was when it was stopped"
    );
    let run = scene.run(&["release", EXAMPLE]);
    assert_eq!(run.code, Some(0), "{run}");
}

/// A rehearsal goes the real way to the real function, and leaves no trace.
fn rehearsed(scene: &Scene) {
    let before = scene.status().1["register"].clone();
    let run = scene.run(&["drill", EXAMPLE, "--output", "json"]);
    assert_eq!(run.code, Some(0), "{run}");
    let drill: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let rehearsals = drill["rehearsals"].as_array().unwrap();
    assert_eq!(rehearsals.len(), 2, "{run}");
    for (rehearsal, [reporter, suspect]) in rehearsals.iter().zip([[KEPT, STALE], [STALE, KEPT]]) {
        assert_eq!(
            rehearsal["sentence"],
            format!(
                "would fence {suspect}: {reporter} reports it offline and does not see it, both endpoints present, epoch 1"
            )
        );
        assert_eq!(rehearsal["sight"], "sees", "{run}");
        assert!(rehearsal["calls"].as_array().unwrap().len() >= 3, "{run}");
    }
    assert_eq!(scene.status().1["register"], before);
    assert_eq!(scene.endpoints(), [KEPT, STALE]);
}

/// Somebody who handles Keycloak by hand says that it is stopped, and it is not.
fn believed_only_where_it_is_so(scene: &Scene) {
    let rejoin = [
        "rejoin",
        STALE,
        EXAMPLE,
        "--keycloak",
        "manual",
        "--keycloak-within",
        "5s",
    ];
    let Some((code, seen)) = scene.on_a_terminal(&rejoin, "site-b\nstopped\n") else {
        skip::skipped(
            "believed_only_where_it_is_so",
            "there is no `script`, of util-linux, that would play a terminal",
        );
        return;
    };
    assert_eq!(code, Some(1), "{seen}");
    for said in [
        "Scale Keycloak of site-b to 0",
        "Keycloak of site-b has 2 pods, 2 ready; waiting until none is left",
    ] {
        assert!(seen.contains(said), "{said}: {seen}");
    }
    assert_eq!(scene.keycloak(), (2, 2));
    assert_eq!(scene.replication(), [Some(Offline), Some(Online)]);
}

fn its_history(scene: &Scene) {
    let run = scene.run(&["history", EXAMPLE, "--output", "json"]);
    assert_eq!(run.code, Some(0), "{run}");
    let history: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let epoch = &history["epochs"][0];
    assert_eq!(
        (&epoch["epoch"], &epoch["fenced"]),
        (&1.into(), &STALE.into()),
        "{run}"
    );
    assert!(
        epoch["cutAfterMs"].as_i64() >= epoch["outAfterMs"].as_i64(),
        "{run}"
    );
    assert!(
        epoch["endedBy"].as_str().unwrap().starts_with("rejoin by "),
        "{run}"
    );
    let run = scene.run(&["history", EXAMPLE, "--epoch", "1"]);
    assert_eq!(run.code, Some(0), "{run}");
    for state in ["decided", "isolated", "complete", "rejoining", "open"] {
        assert!(run.stdout.contains(&format!("  {state}, ")), "{state}: {run}");
    }
    // How long each call took that the function made before each of them.
    for call in [
        " ms  ask site-a's Infinispan which sites it sees\n",
        " ms  change the endpoint group ",
        " ms  cut replication from site-a to site-b\n",
        " ms  clear work of site-b\n",
    ] {
        assert!(run.stdout.contains(call), "{call}: {run}");
    }
    let run = scene.run(&["history", EXAMPLE, "--epoch", "9"]);
    assert_eq!(run.code, Some(2), "{run}");
    let run = scene.run(&["history", "1", EXAMPLE, "--report", "incident.html"]);
    assert_eq!(run.code, Some(0), "{run}");
    let page = std::fs::read_to_string(scene.stage.folder.path().join("incident.html")).unwrap();
    for text in [
        "was fenced",
        "the alert fired",
        "both serve again",
        "rejoin by ",
        "cut replication from site-a to site-b",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

/// The site that came back is fenced again for work on it; then the other one dies.
fn fenced_as_planned_and_promoted(scene: &Scene) {
    let fence = ["fence", STALE, EXAMPLE, "--reason", "new router"];
    let run = scene.run(&[&fence[..], &["--dry-run"]].concat());
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(scene.endpoints(), [KEPT, STALE]);
    let run = scene.run(&[&fence[..], &["--yes"]].concat());
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(scene.endpoints(), [KEPT]);
    scene.minute();
    let (code, status) = scene.status();
    assert_eq!(code, 6, "{status}");
    let by = status["register"]["decision"]["by"].as_str().unwrap();
    assert!(by.ends_with(": new router"), "{by}");

    let promote = ["promote", STALE, EXAMPLE, "--yes"];
    let run = scene.run(&promote);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stderr.contains("`site-a` looks alive"), "{run}");
    assert_eq!(scene.endpoints(), [KEPT]);
    scene.stage.infinispan.site(KEPT).unwrap().die();
    scene.minute();
    let run = scene.run(&promote);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(scene.endpoints(), [STALE]);
    let (code, status) = scene.status();
    assert_eq!(
        (code, &status["register"]["decision"]["survivor"]),
        (6, &STALE.into()),
        "{status}"
    );
}
