//! Global Accelerator: reading endpoint groups, and writing the one outcome of a decision into them.
//!
//! `UpdateEndpointGroup` replaces the whole list and is therefore safe to repeat. An omitted list means
//! "unchanged" and an empty one "nobody", so the list is always sent. Where an endpoint that stays lives in
//! another account its attachment cannot be read back, so the outcome names who is to be removed instead;
//! whether removing somebody who is gone is an error is not documented, and does not matter: what is read
//! afterwards decides.

use std::time::Duration;

use aws_sdk_globalaccelerator::Client;
use aws_sdk_globalaccelerator::error::ProvideErrorMetadata as _;
use aws_sdk_globalaccelerator::types::{
    EndpointConfiguration, EndpointDescription, EndpointGroup, EndpointIdentifier, HealthState, Tag,
};
use fencing::accelerator::{
    Endpoint, EndpointConfig, Group, GroupOutcome, Health, Mark, OWNER_TAG, REACHED_TAG, Reached, Reading,
};
use fencing::health::Listing;
use fencing::settings::Found;
use fencing::step::Fault;
use futures_util::future::{join, try_join, try_join_all};

use crate::world::aws::{Aws, describe};

/// The longest that a reading waits for the tag. It takes as long as a group's description, which comes at once.
const MARK_LIMIT: Duration = Duration::from_millis(1500);

#[derive(Debug)]
pub struct Accelerator {
    client: Client,
    arn: String,
    group_arns: Vec<String>,
}

impl Accelerator {
    /// The accelerator and the groups that the settings name.
    pub fn new(aws: &Aws, found: &Found) -> Self {
        Self {
            client: aws.accelerator(),
            arn: found.accelerator_arn.clone(),
            group_arns: found.endpoint_group_arns.clone(),
        }
    }

    /// Reads every group and the tag that says whose the accelerator is, side by side. A tag that fails or is late is
    /// unread, and spoils nothing else.
    pub async fn read(&self) -> Result<Reading, Fault> {
        let groups = try_join_all(self.group_arns.iter().map(|arn| self.describe(arn)));
        let marks = tokio::time::timeout(MARK_LIMIT, self.marks());
        let (groups, marks) = join(groups, marks).await;
        let unread = || Mark::Unread(format!("no answer within {} ms", MARK_LIMIT.as_millis()));
        let (mark, reached) = marks.unwrap_or_else(|_| (unread(), None));
        Ok(Reading {
            groups: groups?,
            mark,
            reached,
        })
    }

    /// What its two tags say.
    async fn marks(&self) -> (Mark, Option<Reached>) {
        let reply = self
            .client
            .list_tags_for_resource()
            .resource_arn(&self.arn)
            .send()
            .await;
        match reply {
            Ok(reply) => {
                let tags = reply.tags.unwrap_or_default();
                let value = |key: &str| tags.iter().find(|tag| tag.key == key).map(|tag| &tag.value);
                let mark = value(OWNER_TAG).map_or(Mark::Absent, |owner| Mark::Names(owner.clone()));
                (mark, value(REACHED_TAG).and_then(|value| Reached::read(value)))
            }
            Err(error) => (Mark::Unread(describe(&error)), None),
        }
    }

    /// Notes how far the register has come.
    pub async fn note(&self, reached: Reached) -> Result<(), Fault> {
        let tag = Tag::builder().key(REACHED_TAG).value(reached.to_string()).build();
        let noted = self
            .client
            .tag_resource()
            .resource_arn(&self.arn)
            .tags(tag.map_err(|error| fault(error.to_string()))?)
            .send()
            .await;
        noted.map(|_| ()).map_err(|error| fault(describe(&error)))
    }

    /// Finds everything from the top, as if nobody knew the groups yet.
    pub async fn list(&self) -> Result<Listing, Fault> {
        let (enabled, groups) = try_join(self.is_enabled(), self.list_groups()).await?;
        Ok(Listing { enabled, groups })
    }

    async fn is_enabled(&self) -> Result<bool, Fault> {
        let reply = self
            .client
            .describe_accelerator()
            .accelerator_arn(&self.arn)
            .send()
            .await
            .map_err(|error| fault(describe(&error)))?;
        reply
            .accelerator
            .and_then(|accelerator| accelerator.enabled)
            .ok_or_else(|| fault("its reply does not say whether it is enabled".to_owned()))
    }

    async fn list_groups(&self) -> Result<Vec<Group>, Fault> {
        let mut pages = self
            .client
            .list_listeners()
            .accelerator_arn(&self.arn)
            .into_paginator()
            .items()
            .send();
        let mut listeners = Vec::new();
        while let Some(listener) = pages.next().await {
            let listener = listener.map_err(|error| fault(describe(&error)))?;
            listeners.extend(listener.listener_arn);
        }
        let groups = listeners.iter().map(|listener| self.list_groups_of(listener));
        Ok(try_join_all(groups).await?.concat())
    }

    async fn list_groups_of(&self, listener: &str) -> Result<Vec<Group>, Fault> {
        let mut pages = self
            .client
            .list_endpoint_groups()
            .listener_arn(listener)
            .into_paginator()
            .items()
            .send();
        let mut groups = Vec::new();
        while let Some(listed) = pages.next().await {
            let listed = listed.map_err(|error| fault(describe(&error)))?;
            let arn = listed.endpoint_group_arn.clone().unwrap_or_default();
            groups.push(group(&arn, Some(listed))?);
        }
        Ok(groups)
    }

