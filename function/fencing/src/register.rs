//! The durable record: one item per topology, every write conditional on its revision.
//!
//! ```text
//!                    ┌──────────── put back too early: fenced again ───────────┐
//!                    ▼                                                         │
//!   open ───────▶ decided ───────▶ isolated ─────────▶ complete ───────▶ rejoining ──▶ open
//!    ▲  evidence     ▲  out of the     ▲  replication      │ │  operator       │
//!    │               │  accelerator    │  cut              │ │                 │
//!    │               │                 └ Infinispan forgot ┘ │                 │
//!    │               └────────────── link lost again ────────┼─────────────────┘
//!    └───────────── recovered by hand, adopted ──────────────┘
//! ```
//!
//! A [`Decision`] is written once per epoch and never changes; only its progress does. `promote` is the one
//! way to another survivor, and it takes a new epoch.

pub mod items;
pub mod near;
pub mod next;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::accelerator::{GroupOutcome, Outcome, Place};
use crate::settings::Settings;
use crate::timed_call::CallsBefore;
use crate::words::{Epoch, Fenced, Rev, SiteName, Survivor, Token};

/// The newest form of the record that this code writes, and the newest that it understands.
pub const SCHEMA: u32 = 1;

/// How far a decision is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No decision is in force.
    Open,
    /// Decided; the accelerator may still hold both.
    Decided,
    /// The accelerator was read to hold exactly the survivor; replication may not be cut yet. In the register it is
    /// spelt as the first version spelt it, for ever: an older function may read it.
    #[serde(rename = "unbalanced")]
    Isolated,
    /// Replication at the survivor was read to be cut, too.
    Complete,
    /// An operator brings the fenced site back.
    Rejoining,
}

impl State {
    /// All of them, in the order in which a fence and a rejoin pass through.
    pub const ALL: [Self; 5] = [
        Self::Open,
        Self::Decided,
        Self::Isolated,
        Self::Complete,
        Self::Rejoining,
    ];
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Decided => "decided",
            Self::Isolated => "isolated",
            Self::Complete => "complete",
            Self::Rejoining => "rejoining",
        })
    }
}

/// Who survives an epoch, and exactly what that means for the accelerator. Immutable within its epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Decision {
    pub survivor: Survivor,
    pub fenced: Fenced,
    /// The accelerator's content once it is carried out.
    pub outcome: Outcome,
    /// Who decided: an alert's reporter, or an operator.
    pub by: String,
    /// Why, in one sentence.
    pub evidence: String,
    pub decided_at: Timestamp,
    /// Since when the alert that it was decided on had been firing, by the clock of the site's monitoring. None where no
    /// alert was, or where it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerted_at: Option<Timestamp>,
}

/// Who carries out a decision just now. A claim saves work and no more: two executors doing the same calls
/// are safe, only wasteful. So a claim may rest on clocks, and nothing else does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// The request that holds it.
    pub owner: String,
    /// Until when others leave the work to it.
    pub until: Timestamp,
}

impl Claim {
    /// Whether others still leave the work to its owner. A claim that would hold for longer than any claim
    /// can comes from a clock that was wrong, its writer's or one's own, and binds nobody.
    pub fn is_fresh_at(&self, now: Timestamp, ttl_seconds: u32) -> bool {
        let left = self.until.duration_since(now);
        left > SignedDuration::ZERO && left <= SignedDuration::from_secs(ttl_seconds.into())
    }
}

/// An operator's stop: no new decision while it lasts. It does not end by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hold {
    pub by: String,
    pub reason: String,
    pub since: Timestamp,
    /// When it was meant to be released; after that an alarm reminds people, and the hold stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// How far a rejoin is. STALE is the fenced site, whose state is stale; KEPT is the survivor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "at", content = "left")]
pub enum RejoinStep {
    /// STALE must stop replicating to KEPT before it is cleared, or the clear wipes both.
    CutStale,
    /// These caches of STALE are still to be cleared; a state push never deletes.
    Clear(Vec<String>),
    /// STALE replicates to KEPT again.
    RestoreStale,
    /// Both ends forget earlier pushes, KEPT replicates to STALE again and pushes its state.
    Push,
    /// Every cache is to report the push as done.
    AwaitPush,
    /// STALE's endpoint goes back into the accelerator, once its Keycloak is ready.
    Readd,
}

impl RejoinStep {
    pub const COUNT: u8 = 6;

