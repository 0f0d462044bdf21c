//! The site-topology file: types, strict parsing, checks, JSON Schema.
//!
//! ```text
//!   bytes ── tree ─▶ nodes with positions ── decode ─▶ Topology ── garde, checks ─▶ Topology
//!              │                               │                          │
//!              └─ not YAML, or YAML's          └─ unknown, missing,       └─ out of range, or at
//!                 surprises (anchors, tags…)      mistyped, misspelt         odds with each other
//! ```
//!
//! All three kinds of mistakes in a file are reported in one run. A topology that came out of [`parse`] has been
//! checked in full, as far as that is possible without a network; the rest of the program relies on it.

mod bundles;
mod checks;
mod decode;
mod defaults;
mod diagnostic;
pub mod explain;
mod grammar;
mod interval;
pub mod names;
mod read;
pub mod regions;
mod schema;
mod settings;
pub(crate) mod suggest;
pub mod time_to_fence;
mod types;
mod withheld;

#[cfg(test)]
mod robustness;

pub use crate::yaml::MARK;
pub use bundles::{CaBundle, Expiry, ReadFile, Validity, endings};
pub use diagnostic::{Diagnostic, FilePosition, harmless};
pub use fencing::words::{SiteName, TopologyName};
pub use grammar::{
    Accelerator, CacheName, ContextName, DataKey, Email, Endpoint, FilePath, GrammarError, KeyArn, LabelKey,
    LabelValue, Namespace, ObjectName, PolicyArn, Proxy, Region, RoleArn, SecretReference, SecurityGroupId,
    SubnetId, TableName, TagKey, TagValue, TopicArn, Username,
};
pub use interval::Interval;
pub use read::{Loaded, load, parse};
pub use schema::{json_schema, json_schema_text};
pub use types::{
    Alerting, Architecture, Claim, Drills, FailureDetection, Function, Health, Heartbeats, InfinispanAccess,
    LOG_RETENTION_DAYS, Mode, Monitoring, Notify, Operator, Platform, Register, RegisterKind, Router,
    SecretDelivery, Site, SiteInfinispan, SiteKeycloak, Topology, Vpc, Webhook,
};
