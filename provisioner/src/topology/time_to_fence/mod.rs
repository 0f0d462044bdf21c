//! The worst-case time from a lost link to a fenced site, stage by stage, from what is rendered.
//!
//! Each stage says what it rests on: an interval that we render, a figure from a source, or an assumption.
//! Stages follow one another and each is taken at its longest, so the sum is an upper bound, not a forecast. What makes a
//! fence later only where something else is broken, too, stands beside it ([`beside`]).

mod beside;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::topology::{FailureDetection, Site, SiteName, Topology};

pub use beside::Flap;

/// What was read in the sites' clusters of what the time to fence depends on. A site that was not looked at is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readings {
    /// Failure detection of each site's Infinispan; nothing where its custom resource leaves the operator's own in force.
    pub detections: BTreeMap<SiteName, Option<FailureDetection>>,
    /// How many Alertmanagers send each site's alerts.
    pub alertmanagers: BTreeMap<SiteName, u32>,
}

/// From a suspicion to the lost view: the suspect is asked once more, and the relay node's view changes. On real servers
/// both took 16.0 to 19.2 s together with an interval of 2 s and a timeout of 15 s.
const VIEW_SECONDS: u32 = 3;
/// Alertmanager's queue and the HTTPS request to the function.
const DISPATCH_SECONDS: u32 = 1;
/// A cold function, its four round trips, the accelerator's answer.
const FUNCTION_SECONDS: u32 = 3;
/// The Infinispan operator's own monitor, when ours is switched off.
const OPERATOR_SCRAPE_SECONDS: u32 = 30;

/// What a figure rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// It stands in a document that we render.
    Rendered,
    /// It was read in a cluster.
    Read,
    /// The topology says so, of what others set.
    Stated,
    /// It stands in a source of another project.
    Sourced,
    /// Real programs took so long, and a little is added.
    Measured,
    Assumed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    pub name: &'static str,
    /// At its longest.
    pub seconds: u32,
    /// What the figure rests on.
    pub basis: Basis,
    pub why: Cow<'static, str>,
}

/// The stages of fencing one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeToFence {
    /// The site that is lost.
    pub fenced: String,
    /// In order.
    pub stages: Vec<Stage>,
    pub total_seconds: u32,
    /// What comes on top where something else is broken, too.
    pub delays: Vec<Stage>,
    /// A link that is lost for a moment only.
    pub flap: Flap,
}

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

/// The worst case for each site being the one that is lost, where the other one may be left alone.
pub fn worst_cases(topology: &Topology, read: &Readings) -> Vec<TimeToFence> {
    let may_go = |lost: &&Site| {
        let mut others = topology.sites.iter().filter(|site| site.name != lost.name);
        others.any(|survivor| !survivor.never_survivor)
    };
    topology
        .sites
        .iter()
        .filter(may_go)
        .map(|site| worst_case(topology, site, read))
        .collect()
}

/// What a site suspects the other one by, and how that is known.
struct Detected {
    detection: FailureDetection,
    basis: Basis,
    from: &'static str,
}

/// What cannot be known is counted as what the operator sets: nobody is promised what his settings cannot keep.
fn detected(site: &Site, read: &Readings) -> Detected {
    let (detection, basis, from) = match (read.detections.get(&site.name), site.infinispan.failure_detection)
    {
        (Some(Some(detection)), _) => (
            *detection,
            Basis::Read,
            "from extraJvmOpts of the Infinispan resource",
        ),
        (Some(None), _) => (
            FailureDetection::OF_THE_OPERATOR,
            Basis::Read,
            "the Infinispan operator's own: extraJvmOpts of the Infinispan resource sets no other",
        ),
        (None, Some(detection)) => (detection, Basis::Stated, "as the topology says"),
        (None, None) => (
            FailureDetection::OF_THE_OPERATOR,
            Basis::Assumed,
            "the Infinispan operator's own: the cluster was not looked at and the topology says nothing",
        ),
    };
    Detected {
        detection,
        basis,
        from,
    }
}

