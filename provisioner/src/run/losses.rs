//! What a rejoin or a promotion would lose, counted by the function: it has the credentials, and reaches both sites.

use fencing::contract::Envelope;
use fencing::losses::Losses;

use super::{Failure, Session, operate};
use crate::topology::{SiteName, Topology};

/// Asks the Regions' functions, one after the other. None of them has to know it: then it is not known.
pub async fn count(
    session: &Session,
    topology: &Topology,
    given_up: &SiteName,
    kept: &SiteName,
) -> Result<Losses, String> {
    let event = Envelope::Count {
        given_up: given_up.clone(),
        kept: kept.clone(),
    }
    .event();
    let mut why = None;
    for region in &topology.regions {
        match operate::ask(session, topology, region, &event).await {
            Ok(Some(operated)) => match operated.answer.losses {
                Some(losses) => return Ok(*losses),
                None => why = Some(operated.answer.sentence),
            },
            Ok(None) => {}
            // An older function does not understand the question, and says so.
            Err(Failure::FunctionFailed { message, .. }) => why = Some(message),
            Err(failure) => why = Some(failure.to_string()),
        }
    }
    Err(why.unwrap_or_else(|| format!("{} is not deployed", topology.function_name())))
}
