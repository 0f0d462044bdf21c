//! Two sites lose each other.

use super::{BASE, DRAINS, EDITS, REGIONS, REGIONS_TWICE, ZONES_TWICE};
use crate::configuration::{Configuration, From, Seen};
use crate::grounds::Site;
use crate::scene::Chance::{
    self, AlertA, AlertB, Break, Crash, Death, Demoted, Fence, Heal, Impose, Lag, NoRelay, OthersAlertB,
    Partly, Repeated, Rest, Second, Slow, Stuck, Sweep, Tick, Unanswered, Unmarked,
};

pub(super) fn rows() -> Vec<Configuration> {
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
