//! After an apply: would anybody be notified of a fence?
//!
//! People who want to see a message arrive ask for one. It is sent with the caller's rights; that an alarm gets through an
//! encrypted topic is for `provision drill --path` to show.
//!
//! A mail address that was subscribed hears nothing before its owner has followed the link in AWS's mail, and
//! nobody else learns that he has not. So `apply` says it, each time, until he has.

use futures_util::future::join_all;

use super::Session;
use super::failure::Failure;
use super::learned::StackOutputs;
use crate::plan::OUTPUT_TOPIC;
use crate::plan::unreached::UnreachedRegion;
use crate::topology::names::{StackKind, health_region};
use crate::topology::{Region, Topology};
use crate::world::call::CallError;
use crate::world::cloudformation::Stacks;
use crate::world::topics;

/// Says on stderr which topics have subscriptions that are waiting to be confirmed. Not being able to look is said,
/// too, and is no failure of the apply.
pub async fn warn_of_pending(
    session: &Session,
    topology: &Topology,
    unreached: &[UnreachedRegion],
    outputs: impl Fn(StackKind, &Region) -> Option<StackOutputs>,
) {
    let places = places(topology, unreached);
    let looks = places.into_iter().map(|(kind, region)| {
        let topic = outputs(kind, &region).and_then(|outputs| outputs.get(OUTPUT_TOPIC).cloned());
        async move {
            let found = match topic {
                Some(topic) => {
                    topics::pending_subscriptions(&session.aws.sns(&region), &region, &topic).await
                }
                None => Ok(0),
            };
            (kind, region, found)
        }
    });
    for (kind, region, found) in join_all(looks).await {
        match found {
            Ok(0) => {}
            Ok(count) => session.console.say(&format!(
                "warning: {count} subscription(s) of the stack {} in {region} wait to be confirmed: the owner of the \
                 address follows the link in the mail from AWS, or gets no mail about a fence",
                topology.stack_name(kind)
            )),
            Err(error) => session.console.say(&format!(
                "warning: whether anybody would be notified of a fence is not known: {error}"
            )),
        }
    }
}

/// The stacks with a topic, where somebody answers.
fn places(topology: &Topology, unreached: &[UnreachedRegion]) -> Vec<(StackKind, Region)> {
    let mut places: Vec<(StackKind, Region)> = topology
        .regions
        .iter()
        .map(|region| (StackKind::Fencing, region.clone()))
        .collect();
    if topology.health.route53 {
        places.push((StackKind::Health, health_region()));
    }
    // A Region that did not answer a moment ago is reported already.
    places.retain(|(_, region)| !unreached.iter().any(|it| it.region == *region));
    places
}

/// Sends a test message through each topic.
pub async fn test(
    session: &Session,
    topology: &Topology,
    unreached: &[UnreachedRegion],
) -> Result<(), Failure> {
    for (kind, region) in places(topology, unreached) {
        let Some(topic) = topic(session, &topology.stack_name(kind), &region).await? else {
            continue;
        };
        let text = format!(
            "This is a test: notifications of the topology {} reach you through {topic}. Nothing happened.",
            topology.name
        );
        topics::publish(
            &session.aws.sns(&region),
            &region,
            &topic,
            "Sitefence: a test",
            &text,
        )
        .await?;
        session
            .console
            .say(&format!("a test message was sent through {topic}"));
    }
    Ok(())
}

async fn topic(session: &Session, stack: &str, region: &Region) -> Result<Option<String>, CallError> {
    let stacks = Stacks::new(session.aws.cloudformation(region), region);
    let reading = stacks.describe(stack).await?;
    Ok(reading.and_then(|stack| stack.outputs.get(OUTPUT_TOPIC).cloned()))
}
