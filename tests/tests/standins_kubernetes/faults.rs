//! What can be ordered to go wrong, and changes that are stopped at.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kube::api::{ListParams, PostParams};
use provisioner::topology::Platform;
use serde_json::json;
use tests::standins::gate::{Counter, Moment};
use tests::standins::kubernetes::{Fault, Outcome, Target, Verb, World};

use super::*;

fn on_secrets(verb: Verb) -> Target {
    Target::known(verb, "Secret").unwrap()
}

#[tokio::test]
async fn an_ordered_answer_is_given_as_often_as_ordered() {
    let cluster = started();
    let api = secrets(&administrator(&cluster).await);
    for (fault, code) in [
        (Fault::Internal, 500),
        (Fault::Unavailable, 503),
        (Fault::TooManyRequests(1), 429),
        (Fault::Expired, 410),
    ] {
        cluster.faults().next(on_secrets(Verb::List), 1, &fault);
        assert_eq!(status(api.list(&ListParams::default()).await).code, code);
        assert!(api.list(&ListParams::default()).await.is_ok());
    }
    assert_eq!(cluster.faults().unmet(), 0);
}

#[tokio::test]
async fn a_busy_server_is_asked_again_by_a_client_that_tries_again() {
    let cluster = started();
    let mut config = config_of(Context::administrator("site-a", &cluster)).await;
    config.default_retry = true;
    let client = Client::try_from(config).unwrap();
    cluster
        .faults()
        .next(Target::every(Verb::List), 2, &Fault::TooManyRequests(0));
    assert!(secrets(&client).list(&ListParams::default()).await.is_ok());
    assert_eq!(cluster.calls().all().len(), 3);
}

#[tokio::test]
async fn a_lost_reply_tells_nothing_of_what_was_done() {
    let cluster = started();
    let api = config_maps(&administrator(&cluster).await);
    let target = Target::known(Verb::Create, "ConfigMap").unwrap();
    cluster.faults().next(target, 1, &Fault::AppliedReplyLost);
    let lost = create(&api, config_map("settings", json!({"a": "1"}))).await;
    assert!(
        matches!(lost, Err(kube::Error::Service(_) | kube::Error::HyperError(_))),
        "{lost:?}"
    );
    assert!(cluster.world().get("ConfigMap", NAMESPACE, "settings").is_some());
    assert_eq!(cluster.changes().len(), 1);
    cluster.faults().next(target, 1, &Fault::ClosedBeforeEffect);
    assert!(create(&api, config_map("other", json!({}))).await.is_err());
    assert!(cluster.world().get("ConfigMap", NAMESPACE, "other").is_none());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_by_its_client() {
    let cluster = started();
    let mut config = config_of(Context::administrator("site-a", &cluster)).await;
    config.read_timeout = Some(Duration::from_millis(50));
    let api = secrets(&Client::try_from(config).unwrap());
    cluster.faults().next(on_secrets(Verb::List), 1, &Fault::Hang);
    assert!(api.list(&ListParams::default()).await.is_err());
    assert!(matches!(
        cluster.calls().all()[0].outcome,
        Outcome::Met(Fault::Hang)
    ));
    assert!(api.list(&ListParams::default()).await.is_ok());
    cluster.go_silent();
    assert!(api.list(&ListParams::default()).await.is_err());
    cluster.go_away();
    assert!(api.list(&ListParams::default()).await.is_err());
    cluster.come_back();
    assert!(api.list(&ListParams::default()).await.is_ok());
}

fn edit(world: &mut World) {
    world
        .edit_as("somebody", ["ConfigMap", NAMESPACE, "settings"], |map| {
            map["data"]["a"] = json!("theirs");
        })
        .unwrap();
}

#[tokio::test]
async fn somebody_can_edit_between_a_read_and_a_write() {
    let cluster = started();
    let api = config_maps(&administrator(&cluster).await);
    create(&api, config_map("settings", json!({"a": "1"})))
        .await
        .unwrap();
    let target = Target::known(Verb::Update, "ConfigMap").unwrap();
    cluster.faults().next(target, 1, &Fault::Meanwhile(edit));
    let read = api.get("settings").await.unwrap();
    assert_eq!(
        status(api.replace("settings", &PostParams::default(), &read).await).code,
        409
    );
    let read = api.get("settings").await.unwrap();
    assert_eq!(read.data["data"]["a"], "theirs");
    assert!(
        api.replace("settings", &PostParams::default(), &read)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn changes_are_counted_and_one_of_them_is_stopped_at() {
    let counter = Counter::default();
    let cluster = ClusterStandIn::builder("site-b", Platform::Kubernetes)
        .site(&SiteObjects::new("site-b", NAMESPACE))
        .counter(&counter)
        .start()
        .unwrap();
    let api = config_maps(&client_of(Context::administrator("site-b", &cluster)).await);
    create(&api, config_map("one", json!({}))).await.unwrap();
    api.get("one").await.unwrap();
    let dry = PatchParams::apply("provision").dry_run();
    let one = config_map("one", json!({"a": "1"}));
    api.patch("one", &dry, &Patch::Apply(&one)).await.unwrap();
    assert_eq!(counter.changes(), ["site-b: create ConfigMap keycloak/one"]);

    for (moment, is_there) in [(Moment::Before, false), (Moment::After, true)] {
        let stopped = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&stopped);
        counter.stop_at(1, moment, move || {
            counting.fetch_add(1, Ordering::SeqCst);
        });
        apply(&api, "provision", &config_map("one", json!({"a": "1"})))
            .await
            .unwrap();
        assert!(create(&api, config_map("two", json!({}))).await.is_err());
        assert_eq!(stopped.load(Ordering::SeqCst), 1);
        assert_eq!(
            cluster.world().get("ConfigMap", NAMESPACE, "two").is_some(),
            is_there
        );
    }
}
