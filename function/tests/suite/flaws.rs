//! What was wrong with the function this one replaces: each line is a test.

use std::time::Duration;

use crate::common::{
    ACCELERATOR, Memory, Mishap, PASSWORD, accusation, alert, balancer, invoke, pass, payload, post, ready,
    settings, site,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fencing::accelerator::{Endpoint, EndpointConfig, Group, Health};
use fencing::answer::Cause;
use fencing::register::State;
use fencing::replication::{Backup, CacheFailure};
use fencing::step::Call;
use function::handler::Handler;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_lost_site_is_fenced_and_the_sentence_says_why() {
    let world = Memory::split();
    let handler = ready(&world).await;
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 200);
    assert_eq!(
        told.body,
        "fenced site-b: site-a reports it offline and does not see it, both endpoints present, epoch 1"
    );
    assert_eq!(world.endpoints(), [balancer("site-a")]);
    assert_eq!(
        (world.backup("site-a"), world.backup("site-b")),
        (Backup::Offline, Backup::Online)
    );
    // The survivor keeps its own configuration.
    world.with(|state| assert_eq!(state.groups[0].endpoints[0].config.weight, Some(128)));
    assert_eq!(world.causes(), [Cause::Decided, Cause::Completed]);
    let revisions: Vec<u64> = world.with(|state| state.history.iter().map(|record| record.rev.0).collect());
    // The newest is the record itself.
    assert_eq!(revisions, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn either_half_of_the_credentials_is_not_enough() {
    let world = Memory::split();
    let handler = ready(&world).await;
    let body = payload("firing", &[alert("firing", "site-a", "site-b")]);
    for (user, password) in [
        ("keycloak", "wrong"),
        ("wrong", PASSWORD),
        ("keycloak", ""),
        ("", PASSWORD),
    ] {
        assert_eq!(invoke(&handler, post(user, password, &body)).await.status, 403);
    }
    assert_eq!(world.call_count(), 0);
    assert_eq!(
        invoke(&handler, post("keycloak", PASSWORD, &body)).await.status,
        200
    );
}

/// Alertmanager sends it raw; unquoting it like a URL makes another password of it.
#[tokio::test(start_paused = true)]
async fn a_password_with_percent_40_is_accepted_as_it_is() {
    assert!(PASSWORD.contains("%40"));
    let world = Memory::split();
    let handler = ready(&world).await;
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    let unquoted = post("keycloak", &PASSWORD.replace("%40", "@"), "{}");
    assert_eq!(invoke(&handler, unquoted).await.status, 403);
}

/// The balancer is changed first: a process that dies there must leave something to go on from.
#[tokio::test(start_paused = true)]
async fn a_fence_that_died_before_the_cut_is_completed_by_the_next_delivery() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.mishap(|call| matches!(call, Call::TakeOffline { .. }), Mishap::Hangs, 1);
    let died = tokio::time::timeout(
        Duration::from_millis(500),
        invoke(&handler, accusation("site-a", "site-b")),
    );
    assert!(died.await.is_err());
    assert_eq!(world.endpoints(), [balancer("site-a")]);
    assert_eq!(world.backup("site-a"), Backup::Online);

    // Its claim is still fresh; a retry leaves the work to it, and says so.
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 503);
    pass(Duration::from_secs(20)).await;
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(world.backup("site-a"), Backup::Offline);
}

/// No further alert is needed: the minute schedule does it.
#[tokio::test(start_paused = true)]
async fn a_fence_that_died_is_completed_by_the_schedule_alone() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.mishap(|call| matches!(call, Call::WriteGroup(_)), Mishap::HangsAfter, 1);
    let died = tokio::time::timeout(
        Duration::from_millis(500),
        invoke(&handler, accusation("site-a", "site-b")),
    );
    assert!(died.await.is_err());
    pass(Duration::from_secs(60)).await;
    let told = invoke(&handler, json!({"sitefence": "sweep"})).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(world.backup("site-a"), Backup::Offline);
    world.with(|state| assert_eq!(state.record.as_ref().unwrap().state, State::Complete));
}

#[tokio::test(start_paused = true)]
async fn a_200_with_cache_errors_inside_is_not_a_cut() {
    let world = Memory::split();
    let handler = ready(&world).await;
    let failure = CacheFailure {
        cache: "work".to_owned(),
        message: "Exception on work : timed out".to_owned(),
    };
    world.with(|state| state.switch_failures = vec![failure.clone()]);
    // The second attempt within the same invocation succeeds.
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    assert_eq!(world.backup("site-a"), Backup::Offline);
}

#[tokio::test(start_paused = true)]
async fn mixed_is_not_offline() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.mishap(|call| matches!(call, Call::TakeOffline { .. }), Mishap::Fails, 2);
    world.with(|state| state.backups.insert(site("site-a"), Backup::Mixed));
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 503, "{}", told.body);
    world.with(|state| assert_eq!(state.record.as_ref().unwrap().state, State::Isolated));
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
    assert_eq!(world.backup("site-a"), Backup::Offline);
}

#[tokio::test(start_paused = true)]
async fn a_resolved_alert_inside_a_firing_payload_does_not_fence() {
    let world = Memory::split();
    let handler = ready(&world).await;
    let body = payload("firing", &[alert("resolved", "site-a", "site-b")]);
    let told = invoke(&handler, post("keycloak", PASSWORD, &body)).await;
    assert_eq!((told.status, world.call_count()), (200, 0), "{}", told.body);
}

