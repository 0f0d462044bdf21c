//! How things stand, in one sentence first: since when, and what to do next.
//!
//! The sentence is drawn from the register, which is what every decision rests on; where that cannot be read nobody
//! can tell, and that is said and nothing else. Then everything that was seen, and what could not be seen, why.

use std::fmt::Write as _;

use fencing::health::{Check, Level, Probe, STALE_AFTER_SECONDS, WATCHDOG_SILENT_AFTER_SECONDS};
use fencing::register::{Record, State};
use fencing::settings::Mode as Told;
use fencing::words::SiteName;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::observed::status::{EndpointState, RegisterItems, Source, StatusReading};
use crate::topology::Mode;

/// What it comes to, for programs: the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// A lost site would be fenced.
    Healthy,
    /// It may not be, or something else is not as it should be.
    Degraded,
    /// A site is out, or on its way out or back.
    Fenced,
    /// Nobody can tell.
    Unknown,
}

impl Condition {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Fenced => "fenced",
            Self::Unknown => "unknown",
        }
    }
}

/// The judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it comes to.
    pub condition: Condition,
    /// How things are and since when.
    pub sentence: String,
    /// The command that comes next, if one does.
    pub next: Option<String>,
    /// All that is not as it should be.
    pub complaints: Vec<String>,
}

impl Verdict {
    /// The sentence with the command.
    pub fn line(&self) -> String {
        match &self.next {
            Some(next) => format!("{}\nnext: {next}", self.sentence),
            None => self.sentence.clone(),
        }
    }
}

/// What the record alone says, as far as it is not that all is as usual: every verb that looks at AWS begins with it.
pub fn herald(record: &Record, mode: Mode, file: &str) -> Option<String> {
    let verdict = of_record(record, mode == Mode::Observe, file)?;
    Some(verdict.line())
}

/// The judgement over everything that was seen.
pub fn verdict(seen: &StatusReading) -> Verdict {
    let items = match &seen.register {
        Ok(items) => items,
        Err(reason) => {
            return Verdict {
                condition: Condition::Unknown,
                sentence: format!(
                    "{}: nobody can tell: the register cannot be read: {reason}",
                    seen.topology
                ),
                next: None,
                complaints: Vec::new(),
            };
        }
    };
    let complaints = complaints(seen, items);
    if let Some(mut verdict) = of_record(&items.record, observes(seen), &seen.file) {
        verdict.complaints = complaints;
        return verdict;
    }
    let since = match items.record.epoch.0 {
        0 => "nothing was ever decided".to_owned(),
        epoch => format!("epoch {epoch} is over since {}", items.record.written_at),
    };
    let cooldown = items
        .record
        .cooldown_until
        .filter(|until| *until > seen.at)
        .map(|until| format!("; quiet time until {until}: no new decision before"))
        .unwrap_or_default();
    let (condition, sentence) = match complaints.first() {
        None => (
            Condition::Healthy,
            format!("{}: both sites belong to it, {since}{cooldown}", seen.topology),
        ),
        Some(first) => {
            let more = match complaints.len() {
                1 => String::new(),
                number => format!(", and {} more below", number - 1),
            };
            (
                Condition::Degraded,
                format!("{}: no site is fenced, but {first}{more}", seen.topology),
            )
        }
    };
    Verdict {
        condition,
        sentence,
        next: None,
        complaints,
    }
}

/// What the function was told counts; the file may not be applied yet.
fn observes(seen: &StatusReading) -> bool {
    let told = seen.functions.values().find_map(|function| {
        let settings = &function.as_ref().ok()?.as_ref()?.settings;
        settings.as_ref().ok().map(|settings| settings.mode)
    });
    told.map_or(seen.mode == Mode::Observe, |told| told == Told::Observe)
}

