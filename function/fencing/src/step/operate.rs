//! What operators ask for: hold, release, a planned fence, another survivor.

use jiff::Timestamp;

use super::carry_out::{carried_out_once, claim, complete, decision_of, unclaimed};
use super::evidence::{Because, decide, not_held, only_observed, owned, reading, restored};
use super::restored::{believed, note_new};
use super::script::{Halt, Position, Script};
use super::{Call, sweep};
use crate::accelerator::{Mark, Outcome, Reading, remember};
use crate::answer::{Answer, Cause, Status};
use crate::register::{Decision, Hold, Record, State};
use crate::words::{Fenced, SiteName, Survivor, Token};

/// Forbids new decisions. A decision that was taken is still carried out.
pub(super) fn hold(
    script: &mut Script<'_>,
    by: &str,
    reason: &str,
    until: Option<Timestamp>,
    replace: bool,
) -> Result<Answer, Halt> {
    let register = script.start(Call::ReadRegister);
    let record = script.register(register)?;
    script.rounds(record, |script, record| {
        // Its reason is somebody's reason: replaced by mistake, their work would go on with the fence armed, as soon
        // as the other hold is released.
        if let Some(theirs) = record.hold.as_ref().filter(|hold| hold.by != by && !replace) {
            let sentence = format!(
                "already held by {} since {}: {}; `provision hold --replace` replaces that hold",
                theirs.by, theirs.since, theirs.reason
            );
            return Ok(Answer::new(Status::NotNow, sentence));
        }
        let since = script.now();
        let hold = Hold {
            by: by.to_owned(),
            reason: reason.to_owned(),
            since,
            until,
        };
        let signed = format!("hold by {by} (request {})", script.executor());
        script.write(Record {
            hold: Some(hold),
            ..record.revised(&signed, since)
        })?;
        let sentence = match record.state {
            State::Open => format!("held by {by}: {reason}; no new decision until it is released"),
            state => format!(
                "held by {by}: {reason}; epoch {} is {state} and will still complete",
                record.epoch
            ),
        };
        script.say(Cause::HoldChanged, sentence.clone());
        Ok(Answer::new(Status::Done, sentence))
    })
}

pub(super) fn release(script: &mut Script<'_>, by: &str) -> Result<Answer, Halt> {
    let register = script.start(Call::ReadRegister);
    let record = script.register(register)?;
    script.rounds(record, |script, record| {
        let Some(hold) = &record.hold else {
            return Ok(Answer::new(Status::Done, "there is no hold"));
        };
        let signed = format!("release by {by} (request {})", script.executor());
        script.write(Record {
            hold: None,
            ..record.revised(&signed, script.now())
        })?;
        let sentence = format!(
            "released by {by}; it was held by {} since {}",
            hold.by, hold.since
        );
        script.say(Cause::HoldChanged, sentence.clone());
        Ok(Answer::new(Status::Done, sentence))
    })
}

/// Fences a site as planned: the survivor's view is waived, and that administrators have drained it while nobody else
/// serves; everything else is asked for as in an alert.
pub(super) fn fence(script: &mut Script<'_>, fenced: &SiteName, by: &str) -> Result<Answer, Halt> {
    let Some(survivor) = script.settings.peer_of(fenced).cloned() else {
        return Ok(no_such_site(fenced));
    };
    let register = script.start(Call::ReadRegister);
    let accelerator = script.start(Call::ReadAccelerator);
    let record = script.register(register)?;
    script.rounds(record, |script, record| {
        let other = record.fenced().is_some_and(|site| site != fenced);
        match record.state {
            State::Open => {
                // Quiet time is for alerts: an operator knows what has just been brought together.
                not_held(record)?;
                let reading = reading(script, accelerator)?;
                let decided = decide(
                    script,
                    record,
                    &reading,
                    &Survivor(survivor.clone()),
                    &Fenced(fenced.clone()),
                    &Because {
                        by: &format!("operator {by}"),
                        reason: &format!("planned by {by}"),
                        alerted_at: None,
                        waives_drained: true,
                    },
                )?;
                let record = complete(script, decided, Some(&reading))?;
                note_new(script, &record, &reading)?;
                Ok(fenced_now(&record, fenced))
            }
            _ if other => Ok(Answer::new(
                Status::NotNow,
                format!(
                    "{survivor} is fenced, epoch {}: `promote` changes the survivor",
                    record.epoch
                ),
            )),
            State::Decided | State::Isolated if record.waiting => Ok(Answer::new(
                Status::NotNow,
                "a promote is waiting; finish it with the same command",
            )),
            State::Decided | State::Isolated if record.carried_out_once() => Ok(carried_out_once(record)),
            State::Decided | State::Isolated => {
                unclaimed(script, record)?;
                believed(script, record, Some(accelerator))?;
                let claimed = claim(script, record, &format!("operator {by}"))?;
                sweep::finish(script, claimed)
            }
            State::Complete => {
                let answer = sweep::watch(script, record, None, None)?;
                if answer.status == Status::Done {
                    doubt_pushes(script, record, by)?;
                }
                Ok(answer)
            }
            State::Rejoining => Ok(Answer::new(
                Status::NotNow,
                format!("{fenced} is being brought back"),
            )),
        }
    })
}

