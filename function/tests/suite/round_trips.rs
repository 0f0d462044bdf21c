//! What a fence costs: how many calls, and how many of them one after the other. Counted from a trace, since every call
//! takes exactly one round trip here; a distant Region makes each of them a tenth of a second.

use std::time::Duration;

use fencing::step::Call;

use crate::common::{Memory, ROUND_TRIP, accusation, invoke, pass, ready};

fn name(call: &Call) -> String {
    let name = format!("{call:?}");
    name.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

/// The calls since `began`, those together that were made at once.
fn rounds(world: &Memory, began: Duration) -> Vec<Vec<String>> {
    let mut rounds: Vec<Vec<String>> = Vec::new();
    world.with(|state| {
        for (at, call) in state.calls.iter().filter(|(at, _)| *at >= began) {
            let since = *at - began;
            let round = usize::try_from(since.as_millis() / ROUND_TRIP.as_millis()).unwrap();
            assert_eq!(since.as_millis() % ROUND_TRIP.as_millis(), 0, "{call:?}");
            rounds.resize(rounds.len().max(round + 1), Vec::new());
            rounds[round].push(name(call));
        }
    });
    for round in &mut rounds {
        round.sort();
    }
    rounds
}

/// The first four are the floor: what is seen, that it is decided, out of the accelerator, cut. Two more say that it is
/// cut, and write that down. The first notice and copies for the history are beside them; the last notice is the
/// seventh, since nobody hears of what may not be in the register.
#[tokio::test(start_paused = true)]
async fn a_fence_takes_four_round_trips_until_the_survivor_writes_and_seven_until_the_answer() {
    let world = Memory::split();
    world.second_relay_nodes();
    let handler = ready(&world).await;
    let began = world.uptime();
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    let took = world.uptime() - began;
    let wanted: [&[&str]; 6] = [
        &["ReadAccelerator", "ReadRegister", "ReadView"],
        &["WriteRegister"],
        &["WriteGroup"],
        &["TakeOffline", "WriteRegister"],
        &["ReadBackup"],
        &["WriteRegister"],
    ];
    assert_eq!(rounds(&world, began), wanted);
    assert_eq!(took, ROUND_TRIP * 7);
    world.with(|state| {
        assert_eq!(state.notices.len(), 2);
        assert_eq!(state.history.len(), 2);
    });
}

/// A primary relay node that knows of no other one is asked how long it has been running, before anything is decided.
#[tokio::test(start_paused = true)]
async fn with_one_relay_node_a_fence_takes_one_round_trip_more() {
    let world = Memory::split();
    let handler = ready(&world).await;
    let began = world.uptime();
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    assert_eq!(rounds(&world, began)[1], ["ReadAge"]);
    assert_eq!(world.uptime() - began, ROUND_TRIP * 8);
}

/// What the survivor's monitoring repeats is answered from one look.
#[tokio::test(start_paused = true)]
async fn a_repeated_report_takes_one_look() {
    let world = Memory::split();
    let handler = ready(&world).await;
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    pass(Duration::from_mins(5)).await;
    let began = world.uptime();
    assert_eq!(invoke(&handler, accusation("site-b", "site-a")).await.status, 200);
    assert_eq!(world.uptime() - began, ROUND_TRIP);
}

/// A quiet minute: the register, and then every look at once.
#[tokio::test(start_paused = true)]
async fn a_quiet_minute_takes_one_call_before_it_looks_around() {
    let world = Memory::split();
    world.heal();
    let handler = ready(&world).await;
    let began = world.uptime();
    let sweep = serde_json::json!({"sitefence": "sweep"});
    assert_eq!(invoke(&handler, sweep).await.status, 200);
    assert_eq!(rounds(&world, began), [["ReadRegister"]]);
}
