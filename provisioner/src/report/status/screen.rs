//! The screen: the sentence, a row for each site, the decision and what stands beside it, what is wrong, what is unknown.

use std::fmt::Write as _;

use fencing::health::{Check, Checkup, Probe, STALE_AFTER_SECONDS};
use fencing::register::Record;
use fencing::replication::Sight;
use fencing::words::SiteName;
use jiff::SignedDuration;

use super::{ago, at, next_step, observes, verdict};
use crate::observed::status::{EndpointState, FunctionState, RegisterItems, StatusReading};
use crate::topology::Region;

pub(super) const UNKNOWN: &str = "unknown";
/// Nothing can be said of what is not there.
const NOTHING: &str = "-";
/// The weight and the dial that AWS gives unasked.
const USUAL_WEIGHT: i32 = 128;
const USUAL_DIAL: f32 = 100.0;

pub fn status_text(seen: &StatusReading) -> String {
    let verdict = verdict(seen);
    let mut text = format!("{}\n\n", verdict.line());
    let rows: Vec<[String; 7]> = seen
        .sites
        .iter()
        .map(|site| {
            let cells = cells(seen, site);
            [
                site.to_string(),
                cells.accelerator,
                cells.health,
                cells.share,
                format!("{}{}", cells.sees, age_of_look(seen)),
                cells.keycloak,
                cells.watchdog,
            ]
        })
        .collect();
    let head = [
        "site",
        "accelerator",
        "health",
        "weight/dial",
        "sees the other",
        "Keycloak",
        "watchdog",
    ];
    table(&mut text, head, &rows);
    text.push('\n');
    let mut lines = Lines::default();
    if let Ok(items) = &seen.register {
        of_record(&items.record, seen, &mut lines);
    }
    lines.say("mode", if observes(seen) { "observe" } else { "act" });
    if let Ok(accelerator) = &seen.accelerator {
        let state = match (accelerator.enabled, accelerator.deployed) {
            (false, _) => "switched off",
            (true, true) => "its last update is deployed",
            (true, false) => "its last update is still being deployed",
        };
        lines.say("accelerator", state);
    }
    for (region, function) in &seen.functions {
        if let Ok(function) = function {
            lines.say("function", &of_function(seen, region, function.as_ref()));
        }
    }
    for site in &seen.sites {
        if let Some((check, checkup)) = infinispan(seen, site) {
            let past = ago(checkup.at, seen.at);
            lines.say("Infinispan", &format!("{site}  {} ({past} ago)", check.found));
        }
    }
    if let Ok(items) = &seen.register {
        let command = format!("provision drill {} --split-brain", seen.file);
        let is_due = drill_is_due(seen, items);
        let drill = match (&items.drill, is_due) {
            (None, false) => format!("never: {command} shows how long a fence really takes"),
            (None, true) => format!("never, and one is due: {command}"),
            (Some(drill), _) => {
                let past = ago(drill.lost_at, seen.at);
                let due = if is_due {
                    format!("; another is due: {command}")
                } else {
                    String::new()
                };
                format!("{past} ago: {}{due}", super::super::drill::last_drill(drill))
            }
        };
        lines.say("last drill", &drill);
    }
    text.push_str(&lines.0);
    let complaints = verdict.complaints.iter().map(|complaint| {
        let hint = complaint.hint.iter().map(|hint| format!("    hint: {hint}\n"));
        format!("  {}\n{}", complaint.what, hint.collect::<String>())
    });
    let unknown = unknown(seen).into_iter().map(|line| format!("  {line}\n"));
    for (heading, all) in [
        ("not as it should be:", complaints.collect::<String>()),
        ("unknown:", unknown.collect()),
    ] {
        if !all.is_empty() {
            let _ = write!(text, "\n{heading}\n{all}");
        }
    }
    text
}

/// Whether the topology wants to be reminded of a drill by now. Where there has been none, the function says since when
/// it looks for one.
pub(super) fn drill_is_due(seen: &StatusReading, items: &RegisterItems) -> bool {
    let waited_since = || {
        let since = items.checkups.values().map(|checkup| checkup.undrilled_since);
        since.max().flatten()
    };
    let since = items
        .drill
        .as_ref()
        .map(|drill| drill.lost_at)
        .or_else(waited_since);
    let remind_after = SignedDuration::from_secs(seen.remind_after_seconds.into());
    !remind_after.is_zero() && since.is_some_and(|since| seen.at.duration_since(since) >= remind_after)
}

