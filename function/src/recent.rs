//! A refusal that was just given is given again without asking anyone.
//!
//! Alertmanager runs in pairs, and both peers may deliver the same alert within a second. When the answer is
//! "not now" (a hold, a cooldown, the suspect still in view), the second delivery learns nothing new from
//! reading the register, the accelerator and an Infinispan again. Only 429 is remembered: a 503 asks for a
//! retry that shall really try, and a 200 is cheap to confirm.

use std::time::Duration;

use fencing::words::{Reporter, Suspect};

use crate::moment::Moment;

/// How long a refusal stands. Far shorter than any group interval, so a delivery that Alertmanager repeats
/// on purpose is always looked into.
pub const STANDS_FOR: Duration = Duration::from_secs(3);

/// The refusals of the last seconds; there are two pairs of sites, so at most two.
#[derive(Debug, Default)]
pub struct Recent {
    refusals: Vec<Refused>,
}

#[derive(Debug)]
struct Refused {
    reporter: Reporter,
    suspect: Suspect,
    sentence: String,
    at: Moment,
}

impl Recent {
    /// Remembers that this accusation was refused.
    pub fn refused(&mut self, reporter: &Reporter, suspect: &Suspect, sentence: &str, at: Moment) {
        self.refusals
            .retain(|old| (&old.reporter, &old.suspect) != (reporter, suspect));
        self.refusals.push(Refused {
            reporter: reporter.clone(),
            suspect: suspect.clone(),
            sentence: sentence.to_owned(),
            at,
        });
    }

    /// The sentence with which it was refused, if that was moments ago by both clocks: a process that was
    /// frozen in between must not take an old refusal for a fresh one.
    pub fn repeated(&self, reporter: &Reporter, suspect: &Suspect, now: Moment) -> Option<&str> {
        self.refusals
            .iter()
            .find(|old| (&old.reporter, &old.suspect) == (reporter, suspect))
            .filter(|old| now.perhaps_since(old.at) < STANDS_FOR)
            .map(|old| old.sentence.as_str())
    }

    /// Forgets everything: something was changed that may have been the reason.
    pub fn forget(&mut self) {
        self.refusals.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use fencing::words::SiteName;
    use jiff::Timestamp;

    fn at(wall: u64, uptime: u64) -> Moment {
        Moment {
            wall: Timestamp::UNIX_EPOCH + Duration::from_secs(wall),
            uptime: Duration::from_secs(uptime),
        }
    }

    #[test]
    fn a_refusal_stands_for_seconds_and_only_for_its_own_accusation() {
        let a = SiteName::new("site-a").unwrap();
        let b = SiteName::new("site-b").unwrap();
        let (reporter, suspect) = (Reporter(a.clone()), Suspect(b.clone()));
        let mut recent = Recent::default();
        assert_eq!(recent.repeated(&reporter, &suspect, at(100, 0)), None);
        recent.refused(&reporter, &suspect, "held", at(100, 0));
        assert_eq!(recent.repeated(&reporter, &suspect, at(102, 2)), Some("held"));
        assert_eq!(recent.repeated(&Reporter(b), &Suspect(a), at(102, 2)), None);
        assert_eq!(recent.repeated(&reporter, &suspect, at(103, 3)), None);
        // Thawed after an hour in which the stopwatch stood still.
        assert_eq!(recent.repeated(&reporter, &suspect, at(3700, 1)), None);
        recent.refused(&reporter, &suspect, "cooling down", at(200, 50));
        assert_eq!(
            recent.repeated(&reporter, &suspect, at(201, 51)),
            Some("cooling down")
        );
        recent.forget();
        assert_eq!(recent.repeated(&reporter, &suspect, at(201, 51)), None);
    }
}
