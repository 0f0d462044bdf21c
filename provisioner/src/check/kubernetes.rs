//! Promises about the Kubernetes objects.

use std::collections::BTreeSet;

use fencing::contract::{alert, label};
use fencing::settings;
use fencing::step::ROOM_SECONDS;
use serde_json::{Value, json};

use super::{DocumentCase, as_list, of_type, text, texts};
use crate::render::{ObjectKind, pending, preference};
use crate::topology::names::{LABEL_MANAGED_BY, LABEL_TOPOLOGY, MANAGED_BY, PASSWORD_KEY, USERNAME_KEY};
use crate::topology::{Interval, Site, Topology};

fn rules(object: &Value) -> Vec<&Value> {
    let groups = object.pointer("/spec/groups").map(as_list).unwrap_or_default();
    groups
        .into_iter()
        .flat_map(|group| group.get("rules").map(as_list).unwrap_or_default())
        .collect()
}

fn rule<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    rules(object)
        .into_iter()
        .find(|rule| text(rule, "/alert") == name)
}

pub(super) fn one_namespace_per_site(case: &mut DocumentCase<'_>) {
    for (document, site, kind) in case.objects() {
        let namespace = text(&document.value, "/metadata/namespace");
        match kind {
            ObjectKind::Kustomization if document.value.get("namespace").is_some() => {
                case.breach(document, "it moves the objects to another namespace");
            }
            ObjectKind::UserWorkloadConfig if namespace != "openshift-user-workload-monitoring" => {
                case.breach(document, format!("it is in `{namespace}`"));
            }
            ObjectKind::Kustomization | ObjectKind::UserWorkloadConfig => {}
            _ if namespace != site.namespace.as_str() => {
                case.breach(
                    document,
                    format!("it is in `{namespace}`, the site in `{}`", site.namespace),
                );
            }
            _ => {}
        }
        if kind == ObjectKind::PrometheusRule {
            for rule in rules(&document.value) {
                if text(rule, "/labels/namespace") != site.namespace.as_str() {
                    case.breach(
                        document,
                        format!("{} is labelled with another namespace", text(rule, "/alert")),
                    );
                }
            }
        }
    }
}

/// The alerts about the other site that this topology has.
fn about_the_peer(topology: &Topology) -> Vec<&'static str> {
    let suspected = (topology.alerting.suspicion.seconds() > 0).then_some(alert::SITE_SUSPECTED);
    let always = [
        alert::SITE_OFFLINE,
        alert::SITE_LOST,
        alert::SITE_VIEW_ABSENT,
        alert::REPLICATION_CUT,
    ];
    always.into_iter().chain(suspected).collect()
}

pub(super) fn rule_labels_are_the_settings(case: &mut DocumentCase<'_>) {
    for (document, site) in case.objects_of(ObjectKind::PrometheusRule) {
        let peer = &case.topology.peer_of(site).name;
        let about_the_peer = about_the_peer(case.topology).into_iter().map(|name| (name, peer));
        for (name, about) in about_the_peer.chain([(alert::WATCHDOG, &site.name)]) {
            let Some(rule) = rule(&document.value, name) else {
                case.breach(document, format!("it has no alert {name}"));
                continue;
            };
            for (key, wanted) in [
                (label::TOPOLOGY, case.topology.name.as_str()),
                (label::REPORTER, site.name.as_str()),
                (label::SITE, about.as_str()),
            ] {
                let found = text(rule, &format!("/labels/{key}"));
                if found != wanted {
                    case.breach(
                        document,
                        format!("{name} has the {key} `{found}`, not `{wanted}`"),
                    );
                }
            }
        }
        let labels = |name: &str| {
            let mut labels = rule(&document.value, name)?.get("labels")?.as_object()?.clone();
            labels.remove(label::SITE);
            Some(labels)
        };
        // Else a silence or an inhibition could mute the one that fences while the one that shows the path to work arrives.
        if labels(alert::SITE_OFFLINE) != labels(alert::WATCHDOG) {
            case.breach(
                document,
                format!(
                    "{} and {} do not carry the same labels",
                    alert::SITE_OFFLINE,
                    alert::WATCHDOG
                ),
            );
        }
    }
}

