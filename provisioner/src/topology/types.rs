//! The topology as types: one field per word of the file, defaults included.
//!
//! Serde gives shape, the newtypes of [`super::grammar`] give spelling, `garde` gives ranges; what concerns
//! several fields at once is in [`super::checks`]. The doc comments are the descriptions in the JSON Schema
//! and the hints of `provision validate`, so they speak to the author of a topology.

use std::collections::BTreeMap;
use std::fmt;

use fencing::words::{SiteName, TopologyName};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file_name::FileName;
use super::grammar::{
    Accelerator, CacheName, ContextName, DataKey, Email, Endpoint, FilePath, KeyArn, LabelKey, LabelValue,
    Namespace, ObjectName, PolicyArn, Proxy, Region, RoleArn, SecretReference, SecurityGroupId, ServerName,
    SubnetId, TableName, TagKey, TagValue, TopicArn, Username,
};
use super::interval::Interval;

/// Two sites of Keycloak and Infinispan behind one accelerator, and how they are to be fenced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Topology {
    /// Names this deployment: prefixes every AWS resource, labels every object, is the alerts' label
    /// `topology`. At most 24 lower-case letters, digits and inner hyphens, a letter first.
    #[schemars(schema_with = "super::schema::topology_name")]
    pub name: TopologyName,
    /// The AWS Regions in which a function runs; the first also holds the secrets, the others replicas of
    /// them. One is enough for two zones of one Region.
    #[garde(length(min = 1, max = 3))]
    pub regions: Vec<Region>,
    /// The Global Accelerator in front of both sites: its DNS name (either form) or its ARN.
    pub accelerator: Accelerator,
    /// How the function signs in to Infinispan.
    #[garde(dive)]
    pub infinispan: InfinispanAccess,
    /// How Alertmanager signs in to the function.
    #[serde(default)]
    #[garde(dive)]
    pub webhook: Webhook,
    /// The sites: exactly two.
    #[garde(dive)]
    pub sites: [Site; 2],
    /// Whether the function fences (`act`) or only says what it would do (`observe`).
    #[serde(default)]
    pub mode: Mode,
    /// The site that wins when both report each other: the other one's alert waits longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::optional_site_name")]
    pub preferred_survivor: Option<SiteName>,
    /// When an alert fires and how it travels.
    #[serde(default)]
    #[garde(dive)]
    pub alerting: Alerting,
    /// The function itself.
    #[serde(default)]
    #[garde(dive)]
    pub function: Function,
    /// Where decisions are recorded.
    #[serde(default)]
    #[garde(dive)]
    pub register: Register,
    /// How long an executor may work before another takes over.
    #[serde(default)]
    #[garde(dive)]
    pub claim: Claim,
    /// How the function's own health is watched.
    #[serde(default)]
    #[garde(dive)]
    pub health: Health,
    /// Who is notified.
    #[serde(default)]
    #[garde(dive)]
    pub notify: Notify,
    /// How often the whole of it is to be rehearsed.
    #[serde(default)]
    pub drill: Drills,
    /// How the clusters' monitoring finds our objects.
    #[serde(default)]
    #[garde(dive)]
    pub monitoring: Monitoring,
    /// Who writes the Secret with the webhook's address and password into the clusters.
    #[serde(default)]
    pub secret_delivery: SecretDelivery,
    /// The caches that a rejoin clears at the stale site before the survivor's state is pushed to it.
    #[serde(default = "super::defaults::default_caches")]
    #[garde(length(min = 1, max = 20))]
    pub caches: Vec<CacheName>,
    /// Tags for every AWS resource, beside our own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[garde(length(max = 40))]
    pub tags: BTreeMap<TagKey, TagValue>,
    /// What the file is called that all this was read from.
    #[serde(skip)]
    pub file: FileName,
}

/// How the function signs in to Infinispan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct InfinispanAccess {
    /// A user with ADMIN rights, the same at both sites.
    pub username: Username,
    /// The name or ARN of the secret that holds this user's password, in AWS Secrets Manager in the first
    /// of `regions`, replicated to the others. Never the password itself.
    pub password_secret: SecretReference,
}

/// How Alertmanager signs in to the function. The password is generated, never typed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct Webhook {
    /// The user name that Alertmanager sends.
    pub username: Username,
}

