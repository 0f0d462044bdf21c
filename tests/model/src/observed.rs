//! What was seen while states were explored: which states of the register followed which, and why.
//!
//! It is no part of a state (two paths to one state would differ by it), so it is kept beside the checker.

use std::collections::BTreeSet;

use fencing::answer::Cause;
use fencing::register::{Record, State};
use fencing::step::Task;

use crate::configuration::Seen;
use crate::laws::promoted;

/// Why the register was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// An alert came with complete evidence.
    Evidence,
    Planned,
    /// The accelerator was read back and holds exactly the survivor.
    OutOfAccelerator,
    /// Replication at the survivor was read to be cut.
    Cut,
    /// Somebody set out to carry the decision out.
    Claimed,
    /// And could not, and said so.
    GivenUp,
    /// What a broken rejoin left behind was carried out, and has to be once more.
    CarriedOutOnce,
    OnceMore,
    /// What the survivor had pushed before the fence was forgotten.
    PushesForgotten,
    /// An operator fenced what was fenced already, so that it may have been recovered in between.
    PushesDoubted,
    /// Infinispan had forgotten the cut.
    Forgotten,
    /// The fenced site was put back into the accelerator too early.
    PutBackEarly,
    /// People had taken the survivor out of a listener, and nobody was left in that.
    Emptied,
    /// An operator began to bring the fenced site back.
    RejoinBegun,
    /// Another command took the rejoin over.
    RejoinTakenOver,
    /// The rejoin set out to take a step.
    StepBegun,
    /// The rejoin took a step.
    StepTaken,
    /// The link was lost again during a rejoin, or the stale site's Keycloak came back.
    BrokenOff,
    /// The fenced site is back.
    BroughtBack,
    /// People seem to have brought both together; once more, and it is believed.
    RecoverySeen,
    RecoveredByHand,
    /// An operator made the other site the survivor.
    Promoted,
    /// An alert's site has relay nodes that disagree, or do not any more.
    Doubted,
    /// An operator forbade new decisions.
    Held,
    /// An operator allowed them again.
    Released,
}

/// One edge of the state diagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    pub from: State,
    pub why: Why,
    pub to: State,
}

#[derive(Debug, Clone, Default)]
pub struct Observed {
    pub edges: BTreeSet<Edge>,
    pub seen: BTreeSet<Seen>,
}

impl Observed {
    /// A write took effect in the register.
    pub fn written(&mut self, old: &Record, new: &Record, task: &Task) {
        let why = why(old, new, task);
        self.edges.insert(Edge {
            from: old.state,
            why,
            to: new.state,
        });
        let passed = match (&old.claim, &new.claim) {
            (Some(old), Some(new)) => old.owner != new.owner,
            _ => false,
        };
        let survives = |name: &str| {
            new.decision
                .as_ref()
                .is_some_and(|decision| decision.survivor.0.as_str() == name)
        };
        if let (Why::Planned | Why::Promoted, Some(decision)) = (why, &new.decision)
            && decision.outcome.restores()
        {
            self.seen.insert(Seen::Restored);
        }
        let seen = match why {
            Why::Claimed if passed => Seen::TakeOver,
            Why::Cut if new.decision.as_ref().is_some_and(promoted) => Seen::Promoted,
            Why::Cut if survives("site-a") => Seen::ASurvives,
            Why::Cut => Seen::BSurvives,
            Why::BroughtBack => Seen::Rejoined,
            Why::BrokenOff => Seen::RejoinAborted,
            Why::RejoinTakenOver => Seen::RejoinTakenOver,
            Why::RecoveredByHand => Seen::Adopted,
            Why::PutBackEarly => Seen::Refenced,
            Why::Emptied => Seen::Refilled,
            Why::Forgotten => Seen::Recut,
            Why::Held => Seen::Held,
            Why::Doubted => Seen::Doubted,
            _ => return,
        };
        self.seen.insert(seen);
    }

    pub fn told(&mut self, causes: &[Cause]) {
        for (cause, seen) in [
            (Cause::Unexplained, Seen::Unexplained),
            (Cause::SurvivorMissing, Seen::SurvivorMissing),
            (Cause::AnothersAccelerator, Seen::Anothers),
            (Cause::OnlyDrainedLeft, Seen::OnlyDrained),
        ] {
            if causes.contains(&cause) {
                self.seen.insert(seen);
            }
        }
    }

    /// Takes in what another run saw.
    pub fn merge(&mut self, other: &Self) {
        self.edges.extend(other.edges.iter().copied());
        self.seen.extend(other.seen.iter().copied());
    }
}

/// What a write of the register stands for, by what it changes.
pub fn why(old: &Record, new: &Record, task: &Task) -> Why {
    if old.hold != new.hold {
        return if new.hold.is_some() {
            Why::Held
        } else {
            Why::Released
        };
    }
    if new.epoch != old.epoch {
        return match (old.state, task) {
            (State::Open, Task::Fence { .. }) => Why::Planned,
            (State::Open, _) => Why::Evidence,
            _ => Why::Promoted,
        };
    }
    if old.divided_since != new.divided_since && new.state == State::Open && old.state == State::Open {
        return Why::Doubted;
    }
    match (old.state, new.state) {
        (State::Decided, State::Isolated) => Why::OutOfAccelerator,
        (State::Isolated, State::Complete) => Why::Cut,
        (State::Isolated, State::Decided) => Why::OnceMore,
        (State::Isolated, State::Isolated) if new.carried_out_once() => Why::CarriedOutOnce,
        (State::Complete, State::Isolated) => Why::Forgotten,
        (State::Complete, State::Decided) if new.refilled_at != old.refilled_at => Why::Emptied,
        (State::Complete, State::Decided) => Why::PutBackEarly,
        (State::Complete, State::Rejoining) => Why::RejoinBegun,
        (State::Rejoining, State::Decided) => Why::BrokenOff,
        (State::Rejoining, State::Open) => Why::BroughtBack,
        (State::Complete, State::Open) => Why::RecoveredByHand,
        (State::Rejoining, _) => {
            let (before, after) = (old.rejoin.as_ref(), new.rejoin.as_ref());
            if before.map(|rejoin| &rejoin.session) != after.map(|rejoin| &rejoin.session) {
                Why::RejoinTakenOver
            } else if new.claim.is_some() {
                Why::StepBegun
            } else if before != after {
                Why::StepTaken
            } else {
                Why::GivenUp
            }
        }
        _ if new.pushes_are_cleared() && !old.pushes_are_cleared() => Why::PushesForgotten,
        _ if old.pushes_are_cleared() && !new.pushes_are_cleared() => Why::PushesDoubted,
        _ if new.recovery_seen_at != old.recovery_seen_at && new.recovery_seen_at.is_some() => {
            Why::RecoverySeen
        }
        _ if new.claim.is_some() => Why::Claimed,
        _ => Why::GivenUp,
    }
}
