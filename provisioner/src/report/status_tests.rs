//! The sentence at each point of the story, and the screen around it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use fencing::accelerator::Outcome;
use fencing::health::Checkup;
use fencing::register::{Decision, Hold, Rejoin, RejoinStep};
use fencing::words::{Epoch, Fenced, Rev, Survivor};

use super::*;
use crate::observed::status::{AcceleratorState, FunctionState, KeycloakState};

fn site(name: &str) -> SiteName {
    SiteName::new(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    format!("2026-11-21T{text}Z").parse().unwrap()
}

fn endpoint(name: &str) -> EndpointState {
    EndpointState {
        id: format!("arn:balancer/{name}"),
        health: "HEALTHY".to_owned(),
        weight: Some(128),
        dial: Some(100.0),
        site: Some(site(name)),
    }
}

/// All is as it should be.
fn healthy() -> StatusReading {
    let now = at("20:10:00");
    let check = |site: &str, other: &str| Check {
        name: format!("infinispan:{site}"),
        level: Level::Fine,
        took_ms: 12,
        found: format!("answers, with ADMIN rights; replication to {other} is online"),
        hint: None,
    };
    let checkup = Checkup {
        at: at("20:09:30"),
        epoch: None,
        state: None,
        unreachable: Vec::new(),
        blind_since: BTreeMap::new(),
        unfinished_since: None,
        held_seconds: None,
        hold_overdue_seconds: None,
        checks: vec![check("site-a", "site-b"), check("site-b", "site-a")],
    };
    let sites = [site("site-a"), site("site-b")];
    let of_each = |site: &SiteName| (site.clone(), at("20:09:55"));
    let keycloak = KeycloakState {
        wanted: Some(2),
        pods: 2,
        ready: 2,
    };
    StatusReading {
        topology: "prod".to_owned(),
        file: "topology.yaml".to_owned(),
        mode: Mode::Act,
        at: now,
        register: Ok(RegisterItems {
            record: Record::empty(),
            watchdogs: sites.iter().map(of_each).collect(),
            checkups: [("eu-west-1".to_owned(), checkup)].into(),
        }),
        accelerator: Ok(AcceleratorState {
            enabled: true,
            deployed: true,
            endpoints: vec![endpoint("site-a"), endpoint("site-b")],
        }),
        functions: [(
            "eu-west-1".to_owned(),
            Ok(Some(FunctionState {
                state: "Active".to_owned(),
                update: "Successful".to_owned(),
                code: "c2hhMjU2".to_owned(),
                settings: Ok(fencing::settings::sample::settings()),
            })),
        )]
        .into(),
        keycloaks: sites
            .iter()
            .map(|site| (site.clone(), Ok(keycloak.clone())))
            .collect(),
        sites,
    }
}

fn items(seen: &mut StatusReading) -> &mut RegisterItems {
    seen.register.as_mut().unwrap()
}

fn decided(state: State) -> Record {
    Record {
        epoch: Epoch(3),
        rev: Rev(17),
        state,
        decision: Some(Decision {
            survivor: Survivor(site("site-a")),
            fenced: Fenced(site("site-b")),
            outcome: Outcome::default(),
            by: "site-a's alert".to_owned(),
            evidence: "site-a does not see site-b".to_owned(),
            decided_at: at("20:00:00"),
        }),
        rejoin: (state == State::Rejoining).then(|| Rejoin {
            session: "ana's laptop".to_owned(),
            step: RejoinStep::Push,
        }),
        by: "request r1".to_owned(),
        written_at: at("20:01:00"),
        ..Record::empty()
    }
}

/// One site is out.
fn fenced(state: State) -> StatusReading {
    let mut seen = healthy();
    items(&mut seen).record = decided(state);
    if let Ok(accelerator) = &mut seen.accelerator {
        accelerator.endpoints.pop();
    }
    seen
}

#[test]
fn each_point_of_the_story_has_its_sentence_and_the_command_that_comes_next() {
    let held = {
        let mut seen = healthy();
        items(&mut seen).record.hold = Some(Hold {
            by: "ana".to_owned(),
            reason: "router work".to_owned(),
            since: at("19:00:00"),
            until: None,
        });
        seen
    };
    let promoting = {
        let mut seen = fenced(State::Decided);
        items(&mut seen).record.waiting = true;
        seen
    };
    let quiet = {
        let mut seen = healthy();
        let record = &mut items(&mut seen).record;
        record.cooldown_until = Some(at("20:12:00"));
        record.epoch = Epoch(3);
        record.written_at = at("20:05:00");
        seen
    };
    for (seen, condition, line) in [
        (
            healthy(),
            Condition::Healthy,
            "prod: both sites belong to it, nothing was ever decided",
        ),
        (
            quiet,
            Condition::Healthy,
            "prod: both sites belong to it, epoch 3 is over since 2026-11-21T20:05:00Z; quiet time until \
             2026-11-21T20:12:00Z: no new decision before",
        ),
        (
            held,
            Condition::Degraded,
            "no site is fenced, and none will be: ana holds since 2026-11-21T19:00:00Z: router work\n\
             next: provision release topology.yaml",
        ),
        (
            fenced(State::Decided),
            Condition::Fenced,
            "site-b is being fenced since 2026-11-21T20:00:00Z, epoch 3: it is not out of the accelerator yet\n\
             next: provision status topology.yaml",
        ),
        (
            fenced(State::Unbalanced),
            Condition::Fenced,
            "site-b is being fenced since 2026-11-21T20:00:00Z, epoch 3: it is out, and site-a still replicates to it\n\
             next: provision status topology.yaml",
        ),
        (
            fenced(State::Complete),
            Condition::Fenced,
            "site-b is fenced since 2026-11-21T20:00:00Z, epoch 3: site-a serves alone\n\
             next: provision rejoin site-b topology.yaml --when-healed",
        ),
        (
            fenced(State::Rejoining),
            Condition::Fenced,
            "site-b is being brought back since 2026-11-21T20:01:00Z, epoch 3\n\
             next: provision rejoin site-b topology.yaml",
        ),
        (
            promoting,
            Condition::Fenced,
            "site-a is to survive from epoch 3 on, and the promotion is not finished\n\
             next: provision promote site-a topology.yaml",
        ),
    ] {
        let verdict = verdict(&seen);
        assert_eq!((verdict.condition, verdict.line().as_str()), (condition, line));
    }
}

#[test]
fn what_keeps_a_site_from_being_fenced_is_told() {
    type Break = fn(&mut StatusReading);
    let breaks: [(Break, &str); 8] = [
        (
            |seen| {
                seen.functions
                    .values_mut()
                    .for_each(|function| *function = Ok(None))
            },
            "the function of eu-west-1 is not deployed",
        ),
        (
            |seen| items(seen).checkups.clear(),
            "the function of eu-west-1 has made no deep check yet",
        ),
        (
            |seen| {
                items(seen)
                    .checkups
                    .values_mut()
                    .for_each(|checkup| checkup.at = at("20:00:00"))
            },
            "the last deep check of eu-west-1 is 10 min old",
        ),
        (
            |seen| {
                let check = &mut items(seen).checkups.get_mut("eu-west-1").unwrap().checks[0];
                (check.level, check.found) = (Level::Fails, "wrong password".to_owned());
            },
            "infinispan:site-a (eu-west-1): wrong password",
        ),
        (
            |seen| seen.accelerator = Err("no answer within 2000 ms".to_owned()),
            "the accelerator cannot be looked at: no answer within 2000 ms",
        ),
        (
            |seen| seen.accelerator.as_mut().unwrap().endpoints.truncate(1),
            "site-b is not in the accelerator",
        ),
        (
            |seen| seen.accelerator.as_mut().unwrap().endpoints[0].health = "UNHEALTHY".to_owned(),
            "the accelerator calls site-a unhealthy",
        ),
        (
            |seen| items(seen).watchdogs.retain(|name, _| name.as_str() != "site-b"),
            "site-b's watchdog never came through",
        ),
    ];
    for (spoil, complaint) in breaks {
        let mut seen = healthy();
        spoil(&mut seen);
        let verdict = verdict(&seen);
        assert_eq!(verdict.condition, Condition::Degraded, "{complaint}");
        assert_eq!(verdict.complaints, [complaint]);
        assert_eq!(
            verdict.sentence,
            format!("prod: no site is fenced, but {complaint}")
        );
    }
}

#[test]
fn a_fenced_site_that_somebody_put_back_is_told_beside_the_fence() {
    let mut seen = fenced(State::Complete);
    seen.accelerator
        .as_mut()
        .unwrap()
        .endpoints
        .push(endpoint("site-b"));
    let told = verdict(&seen);
    assert_eq!(told.condition, Condition::Fenced);
    assert_eq!(told.complaints, ["site-b is fenced and yet in the accelerator"]);
    // A rejoin's last step puts it there itself.
    items(&mut seen).record = decided(State::Rejoining);
    assert_eq!(verdict(&seen).complaints, Vec::<String>::new());
}

#[test]
fn without_the_register_nobody_can_tell_and_the_rest_is_shown() {
    let mut seen = healthy();
    seen.register = Err("access denied".to_owned());
    assert_eq!(verdict(&seen).condition, Condition::Unknown);
    insta::assert_snapshot!(status_text(&seen));
}

#[test]
fn a_site_out_of_reach_is_unknown_and_why() {
    let mut seen = fenced(State::Complete);
    seen.keycloaks
        .insert(site("site-b"), Err("connection refused".to_owned()));
    insta::assert_snapshot!(status_text(&seen));
}

#[test]
fn other_verbs_begin_with_the_sentence_where_not_all_is_as_usual() {
    let herald = |record: &Record, mode| herald(record, mode, "t.yaml");
    assert_eq!(herald(&Record::empty(), Mode::Act), None);
    assert!(
        herald(&Record::empty(), Mode::Observe)
            .unwrap()
            .contains("only observes")
    );
    assert!(
        herald(&decided(State::Complete), Mode::Act)
            .unwrap()
            .starts_with("site-b is fenced")
    );
}

#[test]
fn programs_find_what_is_unknown_in_its_place() {
    let mut seen = healthy();
    seen.accelerator = Err("timed out".to_owned());
    let json = status_json(&seen);
    assert_eq!(json["accelerator"], json!({"unknown": "timed out"}));
    assert_eq!(json["sites"][0]["endpoints"], json!({"unknown": "timed out"}));
    assert_eq!(json["condition"], "degraded");
    assert_eq!(json["register"]["state"], "open");
}