/// 204 would silence Alertmanager for hours; 429 is sent again each group interval.
#[tokio::test(start_paused = true)]
async fn an_unhealthy_reporter_is_refused_with_429_and_asked_again() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.with(|state| state.groups[0].endpoints[0].health = Health::Unhealthy);
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 429, "{}", told.body);
    assert_eq!(world.effect_count(), 0);
    // Both look unhealthy, as in the outage of 2025-10-20: health is no evidence then.
    pass(Duration::from_secs(20)).await;
    world.with(|state| state.groups[0].endpoints[1].health = Health::Unhealthy);
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 200);
}

/// A balancer without tag, a site that nobody knows, a reporter that is not in the group: sentences, where
/// there were exceptions.
#[tokio::test(start_paused = true)]
async fn strangers_and_absentees_are_answered_not_crashed_on() {
    let world = Memory::split();
    let handler = ready(&world).await;
    let told = invoke(&handler, accusation("site-a", "site-c")).await;
    assert_eq!(told.status, 422);
    assert_eq!(
        told.body,
        "an alert is not for this deployment: its label `site` is \"site-c\", which is neither site"
    );
    assert_eq!(world.causes(), [Cause::ForeignLabels]);

    world.with(|state| {
        state.groups[0].endpoints.push(Endpoint {
            config: EndpointConfig {
                id: balancer("stranger"),
                weight: None,
                client_ip_preservation: None,
            },
            health: Health::Healthy,
        });
    });
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 429);
    assert!(
        told.body.contains("which is neither site's balancer"),
        "{}",
        told.body
    );

    world.take_out("stranger");
    world.take_out("site-a");
    pass(Duration::from_secs(20)).await;
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 429);
    assert!(
        told.body.contains("site-a is not in the accelerator"),
        "{}",
        told.body
    );
    assert_eq!(world.effect_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_base64_body_is_read_and_an_empty_one_refused() {
    let world = Memory::split();
    let handler = ready(&world).await;
    for body in ["", " ", "null"] {
        assert_eq!(
            invoke(&handler, post("keycloak", PASSWORD, body)).await.status,
            400
        );
    }
    let mut absent = post("keycloak", PASSWORD, "");
    absent.as_object_mut().unwrap().remove("body");
    assert_eq!(invoke(&handler, absent).await.status, 400);
    let body = payload("firing", &[alert("firing", "site-a", "site-b")]);
    let mut encoded = post("keycloak", PASSWORD, &STANDARD.encode(body));
    encoded["isBase64Encoded"] = json!(true);
    assert_eq!(invoke(&handler, encoded).await.status, 200);
}

/// Somebody took the suspect out by hand; replication still has to be cut.
#[tokio::test(start_paused = true)]
async fn a_suspect_that_is_out_already_is_fenced_all_the_same() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.take_out("site-b");
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 200);
    assert!(
        told.body.contains("site-b already out of the accelerator"),
        "{}",
        told.body
    );
    assert_eq!(world.backup("site-a"), Backup::Offline);
}

#[tokio::test(start_paused = true)]
async fn both_sites_report_and_one_survives() {
    let world = Memory::split();
    let first = ready(&world).await;
    let second = ready(&world).await;
    let (a, b) = tokio::join!(
        invoke(&first, accusation("site-a", "site-b")),
        invoke(&second, accusation("site-b", "site-a"))
    );
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200, "{a:?} {b:?}");
    assert_ne!(statuses[1], 200, "{a:?} {b:?}");
    assert_eq!(world.endpoints().len(), 1);
    let cut = [world.backup("site-a"), world.backup("site-b")];
    assert_eq!(cut.iter().filter(|backup| **backup == Backup::Offline).count(), 1);
}

/// A suspect that is seen now is not lost, whatever an alert of a minute ago says; and a node that is no
/// relay proves nothing.
#[tokio::test(start_paused = true)]
async fn the_survivors_own_view_has_the_last_word() {
    let world = Memory::split();
    let handler = ready(&world).await;
    world.heal();
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 429);
    pass(Duration::from_secs(20)).await;
    world.with(|state| {
        let view = state.views.get_mut(&site("site-a")).unwrap();
        view.relay_node = false;
        view.sites_view.clear();
    });
    assert_eq!(invoke(&handler, accusation("site-a", "site-b")).await.status, 503);
    assert_eq!(world.effect_count(), 0);
}

/// The first listener's first group is not all there is: two Regions have a group each, on every listener.
#[tokio::test(start_paused = true)]
async fn every_group_of_every_listener_is_written() {
    let world = Memory::split();
    let arns: Vec<String> = [
        "l1/endpoint-group/a",
        "l1/endpoint-group/b",
        "l2/endpoint-group/both",
    ]
    .iter()
    .map(|end| format!("{ACCELERATOR}/listener/{end}"))
    .collect();
    world.with(|state| {
        let both = state.groups[0].endpoints.clone();
        let (a, b) = (vec![both[0].clone()], vec![both[1].clone()]);
        state.groups = arns
            .iter()
            .zip([a, b, both])
            .map(|(arn, endpoints)| Group {
                arn: arn.clone(),
                endpoints,
                closed: false,
            })
            .collect();
    });
    let mut settings = settings();
    settings.found.endpoint_group_arns = arns;
    let handler = Handler::new(settings, &world);
    handler.prepare().await;
    let told = invoke(&handler, accusation("site-a", "site-b")).await;
    assert_eq!(told.status, 200, "{}", told.body);
    let left: Vec<usize> =
        world.with(|state| state.groups.iter().map(|group| group.endpoints.len()).collect());
    assert_eq!(left, [1, 0, 1]);
}
