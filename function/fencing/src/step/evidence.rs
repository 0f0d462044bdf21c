//! What has to be true before a site may be fenced.

use jiff::SignedDuration;

use super::script::{Halt, Place, Script};
use super::{Call, Fault};
use crate::accelerator::{Mark, Reading, remember};
use crate::answer::{Answer, Cause, Status};
use crate::register::{Decision, Record};
use crate::replication::Sight;
use crate::settings::Mode;
use crate::words::{Fenced, SiteName, Survivor};

/// Refuses while an operator's hold or the quiet time after a recovery forbids new decisions.
pub(super) fn allowed(script: &Script<'_>, record: &Record) -> Result<(), Halt> {
    not_held(record)?;
    let Some(until) = record.cooldown_until else {
        return Ok(());
    };
    // More quiet time than there ever is comes from a wrong clock, and must not keep a site from being fenced.
    let left = until.duration_since(script.now());
    let at_most = SignedDuration::from_secs(script.settings.cooldown_seconds.into());
    if left > SignedDuration::ZERO && left <= at_most {
        let sentence =
            format!("no new decision before {until}: the sites have just been brought together again");
        return Err(Halt::Answer(Answer::new(Status::NotNow, sentence)));
    }
    Ok(())
}

/// Refuses while an operator's hold forbids new decisions.
pub(super) fn not_held(record: &Record) -> Result<(), Halt> {
    match &record.hold {
        None => Ok(()),
        Some(hold) => {
            let sentence = format!("held by {} since {}: {}", hold.by, hold.since, hold.reason);
            Err(Halt::Answer(Answer::new(Status::NotNow, sentence)))
        }
    }
}

/// Where nothing is to be written, the end: what would have been done.
pub(super) fn only_observed(script: &Script<'_>, what: &str) -> Result<(), Halt> {
    if script.settings.mode == Mode::Act {
        return Ok(());
    }
    let sentence = format!("would {what}; mode is observe, nothing is done");
    // Alertmanager need not send again what changes nothing; an operator asked for something and did not get it.
    let status = match script.for_an_alert() {
        true => Status::Done,
        false => Status::NotNow,
    };
    Err(Halt::Answer(Answer::new(status, sentence)))
}

/// Asks the survivor's own Infinispan whether it misses the other site *now*. Only that is evidence: an
/// alert can be old, and a link can have healed since.
pub(super) fn misses(
    script: &mut Script<'_>,
    asked: Place,
    own: &SiteName,
    peer: &SiteName,
) -> Result<Sight, Halt> {
    let view = match script.view(asked)? {
        Ok(view) => view,
        Err(fault) => return Err(script.failed(&fault)),
    };
    match view.sight(own, peer) {
        seen @ (Sight::Sees | Sight::Misses) => Ok(seen),
        Sight::Nothing => Err(script.failed(&Fault {
            whom: format!("{own}'s Infinispan"),
            what: "no relay node answered, so nobody knows whether it sees the other site".to_owned(),
        })),
        Sight::WrongSite => Err(script.failed(&Fault {
            whom: format!("{own}'s Infinispan"),
            what: format!(
                "calls itself `{}`: the endpoint leads to another site",
                view.local_site
            ),
        })),
    }
}

/// The reading, or the end.
pub(super) fn reading(script: &mut Script<'_>, asked: Place) -> Result<Reading, Halt> {
    match script.accelerator(asked)? {
        Ok(reading) => Ok(reading),
        Err(fault) => Err(script.failed(&fault)),
    }
}

/// The last deep check's look at the accelerator's tag counts for so long where the tag cannot be read now.
const MARK_COUNTS_FOR: SignedDuration = SignedDuration::from_mins(10);

/// Refuses where the accelerator is another deployment's: each has its own register, so both would decide, and
/// together leave nobody in it.
///
/// It is the last thing in the way of a fence that somebody is waiting for, and a tag. So one that is gone is no
/// reason to refuse, and one that cannot be read only if the last deep check saw another's: an alarm tells either.
pub(super) fn owned(script: &mut Script<'_>, mark: &Mark) -> Result<(), Halt> {
    let ours = script.settings.found.owner.clone();
    if ours.is_empty() {
        return Ok(());
    }
    let known = match mark {
        Mark::Absent => return Ok(()),
        Mark::Names(owner) => owner.clone(),
        Mark::Unread(why) => {
            let asked = script.start(Call::ReadMark);
            let seen = match script.marked(asked)? {
                Ok(seen) => seen,
                // It is in the register, without which nothing is decided anyway.
                Err(fault) => return Err(script.failed(&fault)),
            };
            let seen = seen.filter(|seen| {
                // One from the future belongs to a wrong clock, and is as old as it is new.
                script.now().duration_since(seen.at).abs() <= MARK_COUNTS_FOR
            });
            match seen.map(|seen| seen.mark) {
                Some(Mark::Names(owner)) => owner,
                Some(_) => return Ok(()),
                None => {
                    let sentence = format!(
                        "it is not known whose the accelerator is, and a site is fenced all the same: {why}"
                    );
                    script.say(Cause::OwnerUnknown, sentence);
                    return Ok(());
                }
            }
        }
    };
    if known == ours {
        return Ok(());
    }
    let sentence = format!(
        "the accelerator belongs to `{known}`, this is `{ours}`: two deployments would empty it between them"
    );
    script.say(Cause::AnothersAccelerator, sentence.clone());
    Err(Halt::Answer(Answer::new(Status::Retry, sentence)))
}

/// Turns complete evidence into a decision in the register, and returns the record as written.
///
/// `reason` is the first half of the evidence; what the accelerator shows is added.
pub(super) fn decide(
    script: &mut Script<'_>,
    record: &Record,
    reading: &Reading,
    survivor: &Survivor,
    fenced: &Fenced,
    by: &str,
    reason: &str,
) -> Result<Record, Halt> {
    owned(script, &reading.mark)?;
    let settings = script.settings;
    let outcome = match reading.outcome(settings, survivor, fenced) {
        Ok(outcome) => outcome,
        Err(unfit) => {
            let sentence = format!("{fenced} is not fenced: {unfit}");
            script.say(Cause::Unexplained, sentence.clone());
            return Err(Halt::Answer(Answer::new(Status::NotNow, sentence)));
        }
    };
    let out = if reading.holds(settings, &fenced.0) {
        "both endpoints present".to_owned()
    } else {
        format!("{fenced} already out of the accelerator")
    };
    let evidence = format!("{reason}, {out}");
    only_observed(script, &format!("fence {fenced}: {evidence}"))?;
    let decision = Decision {
        survivor: survivor.clone(),
        fenced: fenced.clone(),
        outcome,
        by: by.to_owned(),
        evidence: evidence.clone(),
        decided_at: script.now(),
    };
    let by = format!("{by} (request {})", script.executor());
    let decided = Record {
        claim: script.fresh_claim(),
        places: remember(&record.places, &reading.places(settings)),
        ..record.decided(decision, &by)
    };
    let written = script.write(decided)?;
    script.say(
        Cause::Decided,
        format!("fencing {fenced}: {evidence}, epoch {}", written.epoch),
    );
    Ok(written)
}
