//! What the README and the runbook tell people to type, and to allow, is what the programs take and do.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fencing::answer::{Cause, Next};
use fencing::contract::alert;
use fencing::step::Task;
use fencing::words::Token;
use function::event::Event;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

#[test]
fn the_events_that_operators_send_by_hand_are_understood() {
    let runbook = std::fs::read_to_string(root().join("docs/runbook.md")).unwrap();
    let mut waited = Vec::new();
    for event in runbook.split("--payload '").skip(1) {
        let event = event.split('\'').next().unwrap();
        match Event::read(serde_json::from_str(event).unwrap()).unwrap() {
            Event::Operate(Task::Promote { waited: token, .. }) => waited.push(token),
            other => unreachable!("{other:?}"),
        }
    }
    // Pasted as they stand they do no harm: no function ever names this token.
    let token: Token = serde_json::from_str("\"TOKEN\"").unwrap();
    assert_eq!(waited, [None, Some(token.clone())]);
    // And the answer between the two is quoted as it is given.
    let next = Next::Wait { seconds: 30, token };
    let quoted = format!("\"next\":{}", serde_json::to_string(&next).unwrap());
    assert!(runbook.contains(&quoted), "{quoted}");
}

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The names that AWS calls go by in errors: `call("PutItem")`, `Call::new("STS", "GetCallerIdentity", …)`.
fn calls(text: &str) -> impl Iterator<Item = &str> {
    let literals = |after: &'static str| {
        text.split(after)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
    };
    let by_service = text.split("Call::new(\"").skip(1).filter_map(|rest| {
        let mut words = rest.split('"');
        let (_service, between, name) = (words.next()?, words.next()?, words.next()?);
        (between.trim() == ",").then_some(name)
    });
    literals("call(\"").chain(by_service)
}

#[test]
fn every_call_to_aws_is_among_the_rights_that_the_readme_lists() {
    let readme = readme();
    let start = readme.find("needs in AWS").unwrap();
    let rights = &readme[start..start + readme[start..].find("needs in the clusters").unwrap()];
    let mut sources = Vec::new();
    files(&root().join("provisioner/src/world"), &mut sources);
    // The clusters' calls have a table of their own.
    sources.retain(|source| !source.components().any(|part| part.as_os_str() == "kubernetes"));
    let mut known = 0;
    for source in sources {
        let text = std::fs::read_to_string(&source).unwrap();
        for call in calls(&text).filter(|name| name.starts_with(char::is_uppercase)) {
            // S3 authorises these by the singular.
            let action = if call == "DeleteObjects" {
                "DeleteObject"
            } else {
                call
            };
            let listed = rights
                .split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| word == action);
            assert!(listed, "{call} of {} is not listed", source.display());
            known += 1;
        }
    }
    assert!(
        known > 40,
        "only {known} calls were found: how they are named has changed"
    );
}

fn source(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The texts of a match's arms, between a function's name and the end of the function.
fn arms(source: &str, function: &str) -> Vec<String> {
    let body = source.split(&format!("fn {function}(")).nth(1).unwrap();
    let body = body
        .split("\n    }\n")
        .next()
        .unwrap()
        .split("\n}\n")
        .next()
        .unwrap();
    body.split("=> \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}

/// Whatever wakes somebody has a place in the runbook, and what is there can wake somebody.
#[test]
fn each_alarm_alert_mail_and_error_has_its_place_in_the_runbook() {
    let runbook = source("docs/runbook.md");
    let places = |chapter: &str| -> BTreeSet<String> {
        let (_, after) = runbook.split_once(&format!("\n## {chapter}\n")).unwrap();
        let chapter = after.split("\n## ").next().unwrap();
        let headings = chapter.lines().filter_map(|line| line.strip_prefix("### "));
        headings.map(str::to_owned).collect()
    };

    let mut golden = Vec::new();
    files(&root().join("tests/golden"), &mut golden);
    let mut alarms = BTreeSet::new();
    for file in golden {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let names = text.split("AlarmName: \"").skip(1);
        alarms.extend(names.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    assert!(alarms.len() > 30, "{alarms:?}");
    let headings = places("Alarms");
    let is_of = |alarm: &str, heading: &str| alarm.contains(&format!("-{heading}"));
    for alarm in &alarms {
        assert!(headings.iter().any(|it| is_of(alarm, it)), "{alarm} is not there");
    }
    for heading in &headings {
        assert!(
            alarms.iter().any(|it| is_of(it, heading)),
            "no alarm is called {heading}"
        );
    }

    let alerts = alert::ALL.map(str::to_owned);
    assert_eq!(places("Alerts"), alerts.into());

    let subjects = arms(&source("function/src/world/notices.rs"), "subject");
    assert_eq!(subjects.len(), Cause::ALL.len(), "{subjects:?}");
    for (cause, subject) in Cause::ALL.into_iter().zip(&subjects) {
        let is_there = runbook.contains(&format!("\n| {subject} |"));
        assert_eq!(is_there, cause.notifies(), "{subject}");
    }

    let codes = arms(&source("provisioner/src/run/failure.rs"), "code");
    assert!(codes.len() > 25, "{codes:?}");
    for code in codes {
        assert!(runbook.contains(&format!("`{code}`")), "{code} is not there");
    }
}
