//! The same outcomes for programs. Field names are stable.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::cost::Cost;
use super::objects;
use super::outcome::{Applied, Destroyed, Preview};
use super::version;
use crate::observed::changes::StackDifference;
use crate::package::PackedFunction;
use crate::package::elf::{Binary, Linkage};
use crate::plan::{Plan, StackGoal, Step};
use crate::topology::time_to_fence::{Advice, Saving, TimeToFence};

pub fn plan_json(
    plan: &Plan,
    preview: &Preview,
    cases: &[TimeToFence],
    advice: &[Advice],
    savings: &[Saving],
    bill: Option<&[Cost]>,
) -> Value {
    let mut value = json!({
        "topology": plan.topology,
        "accountId": plan.account_id,
        "caller": plan.caller,
        "hasChanges": plan.has_changes(),
        "planAgain": plan.plan_again,
        "steps": plan.steps.iter().filter_map(|step| step_json(step, preview)).collect::<Vec<_>>(),
        "unchanged": plan.unchanged,
        "unreached": plan.unreached,
        "unreachedRegions": plan.unreached_regions,
        "deferred": plan.deferred,
        "drifts": plan.drifts,
        "functions": plan.functions,
        "changelog": version::news(&plan.functions),
        "warnings": plan.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "timeToFence": cases,
        "advice": advice,
        "savings": savings,
    });
    if let Some(bill) = bill {
        value["monthlyCost"] = json!(bill);
    }
    value
}

fn step_json(step: &Step, preview: &Preview) -> Option<Value> {
    let stack = |action: &str, goal: &StackGoal, changes: Option<&StackDifference>| {
        json!({
            "action": action,
            "region": goal.region,
            "stack": goal.stack,
            // A value that another stack's output will tell is null.
            "parameters": goal.parameters.iter().map(|(name, value)| (name, value.known())).collect::<BTreeMap<_, _>>(),
            "adopts": goal.adopts,
            "tagChanges": changes.map(|changes| &changes.tags),
            "changes": changes.map(|changes| &changes.resources),
        })
    };
    Some(match step {
        Step::AwaitStack {
            region,
            stack,
            status,
        } => {
            json!({ "action": "await", "region": region, "stack": stack, "status": status })
        }
        Step::ContinueRollback { region, stack } => {
            json!({ "action": "continueRollback", "region": region, "stack": stack })
        }
        Step::CreateStack(goal) => stack("create", goal, None),
        Step::UpdateStack(goal) => stack(
            "change",
            goal,
            preview.get(&(goal.region.clone(), goal.stack.clone())),
        ),
        Step::DeleteStack {
            region,
            stack,
            why,
            resources,
            keeps,
            ..
        } => json!({
            "action": "delete", "region": region, "stack": stack, "why": why, "resources": resources, "keeps": keeps,
        }),
        Step::Upload {
            region,
            bucket,
            package,
        } => json!({
            "action": "upload", "region": region, "bucket": bucket, "key": package.key(), "bytes": package.bytes,
        }),
        Step::EmptyBucket { region, bucket } => {
            json!({ "action": "emptyBucket", "region": region, "bucket": bucket })
        }
        Step::MarkAccelerator(mark) => json!({
            "action": "markAccelerator", "accelerator": mark.accelerator_arn, "owner": mark.owner,
        }),
        Step::UnmarkAccelerator(mark) => json!({
            "action": "unmarkAccelerator", "accelerator": mark.accelerator_arn, "owner": mark.owner,
        }),
        Step::ForgetItems { region, table, .. } => {
            json!({ "action": "forgetItems", "region": region, "table": table })
        }
        Step::TakeLock { .. }
        | Step::ReleaseLock
        | Step::ConfirmEpoch { .. }
        | Step::UnprotectTable { .. }
        | Step::AwaitFunction { .. }
        | Step::AwaitWatchdogs { .. } => {
            return None;
        }
        Step::ApplyObject(_)
        | Step::DeleteObject { .. }
        | Step::MergeUserWorkloadConfig { .. }
        | Step::UndoUserWorkloadConfig { .. }
        | Step::AwaitRollout { .. } => return objects::step_json(step),
    })
}

/// What `apply` came to.
pub fn applied_json(applied: &Applied) -> Value {
    json!(applied)
}

/// What `destroy` came to.
pub fn destroyed_json(destroyed: &Destroyed) -> Value {
    json!(destroyed)
}

/// What `build` made.
pub fn package_json(function: &PackedFunction, binary: &Binary, file: &Path) -> Value {
    json!({
        "file": file.display().to_string(),
        "sha256": function.package.sha256,
        "version": function.package.version,
        "bytes": function.package.bytes,
        "bootstrapBytes": function.bootstrap_bytes,
        "architecture": binary.architecture.to_string(),
        "glibc": match binary.linkage {
            Linkage::Static => Value::Null,
            Linkage::Dynamic { glibc: (major, minor) } => json!(format!("{major}.{minor}")),
        },
    })
}
