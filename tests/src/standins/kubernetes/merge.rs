//! Server-side apply and tracked updates: pure functions from what is there and what is wanted to what becomes of it.
//!
//! Follows structured-merge-diff, the library under the real API server, as far as a client can tell: merge, take
//! away what only we owned and no longer want, and refuse to change what another manager owns unless forced.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fields::{Difference, FieldSet, Path};
use super::shape::{Element, ListKind, Shape};

/// How a manager came to own its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// Who acts, in which version of the object, when.
#[derive(Debug, Clone)]
pub(super) struct Actor<'a> {
    pub(super) manager: &'a str,
    pub(super) api_version: &'a str,
    pub(super) subresource: &'a str,
    pub(super) now: &'a str,
}

/// An entry of `metadata.managedFields`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Managed {
    pub(super) manager: String,
    pub(super) operation: Operation,
    pub(super) api_version: String,
    pub(super) subresource: String,
    pub(super) time: String,
    pub(super) fields: FieldSet,
}

impl Managed {
    fn is_of(&self, actor: &Actor<'_>, operation: Operation) -> bool {
        self.manager == actor.manager
            && self.operation == operation
            && self.subresource == actor.subresource
            // Whoever applies is the same one in every version of the object.
            && (operation == Operation::Apply || self.api_version == actor.api_version)
    }

    /// As the server names it in a conflict.
    pub(super) fn described(&self) -> String {
        let mut text = format!("\"{}\"", self.manager);
        if !self.subresource.is_empty() {
            text = format!("{text} with subresource \"{}\"", self.subresource);
        }
        match self.operation {
            Operation::Apply => text,
            Operation::Update => format!("{text} using {}", self.api_version),
        }
    }
}

/// A field that another manager owns.
#[derive(Debug, Clone)]
pub(super) struct Conflict {
    pub(super) with: String,
    pub(super) path: Path,
}

/// The managers of an object.
pub(super) fn managers(object: &Value) -> Vec<Managed> {
    let entries = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    entries
        .into_iter()
        .flatten()
        .map(|entry| Managed {
            manager: text(entry, "manager"),
            operation: if entry["operation"] == "Apply" {
                Operation::Apply
            } else {
                Operation::Update
            },
            api_version: text(entry, "apiVersion"),
            subresource: text(entry, "subresource"),
            time: text(entry, "time"),
            fields: FieldSet::of_fields_v1(&entry["fieldsV1"]),
        })
        .collect()
}

