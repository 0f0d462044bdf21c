//! The CloudFormation templates: what each is filled with.

use fencing::contract::{self, Envelope};
use fencing::register::items;
use fencing::settings::{self, Found, Source};
use serde::Serialize;

use super::alarms::{self, Alarm};
use super::dashboard;
use super::engine::{Filled, RenderError, fill};
use crate::topology::names::{self, HEALTH_REGION, TAG_TOPOLOGY};
use crate::topology::{KeyArn, Region, RegisterKind, TagKey, Topology};

/// What the schedule sends to the function.
pub fn schedule_input() -> String {
    Envelope::Sweep {}.event().to_string()
}

/// The fencing stack's parameters beside those that [`settings::VARIABLES`] names.
pub mod parameters {
    /// The bucket with the function's zip: the artifact stack's output.
    pub const ARTIFACT_BUCKET: &str = "ArtifactBucket";
    /// The zip's key in it.
    pub const ARTIFACT_KEY: &str = "ArtifactKey";
    /// The version that the zip has there.
    pub const ARTIFACT_VERSION: &str = "ArtifactVersion";
    /// The function's own version, which the package says of itself.
    pub const FUNCTION_VERSION: &str = "FunctionVersion";
    /// What stands there for a function that does not say it, as each from before versions were written into it.
    pub const UNVERSIONED: &str = "unknown";
    /// In the health stack: the version of the health secret that Route 53 asks with.
    pub const HEALTH_SECRET_VERSION: &str = "HealthSecretVersion";
    /// In all Regions but the first: the replica of the webhook's secret.
    pub const WEBHOOK_SECRET: &str = "WebhookSecretArn";
    /// In all Regions but the first: the replica of the health secret.
    pub const HEALTH_SECRET: &str = "HealthSecretArn";
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Tag {
    key: String,
    value: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Parameter {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    description: &'static str,
    pattern: Option<&'static str>,
}

impl Parameter {
    pub(super) fn new(
        name: impl Into<String>,
        description: &'static str,
        pattern: Option<&'static str>,
    ) -> Self {
        Self {
            name: name.into(),
            kind: "String",
            description,
            pattern,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Subscription {
    id: String,
    email: String,
}

#[derive(Debug, Serialize)]
struct Replica {
    region: String,
    kms_key: Option<String>,
}

/// One environment variable: exactly one of the five says where its value comes from.
#[derive(Debug, Default, Serialize)]
struct EnvironmentEntry {
    name: &'static str,
    value: Option<String>,
    parameter: Option<String>,
    list_parameter: Option<String>,
    /// A resource whose `Ref` it is.
    reference: Option<&'static str>,
    /// A secret of this stack, whose ARN it is.
    secret: Option<&'static str>,
}

pub(super) fn tags(topology: &Topology) -> Vec<Tag> {
    let ours = Tag {
        key: TAG_TOPOLOGY.to_owned(),
        value: topology.name.to_string(),
    };
    let theirs = topology.tags.iter().map(|(key, value): (&TagKey, _)| Tag {
        key: key.to_string(),
        value: value.to_string(),
    });
    std::iter::once(ours).chain(theirs).collect()
}

fn key_in(topology: &Topology, region: &Region) -> Option<KeyArn> {
    topology
        .function
        .kms_key
        .as_ref()
        .map(|key| key.in_region(region))
}

pub(super) fn artifacts(topology: &Topology, region: &Region) -> Result<Filled, RenderError> {
    #[derive(Serialize)]
    struct Values {
        description: String,
        bucket_prefix: String,
        region: String,
        kms_key: Option<String>,
        tags: Vec<Tag>,
    }
    fill(
        "artifacts.yaml",
        &Values {
            description: format!("Sitefence {}: the function's packages", topology.name),
            bucket_prefix: format!("{}-{}", names::PREFIX, topology.name),
            region: region.to_string(),
            kms_key: key_in(topology, region).map(|key| key.to_string()),
            tags: tags(topology),
        },
    )
}

pub(super) fn register(topology: &Topology) -> Result<Filled, RenderError> {
    #[derive(Serialize)]
    struct Values {
        description: String,
        table_name: String,
        key_attribute: &'static str,
        strong: bool,
        retain: bool,
        replicas: Vec<String>,
        witness: Option<String>,
        tags: Vec<Tag>,
    }
    fill(
        "register.yaml",
        &Values {
            description: format!("Sitefence {}: the register of decisions", topology.name),
            table_name: topology.table_name(),
            key_attribute: items::KEY,
            strong: topology.register.kind == RegisterKind::Strong,
            retain: topology.register.retain,
            replicas: topology
                .register_regions()
                .iter()
                .map(ToString::to_string)
                .collect(),
            witness: topology.register.witness.as_ref().map(ToString::to_string),
            tags: tags(topology),
        },
    )
}

/// An existing topic in `region`, if the topology names one there.
pub(super) fn existing_topic(topology: &Topology, region: &str) -> Option<String> {
    topology
        .notify
        .topics
        .iter()
        .find(|topic| topic.region() == region)
        .map(ToString::to_string)
}

pub(super) fn subscriptions(topology: &Topology) -> Vec<Subscription> {
    let emails = topology.notify.emails.iter().enumerate();
    emails
        .map(|(index, email)| Subscription {
            id: format!("Subscription{}", index + 1),
            email: email.to_string(),
        })
        .collect()
}

#[derive(Debug, Serialize)]
struct VpcValues {
    subnet_ids: Vec<String>,
    security_group_ids: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FencingValues {
    description: String,
    parameters: Vec<Parameter>,
    log_page: String,
    log_group_name: String,
    log_retention_days: u32,
    kms_key: Option<String>,
    owns_webhook_secret: bool,
    webhook_secret_name: String,
    webhook_secret_description: String,
    replica_regions: Vec<Replica>,
    health_secret_name: String,
    health_secret_description: String,
    health_replica_regions: Vec<Replica>,
    topic_name: Option<String>,
    topic_arn: Option<String>,
    subscriptions: Vec<Subscription>,
    role_name: String,
    role_description: String,
    permissions_boundary: Option<String>,
    register_role_arn: Option<String>,
    register_region: String,
    register_item: String,
    register_items: String,
    function_name: String,
    function_description: String,
    architecture: String,
    memory_mib: u32,
    timeout_seconds: u32,
    reserved_concurrency: Option<u32>,
    vpc: Option<VpcValues>,
    environment: Vec<EnvironmentEntry>,
    schedule_name: String,
    schedule_description: String,
    schedule_input: String,
    alarms: Vec<Alarm>,
    has_dashboard: bool,
    dashboard_name: String,
    dashboard_parts: Vec<Option<String>>,
    tags: Vec<Tag>,
}

pub(super) fn fencing(topology: &Topology, region: &Region) -> Result<Filled, RenderError> {
    let name = &topology.name;
    let is_first = topology.first_region() == region;
    let topic_arn = existing_topic(topology, region.as_str());
    let alarms = alarms::alarms(topology, is_first);
    let others = || topology.regions.iter().filter(|other| *other != region);
    let replica = |region: &Region| Replica {
        region: region.to_string(),
        kms_key: key_in(topology, region).map(|key| key.to_string()),
    };
    let mut health_replicas: Vec<Replica> = others().map(replica).collect();
    if topology.health.route53
        && region.as_str() != HEALTH_REGION
        && !health_replicas
            .iter()
            .any(|replica| replica.region == HEALTH_REGION)
    {
        // The health stack reads it there; a key of another Region could not encrypt it.
        health_replicas.push(Replica {
            region: HEALTH_REGION.to_owned(),
            kms_key: None,
        });
    }
    let values = FencingValues {
        description: format!("Sitefence {name}: the function that fences a lost site"),
        parameters: fencing_parameters(is_first),
        log_page: contract::log_page(region, &topology.log_group_name()),
        log_group_name: topology.log_group_name(),
        log_retention_days: topology.function.log_retention_days,
        kms_key: key_in(topology, region).map(|key| key.to_string()),
        owns_webhook_secret: is_first,
        webhook_secret_name: topology.webhook_secret_name(),
        webhook_secret_description: format!("Sitefence {name}: Alertmanager's password for the webhook"),
        replica_regions: others().map(replica).collect(),
        health_secret_name: topology.health_secret_name(),
        health_secret_description: format!("Sitefence {name}: the path of the health check"),
        health_replica_regions: health_replicas,
        topic_name: topic_arn.is_none().then(|| topology.topic_name()),
        environment: environment(topology, region, is_first, topic_arn.as_deref()),
        topic_arn,
        subscriptions: subscriptions(topology),
        role_name: topology.role_name(region),
        role_description: format!("Sitefence {name}: what the function in {region} may do"),
        permissions_boundary: topology
            .function
            .permissions_boundary
            .as_ref()
            .map(ToString::to_string),
        register_role_arn: topology.register.role_arn.as_ref().map(ToString::to_string),
        register_region: topology.register_region(region).to_string(),
        register_item: items::record(&topology.name),
        register_items: format!("{}*", items::others(&topology.name)),
        function_name: topology.function_name(),
        function_description: format!(
            "Sitefence {name}: takes a lost site out of the accelerator, cuts replication to it; version"
        ),
        architecture: topology.function.architecture.to_string(),
        memory_mib: topology.function.memory_mib,
        timeout_seconds: topology.function.timeout.seconds(),
        reserved_concurrency: topology.function.reserved_concurrency,
        vpc: topology.function.vpc.get(region).map(|vpc| VpcValues {
            subnet_ids: vpc.subnet_ids.iter().map(ToString::to_string).collect(),
            security_group_ids: vpc.security_group_ids.iter().map(ToString::to_string).collect(),
        }),
        schedule_name: topology.schedule_name(),
        schedule_description: format!("Sitefence {name}: finishes open decisions, runs the deep check"),
        schedule_input: schedule_input(),
        has_dashboard: topology.monitoring.dashboard,
        dashboard_name: topology.dashboard_name(region),
        dashboard_parts: dashboard::parts(topology, region, &alarms),
        alarms,
        tags: tags(topology),
    };
    fill("fencing.yaml", &values)
}

fn fencing_parameters(is_first: bool) -> Vec<Parameter> {
    const SECRET: Option<&str> =
        Some("^arn:aws:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+$");
    let mut parameters = vec![
        Parameter::new(
            parameters::ARTIFACT_BUCKET,
            "The bucket with the function's package",
            None,
        ),
        Parameter::new(
            parameters::ARTIFACT_KEY,
            "The package's key in the bucket, made from its content",
            Some("^function/[0-9a-f]{64}\\.zip$"),
        ),
        Parameter::new(
            parameters::FUNCTION_VERSION,
            "The function's version, for people and for `provision plan`",
            Some("^[0-9A-Za-z.+-]{1,40}$"),
        ),
        Parameter::new(
            parameters::ARTIFACT_VERSION,
            "The package's version in the bucket: what others put under its key is not deployed",
            Some("^\\S{1,1024}$"),
        ),
    ];
    for variable in settings::VARIABLES {
        let Source::Parameter(name) = variable.source else {
            continue;
        };
        parameters.push(match *variable {
            settings::ACCELERATOR_ARN => Parameter::new(
                name,
                "The accelerator in front of both sites",
                Some("^arn:aws:globalaccelerator::[0-9]{12}:accelerator/[0-9a-z-]+$"),
            ),
            settings::ENDPOINT_GROUP_ARNS => Parameter {
                kind: "CommaDelimitedList",
                ..Parameter::new(name, "The endpoint groups that hold a site's balancer", None)
            },
            settings::BALANCERS => Parameter::new(
                name,
                "Each site's balancers, site=arn with commas between",
                Some("^[a-z0-9-]+=arn:[^,]+(,[a-z0-9-]+=arn:[^,]+)+$"),
            ),
            settings::INFINISPAN_URLS => Parameter::new(
                name,
                "Each site's Infinispan, site=https://host with a comma between",
                Some("^[a-z0-9-]+=https://[^,]+,[a-z0-9-]+=https://[^,]+$"),
            ),
            settings::INFINISPAN_SECRET => Parameter::new(
                name,
                "The secret with Infinispan's password, in this Region",
                SECRET,
            ),
            settings::OWNER => Parameter::new(
                name,
                "The accelerator's owner, as in its tag: account/Region/table/topology",
                Some("^[0-9]{12}/[a-z0-9-]+/[A-Za-z0-9_.-]+/[a-z0-9-]+$"),
            ),
            settings::REGISTER_TABLE => {
                Parameter::new(name, "The register's table", Some("^[A-Za-z0-9_.-]{3,255}$"))
            }
            _ => Parameter::new(name, "A value that the function needs", None),
        });
    }
    if !is_first {
        parameters.push(Parameter::new(
            parameters::WEBHOOK_SECRET,
            "This Region's replica of the webhook's secret",
            SECRET,
        ));
        parameters.push(Parameter::new(
            parameters::HEALTH_SECRET,
            "This Region's replica of the health secret",
            SECRET,
        ));
    }
    parameters
}

fn environment(
    topology: &Topology,
    region: &Region,
    is_first: bool,
    topic_arn: Option<&str>,
) -> Vec<EnvironmentEntry> {
    let settings = topology.settings(region, Found::default());
    let variables = settings.environment().into_iter().map(|(variable, value)| {
        let name = variable.name;
        match variable.source {
            Source::Literal => EnvironmentEntry {
                name,
                value: Some(value),
                ..EnvironmentEntry::default()
            },
            Source::Parameter(parameter) if variable == settings::ENDPOINT_GROUP_ARNS => EnvironmentEntry {
                name,
                list_parameter: Some(parameter.to_owned()),
                ..EnvironmentEntry::default()
            },
            Source::Parameter(parameter) => EnvironmentEntry {
                name,
                parameter: Some(parameter.to_owned()),
                ..EnvironmentEntry::default()
            },
            Source::Resource if variable == settings::TOPIC_ARN => match topic_arn {
                Some(arn) => EnvironmentEntry {
                    name,
                    value: Some(arn.to_owned()),
                    ..EnvironmentEntry::default()
                },
                None => EnvironmentEntry {
                    name,
                    reference: Some("Topic"),
                    ..EnvironmentEntry::default()
                },
            },
            Source::Resource => {
                let (secret, replica) = if variable == settings::HEALTH_SECRET {
                    ("HealthSecret", parameters::HEALTH_SECRET)
                } else {
                    ("WebhookSecret", parameters::WEBHOOK_SECRET)
                };
                EnvironmentEntry {
                    name,
                    secret: is_first.then_some(secret),
                    parameter: (!is_first).then(|| replica.to_owned()),
                    ..EnvironmentEntry::default()
                }
            }
        }
    });
    variables.collect()
}
