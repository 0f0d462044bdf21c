//! What lies beside the worst case: faults of another kind that make a fence later, and losses too short to be seen
//! by people that cost a site all the same.
//!
//! The sum of the stages holds while everything but the link works. What is here was measured on real programs with
//! something else broken, too, or with a link that came back; it is shown beside the sum, never hidden in it.

use serde::Serialize;

use super::{Basis, Detected, Readings, Stage, detected};
use crate::topology::{Platform, Site, Topology};

/// Alertmanager's `--cluster.peer-timeout` where nobody sets it, and neither prometheus-operator nor OpenShift does:
/// each one of a cluster waits so long for each that stands before it.
const PEER_TIMEOUT_SECONDS: u32 = 15;
/// The users' Alertmanager of OpenShift, as its cluster-monitoring-operator makes it.
const ALERTMANAGERS_OF_OPENSHIFT: u32 = 2;
/// What nobody knows is counted as the usual pair.
const ALERTMANAGERS_SUPPOSED: u32 = 2;

/// How soon the sites see each other again once the link is whole, on real servers.
const BACK_IN_VIEW_SECONDS: [u32; 2] = [35, 85];

/// A link that is lost for a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flap {
    /// The site that notices.
    pub survivor: String,
    /// A loss of so many seconds is one that Infinispan notices.
    pub noticed_after_seconds: u32,
    /// Once the link is whole, the sites see each other again after so long: at the least, at the most.
    pub back_in_view_seconds: [u32; 2],
    /// What the first figure rests on.
    pub basis: Basis,
    /// By which settings.
    pub why: String,
}

/// The stages that come on top where something else is broken, too.
pub(super) fn delays(topology: &Topology, survivor: &Site, read: &Readings) -> Vec<Stage> {
    let (alertmanagers, basis, from) = match (
        read.alertmanagers.get(&survivor.name),
        topology.monitoring.alertmanagers,
        survivor.platform,
    ) {
        (Some(read), ..) => (*read, Basis::Read, "as the cluster has them"),
        (None, Some(stated), _) => (stated, Basis::Stated, "as the topology says"),
        (None, None, Platform::Openshift) => (
            ALERTMANAGERS_OF_OPENSHIFT,
            Basis::Sourced,
            "OpenShift's own number for user workloads",
        ),
        (None, None, Platform::Kubernetes) => (
            ALERTMANAGERS_SUPPOSED,
            Basis::Assumed,
            "assumed to be a pair; give the number in monitoring.alertmanagers",
        ),
    };
    let before = alertmanagers.saturating_sub(1);
    if before == 0 {
        return Vec::new();
    }
    let those = match before {
        1 => "if the first Alertmanager cannot".to_owned(),
        more => format!("if the first {more} Alertmanagers cannot"),
    };
    vec![Stage {
        name: "peers",
        seconds: before.saturating_mul(PEER_TIMEOUT_SECONDS),
        basis,
        why: format!(
            "{those} reach the function: each one sends {PEER_TIMEOUT_SECONDS} s later than the one before it; there are \
             {alertmanagers}, {from}"
        )
        .into(),
    }]
}

/// How short a loss costs a site: from when on the survivor notices one, and how much later than the link the view
/// comes back.
pub(super) fn flap(survivor: &Site, read: &Readings) -> Flap {
    let Detected {
        detection,
        basis,
        from,
    } = detected(survivor, read);
    let (interval, timeout) = (detection.interval, detection.timeout);
    Flap {
        survivor: survivor.name.to_string(),
        noticed_after_seconds: detection.suspects_after_seconds(),
        back_in_view_seconds: BACK_IN_VIEW_SECONDS,
        basis,
        why: format!(
            "failure detection, timeout {timeout} and interval {interval}, {from}; merging, JGroups' MERGE3 every 10 to \
             30 s, for which the Infinispan resource has no setting"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::topology_from;
    use crate::topology::FailureDetection;

    fn of(topology: &Topology, read: &Readings) -> Vec<(u32, Basis)> {
        let stages = delays(topology, &topology.sites[0], read);
        stages.iter().map(|stage| (stage.seconds, stage.basis)).collect()
    }

    #[test]
    fn each_alertmanager_waits_for_those_before_it() {
        let nothing = Readings::default();
        let read = |count: u32| Readings {
            alertmanagers: topology_from("")
                .sites
                .each_ref()
                .map(|site| (site.name.clone(), count))
                .into(),
            ..Readings::default()
        };
        // The sample's sites are OpenShift's.
        let topology = topology_from("");
        assert_eq!(of(&topology, &nothing), [(15, Basis::Sourced)]);
        assert_eq!(of(&topology, &read(1)), []);
        assert_eq!(of(&topology, &read(3)), [(30, Basis::Read)]);
        let stated = topology_from("monitoring: { alertmanagers: 1 }");
        assert_eq!(of(&stated, &nothing), []);
        assert_eq!(of(&stated, &read(2)), [(15, Basis::Read)]);
        let mut plain = topology_from("");
        plain.sites[0].platform = Platform::Kubernetes;
        assert_eq!(of(&plain, &nothing), [(15, Basis::Assumed)]);
        assert!(
            delays(&plain, &plain.sites[0], &nothing)[0]
                .why
                .contains("monitoring.alertmanagers")
        );
    }

    #[test]
    fn a_flap_is_noticed_by_the_failure_detection_in_force() {
        let topology = topology_from("");
        let site = &topology.sites[0];
        let supposed = flap(site, &Readings::default());
        assert_eq!(
            (supposed.noticed_after_seconds, supposed.basis),
            (32, Basis::Assumed)
        );
        let read = Readings {
            detections: [(site.name.clone(), Some(FailureDetection::OF_THE_GUIDE))].into(),
            ..Readings::default()
        };
        let flap = flap(site, &read);
        assert_eq!((flap.noticed_after_seconds, flap.basis), (13, Basis::Read));
        assert!(flap.why.contains("timeout 15s and interval 2s"), "{}", flap.why);
        assert!(flap.why.contains("MERGE3"), "{}", flap.why);
    }
}
