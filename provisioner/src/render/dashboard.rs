//! The dashboard: a fence at a glance.

use fencing::answer::Cause;
use serde_json::{Value, json};

use super::alarms::Alarm;
use crate::topology::names::{METRICS_NAMESPACE, metrics};
use crate::topology::{Region, Topology};

/// Stands for the account's number, which is only known where the stack lives. No name of ours has an `@`.
const ACCOUNT: &str = "@account@";

/// CloudWatch's grid is so wide.
const GRID_WIDTH: u32 = 24;

/// The dashboard's JSON in parts, with `None` where the account's number goes.
pub(super) fn parts(topology: &Topology, region: &Region, alarms: &[Alarm]) -> Vec<Option<String>> {
    let body = body(topology, region, alarms).to_string();
    let mut parts = Vec::new();
    for (index, part) in body.split(ACCOUNT).enumerate() {
        if index > 0 {
            parts.push(None);
        }
        parts.push(Some(part.to_owned()));
    }
    parts
}

fn body(topology: &Topology, region: &Region, alarms: &[Alarm]) -> Value {
    let function = topology.function_name();
    let ours = |metric: &str, label: &str| json!([METRICS_NAMESPACE, metric, metrics::DIMENSION_TOPOLOGY, topology.name.as_str(), {"label": label}]);
    let lambda = |metric: &str, statistic: &str| json!(["AWS/Lambda", metric, "FunctionName", function, {"stat": statistic, "label": metric}]);
    let arns: Vec<String> = alarms
        .iter()
        .map(|alarm| format!("arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:{}", alarm.name))
        .collect();
    let watchdogs: Vec<Value> = topology
        .sites
        .iter()
        .map(|site| {
            json!([
                METRICS_NAMESPACE, metrics::WATCHDOG_SEEN,
                metrics::DIMENSION_TOPOLOGY, topology.name.as_str(),
                metrics::DIMENSION_SITE, site.name.as_str(),
                {"label": site.name.as_str()},
            ])
        })
        .collect();
    let graph = |title: &str, statistic: &str, series: Vec<Value>| {
        json!({
            "title": title, "view": "timeSeries", "region": region.as_str(), "stat": statistic, "period": 60,
            "metrics": series,
        })
    };
    let widget = |kind: &str, x: u32, y: u32, width: u32, height: u32, properties: Value| json!({"type": kind, "x": x, "y": y, "width": width, "height": height, "properties": properties});
    let half = GRID_WIDTH / 2;
    json!({"widgets": [
        widget("alarm", 0, 0, GRID_WIDTH, 4, json!({"title": "Alarms", "alarms": arns})),
        widget("metric", 0, 4, half, 6, graph("A fence", "Sum", vec![
            ours(Cause::Decided.metric(), "decided"),
            ours(Cause::Completed.metric(), "completed"),
            ours(Cause::Rejoined.metric(), "rejoined"),
        ])),
        widget("metric", half, 4, half, 6, graph("How long it takes, in milliseconds", "Maximum", vec![
            ours(metrics::FENCE_MILLISECONDS, "alert to answer"),
        ])),
        widget("metric", 0, 10, half, 6, graph("Watchdogs heard, by site", "Sum", watchdogs)),
        widget("metric", half, 10, half, 6, graph("Deep check", "Sum", vec![
            ours(metrics::DEEP_CHECK_RAN, "ran"),
            ours(metrics::DEEP_CHECK_FAILURES, "failures"),
        ])),
        widget("metric", 0, 16, half, 6, graph("Under way or held, in seconds", "Maximum", vec![
            ours(metrics::DECISION_AGE, "decision under way"),
            ours(metrics::HELD, "held"),
        ])),
        widget("metric", half, 16, half, 6, graph("The function", "Sum", vec![
            lambda("Invocations", "Sum"),
            lambda("Errors", "Sum"),
            lambda("Throttles", "Sum"),
        ])),
    ]})
}
