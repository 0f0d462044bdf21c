//! What would make fencing faster or surer: faults of the settings, and what those could save that others keep.

use fencing::contract::alert::SITE_OFFLINE;
use fencing::step::ROOM_SECONDS;
use serde::Serialize;

use super::{Basis, Detected, OPERATOR_SCRAPE_SECONDS, Readings, detected, relays, worst_case};
use crate::topology::defaults::SUSPICION_SECONDS;
use crate::topology::{FailureDetection, Heartbeats, Interval, Site, Topology};

/// A Function URL serves so many requests a second for each unit of reserved concurrency.
pub const REQUESTS_PER_UNIT: u32 = 10;

/// Fewer executions at once than these a flood of strangers uses up without effort.
pub const FEW: u32 = 50;

/// Both sites' suspicions are looked into at the same time, and beside them either site's `SiteOffline` has to get through.
const BESIDE_LOOKS: u32 = 4;

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
                "the first alert is sent only after {seconds}s; 5s is enough to collect the alerts of one loss"
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
    suspicions(topology, read, &mut say);
    long_heartbeats(topology, read, &mut say);
    let seconds = alerting.pending.seconds();
    if seconds < 10 {
        say(
            "alerting.for",
            format!(
                "within {seconds}s a relay node that takes over can look like a lost site to Prometheus; 10s is usual, and \
                 the function checks for itself in any case"
            ),
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

/// What keeps suspicions from getting a lost site fenced.
fn suspicions(topology: &Topology, read: &Readings, say: &mut impl FnMut(&'static str, String)) {
    let alerting = &topology.alerting;
    let waits = alerting.seconds_until_sent();
    if alerting.suspicion.seconds() == 0 {
        suspicions_switched_off(topology, waits, say);
        return;
    }
    too_few_executions(topology, say);
    let sooner = waits.saturating_sub(alerting.suspicion.seconds());
    if sooner > 0 {
        few_relay_nodes(topology, read, sooner, say);
        silent_caches(topology, read, sooner, say);
    }
}

fn suspicions_switched_off(topology: &Topology, waits: u32, say: &mut impl FnMut(&'static str, String)) {
    if waits > SUSPICION_SECONDS {
        let sooner = waits - SUSPICION_SECONDS;
        let least = SUSPICION_SECONDS + ROOM_SECONDS;
        let timeout = topology.function.timeout;
        let needs = if timeout.seconds() < least {
            format!(
                "off; with a `function.timeout` of {least}s or longer (it is {timeout}) and {SUSPICION_SECONDS}s"
            )
        } else {
            format!("off; with {SUSPICION_SECONDS}s")
        };
        say(
            "alerting.suspicion",
            format!(
                "{needs} the function checks for itself instead of waiting for `for` and groupWait: the worst case is \
                 {sooner}s shorter for a site with two relay nodes or more"
            ),
        );
    }
}

/// Whether a site's report finds an execution while suspicions keep theirs busy.
fn too_few_executions(topology: &Topology, say: &mut impl FnMut(&'static str, String)) {
    let alerting = &topology.alerting;
    if let Some(reserved) = topology
        .function
        .reserved_concurrency
        .filter(|reserved| *reserved < BESIDE_LOOKS)
    {
        say(
            "function.reservedConcurrency",
            format!(
                "each site's suspicion keeps an execution busy for {} or longer: with {reserved} reserved, the other site's \
                 report, {SITE_OFFLINE} included, may be turned away meanwhile, and comes again only after groupInterval \
                 ({}). Leave it out, or reserve {BESIDE_LOOKS} or more",
                alerting.suspicion, alerting.group_interval
            ),
        );
    }
}

/// A site with one relay node is never fenced on a suspicion.
fn few_relay_nodes(
    topology: &Topology,
    read: &Readings,
    sooner: u32,
    say: &mut impl FnMut(&'static str, String),
) {
    for site in &topology.sites {
        let name = &site.name;
        let what = match relays::count(site, read) {
            Some(_) if !relays::has_one(site, read) => continue,
            Some(_) => format!(
                "the Infinispan of {name} has one relay node. A restart of it looks like a lost site, so a suspicion of \
                 {name} never leads to a fence. With two pods and two relay nodes, and short heartbeats to the gossip \
                 routers, the worst case is {sooner}s shorter"
            ),
            None => format!(
                "how many relay nodes the Infinispan of {name} has is not known here; the operator's default is one. A restart \
                 of a single one looks like a lost site, so no fence of {name} by a suspicion is counted on. With two pods and \
                 two relay nodes, and short heartbeats to the gossip routers, the worst case is {sooner}s shorter; if it has \
                 them but cannot be read, give the values in sites[].infinispan.relayNodes and .heartbeats"
            ),
        };
        say("spec.service.sites.local.maxRelayNodes", what);
    }
}

/// By a cache's statistics the function knows how long a relay node has been running.
fn silent_caches(
    topology: &Topology,
    read: &Readings,
    sooner: u32,
    say: &mut impl FnMut(&'static str, String),
) {
    let Some(cache) = topology.caches.first() else {
        say(
            "caches",
            format!(
                "none is named, so the function cannot know how long a relay node has been running, and leaves every \
                 suspicion to {SITE_OFFLINE}"
            ),
        );
        return;
    };
    let silent = |site: &&Site| relays::keeps_statistics(topology, site, read) == Some(false);
    for site in topology.sites.iter().filter(silent) {
        say(
            "caches[0]",
            format!(
                "the cache {cache} of {} keeps no statistics, so the function cannot know how long a relay node has been \
                 running: it leaves each of its suspicions to {SITE_OFFLINE}, and believes a relay pod that was just replaced. With `statistics: \"true\"` in the cache's \
                 configuration the worst case is {sooner}s shorter where the other site has two relay nodes",
                site.name
            ),
        );
    }
}

/// Heartbeats by which the relay nodes of a site learn too late that a gossip router is out of reach.
fn long_heartbeats(topology: &Topology, read: &Readings, say: &mut impl FnMut(&'static str, String)) {
    for survivor in &topology.sites {
        let detection = detected(survivor, read).detection;
        // Of a site that nobody knows anything of it is said with its relay nodes.
        let Some(shorter) = relays::proposed(detection).filter(|_| relays::has_several(survivor, read))
        else {
            continue;
        };
        let fenced = topology.peer_of(survivor);
        let now = worst_case(topology, fenced, read);
        let mut with = read.clone();
        with.heartbeats.insert(survivor.name.clone(), Some(shorter));
        let saved = now
            .total_seconds
            .saturating_sub(worst_case(topology, fenced, &with).total_seconds);
        let disagree = now.stages.iter().any(|stage| stage.name == "disagreement");
        if !disagree || saved == 0 || survivor.never_survivor {
            continue;
        }
        let kept = match relays::heartbeats(survivor, read).0 {
            Some(Heartbeats { interval, timeout }) => format!("with {interval} and {timeout}"),
            None => "without any".to_owned(),
        };
        say(
            "spec.service.sites.local.discovery.heartbeats",
            format!(
                "`interval: {}` and `timeout: {}` in the Infinispan resource of {} make the worst case for {} {saved}s \
                 shorter: {kept}, its relay nodes often disagree about {} for a minute after the link is lost, and a \
                 fence waits for them",
                shorter.interval.seconds() * 1000,
                shorter.timeout.seconds() * 1000,
                survivor.name,
                fenced.name,
                fenced.name,
            ),
        );
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
                "`-Djgroups.xsite.fd.interval={} -Djgroups.xsite.fd.timeout={}` at both sites{}. A relay node that pauses, or \
                 a link that is down, for only {} can then get a site fenced: see first how long near misses last \
                 (`provision history --near-misses`)",
                short.interval.seconds() * 1000,
                short.timeout.seconds() * 1000,
                beside(topology, read, short),
                Interval::from_seconds(short.suspects_after_seconds()),
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

/// What a shorter failure detection needs of the heartbeats, where several relay nodes could disagree.
fn beside(topology: &Topology, read: &Readings, detection: FailureDetection) -> String {
    let may_disagree = |site: &Site| !relays::has_one(site, read);
    match relays::proposed(detection).filter(|_| topology.sites.iter().any(may_disagree)) {
        Some(Heartbeats { interval, timeout }) => format!(
            ", with heartbeats to the gossip routers of {} and {} (spec.service.sites.local.discovery.heartbeats), or relay \
             nodes disagree",
            interval.seconds() * 1000,
            timeout.seconds() * 1000
        ),
        None => String::new(),
    }
}
