//! Whose the accelerator is, as its tag says: what is decided and what is left alone, through the driver against a world
//! in memory.

use std::time::Duration;

use fencing::accelerator::Mark;
use fencing::answer::Cause;
use fencing::register::State;
use fencing::settings::{Found, Settings};
use fencing::step::Call;
use function::handler::Handler;
use serde_json::json;

use crate::common::{Memory, Mishap, accusation, balancer, invoke, pass, ready, settings};

fn ours() -> Mark {
    Mark::Names(settings().found.owner)
}

fn anothers() -> Mark {
    Mark::Names("111111111111/eu-west-1/register/another".to_owned())
}

fn unread() -> Mark {
    Mark::Unread("AccessDeniedException".to_owned())
}

fn says(world: &Memory, mark: Mark) {
    world.with(|state| state.mark = mark);
}

async fn sweep(handler: &Handler<&Memory>) -> u16 {
    invoke(handler, json!({"sitefence": "sweep"})).await.status
}

fn register(world: &Memory) -> Option<State> {
    world.with(|state| state.record.as_ref().map(|record| record.state))
}

#[tokio::test(start_paused = true)]
async fn an_accelerator_of_another_deployment_is_left_alone_and_reported() {
    let world = Memory::split();
    says(&world, anothers());
    let handler = ready(&world).await;
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 503, "{}", told.body);
    assert!(told.body.contains("belongs to"), "{}", told.body);
    assert_eq!((world.effect_count(), register(&world)), (0, None));
    assert_eq!(world.causes(), [Cause::AnothersAccelerator]);
    // An operator's word does not change whose it is.
    let fence = json!({"sitefence": "operate", "task": {"task": "fence", "fenced": "site-b", "by": "ana"}});
    assert_eq!(invoke(&handler, fence).await.status, 503);
    assert_eq!(world.effect_count(), 0);
}

/// It is the last thing in the way of a fence that somebody is waiting for, and only a tag.
#[tokio::test(start_paused = true)]
async fn a_tag_that_is_gone_stops_nobody() {
    let world = Memory::split();
    says(&world, Mark::Absent);
    let handler = ready(&world).await;
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    assert_eq!(world.causes(), [Cause::Decided, Cause::Completed]);
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_cannot_be_read_counts_for_ten_minutes_as_it_was_read_last() {
    let decided = [Cause::Decided, Cause::Completed].as_slice();
    let unknown = [Cause::OwnerUnknown, Cause::Decided, Cause::Completed].as_slice();
    let left_alone = [Cause::AnothersAccelerator].as_slice();
    for (read, seconds, causes) in [
        (Some(ours()), 599, decided),
        (Some(Mark::Absent), 599, decided),
        (Some(anothers()), 599, left_alone),
        (Some(anothers()), 601, unknown),
        (Some(ours()), 601, unknown),
        (None, 0, unknown),
    ] {
        let world = Memory::split();
        let handler = ready(&world).await;
        if let Some(mark) = &read {
            says(&world, mark.clone());
            sweep(&handler).await;
            pass(Duration::from_secs(seconds)).await;
        }
        says(&world, unread());
        world.with(|state| state.notices.clear());
        let told = invoke(&handler, accusation("site-a", "site-b")).await;
        let case = format!("{read:?} {seconds} s ago: {}", told.body);
        assert_eq!(world.causes(), causes, "{case}");
        assert_eq!(
            told.status,
            if causes == left_alone { 503 } else { 200 },
            "{case}"
        );
    }
}

/// What the last check read is asked for only where the tag itself cannot be read, and without an answer nothing is
/// decided: it stands where decisions do.
#[tokio::test(start_paused = true)]
async fn what_the_last_check_read_is_asked_for_only_where_it_is_needed() {
    for (mark, asked) in [(ours(), 0), (unread(), 1)] {
        let world = Memory::split();
        says(&world, mark);
        let handler = ready(&world).await;
        invoke(&handler, accusation("site-a", "site-b")).await;
        let calls = world.with(|state| state.calls.clone());
        let questions = calls.iter().filter(|(_, call)| *call == Call::ReadMark);
        assert_eq!(questions.count(), asked);
    }
    let world = Memory::split();
    says(&world, unread());
    world.mishap(|call| *call == Call::ReadMark, Mishap::Fails, 1);
    let handler = ready(&world).await;
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 503);
    assert_eq!((world.effect_count(), register(&world)), (0, None));
}

