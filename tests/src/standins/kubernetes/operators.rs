//! What a cluster's own operators do when somebody writes: on OpenShift, the monitoring operator that runs an
//! Alertmanager for user workloads when its ConfigMap says so.
//!
//! ```text
//!   cluster-monitoring-config:          enableUserWorkload: true ┐
//!   user-workload-monitoring-config:    alertmanager: {enabled: true} ┴▶ statefulset/alertmanager-user-workload,
//!                                                                       whose pods get ready after some reads
//! ```

use provisioner::topology::Platform;
use serde_json::{Value, json};

use super::world::World;

const OPERATOR: &str = "operator";
const USER_WORKLOAD: &str = "openshift-user-workload-monitoring";
const STATEFUL_SET: &str = "alertmanager-user-workload";
const REPLICAS: u64 = 2;

/// How pods come and go. Whoever waits for them has to look, so time is counted in looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollout {
    /// One more pod of what an operator has made is ready each time after this many reads.
    AfterReads(u32),
    /// All stays as it is: no node has room, say, or a pod does not end.
    Stuck,
}

impl Default for Rollout {
    fn default() -> Self {
        Self::AfterReads(1)
    }
}

/// Called after every write.
pub(super) fn react(world: &mut World) {
    if world.platform() != Platform::Openshift {
        return;
    }
    let wanted = alertmanager_is_wanted(world);
    let there = world.get("StatefulSet", USER_WORKLOAD, STATEFUL_SET).is_some();
    if wanted && !there {
        let stateful_set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": STATEFUL_SET, "namespace": USER_WORKLOAD, "labels": {
                "app.kubernetes.io/managed-by": "prometheus-operator",
                "app.kubernetes.io/name": "alertmanager",
            }},
            "spec": {
                "replicas": REPLICAS, "serviceName": "alertmanager-operated",
                "selector": {"matchLabels": {"app.kubernetes.io/name": "alertmanager"}},
                "template": {
                    "metadata": {"labels": {"app.kubernetes.io/name": "alertmanager"}},
                    "spec": {"containers": [{"name": "alertmanager", "image": "alertmanager"}]},
                },
            },
            "status": {"observedGeneration": 1, "replicas": 0, "updatedReplicas": 0, "updateRevision": "one"},
        });
        // The kind is built in, so this cannot fail.
        let _ = world.put_as(OPERATOR, stateful_set);
    } else if !wanted && there {
        world.remove("StatefulSet", USER_WORKLOAD, STATEFUL_SET);
    }
}

/// A YAML document below `config.yaml` of a ConfigMap; nothing where it is not there or not readable, which the
/// operator ignores, too.
fn configuration(world: &World, namespace: &str, name: &str) -> Value {
    world
        .get("ConfigMap", namespace, name)
        .and_then(|map| map["data"]["config.yaml"].as_str())
        .and_then(|text| serde_yaml::from_str(text).ok())
        .unwrap_or(Value::Null)
}

fn alertmanager_is_wanted(world: &World) -> bool {
    let cluster = configuration(world, "openshift-monitoring", "cluster-monitoring-config");
    let user = configuration(world, USER_WORKLOAD, "user-workload-monitoring-config");
    cluster["enableUserWorkload"] == true && user["alertmanager"]["enabled"] == true
}

/// Called at every read of a StatefulSet: its pods come, one after the other.
pub(super) fn progress(world: &mut World, namespace: &str, name: &str) {
    let Rollout::AfterReads(reads) = world.rollout else {
        return;
    };
    let Some(stateful_set) = world.get("StatefulSet", namespace, name) else {
        return;
    };
    let wanted = stateful_set["spec"]["replicas"].as_u64().unwrap_or(1);
    let ready = stateful_set["status"]["readyReplicas"].as_u64().unwrap_or(0);
    if ready >= wanted || name != STATEFUL_SET {
        return;
    }
    if world.looks < reads {
        world.looks += 1;
        return;
    }
    world.looks = 0;
    let edited = world.edit_as(
        "kube-controller-manager",
        ["StatefulSet", namespace, name],
        |set| {
            for count in [
                "replicas",
                "readyReplicas",
                "availableReplicas",
                "updatedReplicas",
                "currentReplicas",
            ] {
                set["status"][count] = Value::from(ready + 1);
            }
            set["status"]["observedGeneration"] = set["metadata"]["generation"].clone();
            set["status"]["currentRevision"] = set["status"]["updateRevision"].clone();
        },
    );
    // It was there a moment ago, and the world is locked.
    let _ = edited;
}
