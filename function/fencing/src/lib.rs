//! The words and the decisions of Sitefence.
//!
//! Two Keycloak sites replicate to each other and share one AWS Global Accelerator. When they lose each
//! other, both stay in the accelerator, and logins fail at both: every write waits for a site that does not
//! answer, and is then refused. Each reports the other one offline. Somebody has to pick one, take the other
//! out of the accelerator, and cut replication at the one that stays; then that one serves again. This crate
//! is that somebody's mind: it decides, and it touches nothing.
//!
//! ```text
//!            Task, now                        Effects
//!   alert ─┐           ┌───────────────────┐  read the register, read the accelerator,
//!   sweep ─┼──────────▶│  step::Machine    │─▶ ask the survivor's Infinispan, write … ─▶ the world
//!   fence ─┘           │  (no clock, no IO)│◀─ Events: what the world answered        ◀─┘
//!                      └───────────────────┘
//!                               │ Answer: a status and one sentence
//! ```
//!
//! * [`words`]: names, each a type of its own, so that a swap does not compile: [`Reporter`](words::Reporter) is not
//!   [`Suspect`](words::Suspect).
//! * [`contract`], [`settings`]: what `provision` and the function have to agree on, word for word.
//! * [`certificate`]: when certificates end.
//! * [`credentials`]: what a secret holds, read in one way by both.
//! * [`register`]: the durable record, its states, and what may follow what.
//! * [`accelerator`], [`replication`]: readings of the two things that get changed, and how to judge them.
//! * [`health`]: whether a fence would work, and what callers are answered.
//! * [`answer`]: what an invocation answers, and what people are notified of.
//! * [`metrics`]: what is measured, and how it is written down.
//! * [`rehearsal`]: what an alert would lead to, without carrying it out.
//! * [`by_force`]: which task is next where a fence is carried out without the register, and afterwards.
//! * [`timed_call`]: how long each call took.
//! * [`step`]: the protocol. Production, the model checker and the crash simulation call the same function.
//!
//! Safety does not come from a lock: Global Accelerator takes no token, so a holder that wakes late still
//! writes. It comes from a write-once decision in the register: every executor of an epoch carries out the
//! same absolute, idempotent outcome, and an executor that finds a decision under way finishes it.

pub mod accelerator;
pub mod answer;
pub mod by_force;
pub mod certificate;
pub mod contract;
pub mod credentials;
pub mod health;
pub mod losses;
pub mod metrics;
pub mod register;
pub mod rehearsal;
pub mod replication;
pub mod settings;
pub mod step;
pub mod timed_call;
pub mod words;
