//! Load balancers and their tag `site`.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::Client;

use super::call::{AwsCall, CallError};
use crate::observed::BalancerReading;
use crate::topology::Region;

/// The tag that tells which site a balancer belongs to.
pub const SITE_TAG: &str = "site";
/// `DescribeTags` takes no more at once.
const TAGS_AT_ONCE: usize = 20;

/// The balancers of one Region.
#[derive(Debug, Clone)]
pub struct Balancers {
    client: Client,
    region: Region,
}

impl Balancers {
    /// The balancers of `region`.
    pub fn new(client: Client, region: &Region) -> Self {
        Self {
            client,
            region: region.clone(),
        }
    }

    fn call(&self, operation: &'static str) -> AwsCall {
        AwsCall::new("ELBv2", operation, &self.region)
    }

    /// The tags of these balancers; `None` when one of them is not there.
    pub async fn tagged(&self, arns: &[String]) -> Result<Option<Vec<BalancerReading>>, CallError> {
        let mut readings = Vec::new();
        for some in arns.chunks(TAGS_AT_ONCE) {
            let answer = self
                .client
                .describe_tags()
                .set_resource_arns(Some(some.to_vec()))
                .send()
                .await
                .map_err(|error| self.call("DescribeTags").failed(error));
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) if error.is("LoadBalancerNotFound") => return Ok(None),
                Err(error) => return Err(error),
            };
            for described in answer.tag_descriptions.unwrap_or_default() {
                let Some(arn) = described.resource_arn else {
                    continue;
                };
                let site = described
                    .tags
                    .unwrap_or_default()
                    .into_iter()
                    .find(|tag| tag.key.as_deref() == Some(SITE_TAG))
                    .and_then(|tag| tag.value);
                readings.push(BalancerReading { arn, site });
            }
        }
        Ok(Some(readings))
    }

    /// The host names of all balancers of the Region, by ARN.
    pub async fn hosts(&self) -> Result<BTreeMap<String, String>, CallError> {
        let mut pages = self.client.describe_load_balancers().into_paginator().send();
        let mut hosts = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.call("DescribeLoadBalancers").failed(error))?;
            hosts.extend(
                page.load_balancers
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|balancer| {
                        Some((balancer.load_balancer_arn?, balancer.dns_name?.to_lowercase()))
                    }),
            );
        }
        Ok(hosts)
    }

    /// The ARNs of all balancers of the Region.
    pub async fn all(&self) -> Result<Vec<String>, CallError> {
        let mut pages = self.client.describe_load_balancers().into_paginator().send();
        let mut arns = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.call("DescribeLoadBalancers").failed(error))?;
            arns.extend(
                page.load_balancers
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|balancer| balancer.load_balancer_arn),
            );
        }
        Ok(arns)
    }
}
