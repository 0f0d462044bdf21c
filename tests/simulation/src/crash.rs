//! Crash points: a task meets a state, and one of its calls goes wrong. Or two of them.
//!
//! ```text
//!   prepare ─▶ the state ─▶ act, call number i fails │ loses its reply │ comes late │ … │ takes its process along
//!                             ─▶ the claim runs out ─▶ once more, and nothing goes wrong ─▶ the goal    (L1)
//! ```
//!
//! How many calls an act makes is found by letting it act once in peace.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use fencing::register::{RejoinStep, State};
use fencing::replication::Backup;
use fencing::words::{Reporter, Suspect};
use function::handler::Reply;
use serde_json::json;

use crate::actors::{self, Stage, operator};
use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::layout::{Layout, SITES, USER, balancer};
use crate::sim::{Fault, Faults, Sim};
use crate::watcher::Kind;

/// In which state an act finds the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing was ever decided, the link is whole.
    Whole,
    /// Nothing is decided, the link is lost.
    Lost,
    /// Nothing is decided, the link is lost, and somebody took the suspect out already.
    LostAndOut,
    /// Decided, and the executor died.
    Decided,
    /// Out of the accelerator, and the executor died.
    Unbalanced,
    /// Fenced.
    Complete,
    /// Fenced, and the link is whole again.
    Healed,
    /// The same, while a write of an executor that has given up is still on its way.
    Straggling,
    /// The link is lost, nothing is decided, and somebody holds.
    Held,
    /// Fenced, and somebody holds.
    CompleteHeld,
    /// A rejoin is putting the site back, its write is on its way, and the link is lost again.
    BrokenOff,
    /// Fenced, and the survivor's Infinispan has forgotten it.
    Forgotten,
    /// Fenced, and somebody put the fenced site back.
    PutBack,
    /// Fenced, and people have brought everything back.
    Recovered,
    /// The same, but for the fenced site's own replication, which is still cut.
    HalfRecovered,
    /// A rejoin stopped at its step of this number; the link is whole.
    Rejoining(usize),
    /// A rejoin stopped at its step of this number; the link is lost again.
    RejoiningLost(usize),
    /// The survivor was changed, and the operator went home.
    Promoted,
}

/// Who does something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The first site reports the second.
    Alert,
    /// The schedule, as often as it takes.
    Sweep,
    /// An operator fences the second site.
    Fence,
    /// An operator brings the second site back.
    Rejoin,
    /// An operator makes the second site survive.
    Promote,
}

/// What has to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The second site is fenced, completely.
    Fenced,
    /// The first one is.
    FencedFirst,
    /// Both serve and replicate.
    Open,
    /// The decision stays in force.
    Kept,
    /// Nothing was decided.
    Untouched,
}

/// One row: from where, by whom, to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene {
    /// From where.
    pub start: Start,
    /// By whom.
    pub act: Act,
    /// To what.
    pub goal: Goal,
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} meets {:?}, to be {:?}", self.act, self.start, self.goal)
    }
}

/// How many steps a rejoin has.
const STEPS: usize = 7;

/// Every act in every state that it may meet.
pub fn scenes() -> Vec<Scene> {
    use Act::{Alert, Fence, Promote, Rejoin, Sweep};
    use Start::{
        Complete, Decided, Forgotten, Healed, Lost, LostAndOut, Promoted, PutBack, Recovered, Unbalanced,
        Whole,
    };
    let mut rows: Vec<(Start, Act, Goal)> = Vec::new();
    for start in [
        Lost, LostAndOut, Decided, Unbalanced, Complete, Forgotten, PutBack,
    ] {
        rows.push((start, Alert, Goal::Fenced));
    }
    for start in [Decided, Unbalanced, Complete, Forgotten, PutBack] {
        rows.push((start, Sweep, Goal::Fenced));
    }
    rows.push((Recovered, Sweep, Goal::Open));
    rows.push((Start::HalfRecovered, Sweep, Goal::Kept));
    rows.push((Promoted, Sweep, Goal::FencedFirst));
    for start in [Whole, Lost, LostAndOut, Decided, Unbalanced, Complete] {
        rows.push((start, Fence, Goal::Fenced));
    }
    for start in [Decided, Unbalanced, Complete, Promoted] {
        rows.push((start, Promote, Goal::FencedFirst));
    }
    rows.push((Healed, Rejoin, Goal::Open));
    rows.push((Start::Straggling, Rejoin, Goal::Open));
    // An alert of a link that has healed since.
    rows.push((Whole, Alert, Goal::Untouched));
    rows.push((Start::Held, Alert, Goal::Untouched));
    rows.push((Start::CompleteHeld, Promote, Goal::Fenced));
    rows.push((Start::BrokenOff, Alert, Goal::Fenced));
    for step in 0..STEPS {
        rows.push((Start::Rejoining(step), Rejoin, Goal::Open));
        rows.push((Start::RejoiningLost(step), Alert, Goal::Fenced));
        rows.push((Start::RejoiningLost(step), Promote, Goal::FencedFirst));
    }
    rows.into_iter()
        .map(|(start, act, goal)| Scene { start, act, goal })
        .collect()
}