/// What could not be read, and why.
fn unknown(seen: &StatusReading) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut add = |what: String, reason: Option<&String>| {
        unknown.extend(reason.map(|reason| format!("{what}: {reason}")));
    };
    add("register".to_owned(), seen.register.as_ref().err());
    add("accelerator".to_owned(), seen.accelerator.as_ref().err());
    for (region, function) in &seen.functions {
        add(format!("function in {region}"), function.as_ref().err());
    }
    for (site, keycloak) in &seen.keycloaks {
        add(format!("Keycloak of {site}"), keycloak.as_ref().err());
    }
    unknown
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn say(&mut self, label: &str, value: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{label:<11} {value}");
    }
}

fn of_record(record: &Record, seen: &StatusReading, lines: &mut Lines) {
    match &record.decision {
        Some(decision) => {
            lines.say(
                "decision",
                &format!(
                    "epoch {}, {}, by {}, {} ago",
                    record.epoch,
                    record.state,
                    decision.by,
                    ago(decision.decided_at, seen.at)
                ),
            );
            lines.say("evidence", &decision.evidence);
        }
        None => lines.say("decision", &format!("none in force, epoch {}", record.epoch)),
    }
    if let Some(rejoin) = &record.rejoin {
        let next = next_step(&rejoin.step);
        lines.say("rejoin", &format!("next: {next}; driven by {}", rejoin.session));
    }
    if let Some(hold) = &record.hold {
        let until = hold
            .until
            .map(|until| format!(", until {until}"))
            .unwrap_or_default();
        lines.say(
            "hold",
            &format!("by {} since {}{until}: {}", hold.by, hold.since, hold.reason),
        );
    }
    if let Some(until) = record.cooldown_until.filter(|until| *until > seen.at) {
        lines.say("quiet time", &format!("no new decision before {until}"));
    }
    if let Some(claim) = record.claim.as_ref().filter(|claim| claim.until > seen.at) {
        lines.say(
            "claim",
            &format!("request {} is at work until {}", claim.owner, claim.until),
        );
    }
    if record.rev.0 > 0 {
        let past = ago(record.written_at, seen.at);
        lines.say(
            "register",
            &format!("revision {}, {past} ago, by {}", record.rev, record.by),
        );
    }
}

fn of_function(seen: &StatusReading, region: &Region, function: Option<&FunctionState>) -> String {
    let Some(function) = function else {
        return format!("{region}  not deployed");
    };
    let items = seen.register.as_ref().ok();
    let checkup = items.and_then(|items| items.checkups.get(region));
    let failure = checkup.and_then(|checkup| checkup.last_failure.as_ref());
    let failure = failure.map_or_else(String::new, |failure| {
        format!(
            "; last error {} ago: {}",
            ago(failure.at, seen.at),
            failure.sentence
        )
    });
    let version = checkup.and_then(|checkup| checkup.version.as_ref());
    let version = version.map_or_else(String::new, |version| format!(", version {version}"));
    let checkup = checkup.map_or_else(
        || "no deep check is known".to_owned(),
        |checkup| format!("deep check {} ago", ago(checkup.at, seen.at)),
    );
    let reason = function.reason.as_ref();
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let update = match function.update.as_str() {
        "Successful" => String::new(),
        other => format!(", update {other}"),
    };
    format!(
        "{region}  {}{update}{reason}{version}, code {}; {checkup}{failure}",
        function.state, function.code
    )
}

/// What is said of a site in its row.
pub(super) struct Cells {
    pub(super) accelerator: String,
    pub(super) health: String,
    pub(super) share: String,
    pub(super) sees: String,
    pub(super) keycloak: String,
    pub(super) watchdog: String,
}

