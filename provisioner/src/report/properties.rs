//! Properties that change, in words.

use crate::observed::changes::PropertyChange;

/// Longer values are cut: a changed template's code fills a screen otherwise.
const VALUE_CHARACTERS: usize = 100;

/// Properties that change, one line each.
pub(super) fn properties(properties: &[PropertyChange]) -> Vec<String> {
    let lines = properties.iter().map(|property| {
        let mark = if property.recreates {
            "  (forces replacement)"
        } else {
            ""
        };
        let values = match (&property.before, &property.after) {
            (Some(before), Some(after)) => format!(": {} → {}", shortened(before), shortened(after)),
            (None, Some(after)) => format!(": → {}", shortened(after)),
            (Some(before), None) => format!(": {} →", shortened(before)),
            (None, None) => String::new(),
        };
        format!("    {}{values}{mark}", property.path)
    });
    lines.collect()
}

fn shortened(value: &str) -> String {
    let line: String = value.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= VALUE_CHARACTERS {
        line
    } else {
        line.chars().take(VALUE_CHARACTERS).chain(['…']).collect()
    }
}
