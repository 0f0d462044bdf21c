//! Carries out what was planned: the one place where a [`Step`](crate::plan::Step) becomes a call.
//!
//! ```text
//!   observe ─▶ plan (pure) ─▶ consent ─▶ lock ─▶ walk, step by step ─▶ observe again
//! ```
//!
//! Nothing here chooses what to do. Between any two calls the process may die or be stopped; running the
//! verb again continues, because a plan is made from what stands, not from what was done.

mod ahead;
pub mod apply;
mod calls;
pub mod clusters;
pub mod console;
pub mod destroy;
pub mod drift;
pub mod drill;
mod exposed;
pub mod failure;
pub mod force;
pub mod handshake;
pub mod init;
pub mod interrupt;
pub mod keycloak;
mod learned;
pub mod lock;
mod lock_owner;
pub mod losses;
pub mod observe;
pub mod operate;
mod pace;
pub mod places;
pub mod preview;
pub mod recover;
pub mod rejoin;
mod scaling;
pub mod split_brain;
mod stack_parameters;
pub mod stacks;
pub mod status;
pub mod subscriptions;
pub mod version;
pub mod walk;
mod walk_clusters;
mod walk_lanes;
pub mod webhook;

pub use self::failure::Failure;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::OnceCell;

use self::console::Console;
use self::interrupt::Interrupt;
use crate::observed::Identity;
use crate::package::{self, PackedFunction, elf};
use crate::preflight::problem::Problem;
use crate::render::ObjectDocument;
use crate::render::StackDocument;
use crate::topology::{CaBundle, Site, SiteName, Topology};
use crate::world::aws::Aws;
use crate::world::calls::without_user;
use crate::world::kubernetes::{Cluster, ConnectError, Contexts};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub aws: bool,
    /// The clusters of these sites.
    pub clusters: BTreeSet<SiteName>,
}

impl Scope {
    pub const fn aws() -> Self {
        Self {
            aws: true,
            clusters: BTreeSet::new(),
        }
    }

    pub fn all(topology: &Topology) -> Self {
        Self {
            aws: true,
            clusters: topology.sites.iter().map(|site| site.name.clone()).collect(),
        }
    }
}

/// What every verb that calls the two clouds needs.
#[derive(Debug, Clone)]
pub struct Session {
    pub aws: Aws,
    /// The clusters in scope, or why there is no client for one.
    pub clusters: BTreeMap<SiteName, Result<Cluster, ConnectError>>,
    /// The person at the other end.
    pub console: Console,
    /// Whether that person wants to stop.
    pub interrupt: Interrupt,
    /// Who is signed in, once somebody asked: nobody becomes another while a command runs.
    identity: Arc<OnceCell<Identity>>,
    /// Tells what this run has begun from what another has.
    run: Arc<str>,
}

impl Session {
    pub async fn begin(topology: &Topology, console: Console) -> Result<Self, Failure> {
        Self::over(topology, &Scope::aws(), console).await
    }

    /// Signs in to what is in scope, and says on stderr when calls go elsewhere than to AWS.
    pub async fn over(topology: &Topology, scope: &Scope, console: Console) -> Result<Self, Failure> {
        let aws = Aws::sign_in(topology.first_region().as_str()).await?;
        for (name, url) in aws.endpoints() {
            let url = without_user(url);
            console.say(&format!("{name} is set: calls go to {url}"));
        }
        if aws.trusts_nobody() {
            console.say(
                "warning: this system has no certificate authorities, so no call over HTTPS can be verified and each fails: \
                 install them (ca-certificates), or name a file of them with SSL_CERT_FILE or AWS_CA_BUNDLE",
            );
        }
        Ok(Self {
            aws,
            clusters: connect(topology, scope).await,
            interrupt: Interrupt::listen(console.clone()),
            console,
            identity: Arc::default(),
            run: lock::token(Timestamp::now()).into(),
        })
    }

    /// The client of a site's cluster, where nothing can be done without it.
    fn cluster_of(&self, site: &Site) -> Result<Cluster, Failure> {
        let what = match self.clusters.get(&site.name) {
            Some(Ok(cluster)) => return Ok(cluster.clone()),
            Some(Err(ConnectError::Problem(problem))) => {
                return Err(Failure::Problems(vec![Problem::Cluster(problem.clone().into())]));
            }
            Some(Err(ConnectError::Unreached(unreached))) => unreached.what.clone(),
            None => "it is not in scope".to_owned(),
        };
        Err(Failure::ClusterNeeded {
            site: site.name.clone(),
            what,
        })
    }

    /// Fails where somebody has to do something before a cluster can be asked at all, as with a context that the
    /// kubeconfig does not know.
    pub fn connected(&self) -> Result<(), Failure> {
        let problems: Vec<Problem> = self
            .clusters
            .values()
            .filter_map(|cluster| match cluster {
                Err(ConnectError::Problem(problem)) => Some(Problem::Cluster(problem.clone().into())),
                _ => None,
            })
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Failure::Problems(problems))
        }
    }
}

/// A client for each cluster in scope. Credential plugins run at the same time.
async fn connect(topology: &Topology, scope: &Scope) -> BTreeMap<SiteName, Result<Cluster, ConnectError>> {
    let [a, b] = topology
        .sites
        .each_ref()
        .map(|site| scope.clusters.contains(&site.name).then_some(site));
    if a.is_none() && b.is_none() {
        return BTreeMap::new();
    }
    let contexts = Contexts::read();
    let connect = async |site: Option<&Site>| match site {
        Some(site) => Some((site.name.clone(), contexts.connect(site).await)),
        None => None,
    };
    let (a, b) = tokio::join!(connect(a), connect(b));
    a.into_iter().chain(b).collect()
}

/// Packs a binary, after a look at whether Lambda can start it.
pub fn pack(
    topology: &Topology,
    bootstrap: &[u8],
    bundles: &[CaBundle],
) -> Result<(PackedFunction, elf::Binary), Failure> {
    let binary = elf::judge(bootstrap, topology.function.architecture)?;
    Ok((package::pack(bootstrap, &by_site(bundles))?, binary))
}

/// Packs the function that this program carries for the topology's processor; `None` if it carries none.
pub fn pack_embedded(topology: &Topology, bundles: &[CaBundle]) -> Result<Option<PackedFunction>, Failure> {
    let zip = package::embedded::zip(topology.function.architecture);
    let packed = zip.map(|zip| package::repack(zip, &by_site(bundles)));
    Ok(packed.transpose()?)
}

fn by_site(bundles: &[CaBundle]) -> BTreeMap<SiteName, Vec<u8>> {
    bundles
        .iter()
        .map(|bundle| (bundle.site.clone(), bundle.pem.clone()))
        .collect()
}

/// What the topology asks to be deployed: everything that does not depend on the world.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    pub topology: &'a Topology,
    pub documents: Vec<StackDocument>,
    /// The rendered objects of the clusters.
    pub objects: Vec<ObjectDocument>,
    /// The function; `None` where AWS is out of scope, which needs none.
    pub function: Option<PackedFunction>,
    /// The epoch that an operator confirms to go on from, where a register is moved to that was in use before.
    pub resume_epoch: Option<u64>,
}
