//! How the JSON of `provision` is spelt: every key in camelCase, in every document that any test sees.
//!
//! A map whose keys are somebody else's (a stack's parameters, a site's name) is not ours to spell. Those are listed
//! here, by the key that holds them, so that a new one is a decision and not an accident.

use serde_json::Value;

/// Maps with keys that are others' words: CloudFormation's parameters, tags and labels of the topology, Infinispan's
/// caches, Regions, sites; and the causes that are counted in episodes.
const MAPS: &[&str] = &[
    "parameters",
    "tags",
    "labels",
    "vpc",
    "webhookUrls",
    "functions",
    "checkups",
    "sights",
    "witnesses",
    "blindSince",
    "dividedSince",
    "episodes",
];

/// The keys that are not in camelCase, each with its place.
pub fn odd_keys(document: &Value) -> Vec<String> {
    let mut odd = Vec::new();
    walk(document, "", false, &mut odd);
    odd
}

fn walk(value: &Value, at: &str, is_map: bool, odd: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let at = format!("{at}.{key}");
                if !is_map && !is_camel_case(key) {
                    odd.push(at.clone());
                }
                walk(value, &at, MAPS.contains(&key.as_str()), odd);
            }
        }
        Value::Array(items) => {
            for item in items {
                walk(item, at, is_map, odd);
            }
        }
        _ => {}
    }
}

fn is_camel_case(key: &str) -> bool {
    key.starts_with(|first: char| first.is_ascii_lowercase())
        && key.chars().all(|character| character.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_in_another_style_is_found_wherever_it_lies() {
        let document = json!({"a": [{"b_c": 1}], "tags": {"Cost-Center": {"x-y": 1}}, "Big": 2, "fine2": {}});
        assert_eq!(odd_keys(&document), [".Big", ".a.b_c", ".tags.Cost-Center.x-y"]);
    }
}
