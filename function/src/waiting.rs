//! Since when this process has been seeing a register that waits.
//!
//! Before the first write of a rejoin or a promotion, the executor has to wait until no executor
//! of the earlier decision can still be running: twice the function's timeout, on a monotonic clock, at an
//! unchanged revision. An operator's command waits by itself; when it died, the minute schedule takes over,
//! and this remembers for it. A process that is frozen meanwhile waits longer than it had to, never shorter.

use std::time::Duration;

use fencing::words::Rev;

/// The revision that waits, and since when it has been seen here.
#[derive(Debug, Default)]
pub struct Waiting {
    since: Option<(Rev, Duration)>,
}

impl Waiting {
    /// Notes what was read or written: a revision, whether its record waits, and the monotonic time after
    /// the reply had arrived.
    pub fn saw(&mut self, rev: Rev, waiting: bool, uptime: Duration) {
        match self.since {
            Some((known, _)) if waiting && known == rev => {}
            _ => self.since = waiting.then_some((rev, uptime)),
        }
    }

    /// The revision that has been seen waiting for at least twice `timeout`.
    pub fn waited(&self, uptime: Duration, timeout: Duration) -> Option<Rev> {
        self.since
            .filter(|(_, since)| uptime.saturating_sub(*since) >= timeout.saturating_mul(2))
            .map(|(rev, _)| rev)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_has_waited_after_twice_the_timeout_without_a_change() {
        let s = Duration::from_secs;
        let timeout = s(15);
        let mut waiting = Waiting::default();
        assert_eq!(waiting.waited(s(1000), timeout), None);
        waiting.saw(Rev(7), true, s(100));
        waiting.saw(Rev(7), true, s(120));
        assert_eq!(waiting.waited(s(129), timeout), None);
        assert_eq!(waiting.waited(s(130), timeout), Some(Rev(7)));
        // Somebody wrote: the wait starts over.
        waiting.saw(Rev(8), true, s(131));
        assert_eq!(waiting.waited(s(150), timeout), None);
        waiting.saw(Rev(9), false, s(151));
        assert_eq!(waiting.waited(s(1000), timeout), None);
    }
}
