//! What every render promises, proven on the documents themselves.
//!
//! Templates are edited by people and filled by code; either can forget something that no linter misses, like
//! the second permission of a public URL. So each promise is one function that looks at the finished documents
//! only, not at how they were made, and runs inside every render. Each has a test that breaks it.

mod alarms;
mod aws;
mod environment;
mod kubernetes;
mod permissions;
pub mod plan;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Map, Value};

use crate::render::{self, Document, DocumentKind, ObjectKind, RenderError};
use crate::topology::names::StackKind;
use crate::topology::{Region, Site, Topology};

pub use aws::TEMPLATE_LIMIT_BYTES;
pub use environment::assumed_found;
pub use permissions::WILDCARD_RESOURCES;

/// A promise that a document does not keep: a fault of this program, never of the topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The promise, as a sentence.
    pub promise: &'static str,
    pub document: String,
    pub found: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} breaks the promise that {}: {}",
            self.document, self.promise, self.found
        )
    }
}

impl std::error::Error for Breach {}

/// What a promise looks at, and where it puts what it finds.
struct DocumentCase<'a> {
    topology: &'a Topology,
    documents: &'a [Document],
    promise: &'static str,
    found: Vec<Breach>,
}

impl<'a> DocumentCase<'a> {
    fn breach(&mut self, document: &Document, found: impl Into<String>) {
        self.found.push(Breach {
            promise: self.promise,
            document: document.path.clone(),
            found: found.into(),
        });
    }

    fn stacks(&self) -> Vec<(&'a Document, StackKind, &'a Region)> {
        let stacks = self.documents.iter().filter_map(|document| match &document.kind {
            DocumentKind::Stack { kind, region } => Some((document, *kind, region)),
            DocumentKind::Object { .. } => None,
        });
        stacks.collect()
    }

    fn fencing_stacks(&self) -> Vec<(&'a Document, &'a Region)> {
        let stacks = self
            .stacks()
            .into_iter()
            .filter(|(_, kind, _)| *kind == StackKind::Fencing);
        stacks.map(|(document, _, region)| (document, region)).collect()
    }

    fn objects(&self) -> Vec<(&'a Document, &'a Site, ObjectKind)> {
        let objects = self.documents.iter().filter_map(|document| match &document.kind {
            DocumentKind::Object { site, kind } => {
                let site = self
                    .topology
                    .sites
                    .iter()
                    .find(|candidate| candidate.name == *site)?;
                Some((document, site, *kind))
            }
            DocumentKind::Stack { .. } => None,
        });
        objects.collect()
    }

    fn objects_of(&self, wanted: ObjectKind) -> Vec<(&'a Document, &'a Site)> {
        let objects = self.objects().into_iter().filter(|(_, _, kind)| *kind == wanted);
        objects.map(|(document, site, _)| (document, site)).collect()
    }
}

type Promise = (&'static str, fn(&mut DocumentCase<'_>));

