//! The kubeconfig: where `KUBECONFIG` says, else in the home directory, and one client per site by its context.
//!
//! A context that is not there is a mistake in the topology or on this machine, and is reported with those that
//! are. Credential plugins run while a client is made; they may take as long as a person needs to sign in.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use http_body_util::Limited;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tower::util::{MapRequestLayer, MapResponseLayer};

use super::call::ClusterCall;
use super::{CALL_SECONDS, Cluster, ClusterError};
use crate::files;
use crate::observed::access::AccessProblem;
use crate::observed::cluster::Unreached;
use crate::topology::{Site, SiteName};
use crate::world::bounded::MOST_BYTES;
use crate::world::calls::Traced;

/// Long enough for a person to sign in by a browser that the plugin opened.
const SIGN_IN_SECONDS: u64 = 120;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no client for a site.
#[derive(Debug, Clone, PartialEq)]
pub enum ConnectError {
    /// It may work another time.
    Unreached(Unreached),
    /// Someone must do something first.
    Problem(AccessProblem),
}

/// The kubeconfig, or why there is none.
#[derive(Debug, Clone)]
pub struct Contexts(Result<Kubeconfig, String>);

impl Contexts {
    pub fn read() -> Self {
        for path in paths() {
            if let Err(error) = files::check(&path, files::KUBECONFIG_BYTES)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Self(Err(format!("{} cannot be read: {error}", path.display())));
            }
        }
        Self(Kubeconfig::read().map_err(|error| words(&error)))
    }

    pub fn names(&self) -> Vec<String> {
        let contexts = self.0.as_ref().map(|kubeconfig| kubeconfig.contexts.iter());
        contexts
            .into_iter()
            .flatten()
            .map(|context| context.name.clone())
            .collect()
    }

    /// A client for `site`.
    pub async fn connect(&self, site: &Site) -> Result<Cluster, ConnectError> {
        self.reach(&site.name, site.context.as_str()).await
    }

    /// A client for the cluster of a context, which belongs to the site of this name.
    pub async fn reach(&self, site: &SiteName, context: &str) -> Result<Cluster, ConnectError> {
        let context = context.to_owned();
        let kubeconfig = self.0.as_ref().map_err(|what| {
            ConnectError::Problem(AccessProblem::NoKubeconfig {
                site: site.clone(),
                context: context.clone(),
                what: what.clone(),
            })
        })?;
        if !kubeconfig.contexts.iter().any(|known| known.name == context) {
            return Err(ConnectError::Problem(AccessProblem::UnknownContext {
                site: site.clone(),
                context,
                known: kubeconfig.contexts.iter().map(|it| it.name.clone()).collect(),
            }));
        }
        let options = KubeConfigOptions {
            context: Some(context.clone()),
            ..KubeConfigOptions::default()
        };
        let config = Config::from_custom_kubeconfig(kubeconfig.clone(), &options).await;
        let mut config = config.map_err(|error| {
            ConnectError::Problem(AccessProblem::BrokenContext {
                site: site.clone(),
                context: context.clone(),
                what: words(&error),
            })
        })?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(Duration::from_secs(CALL_SECONDS));
        config.write_timeout = Some(Duration::from_secs(CALL_SECONDS));
        // Its own repetitions go on for many minutes; ours end with the call's deadline.
        config.default_retry = false;
        let token = TokenFile::of(&mut config);
        client(site, &context, config, token)
            .await
            .map(|client| Cluster::new(client, site, &context))
            .map_err(|error| ConnectError::Unreached(error.unreached()))
    }
}

/// The files that are read.
fn paths() -> Vec<PathBuf> {
    let named = std::env::var_os("KUBECONFIG").unwrap_or_default();
    if named.is_empty() {
        std::env::home_dir()
            .map(|home| home.join(".kube").join("config"))
            .into_iter()
            .collect()
    } else {
        std::env::split_paths(&named).collect()
    }
}

/// A token that stands in a file, as a projected one does, and is renewed there. The client's own reading takes the
/// file to its last byte, and a line's end is no part of a header; kubectl cuts it off.
#[derive(Debug, Clone)]
struct TokenFile(PathBuf);

impl TokenFile {
    /// Takes it out of a configuration. One that cannot be read stays there, and the client reports it.
    fn of(config: &mut Config) -> Option<Self> {
        let user = &mut config.auth_info;
        let path = user.token_file.as_ref().filter(|_| user.token.is_none())?;
        let file = Self(PathBuf::from(path));
        file.header()?;
        user.token_file = None;
        Some(file)
    }

