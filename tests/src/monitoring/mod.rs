//! A site's monitoring, with the real programs: what prometheus-operator makes of our objects, and Prometheus and
//! Alertmanager started with it.
//!
//! ```text
//!   PodMonitor, PrometheusRule ─▶ operator ─▶ prometheus.yml, rules ─▶ prometheus ─┐ alerts
//!   AlertmanagerConfig, Secret ─▶ operator ─▶ alertmanager.yml ─────▶ alertmanager ◀┘ ──▶ the function's URL
//! ```

mod alertmanager;
mod daemon;
pub mod operator;
mod prometheus;

pub use alertmanager::{Alertmanager, knows_environment_proxy};
pub use daemon::DaemonError;
pub use prometheus::{PROMETHEUS, Prometheus};
