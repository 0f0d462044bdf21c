//! The Lambda: what reaches it, what it calls, what it answers.
//!
//! ```text
//!   Function URL ─▶ event ─▶ webhook ─┐                        ┌─▶ register     (DynamoDB)
//!   schedule ─────▶ event ────────────┼─▶ handler ─▶ run ──────┼─▶ accelerator  (Global Accelerator)
//!   operator ─────▶ event ────────────┘     │  ▲      │        ├─▶ infinispan   (of the survivor)
//!                                           ▼  │      ▼        └─▶ notices      (SNS, metrics)
//!                    looks, no writes ◀ deep_check │ fencing::step     a `World`, for looks a `Lookout`
//!                                           └──┴ fencing::health
//! ```
//!
//! All decisions are made by [`fencing::step`]; this crate carries them out. What is pure here ([`event`],
//! [`webhook`], [`credentials`], [`recent`], [`remembered`], [`waiting`]) takes values and returns values.
//! Everything else sees the outside only through [`world::World`] and [`world::Lookout`], so that the same
//! handler and the same driver run against AWS and against the worlds in memory of the tests. The feature
//! `cloud`, on by default, brings the real one.

pub mod credentials;
pub mod deep_check;
pub mod event;
pub mod handler;
#[cfg(feature = "cloud")]
pub mod logging;
pub mod losses;
pub mod moment;
mod payload;
pub mod recent;
mod rehearse;
pub mod remembered;
pub mod run;
pub mod waiting;
pub mod webhook;
pub mod world;
