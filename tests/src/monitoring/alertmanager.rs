//! The real Alertmanager, on a free port of loopback and with no peers.

use std::net::SocketAddr;
use std::path::Path;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::daemon::{Daemon, DaemonError};
use crate::standins::calls::CallLog;

/// The first version with `proxy_from_environment`.
const ENVIRONMENT_PROXY_FROM: (u32, u32) = (0, 26);

/// Whether this Alertmanager can take its proxy from its environment.
pub fn knows_environment_proxy(program: &Path) -> bool {
    let said = std::process::Command::new(program).arg("--version").output();
    let said =
        said.map(|output| String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned());
    let said = said.unwrap_or_default();
    // alertmanager, version 0.25.0 (branch: …)
    let version = said.split("version ").nth(1).unwrap_or_default();
    let mut numbers = version
        .split(['.', '+', ' '])
        .map_while(|number| number.parse().ok());
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (major, minor) >= ENVIRONMENT_PROXY_FROM
}

fn drop_environment_proxy(configuration: &mut Value) {
    match configuration {
        Value::Object(fields) => {
            fields.remove("proxy_from_environment");
            fields.values_mut().for_each(drop_environment_proxy);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_environment_proxy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A running Alertmanager; dropping it ends it.
#[derive(Debug)]
pub struct Alertmanager {
    // Before the folder, so that nobody writes there any more when it goes.
    daemon: Daemon,
    _folder: TempDir,
}

impl Alertmanager {
    pub fn start(program: &Path, configuration: &Value) -> Result<Self, DaemonError> {
        Self::start_with(program, configuration, &[])
    }

    /// With variables in its environment.
    pub fn start_with(
        program: &Path,
        configuration: &Value,
        environment: &[(&str, &str)],
    ) -> Result<Self, DaemonError> {
        let failed = |source| DaemonError::Start {
            what: "Alertmanager",
            source,
        };
        let folder = tempfile::tempdir().map_err(failed)?;
        let file = folder.path().join("alertmanager.yml");
        let mut configuration = configuration.clone();
        if !knows_environment_proxy(program) {
            // As prometheus-operator does, which knows the version that it runs.
            drop_environment_proxy(&mut configuration);
        }
        // JSON is YAML, too.
        std::fs::write(&file, configuration.to_string()).map_err(failed)?;
        let arguments = [
            format!("--config.file={}", file.display()),
            format!("--storage.path={}", folder.path().join("data").display()),
            "--web.listen-address=127.0.0.1:0".to_owned(),
            "--cluster.listen-address=".to_owned(),
            "--log.level=debug".to_owned(),
        ];
        let daemon = Daemon::start(
            "Alertmanager",
            program,
            &arguments,
            environment,
            folder.path(),
            "Listening on",
        )?;
        Ok(Self {
            daemon,
            _folder: folder,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.daemon.address()
    }

    /// Every line that it printed.
    pub fn log(&self) -> &CallLog<String> {
        self.daemon.log()
    }

    /// Hands over an alert that fires from now on, as Prometheus does.
    pub async fn fire(&self, labels: &Value) -> Result<(), DaemonError> {
        self.alert(labels, None).await
    }

    /// Hands over an alert that has ended.
    pub async fn resolve(&self, labels: &Value) -> Result<(), DaemonError> {
        self.alert(labels, Some(Timestamp::now())).await
    }

    /// The sum over all series of one of its own metrics, as whoever scrapes it sees them.
    pub async fn metric(&self, name: &str) -> Result<f64, DaemonError> {
        let page = self.daemon.page("/metrics").await?;
        let of_series = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let of = series.split_once('{').map_or(series, |(name, _)| name);
            (of == name).then(|| value.parse::<f64>().ok())?
        };
        Ok(page.lines().filter_map(of_series).sum())
    }

    async fn alert(&self, labels: &Value, ends_at: Option<Timestamp>) -> Result<(), DaemonError> {
        let mut alert = json!({
            "labels": labels,
            "annotations": {"summary": "a test"},
            "generatorURL": "http://prometheus.example.com/graph",
        });
        if let Some(ends_at) = ends_at {
            alert["endsAt"] = Value::from(ends_at.to_string());
        }
        let alerts = Value::Array(vec![alert]);
        self.daemon
            .ask(Method::POST, "/api/v2/alerts", Some(&alerts))
            .await
            .map(|_| ())
    }
}
