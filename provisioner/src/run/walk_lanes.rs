//! Steps that need not wait for one another, and change sets that are made before their turn.
//!
//! ```text
//!   bucket ──▶ lock ──┬─▶ package ──▶ (function's change set) ──┐
//!     │               ├─▶ register ─────────────────────────────┼─▶ function ──▶ the other Regions' functions
//!     └─ (register's) ┴─▶ mark on the accelerator ──────────────┘
//! ```
//!
//! A change set changes nothing until it is executed, and that is done only in the step's own turn: under the lock, when
//! everything stands that the step rests on. One that cannot be made early is made then, and tells then why it cannot.
//! Those that come to nothing are taken back.

use futures_util::future::join_all;

use super::ahead::PreparedSteps;
use super::failure::Failure;
use super::lock::Lock;
use super::walk::Walk;
use crate::plan::Step;
use crate::topology::Region;
use crate::topology::names::StackKind;

/// Steps that may go on side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// What functions stand on: buckets with their packages, the register, and the marks on accelerators.
    Grounds,
    Functions,
}

/// Steps that go on one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lane {
    Stack(Region, StackKind),
    Marks,
}

impl Walk<'_> {
    /// What a step need not wait for others with: each Region's bucket, the register, the marks, and the functions of all
    /// Regions but the first. The first one's stack makes the secrets, and shows whether the code starts at all.
    fn lane(&self, step: &Step) -> Option<Lane> {
        let (region, kind) = match step {
            Step::MarkAccelerator(_) | Step::UnmarkAccelerator(_) => return Some(Lane::Marks),
            Step::CreateStack(goal) | Step::UpdateStack(goal) => (&goal.region, goal.kind),
            Step::Upload { region, .. } => (region, StackKind::Artifacts),
            Step::AwaitFunction { region, .. } => (region, StackKind::Fencing),
            _ => return None,
        };
        let waits = match kind {
            StackKind::Artifacts | StackKind::Register => false,
            StackKind::Fencing => region == self.topology.first_region(),
            StackKind::Health => true,
        };
        (!waits).then(|| Lane::Stack(region.clone(), kind))
    }

    /// Which steps may go on side by side at all: those of one phase.
    pub(super) fn phase(&self, step: &Step) -> Option<Phase> {
        Some(match self.lane(step)? {
            Lane::Stack(_, StackKind::Fencing) => Phase::Functions,
            Lane::Stack(..) | Lane::Marks => Phase::Grounds,
        })
    }

    /// Carries out steps side by side, those of each lane in their order. None is cut off by another's failure. Where a
    /// function's stack comes `next`, its change set is made as soon as its own Region's package is there.
    pub(super) async fn lanes<'a>(
        &self,
        steps: &'a [Step],
        next: Option<&'a Step>,
        lock: Option<&Lock>,
        ahead: &PreparedSteps<'a>,
    ) -> Result<(), Failure> {
        let mut lanes: Vec<(Lane, Vec<&Step>)> = Vec::new();
        for step in steps {
            let Some(lane) = self.lane(step) else { continue };
            match lanes.iter_mut().find(|(known, _)| *known == lane) {
                Some((_, steps)) => steps.push(step),
                None => lanes.push((lane, vec![step])),
            }
        }
        let next = next.filter(|step| {
            step.goal()
                .is_some_and(|(goal, _)| goal.kind == StackKind::Fencing)
        });
        let package = next
            .and_then(Step::goal)
            .map(|(goal, _)| Lane::Stack(goal.region.clone(), StackKind::Artifacts));
        if let Some(package) = &package
            && !lanes.iter().any(|(lane, _)| lane == package)
        {
            lanes.push((package.clone(), Vec::new()));
        }
        let walks = lanes.into_iter().map(|(lane, steps)| {
            let later = next.filter(|_| Some(&lane) == package.as_ref());
            async move {
                for step in steps {
                    self.one(step, lock, ahead).await?;
                }
                if let Some(later) = later {
                    self.prepare(later, lock, ahead).await;
                }
                Ok::<(), Failure>(())
            }
        });
        self.side_by_side(join_all(walks).await)
    }

    /// The register's step, where nothing but the lock comes before it: its change set can be made meanwhile.
    pub(super) fn what_the_lock_keeps_waiting<'a>(&self, others: &'a [Step]) -> Option<&'a Step> {
        let [Step::TakeLock { .. }, later @ ..] = others else {
            return None;
        };
        let mut later = later
            .iter()
            .take_while(|step| self.phase(step) == Some(Phase::Grounds));
        later.find(|step| {
            step.goal()
                .is_some_and(|(goal, _)| goal.kind == StackKind::Register)
        })
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
