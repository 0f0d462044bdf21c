//! Real API servers on loopback: kube-apiserver over etcd, and nothing else of a cluster.
//!
//! ```text
//!   RealServers ──▶ etcd ◀── kube-apiserver   prefix /server-0
//!        │            ◀───── kube-apiserver   prefix /server-1
//!        └─▶ servers.json, named by SITEFENCE_REAL_KUBERNETES ─▶ test binaries
//! ```
//!
//! Whoever runs the tests starts them, because they take seconds to be ready and outlive any one test. No controllers
//! run: namespaces are finalised, and StatefulSets get ready, by the hands that play the cluster's operators.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::standins::certificates::{CertificateError, TestAuthority};

/// Names the file that tells of the servers.
pub const VARIABLE: &str = "SITEFENCE_REAL_KUBERNETES";

const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Good on loopback, for as long as the servers live.
const TOKEN: &str = "the-administrator-of-a-real-server";

/// How to speak to one server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Address {
    pub url: String,
    pub token: String,
    pub authority: PathBuf,
}

impl Address {
    /// What `KUBECONFIG` has to hold for whoever is to reach it.
    pub fn kubeconfig(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "real",
            "clusters": [{"name": "real", "cluster": {
                "server": self.url, "certificate-authority": self.authority,
            }}],
            "users": [{"name": "real", "user": {"token": self.token}}],
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": "real"}}],
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RealError {
    #[error("{what} cannot be started; etcd is in Debian's package etcd-server: {source}")]
    Start { what: String, source: io::Error },
    #[error("the certificates of the servers cannot be made: {0}")]
    Certificate(#[from] CertificateError),
    #[error("a place for the servers cannot be prepared: {0}")]
    Place(#[from] io::Error),
    #[error("{what} did not get ready; it said:\n{said}")]
    NotReady { what: String, said: String },
}

/// The servers, their etcd, and the directory that they write to; dropping it ends them.
#[derive(Debug)]
pub struct RealServers {
    children: Vec<Child>,
    described: PathBuf,
    // Removed when everything that writes there has ended.
    _place: tempfile::TempDir,
}

impl RealServers {
    /// Starts as many as are wanted, and waits until they are ready.
    pub fn start(program: &Path, count: usize) -> Result<Self, RealError> {
        let place = tempfile::tempdir()?;
        let authority = TestAuthority::new("authority of the real servers")?;
        let server = authority.server_pem(&["localhost", "127.0.0.1"])?;
        let file = |name: &str| place.path().join(name);
        std::fs::write(file("authority.pem"), authority.pem())?;
        std::fs::write(file("server.pem"), server.certificate)?;
        std::fs::write(file("server.key"), server.key)?;
        std::fs::write(
            file("tokens.csv"),
            format!("{TOKEN},administrator,1,\"system:masters\"\n"),
        )?;

        let mut servers = Self {
            children: Vec::new(),
            described: file("servers.json"),
            _place: place,
        };
        let (etcd, peers) = (free_port()?, free_port()?);
        let etcd = format!("http://127.0.0.1:{etcd}");
        let mut store = Command::new("etcd");
        store
            .arg("--data-dir")
            .arg(servers.file("etcd"))
            .args(["--listen-client-urls", &etcd, "--advertise-client-urls", &etcd])
            .args(["--listen-peer-urls", &format!("http://127.0.0.1:{peers}")])
            .args(["--logger", "zap", "--log-level", "error"]);
        servers.spawn("etcd", &store)?;
        let mut addresses = Vec::new();
        for index in 0..count {
            let port = free_port()?;
            let name = format!("server-{index}");
            let mut command = Command::new(program);
            command
                .args(["--etcd-servers", &etcd, "--etcd-prefix", &format!("/{name}")])
                .args(["--bind-address", "127.0.0.1", "--secure-port", &port.to_string()])
                .arg("--tls-cert-file")
                .arg(servers.file("server.pem"))
                .arg("--tls-private-key-file")
                .arg(servers.file("server.key"))
                .arg("--token-auth-file")
                .arg(servers.file("tokens.csv"))
                .args(["--service-account-issuer", "https://kubernetes.default.svc"])
                // A certificate is as good as a public key here.
                .arg("--service-account-key-file")
                .arg(servers.file("server.pem"))
                .arg("--service-account-signing-key-file")
                .arg(servers.file("server.key"))
                .args([
                    "--authorization-mode",
                    "RBAC",
                    "--service-cluster-ip-range",
                    "10.0.0.0/24",
                ])
                // Nobody reaches it as a Service.
                .args(["--endpoint-reconciler-type", "none"]);
            servers.spawn(&name, &command)?;
            addresses.push(Address {
                url: format!("https://127.0.0.1:{port}"),
                token: TOKEN.to_owned(),
                authority: servers.file("authority.pem"),
            });
        }
        for (index, address) in addresses.iter().enumerate() {
            servers.wait_for(&format!("server-{index}"), index + 1, address)?;
        }
        let text = serde_json::to_string(&addresses).map_err(io::Error::from)?;
        std::fs::write(&servers.described, text)?;
        Ok(servers)
    }

    /// The file for [`VARIABLE`].
    pub fn described(&self) -> &Path {
        &self.described
    }

    fn file(&self, name: &str) -> PathBuf {
        self.described.with_file_name(name)
    }

    fn spawn(&mut self, what: &str, command: &Command) -> Result<(), RealError> {
        let log = File::create(self.file(&format!("{what}.log")))?;
        // Ends with whoever started it, also when that is killed.
        let mut bound = Command::new("setpriv");
        bound
            .args(["--pdeathsig", "KILL", "--"])
            .arg(command.get_program())
            .args(command.get_args());
        let child = bound
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn();
        self.children.push(child.map_err(|source| RealError::Start {
            what: what.to_owned(),
            source,
        })?);
        Ok(())
    }

    fn wait_for(&mut self, what: &str, child: usize, address: &Address) -> Result<(), RealError> {
        let end = Instant::now() + READY_WITHIN;
        let upstream = super::upstream::Upstream::new(address)?;
        loop {
            if upstream.is_ready() {
                return Ok(());
            }
            let ended = self.children[child].try_wait()?.is_some();
            if ended || Instant::now() > end {
                let said = std::fs::read_to_string(self.file(&format!("{what}.log")))?;
                let last = said.lines().rev().take(5).collect::<Vec<_>>();
                return Err(RealError::NotReady {
                    what: what.to_owned(),
                    said: last.into_iter().rev().collect::<Vec<_>>().join("\n"),
                });
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for RealServers {
    fn drop(&mut self) {
        // The servers before their store; they may have ended by themselves.
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