/// Half a fence is worse than a whole one, whoever claims the accelerator meanwhile.
#[tokio::test(start_paused = true)]
async fn a_decision_that_is_written_is_completed_whatever_the_tag_says() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.mishap(|call| matches!(call, Call::WriteGroup(_)), Mishap::Fails, 9);
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 503);
    assert_eq!(register(&world), Some(State::Decided));
    world.with(|state| state.mishaps.clear());
    says(&world, anothers());
    pass(Duration::from_secs(60)).await;
    assert_eq!(sweep(&handler).await, 200);
    assert_eq!(register(&world), Some(State::Complete));
    assert_eq!(world.endpoints(), [balancer("site-a")]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fenced_or_filled_again_in_another_s_accelerator() {
    for comes_back in [true, false] {
        let world = Memory::split();
        let handler = ready(&world).await;
        assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
        if comes_back {
            world.put_back("site-b");
        } else {
            world.take_out("site-a");
        }
        world.with(|state| (state.notices.clear(), state.effects.clear()));
        let there = world.endpoints();
        says(&world, anothers());
        assert_eq!(sweep(&handler).await, 503);
        assert_eq!((world.endpoints(), world.effect_count()), (there, 0));
        assert_eq!(world.causes(), [Cause::AnothersAccelerator]);
    }
}

/// A function that was deployed before there was a tag, until the next apply.
#[tokio::test(start_paused = true)]
async fn a_function_whose_settings_name_no_tag_does_not_judge_it() {
    let world = Memory::split();
    says(&world, anothers());
    let settings = Settings {
        found: Found {
            owner: String::new(),
            ..settings().found
        },
        ..settings()
    };
    let handler = Handler::new(settings, &world);
    handler.prepare().await;
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
}

/// The table was restored from a backup of the time when site-b was fenced; it has been brought back since. Seen as it is,
/// the sweep would call that "put back too early".
#[tokio::test(start_paused = true)]
async fn a_register_that_has_gone_back_is_not_acted_upon() {
    let world = Memory::split();
    let handler = ready(&world).await;
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    assert_eq!(sweep(&handler).await, 200);
    let (backup, noted) = world.with(|state| (state.record.clone().unwrap(), state.reached.unwrap()));
    assert_eq!(noted.epoch, backup.epoch);
    assert!(noted.rev <= backup.rev);
    // So much was written since, and noted when the epoch was over.
    world.with(|state| {
        state.reached = Some(fencing::accelerator::Reached {
            rev: fencing::words::Rev(backup.rev.0 + 20),
            ..noted
        });
        state.notices.clear();
        state.effects.clear();
    });
    world.put_back("site-b");
    assert_eq!(sweep(&handler).await, 503);
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 503);
    assert!(
        told.body.contains("provision release --resume-epoch 1"),
        "{}",
        told.body
    );
    let fence = json!({"sitefence": "operate", "task": {"task": "fence", "fenced": "site-b", "by": "ana"}});
    assert_eq!(invoke(&handler, fence).await.status, 503);
    assert_eq!((world.effect_count(), world.endpoints().len()), (0, 2));

    let resume =
        |epoch: u64| json!({"sitefence": "operate", "task": {"task": "resume", "by": "ana", "epoch": epoch}});
    let told = invoke(&handler, resume(2)).await;
    assert_eq!(told.status, 429, "{}", told.body);
    assert_eq!(invoke(&handler, resume(1)).await.status, 200);
    assert_eq!(sweep(&handler).await, 200);
    assert_eq!(world.endpoints(), [balancer("site-a")]);
    // There is nothing to be resumed any more.
    let told = invoke(&handler, resume(1)).await;
    assert!(
        told.body
            .contains("nothing shows that it was ever at a later one"),
        "{}",
        told.body
    );
}

/// It counts beside our own tag only, and for a register in which something is: a new one has no epoch to go back to.
#[tokio::test(start_paused = true)]
async fn what_was_noted_counts_where_it_is_ours() {
    for (mark, rev, status) in [
        (ours(), 8, 503),
        (ours(), 9, 200),
        (ours(), 0, 200),
        (Mark::Absent, 8, 200),
    ] {
        let world = Memory::split();
        says(&world, mark);
        world.with(|state| {
            state.record = (rev > 0).then(|| fencing::register::Record {
                epoch: fencing::words::Epoch(3),
                rev: fencing::words::Rev(rev),
                ..fencing::register::Record::empty()
            });
            state.reached = Some(fencing::accelerator::Reached {
                epoch: fencing::words::Epoch(3),
                rev: fencing::words::Rev(9),
            });
        });
        let handler = ready(&world).await;
        let told = invoke(&handler, accusation("site-a", "site-b")).await;
        assert_eq!(told.status, status, "{}", told.body);
        if status == 200 {
            assert_eq!(sweep(&handler).await, 200);
        }
    }
}

