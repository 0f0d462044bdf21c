//! Why a verb did not do what it was asked to, and the exit code for it.

mod hint;

use std::path::PathBuf;

use fencing::answer::Status;
use fencing::contract::{self, Misunderstood};
use jiff::Timestamp;

use crate::check::DocumentError;
use crate::check::plan::PlanBreach;
use crate::observed::RegisterReading;
use crate::observed::cause::StackCause;
use crate::observed::workload::Owner;
use crate::package::PackageError;
use crate::package::elf::ElfError;
use crate::preflight::cluster_problem::ClusterProblem;
use crate::preflight::problem::{Problem, fenced};
use crate::report;
use crate::topology::{Region, SiteName};
use crate::world::aws::SignInError;
use crate::world::build::BuildError;
use crate::world::call::CallError;
use crate::world::kubernetes::ClusterError;

use super::lock_owner::LockOwner;

/// A site whose watchdog did not come through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilentSite {
    pub site: SiteName,
    /// When it last did.
    pub last_seen: Option<Timestamp>,
    /// Where its way seems to end.
    pub hop: String,
}

/// What a failure is to a caller that only sees the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    Failed,
    /// It was not asked for in a way that can be followed.
    Usage,
    /// It would not have been safe.
    Refused,
}

/// Why a verb did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    SignIn(#[from] SignInError),
    #[error(transparent)]
    Call(#[from] CallError),
    /// What was to be sent to the function is more than it takes.
    #[error(transparent)]
    Envelope(#[from] Misunderstood),
    #[error(transparent)]
    Elf(#[from] ElfError),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("{what} cannot be read from {}", path.display())]
    File {
        what: String,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Several at once.
    #[error("{} problem(s) have to be solved first", .0.len())]
    Problems(Vec<Problem>),
    #[error("the stack {stack} in {region} ended in {status}{}", cause_text(cause.as_deref()))]
    Stack {
        stack: String,
        region: Region,
        status: String,
        cause: Option<Box<StackCause>>,
    },
    /// CloudFormation looked at what was to change, and refused.
    #[error(
        "CloudFormation cannot change the stack {stack} in {region}: {}",
        causes_text(reason, causes)
    )]
    ChangeSet {
        stack: String,
        region: Region,
        reason: String,
        causes: Vec<StackCause>,
        /// Why the causes could not be read, if so.
        unread: Option<Box<CallError>>,
    },
    #[error("the function {function} in {region} does not become ready: {reason}")]
    FunctionNotReady {
        function: String,
        region: Region,
        reason: String,
    },
    /// Lambda runs something else than what was uploaded.
    #[error(
        "the function {function} in {region} runs code that is not ours: its package's SHA-256 is {runs}, and {wanted} was \
         deployed"
    )]
    ForeignCode {
        function: String,
        region: Region,
        runs: String,
        wanted: String,
    },
    #[error("the secret `{secret}` has not arrived in {region} yet")]
    NoReplicaYet { secret: String, region: Region },
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    ClusterProblem(Box<ClusterProblem>),
    #[error("{stateful_set} of site `{site}` is not rolled out after {seconds} seconds")]
    NotRolledOut {
        site: SiteName,
        stateful_set: String,
        seconds: u64,
    },
    #[error(
        "everything is in place, but within {seconds} seconds no watchdog alert reached the function from:{}",
        silent_text(sites)
    )]
    WatchdogsSilent { sites: Vec<SilentSite>, seconds: u64 },
    #[error("the stack {stack} in {region} has no output {output}")]
    NoOutput {
        stack: String,
        region: Region,
        output: &'static str,
    },
    #[error(
        "{} is at work on this topology (`provision {}` on {}) since {}, last seen at {}",
        owner.by, owner.verb, owner.host, owner.since, owner.renewed
    )]
    Locked {
        owner: Box<LockOwner>,
        takes_over_at: String,
    },
    #[error("the lock on this topology was taken over{}: someone believed this run to be dead", by_whom(owner.as_deref()))]
    LockLost {
        /// Who has it; unknown when it is gone altogether.
        owner: Option<Box<LockOwner>>,
    },
    #[error("the function {function} is deployed in none of {}", regions.join(", "))]
    NotDeployed { function: String, regions: Vec<Region> },
    #[error("the function {function} in {region} failed: {message}")]
    FunctionFailed {
        function: String,
        region: Region,
        message: String,
    },
    #[error("the answer of the function {function} in {region} is not understood")]
    NoAnswer {
        function: String,
        region: Region,
        #[source]
        source: serde_json::Error,
    },
    /// The function answered, and did not do it. Its sentence says why.
    #[error("{sentence}")]
    NotDone { status: Status, sentence: String },
    #[error(
        "a site was fenced while the function was being removed: the register is `{}`, epoch {}{}",
        register.state(), register.epoch(), fenced(register)
    )]
    DecidedMeanwhile { register: RegisterReading },
    #[error(
        "the accelerator {arn} should carry this topology's tag, but carries {}",
        found.as_deref().unwrap_or("nothing")
    )]
    NotMarked { arn: String, found: Option<String> },
    #[error("site `{site}` has no Keycloak `{name}` in the namespace `{namespace}`")]
    NoKeycloak {
        site: SiteName,
        name: String,
        namespace: String,
    },
    #[error("site `{site}` has no Deployment `{name}` in the namespace `{namespace}`, which would be {what}")]
    NoDeployment {
        site: SiteName,
        what: &'static str,
        name: String,
        namespace: String,
    },
    #[error("gave up on {what} after {seconds} seconds of waiting {until}")]
    WorkloadSlow {
        what: String,
        code: &'static str,
        until: String,
        seconds: u64,
    },
    #[error("{object} is managed by `{}`, which would undo the scaling", owner.name)]
    Controlled {
        object: String,
        code: &'static str,
        owner: Owner,
    },
    #[error(
        "Keycloak of site `{site}` has {pods} pods again: somebody started it while its caches are being brought up \
         to date"
    )]
    KeycloakCameBack { site: SiteName, pods: usize },
    #[error("the cluster of site `{site}` is needed, to scale what runs there: {what}")]
    ClusterNeeded { site: SiteName, what: String },
    #[error("the register cannot be read: {reason}")]
    RegisterUnread { reason: String },
    #[error("the register has no epoch {epoch}")]
    NoSuchEpoch { epoch: u64 },
    #[error("the sites did not see each other within {seconds} seconds: {why}")]
    StillApart { seconds: u64, why: String },
    #[error("`{survivor}` looks alive: {sign}")]
    SurvivorLives { survivor: SiteName, sign: String },
    #[error("the function's URL in {region} cannot be reached: {reason}")]
    Unposted { region: Region, reason: String },
    #[error("the function's URL in {region} answers {status}: {said}")]
    NotRehearsed {
        region: Region,
        status: u16,
        said: String,
    },
    #[error("a drill that cuts the link needs everything in order: {sentence}")]
    NotInOrder { sentence: String },
    #[error("an earlier drill still keeps {} at zero", objects.join(", "))]
    DrillLeft { objects: Vec<String>, file: String },
    #[error(
        "a site should have been fenced within {promised} seconds in the worst case, but none was within {seconds}: \
         {why}"
    )]
    NotFenced {
        promised: u32,
        seconds: u64,
        why: String,
    },
    #[error("something changed between planning and starting")]
    Overtaken,
    #[error("stopped; nothing is lost")]
    Interrupted,
    /// A drill that was asked to stop: to run the same command again would begin another one.
    #[error("stopped; {stands}")]
    DrillStopped {
        /// How the link is.
        stands: &'static str,
        /// What goes on from there.
        next: String,
    },
    /// A fence by force did not end well, and nothing runs meanwhile.
    #[error(transparent)]
    StaysStopped(Box<Failure>),
    #[error("nothing was changed")]
    Declined,
    #[error("this needs consent, and there is no terminal to ask on")]
    NoTerminal,
    #[error("{} cannot be written", path.display())]
    Unwritable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("epoch {epoch} decided nothing, so there is nothing to report")]
    NothingDecided { epoch: u64 },
    #[error("the page cannot be made")]
    Page(#[source] tera::Error),
    #[error("the answer cannot be printed: {reason}")]
    Unprintable { reason: String },
    /// A fault of this program.
    #[error("{}", breaches.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    FaultyPlan { breaches: Vec<PlanBreach> },
    #[error(transparent)]
    Documents(#[from] DocumentError),
}

/// The code of a Keycloak that somebody keeps as it is.
pub(super) const KEYCLOAK_CONTROLLED: &str = "keycloakControlled";

/// The code of a Keycloak that takes too long to go, to come, or to serve.
pub(super) const KEYCLOAK_SLOW: &str = "keycloakSlow";

fn silent_text(sites: &[SilentSite]) -> String {
    let lines = sites.iter().map(|silent| {
        let last = match &silent.last_seen {
            Some(last) => format!("last seen {last}"),
            None => "never seen".to_owned(),
        };
        format!("\n  {} ({last}): {}", silent.site, silent.hop)
    });
    lines.collect()
}

fn by_whom(owner: Option<&LockOwner>) -> String {
    match owner {
        Some(owner) => format!(" by {}", owner.by),
        None => " and is gone".to_owned(),
    }
}

fn cause_text(cause: Option<&StackCause>) -> String {
    cause
        .map(|cause| format!(": {}: {}", cause.resource(), cause.reason))
        .unwrap_or_default()
}

/// Each cause on a line, or what CloudFormation says where there is none to tell.
fn causes_text(reason: &str, causes: &[StackCause]) -> String {
    match causes {
        [] => reason.to_owned(),
        [only] => format!("{}: {}", only.resource(), only.reason),
        several => {
            let lines = several
                .iter()
                .map(|cause| format!("\n  {}: {}", cause.resource(), cause.reason));
            lines.collect()
        }
    }
}

impl From<ClusterProblem> for Failure {
    fn from(problem: ClusterProblem) -> Self {
        Self::ClusterProblem(Box::new(problem))
    }
}

impl Failure {
    /// The Region that stopped answering, if that is all that failed.
    pub fn outage(&self) -> Option<Region> {
        match self {
            Self::Call(error) if error.is_outage() => Region::seen(error.region()),
            _ => None,
        }
    }

    /// Of two things that failed side by side, the one to go on with, and the other one. A fault of its own comes before
    /// an interruption, whose author knows of it, and that before an outage, after which the rest is tried again: else a
    /// refusal would be met twice, and an interruption would be followed by a whole new look.
    #[must_use]
    pub fn weighed(self, other: Self) -> (Self, Self) {
        let weight = |failure: &Self| match failure {
            Self::Interrupted | Self::DrillStopped { .. } => 1,
            Self::Overtaken => 0,
            outage if outage.outage().is_some() => 0,
            _ => 2,
        };
        if weight(&other) > weight(&self) {
            (other, self)
        } else {
            (self, other)
        }
    }

    /// Which of the exit codes it calls for.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Problems(problems) if problems.iter().any(Problem::is_unsafe) => FailureKind::Refused,
            Self::Locked { .. }
            | Self::DecidedMeanwhile { .. }
            | Self::Controlled { .. }
            | Self::NotInOrder { .. }
            | Self::DrillLeft { .. }
            | Self::KeycloakCameBack { .. }
            | Self::SurvivorLives { .. }
            | Self::NotMarked { .. } => FailureKind::Refused,
            Self::NotDone { status, .. } => match status {
                Status::NotNow => FailureKind::Refused,
                Status::Foreign => FailureKind::Usage,
                Status::Retry | Status::Done => FailureKind::Failed,
            },
            Self::StaysStopped(failure) => failure.kind(),
            Self::NoTerminal | Self::Envelope(_) | Self::NoSuchEpoch { .. } | Self::NothingDecided { .. } => {
                FailureKind::Usage
            }
            _ => FailureKind::Failed,
        }
    }

    /// What programs know it by; these names stay.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SignIn(_) => "notSignedIn",
            Self::Call(_) => "awsCallFailed",
            Self::Elf(_) | Self::Package(_) => "badFunction",
            Self::Build(_) => "buildFailed",
            Self::File { .. } => "unreadableFile",
            Self::Problems(_) => "problems",
            Self::Stack { .. } | Self::ChangeSet { .. } | Self::NoOutput { .. } => "stackFailed",
            Self::FunctionNotReady { .. } => "functionNotReady",
            Self::ForeignCode { .. } => "foreignCode",
            Self::NoReplicaYet { .. } => "noReplicaYet",
            Self::Cluster(_) | Self::NotRolledOut { .. } => "clusterFailed",
            Self::ClusterProblem(_) => "clusterProblem",
            Self::WatchdogsSilent { .. } => "watchdogsSilent",
            Self::Locked { .. } => "locked",
            Self::LockLost { .. } => "lockLost",
            Self::NotDeployed { .. } => "notDeployed",
            Self::FunctionFailed { .. } | Self::NoAnswer { .. } | Self::Envelope(_) => "functionFailed",
            Self::NotDone { status, .. } => match status {
                Status::NotNow => "notNow",
                Status::Foreign => "foreign",
                Status::Retry | Status::Done => "notDone",
            },
            Self::DecidedMeanwhile { .. } => "decidedMeanwhile",
            Self::NotMarked { .. } => "notMarked",
            Self::NoKeycloak { .. } => "noKeycloak",
            Self::WorkloadSlow { code, .. } | Self::Controlled { code, .. } => code,
            Self::NoDeployment { .. } => "noDeployment",
            Self::NotInOrder { .. } => "notInOrder",
            Self::DrillLeft { .. } => "drillLeft",
            Self::NotFenced { .. } => "notFenced",
            Self::KeycloakCameBack { .. } => "keycloakCameBack",
            Self::ClusterNeeded { .. } => "clusterNeeded",
            Self::RegisterUnread { .. } => "registerUnread",
            Self::NoSuchEpoch { .. } | Self::NothingDecided { .. } => "noSuchEpoch",
            Self::StillApart { .. } => "stillApart",
            Self::SurvivorLives { .. } => "survivorLives",
            Self::Unposted { .. } => "webhookUnreachable",
            Self::NotRehearsed { .. } => "notRehearsed",
            Self::Overtaken => "overtaken",
            Self::Interrupted | Self::DrillStopped { .. } => "interrupted",
            Self::StaysStopped(failure) => failure.code(),
            Self::Declined => "declined",
            Self::NoTerminal => "noTerminal",
            Self::Unwritable { .. } | Self::Unprintable { .. } => "unwritable",
            Self::Documents(_) | Self::Page(_) => "renderFailed",
            Self::FaultyPlan { .. } => "faultyPlan",
        }
    }

    /// As the person at the terminal reads it.
    pub fn text(&self) -> String {
        match self {
            Self::Problems(problems) => report::problems_text(problems),
            other => report::failure_text(other, other.hint(), other.runbook()),
        }
    }

    /// Where more is to be read than a hint has room for: what each refusal means, and what else stands in the way of
    /// bringing a site back.
    pub fn runbook(&self) -> Option<String> {
        let section = match self {
            Self::StaysStopped(failure) => return failure.runbook(),
            // Each of them has a hint of its own.
            Self::Problems(_) => return None,
            Self::SurvivorLives { .. } => "the-survivor-dies-too",
            Self::Controlled { code, .. } | Self::WorkloadSlow { code, .. }
                if code.starts_with("keycloak") =>
            {
                "a-rejoin-that-stopped"
            }
            Self::KeycloakCameBack { .. }
            | Self::NoKeycloak { .. }
            | Self::ClusterNeeded { .. }
            | Self::StillApart { .. } => "a-rejoin-that-stopped",
            Self::NotFenced { .. }
            | Self::DrillLeft { .. }
            | Self::NoDeployment { .. }
            | Self::Controlled { .. }
            | Self::WorkloadSlow { .. } => "a-drill-that-fenced-nobody",
            Self::RegisterUnread { .. } => "the-function-or-the-register-is-down",
            other if other.kind() == FailureKind::Refused => "errors-by-name",
            _ => return None,
        };
        Some(contract::runbook(section))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::call::AwsCall;

    fn outage() -> Failure {
        Failure::Call(CallError::Refused {
            call: AwsCall::new("DynamoDB", "GetItem", "eu-west-1"),
            code: "ServiceUnavailable".to_owned(),
            message: "later".to_owned(),
        })
    }

    /// Whatever the order in which things failed.
    #[test]
    fn a_fault_comes_before_an_interruption_and_that_before_an_outage() {
        let faults: [fn() -> Failure; 4] = [
            || Failure::Declined,
            || Failure::Interrupted,
            outage,
            || Failure::Overtaken,
        ];
        for (higher, worse) in faults.iter().enumerate() {
            for other in &faults[higher + 1..] {
                let (lost, first) = (worse().to_string(), other().to_string());
                if higher == 2 {
                    // Two of the same weight: the first of them is reported.
                    assert_eq!(worse().weighed(other()).0.to_string(), lost);
                    assert_eq!(other().weighed(worse()).0.to_string(), first);
                    continue;
                }
                assert_eq!(worse().weighed(other()).0.to_string(), lost);
                assert_eq!(other().weighed(worse()).0.to_string(), lost);
                assert_eq!(other().weighed(worse()).1.to_string(), first);
            }
        }
    }
}
