//! Walks a plan: each step becomes its calls, in order, and nothing else does.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::ahead::PreparedSteps;
use super::failure::Failure;
use super::learned::Learned;
use super::lock::{self, Lock};
use super::pace::Pace;
use super::stacks::Driver;
use super::{Session, Wanted};
use crate::observed::Identity;
use crate::plan::turns::{StepTurn, turns};
use crate::plan::{Plan, Step};
use crate::report;
use crate::topology::{Region, Topology};
use crate::world::accelerator::Accelerators;
use crate::world::artifacts::Bucket;
use crate::world::functions::{Functions, Readiness};
use crate::world::register::Table;
use futures_util::future::maybe_done;

/// A new function is ready within seconds; in a VPC its interfaces take a minute or two.
const FUNCTION_READY_WITHIN: Duration = Duration::from_secs(300);

/// How a walk differs by verb.
#[derive(Debug, Clone, Copy)]
pub struct Walk<'a> {
    pub session: &'a Session,
    pub topology: &'a Topology,
    pub identity: &'a Identity,
    /// What is deployed; nothing, when everything goes.
    pub wanted: Option<&'a Wanted<'a>>,
    /// `apply` or `destroy`, for those who find the lock.
    pub verb: &'a str,
    /// Take the lock from the run that has it.
    pub breaks_lock: bool,
    /// How long the watchdogs have.
    pub watchdogs_within: Duration,
    /// What was answered on the way.
    pub learned: &'a Learned,
    /// Where to note the steps that came to their end, if anybody wants to know.
    pub completed: Option<&'a Completed>,
}

/// The steps that came to their end, in the order in which they did.
#[derive(Debug, Default)]
pub struct Completed(Mutex<Vec<Step>>);

