//! Old and new on one register: while a new version is deployed, rolled back, or runs in one Region and not yet in
//! the other, both read what the other wrote, also in the middle of a decision.
//!
//! `released/` holds items as the first version stored them, and `Then` below is how it read them. Neither is ever
//! changed; a later release adds its own beside them. What fails here would leave a survivor alone with a decision
//! that the function beside it calls unreadable.

#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

use std::collections::BTreeSet;

use fencing::accelerator::{EndpointConfig, GroupOutcome, Outcome, Place};
use fencing::register::{Claim, Decision, Episode, Hold, Record, Rejoin, RejoinStep, SCHEMA, State};
use fencing::settings::sample::site;
use fencing::timed_call::{CallsBefore, TimedCall};
use fencing::words::{Epoch, Fenced, Rev, Survivor, Token};
use jiff::Timestamp;
use serde_json::{Value, json};

const RELEASED: [(&str, &str); 5] = [
    ("open", include_str!("released/open.json")),
    ("decided", include_str!("released/decided.json")),
    ("unbalanced", include_str!("released/unbalanced.json")),
    ("complete", include_str!("released/complete.json")),
    ("rejoining", include_str!("released/rejoining.json")),
];

/// The record as the first version read it, its types spelt out.
mod then {
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub(crate) enum State {
        Open,
        Decided,
        Unbalanced,
        Complete,
        Rejoining,
    }

    #[derive(Debug, Deserialize)]
    pub(crate) struct Config {
        pub(crate) id: String,
        pub(crate) weight: Option<i32>,
        pub(crate) client_ip_preservation: Option<bool>,
    }

    #[derive(Debug, Deserialize)]
    pub(crate) struct Group {
        pub(crate) arn: String,
        pub(crate) endpoints: Vec<Config>,
        pub(crate) remove: Vec<String>,
    }

    #[derive(Debug, Deserialize)]
    pub(crate) struct Decision {
        pub(crate) survivor: String,
        pub(crate) fenced: String,
        pub(crate) outcome: Vec<Group>,
        pub(crate) by: String,
        pub(crate) evidence: String,
        pub(crate) decided_at: jiff::Timestamp,
    }

    #[derive(Debug, Deserialize)]
    pub(crate) struct Claim {
        pub(crate) owner: String,
        pub(crate) until: jiff::Timestamp,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case", tag = "at", content = "left")]
    pub(crate) enum Step {
        CutStale,
        Clear(Vec<String>),
        RestoreStale,
        Push,
        AwaitPush,
        Readd,
    }

    #[derive(Debug, Deserialize)]
    pub(crate) struct Rejoin {
        pub(crate) session: String,
        pub(crate) step: Step,
    }

    #[derive(Debug, Deserialize)]
    pub(crate) struct Hold {
        pub(crate) by: String,
        pub(crate) reason: String,
        pub(crate) since: jiff::Timestamp,
        pub(crate) until: Option<jiff::Timestamp>,
    }

    #[derive(Debug, Deserialize)]
    pub(crate) struct Place {
        pub(crate) site: String,
        pub(crate) group_arn: String,
        pub(crate) config: Config,
    }

