//! What a plan does in the clusters, line by line.

use fencing::health::WATCHDOG_SILENT_AFTER_SECONDS;
use serde_json::{Value, json};

use super::properties::properties;
use crate::observed::cluster::{ClusterStanding, Conflict, Looks, Unreached};
use crate::observed::objects::ObjectAction;
use crate::plan::Step;
use crate::plan::clusters::{Content, ObjectGoal};
use crate::plan::unreached::{Deferred, UnreachedRegion};
use crate::preflight::ours::REDACTED;
use crate::render::user_workload::names;
use crate::topology::SiteName;
use crate::topology::names::{PASSWORD_KEY, USERNAME_KEY};

/// A step in a cluster, as it begins.
pub(super) fn step(step: &Step) -> Option<String> {
    Some(match step {
        Step::ApplyObject(goal) => {
            let verb = match goal.change.action {
                ObjectAction::Create => "creating",
                ObjectAction::Change => "changing",
                ObjectAction::Adopt => "taking over",
            };
            format!("{}: {verb} {}", goal.object.site, goal.object.title())
        }
        Step::DeleteObject { object, .. } => format!("{}: deleting {}", object.site, object.title()),
        Step::MergeUserWorkloadConfig { object, .. } => {
            format!("{}: adding to {}", object.site, object.title())
        }
        Step::UndoUserWorkloadConfig { object } => {
            format!("{}: taking out what was added to {}", object.site, object.title())
        }
        Step::AwaitRollout { site, name, .. } => format!("{site}: waiting for {name} to be rolled out"),
        Step::AwaitWatchdogs { sites, silent } => {
            let line = format!(
                "waiting for the watchdog alert of {} to reach the function",
                joined(sites)
            );
            if silent.is_empty() {
                line
            } else {
                format!(
                    "{line} (silent for more than {WATCHDOG_SILENT_AFTER_SECONDS} seconds: {})",
                    joined(silent)
                )
            }
        }
        _ => return None,
    })
}

fn joined(sites: &[SiteName]) -> String {
    let names: Vec<&str> = sites.iter().map(SiteName::as_str).collect();
    names.join(" and ")
}

/// A step in a cluster, as a plan lists it.
pub(super) fn lines(step: &Step) -> Vec<String> {
    match step {
        Step::ApplyObject(goal) => applied(goal),
        Step::DeleteObject { object, why, .. } => vec![format!("- {}  delete: {why}", object.title())],
        Step::MergeUserWorkloadConfig { object, adds, is_new } => {
            let (sign, what) = if *is_new {
                ("+", "create")
            } else {
                ("~", "change: the rest of it stays")
            };
            let mut lines = vec![format!("{sign} {}  {what}", object.title())];
            let settings = adds.iter();
            lines.extend(settings.map(|name| format!("    {}: alertmanager.{name}: → true", names::KEY)));
            lines
        }
        Step::UndoUserWorkloadConfig { object } => {
            vec![format!(
                "~ {}  change: what was added goes, the rest of it stays",
                object.title()
            )]
        }
        Step::AwaitRollout { name, .. } => vec![format!("… {name}  waiting for its rollout")],
        _ => Vec::new(),
    }
}

fn applied(goal: &ObjectGoal) -> Vec<String> {
    let (sign, what) = match goal.change.action {
        ObjectAction::Create => ("+", "create"),
        ObjectAction::Change if goal.change.drifted.is_empty() => ("~", "change"),
        ObjectAction::Change => ("~", "change: drifted"),
        ObjectAction::Adopt => ("=", "as it should be, taken over"),
    };
    let mut lines = vec![format!("{sign} {}  {what}", goal.object.title())];
    if let (ObjectAction::Create, Content::Webhook { urls, .. }) = (goal.change.action, &goal.content) {
        let keys = urls
            .keys()
            .map(String::as_str)
            .chain([USERNAME_KEY, PASSWORD_KEY]);
        lines.extend(keys.map(|key| format!("    data.{key}: → {REDACTED}")));
    }
    lines.extend(properties(&goal.change.properties));
    lines.extend(goal.change.drifted.iter().map(drift));
    lines
}

fn drift(conflict: &Conflict) -> String {
    format!("    `{}` holds {}", conflict.manager, conflict.field)
}

/// A step in a cluster for programs.
pub(super) fn step_json(step: &Step) -> Option<Value> {
    Some(match step {
        Step::ApplyObject(goal) => json!({
            "action": goal.change.action,
            "site": goal.object.site,
            "kind": goal.object.kind.word(),
            "namespace": goal.object.namespace,
            "name": goal.object.name,
            "properties": goal.change.properties,
            "drifted": goal.change.drifted,
            "force": goal.force,
        }),
        Step::DeleteObject { object, why, .. } => json!({
            "action": "delete",
            "site": object.site,
            "kind": object.kind.word(),
            "namespace": object.namespace,
            "name": object.name,
            "why": why,
        }),
        Step::MergeUserWorkloadConfig { object, adds, is_new } => json!({
            "action": if *is_new { "create" } else { "change" },
            "site": object.site,
            "kind": object.kind.word(),
            "namespace": object.namespace,
            "name": object.name,
            "adds": adds,
        }),
        Step::UndoUserWorkloadConfig { object } => json!({
            "action": "change",
            "site": object.site,
            "kind": object.kind.word(),
            "namespace": object.namespace,
            "name": object.name,
        }),
        Step::AwaitRollout {
            site,
            namespace,
            name,
        } => json!({
            "action": "await", "site": site, "kind": "StatefulSet", "namespace": namespace, "name": name,
        }),
        _ => return None,
    })
}

/// What was left out, and that running again does the rest. `meaning` continues "the cluster of site …".
pub fn left_out(
    clusters: &[Unreached],
    regions: &[UnreachedRegion],
    deferred: &[Deferred],
    meaning: &str,
) -> Vec<String> {
    let clusters = clusters
        .iter()
        .map(|it| format!("error: the cluster of site `{}` {meaning}: {}", it.site, it.what));
    let regions = regions
        .iter()
        .map(|it| format!("error: {} {meaning}: {}", it.region, it.what));
    let deferred = deferred
        .iter()
        .map(|it| format!("error: {} in {} has to wait: {}", it.what, it.place, it.why));
    let mut lines: Vec<String> = clusters.chain(regions).chain(deferred).collect();
    if !lines.is_empty() {
        lines.push(
            "hint: run the same command again once it answers: it continues where it stopped".to_owned(),
        );
    }
    lines
}

/// What `destroy` need not remove, because the cluster does not know the kind any more.
pub fn unknown_kinds(looks: &Looks<ClusterStanding>) -> Vec<String> {
    let seen = looks.iter().filter_map(|(site, look)| Some((site, look.seen()?)));
    let lacking = seen.filter(|(_, standing)| !standing.unknown_kinds.is_empty());
    lacking
        .map(|(site, standing)| {
            let kinds: Vec<&str> = standing.unknown_kinds.iter().copied().collect();
            format!(
                "warning: the cluster of site `{site}` has no kind {}, so there is nothing of it to remove",
                kinds.join(", no kind ")
            )
        })
        .collect()
}
