//! A claim that is kept while its holder works.
//!
//! Each write of the register renews the claim, but between two of them a call may hang for longer than an
//! interval. So beside such a call a pause runs; when it is over first, the claim is renewed and the
//! wait goes on. A holder that died renews nothing, and after interval × threshold anyone takes over.
//!
//! All of this only saves work: two executors that do the same calls are safe, only wasteful.

use super::Call;
use super::script::{Halt, Position, Script};
use crate::register::Record;

/// The record as this executor last wrote it, with its claim in it.
pub(super) struct Held {
    /// What is in the register, as far as its reply has been waited for.
    pub(super) record: Record,
    /// A write that runs beside the work.
    beside: Option<(Position, Record)>,
    pause: Option<Position>,
}

impl Held {
    pub(super) fn new(record: Record) -> Self {
        Self {
            record,
            beside: None,
            pause: None,
        }
    }

    /// Starts a write without waiting for it.
    pub(super) fn write_beside(&mut self, script: &mut Script<'_>, record: Record) {
        self.beside = Some(script.start_write(record));
    }

    /// Waits for the write that runs beside.
    pub(super) fn settle(&mut self, script: &mut Script<'_>) -> Result<(), Halt> {
        if let Some((place, record)) = self.beside.take() {
            self.record = script.written(place, record)?;
        }
        Ok(())
    }

    /// Waits until a call is answered, and renews the claim as often as an interval passes before that.
    pub(super) fn wait(&mut self, script: &mut Script<'_>, place: Position) -> Result<(), Halt> {
        loop {
            // Started whether or not the answer is there already: a replay must not see a difference.
            let seconds = script.settings.claim.renew_interval_seconds.max(1);
            let pause = *self
                .pause
                .get_or_insert_with(|| script.start(Call::Pause { seconds }));
            if !script.came_before(pause, place)? {
                return Ok(());
            }
            self.pause = None;
            self.settle(script)?;
            let renewed = Record {
                claim: script.fresh_claim(),
                ..self.record.revised(&self.record.by, script.now())
            };
            self.record = script.write(renewed)?;
        }
    }
}
