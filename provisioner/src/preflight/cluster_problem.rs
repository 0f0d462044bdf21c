//! What stands in the way in one of the clusters.

use fencing::contract::alert::SITE_OFFLINE;

use crate::observed::access::{AccessProblem, word};
use crate::observed::cluster::{Conflict, MONITORING, OPENSHIFT, ObjectRef};
use crate::render::user_workload::names;
use crate::topology::{Platform, SiteName};

/// A reason not to go on with a cluster. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterProblem {
    #[error(transparent)]
    Access(#[from] AccessProblem),
    #[error("site `{site}` has `platform: {said}`, but its cluster is not that: {found}")]
    WrongPlatform {
        site: SiteName,
        said: Platform,
        found: String,
    },
    #[error("the cluster of site `{site}` has no {}", kinds.join(", no "))]
    MissingKinds {
        site: SiteName,
        kinds: Vec<&'static str>,
    },
    #[error(
        "the cluster of site `{site}` serves {kind} in {}, and `platform: {platform}` needs {wanted}",
        if served.is_empty() { "no version".to_owned() } else { served.join(", ") }
    )]
    MissingVersion {
        site: SiteName,
        kind: &'static str,
        platform: Platform,
        wanted: String,
        served: Vec<String>,
    },
    #[error("the cluster of site `{site}` has no namespace `{namespace}`")]
    NoNamespace { site: SiteName, namespace: String },
    #[error("the namespace `{namespace}` of site `{site}` is being deleted: nothing can be made in it")]
    Terminating {
        site: SiteName,
        context: String,
        namespace: String,
    },
    #[error(
        "switching on the Alertmanager for user workloads at site `{site}` moves the alerts of all user projects there, \
         away from the platform's: {}, and its default receiver sends nowhere",
        others(*rules, *configs)
    )]
    MovesAlerts {
        site: SiteName,
        rules: Option<usize>,
        configs: Option<usize>,
    },
    #[error(
        "{}/{} of site `{site}` is managed by {keeper}, which removes what `apply` adds to it",
        names::NAMESPACE,
        names::CONFIG
    )]
    KeptElsewhere {
        site: SiteName,
        keeper: String,
        missing: Vec<&'static str>,
    },
    #[error(
        "namespace {namespace} of site `{site}` has no Secret `{name}`, which the PodMonitor signs in with"
    )]
    NoOperatorSecret {
        site: SiteName,
        namespace: String,
        name: String,
    },
    #[error("the cluster of site `{site}` has no Infinispan `{name}` in namespace {namespace}")]
    NoInfinispan {
        site: SiteName,
        name: String,
        namespace: String,
        seen: Vec<String>,
    },
    #[error(
        "the Infinispan `{name}` in namespace {namespace} of site `{site}` {}",
        found.as_ref().map_or_else(
            || "does not say which site it is".to_owned(),
            |found| format!("says that it is site `{found}`")
        )
    )]
    AnotherSite {
        site: SiteName,
        name: String,
        namespace: String,
        found: Option<String>,
    },
    #[error("monitoring for user-defined projects is off in the cluster of site `{site}`")]
    UserWorkloadOff { site: SiteName },
    #[error(
        "{}/{} in the cluster of site `{site}` cannot be added to: {what}",
        names::NAMESPACE,
        names::CONFIG
    )]
    UserWorkloadConfig { site: SiteName, what: String },
    #[error(
        "the AlertmanagerConfig `{name}` in namespace {namespace} of site `{site}` sends {SITE_OFFLINE} elsewhere too"
    )]
    GuideConfig {
        site: SiteName,
        context: String,
        namespace: String,
        name: String,
    },
    #[error("{} in namespace {} of site `{}` exists and is not ours", object.title(), object.namespace, object.site)]
    ForeignObject { object: ObjectRef },
    #[error(
        "{} of site `{}` was changed by others: {}", object.title(), object.site, told(conflicts)
    )]
    Conflict {
        object: ObjectRef,
        conflicts: Vec<Conflict>,
    },
    #[error("the cluster of site `{}` would refuse {}: {message}", object.site, object.title())]
    Refused { object: ObjectRef, message: String },
    #[error("the function is not deployed yet, and without it there is nothing to put into the clusters")]
    NoFunction,
}

/// What the API server says of a field that a schema does not have.
pub const UNDECLARED: &str = ": field not declared in schema";
/// The version that the rendered objects were tried with.
const KNOWN_OPERATOR: &str = "0.85";

fn told(conflicts: &[Conflict]) -> String {
    conflicts
        .iter()
        .map(|conflict| format!("`{}` holds {}", conflict.manager, conflict.field))
        .collect::<Vec<_>>()
        .join(", ")
}

impl ClusterProblem {
    /// Whether going on would be dangerous, rather than impossible.
    pub fn is_unsafe(&self) -> bool {
        matches!(self, Self::GuideConfig { .. } | Self::MovesAlerts { .. })
    }

