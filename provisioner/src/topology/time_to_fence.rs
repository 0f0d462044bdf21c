//! The worst-case time from a lost link to a fenced site, stage by stage, from what is rendered.
//!
//! Each stage says what it rests on: an interval that we render, a figure from a source, or an assumption.
//! Stages follow one another and each is taken at its longest, so the sum is an upper bound, not a forecast.

use serde::Serialize;

use crate::topology::{Site, Topology};

/// JGroups' failure detection between the sites until the relay's view changes. On real servers it took 16.0 to 19.2 s
/// with what Keycloak's guide sets, an interval of 2 s and a timeout of 15 s. The Infinispan operator's own default,
/// 8 s and 40 s, makes it 48.
const SUSPICION_SECONDS: u32 = 20;
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
    /// It stands in a source of another project.
    Sourced,
    /// Real programs took so long, and a little is added.
    Measured,
    /// Nobody promised it.
    Assumed,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// At its longest.
    pub seconds: u32,
    /// What the figure rests on.
    pub basis: Basis,
    /// Where it comes from.
    pub why: &'static str,
}

/// The stages of fencing one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimeToFence {
    /// The site that is lost.
    pub fenced: String,
    /// In order.
    pub stages: Vec<Stage>,
    /// Their sum.
    pub total_seconds: u32,
}

/// A setting that makes fencing slower or less sure than it need be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Where it stands in the topology.
    pub path: &'static str,
    /// What is wrong with it.
    pub what: String,
}

/// The worst case for each site being the one that is lost.
pub fn worst_cases(topology: &Topology) -> Vec<TimeToFence> {
    topology
        .sites
        .iter()
        .map(|site| worst_case(topology, site))
        .collect()
}

fn worst_case(topology: &Topology, fenced: &Site) -> TimeToFence {
    let alerting = &topology.alerting;
    let stage = |name, seconds, basis, why| Stage {
        name,
        seconds,
        basis,
        why,
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
        stage(
            "suspicion",
            SUSPICION_SECONDS,
            Basis::Measured,
            "failure detection between the sites, with the 2s/15s of Keycloak's guide; 48s with the operator's own 8s/40s",
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
    }
}

/// What would make fencing faster or surer.
pub fn advice(topology: &Topology) -> Vec<Advice> {
    let alerting = &topology.alerting;
    let mut advice = Vec::new();
    let mut say = |path, what: String| advice.push(Advice { path, what });
    let seconds = alerting.group_wait.seconds();
    if seconds > 15 {
        say(
            "alerting.groupWait",
            format!(
                "{seconds}s pass before the first alert leaves; 5s are enough to collect both sites' views"
            ),
        );
    }
    let seconds = alerting.scrape_interval.seconds();
    if topology.monitoring.pod_monitor && seconds > 15 {
        say(
            "alerting.scrapeInterval",
            format!(
                "the lost view is seen only every {seconds}s; the PodMonitor keeps a handful of series, 5s cost little"
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
                 goes unnoticed that long; 5m are usual"
            ),
        );
    }
    let seconds = alerting.pending.seconds();
    if seconds < 10 {
        say(
            "alerting.for",
            format!("within {seconds}s a restarted relay pod can look like a lost site; 10s outlast it"),
        );
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::topology_from;

    #[test]
    fn by_default_a_site_is_fenced_within_49_seconds() {
        let cases = worst_cases(&topology_from(""));
        assert_eq!(
            cases.iter().map(|case| case.total_seconds).collect::<Vec<_>>(),
            [49, 49]
        );
        assert_eq!(advice(&topology_from("")), []);
    }

    #[test]
    fn the_alert_against_the_preferred_survivor_waits_longer() {
        let cases = worst_cases(&topology_from("preferredSurvivor: site-a"));
        assert_eq!(
            cases.iter().map(|case| case.total_seconds).collect::<Vec<_>>(),
            [69, 49]
        );
    }

    #[test]
    fn the_guide_s_intervals_are_slow_and_it_is_said_why() {
        let topology = topology_from(
            "alerting: { groupWait: 60s, groupInterval: 90s, evaluationInterval: 30s }\nmonitoring: { podMonitor: false }",
        );
        assert_eq!(
            worst_cases(&topology)[0].total_seconds,
            20 + 30 + 30 + 10 + 60 + 1 + 3
        );
        let paths: Vec<&str> = advice(&topology).iter().map(|advice| advice.path).collect();
        assert_eq!(paths, ["alerting.groupWait", "monitoring.podMonitor"]);
        // What Alertmanager takes when nothing is said.
        let topology = topology_from("alerting: { repeatInterval: 4h, scrapeInterval: 20s, for: 20s }");
        let paths: Vec<&str> = advice(&topology).iter().map(|advice| advice.path).collect();
        assert_eq!(paths, ["alerting.scrapeInterval", "alerting.repeatInterval"]);
    }
}
