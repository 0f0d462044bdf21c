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
//! What AWS does and the local one does not is answered here: [`Counter::answer`] gives an operation the answer that
//! AWS documents. And [`Counter::asked`] is everything that was asked, reads included, for tests of how much is asked;
//! [`Counter::longest_chain`] is what of it waited for one another.
//!
//! It can also lose Regions: [`Counter::lose_region`] closes every connection that asks one of them, as far as
//! the signature tells, until [`Counter::find_region`]. IAM belongs to no Region and goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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

enum Counts {
    All,
    In(String),
    Named(String),
}

struct Stop {
    /// How many changes of those that count are still to come before it.
    after: usize,
    /// Which changes count: those in one Region, those of one name, or all.
    counts: Counts,
    moment: Moment,
    action: Action,
}

/// An operation with the time from its arrival to its answer.
#[derive(Debug, Clone)]
pub struct Answered {
    pub operation: String,
    pub began: Instant,
    pub ended: Instant,
}

#[derive(Default)]
struct State {
    changes: Vec<String>,
    stop: Option<Stop>,
    lost: BTreeSet<String>,
    pretence: Option<(&'static str, &'static str)>,
    asked: Vec<String>,
    trace: Vec<Answered>,
    answers: BTreeMap<&'static str, (u16, String)>,
    delay: Duration,
}

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

    /// Every operation that was asked for since the last [`Counter::reset`], in order, as `Operation Region`.
    pub fn asked(&self) -> Vec<String> {
        locked(&self.0).asked.clone()
    }

    /// The longest chain of operations since the last [`Counter::reset`] of which each began when the one before it had
    /// been answered: what an apply from far away takes as many round trips for.
    pub fn longest_chain(&self) -> Vec<Answered> {
        let mut all = locked(&self.0).trace.clone();
        all.sort_by_key(|it| it.began);
        let mut chains: Vec<Vec<Answered>> = Vec::new();
        for it in all {
            let before = chains
                .iter()
                .filter(|chain| chain.last().is_some_and(|last| last.ended <= it.began));
            let mut chain = before
                .max_by_key(|chain| chain.len())
                .cloned()
                .unwrap_or_default();
            chain.push(it);
            chains.push(chain);
        }
        chains.into_iter().max_by_key(Vec::len).unwrap_or_default()
    }

    /// From now on `operation` is answered so, and does not reach AWS.
    pub fn answer(&self, operation: &'static str, status: u16, body: impl Into<String>) {
        locked(&self.0).answers.insert(operation, (status, body.into()));
    }

    /// AWS itself answers `operation` again.
    pub fn let_through(&self, operation: &'static str) {
        locked(&self.0).answers.remove(operation);
    }

    /// Forgets what was counted, and any stop.
    pub fn reset(&self) {
        let mut state = locked(&self.0);
        state.changes.clear();
        state.asked.clear();
        state.trace.clear();
        state.stop = None;
    }

    /// Nobody is answered by this Region any more.
    pub fn lose_region(&self, region: &str) {
        locked(&self.0).lost.insert(region.to_owned());
    }

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
        self.stop(at, Counts::All, moment, Box::new(action));
    }

    /// The same, counting the changes in one Region only: what goes on in several at once has no order.
    pub fn stop_in(&self, region: &str, at: usize, moment: Moment, action: impl FnOnce() + Send + 'static) {
        self.stop(at, Counts::In(region.to_owned()), moment, Box::new(action));
    }

    /// The same, counting the changes of one name only.
    pub fn stop_on(&self, change: &str, at: usize, moment: Moment, action: impl FnOnce() + Send + 'static) {
        self.stop(at, Counts::Named(change.to_owned()), moment, Box::new(action));
    }

    /// Whether the change at which to stop is still to come.
    pub fn waits_to_stop(&self) -> bool {
        locked(&self.0).stop.is_some()
    }

    fn stop(&self, after: usize, counts: Counts, moment: Moment, action: Action) {
        let mut state = locked(&self.0);
        state.changes.clear();
        state.stop = Some(Stop {
            after,
            counts,
            moment,
            action,
        });
    }

    /// From now on every answer takes so much longer, as from far away.
    pub fn delay(&self, by: Duration) {
        locked(&self.0).delay = by;
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

    /// Notes what is asked for, and the answer that was laid ready for it.
    fn note(&self, received: &Received) -> Option<Response<Bytes>> {
        let operation = operation(received);
        let mut state = locked(&self.0);
        let region = region(&received.headers).unwrap_or("everywhere");
        state.asked.push(format!("{operation} {region}"));
        let (status, body) = state.answers.get(operation.as_str())?.clone();
        let kind = if body.starts_with('{') {
            "application/x-amz-json-1.1"
        } else {
            "text/xml"
        };
        let answer = Response::builder().status(status).header("content-type", kind);
        answer.body(Bytes::from(body)).ok()
    }

    /// Counts a change; the stop, if this is the one.
    pub(super) fn count(&self, change: String, region: Option<&str>) -> Option<(Moment, Action)> {
        let mut state = locked(&self.0);
        let counts = |stop: &&mut Stop| match &stop.counts {
            Counts::All => true,
            Counts::In(wanted) => region == Some(wanted.as_str()),
            Counts::Named(wanted) => change == *wanted,
        };
        let stop = state.stop.as_mut().filter(counts).map(|stop| {
            let after = stop.after.checked_sub(1);
            stop.after = after.unwrap_or_default();
            after.is_none()
        });
        state.changes.push(change);
        stop.filter(|is_the_one| *is_the_one)?;
        state.stop.take().map(|stop| (stop.moment, stop.action))
    }
}

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
    if let Some(answer) = counter.note(&received) {
        return Reply::Answer(answer);
    }
    let (began, asked) = (Instant::now(), operation(&received));
    let delay = locked(&counter.0).delay;
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let stop = change(&received).and_then(|change| counter.count(change, region(&received.headers)));
    if let Some((Moment::Before, action)) = stop {
        action();
        return Reply::Close;
    }
    let answer = forward(upstream, received).await;
    locked(&counter.0).trace.push(Answered {
        operation: asked,
        began,
        ended: Instant::now(),
    });
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

/// What a request asks for: by name, or by method and path where the service knows no names.
fn operation(received: &Received) -> String {
    if let Some(target) = header(&received.headers, "x-amz-target") {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    let body = String::from_utf8_lossy(&received.body);
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
    match action {
        Some(action) => action.to_owned(),
        None => format!("{} {}", received.method, received.uri.path()),
    }
}

/// The change that a request asks for, if it asks for one.
fn change(received: &Received) -> Option<String> {
    let operation = operation(received);
    let changes = match operation.split_once(' ') {
        Some((method, _)) => method != "GET" && method != "HEAD",
        None => is_change(&operation),
    };
    changes.then_some(operation)
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
