//! The JSON Schema of the topology, for editors, made from the same types; and their descriptions, which
//! are the hints of last resort.

use std::sync::LazyLock;

use fencing::words::{SiteName, TopologyName};
use regex::Regex;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::{Interval, Topology};
use crate::yaml::{Path, PathSegment};

pub(super) fn topology_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": TopologyName::PATTERN, "maxLength": TopologyName::MAX_LENGTH})
}

pub(super) fn site_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": SiteName::PATTERN, "maxLength": SiteName::MAX_LENGTH})
}

pub(super) fn optional_site_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "null"], "pattern": SiteName::PATTERN, "maxLength": SiteName::MAX_LENGTH
    })
}

/// The schema of a topology file, draft 2020-12.
pub fn json_schema() -> Value {
    let generator: SchemaGenerator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Topology>().to_value();
    one_line(&mut schema);
    schema
}

/// The schema as it stands in `topology.schema.json`.
pub fn json_schema_text() -> String {
    let mut text = serde_json::to_string_pretty(&json_schema()).unwrap_or_default();
    text.push('\n');
    text
}

/// Doc comments are wrapped where the source is; a description is one paragraph.
fn one_line(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "description" => {
                        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                    }
                    other => one_line(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(one_line),
        _ => {}
    }
}

pub(super) static SCHEMA: LazyLock<Value> = LazyLock::new(json_schema);

/// The schemas from the root to the field at `path`.
fn along(path: &Path) -> Option<Vec<&'static Value>> {
    let mut schema: &'static Value = &SCHEMA;
    let mut schemas = Vec::new();
    for segment in path.segments() {
        let owner = resolved(schema)?;
        schema = match segment {
            PathSegment::Key(key) => {
                let named = owner.get("properties").and_then(|fields| fields.get(key));
                let pattern = || owner.get("patternProperties")?.as_object()?.values().next();
                named
                    .or_else(pattern)
                    .or_else(|| owner.get("additionalProperties"))?
            }
            PathSegment::Index(_) => owner.get("items").or_else(|| owner.get("prefixItems")?.get(0))?,
        };
        schemas.push(schema);
    }
    Some(schemas)
}

/// What the field at `path` is for; an item's is its list's.
pub(super) fn description(path: &Path) -> Option<String> {
    let described = |schema: &&'static Value| {
        let own = schema
            .get("description")
            .or_else(|| resolved(schema)?.get("description"));
        own.and_then(Value::as_str).map(str::to_owned)
    };
    along(path)?.iter().rev().find_map(described)
}

/// Whether the block at `path` is a map, whose keys are the author's.
pub(super) fn takes_any_key(path: &Path) -> bool {
    along(path)
        .and_then(|schemas| resolved(schemas.last()?))
        .is_some_and(|schema| schema.get("properties").is_none())
}

/// The blocks that have a field of this name, as `sites[]` or `function`, at most three.
pub(super) fn homes(field: &str) -> Vec<String> {
    fn search(schema: &'static Value, at: &str, field: &str, homes: &mut Vec<String>) {
        let Some(owner) = resolved(schema) else { return };
        if let Some(items) = owner.get("items").or_else(|| owner.get("prefixItems")?.get(0)) {
            search(items, &format!("{at}[]"), field, homes);
        }
        let Some(fields) = owner.get("properties").and_then(Value::as_object) else {
            return;
        };
        if fields.contains_key(field) {
            homes.push(if at.is_empty() {
                "the top level".to_owned()
            } else {
                format!("`{at}`")
            });
        }
        for (name, child) in fields {
            let at = if at.is_empty() {
                name.clone()
            } else {
                format!("{at}.{name}")
            };
            search(child, &at, field, homes);
        }
    }
    let mut homes = Vec::new();
    search(&SCHEMA, "", field, &mut homes);
    homes.truncate(3);
    homes
}

/// How a number or truth value becomes the text that is wanted at `path`: by a unit, or by quotes.
pub(super) fn remedy(path: &Path, written: &str) -> Option<String> {
    let pattern = resolved(along(path)?.last()?)?.get("pattern")?.as_str()?;
    let fits = |text: &str| Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text));
    if pattern == Interval::PATTERN && fits(&format!("{written}s")) {
        Some(format!(
            "did you mean `{written}s`? a duration has a unit: s, m, h or d"
        ))
    } else if fits(written) {
        Some(format!("put it in quotes: \"{written}\""))
    } else {
        None
    }
}

/// What `schema` stands for, if it only refers to another.
pub(super) fn resolved(schema: &'static Value) -> Option<&'static Value> {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => SCHEMA.pointer(reference.strip_prefix('#')?),
        None => Some(schema),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fields_are_described_wherever_they_lie() {
        for (path, begins) in [
            ("name", "The deployment's name"),
            ("sites", "The sites: exactly two"),
            ("sites[1].context", "The kubeconfig context"),
            ("sites[0].infinispan.endpoint", "The host"),
            ("alerting.for", "How long the other site"),
            ("regions[0]", "The AWS Regions"),
            ("function.vpc.eu-west-1.subnetIds", "Its subnets"),
        ] {
            let text = description(&Path::of(path)).unwrap_or_default();
            assert!(text.starts_with(begins), "{path}: {text:?}");
            assert!(!text.contains('\n'));
        }
        assert_eq!(description(&Path::of("nothing.here")), None);
    }

    #[test]
    fn a_field_at_the_wrong_level_is_shown_its_place() {
        assert_eq!(homes("context"), ["`sites[]`"]);
        assert_eq!(homes("caBundle"), ["`sites[].infinispan`"]);
        assert_eq!(homes("regions"), ["the top level", "`register`"]);
        assert!(homes("nothing").is_empty());
    }

    #[test]
    fn a_number_becomes_a_text_by_a_unit_or_by_quotes() {
        let remedy = |path: &str, text: &str| remedy(&Path::of(path), text).unwrap_or_default();
        assert!(remedy("alerting.groupWait", "5").starts_with("did you mean `5s`?"));
        assert_eq!(remedy("tags.x", "4711"), "put it in quotes: \"4711\"");
        assert_eq!(remedy("name", "2026"), "");
    }

    /// Every field speaks to the author of a topology, for the descriptions are hints too.
    #[test]
    fn no_field_is_without_a_description() {
        let schema = json_schema();
        let mut objects = vec![("topology".to_owned(), schema.clone())];
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            objects.push((name.clone(), definition.clone()));
        }
        for (name, object) in objects {
            for (field, schema) in object["properties"].as_object().into_iter().flatten() {
                assert!(
                    schema["description"].is_string(),
                    "{name}.{field} has no description"
                );
            }
        }
    }
}
