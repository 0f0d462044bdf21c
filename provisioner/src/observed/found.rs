//! What `init` finds of a deployment before there is a topology: two clusters by their contexts, and in AWS what holds
//! both sites together.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::failure_detection;
use crate::topology::{
    FailureDetection, LabelKey, LabelValue, Namespace, ObjectName, Platform, Region, SiteName, harmless,
};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterFound {
    pub context: String,
    /// What it is; unknown where it did not answer.
    pub platform: Option<Platform>,
    /// The Infinispan resources, those that know sites first.
    pub infinispans: Vec<InfinispanFound>,
    /// The Keycloak resources: namespace and name.
    pub keycloaks: Vec<(String, String)>,
    /// Whether prometheus-operator's kinds are served.
    pub has_monitoring: bool,
    /// The labels by which its Prometheus picks up rules.
    pub rule_labels: BTreeMap<String, String>,
    /// Whether OpenShift's monitoring for user workloads is switched on.
    pub user_workload: Option<bool>,
    /// The host names of the balancers that its Keycloak may be reached by.
    pub balancers: BTreeSet<String>,
    /// What could not be read, each as a sentence.
    pub problems: Vec<String>,
}

/// More than any name of Kubernetes has.
const SHOWN_CHARACTERS: usize = 64;

impl ClusterFound {
    /// Leaves out what cannot be a name: it would be written into a topology, and into the names of files and calls.
    /// Each is noted as a problem.
    pub fn drop_what_is_no_name(&mut self) {
        let mut problems = Vec::new();
        let mut refused = |what: &str, text: &str| {
            let shown = harmless(text, SHOWN_CHARACTERS);
            problems.push(format!(
                "{what} is called `{shown}`, which cannot be a name: it is left out."
            ));
        };
        let mut is_object = |what: &str, namespace: &str, name: &str| {
            let is_namespace = Namespace::new(namespace).is_ok();
            let is_name = ObjectName::new(name).is_ok();
            if !is_namespace {
                refused(&format!("The namespace of {what}"), namespace);
            } else if !is_name {
                refused(what, name);
            }
            is_namespace && is_name
        };
        self.infinispans
            .retain(|it| is_object("An Infinispan", &it.namespace, &it.name));
        self.keycloaks
            .retain(|(namespace, name)| is_object("A Keycloak", namespace, name));
        for infinispan in &mut self.infinispans {
            if let Some(site) = infinispan.site.take_if(|it| SiteName::new(it).is_err()) {
                refused("The site of its Infinispan", &site);
            }
        }
        self.rule_labels.retain(|name, value| {
            let is_label = LabelKey::new(name).is_ok() && LabelValue::new(value.as_str()).is_ok();
            if !is_label {
                refused("A label of its Prometheus", name);
            }
            is_label
        });
        self.problems.extend(problems);
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InfinispanFound {
    pub namespace: String,
    pub name: String,
    pub site: Option<String>,
    /// The host (and port) that it is exposed by.
    pub endpoint: Option<String>,
    /// How soon it suspects the other site.
    pub failure_detection: Option<FailureDetection>,
    /// How many pods it has, and how many of them may be relay nodes.
    pub replicas: Option<u64>,
    /// See `replicas`.
    pub relay_nodes: Option<u64>,
}

impl InfinispanFound {
    /// What the custom resource says.
    pub fn of(object: &Value) -> Option<Self> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64);
        Some(Self {
            namespace: text("/metadata/namespace")?,
            name: text("/metadata/name")?,
            site: text("/spec/service/sites/local/name"),
            endpoint: None,
            failure_detection: failure_detection::of_infinispan(object),
            replicas: number("/spec/replicas"),
            relay_nodes: number("/spec/service/sites/local/maxRelayNodes"),
        })
    }
}

/// A balancer that is an endpoint of an accelerator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalancerFound {
    pub arn: String,
    pub region: Region,
    /// Its host name, where it was looked up.
    pub host: Option<String>,
    /// Its tag `site`.
    pub site: Option<String>,
}

