//! Reading and writing without apply.

use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;

use super::*;

#[tokio::test]
async fn an_object_is_created_read_replaced_and_deleted() {
    let cluster = started();
    let api = config_maps(&administrator(&cluster).await);
    let params = PostParams {
        field_manager: Some("test".to_owned()),
        ..PostParams::default()
    };
    let made = api
        .create(&params, &object(config_map("settings", json!({"a": "1"}))))
        .await
        .unwrap();
    assert_eq!(
        owned(&made, "test", "Update"),
        Some(json!({"f:data": {".": {}, "f:a": {}}}))
    );
    let mut read = api.get("settings").await.unwrap();
    assert_eq!(read, made);
    read.data["data"]["b"] = json!("2");
    let replaced = api.replace("settings", &params, &read).await.unwrap();
    assert_eq!(replaced.data["data"], json!({"a": "1", "b": "2"}));
    assert_eq!(replaced.metadata.uid, made.metadata.uid);
    assert_ne!(replaced.metadata.resource_version, made.metadata.resource_version);
    let gone = api.delete("settings", &DeleteParams::default()).await.unwrap();
    assert!(gone.right().is_some_and(|status| status.is_success()));
    assert_eq!(status(api.get("settings").await).code, 404);
}

#[tokio::test]
async fn a_replacement_of_what_changed_meanwhile_is_refused() {
    let cluster = started();
    let api = config_maps(&administrator(&cluster).await);
    let read = create(&api, config_map("settings", json!({"a": "1"})))
        .await
        .unwrap();
    cluster
        .world()
        .edit_as("somebody", ["ConfigMap", NAMESPACE, "settings"], |map| {
            map["data"]["a"] = json!("2");
        })
        .unwrap();
    let refused = status(api.replace("settings", &PostParams::default(), &read).await);
    assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
    assert_eq!(
        refused.message,
        "Operation cannot be fulfilled on configmaps \"settings\": the object has been modified; please apply your \
         changes to the latest version and try again"
    );
    let patch = json!({"metadata": {"resourceVersion": read.metadata.resource_version}, "data": {"a": "3"}});
    let refused = status(
        api.patch("settings", &PatchParams::default(), &Patch::Merge(&patch))
            .await,
    );
    assert_eq!(refused.code, 409);
    assert_eq!(api.get("settings").await.unwrap().data["data"]["a"], "2");
}

#[tokio::test]
async fn a_merge_patch_takes_away_what_it_names_null() {
    let cluster = started();
    let api = config_maps(&administrator(&cluster).await);
    create(&api, config_map("settings", json!({"a": "1", "b": "2"})))
        .await
        .unwrap();
    let patch = json!({"data": {"a": null, "c": "3"}});
    let patched = api
        .patch("settings", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(patched.data["data"], json!({"b": "2", "c": "3"}));
}

#[tokio::test]
async fn a_deletion_can_be_limited_to_the_object_that_was_read() {
    let cluster = started();
    let api = config_maps(&administrator(&cluster).await);
    let made = create(&api, config_map("settings", json!({}))).await.unwrap();
    let of_another = DeleteParams::default().preconditions(Preconditions {
        uid: Some("another".to_owned()),
        resource_version: None,
    });
    let refused = status(api.delete("settings", &of_another).await);
    assert_eq!(refused.code, 409);
    assert!(
        refused
            .message
            .contains("the UID in the precondition (another) does not match")
    );
    let of_this = DeleteParams::default().preconditions(Preconditions {
        uid: made.metadata.uid.clone(),
        resource_version: made.metadata.resource_version.clone(),
    });
    api.delete("settings", &of_this).await.unwrap();
}

#[tokio::test]
async fn metadata_alone_can_be_asked_for() {
    let cluster = started();
    let api = config_maps(&administrator(&cluster).await);
    create(&api, config_map("settings", json!({"a": "1"})))
        .await
        .unwrap();
    let read = api.get_metadata("settings").await.unwrap();
    assert_eq!(read.metadata.name.as_deref(), Some("settings"));
    assert!(
        api.list_metadata(&ListParams::default())
            .await
            .unwrap()
            .items
            .iter()
            .any(|it| it.metadata.name.as_deref() == Some("settings"))
    );
}

#[tokio::test]
async fn what_has_a_finalizer_stays_until_somebody_takes_it_off() {
    let cluster = started();
    let api = config_maps(&administrator(&cluster).await);
    let mut map = config_map("settings", json!({}));
    map["metadata"]["finalizers"] = json!(["example.com/clean-up"]);
    create(&api, map).await.unwrap();
    let marked = api.delete("settings", &DeleteParams::default()).await.unwrap();
    assert!(marked.left().unwrap().metadata.deletion_timestamp.is_some());
    let patch = json!({"metadata": {"finalizers": null}});
    api.patch("settings", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(status(api.get("settings").await).code, 404);
}

#[tokio::test]
async fn a_status_is_written_at_its_own_address() {
    let cluster = started();
    let api = api(
        &administrator(&cluster).await,
        "apps/v1",
        "StatefulSet",
        "statefulsets",
    );
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web"}]},
            },
        }, "status": {"readyReplicas": 2},
    });
    let made = create(&api, set).await.unwrap();
    assert!(made.data["status"].get("readyReplicas").is_none());
    let patch = json!({"status": {"replicas": 1, "readyReplicas": 1}, "spec": {"replicas": 9}});
    let patched = api
        .patch_status("web", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(patched.data["status"]["readyReplicas"], 1);
    assert_eq!(patched.data["spec"]["replicas"], 2);
    assert_eq!(patched.metadata.generation, Some(1));
    let patch = json!({"spec": {"replicas": 3}});
    let scaled = api
        .patch("web", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    assert_eq!(scaled.metadata.generation, Some(2));
    assert_eq!(scaled.data["status"]["readyReplicas"], 1);
}

#[tokio::test]
async fn a_namespace_takes_what_is_in_it_away() {
    let cluster = started();
    let client = administrator(&cluster).await;
    create(&config_maps(&client), config_map("settings", json!({})))
        .await
        .unwrap();
    let namespaces: Api<DynamicObject> =
        Api::all_with(client.clone(), &resource("v1", "Namespace", "namespaces"));
    assert_eq!(
        namespaces.get(NAMESPACE).await.unwrap().data["status"]["phase"],
        "Active"
    );
    // Its controller takes what is in it away, then it goes itself.
    assert!(cluster.world().remove("Namespace", "", NAMESPACE));
    assert_eq!(status(config_maps(&client).get("settings").await).code, 404);
    assert!(
        cluster
            .world()
            .get("Infinispan", NAMESPACE, "infinispan")
            .is_none()
    );
}

#[tokio::test]
async fn a_writer_who_names_nobody_is_named_by_the_program() {
    let cluster = started();
    let api = config_maps(&administrator(&cluster).await);
    let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .header("user-agent", "kubectl/v1.33.4 (linux/amd64)")
        .body(config_map("settings", json!({"a": "1"})).to_string().into_bytes())
        .unwrap();
    let client = administrator(&cluster).await;
    client.request::<DynamicObject>(request).await.unwrap();
    let read = api.get("settings").await.unwrap();
    assert!(owned(&read, "kubectl", "Update").is_some(), "{read:?}");
}
