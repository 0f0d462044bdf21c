//! The rendered rules and routes on the real Prometheus and Alertmanager, and what they post on the real function.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod alertmanager;
mod drained;
mod examples;
mod fencer;
mod proxy;
mod rules;
mod two_topologies;
mod whole_path;
