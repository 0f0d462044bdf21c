//! prometheus-operator's work, as its source does it (`pkg/alertmanager/amcfg.go`, `pkg/prometheus/promcfg.go`).
//!
//! What the real one makes of the same objects is kept in `tests/tests/operator/`, and a test compares.
//! Only what Sitefence's objects use is converted, and anything else in them is an error: a field that the operator
//! would heed and this would not, would make the tests say something else than the cluster does.

use std::collections::BTreeMap;

use provisioner::topology::Platform;
use serde_json::{Map, Value, json};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    #[error("{place}: `{field}` is not converted here")]
    Unknown { place: String, field: String },
    #[error("{place}: the Secret `{name}` has no key `{key}`")]
    Secret {
        place: String,
        name: String,
        key: String,
    },
    #[error("{place}: {what} is missing")]
    Missing { place: String, what: &'static str },
}

/// Where the operator finds secrets' values: name and key to text, in the object's own namespace.
pub type Secrets<'a> = &'a dyn Fn(&str, &str) -> Option<String>;

struct Source<'a> {
    namespace: &'a str,
    name: &'a str,
    secrets: Secrets<'a>,
}

/// Fails for every field that is not among those known.
fn only(value: &Value, known: &[&str], place: &str) -> Result<(), OperatorError> {
    for field in value.as_object().into_iter().flat_map(Map::keys) {
        if !known.contains(&field.as_str()) {
            return Err(OperatorError::Unknown {
                place: place.to_owned(),
                field: field.clone(),
            });
        }
    }
    Ok(())
}

fn text<'a>(value: &'a Value, what: &'static str, place: &str) -> Result<&'a str, OperatorError> {
    value.as_str().ok_or_else(|| OperatorError::Missing {
        place: place.to_owned(),
        what,
    })
}

/// The configuration of an Alertmanager that selects this one AlertmanagerConfig. What it begins with is OpenShift's for
/// the version that is written there, else the operator's own default.
pub fn alertmanager_configuration(config: &Value, secrets: Secrets<'_>) -> Result<Value, OperatorError> {
    let source = Source {
        namespace: text(&config["metadata"]["namespace"], "the namespace", "metadata")?,
        name: text(&config["metadata"]["name"], "the name", "metadata")?,
        secrets,
    };
    let spec = &config["spec"];
    only(spec, &["route", "receivers"], "spec")?;
    let mut ours = source.route(&spec["route"], "spec.route")?;
    // The operator lets an object's routes see alerts of its own namespace only, and lets others see them, too.
    let matcher = format!("namespace=\"{}\"", source.namespace);
    match ours["matchers"].as_array_mut() {
        Some(matchers) => matchers.push(Value::from(matcher)),
        None => ours["matchers"] = json!([matcher]),
    }
    ours["continue"] = Value::Bool(true);
    let is_openshifts = config["apiVersion"]
        .as_str()
        .is_some_and(|version| version.ends_with("/v1beta1"));
    let default = if is_openshifts { "Default" } else { "null" };
    let mut receivers = vec![json!({ "name": default })];
    for (index, receiver) in spec["receivers"].as_array().into_iter().flatten().enumerate() {
        receivers.push(source.receiver(receiver, &format!("spec.receivers[{index}]"))?);
    }
    let mut made = json!({
        "route": {"receiver": default, "routes": [ours]},
        "receivers": receivers,
        "templates": [],
    });
    if is_openshifts {
        made["route"]["group_by"] = json!(["namespace"]);
        made["global"] = json!({"http_config": {"proxy_from_environment": true}});
    }
    Ok(made)
}

