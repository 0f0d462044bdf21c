#![allow(clippy::unwrap_used)]

mod accelerator;
mod infinispan;
mod loss;
mod register;

use super::*;
use crate::accelerator::{
    Endpoint, EndpointConfig, Group, GroupOutcome, Health, Mark, Marked, Outcome, Reached,
};
use crate::health::samples::{GROUP, at, balancer, checkup, relay, settings, site};
use crate::health::{Ending, Reach, Refusal, RelayWitness, probes};
use crate::register::{Decision, Hold, Rejoin};
use crate::replication::{Backup, View};
use crate::words::{Epoch, Rev};

fn endpoint(id: &str, health: Health) -> Endpoint {
    Endpoint {
        config: EndpointConfig {
            id: id.to_owned(),
            weight: Some(128),
            client_ip_preservation: Some(true),
        },
        health,
    }
}

fn group(arn: &str, ids: &[&str]) -> Group {
    Group {
        arn: arn.to_owned(),
        endpoints: ids.iter().map(|id| endpoint(id, Health::Healthy)).collect(),
        closed: false,
    }
}

fn both() -> Vec<String> {
    vec![balancer("site-a"), balancer("site-b")]
}

fn endpoints(ids: &[&str]) -> Seen {
    marked(ids, Mark::Names(settings().found.owner))
}

fn marked(ids: &[&str], mark: Mark) -> Seen {
    Seen::Endpoints(Reading {
        groups: vec![group(GROUP, ids)],
        mark,
        reached: None,
    })
}

fn record(record: Record) -> Seen {
    Seen::Register(Some(Box::new(record)))
}

fn decided(state: State, decided_at: Timestamp) -> Record {
    Record {
        epoch: Epoch(3),
        state,
        decision: Some(Decision {
            survivor: Survivor(site("site-a")),
            fenced: Fenced(site("site-b")),
            outcome: Outcome {
                groups: vec![GroupOutcome::holding(
                    GROUP,
                    vec![endpoint(&balancer("site-a"), Health::Healthy).config],
                )],
            },
            by: "site-a".to_owned(),
            evidence: String::new(),
            decided_at,
            alerted_at: None,
        }),
        ..Record::empty()
    }
}

/// Site-b is being brought back; the last write was so many seconds ago.
fn rejoining(step: RejoinStep, written: i64) -> Record {
    Record {
        rejoin: Some(Rejoin {
            restarts: 0,
            session: "s1".to_owned(),
            step,
        }),
        written_at: at(written),
        ..decided(State::Rejoining, at(-9000))
    }
}

/// A site's Infinispan answers, and its relay nodes see both sites.
fn answers(of: &str, backup: Backup) -> Seen {
    let relays = ["n1", "n2"].map(|node| relay(of, node, &["site-a", "site-b"]));
    Seen::Infinispan(Reach::Answers(backup, relays.into()))
}

/// The same, with some of its caches offline.
fn mixed(of: &str, offline: &[&str]) -> Seen {
    let relays = ["n1", "n2"].map(|node| relay(of, node, &["site-a", "site-b"]));
    let offline = offline.iter().map(|cache| (*cache).to_owned()).collect();
    Seen::Infinispan(Reach::Mixed(offline, relays.into()))
}

/// The same, as these nodes tell it.
fn tells(views: &[View]) -> Seen {
    Seen::Infinispan(Reach::Answers(Backup::Online, views.to_vec()))
}

/// Site-a's primary does not see site-b, and its other relay node does.
fn divided() -> Seen {
    tells(&[
        relay("site-a", "n1", &["site-a"]),
        relay("site-a", "n2", &["site-a", "site-b"]),
    ])
}

fn divided_before(since: i64) -> Seen {
    Seen::Checkup(Some(Box::new(Checkup {
        divided_since: [(site("site-a"), at(since))].into(),
        ..checkup(&[])
    })))
}

fn blind_before(at_site: &str, since: i64) -> Seen {
    Seen::Checkup(Some(Box::new(Checkup {
        blind_since: [(site(at_site), at(since))].into(),
        ..checkup(&[])
    })))
}

