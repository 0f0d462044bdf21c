//! Readings of Infinispan's cross-site replication, and what they prove.
//!
//! Only relay nodes know the other site. Only one pod of a site is a relay node by default, a load balancer leads a
//! caller to any pod, and the others show an empty view on a perfectly healthy link. Nor is every node that calls itself
//! a relay node one: a node that a local merge has demoted goes on saying so, and shows its last view forever. So an
//! answer counts only when
//!
//! * it comes from a relay node whose address is in its own list of relay nodes, and
//! * it names the site it was asked of among those in view: an empty view alone proves nothing.
//!
//! Of several relay nodes the first listed, the *primary*, decides: when it loses the other site it tells all
//! nodes, and their backups fail at once, so its view is the outage. Another one that still sees the site makes
//! a loss doubtful for a while ([`Sight::Divided`]).

use serde::{Deserialize, Serialize};

use crate::words::SiteName;

/// What one node answered about cross-site: `GET /rest/v2/container`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct View {
    /// Whether the node that answered calls itself a relay node.
    pub relay_node: bool,
    /// Its name in its cluster.
    pub node_address: String,
    /// The relay nodes of its site as it knows them, the primary first.
    pub relay_nodes_address: Vec<String>,
    /// The site that the node says it belongs to.
    pub local_site: String,
    /// The sites it sees, its own included.
    pub sites_view: Vec<String>,
}

/// What the views of a site's nodes prove together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// The other site is in view now.
    Sees,
    /// The other site is not in view now.
    Misses,
    /// The primary relay node does not see the other site, and another relay node still does.
    Divided,
    /// Nothing: the primary relay node was not met, or its own view has not formed.
    Nothing,
    /// The address leads to another site's Infinispan.
    WrongSite,
}

impl View {
    /// Whether the node is a relay node with a view of its own.
    pub fn counts(&self) -> bool {
        self.relay_node
            && self.relay_nodes_address.contains(&self.node_address)
            && self.sites_view.contains(&self.local_site)
    }

    /// Whether it is the relay node whose view decides.
    pub fn is_primary(&self) -> bool {
        self.counts() && self.relay_nodes_address.first() == Some(&self.node_address)
    }

    pub(crate) fn sees(&self, site: &SiteName) -> bool {
        self.sites_view.iter().any(|seen| seen == site.as_str())
    }
}

/// The node whose word counts: the primary relay node. None where none answered, or where several call themselves so.
pub fn primary(views: &[View]) -> Option<&View> {
    let mut primaries = views.iter().filter(|view| view.is_primary());
    let first = primaries.next()?;
    primaries
        .all(|other| other.node_address == first.node_address)
        .then_some(first)
}

/// The nodes that call themselves the primary relay node and know of no other relay node.
pub fn alone(views: &[View]) -> Vec<String> {
    let alone = views
        .iter()
        .filter(|view| view.is_primary() && view.relay_nodes_address.len() == 1);
    alone.map(|view| view.node_address.clone()).collect()
}

/// What the views prove, asked of `own` about `peer`.
///
/// Where the nodes of a site have lost each other, more than one of them calls itself the primary. Then one that
/// sees the other site is enough against a loss: it is not the link between the sites that is broken.
pub fn sight(views: &[View], own: &SiteName, peer: &SiteName) -> Sight {
    if views.iter().any(|view| view.local_site != own.as_str()) {
        return Sight::WrongSite;
    }
    let mut primaries = views.iter().filter(|view| view.is_primary()).peekable();
    if primaries.peek().is_none() {
        return Sight::Nothing;
    }
    if primaries.any(|primary| primary.sees(peer)) {
        return Sight::Sees;
    }
    let another_sees = views.iter().any(|view| view.counts() && view.sees(peer));
    if another_sees {
        Sight::Divided
    } else {
        Sight::Misses
    }
}

/// Whether nobody else need be asked: the primary sees the other site, or it misses it and every relay node that
/// it lists was heard.
pub fn settles(views: &[View], peer: &SiteName) -> bool {
    let mut primaries = views.iter().filter(|view| view.is_primary());
    primaries.any(|primary| primary.sees(peer)) || every_relay_node_was_heard(views)
}

/// Whether the primary answered, and every other relay node that it lists.
pub fn every_relay_node_was_heard(views: &[View]) -> bool {
    let heard = |address: &String| views.iter().any(|view| view.node_address == *address);
    views
        .iter()
        .any(|view| view.is_primary() && view.relay_nodes_address.iter().all(heard))
}

/// Whether relay nodes contradict each other about the other site.
pub fn relay_nodes_disagree(views: &[View], peer: &SiteName) -> bool {
    let mut sights = views
        .iter()
        .filter(|view| view.counts())
        .map(|view| view.sees(peer));
    let first = sights.next();
    sights.any(|sees| Some(sees) != first)
}

/// A site's backup to the other, over all its caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backup {
    Online,
    Offline,
    /// Some do. Not cut: a write to one of the others still waits for the lost site.
    Mixed,
}

impl std::fmt::Display for Backup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Mixed => "mixed",
        })
    }
}

