//! What is so: read from the stand-ins' own worlds, from the register and from the local AWS.

use fencing::register::{Record, State};

use super::DemoError;
use super::stage::{ACCELERATOR, Stage};
use crate::standins::accelerator::Health;
use crate::standins::infinispan::BackupStatus;

/// The cache that a login writes to.
const LOGIN_CACHE: &str = "sessions";

/// One site at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SiteView {
    pub(super) site: String,
    /// In the accelerator, and how healthy; not there at all.
    pub(super) endpoint: Option<Health>,
    /// Its replication to the other site.
    pub(super) replication: Option<BackupStatus>,
    /// Whether a login that arrives there succeeds.
    pub(super) serves: bool,
}

/// Both sites and the register at one moment.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) sites: [SiteView; 2],
    pub(super) register: Option<Record>,
}

impl View {
    /// Looks. A login is tried at each site, as whoever is sent there would.
    pub(super) async fn of(stage: &Stage) -> Result<Self, DemoError> {
        Ok(Self {
            sites: [0, 1].map(|index| SiteView::of(stage, index)),
            register: register(stage).await?,
        })
    }

    /// The register's state; open where it has no entry yet.
    pub(super) fn state(&self) -> State {
        self.register.as_ref().map_or(State::Open, |record| record.state)
    }

    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        self.sites.iter().map(SiteView::row).collect()
    }

    pub(super) fn register_text(&self) -> String {
        let Some(record) = &self.register else {
            return "register: open, nothing was ever decided".to_owned();
        };
        let decision = record
            .decision
            .as_ref()
            .map(|decision| format!(", survivor {}, fenced {}", decision.survivor.0, decision.fenced.0));
        format!(
            "register: {}, epoch {}{}",
            record.state,
            record.epoch,
            decision.unwrap_or_default()
        )
    }

    /// For a claim that turned out to be untrue.
    pub(super) fn seen(&self) -> String {
        format!("{:?}; {}", self.sites, self.register_text())
    }
}

impl SiteView {
    fn of(stage: &Stage, index: usize) -> Self {
        let site = stage.site(index).to_owned();
        let endpoint = stage
            .accelerator
            .world()
            .accelerator(ACCELERATOR)
            .and_then(|accelerator| {
                accelerator
                    .groups()
                    .find_map(|group| group.endpoint(&stage.balancers[index]))
                    .map(|endpoint| endpoint.health)
            });
        let mut infinispan = stage.infinispan.world();
        let replication = infinispan.replication(&site);
        let serves = infinispan.put(&site, LOGIN_CACHE, "a login", "somebody").is_ok();
        Self {
            site,
            endpoint,
            replication,
            serves,
        }
    }

    fn row(&self) -> Vec<String> {
        let endpoint = match self.endpoint {
            None => "OUT",
            Some(Health::Healthy) => "in, healthy",
            Some(Health::Unhealthy) => "in, unhealthy",
            Some(Health::Initial) => "in, new",
        };
        let replication = match self.replication {
            None => "none",
            Some(BackupStatus::Online) => "online",
            Some(BackupStatus::Offline) => "CUT",
            Some(BackupStatus::Mixed) => "partly cut",
        };
        let serves = if self.serves { "succeeds" } else { "FAILS" };
        [&self.site, endpoint, replication, serves]
            .map(str::to_owned)
            .to_vec()
    }

    /// Whether users are sent there and served.
    pub(super) fn is_whole(&self) -> bool {
        self.endpoint.is_some() && self.serves
    }
}

/// The columns of [`View::rows`].
pub(super) const COLUMNS: [&str; 4] = ["site", "accelerator", "replication to the other", "a login there"];

async fn register(stage: &Stage) -> Result<Option<Record>, DemoError> {
    let topology = &stage.topology;
    let table = topology.table_name();
    let key = topology.name.to_string();
    let items = stage
        .aws
        .items(topology.register_region(topology.first_region()).as_str(), &table)
        .await?;
    let item = items.into_iter().find(|item| item["pk"] == key.as_str());
    item.map(|item| {
        serde_json::from_value(item.clone()).map_err(|_| DemoError::Output {
            command: format!("the table {table}"),
            what: "record of the register",
            output: item.to_string(),
        })
    })
    .transpose()
}

/// Whether the function has stamped each site's watchdog.
pub(super) async fn watchdogs(stage: &Stage) -> Result<[bool; 2], DemoError> {
    let topology = &stage.topology;
    let region = topology.register_region(topology.first_region());
    let items = stage.aws.items(region.as_str(), &topology.table_name()).await?;
    Ok([0, 1].map(|index| {
        let key = format!("{}#seen#{}", topology.name, stage.site(index));
        items.iter().any(|item| item["pk"] == key.as_str())
    }))
}
