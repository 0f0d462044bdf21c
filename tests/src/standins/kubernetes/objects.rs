//! What a site's cluster holds before Sitefence comes: Keycloak's and Infinispan's operators and what they made.

use provisioner::topology::Platform;
use serde_json::{Value, json};

use super::kinds::open_definition;

/// The beginning of a cache's configuration as Keycloak's guide has it.
const ACTION_TOKENS: &str = "\
distributedCache:
  mode: \"SYNC\"
  owners: \"2\"
  statistics: \"true\"
  remoteTimeout: \"5000\"
";

/// How Infinispan is reached from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exposure {
    /// A Route, or an Ingress where there are no Routes.
    Route(String),
    /// A Service with a balancer of its own: host and port.
    LoadBalancer(String, u16),
    Nothing,
}

/// A site as its operators made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteObjects {
    /// The site's name in Infinispan's own configuration.
    pub site: String,
    /// The other site, as its configuration names it.
    pub peer: String,
    pub namespace: String,
    pub infinispan: String,
    pub exposure: Exposure,
    /// Whether OpenShift's administrator has switched on monitoring for user workloads.
    pub user_workload: bool,
}

impl SiteObjects {
    pub fn new(site: &str, namespace: &str) -> Self {
        Self {
            site: site.to_owned(),
            peer: if site == "site-a" { "site-b" } else { "site-a" }.to_owned(),
            namespace: namespace.to_owned(),
            infinispan: "infinispan".to_owned(),
            exposure: Exposure::Route(format!("infinispan.{site}.example.com")),
            user_workload: true,
        }
    }

