//! The function's URL, as Alertmanager finds it: a plain address that leads to the function.
//!
//! ```text
//!   Alertmanager ── POST /webhook ──▶ FunctionUrl ──▶ a function's process behind Lambda's Runtime API
//!                                               └──▶ a Function URL of the local AWS, by its host name
//! ```
//!
//! The real one has a host name of its own and HTTPS; a program that only knows an address and a port reaches it
//! through this. Every delivery is recorded with its answer, in the order of the answers, so that a test waits for
//! one instead of sleeping. As with Lambda, an invocation that ends without an answer is told as 502.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;

use super::calls::CallLog;
use super::local_aws::LocalAws;
use super::runtime_api::{FunctionProcess, FunctionUrlRequest};
use super::server::{Received, Reply, Server, StartError};

/// Where requests end up.
#[derive(Debug, Clone)]
pub enum Upstream {
    Process(Arc<FunctionProcess>),
    /// The Function URL that CloudFormation gave out.
    LocalAws(LocalAws, String),
}

/// One request, and what came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub arrived: Instant,
    pub answered: Instant,
    pub path: String,
    /// User and password of HTTP Basic.
    pub credentials: Option<(String, String)>,
    pub payload: Value,
    pub status: u16,
    pub answer: String,
}

impl Delivery {
    /// The name of the alerts in it, where they have one.
    pub fn alert(&self) -> &str {
        self.payload["alerts"][0]["labels"]["alertname"]
            .as_str()
            .unwrap_or_default()
    }
}

/// A running front; dropping it stops it.
#[derive(Debug)]
pub struct FunctionUrl {
    server: Server,
    deliveries: Arc<CallLog<Delivery>>,
}

impl FunctionUrl {
    pub fn start(upstream: Upstream) -> Result<Self, StartError> {
        let deliveries: Arc<CallLog<Delivery>> = Arc::default();
        let recording = Arc::clone(&deliveries);
        let server = Server::start("a Function URL", None, move |received| {
            let (upstream, recording) = (upstream.clone(), Arc::clone(&recording));
            async move {
                let arrived = Instant::now();
                let (status, answer) = pass(&upstream, &received).await;
                recording.record(Delivery {
                    arrived,
                    answered: Instant::now(),
                    path: received.uri.path().to_owned(),
                    credentials: basic(&received.headers),
                    payload: serde_json::from_slice(&received.body).unwrap_or_default(),
                    status,
                    answer: answer.clone(),
                });
                let mut response = Response::new(Bytes::from(answer));
                *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
                Reply::Answer(response)
            }
        })?;
        Ok(Self { server, deliveries })
    }

    /// The address with a slash behind it, as CloudFormation gives a Function URL out.
    pub fn url(&self) -> String {
        format!("http://{}/", self.server.address())
    }

    pub fn deliveries(&self) -> &CallLog<Delivery> {
        &self.deliveries
    }
}

async fn pass(upstream: &Upstream, received: &Received) -> (u16, String) {
    let nothing = |why: String| (502, why);
    match upstream {
        Upstream::Process(function) => {
            let target = received
                .uri
                .path_and_query()
                .map_or("/", |target| target.as_str());
            let mut request = if received.method == http::Method::GET {
                FunctionUrlRequest::get(target)
            } else {
                FunctionUrlRequest::post(target, received.body.to_vec())
            };
            for (name, value) in passed_on(&received.headers) {
                request = request.header(&name, &value);
            }
            match function.request(&request).await {
                Ok(Some(answer)) => (answer.status, answer.body),
                Ok(None) => nothing("the function did not answer".to_owned()),
                Err(error) => nothing(error.to_string()),
            }
        }
        Upstream::LocalAws(aws, url) => {
            let headers: Vec<(String, String)> = passed_on(&received.headers).collect();
            let headers: Vec<(&str, &str)> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let path = received.uri.path();
            match aws.post(url, path, &headers, received.body.clone()).await {
                Ok(answer) => (answer.status, answer.body),
                Err(error) => nothing(error.to_string()),
            }
        }
    }
}

/// Headers that are the caller's own, and not those of this connection.
fn passed_on(headers: &HeaderMap) -> impl Iterator<Item = (String, String)> {
    headers
        .iter()
        .filter(|(name, _)| {
            !["host", "connection", "content-length", "accept-encoding"].contains(&name.as_str())
        })
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let said = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let decoded = BASE64.decode(said.strip_prefix("Basic ")?).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
