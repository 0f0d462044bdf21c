//! What an invocation answers: a status that Alertmanager acts on, and one sentence for people.
//!
//! | status | Alertmanager then | we say it when |
//! |---|---|---|
//! | 200 | is silent until the group changes or `repeat_interval` | the decision is complete and agrees, or nothing is to be done until somebody acts |
//! | 503 | tries again within the same flush | a dependency failed, or someone else is at work |
//! | 429 | drops it for this flush, sends again each `group_interval` | not now, and that may change within minutes: hold, cooldown, health, still in view, rejoining |
//! | 422 | the same | authenticated, but the labels are another deployment's |

use serde::{Deserialize, Serialize};

/// What Alertmanager is answered. Ordered from best to worst: a payload of several alerts gets its worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// 200: complete and agreeing, or nothing is to be done.
    Done,
    /// 422: authenticated, but not for this deployment.
    Foreign,
    /// 429: not now.
    NotNow,
    /// 503: try again at once.
    Retry,
}

impl Status {
    pub fn http(self) -> u16 {
        match self {
            Self::Done => 200,
            Self::Foreign => 422,
            Self::NotNow => 429,
            Self::Retry => 503,
        }
    }
}

/// The end of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Answer {
    /// What Alertmanager, or the operator's command, acts on.
    pub status: Status,
    /// What happened and why, for people: logged, returned, printed by `provision`.
    pub sentence: String,
    /// What the operator's command does next; nothing for alerts and the schedule.
    #[serde(default, skip_serializing_if = "Next::is_nothing")]
    pub next: Next,
    /// Which step of how many this was, for an operator who waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepOfMany>,
    /// What was counted, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub losses: Option<Box<crate::losses::Losses>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StepOfMany {
    /// Which, from 1 on.
    pub number: u8,
    pub of: u8,
}

/// What an operator's command has to do after an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Next {
    /// Nothing: it is over, for good or not.
    #[default]
    Nothing,
    /// Call again at once: one bounded step was made.
    Again,
    /// Wait so long on a monotonic clock, counted from this answer, then call again with `waited: token`: executors of
    /// an earlier decision may still be running. A caller who comes sooner is answered to wait for the rest.
    Wait {
        /// Twice the function's timeout, or what is left of it.
        seconds: u32,
        /// Names what is waited for.
        token: crate::words::Token,
    },
    /// Scale the stale site's Keycloak to zero and wait until no pod is left, then call again with `keycloak: stopped`.
    /// From then on count its pods right before each call, until it is to be started: `keycloak: {running: {pods: N}}`
    /// where there are any.
    StopKeycloak,
    /// Scale the stale site's Keycloak back, wait until it is ready, then call again with `keycloak: ready`.
    StartKeycloak,
    /// State is being pushed: look again in a few seconds.
    Poll,
}

impl Next {
    fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

impl Answer {
    /// An answer after which nobody has to do anything.
    pub fn new(status: Status, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
            next: Next::Nothing,
            step: None,
            losses: None,
        }
    }

    /// The same as one step of several.
    #[must_use]
    pub fn as_step(mut self, number: u8, of: u8) -> Self {
        self.step = Some(StepOfMany { number, of });
        self
    }

    /// The same with a next step for the operator's command.
    #[must_use]
    pub fn then(mut self, next: Next) -> Self {
        self.next = next;
        self
    }
}

/// Something that people or alarms should notice, besides the answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Notice {
    /// What it is about; one metric and at most one notification per cause.
    pub cause: Cause,
    pub sentence: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A decision was taken: a site is being fenced.
    Decided,
    /// A decision is carried out completely.
    Completed,
    /// The fenced site was put back too early and has been taken out again.
    RefencedEarlyReturn,
    /// Somebody took the survivor out of a listener and left that empty; it has been put in again.
    Refilled,
    /// The survivor is missing in a listener that its decision is about, and it is for people to put it back.
    SurvivorMissing,
    /// Infinispan forgot that replication was cut; it has been cut again.
    RecutAfterRestart,
    /// One of the two before happened again, and within an hour again: somebody or something keeps doing it.
    Recurring,
    /// People recovered by hand; the register followed.
    Adopted,
    /// A rejoin ended: both sites serve again.
    Rejoined,
    /// A rejoin was broken off: the link was lost again, or somebody started the stale site's Keycloak. It stays fenced.
    RejoinAborted,
    /// The survivor was changed by an operator.
    Promoted,
    /// A hold was put on or released.
    HoldChanged,
    /// The accelerator belongs to another deployment, so nothing new is decided.
    AnothersAccelerator,
    /// The only site that is left to survive is drained, so nothing is decided without an operator.
    OnlyDrainedLeft,
    /// The accelerator's owner could not be read, and a decision was taken all the same.
    OwnerUnknown,
    /// The world does not match the register and is not changed.
    Unexplained,
    DependencyFailed,
    /// Alerts of another deployment arrive here.
    ForeignLabels,
}

