//! AWS clients, made once, by hand.
//!
//! `aws-config` would look for profiles, metadata services and SSO sessions that a Lambda does not have, and
//! costs start-up time for it. All that is needed stands in the environment: credentials, the Region, and,
//! beside a local AWS, endpoint variables.
//!
//! All clients share one HTTP client over ring. The SDK's own builder is not used for it: it takes its roots
//! as PEM and parses them again for every service client, where compiled-in anchors cost nothing, and it
//! brings HTTP/2 and proxies along, which nobody here speaks.

use std::marker::PhantomData;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority,
};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use futures_util::future::join_all;
use http::Uri;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::world::tls::{self, Connector, Plain, TlsError};

/// The accelerator's control plane is in this Region, wherever the endpoints are.
pub const ACCELERATOR_REGION: &str = "us-west-2";

/// Idle connections are kept so long. The schedule uses them every minute, so they stay open across it; an
/// older one may have been dropped silently on the way.
const IDLE_LIMIT: Duration = Duration::from_secs(90);

/// What is missing for talking to AWS.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// A variable that Lambda sets by itself.
    #[error("the variable {name} is not set; this program runs inside AWS Lambda")]
    Missing { name: &'static str },
    /// The bundle of authorities is not there.
    #[error("AWS_CA_BUNDLE names {path}, which cannot be read")]
    Bundle {
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("no TLS for AWS")]
    Tls(#[from] TlsError),
}

#[derive(Debug, Clone)]
pub struct Aws {
    http: SharedHttpClient,
    connector: Connector,
    credentials: SharedCredentialsProvider,
    pub region: String,
    endpoints: Endpoints,
}

/// The endpoint variables that are set, by service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Endpoints {
    all: Option<String>,
    services: Vec<(&'static str, String)>,
}

/// Services as the endpoint variables spell them.
const SERVICES: [&str; 5] = ["DYNAMODB", "GLOBAL_ACCELERATOR", "SECRETS_MANAGER", "SNS", "STS"];

impl Endpoints {
    fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        if set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|value| value == "true") {
            return Self::default();
        }
        Self {
            all: set("AWS_ENDPOINT_URL"),
            services: SERVICES
                .into_iter()
                .filter_map(|service| Some((service, set(&format!("AWS_ENDPOINT_URL_{service}"))?)))
                .collect(),
        }
    }

    fn of(&self, service: &str) -> Option<String> {
        self.services
            .iter()
            .find(|(name, _)| *name == service)
            .map(|(_, url)| url.clone())
            .or_else(|| self.all.clone())
    }
}

macro_rules! client {
    ($self:ident, $sdk:ident, $service:literal, $region:expr, $credentials:expr, $attempts:literal, $attempt_ms:literal $(, $classifier:expr)*) => {{
        let mut config = $sdk::Config::builder()
            .behavior_version($sdk::config::BehaviorVersion::v2026_01_12())
            .region($sdk::config::Region::new($region.to_owned()))
            .credentials_provider($credentials)
            .http_client($self.http.clone())
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(Duration::from_millis($attempt_ms))
                    .build(),
            )
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts($attempts)
                    .with_initial_backoff(Duration::from_millis(100))
                    .with_max_backoff(Duration::from_secs(2)),
            )
            $(.retry_classifier($classifier))*;
        config.set_endpoint_url($self.endpoints.of($service));
        $sdk::Client::from_conf(config.build())
    }};
}

