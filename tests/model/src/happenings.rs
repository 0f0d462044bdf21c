//! What happens beside the invocations: operators' commands go on, people do things, processes end.

use fencing::register::{Record, Rejoin, RejoinStep, State};
use fencing::replication::{Backup, Push};
use fencing::step::{Call, Event, Ticket};
use fencing::words::Rev;

use crate::grounds::{Group, STRANGER, Site, WEIGHTS};
use crate::protocol::Protocol;
use crate::scene::{Hand, Phase, Scene};
use crate::shared::Shared;
use crate::world::{Data, World, unanswered};

const WAIT: u16 = 30;

impl Protocol {
    /// A process that ends takes the calls with it that were under way to it: those that it has not carried
    /// out before are not carried out by its successor.
    pub(crate) fn disconnect(&self, scene: &mut Scene, site: Site) {
        let goes_there = |call: &Call| call.site().is_some_and(|name| self.grounds.site(name) == site);
        scene
            .adrift
            .retain(|adrift| !adrift.by.call(adrift.ticket).is_some_and(goes_there));
        let cut: Vec<(u8, Ticket, Event)> = scene
            .running
            .iter()
            .flat_map(|running| {
                let name = running.invocation.name;
                let calls = running.invocation.state.under_way();
                calls
                    .filter(|(_, call)| call.writes() && goes_there(call))
                    .map(move |(ticket, call)| (name, ticket, unanswered(call)))
            })
            .collect();
        for (name, ticket, event) in cut {
            let Some(running) = scene.position(name).map(|index| scene.running[index].clone()) else {
                continue;
            };
            let next = self.reply(
                &running.invocation,
                scene.world.seconds,
                scene.world.now(),
                ticket,
                event,
            );
            self.go_on(scene, next);
        }
    }

    /// A command goes on; where it was told to wait, it does so only if it is `patient`.
    pub(crate) fn command(&self, scene: &mut Scene, slot: usize, patient: bool) -> Option<()> {
        let mut command = scene.commands[slot].clone()?;
        match command.phase.clone() {
            Phase::Calling(_) => return None,
            Phase::StopKeycloak | Phase::StartKeycloak => {
                command.scale(&mut scene.world);
                command.phase = Phase::Due;
                scene.commands[slot] = Some(command);
                return Some(());
            }
            Phase::Waiting(token) => {
                if patient {
                    scene.world.seconds += WAIT;
                    scene.time_is_over(slot as u8, self.configuration.driver_stops);
                }
                scene.wait_no_more(slot as u8);
                command.waited = Some(token);
            }
            Phase::Due => {}
        }
        if scene.running.len() >= self.configuration.executors {
            return None;
        }
        let name = self.begin(scene, command.task(&self.grounds, &scene.world));
        command.phase = Phase::Calling(name);
        scene.commands[slot] = Some(command);
        Some(())
    }

    pub(crate) fn hand(&self, scene: &mut Scene, hand: Hand) -> Option<()> {
        let world = &mut scene.world;
        let each = |world: &mut World, change: &dyn Fn(usize, &mut [Option<u8>; 3])| {
            let mut any = false;
            for index in 0..world.accelerator.len() {
                let mut group = world.accelerator[index];
                change(index, &mut group.members);
                if group.members != world.accelerator[index].members {
                    group.by_hand = true;
                    world.rebalance(index, group);
                    any = true;
                }
            }
            any
        };
        let changed = match hand {
            Hand::Add(site) => each(world, &|index, members| {
                if self.grounds.belongs(index, site) {
                    members[site.index()] = members[site.index()].or(Some(WEIGHTS[site.index()]));
                }
            }),
            Hand::Remove(site) => each(world, &|_, members| members[site.index()] = None),
            Hand::AddStranger => each(world, &|index, members| {
                if index == 0 {
                    members[STRANGER] = Some(WEIGHTS[STRANGER]);
                }
            }),
            Hand::Weigh(site) => each(world, &|_, members| {
                members[site.index()] = members[site.index()].map(|_| 7);
            }),
            Hand::BringOnline(site) => {
                let here = world.at_mut(site);
                let changes = here.backup != Backup::Online;
                here.backup = Backup::Online;
                here.by_hand = changes;
                changes
            }
            Hand::Recover(site) => {
                for site in Site::ALL {
                    let here = world.at_mut(site);
                    here.backup = Backup::Online;
                    here.data = Data::InStep;
                    here.push = Push::Ok;
                    here.keycloak = true;
                    here.by_hand = true;
                }
                world.connected()
                    && each(world, &|index, members| {
                        if self.grounds.belongs(index, site) {
                            members[site.index()] = members[site.index()].or(Some(WEIGHTS[site.index()]));
                        }
                    })
            }
            Hand::StartKeycloak(site) => {
                let starts = !world.at(site).keycloak;
                world.at_mut(site).keycloak = true;
                world.at_mut(site).started = starts;
                starts
            }
            Hand::Drain(site) => {
                let mut any = false;
                for index in 0..world.accelerator.len() {
                    let old = world.accelerator[index];
                    let mut group = Group { by_hand: true, ..old };
                    match (old.members[site.index()], self.grounds.layout.two_regions) {
                        (None, _) => continue,
                        (Some(_), true) => group.closed = true,
                        (Some(_), false) => group.members[site.index()] = Some(0),
                    }
                    if (group.members, group.closed) != (old.members, old.closed) {
                        world.rebalance(index, group);
                        any = true;
                    }
                }
                any
            }
            Hand::RestoreTable(state) => {
                // What was written a moment ago and noted nowhere yet, nobody can miss.
                let noted = world
                    .reached
                    .is_some_and(|reached| reached.rev >= world.record().rev);
                let over = world.record().state == State::Open && world.others.is_none();
                let restored = noted && over && world.backup.is_some();
                if restored {
                    let next = format!("s{}", scene.typed);
                    world.register = world
                        .backup
                        .as_deref()
                        .map(|complete| Shared::new(backup(complete, state, next)));
                    world.restored = true;
                }
                restored
            }
            Hand::Sicken(site) => std::mem::take(&mut world.at_mut(site).healthy),
        };
        changed.then_some(())
    }
}

/// The record as a backup has it that was made while it was in that state; complete it was in the backup that the story
/// begins with. A rejoin is the next command's own: it would go on with it without a wait.
fn backup(complete: &Record, state: State, session: String) -> Record {
    let (rev, rejoin) = match state {
        State::Rejoining => {
            let rejoin = Rejoin {
                session,
                step: RejoinStep::RestoreStale,
                restarts: 0,
            };
            (Rev(complete.rev.0 + 1), Some(rejoin))
        }
        State::Decided => (Rev(complete.rev.0.saturating_sub(2)), None),
        _ => (complete.rev, None),
    };
    Record {
        state,
        rev,
        rejoin,
        completed: state != State::Decided,
        ..complete.clone()
    }
}
