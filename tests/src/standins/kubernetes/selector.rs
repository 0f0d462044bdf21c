//! Label and field selectors of a list.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a list is limited to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Selector {
    /// The grammar of `kubectl -l`; the offending part where it is not.
    pub(super) fn of_labels(text: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text) {
            requirements.push(requirement(part.trim()).ok_or_else(|| part.to_owned())?);
        }
        Ok(Self(requirements))
    }

    /// `metadata.name=…` and `metadata.namespace=…`, the two that every kind knows.
    pub(super) fn of_fields(text: &str) -> Result<Self, String> {
        let selector = Self::of_labels(text)?;
        let known = |key: &str| key == "metadata.name" || key == "metadata.namespace";
        let unknown = selector.0.iter().find(|requirement| match requirement {
            Requirement::In(key, _) | Requirement::NotIn(key, _) => !known(key),
            Requirement::Exists(_) | Requirement::Absent(_) => true,
        });
        match unknown {
            None => Ok(selector),
            Some(_) => Err(text.to_owned()),
        }
    }

    pub(super) fn selects_labels(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
        let labels = labels.into_iter().flatten();
        let labels: BTreeMap<&str, &str> = labels
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
            .collect();
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => labels
                .get(key.as_str())
                .is_some_and(|value| values.iter().any(|it| it == value)),
            Requirement::NotIn(key, values) => labels
                .get(key.as_str())
                .is_none_or(|value| values.iter().all(|it| it != value)),
            Requirement::Exists(key) => labels.contains_key(key.as_str()),
            Requirement::Absent(key) => !labels.contains_key(key.as_str()),
        })
    }

    pub(super) fn selects_fields(&self, object: &Value) -> bool {
        let field = |path: &str| object.pointer(&format!("/{}", path.replace('.', "/")));
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => {
                let value = field(key).and_then(Value::as_str).unwrap_or_default();
                values.iter().any(|it| it == value)
            }
            Requirement::NotIn(key, values) => {
                let value = field(key).and_then(Value::as_str).unwrap_or_default();
                values.iter().all(|it| it != value)
            }
            Requirement::Exists(_) | Requirement::Absent(_) => false,
        })
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (index, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn requirement(part: &str) -> Option<Requirement> {
    let values = |list: &str| -> Option<Vec<String>> {
        let inner = list.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|value| value.trim().to_owned()).collect())
    };
    let is_key = |key: &str| {
        !key.is_empty()
            && key
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || "-_./".contains(it))
    };
    let key = |key: &str| Some(key.trim().to_owned()).filter(|key| is_key(key));
    if let Some((name, list)) = part.split_once(" notin ") {
        return Some(Requirement::NotIn(key(name)?, values(list)?));
    }
    if let Some((name, list)) = part.split_once(" in ") {
        return Some(Requirement::In(key(name)?, values(list)?));
    }
    if let Some((name, value)) = part.split_once("!=") {
        return Some(Requirement::NotIn(key(name)?, vec![value.trim().to_owned()]));
    }
    if let Some((name, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Requirement::In(key(name)?, vec![value.trim().to_owned()]));
    }
    if let Some(name) = part.strip_prefix('!') {
        return Some(Requirement::Absent(key(name)?));
    }
    Some(Requirement::Exists(key(part)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_selects_as_kubectl_says() {
        let object = json!({"metadata": {"name": "x", "labels": {"app": "a", "tier": "db"}}});
        for (text, expected) in [
            ("", true),
            ("app=a", true),
            ("app==a,tier=db", true),
            ("app=b", false),
            ("app!=b", true),
            ("app in (a, b),tier", true),
            ("app notin (a)", false),
            ("other notin (a)", true),
            ("!other", true),
            ("!app", false),
        ] {
            assert_eq!(
                Selector::of_labels(text).unwrap().selects_labels(&object),
                expected,
                "{text}"
            );
        }
        assert!(Selector::of_labels("app in a").is_err());
        assert!(
            Selector::of_fields("metadata.name=x")
                .unwrap()
                .selects_fields(&object)
        );
        assert!(Selector::of_fields("spec.type=x").is_err());
    }
}
