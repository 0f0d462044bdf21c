//! Near misses: a site suspected the other one, and that was over by itself.
//!
//! Nobody was fenced, so nothing rests on them. They are kept for people who choose their intervals: how often do the
//! sites lose each other for a moment, and for how long? One item for each reporting site holds the last of them. Two
//! Alertmanagers and two Regions deliver the end of the same suspicion several times, each with times of its own that
//! differ a little; what overlaps is one.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Record;
use crate::settings::Settings;

/// So many of a site are kept, the newest ones.
pub const KEPT: usize = 100;

/// A suspicion that ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearMiss {
    /// When the other site was first reported out of view, by the clock of the reporting site's monitoring.
    pub from: Timestamp,
    /// When it was reported to be back, by the same clock.
    pub to: Timestamp,
    /// What the function answered, and so why nobody was fenced. None if another process got the alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked: Option<String>,
}

impl NearMiss {
    /// How long it lasted, in whole seconds. An end before the beginning is a clock's that was set back.
    pub fn seconds(&self) -> u64 {
        let lasted = self.to.duration_since(self.from).max(SignedDuration::ZERO);
        lasted.as_secs().unsigned_abs()
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }

    /// The two as one.
    fn and(self, other: Self) -> Self {
        Self {
            from: self.from.min(other.from),
            to: self.to.max(other.to),
            looked: self.looked.or(other.looked),
        }
    }
}

/// Whether a suspicion that began at `from` has ended by itself, as far as the register tells afterwards: no decision was
/// taken since then. `from` is the time of another clock; one that is wrong makes a statistic wrong, and nothing else.
pub fn ended_by_itself(settings: &Settings, record: &Record, from: Timestamp) -> bool {
    match &record.decision {
        Some(decision) => decision.decided_at < from && decision.alerted_at != Some(from),
        // Where the way back has led already, that began after the suspicion.
        None => record.cooldown_until.is_none_or(|until| {
            let quiet = SignedDuration::from_secs(settings.cooldown_seconds.into());
            until.saturating_sub(quiet).is_ok_and(|opened| opened < from)
        }),
    }
}

/// A site's near misses: what its item holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NearMisses {
    /// How often it was written; each write expects the number that it has read.
    #[serde(default)]
    pub rev: u64,
    /// The oldest first.
    #[serde(default)]
    pub misses: Vec<NearMiss>,
}

/// What noting one more makes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotedMiss {
    /// It is there already, word for word or longer.
    Known,
    /// It was there, and is known more exactly now.
    Mended(NearMisses),
    /// It is new.
    Added(NearMisses),
}

