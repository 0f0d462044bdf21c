//! State pushes, with the way in which real servers get stuck.
//!
//! A start first says `SENDING` and then asks the other site. Where that fails it stays `SENDING`, nothing
//! moves, and whatever arrived there keeps the other site "receiving": it refuses the next start until the push
//! is cancelled, at either side. A push under way that loses its link says `SENDING` for a while longer, goes on
//! if it heals, and only then is in `ERROR`.

use super::world::{
    BackupStatus, CacheFault, Link, Release, UnderWay, World, exception, incorrect_site_name,
};

/// How many times a state push is polled before it is done.
const POLLS_UNTIL_PUSHED: usize = 2;

/// How many times a push without a link is polled before it gives up; on real servers that takes a minute.
const POLLS_UNTIL_GIVEN_UP: usize = 3;

/// A state push of one cache. It moves on by being asked: that makes runs repeatable without a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    Idle,
    Sending {
        polls_left: usize,
        /// It ends in `ERROR`.
        fails: bool,
        /// Polls since the link was lost.
        unheard: usize,
    },
    /// Its start failed. It says `SENDING`, too.
    Stuck,
    Ok,
    Error,
    Canceled,
}

impl Push {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::Sending { .. } | Self::Stuck => "SENDING",
            Self::Ok => "OK",
            Self::Error => "ERROR",
            Self::Canceled => "CANCELED",
        }
    }

    fn is_sending(self) -> bool {
        matches!(self, Self::Sending { .. } | Self::Stuck)
    }
}

impl World {
    /// Starts a state push. It brings the backup online first, also when the push then cannot start.
    pub(super) fn start_push(
        &mut self,
        site: &str,
        backup_site: &str,
        cache: &str,
        fault: Option<&CacheFault>,
    ) -> String {
        let brought = self.turn(site, backup_site, cache, BackupStatus::Online, fault);
        if brought.starts_with("Exception on") {
            return brought;
        }
        let unable = |why: &str| format!("Unable to pushState to '{backup_site}'. {why}");
        if brought != "ok" {
            return unable(&brought);
        }
        if self.peer(site) == Some(backup_site) && self.joined() {
            let there = self
                .cluster_mut(backup_site)
                .and_then(|cluster| cluster.caches.get_mut(cache));
            let is_busy = there.is_some_and(|there| std::mem::replace(&mut there.receiving, true));
            let Some(backup) = self.backup_mut(site, backup_site, cache) else {
                return incorrect_site_name(backup_site);
            };
            if is_busy {
                if !backup.push.is_sending() {
                    backup.push = Push::Stuck;
                }
                // 15 names the node as well.
                let from = match self.release {
                    Release::Fifteen => format!("infinispan-{backup_site}-0:{backup_site}"),
                    Release::Sixteen => backup_site.to_owned(),
                };
                return unable(&format!(
                    "ISPN000217: Received exception from {from}, see cause for remote stack trace"
                ));
            }
            backup.push = Push::Sending {
                polls_left: POLLS_UNTIL_PUSHED,
                fails: fault == Some(&CacheFault::PushEndsInError),
                unheard: 0,
            };
            return "ok".to_owned();
        }
        if let Some(backup) = self.backup_mut(site, backup_site, cache) {
            backup.push = Push::Stuck;
        }
        let suspected = self.release.of_site(backup_site);
        if self.link == Link::Unnoticed {
            let start = UnderWay::PushStart {
                cache: cache.to_owned(),
            };
            self.under_way.push((site.to_owned(), start));
            // The number counts what the server has asked others for.
            return unable(&format!(
                "ISPN000476: Timed out waiting for responses for request 1 from {backup_site} after 4.5 seconds"
            ));
        }
        unable(&format!("ISPN000400: Node {suspected} was suspected"))
    }

    /// Cancels a push, here at once, and at the other site if that can be told.
    pub(super) fn cancel_push(
        &mut self,
        site: &str,
        backup_site: &str,
        cache: &str,
        fault: Option<&CacheFault>,
    ) -> String {
        let unable = |why: &str| format!("Unable to perform operation. Error={why}");
        let joined = self.joined() && self.peer(site) == Some(backup_site);
        let Some(backup) = self.backup_mut(site, backup_site, cache) else {
            return unable(&format!("ISPN000617: Site '{backup_site}' not found."));
        };
        if let Some(CacheFault::Exception(message)) = fault {
            return exception(cache, message);
        }
        if backup.push.is_sending() {
            backup.push = Push::Canceled;
        }
        if !joined {
            let suspected = self.release.of_site(backup_site);
            return unable(&format!(
                "org.infinispan.remoting.transport.jgroups.SuspectException: ISPN000400: Node {suspected} was \
                 suspected"
            ));
        }
        self.cancel_receive(backup_site, cache);
        "ok".to_owned()
    }

    /// Ends "receiving" at the receiving site.
    pub(super) fn cancel_receive(&mut self, site: &str, cache: &str) {
        if let Some(cluster) = self.cluster_mut(site)
            && let Some(cache) = cluster.caches.get_mut(cache)
        {
            cache.receiving = false;
        }
    }

    /// The status of a cache's push, which this moves on.
    pub(super) fn poll_push(&mut self, site: &str, name: &str) -> Option<Push> {
        let joined = self.joined();
        let (here, there) = self.sides(site)?;
        let cache = here.caches.get_mut(name)?;
        let backup = cache.backup.as_mut()?;
        if let Push::Sending {
            polls_left,
            fails,
            unheard,
        } = backup.push
        {
            let again = |polls_left, unheard| Push::Sending {
                polls_left,
                fails,
                unheard,
            };
            backup.push = match polls_left {
                _ if !joined && unheard >= POLLS_UNTIL_GIVEN_UP => Push::Error,
                left if !joined => again(left, unheard + 1),
                0 if fails => Push::Error,
                0 => Push::Ok,
                left => again(left - 1, 0),
            };
            if joined
                && !matches!(backup.push, Push::Sending { .. })
                && let Some(peer) = there.caches.get_mut(name)
            {
                peer.receiving = false;
                if backup.push == Push::Ok {
                    peer.entries.extend(cache.entries.clone());
                }
            }
        }
        Some(backup.push)
    }

    /// Forgets how the pushes of a cache ended; one that is under way stays.
    pub(super) fn clear_push(&mut self, site: &str, cache: &str) -> bool {
        let cache = self
            .cluster_mut(site)
            .and_then(|cluster| cluster.caches.get_mut(cache));
        let Some(cache) = cache else {
            return false;
        };
        let third = cache.third.as_mut().map(|(_, backup)| backup);
        let mut backups = cache.backup.as_mut().into_iter().chain(third).peekable();
        let has_backup = backups.peek().is_some();
        for backup in backups.filter(|backup| !backup.push.is_sending()) {
            backup.push = Push::Idle;
        }
        has_backup
    }
}
