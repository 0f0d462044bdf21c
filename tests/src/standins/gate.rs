//! A gate in front of AWS: it passes requests on, counts those that change something, and can stop at one.
//!
//! ```text
//!   provision ──▶ gate ──▶ local AWS
//!             ──▶ gate ──▶ Global Accelerator's stand-in
//! ```
//!
//! Stopping is what a test of interruptions needs: at the n-th change the gate runs an action (killing the
//! caller), either before the change reached AWS or after it took effect, and the caller never hears. Reads
//! are not counted: between two changes every moment is the same to whoever continues later.
//!
//! It can also lose Regions: [`Counter::lose_region`] closes every connection that asks one of them, as far as
//! the signature tells, until [`Counter::find_region`]. IAM belongs to no Region and goes on.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::locked;
use super::server::{Received, Reply, Server, StartError};

/// On which side of the change the caller is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// AWS never heard of it.
    Before,
    /// AWS did it; the answer is lost.
    After,
}

pub(super) type Action = Box<dyn FnOnce() + Send>;

struct Stop {
    at: usize,
    moment: Moment,
    action: Action,
}

#[derive(Default)]
struct State {
    changes: Vec<String>,
    stop: Option<Stop>,
    lost: BTreeSet<String>,
    pretence: Option<(&'static str, &'static str)>,
}

/// Gates that count together.
#[derive(Clone, Default)]
pub struct Counter(Arc<Mutex<State>>);

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Counter").field(&self.changes()).finish()
    }
}

impl Counter {
    /// The changes that were asked for since the last [`Counter::reset`], in order.
    pub fn changes(&self) -> Vec<String> {
        locked(&self.0).changes.clone()
    }

    /// Forgets what was counted, and any stop.
    pub fn reset(&self) {
        let mut state = locked(&self.0);
        state.changes.clear();
        state.stop = None;
    }

    /// Nobody is answered by this Region any more.
    pub fn lose_region(&self, region: &str) {
        locked(&self.0).lost.insert(region.to_owned());
    }

    /// The Region is back.
    pub fn find_region(&self, region: &str) {
        locked(&self.0).lost.remove(region);
    }

    /// From now on AWS says `to` where it said `from`, as of a state that it cannot be brought into here.
    pub fn pretend(&self, from: &'static str, to: &'static str) {
        locked(&self.0).pretence = Some((from, to));
    }

    fn is_lost(&self, region: &str) -> bool {
        locked(&self.0).lost.contains(region)
    }

    /// Runs `action` at the `at`-th change from now (the first is 0), which is not answered.
    pub fn stop_at(&self, at: usize, moment: Moment, action: impl FnOnce() + Send + 'static) {
        let mut state = locked(&self.0);
        state.changes.clear();
        state.stop = Some(Stop {
            at,
            moment,
            action: Box::new(action),
        });
    }

    fn pretended(&self, answer: Response<Bytes>) -> Response<Bytes> {
        let Some((from, to)) = locked(&self.0).pretence else {
            return answer;
        };
        let (mut head, body) = answer.into_parts();
        head.headers.remove(http::header::CONTENT_LENGTH);
        let body = match std::str::from_utf8(&body) {
            Ok(text) => Bytes::from(text.replace(from, to)),
            Err(_) => body,
        };
        Response::from_parts(head, body)
    }

    /// Counts a change; the stop, if this is the one.
    pub(super) fn count(&self, change: String) -> Option<(Moment, Action)> {
        let mut state = locked(&self.0);
        let index = state.changes.len();
        state.changes.push(change);
        let stop = state.stop.take_if(|stop| stop.at == index)?;
        Some((stop.moment, stop.action))
    }
}

/// One gate.
#[derive(Debug)]
pub struct Gate {
    server: Server,
}

impl Gate {
    /// A gate in front of `upstream`.
    pub fn start(upstream: SocketAddr, counter: &Counter) -> Result<Self, StartError> {
        let counter = counter.clone();
        let server = Server::start("the gate in front of AWS", None, move |received| {
            let counter = counter.clone();
            async move { pass(upstream, &counter, received).await }
        })?;
        Ok(Self { server })
    }

    /// Its address, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }
}

async fn pass(upstream: SocketAddr, counter: &Counter, received: Received) -> Reply {
    if region(&received.headers).is_some_and(|region| counter.is_lost(region)) {
        return Reply::Close;
    }
    let stop = change(&received).and_then(|change| counter.count(change));
    if let Some((Moment::Before, action)) = stop {
        action();
        return Reply::Close;
    }
    let answer = forward(upstream, received).await;
    if let Some((_, action)) = stop {
        action();
        return Reply::Close;
    }
    match answer {
        Ok(answer) => Reply::Answer(counter.pretended(answer)),
        Err(_) => Reply::Close,
    }
}

/// The Region that a request is signed for: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
fn region(headers: &HeaderMap) -> Option<&str> {
    let (_, scope) = header(headers, "authorization")?.split_once("Credential=")?;
    let mut parts = scope.split(['/', ',']).skip(2);
    let (region, service) = (parts.next()?, parts.next()?);
    (service != "iam").then_some(region)
}

/// The change that a request asks for, if it asks for one.
fn change(received: &Received) -> Option<String> {
    if let Some(target) = header(&received.headers, "x-amz-target") {
        let operation = target.rsplit('.').next().unwrap_or_default();
        return is_change(operation).then(|| operation.to_owned());
    }
    let body = String::from_utf8_lossy(&received.body);
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
    if let Some(action) = action {
        return is_change(action).then(|| action.to_owned());
    }
    let method = received.method.as_str();
    (method != "GET" && method != "HEAD").then(|| format!("{method} {}", received.uri.path()))
}

fn is_change(operation: &str) -> bool {
    !["Describe", "Detect", "List", "Get", "Scan", "Query", "BatchGet"]
        .iter()
        .any(|reading| operation.starts_with(reading))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Passes a request on as it came: its signature covers the host that the caller knows.
async fn forward(upstream: SocketAddr, received: Received) -> Result<Response<Bytes>, io::Error> {
    let stream = TcpStream::connect(upstream).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let driver = tokio::spawn(connection);
    let mut request = Request::new(Full::new(received.body));
    *request.method_mut() = received.method;
    *request.uri_mut() = received.uri;
    *request.headers_mut() = received.headers;
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    driver.abort();
    let mut answer = Response::from_parts(head, body);
    // The length is known now, and said anew.
    answer.headers_mut().remove(http::header::TRANSFER_ENCODING);
    Ok(answer)
}
