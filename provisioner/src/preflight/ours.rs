//! Our objects in a cluster: which they are, what they are called, and how the Secret differs from what it shall be.
//!
//! The preflight asks whether they can be applied and the planner whether they have to be; both go by this.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::observed::changes::PropertyChange;
use crate::observed::cluster::{
    ALERTMANAGER_CONFIGS_V1ALPHA1, ALERTMANAGER_CONFIGS_V1BETA1, CONFIG_MAPS, ClusterLook, ClusterReading,
    Comparison, Conflict, DryRun, Looks, ObjectRef, POD_MONITORS, PROMETHEUS_RULES, Resource, SECRETS,
    Unreached,
};
use crate::observed::difference::Segment;
use crate::observed::objects::{self, ObjectAction, ObjectChange};
use crate::render::{ObjectDocument, ObjectKind};
use crate::topology::names::{PASSWORD_KEY, USERNAME_KEY};
use crate::topology::{Platform, Region, Site, SiteName, Topology};

/// What stands for a value that is never shown.
pub const REDACTED: &str = "[redacted]";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choices {
    /// Whether the AWS half is worked on.
    pub aws: bool,
    /// Whether fields are taken from those who hold them.
    pub force_conflicts: bool,
    /// Whether the alerts of all user projects may move to another Alertmanager.
    pub moves_user_alerts: bool,
    /// Somebody else keeps OpenShift's ConfigMap for user workloads.
    pub skips_user_workload: bool,
    /// Whether `apply` waits for the watchdogs.
    pub waits: bool,
    /// Nothing will be done, so that what others changed can be shown instead of refused.
    pub only_looks: bool,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            aws: true,
            force_conflicts: false,
            moves_user_alerts: false,
            skips_user_workload: false,
            waits: true,
            only_looks: false,
        }
    }
}

/// The clusters, as far as they are in scope, and what they shall hold.
#[derive(Debug, Clone, Copy)]
pub struct Clusters<'a> {
    pub choices: Choices,
    /// What was seen. A site that is not in here is left out on purpose.
    pub looks: &'a Looks<ClusterReading>,
    pub documents: &'a [ObjectDocument],
    /// Sites whose watchdog reached the function lately.
    pub heard: &'a BTreeSet<SiteName>,
}

/// The kind as `site`'s cluster addresses it.
pub fn resource(platform: Platform, kind: ObjectKind) -> Resource {
    match kind {
        ObjectKind::AlertmanagerConfig => match platform {
            Platform::Openshift => ALERTMANAGER_CONFIGS_V1BETA1,
            Platform::Kubernetes => ALERTMANAGER_CONFIGS_V1ALPHA1,
        },
        ObjectKind::PrometheusRule => PROMETHEUS_RULES,
        ObjectKind::PodMonitor => POD_MONITORS,
        ObjectKind::Secret => SECRETS,
        ObjectKind::UserWorkloadConfig | ObjectKind::Kustomization => CONFIG_MAPS,
    }
}

/// The objects that are ours under one name, in the order in which they are applied.
pub const OURS: [ObjectKind; 4] = [
    ObjectKind::Secret,
    ObjectKind::AlertmanagerConfig,
    ObjectKind::PodMonitor,
    ObjectKind::PrometheusRule,
];

pub fn object_ref(topology: &Topology, site: &Site, kind: ObjectKind) -> ObjectRef {
    ObjectRef {
        site: site.name.clone(),
        kind,
        namespace: site.namespace.to_string(),
        name: topology.object_name(),
    }
}

/// Those that were not reached.
pub fn unreached<T>(looks: &Looks<T>) -> Vec<Unreached> {
    let unreached = looks.values().filter_map(|look| match look {
        ClusterLook::Unreached(unreached) => Some(unreached.clone()),
        ClusterLook::Seen(_) | ClusterLook::Unusable(_) => None,
    });
    unreached.collect()
}

/// How the Secret changes, shown without its values.
pub fn secret_change(
    current: Option<&Value>,
    urls: &BTreeMap<String, Region>,
    compared: &BTreeMap<String, Comparison>,
    dry_run: Option<&DryRun>,
) -> Option<ObjectChange> {
    let Some(current) = current else {
        return Some(ObjectChange {
            action: ObjectAction::Create,
            properties: Vec::new(),
            drifted: Vec::new(),
        });
    };
    let keys = urls.keys().map(String::as_str);
    let keys: BTreeSet<&str> = keys.chain([USERNAME_KEY, PASSWORD_KEY]).collect();
    let redacted = || Some(REDACTED.to_owned());
    let property = |key: &str, before: Option<String>, after: Option<String>| PropertyChange {
        before,
        after,
        ..PropertyChange::at(format!("data.{key}"))
    };
    let mut properties: Vec<PropertyChange> = Vec::new();
    for key in &keys {
        match compared.get(*key) {
            Some(Comparison::Same) => {}
            Some(Comparison::Differs) => properties.push(property(key, redacted(), redacted())),
            Some(Comparison::Absent) | None => properties.push(property(key, None, redacted())),
        }
    }
    for key in objects::held_by_us(current, "data") {
        if !keys.contains(key.as_str()) {
            properties.push(property(&key, redacted(), None));
        }
    }
    // Labels and type; the dry run was without values, so that what it says of them means nothing.
    if let Some(DryRun::Accepted { after, .. }) = dry_run
        && let Some(change) = objects::change(Some(current), after, &[])
    {
        let others = change
            .properties
            .into_iter()
            .filter(|it| !it.path.starts_with("data"));
        properties.extend(others);
    }
    let drifted = properties
        .iter()
        .flat_map(|property| {
            let path = property.path.splitn(2, '.');
            let path: Vec<Segment> = path.map(|key| Segment::Key(key.to_owned())).collect();
            objects::other_holders(current, &path)
                .map(|manager| Conflict {
                    manager,
                    field: format!(".{}", property.path),
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let action = if !properties.is_empty() {
        ObjectAction::Change
    } else if objects::is_managed_by_us(current) {
        return None;
    } else {
        ObjectAction::Adopt
    };
    Some(ObjectChange {
        action,
        properties,
        drifted,
    })
}
