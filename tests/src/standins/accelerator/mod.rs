//! A Global Accelerator control plane.
//!
//! Plain HTTP, AWS JSON 1.1, spoken to by the real SDK. It follows the documented service: lists come ten
//! to a page, `UpdateEndpointGroup` replaces the whole list of endpoints and resets what it is not given
//! back, omitting the list changes nothing while an empty one empties the group, every error is served as
//! HTTP 400, and only requests signed for us-west-2 are taken. It knows the operations of [`Operation`] and
//! refuses every other one, and every input field it does not know.
//!
//! What it is for is the rest: a call that changes the endpoints and whose reply is lost, reads that show
//! what was there before, a transaction that somebody else has in progress. [`AcceleratorStandIn::faults`]
//! orders them, [`AcceleratorStandIn::world`] is the console at which a person edits by hand, and
//! [`AcceleratorStandIn::calls`] is what was asked.
//!
//! What it hides: signatures are read and not verified, nobody's IAM policy is enforced (order
//! [`Fault::AccessDenied`]), and the edge follows at once, so no accelerator is ever `IN_PROGRESS` unless a
//! test says so.

mod operations;
mod wire;
mod world;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use serde_json::Value;

use super::calls::CallLog;
use super::faults::Faults;
use super::server::{Door, Received, Reply, Server, StartError};
use wire::{ServiceError, Signature};

pub use operations::Undocumented;
pub use wire::{CONTROL_PLANE_REGION, Operation};
pub use world::{
    ACCOUNT, Accelerator, Endpoint, EndpointGroup, Health, HealthCheck, Listener, Owner, World, balancer_arn,
};

/// What can go wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Somebody else's change is under way; nothing happens. Retryable, and the SDK does not know it.
    TransactionInProgress,
    /// Likewise, the service's own failure; served as HTTP 400 like everything.
    InternalServiceError,
    Throttled,
    AccessDenied,
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
    fn error(self, operation: Operation) -> Option<ServiceError> {
        match self {
            Self::TransactionInProgress => Some(ServiceError::new(
                "TransactionInProgressException",
                "There's already a transaction in progress. Another transaction can't be processed.",
            )),
            Self::InternalServiceError => Some(ServiceError::new(
                "InternalServiceErrorException",
                "Internal service error.",
            )),
            Self::Throttled => Some(ServiceError::new("ThrottlingException", "Rate exceeded")),
            Self::AccessDenied => Some(ServiceError::new(
                "AccessDeniedException",
                format!(
                    "User is not authorized to perform: globalaccelerator:{} because no identity-based \
                     policy allows it",
                    operation.name()
                ),
            )),
            Self::Hang | Self::ClosedBeforeEffect | Self::AppliedReplyLost | Self::AppliedThenHang => None,
        }
    }
}

/// One call, as it arrived.
#[derive(Debug, Clone)]
pub struct Call {
    pub at: Instant,
    /// The operation named by the request, also one that is unknown here.
    pub operation: String,
    pub input: Value,
    pub outcome: Outcome,
    pub access_key_id: Option<String>,
}

impl Call {
    pub fn is(&self, operation: Operation) -> bool {
        self.operation == operation.name()
    }

    /// Whether it changed endpoints, its reply lost or not.
    pub fn took_effect(&self) -> bool {
        Operation::ALL
            .iter()
            .any(|known| known.writes() && self.is(*known))
            && matches!(
                self.outcome,
                Outcome::Answered | Outcome::Met(Fault::AppliedReplyLost | Fault::AppliedThenHang)
            )
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    /// The service said no, of its own accord.
    Refused {
        kind: String,
        message: String,
    },
    /// A fault that had been ordered.
    Met(Fault),
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Answered => write!(f, "{} answered", self.operation),
            Outcome::Refused { kind, message } => write!(f, "{} refused: {kind}: {message}", self.operation),
            Outcome::Met(fault) => write!(f, "{} met {fault:?}", self.operation),
        }
    }
}

/// A running control plane; dropping it stops it.
#[derive(Debug)]
pub struct AcceleratorStandIn {
    shared: Arc<Shared>,
    server: Server,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    faults: Faults<Operation, Fault>,
    calls: CallLog<Call>,
    requests: AtomicU64,
}

#[derive(Debug)]
struct State {
    world: World,
    /// What lagging reads show, and how many still do.
    before_last_write: Option<World>,
    lagging_reads_left: usize,
    lagging_reads_per_write: usize,
    undocumented: Undocumented,
    strips_tags: bool,
    latency: Duration,
}