/// One of the two sites.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Site {
    /// The site's name: the same as Infinispan's `spec.service.sites.local.name` and as the tag `site` of its
    /// load balancer. At most 32 letters, digits, and inner hyphens, underscores and dots.
    #[schemars(schema_with = "super::schema::site_name")]
    pub name: SiteName,
    /// The AWS Region of its load balancer.
    pub region: Region,
    /// What its cluster is: `openshift` or `kubernetes` (with prometheus-operator).
    pub platform: Platform,
    /// The kubeconfig context of its cluster.
    pub context: ContextName,
    /// The namespace of its Infinispan. Our objects go there too.
    pub namespace: Namespace,
    /// Never leave this site alone, for want of capacity or a license: its own alert fences nobody. A split then
    /// fences it, at the other one's alert; where the other one has died, an alarm says so, and `promote` is for people.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_survivor: bool,
    /// Its Infinispan.
    #[serde(default)]
    #[garde(dive)]
    pub infinispan: SiteInfinispan,
    /// Its Keycloak, for rejoin.
    #[serde(default)]
    pub keycloak: SiteKeycloak,
    /// The Infinispan operator's Deployment, for the drill.
    #[serde(default)]
    pub operator: Operator,
    /// The gossip router's Deployment, for the drill.
    #[serde(default)]
    pub router: Router,
}

/// What the cluster of a site is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// OpenShift, with monitoring for user-defined projects.
    Openshift,
    /// Any Kubernetes with prometheus-operator.
    Kubernetes,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Openshift => "openshift",
            Self::Kubernetes => "kubernetes",
        })
    }
}

/// The Infinispan of a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct SiteInfinispan {
    /// The host (and port, if not 443) at which the function reaches it over HTTPS. Left out, `apply` reads it
    /// from the Route or Ingress in the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// A PEM file with the certificate authority that its certificate is verified with, relative to the
    /// topology file. Left out, public authorities are trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<FilePath>,
    /// What its certificate is made out to where that is not the host of `endpoint`, as behind a Route that passes TLS
    /// on. Left out, with a `caBundle`, also `CLUSTER.NAMESPACE.svc` is taken, which OpenShift's service CA writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<ServerName>,
    /// The name of the Infinispan custom resource.
    pub cluster: ObjectName,
    /// How soon it suspects the other site: what `-Djgroups.xsite.fd.interval` and `…timeout` in the custom
    /// resource's `spec.container.extraJvmOpts` say. `plan` reads it there; state it where the cluster cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_detection: Option<FailureDetection>,
}

/// JGroups' failure detection between the sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FailureDetection {
    /// How often heartbeats are sent and looked for.
    pub interval: Interval,
    /// After so long without one a site is suspected.
    pub timeout: Interval,
}

impl FailureDetection {
    /// The Infinispan operator's own, where the custom resource says nothing.
    pub const OF_THE_OPERATOR: Self = Self {
        interval: Interval::from_seconds(8),
        timeout: Interval::from_seconds(40),
    };
    /// What Keycloak's guide sets.
    pub const OF_THE_GUIDE: Self = Self {
        interval: Interval::from_seconds(2),
        timeout: Interval::from_seconds(15),
    };

    /// As short as is proposed to anybody: five heartbeats, a second apart.
    pub const SHORT: Self = Self {
        interval: Interval::from_seconds(1),
        timeout: Interval::from_seconds(5),
    };

    /// A heartbeat may have come right before the loss, and the next look may be an interval away.
    pub fn suspects_within_seconds(self) -> u32 {
        self.timeout.seconds().saturating_add(self.interval.seconds())
    }
}

/// The Keycloak of a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SiteKeycloak {
    /// The name of the Keycloak custom resource.
    pub name: ObjectName,
    /// Its namespace; left out, the site's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
}

/// The Deployment of the Infinispan operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Operator {
    /// The name of the Deployment.
    pub deployment: ObjectName,
    /// Its namespace; left out, `openshift-operators` on OpenShift, `operators` elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
}

/// The Deployment of Infinispan's gossip router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Router {
    /// The name of the Deployment.
    pub deployment: ObjectName,
    /// Its namespace; left out, the site's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
}

