//! The fencing protocol under a model checker.
//!
//! ```text
//!    alerts, the schedule, operators ─▶ fencing::step ─▶ register, accelerator, Infinispan ─▶ laws
//!              begin, in any order      the real one      take effect, or not, or late        judge
//! ```
//!
//! The checker explores every order in which things can happen within a [`configuration`]: who begins when,
//! whose call takes effect next, which call is not answered though it took effect or takes effect later,
//! who dies, what people do in between. After every step the [`laws`] are judged, and from every world that
//! is come to the [`retry`] is made that must finish what was begun.
//!
//! The protocol is not written down here a second time: invocations run [`fencing::step`] as production does.
//! Beside it stands [`guide`], the protocol that Sitefence replaces, under the same checker: that one finds
//! what is wrong with it, and a checker that cannot find anything would prove nothing.

// All of this is a test: a set-up that is wrong has to stop it.
#![allow(clippy::expect_used)]

pub mod configuration;
pub mod desk;
pub mod grounds;
pub mod guide;
mod happenings;
pub mod invocation;
pub mod laws;
pub mod observed;
pub mod protocol;
pub mod retry;
pub mod run;
pub mod scene;
pub mod shared;
pub mod states;
pub mod story;
pub mod table;
pub mod world;
