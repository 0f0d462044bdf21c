//! A fence without the register, from an operator's desk, and how the register comes to say the same.
//!
//! ```text
//!   functions stopped ─▶ twice the timeout ─▶ the fence, with a record in memory ─▶ …
//!   … reconcile: twice the timeout ─▶ task by task on the register ─▶ functions run again
//! ```
//!
//! Which task is next says `fencing::by_force`, as in `provision`. While functions are stopped nobody else begins
//! anything; what they had begun may still arrive until the wait is over. Each command may be broken off anywhere, and be
//! given once more.

use fencing::answer::{Answer, Next, Status};
use fencing::by_force::{self, WriteDown};
use fencing::register::Record;
use fencing::step::{Call, Event, Task};
use fencing::words::Token;

use crate::configuration::Seen;
use crate::grounds::{Grounds, Site};
use crate::invocation::Invocation;
use crate::protocol::Protocol;
use crate::retry;
use crate::scene::Scene;
use crate::shared::Shared;
use crate::world::{Way, World};

/// Who waits for invocations to be over at the desk, beside two commands and the schedule.
const DESK: u8 = 3;
/// More than twice the timeout.
const WAIT: u16 = 30;
/// More tasks than any register needs.
const TURNS: usize = 20;
const BY: &str = "ana by force";

/// From the first function that is stopped until the register says what was forced.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Desk {
    pub fenced: Site,
    /// Whether more was begun than stopping functions.
    pub begun: bool,
    /// What the command that fences has in memory in place of the register.
    pub register: Option<Shared<Record>>,
    /// The command that is at it, if one is.
    pub errand: Option<Errand>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Errand {
    pub reconciles: bool,
    pub phase: Phase,
    /// What it has waited for.
    pub waited: Option<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It waits until what functions had begun is over.
    Stopping,
    /// It is going to carry out the next task.
    Due,
    /// It waits twice the timeout, and names this afterwards.
    Waiting(Token),
    /// It carries out the task of this name.
    Calling(u8),
}

impl Desk {
    fn of(fenced: Site) -> Self {
        Self {
            fenced,
            begun: false,
            register: None,
            errand: None,
        }
    }

    /// Whether a command can be typed: operators see each other.
    pub fn is_free(&self) -> bool {
        self.errand.is_none()
    }
}

/// The next task on a register, and whether it has to wait first; `None` where nothing is left to do.
fn next_task(
    grounds: &Grounds,
    record: &Record,
    fenced: Site,
    waited: Option<&Token>,
) -> Option<(Task, bool)> {
    if record.hold.is_some() {
        return Some((Task::Release { by: BY.to_owned() }, false));
    }
    let [fenced, survivor] = [fenced, fenced.other()].map(|site| grounds.name(site).clone());
    match by_force::write_down(record, &fenced, &survivor, BY, waited) {
        WriteDown::BroughtBack => None,
        WriteDown::Later(task) => Some((task, true)),
        WriteDown::Now(task) => Some((task, false)),
    }
}

/// One reconciliation that nobody disturbs; `None` where it does not come to an end.
pub(crate) fn reconciled(grounds: &Grounds, world: &World, fenced: Site) -> Option<World> {
    let mut world = world.clone();
    world.before = None;
    let mut waited = None;
    for _ in 0..TURNS {
        world.seconds += WAIT;
        let Some((task, _)) = next_task(grounds, &world.record(), fenced, waited.as_ref()) else {
            return Some(world);
        };
        let releases = matches!(task, Task::Release { .. });
        let answer = retry::alone(grounds, &mut world, 210, task)?;
        match (answer.status, answer.next) {
            (Status::Done, _) if !releases => return Some(world),
            (_, Next::Wait { token, .. }) => waited = Some(token),
            _ => {}
        }
    }
    None
}

impl Protocol {
    /// Somebody types `fence SITE --force`, or `reconcile`: every function is stopped, and what runs is waited for.
    pub(crate) fn sit_down(&self, scene: &mut Scene, reconciles: bool) {
        let desk = scene.desk.get_or_insert_with(|| Desk::of(Site::B));
        desk.errand = Some(Errand {
            reconciles,
            phase: Phase::Stopping,
            waited: None,
        });
        scene.wait_no_more(DESK);
        scene.wait(DESK);
    }

