//! The dashboard: a fence at a glance.

use fencing::answer::Cause;
use fencing::metrics::{DIMENSION_SITE, DIMENSION_TOPOLOGY, Metric, NAMESPACE};
use serde_json::{Value, json};

use super::alarms::Alarm;
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
    let ours = |metric: Metric, label: &str| json!([NAMESPACE, metric.name(), DIMENSION_TOPOLOGY, topology.name.as_str(), {"label": label}]);
    let cause = |cause: Cause, label: &str| ours(Metric::Cause(cause), label);
    let lambda = |metric: &str, statistic: &str| json!(["AWS/Lambda", metric, "FunctionName", function, {"stat": statistic, "label": metric}]);
    let arns: Vec<String> = alarms
        .iter()
        .map(|alarm| format!("arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:{}", alarm.name))
        .collect();
    let by_site = |metric: Metric| -> Vec<Value> {
        let sites = topology.sites.iter().map(|site| {
            json!([
                NAMESPACE, metric.name(),
                DIMENSION_TOPOLOGY, topology.name.as_str(),
                DIMENSION_SITE, site.name.as_str(),
                {"label": site.name.as_str()},
            ])
        });
        sites.collect()
    };
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
        widget("metric", 0, 4, half, 6, graph("A fence, and the way back", "Sum", vec![
            cause(Cause::Decided, "decided"),
            cause(Cause::Completed, "completed"),
            cause(Cause::Rejoined, "rejoined"),
            cause(Cause::Adopted, "recovered by hand"),
            cause(Cause::Promoted, "survivor changed"),
        ])),
        widget("metric", half, 4, half, 6, graph("How long it takes, in milliseconds", "Maximum", vec![
            ours(Metric::FenceMilliseconds, "alert to answer"),
        ])),
        widget("metric", 0, 10, half, 6, graph("Watchdogs received, by site", "Sum", by_site(Metric::WatchdogSeen))),
        widget("metric", half, 10, half, 6, graph("Deep check", "Sum", vec![
            ours(Metric::DeepCheckRan, "ran"),
            ours(Metric::DeepCheckFailures, "failures"),
            ours(Metric::DeepCheckWarnings, "warnings"),
            ours(Metric::NotOurs, "accelerator not ours"),
        ])),
        widget("metric", 0, 16, half, 6, graph("Under way, held or not fenced, in seconds", "Maximum", vec![
            ours(Metric::DecisionAge, "decision under way"),
            ours(Metric::Held, "held"),
            ours(Metric::HoldOverdue, "held longer than intended"),
            ours(Metric::Unfenced, "lost and not fenced"),
        ])),
        widget("metric", half, 16, half, 6, graph("What else happened", "Sum", vec![
            cause(Cause::RefencedEarlyReturn, "fenced again after an early return"),
            cause(Cause::Refilled, "survivor put back"),
            cause(Cause::SurvivorMissing, "survivor missing"),
            cause(Cause::OnlyDrainedLeft, "only a drained site left"),
            cause(Cause::RecutAfterRestart, "cut again after a restart"),
            cause(Cause::Recurring, "corrected again and again"),
            cause(Cause::RejoinAborted, "rejoin abandoned"),
            cause(Cause::HoldChanged, "hold put on or released"),
            cause(Cause::AnothersAccelerator, "accelerator is another's"),
            cause(Cause::OwnerUnknown, "accelerator's owner unknown"),
            cause(Cause::Unexplained, "does not match"),
            cause(Cause::DependencyFailed, "dependency failed"),
            cause(Cause::ForeignLabels, "foreign alerts"),
        ])),
        widget("metric", half, 22, half, 6, graph("Since the last drill that cut the link, in seconds", "Maximum", vec![
            ours(Metric::Undrilled, "without a drill"),
        ])),
        widget("metric", 0, 28, half, 6, graph("Near misses by reporting site, in seconds", "Maximum", by_site(Metric::NearMiss))),
        widget("metric", 0, 22, half, 6, graph("The function", "Sum", vec![
            lambda("Invocations", "Sum"),
            lambda("Errors", "Sum"),
            lambda("Throttles", "Sum"),
        ])),
    ]})
}
