//! Checking one configuration, and what came of it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model as _};

use crate::configuration::{Configuration, Seen};
use crate::observed::Observed;
use crate::protocol::Protocol;
use crate::story::story;

#[derive(Debug)]
pub struct Checked {
    pub name: &'static str,
    /// How many different states there are.
    pub states: usize,
    /// How many worlds the retries of the liveness laws were made from.
    pub worlds: usize,
    /// How many steps the longest shortest path has.
    pub depth: usize,
    pub took: Duration,
    /// The laws that are broken, each with the shortest way there.
    pub broken: Vec<Breach>,
    /// What should have been seen and was not.
    pub missing: BTreeSet<Seen>,
    pub observed: Observed,
}

/// A law that is broken.
#[derive(Debug)]
pub struct Breach {
    pub law: &'static str,
    pub story: Vec<String>,
}

impl Checked {
    /// Whether everything holds and everything expected was seen.
    pub fn holds(&self) -> bool {
        self.broken.is_empty() && self.missing.is_empty()
    }
}

/// Explores a configuration to its end, or to its first broken laws.
pub fn check(configuration: Configuration, threads: usize) -> Checked {
    let began = Instant::now();
    let name = configuration.name;
    let expects: BTreeSet<Seen> = configuration.expects.iter().copied().collect();
    let checker = Protocol::new(configuration)
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let model = checker.model();
    let mut broken: Vec<Breach> = checker
        .discoveries()
        .into_iter()
        .map(|(law, path)| Breach {
            law,
            story: story(&model.grounds, path),
        })
        .collect();
    broken.sort_by_key(|breach| breach.law);
    let observed = model.observed().clone();
    Checked {
        name,
        states: checker.unique_state_count(),
        worlds: model.worlds(),
        depth: checker.max_depth(),
        took: began.elapsed(),
        broken,
        missing: expects.difference(&observed.seen).copied().collect(),
        observed,
    }
}
