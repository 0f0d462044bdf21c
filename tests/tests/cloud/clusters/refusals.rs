//! A cluster that is not the one that the topology means, or not fit for it, is told before anything is changed.

use serde_json::json;
use tests::standins::kubernetes::Credentials;

use super::*;
use crate::assert_run;

fn refused(sites: &Sites) -> Run {
    let run = sites.apply();
    assert_eq!(sites.cloud.counter.changes(), [""; 0], "{run}");
    assert_eq!((changes(&sites.a), changes(&sites.b)), (Vec::new(), Vec::new()));
    run
}

#[test]
fn contexts_that_were_mixed_up_show_in_platform_and_site() {
    let sites = Sites::new();
    sites.write_kubeconfig(&[
        Context::administrator("site-a", &sites.b),
        Context::administrator("site-b", &sites.a),
    ]);
    assert_run!(refused(&sites), sites.cloud);
}

#[test]
fn an_infinispan_that_calls_itself_otherwise_is_reported_with_both_names() {
    let sites = Sites::new();
    sites
        .a
        .world()
        .edit_as(
            "kubectl-edit",
            ["Infinispan", NAMESPACE, "infinispan"],
            |object| {
                object["spec"]["service"]["sites"]["local"]["name"] = json!("site-c");
            },
        )
        .unwrap();
    sites.b.world().remove("Infinispan", NAMESPACE, "infinispan");
    assert_run!(refused(&sites), sites.cloud);
}

#[test]
fn what_the_clusters_lack_is_reported_with_how_to_get_it() {
    let sites = Sites::new();
    sites
        .a
        .world()
        .edit_as(
            "kubectl-edit",
            ["ConfigMap", "openshift-monitoring", "cluster-monitoring-config"],
            |map| map["data"]["config.yaml"] = json!("enableUserWorkload: false\n"),
        )
        .unwrap();
    for definition in ["podmonitors", "prometheusrules"] {
        let name = format!("{definition}.monitoring.coreos.com");
        assert!(sites.b.world().remove("CustomResourceDefinition", "", &name));
    }
    assert_run!(refused(&sites), sites.cloud);
}

#[test]
fn a_live_guide_deployment_is_a_second_fencer() {
    let sites = Sites::new();
    let guide = json!({
        "apiVersion": "monitoring.coreos.com/v1beta1", "kind": "AlertmanagerConfig",
        "metadata": {"name": "example-routing", "namespace": NAMESPACE},
        "spec": {
            "route": {
                "receiver": "default", "groupBy": ["accelerator"], "groupInterval": "90s", "groupWait": "60s",
                "matchers": [{"matchType": "=", "name": "alertname", "value": "SiteOffline"}],
            },
            "receivers": [{"name": "default", "webhookConfigs": [{"url": "https://x.lambda-url.eu-west-1.on.aws/"}]}],
        },
    });
    sites
        .a
        .world()
        .put_as("kubectl-client-side-apply", guide)
        .unwrap();
    assert_run!(refused(&sites), sites.cloud);
    assert!(
        sites
            .a
            .world()
            .remove("AlertmanagerConfig", NAMESPACE, "example-routing")
    );
    sites.applied();
}

#[test]
fn contexts_and_credentials_that_do_not_work_are_reported_with_those_that_are_there() {
    let sites = Sites::new();
    sites.write_kubeconfig(&[
        Context {
            name: "site-a",
            cluster: &sites.a,
            credentials: Credentials::Token("expired".to_owned()),
            proxy_url: None,
        },
        Context::administrator("site-two", &sites.b),
    ]);
    assert_run!(refused(&sites), sites.cloud);
    std::fs::remove_file(sites.cloud.home.path().join("kubeconfig")).unwrap();
    let run = refused(&sites);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("there is no kubeconfig"), "{run}");
    // Before anything else, when the function would have to be built first: there is nothing to build it from.
    for verb in ["plan", "apply"] {
        let run = sites.run(&[verb, "topology.yaml", "--source", "nowhere"]);
        assert_eq!(run.code, Some(1), "{run}");
        assert!(run.stderr.contains("there is no kubeconfig"), "{run}");
        assert!(!run.stderr.contains("nowhere"), "{run}");
    }
}
