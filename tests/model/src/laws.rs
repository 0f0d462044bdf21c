//! The invariants, judged at the moment at which something takes effect.
//!
//! Each is about what *we* do. People may empty a listener or cut replication; so it is remembered whose
//! doing the present content of a group and of a backup is, and a law is broken only by a write of ours that
//! makes things worse than the people before it did. None of this calls the protocol's own judgement: what
//! [`fencing::accelerator`] says of a reading is computed here a second time.

use fencing::register::{Decision, Record, State};
use fencing::replication::Backup;
use fencing::step::{Call, Keycloak, Task};
use fencing::words::Rev;

use crate::grounds::{Grounds, Group, STRANGER, Site};
use crate::invocation::{Invocation, Shown};
use crate::world::{Data, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Law {
    /// At least one endpoint over each listener.
    I1,
    /// Never both backups cut, except where nobody can write at one of them.
    I2,
    /// Replication is cut only after the accelerator was read to hold exactly the survivor.
    I3,
    /// One immutable decision per epoch.
    I4,
    /// Who survives is another one than who goes, is in, looks no worse, and is not drained while the other is not; and
    /// misses the other.
    I5,
    /// Only a rejoin and a promotion add an endpoint, and a rejoin only one that is in step.
    I6,
    /// Epoch and revision never fall; each write to the outside is what the epoch in force wants.
    I7,
    /// While a hold is on nothing new is decided.
    I8,
    /// A 200 to an alert says that a decision is carried out: its site survives, the other one is out, and replication
    /// is cut; or its site is the other one.
    I10,
    /// Nothing is written later than the timeout.
    I12,
    /// The survivor's own configuration stays, but where an operator has a drained one serve.
    I13,
    /// A clear reaches the stale site only.
    Clear,
    /// From everywhere, one retry without faults completes what was begun.
    L1,
    /// From everywhere, a loss that lasts is fenced.
    L2,
    /// From everywhere, there is a way out.
    L4,
}

/// The laws broken so far. A checker ends at the first; a set costs no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Broken(u16);

impl Broken {
    pub fn note(&mut self, law: Law) {
        self.0 |= 1 << (law as u16);
    }

    /// Notes one unless `kept`.
    pub fn unless(&mut self, kept: bool, law: Law) {
        if !kept {
            self.note(law);
        }
    }

    pub fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether this one is among them.
    pub fn has(self, law: Law) -> bool {
        self.0 & (1 << (law as u16)) != 0
    }

    pub fn any(self) -> bool {
        self.0 != 0
    }
}

/// A write about to take effect: by whom, in which world, and what the world is afterwards.
#[derive(Debug)]
pub struct Deed<'a> {
    pub grounds: &'a Grounds,
    /// Just before.
    pub before: &'a World,
    /// Just after.
    pub after: &'a World,
    /// Who wrote, as it was when it began the call.
    pub by: &'a Invocation,
    pub call: &'a Call,
    /// Whether the writer's time was over.
    pub overdue: bool,
}

