//! What stands between a request and a cluster: the node it lands on, authentication, ordered faults.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use parking_lot::Mutex;

use super::digest;
use super::rest::{self, Asked, Permission};
use super::world::World;
use super::{Call, Fault, Operation, Outcome, Role};
use crate::standins::calls::CallLog;
use crate::standins::faults::Faults;
use crate::standins::server::{Received, Reply};

#[derive(Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
    pub(super) role: Role,
}

/// Passwords are only good for tests, and still print nowhere.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}, password [redacted])", self.name, self.role)
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) calls: CallLog<Call>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) world: World,
    pub(super) users: Vec<User>,
    /// How callers may say who they are.
    pub(super) mechanisms: &'static [Mechanism],
}

#[derive(Debug)]
pub(super) struct SiteFront {
    pub(super) site: String,
    pub(super) shared: Arc<Shared>,
    pub(super) faults: Faults<Operation, Fault>,
    pub(super) latency: Mutex<Duration>,
}

impl SiteFront {
    pub(super) fn respond(&self, request: &Received) -> Reply {
        let query = request.uri.query();
        let asked = Asked::of(&request.method, request.uri.path(), query);
        let mut state = self.shared.state.lock();
        let nodes = state
            .world
            .cluster(&self.site)
            .map_or(1, |cluster| cluster.nodes.len().max(1));
        let node = usize::try_from(request.connection).unwrap_or_default() % nodes;
        let (outcome, reply) = match &asked {
            None => answered(
                rest::misfit(&request.method, request.uri.path(), query)
                    .unwrap_or_else(|| unknown(&request.method, &request.uri.to_string())),
            ),
            Some(asked) => match admitted(&state, request, asked.operation.permission()) {
                Err(refusal) => answered(refusal.response(state.mechanisms)),
                Ok(()) => self.carry_out(asked, &mut state.world, node, &request.body),
            },
        };
        drop(state);
        let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
        self.shared.calls.record(Call {
            at: Instant::now(),
            site: self.site.clone(),
            node,
            connection: request.connection,
            operation: asked.as_ref().map(|asked| asked.operation),
            request: format!("{} {target}", request.method),
            cache: asked.as_ref().and_then(|asked| asked.cache.clone()),
            backup_site: asked.and_then(|asked| asked.backup_site),
            user: basic(&request.headers).map(|(user, _)| user),
            outcome,
        });
        let latency = *self.latency.lock();
        match reply {
            Reply::Answer(response) if !latency.is_zero() => Reply::AnswerAfter(latency, response),
            reply => reply,
        }
    }

    fn carry_out(&self, asked: &Asked, world: &mut World, node: usize, body: &[u8]) -> (Outcome, Reply) {
        let fault = self.faults.take(asked.operation);
        match &fault {
            Some(Fault::Hang) => return (Outcome::Met(Fault::Hang), Reply::Hang),
            Some(Fault::ClosedBeforeEffect) => {
                return (Outcome::Met(Fault::ClosedBeforeEffect), Reply::Close);
            }
            Some(Fault::Status(status)) => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let response = if status == StatusCode::UNAUTHORIZED {
                    Refusal::NotThisPassword(Mechanism::Basic).response(&[Mechanism::Basic])
                } else {
                    rest::text(status, "the stand-in was told to say so")
                };
                return (
                    Outcome::Met(Fault::Status(status.as_u16())),
                    Reply::Answer(response),
                );
            }
            _ => {}
        }
        let caches = match &fault {
            Some(Fault::Caches(caches)) => caches.iter().cloned().collect(),
            _ => BTreeMap::new(),
        };
        let response = rest::respond(asked, world, &self.site, node, &caches, body);
        match fault {
            Some(Fault::AppliedReplyLost) => (Outcome::Met(Fault::AppliedReplyLost), Reply::Close),
            Some(Fault::AppliedThenHang) => (Outcome::Met(Fault::AppliedThenHang), Reply::Hang),
            Some(fault) => (Outcome::Met(fault), Reply::Answer(response)),
            None => answered(response),
        }
    }
}

