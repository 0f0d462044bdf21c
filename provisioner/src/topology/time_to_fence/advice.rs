//! What would make fencing faster or surer: faults of the settings, and what those could save that others keep.

use fencing::step::ROOM_SECONDS;
use serde::Serialize;

use super::{Basis, Detected, OPERATOR_SCRAPE_SECONDS, Readings, detected, has_two_relay_nodes};
use crate::topology::defaults::SUSPICION_SECONDS;
use crate::topology::{FailureDetection, Interval, Topology};

/// A Function URL serves so many requests a second for each unit of reserved concurrency.
pub const REQUESTS_PER_UNIT: u32 = 10;

/// Fewer executions at once than these a flood of strangers uses up without effort.
pub const FEW: u32 = 50;

/// A setting that makes fencing slower or less sure than it need be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// Where it stands in the topology.
    pub path: &'static str,
    /// What is wrong with it.
    pub what: String,
}

/// A setting that is as it should be, and what a shorter one would save.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Saving {
    /// Where it stands: in the topology, or in what others set.
    pub path: &'static str,
    /// Off the worst case.
    pub seconds: u32,
    /// To what, and at which price.
    pub what: String,
}

/// As often as it makes sense to read a handful of series and to look at them.
const OFTEN_SECONDS: u32 = 2;

/// What would make fencing faster or surer.
pub fn advice(topology: &Topology, read: &Readings) -> Vec<Advice> {
    let alerting = &topology.alerting;
    let mut advice = Vec::new();
    let mut say = |path, what: String| advice.push(Advice { path, what });
    slow_failure_detection(topology, read, &mut say);
    let seconds = alerting.group_wait.seconds();
    if seconds > 15 {
        say(
            "alerting.groupWait",
            format!(
                "the first alert leaves only after {seconds}s; 5s is enough to collect both sites' views"
            ),
        );
    }
    let seconds = alerting.scrape_interval.seconds();
    if topology.monitoring.pod_monitor && seconds > 15 {
        say(
            "alerting.scrapeInterval",
            format!(
                "a lost view is noticed only every {seconds}s; the PodMonitor keeps only a handful of series, so 5s costs little"
            ),
        );
    }
    if !topology.monitoring.pod_monitor {
        say(
            "monitoring.podMonitor",
            format!(
                "without it the view is read every {OPERATOR_SCRAPE_SECONDS}s by the operator's own monitor"
            ),
        );
    }
    let seconds = alerting.repeat_interval.seconds();
    if seconds > 3_600 {
        say(
            "alerting.repeatInterval",
            format!(
                "an alert that the function answered is repeated only every {seconds}s: what breaks after the answer \
                 goes unnoticed for that long; 5m is usual"
            ),
        );
    }
    for (index, site) in topology
        .sites
        .iter()
        .enumerate()
        .filter(|(_, site)| site.never_survivor)
    {
        let path = ["sites[0].neverSurvivor", "sites[1].neverSurvivor"][index.min(1)];
        say(
            path,
            format!(
                "{} never survives alone: if it loses the other site, and that site does not report it, nobody is \
                 fenced, and the alarm loss-not-fenced says so",
                site.name
            ),
        );
    }
    if let Some(reserved) = topology
        .function
        .reserved_concurrency
        .filter(|reserved| *reserved < FEW)
    {
        say(
            "function.reservedConcurrency",
            format!(
                "with {reserved} reserved, Lambda turns away all but {} requests a second, from anybody, and the \
                 URL is public: strangers can keep alerts out for as long as they like. Leave it out, or reserve {FEW} \
                 or more",
                reserved.saturating_mul(REQUESTS_PER_UNIT)
            ),
        );
    }
    let waits = alerting
        .pending
        .seconds()
        .saturating_add(alerting.group_wait.seconds());
    if alerting.suspicion.seconds() == 0 && waits > SUSPICION_SECONDS {
        let least = SUSPICION_SECONDS + ROOM_SECONDS;
        let timeout = topology.function.timeout;
        let needs = if timeout.seconds() < least {
            format!("; that needs a `function.timeout` of {least}s, not {timeout}")
        } else {
            String::new()
        };
        say(
            "alerting.suspicion",
            format!(
                "switched off: with {SUSPICION_SECONDS}s the function looks for itself instead of waiting for `for` and groupWait, and fences \
                 {}s sooner{needs}",
                waits - SUSPICION_SECONDS
            ),
        );
    }
    if alerting.suspicion.seconds() > 0 {
        let sooner = waits.saturating_sub(alerting.suspicion.seconds());
        let alone = topology
            .sites
            .iter()
            .filter(|site| !has_two_relay_nodes(site, read));
        for site in alone.filter(|_| sooner > 0) {
            let known = if read.relay_nodes.contains_key(&site.name) {
                "has one relay node"
            } else {
                "was not looked at, and the operator's default is one relay node"
            };
            say(
                "spec.service.sites.local.maxRelayNodes",
                format!(
                    "the Infinispan of {0} {known}: a restart of it looks like a lost site, so that a suspicion decides \
                     nothing. With two pods and two relay nodes {0} would be fenced {sooner}s sooner",
                    site.name
                ),
            );
        }
    }
    let seconds = alerting.pending.seconds();
    if seconds < 10 {
        say(
            "alerting.for",
            format!("within {seconds}s a restarted relay node can look like a lost site; 10s is long enough"),
        );
    }
    advice
}

