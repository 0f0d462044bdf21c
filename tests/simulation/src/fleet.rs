//! The functions: processes that Lambda starts, feeds one event at a time, freezes, and throws away.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use fencing::answer::{Answer, Notice};
use fencing::register::Record;
use fencing::step::{Call, Event, Fault as CallFault, Task};
use fencing::words::Reporter;
use function::event;
use function::handler::{Handler, Invocation, Reply};
use function::moment::Moment;
use function::run::{Budget, run};
use function::world::World;
use function::world::apart::Apart;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::Value;

use crate::clock::{TaskId, letter};
use crate::reality::Whose;
use crate::sim::Sim;
use crate::watcher::{InvocationId, Kind};

/// The function's timeout, as the settings say.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);

/// The wall clock's time when the history begins.
const BEGINNING: i64 = 1_795_255_200;

/// What a clock that is right shows.
pub(crate) fn wall_of(now: Duration) -> Timestamp {
    Timestamp::from_second(BEGINNING).unwrap_or(Timestamp::UNIX_EPOCH) + now
}

pub struct Process {
    number: u64,
    whose: Whose,
    began: Duration,
    wall_offset: Cell<SignedDuration>,
    current: Cell<InvocationId>,
    death: RefCell<Death>,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

impl Process {
    /// What it is called in the transcript.
    pub(crate) fn name(&self) -> String {
        match self.whose {
            Whose::Ours => format!("p{} {}", self.number, self.current.get()),
            Whose::Others => format!("p{} of the other topology", self.number),
        }
    }

    pub(crate) fn whose(&self) -> Whose {
        self.whose
    }

    /// What it serves just now.
    pub(crate) fn invocation(&self) -> InvocationId {
        self.current.get()
    }

    /// How to let it die.
    pub(crate) fn death(&self) -> Death {
        self.death.borrow().clone()
    }
}

/// The end of a process.
#[derive(Clone, Default)]
pub(crate) struct Death {
    task: Option<TaskId>,
    dead: Rc<Cell<bool>>,
}

impl Death {
    pub(crate) fn now(&self, sim: &Sim) {
        self.dead.set(true);
        if let Some(task) = self.task {
            sim.clock.kill(task);
        }
    }
}

/// What a process sees of the history.
#[derive(Clone, Debug)]
pub struct Outside {
    sim: Sim,
    process: Rc<Process>,
}

impl Outside {
    pub(crate) fn sim(&self) -> &Sim {
        &self.sim
    }

    pub(crate) fn whose(&self) -> Whose {
        self.process.whose
    }
}

impl World for Outside {
    fn moment(&self) -> Moment {
        let now = self.sim.clock.now();
        let wall = wall_of(now);
        Moment {
            wall: wall.checked_add(self.process.wall_offset.get()).unwrap_or(wall),
            uptime: now.saturating_sub(self.process.began),
        }
    }

    async fn sleep(&self, duration: Duration) {
        self.sim.sleep(duration).await;
    }

    async fn call(&self, call: &Call) -> Event {
        let letter = self.sim.send(&self.process, call);
        match letter.await {
            Some(event) => event,
            // Its process is about to die of it.
            None => std::future::pending().await,
        }
    }

    async fn webhook_secret(&self) -> Result<SecretString, CallFault> {
        let invocation = self.process.current.get();
        let now = self.sim.clock.now();
        self.sim
            .core()
            .watcher
            .secret_read(invocation, self.process.number, now);
        self.sim.sleep(Duration::from_millis(20)).await;
        Ok(self.sim.core().reality.password.clone().into())
    }

    async fn stamp(&self, _: &Reporter) -> Result<(), CallFault> {
        self.sim.sleep(Duration::from_millis(20)).await;
        Ok(())
    }

    async fn chronicle(&self, _: &Record) {}

    async fn tell(&self, notice: &Notice, _: Option<&Record>) {
        self.sim
            .note(|| format!("       {:?}: {}", notice.cause, notice.sentence));
        self.sim.core().watcher.told(notice);
    }

