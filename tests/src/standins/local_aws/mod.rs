//! A local AWS: `ministack`, started for one test or demo and gone with it.
//!
//! It is an emulator in one Python process: CloudFormation, IAM, Lambda, DynamoDB, Secrets Manager, S3,
//! ELBv2, EventBridge and what else `provision apply` deploys. It runs on 127.0.0.1 and a free port, with a
//! state directory of its own, checks signatures and role policies, and takes `test`/`test` as the root
//! credentials. Functions of runtime `provided.al2023` run as processes of this machine: the real binary,
//! kept warm between invocations, with ministack's own environment under the function's. That is how
//! [`Builder::environment`] reaches them: the endpoint of our Global Accelerator stand-in, for one.
//!
//! Nothing of the caller's environment leaks in, no AWS profile and no proxy; and nothing outlives us:
//! the process watches a pipe whose other end is held here and kills its whole process group when that
//! closes, which it does when the value is dropped and also when a test run is killed. It is kept from
//! any Docker daemon, lest its clean-up meets a developer's containers.
//!
//! A test needs no server of its own to be alone: [`LocalAws::in_account`] gives the same server seen from another
//! account, in which nothing of the others is there.
//!
//! # What ministack does, where one might wonder
//! - Function URLs answer at the `Host` `<id>.lambda-url.<region>.on.aws`, at this port.
//! - EventBridge rules and Scheduler schedules really fire: a sweep every 10 seconds looks what is due, so
//!   `rate(1 minute)` fires each 60 to 70 seconds, first one minute after it was made.
//! - A function's lines are in CloudWatch Logs when its answer arrives, in a stream per invocation. A line
//!   printed around the answer itself may come with the next invocation.
//! - `AWS_ENDPOINT_URL` of a function is always this server; the other endpoint variables are inherited.
//!
//! # What it hides
//! - Balancers of type `network` get ARNs with `loadbalancer/app/`; real ones have `loadbalancer/net/`.
//! - Neither Function URL permission is needed to call a URL, reserved concurrency in templates is ignored,
//!   a missing S3 object or a duplicate table name does not fail a stack, `CAPABILITY_NAMED_IAM` is not
//!   asked for. Our own checks must find these.
//! - A Function URL's path `/health`, exactly, is answered by ministack itself; `/health/…` reaches the function.
//! - Regions share one process: nothing is slow, stale or cut off between them.
//! - Role policies are enforced for AWS's calls, and not for those to the Global Accelerator stand-in.

mod clients;
mod processes;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::tools::{Tools, ToolsError};

pub use clients::{HttpAnswer, LocalAwsError};

/// The account of the root credentials.
pub const ACCOUNT: &str = "000000000000";
/// The root credentials' key and secret.
pub const ROOT_KEY: &str = "test";

/// How long a start may take on a machine that is busy compiling.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How often a start is tried when another process takes the port that was free a moment ago.
const START_ATTEMPTS: usize = 5;

/// Ends the whole process group, functions included, when the pipe on standard input is closed; the state
/// directory goes first, since whoever was killed cannot remove it.
const WATCHED_MAIN: &str = "
import os, shutil, signal, threading

def watch():
    while os.read(0, 1):
        pass
    state = os.environ['STATE_OF_THIS_RUN']
    shutil.rmtree(state, ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)

