//! Values for the tables of the tests beside this.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Check, Checkup, Level};
use crate::register::State;
use crate::replication::View;
use crate::words::Epoch;

pub(crate) use crate::settings::sample::{GROUP, balancer, settings, site};

/// So many seconds after the tests' now.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    now + SignedDuration::from_secs(seconds)
}

/// A relay node of a site, the primary if it is `n1`.
pub(crate) fn relay(of: &str, node: &str, sees: &[&str]) -> View {
    View {
        relay_node: true,
        node_address: node.to_owned(),
        relay_nodes_address: vec!["n1".to_owned(), "n2".to_owned()],
        local_site: of.to_owned(),
        sites_view: sees.iter().map(|site| (*site).to_owned()).collect(),
    }
}

/// A result with these checks, of just now.
pub(crate) fn checkup(checks: &[(&str, Level)]) -> Checkup {
    Checkup {
        at: at(0),
        epoch: Some(Epoch(0)),
        state: Some(State::Open),
        unreachable: Vec::new(),
        sights: BTreeMap::new(),
        witnesses: BTreeMap::new(),
        blind_since: BTreeMap::new(),
        divided_since: BTreeMap::new(),
        unfenced: None,
        unfinished_since: None,
        held_seconds: None,
        hold_overdue_seconds: None,
        undrilled_since: None,
        marked: None,
        not_ours: false,
        version: None,
        last_failure: None,
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
