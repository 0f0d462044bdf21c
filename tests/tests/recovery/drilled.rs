//! The drill that cuts the link for real, killed after each thing it says, and then to its end.

use tests::demo::EXAMPLE;
use tests::standins::infinispan::BackupStatus::Online;

use super::scene::{KEPT, STALE, Scene};

const DRILL: [&str; 4] = ["drill", EXAMPLE, "--split-brain", "--yes"];
const RESTORE: [&str; 3] = ["drill", EXAMPLE, "--restore"];
const PARTS: [(&str, &str); 2] = [
    ("keycloak", "infinispan-router"),
    ("", "infinispan-operator-controller-manager"),
];

/// What each Deployment of a drill asks for, and whether it carries anything of ours, in both clusters.
fn scaled(scene: &Scene) -> Vec<(String, u64, bool)> {
    let mut all = Vec::new();
    for (index, operators) in [(0, "openshift-operators"), (1, "operators")] {
        let world = scene.stage.clusters[index].world();
        for (namespace, name) in PARTS {
            let namespace = if namespace.is_empty() {
                operators
            } else {
                namespace
            };
            let deployment = world.get("Deployment", namespace, name).unwrap();
            let marked = deployment["metadata"]["annotations"]["sitefence.io/drill-replicas"].is_string();
            all.push((
                format!("{index} {name}"),
                deployment["spec"]["replicas"].as_u64().unwrap(),
                marked,
            ));
        }
    }
    all
}

fn is_whole(scene: &Scene) -> bool {
    scaled(scene)
        .iter()
        .all(|(_, replicas, marked)| *replicas == 1 && !marked)
}

/// What the drill says while it cuts the link, and while it waits for a site to be fenced.
fn is_of_the_cut(line: &str) -> bool {
    line.ends_with(" no pods") || line.starts_with("the link is cut") || line.contains(" s  epoch ")
}

fn is_scaled_back(line: &str) -> bool {
    line.starts_with("scaling ") && line.contains(" back to ")
}

/// Everything is as it was, also where a site had been fenced.
fn brought_back(scene: &Scene) {
    scene.stage.infinispan.heal_link();
    let run = scene.meanwhile(|| scene.run(&["rejoin", STALE, EXAMPLE, "--yes", "--when-healed"]));
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(scene.endpoints(), [KEPT, STALE]);
    assert_eq!(scene.replication(), [Some(Online), Some(Online)]);
    scene.watched();
}

/// Whoever stops a drill with Ctrl-C has the link back when the command has ended, whatever it was doing.
#[test]
fn a_drill_that_is_asked_to_stop_puts_back_what_it_scaled() {
    let scene = Scene::deployed();
    scene.as_ada(&["rejoin.yaml", "drill.yaml"]);
    scene.watched();
    // An operator that somebody keeps at none comes back as it was.
    let operator = ["Deployment", "openshift-operators", PARTS[1].1];
    let to_none = |deployment: &mut serde_json::Value| deployment["spec"]["replicas"] = 0.into();
    scene.stage.clusters[0]
        .world()
        .edit_as("kubectl-scale", operator, to_none)
        .unwrap();
    let before = scaled(&scene);
    for attempt in 1.. {
        let (mut said, mut restored) = (0, false);
        let (code, told) = scene.meanwhile(|| {
            scene.interrupted_at(&DRILL, |line| {
                // Of the many lines of its end only these: a site is fenced by then, and has to be brought back.
                restored = is_scaled_back(line);
                said += usize::from(is_of_the_cut(line));
                said >= attempt || restored
            })
        });
        assert_eq!(code, Some(1), "{told:#?}");
        assert_eq!(scaled(&scene), before, "{told:#?}");
        let told = told.join("\n");
        // Not "run the same command again": that would cut the link once more.
        let (_, error) = told
            .split_once("error: stopped; the link is restored\nhint: ")
            .unwrap();
        let goes_on = [
            "`provision status local.yaml` says",
            "to bring site-b back: provision rejoin site-b local.yaml --when-healed",
        ];
        assert!(goes_on.iter().any(|command| error.starts_with(command)), "{told}");
        assert!(attempt < 20, "{told}");
        brought_back(&scene);
        if restored {
            break;
        }
    }
}

