//! `provision validate` as a user meets it: the real binary, its exit code, stdout and stderr together.
//!
//! Each mistake is an edit of `examples/minimal.yaml`; what is said about it is a snapshot beside this file.
//! `INSTA_UPDATE=always cargo test -p provisioner --test validate` rewrites them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

const MINIMAL: &str = include_str!("../../examples/minimal.yaml");

fn provision(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_provision"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Exit code, stdout and stderr, as one text.
fn transcript(output: &Output) -> String {
    format!(
        "exit code {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    )
}

/// The minimal topology with each `from` replaced by its `to`.
fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(MINIMAL.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from:?} does not stand in the example");
        text.replacen(from, to, 1)
    })
}

fn validate(text: &[u8]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("topology.yaml"), text).unwrap();
    std::fs::write(folder.path().join("empty.pem"), "no certificate here\n").unwrap();
    std::fs::write(
        folder.path().join("key.pem"),
        "-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    provision(folder.path(), &["validate", "topology.yaml"])
}

macro_rules! mistakes {
    ($($name:ident: [$($from:literal => $to:literal),* $(,)?];)*) => {
        $(
            #[test]
            fn $name() {
                let output = validate(edited(&[$(($from, $to)),*]).as_bytes());
                assert_eq!(output.status.code(), Some(2), "{}", transcript(&output));
                assert!(output.stdout.is_empty(), "{}", transcript(&output));
                insta::assert_snapshot!(stringify!($name), transcript(&output));
            }
        )*
    };
}

