//! Which stacks a topology has, and in which Regions.

use super::engine::{Filled, RenderError};
use super::{aws, health};
use crate::topology::names::{self, HEALTH_REGION, StackKind};
use crate::topology::{Region, Topology};

/// The template of one stack in one Region; `None` if the topology wants no such stack there.
pub(super) fn stack(
    topology: &Topology,
    kind: StackKind,
    region: &Region,
) -> Result<Option<Filled>, RenderError> {
    let is_ours = match kind {
        StackKind::Artifacts | StackKind::Fencing => topology.regions.contains(region),
        StackKind::Register => {
            topology.owns_register() && topology.register_regions().first() == Some(region)
        }
        StackKind::Health => topology.health.route53 && region.as_str() == HEALTH_REGION,
    };
    if !is_ours {
        return Ok(None);
    }
    match kind {
        StackKind::Artifacts => aws::artifacts(topology, region),
        StackKind::Register => aws::register(topology),
        StackKind::Fencing => aws::fencing(topology, region),
        StackKind::Health => health::health(topology),
    }
    .map(Some)
}

/// The Regions in which the topology wants stacks, each once, the function's first.
pub(super) fn regions(topology: &Topology) -> Vec<Region> {
    let mut regions = topology.regions.clone();
    if topology.owns_register() {
        regions.extend(topology.register_regions().first().cloned());
    }
    if topology.health.route53 {
        regions.push(names::health_region());
    }
    let mut seen = Vec::new();
    regions.retain(|region| {
        let is_new = !seen.contains(region);
        if is_new {
            seen.push(region.clone());
        }
        is_new
    });
    regions
}
