//! How two documents differ, key by key, in the words of the people who read them.
//!
//! A position in a list says nothing: `rules[SiteOffline]` does, and stays the same rule when another one is put
//! before it. So elements of lists are paired by what names them, where every element has such a name, and plain
//! values in lists are shown as what came and what went.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::changes::PropertyChange;

/// What names an element of a list, in the order of trust.
const NAMES: [&str; 9] = [
    "Sid",
    "PolicyName",
    "Key",
    "Name",
    "Id",
    "AttributeName",
    "alert",
    "record",
    "name",
];

/// A name and its value, as tags and dimensions are written: shown as one.
const VALUE: &str = "Value";

/// One step of the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// A key of an object.
    Key(String),
    /// An element of a list.
    Item {
        /// Its name, or else its place.
        name: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    pub path: Vec<Segment>,
    pub before: Option<Value>,
    /// What is to be there.
    pub after: Option<Value>,
}

impl Difference {
    pub fn property(&self) -> PropertyChange {
        PropertyChange {
            before: self.before.as_ref().map(text),
            after: self.after.as_ref().map(text),
            ..PropertyChange::at(path_text(&self.path))
        }
    }
}

/// A path as people read it: `spec.groups[sitefence].rules[SiteOffline].for`.
fn path_text(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        // Writing to a String cannot fail.
        let _ = match segment {
            Segment::Key(key) if text.is_empty() => write!(text, "{key}"),
            Segment::Key(key) => write!(text, ".{key}"),
            Segment::Item { name } => write!(text, "[{name}]"),
        };
    }
    text
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Everything that differs, in the order of keys.
pub fn between(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(before, after, &mut Vec::new(), &mut found);
    found
}

fn compare(before: &Value, after: &Value, path: &mut Vec<Segment>, found: &mut Vec<Difference>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => objects(before, after, path, found),
        (Value::Array(before), Value::Array(after)) => lists(before, after, path, found),
        _ => note(path, Some(before), Some(after), found),
    }
}

fn note(path: &[Segment], before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    if before != after {
        found.push(Difference {
            path: path.to_vec(),
            before: before.cloned(),
            after: after.cloned(),
        });
    }
}

fn objects(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    path: &mut Vec<Segment>,
    found: &mut Vec<Difference>,
) {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        path.push(Segment::Key(key.clone()));
        pair(before.get(key), after.get(key), path, found);
        path.pop();
    }
}

/// Compares what may be on one side only. What comes or goes whole is shown whole, unless each of its keys has a
/// meaning of its own.
fn pair(before: Option<&Value>, after: Option<&Value>, path: &mut Vec<Segment>, found: &mut Vec<Difference>) {
    match (before, after) {
        (Some(before), Some(after)) => compare(before, after, path, found),
        _ => note(path, before, after, found),
    }
}

fn lists(before: &[Value], after: &[Value], path: &mut Vec<Segment>, found: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    if let (Some(old), Some(new)) = (named(before), named(after)) {
        let both = old.by_name.keys().chain(new.by_name.keys()).copied();
        for name in both.collect::<BTreeSet<_>>() {
            path.push(Segment::Item {
                name: name.to_owned(),
            });
            pair(
                old.by_name.get(name).copied(),
                new.by_name.get(name).copied(),
                path,
                found,
            );
            path.pop();
        }
        // The order may differ, too, and in routes the first one that matches counts.
        let kept = |list: &Named<'_>, other: &Named<'_>| -> Vec<String> {
            let names = list
                .order
                .iter()
                .filter(|name| other.by_name.contains_key(**name));
            names.map(|name| (*name).to_owned()).collect()
        };
        let (was, is) = (kept(&old, &new), kept(&new, &old));
        // Tags and dimensions have names and values, and no order that counts.
        let counts = !old.are_pairs || !new.are_pairs;
        if was != is && counts {
            let joined = |names: &[String]| Value::String(names.join(", "));
            note(path, Some(&joined(&was)), Some(&joined(&is)), found);
        }
        return;
    }
    let are_plain = |list: &[Value]| list.iter().all(|it| !it.is_object() && !it.is_array());
    match (before, after) {
        ([old], [new]) if are_plain(before) && are_plain(after) => note(path, Some(old), Some(new), found),
        _ if are_plain(before) && are_plain(after) => {
            let went = before.iter().filter(|it| !after.contains(it));
            let came = after.iter().filter(|it| !before.contains(it));
            let count = found.len();
            for value in went {
                note(path, Some(value), None, found);
            }
            for value in came {
                note(path, None, Some(value), found);
            }
            if found.len() == count {
                note(path, Some(&Value::from(before)), Some(&Value::from(after)), found);
            }
        }
        _ if before.len() == after.len() => {
            for (index, (old, new)) in before.iter().zip(after).enumerate() {
                path.push(Segment::Item {
                    name: index.to_string(),
                });
                compare(old, new, path, found);
                path.pop();
            }
        }
        _ => note(path, Some(&Value::from(before)), Some(&Value::from(after)), found),
    }
}