fn held(since: i64, until: Option<i64>) -> Record {
    Record {
        hold: Some(Hold {
            by: "ana".to_owned(),
            reason: "maintenance".to_owned(),
            since: at(since),
            until: until.map(at),
        }),
        ..Record::empty()
    }
}

fn infinispan(at: &str) -> Probe {
    let other = if at == "site-a" { "site-b" } else { "site-a" };
    Probe::Infinispan {
        at: site(at),
        backup: site(other),
    }
}

fn watchdog(of: &str) -> Probe {
    Probe::Watchdog { of: site(of) }
}

fn refuses(why: Refusal, what: &str) -> Seen {
    Seen::Infinispan(Reach::Refuses(why, what.to_owned()))
}

fn silence() -> Result<Seen, Fault> {
    Err(Fault {
        whom: "it".to_owned(),
        what: "no answer within 4000 ms".to_owned(),
    })
}

/// A certificate that ends in so many days.
fn ending(days: i64, is_authority: bool) -> Ending {
    Ending {
        subject: "infinispan".to_owned(),
        is_authority,
        at: at(days * 86_400),
    }
}

fn shows(ending: Ending) -> (Probe, Result<Seen, Fault>) {
    let probe = Probe::Certificate { of: site("site-a") };
    (probe, Ok(Seen::Certificate(Some(ending))))
}

/// A deep check in which everything is as it should be, but for these looks.
fn looks(but: &[(Probe, Result<Seen, Fault>)]) -> Vec<Look> {
    let ids = both();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let secrets = [Probe::WebhookSecret, Probe::HealthSecret];
    let all = probes(&settings()).into_iter().chain(secrets);
    all.map(|probe| {
        let changed = but.iter().find(|(changed, _)| *changed == probe);
        let seen = match (changed, &probe) {
            (Some((_, seen)), _) => seen.clone(),
            (
                None,
                Probe::WebhookSecret | Probe::HealthSecret | Probe::InfinispanSecret | Probe::RegisterWrite,
            ) => Ok(Seen::Whole),
            (None, Probe::Accelerator) => Ok(Seen::Listing(Listing {
                enabled: true,
                groups: vec![group(GROUP, &ids), group("arn:of:another", &[])],
            })),
            (None, Probe::Endpoints) => Ok(endpoints(&ids)),
            (None, Probe::Infinispan { at, .. }) => Ok(answers(at.as_str(), Backup::Online)),
            (None, Probe::Certificate { .. }) => Ok(Seen::Certificate(Some(ending(90, false)))),
            (None, Probe::Register) => Ok(Seen::Register(None)),
            (None, Probe::Watchdog { .. }) => Ok(Seen::Watchdog(Some(at(-20)))),
            (None, Probe::Subscriptions) => Ok(Seen::Subscriptions {
                confirmed: 2,
                pending: 0,
            }),
            (None, Probe::LastCheckup) => Ok(Seen::Checkup(None)),
            (None, Probe::LastDrill) => Ok(Seen::Drilled(at(-86_400))),
        };
        Look {
            probe,
            took_ms: 7,
            seen,
        }
    })
    .collect()
}

fn judged(but: &[(Probe, Result<Seen, Fault>)]) -> Checkup {
    judge(&settings(), at(0), &looks(but))
}

/// The names of the checks of a level.
fn named(checkup: &Checkup, level: Level) -> Vec<&str> {
    checkup.at_level(level).map(|check| check.name.as_str()).collect()
}

#[test]
fn in_order_nothing_warns_and_everything_is_shown() {
    let checkup = judged(&[]);
    let bad: Vec<&Check> = checkup
        .checks
        .iter()
        .filter(|check| check.level > Level::Fine)
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(
        named(&checkup, Level::Fine),
        [
            "webhook-secret",
            "infinispan-secret",
            "health-secret",
            "accelerator",
            "endpoint-groups",
            "endpoints",
            "drained",
            "owner",
            "infinispan:site-a",
            "infinispan:site-b",
            "certificate:site-a",
            "certificate:site-b",
            "register",
            "register-write",
            "watchdog:site-a",
            "watchdog:site-b",
            "notifications",
            "decision",
        ]
    );
    assert_eq!(checkup.checks[0].took_ms, 7);
    assert_eq!(
        (checkup.epoch, checkup.state),
        (Some(Epoch(0)), Some(State::Open))
    );
}

