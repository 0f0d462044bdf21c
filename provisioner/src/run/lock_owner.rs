//! Who works on a topology, as the lock's object says it.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOwner {
    pub by: String,
    pub host: String,
    /// What is being done: `apply` or `destroy`.
    pub verb: String,
    pub since: String,
    /// When the owner was last heard of. Filled from the object's own time when it is read.
    #[serde(default, skip_serializing)]
    pub renewed: String,
    /// Tells this run from any other.
    pub token: String,
}