impl Completed {
    pub fn add(&self, step: &Step) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(step.clone());
    }

    pub fn steps(&self) -> Vec<Step> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Walk<'_> {
    /// Carries out every step, and what there is to say when all changes are made. `lock` may be held already; what is
    /// still held at a failure is released.
    pub async fn all(
        &self,
        plan: &Plan,
        mut lock: Option<Lock>,
        last_words: impl Future<Output = ()>,
    ) -> Result<(), Failure> {
        self.session.console.begin(plan.steps.len());
        let result = self.steps(&plan.steps, &mut lock, last_words).await;
        self.session.console.end();
        let released = match lock.take() {
            Some(lock) => lock.release().await,
            None => Ok(()),
        };
        // What went wrong first is what is reported.
        result.and(released)
    }

    async fn steps(
        &self,
        steps: &[Step],
        lock: &mut Option<Lock>,
        last_words: impl Future<Output = ()>,
    ) -> Result<(), Failure> {
        let ahead = PreparedSteps::default();
        let walked = self.turns(steps, lock, &ahead, last_words).await;
        self.take_back(&ahead).await;
        walked
    }

    async fn turns<'a>(
        &self,
        steps: &'a [Step],
        lock: &mut Option<Lock>,
        ahead: &PreparedSteps<'a>,
        last_words: impl Future<Output = ()>,
    ) -> Result<(), Failure> {
        let mut last_words = pin!(maybe_done(last_words));
        for turn in turns(steps, self.topology.first_region()) {
            match turn {
                StepTurn::Clusters(steps) => self.clusters(steps, lock.as_ref()).await?,
                StepTurn::Lanes(lanes) => self.lanes(&lanes, lock.as_ref(), ahead).await?,
                StepTurn::TakeLock { step, region, bucket } => {
                    self.may_go_on(lock.as_ref())?;
                    self.begin(step);
                    if lock.is_none() {
                        *lock = Some(self.take_lock(region, bucket).await?);
                    }
                    self.done(step);
                }
                StepTurn::ReleaseLock { looks } => {
                    let look = async {
                        match looks {
                            Some(step) => self.one(step, None, ahead).await,
                            None => Ok(()),
                        }
                    };
                    let release = async {
                        match lock.take() {
                            Some(held) => held.release().await,
                            None => Ok(()),
                        }
                    };
                    let (looked, released, ()) = tokio::join!(look, release, last_words.as_mut());
                    looked.and(released)?;
                    self.done(&Step::ReleaseLock);
                }
                StepTurn::One { step, meanwhile } => {
                    let prepare = async {
                        if let Some(later) = meanwhile {
                            self.prepare(later, lock.as_ref(), ahead).await;
                        }
                    };
                    tokio::join!(self.one(step, lock.as_ref(), ahead), prepare).0?;
                }
            }
        }
        last_words.await;
        Ok(())
    }

    /// What came of things that were done side by side: the failure to go on with; others are said.
    pub(super) fn side_by_side(&self, results: Vec<Result<(), Failure>>) -> Result<(), Failure> {
        let failures = results.into_iter().filter_map(Result::err);
        let worst = failures.reduce(|first, second| {
            let (worse, other) = first.weighed(second);
            if !matches!(other, Failure::Interrupted) {
                self.session.console.say(&other.text());
            }
            worse
        });
        worst.map_or(Ok(()), Err)
    }

    pub(super) fn begin(&self, step: &Step) {
        if let Some(line) = report::step(step) {
            self.session.console.step(&line);
        }
    }

    /// A step came to its end.
    pub(super) fn done(&self, step: &Step) {
        self.session.console.done(report::step(step).as_deref());
        if let Some(completed) = self.completed {
            completed.add(step);
        }
    }

    /// Takes the lock that a step asks for.
    pub async fn take_lock(&self, region: &Region, bucket: &str) -> Result<Lock, Failure> {
        lock::take(
            self.bucket(region, bucket),
            self.identity,
            self.topology.name.as_str(),
            self.verb,
            self.breaks_lock,
        )
        .await
    }

    /// Removes the lock that a run of this machine left behind when it died.
    pub async fn tidy_lock(&self) -> Result<(), Failure> {
        let region = self.topology.first_region();
        let name = self.topology.bucket_name(&self.identity.account_id, region);
        let bucket = self.bucket(region, &name);
        lock::tidy(&bucket, self.identity, self.topology.name.as_str()).await
    }

    pub(super) fn driver(&self, region: &Region) -> Driver<'_> {
        Driver::new(self.session, self.topology, region)
    }

    fn bucket(&self, region: &Region, name: &str) -> Bucket {
        Bucket::new(
            self.session.aws.s3(region),
            region,
            name,
            &self.identity.account_id,
        )
    }

    pub(super) async fn step(&self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::AwaitStack { region, stack, .. } => self.driver(region).await_settled(stack).await,
            Step::ContinueRollback { region, stack } => self.driver(region).continue_rollback(stack).await,
            Step::CreateStack(goal) => self.driver(&goal.region).reach(goal, true, self.learned).await,
            Step::UpdateStack(goal) => self.driver(&goal.region).reach(goal, false, self.learned).await,
            Step::DeleteStack {
                region, stack, id, ..
            } => self.driver(region).delete(stack, id).await,
            Step::Upload {
                region,
                bucket,
                package,
            } => {
                let Some(function) = self.wanted.and_then(|wanted| wanted.function.as_ref()) else {
                    return Ok(());
                };
                let version = self
                    .bucket(region, bucket)
                    .put(&package.key(), function.zip.clone(), "application/zip")
                    .await?;
                self.learned.note_version(region, version);
                Ok(())
            }
            Step::MarkAccelerator(mark) => {
                let accelerators = Accelerators::new(self.session.aws.global_accelerator());
                let arn = &mark.accelerator_arn;
                accelerators.mark(arn, &mark.owner).await?;
                // The last writer wins, and it need not have been this one.
                match accelerators.owner(arn).await? {
                    Some(found) if found == mark.owner => Ok(()),
                    found => Err(Failure::NotMarked {
                        arn: arn.clone(),
                        found,
                    }),
                }
            }
            Step::UnmarkAccelerator(mark) => {
                let accelerators = Accelerators::new(self.session.aws.global_accelerator());
                let arn = &mark.accelerator_arn;
                match accelerators.owner(arn).await {
                    Ok(Some(found)) if found == mark.owner => Ok(accelerators.unmark(arn).await?),
                    Ok(_) => Ok(()),
                    // An accelerator that is gone says nothing any more.
                    Err(error) if error.is("AcceleratorNotFoundException") => Ok(()),
                    Err(error) => Err(error.into()),
                }
            }
            Step::AwaitFunction {
                region,
                function,
                code_sha256,
            } => self.await_function(region, function, code_sha256).await,
            Step::UnprotectTable { region, table } => {
                let at = async |region: &Region| {
                    let client = self.session.aws.dynamodb(region, None).await;
                    Table::new(client, region, table)
                };
                // Each replica has a protection of its own.
                for region in at(region).await.regions().await? {
                    at(&region).await.unprotect().await?;
                }
                Ok(())
            }
            Step::EmptyBucket { region, bucket } => {
                let bucket = self.bucket(region, bucket);
                while bucket.delete_some_versions().await? > 0 {
                    self.session.interrupt.check()?;
                }
                Ok(())
            }
            Step::ConfirmEpoch {
                registers,
                timeout_seconds,
            } => {
                let timeout = Duration::from_secs((*timeout_seconds).into());
                self.session.interrupt.pause(timeout).await?;
                for (place, epoch) in registers {
                    let role_arn = place.role_arn.as_deref();
                    let client = self.session.aws.dynamodb(&place.region, role_arn).await;
                    let table = Table::new(client, &place.region, &place.table);
                    match table.read(&self.topology.name).await?.map(|it| it.item) {
                        Some(register) if register.was_decided_after(*epoch) => {
                            return Err(Failure::DecidedMeanwhile { register });
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
            Step::ForgetItems {
                region,
                table,
                role_arn,
            } => {
                let client = self.session.aws.dynamodb(region, role_arn.as_deref()).await;
                Table::new(client, region, table)
                    .forget(&self.topology.name)
                    .await?;
                Ok(())
            }
            Step::AwaitWatchdogs { sites, .. } => self.await_watchdogs(sites).await,
            // These have turns of their own.
            Step::TakeLock { .. }
            | Step::ReleaseLock
            | Step::ApplyObject(_)
            | Step::DeleteObject { .. }
            | Step::MergeUserWorkloadConfig { .. }
            | Step::UndoUserWorkloadConfig { .. }
            | Step::AwaitRollout { .. } => Ok(()),
        }
    }

    async fn await_function(&self, region: &Region, function: &str, wanted: &str) -> Result<(), Failure> {
        let functions = Functions::new(self.session.aws.lambda(region), region);
        let not_ready = |reason: String| Failure::FunctionNotReady {
            function: function.to_owned(),
            region: region.clone(),
            reason,
        };
        let mut pace = Pace::new();
        let wait = async {
            loop {
                match functions.readiness(function).await? {
                    Readiness::Ready {
                        code_sha256: Some(runs),
                    } if runs != wanted => {
                        return Err(Failure::ForeignCode {
                            function: function.to_owned(),
                            region: region.clone(),
                            runs,
                            wanted: wanted.to_owned(),
                        });
                    }
                    Readiness::Ready { .. } => return Ok(()),
                    Readiness::Failed { reason } => return Err(not_ready(reason)),
                    Readiness::Absent => return Err(not_ready("it is not there".to_owned())),
                    Readiness::Pending => pace.pause(self.session).await?,
                }
            }
        };
        match tokio::time::timeout(FUNCTION_READY_WITHIN, wait).await {
            Ok(result) => result,
            Err(_) => Err(not_ready(format!(
                "still pending after {} seconds",
                FUNCTION_READY_WITHIN.as_secs()
            ))),
        }
    }
}