/// A scene that was prepared.
struct Play {
    stage: Stage,
}

impl Play {
    fn new(layout: Layout, transcript: bool) -> Self {
        let sim = Sim::new(layout, Dice::new(7), transcript);
        let stage = Stage {
            fleet: Fleet::new(&sim),
            sim: sim.clone(),
            regions: 1,
            calm: Rc::new(Cell::new(false)),
        };
        sim.clock.spawn(actors::health_checks(stage.clone()));
        Self { stage }
    }

    fn sim(&self) -> &Sim {
        &self.stage.sim
    }

    fn state(&self) -> State {
        self.sim().core().reality.register().state
    }

    /// Lets time pass.
    fn pass(&self, seconds: u64) {
        let sim = self.sim();
        sim.clock.run(sim.clock.now() + Duration::from_secs(seconds), || {
            sim.violation().is_some()
        });
    }

    /// Does something to its end, or until `enough`.
    fn until<T: 'static>(
        &self,
        work: impl Future<Output = T> + 'static,
        enough: impl Fn() -> bool,
    ) -> Option<T> {
        let sim = self.sim();
        let result = Rc::new(Cell::new(None));
        let place = result.clone();
        let task = sim.clock.spawn(async move {
            place.set(Some(work.await));
        });
        let over = Rc::new(Cell::new(false));
        let deadline = sim.clock.now() + Duration::from_secs(1200);
        sim.clock.run(deadline, || {
            let taken = result.take();
            over.set(taken.is_some());
            result.set(taken);
            over.get() || sim.violation().is_some() || enough()
        });
        sim.clock.kill(task);
        result.take()
    }

    fn link(&self, whole: bool) {
        self.sim()
            .note(|| format!("       the link is {}", if whole { "whole" } else { "lost" }));
        self.sim().core().reality.link = whole;
    }

    /// One delivery; its status.
    fn alert(&self) -> u16 {
        let password = self.sim().core().reality.password.clone();
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{password}"));
        let body = json!({"version": "4", "status": "firing", "alerts": [{
            "status": "firing",
            "labels": {"alertname": "SiteOffline", "topology": "keycloak-test", "reporter": SITES[0], "site": SITES[1]},
        }]});
        let event = json!({
            "rawPath": "/webhook", "headers": {"authorization": format!("Basic {pair}")},
            "requestContext": {"http": {"method": "POST"}}, "body": body.to_string(), "isBase64Encoded": false,
        });
        let (first, second) = {
            let core = self.sim().core();
            (core.reality.name(0).clone(), core.reality.name(1).clone())
        };
        let fleet = self.stage.fleet.clone();
        let kind = Kind::Alert(Reporter(first), Suspect(second));
        match self.until(async move { fleet.invoke(0, kind, event).await }, || false) {
            Some(Some(Reply::Web { status, .. })) => status,
            _ => 502,
        }
    }

    fn sweep(&self) {
        let fleet = self.stage.fleet.clone();
        let event = json!({"sitefence": "sweep"});
        self.until(async move { fleet.invoke(0, Kind::Sweep, event).await }, || false);
    }

    fn rejoin_until(&self, enough: impl Fn() -> bool) {
        let stage = self.stage.clone();
        self.until(async move { operator::rejoin(&stage).await }, enough);
    }

    /// Brings the world to where the act finds it. False if that cannot be, for want of such a step.
    fn prepare(&self, start: Start) -> bool {
        match start {
            Start::Whole => {}
            Start::Lost => self.link(false),
            Start::LostAndOut => {
                self.link(false);
                let now = self.sim().clock.now();
                self.sim().core().reality.take_out(&balancer(1), now);
                self.pass(1);
            }
            Start::Decided => return self.dies_in(State::Decided),
            Start::Unbalanced => return self.dies_in(State::Unbalanced),
            Start::Complete => self.fenced(),
            Start::Healed => {
                self.fenced();
                self.link(true);
            }
            Start::Held => {
                self.link(false);
                self.hold();
            }
            Start::CompleteHeld => {
                self.fenced();
                self.hold();
            }
            Start::BrokenOff => {
                self.fenced();
                self.link(true);
                self.sim().set_faults(Faults::Groups(Fault::Late));
                self.rejoin_until(|| {
                    let record = self.sim().core().reality.register();
                    let last = record
                        .rejoin
                        .is_some_and(|rejoin| rejoin.step == RejoinStep::Readd);
                    last && record.claim.is_some()
                });
                self.pass(1);
                self.link(false);
            }
            Start::Straggling => {
                self.link(false);
                self.sim().set_faults(Faults::At(vec![(4, Fault::Late)]));
                self.alert();
                self.sim().set_faults(Faults::Never);
                self.alert();
                self.link(true);
            }
            Start::Forgotten => {
                self.fenced();
                self.touch(|reality| reality.sites[0].restart());
            }
            Start::PutBack => {
                self.fenced();
                self.put_back();
            }
            Start::Recovered => {
                self.fenced();
                self.link(true);
                self.put_back();
                self.touch(|reality| reality.sites[0].restart());
            }
            Start::HalfRecovered => {
                self.prepare(Start::Recovered);
                self.touch(|reality| reality.sites[1].switch_all(false));
                self.pass(20);
            }
            Start::Rejoining(step) => return self.rejoining(step),
            Start::RejoiningLost(step) => {
                let there = self.rejoining(step);
                self.link(false);
                return there;
            }
            Start::Promoted => {
                self.fenced();
                let (stage, second) = (self.stage.clone(), self.sim().core().reality.name(1).clone());
                self.until(async move { operator::promote(&stage, &second).await }, || {
                    self.state() == State::Decided
                });
            }
        }
        true
    }

    fn touch(&self, hands: impl Fn(&mut crate::reality::Reality)) {
        let now = self.sim().clock.now();
        let mut core = self.sim().core();
        hands(&mut core.reality);
        core.reality.hands.sites = [Some(now); 2];
    }

    fn put_back(&self) {
        let now = self.sim().clock.now();
        let group = {
            let core = self.sim().core();
            core.reality
                .groups
                .iter()
                .position(|group| group.endpoints.is_empty())
                .unwrap_or(0)
        };
        self.sim().core().reality.put_in(group, &balancer(1), now);
        self.pass(15);
    }

    fn fenced(&self) {
        self.link(false);
        self.alert();
    }

    fn hold(&self) {
        let stage = self.stage.clone();
        self.until(async move { operator::hold(&stage).await }, || false);
    }

    /// An executor decides and dies as soon as the register says so; its claim runs out.
    fn dies_in(&self, state: State) -> bool {
        self.link(false);
        // Calls 0 to 2 read, 3 decides; one write per group comes before the next of the register.
        let at = match state {
            State::Decided => 3,
            _ => 4 + self.sim().core().reality.groups.len(),
        };
        self.sim().set_faults(Faults::At(vec![(at, Fault::DiesAfter)]));
        self.alert();
        self.sim().set_faults(Faults::Never);
        self.pass(20);
        self.state() == state
    }

    /// A rejoin comes as far as its step of this number and is broken off.
    fn rejoining(&self, step: usize) -> bool {
        self.fenced();
        self.link(true);
        let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
        let there = || {
            let record = self.sim().core().reality.register();
            let Some(rejoin) = record.rejoin else { return false };
            let mut seen = seen.borrow_mut();
            if !seen.contains(&rejoin.step) {
                seen.push(rejoin.step);
            }
            seen.len() > step
        };
        self.rejoin_until(there);
        self.pass(16);
        self.state() == State::Rejoining
    }

    fn act(&self, act: Act) {
        let stage = self.stage.clone();
        let second = self.sim().core().reality.name(1).clone();
        match act {
            Act::Alert => {
                self.alert();
            }
            Act::Sweep => self.sweep(),
            Act::Fence => {
                self.until(async move { operator::fence(&stage, &second).await }, || false);
            }
            Act::Rejoin => self.rejoin_until(|| false),
            Act::Promote => {
                self.until(async move { operator::promote(&stage, &second).await }, || false);
            }
        }
    }

    /// Once more, in peace. Whatever waits for the schedule gets its minutes.
    fn again(&self, scene: Scene) {
        // What is on its way arrives, claims run out, a process that died is another one.
        self.pass(20);
        self.act(scene.act);
        let waits = matches!(scene.start, Start::Recovered | Start::HalfRecovered)
            || matches!(
                scene.start,
                Start::RejoiningLost(_) | Start::BrokenOff | Start::Promoted
            ) && scene.act != Act::Promote;
        if waits {
            for _ in 0..3 {
                self.pass(40);
                self.sweep();
            }
        }
    }

    fn reached(&self, goal: Goal) -> Result<(), String> {
        let core = self.sim().core();
        let reality = &core.reality;
        let record = reality.register();
        let survivor = record
            .decision
            .as_ref()
            .map(|decision| reality.index(&decision.survivor.0));
        let complete =
            |index| record.state == State::Complete && survivor == Some(index) && reality.agrees(&record);
        let whole = |index| reality.is_in(index) && reality.backup(index) == Backup::Online;
        let there = match goal {
            Goal::Fenced => complete(0),
            Goal::FencedFirst => complete(1),
            Goal::Open => record.state == State::Open && whole(0) && whole(1),
            Goal::Untouched => record.epoch.0 == 0 && whole(0) && whole(1),
            Goal::Kept => record.state == State::Complete,
        };
        match there {
            true => Ok(()),
            false => Err(format!(
                "L1: one retry does not reach it: {} epoch {}",
                record.state, record.epoch
            )),
        }
    }
}

