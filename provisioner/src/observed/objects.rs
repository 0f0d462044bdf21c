//! One object: how it stands, how it shall be, and whose hand made the difference.
//!
//! What applying an object would change is not computed here: the API server was asked, without doing it, so
//! that defaults, conversions and admission are its own. This module compares two answers of the server and
//! reads from `managedFields` who holds what differs.

use serde::Serialize;
use serde_json::Value;

use super::changes::PropertyChange;
use super::cluster::{Conflict, FIELD_MANAGER};
use super::difference::{self, Difference, Segment};
use crate::topology::names::LABEL_TOPOLOGY;

/// What the server keeps for itself.
const SERVERS_OWN: [&str; 6] = [
    "managedFields",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "uid",
    "selfLink",
];

/// How an object differs from what it shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    pub action: ObjectAction,
    pub properties: Vec<PropertyChange>,
    /// What of that others changed, and who.
    pub drifted: Vec<Conflict>,
}

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectAction {
    Create,
    /// It is changed in place.
    Change,
    /// It is as it should be, and becomes ours to keep so.
    Adopt,
}

/// Whether the object carries the topology's label.
pub fn is_of(object: &Value, topology: &str) -> bool {
    object
        .get("metadata")
        .and_then(|metadata| metadata.get("labels")?.get(LABEL_TOPOLOGY)?.as_str())
        == Some(topology)
}

/// The object's identity: tells it from a later one of the same name.
pub fn uid(object: &Value) -> String {
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
    uid.unwrap_or_default().to_owned()
}

/// Whether we ever applied the object.
pub fn is_managed_by_us(object: &Value) -> bool {
    managers(object).any(|(manager, operation, _)| manager == FIELD_MANAGER && operation == "Apply")
}

/// How `current` would change into `after`; nothing, if it would not.
pub fn change(current: Option<&Value>, after: &Value, conflicts: &[Conflict]) -> Option<ObjectChange> {
    let Some(current) = current else {
        return Some(ObjectChange {
            action: ObjectAction::Create,
            properties: Vec::new(),
            drifted: Vec::new(),
        });
    };
    let differences = difference::between(&bare(current), &bare(after));
    if differences.is_empty() {
        return (!is_managed_by_us(current)).then(|| ObjectChange {
            action: ObjectAction::Adopt,
            properties: Vec::new(),
            drifted: Vec::new(),
        });
    }
    let mut drifted = conflicts.to_vec();
    for difference in &differences {
        drifted.extend(other_holders(current, &difference.path).map(|manager| Conflict {
            manager,
            field: format!(".{}", difference.property().path),
        }));
    }
    drifted.sort();
    drifted.dedup();
    // What the server names in its own way need not be named in ours, too.
    drifted.retain(|it| conflicts.contains(it) || !conflicts.iter().any(|other| other.manager == it.manager));
    Some(ObjectChange {
        action: ObjectAction::Change,
        properties: differences.iter().map(Difference::property).collect(),
        drifted,
    })
}

/// Who `kubectl apply` calls itself. It applies whole files: on an object of ours that is what `render` wrote, and it
/// is taken over. A hand that edits one field has another name.
const KUBECTL_APPLY: [&str; 2] = ["kubectl", "kubectl-client-side-apply"];

/// The conflicts with hands that changed something, not with our own render that was applied by kubectl.
pub fn by_others(conflicts: Vec<Conflict>) -> Vec<Conflict> {
    let mut conflicts = conflicts;
    conflicts.retain(|conflict| !KUBECTL_APPLY.contains(&conflict.manager.as_str()));
    conflicts
}

/// The managers beside us that hold what is at `path`.
pub fn other_holders<'a>(object: &'a Value, path: &'a [Segment]) -> impl Iterator<Item = String> + 'a {
    managers(object)
        .filter(|(manager, _, _)| *manager != FIELD_MANAGER)
        .filter(|(_, _, fields)| holds(fields, path))
        .map(|(manager, _, _)| manager.to_owned())
}

/// A field of an object of ours that somebody else added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Who, as the object's `managedFields` say.
    pub manager: String,
    /// Which field, as `.spec.sampleLimit`.
    pub field: String,
    /// The same as a JSON Patch names it; nothing inside of a list, whose elements it counts.
    pub pointer: Option<String>,
}

