//! What the monitoring in both clusters does as soon as it is told where alerts go: it sends the watchdog.
//!
//! ```text
//!   cluster: PrometheusRule ─▶ the watchdog's labels ─▶ Alertmanager ─▶ the function's URL, with the Secret's password
//!            AlertmanagerConfig, Secret ─▶ prometheus-operator ─▶ ┘
//! ```
//!
//! Where the machine has Alertmanager, it is the real one, with the configuration that prometheus-operator makes of
//! what `apply` wrote; a minute of the watchdog's route is two seconds here. Elsewhere this program posts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::stage::Stage;
use super::{DemoError, alert, clusters};
use crate::monitoring::{Alertmanager, operator};
use crate::programs::Program;
use crate::standins::function_url::{FunctionUrl, Upstream};

const WATCHDOG: &str = "FencingPathWatchdog";
/// How often Prometheus says that it still fires.
const AGAIN: Duration = Duration::from_secs(1);
/// Somebody writes to a cluster at least this often, or the wait for it is looked at anew.
const PATIENCE: Duration = Duration::from_secs(60);

/// The monitoring of both clusters.
#[derive(Debug)]
pub(super) struct Monitoring {
    alertmanager: Option<PathBuf>,
}

impl Monitoring {
    pub(super) fn new() -> Self {
        Self {
            alertmanager: Program::Alertmanager.find().ok(),
        }
    }

    /// Who posts, for the reader.
    pub(super) fn who(&self) -> &'static str {
        match self.alertmanager {
            Some(_) => "a real Alertmanager, configured as prometheus-operator would",
            None => "this program, since no Alertmanager is installed",
        }
    }

    /// Runs until it is dropped, or something is wrong.
    pub(super) async fn run(&self, stage: &Stage) -> DemoError {
        let (a, b) = (self.site(stage, 0), self.site(stage, 1));
        tokio::select! {
            error = a => error,
            error = b => error,
        }
    }

    async fn site(&self, stage: &Stage, index: usize) -> DemoError {
        match self.send_watchdogs(stage, index).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn send_watchdogs(
        &self,
        stage: &Stage,
        index: usize,
    ) -> Result<std::convert::Infallible, DemoError> {
        let has_all = || {
            ["Secret", "AlertmanagerConfig", "PrometheusRule"]
                .iter()
                .all(|kind| clusters::ours(stage, index, kind).is_some())
        };
        while !stage.clusters[index]
            .calls()
            .reached(PATIENCE, |_| has_all())
            .await
        {}
        let object = |kind: &str| clusters::ours(stage, index, kind).unwrap_or_default();
        let secret = object("Secret");
        let site = &stage.topology.sites[index];
        let labels = alert::labels(
            &object("PrometheusRule"),
            WATCHDOG,
            site.namespace.as_str(),
            site.name.as_str(),
        )?;
        let urls: Vec<(String, String)> = secret["data"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| key.starts_with("url"))
            .filter_map(|(key, _)| Some((key.clone(), value_of(&secret, key)?)))
            .collect();
        match &self.alertmanager {
            Some(program) => {
                // The URLs' hosts are the local AWS's own; these lead there.
                let mut fronts = BTreeMap::new();
                for (key, url) in urls {
                    let upstream = Upstream::LocalAws(stage.aws.clone(), url);
                    fronts.insert(key, FunctionUrl::start(upstream)?);
                }
                let secrets = |_: &str, key: &str| match fronts.get(key) {
                    Some(front) => Some(format!("{}webhook", front.url())),
                    None => value_of(&secret, key),
                };
                let mut configuration =
                    operator::alertmanager_configuration(&object("AlertmanagerConfig"), &secrets)?;
                hurry(&mut configuration);
                let alertmanager = Alertmanager::start(program, &configuration)?;
                loop {
                    alertmanager.fire(&json!(labels)).await?;
                    tokio::time::sleep(AGAIN).await;
                }
            }
            None => loop {
                let value = |key: &str| value_of(&secret, key).unwrap_or_default();
                let authorization = basic(&value("username"), &value("password"));
                let payload = alert::payload(&labels, "sitefence", Timestamp::now()).to_string();
                let headers = [
                    ("authorization", authorization.as_str()),
                    ("content-type", "application/json"),
                ];
                for (_, url) in &urls {
                    stage.aws.post(url, "webhook", &headers, payload.clone()).await?;
                }
                tokio::time::sleep(AGAIN).await;
            },
        }
    }
}

/// The watchdog's route, a minute in two seconds.
fn hurry(configuration: &mut Value) {
    let routes = configuration["route"]["routes"][0]["routes"].as_array_mut();
    for route in routes.into_iter().flatten() {
        if route["matchers"].to_string().contains(WATCHDOG) {
            route["group_wait"] = json!("100ms");
            route["group_interval"] = json!("1s");
            route["repeat_interval"] = json!("2s");
        }
    }
}

/// A value of a Secret.
pub fn value_of(secret: &Value, key: &str) -> Option<String> {
    let bytes = STANDARD.decode(secret["data"][key].as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}

/// What Alertmanager sends as its Authorization header.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
