//! A fence is complete, and the world goes on.

use super::{BASE, EMPTYINGS, REGIONS, RETURNS, ZONES_TWICE};
use crate::configuration::{Configuration, From, Seen};
use crate::grounds::Site;
use crate::scene::Chance::{
    self, AlertA, Break, Crash, Hold, Partly, Rejoin, Rest, Restart, Sweep, Unanswered,
};
use crate::scene::Hand;

pub(super) fn rows() -> Vec<Configuration> {
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
