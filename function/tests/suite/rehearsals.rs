//! A rehearsed alert tells what a loss would come to, and leaves no trace.

use std::time::Duration;

use fencing::accelerator::Health;
use fencing::answer::Status;
use fencing::register::{Hold, Record};
use fencing::rehearsal::Rehearsal;
use fencing::replication::Sight;
use fencing::words::Rev;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::common::{Memory, Mishap, PASSWORD, accusation, alert, invoke, pass, payload, post, ready};

fn rehearsed(reporter: &str, suspect: &str) -> Value {
    let mut alert = alert("firing", reporter, suspect);
    alert["labels"]["alertname"] = json!("RehearsedLoss");
    alert
}

fn posted(alerts: &[Value]) -> Value {
    post("keycloak", PASSWORD, &payload("firing", alerts))
}

/// What it came to, once it is clear that nothing was written, noted or told.
async fn rehearse(world: &Memory) -> Rehearsal {
    let handler = ready(world).await;
    let before = world.with(|state| (state.record.clone(), state.groups.clone(), state.backups.clone()));
    let told = invoke(&handler, posted(&[rehearsed("site-a", "site-b")])).await;
    assert_eq!(told.status, 200, "{told:?}");
    pass(Duration::from_secs(60)).await;
    let after = world.with(|state| (state.record.clone(), state.groups.clone(), state.backups.clone()));
    assert_eq!(before, after);
    world.with(|state| {
        assert!(
            state.effects.is_empty() && state.history.is_empty(),
            "{:?}",
            state.effects
        );
        assert!(
            state.notices.is_empty() && state.stamps.is_empty(),
            "{:?}",
            state.notices
        );
        assert!(
            state.calls.iter().all(|(_, call)| !call.writes()),
            "{:?}",
            state.calls
        );
        assert!(state.published.iter().all(Vec::is_empty), "{:?}", state.published);
    });
    serde_json::from_str(&told.body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_healthy_deployment_shows_what_a_loss_would_lead_to() {
    let world = Memory::split();
    world.heal();
    world.second_relay_nodes();
    let rehearsal = rehearse(&world).await;
    assert_eq!(
        rehearsal.sentence,
        "would fence site-b: site-a reports it offline and does not see it, both endpoints present, epoch 1"
    );
    assert_eq!(
        (rehearsal.status, rehearsal.sight),
        (Status::Done, Some(Sight::Sees))
    );
    let decision = rehearsal.would_decide.unwrap();
    assert_eq!(decision.outcome.groups.len(), 1);
    assert!(rehearsal.is_cold);
    // One round trip, and then the decision would be written.
    assert_eq!(rehearsal.took_ms, 10);
    let mut calls: Vec<(&str, u64)> = rehearsal
        .calls
        .iter()
        .map(|call| (call.what.as_str(), call.ms))
        .collect();
    calls.sort_unstable();
    assert_eq!(
        calls,
        [
            ("ask site-a's Infinispan which sites it sees", 10),
            ("read the accelerator", 10),
            ("read the register", 10),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_would_forbid_a_fence_forbids_it_in_a_rehearsal() {
    let held = Memory::split();
    held.with(|state| {
        state.record = Some(Record {
            rev: Rev(3),
            hold: Some(Hold {
                by: "ana".to_owned(),
                reason: "router work".to_owned(),
                since: Timestamp::UNIX_EPOCH,
                until: None,
            }),
            ..Record::empty()
        });
    });
    let ill = Memory::split();
    ill.with(|state| state.groups[0].endpoints[0].health = Health::Unhealthy);
    let silent = Memory::split();
    silent.mishap(
        |call| matches!(call, fencing::step::Call::ReadView { .. }),
        Mishap::Fails,
        9,
    );
    for (world, status, said) in [
        (held, Status::NotNow, "held by ana since "),
        (ill, Status::NotNow, "site-b is not fenced: "),
        (silent, Status::Retry, "out of order"),
    ] {
        let rehearsal = rehearse(&world).await;
        assert_eq!(rehearsal.status, status, "{rehearsal:?}");
        assert!(rehearsal.sentence.contains(said), "{rehearsal:?}");
        assert_eq!(rehearsal.would_decide, None);
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_alert_of_a_process_is_a_warm_one_and_an_earnest_one_is_never_rehearsed() {
    let world = Memory::split();
    let handler = ready(&world).await;
    for is_cold in [true, false] {
        let told = invoke(&handler, posted(&[rehearsed("site-a", "site-b")])).await;
        let rehearsal: Rehearsal = serde_json::from_str(&told.body).unwrap();
        assert_eq!(rehearsal.is_cold, is_cold);
    }
    // Beside an alert in earnest nothing is rehearsed.
    let both = [rehearsed("site-b", "site-a"), alert("firing", "site-a", "site-b")];
    let told = invoke(&handler, posted(&both)).await;
    assert!(told.body.starts_with("fenced site-b: "), "{told:?}");
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_of_another_deployment_is_refused_and_nobody_is_notified() {
    let world = Memory::split();
    let handler = ready(&world).await;
    let told = invoke(&handler, posted(&[rehearsed("site-a", "site-c")])).await;
    assert_eq!(told.status, 422);
    assert!(told.body.contains("which is neither site"), "{told:?}");
    assert_eq!((world.causes(), world.call_count()), (Vec::new(), 0));
    let told = invoke(&handler, post("keycloak", "wrong", &payload("firing", &[]))).await;
    assert_eq!(told.status, 403);
}

/// A new register beside what another has left on the accelerator: that is noted before the decision, and is none.
#[tokio::test(start_paused = true)]
async fn what_another_register_has_left_ends_no_rehearsal() {
    let world = Memory::split();
    world.with(|state| {
        state.reached = Some(fencing::accelerator::Reached {
            epoch: fencing::words::Epoch(4),
            rev: Rev(60),
        });
    });
    let rehearsal = rehearse(&world).await;
    assert!(
        rehearsal.sentence.starts_with("would fence site-b: "),
        "{rehearsal:?}"
    );
    assert!(rehearsal.would_decide.is_some());
    assert_eq!(world.with(|state| state.reached.unwrap().rev), Rev(60));
}
