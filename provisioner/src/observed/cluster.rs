//! What was seen of the sites' clusters, as plain data.
//!
//! One of the clusters may be the one that is down. So each is looked at on its own, and what came of the look
//! is a value: seen, or out of reach. An object is kept as the JSON that the API server gave; of our Secret
//! only what a plan needs to know, never a value.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::access::AccessProblem;
pub use super::access::Denied;
use super::infinispan::InfinispanReading;
use crate::render::ObjectKind;
use crate::topology::SiteName;
use crate::topology::time_to_fence::Readings;

/// A kind of object, as the API addresses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// The API group; empty for the core.
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    /// The name in paths and in roles.
    pub plural: &'static str,
}

impl Resource {
    /// `group/version`, or the version alone.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// As roles name it: `secrets`, `podmonitors.monitoring.coreos.com`.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}

macro_rules! resources {
    ($($(#[$doc:meta])* $name:ident = $group:literal $version:literal $kind:literal $plural:literal;)*) => {
        $($(#[$doc])* pub const $name: Resource = Resource {
            group: $group, version: $version, kind: $kind, plural: $plural,
        };)*
    };
}

/// Who we are in an object's `managedFields`.
pub const FIELD_MANAGER: &str = "provision";
/// The group of prometheus-operator's kinds.
pub const MONITORING: &str = "monitoring.coreos.com";
/// A group that OpenShift serves and nobody else does.
pub const OPENSHIFT: &str = "route.openshift.io";

resources! {
    SECRETS = "" "v1" "Secret" "secrets";
    CONFIG_MAPS = "" "v1" "ConfigMap" "configmaps";
    SERVICES = "" "v1" "Service" "services";
    INGRESSES = "networking.k8s.io" "v1" "Ingress" "ingresses";
    ROUTES = "route.openshift.io" "v1" "Route" "routes";
    STATEFUL_SETS = "apps" "v1" "StatefulSet" "statefulsets";
    DEPLOYMENTS = "apps" "v1" "Deployment" "deployments";
    PODS = "" "v1" "Pod" "pods";
    KEYCLOAKS = "k8s.keycloak.org" "v2alpha1" "Keycloak" "keycloaks";
    SCALED_OBJECTS = "keda.sh" "v1alpha1" "ScaledObject" "scaledobjects";
    INFINISPANS = "infinispan.org" "v1" "Infinispan" "infinispans";
    CACHES = "infinispan.org" "v2alpha1" "Cache" "caches";
    /// AlertmanagerConfigs as OpenShift serves them.
    ALERTMANAGER_CONFIGS_V1BETA1 = "monitoring.coreos.com" "v1beta1" "AlertmanagerConfig" "alertmanagerconfigs";
    /// AlertmanagerConfigs as a plain prometheus-operator serves them.
    ALERTMANAGER_CONFIGS_V1ALPHA1 = "monitoring.coreos.com" "v1alpha1" "AlertmanagerConfig" "alertmanagerconfigs";
    PROMETHEUS_RULES = "monitoring.coreos.com" "v1" "PrometheusRule" "prometheusrules";
    /// The Prometheus servers that prometheus-operator runs.
    PROMETHEUSES = "monitoring.coreos.com" "v1" "Prometheus" "prometheuses";
    POD_MONITORS = "monitoring.coreos.com" "v1" "PodMonitor" "podmonitors";
}

/// One of our objects in one of the clusters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    pub site: SiteName,
    #[serde(serialize_with = "kind_word")]
    pub kind: ObjectKind,
    pub namespace: String,
    pub name: String,
}

fn kind_word<S: serde::Serializer>(kind: &ObjectKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.word())
}

impl ObjectRef {
    /// As people write it: `PrometheusRule sitefence-prod`.
    pub fn title(&self) -> String {
        format!("{} {}", self.kind.word(), self.name)
    }
}

/// What came of looking at a cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum ClusterLook<T> {
    Seen(Box<T>),
    /// It did not, and may do so another time. The other cluster is worked on meanwhile.
    Unreached(Unreached),
    /// It cannot be worked with until a person did something.
    Unusable(Vec<AccessProblem>),
}

impl<T> ClusterLook<T> {
    /// What was seen, if anything was.
    pub fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(reading) => Some(reading),
            Self::Unreached(_) | Self::Unusable(_) => None,
        }
    }
}

/// A cluster that did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unreached {
    pub site: SiteName,
    /// The kubeconfig context it was asked by.
    pub context: String,
    /// What was tried and what came of it.
    pub what: String,
}

