//! Two Infinispan clusters that back each other up, as their REST API shows them.
//!
//! ```text
//!    https://127.0.0.1:PA            https://127.0.0.1:PB
//!        one address                     one address
//!       ╱           ╲                   ╱           ╲
//!   node 0        node 1            node 0        node 1        every new connection meets the next node;
//!                 relay ═════ link ═══════════════ relay        only the relay node sees the other site
//! ```
//!
//! The traps are the real ones. A balancer in front of the nodes spreads connections, so a client that
//! keeps one connection asks one node for ever, and if that is not the relay node it sees no site, however
//! healthy the link is. Actions on the container answer 200 whatever became of them, with the failures as
//! texts in the body. A restart forgets that replication was cut. Reading the container needs a password,
//! cutting replication needs the permission ADMIN, so the first proves nothing about the second.
//!
//! [`InfinispanPair::world`] is what is really so: links, views, entries, statuses; Keycloak's writes go
//! through it too, and fail while replication is online to a site that is away.
//!
//! What it hides: replication is instantaneous, a state push is done after it was polled a few times, the
//! status of backups is one for the cluster except where a fault splits it, and a nonce is good for ever.

mod digest;
mod front;
mod pushes;
mod rest;
mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};

use super::calls::CallLog;
use super::certificates::{TestAuthority, Validity};
use super::faults::Faults;
use super::server::{Door, Server, StartError};
use front::{Shared, SiteFront, State, User};

pub use pushes::Push;
pub use rest::Operation;
pub use world::{
    Backup, BackupStatus, Cache, CacheFault, Cluster, KEYCLOAK_CACHES, Link, Release, World, WriteError,
};

const WHAT: &str = "Infinispan";

/// What can go wrong with one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens and nothing is answered.
    Hang,
    /// Nothing happens and the connection is closed.
    ClosedBeforeEffect,
    /// It happens, and the connection is closed instead of answering.
    AppliedReplyLost,
    /// It happens, and nothing is answered: the moment to kill the caller in.
    AppliedThenHang,
    /// Nothing happens and this status is answered, without a useful body: 401, 403, 500, 503.
    Status(u16),
    /// The call is carried out, but these caches do something else.
    Caches(Vec<(String, CacheFault)>),
}

impl Fault {
    /// One cache does something else.
    pub fn cache(name: &str, fault: CacheFault) -> Self {
        Self::Caches(vec![(name.to_owned(), fault)])
    }
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Admin,
    /// May read, and is told 403 for everything about sites.
    Observer,
}

/// One call, as it arrived.
#[derive(Debug, Clone)]
pub struct Call {
    pub at: Instant,
    /// The site whose cluster was asked.
    pub site: String,
    /// Which of its nodes, and over which connection of that site, counted from 0.
    pub node: usize,
    pub connection: u64,
    /// None for a request that is unknown here.
    pub operation: Option<Operation>,
    pub request: String,
    pub cache: Option<String>,
    pub backup_site: Option<String>,
    pub user: Option<String>,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Answered(u16),
    /// A fault that had been ordered.
    Met(Fault),
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            site, node, request, ..
        } = self;
        match &self.outcome {
            Outcome::Answered(status) => write!(f, "{site} node {node}: {request} answered {status}"),
            Outcome::Met(fault) => write!(f, "{site} node {node}: {request} met {fault:?}"),
        }
    }
}

/// What a site shows to those who verify it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerCertificate {
    Trusted,
    /// Signed by an authority that is in nobody's bundle.
    Untrusted,
    Expired,
    /// Signed by the right authority for another host.
    OtherName,
}

/// What a pair is built from.
pub struct Builder {
    sites: [String; 2],
    nodes: usize,
    relay_nodes: usize,
    caches: Vec<String>,
    users: Vec<User>,
    certificates: BTreeMap<String, ServerCertificate>,
    release: Release,
    mechanisms: &'static [front::Mechanism],
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("sites", &self.sites)
            .field("users", &self.users)
            .finish()
    }
}

