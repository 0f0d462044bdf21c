//! Looking after what was decided: the schedule, and alerts that repeat while a decision is in force.
//!
//! The register says how the world should be. People restart Infinispan, put endpoints back, bring backups
//! online. [`super::verdict`] is the table of what may be concluded from what is seen; everything that is not in it
//! is left alone and reported.

use jiff::SignedDuration;

use super::carry_out::{carried_out_once, claim, complete, decision_of, fenced, unclaimed};
use super::evidence::{only_observed, owned, reading};
use super::restored::{believed, not_gone_back, note, note_end};
use super::script::{Halt, Position, Script};
use super::verdict::{Balance, Verdict, needs_pushed, needs_sight, verdict};
use super::{Call, Fault};
use crate::accelerator::{Presence, Reading, Unfit, remember};
use crate::answer::{Answer, Cause, Status};
use crate::register::{Decision, Episode, Record, State};
use crate::replication::{Backup, CachePush, Push, Pushed};
use crate::settings::Settings;
use crate::words::Rev;

/// A recovery by hand is believed when it is seen a second time, by somebody who has waited for the revision
/// that noted the first: an executor of the decision could still undo it. A sighting older than this is
/// another story, and counting starts again.
pub const RECOVERY_FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// A listener that people have emptied is filled again once in so much time: people who empty it again mean it.
pub const REFILLED_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// The minute's run: finish what is unfinished, look whether what is finished still holds.
pub(super) fn sweep(script: &mut Script<'_>, waited: Option<Rev>) -> Result<Answer, Halt> {
    let register = script.start(Call::ReadRegister);
    let record = script.register(register)?;
    script.rounds(record, |script, record| match record.state {
        State::Open => Ok(Answer::new(Status::Done, format!("open, epoch {}", record.epoch))),
        State::Decided | State::Isolated => {
            if record.waiting && waited != Some(record.rev) {
                let sentence = format!(
                    "epoch {} waits for executors of the previous decision",
                    record.epoch
                );
                return Ok(Answer::new(Status::NotNow, sentence));
            }
            let mut record = record.clone();
            if record.carried_out_once() {
                if waited != Some(record.rev) {
                    return Ok(carried_out_once(&record));
                }
                // Whatever was on its way has arrived: once more from the beginning, and then it is complete.
                record.unsettled = false;
                record.state = State::Decided;
            }
            unclaimed(script, &record)?;
            believed(script, &record, None)?;
            let claimed = claim(script, &record, "the schedule")?;
            finish(script, claimed)
        }
        State::Complete => watch(script, record, None, waited),
        State::Rejoining => rejoining(script, record),
    })
}

/// A rejoin is its command's business. Its last step writes both sites into the accelerator; until then nobody
/// else looks whether the kept one is still there.
fn rejoining(script: &mut Script<'_>, record: &Record) -> Result<Answer, Halt> {
    let decision = decision_of(script, record)?;
    let (kept, epoch) = (&decision.survivor, record.epoch);
    let asked = script.start(Call::ReadAccelerator);
    let standing = match script.accelerator(asked)? {
        Ok(reading) => reading.standing(script.settings, &decision.outcome, &kept.0),
        // That it cannot be read the deep check tells.
        Err(_) => Presence::Everywhere,
    };
    if standing != Presence::Everywhere {
        let sentence = format!(
            "epoch {epoch}: a rejoin is under way, and {kept}, which serves, is missing from the accelerator: put it \
             back by hand"
        );
        script.say(Cause::SurvivorMissing, sentence.clone());
        return Ok(Answer::new(Status::NotNow, sentence));
    }
    let sentence = format!("epoch {epoch}: a rejoin is under way");
    Ok(Answer::new(Status::NotNow, sentence))
}

/// Carries out a claimed decision from where it is.
pub(super) fn finish(script: &mut Script<'_>, claimed: Record) -> Result<Answer, Halt> {
    let reading = match claimed.state {
        State::Isolated => {
            let asked = script.start(Call::ReadAccelerator);
            script.accelerator(asked)?.ok()
        }
        _ => None,
    };
    let again = claimed.completed;
    let record = complete(script, claimed, reading.as_ref())?;
    let decision = decision_of(script, &record)?;
    Ok(Answer::new(Status::Done, fenced(&record, &decision, again)))
}

/// What has to be put right again, by the names under which the register counts it.
const CUT_FORGOTTEN: &str = "cut-forgotten";
const PUT_BACK: &str = "put-back";