impl AcceleratorStandIn {
    pub fn start(world: World) -> Result<Self, StartError> {
        let state = State {
            world,
            before_last_write: None,
            lagging_reads_left: 0,
            lagging_reads_per_write: 0,
            undocumented: Undocumented::default(),
            strips_tags: false,
            latency: Duration::ZERO,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            faults: Faults::default(),
            calls: CallLog::default(),
            requests: AtomicU64::new(0),
        });
        let server = Server::answering("Global Accelerator", None, &shared, Shared::respond)?;
        Ok(Self { shared, server })
    }

    /// For `AWS_ENDPOINT_URL_GLOBAL_ACCELERATOR`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The world, to look at and to edit by hand. Hold it no longer than the edit: calls wait for it,
    /// and two in one statement wait for each other for ever.
    pub fn world(&self) -> MappedMutexGuard<'_, World> {
        MutexGuard::map(self.shared.state.lock(), |state| &mut state.world)
    }

    pub fn faults(&self) -> &Faults<Operation, Fault> {
        &self.shared.faults
    }

    pub fn calls(&self) -> &CallLog<Call> {
        &self.shared.calls
    }

    /// The calls that changed endpoints, or would have if their fault had let them.
    pub fn writes(&self) -> Vec<Call> {
        self.calls().matching(|call| {
            Operation::ALL
                .iter()
                .any(|known| known.writes() && call.is(*known))
        })
    }

    /// From now on, after each write the next `reads` reads of endpoint groups show what was before it.
    pub fn lag_reads_after_writes(&self, reads: usize) {
        let mut state = self.shared.state.lock();
        state.lagging_reads_per_write = reads;
        if reads == 0 {
            state.lagging_reads_left = 0;
        }
    }

    pub fn set_undocumented(&self, undocumented: Undocumented) {
        self.shared.state.lock().undocumented = undocumented;
    }

    /// From now on some other tool takes away at once what anybody writes as a tag.
    pub fn strip_tags(&self) {
        self.shared.state.lock().strips_tags = true;
    }

    /// Every answer comes this much later.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.state.lock().latency = latency;
    }

    /// The whole control plane is away: connections are refused, until [`AcceleratorStandIn::come_back`].
    pub fn go_away(&self) {
        self.server.set_door(Door::Refusing);
    }

    pub fn come_back(&self) {
        self.server.set_door(Door::Open);
    }
}

impl Shared {
    fn respond(&self, request: &Received) -> Reply {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let signature = Signature::of(&request.headers);
        let named = Operation::of(&request.headers);
        let (outcome, reply) = match Self::admitted(request, signature.as_ref(), &named) {
            Ok(operation) => self.carry_out(operation, request, number),
            Err(error) => refused(error, number),
        };
        let latency = self.state.lock().latency;
        self.calls.record(Call {
            at: Instant::now(),
            operation: named.map_or_else(|unknown| unknown, |known| known.name().to_owned()),
            input: serde_json::from_slice(&request.body).unwrap_or(Value::Null),
            outcome,
            access_key_id: signature.map(|signature| signature.access_key_id),
        });
        match reply {
            Reply::Answer(response) if !latency.is_zero() => Reply::AnswerAfter(latency, response),
            reply => reply,
        }
    }

    /// What comes before the operation: method, signature, a name that is known.
    fn admitted(
        request: &Received,
        signature: Option<&Signature>,
        named: &Result<Operation, String>,
    ) -> Result<Operation, ServiceError> {
        let known = named.clone().map_err(|name| {
            let message = format!("the stand-in of Global Accelerator does not know the operation '{name}'");
            ServiceError::new("UnknownOperationException", message)
        })?;
        if request.method != http::Method::POST || request.uri.path() != "/" {
            let message = format!("{} {} is not POST /", request.method, request.uri.path());
            return Err(ServiceError::new("UnknownOperationException", message));
        }
        Signature::check(signature)?;
        Ok(known)
    }

    fn carry_out(&self, operation: Operation, request: &Received, number: u64) -> (Outcome, Reply) {
        let fault = self.faults.take(operation);
        match fault {
            Some(Fault::Hang) => return (Outcome::Met(Fault::Hang), Reply::Hang),
            Some(Fault::ClosedBeforeEffect) => {
                return (Outcome::Met(Fault::ClosedBeforeEffect), Reply::Close);
            }
            Some(fault) => {
                if let Some(error) = fault.error(operation) {
                    return (
                        Outcome::Met(fault),
                        Reply::Answer(wire::answer(Err(error), number)),
                    );
                }
            }
            None => {}
        }
        let result = self.state.lock().apply(operation, request);
        match (result, fault) {
            (Err(error), _) => refused(error, number),
            (Ok(_), Some(Fault::AppliedReplyLost)) => (Outcome::Met(Fault::AppliedReplyLost), Reply::Close),
            (Ok(_), Some(fault)) => (Outcome::Met(fault), Reply::Hang),
            (Ok(value), None) => (Outcome::Answered, Reply::Answer(wire::answer(Ok(value), number))),
        }
    }
}

fn refused(error: ServiceError, number: u64) -> (Outcome, Reply) {
    let outcome = Outcome::Refused {
        kind: error.kind.to_owned(),
        message: error.message.clone(),
    };
    (outcome, Reply::Answer(wire::answer(Err(error), number)))
}

impl State {
    fn apply(&mut self, operation: Operation, request: &Received) -> Result<Value, ServiceError> {
        if operation.writes() {
            let before = self.world.clone();
            let answer = operations::write(operation, &request.body, &mut self.world, self.undocumented)?;
            self.before_last_write = Some(before);
            self.lagging_reads_left = self.lagging_reads_per_write;
            return Ok(answer);
        }
        if operation.tags() {
            let stripped = self.strips_tags.then(|| self.world.clone());
            let answer = operations::write(operation, &request.body, &mut self.world, self.undocumented);
            if let Some(before) = stripped {
                self.world = before;
            }
            return answer;
        }
        let lags = operation.reads_endpoints() && self.lagging_reads_left > 0;
        let endpoints = match &self.before_last_write {
            Some(before) if lags => before,
            _ => &self.world,
        };
        let answer = operations::read(operation, &request.body, &self.world, endpoints);
        if lags {
            self.lagging_reads_left -= 1;
        }
        answer
    }
}
