//! The function as a whole: against a world in memory, over real sockets, and as a process. One binary, so
//! that the AWS clients are linked once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod apart;
mod aws;
mod callers;
mod claims;
mod common;
mod deep_check;
mod driver;
mod flaws;
mod infinispan;
mod losses;
mod owner;
mod process;
mod regions;
mod rehearsals;
mod round_trips;
mod rows;
mod strangers;
mod suspicions;
mod views;
