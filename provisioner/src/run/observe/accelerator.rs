//! The accelerator, its endpoints, and the balancers that carry a site's tag.

use std::collections::{BTreeMap, BTreeSet};

use fencing::words::SiteName;

use super::answers::each;
use crate::observed::{AcceleratorReading, EndpointReading, ListenerReading};
use crate::preflight::is_wanted;
use crate::topology::{Region, Topology};
use crate::world::accelerator::Accelerators;
use crate::world::aws::Aws;
use crate::world::balancers::Balancers;
use crate::world::call::CallError;

pub(super) type Accelerator = (
    Vec<AcceleratorReading>,
    Option<AcceleratorReading>,
    BTreeMap<String, String>,
    Vec<ListenerReading>,
);

pub(super) async fn look_at_accelerator(aws: &Aws, topology: &Topology) -> Result<Accelerator, CallError> {
    let accelerators = Accelerators::new(aws.global_accelerator());
    let wanted = topology.accelerator.as_str();
    let by_arn = if wanted.starts_with("arn:") {
        accelerators.by_arn(wanted).await?
    } else {
        None
    };
    let (seen, ours) = match by_arn {
        Some(ours) => (vec![ours.clone()], Some(ours)),
        None => {
            let seen = accelerators.all().await?;
            let ours = seen
                .iter()
                .find(|it| is_wanted(wanted, &it.arn, &it.dns_name, it.dual_stack_dns_name.as_deref()));
            let ours = ours.cloned();
            (seen, ours)
        }
    };
    let (tags, listeners) = match &ours {
        Some(ours) => tokio::try_join!(accelerators.tags(&ours.arn), accelerators.listeners(&ours.arn))?,
        None => (BTreeMap::new(), Vec::new()),
    };
    Ok((seen, ours, tags, listeners))
}

/// The Region in a balancer's ARN.
fn balancer_region(endpoint: &str) -> Option<Region> {
    let mut parts = endpoint.splitn(6, ':');
    let (Some("arn"), Some("elasticloadbalancing"), Some(region), Some(resource)) =
        (parts.next(), parts.nth(1), parts.next(), parts.nth(1))
    else {
        return None;
    };
    Region::seen(region).filter(|_| resource.starts_with("loadbalancer/"))
}

/// What the endpoints are, and which Regions did not tell.
pub(in crate::run) struct AcceleratorEndpoints {
    pub(in crate::run) readings: BTreeMap<String, EndpointReading>,
    pub(super) unreached: BTreeMap<Region, String>,
}

pub(in crate::run) async fn endpoints(
    aws: &Aws,
    listeners: &[ListenerReading],
) -> Result<AcceleratorEndpoints, CallError> {
    let mut readings = BTreeMap::new();
    let mut by_region: BTreeMap<Region, BTreeSet<String>> = BTreeMap::new();
    for endpoint in listeners
        .iter()
        .flat_map(|listener| &listener.groups)
        .flat_map(|group| &group.endpoints)
    {
        match balancer_region(endpoint) {
            Some(region) => {
                by_region.entry(region).or_default().insert(endpoint.clone());
            }
            None => {
                readings.insert(endpoint.clone(), EndpointReading::Other);
            }
        }
    }
    let answers = each(by_region.into_iter().map(|(region, arns)| {
        let balancers = Balancers::new(aws.load_balancing(&region), &region);
        (region, async move {
            let arns: Vec<String> = arns.into_iter().collect();
            if let Some(readings) = balancers.tagged(&arns).await? {
                return Ok(readings);
            }
            // One that is gone spoils the answer for all: ask for each.
            let mut readings = Vec::new();
            for arn in arns {
                readings.extend(balancers.tagged(&[arn]).await?.unwrap_or_default());
            }
            Ok(readings)
        })
    }))
    .await?;
    for balancer in answers.by_region.into_values().flatten() {
        readings.insert(balancer.arn.clone(), EndpointReading::Balancer(balancer));
    }
    for endpoint in listeners
        .iter()
        .flat_map(|listener| &listener.groups)
        .flat_map(|group| &group.endpoints)
    {
        let silent = balancer_region(endpoint).filter(|region| answers.unreached.contains_key(region));
        readings.entry(endpoint.clone()).or_insert_with(|| match silent {
            Some(region) => EndpointReading::Unseen { region },
            None => EndpointReading::Gone,
        });
    }
    Ok(AcceleratorEndpoints {
        readings,
        unreached: answers.unreached,
    })
}

pub(super) async fn tagged_balancers(
    aws: &Aws,
    site: &SiteName,
    region: &Region,
) -> Result<Vec<String>, CallError> {
    let balancers = Balancers::new(aws.load_balancing(region), region);
    let arns = balancers.all().await?;
    // None: one of them went while we looked.
    let readings = balancers.tagged(&arns).await?.unwrap_or_default();
    Ok(readings
        .into_iter()
        .filter(|balancer| balancer.site.as_deref() == Some(site.as_str()))
        .map(|balancer| balancer.arn)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_balancers_have_tags_to_ask_for() {
        assert_eq!(
            balancer_region(
                "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/net/a/50dc6c495c0c9188"
            ),
            Some("eu-west-1".into())
        );
        for other in [
            "eipalloc-0123456789abcdef0",
            "i-0123456789abcdef0",
            "arn:aws:ec2:eu-west-1:123456789012:instance/i-0123456789abcdef0",
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/b",
            "",
        ] {
            assert_eq!(balancer_region(other), None, "{other}");
        }
    }
}
