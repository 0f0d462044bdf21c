//! A loss that nobody acts upon: a site does not see the other one, and no decision comes of it.
//!
//! Each refusal of an alert is right by itself, and twenty of them in a row are an outage that nobody notices: both
//! sites wait for each other, the function is well, its answers are sentences in a log. So the minute's check, which
//! asks both Infinispans anyway, remembers since when it has seen such a loss, and why a report of it would not lead
//! to a decision *now*. A loss that is fenced in time is seen once at most.
//!
//! It needs no report: that none arrives is a reason, too. And it writes nothing into the record, whose revisions
//! belong to decisions; it is kept with the check's result.

use jiff::SignedDuration;

use super::{Finding, Judge, fine, warns};
use crate::accelerator::{Mark, Marked, Reached, Reading};
use crate::health::{Checkup, Probe, Reason, Seen, UNFENCED_AFTER_SECONDS, Unfenced, seconds_from};
use crate::register::{Record, State};
use crate::replication::Sight;
use crate::settings::Mode;
use crate::step::DIVIDED_SECONDS;
use crate::words::{Fenced, SiteName, Survivor};

/// What keeps a report from leading to a decision, and what to do about it.
struct Obstacle {
    reason: Reason,
    why: String,
    hint: &'static str,
}

impl Judge<'_> {
    /// The loss that is there now, or still there as far as can be seen.
    pub(super) fn unfenced(
        &mut self,
        record: Option<&Record>,
        sights: &std::collections::BTreeMap<SiteName, Sight>,
        previous: Option<&Checkup>,
        marked: Option<&Marked>,
    ) -> Option<Unfenced> {
        let record = record.filter(|record| record.state == State::Open)?;
        let known = previous.and_then(|previous| previous.unfenced.as_ref());
        let misses = |sight: Option<&Sight>| matches!(sight, Some(Sight::Misses | Sight::Divided));
        // A site that was seen to miss the other one and has not been heard since is no recovery.
        let still =
            |site: &SiteName| known.is_some_and(|known| known.site == *site) && !sights.contains_key(site);
        let mut losses: Vec<(SiteName, Obstacle)> = Vec::new();
        for own in &self.settings.sites {
            let sight = sights.get(&own.name);
            let blind = matches!(sight, Some(Sight::Nothing | Sight::WrongSite))
                && known.is_some_and(|known| known.site == own.name);
            if (misses(sight) || blind || still(&own.name))
                && let Some(peer) = self.settings.peer_of(&own.name)
            {
                let obstacle = self.obstacle(record, sight, marked, &own.name, peer);
                losses.push((own.name.clone(), obstacle));
            }
        }
        // Of two sites that could survive the one with the least in its way tells why neither does.
        let (site, obstacle) = losses.into_iter().min_by_key(|(_, obstacle)| obstacle.reason)?;
        // A clock that was wrong may have written a time that is still to come.
        let since = known.map_or(self.now, |known| known.since.min(self.now));
        let planned = record
            .hold
            .as_ref()
            .is_some_and(|hold| hold.until.is_some_and(|until| until > self.now));
        let unfenced = Unfenced {
            site,
            since,
            reason: obstacle.reason,
            planned,
        };
        let finding = finding(
            self.settings.peer_of(&unfenced.site),
            &unfenced,
            &obstacle,
            self.now,
        );
        self.say("loss", 0, finding);
        Some(unfenced)
    }

    /// What stands between a report of `own` and a decision, by the rules that an alert is judged by.
    fn obstacle(
        &self,
        record: &Record,
        sight: Option<&Sight>,
        marked: Option<&Marked>,
        own: &SiteName,
        peer: &SiteName,
    ) -> Obstacle {
        let obstacle = |reason, why: String, hint| Obstacle { reason, why, hint };
        if let Some(hold) = &record.hold {
            return obstacle(
                Reason::Hold,
                format!("{} has put a hold on: {}", hold.by, hold.reason),
                "`provision release` ends the hold; the next report decides",
            );
        }
        if self.settings.mode == Mode::Observe {
            return obstacle(
                Reason::Observe,
                "mode is observe".to_owned(),
                "write `mode: act` into the topology and apply it",
            );
        }
        if let Some(until) = record.quiet_until(self.settings, self.now) {
            return obstacle(
                Reason::Cooldown,
                format!("no new decision before {until}"),
                "it ends by itself; an operator's fence need not wait for it",
            );
        }
        if sight.is_none_or(|sight| *sight == Sight::Nothing) {
            return obstacle(
                Reason::Unheard,
                format!("{own}, which did not see {peer}, no longer answers"),
                "unless it answers, it cannot survive: check its Infinispan",
            );
        }
        if sight == Some(&Sight::WrongSite) {
            return obstacle(
                Reason::Unheard,
                format!(
                    "{own}, which did not see {peer}, no longer counts: its address leads to another site"
                ),
                "the check of its Infinispan says where it leads",
            );
        }
        if !self.settings.may_survive(own) {
            return obstacle(
                Reason::NeverSurvivor,
                format!("{own} must never survive alone, and no report from {peer} has led to a decision"),
                "if the other one has died, `promote` makes this one survive anyway",
            );
        }
        match self.reading() {
            None => {
                return obstacle(
                    Reason::Dependency,
                    "the accelerator cannot be read".to_owned(),
                    "the check `endpoints` says why",
                );
            }
            Some(reading) => {
                let ours = &self.settings.found.owner;
                // As an alert has it: where the tag cannot be read, what was seen last counts for a while.
                let mark = match &reading.mark {
                    Mark::Unread(_) => marked
                        .filter(|marked| marked.counts_at(self.now))
                        .map_or(&reading.mark, |marked| &marked.mark),
                    mark => mark,
                };
                if let Mark::Names(owner) = mark
                    && !ours.is_empty()
                    && owner != ours
                {
                    return obstacle(
                        Reason::NotOurs,
                        format!("the accelerator belongs to `{owner}`"),
                        "the check `owner` says what to do",
                    );
                }
                if let Some(reached) = self.gone_back_from(record, reading) {
                    return obstacle(
                        Reason::GoneBack,
                        format!(
                            "the register is at {}, but had already reached {reached}: it was restored from a backup",
                            Reached::of(record)
                        ),
                        "the check `register-gone-back` says what to do",
                    );
                }
                let (survivor, fenced) = (Survivor(own.clone()), Fenced(peer.clone()));
                if let Err(unfit) = reading.outcome(self.settings, &survivor, &fenced, None) {
                    return obstacle(
                        Reason::Unfit,
                        format!("{own} is not fit to survive: {unfit}"),
                        "check both sites: if the other one should survive, wait for its own report, or fence this \
                         one: `provision fence`",
                    );
                }
            }
        }
        let doubted_since = record
            .divided_since
            .get(own)
            .filter(|_| sight == Some(&Sight::Divided));
        let lasts = SignedDuration::from_secs(DIVIDED_SECONDS.into());
        if doubted_since.is_some_and(|since| self.now.duration_since(*since) < lasts) {
            return obstacle(
                Reason::Divided,
                format!("another relay node of {own} still sees {peer}"),
                "if they still disagree after a minute, the primary relay node's view decides",
            );
        }
        obstacle(
            Reason::NoReport,
            format!("no report from {own} has led to a decision, and nothing is known that prevents one"),
            "check Prometheus, its rule, Alertmanager and the way out of the cluster; the function's log says what \
             it answered",
        )
    }

    fn reading(&self) -> Option<&Reading> {
        match self.seen(&Probe::Endpoints) {
            Ok(Seen::Endpoints(reading)) => Some(reading),
            _ => None,
        }
    }
}

fn finding(
    peer: Option<&SiteName>,
    unfenced: &Unfenced,
    obstacle: &Obstacle,
    now: jiff::Timestamp,
) -> Finding {
    let seconds = seconds_from(unfenced.since, now);
    let peer = peer.map_or_else(String::new, ToString::to_string);
    let sentence = format!(
        "{} has not seen {peer} for {seconds} seconds, and no site is fenced: {}",
        unfenced.site, obstacle.why
    );
    // So long a loss that is going to be fenced takes, and so long people meant it.
    if unfenced.planned || seconds < u64::from(UNFENCED_AFTER_SECONDS) {
        fine(sentence)
    } else {
        warns(sentence, obstacle.hint)
    }
}
