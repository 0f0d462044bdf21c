//! The outside: register, accelerator, two Infinispans, the link between them, and the time.
//!
//! A call takes effect and is answered in one moment ([`World::land`]). That loses nothing: what an invocation
//! does with a reply is its own affair, so a reply that takes longer is an invocation that waits longer before
//! its next call takes effect, and the checker lets everybody wait. What takes effect *without* its reply, or
//! long after its caller has given up, is another matter, and a choice of its own ([`Way`]).

use std::hash::Hash;

use fencing::accelerator::{Health, Mark, Marked, Reached, Reading};
use fencing::health::RelayWitness;
use fencing::register::Record;
use fencing::replication::{Backup, CacheFailure, CachePush, Push, View};
use fencing::step::{Call, Event, Written};
use jiff::{SignedDuration, Timestamp};

use crate::grounds::{Grounds, Group, OURS, Site};
use crate::shared::Shared;

/// How a site's state compares with the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Data {
    /// As the other's.
    InStep,
    /// The other one wrote alone since.
    Stale,
    /// Stale, and the caches that a push would leave wrong are emptied.
    Cleared,
}

/// One site's Infinispan and Keycloak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Infinispan {
    /// Whether it answers; a site that died does not come back.
    pub alive: bool,
    /// Whether the accelerator's health checks pass.
    pub healthy: bool,
    /// Its replication to the other.
    pub backup: Backup,
    /// Whether that is a person's doing.
    pub by_hand: bool,
    pub data: Data,
    /// Its state push to the other.
    pub push: Push,
    /// That push has not really begun, and stays under way for ever.
    pub stalled: bool,
    /// It expects a push from the other, and takes no new one.
    pub receiving: bool,
    pub keycloak: bool,
    /// Whether that is a person's doing.
    pub started: bool,
    /// What its second relay node shows of the other site, where that stays as it is; else it shows what the primary
    /// does.
    pub stuck: Option<bool>,
    pub relay: Relay,
}

/// Which node is a site's primary relay node, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relay {
    /// The one that the last deep check saw with the other site in view.
    Known,
    /// Another one, since then.
    Other { joined: bool },
    /// The same, started anew since then.
    Restarted { joined: bool },
}

impl Relay {
    /// Whether it is in the bridge. Until then it shows no other site, however well the link is.
    pub fn joined(self) -> bool {
        match self {
            Self::Known => true,
            Self::Other { joined } | Self::Restarted { joined } => joined,
        }
    }

    /// The same, in the bridge.
    #[must_use]
    pub fn joining(self) -> Self {
        match self {
            Self::Known => Self::Known,
            Self::Other { .. } => Self::Other { joined: true },
            Self::Restarted { .. } => Self::Restarted { joined: true },
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Known | Self::Restarted { .. } => "n1",
            Self::Other { .. } => "n0",
        }
    }

    /// For how many seconds it has been running.
    fn age(self) -> u64 {
        match self {
            Self::Known | Self::Other { .. } => 86_400,
            Self::Restarted { .. } => 0,
        }
    }
}

/// So long ago the deep check looked.
const CHECKED: SignedDuration = SignedDuration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// It takes effect and is answered.
    Plain,
    /// It is not answered. If it changes anything, that is on its way and may happen later, or never.
    Unanswered,
    /// A read of the accelerator that lags: it shows what was there before the last change.
    Lagging,
    /// A conditional write whose first attempt took effect, and whose repetition is answered "no longer so".
    Repeated,
    /// A switch that fails for one cache, inside a 200.
    Partly,
    /// No node that was asked is the relay.
    NoRelay,
    /// The only relay node that answers was demoted, and shows the opposite of what is so.
    Demoted,
    /// The primary does not answer, and the second relay node does.
    Second,
    /// A read of the accelerator that lacks its tag.
    Unmarked,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub register: Option<Shared<Record>>,
    /// The item of the other topology's register, while that one acts; see [`World::change_places`].
    pub others: Option<Shared<Record>>,
    /// Whether the accelerator's tag says that it is ours; otherwise there is none.
    pub marked: bool,
    /// How far the register had come, as the accelerator's other tag has it.
    pub reached: Option<Reached>,
    /// The table was restored from a backup.
    pub restored: bool,
    /// That backup: the register as it was when the decision that the story begins with was complete.
    pub backup: Option<Shared<Record>>,
    pub accelerator: Vec<Group>,
    /// What a lagging read still shows; none where nothing lags.
    pub before: Option<Vec<Group>>,
    /// By [`Site::index`].
    pub sites: [Infinispan; 2],
    /// Whether the sites reach each other.
    pub link: bool,
    /// The one that still sees the other, where the link was lost for one of them only.
    pub half: Option<Site>,
    /// Seconds since the beginning, by everybody's clock.
    pub seconds: u16,
}

