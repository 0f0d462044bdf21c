//! A fence without the register, and how the register is made to say the same: which task is next.
//!
//! Where nobody can read the register, `provision fence --force` has stopped every function and carries the protocol's own
//! task out with a record in memory. What the register holds meanwhile is unknown, and it may be the opposite
//! decision, half carried out. So before any function runs again, `provision reconcile` runs task after task on the register
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::accelerator::Outcome;
    use crate::register::Decision;
    use crate::settings::sample::site;
    use crate::words::{Fenced, Survivor};

    #[test]
    fn a_site_whose_own_replication_is_cut_may_be_the_survivor() {
        for (own, may) in [
            (None, false),
            (Some(Backup::Online), false),
            (Some(Backup::Mixed), true),
            (Some(Backup::Offline), true),
        ] {
            assert_eq!(may_survive(own), may, "{own:?}");
        }
    }

    #[test]
    fn the_register_is_brought_to_say_what_was_forced() {
        let (fenced, survivor) = (site("site-b"), site("site-a"));
        let decided = |fenced: &str, survivor: &str, state, waiting| Record {
            state,
            waiting,
            decision: Some(Decision {
                survivor: Survivor(site(survivor)),
                fenced: Fenced(site(fenced)),
                outcome: Outcome::default(),
                by: "ana".to_owned(),
                evidence: String::new(),
                decided_at: Timestamp::UNIX_EPOCH,
                alerted_at: None,
            }),
            ..Record::empty()
        };
        let b_is = |state, waiting| decided("site-b", "site-a", state, waiting);
        let a_is = |state| decided("site-a", "site-b", state, false);
        let word = |record: &Record| match write_down(record, &fenced, &survivor, "ana", None) {
            WriteDown::BroughtBack => "brought back",
            WriteDown::Later(Task::Sweep { .. }) => "sweep later",
            WriteDown::Later(_) => "later",
            WriteDown::Now(Task::Promote { .. }) => "promote",
            WriteDown::Now(Task::Fence { .. }) => "fence",
            WriteDown::Now(_) => "another",
        };
        for (record, next) in [
            (Record::empty(), "fence"),
            (b_is(State::Decided, false), "fence"),
            (b_is(State::Complete, false), "fence"),
            (b_is(State::Rejoining, false), "brought back"),
            (b_is(State::Decided, true), "promote"),
            (a_is(State::Decided), "promote"),
            (a_is(State::Isolated), "promote"),
            (a_is(State::Complete), "promote"),
            (a_is(State::Rejoining), "promote"),
        ] {
            assert_eq!(word(&record), next, "{record:?}");
            assert_eq!(
                is_kept(&record, &fenced),
                next == "promote" && !record.waiting,
                "{record:?}"
            );
        }
    }
}
