//! The outside world, small enough to hold in one process.
//!
//! ```text
//!   test or demo ──▶ AcceleratorStandIn   http   JSON 1.1, paging, faults, lagging reads
//!        │      ──▶ InfinispanPair        https  two clusters that replicate, relay nodes, faults
//!        │      ──▶ ClusterStandIn        https  Kubernetes API servers: apply, RBAC, schemas, faults
//!        │      ──▶ Exporter              http   the metrics port of a cluster's pods
//!        │      ──▶ Mailbox               http   what a topic's subscribers are sent
//!        │      ──▶ LocalAws              http   ministack: CloudFormation, Lambda, DynamoDB, ELBv2, …
//!        └──────▶ RuntimeApi              http   hands events to the function's real binary,
//!                                                which FunctionUrl gives an address
//! ```
//!
//! Each stand-in owns its thread and its port on 127.0.0.1 and stops when it is dropped, so tests may run
//! side by side and may block. What a stand-in answers follows the real service's documentation or source;
//! what that leaves open is said in the stand-in's own module, and anything a stand-in does not know it
//! refuses in words, and records as refused: a silent 200 would turn every later test into a lie.

pub mod accelerator;
pub mod calls;
pub mod certificates;
pub mod exporter;
pub mod faults;
pub mod function_url;
pub mod function_urls;
pub mod gate;
pub mod infinispan;
pub mod kubernetes;
pub mod local_aws;
pub mod mailbox;
pub mod proxy;
pub mod runtime_api;
mod server;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use server::StartError;

/// Takes a lock whether or not a test panicked while holding it: the world behind it is plain data, and a
/// failed assertion must not make every later one report a poisoned lock instead of its own failure.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
