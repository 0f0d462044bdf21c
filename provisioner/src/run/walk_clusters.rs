//! The steps of a plan that go to the clusters. Those of two sites go on side by side, each in its own order: a
//! slow or failing cluster does not keep the other from being finished.

use std::collections::BTreeMap;
use std::time::Duration;

use super::failure::{Failure, SilentSite};
use super::lock::Lock;
use super::observe;
use super::pace::Pace;
use super::walk::Walk;
use super::webhook::WebhookValues;
use crate::observed::cluster::{CONFIG_MAPS, ObjectRef, Rollout, STATEFUL_SETS};
use crate::observed::cluster_endpoint;
use crate::plan::Step;
use crate::plan::clusters::{Content, ObjectGoal};
use crate::preflight::cluster_problem::ClusterProblem;
use crate::preflight::ours::resource;
use crate::render::ObjectKind;
use crate::render::user_workload::{self, ConfigMapChange};
use crate::report;
use crate::topology::{Site, SiteName};
use crate::world::kubernetes::{AppliedObject, ApplyMode, Cluster, ClusterError, Guarded, Target};
use jiff::Timestamp;

/// OpenShift's operator first notices the ConfigMap, then pulls images and starts pods one by one.
const ROLLOUT_WITHIN: Duration = Duration::from_secs(600);
/// Others write to the ConfigMap seldom; more often than this in a row, nobody does.
const ATTEMPTS: usize = 5;

