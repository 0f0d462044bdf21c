//! How a health check is answered.
//!
//! Callers from outside (Route 53, a status page) want one word in the first bytes, people who look at
//! the same page want to know what to do:
//!
//! ```text
//!   200  FENCER-OK epoch=3 state=complete depth=deep fenced=site-b degraded=site-b
//!        infinispan:site-b warns: no answer within 4000 ms …
//!   503  FENCER-FAILED failing=infinispan:site-a,infinispan:site-b epoch=2 state=open depth=deep
//!        infinispan:site-a fails: it does not accept user `developer` … (hint: …)
//! ```
//!
//! A shallow answer only shows that the function runs, knows its secret and reads its register; a deep one
//! also tells what the last deep check found, however often it is asked.

use jiff::Timestamp;

use super::{Check, FAILED, Kept, Level, OK, STALE_AFTER_SECONDS};
use crate::register::Record;
use crate::settings::{Mode, Settings};
use crate::step::Fault;

/// How deep an answer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Depth {
    Shallow,
    /// And what did the deep check find?
    Deep,
}

/// Chooses for `percent` of a hundred requests the deep answer, the same for the same request. Request
/// identifiers are random already, so all that is needed is to spread them over a hundred.
pub fn depth(percent: u8, request_id: &str) -> Depth {
    // FNV-1a.
    let hash = request_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // Its high bits are the better mixed ones.
    if (hash >> 32) % 100 < u64::from(percent) {
        Depth::Deep
    } else {
        Depth::Shallow
    }
}

/// The answer to one who knows the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub status: u16,
    /// The first line is for machines.
    pub body: String,
}

/// A clock that is set differently makes results from the future; so much of that is believed.
const CLOCKS_DIFFER_BY_SECONDS: i64 = 60;

/// Answers from the register's record and from what is kept beside it.
pub fn answer(
    settings: &Settings,
    now: Timestamp,
    depth: Depth,
    record: Result<Option<&Record>, &Fault>,
    kept: Result<&Kept, &Fault>,
) -> Told {
    let mut checks: Vec<Check> = Vec::new();
    let mut fails = |name: &str, found: String, hint: Option<&str>| {
        checks.push(Check {
            name: name.to_owned(),
            level: Level::Fails,
            took_ms: 0,
            found,
            hint: hint.map(str::to_owned),
        });
    };
    let mut degraded = Vec::new();
    let mut found = Vec::new();
    if let Some(fault) = record.err().or(kept.err()) {
        fails("register", fault.to_string(), None);
    }
    if let Ok(kept) = kept {
        if let Some(forced) = kept.forced.as_ref().filter(|forced| now < forced.until) {
            let sentence = format!("a rehearsal by {}, until {}", forced.by, forced.until);
            fails("forced", sentence, Some("it ends by itself"));
        }
        match (depth, &kept.checkup) {
            (Depth::Shallow, _) => {}
            (Depth::Deep, None) => fails("deep-check", "it has never run".to_owned(), Some(NOT_RUNNING)),
            (Depth::Deep, Some(checkup)) => {
                let age = now.duration_since(checkup.at).as_secs();
                if age > i64::from(STALE_AFTER_SECONDS) || age < -CLOCKS_DIFFER_BY_SECONDS {
                    let sentence = format!("the last one was {age} seconds ago");
                    fails("deep-check", sentence, Some(NOT_RUNNING));
                }
                degraded.clone_from(&checkup.unreachable);
                found.extend(
                    checkup
                        .checks
                        .iter()
                        .filter(|check| check.level > Level::Fine)
                        .cloned(),
                );
            }
        }
    }
    checks.append(&mut found);
    // The worst first; what is in order needs no line.
    checks.sort_by_key(|check| std::cmp::Reverse(check.level));

    let names = |level| {
        let names: Vec<&str> = checks
            .iter()
            .filter(|check| check.level == level)
            .map(|check| check.name.as_str())
            .collect();
        names.join(",")
    };
    let failing = names(Level::Fails);
    let mut words = Vec::new();
    if failing.is_empty() {
        words.push(OK.to_owned());
    } else {
        words.push(FAILED.to_owned());
        words.push(format!("failing={failing}"));
    }
    if let Ok(record) = record {
        let empty = Record::empty();
        let record = record.unwrap_or(&empty);
        words.push(format!("epoch={}", record.epoch));
        words.push(format!("state={}", record.state));
        words.extend(record.fenced().map(|site| format!("fenced={site}")));
        words.extend(record.hold.is_some().then(|| "hold=yes".to_owned()));
    }
    words.push(match depth {
        Depth::Shallow => "depth=shallow".to_owned(),
        Depth::Deep => "depth=deep".to_owned(),
    });
    if settings.mode == Mode::Observe {
        words.push("mode=observe".to_owned());
    }
    if !degraded.is_empty() {
        let degraded: Vec<&str> = degraded.iter().map(|site| site.as_str()).collect();
        words.push(format!("degraded={}", degraded.join(",")));
    }
    let warnings = names(Level::Warns);
    if !warnings.is_empty() {
        words.push(format!("warnings={warnings}"));
    }
    let mut body = words.join(" ");
    for check in &checks {
        body.push('\n');
        body.push_str(&line(check));
    }
    body.push('\n');
    Told {
        status: if failing.is_empty() { 200 } else { 503 },
        body,
    }
}

const NOT_RUNNING: &str = "is the schedule's rule enabled? Does the function's log show errors, or that the \
                           schedule's other work takes all its time?";

/// One check as a line, whatever stands in its sentences.
fn line(check: &Check) -> String {
    let verb = match check.level {
        Level::Fine => "is fine",
        Level::Warns => "warns",
        Level::Fails => "fails",
    };
    let mut line = format!("{} {verb}: {}", check.name, check.found);
    if let Some(hint) = &check.hint {
        line.push_str(&format!(" (hint: {hint})"));
    }
    line.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests;
