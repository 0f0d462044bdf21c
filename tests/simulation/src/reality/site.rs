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
    Running,
    Stopped,
}

/// One cache's replication to the other site.
#[derive(Debug, Clone, Copy)]
struct Cache {
    online: bool,
    push: Push,
    pushed_at: Duration,
    /// That push has not really begun, and stays under way for ever.
    stalled: bool,
    /// It expects a push from the other site, and takes no new one.
    receiving: bool,
    /// Its whole state has reached the other site since replication was cut.
    in_step: bool,
}

#[derive(Debug)]
pub struct Site {
    /// Whether anything of it answers.
    pub alive: bool,
    /// The accelerator believes it unhealthy, whatever is so.
    pub slandered: bool,
    pub keycloak: Keycloak,
    /// What its second relay node shows of the other site, where that stays as it is.
    pub stuck: Option<bool>,
    pub relay: Relay,
    /// How often its content was wiped by a clear that reached it from the other site.
    pub wiped: u32,
    caches: [Cache; CACHES.len()],
}

/// A site's relay nodes; the first one is the primary when a history begins.
const RELAYS: [&str; 2] = ["primary", "second"];
/// Those that nobody has restarted have been running for so long.
const LONG: u64 = 86_400;

/// Which relay node is the primary, and what has become of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Relay {
    /// By its place in [`RELAYS`].
    primary: usize,
    /// It has not joined the bridge yet, and shows no other site however well the link is.
    joining: bool,
    /// How often each was started anew, and when for the last time.
    starts: [(u32, Option<Duration>); 2],
}

/// One process of a relay node: of which site, which node, after how many starts.
pub type Instance = (usize, usize, u32);

impl Relay {
    /// The primary is started anew under its old name.
    pub fn restart(&mut self, now: Duration) {
        let (starts, at) = &mut self.starts[self.primary];
        (*starts, *at) = (*starts + 1, Some(now));
        self.joining = true;
    }

    /// The other one takes its place.
    pub fn hand_over(&mut self) {
        self.primary = 1 - self.primary;
        self.joining = true;
    }

    pub fn join(&mut self) {
        self.joining = false;
    }

    /// All nodes are started anew.
    fn restart_all(&mut self, now: Duration) {
        for (starts, at) in &mut self.starts {
            (*starts, *at) = (*starts + 1, Some(now));
        }
    }
}
/// So long a relay node may take to notice what another one has noticed.
const NOTICES_WITHIN: Duration = Duration::from_secs(20);
/// How long a state push takes.
const PUSH_TAKES: Duration = Duration::from_secs(4);

