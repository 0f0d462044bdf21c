//! What a fence by force may do, decided from what stands at the functions alone.
//!
//! There is no lock that two operators could share. The functions' tags are the next best: who is at it signs with `at`
//! and `by`, and says how far it is with the step. Each command first writes its own half and then reads the other's:
//! who takes a forced fence over, or gives it up, signs and then looks that nothing was begun; who begins notes the step
//! and then looks that the signature is still its own. So of two commands at most one goes on.

use fencing::answer::Status;
use jiff::Timestamp;

use crate::observed::forced::{ForcedFence, ForcedStep};
use crate::topology::Region;

/// What stands at the function of one Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stands {
    pub region: Region,
    /// What is reserved for it; with 0 it does not begin.
    pub reserved: Option<u32>,
    pub left: Option<ForcedFence>,
}

/// What a command has signed with, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    pub at: Timestamp,
    pub by: String,
    pub step: ForcedStep,
}

/// Whether anything may be touched: every function is stopped, and by nobody else.
pub fn may_act(stands: &[Stands], own: &Signed) -> Result<(), String> {
    for one in stands {
        let region = &one.region;
        if one.reserved != Some(0) {
            return Err(format!("somebody has let the function in {region} run again"));
        }
        may_go_on(one, own)?;
    }
    Ok(())
}

/// Whether what stands at a function is a command's own, apart from whether it is stopped.
pub fn may_go_on(one: &Stands, own: &Signed) -> Result<(), String> {
    let region = &one.region;
    match &one.left {
        None => Err(format!(
            "somebody has removed the note at the function in {region}"
        )),
        Some(left) if left.at != own.at || left.by != own.by => Err(format!(
            "{} has taken this over at the function in {region}, at {}",
            left.by, left.at
        )),
        Some(left) if left.step != own.step => Err(format!(
            "another command has continued meanwhile, as the function in {region} shows"
        )),
        Some(_) => Ok(()),
    }
}

/// Whether functions may run again after a refusal: only where no command has begun anything, this one or an earlier.
pub fn may_release(earlier: Option<ForcedStep>) -> bool {
    matches!(earlier, None | Some(ForcedStep::Stopped))
}

/// Which step stands after the protocol has ended: what was refused before anything was touched was not begun.
pub fn step_after(
    earlier: Option<ForcedStep>,
    begun: ForcedStep,
    status: Status,
    touched: bool,
) -> ForcedStep {
    match status {
        Status::Done => begun,
        _ if touched || !may_release(earlier) => begun,
        Status::NotNow | Status::Foreign | Status::Retry => ForcedStep::Stopped,
    }
}

/// What a function had reserved before it was stopped, right before that is done; `seen` is what stood there when the
/// command began.
pub fn reserved_before(stands: &Stands, seen: Option<&ForcedFence>) -> Result<Option<u32>, String> {
    let region = &stands.region;
    match (&stands.left, stands.reserved) {
        (now, _) if now.as_ref() != seen => Err(format!(
            "somebody else is working on it: the note at the function in {region} has just changed"
        )),
        (Some(left), _) => Ok(left.concurrency),
        (None, Some(0)) => Err(format!(
            "the function in {region} is already stopped, and its previous concurrency is not recorded: restore it \
             by hand first (`function.reservedConcurrency` in the topology says how much; if that is not set, delete \
             the reservation)"
        )),
        (None, reserved) => Ok(reserved),
    }
}

/// Of several functions' notes the one that says the most.
pub fn furthest<'l>(all: impl Iterator<Item = &'l ForcedFence>) -> Option<&'l ForcedFence> {
    all.max_by_key(|left| left.step != ForcedStep::Stopped)
}