/// Looks at the clusters that are in scope.
pub type Looks<T> = BTreeMap<SiteName, ClusterLook<T>>;

/// Our objects as they stand: all that `destroy` needs to know.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClusterStanding {
    /// Our Secret, AlertmanagerConfig, PrometheusRule and PodMonitor, as far as they are there. The Secret is
    /// without its values.
    pub objects: BTreeMap<ObjectKind, Value>,
    /// OpenShift's ConfigMap for user-defined projects.
    pub user_workload: Option<Value>,
    /// What may not be looked at.
    pub denied: BTreeSet<Denied>,
    /// Kinds of ours that the cluster does not know, so that it has nothing of them.
    pub unknown_kinds: BTreeSet<&'static str>,
}

/// Another manager of a field whose value differs from ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// Who, as the object's `managedFields` name it.
    pub manager: String,
    pub field: String,
}

/// What the API server says about applying an object, without doing it.
#[derive(Debug, Clone, PartialEq)]
pub enum DryRun {
    /// It would become this.
    Accepted {
        /// The object afterwards, taken by force where there are conflicts.
        after: Value,
        /// Fields that others hold.
        conflicts: Vec<Conflict>,
    },
    /// It would not be taken.
    Refused { message: String },
}

/// How the values in our Secret compare with those it should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Same,
    Differs,
    /// There is none.
    Absent,
}

/// How far a StatefulSet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollout {
    /// All its pods are new and ready.
    Done,
    /// Not yet.
    Going,
    Absent,
}

/// Everything that `plan` and `apply` know of a cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClusterReading {
    pub standing: ClusterStanding,
    /// The API groups that it serves, with their versions.
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// Of the kinds that we need: the versions they are served in.
    pub kinds: BTreeMap<&'static str, BTreeSet<String>>,
    /// The Infinispan that the topology names.
    pub infinispan: Option<InfinispanReading>,
    /// Whether the first of the topology's caches keeps statistics, as far as a Cache resource says.
    pub keeps_statistics: Option<bool>,
    /// Whether the Secret is there that the PodMonitor signs in with, where that may be asked and matters.
    pub has_operator_secret: Option<bool>,
    /// The Infinispans of the namespace.
    pub infinispans: Vec<String>,
    /// Where Infinispan answers from outside, as `host[:port]`, if that was asked for and is to be seen.
    pub infinispan_endpoint: Option<String>,
    /// For each of our documents what applying it would change.
    pub dry_runs: BTreeMap<ObjectKind, DryRun>,
    /// Its AlertmanagerConfig does not know how to take the proxy from the environment, and the topology does not insist.
    pub lacks_environment_proxy: bool,
    /// By key of our Secret: how its value compares; keys whose right value is not known yet are absent.
    pub secret: BTreeMap<String, Comparison>,
    /// AlertmanagerConfigs in our namespace that are not ours.
    pub other_configs: Vec<Value>,
    /// OpenShift's settings for the cluster's own monitoring.
    pub cluster_monitoring: Option<Value>,
    /// The users' Alertmanager on OpenShift.
    pub rollout: Option<Rollout>,
    /// How many of it there are to be.
    pub alertmanagers: Option<u32>,
    /// Whether the namespace exists, as far as that is known.
    pub lacks_namespace: bool,
    /// The namespace is being deleted.
    pub is_terminating: bool,
    /// Why OpenShift's ConfigMap would not take our lines.
    pub config_map_refused: Option<String>,
    /// PrometheusRules of other projects on OpenShift, if they may be counted.
    pub others_rules: Option<usize>,
    /// AlertmanagerConfigs of other projects on OpenShift, if they may be counted.
    pub others_configs: Option<usize>,
}

/// What the time to fence depends on, as far as it was seen.
pub fn what_fencing_waits_for(looks: &Looks<ClusterReading>) -> Readings {
    let mut readings = Readings::default();
    for (site, look) in looks {
        let Some(reading) = look.seen() else { continue };
        if let Some(infinispan) = &reading.infinispan {
            let detection = infinispan.failure_detection;
            readings.detections.insert(site.clone(), detection);
            readings
                .relay_nodes
                .insert(site.clone(), infinispan.relay_nodes_that_run());
            readings.heartbeats.insert(site.clone(), infinispan.heartbeats);
        }
        if let Some(keeps) = reading.keeps_statistics {
            readings.statistics.insert(site.clone(), keeps);
        }
        if let Some(alertmanagers) = reading.alertmanagers {
            readings.alertmanagers.insert(site.clone(), alertmanagers);
        }
    }
    readings
}
