//! The Kubernetes objects of a site: what each is filled with.

use fencing::contract::{alert, label, path, runbook};
use serde::Serialize;

use super::engine::{Filled, RenderError, fill};
use crate::topology::names::{LABEL_MANAGED_BY, LABEL_TOPOLOGY, MANAGED_BY};
use crate::topology::{Interval, Platform, Proxy, Site, Topology};

/// OpenShift evaluates rules with this label beside the series, not one hop further in Thanos.
const LEAF_LABEL: (&str, &str) = ("openshift.io/prometheus-rule-evaluation-scope", "leaf-prometheus");

/// The series that tells whether the other site is in view. Infinispan dropped the prefix in 16.0.4.
const SITE_VIEW: &str = r#"__name__=~"(vendor_)?jgroups_site_view_status""#;

/// The names of all series that a rule looks at, as a pattern for whole names.
const SERIES: &str = "(vendor_)?jgroups_site_view_status|(vendor|infinispan)_x_site_admin_status|\
                      vendor_cache_manager_.+_x_site_admin_.+_status";

/// Whether replication is cut has four names: Infinispan 16's own, that of 15 with names as tags and of 16 with
/// `metrics.legacy`, and, in 15 as it comes, one for each cache and site. The labels `cache` and `site` they all have.
const ADMIN_STATUS: &str =
    r#"__name__=~"(vendor|infinispan)_x_site_admin_status|vendor_cache_manager_.+_x_site_admin_.+_status""#;

/// How often Alertmanager looks whether the watchdog is due again.
const WATCHDOG_INTERVAL: Interval = Interval::from_seconds(30);
pub const WATCHDOG_REPEAT_INTERVAL: Interval = Interval::from_seconds(60);

/// What prometheus-operator takes when nothing is said; never longer than the interval.
const LONGEST_SCRAPE_TIMEOUT: Interval = Interval::from_seconds(10);

/// Where people read on about each alert.
#[derive(Serialize)]
struct Runbook {
    site_offline: String,
    site_suspected: String,
    site_lost: String,
    site_view_absent: String,
    replication_cut: String,
    watchdog: String,
}

impl Runbook {
    fn of_alerts() -> Self {
        Self {
            site_offline: runbook(alert::SITE_OFFLINE),
            site_suspected: runbook(alert::SITE_SUSPECTED),
            site_lost: runbook(alert::SITE_LOST),
            site_view_absent: runbook(alert::SITE_VIEW_ABSENT),
            replication_cut: runbook(alert::REPLICATION_CUT),
            watchdog: runbook(alert::WATCHDOG),
        }
    }
}

/// The alerts' names, as the templates ask for them.
#[derive(Debug, Clone, Copy, Serialize)]
struct Alerts {
    site_offline: &'static str,
    site_suspected: &'static str,
    site_lost: &'static str,
    site_view_absent: &'static str,
    replication_cut: &'static str,
    watchdog: &'static str,
}

const ALERTS: Alerts = Alerts {
    site_offline: alert::SITE_OFFLINE,
    site_suspected: alert::SITE_SUSPECTED,
    site_lost: alert::SITE_LOST,
    site_view_absent: alert::SITE_VIEW_ABSENT,
    replication_cut: alert::REPLICATION_CUT,
    watchdog: alert::WATCHDOG,
};

/// The names of the labels that the function reads.
#[derive(Debug, Clone, Copy, Serialize)]
struct AlertLabels {
    topology: &'static str,
    reporter: &'static str,
    site: &'static str,
}

const ALERT_LABELS: AlertLabels = AlertLabels {
    topology: label::TOPOLOGY,
    reporter: label::REPORTER,
    site: label::SITE,
};

#[derive(Debug, Clone, Serialize)]
struct Label {
    key: String,
    value: String,
}

/// A document of one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// How alerts reach the function.
    AlertmanagerConfig,
    /// When the other site is called lost.
    PrometheusRule,
    /// Reads the series more often.
    PodMonitor,
    /// The webhook's address and password: placeholders.
    Secret,
    /// Our part of OpenShift's ConfigMap.
    UserWorkloadConfig,
    /// The list of what `kubectl apply -k` takes.
    Kustomization,
}

