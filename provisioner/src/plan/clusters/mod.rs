//! The clusters' half of a plan: which objects are applied, which go, what is waited for.
//!
//! ```text
//!   per site:  user-workload ConfigMap ─▶ Secret ─▶ AlertmanagerConfig, PodMonitor, PrometheusRule ─▶ rollout
//!   at last:   both sites' watchdogs reach the function
//! ```
//!
//! A cluster that was not reached gets no step: what it lacks is told, and the next plan has it. The password
//! is no part of a plan; it is fetched when the Secret is written.

use std::collections::{BTreeMap, BTreeSet};

use fencing::health::WATCHDOG_SILENT_AFTER_SECONDS;
use jiff::Timestamp;
use serde_json::Value;

use crate::observed::changes::PropertyChange;
use crate::observed::cluster::{
    ALERTMANAGER_CONFIGS_V1ALPHA1, ALERTMANAGER_CONFIGS_V1BETA1, CONFIG_MAPS, ClusterReading,
    ClusterStanding, Comparison, DryRun, Look, Looks, ObjectRef, POD_MONITORS, PROMETHEUS_RULES, Resource,
    Rollout, SECRETS, Unreached,
};
use crate::observed::objects::{self, ObjectAction, ObjectChange};
use crate::plan::{Step, Unchanged};
use crate::render::ObjectKind;
use crate::render::user_workload::{self, Change, names};
use crate::topology::{Platform, SecretDelivery, Site, SiteName, Topology};

/// What stands for a value that is never shown.
pub const REDACTED: &str = "[redacted]";
/// Our Secret's keys beside the URLs.
pub const USERNAME_KEY: &str = "username";
/// The key of the password.
pub const PASSWORD_KEY: &str = "password";

/// A rendered object and where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectDocument {
    /// The site.
    pub site: SiteName,
    /// Which one.
    pub kind: ObjectKind,
    /// What it says.
    pub value: Value,
}

/// What the caller chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choices {
    /// Whether the AWS half is worked on.
    pub aws: bool,
    /// Whether fields are taken from those who hold them.
    pub force_conflicts: bool,
    /// Whether the alerts of all user projects may move to another Alertmanager.
    pub moves_user_alerts: bool,
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
            waits: true,
            only_looks: false,
        }
    }
}

/// The clusters, as far as they are in scope, and what they shall hold.
#[derive(Debug, Clone, Copy)]
pub struct Clusters<'a> {
    /// What the caller chose.
    pub choices: Choices,
    /// What was seen. A site that is not in here is left out on purpose.
    pub looks: &'a Looks<ClusterReading>,
    /// What was rendered.
    pub documents: &'a [ObjectDocument],
    /// Sites whose watchdog reached the function lately.
    pub heard: &'a BTreeSet<SiteName>,
}

/// What is applied.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// This object.
    Document(Value),
    /// The webhook's Secret. Its values are fetched when it is written.
    Webhook {
        /// The Secret without values.
        frame: Value,
        /// By key, the Region of the function whose URL it holds.
        urls: BTreeMap<String, String>,
        /// The user name.
        username: String,
    },
}

/// An object as it shall be.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectGoal {
    /// Which one.
    pub object: ObjectRef,
    /// What it says.
    pub content: Content,
    /// How it changes.
    pub change: ObjectChange,
    /// Whether fields are taken from those who hold them.
    pub force: bool,
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

/// One of our objects.
pub fn object_ref(topology: &Topology, site: &Site, kind: ObjectKind) -> ObjectRef {
    ObjectRef {
        site: site.name.clone(),
        kind,
        namespace: site.namespace.to_string(),
        name: topology.object_name(),
    }
}

fn config_map_ref(site: &Site) -> ObjectRef {
    ObjectRef {
        site: site.name.clone(),
        kind: ObjectKind::UserWorkloadConfig,
        namespace: names::NAMESPACE.to_owned(),
        name: names::CONFIG.to_owned(),
    }
}

/// The keys that the webhook's Secret has in each cluster: those of URLs, each with its function's Region.
pub fn url_keys(topology: &Topology) -> BTreeMap<String, String> {
    let keys = topology.regions.iter();
    keys.map(|region| (topology.url_key(region), region.to_string()))
        .collect()
}

