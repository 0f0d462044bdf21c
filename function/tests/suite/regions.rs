//! Functions in several Regions: each Alertmanager posts to every one of them, and the register makes them one.
//!
//! Two Regions are two processes that share nothing but the world: each handler here remembers only what was
//! said to itself. Lambda starts one more process for a delivery that arrives beside another, so four
//! deliveries at once are four handlers.

use std::time::Duration;

use crate::common::{Memory, Told, accusation, balancer, invoke, pass, ready, settings, site};
use fencing::register::{Record, State};
use fencing::replication::Backup;
use fencing::step::Call;
use function::handler::Handler;
use serde_json::json;

const SITES: [(&str, &str); 2] = [("site-a", "site-b"), ("site-b", "site-a")];

fn count(world: &Memory, matches: fn(&Call) -> bool) -> usize {
    world.with(|state| state.calls.iter().filter(|(_, call)| matches(call)).count())
}

fn is_write(call: &Call) -> bool {
    matches!(call, Call::WriteGroup(_) | Call::TakeOffline { .. })
}

fn record(world: &Memory) -> Option<Record> {
    world.with(|state| state.record.clone())
}

/// Who survives by the newest decision.
fn survivor(world: &Memory) -> Option<String> {
    Some(record(world)?.decision?.survivor.0.to_string())
}

fn other(name: &str) -> &'static str {
    if name == "site-a" { "site-b" } else { "site-a" }
}

/// What must hold once everybody has been answered: one site is out, completely, and the other was not touched.
fn assert_fenced_once(world: &Memory, context: &str) -> String {
    let survivor = survivor(world).unwrap_or_else(|| panic!("{context}: nothing was decided"));
    let there = record(world).unwrap();
    assert_eq!((there.state, there.epoch.0), (State::Complete, 1), "{context}");
    assert_eq!(world.endpoints(), [balancer(&survivor)], "{context}");
    assert_eq!(world.backup(&survivor), Backup::Offline, "{context}");
    assert_eq!(world.backup(other(&survivor)), Backup::Online, "{context}");
    survivor
}

async fn deliver_after(delay: Duration, handler: &Handler<&Memory>, pair: (&str, &str)) -> Told {
    pass(delay).await;
    invoke(handler, accusation(pair.0, pair.1)).await
}

/// Every Alertmanager posts to both URLs. However the four deliveries fall on one another, within the 60 ms
/// that a fence takes in this world: one decision, one executor, and every other answer fits it.
#[tokio::test(start_paused = true)]
async fn four_deliveries_at_once_make_one_decision_and_no_call_twice() {
    let delays = [0, 5, 12, 25, 35, 47, 90].map(Duration::from_millis);
    for second in delays {
        for third in delays {
            for fourth in delays {
                let world = Memory::split();
                let handlers = [
                    ready(&world).await,
                    ready(&world).await,
                    ready(&world).await,
                    ready(&world).await,
                ];
                let [in_one, in_two, again_one, again_two] = &handlers;
                let context = format!("{second:?} {third:?} {fourth:?}");
                // site-a's Alertmanager to both, site-b's to both.
                let told = tokio::join!(
                    deliver_after(Duration::ZERO, in_one, SITES[0]),
                    deliver_after(second, in_two, SITES[0]),
                    deliver_after(third, again_one, SITES[1]),
                    deliver_after(fourth, again_two, SITES[1]),
                );
                let told = [
                    ("site-a", told.0),
                    ("site-a", told.1),
                    ("site-b", told.2),
                    ("site-b", told.3),
                ];

                let survivor = assert_fenced_once(&world, &context);
                assert_eq!(
                    count(&world, |call| matches!(call, Call::WriteGroup(_))),
                    1,
                    "{context}"
                );
                assert_eq!(
                    count(&world, |call| matches!(call, Call::TakeOffline { .. })),
                    1,
                    "{context}"
                );
                for (reporter, told) in &told {
                    assert!(
                        [200, 503].contains(&told.status),
                        "{context}: {reporter} {told:?}"
                    );
                }
                assert!(
                    told.iter()
                        .any(|(reporter, told)| *reporter == survivor && told.status == 200),
                    "{context}: nobody was told that it is done: {told:?}"
                );

                // Alertmanager retries what was answered 503; by then it is done.
                let effects = world.effect_count();
                for (handler, pair) in handlers.iter().zip([SITES[0], SITES[0], SITES[1], SITES[1]]) {
                    let told = invoke(handler, accusation(pair.0, pair.1)).await;
                    assert_eq!(told.status, 200, "{context}");
                    let fenced = told.body.contains("which is fenced, reports changes nothing");
                    assert_eq!(fenced, pair.0 != survivor, "{context}: {told:?}");
                }
                assert_eq!(
                    world.effect_count(),
                    effects,
                    "{context}: a retry wrote something"
                );
            }
        }
    }
}