impl ObjectKind {
    pub const fn file(self) -> &'static str {
        match self {
            Self::AlertmanagerConfig => "alertmanagerconfig.yaml",
            Self::PrometheusRule => "prometheusrule.yaml",
            Self::PodMonitor => "podmonitor.yaml",
            Self::Secret => "secret.yaml",
            Self::UserWorkloadConfig => "user-workload-monitoring-config.yaml",
            Self::Kustomization => "kustomization.yaml",
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::AlertmanagerConfig => "AlertmanagerConfig",
            Self::PrometheusRule => "PrometheusRule",
            Self::PodMonitor => "PodMonitor",
            Self::Secret => "Secret",
            Self::UserWorkloadConfig => "ConfigMap",
            Self::Kustomization => "Kustomization",
        }
    }

    /// Whether it stays out of the folder that `kubectl apply -k` takes: it holds a secret's placeholders, or
    /// would overwrite the cluster's own settings.
    pub const fn is_by_hand(self) -> bool {
        matches!(self, Self::Secret | Self::UserWorkloadConfig)
    }
}

/// The documents of a site, in rendering order.
pub(super) fn kinds(topology: &Topology, site: &Site) -> Vec<ObjectKind> {
    let mut kinds = vec![ObjectKind::AlertmanagerConfig, ObjectKind::PrometheusRule];
    if topology.monitoring.pod_monitor {
        kinds.push(ObjectKind::PodMonitor);
    }
    kinds.extend([ObjectKind::Kustomization, ObjectKind::Secret]);
    if site.platform == Platform::Openshift {
        kinds.push(ObjectKind::UserWorkloadConfig);
    }
    kinds
}

/// One document of a site.
pub(super) fn document(topology: &Topology, site: &Site, kind: ObjectKind) -> Result<Filled, RenderError> {
    match kind {
        ObjectKind::AlertmanagerConfig => alertmanager_config(topology, site),
        ObjectKind::PrometheusRule => prometheus_rule(topology, site),
        ObjectKind::PodMonitor => pod_monitor(topology, site),
        ObjectKind::Secret => secret(topology, site),
        ObjectKind::UserWorkloadConfig => {
            fill("user-workload-monitoring-config.yaml", &serde_json::json!({}))
        }
        ObjectKind::Kustomization => kustomization(topology, site),
    }
}

fn own_label(key: &str, value: &impl ToString) -> Label {
    Label {
        key: key.to_owned(),
        value: value.to_string(),
    }
}

/// The labels by which our objects are found again.
fn our_labels(topology: &Topology) -> Vec<Label> {
    vec![
        own_label(LABEL_MANAGED_BY, &MANAGED_BY),
        own_label(LABEL_TOPOLOGY, &topology.name),
    ]
}

/// Ours, and those that the cluster's monitoring selects by.
fn monitoring_labels(topology: &Topology) -> Vec<Label> {
    let theirs = topology
        .monitoring
        .labels
        .iter()
        .map(|(key, value)| own_label(key.as_str(), value));
    our_labels(topology).into_iter().chain(theirs).collect()
}

