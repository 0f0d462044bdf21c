#![allow(clippy::unwrap_used)]

use super::*;
use crate::health::samples::{at, checkup, settings, site};
use crate::health::{Checkup, Forced};
use crate::register::{Decision, Hold, State};
use crate::words::{Epoch, Fenced, Survivor};

fn kept(checkup: Checkup) -> Kept {
    Kept {
        checkup: Some(checkup),
        forced: None,
    }
}

fn deep(kept: &Kept) -> Told {
    answer(
        &settings(),
        at(0),
        Depth::Deep,
        Ok(Some(&Record::empty())),
        Ok(kept),
    )
}

fn first_line(told: &Told) -> &str {
    told.body.lines().next().unwrap()
}

fn complete() -> Record {
    Record {
        epoch: Epoch(3),
        state: State::Complete,
        decision: Some(Decision {
            survivor: Survivor(site("site-a")),
            fenced: Fenced(site("site-b")),
            outcome: crate::accelerator::Outcome::default(),
            by: "site-a".to_owned(),
            evidence: String::new(),
            decided_at: at(-1000),
            alerted_at: None,
        }),
        ..Record::empty()
    }
}

#[test]
fn in_order_is_one_line() {
    let told = deep(&kept(checkup(&[("register", Level::Fine)])));
    assert_eq!(
        (told.status, told.body.as_str()),
        (200, "FENCER-OK epoch=0 state=open depth=deep\n")
    );
}

#[test]
fn a_lost_site_leaves_it_ok_and_is_named() {
    let checkup = Checkup {
        unreachable: vec![site("site-b")],
        ..checkup(&[
            ("infinispan:site-b", Level::Warns),
            ("notifications", Level::Warns),
        ])
    };
    let told = answer(
        &settings(),
        at(0),
        Depth::Deep,
        Ok(Some(&complete())),
        Ok(&kept(checkup)),
    );
    assert_eq!(told.status, 200);
    assert_eq!(
        told.body,
        "FENCER-OK epoch=3 state=complete fenced=site-b depth=deep degraded=site-b \
         warnings=infinispan:site-b,notifications\n\
         infinispan:site-b warns: found (hint: hint)\n\
         notifications warns: found (hint: hint)\n"
    );
}

#[test]
fn what_fails_is_named_and_the_word_is_nowhere() {
    let told = deep(&kept(checkup(&[
        ("notifications", Level::Warns),
        ("infinispan:site-a", Level::Fails),
        ("register-write", Level::Fails),
    ])));
    assert_eq!(told.status, 503);
    assert_eq!(
        first_line(&told),
        "FENCER-FAILED failing=infinispan:site-a,register-write epoch=0 state=open depth=deep warnings=notifications"
    );
    assert!(!told.body.contains(OK), "{}", told.body);
    assert!(
        told.body
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("infinispan:site-a fails")
    );
}

/// The age of the result, and whether it counts.
#[test]
fn a_stale_result_is_none() {
    for (age, status) in [
        (0, 200),
        (60, 200),
        (180, 200),
        (181, 503),
        (9999, 503),
        (-60, 200),
        (-61, 503),
    ] {
        let old = Checkup {
            at: at(-age),
            ..checkup(&[])
        };
        let told = deep(&kept(old));
        assert_eq!(told.status, status, "{age}");
        assert_eq!(told.body.contains("failing=deep-check "), status == 503, "{age}");
    }
    assert_eq!(deep(&Kept::default()).status, 503);
}

#[test]
fn a_shallow_answer_looks_at_the_register_only() {
    let sick = kept(checkup(&[("accelerator", Level::Fails)]));
    let nothing = Kept::default();
    let shallow = |record, kept| answer(&settings(), at(0), Depth::Shallow, record, kept);
    assert_eq!(
        first_line(&shallow(Ok(None), Ok(&sick))),
        "FENCER-OK epoch=0 state=open depth=shallow"
    );
    assert_eq!(shallow(Ok(None), Ok(&nothing)).status, 200);
    let fault = Fault {
        whom: "the register".to_owned(),
        what: "no answer in time".to_owned(),
    };
    for (record, kept) in [(Err(&fault), Ok(&sick)), (Ok(None), Err(&fault))] {
        let told = shallow(record, kept);
        assert_eq!(told.status, 503);
        assert!(
            first_line(&told).starts_with("FENCER-FAILED failing=register"),
            "{}",
            told.body
        );
    }
}

#[test]
fn a_rehearsal_fails_every_answer_and_ends_by_itself() {
    let forced = Kept {
        checkup: Some(checkup(&[])),
        forced: Some(Forced {
            by: "ana\nFENCER".to_owned(),
            until: at(30),
        }),
    };
    for depth in [Depth::Shallow, Depth::Deep] {
        let told = |now| answer(&settings(), now, depth, Ok(None), Ok(&forced));
        let now = told(at(29));
        assert_eq!(now.status, 503);
        assert!(first_line(&now).contains("failing=forced"), "{}", now.body);
        assert_eq!(
            now.body.lines().count(),
            2,
            "a name cannot begin a line: {}",
            now.body
        );
        assert_eq!(told(at(30)).status, 200);
    }
}

#[test]
fn what_operators_did_is_shown() {
    let held = Record {
        hold: Some(Hold {
            by: "ana".to_owned(),
            reason: "maintenance".to_owned(),
            since: at(-10),
            until: None,
        }),
        ..Record::empty()
    };
    let observing = Settings {
        mode: Mode::Observe,
        ..settings()
    };
    let told = answer(
        &observing,
        at(0),
        Depth::Deep,
        Ok(Some(&held)),
        Ok(&kept(checkup(&[]))),
    );
    assert_eq!(
        first_line(&told),
        "FENCER-OK epoch=0 state=open hold=yes depth=deep mode=observe"
    );
}

#[test]
fn the_share_of_deep_answers_is_what_was_asked_for() {
    let identifiers: Vec<String> = (0..10_000_u32)
        .map(|n| format!("8f5e7a1c-{:04x}-4d0e-9c1b-{:012x}", n % 997, u64::from(n) * 7919))
        .collect();
    for percent in [0, 1, 25, 50, 90, 100] {
        let deep = identifiers
            .iter()
            .filter(|id| depth(percent, id) == Depth::Deep)
            .count();
        let wanted = usize::from(percent) * 100;
        assert!(deep.abs_diff(wanted) < 200, "{deep} of 10000 at {percent} %");
        if percent == 0 || percent == 100 {
            assert_eq!(deep, wanted);
        }
    }
    assert_eq!(depth(50, "the same"), depth(50, "the same"));
}
