//! The Runtime API of one process, and that process's life.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot, watch};

use super::{Ended, FunctionError};
use crate::standins::calls::CallLog;
use crate::standins::locked;
use crate::standins::server::{Received, Reply};

const VERSION: &str = "/2018-06-01/runtime/";

/// How long a process may take to stop, on a machine that is busy.
const STANDSTILL_LIMIT: Duration = Duration::from_secs(10);

/// An event that waits for the process to ask for it.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) request_id: String,
    pub(super) event: String,
    pub(super) ended: oneshot::Sender<Ended>,
}

#[derive(Debug)]
pub(super) struct Shared {
    arn: String,
    timeout: Duration,
    freezes: bool,
    spawned: Instant,
    inner: Mutex<Inner>,
    enqueued: Notify,
    /// When the first event was asked for, counted from the start; or that it never will be.
    init: watch::Sender<Init>,
}

#[derive(Debug, Clone, Copy)]
enum Init {
    Running,
    Done(Duration),
    Ended,
}

#[derive(Debug, Default)]
struct Inner {
    child: Option<Child>,
    exit_status: Option<ExitStatus>,
    /// No process any more: what comes from it now is not heard.
    over: bool,
    frozen_while_idle: bool,
    /// What it reported instead of asking for a first event.
    init_error: Option<Value>,
    queue: VecDeque<Pending>,
    current: Option<Pending>,
}

impl Shared {
    pub(super) fn new(arn: String, timeout: Duration, freezes: bool) -> Self {
        Self {
            arn,
            timeout,
            freezes,
            spawned: Instant::now(),
            inner: Mutex::new(Inner::default()),
            enqueued: Notify::new(),
            init: watch::Sender::new(Init::Running),
        }
    }

    pub(super) fn started(&self, child: Child) {
        locked(&self.inner).child = Some(child);
    }

    pub(super) fn enqueue(&self, pending: Pending) {
        let mut inner = locked(&self.inner);
        if let Some(error) = &inner.init_error {
            let _ = pending.ended.send(Ended::InitFailed(error.clone()));
            return;
        }
        if inner.over {
            // Dropping it tells whoever waits that there is no process.
            return;
        }
        inner.queue.push_back(pending);
        if std::mem::take(&mut inner.frozen_while_idle) {
            let _ = signal(&inner, Signal::Continue);
        }
        drop(inner);
        self.enqueued.notify_one();
    }

    pub(super) fn is_alive(&self) -> bool {
        !locked(&self.inner).over
    }

    pub(super) fn exit_status(&self) -> Option<ExitStatus> {
        locked(&self.inner).exit_status
    }

    pub(super) async fn initialised(&self) -> Option<Duration> {
        let mut init = self.init.subscribe();
        let settled = init.wait_for(|init| !matches!(init, Init::Running)).await.ok()?;
        match *settled {
            Init::Done(after) => Some(after),
            Init::Running | Init::Ended => None,
        }
    }

    pub(super) fn kill(&self) {
        let mut inner = locked(&self.inner);
        if let Some(child) = inner.child.as_mut() {
            // It may have ended by itself in the meantime.
            let _ = child.kill();
        }
        self.over(&mut inner);
        drop(inner);
        self.reap();
    }