/// The object without its managers.
pub(super) fn unmanaged(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

fn with_managers(mut object: Value, mut managers: Vec<Managed>) -> Value {
    managers.retain(|entry| !entry.fields.is_empty());
    managers.sort_by(|a, b| {
        (a.operation, &a.time, &a.manager, &a.api_version).cmp(&(
            b.operation,
            &b.time,
            &b.manager,
            &b.api_version,
        ))
    });
    let entries: Vec<Value> = managers.iter().map(entry_of).collect();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
        && !entries.is_empty()
    {
        metadata.insert("managedFields".to_owned(), Value::Array(entries));
    }
    object
}

fn entry_of(managed: &Managed) -> Value {
    let mut entry = json!({
        "manager": managed.manager,
        "operation": match managed.operation {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        },
        "apiVersion": managed.api_version,
        "time": managed.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": managed.fields.to_fields_v1(),
    });
    if !managed.subresource.is_empty() {
        entry["subresource"] = Value::from(managed.subresource.as_str());
    }
    entry
}

/// What an update, a create or a patch leaves: `new` as it is, and its author owning what is different.
pub(super) fn update(live: Option<&Value>, new: &Value, actor: &Actor<'_>, shape: Shape<'_>) -> Value {
    let (of_live, before) = match live {
        Some(live) => (managers(live), unmanaged(live)),
        None => (Vec::new(), json!({})),
    };
    // Whoever sends managers back may have left some out, and they are believed; none at all are those that were.
    let mut entries = managers(new);
    if live.is_none() || entries.is_empty() {
        entries = of_live;
    }
    let after = unmanaged(new);
    let difference = Difference::between(&before, &after, shape);
    let gained = difference.added.with(&difference.modified).ownable();
    for entry in &mut entries {
        entry.fields = entry.fields.without(&difference.removed);
        if !entry.is_of(actor, Operation::Update) {
            entry.fields = entry.fields.without(&gained);
        }
    }
    if !gained.is_empty() {
        own(&mut entries, actor, Operation::Update, &gained, true);
    }
    with_managers(after, entries)
}

fn own(
    entries: &mut Vec<Managed>,
    actor: &Actor<'_>,
    operation: Operation,
    fields: &FieldSet,
    and_before: bool,
) {
    if let Some(entry) = entries.iter_mut().find(|entry| entry.is_of(actor, operation)) {
        entry.fields = if and_before {
            entry.fields.with(fields)
        } else {
            fields.clone()
        };
        actor.now.clone_into(&mut entry.time);
        actor.api_version.clone_into(&mut entry.api_version);
        return;
    }
    entries.push(Managed {
        manager: actor.manager.to_owned(),
        operation,
        api_version: actor.api_version.to_owned(),
        subresource: actor.subresource.to_owned(),
        time: actor.now.to_owned(),
        fields: fields.clone(),
    });
}

pub(super) fn apply(
    live: Option<&Value>,
    config: &Value,
    actor: &Actor<'_>,
    force: bool,
    shape: Shape<'_>,
) -> Result<Value, Vec<Conflict>> {
    let (mut entries, before) = match live {
        Some(live) => (managers(live), unmanaged(live)),
        None => (Vec::new(), json!({})),
    };
    if live.is_some() && entries.is_empty() {
        // Nobody tracked what is there; the server lets this name own it, so that it is not lost.
        let everything = FieldSet::every_node(&before, shape).ownable();
        let unknown = Actor {
            manager: "before-first-apply",
            ..actor.clone()
        };
        own(&mut entries, &unknown, Operation::Update, &everything, false);
    }
    let config = unmanaged(config);
    let wanted = FieldSet::applied(&config, shape).ownable();
    let last = entries
        .iter()
        .find(|entry| entry.is_of(actor, Operation::Apply))
        .map(|entry| entry.fields.clone())
        .unwrap_or_default();
    let mut merged = merged(&before, &config, shape);
    let others = |entry: &&Managed| !entry.is_of(actor, Operation::Apply);
    // A list's entry goes before what is in it: without its key it could not be found.
    for path in last.without(&wanted).iter() {
        let owned_elsewhere = entries
            .iter()
            .filter(others)
            .any(|entry| entry.fields.reaches(path));
        if !owned_elsewhere && !wanted.reaches(path) {
            remove(&mut merged, path.elements());
        }
    }
    let difference = Difference::between(&before, &merged, shape);
    let touched = difference.added.with(&difference.modified);
    let mut conflicts = Vec::new();
    for entry in entries.iter().filter(others) {
        for path in entry.fields.common(&touched).iter() {
            conflicts.push(Conflict {
                with: entry.described(),
                path: path.clone(),
            });
        }
    }
    if !conflicts.is_empty() && !force {
        return Err(conflicts);
    }
    for entry in &mut entries {
        if !entry.is_of(actor, Operation::Apply) {
            entry.fields = entry.fields.without(&touched).without(&difference.removed);
        }
    }
    own(&mut entries, actor, Operation::Apply, &wanted, false);
    Ok(with_managers(merged, entries))
}

/// `config` over `live`.
fn merged(live: &Value, config: &Value, shape: Shape<'_>) -> Value {
    match (live, config) {
        (Value::Object(was), Value::Object(wanted)) if !shape.is_atomic_map() => {
            let mut fields = was.clone();
            for (name, value) in wanted {
                if value.is_null() {
                    fields.remove(name);
                    continue;
                }
                let below = shape.field(name).0;
                let value = merged(was.get(name).unwrap_or(&Value::Null), value, below);
                fields.insert(name.clone(), value);
            }
            Value::Object(fields)
        }
        (Value::Array(was), Value::Array(wanted)) if shape.list() != ListKind::Atomic => {
            let kind = shape.list();
            let mut entries = was.clone();
            for value in wanted {
                let element = Element::of_entry(&kind, value);
                let place = entries
                    .iter()
                    .position(|entry| Element::of_entry(&kind, entry) == element);
                match place {
                    Some(place) => entries[place] = merged(&entries[place], value, shape.entry()),
                    None => entries.push(value.clone()),
                }
            }
            Value::Array(entries)
        }
        (_, wanted) => wanted.clone(),
    }
}

/// Takes one path out, and the containers that become empty by it.
fn remove(value: &mut Value, path: &[Element]) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    match (value, first) {
        (Value::Object(fields), Element::Field(name)) => {
            if rest.is_empty() {
                fields.remove(name);
            } else if let Some(below) = fields.get_mut(name) {
                remove(below, rest);
                if is_hollow(below) {
                    fields.remove(name);
                }
            }
        }
        (Value::Array(entries), element) => {
            let place = entries.iter().position(|entry| is_entry(entry, element));
            if let Some(place) = place {
                if rest.is_empty() {
                    entries.remove(place);
                } else {
                    remove(&mut entries[place], rest);
                }
            }
        }
        _ => {}
    }
}

fn is_hollow(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn is_entry(entry: &Value, element: &Element) -> bool {
    match element {
        Element::Field(_) => false,
        Element::Item(_) => Element::of_entry(&ListKind::Set, entry).as_ref() == Some(element),
        Element::Key(fields) => {
            let found: BTreeMap<String, String> = fields
                .keys()
                .filter_map(|key| entry.get(key).map(|value| (key.clone(), value.to_string())))
                .collect();
            found == *fields
        }
    }
}

/// JSON merge patch (RFC 7386).
pub(super) fn merge_patch(target: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else {
        return patch.clone();
    };
    let mut fields = target.as_object().cloned().unwrap_or_default();
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            let was = fields.get(name).cloned().unwrap_or(Value::Null);
            fields.insert(name.clone(), merge_patch(&was, change));
        }
    }
    Value::Object(fields)
}
