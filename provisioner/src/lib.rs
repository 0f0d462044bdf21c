//! `provision`: turns one site-topology file into a deployed Sitefence, and takes it away again.

pub mod check;
pub mod cli;
pub mod environment;
pub mod files;
pub mod folder;
pub mod observed;
pub mod package;
pub mod plan;
pub mod preflight;
pub mod render;
pub mod report;
pub mod run;
#[cfg(test)]
mod sample;
pub mod topology;
pub mod world;
pub mod yaml;