mistakes! {
    unknown_field_of_the_topology: ["accelerator:" => "acelerator:"];
    unknown_field_of_a_site: ["    context: site-b" => "    kubecontext: site-b"];
    field_in_another_spelling: ["passwordSecret" => "password_secret"];
    missing_field_of_a_site: ["    context: site-b\n" => ""];
    missing_block: ["infinispan:\n  username: developer\n  passwordSecret: keycloak/infinispan\n" => ""];
    password_in_the_file: ["passwordSecret: keycloak/infinispan" => "password: hunter2"];
    name_with_capitals: ["name: keycloak" => "name: Keycloak_Prod"];
    name_too_long: ["name: keycloak" => "name: keycloak-production-europe"];
    name_is_a_number: ["name: keycloak" => "name: 2026"];
    unknown_region: ["region: eu-west-1" => "region: eu-wset-1"];
    accelerator_is_another_host: ["a1b2c3d4e5f60718.awsglobalaccelerator.com" => "https://sso.example.com"];
    unknown_platform: ["platform: openshift" => "platform: Openshift4"];
    one_site_only: ["  - name: site-b\n    region: eu-west-1\n    platform: openshift\n    context: site-b\n    namespace: keycloak\n" => ""];
    three_sites: ["sites:\n" => "sites:\n  - { name: site-c, region: eu-west-1, platform: kubernetes, context: c, namespace: c }\n"];
    sites_of_one_name: ["name: site-b" => "name: site-a"];
    sites_of_one_namespace: ["context: site-b" => "context: site-a"];
    sites_of_one_infinispan: [
        "    context: site-a" => "    infinispan: { endpoint: infinispan.example.com }\n    context: site-a",
        "    context: site-b" => "    infinispan: { endpoint: infinispan.example.com }\n    context: site-b",
    ];
    endpoint_is_a_url: ["    context: site-a" => "    infinispan: { endpoint: 'https://infinispan.example.com/' }\n    context: site-a"];
    function_dies_with_a_site: ["region: eu-west-1\n    platform: openshift\n    context: site-b" => "region: eu-west-2\n    platform: openshift\n    context: site-b"];
    register_dies_with_a_site: [
        "regions: [eu-west-1]" => "regions: [eu-west-1, eu-west-2]",
        "region: eu-west-1\n    platform: openshift\n    context: site-b" => "region: eu-west-2\n    platform: openshift\n    context: site-b",
    ];
    eventually_consistent_register: ["sites:" => "register:\n  regions: [eu-west-1, eu-west-2]\nsites:"];
    strong_register_without_quorum: ["sites:" => "register:\n  kind: strong\n  regions: [eu-west-1, eu-west-2]\nsites:"];
    strong_register_across_sets: ["sites:" => "register:\n  kind: strong\n  regions: [eu-west-1, us-east-1]\n  witness: eu-north-1\nsites:"];
    unknown_kind_of_register: ["sites:" => "register: { kind: global }\nsites:"];
    timeout_longer_than_a_flush: ["sites:" => "function: { timeout: 30s }\nsites:"];
    suspicion_longer_than_the_function_runs: ["sites:" => "alerting: { suspicion: 12s }\nsites:"];
    suspicion_too_short_to_look_three_times: ["sites:" => "alerting: { suspicion: 2s }\nsites:"];
    single_reading_decides: ["sites:" => "alerting:\n  for: 5s\n  scrapeInterval: 30s\nsites:"];
    failure_detection_in_milliseconds: ["    context: site-b\n" => "    context: site-b\n    infinispan: { failureDetection: { interval: 2000s, timeout: 15s } }\n"];
    length_of_time_without_unit: ["sites:" => "alerting: { groupWait: 5 }\nsites:"];
    length_of_time_misspelt: ["sites:" => "alerting: { groupWait: 5 seconds }\nsites:"];
    memory_out_of_range: ["sites:" => "function: { memory: 64 }\nsites:"];
    memory_is_a_text: ["sites:" => "function: { memory: 256MB }\nsites:"];
    retention_unknown_to_cloudwatch: ["sites:" => "function: { logRetentionDays: 31 }\nsites:"];
    claim_is_never_renewed: ["sites:" => "claim: { renewInterval: 1m, failureThreshold: 0 }\nsites:"];
    nobody_may_survive: [
        "    context: site-a" => "    context: site-a\n    neverSurvivor: true",
        "    context: site-b" => "    context: site-b\n    neverSurvivor: true"
    ];
    preferred_survivor_never_survives: ["sites:" => "preferredSurvivor: site-a\nsites:", "    context: site-a" => "    context: site-a\n    neverSurvivor: true"];
    preferred_survivor_is_no_site: ["sites:" => "preferredSurvivor: site-c\nsites:"];
    emails_and_topics: ["sites:" => "notify:\n  emails: [oncall@example]\n  topics: ['arn:aws:sns:us-east-1:123456789012:oncall']\nsites:"];
    checkers_in_the_wrong_places: ["sites:" => "health: { route53: true, interval: 20s, checkerRegions: [eu-west-1, eu-central-1] }\nsites:"];
    subnets_of_another_region: ["sites:" => "function:\n  vpc:\n    eu-west-2: { subnetIds: [subnet-1], securityGroupIds: [] }\nsites:"];
    label_that_is_ours: ["sites:" => "monitoring: { labels: { sitefence.io/topology: mine, 'a b': c } }\nsites:"];
    tag_that_is_taken: ["sites:" => "tags: { 'aws:cost': a, team: 'a;b' }\nsites:"];
    number_where_a_text_is_wanted: ["sites:" => "tags: { CostCenter: 4711 }\nsites:"];
    truth_value_in_old_spelling: ["sites:" => "register: { retain: yes }\nsites:"];
    empty_block: ["sites:" => "alerting:\nsites:"];
    list_instead_of_a_block: ["infinispan:\n  username: developer\n  passwordSecret: keycloak/infinispan\n" => "infinispan: [developer]\n"];
    ca_bundle_missing: ["    context: site-a" => "    infinispan: { caBundle: certs/absent.pem }\n    context: site-a"];
    ca_bundle_without_certificate: ["    context: site-a" => "    infinispan: { caBundle: empty.pem }\n    context: site-a"];
    ca_bundle_with_a_private_key: ["    context: site-a" => "    infinispan: { caBundle: key.pem }\n    context: site-a"];
    duplicate_key: ["name: keycloak" => "name: keycloak\nname: other"];
    anchor_and_alias: ["region: eu-west-1\n    platform: openshift\n    context: site-a" => "region: &home eu-west-1\n    platform: openshift\n    context: site-a", "region: eu-west-1\n    platform: openshift\n    context: site-b" => "region: *home\n    platform: openshift\n    context: site-b"];
    merge_key: ["sites:" => "alerting:\n  <<: { for: 20s }\nsites:"];
    tag: ["name: keycloak" => "name: !!str keycloak"];
    second_document: ["sites:" => "---\nsites:"];
    tab_for_indentation: ["  username: developer" => "\tusername: developer"];
    bracket_left_open: ["regions: [eu-west-1]" => "regions: [eu-west-1"];
    many_mistakes_at_once: [
        "name: keycloak" => "name: Keycloak",
        "regions: [eu-west-1]" => "regions: [eu-west-1, eu-west-1]",
        "username: developer" => "user: developer",
        "platform: openshift" => "platform: openshfit",
        "    context: site-b\n" => "",
        "sites:" => "function: { timeout: 25s, memory: 1 }\nalerting: { groupInterval: 20s, evry: 5s }\nsites:",
    ];
}

