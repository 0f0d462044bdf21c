//! What `status --watch` says has changed: everything shown but ages, which change by themselves.

use std::collections::BTreeMap;

use super::screen::{UNKNOWN, cells};
use super::verdict;
use crate::observed::status::StatusReading;

/// What differs between two looks, one line each.
pub fn changes_between(before: &StatusReading, after: &StatusReading) -> Vec<String> {
    let (before, after) = (facts(before), facts(after));
    let all: BTreeMap<&String, ()> = before.keys().chain(after.keys()).map(|key| (key, ())).collect();
    let value = |facts: &BTreeMap<String, String>, key: &String| facts.get(key).cloned().unwrap_or_default();
    all.keys()
        .filter_map(|key| {
            let (was, is) = (value(&before, key), value(&after, key));
            match (was.as_str(), is.as_str()) {
                _ if was == is => None,
                (_, "") => Some(format!("no more: {key}")),
                ("", PRESENT) => Some(format!("new: {key}")),
                _ => Some(format!("{key}: {was} → {is}")),
            }
        })
        .collect()
}

/// The value of what is only there or not.
const PRESENT: &str = "there";

fn facts(seen: &StatusReading) -> BTreeMap<String, String> {
    let verdict = verdict(seen);
    let mut facts: BTreeMap<String, String> =
        [("condition".to_owned(), verdict.condition.word().to_owned())].into();
    for complaint in verdict.complaints {
        facts.insert(timeless(&complaint.what), PRESENT.to_owned());
    }
    let (state, hold) = match &seen.register {
        Ok(items) => (
            format!("{}, epoch {}", items.record.state, items.record.epoch),
            items.record.hold.as_ref().map(|hold| hold.reason.clone()),
        ),
        Err(_) => (UNKNOWN.to_owned(), None),
    };
    facts.insert("register".to_owned(), state);
    facts.extend(hold.map(|reason| ("hold".to_owned(), reason)));
    for site in &seen.sites {
        let cells = cells(seen, site);
        for (name, value) in [
            ("accelerator", cells.accelerator),
            ("health", cells.health),
            ("weight/dial", cells.share),
            ("sees the other", cells.sees),
            ("Keycloak", cells.keycloak),
        ] {
            facts.insert(format!("{site} {name}"), value);
        }
    }
    facts
}

/// Without numbers that stand alone: how long something has lasted does not make it another thing.
fn timeless(text: &str) -> String {
    let is_number = |word: &str| word.chars().all(|c| c.is_ascii_digit());
    let words = text
        .split(' ')
        .map(|word| if is_number(word) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}
