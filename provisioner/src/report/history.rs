//! What was decided, and how it went: from the copy of each revision that the function keeps beside the record.
//!
//! Nothing is guessed. A duration is the time between two writes, by their writers' clocks; what no entry tells is left
//! out, and a revision that is missing is said to be.

use std::fmt::Write as _;

use fencing::register::{Record, State};
use fencing::words::Epoch;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::drill::seconds;
use super::rehearsal::calls_before;
use super::spelling::camel_case;

/// The revisions of one epoch, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    pub epoch: Epoch,
    pub entries: Vec<Record>,
}

/// Puts all revisions into chapters, the newest epoch first.
pub fn chapters(mut entries: Vec<Record>) -> Vec<Chapter> {
    entries.sort_by_key(|entry| (entry.epoch, entry.rev));
    let mut chapters: Vec<Chapter> = Vec::new();
    for entry in entries {
        match chapters.last_mut() {
            Some(chapter) if chapter.epoch == entry.epoch => chapter.entries.push(entry),
            _ => chapters.push(Chapter {
                epoch: entry.epoch,
                entries: vec![entry],
            }),
        }
    }
    chapters.reverse();
    chapters
}

impl Chapter {
    pub(super) fn decision(&self) -> Option<&fencing::register::Decision> {
        self.entries.iter().find_map(|entry| entry.decision.as_ref())
    }

    /// When it first reached a state, after the decision.
    pub(super) fn first(&self, state: State) -> Option<Timestamp> {
        let entry = self.entries.iter().find(|entry| entry.state == state)?;
        Some(entry.written_at)
    }

    /// Milliseconds from the decision to the first entry of a state.
    fn after_decision_ms(&self, state: State) -> Option<i64> {
        let decided = self.decision()?.decided_at;
        let then = self.first(state)?;
        i64::try_from(then.duration_since(decided).as_millis()).ok()
    }

    /// How it ended, if it did.
    pub(super) fn end(&self) -> Option<&Record> {
        let last = self.entries.last()?;
        let was_decided = self.entries.iter().any(|entry| entry.decision.is_some());
        (was_decided && last.state == State::Open).then(|| {
            self.entries
                .iter()
                .rev()
                .take_while(|entry| entry.state == State::Open)
                .last()
        })?
    }

    /// Whether a revision between its first and its last is missing.
    pub(super) fn has_gaps(&self) -> bool {
        let pairs = self.entries.iter().zip(self.entries.iter().skip(1));
        let mut pairs = pairs.filter(|(before, after)| before.rev.next() != after.rev);
        pairs.next().is_some()
    }
}

/// All epochs in which something was decided, newest first.
pub fn history_text(chapters: &[Chapter]) -> String {
    let mut text = String::new();
    for chapter in chapters {
        let Some(decision) = chapter.decision() else {
            continue;
        };
        let seconds = |state, what| {
            chapter
                .after_decision_ms(state)
                .map(|ms| format!(", {what} after {}", seconds(ms)))
                .unwrap_or_default()
        };
        let alerted = decision.alerted_at.map_or_else(String::new, |at| {
            let ms = decision.decided_at.duration_since(at).as_millis();
            let after = super::drill::seconds(i64::try_from(ms).unwrap_or(i64::MAX));
            format!(", decided {after} after the alert fired")
        });
        let end = match chapter.end() {
            Some(end) => format!("over {}, by {}", end.written_at, end.by),
            None => format!(
                "not over: {}",
                chapter.entries.last().map_or(State::Open, |last| last.state)
            ),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "epoch {}  {}  {} survives, {} fenced, by {}{alerted}{}{}; {end}",
            chapter.epoch,
            decision.decided_at,
            decision.survivor.0,
            decision.fenced.0,
            decision.by,
            seconds(State::Isolated, "out"),
            seconds(State::Complete, "cut"),
        );
    }
    if text.is_empty() {
        text.push_str("nothing was ever decided\n");
    }
    text
}

/// One epoch, every entry of it.
pub fn chapter_text(chapter: &Chapter) -> String {
    let mut text = String::new();
    if let Some(decision) = chapter.decision() {
        let _ = writeln!(
            text,
            "epoch {}: {} survives, {} fenced, by {}\nevidence: {}\n",
            chapter.epoch, decision.survivor.0, decision.fenced.0, decision.by, decision.evidence
        );
    }
    let mut before: Option<&Record> = None;
    for entry in &chapter.entries {
        let since = before.map_or_else(String::new, |before| {
            let ms = entry.written_at.duration_since(before.written_at).as_millis();
            format!(" (+{})", seconds(i64::try_from(ms).unwrap_or(i64::MAX)))
        });
        let hold = match (&entry.hold, before.and_then(|before| before.hold.as_ref())) {
            (Some(hold), None) => format!("; held by {}: {}", hold.by, hold.reason),
            (None, Some(_)) => "; no longer held".to_owned(),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "{:>5}  {}{since}  {}, {}{hold}",
            entry.rev.0, entry.written_at, entry.state, entry.by
        );
        for (took, what) in calls_before(entry) {
            let _ = writeln!(text, "         {took:>9}  {what}");
        }
        before = Some(entry);
    }
    if chapter.has_gaps() {
        text.push_str("revisions are missing: the function could not write their copies\n");
    }
    text
}

