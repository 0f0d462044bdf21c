//! A register that has gone back: its table was restored from a backup.
//!
//! ```text
//!   register ─▶ complete, epoch 4 ─▶ open ─▶ complete, epoch 5 ─▶ open          what happened
//!                     ▲                                             │
//!                     └────────────── restored ─────────────────────┘          what it says now
//! ```
//!
//! What it says then was so once: the next sweep would find the site of epoch 4 in the accelerator "too early" and fence
//! it, a command would go on with a rejoin that ended long ago, and the next decision would bear the number of one that
//! was carried out. Nothing inside the table can tell, since all of it was restored together. So each epoch is noted
//! where it survives that, at the accelerator, beside the tag that says whose it is and is read anyway: once by the
//! schedule when its decision is complete, and once more when it is over. A record with a lower revision than the one
//! that was noted is not acted upon until an operator has looked at both and says that it is to be believed.
//!
//! The tag is no lock, and others may strip it; then nobody knows, and everything goes on as if nothing had been
//! restored, for it is the last thing in the way of a fence that somebody is waiting for. `provision` takes it away with
//! the mark of the owner, and before it writes that again: a new table begins at nothing.

use super::Call;
use super::evidence::{only_observed, reading};
use super::script::{Halt, Position, Script};
use crate::accelerator::{Mark, Reached, Reading};
use crate::answer::{Answer, Cause, Status};
use crate::register::Record;
use crate::words::{Epoch, Rev};

fn is_ours(script: &Script<'_>, reading: &Reading) -> bool {
    matches!(&reading.mark, Mark::Names(owner) if *owner == script.settings.found.owner)
}

/// How far the register had come, as far as our own tag says so.
fn noted(script: &Script<'_>, reading: &Reading) -> Option<Reached> {
    reading.reached.filter(|_| is_ours(script, reading))
}

/// Whether the register seems to have gone back, by one look at both.
pub(super) fn has_gone_back(script: &Script<'_>, record: &Record, reading: &Reading) -> bool {
    record.rev != Rev(0) && noted(script, reading).is_some_and(|reached| reached.is_beyond(record))
}

/// Refuses to act upon a register that has gone back.
pub(super) fn not_gone_back(script: &mut Script<'_>, record: &Record, reading: &Reading) -> Result<(), Halt> {
    let Some(reached) = noted(script, reading).filter(|reached| reached.is_beyond(record)) else {
        return Ok(());
    };
    if record.rev == Rev(0) {
        // Nothing is in it that could be carried out, so it is a new one, and the tag is what another has left behind. It
        // has to say so before anything is in the new one: from then on it would be this one that seems to have gone back.
        return note_end(script, record, reading);
    }
    // Both were read side by side, and somebody may have written in between.
    let again = script.start(Call::ReadRegister);
    let newer = script.register(again)?;
    if !reached.is_beyond(&newer) {
        return Err(Halt::Rerun(Box::new(newer)));
    }
    let sentence = format!(
        "the register says epoch {}, revision {}, but had already reached epoch {}, revision {}: it was restored \
         from a backup, so nothing is decided and nothing carried out until `provision release --resume-epoch {}` \
         confirms it",
        record.epoch, record.rev, reached.epoch, reached.rev, record.epoch
    );
    script.say(Cause::DependencyFailed, sentence.clone());
    Err(Halt::Answer(Answer::new(Status::Retry, sentence)))
}

/// The same before a decision is carried out, or before it is put back into force. A table may be restored to any second
/// of it, and the world has gone on since: the site that is to survive may be cut off by a later decision.
///
/// `asked` is the accelerator where that has been asked for already. What cannot be read says nothing: a decision that is
/// under way must not wait for the accelerator to be well.
pub(super) fn believed(
    script: &mut Script<'_>,
    record: &Record,
    asked: Option<Position>,
) -> Result<(), Halt> {
    let asked = asked.unwrap_or_else(|| script.start(Call::ReadAccelerator));
    match script.accelerator(asked)? {
        Ok(reading) => not_gone_back(script, record, &reading),
        Err(_) => Ok(()),
    }
}

/// Notes at the accelerator that a decision is complete in a register that had come less far than the one before, which
/// the decision could not wait to see noted.
pub(super) fn note_new(script: &mut Script<'_>, record: &Record, reading: &Reading) -> Result<(), Halt> {
    match noted(script, reading) {
        Some(reached) if reached.is_beyond(record) => note_end(script, record, reading),
        _ => Ok(()),
    }
}

/// Notes at the accelerator how far the register has come, unless that is known. Whether it succeeds does not matter: the
/// next minute tries again, or the next epoch.
pub(super) fn note(script: &mut Script<'_>, record: &Record, reading: &Reading) -> Result<(), Halt> {
    match reading.reached {
        Some(reached) if reached.epoch >= record.epoch && !reached.is_beyond(record) => Ok(()),
        _ => note_end(script, record, reading),
    }
}

/// The same of an epoch that is over.
pub(super) fn note_end(script: &mut Script<'_>, record: &Record, reading: &Reading) -> Result<(), Halt> {
    if !is_ours(script, reading) || only_observed(script, "note the epoch").is_err() {
        return Ok(());
    }
    let noted = script.start(Call::NoteReached(Reached::of(record)));
    let _ = script.done(noted)?;
    Ok(())
}

/// An operator says that the register is to be believed.
pub(super) fn resume(script: &mut Script<'_>, by: &str, epoch: Epoch) -> Result<Answer, Halt> {
    let register = script.start(Call::ReadRegister);
    let accelerator = script.start(Call::ReadAccelerator);
    let record = script.register(register)?;
    let reading = reading(script, accelerator)?;
    let Some(reached) = noted(script, &reading).filter(|reached| reached.is_beyond(&record)) else {
        let sentence = format!(
            "nothing to confirm: the register is at epoch {}, and nothing shows that it was ever at a later one",
            record.epoch
        );
        return Ok(Answer::new(Status::Done, sentence));
    };
    if epoch != record.epoch {
        let sentence = format!(
            "the register is at epoch {} and {}, not at epoch {epoch}: check it, then give the epoch that it says",
            record.epoch, record.state
        );
        return Ok(Answer::new(Status::NotNow, sentence));
    }
    only_observed(script, &format!("resume at epoch {epoch}"))?;
    let noted = script.start(Call::NoteReached(Reached::of(&record)));
    if let Err(fault) = script.done(noted)? {
        return Err(script.failed(&fault));
    }
    let sentence = format!(
        "epoch {epoch} counts from now on, confirmed by {by}: it is {}; the register had reached epoch {}",
        record.state, reached.epoch
    );
    script.say(Cause::HoldChanged, sentence.clone());
    Ok(Answer::new(Status::Done, sentence))
}
