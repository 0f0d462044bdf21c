//! The real Prometheus, on a free port of loopback.

use std::path::Path;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::daemon::{Daemon, DaemonError};
use crate::standins::calls::CallLog;

/// What the operator has a Prometheus write on every alert as its label `prometheus`.
pub const PROMETHEUS: &str = "monitoring/main";

/// A running Prometheus; dropping it ends it.
#[derive(Debug)]
pub struct Prometheus {
    // Before the folder, so that nobody writes there any more when it goes.
    daemon: Daemon,
    folder: TempDir,
    configuration: Value,
}

impl Prometheus {
    /// Starts it with a scrape job, the spec of a PrometheusRule, and the address of an Alertmanager.
    pub fn start(
        program: &Path,
        job: &Value,
        rules: &Value,
        evaluation_interval: &str,
        alertmanager: &str,
    ) -> Result<Self, DaemonError> {
        let failed = |source| DaemonError::Start {
            what: "Prometheus",
            source,
        };
        let folder = tempfile::tempdir().map_err(failed)?;
        let write = |name: &str, value: &Value| std::fs::write(folder.path().join(name), value.to_string());
        write("rules.yml", rules).map_err(failed)?;
        let configuration = json!({
            // As the operator has it: whose Prometheus it is comes along with every alert.
            "global": {
                "evaluation_interval": evaluation_interval,
                "external_labels": {"prometheus": PROMETHEUS},
            },
            "rule_files": ["rules.yml"],
            "scrape_configs": [job],
            "alerting": {"alertmanagers": [{
                "api_version": "v2", "static_configs": [{"targets": [alertmanager]}],
            }]},
        });
        configure(folder.path(), &configuration).map_err(failed)?;
        let arguments = [
            "--config.file=prometheus.yml".to_owned(),
            "--storage.tsdb.path=data".to_owned(),
            "--web.listen-address=127.0.0.1:0".to_owned(),
            // What fires before Alertmanager was discovered, which takes five seconds, is lost until it is sent again.
            "--rules.alert.resend-delay=1s".to_owned(),
            "--web.enable-lifecycle".to_owned(),
            "--log.level=info".to_owned(),
        ];
        let daemon = Daemon::start(
            "Prometheus",
            program,
            &arguments,
            &[],
            folder.path(),
            "Listening on",
        )?;
        Ok(Self {
            daemon,
            folder,
            configuration,
        })
    }

    /// Another scrape job from now on: a pod was found elsewhere.
    pub async fn scrape(&mut self, job: &Value) -> Result<(), DaemonError> {
        self.configuration["scrape_configs"] = json!([job]);
        configure(self.folder.path(), &self.configuration).map_err(|source| DaemonError::Start {
            what: "Prometheus",
            source,
        })?;
        self.daemon.ask(Method::POST, "/-/reload", None).await?;
        Ok(())
    }

    /// Every line that it printed.
    pub fn log(&self) -> &CallLog<String> {
        self.daemon.log()
    }

    /// What an expression is now.
    pub async fn query(&self, expression: &str) -> Result<Value, DaemonError> {
        let encoded = utf8_percent_encode(expression, NON_ALPHANUMERIC).to_string();
        let answer = self
            .daemon
            .ask(Method::GET, &format!("/api/v1/query?query={encoded}"), None)
            .await?;
        Ok(answer["data"]["result"].clone())
    }
}

fn configure(folder: &Path, configuration: &Value) -> std::io::Result<()> {
    // The pod's reloader fills in which shard it is.
    let text = configuration.to_string().replace("$(SHARD)", "0");
    std::fs::write(folder.join("prometheus.yml"), text)
}
