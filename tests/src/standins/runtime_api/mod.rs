//! The part of Lambda that a function talks to, around the function's real binary.
//!
//! ```text
//!   test ── invoke(event) ──▶ FunctionProcess ◀── GET  …/invocation/next ────── bootstrap
//!        ◀── Ended ─────────                  ◀── POST …/invocation/{id}/response   │
//!                 kill(), freeze(), thaw() ─────────────────────────────────────────┘
//! ```
//!
//! Emulators of Lambda hide the moments that matter here: a function that dies between two effects, one
//! that runs into its timeout, one that is frozen right after its answer and thawed much later with dead
//! connections. So this starts the binary as a process, with nothing in its environment but what Lambda
//! gives and what a test adds, and hands it events over the Runtime API of 2018-06-01.
//!
//! As in Lambda: one event at a time; a process that passes the deadline is killed; one that waits for the
//! next event is stopped (`SIGSTOP`) until there is one, unless [`Builder::never_frozen`]; after a death
//! the next event starts a new process, and nothing the old one still sends is heard, since each process
//! has a Runtime API of its own. Not as in Lambda: the process sees this machine's network and files, a
//! cold start takes no time beside the binary's own, and only buffered answers are taken.

mod api;
mod events;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

use super::calls::CallLog;
use super::locked;
use super::server::{Server, StartError};
use api::{Pending, Shared};

pub use events::{FunctionUrlRequest, HttpAnswer, scheduled_event};

#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    #[error("the function has no Runtime API to talk to")]
    Api(#[from] StartError),
    #[error("the function's binary {program} cannot be run")]
    Spawn { program: PathBuf, source: io::Error },
    #[error("the function's process {pid} cannot be sent {signal}")]
    Signal {
        pid: i32,
        signal: &'static str,
        source: io::Error,
    },
    #[error("the function's process was told to stop and still ran after {} s", limit.as_secs())]
    NotStanding { limit: Duration },
    #[error("there is no process of the function")]
    NotRunning,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    Answered(Value),
    /// The handler returned an error, or panicked.
    Failed(Value),
    /// The function reported that it cannot start.
    InitFailed(Value),
    /// The deadline passed and the process was killed.
    TimedOut,
    /// The process ended before it answered: killed, or of its own accord.
    Died,
}

/// An event on its way through the function.
#[derive(Debug)]
pub struct Invocation {
    pub request_id: String,
    ended: oneshot::Receiver<Ended>,
}

impl Invocation {
    /// Waits for the end, which comes at the latest when the function's timeout is over.
    pub async fn ended(self) -> Ended {
        // The sender is dropped unused only with the process it was handed to.
        self.ended.await.unwrap_or(Ended::Died)
    }

    /// The same for code that has no runtime; it blocks the thread.
    pub fn wait(self) -> Ended {
        self.ended.blocking_recv().unwrap_or(Ended::Died)
    }
}

/// What a function is started with.
#[derive(Debug, Clone)]
pub struct Builder {
    program: PathBuf,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    name: String,
    region: String,
    task_root: PathBuf,
    timeout: Duration,
    freezes: bool,
}