pub(super) fn rule_looks_at_the_peer(case: &mut DocumentCase<'_>) {
    for (document, site) in case.objects_of(ObjectKind::PrometheusRule) {
        let peer = &case.topology.peer_of(site).name;
        for name in about_the_peer(case.topology) {
            let expr = rule(&document.value, name).map_or("", |rule| text(rule, "/expr"));
            let metric = match name {
                alert::REPLICATION_CUT => {
                    "x_site_admin_status|vendor_cache_manager_.+_x_site_admin_.+_status"
                }
                _ => r#"__name__=~"(vendor_)?jgroups_site_view_status""#,
            };
            for part in [
                metric,
                &format!("namespace=\"{}\"", site.namespace),
                &format!("site=\"{peer}\""),
            ] {
                if !expr.contains(part) {
                    case.breach(document, format!("{name} does not look for {part}"));
                }
            }
        }
        let offline = rule(&document.value, alert::SITE_OFFLINE).map_or("", |rule| text(rule, "/expr"));
        if !offline.starts_with("max by (namespace, site) (") || !offline.ends_with(" != 2) == 0") {
            case.breach(
                document,
                format!(
                    "{} does not ask that no relay node sees the other site",
                    alert::SITE_OFFLINE
                ),
            );
        }
        if rule(&document.value, alert::WATCHDOG).map_or("", |rule| text(rule, "/expr")) != "vector(1)" {
            case.breach(document, format!("{} does not always fire", alert::WATCHDOG));
        }
    }
}

/// A rule's own labels are not yet there when its annotations are filled; such a text would have a hole.
pub(super) fn annotations_have_no_holes(case: &mut DocumentCase<'_>) {
    for (document, _) in case.objects_of(ObjectKind::PrometheusRule) {
        for rule in rules(&document.value) {
            let expr = text(rule, "/expr");
            for (name, annotation) in rule
                .get("annotations")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                for rest in annotation.as_str().unwrap_or_default().split("$labels.").skip(1) {
                    let label: String = rest
                        .chars()
                        .take_while(|c| c.is_alphanumeric() || *c == '_')
                        .collect();
                    let has_label = expr
                        .split(|c: char| !c.is_alphanumeric() && c != '_')
                        .any(|word| word == label);
                    if !has_label {
                        let alert = text(rule, "/alert");
                        case.breach(
                            document,
                            format!("the {name} of {alert} speaks of {label}, which `{expr}` has not"),
                        );
                    }
                }
            }
        }
    }
}

fn interval(value: &Value, pointer: &str) -> Option<Interval> {
    Interval::new(text(value, pointer)).ok()
}

pub(super) fn timings_can_work(case: &mut DocumentCase<'_>) {
    let mut timeout_seconds = 0;
    for (document, _) in case.fencing_stacks() {
        for (id, function) in of_type(&document.value, "AWS::Lambda::Function") {
            let timeout = function
                .get("Timeout")
                .and_then(Value::as_u64)
                .unwrap_or(u64::MAX);
            timeout_seconds = timeout_seconds.max(timeout);
            let told = text(
                function,
                &format!("/Environment/Variables/{}", settings::TIMEOUT_SECONDS.name),
            );
            if told != timeout.to_string() {
                case.breach(
                    document,
                    format!("`{id}` is stopped after {timeout} seconds and believes {told}"),
                );
            }
        }
    }
    for (document, _) in case.objects_of(ObjectKind::AlertmanagerConfig) {
        for route in routes(&document.value) {
            let group = interval(route, "/groupInterval").map_or(0, Interval::seconds);
            let repeat = interval(route, "/repeatInterval").map_or(0, Interval::seconds);
            if u64::from(group) <= timeout_seconds {
                case.breach(
                    document,
                    format!(
                        "Alertmanager gives up after {group} seconds, the function after {timeout_seconds}"
                    ),
                );
            }
            if repeat < group {
                case.breach(
                    document,
                    format!("nothing is repeated every {repeat} seconds, looking every {group}"),
                );
            }
        }
    }
    for (document, site) in case.objects_of(ObjectKind::PrometheusRule) {
        let wanted = pending(case.topology, site);
        let found = rule(&document.value, alert::SITE_OFFLINE).and_then(|rule| interval(rule, "/for"));
        if found != Some(wanted) {
            case.breach(
                document,
                format!("{} does not wait for {wanted}", alert::SITE_OFFLINE),
            );
        }
    }
    for (document, _) in case.objects_of(ObjectKind::PodMonitor) {
        for endpoint in document
            .value
            .pointer("/spec/podMetricsEndpoints")
            .map(as_list)
            .unwrap_or_default()
        {
            match (
                interval(endpoint, "/interval"),
                interval(endpoint, "/scrapeTimeout"),
            ) {
                (Some(interval), Some(timeout)) if timeout <= interval => {}
                _ => case.breach(
                    document,
                    "a scrape may last longer than its interval, which Prometheus refuses",
                ),
            }
        }
    }
}

fn routes(object: &Value) -> Vec<&Value> {
    object
        .pointer("/spec/route/routes")
        .map(as_list)
        .unwrap_or_default()
}

