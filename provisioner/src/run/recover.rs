//! `fence` and `promote`: another survivor by an operator's word.

use std::time::Duration;

use fencing::answer::Next;
use fencing::step::Task;

use super::calls::Calls;
use super::{Failure, Session};
use crate::report::Operated;
use crate::topology::{SiteName, Topology};

/// How soon a call is made again that is to be repeated.
const AGAIN_AFTER: Duration = Duration::from_secs(3);

/// Makes `survivor` the one that stays, to the end. One that lives is replaced only where it is called lost.
pub async fn promote(
    session: &Session,
    topology: &Topology,
    survivor: &SiteName,
    survivor_is_lost: bool,
) -> Result<Operated, Failure> {
    let mut waited = None;
    let mut calls = Calls::new(session, topology);
    loop {
        let operated = calls
            .make(|by| Task::Promote {
                survivor: survivor.clone(),
                by,
                waited: waited.clone(),
                survivor_is_lost,
            })
            .await?;
        match operated.answer.next {
            Next::Nothing => return operated.done(),
            Next::Wait { seconds, token } => {
                calls.wait(seconds).await?;
                waited = Some(token);
            }
            Next::Again | Next::Poll | Next::StopKeycloak | Next::StartKeycloak => {
                session.interrupt.pause(AGAIN_AFTER).await?;
            }
        }
    }
}

/// Fences as planned, to the end. The reason stands in the record beside who asked.
pub async fn fence(
    session: &Session,
    topology: &Topology,
    fenced: &SiteName,
    reason: &str,
) -> Result<Operated, Failure> {
    let mut calls = Calls::new(session, topology);
    let operated = calls
        .make(|by| Task::Fence {
            fenced: fenced.clone(),
            by: format!("{by}: {reason}"),
        })
        .await?;
    operated.done()
}
