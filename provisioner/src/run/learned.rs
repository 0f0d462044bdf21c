//! What the calls of a walk have answered, so that nobody has to ask again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::topology::Region;
use crate::topology::names::StackKind;

/// A stack's outputs, by name.
pub(super) type StackOutputs = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub struct Learned(Mutex<LearnedAnswers>);

#[derive(Debug, Default)]
struct LearnedAnswers {
    versions: BTreeMap<Region, String>,
    outputs: BTreeMap<(Region, StackKind), StackOutputs>,
}

impl Learned {
    fn answers(&self) -> MutexGuard<'_, LearnedAnswers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only what the upload itself was answered is believed: the bucket, asked afterwards, may answer with what
    /// somebody else wrote under the same key.
    pub fn note_version(&self, region: &Region, version: String) {
        self.answers().versions.insert(region.clone(), version);
    }

    /// The version of the package that was uploaded to a Region's bucket.
    pub fn version(&self, region: &Region) -> Option<String> {
        self.answers().versions.get(region).cloned()
    }

    /// The outputs that a stack had when it had reached its goal.
    pub fn note_outputs(&self, region: &Region, kind: StackKind, outputs: StackOutputs) {
        self.answers().outputs.insert((region.clone(), kind), outputs);
    }

    /// The outputs of a stack that this walk made or changed.
    pub fn outputs(&self, region: &Region, kind: StackKind) -> Option<StackOutputs> {
        self.answers().outputs.get(&(region.clone(), kind)).cloned()
    }
}
