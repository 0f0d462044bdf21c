//! Asking a server as curl would, by Basic.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::ServersError;
use crate::standins::certificates::TestAuthority;

/// Longer than a backup's own limit.
const LIMIT: Duration = Duration::from_secs(30);

/// A client that trusts the servers.
#[derive(Debug)]
pub struct Asker(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// What was answered; the status 0 is none at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub content_type: Option<String>,
    /// The first word of each challenge.
    pub challenges: Vec<String>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Asker {
    pub fn new(authority: &TestAuthority) -> Result<Self, ServersError> {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(authority.client()?)
            .https_only()
            .enable_http1()
            .build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    pub async fn ask(
        &self,
        authority: &str,
        method: &str,
        path: &str,
        user: Option<(&str, &str)>,
        body: &str,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://{authority}{path}"))
            // An entry is asked for as it is, everything else as our function asks.
            .header(
                "accept",
                if is_entry(path) {
                    "text/plain"
                } else {
                    "application/json"
                },
            );
        if !body.is_empty() {
            request = request.header("content-type", "text/plain");
        }
        if let Some((user, password)) = user {
            let credentials = BASE64.encode(format!("{user}:{password}"));
            request = request.header("authorization", format!("Basic {credentials}"));
        }
        let none = |why: String| Answer {
            status: 0,
            content_type: None,
            challenges: Vec::new(),
            body: why,
        };
        let request = match request.body(Full::new(Bytes::from(body.to_owned()))) {
            Ok(request) => request,
            Err(error) => return none(error.to_string()),
        };
        let answered = async {
            let answer = self.0.request(request).await.map_err(|error| error.to_string())?;
            let header = |name: &str| {
                let values = answer.headers().get_all(name).iter();
                let values = values.filter_map(|value| value.to_str().ok());
                values.map(str::to_owned).collect::<Vec<_>>()
            };
            let (content_type, challenges) = (header("content-type"), header("www-authenticate"));
            let status = answer.status().as_u16();
            let body = answer
                .into_body()
                .collect()
                .await
                .map_err(|error| error.to_string())?;
            Ok::<_, String>(Answer {
                status,
                content_type: content_type.into_iter().next(),
                challenges: challenges
                    .iter()
                    .filter_map(|challenge| challenge.split(' ').next().map(str::to_owned))
                    .collect(),
                body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
            })
        };
        match tokio::time::timeout(LIMIT, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => none(why),
            Err(_) => none(format!("no answer within {} s", LIMIT.as_secs())),
        }
    }
}

fn is_entry(path: &str) -> bool {
    let segments = path.split('?').next().unwrap_or_default().split('/').count();
    path.starts_with("/rest/v2/caches/") && segments == 6 && !path.contains('?')
}
