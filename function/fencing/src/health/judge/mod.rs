//! From looks to a result: what each of them means, and what they mean together.
//!
//! Everything here is said about values that were read, so a table of values tests it. What could not be
//! looked at is judged by what that means for a fence: silence of the register fails, silence of a site is
//! what this product is made for.

mod loss;
mod owner;
mod sites;

pub use sites::leads_elsewhere;

use jiff::{SignedDuration, Timestamp};

use super::{
    Check, Checkup, Level, Listing, Look, Probe, REJOIN_ABANDONED_AFTER_SECONDS, STUCK_AFTER_SECONDS, Seen,
    WATCHDOG_SILENT_AFTER_SECONDS, seconds_from,
};
use crate::accelerator::{Reading, Unfit};
use crate::credentials::{ENDS_A_LINE, WITHOUT_THE_END_OF_A_LINE};
use crate::register::{Record, RejoinStep, State};
use crate::replication::Sight;
use crate::settings::Settings;
use crate::step::Fault;
use crate::words::{Fenced, SiteName, Survivor};

/// What to say of one check.
struct Finding {
    level: Level,
    found: String,
    hint: Option<String>,
}

fn fine(found: impl Into<String>) -> Finding {
    Finding {
        level: Level::Fine,
        found: found.into(),
        hint: None,
    }
}

fn warns(found: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding {
        level: Level::Warns,
        found: found.into(),
        hint: Some(hint.into()),
    }
}

fn fails(found: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding {
        level: Level::Fails,
        found: found.into(),
        hint: Some(hint.into()),
    }
}

/// Of a secret that can be used.
fn usable(seen: &Seen) -> Finding {
    match seen {
        Seen::EndsALine => warns(format!("readable, but {ENDS_A_LINE}"), WITHOUT_THE_END_OF_A_LINE),
        _ => fine("readable, and not empty"),
    }
}

pub fn judge(settings: &Settings, now: Timestamp, looks: &[Look]) -> Checkup {
    let mut judge = Judge {
        settings,
        now,
        looks,
        checks: Vec::new(),
    };
    let record = match judge.seen(&Probe::Register) {
        Ok(Seen::Register(record)) => Some(record.as_deref().cloned().unwrap_or_else(Record::empty)),
        _ => None,
    };
    let previous = match judge.seen(&Probe::LastCheckup) {
        Ok(Seen::Checkup(previous)) => previous.as_deref(),
        _ => None,
    };
    judge.secrets();
    judge.accelerator(record.as_ref());
    let (marked, not_ours) = judge.owner(record.as_ref(), previous);
    let (sights, divided) = judge.sights();
    let blind = sights
        .iter()
        .filter(|(_, sight)| **sight == Sight::Nothing)
        .map(|(site, _)| site);
    let blind_since = judge.since(blind, previous.map(|previous| &previous.blind_since));
    let divided_since = judge.since(&divided, previous.map(|previous| &previous.divided_since));
    let witnesses = judge.witnesses(previous);
    let unreachable = judge.infinispans(record.as_ref(), &blind_since, &divided_since);
    judge.certificates();
    let unfenced = judge.unfenced(record.as_ref(), &sights, previous, marked.as_ref());
    judge.register(record.as_ref());
    judge.watchdogs();
    judge.notifications();
    let unfinished_since = record
        .as_ref()
        .and_then(|record| unfinished_since(record, previous, now));
    judge.decision(record.as_ref(), unfinished_since);
    let (held_seconds, hold_overdue_seconds) = judge.hold(record.as_ref());
    // No check of its own: a fence does not depend on it, and where the register is silent others say so.
    let undrilled_since = match judge.seen(&Probe::LastDrill) {
        Ok(Seen::Drilled(since)) => Some(*since),
        _ => None,
    };
    Checkup {
        at: now,
        epoch: record.as_ref().map(|record| record.epoch),
        state: record.as_ref().map(|record| record.state),
        unreachable,
        sights,
        witnesses,
        blind_since,
        divided_since,
        unfenced,
        unfinished_since,
        held_seconds,
        hold_overdue_seconds,
        undrilled_since,
        marked,
        not_ours,
        version: None,
        last_failure: previous.and_then(|previous| previous.last_failure.clone()),
        checks: judge.checks,
    }
}

/// Since when the decision in force is not carried out completely. A decision that was complete can become
/// unfinished again, when Infinispan forgets the cut: then its own age says nothing, and what the deep check
/// before has seen does.
fn unfinished_since(record: &Record, previous: Option<&Checkup>, now: Timestamp) -> Option<Timestamp> {
    if !matches!(record.state, State::Decided | State::Isolated) {
        return None;
    }
    let decided_at = record
        .decision
        .as_ref()
        .map_or(now, |decision| decision.decided_at);
    match previous.filter(|previous| previous.epoch == Some(record.epoch)) {
        Some(previous) => Some(previous.unfinished_since.unwrap_or(now)),
        None => Some(decided_at.min(now)),
    }
}

