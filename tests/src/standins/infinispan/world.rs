//! Two clusters, their caches and what replication does to them, as plain data.
//!
//! Only what a fencer and a rejoin can observe is modelled, but that faithfully: a write goes to the peer
//! synchronously and *fails* while the peer is away and its backup is still `online` (that is the write
//! outage that cutting replication ends); a clear is a write, so it wipes both sites unless the backup is
//! `offline`; a state push sends what is there and deletes nothing; the backup's status lives in memory
//! and a restart puts it back to `online`.

use std::collections::BTreeMap;

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

/// How many times a state push is polled before it is done.
const POLLS_UNTIL_PUSHED: usize = 2;

#[derive(Debug, Clone, PartialEq)]
pub struct World {
    pub clusters: [Cluster; 2],
    pub link: Link,
}

/// The bridge between the sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Up,
    Cut,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    pub site: String,
    pub nodes: Vec<String>,
    /// Which node carries the bridge. Only it has a view of the sites; right after losing it, none has.
    pub relay: Option<usize>,
    /// Whether the processes run, reachable for REST clients or not.
    pub running: bool,
    pub caches: BTreeMap<String, Cache>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cache {
    pub entries: BTreeMap<String, String>,
    /// The backup at the other site; none for a cache that is not replicated.
    pub backup: Option<Backup>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    pub status: BackupStatus,
    pub push: Push,
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

/// A state push of one cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    Idle,
    Sending { polls_left: usize, fails: bool },
    Ok,
    Error,
    Canceled,
}

impl Push {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::Sending { .. } => "SENDING",
            Self::Ok => "OK",
            Self::Error => "ERROR",
            Self::Canceled => "CANCELED",
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
        let sees = |cluster: &&Cluster| cluster.site == site || self.joined();
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

    /// Sets the status of the backup of one cache; says whether there is one.
    pub fn set_backup(&mut self, site: &str, cache: &str, status: BackupStatus) -> bool {
        let cache = self
            .cluster_mut(site)
            .and_then(|cluster| cluster.caches.get_mut(cache));
        let Some(backup) = cache.and_then(|cache| cache.backup.as_mut()) else {
            return false;
        };
        backup.status = status;
        true
    }

    /// A write as Keycloak makes it.
    pub fn put(&mut self, site: &str, cache: &str, key: &str, value: &str) -> Result<(), WriteError> {
        self.replicated(site, cache, |entries| {
            entries.insert(key.to_owned(), value.to_owned());
        })
    }

    /// Clears a cache, here and wherever the clear replicates to.
    pub fn clear(&mut self, site: &str, cache: &str) -> Result<(), WriteError> {
        self.replicated(site, cache, BTreeMap::clear)
    }

    pub fn entries(&self, site: &str, cache: &str) -> Vec<String> {
        let cache = self.cluster(site).and_then(|cluster| cluster.caches.get(cache));
        cache
            .map(|cache| cache.entries.keys().cloned().collect())
            .unwrap_or_default()
    }

    fn replicated(
        &mut self,
        site: &str,
        name: &str,
        change: impl Fn(&mut BTreeMap<String, String>),
    ) -> Result<(), WriteError> {
        let joined = self.joined();
        let (here, there) = self.sides(site).ok_or_else(|| WriteError::NoSuchCache {
            site: site.to_owned(),
            cache: name.to_owned(),
        })?;
        if !here.running {
            return Err(WriteError::SiteDown(site.to_owned()));
        }
        let cache = here.caches.get_mut(name).ok_or_else(|| WriteError::NoSuchCache {
            site: site.to_owned(),
            cache: name.to_owned(),
        })?;
        if cache
            .backup
            .is_some_and(|backup| backup.status != BackupStatus::Offline)
        {
            if !joined {
                return Err(WriteError::BackupFailed {
                    site: site.to_owned(),
                    cache: name.to_owned(),
                });
            }
            // The receiving side takes it whatever the status of its own backup.
            if let Some(peer) = there.caches.get_mut(name) {
                change(&mut peer.entries);
            }
        }
        change(&mut cache.entries);
        Ok(())
    }

