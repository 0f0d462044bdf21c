//! Who works on a topology, as the lock's object says it.

use serde::{Deserialize, Serialize};

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOwner {
    /// The caller's ARN.
    pub by: String,
    /// The machine's name.
    pub host: String,
    /// What is being done: `apply` or `destroy`.
    pub verb: String,
    /// Since when.
    pub since: String,
    /// When the owner was last heard of. Filled from the object's own time when it is read.
    #[serde(default, skip_serializing)]
    pub renewed: String,
    /// Tells this run from any other.
    pub token: String,
}
