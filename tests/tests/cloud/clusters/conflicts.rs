//! Others edit what is ours, or what we share.

use serde_json::json;
use tests::standins::kubernetes::{Fault, Target, Verb};

use super::*;
use crate::assert_run;

#[test]
fn what_another_hand_changed_is_named_and_taken_back_by_force_only() {
    let sites = Sites::new();
    sites.applied();
    let whole = sites.inventory();
    sites
        .a
        .world()
        .edit_as("kubectl-edit", ["PrometheusRule", NAMESPACE, NAME], |rule| {
            rule["spec"]["groups"][0]["rules"][0]["for"] = json!("10m");
        })
        .unwrap();
    let refused = sites.apply();
    assert_run!(refused, sites.cloud);
    assert_eq!(
        sites.at_a("PrometheusRule").unwrap()["spec"]["groups"][0]["rules"][0]["for"],
        "10m"
    );
    let plan = sites.run(PLAN);
    assert_run!(plan, sites.cloud);
    let forced = sites.apply_with(&["--force-conflicts"]);
    assert_eq!(forced.code, Some(0), "{forced}");
    let now = sites.inventory();
    let spec = |inventory: &[BTreeMap<String, Value>; 2]| {
        let rule = inventory[0]
            .iter()
            .find(|(name, _)| name.contains("PrometheusRule"));
        rule.unwrap().1["spec"].clone()
    };
    assert_eq!(spec(&now), spec(&whole));
    assert!(sites.apply().stderr.contains("nothing to do"));
}

#[test]
fn an_object_of_our_name_that_is_not_ours_is_left_alone() {
    let sites = Sites::new();
    let theirs = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME, "namespace": NAMESPACE},
        "data": {"password": "dGhlaXJz"},
    });
    sites.b.world().put_as("kubectl-create", theirs).unwrap();
    let refused = sites.apply();
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(
        refused.stderr.contains(
            "error: Secret sitefence-demo in namespace keycloak of site `site-b` exists and is not ours"
        ),
        "{refused}"
    );
    let destroyed = sites.run(DESTROY);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");
    assert_eq!(decoded(&sites.at_b("Secret").unwrap(), "password"), "theirs");
}

#[test]
fn a_config_map_that_is_written_meanwhile_is_merged_again() {
    let sites = Sites::new();
    let config_map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": USER_WORKLOAD[2], "namespace": USER_WORKLOAD[1]},
        "data": {"config.yaml": "prometheus: {}\n"},
    });
    sites.a.world().put_as("kubectl-edit", config_map).unwrap();
    sites.a.faults().next(
        Target::known(Verb::Update, "ConfigMap").unwrap(),
        1,
        &Fault::Meanwhile(|world| {
            let edited = world.edit_as("kubectl-edit", USER_WORKLOAD, |map| {
                map["data"]["config.yaml"] = json!("prometheus: {}\nthanosRuler: {}\n");
            });
            edited.unwrap();
        }),
    );
    sites.applied();
    assert_eq!(sites.a.faults().unmet(), 0);
    let merged = sites
        .a
        .world()
        .get(USER_WORKLOAD[0], USER_WORKLOAD[1], USER_WORKLOAD[2])
        .cloned()
        .unwrap();
    assert_eq!(
        merged["data"]["config.yaml"],
        "prometheus: {}\nthanosRuler: {}\nalertmanager:\n  enabled: true\n  enableAlertmanagerConfig: true\n"
    );
}

#[test]
fn what_kubectl_applied_by_hand_is_taken_over() {
    let sites = Sites::new();
    let rendered = sites.run(&["render", "-o", "out"]);
    assert_eq!(rendered.code, Some(0), "{rendered}");
    let rule = std::fs::read_to_string(
        sites
            .cloud
            .home
            .path()
            .join("out/clusters/site-b/prometheusrule.yaml"),
    )
    .unwrap();
    let rule: Value = serde_yaml::from_str(&rule).unwrap();
    sites.b.world().put_as("kubectl-client-side-apply", rule).unwrap();
    let plan = sites.run(PLAN);
    assert!(
        plan.stdout
            .contains("= PrometheusRule sitefence-demo  as it should be, taken over"),
        "{plan}"
    );
    sites.applied();
    assert!(sites.apply().stderr.contains("nothing to do"));
    assert_eq!(sites.run(DESTROY).code, Some(0));
    assert_eq!(sites.at_b("PrometheusRule"), None);
}
