//! What a field is for, what it may hold, and what holds without it: read from the JSON Schema, so that it cannot
//! say anything else than what editors and `validate` go by.
//!
//! A field is asked for as `sites.infinispan.caBundle`; the `[0]` of a list may stand there and tells nothing more.

use serde::Serialize;
use serde_json::Value;

use super::schema::{self, SCHEMA, resolved};
use super::{Interval, suggest};

/// A field or a block of the topology.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// Its place, as `sites[].infinispan`; empty for the topology itself.
    pub path: String,
    /// What it holds, in a word or two.
    pub kind: String,
    /// Whether a topology without it is refused.
    pub required: bool,
    /// What holds where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Its limits, each as a phrase.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// The words it may be, each with its meaning.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Meaning>,
    pub description: String,
    /// The fields inside, if it is a block.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Explained>,
}

/// A word and what it means.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meaning {
    pub value: String,
    pub meaning: String,
}

/// There is no such field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the topology has no field `{}`", crate::yaml::shortened(field, 80))]
pub struct NoSuchField {
    /// As it was asked for.
    pub field: String,
    /// What may be meant, or what there is instead.
    pub hint: String,
}

/// Explains the field at `path`; with nothing asked for, the topology.
pub fn explain(path: &str) -> Result<Explained, NoSuchField> {
    let mut shown = String::new();
    let mut schema: &'static Value = &SCHEMA;
    let mut is_required = true;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let name = part.split('[').next().unwrap_or_default();
        let owner = block(schema);
        let field = owner
            .get("properties")
            .and_then(|fields| fields.get(name))
            // A map's keys are the author's: any stands for all.
            .or_else(|| owner.get("patternProperties")?.as_object()?.values().next());
        let Some(field) = field else {
            return Err(missing(path, &shown, name, owner));
        };
        is_required = requires(owner, name);
        shown = child(&shown, name, field);
        schema = field;
    }
    Ok(explained(shown, schema, is_required, true))
}

/// All fields, blocks before what is in them.
pub fn fields() -> Vec<String> {
    fn walk(explained: &Explained, all: &mut Vec<String>) {
        for field in &explained.fields {
            all.push(field.path.replace("[]", ""));
            if let Ok(inner) = explain(&field.path) {
                walk(&inner, all);
            }
        }
    }
    let mut all = Vec::new();
    if let Ok(topology) = explain("") {
        walk(&topology, &mut all);
    }
    all
}

fn child(path: &str, name: &str, field: &'static Value) -> String {
    let list = if is_list_of_blocks(field) { "[]" } else { "" };
    if path.is_empty() {
        format!("{name}{list}")
    } else {
        format!("{path}.{name}{list}")
    }
}

fn missing(path: &str, at: &str, name: &str, owner: &'static Value) -> NoSuchField {
    let known: Vec<&str> = names(owner).collect();
    let whole = |field: &str| {
        let at = at.replace("[]", "");
        if at.is_empty() {
            field.to_owned()
        } else {
            format!("{at}.{field}")
        }
    };
    let homes = schema::homes(name);
    let hint = match suggest::meant(name, &known) {
        Some(meant) => format!("did you mean `{}`?", whole(meant)),
        None if !homes.is_empty() => format!("`{name}` is a field of {}", homes.join(" and of ")),
        None if known.is_empty() => format!("`{at}` has no fields"),
        None => format!("its fields are {}", known.join(", ")),
    };
    NoSuchField {
        field: path.to_owned(),
        hint,
    }
}

fn names(owner: &'static Value) -> impl Iterator<Item = &'static str> {
    let fields = owner.get("properties").and_then(Value::as_object);
    fields.into_iter().flatten().map(|(name, _)| name.as_str())
}

fn requires(owner: &Value, name: &str) -> bool {
    let required = owner.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|it| it == name))
}

