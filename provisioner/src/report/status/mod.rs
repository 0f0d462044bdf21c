//! How things stand, in one sentence first: since when, and what to do next.
//!
//! The sentence is drawn from the register, which is what every decision rests on; where that cannot be read nobody
//! can tell, and that is said. Then everything that was seen, and what could not be seen, why.

mod facts;
mod json;
mod screen;

pub use self::facts::changes_between;
pub use self::json::status_json;
pub use self::screen::status_text;

use fencing::health::{Check, Level, STALE_AFTER_SECONDS, WATCHDOG_SILENT_AFTER_SECONDS};
use fencing::register::next::NextCommand;
use fencing::register::{Record, RejoinStep, State};
use fencing::settings::Mode as Told;
use fencing::words::SiteName;
use jiff::{SignedDuration, Timestamp};

use crate::observed::forced::{ForcedFence, ForcedStep};
use crate::observed::status::{AcceleratorState, EndpointState, RegisterItems, StatusReading};
use crate::topology::{Mode, Region};

/// The result, for programs: the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// A lost site would be fenced.
    Healthy,
    /// It may not be, or something else is not as it should be.
    Degraded,
    /// A site is out, or on its way out or back.
    Fenced,
    Unknown,
}

impl Condition {
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Fenced => "fenced",
            Self::Unknown => "unknown",
        }
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub what: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
    /// Whether a lost site may not be fenced because of it, or one does not serve as it should.
    pub degrades: bool,
}

impl From<String> for Complaint {
    fn from(what: String) -> Self {
        Self {
            what,
            hint: None,
            degrades: true,
        }
    }
}

