//! The internet between an operator's machine and Function URLs: their names lead to the local AWS, over HTTPS.
//!
//! ```text
//!   provision ── CONNECT id.lambda-url.eu-west-1.on.aws ──▶ Proxy ──▶ HTTPS here ──▶ the local AWS, by that name
//!            └── CONNECT anything else ───────────────────▶ Proxy ──▶ where it asks for
//! ```
//!
//! The local AWS gives out the addresses that AWS gives out, and nobody resolves them here. Whoever has this proxy in
//! `HTTPS_PROXY` and trusts this authority calls them all the same.

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::certificates::{TestAuthority, Validity};
use super::local_aws::LocalAws;
use super::proxy::Proxy;
use super::server::{Reply, Server, StartError};

/// What Function URLs have in their names.
const NAME: &str = ".lambda-url.";

/// The way there; dropping it takes it down.
#[derive(Debug)]
pub struct FunctionUrls {
    proxy: Proxy,
    authority: TestAuthority,
    _server: Server,
}

impl FunctionUrls {
    /// To the functions of these Regions.
    pub fn start(aws: &LocalAws, regions: &[&str]) -> Result<Self, StartError> {
        let authority = TestAuthority::new("the internet's authority")?;
        let names: Vec<String> = regions
            .iter()
            .map(|region| format!("*{NAME}{region}.on.aws"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let tls = authority.server(&names, Validity::Current)?;
        let aws = aws.clone();
        let server = Server::start("the Function URLs", Some(tls), move |received| {
            let aws = aws.clone();
            async move {
                let header = |name: &str| {
                    let value = received.headers.get(name).and_then(|value| value.to_str().ok());
                    value.unwrap_or_default().to_owned()
                };
                let host = header("host");
                let (authorization, kind) = (header("authorization"), header("content-type"));
                let headers = [
                    ("authorization", authorization.as_str()),
                    ("content-type", kind.as_str()),
                ];
                let path = received.uri.path();
                let answer = if received.method == Method::GET {
                    aws.get(&host, path, &headers).await
                } else {
                    aws.post(&host, path, &headers, received.body.clone()).await
                };
                let (status, body) = match answer {
                    Ok(answer) => (answer.status, answer.body),
                    Err(error) => (502, error.to_string()),
                };
                let mut response = Response::new(Bytes::from(body));
                *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
                Reply::Answer(response)
            }
        })?;
        Ok(Self {
            proxy: Proxy::leading(NAME, server.address())?,
            authority,
            _server: server,
        })
    }

    /// For `HTTPS_PROXY`.
    pub fn proxy_url(&self) -> String {
        self.proxy.url()
    }

    /// For `AWS_CA_BUNDLE`.
    pub fn authority(&self) -> &TestAuthority {
        &self.authority
    }
}
