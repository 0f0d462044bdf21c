//! Bringing the fenced site back, one bounded step per call.
//!
//! STALE is the fenced site, whose state is stale; KEPT is the survivor. The order is Infinispan's, with the step it warns about: STALE
//! must have stopped replicating to KEPT before its caches are cleared, or the clear wipes both sites. State
//! push never deletes, so the clear cannot be left out.
//!
//! ```text
//!   complete ─▶ rejoining, wait ─▶ STALE: take KEPT offline ─▶ STALE: clear ─▶ STALE: bring KEPT online
//!        ─▶ KEPT: forget earlier pushes, push state to STALE ─▶ all pushed ─▶ STALE's endpoint back ─▶ open, quiet time
//! ```
//!
//! Executors of the decision may still be running when the rejoin starts, and would undo its last step. So
//! the command that starts it or takes it over waits twice the function's timeout before the first write; by then
//! they have ended. The wait is the operator's command's, on a monotonic clock, for a token that it was given; the
//! function looks at the record's time as well, since a command can be repeated, cut short or pasted.
//! If the link is lost again, the decision goes back into force, same epoch. So it does when somebody starts STALE's
//! Keycloak in the middle: what that writes would be cleared, or sent to KEPT, or stand beside what is pushed. The function
//! cannot see pods; the command that drives the rejoin counts them right before each call.

use super::carry_out::decision_of;
use super::evidence::{misses, only_observed, owned, reading};
use super::operate::no_such_site;
use super::restored::believed;
use super::script::{Halt, Script};
use super::sweep::finish;
use super::turn::Turn;
use super::{Call, Fault, Keycloak};
use crate::answer::{Answer, Cause, Status};
use crate::register::{Record, Rejoin, RejoinStep, State};
use crate::replication::Sight;
use crate::words::{SiteName, Token};

/// Why a rejoin ends before its end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Off {
    /// KEPT does not see STALE any more.
    LinkLost,
    /// STALE's Keycloak was stopped, and has pods again.
    KeycloakRuns { pods: u32 },
}

impl Off {
    fn why(self, Sites { kept, stale }: &Sites) -> String {
        match self {
            Self::LinkLost => format!("{kept} lost {stale} again"),
            Self::KeycloakRuns { pods: 1 } => format!("a pod of {stale}'s Keycloak runs"),
            Self::KeycloakRuns { pods } => format!("{pods} pods of {stale}'s Keycloak run"),
        }
    }
}

pub(super) struct Sites {
    pub(super) kept: SiteName,
    pub(super) stale: SiteName,
}

pub(super) fn rejoin(
    script: &mut Script<'_>,
    stale: &SiteName,
    session: &str,
    by: &str,
    waited: Option<&Token>,
    keycloak: Keycloak,
) -> Result<Answer, Halt> {
    if script.settings.peer_of(stale).is_none() {
        return Ok(no_such_site(stale));
    }
    let register = script.start(Call::ReadRegister);
    let record = script.register(register)?;
    script.rounds(record, |script, record| match record.state {
        State::Open => Ok(Answer::new(
            Status::Done,
            "no decision is in force: both sites belong to it",
        )),
        _ if record.fenced() != Some(stale) => Ok(Answer::new(
            Status::NotNow,
            format!(
                "{stale} is the survivor of epoch {}: there is nothing to bring back",
                record.epoch
            ),
        )),
        State::Decided | State::Isolated => Ok(Answer::new(
            Status::NotNow,
            format!(
                "epoch {} is {}: the fence has to be complete first",
                record.epoch, record.state
            ),
        )),
        State::Complete | State::Rejoining
            if let Err(observed) = only_observed(script, "bring the fenced site back") =>
        {
            Err(observed)
        }
        State::Complete => begin(script, record, session, by),
        State::Rejoining => go_on(script, record, session, by, waited, keycloak),
    })
}

fn sites(script: &mut Script<'_>, record: &Record) -> Result<Sites, Halt> {
    let decision = decision_of(script, record)?;
    Ok(Sites {
        kept: decision.survivor.0,
        stale: decision.fenced.0,
    })
}

/// KEPT has to see STALE before anything is worth starting.
fn begin(script: &mut Script<'_>, record: &Record, session: &str, by: &str) -> Result<Answer, Halt> {
    let Sites { kept, stale } = sites(script, record)?;
    let view = script.start(Call::ReadView { at: kept.clone() });
    let accelerator = script.start(Call::ReadAccelerator);
    if misses(script, view, &kept, &stale)? == Sight::Misses {
        let sentence = format!("{kept} does not see {stale}: repair the link first");
        return Ok(Answer::new(Status::NotNow, sentence));
    }
    let reading = reading(script, accelerator)?;
    owned(script, record, &reading)?;
    let first = Rejoin {
        session: session.to_owned(),
        step: RejoinStep::CutStale,
        restarts: 0,
    };
    let record = Record {
        state: State::Rejoining,
        recovery_seen_at: None,
        ..record.clone()
    };
    take_over(
        script,
        &record,
        first,
        by,
        format!("{stale} is being brought back"),
    )
}

