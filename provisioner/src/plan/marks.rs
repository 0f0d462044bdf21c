//! When an accelerator is marked as ours, and when it no longer is.

use super::Step;
use crate::observed::{OwnerMark, Standing};
use crate::preflight::Findings;

/// What is left to write on accelerators and to take away from them.
pub(super) struct Marks {
    ours: Option<OwnerMark>,
    former: Vec<OwnerMark>,
}

impl Marks {
    /// Of an accelerator that the topology has moved away from the mark goes: it would keep the next owner out. Not
    /// while a function out of reach may still decide there: whether all of them are heard of, the caller says.
    pub(super) fn new(standing: &Standing, findings: &Findings, is_heard_of: bool) -> Self {
        let found = &findings.found;
        let marks = standing.marks().into_iter();
        Self {
            ours: findings.unmarked.then(|| OwnerMark {
                accelerator_arn: found.accelerator_arn.clone(),
                owner: found.owner.clone(),
            }),
            former: marks
                .filter(|mark| is_heard_of && mark.accelerator_arn != found.accelerator_arn)
                .collect(),
        }
    }

    /// The steps that come before what is done to the first function. Of two topologies that are applied at the same
    /// time, one is refused before any function of it stands. A former accelerator is known only as long as a function
    /// is left whose settings name it, so its mark goes before the function `changes`, too.
    pub(super) fn before_functions(&mut self, changes: bool) -> Vec<Step> {
        let former = if changes {
            std::mem::take(&mut self.former)
        } else {
            Vec::new()
        };
        let ours = self.ours.take().map(Step::MarkAccelerator);
        ours.into_iter()
            .chain(former.into_iter().map(Step::UnmarkAccelerator))
            .collect()
    }
}