fn alertmanager_config(topology: &Topology, site: &Site) -> Result<Filled, RenderError> {
    #[derive(Serialize)]
    struct Values {
        alert: Alerts,
        label: AlertLabels,
        api_version: &'static str,
        name: String,
        namespace: String,
        labels: Vec<Label>,
        topology: String,
        group_wait: String,
        is_suspected: bool,
        group_interval: String,
        repeat_interval: String,
        watchdog_interval: String,
        watchdog_repeat_interval: String,
        secret_name: String,
        url_keys: Vec<String>,
        environment_proxy: bool,
        /// One or none.
        proxy_urls: Vec<String>,
        proxy_ca: Vec<Ca>,
    }
    #[derive(Serialize)]
    struct Ca {
        config_map: String,
        key: String,
    }
    let alerting = &topology.alerting;
    let proxy = topology.monitoring.proxy.as_ref();
    let ca = topology.monitoring.proxy_ca.as_ref();
    fill(
        "alertmanagerconfig.yaml",
        &Values {
            alert: ALERTS,
            label: ALERT_LABELS,
            api_version: api_version(site.platform),
            name: topology.object_name(),
            namespace: site.namespace.to_string(),
            labels: monitoring_labels(topology),
            topology: topology.name.to_string(),
            group_wait: alerting.group_wait.to_string(),
            is_suspected: alerting.suspicion.seconds() > 0,
            group_interval: alerting.group_interval.to_string(),
            repeat_interval: alerting.repeat_interval.to_string(),
            watchdog_interval: WATCHDOG_INTERVAL.to_string(),
            watchdog_repeat_interval: WATCHDOG_REPEAT_INTERVAL.to_string(),
            secret_name: topology.object_name(),
            url_keys: topology.url_keys().map(|(key, _)| key).collect(),
            environment_proxy: proxy.is_none_or(Proxy::is_of_environment),
            proxy_urls: proxy
                .and_then(Proxy::url)
                .map(str::to_owned)
                .into_iter()
                .collect(),
            proxy_ca: ca
                .map(|ca| Ca {
                    config_map: ca.config_map.to_string(),
                    key: ca.key.to_string(),
                })
                .into_iter()
                .collect(),
        },
    )
}

/// The field that an older AlertmanagerConfig does not know.
pub const ENVIRONMENT_PROXY: &str = "proxyFromEnvironment";

/// An AlertmanagerConfig without the field, for a cluster whose definition does not know it.
#[must_use]
pub fn without_environment_proxy(mut config: serde_json::Value) -> serde_json::Value {
    let receivers = config
        .pointer_mut("/spec/receivers")
        .and_then(|it| it.as_array_mut());
    for receiver in receivers.into_iter().flatten() {
        let webhooks = receiver
            .get_mut("webhookConfigs")
            .and_then(|it| it.as_array_mut());
        for webhook in webhooks.into_iter().flatten() {
            if let Some(http) = webhook.get_mut("httpConfig").and_then(|it| it.as_object_mut()) {
                http.remove(ENVIRONMENT_PROXY);
            }
        }
    }
    config
}

/// The version of AlertmanagerConfig that a platform serves: v1beta1 needs a conversion webhook, which
/// OpenShift runs and a plain prometheus-operator does not.
pub const fn api_version(platform: Platform) -> &'static str {
    match platform {
        Platform::Openshift => "monitoring.coreos.com/v1beta1",
        Platform::Kubernetes => "monitoring.coreos.com/v1alpha1",
    }
}

/// How much longer `site`'s alerts against its peer wait if the peer is the preferred survivor, so that when both report
/// each other the preferred one's comes first.
pub fn preference(topology: &Topology, site: &Site) -> Option<Interval> {
    let peer = &topology.peer_of(site).name;
    let is_preferred = topology.preferred_survivor.as_ref() == Some(peer);
    let delay = topology.alerting.preference_delay;
    (is_preferred && delay.seconds() > 0).then_some(delay)
}

/// How long `site`'s alert against its peer waits.
pub fn pending(topology: &Topology, site: &Site) -> Interval {
    let more = preference(topology, site).map_or(0, Interval::seconds);
    Interval::from_seconds(topology.alerting.pending.seconds().saturating_add(more))
}

/// The names of the pods of the site's Infinispan: there may be others in its namespace, with sites of their own. The
/// operator's StatefulSet is called like the custom resource, with a number behind it after a rolling upgrade. In a
/// pattern the grammar of names has only a dot that means more than itself.
fn pods(site: &Site) -> String {
    let cluster = site.infinispan.cluster.as_str().replace('.', r"\\.");
    format!("{cluster}-([0-9]+-)?[0-9]+")
}

