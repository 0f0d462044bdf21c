//! The stand-in of Global Accelerator, asked by the real SDK.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod reads;
mod writes;

use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_globalaccelerator::Client;
use aws_sdk_globalaccelerator::config::retry::RetryConfig;
use aws_sdk_globalaccelerator::config::timeout::TimeoutConfig;
use aws_sdk_globalaccelerator::config::{BehaviorVersion, Region};
use aws_sdk_globalaccelerator::error::ProvideErrorMetadata;
use aws_sdk_globalaccelerator::types::{EndpointConfiguration, EndpointIdentifier, HealthState};
use tests::standins::accelerator::{
    Accelerator, AcceleratorStandIn, Endpoint, Fault, Health, Operation, Outcome, Undocumented, World,
    balancer_arn,
};

const REGION: &str = "eu-west-1";

fn balancers() -> [String; 2] {
    ["site-a", "site-b"].map(|site| balancer_arn(REGION, site))
}

/// One Region, two sites, and enough accelerators of others to fill more than two pages.
fn started() -> AcceleratorStandIn {
    let [a, b] = balancers();
    let ours = Accelerator::in_one_region("keycloak", REGION, &[&a, &b]).tag("topology", "keycloak");
    AcceleratorStandIn::start(World::new().with_decoys(23).with(ours)).unwrap()
}

fn client_for(url: &str, region: &'static str) -> Client {
    let config = aws_sdk_globalaccelerator::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("AKIDTEST", "secret", None, None, "tests"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .operation_timeout(Duration::from_secs(10))
                .build(),
        )
        .build();
    Client::from_conf(config)
}

fn client(stand_in: &AcceleratorStandIn) -> Client {
    client_for(&stand_in.url(), "us-west-2")
}

fn group_arn(stand_in: &AcceleratorStandIn) -> String {
    stand_in
        .world()
        .accelerator("keycloak")
        .unwrap()
        .groups()
        .next()
        .unwrap()
        .arn
        .clone()
}

fn keep(arn: &str) -> EndpointConfiguration {
    EndpointConfiguration::builder()
        .endpoint_id(arn)
        .weight(128)
        .build()
}

async fn leave_only(client: &Client, group: &str, arn: &str) -> Result<(), String> {
    let call = client
        .update_endpoint_group()
        .endpoint_group_arn(group)
        .endpoint_configurations(keep(arn));
    call.send().await.map(|_| ()).map_err(|error| code(&error))
}

fn code<E: ProvideErrorMetadata>(error: &E) -> String {
    error.code().unwrap_or("no code").to_owned()
}
