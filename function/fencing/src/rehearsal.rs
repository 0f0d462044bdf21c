//! An alert that is rehearsed: judged by the same step function, from the same readings, and nothing written.
//!
//! One thing is pretended: the reporter's Infinispan does not see the suspect. Everything else is as it is at that
//! moment, so the answer says what a loss of the link would lead to now: a fence, or the reason why there would be
//! none. A rehearsed alert has a name of its own. A function that does not know the name passes over it as over every
//! other alert that is not for it, so that no rehearsal can fence anybody, whatever version it meets.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::accelerator::Outcome;
use crate::answer::Status;
use crate::register::State;
use crate::replication::Sight;
use crate::step::Call;
use crate::timed_call::TimedCall;
use crate::words::{Epoch, Fenced, Reporter, Survivor, Suspect};

/// What a rehearsed alert came to. It is the body of the answer, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rehearsal {
    /// Whose alert it would be.
    pub reporter: Reporter,
    pub suspect: Suspect,
    /// What the reporter's Infinispan shows of the suspect as it is, if it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sight: Option<Sight>,
    /// What the alert would be answered.
    pub status: Status,
    /// What would be done, or why nothing would.
    pub sentence: String,
    /// The decision that would be taken, if one would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_decide: Option<WouldDecide>,
    /// Each call that was made, in the order of the answers.
    pub calls: Vec<TimedCall>,
    /// Whether the process had served nobody before.
    pub is_cold: bool,
    /// How long it had been running when the alert arrived.
    pub up_ms: u64,
    /// How long the alert took inside the function.
    pub took_ms: u64,
}

/// The decision of a rehearsal: what would be in the register, and in the accelerator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WouldDecide {
    pub epoch: Epoch,
    pub survivor: Survivor,
    pub fenced: Fenced,
    pub evidence: String,
    /// What the accelerator would hold.
    pub outcome: Outcome,
}

/// What a drill that cut the link measured. Times are by the clock of the drill's machine and by that of the function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SplitBrain {
    pub by: String,
    /// When no gossip router was left.
    pub lost_at: Timestamp,
    /// What it came to in the register.
    pub epoch: Epoch,
    pub survivor: Survivor,
    pub fenced: Fenced,
    /// From the loss until the alert was firing, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerted_after_ms: Option<i64>,
    /// From the loss to the decision.
    pub decided_after_ms: i64,
    /// Until the accelerator held the survivor alone, if that was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_after_ms: Option<i64>,
    /// Until replication was cut.
    pub cut_after_ms: i64,
    /// The most that it was to take, in the worst case.
    pub promised_seconds: u32,
}

/// A call that only looks, as people name it.
pub fn title(call: &Call) -> String {
    match call {
        Call::ReadRegister => "read the register".to_owned(),
        Call::ReadAccelerator => "read the accelerator".to_owned(),
        Call::ReadMark => "read who owned the accelerator last".to_owned(),
        Call::ReadView { at } => format!("ask {at}'s Infinispan which sites it sees"),
        Call::ReadBackup { at, backup } => format!("ask {at}'s Infinispan whether it replicates to {backup}"),
        Call::ReadPushes { at, backup } => format!("ask {at}'s Infinispan what it pushed to {backup}"),
        Call::ReadWitnesses => "read which nodes saw the other site last".to_owned(),
        Call::ReadAge { at, node } => format!("ask {at}'s node {node} how long it has been running"),
        Call::Pause { .. } | Call::Wait { .. } => "wait".to_owned(),
        writes => would(writes),
    }
}

