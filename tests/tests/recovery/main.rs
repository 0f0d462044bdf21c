//! The way back, as an operator goes it: `status`, `rejoin`, `fence`, `promote`, `hold` by the real `provision`, with the
//! real function in a local AWS, an accelerator, two Infinispan clusters and two Kubernetes clusters.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod drilled;
mod forced;
mod scene;
mod story;
