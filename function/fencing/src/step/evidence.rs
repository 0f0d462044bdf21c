//! What has to be true before a site may be fenced.

use jiff::SignedDuration;

use super::Fault;
use super::script::{Halt, Place, Script};
use crate::accelerator::{Reading, remember};
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