impl Source<'_> {
    fn prefixed(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.namespace, self.name)
    }

    fn secret(&self, selector: &Value, place: &str) -> Result<String, OperatorError> {
        only(selector, &["name", "key"], place)?;
        let (name, key) = (
            text(&selector["name"], "a secret's name", place)?,
            text(&selector["key"], "a secret's key", place)?,
        );
        (self.secrets)(name, key).ok_or_else(|| OperatorError::Secret {
            place: place.to_owned(),
            name: name.to_owned(),
            key: key.to_owned(),
        })
    }

    fn route(&self, route: &Value, place: &str) -> Result<Value, OperatorError> {
        let plain = [
            ("groupBy", "group_by"),
            ("groupWait", "group_wait"),
            ("groupInterval", "group_interval"),
            ("repeatInterval", "repeat_interval"),
            ("continue", "continue"),
        ];
        let mut known: Vec<&str> = plain.iter().map(|(theirs, _)| *theirs).collect();
        known.extend(["receiver", "matchers", "routes"]);
        only(route, &known, place)?;
        let mut out = json!({"receiver": self.prefixed(text(&route["receiver"], "the receiver", place)?)});
        for (theirs, alertmanagers) in plain {
            if !route[theirs].is_null() {
                out[alertmanagers] = route[theirs].clone();
            }
        }
        let mut matchers = Vec::new();
        for matcher in route["matchers"].as_array().into_iter().flatten() {
            only(matcher, &["name", "value", "matchType"], place)?;
            let kind = matcher["matchType"].as_str().unwrap_or("=");
            let name = text(&matcher["name"], "a matcher's name", place)?;
            let value = matcher["value"].as_str().unwrap_or_default();
            let value = value
                .replace('\\', "\\\\")
                .replace('\n', "\\n")
                .replace('"', "\\\"");
            matchers.push(format!("{name}{kind}\"{value}\""));
        }
        if !matchers.is_empty() {
            out["matchers"] = json!(matchers);
        }
        let mut routes = Vec::new();
        for (index, child) in route["routes"].as_array().into_iter().flatten().enumerate() {
            routes.push(self.route(child, &format!("{place}.routes[{index}]"))?);
        }
        if !routes.is_empty() {
            out["routes"] = Value::Array(routes);
        }
        Ok(out)
    }

    fn receiver(&self, receiver: &Value, place: &str) -> Result<Value, OperatorError> {
        only(receiver, &["name", "webhookConfigs"], place)?;
        let mut out = json!({"name": self.prefixed(text(&receiver["name"], "the name", place)?)});
        let mut webhooks = Vec::new();
        for webhook in receiver["webhookConfigs"].as_array().into_iter().flatten() {
            webhooks.push(self.webhook(webhook, place)?);
        }
        if !webhooks.is_empty() {
            out["webhook_configs"] = Value::Array(webhooks);
        }
        Ok(out)
    }

    fn webhook(&self, webhook: &Value, place: &str) -> Result<Value, OperatorError> {
        only(webhook, &["urlSecret", "sendResolved", "httpConfig"], place)?;
        let http = &webhook["httpConfig"];
        let known = [
            "followRedirects",
            "basicAuth",
            "proxyFromEnvironment",
            "proxyUrl",
            "tlsConfig",
        ];
        only(http, &known, place)?;
        let url = self.secret(&webhook["urlSecret"], place)?;
        let mut out = json!({"url": url.trim(), "http_config": {}});
        if !webhook["sendResolved"].is_null() {
            out["send_resolved"] = webhook["sendResolved"].clone();
        }
        if !http["followRedirects"].is_null() {
            out["http_config"]["follow_redirects"] = http["followRedirects"].clone();
        }
        for (theirs, alertmanagers) in [
            ("proxyFromEnvironment", "proxy_from_environment"),
            ("proxyUrl", "proxy_url"),
        ] {
            if !http[theirs].is_null() {
                out["http_config"][alertmanagers] = http[theirs].clone();
            }
        }
        if !http["tlsConfig"].is_null() {
            out["http_config"]["tls_config"] = self.tls(&http["tlsConfig"], place)?;
        }
        if !http["basicAuth"].is_null() {
            out["http_config"]["basic_auth"] = self.basic_auth(&http["basicAuth"], place)?;
        }
        Ok(out)
    }

    /// The operator mounts the ConfigMap's key as a file, and names that: asked for its value, `secrets` answers where
    /// the file is.
    fn tls(&self, tls: &Value, place: &str) -> Result<Value, OperatorError> {
        only(tls, &["ca"], place)?;
        only(&tls["ca"], &["configMap"], place)?;
        Ok(json!({ "ca_file": self.secret(&tls["ca"]["configMap"], place)? }))
    }

    fn basic_auth(&self, basic: &Value, place: &str) -> Result<Value, OperatorError> {
        only(basic, &["username", "password"], place)?;
        Ok(json!({
            "username": self.secret(&basic["username"], place)?,
            "password": self.secret(&basic["password"], place)?,
        }))
    }
}

/// A pod with a metrics port, as Prometheus's own discovery would find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    pub name: String,
    /// `host:port` of the port that a PodMonitor names.
    pub address: String,
}

