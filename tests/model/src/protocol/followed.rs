//! What follows from something that happens.

use fencing::replication::{Backup, Push};
use fencing::step::Task;

use super::{Protocol, REST};
use crate::configuration::Seen;
use crate::desk;
use crate::scene::{Action, Chance, Command, SCHEDULE, Scene, Verb, task_of};
use crate::world::Way;

/// So much longer than a claim holds.
const TICK: u16 = 16;

impl Protocol {
    /// The state after an action; none where that cannot be, after all.
    pub(super) fn follow(&self, scene: &Scene, action: Action) -> Option<Scene> {
        let mut next = scene.clone();
        match action {
            Action::Begin(chance) => {
                next.left.take(chance);
                let others = chance == Chance::OthersAlertB;
                self.begin_of(&mut next, others, task_of(&self.grounds, chance)?);
            }
            Action::SweepHavingWaited => {
                next.left.take(Chance::Sweep);
                next.time_is_over(SCHEDULE, self.configuration.driver_stops);
                next.wait_no_more(SCHEDULE);
                self.begin(&mut next, Task::Sweep { waited: scene.seen });
            }
            Action::Type(verb) => {
                next.left.take(match verb {
                    Verb::Rejoin(_) => Chance::Rejoin,
                    Verb::Promote(_) => Chance::Promote,
                    Verb::Impose(_) => Chance::Impose,
                });
                let free = next.commands.iter_mut().find(|command| command.is_none())?;
                *free = Some(Command::new(verb, next.typed));
                next.typed += 1;
            }
            Action::Command(slot) => self.command(&mut next, slot, true)?,
            Action::Skip(slot) => {
                next.left.take(Chance::Skip);
                self.command(&mut next, slot, false)?;
            }
            Action::Force(reconciles) => {
                if !reconciles {
                    next.left.take(Chance::Force);
                }
                self.sit_down(&mut next, reconciles);
            }
            Action::Desk => self.at_the_desk(&mut next)?,
            Action::BreakOff => {
                next.left.take(Chance::Crash);
                let desk = next.desk.as_mut()?;
                if let desk::Phase::Calling(name) = desk.errand.take()?.phase {
                    next.end(name);
                }
            }
            Action::Call(index, ticket, way) => self.call(&mut next, index, ticket, way)?,
            Action::Land(index) => {
                let adrift = next.adrift.remove(index);
                let call = adrift.by.call(adrift.ticket)?.clone();
                self.land(&mut next, &adrift.by, &call, Way::Plain, adrift.overdue);
                self.observed().seen.insert(Seen::Late);
            }
            Action::Crash(index) => {
                next.left.take(Chance::Crash);
                next.end(scene.running[index].invocation.name);
            }
            Action::Pass(chance) => {
                next.left.take(chance);
                if chance == Chance::Rest {
                    while let Some(running) = next.running.first() {
                        let name = running.invocation.name;
                        next.end(name);
                    }
                    next.adrift.clear();
                    next.world.seconds += REST;
                } else {
                    next.world.seconds += TICK;
                }
            }
            Action::Hand(hand) => {
                next.left.take(Chance::Hand);
                self.hand(&mut next, hand)?;
            }
            Action::Restart(site) => {
                next.left.take(Chance::Restart);
                let here = next.world.at_mut(site);
                here.backup = Backup::Online;
                here.by_hand = false;
                here.push = Push::Idle;
                (here.stalled, here.receiving) = (false, false);
                self.disconnect(&mut next, site);
            }
            Action::Link(link) => {
                next.left.take(if link { Chance::Heal } else { Chance::Break });
                next.world.link = link;
                next.world.half = None;
            }
            Action::Half(site) => {
                next.left.take(Chance::Half);
                next.world.link = false;
                next.world.half = Some(site);
            }
            Action::Stuck(site) => {
                next.left.take(Chance::Stuck);
                next.world.at_mut(site).stuck = Some(next.world.sees(site));
            }
            Action::Relay(site, relay) => {
                next.left.take(Chance::Relay);
                next.world.at_mut(site).relay = relay;
            }
            Action::Joined(site) => {
                let relay = next.world.at(site).relay;
                next.world.at_mut(site).relay = relay.joining();
            }
            Action::Death(site) => {
                next.left.take(Chance::Death);
                next.world.at_mut(site).alive = false;
            }
        }
        if next.left.of(Chance::Lag) == 0 {
            next.world.before = None;
        }
        Some(next)
    }
}
