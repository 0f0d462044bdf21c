//! `rejoin`: drives the function through the way back, one bounded step per call.
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
use fencing::health::{Checkup, STALE_AFTER_SECONDS};
use fencing::register::{Record, State};
use fencing::replication::Sight;
use fencing::step::{Keycloak, Task};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::calls::Calls;
use super::keycloak::Hands;
use super::{Failure, Session, status};
use crate::observed::status::RegisterItems;
use crate::report::Operated;
use crate::topology::{Site, SiteName, Topology};

/// How often the push of state is looked at.
const POLL_EVERY: Duration = Duration::from_secs(3);
/// How often `--when-healed` looks at what the function saw. It looks each minute itself.
const HEALED_EVERY: Duration = Duration::from_secs(5);
/// So many of the function's looks in a row have to find the sites in view of each other: a link that comes back
/// flaps at first.
const LOOKS: usize = 2;
/// How long the register is waited for, where only its state is wanted.
const REGISTER_WITHIN: Duration = Duration::from_secs(20);

/// How a rejoin is driven.
#[derive(Debug, Clone)]
pub struct Way {
    pub hands: Hands,
    /// For how long to wait for the sites to see each other, if at all.
    pub when_healed: Option<Duration>,
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
        if let Some(within) = way.when_healed {
            healed(session, topology, &stale.name, began, within).await?;
        }
        let lost_again = match drive(session, topology, stale, &way.hands).await {
            Err(
                failure @ Failure::NotDone {
                    status: Status::NotNow,
                    ..
                },
            ) if way.when_healed.is_some() => failure,
            end => return end,
        };
        // Only a link that is down is waited for: the decision then is in force, and that site is out.
        let record = register(session, topology).await?.record;
        if !is_out(&record, &stale.name) {
            return Err(lost_again);
        }
        session.console.say(&format!("not yet: {lost_again}"));
        session.interrupt.pause(HEALED_EVERY).await?;
    }
}

async fn register(session: &Session, topology: &Topology) -> Result<RegisterItems, Failure> {
    let items = status::register_of(session, topology, REGISTER_WITHIN).await;
    items.map_err(|reason| Failure::RegisterUnread { reason })
}

/// Whether the decision that fenced this site is in force and nobody is bringing it back.
fn is_out(record: &Record, stale: &SiteName) -> bool {
    let is_in_force = matches!(record.state, State::Decided | State::Isolated | State::Complete);
    is_in_force && record.fenced() == Some(stale)
}

/// Waits until the function has seen several times in a row that the sites see each other. Goes on at once where
/// there is nothing to wait for.
async fn healed(
    session: &Session,
    topology: &Topology,
    stale: &SiteName,
    began: Instant,
    within: Duration,
) -> Result<(), Failure> {
    let mut looks: Vec<Timestamp> = Vec::new();
    let mut said = String::new();
    loop {
        let why = match status::register_of(session, topology, REGISTER_WITHIN).await {
            Err(reason) => format!("the register cannot be read: {reason}"),
            Ok(items) if !is_out(&items.record, stale) => return Ok(()),
            Ok(items) => match apart(&items, topology, Timestamp::now()) {
                Some(why) => {
                    looks.clear();
                    why
                }
                None => {
                    looks.extend(newest(&items).map(|checkup| checkup.at));
                    looks.dedup();
                    if looks.len() >= LOOKS {
                        return Ok(());
                    }
                    "the sites see each other; waiting for a second look that confirms it".to_owned()
                }
            },
        };
        if why != said {
            session.console.say(&format!("waiting: {why}"));
            said = why;
        }
        if began.elapsed() >= within {
            return Err(Failure::StillApart {
                seconds: within.as_secs(),
                why: said,
            });
        }
        session.interrupt.pause(HEALED_EVERY).await?;
    }
}

fn newest(items: &RegisterItems) -> Option<&Checkup> {
    items.checkups.values().max_by_key(|checkup| checkup.at)
}

/// Why the sites are not taken to see each other.
fn apart(items: &RegisterItems, topology: &Topology, now: Timestamp) -> Option<String> {
    let Some(checkup) = newest(items) else {
        return Some("the function has not looked yet".to_owned());
    };
    if now.duration_since(checkup.at) > SignedDuration::from_secs(STALE_AFTER_SECONDS.into()) {
        return Some(format!(
            "the function last looked at {}: its schedule is not running",
            checkup.at
        ));
    }
    let [a, b] = topology.sites.each_ref().map(|site| &site.name);
    [(a, b), (b, a)]
        .into_iter()
        .find(|(site, _)| checkup.sights.get(*site) != Some(&Sight::Sees))
        .map(|(site, other)| match checkup.sights.get(site) {
            Some(_) => format!("{site} does not see {other}"),
            None => format!("{site}'s Infinispan does not answer the function"),
        })
}

async fn drive(
    session: &Session,
    topology: &Topology,
    stale: &Site,
    hands: &Hands,
) -> Result<Operated, Failure> {
    // A name that no other command has, also no other run of this one.
    let driver = format!("process {} of {}", std::process::id(), Timestamp::now());
    let mut knows = Keycloak::Unknown;
    let mut waited = None;
    let mut calls = Calls::new(session, topology);
    loop {
        let came_back = if knows == Keycloak::Stopped {
            hands.pods(session).await?
        } else {
            0
        };
        if came_back > 0 {
            // The function puts the decision back into force.
            knows = Keycloak::Running {
                pods: u32::try_from(came_back).unwrap_or(u32::MAX),
            };
        }
        let operated = calls
            .make(|by| Task::Rejoin {
                stale: stale.name.clone(),
                session: driver.clone(),
                by,
                waited: waited.clone(),
                keycloak: knows,
            })
            .await?;
        match operated.answer.next {
            _ if came_back > 0 => {
                return Err(Failure::KeycloakCameBack {
                    site: stale.name.clone(),
                    pods: came_back,
                });
            }
            Next::Nothing => return operated.done(),
            Next::Again => {}
            Next::Wait { seconds, token } => {
                calls.wait(seconds).await?;
                waited = Some(token);
            }
            Next::StopKeycloak => {
                hands.stop(session, stale).await?;
                calls.say(&format!("Keycloak of {} is stopped", stale.name));
                knows = Keycloak::Stopped;
            }
            Next::StartKeycloak => {
                hands.start(session, stale).await?;
                calls.say(&format!("Keycloak of {} is ready", stale.name));
                knows = Keycloak::Ready;
            }
            Next::Poll => session.interrupt.pause(POLL_EVERY).await?,
        }
    }
}
