//! The configurations that are checked: the quick ones with every test run, all of them by
//! `cargo xtask model --long`.
//!
//! A configuration is small on purpose: a few invocations, one or two mishaps of a few kinds, explored in every
//! order. What each allows is a line to read, and together they hold every mishap that the protocol is meant
//! for, in every layout.

use fencing::register::State;

use crate::configuration::{Configuration, From, Seen};
use crate::grounds::{Layout, Site};
use crate::scene::Chance::{
    self, AlertA, AlertB, Break, Crash, Death, Demoted, Fence, Force, Heal, Hold, Impose, Lag, NoRelay,
    OthersAlertB, Partly, Promote, Rejoin, Relay, Release, Repeated, Rest, Restart, Second, Skip, Slow,
    Stuck, SuspicionA, SuspicionB, Sweep, Tick, Unanswered, Unmarked,
};
use crate::scene::Hand;

/// Two zones of one Region: one endpoint group.
const ZONES: Layout = Layout {
    listeners: 1,
    two_regions: false,
};
/// The same behind two listeners.
const ZONES_TWICE: Layout = Layout {
    listeners: 2,
    two_regions: false,
};
/// Two Regions: an endpoint group each.
const REGIONS: Layout = Layout {
    listeners: 1,
    two_regions: true,
};
/// The same behind two listeners.
const REGIONS_TWICE: Layout = Layout {
    listeners: 2,
    two_regions: true,
};

/// What rows have in common.
pub const BASE: Configuration = Configuration {
    name: "",
    about: "",
    long: false,
    executors: 2,
    layout: ZONES,
    never: None,
    from: From::Split,
    chances: &[],
    hands: &[],
    revisions: 14,
    expects: &[],
    driver_stops: true,
    marked: true,
};

/// What people may do around a fence.
const EDITS: &[Hand] = &[
    Hand::Remove(Site::A),
    Hand::Remove(Site::B),
    Hand::AddStranger,
    Hand::Weigh(Site::A),
    Hand::Sicken(Site::A),
];

/// What people may do where a site is drained.
const DRAINS: &[Hand] = &[Hand::Drain(Site::A), Hand::Drain(Site::B), Hand::Remove(Site::B)];

/// What people may do to the accelerator that holds the survivor alone.
const EMPTYINGS: &[Hand] = &[Hand::Remove(Site::A), Hand::Add(Site::B), Hand::AddStranger];

/// What people may do to a fence that is complete.
const RETURNS: &[Hand] = &[
    Hand::Add(Site::B),
    Hand::BringOnline(Site::A),
    Hand::Recover(Site::B),
];

pub fn all() -> Vec<Configuration> {
    let mut rows = fences();
    rows.extend(suspicions());
    rows.extend(afterwards());
    rows.extend(operators());
    rows
}

/// Two sites suspect each other.
fn suspicions() -> Vec<Configuration> {
    vec![
        Configuration {
            name: "both sites are suspected",
            about: "each site's suspicion, in any order; one dies anywhere, claims run out under their holders",
            chances: &[(SuspicionA, 1), (SuspicionB, 1), (Crash, 1), (Tick, 1)],
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::LostRace, Seen::Left],
            ..BASE
        },
        Configuration {
            name: "a relay node is new",
            about: "it is started anew, or another one takes its place, and shows no other site until it has joined; the link \
                    is lost and heals while the function looks",
            from: From::Whole,
            executors: 1,
            chances: &[(SuspicionA, 1), (Relay, 1), (Break, 1), (Heal, 1)],
            expects: &[Seen::ASurvives, Seen::Misled, Seen::Left],
            ..BASE
        },
        Configuration {
            name: "a relay node is shut out of its own site",
            about: "it is killed and started anew before its site has missed it, and is a site of its own until that lets it \
                    in; its monitoring reports the other site",
            from: From::Whole,
            executors: 1,
            chances: &[(AlertA, 2), (Relay, 1), (Break, 1), (Heal, 1)],
            expects: &[Seen::ASurvives, Seen::Misled],
            ..BASE
        },
        Configuration {
            name: "a suspicion beside the alert",
            about: "site-a suspects, site-b reports, an operator holds and lets go",
            chances: &[(SuspicionA, 1), (AlertB, 1), (Hold, 1), (Release, 1)],
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::Held, Seen::Left],
            ..BASE
        },
        Configuration {
            name: "suspicions, unanswered",
            about: "both suspect and one reports; a call is not answered, and the link comes back",
            long: true,
            chances: &[
                (SuspicionA, 1),
                (SuspicionB, 1),
                (AlertB, 1),
                (Unanswered, 1),
                (Heal, 1),
            ],
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::Left],
            ..BASE
        },
        Configuration {
            name: "suspicions in two Regions behind two listeners",
            about: "both suspect, a reading lags, relay nodes are new",
            long: true,
            layout: REGIONS_TWICE,
            chances: &[(SuspicionA, 1), (SuspicionB, 1), (Relay, 1), (Lag, 1), (Crash, 1)],
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::Misled, Seen::Left],
            ..BASE
        },
    ]
}

