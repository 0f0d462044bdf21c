//! A Kubernetes API server, one cluster per value.
//!
//! HTTPS with an authority of its own, spoken to by any client. It serves discovery in both forms, the kinds that
//! Sitefence reads and writes, and those that CustomResourceDefinitions bring: take one away and its kind is gone.
//! Server-side apply tracks who owns which field and refuses what others own; updates need the resourceVersion they
//! read; what the schema of a definition does not allow is refused as the real server refuses it, and in its words.
//!
//! ```text
//!   kubeconfig ──▶ token ──▶ RBAC ──▶ faults ──▶ schema ──▶ objects ──▶ what the cluster's operators do about it
//!      401                   403      ordered     422, 400   409, 404
//! ```
//!
//! [`ClusterStandIn::faults`] orders what is to go wrong, [`ClusterStandIn::world`] is the administrator's console,
//! [`ClusterStandIn::calls`] is what was asked; [`Builder::counter`] counts changes, and stops whoever makes them
//! before or after one of them, together with those that a [`super::gate::Gate`] sees.
//!
//! What it hides: nothing is watched, selected or paged; strategic and JSON patches are refused; objects are read in the version that
//! they were written in, since nobody here converts them; owners do not take what they own with them; rules in CEL
//! are not evaluated. Of built-in kinds only Secrets and ConfigMaps are judged field by field.

mod admission;
mod asked;
mod collections;
mod discovery;
mod fields;
mod front;
mod kinds;
mod kubeconfig;
mod merge;
mod objects;
mod operators;
mod path;
mod proxy;
pub mod real;
mod rights;
mod schema;
mod shape;
mod status;
mod upstream;
mod verbs;
mod workloads;
mod world;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use provisioner::topology::Platform;
use serde_json::Value;

use super::calls::CallLog;
use super::certificates::{TestAuthority, Validity};
use super::faults::Faults;
use super::gate::Counter;
use super::server::{Door, Server, StartError};
use front::{Front, State, User};
use rights::{Denial, Rights};
use status::Refusal;

pub use asked::Verb;
pub use kubeconfig::{Context, Credentials, kubeconfig, write_kubeconfig};
pub use objects::{Exposure, SiteObjects, open_monitoring_definitions, operators_definitions};
pub use operators::Rollout;

pub use world::{NotThere, World};

const WHAT: &str = "a Kubernetes API server";

/// Who the cluster's administrator is, and how he signs in.
pub const ADMINISTRATOR: &str = "cluster-admin";
const ADMINISTRATORS_TOKEN: &str = "the-administrators-token";

/// What a fault is ordered for: a verb, on one kind or on all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    verb: Verb,
    kind: &'static str,
}

/// The kinds that faults can be ordered for.
const KINDS: [&str; 16] = [
    "AlertmanagerConfig",
    "Cache",
    "ConfigMap",
    "CustomResourceDefinition",
    "Deployment",
    "Infinispan",
    "Ingress",
    "Keycloak",
    "Namespace",
    "Pod",
    "PodMonitor",
    "PrometheusRule",
    "Route",
    "Secret",
    "Service",
    "StatefulSet",
];

impl Target {
    /// One kind; nothing for a kind that no fault can be ordered for.
    pub fn known(verb: Verb, kind: &str) -> Option<Self> {
        let kind = KINDS.iter().find(|known| **known == kind)?;
        Some(Self { verb, kind })
    }

    pub fn every(verb: Verb) -> Self {
        Self { verb, kind: "" }
    }
}

/// What can go wrong with one call.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// 429, and after how many seconds to come back.
    TooManyRequests(u32),
    /// 500.
    Internal,
    /// 503.
    Unavailable,
    /// 410: what a list goes on from, or a version, is gone.
    Expired,
    /// Somebody edits just before the call is carried out.
    Meanwhile(fn(&mut World)),
    /// Nothing happens and nothing is answered.
    Hang,
    /// Nothing happens and the connection is closed.
    ClosedBeforeEffect,
    /// It happens, and the connection is closed instead of answering.
    AppliedReplyLost,
    /// It happens, and nothing is answered: the moment to kill the caller in.
    AppliedThenHang,
}

