//! Every act, in every state it may meet, with every one of its calls going wrong in every way.

#![allow(clippy::unwrap_used)]

use simulation::crash::{Act, Scene, Start, calls, play, scenes};
use simulation::layout::Layout;
use simulation::sim::Fault;

const LAYOUTS: [Layout; 2] = [
    Layout::PLAIN,
    Layout {
        two_regions: true,
        two_listeners: true,
        ..Layout::PLAIN
    },
];

fn failures(scenes: impl Iterator<Item = Scene>) -> (usize, Vec<String>) {
    let (mut points, mut failures) = (0, Vec::new());
    for scene in scenes {
        for layout in LAYOUTS {
            // A rejoin that is gone on with makes the same calls as one from the start.
            let most = match (scene.start, scene.act) {
                (Start::Rejoining(_), Act::Rejoin) => 10,
                _ => usize::MAX,
            };
            for call in 0..calls(scene, layout).min(most) {
                for fault in Fault::ALL {
                    points += 1;
                    failures.extend(play(scene, layout, &[(call, fault)]).err());
                }
            }
        }
    }
    (points, failures)
}

fn demand_none(failures: &[String]) {
    let heads: Vec<&str> = failures
        .iter()
        .filter_map(|f| f.lines().next())
        .take(30)
        .collect();
    assert!(
        failures.is_empty(),
        "{} crash points end badly:\n{}\n\nthe first one:\n{}",
        failures.len(),
        heads.join("\n"),
        failures[0]
    );
}

#[test]
fn one_retry_reaches_the_goal_from_every_crash_of_an_alert_or_the_schedule() {
    let ours = |scene: &Scene| matches!(scene.act, Act::Alert | Act::Suspicion | Act::Sweep);
    let (points, failures) = failures(scenes().into_iter().filter(ours));
    demand_none(&failures);
    assert!(points > 1000, "{points} crash points only");
}

#[test]
fn one_retry_reaches_the_goal_from_every_crash_of_an_operators_command() {
    let ours = |scene: &Scene| !matches!(scene.act, Act::Alert | Act::Suspicion | Act::Sweep);
    let (points, failures) = failures(scenes().into_iter().filter(ours));
    demand_none(&failures);
    assert!(points > 2000, "{points} crash points only");
}

#[test]
fn one_retry_reaches_the_goal_when_two_calls_of_a_fence_go_wrong() {
    let mut failures = Vec::new();
    for start in [Start::Lost, Start::Isolated] {
        let scene = Scene {
            start,
            act: Act::Alert,
            goal: simulation::crash::Goal::Fenced,
        };
        let calls = calls(scene, Layout::PLAIN);
        for first in 0..calls {
            // A call that went wrong can make others follow, which only this invocation makes.
            for second in first + 1..calls + 3 {
                for one in Fault::ALL {
                    for other in Fault::ALL {
                        failures.extend(play(scene, Layout::PLAIN, &[(first, one), (second, other)]).err());
                    }
                }
            }
        }
    }
    demand_none(&failures);
}

/// A scene that cannot be prepared would show nothing.
#[test]
fn every_scene_can_be_prepared_and_makes_calls() {
    for scene in scenes() {
        for layout in LAYOUTS {
            assert!(calls(scene, layout) >= 1, "{scene}");
            play(scene, layout, &[]).unwrap();
        }
    }
}