impl Builder {
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// One variable, over what Lambda sets.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    pub fn environments(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    #[must_use]
    pub fn region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    /// The directory that the function's zip is unpacked into; the binary's own unless told.
    #[must_use]
    pub fn task_root(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.task_root);
        self
    }

    /// How long one invocation may take; Lambda's default of 3 seconds unless told.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The process runs on while it waits for the next event.
    #[must_use]
    pub fn never_frozen(mut self) -> Self {
        self.freezes = false;
        self
    }

    /// A function that is not started yet: the first event does that, or [`FunctionProcess::start`].
    pub fn build(self) -> FunctionProcess {
        FunctionProcess {
            settings: self,
            running: Mutex::new(None),
            log: Arc::new(CallLog::default()),
            invocations: AtomicU64::new(0),
        }
    }

    fn arn(&self) -> String {
        format!(
            "arn:aws:lambda:{}:123456789012:function:{}",
            self.region, self.name
        )
    }

    fn command(&self, api: &str) -> Command {
        let lambda = [
            ("AWS_LAMBDA_RUNTIME_API", api),
            ("AWS_LAMBDA_FUNCTION_NAME", &self.name),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            (
                "AWS_LAMBDA_LOG_STREAM_NAME",
                "2026/11/21/[$LATEST]0123456789abcdef",
            ),
            ("AWS_REGION", &self.region),
            ("AWS_DEFAULT_REGION", &self.region),
            ("AWS_ACCESS_KEY_ID", "ASIATESTFUNCTION"),
            ("AWS_SECRET_ACCESS_KEY", "secret-of-the-role"),
            ("AWS_SESSION_TOKEN", "token-of-the-role"),
            ("_HANDLER", "bootstrap"),
            ("LANG", "en_US.UTF-8"),
            ("TZ", ":UTC"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ];
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .current_dir(&self.task_root)
            .env_clear()
            .envs(lambda)
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", self.name))
            .env("LAMBDA_TASK_ROOT", &self.task_root)
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// A function, with or without a process at the moment; dropping it kills the process.
#[derive(Debug)]
pub struct FunctionProcess {
    settings: Builder,
    running: Mutex<Option<Running>>,
    log: Arc<CallLog<String>>,
    invocations: AtomicU64,
}

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    /// Last, so that the process is killed before its Runtime API goes.
    _api: Server,
}

impl FunctionProcess {
    pub fn builder(program: impl Into<PathBuf>) -> Builder {
        let program = program.into();
        let task_root = program.parent().unwrap_or_else(|| Path::new("/")).to_owned();
        Builder {
            program,
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            name: "fencing".to_owned(),
            region: "eu-west-1".to_owned(),
            task_root,
            timeout: Duration::from_secs(3),
            freezes: true,
        }
    }

    /// Starts a process if there is none. It initialises on its own from here.
    pub fn start(&self) -> Result<(), FunctionError> {
        let mut running = locked(&self.running);
        if running.as_ref().is_some_and(|running| running.shared.is_alive()) {
            return Ok(());
        }
        *running = None;
        *running = Some(self.spawn()?);
        Ok(())
    }

    /// Hands over an event; starts a process first if there is none.
    pub fn send(&self, event: &Value) -> Result<Invocation, FunctionError> {
        self.start()?;
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("00000000-0000-4000-9000-{number:012x}");
        let (sender, ended) = oneshot::channel();
        if let Some(running) = locked(&self.running).as_ref() {
            let event = event.to_string();
            running.shared.enqueue(Pending {
                request_id: request_id.clone(),
                event,
                ended: sender,
            });
        }
        Ok(Invocation { request_id, ended })
    }

    /// Hands over an event and waits for its end.
    pub async fn invoke(&self, event: &Value) -> Result<Ended, FunctionError> {
        Ok(self.send(event)?.ended().await)
    }

    /// Sends a request as the Function URL does. None when the invocation ended without an answer to it.
    pub async fn request(&self, request: &FunctionUrlRequest) -> Result<Option<HttpAnswer>, FunctionError> {
        Ok(match self.invoke(&request.event()).await? {
            Ended::Answered(answer) => Some(HttpAnswer::of(&answer)),
            _ => None,
        })
    }

    /// Waits until the process asked for its first event; the answer is how long after its start it did.
    /// None when it ended, or did not ask within `limit`.
    pub async fn initialised(&self, limit: Duration) -> Option<Duration> {
        let shared = locked(&self.running)
            .as_ref()
            .map(|running| Arc::clone(&running.shared))?;
        tokio::time::timeout(limit, shared.initialised())
            .await
            .ok()
            .flatten()
    }

    /// Kills the process where it stands, as a host that loses power does. What it was doing is `Died`.
    pub fn kill(&self) {
        if let Some(running) = locked(&self.running).take() {
            running.shared.kill();
        }
    }

    /// Stops the process where it stands, until [`FunctionProcess::thaw`].
    pub fn freeze(&self) -> Result<(), FunctionError> {
        self.signal(Shared::freeze)
    }

    pub fn thaw(&self) -> Result<(), FunctionError> {
        self.signal(Shared::thaw)
    }

    fn signal(&self, send: impl Fn(&Shared) -> Result<(), FunctionError>) -> Result<(), FunctionError> {
        let running = locked(&self.running);
        send(&running.as_ref().ok_or(FunctionError::NotRunning)?.shared)
    }

    pub fn is_running(&self) -> bool {
        locked(&self.running)
            .as_ref()
            .is_some_and(|running| running.shared.is_alive())
    }

    /// How the last process ended, if it did.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        locked(&self.running)
            .as_ref()
            .and_then(|running| running.shared.exit_status())
    }

    /// Every line that any of its processes printed, on either stream.
    pub fn log(&self) -> &CallLog<String> {
        &self.log
    }

    fn spawn(&self) -> Result<Running, FunctionError> {
        let settings = &self.settings;
        let shared = Arc::new(Shared::new(settings.arn(), settings.timeout, settings.freezes));
        let handling = Arc::clone(&shared);
        let api = Server::start("the Lambda Runtime API", None, move |request| {
            let handling = Arc::clone(&handling);
            async move { handling.respond(request).await }
        })?;
        let spawn_error = |source| FunctionError::Spawn {
            program: settings.program.clone(),
            source,
        };
        let mut child = settings
            .command(&api.address().to_string())
            .spawn()
            .map_err(spawn_error)?;
        self.follow(&mut child, &shared).map_err(spawn_error)?;
        shared.started(child);
        Ok(Running { shared, _api: api })
    }

    /// Collects the process's lines, and notices its end by the end of its output.
    fn follow(&self, child: &mut Child, shared: &Arc<Shared>) -> io::Result<()> {
        let name = || std::thread::Builder::new().name("function output".to_owned());
        if let Some(errors) = child.stderr.take() {
            let log = Arc::clone(&self.log);
            name().spawn(move || api::collect(errors, &log))?;
        }
        if let Some(output) = child.stdout.take() {
            let (log, shared) = (Arc::clone(&self.log), Arc::clone(shared));
            name().spawn(move || {
                api::collect(output, &log);
                shared.reap();
            })?;
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.kill();
    }
}
