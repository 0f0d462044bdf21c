//! What was changed behind CloudFormation's back. Only a plan asks: it takes CloudFormation some seconds per stack.

use std::time::Duration;

use tokio::task::JoinSet;

use super::Session;
use super::failure::Failure;
use super::pace::Pace;
use crate::observed::changes::StackDrift;
use crate::plan::{Plan, Step, Unchanged};
use crate::topology::Region;
use crate::world::cloudformation::Stacks;

/// Longer than CloudFormation takes for stacks of our size.
const WITHIN: Duration = Duration::from_secs(90);

/// Compares every stack of the plan that stands and stays, all at the same time. A comparison that is forbidden or
/// takes too long is said and left out: it is a service of the plan, and nothing rests on it.
pub async fn drifts(session: &Session, plan: &Plan) -> Result<Vec<StackDrift>, Failure> {
    let unchanged = plan.unchanged.iter().filter_map(|unchanged| match unchanged {
        Unchanged::Stack { region, stack } => Some((region.clone(), stack.clone())),
        Unchanged::Object(_) => None,
    });
    let changed = plan.steps.iter().filter_map(|step| match step {
        Step::UpdateStack(goal) => Some((goal.region.clone(), goal.stack.clone())),
        _ => None,
    });
    let mut asked = JoinSet::new();
    for (region, stack) in unchanged.chain(changed) {
        let session = session.clone();
        asked.spawn(async move {
            let found = tokio::time::timeout(WITHIN, of_stack(&session, &region, &stack)).await;
            (region, stack, found)
        });
    }
    let mut drifts = Vec::new();
    while let Some(answer) = asked.join_next().await {
        let Ok((region, stack, found)) = answer else {
            continue;
        };
        match found {
            Ok(Ok(Some(drift))) => drifts.push(drift),
            Ok(Ok(None)) => {}
            Ok(Err(Failure::Interrupted)) => return Err(Failure::Interrupted),
            Ok(Err(failure)) => session.console.say(&format!(
                "warning: whether {stack} in {region} drifted is not known: {failure}"
            )),
            Err(_) => session.console.say(&format!(
                "warning: whether {stack} in {region} drifted is not known yet"
            )),
        }
    }
    drifts.sort_by(|a, b| (&a.region, &a.stack).cmp(&(&b.region, &b.stack)));
    Ok(drifts)
}

async fn of_stack(session: &Session, region: &Region, stack: &str) -> Result<Option<StackDrift>, Failure> {
    let stacks = Stacks::new(session.aws.cloudformation(region), region);
    let detection = stacks.detect_drift(stack).await?;
    let mut pace = Pace::new();
    while !stacks.knows_drift(&detection).await? {
        pace.pause(session).await?;
    }
    let resources = stacks.drifts(stack).await?;
    Ok((!resources.is_empty()).then(|| StackDrift {
        region: region.clone(),
        stack: stack.to_owned(),
        resources,
    }))
}
