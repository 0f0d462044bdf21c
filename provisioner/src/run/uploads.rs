//! Which version each bucket gave the package that this walk uploaded.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::topology::Region;

/// By Region, the version. Only what the upload itself was answered is believed: whoever asks the bucket afterwards may
/// be told of what somebody else wrote under the same key.
#[derive(Debug, Default)]
pub struct Uploads(Mutex<BTreeMap<Region, String>>);

impl Uploads {
    pub fn note(&self, region: &Region, version: String) {
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        versions.insert(region.clone(), version);
    }

    /// The version of the package that was uploaded to a Region's bucket.
    pub fn version(&self, region: &Region) -> Option<String> {
        let versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        versions.get(region).cloned()
    }
}
