//! Who gets in, what a stranger can cause, and what is remembered between two invocations.

use std::time::Duration;

use crate::common::{
    HEALTH_SECRET, Memory, Mishap, PASSWORD, accusation, alert, get, invoke, pass, payload, post, ready,
    settings,
};
use fencing::answer::Cause;
use fencing::contract::Envelope;
use fencing::step::{Call, Task};
use function::event::Incoming;
use function::handler::{Handler, Invocation, Reply};
use function::world::World as _;
use proptest::prelude::*;
use serde_json::{Value, json};

fn reads(world: &Memory) -> u32 {
    world.with(|state| state.secret_reads)
}

fn body() -> String {
    payload("firing", &[alert("firing", "site-a", "site-b")])
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_strangers_causes_no_calls() {
    let world = Memory::split();
    let handler = ready(&world).await;
    assert_eq!(reads(&world), 1);
    pass(Duration::from_secs(120)).await;
    for number in 0..1000 {
        let event = match number % 4 {
            0 => post("keycloak", &number.to_string(), &body()),
            1 => post(&number.to_string(), PASSWORD, &body()),
            2 => {
                json!({"requestContext": {"http": {"method": "POST"}}, "rawPath": "/webhook", "body": body()})
            }
            _ => get(&format!("/health/{number}")),
        };
        let told = invoke(&handler, event).await;
        assert!([401, 403, 404].contains(&told.status), "{told:?}");
        pass(Duration::from_millis(10)).await;
    }
    // Ten seconds of flood: the webhook's secret was read once more, in case it had been rotated; that of the
    // health question for the first time.
    assert_eq!((reads(&world), world.call_count()), (2, 0));
    world.with(|state| {
        assert_eq!((state.health_secret_reads, state.looks.len()), (1, 0));
        assert!(state.published.is_empty(), "strangers are not measured");
    });
    // And a genuine alert beside it is served.
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_secret_is_accepted_at_once_and_the_old_one_no_more() {
    let world = Memory::split();
    let handler = ready(&world).await;
    pass(Duration::from_secs(60)).await;
    world.with(|state| state.secret = Ok(r#"{"username":"alerts","password":"new"}"#.to_owned()));
    assert_eq!(invoke(&handler, post("alerts", "new", &body())).await.status, 200);
    assert_eq!(reads(&world), 2);
    assert_eq!(
        invoke(&handler, post("keycloak", PASSWORD, &body())).await.status,
        403
    );
}

/// A password that was changed because it leaked must not live on in a process that is kept warm.
#[tokio::test(start_paused = true)]
async fn the_schedule_reads_the_secrets_again() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.with(|state| {
        state.secret = Ok("new".to_owned());
        state.health_secret = Ok("new".to_owned());
    });
    invoke(&handler, json!({"sitefence": "sweep"})).await;
    assert_eq!(reads(&world), 2);
    assert_eq!(
        invoke(&handler, post("keycloak", PASSWORD, &body())).await.status,
        403
    );
    let old = format!("/health/{HEALTH_SECRET}");
    assert_eq!(invoke(&handler, get(&old)).await.status, 404);
    assert_eq!(invoke(&handler, get("/health/new")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn without_a_secret_nobody_gets_in_and_the_reason_is_not_shown() {
    for (stored, reason) in [
        (
            Err("AccessDeniedException: arn:secret".to_owned()),
            "AccessDenied",
        ),
        (Ok(String::new()), "empty"),
        (Ok(r#"{"username":"keycloak","password":""}"#.to_owned()), "empty"),
    ] {
        let world = Memory::split();
        world.with(|state| state.secret = stored);
        let handler = ready(&world).await;
        pass(Duration::from_secs(5)).await;
        for password in ["", PASSWORD] {
            pass(Duration::from_secs(2)).await;
            let told = invoke(&handler, post("keycloak", password, &body())).await;
            assert_eq!(told.status, 503);
            assert!(!told.body.contains(reason), "{}", told.body);
        }
        assert_eq!(world.call_count(), 0);
        assert!(
            world
                .causes()
                .iter()
                .all(|cause| *cause == Cause::DependencyFailed)
        );
        // And as soon as it can be read, the next delivery is served.
        world.with(|state| state.secret = Ok(PASSWORD.to_owned()));
        pass(Duration::from_secs(2)).await;
        assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn while_no_secret_is_known_it_is_tried_once_a_second() {
    let world = Memory::split();
    world.with(|state| state.secret = Err("down".to_owned()));
    let handler = Handler::new(settings(), &world);
    for _ in 0..200 {
        assert_eq!(
            invoke(&handler, post("keycloak", "guess", &body())).await.status,
            503
        );
        pass(Duration::from_millis(10)).await;
    }
    assert!((2..=4).contains(&reads(&world)), "{}", reads(&world));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_repeated_for_seconds_without_calls() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.heal();
    let first = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(first.status, 429);
    let calls = world.call_count();
    pass(Duration::from_secs(1)).await;
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await, first);
    assert_eq!(world.call_count(), calls);
    // The other site's alert is another matter, and so is one after Alertmanager's group interval.
    invoke(&handler, accusation("site-b", "site-a")).await;
    assert!(world.call_count() > calls);
    let calls = world.call_count();
    pass(Duration::from_secs(20)).await;
    invoke(&handler, accusation("site-a", "site-b")).await;
    assert!(world.call_count() > calls);
}

/// A process may be frozen between two invocations while its stopwatch stands still.
#[tokio::test(start_paused = true)]
async fn a_refusal_from_before_the_freeze_is_not_repeated() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.heal();
    invoke(&handler, accusation("site-a", "site-b")).await;
    let calls = world.call_count();
    world.with(|state| state.wall_offset = jiff::SignedDuration::from_hours(1));
    invoke(&handler, accusation("site-a", "site-b")).await;
    assert!(world.call_count() > calls);
}

#[tokio::test(start_paused = true)]
async fn an_operators_change_makes_the_next_alert_be_looked_into() {
    let world = Memory::split();
    let handler = ready(&world).await;
    let operate = |task: Value| json!({"sitefence": "operate", "task": task});
    let hold = operate(json!({"task": "hold", "by": "ana", "reason": "maintenance", "until": null}));
    assert_eq!(invoke(&handler, hold).await.status, 200);
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 429);
    assert!(told.body.contains("maintenance"), "{}", told.body);
    assert_eq!(
        invoke(&handler, operate(json!({"task": "release", "by": "ana"})))
            .await
            .status,
        200
    );
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
}

/// The reply to an operator is the answer itself, with what the command has to do next.
#[tokio::test(start_paused = true)]
async fn an_operator_gets_the_answer_as_json() {
    let world = Memory::split();
    let handler = ready(&world).await;
    invoke(&handler, accusation("site-a", "site-b")).await;
    let event = json!({"sitefence": "operate", "task": {"task": "promote", "survivor": "site-b", "by": "ana", "survivor_is_lost": true, "waited": null}});
    let invocation = Invocation {
        request_id: "operator".to_owned(),
        deadline: (&&world).moment().wall + Duration::from_secs(15),
    };
    let reply = handler
        .handle(Incoming::read(event).unwrap(), &invocation)
        .await
        .into_json();
    assert_eq!(
        (&reply["status"], &reply["next"]["do"]),
        (&json!("not-now"), &json!("wait")),
        "{reply}"
    );
    assert_eq!(reply["next"]["seconds"], 30);

    // The command dies. The schedule takes over, once it has itself waited twice the timeout.
    let sweep = || json!({"sitefence": "sweep"});
    assert_eq!(invoke(&handler, sweep()).await.status, 429);
    pass(Duration::from_secs(29)).await;
    assert_eq!(invoke(&handler, sweep()).await.status, 429);
    pass(Duration::from_secs(1)).await;
    let told = invoke(&handler, sweep()).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(world.endpoints(), [crate::common::balancer("site-b")]);
}

#[tokio::test(start_paused = true)]
async fn watchdogs_are_stamped_and_never_fence() {
    let world = Memory::split();
    let handler = ready(&world).await;
    let watchdog = |reporter: &str| {
        json!({"status": "firing", "labels": {
            "alertname": "FencingPathWatchdog", "topology": "keycloak-test", "reporter": reporter, "site": "site-b"
        }})
    };
    let deliver = |alerts: &[Value]| post("keycloak", PASSWORD, &payload("firing", alerts));
    let told = invoke(
        &handler,
        deliver(&[watchdog("site-a"), watchdog("site-a"), watchdog("site-b")]),
    )
    .await;
    assert_eq!(told.status, 200);
    assert_eq!(told.body, "site-a's alert path works\nsite-b's alert path works");
    assert_eq!(
        (world.with(|state| state.stamps.len()), world.call_count()),
        (2, 0)
    );
    // Not stamped is not whole, as far as anybody can tell later.
    world.with(|state| state.stamp_fails = true);
    assert_eq!(invoke(&handler, deliver(&[watchdog("site-a")])).await.status, 503);
    assert_eq!(invoke(&handler, deliver(&[watchdog("site-c")])).await.status, 422);
}

#[tokio::test(start_paused = true)]
async fn a_payload_gets_its_worst_alerts_answer() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.mishap(
        |call| matches!(call, Call::ReadView { .. }),
        Mishap::Fails,
        u32::MAX,
    );
    let mut foreign = alert("firing", "site-a", "site-b");
    foreign["labels"]["topology"] = json!("other");
    let mixed = payload(
        "firing",
        &[
            alert("resolved", "site-b", "site-a"),
            foreign.clone(),
            alert("firing", "site-a", "site-b"),
        ],
    );
    let told = invoke(&handler, post("keycloak", PASSWORD, &mixed)).await;
    assert_eq!(
        (told.status, told.body.lines().count()),
        (503, 2),
        "{}",
        told.body
    );
    let told = invoke(
        &handler,
        post("keycloak", PASSWORD, &payload("firing", &[foreign])),
    )
    .await;
    assert_eq!(told.status, 422);
}

#[tokio::test(start_paused = true)]
async fn alerts_that_were_cut_off_are_not_taken_for_nothing() {
    let world = Memory::split();
    let handler = ready(&world).await;
    let cut =
        json!({"version": "4", "alerts": [alert("resolved", "site-a", "site-b")], "truncatedAlerts": 3});
    let told = invoke(&handler, post("keycloak", PASSWORD, &cut.to_string())).await;
    assert_eq!(told.status, 422);
    assert!(told.body.contains("maxAlerts"), "{}", told.body);
}

#[tokio::test(start_paused = true)]
async fn replies_have_the_form_that_the_function_url_wants() {
    let world = Memory::split();
    let handler = ready(&world).await;
    let invocation = Invocation {
        request_id: "r".to_owned(),
        deadline: (&&world).moment().wall,
    };
    for (event, status, header) in [
        (
            json!({"rawPath": "/webhook", "requestContext": {"http": {"method": "POST"}}}),
            401,
            Some("www-authenticate"),
        ),
        (
            json!({"rawPath": "/webhook", "requestContext": {"http": {"method": "GET"}}}),
            405,
            Some("allow"),
        ),
        (
            json!({"rawPath": "/", "requestContext": {"http": {"method": "GET"}}}),
            404,
            None,
        ),
    ] {
        let reply = handler.handle(Incoming::read(event).unwrap(), &invocation).await;
        assert!(matches!(reply, Reply::Web { .. }));
        let json = reply.into_json();
        assert_eq!(json["statusCode"], status);
        assert!(json["body"].is_string() && json["headers"]["content-type"].is_string());
        if let Some(header) = header {
            assert!(json["headers"][header].is_string(), "{json}");
        }
    }
    assert_eq!(world.call_count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is sent without the right credentials: no call, no panic, nothing of the world is told.
    #[test]
    fn no_unauthenticated_event_causes_a_call(
        path in prop_oneof![Just("/webhook".to_owned()), "/[a-z/]{0,20}"],
        method in prop_oneof![Just("POST"), Just("GET"), Just("PUT")],
        authorization in prop_oneof![Just(None), ".{0,60}".prop_map(Some), "Basic [A-Za-z0-9+/=]{0,60}".prop_map(Some)],
        body in ".{0,200}",
        base64: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = Memory::split();
            let handler = ready(&world).await;
            let mut headers = json!({});
            if let Some(value) = authorization {
                headers["authorization"] = json!(value);
            }
            let event = json!({
                "rawPath": path, "headers": headers, "body": body, "isBase64Encoded": base64,
                "requestContext": {"http": {"method": method}}, "sitefence": "sweep",
            });
            let told = invoke(&handler, event).await;
            assert!([401, 403, 404, 405].contains(&told.status), "{told:?}");
            assert_eq!(world.call_count(), 0);
            assert!(world.with(|state| state.stamps.is_empty() && state.notices.is_empty()));
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_replaces_another_persons_only_when_that_is_asked_for() {
    let world = Memory::split();
    let handler = ready(&world).await;
    let hold = |by: &str, reason: &str, replace: bool| {
        let task = Task::Hold {
            by: by.to_owned(),
            reason: reason.to_owned(),
            until: None,
            replace,
        };
        Envelope::Operate { task }.event()
    };
    let reason = || world.with(|state| state.record.as_ref().unwrap().hold.clone().unwrap().reason);
    invoke(&handler, hold("ana", "the router is being replaced", false)).await;
    let refused = invoke(&handler, hold("ben", "a test", false)).await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(
        refused.body.contains("held by ana") && refused.body.contains("the router is being replaced"),
        "{}",
        refused.body
    );
    assert_eq!(reason(), "the router is being replaced");
    // One's own is changed without asking, and another's when one says so.
    invoke(&handler, hold("ana", "the other router, too", false)).await;
    assert_eq!(reason(), "the other router, too");
    let replaced = invoke(&handler, hold("ben", "a test", true)).await;
    assert_eq!((replaced.status, reason().as_str()), (200, "a test"));
}