/// Says that something is put right again: to people for the first time, and then to an alarm, which tells them once
/// more that it goes on.
fn say_again(script: &mut Script<'_>, cause: Cause, episode: &Episode, sentence: String, guess: &str) {
    if episode.times <= 1 {
        script.say(cause, sentence);
    } else {
        let (times, since) = (episode.times, episode.since);
        let sentence = format!("{sentence}, {times} times since {since}: {guess}");
        script.say(Cause::Recurring, sentence);
    }
}

/// Looks whether the world still is as a completed decision left it, and acts by [`verdict`].
///
/// `asked` are the accelerator and the survivor's view where an alert has asked for them already; `waited` is
/// the revision that the caller has waited for.
pub(super) fn watch(
    script: &mut Script<'_>,
    record: &Record,
    asked: Option<(Position, Position)>,
    waited: Option<Rev>,
) -> Result<Answer, Halt> {
    let settings = script.settings;
    let decision = decision_of(script, record)?;
    let (survivor, fenced, epoch) = (&decision.survivor, &decision.fenced, record.epoch);
    let status = script.start(Call::ReadBackup {
        at: survivor.0.clone(),
        backup: fenced.0.clone(),
    });
    let accelerator = match asked {
        Some((accelerator, _)) => accelerator,
        None => script.start(Call::ReadAccelerator),
    };
    let reading = reading(script, accelerator)?;
    not_gone_back(script, record, &reading)?;
    let standing = reading.standing(settings, &decision.outcome, &survivor.0);
    if standing != Presence::Everywhere {
        if asked.is_some() {
            return watch(script, record, None, waited);
        }
        // Whether the survivor's Infinispan answers does not matter for this, and must not hold it up.
        return survivor_missing(script, record, &decision, &reading, standing);
    }
    let balance = balance_of(settings, &reading, &decision);
    let backup = match script.backup(status)? {
        Ok(backup) => backup,
        Err(fault) => return Err(script.failed(&fault)),
    };
    let sight = if needs_sight(balance, backup) {
        let view = match asked {
            Some((_, view)) => view,
            None => script.start(Call::ReadView {
                at: survivor.0.clone(),
            }),
        };
        Some(super::evidence::misses(script, view, &survivor.0, &fenced.0)?)
    } else {
        None
    };
    // Until the schedule has had them forgotten, statuses may be of pushes before the fence, and say nothing.
    let pushed = if needs_pushed(sight) && !record.pushes_are_cleared() {
        Some(Pushed::Nothing)
    } else if needs_pushed(sight) {
        let asked = script.start(Call::ReadPushes {
            at: survivor.0.clone(),
            backup: fenced.0.clone(),
        });
        match script.pushes(asked)? {
            Ok(pushes) => Some(Pushed::of(&pushes)),
            Err(fault) => return Err(script.failed(&fault)),
        }
    } else {
        None
    };
    let verdict = verdict(balance, backup, sight, pushed);
    if asked.is_some() && verdict != Verdict::Fine {
        // The alert asked before it knew the register, perhaps before the decision was carried out. That is
        // good enough to find everything in order, and no ground to change anything.
        return watch(script, record, None, waited);
    }
    match verdict {
        Verdict::Fine => {
            // A recovery that was noted and has been undone leaves its pushes, which say nothing of the next one.
            if script.for_the_schedule() && (record.waiting || !record.pushes_are_cleared()) {
                forget_pushes(script, record, &decision)?;
            }
            if script.for_the_schedule() {
                note(script, record, &reading)?;
            }
            let sentence = format!("{fenced} is fenced, {survivor} survives, epoch {epoch}");
            Ok(Answer::new(Status::Done, sentence))
        }
        Verdict::Recut => {
            let (counted, episode) = record.happening(CUT_FORGOTTEN, script.now());
            let back = Record {
                state: State::Isolated,
                completed: true,
                ..counted
            };
            let claimed = claim(script, &back, &format!("{survivor}'s Infinispan forgot the cut"))?;
            let sentence =
                format!("replication from {survivor} to {fenced} was {backup} again and is cut again");
            let guess = "does its Infinispan keep restarting?";
            say_again(script, Cause::RecutAfterRestart, &episode, sentence, guess);
            finish(script, claimed)
        }
        Verdict::Refence => {
            owned(script, record, &reading)?;
            let (counted, episode) = record.happening(PUT_BACK, script.now());
            let back = Record {
                state: State::Decided,
                completed: true,
                recovery_seen_at: None,
                places: remember(&record.places, &reading.places(settings)),
                ..counted
            };
            let claimed = claim(script, &back, &format!("{fenced} was put back too early"))?;
            let sentence =
                format!("{fenced} was back in the accelerator while its state is stale; it is fenced again");
            let guess = "is a controller putting it back?";
            say_again(script, Cause::RefencedEarlyReturn, &episode, sentence, guess);
            finish(script, claimed)
        }
        Verdict::Recovered => recovered(script, record, &decision, &reading, waited),
        Verdict::Unexplained => {
            let sentence = format!(
                "epoch {epoch} is complete, but the accelerator holds {} and replication from {survivor} to {fenced} \
                 is {backup}: nothing is changed; somebody has to look at it",
                describe(balance, survivor, fenced),
            );
            script.say(Cause::Unexplained, sentence.clone());
            Ok(Answer::new(Status::NotNow, sentence))
        }
    }
}