/// The steps for all clusters, and what needs none.
pub(super) fn steps(topology: &Topology, clusters: &Clusters<'_>) -> (Vec<Step>, Vec<Unchanged>) {
    let mut steps = Vec::new();
    let mut unchanged = Vec::new();
    for site in &topology.sites {
        if let Some(reading) = clusters.looks.get(&site.name).and_then(Look::seen) {
            let mut planner = Planner {
                topology,
                clusters,
                site,
                reading,
                steps: Vec::new(),
                unchanged: Vec::new(),
            };
            planner.site();
            steps.append(&mut planner.steps);
            unchanged.append(&mut planner.unchanged);
        }
    }
    (steps, unchanged)
}

/// Of the sites with a stamp those whose watchdog came lately, as the alarm for its silence has it. That one came
/// last year does not show that its way is whole today; nor does one that came before an `apply` which then waited
/// for the next in vain.
///
/// The function's clock wrote the stamps and ours reads them: that a stamp lies ahead of us is no reason to
/// doubt it, since AWS does not listen to clocks that differ by more than some minutes.
pub fn heard(stamps: &BTreeMap<SiteName, Timestamp>, now: Timestamp) -> BTreeSet<SiteName> {
    let is_recent =
        |stamp: Timestamp| now.duration_since(stamp).as_secs() <= i64::from(WATCHDOG_SILENT_AFTER_SECONDS);
    let recent = stamps.iter().filter(|(_, stamp)| is_recent(**stamp));
    recent.map(|(site, _)| site.clone()).collect()
}

/// The wait for the watchdogs of those sites that were reached. `changes`: something is done before it.
pub(super) fn watchdogs(topology: &Topology, clusters: &Clusters<'_>, changes: bool) -> Option<Step> {
    let sites: Vec<SiteName> = topology
        .sites
        .iter()
        .map(|site| site.name.clone())
        .filter(|site| clusters.looks.get(site).is_some_and(|look| look.seen().is_some()))
        .collect();
    let silent: Vec<SiteName> = match changes {
        // What is changed may be what they come through.
        true => Vec::new(),
        false => {
            let silent = sites.iter().filter(|site| !clusters.heard.contains(*site));
            silent.cloned().collect()
        }
    };
    let due = changes || !silent.is_empty();
    let waits = clusters.choices.waits && due && !sites.is_empty();
    waits.then_some(Step::AwaitWatchdogs { sites, silent })
}

/// Those that were not reached.
pub fn unreached<T>(looks: &Looks<T>) -> Vec<Unreached> {
    let unreached = looks.values().filter_map(|look| match look {
        Look::Unreached(unreached) => Some(unreached.clone()),
        Look::Seen(_) | Look::Unusable(_) => None,
    });
    unreached.collect()
}

struct Planner<'a> {
    topology: &'a Topology,
    clusters: &'a Clusters<'a>,
    site: &'a Site,
    reading: &'a ClusterReading,
    steps: Vec<Step>,
    unchanged: Vec<Unchanged>,
}