pub fn history_json(chapters: &[Chapter]) -> Value {
    let epochs = chapters.iter().filter_map(|chapter| {
        let decision = chapter.decision()?;
        Some(json!({
            "epoch": chapter.epoch,
            "alertedAt": decision.alerted_at.map(|at| at.to_string()),
            "decidedAt": decision.decided_at.to_string(),
            "survivor": decision.survivor.0,
            "fenced": decision.fenced.0,
            "by": decision.by,
            "evidence": decision.evidence,
            "outAfterMs": chapter.after_decision_ms(State::Isolated),
            "cutAfterMs": chapter.after_decision_ms(State::Complete),
            "endedAt": chapter.end().map(|end| end.written_at.to_string()),
            "endedBy": chapter.end().map(|end| end.by.clone()),
            "isWhole": !chapter.has_gaps(),
        }))
    });
    json!({ "epochs": epochs.collect::<Vec<_>>() })
}

/// One epoch for programs: its entries are the register's records, with keys spelt as everywhere here.
pub fn chapter_json(chapter: &Chapter) -> Value {
    let decisions = chapter.entries.iter().filter_map(|entry| entry.decision.as_ref());
    let names: Vec<&str> = decisions
        .flat_map(|it| [it.survivor.0.as_str(), it.fenced.0.as_str()])
        .collect();
    let entries = camel_case(json!(chapter.entries), &names);
    json!({"epoch": chapter.epoch, "isWhole": !chapter.has_gaps(), "entries": entries})
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use fencing::accelerator::Outcome;
    use fencing::register::Decision;
    use fencing::timed_call::{CallsBefore, TimedCall};
    use fencing::words::{Fenced, Rev, SiteName, Survivor};

    use super::*;

    fn entry(epoch: u64, rev: u64, state: State, at: &str, by: &str) -> Record {
        let site = |name| SiteName::new(name).unwrap();
        let decision = Decision {
            survivor: Survivor(site("site-a")),
            fenced: Fenced(site("site-b")),
            outcome: Outcome::default(),
            by: "site-a's alert".to_owned(),
            evidence: "site-a does not see site-b".to_owned(),
            decided_at: "2026-11-21T20:00:00Z".parse().unwrap(),
            alerted_at: None,
        };
        Record {
            epoch: Epoch(epoch),
            rev: Rev(rev),
            state,
            decision: (state != State::Open).then_some(decision),
            by: by.to_owned(),
            written_at: format!("2026-11-21T20:{at}Z").parse().unwrap(),
            ..Record::empty()
        }
    }

    pub(in crate::report) fn told() -> Vec<Record> {
        vec![
            entry(1, 5, State::Open, "30:00", "rejoin by ana"),
            entry(1, 6, State::Open, "31:00", "hold by ben"),
            entry(1, 2, State::Isolated, "00:01.25", "request r1"),
            entry(1, 1, State::Decided, "00:00", "request r1"),
            entry(1, 3, State::Complete, "00:02", "request r1"),
            entry(1, 4, State::Rejoining, "20:00", "rejoin by ana"),
            entry(2, 8, State::Decided, "40:00", "request r2"),
            entry(0, 0, State::Open, "00:00", "hold by ana"),
        ]
    }

    #[test]
    fn decisions_come_newest_first_with_what_their_entries_tell() {
        assert_eq!(
            history_text(&chapters(told())),
            "epoch 2  2026-11-21T20:00:00Z  site-a survives, site-b fenced, by site-a's alert; not over: decided\n\
             epoch 1  2026-11-21T20:00:00Z  site-a survives, site-b fenced, by site-a's alert, out after 1.2 s, cut after \
             2.0 s; over 2026-11-21T20:30:00Z, by rejoin by ana\n"
        );
        assert_eq!(history_text(&chapters(Vec::new())), "nothing was ever decided\n");
    }

    #[test]
    fn an_epoch_shows_every_entry_and_says_when_one_is_missing() {
        let mut entries = told();
        entries.retain(|entry| entry.rev != Rev(3));
        let chapters = chapters(entries);
        let text = chapter_text(&chapters[1]);
        assert!(text.contains("evidence: site-a does not see site-b\n"), "{text}");
        assert!(
            text.contains("    2  2026-11-21T20:00:01.25Z (+1.2 s)  isolated, request r1\n"),
            "{text}"
        );
        assert!(text.ends_with("revisions are missing: the function could not write their copies\n"));
        let json = history_json(&chapters);
        assert_eq!(json["epochs"][1]["outAfterMs"], 1250);
        assert_eq!(
            json["epochs"][1]["cutAfterMs"],
            Value::Null,
            "what is missing is not made up"
        );
        assert_eq!(json["epochs"][1]["isWhole"], false);
    }

    #[test]
    fn an_epoch_shows_how_long_each_call_took() {
        let mut entries = told();
        let isolated = entries.iter_mut().find(|entry| entry.rev == Rev(2)).unwrap();
        let made = [
            TimedCall::new("change the endpoint group g", 412, None),
            TimedCall::new("read the accelerator", 6000, Some("no answer within 6000 ms")),
        ];
        isolated.calls_before = CallsBefore::of(Rev(2), &made);
        if let Some(before) = &mut isolated.calls_before {
            before.left_out = 3;
        }
        let chapters = chapters(entries);
        let text = chapter_text(&chapters[1]);
        let lines = "isolated, request r1\n            412 ms  change the endpoint group g\n           6000 ms  read the \
                     accelerator: no answer within 6000 ms\n                    and 3 more calls\n    3 ";
        assert!(text.contains(lines), "{text}");
        let json = chapter_json(&chapters[1]);
        let calls = &json["entries"][1]["callsBefore"];
        assert_eq!(
            calls["calls"][0],
            json!({"what": "change the endpoint group g", "ms": 412})
        );
        assert_eq!(calls["leftOut"], 3);
    }
}
