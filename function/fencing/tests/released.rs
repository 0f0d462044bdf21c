//! Old and new on one register: while a new version is deployed, rolled back, or runs in one Region and not yet in
//! the other, both read what the other wrote, also in the middle of a decision.
//!
//! `released/` holds items as the first version stored them, and `Then` below is how it read them. Neither is ever
//! changed; a later release adds its own beside them. What fails here would leave a survivor alone with a decision
//! that the function beside it calls unreadable.

#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

use std::collections::BTreeSet;

use fencing::accelerator::{EndpointConfig, GroupOutcome, Outcome, Place};
use fencing::register::{Claim, Decision, Hold, Record, Rejoin, RejoinStep, SCHEMA, State};
use fencing::settings::sample::site;
use fencing::words::{Epoch, Fenced, Rev, Survivor};
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
        rev: Rev(u64::MAX),
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
        ..Record::empty()
    };
    let mut records = vec![Record::empty()];
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
