//! OpenShift's own operator, which runs an Alertmanager for user workloads when it is told to.

use kube::api::{Patch, PatchParams};
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
