//! Promises about watching the watchman: alarms, dashboard, and who asks from outside.

use std::collections::{BTreeMap, BTreeSet};

use fencing::answer::Cause;
use fencing::contract::path;
use fencing::health;
use fencing::metrics::{DIMENSION_SITE, DIMENSION_TOPOLOGY, Metric, NAMESPACE};
use serde_json::{Value, json};

use super::{DocumentCase, as_list, of_type, text};
use crate::render::{health_host_parameter, parameters};
use crate::topology::Mode;
use crate::topology::names::{HEALTH_REGION, StackKind};

/// Metrics whose silence is the failure.
const HEARTBEATS: &[&str] = &[
    Metric::WatchdogSeen.name(),
    Metric::DeepCheckRan.name(),
    "HealthCheckStatus",
];

/// The events that the function sends a notification of, by itself.
const TOLD_BY_THE_FUNCTION: &[Cause] = &[Cause::Decided, Cause::Completed, Cause::RefencedEarlyReturn];

/// What the fencing stack has to listen to, beside what each site's watchdog says.
const HEARD: &[&str] = &[
    Metric::DeepCheckRan.name(),
    Metric::DeepCheckFailures.name(),
    Metric::NotOurs.name(),
    Metric::Cause(Cause::AnothersAccelerator).name(),
    Metric::Cause(Cause::OwnerUnknown).name(),
    Metric::DecisionAge.name(),
    Metric::HoldOverdue.name(),
    Metric::Unfenced.name(),
    Metric::Cause(Cause::Decided).name(),
    Metric::Cause(Cause::Completed).name(),
    Metric::Cause(Cause::SurvivorMissing).name(),
    Metric::Cause(Cause::Recurring).name(),
    Metric::Cause(Cause::OnlyDrainedLeft).name(),
    "Errors",
    "Throttles",
];

pub(super) fn alarms_hear_silence(case: &mut DocumentCase<'_>) {
    for (document, kind, region) in case.stacks() {
        let mut heard = BTreeSet::new();
        for (id, alarm) in of_type(&document.value, "AWS::CloudWatch::Alarm") {
            let metric = text(alarm, "/MetricName");
            let sites = as_list(alarm.get("Dimensions").unwrap_or(&Value::Null));
            let site = sites
                .iter()
                .find(|d| text(d, "/Name") == DIMENSION_SITE)
                .map_or("", |d| text(d, "/Value"));
            heard.insert((metric, site));
            let wanted = if HEARTBEATS.contains(&metric) {
                "breaching"
            } else {
                "notBreaching"
            };
            if text(alarm, "/TreatMissingData") != wanted {
                case.breach(
                    document,
                    format!(
                        "`{id}` treats missing data of {metric} as {}",
                        text(alarm, "/TreatMissingData")
                    ),
                );
            }
            // What the function says itself is not said twice.
            let is_told_already = TOLD_BY_THE_FUNCTION.iter().any(|cause| cause.metric() == metric);
            if as_list(alarm.get("AlarmActions").unwrap_or(&Value::Null)).is_empty() != is_told_already {
                let fault = if is_told_already {
                    "notifies a second time"
                } else {
                    "notifies nobody"
                };
                case.breach(document, format!("`{id}` {fault}"));
            }
            let is_ours = text(alarm, "/Namespace") == NAMESPACE;
            let own = json!({"Name": DIMENSION_TOPOLOGY, "Value": case.topology.name.as_str()});
            if is_ours && !sites.contains(&&own) {
                case.breach(document, format!("`{id}` listens to other topologies too"));
            }
        }
        if kind == StackKind::Fencing {
            let of_sites = case
                .topology
                .sites
                .iter()
                .map(|site| (Metric::WatchdogSeen.name(), site.name.as_str()));
            let is_reminded = case.topology.drill.remind_after.seconds() > 0
                && case.topology.mode == Mode::Act
                && region == case.topology.first_region();
            let reminder = is_reminded.then_some((Metric::Undrilled.name(), ""));
            let heard_of = HEARD.iter().map(|metric| (*metric, "")).chain(reminder);
            for (metric, site) in of_sites.chain(heard_of) {
                if !heard.contains(&(metric, site)) {
                    case.breach(document, format!("no alarm listens to {metric} {site}"));
                }
            }
        }
    }
}

/// The dimensions of one of our metrics' series, by name.
type Series<'a> = (String, BTreeMap<String, String>);

pub(super) fn metrics_are_the_functions(case: &mut DocumentCase<'_>) {
    let topology = case.topology.name.as_str();
    let mut known: BTreeSet<Series<'_>> = BTreeSet::new();
    for metric in Metric::all() {
        let own = (DIMENSION_TOPOLOGY.to_owned(), topology.to_owned());
        if metric.is_of_a_site() {
            for site in &case.topology.sites {
                let of_site = (DIMENSION_SITE.to_owned(), site.name.to_string());
                known.insert((metric.name().to_owned(), [own.clone(), of_site].into()));
            }
        } else {
            known.insert((metric.name().to_owned(), [own].into()));
        }
    }
    for (document, _) in case.fencing_stacks() {
        let shown: BTreeSet<Series<'_>> = of_type(&document.value, "AWS::CloudWatch::Dashboard")
            .flat_map(|(_, dashboard)| series_of(dashboard))
            .collect();
        let heard = of_type(&document.value, "AWS::CloudWatch::Alarm")
            .filter(|(_, alarm)| text(alarm, "/Namespace") == NAMESPACE)
            .map(|(_, alarm)| {
                let dimensions = as_list(alarm.get("Dimensions").unwrap_or(&Value::Null));
                let dimensions = dimensions
                    .iter()
                    .map(|d| (text(d, "/Name").to_owned(), text(d, "/Value").to_owned()));
                (text(alarm, "/MetricName").to_owned(), dimensions.collect())
            });
        for (name, dimensions) in heard.chain(shown.iter().cloned()) {
            if !known.contains(&(name.clone(), dimensions.clone())) {
                case.breach(document, format!("nobody writes {name} with {dimensions:?}"));
            }
        }
        // Without one nothing is shown, as the topology wants.
        if shown.is_empty() && !case.topology.monitoring.dashboard {
            continue;
        }
        for (name, dimensions) in known.difference(&shown) {
            case.breach(
                document,
                format!("the dashboard does not show {name} with {dimensions:?}"),
            );
        }
    }
}

