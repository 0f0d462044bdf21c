//! A demand on alarms: L3, as far as it is about a loss of which no decision comes, and about a register that does not
//! answer, without which nobody knows of the other.

use std::time::Duration;

use fencing::health::UNFENCED_AFTER_SECONDS;
use fencing::register::State;
use fencing::replication::{Sight, sight};

use super::{Circumstance, Watcher};
use crate::reality::Reality;

/// The loss is seen within a minute, and a minute later it is known to last.
const HEARD_WITHIN: Duration = Duration::from_secs(150);

/// While calls fail and processes die some minutes' checks do not come to their end, and a clock that is set back makes
/// the loss look younger once.
const HEARD_IN_TROUBLE: Duration = Duration::from_secs(420);

/// What a check has seen it may say for so long: till the next one, and the time that this one took.
const SAID_LATE: Duration = Duration::from_secs(90);

/// A loss, as it really is.
#[derive(Debug, Default)]
pub(super) struct Loss {
    /// Since when it has been there, register open, functions standing.
    since: Option<Duration>,
    /// Since when nothing goes wrong any more.
    calm: Option<Duration>,
    /// When there was one last.
    seen: Option<Duration>,
    /// When people would have heard of one last.
    cried: Option<Duration>,
    /// When a clock was set back last.
    set_back: Option<Duration>,
    /// Since when the register has not answered, functions standing.
    away: Option<Duration>,
    /// When a check said last that something fails.
    failed: Option<Duration>,
}

impl Loss {
    pub(super) fn set_back(&mut self, now: Duration) {
        self.set_back = Some(now);
    }
}

fn is_lost(reality: &Reality) -> bool {
    (0..2).any(|index| {
        let views = reality.views(index);
        let sight = sight(&views, reality.name(index), reality.name(1 - index));
        reality.sites[index].alive && matches!(sight, Sight::Misses | Sight::Divided)
    })
}

impl Watcher {
    /// Looks whether there is a loss that nobody fences, and whether it is heard of.
    pub(crate) fn losses(&mut self, now: Duration, stands: bool, calm: bool, reality: &Reality) {
        let is_lost = is_lost(reality);
        if is_lost || reality.sites.iter().any(|site| !site.alive) {
            self.loss.seen = Some(now);
        }
        self.silence(now, stands, reality);
        let record = reality.register();
        let planned = record.hold.is_some_and(|hold| hold.until.is_some());
        let answers = reality.has_table() && !reality.register_away;
        let open = record.state == State::Open && stands && answers;
        if !is_lost || !open || planned {
            self.loss.since = None;
            return;
        }
        let since = *self.loss.since.get_or_insert(now);
        let latest = if calm {
            // Checks that failed before are not made up for: two more minutes' checks are what it takes.
            since.max(*self.loss.calm.get_or_insert(now)) + HEARD_WITHIN
        } else {
            since + HEARD_IN_TROUBLE
        };
        let heard = self.loss.cried.is_some_and(|cried| cried >= since);
        if calm && !heard && now > since + HEARD_WITHIN {
            self.met.insert(Circumstance::CalmBeforeACry);
            if self.loss.set_back.is_some_and(|at| at >= since) {
                self.met.insert(Circumstance::CalmAfterAClockWasSetBack);
            }
        }
        self.demand(heard || now <= latest, || {
            format!(
                "L3: the sites have lost each other since {since:?}, nobody is fenced, and nobody hears of it"
            )
        });
    }

    /// Nobody can say whether a loss is fenced while the register does not answer. That is said instead.
    fn silence(&mut self, now: Duration, stands: bool, reality: &Reality) {
        if !(stands && reality.has_table() && reality.register_away) {
            self.loss.away = None;
            return;
        }
        let since = *self.loss.away.get_or_insert(now);
        let heard = self.loss.failed.is_some_and(|failed| failed >= since);
        if heard {
            self.met.insert(Circumstance::RegisterAwayAndSaid);
        }
        self.demand(heard || now <= since + HEARD_IN_TROUBLE, || {
            format!("L3: the register has not answered since {since:?}, and no check says so")
        });
    }

    /// A check says that something fails.
    pub(crate) fn check_fails(&mut self, now: Duration) {
        self.loss.failed = Some(now);
    }

    /// A check says for how long a loss has not been fenced.
    pub(crate) fn cries(&mut self, seconds: u64, now: Duration, reality: &Reality) {
        if seconds < u64::from(UNFENCED_AFTER_SECONDS) {
            return;
        }
        if self
            .loss
            .since
            .is_some_and(|since| self.loss.cried.is_none_or(|cried| cried < since))
        {
            self.counts.cries += 1;
        }
        self.loss.cried = Some(now);
        let real = is_lost(reality) || self.loss.seen.is_some_and(|seen| now <= seen + SAID_LATE);
        self.demand(real, || "L3: people hear of a loss that is none".to_owned());
    }
}
