//! Which steps go on side by side, and which change sets can be made before their turn.
//!
//! ```text
//!   bucket ──▶ lock ──┬─▶ package ──▶ (function's change set) ──┐
//!     │               ├─▶ register ─────────────────────────────┼─▶ function ──▶ the other Regions' functions
//!     └─ (register's) ┴─▶ mark on the accelerator ──────────────┘
//! ```
//!
//! A plan is one list of steps, safe to be walked one after the other. Most of the time of a walk is spent on waiting for
//! AWS, so what need not wait for one another is grouped here, without a change to the list's order where order counts.
//!
//! A change set changes nothing until it is executed, and that is done only in the step's own turn: under the lock, when
//! everything stands that the step rests on. So it may be made while something else is waited for.

use super::Step;
use crate::topology::Region;
use crate::topology::names::StackKind;

/// What is carried out next.
#[derive(Debug, Clone, PartialEq)]
pub enum StepTurn<'a> {
    /// Steps of both clusters, those of each site in their order.
    Clusters(&'a [Step]),
    /// Steps of AWS that need not wait for those of another lane, those of each lane in their order.
    Lanes(Vec<Lane<'a>>),
    TakeLock {
        step: &'a Step,
        region: &'a Region,
        bucket: &'a str,
    },
    /// The lock is given back, while the function is looked at: that changes nothing that others must be kept from.
    ReleaseLock { looks: Option<&'a Step> },
    /// One step; meanwhile the change set of a later one is made.
    One {
        step: &'a Step,
        meanwhile: Option<&'a Step>,
    },
}

/// Steps that go on one after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lane<'a> {
    pub steps: Vec<&'a Step>,
    /// The step after all lanes whose change set can be made as soon as this lane is through.
    pub then: Option<&'a Step>,
}

/// What a lane is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum LaneKey<'a> {
    Stack(&'a Region, StackKind),
    Marks,
}

/// Lanes of different phases never go on side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// What functions stand on: buckets with their packages, the register, and the marks on accelerators.
    Grounds,
    Functions,
}

/// A plan's steps in turns. The first of the function's Regions goes before the others.
pub fn turns<'a>(steps: &'a [Step], first_region: &Region) -> Vec<StepTurn<'a>> {
    let mut turns = Vec::new();
    let mut rest = steps;
    while let Some((step, others)) = rest.split_first() {
        let (turn, length) = match step {
            step if step.site().is_some() => {
                let length = rest.iter().take_while(|step| step.site().is_some()).count();
                (StepTurn::Clusters(&rest[..length]), length)
            }
            Step::TakeLock { region, bucket } => (StepTurn::TakeLock { step, region, bucket }, 1),
            Step::ReleaseLock => (StepTurn::ReleaseLock { looks: None }, 1),
            Step::AwaitFunction { .. } if others.first() == Some(&Step::ReleaseLock) => {
                (StepTurn::ReleaseLock { looks: Some(step) }, 2)
            }
            step => {
                let phase = phase(step, first_region);
                let is_beside = |step: &&Step| phase.is_some() && self::phase(step, first_region) == phase;
                match rest.iter().take_while(is_beside).count() {
                    0 | 1 => {
                        let meanwhile = what_the_lock_keeps_waiting(others, first_region);
                        (StepTurn::One { step, meanwhile }, 1)
                    }
                    length => {
                        let (beside, after) = rest.split_at(length);
                        (
                            StepTurn::Lanes(lanes(beside, after.first(), first_region)),
                            length,
                        )
                    }
                }
            }
        };
        turns.push(turn);
        rest = &rest[length..];
    }
    turns
}

/// What a step need not wait for others with: each Region's bucket, the register, the marks, and the functions of all
/// Regions but the first. The first one's stack makes the secrets, and shows whether the code starts at all.
fn matter<'a>(step: &'a Step, first_region: &Region) -> Option<LaneKey<'a>> {
    let (region, kind) = match step {
        Step::MarkAccelerator(_) | Step::UnmarkAccelerator(_) => return Some(LaneKey::Marks),
        Step::CreateStack(goal) | Step::UpdateStack(goal) => (&goal.region, goal.kind),
        Step::Upload { region, .. } => (region, StackKind::Artifacts),
        Step::AwaitFunction { region, .. } => (region, StackKind::Fencing),
        _ => return None,
    };
    let waits = match kind {
        StackKind::Artifacts | StackKind::Register => false,
        StackKind::Fencing => region == first_region,
        StackKind::Health => true,
    };
    (!waits).then_some(LaneKey::Stack(region, kind))
}

fn phase(step: &Step, first_region: &Region) -> Option<Phase> {
    Some(match matter(step, first_region)? {
        LaneKey::Stack(_, StackKind::Fencing) => Phase::Functions,
        LaneKey::Stack(..) | LaneKey::Marks => Phase::Grounds,
    })
}

/// Where a function's stack comes `next`, its change set can be made as soon as its own Region's package is there.
fn lanes<'a>(steps: &'a [Step], next: Option<&'a Step>, first_region: &Region) -> Vec<Lane<'a>> {
    let mut lanes: Vec<(LaneKey<'a>, Lane<'a>)> = Vec::new();
    for step in steps {
        if let Some(matter) = matter(step, first_region) {
            lane(&mut lanes, matter).steps.push(step);
        }
    }
    if let Some(step) = next
        && let Some((goal, _)) = step.goal()
        && goal.kind == StackKind::Fencing
    {
        let package = LaneKey::Stack(&goal.region, StackKind::Artifacts);
        lane(&mut lanes, package).then = Some(step);
    }
    lanes.into_iter().map(|(_, lane)| lane).collect()
}

/// The lane of a matter, which may be new.
fn lane<'l, 'a>(lanes: &'l mut Vec<(LaneKey<'a>, Lane<'a>)>, matter: LaneKey<'a>) -> &'l mut Lane<'a> {
    let at = match lanes.iter().position(|(known, _)| *known == matter) {
        Some(at) => at,
        None => {
            lanes.push((matter, Lane::default()));
            lanes.len() - 1
        }
    };
    &mut lanes[at].1
}

/// The register's step, where nothing but the lock comes before it: its change set can be made meanwhile.
fn what_the_lock_keeps_waiting<'a>(others: &'a [Step], first_region: &Region) -> Option<&'a Step> {
    let [Step::TakeLock { .. }, later @ ..] = others else {
        return None;
    };
    let mut later = later
        .iter()
        .take_while(|step| phase(step, first_region) == Some(Phase::Grounds));
    later.find(|step| {
        step.goal()
            .is_some_and(|(goal, _)| goal.kind == StackKind::Register)
    })
}
