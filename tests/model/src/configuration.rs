//! What a configuration says: who runs, in which layout, and what may happen how often.

use crate::grounds::{Layout, Site};
use crate::scene::{Chance, Hand};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Nothing was ever decided, and the link has just been lost.
    Split,
    /// Nothing was ever decided, and the link is whole.
    Whole,
    /// site-b was fenced, and the link is whole again.
    Fenced,
    /// The same just now, and an earlier recovery has left its marks: a push of site-a that is over, and site-b waiting
    /// for one that was broken off.
    FencedWithRemains,
    /// site-b was fenced, and the link is still lost.
    FencedAndSplit,
}

/// One row of the table.
#[derive(Debug, Clone)]
pub struct Configuration {
    pub name: &'static str,
    pub about: &'static str,
    /// Whether it is left to the longer run.
    pub long: bool,
    /// How many invocations run at the same time at most.
    pub executors: usize,
    pub layout: Layout,
    /// A site that is never left alone.
    pub never: Option<Site>,
    pub from: From,
    /// How often what may happen.
    pub chances: &'static [(Chance, u8)],
    /// What people may do.
    pub hands: &'static [Hand],
    /// The register's revision at which exploration stops; what is beyond is another history like this one.
    pub revisions: u64,
    /// What has to be seen, or the configuration proves nothing.
    pub expects: &'static [Seen],
    /// Whether the driver stops at the timeout. Only a test that shows what rests on it says no.
    pub driver_stops: bool,
    /// Whether the accelerator says whose it is. Only a test that shows what rests on it says no.
    pub marked: bool,
}

/// Something that has to be seen to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seen {
    /// site-a survived a fence carried out completely.
    ASurvives,
    BSurvives,
    /// A claim passed to somebody else.
    TakeOver,
    /// A conditional write was lost to another's.
    LostRace,
    /// A rejoin ended with both sites serving.
    Rejoined,
    /// A rejoin was broken off.
    RejoinAborted,
    /// A rejoin passed to another command.
    RejoinTakenOver,
    /// A recovery by hand was adopted.
    Adopted,
    /// An early return was fenced again.
    Refenced,
    /// A forgotten cut was cut again.
    Recut,
    /// A promotion was carried out.
    Promoted,
    /// A hold was put on.
    Held,
    /// A decision waited because relay nodes disagreed.
    Doubted,
    /// A suspicion was left to the alert.
    Left,
    /// A suspicion was shown the view of a relay node that was not in the bridge.
    Misled,
    /// What is seen was left alone.
    Unexplained,
    /// Nothing was decided, because the accelerator is another topology's.
    Anothers,
    /// The register had gone back, and nothing was done on its word.
    GoneBack,
    /// The only site that was left to survive was drained.
    OnlyDrained,
    /// A drained site got its weight or its dial back.
    Restored,
    /// A listener that people had emptied was filled again.
    Refilled,
    /// The survivor was missing, and people were told that it is for them to put it back.
    SurvivorMissing,
    /// A write took effect after its caller had given up on it.
    Late,
    /// A site was fenced without the register.
    Forced,
    /// The register came to say what was forced.
    Reconciled,
}