#[test]
fn a_drill_cuts_the_link_measures_and_puts_everything_back_whatever_kills_it() {
    let scene = Scene::deployed();
    scene.as_ada(&["rejoin.yaml", "drill.yaml"]);

    // Nothing is cut where something is not in order.
    let run = scene.run(&DRILL);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stderr.contains("needs everything in order"), "{run}");
    assert!(is_whole(&scene), "{:?}", scaled(&scene));
    scene.watched();
    // Nobody agreed, and there is nobody to ask.
    let run = scene.run(&DRILL[..3]);
    assert_eq!(run.code, Some(2), "{run}");
    let run = scene.run(&RESTORE);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stderr.contains("no drill has left anything at zero"), "{run}");

    // Killed after each thing that it says until a site is fenced; whoever comes next puts it back.
    for attempt in 1.. {
        let (mut said, mut fenced) = (0, false);
        let (code, told) = scene.meanwhile(|| {
            scene.run_until(&DRILL, |line| {
                said += usize::from(is_of_the_cut(line));
                fenced = line.contains(": complete");
                said >= attempt || fenced
            })
        });
        assert_eq!(code, None, "{told:#?}");
        assert!(!is_whole(&scene), "{told:#?}");
        // It is not begun anew on top of that.
        let run = scene.run(&DRILL);
        assert_eq!(run.code, Some(3), "{run}");
        assert!(
            run.stderr.contains("hint: provision drill local.yaml --restore"),
            "{run}"
        );
        // Nor does it matter what kills whoever puts it back.
        for lines in 1..=if fenced { 2 * PARTS.len() * 2 } else { 1 } {
            let mut said = 0;
            let (code, _) = scene.meanwhile(|| {
                scene.run_until(&RESTORE, |line| {
                    said += usize::from(is_scaled_back(line) || line.contains("is ready"));
                    said >= lines
                })
            });
            assert!(code.is_none() || code == Some(0));
        }
        let run = scene.meanwhile(|| scene.run(&RESTORE));
        assert_eq!(run.code, Some(0), "{run}");
        assert!(is_whole(&scene), "{:?}", scaled(&scene));
        assert!(attempt < 20);
        brought_back(&scene);
        if fenced {
            break;
        }
    }

    scene.watched();
    let run = scene.meanwhile(|| scene.run(&[&DRILL[..], &["--output", "json"]].concat()));
    assert_eq!(run.code, Some(0), "{run}");
    assert!(is_whole(&scene), "{:?}", scaled(&scene));
    let drill: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let measured = &drill["drill"];
    assert_eq!(
        (&measured["fenced"], &measured["survivor"]),
        (&STALE.into(), &KEPT.into()),
        "{run}"
    );
    assert!(
        measured["cutAfterMs"].as_i64() >= measured["decidedAfterMs"].as_i64(),
        "{run}"
    );
    assert!(measured["alertedAfterMs"].is_i64(), "{run}");
    let promised = drill["promised"].as_array().unwrap();
    assert!(promised.iter().any(|case| case["fenced"] == STALE), "{run}");
    // Brought back, to the end.
    assert_eq!(scene.endpoints(), [KEPT, STALE]);
    assert_eq!(scene.replication(), [Some(Online), Some(Online)]);
    assert_eq!(scene.keycloak(), (2, 2));
    let (_, status) = scene.status();
    assert_eq!(status["register"]["state"], "open", "{status}");
    assert_eq!(status["lastDrill"], *measured, "{status}");
    let run = scene.run(&["status", EXAMPLE, "--within", "20s"]);
    assert!(run.stdout.contains("last drill  "), "{run}");
    for (index, operators) in [(0, "openshift-operators"), (1, "operators")] {
        let world = scene.stage.clusters[index].world();
        let operator = world.get("Deployment", operators, PARTS[1].1).unwrap();
        let managers = operator["metadata"]["managedFields"].to_string();
        assert!(!managers.contains("\"provision\""), "{managers}");
    }
}
