//! One style of keys for programs: camelCase, also for what the register keeps in its own.

use serde_json::Value;

/// The same with its keys in camelCase. Keys that are `names`, as those of sites, are nobody's to spell differently.
pub(super) fn camel_case(value: Value, names: &[&str]) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| {
                let key = if names.contains(&key.as_str()) {
                    key
                } else {
                    spelt(&key)
                };
                (key, camel_case(value, names))
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(|item| camel_case(item, names)).collect(),
        other => other,
    }
}

fn spelt(key: &str) -> String {
    let is_ours = key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let mut words = key.split('_');
    let first = words.next().unwrap_or_default();
    if !is_ours || first.is_empty() {
        return key.to_owned();
    }
    words.fold(first.to_owned(), |mut spelt, word| {
        let mut letters = word.chars();
        spelt.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        spelt.push_str(letters.as_str());
        spelt
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_spelt_alike_and_names_are_kept() {
        let record =
            json!({"cooldown_until": 1, "places": {"site_b": {"written_at": 2}}, "arn:aws:a_b": [{"by": 3}]});
        let spelt =
            json!({"cooldownUntil": 1, "places": {"site_b": {"writtenAt": 2}}, "arn:aws:a_b": [{"by": 3}]});
        assert_eq!(camel_case(record, &["site_b"]), spelt);
    }
}
