//! Demands on the register: I4, I5, I7, I8, and what may follow what.

use std::time::Duration;

use fencing::accelerator::{Health, listener_of};
use fencing::register::{Decision, Record, State};
use fencing::replication::{Backup, View};
use fencing::step::{Event, Task, Written};

use super::{Before, InvocationId, Invoked, Kind, Watcher, touched};
use crate::layout;
use crate::reality::Reality;

/// What of a suspicion's time may have passed before the report arrived.
const PASSED_BEFORE: Duration = Duration::from_secs(2);

impl Watcher {
    pub(super) fn register_is_written(
        &mut self,
        id: InvocationId,
        record: &Record,
        event: &Event,
        before: &Before,
        reality: &Reality,
        now: Duration,
    ) {
        if *event != Event::Written(Written::Stored) {
            self.counts.lost_races += 1;
            return;
        }
        let old = &before.record;
        let Some(kind) = self.invoked(id).map(|invoked| invoked.kind.clone()) else {
            return;
        };
        self.demand(record.rev == old.rev.next(), || {
            format!("I7: {id} writes rev {} over {}", record.rev, old.rev)
        });
        self.demand(record.epoch >= old.epoch, || {
            format!("I7: {id} writes epoch {} over {}", record.epoch, old.epoch)
        });
        let decided = record.epoch > old.epoch;
        if decided {
            self.epoch_before = std::mem::replace(&mut self.epoch_began, now);
            self.is_decided(id, &kind, record, old, reality);
        } else {
            self.demand(
                record.decision.is_none() || record.decision == old.decision,
                || format!("I4: {id} changes the decision of epoch {}", record.epoch),
            );
        }
        self.demand((record.state == State::Open) == record.decision.is_none(), || {
            format!("I4: {id} writes {} with {:?}", record.state, record.decision)
        });
        let may_hold = matches!(kind, Kind::Operate(Task::Hold { .. } | Task::Release { .. }));
        self.demand(may_hold || record.hold == old.hold, || {
            format!("I8: {id} changes the hold, which only operators may")
        });
        let refills = record.refilled_at.is_some() && record.refilled_at != old.refilled_at;
        self.demand(!refills || old.hold.is_none(), || {
            format!("I8: {id} fills a listener again while held")
        });
        self.follows(id, record, old, decided, reality);
        self.count(record, old);
    }

    fn is_decided(
        &mut self,
        id: InvocationId,
        kind: &Kind,
        record: &Record,
        old: &Record,
        reality: &Reality,
    ) {
        self.demand(old.hold.is_none(), || {
            format!("I8: {id} decides epoch {} while held", record.epoch)
        });
        self.demand(
            record.epoch == old.epoch.next() && record.state == State::Decided,
            || {
                format!(
                    "I4: {id} goes from epoch {} to {} {}",
                    old.epoch, record.epoch, record.state
                )
            },
        );
        let Some(decision) = &record.decision else {
            return;
        };
        self.demand(decision.survivor.0 != decision.fenced.0, || {
            format!("I5: {id} fences the survivor")
        });
        if matches!(kind, Kind::Operate(Task::Promote { .. })) {
            self.demand(record.waiting, || {
                format!("I7: {id} promotes without waiting for others")
            });
            self.is_promoted(id, kind, old, reality);
            self.counts.restored += u64::from(decision.outcome.restores());
            let weighs = decision
                .outcome
                .groups
                .iter()
                .flat_map(|write| &write.endpoints)
                .any(|config| config.weight != Some(0));
            let both = old.places.iter().all(|place| place.config.weight == Some(0));
            self.demand(weighs || both, || {
                format!("I13: {id} has {} serve with no weight at all", decision.survivor)
            });
            return;
        }
        self.demand(old.state == State::Open, || {
            format!("I4: {id} decides anew while epoch {} is {}", old.epoch, old.state)
        });
        self.demand(reality.settings.may_survive(&decision.survivor.0), || {
            format!(
                "I5: {id} leaves {} alone, which is never to be",
                decision.survivor
            )
        });
        let Some(invoked) = self.invoked(id) else {
            return;
        };
        let is_suspicion = matches!(kind, Kind::Suspicion(..));
        let problem = evidence(invoked, decision, old, reality).or_else(|| {
            is_suspicion
                .then(|| unknown(invoked, decision, reality))
                .flatten()
        });
        self.counts.suspected += u64::from(is_suspicion);
        self.counts.restored += u64::from(decision.outcome.restores());
        if let Some(problem) = problem {
            self.violated(format!("I5: {id} decides epoch {}: {problem}", record.epoch));
        }
    }

