//! The protocol: one function from what is known and what just happened to what to do next.
//!
//! ```text
//!   let (mut state, mut effects) = start(settings, executor, task, now);
//!   loop: carry out the effects, in any order, in parallel; for each reply
//!         (state, effects) = step(settings, state, now, ticket, event)
//!   until an effect is Answer: drop what is still under way, answer.
//! ```
//!
//! It is deterministic and touches nothing: no clock (`now` is handed in), no randomness, no I/O. What makes
//! it readable is that each task is a *script*: straight-line code that starts calls and waits for replies.
//! The state is the log of calls made so far with their replies, and each [`step`] runs the script again from
//! the top: calls that are in the log return what they returned, the first missing reply stops it. So a path
//! through the protocol stands in one place, in the order in which it happens, and the model checker compares
//! and hashes a state by comparing a log.
//!
//! What is guaranteed, whatever is lost, repeated, reordered or stopped half-way: docs/protocol.md lists the
//! invariants, `tests/model` checks them over this very function. What is assumed: a write to the register
//! happens only if its revision is still the expected one; nothing is written later than the function's
//! timeout after its invocation began; the driver refuses an effect once there is no time left for it.

mod alert;
mod carry_out;
mod evidence;
mod held;
mod operate;
mod rejoin;
mod script;
mod turn;
pub mod watch;

pub use script::{State, start, step};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::accelerator::{Group, GroupOutcome, Reading};
use crate::answer::{Answer, Notice};
use crate::register::Record;
use crate::replication::{Backup, CacheFailure, CachePush, View};
use crate::words::{Reporter, Rev, SiteName, Suspect};

/// How many nodes of a site are asked at most until a relay node has answered.
pub const VIEW_ASKS: u8 = 10;

/// Why an invocation runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "task")]
pub enum Task {
    /// A firing alert: one site's monitoring calls the other offline.
    Alert {
        /// Who says so.
        reporter: Reporter,
        /// Of whom.
        suspect: Suspect,
    },
    /// The schedule: finish what is unfinished, look whether the world still fits.
    Sweep {
        /// The revision that this process has been seeing for twice the timeout, if there is one.
        waited: Option<Rev>,
    },
    /// An operator fences a site as planned. The survivor's view is waived, the rest is not.
    Fence {
        /// Who is to go.
        fenced: SiteName,
        /// Who asks.
        by: String,
    },
    /// An operator brings the fenced site back; one bounded step per call.
    Rejoin {
        /// Who is to come back. Named, because the command scales that site's Keycloak: were it whoever is
        /// fenced by now, a promotion in between would have it stop the survivor's.
        stale: SiteName,
        /// The operator's command; see [`Rejoin`](crate::register::Rejoin).
        session: String,
        /// Who asks.
        by: String,
        /// The revision that the command has waited for last; none in its first call, which takes over
        /// whatever rejoin is under way. Each later call repeats it.
        waited: Option<Rev>,
        /// What the command knows of that site's Keycloak.
        keycloak: Keycloak,
    },
    /// An operator makes another site the survivor, because the survivor died after the decision.
    Promote {
        /// Who is to survive from now on.
        survivor: SiteName,
        /// Who asks.
        by: String,
        /// The revision that the command has waited for.
        waited: Option<Rev>,
    },
    /// An operator forbids new decisions.
    Hold {
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
        /// When it is meant to end.
        until: Option<Timestamp>,
    },
    /// An operator allows them again.
    Release {
        /// Who asks.
        by: String,
    },
}

/// The stale site's Keycloak during a rejoin, as the operator's command found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keycloak {
    /// Not looked at.
    #[default]
    Unknown,
    /// Scaled to zero, no pod left.
    Stopped,
    /// Back at its replica count, ready, its health endpoint answers.
    Ready,
}

/// Names one effect under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u16);

/// Something to be done outside. Each is safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Do a call and feed its reply back under the ticket.
    Call(Ticket, Call),
    /// Tell people, beside everything else; no reply is awaited.
    Say(Notice),
    /// The end: answer, and drop whatever is still under way.
    Answer(Answer),
}

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
    /// Read every endpoint group of the settings. [`Event::Accelerator`]
    ReadAccelerator,
    /// Write one group: `UpdateEndpointGroup` with the exact list, an explicit empty one where it is empty,
    /// or `RemoveEndpoints` where `remove` says so. [`Event::Group`]
    WriteGroup(GroupOutcome),
    /// Ask a site's Infinispan for its view, on fresh connections, up to [`VIEW_ASKS`] times until an answer
    /// [counts](View::counts); the last answer otherwise. [`Event::View`]
    ReadView {
        /// Whom to ask.
        at: SiteName,
    },
    /// Stop every cache at `at` from replicating to `backup`. [`Event::Switched`]
    TakeOffline {
        /// Where.
        at: SiteName,
        /// To whom replication stops.
        backup: SiteName,
    },
    /// Let every cache at `at` replicate to `backup` again. [`Event::Switched`]
    BringOnline {
        /// Where.
        at: SiteName,
        /// To whom replication starts.
        backup: SiteName,
    },
    /// Read whether `at` replicates to `backup`. [`Event::Backup`]
    ReadBackup {
        /// Where.
        at: SiteName,
        /// To whom.
        backup: SiteName,
    },
    /// Empty one cache. [`Event::Done`]
    ClearCache {
        /// Where.
        at: SiteName,
        /// Which.
        cache: String,
    },
    /// Start pushing state from `at` to `backup`, for these caches or, if none is named, for all.
    /// [`Event::Switched`]
    StartPush {
        /// Where.
        at: SiteName,
        /// To whom.
        backup: SiteName,
        /// Which caches; empty for all.
        caches: Vec<String>,
    },
    /// Read how far each cache's push from `at` to `backup` is. [`Event::Pushes`]
    ReadPushes {
        /// Where.
        at: SiteName,
        /// To whom.
        backup: SiteName,
    },
    /// Wait. The protocol needs it for one thing only, renewing a claim beside a call that takes long.
    /// [`Event::Passed`]
    Pause {
        /// How long.
        seconds: u32,
    },
    /// Forget the push status of these caches. [`Event::Done`]
    ClearPushes {
        /// Where.
        at: SiteName,
        /// Which caches.
        caches: Vec<String>,
    },
}

/// What the world replied.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// To [`Call::ReadRegister`]; `None` where there is no item.
    Register(Result<Option<Box<Record>>, Fault>),
    /// To [`Call::WriteRegister`].
    Written(Written),
    /// To [`Call::ReadAccelerator`].
    Accelerator(Result<Reading, Fault>),
    /// To [`Call::WriteGroup`]: the group as the reply shows it.
    Group(Result<Group, Fault>),
    /// To [`Call::ReadView`].
    View(Result<View, Fault>),
    /// To [`Call::TakeOffline`], [`Call::BringOnline`], [`Call::StartPush`]: the caches that failed.
    Switched(Result<Vec<CacheFailure>, Fault>),
    /// To [`Call::ReadBackup`].
    Backup(Result<Backup, Fault>),
    /// To [`Call::ReadPushes`].
    Pushes(Result<Vec<CachePush>, Fault>),
    /// To [`Call::ClearCache`] and [`Call::ClearPushes`].
    Done(Result<(), Fault>),
    /// To [`Call::Pause`].
    Passed,
}

/// How a conditional write ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Written {
    /// It is in.
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
    /// Whom was called: "the register", "site-a's Infinispan".
    pub whom: String,
    /// What went wrong, with no secret in it.
    pub what: String,
}
