//! What a kind's schema says about merging: which maps are one value, which lists are lists of entries with a key.
//!
//! A schema is OpenAPI as a CustomResourceDefinition carries it. Without one the API server deduces: maps merge key
//! by key, lists are one value.

use std::collections::BTreeMap;

use serde_json::Value;

/// A place in an object, seen by its schema.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape<'a>(Option<&'a Value>);

/// How two lists at one place become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ListKind {
    /// One value: whoever applies it, replaces it.
    Atomic,
    /// Each value once.
    Set,
    /// Entries, known by these fields.
    Map(Vec<String>),
}

impl<'a> Shape<'a> {
    pub(super) const fn new(schema: Option<&'a Value>) -> Self {
        Self(schema)
    }

    /// The place of a field, and whether the schema names it.
    pub(super) fn field(self, name: &str) -> (Self, bool) {
        let Some(schema) = self.0 else {
            return (Self(None), false);
        };
        if let Some(known) = schema.get("properties").and_then(|fields| fields.get(name)) {
            return (Self(Some(known)), true);
        }
        let others = schema.get("additionalProperties").filter(|it| it.is_object());
        (Self(others), false)
    }

    /// The place of a list's entries.
    pub(super) fn entry(self) -> Self {
        Self(self.0.and_then(|schema| schema.get("items")))
    }

    pub(super) fn is_atomic_map(self) -> bool {
        self.0.and_then(|schema| schema.get("x-kubernetes-map-type")) == Some(&Value::from("atomic"))
    }

    pub(super) fn list(self) -> ListKind {
        let Some(schema) = self.0 else {
            return ListKind::Atomic;
        };
        match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("set") => ListKind::Set,
            Some("map") => {
                let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                let keys = keys.into_iter().flatten().filter_map(Value::as_str);
                ListKind::Map(keys.map(str::to_owned).collect())
            }
            _ => ListKind::Atomic,
        }
    }

    /// Whether a field that the schema does not name may stand here.
    pub(super) fn takes_any_field(self) -> bool {
        let Some(schema) = self.0 else {
            return true;
        };
        schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true))
            || schema
                .get("additionalProperties")
                .is_some_and(|it| *it != Value::Bool(false))
            || (schema.get("properties").is_none() && schema.get("type").is_none())
    }
}

/// One step of a path into an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    Field(String),
    /// An entry of a list, by its key fields, each as JSON.
    Key(BTreeMap<String, String>),
    /// An entry of a set, as JSON.
    Item(String),
}

impl Element {
    /// The entry of a list whose entries are known by a key or by themselves.
    pub(super) fn of_entry(kind: &ListKind, entry: &Value) -> Option<Self> {
        match kind {
            ListKind::Atomic => None,
            ListKind::Set => Some(Self::Item(entry.to_string())),
            ListKind::Map(keys) => {
                let fields = keys
                    .iter()
                    .filter_map(|key| entry.get(key).map(|value| (key.clone(), value.to_string())));
                Some(Self::Key(fields.collect()))
            }
        }
    }
}