/// Two sites lose each other.
fn fences() -> Vec<Configuration> {
    vec![
        Configuration {
            name: "both sites report",
            about: "each site's alert and the schedule, in any order; one dies anywhere, claims run out under their holders",
            chances: &[(AlertA, 1), (AlertB, 1), (Sweep, 1), (Crash, 1), (Tick, 1)],
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::LostRace, Seen::TakeOver],
            ..BASE
        },
        Configuration {
            name: "one site is never left alone",
            about: "both report, an operator fences the other one; only that one survives, and never by its own doing",
            never: Some(Site::A),
            chances: &[(AlertA, 1), (AlertB, 1), (Fence, 1), (Crash, 1), (Tick, 1)],
            expects: &[Seen::BSurvives, Seen::TakeOver],
            ..BASE
        },
        Configuration {
            name: "both sites report, and again",
            about: "the same with an alert delivered twice",
            long: true,
            chances: &[(AlertA, 2), (AlertB, 1), (Sweep, 1), (Crash, 1), (Tick, 1)],
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::LostRace, Seen::TakeOver],
            ..BASE
        },
        Configuration {
            name: "two Regions behind two listeners",
            about: "four endpoint groups; one invocation dies",
            layout: REGIONS_TWICE,
            chances: &[(AlertA, 1), (AlertB, 1), (Crash, 1), (Tick, 1)],
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::TakeOver],
            ..BASE
        },
        Configuration {
            name: "two Regions, lagging and unanswered",
            about: "a reading shows what was before, a call is not answered and takes effect at once, later, or never",
            layout: REGIONS,
            chances: &[(AlertA, 1), (AlertB, 1), (Unanswered, 1), (Lag, 1)],
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::Late],
            ..BASE
        },
        Configuration {
            name: "a site is drained",
            about: "by its weight; both report, people take the other one out, and an operator fences",
            chances: &[(AlertA, 1), (AlertB, 1), (Fence, 1), (Chance::Hand, 2)],
            hands: DRAINS,
            expects: &[
                Seen::ASurvives,
                Seen::BSurvives,
                Seen::OnlyDrained,
                Seen::Restored,
            ],
            ..BASE
        },
        Configuration {
            name: "a site is drained in two Regions",
            about: "by the dial of its group; a write of the operator's fence is not answered, and the schedule follows",
            layout: REGIONS,
            chances: &[
                (AlertA, 1),
                (Fence, 1),
                (Sweep, 1),
                (Chance::Hand, 2),
                (Unanswered, 1),
            ],
            hands: DRAINS,
            expects: &[Seen::ASurvives, Seen::OnlyDrained, Seen::Restored, Seen::Late],
            ..BASE
        },
        Configuration {
            name: "a drained site is promoted",
            about: "it was fenced while people had drained it, and the survivor dies",
            layout: REGIONS,
            chances: &[(AlertA, 1), (Chance::Hand, 1), (Impose, 1), (Sweep, 1)],
            hands: DRAINS,
            revisions: 9,
            expects: &[Seen::ASurvives, Seen::Promoted, Seen::Restored],
            ..BASE
        },
        Configuration {
            name: "a drained site is promoted beside the other",
            about: "the same with both in one endpoint group, and a call is not answered",
            chances: &[(AlertA, 1), (Chance::Hand, 1), (Impose, 1), (Unanswered, 1)],
            hands: DRAINS,
            revisions: 9,
            expects: &[Seen::ASurvives, Seen::Promoted, Seen::Restored, Seen::Late],
            ..BASE
        },
        Configuration {
            name: "calls are not answered",
            about: "any call, also a conditional write that took effect and is repeated; claims run out",
            long: true,
            chances: &[
                (AlertA, 1),
                (AlertB, 1),
                (Unanswered, 1),
                (Tick, 1),
                (Repeated, 1),
            ],
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::Late, Seen::TakeOver],
            ..BASE
        },
        Configuration {
            name: "two calls are not answered",
            about: "as above, two of one fence",
            long: true,
            chances: &[(AlertA, 1), (Sweep, 1), (Unanswered, 2), (Tick, 1)],
            expects: &[Seen::ASurvives, Seen::Late, Seen::TakeOver],
            ..BASE
        },
        Configuration {
            name: "calls are slow",
            about: "a claim is renewed beside a call that hangs",
            chances: &[(AlertA, 1), (AlertB, 1), (Slow, 1)],
            expects: &[Seen::ASurvives, Seen::BSurvives],
            ..BASE
        },
        Configuration {
            name: "calls are slow, and claims run out",
            about: "all the same; one switch fails for one cache",
            long: true,
            chances: &[(AlertA, 1), (AlertB, 1), (Slow, 1), (Tick, 1), (Partly, 1)],
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::TakeOver],
            ..BASE
        },
        Configuration {
            name: "people edit the accelerator",
            about: "a site is taken out, a stranger put in, a weight changed, health lost, in the middle of a fence",
            layout: ZONES_TWICE,
            chances: &[(AlertA, 1), (AlertB, 1), (Sweep, 1), (Chance::Hand, 1)],
            hands: EDITS,
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::Unexplained],
            ..BASE
        },
        Configuration {
            name: "people edit two Regions",
            about: "the same with a group for each site, and two edits",
            long: true,
            layout: REGIONS,
            chances: &[(AlertA, 1), (AlertB, 1), (Sweep, 1), (Chance::Hand, 2)],
            hands: EDITS,
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::Unexplained],
            ..BASE
        },
        Configuration {
            name: "two topologies on one accelerator",
            about: "each with a register of its own, the other one told of site-b's alert; the tag may be unreadable for a moment, and a call not answered",
            layout: REGIONS,
            chances: &[(AlertA, 1), (OthersAlertB, 1), (Unmarked, 1), (Unanswered, 1)],
            expects: &[Seen::ASurvives, Seen::Anothers],
            ..BASE
        },
        Configuration {
            name: "a site dies",
            about: "either, at any moment of its own or the other's fence",
            chances: &[(AlertA, 1), (AlertB, 1), (Sweep, 1), (Death, 1)],
            expects: &[Seen::ASurvives, Seen::BSurvives],
            ..BASE
        },
        Configuration {
            name: "the link comes and goes",
            about: "it heals and is lost again between evidence and decision; no relay node answers",
            from: From::Whole,
            chances: &[(AlertA, 1), (AlertB, 1), (Break, 2), (Heal, 1), (NoRelay, 1)],
            expects: &[Seen::ASurvives, Seen::BSurvives],
            ..BASE
        },
        Configuration {
            name: "the link is lost for one site",
            about: "then for both, or for neither; a node that was relay once, a second relay node, or none answers",
            from: From::Whole,
            chances: &[
                (AlertA, 1),
                (AlertB, 1),
                (Chance::Half, 1),
                (Break, 1),
                (Demoted, 1),
                (Second, 1),
            ],
            expects: &[Seen::ASurvives, Seen::BSurvives],
            ..BASE
        },
        Configuration {
            name: "relay nodes disagree",
            about: "a second one shows what is not so any more, while time passes",
            from: From::Whole,
            chances: &[(AlertA, 2), (AlertB, 1), (Stuck, 1), (Break, 1), (Rest, 2)],
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::Doubted],
            ..BASE
        },
        Configuration {
            name: "relay nodes disagree, and agree again",
            about: "the link heals in between",
            long: true,
            from: From::Whole,
            chances: &[
                (AlertA, 3),
                (AlertB, 1),
                (Stuck, 1),
                (Break, 1),
                (Heal, 1),
                (Rest, 2),
            ],
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::Doubted],
            ..BASE
        },
        Configuration {
            name: "three at once",
            about: "three invocations run at the same time; one dies, claims run out",
            long: true,
            executors: 3,
            chances: &[(AlertA, 1), (AlertB, 1), (Sweep, 1), (Crash, 1), (Tick, 1)],
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::LostRace, Seen::TakeOver],
            ..BASE
        },
        Configuration {
            name: "three at once, unanswered",
            about: "and a call is not answered",
            long: true,
            executors: 3,
            chances: &[(AlertA, 1), (AlertB, 1), (Sweep, 1), (Unanswered, 1)],
            expects: &[Seen::ASurvives, Seen::BSurvives, Seen::LostRace, Seen::Late],
            ..BASE
        },
    ]
}