/// The promises. The sentences continue "breaks the promise that …".
const PROMISES: &[Promise] = &[
    (
        "a public URL has both of its permissions, and no other door is open to everyone",
        permissions::url_has_both_permissions,
    ),
    (
        "no role may do more than named actions",
        permissions::no_wildcard_action,
    ),
    (
        "a role reaches named resources only, but for the exceptions that are listed with their reasons",
        permissions::wildcard_resources_are_listed,
    ),
    (
        "the table's items of other topologies are out of reach",
        permissions::register_access_is_limited_to_own_items,
    ),
    (
        "no template touches the accelerator",
        aws::nothing_of_the_accelerator_is_managed,
    ),
    (
        "the function reads back exactly the settings that the topology gives",
        environment::environment_is_the_settings,
    ),
    (
        "the environment fits into what Lambda allows",
        environment::environment_fits,
    ),
    ("a template fits into one request", aws::template_fits),
    (
        "nothing in a template is expanded that we did not put there",
        aws::nothing_is_expanded,
    ),
    ("names fit into what AWS allows", aws::names_fit),
    (
        "every resource that can carries the topology's tag",
        aws::resources_are_tagged,
    ),
    (
        "the log group stands before the function, with a retention",
        aws::log_group_comes_first,
    ),
    (
        "the schedule comes every minute and may invoke the function",
        aws::schedule_reaches_the_function,
    ),
    (
        "an alarm on a heartbeat takes silence for failure, and every loss is notified once",
        alarms::alarms_hear_silence,
    ),
    (
        "alarms and dashboard speak of what the function measures, and the dashboard of all of it",
        alarms::metrics_are_the_functions,
    ),
    (
        "each function is asked from outside, rightly, and an alarm listens",
        alarms::everyone_is_asked_from_outside,
    ),
    ("secrets are generated, never written", aws::secrets_are_generated),
    (
        "the webhook's password is one, made in the first Region and replicated to every other",
        aws::password_is_one,
    ),
    ("the package is one version of one object", aws::package_is_pinned),
    (
        "the bucket is private, encrypted, versioned, over TLS only, and never forgets what is current",
        aws::bucket_is_safe,
    ),
    (
        "the register is on demand, recoverable, and no eventually consistent replica",
        aws::register_is_safe,
    ),
    ("one site has one namespace", kubernetes::one_namespace_per_site),
    (
        "a rule's labels are what the function expects",
        kubernetes::rule_labels_are_the_settings,
    ),
    (
        "a rule looks at its own namespace and at the other site, by both names of the metric",
        kubernetes::rule_looks_at_the_peer,
    ),
    (
        "annotations speak of labels that the expression has",
        kubernetes::annotations_have_no_holes,
    ),
    (
        "alert and function leave each other time",
        kubernetes::timings_can_work,
    ),
    (
        "the alert reaches every function with the webhook's credentials",
        kubernetes::route_reaches_every_function,
    ),
    (
        "the watchdog has a route of its own",
        kubernetes::watchdog_has_its_own_route,
    ),
    (
        "a suspicion reaches the function at once, and leaves it time to look and to fence",
        kubernetes::suspicion_is_heard_at_once,
    ),
    (
        "objects carry the topology's labels",
        kubernetes::objects_are_labelled,
    ),
    (
        "no secret value is written",
        kubernetes::no_secret_value_is_written,
    ),
    (
        "what `kubectl apply -k` takes is complete and harmless",
        kubernetes::kustomization_is_complete,
    ),
];

/// Why a topology has no documents: a fault of this program, never of the topology.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// They could not be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Promises(Vec<Breach>),
}

/// Every document of `topology`, proven to keep all promises. Nothing else leaves the program.
pub fn documents(topology: &Topology) -> Result<Vec<Document>, DocumentError> {
    let documents = render::render(topology)?;
    let breaches = breaches(topology, &documents);
    if breaches.is_empty() {
        Ok(documents)
    } else {
        Err(DocumentError::Promises(breaches))
    }
}

/// Every promise that `documents`, all those of `topology`, do not keep.
pub fn breaches(topology: &Topology, documents: &[Document]) -> Vec<Breach> {
    let mut found = Vec::new();
    for (promise, prove) in PROMISES {
        let mut case = DocumentCase {
            topology,
            documents,
            promise,
            found: Vec::new(),
        };
        prove(&mut case);
        found.append(&mut case.found);
    }
    found
}

/// A template's resources: logical id, type, properties.
fn resources(template: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let resources = template
        .get("Resources")
        .and_then(Value::as_object)
        .unwrap_or(&NONE);
    resources.iter().map(|(id, resource)| {
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        (
            id.as_str(),
            kind,
            resource.get("Properties").unwrap_or(&Value::Null),
        )
    })
}

/// The properties of the resources of one type.
fn of_type<'a>(template: &'a Value, wanted: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    resources(template)
        .filter(move |(_, kind, _)| *kind == wanted)
        .map(|(id, _, properties)| (id, properties))
}

/// A value that may be one or a list, as a list.
fn as_list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Every text in a document, with its place.
fn texts<'a>(value: &'a Value, path: &str, visit: &mut dyn FnMut(&str, &'a str)) {
    match value {
        Value::String(text) => visit(path, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                texts(item, &format!("{path}/{index}"), visit);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                visit(&format!("{path}/{name}"), name);
                texts(field, &format!("{path}/{name}"), visit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
