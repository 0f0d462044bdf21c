//! The values of the templates' parameters: what was found, what was built, what another stack tells.

use std::collections::BTreeMap;

use fencing::settings::{self, Source};
use serde_json::Value;

use crate::observed::{StackHealth, Standing};
use crate::package::Package;
use crate::plan::{OutputReading, ParameterValue};
use crate::preflight::Findings;
use crate::render::{self, parameters};
use crate::topology::names::{StackKind, health_region};
use crate::topology::{Region, Topology};

/// The fencing stack's output with the function's URL.
pub const OUTPUT_URL: &str = "FunctionUrl";
/// The output with the topic for notifications, of the fencing and of the health stack.
pub const OUTPUT_TOPIC: &str = "TopicArn";
/// The fencing stack's output with the webhook's secret.
pub const OUTPUT_WEBHOOK_SECRET: &str = "WebhookSecretArn";
/// The fencing stack's output with the secret of the health check.
const OUTPUT_HEALTH_SECRET: &str = "HealthSecretArn";

/// The parameters of a template, and whether each has a default.
pub(in crate::plan) fn declared_parameters(template: &Value) -> Vec<(String, bool)> {
    template
        .get("Parameters")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, declared)| (name.clone(), declared.get("Default").is_some()))
        .collect()
}

/// Everything that templates may ask for.
pub(in crate::plan) fn parameter_values(
    topology: &Topology,
    standing: &Standing,
    findings: &Findings,
    package: &Package,
    region: &Region,
) -> BTreeMap<String, ParameterValue> {
    let mut values = BTreeMap::new();
    // The health stack asks each function under its host.
    for known in &topology.regions {
        values.insert(
            render::health_host_parameter(known),
            output(standing, known, OUTPUT_URL, OutputReading::Host),
        );
    }
    // Route 53 would go on asking with the secret of the day on which its check was made.
    values.insert(
        parameters::HEALTH_SECRET_VERSION.to_owned(),
        match &findings.health_secret_version {
            Some(version) => ParameterValue::Known(version.clone()),
            None => ParameterValue::SecretVersion {
                region: health_region(),
                secret: topology.health_secret_name(),
            },
        },
    );
    if !topology.regions.contains(region) {
        return values;
    }
    let mut found = findings.found.clone();
    if let Some(secret) = findings.infinispan_secrets.get(region) {
        found.infinispan_secret.clone_from(secret);
    }
    for (variable, value) in topology.settings(region, found).environment() {
        let variable: settings::Variable = variable;
        if let Source::Parameter(name) = variable.source {
            values.insert(name.to_owned(), ParameterValue::Known(value));
        }
    }
    let bucket = topology.bucket_name(&standing.identity.account_id, region);
    values.insert(
        parameters::ARTIFACT_BUCKET.to_owned(),
        ParameterValue::Known(bucket),
    );
    values.insert(
        parameters::ARTIFACT_KEY.to_owned(),
        ParameterValue::Known(package.key()),
    );
    values.insert(
        parameters::FUNCTION_VERSION.to_owned(),
        ParameterValue::Known(
            package
                .version
                .clone()
                .unwrap_or_else(|| parameters::UNVERSIONED.to_owned()),
        ),
    );
    values.insert(
        parameters::ARTIFACT_VERSION.to_owned(),
        match trusted_version(standing, region, package) {
            Some(version) => ParameterValue::Known(version),
            None => ParameterValue::Uploaded {
                region: region.clone(),
            },
        },
    );
    // Secrets are made in the first Region, which replicates them to the others.
    let first_region = topology.first_region();
    for (parameter, name) in [
        (parameters::WEBHOOK_SECRET, OUTPUT_WEBHOOK_SECRET),
        (parameters::HEALTH_SECRET, OUTPUT_HEALTH_SECRET),
    ] {
        let reading = OutputReading::ReplicaIn(region.clone());
        values.insert(
            parameter.to_owned(),
            output(standing, first_region, name, reading),
        );
    }
    values
}

/// The version of the package that needs no upload: the function was made from it, runs it by Lambda's own account,
/// and nobody has put another one over it. Anybody who can write to the bucket can write under our key, too, so that the
/// key alone says nothing about what lies there.
pub(in crate::plan) fn trusted_version(
    standing: &Standing,
    region: &Region,
    package: &Package,
) -> Option<String> {
    let reading = standing.regions.get(region)?;
    let bucket = reading.stacks.get(&StackKind::Artifacts)?;
    let told = &reading.stacks.get(&StackKind::Fencing)?.parameters;
    let version = told.get(parameters::ARTIFACT_VERSION)?;
    let holds = bucket.condition() != StackHealth::Broken
        && !reading.bucket_is_gone
        && told.get(parameters::ARTIFACT_KEY) == Some(&package.key())
        && reading.artifacts.get(&package.key()) == Some(version);
    let runs = reading
        .function
        .as_ref()
        .and_then(|function| function.code_sha256.as_ref());
    (holds && runs.is_none_or(|code| *code == package.sha256)).then(|| version.clone())
}

/// What an output of a fencing stack says, or that it will.
fn output(
    standing: &Standing,
    region: &Region,
    output: &'static str,
    reading: OutputReading,
) -> ParameterValue {
    let known = standing
        .stack(region, StackKind::Fencing)
        .filter(|stack| stack.condition() == StackHealth::Usable)
        .and_then(|stack| stack.outputs.get(output));
    match known {
        Some(value) => ParameterValue::Known(reading.read(value)),
        None => ParameterValue::Output {
            region: region.clone(),
            kind: StackKind::Fencing,
            output,
            reading,
        },
    }
}
