//! What a cluster says it serves: the older documents, one per group and version, and the aggregated ones.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kinds::ResourceType;

/// The aggregated form's type, as clients ask for it and as it is answered.
pub(super) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub(super) fn version() -> Value {
    json!({
        "major": "1", "minor": "33", "gitVersion": "v1.33.4", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2025-08-13T14:21:00Z", "goVersion": "go1.24.5", "compiler": "gc",
        "platform": "linux/amd64",
    })
}

/// `/api`.
pub(super) fn core_versions(address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    })
}

/// Versions by group, the core group left out, the preferred version first.
fn groups(kinds: &[ResourceType]) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in kinds.iter().filter(|kind| !kind.group.is_empty()) {
        let versions = groups.entry(&kind.group).or_default();
        if !versions.contains(&kind.version.as_str()) {
            versions.push(&kind.version);
        }
    }
    for versions in groups.values_mut() {
        versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
    }
    groups
}

/// GA before beta before alpha, then the higher number.
fn priority(version: &str) -> (u8, u32, u32) {
    let Some(rest) = version.strip_prefix('v') else {
        return (0, 0, 0);
    };
    let number = |text: &str| text.parse().unwrap_or(0);
    if let Some((major, minor)) = rest.split_once("beta") {
        (2, number(major), number(minor))
    } else if let Some((major, minor)) = rest.split_once("alpha") {
        (1, number(major), number(minor))
    } else {
        (3, number(rest), 0)
    }
}

fn group_document(group: &str, versions: &[&str]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({"name": group, "versions": versions, "preferredVersion": versions.first()})
}

/// `/apis`.
pub(super) fn group_list(kinds: &[ResourceType]) -> Value {
    let groups: Vec<Value> = groups(kinds)
        .iter()
        .map(|(group, versions)| group_document(group, versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub(super) fn group(kinds: &[ResourceType], name: &str) -> Option<Value> {
    let groups = groups(kinds);
    let mut document = group_document(name, groups.get(name)?);
    document["kind"] = Value::from("APIGroup");
    document["apiVersion"] = Value::from("v1");
    Some(document)
}

/// `/api/v1` and `/apis/GROUP/VERSION`.
pub(super) fn resources(kinds: &[ResourceType], group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    let ours = kinds
        .iter()
        .filter(|kind| kind.group == group && kind.version == version);
    for kind in ours {
        let mut resource = json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced,
            "kind": kind.kind, "verbs": kind.verbs(),
        });
        if !kind.short_names.is_empty() {
            resource["shortNames"] = json!(kind.short_names);
        }
        resources.push(resource);
        if kind.has_status {
            resources.push(json!({
                "name": format!("{}/status", kind.plural), "singularName": "",
                "namespaced": kind.namespaced, "kind": kind.kind, "verbs": ["get", "patch", "update"],
            }));
        }
    }
    if resources.is_empty() {
        return None;
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources,
    }))
}

/// `/api` or `/apis` in the aggregated form.
pub(super) fn aggregated(kinds: &[ResourceType], core: bool) -> Value {
    let groups = if core {
        BTreeMap::from([("", vec!["v1"])])
    } else {
        groups(kinds)
    };
    let items: Vec<Value> = groups
        .iter()
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    json!({
                        "version": version, "freshness": "Current",
                        "resources": aggregated_resources(kinds, group, version),
                    })
                })
                .collect();
            let mut metadata = json!({"creationTimestamp": null});
            if !group.is_empty() {
                metadata["name"] = Value::from(*group);
            }
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    })
}

fn aggregated_resources(kinds: &[ResourceType], group: &str, version: &str) -> Vec<Value> {
    let ours = kinds
        .iter()
        .filter(|kind| kind.group == group && kind.version == version);
    ours.map(|kind| {
        let response = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
        let mut resource = json!({
            "resource": kind.plural,
            "responseKind": response,
            "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
            "singularResource": kind.singular,
            "verbs": kind.verbs(),
        });
        if !kind.short_names.is_empty() {
            resource["shortNames"] = json!(kind.short_names);
        }
        if kind.has_status {
            resource["subresources"] = json!([{
                "subresource": "status", "responseKind": response, "verbs": ["get", "patch", "update"],
            }]);
        }
        resource
    })
    .collect()
}
