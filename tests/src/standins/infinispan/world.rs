//! Two clusters, their caches and what replication does to them, as plain data.
//!
//! Only what a fencer and a rejoin can observe is modelled, but that faithfully: a write goes to the peer
//! synchronously and *fails* while the peer is away and its backup is still `online` (that is the write
//! outage that cutting replication ends), yet it stays where it was made, and one that was sent before
//! anybody noticed the loss arrives when the link heals; a clear is a write, so it wipes both sites unless
//! the backup is `offline`; a state push sends what is there and deletes nothing; the backup's status lives
//! in memory and a restart puts it back to `online`. `recorded/infinispan` holds what real servers said, and
//! `tests/standins_infinispan/recorded.rs` compares.

use std::collections::BTreeMap;
use std::time::Instant;

use super::pushes::Push;

/// The caches Keycloak keeps in an external Infinispan.
pub const KEYCLOAK_CACHES: [&str; 8] = [
    "sessions",
    "clientSessions",
    "offlineSessions",
    "offlineClientSessions",
    "authenticationSessions",
    "actionTokens",
    "loginFailures",
    "work",
];

#[derive(Debug, Clone, PartialEq)]
pub struct World {
    pub clusters: [Cluster; 2],
    pub link: Link,
    /// Whose words the servers use.
    pub release: Release,
    /// What was sent into a dead link before anybody noticed, with the site that sent it.
    pub(super) under_way: Vec<(String, UnderWay)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Release {
    Fifteen,
    #[default]
    Sixteen,
}

impl Release {
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::Fifteen => "15.0.13.Final",
            Self::Sixteen => "16.0.5",
        }
    }

    /// A site in the texts of errors.
    pub(super) fn of_site(self, site: &str) -> String {
        match self {
            Self::Fifteen => format!("SiteAddress{{name='{site}'}}"),
            Self::Sixteen => format!("site:{site}"),
        }
    }
}

/// What waits in queues and sockets for the link to heal.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum UnderWay {
    Put {
        cache: String,
        key: String,
        value: String,
    },
    Clear {
        cache: String,
    },
    PushStart {
        cache: String,
    },
}

/// The bridge between the sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Up,
    /// Nothing arrives any more, and both sites still count on each other: the first seconds of a split.
    Unnoticed,
    /// Nothing arrives, and the sites have lost each other from view.
    Cut,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    pub site: String,
    pub nodes: Vec<String>,
    /// Which node carries the bridge. Only it has a view of the sites; right after losing it, none has.
    pub relay: Option<usize>,
    /// How many nodes are relay nodes beside it, those that follow it.
    pub more_relays: usize,
    /// When each node was started, where that was not long ago.
    pub started: Vec<Option<Instant>>,
    /// Whether the processes run, reachable for REST clients or not.
    pub running: bool,
    pub caches: BTreeMap<String, Cache>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cache {
    pub entries: BTreeMap<String, String>,
    /// The backup at the other site; none for a cache that is not replicated there.
    pub backup: Option<Backup>,
    /// A backup at a site that is none of the two.
    pub third: Option<(String, Backup)>,
    /// The other site's push is coming in, or was begun and never ended.
    pub receiving: bool,
    /// Whether it keeps statistics, as those of Keycloak's guide do.
    pub statistics: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    pub status: BackupStatus,
    pub push: Push,
}

impl Backup {
    /// As it is after a start.
    pub(super) const NEW: Self = Self {
        status: BackupStatus::Online,
        push: Push::Idle,
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupStatus {
    Online,
    Offline,
    /// Offline on some nodes only.
    Mixed,
}

impl BackupStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Mixed => "mixed",
        }
    }
}

/// What one cache does instead of what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheFault {
    /// It throws; the container's answer is 200 all the same, with the exception's text in its body.
    Exception(String),
    /// It knows no such backup.
    IncorrectSiteName,
    /// It says ok, and nothing changed.
    SaysOkAndStays,
    /// It says ok, and only some nodes changed.
    SaysOkAndIsHalfDone,
    /// The push starts and ends in `ERROR`.
    PushEndsInError,
}

/// Why Keycloak's write did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("site {0} is down")]
    SiteDown(String),
    #[error("cache {cache} of {site} cannot reach its backup, which is online")]
    BackupFailed { site: String, cache: String },
    #[error("no cache {cache} at {site}")]
    NoSuchCache { site: String, cache: String },
}

