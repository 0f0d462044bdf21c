//! Tests that need a program which a machine may lack say so, loudly, and count as passed.
//!
//! The line goes to standard output itself, past the capture of the test harness, so that it is seen and so that the
//! task runner can repeat it at the end. Where `CI` is set nothing may be skipped that its set-up could provide; what
//! depends on the machine itself, as a network of one's own does, is skipped there as loudly.

use std::io::Write as _;

/// What the task runner looks for at the start of a line.
pub const MARK: &str = "skipped: ";

/// Says that the test of this name is skipped, and why.
///
/// # Panics
/// Where `CI` is set.
#[allow(clippy::panic)] // a failed assertion of the machine's set-up, in tests only
pub fn skipped(test: &str, reason: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|value| value.is_empty()),
        "{test} cannot be skipped where CI is set: {reason}"
    );
    say(test, reason);
}

/// Says that this machine cannot run the test of this name, whatever is installed, and why.
pub fn impossible(test: &str, reason: &str) {
    say(test, reason);
}

fn say(test: &str, reason: &str) {
    // The harness may be in the middle of a line.
    let line = format!("\n{MARK}{test}: {reason}\n");
    // Nobody listens: then nobody can be told.
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}
