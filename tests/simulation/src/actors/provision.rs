//! An operator with `provision`: a second apply in the middle of things, and a destroy that is regretted.
//!
//! ```text
//!   apply     the functions get new settings, Region after Region; what runs goes on with the old ones
//!   destroy   functions ─▶ the functions' timeout ─▶ nothing decided since? ─▶ register       (any step may be the
//!             └──────────────────────────── apply: register, functions ◀──────────────────────  last: Ctrl-C)
//! ```

use fencing::register::State;

use super::Stage;
use crate::fleet::TIMEOUT;

/// Now and then somebody applies, and more rarely somebody destroys.
pub async fn provisioner(stage: Stage) {
    while !stage.calm() {
        stage.sim.pause(60, 400).await;
        if stage.calm() {
            return;
        }
        // Neither goes on without the register, or beside a forced fence.
        if stage.sim.core().reality.register_away || stage.fleet.is_stopped() {
            continue;
        }
        let choice = stage.sim.core().dice.below(100);
        if choice < 30 {
            destroy(&stage).await;
            stage.sim.pause(0, 60).await;
        }
        apply(&stage).await;
    }
}

/// `provision apply`, with a topology in which somebody has changed how long a claim holds.
async fn apply(stage: &Stage) {
    stage.note(|| "       provision apply".to_owned());
    {
        let mut core = stage.sim.core();
        core.watcher.counts.applies += 1;
        core.reality.create_table();
        let (interval, threshold) = core.dice.one_of(&[(1, 2), (5, 3)]);
        core.reality.settings.claim.renew_interval_seconds = interval;
        core.reality.settings.claim.failure_threshold = threshold;
    }
    for region in 0..stage.regions {
        stage.sim.pause(1, 10).await;
        stage.note(|| format!("       a new version is deployed in Region {region}"));
        stage.fleet.deploy(region);
    }
}

/// `provision destroy`, as far as it gets before somebody interrupts it.
async fn destroy(stage: &Stage) {
    let last_step = stage.sim.core().dice.below(5);
    let (epoch, state) = looked(stage);
    stage.note(|| format!("       provision destroy finds {state} epoch {epoch}"));
    // Only somebody who says --force goes on here. Of a fence that is carried out that much may be wanted;
    // whoever breaks off a rejoin so has to know himself what he does.
    let forced = state == State::Complete && stage.sim.core().dice.permille(300);
    if state != State::Open && !forced {
        return;
    }
    for region in 0..stage.regions {
        stage.sim.pause(1, 10).await;
        if last_step == 0 || stage.calm() {
            return;
        }
        stage.note(|| format!("       the function in Region {region} is deleted"));
        stage.fleet.withdraw(region);
    }
    if last_step == 1 {
        return;
    }
    // What was under way when the last one went is over by then, and nothing can come after it.
    stage.sim.sleep(TIMEOUT).await;
    if last_step == 2 || stage.calm() || looked(stage).0 != epoch {
        return;
    }
    stage.note(|| "       the register is deleted".to_owned());
    let mut core = stage.sim.core();
    core.watcher.counts.destructions += 1;
    core.reality.delete_table();
}

fn looked(stage: &Stage) -> (fencing::words::Epoch, State) {
    let record = stage.sim.core().reality.register();
    (record.epoch, record.state)
}