    /// Writes one group and returns what it holds then.
    pub async fn write(&self, outcome: &GroupOutcome) -> Result<Group, Fault> {
        if outcome.remove.is_empty() {
            let list = outcome.endpoints.iter().map(configuration).collect();
            let reply = self
                .client
                .update_endpoint_group()
                .endpoint_group_arn(&outcome.arn)
                .set_endpoint_configurations(Some(list))
                // Left out, the dial stays as it is.
                .set_traffic_dial_percentage(outcome.opens.then_some(100.0))
                .send()
                .await
                .map_err(|error| fault(describe(&error)))?;
            return group(&outcome.arn, reply.endpoint_group);
        }
        let identifiers: Result<Vec<_>, _> = outcome
            .remove
            .iter()
            .map(|id| EndpointIdentifier::builder().endpoint_id(id).build())
            .collect();
        let removed = self
            .client
            .remove_endpoints()
            .endpoint_group_arn(&outcome.arn)
            .set_endpoint_identifiers(Some(identifiers.map_err(|error| fault(error.to_string()))?))
            .send()
            .await;
        if let Err(error) = removed
            && error.as_service_error().and_then(|error| error.code()) != Some("EndpointNotFoundException")
        {
            return Err(fault(describe(&error)));
        }
        self.describe(&outcome.arn).await
    }

    async fn describe(&self, arn: &str) -> Result<Group, Fault> {
        let reply = self
            .client
            .describe_endpoint_group()
            .endpoint_group_arn(arn)
            .send()
            .await
            .map_err(|error| fault(describe(&error)))?;
        group(arn, reply.endpoint_group)
    }
}

fn fault(what: String) -> Fault {
    Fault {
        whom: "the accelerator".to_owned(),
        what,
    }
}

fn configuration(endpoint: &EndpointConfig) -> EndpointConfiguration {
    EndpointConfiguration::builder()
        .endpoint_id(&endpoint.id)
        .set_weight(endpoint.weight)
        .set_client_ip_preservation_enabled(endpoint.client_ip_preservation)
        .build()
}

/// A group as replied. A reply about another group, or about an endpoint without identifier, is none.
fn group(arn: &str, replied: Option<EndpointGroup>) -> Result<Group, Fault> {
    let replied = replied.ok_or_else(|| fault(format!("its reply does not describe {arn}")))?;
    if replied
        .endpoint_group_arn
        .as_deref()
        .is_some_and(|given| given != arn)
    {
        return Err(fault(format!("its reply describes another group than {arn}")));
    }
    let closed = replied.traffic_dial_percentage == Some(0.0);
    let endpoints: Option<Vec<Endpoint>> = replied
        .endpoint_descriptions
        .unwrap_or_default()
        .into_iter()
        .map(endpoint)
        .collect();
    Ok(Group {
        arn: arn.to_owned(),
        endpoints: endpoints
            .ok_or_else(|| fault(format!("its reply names no identifier for an endpoint of {arn}")))?,
        closed,
    })
}

fn endpoint(described: EndpointDescription) -> Option<Endpoint> {
    Some(Endpoint {
        health: match described.health_state {
            Some(HealthState::Healthy) => Health::Healthy,
            Some(HealthState::Unhealthy) => Health::Unhealthy,
            // `INITIAL`, or a state that is not known yet: it proves neither.
            _ => Health::Initial,
        },
        config: EndpointConfig {
            id: described.endpoint_id?,
            weight: described.weight,
            client_ip_preservation: described.client_ip_preservation_enabled,
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn described(id: Option<&str>, state: Option<HealthState>) -> EndpointDescription {
        EndpointDescription::builder()
            .set_endpoint_id(id.map(str::to_owned))
            .set_health_state(state)
            .weight(128)
            .client_ip_preservation_enabled(true)
            .build()
    }

    fn replied(endpoints: Vec<EndpointDescription>) -> EndpointGroup {
        EndpointGroup::builder()
            .endpoint_group_arn("arn:g")
            .set_endpoint_descriptions(Some(endpoints))
            .build()
    }

    #[test]
    fn health_is_distinguished_and_configuration_kept() {
        let read = group(
            "arn:g",
            Some(replied(vec![
                described(Some("a"), Some(HealthState::Healthy)),
                described(Some("b"), Some(HealthState::Unhealthy)),
                described(Some("c"), Some(HealthState::Initial)),
                described(Some("d"), Some(HealthState::from("DRAINING"))),
                described(Some("e"), None),
            ])),
        )
        .unwrap();
        let healths: Vec<Health> = read.endpoints.iter().map(|endpoint| endpoint.health).collect();
        assert_eq!(
            healths,
            [
                Health::Healthy,
                Health::Unhealthy,
                Health::Initial,
                Health::Initial,
                Health::Initial
            ]
        );
        let config = &read.endpoints[0].config;
        assert_eq!(
            (config.weight, config.client_ip_preservation),
            (Some(128), Some(true))
        );
        let back = configuration(config);
        assert_eq!(
            (
                back.endpoint_id(),
                back.weight(),
                back.client_ip_preservation_enabled()
            ),
            (Some("a"), Some(128), Some(true))
        );
    }

    #[test]
    fn a_reply_that_is_not_about_the_group_is_a_fault() {
        assert!(group("arn:g", None).is_err());
        assert!(group("arn:other", Some(replied(vec![]))).is_err());
        assert!(group("arn:g", Some(replied(vec![described(None, None)]))).is_err());
        assert!(
            group("arn:g", Some(replied(vec![])))
                .unwrap()
                .endpoints
                .is_empty()
        );
    }
}
