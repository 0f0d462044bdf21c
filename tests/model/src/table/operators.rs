//! An operator asks for something.

use fencing::register::State;

use super::{BASE, REGIONS};
use crate::configuration::{Configuration, From, Seen};
use crate::grounds::Site;
use crate::scene::Chance::{
    self, AlertA, AlertB, Break, Crash, Death, Fence, Force, Heal, Hold, Impose, NoRelay, Promote, Rejoin,
    Release, Restart, Skip, Sweep, Unanswered,
};
use crate::scene::Hand;

pub(super) fn rows() -> Vec<Configuration> {
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
