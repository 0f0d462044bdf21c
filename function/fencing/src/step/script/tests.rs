//! What a script takes for a reply, and what it does not.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::health::samples::{settings, site};
use crate::register::Decision;
use crate::words::{Epoch, Fenced, Reporter, Survivor, Suspect};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn alert() -> Progress {
    let task = Task::Alert {
        reporter: Reporter(site("site-b")),
        suspect: Suspect(site("site-a")),
        since: None,
    };
    start(&settings(), "r1", task, NOW).0
}

/// site-a survives, so that the accelerator alone is left to look at.
fn complete() -> Event {
    let decision = Decision {
        survivor: Survivor(site("site-a")),
        fenced: Fenced(site("site-b")),
        outcome: crate::accelerator::Outcome::default(),
        by: "site-a's alert".to_owned(),
        evidence: "a test".to_owned(),
        decided_at: NOW,
        alerted_at: None,
    };
    let record = Record {
        epoch: Epoch(1),
        state: register::State::Complete,
        decision: Some(decision),
        ..Record::empty()
    };
    Event::Register(Ok(Some(Box::new(record))))
}

#[test]
fn a_reply_that_came_already_changes_nothing() {
    let later = NOW + SignedDuration::from_secs(1);
    let (register, accelerator) = (Ticket(0), Ticket(1));
    let read = Event::Accelerator(Ok(Reading::default()));
    let (once, _) = step(&settings(), alert(), NOW, accelerator, read);
    assert!(once.answer().is_none());
    let fault = Fault {
        whom: "AWS".to_owned(),
        what: "no answer".to_owned(),
    };
    let (twice, effects) = step(
        &settings(),
        once.clone(),
        later,
        accelerator,
        Event::Accelerator(Err(fault)),
    );
    assert_eq!((twice, effects), (once.clone(), Vec::new()));
    // And one to a call that was never made does no harm.
    let (same, effects) = step(&settings(), once.clone(), later, Ticket(99), complete());
    assert_eq!((same, effects), (once.clone(), Vec::new()));
    assert!(
        step(&settings(), once, later, register, complete())
            .0
            .answer()
            .is_some()
    );
}

#[test]
fn a_reply_that_comes_after_the_end_changes_nothing() {
    let (waits, _) = step(&settings(), alert(), NOW, Ticket(0), complete());
    let looked = Event::Accelerator(Ok(Reading::default()));
    let (ended, effects) = step(&settings(), waits, NOW, Ticket(1), looked);
    assert!(matches!(&effects[..], [Effect::Answer(_)]), "{effects:?}");
    let late = Event::Views(Ok(Vec::new()));
    let (after, effects) = step(&settings(), ended.clone(), NOW, Ticket(2), late);
    assert_eq!((after, effects), (ended, Vec::new()));
}
