//! What an operator's command came to.

use serde_json::{Value, json};

use super::outcome::Operated;

pub fn operated_text(operated: &Operated) -> String {
    format!("{}\n", operated.answer.sentence)
}

/// The whole answer, and who gave it.
pub fn operated_json(operated: &Operated) -> Value {
    json!(operated)
}

/// What the functions of all Regions said to a rehearsal.
pub fn drilled_text(drilled: &[Operated]) -> String {
    drilled
        .iter()
        .map(|one| format!("{}  {}\n", one.region, one.answer.sentence))
        .collect()
}

pub fn drilled_json(drilled: &[Operated]) -> Value {
    json!(drilled)
}
