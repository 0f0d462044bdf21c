//! What stands in the way in one of the clusters.

use fencing::contract::alert::SITE_OFFLINE;

use crate::observed::cluster::{Conflict, Denied, MONITORING, OPENSHIFT, ObjectRef};
use crate::render::user_workload::names;
use crate::topology::{Platform, SiteName};

/// A reason not to go on with a cluster. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterProblem {
    #[error("site `{site}` names the kubeconfig context `{context}`, and there is no kubeconfig: {what}")]
    NoKubeconfig {
        site: SiteName,
        context: String,
        what: String,
    },
    #[error("site `{site}` names the kubeconfig context `{context}`, which is not in the kubeconfig")]
    UnknownContext {
        site: SiteName,
        context: String,
        known: Vec<String>,
    },
    #[error("the kubeconfig context `{context}` of site `{site}` cannot be used: {what}")]
    BrokenContext {
        site: SiteName,
        context: String,
        what: String,
    },
    #[error("the cluster of site `{site}` does not accept the credentials of context `{context}`")]
    NotSignedIn { site: SiteName, context: String },
    #[error(
        "context `{context}` may not `{}` `{}`{} in the cluster of site `{site}`: {}",
        lacking(denied), denied.resource, place(denied), denied.message
    )]
    Forbidden {
        site: SiteName,
        context: String,
        denied: Denied,
    },
    #[error("{what}")]
    Failed { site: SiteName, what: String },
    #[error("site `{site}` is said to be on `{said}`, but its cluster is not: {found}")]
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
        others(*rules)
    )]
    MovesAlerts { site: SiteName, rules: Option<usize> },
    #[error("the cluster of site `{site}` has no Infinispan `{name}` in namespace {namespace}")]
    NoInfinispan {
        site: SiteName,
        name: String,
        namespace: String,
        seen: Vec<String>,
    },
    #[error(
        "site `{site}` of the topology is {} to its Infinispan `{name}` in namespace {namespace}",
        found.as_ref().map_or_else(|| "no site".to_owned(), |found| format!("`{found}`"))
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
    #[error("the cluster of site `{}` would not take {}: {message}", object.site, object.title())]
    Refused { object: ObjectRef, message: String },
    #[error("the function does not stand yet, and without it nothing can be told to the clusters")]
    NoFunction,
}

/// What the API server says of a field that a schema does not have.
const UNDECLARED: &str = ": field not declared in schema";
/// The version that the rendered objects were tried with.
const KNOWN_OPERATOR: &str = "0.85";

fn place(denied: &Denied) -> String {
    match &denied.namespace {
        Some(namespace) => format!(" in namespace {namespace}"),
        None => String::new(),
    }
}

/// The verb that is lacking, which the server knows better: applying what is not there yet lacks `create`.
fn lacking(denied: &Denied) -> &str {
    let said = denied
        .message
        .split_once(" cannot ")
        .and_then(|(_, rest)| rest.split_whitespace().next());
    said.unwrap_or(denied.verb)
}

