//! Steps side by side, and change sets that are made before their turn.
//!
//! [`turns`](crate::plan::turns) says which. A change set that cannot be made early is made in its step's turn, and says
//! then why it cannot. Those that turn out to be for nothing are taken back.

use futures_util::future::join_all;

use super::ahead::PreparedSteps;
use super::failure::Failure;
use super::lock::Lock;
use super::walk::Walk;
use crate::plan::Step;
use crate::plan::turns::Lane;

impl Walk<'_> {
    /// Carries out lanes side by side. None is cut off by another's failure.
    pub(super) async fn lanes<'a>(
        &self,
        lanes: &[Lane<'a>],
        lock: Option<&Lock>,
        ahead: &PreparedSteps<'a>,
    ) -> Result<(), Failure> {
        let walks = lanes.iter().map(async |lane| {
            for step in &lane.steps {
                self.one(step, lock, ahead).await?;
            }
            if let Some(later) = lane.then {
                self.prepare(later, lock, ahead).await;
            }
            Ok::<(), Failure>(())
        });
        self.side_by_side(join_all(walks).await)
    }

    /// Carries out a step that does not touch the lock.
    pub(super) async fn one(
        &self,
        step: &Step,
        lock: Option<&Lock>,
        ahead: &PreparedSteps<'_>,
    ) -> Result<(), Failure> {
        self.may_go_on(lock)?;
        self.begin(step);
        match (step.goal(), ahead.take(step)) {
            (Some((goal, creates)), Some(prepared)) => {
                let driver = self.driver(&goal.region);
                driver.carry_out(goal, creates, prepared, self.learned).await?;
            }
            _ => self.step(step).await?,
        }
        self.done(step);
        Ok(())
    }

    pub(super) fn may_go_on(&self, lock: Option<&Lock>) -> Result<(), Failure> {
        self.session.interrupt.check()?;
        lock.map_or(Ok(()), Lock::check)
    }

    /// Has the change set of a step made before its turn, as far as that can be done.
    pub(super) async fn prepare<'a>(&self, step: &'a Step, lock: Option<&Lock>, ahead: &PreparedSteps<'a>) {
        if let (Ok(()), Some((goal, creates))) = (self.may_go_on(lock), step.goal())
            && let Ok(prepared) = self
                .driver(&goal.region)
                .prepare(goal, creates, self.learned)
                .await
        {
            ahead.add(step, prepared);
        }
    }

    /// Takes back what did not get its turn.
    pub(super) async fn take_back(&self, ahead: &PreparedSteps<'_>) {
        for (step, prepared) in ahead.take_all() {
            if let Some((goal, creates)) = step.goal() {
                self.driver(&goal.region)
                    .take_back(goal, creates, &prepared)
                    .await;
            }
        }
    }
}
