//! Looks at the clusters, both at the same time, and changes nothing.
//!
//! A right that is lacking does not end the look: all of them are reported together. A cluster that does not answer
//! ends its own look only.

mod taking;

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret, SecretSlice};
use serde_json::Value;
use tokio::task::JoinSet;

use super::Session;
use super::exposed::{self, Gets, Quietly};
use super::webhook::WebhookValues;
use crate::observed::cluster::{
    CACHES, CONFIG_MAPS, ClusterLook, ClusterReading, ClusterStanding, Comparison, INFINISPANS, Looks,
    MONITORING, OPENSHIFT, POD_MONITORS, PROMETHEUS_RULES, Resource, SECRETS, STATEFUL_SETS,
};
use crate::observed::{cluster_endpoint, infinispan, statistics};
use crate::preflight::ours::{Choices, OURS, resource};
use crate::render::user_workload::names;
use crate::render::{ObjectDocument, ObjectKind};
use crate::topology::{Endpoint, Platform, Site, SiteName, Topology};
use crate::world::kubernetes::{Cluster, ClusterError, ConnectError, Target};

/// The kinds that are looked for.
const WANTED_KINDS: [&str; 5] = [
    INFINISPANS.kind,
    CACHES.kind,
    "AlertmanagerConfig",
    PROMETHEUS_RULES.kind,
    POD_MONITORS.kind,
];

/// What the API server says of a namespace that is being deleted.
const TERMINATING: &str = "because it is being terminated";

/// The values of our Secrets, by site and key. They leave this module as comparisons only.
type Values = BTreeMap<SiteName, BTreeMap<String, SecretSlice<u8>>>;

/// What was seen, and with it the values that stand in our Secrets.
#[derive(Debug)]
pub struct ClustersSeen {
    pub looks: Looks<ClusterReading>,
    values: Values,
}

impl ClustersSeen {
    /// Whether the Secrets' values are worth comparing.
    pub fn has_secrets(&self) -> bool {
        !self.values.is_empty()
    }

    /// Compares the values with what they should be, and forgets them. What should stand under one of the
    /// `unknown` keys nobody can tell just now, so that whatever stands there is left.
    pub fn compared(mut self, wanted: &WebhookValues, unknown: &[String]) -> Looks<ClusterReading> {
        for (site, values) in &self.values {
            if let Some(ClusterLook::Seen(reading)) = self.looks.get_mut(site) {
                let unknown = unknown.iter().filter(|key| values.contains_key(*key));
                reading.secret = wanted
                    .values
                    .iter()
                    .map(|(key, wanted)| {
                        let comparison = match values.get(key) {
                            None => Comparison::Absent,
                            Some(value) if value.expose_secret() == wanted.expose_secret() => {
                                Comparison::Same
                            }
                            Some(_) => Comparison::Differs,
                        };
                        (key.clone(), comparison)
                    })
                    .chain(unknown.map(|key| (key.clone(), Comparison::Same)))
                    .collect();
            }
        }
        self.looks
    }
}

/// Everything that `plan` and `apply` need to know of the clusters in scope.
pub async fn look(
    session: &Session,
    topology: &Topology,
    documents: &[ObjectDocument],
    choices: Choices,
) -> ClustersSeen {
    let mut asked = JoinSet::new();
    let mut seen = ClustersSeen {
        looks: Looks::new(),
        values: Values::new(),
    };
    for (site, cluster) in in_scope(session, topology) {
        let documents: Vec<ObjectDocument> = documents
            .iter()
            .filter(|document| document.site == site.name)
            .cloned()
            .collect();
        match cluster {
            Ok(cluster) => {
                let (topology, site, cluster) = (topology.clone(), site.clone(), cluster.clone());
                asked.spawn(async move {
                    let looker = ClusterLooker::new(&topology, &site, &cluster);
                    let look = looker.reading(&documents, choices).await;
                    (site.name.clone(), look)
                });
            }
            Err(error) => drop(seen.looks.insert(site.name.clone(), not_connected(error))),
        }
    }
    for (site, look) in joined(asked).await {
        match look {
            Ok((reading, values)) => {
                if let Some(values) = values {
                    seen.values.insert(site.clone(), values);
                }
                seen.looks.insert(site, ClusterLook::Seen(Box::new(reading)));
            }
            Err(error) => drop(seen.looks.insert(site, failed(&error))),
        }
    }
    seen
}