/// Has the survivor forget what it pushed before it was cut off: a push of an earlier recovery would count for the
/// next one, and one that never ends would look like people at work. Everything is asked of the survivor alone,
/// which does not wait for the lost site. What fails is left to the next minute.
fn forget_pushes(script: &mut Script<'_>, record: &Record, decision: &Decision) -> Result<(), Halt> {
    if only_observed(script, "forget earlier pushes").is_err() {
        return Ok(());
    }
    let (at, backup) = (decision.survivor.0.clone(), decision.fenced.0.clone());
    let read = |script: &mut Script<'_>| {
        let asked = script.start(Call::ReadPushes {
            at: at.clone(),
            backup: backup.clone(),
        });
        script.pushes(asked)
    };
    let names = |pushes: &[CachePush], which: fn(Push) -> bool| -> Vec<String> {
        let those = pushes.iter().filter(|push| which(push.push));
        those.map(|push| push.cache.clone()).collect()
    };
    let left_over: fn(Push) -> bool = |push| push != Push::Idle;
    let mut seen = read(script)?;
    if let Ok(pushes) = &seen
        && pushes.iter().any(|push| left_over(push.push))
    {
        let sending = names(pushes, |push| push == Push::Sending);
        if !sending.is_empty() {
            let cancelled = script.start(Call::CancelPush {
                at: at.clone(),
                backup: backup.clone(),
                caches: sending,
            });
            // Without the other site it is answered with complaints and done all the same.
            script.switched(cancelled)?;
        }
        let cleared = script.start(Call::ClearPushes {
            at: at.clone(),
            caches: names(pushes, left_over),
        });
        // What counts is what is read afterwards.
        let _ = script.done(cleared)?;
        seen = read(script)?;
    }
    let fault = match seen {
        Ok(pushes) if !pushes.iter().any(|push| left_over(push.push)) => {
            let by = format!("earlier pushes forgotten (request {})", script.executor());
            script.write(Record {
                pushes_cleared: Some(record.epoch),
                waiting: false,
                recovery_seen_at: None,
                ..record.revised(&by, script.now())
            })?;
            return Ok(());
        }
        Ok(pushes) => infinispan(
            &at,
            format!(
                "it does not forget the push of {}",
                names(&pushes, left_over).join(", ")
            ),
        ),
        Err(fault) => fault,
    };
    script.say(Cause::DependencyFailed, fault.to_string());
    Ok(())
}

fn describe(balance: Balance, survivor: &crate::words::Survivor, fenced: &crate::words::Fenced) -> String {
    match balance {
        Balance::Survivor => format!("only {survivor}"),
        Balance::Both => "both sites".to_owned(),
        Balance::BothSurvivorWorse => format!("both sites, {fenced} healthier or {survivor} drained"),
        Balance::Else => "neither only the survivor nor both where they belong".to_owned(),
    }
}

fn balance_of(settings: &Settings, reading: &Reading, decision: &Decision) -> Balance {
    let (survivor, fenced) = (&decision.survivor, &decision.fenced);
    if reading.serves_alone(settings, &decision.outcome, &survivor.0) {
        Balance::Survivor
    } else if !reading.reaches(settings, &decision.outcome, &fenced.0) {
        Balance::Else
    } else {
        // Nobody but the two is in, and the survivor is: else there is no outcome.
        match reading.outcome(settings, survivor, fenced, None) {
            Ok(_) => Balance::Both,
            Err(Unfit::SurvivorUnhealthy { .. } | Unfit::SurvivorDrained { .. }) => {
                Balance::BothSurvivorWorse
            }
            Err(_) => Balance::Else,
        }
    }
}

