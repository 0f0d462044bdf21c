//! What the way to a fence owes to the sites' relay nodes.
//!
//! **One relay node.** Whenever it is restarted, the other site loses sight of its site. A suspicion cannot tell that from
//! a lost link, so none of such a site leads to a fence.
//!
//! **Two or more, and they may disagree.** The relay nodes of a site send each other what they know through a gossip
//! router, which may be the other site's: out of reach since the link was lost. Until the heartbeats to that router have
//! failed and the connection is given up, what one relay node knows may not reach the next, which goes on seeing the
//! other site. With 10 s and 30 s, and the failure detection of Keycloak's guide, that was so in four cuts of ten on real
//! servers, for up to 70 s. With 2 s and 6 s it never was: the router had been given up before anybody missed the other
//! site. So that is the rule. While they disagree, the function waits, for at most [`DIVIDED_SECONDS`] from the first
//! report on.
//!
//! **One that has just started.** A primary that knows of no other relay node may have been shut out of its own site, and is
//! not believed for its first [`SHUT_OUT_SECONDS`].
//!
//! **No statistics of the first cache.** They are how the function learns for how long a relay node has been running. If
//! it cannot, it leaves every suspicion to `SiteOffline`, and believes a node that has just started.

use fencing::step::{DIVIDED_SECONDS, SHUT_OUT_SECONDS};

use super::{Basis, Readings, Stage, detected};
use crate::topology::{FailureDetection, Heartbeats, Site, Topology};

/// As many are needed before a restart of one can be distinguished from a lost site.
const SEVERAL: u64 = 2;

/// How many relay nodes a site has, as far as anybody knows.
pub(super) fn count(site: &Site, read: &Readings) -> Option<u64> {
    let stated = site.infinispan.relay_nodes.map(u64::from);
    read.relay_nodes.get(&site.name).copied().or(stated)
}

/// It is known that the site has several: nobody is promised what a single one cannot keep.
pub(super) fn has_several(site: &Site, read: &Readings) -> bool {
    count(site, read).is_some_and(|nodes| nodes >= SEVERAL)
}

/// It is known that the site has only one, so that there is nobody to disagree with.
pub(super) fn has_one(site: &Site, read: &Readings) -> bool {
    count(site, read).is_some_and(|nodes| nodes < SEVERAL)
}

/// Whether a suspicion of `fenced` may lead to a fence at all.
pub(super) fn suspicion_decides(
    topology: &Topology,
    survivor: &Site,
    fenced: &Site,
    read: &Readings,
) -> bool {
    let alerting = &topology.alerting;
    let (look, alert) = (alerting.suspicion.seconds(), alerting.seconds_until_sent());
    (1..alert).contains(&look)
        && has_several(fenced, read)
        && keeps_statistics(topology, survivor, read) != Some(false)
}

/// Whether the function can learn for how long the site's relay nodes have been running, as far as anybody knows.
pub(super) fn keeps_statistics(topology: &Topology, site: &Site, read: &Readings) -> Option<bool> {
    match topology.caches.first() {
        None => Some(false),
        Some(_) => read.statistics.get(&site.name).copied(),
    }
}

/// What a promise rests on where nobody could read whether the cache keeps statistics.
pub(super) fn assumed_of_statistics(topology: &Topology, site: &Site, read: &Readings) -> Option<String> {
    let cache = topology.caches.first()?;
    keeps_statistics(topology, site, read).is_none().then(|| {
        format!(
            "; assumed: the survivor's cache {cache} keeps statistics (`statistics: \"true\"`, as in Keycloak's guide)"
        )
    })
}

/// The heartbeats of a site, and how they are known. Nothing where they are switched off.
pub(super) fn heartbeats(site: &Site, read: &Readings) -> (Option<Heartbeats>, Basis) {
    match (read.heartbeats.get(&site.name), site.infinispan.heartbeats) {
        (Some(read), _) => (*read, Basis::Read),
        (None, Some(stated)) => (Some(stated), Basis::Stated),
        (None, None) => (Some(Heartbeats::OF_THE_OPERATOR), Basis::Assumed),
    }
}

