//! `drill --split-brain`: the link between the sites is cut for real, fencing is watched and timed, all is put back.
//!
//! ```text
//!   all in order? ─▶ operators to none ─▶ gossip routers to none ─▶ watch the register: decided, out, cut
//!                          └───────────────────┴──────────┬───────────────┘ whatever happens
//!                                                         ▼
//!                                        routers back, operators back ─▶ rejoin ─▶ keep what was measured
//! ```
//!
//! The sites lose sight of each other because nobody passes their messages on any more: neither site's servers are
//! touched. What was scaled is remembered at the Deployments themselves, so a drill that was killed is undone by
//! [`restore`], from any machine.

use std::time::Duration;

use fencing::contract::Envelope;
use fencing::health::Drill;
use fencing::register::{Decision, Record, State};
use fencing::rehearsal::SplitBrain;
use jiff::Timestamp;
use tokio::time::Instant;

use super::scaling::{Patience, Scalable, Scaled};
use super::{Failure, Session, observe, operate, status};
use crate::observed::status::StatusReading;
use crate::report::{Condition, verdict};
use crate::topology::Topology;
use crate::topology::time_to_fence::TimeToFence;

/// How often the register is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the register is waited for.
const REGISTER_WITHIN: Duration = Duration::from_secs(5);
/// How long pods may take to go, and to come.
const PODS_WITHIN: Duration = Duration::from_secs(300);
/// How long the promised worst case is waited beyond.
const BEYOND: u32 = 60;
/// How often, and how many times, what could not be put back is tried again.
const RESTORE_EVERY: Duration = Duration::from_secs(5);
const RESTORE_ATTEMPTS: usize = 12;

/// What a drill scales: in both clusters, the operators first, since they would put the routers back.
#[derive(Debug, Clone)]
pub struct Parts {
    operators: Vec<Scaled>,
    routers: Vec<Scaled>,
}

impl Parts {
    pub fn of(session: &Session, topology: &Topology) -> Result<Self, Failure> {
        let of = |part| -> Result<Vec<Scaled>, Failure> {
            let sites = topology.sites.iter();
            sites
                .map(|site| Ok(Scaled::new(session.cluster_of(site)?, site, part)))
                .collect()
        };
        Ok(Self {
            operators: of(Scalable::Operator)?,
            routers: of(Scalable::Router)?,
        })
    }

    fn all(&self) -> impl Iterator<Item = &Scaled> {
        self.operators.iter().chain(&self.routers)
    }
}

/// Fails unless all is in order: a drill in disorder is an outage. Says who drills, while nothing is cut: asked later,
/// a failure of that would come between a fenced site and its way back.
pub async fn check(
    session: &Session,
    topology: &Topology,
    seen: &StatusReading,
    parts: &Parts,
    file: &str,
) -> Result<String, Failure> {
    let mut left = Vec::new();
    for part in parts.all() {
        let found = part.find().await?;
        if found.remembered().is_some() {
            left.push(found.title());
        } else if let Some(owner) = found.controller() {
            return Err(Failure::Controlled {
                object: found.title(),
                code: "deploymentControlled",
                owner,
            });
        }
    }
    if !left.is_empty() {
        return Err(Failure::DrillLeft {
            objects: left,
            file: file.to_owned(),
        });
    }
    let judged = verdict(seen);
    if judged.condition != Condition::Healthy {
        let sentence = judged.sentence;
        let own = format!("{}: ", topology.name);
        return Err(Failure::NotInOrder {
            sentence: sentence.strip_prefix(&own).unwrap_or(&sentence).to_owned(),
        });
    }
    Ok(observe::identity(session, topology).await?.arn)
}

/// A link that was cut, what it came to, and what is to be done about the site that was fenced.
#[derive(Debug, Clone)]
pub struct Fenced {
    /// When no gossip router was left.
    pub lost_at: Timestamp,
    pub decision: Decision,
    /// The revisions of its epoch.
    pub entries: Vec<Record>,
}

/// Cuts the link, waits until a site is fenced, and puts the link back whatever came of it.
pub async fn split(
    session: &Session,
    topology: &Topology,
    file: &str,
    parts: &Parts,
    worst_cases: &[TimeToFence],
) -> Result<Fenced, Failure> {
    let fenced = cut_and_watch(session, topology, parts, worst_cases).await;
    if fenced.is_err() {
        session
            .console
            .say("the link is being restored; Ctrl-C again leaves that to `provision drill --restore`");
    }
    // What became of the drill is the lesser news where the link stays cut.
    if let Err(failure) = restore(session, parts).await {
        let next = format!("provision drill {file} --restore");
        session
            .console
            .say(&format!("not everything is scaled back; to continue: {next}"));
        return Err(stopped(failure, "the link is still cut", next));
    }
    fenced.map_err(|failure| {
        let next = format!(
            "`provision status {file}` says whether a site was fenced, and if so, how to bring it back"
        );
        stopped(failure, BACK, next)
    })
}

/// What is said of a drill's link once it is whole.
pub const BACK: &str = "the link is restored";

/// A drill's interruption, with what goes on from there. Any other failure as it is.
pub fn stopped(failure: Failure, stands: &'static str, next: String) -> Failure {
    match failure {
        Failure::Interrupted => Failure::DrillStopped { stands, next },
        other => other,
    }
}

