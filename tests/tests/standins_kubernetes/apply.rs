//! Server-side apply, and who owns what.

use kube::api::{Patch, PatchParams};
use provisioner::topology::Platform;
use serde_json::json;

use super::*;

fn secret(data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "webhook", "namespace": NAMESPACE,
            "labels": {"sitefence.io/topology": "demo"}},
        "type": "Opaque", "data": data,
    })
}

#[tokio::test]
async fn what_is_applied_is_made_and_owned() {
    let cluster = started();
    let api = secrets(&administrator(&cluster).await);
    let made = apply(
        &api,
        "provision",
        &secret(json!({"url": "dQ==", "username": "dQ=="})),
    )
    .await
    .unwrap();
    assert_eq!(
        owned(&made, "provision", "Apply"),
        Some(json!({
            "f:data": {"f:url": {}, "f:username": {}},
            "f:metadata": {"f:labels": {"f:sitefence.io/topology": {}}},
            "f:type": {},
        }))
    );
    assert!(made.metadata.uid.is_some() && made.metadata.creation_timestamp.is_some());
    assert_eq!(cluster.changes().len(), 1);
}

#[tokio::test]
async fn applied_again_it_changes_nothing_not_even_the_version() {
    let cluster = started();
    let api = secrets(&administrator(&cluster).await);
    let wanted = secret(json!({"url": "dQ=="}));
    let first = apply(&api, "provision", &wanted).await.unwrap();
    let second = apply(&api, "provision", &wanted).await.unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_field_that_only_we_owned_goes_when_it_is_no_longer_applied() {
    let cluster = started();
    let api = secrets(&administrator(&cluster).await);
    apply(
        &api,
        "provision",
        &secret(json!({"url": "dQ==", "url-two": "dQ=="})),
    )
    .await
    .unwrap();
    let patch = json!({"data": {"theirs": "dQ=="}});
    let params = PatchParams {
        field_manager: Some("kubectl-edit".to_owned()),
        ..PatchParams::default()
    };
    api.patch("webhook", &params, &Patch::Merge(&patch))
        .await
        .unwrap();
    let left = apply(&api, "provision", &secret(json!({"url": "dQ=="})))
        .await
        .unwrap();
    assert_eq!(left.data["data"], json!({"url": "dQ==", "theirs": "dQ=="}));
    assert_eq!(
        owned(&left, "kubectl-edit", "Update"),
        Some(json!({"f:data": {"f:theirs": {}}}))
    );
}

#[tokio::test]
async fn what_two_apply_stays_when_one_no_longer_does() {
    let cluster = started();
    let api = secrets(&administrator(&cluster).await);
    let both = secret(json!({"url": "dQ==", "shared": "dQ=="}));
    apply(&api, "provision", &both).await.unwrap();
    apply(&api, "argocd", &both).await.unwrap();
    let left = apply(&api, "provision", &secret(json!({"url": "dQ=="})))
        .await
        .unwrap();
    assert_eq!(left.data["data"]["shared"], "dQ==");
    assert_eq!(
        owned(&left, "provision", "Apply").unwrap()["f:data"],
        json!({"f:url": {}})
    );
    let gone = apply(&api, "argocd", &secret(json!({"url": "dQ=="})))
        .await
        .unwrap();
    assert_eq!(gone.data["data"], json!({"url": "dQ=="}));
}

#[tokio::test]
async fn what_another_manager_changed_is_a_conflict_that_names_him_and_the_field() {
    let cluster = started();
    let api = secrets(&administrator(&cluster).await);
    apply(
        &api,
        "provision",
        &secret(json!({"url": "dQ==", "username": "dQ=="})),
    )
    .await
    .unwrap();
    cluster
        .world()
        .edit_as("kubectl-edit", ["Secret", NAMESPACE, "webhook"], |secret| {
            secret["data"]["url"] = json!("ZQ==");
        })
        .unwrap();
    let refused = status(
        apply(
            &api,
            "provision",
            &secret(json!({"url": "dQ==", "username": "dQ=="})),
        )
        .await,
    );
    assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
    assert!(
        refused
            .message
            .starts_with("Apply failed with 1 conflict: conflict with \"kubectl-edit\" using v1: "),
        "{}",
        refused.message
    );
    assert!(refused.message.ends_with(": .data.url"), "{}", refused.message);
    let causes = refused.details.unwrap().causes;
    assert_eq!(causes.len(), 1);
    assert_eq!(causes[0].reason, "FieldManagerConflict");
    assert_eq!(causes[0].field, ".data.url");

    let params = PatchParams::apply("provision").force();
    let wanted = secret(json!({"url": "dQ==", "username": "dQ=="}));
    let won = api
        .patch("webhook", &params, &Patch::Apply(&wanted))
        .await
        .unwrap();
    assert_eq!(won.data["data"]["url"], "dQ==");
    assert_eq!(owned(&won, "kubectl-edit", "Update"), None);
}

#[tokio::test]
async fn several_conflicts_are_listed_by_manager() {
    let cluster = started();
    let api = secrets(&administrator(&cluster).await);
    apply(
        &api,
        "argocd",
        &secret(json!({"url": "dQ==", "username": "dQ=="})),
    )
    .await
    .unwrap();
    let refused = status(
        apply(
            &api,
            "provision",
            &secret(json!({"url": "ZQ==", "username": "ZQ=="})),
        )
        .await,
    );
    assert_eq!(
        refused.message,
        "Apply failed with 2 conflicts: conflicts with \"argocd\":\n- .data.url\n- .data.username"
    );
}

#[tokio::test]
async fn the_same_value_is_owned_together_without_a_conflict() {
    let cluster = started();
    let api = config_maps(&administrator(&cluster).await);
    create(&api, config_map("settings", json!({"a": "1"})))
        .await
        .unwrap();
    let applied = apply(&api, "provision", &config_map("settings", json!({"a": "1"})))
        .await
        .unwrap();
    assert_eq!(
        owned(&applied, "provision", "Apply"),
        Some(json!({"f:data": {"f:a": {}}}))
    );
    assert_eq!(
        owned(&applied, "unknown", "Update"),
        Some(json!({"f:data": {".": {}, "f:a": {}}}))
    );
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_does_not_do_it() {
    let cluster = started();
    let api = secrets(&administrator(&cluster).await);
    let before = cluster.world().inventory();
    let params = PatchParams::apply("provision").dry_run();
    let wanted = secret(json!({"url": "dQ=="}));
    let would = api
        .patch("webhook", &params, &Patch::Apply(&wanted))
        .await
        .unwrap();
    assert_eq!(would.data["data"]["url"], "dQ==");
    assert_eq!(cluster.world().inventory(), before);
    assert!(cluster.changes().is_empty());

    let made = apply(&api, "provision", &wanted).await.unwrap();
    let same = api
        .patch("webhook", &params, &Patch::Apply(&wanted))
        .await
        .unwrap();
    assert_eq!(made, same);
    let other = secret(json!({"url": "ZQ=="}));
    let would = api
        .patch("webhook", &params, &Patch::Apply(&other))
        .await
        .unwrap();
    assert_eq!(would.data["data"]["url"], "ZQ==");
    assert_eq!(would.metadata.resource_version, made.metadata.resource_version);
    assert_eq!(api.get("webhook").await.unwrap(), made);
}

/// `stringData` ends up in `data`, which then nobody owns: the reason why a Secret is applied with `data`.
#[tokio::test]
async fn string_data_is_written_and_its_owner_lost() {
    let cluster = started();
    let api = secrets(&administrator(&cluster).await);
    let mut wanted = secret(json!({}));
    wanted.as_object_mut().unwrap().remove("data");
    wanted["stringData"] = json!({"url": "u"});
    let made = apply(&api, "provision", &wanted).await.unwrap();
    assert_eq!(made.data["data"], json!({"url": "dQ=="}));
    assert!(made.data.get("stringData").is_none());
    let fields = owned(&made, "provision", "Apply").unwrap();
    assert_eq!(fields["f:stringData"], json!({"f:url": {}}));
    assert!(fields.get("f:data").is_none());
}

#[tokio::test]
async fn what_was_there_without_owners_is_owned_by_the_manager_before() {
    let cluster = started();
    let api = config_maps(&administrator(&cluster).await);
    create(&api, config_map("settings", json!({"a": "1"})))
        .await
        .unwrap();
    cluster
        .world()
        .disown(["ConfigMap", NAMESPACE, "settings"])
        .unwrap();
    let refused = status(apply(&api, "provision", &config_map("settings", json!({"a": "2"}))).await);
    assert!(
        refused
            .message
            .contains("conflict with \"before-first-apply\" using v1"),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn lists_of_a_custom_kind_are_one_value_unless_its_schema_says_otherwise() {
    let cluster = started_on(Platform::Kubernetes);
    let api = rules(&administrator(&cluster).await);
    let rule = |groups: Value| {
        json!({
            "apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
            "metadata": {"name": "sitefence", "namespace": NAMESPACE}, "spec": {"groups": groups},
        })
    };
    apply(&api, "provision", &rule(json!([{"name": "ours", "rules": []}])))
        .await
        .unwrap();
    let refused = status(apply(&api, "argocd", &rule(json!([{"name": "theirs", "rules": []}]))).await);
    assert!(refused.message.ends_with(": .spec.groups"), "{}", refused.message);
}

#[tokio::test]
async fn an_apply_must_name_its_manager_and_only_an_apply_may_be_forced() {
    let cluster = started();
    let api = secrets(&administrator(&cluster).await);
    let wanted = secret(json!({"url": "dQ=="}));
    let refused = status(
        api.patch("webhook", &PatchParams::default(), &Patch::Apply(&wanted))
            .await,
    );
    assert_eq!(refused.code, 422);
    assert!(
        refused.message.contains("fieldManager: Required value"),
        "{}",
        refused.message
    );
}