/// Whether a router that is out of reach is given up before anybody misses the other site.
fn are_in_time(heartbeats: Option<Heartbeats>, detection: FailureDetection) -> bool {
    heartbeats.is_some_and(|it| it.notices_within_seconds() <= detection.suspects_after_seconds())
}

/// The longest heartbeats of those we know that are in time for a failure detection.
pub(super) fn proposed(detection: FailureDetection) -> Option<Heartbeats> {
    let known = [Heartbeats::SHORT, Heartbeats::SHORTER];
    known.into_iter().find(|it| are_in_time(Some(*it), detection))
}

/// That relay nodes of the survivor disagree about the other site.
pub(super) struct Disagreement {
    pub stage: Stage,
    /// It is to be expected, and not only where something else is broken, too.
    pub is_likely: bool,
}

/// Nothing where there is nobody to disagree with.
pub(super) fn disagreement(topology: &Topology, survivor: &Site, read: &Readings) -> Option<Disagreement> {
    if has_one(survivor, read) {
        return None;
    }
    let (heartbeats, known) = heartbeats(survivor, read);
    let is_likely = !are_in_time(heartbeats, detected(survivor, read).detection);
    let (basis, nodes) = match count(survivor, read) {
        Some(_) => (known, "relay nodes"),
        None => (Basis::Assumed, "relay nodes, assumed to be two or more,"),
    };
    let with = match heartbeats {
        Some(Heartbeats { interval, timeout }) => {
            format!("heartbeats to the gossip routers every {interval}, timeout {timeout}")
        }
        None => "no heartbeats to the gossip routers".to_owned(),
    };
    let from = match known {
        Basis::Read => "from the Infinispan resource",
        Basis::Stated => "as the topology says",
        _ => "the Infinispan operator's own: the cluster was not looked at and the topology says nothing",
    };
    let waits = format!(
        "a decision waits for that for at most {DIVIDED_SECONDS} s, and for Alertmanager to send the alert again"
    );
    let why = if is_likely {
        format!("the survivor's {nodes} may disagree: {with}, {from}; {waits}")
    } else {
        format!(
            "if one of the survivor's {nodes} goes on seeing the lost site, in spite of {with}, {from}: {waits}"
        )
    };
    Some(Disagreement {
        stage: Stage {
            name: "disagreement",
            seconds: waited(topology, DIVIDED_SECONDS),
            basis,
            why: why.into(),
        },
        is_likely,
    })
}

/// That the survivor's relay node has just started; nothing where the function cannot know it.
pub(super) fn restart(topology: &Topology, survivor: &Site, read: &Readings) -> Option<Stage> {
    let may_know = keeps_statistics(topology, survivor, read) != Some(false);
    may_know.then(|| Stage {
        name: "restart",
        seconds: waited(topology, SHUT_OUT_SECONDS),
        basis: Basis::Measured,
        why: format!(
            "if the survivor's primary relay node has just started and knows of no other one: it is not believed for its \
             first {SHUT_OUT_SECONDS} s, and Alertmanager has to send the alert again"
        )
        .into(),
    })
}

