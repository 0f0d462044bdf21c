//! Judges what was seen of the clusters: is each the one that the topology means, and can we work there?

use serde_json::Value;

use super::cluster_problem::ClusterProblem;
use super::infinispan;
use super::ours::{Clusters, OURS, object_ref, secret_change};
use crate::observed::Standing;
use crate::observed::access::{AccessProblem, word};
use crate::observed::cluster::{ClusterLook, ClusterReading, Denied, DryRun, Looks, MONITORING, OPENSHIFT};
use crate::observed::infinispan::operator_secret;
use crate::observed::{objects, repository};
use crate::preflight::problem::Problem;
use crate::preflight::warning::Warning;
use crate::render::user_workload;
use crate::render::{ObjectKind, api_version};
use crate::topology::names::StackKind;
use crate::topology::{Platform, SecretDelivery, Site, Topology};

/// All that stands in the way, and what is worth knowing.
pub fn judge_clusters(
    topology: &Topology,
    standing: &Standing,
    clusters: &Clusters<'_>,
) -> Result<Vec<Warning>, Vec<Problem>> {
    let mut problems: Vec<ClusterProblem> = unusable(clusters.looks);
    let mut warnings = Vec::new();
    for site in &topology.sites {
        match clusters.looks.get(&site.name) {
            Some(ClusterLook::Seen(reading)) => {
                let mut judge = ClusterJudge {
                    topology,
                    clusters,
                    site,
                    reading,
                    problems: Vec::new(),
                    warnings: Vec::new(),
                };
                judge.all();
                problems.append(&mut judge.problems);
                warnings.append(&mut judge.warnings);
                if topology.secret_delivery == SecretDelivery::Manual
                    && !reading.standing.objects.contains_key(&ObjectKind::Secret)
                {
                    warnings.push(Warning::NoSecretYet {
                        object: object_ref(topology, site, ObjectKind::Secret),
                    });
                }
            }
            Some(ClusterLook::Unreached(_) | ClusterLook::Unusable(_)) | None => {}
        }
    }
    let has_function = topology.regions.iter().all(|region| {
        let stack = standing.stack(region, StackKind::Fencing);
        stack.is_some_and(|stack| !stack.outputs.is_empty())
    });
    if !clusters.choices.aws && !has_function {
        problems.push(ClusterProblem::NoFunction);
    }
    if problems.is_empty() {
        Ok(warnings)
    } else {
        Err(problems.into_iter().map(Problem::Cluster).collect())
    }
}

/// The problems of both halves, without those that follow from others: a cluster that cannot be asked does not
/// tell where its Infinispan answers, either.
pub fn together(aws: Vec<Problem>, of_clusters: Vec<Problem>) -> Vec<Problem> {
    let is_consequence = |problem: &Problem| match problem {
        Problem::NoInfinispanEndpoint { site, .. } => of_clusters
            .iter()
            .any(|other| matches!(other, Problem::Cluster(other) if other.site() == Some(site))),
        _ => false,
    };
    let mut problems = aws;
    problems.retain(|problem| !is_consequence(problem));
    problems.extend(of_clusters);
    problems
}

/// What makes clusters unusable, whatever shall be done with them.
pub fn unusable<T>(looks: &Looks<T>) -> Vec<ClusterProblem> {
    let problems = looks.values().filter_map(|look| match look {
        ClusterLook::Unusable(problems) => Some(problems.iter().cloned().map(ClusterProblem::Access)),
        ClusterLook::Seen(_) | ClusterLook::Unreached(_) => None,
    });
    problems.flatten().collect()
}

/// A right that is lacking, as a problem.
pub fn forbidden(site: &Site, denied: &Denied) -> ClusterProblem {
    ClusterProblem::Access(AccessProblem::Forbidden {
        site: site.name.clone(),
        context: site.context.to_string(),
        denied: denied.clone(),
    })
}

struct ClusterJudge<'a> {
    topology: &'a Topology,
    clusters: &'a Clusters<'a>,
    site: &'a Site,
    reading: &'a ClusterReading,
    problems: Vec<ClusterProblem>,
    warnings: Vec<Warning>,
}

