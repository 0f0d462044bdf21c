//! A fence without the register, and how the register comes to say the same: which task is next.
//!
//! Where nobody can read the register, `provision fence --force` has stopped every function and carries the protocol's own
//! task out with a record in memory. What the register holds meanwhile is unknown, and it may be a decision the other
//! way, half carried out. So before any function runs again, `provision reconcile` runs task after task on the register
//! until it says what was forced. Both are decided here, and so that the simulation plays what `provision` does.

use crate::register::{Record, State};
use crate::replication::Backup;
use crate::step::Task;
use crate::words::{SiteName, Token};

/// Whether `fenced` may be the survivor of a decision that cannot be read: `own` is its replication to the other site.
/// With both cut nobody could be brought back without loss.
pub fn may_survive(own: Option<Backup>) -> bool {
    matches!(own, Some(Backup::Offline | Backup::Mixed))
}

/// Whether a decision is in force that keeps `fenced`: finishing or repairing that one would undo a fence of it.
pub fn is_kept(record: &Record, fenced: &SiteName) -> bool {
    let decision = record.decision.as_ref();
    decision.is_some_and(|decision| decision.fenced.0 != *fenced)
}

/// What has to happen so that the register says what was forced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteDown {
    /// Nothing: the site is being brought back already.
    BroughtBack,
    /// This task, after as long as whatever a broken rejoin had under way may take.
    Later(Task),
    /// This task.
    Now(Task),
}

/// The next task on a register without a hold; `waited` is the token of a wait that an answer asked for.
pub fn write_down(
    record: &Record,
    fenced: &SiteName,
    survivor: &SiteName,
    by: &str,
    waited: Option<&Token>,
) -> WriteDown {
    let same = record.fenced() == Some(fenced);
    let under_way = matches!(record.state, State::Decided | State::Isolated);
    if same && record.state == State::Rejoining {
        return WriteDown::BroughtBack;
    }
    if same && record.carried_out_once() {
        return WriteDown::Later(Task::Sweep {
            waited: Some(record.rev),
        });
    }
    // A promotion that still waits is finished by its own task, also where it is the forced way already.
    if record.decision.is_some() && (!same || under_way && record.waiting) {
        return WriteDown::Now(Task::Promote {
            survivor: survivor.clone(),
            by: by.to_owned(),
            waited: waited.cloned(),
            survivor_is_lost: true,
        });
    }
    WriteDown::Now(Task::Fence {
        fenced: fenced.clone(),
        by: by.to_owned(),
    })
}
