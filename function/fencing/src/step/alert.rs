//! An alert: one site's monitoring calls the other offline.
//!
//! ```text
//!   [register ∥ endpoint groups ∥ the reporter's view]   one round trip
//!     → decide: conditional write                        one
//!     → write the endpoint group                         one
//!     → take-offline at the survivor                     one, and its writes flow again
//!     → read back, record                                beside or after
//! ```

use jiff::Timestamp;

use super::carry_out::{carried_out_once, claim, complete, fenced, unclaimed};
use super::evidence::{Because, allowed, decide, missed, misses, reading};
use super::rejoin::{Off, abort};
use super::restored::{believed, note_new};
use super::script::{Halt, Position, Script};
use super::{Call, sweep};
use crate::accelerator::Reading;
use crate::answer::{Answer, Cause, Status};
use crate::register::{Record, State};
use crate::replication::Sight;
use crate::words::{Fenced, Reporter, Survivor, Suspect};

pub(super) fn alert(
    script: &mut Script<'_>,
    reporter: &Reporter,
    suspect: &Suspect,
    since: Option<Timestamp>,
) -> Result<Answer, Halt> {
    ours(script, reporter, suspect)?;
    let register = script.start(Call::ReadRegister);
    let accelerator = script.start(Call::ReadAccelerator);
    let view = script.start(Call::ReadView {
        at: reporter.0.clone(),
    });
    let record = script.register(register)?;
    let by = format!("{reporter}'s alert");
    script.rounds(record, |script, record| match record.state {
        State::Open => {
            allowed(script, record)?;
            missed(script, record, view, &reporter.0, &suspect.0)?;
            let reading = reading(script, accelerator)?;
            let because = Because {
                by: &by,
                reason: &format!("{reporter} reports it offline and does not see it"),
                alerted_at: since,
                waives_drained: false,
            };
            fence(script, record, &reading, reporter, suspect, &because)
        }
        State::Decided | State::Isolated => resume(script, record, accelerator, reporter, &by),
        State::Complete if record.fenced() == Some(&reporter.0) => {
            believed(script, record, Some(accelerator))?;
            Ok(conclude(record, reporter, true))
        }
        State::Complete => sweep::watch(script, record, Some((accelerator, view)), None),
        State::Rejoining if record.fenced() == Some(&reporter.0) => Ok(rejoining(record)),
        State::Rejoining => match misses(script, view, &reporter.0, &suspect.0)? {
            Sight::Misses => {
                believed(script, record, Some(accelerator))?;
                abort(script, record, false, &by, Off::LinkLost)
            }
            _ => Ok(rejoining(record)),
        },
    })
}

/// Refuses what is reported of sites that are not ours.
pub(super) fn ours(script: &mut Script<'_>, reporter: &Reporter, suspect: &Suspect) -> Result<(), Halt> {
    if script.settings.peer_of(&reporter.0) == Some(&suspect.0) {
        return Ok(());
    }
    let sentence = format!("{reporter} and {suspect} are not this topology's two sites");
    script.say(Cause::ForeignLabels, sentence.clone());
    Err(Halt::Answer(Answer::new(Status::Foreign, sentence)))
}

/// Decides, and carries the decision out.
pub(super) fn fence(
    script: &mut Script<'_>,
    record: &Record,
    reading: &Reading,
    reporter: &Reporter,
    suspect: &Suspect,
    because: &Because<'_>,
) -> Result<Answer, Halt> {
    let (survivor, fenced) = (Survivor(reporter.0.clone()), Fenced(suspect.0.clone()));
    let decided = decide(script, record, reading, &survivor, &fenced, because)?;
    let record = complete(script, decided, Some(reading))?;
    note_new(script, &record, reading)?;
    Ok(conclude(&record, reporter, false))
}

/// Goes on with a decision that is not carried out yet, unless somebody else is at it or it has to be waited for.
pub(super) fn resume(
    script: &mut Script<'_>,
    record: &Record,
    accelerator: Position,
    reporter: &Reporter,
    by: &str,
) -> Result<Answer, Halt> {
    if record.waiting {
        let sentence = "an operator changed the decision; executors of the previous one may still be running";
        return Ok(Answer::new(Status::NotNow, sentence));
    }
    if record.carried_out_once() {
        return Ok(carried_out_once(record));
    }
    unclaimed(script, record)?;
    believed(script, record, Some(accelerator))?;
    let claimed = claim(script, record, by)?;
    let reading = match claimed.state {
        State::Isolated => script.accelerator(accelerator)?.ok(),
        _ => None,
    };
    let again = claimed.completed;
    let record = complete(script, claimed, reading.as_ref())?;
    Ok(conclude(&record, reporter, again))
}

pub(super) fn rejoining(record: &Record) -> Answer {
    let fenced = record
        .fenced()
        .map_or_else(String::new, |site| format!("{site} "));
    Answer::new(
        Status::NotNow,
        format!("{fenced}is being brought back, epoch {}", record.epoch),
    )
}

/// What a completed decision means to the site that reports. The fenced one is answered that it was heard, not to come
/// again: nothing that it reports changes anything until somebody acts, and Alertmanager counts every other answer
/// as a notification that failed.
fn conclude(record: &Record, reporter: &Reporter, again: bool) -> Answer {
    let Some(decision) = &record.decision else {
        return Answer::new(Status::Retry, "the register no longer holds a decision");
    };
    let (survivor, epoch) = (&decision.survivor, record.epoch);
    if reporter.0 == survivor.0 {
        Answer::new(Status::Done, fenced(record, decision, again))
    } else {
        let sentence = format!(
            "{survivor} has been the survivor since epoch {epoch}; what {reporter}, which is fenced, reports changes \
             nothing"
        );
        Answer::new(Status::Done, sentence)
    }
}
