//! Posting to the function's URL as Alertmanager does: the address, the user and the password that it has, over
//! HTTPS, through the proxy of the environment.

use std::net::IpAddr;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use http_body_util::Limited;
use secrecy::{ExposeSecret as _, SecretSlice};
use tokio::time::Instant;

use super::aws::Aws;

/// Longer than the longest a function may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// The most bytes of an answer.
const MOST_BYTES: usize = 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    pub status: u16,
    pub body: String,
    /// From the request to the last byte, the connection's beginning included.
    pub took: Duration,
}

/// Why nothing came back. Neither address nor credentials stand in it.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("the address cannot be called")]
    Address,
    #[error(
        "the address is not HTTPS, and a password is sent over nothing else, except to this machine, where a local \
         AWS listens"
    )]
    Bare,
    #[error("no answer within {} seconds", .0.as_secs())]
    Late(Duration),
    #[error("{0}")]
    Broken(String),
}

/// Posts over connections that are kept.
#[derive(Debug)]
pub struct WebhookClient {
    connector: Connector,
}

impl WebhookClient {
    /// Through the same TLS and the same proxy as all calls to AWS.
    pub fn new(aws: &Aws) -> Self {
        Self {
            connector: aws.connector(),
        }
    }

    /// Posts `body` with these credentials.
    pub async fn post(
        &self,
        url: &SecretSlice<u8>,
        username: &SecretSlice<u8>,
        password: &SecretSlice<u8>,
        body: String,
    ) -> Result<Posted, PostError> {
        let url = std::str::from_utf8(url.expose_secret()).map_err(|_| PostError::Address)?;
        keeps_secrets(url)?;
        let pair = [username.expose_secret(), b":", password.expose_secret()].concat();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(|_| PostError::Address)?;
        request.set_uri(url).map_err(|_| PostError::Address)?;
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Basic {}", STANDARD.encode(pair)));
        headers.insert("content-type", "application/json");
        let began = Instant::now();
        let answer = async {
            let answer = self.connector.call(request).await.map_err(broken)?;
            let status = answer.status().as_u16();
            let body = SdkBody::from_body_1_x(Limited::new(answer.into_body(), MOST_BYTES));
            let body = ByteStream::new(body).collect().await.map_err(broken)?;
            Ok((status, String::from_utf8_lossy(&body.into_bytes()).into_owned()))
        };
        let (status, body) = tokio::time::timeout(ANSWER_WITHIN, answer)
            .await
            .map_err(|_| PostError::Late(ANSWER_WITHIN))??;
        Ok(Posted {
            status,
            body,
            took: began.elapsed(),
        })
    }
}

/// Whether a password may go to an address: over HTTPS, or without leaving this machine.
fn keeps_secrets(url: &str) -> Result<(), PostError> {
    let url: Uri = url.parse().map_err(|_| PostError::Address)?;
    match (url.scheme_str(), url.host()) {
        (Some("https"), Some(_)) => Ok(()),
        (Some("http"), Some(host)) if is_this_machine(host) => Ok(()),
        (Some(_), Some(_)) => Err(PostError::Bare),
        _ => Err(PostError::Address),
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_lowercase();
    // Names below `localhost` are this machine's by RFC 6761.
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The innermost cause: what the layers around it say is that something went wrong.
fn broken(error: impl std::error::Error + 'static) -> PostError {
    let mut innermost: &(dyn std::error::Error + 'static) = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    PostError::Broken(innermost.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_over_https_or_stays_on_this_machine() {
        for url in [
            "https://abc.lambda-url.eu-west-1.on.aws/webhook",
            "http://127.0.0.1:4566/webhook",
            "http://[::1]:4566/webhook",
            "http://abc.lambda-url.eu-west-1.localhost:4566/webhook",
        ] {
            assert!(keeps_secrets(url).is_ok(), "{url}");
        }
        for url in [
            "http://abc.lambda-url.eu-west-1.on.aws/webhook",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1@example.com/",
            "http://localhost.example.com/",
            "ftp://localhost/",
        ] {
            assert!(matches!(keeps_secrets(url), Err(PostError::Bare)), "{url}");
        }
        for url in ["", "/webhook", "127.0.0.1", "https://"] {
            assert!(matches!(keeps_secrets(url), Err(PostError::Address)), "{url}");
        }
    }
}