    /// The site whose cluster it is about.
    pub fn site(&self) -> Option<&SiteName> {
        match self {
            Self::Access(problem) => Some(problem.site()),
            Self::WrongPlatform { site, .. }
            | Self::MissingKinds { site, .. }
            | Self::MissingVersion { site, .. }
            | Self::NoNamespace { site, .. }
            | Self::Terminating { site, .. }
            | Self::MovesAlerts { site, .. }
            | Self::KeptElsewhere { site, .. }
            | Self::NoOperatorSecret { site, .. }
            | Self::NoInfinispan { site, .. }
            | Self::AnotherSite { site, .. }
            | Self::UserWorkloadOff { site }
            | Self::UserWorkloadConfig { site, .. }
            | Self::GuideConfig { site, .. } => Some(site),
            Self::ForeignObject { object } | Self::Conflict { object, .. } | Self::Refused { object, .. } => {
                Some(&object.site)
            }
            Self::NoFunction => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Access(problem) => problem.hint(),
            Self::WrongPlatform { said, .. } => format!(
                "correct sites[].platform to `{}`, or sites[].context",
                match said {
                    Platform::Openshift => Platform::Kubernetes,
                    Platform::Kubernetes => Platform::Openshift,
                }
            ),
            Self::MissingKinds { kinds, .. } => missing_kinds(kinds),
            Self::MissingVersion { .. } => {
                "v1beta1 is OpenShift's, v1alpha1 a plain prometheus-operator's; let the operator serve it, or correct \
                 sites[].platform"
                    .into()
            }
            Self::NoNamespace { .. } => "correct sites[].namespace: it is the namespace of the site's Infinispan".into(),
            Self::NoInfinispan { seen, .. } if seen.is_empty() => {
                "there is no Infinispan in that namespace: correct sites[].namespace or sites[].context".into()
            }
            Self::NoInfinispan { seen, .. } => format!(
                "there is {}: correct sites[].infinispan.cluster",
                seen.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
            ),
            Self::AnotherSite { found: None, .. } => {
                "set spec.service.sites.local.name of the Infinispan custom resource, and its backup locations".into()
            }
            Self::AnotherSite { .. } => {
                "sites[].name must be the Infinispan's spec.service.sites.local.name; or is sites[].context the other \
                 cluster's?"
                    .into()
            }
            Self::UserWorkloadOff { .. } => format!(
                "switch it on: in the ConfigMap {}/{}, {} needs the line `enableUserWorkload: true`",
                names::CLUSTER_NAMESPACE,
                names::CLUSTER_CONFIG,
                names::KEY
            ),
            Self::UserWorkloadConfig { .. } => format!(
                "by hand, let its {} have `alertmanager:` with `enabled: true` and `enableAlertmanagerConfig: true`",
                names::KEY
            ),
            Self::GuideConfig {
                context,
                namespace,
                name,
                ..
            } => format!(
                "two fencers could each take out a different site: kubectl --context {} -n {namespace} delete \
                 alertmanagerconfig {name}",
                word(context)
            ),
            Self::ForeignObject { .. } => "give the topology another name, or remove it".into(),
            Self::Conflict { .. } => {
                "put what they want into the topology, or take the fields back with --force-conflicts".into()
            }
            Self::Refused { object, message } if message.contains(UNDECLARED) => {
                let field = message.split(UNDECLARED).next().and_then(|said| said.rsplit(": ").next());
                format!(
                    "the custom resource definition of {} does not know `{}`, because it is older than Sitefence \
                     needs: upgrade prometheus-operator and its definitions to {KNOWN_OPERATOR} or newer",
                    object.kind.word(),
                    field.unwrap_or_default()
                )
            }
            Self::Refused { .. } => "an admission policy may be the cause".into(),
            Self::Terminating { namespace, context, .. } => format!(
                "see what it waits for: kubectl --context {} get namespace {namespace} -o \
                 jsonpath='{{.status.conditions}}'",
                word(context)
            ),
            Self::MovesAlerts { .. } => format!(
                "agree with those projects where their alerts should go, then add --move-user-alerts; or let the \
                 platform's Alertmanager take AlertmanagerConfigs (`alertmanagerMain.enableUserAlertmanagerConfig: \
                 true` in {}/{}), which changes nothing for them",
                names::CLUSTER_NAMESPACE,
                names::CLUSTER_CONFIG
            ),
            Self::KeptElsewhere { missing, .. } => format!(
                "add {} to its {} where {} is kept; until then --skip-user-workload does everything else",
                lines(missing),
                names::KEY,
                names::CONFIG
            ),
            Self::NoOperatorSecret { .. } => {
                "the Infinispan operator makes it; without it Prometheus reads no metrics and no alert fires. Does \
                 the operator run? If the metrics are read another way, set monitoring.podMonitor: false"
                    .into()
            }
            Self::NoFunction => "apply without --only first".into(),
        }
    }
}

/// The settings of the users' Alertmanager as they stand in YAML.
pub(super) fn lines(missing: &[&'static str]) -> String {
    let lines: Vec<String> = missing.iter().map(|name| format!("`{name}: true`")).collect();
    format!("{} below `alertmanager:`", lines.join(" and "))
}

fn others(rules: Option<usize>, configs: Option<usize>) -> String {
    let counted = |count: Option<usize>, what: &str| match count {
        None => format!("{what}s, which may not be counted,"),
        Some(0) => format!("no {what}"),
        Some(1) => format!("1 {what}"),
        Some(count) => format!("{count} {what}s"),
    };
    let rules = counted(rules, "PrometheusRule");
    format!(
        "{rules} and {} of others are affected",
        counted(configs, "AlertmanagerConfig")
    )
}

fn missing_kinds(kinds: &[&'static str]) -> String {
    let mut hints = Vec::new();
    if kinds.contains(&"Infinispan") {
        hints.push("the Infinispan operator provides Infinispan".to_owned());
    }
    if kinds.iter().any(|kind| *kind != "Infinispan") {
        hints.push(format!(
            "prometheus-operator provides the kinds of {MONITORING} (Helm: `helm install prometheus \
             prometheus-community/kube-prometheus-stack`); on OpenShift they are always there, and {OPENSHIFT} too"
        ));
    }
    hints.join("; ")
}