/// Our series in a dashboard: `[namespace, metric, name, value, name, value, …, options]`.
fn series_of(dashboard: &Value) -> Vec<Series<'_>> {
    let parts = dashboard.pointer("/DashboardBody/Fn::Join/1").map(as_list);
    let body: String = parts
        .unwrap_or_default()
        .into_iter()
        .map(|part| part.as_str().unwrap_or("123456789012"))
        .collect();
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let widgets = body.get("widgets").map(as_list).unwrap_or_default();
    let metrics = widgets
        .into_iter()
        .filter_map(|widget| widget.pointer("/properties/metrics"))
        .flat_map(as_list);
    metrics
        .filter_map(|metric| {
            let mut words = as_list(metric).into_iter().filter_map(Value::as_str);
            if words.next() != Some(NAMESPACE) {
                return None;
            }
            let name = words.next()?.to_owned();
            let words: Vec<&str> = words.collect();
            let dimensions = words
                .chunks_exact(2)
                .map(|pair| (pair[0].to_owned(), pair[1].to_owned()));
            Some((name, dimensions.collect()))
        })
        .collect()
}

pub(super) fn everyone_is_asked_from_outside(case: &mut DocumentCase<'_>) {
    let secret = case.topology.health_secret_name();
    let path = json!({"Fn::Join": ["", [
        path::HEALTH, "{{resolve:secretsmanager:", secret, ":SecretString:::",
            {"Ref": parameters::HEALTH_SECRET_VERSION}, "}}"
    ]]});
    for (document, kind, _) in case.stacks() {
        if kind != StackKind::Health {
            continue;
        }
        let template = &document.value;
        let mut asked = BTreeSet::new();
        let mut parents = Vec::new();
        for (id, check) in of_type(template, "AWS::Route53::HealthCheck") {
            let config = check.get("HealthCheckConfig").unwrap_or(&Value::Null);
            if text(config, "/Type") == "CALCULATED" {
                parents.push((id, config));
                continue;
            }
            asked.insert(id);
            let wanted = [
                ("Type", json!("HTTPS_STR_MATCH")),
                ("Port", json!(443)),
                ("EnableSNI", json!(true)),
                ("ResourcePath", path.clone()),
                ("SearchString", json!(health::OK)),
                ("RequestInterval", json!(case.topology.health.interval.seconds())),
            ];
            for (name, value) in wanted {
                if config.get(name) != Some(&value) {
                    let found = config.get(name).cloned().unwrap_or_default();
                    case.breach(document, format!("`{id}` asks with {name} {found}"));
                }
            }
        }
        for region in &case.topology.regions {
            let host = json!({"Ref": health_host_parameter(region)});
            let is_asked = of_type(template, "AWS::Route53::HealthCheck").any(|(_, check)| {
                check.pointer("/HealthCheckConfig/FullyQualifiedDomainName") == Some(&host)
            });
            if !is_asked {
                case.breach(document, format!("nobody asks the function in {region}"));
            }
        }
        let children: BTreeSet<&str> = parents
            .iter()
            .flat_map(|(_, config)| as_list(config.get("ChildHealthChecks").unwrap_or(&Value::Null)))
            .map(|child| text(child, "/Ref"))
            .collect();
        if parents.len() != 1 || children != asked {
            case.breach(document, format!("the checks together are {children:?}"));
        }
        let heard: BTreeSet<&str> = of_type(template, "AWS::CloudWatch::Alarm")
            .map(|(_, alarm)| text(alarm, "/Dimensions/0/Value/Ref"))
            .collect();
        for id in asked.iter().chain(parents.iter().map(|(id, _)| id)) {
            if !heard.contains(id) {
                case.breach(document, format!("no alarm listens to `{id}`"));
            }
        }
    }
    if !case.topology.health.route53 {
        return;
    }
    // A dynamic reference resolves in its own stack's Region, so the secret has to be there.
    for (document, region) in case.fencing_stacks() {
        let is_there = region.as_str() == HEALTH_REGION || case.topology.first_region() != region;
        let is_replicated = of_type(&document.value, "AWS::SecretsManager::Secret").any(|(_, made)| {
            text(made, "/Name") == secret
                && as_list(made.get("ReplicaRegions").unwrap_or(&Value::Null))
                    .iter()
                    .any(|replica| text(replica, "/Region") == HEALTH_REGION)
        });
        if !is_there && !is_replicated {
            case.breach(
                document,
                format!("the secret {secret} does not get to {HEALTH_REGION}"),
            );
        }
    }
}
