//! The least rights are enough, and each that is lacking is named.

use tests::standins::kubernetes::Credentials;

use super::*;
use crate::assert_run;

/// The line above what only OpenShift has.
const OPENSHIFT_ONLY: &str = "\n# ====";

/// The manifest that administrators are given, for this topology's names and the cluster's platform.
fn manifests(platform: Platform) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/rbac/provision.yaml");
    let text = std::fs::read_to_string(path)
        .unwrap()
        .replace("sitefence-keycloak-prod", NAME)
        .replace(
            "kind: Group\n    name: sitefence-operators",
            "kind: User\n    name: ada",
        );
    let text = match platform {
        Platform::Openshift => text.as_str(),
        Platform::Kubernetes => text.split_once(OPENSHIFT_ONLY).unwrap().0,
    };
    text.split("\n---\n")
        .map(|document| serde_yaml::from_str(document).unwrap())
        .collect()
}

fn as_ada(sites: &Sites) {
    let context = |name: &'static str, cluster, platform| Context {
        name,
        cluster,
        credentials: Credentials::Token(ClusterStandIn::add_user(cluster, "ada", &manifests(platform))),
        proxy_url: None,
    };
    sites.write_kubeconfig(&[
        context("site-a", &sites.a, Platform::Openshift),
        context("site-b", &sites.b, Platform::Kubernetes),
    ]);
}

#[test]
fn the_manifest_s_rights_are_enough_for_every_verb() {
    let sites = Sites::new();
    as_ada(&sites);
    let before = sites.inventory();
    // As somebody new to it goes about it.
    for first in [&["validate"][..], &["render", "-o", "out"], PLAN] {
        let run = sites.run(first);
        assert_eq!(run.code, Some(0), "{run}");
        assert!(!run.stderr.contains("forbidden"), "{run}");
    }
    assert_eq!(sites.inventory(), before);
    sites.applied();
    assert!(sites.apply().stderr.contains("nothing to do"));
    let destroyed = sites.run(DESTROY);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");
    assert_eq!(sites.inventory(), before);
}

#[test]
fn all_missing_rights_are_reported_at_once() {
    let sites = Sites::new();
    as_ada(&sites);
    sites.a.deny("patch", "secrets", None);
    sites.a.deny("get", "configmaps", Some("openshift-monitoring"));
    sites.b.deny("list", "alertmanagerconfigs", None);
    let run = sites.apply();
    assert_run!(run, sites.cloud);
    assert_eq!(sites.cloud.counter.changes(), [""; 0]);
}

#[cfg(unix)]
#[test]
fn a_credential_plugin_signs_in_and_what_it_prints_stays_untold() {
    use std::os::unix::fs::PermissionsExt as _;
    let sites = Sites::new();
    let plugin = sites.cloud.home.path().join("plugin");
    let write = |body: &str| {
        std::fs::write(&plugin, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let credential = format!(
        r#"{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{"token":"{}"}}}}"#,
        sites.a.token()
    );
    let command = plugin.display().to_string();
    let context = |name: &'static str| Context {
        name,
        cluster: &sites.a,
        credentials: Credentials::Exec(vec![command.clone()]),
        proxy_url: None,
    };
    sites.write_kubeconfig(&[context("site-a"), Context::administrator("site-b", &sites.b)]);
    write(&format!("echo '{credential}'"));
    sites.applied();

    write(&format!(
        "echo '{credential}'\necho 'the session expired, sign in again' >&2\nexit 1"
    ));
    let failed = sites.apply();
    assert_eq!(failed.code, Some(1), "{failed}");
    assert!(
        failed
            .stderr
            .contains("failed: the session expired, sign in again"),
        "{failed}"
    );
    assert!(!failed.to_string().contains(&sites.a.token()), "{failed}");
}
