//! A site is suspected: the function looks for itself before it decides, and leaves everything else to `SiteOffline`.

use std::time::Duration;

use fencing::accelerator::Health;
use fencing::metrics::Metric;
use fencing::register::{Hold, Record, State};
use fencing::settings::{Mode, Settings};
use fencing::step::Call;
use fencing::words::Rev;
use function::handler::Handler;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::common::{
    Memory, Mishap, PASSWORD, Told, accusation, alert, invoke, pass, payload, post, ready, settings, site,
};

fn suspected(status: &str, reporter: &str, suspect: &str, since: Timestamp) -> Value {
    let mut alert = alert(status, reporter, suspect);
    alert["labels"]["alertname"] = json!("SiteSuspected");
    alert["startsAt"] = json!(since.to_string());
    alert
}

fn posted(alert: Value) -> Value {
    post("keycloak", PASSWORD, &payload("firing", &[alert]))
}

fn sweep() -> Value {
    json!({"sitefence": "sweep"})
}

/// The link was whole when the minute's check looked, and is lost now.
async fn just_lost(world: &Memory) -> Handler<&Memory> {
    world.heal();
    world.second_relay_nodes();
    lost_now(world).await
}

async fn lost_now(world: &Memory) -> Handler<&Memory> {
    let handler = ready(world).await;
    assert_eq!(invoke(&handler, sweep()).await.status, 200);
    world.lose();
    world.with(|state| state.calls.clear());
    handler
}

async fn suspect(handler: &Handler<&Memory>) -> Told {
    let since = handler.world().moment_of_wall();
    invoke(handler, posted(suspected("firing", "site-a", "site-b", since))).await
}

fn count(world: &Memory, which: fn(&Call) -> bool) -> usize {
    world.with(|state| state.calls.iter().filter(|(_, call)| which(call)).count())
}

fn looks(world: &Memory) -> usize {
    count(world, |call| matches!(call, Call::ReadView { .. }))
}

/// What has to be so of everything that is left to the alert.
fn nothing_was_done(world: &Memory, told: &Told, why: &str) {
    assert_eq!(told.status, 200, "{told:?}");
    assert!(
        told.body.starts_with("left to SiteOffline: ") && told.body.contains(why),
        "{told:?}"
    );
    assert_eq!(count(world, Call::writes), 0);
    world.with(|state| assert!(state.notices.is_empty(), "{:?}", state.notices));
}