impl Builder {
    /// How many nodes are behind each site's address; two unless told.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes.max(1);
        self
    }

    /// How many of them are relay nodes; one unless set.
    #[must_use]
    pub fn relay_nodes(mut self, relay_nodes: usize) -> Self {
        self.relay_nodes = relay_nodes.max(1);
        self
    }

    /// The caches at both sites; Keycloak's unless told. None at all is possible.
    #[must_use]
    pub fn caches(mut self, names: &[&str]) -> Self {
        self.caches = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// A user at both sites.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str, role: Role) -> Self {
        self.users.push(User {
            name: name.to_owned(),
            password: password.to_owned(),
            role,
        });
        self
    }

    #[must_use]
    pub fn certificate(mut self, site: &str, certificate: ServerCertificate) -> Self {
        self.certificates.insert(site.to_owned(), certificate);
        self
    }

    /// Whose words the servers use; Infinispan 16's unless told.
    #[must_use]
    pub fn release(mut self, release: Release) -> Self {
        self.release = release;
        self
    }

    /// Takes Digest and nothing else.
    #[must_use]
    pub fn digest_alone(mut self) -> Self {
        self.mechanisms = front::DIGEST_ALONE;
        self
    }

    pub fn start(self) -> Result<InfinispanPair, StartError> {
        let authority = TestAuthority::new("Sitefence test authority")?;
        let stranger = TestAuthority::new("nobody's authority")?;
        let [first, second] = &self.sites;
        let mut world = World::new([first, second], self.nodes, &self.caches);
        world.release = self.release;
        for cluster in &mut world.clusters {
            cluster.more_relays = self.relay_nodes - 1;
        }
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                world,
                users: self.users.clone(),
                mechanisms: self.mechanisms,
            }),
            calls: CallLog::default(),
        });
        let start_one = |site: &String| -> Result<Site, StartError> {
            let name = format!("infinispan.{site}.example.com");
            let names = ["localhost", "127.0.0.1", name.as_str()];
            let chosen = self
                .certificates
                .get(site)
                .copied()
                .unwrap_or(ServerCertificate::Trusted);
            let tls = match chosen {
                ServerCertificate::Trusted => authority.server(&names, Validity::Current),
                ServerCertificate::Untrusted => stranger.server(&names, Validity::Current),
                ServerCertificate::Expired => authority.server(&names, Validity::Expired),
                ServerCertificate::OtherName => {
                    authority.server(&["infinispan.elsewhere.example.com"], Validity::Current)
                }
            };
            let front = Arc::new(SiteFront {
                site: site.clone(),
                shared: Arc::clone(&shared),
                faults: Faults::default(),
                latency: Mutex::new(Duration::ZERO),
            });
            let server = Server::answering(WHAT, Some(tls?), &front, SiteFront::respond)?;
            Ok(Site { front, server })
        };
        let sites = [start_one(first)?, start_one(second)?];
        Ok(InfinispanPair {
            shared,
            sites,
            authority,
        })
    }
}

/// Two running clusters; dropping it stops them.
#[derive(Debug)]
pub struct InfinispanPair {
    shared: Arc<Shared>,
    sites: [Site; 2],
    authority: TestAuthority,
}

impl InfinispanPair {
    /// Two sites with Keycloak's caches, two nodes each and no user yet.
    pub fn builder(sites: [&str; 2]) -> Builder {
        Builder {
            sites: sites.map(str::to_owned),
            nodes: 2,
            relay_nodes: 1,
            caches: KEYCLOAK_CACHES.map(str::to_owned).to_vec(),
            users: Vec::new(),
            certificates: BTreeMap::new(),
            release: Release::default(),
            mechanisms: front::EITHER,
        }
    }

    /// The authority that a topology's `caBundle` names.
    pub fn authority(&self) -> &TestAuthority {
        &self.authority
    }

