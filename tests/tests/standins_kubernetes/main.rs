//! The stand-in of the Kubernetes API server, asked by the client that `provision` asks with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Manifests are written where they are handed over.
#![allow(clippy::needless_pass_by_value)]

mod apply;
mod discovery;
mod faults;
mod objects;
mod refusals;
mod rollout;
mod schemas;

use std::path::Path;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Status;
use kube::{Client, Config};
use provisioner::topology::Platform;
use serde_json::{Value, json};
use tests::standins::kubernetes::{
    ClusterStandIn, Context, SiteObjects, kubeconfig, open_monitoring_definitions, operators_definitions,
};

const NAMESPACE: &str = "keycloak";

fn started_on(platform: Platform) -> ClusterStandIn {
    ClusterStandIn::builder("site-a", platform)
        .definitions(operators_definitions(platform))
        .definitions(open_monitoring_definitions(platform))
        .site(&SiteObjects::new("site-a", NAMESPACE))
        .start()
        .unwrap()
}

fn started() -> ClusterStandIn {
    started_on(Platform::Openshift)
}

/// A client for one context, made as a kubeconfig is read. Nothing is tried again by itself.
async fn client_of(context: Context<'_>) -> Client {
    Client::try_from(config_of(context).await).unwrap()
}

async fn config_of(context: Context<'_>) -> Config {
    let name = context.name.to_owned();
    let text = kubeconfig(&[context]).to_string();
    let options = KubeConfigOptions {
        context: Some(name),
        ..KubeConfigOptions::default()
    };
    let read = Kubeconfig::from_yaml(&text).unwrap();
    let mut config = Config::from_custom_kubeconfig(read, &options).await.unwrap();
    config.default_retry = false;
    config
}

async fn administrator(cluster: &ClusterStandIn) -> Client {
    client_of(Context::administrator("site-a", cluster)).await
}

/// Objects of a kind in the usual namespace.
fn api(client: &Client, api_version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), NAMESPACE, &resource(api_version, kind, plural))
}

fn resource(api_version: &str, kind: &str, plural: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

fn secrets(client: &Client) -> Api<DynamicObject> {
    api(client, "v1", "Secret", "secrets")
}

fn config_maps(client: &Client) -> Api<DynamicObject> {
    api(client, "v1", "ConfigMap", "configmaps")
}

fn rules(client: &Client) -> Api<DynamicObject> {
    api(
        client,
        "monitoring.coreos.com/v1",
        "PrometheusRule",
        "prometheusrules",
    )
}

fn object(manifest: Value) -> DynamicObject {
    serde_json::from_value(manifest).unwrap()
}

fn config_map(name: &str, data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data,
    })
}

async fn create(api: &Api<DynamicObject>, manifest: Value) -> Result<DynamicObject, kube::Error> {
    api.create(&PostParams::default(), &object(manifest)).await
}

async fn apply(
    api: &Api<DynamicObject>,
    manager: &str,
    manifest: &Value,
) -> Result<DynamicObject, kube::Error> {
    let name = manifest["metadata"]["name"].as_str().unwrap();
    api.patch(name, &PatchParams::apply(manager), &Patch::Apply(manifest))
        .await
}

/// What the server said instead of an object.
#[track_caller]
fn status<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> Status {
    match result {
        Err(kube::Error::Api(status)) => *status,
        other => panic!("{other:?}"),
    }
}

/// The fields that a manager owns, by its operation.
#[track_caller]
fn owned(object: &DynamicObject, manager: &str, operation: &str) -> Option<Value> {
    let entries = object.metadata.managed_fields.as_ref()?;
    let entry = entries.iter().find(|entry| {
        entry.manager.as_deref() == Some(manager) && entry.operation.as_deref() == Some(operation)
    })?;
    entry.fields_v1.as_ref().map(|fields| fields.0.clone())
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
