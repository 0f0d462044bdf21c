//! Global Accelerator. Of all that is there only one tag is written, which says whose the accelerator is: the endpoint
//! groups belong to the function and to people.

use std::collections::BTreeMap;

use aws_sdk_globalaccelerator::Client;
use aws_sdk_globalaccelerator::types::{Accelerator, AcceleratorStatus, Tag};
use fencing::accelerator::{OWNER_TAG, REACHED_TAG};

use super::call::{AwsCall, CallError};
use crate::observed::status::{AcceleratorState, EndpointState};
use crate::observed::{AcceleratorReading, GroupReading, ListenerReading};
use crate::topology::Region;
use crate::topology::names::ACCELERATOR_REGION;

/// The API's largest page. Its default of 10 is how the eleventh accelerator gets lost.
const PAGE: i32 = 100;

/// The accelerators of the account.
#[derive(Debug, Clone)]
pub struct Accelerators {
    client: Client,
}

fn call(operation: &'static str) -> AwsCall {
    AwsCall::new("GlobalAccelerator", operation, ACCELERATOR_REGION)
}

impl Accelerators {
    /// The accelerators that `client` sees.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// All accelerators, however many pages.
    pub async fn all(&self) -> Result<Vec<AcceleratorReading>, CallError> {
        let mut pages = self
            .client
            .list_accelerators()
            .max_results(PAGE)
            .into_paginator()
            .send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| call("ListAccelerators").failed(error))?;
            all.extend(
                page.accelerators
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(reading),
            );
        }
        Ok(all)
    }

    pub async fn by_arn(&self, arn: &str) -> Result<Option<AcceleratorReading>, CallError> {
        let answer = self
            .client
            .describe_accelerator()
            .accelerator_arn(arn)
            .send()
            .await
            .map_err(|error| call("DescribeAccelerator").failed(error));
        match answer {
            Ok(answer) => Ok(answer.accelerator.and_then(reading)),
            Err(error) if error.is("AcceleratorNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whose an accelerator is by its tag, if it has that.
    pub async fn owner(&self, arn: &str) -> Result<Option<String>, CallError> {
        Ok(self.tags(arn).await?.remove(OWNER_TAG))
    }

    /// Everything that is written on an accelerator.
    pub async fn tags(&self, arn: &str) -> Result<BTreeMap<String, String>, CallError> {
        let answer = self
            .client
            .list_tags_for_resource()
            .resource_arn(arn)
            .send()
            .await
            .map_err(|error| call("ListTagsForResource").failed(error))?;
        let tags = answer.tags.unwrap_or_default().into_iter();
        Ok(tags.map(|tag| (tag.key, tag.value)).collect())
    }

    /// Writes whose an accelerator is. How far a register had come goes, if that is still there: it was the register of
    /// the owner before, and a new one begins at nothing.
    pub async fn mark(&self, arn: &str, owner: &str) -> Result<(), CallError> {
        let tag = Tag::builder().key(OWNER_TAG).value(owner).build();
        self.client
            .tag_resource()
            .resource_arn(arn)
            .tags(tag.map_err(|_| call("TagResource").lacks("a tag's key"))?)
            .send()
            .await
            .map_err(|error| call("TagResource").failed(error))?;
        self.untag(arn, &[REACHED_TAG]).await
    }

    pub async fn unmark(&self, arn: &str) -> Result<(), CallError> {
        self.untag(arn, &[OWNER_TAG, REACHED_TAG]).await
    }

    async fn untag(&self, arn: &str, keys: &[&str]) -> Result<(), CallError> {
        self.client
            .untag_resource()
            .resource_arn(arn)
            .set_tag_keys(Some(keys.iter().map(|key| (*key).to_owned()).collect()))
            .send()
            .await
            .map_err(|error| call("UntagResource").failed(error))?;
        Ok(())
    }

    /// An accelerator with the state of all its endpoints; whose they are is not looked up. `None` if there is no
    /// such accelerator.
    pub async fn state(&self, arn: &str) -> Result<Option<AcceleratorState>, CallError> {
        let (described, endpoints) = tokio::join!(
            self.client.describe_accelerator().accelerator_arn(arn).send(),
            self.endpoints(arn)
        );
        let accelerator = match described.map_err(|error| call("DescribeAccelerator").failed(error)) {
            Ok(answer) => answer.accelerator,
            Err(error) if error.is("AcceleratorNotFoundException") => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(accelerator) = accelerator else {
            return Ok(None);
        };
        Ok(Some(AcceleratorState {
            enabled: accelerator.enabled.unwrap_or(true),
            deployed: accelerator.status != Some(AcceleratorStatus::InProgress),
            endpoints: endpoints?,
        }))
    }

    async fn endpoints(&self, arn: &str) -> Result<Vec<EndpointState>, CallError> {
        let mut listeners = self
            .client
            .list_listeners()
            .accelerator_arn(arn)
            .max_results(PAGE)
            .into_paginator()
            .items()
            .send();
        let mut endpoints = Vec::new();
        while let Some(listener) = listeners.next().await {
            let listener = listener.map_err(|error| call("ListListeners").failed(error))?;
            let mut groups = self
                .client
                .list_endpoint_groups()
                .set_listener_arn(listener.listener_arn)
                .max_results(PAGE)
                .into_paginator()
                .items()
                .send();
            while let Some(group) = groups.next().await {
                let group = group.map_err(|error| call("ListEndpointGroups").failed(error))?;
                let dial = group.traffic_dial_percentage;
                endpoints.extend(group.endpoint_descriptions.unwrap_or_default().into_iter().map(
                    |endpoint| {
                        EndpointState {
                            id: endpoint.endpoint_id.unwrap_or_default(),
                            health: endpoint
                                .health_state
                                .map_or_else(|| "UNKNOWN".to_owned(), |health| health.as_str().to_owned()),
                            weight: endpoint.weight,
                            dial,
                            site: None,
                        }
                    },
                ));
            }
        }
        Ok(endpoints)
    }

    /// An accelerator's listeners, each with its endpoint groups.
    pub async fn listeners(&self, accelerator_arn: &str) -> Result<Vec<ListenerReading>, CallError> {
        let mut pages = self
            .client
            .list_listeners()
            .accelerator_arn(accelerator_arn)
            .max_results(PAGE)
            .into_paginator()
            .send();
        let mut listeners = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| call("ListListeners").failed(error))?;
            for listener in page.listeners.unwrap_or_default() {
                let arn = listener
                    .listener_arn
                    .ok_or_else(|| call("ListListeners").lacks("a listener's ARN"))?;
                let ports = listener
                    .port_ranges
                    .unwrap_or_default()
                    .into_iter()
                    .map(|range| match (range.from_port, range.to_port) {
                        (Some(from), Some(to)) if from != to => format!("{from}-{to}"),
                        (from, to) => from.or(to).unwrap_or_default().to_string(),
                    })
                    .collect();
                listeners.push(ListenerReading {
                    groups: self.groups(&arn).await?,
                    arn,
                    ports,
                });
            }
        }
        Ok(listeners)
    }

    async fn groups(&self, listener_arn: &str) -> Result<Vec<GroupReading>, CallError> {
        let mut pages = self
            .client
            .list_endpoint_groups()
            .listener_arn(listener_arn)
            .max_results(PAGE)
            .into_paginator()
            .send();
        let mut groups = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| call("ListEndpointGroups").failed(error))?;
            for group in page.endpoint_groups.unwrap_or_default() {
                groups.push(GroupReading {
                    arn: group
                        .endpoint_group_arn
                        .ok_or_else(|| call("ListEndpointGroups").lacks("a group's ARN"))?,
                    region: group
                        .endpoint_group_region
                        .and_then(|region| Region::seen(&region))
                        .ok_or_else(|| call("ListEndpointGroups").lacks("a group's Region"))?,
                    endpoints: group
                        .endpoint_descriptions
                        .unwrap_or_default()
                        .into_iter()
                        .filter_map(|endpoint| endpoint.endpoint_id)
                        .collect(),
                });
            }
        }
        Ok(groups)
    }
}

fn reading(accelerator: Accelerator) -> Option<AcceleratorReading> {
    Some(AcceleratorReading {
        arn: accelerator.accelerator_arn?,
        name: accelerator.name.unwrap_or_default(),
        dns_name: accelerator.dns_name.unwrap_or_default(),
        dual_stack_dns_name: accelerator.dual_stack_dns_name.filter(|name| !name.is_empty()),
        enabled: accelerator.enabled.unwrap_or(true),
    })
}
