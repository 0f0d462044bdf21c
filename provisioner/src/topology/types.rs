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

use super::grammar::{
    Accelerator, CacheName, ContextName, DataKey, Email, Endpoint, FilePath, KeyArn, LabelKey, LabelValue,
    Namespace, ObjectName, PolicyArn, Proxy, Region, RoleArn, SecretReference, SecurityGroupId, ServerName,
    SubnetId, TableName, TagKey, TagValue, TopicArn, Username,
};
use super::interval::Interval;

/// Two sites of Keycloak and Infinispan behind one accelerator, and how to fence them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Topology {
    /// The deployment's name. It prefixes every AWS resource, labels every object, and is the alerts' label
    /// `topology`. At most 24 lower-case letters, digits and inner hyphens, starting with a letter.
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
    /// Whether the function fences, or only says what it would do.
    #[serde(default)]
    pub mode: Mode,
    /// The site that wins if both sites report each other: the alert against it waits longer.
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
    /// How often to rehearse a split for real.
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
    /// Tags for every AWS resource, in addition to our own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[garde(length(max = 40))]
    pub tags: BTreeMap<TagKey, TagValue>,
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
    /// What kind of cluster it has: `openshift` or `kubernetes`.
    pub platform: Platform,
    /// The kubeconfig context of its cluster.
    pub context: ContextName,
    /// The namespace of its Infinispan. Our objects go there, too.
    pub namespace: Namespace,
    /// Never leave this site to serve alone, for example because it lacks capacity or a licence. Its own alert fences
    /// nobody; in a split, the other site's alert fences it. If the other site has died, an alarm says so, and only
    /// `promote` makes this one serve.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_survivor: bool,
    /// Its Infinispan.
    #[serde(default)]
    #[garde(dive)]
    pub infinispan: SiteInfinispan,
    /// Its Keycloak, which `rejoin` stops and starts.
    #[serde(default)]
    pub keycloak: SiteKeycloak,
    /// The Infinispan operator's Deployment, which `drill --split-brain` scales.
    #[serde(default)]
    pub operator: Operator,
    /// The gossip router's Deployment, which `drill --split-brain` scales.
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
    /// The host (and port, if not 443) at which the function reaches it over HTTPS. By default, `apply` reads it from
    /// the Route, Service or Ingress in the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// A PEM file with the certificate authority that signed its certificate, relative to the topology file. By
    /// default, public authorities are trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<FilePath>,
    /// The name in its certificate, if that is not the host of `endpoint`, for example behind a passthrough Route. By
    /// default, with a `caBundle`, the name that OpenShift's service CA writes, `CLUSTER.NAMESPACE.svc`, is accepted
    /// as well as the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<ServerName>,
    /// The name of the Infinispan custom resource.
    pub cluster: ObjectName,
    /// How soon it suspects the other site: the values of `-Djgroups.xsite.fd.interval` and `…timeout` in the custom
    /// resource's `spec.container.extraJvmOpts`. `plan` reads them from the cluster; give them here if the cluster
    /// cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_detection: Option<FailureDetection>,
    /// How many relay nodes it has: `spec.service.sites.local.maxRelayNodes` of the custom resource, but at most
    /// `spec.replicas`. `plan` reads both from the cluster; give the number here if the cluster cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay_nodes: Option<u32>,
    /// Its heartbeats to the gossip routers: `spec.service.sites.local.discovery.heartbeats` of the custom resource, where
    /// they are in milliseconds. `plan` reads them from the cluster; give them here if the cluster cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeats: Option<Heartbeats>,
}

/// JGroups' failure detection between the sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FailureDetection {
    /// How often heartbeats are sent and checked.
    pub interval: Interval,
    /// A site is suspected after this long without a heartbeat.
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

    /// The last heartbeat that arrived may be an interval old when the link is lost.
    pub fn suspects_after_seconds(self) -> u32 {
        self.timeout.seconds().saturating_sub(self.interval.seconds())
    }
}

/// Heartbeats on the connections from relay nodes to gossip routers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Heartbeats {
    /// How often heartbeats are sent and checked.
    pub interval: Interval,
    /// A connection is given up after this long without a heartbeat.
    pub timeout: Interval,
}

