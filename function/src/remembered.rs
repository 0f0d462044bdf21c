//! A secret that callers present, remembered between two invocations: as digests, read rarely.
//!
//! Somebody who guesses must not cause more than one call now and then, and a secret that was rotated must be
//! accepted soon. So a mismatch makes the stored value be read again, but not more often than
//! [`REREAD_AFTER_MISMATCH`]; and while none could be read at all, it is tried once a second.

use std::time::Duration;

use crate::moment::Moment;

/// After a wrong guess the secret is read again, in case it was rotated, but not more often than this: a
/// flood of guesses must not become a flood of calls.
pub const REREAD_AFTER_MISMATCH: Duration = Duration::from_secs(30);

/// While no secret could be read at all, it is tried this often.
pub const REREAD_WHILE_UNKNOWN: Duration = Duration::from_secs(1);

/// What is known of one secret.
#[derive(Debug)]
pub struct Remembered<T> {
    known: Option<T>,
    asked: Option<Moment>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self {
            known: None,
            asked: None,
        }
    }
}

impl<T: Clone> Remembered<T> {
    /// What was read last.
    pub fn known(&self) -> Option<T> {
        self.known.clone()
    }

    /// Whether it may be read again because a caller presented something else.
    pub fn may_be_asked(&self, now: Moment) -> bool {
        let pause = match self.known {
            Some(_) => REREAD_AFTER_MISMATCH,
            None => REREAD_WHILE_UNKNOWN,
        };
        self.asked.is_none_or(|asked| now.perhaps_since(asked) >= pause)
    }

    pub fn asking(&mut self, now: Moment) {
        self.asked = Some(now);
    }

    pub fn learned(&mut self, value: T) {
        self.known = Some(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn guesses_cause_few_reads() {
        let at = |ms| Moment {
            wall: Timestamp::UNIX_EPOCH + Duration::from_millis(ms),
            uptime: Duration::from_millis(ms),
        };
        let mut secret = Remembered::default();
        assert!(secret.may_be_asked(at(0)));
        secret.asking(at(0));
        assert!(!secret.may_be_asked(at(999)));
        assert!(secret.may_be_asked(at(1000)));
        secret.learned(7);
        assert_eq!(secret.known(), Some(7));
        assert!(!secret.may_be_asked(at(29_999)));
        assert!(secret.may_be_asked(at(30_000)));
    }
}
