//! The lock: where it is, and the one pass that encloses the changes of a plan with it.
//!
//! The lock is an object in the bucket of the first of the function's Regions that answers. So a plan that makes
//! this bucket can take the lock only then, and one that removes the bucket has to give the lock back before.

use std::collections::BTreeMap;

use super::Step;
use crate::observed::Standing;
use crate::topology::names::StackKind;
use crate::topology::{Region, Topology};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockPlace {
    pub region: Region,
    pub bucket: String,
}

impl LockPlace {
    /// The first of the function's Regions that answers; if none does, the first.
    pub fn of(topology: &Topology, standing: &Standing, unreached: &BTreeMap<Region, String>) -> Self {
        let mut regions = topology.regions.iter();
        let answers = regions.find(|region| !unreached.contains_key(*region));
        let region = answers.unwrap_or_else(|| topology.first_region());
        Self {
            region: region.clone(),
            bucket: topology.bucket_name(&standing.identity.account_id, region),
        }
    }

    /// Whether there is a bucket to hold the lock. One that somebody has deleted holds none.
    pub fn stands(&self, standing: &Standing) -> bool {
        !standing.bucket_is_gone(&self.region)
            && standing
                .stack(&self.region, StackKind::Artifacts)
                .is_some_and(|stack| {
                    stack.status.ends_with("_COMPLETE") && stack.status != "ROLLBACK_COMPLETE"
                })
    }

    /// Whether a step makes the lock's bucket.
    pub fn is_made_by(&self, step: &Step) -> bool {
        matches!(step, Step::CreateStack(goal) if goal.kind == StackKind::Artifacts && goal.region == self.region)
    }

    /// Whether a step takes something away that the lock rests on. The run that holds the lock renews it, and would
    /// write into the bucket that is being emptied.
    pub fn is_removed_by(&self, step: &Step) -> bool {
        match step {
            Step::EmptyBucket { region, .. } => *region == self.region,
            Step::DeleteStack { kind, region, .. } => *kind == StackKind::Artifacts && *region == self.region,
            _ => false,
        }
    }
}

/// Encloses what changes something with the lock, as far as its bucket stands meanwhile. Where nothing changes
/// nobody has to be kept out.
pub(super) fn enclose(mut steps: Vec<Step>, place: &LockPlace) -> Vec<Step> {
    if !steps.iter().any(Step::is_change) {
        return steps;
    }
    let made = steps.iter().position(|step| place.is_made_by(step));
    let from = made.map_or(0, |index| index + 1);
    let removed = steps.iter().skip(from).position(|step| place.is_removed_by(step));
    let to = removed.map_or(steps.len(), |index| from + index);
    steps.insert(to, Step::ReleaseLock);
    steps.insert(
        from,
        Step::TakeLock {
            region: place.region.clone(),
            bucket: place.bucket.clone(),
        },
    );
    steps
}
