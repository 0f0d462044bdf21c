//! `drill`: rehearsals that touch nobody's traffic.

use fencing::contract::Envelope;
use fencing::health::Drill;
use serde_json::Value;

use super::operate;
use super::{Failure, Session, observe};
use crate::report::{self, Operated};
use crate::topology::{Interval, Region, Topology};

/// Lets the function of each Region answer the health question with a failure for a while: whoever asks them
/// asks each by itself. Where one does not, the rehearsal goes on in those before it, and that is said.
pub async fn fail_health(
    session: &Session,
    topology: &Topology,
    lasts: Interval,
) -> Result<Vec<Operated>, Failure> {
    let caller = observe::identity(session, topology).await?;
    let drill = Drill::FailHealth {
        by: caller.arn,
        seconds: lasts.seconds(),
    };
    let event = Envelope::Drill { task: drill }.event();
    let mut all = Vec::new();
    for region in &topology.regions {
        match rehearse(session, topology, region, &event).await {
            Ok(operated) => all.push(operated),
            Err(failure) => {
                if !all.is_empty() {
                    session
                        .console
                        .say(&format!("stopped at {region}; the Regions before it said:"));
                    session.console.say(report::drilled_text(&all).trim_end());
                }
                return Err(failure);
            }
        }
    }
    Ok(all)
}

async fn rehearse(
    session: &Session,
    topology: &Topology,
    region: &Region,
    event: &Value,
) -> Result<Operated, Failure> {
    let operated = operate::ask(session, topology, region, event).await?;
    let operated = operated.ok_or_else(|| Failure::NotDeployed {
        function: topology.function_name(),
        regions: vec![region.to_string()],
    })?;
    operated.done()
}
