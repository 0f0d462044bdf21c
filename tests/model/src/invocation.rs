//! One invocation of the function: the protocol's own state, and what it has been shown so far.

use fencing::answer::Answer;
use fencing::register::Record;
use fencing::replication::Backup;
use fencing::settings::Settings;
use fencing::step::{self, Call, Effect, Event, Progress, Task, Ticket, Written};
use jiff::Timestamp;
use std::hash::{Hash, Hasher};

use crate::grounds::{Grounds, Site};
use crate::shared::Shared;

/// What an invocation was shown: the laws ask for it, since a decision is right by what could be known.
/// It follows from the log, so it is no part of what tells two invocations apart.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// The last record that it read, wrote, or lost against.
    pub record: Option<Shared<Record>>,
    /// The last of them that it wrote itself.
    pub own: Option<Shared<Record>>,
    /// Each group as the last reading showed it.
    pub groups: Vec<Option<[Option<u8>; 3]>>,
    /// Whether each group's dial was at 0 in the last reading.
    pub closed: Vec<bool>,
    /// Each group as the reply to the last write of it showed it.
    pub replies: Vec<Option<[Option<u8>; 3]>>,
    /// Whether site-a, site-b looked healthy in the last reading.
    pub healthy: [bool; 2],
    /// Whether it has changed anything yet, or tried to.
    pub wrote: bool,
    /// Whether site-a, site-b did not see the other, as far as it was asked.
    pub misses: [Option<bool>; 2],
    /// Whether the second relay node of site-a, site-b did see the other.
    pub doubts: [bool; 2],
    /// The backups' status as read last.
    pub backups: [Option<Backup>; 2],
}

#[derive(Debug, Clone)]
pub struct Invocation {
    pub name: u8,
    /// Whether it is the other topology's.
    pub others: bool,
    /// Whether it has a record in memory in place of the register.
    pub apart: bool,
    pub state: Progress,
    pub shown: Shown,
}

impl Hash for Invocation {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.name.hash(hasher);
        self.others.hash(hasher);
        self.apart.hash(hasher);
        self.state.hash(hasher);
    }
}

/// What an invocation told people while it was stepped.
pub type Told = Vec<fencing::answer::Cause>;

fn told(effects: Vec<Effect>) -> Told {
    effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Say(notice) => Some(notice.cause),
            Effect::Call(..) | Effect::Answer(_) => None,
        })
        .collect()
}

/// The request id behind a number.
pub fn request(name: u8) -> String {
    format!("r{name}")
}

impl Invocation {
    pub fn begin(grounds: &Grounds, name: u8, task: Task, now: Timestamp) -> (Self, Told) {
        Self::of(grounds, false, name, task, now)
    }

    /// Begins one, perhaps the other topology's.
    pub fn of(grounds: &Grounds, others: bool, name: u8, task: Task, now: Timestamp) -> (Self, Told) {
        let settings = if others {
            &grounds.others
        } else {
            &grounds.settings
        };
        let (state, effects) = step::start(settings, &request(name), task, now);
        let shown = Shown {
            groups: vec![None; grounds.whole().len()],
            closed: vec![false; grounds.whole().len()],
            replies: vec![None; grounds.whole().len()],
            ..Shown::default()
        };
        let begun = Self {
            name,
            others,
            apart: false,
            state,
            shown,
        };
        (begun, told(effects))
    }

    /// Goes on with a reply.
    pub fn reply(&self, grounds: &Grounds, now: Timestamp, ticket: Ticket, event: Event) -> (Self, Told) {
        let mut next = self.clone();
        if let Some(call) = self.call(ticket) {
            next.shown.note(grounds, self.name, call, &event);
        }
        let settings = if self.others {
            &grounds.others
        } else {
            &grounds.settings
        };
        let (state, effects) = step(settings, next.state, now, ticket, event);
        next.state = state;
        (next, told(effects))
    }

    /// The call behind a ticket that is under way.
    pub fn call(&self, ticket: Ticket) -> Option<&Call> {
        self.state
            .under_way()
            .find(|(known, _)| *known == ticket)
            .map(|(_, call)| call)
    }

    /// Its answer, once it is there.
    pub fn answer(&self) -> Option<&Answer> {
        self.state.answer()
    }
}

fn step(
    settings: &Settings,
    state: Progress,
    now: Timestamp,
    ticket: Ticket,
    event: Event,
) -> (Progress, Vec<Effect>) {
    step::step(settings, state, now, ticket, event)
}

impl Shown {
    fn note(&mut self, grounds: &Grounds, name: u8, call: &Call, event: &Event) {
        self.wrote |= call.writes();
        match (call, event) {
            (_, Event::Register(Ok(record)) | Event::Written(Written::Lost(record))) => {
                self.record = record.as_deref().cloned().map(Shared::new);
                // A write of its own that was not answered shows by its signature.
                let signature = format!("(request {})", request(name));
                if record
                    .as_deref()
                    .is_some_and(|record| record.by.ends_with(&signature))
                {
                    self.own = self.record.clone();
                }
            }
            (Call::WriteRegister { record, .. }, Event::Written(Written::Stored)) => {
                self.record = Some(Shared::new((**record).clone()));
                self.own = self.record.clone();
            }
            (_, Event::Accelerator(Ok(reading))) => {
                for group in &reading.groups {
                    let index = grounds.group(&group.arn);
                    self.groups[index] = Some(grounds.members(group));
                    self.closed[index] = group.closed;
                }
                self.healthy = Site::ALL.map(|site| {
                    let id = &grounds.settings.found.balancers[grounds.name(site)];
                    reading
                        .groups
                        .iter()
                        .flat_map(|group| &group.endpoints)
                        .filter(|endpoint| id.contains(&endpoint.config.id))
                        .all(|endpoint| endpoint.health == fencing::accelerator::Health::Healthy)
                });
            }
            (_, Event::Group(Ok(group))) => {
                let index = grounds.group(&group.arn);
                self.replies[index] = Some(grounds.members(group));
            }
            (Call::ReadView { at }, Event::Views(Ok(views))) => {
                // Who is who is the world's knowledge, and needs no list.
                let site = grounds.site(at);
                let sees = |name: &str| {
                    let view = views.iter().find(|view| view.node_address == name)?;
                    Some(view.sites_view.iter().any(|seen| seen == site.other().as_str()))
                };
                self.misses[site.index()] = sees("n1").or_else(|| sees("n0")).map(|sees| !sees);
                self.doubts[site.index()] = sees("n2").unwrap_or(false);
            }
            (Call::ReadBackup { at, .. }, Event::Backup(Ok(status))) => {
                self.backups[grounds.site(at).index()] = Some(*status);
            }
            _ => {}
        }
    }
}