impl NearMisses {
    /// The same with one more.
    pub fn noting(&self, miss: NearMiss) -> NotedMiss {
        let (same, mut misses): (Vec<NearMiss>, Vec<NearMiss>) = self
            .misses
            .iter()
            .cloned()
            .partition(|known| known.overlaps(&miss));
        let is_new = same.is_empty();
        let miss = same.into_iter().fold(miss, |miss, known| known.and(miss));
        misses.push(miss);
        misses.sort_by_key(|miss| (miss.from, miss.to));
        let misses = misses.split_off(misses.len().saturating_sub(KEPT));
        if misses == self.misses {
            return NotedMiss::Known;
        }
        let noted = Self {
            rev: self.rev.saturating_add(1),
            misses,
        };
        if is_new {
            NotedMiss::Added(noted)
        } else {
            NotedMiss::Mended(noted)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    use crate::accelerator::Outcome;
    use crate::register::Decision;
    use crate::settings::sample::{settings, site};
    use crate::words::{Fenced, Survivor};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// Rows: when the decision in force was taken and since when its alert had been firing; when the last one was over.
    #[test]
    fn what_led_to_a_decision_has_not_ended_by_itself() {
        let quiet = i64::from(settings().cooldown_seconds);
        for (decided, alerted, opened, expected) in [
            (None, None, None, true),
            (Some(1005), Some(1000), None, false),
            // On the alert that came after it, or on the other site's.
            (Some(1020), Some(1010), None, false),
            (Some(1005), None, None, false),
            // The function's clock is behind the site's.
            (Some(900), Some(1000), None, false),
            // An old decision: nobody can be fenced, and the link comes and goes.
            (Some(500), Some(495), None, true),
            // It is over already, and was taken meanwhile; or it was over before.
            (None, None, Some(1300), false),
            (None, None, Some(500), true),
        ] {
            let record = Record {
                decision: decided.map(|decided| Decision {
                    survivor: Survivor(site("site-a")),
                    fenced: Fenced(site("site-b")),
                    outcome: Outcome { groups: Vec::new() },
                    by: String::new(),
                    evidence: String::new(),
                    decided_at: at(decided),
                    alerted_at: alerted.map(at),
                }),
                cooldown_until: opened.map(|opened| at(opened + quiet)),
                ..Record::empty()
            };
            assert_eq!(
                ended_by_itself(&settings(), &record, at(1000)),
                expected,
                "{decided:?} {alerted:?} {opened:?}"
            );
        }
    }

    fn miss(from: i64, to: i64) -> NearMiss {
        NearMiss {
            from: Timestamp::from_second(from).unwrap(),
            to: Timestamp::from_second(to).unwrap(),
            looked: None,
        }
    }

    fn told(misses: &NearMisses) -> Vec<(i64, i64)> {
        let spans = misses.misses.iter();
        spans
            .map(|miss| (miss.from.as_second(), miss.to.as_second()))
            .collect()
    }

    #[test]
    fn each_is_kept_once_and_in_order() {
        let mut kept = NearMisses::default();
        for (next, is_new, expected) in [
            (miss(100, 108), true, vec![(100, 108)]),
            // The other Alertmanager, and the other Region.
            (miss(100, 108), false, vec![(100, 108)]),
            (miss(101, 109), false, vec![(100, 109)]),
            (miss(200, 203), true, vec![(100, 109), (200, 203)]),
            // A retry that comes late.
            (miss(50, 60), true, vec![(50, 60), (100, 109), (200, 203)]),
            // One that spans two was one.
            (miss(60, 100), false, vec![(50, 109), (200, 203)]),
        ] {
            let before = kept.clone();
            let (added, after) = match kept.noting(next.clone()) {
                NotedMiss::Known => (false, before.clone()),
                NotedMiss::Mended(after) => (false, after),
                NotedMiss::Added(after) => (true, after),
            };
            assert_eq!(added, is_new, "{next:?}");
            assert_eq!(told(&after), expected, "{next:?}");
            assert_eq!(after.rev, before.rev + u64::from(after != before), "{next:?}");
            kept = after;
        }
    }

    #[test]
    fn what_was_seen_is_kept_by_whichever_copy_knows_it() {
        let seen = NearMiss {
            looked: Some("site-a sees site-b again".to_owned()),
            ..miss(100, 108)
        };
        for (first, second) in [(seen.clone(), miss(100, 108)), (miss(100, 108), seen.clone())] {
            let NotedMiss::Added(kept) = NearMisses::default().noting(first) else {
                unreachable!("it is the first")
            };
            let kept = match kept.noting(second) {
                NotedMiss::Known => kept,
                NotedMiss::Mended(kept) | NotedMiss::Added(kept) => kept,
            };
            assert_eq!(kept.misses, std::slice::from_ref(&seen));
        }
    }

    #[test]
    fn only_the_newest_are_kept() {
        let mut kept = NearMisses::default();
        for number in 0..150 {
            let NotedMiss::Added(more) = kept.noting(miss(number * 10, number * 10 + 5)) else {
                unreachable!("{number} is new")
            };
            kept = more;
        }
        assert_eq!(kept.misses.len(), KEPT);
        assert_eq!(told(&kept)[0], (500, 505));
        // One that is older than all of them is not noted again and again.
        assert_eq!(kept.noting(miss(0, 5)), NotedMiss::Known);
    }

    #[test]
    fn it_lasted_for_whole_seconds_and_never_less_than_none() {
        for (from, to, seconds) in [(100, 108, 8), (100, 100, 0), (100, 90, 0)] {
            assert_eq!(miss(from, to).seconds(), seconds);
        }
    }

    /// It stands in tables that are there already.
    #[test]
    fn it_is_spelt_as_ever() {
        let spelt = serde_json::json!({
            "rev": 3,
            "misses": [
                {"from": "1970-01-01T00:01:40Z", "to": "1970-01-01T00:01:48Z"},
                {"from": "1970-01-01T00:03:20Z", "to": "1970-01-01T00:03:23Z", "looked": "seen again"},
            ],
        });
        let read: NearMisses = serde_json::from_value(spelt.clone()).unwrap();
        assert_eq!(told(&read), [(100, 108), (200, 203)]);
        assert_eq!(serde_json::to_value(&read).unwrap(), spelt);
    }
}
