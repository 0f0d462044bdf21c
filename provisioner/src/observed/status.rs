//! What `status` saw: of each source an answer, or why there is none.
//!
//! The sources fail one at a time, and at three in the morning some of them do. So nothing is left out: what could
//! not be read is [`Err`] with its reason, and the report shows it as unknown.

use std::collections::BTreeMap;

use fencing::health::Checkup;
use fencing::register::Record;
use fencing::register::near::NearMiss;
use fencing::rehearsal::SplitBrain;
use fencing::settings::Settings;
use jiff::Timestamp;

use super::forced::ForcedFence;
use crate::topology::{Mode, Region, SiteName};

/// One source's answer, or why it gave none.
pub type Source<T> = Result<T, String>;

#[derive(Debug, Clone, PartialEq)]
pub struct StatusReading {
    pub topology: String,
    /// The topology's file, for the commands that are proposed.
    pub file: String,
    /// What the topology's file says; the function's own word counts more.
    pub mode: Mode,
    /// After how long without a drill one is due, in seconds; 0 for never.
    pub remind_after_seconds: u32,
    /// The two sites, in the topology's order.
    pub sites: [SiteName; 2],
    /// When was looked.
    pub at: Timestamp,
    /// The register's item; one that does not exist yet is the empty record.
    pub register: Source<RegisterItems>,
    pub accelerator: Source<AcceleratorState>,
    /// By Region: its function.
    pub functions: BTreeMap<Region, Source<Option<FunctionState>>>,
    /// By site: its Keycloak.
    pub keycloaks: BTreeMap<SiteName, Source<KeycloakState>>,
}

/// What the register holds of a topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterItems {
    pub record: Record,
    /// When each site's watchdog came through last.
    pub watchdogs: BTreeMap<SiteName, Timestamp>,
    /// By Region: what its function's last deep check came to.
    pub checkups: BTreeMap<Region, Checkup>,
    /// What the last drill measured that cut the link.
    pub drill: Option<SplitBrain>,
}

/// What the register keeps of the near misses that one site reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptMisses {
    pub site: SiteName,
    /// None where they cannot be read: a function of another version wrote them.
    pub misses: Option<Vec<NearMiss>>,
}

/// An accelerator with all its endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct AcceleratorState {
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether its last change is in force everywhere.
    pub deployed: bool,
    /// Its endpoints, once for each listener.
    pub endpoints: Vec<EndpointState>,
}

/// An endpoint in one of the groups.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointState {
    /// Its identifier: a balancer's ARN.
    pub id: String,
    /// AWS's word for its health.
    pub health: String,
    /// Its share within its group.
    pub weight: Option<i32>,
    /// Its group's dial, in percent.
    pub dial: Option<f32>,
    /// Whose it is, if it is a site's.
    pub site: Option<SiteName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionState {
    /// Lambda's word for its state.
    pub state: String,
    /// Lambda's word for how its last update went.
    pub update: String,
    /// Why it is in a state that is not the usual one, in Lambda's words.
    pub reason: Option<String>,
    /// The digest of its package, in base64 as Lambda writes it.
    pub code: String,
    pub settings: Result<Settings, String>,
    /// What a forced fence has left there.
    pub forced: Option<ForcedFence>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeycloakState {
    /// How many replicas are asked for; unknown where the object leaves it to its operator.
    pub wanted: Option<u64>,
    /// How many of its pods there are.
    pub pods: usize,
    /// How many of these are ready.
    pub ready: usize,
}