fn prometheus_rule(topology: &Topology, site: &Site) -> Result<Filled, RenderError> {
    #[derive(Serialize)]
    struct Values {
        name: String,
        namespace: String,
        labels: Vec<Label>,
        alert: Alerts,
        runbook: Runbook,
        label: AlertLabels,
        evaluation_interval: String,
        site_offline_expr: String,
        site_view_absent_expr: String,
        replication_cut_expr: String,
        site_offline_summary: String,
        site_view_absent_summary: String,
        watchdog_summary: String,
        pending: String,
        is_suspected: bool,
        /// One or none.
        suspected_pending: Vec<String>,
        severity: String,
        topology: String,
        reporter: String,
        peer: String,
    }
    let mut labels = monitoring_labels(topology);
    if site.platform == Platform::Openshift {
        labels.push(own_label(LEAF_LABEL.0, &LEAF_LABEL.1));
    }
    let peer = &topology.peer_of(site).name;
    // Namespace and site have grammars without any character that means something inside PromQL's quotes.
    let about = format!(
        r#"namespace="{}",pod=~"{}",site="{peer}""#,
        site.namespace,
        pods(site)
    );
    fill(
        "prometheusrule.yaml",
        &Values {
            name: topology.object_name(),
            namespace: site.namespace.to_string(),
            labels,
            alert: ALERTS,
            runbook: Runbook::of_alerts(),
            label: ALERT_LABELS,
            evaluation_interval: topology.alerting.evaluation_interval.to_string(),
            site_offline_expr: format!("max by (namespace, site) ({{{SITE_VIEW},{about}}} != 2) == 0"),
            site_view_absent_expr: format!("absent({{{SITE_VIEW},{about}}})"),
            replication_cut_expr: format!(
                "min by (namespace, cache, site) ({{{ADMIN_STATUS},{about}}}) == 0"
            ),
            site_offline_summary: format!("{} does not see {peer}", site.name),
            site_view_absent_summary: format!("Nothing shows whether {} sees {peer}", site.name),
            watchdog_summary: format!("The path from {} to the fencing function works", site.name),
            pending: pending(topology, site).to_string(),
            is_suspected: topology.alerting.suspicion.seconds() > 0,
            suspected_pending: preference(topology, site)
                .map(|delay| delay.to_string())
                .into_iter()
                .collect(),
            severity: topology.alerting.severity.to_string(),
            topology: topology.name.to_string(),
            reporter: site.name.to_string(),
            peer: peer.to_string(),
        },
    )
}

fn pod_monitor(topology: &Topology, site: &Site) -> Result<Filled, RenderError> {
    #[derive(Serialize)]
    struct Values {
        name: String,
        namespace: String,
        labels: Vec<Label>,
        infinispan_cluster: String,
        infinispan_secret: String,
        scrape_interval: String,
        scrape_timeout: String,
        series: String,
    }
    let interval = topology.alerting.scrape_interval;
    fill(
        "podmonitor.yaml",
        &Values {
            name: topology.object_name(),
            namespace: site.namespace.to_string(),
            labels: monitoring_labels(topology),
            infinispan_cluster: site.infinispan.cluster.to_string(),
            // The operator's name for the secret with its own credentials.
            infinispan_secret: format!("{}-generated-operator-secret", site.infinispan.cluster),
            scrape_interval: interval.to_string(),
            scrape_timeout: interval.min(LONGEST_SCRAPE_TIMEOUT).to_string(),
            series: SERIES.to_owned(),
        },
    )
}

fn secret(topology: &Topology, site: &Site) -> Result<Filled, RenderError> {
    #[derive(Serialize)]
    struct Values {
        name: String,
        namespace: String,
        labels: Vec<Label>,
        url_keys: Vec<String>,
        url_placeholder: String,
        username: String,
    }
    fill(
        "secret.yaml",
        &Values {
            name: topology.object_name(),
            namespace: site.namespace.to_string(),
            labels: our_labels(topology),
            url_keys: topology.url_keys().map(|(key, _)| key).collect(),
            url_placeholder: format!("<the function's URL>{}", path::WEBHOOK.trim_start_matches('/')),
            username: topology.webhook.username.to_string(),
        },
    )
}

fn kustomization(topology: &Topology, site: &Site) -> Result<Filled, RenderError> {
    #[derive(Serialize)]
    struct Values {
        resources: Vec<&'static str>,
    }
    let resources = kinds(topology, site)
        .into_iter()
        .filter(|kind| !kind.is_by_hand() && *kind != ObjectKind::Kustomization)
        .map(ObjectKind::file)
        .collect();
    fill("kustomization.yaml", &Values { resources })
}
