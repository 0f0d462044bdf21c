//! Readings of Infinispan's cross-site replication, and what they prove.
//!
//! Only a relay node knows the other site. By default one pod of a site is relay, a load balancer hands a
//! caller to any of them, and the others show an empty view on a perfectly healthy link. So an answer
//! counts only when it comes from a relay node and names the site it was asked of; an empty view alone
//! proves nothing.

use serde::{Deserialize, Serialize};

use crate::words::SiteName;

/// What `GET /rest/v2/container` told about cross-site.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct View {
    /// Whether the node that answered is its site's relay.
    pub relay_node: bool,
    /// The site that the node says it belongs to.
    pub local_site: String,
    /// The sites it sees, its own included.
    pub sites_view: Vec<String>,
}

/// What a view proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sight {
    /// The other site is in view now.
    Sees,
    /// The other site is not in view now.
    Misses,
    /// Nothing: not a relay node, or a relay whose own view has not formed.
    Nothing,
    /// The address leads to another site's Infinispan.
    WrongSite,
}

impl View {
    /// What the view proves, asked of `own` about `peer`.
    pub fn sight(&self, own: &SiteName, peer: &SiteName) -> Sight {
        if self.local_site != own.as_str() {
            return Sight::WrongSite;
        }
        let sees = |site: &SiteName| self.sites_view.iter().any(|seen| seen == site.as_str());
        match (self.relay_node && sees(own), sees(peer)) {
            (false, _) => Sight::Nothing,
            (true, true) => Sight::Sees,
            (true, false) => Sight::Misses,
        }
    }

    /// Whether the answer settles the question, so that nobody else need be asked.
    pub fn counts(&self) -> bool {
        self.relay_node && self.sites_view.contains(&self.local_site)
    }
}

/// A site's backup to the other, over all its caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backup {
    /// Every cache replicates.
    Online,
    /// No cache replicates.
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
    /// The cache.
    pub cache: String,
    /// Infinispan's words.
    pub message: String,
}

/// How far a state push of one cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Push {
    /// None was started, or its status was cleared.
    Idle,
    /// Under way.
    Sending,
    /// Done.
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
    /// All state was pushed.
    All,
}

impl Pushed {
    /// Reads it.
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
    /// The cache.
    pub cache: String,
    /// How far it is.
    pub push: Push,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_relay_node_that_sees_itself_proves_anything() {
        let own = SiteName::new("site-a").unwrap();
        let peer = SiteName::new("site-b").unwrap();
        for (relay_node, local_site, sites_view, sight) in [
            (true, "site-a", vec!["site-a", "site-b"], Sight::Sees),
            (true, "site-a", vec!["site-a"], Sight::Misses),
            (true, "site-a", vec![], Sight::Nothing),
            (true, "site-a", vec!["site-b"], Sight::Nothing),
            (false, "site-a", vec![], Sight::Nothing),
            (false, "site-a", vec!["site-a", "site-b"], Sight::Nothing),
            (true, "site-b", vec!["site-b"], Sight::WrongSite),
            (true, "", vec![], Sight::WrongSite),
        ] {
            let view = View {
                relay_node,
                local_site: local_site.to_owned(),
                sites_view: sites_view.iter().map(|s| (*s).to_owned()).collect(),
            };
            assert_eq!(view.sight(&own, &peer), sight, "{view:?}");
            assert_eq!(
                view.counts(),
                matches!(sight, Sight::Sees | Sight::Misses) || local_site == "site-b"
            );
        }
    }
}
