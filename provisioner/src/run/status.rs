//! Looks at everything that `status` shows, side by side, and takes from each source what it has in time.
//!
//! ```text
//!   Lambda ───── settings: which accelerator, whose balancers ─┐
//!   DynamoDB ─── record, watchdogs, deep checks ───────────────┴─▶ Global Accelerator
//!   each cluster ─ Keycloak's pods
//! ```
//!
//! Only the accelerator waits for other sources: either of them tells which one it is.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use fencing::register::Record;
use fencing::settings::Settings;
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Failure, Session};
use crate::observed::status::{
    AcceleratorState, FunctionState, KeptMisses, KeycloakState, RegisterItems, Source, StatusReading,
};
use crate::topology::{Mode, Region, Site, SiteName, Topology};
use crate::world::accelerator::Accelerators;
use crate::world::functions::Functions;
use crate::world::kubernetes::{ConnectError, Contexts};
use crate::world::register::{ItemsError, Table};

/// Looks, for at most `within`.
pub async fn look(session: &Session, topology: &Topology, file: &str, within: Duration) -> StatusReading {
    let deadline = Deadline {
        at: Instant::now() + within,
        within,
    };
    let aws = async {
        let (register, functions) = tokio::join!(
            deadline.wait(register(session, topology)),
            functions(session, topology, &deadline)
        );
        let record = register.as_ref().ok().map(|items| &items.record);
        let told = settings(&functions);
        let accelerator = deadline.wait(accelerator(session, told, record)).await;
        (register, functions, accelerator)
    };
    let ((register, functions, accelerator), keycloaks) = tokio::join!(aws, keycloaks(topology, &deadline));
    StatusReading {
        topology: topology.name.to_string(),
        file: file.to_owned(),
        mode: topology.mode,
        remind_after_seconds: match topology.mode {
            Mode::Act => topology.drill.remind_after.seconds(),
            // Where a fence is only observed, a drill is refused.
            Mode::Observe => 0,
        },
        sites: topology.sites.each_ref().map(|site| site.name.clone()),
        at: Timestamp::now(),
        register,
        accelerator,
        functions,
        keycloaks,
    }
}

/// The register alone, if it answers in time.
pub async fn register_of(session: &Session, topology: &Topology, within: Duration) -> Source<RegisterItems> {
    let deadline = Deadline {
        at: Instant::now() + within,
        within,
    };
    deadline.wait(register(session, topology)).await
}

/// The record, from the first of the register's replicas that answers.
pub(super) async fn record(session: &Session, topology: &Topology) -> Result<Record, ItemsError> {
    Ok(register(session, topology).await?.record)
}

/// When all answers have to be there.
struct Deadline {
    at: Instant,
    within: Duration,
}

impl Deadline {
    /// The answer, or why there is none.
    async fn wait<T, E: Display>(&self, answer: impl Future<Output = Result<T, E>>) -> Source<T> {
        match tokio::time::timeout_at(self.at, answer).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} ms", self.within.as_millis())),
        }
    }
}

/// The copies of all revisions, from the first of the register's replicas that answers.
pub async fn history(session: &Session, topology: &Topology) -> Result<Vec<Record>, Failure> {
    let entries = of_a_replica(session, topology, async |table| {
        table.history(&topology.name).await.map_err(ItemsError::Call)
    });
    entries.await.map_err(|error| Failure::RegisterUnread {
        reason: error.to_string(),
    })
}

/// The near misses that each site reported, from the first of the register's replicas that answers.
pub async fn near_misses(session: &Session, topology: &Topology) -> Result<Vec<KeptMisses>, Failure> {
    let sites = topology.sites.each_ref().map(|site| site.name.clone());
    let misses = of_a_replica(session, topology, async |table| {
        let misses = table.near_misses(&topology.name, &sites).await;
        misses.map_err(ItemsError::Call)
    });
    misses.await.map_err(|error| Failure::RegisterUnread {
        reason: error.to_string(),
    })
}

async fn register(session: &Session, topology: &Topology) -> Result<RegisterItems, ItemsError> {
    let sites = topology.sites.each_ref().map(|site| site.name.clone());
    of_a_replica(session, topology, async |table| {
        table.items(&topology.name, &sites, &topology.regions).await
    })
    .await
}