fn worst_case(topology: &Topology, fenced: &Site, read: &Readings) -> TimeToFence {
    let alerting = &topology.alerting;
    let stage = |name, seconds, basis, why: &'static str| Stage {
        name,
        seconds,
        basis,
        why: why.into(),
    };
    // It is the survivor that has to notice.
    let survivor = topology.sites.iter().find(|site| site.name != fenced.name);
    let survivor = survivor.unwrap_or(fenced);
    let Detected {
        detection,
        basis,
        from,
    } = detected(survivor, read);
    let FailureDetection { interval, timeout } = detection;
    let suspicion = Stage {
        name: "suspicion",
        seconds: detection.suspects_within_seconds(),
        basis,
        why: format!(
            "failure detection between the sites, timeout {timeout} and interval {interval}, {from}"
        )
        .into(),
    };
    let scrape = if topology.monitoring.pod_monitor {
        stage(
            "scrape",
            alerting.scrape_interval.seconds(),
            Basis::Rendered,
            "interval of our PodMonitor",
        )
    } else {
        stage(
            "scrape",
            OPERATOR_SCRAPE_SECONDS,
            Basis::Sourced,
            "interval of the Infinispan operator's ServiceMonitor (monitoring.podMonitor is off)",
        )
    };
    let mut stages = vec![
        suspicion,
        stage(
            "view",
            VIEW_SECONDS,
            Basis::Measured,
            "the suspect is asked once more, and Infinispan's view of the sites changes",
        ),
        scrape,
        stage(
            "evaluation",
            alerting.evaluation_interval.seconds(),
            Basis::Rendered,
            "interval of our PrometheusRule",
        ),
        stage(
            "for",
            alerting.pending.seconds(),
            Basis::Rendered,
            "`for` of the alert",
        ),
    ];
    if topology.preferred_survivor.as_ref() == Some(&fenced.name) {
        stages.push(stage(
            "preference",
            alerting.preference_delay.seconds(),
            Basis::Rendered,
            "this site is the preferred survivor: the alert against it waits longer",
        ));
    }
    let quiet = topology.register.cooldown.seconds();
    if quiet > 0 {
        stages.push(stage(
            "cooldown",
            quiet,
            Basis::Rendered,
            "right after a rejoin: alerts decide nothing for this long",
        ));
    }
    stages.extend([
        stage(
            "groupWait",
            alerting.group_wait.seconds(),
            Basis::Rendered,
            "groupWait of our AlertmanagerConfig",
        ),
        stage(
            "dispatch",
            DISPATCH_SECONDS,
            Basis::Assumed,
            "Alertmanager's queue and the request",
        ),
        stage(
            "function",
            FUNCTION_SECONDS,
            Basis::Assumed,
            "cold start, evidence, accelerator, take-offline",
        ),
    ]);
    TimeToFence {
        fenced: fenced.name.to_string(),
        total_seconds: stages.iter().map(|stage| stage.seconds).sum(),
        stages,
        delays: beside::delays(topology, survivor, read),
        flap: beside::flap(survivor, read),
    }
}