fn take_over(
    script: &mut Script<'_>,
    record: &Record,
    rejoin: Rejoin,
    by: &str,
    sentence: String,
) -> Result<Answer, Halt> {
    let signed = format!("rejoin by {by} (request {})", script.executor());
    let taken = Record {
        rejoin: Some(rejoin),
        waiting: true,
        claim: None,
        ..record.revised(&signed, script.now())
    };
    let taken = script.write(taken)?;
    script.wait_for(&taken, None, sentence)
}

fn go_on(
    script: &mut Script<'_>,
    record: &Record,
    session: &str,
    by: &str,
    waited: Option<&Token>,
    keycloak: Keycloak,
) -> Result<Answer, Halt> {
    let sites = sites(script, record)?;
    let Some(rejoin) = record.rejoin.clone() else {
        let what = "it is rejoining, and does not say how far it got".to_owned();
        return Err(script.failed(&Fault {
            whom: "the register".to_owned(),
            what,
        }));
    };
    believed(script, record, None)?;
    if rejoin.session != session {
        if waited.is_some() {
            // It drove this rejoin until another command took it over. Taking it back would go on for ever.
            let sentence = format!(
                "another command has taken over the rejoin of {}: this one ends",
                sites.stale
            );
            return Ok(Answer::new(Status::NotNow, sentence));
        }
        let sentence = format!("taking over the rejoin of {}", sites.stale);
        let mine = Rejoin {
            session: session.to_owned(),
            ..rejoin
        };
        return take_over(script, record, mine, by, sentence);
    }
    let executor = script.executor();
    let unfinished = record.claim.as_ref().is_some_and(|claim| claim.owner != executor);
    let has_waited = script.has_waited(record, waited);
    if (record.waiting || unfinished) && !has_waited {
        let sentence = if unfinished {
            "the previous attempt did not end, and one of its calls may still take effect".to_owned()
        } else {
            format!("{} is being brought back", sites.stale)
        };
        return script.wait_for(record, waited, sentence);
    }
    let view = script.start(Call::ReadView {
        at: sites.kept.clone(),
    });
    let off = if misses(script, view, &sites.kept, &sites.stale)? == Sight::Misses {
        Some(Off::LinkLost)
    } else {
        came_back(&rejoin.step, keycloak)
    };
    if let Some(off) = off {
        let fenced = abort(script, record, has_waited, &format!("rejoin by {by}"), off)?;
        // The site is fenced, and that is not what this command was called for.
        let sentence = format!(
            "the rejoin is abandoned, {}; {}",
            off.why(&sites),
            fenced.sentence
        );
        return Ok(Answer::new(fenced.status.max(Status::NotNow), sentence));
    }
    let mut turn = Turn::new(script, record, session, by, &sites);
    turn.take(rejoin.step, keycloak)
}

/// At the first step Keycloak has not been stopped yet, and at the last one it may run.
fn came_back(step: &RejoinStep, keycloak: Keycloak) -> Option<Off> {
    match (step, keycloak) {
        (RejoinStep::CutStale | RejoinStep::Readd, _) => None,
        (_, Keycloak::Running { pods }) => Some(Off::KeycloakRuns { pods }),
        _ => None,
    }
}

/// The rejoin is abandoned: the decision is in force as before, same epoch, and is carried out again.
///
/// The survivor's users are waiting, so that happens at once, also while an attempt of the rejoin is at work or was
/// never answered. What that sent may arrive after it, so then it is done once more before it counts.
pub(super) fn abort(
    script: &mut Script<'_>,
    record: &Record,
    has_waited: bool,
    by: &str,
    off: Off,
) -> Result<Answer, Halt> {
    let sites = sites(script, record)?;
    let why = off.why(&sites);
    let Sites { kept, stale } = sites;
    only_observed(script, &format!("put the decision back into force: {why}"))?;
    let signed = format!("{by} (request {})", script.executor());
    let back = Record {
        state: State::Decided,
        rejoin: None,
        waiting: false,
        completed: true,
        unsettled: (record.waiting || record.claim.is_some()) && !has_waited,
        claim: script.fresh_claim(),
        ..record.revised(&signed, script.now())
    };
    let back = script.write(back)?;
    let epoch = back.epoch;
    script.say(
        Cause::RejoinAborted,
        format!(
            "{why}: the rejoin is abandoned, and epoch {epoch} stays in force; until the next one, {stale}'s \
             Keycloak may be stopped, its caches may be empty, and it may have stopped replicating to {kept}"
        ),
    );
    finish(script, back)
}
