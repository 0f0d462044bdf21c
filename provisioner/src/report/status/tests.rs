//! The sentence at each point of the story, and the screen around it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use fencing::accelerator::Outcome;
use fencing::health::Checkup;
use fencing::register::{Decision, Hold, Rejoin};
use fencing::replication::Sight;
use fencing::words::{Epoch, Fenced, Rev, Survivor};
use serde_json::json;

use super::*;
use crate::observed::status::{FunctionState, KeycloakState};

fn site(name: &str) -> SiteName {
    SiteName::new(name).unwrap()
}

fn time(text: &str) -> Timestamp {
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
    let check = |site: &str, other: &str| Check {
        name: format!("infinispan:{site}"),
        level: Level::Fine,
        took_ms: 12,
        found: format!("answers, with ADMIN rights; it sees {other}, and replication to it is online"),
        hint: None,
    };
    let sites = [site("site-a"), site("site-b")];
    let checkup = Checkup {
        at: time("20:09:30"),
        epoch: None,
        state: None,
        unreachable: Vec::new(),
        sights: sites.iter().map(|site| (site.clone(), Sight::Sees)).collect(),
        witnesses: BTreeMap::new(),
        blind_since: BTreeMap::new(),
        divided_since: BTreeMap::new(),
        unfenced: None,
        unfinished_since: None,
        held_seconds: None,
        hold_overdue_seconds: None,
        undrilled_since: None,
        marked: Default::default(),
        not_ours: Default::default(),
        version: Some("0.1.0".to_owned()),
        last_failure: None,
        checks: vec![check("site-a", "site-b"), check("site-b", "site-a")],
    };
    let of_each = |site: &SiteName| (site.clone(), time("20:09:55"));
    let keycloak = KeycloakState {
        wanted: Some(2),
        pods: 2,
        ready: 2,
    };
    StatusReading {
        topology: "prod".to_owned(),
        file: "topology.yaml".to_owned(),
        mode: Mode::Act,
        remind_after_seconds: 30 * 86_400,
        at: time("20:10:00"),
        register: Ok(RegisterItems {
            record: Record::empty(),
            watchdogs: sites.iter().map(of_each).collect(),
            checkups: [("eu-west-1".into(), checkup)].into(),
            drill: None,
        }),
        accelerator: Ok(AcceleratorState {
            enabled: true,
            deployed: true,
            endpoints: vec![endpoint("site-a"), endpoint("site-b")],
        }),
        functions: [(
            "eu-west-1".into(),
            Ok(Some(FunctionState {
                state: "Active".to_owned(),
                update: "Successful".to_owned(),
                reason: None,
                code: "c2hhMjU2".to_owned(),
                settings: Ok(fencing::settings::sample::settings()),
                forced: None,
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

fn checkup(seen: &mut StatusReading) -> &mut Checkup {
    items(seen).checkups.get_mut("eu-west-1").unwrap()
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
            evidence: "site-a reports it offline and does not see it".to_owned(),
            decided_at: time("20:00:00"),
            alerted_at: None,
        }),
        rejoin: (state == State::Rejoining).then(|| Rejoin {
            session: "ana's laptop".to_owned(),
            step: RejoinStep::Push,
            restarts: 0,
        }),
        by: "request r1".to_owned(),
        written_at: time("20:01:00"),
        ..Record::empty()
    }
}

fn fenced(state: State) -> StatusReading {
    let mut seen = healthy();
    items(&mut seen).record = decided(state);
    if let Ok(accelerator) = &mut seen.accelerator {
        accelerator.endpoints.pop();
    }
    checkup(&mut seen).sights.insert(site("site-a"), Sight::Misses);
    seen
}

fn held() -> StatusReading {
    let mut seen = healthy();
    items(&mut seen).record.hold = Some(Hold {
        by: "ana".to_owned(),
        reason: "router work".to_owned(),
        since: time("19:00:00"),
        until: Some(time("21:00:00")),
    });
    seen
}

#[test]
fn each_point_of_the_story_has_its_sentence_and_the_command_that_comes_next() {
    let promoting = {
        let mut seen = fenced(State::Decided);
        items(&mut seen).record.waiting = true;
        seen
    };
    let quiet = {
        let mut seen = healthy();
        let record = &mut items(&mut seen).record;
        record.cooldown_until = Some(time("20:12:00"));
        record.epoch = Epoch(3);
        seen
    };
    for (seen, condition, line) in [
        (
            healthy(),
            Condition::Healthy,
            "prod: both sites serve, and a lost one would be fenced; nothing was ever decided",
        ),
        (
            quiet,
            Condition::Healthy,
            "prod: both sites serve, and a lost one would be fenced; epoch 3 is over; quiet time: no new decision before \
             2026-11-21T20:12:00Z",
        ),
        (
            held(),
            Condition::Degraded,
            "prod: no site is fenced, and none will be: ana has had a hold on since 2026-11-21T19:00:00Z, meant to \
             end at 2026-11-21T21:00:00Z: router work\nnext: provision release topology.yaml",
        ),
        (
            fenced(State::Decided),
            Condition::Fenced,
            "prod: site-b is being fenced, begun 2026-11-21T20:00:00Z, epoch 3: it is not out of the accelerator yet\n\
             next: provision status topology.yaml",
        ),
        (
            fenced(State::Isolated),
            Condition::Fenced,
            "prod: site-b is being fenced, begun 2026-11-21T20:00:00Z, epoch 3: it is out of the accelerator, and site-a \
             may still wait for it\n\
             next: provision status topology.yaml",
        ),
        (
            fenced(State::Complete),
            Condition::Fenced,
            "prod: site-b has been fenced since 2026-11-21T20:00:00Z, epoch 3: site-a serves alone\n\
             next: provision rejoin site-b topology.yaml --when-healed",
        ),
        (
            fenced(State::Rejoining),
            Condition::Fenced,
            "prod: site-b is being brought back, epoch 3: site-a serves alone until that is done; last step \
             2026-11-21T20:01:00Z\n\
             next: provision rejoin site-b topology.yaml",
        ),
        (
            promoting,
            Condition::Fenced,
            "prod: site-a will serve alone from epoch 3 on, but its promotion is not finished\nnext: provision \
             promote site-a topology.yaml",
        ),
    ] {
        let verdict = verdict(&seen);
        assert_eq!((verdict.condition, verdict.line().as_str()), (condition, line));
    }
}

#[test]
fn what_keeps_a_site_from_being_fenced_is_listed() {
    type Break = fn(&mut StatusReading);
    let breaks: [(Break, &str); 9] = [
        (
            |seen| {
                seen.functions
                    .values_mut()
                    .for_each(|function| *function = Ok(None));
            },
            "the function in eu-west-1 is not deployed",
        ),
        (
            |seen| items(seen).checkups.clear(),
            "the function in eu-west-1 has made no deep check yet",
        ),
        (
            |seen| checkup(seen).at = time("20:00:00"),
            "the last deep check in eu-west-1 is 10 min old",
        ),
        (
            |seen| {
                let check = &mut checkup(seen).checks[0];
                (check.level, check.found) = (Level::Fails, "wrong password".to_owned());
            },
            "infinispan:site-a (eu-west-1): wrong password",
        ),
        (
            |seen| seen.accelerator = Err("no answer within 2000 ms".to_owned()),
            "the accelerator cannot be read: no answer within 2000 ms",
        ),
        (
            |seen| seen.accelerator.as_mut().unwrap().enabled = false,
            "the accelerator is switched off",
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
            "site-b's watchdog has never arrived",
        ),
    ];
    for (spoil, what) in breaks {
        let mut seen = healthy();
        spoil(&mut seen);
        let verdict = verdict(&seen);
        assert_eq!(verdict.condition, Condition::Degraded, "{what}");
        let complaints: Vec<&str> = verdict.complaints.iter().map(|it| it.what.as_str()).collect();
        assert_eq!(complaints, [what]);
        assert_eq!(verdict.sentence, format!("prod: no site is fenced, but {what}"));
    }
}

/// The stamps are read now, the check is a minute old: a silent watchdog is known from the stamps alone.
#[test]
fn a_silent_watchdog_is_listed_once() {
    let mut seen = healthy();
    items(&mut seen)
        .watchdogs
        .insert(site("site-b"), time("20:00:00"));
    checkup(&mut seen).checks.push(Check {
        name: "watchdog:site-b".to_owned(),
        level: Level::Warns,
        took_ms: 0,
        found: "it came last nine minutes ago".to_owned(),
        hint: None,
    });
    let complaints = verdict(&seen).complaints;
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert_eq!(complaints[0].what, "site-b's watchdog last arrived 10 min ago");
}

#[test]
fn a_fenced_site_that_somebody_put_back_is_listed_beside_the_fence() {
    let mut seen = fenced(State::Complete);
    let told = |seen: &StatusReading| -> Vec<String> {
        verdict(seen).complaints.into_iter().map(|it| it.what).collect()
    };
    assert_eq!(told(&seen), Vec::<String>::new());
    seen.accelerator
        .as_mut()
        .unwrap()
        .endpoints
        .push(endpoint("site-b"));
    assert_eq!(verdict(&seen).condition, Condition::Fenced);
    assert_eq!(told(&seen), ["site-b is fenced, but still in the accelerator"]);
    // A rejoin's last step puts it there itself.
    items(&mut seen).record = decided(State::Rejoining);
    assert_eq!(told(&seen), Vec::<String>::new());
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
    let check = &mut checkup(&mut seen).checks[1];
    check.level = Level::Warns;
    check.found = "site-b's Infinispan: no answer within 4000 ms".to_owned();
    check.hint = Some("if the site is lost, the other one's alert deals with that".to_owned());
    insta::assert_snapshot!(status_text(&seen));
}

/// Everything that is shown only at times, at once.
#[test]
fn a_rejoin_under_a_hold_shows_both() {
    let mut seen = fenced(State::Rejoining);
    let hold = items(&mut held()).record.hold.clone();
    items(&mut seen).record.hold = hold;
    let accelerator = seen.accelerator.as_mut().unwrap();
    accelerator.deployed = false;
    accelerator.endpoints[0].weight = Some(64);
    insta::assert_snapshot!(status_text(&seen));
}

#[test]
fn other_verbs_begin_with_the_sentence_where_not_all_is_as_usual() {
    let herald = |record: &Record, mode| herald("prod", record, mode, "t.yaml");
    assert_eq!(herald(&Record::empty(), Mode::Act), None);
    assert!(
        herald(&Record::empty(), Mode::Observe)
            .unwrap()
            .contains("only observes")
    );
    assert!(
        herald(&decided(State::Complete), Mode::Act)
            .unwrap()
            .starts_with("prod: site-b has been fenced")
    );
}

#[test]
fn programs_find_what_is_unknown_in_its_place() {
    let mut seen = healthy();
    seen.accelerator = Err("timed out".to_owned());
    let json = status_json(&seen);
    assert_eq!(json["accelerator"], json!({"unknown": "timed out"}));
    assert_eq!(json["sites"][0]["endpoints"], json!({"unknown": "timed out"}));
    assert_eq!(json["sites"][0]["sees"], "sees");
    assert_eq!(json["condition"], "degraded");
    assert_eq!(
        json["complaints"][0]["what"],
        "the accelerator cannot be read: timed out"
    );
    assert_eq!(json["register"]["state"], "open");
}

#[test]
fn watching_says_what_changed_and_no_ages() {
    let mut before = fenced(State::Complete);
    let mut after = before.clone();
    after.at = time("20:10:05");
    assert_eq!(changes_between(&before, &after), Vec::<String>::new());

    items(&mut after).record = decided(State::Rejoining);
    after.keycloaks.insert(
        site("site-b"),
        Ok(KeycloakState {
            wanted: Some(0),
            pods: 1,
            ready: 0,
        }),
    );
    assert_eq!(
        changes_between(&before, &after),
        [
            "register: complete, epoch 3 → rejoining, epoch 3",
            "site-b Keycloak: 2 of 2 ready → 0 of 0 ready",
        ]
    );

    checkup(&mut before).at = time("20:00:00");
    assert_eq!(
        changes_between(&before, &fenced(State::Complete)),
        ["no more: the last deep check in eu-west-1 is … min old"]
    );
}

#[test]
fn a_site_lives_that_is_healthy_and_whose_infinispan_answered_lately() {
    let alive = |change: fn(&mut StatusReading)| {
        let mut seen = fenced(State::Complete);
        change(&mut seen);
        sign_of_life(&seen, &site("site-a")).is_some()
    };
    assert!(alive(|_| {}));
    assert!(!alive(|seen| checkup(seen).unreachable = vec![site("site-a")]));
    assert!(!alive(|seen| checkup(seen).at = time("20:00:00")));
    assert!(!alive(
        |seen| seen.accelerator.as_mut().unwrap().endpoints[0].health = "UNHEALTHY".to_owned()
    ));
    assert!(!alive(|seen| seen
        .accelerator
        .as_mut()
        .unwrap()
        .endpoints
        .clear()));
}

/// Nobody who wants to be notified, say: a lost site is fenced all the same.
#[test]
fn a_warning_is_shown_and_degrades_nothing() {
    let mut seen = healthy();
    checkup(&mut seen).checks.push(Check {
        name: "notifications".to_owned(),
        level: Level::Warns,
        took_ms: 0,
        found: "nobody has subscribed".to_owned(),
        hint: None,
    });
    let verdict = verdict(&seen);
    assert_eq!(verdict.condition, Condition::Healthy);
    assert_eq!(
        verdict.complaints[0].what,
        "notifications (eu-west-1): nobody has subscribed"
    );
}

/// The register does not answer, and the functions say why nobody runs.
#[test]
fn a_fence_by_force_is_shown_whatever_the_register_says() {
    use crate::observed::forced::{ForcedFence, ForcedStep};
    for (step, told) in [
        (ForcedStep::Stopped, "nothing else has been done yet"),
        (ForcedStep::Begun, "site-b was fenced by force"),
        (ForcedStep::CutAlone, "Both sites are still in the accelerator"),
    ] {
        for answers in [true, false] {
            let mut seen = healthy();
            if !answers {
                seen.register = Err("no answer".to_owned());
            }
            for function in seen.functions.values_mut() {
                let function = function.as_mut().unwrap().as_mut().unwrap();
                function.forced = Some(ForcedFence {
                    fenced: SiteName::new("site-b").unwrap(),
                    step,
                    at: seen.at,
                    by: "ana".to_owned(),
                    concurrency: None,
                });
            }
            let verdict = verdict(&seen);
            assert_eq!(verdict.condition, Condition::Fenced, "{step:?}");
            assert!(verdict.sentence.contains(told), "{}", verdict.sentence);
            let next = verdict.next.unwrap();
            assert!(next.starts_with("provision reconcile "), "{next}");
            let forced = status_json(&seen)["forcedFence"].clone();
            assert_eq!(
                (&forced["fenced"], &forced["by"]),
                (&json!("site-b"), &json!("ana"))
            );
        }
    }
}

/// The line about drills, and what programs read of it.
fn drills(seen: &StatusReading) -> (String, serde_json::Value) {
    let screen = status_text(seen);
    let line = screen.lines().find_map(|line| line.strip_prefix("last drill  "));
    (line.unwrap().to_owned(), status_json(seen)["drillIsDue"].clone())
}

#[test]
fn a_drill_is_due_when_there_has_been_none_for_as_long_as_the_topology_says() {
    let (days_29, days_31) = ("2026-10-23T20:10:00Z", "2026-10-21T20:10:00Z");
    let command = "provision drill topology.yaml --split-brain";
    let never = format!("never: {command} shows how long a fence really takes");
    for (waited_since, remind_after_seconds, told, is_due) in [
        (None, 30 * 86_400, never.clone(), false),
        (Some(days_29), 30 * 86_400, never.clone(), false),
        (
            Some(days_31),
            30 * 86_400,
            format!("never, and one is due: {command}"),
            true,
        ),
        // Switched off.
        (Some(days_31), 0, never, false),
    ] {
        let mut seen = healthy();
        seen.remind_after_seconds = remind_after_seconds;
        checkup(&mut seen).undrilled_since = waited_since.map(|at| at.parse().unwrap());
        assert_eq!(drills(&seen), (told, json!(is_due)), "{waited_since:?}");
        assert_eq!(verdict(&seen).condition, Condition::Healthy, "it only reminds");
    }
    for (lost_at, is_due) in [(days_29, false), (days_31, true)] {
        let mut seen = healthy();
        items(&mut seen).drill = Some(fencing::rehearsal::SplitBrain {
            by: "ana".to_owned(),
            lost_at: lost_at.parse().unwrap(),
            epoch: Epoch(2),
            survivor: Survivor(site("site-a")),
            fenced: Fenced(site("site-b")),
            alerted_after_ms: None,
            decided_after_ms: 1000,
            out_after_ms: None,
            cut_after_ms: 2000,
            promised_seconds: 49,
        });
        let (line, told) = drills(&seen);
        assert_eq!(
            line.ends_with(&format!("; another is due: {command}")),
            is_due,
            "{line}"
        );
        assert_eq!(told, json!(is_due));
    }
}

#[test]
fn a_function_is_shown_with_its_version_and_what_it_could_not_do_last() {
    let mut seen = healthy();
    checkup(&mut seen).last_failure = Some(fencing::health::LastFailure {
        at: time("20:05:00"),
        sentence: "the register does not answer".to_owned(),
    });
    let function = seen
        .functions
        .get_mut("eu-west-1")
        .unwrap()
        .as_mut()
        .unwrap()
        .as_mut()
        .unwrap();
    function.state = "Inactive".to_owned();
    function.reason = Some("the function is idle".to_owned());
    let screen = status_text(&seen);
    let line = screen.lines().find(|line| line.starts_with("function ")).unwrap();
    assert_eq!(
        line,
        "function    eu-west-1  Inactive (the function is idle), version 0.1.0, code c2hhMjU2; deep check 30 s ago; last error \
         5 min ago: the register does not answer"
    );
    let told = &status_json(&seen)["functions"]["eu-west-1"];
    assert_eq!(told["lastError"]["sentence"], "the register does not answer");
    assert_eq!(told["reason"], "the function is idle");
}

/// A schedule that stopped hours ago leaves its last look behind.
#[test]
fn what_a_site_was_seen_to_see_long_ago_is_not_shown_as_how_it_is() {
    let mut seen = healthy();
    let sees = |seen: &StatusReading| {
        let screen = status_text(seen);
        let row = screen.lines().find(|line| line.starts_with("site-a ")).unwrap();
        row.to_owned()
    };
    assert!(!sees(&seen).contains("yes ("), "{}", sees(&seen));
    checkup(&mut seen).at = time("18:00:00");
    assert!(sees(&seen).contains("yes (2 h ago)"), "{}", sees(&seen));
}