pub(super) fn cells(seen: &StatusReading, site: &SiteName) -> Cells {
    let items = seen.register.as_ref().ok();
    let [accelerator, health, share] = match &seen.accelerator {
        Err(_) => [UNKNOWN; 3].map(str::to_owned),
        Ok(accelerator) => {
            let here: Vec<&EndpointState> = at(&accelerator.endpoints, site).collect();
            if here.is_empty() {
                ["out", NOTHING, NOTHING].map(str::to_owned)
            } else {
                ["in".to_owned(), health(&here), share(&here)]
            }
        }
    };
    let keycloak = match seen.keycloaks.get(site) {
        Some(Ok(state)) => match state.wanted {
            Some(wanted) => format!("{} of {wanted} ready", state.ready),
            None => format!("{} ready", state.ready),
        },
        _ => UNKNOWN.to_owned(),
    };
    let watchdog = items.map_or_else(
        || UNKNOWN.to_owned(),
        |items| match items.watchdogs.get(site) {
            Some(at) => format!("{} ago", ago(*at, seen.at)),
            None => "never".to_owned(),
        },
    );
    let sight = latest(seen).and_then(|checkup| checkup.sights.get(site));
    let sees = match sight {
        Some(Sight::Sees) => "yes",
        Some(Sight::Misses) => "NO",
        Some(Sight::Divided) => "its relay nodes disagree",
        Some(Sight::Nothing) => "no relay node found",
        Some(Sight::WrongSite) => "its address leads to another site",
        None => UNKNOWN,
    };
    Cells {
        accelerator,
        health,
        share,
        sees: sees.to_owned(),
        keycloak,
        watchdog,
    }
}

/// How old the function's last look is, where that is too old to say how things are: its schedule has stopped.
fn age_of_look(seen: &StatusReading) -> String {
    let is_old = |checkup: &&Checkup| {
        seen.at.duration_since(checkup.at) > SignedDuration::from_secs(STALE_AFTER_SECONDS.into())
    };
    let looked = latest(seen).filter(is_old);
    looked.map_or_else(String::new, |checkup| {
        format!(" ({} ago)", ago(checkup.at, seen.at))
    })
}

/// Of several Regions' looks the latest.
pub(super) fn latest(seen: &StatusReading) -> Option<&Checkup> {
    let items = seen.register.as_ref().ok()?;
    items.checkups.values().max_by_key(|checkup| checkup.at)
}

/// What a function last found at a site's Infinispan.
pub(super) fn infinispan<'a>(seen: &'a StatusReading, site: &SiteName) -> Option<(&'a Check, &'a Checkup)> {
    let latest = latest(seen)?;
    let backup = seen.sites.iter().find(|other| *other != site)?;
    let probe = Probe::Infinispan {
        at: site.clone(),
        backup: backup.clone(),
    };
    let name = probe.name();
    let check = latest.checks.iter().find(|check| check.name == name)?;
    Some((check, latest))
}

fn health(here: &[&EndpointState]) -> String {
    let mut healths: Vec<&str> = here.iter().map(|endpoint| endpoint.health.as_str()).collect();
    healths.sort_unstable();
    healths.dedup();
    healths.join("+")
}

/// Weight and dial where they are not the usual ones.
fn share(here: &[&EndpointState]) -> String {
    let unusual: Vec<String> = here
        .iter()
        .filter(|endpoint| {
            endpoint.weight.is_some_and(|weight| weight != USUAL_WEIGHT)
                || endpoint.dial.is_some_and(|dial| dial < USUAL_DIAL)
        })
        .map(|endpoint| {
            let weight = endpoint
                .weight
                .map_or_else(|| NOTHING.to_owned(), |weight| weight.to_string());
            let dial = endpoint
                .dial
                .map_or_else(|| NOTHING.to_owned(), |dial| format!("{dial}%"));
            format!("{weight}/{dial}")
        })
        .collect();
    if unusual.is_empty() {
        "usual".to_owned()
    } else {
        unusual.join(", ")
    }
}

/// Columns as wide as their widest value; the last is as long as it is.
fn table<const N: usize>(text: &mut String, head: [&str; N], rows: &[[String; N]]) {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let longest = rows
            .iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0);
        longest.max(head[column].chars().count())
    });
    let head = head.map(str::to_owned);
    for row in std::iter::once(&head).chain(rows) {
        let line: String = row
            .iter()
            .zip(widths)
            .map(|(value, width)| format!("{value:<width$}  "))
            .collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
}
