//! Operators' commands, as `provision` drives them: call, do what the answer asks for, call again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fencing::answer::{Answer, Next, Status};
use fencing::settings::sample::site;
use fencing::step::{Keycloak, Task};
use fencing::words::{SiteName, Token};
use tests::servers::SITES;

use crate::stage::Stage;

/// A rejoin of two caches takes some fifteen calls; one that needs so many goes round in circles.
const MOST_CALLS: usize = 200;
/// Between two looks at a push, and after a call that failed.
const PAUSE: Duration = Duration::from_secs(3);

static SESSIONS: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Command<'a> {
    stage: &'a Stage,
    what: What,
    waited: Option<Token>,
    keycloak: Keycloak,
}

enum What {
    Rejoin { stale: SiteName, session: String },
    Promote { survivor: SiteName },
}

impl<'a> Command<'a> {
    /// `provision rejoin`
    pub(crate) fn rejoin(stage: &'a Stage, stale: usize) -> Self {
        let number = SESSIONS.fetch_add(1, Ordering::Relaxed);
        Self::new(
            stage,
            What::Rejoin {
                stale: site(SITES[stale]),
                session: format!("session-{number}"),
            },
        )
    }

    /// `provision promote`
    pub(crate) fn promote(stage: &'a Stage, survivor: usize) -> Self {
        let survivor = site(SITES[survivor]);
        Self::new(stage, What::Promote { survivor })
    }

    fn new(stage: &'a Stage, what: What) -> Self {
        Self {
            stage,
            what,
            waited: None,
            keycloak: Keycloak::Unknown,
        }
    }

    pub(crate) async fn call(&self) -> Answer {
        let by = "ana".to_owned();
        let waited = self.waited.clone();
        let task = match &self.what {
            What::Rejoin { stale, session } => Task::Rejoin {
                stale: stale.clone(),
                session: session.clone(),
                by,
                waited,
                keycloak: self.keycloak,
            },
            What::Promote { survivor } => Task::Promote {
                survivor: survivor.clone(),
                by,
                waited,
                survivor_is_lost: false,
            },
        };
        self.stage.operate(task).await
    }

    /// Does what an answer asks for; whether the command goes on.
    pub(crate) async fn follow(&mut self, answer: &Answer) -> bool {
        match &answer.next {
            Next::Again => {}
            Next::Wait { seconds, token } => {
                // The function compares with the time of its record, so nothing shorter would do.
                tokio::time::sleep(Duration::from_secs((*seconds).into())).await;
                self.waited = Some(token.clone());
            }
            Next::StopKeycloak => self.keycloak = Keycloak::Stopped,
            Next::StartKeycloak => self.keycloak = Keycloak::Ready,
            Next::Poll => tokio::time::sleep(PAUSE).await,
            Next::Nothing if answer.status == Status::Retry => tokio::time::sleep(PAUSE).await,
            Next::Nothing => return false,
        }
        true
    }

    /// All calls; the last answer.
    pub(crate) async fn finished(mut self) -> Answer {
        let mut told = Vec::new();
        for _ in 0..MOST_CALLS {
            let answer = self.call().await;
            told.push(answer.sentence.clone());
            if !self.follow(&answer).await {
                return answer;
            }
        }
        panic!("it does not end:\n{}", told.join("\n"));
    }
}