fn answered(response: Response<Bytes>) -> (Outcome, Reply) {
    (
        Outcome::Answered(response.status().as_u16()),
        Reply::Answer(response),
    )
}

/// How a caller may say who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Digest,
    Basic,
}

/// What a server of no special configuration takes.
pub(super) const EITHER: &[Mechanism] = &[Mechanism::Digest, Mechanism::Basic];
/// What many are configured to take.
pub(super) const DIGEST_ALONE: &[Mechanism] = &[Mechanism::Digest];

impl Mechanism {
    fn challenge(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Digest => {
                "Digest realm=\"default\", nonce=\"c3RhbmQtaW4=\", opaque=\"00000000000000000000000000000000\", \
                 algorithm=MD5, qop=auth"
            }
            Self::Basic => "Basic realm=\"default\"",
        })
    }
}

/// Why a request is not carried out.
enum Refusal {
    Unauthenticated,
    /// What it said is wrong, and only the way in which it said it is offered again.
    NotThisPassword(Mechanism),
    /// It is not among those that are taken, which no challenge names then.
    NotTaken(Mechanism),
    LacksAdmin {
        user: String,
    },
}

impl Refusal {
    fn response(&self, taken: &'static [Mechanism]) -> Response<Bytes> {
        let offered: &[Mechanism] = match self {
            Self::Unauthenticated => taken,
            Self::NotTaken(mechanism) => {
                let name = format!("{mechanism:?}").to_uppercase();
                let message =
                    format!("ISPN080052: The request authentication mechanism '{name}' is not supported");
                return rest::text(StatusCode::FORBIDDEN, &message);
            }
            Self::NotThisPassword(mechanism) => &[*mechanism],
            Self::LacksAdmin { user } => {
                let message = format!(
                    "ISPN000287: Unauthorized access: subject 'Subject with principal(s): [{user}, \
                     RolePrincipal{{name='observer'}}]' lacks 'ADMIN' permission"
                );
                return rest::bare(StatusCode::FORBIDDEN, &message);
            }
        };
        let mut response = rest::empty(StatusCode::UNAUTHORIZED);
        for mechanism in offered {
            response
                .headers_mut()
                .append("www-authenticate", mechanism.challenge());
        }
        response
    }
}

fn admitted(state: &State, request: &Received, permission: Permission) -> Result<(), Refusal> {
    if permission == Permission::Anyone {
        return Ok(());
    }
    let users = &state.users;
    let said = request
        .headers
        .get("authorization")
        .and_then(|said| said.to_str().ok())
        .ok_or(Refusal::Unauthenticated)?;
    let mechanism = if said.starts_with("Digest ") {
        Mechanism::Digest
    } else {
        Mechanism::Basic
    };
    if !state.mechanisms.contains(&mechanism) {
        return Err(Refusal::NotTaken(mechanism));
    }
    let user = match said.strip_prefix("Digest ") {
        Some(said) => {
            let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
            let known =
                |user: &&User| digest::proves(said, &request.method, target, &user.name, &user.password);
            users.iter().find(known)
        }
        None => {
            let (name, password) = basic(&request.headers).ok_or(Refusal::Unauthenticated)?;
            let known = |user: &&User| user.name == name && user.password == password;
            users.iter().find(known)
        }
    };
    match user {
        None => Err(Refusal::NotThisPassword(mechanism)),
        Some(user) if permission == Permission::Admin && user.role != Role::Admin => {
            Err(Refusal::LacksAdmin {
                user: user.name.clone(),
            })
        }
        Some(_) => Ok(()),
    }
}

/// User and password of a Basic authorization.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = headers
        .get("authorization")?
        .to_str()
        .ok()?
        .strip_prefix("Basic ")?;
    let decoded = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn unknown(method: &Method, uri: &str) -> Response<Bytes> {
    let message = format!("the stand-in of Infinispan does not know {method} {uri}");
    rest::text(StatusCode::NOT_FOUND, &message)
}