impl Complaint {
    fn hint(what: String, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..what.into()
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub condition: Condition,
    /// How things are and since when.
    pub sentence: String,
    /// The command that comes next, if one does.
    pub next: Option<String>,
    /// All that is not as it should be, the worst first.
    pub complaints: Vec<Complaint>,
}

impl Summary {
    /// The sentence with the command.
    pub fn line(&self) -> String {
        match &self.next {
            Some(next) => format!("{}\nnext: {next}", self.sentence),
            None => self.sentence.clone(),
        }
    }
}

/// What the record alone says, as far as it is not that all is as usual: every verb that looks at AWS begins with it.
pub fn herald(topology: &str, record: &Record, mode: Mode, file: &str) -> Option<String> {
    let verdict = of_record(topology, record, mode == Mode::Observe, file)?;
    Some(verdict.line())
}

/// The judgement over everything that was seen.
pub fn verdict(seen: &StatusReading) -> Summary {
    let topology = &seen.topology;
    if let Some(left) = forced(seen) {
        let complaints = seen.register.as_ref().map(|items| complaints(seen, items));
        return Summary {
            condition: Condition::Fenced,
            sentence: format!("{topology}: {}", of_forced(left)),
            next: Some(format!("provision reconcile {}", seen.file)),
            complaints: complaints.unwrap_or_default(),
        };
    }
    let items = match &seen.register {
        Ok(items) => items,
        Err(reason) => {
            return Summary {
                condition: Condition::Unknown,
                sentence: format!("{topology}: unknown: the register cannot be read: {reason}"),
                next: None,
                complaints: Vec::new(),
            };
        }
    };
    let complaints = complaints(seen, items);
    if let Some(mut verdict) = of_record(topology, &items.record, observes(seen), &seen.file) {
        verdict.complaints = complaints;
        return verdict;
    }
    let before = match items.record.epoch.0 {
        0 => "nothing was ever decided".to_owned(),
        epoch => format!("epoch {epoch} is over"),
    };
    let quiet = items
        .record
        .cooldown_until
        .filter(|until| *until > seen.at)
        .map(|until| format!("; quiet time: no new decision before {until}"))
        .unwrap_or_default();
    let degrading: Vec<&Complaint> = complaints.iter().filter(|complaint| complaint.degrades).collect();
    let (condition, sentence) = match degrading.first() {
        None => (
            Condition::Healthy,
            format!("{topology}: both sites serve, and a lost one would be fenced; {before}{quiet}"),
        ),
        Some(first) => {
            let more = match degrading.len() {
                1 => String::new(),
                number => format!(", and {} more below", number - 1),
            };
            (
                Condition::Degraded,
                format!("{topology}: no site is fenced, but {}{more}{quiet}", first.what),
            )
        }
    };
    Summary {
        condition,
        sentence,
        next: None,
        complaints,
    }
}

/// What a fence by force has left at a function.
fn forced(seen: &StatusReading) -> Option<&ForcedFence> {
    let functions = seen.functions.values();
    functions
        .filter_map(|function| function.as_ref().ok()?.as_ref()?.forced.as_ref())
        .max_by_key(|left| left.step != ForcedStep::Stopped)
}

fn of_forced(left: &ForcedFence) -> String {
    let (fenced, by, since) = (&left.fenced, &left.by, to_the_second(left.at));
    match left.step {
        ForcedStep::Stopped => format!(
            "{by} stopped the functions ({since}) in order to fence {fenced} by force; nothing else has been done \
             yet"
        ),
        ForcedStep::Begun => format!(
            "{fenced} was fenced by force: {by} started that {since}. All functions are stopped until `provision \
             reconcile` has recorded it"
        ),
        ForcedStep::CutAlone => format!(
            "replication to {fenced} was cut by force: {by} started that {since}. Both sites are still in the \
             accelerator, and all functions are stopped until `provision reconcile` has recorded it"
        ),
    }
}

/// The deployed function's settings count; the file may not be applied yet.
fn observes(seen: &StatusReading) -> bool {
    let told = seen.functions.values().find_map(|function| {
        let settings = &function.as_ref().ok()?.as_ref()?.settings;
        settings.as_ref().ok().map(|settings| settings.mode)
    });
    told.map_or(seen.mode == Mode::Observe, |told| told == Told::Observe)
}

fn of_record(topology: &str, record: &Record, observes: bool, file: &str) -> Option<Summary> {
    let verdict = |condition, sentence: String, next: String| Summary {
        condition,
        sentence: format!("{topology}: {sentence}"),
        next: Some(next),
        complaints: Vec::new(),
    };
    if let Some(decision) = &record.decision {
        let (survivor, fenced) = (&decision.survivor.0, &decision.fenced.0);
        let (epoch, since) = (record.epoch, to_the_second(decision.decided_at));
        let next = NextCommand::of(record)?.line(file);
        let sentence = match record.state {
            State::Open => return None,
            State::Decided | State::Isolated if record.waiting => {
                format!(
                    "{survivor} will serve alone from epoch {epoch} on, but its promotion is not finished"
                )
            }
            State::Decided => {
                format!(
                    "{fenced} is being fenced, begun {since}, epoch {epoch}: it is not out of the accelerator yet"
                )
            }
            State::Isolated => format!(
                "{fenced} is being fenced, begun {since}, epoch {epoch}: it is out of the accelerator, and {survivor} may \
                 still wait for it"
            ),
            State::Complete => {
                format!("{fenced} has been fenced since {since}, epoch {epoch}: {survivor} serves alone")
            }
            State::Rejoining => format!(
                "{fenced} is being brought back, epoch {epoch}: {survivor} serves alone until that is done; last step {}",
                to_the_second(record.written_at)
            ),
        };
        return Some(verdict(Condition::Fenced, sentence, next));
    }
    if let Some(hold) = &record.hold {
        let until = hold
            .until
            .map(|until| format!(", meant to end at {}", to_the_second(until)))
            .unwrap_or_default();
        let sentence = format!(
            "no site is fenced, and none will be: {} has had a hold on since {}{until}: {}",
            hold.by,
            to_the_second(hold.since),
            hold.reason
        );
        return Some(verdict(
            Condition::Degraded,
            sentence,
            format!("provision release {file}"),
        ));
    }
    observes.then(|| {
        let sentence = "no site is fenced, and none will be: the function only observes".to_owned();
        let next = format!("set `mode: act` in {file}, then: provision apply {file}");
        verdict(Condition::Degraded, sentence, next)
    })
}

/// Why a site looks alive, if it does: the accelerator calls it healthy, and its Infinispan answered lately.
pub fn sign_of_life(seen: &StatusReading, site: &SiteName) -> Option<String> {
    let accelerator = seen.accelerator.as_ref().ok()?;
    let is_healthy = at(&accelerator.endpoints, site).any(|endpoint| endpoint.health == "HEALTHY");
    let checkup = screen::latest(seen)?;
    let answered = !is_older(checkup.at, seen.at, STALE_AFTER_SECONDS) && !checkup.unreachable.contains(site);
    (is_healthy && answered).then(|| {
        let past = ago(checkup.at, seen.at);
        format!("the accelerator calls it healthy, and its Infinispan answered {past} ago")
    })
}

/// All that is not as it should be, the worst first.
fn complaints(seen: &StatusReading, items: &RegisterItems) -> Vec<Complaint> {
    let mut all = Vec::new();
    for (region, function) in &seen.functions {
        match function {
            Ok(None) => all.push(Complaint::hint(
                format!("the function in {region} is not deployed"),
                format!("provision apply {}", seen.file),
            )),
            Ok(Some(function)) if function.state == "Failed" || function.update == "Failed" => {
                all.push(
                    format!(
                        "the function in {region} is {} and its update {}",
                        function.state, function.update
                    )
                    .into(),
                );
            }
            Ok(Some(function)) => {
                all.extend(function.settings.as_ref().err().map(|errors| {
                    format!("the function in {region} cannot read its settings: {errors}").into()
                }));
            }
            Err(reason) => {
                all.push(format!("the function in {region} cannot be inspected: {reason}").into());
            }
        }
        of_checkup(&mut all, region, seen, items);
    }
    match &seen.accelerator {
        Err(reason) => all.push(format!("the accelerator cannot be read: {reason}").into()),
        Ok(accelerator) => of_accelerator(&mut all, accelerator, seen, &items.record),
    }
    for site in &seen.sites {
        let hint = || {
            Some(format!(
                "its alert takes the path of a real one: Prometheus, Alertmanager, the cluster's egress; `provision apply \
                 {}` says how far it gets",
                seen.file
            ))
        };
        let what = match items.watchdogs.get(site) {
            None => format!("{site}'s watchdog has never arrived"),
            Some(at) if is_older(*at, seen.at, WATCHDOG_SILENT_AFTER_SECONDS) => {
                format!("{site}'s watchdog last arrived {} ago", ago(*at, seen.at))
            }
            Some(_) => continue,
        };
        all.push(Complaint {
            hint: hint(),
            ..what.into()
        });
    }
    all
}

/// What a function's own last look found. That a watchdog is silent is said from the stamps, which are newer.
fn of_checkup(all: &mut Vec<Complaint>, region: &Region, seen: &StatusReading, items: &RegisterItems) {
    let hint = "its schedule runs it every minute; the log of the function says why not";
    let checkup = match items.checkups.get(region) {
        None => {
            all.push(Complaint::hint(
                format!("the function in {region} has made no deep check yet"),
                hint,
            ));
            return;
        }
        Some(checkup) => checkup,
    };
    if is_older(checkup.at, seen.at, STALE_AFTER_SECONDS) {
        all.push(Complaint::hint(
            format!(
                "the last deep check in {region} is {} old",
                ago(checkup.at, seen.at)
            ),
            hint,
        ));
        return;
    }
    let told = |check: &Check| Complaint {
        what: format!("{} ({region}): {}", check.name, check.found),
        hint: check.hint.clone(),
        // By what the function means by a warning a site can be fenced all the same; a site that does not answer may be
        // one that does not serve.
        degrades: check.level == Level::Fails || check.name.starts_with("infinispan:"),
    };
    for level in [Level::Fails, Level::Warns] {
        let checks = checkup
            .at_level(level)
            .filter(|check| !check.name.starts_with("watchdog:"));
        all.extend(checks.map(told));
    }
}

fn of_accelerator(
    all: &mut Vec<Complaint>,
    accelerator: &AcceleratorState,
    seen: &StatusReading,
    record: &Record,
) {
    if !accelerator.enabled {
        all.push("the accelerator is switched off".to_owned().into());
    }
    let survivor = record.decision.as_ref().map(|decision| &decision.survivor.0);
    for site in &seen.sites {
        let here: Vec<&EndpointState> = at(&accelerator.endpoints, site).collect();
        match (here.is_empty(), survivor) {
            (true, None) => all.push(format!("{site} is not in the accelerator").into()),
            (true, Some(survivor)) if survivor == site => {
                all.push(format!("{site} should serve alone, but is not in the accelerator").into());
            }
            (false, Some(survivor)) if survivor != site && record.state == State::Complete => {
                all.push(format!("{site} is fenced, but still in the accelerator").into());
            }
            _ => {}
        }
        if here.iter().any(|endpoint| endpoint.health == "UNHEALTHY") {
            all.push(format!("the accelerator calls {site} unhealthy").into());
        }
    }
}

fn at<'a>(endpoints: &'a [EndpointState], site: &'a SiteName) -> impl Iterator<Item = &'a EndpointState> {
    endpoints
        .iter()
        .filter(move |endpoint| endpoint.site.as_ref() == Some(site))
}

fn is_older(at: Timestamp, now: Timestamp, seconds: u32) -> bool {
    now.duration_since(at) > SignedDuration::from_secs(seconds.into())
}

/// Nobody reads more of a time.
fn to_the_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
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

/// What of a rejoin comes next, in words.
pub(super) fn next_step(step: &RejoinStep) -> &'static str {
    match step {
        RejoinStep::CutStale => "stop its Keycloak, and have it stop replicating",
        RejoinStep::Clear(_) => "clear its caches",
        RejoinStep::RestoreStale => "have it replicate again",
        RejoinStep::Push => "have the other site's state pushed to it",
        RejoinStep::AwaitPush => "wait until all state is pushed",
        RejoinStep::Readd => "start its Keycloak, and put it back into the accelerator",
    }
}

#[cfg(test)]
mod tests;