/// The right as `kubectl auth can-i` takes it. A right that is granted by name is only found with the name.
fn right(denied: &Denied) -> String {
    let (verb, resource) = (lacking(denied), &denied.resource);
    let named = denied
        .message
        .split_once(" is forbidden")
        .map_or("", |(what, _)| what);
    let name = named.split('"').nth(1).filter(|name| !name.is_empty());
    let name = name.map(|name| format!("/{name}")).unwrap_or_default();
    let namespace = denied
        .namespace
        .as_ref()
        .map(|it| format!(" -n {it}"))
        .unwrap_or_default();
    format!("{verb} {resource}{name}{namespace}")
}

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
            Self::NoKubeconfig { site, .. }
            | Self::UnknownContext { site, .. }
            | Self::BrokenContext { site, .. }
            | Self::NotSignedIn { site, .. }
            | Self::Forbidden { site, .. }
            | Self::Failed { site, .. }
            | Self::WrongPlatform { site, .. }
            | Self::MissingKinds { site, .. }
            | Self::MissingVersion { site, .. }
            | Self::NoNamespace { site, .. }
            | Self::Terminating { site, .. }
            | Self::MovesAlerts { site, .. }
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
            Self::NoKubeconfig { .. } => {
                "point KUBECONFIG to one that knows both clusters, or leave the clusters out with --only aws".into()
            }
            Self::UnknownContext { known, .. } if known.is_empty() => {
                "the kubeconfig has no context at all; is KUBECONFIG the right one?".into()
            }
            Self::UnknownContext { known, .. } => format!(
                "it has: {}; correct sites[].context or KUBECONFIG, or leave this cluster out with --only",
                known.join(", ")
            ),
            Self::BrokenContext { context, .. } => {
                format!("see whether `kubectl --context {context} get namespaces` gets further")
            }
            Self::NotSignedIn { context, .. } => format!(
                "sign in again (OpenShift: `oc login`), then look with `kubectl --context {context} auth whoami`"
            ),
            Self::Forbidden { context, denied, .. } => {
                format!(
                    "examples/rbac/provision.yaml has all rights that are needed; `kubectl --context {context} auth \
                     can-i {}` tells when it is granted",
                    right(denied)
                )
            }
            Self::Failed { .. } => "once that is remedied, run the same command again".into(),
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
            Self::NoNamespace { .. } => "correct sites[].namespace: it is the one of the site's Infinispan".into(),
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
                "two fencers can each take out another site: kubectl --context {context} -n {namespace} delete \
                 alertmanagerconfig {name}"
            ),
            Self::ForeignObject { .. } => "give the topology another name, or remove it".into(),
            Self::Conflict { .. } => {
                "put what they want into the topology, or take the fields back with --force-conflicts".into()
            }
            Self::Refused { object, message } if message.contains(UNDECLARED) => {
                let field = message.split(UNDECLARED).next().and_then(|said| said.rsplit(": ").next());
                format!(
                    "the custom resource definition of {} does not know `{}`, it is older than what Sitefence is made \
                     for: let prometheus-operator and its definitions be {KNOWN_OPERATOR} or newer",
                    object.kind.word(),
                    field.unwrap_or_default()
                )
            }
            Self::Refused { .. } => "an admission policy may be the cause".into(),
            Self::Terminating { namespace, context, .. } => format!(
                "see what it waits for: kubectl --context {context} get namespace {namespace} -o \
                 jsonpath='{{.status.conditions}}'"
            ),
            Self::MovesAlerts { .. } => format!(
                "settle with them where their alerts shall go, then agree with --move-user-alerts; or let the platform's \
                 Alertmanager take AlertmanagerConfigs (`alertmanagerMain.enableUserAlertmanagerConfig: true` in {}/{}), \
                 which changes nothing for them",
                names::CLUSTER_NAMESPACE,
                names::CLUSTER_CONFIG
            ),
            Self::NoFunction => "apply without --only first".into(),
        }
    }
}

fn others(rules: Option<usize>) -> String {
    match rules {
        Some(1) => "1 PrometheusRule of others is concerned".to_owned(),
        Some(rules) => format!("{rules} PrometheusRules of others are concerned"),
        None => "whether there are any may not be read".to_owned(),
    }
}

fn missing_kinds(kinds: &[&'static str]) -> String {
    let mut hints = Vec::new();
    if kinds.contains(&"Infinispan") {
        hints.push("the Infinispan operator brings Infinispan".to_owned());
    }
    if kinds.iter().any(|kind| *kind != "Infinispan") {
        hints.push(format!(
            "prometheus-operator brings the kinds of {MONITORING} (Helm: `helm install prometheus \
             prometheus-community/kube-prometheus-stack`); on OpenShift they are always there, and {OPENSHIFT} too"
        ));
    }
    hints.join("; ")
}
