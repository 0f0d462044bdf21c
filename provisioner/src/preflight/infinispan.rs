//! What a site's Infinispan is set to, judged: what of it keeps a fence from happening, or lets one happen for the
//! wrong reason. None of it stops an `apply`, for it may be changed as well afterwards.

use crate::observed::cluster::ClusterReading;
use crate::observed::infinispan::InfinispanReading;
use crate::topology::{Platform, Site, SiteName, Topology};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Oddity {
    #[error(
        "has one node (`spec.replicas: 1`): whenever it restarts, the other site reports this one offline and fences it; \
         with two nodes or more one remains"
    )]
    OneNode,
    #[error(
        "has one relay node (`spec.service.sites.local.maxRelayNodes`, 1 where it is not set): if that pod hangs, the \
         other site reports this one offline and fences it; set 2 or more"
    )]
    OneRelayNode,
    #[error(
        "has no location `{peer}` in `spec.service.sites.locations`{}: it replicates nothing there, and never reports \
         `{peer}` offline",
        there(locations)
    )]
    NoLocation { peer: SiteName, locations: Vec<String> },
    #[error(
        "has further locations ({}): Sitefence watches and cuts replication between two sites only",
        locations.join(", ")
    )]
    MoreLocations { locations: Vec<String> },
    #[error(
        "is upgraded by stopping all its nodes (`spec.upgrades.type: Shutdown`, also where it is not set): the other \
         site then reports this one offline and fences it, so before an upgrade take the site out in order with \
         `provision fence`"
    )]
    UpgradeByShutdown,
    #[error(
        "answers in plain HTTP ({said}): the function signs in over HTTPS only, because its password would be \
         readable on the way; set `spec.security.endpointEncryption`{}",
        before(*needs_own)
    )]
    Plain { said: &'static str, needs_own: bool },
    #[error(
        "is exposed on ports of the cluster's nodes (`spec.expose.type: NodePort`), and nodes come and go: the \
         function needs an address that stays, such as that of a LoadBalancer, Route or Ingress"
    )]
    NodePort,
    #[error(
        "is read by nobody: its annotation `infinispan.org/monitoring` is `false` and the topology's \
         monitoring.podMonitor too, so no alert about it can fire"
    )]
    NotMonitored,
    #[error(
        "says `{condition}: False`{}: while the sites do not see each other, the first alert after `apply` fences one",
        if message.is_empty() { String::new() } else { format!(" ({message})") }
    )]
    Unwell { condition: String, message: String },
}

fn there(locations: &[String]) -> String {
    if locations.is_empty() {
        String::new()
    } else {
        format!(" (there is {})", locations.join(", "))
    }
}

fn before(needs_own: bool) -> &'static str {
    if needs_own {
        ""
    } else {
        ", unless the Ingress ends TLS in front of it"
    }
}

pub fn oddities(topology: &Topology, site: &Site, reading: &ClusterReading) -> Vec<Oddity> {
    let Some(infinispan) = &reading.infinispan else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if infinispan.replicas == Some(1) {
        found.push(Oddity::OneNode);
    } else if infinispan.relay_nodes.unwrap_or(1) == 1 {
        found.push(Oddity::OneRelayNode);
    }
    locations(topology, site, infinispan, &mut found);
    if infinispan
        .upgrade
        .as_deref()
        .is_none_or(|upgrade| upgrade == "Shutdown")
    {
        found.push(Oddity::UpgradeByShutdown);
    }
    found.extend(plain(site, infinispan));
    if infinispan.exposure.as_deref() == Some("NodePort") {
        found.push(Oddity::NodePort);
    }
    if !infinispan.is_monitored && !topology.monitoring.pod_monitor {
        found.push(Oddity::NotMonitored);
    }
    found.extend(
        infinispan
            .unwell
            .iter()
            .map(|(condition, message)| Oddity::Unwell {
                condition: condition.clone(),
                message: message.clone(),
            }),
    );
    found
}

