//! A point in time on two clocks, because a Lambda can trust neither alone.
//!
//! Between two invocations the process is frozen. Whether the monotonic clock goes on meanwhile is nowhere
//! promised, and the wall clock may be set. So elapsed time is the longer of the two
//! ([`Moment::perhaps_since`]): never less than has passed, unless both clocks fail.

use std::time::Duration;

use jiff::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub wall: Timestamp,
    /// By the monotonic clock, since the process began.
    pub uptime: Duration,
}

impl Moment {
    fn on_the_wall(self, earlier: Self) -> Duration {
        // A clock that was set back shows a negative span, which is no span at all.
        Duration::try_from(self.wall.duration_since(earlier.wall)).unwrap_or_default()
    }

    fn on_the_stopwatch(self, earlier: Self) -> Duration {
        self.uptime.saturating_sub(earlier.uptime)
    }

    /// Perhaps as much as this has passed.
    pub fn perhaps_since(self, earlier: Self) -> Duration {
        self.on_the_wall(earlier).max(self.on_the_stopwatch(earlier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_or_jumping_clock_is_outvoted_by_the_other() {
        let at = |wall, uptime| Moment {
            wall: Timestamp::UNIX_EPOCH + Duration::from_secs(wall),
            uptime: Duration::from_secs(uptime),
        };
        let seconds = |later: Moment, earlier: Moment| later.perhaps_since(earlier).as_secs();
        assert_eq!(seconds(at(110, 10), at(100, 0)), 10);
        // Thawed: the stopwatch stood still.
        assert_eq!(seconds(at(4000, 1), at(100, 0)), 3900);
        // The wall clock was set back.
        assert_eq!(seconds(at(50, 10), at(100, 0)), 10);
    }
}
