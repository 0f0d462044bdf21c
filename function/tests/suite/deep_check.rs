//! Watching the watchman, through the handler and against a world in memory.

mod measured;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::common::{
    HEALTH_SECRET, Memory, Mishap, PASSWORD, Sight, Told, accusation, alert, get, invoke, pass, payload,
    post, ready, settings, site,
};
use fencing::health::{Level, Probe, Reach, Refusal, Seen, probes};
use fencing::metrics::Metric;
use fencing::register::{Hold, Record};
use fencing::settings::Settings;
use fencing::step::{Call, Task};
use fencing::words::{Reporter, Suspect};
use function::event::Incoming;
use function::handler::{Handler, Invocation};
use function::run::{Budget, run};
use function::world::World as _;
use proptest::prelude::*;
use serde_json::{Value, json};

fn sweep() -> Value {
    json!({"sitefence": "sweep"})
}

fn watchdog(reporter: &str) -> Value {
    post(
        "keycloak",
        PASSWORD,
        &payload(
            "firing",
            &[json!({"status": "firing", "labels": {
                "alertname": "FencingPathWatchdog", "topology": "keycloak-test", "reporter": reporter,
            }})],
        ),
    )
}

async fn ask(handler: &Handler<&Memory>) -> Told {
    invoke(handler, get(&format!("/health/{HEALTH_SECRET}"))).await
}

/// The answer to a health check names this as the first that fails.
fn fails_by(told: &Told, check: &str) {
    let begins = format!("FENCER-FAILED failing={check} ");
    assert!(told.body.starts_with(&begins), "{}", told.body);
}

fn first_line(told: &Told) -> &str {
    told.body.lines().next().unwrap()
}

/// What the last deep check warns or fails of.
fn out_of_order(world: &Memory, level: Level) -> Vec<String> {
    world.with(|state| {
        let checkup = state.kept.checkup.as_ref().expect("a deep check");
        checkup.at_level(level).map(|check| check.name.clone()).collect()
    })
}

/// What was measured of this so far.
fn measured(world: &Memory, metric: Metric) -> Vec<u64> {
    world.with(|state| {
        state
            .published
            .iter()
            .flatten()
            .filter(|one| one.metric == metric)
            .map(|one| one.value)
            .collect()
    })
}

async fn with_watchdogs(world: &Memory) -> Handler<&Memory> {
    let handler = ready(world).await;
    for reporter in ["site-a", "site-b"] {
        assert_eq!(invoke(&handler, watchdog(reporter)).await.status, 200);
    }
    handler
}

#[tokio::test(start_paused = true)]
async fn each_minute_looks_at_everything_once_and_tells_that_it_is_in_order() {
    let world = Memory::split();
    let handler = with_watchdogs(&world).await;
    assert_eq!(invoke(&handler, sweep()).await.status, 200);
    let looked: Vec<Probe> = world.with(|state| state.looks.iter().map(|(_, probe)| probe.clone()).collect());
    let wanted = probes(&settings());
    assert_eq!(looked.len(), wanted.len());
    assert!(wanted.iter().all(|probe| looked.contains(probe)), "{looked:?}");
    assert!(out_of_order(&world, Level::Fails).is_empty());
    assert!(out_of_order(&world, Level::Warns).is_empty());
    let told = ask(&handler).await;
    assert_eq!(told.body, "FENCER-OK epoch=0 state=open depth=deep\n");
    assert_eq!(measured(&world, Metric::DeepCheckRan), [1]);
    assert_eq!(measured(&world, Metric::DeepCheckFailures), [0]);
}

/// Invariant I11: whatever state the world is in, looking at it changes nothing.
#[tokio::test(start_paused = true)]
async fn looking_changes_nothing() {
    let worlds: [fn(&Memory); 5] = [
        |_| {},
        Memory::heal,
        |world| world.take_out("site-b"),
        |world| world.with(|state| state.sights.push((|_| true, Sight::Fault("out of order")))),
        |world| {
            world.with(|state| {
                state
                    .sights
                    .push((|probe| matches!(probe, Probe::Infinispan { .. }), Sight::Hangs));
            });
        },
    ];
    for fenced in [false, true] {
        for change in worlds {
            let world = Memory::split();
            let handler = ready(&world).await;
            if fenced {
                invoke(&handler, accusation("site-a", "site-b")).await;
            }
            // Whatever the schedule has to put right is put right first.
            change(&world);
            invoke(&handler, sweep()).await;
            let (effects, looks) = world.with(|state| (state.effects.len(), state.looks.len()));
            let before =
                world.with(|state| (state.groups.clone(), state.backups.clone(), state.record.clone()));
            for _ in 0..3 {
                pass(Duration::from_secs(60)).await;
                invoke(&handler, sweep()).await;
                ask(&handler).await;
            }
            world.with(|state| {
                assert_eq!(state.effects.len(), effects);
                assert!(state.looks.len() > looks);
                assert!(before == (state.groups.clone(), state.backups.clone(), state.record.clone()));
            });
        }
    }
}

