//! The words of a plan: stacks as they should be, and steps that say all they need.

use std::collections::BTreeMap;

use serde::Serialize;

use super::clusters::ObjectGoal;
use super::unreached::{Deferred, UnreachedRegion};
use crate::observed::changes::{StackDifference, StackDrift};
use crate::observed::cluster::{ObjectRef, Unreached};
use crate::observed::{OwnerMark, RegisterPlace};
use crate::package::Package;
use crate::preflight::warning::Warning;
use crate::render::Template;
use crate::topology::names::StackKind;
use crate::topology::{Region, SiteName};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterValue {
    Known(String),
    /// It will be known once another stack stands.
    Output {
        region: Region,
        kind: StackKind,
        output: &'static str,
        /// How the value follows from the output.
        reading: OutputReading,
    },
    /// It will be known once the package is uploaded: the version that its bucket gives it.
    Uploaded {
        region: Region,
    },
    /// It will be known once a secret is made: the version that is current.
    SecretVersion {
        /// Where it is asked for.
        region: Region,
        secret: String,
    },
}

/// How a value follows from an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputReading {
    /// The ARN of the same secret's replica in this Region. A replica keeps name and suffix.
    ReplicaIn(Region),
    /// The host of a URL.
    Host,
}

impl OutputReading {
    pub fn read(&self, output: &str) -> String {
        match self {
            Self::ReplicaIn(region) => {
                let mut parts: Vec<&str> = output.split(':').collect();
                if let Some(part) = parts.get_mut(3) {
                    *part = region;
                }
                parts.join(":")
            }
            Self::Host => {
                let rest = output.split_once("://").map_or(output, |(_, rest)| rest);
                rest.split(['/', ':']).next().unwrap_or_default().to_owned()
            }
        }
    }
}

impl ParameterValue {
    /// The value, if it is known.
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Known(value) => Some(value),
            Self::Output { .. } | Self::Uploaded { .. } | Self::SecretVersion { .. } => None,
        }
    }
}

/// A stack as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackGoal {
    pub kind: StackKind,
    pub region: Region,
    pub stack: String,
    pub template: Template,
    /// The values of its parameters.
    pub parameters: BTreeMap<String, ParameterValue>,
    pub tags: BTreeMap<String, String>,
    /// Whether resources that exist under their names are taken over: a kept register.
    pub adopts: bool,
    /// What becomes different in a stack that stands.
    pub difference: StackDifference,
}

/// One effect, with all it needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Someone else's operation on a stack ends.
    AwaitStack {
        region: Region,
        stack: String,
        status: String,
    },
    /// A rollback that failed is continued.
    ContinueRollback {
        region: Region,
        stack: String,
    },
    /// Nobody else applies or destroys from here on.
    TakeLock {
        region: Region,
        /// The bucket that holds it.
        bucket: String,
    },
    /// Others may again.
    ReleaseLock,
    CreateStack(StackGoal),
    UpdateStack(StackGoal),
    /// A stack goes, with all that it made.
    DeleteStack {
        kind: StackKind,
        region: Region,
        stack: String,
        /// Its id, by which its end can still be seen.
        id: String,
        why: String,
        /// What goes with it, as `type name`.
        resources: Vec<String>,
        /// What stays, as `type name`.
        keeps: Vec<String>,
    },
    /// The accelerator says from here on whose it is.
    MarkAccelerator(OwnerMark),
    /// The accelerator no longer says that it is ours. Another's tag stays.
    UnmarkAccelerator(OwnerMark),
    /// The function's package is uploaded.
    Upload {
        region: Region,
        bucket: String,
        package: Package,
    },
    /// The function is ready to answer.
    AwaitFunction {
        region: Region,
        function: String,
        /// The SHA-256 of the package that it has to run from.
        code_sha256: String,
    },
    /// A table may be deleted from here on.
    UnprotectTable {
        /// Its Region, and that of its stack.
        region: Region,
        table: String,
    },
    /// Every version of every object goes.
    EmptyBucket {
        region: Region,
        bucket: String,
    },
    /// No register knows a decision after its epoch: every executor that could have made one is gone by now, and the
    /// register can follow. Deleting a function does not end what it is at; its timeout does.
    ConfirmEpoch {
        /// The registers, each with the last decision that was known when the plan was made.
        registers: Vec<(RegisterPlace, u64)>,
        /// How long a function runs at most.
        timeout_seconds: u32,
    },
    /// This topology's items leave a table that others use too.
    ForgetItems {
        region: Region,
        table: String,
        /// The role to assume for it.
        role_arn: Option<String>,
    },
    /// An object is made or changed in a cluster.
    ApplyObject(ObjectGoal),
    /// An object leaves a cluster.
    DeleteObject {
        object: ObjectRef,
        /// Its identity: a successor of the same name is left alone.
        uid: String,
        why: String,
    },
    /// OpenShift's ConfigMap for user-defined projects gets what it lacks; the rest of it stays.
    MergeUserWorkloadConfig {
        object: ObjectRef,
        /// The settings that it lacks.
        adds: Vec<&'static str>,
        /// Whether it is not there at all.
        is_new: bool,
    },
    /// What we added to that ConfigMap goes; the rest of it stays.
    UndoUserWorkloadConfig {
        object: ObjectRef,
    },
    /// The users' Alertmanager runs with its settings.
    AwaitRollout {
        site: SiteName,
        namespace: String,
        name: String,
    },
    /// Each site's watchdog alert reaches the function.
    AwaitWatchdogs {
        sites: Vec<SiteName>,
        /// Those that were not heard lately, where that is all there is to wait for.
        silent: Vec<SiteName>,
    },
}

