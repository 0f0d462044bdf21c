//! After an apply: would anybody be told of a fence?
//!
//! A mail address that was subscribed hears nothing before its owner has followed the link in AWS's mail, and
//! nobody else learns that he has not. So `apply` says it, each time, until he has.

use super::Session;
use crate::plan::OUTPUT_TOPIC;
use crate::plan::unreached::UnreachedRegion;
use crate::topology::names::{StackKind, health_region};
use crate::topology::{Region, Topology};
use crate::world::call::CallError;
use crate::world::cloudformation::Stacks;
use crate::world::topics;

/// Says on stderr which topics have subscriptions that wait to be confirmed. Not being able to look is told,
/// too, and is no failure of the apply.
pub async fn warn_of_pending(session: &Session, topology: &Topology, unreached: &[UnreachedRegion]) {
    let mut places: Vec<(StackKind, Region)> = topology
        .regions
        .iter()
        .map(|region| (StackKind::Fencing, region.clone()))
        .collect();
    if topology.health.route53 {
        places.push((StackKind::Health, health_region()));
    }
    // A Region that did not answer a moment ago is told of already.
    places.retain(|(_, region)| !unreached.iter().any(|it| it.region == *region));
    for (kind, region) in places {
        match pending(session, &topology.stack_name(kind), &region).await {
            Ok(0) => {}
            Ok(count) => session.console.say(&format!(
                "warning: {count} subscription(s) of the stack {} in {region} wait to be confirmed: whoever owns the \
                 address follows the link in the mail from AWS, or hears of no fence",
                topology.stack_name(kind)
            )),
            Err(error) => session.console.say(&format!(
                "warning: whether anybody would be told of a fence is not known: {error}"
            )),
        }
    }
}

async fn pending(session: &Session, stack: &str, region: &Region) -> Result<u32, CallError> {
    let stacks = Stacks::new(session.aws.cloudformation(region), region);
    let Some(topic) = stacks
        .describe(stack)
        .await?
        .and_then(|stack| stack.outputs.get(OUTPUT_TOPIC).cloned())
    else {
        return Ok(0);
    };
    topics::pending_subscriptions(&session.aws.sns(region), region, &topic).await
}