impl Cause {
    pub const ALL: [Self; 18] = [
        Self::Decided,
        Self::Completed,
        Self::RefencedEarlyReturn,
        Self::Refilled,
        Self::SurvivorMissing,
        Self::RecutAfterRestart,
        Self::Recurring,
        Self::Adopted,
        Self::Rejoined,
        Self::RejoinAborted,
        Self::Promoted,
        Self::HoldChanged,
        Self::AnothersAccelerator,
        Self::OnlyDrainedLeft,
        Self::OwnerUnknown,
        Self::Unexplained,
        Self::DependencyFailed,
        Self::ForeignLabels,
    ];

    /// Whether people are notified once, by mail. The others raise alarms over metrics, which
    /// know by themselves when they have already spoken.
    pub fn notifies(self) -> bool {
        !matches!(
            self,
            Self::SurvivorMissing
                | Self::Recurring
                | Self::AnothersAccelerator
                | Self::OnlyDrainedLeft
                | Self::OwnerUnknown
                | Self::Unexplained
                | Self::DependencyFailed
                | Self::ForeignLabels
        )
    }

    /// The section of the runbook that says what it means and what to do.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Decided => "fence-happened",
            Self::Completed => "a-site-is-fenced",
            Self::RefencedEarlyReturn => "fence-repeated",
            Self::RejoinAborted => "a-rejoin-that-stopped",
            Self::Refilled
            | Self::RecutAfterRestart
            | Self::Adopted
            | Self::Rejoined
            | Self::Promoted
            | Self::HoldChanged => "mails",
            Self::SurvivorMissing => "survivor-missing",
            Self::Recurring => "put-right-again",
            Self::AnothersAccelerator => "anothers-accelerator",
            Self::OnlyDrainedLeft => "only-drained-left",
            Self::OwnerUnknown => "owner-unknown",
            Self::Unexplained => "state-unexplained",
            Self::DependencyFailed => "dependency-failed",
            Self::ForeignLabels => "foreign-alerts",
        }
    }

    pub const fn metric(self) -> &'static str {
        match self {
            Self::Decided => "FenceDecided",
            Self::Completed => "FenceCompleted",
            Self::RefencedEarlyReturn => "FenceRepeatedAfterEarlyReturn",
            Self::Refilled => "ListenerFilledAgain",
            Self::SurvivorMissing => "SurvivorMissing",
            Self::RecutAfterRestart => "ReplicationCutAgain",
            Self::Recurring => "PutRightAgainAndAgain",
            Self::Adopted => "RecoveryAdopted",
            Self::Rejoined => "Rejoined",
            Self::RejoinAborted => "RejoinAborted",
            Self::Promoted => "Promoted",
            Self::HoldChanged => "HoldChanged",
            Self::AnothersAccelerator => "AnothersAccelerator",
            Self::OnlyDrainedLeft => "OnlyDrainedLeft",
            Self::OwnerUnknown => "OwnerUnknown",
            Self::Unexplained => "StateUnexplained",
            Self::DependencyFailed => "DependencyFailed",
            Self::ForeignLabels => "ForeignLabels",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_names_what_comes_next_only_where_something_does() {
        let done = Answer::new(Status::Done, "done");
        let written = |answer: &Answer| serde_json::to_value(answer).unwrap();
        assert!(written(&done).get("next").is_none(), "{}", written(&done));
        let again = done.clone().then(Next::Again);
        assert!(written(&again).get("next").is_some(), "{}", written(&again));
        for answer in [done, again] {
            assert_eq!(
                serde_json::from_value::<Answer>(written(&answer)).unwrap(),
                answer
            );
        }
    }

    /// What an alarm says anyway is not mailed as well, and nothing else goes unsaid.
    #[test]
    fn people_are_notified_of_what_no_alarm_tells() {
        let silent: Vec<Cause> = Cause::ALL.into_iter().filter(|cause| !cause.notifies()).collect();
        assert_eq!(
            silent,
            [
                Cause::SurvivorMissing,
                Cause::Recurring,
                Cause::AnothersAccelerator,
                Cause::OnlyDrainedLeft,
                Cause::OwnerUnknown,
                Cause::Unexplained,
                Cause::DependencyFailed,
                Cause::ForeignLabels
            ]
        );
    }
}
