//! What was seen outside, as plain data.
//!
//! `run::observe` fills this by asking `world`; the planner and the preflight judge it. Nothing in here is an
//! SDK type, so a test writes a world as a literal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fencing::register::items::Unread;
use fencing::register::{Record, State};
use fencing::settings::Settings;
use fencing::words::SiteName;

pub mod access;
pub mod cause;
pub mod changes;
pub mod cluster;
pub mod cluster_endpoint;
pub mod difference;
pub mod failure_detection;
pub mod forced;
pub mod found;
pub mod handshake;
pub mod heartbeats;
pub mod infinispan;
pub mod key;
pub mod objects;
mod ownership;
pub mod place;
pub mod repository;
pub mod serving;
pub mod statistics;
pub mod status;
pub mod version;
pub mod workload;

use self::cluster::{ClusterReading, Looks};
use self::key::{KeyReading, TopicReading};
pub use self::ownership::{Neighbour, OwnerMark};
use crate::render::Template;
use crate::topology::Region;
use crate::topology::names::{StackKind, TAG_REGIONS};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub account_id: String,
    pub arn: String,
}

/// An accelerator as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceleratorReading {
    pub arn: String,
    /// The name people gave it.
    pub name: String,
    /// `….awsglobalaccelerator.com`.
    pub dns_name: String,
    /// `….dualstack.awsglobalaccelerator.com`, if it has one.
    pub dual_stack_dns_name: Option<String>,
    pub enabled: bool,
}

/// A listener with all its endpoint groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerReading {
    pub arn: String,
    /// Its ports, as `443` or `8000-8100`.
    pub ports: Vec<String>,
    /// Its groups, one per Region.
    pub groups: Vec<GroupReading>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReading {
    pub arn: String,
    pub region: Region,
    /// Its endpoints' identifiers: ARNs of balancers, or what else someone put there.
    pub endpoints: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalancerReading {
    pub arn: String,
    /// Its tag `site`, as it stands.
    pub site: Option<String>,
}

/// What the tags of an endpoint say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointReading {
    /// A balancer, with or without the tag.
    Balancer(BalancerReading),
    /// An ARN of a balancer that is not there any more.
    Gone,
    /// Not a balancer of this kind: an address, an instance.
    Other,
    /// A balancer of a Region that did not answer.
    Unseen { region: Region },
}

/// How far a stack is from being usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StackHealth {
    Usable,
    Working,
    /// It never came to life, or did not die: only a new one helps.
    Broken,
    /// An update failed and so did taking it back: the rollback must be continued.
    Stuck,
}

impl StackHealth {
    /// The condition that CloudFormation's word means.
    pub fn of(status: &str) -> Self {
        match status {
            "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED"
            | "REVIEW_IN_PROGRESS" => Self::Broken,
            "UPDATE_ROLLBACK_FAILED" => Self::Stuck,
            other if other.ends_with("_IN_PROGRESS") => Self::Working,
            _ => Self::Usable,
        }
    }
}

/// A stack as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackReading {
    /// Its id: tells a stack from its successor of the same name.
    pub id: String,
    /// CloudFormation's word for its state.
    pub status: String,
    /// Why, if it says.
    pub reason: Option<String>,
    /// The template it was last made from, as it was sent.
    pub template: Template,
    /// The values of its parameters.
    pub parameters: BTreeMap<String, String>,
    pub outputs: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub resources: Vec<ResourceReading>,
}

impl StackReading {
    /// How far it is from being usable.
    pub fn condition(&self) -> StackHealth {
        StackHealth::of(&self.status)
    }

    /// The function's Regions when the stack was applied last, as its tag has them.
    pub fn former_regions(&self) -> impl Iterator<Item = Region> {
        let former = self.tags.get(TAG_REGIONS).map(String::as_str).unwrap_or_default();
        former.split_whitespace().filter_map(Region::seen)
    }

    /// Whether `resource` stays when the stack is deleted. What counts is the template that was deployed, whatever
    /// the topology says by now.
    pub fn keeps(&self, resource: &ResourceReading) -> bool {
        let policy = &self.template.value["Resources"][&resource.logical_id]["DeletionPolicy"];
        policy == "Retain"
    }
}

impl ResourceReading {
    pub fn stands(&self) -> bool {
        self.status != "DELETE_COMPLETE"
    }

    /// Whether it is a register's table.
    pub fn is_table(&self) -> bool {
        self.kind.starts_with("AWS::DynamoDB::")
    }
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceReading {
    /// Its name in the template.
    pub logical_id: String,
    /// Such as `AWS::Lambda::Function`.
    pub kind: String,
    /// Its name outside, once it has one.
    pub physical_id: Option<String>,
    /// CloudFormation's word for its state.
    pub status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegisterPlace {
    pub region: Region,
    pub table: String,
    /// The role to assume for it.
    pub role_arn: Option<String>,
}

impl RegisterPlace {
    /// Where a function with these settings keeps its decisions.
    pub fn of(settings: &Settings) -> Option<Self> {
        let role_arn = &settings.register_role_arn;
        Some(Self {
            region: Region::seen(&settings.register_region)?,
            table: settings.found.register_table.clone(),
            role_arn: (!role_arn.is_empty()).then(|| role_arn.clone()),
        })
    }
}

impl fmt::Display for RegisterPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.table, self.region)
    }
}

