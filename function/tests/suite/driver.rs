//! The driver's promises: deadlines, nothing late, nothing after the answer, and somebody always answers.

use std::time::Duration;

use crate::common::{Memory, Mishap, accusation, balancer, invoke, pass, ready, settings};
use fencing::answer::{Cause, Status};
use fencing::register::State;
use fencing::replication::Backup;
use fencing::step::{Call, Task};
use fencing::words::{Reporter, Suspect};
use function::run::{Budget, run};
use function::world::World as _;
use proptest::prelude::*;

fn task() -> Task {
    Task::Alert {
        reporter: Reporter(crate::common::site("site-a")),
        suspect: Suspect(crate::common::site("site-b")),
        since: None,
    }
}

fn budget(world: &Memory, left: Duration) -> Budget {
    let now = (&world).moment();
    Budget::new(now, now.wall + left, Duration::from_secs(15))
}

#[tokio::test(start_paused = true)]
async fn a_hanging_dependency_is_answered_with_503_in_time() {
    let hangs: [fn(&Call) -> bool; 5] = [
        |call| matches!(call, Call::ReadRegister),
        |call| matches!(call, Call::ReadAccelerator),
        |call| matches!(call, Call::ReadView { .. }),
        |call| matches!(call, Call::WriteGroup(_)),
        |call| matches!(call, Call::TakeOffline { .. }),
    ];
    for hang in hangs {
        let world = Memory::split();
        let handler = ready(&world).await;
        world.mishap(hang, Mishap::Hangs, u32::MAX);
        let began = world.uptime();
        let told = invoke(&handler, accusation("site-a", "site-b")).await;
        assert_eq!(told.status, 503, "{}", told.body);
        assert!(world.uptime() - began < Duration::from_secs(15), "{}", told.body);
        // The claim was given back: the next delivery need not wait for it to run out.
        let claim = world.with(|state| state.record.as_ref().and_then(|record| record.claim.clone()));
        assert_eq!(claim, None, "{}", told.body);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_of_any_write_is_survived() {
    let losses: [fn(&Call) -> bool; 3] = [
        |call| matches!(call, Call::WriteRegister { .. }),
        |call| matches!(call, Call::WriteGroup(_)),
        |call| matches!(call, Call::TakeOffline { .. }),
    ];
    for loss in losses {
        let world = Memory::split();
        let handler = ready(&world).await;
        world.mishap(loss, Mishap::LosesReply, 1);
        let told = invoke(&handler, accusation("site-a", "site-b")).await;
        assert_eq!(told.status, 200, "{}", told.body);
        world.with(|state| {
            let last = state.record.as_ref().unwrap();
            assert_eq!((last.state, last.epoch.0), (State::Complete, 1));
            // Also a revision whose reply was lost is in the history, once it is overwritten; the newest is the record.
            let mut revisions: Vec<u64> = state.history.iter().map(|record| record.rev.0).collect();
            revisions.sort_unstable();
            assert_eq!(revisions, (1..last.rev.0).collect::<Vec<u64>>());
        });
    }
}

/// Whoever dies right after a write leaves no gap: the next one copies what it finds before it overwrites that.
#[tokio::test(start_paused = true)]
async fn what_a_dead_executor_wrote_is_in_the_history() {
    let world = Memory::split();
    world.second_relay_nodes();
    let (settings, outside) = (settings(), &world);
    let left = budget(&world, Duration::from_secs(15));
    let run = run(&settings, &outside, "one that dies", task(), left);
    assert!(
        tokio::time::timeout(Duration::from_millis(25), run)
            .await
            .is_err()
    );
    world.with(|state| {
        assert_eq!(
            state.record.as_ref().map(|record| record.state),
            Some(State::Decided)
        );
        assert!(state.history.is_empty());
    });
    pass(Duration::from_mins(2)).await;
    let handler = ready(&world).await;
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    world.with(|state| {
        let last = state.record.as_ref().unwrap().rev.0;
        let mut revisions: Vec<u64> = state.history.iter().map(|record| record.rev.0).collect();
        revisions.sort_unstable();
        assert_eq!(revisions, (1..last).collect::<Vec<u64>>());
    });
}

/// Each revision has the calls that were answered since the one before, whether or not they came to something, and the
/// protocol sees none of that: a write whose reply was lost is still recognised.
#[tokio::test(start_paused = true)]
async fn each_revision_says_how_long_the_calls_before_it_took() {
    let world = Memory::split();
    world.second_relay_nodes();
    let handler = ready(&world).await;
    world.mishap(
        |call| matches!(call, Call::WriteRegister { .. }),
        Mishap::LosesReply,
        1,
    );
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    let mut entries = world.with(|state| {
        let mut entries = state.history.clone();
        entries.extend(state.record.clone());
        entries
    });
    entries.sort_by_key(|entry| entry.rev);
    let ms = u64::try_from(crate::common::ROUND_TRIP.as_millis()).unwrap();
    let mut told = Vec::new();
    for entry in &entries {
        let before = entry.calls_before.as_ref().unwrap();
        assert_eq!((before.rev, before.left_out), (entry.rev, 0));
        for call in &before.calls {
            let lost = call.what.starts_with("decide");
            assert_eq!(call.failed.is_some(), lost, "{call:?}");
            assert!(lost || call.ms == ms, "{call:?}");
        }
        let mut whats: Vec<&str> = before.calls.iter().map(|call| call.what.as_str()).collect();
        whats.sort_unstable();
        told.push((entry.state, whats));
    }
    let group = format!("change the endpoint group {}", fencing::settings::sample::GROUP);
    assert_eq!(
        told,
        [
            (
                State::Decided,
                vec![
                    "ask site-a's Infinispan which sites it sees",
                    "read the accelerator",
                    "read the register",
                ]
            ),
            (
                State::Isolated,
                vec![
                    group.as_str(),
                    "decide epoch 1: fence site-b",
                    "read the register"
                ]
            ),
            (
                State::Complete,
                vec![
                    "ask site-a's Infinispan whether it replicates to site-b",
                    "cut replication from site-a to site-b",
                    "note epoch 1 as isolated in the register",
                ]
            ),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_answer_waits_for_notices_but_not_forever() {
    let world = Memory::split();
    world.with(|state| state.tell_hangs = true);
    let began = world.uptime();
    let ran = run(
        &settings(),
        &&world,
        "request",
        task(),
        budget(&world, Duration::from_secs(15)),
    )
    .await;
    assert_eq!(ran.answer.status, Status::Done);
    let took = world.uptime() - began;
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(world.with(|state| state.settled) >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_past_is_a_wrong_clock_and_the_timeout_holds() {
    let world = Memory::split();
    let now = (&world).moment();
    let wrong = Budget::new(now, now.wall - Duration::from_secs(3600), Duration::from_secs(15));
    assert!(wrong.left(now) > Duration::from_secs(14));
    let far = Budget::new(now, now.wall + Duration::from_secs(3600), Duration::from_secs(15));
    assert!(far.left(now) < Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn without_time_nothing_is_written() {
    for left in [1, 100, 250, 500, 900] {
        let world = Memory::split();
        let ran = run(
            &settings(),
            &&world,
            "request",
            task(),
            budget(&world, Duration::from_millis(left)),
        )
        .await;
        assert_eq!(ran.answer.status, Status::Retry, "{left} ms");
        assert_eq!(world.effect_count(), 0, "{left} ms");
    }
}

proptest! {
    /// Whatever hangs or loses its reply, and however little time there is: an answer before the deadline,
    /// no effect after it, and none after the answer.
    #[test]
    fn no_write_is_later_than_the_deadline(
        left_ms in 1_u64..15_000,
        mishaps in prop::collection::vec((0_usize..8, 0_usize..4, 1_u32..4), 0..5),
    ) {
        const WHERE: [fn(&Call) -> bool; 8] = [
            |call| matches!(call, Call::ReadRegister),
            |call| matches!(call, Call::WriteRegister { .. }),
            |call| matches!(call, Call::ReadAccelerator),
            |call| matches!(call, Call::WriteGroup(_)),
            |call| matches!(call, Call::ReadView { .. }),
            |call| matches!(call, Call::TakeOffline { .. }),
            |call| matches!(call, Call::ReadBackup { .. }),
            |_| true,
        ];
        const WHAT: [Mishap; 4] = [Mishap::Fails, Mishap::LosesReply, Mishap::Hangs, Mishap::HangsAfter];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = Memory::split();
            for (place, what, times) in mishaps {
                world.mishap(WHERE[place], WHAT[what], times);
            }
            let deadline = world.uptime() + Duration::from_millis(left_ms);
            let ran = run(&settings(), &&world, "request", task(), budget(&world, Duration::from_millis(left_ms))).await;
            assert!(world.uptime() <= deadline, "answered {:?} after the deadline", world.uptime() - deadline);
            let effects = world.effect_count();
            // An hour later, thawed.
            tokio::time::sleep(Duration::from_secs(3600)).await;
            assert_eq!(world.effect_count(), effects, "something ran on after the answer");
            world.with(|state| {
                for (at, call) in &state.effects {
                    assert!(*at <= deadline, "{call:?} took effect after the deadline");
                }
                // Success is only claimed where it is true.
                if ran.answer.status == Status::Done {
                    assert_eq!(state.record.as_ref().unwrap().state, State::Complete);
                    assert_eq!(state.groups[0].endpoints.len(), 1);
                }
                // Replication is cut only where the accelerator holds exactly the survivor.
                let cut = state.backups[&crate::common::site("site-a")] == Backup::Offline;
                assert!(!cut || state.groups[0].endpoints.len() == 1);
            });
        });
    }
}

/// As when the role may read the register and not write it.
#[tokio::test(start_paused = true)]
async fn a_register_that_takes_no_write_is_named_and_nothing_is_fenced() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.mishap(
        |call| matches!(call, Call::WriteRegister { .. }),
        Mishap::Fails,
        u32::MAX,
    );
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 503);
    assert!(told.body.starts_with("the register: "), "{}", told.body);
    assert_eq!(world.causes(), [Cause::DependencyFailed]);
    assert_eq!(world.endpoints(), [balancer("site-a"), balancer("site-b")]);
    assert_eq!(world.backup("site-a"), Backup::Online);
}

/// Lambda froze the process in the middle of an invocation and thaws it an hour later: the monotonic clock has stood
/// still and every timer still promises time.
#[tokio::test(start_paused = true)]
async fn nothing_is_written_after_a_thaw() {
    let slow: [fn(&Call) -> bool; 3] = [
        |call| matches!(call, Call::ReadAccelerator),
        |call| matches!(call, Call::WriteRegister { .. }),
        |call| matches!(call, Call::WriteGroup(_)),
    ];
    for slow in slow {
        let world = Memory::split();
        let handler = ready(&world).await;
        world.mishap(slow, Mishap::Dawdles(2), 1);
        let frozen = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            world.with(|state| {
                state.wall_offset = jiff::SignedDuration::from_hours(1);
                state.effects.len()
            })
        };
        let (told, before) = tokio::join!(invoke(&handler, accusation("site-a", "site-b")), frozen);
        assert_eq!(told.status, 503, "{}", told.body);
        let late = world.with(|state| {
            let late = state.effects[before..].iter().map(|(_, call)| call.clone());
            late.filter(Call::writes).collect::<Vec<_>>()
        });
        assert!(late.is_empty(), "{late:?}");
    }
}
