//! The model: which things may happen in a state, and which state follows.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fencing::register::Record;
use fencing::replication::{Backup, Push};
use fencing::step::{Call, Event, Task, Ticket, Written};
use jiff::Timestamp;
use stateright::{Model, Property};

use crate::configuration::{Configuration, From, Seen};
use crate::desk;
use crate::grounds::{Grounds, Site};
use crate::invocation::Invocation;
use crate::laws::{Deed, Law, answered};
use crate::observed::Observed;
use crate::retry::{self, Ends};
use crate::scene::{Action, Chance, Command, Left, Phase, Running, SCHEDULE, Scene, Verb, task_of};
use crate::shared::Shared;
use crate::world::{Relay, Way, World};

/// So much longer than a claim holds.
const TICK: u16 = 16;

/// More than twice the timeout, a cooldown, and the time after which a recovery is believed.
const REST: u16 = 40;

/// An invocation, and what was replied to which of its calls at what time.
type Replied = (u64, Ticket, u64, u16);

/// The protocol in one configuration.
#[derive(Debug)]
pub struct Protocol {
    pub configuration: Configuration,
    pub grounds: Grounds,
    observed: Mutex<Observed>,
    ends: Mutex<HashMap<u64, Ends>>,
    /// Invocations by what led to them: most states share theirs with a thousand others.
    replies: Mutex<HashMap<Replied, Shared<Invocation>>>,
    records: Mutex<HashMap<u64, Shared<Record>>>,
    /// The laws that are known to be broken. The checker remembers the last way to break one; the first is
    /// the shortest.
    known: Mutex<BTreeSet<Law>>,
}

