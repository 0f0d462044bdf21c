//! OpenShift's own operator, which runs an Alertmanager for user workloads when it is told to.

use kube::api::{ListParams, Patch, PatchParams};
use provisioner::topology::Platform;
use serde_json::json;
use tests::standins::kubernetes::Rollout;

use super::*;

const USER_WORKLOAD: &str = "openshift-user-workload-monitoring";

fn in_user_workload(client: &Client, api_version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    Api::namespaced_with(
        client.clone(),
        USER_WORKLOAD,
        &resource(api_version, kind, plural),
    )
}

async fn switch_on(client: &Client) -> DynamicObject {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "user-workload-monitoring-config", "namespace": USER_WORKLOAD},
        "data": {"config.yaml": "prometheus:\n  retention: 2d\nalertmanager:\n  enabled: true\n"},
    });
    create(&in_user_workload(client, "v1", "ConfigMap", "configmaps"), map)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_alertmanager_comes_when_it_is_switched_on_and_gets_ready_pod_by_pod() {
    let cluster = started();
    let client = administrator(&cluster).await;
    let sets = in_user_workload(&client, "apps/v1", "StatefulSet", "statefulsets");
    assert_eq!(status(sets.get("alertmanager-user-workload").await).code, 404);
    switch_on(&client).await;
    let mut seen = Vec::new();
    for _ in 0..6 {
        let set = sets.get("alertmanager-user-workload").await.unwrap();
        seen.push(set.data["status"]["readyReplicas"].as_u64().unwrap_or(0));
    }
    assert_eq!(seen, [0, 1, 1, 2, 2, 2]);
    let patch = json!({"data": {"config.yaml": "prometheus:\n  retention: 2d\n"}});
    in_user_workload(&client, "v1", "ConfigMap", "configmaps")
        .patch(
            "user-workload-monitoring-config",
            &PatchParams::default(),
            &Patch::Merge(&patch),
        )
        .await
        .unwrap();
    assert_eq!(status(sets.get("alertmanager-user-workload").await).code, 404);
}

#[tokio::test]
async fn it_may_never_get_ready() {
    let cluster = started();
    cluster.set_rollout(Rollout::Stuck);
    let client = administrator(&cluster).await;
    switch_on(&client).await;
    let sets = in_user_workload(&client, "apps/v1", "StatefulSet", "statefulsets");
    for _ in 0..5 {
        let set = sets.get("alertmanager-user-workload").await.unwrap();
        assert!(set.data["status"].get("readyReplicas").is_none());
    }
}

#[tokio::test]
async fn nothing_comes_unless_monitoring_of_user_workloads_is_on() {
    let mut site = SiteObjects::new("site-a", NAMESPACE);
    site.user_workload = false;
    let cluster = ClusterStandIn::builder("site-a", Platform::Openshift)
        .site(&site)
        .start()
        .unwrap();
    let client = administrator(&cluster).await;
    switch_on(&client).await;
    let sets = in_user_workload(&client, "apps/v1", "StatefulSet", "statefulsets");
    assert_eq!(status(sets.get("alertmanager-user-workload").await).code, 404);
}

async fn labelled(api: &Api<DynamicObject>, name: &str, value: &str) -> Vec<DynamicObject> {
    let mut found = api.list(&ListParams::default()).await.unwrap().items;
    let has = |object: &DynamicObject| object.metadata.labels.as_ref()?.get(name).cloned();
    found.retain(|object| has(object).is_some_and(|it| it == value));
    found
}

/// How many pods of Keycloak there are, and how many of them are ready, at each of so many looks.
async fn looks(client: &Client, number: usize) -> Vec<[usize; 2]> {
    let pods = api(client, "v1", "Pod", "pods");
    let mut seen = Vec::new();
    for _ in 0..number {
        let found = labelled(&pods, "app", "keycloak").await;
        let is_ready = |pod: &&DynamicObject| pod.data["status"]["conditions"][0]["status"] == "True";
        seen.push([found.len(), found.iter().filter(is_ready).count()]);
    }
    seen
}

async fn scale(api: &Api<DynamicObject>, name: &str, field: &str, count: u64) {
    let patch = json!({"spec": {field: count}});
    api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
}

#[tokio::test]
async fn keycloak_s_pods_follow_its_operator_a_look_at_a_time() {
    if ClusterStandIn::is_real() {
        // Nobody runs pods there.
        return;
    }
    let cluster = started();
    let client = administrator(&cluster).await;
    assert_eq!(
        looks(&client, 2).await,
        [[2, 2], [2, 2]],
        "at rest from the start"
    );
    let keycloaks = api(&client, "k8s.keycloak.org/v2alpha1", "Keycloak", "keycloaks");
    scale(&keycloaks, "keycloak", "instances", 0).await;
    // The operator notices, the pods are told to end, they are gone.
    assert_eq!(looks(&client, 4).await, [[2, 2], [2, 2], [0, 0], [0, 0]]);
    assert_eq!(
        keycloaks.get("keycloak").await.unwrap().data["status"]["instances"],
        0
    );
    scale(&keycloaks, "keycloak", "instances", 3).await;
    assert_eq!(
        looks(&client, 6).await,
        [[0, 0], [3, 0], [3, 0], [3, 3], [3, 3], [3, 3]]
    );
    let status = keycloaks.get("keycloak").await.unwrap().data["status"].clone();
    assert_eq!(
        (&status["instances"], &status["conditions"][0]["status"]),
        (&json!(3), &json!("True"))
    );
}

#[tokio::test]
async fn pods_of_a_deployment_come_and_go_too_and_none_moves_where_all_is_stuck() {
    if ClusterStandIn::is_real() {
        return;
    }
    let cluster = started();
    let client = administrator(&cluster).await;
    let deployments = api(&client, "apps/v1", "Deployment", "deployments");
    let pods = api(&client, "v1", "Pod", "pods");
    scale(&deployments, "infinispan-router", "replicas", 0).await;
    cluster.set_rollout(Rollout::Stuck);
    for _ in 0..5 {
        assert_eq!(labelled(&pods, "name", "infinispan-router").await.len(), 1);
    }
    cluster.set_rollout(Rollout::default());
    let mut left = Vec::new();
    for _ in 0..3 {
        left.push(labelled(&pods, "name", "infinispan-router").await.len());
    }
    assert_eq!(left, [1, 0, 0], "it is told to end, and gone");
    assert_eq!(looks(&client, 1).await, [[2, 2]], "Keycloak runs on");
}