    /// Which one it is, from 1 on.
    pub fn number(&self) -> u8 {
        match self {
            Self::CutStale => 1,
            Self::Clear(_) => 2,
            Self::RestoreStale => 3,
            Self::Push => 4,
            Self::AwaitPush => 5,
            Self::Readd => Self::COUNT,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rejoin {
    /// The operator's command that drives it. Another command, also a second run of the same one, first
    /// takes it over and waits.
    pub session: String,
    pub step: RejoinStep,
    /// How often a push that did not end was started again. A function that does not know this forgets it, and the
    /// next one is given less time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restarts: u8,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// The same thing happens again and again, with less than [`EPISODE_ENDS_AFTER`] in between.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Episode {
    pub times: u32,
    /// When for the first time.
    pub since: Timestamp,
    /// When for the last time.
    pub last: Timestamp,
}

/// What happens again after this time is another episode, and people are notified again.
pub const EPISODE_ENDS_AFTER: SignedDuration = SignedDuration::from_hours(1);

impl Episode {
    /// It happens now, perhaps again. A time that is still to come is a wrong clock's, and no other story.
    fn next(before: Option<&Self>, now: Timestamp) -> Self {
        let goes_on = before.filter(|before| now.duration_since(before.last) <= EPISODE_ENDS_AFTER);
        Self {
            times: goes_on.map_or(1, |before| before.times.saturating_add(1)),
            since: goes_on.map_or(now, |before| before.since),
            last: now,
        }
    }
}

/// What of a decision is kept beside it, for a reader after an older function has written it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Restores {
    pub epoch: Epoch,
    /// The groups in which it gives a site its weight back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reweighs: Vec<String>,
    /// The groups whose traffic dial it opens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opens: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// The schema of this record. A newer one than [`SCHEMA`] is not changed.
    pub schema: u32,
    pub epoch: Epoch,
    pub rev: Rev,
    /// How far the decision is.
    pub state: State,
    /// The decision in force; none while open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Who carries it out just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// What the caller who waits for this revision has to name afterwards. None in what an older function wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// The outcome was changed (`promote`), or is about to be undone (`rejoin`, a recovery by hand that was
    /// seen once): executors of the outcome before may still be running, so nobody goes on before having
    /// waited for this revision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waiting: bool,
    /// A rejoin was broken off while an attempt of it may still have had something on its way. The decision is
    /// carried out at once, and once more after a wait: only then is it complete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsettled: bool,
    /// The epoch in which, since its decision is complete, the survivor has forgotten what it had pushed before: from
    /// here on a push that is over was made after the fence, and counts for a recovery by hand. It names the epoch
    /// because an older function leaves it as it is when it takes the next decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushes_cleared: Option<Epoch>,
    /// A rejoin's progress, while rejoining.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejoin: Option<Rejoin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// No new decision before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_until: Option<Timestamp>,
    /// Sites whose primary relay node does not see the other site while another relay node does, and since when, as
    /// far as their alerts have shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub divided_since: BTreeMap<SiteName, Timestamp>,
    /// When a recovery by hand was seen for the first time; it is believed at the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_seen_at: Option<Timestamp>,
    /// When a listener that people had emptied was last filled again in this epoch. Once an hour: a second
    /// time somebody means it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refilled_at: Option<Timestamp>,
    /// The decision in force was carried out completely before: what is carried out since then is no new fence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub completed: bool,
    /// What had to be corrected again in this epoch, by name, and how often: people are notified once.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub episodes: BTreeMap<String, Episode>,
    /// The epoch that `divided_since`, `refilled_at`, `completed` and `episodes` are of. An older function does not know
    /// them and leaves them as they are when it takes the next decision; [`Record::read`] believes none of them then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noted_in: Option<Epoch>,
    /// Where the decision gives a drained site its weight or its dial back. Within the decision it would be lost: an
    /// older function writes that whole, as far as it knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<Restores>,
    /// Where both sites belong in the accelerator, as last seen whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// What its writer called before it wrote this revision, for people who read the history. The driver puts it here, and
    /// keeps it from the protocol, which is to decide nothing by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_before: Option<CallsBefore>,
    /// Who wrote this revision, and what for.
    pub by: String,
    /// When this revision was written, by its writer's clock.
    pub written_at: Timestamp,
}

impl Record {
    /// What a register without an item stands for: open, nothing ever decided.
    pub fn empty() -> Self {
        Self {
            schema: SCHEMA,
            epoch: Epoch::default(),
            rev: Rev::default(),
            state: State::Open,
            decision: None,
            claim: None,
            token: None,
            waiting: false,
            unsettled: false,
            pushes_cleared: None,
            rejoin: None,
            hold: None,
            cooldown_until: None,
            divided_since: BTreeMap::new(),
            recovery_seen_at: None,
            refilled_at: None,
            completed: false,
            episodes: BTreeMap::new(),
            noted_in: None,
            restores: None,
            places: Vec::new(),
            calls_before: None,
            by: String::new(),
            written_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// The next revision, to be changed and written: everything is kept but the authorship. Its token is set when
    /// it is written.
    #[must_use]
    pub fn revised(&self, by: &str, now: Timestamp) -> Self {
        Self {
            rev: self.rev.next(),
            by: by.to_owned(),
            written_at: now,
            token: None,
            calls_before: None,
            schema: SCHEMA,
            ..self.clone()
        }
    }

    /// The next revision, in which `decision` begins an epoch: nobody has begun to carry it out, and nothing of
    /// the epoch before is left in it.
    #[must_use]
    pub fn decided(&self, decision: Decision, by: &str) -> Self {
        let now = decision.decided_at;
        Self {
            epoch: self.epoch.next(),
            state: State::Decided,
            decision: Some(decision),
            ..self.bare(by, now)
        }
    }

    /// The next revision, in which the epoch is over and no new decision is taken before `quiet_until`.
    #[must_use]
    pub fn opened(&self, quiet_until: Timestamp, by: &str, now: Timestamp) -> Self {
        Self {
            cooldown_until: Some(quiet_until),
            ..self.bare(by, now)
        }
    }

    /// The next revision, open, with nothing of an epoch in it. Epoch, hold and places outlive that.
    fn bare(&self, by: &str, now: Timestamp) -> Self {
        let bare = Self {
            epoch: self.epoch,
            rev: self.rev,
            hold: self.hold.clone(),
            places: self.places.clone(),
            ..Self::empty()
        };
        bare.revised(by, now)
    }

    /// The same, complete with what an older function has to leave alone: to be written like this.
    #[must_use]
    pub fn sealed(self) -> Self {
        let noted = self.completed
            || self.refilled_at.is_some()
            || !self.divided_since.is_empty()
            || !self.episodes.is_empty();
        let arns = |which: fn(&GroupOutcome) -> bool| -> Vec<String> {
            let groups = self.decision.iter().flat_map(|decision| &decision.outcome.groups);
            groups
                .filter(|write| which(write))
                .map(|write| write.arn.clone())
                .collect()
        };
        let (reweighs, opens) = (arns(|write| write.reweighs), arns(|write| write.opens));
        let restores = (!reweighs.is_empty() || !opens.is_empty()).then_some(Restores {
            epoch: self.epoch,
            reweighs,
            opens,
        });
        Self {
            noted_in: noted.then_some(self.epoch),
            restores,
            ..self
        }
    }

    /// The same as far as it may be believed: without what is of another epoch or revision, and with what an older
    /// function has left out of the decision.
    fn believed(self) -> Self {
        let mut record = self;
        if record.noted_in != Some(record.epoch) {
            record.divided_since = BTreeMap::new();
            record.refilled_at = None;
            record.completed = false;
            record.episodes = BTreeMap::new();
        }
        record.token = record.token.filter(|token| token.is_of(record.rev));
        record.calls_before = record.calls_before.filter(|calls| calls.rev == record.rev);
        let restores = record
            .restores
            .take()
            .filter(|restores| restores.epoch == record.epoch);
        if let (Some(decision), Some(restores)) = (&mut record.decision, restores) {
            for write in &mut decision.outcome.groups {
                write.reweighs |= restores.reweighs.contains(&write.arn);
                write.opens |= restores.opens.contains(&write.arn);
            }
        }
        record.sealed()
    }

    /// Whether somebody other than `owner` is at work.
    pub fn claimed_by_another(&self, owner: &str, now: Timestamp, ttl_seconds: u32) -> Option<&Claim> {
        self.claim
            .as_ref()
            .filter(|claim| claim.owner != owner && claim.is_fresh_at(now, ttl_seconds))
    }

    /// The same record in which `what` has happened once more, and how often that was.
    #[must_use]
    pub fn happening(&self, what: &str, now: Timestamp) -> (Self, Episode) {
        let episode = Episode::next(self.episodes.get(what), now);
        let mut record = self.clone();
        record.episodes.insert(what.to_owned(), episode.clone());
        (record, episode)
    }

    /// Until when the quiet time after a recovery forbids new decisions. More of it than there ever is comes from a
    /// wrong clock, and must not keep a site from being fenced.
    pub fn quiet_until(&self, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
        let at_most = SignedDuration::from_secs(settings.cooldown_seconds.into());
        self.cooldown_until.filter(|until| {
            let left = until.duration_since(now);
            left > SignedDuration::ZERO && left <= at_most
        })
    }

    /// Whether this very revision has to be waited for before anybody goes on.
    pub fn waits(&self) -> bool {
        self.waiting || self.carried_out_once()
    }

    /// Whether a decision that is to be carried out twice has been carried out once, and nobody is at it.
    pub fn carried_out_once(&self) -> bool {
        self.unsettled && self.state == State::Isolated && self.claim.is_none()
    }

    /// Whether a push that the survivor calls done was made since the decision is complete.
    pub fn pushes_are_cleared(&self) -> bool {
        self.pushes_cleared == Some(self.epoch)
    }

    /// The site that is out because of the decision in force, if any.
    pub fn fenced(&self) -> Option<&SiteName> {
        self.decision.as_ref().map(|decision| &decision.fenced.0)
    }
}

#[cfg(test)]
mod tests;
