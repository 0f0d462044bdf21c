//! What each changed stack's change set would do. The change sets are removed again.

use super::Session;
use super::failure::Failure;
use super::stacks::Driver;
use crate::plan::{Plan, Step, difference};
use crate::report::Preview;
use crate::topology::Topology;

/// Asks CloudFormation about every stack that the plan changes. What it creates stands in the template.
pub async fn preview(session: &Session, topology: &Topology, plan: &Plan) -> Result<Preview, Failure> {
    let mut preview = Preview::new();
    for step in &plan.steps {
        session.interrupt.check()?;
        if let Step::UpdateStack(goal) = step {
            let changes = Driver::new(session, topology, &goal.region).preview(goal).await?;
            let explained = difference::explained(&goal.difference, &changes);
            preview.insert((goal.region.clone(), goal.stack.clone()), explained);
        }
    }
    Ok(preview)
}
