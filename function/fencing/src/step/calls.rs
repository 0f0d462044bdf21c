//! The calls to the outside, and what is replied to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::accelerator::{Group, GroupOutcome, Marked, Reached, Reading};
use crate::health::RelayWitness;
use crate::register::Record;
use crate::replication::{Backup, CacheFailure, CachePush, View};
use crate::words::{Rev, SiteName};

/// A call to the outside. The comment names the event that replies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Call {
    /// Read the item, strongly consistent. [`Event::Register`]
    ReadRegister,
    /// Write the item if its revision is still `expect` (0: if there is no item). [`Event::Written`]
    WriteRegister {
        /// The revision that must still be there.
        expect: Rev,
        /// The whole new item.
        record: Box<Record>,
    },
    /// Read every endpoint group of the settings, and beside them the tag that says whose the accelerator is. A tag
    /// that cannot be read is no reason for the rest to fail. [`Event::Accelerator`]
    ReadAccelerator,
    /// Read what the last deep check saw of that tag, if it saw it. [`Event::Marked`]
    ReadMark,
    /// Note at the accelerator how far the register has come: its tag [`REACHED_TAG`](crate::accelerator::REACHED_TAG).
    /// [`Event::Done`]
    NoteReached(Reached),
    /// Write one group: `UpdateEndpointGroup` with the exact list, an explicit empty one where it is empty,
    /// or `RemoveEndpoints` where `remove` says so. [`Event::Group`]
    WriteGroup(GroupOutcome),
    /// Ask nodes of a site's Infinispan for their views, up to [`VIEW_ASKS`](super::VIEW_ASKS) of them, until what was
    /// heard [settles](crate::replication::settles) the question. [`Event::Views`]
    ReadView { at: SiteName },
    /// Read which node of each site the last deep check saw with the other site in view, where it saw one.
    /// [`Event::Witnesses`]
    ReadWitnesses,
    /// Ask a node of `at` for how many seconds it has been running at least. [`Event::Age`]
    ReadAge {
        at: SiteName,
        /// By its name in its cluster. Of another one nothing is to be said.
        node: String,
    },
    /// Stop every cache at `at` from replicating to `backup`. [`Event::Switched`]
    TakeOffline { at: SiteName, backup: SiteName },
    /// Let every cache at `at` replicate to `backup` again. [`Event::Switched`]
    BringOnline { at: SiteName, backup: SiteName },
    /// Read whether `at` replicates to `backup`. [`Event::Backup`]
    ReadBackup { at: SiteName, backup: SiteName },
    /// Empty one cache. [`Event::Done`]
    ClearCache { at: SiteName, cache: String },
    /// Start pushing state from `at` to `backup`, for these caches or, if none is named, for all.
    /// [`Event::Switched`]
    StartPush {
        at: SiteName,
        backup: SiteName,
        /// Which caches; empty for all.
        caches: Vec<String>,
    },
    /// Break off the pushes of these caches from `at` to `backup`: one whose start failed says that it is being sent
    /// for ever, and hinders the next. Whether it did, a reading tells. [`Event::Switched`]
    CancelPush {
        at: SiteName,
        backup: SiteName,
        caches: Vec<String>,
    },
    /// Have `at` no longer expect the pushes of these caches from `from`: what the other end of a push that was
    /// broken off may still wait for. [`Event::Switched`]
    CancelReceive {
        at: SiteName,
        from: SiteName,
        caches: Vec<String>,
    },
    /// Read how far each cache's push from `at` to `backup` is. [`Event::Pushes`]
    ReadPushes { at: SiteName, backup: SiteName },
    /// Let time pass beside a call that takes long, to renew a claim if it takes longer. [`Event::Passed`]
    Pause { seconds: u32 },
    /// Let time pass before a suspicion looks again; nothing else is under way meanwhile. [`Event::Passed`]
    Wait { milliseconds: u32 },
    /// Forget the push status of these caches. [`Event::Done`]
    ClearPushes { at: SiteName, caches: Vec<String> },
}

impl Call {
    pub fn writes(&self) -> bool {
        match self {
            Self::WriteRegister { .. }
            | Self::WriteGroup(_)
            | Self::NoteReached(_)
            | Self::TakeOffline { .. }
            | Self::BringOnline { .. }
            | Self::ClearCache { .. }
            | Self::StartPush { .. }
            | Self::CancelPush { .. }
            | Self::CancelReceive { .. }
            | Self::ClearPushes { .. } => true,
            Self::ReadRegister
            | Self::ReadAccelerator
            | Self::ReadMark
            | Self::ReadWitnesses
            | Self::ReadView { .. }
            | Self::ReadAge { .. }
            | Self::ReadBackup { .. }
            | Self::ReadPushes { .. }
            | Self::Pause { .. }
            | Self::Wait { .. } => false,
        }
    }

