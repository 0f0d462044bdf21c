//! What programs read: the shape of each verb's JSON, from a deployment's first plan to its end.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

/// Keys and kinds of values; the values are other tests' to judge. An array has the shape of all its items together.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("true or false"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("text"),
        Value::Array(items) => match items.iter().map(shape).reduce(joined) {
            Some(shape) => json!([shape]),
            None => json!([]),
        },
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), shape(value)))
            .collect(),
    }
}

/// What is one or the other.
fn joined(a: Value, b: Value) -> Value {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let mut all: BTreeMap<String, Value> = a.into_iter().collect();
            for (key, value) in b {
                let value = match all.remove(&key) {
                    Some(known) => joined(known, value),
                    None => value,
                };
                all.insert(key, value);
            }
            all.into_iter().collect()
        }
        (Value::Array(a), Value::Array(b)) => {
            let items: Vec<Value> = a.into_iter().chain(b).reduce(joined).into_iter().collect();
            Value::Array(items)
        }
        (a, b) if a == b => a,
        (a, b) => {
            let mut words: Vec<String> = [a, b]
                .into_iter()
                .flat_map(|it| match it {
                    Value::String(text) => text.split(" or ").map(str::to_owned).collect(),
                    other => vec![other.to_string()],
                })
                .collect();
            words.sort();
            words.dedup();
            json!(words.join(" or "))
        }
    }
}

#[test]
fn each_verb_s_document_keeps_its_shape() {
    let sites = Sites::new();
    let mut page = String::new();
    for (title, arguments) in [
        ("plan of a first apply", PLAN),
        ("apply", &[APPLY, &["--no-wait"]].concat()),
        ("plan of nothing", PLAN),
        ("plan of an update", PLAN),
        ("status", &["status"]),
        ("history", &["history"]),
        ("destroy", DESTROY),
    ] {
        if title == "plan of an update" {
            sites.write_topology("alerting: { for: 15s }\nnotify: { emails: [oncall@example.com] }");
        }
        let run = sites.run(&[arguments, &["--output", "json"]].concat());
        let document: Value =
            serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"));
        page.push_str(&format!("## {title}\n{:#}\n\n", shape(&document)));
    }
    insta::assert_snapshot!("documents", page);
}

#[test]
fn calls_are_shown_without_what_they_carry() {
    let sites = Sites::new();
    let run = sites.run(&[APPLY, &["--no-wait", "-vv"]].concat());
    assert_eq!(run.code, Some(0), "{run}");
    for call in [
        "sts GetCallerIdentity in eu-west-1: 200",
        "secretsmanager GetSecretValue in eu-west-1: 200",
        "cloudformation CreateChangeSet in eu-west-1: 200",
        "globalaccelerator ListAccelerators in us-west-2: 200",
        "site-a PATCH /api/v1/namespaces/keycloak/secrets/sitefence-demo: 20",
        "site-b PATCH /apis/monitoring.coreos.com/v1alpha1/namespaces/keycloak/alertmanagerconfigs/sitefence-demo: 20",
    ] {
        assert!(run.stderr.contains(call), "{call}: {run}");
    }
    let password = sites.password();
    for secret in [password.as_str(), "its password", "Bearer "] {
        assert!(
            !run.stderr.contains(secret) && !run.stdout.contains(secret),
            "{secret}: {run}"
        );
    }
    // Silent, but for what was asked for.
    let run = sites.run(&[APPLY, &["--no-wait", "-q"]].concat());
    assert!(
        run.stderr.contains("nothing to do") && !run.stderr.contains("applying"),
        "{run}"
    );
}
