//! Another topology that somebody deploys on the same accelerator, with the same sites: its monitoring reports as ours
//! does, and its function decides by a register of its own.

use std::time::Duration;

use serde_json::json;

use super::{Stage, alertmanager, schedule};
use crate::reality::Whose;
use crate::watcher::Kind;

/// `stage` is the other topology's.
///
/// Its function is made before its alerts are, and its schedule looks at the accelerator before the first of them: a
/// tag that was never read and cannot be read stops nobody.
pub async fn another_topology(stage: Stage) {
    stage.sim.pause(0, 120).await;
    while stage.sim.core().reality.checkup(Whose::Others).is_none() {
        let sweep = json!({"sitefence": "sweep"});
        let _ = stage.fleet.invoke(0, Kind::Sweep, sweep).await;
        stage.sim.sleep(Duration::from_secs(5)).await;
    }
    stage.sim.clock.spawn(schedule(stage.clone(), 0));
    for index in 0..2 {
        stage.sim.clock.spawn(alertmanager(stage.clone(), index, 0));
    }
}
