//! Every derived name, in one place: stacks, their resources, Kubernetes objects, paths of secrets.
//!
//! `render` writes these names, `apply` creates under them, `destroy` and drift detection find by them. IAM
//! roles and buckets share one namespace over all Regions, so their names carry the Region; the others need
//! not.

use super::{Region, Topology};

pub const PREFIX: &str = "sitefence";
/// The AWS tag (and Kubernetes label) whose value is the topology's name.
pub const TAG_TOPOLOGY: &str = "sitefence:topology";
/// The stack tag that remembers the Regions a topology was applied to, so that one that is left is found.
pub const TAG_REGIONS: &str = "sitefence:regions";
/// The Kubernetes label whose value is the topology's name.
pub const LABEL_TOPOLOGY: &str = "sitefence.io/topology";
/// The Kubernetes label that says which program an object belongs to.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of that label.
pub const MANAGED_BY: &str = "sitefence";
/// The Region of Route 53's metrics and so of the health stack.
pub const HEALTH_REGION: &str = "us-east-1";

/// The same as a Region among others.
pub fn health_region() -> Region {
    Region::literal(HEALTH_REGION)
}

/// The Region of Global Accelerator's API.
pub const ACCELERATOR_REGION: &str = "us-west-2";

/// The kinds of stacks, in the order in which `apply` makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StackKind {
    /// The bucket for the function's zip, in each function Region.
    Artifacts,
    /// The register's table, once.
    Register,
    /// The function and all around it, in each function Region.
    Fencing,
    /// Route 53 health checks, in us-east-1, if asked.
    Health,
}

impl StackKind {
    pub const ALL: [Self; 4] = [Self::Artifacts, Self::Register, Self::Fencing, Self::Health];

    /// The last part of the stack's name, and the name of its template without `.yaml`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Artifacts => "artifacts",
            Self::Register => "register",
            Self::Fencing => "fencing",
            Self::Health => "health",
        }
    }
}

/// The keys of the webhook's Secret in each cluster, beside its URLs.
pub const USERNAME_KEY: &str = "username";
pub const PASSWORD_KEY: &str = "password";

impl Topology {
    fn named(&self, what: &str) -> String {
        format!("{PREFIX}-{}-{what}", self.name)
    }

    /// A stack's name. The same in every Region.
    pub fn stack_name(&self, kind: StackKind) -> String {
        self.named(kind.word())
    }

    /// The bucket for the function's zip. Bucket names are shared by all accounts and Regions.
    pub fn bucket_name(&self, account_id: &str, region: &Region) -> String {
        format!("{PREFIX}-{}-{account_id}-{region}", self.name)
    }

    /// The function's name. The same in every Region.
    pub fn function_name(&self) -> String {
        self.named("fencing")
    }

    /// The function's role. Roles are not regional, so the Region is part of it.
    pub fn role_name(&self, region: &Region) -> String {
        format!("{PREFIX}-{}-{region}", self.name)
    }

    pub fn log_group_name(&self) -> String {
        format!("/aws/lambda/{}", self.function_name())
    }

    /// The schedule of the minute.
    pub fn schedule_name(&self) -> String {
        self.named("minute")
    }

    /// The secret with the webhook's password, in every function Region.
    pub fn webhook_secret_name(&self) -> String {
        format!("{PREFIX}/{}/webhook", self.name)
    }

    /// The secret in the path of the health check, in every function Region.
    pub fn health_secret_name(&self) -> String {
        format!("{PREFIX}/{}/health", self.name)
    }

    /// The topic for notifications, where we make one.
    pub fn topic_name(&self) -> String {
        self.named("notifications")
    }

    /// The dashboard. Dashboards are not regional.
    pub fn dashboard_name(&self, region: &Region) -> String {
        format!("{PREFIX}-{}-{region}", self.name)
    }

    /// The register's table: an existing one, or ours.
    pub fn table_name(&self) -> String {
        self.register
            .table
            .as_ref()
            .map_or_else(|| self.named("register"), ToString::to_string)
    }

    /// What the accelerator's tag says where it is this deployment's. The same for the functions of all Regions,
    /// whichever replica of the register each of them uses.
    pub fn owner(&self, account_id: &str) -> String {
        let role = self.register.role_arn.as_ref().map(ToString::to_string);
        let region = self.register_regions().first().unwrap_or(self.first_region());
        self.owner_with(account_id, role.as_deref(), region.as_str(), &self.table_name())
    }

    /// What it says where this topology keeps its register there: the register's place, and the topology's name.
    pub fn owner_with(&self, account_id: &str, role_arn: Option<&str>, region: &str, table: &str) -> String {
        let account = role_arn
            .and_then(|arn| arn.split(':').nth(4))
            .unwrap_or(account_id);
        // A table of another account is called by its ARN.
        let table = table.rsplit_once("table/").map_or(table, |(_, name)| name);
        format!("{account}/{region}/{table}/{}", self.name)
    }

    pub fn alarm_name(&self, what: &str) -> String {
        self.named(what)
    }

    /// The name of all our Kubernetes objects of one topology: the Secret, AlertmanagerConfig,
    /// PrometheusRule and PodMonitor differ in kind.
    pub fn object_name(&self) -> String {
        format!("{PREFIX}-{}", self.name)
    }

    /// The key of the clusters' Secret under which the URL of a Region's function stands.
    pub fn url_key(&self, region: &Region) -> String {
        if self.first_region() == region {
            "url".to_owned()
        } else {
            format!("url-{region}")
        }
    }

    /// The keys of the webhook's URLs in each cluster's Secret, each with its function's Region, in the topology's order.
    pub fn url_keys(&self) -> impl Iterator<Item = (String, Region)> {
        self.regions
            .iter()
            .map(|region| (self.url_key(region), region.clone()))
    }
}