    /// A survivor that looks healthy and answers is replaced only where the operator says that it is lost.
    fn is_promoted(&mut self, id: InvocationId, kind: &Kind, old: &Record, reality: &Reality) {
        let Kind::Operate(Task::Promote {
            survivor_is_lost: false,
            ..
        }) = kind
        else {
            return;
        };
        let (Some(invoked), Some(replaced)) = (self.invoked(id), &old.decision) else {
            return;
        };
        let site = reality.index(&replaced.survivor.0);
        let balancer = layout::balancer(site);
        let mut healths = invoked
            .reading
            .iter()
            .flat_map(|reading| &reading.groups)
            .flat_map(|group| &group.endpoints)
            .filter(|end| end.config.id == balancer)
            .map(|end| end.health)
            .peekable();
        let healthy = healths.peek().is_some() && healths.all(|health| health == Health::Healthy);
        // Where a call went wrong, nobody knows what it was shown last.
        let lives = healthy && invoked.backup_read[site].is_some() && !invoked.faulty;
        self.demand(!lives, || {
            format!(
                "I5: {id} replaces {}, which looks healthy and answers",
                replaced.survivor
            )
        });
    }

    /// What may follow what, and in what world an epoch may end.
    fn follows(&mut self, id: InvocationId, record: &Record, old: &Record, decided: bool, reality: &Reality) {
        use State::{Complete, Decided, Isolated, Open, Rejoining};
        let allowed = match (old.state, record.state) {
            (same, next) if same == next => true,
            (_, Decided) if decided => true,
            (Decided, Isolated)
            | (Isolated | Decided, Complete)
            | (Complete, Isolated | Decided | Rejoining | Open)
            | (Rejoining, Decided | Open) => true,
            // A decision that is resumed and finds the fenced site back.
            (Isolated, Decided) => true,
            _ => false,
        };
        self.demand(allowed, || {
            format!("I7: {id} goes from {} to {}", old.state, record.state)
        });
        if record.state != Open || old.state == Open {
            return;
        }
        let Some(began) = self.invoked(id).map(|invoked| invoked.began) else {
            return;
        };
        if let Some(decision) = &old.decision {
            // State that was not pushed is missing at the site that is served from now on, whoever touched what
            // meanwhile.
            let kept = reality.index(&decision.survivor.0);
            self.demand(reality.sites[kept].in_step(), || {
                format!(
                    "I6: {id} ends epoch {} before all state was pushed to {}",
                    old.epoch, decision.fenced
                )
            });
        }
        // An epoch ends with both sites whole. Whoever broke something since it was looked at is excused.
        let hands = reality.hands;
        for index in 0..2 {
            let backup = reality.backup(index);
            self.demand(
                backup == Backup::Online || touched(hands.sites[index], began, reality),
                || {
                    format!(
                        "I2: {id} ends epoch {} while {}'s replication is {backup}",
                        old.epoch,
                        layout::SITES[index]
                    )
                },
            );
            self.demand(
                reality.is_in(index) || touched(hands.groups, began, reality),
                || {
                    format!(
                        "I6: {id} ends epoch {} without {} in the accelerator",
                        old.epoch,
                        layout::SITES[index]
                    )
                },
            );
        }
    }

    fn count(&mut self, record: &Record, old: &Record) {
        use State::{Complete, Decided, Isolated, Open, Rejoining};
        let counts = &mut self.counts;
        let decided = record.epoch > old.epoch;
        match (old.state, record.state) {
            (Isolated | Decided, Complete) => counts.fences += 1,
            (Rejoining, Open) => counts.rejoins += 1,
            (Complete, Open) => counts.adoptions += 1,
            (Rejoining, Decided) if !decided => counts.aborts += 1,
            (Complete, Isolated) => counts.recuts += 1,
            (Complete, Decided) if !decided && record.refilled_at != old.refilled_at => counts.refills += 1,
            (Complete, Decided) if !decided => counts.refences += 1,
            (old, Decided) if decided && old != Open => counts.promotions += 1,
            _ => {}
        }
        if record.hold.is_some() && old.hold.is_none() {
            counts.holds += 1;
        }
        if let (Some(old), Some(new)) = (&old.claim, &record.claim) {
            if old.owner != new.owner {
                counts.takeovers += 1;
            } else if record.state != Rejoining && new.until > old.until {
                counts.renewals += 1;
            }
        }
    }
}

/// Who is in a listener: which site, how healthy, and whether it is drained.
type Inside = (usize, Health, bool);

