//! How calls of invocations land in the world, and what that shows their callers.

use fencing::replication::Push;
use fencing::step::{Call, Event, Task, Ticket, Written};
use jiff::Timestamp;

use super::{Protocol, locked};
use crate::configuration::Seen;
use crate::invocation::Invocation;
use crate::laws::{Deed, Law, answered};
use crate::scene::{Chance, Phase, SCHEDULE, Scene};
use crate::shared::Shared;
use crate::world::{Relay, Way};

impl Protocol {
    /// A call fares so; the reply goes to its caller.
    pub(super) fn call(&self, scene: &mut Scene, index: usize, ticket: Ticket, way: Way) -> Option<()> {
        let running = scene.running[index].clone();
        let call = running.invocation.call(ticket)?.clone();
        match way {
            Way::Plain if matches!(call, Call::Pause { .. }) => scene.left.take(Chance::Slow),
            Way::Plain => {}
            Way::Unanswered => scene.left.take(Chance::Unanswered),
            Way::Lagging => scene.left.take(Chance::Lag),
            Way::Repeated => scene.left.take(Chance::Repeated),
            Way::Partly => scene.left.take(Chance::Partly),
            Way::NoRelay => scene.left.take(Chance::NoRelay),
            Way::Demoted => scene.left.take(Chance::Demoted),
            Way::Second => scene.left.take(Chance::Second),
            Way::Unmarked => scene.left.take(Chance::Unmarked),
        }
        let event = if way == Way::Unanswered {
            if call.writes() {
                scene.let_go(&running, ticket);
            }
            crate::world::unanswered(&call)
        } else {
            self.land(scene, &running.invocation, &call, way, running.overdue)
        };
        if matches!(
            (&call, &event),
            (Call::WriteRegister { .. }, Event::Written(Written::Lost(_)))
        ) && way == Way::Plain
        {
            self.observed().seen.insert(Seen::LostRace);
        }
        let next = self.reply(
            &running.invocation,
            scene.world.seconds,
            scene.world.now(),
            ticket,
            event,
        );
        self.go_on(scene, next);
        Some(())
    }

    /// The same reply to the same invocation at the same time leads to the same place.
    pub(crate) fn reply(
        &self,
        invocation: &Shared<Invocation>,
        seconds: u16,
        now: Timestamp,
        ticket: Ticket,
        event: Event,
    ) -> Shared<Invocation> {
        let key = (
            invocation.digest(),
            ticket,
            crate::shared::digest(&event),
            seconds,
        );
        if let Some(next) = locked(&self.replies).get(&key) {
            return next.clone();
        }
        let (next, told) = invocation.reply(&self.grounds, now, ticket, event);
        self.observed().told(&told);
        let next = Shared::new(next);
        locked(&self.replies).insert(key, next.clone());
        next
    }

    pub(super) fn land(
        &self,
        scene: &mut Scene,
        by: &Invocation,
        call: &Call,
        way: Way,
        overdue: bool,
    ) -> Event {
        if by.apart {
            return self.land_apart(scene, by, call, way, overdue);
        }
        if !by.others {
            return self.take_effect(scene, by, call, way, overdue);
        }
        scene.world.change_places();
        let event = self.take_effect(scene, by, call, way, overdue);
        scene.world.change_places();
        event
    }

    pub(crate) fn take_effect(
        &self,
        scene: &mut Scene,
        by: &Invocation,
        call: &Call,
        way: Way,
        overdue: bool,
    ) -> Event {
        if !call.writes() {
            let event = scene.world.land(&self.grounds, call, way);
            if let (Call::ReadView { at }, Event::Views(Ok(_))) = (call, &event)
                && misleads(by.state.task(), scene.world.at(self.grounds.site(at)).relay)
                && !scene.misled.contains(&by.name)
            {
                self.observed().seen.insert(Seen::Misled);
                scene.misled.push(by.name);
                scene.misled.sort_unstable();
            }
            return event;
        }
        let before = scene.world.clone();
        let event = scene.world.land(&self.grounds, call, way);
        let deed = Deed {
            grounds: &self.grounds,
            before: &before,
            after: &scene.world,
            by,
            call,
            overdue,
        };
        let broken = deed.judge();
        scene.broken.join(broken);
        // On the word of a node that had not joined the bridge nobody is fenced: it misses everybody.
        if let Call::WriteRegister { record, .. } = call
            && scene.misled.contains(&by.name)
            && record.epoch > before.record().epoch
            && before.register != scene.world.register
        {
            scene.broken.note(Law::I5);
        }
        if let Call::WriteRegister { record, .. } = call
            && before.register != scene.world.register
        {
            if let Some(stored) = &mut scene.world.register {
                let mut records = locked(&self.records);
                *stored = records
                    .entry(stored.digest())
                    .or_insert_with(|| stored.clone())
                    .clone();
            }
            self.observed().written(&before.record(), record, by.state.task());
        }
        event
    }