impl Fault {
    fn refusal(self) -> Option<Refusal> {
        Some(match self {
            Self::TooManyRequests(seconds) => Refusal::too_many_requests(seconds),
            Self::Internal => Refusal::new(
                500,
                "InternalError",
                "Internal error occurred: etcdserver: leader changed",
            ),
            Self::Unavailable => Refusal::new(503, "ServiceUnavailable", "apiserver not ready"),
            Self::Expired => Refusal::new(
                410,
                "Expired",
                "The provided continue parameter is too old to display a consistent list result. You can start a new \
                 list without the continue parameter.",
            ),
            Self::Meanwhile(_)
            | Self::Hang
            | Self::ClosedBeforeEffect
            | Self::AppliedReplyLost
            | Self::AppliedThenHang => return None,
        })
    }
}

/// One call, as it arrived.
#[derive(Debug, Clone)]
pub struct Call {
    pub at: Instant,
    pub cluster: String,
    pub verb: Verb,
    /// Empty for what is no object.
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub is_dry_run: bool,
    pub field_manager: Option<String>,
    pub is_forced: bool,
    /// None for whoever did not sign in.
    pub user: Option<String>,
    pub request: String,
    pub outcome: Outcome,
}

impl Call {
    /// Whether it changed an object, its reply lost or not.
    pub fn took_effect(&self) -> bool {
        self.verb.changes()
            && !self.is_dry_run
            && !self.kind.starts_with("SelfSubject")
            && match self.outcome {
                Outcome::Answered(code) => (200..300).contains(&code),
                Outcome::Met(fault) => matches!(fault, Fault::AppliedReplyLost | Fault::AppliedThenHang),
            }
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Outcome {
    Answered(u16),
    /// A fault that had been ordered.
    Met(Fault),
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outcome {
            Outcome::Answered(code) => write!(f, "{}: {} answered {code}", self.cluster, self.request),
            Outcome::Met(fault) => write!(f, "{}: {} met {fault:?}", self.cluster, self.request),
        }
    }
}

/// What a cluster is built from.
#[derive(Debug)]
pub struct Builder {
    name: String,
    platform: Platform,
    definitions: Vec<Value>,
    objects: Vec<(&'static str, Value)>,
    counter: Counter,
}

impl Builder {
    /// The CustomResourceDefinitions that operators would have brought, as documents.
    #[must_use]
    pub fn definitions(mut self, definitions: impl IntoIterator<Item = Value>) -> Self {
        self.definitions.extend(definitions);
        self
    }

    /// What a site of a topology has, before Sitefence comes.
    #[must_use]
    pub fn site(mut self, site: &SiteObjects) -> Self {
        self.objects.extend(site.objects(self.platform));
        self
    }

    /// Changes are counted there.
    #[must_use]
    pub fn counter(mut self, counter: &Counter) -> Self {
        self.counter = counter.clone();
        self
    }

    pub fn start(self) -> Result<ClusterStandIn, StartError> {
        let authority = TestAuthority::new(&format!("authority of {}", self.name))?;
        let tls = authority.server(&["localhost", "127.0.0.1"], Validity::Current)?;
        let administrator = User {
            name: ADMINISTRATOR.to_owned(),
            token: format!("{}-{ADMINISTRATORS_TOKEN}", self.name),
            rights: Rights::all(),
        };
        let mut world = World::new(self.platform);
        let real = |said: String| StartError::Real { what: WHAT, said };
        let lease = world.lease(&self.definitions).map_err(real)?;
        for definition in self.definitions {
            world.put_as("olm", definition).map_err(|error| real(error.0))?;
        }
        for (manager, manifest) in self.objects {
            // Kinds that this cluster does not serve are left out, as their operators would be.
            if world.serves(&manifest) {
                world.put_as(manager, manifest).map_err(|error| real(error.0))?;
            }
        }
        workloads::settle(&mut world);
        let front = Arc::new(Front {
            name: self.name,
            state: Mutex::new(State {
                world,
                lease,
                users: vec![administrator],
                denials: Vec::new(),
            }),
            faults: Faults::default(),
            calls: Arc::new(CallLog::default()),
            counter: self.counter,
        });
        let server = Server::answering(WHAT, Some(tls), &front, Front::respond)?;
        Ok(ClusterStandIn {
            front,
            server,
            authority,
        })
    }
}

/// A running cluster; dropping it stops it.
#[derive(Debug)]
pub struct ClusterStandIn {
    front: Arc<Front>,
    server: Server,
    authority: TestAuthority,
}

impl ClusterStandIn {
    /// A cluster of a platform with the kinds that it is born with; a name to tell it from others in what is said.
    pub fn builder(name: &str, platform: Platform) -> Builder {
        Builder {
            name: name.to_owned(),
            platform,
            definitions: Vec::new(),
            objects: Vec::new(),
            counter: Counter::default(),
        }
    }

