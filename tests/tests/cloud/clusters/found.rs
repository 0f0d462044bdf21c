//! What a real API server showed, kept as it was met.

use serde_json::json;

use super::*;

const DEFINITION: &str = "CustomResourceDefinition";
const POD_MONITORS: &str = "podmonitors.monitoring.coreos.com";

#[test]
fn a_kind_that_is_not_installed_leaves_the_rest_to_be_planned_and_to_be_destroyed() {
    let sites = Sites::new();
    sites.applied();
    assert!(sites.b.world().remove(DEFINITION, "", POD_MONITORS));
    let plan = sites.run(PLAN);
    assert_eq!(plan.code, Some(0), "{plan}");
    assert!(
        plan.to_string()
            .contains("the cluster of site `site-b` has no PodMonitor"),
        "{plan}"
    );
    assert!(
        plan.to_string().contains("prometheus-operator brings the kinds"),
        "{plan}"
    );
    let destroyed = sites.run(DESTROY);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");
    assert!(
        destroyed
            .stderr
            .contains("site `site-b` has no kind PodMonitor, so there is nothing of it to remove"),
        "{destroyed}"
    );
    assert_eq!((sites.at_b("Secret"), sites.at_b("PrometheusRule")), (None, None));
}

#[test]
fn a_definition_that_is_too_old_for_a_field_is_a_refusal_that_names_both() {
    if monitoring_definitions(Platform::Kubernetes).is_err() {
        return;
    }
    let sites = Sites::new();
    sites
        .b
        .world()
        .edit_as("olm", [DEFINITION, "", POD_MONITORS], |definition| {
            let fields = definition.pointer_mut(
                "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/podMetricsEndpoints/items/properties",
            );
            assert!(fields.unwrap().as_object_mut().unwrap().remove("honorLabels").is_some());
        })
        .unwrap();
    let refused = sites.apply();
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(
        refused.stderr.contains(
            "the custom resource definition of PodMonitor does not know `.spec.podMetricsEndpoints"
        ),
        "{refused}"
    );
    assert_eq!(sites.cloud.counter.changes(), [""; 0]);
}

#[test]
fn rights_to_remove_are_asked_for_before_anything_goes() {
    let sites = Sites::new();
    sites.applied();
    let before = sites.inventory();
    sites.cloud.counter.reset();
    sites.b.deny("delete", "secrets", None);
    let refused = sites.run(DESTROY);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(
        refused
            .stderr
            .contains("kubectl --context site-b auth can-i delete secrets/sitefence-demo -n keycloak"),
        "{refused}"
    );
    assert_eq!(sites.cloud.counter.changes(), [""; 0]);
    assert_eq!(sites.inventory(), before);
}

#[test]
fn a_config_map_that_takes_no_change_is_found_before_anything_is_done() {
    let sites = Sites::new();
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "immutable": true,
        "metadata": {"name": USER_WORKLOAD[2], "namespace": USER_WORKLOAD[1]},
        "data": {"config.yaml": "prometheus: {}\n"},
    });
    sites.a.world().put_as("argocd", map).unwrap();
    let refused = sites.apply();
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("immutable"), "{refused}");
    assert_eq!(sites.cloud.counter.changes(), [""; 0]);
}

#[test]
fn the_alerts_of_others_are_only_moved_by_consent() {
    let sites = Sites::new();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    let rule = json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
        "metadata": {"name": "stock", "namespace": "shop"}, "spec": {"groups": []},
    });
    for object in [namespace, rule] {
        sites.a.world().put_as("kubectl-create", object).unwrap();
    }
    let plan = sites.run(PLAN);
    assert_eq!(plan.code, Some(0), "{plan}");
    let consequence =
        "moves the alerts of all user projects there, away from the platform's: 1 PrometheusRule of others";
    assert!(plan.to_string().contains(consequence), "{plan}");
    let refused = sites.apply();
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(refused.stderr.contains("--move-user-alerts"), "{refused}");
    assert_eq!(sites.cloud.counter.changes(), [""; 0]);
    let agreed = sites.apply_with(&["--move-user-alerts"]);
    assert_eq!(agreed.code, Some(0), "{agreed}");
    // What is on moves nobody any more.
    assert!(sites.apply().stderr.contains("nothing to do"));
}

#[test]
fn a_platform_alertmanager_that_takes_our_config_is_used_as_it_is() {
    let sites = Sites::new();
    sites
        .a
        .world()
        .edit_as(
            "kubectl-edit",
            ["ConfigMap", "openshift-monitoring", "cluster-monitoring-config"],
            |map| {
                map["data"]["config.yaml"] = json!(
                    "enableUserWorkload: true\nalertmanagerMain:\n  enableUserAlertmanagerConfig: true\n"
                );
            },
        )
        .unwrap();
    sites.applied();
    let [kind, namespace, name] = USER_WORKLOAD;
    assert_eq!(sites.a.world().get(kind, namespace, name), None);
    assert!(sites.at_a("AlertmanagerConfig").is_some());
    assert!(sites.apply().stderr.contains("nothing to do"));
}

#[test]
fn a_namespace_that_is_being_deleted_is_told_as_such() {
    let sites = Sites::new();
    sites.b.world().terminate(NAMESPACE).unwrap();
    let refused = sites.apply();
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(
        refused
            .stderr
            .contains("the namespace `keycloak` of site `site-b` is being deleted"),
        "{refused}"
    );
    assert!(!refused.stderr.contains("may not"), "{refused}");
    assert_eq!(sites.cloud.counter.changes(), [""; 0]);
}

#[test]
fn our_own_render_that_kubectl_applied_is_no_hand_that_changed_it() {
    let sites = Sites::new();
    sites.applied();
    let rendered = sites.run(&["render", "-o", "out"]);
    assert_eq!(rendered.code, Some(0), "{rendered}");
    let file = sites
        .cloud
        .home
        .path()
        .join("out/clusters/site-b/prometheusrule.yaml");
    let rule: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    sites
        .b
        .world()
        .edit_as(
            "kubectl-client-side-apply",
            ["PrometheusRule", NAMESPACE, NAME],
            |live| {
                live["spec"] = rule["spec"].clone();
                live["spec"]["groups"][0]["rules"][0]["for"] = json!("11s");
            },
        )
        .unwrap();
    sites.write_topology("alerting: { for: 15s }");
    sites.applied();
    let rule = sites.at_b("PrometheusRule").unwrap();
    assert_eq!(rule["spec"]["groups"][0]["rules"][0]["for"], "15s");
}

#[test]
fn whoever_did_not_answer_is_not_said_to_have_nothing_to_do() {
    let sites = Sites::new();
    sites.applied();
    sites.b.go_away();
    let run = sites.apply();
    assert!(!run.stderr.contains("nothing to do\n"), "{run}");
    let plan = sites.run(PLAN);
    assert!(!plan.stdout.contains("nothing to do\n"), "{plan}");
}