#[test]
fn what_is_right_is_said_to_be() {
    let output = validate(MINIMAL.as_bytes());
    insta::assert_snapshot!("valid", transcript(&output));
}

#[test]
fn a_file_that_is_no_text_or_not_there() {
    let mut bytes = MINIMAL.as_bytes().to_vec();
    bytes.extend_from_slice(b"# caf\xe9\n");
    insta::assert_snapshot!("not_utf8", transcript(&validate(&bytes)));
    insta::assert_snapshot!("empty", transcript(&validate(b"# nothing but a comment\n")));
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("not_there", transcript(&provision(folder.path(), &["validate"])));
}

/// What would be waited for, or never ends, is told at once.
#[cfg(unix)]
#[test]
fn what_is_not_a_file_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (file, is) in [
        ("pipe", "a named pipe"),
        ("/dev/zero", "a device"),
        (".", "a folder"),
    ] {
        let output = provision(folder.path(), &["validate", file]);
        let told = format!("error: cannot read `{file}`: it is {is}, not a file");
        assert!(transcript(&output).contains(&told), "{}", transcript(&output));
        assert_eq!(output.status.code(), Some(2));
    }
    std::fs::write(folder.path().join("long.yaml"), vec![b'#'; 2 << 20]).unwrap();
    let long = transcript(&provision(folder.path(), &["validate", "long.yaml"]));
    assert!(long.contains("it is larger than 1 MiB"), "{long}");
}

/// Mails and alarms name the topology, since they cannot know what its file is called where they are read.
#[test]
fn a_topology_is_found_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let say = |arguments: &[&str]| transcript(&provision(folder.path(), arguments));
    insta::assert_snapshot!("name_of_no_topology", say(&["validate", "keycloak"]));
    std::fs::write(folder.path().join("prod.yaml"), MINIMAL).unwrap();
    // Keycloak's own manifests may be in a folder of that name.
    std::fs::create_dir(folder.path().join("keycloak")).unwrap();
    insta::assert_snapshot!("found_by_name", say(&["validate", "keycloak"]));
    std::fs::write(
        folder.path().join("broken.yaml"),
        edited(&[("sites:", "sitse: 1\nsites:")]),
    )
    .unwrap();
    insta::assert_snapshot!("name_in_two_files", say(&["validate", "keycloak"]));
    std::fs::remove_file(folder.path().join("prod.yaml")).unwrap();
    let broken = say(&["validate", "keycloak"]);
    assert!(
        broken.contains("keycloak is the topology in broken.yaml"),
        "{broken}"
    );
    assert!(broken.contains("at broken.yaml:"), "{broken}");
}