fn of_record(record: &Record, observes: bool, file: &str) -> Option<Verdict> {
    let verdict = |condition, sentence: String, next: Option<String>| Verdict {
        condition,
        sentence,
        next,
        complaints: Vec::new(),
    };
    if let Some(decision) = &record.decision {
        let (survivor, fenced) = (&decision.survivor.0, &decision.fenced.0);
        let (epoch, since) = (record.epoch, decision.decided_at);
        let rejoin = format!("provision rejoin {fenced} {file}");
        let (sentence, next) = match record.state {
            State::Open => return None,
            State::Decided | State::Unbalanced if record.waiting => (
                format!("{survivor} is to survive from epoch {epoch} on, and the promotion is not finished"),
                format!("provision promote {survivor} {file}"),
            ),
            State::Decided => (
                format!(
                    "{fenced} is being fenced since {since}, epoch {epoch}: it is not out of the accelerator yet"
                ),
                format!("provision status {file}"),
            ),
            State::Unbalanced => (
                format!(
                    "{fenced} is being fenced since {since}, epoch {epoch}: it is out, and {survivor} still replicates to it"
                ),
                format!("provision status {file}"),
            ),
            State::Complete => (
                format!("{fenced} is fenced since {since}, epoch {epoch}: {survivor} serves alone"),
                format!("{rejoin} --when-healed"),
            ),
            State::Rejoining => (
                format!(
                    "{fenced} is being brought back since {}, epoch {epoch}",
                    record.written_at
                ),
                rejoin,
            ),
        };
        return Some(verdict(Condition::Fenced, sentence, Some(next)));
    }
    if let Some(hold) = &record.hold {
        let until = hold
            .until
            .map(|until| format!(", meant to end at {until}"))
            .unwrap_or_default();
        let sentence = format!(
            "no site is fenced, and none will be: {} holds since {}{until}: {}",
            hold.by, hold.since, hold.reason
        );
        return Some(verdict(
            Condition::Degraded,
            sentence,
            Some(format!("provision release {file}")),
        ));
    }
    observes.then(|| {
        let sentence = "no site is fenced, and none will be: the function only observes".to_owned();
        let next = format!("set `mode: act` in {file}, then: provision apply {file}");
        verdict(Condition::Degraded, sentence, Some(next))
    })
}

/// Why a site looks alive, if it does: the accelerator calls it healthy, and its Infinispan answered lately.
pub fn sign_of_life(seen: &StatusReading, site: &SiteName) -> Option<String> {
    let accelerator = seen.accelerator.as_ref().ok()?;
    let is_healthy = at(&accelerator.endpoints, site).any(|endpoint| endpoint.health == "HEALTHY");
    let items = seen.register.as_ref().ok()?;
    let checkup = items.checkups.values().max_by_key(|checkup| checkup.at)?;
    let answered = !is_older(checkup.at, seen.at, STALE_AFTER_SECONDS) && !checkup.unreachable.contains(site);
    (is_healthy && answered).then(|| {
        let past = ago(checkup.at, seen.at);
        format!("the accelerator calls it healthy, and its Infinispan answered {past} ago")
    })
}

/// All that is not as it should be, the worst first.
fn complaints(seen: &StatusReading, items: &RegisterItems) -> Vec<String> {
    let mut all = Vec::new();
    for (region, function) in &seen.functions {
        match function {
            Ok(None) => all.push(format!("the function of {region} is not deployed")),
            Ok(Some(function)) if function.state == "Failed" || function.update == "Failed" => {
                all.push(format!(
                    "the function of {region} is {} and its update {}",
                    function.state, function.update
                ));
            }
            Ok(Some(function)) => all.extend(function.settings.as_ref().err().cloned()),
            Err(reason) => all.push(format!("the function of {region} cannot be looked at: {reason}")),
        }
        match items.checkups.get(region) {
            None => all.push(format!("the function of {region} has made no deep check yet")),
            Some(checkup) if is_older(checkup.at, seen.at, STALE_AFTER_SECONDS) => {
                all.push(format!(
                    "the last deep check of {region} is {} old",
                    ago(checkup.at, seen.at)
                ));
            }
            Some(checkup) => {
                let told = |check: &Check| format!("{} ({region}): {}", check.name, check.found);
                all.extend(checkup.at_level(Level::Fails).map(told));
                all.extend(checkup.at_level(Level::Warns).map(told));
            }
        }
    }
    match &seen.accelerator {
        Err(reason) => all.push(format!("the accelerator cannot be looked at: {reason}")),
        Ok(accelerator) => {
            if !accelerator.enabled {
                all.push("the accelerator is switched off".to_owned());
            }
            let expected = items
                .record
                .decision
                .as_ref()
                .map(|decision| &decision.survivor.0);
            for site in &seen.sites {
                let here: Vec<&EndpointState> = at(&accelerator.endpoints, site).collect();
                match (here.is_empty(), expected) {
                    (true, None) => all.push(format!("{site} is not in the accelerator")),
                    (true, Some(survivor)) if survivor == site => {
                        all.push(format!("{site} is to serve alone and is not in the accelerator"));
                    }
                    (false, Some(survivor)) if survivor != site && items.record.state != State::Rejoining => {
                        all.push(format!("{site} is fenced and yet in the accelerator"));
                    }
                    _ => {}
                }
                if here.iter().any(|endpoint| endpoint.health == "UNHEALTHY") {
                    all.push(format!("the accelerator calls {site} unhealthy"));
                }
            }
        }
    }
    for site in &seen.sites {
        match items.watchdogs.get(site) {
            None => all.push(format!("{site}'s watchdog never came through")),
            Some(at) if is_older(*at, seen.at, WATCHDOG_SILENT_AFTER_SECONDS) => {
                all.push(format!(
                    "{site}'s watchdog came through last {} ago",
                    ago(*at, seen.at)
                ));
            }
            Some(_) => {}
        }
    }
    all
}