/// A call that would change something, as people name what is not done.
pub fn would(call: &Call) -> String {
    match call {
        Call::WriteRegister { record, .. } => match (record.state, record.fenced()) {
            (State::Decided, Some(fenced)) => format!("decide epoch {}: fence {fenced}", record.epoch),
            (state, _) => format!("note epoch {} as {state} in the register", record.epoch),
        },
        Call::WriteGroup(outcome) => format!("change the endpoint group {}", outcome.arn),
        Call::TakeOffline { at, backup } => format!("cut replication from {at} to {backup}"),
        Call::BringOnline { at, backup } => format!("let {at} replicate to {backup}"),
        Call::ClearCache { at, cache } => format!("clear {cache} of {at}"),
        Call::NoteReached(reached) => format!("note {reached} at the accelerator"),
        Call::StartPush { at, .. }
        | Call::CancelPush { at, .. }
        | Call::CancelReceive { at, .. }
        | Call::ClearPushes { at, .. } => format!("change pushes of {at}"),
        // It would change nothing. Its name is not asked for here: `title` asks here for what it does not know.
        Call::ReadRegister
        | Call::ReadAccelerator
        | Call::ReadMark
        | Call::ReadView { .. }
        | Call::ReadBackup { .. }
        | Call::ReadPushes { .. }
        | Call::ReadWitnesses
        | Call::ReadAge { .. }
        | Call::Pause { .. }
        | Call::Wait { .. } => "look".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::accelerator::{GroupOutcome, Reached};
    use crate::register::Record;
    use crate::settings::sample::site;
    use crate::words::Rev;

    /// Every variant: the last arm of `would` once led back to `title`, and that to `would`. A new call does not compile
    /// before it stands in `would`, and this says that it has to stand here.
    #[test]
    fn every_call_has_a_name_for_people() {
        let (at, backup) = (|| site("site-a"), || site("site-b"));
        let caches = || vec!["work".to_owned()];
        let noted = Record {
            epoch: Epoch(4),
            rev: Rev(60),
            ..Record::empty()
        };
        for (call, name) in [
            (Call::ReadRegister, "read the register"),
            (Call::ReadAccelerator, "read the accelerator"),
            (Call::ReadMark, "read who owned the accelerator last"),
            (
                Call::ReadView { at: at() },
                "ask site-a's Infinispan which sites it sees",
            ),
            (
                Call::ReadBackup {
                    at: at(),
                    backup: backup(),
                },
                "ask site-a's Infinispan whether it replicates to site-b",
            ),
            (
                Call::ReadPushes {
                    at: at(),
                    backup: backup(),
                },
                "ask site-a's Infinispan what it pushed to site-b",
            ),
            (Call::ReadWitnesses, "read which nodes saw the other site last"),
            (
                Call::ReadAge {
                    at: at(),
                    node: "n1".to_owned(),
                },
                "ask site-a's node n1 how long it has been running",
            ),
            (Call::Pause { seconds: 1 }, "wait"),
            (Call::Wait { milliseconds: 1 }, "wait"),
            (
                Call::WriteRegister {
                    expect: Rev(0),
                    record: Box::new(Record::empty()),
                },
                "note epoch 0 as open in the register",
            ),
            (
                Call::NoteReached(Reached::of(&noted)),
                "note 4/60 at the accelerator",
            ),
            (
                Call::WriteGroup(GroupOutcome::holding("arn", Vec::new())),
                "change the endpoint group arn",
            ),
            (
                Call::TakeOffline {
                    at: at(),
                    backup: backup(),
                },
                "cut replication from site-a to site-b",
            ),
            (
                Call::BringOnline {
                    at: at(),
                    backup: backup(),
                },
                "let site-a replicate to site-b",
            ),
            (
                Call::ClearCache {
                    at: at(),
                    cache: "work".to_owned(),
                },
                "clear work of site-a",
            ),
            (
                Call::StartPush {
                    at: at(),
                    backup: backup(),
                    caches: caches(),
                },
                "change pushes of site-a",
            ),
            (
                Call::CancelPush {
                    at: at(),
                    backup: backup(),
                    caches: caches(),
                },
                "change pushes of site-a",
            ),
            (
                Call::CancelReceive {
                    at: at(),
                    from: backup(),
                    caches: caches(),
                },
                "change pushes of site-a",
            ),
            (
                Call::ClearPushes {
                    at: at(),
                    caches: caches(),
                },
                "change pushes of site-a",
            ),
        ] {
            assert_eq!(title(&call), name);
            assert_eq!(would(&call) == "look", !call.writes(), "{call:?}");
        }
    }
}