    async fn settle(&self) {}
}

struct Instance {
    process: Rc<Process>,
    handler: Rc<Handler<Outside>>,
    busy: Rc<Cell<bool>>,
    region: usize,
}

/// All processes of all Regions.
#[derive(Clone)]
pub struct Fleet {
    sim: Sim,
    whose: Whose,
    instances: Rc<RefCell<Vec<Instance>>>,
    /// The Regions whose function was deleted.
    withdrawn: Rc<RefCell<Vec<usize>>>,
    /// Their concurrency is 0.
    stopped: Rc<Cell<bool>>,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fleet of {}", self.instances.borrow().len())
    }
}

impl Fleet {
    pub fn new(sim: &Sim, whose: Whose) -> Self {
        Self {
            sim: sim.clone(),
            whose,
            instances: Rc::default(),
            withdrawn: Rc::default(),
            stopped: Rc::default(),
        }
    }

    /// A new version is deployed: the processes of the old one end what they are at, and serve nothing any more.
    pub fn deploy(&self, region: usize) {
        self.withdraw(region);
        self.withdrawn.borrow_mut().retain(|gone| *gone != region);
    }

    /// The function is deleted. What runs goes on to its end.
    pub fn withdraw(&self, region: usize) {
        self.instances
            .borrow_mut()
            .retain(|instance| instance.region != region);
        self.withdrawn.borrow_mut().push(region);
    }

    /// No function begins any more, or all may again. What runs goes on to its end.
    pub fn stop(&self, stopped: bool) {
        self.stopped.set(stopped);
    }

    /// Whether none begins.
    pub fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    pub fn stands(&self, regions: usize) -> bool {
        !self.stopped.get() && (0..regions).any(|region| !self.withdrawn.borrow().contains(&region))
    }

    /// The wall clock of one process is set.
    pub fn set_a_clock(&self) {
        let mut core = self.sim.core();
        let instances = self.instances.borrow();
        if instances.is_empty() {
            return;
        }
        let index = core.dice.below(instances.len() as u64) as usize;
        let offset = SignedDuration::from_secs(core.dice.below(7200) as i64 - 3600);
        let process = &instances[index].process;
        let by = offset - process.wall_offset.replace(offset);
        core.watcher
            .clock_jumps(process.invocation(), by, self.sim.clock.now());
    }

    /// All clocks are right again.
    pub fn set_clocks_right(&self) {
        let mut core = self.sim.core();
        for instance in self.instances.borrow().iter() {
            let by = -instance.process.wall_offset.replace(SignedDuration::ZERO);
            if !by.is_zero() {
                core.watcher
                    .clock_jumps(instance.process.invocation(), by, self.sim.clock.now());
            }
        }
    }

    /// A process that begins now.
    fn process(&self) -> Rc<Process> {
        Rc::new(Process {
            number: self.sim.number(),
            whose: self.whose,
            began: self.sim.clock.now(),
            wall_offset: Cell::new(SignedDuration::ZERO),
            current: Cell::new(InvocationId::NONE),
            death: RefCell::default(),
        })
    }

    async fn instance(&self, region: usize) -> (Rc<Process>, Rc<Handler<Outside>>, Rc<Cell<bool>>) {
        let idle = self
            .instances
            .borrow()
            .iter()
            .find(|i| i.region == region && !i.busy.get())
            .map(|i| (i.process.clone(), i.handler.clone(), i.busy.clone()));
        if let Some((process, handler, busy)) = idle {
            busy.set(true);
            return (process, handler, busy);
        }
        let process = self.process();
        let settings = self.sim.core().reality.settings_of(self.whose).clone();
        let outside = Outside {
            sim: self.sim.clone(),
            process: process.clone(),
        };
        let handler = Rc::new(Handler::new(settings, outside));
        let busy = Rc::new(Cell::new(true));
        self.instances.borrow_mut().push(Instance {
            process: process.clone(),
            handler: handler.clone(),
            busy: busy.clone(),
            region,
        });
        handler.prepare().await;
        (process, handler, busy)
    }

    /// One invocation. `None`: there is no function, the process died, or Lambda ended it. It goes on when its
    /// caller goes away.
    pub async fn invoke(&self, region: usize, kind: Kind, event: Value) -> Option<Reply> {
        if self.stopped.get() || self.withdrawn.borrow().contains(&region) {
            self.sim.sleep(Duration::from_millis(20)).await;
            return None;
        }
        let (sender, letter) = letter();
        let fleet = self.clone();
        self.sim.clock.spawn(async move {
            if let Some(reply) = fleet.serve(region, kind, event).await {
                sender.send(reply);
            }
        });
        letter.await
    }