    /// One site's cluster; asking for a site that is not of this pair is a mistake in the test.
    pub fn site(&self, name: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.name() == name)
    }

    pub fn sites(&self) -> &[Site; 2] {
        &self.sites
    }

    /// Both clusters as they are, to look at and to edit. Hold it no longer than the edit: calls wait,
    /// and two in one statement wait for each other for ever.
    pub fn world(&self) -> MappedMutexGuard<'_, World> {
        MutexGuard::map(self.shared.state.lock(), |state| &mut state.world)
    }

    /// The calls to both sites, in the order of arrival.
    pub fn calls(&self) -> &CallLog<Call> {
        &self.shared.calls
    }

    /// The sites lose each other; both still answer.
    pub fn cut_link(&self) {
        self.world().link = Link::Cut;
    }

    /// The link dies, and for the time being each site counts on the other: writes wait, fail, and are under way.
    pub fn lose_link(&self) {
        self.world().link = Link::Unnoticed;
    }

    /// The link is back, and what was sent before anybody noticed the loss arrives now.
    pub fn heal_link(&self) {
        self.world().heal();
    }

    /// Another password from now on; says whether there is such a user.
    pub fn set_password(&self, user: &str, password: &str) -> bool {
        self.edit_user(user, |user| password.clone_into(&mut user.password))
    }

    pub fn set_role(&self, user: &str, role: Role) -> bool {
        self.edit_user(user, |user| user.role = role)
    }

    fn edit_user(&self, name: &str, edit: impl FnOnce(&mut User)) -> bool {
        let mut state = self.shared.state.lock();
        let user = state.users.iter_mut().find(|user| user.name == name);
        user.map(edit).is_some()
    }
}

/// One site's cluster behind its address.
#[derive(Debug)]
pub struct Site {
    front: Arc<SiteFront>,
    server: Server,
}

impl Site {
    pub fn name(&self) -> &str {
        &self.front.site
    }

    /// `127.0.0.1:port`, as a topology's `infinispan.endpoint` takes it.
    pub fn endpoint(&self) -> String {
        self.server.address().to_string()
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.endpoint())
    }

    pub fn faults(&self) -> &Faults<Operation, Fault> {
        &self.front.faults
    }

    /// The calls to this site.
    pub fn calls(&self) -> Vec<Call> {
        self.front.shared.calls.matching(|call| call.site == self.name())
    }

    /// Every answer comes this much later.
    pub fn set_latency(&self, latency: Duration) {
        *self.front.latency.lock() = latency;
    }

    /// The site is gone: its processes are dead and connections are refused.
    pub fn die(&self) {
        self.set_running(false);
        self.server.set_door(Door::Refusing);
    }

    /// The site is gone and nothing comes back from where it was.
    pub fn die_silently(&self) {
        self.set_running(false);
        self.server.set_door(Door::Silent);
    }

    /// The cluster runs and replicates, but REST clients hear nothing.
    pub fn ignore_clients(&self) {
        self.server.set_door(Door::Silent);
    }

    /// The site is back as it was, with its memory: it was only unreachable.
    pub fn come_back(&self) {
        self.set_running(true);
        self.server.set_door(Door::Open);
    }

    /// All nodes restart at once: every backup is `online` again, whatever it was.
    pub fn restart(&self) {
        if let Some(cluster) = self.front.shared.state.lock().world.cluster_mut(self.name()) {
            cluster.restart();
        }
        self.server.drop_connections();
        self.server.set_door(Door::Open);
    }

    /// The bridge moves to another node, or to none.
    pub fn set_relay(&self, node: Option<usize>) {
        if let Some(cluster) = self.front.shared.state.lock().world.cluster_mut(self.name()) {
            cluster.relay = node;
        }
    }

    fn set_running(&self, running: bool) {
        if let Some(cluster) = self.front.shared.state.lock().world.cluster_mut(self.name()) {
            cluster.running = running;
        }
    }
}
