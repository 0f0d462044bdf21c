//! What the tests and the demo share: a world for Sitefence to act on.
//!
//! Sitefence changes two things that nobody can be given for a test run: AWS Global Accelerator, whose
//! control plane exists once per account, and a pair of Infinispan clusters that replicate to each other.
//! [`standins`] builds both in this process, on loopback, with the traps of the real ones and with faults
//! that can be switched on. Everything else that is needed of AWS comes from `ministack`, an emulator that
//! [`standins::local_aws`] starts and [`tools`] installs; and [`standins::runtime_api`] stands in for the part of
//! Lambda that hands events to the real function binary, so that it can be killed between two calls.
//!
//! The same modules serve the demo and the tests, so that what a reader watches is what is tested.

pub mod browser;
pub mod crds;
pub mod demo;
pub mod json_style;
pub mod monitoring;
pub mod programs;
pub mod provision;
pub mod servers;
pub mod skip;
pub mod standins;
pub mod tools;
pub mod transcript;