impl Walk<'_> {
    /// Carries out steps of clusters, those of each site in their order.
    pub(super) async fn clusters(&self, steps: &[Step], lock: Option<&Lock>) -> Result<(), Failure> {
        let [a, b] = self
            .topology
            .sites
            .each_ref()
            .map(|site| self.cluster(site, steps, lock));
        // Neither is cut off by the other's failure.
        let (first, second) = tokio::join!(a, b);
        self.side_by_side(vec![first, second])
    }

    async fn cluster(&self, site: &Site, steps: &[Step], lock: Option<&Lock>) -> Result<(), Failure> {
        for step in steps.iter().filter(|step| step.site() == Some(&site.name)) {
            self.session.interrupt.check()?;
            if let Some(lock) = lock {
                lock.check()?;
            }
            if let Some(line) = report::step(step) {
                self.session.console.step(&line);
            }
            let cluster = match self.session.clusters.get(&site.name) {
                Some(Ok(cluster)) => cluster,
                // What cannot be reached has no steps.
                Some(Err(_)) | None => return Err(Failure::Overtaken),
            };
            self.cluster_step(site, cluster, step).await?;
            self.done(step);
        }
        Ok(())
    }

    async fn cluster_step(&self, site: &Site, cluster: &Cluster, step: &Step) -> Result<(), Failure> {
        match step {
            Step::ApplyObject(goal) => self.apply_object(site, cluster, goal).await,
            Step::DeleteObject { object, uid, .. } => {
                cluster.delete(target(site, object), uid).await?;
                Ok(())
            }
            Step::MergeUserWorkloadConfig { object, .. } => {
                self.change_config_map(cluster, object, user_workload::merge)
                    .await
            }
            Step::UndoUserWorkloadConfig { object } => {
                self.change_config_map(cluster, object, user_workload::undo).await
            }
            Step::AwaitRollout { namespace, name, .. } => {
                self.await_rollout(cluster, site, namespace, name).await
            }
            _ => Ok(()),
        }
    }

    async fn apply_object(&self, site: &Site, cluster: &Cluster, goal: &ObjectGoal) -> Result<(), Failure> {
        let mode = ApplyMode {
            dry_run: false,
            force: goal.force,
        };
        let target = target(site, &goal.object);
        let applied = match &goal.content {
            Content::Document(value) => cluster.apply(target, value, mode).await?,
            Content::Webhook { frame, .. } => {
                let values = WebhookValues::now(self.session, self.topology, self.learned).await?;
                let applied = cluster.apply(target, &values.object(frame), mode).await;
                // An API server may quote what it does not like.
                applied.map_err(|error| error.said(|message| values.scrubbed(message)))?
            }
        };
        match applied {
            AppliedObject::Done(_) => Ok(()),
            AppliedObject::Conflicts(conflicts) => Err(ClusterProblem::Conflict {
                object: goal.object.clone(),
                conflicts,
            }
            .into()),
        }
    }

    /// Reads, changes, writes back; again, if someone else wrote in between.
    async fn change_config_map(
        &self,
        cluster: &Cluster,
        object: &ObjectRef,
        change: fn(Option<&serde_json::Value>, &str) -> Result<ConfigMapChange, String>,
    ) -> Result<(), Failure> {
        let target = Target {
            resource: CONFIG_MAPS,
            namespace: &object.namespace,
            name: &object.name,
        };
        for _ in 0..ATTEMPTS {
            self.session.interrupt.check()?;
            let current = cluster.get(target).await?;
            let change = change(current.as_ref(), self.topology.name.as_str());
            let written = match change {
                Ok(ConfigMapChange::None) => return Ok(()),
                Ok(ConfigMapChange::Create(body)) => cluster.create(target, &body, false).await?,
                Ok(ConfigMapChange::Replace(body)) => cluster.replace(target, &body, false).await?,
                Ok(ConfigMapChange::Delete { uid }) => {
                    cluster.delete(target, &uid).await?;
                    return Ok(());
                }
                Err(what) => {
                    let site = object.site.clone();
                    return Err(ClusterProblem::UserWorkloadConfig { site, what }.into());
                }
            };
            if written == Guarded::Done {
                return Ok(());
            }
        }
        Err(Failure::Overtaken)
    }

    async fn await_rollout(
        &self,
        cluster: &Cluster,
        site: &Site,
        namespace: &str,
        name: &str,
    ) -> Result<(), Failure> {
        let target = Target {
            resource: STATEFUL_SETS,
            namespace,
            name,
        };
        let mut pace = Pace::new();
        let wait = async {
            loop {
                let stateful_set = cluster.get(target).await?;
                if cluster_endpoint::rollout(stateful_set.as_ref()) == Rollout::Done {
                    return Ok(());
                }
                pace.pause(self.session).await?;
            }
        };
        match tokio::time::timeout(ROLLOUT_WITHIN, wait).await {
            Ok(result) => result,
            Err(_) => Err(Failure::NotRolledOut {
                site: site.name.clone(),
                stateful_set: format!("{namespace}/{name}"),
                seconds: ROLLOUT_WITHIN.as_secs(),
            }),
        }
    }

    /// Waits until each site's watchdog came through once more than when the wait began. No clock is compared
    /// with another: a stamp that changed was written since.
    pub(super) async fn await_watchdogs(&self, sites: &[SiteName]) -> Result<(), Failure> {
        let before = observe::stamps(self.session, self.topology).await?;
        let mut missing: Vec<SiteName> = sites.to_vec();
        let mut pace = Pace::new();
        let wait = async {
            loop {
                let now = observe::stamps(self.session, self.topology).await?;
                missing.retain(|site| {
                    let has_come = now.contains_key(site) && now.get(site) != before.get(site);
                    if has_come {
                        self.session
                            .console
                            .say(&format!("  the watchdog from {site} arrived"));
                    }
                    !has_come
                });
                if missing.is_empty() {
                    return Ok(());
                }
                pace.pause(self.session).await?;
            }
        };
        match tokio::time::timeout(self.watchdogs_within, wait).await {
            Ok(result) => result,
            Err(_) => Err(Failure::WatchdogsSilent {
                sites: self.silent(&missing, &before).await,
                seconds: self.watchdogs_within.as_secs(),
            }),
        }
    }

    /// Where the way of each missing watchdog seems to end.
    async fn silent(&self, missing: &[SiteName], before: &BTreeMap<SiteName, Timestamp>) -> Vec<SilentSite> {
        let mut silent = Vec::new();
        for site in self
            .topology
            .sites
            .iter()
            .filter(|site| missing.contains(&site.name))
        {
            let others_came = self
                .topology
                .sites
                .iter()
                .any(|other| !missing.contains(&other.name));
            let hop = match self.session.clusters.get(&site.name) {
                Some(Ok(cluster)) => match self.hop(site, cluster).await {
                    Ok(Some(hop)) => hop,
                    Ok(None) => beyond(others_came),
                    Err(error) => error.to_string(),
                },
                Some(Err(_)) | None => "its cluster is out of reach".to_owned(),
            };
            silent.push(SilentSite {
                site: site.name.clone(),
                last_seen: before.get(&site.name).copied(),
                hop,
            });
        }
        silent
    }

    /// The first thing on a watchdog's way inside the cluster that is not there.
    async fn hop(&self, site: &Site, cluster: &Cluster) -> Result<Option<String>, ClusterError> {
        let (namespace, name) = (site.namespace.to_string(), self.topology.object_name());
        for (kind, what) in [
            (ObjectKind::PrometheusRule, "so Prometheus has nothing to fire"),
            (
                ObjectKind::AlertmanagerConfig,
                "so Alertmanager does not know where to send it",
            ),
            (
                ObjectKind::Secret,
                "so Alertmanager has neither address nor password",
            ),
        ] {
            let target = Target {
                resource: resource(site.platform, kind),
                namespace: &namespace,
                name: &name,
            };
            if cluster.get(target).await?.is_none() {
                return Ok(Some(format!(
                    "the {} {namespace}/{name} is not there, {what}",
                    kind.word()
                )));
            }
        }
        Ok(None)
    }
}

/// What remains when everything stands in the cluster.
fn beyond(others_came: bool) -> String {
    if others_came {
        "the function answers the other site, so it is between this site's Prometheus and the function: does \
         Prometheus select our rule and Alertmanager our AlertmanagerConfig (monitoring.labels), and may the cluster's \
         egress reach the function's URL?"
            .to_owned()
    } else {
        "all objects are in place; does Prometheus select our rule and Alertmanager our AlertmanagerConfig \
         (monitoring.labels), and may the cluster's egress reach the function's URL? The function's log says whether \
         anything arrives"
            .to_owned()
    }
}

fn target<'a>(site: &Site, object: &'a ObjectRef) -> Target<'a> {
    Target {
        resource: resource(site.platform, object.kind),
        namespace: &object.namespace,
        name: &object.name,
    }
}
