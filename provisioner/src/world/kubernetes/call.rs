//! One call to a cluster that did not go well: which, where, why, and what to do about it.
//!
//! The client's own errors must not be printed as they are: one of them carries the whole output of a
//! credential plugin, which is where the token stands.

use std::error::Error as StdError;
use std::fmt;

use kube::client::AuthError;

use crate::observed::access::{AccessProblem, word};
use crate::observed::cluster::{Denied, Resource, Unreached};
use crate::topology::SiteName;

/// How the API server begins where an applied object has a field that the kind's schema does not know.
const NOT_OF_THE_SCHEMA: &str = "failed to create typed patch object";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterCall {
    /// The site of the cluster.
    pub site: SiteName,
    pub context: String,
    /// The verb as roles spell it.
    pub verb: &'static str,
    /// On what, as roles name it.
    pub resource: String,
    /// Where; none for all namespaces or for what has none.
    pub namespace: Option<String>,
}

impl fmt::Display for ClusterCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{} {}`", self.site, self.verb, self.resource)?;
        if let Some(namespace) = &self.namespace {
            write!(f, " in namespace {namespace}")?;
        }
        write!(f, " by context `{}`", self.context)
    }
}

/// A call that did not go well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// Nobody answered, or only to say that it cannot be done now.
    #[error("{call} got no usable answer: {reason}")]
    Unreached { call: Box<ClusterCall>, reason: String },
    /// The cluster does not know who asks.
    #[error("{call} was refused: the cluster does not accept these credentials")]
    NotSignedIn { call: Box<ClusterCall> },
    /// The cluster knows who asks, and says no.
    #[error("{call} was refused: {message}")]
    Forbidden { call: Box<ClusterCall>, message: String },
    /// The cluster would not take it.
    #[error("{call} was refused: {message}")]
    Refused {
        call: Box<ClusterCall>,
        code: u16,
        message: String,
    },
}

impl ClusterCall {
    pub fn new(
        site: &SiteName,
        context: &str,
        verb: &'static str,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> Self {
        Self {
            site: site.clone(),
            context: context.to_owned(),
            verb,
            resource: resource.qualified(),
            namespace: namespace.map(str::to_owned),
        }
    }

    /// Nothing came back in time.
    pub fn timed_out(self, seconds: u64) -> ClusterError {
        self.unreached(format!("no answer within {seconds} seconds"))
    }

    /// It could not be done now.
    pub fn unreached(self, reason: String) -> ClusterError {
        ClusterError::Unreached {
            call: Box::new(self),
            reason,
        }
    }

    /// What the client's error means.
    pub fn failed(self, error: kube::Error) -> ClusterError {
        match error {
            kube::Error::Api(status) => match status.code {
                401 => ClusterError::NotSignedIn { call: Box::new(self) },
                403 => ClusterError::Forbidden {
                    call: Box::new(self),
                    message: status.message,
                },
                // An applied object that does not fit into the kind's schema is a 500, too, and stays one.
                500 if status.message.starts_with(NOT_OF_THE_SCHEMA) => ClusterError::Refused {
                    call: Box::new(self),
                    code: status.code,
                    message: status.message,
                },
                // 500 is what a broken admission webhook or store looks like: another day it works.
                code if code == 429 || code >= 500 => {
                    self.unreached(format!("it answered {code}: {}", status.message))
                }
                code => ClusterError::Refused {
                    call: Box::new(self),
                    code,
                    message: status.message,
                },
            },
            kube::Error::Auth(error) => self.unreached(plugin_words(&error)),
            kube::Error::SerdeError(_) => self.unreached("its answer cannot be read".to_owned()),
            other => self.unreached(innermost(&other)),
        }
    }
}

/// What a credential plugin said, without what it printed: that may be the token.
fn plugin_words(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecRun { cmd, out } => {
            let program = cmd.split_whitespace().next().unwrap_or_default();
            let program = program.trim_matches('"');
            let complaint = String::from_utf8_lossy(&out.stderr);
            let last = complaint.lines().rev().find(|line| !line.trim().is_empty());
            match last {
                Some(line) => format!("the credential plugin {program} failed: {}", line.trim()),
                None => format!("the credential plugin {program} failed ({})", out.status),
            }
        }
        AuthError::AuthExecStart(error) => format!("the credential plugin cannot be started: {error}"),
        AuthError::AuthExecParse(_) => "the credential plugin's answer cannot be read".to_owned(),
        AuthError::InvalidBasicAuth(_) | AuthError::InvalidBearerToken(_) => {
            "the kubeconfig's credentials hold characters that no header can carry".to_owned()
        }
        AuthError::ReadTokenFile(error, path) => {
            format!("the token file {} cannot be read: {error}", path.display())
        }
        AuthError::ExecPluginFailed => "the credential plugin's answer has no status".to_owned(),
        AuthError::MissingCommand => "the kubeconfig's credential plugin has no command".to_owned(),
        _ => "the kubeconfig's credentials cannot be used".to_owned(),
    }
}

/// The last cause of a chain is the one that tells most: `Connection refused (os error 111)`.
fn innermost(error: &dyn StdError) -> String {
    let mut last: &dyn StdError = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

impl ClusterError {
    pub fn call(&self) -> &ClusterCall {
        match self {
            Self::Unreached { call, .. }
            | Self::NotSignedIn { call }
            | Self::Forbidden { call, .. }
            | Self::Refused { call, .. } => call,
        }
    }

    /// Whether it may work another time without anyone doing anything here.
    pub fn is_unreached(&self) -> bool {
        matches!(self, Self::Unreached { .. })
    }

    /// The same with its sentence put into other words.
    #[must_use]
    pub fn said(mut self, words: impl Fn(&str) -> String) -> Self {
        match &mut self {
            Self::Unreached { reason: text, .. }
            | Self::Forbidden { message: text, .. }
            | Self::Refused { message: text, .. } => *text = words(text),
            Self::NotSignedIn { .. } => {}
        }
        self
    }

    /// The cluster as out of reach.
    pub fn unreached(&self) -> Unreached {
        let call = self.call();
        Unreached {
            site: call.site.clone(),
            context: call.context.clone(),
            what: self.to_string(),
        }
    }

    /// The right that is lacking, if that is it.
    pub fn denied(&self) -> Option<Denied> {
        match self {
            Self::Forbidden { call, message } => Some(Denied {
                verb: call.verb,
                resource: call.resource.clone(),
                namespace: call.namespace.clone(),
                message: message.clone(),
            }),
            _ => None,
        }
    }

    /// As a problem that someone has to solve.
    pub fn problem(&self) -> AccessProblem {
        let call = self.call().clone();
        match self {
            Self::NotSignedIn { .. } => AccessProblem::NotSignedIn {
                site: call.site,
                context: call.context,
            },
            Self::Forbidden { message, .. } => AccessProblem::Forbidden {
                site: call.site,
                context: call.context,
                denied: Denied {
                    verb: call.verb,
                    resource: call.resource,
                    namespace: call.namespace,
                    message: message.clone(),
                },
            },
            Self::Unreached { .. } | Self::Refused { .. } => AccessProblem::Failed {
                site: call.site,
                what: self.to_string(),
            },
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreached { call, .. } => Some(format!(
                "try `kubectl --context {} get namespaces`; once the cluster answers, run the same command again",
                word(&call.context)
            )),
            Self::NotSignedIn { .. } | Self::Forbidden { .. } => Some(self.problem().hint()),
            Self::Refused { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use kube::core::Status;

    use super::*;
    use crate::observed::cluster::SECRETS;

    fn call() -> ClusterCall {
        let site = SiteName::new("site-a").unwrap();
        ClusterCall::new(&site, "rosa-a", "patch", &SECRETS, Some("keycloak"))
    }

    fn status(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(Status::failure(message, "").with_code(code).boxed())
    }

    #[test]
    fn an_answer_s_code_tells_who_has_to_do_something() {
        for (code, is_unreached, is_denied) in [
            (401, false, false),
            (403, false, true),
            (404, false, false),
            (422, false, false),
            (429, true, false),
            (500, true, false),
            (503, true, false),
        ] {
            let error = call().failed(status(code, "because"));
            assert_eq!(error.is_unreached(), is_unreached, "{code}");
            assert_eq!(error.denied().is_some(), is_denied, "{code}");
        }
        let schema = "failed to create typed patch object (keycloak/x; v1, Kind=PodMonitor): .spec.y: field not declared";
        let error = call().failed(status(500, schema));
        assert!(!error.is_unreached(), "{error}");
        let error = call().failed(status(403, "User \"ada\" cannot patch resource \"secrets\""));
        assert_eq!(
            error.to_string(),
            "site-a: `patch secrets` in namespace keycloak by context `rosa-a` was refused: User \"ada\" cannot \
             patch resource \"secrets\""
        );
        assert!(error.hint().unwrap().contains("patch"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn what_a_credential_plugin_printed_is_not_shown() {
        use std::os::unix::process::ExitStatusExt as _;
        let out = std::process::Output {
            status: std::process::ExitStatus::from_raw(256),
            stdout: b"{\"token\":\"s3cret-token\"}".to_vec(),
            stderr: b"first\nsession expired, sign in again\n".to_vec(),
        };
        let error = call().failed(kube::Error::Auth(AuthError::AuthExecRun {
            cmd: "\"aws\" \"eks\" \"get-token\"".to_owned(),
            out: Box::new(out),
        }));
        let told = format!("{error} {error:?}");
        assert!(
            told.contains("the credential plugin aws failed: session expired, sign in again"),
            "{told}"
        );
        assert!(!told.contains("s3cret"), "{told}");
    }
}
