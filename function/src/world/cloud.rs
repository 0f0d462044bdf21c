//! The real world: AWS, two Infinispans, and the process's own clocks.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fencing::answer::Notice;
use fencing::health::Checkup;
use fencing::metrics::{Measured, Metric};
use fencing::register::Record;
use fencing::settings::Settings;
use fencing::step::{Call, Event, Fault};
use fencing::words::{Reporter, TopologyName};
use futures_util::future::join3;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::time::Instant;

use crate::moment::Moment;
use crate::world::accelerator::Accelerator;
use crate::world::aws::{Aws, AwsError};
use crate::world::infinispan::Infinispan;
use crate::world::journal::Journal;
use crate::world::notices::Notices;
use crate::world::register::Register;
use crate::world::secrets::Secrets;
use crate::world::{Lookout as _, World};

/// After something was dropped, its connections are let run so many turns: enough for each to notice that
/// nobody waits for it, and to close.
const TURNS_TO_SETTLE: usize = 4;

/// Why the world cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    #[error(transparent)]
    Aws(#[from] AwsError),
}

/// AWS and the Infinispans, each client made once.
#[derive(Debug)]
pub struct Cloud {
    pub(super) topology: TopologyName,
    pub(super) register: Register,
    pub(super) journal: Journal,
    pub(super) accelerator: Accelerator,
    pub(super) infinispan: Infinispan,
    pub(super) secrets: Arc<Secrets>,
    pub(super) notices: Notices,
    aws: Aws,
    /// How many answers of the accelerator's API a fence asks for at once: each group's, and the tag.
    readings: usize,
    /// Where the register is, if it may be called without assuming a role first.
    register_region: Option<String>,
    /// What was measured and not yet written down.
    pub(super) measured: Mutex<Vec<Measured>>,
    began: Instant,
}

/// Lambda says it; the group is called after the function where it does not.
fn log_group(lookup: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let usual = || lookup("AWS_LAMBDA_FUNCTION_NAME").map(|name| format!("/aws/lambda/{name}"));
    lookup("AWS_LAMBDA_LOG_GROUP_NAME").or_else(usual)
}

impl Cloud {
    /// Makes all clients. `lookup` reads the environment; besides AWS's variables only `LAMBDA_TASK_ROOT` is
    /// looked at, where the CA bundles are.
    pub fn new(settings: &Settings, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, CloudError> {
        let aws = Aws::from_environment(lookup)?;
        let secrets = Arc::new(Secrets::new(&aws, settings));
        let root = lookup("LAMBDA_TASK_ROOT");
        Ok(Self {
            topology: settings.topology.clone(),
            register: Register::new(&aws, settings),
            journal: Journal::new(&aws, settings),
            accelerator: Accelerator::new(&aws, &settings.found),
            infinispan: Infinispan::new(settings, root.as_deref().map(Path::new), &secrets),
            secrets,
            notices: Notices::new(&aws, settings, log_group(lookup).as_deref()),
            readings: settings.found.endpoint_group_arns.len() + 1,
            register_region: settings
                .register_role_arn
                .is_empty()
                .then(|| settings.register_region.clone()),
            aws,
            measured: Mutex::default(),
            began: Instant::now(),
        })
    }

    /// Both sites' Infinispans, for questions that are none of the protocol's.
    pub fn infinispan(&self) -> &Infinispan {
        &self.infinispan
    }
}

impl World for Cloud {
    fn moment(&self) -> Moment {
        Moment {
            wall: Timestamp::now(),
            uptime: self.began.elapsed(),
        }
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn call(&self, call: &Call) -> Event {
        let infinispan = &self.infinispan;
        match call {
            Call::ReadRegister => Event::Register(self.register.read().await),
            Call::WriteRegister { expect, record } => {
                Event::Written(self.register.write(*expect, record).await)
            }
            Call::ReadAccelerator => Event::Accelerator(self.accelerator.read().await),
            Call::ReadMark => {
                let kept = self.journal.kept().await;
                Event::Marked(kept.map(|kept| kept.checkup.and_then(|checkup| checkup.marked)))
            }
            Call::WriteGroup(outcome) => Event::Group(self.accelerator.write(outcome).await),
            Call::NoteReached(reached) => Event::Done(self.accelerator.note(*reached).await),
            Call::ReadWitnesses => {
                let kept = self.journal.kept().await;
                let witnesses =
                    |checkup: Option<Checkup>| checkup.map_or_else(BTreeMap::new, |it| it.witnesses);
                Event::Witnesses(kept.map(|kept| witnesses(kept.checkup)))
            }
            Call::ReadAge { at, node } => Event::Age(infinispan.age(at, node).await),
            Call::ReadView { at } => Event::Views(infinispan.views(at).await),
            Call::TakeOffline { at, backup } => Event::Switched(infinispan.take_offline(at, backup).await),
            Call::BringOnline { at, backup } => Event::Switched(infinispan.bring_online(at, backup).await),
            Call::ReadBackup { at, backup } => Event::Backup(infinispan.backup(at, backup).await),
            Call::ClearCache { at, cache } => Event::Done(infinispan.clear(at, cache).await),
            Call::StartPush { at, backup, caches } if caches.is_empty() => {
                Event::Switched(infinispan.switch(at, backup, "start-push-state").await)
            }
            Call::StartPush { at, backup, caches } => {
                Event::Switched(infinispan.each(at, backup, "start-push-state", caches).await)
            }
            Call::CancelPush { at, backup, caches } => {
                Event::Switched(infinispan.each(at, backup, "cancel-push-state", caches).await)
            }
            Call::CancelReceive { at, from, caches } => {
                Event::Switched(infinispan.each(at, from, "cancel-receive-state", caches).await)
            }
            Call::ReadPushes { at, backup } => Event::Pushes(infinispan.pushes(at, backup).await),
            Call::Pause { .. } | Call::Wait { .. } => Event::Passed,
            Call::ClearPushes { at, caches } => Event::Done(infinispan.clear_pushes(at, caches).await),
        }
    }

    async fn webhook_secret(&self) -> Result<SecretString, Fault> {
        self.secrets.webhook().await
    }

    async fn stamp(&self, reporter: &Reporter) -> Result<(), Fault> {
        self.register.stamp(reporter, Timestamp::now()).await
    }

    async fn chronicle(&self, record: &Record) {
        if let Err(fault) = self.register.chronicle(record).await {
            tracing::warn!(%fault, epoch = record.epoch.0, rev = record.rev.0, "a revision is missing from the history");
        }
    }

    async fn tell(&self, notice: &Notice, record: Option<&Record>) {
        self.measure(Measured::new(Metric::Cause(notice.cause), 1));
        self.notices.tell(notice, record).await;
    }

    async fn prepare(&self) {
        let secret = async {
            if let Err(what) = self.secrets.infinispan().await {
                tracing::warn!("Infinispan's secret could not be read in advance: {what}");
            }
        };
        let aws = self
            .aws
            .open_ahead(self.readings, self.register_region.as_deref());
        join3(secret, aws, self.infinispan.open_ahead()).await;
    }

    fn put_away(&self) {
        self.aws.give_up_opening();
        self.infinispan.give_up_opening();
    }

    async fn settle(&self) {
        for _ in 0..TURNS_TO_SETTLE {
            tokio::task::yield_now().await;
        }
    }
}