/// Our objects as they stand: all that `destroy` needs to know.
pub async fn standing(session: &Session, topology: &Topology) -> Looks<ClusterStanding> {
    let mut asked = JoinSet::new();
    let mut looks = Looks::new();
    for (site, cluster) in in_scope(session, topology) {
        match cluster {
            Ok(cluster) => {
                let (topology, site, cluster) = (topology.clone(), site.clone(), cluster.clone());
                asked.spawn(async move {
                    let mut looker = ClusterLooker::new(&topology, &site, &cluster);
                    let look = looker.standing(true).await;
                    let look = look.map(|_| looker.reading.standing);
                    (site.name.clone(), look)
                });
            }
            Err(error) => drop(looks.insert(site.name.clone(), not_connected(error))),
        }
    }
    for (site, look) in joined(asked).await {
        let look = match look {
            Ok(standing) => ClusterLook::Seen(Box::new(standing)),
            Err(error) => failed(&error),
        };
        looks.insert(site, look);
    }
    looks
}

fn in_scope<'a>(
    session: &'a Session,
    topology: &'a Topology,
) -> impl Iterator<Item = (&'a Site, &'a Result<Cluster, ConnectError>)> {
    let sites = topology.sites.iter();
    sites.filter_map(|site| Some((site, session.clusters.get(&site.name)?)))
}

async fn joined<T: 'static>(mut asked: JoinSet<T>) -> Vec<T> {
    let mut answers = Vec::new();
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(answer) => answers.push(answer),
            // Nobody cancels these; a panic goes on where it can be seen.
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    answers
}

fn not_connected<T>(error: &ConnectError) -> ClusterLook<T> {
    match error {
        ConnectError::Unreached(unreached) => ClusterLook::Unreached(unreached.clone()),
        ConnectError::Problem(problem) => ClusterLook::Unusable(vec![problem.clone()]),
    }
}

fn failed<T>(error: &ClusterError) -> ClusterLook<T> {
    if error.is_unreached() {
        ClusterLook::Unreached(error.unreached())
    } else {
        ClusterLook::Unusable(vec![error.problem()])
    }
}

impl Gets for ClusterLooker<'_> {
    fn cluster(&self) -> &Cluster {
        self.cluster
    }

    fn taken(&mut self, answer: Result<Option<Value>, ClusterError>) -> Result<Option<Value>, ClusterError> {
        self.noted(answer)
    }
}

/// One look at one cluster.
struct ClusterLooker<'a> {
    topology: &'a Topology,
    site: &'a Site,
    cluster: &'a Cluster,
    reading: ClusterReading,
}

impl<'a> ClusterLooker<'a> {
    fn new(topology: &'a Topology, site: &'a Site, cluster: &'a Cluster) -> Self {
        Self {
            topology,
            site,
            cluster,
            reading: ClusterReading::default(),
        }
    }

