//! The sites' clusters: an OpenShift and a plain Kubernetes, as the operators of Infinispan and Keycloak left them.

use std::collections::BTreeMap;
use std::path::Path;

use provisioner::topology::{Platform, Topology};
use serde_json::Value;

use super::DemoError;
use super::stage::Stage;
use crate::crds::{NoSchemas, monitoring_definitions};
use crate::standins::kubernetes::{
    ClusterStandIn, Context, SiteObjects, open_monitoring_definitions, operators_definitions,
    write_kubeconfig,
};

/// The kinds that `apply` makes.
const OURS: [&str; 4] = ["Secret", "AlertmanagerConfig", "PodMonitor", "PrometheusRule"];
/// OpenShift's ConfigMap that `apply` adds two lines to, and what its operator then runs.
const USER_WORKLOAD: &str = "openshift-user-workload-monitoring";
const CONFIG_MAP: &str = "user-workload-monitoring-config";
const STATEFUL_SET: &str = "alertmanager-user-workload";

pub(super) fn start(topology: &Topology) -> Result<[ClusterStandIn; 2], DemoError> {
    let start_one = |index: usize| -> Result<ClusterStandIn, DemoError> {
        let site = &topology.sites[index];
        let definitions = match monitoring_definitions(site.platform) {
            Ok(definitions) => definitions,
            // The kinds are served all the same, only not judged by their schemas.
            Err(NoSchemas::NoGo | NoSchemas::Fetch(_)) => open_monitoring_definitions(site.platform),
            Err(error) => return Err(error.into()),
        };
        let mut objects = SiteObjects::new(site.name.as_str(), site.namespace.as_str());
        objects.peer = topology.sites[1 - index].name.to_string();
        let cluster = ClusterStandIn::builder(site.name.as_str(), site.platform)
            .definitions(operators_definitions(site.platform))
            .definitions(definitions)
            .site(&objects)
            .start()?;
        Ok(cluster)
    };
    Ok([start_one(0)?, start_one(1)?])
}

/// The kubeconfig with the contexts that the topology names.
pub(super) fn write_contexts(
    path: &Path,
    topology: &Topology,
    clusters: &[ClusterStandIn; 2],
) -> std::io::Result<()> {
    let [a, b] = topology.sites.each_ref().map(|site| site.context.to_string());
    let contexts = [
        Context::administrator(&a, &clusters[0]),
        Context::administrator(&b, &clusters[1]),
    ];
    write_kubeconfig(path, &contexts)
}

/// Everything that is in both.
pub(super) fn inventory(clusters: &[ClusterStandIn; 2]) -> [BTreeMap<String, Value>; 2] {
    clusters.each_ref().map(|cluster| cluster.world().inventory())
}

/// An object of ours in the cluster of this index.
pub(super) fn ours(stage: &Stage, index: usize, kind: &str) -> Option<Value> {
    let (namespace, name) = (
        stage.topology.sites[index].namespace.to_string(),
        stage.topology.object_name(),
    );
    stage.clusters[index]
        .world()
        .get(kind, &namespace, &name)
        .cloned()
}

/// The columns of [`rows`].
pub(super) const COLUMNS: [&str; 4] = ["cluster", "object of ours", "version", "field manager"];

/// What of ours is in both clusters, one line each; of a Secret, its keys.
pub(super) fn rows(stage: &Stage) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for index in 0..stage.clusters.len() {
        let cluster = stage.site(index).to_owned();
        let before = rows.len();
        for kind in OURS {
            if let Some(object) = ours(stage, index, kind) {
                let version = object["apiVersion"].as_str().unwrap_or_default();
                let version = version.rsplit('/').next().unwrap_or_default().to_owned();
                let what = match object["data"].as_object() {
                    Some(data) => {
                        let keys: Vec<&str> = data.keys().map(String::as_str).collect();
                        format!("{kind}: {}", keys.join(", "))
                    }
                    None => kind.to_owned(),
                };
                rows.push(vec![cluster.clone(), what, version, managers(&object)]);
            }
        }
        if rows.len() == before {
            rows.push(vec![cluster, "none".to_owned(), String::new(), String::new()]);
        }
    }
    rows
}

/// What the cluster of this index is.
pub(super) fn what(stage: &Stage, index: usize) -> &'static str {
    match stage.topology.sites[index].platform {
        Platform::Openshift => "a stand-in of OpenShift",
        Platform::Kubernetes => "a stand-in of Kubernetes",
    }
}

fn managers(object: &Value) -> String {
    let entries = object["metadata"]["managedFields"].as_array();
    let names = entries.into_iter().flatten();
    let names: Vec<&str> = names.filter_map(|entry| entry["manager"].as_str()).collect();
    names.join(", ")
}

/// Whether all of ours is in a cluster, and nobody else holds any of it.
pub(super) fn is_whole(stage: &Stage, index: usize) -> bool {
    OURS.iter()
        .all(|kind| ours(stage, index, kind).is_some_and(|object| managers(&object) == "provision"))
}

/// OpenShift's Alertmanager for user workloads, in words; nothing where the platform has none.
pub(super) fn user_workload(stage: &Stage) -> Option<String> {
    let index = stage
        .topology
        .sites
        .iter()
        .position(|site| site.platform == Platform::Openshift)?;
    let world = stage.clusters[index].world();
    let text = world
        .get("ConfigMap", USER_WORKLOAD, CONFIG_MAP)
        .and_then(|map| map["data"]["config.yaml"].as_str())
        .map_or_else(
            || "is not there".to_owned(),
            |text| format!("says `{}`", text.split_whitespace().collect::<Vec<_>>().join(" ")),
        );
    let pods = world.get("StatefulSet", USER_WORKLOAD, STATEFUL_SET).map_or_else(
        || "no Alertmanager for users' own projects".to_owned(),
        |set| {
            format!(
                "{} of {} pods of its Alertmanager are ready",
                set["status"]["readyReplicas"].as_u64().unwrap_or_default(),
                set["spec"]["replicas"]
            )
        },
    );
    Some(format!("{}: {CONFIG_MAP} {text}; {pods}.", stage.site(index)))
}
