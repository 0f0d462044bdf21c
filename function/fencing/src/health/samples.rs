//! Values for the tables of the tests beside this.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Check, Checkup, Level};
use crate::register::State;
use crate::settings::{ClaimSettings, Found, Mode, Settings, Site};
use crate::words::{Epoch, SiteName, TopologyName};

/// So many seconds after the tests' now.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    now + SignedDuration::from_secs(seconds)
}

pub(crate) fn site(name: &str) -> SiteName {
    SiteName::new(name).unwrap()
}

pub(crate) fn balancer(site: &str) -> String {
    format!("arn:aws:elasticloadbalancing:eu-west-1:111111111111:loadbalancer/net/{site}/1")
}

pub(crate) const GROUP: &str =
    "arn:aws:globalaccelerator::111111111111:accelerator/a/listener/l/endpoint-group/g";

pub(crate) fn settings() -> Settings {
    let sites = ["site-a", "site-b"];
    Settings {
        topology: TopologyName::new("keycloak-test").unwrap(),
        sites: sites.map(|name| Site {
            name: site(name),
            region: "eu-west-1".into(),
        }),
        mode: Mode::Act,
        webhook_username: "keycloak".into(),
        infinispan_username: "developer".into(),
        secrets_region: "eu-west-1".into(),
        register_region: "eu-west-1".into(),
        register_role_arn: String::new(),
        claim: ClaimSettings {
            renew_interval_seconds: 5,
            failure_threshold: 3,
        },
        cooldown_seconds: 60,
        timeout_seconds: 15,
        cleared_caches: vec!["work".into()],
        deep_percent: 100,
        hold_after_seconds: 3600,
        found: Found {
            accelerator_arn: "arn:aws:globalaccelerator::111111111111:accelerator/a".into(),
            endpoint_group_arns: vec![GROUP.into()],
            balancers: sites.map(|name| (site(name), vec![balancer(name)])).into(),
            topic_arn: "arn:topic".into(),
            ..Found::default()
        },
    }
}

/// A result with these checks, of just now.
pub(crate) fn checkup(checks: &[(&str, Level)]) -> Checkup {
    Checkup {
        at: at(0),
        epoch: Some(Epoch(0)),
        state: Some(State::Open),
        unreachable: Vec::new(),
        blind_since: BTreeMap::new(),
        unfinished_since: None,
        held_seconds: None,
        hold_overdue_seconds: None,
        checks: checks
            .iter()
            .map(|(name, level)| Check {
                name: (*name).to_owned(),
                level: *level,
                took_ms: 1,
                found: "found".to_owned(),
                hint: Some("hint".to_owned()),
            })
            .collect(),
    }
}