    pub(super) fn objects(&self, platform: Platform) -> Vec<(&'static str, Value)> {
        let namespace = self.namespace.as_str();
        let namespaced = |api_version: &str, kind: &str, name: &str, rest: Value| {
            let mut object = json!({
                "apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace},
            });
            for (field, value) in rest.as_object().into_iter().flatten() {
                object[field] = value.clone();
            }
            object
        };
        let infinispan = self.infinispan.as_str();
        let running =
            json!({"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "observedGeneration": 1});
        let mut objects = vec![
            (
                "kubectl-create",
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            ),
            (
                "infinispan-operator",
                namespaced(
                    "infinispan.org/v1",
                    "Infinispan",
                    infinispan,
                    self.infinispan_spec(),
                ),
            ),
            (
                "kubectl-create",
                namespaced(
                    "infinispan.org/v2alpha1",
                    "Cache",
                    "actiontokens",
                    json!({"spec": {
                        "clusterName": infinispan,
                        "name": "actionTokens",
                        "template": ACTION_TOKENS,
                    }}),
                ),
            ),
            (
                "keycloak-operator",
                namespaced(
                    "k8s.keycloak.org/v2alpha1",
                    "Keycloak",
                    "keycloak",
                    json!({"spec": {"instances": 2}, "status": {"instances": 2, "conditions": [
                        {"type": "Ready", "status": "True"},
                    ]}}),
                ),
            ),
            (
                "infinispan-operator",
                namespaced(
                    "v1",
                    "Secret",
                    &format!("{infinispan}-generated-operator-secret"),
                    json!({"type": "Opaque", "data": {"username": "b3BlcmF0b3I=", "password": "b3BlcmF0b3I="}}),
                ),
            ),
        ];
        // Where OLM puts operators that watch all namespaces.
        let operators = match platform {
            Platform::Openshift => "openshift-operators",
            Platform::Kubernetes => "operators",
        };
        objects.push((
            "kubectl-create",
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": operators}}),
        ));
        for (name, of) in [
            ("infinispan-operator-controller-manager", operators),
            ("infinispan-router", namespace),
        ] {
            let rest = json!({"status": running, "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"name": name}},
                "template": {
                    "metadata": {"labels": {"name": name}},
                    "spec": {"containers": [{"name": name, "image": name}]},
                },
            }});
            let mut deployment = namespaced("apps/v1", "Deployment", name, rest);
            deployment["metadata"]["namespace"] = json!(of);
            objects.push(("olm", deployment));
        }
        let external = format!("{infinispan}-external");
        match (&self.exposure, platform) {
            (Exposure::Nothing, _) => {}
            (Exposure::LoadBalancer(host, port), _) => objects.push((
                "infinispan-operator",
                namespaced(
                    "v1",
                    "Service",
                    &external,
                    json!({
                        "spec": {"type": "LoadBalancer", "ports": [
                            {"name": "infinispan", "port": port, "targetPort": 11222, "protocol": "TCP"},
                        ]},
                        "status": {"loadBalancer": {"ingress": [{"hostname": host}]}},
                    }),
                ),
            )),
            (Exposure::Route(host), Platform::Openshift) => objects.push((
                "infinispan-operator",
                namespaced(
                    "route.openshift.io/v1",
                    "Route",
                    &external,
                    json!({
                        "spec": {
                            "host": host, "port": {"targetPort": 11222}, "tls": {"termination": "passthrough"},
                            "to": {"kind": "Service", "name": infinispan, "weight": 100},
                        },
                        "status": {"ingress": [{"host": host, "conditions": [
                            {"type": "Admitted", "status": "True"},
                        ]}]},
                    }),
                ),
            )),
            (Exposure::Route(host), Platform::Kubernetes) => objects.push((
                "infinispan-operator",
                namespaced(
                    "networking.k8s.io/v1",
                    "Ingress",
                    &external,
                    json!({"spec": {"tls": [{"hosts": [host]}], "rules": [{"host": host, "http": {"paths": [{
                        "path": "/", "pathType": "Prefix",
                        "backend": {"service": {"name": infinispan, "port": {"number": 11222}}},
                    }]}}]}}),
                ),
            )),
        }
        if platform == Platform::Openshift {
            objects.push((
                "kubectl-client-side-apply",
                json!({
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": "cluster-monitoring-config", "namespace": "openshift-monitoring"},
                    "data": {"config.yaml": format!("enableUserWorkload: {}\n", self.user_workload)},
                }),
            ));
        }
        objects
    }

    fn infinispan_spec(&self) -> Value {
        let expose = match &self.exposure {
            Exposure::Route(host) => json!({"type": "Route", "host": host}),
            Exposure::LoadBalancer(_, port) => json!({"type": "LoadBalancer", "port": port}),
            Exposure::Nothing => Value::Null,
        };
        json!({
            "spec": {
                "replicas": 2,
                "version": "16.0.4",
                // As Keycloak's guide has it.
                "container": {"extraJvmOpts": "-Djgroups.xsite.fd.interval=2000 -Djgroups.xsite.fd.timeout=15000"},
                "expose": expose,
                "security": {"endpointEncryption": {"type": "Secret", "certSecretName": "infinispan-tls"}},
                "upgrades": {"type": "HotRodRolling"},
                "service": {"type": "DataGrid", "sites": {
                    "local": {
                        "name": self.site, "expose": {"type": "Route"}, "maxRelayNodes": 2,
                        // What the operator's webhook adds.
                        "discovery": {
                            "type": "gossiprouter",
                            "heartbeats": {"enabled": true, "interval": 10_000, "timeout": 30_000},
                        },
                    },
                    "locations": [{"name": self.peer, "clusterName": self.infinispan, "namespace": self.namespace}],
                }},
            },
            "status": {"conditions": [
                {"type": "PreliminaryChecksPassed", "status": "True"},
                {"type": "WellFormed", "status": "True"},
                {"type": "CrossSiteViewFormed", "status": "True"},
            ]},
        })
    }
}

/// The definitions that the operators of Infinispan and Keycloak bring, and on OpenShift those of the cluster itself;
/// without schemas, since Sitefence writes none of these kinds.
pub fn operators_definitions(platform: Platform) -> Vec<Value> {
    let mut definitions = vec![
        open_definition("infinispan.org", "Infinispan", "infinispans", &["v1"], true),
        open_definition("infinispan.org", "Cache", "caches", &["v2alpha1"], true),
        open_definition("k8s.keycloak.org", "Keycloak", "keycloaks", &["v2alpha1"], true),
    ];
    if platform == Platform::Openshift {
        definitions.push(open_definition(
            "config.openshift.io",
            "ClusterVersion",
            "clusterversions",
            &["v1"],
            false,
        ));
        definitions.push(open_definition(
            "route.openshift.io",
            "Route",
            "routes",
            &["v1"],
            true,
        ));
    }
    definitions
}

/// The definitions of prometheus-operator without their schemas, for where those cannot be had: v1beta1 of
/// AlertmanagerConfig beside v1alpha1 on OpenShift, v1alpha1 alone elsewhere.
pub fn open_monitoring_definitions(platform: Platform) -> Vec<Value> {
    let group = "monitoring.coreos.com";
    let versions: &[&str] = match platform {
        Platform::Openshift => &["v1beta1", "v1alpha1"],
        Platform::Kubernetes => &["v1alpha1"],
    };
    vec![
        open_definition(group, "AlertmanagerConfig", "alertmanagerconfigs", versions, true),
        open_definition(group, "PodMonitor", "podmonitors", &["v1"], true),
        open_definition(group, "PrometheusRule", "prometheusrules", &["v1"], true),
    ]
}
