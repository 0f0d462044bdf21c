//! What operators and Alertmanager are told, and what is called meanwhile, scene by scene. Each scene is a script;
//! its transcript lies in `scenarios/`, to be read and reviewed. `UPDATE_GOLDEN=1` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic)]

mod fences;
mod recoveries;
mod rejoins;
mod stage;
mod survivors;
mod suspicions;