impl World {
    /// Two sites in step, each with its balancer in the accelerator, and nothing ever decided.
    pub fn new(grounds: &Grounds, lags: bool) -> Self {
        let site = Infinispan {
            alive: true,
            healthy: true,
            backup: Backup::Online,
            by_hand: false,
            data: Data::InStep,
            push: Push::Idle,
            stalled: false,
            receiving: false,
            keycloak: true,
            started: false,
            stuck: None,
            relay: Relay::Known,
        };
        Self {
            register: None,
            others: None,
            marked: true,
            reached: None,
            restored: false,
            backup: None,
            accelerator: grounds.whole(),
            before: lags.then(|| grounds.whole()),
            sites: [site; 2],
            link: true,
            half: None,
            seconds: 0,
        }
    }

    /// The time, as it is handed to the protocol.
    pub fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
            + SignedDuration::from_hours(24)
            + SignedDuration::from_secs(self.seconds.into())
    }

    /// What is in the register.
    pub fn record(&self) -> Record {
        self.register.as_deref().cloned().unwrap_or_else(Record::empty)
    }

    pub fn at(&self, site: Site) -> &Infinispan {
        &self.sites[site.index()]
    }

    /// A site, to be changed.
    pub fn at_mut(&mut self, site: Site) -> &mut Infinispan {
        &mut self.sites[site.index()]
    }

    /// Whether a site's balancer is anywhere in the accelerator.
    pub fn holds(&self, site: Site) -> bool {
        self.accelerator
            .iter()
            .any(|group| group.members[site.index()].is_some())
    }

    /// The other topology's function begins or ends to act: to whoever acts, its own register is the register.
    pub fn change_places(&mut self) {
        std::mem::swap(&mut self.register, &mut self.others);
    }

    fn mark(&self) -> Mark {
        if self.marked {
            Mark::Names(OURS.to_owned())
        } else {
            Mark::Absent
        }
    }

    /// Whether the sites see each other.
    pub fn connected(&self) -> bool {
        self.link && self.sites.iter().all(|site| site.alive)
    }

    /// Whether a site's primary relay node sees the other site.
    pub fn sees(&self, site: Site) -> bool {
        let link = self.link || self.half == Some(site);
        link && self.sites.iter().all(|site| site.alive)
    }

    /// The accelerator's opinion of both.
    pub fn healths(&self) -> [Health; 2] {
        self.sites.map(|site| {
            if site.alive && site.healthy {
                Health::Healthy
            } else {
                Health::Unhealthy
            }
        })
    }

    /// Changes the accelerator; a read that lags shows what was before.
    pub fn rebalance(&mut self, index: usize, group: Group) {
        let shown = |group: &Group| (group.members, group.closed);
        if shown(&self.accelerator[index]) != shown(&group) && self.before.is_some() {
            self.before = Some(self.accelerator.clone());
        }
        self.accelerator[index] = group;
    }

    /// Lets a call take effect, as far as it does, and gives the reply.
    pub fn land(&mut self, grounds: &Grounds, call: &Call, way: Way) -> Event {
        if way == Way::Unanswered {
            return unanswered(call);
        }
        let answering = call.site().map(|name| grounds.site(name));
        if answering.is_some_and(|site| !self.at(site).alive) {
            return unanswered(call);
        }
        match call {
            Call::ReadRegister => Event::Register(Ok(self
                .register
                .as_deref()
                .map(|record| Box::new(record.clone())))),
            Call::WriteRegister { expect, record } => Event::Written(self.write(*expect, record, way)),
            Call::ReadAccelerator => {
                let shown = match (way, &self.before) {
                    (Way::Lagging, Some(before)) => before,
                    _ => &self.accelerator,
                };
                let mark = match way {
                    Way::Unmarked => Mark::Unread("no answer".to_owned()),
                    _ => self.mark(),
                };
                let reading = grounds.reading(shown, self.healths(), mark);
                Event::Accelerator(Ok(Reading {
                    reached: self.reached.filter(|_| way != Way::Unmarked),
                    ..reading
                }))
            }
            // The deep check has just been there.
            Call::ReadMark => Event::Marked(Ok(Some(Marked {
                mark: self.mark(),
                at: self.now(),
            }))),
            Call::ReadWitnesses => {
                let witness = RelayWitness {
                    node: Relay::Known.name().to_owned(),
                    relays: 2,
                    at: self.now() - CHECKED,
                };
                let both = Site::ALL.map(|site| (grounds.name(site).clone(), witness.clone()));
                Event::Witnesses(Ok(both.into()))
            }
            Call::ReadAge { at, node } => {
                let relay = self.at(grounds.site(at)).relay;
                if relay.name() == node {
                    Event::Age(Ok(Some(relay.age())))
                } else {
                    unanswered(call)
                }
            }
            Call::WriteGroup(write) => {
                let index = grounds.group(&write.arn);
                let group = grounds.written(write, self.accelerator[index]);
                self.rebalance(index, group);
                Event::Group(Ok(grounds.read(index, &group, self.healths())))
            }
            Call::NoteReached(reached) => {
                self.reached = Some(*reached);
                self.restored &= self
                    .reached
                    .is_some_and(|reached| reached.is_beyond(&self.record()));
                Event::Done(Ok(()))
            }
            Call::ReadView { at } => Event::Views(Ok(self.views(grounds, grounds.site(at), way))),
            Call::TakeOffline { at, .. } => {
                let site = grounds.site(at);
                let already = self.at(site).backup == Backup::Offline;
                self.at_mut(site).by_hand &= already;
                if way == Way::Partly {
                    if !already {
                        self.at_mut(site).backup = Backup::Mixed;
                    }
                    return one_cache_failed();
                }
                self.at_mut(site).backup = Backup::Offline;
                // Who writes on alone leaves the other one behind, whoever was behind before; with its Keycloak
                // at 0 nobody writes. What one writes that a person started in the middle of a rejoin is cleared.
                if self.at(site).keycloak && !self.at(site).started {
                    self.at_mut(site).data = Data::InStep;
                    self.at_mut(site.other()).data = Data::Stale;
                }
                Event::Switched(Ok(Vec::new()))
            }
            Call::BringOnline { at, .. } => {
                let here = self.at_mut(grounds.site(at));
                here.by_hand = false;
                if way == Way::Partly {
                    here.backup = Backup::Mixed;
                    return one_cache_failed();
                }
                here.backup = Backup::Online;
                Event::Switched(Ok(Vec::new()))
            }
            Call::ReadBackup { at, .. } => Event::Backup(Ok(self.at(grounds.site(at)).backup)),
            Call::ClearCache { at, .. } => {
                let here = self.at_mut(grounds.site(at));
                if here.data == Data::Stale {
                    here.data = Data::Cleared;
                }
                Event::Done(Ok(()))
            }
            Call::StartPush { at, .. } => {
                let (from, connected) = (grounds.site(at), self.connected());
                if connected && (self.at(from).push == Push::Sending || self.at(from.other()).receiving) {
                    return one_cache_failed();
                }
                // One that fails says that it is under way, and never ends.
                self.at_mut(from).push = Push::Sending;
                self.at_mut(from).stalled = !connected || way == Way::Partly;
                self.at_mut(from.other()).receiving = true;
                match (connected, way) {
                    (false, _) => unanswered(call),
                    (true, Way::Partly) => one_cache_failed(),
                    (true, _) => Event::Switched(Ok(Vec::new())),
                }
            }
            Call::CancelPush { at, .. } => {
                let here = self.at_mut(grounds.site(at));
                if here.push == Push::Sending {
                    here.push = Push::Cancelled;
                    here.stalled = false;
                }
                match way {
                    Way::Partly => one_cache_failed(),
                    _ => Event::Switched(Ok(Vec::new())),
                }
            }
            Call::CancelReceive { at, .. } => {
                self.at_mut(grounds.site(at)).receiving = false;
                Event::Switched(Ok(Vec::new()))
            }
            Call::ReadPushes { at, .. } => {
                let shown = self.pushes(grounds.site(at), way);
                Event::Pushes(Ok(vec![CachePush {
                    cache: "work".to_owned(),
                    push: shown,
                }]))
            }
            Call::ClearPushes { at, .. } => {
                let here = self.at_mut(grounds.site(at));
                // A push that is under way is not forgotten.
                if here.push != Push::Sending {
                    here.push = Push::Idle;
                }
                Event::Done(Ok(()))
            }
            Call::Pause { .. } | Call::Wait { .. } => Event::Passed,
        }
    }

    fn write(&mut self, expect: fencing::words::Rev, record: &Record, way: Way) -> Written {
        let current = self.register.as_deref();
        if current.map_or(0, |current| current.rev.0) != expect.0 {
            return Written::Lost(current.cloned().map(Box::new));
        }
        self.register = Some(Shared::new(record.clone()));
        match way {
            Way::Repeated => Written::Lost(Some(Box::new(record.clone()))),
            _ => Written::Stored,
        }
    }

    /// What is heard of a site's nodes. The primary is `n1`, or `n0` where that has taken its place; the other relay node `n2`, one that was demoted `n3`.
    fn views(&self, grounds: &Grounds, site: Site, way: Way) -> Vec<View> {
        let relay = self.at(site).relay;
        let primary = relay.name();
        let node = |name: &str, sees: bool| View {
            relay_node: true,
            node_address: name.to_owned(),
            relay_nodes_address: [primary, "n2"].map(str::to_owned).into(),
            local_site: grounds.name(site).to_string(),
            sites_view: [Some(site), sees.then(|| site.other())]
                .into_iter()
                .flatten()
                .map(|seen| seen.as_str().to_owned())
                .collect(),
        };
        let sees = self.sees(site);
        let second = self.at(site).stuck.unwrap_or(sees);
        match way {
            Way::NoRelay => vec![View {
                relay_node: false,
                sites_view: Vec::new(),
                ..node("n4", sees)
            }],
            Way::Demoted => vec![node("n3", !sees)],
            Way::Second => vec![node("n2", second)],
            // Its own site has not let it in yet: it is one of its own.
            _ if relay == (Relay::Restarted { joined: false }) => vec![View {
                relay_nodes_address: vec![primary.to_owned()],
                ..node(primary, false)
            }],
            // Beside a new one nobody else is in the bridge, or that one's word would be doubted anyway.
            _ => vec![
                node("n2", second && relay.joined()),
                node(primary, sees && relay.joined()),
            ],
        }
    }

    /// A push is seen under way once, and is over when it is looked at again.
    fn pushes(&mut self, from: Site, way: Way) -> Push {
        let push = self.at(from).push;
        if push != Push::Sending || self.at(from).stalled {
            return push;
        }
        if way == Way::Partly || !self.connected() {
            self.at_mut(from).push = Push::Error;
            return Push::Sending;
        }
        self.at_mut(from).push = Push::Ok;
        let stale = self.at_mut(from.other());
        stale.receiving = false;
        if stale.data == Data::Cleared {
            stale.data = Data::InStep;
        }
        Push::Sending
    }
}

fn one_cache_failed() -> Event {
    Event::Switched(Ok(vec![CacheFailure {
        cache: "work".to_owned(),
        message: "Exception on work".to_owned(),
    }]))
}

/// The reply that says a call was not answered.
pub fn unanswered(call: &Call) -> Event {
    call.failed("no answer")
}