    fn sides(&mut self, site: &str) -> Option<(&mut Cluster, &mut Cluster)> {
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

    /// Starts a state push. It brings the backup online first, also when the push then cannot start.
    pub(super) fn start_push(
        &mut self,
        site: &str,
        backup_site: &str,
        cache: &str,
        fault: Option<&CacheFault>,
    ) -> String {
        let joined = self.joined();
        let brought = self.turn(site, backup_site, cache, BackupStatus::Online, fault);
        if brought.starts_with("Exception on") {
            return brought;
        }
        let unable = |why: &str| format!("Unable to pushState to '{backup_site}'. {why}");
        if brought != "ok" {
            return unable(&brought);
        }
        let Some(backup) = self.backup_mut(site, backup_site, cache) else {
            return incorrect_site_name(backup_site);
        };
        if !joined {
            return unable("the remote site is unreachable");
        }
        if matches!(backup.push, Push::Sending { .. }) {
            return unable("state transfer is already in progress");
        }
        let fails = fault == Some(&CacheFault::PushEndsInError);
        backup.push = Push::Sending {
            polls_left: POLLS_UNTIL_PUSHED,
            fails,
        };
        "ok".to_owned()
    }

    pub(super) fn cancel_push(
        &mut self,
        site: &str,
        backup_site: &str,
        cache: &str,
        fault: Option<&CacheFault>,
    ) -> String {
        let Some(backup) = self.backup_mut(site, backup_site, cache) else {
            return incorrect_site_name(backup_site);
        };
        if let Some(CacheFault::Exception(message)) = fault {
            return exception(cache, message);
        }
        if matches!(backup.push, Push::Sending { .. }) {
            backup.push = Push::Canceled;
        }
        "ok".to_owned()
    }

    /// The push's status, which moves on by being asked: that makes runs repeatable without a clock.
    pub(super) fn poll_push(&mut self, site: &str, name: &str) -> Option<Push> {
        let joined = self.joined();
        let (here, there) = self.sides(site)?;
        let cache = here.caches.get_mut(name)?;
        let backup = cache.backup.as_mut()?;
        if let Push::Sending { polls_left, fails } = backup.push {
            backup.push = match polls_left {
                _ if !joined => Push::Error,
                0 if fails => Push::Error,
                0 => {
                    if let Some(peer) = there.caches.get_mut(name) {
                        peer.entries.extend(cache.entries.clone());
                    }
                    Push::Ok
                }
                left => Push::Sending {
                    polls_left: left - 1,
                    fails,
                },
            };
        }
        Some(backup.push)
    }

    pub(super) fn clear_push(&mut self, site: &str, cache: &str) -> bool {
        let cache = self
            .cluster_mut(site)
            .and_then(|cluster| cluster.caches.get_mut(cache));
        let Some(backup) = cache.and_then(|cache| cache.backup.as_mut()) else {
            return false;
        };
        if !matches!(backup.push, Push::Sending { .. }) {
            backup.push = Push::Idle;
        }
        true
    }

    /// The peer's name, which is the only backup site there is.
    pub(super) fn peer(&self, site: &str) -> Option<&str> {
        let other = self.clusters.iter().find(|cluster| cluster.site != site);
        other.map(|cluster| cluster.site.as_str())
    }

    fn backup_mut(&mut self, site: &str, backup_site: &str, cache: &str) -> Option<&mut Backup> {
        if self.peer(site) != Some(backup_site) {
            return None;
        }
        self.cluster_mut(site)?.caches.get_mut(cache)?.backup.as_mut()
    }
}

impl Cluster {
    fn new(site: &str, nodes: usize, caches: &[String]) -> Self {
        let backup = Backup {
            status: BackupStatus::Online,
            push: Push::Idle,
        };
        let cache = Cache {
            entries: BTreeMap::new(),
            backup: Some(backup),
        };
        Self {
            site: site.to_owned(),
            nodes: (0..nodes)
                .map(|number| format!("infinispan-{site}-{number}"))
                .collect(),
            // The last one, so that whoever asks once asks the wrong one.
            relay: nodes.checked_sub(1),
            running: true,
            caches: caches.iter().map(|name| (name.clone(), cache.clone())).collect(),
        }
    }

    /// What a restart of all processes forgets. Entries stay, as they do in a cache with a store.
    pub(super) fn restart(&mut self) {
        self.running = true;
        for backup in self.caches.values_mut().filter_map(|cache| cache.backup.as_mut()) {
            *backup = Backup {
                status: BackupStatus::Online,
                push: Push::Idle,
            };
        }
    }

    /// The caches that have a backup.
    pub(super) fn backed_up(&self) -> Vec<String> {
        let backed_up = self.caches.iter().filter(|(_, cache)| cache.backup.is_some());
        backed_up.map(|(name, _)| name.clone()).collect()
    }
}

fn exception(cache: &str, message: &str) -> String {
    format!("Exception on {cache} : {message}")
}

fn incorrect_site_name(site: &str) -> String {
    format!("Incorrect site name: {site}")
}