async fn cut_and_watch(
    session: &Session,
    topology: &Topology,
    parts: &Parts,
    worst_cases: &[TimeToFence],
) -> Result<Fenced, Failure> {
    let before = register(session, topology).await?;
    for scaled in [&parts.operators, &parts.routers] {
        for part in scaled {
            session.interrupt.check()?;
            part.stop().await?;
            session.console.say(&format!("scaling {} to zero", part.what()));
        }
        for part in scaled {
            part.gone(session, Patience::Interruptible, PODS_WITHIN).await?;
            session.console.say(&format!("{} has no pods", part.what()));
        }
    }
    let (lost_at, began) = (Timestamp::now(), Instant::now());
    let promised = worst_cases
        .iter()
        .map(|case| case.total_seconds)
        .max()
        .unwrap_or_default();
    session.console.say(&format!(
        "the link is cut; a site is fenced within {promised} s in the worst case"
    ));
    let within = Duration::from_secs((promised + BEYOND).into());
    let mut said = State::Open;
    loop {
        let record = register(session, topology).await;
        let why = match &record {
            Ok(record) if record.epoch > before.epoch => {
                if record.state != said {
                    session.console.say(&format!(
                        "{:>4} s  epoch {}: {}",
                        began.elapsed().as_secs(),
                        record.epoch,
                        record.state
                    ));
                    said = record.state;
                }
                if let (State::Complete, Some(decision)) = (record.state, &record.decision) {
                    let mut entries = status::history(session, topology).await?;
                    entries.retain(|entry| entry.epoch == record.epoch);
                    return Ok(Fenced {
                        lost_at,
                        decision: decision.clone(),
                        entries,
                    });
                }
                format!("epoch {} is {}", record.epoch, record.state)
            }
            Ok(_) => "nothing was decided".to_owned(),
            Err(failure) => failure.to_string(),
        };
        if began.elapsed() >= within {
            return Err(Failure::NotFenced {
                promised,
                seconds: within.as_secs(),
                why,
            });
        }
        session.interrupt.pause(LOOK_EVERY).await?;
    }
}

async fn register(session: &Session, topology: &Topology) -> Result<Record, Failure> {
    let items = status::register_of(session, topology, REGISTER_WITHIN).await;
    items
        .map(|items| items.record)
        .map_err(|reason| Failure::RegisterUnread { reason })
}

/// Puts back what a drill has scaled, this one or another, and says how many objects that were. The routers first:
/// they are what is missed. A cluster that does not answer is asked again for a minute, and holds up no other.
pub async fn restore(session: &Session, parts: &Parts) -> Result<usize, Failure> {
    let mut started = Vec::new();
    let all = parts.routers.iter().chain(&parts.operators);
    let mut left: Vec<(&Scaled, Option<usize>)> = all.map(|part| (part, None)).collect();
    for attempt in 1.. {
        let mut failed = Vec::new();
        let mut last = None;
        for (part, tried) in left {
            let mut wanted = tried;
            match put_back(part, &mut wanted).await {
                Ok(()) => {
                    let Some(wanted) = wanted else { continue };
                    session
                        .console
                        .say(&format!("scaling {} back to {wanted}", part.what()));
                    started.push((part, wanted));
                }
                Err(failure) => {
                    session
                        .console
                        .say(&format!("{} is not scaled back: {failure}", part.what()));
                    failed.push((part, wanted));
                    last = Some(failure);
                }
            }
        }
        match last {
            None => break,
            Some(failure) if attempt >= RESTORE_ATTEMPTS => return Err(failure),
            Some(_) => Patience::ToTheEnd.pause(session, RESTORE_EVERY).await?,
        }
        left = failed;
    }
    for (part, wanted) in &started {
        part.ready(session, Patience::ToTheEnd, PODS_WITHIN, *wanted)
            .await?;
        session.console.say(&format!("{} is ready", part.what()));
    }
    Ok(started.len())
}

/// Puts one back that a drill has scaled, and notes how many pods it is to have. That is noted before anything is written:
/// where the reply to the write is lost, the next attempt finds nothing left to do, and its pods are waited for all the same.
async fn put_back(part: &Scaled, wanted: &mut Option<usize>) -> Result<(), Failure> {
    let found = part.find().await?;
    if found.remembered().is_none() {
        return Ok(());
    }
    *wanted = Some(usize::try_from(found.started().1).unwrap_or(usize::MAX));
    part.start().await.map(drop)
}

pub fn measured(by: String, fenced: &Fenced, worst_cases: &[TimeToFence]) -> SplitBrain {
    let first = |state| fenced.entries.iter().find(|entry| entry.state == state);
    let after =
        |at: Timestamp| i64::try_from(at.duration_since(fenced.lost_at).as_millis()).unwrap_or(i64::MAX);
    let decision = &fenced.decision;
    let promised = worst_cases
        .iter()
        .find(|case| case.fenced == decision.fenced.0.as_str())
        .map_or(0, |case| case.total_seconds);
    let cut = first(State::Complete).map_or(decision.decided_at, |entry| entry.written_at);
    SplitBrain {
        by,
        lost_at: fenced.lost_at,
        epoch: fenced
            .entries
            .first()
            .map_or_else(Default::default, |entry| entry.epoch),
        survivor: decision.survivor.clone(),
        fenced: decision.fenced.clone(),
        alerted_after_ms: decision.alerted_at.map(after),
        decided_after_ms: after(decision.decided_at),
        out_after_ms: first(State::Isolated).map(|entry| after(entry.written_at)),
        cut_after_ms: after(cut),
        promised_seconds: promised,
    }
}

/// Keeps it beside the register, where `status` finds it.
pub async fn keep(session: &Session, topology: &Topology, measured: &SplitBrain) -> Result<(), Failure> {
    let task = Drill::Keep {
        measured: Box::new(measured.clone()),
    };
    let event = Envelope::Drill { task }.event();
    let region = topology.first_region();
    let operated = operate::ask(session, topology, region, &event).await?;
    let operated = operated.ok_or_else(|| Failure::NotDeployed {
        function: topology.function_name(),
        regions: vec![region.clone()],
    })?;
    operated.done().map(drop)
}