#[tokio::test(start_paused = true)]
async fn a_site_that_is_missed_all_along_is_fenced() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    let began = world.uptime();
    let told = suspect(&handler).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert!(told.body.starts_with("fenced site-b"), "{told:?}");
    let record = world.with(|state| state.record.clone().unwrap());
    let decision = record.decision.unwrap();
    assert_eq!(decision.by, "site-a's suspicion");
    assert_eq!(
        decision.evidence,
        "site-a suspects it and did not see it in 4 checks over 5 seconds, both endpoints present"
    );
    assert!(decision.alerted_at.is_some());
    let first_write = world
        .with(|state| state.effects.first().map(|(at, _)| *at))
        .unwrap();
    let waited = first_write - began;
    // Five seconds, four looks, the age, the write.
    assert!(
        (Duration::from_secs(5)..Duration::from_millis(5200)).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn time_that_has_passed_before_it_arrives_counts_and_no_more_than_two_seconds_of_it() {
    for (before, waits) in [
        (0, 5001),
        (700, 4302),
        (1500, 3500),
        (7_200_000, 3000),
        (-7_200_000, 5001),
    ] {
        let world = Memory::split();
        let handler = just_lost(&world).await;
        let since = world.moment_of_wall() - jiff::SignedDuration::from_millis(before);
        let alert = suspected("firing", "site-a", "site-b", since);
        assert_eq!(invoke(&handler, posted(alert)).await.status, 200);
        let decided = world.with(|state| state.record.clone().unwrap().decision.unwrap().decided_at);
        let looked = decided.duration_since(since).as_millis() - i128::from(before);
        assert!((waits..waits + 200).contains(&looked), "{before}: {looked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_site_that_is_seen_again_is_left_alone() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    let heals = async {
        pass(Duration::from_millis(1500)).await;
        world.heal();
    };
    let (told, ()) = tokio::join!(suspect(&handler), heals);
    nothing_was_done(&world, &told, "site-a sees site-b");
    assert_eq!(looks(&world), 2);
}

/// Relay nodes notice a loss some seconds apart. One that objected may only have been silent once, so that two looks in a
/// row have to find it agreeing.
#[tokio::test(start_paused = true)]
async fn another_relay_node_that_still_sees_it_has_until_the_last_but_one_look() {
    for (notices_after, fences) in [(3000, true), (5000, true), (6500, false), (9000, false)] {
        let world = Memory::split();
        let handler = just_lost(&world).await;
        world.with(|state| state.another_sees = true);
        let notices = async {
            pass(Duration::from_millis(notices_after)).await;
            world.with(|state| state.another_sees = false);
        };
        let (told, ()) = tokio::join!(suspect(&handler), notices);
        if fences {
            assert!(
                told.body.starts_with("fenced site-b"),
                "{notices_after}: {told:?}"
            );
        } else {
            nothing_was_done(&world, &told, "another one of its relay nodes does");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_just_become_the_relay_node_convicts_nobody() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    world.heal();
    world.replace_relay("site-a", "n2");
    let told = suspect(&handler).await;
    nothing_was_done(&world, &told, "n2, was not seen with site-b in view");
    assert_eq!(looks(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_that_becomes_it_in_between() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    let replaced = async {
        pass(Duration::from_secs(3)).await;
        world.replace_relay("site-a", "n2");
    };
    let (told, ()) = tokio::join!(suspect(&handler), replaced);
    nothing_was_done(&world, &told, "changed from n1 to n2 during the check");
}

/// It has its old name, and has not joined the bridge yet.
#[tokio::test(start_paused = true)]
async fn nor_does_one_that_was_restarted() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    world.with(|state| state.started.insert(site("site-a"), world.uptime()));
    let told = suspect(&handler).await;
    nothing_was_done(
        &world,
        &told,
        "n1 was restarted 5 seconds ago, and has not been seen with site-b in view since",
    );
}

/// Each of its restarts takes it out of view for longer than a suspicion lasts.
#[tokio::test(start_paused = true)]
async fn a_site_of_one_relay_node_is_left_to_the_alert() {
    let world = Memory::split();
    world.heal();
    let handler = lost_now(&world).await;
    let told = suspect(&handler).await;
    nothing_was_done(&world, &told, "site-b has only one relay node");
    assert_eq!(looks(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_check_saw_long_ago_does_not_count() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    pass(Duration::from_secs(181)).await;
    let told = suspect(&handler).await;
    nothing_was_done(&world, &told, "it is not known how many relay nodes site-b has");
}

/// The check that comes in between sees the loss, and does not forget what the one before saw.
#[tokio::test(start_paused = true)]
async fn a_check_that_sees_the_loss_first_does_not_hinder() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    pass(Duration::from_secs(60)).await;
    assert_eq!(invoke(&handler, sweep()).await.status, 200);
    let told = suspect(&handler).await;
    assert!(told.body.starts_with("fenced site-b"), "{told:?}");
}

/// Each answers an alert with a 429, and there is nothing to be waited for.
#[tokio::test(start_paused = true)]
async fn what_keeps_an_alert_from_a_decision_is_no_failure_of_a_suspicion() {
    type Change = fn(&Memory);
    let changes: [(Change, &str); 4] = [
        (
            |world| {
                world.with(|state| {
                    state.record = Some(Record {
                        rev: Rev(3),
                        hold: Some(Hold {
                            by: "ana".to_owned(),
                            reason: "works on the network".to_owned(),
                            since: Timestamp::UNIX_EPOCH,
                            until: None,
                        }),
                        ..Record::empty()
                    });
                });
            },
            "held by ana",
        ),
        (
            |world| {
                let until = world.moment_of_wall() + Duration::from_secs(30);
                world.with(|state| {
                    state.record = Some(Record {
                        rev: Rev(3),
                        cooldown_until: Some(until),
                        ..Record::empty()
                    });
                });
            },
            "no new decision before",
        ),
        (
            |world| world.with(|state| state.groups[0].endpoints[0].health = Health::Unhealthy),
            "site-b would not be fenced",
        ),
        (|world| world.take_out("site-a"), "site-b would not be fenced"),
    ];
    for (change, why) in changes {
        let world = Memory::split();
        let handler = just_lost(&world).await;
        change(&world);
        let told = suspect(&handler).await;
        nothing_was_done(&world, &told, why);
        assert_eq!(looks(&world), 1, "{why}");
        // And the alert is refused as ever, not taken for a repetition.
        let told = invoke(&handler, accusation("site-a", "site-b")).await;
        assert_eq!(told.status, 429, "{told:?}");
        // Which the suspicion is not taken for, either.
        let told = suspect(&handler).await;
        assert_eq!(told.status, 200, "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_is_put_on_while_it_looks_holds() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    let holds = async {
        pass(Duration::from_secs(3)).await;
        let hold = json!({"sitefence": "operate", "task": {
            "task": "hold", "by": "ana", "reason": "works on the network", "until": null,
        }});
        assert_eq!(invoke(&handler, hold).await.status, 200);
    };
    let (told, ()) = tokio::join!(suspect(&handler), holds);
    assert_eq!(told.status, 200, "{told:?}");
    assert!(told.body.contains("held by ana"), "{told:?}");
    assert_eq!(
        world.with(|state| state.record.clone().unwrap().state),
        State::Open
    );
}

#[tokio::test(start_paused = true)]
async fn both_sites_suspect_each_other_and_one_survives() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    let since = world.moment_of_wall();
    let (first, second) = tokio::join!(
        invoke(&handler, posted(suspected("firing", "site-a", "site-b", since))),
        invoke(&handler, posted(suspected("firing", "site-b", "site-a", since))),
    );
    // One has decided; the other one finds it at work, and comes again.
    assert!(
        matches!((first.status, second.status), (200, 200 | 503) | (503, 200)),
        "{first:?} {second:?}"
    );
    let record = world.with(|state| state.record.clone().unwrap());
    assert_eq!((record.epoch.0, record.state), (1, State::Complete));
    assert_eq!(world.endpoints().len(), 1);
    let again = invoke(&handler, posted(suspected("firing", "site-b", "site-a", since))).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(world.with(|state| state.record.clone().unwrap().epoch.0), 1);
}

/// One Alertmanager may serve both sites, and send both in one delivery.
#[tokio::test(start_paused = true)]
async fn of_two_suspicions_in_a_delivery_one_is_looked_into() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    let now = world.moment_of_wall();
    let both = [
        suspected("firing", "site-a", "site-b", now),
        suspected("firing", "site-b", "site-a", now),
    ];
    let told = invoke(&handler, post("keycloak", PASSWORD, &payload("firing", &both))).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert!(told.body.starts_with("fenced site-b"), "{told:?}");
    assert!(
        told.body
            .contains("left to SiteOffline: it came together with another"),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_alert_that_comes_while_it_looks_decides_as_ever() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    let alert = async {
        pass(Duration::from_secs(2)).await;
        invoke(&handler, accusation("site-a", "site-b")).await
    };
    let (told, alerted) = tokio::join!(suspect(&handler), alert);
    assert!(alerted.body.starts_with("fenced site-b"), "{alerted:?}");
    assert!(told.body.contains("site-b is fenced, epoch 1"), "{told:?}");
    let decision = world.with(|state| state.record.clone().unwrap().decision.unwrap());
    assert_eq!(decision.by, "site-a's alert");
}

#[tokio::test(start_paused = true)]
async fn what_fails_meanwhile_is_left_to_the_alert_but_for_register_and_accelerator() {
    type Which = fn(&Call) -> bool;
    let rows: [(Which, Mishap, u16, &str); 6] = [
        (
            |call| matches!(call, Call::ReadView { .. }),
            Mishap::Fails,
            200,
            "site-a's Infinispan",
        ),
        (
            |call| matches!(call, Call::ReadView { .. }),
            Mishap::Hangs,
            200,
            "no answer within",
        ),
        (
            |call| matches!(call, Call::ReadWitnesses),
            Mishap::Fails,
            200,
            "the register",
        ),
        (
            |call| matches!(call, Call::ReadAge { .. }),
            Mishap::Fails,
            200,
            "site-a's Infinispan",
        ),
        (
            |call| *call == Call::ReadRegister,
            Mishap::Fails,
            503,
            "the register",
        ),
        (
            |call| *call == Call::ReadAccelerator,
            Mishap::Fails,
            503,
            "the accelerator",
        ),
    ];
    for (which, mishap, status, why) in rows {
        let world = Memory::split();
        let handler = just_lost(&world).await;
        world.mishap(which, mishap, 1);
        let told = suspect(&handler).await;
        assert_eq!(told.status, status, "{told:?}");
        assert!(told.body.contains(why), "{told:?}");
        assert_eq!(
            told.body.starts_with("left to SiteOffline: "),
            status == 200,
            "{told:?}"
        );
        assert_eq!(count(&world, Call::writes), 0, "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_to_be_done_it_says_what_would_be() {
    let world = Memory::split();
    drop(just_lost(&world).await);
    let handler = Handler::new(
        Settings {
            mode: Mode::Observe,
            ..settings()
        },
        &world,
    );
    let told = suspect(&handler).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert!(
        told.body.starts_with("would fence site-b: site-a suspects it"),
        "{told:?}"
    );
    assert_eq!(count(&world, Call::writes), 0);
    assert_eq!(looks(&world), 4);
}

/// As an older `provision` has it, and as a topology may: then it is an alert of somebody else's.
#[tokio::test(start_paused = true)]
async fn where_it_is_switched_off_it_causes_no_call() {
    for (seconds, body) in [
        (0, "there is nothing to do: 0 resolved, 1 of other names"),
        (
            30,
            "left to SiteOffline: a check of 30 seconds and a fence do not fit into the function's timeout of 15 \
             seconds",
        ),
    ] {
        let world = Memory::split();
        drop(just_lost(&world).await);
        let handler = Handler::new(
            Settings {
                suspicion_seconds: seconds,
                ..settings()
            },
            &world,
        );
        let told = suspect(&handler).await;
        assert_eq!((told.status, told.body.as_str()), (200, body));
        assert_eq!(world.call_count(), 0);
    }
}

fn ended(since: Timestamp, seconds: i64) -> Value {
    let mut alert = suspected("resolved", "site-a", "site-b", since);
    alert["endsAt"] = json!((since + jiff::SignedDuration::from_secs(seconds)).to_string());
    posted(alert)
}

fn near(world: &Memory) -> Vec<(u64, Option<String>)> {
    world.with(|state| {
        let kept = state.near.get(&site("site-a"));
        let misses = kept.iter().flat_map(|kept| &kept.misses);
        misses.map(|miss| (miss.seconds(), miss.looked.clone())).collect()
    })
}

fn measured(world: &Memory) -> Vec<u64> {
    world.with(|state| {
        let all = state.published.iter().flatten();
        let near = all.filter(|one| one.metric == Metric::NearMiss);
        near.map(|one| one.value).collect()
    })
}

#[tokio::test(start_paused = true)]
async fn a_suspicion_that_ends_by_itself_is_a_near_miss_and_counts_once() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    let since = world.moment_of_wall();
    let heals = async {
        pass(Duration::from_secs(3)).await;
        world.heal();
    };
    let (told, ()) = tokio::join!(suspect(&handler), heals);
    assert_eq!(told.status, 200);
    for _ in 0..2 {
        let told = invoke(&handler, ended(since, 8)).await;
        assert_eq!(told.status, 200, "{told:?}");
        assert!(told.body.contains("did not see site-b for 8 seconds"), "{told:?}");
    }
    let looked = "left to SiteOffline: site-a sees site-b again".to_owned();
    assert_eq!(near(&world), [(8, Some(looked))]);
    assert_eq!(measured(&world), [8]);
    assert_eq!(count(&world, Call::writes), 0);
    world.with(|state| assert!(state.notices.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn what_was_fenced_is_no_near_miss() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    let since = world.moment_of_wall();
    assert!(suspect(&handler).await.body.starts_with("fenced site-b"));
    let told = invoke(&handler, ended(since, 60)).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert!(near(&world).is_empty() && measured(&world).is_empty());
}

/// It is a statistic: nobody has to send it again.
#[tokio::test(start_paused = true)]
async fn a_near_miss_that_cannot_be_kept_is_answered_200() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    world.with(|state| state.near_fails = true);
    let told = invoke(&handler, ended(world.moment_of_wall(), 8)).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(measured(&world), [8]);
    world.mishap(|call| *call == Call::ReadRegister, Mishap::Fails, 1);
    let told = invoke(&handler, ended(world.moment_of_wall(), 8)).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(measured(&world), [8]);
}

/// Of resolved alerts only a suspicion's is looked into.
#[tokio::test(start_paused = true)]
async fn the_end_of_any_other_alert_causes_no_call() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    let resolved = alert("resolved", "site-a", "site-b");
    let mut foreign = suspected("resolved", "site-a", "site-b", world.moment_of_wall());
    foreign["labels"]["topology"] = json!("another");
    let mut timeless = suspected("resolved", "site-a", "site-b", world.moment_of_wall());
    timeless["endsAt"] = json!("soon");
    for alert in [resolved, foreign, timeless] {
        let told = invoke(&handler, posted(alert)).await;
        assert_eq!(told.status, 200, "{told:?}");
        assert_eq!(world.call_count(), 0);
    }
}

/// What real servers showed: the primary is killed, and a pod of its name starts before its site has missed it. That is a
/// site of its own, which sees nobody, until it is let in; `SiteOffline` fires long before.
#[tokio::test(start_paused = true)]
async fn a_node_that_its_own_site_has_shut_out_convicts_nobody_by_an_alert_either() {
    let world = Memory::split();
    let handler = just_lost(&world).await;
    world.replace_relay("site-a", "n1");
    world.with(|state| state.started.insert(site("site-a"), world.uptime()));
    pass(Duration::from_secs(25)).await;
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 429, "{told:?}");
    assert!(
        told.body.contains(
            "site-a's primary relay node n1 does not see site-b, but it was started 25 seconds ago and knows of no other \
             relay node"
        ),
        "{told:?}"
    );
    assert_eq!(world.effect_count(), 0);
    pass(Duration::from_secs(94)).await;
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 429, "{told:?}");
    // It was let in, and the link is whole; or it is the only one, and the loss lasts.
    pass(Duration::from_secs(20)).await;
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 200, "{told:?}");
    let state = world.with(|state| state.record.as_ref().map(|record| record.state));
    assert_eq!(state, Some(State::Complete));
}

/// Whether a lost site is fenced must not depend on statistics.
#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_say_how_long_it_has_been_running_is_believed_by_the_alert() {
    for mishap in [Mishap::Fails, Mishap::Hangs] {
        let world = Memory::split();
        let handler = just_lost(&world).await;
        world.replace_relay("site-a", "n1");
        world.with(|state| state.started.insert(site("site-a"), world.uptime()));
        world.mishap(|call| matches!(call, Call::ReadAge { .. }), mishap, 1);
        let told = invoke(&handler, accusation("site-a", "site-b")).await;
        assert_eq!(told.status, 200, "{told:?}");
        assert_eq!(count(&world, |call| matches!(call, Call::ReadAge { .. })), 1);
    }
}