impl ClusterJudge<'_> {
    fn all(&mut self) {
        let denied: Vec<ClusterProblem> = self
            .reading
            .standing
            .denied
            .iter()
            .map(|denied| forbidden(self.site, denied))
            .collect();
        self.problems.extend(denied);
        if !self.platform() {
            // Another cluster's objects tell nothing.
            return;
        }
        self.infinispan();
        self.metrics();
        if self.site.platform == Platform::Openshift {
            self.user_workload();
        }
        if self.reading.lacks_environment_proxy {
            self.warnings.push(Warning::NoEnvironmentProxy {
                site: self.site.name.clone(),
            });
        }
        self.guide();
        self.objects();
    }

    fn serves(&self, group: &str) -> bool {
        self.reading.groups.contains_key(group)
    }

    /// Whether the cluster is of the platform that it is said to be.
    fn platform(&mut self) -> bool {
        let is_openshift = self.serves(OPENSHIFT);
        let versions = self.versions("AlertmanagerConfig");
        let of_monitoring = if versions.is_empty() {
            "it has no AlertmanagerConfig".to_owned()
        } else {
            format!("it serves AlertmanagerConfig in {}", versions.join(", "))
        };
        let found = match (self.site.platform, is_openshift) {
            (Platform::Openshift, false) => {
                format!("it lacks the API group {OPENSHIFT}, and {of_monitoring}")
            }
            (Platform::Kubernetes, true) => {
                format!("it has OpenShift's API group {OPENSHIFT}, and {of_monitoring}")
            }
            _ => {
                self.kinds();
                return true;
            }
        };
        self.problems.push(ClusterProblem::WrongPlatform {
            site: self.site.name.clone(),
            said: self.site.platform,
            found,
        });
        false
    }

    fn versions(&self, kind: &'static str) -> Vec<String> {
        let versions = self.reading.kinds.get(kind);
        versions.into_iter().flatten().cloned().collect()
    }

    fn kinds(&mut self) {
        let mut wanted = vec!["Infinispan", "AlertmanagerConfig", "PrometheusRule"];
        if self.topology.monitoring.pod_monitor {
            wanted.push("PodMonitor");
        }
        let missing: Vec<&'static str> = wanted
            .into_iter()
            .filter(|kind| self.versions(kind).is_empty())
            .collect();
        let has_config = !missing.contains(&"AlertmanagerConfig");
        if !missing.is_empty() {
            let missing = ClusterProblem::MissingKinds {
                site: self.site.name.clone(),
                kinds: missing,
            };
            self.refused_by_apply(missing);
        }
        let wanted = api_version(self.site.platform);
        let version = wanted.trim_start_matches(MONITORING).trim_start_matches('/');
        let served = self.versions("AlertmanagerConfig");
        if has_config && !served.iter().any(|it| it == version) {
            self.problems.push(ClusterProblem::MissingVersion {
                site: self.site.name.clone(),
                kind: "AlertmanagerConfig",
                platform: self.site.platform,
                wanted: version.to_owned(),
                served,
            });
        }
    }

    /// What keeps `apply` from going on and does not keep `plan` from telling the rest.
    fn refused_by_apply(&mut self, problem: ClusterProblem) {
        if self.clusters.choices.only_looks {
            self.warnings.push(Warning::Cluster(problem));
        } else {
            self.problems.push(problem);
        }
    }

    fn infinispan(&mut self) {
        let site = self.site.name.clone();
        let namespace = self.site.namespace.to_string();
        let name = self.site.infinispan.cluster.to_string();
        if self.reading.is_terminating {
            self.problems.push(ClusterProblem::Terminating {
                site,
                context: self.site.context.to_string(),
                namespace,
            });
            return;
        }
        if self.reading.lacks_namespace {
            self.problems
                .push(ClusterProblem::NoNamespace { site, namespace });
            return;
        }
        let is_visible =
            !self.versions("Infinispan").is_empty() && !self.is_denied("infinispans.infinispan.org");
        match &self.reading.infinispan {
            None if is_visible => self.problems.push(ClusterProblem::NoInfinispan {
                site,
                name,
                namespace,
                seen: self.reading.infinispans.clone(),
            }),
            Some(infinispan) if infinispan.site.as_deref() != Some(self.site.name.as_str()) => {
                self.problems.push(ClusterProblem::AnotherSite {
                    site,
                    name,
                    namespace,
                    found: infinispan.site.clone(),
                });
            }
            None => {}
            Some(_) => {
                let found = infinispan::oddities(self.topology, self.site, self.reading);
                self.warnings
                    .extend(found.into_iter().map(|oddity| Warning::Infinispan {
                        site: site.clone(),
                        name: name.clone(),
                        oddity,
                    }));
            }
        }
    }

    /// Whether the metrics can be read.
    fn metrics(&mut self) {
        if self.reading.infinispan.is_some() && self.reading.has_operator_secret == Some(false) {
            self.refused_by_apply(ClusterProblem::NoOperatorSecret {
                site: self.site.name.clone(),
                namespace: self.site.namespace.to_string(),
                name: operator_secret(self.site.infinispan.cluster.as_str()),
            });
        }
    }

    fn is_denied(&self, resource: &str) -> bool {
        self.reading
            .standing
            .denied
            .iter()
            .any(|denied| denied.resource == resource)
    }

    fn user_workload(&mut self) {
        let site = || self.site.name.clone();
        if !self.serves(OPENSHIFT) || self.is_denied("configmaps") {
            return;
        }
        let config = user_workload::text(self.reading.cluster_monitoring.as_ref());
        let settings: Option<Value> = config.and_then(|text| serde_yaml::from_str(text).ok());
        let is_on = settings.is_some_and(|it| it.get("enableUserWorkload") == Some(&Value::Bool(true)));
        if !is_on {
            self.problems
                .push(ClusterProblem::UserWorkloadOff { site: site() });
        }
        let config_map = self.reading.standing.user_workload.as_ref();
        if user_workload::uses_platform(self.reading.cluster_monitoring.as_ref(), config_map) {
            return;
        }
        let missing = user_workload::missing(config_map).unwrap_or_default();
        if self.clusters.choices.skips_user_workload {
            if !missing.is_empty() {
                self.warnings.push(Warning::UserWorkloadSkipped {
                    site: site(),
                    missing,
                });
            }
            return;
        }
        if let Some(keeper) = config_map
            .filter(|_| !missing.is_empty())
            .and_then(repository::keeper)
        {
            self.refused_by_apply(ClusterProblem::KeptElsewhere {
                site: site(),
                keeper,
                missing,
            });
        }
        if let Some(what) = self.reading.config_map_refused.clone() {
            self.problems
                .push(ClusterProblem::UserWorkloadConfig { site: site(), what });
        }
        // Without rules nothing fires that could go elsewhere. Configurations that could not be counted alone are no reason:
        // who made the rights before they were counted would be asked for nothing.
        let others =
            self.reading.others_rules != Some(0) || self.reading.others_configs.is_some_and(|it| it > 0);
        let moves = user_workload::switches_on(config_map) && others;
        if moves && !self.clusters.choices.moves_user_alerts {
            self.refused_by_apply(ClusterProblem::MovesAlerts {
                site: site(),
                rules: self.reading.others_rules,
                configs: self.reading.others_configs,
            });
        }
        if let Err(what) = user_workload::merge(config_map, self.topology.name.as_str()) {
            self.problems
                .push(ClusterProblem::UserWorkloadConfig { site: site(), what });
        }
    }

    fn guide(&mut self) {
        for config in &self.reading.other_configs {
            if sends_site_offline(config) {
                let name = config.pointer("/metadata/name").and_then(Value::as_str);
                self.problems.push(ClusterProblem::GuideConfig {
                    site: self.site.name.clone(),
                    context: self.site.context.to_string(),
                    namespace: self.site.namespace.to_string(),
                    name: name.unwrap_or_default().to_owned(),
                });
            }
        }
    }

    /// Fields that others added to one of our objects. Applying it leaves them: they are nobody's that we could take
    /// back from.
    fn set_by_others(&mut self, kind: ObjectKind, current: Option<&Value>, dry_run: Option<&DryRun>) {
        let ours = current.filter(|current| objects::is_of(current, self.topology.name.as_str()));
        let object = object_ref(self.topology, self.site, kind);
        // As it will be when we have what is ours, or what they hold of that would be reported twice.
        let after = match (ours, dry_run) {
            (Some(_), Some(DryRun::Accepted { after, .. })) => after,
            _ => return,
        };
        for added in objects::added_by_others(after) {
            let place = format!(
                "kubectl --context {} -n {}",
                word(self.site.context.as_str()),
                object.namespace
            );
            let which = format!("{} {}", object.kind.word().to_lowercase(), object.name);
            let command = match added.pointer {
                Some(pointer) => {
                    let patch = serde_json::json!([{ "op": "remove", "path": pointer }]);
                    format!(
                        "{place} patch {which} --type json -p {}",
                        word(&patch.to_string())
                    )
                }
                None => format!("{place} edit {which}"),
            };
            self.warnings.push(Warning::SetByOthers {
                object: object.clone(),
                manager: added.manager,
                field: added.field,
                command,
            });
        }
    }

    fn objects(&mut self) {
        for kind in OURS {
            let object = object_ref(self.topology, self.site, kind);
            if kind == ObjectKind::Secret && self.topology.secret_delivery == SecretDelivery::Manual {
                continue;
            }
            let current = self.reading.standing.objects.get(&kind);
            let dry_run = self.reading.dry_runs.get(&kind);
            self.set_by_others(kind, current, dry_run);
            if current.is_some_and(|current| !objects::is_of(current, self.topology.name.as_str())) {
                self.problems.push(ClusterProblem::ForeignObject { object });
                continue;
            }
            match dry_run {
                Some(DryRun::Refused { message }) => self.problems.push(ClusterProblem::Refused {
                    object,
                    message: message.clone(),
                }),
                Some(DryRun::Accepted { .. }) if self.clusters.choices.force_conflicts => {}
                Some(DryRun::Accepted { conflicts, .. }) => {
                    let conflicts = match kind {
                        // It was asked about without its values, so what they conflict with is found by us.
                        ObjectKind::Secret => secret_change(
                            current,
                            &self.topology.url_keys().collect(),
                            &self.reading.secret,
                            dry_run,
                        )
                        .map(|change| change.drifted)
                        .unwrap_or_default(),
                        _ => conflicts.clone(),
                    };
                    let conflicts = objects::by_others(conflicts);
                    if !conflicts.is_empty() {
                        self.refused_by_apply(ClusterProblem::Conflict { object, conflicts });
                    }
                }
                None => {}
            }
        }
    }
}

/// Whether an AlertmanagerConfig hands our alert to a webhook: the guide's, or one made after it.
pub fn sends_site_offline(config: &Value) -> bool {
    let receivers = config.pointer("/spec/receivers").and_then(Value::as_array);
    let has_webhook = receivers.into_iter().flatten().any(|receiver| {
        let webhooks = receiver.get("webhookConfigs").and_then(Value::as_array);
        webhooks.is_some_and(|webhooks| !webhooks.is_empty())
    });
    let routes_it = config
        .pointer("/spec/route")
        .is_some_and(|route| mentions(route, GUIDE_ALERT));
    let is_the_guide_s = config.pointer("/metadata/name").and_then(Value::as_str) == Some(GUIDE_CONFIG);
    has_webhook && (routes_it || is_the_guide_s)
}

/// The guide's alert, and ours: but only because ours was given the same name.
const GUIDE_ALERT: &str = "SiteOffline";

/// The name that the guide gives to its AlertmanagerConfig.
const GUIDE_CONFIG: &str = "example-routing";

fn mentions(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => text.contains(word),
        Value::Array(items) => items.iter().any(|item| mentions(item, word)),
        Value::Object(fields) => fields.values().any(|field| mentions(field, word)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