impl Aws {
    /// From Lambda's environment, trusting what everybody trusts, or the bundle that `AWS_CA_BUNDLE` names, as every SDK
    /// does: an egress that inspects TLS shows certificates of its own.
    pub fn from_environment(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, AwsError> {
        let roots = match lookup("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) {
            None => tls::public_roots(),
            Some(path) => {
                let pem = std::fs::read(&path).map_err(|source| AwsError::Bundle { path, source })?;
                tls::roots_from_pem(&pem)?
            }
        };
        Self::over(tls::connector(roots, Plain::Allowed)?, lookup)
    }

    /// From Lambda's environment, over a connector of one's own.
    pub fn over(connector: Connector, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, AwsError> {
        let required = |name: &'static str| {
            lookup(name)
                .filter(|value| !value.is_empty())
                .ok_or(AwsError::Missing { name })
        };
        let credentials = Credentials::new(
            required("AWS_ACCESS_KEY_ID")?,
            required("AWS_SECRET_ACCESS_KEY")?,
            lookup("AWS_SESSION_TOKEN").filter(|token| !token.is_empty()),
            None,
            "environment",
        );
        Ok(Self {
            http: http_client(connector.clone()),
            connector,
            credentials: SharedCredentialsProvider::new(credentials),
            region: required("AWS_REGION")?,
            endpoints: Endpoints::read(lookup),
        })
    }

    /// Opens connections ahead of the first calls of a fence: `readings` to the accelerator's API, where so many are
    /// asked for at once, and one to the register's DynamoDB, unless a role has to be assumed first. Returns when they
    /// are open.
    pub async fn open_ahead(&self, readings: usize, register_region: Option<&str>) {
        let accelerator = self.accelerator_host().await;
        let register = match register_region {
            Some(region) => self.dynamodb_host(region).await,
            None => None,
        };
        let hosts = std::iter::repeat_n(accelerator, readings).chain([register]);
        let uris = hosts.flatten().filter_map(|host| host.parse::<Uri>().ok());
        join_all(uris.map(|uri| self.connector.open_ahead(uri))).await;
    }

    /// Gives up the connections that are still being opened.
    pub fn give_up_opening(&self) {
        self.connector.give_up_opening();
    }

    /// Where the SDK is going to call: by its own rules, which know of the other partitions.
    async fn accelerator_host(&self) -> Option<String> {
        use aws_sdk_globalaccelerator::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
        if let Some(url) = self.endpoints.of("GLOBAL_ACCELERATOR") {
            return Some(url);
        }
        let params = Params::builder().region(ACCELERATOR_REGION).build().ok()?;
        let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.ok()?;
        Some(endpoint.url().to_owned())
    }

    async fn dynamodb_host(&self, region: &str) -> Option<String> {
        use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
        if let Some(url) = self.endpoints.of("DYNAMODB") {
            return Some(url);
        }
        let params = Params::builder().region(region).build().ok()?;
        let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.ok()?;
        Some(endpoint.url().to_owned())
    }

    /// Global Accelerator. It reports two conditions that pass by themselves as client errors: a change in
    /// progress, and an error of its own; both are worth asking again.
    pub fn accelerator(&self) -> aws_sdk_globalaccelerator::Client {
        use aws_sdk_globalaccelerator::operation::describe_accelerator::DescribeAcceleratorError;
        use aws_sdk_globalaccelerator::operation::describe_endpoint_group::DescribeEndpointGroupError;
        use aws_sdk_globalaccelerator::operation::list_endpoint_groups::ListEndpointGroupsError;
        use aws_sdk_globalaccelerator::operation::list_listeners::ListListenersError;
        use aws_sdk_globalaccelerator::operation::remove_endpoints::RemoveEndpointsError;
        use aws_sdk_globalaccelerator::operation::update_endpoint_group::UpdateEndpointGroupError;
        const CODES: &[&str] = &["TransactionInProgressException", "InternalServiceErrorException"];
        client!(
            self,
            aws_sdk_globalaccelerator,
            "GLOBAL_ACCELERATOR",
            ACCELERATOR_REGION,
            self.credentials.clone(),
            5,
            4000,
            PassesByItself::<DescribeEndpointGroupError>::new(CODES),
            PassesByItself::<UpdateEndpointGroupError>::new(CODES),
            PassesByItself::<RemoveEndpointsError>::new(CODES),
            PassesByItself::<DescribeAcceleratorError>::new(CODES),
            PassesByItself::<ListListenersError>::new(CODES),
            PassesByItself::<ListEndpointGroupsError>::new(CODES)
        )
    }

    /// DynamoDB in the register's Region, as a role in another account if one is named. Two writers of a
    /// strongly consistent global table can collide between Regions, which is no verdict on the condition.
    pub fn dynamodb(&self, region: &str, role_arn: &str) -> aws_sdk_dynamodb::Client {
        use aws_sdk_dynamodb::operation::get_item::GetItemError;
        use aws_sdk_dynamodb::operation::put_item::PutItemError;
        use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
        const CODES: &[&str] = &[
            "ReplicatedWriteConflictException",
            "ThrottlingException",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
        ];
        let credentials = if role_arn.is_empty() {
            self.credentials.clone()
        } else {
            SharedCredentialsProvider::new(AssumedRole {
                sts: client!(
                    self,
                    aws_sdk_sts,
                    "STS",
                    region,
                    self.credentials.clone(),
                    3,
                    1500
                ),
                role_arn: role_arn.to_owned(),
            })
        };
        client!(
            self,
            aws_sdk_dynamodb,
            "DYNAMODB",
            region,
            credentials,
            4,
            1200,
            PassesByItself::<GetItemError>::new(CODES),
            PassesByItself::<PutItemError>::new(CODES),
            PassesByItself::<UpdateItemError>::new(CODES)
        )
    }

    /// Secrets Manager in the Region where a secret lives.
    pub fn secrets(&self, region: &str) -> aws_sdk_secretsmanager::Client {
        client!(
            self,
            aws_sdk_secretsmanager,
            "SECRETS_MANAGER",
            region,
            self.credentials.clone(),
            3,
            1500
        )
    }

    /// SNS in the function's own Region.
    pub fn notifications(&self) -> aws_sdk_sns::Client {
        client!(
            self,
            aws_sdk_sns,
            "SNS",
            self.region,
            self.credentials.clone(),
            2,
            1500
        )
    }
}

/// Hyper behind the SDK's interface. Timeouts of connecting are the connector's, those of an attempt the
/// SDK's; the SDK's own connector settings are therefore not looked at.
#[derive(Debug, Clone)]
struct Wire(HyperClient<Connector, SdkBody>);

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let reply = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let reply = reply.await.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(reply.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// One client for all services, with one pool of connections.
fn http_client(connector: Connector) -> SharedHttpClient {
    let client = HyperClient::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_LIMIT)
        .build(connector);
    let shared = SharedHttpConnector::new(Wire(client));
    http_client_fn(move |_, _| shared.clone())
}

/// Makes the SDK ask again after errors that it takes for the caller's.
#[derive(Debug)]
struct PassesByItself<E> {
    codes: &'static [&'static str],
    operation: PhantomData<fn() -> E>,
}