    /// An invocation has come further, perhaps to its end.
    pub(crate) fn go_on(&self, scene: &mut Scene, next: Shared<Invocation>) {
        let Some(index) = scene.position(next.name) else {
            return;
        };
        let Some(answer) = next.answer().cloned() else {
            scene.running[index].invocation = next;
            return;
        };
        if scene.world.restored && answer.sentence.contains("restored from a backup") {
            self.observed().seen.insert(Seen::GoneBack);
        }
        if !answered(&self.grounds, &next) {
            scene.broken.note(Law::I10);
        }
        scene.misled.retain(|misled| *misled != next.name);
        if answer.sentence.starts_with(fencing::contract::alert::LEFT) {
            self.observed().seen.insert(Seen::Left);
        }
        let running = scene.running.remove(index);
        // What it leaves under way is dropped by the driver, and may have left the house already.
        for (ticket, call) in next.state.under_way() {
            if call.writes() {
                scene.let_go(&running, ticket);
            }
        }
        for slot in 0..scene.commands.len() {
            let Some(command) = scene.commands[slot].clone() else {
                continue;
            };
            if command.phase == Phase::Calling(next.name) {
                let after = command.after(answer.status, answer.next.clone());
                if after
                    .as_ref()
                    .is_some_and(|command| matches!(command.phase, Phase::Waiting(_)))
                {
                    scene.wait_no_more(slot as u8);
                    scene.wait(slot as u8);
                }
                scene.commands[slot] = after;
            }
        }
        let is_at_the_desk = self.answered_at_the_desk(scene, next.name, &answer);
        if next.others || next.apart || is_at_the_desk {
            return;
        }
        // A warm process remembers a register that waits. In a rejoin the schedule does not ask for it.
        let waits = next
            .shown
            .record
            .as_deref()
            .filter(|record| record.waits() && record.state != fencing::register::State::Rejoining)
            .map(|record| record.rev);
        if waits != scene.seen {
            scene.wait_no_more(SCHEDULE);
            if waits.is_some() {
                scene.wait(SCHEDULE);
            }
            scene.seen = waits;
        }
    }
}

/// Whether a decision of this task must not rest on what such a relay node shows. An alert has to know only the one that
/// is shut out of its own site; against others it has the wait in Prometheus.
fn misleads(task: &Task, relay: Relay) -> bool {
    match task {
        Task::Suspicion { .. } => !relay.joined(),
        Task::Alert { .. } => relay == Relay::Restarted { joined: false },
        _ => false,
    }
}

/// The ways in which a call may fare.
pub(super) fn ways(scene: &Scene, by: &Invocation, call: &Call) -> impl Iterator<Item = Way> + use<> {
    let world = &scene.world;
    // Nothing goes wrong in a command's own memory.
    let in_memory = by.apart
        && matches!(
            call,
            Call::ReadRegister | Call::WriteRegister { .. } | Call::ReadMark | Call::NoteReached(_)
        );
    let may = |chance: Chance| scene.left.of(chance) > 0;
    let switch = matches!(
        call,
        Call::TakeOffline { .. } | Call::BringOnline { .. } | Call::StartPush { .. }
    );
    let pushing =
        matches!(call, Call::ReadPushes { .. }) && world.sites.iter().any(|site| site.push == Push::Sending);
    let lags = world
        .before
        .as_ref()
        .is_some_and(|before| *before != world.accelerator);
    let current = match call {
        // Nobody repeats a write of the other topology's: it has the same driver.
        Call::WriteRegister { expect, .. } => world.record().rev == *expect,
        _ => false,
    };
    let pause = matches!(call, Call::Pause { .. });
    let time = pause || matches!(call, Call::Wait { .. });
    [
        (Way::Plain, !pause || may(Chance::Slow)),
        (Way::Unanswered, !time && may(Chance::Unanswered)),
        (
            Way::Lagging,
            may(Chance::Lag) && lags && matches!(call, Call::ReadAccelerator),
        ),
        (Way::Repeated, may(Chance::Repeated) && current),
        (Way::Partly, may(Chance::Partly) && (switch || pushing)),
        (
            Way::NoRelay,
            may(Chance::NoRelay) && matches!(call, Call::ReadView { .. }),
        ),
        (
            Way::Demoted,
            may(Chance::Demoted) && matches!(call, Call::ReadView { .. }),
        ),
        (
            Way::Second,
            may(Chance::Second) && matches!(call, Call::ReadView { .. }),
        ),
        (
            Way::Unmarked,
            may(Chance::Unmarked) && matches!(call, Call::ReadAccelerator),
        ),
    ]
    .into_iter()
    .filter(move |(way, _)| !in_memory || *way == Way::Plain)
    .filter_map(|(way, possible)| possible.then_some(way))
}
