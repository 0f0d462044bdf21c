//! What real Infinispan servers answered, as text that can be played again.
//!
//! A line is what happens or what is asked, and the answer stands beneath what was asked:
//!
//! ```text
//! # words for the reader
//! ! the link is lost
//! a PUT /rest/v2/caches/sessions/refused = by a
//!   500 - ISPN000709: Failed to backup cache …
//! b GET /rest/v2/container as viewer
//!   200 application/json {…}
//! ```
//!
//! [`play`] does all of it again with other servers and writes down what those answer, in the same form. Played with
//! real servers this makes a record; played with the stand-in it has to give the record back
//! (`tests/standins_infinispan/recorded.rs`), so the stand-in says nothing that the real ones do not.

use std::fmt::Write as _;

use serde_json::Value;

use crate::servers::Answer;

/// One that can be asked, and whose world things happen to.
pub trait World {
    /// Something happens; it is over when this returns.
    fn happens(&mut self, what: &str) -> impl Future<Output = ()>;
    /// The first node of a site is asked, by somebody, with a body.
    fn asked(&mut self, ask: &Ask<'_>) -> impl Future<Output = Answer>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask<'a> {
    /// 0 or 1.
    pub site: usize,
    pub method: &'a str,
    pub path: &'a str,
    /// `developer` unless told; `nobody` proves nothing, `wrong` has a wrong password.
    pub who: &'a str,
    pub body: &'a str,
}

/// Of the description of a container, what is not about the machine or about caches of the server's own.
const OF_A_CONTAINER: [&str; 10] = [
    "version",
    "coordinator",
    "cache_manager_status",
    "node_address",
    "cluster_members",
    "cluster_size",
    "local_site",
    "relay_node",
    "relay_nodes_address",
    "sites_view",
];

/// Plays a transcript with a world, and writes the transcript that this makes.
pub async fn play(text: &str, world: &mut impl World) -> String {
    let mut played = String::new();
    for line in text.lines().filter(|line| !line.starts_with("  ")) {
        // A String takes whatever is written to it.
        let _ = writeln!(played, "{line}");
        if let Some(what) = line.strip_prefix("! ") {
            world.happens(what).await;
        } else if let Some(ask) = Ask::read(line) {
            let answer = world.asked(&ask).await;
            let _ = writeln!(played, "  {}", told(&ask, &answer));
        }
    }
    played
}

impl<'a> Ask<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (line, body) = line.split_once(" = ").unwrap_or((line, ""));
        let (line, who) = line.split_once(" as ").unwrap_or((line, "developer"));
        let mut words = line.split(' ');
        let site = ["a", "b"]
            .iter()
            .position(|site| words.clone().next() == Some(*site))?;
        words.next();
        Some(Self {
            site,
            method: words.next()?,
            path: words.next()?,
            who,
            body,
        })
    }
}

fn told(ask: &Ask<'_>, answer: &Answer) -> String {
    let body = match serde_json::from_str::<Value>(&answer.body) {
        Ok(Value::Object(all)) if ask.path == "/rest/v2/container" => {
            let mut kept = Value::Object(Default::default());
            for name in OF_A_CONTAINER {
                kept[name] = all.get(name).cloned().unwrap_or_default();
            }
            sorted(&kept)
        }
        Ok(Value::Object(all)) if ask.path.ends_with("?action=stats") => {
            // For how long, is another matter each time.
            let running = all.get("time_since_start").and_then(Value::as_i64);
            let told = running.map(|seconds| if seconds < 0 { "less than none" } else { "some" });
            format!("{{\"time_since_start\":{}}}", Value::from(told))
        }
        Ok(value @ (Value::Object(_) | Value::Array(_))) => sorted(&value),
        _ => without_numbers_of_requests(&answer.body).replace('\n', "\\n"),
    };
    let challenges = match answer.challenges.as_slice() {
        [] => String::new(),
        offered => format!(" ({})", offered.join(", ")),
    };
    let content_type = answer.content_type.as_deref().unwrap_or("-");
    format!("{}{challenges} {content_type} {body}", answer.status)
        .trim_end()
        .to_owned()
}

/// JSON in one order, whatever order it came in.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(all) => {
            let mut pairs: Vec<String> = all
                .iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), sorted(value)))
                .collect();
            pairs.sort();
            format!("{{{}}}", pairs.join(","))
        }
        Value::Array(all) => {
            let mut items: Vec<String> = all.iter().map(sorted).collect();
            items.sort();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}

/// Servers number what they ask each other, and tell the number when there is no answer.
fn without_numbers_of_requests(text: &str) -> String {
    const BEFORE: &str = "for request ";
    let Some((before, rest)) = text.split_once(BEFORE) else {
        return text.to_owned();
    };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{before}{BEFORE}N{rest}")
}