impl Heartbeats {
    /// The Infinispan operator's own, which it has had since 2.3.4.
    pub const OF_THE_OPERATOR: Self = Self {
        interval: Interval::from_seconds(10),
        timeout: Interval::from_seconds(30),
    };
    /// With these the relay nodes of a site agreed after each cut.
    pub const SHORT: Self = Self {
        interval: Interval::from_seconds(2),
        timeout: Interval::from_seconds(6),
    };
    /// The same for a failure detection that is shorter than that of Keycloak's guide.
    pub const SHORTER: Self = Self {
        interval: Interval::from_seconds(1),
        timeout: Interval::from_seconds(3),
    };

    /// A heartbeat may have come right before the loss, and the next look may be an interval away.
    pub fn notices_within_seconds(self) -> u32 {
        self.timeout.seconds().saturating_add(self.interval.seconds())
    }
}

/// The Keycloak of a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SiteKeycloak {
    /// The name of the Keycloak custom resource.
    pub name: ObjectName,
    /// Its namespace; by default, the site's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
}

/// The Deployment of the Infinispan operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Operator {
    /// The name of the Deployment.
    pub deployment: ObjectName,
    /// Its namespace; by default, `openshift-operators` on OpenShift, `operators` elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
}

/// The Deployment of Infinispan's gossip router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Router {
    /// The name of the Deployment.
    pub deployment: ObjectName,
    /// Its namespace; by default, the site's.
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

/// When an alert fires and how it travels. With the failure detection of Keycloak's guide the defaults fence within 49
/// seconds in the worst case, and on a suspicion within 39. While the relay nodes of a site disagree about the other one it
/// takes up to 80 seconds more; heartbeats to the gossip routers of 2 and 6 seconds avoid that. `plan` shows each stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct Alerting {
    /// How long the other site must be out of view before `SiteOffline` fires. This must not be zero: a pod that becomes
    /// a relay node shows the other site as gone until its view arrives.
    #[serde(rename = "for")]
    pub pending: Interval,
    /// How much longer `SiteOffline` against `preferredSurvivor` waits; `SiteSuspected` against it waits this long, too.
    pub preference_delay: Interval,
    /// How long the function checks for itself once a site is suspected, counted from when the alert fires. If the
    /// primary relay node does not see the site during all that time, the site is fenced. While another relay node still sees
    /// it, the check goes on, for at most `function.timeout` less 8 seconds. In every other case `SiteOffline` decides, after
    /// `for`. `0s` switches this off. If this is not set, a `function.timeout` below 13s switches it off, too.
    pub suspicion: Interval,
    /// How long Alertmanager collects alerts before it sends a new group.
    pub group_wait: Interval,
    /// How long Alertmanager waits before it sends a group again after a change or a failed delivery.
    pub group_interval: Interval,
    /// How often Alertmanager repeats an alert that was answered with success.
    pub repeat_interval: Interval,
    /// How often Prometheus reads the few series that the rules need.
    pub scrape_interval: Interval,
    /// How often Prometheus evaluates the rules.
    pub evaluation_interval: Interval,
    /// The label `severity` of `SiteLost`, the alert that pages people when a site is lost. `SiteOffline` and
    /// `SiteSuspected`, the alerts that fence, always have `severity: none`.
    pub severity: LabelValue,
}

impl Alerting {
    /// What `SiteOffline` waits for, from the first evaluation that shows the loss: `for`, and the group's wait.
    pub fn seconds_until_sent(&self) -> u32 {
        self.pending.seconds().saturating_add(self.group_wait.seconds())
    }
}