/// Whether a hold may be taken off without being asked for: it was put on beside what was forced.
pub fn hold_came_after(since: Timestamp, left: &ForcedFence) -> bool {
    since >= left.at
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::topology::SiteName;

    const AT: &str = "2026-11-21T10:00:00Z";
    const LATER: &str = "2026-11-21T10:00:01Z";

    fn left(at: &str, by: &str, step: ForcedStep) -> ForcedFence {
        ForcedFence {
            fenced: SiteName::new("site-b").unwrap(),
            step,
            at: at.parse().unwrap(),
            by: by.to_owned(),
            concurrency: Some(7),
        }
    }

    fn stands(reserved: Option<u32>, left: Option<ForcedFence>) -> Stands {
        Stands {
            region: Region::seen("eu-west-1").unwrap(),
            reserved,
            left,
        }
    }

    #[test]
    fn nothing_is_touched_where_a_function_runs_or_somebody_else_has_signed() {
        use ForcedStep::{Begun, Stopped};
        let own = Signed {
            at: AT.parse().unwrap(),
            by: "ana".to_owned(),
            step: Begun,
        };
        let ours = || Some(left(AT, "ana", Begun));
        for (reserved, found, may) in [
            (Some(0), ours(), true),
            (None, ours(), false),
            (Some(1), ours(), false),
            (Some(0), None, false),
            (Some(0), Some(left(LATER, "ana", Begun)), false),
            (Some(0), Some(left(AT, "ben", Begun)), false),
            (Some(0), Some(left(AT, "ana", Stopped)), false),
        ] {
            let one = stands(reserved, found);
            assert_eq!(may_act(std::slice::from_ref(&one), &own).is_ok(), may, "{one:?}");
            // In every Region.
            let both = [stands(Some(0), ours()), one];
            assert_eq!(may_act(&both, &own).is_ok(), may, "{both:?}");
        }
    }

    #[test]
    fn functions_run_again_only_where_nothing_was_begun() {
        for (earlier, may) in [
            (None, true),
            (Some(ForcedStep::Stopped), true),
            (Some(ForcedStep::Begun), false),
            (Some(ForcedStep::CutAlone), false),
        ] {
            assert_eq!(may_release(earlier), may, "{earlier:?}");
        }
    }

    #[test]
    fn what_was_refused_untouched_was_not_begun() {
        use ForcedStep::{Begun, CutAlone, Stopped};
        use Status::{Done, Foreign, NotNow, Retry};
        for (earlier, status, touched, step) in [
            (None, NotNow, false, Stopped),
            (Some(Stopped), Foreign, false, Stopped),
            (None, Retry, false, Stopped),
            (None, NotNow, true, Begun),
            (None, Retry, true, Begun),
            (None, Done, false, Begun),
            (Some(Begun), NotNow, false, Begun),
            (Some(CutAlone), NotNow, false, Begun),
        ] {
            let found = step_after(earlier, Begun, status, touched);
            assert_eq!(found, step, "{earlier:?} {status:?} {touched}");
        }
    }

    #[test]
    fn what_was_reserved_before_is_what_is_noted_or_what_still_is() {
        let noted = || Some(left(AT, "ana", ForcedStep::Stopped));
        for (reserved, now, seen, before) in [
            (Some(5), None, None, Ok(Some(5))),
            (None, None, None, Ok(None)),
            // Somebody's hand, or a command whose note is gone: what it was before, nobody knows.
            (Some(0), None, None, Err(())),
            (Some(0), noted(), noted(), Ok(Some(7))),
            (Some(5), noted(), noted(), Ok(Some(7))),
            // Another command has stopped it since this one looked.
            (Some(0), noted(), None, Err(())),
            (Some(5), noted(), None, Err(())),
            (Some(5), None, noted(), Err(())),
        ] {
            let one = stands(reserved, now);
            let found = reserved_before(&one, seen.as_ref()).map_err(|_| ());
            assert_eq!(found, before, "{one:?} {seen:?}");
        }
    }

    #[test]
    fn of_two_notes_the_one_counts_that_was_begun() {
        let all = [
            left(LATER, "ben", ForcedStep::Stopped),
            left(AT, "ana", ForcedStep::CutAlone),
            left(LATER, "ben", ForcedStep::Stopped),
        ];
        assert_eq!(furthest(all.iter()), Some(&all[1]));
        assert_eq!(furthest([].iter()), None);
    }

    #[test]
    fn a_hold_from_before_is_somebody_elses() {
        let left = left(AT, "ana", ForcedStep::Begun);
        assert!(hold_came_after(LATER.parse().unwrap(), &left));
        assert!(!hold_came_after("2026-11-21T09:59:59Z".parse().unwrap(), &left));
    }
}
