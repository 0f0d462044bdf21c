//! `provision`: turns one site-topology file into a deployed Sitefence, and takes it away again.

pub mod topology;