impl Deed<'_> {
    /// The laws that it breaks.
    pub fn judge(&self) -> Broken {
        let mut broken = Broken::default();
        broken.unless(!self.overdue, Law::I12);
        // What the register says then was so once. Whoever had read it before writes over a revision that is not there.
        let is_stale = |expect: &Rev| self.before.record().rev != *expect;
        let changes_nothing = match self.call {
            Call::NoteReached(_) => true,
            Call::WriteRegister { expect, .. } => is_stale(expect),
            _ => false,
        };
        broken.unless(!self.before.restored || changes_nothing, Law::I7);
        match self.call {
            Call::NoteReached(reached) => {
                broken.unless(reached.rev <= self.before.record().rev, Law::I7);
            }
            // A write whose condition does not hold changes nothing.
            Call::WriteRegister { expect, record } if self.before.record().rev == *expect => {
                self.recorded(&mut broken, record);
            }
            Call::WriteGroup(write) => {
                let index = self.grounds.group(&write.arn);
                self.balanced(&mut broken, index);
            }
            Call::TakeOffline { at, .. } => self.cut(&mut broken, self.grounds.site(at)),
            Call::ClearCache { at, .. } => {
                let stale = self.grounds.site(at);
                let cut = self.before.at(stale).backup == Backup::Offline;
                broken.unless(cut || !self.before.connected(), Law::Clear);
                self.within_rejoin(&mut broken);
                self.without_keycloak(&mut broken);
            }
            // The schedule has the survivor forget what it pushed before the fence.
            Call::CancelPush { .. } | Call::ClearPushes { .. }
                if matches!(self.task(), Task::Sweep { .. }) =>
            {
                let record = self.before.record();
                broken.unless(record.state != State::Rejoining || record.waiting, Law::I7);
            }
            Call::StartPush { .. } => {
                self.within_rejoin(&mut broken);
                self.without_keycloak(&mut broken);
            }
            Call::BringOnline { .. }
            | Call::CancelPush { .. }
            | Call::CancelReceive { .. }
            | Call::ClearPushes { .. } => {
                self.within_rejoin(&mut broken);
            }
            _ => {}
        }
        broken.unless(
            apart(self.grounds, self.after) || !apart(self.grounds, self.before),
            Law::I2,
        );
        broken
    }

    fn task(&self) -> &Task {
        self.by.state.task()
    }

    /// What the writer set out to carry out: the record that it wrote last, or else read.
    fn carried(&self) -> Option<&Record> {
        let shown = &self.by.shown;
        shown.own.as_deref().or(shown.record.as_deref())
    }

    fn recorded(&self, broken: &mut Broken, new: &Record) {
        let old = self.before.record();
        let shown = &self.by.shown;
        broken.unless(new.rev.0 == old.rev.0 + 1, Law::I7);
        if let Task::Rejoin { stale, .. } = self.task() {
            // The Keycloak that its command has stopped is that site's, and nobody else's state may be cleared.
            broken.unless(old.fenced() == Some(stale), Law::I2);
        }
        broken.unless(
            new.epoch.0 == old.epoch.0 || new.epoch.0 == old.epoch.0 + 1,
            Law::I7,
        );
        if new.epoch == old.epoch {
            let same = match (&old.decision, &new.decision) {
                (Some(old), Some(new)) => old == new,
                (None, Some(_)) => false,
                (_, None) => new.state == State::Open,
            };
            broken.unless(same, Law::I4);
        } else {
            let fresh = new.decision.is_some() && new.state == State::Decided;
            let promoted = matches!(self.task(), Task::Promote { .. }) && old.state != State::Open;
            broken.unless(fresh && (promoted || old.state == State::Open), Law::I4);
            if let (true, Some(decision)) = (promoted, &new.decision) {
                broken.unless(self.has_it_serve(decision), Law::I13);
            }
            if let (
                Some(replaced),
                Task::Promote {
                    survivor_is_lost: false,
                    ..
                },
            ) = (&old.decision, self.task())
            {
                let site = self.grounds.site(&replaced.survivor.0).index();
                let is_in = shown
                    .groups
                    .iter()
                    .flatten()
                    .any(|members| members[site].is_some());
                let lives = is_in && shown.healthy[site] && shown.backups[site].is_some();
                broken.unless(!lives, Law::I5);
            }
        }
        if let (State::Complete, State::Open, Some(fenced)) = (old.state, new.state, old.fenced()) {
            // A recovery by hand is believed of a site that is in step, and of no other.
            let stale = self.before.at(self.grounds.site(fenced));
            broken.unless(stale.data == Data::InStep, Law::I6);
        }
        let Some(decision) = &new.decision else { return };
        broken.unless(decision.survivor.0 != decision.fenced.0, Law::I5);
        if new.epoch != old.epoch && old.state == State::Open {
            broken.unless(old.hold.is_none(), Law::I8);
            broken.unless(self.well_founded(decision), Law::I5);
            broken.unless(self.keeps_configuration(decision), Law::I13);
        }
        broken.unless(new.state != State::Complete || !new.unsettled, Law::I7);
        if new.epoch == old.epoch && new.state > old.state && new.state != State::Rejoining {
            broken.unless(
                self.saw_survivor_alone(shown, decision) || old.state == State::Isolated,
                Law::I3,
            );
            let survivor = self.grounds.site(&decision.survivor.0);
            let cut = shown.backups[survivor.index()] == Some(Backup::Offline);
            broken.unless(new.state != State::Complete || cut, Law::I10);
        }
    }

    /// What the decider was shown bears the decision out: the survivor may be left alone, every listener that holds either holds the
    /// survivor, nobody unknown is there, its health is not worse, and it misses the other.
    fn well_founded(&self, decision: &Decision) -> bool {
        let survivor = self.grounds.site(&decision.survivor.0).index();
        let fenced = 1 - survivor;
        let shown = &self.by.shown;
        let present = self.grounds.listeners().all(|groups| {
            let holds = |member: usize| {
                shown.groups[groups.clone()]
                    .iter()
                    .any(|group| group.is_some_and(|members| members[member].is_some()))
            };
            !holds(STRANGER) && (holds(survivor) || !holds(fenced))
        });
        let somewhere = |member: usize| {
            shown
                .groups
                .iter()
                .any(|group| group.is_some_and(|members| members[member].is_some()))
        };
        let worse = !shown.healthy[survivor] && shown.healthy[fenced] && somewhere(fenced);
        // Where a second relay node objects, that was noted a minute ago.
        let noted = self
            .before
            .record()
            .divided_since
            .get(&decision.survivor.0)
            .copied();
        let outlasted = noted
            .is_some_and(|at| decision.decided_at.duration_since(at) >= jiff::SignedDuration::from_secs(60));
        let missed = shown.misses[survivor] == Some(true) && (outlasted || !shown.doubts[survivor]);
        let operated = matches!(self.task(), Task::Fence { .. });
        let serves = operated
            || self
                .grounds
                .listeners()
                .all(|groups| !self.outdone(groups, survivor));
        let may = self.grounds.settings.may_survive(&decision.survivor.0);
        may && present && somewhere(survivor) && !worse && serves && (missed || operated)
    }

    /// Whether a listener was shown in which a member is drained and the other site is not.
    fn outdone(&self, groups: std::ops::Range<usize>, member: usize) -> bool {
        let shown: Vec<Group> = groups
            .map(|index| Group {
                members: self.by.shown.groups[index].unwrap_or_default(),
                closed: self.by.shown.closed[index],
                by_hand: false,
            })
            .collect();
        Grounds::drained(&shown, member) && !Grounds::drained(&shown, 1 - member)
    }

    /// Once a promotion is carried out its survivor serves, unless the other one was drained as well.
    fn has_it_serve(&self, decision: &Decision) -> bool {
        let survivor = self.grounds.site(&decision.survivor.0).index();
        // People may have drained it since.
        let shown = &self.by.shown;
        let mut groups: Vec<Group> = (0..self.before.accelerator.len())
            .map(|index| Group {
                members: shown.groups[index].unwrap_or_default(),
                closed: shown.groups[index].is_some() && shown.closed[index],
                by_hand: false,
            })
            .collect();
        let mut others = groups.clone();
        for place in &self.carried_places() {
            let index = self.grounds.group(&place.0);
            let known = &mut others[index].members[1 - survivor];
            *known = known.or(Some(place.1));
        }
        for write in &decision.outcome.groups {
            let index = self.grounds.group(&write.arn);
            groups[index] = self.grounds.written(write, groups[index]);
            // Where nobody ever saw it, none is named, and it gets the usual one.
            if write.endpoints.iter().any(|config| config.weight.is_none()) {
                groups[index].members[survivor] = Some(128);
            }
        }
        self.grounds.listeners().all(|range| {
            !Grounds::drained(&groups[range.clone()], survivor)
                || Grounds::drained(&others[range], 1 - survivor)
        })
    }

    /// Where the register remembers who goes by a promotion, with the weight there.
    fn carried_places(&self) -> Vec<(String, u8)> {
        let old = self.before.record();
        let survivor = old.decision.map(|decision| decision.survivor.0);
        let places = old.places.into_iter();
        places
            .filter(|place| Some(&place.site) == survivor.as_ref())
            .map(|place| {
                let weight = place.config.weight.unwrap_or(128);
                (place.group_arn, u8::try_from(weight).unwrap_or_default())
            })
            .collect()
    }

    fn keeps_configuration(&self, decision: &Decision) -> bool {
        let survivor = self.grounds.site(&decision.survivor.0).index();
        decision.outcome.groups.iter().all(|write| {
            let index = self.grounds.group(&write.arn);
            let wanted = self
                .grounds
                .written(write, self.before.accelerator[index])
                .members;
            let seen = self.by.shown.groups[index].unwrap_or_default();
            // An operator's word outweighs that of those who drained it, where the other one is not drained, too.
            let restores = matches!(self.task(), Task::Fence { .. })
                && self
                    .grounds
                    .listeners()
                    .any(|groups| groups.contains(&index) && self.outdone(groups, survivor));
            let kept = match (restores, seen[survivor]) {
                (true, Some(0)) => wanted[survivor].is_some_and(|weight| weight > 0),
                _ => wanted[survivor] == seen[survivor],
            };
            let dialled =
                write.opens == (restores && self.by.shown.closed[index] && seen[survivor].is_some());
            kept && dialled && wanted[1 - survivor].is_none() && wanted[STRANGER].is_none()
        })
    }

    /// Whether this invocation itself was shown exactly the survivor in every group of the decision.
    fn saw_survivor_alone(&self, shown: &Shown, decision: &Decision) -> bool {
        decision.outcome.groups.iter().all(|write| {
            let index = self.grounds.group(&write.arn);
            let wanted = self
                .grounds
                .written(write, self.before.accelerator[index])
                .members;
            [shown.groups[index], shown.replies[index]]
                .into_iter()
                .flatten()
                .any(|members| members.map(|m| m.is_some()) == wanted.map(|m| m.is_some()))
        })
    }

    fn balanced(&self, broken: &mut Broken, index: usize) {
        let (old, new) = (&self.before.accelerator[index], &self.after.accelerator[index]);
        let record = self.before.record();
        for groups in self.grounds.listeners().filter(|groups| groups.contains(&index)) {
            let empty = |world: &World| {
                world.accelerator[groups.clone()]
                    .iter()
                    .all(|group| group.members.iter().all(Option::is_none))
            };
            let people = self.before.accelerator[groups.clone()]
                .iter()
                .any(|group| group.by_hand);
            broken.unless(people || !empty(self.after) || empty(self.before), Law::I1);
        }
        let wanted = self.carried().and_then(|record| record.decision.as_ref());
        let opens = wanted.is_some_and(|decision| promoted(decision) && decision.outcome.restores());
        broken.unless(old.closed == new.closed || old.by_hand || opens, Law::I13);
        for member in 0..3 {
            let added = old.members[member].is_none() && new.members[member].is_some();
            let changed = old.members[member].is_some()
                && new.members[member].is_some()
                && old.members[member] != new.members[member];
            broken.unless(!changed || old.by_hand, Law::I13);
            if added && !old.by_hand {
                let allowed = match self.task() {
                    Task::Rejoin { .. } => Site::ALL
                        .get(member)
                        .is_some_and(|site| self.before.at(*site).data == Data::InStep || record.unsettled),
                    _ => wanted.is_some_and(promoted),
                };
                broken.unless(allowed, Law::I6);
            }
        }
        let agrees = |decision: &Decision| {
            decision.outcome.groups.iter().any(|write| {
                self.grounds.group(&write.arn) == index
                    && self.grounds.written(write, *old).members == new.members
            })
        };
        let in_force = record.decision.as_ref();
        let kept = match (record.state, self.task()) {
            (State::Rejoining, Task::Rejoin { .. }) => true,
            (_, Task::Rejoin { .. }) if record.waiting || record.unsettled => true,
            (State::Open, _) => false,
            // While a change of the decision waits, executors of the one before may still write.
            _ => in_force.is_some_and(agrees) || (record.waiting && wanted.is_some_and(agrees)),
        };
        broken.unless(kept, Law::I7);
    }

    fn cut(&self, broken: &mut Broken, at: Site) {
        let record = self.before.record();
        // Of the site that the command names, for which Keycloak has to be at 0; where it breaks itself off it carries the
        // decision out again as anybody does, and a promotion may come before that.
        if let Task::Rejoin { stale, .. } = self.task()
            && self.grounds.site(stale) == at
        {
            self.within_rejoin(broken);
            self.without_keycloak(broken);
            return;
        }
        let survives = |decision: &Decision| self.grounds.site(&decision.survivor.0) == at;
        let wanted = self.carried();
        let known = wanted.and_then(|record| record.decision.as_ref());
        let in_force = record.decision.as_ref().filter(|_| record.state != State::Open);
        let kept = in_force.is_some_and(survives) || (record.waiting && known.is_some_and(survives));
        broken.unless(kept, Law::I7);
        let read_before = wanted.is_some_and(|record| record.state >= State::Isolated);
        let seen =
            known.is_some_and(|decision| read_before || self.saw_survivor_alone(&self.by.shown, decision));
        // And it is so, unless people put the other one back.
        let other = at.other().index();
        let so = self
            .before
            .accelerator
            .iter()
            .all(|group| group.by_hand || group.members[other].is_none());
        broken.unless(seen && (so || record.waiting || record.unsettled), Law::I3);
    }

    /// I2: a cut, a clear and a push of a rejoin are made by an invocation that was told that no pod of the stale
    /// site's Keycloak was left right before it began.
    fn without_keycloak(&self, broken: &mut Broken) {
        let told = matches!(
            self.task(),
            Task::Rejoin {
                keycloak: Keycloak::Stopped,
                ..
            }
        );
        broken.unless(told, Law::I2);
    }

    fn within_rejoin(&self, broken: &mut Broken) {
        let record = self.before.record();
        let ours = match self.task() {
            Task::Rejoin { session, .. } => record
                .rejoin
                .as_ref()
                .is_some_and(|rejoin| rejoin.session == *session),
            _ => false,
        };
        // Whoever takes a rejoin over or decides anew waits first, and says so; whoever breaks it off says that it
        // is not settled. Until then the one before may write.
        let told = record.waiting || record.unsettled;
        broken.unless(told || (record.state == State::Rejoining && ours), Law::I7);
    }
}