/// The register's item of a topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterReading {
    Record(Box<Record>),
    /// One that this version does not understand. It is not taken for open: someone may rely on it.
    Unread(Unread),
}

impl RegisterReading {
    /// A topology that never decided anything.
    pub fn blank() -> Self {
        Self::Record(Box::new(Record::empty()))
    }

    fn record(&self) -> Option<&Record> {
        match self {
            Self::Record(record) => Some(record),
            Self::Unread(_) => None,
        }
    }

    /// How far its decision is, as a word.
    pub fn state(&self) -> String {
        let state = self.record().map(|record| record.state.to_string());
        state.unwrap_or_else(|| "unreadable".to_owned())
    }

    /// The last decision's number.
    pub fn epoch(&self) -> u64 {
        match self {
            Self::Record(record) => record.epoch.0,
            Self::Unread(unread) => unread.epoch().0,
        }
    }

    pub fn survivor(&self) -> Option<&SiteName> {
        let decision = self.record()?.decision.as_ref()?;
        Some(&decision.survivor.0)
    }

    pub fn fenced(&self) -> Option<&SiteName> {
        self.record()?.fenced()
    }

    /// Whether an operator forbids new decisions.
    pub fn is_held(&self) -> bool {
        self.record().is_some_and(|record| record.hold.is_some())
    }

    /// Whether no decision is in force.
    pub fn is_open(&self) -> bool {
        self.record().is_some_and(|record| record.state == State::Open)
    }

    /// Whether a decision is in force that nobody knew of when `epoch` was the last one.
    pub fn was_decided_after(&self, epoch: u64) -> bool {
        self.epoch() > epoch && !self.is_open()
    }
}

/// Where else a table is, and what a conditional write means there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replicas {
    None,
    /// In these Regions too, some time later: each decides its conditions alone, and the last writer wins.
    Eventual(BTreeSet<String>),
    /// In these Regions too, with multi-Region strong consistency: a condition holds in all of them or fails.
    Strong(BTreeSet<String>),
}

impl Replicas {
    pub fn regions(&self) -> impl Iterator<Item = &String> {
        let regions = match self {
            Self::None => None,
            Self::Eventual(regions) | Self::Strong(regions) => Some(regions),
        };
        regions.into_iter().flatten()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReading {
    pub arn: String,
    pub replicas: Replicas,
    /// Its hash key's name, and `S`, `N` or `B`.
    pub hash_key: Option<(String, String)>,
    /// Whether it also has a range key.
    pub has_range_key: bool,
    /// The tag with the topology it was made for.
    pub topology: Option<String>,
    /// Whether it holds the topology's item.
    pub holds_item: bool,
    /// The topology's item; a missing one is blank.
    pub item: RegisterReading,
}

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretReading {
    pub arn: String,
    /// Whether it waits to be deleted.
    pub is_being_deleted: bool,
    /// Its current version, if it ever got a value.
    pub version: Option<String>,
    /// The KMS key that it is encrypted under, unless that is AWS's own.
    pub key: Option<String>,
    /// The Region that it is a replica of, if it is one.
    pub primary_region: Option<String>,
    /// Its replicas that do not hold what it holds.
    pub replicas_behind: Vec<ReplicaBehind>,
    /// What is odd about the value, where that could be read. Nothing else is kept of it.
    pub oddity: Option<String>,
}

/// A secret's replica that does not hold what the secret holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaBehind {
    /// Where it is, or should be.
    pub region: Region,
    /// Secrets Manager's word for its state, and why.
    pub why: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionReading {
    pub name: String,
    pub arn: String,
    /// SHA-256 of the package that it runs from, in hexadecimal.
    pub code_sha256: Option<String>,
    pub environment: BTreeMap<String, String>,
}

/// What an account may do in a Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LambdaLimits {
    /// Executions at once that no function has reserved.
    pub unreserved_concurrency: u32,
    /// Bytes of code that all functions together may have, and have.
    pub code_bytes_limit: u64,
    /// Bytes of code that they have.
    pub code_bytes_used: u64,
}

/// What stands in one of the function's Regions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegionStanding {
    /// The stacks of our names, by kind.
    pub stacks: BTreeMap<StackKind, StackReading>,
    /// The function of our name, whichever stack made it.
    pub function: Option<FunctionReading>,
    /// The function's packages that are in the bucket: key and newest version.
    pub artifacts: BTreeMap<String, String>,
    /// The artifact stack believes in a bucket that somebody has deleted.
    pub bucket_is_gone: bool,
    /// There is a bucket of our name, and no stack of ours that could have made it.
    pub bucket_is_taken: bool,
}

