//! Signing in, and one client per service and Region.
//!
//! Credentials come from where every AWS tool takes them: environment, profile (`AWS_PROFILE`), SSO, a
//! container's or machine's role. All clients share one HTTP client (ring, the system's roots, the proxy of
//! the environment) and one cache of credentials.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::shared::IntoShared;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::bounded::{self, Bounded};
use super::calls::CountedClient;
use crate::files;
use crate::topology::{self, names::ACCELERATOR_REGION};

/// Longer than the slowest call that answers (a change set's description), shorter than patience.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a call is tried, unless `AWS_MAX_ATTEMPTS` says so.
const ATTEMPTS: u32 = 4;
/// An upload of some megabytes over a slow line needs more.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);

/// What to do where credentials are configured and cannot be had.
pub(super) const SIGN_IN_AGAIN: &str = "with SSO, sign in again: `aws sso login`; `aws sts get-caller-identity` shows \
                                        whether the AWS CLI gets further";

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No source of credentials had any. Each says so at length, and none of it helps.
    #[error("{}", match profile {
        Some(profile) => format!("the AWS profile `{profile}` gives no credentials"),
        None => "there are no AWS credentials".to_owned(),
    })]
    NoCredentials {
        /// What `AWS_PROFILE` asks for.
        profile: Option<String>,
    },
    /// A source was configured, and did not work.
    #[error("the AWS credentials cannot be loaded")]
    Broken {
        #[source]
        source: CredentialsError,
    },
    /// `AWS_CA_BUNDLE` names a file that cannot be used.
    #[error("AWS_CA_BUNDLE names {}, which cannot be used", path.display())]
    CaBundle {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SignInError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoCredentials {
                profile: Some(profile),
            } => format!(
                "`aws configure list-profiles` shows the profiles there are; one with SSO needs `aws sso login \
                 --profile {profile}` first"
            ),
            Self::NoCredentials { profile: None } => {
                "name a profile with AWS_PROFILE (for SSO: `aws sso login --profile NAME` \
                 first), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                    .into()
            }
            Self::Broken { .. } => SIGN_IN_AGAIN.into(),
            Self::CaBundle { .. } => {
                "it must be a PEM file with the authorities to trust in addition to the system's".into()
            }
        }
    }
}

/// Clients for the identity that is signed in.
#[derive(Clone)]
pub struct Aws {
    shared: SdkConfig,
    /// What is trusted by calls that do not go to an API of AWS.
    trust: TlsContext,
    trusts_nobody: bool,
    endpoints: BTreeMap<String, String>,
}

