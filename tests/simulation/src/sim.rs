//! One history: its clock, its world, what is watched, what goes wrong.

use std::cell::{Cell, RefCell, RefMut};
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use fencing::register::near::NearMisses;
use fencing::step::{Call, Event};
use fencing::words::Epoch;

use crate::clock::{Clock, Letter, letter};
use crate::dice::Dice;
use crate::fleet::{Process, TIMEOUT};
use crate::layout::Layout;
use crate::reality::{Reality, Whose};
use crate::watcher::{InvocationId, Watcher};

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has no effect.
    Fails,
    /// It takes effect and its reply is lost.
    LosesReply,
    /// It takes effect seconds later, when its caller has given up; never later than its caller's timeout.
    Late,
    /// It has no effect and never answers.
    Hangs,
    /// It answers, but slowly: a renewal of the claim falls due meanwhile.
    Dawdles,
    /// Its process dies before it takes effect.
    DiesBefore,
    /// Its process dies after it took effect.
    DiesAfter,
}

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::Fails,
        Self::LosesReply,
        Self::Late,
        Self::Hangs,
        Self::Dawdles,
        Self::DiesBefore,
        Self::DiesAfter,
    ];
}

/// When it does.
#[derive(Debug, Clone, Default)]
pub enum Faults {
    #[default]
    Never,
    /// At these calls, counted from when this was set.
    At(Vec<(usize, Fault)>),
    /// At each write of an endpoint group.
    Groups(Fault),
    /// So many times in a thousand.
    Sometimes(u64),
}

/// Everything of a history but its tasks.
pub struct Core {
    /// What was kept of suspicions that were over by themselves, by the reporting site's index.
    pub near: [NearMisses; 2],
    pub dice: Dice,
    pub reality: Reality,
    pub watcher: Watcher,
    pub faults: Faults,
    /// How many calls were made since the faults were set.
    pub calls: usize,
    /// How many calls took effect in all.
    pub effects: usize,
    transcript: Option<Vec<String>>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Core({:?})", self.reality)
    }
}

/// A history, shared by all who act in it.
#[derive(Clone)]
pub struct Sim {
    pub clock: Clock,
    core: Rc<RefCell<Core>>,
    next: Rc<Cell<u64>>,
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sim({:?})", self.clock)
    }
}

impl Sim {
    /// A history that has not begun. With a transcript it can be told afterwards, which costs time.
    pub fn new(layout: Layout, dice: Dice, transcript: bool) -> Self {
        Self {
            clock: Clock::default(),
            core: Rc::new(RefCell::new(Core {
                near: Default::default(),
                dice,
                reality: Reality::new(layout),
                watcher: Watcher::default(),
                faults: Faults::Never,
                calls: 0,
                effects: 0,
                transcript: transcript.then(Vec::new),
            })),
            next: Rc::default(),
        }
    }

