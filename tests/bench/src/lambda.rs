//! One process behind Lambda's runtime interface: the same emulator for whoever is measured.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::Trouble;

const LIMIT: Duration = Duration::from_secs(60);

/// How a process is started.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) command: Vec<OsString>,
    pub(crate) directory: PathBuf,
    pub(crate) environment: Vec<(String, String)>,
}

struct Handed {
    event: String,
    /// When it was handed over, and when its answer had come.
    answered: oneshot::Sender<(Instant, Instant, Value)>,
}

/// What was measured of one event.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) answer: Value,
}

impl Answered {
    pub(crate) fn took(&self) -> Duration {
        self.ended - self.began
    }

    pub(crate) fn status(&self) -> i64 {
        let status = self.answer["statusCode"].as_i64();
        status.unwrap_or_default()
    }
}

pub(crate) struct Process {
    child: Child,
    events: mpsc::UnboundedSender<Handed>,
    pub(crate) spawned: Instant,
    pub(crate) first_poll: Duration,
    /// What it had used of a processor by then.
    pub(crate) start_cpu: Duration,
}

impl Process {
    /// Starts it and waits until it asks for its first event.
    pub(crate) async fn start(program: &Program) -> Result<Self, Trouble> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (events, queue) = mpsc::unbounded_channel::<Handed>();
        let (polled, first) = oneshot::channel();
        let state = Arc::new(State {
            queue: tokio::sync::Mutex::new(queue),
            current: Mutex::default(),
            polled: Mutex::new(Some(polled)),
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let state = Arc::clone(&state);
                        async move { Ok::<_, Infallible>(state.respond(request).await) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        let (head, arguments) = program.command.split_first().ok_or("no program is named")?;
        let mut command = Command::new(head);
        command
            .args(arguments)
            .current_dir(&program.directory)
            .env_clear()
            .envs(program.environment.iter().cloned())
            .env("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let spawned = Instant::now();
        let child = command.spawn()?;
        let at = timeout(LIMIT, first)
            .await
            .map_err(|_| format!("{} did not ask for an event", program.name))??;
        let mut process = Self {
            child,
            events,
            spawned,
            first_poll: at - spawned,
            start_cpu: Duration::ZERO,
        };
        process.start_cpu = process.cpu();
        Ok(process)
    }

    /// Hands over an event and waits for its answer.
    pub(crate) async fn invoke(&self, event: &Value) -> Result<Answered, Trouble> {
        let (answered, answer) = oneshot::channel();
        let event = event.to_string();
        self.events.send(Handed { event, answered })?;
        let (began, ended, answer) = timeout(LIMIT, answer)
            .await
            .map_err(|_| "an event was not answered")??;
        Ok(Answered { began, ended, answer })
    }

    /// What it has used of a processor, all threads together.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = format!("/proc/{}/task", self.child.id().unwrap_or_default());
        let used = std::fs::read_dir(tasks)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|task| {
                let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
                text.split(' ').next()?.parse::<u64>().ok()
            });
        Duration::from_nanos(used.sum())
    }

    /// The most memory that it has held, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id().unwrap_or_default());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .unwrap_or_default()
    }
}

/// An invocation that is under way: when it was handed out, and who waits for its answer.
type UnderWay = (Instant, oneshot::Sender<(Instant, Instant, Value)>);

struct State {
    queue: tokio::sync::Mutex<mpsc::UnboundedReceiver<Handed>>,
    current: Mutex<Option<UnderWay>>,
    polled: Mutex<Option<oneshot::Sender<Instant>>>,
}

impl State {
    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        if path.ends_with("/invocation/next") {
            if let Some(polled) = self.polled.lock().take() {
                let _ = polled.send(Instant::now());
            }
            let Some(handed) = self.queue.lock().await.recv().await else {
                return Response::new(Full::default());
            };
            let deadline = SystemTime::now() + Duration::from_secs(15);
            let deadline_ms = deadline
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_millis();
            *self.current.lock() = Some((Instant::now(), handed.answered));
            let response = Response::builder()
                .header("content-type", "application/json")
                .header(
                    "lambda-runtime-aws-request-id",
                    "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                )
                .header("lambda-runtime-deadline-ms", deadline_ms.to_string())
                .header(
                    "lambda-runtime-invoked-function-arn",
                    "arn:aws:lambda:eu-west-1:111111111111:function:f",
                )
                .header(
                    "lambda-runtime-trace-id",
                    "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
                );
            return response.body(Full::from(handed.event)).unwrap_or_default();
        }
        let body = request
            .into_body()
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        let ended = Instant::now();
        if let Some((began, answered)) = self.current.lock().take() {
            let answer = serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default();
            let _ = answered.send((began, ended, answer));
        }
        let mut response = Response::new(Full::from("{\"status\":\"OK\"}"));
        *response.status_mut() = http::StatusCode::ACCEPTED;
        response
    }
}
