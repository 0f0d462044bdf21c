//! How often something is looked at that goes on elsewhere.

use std::time::Duration;

use super::Session;
use super::failure::Failure;

/// Polling starts fast, for what is done at once, and slows down to what CloudFormation's quota likes.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long to sleep before the next look.
#[derive(Debug)]
pub(super) struct Pace(Duration);

impl Pace {
    pub(super) const fn new() -> Self {
        Self(FIRST_PAUSE)
    }

    /// Sleeps a little longer than the last time.
    pub(super) async fn pause(&mut self, session: &Session) -> Result<(), Failure> {
        session.interrupt.pause(self.0).await?;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