/// A fence waits for nobody's health: the first look begins after the last effect, and looks that hang leave
/// the answer in time.
#[tokio::test(start_paused = true)]
async fn looking_never_delays_a_fence() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.mishap(
        |call| matches!(call, Call::TakeOffline { .. }),
        Mishap::Fails,
        u32::MAX,
    );
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 503);
    world.with(|state| {
        state.sights.push((|_| true, Sight::Hangs));
        state.effects.clear();
        state.mishaps.clear();
    });
    let began = world.uptime();
    assert_eq!(invoke(&handler, sweep()).await.status, 200);
    world.with(|state| {
        let last = state.effects.iter().map(|(at, _)| *at).max().expect("a fence");
        let first = state.looks.iter().map(|(at, _)| *at).min().expect("looks");
        assert!(first >= last, "{first:?} {last:?}");
        assert!((last - began).as_millis() < 100);
    });
    assert!(world.uptime() - began < Duration::from_secs(15));
    assert!(
        world.with(|state| state.kept.checkup.is_some()),
        "what hangs is told as hanging"
    );
}

#[tokio::test(start_paused = true)]
async fn without_time_there_is_no_result_instead_of_a_wrong_one() {
    let world = Memory::split();
    let handler = ready(&world).await;
    let invocation = Invocation {
        request_id: "late".to_owned(),
        deadline: (&&world).moment().wall + Duration::from_millis(2500),
    };
    handler
        .handle(Incoming::read(sweep()).unwrap(), &invocation)
        .await;
    world.with(|state| assert!(state.looks.is_empty() && state.kept.checkup.is_none()));
    assert!(measured(&world, Metric::DeepCheckRan).is_empty());
    let told = ask(&handler).await;
    assert_eq!(told.status, 503);
    assert!(first_line(&told).contains("failing=deep-check"), "{}", told.body);
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_order_is_named_within_a_minute() {
    type Row = (fn(&Probe) -> bool, Sight, u16, &'static str);
    let rows: [Row; 6] = [
        (
            |probe| matches!(probe, Probe::Infinispan { .. }),
            Sight::Of(Seen::Infinispan(Reach::Refuses(
                Refusal::Credentials,
                "it does not accept user `developer`".to_owned(),
            ))),
            503,
            "FENCER-FAILED failing=infinispan:site-a,infinispan:site-b ",
        ),
        (
            |probe| matches!(probe, Probe::Infinispan { at, .. } if at.as_str() == "site-b"),
            Sight::Hangs,
            200,
            "FENCER-OK epoch=0 state=open depth=deep degraded=site-b warnings=infinispan:site-b",
        ),
        (
            |probe| matches!(probe, Probe::Infinispan { .. }),
            Sight::Hangs,
            503,
            "FENCER-FAILED failing=infinispan:site-a,infinispan:site-b ",
        ),
        (
            |probe| *probe == Probe::InfinispanSecret,
            Sight::Fault("AccessDeniedException"),
            503,
            "FENCER-FAILED failing=infinispan-secret ",
        ),
        (
            |probe| *probe == Probe::RegisterWrite,
            Sight::Fault("ResourceNotFoundException"),
            503,
            "FENCER-FAILED failing=register-write ",
        ),
        (
            |probe| *probe == Probe::Subscriptions,
            Sight::Of(Seen::Subscriptions {
                confirmed: 0,
                pending: 1,
            }),
            200,
            "FENCER-OK epoch=0 state=open depth=deep warnings=notifications",
        ),
    ];
    for (sees, sight, status, line) in rows {
        let world = Memory::split();
        world.heal();
        let handler = with_watchdogs(&world).await;
        invoke(&handler, sweep()).await;
        assert_eq!(ask(&handler).await.status, 200);
        world.with(|state| state.sights.push((sees, sight)));
        pass(Duration::from_secs(60)).await;
        invoke(&handler, sweep()).await;
        let told = ask(&handler).await;
        assert_eq!(told.status, status, "{}", told.body);
        assert!(told.body.starts_with(line), "{}", told.body);
        // And in order again a minute later.
        world.with(|state| state.sights.clear());
        pass(Duration::from_secs(60)).await;
        invoke(&handler, sweep()).await;
        assert_eq!(ask(&handler).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_be_read_any_more_is_named_although_it_is_remembered() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.with(|state| state.secret = Err("AccessDeniedException".to_owned()));
    invoke(&handler, sweep()).await;
    fails_by(&ask(&handler).await, "webhook-secret");
    // What is remembered still lets a fence happen.
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_grew_old_is_none() {
    let world = Memory::split();
    let handler = ready(&world).await;
    invoke(&handler, sweep()).await;
    pass(Duration::from_secs(170)).await;
    assert_eq!(ask(&handler).await.status, 200);
    pass(Duration::from_secs(20)).await;
    fails_by(&ask(&handler).await, "deep-check");
}

#[tokio::test(start_paused = true)]
async fn a_register_that_hangs_is_reported_in_time() {
    let world = Memory::split();
    let handler = ready(&world).await;
    invoke(&handler, sweep()).await;
    world.mishap(|call| matches!(call, Call::ReadRegister), Mishap::Hangs, 1);
    let began = world.uptime();
    fails_by(&ask(&handler).await, "register");
    assert!(
        world.uptime() - began < Duration::from_secs(2),
        "Route 53 has hung up"
    );
}

/// Who does not know the secret is told what every wrong path is told, and neither takes time nor costs a call.
#[tokio::test(start_paused = true)]
async fn strangers_learn_nothing_and_take_no_time() {
    let world = Memory::split();
    let handler = ready(&world).await;
    invoke(&handler, sweep()).await;
    let (calls, looks) = world.with(|state| (state.calls.len(), state.looks.len()));
    let began = world.uptime();
    let right = format!("/health/{HEALTH_SECRET}");
    let mut events = vec![
        get("/"),
        get("/health"),
        get("/health/"),
        get("/health/guess"),
        get(&right[..20]),
    ];
    for path in [
        format!("{right}/"),
        format!("{right}x"),
        format!("/{right}"),
        right.to_uppercase(),
    ] {
        events.push(get(&path));
    }
    for method in ["POST", "HEAD", "PUT"] {
        let mut event = get(&right);
        event["requestContext"]["http"]["method"] = json!(method);
        events.push(event);
    }
    let told: BTreeSet<(u16, String)> = {
        let mut told = BTreeSet::new();
        for event in events {
            let one = invoke(&handler, event).await;
            told.insert((one.status, one.body));
        }
        told
    };
    assert_eq!(told, [(404, "there is nothing here".to_owned())].into());
    assert_eq!(world.uptime(), began, "somebody was waited for");
    world.with(|state| assert_eq!((state.calls.len(), state.looks.len()), (calls, looks)));
    assert_eq!(ask(&handler).await.status, 200);
}

/// A hundred strangers a second and one alert: the strangers take no time, so the alert is served as if it
/// were alone, even where all of them stand in one line.
#[tokio::test(start_paused = true)]
async fn a_flood_does_not_keep_an_alert_from_being_served() {
    async fn served_after(strangers: u32) -> (Duration, usize) {
        let world = Memory::split();
        let handler = ready(&world).await;
        invoke(&handler, sweep()).await;
        let began = world.uptime();
        for number in 0..strangers {
            let event = match number % 3 {
                0 => get(&format!("/health/{number}")),
                1 => post("keycloak", &number.to_string(), "{}"),
                _ => get("/.env"),
            };
            invoke(&handler, event).await;
        }
        assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
        (world.uptime() - began, world.call_count())
    }
    assert_eq!(served_after(3000).await, served_after(0).await);
}

#[tokio::test(start_paused = true)]
async fn a_health_secret_that_cannot_be_read_admits_nobody() {
    for stored in [Err("AccessDeniedException".to_owned()), Ok(String::new())] {
        let world = Memory::split();
        world.with(|state| state.health_secret = stored);
        let handler = ready(&world).await;
        for path in ["/health/", "/health/guess", &format!("/health/{HEALTH_SECRET}")] {
            assert_eq!(invoke(&handler, get(path)).await.status, 404);
        }
        // It is tried once a second, and as soon as it can be read, whoever knows it is answered.
        world.with(|state| state.health_secret = Ok(HEALTH_SECRET.to_owned()));
        pass(Duration::from_secs(1)).await;
        assert!(
            ask(&handler)
                .await
                .body
                .starts_with("FENCER-FAILED failing=deep-check")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_fails_the_answer_and_ends_by_itself() {
    let world = Memory::split();
    let handler = ready(&world).await;
    let drill = |seconds: u32| json!({"sitefence": "drill", "task": {"task": "fail-health", "by": "ana", "seconds": seconds}});
    invoke(&handler, sweep()).await;
    let told = invoke(&handler, drill(120)).await;
    assert_eq!(told.status, 200);
    assert!(
        told.body.contains("ana") && told.body.contains("2026-11-21T10:02:0"),
        "{}",
        told.body
    );
    let told = ask(&handler).await;
    assert_eq!(told.status, 503);
    assert!(
        told.body.starts_with("FENCER-FAILED failing=forced "),
        "{}",
        told.body
    );
    // Deep checks go on and do not end it, and nothing else is touched by it: an alert is served.
    pass(Duration::from_secs(60)).await;
    invoke(&handler, sweep()).await;
    assert_eq!(ask(&handler).await.status, 503);
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    pass(Duration::from_secs(60)).await;
    assert_eq!(ask(&handler).await.status, 200);
    // One can end it earlier, and nobody can make it last a day.
    invoke(&handler, drill(86_400)).await;
    assert_eq!(ask(&handler).await.status, 503);
    let until = world.with(|state| state.kept.forced.as_ref().unwrap().until);
    assert!(until <= (&&world).moment().wall + Duration::from_secs(3600));
    invoke(&handler, drill(0)).await;
    assert_eq!(ask(&handler).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_share_of_answers_is_shallow() {
    let world = Memory::split();
    let settings = Settings {
        deep_percent: 50,
        ..settings()
    };
    let handler = Handler::new(settings, &world);
    handler.prepare().await;
    let mut depths = BTreeSet::new();
    for number in 0..40 {
        let invocation = Invocation {
            request_id: format!("8f5e7a1c-0000-4d0e-9c1b-{number:012}"),
            deadline: (&&world).moment().wall + Duration::from_secs(15),
        };
        let event = Incoming::read(get(&format!("/health/{HEALTH_SECRET}"))).unwrap();
        let reply = handler.handle(event, &invocation).await.into_json();
        // No deep check has run yet: only the shallow answers are good.
        let body = reply["body"].as_str().unwrap();
        assert_eq!(
            reply["statusCode"] == 200,
            body.contains("depth=shallow"),
            "{body}"
        );
        depths.insert(body.contains("depth=deep"));
    }
    assert_eq!(depths.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a watchdog's labels say, in whatever company: it never fences.
    #[test]
    fn a_watchdog_never_fences(
        topology in prop_oneof![Just("keycloak-test".to_owned()), "[a-z]{0,8}"],
        reporter in prop_oneof![Just("site-a"), Just("site-b"), Just("site-c"), Just("")],
        suspect in prop_oneof![Just(None), Just(Some("site-a")), Just(Some("site-b"))],
        status in prop_oneof![Just("firing"), Just("resolved")],
        label in "(severity|action|fence|alertname2|site_offline)",
        value in prop_oneof![Just("SiteOffline".to_owned()), ".{0,12}"],
        resolved_beside: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = Memory::split();
            let handler = ready(&world).await;
            let mut labels = json!({
                "alertname": "FencingPathWatchdog", "topology": topology, "reporter": reporter, label: value,
            });
            if let Some(suspect) = suspect {
                labels["site"] = json!(suspect);
            }
            let mut alerts = vec![json!({"status": status, "labels": labels})];
            if resolved_beside {
                alerts.push(alert("resolved", "site-a", "site-b"));
            }
            let told = invoke(&handler, post("keycloak", PASSWORD, &payload("firing", &alerts))).await;
            assert!([200, 422].contains(&told.status), "{told:?}");
            assert_eq!((world.call_count(), world.effect_count()), (0, 0));
            assert_eq!(world.endpoints().len(), 2);
            world.with(|state| {
                assert!(state.record.is_none());
                assert_eq!(state.backups[&site("site-a")], fencing::replication::Backup::Online);
            });
        });
    }
}

/// Whoever finds another request at work comes again, and nothing has failed.
#[tokio::test(start_paused = true)]
async fn what_failed_last_is_kept_and_that_another_is_at_work_is_no_failure() {
    let world = Memory::split();
    let last_failure = |world: &Memory| {
        world.with(|state| {
            state
                .kept
                .checkup
                .as_ref()
                .and_then(|checkup| checkup.last_failure.clone())
        })
    };
    world.second_relay_nodes();
    let handler = ready(&world).await;
    {
        let task = Task::Alert {
            reporter: Reporter(site("site-a")),
            suspect: Suspect(site("site-b")),
            since: None,
        };
        let now = (&world).moment();
        let budget = Budget::new(now, now.wall + Duration::from_secs(15), Duration::from_secs(15));
        let (settings, outside) = (settings(), &world);
        let other = run(&settings, &outside, "another", task, budget);
        assert!(
            tokio::time::timeout(Duration::from_millis(25), other)
                .await
                .is_err()
        );
    }
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert!(
        told.status == 503 && told.body.contains("request another is at work on it"),
        "{}",
        told.body
    );
    invoke(&handler, sweep()).await;
    assert_eq!(last_failure(&world), None);

    pass(Duration::from_mins(2)).await;
    world.mishap(|call| matches!(call, Call::WriteGroup(_)), Mishap::Fails, 1);
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 503, "{}", told.body);
    invoke(&handler, sweep()).await;
    let failure = last_failure(&world).unwrap();
    assert!(
        failure.sentence.ends_with("the accelerator: out of order"),
        "{failure:?}"
    );
}
