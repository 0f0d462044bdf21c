//! One epoch as a page that people put into a post-mortem: one file, no script, nothing from elsewhere.
//!
//! ```text
//!   the epoch's records ─┐
//!   the topology ────────┼─▶ IncidentPage: ready texts and numbers ─▶ the template, which only places them
//!   a drill's own time ──┘
//! ```
//!
//! Every value is escaped by the engine; the template names no other way. What no record tells is said to be unknown.

mod picture;

use fencing::register::next::NextCommand;
use fencing::register::{Decision, Record, State};
use fencing::rehearsal::SplitBrain;
use jiff::Timestamp;
use serde::Serialize;
use tera::{Context, Tera};

use self::picture::{Bar, StageRow, Tick, bars, line_height, marks, measured, ms_between, row, spoken};
use super::drill::seconds;
use super::history::Chapter;
use super::rehearsal::calls_before;
use crate::topology::Topology;
use crate::topology::time_to_fence::TimeToFence;

const NAME: &str = "incident.html";
const TEMPLATE: &str = include_str!("../../../templates/report/incident.html");

/// What the page is made from, beside the epoch.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The topology as its file says it now.
    pub topology: &'a Topology,
    /// The file's name, for commands.
    pub file: &'a str,
    /// The worst cases that the file promises.
    pub worst_cases: &'a [TimeToFence],
    /// The last drill, which knows when the link was lost if this epoch was its own.
    pub drill: Option<&'a SplitBrain>,
    /// When the page is made.
    pub now: Timestamp,
}

#[derive(Serialize)]
struct IncidentPage {
    topology: String,
    epoch: u64,
    survivor: String,
    fenced: String,
    decided_at: String,
    sentence: String,
    bars: Vec<Bar>,
    bars_height: u32,
    stages: Vec<StageRow>,
    clocks: &'static str,
    marks: Vec<Tick>,
    line_height: u32,
    evidence: String,
    by: String,
    entries: Vec<EventRow>,
    has_gaps: bool,
    calls: Vec<TimedBefore>,
    endpoints: Vec<EndpointRow>,
    settings: Vec<Setting>,
    checks: Vec<FollowUp>,
    made_at: String,
    version: &'static str,
}

#[derive(Serialize)]
struct EventRow {
    rev: u64,
    at: String,
    after: Option<String>,
    state: String,
    note: Option<String>,
    by: String,
}

/// What was called before a revision was written.
#[derive(Serialize)]
struct TimedBefore {
    rev: u64,
    took: String,
    what: String,
}

#[derive(Serialize)]
struct EndpointRow {
    group: String,
    holds: String,
}

