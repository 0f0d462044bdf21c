//! What each minute measures, and what it says of a loss that nobody fences.

use super::*;

#[tokio::test(start_paused = true)]
async fn each_thing_is_measured_once() {
    let world = Memory::split();
    let handler = with_watchdogs(&world).await;
    let watchdogs: Vec<Option<String>> = world.with(|state| {
        let seen = state.published.iter().flatten();
        seen.filter(|one| one.metric == Metric::WatchdogSeen)
            .map(|one| one.site.as_ref().map(ToString::to_string))
            .collect()
    });
    assert_eq!(watchdogs, [Some("site-a".to_owned()), Some("site-b".to_owned())]);
    world.heal();
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 429);
    // The same again is answered without a look, and says nothing new.
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 429);
    assert_eq!(measured(&world, Metric::FenceMilliseconds).len(), 1);

    let held = Record {
        hold: Some(Hold {
            by: "ana".to_owned(),
            reason: "maintenance".to_owned(),
            since: (&&world).moment().wall - Duration::from_secs(4000),
            until: None,
        }),
        ..Record::empty()
    };
    world.with(|state| state.record = Some(held));
    invoke(&handler, sweep()).await;
    let (held, overdue) = (
        measured(&world, Metric::Held)[0],
        measured(&world, Metric::HoldOverdue)[0],
    );
    assert_eq!((held, overdue), (4000, 400));
    assert!(measured(&world, Metric::DecisionAge).is_empty());
    assert_eq!(out_of_order(&world, Level::Warns), ["hold"]);
}

/// A decision that does not get done: its age grows from minute to minute, until it is called stuck.
#[tokio::test(start_paused = true)]
async fn a_decision_that_hangs_grows_older() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.mishap(
        |call| matches!(call, Call::TakeOffline { .. }),
        Mishap::Fails,
        u32::MAX,
    );
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 503);
    for _ in 0..3 {
        pass(Duration::from_secs(55)).await;
        invoke(&handler, sweep()).await;
    }
    let ages = measured(&world, Metric::DecisionAge);
    assert!(ages.is_sorted() && ages[0] < 120 && ages[2] > 120, "{ages:?}");
    fails_by(&ask(&handler).await, "decision");
}

/// A hold forbids the fence; each alert is answered 429, and from the second minute on people hear why. Not before the
/// time until which the hold was meant to last, and not any more once somebody is fenced.
#[tokio::test(start_paused = true)]
async fn a_loss_that_is_not_fenced_is_measured_from_the_second_minute_on() {
    let world = Memory::split();
    let handler = with_watchdogs(&world).await;
    let now = (&&world).moment().wall;
    world.with(|state| {
        state.record = Some(Record {
            rev: fencing::words::Rev(1),
            hold: Some(Hold {
                by: "ana".to_owned(),
                reason: "work on the link".to_owned(),
                since: now,
                until: Some(now + Duration::from_secs(150)),
            }),
            ..Record::empty()
        });
    });
    let mut heard = Vec::new();
    for _ in 0..5 {
        assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 429);
        invoke(&handler, sweep()).await;
        heard.push(measured(&world, Metric::Unfenced).len());
        pass(Duration::from_secs(60)).await;
    }
    assert_eq!(heard, [0, 0, 0, 1, 2]);
    assert!(
        ask(&handler)
            .await
            .body
            .contains("loss warns: site-a has not seen site-b for")
    );
    world.with(|state| {
        let reasons = state
            .published
            .iter()
            .flatten()
            .filter(|one| one.metric == Metric::Unfenced);
        assert!(
            reasons
                .clone()
                .all(|one| one.reason == Some("hold") && one.value >= 180)
        );
        if let Some(record) = &mut state.record {
            record.hold = None;
        }
    });
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    invoke(&handler, sweep()).await;
    assert_eq!(measured(&world, Metric::Unfenced).len(), 2, "somebody is fenced");
}

#[tokio::test(start_paused = true)]
async fn a_site_that_fell_silent_for_three_intervals_is_named() {
    let world = Memory::split();
    world.heal();
    let handler = with_watchdogs(&world).await;
    for minute in 1..=4 {
        pass(Duration::from_secs(59)).await;
        assert_eq!(invoke(&handler, watchdog("site-a")).await.status, 200);
        invoke(&handler, sweep()).await;
        let silent = out_of_order(&world, Level::Warns);
        if minute <= 3 {
            assert!(silent.is_empty(), "{minute}: {silent:?}");
        } else {
            assert_eq!(silent, ["watchdog:site-b"]);
        }
    }
    assert!(ask(&handler).await.body.contains("warnings=watchdog:site-b"));
}