fn at<'a>(endpoints: &'a [EndpointState], site: &'a SiteName) -> impl Iterator<Item = &'a EndpointState> {
    endpoints
        .iter()
        .filter(move |endpoint| endpoint.site.as_ref() == Some(site))
}

fn is_older(at: Timestamp, now: Timestamp, seconds: u32) -> bool {
    now.duration_since(at) > SignedDuration::from_secs(seconds.into())
}

/// How long ago, as people say it. Clocks differ a little: what lies ahead is now.
fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.duration_since(at).as_secs().max(0) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// The screen.
pub fn status_text(seen: &StatusReading) -> String {
    let verdict = verdict(seen);
    let mut text = format!("{}\n\n", verdict.line());
    let mut unknown: Vec<String> = Vec::new();
    let rows: Vec<[String; 7]> = seen.sites.iter().map(|site| row(seen, site)).collect();
    table(
        &mut text,
        [
            "site",
            "accelerator",
            "health",
            "weight/dial",
            "Keycloak",
            "watchdog",
            "Infinispan",
        ],
        &rows,
    );
    text.push('\n');
    let mut line = |label: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{label:<11} {value}");
    };
    match &seen.register {
        Ok(items) => lines_of_record(&items.record, seen, &mut line),
        Err(reason) => unknown.push(format!("register: {reason}")),
    }
    line("mode", if observes(seen) { "observe" } else { "act" });
    match &seen.accelerator {
        Ok(accelerator) => line(
            "accelerator",
            match (accelerator.enabled, accelerator.deployed) {
                (false, _) => "switched off",
                (true, true) => "its last update is deployed",
                (true, false) => "its last update is still being deployed",
            },
        ),
        Err(reason) => unknown.push(format!("accelerator: {reason}")),
    }
    for (region, function) in &seen.functions {
        let checkup = seen
            .register
            .as_ref()
            .ok()
            .and_then(|items| items.checkups.get(region));
        let checkup = checkup.map_or_else(
            || "no deep check is known".to_owned(),
            |checkup| format!("deep check {} ago", ago(checkup.at, seen.at)),
        );
        match function {
            Ok(Some(function)) => line(
                "function",
                &format!(
                    "{region}  {}, update {}, code {}; {checkup}",
                    function.state, function.update, function.code
                ),
            ),
            Ok(None) => line("function", &format!("{region}  not deployed")),
            Err(reason) => unknown.push(format!("function of {region}: {reason}")),
        }
    }
    for (site, keycloak) in &seen.keycloaks {
        if let Err(reason) = keycloak {
            unknown.push(format!("Keycloak of {site}: {reason}"));
        }
    }
    for (heading, all) in [
        ("not as it should be:", verdict.complaints),
        ("unknown:", unknown),
    ] {
        if !all.is_empty() {
            let _ = write!(
                text,
                "\n{heading}\n{}",
                all.iter().map(|one| format!("  {one}\n")).collect::<String>()
            );
        }
    }
    text
}

fn lines_of_record(record: &Record, seen: &StatusReading, line: &mut impl FnMut(&str, &str)) {
    match &record.decision {
        Some(decision) => {
            line(
                "decision",
                &format!("epoch {}, {}, by {}", record.epoch, record.state, decision.by),
            );
            line("evidence", &decision.evidence);
        }
        None => line("decision", &format!("none in force, epoch {}", record.epoch)),
    }
    if let Some(rejoin) = &record.rejoin {
        line(
            "rejoin",
            &format!("next step {}, driven by {}", step_word(rejoin), rejoin.session),
        );
    }
    if let Some(hold) = &record.hold {
        let until = hold
            .until
            .map(|until| format!(", until {until}"))
            .unwrap_or_default();
        line(
            "hold",
            &format!("by {} since {}{until}: {}", hold.by, hold.since, hold.reason),
        );
    }
    if let Some(until) = record.cooldown_until.filter(|until| *until > seen.at) {
        line("quiet time", &format!("no new decision before {until}"));
    }
    if let Some(claim) = record.claim.as_ref().filter(|claim| claim.until > seen.at) {
        line(
            "claim",
            &format!("request {} is at work until {}", claim.owner, claim.until),
        );
    }
    if record.rev.0 > 0 {
        line(
            "register",
            &format!(
                "revision {}, {} ago, by {}",
                record.rev,
                ago(record.written_at, seen.at),
                record.by
            ),
        );
    }
}

fn step_word(rejoin: &fencing::register::Rejoin) -> String {
    match serde_json::to_value(&rejoin.step) {
        Ok(value) => value["at"].as_str().unwrap_or("unknown").to_owned(),
        Err(_) => "unknown".to_owned(),
    }
}

