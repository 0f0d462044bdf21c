//! Objects judged by the schemas of prometheus-operator's own definitions.

use kube::api::{Patch, PatchParams};
use provisioner::topology::Platform;
use serde_json::json;
use tests::crds::{NoSchemas, monitoring_definitions};
use tests::skip;

use super::*;

/// A cluster with the real definitions; none on a machine that cannot have them.
fn with_schemas(test: &str, platform: Platform) -> Option<ClusterStandIn> {
    let definitions = match monitoring_definitions(platform) {
        Ok(definitions) => definitions,
        Err(missing @ NoSchemas::NoGo) => {
            skip::skipped(test, &missing.to_string());
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let cluster = ClusterStandIn::builder("site-a", platform)
        .definitions(operators_definitions(platform))
        .definitions(definitions)
        .site(&SiteObjects::new("site-a", NAMESPACE))
        .start()
        .unwrap();
    Some(cluster)
}

fn rule(groups: Value) -> Value {
    json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
        "metadata": {"name": "sitefence", "namespace": NAMESPACE}, "spec": {"groups": groups},
    })
}

#[tokio::test]
async fn what_a_schema_forbids_is_invalid() {
    let Some(cluster) = with_schemas("what_a_schema_forbids_is_invalid", Platform::Kubernetes) else {
        return;
    };
    let api = rules(&administrator(&cluster).await);
    for (groups, field, said) in [
        (
            json!([{"name": "g", "rules": [{"alert": "A"}]}]),
            "spec.groups[0].rules[0].expr",
            "Required value",
        ),
        (
            json!([{"name": "g", "rules": [{"alert": "A", "expr": "1", "for": "soon"}]}]),
            "spec.groups[0].rules[0].for",
            "should match",
        ),
        (
            json!([{"name": "", "rules": []}]),
            "spec.groups[0].name",
            "at least 1 chars long",
        ),
        (
            json!([{"name": "g", "rules": [{"expr": true}]}]),
            "spec.groups[0].rules[0].expr",
            "must be of type integer,string",
        ),
        (
            json!([{"name": "g"}, {"name": "g"}]),
            "spec.groups[1]",
            "Duplicate value: {\"name\":\"g\"}",
        ),
    ] {
        let refused = status(create(&api, rule(groups)).await);
        assert_eq!(
            (refused.code, refused.reason.as_str()),
            (422, "Invalid"),
            "{}",
            refused.message
        );
        assert!(
            refused
                .message
                .starts_with("PrometheusRule.monitoring.coreos.com \"sitefence\" is invalid: ")
                && refused.message.contains(&format!("{field}: ")),
            "{}",
            refused.message
        );
        assert!(refused.message.contains(said), "{}", refused.message);
    }
    assert!(cluster.changes().is_empty());
}

#[tokio::test]
async fn what_a_schema_does_not_name_is_left_out_or_refused() {
    let Some(cluster) = with_schemas(
        "what_a_schema_does_not_name_is_left_out_or_refused",
        Platform::Kubernetes,
    ) else {
        return;
    };
    let client = administrator(&cluster).await;
    let api = rules(&client);
    let mistaken = rule(json!([{"name": "g", "intervall": "5s", "rules": []}]));
    let params = PatchParams::apply("provision");
    let refused = status(api.patch("sitefence", &params, &Patch::Apply(&mistaken)).await);
    assert_eq!(refused.code, 500);
    assert!(
        refused
            .message
            .contains(".spec.groups[name=\"g\"].intervall: field not declared in schema"),
        "{}",
        refused.message
    );
    let path = format!(
        "/apis/monitoring.coreos.com/v1/namespaces/{NAMESPACE}/prometheusrules?fieldValidation=Strict"
    );
    let strictly = http::Request::post(path)
        .header("content-type", "application/json")
        .body(mistaken.to_string().into_bytes())
        .unwrap();
    let refused = status(client.request::<DynamicObject>(strictly).await);
    assert_eq!(refused.code, 400);
    assert!(
        refused
            .message
            .ends_with("strict decoding error: unknown field \"spec.groups[0].intervall\""),
        "{}",
        refused.message
    );
    let made = create(&api, mistaken).await.unwrap();
    assert_eq!(made.data["spec"]["groups"][0], json!({"name": "g", "rules": []}));
}

#[tokio::test]
async fn a_rule_file_is_a_list_of_groups_by_name() {
    let Some(cluster) = with_schemas("a_rule_file_is_a_list_of_groups_by_name", Platform::Openshift) else {
        return;
    };
    let api = rules(&administrator(&cluster).await);
    let ours = rule(json!([{"name": "ours", "rules": [{"expr": "1", "record": "one"}]}]));
    apply(&api, "provision", &ours).await.unwrap();
    let theirs = rule(json!([{"name": "theirs", "rules": []}]));
    apply(&api, "argocd", &theirs).await.unwrap();
    let both = apply(&api, "provision", &ours).await.unwrap();
    assert_eq!(both.data["spec"]["groups"].as_array().unwrap().len(), 2);
    assert_eq!(
        owned(&both, "provision", "Apply").unwrap()["f:spec"],
        json!({"f:groups": {"k:{\"name\":\"ours\"}": {".": {}, "f:name": {}, "f:rules": {}}}})
    );
    let without = apply(&api, "provision", &rule(json!([]))).await.unwrap();
    assert_eq!(
        without.data["spec"]["groups"],
        json!([{"name": "theirs", "rules": []}])
    );
}

