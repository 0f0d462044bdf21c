//! Change sets that were made before their steps' turn.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::stacks::Prepared;
use crate::plan::Step;

/// By step, what is prepared for it.
#[derive(Debug, Default)]
pub(super) struct PreparedSteps<'a>(Mutex<Vec<(&'a Step, Prepared)>>);

impl<'a> PreparedSteps<'a> {
    fn all(&self) -> MutexGuard<'_, Vec<(&'a Step, Prepared)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, step: &'a Step, prepared: Prepared) {
        self.all().push((step, prepared));
    }

    pub(super) fn take(&self, step: &Step) -> Option<Prepared> {
        let mut all = self.all();
        let at = all.iter().position(|(known, _)| *known == step)?;
        Some(all.swap_remove(at).1)
    }

    /// What nobody has taken.
    pub(super) fn take_all(&self) -> Vec<(&'a Step, Prepared)> {
        std::mem::take(&mut *self.all())
    }
}
