//! What a cluster says it serves.

use kube::discovery::{Discovery, Scope};
use provisioner::topology::Platform;

use super::*;

fn gvk(api_version: &str, kind: &str) -> GroupVersionKind {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    GroupVersionKind::gvk(group, version, kind)
}

#[tokio::test]
async fn each_platform_serves_its_own_version_of_alertmanager_config() {
    for (platform, beta, routes) in [
        (Platform::Openshift, true, true),
        (Platform::Kubernetes, false, false),
    ] {
        let cluster = started_on(platform);
        let client = administrator(&cluster).await;
        let found = Discovery::new(client).run().await.unwrap();
        let serves = |api_version: &str, kind: &str| found.resolve_gvk(&gvk(api_version, kind)).is_some();
        assert!(serves("monitoring.coreos.com/v1alpha1", "AlertmanagerConfig"));
        assert_eq!(
            serves("monitoring.coreos.com/v1beta1", "AlertmanagerConfig"),
            beta
        );
        assert_eq!(serves("route.openshift.io/v1", "Route"), routes);
        assert!(serves("v1", "Secret") && serves("infinispan.org/v1", "Infinispan"));
        let (_, capabilities) = found.resolve_gvk(&gvk("v1", "Namespace")).unwrap();
        assert_eq!(capabilities.scope, Scope::Cluster);
    }
}

#[tokio::test]
async fn both_forms_of_discovery_say_the_same() {
    let cluster = started();
    let client = administrator(&cluster).await;
    let one_by_one = Discovery::new(client.clone()).run().await.unwrap();
    cluster.calls().forget();
    let at_once = Discovery::new(client).run_aggregated().await.unwrap();
    assert_eq!(cluster.calls().all().len(), 2);
    let names = |found: &Discovery| -> Vec<String> {
        let mut names: Vec<String> = found
            .groups()
            .flat_map(|group| {
                let versions: Vec<String> = group.versions().map(str::to_owned).collect();
                versions
                    .into_iter()
                    .flat_map(|version| group.versioned_resources(&version))
                    .map(|(resource, _)| format!("{} {}", resource.api_version, resource.plural))
            })
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&one_by_one), names(&at_once));
}

#[tokio::test]
async fn a_definition_brings_its_kind_and_takes_it_away() {
    let cluster = started();
    let client = administrator(&cluster).await;
    let api = rules(&client);
    assert!(api.list(&kube::api::ListParams::default()).await.is_ok());
    let definitions = api_at_cluster(&client);
    definitions
        .delete(
            "prometheusrules.monitoring.coreos.com",
            &kube::api::DeleteParams::default(),
        )
        .await
        .unwrap();
    // A real server takes its path away a moment later.
    let refused = loop {
        match api.list(&kube::api::ListParams::default()).await {
            Ok(_) => tokio::task::yield_now().await,
            refused => break status(refused),
        }
    };
    assert_eq!(refused.code, 404);
    assert!(refused.message.contains("404 page not found"), "{refused:?}");
    assert!(
        kube::discovery::pinned_kind(&client, &gvk("monitoring.coreos.com/v1", "PrometheusRule"))
            .await
            .is_err()
    );
}

fn api_at_cluster(client: &Client) -> Api<DynamicObject> {
    Api::all_with(
        client.clone(),
        &resource(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
        ),
    )
}

#[tokio::test]
async fn the_server_tells_its_version_to_anybody_and_the_rest_to_users() {
    let cluster = started();
    let nobody = client_of(Context {
        credentials: tests::standins::kubernetes::Credentials::Nobody,
        ..Context::administrator("site-a", &cluster)
    })
    .await;
    assert_eq!(nobody.apiserver_version().await.unwrap().major, "1");
    let refused = status(nobody.list_api_groups().await);
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.message,
        "forbidden: User \"system:anonymous\" cannot get path \"/apis\""
    );
}
