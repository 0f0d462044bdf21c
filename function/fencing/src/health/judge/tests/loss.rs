//! A loss of which no decision comes: seen, explained, remembered, and over.

use super::*;
use crate::health::{Reason, UNFENCED_AFTER_SECONDS, Unfenced};
use crate::settings::Mode;

/// Site-a's nodes do not see site-b.
fn misses() -> Seen {
    tells(&["n1", "n2"].map(|node| relay("site-a", node, &["site-a"])))
}

/// What the minute before knew.
fn before(since: i64) -> Seen {
    Seen::Checkup(Some(Box::new(Checkup {
        unfenced: Some(Unfenced {
            site: site("site-a"),
            since: at(since),
            reason: Reason::NoReport,
            planned: false,
        }),
        ..checkup(&[])
    })))
}

fn quiet_until(seconds: i64) -> Record {
    Record {
        cooldown_until: Some(at(seconds)),
        ..Record::empty()
    }
}

fn doubted(since: i64) -> Record {
    Record {
        divided_since: [(site("site-a"), at(since))].into(),
        ..Record::empty()
    }
}

/// Both sites are in, and our own tag says that the register had reached epoch 4.
fn had_come_further() -> Seen {
    let ours = Mark::Names(settings().found.owner);
    match marked(&[&balancer("site-a"), &balancer("site-b")], ours) {
        Seen::Endpoints(reading) => Seen::Endpoints(Reading {
            reached: Some(Reached {
                epoch: Epoch(4),
                rev: Rev(60),
            }),
            ..reading
        }),
        other => other,
    }
}

fn judged_in(mode: Mode, but: &[(Probe, Result<Seen, Fault>)]) -> Checkup {
    let settings = Settings {
        mode,
        cooldown_seconds: 300,
        ..settings()
    };
    judge(&settings, at(0), &looks(but))
}

/// Site-a misses site-b, which is silent; what else is so decides why nobody is fenced.
#[test]
fn each_reason() {
    let only_b = [balancer("site-b")];
    let only_b: Vec<&str> = only_b.iter().map(String::as_str).collect();
    for (mode, register, endpoint, sight, expected) in [
        (Mode::Act, Record::empty(), None, misses(), Reason::NoReport),
        (Mode::Act, held(-90, None), None, misses(), Reason::Hold),
        (Mode::Act, quiet_until(30), None, misses(), Reason::Cooldown),
        // Over, or further away than quiet time ever is.
        (Mode::Act, quiet_until(-1), None, misses(), Reason::NoReport),
        (Mode::Act, quiet_until(301), None, misses(), Reason::NoReport),
        (Mode::Observe, Record::empty(), None, misses(), Reason::Observe),
        (
            Mode::Act,
            Record::empty(),
            Some(Ok(endpoints(&only_b))),
            misses(),
            Reason::Unfit,
        ),
        (
            Mode::Act,
            Record::empty(),
            Some(Ok(marked(
                &[&balancer("site-a"), &balancer("site-b")],
                Mark::Names("another".to_owned()),
            ))),
            misses(),
            Reason::NotOurs,
        ),
        (
            Mode::Act,
            Record {
                rev: Rev(9),
                ..Record::empty()
            },
            Some(Ok(had_come_further())),
            misses(),
            Reason::GoneBack,
        ),
        // Nothing is in a new one.
        (
            Mode::Act,
            Record::empty(),
            Some(Ok(had_come_further())),
            misses(),
            Reason::NoReport,
        ),
        (
            Mode::Act,
            Record::empty(),
            Some(silence()),
            misses(),
            Reason::Dependency,
        ),
        (Mode::Act, doubted(-59), None, divided(), Reason::Divided),
        (Mode::Act, doubted(-60), None, divided(), Reason::NoReport),
        (Mode::Act, Record::empty(), None, divided(), Reason::NoReport),
    ] {
        let mut but = vec![
            (Probe::Register, Ok(record(register.clone()))),
            (infinispan("site-a"), Ok(sight)),
            (infinispan("site-b"), silence()),
            (Probe::LastCheckup, Ok(before(-61))),
        ];
        but.extend(endpoint.map(|endpoint| (Probe::Endpoints, endpoint)));
        let checkup = judged_in(mode, &but);
        let unfenced = checkup.unfenced.clone().unwrap();
        assert_eq!(unfenced.reason, expected, "{mode:?} {register:?}");
        assert_eq!(unfenced.since, at(-61));
        assert_eq!(unfenced.site, site("site-a"));
        assert!(named(&checkup, Level::Warns).contains(&"loss"), "{checkup:?}");
    }
}

/// Where the tag cannot be read, what was seen last counts for ten minutes, as it does for an alert.
#[test]
fn a_tag_that_cannot_be_read_counts_as_it_was_seen_last() {
    let seen_at = |seconds: i64| {
        Seen::Checkup(Some(Box::new(Checkup {
            marked: Some(Marked {
                mark: Mark::Names("another".to_owned()),
                at: at(seconds),
            }),
            ..checkup(&[])
        })))
    };
    let both = [balancer("site-a"), balancer("site-b")];
    let both: Vec<&str> = both.iter().map(String::as_str).collect();
    for (seconds, expected) in [(-600, Reason::NotOurs), (-601, Reason::NoReport)] {
        let unread = marked(&both, Mark::Unread("no answer".to_owned()));
        let checkup = judged(&[
            (infinispan("site-a"), Ok(misses())),
            (Probe::Endpoints, Ok(unread)),
            (Probe::LastCheckup, Ok(seen_at(seconds))),
        ]);
        assert_eq!(checkup.unfenced.unwrap().reason, expected, "{seconds}");
    }
}