/// The Lambda function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct Function {
    /// The processor that it runs on.
    pub architecture: Architecture,
    /// Its memory in MiB; its share of the processor grows with it.
    #[serde(rename = "memory")]
    #[garde(range(min = 128, max = 10240))]
    pub memory_mib: u32,
    /// How long one invocation may take. It writes nothing after that.
    pub timeout: Interval,
    /// How many days its logs are kept: one of the numbers that CloudWatch accepts.
    #[garde(custom(known_retention))]
    pub log_retention_days: u32,
    /// Concurrent executions reserved for it. By default none, because small accounts cannot spare any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 2, max = 1000))]
    pub reserved_concurrency: Option<u32>,
    /// The subnets it runs in, by Region, if Infinispan is reachable only from inside a VPC.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[garde(length(max = 3))]
    pub vpc: BTreeMap<Region, Vpc>,
    /// A permissions boundary for its role, if the account requires one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<PolicyArn>,
    /// A KMS key for its environment, secrets, logs, topic and artifacts; with several Regions a multi-Region key. Its
    /// policy must let CloudWatch and CloudWatch Logs use it. By default, AWS's own keys.
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
    /// What kind of table holds the decisions.
    pub kind: RegisterKind,
    /// The Regions of the table's replicas. By default, the first of the topology's `regions`.
    #[garde(length(max = 3))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// For `strong` with two replicas: the third Region, which keeps the log only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness: Option<Region>,
    /// An existing table, shared by several topologies. By default, `apply` makes one for this topology.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<TableName>,
    /// The role that the function assumes for a table in another account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<RoleArn>,
    /// For how long after a rejoin alerts decide nothing. None by default, because each decision checks the facts for
    /// itself; if the sites split again within this time, the outage lasts until it is over.
    pub cooldown: Interval,
    /// Keep the table, with its history, when the topology is destroyed.
    pub retain: bool,
}

/// The kind of register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RegisterKind {
    /// A table in one Region. If the sites are in two Regions, use a third one.
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

/// How long an executor may work before another one takes over: the product of the two fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct Claim {
    /// How often a working executor renews its claim.
    pub renew_interval: Interval,
    /// Another executor takes over after this many missed renewals.
    #[garde(range(min = 1, max = 100))]
    pub failure_threshold: u32,
}

/// How the function's own health is watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct Health {
    /// Also have Route 53 check each function from outside: a stack in us-east-1 with health checks and alarms.
    pub route53: bool,
    /// How often each Route 53 checker checks: 10s or 30s.
    #[garde(custom(known_health_interval))]
    pub interval: Interval,
    /// The percentage of health checks that are answered from the deep check's result; the others only show that the
    /// function runs and reads its register.
    #[garde(range(min = 0, max = 100))]
    pub deep_percent: u8,
    /// The Regions from which Route 53 checks: at least three, or an empty list for all.
    pub checker_regions: Vec<Region>,
}

/// Who is notified when the function fences, is held, or breaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct Notify {
    /// E-mail addresses to subscribe to our topic. Each has to confirm once.
    #[garde(length(max = 20))]
    pub emails: Vec<Email>,
    /// Existing topics to use instead of ours: one in each Region of the function (and in us-east-1 with
    /// `health.route53`).
    #[garde(length(max = 4))]
    pub topics: Vec<TopicArn>,
    /// After how long a hold without an intended end raises an alarm.
    pub hold_after: Interval,
}

/// Drills that cut the link for real.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Drills {
    /// How long after the last `provision drill --split-brain` an alarm reminds you of the next. `0s` switches that off.
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
    /// Make a dashboard in CloudWatch for each of the function's Regions, at 3 USD a month. The alarms do not need it.
    pub dashboard: bool,
    /// How many Alertmanagers in each cluster send these alerts. `plan` adds the delay if the first of them cannot
    /// reach the function. On OpenShift it reads the number from the cluster; give it here if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = 10))]
    pub alertmanagers: Option<u32>,
    /// How Alertmanager reaches the function: `environment` uses the proxy of its own environment, `none` connects
    /// directly, or give the proxy's URL. The default is `environment` if the cluster's AlertmanagerConfig supports it
    /// (prometheus-operator 0.78 and newer), because our receiver does not inherit the global setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// The ConfigMap in the site's namespace with the authority of a proxy that inspects TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_ca: Option<ConfigMapKey>,
}

/// A key of a ConfigMap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapKey {
    /// The ConfigMap's name.
    pub config_map: ObjectName,
    /// The key. By default, the one that OpenShift fills if the ConfigMap asks for its trusted authorities.
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
            "Route 53 checks every 10s or every 30s, not every {interval}"
        ))),
    }
}