#[derive(Serialize)]
struct Setting {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
struct FollowUp {
    what: String,
    command: Option<String>,
}

/// The page; `None` where nothing was decided in that epoch.
pub fn incident_html(chapter: &Chapter, around: &Around<'_>) -> Option<Result<String, tera::Error>> {
    let page = IncidentPage::of(chapter, chapter.decision()?, around);
    Some(fill(&page))
}

fn fill(page: &IncidentPage) -> Result<String, tera::Error> {
    let mut tera = Tera::default();
    tera.autoescape_on([".html"]);
    tera.add_raw_template(NAME, TEMPLATE)?;
    tera.render(NAME, &Context::from_serialize(page)?)
}

fn to_the_second(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

impl IncidentPage {
    fn of(chapter: &Chapter, decision: &Decision, around: &Around<'_>) -> Self {
        let drill = around.drill.filter(|drill| drill.epoch == chapter.epoch);
        let stages = measured(chapter, decision, drill, around.worst_cases);
        let marks = marks(chapter, decision, drill);
        let (bars, bars_height) = bars(&stages);
        let line_height = line_height(&marks);
        Self {
            topology: around.topology.name.to_string(),
            epoch: chapter.epoch.0,
            survivor: decision.survivor.to_string(),
            fenced: decision.fenced.to_string(),
            decided_at: to_the_second(decision.decided_at),
            sentence: sentence(chapter, decision),
            bars,
            bars_height,
            stages: stages
                .iter()
                .zip(1..)
                .map(|(stage, kind)| row(stage, kind))
                .collect(),
            clocks: match drill {
                Some(_) => "By the clocks of the drill's machine, of the monitoring and of the function.",
                None => {
                    "By the clocks of the monitoring and of the function. No record says when the link itself was lost."
                }
            },
            marks,
            line_height,
            evidence: decision.evidence.clone(),
            by: decision.by.clone(),
            entries: entries(chapter),
            has_gaps: chapter.has_gaps(),
            calls: calls(chapter),
            endpoints: endpoints(decision),
            settings: settings(around.topology),
            checks: checks(chapter, decision, around),
            made_at: to_the_second(around.now),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

fn sentence(chapter: &Chapter, decision: &Decision) -> String {
    let (survivor, fenced) = (&decision.survivor, &decision.fenced);
    let cut = chapter.first(State::Complete).map_or_else(
        || ", and the fence was never complete".to_owned(),
        |at| {
            format!(
                ", complete after {}",
                seconds(ms_between(decision.decided_at, at))
            )
        },
    );
    let end = match chapter.end() {
        Some(end) => format!(
            " {survivor} served alone for {}, until both served again.",
            spoken(ms_between(decision.decided_at, end.written_at))
        ),
        None => format!(" {survivor} serves alone until {fenced} is brought back."),
    };
    format!(
        "{fenced} was taken out at {}: {}{cut}.{end}",
        to_the_second(decision.decided_at),
        decision.evidence
    )
}

fn entries(chapter: &Chapter) -> Vec<EventRow> {
    let mut before: Option<&Record> = None;
    let mut all = Vec::new();
    for entry in &chapter.entries {
        let note = match (&entry.hold, before.and_then(|before| before.hold.as_ref())) {
            (Some(hold), None) => Some(format!("held by {}: {}", hold.by, hold.reason)),
            (None, Some(_)) => Some("no longer held".to_owned()),
            _ => entry
                .rejoin
                .as_ref()
                .map(|rejoin| format!("next: {}", super::status::next_step(&rejoin.step))),
        };
        all.push(EventRow {
            rev: entry.rev.0,
            at: entry.written_at.to_string(),
            after: before.map(|before| spoken(ms_between(before.written_at, entry.written_at))),
            state: entry.state.to_string(),
            note,
            by: entry.by.clone(),
        });
        before = Some(entry);
    }
    all
}

fn calls(chapter: &Chapter) -> Vec<TimedBefore> {
    let of_entry = |entry| calls_before(entry).map(move |call| (entry.rev.0, call));
    let all = chapter.entries.iter().flat_map(of_entry);
    all.map(|(rev, (took, what))| TimedBefore { rev, took, what })
        .collect()
}

fn endpoints(decision: &Decision) -> Vec<EndpointRow> {
    let groups = decision.outcome.groups.iter();
    groups
        .map(|group| EndpointRow {
            group: group.arn.rsplit('/').next().unwrap_or_default().to_owned(),
            holds: if group.endpoints.is_empty() {
                "nothing".to_owned()
            } else {
                let holds = group.endpoints.iter().map(|endpoint| {
                    let weight = endpoint.weight.map(|weight| format!(", weight {weight}"));
                    format!("{}{}", endpoint.id, weight.unwrap_or_default())
                });
                holds.collect::<Vec<_>>().join("; ")
            },
        })
        .collect()
}

fn settings(topology: &Topology) -> Vec<Setting> {
    let alerting = &topology.alerting;
    let mut all = vec![
        Setting {
            name: "sites",
            value: topology
                .sites
                .iter()
                .map(|site| format!("{} ({})", site.name, site.region))
                .collect::<Vec<_>>()
                .join(", "),
        },
        Setting {
            name: "alert",
            value: format!(
                "scrape {}, evaluation {}, suspicion {}, for {}, groupWait {}, groupInterval {}",
                alerting.scrape_interval,
                alerting.evaluation_interval,
                alerting.suspicion,
                alerting.pending,
                alerting.group_wait,
                alerting.group_interval
            ),
        },
        Setting {
            name: "quiet time",
            value: topology.register.cooldown.to_string(),
        },
    ];
    if let Some(preferred) = &topology.preferred_survivor {
        all.push(Setting {
            name: "preferred survivor",
            value: preferred.to_string(),
        });
    }
    all
}

fn checks(chapter: &Chapter, decision: &Decision, around: &Around<'_>) -> Vec<FollowUp> {
    let file = around.file;
    let mut all = Vec::new();
    let mut say = |what: String, command: Option<String>| all.push(FollowUp { what, command });
    let repeated = chapter
        .entries
        .windows(2)
        .filter(|pair| pair[0].state == State::Complete && pair[1].state == State::Decided)
        .count();
    if chapter.end().is_none() {
        say(
            format!(
                "{} is still out. Bring it back once the link is repaired:",
                decision.fenced
            ),
            Some(NextCommand::RejoinWhenHealed(&decision.fenced.0).line(file)),
        );
    } else {
        say(
            "How things stand now:".to_owned(),
            Some(NextCommand::Watch.line(file)),
        );
    }
    if repeated > 0 {
        say(
            format!(
                "The decision had to be carried out again {repeated} times: who or what put the site back?"
            ),
            None,
        );
    }
    if chapter.has_gaps() {
        say(
            "Revisions are missing above: the function's log shows what it did then.".to_owned(),
            None,
        );
    }
    if decision.alerted_at.is_none() {
        say(
            "No alert's time is known: an operator decided, or the function was older.".to_owned(),
            None,
        );
    }
    say(
        format!(
            "Why the sites lost each other: the link, the gossip routers, {} as a whole? No record here says.",
            decision.fenced
        ),
        None,
    );
    say(
        format!(
            "What only {} had: logins under way, counts of failed logins, action tokens; sessions too, if your Keycloak keeps them in Infinispan.",
            decision.fenced
        ),
        None,
    );
    if around.drill.is_none() {
        say(
            "No drill has ever measured how long a fence takes here:".to_owned(),
            Some(format!("provision drill {file} --split-brain")),
        );
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::chapters;
    use super::super::history::tests::told;
    use super::*;
    use crate::sample;
    use crate::topology::time_to_fence::{Readings, worst_cases};
    use fencing::timed_call::{CallsBefore, TimedCall};

    fn page(entries: Vec<Record>, epoch: u64) -> String {
        let topology = sample::topology();
        let cases = worst_cases(&topology, &Readings::default());
        let chapters = chapters(entries);
        let chapter = chapters.iter().find(|chapter| chapter.epoch.0 == epoch).unwrap();
        let around = Around {
            topology: &topology,
            file: "topology.yaml",
            worst_cases: &cases,
            drill: None,
            now: "2026-11-22T08:00:00Z".parse().unwrap(),
        };
        incident_html(chapter, &around).unwrap().unwrap()
    }

    #[test]
    fn a_recorded_history_becomes_a_page() {
        let mut entries = told();
        for entry in &mut entries {
            if let Some(decision) = &mut entry.decision {
                decision.alerted_at = Some("2026-11-21T19:59:53Z".parse().unwrap());
            }
        }
        entries[2].calls_before = CallsBefore::of(
            entries[2].rev,
            &[
                TimedCall::new("change the endpoint group g", 412, None),
                TimedCall::new("read the accelerator", 6000, Some("no answer within 6000 ms")),
            ],
        );
        insta::assert_snapshot!(page(entries, 1));
    }

    #[test]
    fn what_is_not_over_says_how_it_ends_and_what_is_unknown_is_said_to_be() {
        let html = page(told(), 2);
        for text in [
            "is still out",
            "provision rejoin site-b topology.yaml --when-healed",
            "time is known: an operator decided",
            "unknown",
            "never complete",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
    }

    /// Names, reasons and evidence come from other machines and other people.
    #[test]
    fn no_value_becomes_markup() {
        let hostile = "</td></title><script>alert(1)</script>\"'&amp;{{ 7*7 }}";
        let mut entries = told();
        for entry in &mut entries {
            entry.by = hostile.to_owned();
            entry.calls_before = CallsBefore::of(entry.rev, &[TimedCall::new(hostile, 1, Some(hostile))]);
            if let Some(decision) = &mut entry.decision {
                decision.evidence = hostile.to_owned();
                decision.by = hostile.to_owned();
            }
        }
        let html = page(entries, 1);
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(
            html.matches("&lt;script&gt;").count(),
            2 + 1 + 6 + 2 * 6,
            "{html}"
        );
        assert!(html.contains("&amp;amp;{{ 7*7 }}"), "{html}");
        for elsewhere in ["http://", "https://", "url(", "@import", "src="] {
            assert!(!html.contains(elsewhere), "{elsewhere}");
        }
    }
}
