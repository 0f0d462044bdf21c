//! `rejoin` and `promote`: drive the function through a task that takes several calls.
//!
//! ```text
//!   call ─▶ answer ─┬─ nothing next: done, or refused
//!     ▲             ├─ again: the next step
//!     │             ├─ wait: on a monotonic clock, then name what was waited for
//!     │             ├─ stop Keycloak, start Keycloak: in the stale site's cluster
//!     └─────────────┴─ poll: look again in a few seconds
//! ```
//!
//! All progress is in the register, and the number of Keycloak's replicas beside the object that was scaled. So a
//! command that was stopped, or whose machine is gone, is resumed by the same command from any other. Between two
//! calls nothing happens: where this command has to give up, the rejoin stands still, and the stale site stays out.

use std::time::Duration;

use fencing::answer::{Next, Status};
use fencing::register::State;
use fencing::step::{Keycloak, Task};
use jiff::Timestamp;
use tokio::time::Instant;

use super::operate::{self, Operated};
use super::{Failure, Session, keycloak, status};
use crate::topology::{Site, SiteName, Topology};
use crate::world::kubernetes::{Cluster, ConnectError};

/// How often the push of state is looked at.
const POLL_EVERY: Duration = Duration::from_secs(3);
/// How often `--when-healed` asks whether the sites see each other.
const HEALED_EVERY: Duration = Duration::from_secs(10);
/// How often a call is made again that a dependency failed, and after how long.
const RETRIES: u32 = 10;
const RETRY_AFTER: Duration = Duration::from_secs(3);
/// How long the register is waited for, where only its state is wanted.
const REGISTER_WITHIN: Duration = Duration::from_secs(20);

/// Who stops and starts the stale site's Keycloak.
#[derive(Debug, Clone)]
pub enum Hands {
    /// This command, in this cluster.
    Ours(Box<Cluster>),
    /// A person, who is asked and says when it is done.
    Theirs,
}

/// How a rejoin is driven.
#[derive(Debug, Clone)]
pub struct Way {
    /// Who handles Keycloak.
    pub hands: Hands,
    /// For how long its pods may take to go, or to come.
    pub keycloak_within: Duration,
    /// For how long to wait for the sites to see each other, if at all.
    pub when_healed: Option<Duration>,
}

/// The hands for a site, checked: its Keycloak is there, and nobody would undo what is done to it.
pub async fn our_hands(session: &Session, site: &Site) -> Result<Hands, Failure> {
    let cluster = match session.clusters.get(&site.name) {
        Some(Ok(cluster)) => cluster.clone(),
        Some(Err(ConnectError::Problem(problem))) => return Err(problem.clone().into()),
        Some(Err(ConnectError::Unreached(unreached))) => {
            return Err(Failure::ClusterNeeded {
                site: site.name.clone(),
                what: unreached.what.clone(),
            });
        }
        None => {
            return Err(Failure::ClusterNeeded {
                site: site.name.clone(),
                what: "it is not in scope".to_owned(),
            });
        }
    };
    let found = keycloak::find(&cluster, site).await?;
    if let Some(manager) = found.controller() {
        return Err(Failure::KeycloakControlled {
            object: found.title(),
            manager: manager.to_owned(),
        });
    }
    let state = found.state();
    session.console.say(&format!(
        "{}: {} has {} pods, {} ready",
        site.name,
        found.title(),
        state.pods,
        state.ready
    ));
    Ok(Hands::Ours(Box::new(cluster)))
}

/// Brings `stale` back, to the end.
pub async fn rejoin(
    session: &Session,
    topology: &Topology,
    stale: &Site,
    way: &Way,
) -> Result<Operated, Failure> {
    let began = Instant::now();
    loop {
        match drive(session, topology, stale, way).await {
            Err(failure @ Failure::NotDone { .. }) => {
                let Some(within) = way.when_healed else {
                    return Err(failure);
                };
                // Only a link that is down is waited for: the decision then is in force, and that site is out.
                if !is_out(session, topology, &stale.name).await? || began.elapsed() >= within {
                    return Err(failure);
                }
                session.console.step(&format!("not yet: {failure}"));
                session.interrupt.pause(HEALED_EVERY).await?;
            }
            end => return end,
        }
    }
}

/// Whether the decision that fenced this site is in force and nobody is bringing it back.
async fn is_out(session: &Session, topology: &Topology, stale: &SiteName) -> Result<bool, Failure> {
    let items = status::register_of(session, topology, REGISTER_WITHIN).await;
    let record = match items {
        Ok(items) => items.record,
        Err(reason) => return Err(Failure::RegisterUnread { reason }),
    };
    let is_in_force = matches!(record.state, State::Decided | State::Unbalanced | State::Complete);
    Ok(is_in_force && record.fenced() == Some(stale))
}