impl<E> PassesByItself<E> {
    fn new(codes: &'static [&'static str]) -> Self {
        Self {
            codes,
            operation: PhantomData,
        }
    }
}

impl<E> ClassifyRetry for PassesByItself<E>
where
    E: std::error::Error + ProvideErrorMetadata + std::fmt::Debug + Send + Sync + 'static,
{
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let code = match context.output_or_error() {
            Some(Err(error)) => OrchestratorError::as_operation_error(error)
                .and_then(|error| error.downcast_ref::<E>())
                .and_then(ProvideErrorMetadata::code),
            _ => None,
        };
        if code.is_some_and(|code| self.codes.contains(&code)) {
            RetryAction::transient_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "errors that pass by themselves"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::modeled_as_retryable_classifier())
    }
}

/// The role of a register in another account. The SDK keeps what this returns until shortly before it
/// expires.
#[derive(Debug)]
struct AssumedRole {
    sts: aws_sdk_sts::Client,
    role_arn: String,
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let reply = self
                .sts
                .assume_role()
                .role_arn(&self.role_arn)
                .role_session_name("sitefence")
                .send()
                .await
                .map_err(|error| CredentialsError::provider_error(describe(&error)))?;
            let credentials = reply
                .credentials
                .ok_or_else(|| CredentialsError::provider_error("no credentials in the reply"))?;
            Ok(Credentials::new(
                credentials.access_key_id,
                credentials.secret_access_key,
                Some(credentials.session_token),
                credentials.expiration.try_into().ok(),
                "assumed role",
            ))
        })
    }
}

/// What went wrong, for sentences: the service's code and words, or what happened on the way. The SDK's own
/// detailed form prints headers, so it is not used.
pub fn describe<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match error {
        SdkError::ServiceError(context) => {
            let error = context.err();
            match (error.code(), error.message()) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(code), None) => code.to_owned(),
                _ => "an error without a code".to_owned(),
            }
        }
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(error) => tls::chain(error),
            None => "the request could not be sent".to_owned(),
        },
        SdkError::ResponseError(_) => "its answer cannot be read".to_owned(),
        other => tls::chain(other),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<Aws, AwsError> {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Aws::from_environment(&move |wanted| {
            pairs
                .iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.clone())
        })
    }

    const LAMBDA: [(&str, &str); 3] = [
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_REGION", "eu-west-1"),
    ];

    #[test]
    fn lambdas_own_variables_are_required() {
        assert!(from(&LAMBDA).is_ok());
        for index in 0..LAMBDA.len() {
            let mut some = LAMBDA.to_vec();
            let (name, _) = some.remove(index);
            assert!(from(&some).unwrap_err().to_string().contains(name));
        }
    }

    #[test]
    fn endpoint_variables_are_honoured_service_before_general() {
        let mut all = LAMBDA.to_vec();
        all.push(("AWS_ENDPOINT_URL", "http://127.0.0.1:1"));
        all.push(("AWS_ENDPOINT_URL_GLOBAL_ACCELERATOR", "http://127.0.0.1:2"));
        all.push(("AWS_ENDPOINT_URL_SNS", ""));
        let endpoints = from(&all).unwrap().endpoints;
        assert_eq!(
            endpoints.of("GLOBAL_ACCELERATOR").as_deref(),
            Some("http://127.0.0.1:2")
        );
        assert_eq!(endpoints.of("SNS").as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(endpoints.of("DYNAMODB").as_deref(), Some("http://127.0.0.1:1"));
        all.push(("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"));
        assert_eq!(from(&all).unwrap().endpoints, Endpoints::default());
        assert_eq!(from(&LAMBDA).unwrap().endpoints, Endpoints::default());
    }
}