fn afterwards() -> Vec<Configuration> {
    vec![
        Configuration {
            name: "the fenced site returns too early",
            about: "or replication is let go on, or all is recovered by hand, while the schedule looks",
            from: From::Fenced,
            chances: &[(Sweep, 2), (Chance::Hand, 1)],
            hands: RETURNS,
            expects: &[Seen::Adopted, Seen::Refenced, Seen::Unexplained],
            ..BASE
        },
        Configuration {
            name: "an earlier recovery has left its marks",
            about: "people put the fenced site back and let replication on, without a push",
            from: From::FencedWithRemains,
            chances: &[(Sweep, 3), (Chance::Hand, 2)],
            hands: &[Hand::Add(Site::B), Hand::BringOnline(Site::A)],
            expects: &[Seen::Refenced],
            ..BASE
        },
        Configuration {
            name: "a rejoin after an earlier recovery",
            about: "the start of its push fails, or is not answered, and leaves the next one no room",
            from: From::FencedWithRemains,
            chances: &[(Rejoin, 1), (Partly, 1), (Unanswered, 1)],
            revisions: 40,
            expects: &[Seen::Rejoined, Seen::Late],
            ..BASE
        },
        Configuration {
            name: "the fenced site returns into a split",
            about: "the same while the link is lost; Infinispan restarts and forgets",
            from: From::FencedAndSplit,
            chances: &[(AlertA, 1), (Sweep, 1), (Chance::Hand, 1), (Restart, 1)],
            hands: RETURNS,
            expects: &[Seen::Refenced, Seen::Recut],
            ..BASE
        },
        Configuration {
            name: "the survivor is taken out",
            about: "and others are put in its place, while the schedule looks and an operator holds everything",
            from: From::FencedAndSplit,
            layout: ZONES_TWICE,
            chances: &[(Sweep, 2), (Chance::Hand, 2), (Hold, 1)],
            hands: EMPTYINGS,
            expects: &[Seen::Refilled, Seen::SurvivorMissing, Seen::Refenced],
            ..BASE
        },
        Configuration {
            name: "the survivor is taken out of two Regions",
            about: "twice, while an alert comes, a call is not answered, and one dies",
            long: true,
            from: From::FencedAndSplit,
            layout: REGIONS,
            chances: &[
                (AlertA, 1),
                (Sweep, 1),
                (Chance::Hand, 2),
                (Unanswered, 1),
                (Crash, 1),
            ],
            hands: EMPTYINGS,
            expects: &[Seen::Refilled, Seen::SurvivorMissing, Seen::Late],
            ..BASE
        },
        Configuration {
            name: "returns, restarts, splits",
            about: "all of it together",
            long: true,
            from: From::Fenced,
            chances: &[
                (AlertA, 1),
                (Sweep, 2),
                (Chance::Hand, 1),
                (Restart, 1),
                (Rest, 1),
                (Break, 1),
            ],
            hands: RETURNS,
            expects: &[Seen::Adopted, Seen::Refenced, Seen::Recut],
            ..BASE
        },
    ]
}