/// A table can be restored to any second, also to one in which a decision or a rejoin was under way. Epoch 4 fenced site-a
/// then and is over; epoch 5 has fenced site-b since, and site-a no longer replicates to it. Carried out now, epoch 4 would
/// leave nobody's changes going anywhere.
#[tokio::test(start_paused = true)]
async fn what_was_under_way_in_a_restored_table_is_not_carried_out() {
    use fencing::register::{Record, Rejoin, RejoinStep, State};
    use fencing::words::{Epoch, Rev};
    let operate = |task: serde_json::Value| json!({"sitefence": "operate", "task": task});
    let fence = operate(json!({"task": "fence", "fenced": "site-a", "by": "ana"}));
    let promote = operate(json!({"task": "promote", "survivor": "site-b", "by": "ana"}));
    let rejoin = operate(json!({
        "task": "rejoin", "stale": "site-a", "session": "s", "by": "ana", "keycloak": "stopped",
    }));
    let sweeps = || json!({"sitefence": "sweep"});
    let reports = || accusation("site-b", "site-a");
    for (state, events) in [
        (
            State::Decided,
            vec![sweeps(), reports(), fence.clone(), promote.clone()],
        ),
        (
            State::Isolated,
            vec![sweeps(), reports(), fence.clone(), promote.clone()],
        ),
        (
            State::Complete,
            vec![
                sweeps(),
                reports(),
                accusation("site-a", "site-b"),
                fence,
                promote,
            ],
        ),
        (State::Rejoining, vec![reports(), rejoin]),
    ] {
        for event in events {
            let world = Memory::split();
            let handler = ready(&world).await;
            assert_eq!(invoke(&handler, accusation("site-b", "site-a")).await.status, 200);
            let rejoins = state == State::Rejoining;
            world.with(|state_of| {
                let complete = state_of.record.take().unwrap();
                state_of.record = Some(Record {
                    epoch: Epoch(4),
                    state,
                    claim: None,
                    rejoin: rejoins.then(|| Rejoin {
                        session: "s".to_owned(),
                        step: RejoinStep::RestoreStale,
                        restarts: 0,
                    }),
                    ..complete
                });
                // Every claim and every hold has raised the revision since: the epoch tells all the same.
                state_of.reached = Some(fencing::accelerator::Reached {
                    epoch: Epoch(5),
                    rev: Rev(1),
                });
                state_of.notices.clear();
                state_of.effects.clear();
            });
            // Another process: what this one has answered lately is no look.
            let handler = ready(&world).await;
            let told = invoke(&handler, event.clone()).await;
            assert_eq!(told.status, 503, "{state}: {event}: {told:?}");
            let before = world.with(|state| state.record.clone().unwrap());
            assert_eq!(
                (before.epoch, before.state, world.effect_count()),
                (Epoch(4), state, 0),
                "{event}"
            );
        }
    }
}

/// A register that only observes notes nothing, and looks no longer than any other.
#[tokio::test(start_paused = true)]
async fn a_new_register_of_a_function_that_only_observes_notes_nothing() {
    for (mode, effects) in [
        (fencing::settings::Mode::Observe, 0),
        (fencing::settings::Mode::Act, 1),
    ] {
        let world = Memory::split();
        world.with(|state| {
            state.reached = Some(fencing::accelerator::Reached {
                epoch: fencing::words::Epoch(3),
                rev: fencing::words::Rev(9),
            });
        });
        let handler = Handler::new(Settings { mode, ..settings() }, &world);
        handler.prepare().await;
        let told = invoke(&handler, accusation("site-a", "site-b")).await;
        assert_eq!(told.status, 200, "{told:?}");
        let notes = world.with(|state| {
            let calls = state.calls.iter().map(|(_, call)| call);
            calls.filter(|call| matches!(call, Call::NoteReached(_))).count()
        });
        assert_eq!(notes.min(1), effects, "{mode:?}");
    }
}
