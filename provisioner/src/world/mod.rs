//! Thin clients for everything outside the process. They carry values in and readings out, and decide nothing.
//!
//! ```text
//!   run ── a value ──▶ world ── a request ──▶ CloudFormation, S3, Global Accelerator, …
//!   run ◀─ a reading ─ world ◀─ an answer ───
//! ```
//!
//! A reading is one of the plain types of [`crate::observed`]; no SDK type leaves this module, so the
//! planner can be tested with literals. What AWS answers with "there is none" is a value (`Option`, an empty
//! list), never an error; what remains is a [`CallError`](call::CallError) that names the call and its Region.

pub mod accelerator;
pub mod account;
pub mod artifacts;
pub mod aws;
pub mod balancers;
mod bounded;
pub mod build;
pub mod call;
pub mod calls;
pub mod cloudformation;
pub mod direct;
pub mod functions;
pub mod handshake;
pub mod keys;
pub mod kubernetes;
pub mod presented;
pub mod register;
pub mod secrets;
pub mod topics;
pub mod webhook;
