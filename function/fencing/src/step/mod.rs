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
mod calls;
mod carry_out;
mod evidence;
mod held;
mod operate;
mod rejoin;
mod restored;
mod script;
mod suspicion;
pub mod sweep;
mod turn;
pub mod verdict;
mod wait;

pub use calls::{Call, Event, Fault, Written};
pub use evidence::{DIVIDED_SECONDS, SHUT_OUT_SECONDS};
pub use script::{Progress, start, step};
pub use suspicion::ROOM_SECONDS;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Notice};
use crate::words::{Epoch, Reporter, Rev, SiteName, Suspect, Token};

/// How many nodes of a site are asked at most until its relay nodes have answered.
pub const VIEW_ASKS: u8 = 10;

/// Why an invocation runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "task")]
pub enum Task {
    /// A firing alert: one site's monitoring calls the other offline. Nobody can ask for it by name.
    #[serde(skip)]
    Alert {
        reporter: Reporter,
        suspect: Suspect,
        /// Since when, by that site's clock, if it says so. It is noted and decides nothing.
        since: Option<Timestamp>,
    },
    /// The same before it is certain: a site's monitoring sees the other out of view for the first time. The function looks
    /// for a while before it decides. Nobody can ask for it by name.
    #[serde(skip)]
    Suspicion {
        reporter: Reporter,
        suspect: Suspect,
        /// Since when, by that site's clock, if it says so. A little of what has passed before the alert arrived counts.
        since: Option<Timestamp>,
    },
    /// The schedule: finish what is unfinished, look whether the world still fits. It has an envelope of its own.
    #[serde(skip)]
    Sweep {
        /// The revision that this process has been seeing for twice the timeout, if there is one.
        waited: Option<Rev>,
    },
    /// An operator fences a site as planned. The survivor's view is waived, the rest is not.
    Fence { fenced: SiteName, by: String },
    /// An operator brings the fenced site back; one bounded step per call.
    Rejoin {
        /// The site that is to come back. Named, because the command scales that site's Keycloak: were it whichever site is
        /// fenced by now, a promotion in between would have it stop the survivor's.
        stale: SiteName,
        /// The operator's command; see [`Rejoin`](crate::register::Rejoin).
        session: String,
        by: String,
        /// The token of the wait that the command has kept last; none in its first call, which takes over
        /// whatever rejoin is under way. Each later call repeats it.
        waited: Option<Token>,
        /// What the command knows of that site's Keycloak.
        keycloak: Keycloak,
    },
    /// An operator makes another site the survivor, because the survivor died after the decision.
    Promote {
        /// Who is to survive from now on.
        survivor: SiteName,
        by: String,
        /// The token of the wait that the command has kept.
        waited: Option<Token>,
        /// The operator knows that the survivor of the decision in force is lost, whatever it looks like. Without
        /// this one that looks healthy and answers is not replaced: what it has written would be lost for nothing.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        survivor_is_lost: bool,
    },
    /// An operator forbids new decisions.
    Hold {
        by: String,
        reason: String,
        /// When it is meant to end.
        until: Option<Timestamp>,
        /// Whether another person's hold may be replaced.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        replace: bool,
    },
    /// An operator allows them again.
    Release { by: String },
    /// An operator says that the register is to be believed although it had come further: it was restored from a backup.
    Resume {
        by: String,
        /// The epoch that it is at now: a person who names it has looked.
        epoch: Epoch,
    },
}

/// The stale site's Keycloak during a rejoin, as the operator's command found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keycloak {
    #[default]
    Unknown,
    /// It has pods, ending ones included. Where it was stopped before, somebody has started it, and the rejoin is off.
    Running { pods: u32 },
    /// Scaled to zero, and no pod was left right before this call.
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
