//! What the verbs came to, as values that texts and JSON are made of.

use std::collections::BTreeMap;

use fencing::answer::Answer;
use fencing::rehearsal::Rehearsal;
use serde::Serialize;

use crate::observed::changes::StackDifference;
use crate::observed::cluster::Unreached;
use crate::plan::unreached::{Deferred, UnreachedRegion};
use crate::topology::Region;

/// What `apply` came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    pub topology: String,
    pub changed: bool,
    pub function_sha256: Option<String>,
    /// By Region, where Alertmanager posts to.
    pub webhook_urls: BTreeMap<Region, String>,
    /// The clusters that did not answer and have to be applied to another time.
    pub unreached: Vec<Unreached>,
    /// The Regions of which the same is true.
    pub unreached_regions: Vec<UnreachedRegion>,
    pub deferred: Vec<Deferred>,
}

impl Applied {
    /// Whether nothing had to be left out.
    pub fn is_whole(&self) -> bool {
        self.unreached.is_empty() && self.unreached_regions.is_empty() && self.deferred.is_empty()
    }
}

/// What `destroy` came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Destroyed {
    pub topology: String,
    /// What went, as `Region stack` or `site object`.
    pub removed: Vec<String>,
    /// What the stacks that went left behind because the topology says so, as `Region type name`.
    pub kept: Vec<String>,
    /// The clusters that did not answer and still hold what is ours.
    pub unreached: Vec<Unreached>,
    /// The Regions of which the same is true.
    pub unreached_regions: Vec<UnreachedRegion>,
    pub deferred: Vec<Deferred>,
}

/// What an operator's request came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Operated {
    pub topology: String,
    pub region: Region,
    #[serde(flatten)]
    pub answer: Answer,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rehearsed {
    pub region: Region,
    /// From here to the answer, in milliseconds.
    pub round_trip_ms: u64,
    #[serde(flatten)]
    pub rehearsal: Rehearsal,
}

/// By Region and stack: what would change in it.
pub type Preview = BTreeMap<(Region, String), StackDifference>;
