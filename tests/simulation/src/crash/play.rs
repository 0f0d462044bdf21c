//! A scene played: the state it begins in, the act, the retry, the goal.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use fencing::register::{RejoinStep, State};
use fencing::replication::Backup;
use fencing::words::{Reporter, Suspect};
use function::handler::Reply;
use serde_json::json;

use super::{Act, Goal, Scene, Start};
use crate::actors::{self, Stage, alert, operator, post};
use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::layout::{Layout, SITES, USER, balancer};
use crate::reality::Whose;
use crate::sim::{Fault, Faults, Sim};
use crate::watcher::Kind;

/// A scene that was prepared.
pub(super) struct Play {
    stage: Stage,
}

impl Play {
    pub(super) fn new(layout: Layout, transcript: bool) -> Self {
        let sim = Sim::new(layout, Dice::new(7), transcript);
        let stage = Stage {
            fleet: Fleet::new(&sim, Whose::Ours),
            sim: sim.clone(),
            regions: 1,
            calm: Rc::new(Cell::new(false)),
        };
        sim.clock.spawn(actors::health_checks(stage.clone()));
        Self { stage }
    }

    pub(super) fn sim(&self) -> &Sim {
        &self.stage.sim
    }

    fn state(&self) -> State {
        self.sim().core().reality.register().state
    }

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

    fn alert(&self) -> u16 {
        let password = self.sim().core().reality.password.clone();
        let alerts = [alert("SiteOffline", "firing", SITES[0], SITES[1])];
        let event = post(USER, &password, &alerts);
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

    fn suspicion(&self) {
        let password = self.sim().core().reality.password.clone();
        let event = post(
            USER,
            &password,
            &[alert("SiteSuspected", "firing", SITES[0], SITES[1])],
        );
        let (first, second) = {
            let core = self.sim().core();
            (core.reality.name(0).clone(), core.reality.name(1).clone())
        };
        let fleet = self.stage.fleet.clone();
        let kind = Kind::Suspicion(Reporter(first), Suspect(second));
        self.until(async move { fleet.invoke(0, kind, event).await }, || false);
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
    pub(super) fn prepare(&self, start: Start) -> bool {
        match start {
            Start::Whole => {}
            Start::Lost => self.link(false),
            Start::Watched => {
                self.sweep();
                self.link(false);
            }
            Start::LostAndOut => {
                self.link(false);
                let now = self.sim().clock.now();
                self.sim().core().reality.take_out(&balancer(1), now);
                self.pass(1);
            }
            Start::Decided => return self.dies_in(State::Decided),
            Start::Isolated => return self.dies_in(State::Isolated),
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
                let now = self.sim().clock.now();
                self.touch(|reality| reality.sites[0].restart(now));
            }
            Start::PutBack => {
                self.fenced();
                self.put_back();
            }
            Start::Emptied => {
                self.fenced();
                let now = self.sim().clock.now();
                self.sim().core().reality.take_out(&balancer(0), now);
                self.pass(15);
            }
            Start::PutBackUnpushed => {
                self.fenced();
                self.link(true);
                self.put_back();
                let now = self.sim().clock.now();
                self.touch(|reality| reality.sites[0].restart(now));
            }
            Start::LeftOver => {
                self.touch(|reality| reality.sites[0].push_all());
                self.fenced();
                self.link(true);
                self.put_back();
                self.touch(|reality| reality.sites[0].switch_all(true));
            }
            Start::Recovered => {
                self.fenced();
                self.link(true);
                self.put_back();
                self.touch(|reality| {
                    reality.sites[0].switch_all(true);
                    reality.sites[0].push_all();
                });
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
            Start::SurvivorDead => {
                self.fenced();
                self.touch(|reality| reality.sites[0].alive = false);
                // Until the accelerator has seen it.
                self.pass(15);
            }
            Start::Promoted => {
                self.fenced();
                let (stage, second) = (self.stage.clone(), self.sim().core().reality.name(1).clone());
                self.until(
                    async move { operator::promote(&stage, &second, true).await },
                    || self.state() == State::Decided,
                );
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
        // The minute after it.
        self.sweep();
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

    pub(super) fn act(&self, act: Act) {
        let stage = self.stage.clone();
        let second = self.sim().core().reality.name(1).clone();
        match act {
            Act::Alert => {
                self.alert();
            }
            Act::Suspicion => self.suspicion(),
            Act::Sweep => self.sweep(),
            Act::Fence => {
                self.until(async move { operator::fence(&stage, &second).await }, || false);
            }
            Act::Rejoin => self.rejoin_until(|| false),
            Act::Promote | Act::Impose => {
                let lost = act == Act::Impose;
                self.until(
                    async move { operator::promote(&stage, &second, lost).await },
                    || false,
                );
            }
        }
    }

    /// Once more, in peace. Whatever waits for the schedule gets its minutes.
    pub(super) fn again(&self, scene: Scene) {
        // What is on its way arrives, claims run out, a process that died is another one.
        self.pass(20);
        self.act(scene.act);
        let waits = matches!(
            scene.start,
            Start::LeftOver | Start::Recovered | Start::HalfRecovered
        ) || matches!(
            scene.start,
            Start::RejoiningLost(_) | Start::BrokenOff | Start::Promoted
        ) && scene.act != Act::Impose;
        if waits {
            for _ in 0..3 {
                self.pass(40);
                self.sweep();
            }
        }
    }

    pub(super) fn reached(&self, goal: Goal) -> Result<(), String> {
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
        if there {
            Ok(())
        } else {
            Err(format!(
                "L1: one retry does not reach it: {} epoch {}",
                record.state, record.epoch
            ))
        }
    }
}
