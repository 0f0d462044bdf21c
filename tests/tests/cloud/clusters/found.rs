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
        plan.to_string()
            .contains("prometheus-operator provides the kinds"),
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
    let config = json!({
        "apiVersion": "monitoring.coreos.com/v1beta1", "kind": "AlertmanagerConfig",
        "metadata": {"name": "pagers", "namespace": "shop"},
        "spec": {"route": {"receiver": "r"}, "receivers": [{"name": "r"}]},
    });
    for object in [namespace, rule, config] {
        sites.a.world().put_as("kubectl-create", object).unwrap();
    }
    let plan = sites.run(PLAN);
    assert_eq!(plan.code, Some(0), "{plan}");
    let consequence = "moves the alerts of all user projects there, away from the platform's: 1 PrometheusRule and 1 \
                       AlertmanagerConfig of others are affected";
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
fn a_namespace_that_is_being_deleted_is_reported_as_such() {
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
    // An edit of the file is seen before it is set right.
    let plan = sites.run(PLAN);
    assert!(plan.stdout.contains("11s → 10s"), "{plan}");
    sites.write_topology("alerting: { for: 15s }");
    sites.applied();
    let rule = sites.at_b("PrometheusRule").unwrap();
    assert_eq!(rule["spec"]["groups"][0]["rules"][0]["for"], "15s");
}

#[test]
fn a_cluster_that_did_not_answer_is_not_said_to_have_nothing_to_do() {
    let sites = Sites::new();
    sites.applied();
    sites.b.go_away();
    let run = sites.apply();
    assert!(!run.stderr.contains("nothing to do"), "{run}");
    assert!(
        run.stderr
            .contains("nothing could be done: not everything answered"),
        "{run}"
    );
    for plan in [PLAN, &["plan", "--only", "clusters"]] {
        let plan = sites.run(plan);
        assert!(!plan.to_string().contains("nothing to do"), "{plan}");
        assert!(
            plan.stderr.contains("site `site-b` is not in this plan"),
            "{plan}"
        );
    }
}

#[test]
fn an_infinispan_that_makes_fences_unlikely_or_wrong_is_reported() {
    let sites = Sites::new();
    let infinispan = ["Infinispan", NAMESPACE, "infinispan"];
    let edit = |world: &mut tests::standins::kubernetes::World, edit: fn(&mut Value)| {
        world.edit_as("kubectl-edit", infinispan, edit).unwrap();
    };
    edit(&mut sites.a.world(), |it| {
        it["spec"]["service"]["sites"]["local"]["maxRelayNodes"] = json!(1);
        it["spec"]["upgrades"]["type"] = json!("Shutdown");
    });
    edit(&mut sites.b.world(), |it| {
        it["spec"]["security"] = json!({});
        it["spec"]["service"]["sites"]["locations"] = json!([{"name": "paris"}]);
    });
    let plan = sites.run(PLAN);
    assert_eq!(plan.code, Some(0), "{plan}");
    for told in [
        "warning: site `site-a`: its Infinispan `infinispan` has one relay node",
        "warning: site `site-a`: its Infinispan `infinispan` is upgraded by stopping all its nodes",
        "warning: site `site-b`: its Infinispan `infinispan` answers in plain HTTP",
        "warning: site `site-b`: its Infinispan `infinispan` has no location `site-a` in \
         `spec.service.sites.locations` (there is paris)",
    ] {
        assert!(plan.stderr.contains(told), "{told}\n{plan}");
    }
    assert_eq!(plan.stderr.matches("its Infinispan").count(), 4, "{plan}");
}

#[test]
fn the_operator_s_secret_is_looked_for_before_prometheus_waits_for_it() {
    let sites = Sites::new();
    let name = "infinispan-generated-operator-secret";
    assert!(sites.b.world().remove("Secret", NAMESPACE, name));
    let plan = sites.run(PLAN);
    assert_eq!(plan.code, Some(0), "{plan}");
    let told = "namespace keycloak of site `site-b` has no Secret `infinispan-generated-operator-secret`";
    assert!(plan.stderr.contains(told), "{plan}");
    let refused = sites.apply();
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains(told), "{refused}");
    assert_eq!(sites.cloud.counter.changes(), [""; 0]);
    // Where the metrics are read another way, nobody signs in with it.
    sites.write_topology("monitoring: { podMonitor: false }");
    let plan = sites.run(PLAN);
    assert!(!plan.stderr.contains(name), "{plan}");
}

