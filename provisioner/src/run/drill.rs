//! `drill`: rehearsals that touch nobody's traffic.

use fencing::health::Drill;
use serde_json::json;

use super::operate::{self, Operated};
use super::{Failure, Session};
use crate::topology::{Interval, Topology};
use crate::world::account;

/// Lets the function of each Region answer the health question with a failure for a while: whoever asks them
/// asks each by itself.
pub async fn fail_health(
    session: &Session,
    topology: &Topology,
    lasts: Interval,
) -> Result<Vec<Operated>, Failure> {
    let first = topology.first_region().as_str();
    let caller = account::identity(&session.aws.sts(first), first).await?;
    let drill = Drill::FailHealth {
        by: caller.arn,
        seconds: lasts.seconds(),
    };
    let event = json!({"sitefence": "drill", "task": drill});
    let mut all = Vec::new();
    for region in &topology.regions {
        let operated = operate::ask(session, topology, region, &event).await?;
        let operated = operated.ok_or_else(|| Failure::NotDeployed {
            function: topology.function_name(),
            regions: vec![region.to_string()],
        })?;
        all.push(operated.done()?);
    }
    Ok(all)
}
