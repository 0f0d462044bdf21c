//! What Alertmanager posts: version 4 of its webhook's payload, with the labels that Prometheus would have put on
//! the alert of the very rule that `provision` rendered.
//!
//! ```text
//!   PrometheusRule: rule's labels ┐
//!   series: namespace, site       ┴▶ the alert's labels ─▶ payload ─▶ POST with the webhook's credentials
//! ```

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

/// What a rendered rule file does not say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rendered PrometheusRule holds no alert `{alert}` with labels")]
pub struct NoSuchAlert {
    /// The alert that was looked for.
    pub alert: String,
}

/// The labels of an alert of this rule when it fires for a series of `namespace` and `site`.
pub(super) fn labels(
    rule: &Value,
    alert: &str,
    namespace: &str,
    site: &str,
) -> Result<BTreeMap<String, String>, NoSuchAlert> {
    let groups = rule.pointer("/spec/groups").and_then(Value::as_array);
    let found = groups
        .into_iter()
        .flatten()
        .filter_map(|group| group["rules"].as_array())
        .flatten()
        .find(|rule| rule["alert"] == alert)
        .and_then(|rule| rule["labels"].as_object())
        .ok_or_else(|| NoSuchAlert {
            alert: alert.to_owned(),
        })?;
    // `max by (namespace, site)` leaves these two of the series; the rule's own labels win over them.
    let mut labels = BTreeMap::from([
        ("alertname".to_owned(), alert.to_owned()),
        ("namespace".to_owned(), namespace.to_owned()),
        ("site".to_owned(), site.to_owned()),
    ]);
    for (name, value) in found {
        if let Some(value) = value.as_str() {
            labels.insert(name.clone(), value.to_owned());
        }
    }
    Ok(labels)
}

/// The payload with one firing alert.
pub fn payload(labels: &BTreeMap<String, String>, receiver: &str, fired_at: Timestamp) -> Value {
    let label = |name: &str| labels.get(name).map(String::as_str).unwrap_or_default();
    let group = json!({"alertname": label("alertname")});
    json!({
        "receiver": receiver,
        "status": "firing",
        "alerts": [{
            "status": "firing",
            "labels": labels,
            "annotations": {"summary": format!("{} does not see {}", label("reporter"), label("site"))},
            "startsAt": fired_at.to_string(),
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": format!("http://prometheus-k8s-0:9090/graph?g0.tab=1&g0.expr={}", label("alertname")),
            "fingerprint": "f1bd7b4c3a5e2d90",
        }],
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager-main-0:9093",
        "version": "4",
        "groupKey": format!("{{}}/{{namespace=\"{}\"}}:{{alertname=\"{}\"}}", label("namespace"), label("alertname")),
        "truncatedAlerts": 0,
        "notification_reason": "new alert in group",
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rule() -> Value {
        json!({"spec": {"groups": [
            {"name": "other", "rules": [{"record": "x"}, {"alert": "SiteViewAbsent", "labels": {}}]},
            {"name": "sitefence", "rules": [{"alert": "SiteOffline", "labels": {
                "topology": "local", "reporter": "site-a", "severity": "none",
            }}]},
        ]}})
    }

    #[test]
    fn labels_come_from_the_rule_and_from_the_series() {
        let labels = labels(&rule(), "SiteOffline", "keycloak", "site-b").unwrap();
        let expected = [
            ("alertname", "SiteOffline"),
            ("namespace", "keycloak"),
            ("reporter", "site-a"),
            ("severity", "none"),
            ("site", "site-b"),
            ("topology", "local"),
        ];
        assert_eq!(
            labels,
            expected
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into()
        );
    }

    #[test]
    fn a_rule_that_is_not_there_is_an_error() {
        assert_eq!(
            labels(&rule(), "SiteOnline", "keycloak", "site-b"),
            Err(NoSuchAlert {
                alert: "SiteOnline".to_owned()
            })
        );
    }

    #[test]
    fn one_firing_alert_is_in_the_payload() {
        let labels = labels(&rule(), "SiteOffline", "keycloak", "site-b").unwrap();
        let payload = payload(&labels, "keycloak/sitefence/webhook", Timestamp::UNIX_EPOCH);
        let alert = &payload["alerts"][0];
        assert_eq!(alert["status"], "firing");
        assert_eq!(alert["labels"]["reporter"], "site-a");
        assert_eq!(alert["labels"]["site"], "site-b");
        assert_eq!(payload["version"], "4");
    }
}