threading.Thread(target=watch, daemon=True).start()
from ministack.app import main
main()
";

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the local AWS is not installed")]
    Tools(#[from] ToolsError),
    #[error("the local AWS has no place to run")]
    Place(#[source] io::Error),
    #[error("the local AWS could not be started")]
    Spawn(#[source] io::Error),
    #[error("the local AWS ended with {status} while starting; its last words:\n{log}")]
    Ended { status: ExitStatus, log: String },
    #[error("the local AWS was not ready after {} s; its last words:\n{log}", START_LIMIT.as_secs())]
    NotReady { log: String },
}

/// How a local AWS is to be started.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    environment: Vec<(String, String)>,
}

impl Builder {
    /// A variable that every function inherits, unless its own configuration sets it.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where the Global Accelerator stand-in answers, for functions and for [`LocalAws::client_environment`].
    #[must_use]
    pub fn global_accelerator(self, url: &str) -> Self {
        self.environment("AWS_ENDPOINT_URL_GLOBAL_ACCELERATOR", url)
    }

    /// Starts it and returns when it answers. Installs it first where that was not done yet.
    pub fn start(self) -> Result<LocalAws, StartError> {
        let tools = Tools::ensure()?;
        let mut attempt = 1;
        loop {
            match Server::start_once(&tools, &self.environment) {
                Ok(server) => {
                    return Ok(LocalAws {
                        server: Arc::new(server),
                        key: ROOT_KEY.to_owned(),
                    });
                }
                Err(StartError::Ended { log, .. })
                    if attempt < START_ATTEMPTS && log.to_lowercase().contains("in use") =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// A running local AWS, seen from one account. Dropping the last view ends it and everything it started.
#[derive(Debug, Clone)]
pub struct LocalAws {
    server: Arc<Server>,
    /// What signs for the account.
    key: String,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    /// In the environment of the process and of all that it starts.
    nonce: String,
    environment: Vec<(String, String)>,
    process: Child,
    /// Closing it ends the process group.
    leash: Option<ChildStdin>,
    state: TempDir,
}

impl LocalAws {
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    /// The same server for the root of another account, which has twelve digits.
    #[must_use]
    pub fn in_account(&self, account: &str) -> Self {
        Self {
            server: Arc::clone(&self.server),
            // Such a key stands for its account, as `test` does for the first one.
            key: account.to_owned(),
        }
    }

    /// For `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The variables with which another program, such as `provision`, uses this AWS as root.
    pub fn client_environment(&self) -> Vec<(String, String)> {
        let ours = [
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_ACCESS_KEY_ID", self.key.clone()),
            ("AWS_SECRET_ACCESS_KEY", ROOT_KEY.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        let endpoints = self
            .server
            .environment
            .iter()
            .filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL_"));
        ours.map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .chain(endpoints.cloned())
            .collect()
    }

    /// The last lines of ministack's own log.
    pub fn log_tail(&self, lines: usize) -> String {
        self.server.log_tail(lines)
    }
}

impl Server {
    fn log_tail(&self, lines: usize) -> String {
        tail(&log_path(&self.state), lines)
    }

    fn start_once(tools: &Tools, environment: &[(String, String)]) -> Result<Self, StartError> {
        let state = tempfile::Builder::new()
            .prefix("sitefence-aws-")
            .tempdir()
            .map_err(StartError::Place)?;
        let address = free_address().map_err(StartError::Place)?;
        let nonce = nonce();
        let log = File::create(log_path(&state)).map_err(StartError::Place)?;
        let scratch = state.path().join("tmp");
        fs::create_dir(&scratch).map_err(StartError::Place)?;
        let mut command = Command::new(tools.python());
        command
            .args(["-c", WATCHED_MAIN])
            .current_dir(state.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", state.path())
            .env("LANG", "C.UTF-8")
            .env("PYTHONUNBUFFERED", "1")
            .env("BIND_HOST", Ipv4Addr::LOCALHOST.to_string())
            .env("GATEWAY_PORT", address.port().to_string())
            .env("AUTH", "true")
            .env("AWS_ENDPOINT_URL", format!("http://{address}"))
            .env("TMPDIR", &scratch)
            .env("STATE_OF_THIS_RUN", state.path())
            .env("STATE_DIR", state.path().join("state"))
            .env("S3_DATA_DIR", state.path().join("s3"))
            .env(
                "DOCKER_HOST",
                format!("unix://{}", state.path().join("no-docker.sock").display()),
            )
            // These two would take fixed ports.
            .env("IOT_MTLS_ENABLED", "0")
            .env("SFTP_ENABLED", "0")
            // Shown by the health endpoint: it proves that the one who answers is the one we started.
            .env("MINISTACK_EDITION", &nonce)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().map_err(StartError::Place)?)
            .stderr(log);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn().map_err(StartError::Spawn)?;
        let leash = process.stdin.take();
        let mut started = Self {
            address,
            nonce,
            environment: environment.to_vec(),
            process,
            leash,
            state,
        };
        started.wait_until_ready()?;
        Ok(started)
    }

    fn wait_until_ready(&mut self) -> Result<(), StartError> {
        let end = Instant::now() + START_LIMIT;
        while Instant::now() < end {
            if let Some(status) = self.process.try_wait().map_err(StartError::Spawn)? {
                return Err(StartError::Ended {
                    status,
                    log: self.log_tail(40),
                });
            }
            if health(self.address).is_ok_and(|answer| answer.contains(&self.nonce)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(StartError::NotReady {
            log: self.log_tail(40),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.leash.take());
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            match self.process.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                _ => return,
            }
        }
        // It did not follow its leash: at least the server itself must go.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn nonce() -> String {
    static STARTED: AtomicU64 = AtomicU64::new(0);
    format!(
        "sitefence-{}-{}",
        std::process::id(),
        STARTED.fetch_add(1, Ordering::Relaxed)
    )
}

fn log_path(state: &TempDir) -> PathBuf {
    state.path().join("ministack.log")
}

fn tail(path: &PathBuf, lines: usize) -> String {
    let text = fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..)
        .unwrap_or_default()
        .join("\n")
}

/// Asks the health endpoint, with nothing but a socket: this runs before there is a runtime.
fn health(address: SocketAddr) -> io::Result<String> {
    let limit = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    write!(
        stream,
        "GET /_ministack/health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200") {
        Ok(answer)
    } else {
        Err(io::Error::other(answer))
    }
}
