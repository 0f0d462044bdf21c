//! Why a cluster cannot be asked, or not all that is asked of it.
//!
//! The edges tell it as they meet it, and the preflight tells it with all the others.

use std::borrow::Cow;

use crate::topology::SiteName;

/// A right that is lacking.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Denied {
    /// `get`, `list`, `patch`, …
    pub verb: &'static str,
    /// On what, as roles name it.
    pub resource: String,
    /// Where; none for all namespaces.
    pub namespace: Option<String>,
    /// What the API server says.
    pub message: String,
}

/// What someone has to put right before a cluster answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessProblem {
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
}

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

impl AccessProblem {
    /// The site whose cluster it is about.
    pub fn site(&self) -> &SiteName {
        match self {
            Self::NoKubeconfig { site, .. }
            | Self::UnknownContext { site, .. }
            | Self::BrokenContext { site, .. }
            | Self::NotSignedIn { site, .. }
            | Self::Forbidden { site, .. }
            | Self::Failed { site, .. } => site,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoKubeconfig { .. } => {
                "point KUBECONFIG to one that knows both clusters, or leave the clusters out with --only aws"
                    .into()
            }
            Self::UnknownContext { known, .. } if known.is_empty() => {
                "the kubeconfig has no context at all; is KUBECONFIG the right one?".into()
            }
            Self::UnknownContext { known, .. } => format!(
                "it has: {}; correct sites[].context or KUBECONFIG, or leave this cluster out with --only",
                known.join(", ")
            ),
            Self::BrokenContext { context, .. } => {
                format!(
                    "see whether `kubectl --context {} get namespaces` gets further",
                    word(context)
                )
            }
            Self::NotSignedIn { context, .. } => format!(
                "sign in again (OpenShift: `oc login`), then look with `kubectl --context {} auth whoami`",
                word(context)
            ),
            Self::Forbidden { context, denied, .. } => {
                format!(
                    "examples/rbac/provision.yaml has all rights that are needed; `kubectl --context {} auth can-i \
                     {}` shows when it is granted",
                    word(context),
                    right(denied)
                )
            }
            Self::Failed { .. } => "once that is remedied, run the same command again".into(),
        }
    }
}

/// A name as one word of a command that people paste: contexts may be called anything.
pub fn word(name: &str) -> Cow<'_, str> {
    // Only a zero byte cannot be quoted, and no name that came this far has one.
    shlex::try_quote(name).unwrap_or(Cow::Borrowed(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_s_command_can_be_pasted_whatever_the_context_is_called() {
        let hint = |context: &str| {
            let problem = AccessProblem::BrokenContext {
                site: crate::sample::topology().sites[0].name.clone(),
                context: context.to_owned(),
                what: String::new(),
            };
            problem.hint()
        };
        assert!(hint("rosa-a").contains("--context rosa-a get"));
        assert!(hint("my cluster; rm").contains("--context 'my cluster; rm' get"));
    }
}