const UNKNOWN: &str = "unknown";

fn row(seen: &StatusReading, site: &SiteName) -> [String; 7] {
    let items = seen.register.as_ref().ok();
    let endpoints: Source<Vec<&EndpointState>> = match &seen.accelerator {
        Ok(accelerator) => Ok(at(&accelerator.endpoints, site).collect()),
        Err(reason) => Err(reason.clone()),
    };
    let [in_or_out, health, share] = match endpoints {
        Err(_) => [UNKNOWN; 3].map(str::to_owned),
        Ok(here) if here.is_empty() => ["out", "-", "-"].map(str::to_owned),
        Ok(here) => {
            let mut healths: Vec<&str> = here.iter().map(|endpoint| endpoint.health.as_str()).collect();
            healths.sort_unstable();
            healths.dedup();
            ["in".to_owned(), healths.join("+"), share(&here)]
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
    // Of several Regions' looks the latest.
    let look = items.and_then(|items| {
        let latest = items.checkups.values().max_by_key(|checkup| checkup.at)?;
        let backup = seen.sites.iter().find(|other| *other != site)?;
        let probe = Probe::Infinispan {
            at: site.clone(),
            backup: backup.clone(),
        };
        let name = probe.name();
        let check = latest.checks.iter().find(|check| check.name == name)?;
        Some(format!("{} ({} ago)", check.found, ago(latest.at, seen.at)))
    });
    [
        site.to_string(),
        in_or_out,
        health,
        share,
        keycloak,
        watchdog,
        look.unwrap_or_else(|| UNKNOWN.to_owned()),
    ]
}

/// Weight and dial where they are not the usual ones.
fn share(here: &[&EndpointState]) -> String {
    let unusual: Vec<String> = here
        .iter()
        .filter(|endpoint| {
            endpoint.weight.is_some_and(|weight| weight != 128)
                || endpoint.dial.is_some_and(|dial| dial < 100.0)
        })
        .map(|endpoint| {
            let weight = endpoint
                .weight
                .map_or_else(|| "-".to_owned(), |weight| weight.to_string());
            let dial = endpoint
                .dial
                .map_or_else(|| "-".to_owned(), |dial| format!("{dial}%"));
            format!("{weight}/{dial}")
        })
        .collect();
    match unusual.is_empty() {
        true => "usual".to_owned(),
        false => unusual.join(", "),
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

/// The same for programs; `docs/status.md` describes it. Fields are added, never renamed.
pub fn status_json(seen: &StatusReading) -> Value {
    let verdict = verdict(seen);
    let sites: Vec<Value> = seen.sites.iter().map(|site| site_json(seen, site)).collect();
    let functions: serde_json::Map<String, Value> = seen
        .functions
        .iter()
        .map(|(region, function)| {
            let value = known(function, |function| {
                json!(function.as_ref().map(|function| json!({
                    "state": function.state, "update": function.update, "codeSha256": function.code,
                })))
            });
            (region.clone(), value)
        })
        .collect();
    json!({
        "topology": seen.topology,
        "at": seen.at.to_string(),
        "condition": verdict.condition.word(),
        "sentence": verdict.sentence,
        "next": verdict.next,
        "complaints": verdict.complaints,
        "mode": if observes(seen) { "observe" } else { "act" },
        "sites": sites,
        "register": known(&seen.register, |items| json!(items.record)),
        "checkups": known(&seen.register, |items| json!(items.checkups)),
        "accelerator": known(&seen.accelerator, |state| json!({
            "enabled": state.enabled, "deployed": state.deployed,
        })),
        "functions": functions,
    })
}

fn site_json(seen: &StatusReading, site: &SiteName) -> Value {
    let endpoints = known(&seen.accelerator, |accelerator| {
        let here = at(&accelerator.endpoints, site);
        let endpoints = here.map(|endpoint| {
            json!({
                "id": endpoint.id, "health": endpoint.health, "weight": endpoint.weight, "dial": endpoint.dial,
            })
        });
        json!(endpoints.collect::<Vec<_>>())
    });
    let keycloak = seen.keycloaks.get(site).map(|keycloak| {
        known(
            keycloak,
            |state| json!({"wanted": state.wanted, "pods": state.pods, "ready": state.ready}),
        )
    });
    json!({
        "name": site,
        "endpoints": endpoints,
        "keycloak": keycloak,
        "watchdogLastSeen": known(&seen.register, |items| json!(items.watchdogs.get(site).map(ToString::to_string))),
    })
}

/// What is known, or `{"unknown": why}`.
fn known<T>(source: &Source<T>, value: impl FnOnce(&T) -> Value) -> Value {
    match source {
        Ok(seen) => value(seen),
        Err(reason) => json!({"unknown": reason}),
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
