//! Where a cluster says that its Infinispan answers, and how far a rollout is: objects of others, understood.

use serde_json::Value;

use super::cluster::Rollout;

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

/// The host of an OpenShift Route. Its router admits it under the name that it was given, or under one of the
/// cluster's own.
pub fn of_route(route: &Value) -> Option<String> {
    text(route, "/status/ingress/0/host")
        .or_else(|| text(route, "/spec/host"))
        .map(str::to_owned)
}

/// The host and port of a Service that a load balancer serves.
pub fn of_service(service: &Value) -> Option<String> {
    let host = text(service, "/status/loadBalancer/ingress/0/hostname")
        .or_else(|| text(service, "/status/loadBalancer/ingress/0/ip"))?;
    let port = service.pointer("/spec/ports/0/port").and_then(Value::as_u64);
    Some(match port {
        None | Some(443) => host.to_owned(),
        Some(port) => format!("{host}:{port}"),
    })
}

/// The host of an Ingress.
pub fn of_ingress(ingress: &Value) -> Option<String> {
    text(ingress, "/spec/rules/0/host").map(str::to_owned)
}

/// How many pods a StatefulSet is to have.
pub fn replicas(stateful_set: &Value) -> Option<u32> {
    let wanted = stateful_set.pointer("/spec/replicas")?.as_u64()?;
    u32::try_from(wanted).ok()
}

/// How far a StatefulSet is.
pub fn rollout(stateful_set: Option<&Value>) -> Rollout {
    let Some(object) = stateful_set else {
        return Rollout::Absent;
    };
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64);
    let wanted = number("/spec/replicas").unwrap_or(1);
    let is_seen = number("/status/observedGeneration") >= number("/metadata/generation");
    let are_ready = number("/status/readyReplicas").unwrap_or_default() >= wanted;
    let are_new = match (
        text(object, "/status/updateRevision"),
        text(object, "/status/currentRevision"),
    ) {
        (Some(update), Some(current)) if update != current => {
            number("/status/updatedReplicas").unwrap_or_default() >= wanted
        }
        _ => true,
    };
    if is_seen && are_ready && are_new {
        Rollout::Done
    } else {
        Rollout::Going
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hosts_are_read_from_what_a_cluster_has() {
        let route = json!({ "spec": { "host": "a.example.com" }, "status": { "ingress": [{ "host": "b.example.com" }] } });
        assert_eq!(of_route(&route).as_deref(), Some("b.example.com"));
        assert_eq!(
            of_route(&json!({ "spec": { "host": "a.example.com" } })).as_deref(),
            Some("a.example.com")
        );
        assert_eq!(of_route(&json!({ "spec": {} })), None);
        let service = json!({
            "spec": { "ports": [{ "port": 11222 }] },
            "status": { "loadBalancer": { "ingress": [{ "hostname": "lb.example.com" }] } },
        });
        assert_eq!(of_service(&service).as_deref(), Some("lb.example.com:11222"));
        assert_eq!(
            of_service(&json!({ "spec": { "ports": [{ "port": 443 }] } })),
            None
        );
        let ingress = json!({ "spec": { "rules": [{ "host": "i.example.com" }] } });
        assert_eq!(of_ingress(&ingress).as_deref(), Some("i.example.com"));
    }

    #[test]
    fn a_rollout_is_done_when_all_pods_are_new_and_ready() {
        let set = |generation: u64, ready: u64, updated: u64, current: &str| {
            json!({
                "metadata": { "generation": generation },
                "spec": { "replicas": 2 },
                "status": {
                    "observedGeneration": 3, "readyReplicas": ready, "updatedReplicas": updated,
                    "updateRevision": "new", "currentRevision": current,
                },
            })
        };
        for (object, expected) in [
            (Some(set(3, 2, 2, "new")), Rollout::Done),
            (Some(set(3, 2, 2, "old")), Rollout::Done),
            (Some(set(3, 2, 1, "old")), Rollout::Going),
            (Some(set(3, 1, 2, "new")), Rollout::Going),
            (Some(set(4, 2, 2, "new")), Rollout::Going),
            (None, Rollout::Absent),
        ] {
            assert_eq!(rollout(object.as_ref()), expected, "{object:?}");
        }
    }
}
