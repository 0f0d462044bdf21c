//! The health stack: Route 53 asks each function from outside.

use fencing::contract;
use serde::Serialize;

use super::alarms::says;
use super::aws::{Parameter, Subscription, Tag, existing_topic, parameters, subscriptions, tags};
use super::engine::{Filled, RenderError, fill};
use crate::topology::names::HEALTH_REGION;
use crate::topology::{Region, Topology};

/// The health stack's parameter with the host of a Region's function URL.
pub fn health_host_parameter(region: &Region) -> String {
    format!("Host{}", camel(region.as_str()))
}

fn camel(text: &str) -> String {
    text.split('-')
        .map(|word| match word.split_at_checked(1) {
            Some((first, rest)) => format!("{}{rest}", first.to_ascii_uppercase()),
            None => String::new(),
        })
        .collect()
}

pub(super) fn health(topology: &Topology) -> Result<Filled, RenderError> {
    #[derive(Serialize)]
    struct HealthCheckValues {
        id: String,
        host_parameter: String,
        name: String,
    }
    #[derive(Serialize)]
    struct HealthAlarm {
        id: String,
        name: String,
        says: String,
        log: String,
        check: String,
    }
    #[derive(Serialize)]
    struct Values {
        description: String,
        parameters: Vec<Parameter>,
        checks: Vec<HealthCheckValues>,
        parent_name: String,
        health_path: &'static str,
        health_secret_name: String,
        search_string: &'static str,
        interval_seconds: u32,
        checker_regions: Vec<String>,
        topic_name: Option<String>,
        topic_arn: Option<String>,
        kms_key: Option<String>,
        subscriptions: Vec<Subscription>,
        alarms: Vec<HealthAlarm>,
        tags: Vec<Tag>,
    }
    let name = &topology.name;
    let checks: Vec<HealthCheckValues> = topology
        .regions
        .iter()
        .map(|region| HealthCheckValues {
            id: format!("Function{}", camel(region.as_str())),
            host_parameter: health_host_parameter(region),
            name: format!("{}-{region}", topology.function_name()),
        })
        .collect();
    let log_page = |region: &Region| contract::log_page(region, &topology.log_group_name());
    let mut alarms: Vec<HealthAlarm> = checks
        .iter()
        .zip(&topology.regions)
        .map(|(check, region)| HealthAlarm {
            id: format!("{}Unhealthy", check.id),
            name: format!("{}-unhealthy", check.name),
            log: log_page(region),
            says: says(
                topology,
                "Route 53 finds from outside that this function could not fence, or gets no answer.",
                "unhealthy",
            ),
            check: check.id.clone(),
        })
        .collect();
    alarms.push(HealthAlarm {
        id: "NoFunctionHealthy".to_owned(),
        name: topology.alarm_name("no-function-healthy"),
        log: log_page(topology.first_region()),
        says: says(
            topology,
            "No function could fence now: a lost site would stay in the accelerator.",
            "no-function-healthy",
        ),
        check: "AnyFunction".to_owned(),
    });
    let topic_arn = existing_topic(topology, HEALTH_REGION);
    fill(
        "health.yaml",
        &Values {
            description: format!("Sitefence {name}: the function's health as seen from outside"),
            parameters: topology
                .regions
                .iter()
                .map(|region| {
                    Parameter::new(
                        health_host_parameter(region),
                        "The host of the function's URL in one Region",
                        Some("^[a-z0-9.-]+$"),
                    )
                })
                .chain([Parameter::new(
                    parameters::HEALTH_SECRET_VERSION,
                    "The version of the health secret that is current: a rotation is followed by the next apply",
                    Some("^[A-Za-z0-9-]{32,64}$"),
                )])
                .collect(),
            checks,
            parent_name: topology.alarm_name("any-function"),
            health_path: contract::path::HEALTH,
            health_secret_name: topology.health_secret_name(),
            search_string: fencing::health::OK,
            interval_seconds: topology.health.interval.seconds(),
            checker_regions: topology
                .health
                .checker_regions
                .iter()
                .map(ToString::to_string)
                .collect(),
            topic_name: topic_arn.is_none().then(|| topology.alarm_name("health")),
            topic_arn,
            kms_key: topology.key_of_health(),
            subscriptions: subscriptions(topology),
            alarms,
            tags: tags(topology),
        },
    )
}