/// What stands of a topology: all that `destroy` needs to know, and a part of what `apply` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub identity: Identity,
    /// By Region: the topology's Regions, and those it had when it was last applied, as far as they answered.
    pub regions: BTreeMap<Region, RegionStanding>,
    /// The Regions that did not answer, each with the call that shows it. What stands there is not known.
    pub unreached: BTreeMap<Region, String>,
    /// Why it is not known what the register says, if so. It may hold a decision.
    pub register_unread: Option<String>,
    /// The register's table, where the topology wants it.
    pub register: Option<TableReading>,
    /// The registers elsewhere: those that a deployed function uses, and those that a move has left standing.
    pub former_registers: BTreeMap<RegisterPlace, TableReading>,
}

impl Standing {
    /// The stack of `kind` in `region`.
    pub fn stack(&self, region: &str, kind: StackKind) -> Option<&StackReading> {
        self.regions.get(region)?.stacks.get(&kind)
    }

    /// Whether the artifact stack of `region` believes in a bucket that is not there.
    pub fn bucket_is_gone(&self, region: &str) -> bool {
        self.regions
            .get(region)
            .is_some_and(|region| region.bucket_is_gone)
    }

    /// The settings of each deployed function, as far as that can be read. An apply may have stopped between
    /// two of them.
    pub fn told(&self) -> impl Iterator<Item = Settings> {
        self.regions
            .values()
            .filter_map(|region| region.function.as_ref())
            .filter_map(FunctionReading::settings)
    }

    /// The deployed functions' settings: the first Region's that can be read.
    pub fn deployed(&self) -> Option<Settings> {
        self.told().next()
    }

    /// Whether a function stands anywhere that was looked at. A register was made before it.
    pub fn has_function(&self) -> bool {
        let mut regions = self.regions.values();
        regions.any(|region| region.stacks.contains_key(&StackKind::Fencing))
    }

    /// Every register that may hold a decision.
    pub fn registers(&self) -> impl Iterator<Item = &TableReading> {
        self.former_registers.values().chain(&self.register)
    }
}

impl FunctionReading {
    /// The settings that its environment holds, if it is one of ours and of an age that can be read.
    pub fn settings(&self) -> Option<Settings> {
        Settings::from_environment(|name| self.environment.get(name).cloned()).ok()
    }
}

/// What only `apply` needs to know of a Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionReading {
    pub region: Region,
    pub limits: LambdaLimits,
    /// What our function has reserved already.
    pub reserved_concurrency: u32,
    /// Functions there that fence for another topology.
    pub neighbours: Vec<Neighbour>,
    /// Functions there that look like the guide's.
    pub guide_functions: Vec<String>,
    /// Which of the roles that we would make exist.
    pub roles: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    pub standing: Standing,
    /// All Regions that left a question open, those of `standing` among them.
    pub unreached: BTreeMap<Region, String>,
    /// Every accelerator that was seen while looking for ours.
    pub accelerators: Vec<AcceleratorReading>,
    pub accelerator: Option<AcceleratorReading>,
    /// Whose it is by its tag, if it has that.
    pub owner: Option<String>,
    /// What else is written on it.
    pub accelerator_tags: BTreeMap<String, String>,
    pub listeners: Vec<ListenerReading>,
    /// What each endpoint of these listeners is.
    pub endpoints: BTreeMap<String, EndpointReading>,
    /// For sites that miss an endpoint somewhere: the balancers of the site's Region that carry its tag.
    pub balancers_elsewhere: BTreeMap<SiteName, Vec<String>>,
    /// The secret with Infinispan's password, by function Region: each function reads the one beside it.
    pub infinispan_secrets: BTreeMap<Region, SecretReading>,
    /// The secrets of our names, by Region and name.
    pub own_secrets: BTreeMap<Region, BTreeMap<String, SecretReading>>,
    /// What is odd about the webhook's secret.
    pub webhook_oddity: Option<String>,
    /// The policies of the KMS keys that matter, by Region and by the name under which the key is known.
    pub keys: BTreeMap<(Region, String), KeyReading>,
    /// The existing topics that the topology names.
    pub topics: BTreeMap<String, TopicReading>,
    /// Where each site's Infinispan answers: from the topology, or discovered.
    pub infinispan_urls: BTreeMap<SiteName, String>,
    pub regions: Vec<RegionReading>,
    /// Whether the permissions boundary exists; true when none is asked for.
    pub boundary_exists: bool,
    pub clusters: Looks<ClusterReading>,
    /// The sites whose watchdog reached the function lately.
    pub heard: BTreeSet<SiteName>,
}
