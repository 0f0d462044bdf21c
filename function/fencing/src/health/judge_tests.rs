#![allow(clippy::unwrap_used)]

#[path = "judge_loss_tests.rs"]
mod loss;

use super::*;
use crate::accelerator::{
    Endpoint, EndpointConfig, Group, GroupOutcome, Health, Mark, Marked, Outcome, Reached,
};
use crate::health::samples::{GROUP, at, balancer, checkup, relay, settings, site};
use crate::health::{Ending, Reach, Refusal, probes};
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
fn in_order_nothing_warns_and_everything_is_told() {
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

/// One thing is out of order: what fails, what warns, and part of what is said of it.
#[test]
fn each_part_by_itself() {
    let (a, b) = (balancer("site-a"), balancer("site-b"));
    let complete = || record(decided(State::Complete, at(-9000)));
    let listing = |enabled, groups: Vec<Group>| Seen::Listing(Listing { enabled, groups });
    type Row<'a> = (
        Vec<(Probe, Result<Seen, Fault>)>,
        &'a [&'a str],
        &'a [&'a str],
        &'a str,
    );
    let rows: Vec<Row<'_>> = vec![
        (
            vec![(Probe::WebhookSecret, silence())],
            &["webhook-secret"],
            &[],
            "no answer",
        ),
        (
            vec![(Probe::InfinispanSecret, silence())],
            &["infinispan-secret"],
            &[],
            "developer",
        ),
        (
            vec![(Probe::WebhookSecret, Ok(Seen::EndsALine))],
            &[],
            &["webhook-secret"],
            "ends with the end of a line",
        ),
        (
            vec![(Probe::InfinispanSecret, Ok(Seen::EndsALine))],
            &[],
            &["infinispan-secret"],
            "ends with the end of a line",
        ),
        (
            vec![shows(ending(29, false))],
            &[],
            &["certificate:site-a"],
            "its certificate, infinispan, ends in 29 days",
        ),
        (
            vec![shows(ending(7, true))],
            &[],
            &["certificate:site-a"],
            "add its successor",
        ),
        (
            vec![shows(ending(6, true))],
            &["certificate:site-a"],
            &[],
            "an authority's certificate, infinispan, ends in 6 days",
        ),
        (
            vec![shows(ending(-1, false))],
            &["certificate:site-a"],
            &[],
            "ends in 0 days",
        ),
        (
            vec![(Probe::HealthSecret, Ok(Seen::EndsALine))],
            &[],
            &["health-secret"],
            "ends with the end of a line",
        ),
        (
            vec![(Probe::HealthSecret, silence())],
            &[],
            &["health-secret"],
            "ReadItsSecrets",
        ),
        (
            vec![(
                Probe::Endpoints,
                Ok(marked(&[&a, &b], Mark::Names("another".into()))),
            )],
            &["owner"],
            &[],
            "belongs to `another`",
        ),
        (
            vec![(Probe::Endpoints, Ok(marked(&[&a, &b], Mark::Absent)))],
            &[],
            &["owner"],
            "sitefence:owner",
        ),
        (
            vec![(
                Probe::Endpoints,
                Ok(marked(&[&a, &b], Mark::Unread("AccessDenied".into()))),
            )],
            &[],
            &["owner"],
            "FindListenersAndGroups",
        ),
        (
            vec![(Probe::Accelerator, silence())],
            &["accelerator"],
            &[],
            "FindListenersAndGroups",
        ),
        (
            vec![(
                Probe::Accelerator,
                Ok(listing(false, vec![group(GROUP, &[&a, &b])])),
            )],
            &["accelerator"],
            &[],
            "disabled",
        ),
        (
            vec![(Probe::Accelerator, Ok(listing(true, vec![])))],
            &["endpoint-groups"],
            &[],
            "is gone",
        ),
        (
            vec![(
                Probe::Accelerator,
                Ok(listing(true, vec![group(GROUP, &[]), group("arn:new", &[&b])])),
            )],
            &["endpoint-groups"],
            &[],
            "arn:new holds a site",
        ),
        (
            vec![(Probe::Endpoints, silence())],
            &["endpoints"],
            &[],
            "each endpoint group",
        ),
        (
            vec![(Probe::Endpoints, Ok(endpoints(&[&a, &b, "arn:of:somebody"])))],
            &["endpoints"],
            &[],
            "arn:of:somebody",
        ),
        (
            vec![(Probe::Endpoints, Ok(endpoints(&[])))],
            &["endpoints"],
            &[],
            "no listener holds",
        ),
        (
            vec![(Probe::Endpoints, Ok(endpoints(&[&a])))],
            &["endpoints"],
            &[],
            "site-b is not in the accelerator",
        ),
        (
            vec![(Probe::Endpoints, Ok(endpoints(&[&b])))],
            &["endpoints"],
            &[],
            "site-a is not in the accelerator",
        ),
        // While fenced, they agree with the register.
        (
            vec![
                (Probe::Endpoints, Ok(endpoints(&[&a]))),
                (Probe::Register, Ok(complete())),
            ],
            &[],
            &[],
            "exactly site-a",
        ),
        (
            vec![(Probe::Register, Ok(complete()))],
            &["endpoints"],
            &[],
            "not what epoch 3 decided",
        ),
        (
            vec![(
                Probe::Register,
                Ok(record(Record {
                    recovery_seen_at: Some(at(-5)),
                    ..decided(State::Complete, at(-9000))
                })),
            )],
            &[],
            &["endpoints"],
            "not yet believed",
        ),
        (
            vec![(
                Probe::Register,
                Ok(record(Record {
                    written_at: at(-3600),
                    ..decided(State::Rejoining, at(-9000))
                })),
            )],
            &["endpoints"],
            &[],
            "site-b is in while it is being brought back",
        ),
        (
            vec![
                (Probe::Register, Ok(record(rejoining(RejoinStep::Push, -3600)))),
                (Probe::Endpoints, Ok(endpoints(&[&balancer("site-a")]))),
            ],
            &[],
            &[],
            "epoch 3 is rejoining",
        ),
        (
            vec![
                (Probe::Register, Ok(record(rejoining(RejoinStep::Push, -3601)))),
                (Probe::Endpoints, Ok(endpoints(&[&balancer("site-a")]))),
            ],
            &["decision"],
            &[],
            "nobody has gone on with it for 3601 seconds",
        ),
        // Its last step puts the site in.
        (
            vec![(Probe::Register, Ok(record(rejoining(RejoinStep::Readd, -5))))],
            &[],
            &[],
            "epoch 3 is rejoining",
        ),
        (
            vec![(Probe::Register, Ok(record(decided(State::Decided, at(-5)))))],
            &[],
            &[],
            "epoch 3 is decided for 5 seconds",
        ),
        // A site whose relay node is not met: by chance, or always.
        (
            vec![(
                infinispan("site-a"),
                Ok(tells(&[relay("site-a", "n2", &["site-a"])])),
            )],
            &[],
            &["infinispan:site-a"],
            "for 0 seconds its primary relay node did not",
        ),
        (
            vec![
                (
                    infinispan("site-a"),
                    Ok(tells(&[relay("site-a", "n2", &["site-a"])])),
                ),
                (Probe::LastCheckup, Ok(blind_before("site-a", -300))),
            ],
            &["infinispan:site-a"],
            &[],
            "for 300 seconds its primary relay node did not",
        ),
        (
            vec![
                (
                    infinispan("site-a"),
                    Ok(tells(&[relay("site-a", "n2", &["site-a"])])),
                ),
                (Probe::LastCheckup, Ok(blind_before("site-b", -300))),
            ],
            &[],
            &["infinispan:site-a"],
            "for 0 seconds its primary relay node did not",
        ),
        // Nobody says anything.
        (
            vec![(infinispan("site-a"), Ok(tells(&[])))],
            &[],
            &["infinispan:site-a"],
            "maxRelayNodes",
        ),
        // An address that leads to the other site.
        (
            vec![(
                infinispan("site-a"),
                Ok(tells(&[relay("site-b", "n1", &["site-b"])])),
            )],
            &["infinispan:site-a"],
            &[],
            "leads to the Infinispan of `site-b`",
        ),
        // Relay nodes that disagree: for a moment, or for good.
        (
            vec![(infinispan("site-a"), Ok(divided()))],
            &[],
            &["infinispan:site-a"],
            "disagree for 0 seconds: n2 sees site-b, n1 does not",
        ),
        (
            vec![
                (infinispan("site-a"), Ok(divided())),
                (Probe::LastCheckup, Ok(divided_before(-119))),
            ],
            &[],
            &["infinispan:site-a"],
            "disagree for 119 seconds",
        ),
        (
            vec![
                (infinispan("site-a"), Ok(divided())),
                (Probe::LastCheckup, Ok(divided_before(-120))),
            ],
            &["infinispan:site-a"],
            &[],
            "gossip routers",
        ),
        // One site's Infinispan.
        (
            vec![(infinispan("site-b"), silence())],
            &[],
            &["infinispan:site-b"],
            "what the other one's alert is for",
        ),
        (
            vec![
                (infinispan("site-a"), silence()),
                (infinispan("site-b"), silence()),
            ],
            &["infinispan:site-a", "infinispan:site-b"],
            &[],
            "neither site",
        ),
        (
            vec![(infinispan("site-a"), Ok(refuses(Refusal::Credentials, "401")))],
            &["infinispan:site-a"],
            &[],
            "current password of `developer`",
        ),
        (
            vec![(infinispan("site-a"), Ok(refuses(Refusal::Rights, "403")))],
            &["infinispan:site-a"],
            &[],
            "role `admin`",
        ),
        (
            vec![(infinispan("site-b"), Ok(refuses(Refusal::Certificate, "expired")))],
            &["infinispan:site-b"],
            &[],
            "caBundle",
        ),
        (
            vec![(infinispan("site-b"), Ok(refuses(Refusal::Site, "404")))],
            &["infinispan:site-b"],
            &[],
            "names of sites",
        ),
        (
            vec![(infinispan("site-b"), Ok(refuses(Refusal::Other, "418")))],
            &["infinispan:site-b"],
            &[],
            "418",
        ),
        (
            vec![
                (infinispan("site-a"), silence()),
                (infinispan("site-b"), Ok(refuses(Refusal::Credentials, "401"))),
            ],
            &["infinispan:site-b"],
            &["infinispan:site-a"],
            "401",
        ),
        (
            vec![(infinispan("site-a"), Ok(answers("site-a", Backup::Mixed)))],
            &["infinispan:site-a"],
            &[],
            "is mixed, although no site is fenced",
        ),
        (
            vec![
                (infinispan("site-a"), Ok(answers("site-a", Backup::Offline))),
                (Probe::Register, Ok(complete())),
                (Probe::Endpoints, Ok(endpoints(&[&a]))),
            ],
            &[],
            &[],
            "it sees site-b, and replication to that is offline",
        ),
        // The register.
        (
            vec![(Probe::Register, silence())],
            &["register"],
            &[],
            "KeepTheRegister",
        ),
        (
            vec![(Probe::RegisterWrite, silence())],
            &["register-write"],
            &[],
            "write to the table",
        ),
        (
            vec![
                (Probe::Register, silence()),
                (Probe::Endpoints, Ok(endpoints(&[&a]))),
            ],
            &["register"],
            &[],
            "only the register knows",
        ),
        (
            vec![(Probe::Register, Ok(record(decided(State::Isolated, at(-121)))))],
            &["decision"],
            &[],
            "isolated for 121 seconds",
        ),
        (
            vec![(Probe::Register, Ok(record(decided(State::Isolated, at(-120)))))],
            &[],
            &[],
            "for 120 seconds",
        ),
        // Operators.
        (
            vec![(Probe::Register, Ok(record(held(-3600, None))))],
            &[],
            &[],
            "held by ana",
        ),
        (
            vec![(Probe::Register, Ok(record(held(-3601, None))))],
            &[],
            &["hold"],
            "1 seconds longer than wished",
        ),
        (
            vec![(Probe::Register, Ok(record(held(-90_000, Some(60)))))],
            &[],
            &[],
            "held by ana",
        ),
        (
            vec![(Probe::Register, Ok(record(held(-90, Some(-60)))))],
            &[],
            &["hold"],
            "60 seconds longer",
        ),
        // Whether anybody would be heard, and told.
        (
            vec![(watchdog("site-a"), Ok(Seen::Watchdog(None)))],
            &[],
            &["watchdog:site-a"],
            "ever come",
        ),
        (
            vec![(watchdog("site-a"), Ok(Seen::Watchdog(Some(at(-180)))))],
            &[],
            &[],
            "180 seconds ago",
        ),
        (
            vec![(watchdog("site-a"), Ok(Seen::Watchdog(Some(at(-181)))))],
            &[],
            &["watchdog:site-a"],
            "181 seconds ago",
        ),
        (
            vec![(watchdog("site-b"), silence())],
            &[],
            &["watchdog:site-b"],
            "not known whether",
        ),
        (
            vec![(
                Probe::Subscriptions,
                Ok(Seen::Subscriptions {
                    confirmed: 1,
                    pending: 1,
                }),
            )],
            &[],
            &["notifications"],
            "1 of 2 subscriptions wait",
        ),
        (
            vec![(
                Probe::Subscriptions,
                Ok(Seen::Subscriptions {
                    confirmed: 0,
                    pending: 0,
                }),
            )],
            &[],
            &["notifications"],
            "nobody has subscribed",
        ),
        (
            vec![(Probe::Subscriptions, silence())],
            &[],
            &["notifications"],
            "publish",
        ),
    ];
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

/// It would not win, and whoever relies on it has to know.
#[test]
fn a_drained_site_is_told_by_weight_and_by_dial() {
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
