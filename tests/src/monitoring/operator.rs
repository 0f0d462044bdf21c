//! prometheus-operator's work, as its source does it (`pkg/alertmanager/amcfg.go`, `pkg/prometheus/promcfg.go`).
//!
//! Only what Sitefence's objects use is converted, and anything else in them is an error: a field that the operator
//! would heed and this would not, would make the tests say something else than the cluster does.

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

/// The configuration of an Alertmanager that selects this one AlertmanagerConfig, of either version, and has the
/// operator's own default route.
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
    let mut receivers = vec![json!({"name": "null"})];
    for (index, receiver) in spec["receivers"].as_array().into_iter().flatten().enumerate() {
        receivers.push(source.receiver(receiver, &format!("spec.receivers[{index}]"))?);
    }
    Ok(json!({
        "route": {"receiver": "null", "routes": [ours]},
        "receivers": receivers,
        "templates": [],
    }))
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

/// A scrape job for the pods that a PodMonitor selects; discovery has already found them.
pub fn scrape_job(monitor: &Value, pods: &[Pod], secrets: Secrets<'_>) -> Result<Value, OperatorError> {
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
    let mut relabelings = Vec::new();
    for relabeling in endpoint["metricRelabelings"].as_array().into_iter().flatten() {
        only(relabeling, &["sourceLabels", "regex", "action"], place)?;
        relabelings.push(json!({
            "source_labels": relabeling["sourceLabels"],
            "regex": relabeling["regex"],
            "action": relabeling["action"],
        }));
    }
    let targets: Vec<Value> = pods
        .iter()
        .map(|pod| {
            json!({"targets": [pod.address], "labels": {
                "namespace": source.namespace,
                "pod": pod.name,
                "container": "infinispan",
                "endpoint": endpoint["port"],
            }})
        })
        .collect();
    Ok(json!({
        "job_name": format!("podMonitor/{}/{}/0", source.namespace, source.name),
        "honor_labels": endpoint["honorLabels"] == true,
        "scrape_interval": endpoint["interval"],
        "scrape_timeout": endpoint["scrapeTimeout"],
        "metrics_path": endpoint["path"],
        "scheme": endpoint["scheme"],
        "basic_auth": source.basic_auth(&endpoint["basicAuth"], place)?,
        "static_configs": targets,
        "metric_relabel_configs": relabelings,
    }))
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
