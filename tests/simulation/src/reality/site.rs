//! One site: its Infinispan, whose replication status lives in memory, and its Keycloak.

use std::time::Duration;

use fencing::replication::{Backup, CacheFailure, CachePush, Push, View};
use fencing::step::{Call, Event};
use fencing::words::SiteName;

use super::Reality;
use crate::dice::Dice;
use crate::layout::CACHES;

/// What runs of a site's Keycloak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keycloak {
    /// Its replicas.
    Running,
    /// Nothing.
    Stopped,
}

/// One cache's replication to the other site.
#[derive(Debug, Clone, Copy)]
struct Cache {
    online: bool,
    push: Push,
    pushed_at: Duration,
    /// Its whole state has reached the other site since replication was cut.
    in_step: bool,
}

/// A site.
#[derive(Debug)]
pub struct Site {
    /// Whether anything of it answers.
    pub alive: bool,
    /// The accelerator believes it unhealthy, whatever is so.
    pub slandered: bool,
    /// Its Keycloak.
    pub keycloak: Keycloak,
    /// How often its content was wiped by a clear that reached it from the other site.
    pub wiped: u32,
    caches: [Cache; CACHES.len()],
}

/// How long a state push takes.
const PUSH_TAKES: Duration = Duration::from_secs(4);

impl Site {
    pub(super) fn new() -> Self {
        let cache = Cache {
            online: true,
            push: Push::Idle,
            pushed_at: Duration::ZERO,
            in_step: true,
        };
        Self {
            alive: true,
            slandered: false,
            keycloak: Keycloak::Running,
            wiped: 0,
            caches: [cache; CACHES.len()],
        }
    }

    pub(super) fn backup(&self) -> Backup {
        match self.caches.iter().filter(|cache| cache.online).count() {
            0 => Backup::Offline,
            all if all == CACHES.len() => Backup::Online,
            _ => Backup::Mixed,
        }
    }

    /// A cache by its name.
    fn cache(&mut self, name: &str) -> Option<&mut Cache> {
        let index = CACHES.iter().position(|cache| *cache == name)?;
        self.caches.get_mut(index)
    }

    /// Whether a cache replicates.
    pub fn replicates(&self, name: &str) -> bool {
        CACHES
            .iter()
            .position(|cache| *cache == name)
            .is_some_and(|index| self.caches[index].online)
    }

    /// Whether the other site has the state of every cache.
    pub fn in_step(&self) -> bool {
        self.caches.iter().all(|cache| cache.in_step)
    }

    /// Every cache on or off, by hand.
    pub fn switch_all(&mut self, online: bool) {
        for cache in &mut self.caches {
            cache.online = online;
        }
    }

    /// Infinispan starts anew and has forgotten everything, and the other site still lacks what it lacked.
    pub fn restart(&mut self) {
        let fresh = Self::new().caches;
        for (cache, fresh) in self.caches.iter_mut().zip(fresh) {
            *cache = Cache {
                in_step: cache.in_step,
                ..fresh
            };
        }
    }

    /// All state was pushed, by hand.
    pub fn push_all(&mut self) {
        for cache in &mut self.caches {
            cache.push = Push::Ok;
            cache.in_step = true;
        }
    }
}

impl Reality {
    pub(super) fn infinispan(&mut self, index: usize, call: &Call, now: Duration, dice: &mut Dice) -> Event {
        let sees = self.sees_other(index);
        match call {
            Call::ReadView { .. } => Event::View(Ok(self.view(index, dice))),
            Call::TakeOffline { .. } => self.switch(index, false, dice),
            Call::BringOnline { .. } => self.switch(index, true, dice),
            Call::ReadBackup { .. } => Event::Backup(Ok(self.sites[index].backup())),
            Call::ClearCache { cache, .. } => {
                if self.sites[index].replicates(cache) && sees {
                    self.sites[1 - index].wiped += 1;
                }
                Event::Done(Ok(()))
            }
            Call::StartPush { caches, .. } => {
                if !sees {
                    return call.failed("the other site is not in view");
                }
                for (name, cache) in CACHES.iter().zip(&mut self.sites[index].caches) {
                    if caches.is_empty() || caches.iter().any(|wanted| wanted == name) {
                        cache.push = Push::Sending;
                        cache.pushed_at = now;
                    }
                }
                Event::Switched(Ok(Vec::new()))
            }
            Call::ReadPushes { .. } => {
                let pushes = CACHES.iter().zip(&mut self.sites[index].caches);
                Event::Pushes(Ok(pushes
                    .map(|(name, cache)| {
                        if cache.push == Push::Sending && now >= cache.pushed_at + PUSH_TAKES {
                            cache.push = match sees && !dice.permille(self.cache_failures) {
                                true => Push::Ok,
                                false => Push::Error,
                            };
                            cache.in_step = cache.push == Push::Ok;
                        }
                        CachePush {
                            cache: (*name).to_owned(),
                            push: cache.push,
                        }
                    })
                    .collect()))
            }
            Call::ClearPushes { caches, .. } => {
                for name in caches {
                    if let Some(cache) = self.sites[index].cache(name) {
                        cache.push = Push::Idle;
                    }
                }
                Event::Done(Ok(()))
            }
            other => other.failed("not a call to Infinispan"),
        }
    }

    fn view(&self, index: usize, dice: &mut Dice) -> View {
        let name = |site: &SiteName| site.as_str().to_owned();
        let relay_node = !dice.permille(self.no_relay);
        let mut sites_view = Vec::new();
        if relay_node {
            sites_view.push(name(self.name(index)));
            if self.sees_other(index) {
                sites_view.push(name(self.name(1 - index)));
            }
        }
        View {
            relay_node,
            local_site: name(self.name(index)),
            sites_view,
        }
    }

    fn switch(&mut self, index: usize, online: bool, dice: &mut Dice) -> Event {
        let fails = dice
            .permille(self.cache_failures)
            .then(|| dice.below(CACHES.len() as u64) as usize);
        let mut failures = Vec::new();
        for (number, (name, cache)) in CACHES.iter().zip(&mut self.sites[index].caches).enumerate() {
            if fails == Some(number) {
                failures.push(CacheFailure {
                    cache: (*name).to_owned(),
                    message: format!("Exception on {name} : timed out"),
                });
            } else {
                cache.online = online;
                cache.in_step &= online;
            }
        }
        Event::Switched(Ok(failures))
    }
}