fn locations(topology: &Topology, site: &Site, infinispan: &InfinispanReading, found: &mut Vec<Oddity>) {
    let peer = &topology.peer_of(site).name;
    let (_, others): (Vec<&String>, Vec<&String>) = infinispan
        .locations
        .iter()
        .partition(|name| name.as_str() == peer.as_str());
    if others.len() == infinispan.locations.len() {
        found.push(Oddity::NoLocation {
            peer: peer.clone(),
            locations: infinispan.locations.clone(),
        });
    } else if !others.is_empty() {
        found.push(Oddity::MoreLocations {
            locations: others.into_iter().cloned().collect(),
        });
    }
}

/// OpenShift's operator gives a certificate of the cluster's own service authority where nothing is said.
fn plain(site: &Site, infinispan: &InfinispanReading) -> Option<Oddity> {
    let said = if infinispan.encryption.as_deref() == Some("None") {
        "`spec.security.endpointEncryption.type: None`"
    } else if !infinispan.has_encryption && site.platform == Platform::Kubernetes {
        "it has no `spec.security.endpointEncryption`, which only OpenShift fills by itself"
    } else {
        return None;
    };
    // An Ingress may end TLS and go on in plain; what only passes bytes on cannot.
    let needs_own = infinispan.exposure.as_deref() != Some("Route");
    Some(Oddity::Plain { said, needs_own })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> InfinispanReading {
        InfinispanReading {
            site: Some("site-a".to_owned()),
            replicas: Some(3),
            relay_nodes: Some(2),
            locations: vec!["site-b".to_owned()],
            upgrade: Some("HotRodRolling".to_owned()),
            has_encryption: true,
            is_monitored: true,
            ..InfinispanReading::default()
        }
    }

    /// What differs from a good one, and how each finding begins.
    #[test]
    fn each_setting_that_matters_is_named() {
        type Edit = fn(&mut InfinispanReading, &mut Topology);
        let cases: [(Edit, &[&str]); 12] = [
            (|_, _| {}, &[]),
            (|it, _| it.replicas = Some(1), &["has one node"]),
            (|it, _| it.relay_nodes = Some(1), &["has one relay node"]),
            (|it, _| it.relay_nodes = None, &["has one relay node"]),
            (|it, _| it.locations.clear(), &["has no location `site-b` in"]),
            (
                |it, _| it.locations = vec!["site-B".to_owned()],
                &["has no location `site-b` in `spec.service.sites.locations` (there is site-B)"],
            ),
            (
                |it, _| it.locations.push("site-c".to_owned()),
                &["has further locations (site-c)"],
            ),
            (|it, _| it.upgrade = None, &["is upgraded by stopping"]),
            (
                |it, _| it.encryption = Some("None".to_owned()),
                &["answers in plain HTTP (`spec.security.endpointEncryption.type: None`)"],
            ),
            (
                |it, topology| {
                    it.has_encryption = false;
                    topology.sites[0].platform = Platform::Kubernetes;
                },
                &["answers in plain HTTP (it has no"],
            ),
            (
                |it, topology| {
                    it.exposure = Some("NodePort".to_owned());
                    it.is_monitored = false;
                    topology.monitoring.pod_monitor = false;
                },
                &["is exposed on ports", "is read by nobody"],
            ),
            (
                |it, _| it.unwell = vec![("WellFormed".to_owned(), "1 of 3".to_owned())],
                &["says `WellFormed: False` (1 of 3)"],
            ),
        ];
        for (edit, expected) in cases {
            let mut topology = crate::sample::topology();
            let mut infinispan = good();
            edit(&mut infinispan, &mut topology);
            let reading = ClusterReading {
                infinispan: Some(infinispan),
                ..ClusterReading::default()
            };
            let found = oddities(&topology, &topology.sites[0], &reading);
            let told: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(told.len(), expected.len(), "{told:?}");
            for (told, expected) in told.iter().zip(expected) {
                assert!(told.starts_with(expected), "{told}");
            }
        }
        // On OpenShift nothing said means encrypted.
        let topology = crate::sample::topology();
        let reading = ClusterReading {
            infinispan: Some(InfinispanReading {
                has_encryption: false,
                ..good()
            }),
            ..ClusterReading::default()
        };
        assert_eq!(oddities(&topology, &topology.sites[0], &reading), []);
    }
}