fn matchers(route: &Value) -> Vec<(&str, &str, &str)> {
    let matchers = route.get("matchers").map(as_list).unwrap_or_default();
    matchers
        .into_iter()
        .map(|m| (text(m, "/name"), text(m, "/matchType"), text(m, "/value")))
        .collect()
}

fn route_of<'a>(object: &'a Value, name: &str) -> Vec<&'a Value> {
    routes(object)
        .into_iter()
        .filter(|route| matchers(route).contains(&("alertname", "=", name)))
        .collect()
}

pub(super) fn route_reaches_every_function(case: &mut DocumentCase<'_>) {
    for (document, site) in case.objects_of(ObjectKind::AlertmanagerConfig) {
        let object = &document.value;
        if text(object, "/apiVersion") != crate::render::api_version(site.platform) {
            case.breach(
                document,
                format!("{} does not serve {}", site.platform, text(object, "/apiVersion")),
            );
        }
        let top = object.pointer("/spec/route").unwrap_or(&Value::Null);
        if matchers(top) != [(label::TOPOLOGY, "=", case.topology.name.as_str())] {
            case.breach(
                document,
                "it takes other topologies' alerts, or not all of its own",
            );
        }
        let secret = case.topology.object_name();
        let wanted: BTreeSet<String> = case.topology.url_keys().map(|(key, _)| key).collect();
        for route in route_of(object, alert::SITE_OFFLINE) {
            let receivers = object.pointer("/spec/receivers").map(as_list).unwrap_or_default();
            let receiver = receivers
                .into_iter()
                .find(|receiver| text(receiver, "/name") == text(route, "/receiver"));
            let webhooks = receiver
                .and_then(|receiver| receiver.get("webhookConfigs"))
                .map(as_list)
                .unwrap_or_default();
            let mut reached = BTreeSet::new();
            for webhook in webhooks {
                if text(webhook, "/urlSecret/name") == secret {
                    reached.insert(text(webhook, "/urlSecret/key").to_owned());
                }
                for (part, key) in [("username", USERNAME_KEY), ("password", PASSWORD_KEY)] {
                    let reference = webhook.pointer(&format!("/httpConfig/basicAuth/{part}"));
                    if reference != Some(&json!({"name": secret, "key": key})) {
                        case.breach(document, format!("a webhook has no {part} from the Secret"));
                    }
                }
                if webhook.get("sendResolved") != Some(&json!(true)) {
                    case.breach(document, "a webhook does not receive the end of an alert");
                }
            }
            if reached != wanted {
                case.breach(document, format!("it reaches {reached:?} instead of {wanted:?}"));
            }
        }
        if route_of(object, alert::SITE_OFFLINE).len() != 1 {
            case.breach(
                document,
                format!("there is not exactly one route for {}", alert::SITE_OFFLINE),
            );
        }
    }
}

pub(super) fn watchdog_has_its_own_route(case: &mut DocumentCase<'_>) {
    for (document, _) in case.objects_of(ObjectKind::AlertmanagerConfig) {
        let watchdog = route_of(&document.value, alert::WATCHDOG);
        let [route] = watchdog.as_slice() else {
            case.breach(
                document,
                format!("there are {} routes for the watchdog", watchdog.len()),
            );
            continue;
        };
        if matchers(route).len() != 1 || route.get("groupBy") != Some(&json!(["alertname", label::SITE])) {
            case.breach(document, "the watchdog shares its group with other alerts");
        }
        if text(route, "/repeatInterval") != "1m" {
            case.breach(document, "the watchdog does not come every minute");
        }
    }
}

