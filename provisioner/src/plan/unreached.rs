//! Regions that do not answer: what waits for them, and what goes on meanwhile.
//!
//! A plan leaves out what is in such a Region, and what rests on something there that nobody knows yet: a
//! function on a register that may not stand, a stack on what another one's outputs would tell. Everything else
//! is planned as always. The next plan finds what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::{ParameterValue, StackGoal};
use crate::observed::{StackReading, Standing};
use crate::topology::names::{HEALTH_REGION, StackKind};
use crate::topology::{Region, SiteName, Topology};

/// A Region that did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnreachedRegion {
    pub region: Region,
    /// What was tried and what came of it.
    pub what: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum OutOfReach {
    /// In a Region of AWS.
    Region(Region),
    Site(SiteName),
}

impl fmt::Display for OutOfReach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region(region) => f.write_str(region),
            Self::Site(site) => write!(f, "the cluster of site `{site}`"),
        }
    }
}

/// Something that could be reached and has to wait all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deferred {
    pub place: OutOfReach,
    pub what: String,
    pub why: String,
}

/// Those of the Regions that matter here: where the topology has something, or had when it was applied last.
pub(super) fn that_matter(
    topology: &Topology,
    standing: &Standing,
    unreached: &BTreeMap<Region, String>,
) -> Vec<UnreachedRegion> {
    let functions = function_regions(topology, standing);
    let registers = topology.register_regions();
    let matters = |region: &Region| {
        functions.contains(region)
            || registers.contains(region)
            || (topology.health.route53 && region.as_str() == HEALTH_REGION)
    };
    unreached
        .iter()
        .filter(|(region, _)| matters(region))
        .map(|(region, what)| UnreachedRegion {
            region: region.clone(),
            what: what.clone(),
        })
        .collect()
}

/// The Regions in which a function may stand: the topology's, and those it had when it was applied last.
fn function_regions(topology: &Topology, standing: &Standing) -> BTreeSet<Region> {
    let mut regions: BTreeSet<Region> = topology.regions.iter().cloned().collect();
    let stacks = standing
        .regions
        .values()
        .flat_map(|region| region.stacks.values());
    regions.extend(stacks.flat_map(StackReading::former_regions));
    regions
}

/// A function's Region that did not answer, so that the function there may still run on what others hold.
pub(super) fn function_out_of_reach<'a>(
    topology: &Topology,
    standing: &Standing,
    unreached: &'a BTreeMap<Region, String>,
) -> Option<&'a Region> {
    let functions = function_regions(topology, standing);
    unreached.keys().find(|region| functions.contains(*region))
}

/// Why a stack that could be reached has to wait, if so. What an unreached stack would tell is taken from
/// where the stack itself has it from the last time.
pub(super) fn settle(
    topology: &Topology,
    standing: &Standing,
    unreached: &BTreeMap<Region, String>,
    goal: &mut StackGoal,
) -> Result<(), String> {
    let known = standing
        .stack(&goal.region, goal.kind)
        .map(|stack| &stack.parameters);
    for (name, value) in &mut goal.parameters {
        let ParameterValue::Output { region, .. } = value else {
            continue;
        };
        if !unreached.contains_key(region) {
            continue;
        }
        match known.and_then(|known| known.get(name)) {
            Some(told) => *value = ParameterValue::Known(told.clone()),
            None => return Err(format!("it needs what {region} will say")),
        }
    }
    // Nobody knows whether the register stands, unless a function does, which came after it.
    let register = topology.register_region(topology.first_region());
    let is_unknown = standing.register_unread.is_some() || unreached.contains_key(register);
    if goal.kind == StackKind::Fencing && is_unknown && !standing.has_function() {
        return Err(format!("the register in {register} comes first"));
    }
    Ok(())
}