/// One cache that a call over all caches failed for; Infinispan says so inside a 200.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CacheFailure {
    pub cache: String,
    pub message: String,
}

/// How far a state push of one cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Push {
    /// None was started, or its status was cleared.
    Idle,
    Sending,
    Ok,
    /// Failed; to be started again.
    Error,
    /// Somebody cancelled it; to be started again.
    Cancelled,
}

/// What the push statuses of all caches say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pushed {
    /// No push was started since Infinispan runs.
    Nothing,
    /// Some caches' state was pushed, or is being pushed, or failed to be.
    Some,
    All,
}

impl Pushed {
    pub fn of(pushes: &[CachePush]) -> Self {
        if pushes.iter().all(|push| push.push == Push::Idle) {
            Self::Nothing
        } else if pushes.iter().all(|push| push.push == Push::Ok) {
            Self::All
        } else {
            Self::Some
        }
    }
}

/// The push status of one cache.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CachePush {
    pub cache: String,
    pub push: Push,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn site(name: &str) -> SiteName {
        SiteName::new(name).unwrap()
    }

    fn node(address: &str, relays: &[&str], sees: &[&str]) -> View {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        View {
            relay_node: true,
            node_address: address.to_owned(),
            relay_nodes_address: owned(relays),
            local_site: "site-a".to_owned(),
            sites_view: owned(sees),
        }
    }

    const BOTH: &[&str] = &["site-a", "site-b"];
    const OWN: &[&str] = &["site-a"];

    #[test]
    fn only_a_listed_relay_node_that_sees_itself_proves_anything() {
        let (own, peer) = (site("site-a"), site("site-b"));
        let other = |change: fn(&mut View)| {
            let mut view = node("n1", &["n1"], OWN);
            change(&mut view);
            view
        };
        for (view, expected) in [
            (node("n1", &["n1"], BOTH), Sight::Sees),
            (node("n1", &["n1"], OWN), Sight::Misses),
            (node("n1", &["n1"], &[]), Sight::Nothing),
            (node("n1", &["n1"], &["site-b"]), Sight::Nothing),
            // Demoted by a merge: it still calls itself a relay node.
            (node("n1", &["n2"], OWN), Sight::Nothing),
            (node("n1", &[], OWN), Sight::Nothing),
            // A relay node, and not the primary.
            (node("n1", &["n2", "n1"], OWN), Sight::Nothing),
            (node("n1", &["n2", "n1"], BOTH), Sight::Nothing),
            (other(|view| view.relay_node = false), Sight::Nothing),
            (
                other(|view| view.local_site = "site-b".to_owned()),
                Sight::WrongSite,
            ),
            (other(|view| view.local_site.clear()), Sight::WrongSite),
        ] {
            assert_eq!(
                sight(std::slice::from_ref(&view), &own, &peer),
                expected,
                "{view:?}"
            );
        }
        assert_eq!(sight(&[], &own, &peer), Sight::Nothing);
    }

    /// Rows: the views in the order in which they were heard, what they prove, whether more have to be asked, whether
    /// somebody disagrees.
    #[test]
    fn the_primary_decides_and_another_that_sees_makes_it_doubtful() {
        let (own, peer) = (site("site-a"), site("site-b"));
        let relays: &[&str] = &["n1", "n2"];
        let (primary, second) = (|sees| node("n1", relays, sees), |sees| node("n2", relays, sees));
        let pod = || View {
            relay_node: false,
            ..node("n3", relays, &[])
        };
        let demoted = |sees| node("n4", relays, sees);
        // The site is itself in two halves, each with a primary of its own.
        let lonely = |sees| node("n3", &["n3"], sees);
        for (views, expected, settled, disagree) in [
            (vec![primary(BOTH)], Sight::Sees, true, false),
            (vec![primary(OWN)], Sight::Misses, false, false),
            (vec![primary(OWN), pod()], Sight::Misses, false, false),
            (vec![primary(OWN), second(OWN)], Sight::Misses, true, false),
            (vec![second(BOTH), primary(OWN)], Sight::Divided, true, true),
            (vec![second(OWN), primary(BOTH)], Sight::Sees, true, true),
            (vec![second(OWN)], Sight::Nothing, false, false),
            (vec![second(BOTH), pod()], Sight::Nothing, false, false),
            (
                vec![demoted(BOTH), primary(OWN), second(OWN)],
                Sight::Misses,
                true,
                false,
            ),
            (vec![demoted(OWN)], Sight::Nothing, false, false),
            (vec![lonely(OWN)], Sight::Misses, true, false),
            (vec![lonely(OWN), primary(BOTH)], Sight::Sees, true, true),
            (
                vec![lonely(BOTH), primary(OWN), second(OWN)],
                Sight::Sees,
                true,
                true,
            ),
        ] {
            assert_eq!(sight(&views, &own, &peer), expected, "{views:?}");
            assert_eq!(settles(&views, &peer), settled, "{views:?}");
            assert_eq!(relay_nodes_disagree(&views, &peer), disagree, "{views:?}");
        }
        assert!(!every_relay_node_was_heard(&[primary(BOTH)]));
        assert!(every_relay_node_was_heard(&[second(OWN), primary(BOTH)]));
    }
}
