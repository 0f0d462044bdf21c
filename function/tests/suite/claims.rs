//! Who carries a decision out: one at a time in the ordinary case, anybody once that one is gone.

use std::time::Duration;

use crate::common::{Memory, Mishap, accusation, invoke, pass, settings};
use fencing::answer::Cause;
use fencing::register::State;
use fencing::settings::ClaimSettings;
use fencing::step::Call;
use function::handler::Handler;

/// A claim holds for four seconds after its last renewal, which is less than a slow call takes.
async fn short_claims(world: &Memory) -> Handler<&Memory> {
    let mut settings = settings();
    settings.claim = ClaimSettings {
        renew_interval_seconds: 2,
        failure_threshold: 2,
    };
    let handler = Handler::new(settings, world);
    handler.prepare().await;
    handler
}

fn count(world: &Memory, matches: fn(&Call) -> bool) -> usize {
    world.with(|state| state.calls.iter().filter(|(_, call)| matches(call)).count())
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_renewed_while_its_holder_works_and_nobody_does_the_same_calls() {
    let world = Memory::split();
    let (first, second) = (short_claims(&world).await, short_claims(&world).await);
    world.mishap(|call| matches!(call, Call::WriteGroup(_)), Mishap::Dawdles(7), 1);
    world.mishap(
        |call| matches!(call, Call::TakeOffline { .. }),
        Mishap::Dawdles(5),
        1,
    );
    let work = invoke(&first, accusation("site-a", "site-b"));
    let others = async {
        let mut statuses = Vec::new();
        for _ in 0..11 {
            pass(Duration::from_secs(1)).await;
            statuses.push(invoke(&second, accusation("site-a", "site-b")).await.status);
        }
        statuses
    };
    let (done, others) = tokio::join!(work, others);
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(others, [503; 11]);
    assert_eq!(count(&world, |call| matches!(call, Call::WriteGroup(_))), 1);
    assert_eq!(count(&world, |call| matches!(call, Call::TakeOffline { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_died_renews_nothing_and_is_succeeded_after_interval_times_threshold() {
    let world = Memory::split();
    let (first, second) = (short_claims(&world).await, short_claims(&world).await);
    world.mishap(|call| matches!(call, Call::WriteGroup(_)), Mishap::Hangs, 1);
    let died = tokio::time::timeout(
        Duration::from_secs(5),
        invoke(&first, accusation("site-a", "site-b")),
    );
    assert!(died.await.is_err());
    // It renewed at two and at four seconds.
    assert_eq!(invoke(&second, accusation("site-a", "site-b")).await.status, 503);
    pass(Duration::from_secs(4)).await;
    assert_eq!(invoke(&second, accusation("site-a", "site-b")).await.status, 200);
}

/// A claim rests on clocks, and a clock can be wrong by an hour.
#[tokio::test(start_paused = true)]
async fn a_claim_from_a_wrong_clock_binds_nobody() {
    let world = Memory::split();
    let (first, second) = (short_claims(&world).await, short_claims(&world).await);
    world.with(|state| state.wall_offset = jiff::SignedDuration::from_hours(1));
    world.mishap(|call| matches!(call, Call::WriteGroup(_)), Mishap::Hangs, 1);
    let died = tokio::time::timeout(
        Duration::from_secs(1),
        invoke(&first, accusation("site-a", "site-b")),
    );
    assert!(died.await.is_err());
    world.with(|state| state.wall_offset = jiff::SignedDuration::ZERO);
    assert_eq!(invoke(&second, accusation("site-a", "site-b")).await.status, 200);
}

/// Said beside the last write, it would be said twice where that is lost and the schedule completes it, and wrongly where a
/// promotion was first.
#[tokio::test(start_paused = true)]
async fn people_hear_once_that_a_fence_is_complete_and_only_when_that_is_written() {
    let completes =
        |call: &Call| matches!(call, Call::WriteRegister { record, .. } if record.state == State::Complete);
    let said = |world: &Memory| {
        let causes = world.causes().into_iter();
        causes.filter(|cause| *cause == Cause::Completed).count()
    };
    for (mishap, status, at_once) in [(Mishap::Fails, 503, 0), (Mishap::LosesReply, 200, 1)] {
        let world = Memory::split();
        let handler = short_claims(&world).await;
        let times = if at_once == 0 { 9 } else { 1 };
        world.mishap(completes, mishap, times);
        assert_eq!(
            invoke(&handler, accusation("site-a", "site-b")).await.status,
            status
        );
        assert_eq!(said(&world), at_once);
        world.with(|state| state.mishaps.clear());
        pass(Duration::from_secs(60)).await;
        let sweep = serde_json::json!({"sitefence": "sweep"});
        assert_eq!(invoke(&handler, sweep).await.status, 200);
        assert_eq!(said(&world), 1);
    }
}