#[test]
fn a_limit_that_others_set_on_our_pod_monitor_is_reported_with_how_to_take_it_out() {
    let sites = Sites::new();
    sites.applied();
    let pod_monitor = ["PodMonitor", NAMESPACE, NAME];
    sites
        .b
        .world()
        .edit_as("kubectl-edit", pod_monitor, |it| {
            it["spec"]["sampleLimit"] = json!(1);
        })
        .unwrap();
    let plan = sites.run(PLAN);
    assert_eq!(plan.code, Some(0), "{plan}");
    let told = "PodMonitor sitefence-demo: .spec.sampleLimit was set by `kubectl-edit` in addition to what we set; \
                to remove it: kubectl --context site-b -n keycloak patch podmonitor sitefence-demo --type json -p \
                '[{\"op\":\"remove\",\"path\":\"/spec/sampleLimit\"}]'";
    assert!(plan.stderr.contains(told), "{plan}");
    // What widens a field of ours takes it from us, and stays beside it when we have it back.
    sites
        .b
        .world()
        .edit_as("kubectl-edit", pod_monitor, |it| {
            it["spec"]["namespaceSelector"] = json!({"any": true});
        })
        .unwrap();
    let applied = sites.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    assert!(
        applied
            .stderr
            .contains(".spec.namespaceSelector.any was set by `kubectl-edit`"),
        "{applied}"
    );
    let plan = sites.run(PLAN);
    assert!(
        plan.stderr
            .contains(".spec.namespaceSelector.any was set by `kubectl-edit`"),
        "{plan}"
    );
}

#[test]
fn a_config_map_that_a_repository_keeps_gets_its_lines_there() {
    let sites = Sites::new();
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": USER_WORKLOAD[2], "namespace": USER_WORKLOAD[1],
            "annotations": {"argocd.argoproj.io/tracking-id": "monitoring:/ConfigMap:x/y"},
        },
        "data": {"config.yaml": "prometheus: {}\n"},
    });
    sites.a.world().put_as("argocd-controller", map).unwrap();
    let plan = sites.run(PLAN);
    assert_eq!(plan.code, Some(0), "{plan}");
    let refused = sites.apply();
    assert_eq!(refused.code, Some(1), "{refused}");
    for run in [&plan, &refused] {
        for told in [
            "is managed by Argo CD's application monitoring, which removes what `apply` adds to it",
            "add `enabled: true` and `enableAlertmanagerConfig: true` below `alertmanager:`",
            "--skip-user-workload",
        ] {
            assert!(run.stderr.contains(told), "{told}\n{run}");
        }
    }
    assert_eq!(sites.cloud.counter.changes(), [""; 0]);
    // Nobody needs rights on what is left alone.
    sites.a.deny("update", "configmaps", None);
    sites.a.deny("list", "prometheusrules", None);
    let [kind, namespace, name] = USER_WORKLOAD;
    let before = sites.a.world().get(kind, namespace, name).cloned();
    let skipped = sites.apply_with(&["--skip-user-workload"]);
    assert_eq!(skipped.code, Some(0), "{skipped}");
    assert_eq!(sites.a.world().get(kind, namespace, name).cloned(), before);
    let plan = sites.run(&[PLAN, &["--skip-user-workload"]].concat());
    assert!(
        plan.stderr
            .contains("lacks `enabled: true` and `enableAlertmanagerConfig: true`"),
        "{plan}"
    );
    // Argo CD has synchronised.
    sites
        .a
        .world()
        .edit_as("argocd-controller", USER_WORKLOAD, |map| {
            map["data"]["config.yaml"] =
                json!("prometheus: {}\nalertmanager:\n  enabled: true\n  enableAlertmanagerConfig: true\n");
        })
        .unwrap();
    let applied = sites.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    assert_eq!(sites.run(PLAN).code, Some(0));
}

#[test]
fn a_token_file_may_end_with_a_line_s_end() {
    let sites = Sites::new();
    let file = sites.cloud.home.path().join("token");
    std::fs::write(&file, format!("{}\n", sites.a.token())).unwrap();
    sites.write_kubeconfig(&[
        Context {
            name: "site-a",
            cluster: &sites.a,
            credentials: tests::standins::kubernetes::Credentials::TokenFile(file),
            proxy_url: None,
        },
        Context::administrator("site-b", &sites.b),
    ]);
    sites.applied();
}

