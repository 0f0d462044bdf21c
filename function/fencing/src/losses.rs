//! What only one site has: counted before an operator gives it up.
//!
//! A rejoin clears some caches of the stale site, and a promotion gives up a whole site. A person who is asked for consent
//! wants to know what that costs. So the function counts entries at both sites and compares keys, within limits: an
//! Infinispan in the middle of an outage has other things to do. Keys stay in the function's memory as digests and go
//! nowhere else; what leaves it is numbers.

use serde::{Deserialize, Serialize};

use crate::words::SiteName;

/// The most caches that are counted.
pub const CACHES_AT_MOST: usize = 40;
/// The most entries of a cache whose keys are compared. So many names fit into an answer that is read.
pub const KEYS_AT_MOST: u64 = 10_000;

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Losses {
    /// The site that would be given up, or cleared.
    pub given_up: SiteName,
    /// The site whose state stays.
    pub kept: SiteName,
    /// Each cache that is replicated, by name.
    pub caches: Vec<CacheLoss>,
    /// Why a site could not be counted at all, for each that could not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<String>,
}

/// One cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheLoss {
    /// Its name.
    pub cache: String,
    /// How many entries the site has that would be given up, if it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<u64>,
    /// How many the other one has, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<u64>,
    /// How many keys only the first one has, if they were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_given_up: Option<u64>,
    /// Why they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<String>,
}

impl CacheLoss {
    /// Of a cache whose keys were not compared yet.
    pub fn of_sizes(cache: &str, given_up: Option<u64>, kept: Option<u64>) -> Self {
        Self {
            cache: cache.to_owned(),
            given_up,
            kept,
            only_given_up: None,
            not_compared: None,
        }
    }

    /// Whether it takes a look at keys to know what only the one site has; if not, what that is.
    pub fn settled_by_sizes(mut self) -> Result<Self, Self> {
        match (self.given_up, self.kept) {
            (Some(0), _) | (Some(_), Some(0)) => {
                self.only_given_up = self.given_up;
                Ok(self)
            }
            (Some(a), Some(b)) if a.max(b) > KEYS_AT_MOST => {
                Ok(self.not_compared(format!("more than {KEYS_AT_MOST} entries")))
            }
            (Some(_), Some(_)) => Err(self),
            _ => Ok(self.not_compared("one site gave no number of entries".to_owned())),
        }
    }

    /// The same, with why its keys were not compared.
    #[must_use]
    pub fn not_compared(mut self, why: String) -> Self {
        self.not_compared = Some(why);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_looked_at_only_where_numbers_leave_something_open() {
        let of = |given_up, kept| CacheLoss::of_sizes("sessions", given_up, kept).settled_by_sizes();
        for (given_up, kept, only) in [
            (0, 7, 0),
            (0, 0, 0),
            (7, 0, 7),
            (20_000, 0, 20_000),
            (0, 20_000, 0),
        ] {
            let settled = of(Some(given_up), Some(kept));
            assert_eq!(
                settled.map(|cache| cache.only_given_up),
                Ok(Some(only)),
                "{given_up} {kept}"
            );
        }
        assert!(
            of(Some(7), Some(7)).is_err(),
            "the same number may be of other keys"
        );
        for (given_up, kept) in [
            (Some(10_001), Some(1)),
            (Some(1), Some(10_001)),
            (None, Some(1)),
            (Some(1), None),
        ] {
            let settled = of(given_up, kept);
            assert!(
                settled.is_ok_and(|cache| cache.only_given_up.is_none() && cache.not_compared.is_some()),
                "{given_up:?} {kept:?}"
            );
        }
    }
}