/// What is wrong with the looks that a suspicion's decision rests on: too few or too hasty, at several nodes, or at one
/// that nobody had seen with the other site in view, and that so may never have had it.
fn unknown(invoked: &Invoked, decision: &Decision, reality: &Reality) -> Option<String> {
    let site = reality.index(&decision.survivor.0);
    let looks: Vec<_> = invoked.looks.iter().filter(|(_, (at, ..))| *at == site).collect();
    let (Some((first, instance)), Some((last, _))) = (looks.first(), looks.last()) else {
        return Some("nobody looked".to_owned());
    };
    let seconds = reality.settings.suspicion_seconds;
    let looked = Duration::from_secs(seconds.into()).saturating_sub(PASSED_BEFORE);
    if looks.len() < 3 || *last - *first < looked {
        return Some(format!("{} looks from {first:?} to {last:?}", looks.len()));
    }
    if looks.iter().any(|(_, other)| other != instance) {
        return Some(format!("not the same node missed it all along: {looks:?}"));
    }
    (!reality.witnesses.contains(instance))
        .then(|| format!("{instance:?} is not known to have seen {}", decision.fenced))
}

/// What is wrong with the evidence that an executor had for its decision.
fn evidence(invoked: &Invoked, decision: &Decision, old: &Record, reality: &Reality) -> Option<String> {
    let (survivor, fenced) = (
        reality.index(&decision.survivor.0),
        reality.index(&decision.fenced.0),
    );
    if let Kind::Alert(reporter, _) | Kind::Suspicion(reporter, _) = &invoked.kind {
        if decision.survivor.0 != reporter.0 {
            return Some("the reporter is to go".to_owned());
        }
        let of = |is_wanted: fn(&View) -> bool| invoked.views.iter().find(|view| is_wanted(view));
        let sees = |view: &View| {
            let (own, other) = (decision.survivor.0.as_str(), decision.fenced.0.as_str());
            let named = |site: &str| view.sites_view.iter().any(|seen| seen == site);
            (view.local_site == own && named(own)).then(|| named(other))
        };
        if of(View::is_primary).and_then(sees) != Some(false) {
            return Some(format!(
                "the primary did not miss {} now: {:?}",
                decision.fenced, invoked.views
            ));
        }
        // By the clock of whoever decides, and by that of whoever noted it: they may be an hour apart.
        let noted = old.divided_since.contains_key(&decision.survivor.0);
        if of(|view| view.counts() && !view.is_primary()).and_then(sees) == Some(true) && !noted {
            return Some(format!(
                "a relay node sees {} and nobody had noted it: {:?}",
                decision.fenced, invoked.views
            ));
        }
    }
    read_evidence(invoked, survivor, fenced, decision.outcome.restores())
}

/// What is wrong with what it was shown of the accelerator.
pub(super) fn read_evidence(
    invoked: &Invoked,
    survivor: usize,
    fenced: usize,
    restores: bool,
) -> Option<String> {
    let Some(reading) = &invoked.reading else {
        return Some("the accelerator was not read".to_owned());
    };
    let balancers = [layout::balancer(0), layout::balancer(1)];
    let operated = matches!(invoked.kind, Kind::Operate(_) | Kind::Forced(_));
    if restores && !operated {
        return Some("nobody said that a drained site is to serve".to_owned());
    }
    let mut listeners: Vec<(&str, Vec<Inside>)> = Vec::new();
    for group in &reading.groups {
        let listener = listener_of(&group.arn);
        if listeners.iter().all(|(known, _)| *known != listener) {
            listeners.push((listener, Vec::new()));
        }
        let Some((_, inside)) = listeners.iter_mut().find(|(known, _)| *known == listener) else {
            continue;
        };
        for endpoint in &group.endpoints {
            match balancers.iter().position(|id| *id == endpoint.config.id) {
                Some(index) => {
                    let drained = group.closed || endpoint.config.weight == Some(0);
                    inside.push((index, endpoint.health, drained));
                }
                None => return Some(format!("a stranger is in {listener}")),
            }
        }
    }
    for (listener, inside) in listeners {
        if inside.is_empty() {
            continue;
        }
        let of = |site: usize| {
            inside
                .iter()
                .filter(move |(index, ..)| *index == site)
                .map(|(_, health, _)| *health)
        };
        let drained = |site: usize| {
            let mut ends = inside.iter().filter(|(index, ..)| *index == site).peekable();
            ends.peek().is_some() && ends.all(|(.., drained)| *drained)
        };
        if drained(survivor) && !drained(fenced) && !operated {
            return Some(format!(
                "the survivor is drained in {listener}, and the other is not"
            ));
        }
        match (of(survivor).min(), of(fenced).max()) {
            (None, _) => return Some(format!("the survivor is not in {listener}")),
            (Some(own), Some(other)) if other > own => {
                return Some(format!("the survivor is {own} in {listener}, the other {other}"));
            }
            _ => {}
        }
    }
    None
}
