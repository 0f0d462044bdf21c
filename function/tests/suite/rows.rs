//! What may become of a completed decision, row by row, through the driver against a world in memory.

use std::time::Duration;

use crate::common::{Memory, Mishap, accusation, balancer, invoke, pass, ready, site};
use fencing::answer::Cause;
use fencing::register::State;
use fencing::replication::{Backup, Push};
use fencing::step::Call;
use function::handler::Handler;
use serde_json::json;

/// And the minute after it.
async fn fenced(world: &Memory) -> Handler<&Memory> {
    let handler = ready(world).await;
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    assert_eq!(invoke(&handler, sweep()).await.status, 200);
    world.with(|state| {
        state.notices.clear();
        state.effects.clear();
    });
    handler
}

fn sweep() -> serde_json::Value {
    json!({"sitefence": "sweep"})
}

fn register(world: &Memory) -> State {
    world.with(|state| state.record.as_ref().unwrap().state)
}

#[tokio::test(start_paused = true)]
async fn fenced_absent_and_backup_offline_is_fine() {
    let world = Memory::split();
    let handler = fenced(&world).await;
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    assert_eq!(invoke(&handler, sweep()).await.status, 200);
    assert_eq!((world.effect_count(), world.causes().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn infinispan_forgot_the_cut_and_it_is_cut_again() {
    for status in [Backup::Online, Backup::Mixed] {
        let world = Memory::split();
        let handler = fenced(&world).await;
        world.with(|state| state.backups.insert(site("site-a"), status));
        assert_eq!(invoke(&handler, sweep()).await.status, 200);
        assert_eq!(world.backup("site-a"), Backup::Offline);
        assert_eq!(register(&world), State::Complete);
        assert!(world.causes().contains(&Cause::RecutAfterRestart));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fenced_site_put_back_too_early_is_fenced_again_and_reported() {
    let world = Memory::split();
    let handler = fenced(&world).await;
    world.put_back("site-b");
    assert_eq!(invoke(&handler, sweep()).await.status, 200);
    assert_eq!(world.endpoints(), [balancer("site-a")]);
    assert!(world.causes().contains(&Cause::RefencedEarlyReturn));
}

/// The survivor's Infinispan restarted, and would replicate to a site that lacks what was before.
#[tokio::test(start_paused = true)]
async fn replication_without_a_state_push_is_no_recovery() {
    let world = Memory::split();
    let handler = fenced(&world).await;
    world.heal();
    world.put_back("site-b");
    world.with(|state| state.backups.insert(site("site-a"), Backup::Online));
    assert_eq!(invoke(&handler, sweep()).await.status, 200);
    assert_eq!(world.endpoints(), [balancer("site-a")]);
    assert_eq!(world.backup("site-a"), Backup::Offline);
    assert_eq!(register(&world), State::Complete);
}

/// Neither what an earlier recovery has pushed vouches for the next one, nor does a push that never really began look
/// like people at work: once the fence is complete, the survivor forgets both.
#[tokio::test(start_paused = true)]
async fn an_earlier_push_is_no_recovery() {
    for left_over in [Push::Ok, Push::Sending, Push::Error, Push::Cancelled] {
        for minutes in [0, 1] {
            let world = Memory::split();
            world.with(|state| state.pushed = left_over);
            let handler = ready(&world).await;
            assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
            for _ in 0..minutes {
                assert_eq!(invoke(&handler, sweep()).await.status, 200);
                assert_eq!(world.with(|state| state.pushed), Push::Idle);
            }
            world.heal();
            // Half of a recovery is undone, and so is a whole one without a push.
            world.with(|state| state.backups.insert(site("site-a"), Backup::Online));
            assert_eq!(invoke(&handler, sweep()).await.status, 200);
            assert_eq!(world.backup("site-a"), Backup::Offline, "{left_over:?}");
            world.with(|state| {
                state.backups.insert(site("site-a"), Backup::Online);
            });
            world.put_back("site-b");
            for _ in 0..3 {
                invoke(&handler, sweep()).await;
                pass(Duration::from_secs(60)).await;
            }
            assert_eq!(register(&world), State::Complete, "{left_over:?}");
            assert_eq!(world.endpoints(), [balancer("site-a")], "{left_over:?}");
            assert_eq!(world.backup("site-a"), Backup::Offline, "{left_over:?}");
        }
    }
}

/// What a history showed: a recovery by hand was noted, and the site was fenced again without the register, by force. The
/// push of that recovery must not count for the next one, to which nothing is pushed.
#[tokio::test(start_paused = true)]
async fn the_push_of_a_recovery_that_was_undone_counts_for_nothing() {
    for (is_noted, is_recorded) in [(true, false), (false, true), (true, true)] {
        let case = format!("noted {is_noted}, recorded {is_recorded}");
        let world = Memory::split();
        let handler = fenced(&world).await;
        assert_eq!(invoke(&handler, sweep()).await.status, 200);
        world.heal();
        world.put_back("site-b");
        world.push_by_hand("site-a");
        if is_noted {
            assert_eq!(invoke(&handler, sweep()).await.status, 429, "{case}");
        }
        world.take_out("site-b");
        world.with(|state| state.backups.insert(site("site-a"), Backup::Offline));
        if is_recorded {
            let task = json!({"task": "fence", "fenced": "site-b", "by": "ana by force"});
            let again = json!({"sitefence": "operate", "task": task});
            assert_eq!(invoke(&handler, again).await.status, 200, "{case}");
        }
        assert_eq!(invoke(&handler, sweep()).await.status, 200, "{case}");
        assert_eq!(world.with(|state| state.pushed), Push::Idle, "{case}");
        // Brought back without a push, it is taken out again.
        world.put_back("site-b");
        world.with(|state| state.backups.insert(site("site-a"), Backup::Online));
        for _ in 0..3 {
            invoke(&handler, sweep()).await;
            pass(Duration::from_secs(60)).await;
        }
        assert_eq!(register(&world), State::Complete, "{case}");
        assert_eq!(world.endpoints(), [balancer("site-a")], "{case}");
    }
}

/// What the survivor does not forget is left to the next minute, and told.
#[tokio::test(start_paused = true)]
async fn what_is_not_forgotten_counts_for_nothing() {
    let world = Memory::split();
    world.with(|state| state.pushed = Push::Ok);
    world.mishap(|call| matches!(call, Call::ClearPushes { .. }), Mishap::Fails, 1);
    let handler = ready(&world).await;
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    world.with(|state| state.notices.clear());
    assert_eq!(invoke(&handler, sweep()).await.status, 200);
    let told = world.with(|state| state.notices[0].clone());
    assert_eq!(
        (told.cause, told.sentence.as_str()),
        (
            Cause::DependencyFailed,
            "site-a's Infinispan: it does not forget the push of work"
        )
    );
    assert!(!world.with(|state| state.record.as_ref().unwrap().pushes_are_cleared()));
    assert_eq!(invoke(&handler, sweep()).await.status, 200);
    assert!(world.with(|state| state.record.as_ref().unwrap().pushes_are_cleared()));
    let effects = world.effect_count();
    assert_eq!(invoke(&handler, sweep()).await.status, 200);
    assert_eq!(world.effect_count(), effects, "it is done once");
}

#[tokio::test(start_paused = true)]
async fn a_recovery_by_hand_is_adopted_when_it_is_seen_twice() {
    let world = Memory::split();
    let handler = fenced(&world).await;
    world.heal();
    world.put_back("site-b");
    world.push_by_hand("site-a");
    assert_eq!(invoke(&handler, sweep()).await.status, 429);
    assert_eq!(register(&world), State::Complete);
    pass(Duration::from_secs(60)).await;
    invoke(&handler, sweep()).await;
    assert_eq!(register(&world), State::Open);
    assert_eq!(world.causes(), [Cause::Adopted]);
    // Nothing but the register was written.
    assert_eq!(world.endpoints().len(), 2);
    assert_eq!(world.backup("site-a"), Backup::Online);
    // Quiet time: the next alert is refused.
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 429, "{}", told.body);
}

#[tokio::test(start_paused = true)]
async fn whatever_else_is_left_alone_and_raises_the_alarm() {
    // Replicates again and sees the other, which is still out: half of a recovery by hand.
    let world = Memory::split();
    let handler = fenced(&world).await;
    world.heal();
    world.push_by_hand("site-a");
    assert_eq!(invoke(&handler, sweep()).await.status, 429);
    assert_eq!(
        (world.effect_count(), world.causes()),
        (0, vec![Cause::Unexplained])
    );

    // The survivor was taken out, and the fenced site put in.
    let world = Memory::split();
    let handler = fenced(&world).await;
    world.take_out("site-a");
    world.put_back("site-b");
    assert_eq!(invoke(&handler, sweep()).await.status, 429);
    assert_eq!(
        (world.effect_count(), world.causes()),
        (0, vec![Cause::SurvivorMissing])
    );
}

fn weigh(world: &Memory, name: &str, weight: i32) {
    world.with(|state| {
        let mut ends = state.groups[0].endpoints.iter_mut();
        let end = ends.find(|end| end.config.id == balancer(name)).unwrap();
        end.config.weight = Some(weight);
    });
}

/// The fenced site is back, and people have drained the survivor: that may be their way of changing places.
#[tokio::test(start_paused = true)]
async fn where_people_drained_the_survivor_and_put_the_other_back_nothing_is_changed() {
    let world = Memory::split();
    let handler = fenced(&world).await;
    world.put_back("site-b");
    weigh(&world, "site-a", 0);
    assert_eq!(invoke(&handler, sweep()).await.status, 429);
    assert_eq!(
        (world.effect_count(), world.causes()),
        (0, vec![Cause::Unexplained])
    );
}

#[tokio::test(start_paused = true)]
async fn a_drained_site_does_not_win_until_an_operator_says_so() {
    let world = Memory::split();
    weigh(&world, "site-a", 0);
    let handler = ready(&world).await;
    let alert = || accusation("site-a", "site-b");
    // The other one's monitoring is about to report, and is the one to be believed.
    assert_eq!(invoke(&handler, alert()).await.status, 429);
    assert_eq!(
        (world.effect_count(), world.causes()),
        (0, vec![Cause::Unexplained])
    );
    world.take_out("site-b");
    world.with(|state| state.notices.clear());
    pass(Duration::from_secs(20)).await;
    let told = invoke(&handler, alert()).await;
    assert_eq!(told.status, 429);
    assert!(
        told.body
            .contains("an operator's `fence` of site-b restores both"),
        "{}",
        told.body
    );
    assert_eq!(
        (world.effect_count(), world.causes()),
        (0, vec![Cause::OnlyDrainedLeft])
    );

    let fence = json!({"sitefence": "operate", "task": {"task": "fence", "fenced": "site-b", "by": "ana"}});
    let told = invoke(&handler, fence).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(world.backup("site-a"), Backup::Offline);
    let (weight, record) = world.with(|state| {
        let weight = state.groups[0].endpoints[0].config.weight;
        (weight, state.record.clone().unwrap())
    });
    assert_eq!(weight, Some(128));
    let evidence = record.decision.unwrap().evidence;
    assert!(
        evidence.ends_with("site-a was drained and gets its weight and its traffic dial back"),
        "{evidence}"
    );
    // And so it is remembered: a rejoin must not drain it again.
    let remembered: Vec<_> = record.places.iter().map(|place| place.config.weight).collect();
    assert_eq!(remembered, [Some(128)]);
}

/// It was fenced while it was drained; who makes it the survivor wants it to serve.
#[tokio::test(start_paused = true)]
async fn a_drained_site_that_is_promoted_serves() {
    let world = Memory::split();
    weigh(&world, "site-b", 0);
    let handler = fenced(&world).await;
    let promote = |waited: Option<&str>| {
        json!({"sitefence": "operate", "task": {
            "task": "promote", "survivor": "site-b", "by": "ana", "survivor_is_lost": true, "waited": waited,
        }})
    };
    invoke(&handler, promote(None)).await;
    let token = world.with(|state| state.record.clone().unwrap().token.unwrap().to_string());
    pass(Duration::from_secs(60)).await;
    let told = invoke(&handler, promote(Some(&token))).await;
    assert_eq!(told.status, 200, "{}", told.body);
    let (ends, record) = world.with(|state| {
        let ends = state.groups[0].endpoints.iter();
        let ends: Vec<_> = ends
            .map(|end| (end.config.id.clone(), end.config.weight))
            .collect();
        (ends, state.record.clone().unwrap())
    });
    assert_eq!(ends, [(balancer("site-b"), Some(128))]);
    let evidence = record.decision.unwrap().evidence;
    assert!(
        evidence.ends_with("site-b was drained and gets its weight and its traffic dial back"),
        "{evidence}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_holds_nobody_is_filled_again_once_an_hour() {
    let world = Memory::split();
    let handler = fenced(&world).await;
    world.take_out("site-a");
    assert_eq!(invoke(&handler, sweep()).await.status, 200);
    assert_eq!(world.endpoints(), [balancer("site-a")]);
    assert_eq!(world.causes(), [Cause::Refilled]);
    world.take_out("site-a");
    assert_eq!(invoke(&handler, sweep()).await.status, 429);
    assert!(world.endpoints().is_empty());
    pass(Duration::from_secs(3601)).await;
    assert_eq!(invoke(&handler, sweep()).await.status, 200);
    assert_eq!(world.endpoints(), [balancer("site-a")]);
}

/// A controller puts the fenced site back each minute: one mail for the first time, and then a count for an alarm. What
/// is carried out again is no new fence and does not say that it were.
#[tokio::test(start_paused = true)]
async fn who_puts_the_site_back_each_minute_is_one_notification_and_a_count() {
    let world = Memory::split();
    let handler = ready(&world).await;
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    assert_eq!(world.causes(), [Cause::Decided, Cause::Completed]);
    world.with(|state| state.notices.clear());
    for _ in 0..10 {
        world.put_back("site-b");
        pass(Duration::from_secs(60)).await;
        let told = invoke(&handler, json!({"sitefence": "sweep"})).await;
        assert_eq!(told.status, 200);
        assert!(
            told.body.contains("is carried out again: site-b is fenced"),
            "{}",
            told.body
        );
        assert_eq!(world.endpoints().len(), 1);
    }
    let mut expected = vec![Cause::Recurring; 10];
    expected[0] = Cause::RefencedEarlyReturn;
    assert_eq!(world.causes(), expected);
    let last = world.with(|state| state.notices.last().unwrap().sentence.clone());
    assert!(
        last.contains("10 times since") && last.contains("controller"),
        "{last}"
    );
    // An hour later it is another story.
    world.with(|state| state.notices.clear());
    pass(Duration::from_secs(3700)).await;
    world.put_back("site-b");
    invoke(&handler, json!({"sitefence": "sweep"})).await;
    assert_eq!(world.causes(), [Cause::RefencedEarlyReturn]);
}