/// A scrape job for the pods that a PodMonitor selects; discovery has already found them, and tells of each what it
/// tells of a pod. On OpenShift the users' Prometheus trusts no object with its labels, its times or its namespace.
pub fn scrape_job(
    monitor: &Value,
    platform: Platform,
    pods: &[Pod],
    secrets: Secrets<'_>,
) -> Result<Value, OperatorError> {
    let source = Source {
        namespace: text(&monitor["metadata"]["namespace"], "the namespace", "metadata")?,
        name: text(&monitor["metadata"]["name"], "the name", "metadata")?,
        secrets,
    };
    let place = "spec.podMetricsEndpoints[0]";
    only(
        &monitor["spec"],
        &["namespaceSelector", "selector", "podMetricsEndpoints"],
        "spec",
    )?;
    // Without one the operator looks in the monitor's own namespace, which is what ours names.
    let namespaces = &monitor["spec"]["namespaceSelector"];
    if !namespaces.is_null() && *namespaces != json!({"matchNames": [source.namespace]}) {
        return Err(OperatorError::Unknown {
            place: "spec".to_owned(),
            field: format!("namespaceSelector: {namespaces}"),
        });
    }
    let selector = &monitor["spec"]["selector"];
    only(selector, &["matchLabels"], "spec.selector")?;
    let endpoints = monitor["spec"]["podMetricsEndpoints"].as_array();
    let Some([endpoint]) = endpoints.map(Vec::as_slice) else {
        return Err(OperatorError::Missing {
            place: "spec".to_owned(),
            what: "exactly one endpoint",
        });
    };
    let known = [
        "port",
        "path",
        "scheme",
        "interval",
        "scrapeTimeout",
        "honorLabels",
        "basicAuth",
        "metricRelabelings",
    ];
    only(endpoint, &known, place)?;
    let is_enforced = platform == Platform::Openshift;
    let enforced = is_enforced.then(|| json!({"target_label": "namespace", "replacement": source.namespace}));
    let mut relabelings = Vec::new();
    for relabeling in endpoint["metricRelabelings"].as_array().into_iter().flatten() {
        only(relabeling, &["sourceLabels", "regex", "action"], place)?;
        relabelings.push(json!({
            "source_labels": relabeling["sourceLabels"],
            "regex": relabeling["regex"],
            "action": relabeling["action"],
        }));
    }
    relabelings.extend(enforced.clone());
    let labels: BTreeMap<String, &Value> = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (label_name(name), value))
        .collect();
    let mut job = json!({
        "job_name": format!("podMonitor/{}/{}/0", source.namespace, source.name),
        "honor_labels": endpoint["honorLabels"] == true && !is_enforced,
        "scrape_interval": endpoint["interval"],
        "scrape_timeout": endpoint["scrapeTimeout"],
        "metrics_path": endpoint["path"],
        "scheme": endpoint["scheme"],
        "basic_auth": source.basic_auth(&endpoint["basicAuth"], place)?,
        "static_configs": pods.iter().map(|pod| source.found(pod, endpoint, &labels)).collect::<Vec<Value>>(),
        "relabel_configs": source.relabelings(endpoint, &labels, enforced),
        "metric_relabel_configs": relabelings,
    });
    if is_enforced {
        job["honor_timestamps"] = Value::Bool(false);
    }
    Ok(job)
}

/// A name as Prometheus writes it in a label of its own.
fn label_name(name: &str) -> String {
    name.replace(
        |letter: char| !letter.is_ascii_alphanumeric() && letter != '_',
        "_",
    )
}