impl Planner<'_> {
    fn site(&mut self) {
        let is_openshift = self.site.platform == Platform::Openshift
            && !user_workload::uses_platform(
                self.reading.cluster_monitoring.as_ref(),
                self.reading.standing.user_workload.as_ref(),
            );
        let merges = is_openshift && self.user_workload();
        for kind in OURS {
            let document = self
                .clusters
                .documents
                .iter()
                .find(|document| document.site == self.site.name && document.kind == kind);
            match (kind, document) {
                (ObjectKind::Secret, Some(document)) => {
                    if self.topology.secret_delivery == SecretDelivery::Apply {
                        self.secret(&document.value);
                    }
                }
                (_, Some(document)) => self.document(kind, &document.value),
                (_, None) => self.leftover(kind),
            }
        }
        if is_openshift && (merges || self.reading.rollout != Some(Rollout::Done)) {
            self.steps.push(Step::AwaitRollout {
                site: self.site.name.clone(),
                namespace: names::NAMESPACE.to_owned(),
                name: names::STATEFUL_SET.to_owned(),
            });
        }
    }

    fn user_workload(&mut self) -> bool {
        let config_map = self.reading.standing.user_workload.as_ref();
        let object = config_map_ref(self.site);
        match user_workload::merge(config_map, self.topology.name.as_str()) {
            Ok(Change::None) | Err(_) => {
                self.keep(object);
                false
            }
            Ok(_) => {
                self.steps.push(Step::MergeUserWorkloadConfig {
                    adds: user_workload::missing(config_map).unwrap_or_default(),
                    is_new: config_map.is_none(),
                    object,
                });
                true
            }
        }
    }

    fn keep(&mut self, object: ObjectRef) {
        self.unchanged.push(Unchanged::Object(object));
    }

    fn document(&mut self, kind: ObjectKind, value: &Value) {
        let object = object_ref(self.topology, self.site, kind);
        let current = self.reading.standing.objects.get(&kind);
        let mut of_kubectl = false;
        let change = match self.reading.dry_runs.get(&kind) {
            Some(DryRun::Accepted { after, conflicts }) => {
                let others = objects::by_others(conflicts.clone());
                of_kubectl = !conflicts.is_empty() && others.is_empty();
                let mut change = objects::change(current, after, &others);
                if let Some(change) = &mut change {
                    change.drifted = objects::by_others(std::mem::take(&mut change.drifted));
                }
                change
            }
            // The preflight refuses these.
            Some(DryRun::Refused { .. }) => None,
            // A kind that is not there: it is told, and nothing stands unchanged.
            None => return,
        };
        match change {
            Some(change) => self.steps.push(Step::ApplyObject(ObjectGoal {
                object,
                content: Content::Document(value.clone()),
                change,
                force: of_kubectl || self.clusters.choices.force_conflicts,
            })),
            None => self.keep(object),
        }
    }

    fn secret(&mut self, document: &Value) {
        let object = object_ref(self.topology, self.site, ObjectKind::Secret);
        let mut frame = document.clone();
        if let Some(fields) = frame.as_object_mut() {
            fields.remove("stringData");
            fields.remove("data");
        }
        let current = self.reading.standing.objects.get(&ObjectKind::Secret);
        let urls = url_keys(self.topology);
        let change = secret_change(
            current,
            &urls,
            &self.reading.secret,
            self.reading.dry_runs.get(&ObjectKind::Secret),
        );
        match change {
            Some(change) => self.steps.push(Step::ApplyObject(ObjectGoal {
                object,
                content: Content::Webhook {
                    frame,
                    urls,
                    username: self.topology.webhook.username.to_string(),
                },
                change,
                force: self.clusters.choices.force_conflicts,
            })),
            None => self.keep(object),
        }
    }

    /// What we made when the topology wanted it.
    fn leftover(&mut self, kind: ObjectKind) {
        let Some(current) = self.reading.standing.objects.get(&kind) else {
            return;
        };
        if objects::is_of(current, self.topology.name.as_str()) {
            self.steps.push(Step::DeleteObject {
                object: object_ref(self.topology, self.site, kind),
                uid: objects::uid(current),
                why: "the topology no longer wants it".to_owned(),
            });
        }
    }
}

/// How the Secret changes, told without its values.
pub(crate) fn secret_change(
    current: Option<&Value>,
    urls: &BTreeMap<String, String>,
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
        path: format!("data.{key}"),
        before,
        after,
        recreates: false,
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
            let path: Vec<&str> = property.path.splitn(2, '.').collect();
            objects::other_holders(current, &path)
                .map(|manager| crate::observed::cluster::Conflict {
                    manager,
                    field: format!(".{}", property.path),
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let action = match properties.is_empty() {
        true if objects::is_managed_by_us(current) => return None,
        true => ObjectAction::Adopt,
        false => ObjectAction::Change,
    };
    Some(ObjectChange {
        action,
        properties,
        drifted,
    })
}

/// The steps that take our objects out of the clusters, each with what it looked like.
pub(super) fn removals(topology: &Topology, looks: &Looks<ClusterStanding>) -> Vec<Step> {
    let mut steps = Vec::new();
    for site in &topology.sites {
        let Some(standing) = looks.get(&site.name).and_then(Look::seen) else {
            continue;
        };
        // Who tells first, the credentials after.
        for kind in OURS.into_iter().rev() {
            let Some(current) = standing.objects.get(&kind) else {
                continue;
            };
            if objects::is_of(current, topology.name.as_str()) {
                steps.push(Step::DeleteObject {
                    object: object_ref(topology, site, kind),
                    uid: objects::uid(current),
                    why: "destroy".to_owned(),
                });
            }
        }
        let config_map = standing.user_workload.as_ref();
        match user_workload::undo(config_map, topology.name.as_str()) {
            Ok(Change::None) => {}
            // What is not understood any more is told when it comes to it.
            _ => steps.push(Step::UndoUserWorkloadConfig {
                object: config_map_ref(site),
            }),
        }
    }
    steps
}

#[cfg(test)]
mod tests;