impl Site {
    pub(super) fn new() -> Self {
        let cache = Cache {
            online: true,
            push: Push::Idle,
            pushed_at: Duration::ZERO,
            stalled: false,
            receiving: false,
            in_step: true,
        };
        Self {
            alive: true,
            slandered: false,
            keycloak: Keycloak::Running,
            stuck: None,
            relay: Relay::default(),
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
    pub fn restart(&mut self, now: Duration) {
        self.relay.restart_all(now);
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
            cache.stalled = false;
            cache.in_step = true;
        }
    }
}

impl Reality {
    pub(super) fn infinispan(&mut self, index: usize, call: &Call, now: Duration, dice: &mut Dice) -> Event {
        let sees = self.sees_other(index);
        match call {
            Call::ReadView { .. } => Event::Views(Ok(self.heard(index, now, dice))),
            Call::ReadAge { node, .. } => match RELAYS.iter().position(|name| name == node) {
                Some(number) => {
                    let (_, started) = self.sites[index].relay.starts[number];
                    Event::Age(Ok(Some(started.map_or(LONG, |at| (now - at).as_secs()))))
                }
                None => call.failed("there is no such node"),
            },
            Call::TakeOffline { .. } => self.switch(index, false, dice),
            Call::BringOnline { .. } => self.switch(index, true, dice),
            Call::ReadBackup { .. } => Event::Backup(Ok(self.sites[index].backup())),
            Call::ClearCache { cache, .. } => {
                if self.sites[index].replicates(cache) && sees {
                    self.sites[1 - index].wiped += 1;
                }
                Event::Done(Ok(()))
            }
            Call::StartPush { caches, .. } => self.start_push(index, caches, call, now, dice),
            Call::CancelPush { caches, .. } => {
                for name in caches {
                    if let Some(cache) = self.sites[index].cache(name)
                        && cache.push == Push::Sending
                    {
                        (cache.push, cache.stalled) = (Push::Cancelled, false);
                    }
                }
                Event::Switched(Ok(Vec::new()))
            }
            Call::CancelReceive { caches, .. } => {
                for name in caches {
                    if let Some(cache) = self.sites[index].cache(name) {
                        cache.receiving = false;
                    }
                }
                Event::Switched(Ok(Vec::new()))
            }
            Call::ReadPushes { .. } => {
                let [first, second] = &mut self.sites;
                let (here, there) = if index == 0 {
                    (first, second)
                } else {
                    (second, first)
                };
                let pushes = CACHES.iter().zip(here.caches.iter_mut().zip(&mut there.caches));
                Event::Pushes(Ok(pushes
                    .map(|(name, (cache, peer))| {
                        if cache.push == Push::Sending
                            && !cache.stalled
                            && now >= cache.pushed_at + PUSH_TAKES
                        {
                            cache.push = if sees && !dice.permille(self.cache_failures) {
                                Push::Ok
                            } else {
                                Push::Error
                            };
                            cache.in_step = cache.push == Push::Ok;
                            peer.receiving &= cache.push != Push::Ok;
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
                    if let Some(cache) = self.sites[index].cache(name)
                        && cache.push != Push::Sending
                    {
                        cache.push = Push::Idle;
                    }
                }
                Event::Done(Ok(()))
            }
            other => other.failed("not a call to Infinispan"),
        }
    }

    fn node(&self, index: usize, address: &str, sees: bool) -> View {
        let name = |site: &SiteName| site.as_str().to_owned();
        let mut sites_view = vec![name(self.name(index))];
        if sees {
            sites_view.push(name(self.name(1 - index)));
        }
        View {
            relay_node: true,
            node_address: address.to_owned(),
            relay_nodes_address: self.relays(index).map(str::to_owned).into(),
            local_site: name(self.name(index)),
            sites_view,
        }
    }

    /// The relay nodes of a site, the primary first.
    fn relays(&self, index: usize) -> [&'static str; 2] {
        let primary = self.sites[index].relay.primary;
        [RELAYS[primary], RELAYS[1 - primary]]
    }

    /// The process that is a site's primary relay node, and whether it has joined the bridge.
    pub fn instance(&self, index: usize) -> (Instance, bool) {
        let relay = self.sites[index].relay;
        let (starts, _) = relay.starts[relay.primary];
        ((index, relay.primary, starts), !relay.joining)
    }

    /// What the relay nodes of a site show.
    pub fn views(&self, index: usize) -> Vec<View> {
        let sees = self.sees_other(index) && !self.sites[index].relay.joining;
        let second = self.sites[index].stuck.unwrap_or(sees);
        let [primary, other] = self.relays(index);
        vec![self.node(index, primary, sees), self.node(index, other, second)]
    }

    /// What is heard of the nodes that a caller comes to: by chance not of all, and by chance of one that was a relay
    /// node until its site had lost itself for a moment, and shows what was so then.
    fn heard(&self, index: usize, now: Duration, dice: &mut Dice) -> Vec<View> {
        let mut views = self.views(index);
        // The second one notices what happens to the link a while after the primary, or before it.
        if self.hands.link.is_some_and(|at| now < at + NOTICES_WITHIN) && dice.permille(300) {
            let [_, other] = self.relays(index);
            views[1] = self.node(index, other, !self.sees_other(index));
        }
        if dice.permille(self.no_relay) {
            views.remove(dice.below(2) as usize);
        }
        if dice.permille(self.no_relay) {
            views.clear();
        }
        if views.is_empty() || dice.permille(self.no_relay) {
            views.insert(0, self.node(index, "demoted", dice.permille(500)));
            views.push(View {
                relay_node: false,
                sites_view: Vec::new(),
                ..self.node(index, "pod", false)
            });
        }
        views
    }

    /// A start that fails leaves the push under way for ever at the one end, and expected at the other.
    fn start_push(
        &mut self,
        index: usize,
        wanted: &[String],
        call: &Call,
        now: Duration,
        dice: &mut Dice,
    ) -> Event {
        let sees = self.sees_other(index);
        let fails = dice
            .permille(self.cache_failures)
            .then(|| dice.below(CACHES.len() as u64) as usize);
        let [first, second] = &mut self.sites;
        let (here, there) = if index == 0 {
            (first, second)
        } else {
            (second, first)
        };
        let mut failures = Vec::new();
        let both = here.caches.iter_mut().zip(&mut there.caches);
        for (number, (name, (cache, peer))) in CACHES.iter().zip(both).enumerate() {
            if !wanted.is_empty() && wanted.iter().all(|wanted| wanted != name) {
                continue;
            }
            let busy = cache.push == Push::Sending || peer.receiving;
            if !busy {
                cache.push = Push::Sending;
                cache.pushed_at = now;
                cache.stalled = !sees || fails == Some(number);
                peer.receiving = true;
            }
            if busy || cache.stalled {
                failures.push(CacheFailure {
                    cache: (*name).to_owned(),
                    message: format!("ISPN012047: Site operation failed for {name}"),
                });
            }
        }
        if sees {
            Event::Switched(Ok(failures))
        } else {
            call.failed("the other site is not in view")
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