/// An operator asks for something.
fn operators() -> Vec<Configuration> {
    vec![
        Configuration {
            name: "hold, release, planned fence",
            about: "while an alert comes, the link is lost, and no relay node answers",
            from: From::Whole,
            chances: &[
                (AlertA, 1),
                (Fence, 1),
                (Hold, 1),
                (Release, 1),
                (Break, 1),
                (NoRelay, 1),
            ],
            expects: &[Seen::Held, Seen::ASurvives],
            ..BASE
        },
        Configuration {
            name: "rejoin",
            about: "step by step, while an alert comes and the link is lost again",
            from: From::Fenced,
            chances: &[(Rejoin, 1), (AlertA, 1), (Break, 1)],
            revisions: 40,
            expects: &[Seen::Rejoined, Seen::RejoinAborted],
            ..BASE
        },
        Configuration {
            name: "Keycloak comes back during a rejoin",
            about: "somebody starts it at any moment, also between the counting of its pods and what follows",
            from: From::Fenced,
            chances: &[(Rejoin, 2), (Chance::Hand, 1)],
            hands: &[Hand::StartKeycloak(Site::B)],
            revisions: 12,
            expects: &[Seen::RejoinAborted],
            ..BASE
        },
        Configuration {
            name: "Keycloak comes back during a rejoin to its end",
            about: "and the next one brings the site back",
            long: true,
            from: From::Fenced,
            chances: &[(Rejoin, 2), (Chance::Hand, 1), (Break, 1)],
            hands: &[Hand::StartKeycloak(Site::B)],
            revisions: 40,
            expects: &[Seen::RejoinAborted, Seen::Rejoined],
            ..BASE
        },
        Configuration {
            name: "a rejoin is held",
            about: "a hold comes and goes in the middle",
            from: From::Fenced,
            chances: &[(Rejoin, 1), (Hold, 1), (Release, 1)],
            revisions: 10,
            expects: &[Seen::Held],
            ..BASE
        },
        Configuration {
            name: "a rejoin is held to its end",
            about: "and a promotion has to wait for the end of the hold",
            long: true,
            from: From::Fenced,
            chances: &[(Rejoin, 1), (Hold, 1), (Release, 1), (Impose, 1)],
            revisions: 13,
            expects: &[Seen::Held],
            ..BASE
        },
        Configuration {
            name: "a rejoin is broken off",
            about: "in the middle of a step, and what that had under way arrives after the fence",
            from: From::Fenced,
            chances: &[(Rejoin, 1), (AlertA, 1), (Sweep, 1), (Break, 1)],
            revisions: 11,
            expects: &[Seen::RejoinAborted],
            ..BASE
        },
        Configuration {
            name: "rejoin, and a step dies",
            about: "and its repetition waits for what may be on its way",
            long: true,
            from: From::Fenced,
            chances: &[(Rejoin, 1), (AlertA, 1), (Crash, 1), (Break, 1)],
            revisions: 40,
            expects: &[Seen::Rejoined, Seen::RejoinAborted],
            ..BASE
        },
        Configuration {
            name: "rejoin, calls not answered, restarts",
            about: "any call of any step, and each Infinispan forgets",
            from: From::Fenced,
            chances: &[(Rejoin, 1), (Unanswered, 1), (Restart, 1)],
            revisions: 40,
            expects: &[Seen::Rejoined, Seen::Late],
            ..BASE
        },
        Configuration {
            name: "the table is restored",
            about: "from a backup of the time when the site was fenced, after it was brought back; alerts and the schedule go on",
            from: From::Fenced,
            chances: &[(Rejoin, 1), (Chance::Hand, 1), (Sweep, 2), (AlertA, 1)],
            hands: &[Hand::RestoreTable(State::Complete)],
            revisions: 40,
            executors: 1,
            expects: &[Seen::Rejoined, Seen::GoneBack],
            ..BASE
        },
        Configuration {
            name: "the table is restored to a decision under way",
            about: "from a backup of the time when the fence was decided and not yet carried out, after the site was brought back; alerts, an operator and the schedule go on",
            from: From::Fenced,
            chances: &[
                (Rejoin, 1),
                (Chance::Hand, 1),
                (Sweep, 1),
                (AlertA, 1),
                (Fence, 1),
            ],
            hands: &[Hand::RestoreTable(State::Decided)],
            revisions: 40,
            executors: 1,
            expects: &[Seen::Rejoined, Seen::GoneBack],
            ..BASE
        },
        Configuration {
            name: "the table is restored to a rejoin",
            about: "from a backup of a rejoin that has ended since; another command goes on with it, and the link is lost again",
            from: From::Fenced,
            chances: &[(Rejoin, 2), (Chance::Hand, 1), (Break, 1), (AlertA, 1)],
            hands: &[Hand::RestoreTable(State::Rejoining)],
            revisions: 19,
            executors: 1,
            expects: &[Seen::Rejoined, Seen::GoneBack],
            ..BASE
        },
        Configuration {
            name: "rejoin by two operators",
            about: "the second takes over from the first",
            from: From::Fenced,
            chances: &[(Rejoin, 2)],
            revisions: 8,
            expects: &[Seen::RejoinTakenOver],
            ..BASE
        },
        Configuration {
            name: "rejoin by two operators to its end",
            about: "anywhere",
            long: true,
            from: From::Fenced,
            chances: &[(Rejoin, 2)],
            revisions: 19,
            expects: &[Seen::Rejoined, Seen::RejoinTakenOver],
            ..BASE
        },
        Configuration {
            name: "promote",
            about: "the survivor dies after the decision, and the other is made survivor, while the schedule and an old invocation go on",
            chances: &[(AlertA, 1), (Sweep, 1), (Promote, 1), (Death, 1)],
            revisions: 9,
            expects: &[Seen::Promoted, Seen::ASurvives],
            ..BASE
        },
        Configuration {
            name: "promote, and nobody waits",
            about: "the wait is skipped, as by pasting both calls at once, while an old invocation goes on",
            chances: &[(AlertA, 1), (Impose, 1), (Skip, 2)],
            revisions: 9,
            expects: &[Seen::Promoted, Seen::ASurvives],
            ..BASE
        },
        Configuration {
            name: "rejoin, and nobody waits",
            about: "the same where a site is brought back, and the fence before it still has something under way",
            from: From::Split,
            chances: &[(AlertA, 1), (Heal, 1), (Rejoin, 1), (Skip, 1), (Unanswered, 1)],
            revisions: 17,
            expects: &[Seen::Rejoined],
            ..BASE
        },
        Configuration {
            name: "promote in two Regions",
            about: "and a call is not answered",
            long: true,
            layout: REGIONS,
            chances: &[(AlertA, 1), (Sweep, 1), (Impose, 1), (Unanswered, 1)],
            revisions: 9,
            expects: &[Seen::Promoted, Seen::ASurvives, Seen::Late],
            ..BASE
        },
        Configuration {
            name: "promote during a rejoin",
            about: "at any of its steps; the command then goes on and names a site that survives by now",
            from: From::Fenced,
            chances: &[(Rejoin, 1), (Impose, 1)],
            revisions: 10,
            expects: &[Seen::Promoted],
            ..BASE
        },
        Configuration {
            name: "promote while a rejoin breaks off",
            about: "the link is lost in the middle of a step, and what carries the decision out again comes after the promotion",
            from: From::Fenced,
            chances: &[(Rejoin, 1), (Impose, 1), (Break, 1)],
            revisions: 8,
            expects: &[Seen::Promoted, Seen::RejoinAborted],
            ..BASE
        },
        Configuration {
            name: "a fence by force",
            about: "without the register, which holds nothing, or a decision the other way, at any of its steps; reconciled",
            chances: &[(AlertA, 1), (AlertB, 1), (Force, 1)],
            revisions: 12,
            expects: &[Seen::Forced, Seen::Reconciled, Seen::BSurvives, Seen::ASurvives],
            ..BASE
        },
        Configuration {
            name: "a fence by force is broken off",
            about: "at any point, and so is what reconciles it; each is begun again",
            chances: &[(AlertB, 1), (Force, 2), (Crash, 1)],
            revisions: 12,
            expects: &[Seen::Forced, Seen::Reconciled],
            ..BASE
        },
        Configuration {
            name: "a fence by force, and calls that are not answered",
            about: "they may take effect late, until the next command has waited",
            chances: &[(AlertB, 1), (Force, 1), (Unanswered, 1), (Crash, 1)],
            revisions: 12,
            expects: &[Seen::Forced, Seen::Reconciled, Seen::Late],
            ..BASE
        },
        Configuration {
            name: "promote during a rejoin, anywhere",
            about: "while the link is lost and the schedule runs",
            long: true,
            from: From::Fenced,
            chances: &[(Rejoin, 1), (Impose, 1), (Break, 1), (Sweep, 1)],
            revisions: 20,
            expects: &[Seen::Promoted, Seen::Rejoined],
            ..BASE
        },
    ]
}