/// Where somebody fences what the register calls fenced, the site may have been brought back in between and fenced again
/// without the register: by force. So the pushes that were forgotten may be there again, and the schedule has them
/// forgotten once more.
fn doubt_pushes(script: &mut Script<'_>, record: &Record, by: &str) -> Result<(), Halt> {
    if !record.pushes_are_cleared() || only_observed(script, "doubt earlier pushes").is_err() {
        return Ok(());
    }
    script.write(Record {
        pushes_cleared: None,
        ..record.revised(&format!("operator {by}"), script.now())
    })?;
    Ok(())
}

fn fenced_now(record: &Record, fenced: &SiteName) -> Answer {
    Answer::new(
        Status::Done,
        format!("{fenced} is fenced, epoch {}", record.epoch),
    )
}

pub(super) fn no_such_site(site: &SiteName) -> Answer {
    Answer::new(Status::Foreign, format!("{site} is not a site of this topology"))
}

/// Makes `survivor` the one that stays, because the survivor of the decision in force has died. A new epoch;
/// what the dead site alone has is lost.
///
/// One that looks healthy and answers has not died, and what it has written since would be lost for nothing. So it is
/// replaced only where the operator says that it is lost all the same.
///
/// It is a new decision, so a hold forbids it: nothing else can decide while one is in force, and releasing
/// first risks nothing. The dead site cannot be asked for anything, and had better not replicate when it comes back
/// with old data: but where its processes died, its Infinispan has forgotten the cut, and the answer says so. It is
/// out of the accelerator until a rejoin, or people who bring both directions online, end that.
pub(super) fn promote(
    script: &mut Script<'_>,
    survivor: &SiteName,
    by: &str,
    waited: Option<&Token>,
    survivor_is_lost: bool,
) -> Result<Answer, Halt> {
    let Some(fenced) = script.settings.peer_of(survivor).cloned() else {
        return Ok(no_such_site(survivor));
    };
    let register = script.start(Call::ReadRegister);
    let record = script.register(register)?;
    script.rounds(record, |script, record| {
        if record.state == State::Open {
            let sentence = "no decision is in force: `fence` is for planned work";
            return Ok(Answer::new(Status::NotNow, sentence));
        }
        let decision = decision_of(script, record)?;
        if decision.survivor.0 != *survivor {
            not_held(record)?;
            // Only to know where the survivor belongs; the accelerator may be down.
            let accelerator = script.start(Call::ReadAccelerator);
            let lives = if survivor_is_lost { None } else { Some(script.start(Call::ReadBackup {
                    at: fenced.clone(),
                    backup: survivor.clone(),
                })) };
            let seen = script.accelerator(accelerator)?.ok();
            if let Some(asked) = lives
                && lives_on(script, asked, seen.as_ref(), &fenced, survivor)?
            {
                let sentence = format!(
                    "{fenced}, the survivor of epoch {}, seems to be alive: it is not unhealthy in the accelerator, \
                     and its Infinispan answers. Promoting would lose what it has written since. If you know that it \
                     is dead, add `--survivor-is-lost`",
                    record.epoch
                );
                return Ok(Answer::new(Status::NotNow, sentence));
            }
            return change(script, record, seen.as_ref(), survivor, &fenced, by);
        }
        match record.state {
            State::Decided | State::Isolated if record.waiting && !script.has_waited(record, waited) => {
                let sentence = format!("{survivor} will be the survivor, epoch {}", record.epoch);
                script.wait_for(record, waited, sentence)
            }
            State::Decided | State::Isolated if record.carried_out_once() => Ok(carried_out_once(record)),
            State::Decided | State::Isolated => {
                unclaimed(script, record)?;
                believed(script, record, None)?;
                let claimed = claim(script, record, &format!("operator {by}"))?;
                let done = sweep::finish(script, claimed)?;
                script.say(
                    Cause::Promoted,
                    format!("{survivor} is the survivor now, {fenced} is fenced, by {by}"),
                );
                Ok(done)
            }
            State::Rejoining => Ok(Answer::new(
                Status::NotNow,
                format!("{survivor} already survives and {fenced} is being brought back"),
            )),
            _ => sweep::watch(script, record, None, None),
        }
    })
}

