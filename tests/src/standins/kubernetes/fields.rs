//! Field sets: who owns which paths of an object, as `metadata.managedFields` records it.
//!
//! ```text
//!   data: {url: …}                         spec: {groups: [{name: x, rules: […]}]}     (groups: a list by name)
//!     applied ▶ f:data: {f:url: {}}          applied ▶ f:spec: {f:groups: {k:{"name":"x"}: {.: {}, f:name: {}, f:rules: {}}}}
//!     created ▶ f:data: {.: {}, f:url: {}}
//! ```
//!
//! A set is a flat set of paths here, which is slower than the server's tree and easier to be right about. The rules
//! are those of structured-merge-diff: an applied configuration owns its leaves, its list entries and the keys of
//! maps whose keys the schema does not name; an update owns everything that it added or changed, containers included.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::shape::{Element, ListKind, Shape};

/// A way into an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Path(Vec<Element>);

impl Path {
    fn then(&self, element: Element) -> Self {
        let mut elements = self.0.clone();
        elements.push(element);
        Self(elements)
    }

    pub(super) fn of_fields(names: &[&str]) -> Self {
        Self(
            names
                .iter()
                .map(|name| Element::Field((*name).to_owned()))
                .collect(),
        )
    }

    /// Whether `other` is this path or leads on from it.
    fn leads_to(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    pub(super) fn elements(&self) -> &[Element] {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for element in &self.0 {
            match element {
                Element::Field(name) => write!(f, ".{name}")?,
                Element::Item(value) => write!(f, "[={value}]")?,
                Element::Key(fields) => {
                    let fields: Vec<String> = fields
                        .iter()
                        .map(|(key, value)| format!("{key}={value}"))
                        .collect();
                    write!(f, "[{}]", fields.join(","))?;
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct FieldSet(BTreeSet<Path>);

impl FieldSet {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Path> {
        self.0.iter()
    }

    pub(super) fn with(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    pub(super) fn without(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    pub(super) fn common(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// Whether the path itself or anything below it is in the set.
    pub(super) fn reaches(&self, path: &Path) -> bool {
        self.0
            .range(path..)
            .next()
            .is_some_and(|next| path.leads_to(next))
    }

    /// What nobody owns: an object's identity and the server's own fields.
    pub(super) fn ownable(mut self) -> Self {
        let servers_own: &[&[&str]] = &[
            &["apiVersion"],
            &["kind"],
            &["metadata"],
            &["metadata", "name"],
            &["metadata", "namespace"],
            &["metadata", "creationTimestamp"],
            &["metadata", "deletionTimestamp"],
            &["metadata", "selfLink"],
            &["metadata", "uid"],
            &["metadata", "generation"],
            &["metadata", "managedFields"],
            &["metadata", "resourceVersion"],
        ];
        for names in servers_own {
            self.0.remove(&Path::of_fields(names));
        }
        self
    }

    /// The paths that an applied configuration owns.
    pub(super) fn applied(value: &Value, shape: Shape<'_>) -> Self {
        let mut set = Self::default();
        set.collect_applied(value, shape, &Path::default());
        set
    }

    fn collect_applied(&mut self, value: &Value, shape: Shape<'_>, path: &Path) {
        match value {
            Value::Object(fields) if !shape.is_atomic_map() => {
                for (name, value) in fields {
                    let (below, named) = shape.field(name);
                    let path = path.then(Element::Field(name.clone()));
                    self.collect_applied(value, below, &path);
                    let is_empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                    if is_empty || !named {
                        self.0.insert(path);
                    }
                }
            }
            Value::Array(entries) if shape.list() != ListKind::Atomic => {
                let kind = shape.list();
                for entry in entries {
                    let Some(element) = Element::of_entry(&kind, entry) else {
                        continue;
                    };
                    let path = path.then(element);
                    self.collect_applied(entry, shape.entry(), &path);
                    self.0.insert(path);
                }
            }
            _ => {
                self.0.insert(path.clone());
            }
        }
    }

    /// Every node of a value, containers included.
    pub(super) fn every_node(value: &Value, shape: Shape<'_>) -> Self {
        let mut set = Self::default();
        set.collect_nodes(value, shape, &Path::default());
        set.0.remove(&Path::default());
        set
    }

    fn collect_nodes(&mut self, value: &Value, shape: Shape<'_>, path: &Path) {
        self.0.insert(path.clone());
        match value {
            Value::Object(fields) if !shape.is_atomic_map() => {
                for (name, value) in fields {
                    let path = path.then(Element::Field(name.clone()));
                    self.collect_nodes(value, shape.field(name).0, &path);
                }
            }
            Value::Array(entries) => {
                let kind = shape.list();
                for entry in entries {
                    if let Some(element) = Element::of_entry(&kind, entry) {
                        self.collect_nodes(entry, shape.entry(), &path.then(element));
                    }
                }
            }
            _ => {}
        }
    }

    /// As `fieldsV1`.
    pub(super) fn to_fields_v1(&self) -> Value {
        let mut root = Map::new();
        for path in &self.0 {
            // Sorted, so what a path leads on to follows it at once; the dot is for such paths only.
            let leads_on = self
                .0
                .range(path..)
                .nth(1)
                .is_some_and(|next| path.leads_to(next));
            write_v1(&mut root, &path.0, leads_on);
        }
        Value::Object(root)
    }

    pub(super) fn of_fields_v1(fields: &Value) -> Self {
        let mut set = Self::default();
        set.collect_v1(fields, &Path::default());
        set
    }

    fn collect_v1(&mut self, node: &Value, path: &Path) {
        let Some(below) = node.as_object() else {
            return;
        };
        if below.is_empty() && !path.0.is_empty() {
            self.0.insert(path.clone());
        }
        for (key, node) in below {
            if key == "." {
                self.0.insert(path.clone());
            } else if let Some(element) = element_of(key) {
                self.collect_v1(node, &path.then(element));
            }
        }
    }
}

fn write_v1(node: &mut Map<String, Value>, path: &[Element], leads_on: bool) {
    let Some((first, rest)) = path.split_first() else {
        if leads_on {
            node.insert(".".to_owned(), Value::Object(Map::new()));
        }
        return;
    };
    let below = node
        .entry(key_of(first))
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(below) = below {
        write_v1(below, rest, leads_on);
    }
}

fn key_of(element: &Element) -> String {
    match element {
        Element::Field(name) => format!("f:{name}"),
        Element::Item(value) => format!("v:{value}"),
        Element::Key(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}:{value}", Value::from(key.as_str())))
                .collect();
            format!("k:{{{}}}", fields.join(","))
        }
    }
}

fn element_of(key: &str) -> Option<Element> {
    match key.split_at_checked(2)? {
        ("f:", name) => Some(Element::Field(name.to_owned())),
        ("v:", value) => Some(Element::Item(value.to_owned())),
        ("k:", fields) => {
            let fields: Map<String, Value> = serde_json::from_str(fields).ok()?;
            let fields = fields.into_iter().map(|(key, value)| (key, value.to_string()));
            Some(Element::Key(fields.collect()))
        }
        _ => None,
    }
}

/// What is different between two values.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) added: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) removed: FieldSet,
}

impl Difference {
    pub(super) fn between(before: &Value, after: &Value, shape: Shape<'_>) -> Self {
        let mut difference = Self::default();
        difference.compare(before, after, shape, &Path::default());
        difference
    }

    fn compare(&mut self, before: &Value, after: &Value, shape: Shape<'_>, path: &Path) {
        match (before, after) {
            (Value::Object(was), Value::Object(is)) if !shape.is_atomic_map() => {
                for (name, value) in is {
                    let path = path.then(Element::Field(name.clone()));
                    let below = shape.field(name).0;
                    match was.get(name) {
                        Some(old) => self.compare(old, value, below, &path),
                        None => self.added.collect_nodes(value, below, &path),
                    }
                }
                for (name, value) in was.iter().filter(|(name, _)| !is.contains_key(*name)) {
                    let path = path.then(Element::Field(name.clone()));
                    self.removed.collect_nodes(value, shape.field(name).0, &path);
                }
            }
            (Value::Array(was), Value::Array(is)) if shape.list() != ListKind::Atomic => {
                let kind = shape.list();
                let entry_of = |entries: &[Value], element: &Element| {
                    entries
                        .iter()
                        .find(|entry| Element::of_entry(&kind, entry).as_ref() == Some(element))
                        .cloned()
                };
                for value in is {
                    let Some(element) = Element::of_entry(&kind, value) else {
                        continue;
                    };
                    let old = entry_of(was, &element);
                    let path = path.then(element);
                    match old {
                        Some(old) => self.compare(&old, value, shape.entry(), &path),
                        None => self.added.collect_nodes(value, shape.entry(), &path),
                    }
                }
                for value in was {
                    let Some(element) = Element::of_entry(&kind, value) else {
                        continue;
                    };
                    if entry_of(is, &element).is_none() {
                        self.removed
                            .collect_nodes(value, shape.entry(), &path.then(element));
                    }
                }
            }
            _ if before == after => {}
            _ => {
                self.modified.0.insert(path.clone());
            }
        }
    }
}
