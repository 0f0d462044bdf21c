//! The function's URL, as Alertmanager finds it: a plain address that leads to the function.
//!
//! ```text
//!   Alertmanager ── POST /webhook ──▶ FunctionUrl ──▶ a function's process behind Lambda's Runtime API
//!                                               └──▶ a Function URL of the local AWS, by its host name
//! ```
//!
//! A function with a reserved concurrency has a cap: Lambda serves ten requests a second for each unit of it, and not
//! more at once than there are units; whoever comes beyond that is answered 429 without the function hearing of it.
//!
//! The real one has a host name of its own and HTTPS; a program that only knows an address and a port reaches it
//! through this. Every delivery is recorded with its answer, in the order of the answers, so that a test waits for
//! one instead of sleeping. As with Lambda, an invocation that ends without an answer is told as 502.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;

use super::calls::CallLog;
use super::local_aws::LocalAws;
use super::runtime_api::{FunctionProcess, FunctionUrlRequest};
use super::server::{Received, Reply, Server, StartError};

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

/// What Lambda lets through to a function with a reserved concurrency.
#[derive(Debug)]
struct Cap {
    concurrency: usize,
    /// When those of the last second arrived.
    arrived: Mutex<VecDeque<Instant>>,
    running: AtomicUsize,
}

/// A request that was let through; it makes room when it is over.
struct Admitted<'a>(&'a Cap);

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Cap {
    fn new(concurrency: usize) -> Self {
        Self {
            concurrency,
            arrived: Mutex::default(),
            running: AtomicUsize::new(0),
        }
    }

    fn admit(&self, now: Instant) -> Option<Admitted<'_>> {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        while arrived
            .front()
            .is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1))
        {
            arrived.pop_front();
        }
        let busy = self.running.load(Ordering::SeqCst) >= self.concurrency;
        if busy || arrived.len() >= self.concurrency.saturating_mul(10) {
            return None;
        }
        arrived.push_back(now);
        self.running.fetch_add(1, Ordering::SeqCst);
        Some(Admitted(self))
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
        Self::behind(upstream, None)
    }

    /// The same of a function with a reserved concurrency.
    pub fn capped(upstream: Upstream, concurrency: usize) -> Result<Self, StartError> {
        Self::behind(upstream, Some(Arc::new(Cap::new(concurrency))))
    }

    fn behind(upstream: Upstream, cap: Option<Arc<Cap>>) -> Result<Self, StartError> {
        let deliveries: Arc<CallLog<Delivery>> = Arc::default();
        let recording = Arc::clone(&deliveries);
        let server = Server::start("a Function URL", None, move |received| {
            let (upstream, recording, cap) = (upstream.clone(), Arc::clone(&recording), cap.clone());
            async move {
                let arrived = Instant::now();
                let admitted = cap.as_ref().map(|cap| cap.admit(arrived));
                let (status, answer) = match admitted {
                    Some(None) => (
                        429,
                        r#"{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded"}"#.to_owned(),
                    ),
                    None | Some(Some(_)) => pass(&upstream, &received).await,
                };
                drop(admitted);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_requests_a_second_for_each_unit_and_no_more_at_once_than_units() {
        let cap = Cap::new(2);
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let (first, second) = (cap.admit(at(0)), cap.admit(at(1)));
        assert!(first.is_some() && second.is_some() && cap.admit(at(2)).is_none());
        drop((first, second));
        for number in 2..20 {
            assert!(cap.admit(at(number)).is_some(), "{number}");
        }
        assert!(cap.admit(at(999)).is_none());
        // The first of them is a second ago.
        assert!(cap.admit(at(1000)).is_some());
        assert!(cap.admit(at(1000)).is_none());
    }
}
