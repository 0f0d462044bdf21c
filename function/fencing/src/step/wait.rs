//! The wait that comes before an operator's command changes what a decision has done.
//!
//! Executors of the revision before may still be at work, and the accelerator takes no token that would tell a
//! late writer from a timely one. After twice the function's timeout they have ended. So the caller who may continue
//! writes the register, answers with the token of that write, and goes on when it is named again, by any
//! invocation, after so long.
//!
//! The caller's word alone is not enough: a command is typed twice, cut short, or pasted from where somebody
//! else has used it. A token is given in one answer only and names one revision; and by the record's own time
//! the wait has to be over, too. Only where that lies in the future, one of the two clocks is wrong, the
//! writer's or the reader's, and the caller's monotonic wait counts alone.

use jiff::SignedDuration;

use super::script::{Halt, Script};
use crate::answer::{Answer, Next, Status};
use crate::register::Record;
use crate::words::Token;

impl Script<'_> {
    /// Whether a caller who names this token has waited for this revision.
    pub(super) fn has_waited(&self, record: &Record, waited: Option<&Token>) -> bool {
        self.is_named(record, waited) && self.left_to_wait(record) == SignedDuration::ZERO
    }

    fn is_named(&self, record: &Record, waited: Option<&Token>) -> bool {
        waited.is_some() && record.token.as_ref() == waited
    }

    fn wait_seconds(&self) -> u32 {
        self.settings.timeout_seconds.saturating_mul(2)
    }

    fn left_to_wait(&self, record: &Record) -> SignedDuration {
        let since = self.now().duration_since(record.written_at);
        let wait = SignedDuration::from_secs(self.wait_seconds().into());
        if since.is_negative() {
            SignedDuration::ZERO
        } else {
            (wait - since).max(SignedDuration::ZERO)
        }
    }

    /// The answer to an operator's command that has to wait for this revision, or to wait on.
    pub(super) fn wait_for(
        &mut self,
        record: &Record,
        waited: Option<&Token>,
        sentence: String,
    ) -> Result<Answer, Halt> {
        let whole = self.wait_seconds();
        let seconds = if self.is_named(record, waited) {
            // Rounded up; so much is missing by the record's time.
            u32::try_from(
                self.left_to_wait(record)
                    .as_millis()
                    .unsigned_abs()
                    .div_ceil(1000),
            )
            .unwrap_or(whole)
            .clamp(1, whole)
        } else {
            whole
        };
        let token = match &record.token {
            Some(token) => token.clone(),
            // An older function wrote it: the same once more, with a name.
            None => {
                let named = self.write(record.revised(&record.by, self.now()))?;
                let request = self.executor();
                named.token.unwrap_or_else(|| Token::of(named.rev, &request))
            }
        };
        Ok(Answer::new(Status::NotNow, sentence).then(Next::Wait { seconds, token }))
    }
}
