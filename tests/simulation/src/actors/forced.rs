//! The register is out of reach, and somebody fences all the same: `fence --force`, and `reconcile` afterwards.
//!
//! ```text
//!   the register does not answer ─▶ functions stopped ─▶ twice the timeout ─▶ the fence, without it ─▶ …
//!   … the register answers ─▶ reconcile: task by task on it ─▶ functions run again
//! ```
//!
//! The driver is the function's, and which task is next says `fencing::by_force`, as in `provision`. Each command may be
//! broken off anywhere and be given once more. What `provision` keeps in the functions' tags is kept here.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use fencing::answer::{Next, Status};
use fencing::by_force::{self, WriteDown};
use fencing::register::Record;
use fencing::settings::Mode;
use fencing::step::Task;
use fencing::words::{SiteName, Token};

use super::Stage;
use crate::fleet::TIMEOUT;

/// What has been begun without the function has ended by then.
const ENDED: Duration = Duration::from_secs(2 * TIMEOUT.as_secs());
const RETRIES: u32 = 10;
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// What the functions' tags say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noted {
    Nothing,
    Stopped,
    Begun,
}

/// One forced fence, from the first stop to the last reconciliation.
#[derive(Clone)]
struct Forcing {
    stage: Stage,
    fenced: SiteName,
    survivor: SiteName,
    noted: Rc<Cell<Noted>>,
}

/// Now and then the register is away, and somebody does not wait for it.
pub async fn outages(stage: Stage) {
    while !stage.calm() {
        stage.sim.pause(60, 500).await;
        let ready = {
            let core = stage.sim.core();
            core.reality.has_table() && core.reality.settings.mode != Mode::Observe
        };
        if !stage.calm() && ready && stage.fleet.stands(stage.regions) {
            outage(&stage).await;
        }
    }
}

async fn outage(stage: &Stage) {
    stage.note(|| "       the register does not answer".to_owned());
    let forcing = {
        let mut core = stage.sim.core();
        core.reality.register_away = true;
        let index = core.dice.below(2) as usize;
        Forcing {
            stage: stage.clone(),
            fenced: core.reality.name(index).clone(),
            survivor: core.reality.name(1 - index).clone(),
            noted: Rc::new(Cell::new(Noted::Nothing)),
        }
    };
    // Often enough somebody waits for it.
    if stage.sim.core().dice.permille(250) {
        stage.sim.pause(180, 600).await;
        stage.sim.core().reality.register_away = false;
        stage.note(|| "       the register answers".to_owned());
        return;
    }
    stage.sim.pause(0, 90).await;
    while stage.sim.core().reality.register_away && !stage.calm() {
        let own = forcing.clone();
        forcing.attempt(async move { own.fence().await }).await;
        if stage.sim.core().dice.permille(600) {
            break;
        }
        stage.sim.pause(1, 30).await;
    }
    stage.sim.pause(0, 120).await;
    stage.sim.core().reality.register_away = false;
    stage.note(|| "       the register answers".to_owned());
    let mut refused = 0;
    while stage.fleet.is_stopped() {
        let own = forcing.clone();
        forcing.attempt(async move { own.reconcile().await }).await;
        refused += 1;
        if refused > 6 && !forcing.is_kept() {
            forcing.give_up();
        }
        stage.sim.pause(1, 20).await;
    }
}

impl Forcing {
    /// A command that may be broken off, unless all is to come right now.
    async fn attempt(&self, command: impl Future<Output = ()> + 'static) {
        let (sim, over) = (&self.stage.sim, Rc::new(Cell::new(false)));
        let breaks_off = sim.core().dice.permille(400);
        let patience = sim.core().dice.seconds(1, 60);
        let ended = Rc::clone(&over);
        let task = sim.clock.spawn(async move {
            command.await;
            ended.set(true);
        });
        if breaks_off && !self.stage.calm() {
            sim.sleep(patience).await;
            if !over.get() {
                self.stage.note(|| "       the operator breaks it off".to_owned());
                sim.clock.kill(task);
            }
            return;
        }
        while !over.get() {
            sim.sleep(Duration::from_millis(500)).await;
        }
    }