/// The fields of `spec` that only others hold: what they set there stays whatever we apply, and is no conflict.
pub fn added_by_others(object: &Value) -> Vec<Added> {
    let spec = |entry: &(&str, &str, &'_ Value)| entry.2.get("f:spec").cloned();
    let (ours, others): (Vec<_>, Vec<_>) = managers(object)
        .partition(|(manager, operation, _)| *manager == FIELD_MANAGER && *operation == "Apply");
    let ours: Vec<Value> = ours.iter().filter_map(spec).collect();
    let mut added = Vec::new();
    // Before the first application everything is somebody else's.
    if !ours.is_empty() {
        for other in &others {
            if let Some(fields) = spec(other) {
                let ours: Vec<&Value> = ours.iter().collect();
                only_theirs(&fields, &ours, (".spec", Some("/spec")), &mut |field, pointer| {
                    added.push(Added {
                        manager: other.0.to_owned(),
                        field,
                        pointer,
                    });
                });
            }
        }
    }
    added.sort_by(|a, b| a.field.cmp(&b.field));
    added.dedup_by(|a, b| a.field == b.field);
    added
}

/// Tells of each field, or element of a list, that is in `theirs` and in none of `ours`.
fn only_theirs(
    theirs: &Value,
    ours: &[&Value],
    (field, pointer): (&str, Option<&str>),
    tell: &mut impl FnMut(String, Option<String>),
) {
    for (key, below) in theirs.as_object().into_iter().flatten() {
        let (field, pointer) = match (key.strip_prefix("f:"), key.split_once(':')) {
            (Some(name), _) => (
                format!("{field}.{name}"),
                // As RFC 6901 has it: a key may have a slash.
                pointer.map(|it| format!("{it}/{}", name.replace('~', "~0").replace('/', "~1"))),
            ),
            (None, Some((_, element))) => (format!("{field}[{element}]"), None),
            // `.` is the field itself.
            (None, None) => continue,
        };
        let same: Vec<&Value> = ours.iter().filter_map(|ours| ours.get(key)).collect();
        let is_whole = |ours: &&Value| ours.as_object().is_none_or(serde_json::Map::is_empty);
        if same.is_empty() {
            tell(field, pointer);
        } else if !same.iter().any(is_whole) {
            only_theirs(below, &same, (&field, pointer.as_deref()), tell);
        }
    }
}

/// The keys below `path` that we hold.
pub fn held_by_us(object: &Value, path: &str) -> Vec<String> {
    managers(object)
        .filter(|(manager, operation, _)| *manager == FIELD_MANAGER && *operation == "Apply")
        .filter_map(|(_, _, fields)| fields.get(format!("f:{path}"))?.as_object())
        .flat_map(|fields| fields.keys())
        .filter_map(|key| key.strip_prefix("f:").map(str::to_owned))
        .collect()
}

fn managers(object: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let entries = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    entries.into_iter().flatten().filter_map(|entry| {
        Some((
            entry.get("manager")?.as_str()?,
            entry.get("operation")?.as_str()?,
            entry.get("fieldsV1")?,
        ))
    })
}

/// Whether a set of fields holds `path`, or all of something around it.
fn holds(fields: &Value, path: &[Segment]) -> bool {
    let Some(fields) = fields.as_object() else {
        return false;
    };
    match path.split_first() {
        None => true,
        Some((Segment::Key(key), rest)) => match fields.get(&format!("f:{key}")) {
            // A leaf is held with everything below it, as a list is that is one value.
            Some(below) => below.as_object().is_none_or(serde_json::Map::is_empty) || holds(below, rest),
            None => false,
        },
        // An element of a list is named by its keys or its value, which a path does not tell.
        Some((Segment::Item { .. }, _)) => fields.keys().any(|key| key.starts_with("k:")),
    }
}

/// The object without what the server keeps for itself.
fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in SERVERS_OWN {
            metadata.remove(name);
        }
    }
    object
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn object(spec: &Value, others: &[(&str, Value)]) -> Value {
        let mut managers = vec![json!({
            "manager": "provision", "operation": "Apply", "fieldsV1": { "f:spec": { "f:groups": {} } },
        })];
        managers.extend(others.iter().map(
            |(manager, fields)| json!({ "manager": manager, "operation": "Update", "fieldsV1": fields }),
        ));
        json!({
            "metadata": {
                "uid": "u", "resourceVersion": "1", "managedFields": managers,
                "labels": { "sitefence.io/topology": "prod" },
            },
            "spec": spec,
            "status": { "ignored": true },
        })
    }

    #[test]
    fn an_object_that_is_as_it_should_be_needs_nothing() {
        let (mut a, b) = (
            object(&json!({"groups": [1]}), &[]),
            object(&json!({"groups": [1]}), &[]),
        );
        a["metadata"]["resourceVersion"] = json!("2");
        a["status"] = json!({});
        assert_eq!(change(Some(&a), &b, &[]), None);
        assert!(is_of(&a, "prod") && !is_of(&a, "pro"));
    }

    #[test]
    fn what_nobody_applied_is_taken_over() {
        let mut theirs = object(&json!({"groups": [1]}), &[]);
        theirs["metadata"]["managedFields"] = json!([]);
        let change = change(Some(&theirs), &object(&json!({"groups": [1]}), &[]), &[]).unwrap();
        assert_eq!(change.action, ObjectAction::Adopt);
    }

    #[test]
    fn each_property_is_named_with_its_values() {
        let before = object(
            &json!({"groups": [{"name": "a", "interval": "5s"}], "gone": 1}),
            &[],
        );
        let after = object(&json!({"groups": [{"name": "a", "interval": "10s"}]}), &[]);
        let change = change(Some(&before), &after, &[]).unwrap();
        let told: Vec<(&str, Option<&str>, Option<&str>)> = change
            .properties
            .iter()
            .map(|it| (it.path.as_str(), it.before.as_deref(), it.after.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                ("spec.gone", Some("1"), None),
                ("spec.groups[a].interval", Some("5s"), Some("10s"))
            ]
        );
        assert_eq!(change.drifted, []);
    }

    #[test]
    fn a_change_by_another_hand_is_drift_and_names_the_hand() {
        let edited = object(
            &json!({"groups": [{"interval": "60s"}]}),
            &[("kubectl-edit", json!({ "f:spec": { "f:groups": {} } }))],
        );
        let after = object(&json!({"groups": [{"interval": "5s"}]}), &[]);
        let drift = |conflicts: &[Conflict]| change(Some(&edited), &after, conflicts).unwrap().drifted;
        assert_eq!(
            drift(&[]),
            [Conflict {
                manager: "kubectl-edit".into(),
                field: ".spec.groups[0].interval".into()
            }]
        );
        // Where the server names the conflict itself, its word is enough.
        let conflict = Conflict {
            manager: "kubectl-edit".into(),
            field: ".spec.groups".into(),
        };
        assert_eq!(drift(std::slice::from_ref(&conflict)), [conflict]);
    }

    #[test]
    fn what_others_added_beside_ours_is_found() {
        let limited = object(
            &json!({"groups": [], "sampleLimit": 10}),
            &[(
                "kubectl-edit",
                json!({ "f:spec": { "f:sampleLimit": {}, "f:groups": {} }, "f:metadata": { "f:annotations": {} } }),
            )],
        );
        let mut widened = limited.clone();
        widened["metadata"]["managedFields"] = json!([
            { "manager": "provision", "operation": "Apply", "fieldsV1": { "f:spec": {
                "f:namespaceSelector": { "f:matchNames": {} }, "f:groups": { "k:{\"name\":\"a\"}": { ".": {} } },
            } } },
            { "manager": "x", "operation": "Update", "fieldsV1": { "f:spec": {
                "f:namespaceSelector": { "f:any": {} }, "f:groups": { "k:{\"name\":\"b\"}": { ".": {} } },
            } } },
        ]);
        let told: Vec<(String, Option<String>)> = added_by_others(&widened)
            .into_iter()
            .map(|it| (it.field, it.pointer))
            .collect();
        assert_eq!(
            told,
            [
                (".spec.groups[{\"name\":\"b\"}]".to_owned(), None),
                (
                    ".spec.namespaceSelector.any".to_owned(),
                    Some("/spec/namespaceSelector/any".to_owned())
                ),
            ]
        );
        let added = added_by_others(&limited);
        assert_eq!(
            added,
            [Added {
                manager: "kubectl-edit".into(),
                field: ".spec.sampleLimit".into(),
                pointer: Some("/spec/sampleLimit".into()),
            }]
        );
        assert_eq!(added_by_others(&object(&json!({}), &[])), []);
        let mut never_applied = limited;
        never_applied["metadata"]["managedFields"]
            .as_array_mut()
            .unwrap()
            .remove(0);
        assert_eq!(added_by_others(&never_applied), []);
    }

    #[test]
    fn holders_are_read_from_leaves_and_lists() {
        let fields =
            json!({ "f:data": { "f:password": {} }, "f:spec": { "f:items": { "k:{\"name\":\"x\"}": {} } } });
        let key = |key: &str| Segment::Key(key.to_owned());
        let item = |name: &str| Segment::Item {
            name: name.to_owned(),
        };
        for (path, is_held) in [
            (&[key("data"), key("password")][..], true),
            (&[key("data"), key("url")], false),
            (&[key("spec"), key("items"), item("x"), key("value")], true),
            (&[key("spec"), key("others")], false),
        ] {
            assert_eq!(holds(&fields, path), is_held, "{path:?}");
        }
        let ours = json!({ "metadata": { "managedFields": [
            { "manager": "provision", "operation": "Apply", "fieldsV1": { "f:data": { "f:url": {}, "f:url-x": {} } } },
        ] } });
        assert_eq!(held_by_us(&ours, "data"), ["url", "url-x"]);
    }
}
