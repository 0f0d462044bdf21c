//! Writing down what an operator did without the function.
//!
//! `fence --force` is for when the register or the function is down: it sees to it that nothing else decides, waits until
//! whoever did has ended, takes the site out of the accelerator and cuts replication, with the operator's own rights.
//! The register knows nothing of it. Until it does, the schedule does not repair what people undo, nobody can rejoin the
//! site, and with a decision the other way in force the next thing that anybody carries out is the wrong one.
//!
//! ```text
//!   register as it was read?  ─ no ─▶ refused: look again
//!   the world shows it?       ─ no ─▶ refused: `fence` is for that
//!   open                      ─▶ decided, epoch + 1 ─▶ carried out, as far as it is not ─▶ complete
//!   the other site survives   ─▶ decided, epoch + 1, waiting ─▶ after the wait carried out ─▶ complete
//!   this one survives already ─▶ carried out, as far as it is not
//! ```
//!
//! What was forced shows in the accelerator, which holds only the survivor, or, where that could not be written and
//! the cut came first, in the survivor's replication. Either half is enough: the other one is made up for. A hold does
//! not stop it: it was put on so that nobody decides *beside* what was forced, and a hold that kept that from being
//! written down would protect nothing.

use super::Call;
use super::carry_out::{carried_out_once, claim, complete, decision_of};
use super::evidence::{only_observed, reading};
use super::operate::no_such_site;
use super::script::{Halt, Place, Script};
use super::watch;
use crate::accelerator::{Outcome, Reading, Unfit, remember};
use crate::answer::{Answer, Cause, Status};
use crate::register::{Decision, Record, State};
use crate::replication::Backup;
use crate::words::{Fenced, Rev, SiteName, Survivor, Token};

/// What is asked of the world, once for all attempts.
struct Asked {
    accelerator: Place,
    backup: Place,
}

pub(super) fn reconcile(
    script: &mut Script<'_>,
    fenced: &SiteName,
    by: &str,
    rev: Rev,
    waited: Option<&Token>,
) -> Result<Answer, Halt> {
    let Some(survivor) = script.settings.peer_of(fenced).cloned() else {
        return Ok(no_such_site(fenced));
    };
    let register = script.start(Call::ReadRegister);
    let asked = Asked {
        accelerator: script.start(Call::ReadAccelerator),
        backup: script.start(Call::ReadBackup {
            at: survivor.clone(),
            backup: fenced.clone(),
        }),
    };
    let record = script.register(register)?;
    script.rounds(record, |script, record| {
        if record.fenced() == Some(fenced) {
            return decided_so(script, record, by, waited);
        }
        if record.rev != rev {
            let sentence = format!(
                "the register is at revision {} by now, written by {}; it was read at {rev}: look again before anything \
                 is written over that",
                record.rev, record.by
            );
            return Ok(Answer::new(Status::NotNow, sentence));
        }
        write_down(script, record, &asked, &survivor, fenced, by)
    })
}

/// The register says the same already: this command wrote it, or an alert did.
fn decided_so(
    script: &mut Script<'_>,
    record: &Record,
    by: &str,
    waited: Option<&Token>,
) -> Result<Answer, Halt> {
    match record.state {
        State::Decided | State::Unbalanced if record.waiting && !script.has_waited(record, waited) => {
            let sentence = format!("what was forced is written down, epoch {}", record.epoch);
            script.wait_for(record, waited, sentence)
        }
        State::Decided | State::Unbalanced if record.carried_out_once() => Ok(carried_out_once(record)),
        State::Decided | State::Unbalanced => {
            let claimed = claim(script, record, &format!("operator {by}"))?;
            watch::finish(script, claimed)
        }
        State::Complete => watch::watch(script, record, None, None),
        State::Open | State::Rejoining => {
            let decision = decision_of(script, record)?;
            Ok(Answer::new(
                Status::NotNow,
                format!(
                    "{} is being brought back, epoch {}",
                    decision.fenced, record.epoch
                ),
            ))
        }
    }
}

fn write_down(
    script: &mut Script<'_>,
    record: &Record,
    asked: &Asked,
    survivor: &SiteName,
    fenced: &SiteName,
    by: &str,
) -> Result<Answer, Halt> {
    let settings = script.settings;
    let seen = reading(script, asked.accelerator)?;
    let outcome = match forced(script, asked, &seen, survivor, fenced)? {
        Ok(outcome) => outcome,
        Err(why) => {
            let sentence = format!("nothing is written down: {why}");
            return Ok(Answer::new(Status::NotNow, sentence));
        }
    };
    only_observed(script, &format!("write down that {fenced} was fenced by force"))?;
    let decision = Decision {
        survivor: Survivor(survivor.clone()),
        fenced: Fenced(fenced.clone()),
        outcome,
        by: format!("operator {by}"),
        evidence: format!("{FORCED} by {by}"),
        decided_at: script.now(),
    };
    let signed = format!("reconcile by {by} (request {})", script.executor());
    // Executors of a decision the other way may still be running, and would undo it: as after a promotion.
    let waiting = record.state != State::Open;
    let written = script.write(Record {
        waiting,
        claim: if waiting { None } else { script.fresh_claim() },
        places: remember(&record.places, &seen.places(settings)),
        ..record.decided(decision, &signed)
    })?;
    let sentence = format!(
        "{fenced} was fenced by force by {by}: written down as epoch {}, {survivor} survives",
        written.epoch
    );
    script.say(Cause::Decided, sentence.clone());
    if waiting {
        return script.wait_for(&written, None, sentence);
    }
    let done = complete(script, written, Some(&seen))?;
    Ok(Answer::new(
        Status::Done,
        format!("{fenced} is fenced, epoch {}", done.epoch),
    ))
}

/// How the evidence of a decision begins that was carried out by force.
const FORCED: &str = "forced";

/// What was forced, as far as the world shows it, or why nothing of it can be seen.
fn forced(
    script: &mut Script<'_>,
    asked: &Asked,
    seen: &Reading,
    survivor: &SiteName,
    fenced: &SiteName,
) -> Result<Result<Outcome, String>, Halt> {
    let settings = script.settings;
    let backup = match script.backup(asked.backup)? {
        Ok(backup) => backup,
        Err(fault) => return Err(script.failed(&fault)),
    };
    let outcome = match seen.outcome(settings, &Survivor(survivor.clone()), &Fenced(fenced.clone())) {
        Ok(outcome) => outcome,
        Err(unfit @ (Unfit::SurvivorAbsent { .. } | Unfit::Nobody)) => {
            return Ok(Err(format!("{unfit}: put {survivor} in by hand first")));
        }
        Err(unfit) => return Ok(Err(unfit.to_string())),
    };
    let is_out = !seen.holds(settings, fenced);
    if !is_out && backup != Backup::Offline {
        return Ok(Err(format!(
            "both sites are in the accelerator and replication from {survivor} to {fenced} is {backup}, so nothing \
             of it was forced: `fence` is for that"
        )));
    }
    Ok(Ok(outcome))
}