    /// What it consists of; not to be held across an await.
    pub fn core(&self) -> RefMut<'_, Core> {
        self.core.borrow_mut()
    }

    /// A number that was not given before.
    pub fn number(&self) -> u64 {
        let number = self.next.get();
        self.next.set(number + 1);
        number
    }

    /// From now on these faults happen.
    pub fn set_faults(&self, faults: Faults) {
        let mut core = self.core();
        core.faults = faults;
        core.calls = 0;
    }

    /// Notes a line for the transcript.
    pub fn note(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.core().transcript {
            let now = self.clock.now();
            lines.push(format!(
                "{:>5}.{:03}  {}",
                now.as_secs(),
                now.subsec_millis(),
                line()
            ));
        }
    }

    pub fn transcript(&self) -> String {
        let mut text = String::new();
        for line in self.core().transcript.iter().flatten() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// The first thing that did not hold, if there is one.
    pub fn violation(&self) -> Option<String> {
        self.core().watcher.violation.clone()
    }

    /// Says that something does not hold.
    pub fn violated(&self, what: String) {
        self.note(|| format!("VIOLATED {what}"));
        self.core().watcher.violated(what);
    }

    pub async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    /// Waits for a random span.
    pub async fn pause(&self, from: u64, to: u64) {
        let span = self.core().dice.seconds(from, to);
        self.clock.sleep(span).await;
    }

    /// Sends a call on its way. The letter brings the reply, or never comes.
    pub(crate) fn send(&self, process: &Process, call: &Call) -> Letter<Event> {
        let invocation = process.invocation();
        let now = self.clock.now();
        let (sender, letter) = letter();
        let (fault, going, coming, (ends, epoch)) = {
            let mut core = self.core();
            let core = &mut *core;
            let number = core.calls;
            core.calls += 1;
            let fault = match &core.faults {
                Faults::Never => None,
                Faults::At(list) => list.iter().find(|(at, _)| *at == number).map(|(_, fault)| *fault),
                Faults::Groups(fault) => matches!(call, Call::WriteGroup(_)).then_some(*fault),
                Faults::Sometimes(permille) => {
                    let happens = core.dice.permille(*permille);
                    happens.then(|| core.dice.one_of(&Fault::ALL))
                }
            };
            let ms = Duration::from_millis;
            let (going, coming) = (core.dice.between(ms(2), ms(30)), core.dice.between(ms(2), ms(30)));
            let ends = match process.whose() {
                Whose::Ours => core
                    .watcher
                    .issued(invocation, call, fault.is_some(), now, &core.reality),
                Whose::Others => (now + TIMEOUT, Epoch::default()),
            };
            (fault, going, coming, ends)
        };
        self.note(|| format!("{} → {}{}", process.name(), tell(call), tell_fault(fault)));
        let going = match fault {
            // As late as can be: at the very end of its caller's time.
            Some(Fault::Late) => {
                let latest = ends.saturating_sub(now);
                self.core().dice.between(latest * 3 / 4, latest)
            }
            Some(Fault::Dawdles) => self
                .core()
                .dice
                .between(Duration::from_secs(2), Duration::from_secs(5)),
            _ => going,
        };
        let (sim, call) = (self.clone(), call.clone());
        let (dies, whose) = (process.death(), process.whose());
        self.clock.spawn(async move {
            sim.sleep(going).await;
            match fault {
                Some(Fault::Fails) => {
                    sim.sleep(coming).await;
                    sender.send(call.failed("it is out of order"));
                }
                // The letter is kept and never sent: its reader waits.
                Some(Fault::Hangs) => sim.hold(sender).await,
                Some(Fault::DiesBefore) => dies.now(&sim),
                Some(Fault::DiesAfter) => {
                    sim.land((whose, invocation, epoch), &call);
                    dies.now(&sim);
                }
                Some(Fault::LosesReply) => {
                    sim.land((whose, invocation, epoch), &call);
                    sim.sleep(coming).await;
                    sender.send(call.failed("the reply was lost"));
                }
                Some(Fault::Late) => {
                    sim.land((whose, invocation, epoch), &call);
                    sim.hold(sender).await;
                }
                None | Some(Fault::Dawdles) => {
                    let event = sim.land((whose, invocation, epoch), &call);
                    sim.sleep(coming).await;
                    let arrived = sim.clock.now();
                    // What arrives after its caller has given up tells nobody anything.
                    if whose == Whose::Ours {
                        let watcher = &mut sim.core().watcher;
                        if sender.is_awaited() {
                            watcher.replied(invocation, &call, &event, now, arrived);
                        } else {
                            watcher.unheard(invocation, &event);
                        }
                    }
                    sender.send(event);
                }
            }
        });
        letter
    }

    async fn hold<T>(&self, kept: T) {
        std::future::pending::<()>().await;
        drop(kept);
    }

    fn land(&self, (whose, invocation, epoch): (Whose, InvocationId, Epoch), call: &Call) -> Event {
        let now = self.clock.now();
        let event = {
            let mut core = self.core();
            let Core {
                dice,
                reality,
                watcher,
                effects,
                ..
            } = &mut *core;
            let before = watcher.before(reality);
            let event = reality.apply(whose, call, now, dice);
            *effects += 1;
            match whose {
                Whose::Ours => watcher.landed((invocation, epoch), call, &event, &before, reality, now),
                Whose::Others => watcher.others_landed(call, &before, reality),
            }
            event
        };
        let by = match whose {
            Whose::Ours => invocation.to_string(),
            Whose::Others => "the other topology's".to_owned(),
        };
        self.note(|| format!("       {by} {} ⇒ {}", tell(call), tell_event(&event)));
        if let Some(violation) = self.violation() {
            self.note(|| format!("VIOLATED {violation}"));
        }
        event
    }
}