/// Whether the survivor is still one: its Infinispan answers, and the accelerator does not say that it is unhealthy or
/// gone. One reply that was lost is no sign of death, and what cannot be read is none either.
fn lives_on(
    script: &mut Script<'_>,
    asked: Position,
    seen: Option<&Reading>,
    survivor: &SiteName,
    other: &SiteName,
) -> Result<bool, Halt> {
    let answers = script.backup(asked)?.is_ok();
    if seen.is_some_and(|reading| !reading.shows_alive(script.settings, survivor)) {
        return Ok(false);
    }
    if answers {
        return Ok(true);
    }
    let again = script.start(Call::ReadBackup {
        at: survivor.clone(),
        backup: other.clone(),
    });
    Ok(script.backup(again)?.is_ok())
}

/// Writes the new decision. Executors of the one before may still be running, so nobody carries it out yet.
fn change(
    script: &mut Script<'_>,
    record: &Record,
    seen: Option<&Reading>,
    survivor: &SiteName,
    fenced: &SiteName,
    by: &str,
) -> Result<Answer, Halt> {
    match seen {
        Some(reading) => owned(script, record, reading)?,
        None => {
            let unread = Reading {
                mark: Mark::Unread("it does not answer".to_owned()),
                ..Reading::default()
            };
            owned(script, record, &unread)?;
        }
    }
    let settings = script.settings;
    let read = seen.map(|reading| reading.places(settings)).unwrap_or_default();
    let places = remember(&record.places, &read);
    let outcome = match (Outcome::only(settings, &places, survivor), seen) {
        (Ok(outcome), Some(reading)) => outcome.beside(reading).serving(&places, seen, fenced),
        (Ok(outcome), None) => outcome.serving(&places, None, fenced),
        (Err(unfit), _) => {
            let sentence = format!(
                "{survivor} cannot be promoted: {unfit}; add its balancer by hand, then promote again"
            );
            return Ok(Answer::new(Status::NotNow, sentence));
        }
    };
    only_observed(script, &format!("promote {survivor}"))?;
    let survives = Survivor(survivor.clone());
    let evidence = format!("promoted by {by}{}", restored(&outcome, &survives));
    let decision = Decision {
        survivor: survives,
        fenced: Fenced(fenced.clone()),
        outcome,
        by: format!("operator {by}"),
        evidence,
        decided_at: script.now(),
        alerted_at: None,
    };
    let signed = format!("promote by {by} (request {})", script.executor());
    let promoted = Record {
        waiting: true,
        places,
        ..record.decided(decision, &signed)
    };
    let promoted = script.write(promoted)?;
    let mut sentence = format!(
        "{survivor} will be the survivor from epoch {} on. Make sure that its Keycloak runs. Before {fenced} serves \
         again, take {survivor} offline at {fenced}'s Infinispan: after a restart it no longer knows that \
         replication is cut. Data that only {fenced} has is not at {survivor}",
        promoted.epoch
    );
    if record.state == State::Rejoining {
        sentence = format!("{sentence}; its rejoin was under way: what {survivor} had may have been cleared");
    }
    script.say(Cause::Promoted, sentence.clone());
    script.wait_for(&promoted, None, sentence)
}