/// What was seen instead, what fails of it, what warns, and part of what is said.
type Row<'a> = (
    Vec<(Probe, Result<Seen, Fault>)>,
    &'a [&'a str],
    &'a [&'a str],
    &'a str,
);

/// One thing out of order, and the rest as it should be.
fn each(rows: Vec<Row<'_>>) {
    for (but, failing, warning, said) in rows {
        let checkup = judged(&but);
        assert_eq!(
            named(&checkup, Level::Fails),
            failing,
            "{but:?}\n{:#?}",
            checkup.checks
        );
        assert_eq!(
            named(&checkup, Level::Warns),
            warning,
            "{but:?}\n{:#?}",
            checkup.checks
        );
        let all: Vec<String> = checkup
            .checks
            .iter()
            .map(|check| format!("{} {}", check.found, check.hint.as_deref().unwrap_or_default()))
            .collect();
        assert!(all.iter().any(|one| one.contains(said)), "{said}: {all:#?}");
        for check in checkup.checks.iter().filter(|check| check.level > Level::Fine) {
            assert!(check.hint.is_some(), "{} gives no hint", check.name);
        }
    }
}

#[test]
fn silent_sites_are_named() {
    assert!(judged(&[]).unreachable.is_empty());
    assert_eq!(
        judged(&[(infinispan("site-b"), silence())]).unreachable,
        [site("site-b")]
    );
    let refused = Ok(refuses(Refusal::Credentials, "401"));
    assert!(judged(&[(infinispan("site-b"), refused)]).unreachable.is_empty());
}

/// It would not win, and people who rely on it have to know.
#[test]
fn a_drained_site_is_named_by_weight_and_by_dial() {
    for (weight, closed, told) in [
        (128, false, None),
        (0, false, Some("site-b is drained in listener")),
        (128, true, Some("site-a is drained in listener")),
    ] {
        let mut groups = group(GROUP, &[&balancer("site-a"), &balancer("site-b")]);
        groups.endpoints[1].config.weight = Some(weight);
        groups.closed = closed;
        let reading = Reading {
            groups: vec![groups],
            mark: Mark::Names(settings().found.owner),
            reached: None,
        };
        let checkup = judged(&[(Probe::Endpoints, Ok(Seen::Endpoints(reading)))]);
        assert!(named(&checkup, Level::Fails).is_empty(), "{weight} {closed}");
        let check = checkup
            .checks
            .iter()
            .find(|check| check.name == "drained")
            .unwrap();
        assert_eq!(check.level == Level::Warns, told.is_some(), "{}", check.found);
        assert!(
            check.found.contains(told.unwrap_or("no site is drained")),
            "{}",
            check.found
        );
    }
}

/// The survivor that looks unhealthy is not the deep check's business: health comes and goes.
#[test]
fn health_is_not_judged() {
    let reading = Reading {
        groups: vec![Group {
            arn: GROUP.to_owned(),
            endpoints: vec![
                endpoint(&balancer("site-a"), Health::Unhealthy),
                endpoint(&balancer("site-b"), Health::Healthy),
            ],
            closed: false,
        }],
        ..Reading::default()
    };
    let checkup = judged(&[(Probe::Endpoints, Ok(Seen::Endpoints(reading)))]);
    assert!(named(&checkup, Level::Fails).is_empty());
}

