//! Whose the accelerator is.

use super::{Finding, Judge, fails, fine, warns};
use crate::accelerator::{Mark, Marked, OWNER_TAG, Reached, Reading};
use crate::health::{Checkup, Probe, Seen};
use crate::register::Record;
use crate::words::Rev;

impl Judge<'_> {
    /// Returns what the tag said when it was last read, and whether it says now that the accelerator is not ours.
    pub(super) fn owner(
        &mut self,
        record: Option<&Record>,
        previous: Option<&Checkup>,
    ) -> (Option<Marked>, bool) {
        let before = previous.and_then(|previous| previous.marked.clone());
        let ours = &self.settings.found.owner;
        let mark = match self.seen(&Probe::Endpoints) {
            Ok(Seen::Endpoints(reading)) if !ours.is_empty() => &reading.mark,
            // The settings name no tag, or nothing was read: the check of the endpoints says so.
            _ => return (before, false),
        };
        let (finding, not_ours) = judged(mark, ours);
        self.say("owner", 0, finding);
        if let Ok(Seen::Endpoints(reading)) = self.seen(&Probe::Endpoints)
            && let Some(record) = record
            && let Some(reached) = self.gone_back_from(record, reading)
        {
            // Both are looked at side by side, and somebody may have written in between: for once it is no fault.
            let again =
                previous.is_some_and(|previous| previous.checks.iter().any(|check| check.name == GONE_BACK));
            self.say(GONE_BACK, 0, gone_back(record, reached, again));
        }
        match mark {
            Mark::Unread(_) => (before, false),
            mark => {
                let marked = Marked {
                    mark: mark.clone(),
                    at: self.now,
                };
                (Some(marked), not_ours)
            }
        }
    }

    /// How far the register had come, where it says less now and something is in it: see the step that refuses to act
    /// upon it.
    pub(super) fn gone_back_from(&self, record: &Record, reading: &Reading) -> Option<Reached> {
        let ours = &self.settings.found.owner;
        let is_ours = !ours.is_empty() && matches!(&reading.mark, Mark::Names(owner) if owner == ours);
        reading
            .reached
            .filter(|reached| is_ours && reached.is_beyond(record) && record.rev != Rev(0))
    }
}

const GONE_BACK: &str = "register-gone-back";

/// See the step that refuses to act upon it.
fn gone_back(record: &Record, reached: Reached, again: bool) -> Finding {
    let found = format!(
        "it says epoch {}, revision {}, but had already reached epoch {}, revision {}: it was restored from a \
         backup, so nothing is decided",
        record.epoch, record.rev, reached.epoch, reached.rev
    );
    let hint = format!(
        "compare the register with reality (`provision status`), then confirm it: `provision release --resume-epoch \
         {}`",
        record.epoch
    );
    if again {
        fails(found, hint)
    } else {
        warns(found, hint)
    }
}

fn judged(mark: &Mark, ours: &str) -> (Finding, bool) {
    match mark {
        Mark::Names(owner) if owner == ours => (fine("the accelerator is this deployment's"), false),
        Mark::Names(owner) => {
            let found = format!("the accelerator belongs to `{owner}`, this is `{ours}`: no site is fenced");
            let hint = format!(
                "two deployments on one accelerator would empty it between them: destroy one of them, then apply the \
                 other; if `{owner}` is gone, take the tag `{OWNER_TAG}` away first"
            );
            (fails(found, hint), true)
        }
        Mark::Absent => {
            let found = format!("the accelerator's tag `{OWNER_TAG}` is gone");
            let hint = "nothing would keep another deployment from emptying it: does another tool strip tags? \
                        `provision apply` writes it again";
            (warns(found, hint), true)
        }
        Mark::Unread(why) => {
            let hint = "does the role's statement FindListenersAndGroups allow listing the accelerator's tags? \
                        `provision apply` corrects that";
            (
                warns(format!("the accelerator's owner cannot be read: {why}"), hint),
                false,
            )
        }
    }
}