/// Failure detection that is slower than it need be, or that nobody knows.
fn slow_failure_detection(topology: &Topology, read: &Readings, say: &mut impl FnMut(&'static str, String)) {
    let guide = FailureDetection::OF_THE_GUIDE;
    for site in &topology.sites {
        let Detected { detection, basis, .. } = detected(site, read);
        let seconds = detection.suspects_within_seconds();
        if seconds <= guide.suspects_within_seconds() {
            continue;
        }
        let what = format!(
            "`-Djgroups.xsite.fd.interval={} -Djgroups.xsite.fd.timeout={}` in the Infinispan resource of {} makes \
             it suspect a lost site after {}s instead of {seconds}s",
            guide.interval.seconds() * 1000,
            guide.timeout.seconds() * 1000,
            site.name,
            guide.suspects_within_seconds(),
        );
        match basis {
            Basis::Assumed => say(
                "sites[].infinispan.failureDetection",
                format!("{what}; if it already says so but cannot be read, give the values here"),
            ),
            _ => say("spec.container.extraJvmOpts", what),
        }
    }
}

/// What shorter settings would save off the worst case, beyond what is wrong with them.
pub fn savings(topology: &Topology, read: &Readings) -> Vec<Saving> {
    let mut savings = Vec::new();
    let short = FailureDetection::SHORT;
    let within = |site| detected(site, read).detection.suspects_within_seconds();
    let slowest = topology.sites.iter().map(within).max().unwrap_or_default();
    let seconds = slowest.saturating_sub(short.suspects_within_seconds());
    if seconds > 0 {
        savings.push(Saving {
            path: "spec.container.extraJvmOpts",
            seconds,
            what: format!(
                "`-Djgroups.xsite.fd.interval={} -Djgroups.xsite.fd.timeout={}` at both sites. A pause of a relay node or \
                 of the link as short as {} then costs a site: see first how long near misses last \
                 (`provision history --near-misses`)",
                short.interval.seconds() * 1000,
                short.timeout.seconds() * 1000,
                Interval::from_seconds(short.timeout.seconds().saturating_sub(short.interval.seconds())),
            ),
        });
    }
    let alerting = &topology.alerting;
    let often = Interval::from_seconds(OFTEN_SECONDS);
    if topology.monitoring.pod_monitor && alerting.scrape_interval > often {
        savings.push(Saving {
            path: "alerting.scrapeInterval",
            seconds: alerting.scrape_interval.seconds() - OFTEN_SECONDS,
            what: format!("{often}; each pod is then asked for its metrics every {often}"),
        });
    }
    if alerting.evaluation_interval > often {
        savings.push(Saving {
            path: "alerting.evaluationInterval",
            seconds: alerting.evaluation_interval.seconds() - OFTEN_SECONDS,
            what: format!("{often}; a handful of rules is then evaluated every {often}"),
        });
    }
    savings
}
