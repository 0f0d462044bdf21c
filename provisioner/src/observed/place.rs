//! Where an endpoint leads: what the Infinispan that answers there says of itself.

use std::collections::BTreeSet;

/// What answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answerer {
    /// The site that it says it is.
    pub site: String,
    /// The caches that it has.
    pub caches: BTreeSet<String>,
    /// Whether the first of the topology's caches keeps statistics; nothing where it is not among them.
    pub keeps_statistics: Option<bool>,
}

/// What became of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// This.
    Told(Answerer),
    /// It says nothing from here, for this reason.
    Silent(String),
    /// It was not asked: the password would go where nobody has sent it yet.
    Unasked,
}