/// What AWS has of the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AwsFound {
    /// The accelerators that hold two balancers or more: DNS name, and the balancers.
    pub accelerators: Vec<(String, Vec<BalancerFound>)>,
    /// The functions of Keycloak's guide: name, and settings.
    pub guides: Vec<(String, BTreeMap<String, String>)>,
    /// What could not be read, each as a sentence.
    pub problems: Vec<String>,
}

/// Which authority signed the certificate that an Infinispan showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    Public,
    /// One of its own: name, SHA-256 of the certificate, and the certificate.
    Own {
        name: String,
        /// In hexadecimal, pairs joined by colons.
        fingerprint: String,
        pem: String,
    },
}

/// The labels of a Prometheus' rule selector.
pub fn rule_labels(prometheus: &Value) -> BTreeMap<String, String> {
    let labels = prometheus
        .pointer("/spec/ruleSelector/matchLabels")
        .and_then(Value::as_object);
    labels
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// The host names of balancers that a Service or an Ingress is served by.
pub fn balancer_hosts(object: &Value) -> BTreeSet<String> {
    let served = object
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array);
    served
        .into_iter()
        .flatten()
        .filter_map(|it| it.get("hostname")?.as_str().map(str::to_lowercase))
        .collect()
}

/// The Region in a balancer's host name: `NAME-ID.elb.REGION.amazonaws.com`, or `ID.REGION.elb.amazonaws.com`.
pub fn region_of_host(host: &str) -> Option<Region> {
    let name = host.strip_suffix(".amazonaws.com")?;
    let mut labels = name.rsplit('.');
    match (labels.next()?, labels.next()?) {
        ("elb", region) | (region, "elb") => Region::seen(region),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_custom_resource_tells_its_site() {
        let found = InfinispanFound::of(&json!({
            "metadata": {"name": "infinispan", "namespace": "keycloak"},
            "spec": {"replicas": 3, "service": {"sites": {"local": {"name": "site-a", "maxRelayNodes": 2}}}},
        }))
        .unwrap();
        assert_eq!(found.site.as_deref(), Some("site-a"));
        assert_eq!((found.replicas, found.relay_nodes), (Some(3), Some(2)));
        assert_eq!(InfinispanFound::of(&json!({"metadata": {}})), None);
    }

    #[test]
    fn what_cannot_be_a_name_is_left_out_and_noted() {
        let infinispan = |namespace: &str, name: &str, site: &str| InfinispanFound {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            site: Some(site.to_owned()),
            endpoint: None,
            failure_detection: None,
            replicas: None,
            relay_nodes: None,
        };
        let mut found = ClusterFound {
            infinispans: vec![
                infinispan("keycloak", "infinispan", "../../etc/x"),
                infinispan("../../etc", "infinispan", "site-a"),
                infinispan("keycloak", "a\u{1b}[2J\u{202e}b", "site-a"),
            ],
            keycloaks: vec![
                ("a b".to_owned(), "keycloak".to_owned()),
                ("a".to_owned(), "b".to_owned()),
            ],
            ..ClusterFound::default()
        };
        found.drop_what_is_no_name();
        let once = found.clone();
        found.drop_what_is_no_name();
        assert_eq!(found, once);
        let left = InfinispanFound {
            site: None,
            ..infinispan("keycloak", "infinispan", "")
        };
        assert_eq!(found.infinispans, [left]);
        assert_eq!(found.keycloaks, [("a".to_owned(), "b".to_owned())]);
        assert_eq!(found.problems.len(), 4, "{:?}", found.problems);
        let all = found.problems.concat();
        assert!(
            all.contains("`../../etc/x`") && all.contains("`a\u{fffd}[2J\u{fffd}b`"),
            "{all}"
        );
    }

    #[test]
    fn a_balancer_s_host_tells_its_region() {
        for (host, region) in [
            ("a1-2b.elb.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("a1-2b.eu-central-1.elb.amazonaws.com", Some("eu-central-1")),
            ("lb.site-b.example.com", None),
            ("s3.eu-west-1.amazonaws.com", None),
        ] {
            let found = region_of_host(host).map(|region| region.to_string());
            assert_eq!(found.as_deref(), region, "{host}");
        }
    }
}
