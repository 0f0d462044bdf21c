//! The clusters' half of a plan: which objects are applied, which go, what is waited for.
//!
//! ```text
//!   per site:  user-workload ConfigMap ─▶ Secret ─▶ AlertmanagerConfig, PodMonitor, PrometheusRule ─▶ rollout
//!   at last:   both sites' watchdogs reach the function
//! ```
//!
//! A cluster that was not reached gets no step: what it lacks is reported, and the next plan has it. The password
//! is no part of a plan; it is fetched when the Secret is written.

use std::collections::{BTreeMap, BTreeSet};

use fencing::health::WATCHDOG_SILENT_AFTER_SECONDS;
use jiff::Timestamp;
use serde_json::Value;

use crate::observed::cluster::{
    ClusterLook, ClusterReading, ClusterStanding, DryRun, Looks, ObjectRef, Rollout,
};
use crate::observed::objects::{self, ObjectChange};
use crate::plan::{Step, Unchanged};
use crate::preflight::ours::{Clusters, OURS, object_ref, secret_change};
use crate::render::user_workload::{self, ConfigMapChange, names};
use crate::render::{ObjectKind, without_environment_proxy};
use crate::topology::{Platform, Region, SecretDelivery, Site, SiteName, Topology};

#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Document(Value),
    /// The webhook's Secret. Its values are fetched when it is written.
    Webhook {
        /// The Secret without values.
        frame: Value,
        /// By key, the Region of the function whose URL it holds.
        urls: BTreeMap<String, Region>,
        username: String,
    },
}

/// An object as it shall be.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectGoal {
    pub object: ObjectRef,
    pub content: Content,
    pub change: ObjectChange,
    /// Whether fields are taken from those who hold them.
    pub force: bool,
}

fn config_map_ref(site: &Site) -> ObjectRef {
    ObjectRef {
        site: site.name.clone(),
        kind: ObjectKind::UserWorkloadConfig,
        namespace: names::NAMESPACE.to_owned(),
        name: names::CONFIG.to_owned(),
    }
}

/// The steps for all clusters, and what needs none.
pub(super) fn steps(topology: &Topology, clusters: &Clusters<'_>) -> (Vec<Step>, Vec<Unchanged>) {
    let mut steps = Vec::new();
    let mut unchanged = Vec::new();
    for site in &topology.sites {
        if let Some(reading) = clusters.looks.get(&site.name).and_then(ClusterLook::seen) {
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
/// for the next one without success.
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
    let silent: Vec<SiteName> = if changes {
        // What is changed may be what they come through.
        Vec::new()
    } else {
        let silent = sites.iter().filter(|site| !clusters.heard.contains(*site));
        silent.cloned().collect()
    };
    let due = changes || !silent.is_empty();
    let waits = clusters.choices.waits && due && !sites.is_empty();
    waits.then_some(Step::AwaitWatchdogs { sites, silent })
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
        let config_map = self.reading.standing.user_workload.as_ref();
        // Where somebody else adds the lines, there may be no Alertmanager to wait for yet.
        let is_left = self.clusters.choices.skips_user_workload && user_workload::switches_on(config_map);
        let is_openshift = self.site.platform == Platform::Openshift
            && !is_left
            && !user_workload::uses_platform(
                self.reading.cluster_monitoring.as_ref(),
                self.reading.standing.user_workload.as_ref(),
            );
        let merges = is_openshift && !self.clusters.choices.skips_user_workload && self.user_workload();
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
                (ObjectKind::AlertmanagerConfig, Some(document)) if self.reading.lacks_environment_proxy => {
                    self.document(kind, &without_environment_proxy(document.value.clone()));
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
            Ok(ConfigMapChange::None) | Err(_) => {
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
            // A kind that is not there: it is reported, and nothing is unchanged.
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
        let urls = self.topology.url_keys().collect();
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
                why: "the topology no longer needs it".to_owned(),
            });
        }
    }
}

/// The steps that take our objects out of the clusters, each with what it looked like.
pub(super) fn removals(topology: &Topology, looks: &Looks<ClusterStanding>) -> Vec<Step> {
    let mut steps = Vec::new();
    for site in &topology.sites {
        let Some(standing) = looks.get(&site.name).and_then(ClusterLook::seen) else {
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
            Ok(ConfigMapChange::None) => {}
            // What is no longer understood is reported when its turn comes.
            _ => steps.push(Step::UndoUserWorkloadConfig {
                object: config_map_ref(site),
            }),
        }
    }
    steps
}

#[cfg(test)]
pub(crate) mod tests;
