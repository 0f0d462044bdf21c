//! The worst-case time from a lost link to a fenced site, stage by stage, from what is rendered.
//!
//! Each stage says what it rests on: an interval that we render, a figure from a source, or an assumption.
//! Stages follow one another and each is taken at its longest, so the sum is an upper bound, not a forecast. What makes a
//! fence later only where something else is broken, too, stands beside it ([`beside`]).

mod advice;
mod beside;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::topology::{FailureDetection, Site, SiteName, Topology};

pub use advice::{Advice, FEW, REQUESTS_PER_UNIT, Saving, advice, savings};
pub use beside::Flap;

/// What was read in the sites' clusters of what the time to fence depends on. A site that was not looked at is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readings {
    /// Failure detection of each site's Infinispan; nothing where its custom resource leaves the operator's own in force.
    pub detections: BTreeMap<SiteName, Option<FailureDetection>>,
    /// How many relay nodes each site's Infinispan has.
    pub relay_nodes: BTreeMap<SiteName, u64>,
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
    /// Where the function's look at a suspicion is not clear. None where a suspicion decides nothing: then the stages are
    /// `SiteOffline`'s already.
    pub fallback: Option<Fallback>,
    /// What comes on top where something else is broken, too.
    pub delays: Vec<Stage>,
    /// A link that is lost for a moment only.
    pub flap: Flap,
}

/// The stages of fencing a site on the alert that waits for `for`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    pub stages: Vec<Stage>,
    pub total_seconds: u32,
    /// When it applies.
    pub when: &'static str,
}

/// When a suspicion decides nothing, although the site is lost.
const NOT_CLEAR: &str = "where the look is not clear: the primary relay node was not seen with the other site in the last \
                         minutes, has restarted, or another one has taken over; relay nodes disagree; or the sites were \
                         brought together just before (register.cooldown)";

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
    let detected = Stage {
        name: "detection",
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
    let noticed = [
        detected,
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
    ];
    let preference = (topology.preferred_survivor.as_ref() == Some(&fenced.name)).then(|| {
        stage(
            "preference",
            alerting.preference_delay.seconds(),
            Basis::Rendered,
            "this site is the preferred survivor: the alert against it waits longer",
        )
    });
    let dispatch = stage(
        "dispatch",
        DISPATCH_SECONDS,
        Basis::Assumed,
        "Alertmanager's queue and the request",
    );
    let function = stage(
        "function",
        FUNCTION_SECONDS,
        Basis::Assumed,
        "cold start, evidence, accelerator, take-offline",
    );
    let mut by_alert = noticed.to_vec();
    by_alert.push(stage(
        "for",
        alerting.pending.seconds(),
        Basis::Rendered,
        "`for` of the alert",
    ));
    by_alert.extend(preference.clone());
    let quiet = topology.register.cooldown.seconds();
    if quiet > 0 {
        by_alert.push(stage(
            "cooldown",
            quiet,
            Basis::Rendered,
            "right after a rejoin: alerts decide nothing for this long",
        ));
    }
    by_alert.extend([
        stage(
            "groupWait",
            alerting.group_wait.seconds(),
            Basis::Rendered,
            "groupWait of our AlertmanagerConfig",
        ),
        dispatch.clone(),
        function.clone(),
    ]);
    let look = alerting.suspicion.seconds();
    let (stages, fallback) = if look == 0 || !has_two_relay_nodes(fenced, read) {
        (by_alert, None)
    } else {
        let mut by_suspicion = noticed.to_vec();
        by_suspicion.extend(preference);
        by_suspicion.extend([
            dispatch,
            stage(
                "look",
                look,
                Basis::Rendered,
                "alerting.suspicion: the function looks for itself; nothing waits in Prometheus or Alertmanager",
            ),
            function,
        ]);
        let fallback = Fallback {
            total_seconds: sum(&by_alert),
            stages: by_alert,
            when: NOT_CLEAR,
        };
        (by_suspicion, Some(fallback))
    };
    TimeToFence {
        fenced: fenced.name.to_string(),
        total_seconds: sum(&stages),
        stages,
        fallback,
        delays: beside::delays(topology, survivor, read),
        flap: beside::flap(survivor, read),
    }
}

