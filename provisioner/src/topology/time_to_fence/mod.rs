//! The worst-case time from a lost link to a fenced site, stage by stage, from what is rendered.
//!
//! Each stage says what it rests on: an interval that we render, a figure from a source, or an assumption.
//! Stages follow one another and each is taken at its longest, so the sum is an upper bound, not a forecast. What makes a
//! fence later only where something else is broken, too, stands beside it ([`beside`]).
//!
//! There are two ways to a fence, by `SiteSuspected` and by `SiteOffline`. Which of them is promised depends on the sites'
//! Infinispans ([`relays`]): a suspicion decides nothing where it could be mistaken, and relay nodes that disagree hold up
//! both.

mod advice;
mod beside;
mod relays;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use fencing::step::ROOM_SECONDS;

use crate::topology::{FailureDetection, Heartbeats, Site, SiteName, Topology};

pub use advice::{Advice, FEW, REQUESTS_PER_UNIT, Saving, advice, savings};
pub use beside::Flap;

/// What was read in the sites' clusters of what the time to fence depends on. A site that was not looked at is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readings {
    /// Failure detection of each site's Infinispan; nothing where its custom resource leaves the operator's own in force.
    pub detections: BTreeMap<SiteName, Option<FailureDetection>>,
    /// How many relay nodes each site's Infinispan has.
    pub relay_nodes: BTreeMap<SiteName, u64>,
    /// The heartbeats between them and the gossip routers; nothing where they are switched off.
    pub heartbeats: BTreeMap<SiteName, Option<Heartbeats>>,
    /// Whether the first of the topology's `caches` keeps statistics at a site.
    pub statistics: BTreeMap<SiteName, bool>,
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
    /// By a suspicion, where that usually decides but must not be counted on: then the stages are `SiteOffline`'s.
    pub sooner: Option<OtherWay>,
    /// By `SiteOffline`, where the function's look at a suspicion is not clear: then the stages are the suspicion's.
    pub fallback: Option<OtherWay>,
    /// What comes on top where something else is broken, too.
    pub delays: Vec<Stage>,
    /// A link that is lost for a moment only.
    pub flap: Flap,
}

/// Another way to a fence than the one that is promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherWay {
    pub stages: Vec<Stage>,
    pub total_seconds: u32,
    /// When it is taken.
    pub when: &'static str,
}

/// When a suspicion decides, although relay nodes often disagree.
const AGREED: &str = "if the survivor's relay nodes agree at once and the function's check is clear";

/// When a suspicion decides nothing, although the site is lost.
const NOT_CLEAR: &str = "if the function's check is not clear: the primary relay node was not seen with the other site in \
                         the last three minutes, has restarted, or another one has taken over; or a site was brought back \
                         just before (register.cooldown)";

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
    // It is the survivor that has to notice.
    let survivor = topology.peer_of(fenced);
    let noticed = noticed(topology, survivor, read);
    let preference = (topology.preferred_survivor.as_ref() == Some(&fenced.name)).then(|| {
        stage(
            "preference",
            topology.alerting.preference_delay.seconds(),
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
    let disagreement = relays::disagreement(topology, survivor, read);
    let (counted, beside): (Vec<_>, Vec<_>) = disagreement
        .into_iter()
        .partition(|disagreement| disagreement.is_likely);
    let mut by_alert = noticed.to_vec();
    by_alert.extend(waits(topology, preference.clone()));
    by_alert.push(dispatch.clone());
    by_alert.extend(counted.iter().map(|disagreement| disagreement.stage.clone()));
    by_alert.push(function.clone());
    let way = |stages: Vec<Stage>, when| OtherWay {
        total_seconds: sum(&stages),
        stages,
        when,
    };
    let (stages, sooner, fallback) = if relays::suspicion_decides(topology, survivor, fenced, read) {
        let mut by_suspicion = noticed.to_vec();
        by_suspicion.extend(preference);
        by_suspicion.extend([dispatch, look(topology, survivor, read), function]);
        if counted.is_empty() {
            (by_suspicion, None, Some(way(by_alert, NOT_CLEAR)))
        } else {
            (by_alert, Some(way(by_suspicion, AGREED)), None)
        }
    } else {
        (by_alert, None, None)
    };
    let mut delays = beside::delays(topology, survivor, read);
    delays.extend(beside.into_iter().map(|disagreement| disagreement.stage));
    delays.extend(relays::restart(topology, survivor, read));
    TimeToFence {
        fenced: fenced.name.to_string(),
        total_seconds: sum(&stages),
        stages,
        sooner,
        fallback,
        delays,
        flap: beside::flap(survivor, read),
    }
}

fn stage(name: &'static str, seconds: u32, basis: Basis, why: &'static str) -> Stage {
    Stage {
        name,
        seconds,
        basis,
        why: why.into(),
    }
}

/// From the lost link to the first evaluation that shows it.
fn noticed(topology: &Topology, survivor: &Site, read: &Readings) -> [Stage; 4] {
    let alerting = &topology.alerting;
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
    [
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
    ]
}

/// What `SiteOffline` waits for, and a suspicion does not.
fn waits(topology: &Topology, preference: Option<Stage>) -> impl Iterator<Item = Stage> {
    let alerting = &topology.alerting;
    let quiet = topology.register.cooldown.seconds();
    let cooldown = (quiet > 0).then(|| {
        stage(
            "cooldown",
            quiet,
            Basis::Rendered,
            "right after a rejoin: alerts decide nothing for this long",
        )
    });
    let pending = stage(
        "for",
        alerting.pending.seconds(),
        Basis::Rendered,
        "`for` of the alert",
    );
    let group_wait = stage(
        "groupWait",
        alerting.group_wait.seconds(),
        Basis::Rendered,
        "groupWait of our AlertmanagerConfig",
    );
    std::iter::once(pending)
        .chain(preference)
        .chain(cooldown)
        .chain([group_wait])
}

/// The function's own look at a suspicion, which goes on while another relay node of the survivor still sees the site: as
/// long as the function's timeout allows, or until `SiteOffline` arrives beside it.
fn look(topology: &Topology, survivor: &Site, read: &Readings) -> Stage {
    let alerting = &topology.alerting;
    let (usual, timeout) = (alerting.suspicion.seconds(), topology.function.timeout.seconds());
    let longest = timeout.saturating_sub(ROOM_SECONDS);
    let longest = longest.min(alerting.seconds_until_sent()).max(usual);
    let goes_on = longest > usual && !relays::has_one(survivor, read);
    let mut why =
        "alerting.suspicion: the function checks for itself; nothing waits in Prometheus or Alertmanager"
            .to_owned();
    if goes_on {
        why.push_str(&format!(
            "; up to {longest} s instead of {usual} s while another relay node still sees the site (function.timeout less \
             {ROOM_SECONDS} s)"
        ));
    }
    if let Some(assumed) = relays::assumed_of_statistics(topology, survivor, read) {
        why.push_str(&assumed);
    }
    Stage {
        name: "look",
        seconds: if goes_on { longest } else { usual },
        basis: Basis::Rendered,
        why: why.into(),
    }
}

fn sum(stages: &[Stage]) -> u32 {
    stages.iter().map(|stage| stage.seconds).sum()
}

#[cfg(test)]
mod tests;
