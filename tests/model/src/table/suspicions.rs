//! Two sites suspect each other.

use super::{BASE, REGIONS_TWICE};
use crate::configuration::{Configuration, From, Seen};
use crate::scene::Chance::{
    AlertA, AlertB, Break, Crash, Heal, Hold, Lag, Relay, Release, SuspicionA, SuspicionB, Tick, Unanswered,
};

pub(super) fn rows() -> Vec<Configuration> {
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