    /// A task that an operator's own machine carries out with the function's driver: on the register, or without it.
    /// Whether anything outside was touched comes with its answer.
    pub async fn at_a_desk(&self, task: Task, without_register: bool) -> (Answer, bool) {
        let process = self.process();
        let kind = if without_register {
            Kind::Forced(task.clone())
        } else {
            Kind::Operate(task.clone())
        };
        let now = self.sim.clock.now();
        let (id, settings) = {
            let mut core = self.sim.core();
            let core = &mut *core;
            let id = core
                .watcher
                .begins(kind.clone(), now, now + TIMEOUT, &core.reality);
            (id, core.reality.settings_of(self.whose).clone())
        };
        process.current.set(id);
        self.sim.note(|| format!("{} at a desk: {kind}", process.name()));
        let outside = Outside {
            sim: self.sim.clone(),
            process: process.clone(),
        };
        let moment = outside.moment();
        let budget = Budget::new(moment, moment.wall + TIMEOUT, TIMEOUT);
        let executor = format!("desk-{}", id.0);
        let (answer, touched) = if without_register {
            let apart = Apart::from(&outside);
            let answer = run(&settings, &apart, &executor, task, budget).await.answer;
            (answer, apart.has_touched())
        } else {
            let answer = run(&settings, &outside, &executor, task, budget).await.answer;
            (answer, true)
        };
        self.sim.note(|| {
            format!(
                "{} answers {:?}: {}",
                process.name(),
                answer.status,
                answer.sentence
            )
        });
        self.sim.core().watcher.died(id);
        (answer, touched)
    }

    async fn serve(&self, region: usize, kind: Kind, event: Value) -> Option<Reply> {
        let (process, handler, busy) = self.instance(region).await;
        let now = self.sim.clock.now();
        // What the other topology's invocations do is judged by what comes of it.
        let id = match self.whose {
            Whose::Ours => {
                let mut core = self.sim.core();
                let core = &mut *core;
                core.watcher
                    .begins(kind.clone(), now, now + TIMEOUT, &core.reality)
            }
            Whose::Others => InvocationId::NONE,
        };
        process.current.set(id);
        self.sim.note(|| format!("{} {kind}", process.name()));
        let Ok(event) = event::Incoming::read(event) else {
            busy.set(false);
            return None;
        };
        let invocation = Invocation {
            request_id: match self.whose {
                Whose::Ours => format!("r{}", id.0),
                Whose::Others => format!("o{}", self.sim.number()),
            },
            deadline: handler.world().moment().wall + TIMEOUT,
        };
        let (sender, letter) = letter();
        let task = {
            let handler = handler.clone();
            self.sim.clock.spawn(async move {
                sender.send(handler.handle(event, &invocation).await);
            })
        };
        let death = Death {
            task: Some(task),
            dead: Rc::default(),
        };
        *process.death.borrow_mut() = death.clone();
        let timeout = {
            let (sim, death, name) = (self.sim.clone(), death.clone(), process.name());
            self.sim.clock.spawn(async move {
                sim.sleep(TIMEOUT).await;
                sim.violated(format!("I12: {name} ran into Lambda's timeout"));
                death.now(&sim);
            })
        };
        let reply = letter.await;
        self.sim.clock.kill(timeout);
        match &reply {
            Some(reply) => {
                let (status, text) = match reply {
                    Reply::Web { status, body, .. } => (*status, body.clone()),
                    Reply::Answer(answer) => (answer.status.http(), answer.sentence.clone()),
                };
                self.sim
                    .note(|| format!("{} answers {status}: {text}", process.name()));
                let mut core = self.sim.core();
                let core = &mut *core;
                core.watcher.answers(id, status, &text, &core.reality);
                busy.set(false);
            }
            None => {
                self.sim.note(|| format!("{} died", process.name()));
                self.sim.core().watcher.died(id);
                self.instances
                    .borrow_mut()
                    .retain(|instance| !Rc::ptr_eq(&instance.process, &process));
            }
        }
        reply
    }
}