    #[derive(Debug, Deserialize)]
    pub(crate) struct Record {
        pub(crate) schema: u32,
        pub(crate) epoch: u64,
        pub(crate) rev: u64,
        pub(crate) state: State,
        pub(crate) decision: Option<Decision>,
        pub(crate) claim: Option<Claim>,
        #[serde(default)]
        pub(crate) waiting: bool,
        #[serde(default)]
        pub(crate) unsettled: bool,
        pub(crate) rejoin: Option<Rejoin>,
        pub(crate) hold: Option<Hold>,
        pub(crate) cooldown_until: Option<jiff::Timestamp>,
        pub(crate) recovery_seen_at: Option<jiff::Timestamp>,
        #[serde(default)]
        pub(crate) places: Vec<Place>,
        pub(crate) by: String,
        pub(crate) written_at: jiff::Timestamp,
    }
}

/// What the first version would have read, or why it would have left the register alone.
fn read_then(item: &Value) -> Result<then::Record, String> {
    if item["schema"].as_u64().is_some_and(|schema| schema > 1) {
        return Err("a newer form".to_owned());
    }
    serde_json::from_value(item.clone()).map_err(|error| error.to_string())
}

#[test]
fn what_was_released_is_read_and_no_field_of_it_is_lost() {
    let mut states = BTreeSet::new();
    for (name, text) in RELEASED {
        let item: Value = serde_json::from_str(text).unwrap();
        read_then(&item).unwrap();
        let record = Record::read(item.clone()).unwrap();
        // What people read may change; what is stored keeps its spelling.
        assert_eq!(serde_json::to_value(record.state).unwrap(), name);
        states.insert(record.state);
        let again = serde_json::to_value(&record).unwrap();
        for (field, value) in item
            .as_object()
            .unwrap()
            .iter()
            .filter(|(field, _)| *field != "pk")
        {
            assert_eq!(&again[field], value, "{name}: {field}");
        }
    }
    assert_eq!(states.len(), State::ALL.len());
}

/// Everything that can be set, in each state and at each step of a rejoin.
fn records() -> Vec<Record> {
    let now: Timestamp = "2026-11-21T10:00:00.123456789Z".parse().unwrap();
    let config = EndpointConfig {
        id: "arn:a".to_owned(),
        weight: Some(128),
        client_ip_preservation: None,
    };
    let steps = [
        RejoinStep::CutStale,
        RejoinStep::Clear(vec!["work".to_owned()]),
        RejoinStep::RestoreStale,
        RejoinStep::Push,
        RejoinStep::AwaitPush,
        RejoinStep::Readd,
    ];
    let full = |state: State, step: RejoinStep| Record {
        epoch: Epoch(4),
        rev: Rev(9),
        state,
        decision: Some(Decision {
            survivor: Survivor(site("site-a")),
            fenced: Fenced(site("site-b")),
            outcome: Outcome {
                groups: vec![GroupOutcome {
                    arn: "arn:g".to_owned(),
                    endpoints: vec![config.clone()],
                    remove: vec!["arn:b".to_owned()],
                    reweighs: true,
                    opens: true,
                }],
            },
            by: "site-a".to_owned(),
            evidence: "…".to_owned(),
            decided_at: now,
            alerted_at: Some(now),
        }),
        claim: Some(Claim {
            owner: "request".to_owned(),
            until: now,
        }),
        waiting: true,
        unsettled: true,
        rejoin: Some(Rejoin {
            session: "s".to_owned(),
            step,
            restarts: 2,
        }),
        hold: Some(Hold {
            by: "ana".to_owned(),
            reason: "maintenance".to_owned(),
            since: now,
            until: Some(now),
        }),
        cooldown_until: Some(now),
        recovery_seen_at: Some(now),
        places: vec![Place {
            site: site("site-a"),
            group_arn: "arn:g".to_owned(),
            config: config.clone(),
        }],
        by: "request".to_owned(),
        written_at: now,
        schema: SCHEMA,
        token: Some(Token::of(Rev(9), "request")),
        pushes_cleared: Some(Epoch(4)),
        divided_since: [(site("site-a"), now)].into(),
        refilled_at: Some(now),
        completed: true,
        episodes: [(
            "put-back".to_owned(),
            Episode {
                times: 2,
                since: now,
                last: now,
            },
        )]
        .into(),
        noted_in: None,
        restores: None,
        calls_before: CallsBefore::of(Rev(9), &[TimedCall::new("read the register", 7, None)]),
    };
    let mut records = vec![Record::empty()];
    let full = |state, step| full(state, step).sealed();
    records.extend(State::ALL.map(|state| full(state, RejoinStep::Push)));
    records.extend(steps.map(|step| full(State::Rejoining, step)));
    records
}

#[test]
fn what_is_written_now_the_first_version_reads() {
    for record in records() {
        let mut item = serde_json::to_value(&record).unwrap();
        item["pk"] = json!("keycloak-prod");
        let told = read_then(&item);
        let read = told.unwrap_or_else(|why| panic!("{record:?}: {why}"));
        let decision = read.decision.map(|decision| (decision.survivor, decision.fenced));
        let ours = record.decision.as_ref();
        let ours = ours.map(|decision| (decision.survivor.to_string(), decision.fenced.to_string()));
        assert_eq!(
            (read.epoch, read.rev, decision),
            (record.epoch.0, record.rev.0, ours)
        );
    }
}

/// A field that this version does not know, of whatever shape, is passed over; a newer form is left alone.
#[test]
fn what_a_later_version_adds_does_not_stop_this_one() {
    let mut item: Value = serde_json::from_str(RELEASED[1].1).unwrap();
    let before = Record::read(item.clone()).unwrap();
    item["mood"] = json!({"is": ["fine"]});
    item["decision"]["mood"] = json!(7);
    assert_eq!(Record::read(item.clone()), Ok(before));
    item["schema"] = json!(SCHEMA + 1);
    assert!(Record::read(item).is_err());
}

/// The fields that the first version wrote, and those of them that it took away where there was nothing to say. What
/// else is in the item it left as it was.
const WRITTEN_THEN: [&str; 15] = [
    "schema",
    "epoch",
    "rev",
    "state",
    "decision",
    "claim",
    "waiting",
    "unsettled",
    "rejoin",
    "hold",
    "cooldown_until",
    "recovery_seen_at",
    "places",
    "by",
    "written_at",
];

/// The fields of a decision's group as the first version wrote them.
const GROUP_THEN: [&str; 3] = ["arn", "endpoints", "remove"];

/// The item after the first version has written it anew, changed by `change`.
fn written_then(item: &Value, change: impl Fn(&mut Value)) -> Value {
    let mut known = json!({});
    for field in WRITTEN_THEN {
        if let Some(value) = item.get(field) {
            known[field] = value.clone();
        }
    }
    // Whoever reads a decision into types and writes it again writes what the types hold.
    if let Some(groups) = known["decision"]["outcome"].as_array_mut() {
        for group in groups {
            group
                .as_object_mut()
                .unwrap()
                .retain(|name, _| GROUP_THEN.contains(&name.as_str()));
        }
    }
    if let Some(rejoin) = known["rejoin"].as_object_mut() {
        rejoin.remove("restarts");
    }
    known["rev"] = json!(item["rev"].as_u64().unwrap() + 1);
    change(&mut known);
    let mut after = item.clone();
    let fields = after.as_object_mut().unwrap();
    for field in WRITTEN_THEN {
        match known.get(field) {
            Some(value) if !value.is_null() => fields.insert(field.to_owned(), value.clone()),
            _ => fields.remove(field),
        };
    }
    after
}

/// A function of the first version goes on with what this one decided: claims it, say. Nothing of the decision is lost,
/// nor what this one has noted of it.
#[test]
fn what_the_first_version_writes_in_between_loses_nothing_of_a_decision() {
    for record in records().into_iter().skip(1) {
        let item = serde_json::to_value(&record).unwrap();
        let after = written_then(&item, |_| {});
        read_then(&after).unwrap();
        let read = Record::read(after).unwrap();
        let expected = Record {
            rev: record.rev.next(),
            // It knew none, and the one that is there names the revision before.
            token: None,
            calls_before: None,
            rejoin: record.rejoin.clone().map(|rejoin| Rejoin {
                restarts: 0,
                ..rejoin
            }),
            ..record
        };
        assert_eq!(read, expected);
    }
}

/// It ends the epoch, or takes the next decision, and leaves what it does not know as it was: that is believed of no
/// other epoch than its own.
#[test]
fn what_the_first_version_leaves_behind_is_not_believed_of_the_next_epoch() {
    for record in records().into_iter().skip(1) {
        let item = serde_json::to_value(&record).unwrap();
        let after = written_then(&item, |known| {
            known["epoch"] = json!(5);
            known["state"] = json!("decided");
            for field in ["claim", "waiting", "unsettled", "rejoin", "recovery_seen_at"] {
                known[field] = Value::Null;
            }
        });
        for left in [
            "token",
            "pushes_cleared",
            "divided_since",
            "refilled_at",
            "completed",
            "episodes",
            "restores",
            "calls_before",
        ] {
            assert!(after.get(left).is_some(), "{left}");
        }
        let read = Record::read(after).unwrap();
        assert!(!read.pushes_are_cleared());
        let outcome = &read.decision.as_ref().unwrap().outcome;
        assert!(!outcome.restores(), "{outcome:?}");
        let bare = Record {
            pushes_cleared: read.pushes_cleared,
            decision: read.decision.clone(),
            ..Record::read(
                serde_json::to_value(Record {
                    epoch: Epoch(5),
                    rev: record.rev.next(),
                    state: State::Decided,
                    hold: record.hold.clone(),
                    cooldown_until: record.cooldown_until,
                    places: record.places.clone(),
                    by: record.by.clone(),
                    written_at: record.written_at,
                    ..Record::empty()
                })
                .unwrap(),
            )
            .unwrap()
        };
        assert_eq!(read, bare);
    }
}