    /// The site whose Infinispan it goes to, if it goes to one.
    pub fn site(&self) -> Option<&SiteName> {
        match self {
            Self::ReadRegister
            | Self::WriteRegister { .. }
            | Self::ReadAccelerator
            | Self::ReadMark
            | Self::ReadWitnesses
            | Self::NoteReached(_)
            | Self::WriteGroup(_)
            | Self::Pause { .. }
            | Self::Wait { .. } => None,
            Self::ReadView { at }
            | Self::ReadAge { at, .. }
            | Self::TakeOffline { at, .. }
            | Self::BringOnline { at, .. }
            | Self::ReadBackup { at, .. }
            | Self::ClearCache { at, .. }
            | Self::StartPush { at, .. }
            | Self::CancelPush { at, .. }
            | Self::CancelReceive { at, .. }
            | Self::ReadPushes { at, .. }
            | Self::ClearPushes { at, .. } => Some(at),
        }
    }

    /// The reply that says it failed, perhaps after it took effect.
    pub fn failed(&self, what: impl Into<String>) -> Event {
        let fault = Fault {
            whom: self.whom(),
            what: what.into(),
        };
        match self {
            Self::ReadRegister => Event::Register(Err(fault)),
            Self::WriteRegister { .. } => Event::Written(Written::Unknown(fault)),
            Self::ReadAccelerator => Event::Accelerator(Err(fault)),
            Self::ReadMark => Event::Marked(Err(fault)),
            Self::WriteGroup(_) => Event::Group(Err(fault)),
            Self::ReadWitnesses => Event::Witnesses(Err(fault)),
            Self::ReadView { .. } => Event::Views(Err(fault)),
            Self::ReadAge { .. } => Event::Age(Err(fault)),
            Self::TakeOffline { .. }
            | Self::BringOnline { .. }
            | Self::StartPush { .. }
            | Self::CancelPush { .. }
            | Self::CancelReceive { .. } => Event::Switched(Err(fault)),
            Self::ReadBackup { .. } => Event::Backup(Err(fault)),
            Self::ReadPushes { .. } => Event::Pushes(Err(fault)),
            Self::NoteReached(_) | Self::ClearCache { .. } | Self::ClearPushes { .. } => {
                Event::Done(Err(fault))
            }
            Self::Pause { .. } | Self::Wait { .. } => Event::Passed,
        }
    }

    /// What it goes to, as sentences name it.
    fn whom(&self) -> String {
        match (self.site(), self) {
            (Some(site), _) => format!("{site}'s Infinispan"),
            (
                None,
                Self::ReadRegister | Self::WriteRegister { .. } | Self::ReadMark | Self::ReadWitnesses,
            ) => "the register".to_owned(),
            (None, Self::Pause { .. } | Self::Wait { .. }) => "the clock".to_owned(),
            (None, _) => "the accelerator".to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// To [`Call::ReadRegister`]; `None` where there is no item.
    Register(Result<Option<Box<Record>>, Fault>),
    /// To [`Call::WriteRegister`].
    Written(Written),
    /// To [`Call::ReadAccelerator`].
    Accelerator(Result<Reading, Fault>),
    /// To [`Call::ReadMark`].
    Marked(Result<Option<Marked>, Fault>),
    /// To [`Call::ReadWitnesses`]: by site.
    Witnesses(Result<BTreeMap<SiteName, RelayWitness>, Fault>),
    /// To [`Call::ReadAge`]: in whole seconds; none where the node does not say.
    Age(Result<Option<u64>, Fault>),
    /// To [`Call::WriteGroup`]: the group as the reply shows it.
    Group(Result<Group, Fault>),
    /// To [`Call::ReadView`]: one view of each node that answered, in the order in which they did.
    Views(Result<Vec<View>, Fault>),
    /// To [`Call::TakeOffline`], [`Call::BringOnline`], [`Call::StartPush`], [`Call::CancelPush`],
    /// [`Call::CancelReceive`]: the caches that failed.
    Switched(Result<Vec<CacheFailure>, Fault>),
    /// To [`Call::ReadBackup`].
    Backup(Result<Backup, Fault>),
    /// To [`Call::ReadPushes`].
    Pushes(Result<Vec<CachePush>, Fault>),
    /// To [`Call::ClearCache`], [`Call::ClearPushes`] and [`Call::NoteReached`].
    Done(Result<(), Fault>),
    /// To [`Call::Pause`] and [`Call::Wait`].
    Passed,
}

impl Event {
    /// Why there was no usable answer, if there was none.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Register(Err(fault))
            | Self::Written(Written::Unknown(fault))
            | Self::Accelerator(Err(fault))
            | Self::Marked(Err(fault))
            | Self::Witnesses(Err(fault))
            | Self::Age(Err(fault))
            | Self::Group(Err(fault))
            | Self::Views(Err(fault))
            | Self::Switched(Err(fault))
            | Self::Backup(Err(fault))
            | Self::Pushes(Err(fault))
            | Self::Done(Err(fault)) => Some(fault),
            Self::Register(Ok(_))
            | Self::Written(Written::Stored | Written::Lost(_))
            | Self::Accelerator(Ok(_))
            | Self::Marked(Ok(_))
            | Self::Witnesses(Ok(_))
            | Self::Age(Ok(_))
            | Self::Group(Ok(_))
            | Self::Views(Ok(_))
            | Self::Switched(Ok(_))
            | Self::Backup(Ok(_))
            | Self::Pushes(Ok(_))
            | Self::Done(Ok(()))
            | Self::Passed => None,
        }
    }
}