/// People took the survivor out of a listener. Where nobody is left in it the decision is carried out again, once
/// an hour and not while an operator holds everything; whatever else is there is for people, and cannot wait.
fn survivor_missing(
    script: &mut Script<'_>,
    record: &Record,
    decision: &Decision,
    reading: &Reading,
    standing: Presence,
) -> Result<Answer, Halt> {
    let (survivor, epoch, now) = (&decision.survivor, record.epoch, script.now());
    // So far in the future that a wrong clock wrote it, or so long ago: either binds nobody.
    let lately = record
        .refilled_at
        .is_some_and(|at| now.duration_since(at).abs() <= REFILLED_AGAIN_AFTER);
    let left_alone = match standing {
        Presence::Emptied if let Some(hold) = &record.hold => {
            format!(
                "a listener is empty, and {} has put a hold on: {}",
                hold.by, hold.reason
            )
        }
        Presence::Emptied if lately => "a listener is empty again, within an hour of being filled".to_owned(),
        Presence::Emptied => {
            owned(script, record, reading)?;
            let back = Record {
                state: State::Decided,
                completed: true,
                recovery_seen_at: None,
                refilled_at: Some(now),
                places: remember(&record.places, &reading.places(script.settings)),
                ..record.clone()
            };
            let claimed = claim(script, &back, &format!("{survivor} was taken out of a listener"))?;
            let sentence = format!(
                "{survivor}, the survivor, was taken out of a listener, which was then empty; epoch {epoch} is \
                 carried out again"
            );
            script.say(Cause::Refilled, sentence);
            return finish(script, claimed);
        }
        Presence::Missing | Presence::Everywhere => {
            "a listener holds other endpoints, or an unknown one".to_owned()
        }
    };
    let sentence = format!(
        "{survivor} is the survivor of epoch {epoch} and is missing from the accelerator: {left_alone}; put it back \
         by hand"
    );
    script.say(Cause::SurvivorMissing, sentence.clone());
    Ok(Answer::new(Status::NotNow, sentence))
}

/// People brought the sites together by hand. Believed when seen twice, with so much time in between that no
/// executor of the decision is left.
///
/// The other direction counts, too: a promotion or a broken rejoin leaves the fenced site's own replication
/// cut, and it would serve without telling the survivor anything.
fn recovered(
    script: &mut Script<'_>,
    record: &Record,
    decision: &Decision,
    reading: &Reading,
    waited: Option<Rev>,
) -> Result<Answer, Halt> {
    let (survivor, fenced, epoch) = (&decision.survivor, &decision.fenced, record.epoch);
    let asked = script.start(Call::ReadBackup {
        at: fenced.0.clone(),
        backup: survivor.0.clone(),
    });
    match script.backup(asked)? {
        Ok(Backup::Online) => {}
        Ok(status) => {
            let sentence = format!(
                "both sites are back, but replication from {fenced} to {survivor} is {status}: epoch {epoch} \
                 stays complete until it is online"
            );
            script.say(Cause::Unexplained, sentence.clone());
            return Ok(Answer::new(Status::NotNow, sentence));
        }
        Err(fault) => return Err(script.failed(&fault)),
    }
    only_observed(script, &format!("end epoch {epoch}, recovered by hand"))?;
    let now = script.now();
    let noted = record.waiting
        && record.recovery_seen_at.is_some_and(|at| {
            let since = now.duration_since(at);
            !since.is_negative() && since <= RECOVERY_FORGOTTEN_AFTER
        });
    let by = format!("recovery by hand (request {})", script.executor());
    if noted && waited == Some(record.rev) {
        let quiet_until = script.in_seconds(script.settings.cooldown_seconds);
        let open = Record {
            places: remember(&record.places, &reading.places(script.settings)),
            ..record.opened(quiet_until, &by, now)
        };
        let open = script.write(open)?;
        note_end(script, &open, reading)?;
        let sentence =
            format!("both sites are back and see each other: epoch {epoch} is over, recovered by hand");
        script.say(Cause::Adopted, sentence.clone());
        return Ok(Answer::new(Status::NotNow, sentence));
    }
    if !noted {
        script.write(Record {
            waiting: true,
            recovery_seen_at: Some(now),
            ..record.revised(&by, now)
        })?;
    }
    Ok(Answer::new(
        Status::NotNow,
        "both sites are back and see each other; this is confirmed when it is seen again",
    ))
}

/// A fault in words for a site's Infinispan.
pub(super) fn infinispan(at: &crate::words::SiteName, what: impl Into<String>) -> Fault {
    Fault {
        whom: format!("{at}'s Infinispan"),
        what: what.into(),
    }
}