fn tell_fault(fault: Option<Fault>) -> String {
    fault.map(|fault| format!("   [{fault:?}]")).unwrap_or_default()
}

/// A call in few words.
pub(crate) fn tell(call: &Call) -> String {
    match call {
        Call::ReadRegister => "read register".to_owned(),
        Call::WriteRegister { expect, record } => {
            let mut text = format!(
                "write register over rev {expect}: {} epoch {}",
                record.state, record.epoch
            );
            for (set, word) in [
                (record.waiting, " waiting"),
                (record.claim.is_some(), " claimed"),
                (record.hold.is_some(), " held"),
            ] {
                if set {
                    text.push_str(word);
                }
            }
            if let Some(rejoin) = &record.rejoin {
                let _ = write!(text, " {:?} of {}", rejoin.step, rejoin.session);
            }
            text
        }
        Call::ReadAccelerator => "read accelerator".to_owned(),
        Call::ReadMark => "read whose the accelerator was".to_owned(),
        Call::WriteGroup(write) => {
            let ends: Vec<&str> = write
                .endpoints
                .iter()
                .map(|e| e.id.rsplit('/').nth(1).unwrap_or_default())
                .collect();
            format!("write group {} = {ends:?}", short(&write.arn))
        }
        Call::NoteReached(reached) => format!("note {reached} at the accelerator"),
        Call::ReadView { at } => format!("read view of {at}"),
        Call::TakeOffline { at, .. } => format!("take-offline at {at}"),
        Call::BringOnline { at, .. } => format!("bring-online at {at}"),
        Call::ReadBackup { at, .. } => format!("read backup of {at}"),
        Call::ClearCache { at, cache } => format!("clear {cache} at {at}"),
        Call::CancelPush { at, .. } => format!("cancel push at {at}"),
        Call::CancelReceive { at, .. } => format!("cancel receiving at {at}"),
        Call::StartPush { at, .. } => format!("start push from {at}"),
        Call::ReadPushes { at, .. } => format!("read pushes of {at}"),
        Call::ClearPushes { at, .. } => format!("forget pushes of {at}"),
        Call::ReadWitnesses => "read who saw the other site".to_owned(),
        Call::ReadAge { at, node } => format!("read age of {node} of {at}"),
        Call::Pause { seconds } => format!("pause {seconds} s"),
        Call::Wait { milliseconds } => format!("wait {milliseconds} ms"),
    }
}

fn short(arn: &str) -> &str {
    arn.split_once("/listener/").map_or(arn, |(_, end)| end)
}

fn tell_event(event: &Event) -> String {
    match event {
        Event::Register(Ok(Some(record))) => {
            format!("{} epoch {} rev {}", record.state, record.epoch, record.rev)
        }
        Event::Register(Ok(None)) => "nothing".to_owned(),
        Event::Written(written) => format!("{written:?}")
            .split(['(', ' '])
            .next()
            .unwrap_or_default()
            .to_owned(),
        Event::Accelerator(Ok(reading)) => {
            let groups: Vec<String> = reading.groups.iter().map(tell_group).collect();
            groups.join(", ")
        }
        Event::Group(Ok(group)) => tell_group(group),
        Event::Views(Ok(views)) => {
            let told: Vec<String> = views
                .iter()
                .map(|view| format!("{} {:?}", view.node_address, view.sites_view))
                .collect();
            told.join(", ")
        }
        Event::Backup(Ok(backup)) => backup.to_string(),
        Event::Switched(Ok(failures)) if failures.is_empty() => "ok".to_owned(),
        Event::Done(Ok(())) => "ok".to_owned(),
        other => format!("{other:?}"),
    }
}

fn tell_group(group: &fencing::accelerator::Group) -> String {
    let ends: Vec<String> = group
        .endpoints
        .iter()
        .map(|e| {
            format!(
                "{} {}",
                e.config.id.rsplit('/').nth(1).unwrap_or_default(),
                e.health
            )
        })
        .collect();
    format!("{} {ends:?}", short(&group.arn))
}