    /// An answer; a right that is lacking is noted, and there is none.
    fn noted<T: Default>(&mut self, answer: Result<T, ClusterError>) -> Result<T, ClusterError> {
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) => match error.denied() {
                Some(denied) if denied.message.contains(TERMINATING) => {
                    self.reading.is_terminating = true;
                    Ok(T::default())
                }
                Some(denied) => {
                    self.reading.standing.denied.insert(denied);
                    Ok(T::default())
                }
                None => Err(error),
            },
        }
    }

    /// Our objects, and OpenShift's ConfigMap; with them the values of our Secret.
    async fn standing(
        &mut self,
        removes: bool,
    ) -> Result<Option<BTreeMap<String, SecretSlice<u8>>>, ClusterError> {
        let namespace = self.site.namespace.to_string();
        let name = self.topology.object_name();
        let mut values = None;
        if removes {
            self.unknown_kinds().await?;
        }
        for kind in OURS {
            let target = Target {
                resource: resource(self.site.platform, kind),
                namespace: &namespace,
                name: &name,
            };
            let found = if kind == ObjectKind::Secret {
                let answer = self.cluster.secret(target).await;
                self.noted(answer)?.map(|secret| {
                    values = Some(secret.values);
                    secret.object
                })
            } else {
                let answer = self.cluster.get(target).await;
                self.noted(answer)?
            };
            if let Some(object) = found {
                // What may be looked at may still have to stay.
                if removes {
                    let answer = self.cluster.may("delete", target).await;
                    self.noted(answer)?;
                }
                self.reading.standing.objects.insert(kind, object);
            }
        }
        if self.site.platform == Platform::Openshift {
            self.reading.standing.user_workload =
                self.get(CONFIG_MAPS, names::NAMESPACE, names::CONFIG).await?;
        }
        Ok(values)
    }

    async fn reading(
        mut self,
        documents: &[ObjectDocument],
        choices: Choices,
    ) -> Result<(ClusterReading, Option<BTreeMap<String, SecretSlice<u8>>>), ClusterError> {
        self.reading.groups = self.cluster.groups().await?;
        for group in [MONITORING, INFINISPANS.group] {
            let versions: BTreeSet<String> = self.reading.groups.get(group).cloned().unwrap_or_default();
            for version in versions {
                let answer = self.cluster.kinds(group, &version).await;
                let kinds = self.noted(answer)?;
                for wanted in WANTED_KINDS.into_iter().filter(|wanted| kinds.contains(*wanted)) {
                    self.reading
                        .kinds
                        .entry(wanted)
                        .or_default()
                        .insert(version.clone());
                }
            }
        }
        // The wrong cluster is not asked any further.
        let is_openshift = self.reading.groups.contains_key(OPENSHIFT);
        if is_openshift != (self.site.platform == Platform::Openshift) {
            return Ok((self.reading, None));
        }
        let values = self.standing(false).await?;
        self.leftovers(documents).await?;
        self.infinispan().await?;
        self.other_configs().await?;
        if is_openshift {
            self.reading.cluster_monitoring = self
                .get(CONFIG_MAPS, names::CLUSTER_NAMESPACE, names::CLUSTER_CONFIG)
                .await?;
            let stateful_set = self
                .get(STATEFUL_SETS, names::NAMESPACE, names::STATEFUL_SET)
                .await?;
            self.reading.rollout = Some(cluster_endpoint::rollout(stateful_set.as_ref()));
            self.reading.alertmanagers = stateful_set.as_ref().and_then(cluster_endpoint::replicas);
            if !choices.skips_user_workload {
                self.user_workload().await?;
            }
        }
        for document in documents {
            self.dry_run(document).await?;
        }
        Ok((self.reading, values))
    }

    /// Kinds whose operator is gone, or never came.
    async fn unknown_kinds(&mut self) -> Result<(), ClusterError> {
        for kind in OURS {
            let resource = resource(self.site.platform, kind);
            if resource.group.is_empty() {
                continue;
            }
            let answer = self.cluster.kinds(resource.group, resource.version).await;
            if !self.noted(answer)?.contains(resource.kind) {
                self.reading.standing.unknown_kinds.insert(resource.kind);
            }
        }
        Ok(())
    }

    /// What the topology no longer wants has to go, which is a right of its own.
    async fn leftovers(&mut self, documents: &[ObjectDocument]) -> Result<(), ClusterError> {
        let (namespace, name) = (self.site.namespace.to_string(), self.topology.object_name());
        let there: Vec<ObjectKind> = self.reading.standing.objects.keys().copied().collect();
        for kind in there {
            if documents.iter().all(|document| document.kind != kind) {
                let resource = resource(self.site.platform, kind);
                let target = Target {
                    resource,
                    namespace: &namespace,
                    name: &name,
                };
                let answer = self.cluster.may("delete", target).await;
                self.noted(answer)?;
            }
        }
        Ok(())
    }

    fn is_served(&self, resource: &Resource) -> bool {
        resource.group.is_empty()
            || self
                .reading
                .kinds
                .get(resource.kind)
                .is_some_and(|versions| versions.contains(resource.version))
    }

    async fn infinispan(&mut self) -> Result<(), ClusterError> {
        let namespace = self.site.namespace.to_string();
        let name = self.site.infinispan.cluster.to_string();
        if self.is_served(&INFINISPANS) {
            let found = self.get(INFINISPANS, &namespace, &name).await?;
            self.reading.infinispan = found.as_ref().map(infinispan::read);
            if self.reading.infinispan.is_none() {
                let answer = self.cluster.list(INFINISPANS, &namespace).await;
                let all = self.noted(answer)?;
                self.reading.infinispans = all
                    .iter()
                    .filter_map(|object| object.pointer("/metadata/name")?.as_str())
                    .map(str::to_owned)
                    .collect();
            }
        }
        self.statistics(&namespace, &name).await?;
        if self.topology.monitoring.pod_monitor {
            self.operator_secret(&namespace, &name).await?;
        }
        self.endpoint(&namespace, &name).await
    }

    /// Whether the cache by which the function knows how long a node has been running keeps statistics. That nobody may
    /// ask is no reason to stop: then it is assumed, and said to be.
    async fn statistics(&mut self, namespace: &str, cluster: &str) -> Result<(), ClusterError> {
        let Some(cache) = self.topology.caches.first() else {
            return Ok(());
        };
        if !self.is_served(&CACHES) {
            return Ok(());
        }
        self.reading.keeps_statistics = match self.cluster.list(CACHES, namespace).await {
            Ok(caches) => statistics::of_cache(&caches, cluster, cache.as_str()),
            Err(error) if error.denied().is_some() => None,
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// Whether the credentials are there that the metrics port asks for. That nobody may ask is no reason to stop.
    async fn operator_secret(&mut self, namespace: &str, cluster: &str) -> Result<(), ClusterError> {
        let name = infinispan::operator_secret(cluster);
        let target = Target {
            resource: SECRETS,
            namespace,
            name: &name,
        };
        self.reading.has_operator_secret = match self.cluster.is_there(target).await {
            Ok(is_there) => Some(is_there),
            Err(error) if error.denied().is_some() => None,
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// Where it is exposed. Where the topology says so itself that is only compared.
    async fn endpoint(&mut self, namespace: &str, cluster: &str) -> Result<(), ClusterError> {
        let platform = self.site.platform;
        let host = if self.site.infinispan.endpoint.is_none() {
            exposed::endpoint(self, platform, namespace, cluster).await?
        } else {
            exposed::endpoint(&mut Quietly(self.cluster), platform, namespace, cluster).await?
        };
        self.reading.infinispan_endpoint = host.filter(|host| Endpoint::try_from(host.clone()).is_ok());
        Ok(())
    }

    async fn other_configs(&mut self) -> Result<(), ClusterError> {
        let resource = resource(self.site.platform, ObjectKind::AlertmanagerConfig);
        if self.is_served(&resource) {
            let answer = self.cluster.list(resource, self.site.namespace.as_str()).await;
            let ours = self.topology.object_name();
            let mut all = self.noted(answer)?;
            all.retain(|object| object.pointer("/metadata/name").and_then(Value::as_str) != Some(&ours));
            self.reading.other_configs = all;
        }
        Ok(())
    }
}
