//! Real Infinispan servers as judge: two sites from Maven Central, the function's real binary, a link that is cut.
//!
//! `cargo xtask test` plays the quick scene. The others take minutes each, so `cargo xtask real infinispan` asks for
//! them, with both versions; with `--record` it also writes down anew what the stand-in is compared with.
//!
//! A scene waits for what the servers come to by themselves and says nothing about how soon: they are the same on a
//! machine that has time for them and on one that has not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod chain;
mod counting;
mod credentials;
mod late_writes;
mod nodes;
mod operator;
mod partitions;
mod promotions;
mod record;
mod rejoins;
mod relays;
mod splits;
mod stage;
mod suspicions;
mod whole_path;