/// Its own alert decides nothing, so people have to hear of it; where the other one misses it, that one decides.
#[test]
fn a_site_that_is_never_left_alone() {
    let settings = Settings {
        never_survivors: vec![site("site-a")],
        ..settings()
    };
    let b_misses = tells(&["n1", "n2"].map(|node| relay("site-b", node, &["site-b"])));
    for (b, expected) in [
        (silence(), ("site-a", Reason::NeverSurvivor)),
        (Ok(b_misses), ("site-b", Reason::NoReport)),
    ] {
        let but = [(infinispan("site-a"), Ok(misses())), (infinispan("site-b"), b)];
        let unfenced = judge(&settings, at(0), &looks(&but)).unfenced.unwrap();
        assert_eq!((unfenced.site.as_str(), unfenced.reason), expected);
    }
}

#[test]
fn where_both_miss_each_other_the_one_with_less_in_its_way_tells() {
    let b_misses = tells(&["n1", "n2"].map(|node| relay("site-b", node, &["site-b"])));
    let only_b = [balancer("site-b")];
    let only_b: Vec<&str> = only_b.iter().map(String::as_str).collect();
    let checkup = judged(&[
        (infinispan("site-a"), Ok(misses())),
        (infinispan("site-b"), Ok(b_misses)),
        (Probe::Endpoints, Ok(endpoints(&only_b))),
    ]);
    let unfenced = checkup.unfenced.unwrap();
    assert_eq!(
        (unfenced.site, unfenced.reason),
        (site("site-b"), Reason::NoReport)
    );
}

/// A decision takes seconds; what is seen for the first time is remembered, and no cause for concern.
#[test]
fn a_loss_begins_when_it_is_first_seen_and_concerns_people_when_it_lasts() {
    let lost = (infinispan("site-a"), Ok(misses()));
    let first = judged(std::slice::from_ref(&lost));
    assert_eq!(first.unfenced.as_ref().unwrap().since, at(0));
    assert!(named(&first, Level::Fine).contains(&"loss"));
    for (since, level) in [
        (1 - i64::from(UNFENCED_AFTER_SECONDS), Level::Fine),
        (-i64::from(UNFENCED_AFTER_SECONDS), Level::Warns),
        // Another function's clock is ahead of ours.
        (3600, Level::Fine),
    ] {
        let checkup = judged(&[lost.clone(), (Probe::LastCheckup, Ok(before(since)))]);
        assert!(named(&checkup, level).contains(&"loss"), "{since}");
        assert!(checkup.unfenced.unwrap().since <= at(0), "{since}");
    }
}

#[test]
fn a_hold_that_is_meant_to_last_plans_it_and_one_without_an_end_does_not() {
    for (until, planned) in [
        (Some(60), true),
        (Some(0), false),
        (Some(-60), false),
        (None, false),
    ] {
        let checkup = judged(&[
            (Probe::Register, Ok(record(held(-90, until)))),
            (infinispan("site-a"), Ok(misses())),
            (Probe::LastCheckup, Ok(before(-600))),
        ]);
        let unfenced = checkup.unfenced.clone().unwrap();
        assert_eq!(
            (unfenced.reason, unfenced.planned),
            (Reason::Hold, planned),
            "{until:?}"
        );
        assert_eq!(
            named(&checkup, Level::Warns).contains(&"loss"),
            !planned,
            "{until:?}"
        );
    }
}

/// That nobody answers any more is no recovery; that the site is seen again, or somebody is fenced, is.
#[test]
fn it_ends_when_the_site_is_seen_or_somebody_is_fenced() {
    let known = (Probe::LastCheckup, Ok(before(-600)));
    let silent = [known.clone(), (infinispan("site-a"), silence())];
    let blind = [known.clone(), (infinispan("site-a"), Ok(tells(&[])))];
    // Somebody changed its address meanwhile: what answers is another site.
    let stray = tells(&[relay("site-b", "n1", &["site-b", "site-a"])]);
    let stray = [known.clone(), (infinispan("site-a"), Ok(stray))];
    for but in [&silent[..], &blind[..], &stray[..]] {
        let unfenced = judged(but).unfenced.unwrap();
        assert_eq!((unfenced.reason, unfenced.since), (Reason::Unheard, at(-600)));
    }
    assert_eq!(judged(std::slice::from_ref(&known)).unfenced, None);
    for state in [State::Decided, State::Isolated, State::Complete, State::Rejoining] {
        let fenced = [
            known.clone(),
            (infinispan("site-a"), Ok(misses())),
            (Probe::Register, Ok(record(decided(state, at(-5))))),
        ];
        assert_eq!(judged(&fenced).unfenced, None, "{state}");
    }
    // Nobody knows whether somebody is fenced: the register's own failure says so.
    let unread = [
        known,
        (infinispan("site-a"), Ok(misses())),
        (Probe::Register, silence()),
    ];
    assert_eq!(judged(&unread).unfenced, None);
    // What was never seen to miss the other does not begin to by its silence.
    assert_eq!(judged(&[(infinispan("site-a"), silence())]).unfenced, None);
}