/// How a conditional write ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Written {
    Stored,
    /// Someone else wrote before; this is what is there now.
    Lost(Option<Box<Record>>),
    /// Nobody knows: the call failed or timed out, perhaps after it took effect.
    Unknown(Fault),
}

/// A call that gave no usable answer. It may have taken effect all the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[error("{whom}: {what}")]
pub struct Fault {
    /// What was called: "the register", "site-a's Infinispan".
    pub whom: String,
    /// What went wrong, with no secret in it.
    pub what: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What the driver does not begin late, whose answer is whose, and that a failure is returned as one.
    #[test]
    fn each_call_knows_whether_it_writes_what_it_asks_and_how_it_fails() {
        let (at, backup) = (SiteName::new("site-a").unwrap(), SiteName::new("site-b").unwrap());
        let group = GroupOutcome::holding("arn", Vec::new());
        let (site, other) = (|| at.clone(), || backup.clone());
        let (register, accelerator, infinispan) = ("the register", "the accelerator", "site-a's Infinispan");
        for (call, writes, whom) in [
            (Call::ReadRegister, false, register),
            (
                Call::WriteRegister {
                    expect: Rev(0),
                    record: Box::new(Record::empty()),
                },
                true,
                register,
            ),
            (Call::ReadAccelerator, false, accelerator),
            (Call::ReadMark, false, register),
            (Call::ReadWitnesses, false, register),
            (
                Call::ReadAge {
                    at: site(),
                    node: "n1".to_owned(),
                },
                false,
                infinispan,
            ),
            (Call::WriteGroup(group), true, accelerator),
            (
                Call::NoteReached(Reached::of(&Record::empty())),
                true,
                accelerator,
            ),
            (Call::ReadView { at: site() }, false, infinispan),
            (
                Call::TakeOffline {
                    at: site(),
                    backup: other(),
                },
                true,
                infinispan,
            ),
            (
                Call::BringOnline {
                    at: site(),
                    backup: other(),
                },
                true,
                infinispan,
            ),
            (
                Call::ReadBackup {
                    at: site(),
                    backup: other(),
                },
                false,
                infinispan,
            ),
            (
                Call::ClearCache {
                    at: site(),
                    cache: "work".to_owned(),
                },
                true,
                infinispan,
            ),
            (
                Call::StartPush {
                    at: site(),
                    backup: other(),
                    caches: Vec::new(),
                },
                true,
                infinispan,
            ),
            (
                Call::CancelPush {
                    at: site(),
                    backup: other(),
                    caches: Vec::new(),
                },
                true,
                infinispan,
            ),
            (
                Call::CancelReceive {
                    at: site(),
                    from: other(),
                    caches: Vec::new(),
                },
                true,
                infinispan,
            ),
            (
                Call::ReadPushes {
                    at: site(),
                    backup: other(),
                },
                false,
                infinispan,
            ),
            (
                Call::ClearPushes {
                    at: site(),
                    caches: Vec::new(),
                },
                true,
                infinispan,
            ),
        ] {
            assert_eq!(call.writes(), writes, "{call:?}");
            assert_eq!(call.site().is_some(), whom == infinispan, "{call:?}");
            let event = call.failed("silence");
            let fault = event.fault().unwrap();
            assert_eq!(fault.to_string(), format!("{whom}: silence"));
        }
        for time in [Call::Pause { seconds: 1 }, Call::Wait { milliseconds: 1 }] {
            assert_eq!(time.failed("silence"), Event::Passed);
            assert!(!time.writes() && time.site().is_none(), "{time:?}");
        }
    }
}