impl World {
    pub(super) fn new(sites: [&str; 2], nodes: usize, caches: &[String]) -> Self {
        Self {
            clusters: sites.map(|site| Cluster::new(site, nodes, caches)),
            link: Link::Up,
            release: Release::default(),
            under_way: Vec::new(),
        }
    }

    pub fn cluster(&self, site: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| cluster.site == site)
    }

    pub fn cluster_mut(&mut self, site: &str) -> Option<&mut Cluster> {
        self.clusters.iter_mut().find(|cluster| cluster.site == site)
    }

    /// Whether the two clusters reach each other.
    pub fn joined(&self) -> bool {
        self.link == Link::Up && self.clusters.iter().all(|cluster| cluster.running)
    }

    /// The sites that the relay node of `site` sees, itself included.
    pub fn view(&self, site: &str) -> Vec<String> {
        let unnoticed = self.link == Link::Unnoticed;
        let sees = |cluster: &&Cluster| cluster.site == site || self.joined() || unnoticed;
        self.clusters
            .iter()
            .filter(sees)
            .map(|cluster| cluster.site.clone())
            .collect()
    }

    /// The status of the backup over all caches that have one.
    pub fn replication(&self, site: &str) -> Option<BackupStatus> {
        let backups = self
            .cluster(site)?
            .caches
            .values()
            .filter_map(|cache| cache.backup);
        let mut statuses = backups.map(|backup| backup.status);
        let first = statuses.next()?;
        Some(if statuses.all(|status| status == first) {
            first
        } else {
            BackupStatus::Mixed
        })
    }

    /// Sets the status of all backups at `site`.
    pub fn set_replication(&mut self, site: &str, status: BackupStatus) {
        let Some(cluster) = self.cluster_mut(site) else {
            return;
        };
        for backup in cluster
            .caches
            .values_mut()
            .filter_map(|cache| cache.backup.as_mut())
        {
            backup.status = status;
        }
    }

    /// A write as Keycloak makes it.
    pub fn put(&mut self, site: &str, cache: &str, key: &str, value: &str) -> Result<(), WriteError> {
        let put = UnderWay::Put {
            cache: cache.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        };
        self.replicated(site, cache, put)
    }

    /// Clears a cache, here and wherever the clear replicates to.
    pub fn clear(&mut self, site: &str, cache: &str) -> Result<(), WriteError> {
        let clear = UnderWay::Clear {
            cache: cache.to_owned(),
        };
        self.replicated(site, cache, clear)
    }

    /// The link is as it was, and what was under way arrives.
    pub fn heal(&mut self) {
        self.link = Link::Up;
        for (from, what) in std::mem::take(&mut self.under_way) {
            if let Some((_, there)) = self.sides(&from).filter(|(_, there)| there.running) {
                there.receive(&what);
            }
        }
    }

    pub fn entries(&self, site: &str, cache: &str) -> Vec<String> {
        let cache = self.cluster(site).and_then(|cluster| cluster.caches.get(cache));
        cache
            .map(|cache| cache.entries.keys().cloned().collect())
            .unwrap_or_default()
    }

    fn replicated(&mut self, site: &str, name: &str, change: UnderWay) -> Result<(), WriteError> {
        let (joined, unnoticed) = (self.joined(), self.link == Link::Unnoticed);
        let (here, there) = self.sides(site).ok_or_else(|| WriteError::NoSuchCache {
            site: site.to_owned(),
            cache: name.to_owned(),
        })?;
        if !here.running {
            return Err(WriteError::SiteDown(site.to_owned()));
        }
        let cache = here.caches.get(name).ok_or_else(|| WriteError::NoSuchCache {
            site: site.to_owned(),
            cache: name.to_owned(),
        })?;
        let replicates = cache
            .backup
            .is_some_and(|backup| backup.status != BackupStatus::Offline);
        // Also what fails for want of the other site has been done here.
        here.receive(&change);
        if !replicates {
            return Ok(());
        }
        if joined {
            // The receiving side takes it whatever the status of its own backup.
            there.receive(&change);
            return Ok(());
        }
        if unnoticed {
            self.under_way.push((site.to_owned(), change));
        }
        Err(WriteError::BackupFailed {
            site: site.to_owned(),
            cache: name.to_owned(),
        })
    }

    pub(super) fn sides(&mut self, site: &str) -> Option<(&mut Cluster, &mut Cluster)> {
        let [first, second] = &mut self.clusters;
        if first.site == site {
            Some((first, second))
        } else if second.site == site {
            Some((second, first))
        } else {
            None
        }
    }

    /// Changes the status of the backup of `cache` at `site`; the text is what the cache answers.
    pub(super) fn turn(
        &mut self,
        site: &str,
        backup_site: &str,
        cache: &str,
        wanted: BackupStatus,
        fault: Option<&CacheFault>,
    ) -> String {
        let Some(backup) = self.backup_mut(site, backup_site, cache) else {
            return incorrect_site_name(backup_site);
        };
        match fault {
            Some(CacheFault::Exception(message)) => return exception(cache, message),
            Some(CacheFault::IncorrectSiteName) => return incorrect_site_name(backup_site),
            Some(CacheFault::SaysOkAndStays) => {}
            Some(CacheFault::SaysOkAndIsHalfDone) => backup.status = BackupStatus::Mixed,
            Some(CacheFault::PushEndsInError) | None => backup.status = wanted,
        }
        "ok".to_owned()
    }

    /// The peer's name, which is the only backup site there is.
    pub(super) fn peer(&self, site: &str) -> Option<&str> {
        let other = self.clusters.iter().find(|cluster| cluster.site != site);
        other.map(|cluster| cluster.site.as_str())
    }

    pub(super) fn backup_mut(&mut self, site: &str, backup_site: &str, cache: &str) -> Option<&mut Backup> {
        let is_peer = self.peer(site) == Some(backup_site);
        let cache = self.cluster_mut(site)?.caches.get_mut(cache)?;
        if is_peer {
            return cache.backup.as_mut();
        }
        let (third, backup) = cache.third.as_mut()?;
        (third == backup_site).then_some(backup)
    }
}