/// A list whose elements have names.
struct Named<'a> {
    /// Whether each is nothing but a name and its value.
    are_pairs: bool,
    order: Vec<&'a str>,
    by_name: BTreeMap<&'a str, &'a Value>,
}

fn named(list: &[Value]) -> Option<Named<'_>> {
    if list.is_empty() {
        return Some(Named {
            are_pairs: true,
            order: Vec::new(),
            by_name: BTreeMap::new(),
        });
    }
    NAMES.iter().find_map(|key| {
        let mut named = Named {
            are_pairs: true,
            order: Vec::new(),
            by_name: BTreeMap::new(),
        };
        for element in list {
            let fields = element.as_object()?;
            let name = fields.get(*key)?.as_str()?;
            // A name with nothing but its value is shown by the value.
            let value = match fields.get(VALUE) {
                Some(value) if fields.len() == 2 => value,
                _ => {
                    named.are_pairs = false;
                    element
                }
            };
            named.order.push(name);
            if named.by_name.insert(name, value).is_some() {
                return None;
            }
        }
        Some(named)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_shown_by_names() {
        for (before, after, told) in [
            (json!({"a": 1}), json!({"a": 1}), &[][..]),
            (json!({"a": {"b": 1}}), json!({"a": {"b": 2}}), &["a.b: 1 → 2"]),
            (json!({"a": 1, "b": 2}), json!({"a": 1}), &["b: 2 → "]),
            (
                json!({"rules": [{"alert": "A", "for": "5s"}, {"alert": "B", "for": "5s"}]}),
                json!({"rules": [{"alert": "New", "for": "1s"}, {"alert": "A", "for": "5s"}, {"alert": "B", "for": "9s"}]}),
                &[
                    "rules[B].for: 5s → 9s",
                    r#"rules[New]:  → {"alert":"New","for":"1s"}"#,
                ],
            ),
            (
                json!({"Tags": [{"Key": "a", "Value": "1"}]}),
                json!({"Tags": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "3"}]}),
                &["Tags[a]: 1 → 3", "Tags[b]:  → 2"],
            ),
            (
                json!({"Action": ["x:Get", "x:Put"]}),
                json!({"Action": ["x:Put", "x:Scan"]}),
                &["Action: x:Get → ", "Action:  → x:Scan"],
            ),
            (json!({"a": ["x"]}), json!({"a": ["y"]}), &["a: x → y"]),
            // The order of routes decides who hears.
            (
                json!([{"name": "a"}, {"name": "b"}]),
                json!([{"name": "b"}, {"name": "a"}]),
                &[": a, b → b, a"],
            ),
            (
                json!([{"name": "a", "v": 1}, {"name": "b", "v": 1}]),
                json!([{"name": "b", "v": 2}, {"name": "a", "v": 1}]),
                &["[b].v: 1 → 2", ": a, b → b, a"],
            ),
            (
                json!({"a": ["x", "y"]}),
                json!({"a": ["y", "x"]}),
                &[r#"a: ["x","y"] → ["y","x"]"#],
            ),
            // Two of one name: only their places tell them apart.
            (
                json!([{"name": "a", "v": 1}, {"name": "a", "v": 2}]),
                json!([{"name": "a", "v": 1}, {"name": "a", "v": 3}]),
                &["[1].v: 2 → 3"],
            ),
            (
                json!({"a": []}),
                json!({"a": [{"Sid": "One"}]}),
                &[r#"a[One]:  → {"Sid":"One"}"#],
            ),
            (json!({"a": "1"}), json!({"a": [1]}), &["a: 1 → [1]"]),
        ] {
            let found: Vec<String> = between(&before, &after)
                .iter()
                .map(Difference::property)
                .map(|it| {
                    let side = |value: Option<String>| value.unwrap_or_default();
                    format!("{}: {} → {}", it.path, side(it.before), side(it.after))
                })
                .collect();
            assert_eq!(found, told, "{before} and {after}");
        }
    }
}