#[test]
fn a_topology_may_come_through_a_pipe() {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_provision"))
        .args(["validate", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let text = edited(&[("region: eu-west-1", "region: eu-wset-1")]);
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let told = transcript(&child.wait_with_output().unwrap());
    assert!(told.contains("at (stdin):"), "{told}");
}

/// A variable that is set to nothing is not set: the AWS libraries panicked over an empty address.
#[test]
fn an_empty_variable_is_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("topology.yaml"), MINIMAL).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_provision"))
        .args(["hold", "--reason", "test"])
        .current_dir(folder.path())
        .env_clear()
        .env("HOME", folder.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", "")
        .env("AWS_ENDPOINT_URL_STS", "")
        .env("AWS_PROFILE", "")
        .env("AWS_CA_BUNDLE", "")
        .output()
        .unwrap();
    let told = transcript(&output);
    assert!(told.contains("error: there are no AWS credentials"), "{told}");
    assert_eq!(output.status.code(), Some(1), "{told}");
}

/// Whatever goes wrong, a program that asked for JSON gets one document.
#[test]
fn a_failure_is_json_where_json_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let text = edited(&[("region: eu-west-1", "region: eu-wset-1")]);
    std::fs::write(folder.path().join("wrong.yaml"), text).unwrap();
    std::fs::write(folder.path().join("topology.yaml"), MINIMAL).unwrap();
    for (name, arguments, code) in [
        (
            "json_usage",
            &["render", "--output", "json", "--fast"][..],
            "usage",
        ),
        (
            "json_no_file",
            &["render", "absent.yaml", "--output=json"],
            "unreadableTopology",
        ),
        (
            "json_invalid",
            &["render", "wrong.yaml", "--output", "json"],
            "invalidTopology",
        ),
        (
            "json_reason",
            &["hold", "--reason", " ", "--output", "json"],
            "usage",
        ),
    ] {
        let output = provision(folder.path(), arguments);
        let document: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", transcript(&output)));
        assert_eq!(document["error"]["code"], code);
        insta::assert_snapshot!(name, transcript(&output));
    }
}

/// Nobody is sent for another file who only has to make this one readable.
#[test]
fn a_folder_is_no_topology_and_no_reason_to_copy_one() {
    let folder = tempfile::tempdir().unwrap();
    let refused = transcript(&provision(folder.path(), &["validate", "."]));
    assert!(
        refused.contains("error: cannot read `.`: ") && !refused.contains("hint:"),
        "{refused}"
    );
}

#[test]
fn programs_read_the_same_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let text = edited(&[
        ("region: eu-west-1", "region: eu-wset-1"),
        ("name: site-b", "nmae: site-b"),
    ]);
    std::fs::write(folder.path().join("topology.yaml"), text).unwrap();
    let output = provision(folder.path(), &["validate", "--output", "json"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("json", transcript(&output));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["mistakes"].as_array().unwrap().len(), 2);
}

#[test]
fn the_committed_schema_is_that_of_these_types() {
    let folder = tempfile::tempdir().unwrap();
    let output = provision(folder.path(), &["schema"]);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../topology.schema.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&committed, &output.stdout).unwrap();
    }
    let committed = std::fs::read_to_string(committed).unwrap();
    assert!(
        committed.as_bytes() == output.stdout,
        "topology.schema.json is not what `provision schema` prints; UPDATE_GOLDEN=1 rewrites it"
    );
}

#[test]
fn completions_are_registered_with_every_shell() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = provision(folder.path(), &["completions", shell]);
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && script.contains("provision") && script.contains("PROVISION_COMPLETE"),
            "{shell}"
        );
    }
}

#[test]
fn wrong_usage_ends_with_two_and_help_with_zero() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code) in [
        (&["validat"][..], 2),
        (&[], 2),
        (&["render", "--force"], 2),
        (&["--help"], 0),
        (&["render", "--help"], 0),
        (&["--version"], 0),
    ] {
        assert_eq!(
            provision(folder.path(), arguments).status.code(),
            Some(code),
            "{arguments:?}"
        );
    }
}
