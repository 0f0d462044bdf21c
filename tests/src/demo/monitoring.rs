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
use std::convert::Infallible;
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

    async fn send_watchdogs(&self, stage: &Stage, index: usize) -> Result<Infallible, DemoError> {
        loop {
            until(stage, index, |objects| objects.is_some()).await;
            let Some(objects) = Objects::of(stage, index) else {
                continue;
            };
            tokio::select! {
                ended = self.send(stage, index, &objects) => match ended? {},
                // Taken away by a destroy, or written anew: Alertmanager is configured again, as by its operator.
                () = until(stage, index, |now| now != Some(&objects)) => {}
            }
        }
    }

    async fn send(&self, stage: &Stage, index: usize, objects: &Objects) -> Result<Infallible, DemoError> {
        let site = &stage.topology.sites[index];
        let labels = alert::labels(
            &objects.rule,
            WATCHDOG,
            site.namespace.as_str(),
            site.name.as_str(),
        )?;
        let urls = objects.urls();
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
                    None => value_of(&objects.secret, key),
                };
                let mut configuration =
                    operator::alertmanager_configuration(&objects.configuration, &secrets)?;
                hurry(&mut configuration);
                let alertmanager = Alertmanager::start(program, &configuration)?;
                loop {
                    alertmanager.fire(&json!(labels)).await?;
                    tokio::time::sleep(AGAIN).await;
                }
            }
            None => loop {
                let authorization = objects.authorization();
                let payload = alert::payload(&labels, "sitefence", Timestamp::now()).to_string();
                let headers = [
                    ("authorization", authorization.as_str()),
                    ("content-type", "application/json"),
                ];
                for url in urls.values() {
                    stage.aws.post(url, "webhook", &headers, payload.clone()).await?;
                }
                tokio::time::sleep(AGAIN).await;
            },
        }
    }
}

/// What `apply` wrote into a cluster for its monitoring.
#[derive(Debug, PartialEq)]
pub(super) struct Objects {
    secret: Value,
    configuration: Value,
    rule: Value,
}

impl Objects {
    /// Nothing while one of them is missing.
    pub(super) fn of(stage: &Stage, index: usize) -> Option<Self> {
        let object = |kind| clusters::ours(stage, index, kind);
        Some(Self {
            secret: object("Secret")?,
            configuration: object("AlertmanagerConfig")?,
            rule: object("PrometheusRule")?,
        })
    }

    /// The functions' URLs, by the Secret's key.
    pub(super) fn urls(&self) -> BTreeMap<String, String> {
        let keys = self.secret["data"].as_object().into_iter().flatten();
        keys.filter(|(key, _)| key.starts_with("url"))
            .filter_map(|(key, _)| Some((key.clone(), value_of(&self.secret, key)?)))
            .collect()
    }

    /// What Alertmanager sends as its Authorization header.
    pub(super) fn authorization(&self) -> String {
        let value = |key| value_of(&self.secret, key).unwrap_or_default();
        basic(&value("username"), &value("password"))
    }
}

/// Waits until this holds of what is in a site's cluster.
async fn until(stage: &Stage, index: usize, holds: impl Fn(Option<&Objects>) -> bool) {
    let calls = stage.clusters[index].calls();
    while !calls
        .reached(PATIENCE, |_| holds(Objects::of(stage, index).as_ref()))
        .await
    {}
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