async fn drive(session: &Session, topology: &Topology, stale: &Site, way: &Way) -> Result<Operated, Failure> {
    // A name that no other command has, also no other run of this one.
    let driver = format!("process {} of {}", std::process::id(), Timestamp::now());
    let mut knows = Keycloak::Unknown;
    let mut waited = None;
    let mut calls = Calls::new(session, topology);
    loop {
        if knows == Keycloak::Stopped {
            still_stopped(stale, way).await?;
        }
        let operated = calls
            .make(|by| Task::Rejoin {
                stale: stale.name.clone(),
                session: driver.clone(),
                by,
                waited,
                keycloak: knows,
            })
            .await?;
        match operated.answer.next {
            Next::Nothing => return operated.done(),
            Next::Again => {}
            Next::Wait { seconds, rev } => {
                wait(session, seconds).await?;
                waited = Some(rev);
            }
            Next::StopKeycloak => {
                stop(session, stale, way).await?;
                knows = Keycloak::Stopped;
            }
            Next::StartKeycloak => {
                start(session, stale, way).await?;
                knows = Keycloak::Ready;
            }
            Next::Poll => session.interrupt.pause(POLL_EVERY).await?,
        }
    }
}

/// Makes `survivor` the one that stays, to the end.
pub async fn promote(
    session: &Session,
    topology: &Topology,
    survivor: &SiteName,
) -> Result<Operated, Failure> {
    let mut waited = None;
    let mut calls = Calls::new(session, topology);
    loop {
        let operated = calls
            .make(|by| Task::Promote {
                survivor: survivor.clone(),
                by,
                waited,
            })
            .await?;
        match operated.answer.next {
            Next::Nothing => return operated.done(),
            Next::Wait { seconds, rev } => {
                wait(session, seconds).await?;
                waited = Some(rev);
            }
            Next::Again | Next::Poll | Next::StopKeycloak | Next::StartKeycloak => {
                session.interrupt.pause(POLL_EVERY).await?;
            }
        }
    }
}

/// Fences as planned, to the end.
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

/// Calls that are told, and made again where a dependency failed or somebody else is at work.
struct Calls<'a> {
    session: &'a Session,
    topology: &'a Topology,
    number: u32,
    said: String,
}

impl<'a> Calls<'a> {
    fn new(session: &'a Session, topology: &'a Topology) -> Self {
        Self {
            session,
            topology,
            number: 0,
            said: String::new(),
        }
    }

    async fn make(&mut self, task: impl Fn(String) -> Task) -> Result<Operated, Failure> {
        let mut failed = 0;
        loop {
            self.session.interrupt.check()?;
            let answer = operate::operate(self.session, self.topology, &task).await;
            let operated = match answer {
                Ok(operated) => operated,
                // Credentials that ran out, a network that is away: it costs nothing to ask again.
                Err(Failure::Call(error)) if error.is_outage() && failed < RETRIES => {
                    failed += 1;
                    self.session.interrupt.pause(RETRY_AFTER).await?;
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            self.number += 1;
            let sentence = &operated.answer.sentence;
            if *sentence != self.said {
                self.session.console.step(&format!("{}. {sentence}", self.number));
                self.said.clone_from(sentence);
            }
            if operated.answer.status != Status::Retry || failed >= RETRIES {
                return Ok(operated);
            }
            failed += 1;
            if operated.answer.next == Next::Nothing {
                self.session.interrupt.pause(RETRY_AFTER).await?;
            } else {
                return Ok(operated);
            }
        }
    }
}

/// Waits as the function asked, by a clock that nobody sets.
async fn wait(session: &Session, seconds: u32) -> Result<(), Failure> {
    session.console.say(&format!(
        "waiting {seconds} seconds: what was begun before has ended by then"
    ));
    session.interrupt.pause(Duration::from_secs(seconds.into())).await
}

/// Pods are counted before every call that cuts, clears or pushes: one that came back may write to what is cleared.
async fn still_stopped(stale: &Site, way: &Way) -> Result<(), Failure> {
    let Hands::Ours(cluster) = &way.hands else {
        return Ok(());
    };
    match keycloak::find(cluster, stale).await?.state().pods {
        0 => Ok(()),
        pods => Err(Failure::KeycloakCameBack {
            site: stale.name.clone(),
            pods,
        }),
    }
}

async fn stop(session: &Session, stale: &Site, way: &Way) -> Result<(), Failure> {
    match &way.hands {
        Hands::Ours(cluster) => keycloak::stop(session, cluster, stale, way.keycloak_within).await,
        Hands::Theirs => confirmed(
            session,
            &format!(
                "Scale Keycloak of {} to 0, wait until no pod is left, then type `stopped`:",
                stale.name
            ),
            "stopped",
        ),
    }
}

async fn start(session: &Session, stale: &Site, way: &Way) -> Result<(), Failure> {
    match &way.hands {
        Hands::Ours(cluster) => keycloak::start(session, cluster, stale, way.keycloak_within).await,
        Hands::Theirs => confirmed(
            session,
            &format!(
                "Scale Keycloak of {} back, wait until it is ready, then type `ready`:",
                stale.name
            ),
            "ready",
        ),
    }
}

fn confirmed(session: &Session, question: &str, word: &str) -> Result<(), Failure> {
    match session.console.ask(question) {
        Ok(answer) if answer == word => Ok(()),
        Ok(_) => Err(Failure::Declined),
        Err(_) => Err(Failure::NoTerminal),
    }
}
