//! Alertmanager's webhook payload, version 4, as much of it as is needed.
//!
//! Fields that newer Alertmanagers add, however deep, are skipped. A field that appears twice is refused: which of
//! two statuses an alert has is not for us to choose.

use std::collections::BTreeMap;

use fencing::contract::label;
use jiff::Timestamp;
use serde::Deserialize;

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Payload {
    pub(crate) version: String,
    pub(crate) alerts: Vec<Alert>,
    #[serde(rename = "truncatedAlerts")]
    truncated: Option<u64>,
}

impl Payload {
    /// How many alerts Alertmanager left out.
    pub(crate) fn truncated(&self) -> u64 {
        self.truncated.unwrap_or_default()
    }
}

/// Whether an alert goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AlertStatus {
    Firing,
    Resolved,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Alert {
    #[serde(rename = "status")]
    pub(crate) state: AlertStatus,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Taken as it comes: an alert whose time cannot be read is an alert all the same.
    #[serde(default, rename = "startsAt")]
    starts_at: serde_json::Value,
    /// Likewise; of an alert that goes on it lies in the future.
    #[serde(default, rename = "endsAt")]
    ends_at: serde_json::Value,
}

impl Alert {
    /// Its name: a label that is Prometheus's own.
    pub(crate) fn name(&self) -> Option<&str> {
        self.label("alertname")
    }

    /// The deployment that it concerns.
    pub(crate) fn topology(&self) -> Option<&str> {
        self.label(label::TOPOLOGY)
    }

    pub(crate) fn reporter(&self) -> Option<&str> {
        self.label(label::REPORTER)
    }

    pub(crate) fn site(&self) -> Option<&str> {
        self.label(label::SITE)
    }

    /// Since when it has been firing, if it says so in a way that can be read.
    pub(crate) fn starts_at(&self) -> Option<Timestamp> {
        self.starts_at.as_str()?.parse().ok()
    }

    /// Since when it is over, likewise.
    pub(crate) fn ends_at(&self) -> Option<Timestamp> {
        self.ends_at.as_str()?.parse().ok()
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}
