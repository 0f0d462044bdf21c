//! The whole of `provision` against a local AWS: build, plan, apply, destroy, as a user runs them.
//!
//! Each test has an account of its own, so that what one leaves behind cannot help or hurt another.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod apply;
mod causes;
mod clusters;
mod credentials;
mod destroy;
mod interruption;
mod keys;
mod lock;
mod moves;
mod outages;
mod ownership;
mod places;
mod refusals;
mod regions;
mod register;
mod speed;
mod stacks;
mod world;