/// From a first report that is put off for so long to the one that is decided. Alertmanager sends the alert again at each
/// interval of its group; one that comes a moment before the time is over waits for the next.
fn waited(topology: &Topology, seconds: u32) -> u32 {
    let interval = topology.alerting.group_interval.seconds().max(1);
    (seconds / interval + 1).saturating_mul(interval)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sample::topology_from;

    const OPERATOR: FailureDetection = FailureDetection::OF_THE_OPERATOR;
    const GUIDE: FailureDetection = FailureDetection::OF_THE_GUIDE;
    const SHORT: FailureDetection = FailureDetection::SHORT;

    /// As on real servers: 10 s and 30 s are too long for either failure detection, 2 s and 6 s short enough for the guide's.
    #[test]
    fn a_router_has_to_be_given_up_before_the_other_site_is_missed() {
        for (heartbeats, detection, is_in_time) in [
            (Some(Heartbeats::OF_THE_OPERATOR), GUIDE, false),
            (Some(Heartbeats::OF_THE_OPERATOR), OPERATOR, false),
            (Some(Heartbeats::SHORT), GUIDE, true),
            (Some(Heartbeats::SHORT), OPERATOR, true),
            (Some(Heartbeats::SHORT), SHORT, false),
            (Some(Heartbeats::SHORTER), SHORT, true),
            (None, OPERATOR, false),
        ] {
            assert_eq!(
                are_in_time(heartbeats, detection),
                is_in_time,
                "{heartbeats:?} {detection:?}"
            );
        }
        assert_eq!(proposed(GUIDE), Some(Heartbeats::SHORT));
        assert_eq!(proposed(SHORT), Some(Heartbeats::SHORTER));
    }

    #[test]
    fn a_decision_waits_for_a_minute_and_for_the_alert_that_comes_then() {
        for (interval, seconds) in [("20s", 80), ("45s", 90), ("59s", 118), ("61s", 61), ("2m", 120)] {
            let topology = topology_from(&format!("alerting: {{ groupInterval: {interval} }}"));
            assert_eq!(waited(&topology, DIVIDED_SECONDS), seconds, "{interval}");
        }
    }

    /// A node that cannot be asked is believed at once.
    #[test]
    fn a_fence_waits_for_a_relay_node_that_has_just_started() {
        let topology = topology_from("");
        let [survivor, _] = &topology.sites;
        let mut read = Readings::default();
        let seconds = |read: &Readings| restart(&topology, survivor, read).map(|stage| stage.seconds);
        assert_eq!(seconds(&read), Some(140));
        read.statistics.insert(survivor.name.clone(), true);
        assert_eq!(seconds(&read), Some(140));
        read.statistics.insert(survivor.name.clone(), false);
        assert_eq!(seconds(&read), None);
    }

    /// What was read, what the topology states, and which of them is believed.
    #[test]
    fn the_stage_says_what_it_rests_on() {
        let mut topology = topology_from("");
        let name = topology.sites[0].name.clone();
        let of = |topology: &Topology, read: &Readings| {
            let found = disagreement(topology, &topology.sites[0], read)?;
            Some((found.is_likely, found.stage.basis, found.stage.why.into_owned()))
        };
        let (is_likely, basis, why) = of(&topology, &Readings::default()).unwrap();
        assert_eq!((is_likely, basis), (true, Basis::Assumed));
        assert!(why.contains("assumed to be two or more"), "{why}");
        assert!(
            why.contains("every 10s, timeout 30s, the Infinispan operator's own"),
            "{why}"
        );

        topology.sites[0].infinispan.relay_nodes = Some(2);
        topology.sites[0].infinispan.heartbeats = Some(Heartbeats::SHORT);
        let (is_likely, basis, why) = of(&topology, &Readings::default()).unwrap();
        assert_eq!((is_likely, basis), (false, Basis::Stated));
        assert!(
            why.contains("goes on seeing the lost site, in spite of heartbeats"),
            "{why}"
        );

        // What was read is so, whatever is stated.
        let mut read = Readings::default();
        read.heartbeats.insert(name.clone(), None);
        let (is_likely, basis, why) = of(&topology, &read).unwrap();
        assert_eq!((is_likely, basis), (true, Basis::Read));
        assert!(
            why.contains("no heartbeats to the gossip routers, from the Infinispan resource"),
            "{why}"
        );
        read.relay_nodes.insert(name, 1);
        assert_eq!(of(&topology, &read), None);
    }
}