/// OpenShift's reference: a Route that passes TLS on, and a certificate for the Service's name.
#[test]
fn a_certificate_that_the_function_would_not_trust_is_in_the_plan() {
    use tests::standins::certificates::{TestAuthority, Validity};
    let sites = Sites::new();
    let authority = TestAuthority::new("service CA").unwrap();
    std::fs::write(sites.cloud.home.path().join("ca.pem"), authority.pem()).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("localhost:{}", listener.local_addr().unwrap().port());
    let server = authority
        .server(&["infinispan.keycloak.svc"], Validity::Current)
        .unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut connection = rustls::ServerConnection::new(server.clone()).unwrap();
            let _ = connection.complete_io(&mut stream);
        }
    });
    let topology = sites.cloud.home.path().join("topology.yaml");
    let text = std::fs::read_to_string(&topology).unwrap();
    let plan_with = |infinispan: &str| {
        let of_a = format!("namespace: {NAMESPACE}, infinispan: {{ endpoint: '{endpoint}'{infinispan} }} }}");
        let changed = text.replacen(&format!("namespace: {NAMESPACE} }}"), &of_a, 1);
        std::fs::write(&topology, changed).unwrap();
        let plan = sites.run(PLAN);
        assert_eq!(plan.code, Some(0), "{plan}");
        plan
    };
    // What OpenShift's service CA writes is known.
    let plan = plan_with(", caBundle: ca.pem");
    assert!(!plan.stderr.contains("will not trust"), "{plan}");
    let plan = plan_with(", caBundle: ca.pem, serverName: infinispan.keycloak.svc");
    assert!(!plan.stderr.contains("will not trust"), "{plan}");
    let plan = plan_with(", caBundle: ca.pem, serverName: other.keycloak.svc");
    assert!(
        plan.stderr
            .contains("its certificate covers infinispan.keycloak.svc, and neither"),
        "{plan}"
    );
    let plan = plan_with("");
    assert!(
        plan.stderr.contains("no public authority signed its certificate"),
        "{plan}"
    );
}

#[test]
fn the_environment_s_proxy_is_left_out_where_the_definition_does_not_know_it() {
    if monitoring_definitions(Platform::Kubernetes).is_err() {
        return;
    }
    let sites = Sites::new();
    sites
        .b
        .world()
        .edit_as(
            "olm",
            [DEFINITION, "", "alertmanagerconfigs.monitoring.coreos.com"],
            |definition| {
                let fields = definition.pointer_mut(
                    "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/receivers/items/properties\
                     /webhookConfigs/items/properties/httpConfig/properties",
                );
                let fields = fields.unwrap().as_object_mut().unwrap();
                assert!(fields.remove("proxyFromEnvironment").is_some());
            },
        )
        .unwrap();
    let told = "the AlertmanagerConfig of site `site-b`'s cluster does not know `proxyFromEnvironment`";
    let plan = sites.run(PLAN);
    assert_eq!(plan.code, Some(0), "{plan}");
    assert!(plan.stderr.contains(told), "{plan}");
    sites.applied();
    let goes_by_environment = |config: Option<Value>| {
        let receivers = config.unwrap()["spec"]["receivers"].clone();
        receivers[1]["webhookConfigs"][0]["httpConfig"]["proxyFromEnvironment"].clone()
    };
    assert_eq!(goes_by_environment(sites.at_b("AlertmanagerConfig")), Value::Null);
    assert_eq!(goes_by_environment(sites.at_a("AlertmanagerConfig")), true);
    assert!(sites.apply().stderr.contains("nothing to do"));
    // Whoever asks for it hears that it cannot be had.
    sites.write_topology("monitoring: { proxy: environment }");
    let refused = sites.apply();
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(
        refused
            .stderr
            .contains("the custom resource definition of AlertmanagerConfig does not know"),
        "{refused}"
    );
    sites.write_topology("monitoring: { proxy: 'http://proxy.example.com:3128' }");
    sites.applied();
    let config = sites.at_b("AlertmanagerConfig").unwrap();
    let http = &config["spec"]["receivers"][1]["webhookConfigs"][0]["httpConfig"];
    assert_eq!(http["proxyUrl"], "http://proxy.example.com:3128");
}