impl Step {
    /// Whether it changes anything that a person would call a change.
    pub fn is_change(&self) -> bool {
        !matches!(
            self,
            Self::TakeLock { .. }
                | Self::ReleaseLock
                | Self::ConfirmEpoch { .. }
                | Self::AwaitStack { .. }
                | Self::AwaitFunction { .. }
                | Self::AwaitRollout { .. }
                | Self::AwaitWatchdogs { .. }
        )
    }

    /// The stack that it brings to its goal, and whether it makes it.
    pub fn goal(&self) -> Option<(&StackGoal, bool)> {
        match self {
            Self::CreateStack(goal) => Some((goal, true)),
            Self::UpdateStack(goal) => Some((goal, false)),
            _ => None,
        }
    }

    /// The site whose cluster it works on. Steps of different sites do not wait for one another.
    pub fn site(&self) -> Option<&SiteName> {
        match self {
            Self::ApplyObject(goal) => Some(&goal.object.site),
            Self::DeleteObject { object, .. }
            | Self::MergeUserWorkloadConfig { object, .. }
            | Self::UndoUserWorkloadConfig { object } => Some(&object.site),
            Self::AwaitRollout { site, .. } => Some(site),
            _ => None,
        }
    }
}

/// What is as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Unchanged {
    Stack { region: Region, stack: String },
    Object(ObjectRef),
}

/// A deployed function that another package takes the place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionMove {
    /// Where.
    pub region: Region,
    /// The version that is there; one from before versions were noted has none.
    pub from: Option<String>,
    /// The version that goes there.
    pub to: Option<String>,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub topology: String,
    pub account_id: String,
    pub caller: String,
    pub steps: Vec<Step>,
    /// What needs no step.
    pub unchanged: Vec<Unchanged>,
    /// Clusters that did not answer: what they need is not known.
    pub unreached: Vec<Unreached>,
    /// Regions that did not answer: what they need is not known, either.
    pub unreached_regions: Vec<UnreachedRegion>,
    /// What has to wait for them.
    pub deferred: Vec<Deferred>,
    /// Stacks of which something was changed by hand, as far as somebody looked. What is not in the templates'
    /// way stays so: CloudFormation changes only what changes in a template.
    pub drifts: Vec<StackDrift>,
    /// The functions that are replaced by another version.
    pub functions: Vec<FunctionMove>,
    pub warnings: Vec<Warning>,
    /// The steps only make planning possible: something is under way or stuck. Plan again after them.
    pub plan_again: bool,
}

impl Plan {
    pub fn has_changes(&self) -> bool {
        self.steps.iter().any(Step::is_change)
    }

    /// Whether nothing had to be left out.
    pub fn is_whole(&self) -> bool {
        self.unreached.is_empty() && self.unreached_regions.is_empty() && self.deferred.is_empty()
    }
}
