//! What a drill measured, beside what was promised.

use std::fmt::Write as _;

use fencing::rehearsal::SplitBrain;
use serde_json::{Value, json};

use crate::topology::time_to_fence::{Stage, TimeToFence};

/// A duration as people read it: `12.3 s`.
pub(super) fn seconds(ms: i64) -> String {
    format!("{}.{} s", ms / 1000, (ms % 1000).abs() / 100)
}

/// Seconds of the stages until the alert fires, from then on to the request, and of the function.
pub(super) fn promised(case: Option<&TimeToFence>) -> [Option<u32>; 3] {
    let Some(case) = case else {
        return [None; 3];
    };
    // What waits in Alertmanager, or nothing there: then the alert is under way as soon as it fires.
    let fired = |stage: &Stage| matches!(stage.name, "groupWait" | "dispatch");
    let Some(fired) = case.stages.iter().position(fired) else {
        return [None; 3];
    };
    let sum = |stages: &[Stage]| Some(stages.iter().map(|stage| stage.seconds).sum());
    let (until_fired, then) = case.stages.split_at(fired);
    let Some((function, sent)) = then.split_last() else {
        return [None; 3];
    };
    [sum(until_fired), sum(sent), Some(function.seconds)]
}

pub fn split_brain_text(measured: &SplitBrain, worst_cases: &[TimeToFence]) -> String {
    let case = worst_cases
        .iter()
        .find(|case| case.fenced == measured.fenced.0.as_str());
    let [firing, sent, function] = promised(case);
    let first = measured.alerted_after_ms;
    let mut rows = Vec::new();
    match first {
        Some(alerted) => {
            rows.push(("link cut, until the alert fires", firing, alerted));
            rows.push(("until the decision", sent, measured.decided_after_ms - alerted));
        }
        None => rows.push((
            "link cut, until the decision",
            firing.zip(sent).map(|(a, b)| a + b),
            measured.decided_after_ms,
        )),
    }
    rows.push((
        "until one site is left and replication is cut",
        function,
        measured.cut_after_ms - measured.decided_after_ms,
    ));
    rows.push((
        "in total",
        (measured.promised_seconds > 0).then_some(measured.promised_seconds),
        measured.cut_after_ms,
    ));
    let mut text = format!(
        "epoch {}: {} was fenced, {} served alone\n\n{:<46} {:>9}  {:>9}\n",
        measured.epoch, measured.fenced, measured.survivor, "", "at most", "measured"
    );
    for (what, at_most, took) in rows {
        let at_most = at_most.map_or_else(|| "?".to_owned(), |seconds| format!("{seconds} s"));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{what:<46} {at_most:>9}  {:>9}", seconds(took));
    }
    text.push_str("\nmeasured by the clocks of this machine, of the monitoring and of the function\n");
    text
}

pub fn split_brain_json(topology: &str, measured: &SplitBrain, worst_cases: &[TimeToFence]) -> Value {
    json!({ "topology": topology, "drill": measured, "promised": worst_cases })
}

/// One line for `status`.
pub(super) fn last_drill(measured: &SplitBrain) -> String {
    format!(
        "{} fenced, cut {} after the loss, {} s promised, by {}",
        measured.fenced,
        seconds(measured.cut_after_ms),
        measured.promised_seconds,
        measured.by
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fencing::words::{Epoch, Fenced, SiteName, Survivor};

    use super::*;
    use crate::sample;
    use crate::topology::time_to_fence::{Readings, worst_cases};

    #[test]
    fn each_stage_stands_beside_its_promise() {
        let topology = sample::topology();
        let name = |index: usize| SiteName::new(topology.sites[index].name.as_str()).unwrap();
        let measured = SplitBrain {
            by: "ana".to_owned(),
            lost_at: "2026-11-21T20:00:00Z".parse().unwrap(),
            epoch: Epoch(4),
            survivor: Survivor(name(0)),
            fenced: Fenced(name(1)),
            alerted_after_ms: Some(21_400),
            decided_after_ms: 27_950,
            out_after_ms: Some(28_400),
            cut_after_ms: 28_900,
            promised_seconds: 49,
        };
        let text = split_brain_text(&measured, &worst_cases(&topology, &Readings::default()));
        for line in [
            "link cut, until the alert fires",
            "21.4 s",
            "6.5 s",
            "in total",
            "28.9 s",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        let silent = SplitBrain {
            alerted_after_ms: None,
            ..measured
        };
        let text = split_brain_text(&silent, &[]);
        assert!(
            text.contains("link cut, until the decision                           ?     27.9 s"),
            "{text}"
        );
        assert!(last_drill(&silent).starts_with("site-b fenced, cut 28.9 s after the loss, 49 s promised"));
    }
}
