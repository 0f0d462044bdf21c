//! What runs in a cluster: the pods of what its operators and its own controllers keep.
//!
//! ```text
//!   Keycloak, spec.instances ─▶ its operator ─▶ StatefulSet of the same name ┐
//!   Deployment ──────────────────────────────────────────────────────────────┴▶ pods: pending, running, ready;
//!                                                                                ending, gone
//! ```
//!
//! Nobody here has a clock. Whoever waits for pods has to look at them, so each list of a namespace's pods moves
//! everything in it on by one step: the operator first notices, then pods are made or told to end, and only then they
//! are ready or gone.

use serde_json::{Value, json};

use super::operators::Rollout;
use super::world::World;

const CONTROLLER: &str = "kube-controller-manager";
const KUBELET: &str = "kubelet";
const OPERATOR: &str = "keycloak-operator";
const WORKLOADS: [&str; 2] = ["StatefulSet", "Deployment"];
/// No cluster here takes more steps than this to come to rest.
const STEPS_TO_REST: usize = 10;

/// Moves on what runs in a namespace, by one step. A real server behind has nobody who would run a pod.
pub(super) fn pass(world: &mut World, namespace: &str) {
    if world.rollout == Rollout::Stuck || world.upstream.is_some() {
        return;
    }
    for kind in WORKLOADS {
        for workload in world.of(kind, namespace) {
            keep_pods(world, kind, &workload);
        }
    }
    for keycloak in world.of("Keycloak", namespace) {
        operate(world, &keycloak);
    }
}

/// Until nothing moves any more.
pub(super) fn settle(world: &mut World) {
    for namespace in world.of("Namespace", "") {
        for _ in 0..STEPS_TO_REST {
            let before = world.revision();
            pass(world, text(&namespace["metadata"]["name"]));
            if world.revision() == before {
                break;
            }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["conditions"].as_array().is_some_and(|all| {
        all.iter()
            .any(|it| it["type"] == "Ready" && it["status"] == "True")
    })
}

/// The pods that a workload's selector chooses.
fn pods_of(world: &World, workload: &Value) -> Vec<Value> {
    let labels = workload
        .pointer("/spec/selector/matchLabels")
        .and_then(Value::as_object);
    let mut pods = world.of("Pod", text(&workload["metadata"]["namespace"]));
    pods.retain(|pod| {
        labels.is_some_and(|labels| {
            labels
                .iter()
                .all(|(key, value)| pod["metadata"]["labels"][key] == *value)
        })
    });
    pods
}

/// A workload's pods, each one step on; then as many as are wanted.
fn keep_pods(world: &mut World, kind: &str, workload: &Value) {
    let metadata = &workload["metadata"];
    let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
    let pods = pods_of(world, workload);
    for pod in &pods {
        step(world, pod);
    }
    let staying: Vec<&str> = pods
        .iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| text(&pod["metadata"]["name"]))
        .collect();
    let wanted = workload["spec"]["replicas"].as_u64().unwrap_or(1);
    let names: Vec<String> = (0..wanted).map(|ordinal| format!("{name}-{ordinal}")).collect();
    for surplus in staying
        .iter()
        .filter(|pod| !names.iter().any(|name| name == *pod))
    {
        world.mark_for_deletion("Pod", namespace, surplus);
    }
    for missing in names {
        if world.get("Pod", namespace, &missing).is_some() {
            continue;
        }
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": missing, "namespace": namespace,
                "labels": workload.pointer("/spec/template/metadata/labels"),
                "ownerReferences": [{
                    "apiVersion": workload["apiVersion"], "kind": kind, "name": name, "uid": metadata["uid"],
                    "controller": true,
                }],
            },
            "spec": workload.pointer("/spec/template/spec"),
            "status": {"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}]},
        });
        // The kind is built in, so this cannot fail.
        let _ = world.put_as(CONTROLLER, pod);
    }
    let count = |pods: &[Value]| [pods.len(), pods.iter().filter(|pod| is_ready(pod)).count()];
    let [there, ready] = count(&pods_of(world, workload));
    let told = world.edit_as(CONTROLLER, [kind, namespace, name], |workload| {
        let generation = workload["metadata"]["generation"].clone();
        let status = &mut workload["status"];
        status["observedGeneration"] = generation;
        status["replicas"] = Value::from(there);
        for field in ["readyReplicas", "availableReplicas"] {
            match (ready, status.as_object_mut()) {
                // As the server writes it: none is left out.
                (0, Some(status)) => drop(status.remove(field)),
                _ => status[field] = Value::from(ready),
            }
        }
    });
    let _ = told;
}

/// A pod that is to end does; another starts, and then is ready.
fn step(world: &mut World, pod: &Value) {
    let metadata = &pod["metadata"];
    let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
    if metadata["deletionTimestamp"].is_string() {
        world.remove("Pod", namespace, name);
        return;
    }
    let (phase, ready) = match text(&pod["status"]["phase"]) {
        "Pending" => ("Running", "False"),
        _ => ("Running", "True"),
    };
    let stepped = world.edit_as(KUBELET, ["Pod", namespace, name], |pod| {
        pod["status"] = json!({"phase": phase, "conditions": [{"type": "Ready", "status": ready}]});
    });
    let _ = stepped;
}

/// What Keycloak's operator does: it keeps a StatefulSet, and tells how far that is.
fn operate(world: &mut World, keycloak: &Value) {
    let metadata = &keycloak["metadata"];
    let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
    let wanted = keycloak["spec"]["instances"].as_u64().unwrap_or(1);
    let Some(set) = world.get("StatefulSet", namespace, name).cloned() else {
        let labels = json!({
            "app": "keycloak", "app.kubernetes.io/instance": name, "app.kubernetes.io/managed-by": OPERATOR,
        });
        let set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {
                "replicas": wanted, "serviceName": format!("{name}-discovery"), "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    // As Keycloak's operator names them.
                    "spec": {"containers": [{"name": "keycloak", "image": "keycloak", "ports": [
                        {"name": "https", "containerPort": 8443}, {"name": "management", "containerPort": 9000},
                    ]}]},
                },
            },
        });
        let _ = world.put_as(OPERATOR, set);
        return;
    };
    let ready = set["status"]["readyReplicas"].as_u64().unwrap_or(0);
    let whole = if ready == wanted { "True" } else { "False" };
    let told = [
        world.edit_as(OPERATOR, ["StatefulSet", namespace, name], |set| {
            set["spec"]["replicas"] = Value::from(wanted);
        }),
        world.edit_as(OPERATOR, ["Keycloak", namespace, name], |keycloak| {
            keycloak["status"] =
                json!({"instances": ready, "conditions": [{"type": "Ready", "status": whole}]});
        }),
    ];
    let _ = told;
}