/// Which sites administrators have drained: such a one does not win over one that is not.
fn drained(sites: &[(SiteName, String)]) -> Finding {
    if sites.is_empty() {
        return fine("no site is drained");
    }
    let told: Vec<String> = sites
        .iter()
        .map(|(site, listener)| format!("{site} is drained in listener {listener}"))
        .collect();
    warns(
        format!("{}: weight or traffic dial 0", told.join(", ")),
        "a drained site does not survive the loss of a site that is not drained: if the work on it is over, restore \
         its weight and the dial; if it is the only one left, an operator's `fence` of the other one restores both",
    )
}

struct Judge<'a> {
    settings: &'a Settings,
    now: Timestamp,
    looks: &'a [Look],
    checks: Vec<Check>,
}

impl<'a> Judge<'a> {
    fn look(&self, probe: &Probe) -> Option<&'a Look> {
        self.looks.iter().find(|look| look.probe == *probe)
    }

    fn seen(&self, probe: &Probe) -> Result<&'a Seen, Fault> {
        match self.look(probe) {
            Some(Look { seen: Ok(seen), .. }) => Ok(seen),
            Some(Look { seen: Err(fault), .. }) => Err(fault.clone()),
            None => Err(Fault {
                whom: probe.name(),
                what: "it was not checked".to_owned(),
            }),
        }
    }

    fn say(&mut self, name: impl Into<String>, took_ms: u32, finding: Finding) {
        self.checks.push(Check {
            name: name.into(),
            level: finding.level,
            took_ms,
            found: finding.found,
            hint: finding.hint,
        });
    }

    fn say_of(&mut self, probe: &Probe, finding: Finding) {
        let took_ms = self.look(probe).map_or(0, |look| look.took_ms);
        self.say(probe.name(), took_ms, finding);
    }

    fn secrets(&mut self) {
        let role = "or the role's statement ReadItsSecrets does not name it: `provision apply` corrects that";
        let user = &self.settings.infinispan_username;
        for (probe, hint) in [
            (
                Probe::WebhookSecret,
                format!("it was deleted or emptied, {role}; Alertmanager's password has to be the same"),
            ),
            (
                Probe::InfinispanSecret,
                format!("store the password of the user `{user}` in it; {role}"),
            ),
        ] {
            let finding = match self.seen(&probe) {
                Ok(seen) => usable(seen),
                Err(fault) => fails(fault.to_string(), hint),
            };
            self.say_of(&probe, finding);
        }
        // Without it nobody can ask from outside, and a site is fenced all the same.
        let finding = match self.seen(&Probe::HealthSecret) {
            Ok(seen) => usable(seen),
            Err(fault) => warns(fault.to_string(), format!("it was deleted or emptied, {role}")),
        };
        self.say_of(&Probe::HealthSecret, finding);
    }

    fn accelerator(&mut self, record: Option<&Record>) {
        let probe = Probe::Accelerator;
        let seen = self.seen(&probe);
        let finding = match &seen {
            Ok(Seen::Listing(listing)) if listing.enabled => fine(format!(
                "found, enabled, with {} endpoint groups",
                listing.groups.len()
            )),
            Ok(Seen::Listing(_)) => fails("it is disabled: nobody reaches either site", "enable it"),
            Ok(_) => fails("it was not checked", "this is a bug in the function"),
            Err(fault) => fails(
                fault.to_string(),
                "was it deleted? Or the role's statement FindListenersAndGroups does not name it: `provision apply` \
                 corrects that",
            ),
        };
        self.say_of(&probe, finding);
        if let Ok(Seen::Listing(listing)) = seen {
            let finding = self.groups(listing);
            self.say("endpoint-groups", 0, finding);
        }
        let finding = match self.seen(&Probe::Endpoints) {
            Ok(Seen::Endpoints(reading)) => self.endpoints(reading, record),
            Ok(_) => fails("they were not checked", "this is a bug in the function"),
            Err(fault) => fails(
                fault.to_string(),
                "does the role's statement FenceAtTheAccelerator name each endpoint group? `provision apply` \
                 corrects that",
            ),
        };
        self.say_of(&Probe::Endpoints, finding);
        if let Ok(Seen::Endpoints(reading)) = self.seen(&Probe::Endpoints) {
            let finding = drained(&reading.drained(self.settings));
            self.say("drained", 0, finding);
        }
    }

    /// Whether the endpoint groups that the settings name are those that hold the sites.
    fn groups(&self, listing: &Listing) -> Finding {
        const AGAIN: &str = "`provision apply` looks again and updates the function";
        let known = &self.settings.found.endpoint_group_arns;
        let is_there = |arn: &&String| listing.groups.iter().any(|group| group.arn == **arn);
        if let Some(lost) = known.iter().find(|arn| !is_there(arn)) {
            return fails(format!("the endpoint group {lost} is gone"), AGAIN);
        }
        let unknown = listing.groups.iter().find(|group| {
            let holds_a_site = group
                .endpoints
                .iter()
                .any(|endpoint| self.settings.site_of_balancer(&endpoint.config.id).is_some());
            holds_a_site && !known.contains(&group.arn)
        });
        match unknown {
            Some(group) => fails(
                format!(
                    "the endpoint group {} holds a site, but the function would not look there",
                    group.arn
                ),
                AGAIN,
            ),
            None => fine("those that hold a site are known"),
        }
    }

    /// Whether the site that a rejoin brings back is in before the rejoin has got that far.
    fn is_in_too_early(&self, reading: &Reading, record: &Record) -> bool {
        let last = record
            .rejoin
            .as_ref()
            .is_some_and(|rejoin| rejoin.step == RejoinStep::Readd);
        let fenced = record.fenced();
        !last && fenced.is_some_and(|fenced| reading.holds(self.settings, fenced))
    }

    /// Whether the endpoints are what the register says they should be.
    fn endpoints(&self, reading: &Reading, record: Option<&Record>) -> Finding {
        let settings = self.settings;
        let [a, b] = settings.sites.each_ref().map(|site| &site.name);
        let both_ways = [(a, b), (b, a)].map(|(survivor, fenced)| {
            reading.outcome(
                settings,
                &Survivor(survivor.clone()),
                &Fenced(fenced.clone()),
                None,
            )
        });
        let unfit = |wanted: fn(&Unfit) -> bool| {
            both_ways
                .iter()
                .filter_map(|way| way.as_ref().err())
                .find(|unfit| wanted(unfit))
        };
        if let Some(stranger) = unfit(|unfit| matches!(unfit, Unfit::Unknown { .. } | Unfit::Nobody)) {
            return fails(
                stranger.to_string(),
                "was a balancer replaced? `provision apply` looks again; take out by hand what does not belong there",
            );
        }
        let Some(record) = record else {
            return fine("each belongs to a site; only the register knows whether it should be there");
        };
        match (&record.decision, record.state) {
            (Some(decision), State::Complete) if reading.agrees_with(&decision.outcome) => fine(format!(
                "exactly {}, as decided in epoch {}",
                decision.survivor, record.epoch
            )),
            (Some(_), State::Complete) if record.recovery_seen_at.is_some() => warns(
                "both sites are back in the accelerator: a recovery by hand, not yet confirmed",
                "nothing to do: it is confirmed when it has been seen twice",
            ),
            (Some(decision), State::Complete) => fails(
                format!(
                    "they are not what epoch {} decided, which is exactly {}",
                    record.epoch, decision.survivor
                ),
                "the schedule corrects what it may; its line in the log says what it found",
            ),
            (Some(decision), State::Rejoining) if self.is_in_too_early(reading, record) => fails(
                format!(
                    "{} is in the accelerator while it is being brought back",
                    decision.fenced
                ),
                "take it out by hand: it lacks state, and replication may be cut both ways; the rejoin puts it in as its \
                 last step",
            ),
            // On the way between two states; the check `decision` reports what takes too long.
            (Some(_), _) => fine(format!(
                "each belongs to a site; epoch {} is {}",
                record.epoch, record.state
            )),
            (None, _) => match unfit(|unfit| {
                // Health comes and goes, and of what is drained a check of its own tells.
                !matches!(
                    unfit,
                    Unfit::SurvivorUnhealthy { .. } | Unfit::SurvivorDrained { .. }
                )
            }) {
                Some(missing) => fails(
                    missing.to_string(),
                    "put it back; while it is out, replication to it continues",
                ),
                None => fine("exactly the two sites"),
            },
        }
    }

    fn register(&mut self, record: Option<&Record>) {
        let finding = match (self.seen(&Probe::Register), record) {
            (Ok(_), Some(record)) => fine(format!("epoch {}, {}", record.epoch, record.state)),
            (Ok(_), None) => fails("it was not checked", "this is a bug in the function"),
            (Err(fault), _) => fails(
                fault.to_string(),
                "no site can be fenced without it: does the table exist, and does the role's statement \
                 KeepTheRegister allow reading it?",
            ),
        };
        self.say_of(&Probe::Register, finding);
        let finding = match self.seen(&Probe::RegisterWrite) {
            Ok(_) => fine("accepts a conditional write"),
            Err(fault) => fails(
                fault.to_string(),
                "no site can be fenced without it: does the role's statement KeepTheRegister allow writing to the \
                 table?",
            ),
        };
        self.say_of(&Probe::RegisterWrite, finding);
    }

    fn watchdogs(&mut self) {
        for site in &self.settings.sites {
            let site = &site.name;
            let probe = Probe::Watchdog { of: site.clone() };
            let hint = "its reports about the other site would not arrive either: check Prometheus, Alertmanager, \
                        the way out of the cluster, and the webhook's password";
            let finding = match self.seen(&probe) {
                Ok(Seen::Watchdog(Some(last))) => {
                    let age = seconds_from(*last, self.now);
                    if age > u64::from(WATCHDOG_SILENT_AFTER_SECONDS) {
                        warns(format!("{site}'s last watchdog arrived {age} seconds ago"), hint)
                    } else {
                        fine(format!("{site}'s last watchdog arrived {age} seconds ago"))
                    }
                }
                Ok(_) => warns(format!("no watchdog from {site} has ever arrived"), hint),
                Err(fault) => warns(fault.to_string(), "it is not known whether its alerts arrive"),
            };
            self.say_of(&probe, finding);
        }
    }

    fn notifications(&mut self) {
        let probe = Probe::Subscriptions;
        if self.settings.found.topic_arn.is_empty() {
            return;
        }
        let finding = match self.seen(&probe) {
            Ok(Seen::Subscriptions { pending, confirmed }) if *pending > 0 => warns(
                format!(
                    "{pending} of {} subscriptions wait to be confirmed",
                    pending + confirmed
                ),
                "the owner of the address follows the link in the mail from AWS; it expires after days, and \
                 `provision apply` does not send another",
            ),
            Ok(Seen::Subscriptions { confirmed: 0, .. }) => warns(
                "nobody has subscribed to the notifications",
                "name addresses in `notify.emails`, or subscribe to the topic by hand",
            ),
            Ok(Seen::Subscriptions { confirmed, .. }) => fine(format!("{confirmed} subscriptions")),
            Ok(_) => warns("they were not checked", "this is a bug in the function"),
            Err(fault) => warns(
                fault.to_string(),
                "perhaps nobody is notified of a fence: does the topic exist, and may the role publish to it?",
            ),
        };
        self.say_of(&probe, finding);
    }

    fn decision(&mut self, record: Option<&Record>, unfinished_since: Option<Timestamp>) {
        let Some(record) = record else {
            return;
        };
        let silent = seconds_from(record.written_at, self.now);
        let finding = match unfinished_since.map(|since| seconds_from(since, self.now)) {
            None if record.state == State::Rejoining
                && silent > u64::from(REJOIN_ABANDONED_AFTER_SECONDS) =>
            {
                fails(
                    format!(
                        "epoch {} is rejoining, and nobody has continued it for {silent} seconds",
                        record.epoch
                    ),
                    "continue it: until it ends, the fenced site may have stopped replicating, and its Keycloak may \
                     be stopped",
                )
            }
            Some(age) if age > u64::from(STUCK_AFTER_SECONDS) => fails(
                format!(
                    "epoch {} has been {} for {age} seconds, and is not complete",
                    record.epoch, record.state
                ),
                "the survivor may still wait for the lost site; the schedule's line in the log says what keeps \
                 failing",
            ),
            Some(age) => fine(format!(
                "epoch {} has been {} for {age} seconds",
                record.epoch, record.state
            )),
            None => fine(format!(
                "epoch {}, {}: nothing is unfinished",
                record.epoch, record.state
            )),
        };
        self.say("decision", 0, finding);
    }

    /// Returns for how long a hold has lasted, and how much longer than intended.
    fn hold(&mut self, record: Option<&Record>) -> (Option<u64>, Option<u64>) {
        let Some(hold) = record.and_then(|record| record.hold.as_ref()) else {
            return (None, None);
        };
        let usual = SignedDuration::from_secs(self.settings.hold_after_seconds.into());
        let intended = match hold.until {
            Some(until) => until,
            // Beyond the calendar's end nothing is overdue.
            None => hold.since.checked_add(usual).unwrap_or(Timestamp::MAX),
        };
        let held = seconds_from(hold.since, self.now);
        let overdue = Some(seconds_from(intended, self.now)).filter(|seconds| *seconds > 0);
        let sentence = format!("held by {} since {}: {}", hold.by, hold.since, hold.reason);
        let finding = match overdue {
            Some(seconds) => warns(
                format!("{sentence}; {seconds} seconds longer than intended"),
                "no site is fenced while it lasts: `provision release` ends it",
            ),
            None => fine(sentence),
        };
        self.say("hold", 0, finding);
        (Some(held), overdue)
    }
}

#[cfg(test)]
mod tests;