/// Infinispan forgot the cut of an old decision: what is unfinished has been so for a moment, not for days.
#[test]
fn what_became_unfinished_again_is_as_old_as_the_deep_checks_have_seen_it() {
    let since = |previous: Option<Checkup>, state| {
        judged(&[
            (Probe::Register, Ok(record(decided(state, at(-90_000))))),
            (Probe::LastCheckup, Ok(Seen::Checkup(previous.map(Box::new)))),
        ])
        .unfinished_since
    };
    let before = |epoch, unfinished_since| {
        Some(Checkup {
            at: at(-60),
            epoch: Some(Epoch(epoch)),
            unfinished_since,
            ..checkup(&[])
        })
    };
    assert_eq!(since(before(3, None), State::Isolated), Some(at(0)));
    assert_eq!(since(before(3, Some(at(-60))), State::Isolated), Some(at(-60)));
    assert_eq!(since(before(2, None), State::Decided), Some(at(-90_000)));
    assert_eq!(since(None, State::Decided), Some(at(-90_000)));
    assert_eq!(since(before(3, Some(at(-60))), State::Complete), None);
}

#[test]
fn nothing_looked_at_is_not_in_order() {
    let checkup = judge(&settings(), at(0), &[]);
    assert!(named(&checkup, Level::Fails).contains(&"register"));
    assert_eq!(checkup.epoch, None);
    // As JSON and back: that is how it is kept.
    let text = serde_json::to_string(&checkup).unwrap();
    assert_eq!(serde_json::from_str::<Checkup>(&text).unwrap(), checkup);
}

/// A table that was restored from a backup. Seen once it may be a write between two readings.
#[test]
fn a_register_that_has_gone_back_fails_when_it_is_seen_again() {
    let both = [balancer("site-a"), balancer("site-b")];
    let both: Vec<&str> = both.iter().map(String::as_str).collect();
    let noted = |owner: &str| {
        Seen::Endpoints(Reading {
            groups: vec![group(GROUP, &both)],
            mark: Mark::Names(owner.to_owned()),
            reached: Some(Reached {
                epoch: Epoch(5),
                rev: Rev(40),
            }),
        })
    };
    let ours = settings().found.owner;
    let seen = checkup(&[("register-gone-back", Level::Warns)]);
    for (owner, rev, before, level) in [
        (ours.as_str(), 39, None, Some(Level::Warns)),
        (ours.as_str(), 39, Some(seen.clone()), Some(Level::Fails)),
        (ours.as_str(), 40, Some(seen.clone()), None),
        ("another", 39, Some(seen), None),
    ] {
        let record_there = Record {
            epoch: Epoch(5),
            rev: Rev(rev),
            ..Record::empty()
        };
        let checkup = judged(&[
            (Probe::Endpoints, Ok(noted(owner))),
            (Probe::Register, Ok(record(record_there))),
            (Probe::LastCheckup, Ok(Seen::Checkup(before.map(Box::new)))),
        ]);
        let found = checkup
            .checks
            .iter()
            .find(|check| check.name == "register-gone-back");
        assert_eq!(found.map(|check| check.level), level, "{owner} {rev}");
    }
}

/// What the function decides by while the tag cannot be read.
#[test]
fn the_last_reading_of_the_tag_is_kept_while_it_cannot_be_read() {
    let (a, b) = (balancer("site-a"), balancer("site-b"));
    let look = |mark: Mark| (Probe::Endpoints, Ok(marked(&[&a, &b], mark)));
    let names = |owner: &str| Mark::Names(owner.to_owned());
    let seen = |mark: Mark, seconds: i64| {
        let at = at(seconds);
        Some(Marked { mark, at })
    };
    let before = |marked: Option<Marked>| {
        let before = Checkup {
            marked,
            ..checkup(&[])
        };
        (Probe::LastCheckup, Ok(Seen::Checkup(Some(Box::new(before)))))
    };
    let ours = settings().found.owner;
    for (mark, kept, marked, not_ours) in [
        (names(&ours), None, seen(names(&ours), 0), false),
        (names("another"), None, seen(names("another"), 0), true),
        (Mark::Absent, seen(names(&ours), -60), seen(Mark::Absent, 0), true),
        (
            Mark::Unread("silence".to_owned()),
            seen(names("another"), -60),
            seen(names("another"), -60),
            false,
        ),
        (Mark::Unread("silence".to_owned()), None, None, false),
    ] {
        let checkup = judged(&[look(mark.clone()), before(kept)]);
        assert_eq!((checkup.marked, checkup.not_ours), (marked, not_ours), "{mark:?}");
    }
}
