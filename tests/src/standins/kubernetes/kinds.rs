//! The kinds that a cluster serves: those it is born with, and those that CustomResourceDefinitions bring.

use std::sync::Arc;

use serde_json::{Value, json};

/// One kind in one version.
#[derive(Debug, Clone)]
pub(super) struct ResourceType {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) singular: String,
    pub(super) kind: String,
    pub(super) short_names: Vec<String>,
    pub(super) namespaced: bool,
    pub(super) custom: bool,
    /// `status` is written apart from the rest.
    pub(super) has_status: bool,
    pub(super) schema: Option<Arc<Value>>,
}

impl ResourceType {
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `secrets`, `prometheusrules.monitoring.coreos.com`.
    pub(super) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// Whether it can only be asked, and nothing is kept.
    pub(super) fn is_review(&self) -> bool {
        self.group == "authorization.k8s.io" || self.group == "authentication.k8s.io"
    }

    pub(super) fn verbs(&self) -> &'static [&'static str] {
        if self.is_review() {
            return &["create"];
        }
        &[
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
        ]
    }
}

pub(super) fn built_in(
    api_version: &str,
    kind: &str,
    plural: &str,
    namespaced: bool,
    has_status: bool,
    schema: Option<&Arc<Value>>,
) -> ResourceType {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ResourceType {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        kind: kind.to_owned(),
        short_names: Vec::new(),
        namespaced,
        custom: false,
        has_status,
        schema: schema.cloned(),
    }
}

/// What every cluster serves, with what is needed of the kinds' schemas: exact for those whose fields we judge, and
/// of the others the lists that merge by key.
pub(super) fn built_in_kinds() -> Vec<ResourceType> {
    let secret = Arc::new(json!({"type": "object", "properties": {
        "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": metadata(),
        "type": {"type": "string"}, "immutable": {"type": "boolean"},
        "data": {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}},
        "stringData": {"type": "object", "additionalProperties": {"type": "string"}},
    }}));
    let config_map = Arc::new(json!({"type": "object", "properties": {
        "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": metadata(),
        "immutable": {"type": "boolean"},
        "data": {"type": "object", "additionalProperties": {"type": "string"}},
        "binaryData": {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}},
    }}));
    let open = Arc::new(json!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"metadata": metadata()},
    }));
    let definition = Arc::new(json!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "required": ["spec"],
        "properties": {"metadata": metadata(), "spec": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "required": ["group", "names", "scope", "versions"],
        }},
    }));
    let mut kinds = vec![
        built_in("v1", "ConfigMap", "configmaps", true, false, Some(&config_map)),
        built_in("v1", "Namespace", "namespaces", false, true, Some(&open)),
        built_in("v1", "Pod", "pods", true, true, Some(&open)),
        built_in("v1", "Secret", "secrets", true, false, Some(&secret)),
        built_in("v1", "Service", "services", true, true, Some(&open)),
        built_in("apps/v1", "Deployment", "deployments", true, true, Some(&open)),
        built_in("apps/v1", "StatefulSet", "statefulsets", true, true, Some(&open)),
        built_in(
            "networking.k8s.io/v1",
            "Ingress",
            "ingresses",
            true,
            true,
            Some(&open),
        ),
        built_in(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            false,
            true,
            Some(&definition),
        ),
    ];
    for (kind, plural) in [
        ("SelfSubjectAccessReview", "selfsubjectaccessreviews"),
        ("SelfSubjectRulesReview", "selfsubjectrulesreviews"),
    ] {
        kinds.push(built_in(
            "authorization.k8s.io/v1",
            kind,
            plural,
            false,
            false,
            None,
        ));
    }
    kinds.push(built_in(
        "authentication.k8s.io/v1",
        "SelfSubjectReview",
        "selfsubjectreviews",
        false,
        false,
        None,
    ));
    kinds
}

/// ObjectMeta, as far as it is written by clients.
pub(super) fn metadata() -> Value {
    let strings = json!({"type": "object", "additionalProperties": {"type": "string"}});
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"}, "generateName": {"type": "string"}, "namespace": {"type": "string"},
            "labels": strings, "annotations": strings,
            "finalizers": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "ownerReferences": {
                "type": "array",
                "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
            },
            "creationTimestamp": {"type": "string", "nullable": true}, "deletionTimestamp": {"type": "string"},
            "deletionGracePeriodSeconds": {"type": "integer"}, "generation": {"type": "integer"},
            "resourceVersion": {"type": "string"}, "selfLink": {"type": "string"}, "uid": {"type": "string"},
            "managedFields": {"type": "array", "items": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }},
        },
    })
}

/// The kinds that a CustomResourceDefinition brings, one for each version it serves.
pub(super) fn defined_kinds(definition: &Value) -> Vec<ResourceType> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let versions = spec["versions"].as_array();
    versions
        .into_iter()
        .flatten()
        .filter(|version| version["served"] == true)
        .map(|version| {
            let short_names = spec["names"]["shortNames"].as_array();
            let short_names = short_names.into_iter().flatten().map(text);
            let mut schema = version.pointer("/schema/openAPIV3Schema").cloned();
            if let Some(Value::Object(schema)) = &mut schema {
                let properties = schema.entry("properties").or_insert_with(|| json!({}));
                properties["apiVersion"] = json!({"type": "string"});
                properties["kind"] = json!({"type": "string"});
                properties["metadata"] = metadata();
            }
            let kind = text(&spec["names"]["kind"]);
            let singular = spec["names"]["singular"].as_str();
            ResourceType {
                group: text(&spec["group"]),
                version: text(&version["name"]),
                plural: text(&spec["names"]["plural"]),
                singular: singular.map_or_else(|| kind.to_lowercase(), str::to_owned),
                kind,
                short_names: short_names.collect(),
                namespaced: spec["scope"] == "Namespaced",
                custom: true,
                has_status: version.pointer("/subresources/status").is_some(),
                schema: schema.map(Arc::new),
            }
        })
        .collect()
}

/// A CustomResourceDefinition that takes any field, for a kind whose schema nobody has.
pub(super) fn open_definition(
    group: &str,
    kind: &str,
    plural: &str,
    versions: &[&str],
    namespaced: bool,
) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .enumerate()
        .map(|(index, version)| {
            json!({
                "name": version, "served": true, "storage": index == 0, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                }},
            })
        })
        .collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
            "scope": if namespaced { "Namespaced" } else { "Cluster" },
            "versions": versions,
        },
    })
}
