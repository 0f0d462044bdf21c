//! The register's items: their keys, and what is in those that both halves read.
//!
//! | key `pk` | what |
//! |---|---|
//! | `<topology>` | the record |
//! | `<topology>#history#<epoch>#<rev>` | a copy of each revision before the current one, for people |
//! | `<topology>#seen#<site>` | when that site's watchdog alert last came through: [`Stamp`] |
//! | `<topology>#probe#<region>` | the last conditional write that showed that the table takes one |
//! | `<topology>#near#<site>` | what that site suspected and was over by itself: [`NearMisses`](super::near::NearMisses) |
//! | `<topology>#drill` | what the last drill measured that cut the link, and since when the first one is waited for |
//! | `<topology>#deep#<region>` | the last deep check's result, and a rehearsal's end, each written by itself |
//!
//! The key's first part is the topology's name, which is all that the function's role reaches.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Record, SCHEMA};
use crate::words::{Epoch, Reporter, Rev, SiteName, TopologyName};

/// The table's one key attribute.
pub const KEY: &str = "pk";

/// The attribute of a deep check's item that holds its result.
pub const CHECKUP: &str = "checkup";

pub fn record(topology: &TopologyName) -> String {
    topology.to_string()
}

/// What the keys of all other items of a topology begin with. No topology's name has a `#` in it.
pub fn others(topology: &TopologyName) -> String {
    format!("{topology}#")
}

/// What the keys of all revisions' copies begin with.
pub fn revisions(topology: &TopologyName) -> String {
    format!("{}history#", others(topology))
}

/// The key of a revision's copy.
pub fn history(topology: &TopologyName, epoch: Epoch, rev: Rev) -> String {
    format!("{}{epoch}#{rev}", revisions(topology))
}

/// The key of a watchdog's stamp.
pub fn stamp(topology: &TopologyName, site: &SiteName) -> String {
    format!("{}seen#{site}", others(topology))
}

/// The key of a Region's probe.
pub fn probe(topology: &TopologyName, region: &str) -> String {
    format!("{}probe#{region}", others(topology))
}

/// The key of a Region's deep check.
pub fn deep(topology: &TopologyName, region: &str) -> String {
    format!("{}deep#{region}", others(topology))
}

/// The attribute of the drill's item that holds what was measured.
pub const MEASURED: &str = "measured";

/// The attribute of the drill's item that says since when a drill is waited for, where there has been none.
pub const WAITED_SINCE: &str = "waited_since";

/// The key of the last drill.
pub fn drill(topology: &TopologyName) -> String {
    format!("{}drill", others(topology))
}

/// The key of what a site reported and was over by itself.
pub fn near(topology: &TopologyName, site: &SiteName) -> String {
    format!("{}near#{site}", others(topology))
}

/// The attribute of a site's near misses that says how often they were written: `rev` of
/// [`NearMisses`](super::near::NearMisses).
pub const NEAR_MISSES_REV: &str = "rev";

/// That a site's watchdog alert came through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub site: SiteName,
    pub seen_at: Timestamp,
    /// The same in seconds, for comparisons.
    pub seen_at_seconds: i64,
}

impl Stamp {
    pub fn new(reporter: &Reporter, at: Timestamp) -> Self {
        Self {
            site: reporter.0.clone(),
            seen_at: at,
            seen_at_seconds: at.as_second(),
        }
    }
}

/// Why an item's record is not changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unread {
    /// A later version wrote it in a form that is not known here.
    #[error(
        "its record has schema {schema}, and schemas up to {SCHEMA} are understood here; apply the newer version \
         here, too"
    )]
    Newer {
        schema: u64,
        /// Its epoch, if that can still be read.
        epoch: Epoch,
    },
    #[error("its record cannot be read, and is not changed: {reason}")]
    Malformed {
        reason: String,
        /// Its epoch, if that can still be read.
        epoch: Epoch,
    },
}

impl Unread {
    /// The epoch of the record, as far as it can be read.
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Newer { epoch, .. } | Self::Malformed { epoch, .. } => *epoch,
        }
    }
}

impl Record {
    /// The record in an item. Its form is looked at first: of a newer one nothing else may be believed. What this
    /// version does not know is passed over; what an older one did not know, and so left as it was, is not believed.
    pub fn read(item: Value) -> Result<Self, Unread> {
        let number = |name: &str| item.get(name).and_then(Value::as_u64);
        let epoch = Epoch(number("epoch").unwrap_or_default());
        match number("schema") {
            Some(schema) if schema > SCHEMA.into() => Err(Unread::Newer { schema, epoch }),
            _ => serde_json::from_value::<Self>(item)
                .map(Self::believed)
                .map_err(|error| Unread::Malformed {
                    reason: error.to_string(),
                    epoch,
                }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::settings::sample::site;

    /// These stand in tables that are there already, and in the policies of roles.
    #[test]
    fn keys_are_spelt_as_ever() {
        let topology = TopologyName::new("keycloak-prod").unwrap();
        assert_eq!(record(&topology), "keycloak-prod");
        assert_eq!(
            history(&topology, Epoch(4), Rev(17)),
            "keycloak-prod#history#4#17"
        );
        assert_eq!(stamp(&topology, &site("site-a")), "keycloak-prod#seen#site-a");
        assert_eq!(probe(&topology, "eu-west-1"), "keycloak-prod#probe#eu-west-1");
        assert_eq!(deep(&topology, "eu-west-1"), "keycloak-prod#deep#eu-west-1");
        assert_eq!(drill(&topology), "keycloak-prod#drill");
        assert_eq!(near(&topology, &site("site-a")), "keycloak-prod#near#site-a");
    }

    #[test]
    fn what_cannot_be_read_still_tells_its_epoch() {
        let newer = serde_json::json!({"schema": SCHEMA + 1, "epoch": 7, "state": "dancing"});
        assert_eq!(
            Record::read(newer).unwrap_err(),
            Unread::Newer {
                schema: u64::from(SCHEMA) + 1,
                epoch: Epoch(7)
            }
        );
        let broken = serde_json::json!({"schema": SCHEMA, "epoch": 7, "state": "dancing"});
        let unread = Record::read(broken).unwrap_err();
        assert_eq!(unread.epoch(), Epoch(7));
        assert!(unread.to_string().contains("is not changed"), "{unread}");
    }
}