    /// The command at the desk goes on.
    pub(crate) fn at_the_desk(&self, scene: &mut Scene) -> Option<()> {
        let mut desk = scene.desk.clone()?;
        let mut errand = desk.errand.clone()?;
        match errand.phase.clone() {
            Phase::Calling(_) => return None,
            Phase::Due => {}
            Phase::Stopping => {
                self.wait_at_the_desk(scene);
                let own = scene.world.at(desk.fenced);
                let own = own.alive.then_some(own.backup);
                if !errand.reconciles && by_force::may_survive(own) || errand.reconciles && !desk.begun {
                    desk.errand = None;
                    scene.desk = desk.begun.then_some(desk);
                    return Some(());
                }
                if !errand.reconciles {
                    desk.begun = true;
                    desk.register = None;
                }
            }
            Phase::Waiting(token) => {
                self.wait_at_the_desk(scene);
                errand.waited = Some(token);
            }
        }
        if scene.running.len() >= self.configuration.executors {
            return None;
        }
        let name = if errand.reconciles {
            let record = scene.world.record();
            let Some((task, later)) = next_task(&self.grounds, &record, desk.fenced, errand.waited.as_ref())
            else {
                scene.desk = None;
                return Some(());
            };
            if later {
                self.wait_at_the_desk(scene);
            }
            self.begin(scene, task)
        } else {
            let task = Task::Fence {
                fenced: self.grounds.name(desk.fenced).clone(),
                by: BY.to_owned(),
            };
            self.begin_apart(scene, task)
        };
        errand.phase = Phase::Calling(name);
        desk.errand = Some(errand);
        scene.desk = Some(desk);
        Some(())
    }

    fn wait_at_the_desk(&self, scene: &mut Scene) {
        scene.world.seconds += WAIT;
        scene.time_is_over(DESK, self.configuration.driver_stops);
        scene.wait_no_more(DESK);
    }

    /// An answer at the desk; whether it was one.
    pub(crate) fn answered_at_the_desk(&self, scene: &mut Scene, name: u8, answer: &Answer) -> bool {
        let Some(mut desk) = scene.desk.clone() else {
            return false;
        };
        let Some(mut errand) = desk.errand.take() else {
            return false;
        };
        if errand.phase != Phase::Calling(name) {
            return false;
        }
        errand.phase = Phase::Due;
        let record = scene.world.record();
        let was_release = errand.reconciles && record.hold.is_none() && record.decision.is_none();
        match (answer.status, answer.next.clone()) {
            (Status::Done, _) if errand.reconciles => {
                if record.decision.is_some() {
                    self.observed().seen.insert(Seen::Reconciled);
                    scene.desk = None;
                    return true;
                }
                desk.errand = was_release.then_some(errand);
            }
            (Status::Done, _) => {
                self.observed().seen.insert(Seen::Forced);
            }
            (_, Next::Wait { token, .. }) => {
                errand.phase = Phase::Waiting(token);
                desk.errand = Some(errand);
                scene.desk = Some(desk);
                scene.wait_no_more(DESK);
                scene.wait(DESK);
                return true;
            }
            (Status::Retry, _) => desk.errand = Some(errand),
            // Refused before anything was decided: functions run again.
            (Status::NotNow | Status::Foreign, _) if !errand.reconciles && desk.register.is_none() => {
                scene.desk = None;
                return true;
            }
            (Status::NotNow | Status::Foreign, _) => {
                desk.errand = (errand.reconciles && record.unsettled).then_some(errand);
            }
        }
        scene.desk = Some(desk);
        true
    }

    /// A call of the fence by force: what is in the register is in the command's memory.
    pub(crate) fn land_apart(
        &self,
        scene: &mut Scene,
        by: &Invocation,
        call: &Call,
        way: Way,
        overdue: bool,
    ) -> Event {
        match call {
            Call::ReadMark => return Event::Marked(Ok(None)),
            Call::NoteReached(_) => return Event::Done(Ok(())),
            _ => {}
        }
        let change = |scene: &mut Scene| {
            if let Some(desk) = &mut scene.desk {
                std::mem::swap(&mut scene.world.register, &mut desk.register);
            }
        };
        change(scene);
        let event = self.take_effect(scene, by, call, way, overdue);
        change(scene);
        event
    }
}