/// Nothing is to wait for a suspicion, and nothing else is to wait because of one.
pub(super) fn suspicion_is_heard_at_once(case: &mut DocumentCase<'_>) {
    let look = case.topology.alerting.suspicion.seconds();
    for (document, site) in case.objects_of(ObjectKind::PrometheusRule) {
        let (offline, suspected) = (
            rule(&document.value, alert::SITE_OFFLINE).unwrap_or(&Value::Null),
            rule(&document.value, alert::SITE_SUSPECTED),
        );
        match suspected {
            None if look > 0 => case.breach(document, format!("it has no alert {}", alert::SITE_SUSPECTED)),
            Some(_) if look == 0 => case.breach(document, "it suspects sites, which is switched off"),
            Some(suspected) => {
                for part in ["expr", "labels"] {
                    if suspected.get(part) != offline.get(part) {
                        let other = alert::SITE_OFFLINE;
                        case.breach(document, format!("its {part} for a suspicion are not {other}'s"));
                    }
                }
                if interval(suspected, "/for") != preference(case.topology, site) {
                    case.breach(document, "a suspicion waits in Prometheus");
                }
            }
            None => {}
        }
    }
    for (document, _) in case.objects_of(ObjectKind::AlertmanagerConfig) {
        let suspected = route_of(&document.value, alert::SITE_SUSPECTED);
        let route = match suspected.as_slice() {
            [] if look == 0 => continue,
            [route] if look > 0 => *route,
            routes => {
                case.breach(
                    document,
                    format!("there are {} routes for a suspicion", routes.len()),
                );
                continue;
            }
        };
        let offline = route_of(&document.value, alert::SITE_OFFLINE);
        let offline = offline.first().copied().unwrap_or(&Value::Null);
        if matchers(route).len() != 1 || route.get("groupBy") != offline.get("groupBy") {
            case.breach(document, "a suspicion shares its group with other alerts");
        }
        if interval(route, "/groupWait") != Some(Interval::from_seconds(0)) {
            case.breach(document, "a suspicion waits in Alertmanager");
        }
        // Where that leads, with which credentials and whether the end is sent, is promised of its own.
        if text(route, "/receiver") != text(offline, "/receiver") {
            case.breach(document, "a suspicion does not go where the alert goes");
        }
        let patience = interval(route, "/groupInterval").map_or(0, Interval::seconds);
        if patience <= look.saturating_add(ROOM_SECONDS) {
            case.breach(
                document,
                format!("Alertmanager gives up after {patience} seconds, and the function looks for {look}"),
            );
        }
    }
    for (document, _) in case.fencing_stacks() {
        for (id, function) in of_type(&document.value, "AWS::Lambda::Function") {
            let timeout = function.get("Timeout").and_then(Value::as_u64).unwrap_or(0);
            if look > 0 && timeout < u64::from(look.saturating_add(ROOM_SECONDS)) {
                case.breach(
                    document,
                    format!(
                        "`{id}` is stopped after {timeout} seconds, and looks for {look} before it fences"
                    ),
                );
            }
        }
    }
}

pub(super) fn objects_are_labelled(case: &mut DocumentCase<'_>) {
    for (document, _, kind) in case.objects() {
        if matches!(kind, ObjectKind::Kustomization | ObjectKind::UserWorkloadConfig) {
            continue;
        }
        let labels = document.value.pointer("/metadata/labels").unwrap_or(&Value::Null);
        for (key, wanted) in [
            (LABEL_TOPOLOGY, case.topology.name.as_str()),
            (LABEL_MANAGED_BY, MANAGED_BY),
        ] {
            if labels.get(key) != Some(&json!(wanted)) {
                case.breach(document, format!("the label {key} is not `{wanted}`"));
            }
        }
        if kind != ObjectKind::Secret {
            for (key, value) in &case.topology.monitoring.labels {
                if labels.get(key.as_str()) != Some(&json!(value.as_str())) {
                    case.breach(
                        document,
                        format!("the label {key} is missing: its selector would pass it over"),
                    );
                }
            }
        }
    }
}

pub(super) fn no_secret_value_is_written(case: &mut DocumentCase<'_>) {
    for (document, _, kind) in case.objects() {
        if kind == ObjectKind::Secret {
            if document.value.get("data").is_some() {
                case.breach(document, "it has encoded values");
            }
            for (name, value) in document
                .value
                .get("stringData")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                let is_placeholder = value
                    .as_str()
                    .is_some_and(|text| text.starts_with('<') && text.contains('>'));
                if name != USERNAME_KEY && !is_placeholder {
                    case.breach(document, format!("`{name}` is no placeholder"));
                }
            }
            continue;
        }
        let mut found = Vec::new();
        texts(&document.value, "", &mut |path, text| {
            if path.ends_with("/password") && text != "password" {
                found.push(path.to_owned());
            }
        });
        for path in found {
            case.breach(document, format!("{path} holds a text"));
        }
    }
}

pub(super) fn kustomization_is_complete(case: &mut DocumentCase<'_>) {
    for (document, site) in case.objects_of(ObjectKind::Kustomization) {
        let listed: BTreeSet<&str> = document
            .value
            .get("resources")
            .map(as_list)
            .unwrap_or_default()
            .into_iter()
            .filter_map(Value::as_str)
            .collect();
        let folder = document.path.trim_end_matches(ObjectKind::Kustomization.file());
        let beside: BTreeSet<&str> = case
            .documents
            .iter()
            .filter_map(|other| other.path.strip_prefix(folder))
            .filter(|file| *file != ObjectKind::Kustomization.file())
            .collect();
        if listed != beside {
            case.breach(document, format!("it lists {listed:?}, beside it lie {beside:?}"));
        }
        for (other, of, kind) in case.objects() {
            if is_of(site, of) && kind.is_by_hand() && other.path.starts_with(folder) {
                case.breach(document, format!("{} lies beside it", other.path));
            }
        }
    }
}

fn is_of(site: &Site, other: &Site) -> bool {
    site.name == other.name
}
