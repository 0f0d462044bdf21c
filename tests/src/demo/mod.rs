//! The demo: a split brain from deployment to removal, with the real programs.
//!
//! ```text
//!   provision (the real one) ──▶ local AWS ──▶ bootstrap (the real one) ──▶ stand-ins of Global Accelerator
//!        ▲    └──▶ stand-ins of     ▲                                       and of two Infinispan clusters
//!        │         two clusters     │
//!     this program ── alerts of two sites' Alertmanagers ┘
//! ```
//!
//! Only what nobody can be given for a demo is a stand-in: the accelerator's control plane, a pair of
//! replicating Infinispan clusters, the API servers of an OpenShift and of a Kubernetes. What is shown is read from those, from the register and from the function's log,
//! never from what was meant to happen; and every sentence with a tick has been checked, or the demo fails.

mod alert;
mod clusters;
mod deploy;
mod leftovers;
mod look;
mod monitoring;
mod play;
mod provision;
mod screen;
mod stage;
mod two_regions;

use std::path::PathBuf;

use provisioner::topology::Architecture;

pub use alert::payload;
pub use monitoring::{basic, value_of};
pub use play::{keep, play};
pub use screen::Untrue;
pub use stage::{ACCELERATOR, EXAMPLE, Stage};
pub use two_regions::play as play_two_regions;

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Something shown is not so.
    #[error(transparent)]
    Untrue(#[from] Untrue),
    /// The local AWS did not start.
    #[error(transparent)]
    LocalAws(#[from] crate::standins::local_aws::StartError),
    /// A stand-in did not start.
    #[error(transparent)]
    StandIn(#[from] crate::standins::StartError),
    /// The local AWS said no to the demo itself.
    #[error(transparent)]
    Call(#[from] crate::standins::local_aws::LocalAwsError),
    /// A rendered rule lacks the alert.
    #[error(transparent)]
    Alert(#[from] alert::NoSuchAlert),
    /// The schemas that the clusters judge by are no schemas.
    #[error(transparent)]
    Schemas(#[from] crate::crds::NoSchemas),
    /// What was applied cannot be Alertmanager's configuration.
    #[error(transparent)]
    Operator(#[from] crate::monitoring::operator::OperatorError),
    /// The real Alertmanager did not start, or did not take an alert.
    #[error(transparent)]
    Daemon(#[from] crate::monitoring::DaemonError),
    /// Nobody was told.
    #[error("no mail is about `{about}`; those that came: {}", subjects.join(", "))]
    NoMail { about: String, subjects: Vec<String> },
    /// The example cannot be played with.
    #[error("{path}: {reason}")]
    Example { path: PathBuf, reason: String },
    /// A file cannot be read or written, or a program not started.
    #[error("cannot use {path}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// `provision` answered what cannot be read.
    #[error("`{command}` printed what is no {what}: {output}")]
    Output {
        command: String,
        /// What it should have been.
        what: &'static str,
        output: String,
    },
}

impl DemoError {
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

/// Where the function comes from.
#[derive(Debug, Clone)]
pub enum Function {
    /// A binary, built for this machine.
    Built(PathBuf),
    /// `provision` carries it, as what is distributed does; this is the processor to deploy it for.
    Carried(Architecture),
}

/// The programs to play with.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The real `provision`.
    pub provision: PathBuf,
    pub function: Function,
    /// The directory with the examples.
    pub examples: PathBuf,
}
