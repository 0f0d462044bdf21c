//! The model: which things may happen in a state, and which state follows.
//!
//! `calls` lands the calls of invocations and takes them further, `offered` says what may happen next, and `followed`
//! what is so once it has happened; here stand what all three share, where it begins, and the laws.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fencing::register::Record;
use fencing::replication::Push;
use fencing::step::{Task, Ticket};
use stateright::{Model, Property};

use crate::configuration::{Configuration, From};
use crate::desk;
use crate::grounds::{Grounds, Site};
use crate::invocation::Invocation;
use crate::laws::Law;
use crate::observed::Observed;
use crate::retry::{self, Ends};
use crate::scene::{Action, Chance, Left, Running, Scene, task_of};
use crate::shared::Shared;
use crate::world::World;

mod calls;
mod followed;
mod offered;

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
}

macro_rules! law {
    ($law:ident, $name:literal) => {
        Property::always($name, |model: &Self, scene: &Scene| model.keeps(scene, Law::$law))
    };
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.offer(scene, actions);
    }

    fn next_state(&self, scene: &Scene, action: Action) -> Option<Scene> {
        self.follow(scene, action)
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
