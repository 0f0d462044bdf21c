//! Applying to both clouds, and applying again.

use serde_json::Value;

use super::*;
use crate::assert_run;

#[test]
fn an_apply_does_in_both_clusters_what_the_plan_listed_and_a_second_one_nothing() {
    let sites = Sites::new();
    let before = sites.inventory();
    let plan = sites.run(PLAN);
    assert_run!(plan, sites.cloud);
    assert_eq!(sites.inventory(), before, "a plan changes nothing");
    let plan = sites.run(&[PLAN, &["--output", "json", "--detailed-exitcode"]].concat());
    assert_eq!(plan.code, Some(4), "{plan}");

    sites.cloud.counter.reset();
    sites.applied();

    // What was listed is what was done, in either cluster.
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    for (site, cluster) in [("site-a", &sites.a), ("site-b", &sites.b)] {
        let steps = plan["steps"].as_array().unwrap().iter();
        let listed: Vec<String> = steps
            .filter(|step| step["site"] == site && step["action"] != "await")
            .map(|step| step["kind"].as_str().unwrap().to_owned())
            .collect();
        let done: Vec<String> = cluster.changes().into_iter().map(|call| call.kind).collect();
        assert_eq!(listed, done, "{site}");
    }

    let secret = sites.at_a("Secret").unwrap();
    assert_eq!(decoded(&secret, "username"), "keycloak");
    assert_eq!(decoded(&secret, "password"), sites.password());
    let url = decoded(&secret, "url");
    assert!(url.starts_with("http") && url.ends_with("/webhook"), "{url}");
    assert_eq!(sites.at_b("Secret").unwrap()["data"], secret["data"]);
    let managers = secret["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(
        (&managers[0]["manager"], &managers[0]["operation"]),
        (&"provision".into(), &"Apply".into())
    );
    assert_eq!(
        sites.at_a("AlertmanagerConfig").unwrap()["apiVersion"],
        "monitoring.coreos.com/v1beta1"
    );
    assert_eq!(
        sites.at_b("AlertmanagerConfig").unwrap()["apiVersion"],
        "monitoring.coreos.com/v1alpha1"
    );

    sites.a.calls().forget();
    sites.b.calls().forget();
    sites.cloud.counter.reset();
    let again = sites.apply();
    assert_eq!(again.code, Some(0), "{again}");
    assert!(again.stderr.contains("nothing to do"), "{again}");
    assert_eq!(sites.cloud.counter.changes(), [""; 0]);
    assert_eq!((changes(&sites.a), changes(&sites.b)), (Vec::new(), Vec::new()));
    let plan = sites.run(&[PLAN, &["--output", "json", "--detailed-exitcode"]].concat());
    assert_eq!(plan.code, Some(0), "{plan}");
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(plan["steps"], Value::Array(Vec::new()));

    let destroyed = sites.run(DESTROY);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");
    assert_eq!(sites.inventory(), before);
    let again = sites.run(DESTROY);
    assert_eq!(again.code, Some(0), "{again}");
}

#[test]
fn the_function_gets_the_address_at_which_the_clusters_say_that_infinispan_answers() {
    let sites = Sites::new();
    sites.applied();
    let function = block_on(async {
        aws_sdk_lambda::Client::new(&sites.cloud.aws.sdk_config(REGION))
            .get_function_configuration()
            .function_name("sitefence-demo-fencing")
            .send()
            .await
            .unwrap()
    });
    let variables = function.environment.unwrap().variables.unwrap();
    let settings =
        fencing::settings::Settings::from_environment(|name| variables.get(name).cloned()).unwrap();
    let urls: Vec<&str> = settings
        .found
        .infinispan_urls
        .values()
        .map(String::as_str)
        .collect();
    assert_eq!(
        urls,
        [
            "https://infinispan.site-a.example.com",
            "https://lb.site-b.example.com:11222"
        ]
    );
}

#[test]
fn a_changed_topology_changes_objects_property_by_property() {
    let sites = Sites::new();
    sites.applied();
    sites.write_topology("alerting: { for: 15s }\nmonitoring: { podMonitor: false }");
    let plan = sites.run(PLAN);
    assert_run!(plan, sites.cloud);
    sites.applied();
    assert_eq!(sites.at_a("PodMonitor"), None);
    let rule = sites.at_b("PrometheusRule").unwrap();
    assert_eq!(rule["spec"]["groups"][0]["rules"][0]["for"], "15s");
    assert!(sites.apply().stderr.contains("nothing to do"));
}