/// Whether the function may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Fence when the evidence is complete.
    #[default]
    Act,
    /// Gather the evidence, say what would be done, write nothing.
    Observe,
}

/// When an alert fires and how it travels. The defaults fence within 40 seconds in the worst case, or within 49 where the
/// function's look at a suspicion is not clear.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct Alerting {
    /// How long the other site must be out of view before the alert fires. A pod that becomes relay shows the
    /// other site as gone until its view arrives, so this is not zero.
    #[serde(rename = "for")]
    pub pending: Interval,
    /// How much longer the alert against the preferred survivor waits, when there is one.
    pub preference_delay: Interval,
    /// For how long the function looks for itself once a site is suspected, counted from the first evaluation that
    /// shows it out of view: if the primary relay node misses it all along, it is fenced then. Anything else is left to the
    /// alert that waits for `for`. `0s` switches it off.
    pub suspicion: Interval,
    /// How long Alertmanager collects alerts before it sends the first of a group.
    pub group_wait: Interval,
    /// How often Alertmanager sends a group again that changed or failed.
    pub group_interval: Interval,
    /// How often Alertmanager repeats an alert that was answered with success.
    pub repeat_interval: Interval,
    /// How often Prometheus reads the few series that the rules need.
    pub scrape_interval: Interval,
    /// How often Prometheus evaluates the rules.
    pub evaluation_interval: Interval,
    /// The label `severity` of `SiteLost`, the alert that pages people when a site is lost. The one that fences has
    /// none that anybody goes by.
    pub severity: LabelValue,
}

/// The Lambda function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct Function {
    /// The processor: `arm64` or `x86_64`.
    pub architecture: Architecture,
    /// Its memory in MiB; the processor's share grows with it.
    #[serde(rename = "memory")]
    #[garde(range(min = 128, max = 10240))]
    pub memory_mib: u32,
    /// How long one invocation may take. It writes nothing after that.
    pub timeout: Interval,
    /// How many days its logs are kept: one of the numbers that CloudWatch knows.
    #[garde(custom(known_retention))]
    pub log_retention_days: u32,
    /// Concurrent executions kept for it alone. Left out, none: small accounts cannot spare any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 2, max = 1000))]
    pub reserved_concurrency: Option<u32>,
    /// The subnets it runs in, by Region, when Infinispan is not reachable from outside.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[garde(length(max = 3))]
    pub vpc: BTreeMap<Region, Vpc>,
    /// A permissions boundary for its role, where the account demands one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<PolicyArn>,
    /// A KMS key for its environment, secrets, logs, topic and artifacts; with several Regions a
    /// multi-Region key. Its policy must let CloudWatch and CloudWatch Logs use it. Left out, AWS's own keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<KeyArn>,
}

/// The processor a function runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum Architecture {
    /// Graviton.
    #[default]
    #[serde(rename = "arm64")]
    Arm64,
    /// Intel and AMD.
    #[serde(rename = "x86_64")]
    X86_64,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        })
    }
}

/// Where in a VPC the function runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Vpc {
    /// Its subnets, with a way out to the AWS APIs.
    pub subnet_ids: Vec<SubnetId>,
    /// Its security groups.
    pub security_group_ids: Vec<SecurityGroupId>,
}

/// Where decisions are recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct Register {
    /// `table`: a table in one Region, for sites in two Regions a third one. `strong`: a global table with
    /// multi-Region strong consistency.
    pub kind: RegisterKind,
    /// The Regions of the table's replicas. Left out, the first of the topology's `regions`.
    #[garde(length(max = 3))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// For `strong` with two replicas: the third Region, which keeps the log only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness: Option<Region>,
    /// An existing table, shared by several topologies. Left out, we make one for this topology.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<TableName>,
    /// The role that the function assumes for a table in another account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<RoleArn>,
    /// How long after a rejoin no alert is decided on. None by default: each decision looks for itself at what is so, and
    /// a second split within this time is an outage that lasts until it is over.
    pub cooldown: Interval,
    /// Keep the table, with its history, when the topology is destroyed.
    pub retain: bool,
}

/// The kind of register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RegisterKind {
    /// A table in one Region.
    #[default]
    Table,
    /// A global table with multi-Region strong consistency.
    Strong,
}

impl fmt::Display for RegisterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Strong => "strong",
        })
    }
}

