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
use crate::answer::{Answer, Cause, Status};
use crate::register::{Record, State};
use crate::replication::Sight;
use crate::words::{Fenced, Reporter, Survivor, Suspect};

struct Asked {
    accelerator: Position,
    view: Position,
    since: Option<Timestamp>,
}

pub(super) fn alert(
    script: &mut Script<'_>,
    reporter: &Reporter,
    suspect: &Suspect,
    since: Option<Timestamp>,
) -> Result<Answer, Halt> {
    if script.settings.peer_of(&reporter.0) != Some(&suspect.0) {
        let sentence = format!("{reporter} and {suspect} are not this topology's two sites");
        script.say(Cause::ForeignLabels, sentence.clone());
        return Ok(Answer::new(Status::Foreign, sentence));
    }
    let register = script.start(Call::ReadRegister);
    let asked = Asked {
        accelerator: script.start(Call::ReadAccelerator),
        view: script.start(Call::ReadView {
            at: reporter.0.clone(),
        }),
        since,
    };
    let record = script.register(register)?;
    script.rounds(record, |script, record| {
        judge(script, record, &asked, reporter, suspect)
    })
}

fn judge(
    script: &mut Script<'_>,
    record: &Record,
    asked: &Asked,
    reporter: &Reporter,
    suspect: &Suspect,
) -> Result<Answer, Halt> {
    match record.state {
        State::Open => {
            allowed(script, record)?;
            missed(script, record, asked.view, &reporter.0, &suspect.0)?;
            let reading = reading(script, asked.accelerator)?;
            let decided = decide(
                script,
                record,
                &reading,
                &Survivor(reporter.0.clone()),
                &Fenced(suspect.0.clone()),
                &Because {
                    by: &format!("{reporter}'s alert"),
                    reason: &format!("{reporter} reports it offline and does not see it"),
                    alerted_at: asked.since,
                    waives_drained: false,
                },
            )?;
            let record = complete(script, decided, Some(&reading))?;
            note_new(script, &record, &reading)?;
            Ok(conclude(&record, reporter, false))
        }
        State::Decided | State::Isolated => {
            if record.waiting {
                let sentence =
                    "an operator changed the decision; executors of the previous one may still be running";
                return Ok(Answer::new(Status::NotNow, sentence));
            }
            if record.carried_out_once() {
                return Ok(carried_out_once(record));
            }
            unclaimed(script, record)?;
            believed(script, record, Some(asked.accelerator))?;
            let claimed = claim(script, record, &format!("{reporter}'s alert"))?;
            let reading = match claimed.state {
                State::Isolated => script.accelerator(asked.accelerator)?.ok(),
                _ => None,
            };
            let again = claimed.completed;
            let record = complete(script, claimed, reading.as_ref())?;
            Ok(conclude(&record, reporter, again))
        }
        State::Complete if record.fenced() == Some(&reporter.0) => {
            believed(script, record, Some(asked.accelerator))?;
            Ok(conclude(record, reporter, true))
        }
        State::Complete => sweep::watch(script, record, Some((asked.accelerator, asked.view)), None),
        State::Rejoining if record.fenced() == Some(&reporter.0) => Ok(rejoining(record)),
        State::Rejoining => match misses(script, asked.view, &reporter.0, &suspect.0)? {
            Sight::Misses => {
                believed(script, record, Some(asked.accelerator))?;
                let by = format!("{reporter}'s alert");
                abort(script, record, false, &by, Off::LinkLost)
            }
            _ => Ok(rejoining(record)),
        },
    }
}

fn rejoining(record: &Record) -> Answer {
    let fenced = record
        .fenced()
        .map_or_else(String::new, |site| format!("{site} "));
    Answer::new(
        Status::NotNow,
        format!("{fenced}is being brought back, epoch {}", record.epoch),
    )
}

/// What a completed decision means to the site that reports. The fenced one is told that it is heard, not to come
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
