//! What a rehearsed loss came to.

use std::fmt::Write as _;

use fencing::answer::Status;
use fencing::register::Record;
use fencing::replication::Sight;
use fencing::timed_call::TimedCall;
use serde_json::{Value, json};

use super::outcome::Rehearsed;
use super::spelling::camel_case;

/// Whether every loss that was rehearsed would be dealt with.
pub fn would_all_be_fenced(rehearsed: &[Rehearsed]) -> bool {
    rehearsed.iter().all(|one| one.rehearsal.status == Status::Done)
}

/// Each loss: what would be done, what is seen, how long it took.
pub fn rehearsed_text(topology: &str, rehearsed: &[Rehearsed]) -> String {
    let each = if would_all_be_fenced(rehearsed) {
        "each"
    } else {
        "NOT each"
    };
    let mut text = format!("{topology}: rehearsed, and nothing was changed; {each} loss would be handled\n");
    for one in rehearsed {
        let told = &one.rehearsal;
        let (reporter, suspect) = (&told.reporter, &told.suspect);
        let start = if told.is_cold {
            format!("a process that had just started, {} ms before", told.up_ms)
        } else {
            "a process that was running".to_owned()
        };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n{}: if {reporter} lost {suspect} now\n  {}\n  now       {}\n  answer    {} ms from here, {} ms of it in the \
             function, by {start}\n",
            one.region,
            told.sentence,
            sight(told.sight, reporter, suspect),
            one.round_trip_ms,
            told.took_ms,
        );
        for call in &told.calls {
            let _ = writeln!(text, "  {:>6} ms {}", call.ms, call_text(call));
        }
    }
    text
}

/// A call, and why it failed if it did.
fn call_text(call: &TimedCall) -> String {
    match &call.failed {
        None => call.what.clone(),
        Some(why) => format!("{}: {why}", call.what),
    }
}

/// What an entry's writer had called before, each with how long it took. What was left out took nobody knows how long.
pub(super) fn calls_before(entry: &Record) -> impl Iterator<Item = (String, String)> {
    entry.calls_before.iter().flat_map(|before| {
        let calls = before.calls.iter();
        let calls = calls.map(|call| (format!("{} ms", call.ms), call_text(call)));
        let left_out = before.left_out;
        calls.chain((left_out > 0).then(|| (String::new(), format!("and {left_out} more calls"))))
    })
}

fn sight(sight: Option<Sight>, reporter: impl std::fmt::Display, suspect: impl std::fmt::Display) -> String {
    match sight {
        Some(Sight::Sees) => format!("{reporter} sees {suspect}; the rehearsal pretends that it does not"),
        Some(Sight::Misses) => format!("{reporter} does NOT see {suspect}"),
        Some(Sight::Divided) => {
            format!("one of {reporter}'s relay nodes sees {suspect}, the primary does NOT")
        }
        Some(Sight::Nothing) => format!("{reporter}'s primary relay node did not answer"),
        Some(Sight::WrongSite) => format!("{reporter}'s address leads to another site's Infinispan"),
        None => format!("{reporter}'s Infinispan was not asked, or did not answer"),
    }
}

pub fn rehearsed_json(topology: &str, rehearsed: &[Rehearsed]) -> Value {
    json!({
        "topology": topology,
        "wouldAllBeFenced": would_all_be_fenced(rehearsed),
        "rehearsals": camel_case(json!(rehearsed), &[]),
    })
}