/// Asks the register's replicas one after the other, until one answers.
async fn of_a_replica<T>(
    session: &Session,
    topology: &Topology,
    ask: impl AsyncFn(Table) -> Result<T, ItemsError>,
) -> Result<T, ItemsError> {
    let role_arn = topology.register.role_arn.as_ref().map(ToString::to_string);
    let first = topology.register_region(topology.first_region());
    let others = topology
        .register_regions()
        .iter()
        .filter(|region| *region != first);
    let mut silence = None;
    for region in std::iter::once(first).chain(others) {
        let client = session.aws.dynamodb(region, role_arn.as_deref()).await;
        match ask(Table::new(client, region, &topology.table_name())).await {
            Err(ItemsError::Call(error)) if error.is_outage() => {
                silence.get_or_insert(error);
            }
            answer => return answer,
        }
    }
    // There is at least one Region, so that either it answered or its silence was noted.
    silence.map_or_else(|| Err(ItemsError::Nowhere), |error| Err(error.into()))
}

async fn functions(
    session: &Session,
    topology: &Topology,
    deadline: &Deadline,
) -> BTreeMap<Region, Source<Option<FunctionState>>> {
    let name = topology.function_name();
    let looks = topology.regions.iter().map(|region| async {
        let functions = Functions::new(session.aws.lambda(region), region);
        (region.clone(), deadline.wait(functions.state(&name)).await)
    });
    join_all(looks).await.into_iter().collect()
}

/// The settings of the first function that shows them.
fn settings(functions: &BTreeMap<Region, Source<Option<FunctionState>>>) -> Option<&Settings> {
    functions
        .values()
        .filter_map(|function| function.as_ref().ok()?.as_ref())
        .find_map(|function| function.settings.as_ref().ok())
}

async fn accelerator(
    session: &Session,
    told: Option<&Settings>,
    record: Option<&Record>,
) -> Result<AcceleratorState, String> {
    let places = record.map(|record| record.places.as_slice()).unwrap_or_default();
    // A group's ARN begins with its accelerator's.
    let of_places = places
        .first()
        .and_then(|place| place.group_arn.split("/listener/").next())
        .map(str::to_owned);
    let arn = told.map(|told| told.found.accelerator_arn.clone()).or(of_places);
    let arn = arn.ok_or("neither a function nor the register says which one it is")?;
    let state = Accelerators::new(session.aws.global_accelerator())
        .state(&arn)
        .await;
    let state = state.map_err(|error| error.to_string())?;
    let mut state = state.ok_or_else(|| format!("there is no accelerator {arn}"))?;
    for endpoint in &mut state.endpoints {
        let balancers = told.map(|told| &told.found.balancers);
        let of_settings = balancers.and_then(|all| all.iter().find(|(_, ids)| ids.contains(&endpoint.id)));
        let of_places = places.iter().find(|place| place.config.id == endpoint.id);
        endpoint.site = of_settings
            .map(|(site, _)| site)
            .or(of_places.map(|place| &place.site))
            .cloned();
    }
    Ok(state)
}

async fn keycloaks(topology: &Topology, deadline: &Deadline) -> BTreeMap<SiteName, Source<KeycloakState>> {
    let contexts = Contexts::read();
    let looks = topology.sites.iter().map(|site| async {
        let look = keycloak_of(&contexts, site);
        (site.name.clone(), deadline.wait(look).await)
    });
    join_all(looks).await.into_iter().collect()
}

async fn keycloak_of(contexts: &Contexts, site: &Site) -> Result<KeycloakState, String> {
    let cluster = contexts.connect(site).await.map_err(|error| match error {
        ConnectError::Problem(problem) => problem.to_string(),
        ConnectError::Unreached(unreached) => unreached.what,
    })?;
    let found = cluster.keycloak(site).await.map_err(|error| error.to_string())?;
    found
        .map(|found| found.state())
        .ok_or_else(|| format!("its cluster has no Keycloak `{}`", site.keycloak.name))
}
