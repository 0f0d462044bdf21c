//! What `init` finds of a deployment before there is a topology: two clusters by their contexts, and in AWS what holds
//! both sites together.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::failure_detection;
use crate::topology::{FailureDetection, Platform, Region};

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterFound {
    /// The kubeconfig's context.
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

/// An Infinispan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InfinispanFound {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The site that it is.
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
    /// Its ARN.
    pub arn: String,
    /// Its Region.
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
    /// The functions of Keycloak's guide: name, and what they were told.
    pub guides: Vec<(String, BTreeMap<String, String>)>,
    /// What could not be read, each as a sentence.
    pub problems: Vec<String>,
}

/// Who vouches for the certificate that an Infinispan showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// One that everybody trusts.
    Public,
    /// One of its own: name, SHA-256 of the certificate, and the certificate.
    Own {
        /// The common name.
        name: String,
        /// In hexadecimal, pairs joined by colons.
        fingerprint: String,
        /// The certificate as PEM.
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
