//! Durations, as Prometheus and people write them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::grammar::{GrammarError, matches};

/// A duration in whole seconds, written as people do: `10s`, `5m`, `1m30s`, `1h`, `2d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Interval {
    seconds: u32,
}

impl Interval {
    pub const PATTERN: &'static str = "^[0-9]{1,6}(s|m([0-9]{1,6}s)?|h([0-9]{1,6}m)?([0-9]{1,6}s)?|d([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?)$";

    /// So many seconds.
    pub const fn from_seconds(seconds: u32) -> Self {
        Self { seconds }
    }

    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// Reads `10s`, `5m`, `1m30s`, `1h` or `2d`, as Prometheus does: from the largest unit to the smallest.
    pub fn new(text: &str) -> Result<Self, GrammarError> {
        let refused = || GrammarError {
            what: "a duration",
            text: text.to_owned(),
            hint: Cow::Borrowed("write whole numbers with units: 10s, 5m, 1m30s, 1h or 2d"),
        };
        if !matches(Self::PATTERN, text) {
            return Err(refused());
        }
        let mut seconds: u32 = 0;
        for part in text.split_inclusive(|last: char| last.is_ascii_alphabetic()) {
            let (number, unit) = part.split_at(part.len() - 1);
            let unit_seconds: u32 = match unit {
                "s" => 1,
                "m" => 60,
                "h" => 3_600,
                _ => 86_400,
            };
            seconds = number
                .parse::<u32>()
                .ok()
                .and_then(|number| number.checked_mul(unit_seconds))
                .and_then(|more| seconds.checked_add(more))
                .ok_or_else(refused)?;
        }
        Ok(Self::from_seconds(seconds))
    }
}

impl TryFrom<String> for Interval {
    type Error = GrammarError;
    fn try_from(text: String) -> Result<Self, GrammarError> {
        Self::new(&text)
    }
}

impl From<Interval> for String {
    fn from(interval: Interval) -> String {
        interval.to_string()
    }
}

impl fmt::Display for Interval {
    /// The largest unit that needs no fraction, as Prometheus reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            0 => f.write_str("0s"),
            s if s % 86_400 == 0 => write!(f, "{}d", s / 86_400),
            s if s % 3_600 == 0 => write!(f, "{}h", s / 3_600),
            s if s % 60 == 0 => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

impl JsonSchema for Interval {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Interval".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": Self::PATTERN})
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn intervals_are_whole_seconds_in_one_unit() {
        for (text, seconds, canonical) in [
            ("10s", 10, "10s"),
            ("60s", 60, "1m"),
            ("90s", 90, "90s"),
            ("5m", 300, "5m"),
            ("1h", 3_600, "1h"),
            ("2d", 172_800, "2d"),
            ("1m30s", 90, "90s"),
            ("1h30m", 5_400, "90m"),
            ("1d1h1m1s", 90_061, "90061s"),
            ("0s", 0, "0s"),
        ] {
            let interval = Interval::new(text).unwrap();
            assert_eq!(
                (interval.seconds(), interval.to_string().as_str()),
                (seconds, canonical)
            );
        }
        for bad in [
            "", "10", "s", "1.5s", "10 s", "10S", "-1s", "30m1h", "1m1m", "1h30", "9999999s", "999999d",
            "１s",
        ] {
            assert!(Interval::new(bad).is_err(), "{bad:?}");
        }
    }
}