/// The deliveries begin in the same instant: who writes first decides, the others are told to come again.
#[tokio::test(start_paused = true)]
async fn at_the_same_instant_one_works_and_three_are_asked_to_come_again() {
    let world = Memory::split();
    let handlers = [
        ready(&world).await,
        ready(&world).await,
        ready(&world).await,
        ready(&world).await,
    ];
    let [a, b, c, d] = &handlers;
    let told = tokio::join!(
        invoke(a, accusation("site-a", "site-b")),
        invoke(b, accusation("site-a", "site-b")),
        invoke(c, accusation("site-b", "site-a")),
        invoke(d, accusation("site-b", "site-a")),
    );
    let mut statuses = [told.0, told.1, told.2, told.3].map(|told| told.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503, 503, 503]);
    assert_fenced_once(&world, "at once");
    // Four conditional writes of a decision were tried, and one was stored.
    let decisions = world.with(|state| {
        let decides = |(_, call): &&(Duration, Call)| match call {
            Call::WriteRegister { record, .. } => record.state == State::Decided && record.rev.0 == 1,
            _ => false,
        };
        let tried = state.calls.iter().filter(decides).count();
        (tried, state.effects.iter().filter(decides).count())
    });
    assert_eq!(decisions, (4, 1));
}

/// The first Region's process dies, at any moment of its work. What it decided stands; the other Region, which
/// hears only the opposite report, finishes it once the claim has run out, and does nothing before.
#[tokio::test(start_paused = true)]
async fn killed_at_any_moment_the_first_is_finished_by_the_other_region() {
    let ttl = Duration::from_secs(settings().claim.ttl_seconds().into());
    let mut finished_for_another = 0;
    for killed_at in (1..120).step_by(3).map(Duration::from_millis) {
        let context = format!("killed after {killed_at:?}");
        let world = Memory::split();
        let (first, second) = (ready(&world).await, ready(&world).await);
        let began = world.uptime();
        let work = invoke(&first, accusation("site-a", "site-b"));
        let died = tokio::time::timeout(killed_at, work).await.is_err();
        let claimed = record(&world).is_some_and(|record| record.claim.is_some());
        let decided = survivor(&world);
        let effects = world.effect_count();

        let (reporter, suspect) = SITES[1];
        let mut told = invoke(&second, accusation(reporter, suspect)).await;
        if claimed {
            assert_eq!(told.status, 503, "{context}: {told:?}");
            assert_eq!(
                world.effect_count(),
                effects,
                "{context}: it did not wait for the claim"
            );
        }
        while told.status == 503 {
            assert!(
                world.uptime() - began < ttl + Duration::from_secs(2),
                "{context}: the claim has run out: {told:?}"
            );
            pass(Duration::from_secs(1)).await;
            told = invoke(&second, accusation(reporter, suspect)).await;
        }
        let survivor = assert_fenced_once(&world, &context);
        assert_eq!(told.status, 200, "{context}: {told:?}");
        if let Some(decided) = decided {
            assert_eq!(survivor, decided, "{context}: a decision was taken back");
            finished_for_another += u32::from(died);
        }
    }
    assert!(finished_for_another > 5, "{finished_for_another}");
}

/// No further alert arrives at all: the other Region's schedule is enough.
#[tokio::test(start_paused = true)]
async fn the_other_regions_schedule_finishes_without_an_alert() {
    for killed_at in (25..80).step_by(5).map(Duration::from_millis) {
        let context = format!("killed after {killed_at:?}");
        let world = Memory::split();
        world.second_relay_nodes();
        let (first, second) = (ready(&world).await, ready(&world).await);
        let work = invoke(&first, accusation("site-a", "site-b"));
        let _ = tokio::time::timeout(killed_at, work).await;
        assert_eq!(survivor(&world).as_deref(), Some("site-a"), "{context}");
        pass(Duration::from_secs(60)).await;
        let told = invoke(&second, json!({"sitefence": "sweep"})).await;
        assert_eq!(told.status, 200, "{context}: {told:?}");
        assert_eq!(assert_fenced_once(&world, &context), "site-a");
    }
}

/// One Region is cut off from the register, the accelerator and everything else: the other is not kept waiting.
#[tokio::test(start_paused = true)]
async fn a_region_that_is_cut_off_hinders_nobody() {
    let world = Memory::split();
    let second = ready(&world).await;
    // What the first sees of the world is a world of its own in which nothing answers.
    let island = Memory::split();
    island.mishap(|_| true, crate::common::Mishap::Hangs, u32::MAX);
    let first = ready(&island).await;
    let (at_first, at_second) = tokio::join!(
        invoke(&first, accusation("site-a", "site-b")),
        invoke(&second, accusation("site-a", "site-b")),
    );
    assert_eq!((at_first.status, at_second.status), (503, 200));
    assert_eq!(island.effect_count(), 0);
    assert_eq!(
        world.with(|state| state.effects.iter().filter(|(_, call)| is_write(call)).count()),
        2
    );
    assert!(world.with(|state| state.backups[&site("site-a")]) == Backup::Offline);
}
