//! The page's two pictures, as numbers: how long each stage may take beside how long it took, and what happened when.

use fencing::register::{Decision, State};
use fencing::rehearsal::SplitBrain;
use jiff::Timestamp;
use serde::Serialize;

use super::to_the_second;
use crate::report::drill::{promised, seconds};
use crate::report::history::Chapter;
use crate::topology::time_to_fence::TimeToFence;

/// The pictures' width, in which a phone shows them without shrinking.
const WIDTH: f64 = 308.0;
const BAR: u32 = 44;
const MARK: u32 = 46;

#[derive(Serialize)]
pub(super) struct Bar {
    title: String,
    y: u32,
    parts: Vec<BarPart>,
}

#[derive(Serialize)]
pub(super) struct BarPart {
    kind: u8,
    x: String,
    width: String,
    title: String,
}

#[derive(Serialize)]
pub(super) struct StageRow {
    kind: u8,
    name: &'static str,
    promised: String,
    measured: String,
    late: bool,
}

#[derive(Serialize)]
pub(super) struct Tick {
    kind: u8,
    y: u32,
    what: String,
    at: String,
    after: Option<String>,
}

/// A stage with what it may take and what it took.
pub(super) struct TimedStage {
    name: &'static str,
    promised_ms: Option<i64>,
    took_ms: Option<i64>,
}

pub(super) fn ms_between(from: Timestamp, to: Timestamp) -> i64 {
    i64::try_from(to.duration_since(from).as_millis()).unwrap_or(i64::MAX)
}

/// A duration as people say it: `12.3 s`, `7 min`, `3 h 20 min`.
pub(super) fn spoken(ms: i64) -> String {
    match ms / 1000 {
        0..120 => seconds(ms),
        whole @ 120..7200 => format!("{} min", whole / 60),
        whole => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

pub(super) fn measured(
    chapter: &Chapter,
    decision: &Decision,
    drill: Option<&SplitBrain>,
    worst_cases: &[TimeToFence],
) -> Vec<TimedStage> {
    let case = worst_cases
        .iter()
        .find(|case| case.fenced == decision.fenced.0.as_str());
    let [firing, sent, function] =
        promised(case).map(|seconds| seconds.map(|seconds| i64::from(seconds) * 1000));
    let lost = drill.map(|drill| drill.lost_at);
    let between = |from: Option<Timestamp>, to: Option<Timestamp>| Some(ms_between(from?, to?));
    let (alerted, decided) = (decision.alerted_at, Some(decision.decided_at));
    let complete = chapter.first(State::Complete);
    vec![
        TimedStage {
            name: "link lost, until the alert fires",
            promised_ms: firing,
            took_ms: between(lost, alerted),
        },
        TimedStage {
            name: "alert fires, until the decision",
            promised_ms: sent,
            took_ms: between(alerted, decided),
        },
        TimedStage {
            name: "decision, until replication is cut",
            promised_ms: function,
            took_ms: between(decided, complete),
        },
    ]
}

pub(super) fn row(stage: &TimedStage, kind: u8) -> StageRow {
    let late = stage.took_ms.zip(stage.promised_ms);
    StageRow {
        kind,
        name: stage.name,
        promised: stage.promised_ms.map_or_else(|| "-".to_owned(), seconds),
        measured: stage.took_ms.map_or_else(|| "unknown".to_owned(), seconds),
        late: late.is_some_and(|(took, promised)| took > promised),
    }
}

/// Two bars on one scale.
pub(super) fn bars(stages: &[TimedStage]) -> (Vec<Bar>, u32) {
    let sum = |of: fn(&TimedStage) -> Option<i64>| -> i64 {
        stages.iter().filter_map(of).map(|ms| ms.max(0)).sum()
    };
    let whole = sum(|stage| stage.promised_ms)
        .max(sum(|stage| stage.took_ms))
        .max(1);
    #[allow(clippy::cast_precision_loss, reason = "a picture's pixels")]
    let pixels = |ms: i64| ms as f64 / whole as f64 * WIDTH;
    let bar = |title: &str, of: fn(&TimedStage) -> Option<i64>, number: u32| {
        let mut at = 0;
        let mut parts = Vec::new();
        for (stage, kind) in stages.iter().zip(1..) {
            let Some(ms) = of(stage).map(|ms| ms.max(0)) else {
                continue;
            };
            parts.push(BarPart {
                kind,
                x: format!("{:.1}", pixels(at)),
                // One that took no time is seen all the same.
                width: format!("{:.1}", pixels(ms).max(2.0)),
                title: format!("{}: {}", stage.name, seconds(ms)),
            });
            at += ms;
        }
        Bar {
            title: format!("{title}: {}", seconds(at)),
            y: number * BAR + 14,
            parts,
        }
    };
    let mut all = vec![bar("promised at most", |stage| stage.promised_ms, 0)];
    let known = stages.iter().all(|stage| stage.took_ms.is_some());
    let title = if known {
        "measured"
    } else {
        "measured, as far as known"
    };
    all.push(bar(title, |stage| stage.took_ms, 1));
    (all, 2 * BAR + 2)
}

pub(super) fn marks(chapter: &Chapter, decision: &Decision, drill: Option<&SplitBrain>) -> Vec<Tick> {
    let mut all: Vec<(Timestamp, u8, String)> = Vec::new();
    all.extend(drill.map(|drill| (drill.lost_at, 1, "the link was cut, by a drill".to_owned())));
    all.extend(
        decision
            .alerted_at
            .map(|at| (at, 1, "the alert fired".to_owned())),
    );
    all.push((
        decision.decided_at,
        2,
        format!("decided: {} goes", decision.fenced),
    ));
    let mut before = State::Decided;
    let mut was_complete = false;
    for entry in &chapter.entries {
        let what = match entry.state {
            state if state == before => continue,
            State::Isolated => "out of the accelerator".to_owned(),
            State::Complete if was_complete => "carried out again".to_owned(),
            State::Complete => "replication cut: complete".to_owned(),
            State::Rejoining => format!("{} is being brought back", decision.fenced),
            State::Open => "both serve again".to_owned(),
            State::Decided => "the decision is carried out again".to_owned(),
        };
        was_complete |= entry.state == State::Complete;
        before = entry.state;
        let kind = match entry.state {
            State::Open => 3,
            State::Rejoining => 4,
            _ => 2,
        };
        all.push((entry.written_at, kind, what));
    }
    all.sort_by_key(|(at, ..)| *at);
    let mut last = None;
    let mut marks = Vec::new();
    for ((at, kind, what), number) in all.into_iter().zip(0..) {
        marks.push(Tick {
            kind,
            y: number * MARK + 14,
            what,
            at: to_the_second(at),
            after: last.map(|last| format!("+{}", spoken(ms_between(last, at)))),
        });
        last = Some(at);
    }
    marks
}

/// How high the line with so many marks is.
pub(super) fn line_height(marks: &[Tick]) -> u32 {
    u32::try_from(marks.len()).unwrap_or(0) * MARK + 8
}