#[test]
fn a_password_that_was_rotated_reaches_both_clusters_and_nobody_s_eyes() {
    let sites = Sites::new();
    sites.applied();
    let first = sites.password();
    block_on(async {
        aws_sdk_secretsmanager::Client::new(&sites.cloud.aws.sdk_config(REGION))
            .put_secret_value()
            .secret_id("sitefence/demo/webhook")
            .secret_string("a-rotated-password")
            .send()
            .await
            .unwrap();
    });
    let plan = sites.run(PLAN);
    assert!(
        plan.stdout.contains("data.password: [redacted] → [redacted]"),
        "{plan}"
    );
    let json = sites.run(&[PLAN, &["--output", "json"]].concat());
    let applied = sites.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    for secret in [sites.at_a("Secret").unwrap(), sites.at_b("Secret").unwrap()] {
        assert_eq!(decoded(&secret, "password"), "a-rotated-password");
    }
    let told = format!("{plan}{json}{applied}{}", sites.run(DESTROY));
    for password in [first.as_str(), "a-rotated-password", "YS1yb3RhdGVkLXBhc3N3b3Jk"] {
        assert!(!told.contains(password), "{told}");
    }
}

#[test]
fn a_secret_that_others_deliver_is_neither_written_nor_removed() {
    let sites = Sites::new();
    sites.write_topology("secretDelivery: manual");
    let run = sites.apply();
    assert_eq!(run.code, Some(0), "{run}");
    assert!(
        run.stderr.contains(
            "warning: Secret sitefence-demo in namespace keycloak of site `site-a` is not there yet"
        ),
        "{run}"
    );
    assert_eq!((sites.at_a("Secret"), sites.at_b("Secret")), (None, None));
    assert!(sites.at_a("AlertmanagerConfig").is_some());
}

#[test]
fn the_administrators_own_settings_stay_byte_for_byte() {
    let sites = Sites::new();
    let text = "# ours\nprometheus:\n  retention: 7d   # a week\nalertmanager:\n    logLevel: debug\n";
    sites
        .a
        .world()
        .put_as(
            "kubectl-edit",
            serde_json::json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": USER_WORKLOAD[2], "namespace": USER_WORKLOAD[1]},
                "data": {"config.yaml": text, "other": "theirs"},
            }),
        )
        .unwrap();
    let before = sites.inventory();
    sites.applied();
    let config_map = sites
        .a
        .world()
        .get(USER_WORKLOAD[0], USER_WORKLOAD[1], USER_WORKLOAD[2])
        .cloned()
        .unwrap();
    assert_eq!(
        config_map["data"]["config.yaml"],
        "# ours\nprometheus:\n  retention: 7d   # a week\nalertmanager:\n    enableAlertmanagerConfig: true\n    \
         enabled: true\n    logLevel: debug\n"
    );
    assert_eq!(sites.run(DESTROY).code, Some(0));
    assert_eq!(sites.inventory(), before);
}

#[test]
fn either_half_and_either_site_can_be_worked_on_alone() {
    let sites = Sites::new();
    let early = sites.apply_with(&["--only", "clusters"]);
    assert_eq!(early.code, Some(1), "{early}");
    assert!(
        early.stderr.contains("the function is not deployed yet"),
        "{early}"
    );
    let unknown = sites.apply_with(&["--only", "site-c"]);
    assert_eq!(unknown.code, Some(2), "{unknown}");
    assert!(
        unknown
            .stderr
            .contains("its parts are aws, clusters, site-a and site-b"),
        "{unknown}"
    );
    // Without a look at the clusters nobody knows where Infinispan answers.
    let blind = sites.apply_with(&["--only", "aws"]);
    assert_eq!(blind.code, Some(1), "{blind}");
    assert!(
        blind.stderr.contains("site `site-a` has no Infinispan endpoint"),
        "{blind}"
    );

    sites.applied();
    assert_eq!(
        sites.run(&[DESTROY, &["--only", "site-a"]].concat()).code,
        Some(0)
    );
    assert_eq!(sites.at_a("Secret"), None);
    assert!(sites.at_b("Secret").is_some());
    // Work on a cluster needs no function, so no compiler either.
    let run = sites
        .provision()
        .env("PATH", "")
        .args(["apply", "--yes", "--no-wait", "--only", "site-a"])
        .run()
        .unwrap();
    assert_eq!(run.code, Some(0), "{run}");
    assert!(sites.at_a("Secret").is_some());
}