/// Whether an operator's promotion took this decision.
pub fn promoted(decision: &Decision) -> bool {
    decision.evidence.starts_with("promoted")
}

/// I2, of a world: where both backups are cut, and no person cut one of them, at one site nobody writes. It is
/// out of the accelerator, and its Keycloak is at 0 (or a person has just started it), or it was given up by a promotion.
pub fn apart(grounds: &Grounds, world: &World) -> bool {
    let cut = |site: Site| world.at(site).backup == Backup::Offline;
    let by_hand = world.sites.iter().any(|site| site.by_hand);
    if !(cut(Site::A) && cut(Site::B)) || by_hand {
        return true;
    }
    let record = world.record();
    let given_up = |site: Site| {
        let decision = record.decision.as_ref();
        decision.is_some_and(|decision| promoted(decision) && grounds.site(&decision.fenced.0) == site)
    };
    Site::ALL.into_iter().any(|site| {
        let out = |group: &Group| group.by_hand || group.members[site.index()].is_none();
        let silent = !world.at(site).keycloak || world.at(site).started || given_up(site);
        silent && world.accelerator.iter().all(out)
    })
}

/// I10, of an answer to an alert. What a suspicion does not lead to is left to the alert that follows, and is no failure.
pub fn answered(grounds: &Grounds, by: &Invocation) -> bool {
    use fencing::answer::Status;
    let reporter = match by.state.task() {
        Task::Alert { reporter, .. } => reporter,
        Task::Suspicion { reporter, .. } => {
            let answer = by.answer();
            if answer.is_some_and(|answer| answer.status == Status::NotNow) {
                return false;
            }
            if answer.is_some_and(|answer| answer.sentence.starts_with(fencing::contract::alert::LEFT)) {
                return true;
            }
            reporter
        }
        _ => return true,
    };
    let done = by.answer().is_some_and(|answer| answer.status == Status::Done);
    // Its site survives, or is the fenced one: nothing that it reports changes anything until somebody acts.
    let over = |record: &Record| {
        let known =
            |decision: &Decision| [&decision.survivor.0, &decision.fenced.0].map(|name| grounds.site(name));
        let told = record.decision.as_ref().map(known);
        record.state == State::Complete
            && told.is_some_and(|sites| sites.contains(&grounds.site(&reporter.0)))
    };
    !done || by.shown.record.as_deref().is_some_and(over)
}
