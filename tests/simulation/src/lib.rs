//! The crash simulation: the real handler against worlds in memory.
//!
//! ```text
//!   alertmanagers ─┐                                 ┌─ register
//!   the schedule ──┼─▶ processes ─▶ Handler ─▶ World ┼─ accelerator, lagging
//!   operators ─────┘   (they die)                    └─ two Infinispans, forgetful      one clock,
//!   people, bad luck ────────────────────────────────▶ the same, behind our backs        one seed
//! ```
//!
//! What runs is what is shipped: `function::handler::Handler` with its driver and its step function; only
//! the [`World`](function::world::World) underneath is ours. So credentials, deadlines, memories of warm
//! processes and the replayed script are all in it, and a call can fail, hang, come late, lose its reply or
//! take its process with it.
//!
//! * [`crash`]: every act in every state it may meet, every call of it going wrong in every way; afterwards one
//!   retry has to reach the goal.
//! * [`history`]: long random histories by seed, with everything at once.
//! * [`watcher`]: the invariants of `docs/protocol.md`, demanded after every step.
//!
//! A seed tells a history completely: `cargo xtask simulate --seed S --histories 1` plays it again and prints
//! what happened, line by line, when an invariant breaks.

pub mod actors;
pub mod clock;
pub mod crash;
pub mod dice;
pub mod fleet;
pub mod history;
pub mod layout;
mod lookout;
pub mod reality;
pub mod sim;
pub mod summary;
pub mod watcher;
