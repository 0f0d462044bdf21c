//! A topology from what two clusters and AWS have, without an edit.

use super::*;

/// Without what differs from run to run.
fn settled(sites: &Sites, text: &str) -> String {
    text.replace(&sites.cloud.dns_name(), "ACCELERATOR")
        .replace(&sites.cloud.home.path().display().to_string(), "HOME")
        .replace(&sites.cloud.balancers[0], "BALANCER-A")
        .replace(&sites.cloud.balancers[1], "BALANCER-B")
        .lines()
        .filter(|line| !line.contains("calls go to"))
        .map(|line| format!("{line}\n"))
        .collect()
}

const INIT: &[&str] = &[
    "init",
    "--from-clusters",
    "--context",
    "site-a",
    "--context",
    "site-b",
    "-o",
    "found.yaml",
    "--force",
];

#[test]
fn what_two_clusters_and_aws_have_is_a_topology_that_plans() {
    let sites = Sites::new();
    let before = sites.inventory();
    sites.cloud.counter.reset();
    let secret = [
        "--username",
        "developer",
        "--password-secret",
        "demo/infinispan",
        "--name",
        "demo",
    ];
    let run = sites.run(&[INIT, &secret].concat());
    assert_eq!(run.code, Some(0), "{run}");
    // Nothing was changed anywhere.
    assert_eq!(sites.inventory(), before);
    assert_eq!(sites.cloud.counter.changes(), [""; 0]);

    let text = std::fs::read_to_string(sites.cloud.home.path().join("found.yaml")).unwrap();
    let page = format!("{run}\n--- found.yaml\n{text}");
    insta::assert_snapshot!("from_clusters", settled(&sites, &page));
    let validated = sites.run(&["validate", "found.yaml"]);
    assert_eq!(validated.code, Some(0), "{validated}\n{text}");
    let plan = if tests::provision::another().is_some() {
        sites.run(&["plan", "found.yaml"])
    } else {
        // The stand-in's zip is for x86_64, which is not the usual processor.
        let path = sites.cloud.home.path().join("found.yaml");
        std::fs::write(&path, format!("{text}function: {{ architecture: x86_64 }}\n")).unwrap();
        sites.run(&["plan", "found.yaml", "--function-zip", "given.zip"])
    };
    assert_eq!(plan.code, Some(0), "{plan}");
}

#[test]
fn what_cannot_be_found_is_marked_with_where_it_is_found() {
    let sites = Sites::new();
    sites
        .cloud
        .accelerator
        .world()
        .accelerator_mut("keycloak")
        .unwrap()
        .listeners
        .clear();
    let run = sites.run(&[INIT, &["--output", "json"]].concat());
    assert_eq!(run.code, Some(0), "{run}");
    let answer: Value = serde_json::from_str(&run.stdout).unwrap();
    let missing: Vec<&str> = answer["missing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        missing,
        [
            "regions",
            "accelerator",
            "infinispan.username",
            "infinispan.passwordSecret",
            "sites[0].region",
            "sites[1].region"
        ]
    );
    let validated = sites.run(&["validate", "found.yaml"]);
    assert_eq!(validated.code, Some(2), "{validated}");
    assert_eq!(
        validated.stderr.matches("was left for you to fill in").count(),
        missing.len(),
        "{validated}"
    );
}

#[test]
fn the_settings_of_the_guide_s_function_are_taken_over() {
    let sites = Sites::new();
    sites.cloud.deploy_the_guides(&[
        ("INFINISPAN_USER", "developer"),
        ("INFINISPAN_USER_SECRET", "demo/infinispan"),
    ]);
    let run = sites.run(INIT);
    assert_eq!(run.code, Some(0), "{run}");
    let text = std::fs::read_to_string(sites.cloud.home.path().join("found.yaml")).unwrap();
    for line in [
        "of Keycloak's guide is deployed here and fences, too",
        "  username: developer  # as in the guide's function keycloak-failover\n",
        "  passwordSecret: demo/infinispan  # as in the guide's function keycloak-failover\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let validated = sites.run(&["validate", "found.yaml"]);
    assert_eq!(validated.code, Some(0), "{validated}\n{text}");
}
