//! One call to AWS that did not go well: which, where, why, and what to do about it.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;

use super::aws::SIGN_IN_AGAIN;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsCall {
    /// The service as people call it.
    pub service: &'static str,
    /// The operation, spelled as in IAM policies.
    pub operation: &'static str,
    /// The Region it went to.
    pub region: String,
}

impl fmt::Display for AwsCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} in {}", self.service, self.operation, self.region)
    }
}

/// A call that did not go well.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// AWS answered, and said no.
    #[error("{call} was refused: {code}: {message}")]
    Refused {
        call: AwsCall,
        /// AWS's code, such as `AccessDenied`.
        code: String,
        message: String,
    },
    /// Nobody was asked: the credentials that it would be signed with could be had before, and cannot any more.
    #[error("{call} could not be signed: the AWS credentials do not work any more")]
    Unsigned {
        call: AwsCall,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Nobody answered, or nothing that could be read.
    #[error("{call} got no usable answer")]
    Unanswered {
        call: AwsCall,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// An answer without a field that it always has.
    #[error("the answer to {call} lacks {what}")]
    Incomplete { call: AwsCall, what: &'static str },
}

/// What a service says when it is itself the trouble. The caller has asked several times by then.
const OUTAGES: [&str; 6] = [
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InternalServiceError",
    "ServiceUnavailable",
    "ServiceUnavailableException",
];

impl AwsCall {
    pub fn new(service: &'static str, operation: &'static str, region: &str) -> Self {
        Self {
            service,
            operation,
            region: region.to_owned(),
        }
    }

    /// What an SDK's error means.
    pub fn failed<E, R>(self, error: SdkError<E, R>) -> CallError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        R: fmt::Debug + Send + Sync + 'static,
    {
        if let SdkError::ServiceError(context) = &error {
            let meta = context.err().meta();
            if let Some(code) = meta.code() {
                return CallError::Refused {
                    call: self,
                    code: code.to_owned(),
                    message: meta.message().unwrap_or("no reason given").trim().to_owned(),
                };
            }
        }
        let source = Box::new(error);
        if lacks_credentials(source.as_ref()) {
            CallError::Unsigned { call: self, source }
        } else {
            CallError::Unanswered { call: self, source }
        }
    }

    /// An answer without `what`.
    pub fn lacks(self, what: &'static str) -> CallError {
        CallError::Incomplete { call: self, what }
    }
}

impl CallError {
    /// Whether AWS refused with this code.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    /// Whether the Region did not answer, or said that it cannot just now. What is elsewhere may go on.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unanswered { .. } => true,
            Self::Refused { code, .. } => OUTAGES.contains(&code.as_str()),
            Self::Unsigned { .. } | Self::Incomplete { .. } => false,
        }
    }

    /// The Region that was called.
    pub fn region(&self) -> &str {
        match self {
            Self::Refused { call, .. }
            | Self::Unsigned { call, .. }
            | Self::Unanswered { call, .. }
            | Self::Incomplete { call, .. } => &call.region,
        }
    }

    /// AWS's code and sentence, when it refused.
    pub fn refusal(&self) -> Option<(&str, &str)> {
        match self {
            Self::Refused { code, message, .. } => Some((code, message)),
            _ => None,
        }
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { call, code, .. } => match code.as_str() {
                "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "AuthorizationError" => {
                    Some(format!(
                        "the caller needs the permission `{}:{}`; `aws sts get-caller-identity` shows who that is",
                        iam_prefix(call.service),
                        call.operation
                    ))
                }
                "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
                    Some("the credentials have expired: sign in again, for instance with `aws sso login`".into())
                }
                "InvalidClientTokenId" | "UnrecognizedClientException" | "SignatureDoesNotMatch" => Some(
                    "AWS does not know these credentials: check AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL"
                        .into(),
                ),
                "OptInRequired" | "SubscriptionRequiredException" => Some(format!(
                    "the account has not opted in to {}; enable the Region, or use another one in the topology",
                    call.region
                )),
                _ => None,
            },
            Self::Unsigned { .. } => Some(SIGN_IN_AGAIN.into()),
            Self::Unanswered { call, .. } => Some(format!(
                "check the network, the proxy (HTTPS_PROXY) and AWS_ENDPOINT_URL*; is {} a Region of this partition?",
                call.region
            )),
            Self::Incomplete { .. } => None,
        }
    }
}

