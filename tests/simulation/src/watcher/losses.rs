//! A demand on alarms: L3, as far as it is about a loss of which no decision comes.

use std::time::Duration;

use fencing::health::UNFENCED_AFTER_SECONDS;
use fencing::register::State;
use fencing::replication::{Sight, sight};

use super::Watcher;
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
        let record = reality.register();
        let planned = record.hold.is_some_and(|hold| hold.until.is_some());
        let open = record.state == State::Open && stands && reality.has_table();
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
        self.demand(heard || now <= latest, || {
            format!(
                "L3: the sites have lost each other since {since:?}, nobody is fenced, and nobody hears of it"
            )
        });
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