/// What would make fencing faster or surer.
pub fn advice(topology: &Topology, read: &Readings) -> Vec<Advice> {
    let alerting = &topology.alerting;
    let mut advice = Vec::new();
    let mut say = |path, what: String| advice.push(Advice { path, what });
    slow_suspicion(topology, read, &mut say);
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
                "a lost view is noticed only every {seconds}s; the PodMonitor keeps only a handful of series, so 5s \
                 costs little"
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
fn slow_suspicion(topology: &Topology, read: &Readings, say: &mut impl FnMut(&'static str, String)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::topology_from;

    /// Both sites as Keycloak's guide has them.
    fn guide(topology: &Topology) -> Readings {
        let detection = Some(FailureDetection::OF_THE_GUIDE);
        let sites = topology.sites.iter();
        detected_so(sites.map(|site| (site.name.clone(), detection)).collect())
    }

    fn detected_so(detections: BTreeMap<SiteName, Option<FailureDetection>>) -> Readings {
        Readings {
            detections,
            ..Readings::default()
        }
    }

    fn totals(topology: &Topology, read: &Readings) -> Vec<u32> {
        let cases = worst_cases(topology, read);
        cases.iter().map(|case| case.total_seconds).collect()
    }

    #[test]
    fn with_the_guide_s_failure_detection_a_site_is_fenced_within_49_seconds() {
        let topology = topology_from("");
        assert_eq!(totals(&topology, &guide(&topology)), [49, 49]);
        assert_eq!(advice(&topology, &guide(&topology)), []);
    }

    #[test]
    fn what_cannot_be_known_is_counted_as_the_operator_s_own() {
        let topology = topology_from("");
        let [a, b] = topology.sites.each_ref().map(|site| site.name.clone());
        // Nobody looked; both say nothing; b alone says something, and it is b that notices the loss of a.
        let nothing = detected_so([(a.clone(), None), (b.clone(), None)].into());
        let one = detected_so([(a, None), (b, Some(FailureDetection::OF_THE_GUIDE))].into());
        for (read, expected, paths) in [
            (
                Readings::default(),
                [80, 80],
                ["sites[].infinispan.failureDetection"; 2].as_slice(),
            ),
            (nothing, [80, 80], ["spec.container.extraJvmOpts"; 2].as_slice()),
            (one, [49, 80], &["spec.container.extraJvmOpts"]),
        ] {
            assert_eq!(totals(&topology, &read), expected, "{read:?}");
            let advice = advice(&topology, &read);
            assert_eq!(advice.iter().map(|it| it.path).collect::<Vec<_>>(), paths);
            let line = "`-Djgroups.xsite.fd.interval=2000 -Djgroups.xsite.fd.timeout=15000`";
            assert!(advice.iter().all(|it| it.what.contains(line)), "{advice:?}");
        }
    }

    #[test]
    fn the_topology_states_it_for_clusters_that_cannot_be_read() {
        let mut topology = topology_from("");
        for site in &mut topology.sites {
            site.infinispan.failure_detection = Some(FailureDetection::OF_THE_GUIDE);
        }
        let cases = worst_cases(&topology, &Readings::default());
        assert_eq!(cases[0].total_seconds, 49);
        assert_eq!(cases[0].stages[0].basis, Basis::Stated);
        assert_eq!(advice(&topology, &Readings::default()), []);
        // What was read is so, whatever is stated.
        let read = topology.sites.each_ref().map(|site| (site.name.clone(), None));
        assert_eq!(totals(&topology, &detected_so(read.into())), [80, 80]);
    }

    #[test]
    fn the_alert_against_the_preferred_survivor_waits_longer() {
        let topology = topology_from("preferredSurvivor: site-a");
        assert_eq!(totals(&topology, &guide(&topology)), [69, 49]);
    }

    #[test]
    fn quiet_time_is_an_outage_and_counted() {
        let topology = topology_from("register: { cooldown: 30s }");
        let cases = worst_cases(&topology, &guide(&topology));
        assert_eq!(cases[0].total_seconds, 79);
        assert!(cases[0].stages.iter().any(|stage| stage.name == "cooldown"));
    }

    #[test]
    fn the_guide_s_intervals_are_slow_and_it_is_said_why() {
        let paths = |topology: &Topology| -> Vec<&str> {
            let advice = advice(topology, &guide(topology));
            advice.iter().map(|advice| advice.path).collect()
        };
        let topology = topology_from(
            "alerting: { groupWait: 60s, groupInterval: 90s, evaluationInterval: 30s }\nmonitoring: { podMonitor: false }",
        );
        assert_eq!(
            totals(&topology, &guide(&topology))[0],
            20 + 30 + 30 + 10 + 60 + 1 + 3
        );
        assert_eq!(paths(&topology), ["alerting.groupWait", "monitoring.podMonitor"]);
        let topology = topology_from("function: { reservedConcurrency: 49 }");
        let said: Vec<String> = advice(&topology, &Readings::default())
            .into_iter()
            .map(|advice| advice.what)
            .collect();
        let cap = |it: &String| it.contains("all but 490 requests a second");
        assert!(said.iter().any(cap), "{said:?}");
        let topology = topology_from("function: { reservedConcurrency: 50 }");
        assert!(!paths(&topology).contains(&"function.reservedConcurrency"));
        // What Alertmanager takes when nothing is said.
        let topology = topology_from("alerting: { repeatInterval: 4h, scrapeInterval: 20s, for: 20s }");
        assert_eq!(
            paths(&topology),
            ["alerting.scrapeInterval", "alerting.repeatInterval"]
        );
    }
}