    /// Whether a real API server answers: what only the stand-in does is then no test.
    pub fn is_real() -> bool {
        std::env::var_os(real::VARIABLE).is_some_and(|file| !file.is_empty())
    }

    /// The real server itself, past the front, which lets no watch through.
    pub fn address(&self) -> Option<real::Address> {
        let state = self.front.state.lock();
        state.lease.as_ref().map(|lease| lease.upstream.address.clone())
    }

    pub fn name(&self) -> &str {
        &self.front.name
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.server.address())
    }

    /// The authority that a kubeconfig names.
    pub fn authority(&self) -> &TestAuthority {
        &self.authority
    }

    pub fn token(&self) -> String {
        format!("{}-{ADMINISTRATORS_TOKEN}", self.name())
    }

    /// Another user, with what the Roles, ClusterRoles and bindings among `manifests` grant; his token.
    ///
    /// # Panics
    /// Where a real API server does not take them.
    pub fn add_user(&self, name: &str, manifests: &[Value]) -> String {
        let token = format!("token-of-{name}");
        let mut state = self.front.state.lock();
        state.users.retain(|user| user.name != name);
        state.users.push(User {
            name: name.to_owned(),
            token: token.clone(),
            rights: Rights::of_manifests(name, manifests),
        });
        if let Some(lease) = &state.lease {
            let granted = lease.upstream.grant(name, manifests);
            assert!(
                granted.is_ok(),
                "the rights of {name} cannot be granted: {granted:?}"
            );
        }
        token
    }

    /// From now on nobody may do this, in one namespace or in any; `*` for every verb or every resource.
    pub fn deny(&self, verb: &str, resource: &str, namespace: Option<&str>) {
        self.front.state.lock().denials.push(Denial {
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
        });
    }

    /// Nothing is denied any more.
    pub fn lift_denials(&self) {
        self.front.state.lock().denials.clear();
    }

    /// The objects, to look at and to edit. Hold it no longer than the edit: calls wait for it,
    /// and two in one statement wait for each other for ever.
    pub fn world(&self) -> MappedMutexGuard<'_, World> {
        let mut state = self.front.state.lock();
        state.world.refresh();
        MutexGuard::map(state, |state| &mut state.world)
    }

    pub fn faults(&self) -> &Faults<Target, Fault> {
        &self.front.faults
    }

    pub fn calls(&self) -> &CallLog<Call> {
        &self.front.calls
    }

    /// The calls that changed objects.
    pub fn changes(&self) -> Vec<Call> {
        self.calls().matching(Call::took_effect)
    }

    /// How the pods that the cluster's operators and controllers keep come and go.
    pub fn set_rollout(&self, rollout: Rollout) {
        self.front.state.lock().world.rollout = rollout;
    }

    /// The API server is gone: connections are refused, until [`ClusterStandIn::come_back`].
    pub fn go_away(&self) {
        self.server.set_door(Door::Refusing);
    }

    /// It takes connections, and nothing comes back.
    pub fn go_silent(&self) {
        self.server.set_door(Door::Silent);
    }

    pub fn come_back(&self) {
        self.server.set_door(Door::Open);
    }
}
