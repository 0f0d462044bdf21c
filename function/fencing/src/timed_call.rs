//! A call that was made, and how long it took: for people who ask afterwards where the time went.

use serde::{Deserialize, Serialize};

use crate::words::Rev;

/// The most calls that are kept with one revision, the last ones. A fence makes fewer than ten; on a suspicion, what came
/// of the last looks is what people ask for.
const CALLS: usize = 32;

/// The most that is kept of a call's name, and of why it failed. An endpoint group's ARN is the longest part of a name.
const CHARACTERS: usize = 240;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimedCall {
    pub what: String,
    pub ms: u64,
    /// Why there was no usable answer, if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl TimedCall {
    pub fn new(what: &str, ms: u64, failed: Option<&str>) -> Self {
        Self {
            what: shortened(what),
            ms,
            failed: failed.map(shortened),
        }
    }
}

/// What an invocation called before it wrote a revision. They say nothing that a decision rests on.
///
/// An older function leaves them in the register when it writes the next revision, so they name their own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallsBefore {
    pub rev: Rev,
    /// In the order of the answers.
    pub calls: Vec<TimedCall>,
    /// How many more there were before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl CallsBefore {
    /// These, as many as are kept; `None` where there were none.
    pub fn of(rev: Rev, made: &[TimedCall]) -> Option<Self> {
        let kept = &made[made.len().saturating_sub(CALLS)..];
        (!made.is_empty()).then(|| Self {
            rev,
            calls: kept.to_vec(),
            left_out: u32::try_from(made.len() - kept.len()).unwrap_or(u32::MAX),
        })
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// An item of DynamoDB may have 400 kB, and this is the least important part of one.
    #[test]
    fn what_is_kept_of_calls_is_little_whatever_was_called() {
        let long = "é".repeat(100_000);
        let many = vec![TimedCall::new(&long, u64::MAX, Some(&long)); 1000];
        let kept = CallsBefore::of(Rev(u64::MAX), &many).unwrap();
        assert_eq!((kept.calls.len(), kept.left_out), (CALLS, 1000 - 32));
        let size = serde_json::to_string(&kept).unwrap().len();
        assert!(size < 40_000, "{size}");
        assert_eq!(CallsBefore::of(Rev(1), &[]), None);
        let few = CallsBefore::of(Rev(1), &many[..2]).unwrap();
        assert_eq!((few.calls.len(), few.left_out), (2, 0));
    }
}