impl Protocol {
    /// The model of a configuration.
    pub fn new(configuration: Configuration) -> Self {
        Self {
            grounds: Grounds::new(configuration.layout, configuration.never),
            configuration,
            observed: Mutex::default(),
            ends: Mutex::default(),
            replies: Mutex::default(),
            records: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// What was seen so far.
    pub fn observed(&self) -> MutexGuard<'_, Observed> {
        locked(&self.observed)
    }

    /// How many different worlds were driven to their end for the sake of liveness.
    pub fn worlds(&self) -> usize {
        locked(&self.ends).len()
    }

    /// What one retry without faults reaches from here; where a fence was begun by force, after one reconciliation.
    fn ends(&self, scene: &Scene) -> Ends {
        let forced = scene
            .desk
            .as_ref()
            .filter(|desk| desk.begun)
            .map(|desk| desk.fenced);
        let key = crate::shared::digest(&(&scene.world, forced));
        let known = locked(&self.ends).get(&key).copied();
        known.unwrap_or_else(|| {
            let ends = match forced {
                None => retry::ends(&self.grounds, &scene.world),
                Some(fenced) => match desk::reconciled(&self.grounds, &scene.world, fenced) {
                    Some(world) => retry::ends(&self.grounds, &world),
                    None => Ends {
                        completes: false,
                        fences: true,
                        leaves: true,
                    },
                },
            };
            locked(&self.ends).insert(key, ends);
            ends
        })
    }

    /// Whether a law holds here, or is known to be broken elsewhere.
    fn keeps(&self, scene: &Scene, law: Law) -> bool {
        let kept = match law {
            Law::L1 => self.ends(scene).completes,
            Law::L2 => self.ends(scene).fences,
            Law::L4 => self.ends(scene).leaves,
            _ => !scene.broken.has(law),
        };
        kept || !locked(&self.known).insert(law)
    }

    pub(crate) fn begin(&self, scene: &mut Scene, task: Task) -> u8 {
        self.begin_of(scene, false, task)
    }

    fn begin_of(&self, scene: &mut Scene, others: bool, task: Task) -> u8 {
        self.begin_with(scene, others, false, task)
    }

    /// A task with a record in memory in place of the register.
    pub(crate) fn begin_apart(&self, scene: &mut Scene, task: Task) -> u8 {
        self.begin_with(scene, false, true, task)
    }

    fn begin_with(&self, scene: &mut Scene, others: bool, apart: bool, task: Task) -> u8 {
        let name = scene.fresh_name();
        let now = scene.world.now();
        let (mut invocation, told) = Invocation::of(&self.grounds, others, name, task, now);
        invocation.apart = apart;
        self.observed().told(&told);
        scene.running.push(Running {
            invocation: Shared::new(invocation),
            waited_for: 0,
            overdue: false,
        });
        scene.running.sort_by_key(|running| running.invocation.name);
        name
    }

    /// A call fares so; the reply goes to its caller.
    fn call(&self, scene: &mut Scene, index: usize, ticket: Ticket, way: Way) -> Option<()> {
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

    fn land(&self, scene: &mut Scene, by: &Invocation, call: &Call, way: Way, overdue: bool) -> Event {
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

macro_rules! law {
    ($law:ident, $name:literal) => {
        Property::always($name, |model: &Self, scene: &Scene| model.keeps(scene, Law::$law))
    };
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

fn ways(scene: &Scene, by: &Invocation, call: &Call) -> impl Iterator<Item = Way> + use<> {
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

impl Model for Protocol {
    type State = Scene;
    type Action = Action;

    fn init_states(&self) -> Vec<Scene> {
        let mut world = World::new(
            &self.grounds,
            self.configuration
                .chances
                .iter()
                .any(|(chance, _)| *chance == Chance::Lag),
        );
        let from = self.configuration.from;
        if !matches!(from, From::Split | From::Whole) {
            world.link = false;
            if let Some(alert) = task_of(&self.grounds, Chance::AlertA) {
                retry::alone(&self.grounds, &mut world, 200, alert);
            }
            if from == From::FencedWithRemains {
                world.at_mut(Site::A).push = Push::Ok;
                world.at_mut(Site::B).receiving = true;
            } else if let Some(sweep) = task_of(&self.grounds, Chance::Sweep) {
                retry::alone(&self.grounds, &mut world, 201, sweep);
            }
            if world.before.is_some() {
                world.before = Some(world.accelerator.clone());
            }
            world.seconds += REST;
            world.backup = world.register.clone();
        }
        world.marked = self.configuration.marked;
        world.link = !matches!(from, From::Split | From::FencedAndSplit);
        vec![Scene {
            world,
            running: Vec::new(),
            adrift: Vec::new(),
            commands: [None, None],
            desk: None,
            typed: 0,
            seen: None,
            misled: Vec::new(),
            left: Left::new(self.configuration.chances),
            broken: crate::laws::Broken::default(),
        }]
    }

    fn actions(&self, scene: &Scene, actions: &mut Vec<Action>) {
        if scene.broken.any() {
            return;
        }
        let may = |chance: Chance| scene.left.of(chance) > 0;
        // What a site sees depends on the link alone. Where that cannot change any more, and it may not be
        // withheld either, it does not matter when the site is asked: at once is as good as later.
        let settled = [
            Chance::Break,
            Chance::Heal,
            Chance::Death,
            Chance::NoRelay,
            Chance::Demoted,
            Chance::Second,
            Chance::Stuck,
            Chance::Half,
            Chance::Unanswered,
            Chance::Relay,
        ];
        let joined = scene.world.sites.iter().all(|site| site.relay.joined());
        if joined && !settled.into_iter().any(may) {
            for (index, running) in scene.running.iter().enumerate() {
                for (ticket, call) in running.invocation.state.under_way() {
                    if matches!(call, Call::ReadView { .. }) {
                        actions.push(Action::Call(index, ticket, Way::Plain));
                        return;
                    }
                }
            }
        }
        let room = scene.running.len() < self.configuration.executors;
        for (index, running) in scene.running.iter().enumerate() {
            for (ticket, call) in running.invocation.state.under_way() {
                actions.extend(
                    ways(scene, &running.invocation, call).map(|way| Action::Call(index, ticket, way)),
                );
            }
            // Who has changed nothing yet leaves nothing behind: as if it had never begun.
            if may(Chance::Crash) && running.invocation.shown.wrote {
                actions.push(Action::Crash(index));
            }
        }
        actions.extend((0..scene.adrift.len()).map(Action::Land));
        match &scene.desk {
            None if may(Chance::Force) => actions.push(Action::Force(false)),
            None => {}
            Some(desk) if desk.is_free() => {
                actions.push(Action::Force(true));
                if may(Chance::Force) {
                    actions.push(Action::Force(false));
                }
            }
            Some(desk) => {
                let phase = desk.errand.as_ref().map(|errand| &errand.phase);
                if !matches!(phase, Some(desk::Phase::Calling(_))) {
                    actions.push(Action::Desk);
                }
                if may(Chance::Crash) {
                    actions.push(Action::BreakOff);
                }
            }
        }
        // The functions are stopped: nobody else gets anything done.
        let stopped = scene.desk.is_some();
        for (slot, command) in scene.commands.iter().enumerate().filter(|_| !stopped) {
            match command.as_ref().map(|command| &command.phase) {
                None | Some(Phase::Calling(_)) => {}
                Some(phase) => {
                    actions.push(Action::Command(slot));
                    if may(Chance::Skip) && matches!(phase, Phase::Waiting(_)) {
                        actions.push(Action::Skip(slot));
                    }
                }
            }
        }
        if room && !stopped {
            let begins = [
                Chance::AlertA,
                Chance::AlertB,
                Chance::SuspicionA,
                Chance::SuspicionB,
                Chance::OthersAlertB,
                Chance::Sweep,
                Chance::Fence,
                Chance::Hold,
                Chance::Release,
            ];
            actions.extend(
                begins
                    .into_iter()
                    .filter(|chance| may(*chance))
                    .map(Action::Begin),
            );
            if may(Chance::Sweep) && scene.seen.is_some() {
                actions.push(Action::SweepHavingWaited);
            }
        }
        if scene.commands.iter().any(Option::is_none) && !stopped {
            // Whoever types it names the site that he sees fenced; it need not be so any more when it runs.
            let fenced = scene.world.record().fenced().map(|name| self.grounds.site(name));
            let fenced = fenced.unwrap_or(Site::B);
            for (chance, verb) in [
                (Chance::Rejoin, Verb::Rejoin(fenced)),
                (Chance::Promote, Verb::Promote(Site::B)),
                (Chance::Impose, Verb::Impose(Site::B)),
            ] {
                if may(chance) {
                    actions.push(Action::Type(verb));
                }
            }
        }
        for chance in [Chance::Tick, Chance::Rest] {
            if may(chance) {
                actions.push(Action::Pass(chance));
            }
        }
        if may(Chance::Hand) {
            actions.extend(self.configuration.hands.iter().copied().map(Action::Hand));
        }
        for site in Site::ALL.into_iter().filter(|site| scene.world.at(*site).alive) {
            if may(Chance::Restart) {
                actions.push(Action::Restart(site));
            }
            if may(Chance::Death) {
                actions.push(Action::Death(site));
            }
            if may(Chance::Relay) {
                for relay in [Relay::Other { joined: false }, Relay::Restarted { joined: false }] {
                    actions.push(Action::Relay(site, relay));
                }
            }
            if !scene.world.at(site).relay.joined() {
                actions.push(Action::Joined(site));
            }
        }
        if may(Chance::Break) && (scene.world.link || scene.world.half.is_some()) {
            actions.push(Action::Link(false));
        }
        if may(Chance::Half) && scene.world.link {
            actions.extend(Site::ALL.map(Action::Half));
        }
        if may(Chance::Stuck) {
            actions.extend(Site::ALL.map(Action::Stuck));
        }
        if may(Chance::Heal) && !scene.world.link {
            actions.push(Action::Link(true));
        }
    }

    fn next_state(&self, scene: &Scene, action: Action) -> Option<Scene> {
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

    fn within_boundary(&self, scene: &Scene) -> bool {
        scene.world.register.as_deref().map_or(0, |record| record.rev.0) <= self.configuration.revisions
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            law!(I1, "I1 a listener keeps an endpoint"),
            law!(I2, "I2 never both backups cut"),
            law!(I3, "I3 cut only after the survivor was read alone"),
            law!(I4, "I4 one decision per epoch"),
            law!(I5, "I5 a decision is well-founded"),
            law!(I6, "I6 only rejoin and promote add"),
            law!(I7, "I7 what is written is what is in force"),
            law!(I8, "I8 a hold holds"),
            law!(I10, "I10 200 means fenced completely"),
            law!(I12, "I12 nothing is written late"),
            law!(I13, "I13 the survivor's configuration stays"),
            law!(Clear, "C1 a clear reaches the stale site only"),
            law!(L1, "L1 one retry completes"),
            law!(L2, "L2 a lasting loss is fenced"),
            law!(L4, "L4 every state has an exit"),
        ]
    }
}
