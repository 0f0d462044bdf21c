//! `provision`: turns one site-topology file into a deployed Sitefence, and takes it away again.

pub mod check;
pub mod cli;
pub mod folder;
pub mod render;
pub mod topology;
pub mod yaml;