    /// Returns when it stands still. The signal alone does not say so: the kernel gives it to one thread, and
    /// until that one has run and stopped the others, they go on.
    pub(super) fn freeze(&self) -> Result<(), FunctionError> {
        signal(&locked(&self.inner), Signal::Stop)?;
        let end = Instant::now() + STANDSTILL_LIMIT;
        while Instant::now() < end {
            let mut inner = locked(&self.inner);
            let ended = inner
                .child
                .as_mut()
                .is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            if ended {
                return Err(FunctionError::NotRunning);
            }
            if has_stopped(&inner) {
                return Ok(());
            }
            drop(inner);
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(FunctionError::NotStanding {
            limit: STANDSTILL_LIMIT,
        })
    }

    pub(super) fn thaw(&self) -> Result<(), FunctionError> {
        signal(&locked(&self.inner), Signal::Continue)
    }

    /// Waits for the process to be gone, which its closed output or its death sentence announced.
    pub(super) fn reap(&self) {
        loop {
            let mut inner = locked(&self.inner);
            match inner.child.as_mut().map(Child::try_wait) {
                // Not told of it yet: it was followed from before that.
                None if !inner.over => {}
                Some(Ok(None)) => {}
                Some(Ok(Some(status))) => {
                    inner.exit_status = Some(status);
                    self.over(&mut inner);
                    return;
                }
                None | Some(Err(_)) => {
                    self.over(&mut inner);
                    return;
                }
            }
            drop(inner);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn over(&self, inner: &mut Inner) {
        inner.over = true;
        // Their senders go unused, which reads as `Died`.
        inner.queue.clear();
        inner.current = None;
        self.init.send_if_modified(|init| {
            let running = matches!(init, Init::Running);
            if running {
                *init = Init::Ended;
            }
            running
        });
    }

    pub(super) async fn respond(self: Arc<Self>, request: Received) -> Reply {
        let Some(path) = request.uri.path().strip_prefix(VERSION) else {
            return unknown(&request);
        };
        let segments: Vec<&str> = path.split('/').collect();
        match (&request.method, segments.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => {
                if request
                    .headers
                    .contains_key("lambda-runtime-function-response-mode")
                {
                    let message = "the stand-in of the Runtime API takes only buffered answers";
                    return refused("InvalidStateTransition", message);
                }
                self.finish(id, &request.body, Ended::Answered)
            }
            (&Method::POST, ["invocation", id, "error"]) => self.finish(id, &request.body, Ended::Failed),
            (&Method::POST, ["init", "error"]) => {
                let payload = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
                let mut inner = locked(&self.inner);
                for waiting in inner.queue.drain(..) {
                    let _ = waiting.ended.send(Ended::InitFailed(payload.clone()));
                }
                inner.init_error = Some(payload);
                accepted()
            }
            _ => unknown(&request),
        }
    }

    /// The long poll: answered when there is an event.
    async fn next(self: Arc<Self>) -> Reply {
        self.init.send_if_modified(|init| {
            let running = matches!(init, Init::Running);
            if running {
                *init = Init::Done(self.spawned.elapsed());
            }
            running
        });
        loop {
            let waiting = self.enqueued.notified();
            {
                let mut inner = locked(&self.inner);
                if inner.over {
                    return Reply::Close;
                }
                // It asks for the next without having ended this one: Lambda calls that a failure of the
                // runtime; here whoever waits for the answer is told that it will not come.
                inner.current = None;
                if let Some(pending) = inner.queue.pop_front() {
                    let reply = self.handed_over(&pending);
                    let request_id = pending.request_id.clone();
                    inner.current = Some(pending);
                    drop(inner);
                    let shared = Arc::clone(&self);
                    tokio::spawn(async move { shared.enforce_deadline(&request_id).await });
                    return reply;
                }
                if self.freezes && signal(&inner, Signal::Stop).is_ok() {
                    inner.frozen_while_idle = true;
                }
            }
            waiting.await;
        }
    }

    fn handed_over(&self, pending: &Pending) -> Reply {
        let deadline = SystemTime::now() + self.timeout;
        let deadline_ms = deadline
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis()
            .to_string();
        let mut response = Response::new(Bytes::from(pending.event.clone()));
        let headers = response.headers_mut();
        for (name, value) in [
            ("content-type", "application/json"),
            ("lambda-runtime-aws-request-id", &pending.request_id),
            ("lambda-runtime-deadline-ms", &deadline_ms),
            ("lambda-runtime-invoked-function-arn", &self.arn),
            (
                "lambda-runtime-trace-id",
                "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
            ),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        Reply::Answer(response)
    }

    async fn enforce_deadline(&self, request_id: &str) {
        tokio::time::sleep(self.timeout).await;
        let late = {
            let mut inner = locked(&self.inner);
            match inner.current.take_if(|current| current.request_id == request_id) {
                Some(late) => {
                    if let Some(child) = inner.child.as_mut() {
                        let _ = child.kill();
                    }
                    self.over(&mut inner);
                    late
                }
                None => return,
            }
        };
        let _ = late.ended.send(Ended::TimedOut);
    }

    fn finish(&self, request_id: &str, body: &[u8], ended: fn(Value) -> Ended) -> Reply {
        let mut inner = locked(&self.inner);
        if inner.over {
            return Reply::Close;
        }
        let Some(current) = inner.current.take_if(|current| current.request_id == request_id) else {
            return refused(
                "InvalidRequestID",
                &format!("{request_id} is not the current invocation"),
            );
        };
        let Ok(answer) = serde_json::from_slice(body) else {
            let _ = current.ended.send(Ended::Failed(json!({
                "errorType": "Runtime.MarshalError",
                "errorMessage": "the answer is not JSON",
            })));
            return refused("InvalidJSON", "the answer is not JSON");
        };
        let _ = current.ended.send(ended(answer));
        accepted()
    }
}

#[derive(Clone, Copy)]
enum Signal {
    Stop,
    Continue,
}

fn signal(inner: &Inner, signal: Signal) -> Result<(), FunctionError> {
    let process = process(inner).ok_or(FunctionError::NotRunning)?;
    let (name, signal) = match signal {
        Signal::Stop => ("SIGSTOP", rustix::process::Signal::STOP),
        Signal::Continue => ("SIGCONT", rustix::process::Signal::CONT),
    };
    rustix::process::kill_process(process, signal).map_err(|error| FunctionError::Signal {
        pid: process.as_raw_pid(),
        signal: name,
        source: error.into(),
    })
}

fn process(inner: &Inner) -> Option<Pid> {
    let id = inner.child.as_ref()?.id();
    Pid::from_raw(i32::try_from(id).ok()?)
}

/// Asks for stopped children only, so that the end of the process stays for [`Child`] to notice.
fn has_stopped(inner: &Inner) -> bool {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    let asked = process(inner).map(|process| waitid(WaitId::Pid(process), options));
    matches!(asked, Some(Ok(Some(_))))
}

/// Reads lines until the stream ends.
pub(super) fn collect(stream: impl Read, log: &CallLog<String>) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        log.record(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
}

fn accepted() -> Reply {
    reply(StatusCode::ACCEPTED, &json!({"status": "OK"}))
}

fn refused(kind: &str, message: &str) -> Reply {
    reply(
        StatusCode::BAD_REQUEST,
        &json!({"errorType": kind, "errorMessage": message}),
    )
}

fn unknown(request: &Received) -> Reply {
    let message = format!(
        "the stand-in of the Runtime API does not know {} {}",
        request.method, request.uri
    );
    reply(
        StatusCode::NOT_FOUND,
        &json!({"errorType": "UnknownPath", "errorMessage": message}),
    )
}

fn reply(status: StatusCode, body: &Value) -> Reply {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/json"));
    Reply::Answer(response)
}
