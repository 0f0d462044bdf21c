//! What a history came upon, where that is rare and once showed something.
//!
//! A seed is kept for what its history showed. What happens in it depends on every throw of the dice, so a change
//! elsewhere may lead that history along another way, and then its seed guards nothing any more and says nothing of it.
//! So each such circumstance is noted where it happens, and a kept seed has to come upon its own. Where it does not,
//! `cargo xtask simulate --meets NAME` finds others that do.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Circumstance {
    /// Calm set in while nobody had heard of a loss that was older than calm would grant it.
    CalmBeforeACry,
    /// The same, and a clock had been set back meanwhile.
    CalmAfterAClockWasSetBack,
    /// People left the survivor where the function had filled a listener with it.
    RefilledListenerLeftAlone,
    /// People left a listener empty that the function was about to fill.
    EmptyListenerLeftAlone,
    /// The accelerator's reply came after its caller had given it up.
    ReplyAfterItsCallerLeft,
    /// An invocation's clock was set right, and its time seemed over.
    TimeOverByAClock,
    /// People had cut off a dead site, and the other was cut off by force.
    ForcedBesideADeadSitesCut,
    /// A site that had cut the other off died and was given up by a promotion, and then fenced by force as well.
    ForcedAfterAPromotion,
    /// The register was away, nobody did anything about it, and a check said so.
    RegisterAwayAndSaid,
}

impl Circumstance {
    pub const ALL: [Self; 9] = [
        Self::CalmBeforeACry,
        Self::CalmAfterAClockWasSetBack,
        Self::RefilledListenerLeftAlone,
        Self::EmptyListenerLeftAlone,
        Self::ReplyAfterItsCallerLeft,
        Self::TimeOverByAClock,
        Self::ForcedBesideADeadSitesCut,
        Self::ForcedAfterAPromotion,
        Self::RegisterAwayAndSaid,
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.to_string() == name)
    }
}

impl fmt::Display for Circumstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
