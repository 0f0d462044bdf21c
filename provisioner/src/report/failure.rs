//! A failure as the person at the terminal reads it: what, why, what to do.

use std::error::Error;
use std::fmt::Write as _;

use crate::preflight::problem::Problem;

/// What stands in the way, ending in a newline.
pub fn problems_text(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        // Writing to a String cannot fail.
        let _ = write!(text, "error: {problem}\nhint: {}\n", problem.hint());
    }
    text.push_str("nothing was changed\n");
    text
}

/// The whole text, ending in a newline.
pub fn failure_text(
    failure: &(dyn Error + 'static),
    hint: Option<String>,
    runbook: Option<String>,
) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "error: {failure}");
    for cause in causes(failure) {
        let _ = writeln!(text, "  because: {cause}");
    }
    if let Some(hint) = hint {
        let _ = writeln!(text, "hint: {hint}");
    }
    if let Some(runbook) = runbook {
        let _ = writeln!(text, "runbook: {runbook}");
    }
    text
}

/// The chain of causes for programs.
pub fn causes_json(failure: &(dyn Error + 'static)) -> Vec<serde_json::Value> {
    causes(failure).into_iter().map(serde_json::Value::from).collect()
}

/// The chain of causes, each said once: many errors repeat their cause in their own sentence.
fn causes(failure: &(dyn Error + 'static)) -> Vec<String> {
    let mut said = failure.to_string();
    let mut causes = Vec::new();
    let mut next = failure.source();
    while let Some(error) = next {
        let sentence = error.to_string();
        if !said.contains(&sentence) {
            causes.push(sentence.clone());
            said = sentence;
        }
        next = error.source();
    }
    causes
}
