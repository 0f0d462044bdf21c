//! A site's Infinispan, as its custom resource says.
//!
//! Of what the resource may say here is what decides whether a fence will happen, and whether it will happen for the
//! right reason. The preflight judges it.

use serde_json::Value;

use super::{failure_detection, heartbeats};
use crate::topology::{FailureDetection, Heartbeats};

/// The operator makes a ServiceMonitor unless this annotation says otherwise.
const MONITORING: &str = "infinispan.org/monitoring";

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InfinispanReading {
    /// `spec.service.sites.local.name`.
    pub site: Option<String>,
    /// What `spec.container.extraJvmOpts` says of failure detection; nothing where the operator's own is in force.
    pub failure_detection: Option<FailureDetection>,
    /// `spec.replicas`.
    pub replicas: Option<u64>,
    /// `spec.service.sites.local.maxRelayNodes`.
    pub relay_nodes: Option<u64>,
    /// Its heartbeats to the gossip routers; nothing where they are switched off.
    pub heartbeats: Option<Heartbeats>,
    /// The names in `spec.service.sites.locations`, without its own.
    pub locations: Vec<String>,
    /// `spec.upgrades.type`.
    pub upgrade: Option<String>,
    /// `spec.security.endpointEncryption.type`.
    pub encryption: Option<String>,
    /// Whether there is a `spec.security.endpointEncryption` at all.
    pub has_encryption: bool,
    /// `spec.expose.type`.
    pub exposure: Option<String>,
    /// Whether the operator lets Prometheus read its metrics.
    pub is_monitored: bool,
    /// Of the conditions `WellFormed` and `CrossSiteViewFormed` those that do not hold, each with the operator's words.
    pub unwell: Vec<(String, String)>,
}

impl InfinispanReading {
    /// How many relay nodes there are: of the pods that are asked for, as many as may be one. The operator's own is one
    /// of each.
    pub fn relay_nodes_that_run(&self) -> u64 {
        self.replicas.unwrap_or(1).min(self.relay_nodes.unwrap_or(1))
    }
}

pub fn read(object: &Value) -> InfinispanReading {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64);
    let list = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let site = text("/spec/service/sites/local/name");
    let locations = list("/spec/service/sites/locations")
        .filter_map(|location| location["name"].as_str())
        .filter(|name| site.as_deref() != Some(name))
        .map(str::to_owned)
        .collect();
    let unwell = list("/status/conditions")
        .filter(|condition| {
            let kind = condition["type"].as_str().unwrap_or_default();
            ["wellformed", "crosssiteviewformed"].contains(&kind.to_lowercase().as_str())
                && condition["status"] == "False"
        })
        .map(|condition| {
            let said = |name: &str| condition[name].as_str().unwrap_or_default().to_owned();
            (said("type"), said("message"))
        })
        .collect();
    let encryption = object.pointer("/spec/security/endpointEncryption");
    InfinispanReading {
        failure_detection: failure_detection::of_infinispan(object),
        replicas: number("/spec/replicas"),
        relay_nodes: number("/spec/service/sites/local/maxRelayNodes"),
        heartbeats: heartbeats::of_infinispan(object),
        locations,
        upgrade: text("/spec/upgrades/type"),
        encryption: text("/spec/security/endpointEncryption/type"),
        has_encryption: encryption.is_some_and(|it| !it.is_null()),
        exposure: text("/spec/expose/type"),
        is_monitored: object["metadata"]["annotations"][MONITORING] != "false",
        unwell,
        site,
    }
}

/// What the operator calls the Secret with its own credentials, which the metrics port asks for.
pub fn operator_secret(cluster: &str) -> String {
    format!("{cluster}-generated-operator-secret")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_custom_resource_is_read_as_far_as_it_speaks() {
        let object = json!({
            "metadata": {"annotations": {"infinispan.org/monitoring": "false"}},
            "spec": {
                "replicas": 3,
                "expose": {"type": "Route"},
                "security": {"endpointEncryption": {"type": "Secret"}},
                "upgrades": {"type": "Shutdown"},
                "service": {"sites": {
                    "local": {"name": "site-a", "maxRelayNodes": 2},
                    "locations": [{"name": "site-a"}, {"name": "site-b"}, {}],
                }},
            },
            "status": {"conditions": [
                {"type": "WellFormed", "status": "True"},
                {"type": "CrossSiteViewFormed", "status": "False", "message": "Cross-Site view not formed"},
                {"type": "Stopping", "status": "False"},
            ]},
        });
        let read = read(&object);
        assert_eq!(read.locations, ["site-b"]);
        assert_eq!((read.replicas, read.relay_nodes), (Some(3), Some(2)));
        for (replicas, relay_nodes, run) in [
            (Some(3), Some(2), 2),
            (Some(2), Some(128), 2),
            (Some(3), None, 1),
            (None, Some(128), 1),
        ] {
            let some = InfinispanReading {
                replicas,
                relay_nodes,
                ..read.clone()
            };
            assert_eq!(some.relay_nodes_that_run(), run, "{replicas:?} {relay_nodes:?}");
        }
        assert_eq!(
            read.unwell,
            [(
                "CrossSiteViewFormed".to_owned(),
                "Cross-Site view not formed".to_owned()
            )]
        );
        assert!(read.has_encryption && !read.is_monitored);
        let bare = super::read(&json!({"spec": {}}));
        assert!(bare.is_monitored && !bare.has_encryption && bare.locations.is_empty());
    }
}