#[tokio::test]
async fn what_nobody_said_gets_its_default_which_nobody_owns() {
    let Some(cluster) = with_schemas(
        "what_nobody_said_gets_its_default_which_nobody_owns",
        Platform::Openshift,
    ) else {
        return;
    };
    let api = api(
        &administrator(&cluster).await,
        "monitoring.coreos.com/v1",
        "PodMonitor",
        "podmonitors",
    );
    let monitor = json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor",
        "metadata": {"name": "sitefence", "namespace": NAMESPACE},
        "spec": {"selector": {}, "podMetricsEndpoints": [{"port": "admin", "metricRelabelings": [
            {"sourceLabels": ["a"], "targetLabel": "b"},
        ]}]},
    });
    let made = apply(&api, "provision", &monitor).await.unwrap();
    let relabeling = &made.data["spec"]["podMetricsEndpoints"][0]["metricRelabelings"][0];
    assert_eq!(relabeling["action"], "replace");
    assert_eq!(
        owned(&made, "provision", "Apply").unwrap()["f:spec"],
        json!({"f:podMetricsEndpoints": {}, "f:selector": {}})
    );
    let again = apply(&api, "provision", &monitor).await.unwrap();
    assert_eq!(again.metadata.resource_version, made.metadata.resource_version);
}

/// What the API server would say to every document that `provision render` writes for a cluster.
#[tokio::test]
async fn every_rendered_manifest_of_every_example_is_accepted() {
    let test = "every_rendered_manifest_of_every_example_is_accepted";
    let mut accepted = 0;
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "yaml") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let loaded =
            provisioner::topology::load(&bytes, &path.to_string_lossy(), &|file| std::fs::read(file))
                .unwrap_or_else(|mistakes| panic!("{}: {mistakes:#?}", path.display()));
        let topology = loaded.topology;
        let documents = provisioner::check::documents(&topology).unwrap();
        for site in &topology.sites {
            let Some(cluster) = with_schemas(test, site.platform) else {
                return;
            };
            let client = administrator(&cluster).await;
            for document in &documents {
                let is_ours = [
                    format!("clusters/{}/", site.name),
                    format!("by-hand/{}/", site.name),
                ]
                .iter()
                .any(|folder| document.path.to_string().starts_with(folder));
                if is_ours && !document.path.to_string().ends_with("kustomization.yaml") {
                    let manifest: Value = serde_yaml::from_str(&document.text).unwrap();
                    put(
                        &client,
                        &cluster,
                        &manifest,
                        &format!("{}: {}", path.display(), document.path),
                    )
                    .await;
                    accepted += 1;
                }
            }
        }
    }
    assert!(accepted >= 30, "only {accepted} manifests were tried");
}

/// Applies one manifest where it says it belongs, with every field it has being known.
async fn put(client: &Client, cluster: &ClusterStandIn, manifest: &Value, place: &str) {
    let text = |pointer: &str| {
        manifest
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap()
            .to_owned()
    };
    let kind = text("/kind");
    let plural = format!("{}s", kind.to_lowercase());
    let namespace = text("/metadata/namespace");
    if !cluster.world().has_namespace(&namespace) {
        let made = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        cluster.world().put_as("test", made).unwrap();
    }
    let api: Api<DynamicObject> = Api::namespaced_with(
        client.clone(),
        &namespace,
        &resource(&text("/apiVersion"), &kind, &plural),
    );
    let name = text("/metadata/name");
    let params = PatchParams::apply("provision").validation_strict();
    let applied = api.patch(&name, &params, &Patch::Apply(manifest)).await;
    let applied = applied.unwrap_or_else(|error| panic!("{place}: {error}"));
    if kind == "AlertmanagerConfig" {
        judge_child_routes(&api, manifest, place).await;
    }
    assert_eq!(applied.metadata.name.as_deref(), Some(name.as_str()));
}

/// The schema takes any child route; the operator reads each as a route. So each is tried as the only one.
async fn judge_child_routes(api: &Api<DynamicObject>, manifest: &Value, place: &str) {
    let routes = manifest["spec"]["route"]["routes"].as_array().unwrap();
    assert!(!routes.is_empty(), "{place}");
    for route in routes {
        let mut alone = manifest.clone();
        alone["spec"]["route"] = route.clone();
        let params = PatchParams::apply("provision").validation_strict().dry_run();
        let name = manifest["metadata"]["name"].as_str().unwrap();
        let judged = api.patch(name, &params, &Patch::Apply(&alone)).await;
        judged.unwrap_or_else(|error| panic!("{place}: {route}: {error}"));
    }
}
