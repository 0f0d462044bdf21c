//! Promises about the function's environment.

use std::collections::BTreeMap;

use fencing::settings::{self, ENVIRONMENT_LIMIT_BYTES, Found, Settings, Source};
use serde_json::{Value, json};

use super::{DocumentCase, of_type};
use crate::topology::{Region, Topology};

fn environment(template: &Value) -> BTreeMap<&str, &Value> {
    let functions = of_type(template, "AWS::Lambda::Function");
    let variables =
        functions.filter_map(|(_, function)| function.pointer("/Environment/Variables")?.as_object());
    variables
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
        .collect()
}

/// Values of the kind and length that looking will find, for proofs that are due before anybody looked.
pub fn assumed_found(topology: &Topology, region: &Region) -> Found {
    let account = "123456789012";
    let accelerator =
        format!("arn:aws:globalaccelerator::{account}:accelerator/01234567-89ab-cdef-0123-456789abcdef");
    let group = |listener: char, number: usize| {
        format!(
            "{accelerator}/listener/{}/endpoint-group/{number:012x}",
            listener.to_string().repeat(8)
        )
    };
    let secret = |name: &str| format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-AbCdEf");
    // Two listeners, and for sites in two Regions a group in each.
    let groups_per_listener = if topology.is_one_region() { 1 } else { 2 };
    let balancer = |site: &crate::topology::Site| {
        let arn = format!(
            "arn:aws:elasticloadbalancing:{}:{account}:loadbalancer/net/{}/0123456789abcdef",
            site.region,
            "b".repeat(32)
        );
        (site.name.clone(), vec![arn])
    };
    let url = |site: &crate::topology::Site| {
        let host = format!(
            "https://infinispan-external-{}.apps.{}.example.openshiftapps.com",
            site.namespace,
            "c".repeat(24)
        );
        (
            site.name.clone(),
            site.infinispan
                .endpoint
                .as_ref()
                .map_or(host, crate::topology::Endpoint::url),
        )
    };
    Found {
        endpoint_group_arns: ['a', 'b']
            .into_iter()
            .flat_map(|listener| (0..groups_per_listener).map(move |number| (listener, number)))
            .map(|(listener, number)| group(listener, number))
            .collect(),
        accelerator_arn: accelerator.clone(),
        balancers: topology.sites.iter().map(balancer).collect(),
        infinispan_urls: topology.sites.iter().map(url).collect(),
        infinispan_secret: secret(topology.infinispan.password_secret.as_str()),
        webhook_secret: secret(&topology.webhook_secret_name()),
        health_secret: secret(&topology.health_secret_name()),
        register_table: topology.table_name(),
        owner: topology.owner(account),
        topic_arn: topology
            .notify
            .topics
            .iter()
            .find(|topic| topic.region() == region.as_str())
            .map_or_else(
                || format!("arn:aws:sns:{region}:{account}:{}", topology.topic_name()),
                ToString::to_string,
            ),
    }
}

pub(super) fn environment_is_the_settings(case: &mut DocumentCase<'_>) {
    for (document, region) in case.fencing_stacks() {
        let expected = case
            .topology
            .settings(region, assumed_found(case.topology, region));
        let assumed: BTreeMap<&str, String> = expected
            .environment()
            .into_iter()
            .map(|(variable, value)| (variable.name, value))
            .collect();
        let written = environment(&document.value);
        // Literals are read as written; what the stack fills in is taken as assumed, if the template asks for
        // the right thing.
        let read = Settings::from_environment(|name| {
            let value = written.get(name)?;
            let variable = settings::VARIABLES
                .iter()
                .find(|variable| variable.name == name)?;
            match (variable.source, value) {
                (_, Value::String(text)) => Some(text.clone()),
                (Source::Parameter(parameter), reference) if refers_to(reference, parameter) => {
                    assumed.get(name).cloned()
                }
                (Source::Resource, reference) if reference.is_object() => assumed.get(name).cloned(),
                _ => None,
            }
        });
        match read {
            Ok(read) if read == expected => {}
            Ok(read) => case.breach(document, format!("read back as {read:?}")),
            Err(errors) => {
                let errors = errors
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("; ");
                case.breach(document, errors);
            }
        }
        for name in written
            .keys()
            .filter(|name| !settings::VARIABLES.iter().any(|variable| variable.name == **name))
        {
            case.breach(document, format!("{name} is read by nobody"));
        }
    }
}

/// Whether `reference` is the parameter, itself or joined with commas.
fn refers_to(reference: &Value, parameter: &str) -> bool {
    let direct = json!({"Ref": parameter});
    *reference == direct || *reference == json!({"Fn::Join": [",", direct]})
}

pub(super) fn environment_fits(case: &mut DocumentCase<'_>) {
    for (document, region) in case.fencing_stacks() {
        let found = assumed_found(case.topology, region);
        let assumed: BTreeMap<&str, String> = case
            .topology
            .settings(region, found)
            .environment()
            .into_iter()
            .map(|(v, value)| (v.name, value))
            .collect();
        let bytes: usize = environment(&document.value)
            .into_iter()
            .map(|(name, value)| {
                let written = value.as_str().map(str::len);
                name.len() + written.unwrap_or_else(|| assumed.get(name).map_or(0, String::len))
            })
            .sum();
        if bytes > ENVIRONMENT_LIMIT_BYTES {
            case.breach(
                document,
                format!("{bytes} bytes, {ENVIRONMENT_LIMIT_BYTES} are allowed"),
            );
        }
    }
}