/// Whether a loss of the site can be told from a restart of its one relay node, which the other site sees as well. Of a
/// site that nobody looked at it is not known.
fn has_two_relay_nodes(site: &Site, read: &Readings) -> bool {
    read.relay_nodes.get(&site.name).is_some_and(|nodes| *nodes >= 2)
}

fn sum(stages: &[Stage]) -> u32 {
    stages.iter().map(|stage| stage.seconds).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sample::topology_from;

    /// Both sites as Keycloak's guide has them.
    fn guide(topology: &Topology) -> Readings {
        let detection = Some(FailureDetection::OF_THE_GUIDE);
        let sites = topology.sites.iter();
        detected_so(sites.map(|site| (site.name.clone(), detection)).collect())
    }

    /// With two relay nodes at each of these sites.
    fn detected_so(detections: BTreeMap<SiteName, Option<FailureDetection>>) -> Readings {
        Readings {
            relay_nodes: detections.keys().map(|site| (site.clone(), 2)).collect(),
            detections,
            ..Readings::default()
        }
    }

    fn fallbacks(topology: &Topology, read: &Readings) -> Vec<Option<u32>> {
        let cases = worst_cases(topology, read);
        let totals = cases
            .iter()
            .map(|case| case.fallback.as_ref().map(|it| it.total_seconds));
        totals.collect()
    }

    fn totals(topology: &Topology, read: &Readings) -> Vec<u32> {
        let cases = worst_cases(topology, read);
        cases.iter().map(|case| case.total_seconds).collect()
    }

    #[test]
    fn with_the_guide_s_failure_detection_a_site_is_fenced_within_40_seconds() {
        let topology = topology_from("");
        assert_eq!(totals(&topology, &guide(&topology)), [40, 40]);
        assert_eq!(fallbacks(&topology, &guide(&topology)), [Some(49), Some(49)]);
        assert_eq!(advice(&topology, &guide(&topology)), []);
    }

    #[test]
    fn without_suspicions_a_site_is_fenced_by_the_alert_alone() {
        let topology = topology_from("alerting: { suspicion: 0s }");
        let read = guide(&topology);
        assert_eq!(totals(&topology, &read), [49, 49]);
        assert_eq!(fallbacks(&topology, &read), [None, None]);
        let said = advice(&topology, &read);
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0].path, "alerting.suspicion");
        assert!(said[0].what.ends_with("9s sooner"), "{said:?}");
        // Where the alert waits for no longer than the look would take, nothing is lost.
        let hasty = topology_from("alerting: { suspicion: 0s, for: 5s, groupWait: 1s }");
        let said = advice(&hasty, &read);
        assert!(said.iter().all(|it| it.path != "alerting.suspicion"), "{said:?}");
    }

    #[test]
    fn a_file_whose_timeout_leaves_no_time_to_look_goes_on_without_suspicions() {
        let topology = topology_from("function: { timeout: 13s }");
        assert_eq!(topology.alerting.suspicion.seconds(), 0);
        let said = advice(&topology, &Readings::default());
        assert!(
            said.iter().any(|it| it
                .what
                .ends_with("9s sooner; that needs a `function.timeout` of 14s, not 13s")),
            "{said:?}"
        );
        let topology = topology_from("function: { timeout: 14s }");
        assert_eq!(topology.alerting.suspicion.seconds(), 6);
    }

    /// The other site misses it while it restarts, for longer than anybody looks.
    #[test]
    fn a_site_with_one_relay_node_is_fenced_by_the_alert_alone() {
        let topology = topology_from("");
        let mut read = guide(&topology);
        read.relay_nodes.insert(topology.sites[0].name.clone(), 1);
        assert_eq!(totals(&topology, &read), [49, 40]);
        assert_eq!(fallbacks(&topology, &read), [None, Some(49)]);
        let said = advice(&topology, &read);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].what.contains("site-a has one relay node") && said[0].what.ends_with("9s sooner"),
            "{said:?}"
        );
    }

    #[test]
    fn a_longer_look_is_a_later_fence() {
        let topology = topology_from("alerting: { suspicion: 7s }");
        assert_eq!(totals(&topology, &guide(&topology)), [41, 41]);
    }

    #[test]
    fn what_shorter_settings_would_save_is_said_and_adds_up_to_less_than_thirty_seconds() {
        let topology = topology_from("");
        let of = |topology: &Topology, read: &Readings| -> Vec<(&str, u32)> {
            let savings = savings(topology, read);
            savings
                .iter()
                .map(|saving| (saving.path, saving.seconds))
                .collect()
        };
        assert_eq!(
            of(&topology, &guide(&topology)),
            [
                ("spec.container.extraJvmOpts", 11),
                ("alerting.scrapeInterval", 3),
                ("alerting.evaluationInterval", 3)
            ]
        );
        // From the operator's own.
        assert_eq!(of(&topology, &Readings::default())[0].1, 42);
        let quick = topology_from("alerting: { scrapeInterval: 2s, evaluationInterval: 2s }");
        let sites = quick.sites.iter();
        let tried = sites.map(|site| (site.name.clone(), Some(FailureDetection::SHORT)));
        let tried = detected_so(tried.collect());
        assert_eq!(of(&quick, &tried), []);
        assert_eq!(totals(&quick, &tried), [23, 23]);
        assert_eq!(totals(&topology, &tried), [29, 29]);
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
                [
                    "sites[].infinispan.failureDetection",
                    "sites[].infinispan.failureDetection",
                    "spec.service.sites.local.maxRelayNodes",
                    "spec.service.sites.local.maxRelayNodes",
                ]
                .as_slice(),
            ),
            (nothing, [71, 71], ["spec.container.extraJvmOpts"; 2].as_slice()),
            (one, [40, 71], &["spec.container.extraJvmOpts"]),
        ] {
            assert_eq!(totals(&topology, &read), expected, "{read:?}");
            let advice = advice(&topology, &read);
            assert_eq!(advice.iter().map(|it| it.path).collect::<Vec<_>>(), paths);
            let line = "`-Djgroups.xsite.fd.interval=2000 -Djgroups.xsite.fd.timeout=15000`";
            let of_relays = |it: &Advice| it.what.contains("relay node");
            assert!(
                advice.iter().all(|it| it.what.contains(line) || of_relays(it)),
                "{advice:?}"
            );
        }
    }

    #[test]
    fn the_topology_states_it_for_clusters_that_cannot_be_read() {
        let mut topology = topology_from("");
        for site in &mut topology.sites {
            site.infinispan.failure_detection = Some(FailureDetection::OF_THE_GUIDE);
        }
        let relay_nodes = topology.sites.each_ref().map(|site| (site.name.clone(), 3));
        let read = Readings {
            relay_nodes: relay_nodes.into(),
            ..Readings::default()
        };
        let cases = worst_cases(&topology, &read);
        assert_eq!(cases[0].total_seconds, 40);
        assert_eq!(cases[0].stages[0].basis, Basis::Stated);
        assert_eq!(advice(&topology, &read), []);
        // What was read is so, whatever is stated.
        let read = topology.sites.each_ref().map(|site| (site.name.clone(), None));
        assert_eq!(totals(&topology, &detected_so(read.into())), [71, 71]);
    }

    #[test]
    fn the_alert_against_the_preferred_survivor_waits_longer() {
        let topology = topology_from("preferredSurvivor: site-a");
        assert_eq!(totals(&topology, &guide(&topology)), [60, 40]);
        assert_eq!(fallbacks(&topology, &guide(&topology)), [Some(69), Some(49)]);
    }

    #[test]
    fn quiet_time_is_an_outage_and_counted() {
        let topology = topology_from("register: { cooldown: 30s }");
        let cases = worst_cases(&topology, &guide(&topology));
        // No suspicion decides in it, and so it is the alert that has to.
        let fallback = cases[0].fallback.as_ref().unwrap();
        assert_eq!(fallback.total_seconds, 79);
        assert!(fallback.stages.iter().any(|stage| stage.name == "cooldown"));
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
        assert_eq!(totals(&topology, &guide(&topology))[0], 20 + 30 + 30 + 1 + 6 + 3);
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