/// What a field's own fields are looked up in: a list's are those of its items, and an optional block's those of
/// the block.
fn block(schema: &'static Value) -> &'static Value {
    let schema = resolved(schema).unwrap_or(schema);
    if let Some(items) = schema.get("items") {
        return block(items);
    }
    let choices = schema.get("anyOf").and_then(Value::as_array);
    match choices.and_then(|choices| choices.iter().find(|it| it.get("$ref").is_some())) {
        Some(choice) => block(choice),
        None => schema,
    }
}

fn is_list_of_blocks(schema: &'static Value) -> bool {
    let schema = resolved(schema).unwrap_or(schema);
    schema.get("items").is_some() && block(schema).get("properties").is_some()
}

fn explained(path: String, schema: &'static Value, required: bool, with_fields: bool) -> Explained {
    let inner = resolved(schema).unwrap_or(schema);
    let of_it = block(schema);
    let text = |value: &Value| {
        value
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let own = text(schema);
    let choices = of_it.get("oneOf").and_then(Value::as_array);
    let fields = of_it.get("properties").and_then(Value::as_object);
    let is_block = fields.is_some();
    Explained {
        kind: kind(inner),
        required,
        // A block's default is that of its fields, which say it themselves.
        default: schema
            .get("default")
            .or_else(|| inner.get("default"))
            .filter(|it| !is_block && !it.is_null())
            .cloned(),
        limits: limits(inner),
        values: choices
            .into_iter()
            .flatten()
            .filter_map(|choice| {
                Some(Meaning {
                    value: choice.get("const")?.as_str()?.to_owned(),
                    meaning: text(choice),
                })
            })
            .collect(),
        description: if own.is_empty() { text(of_it) } else { own },
        fields: if with_fields {
            fields
                .into_iter()
                .flatten()
                .map(|(name, field)| {
                    explained(child(&path, name, field), field, requires(of_it, name), false)
                })
                .collect()
        } else {
            Vec::new()
        },
        path,
    }
}

fn kind(schema: &'static Value) -> String {
    let of_it = resolved(schema).unwrap_or(schema);
    if let Some(items) = of_it.get("items") {
        return match kind(items).as_str() {
            "text" => "list of texts".to_owned(),
            "block" => "list of blocks".to_owned(),
            other => format!("list, each {other}"),
        };
    }
    if of_it.get("oneOf").is_some() {
        return "one of the values listed".to_owned();
    }
    if of_it.get("anyOf").is_some() || of_it.get("properties").is_some() {
        return "block".to_owned();
    }
    if of_it.get("patternProperties").is_some() {
        return "map".to_owned();
    }
    if of_it.get("pattern").and_then(Value::as_str) == Some(Interval::PATTERN) {
        return "duration".to_owned();
    }
    // What may be left out may be null, too; nobody writes that.
    let kind = match of_it.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
        Some(kind) => kind.as_str(),
        None => None,
    };
    match kind {
        Some("integer" | "number") => "number",
        Some("boolean") => "true or false",
        Some("array") => "list",
        Some("object") => "block",
        _ => "text",
    }
    .to_owned()
}

fn limits(schema: &'static Value) -> Vec<String> {
    let number = |name: &str| schema.get(name).and_then(Value::as_u64);
    let mut limits = Vec::new();
    match (number("minimum"), number("maximum")) {
        (Some(least), Some(most)) => limits.push(format!("from {least} to {most}")),
        (Some(least), None) if least > 0 => limits.push(format!("at least {least}")),
        (None, Some(most)) => limits.push(format!("at most {most}")),
        _ => {}
    }
    match (number("minItems"), number("maxItems")) {
        (Some(least), Some(most)) if least == most => limits.push(format!("exactly {least}")),
        (Some(least), Some(most)) => limits.push(format!("from {least} to {most} of them")),
        (Some(least), None) => limits.push(format!("at least {least} of them")),
        (None, Some(most)) => limits.push(format!("at most {most} of them")),
        (None, None) => {}
    }
    if let Some(most) = number("maxLength") {
        limits.push(format!("at most {most} characters"));
    }
    limits
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_field_of_the_schema_is_explained() {
        let all = fields();
        for field in [
            "name",
            "sites.infinispan.caBundle",
            "sites.infinispan.failureDetection.timeout",
            "function.vpc",
            "alerting.for",
        ] {
            assert!(all.iter().any(|it| it == field), "{field} is not among {all:?}");
        }
        for field in &all {
            let explained = explain(field).unwrap();
            assert_eq!(explained.path.replace("[]", ""), *field);
            assert!(!explained.description.is_empty(), "{field}");
        }
    }

    #[test]
    fn a_field_says_what_it_holds_and_what_holds_without_it() {
        for (field, kind, default, limits) in [
            ("alerting.for", "duration", Some("10s"), &[][..]),
            ("sites", "list of blocks", None, &["exactly 2"]),
            ("regions", "list of texts", None, &["from 1 to 3 of them"]),
            (
                "function.architecture",
                "one of the values listed",
                Some("arm64"),
                &[],
            ),
            ("sites[1].context", "text", None, &["at most 253 characters"]),
            ("tags", "map", None, &[]),
            ("function.vpc.eu-west-1.subnetIds", "list of texts", None, &[]),
            ("sites.infinispan.failureDetection", "block", None, &[]),
        ] {
            let explained = explain(field).unwrap();
            assert_eq!(
                (explained.kind.as_str(), explained.default, explained.limits),
                (
                    kind,
                    default.map(Value::from),
                    limits.iter().map(|it| (*it).to_owned()).collect()
                ),
                "{field}"
            );
        }
        let words = explain("mode").unwrap().values;
        assert_eq!(
            words.iter().map(|it| it.value.as_str()).collect::<Vec<_>>(),
            ["act", "observe"]
        );
        assert!(explain("sites.name").unwrap().required && !explain("mode").unwrap().required);
    }

    #[test]
    fn what_is_no_field_is_answered_with_what_may_be_meant() {
        for (field, hint) in [
            ("site", "did you mean `sites`?"),
            ("sites.infinspan", "did you mean `sites.infinispan`?"),
            ("context", "`context` is a field of `sites[]`"),
            ("name.first", "`name` has no fields"),
        ] {
            assert_eq!(explain(field).unwrap_err().hint, hint, "{field}");
        }
        assert!(
            explain("nothing")
                .unwrap_err()
                .hint
                .starts_with("its fields are accelerator, ")
        );
    }
}