impl fmt::Debug for Aws {
    // The shared configuration holds credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws")
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

impl Aws {
    /// Finds credentials, and fails at once when there are none.
    pub async fn sign_in(region: &str) -> Result<Self, SignInError> {
        // Installing fails only when a provider is there already; any is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bundle = std::env::var_os("AWS_CA_BUNDLE").map(PathBuf::from);
        // An empty container has none, and the HTTP client takes for granted that there are some.
        let has_system = !rustls_native_certs::load_native_certs().certs.is_empty();
        let trusts_nobody = !has_system && bundle.is_none();
        let context = tls_context(has_system, bundle)?;
        let trust = context.clone();
        let http = Builder::new().build_with_connector_fn(move |settings, components| {
            let mut connector = Connector::builder()
                .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
                .tls_context(context.clone())
                .proxy_config(ProxyConfig::from_env());
            if let Some(settings) = settings {
                connector = connector.connector_settings(settings.clone());
            }
            if let Some(sleep) = components.and_then(|components| components.sleep_impl()) {
                connector = connector.sleep_impl(sleep);
            }
            connector.build()
        });
        let http = Bounded::new(CountedClient(http).into_shared(), bounded::MOST_BYTES);
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.to_owned()))
            .http_client(http)
            .retry_config(
                RetryConfig::standard().with_max_attempts(attempts(std::env::var("AWS_MAX_ATTEMPTS").ok())),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .operation_timeout(OPERATION_TIMEOUT)
                    .build(),
            );
        if let Ok(name) = AppName::new("sitefence") {
            loader = loader.app_name(name);
        }
        let aws = Self {
            shared: loader.load().await,
            trust,
            trusts_nobody,
            endpoints: overridden_endpoints(std::env::vars()),
        };
        let none = || SignInError::NoCredentials {
            profile: std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty()),
        };
        let Some(provider) = aws.shared.credentials_provider() else {
            return Err(none());
        };
        match provider.provide_credentials().await {
            Ok(_) => Ok(aws),
            Err(CredentialsError::CredentialsNotLoaded(_)) => Err(none()),
            Err(source) => Err(SignInError::Broken { source }),
        }
    }

    /// The credentials as they are now.
    pub async fn credentials(&self) -> Result<Credentials, SignInError> {
        let Some(provider) = self.shared.credentials_provider() else {
            return Err(SignInError::NoCredentials { profile: None });
        };
        let credentials = provider.provide_credentials().await;
        credentials.map_err(|source| SignInError::Broken { source })
    }

    /// A connector for addresses that are no API of AWS: the same authorities, the same proxy.
    pub(super) fn connector(&self) -> Connector {
        Connector::builder()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .tls_context(self.trust.clone())
            .proxy_config(ProxyConfig::from_env())
            .build()
    }

    /// Whether there is no authority at all by which an API's certificate could be verified.
    pub fn trusts_nobody(&self) -> bool {
        self.trusts_nobody
    }

    /// The `AWS_ENDPOINT_URL*` that are set. Somebody who has them set by mistake must be able to see it.
    pub fn endpoints(&self) -> &BTreeMap<String, String> {
        &self.endpoints
    }

    fn in_region(&self, region: &str) -> SdkConfig {
        self.shared
            .to_builder()
            .region(Region::new(region.to_owned()))
            .build()
    }

    pub fn cloudformation(&self, region: &topology::Region) -> aws_sdk_cloudformation::Client {
        aws_sdk_cloudformation::Client::new(&self.in_region(region))
    }

    /// S3 in a Region.
    pub fn s3(&self, region: &topology::Region) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.in_region(region))
            // A stand-in has no wildcard name for `bucket.host`.
            .force_path_style(!self.endpoints.is_empty())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_timeout(UPLOAD_TIMEOUT)
                    .build(),
            )
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// Secrets Manager in a Region.
    pub fn secrets_manager(&self, region: &topology::Region) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.in_region(region))
    }

    /// Global Accelerator, whose control plane is in one Region only.
    pub fn global_accelerator(&self) -> aws_sdk_globalaccelerator::Client {
        aws_sdk_globalaccelerator::Client::new(&self.in_region(ACCELERATOR_REGION))
    }

    /// Elastic Load Balancing v2 in a Region.
    pub fn load_balancing(&self, region: &topology::Region) -> aws_sdk_elasticloadbalancingv2::Client {
        aws_sdk_elasticloadbalancingv2::Client::new(&self.in_region(region))
    }

    pub fn lambda(&self, region: &topology::Region) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.in_region(region))
    }

    pub fn sns(&self, region: &topology::Region) -> aws_sdk_sns::Client {
        aws_sdk_sns::Client::new(&self.in_region(region))
    }

    /// KMS in a Region.
    pub fn kms(&self, region: &topology::Region) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::new(&self.in_region(region))
    }

    /// IAM, asked for through a Region of the same partition.
    pub fn iam(&self, region: &topology::Region) -> aws_sdk_iam::Client {
        aws_sdk_iam::Client::new(&self.in_region(region))
    }

    pub fn sts(&self, region: &topology::Region) -> aws_sdk_sts::Client {
        aws_sdk_sts::Client::new(&self.in_region(region))
    }

    /// DynamoDB in a Region, as the role given, or as oneself.
    pub async fn dynamodb(
        &self,
        region: &topology::Region,
        role_arn: Option<&str>,
    ) -> aws_sdk_dynamodb::Client {
        let config = self.in_region(region);
        let Some(role_arn) = role_arn else {
            return aws_sdk_dynamodb::Client::new(&config);
        };
        let provider = aws_config::sts::AssumeRoleProvider::builder(role_arn)
            .session_name("sitefence-provision")
            .configure(&config)
            .build()
            .await;
        let config = aws_sdk_dynamodb::config::Builder::from(&config)
            .credentials_provider(provider)
            .build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }
}

/// Trusts the system's authorities, and those of the bundle that other AWS tools honour too.
fn tls_context(has_system: bool, bundle: Option<PathBuf>) -> Result<TlsContext, SignInError> {
    let mut trusted = TrustStore::empty().with_native_roots(has_system);
    if let Some(path) = bundle {
        let unusable = |source: Box<dyn std::error::Error + Send + Sync>| SignInError::CaBundle {
            path: path.clone(),
            source,
        };
        let pem = files::read(&path, files::CA_BUNDLE_BYTES).map_err(|error| unusable(error.into()))?;
        // The HTTP client panics over a bundle that it cannot read, so it is read here first.
        let count = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unusable(error.into()))?
            .len();
        if count == 0 {
            return Err(unusable("it holds no certificate".into()));
        }
        trusted.add_pem_certificate(pem);
    }
    TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .map_err(|error| SignInError::CaBundle {
            path: PathBuf::from("the system's certificates"),
            source: error.into(),
        })
}

/// The variable that every AWS tool takes; one that is no number, or zero, is as if it were not set.
fn attempts(variable: Option<String>) -> u32 {
    let given = variable.and_then(|text| text.trim().parse().ok());
    given.filter(|attempts| *attempts > 0).unwrap_or(ATTEMPTS)
}

fn overridden_endpoints(variables: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    variables
        .filter(|(name, value)| {
            (name == "AWS_ENDPOINT_URL" || name.starts_with("AWS_ENDPOINT_URL_")) && !value.is_empty()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_tried_as_often_as_the_environment_says() {
        for (variable, expected) in [
            (None, ATTEMPTS),
            (Some("2"), 2),
            (Some("0"), ATTEMPTS),
            (Some("often"), ATTEMPTS),
        ] {
            assert_eq!(attempts(variable.map(str::to_owned)), expected, "{variable:?}");
        }
    }

    #[test]
    fn only_endpoint_variables_are_shown() {
        let told = overridden_endpoints(
            [
                ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
                ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000"),
                ("AWS_ENDPOINT_URL_STS", ""),
                ("AWS_SECRET_ACCESS_KEY", "never"),
            ]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        assert_eq!(
            told.keys().collect::<Vec<_>>(),
            ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"]
        );
    }
}