    fn note(&self, noted: Noted) {
        self.noted.set(noted);
        self.stage
            .note(|| format!("       the functions are noted: {noted:?}"));
    }

    fn release(&self) {
        self.stage.fleet.stop(false);
        self.note(Noted::Nothing);
    }

    /// Functions run again, and nothing is written down: what they find was done by hand.
    fn give_up(&self) {
        let now = self.stage.sim.clock.now();
        {
            let mut core = self.stage.sim.core();
            let survivor = core.reality.index(&self.survivor);
            core.reality.hands.groups = Some(now);
            core.reality.hands.sites[survivor] = Some(now);
        }
        self.release();
    }

    fn is_kept(&self) -> bool {
        by_force::is_kept(&self.record(), &self.fenced)
    }

    fn record(&self) -> Record {
        self.stage.sim.core().reality.register()
    }

    /// Stops every function; one that had been let run may have begun something.
    async fn stop(&self) {
        let ran = !self.stage.fleet.is_stopped();
        if self.noted.get() == Noted::Nothing {
            self.note(Noted::Stopped);
        }
        self.stage.sim.pause(0, 2).await;
        self.stage.fleet.stop(true);
        if ran {
            self.stage.sim.sleep(ENDED).await;
        }
    }

    /// `fence SITE --force`
    async fn fence(&self) {
        let (sim, began) = (&self.stage.sim, self.noted.get() == Noted::Begun);
        self.stop().await;
        // Each command waits, for the one before may have been broken off right after it had stopped them.
        sim.sleep(ENDED).await;
        let own = {
            let mut core = sim.core();
            let now = sim.clock.now();
            core.watcher.forced_since = now;
            let index = core.reality.index(&self.fenced);
            let own = core.reality.sites[index]
                .alive
                .then(|| core.reality.backup(index));
            core.watcher.forced_blind = own.is_none();
            own
        };
        let answers = !sim.core().reality.register_away;
        if by_force::may_survive(own) || answers && self.is_kept() {
            self.stage.note(|| "       refused".to_owned());
            if !began {
                self.release();
            }
            return;
        }
        self.note(Noted::Begun);
        let mut has_touched = began;
        for _ in 0..RETRIES {
            let task = Task::Fence {
                fenced: self.fenced.clone(),
                by: "ana by force".to_owned(),
            };
            let (answer, touched) = self.stage.fleet.at_a_desk(task, true).await;
            has_touched |= touched;
            match answer.status {
                Status::Done => {
                    sim.core().watcher.counts.forced += 1;
                    return;
                }
                Status::Retry => sim.sleep(RETRY_AFTER).await,
                Status::NotNow | Status::Foreign => break,
            }
        }
        if !has_touched {
            self.release();
        }
    }

    /// `reconcile`
    async fn reconcile(&self) {
        let sim = &self.stage.sim;
        if sim.core().reality.register_away {
            return;
        }
        if self.noted.get() != Noted::Begun {
            self.release();
            return;
        }
        self.stop().await;
        let mut waited: Option<Token> = None;
        for _ in 0..2 * RETRIES {
            let record = self.record();
            let by = "ana by force";
            let task = if record.hold.is_some() {
                Task::Release { by: by.to_owned() }
            } else {
                match by_force::write_down(&record, &self.fenced, &self.survivor, by, waited.as_ref()) {
                    WriteDown::BroughtBack => return self.written_down(),
                    WriteDown::Later(task) => {
                        sim.sleep(ENDED).await;
                        task
                    }
                    WriteDown::Now(task) => task,
                }
            };
            let releases = matches!(task, Task::Release { .. });
            let (answer, _) = self.stage.fleet.at_a_desk(task, false).await;
            match (answer.status, answer.next) {
                (Status::Done, _) if !releases => return self.written_down(),
                (Status::Done, _) => {}
                (_, Next::Wait { seconds, token }) => {
                    sim.sleep(Duration::from_secs(seconds.into())).await;
                    waited = Some(token);
                }
                (Status::Retry, _) => sim.sleep(RETRY_AFTER).await,
                (_, _) if record.unsettled => {}
                _ => return,
            }
        }
    }

    fn written_down(&self) {
        self.stage.sim.core().watcher.counts.reconciled += 1;
        self.release();
    }
}