impl Source<'_> {
    /// A pod as discovery tells of it.
    fn found(&self, pod: &Pod, endpoint: &Value, labels: &BTreeMap<String, &Value>) -> Value {
        let mut told = json!({
            "__meta_kubernetes_namespace": self.namespace,
            "__meta_kubernetes_pod_name": pod.name,
            "__meta_kubernetes_pod_phase": "Running",
            "__meta_kubernetes_pod_container_name": "infinispan",
            "__meta_kubernetes_pod_container_port_name": endpoint["port"],
        });
        for (name, value) in labels {
            told[format!("__meta_kubernetes_pod_label_{name}")] = (*value).clone();
            told[format!("__meta_kubernetes_pod_labelpresent_{name}")] = json!("true");
        }
        json!({"targets": [pod.address], "labels": told})
    }

    /// What becomes of what discovery tells.
    fn relabelings(
        &self,
        endpoint: &Value,
        labels: &BTreeMap<String, &Value>,
        enforced: Option<Value>,
    ) -> Vec<Value> {
        let mut all = vec![
            json!({"source_labels": ["job"], "target_label": "__tmp_prometheus_job_name"}),
            json!({
                "action": "drop", "source_labels": ["__meta_kubernetes_pod_phase"], "regex": "(Failed|Succeeded)",
            }),
        ];
        for (name, value) in labels {
            all.push(json!({
                "action": "keep",
                "source_labels": [
                    format!("__meta_kubernetes_pod_label_{name}"),
                    format!("__meta_kubernetes_pod_labelpresent_{name}"),
                ],
                "regex": format!("({});true", value.as_str().unwrap_or_default()),
            }));
        }
        all.push(json!({
            "action": "keep",
            "source_labels": ["__meta_kubernetes_pod_container_port_name"],
            "regex": endpoint["port"],
        }));
        for (told, label) in [
            ("__meta_kubernetes_namespace", "namespace"),
            ("__meta_kubernetes_pod_container_name", "container"),
            ("__meta_kubernetes_pod_name", "pod"),
        ] {
            all.push(json!({"source_labels": [told], "target_label": label}));
        }
        all.push(json!({"target_label": "job", "replacement": format!("{}/{}", self.namespace, self.name)}));
        all.push(json!({"target_label": "endpoint", "replacement": endpoint["port"]}));
        all.extend(enforced);
        all.extend([
            json!({
                "source_labels": ["__address__", "__tmp_hash"], "target_label": "__tmp_hash",
                "regex": "(.+);", "replacement": "$1", "action": "replace",
            }),
            json!({
                "source_labels": ["__tmp_hash"], "target_label": "__tmp_hash", "modulus": 1, "action": "hashmod",
            }),
            json!({
                "source_labels": ["__tmp_hash", "__tmp_disable_sharding"],
                "regex": "$(SHARD);|.+;.+", "action": "keep",
            }),
        ]);
        all
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn secrets(name: &str, key: &str) -> Option<String> {
        (name == "webhook").then(|| format!("the {key}"))
    }

    fn given() -> Value {
        let selector = |key: &str| json!({"name": "webhook", "key": key});
        json!({
            "metadata": {"name": "sitefence", "namespace": "keycloak"},
            "spec": {
                "route": {
                    "receiver": "nobody",
                    "matchers": [{"name": "topology", "matchType": "=", "value": "a\"b"}],
                    "routes": [{"receiver": "fencing", "groupWait": "5s", "groupBy": ["site"]}],
                },
                "receivers": [{"name": "nobody"}, {"name": "fencing", "webhookConfigs": [{
                    "urlSecret": selector("url"), "sendResolved": true,
                    "httpConfig": {"followRedirects": false, "basicAuth": {
                        "username": selector("username"), "password": selector("password"),
                    }},
                }]}],
            },
        })
    }

    #[test]
    fn names_are_prefixed_the_namespace_is_enforced_and_secrets_are_filled_in() {
        assert_eq!(
            alertmanager_configuration(&given(), &secrets).unwrap(),
            json!({
                "route": {"receiver": "null", "routes": [{
                    "receiver": "keycloak/sitefence/nobody",
                    "matchers": ["topology=\"a\\\"b\"", "namespace=\"keycloak\""],
                    "continue": true,
                    "routes": [{
                        "receiver": "keycloak/sitefence/fencing", "group_wait": "5s", "group_by": ["site"],
                    }],
                }]},
                "receivers": [
                    {"name": "null"},
                    {"name": "keycloak/sitefence/nobody"},
                    {"name": "keycloak/sitefence/fencing", "webhook_configs": [{
                        "url": "the url", "send_resolved": true,
                        "http_config": {"follow_redirects": false, "basic_auth": {
                            "username": "the username", "password": "the password",
                        }},
                    }]},
                ],
                "templates": [],
            })
        );
    }

    #[test]
    fn what_is_not_converted_is_refused() {
        let mut config = given();
        config["spec"]["inhibitRules"] = json!([]);
        assert!(alertmanager_configuration(&config, &secrets).is_err());
        let mut config = given();
        config["spec"]["route"]["routes"][0]["muteTimeIntervals"] = json!(["night"]);
        let error = alertmanager_configuration(&config, &secrets).unwrap_err();
        assert_eq!(
            error.to_string(),
            "spec.route.routes[0]: `muteTimeIntervals` is not converted here"
        );
        let mut config = given();
        config["spec"]["receivers"][1]["webhookConfigs"][0]["urlSecret"]["name"] = json!("other");
        assert!(matches!(
            alertmanager_configuration(&config, &secrets),
            Err(OperatorError::Secret { .. })
        ));
    }
}