/// How long an executor may work before another takes over: the product of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct Claim {
    /// How often a working executor renews its claim.
    pub renew_interval: Interval,
    /// After so many missed renewals another takes over.
    #[garde(range(min = 1, max = 100))]
    pub failure_threshold: u32,
}

/// How the function's own health is watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct Health {
    /// Also have Route 53 ask each function from outside: a stack in us-east-1 with health checks and alarms.
    pub route53: bool,
    /// How often each checker asks: 10s or 30s.
    #[garde(custom(known_health_interval))]
    pub interval: Interval,
    /// How many of a hundred questions are answered from the deep check's result; the others only show that
    /// the function runs and reads its register.
    #[garde(range(min = 0, max = 100))]
    pub deep_percent: u8,
    /// The Regions from which Route 53 asks: none for all, or at least three of those it has.
    pub checker_regions: Vec<Region>,
}

/// Who is notified when the function fences, is held, or breaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct Notify {
    /// Addresses that are subscribed to a topic of ours. Each must confirm once.
    #[garde(length(max = 20))]
    pub emails: Vec<Email>,
    /// Existing topics instead: one in each Region of the function (and in us-east-1 with `health.route53`).
    #[garde(length(max = 4))]
    pub topics: Vec<TopicArn>,
    /// After how long a hold raises an alarm.
    pub hold_after: Interval,
}

/// Drills that cut the link for real.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Drills {
    /// After how long without `provision drill --split-brain` an alarm reminds of one. `0s` switches that off.
    pub remind_after: Interval,
}

/// How the clusters' monitoring finds our objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct Monitoring {
    /// Labels that the selectors of Prometheus and Alertmanager ask for, such as `release:
    /// kube-prometheus-stack`. OpenShift needs none.
    #[garde(length(max = 10))]
    pub labels: BTreeMap<LabelKey, LabelValue>,
    /// Scrape the few series we need more often than the Infinispan operator's own monitor does. Without it,
    /// the worst-case time to fence grows by the difference.
    pub pod_monitor: bool,
    /// Make a dashboard in CloudWatch for each of the function's Regions, at 3 USD a month. The alarms do without.
    pub dashboard: bool,
    /// How many Alertmanagers each cluster has that send these alerts. `plan` counts what it costs where the first of them
    /// cannot reach the function. On OpenShift it reads the number; state it where it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = 10))]
    pub alertmanagers: Option<u32>,
    /// How Alertmanager goes out to the function: `environment` by the proxy of its own environment, `none` straight, or
    /// the proxy's URL. Left out, `environment` where the cluster's AlertmanagerConfig knows it (prometheus-operator
    /// 0.78 and newer), for a receiver of our own does not inherit it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// The ConfigMap in the site's namespace with the authority of a proxy that opens TLS to look into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_ca: Option<ConfigMapKey>,
}

/// A key of a ConfigMap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapKey {
    /// The ConfigMap's name.
    pub config_map: ObjectName,
    /// The key; left out, the one that OpenShift fills where the ConfigMap asks for its trusted authorities.
    #[serde(default = "super::defaults::trusted_bundle_key")]
    pub key: DataKey,
}

/// Who writes the Secret with the webhook's address and password into the clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretDelivery {
    /// `provision apply`, which reads the password from Secrets Manager.
    #[default]
    Apply,
    /// You, or a tool such as External Secrets, from the file in `by-hand/`.
    Manual,
}

/// The retentions that CloudWatch Logs knows, in days.
pub const LOG_RETENTION_DAYS: &[u32] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

fn known_retention(days: &u32, _: &()) -> garde::Result {
    if LOG_RETENTION_DAYS.contains(days) {
        return Ok(());
    }
    let nearest = LOG_RETENTION_DAYS
        .iter()
        .min_by_key(|known| known.abs_diff(*days))
        .copied()
        .unwrap_or(30);
    Err(garde::Error::new(format!(
        "CloudWatch does not keep logs for {days} days; the nearest is {nearest}"
    )))
}

fn known_health_interval(interval: &Interval, _: &()) -> garde::Result {
    match interval.seconds() {
        10 | 30 => Ok(()),
        _ => Err(garde::Error::new(format!(
            "Route 53 asks every 10s or every 30s, not every {interval}"
        ))),
    }
}