impl Cluster {
    fn new(site: &str, nodes: usize, caches: &[String]) -> Self {
        let cache = Cache {
            backup: Some(Backup::NEW),
            statistics: true,
            ..Cache::default()
        };
        Self {
            site: site.to_owned(),
            nodes: (0..nodes)
                .map(|number| format!("infinispan-{site}-{number}"))
                .collect(),
            // The last one, so that whoever asks once asks the wrong one.
            relay: nodes.checked_sub(1),
            more_relays: 0,
            started: vec![None; nodes],
            running: true,
            caches: caches.iter().map(|name| (name.clone(), cache.clone())).collect(),
        }
    }

    /// What a restart of all processes forgets. Entries stay, as they do in a cache with a store.
    pub(super) fn restart(&mut self) {
        self.running = true;
        self.started = vec![Some(Instant::now()); self.nodes.len()];
        for cache in self.caches.values_mut() {
            cache.receiving = false;
            let third = cache.third.as_mut().map(|(_, backup)| backup);
            for backup in cache.backup.as_mut().into_iter().chain(third) {
                *backup = Backup::NEW;
            }
        }
    }

    fn receive(&mut self, what: &UnderWay) {
        let (UnderWay::Put { cache, .. } | UnderWay::Clear { cache } | UnderWay::PushStart { cache }) = what;
        let Some(cache) = self.caches.get_mut(cache) else {
            return;
        };
        match what {
            UnderWay::Put { key, value, .. } => {
                cache.entries.insert(key.clone(), value.clone());
            }
            UnderWay::Clear { .. } => cache.entries.clear(),
            UnderWay::PushStart { .. } => cache.receiving = true,
        }
    }

    /// The relay nodes, the primary first.
    pub(super) fn relay_nodes(&self) -> Vec<usize> {
        let count = self.nodes.len();
        let others = self.more_relays.min(count.saturating_sub(1));
        self.relay
            .into_iter()
            .flat_map(|first| (0..=others).map(move |next| (first + next) % count))
            .collect()
    }

    /// For how many seconds a node has been running. Those that nobody has restarted were there a week ago.
    pub(super) fn seconds_up(&self, node: usize) -> i64 {
        let started = self.started.get(node).copied().flatten();
        started.map_or(7 * 86_400, |at| {
            i64::try_from(at.elapsed().as_secs()).unwrap_or(i64::MAX)
        })
    }

    /// The caches that have a backup, wherever.
    pub(super) fn backed_up(&self) -> Vec<String> {
        let has_backup = |cache: &Cache| cache.backup.is_some() || cache.third.is_some();
        let backed_up = self.caches.iter().filter(|(_, cache)| has_backup(cache));
        backed_up.map(|(name, _)| name.clone()).collect()
    }
}

pub(super) fn exception(cache: &str, message: &str) -> String {
    format!("Exception on {cache} : {message}")
}

pub(super) fn incorrect_site_name(site: &str) -> String {
    format!("Incorrect site name: {site}")
}
