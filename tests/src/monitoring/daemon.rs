//! A daemon of a test: started with a folder of its own, found by the address that it says it listens on, and gone
//! with whoever started it, also when that was killed.

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::standins::calls::CallLog;

/// How long a start may take on a machine that is busy compiling.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Runs a program until standard input is closed, which the kernel does when we are gone.
const ON_A_LEASH: &str = r#""$@" & child=$!; exec >/dev/null 2>&1; cat; kill -9 "$child""#;

#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error("{what} cannot be started")]
    Start { what: &'static str, source: io::Error },
    #[error("{what} ended before it listened, or never did; its last words:\n{log}")]
    NotListening { what: &'static str, log: String },
    #[error("{request} was not answered: {message}")]
    NoAnswer { request: String, message: String },
    #[error("{request} was answered {status}: {body}")]
    Refused {
        request: String,
        status: u16,
        body: String,
    },
}

/// A running daemon; dropping it ends it.
#[derive(Debug)]
pub(super) struct Daemon {
    address: SocketAddr,
    log: Arc<CallLog<String>>,
    child: Child,
    leash: Option<ChildStdin>,
}

impl Daemon {
    /// Starts it and waits until it says where it listens, in a line with `mark`.
    pub(super) fn start(
        what: &'static str,
        program: &Path,
        arguments: &[String],
        environment: &[(&str, &str)],
        folder: &Path,
        mark: &str,
    ) -> Result<Self, DaemonError> {
        let failed = |source| DaemonError::Start { what, source };
        let mut child = Command::new("sh")
            .args(["-c", ON_A_LEASH, "sh"])
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let leash = child.stdin.take();
        let log: Arc<CallLog<String>> = Arc::default();
        if let Some(output) = child.stderr.take() {
            let log = Arc::clone(&log);
            std::thread::Builder::new()
                .name(format!("output of {what}"))
                .spawn(move || {
                    for line in BufReader::new(output).lines().map_while(Result::ok) {
                        log.record(line);
                    }
                    log.record(ENDED.to_owned());
                })
                .map_err(failed)?;
        }
        let is_decided = |lines: &[String]| {
            lines
                .iter()
                .any(|line| line == ENDED || listening(line, mark).is_some())
        };
        log.wait_until(START_LIMIT, is_decided);
        let address = log.all().iter().find_map(|line| listening(line, mark));
        let mut daemon = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log,
            child,
            leash,
        };
        match address {
            Some(address) => {
                daemon.address = address;
                Ok(daemon)
            }
            None => Err(DaemonError::NotListening {
                what,
                log: daemon.log.all().join("\n"),
            }),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every line that it printed.
    pub(super) fn log(&self) -> &CallLog<String> {
        &self.log
    }

    /// A request to its API, and the answer's body; nothing where that is no JSON.
    pub(super) async fn ask(
        &self,
        method: Method,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Value, DaemonError> {
        let bytes = self.send(method, target, body).await?;
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// A page of it, as text.
    pub(super) async fn page(&self, target: &str) -> Result<String, DaemonError> {
        let bytes = self.send(Method::GET, target, None).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn send(&self, method: Method, target: &str, body: Option<&Value>) -> Result<Bytes, DaemonError> {
        let request = format!("{method} http://{}{target}", self.address);
        let no_answer = |error: &dyn std::fmt::Display| DaemonError::NoAnswer {
            request: request.clone(),
            message: error.to_string(),
        };
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(|error| no_answer(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| no_answer(&error))?;
        let driver = tokio::spawn(connection);
        let sent = Request::builder()
            .method(method)
            .uri(target)
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(
                body.map(Value::to_string).unwrap_or_default(),
            )))
            .map_err(|error| no_answer(&error))?;
        let answer = sender
            .send_request(sent)
            .await
            .map_err(|error| no_answer(&error))?;
        let status = answer.status();
        let bytes = answer
            .into_body()
            .collect()
            .await
            .map_err(|error| no_answer(&error))?;
        driver.abort();
        let bytes = bytes.to_bytes();
        if !status.is_success() {
            return Err(DaemonError::Refused {
                request,
                status: status.as_u16(),
                body: String::from_utf8_lossy(&bytes).into_owned(),
            });
        }
        Ok(bytes)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.leash = None;
        // It ends by itself now; waiting leaves no zombie behind.
        let _ = self.child.wait();
    }
}

const ENDED: &str = "(it ended)";

/// The address in a line of Go's logfmt such as `msg="Listening on" address=127.0.0.1:9093`.
fn listening(line: &str, mark: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("address=").filter(|_| line.contains(mark))?;
    rest.split_whitespace()
        .next()?
        .trim_matches('"')
        .parse()
        .ok()
        .filter(|address: &SocketAddr| address.port() != 0)
}