    /// As it is now: renewed in place, it is read for each call.
    fn header(&self) -> Option<HeaderValue> {
        let token = files::read(&self.0, files::KUBECONFIG_BYTES).ok()?;
        let token = String::from_utf8(token).ok()?;
        let mut header = HeaderValue::from_str(&format!("Bearer {}", token.trim())).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

/// Makes the client. Credential plugins are waited for where waiting hinders nobody.
async fn client(
    site: &SiteName,
    context: &str,
    config: Config,
    token: Option<TokenFile>,
) -> Result<Client, ClusterError> {
    let call = || ClusterCall {
        site: site.clone(),
        context: context.to_owned(),
        verb: "sign in",
        resource: "to the cluster".to_owned(),
        namespace: None,
    };
    let cluster = site.to_string();
    let made = tokio::task::spawn_blocking(move || -> kube::Result<Client> {
        let bounded = MapResponseLayer::new(|response: http::Response<_>| {
            response.map(|body| Limited::new(body, MOST_BYTES))
        });
        let signed = MapRequestLayer::new(move |mut request: http::Request<_>| {
            let header = token.as_ref().and_then(TokenFile::header);
            if let Some(header) = header {
                request.headers_mut().insert(AUTHORIZATION, header);
            }
            request
        });
        let asked = tower::layer::layer_fn(|inner| Traced {
            inner,
            cluster: cluster.clone(),
        });
        let builder = ClientBuilder::try_from(config)?;
        Ok(builder
            .with_layer(&bounded)
            .with_layer(&signed)
            .with_layer(&asked)
            .build())
    });
    match tokio::time::timeout(Duration::from_secs(SIGN_IN_SECONDS), made).await {
        Ok(Ok(client)) => client.map_err(|error| call().failed(error)),
        Ok(Err(_)) => Err(call().unreached("the client could not be made".to_owned())),
        Err(_) => Err(call().timed_out(SIGN_IN_SECONDS)),
    }
}

/// What is wrong with a kubeconfig, without the lines of it that a parser would show: tokens stand there.
fn words(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(_) => "the kubeconfig is not the YAML it should be".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
clusters: [{ name: a, cluster: { server: 'http://127.0.0.1:1' } }]
users: [{ name: a, user: { token: s3cret } }]
contexts:
  - { name: rosa-a, context: { cluster: a, user: a } }
  - { name: torn, context: { cluster: nowhere, user: a } }
";

    fn site(context: &str) -> Site {
        let mut site = crate::sample::topology().sites[0].clone();
        site.context = context.to_owned().try_into().unwrap();
        site
    }

    fn contexts(text: &str) -> Contexts {
        Contexts(Kubeconfig::from_yaml(text).map_err(|error| words(&error)))
    }

    #[tokio::test]
    async fn an_unknown_context_is_reported_with_those_that_are_known() {
        match contexts(KUBECONFIG).connect(&site("rosa-b")).await {
            Err(ConnectError::Problem(AccessProblem::UnknownContext { known, .. })) => {
                assert_eq!(known, ["rosa-a", "torn"]);
            }
            other => panic!("{other:?}"),
        }
        assert!(contexts(KUBECONFIG).connect(&site("rosa-a")).await.is_ok());
        match contexts(KUBECONFIG).connect(&site("torn")).await {
            Err(ConnectError::Problem(AccessProblem::BrokenContext { what, .. })) => {
                assert!(what.contains("nowhere"), "{what}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_file_s_last_line_may_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"token-1\n").unwrap();
        let mut config = Config::new("http://127.0.0.1:1".parse().unwrap());
        config.auth_info.token_file = Some(file.path().display().to_string());
        let token = TokenFile::of(&mut config).unwrap();
        assert_eq!(token.header().unwrap(), "Bearer token-1");
        assert_eq!(config.auth_info.token_file, None);
        std::fs::write(file.path(), "token-2").unwrap();
        assert_eq!(token.header().unwrap(), "Bearer token-2");
        config.auth_info.token_file = Some("/nowhere/token".to_owned());
        assert!(TokenFile::of(&mut config).is_none(), "the client says why");
        assert!(config.auth_info.token_file.is_some());
    }

    #[tokio::test]
    async fn a_kubeconfig_that_cannot_be_read_is_not_quoted() {
        let broken = contexts("users: [{ name: a, user: { token: s3cret } }\n : -");
        match broken.connect(&site("rosa-a")).await {
            Err(ConnectError::Problem(problem)) => {
                assert!(
                    !format!("{problem} {problem:?}").contains("s3cret"),
                    "{problem:?}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}