/// Whether a call failed because it had no credentials. The deepest cause decides: they may have to be fetched from a
/// service, as a role's from the Region's STS, and where that does not answer it is the network or the Region that
/// failed, as it may be where fetching took too long.
fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut lacks = false;
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<CredentialsError>() {
            lacks = !matches!(error, CredentialsError::ProviderTimedOut(_));
        } else if cause.is::<ConnectorError>() || cause.downcast_ref().is_some_and(is_silent_about_a_role) {
            lacks = false;
        }
        next = cause.source();
    }
    lacks
}

fn is_silent_about_a_role(error: &SdkError<AssumeRoleError>) -> bool {
    match error {
        SdkError::ServiceError(context) => {
            let code = context.err().meta().code();
            code.is_some_and(|code| OUTAGES.contains(&code))
        }
        SdkError::ConstructionFailure(_) => false,
        _ => true,
    }
}

/// A service's name in IAM actions.
fn iam_prefix(service: &str) -> String {
    match service {
        "ELBv2" => "elasticloadbalancing".to_owned(),
        other => other.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refusal_is_no_outage() {
        let refused = |code: &str| CallError::Refused {
            call: AwsCall::new("Lambda", "GetFunction", "eu-west-1"),
            code: code.into(),
            message: "no".into(),
        };
        let silent = CallError::Unanswered {
            call: AwsCall::new("Lambda", "GetFunction", "eu-west-1"),
            source: "connection refused".into(),
        };
        assert!(silent.is_outage() && refused("ServiceUnavailableException").is_outage());
        for code in [
            "AccessDenied",
            "OptInRequired",
            "ExpiredToken",
            "ThrottlingException",
        ] {
            assert!(!refused(code).is_outage(), "{code}");
        }
        assert_eq!(silent.region(), "eu-west-1");
    }

    #[test]
    fn credentials_that_cannot_be_had_are_no_outage_unless_their_source_is_silent() {
        type Sent = SdkError<AssumeRoleError>;
        let call = || AwsCall::new("DynamoDB", "GetItem", "eu-west-1");
        // As the SDK tells of what goes wrong before anything is sent.
        let wrapped =
            |source: CredentialsError| Sent::dispatch_failure(ConnectorError::other(source.into(), None));
        let expired = || CredentialsError::provider_error("the session has expired");
        let silence = || Sent::dispatch_failure(ConnectorError::io("connection refused".into()));
        let role = CredentialsError::provider_error;
        for (error, is_unsigned) in [
            (wrapped(expired()), true),
            (wrapped(role(wrapped(expired()))), true),
            (Sent::construction_failure(expired()), true),
            (
                wrapped(CredentialsError::provider_timed_out(Duration::from_secs(5))),
                false,
            ),
            (wrapped(role(silence())), false),
            (wrapped(role(Sent::timeout_error("20 seconds"))), false),
            (silence(), false),
        ] {
            let said = format!("{error:?}");
            let failed = call().failed(error);
            assert_eq!(
                matches!(failed, CallError::Unsigned { .. }),
                is_unsigned,
                "{said}"
            );
            assert_eq!(failed.is_outage(), !is_unsigned, "{said}");
        }
    }

    #[test]
    fn a_denied_call_names_the_permission_that_is_missing() {
        let error = CallError::Refused {
            call: AwsCall::new("ELBv2", "DescribeTags", "eu-west-1"),
            code: "AccessDenied".into(),
            message: "no".into(),
        };
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("elasticloadbalancing:DescribeTags"))
        );
    }
}
