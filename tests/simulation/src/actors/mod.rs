//! Who acts in a history: what is caused by machines, by operators, by people, and by bad luck.

mod alertmanager;
mod chaos;
mod forced;
pub mod operator;
mod others;
mod provision;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

pub(crate) use self::alertmanager::{alert, post};
pub use self::alertmanager::{alertmanager, relay_nodes, suspicious};
pub use self::chaos::{chaos, people, put_back, strangers, tidy};
pub use self::forced::outages;
pub use self::others::another_topology;
pub use self::provision::provisioner;
use crate::fleet::Fleet;
use crate::sim::Sim;
use crate::watcher::Kind;

#[derive(Clone, Debug)]
pub struct Stage {
    pub sim: Sim,
    pub fleet: Fleet,
    /// How many Regions have a function.
    pub regions: usize,
    /// Bad luck, people and improvising operators stop: the history is to settle.
    pub calm: Rc<Cell<bool>>,
}

impl Stage {
    /// Whether the time of trouble is over.
    pub fn calm(&self) -> bool {
        self.calm.get()
    }

    /// A name of a call for the transcript, and the call.
    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        self.sim.note(line);
    }
}

/// The minute schedule of one Region.
pub async fn schedule(stage: Stage, region: usize) {
    let offset = stage.sim.core().dice.seconds(0, 59);
    stage.sim.sleep(offset).await;
    loop {
        let (fleet, sim) = (stage.fleet.clone(), stage.sim.clone());
        sim.clone().clock.spawn(async move {
            let _ = fleet
                .invoke(region, Kind::Sweep, json!({"sitefence": "sweep"}))
                .await;
        });
        stage.sim.sleep(Duration::from_secs(60)).await;
    }
}

/// The accelerator looks at its endpoints every few seconds.
pub async fn health_checks(stage: Stage) {
    loop {
        stage.sim.sleep(Duration::from_secs(10)).await;
        stage.sim.core().reality.check_health();
    }
}

/// Whether a loss is heard of that nobody fences: looked at every few seconds.
pub async fn alarms(stage: Stage) {
    loop {
        stage.sim.sleep(Duration::from_secs(5)).await;
        let now = stage.sim.clock.now();
        let stands = stage.fleet.stands(stage.regions);
        let mut core = stage.sim.core();
        let core = &mut *core;
        core.watcher.losses(now, stands, stage.calm(), &core.reality);
    }
}