/// How many calls a scene's act makes in peace; none if the scene cannot be.
pub fn calls(scene: Scene, layout: Layout) -> usize {
    let play = Play::new(layout, false);
    if !play.prepare(scene.start) {
        return 0;
    }
    play.sim().set_faults(Faults::Never);
    play.act(scene.act);
    let calls = play.sim().core().calls;
    play.sim().clock.clear();
    calls
}

/// Plays a scene with these faults. On failure: what did not hold, and the story.
pub fn play(scene: Scene, layout: Layout, faults: &[(usize, Fault)]) -> Result<(), String> {
    match once(scene, layout, faults, false) {
        Ok(()) => Ok(()),
        Err(_) => match once(scene, layout, faults, true) {
            Err(story) => Err(format!("{scene}, {layout:?}, {faults:?}: {story}")),
            Ok(()) => Err(format!("{scene}, {faults:?}: fails only sometimes")),
        },
    }
}

fn once(scene: Scene, layout: Layout, faults: &[(usize, Fault)], transcript: bool) -> Result<(), String> {
    let play = Play::new(layout, transcript);
    play.prepare(scene.start);
    play.sim().note(|| format!("=====  {scene}"));
    play.sim().set_faults(Faults::At(faults.to_vec()));
    play.act(scene.act);
    play.sim().note(|| "=====  once more, in peace".to_owned());
    play.sim().set_faults(Faults::Never);
    play.again(scene);
    let result = match play.sim().violation() {
        Some(violation) => Err(violation),
        None => play.reached(scene.goal),
    };
    let story = play.sim().transcript();
    play.sim().clock.clear();
    result.map_err(|problem| format!("{problem}\n\n{story}"))
}
