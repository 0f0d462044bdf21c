//! A hundred topologies that people write wrong, and what `provision validate` says about each.
//!
//! Each is an edit of `examples/minimal.yaml`; a chapter's answers stand in one snapshot, in the order of its
//! edits, so that a change of wording can be read as one page. What is wanted of each: it is refused (2),
//! nothing goes to stdout, the line that is wrong is pointed at, and the hint can be followed.
//! `INSTA_UPDATE=always cargo test --workspace --test wrong_topologies` rewrites the pages.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;
use std::process::Command;

const MINIMAL: &str = include_str!("../../examples/minimal.yaml");

/// What one edit is called, and its replacements.
type Wrong<'a> = (&'a str, &'a [(&'a str, &'a str)]);

fn page(chapter: &[Wrong<'_>]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("topology.yaml");
    let mut page = String::new();
    for (name, edits) in chapter {
        let text = edits.iter().fold(MINIMAL.to_owned(), |text, (from, to)| {
            assert!(
                text.contains(from),
                "{name}: {from:?} does not stand in the example"
            );
            text.replacen(from, to, 1)
        });
        std::fs::write(&file, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_provision"))
            .args(["validate", "topology.yaml"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(output.stdout.is_empty(), "{name}");
        assert!(
            said.contains("  at topology.yaml:"),
            "{name} points nowhere: {said}"
        );
        assert!(said.contains("hint: "), "{name} says not what to do: {said}");
        assert!(
            !said.chars().any(|c| c.is_control() && c != '\n'),
            "{name} writes control characters"
        );
        writeln!(page, "## {name}\n{said}").unwrap();
    }
    page
}

#[test]
fn what_is_hardly_yaml() {
    let page = page(&[
        (
            "a space is missing after a colon",
            &[("  username: developer", "  username:developer")],
        ),
        (
            "a space is missing in the first line",
            &[("name: keycloak", "name:keycloak")],
        ),
        (
            "a colon is missing after a block's key",
            &[("sites:\n", "sites\n")],
        ),
        (
            "a colon is missing between key and value",
            &[("name: keycloak", "name keycloak")],
        ),
        (
            "a double quote is never closed",
            &[("name: keycloak", "name: \"keycloak")],
        ),
        (
            "a single quote is never closed",
            &[("  username: developer", "  username: 'developer")],
        ),
        (
            "a brace is never closed",
            &[("sites:\n", "function: { memory: 256\nsites:\n")],
        ),
        ("one blank too many", &[("  passwordSecret", "   passwordSecret")]),
        (
            "one blank too few",
            &[(
                "    namespace: keycloak\n  - name: site-b",
                "   namespace: keycloak\n  - name: site-b",
            )],
        ),
        (
            "a tab before a list item",
            &[("  - name: site-a", "\t- name: site-a")],
        ),
        (
            "a list item without its blank",
            &[("  - name: site-a", "  -name: site-a")],
        ),
        ("two values on one line", &[("name: keycloak", "name: a: b")]),
        (
            "a placeholder of Helm",
            &[("name: keycloak", "name: {{ .Values.name }}")],
        ),
        (
            "a quoted placeholder",
            &[("name: keycloak", "name: \"{{ name }}\"")],
        ),
        ("a statement of Jinja", &[("sites:\n", "{% if prod %}\nsites:\n")]),
        (
            "a merge in conflict",
            &[(
                "name: keycloak",
                "<<<<<<< HEAD\nname: keycloak\n=======\nname: other\n>>>>>>> feature",
            )],
        ),
        (
            "a no-break space after a colon",
            &[("name: keycloak", "name:\u{a0}keycloak")],
        ),
        (
            "a zero-width space in a name",
            &[("context: site-a", "context: site-a\u{200b}")],
        ),
        (
            "typographic quotes",
            &[("name: keycloak", "name: \u{201c}keycloak\u{201d}")],
        ),
        (
            "an en dash for a hyphen",
            &[("- name: site-b", "\u{2013} name: site-b")],
        ),
        (
            "too many brackets",
            &[(
                "sites:\n",
                "caches: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\nsites:\n",
            )],
        ),
        (
            "JSON with a comment",
            &[("name: keycloak", "{\"name\": \"keycloak\"} // mine")],
        ),
        ("an unfinished escape", &[("name: keycloak", "name: \"a\\\\x\"")]),
        (
            "a list where the topology should be",
            &[("name: keycloak", "- name: keycloak")],
        ),
    ]);
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(page) });
}

#[test]
fn names() {
    let page = page(&[
        (
            "a topology's name with a dot",
            &[("name: keycloak", "name: keycloak.prod")],
        ),
        (
            "a topology's name that begins with a digit",
            &[("name: keycloak", "name: 2keycloak")],
        ),
        (
            "a topology's name that ends with a hyphen",
            &[("name: keycloak", "name: keycloak-")],
        ),
        (
            "a quoted name with a blank at its end",
            &[("  username: developer", "  username: \"developer \"")],
        ),
        (
            "a site's name with a slash",
            &[("name: site-a", "name: eu/site-a")],
        ),
        ("a site's name with a blank", &[("name: site-a", "name: site a")]),
        (
            "a site's name of forty characters",
            &[("name: site-a", "name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")],
        ),
        (
            "sites that differ in capitals only",
            &[("name: site-b", "name: SITE-A")],
        ),
        (
            "sites that differ in punctuation only",
            &[("name: site-b", "name: site_a")],
        ),
        (
            "a namespace in capitals",
            &[(
                "namespace: keycloak\n  - name: site-b",
                "namespace: Keycloak\n  - name: site-b",
            )],
        ),
        (
            "a namespace with an underscore",
            &[(
                "namespace: keycloak\n  - name: site-b",
                "namespace: key_cloak\n  - name: site-b",
            )],
        ),
        (
            "an empty context",
            &[("    context: site-a", "    context: \"\"")],
        ),
        (
            "a context that is nothing",
            &[("    context: site-a", "    context:")],
        ),
        (
            "a context with an escape sequence",
            &[("    context: site-a", "    context: \"\\e[31mred\"")],
        ),
        (
            "a preferred survivor in capitals",
            &[("sites:\n", "preferredSurvivor: SITE-A\nsites:\n")],
        ),
        (
            "a user name with a colon",
            &[("username: developer", "username: \"dev:eloper\"")],
        ),
        (
            "an access key for a user name",
            &[("username: developer", "username: AKIAIOSFODNN7EXAMPLE")],
        ),
        (
            "a very long user name",
            &[(
                "username: developer",
                "username: dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
            )],
        ),
    ]);
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(page) });
}

#[test]
fn what_aws_calls_otherwise() {
    let page = page(&[
        (
            "an Availability Zone for a Region",
            &[("regions: [eu-west-1]", "regions: [eu-west-1a]")],
        ),
        (
            "a Region in capitals",
            &[("regions: [eu-west-1]", "regions: [EU-WEST-1]")],
        ),
        (
            "a Region by its city",
            &[("regions: [eu-west-1]", "regions: [Ireland]")],
        ),
        (
            "a Region of China",
            &[("regions: [eu-west-1]", "regions: [cn-north-1]")],
        ),
        (
            "a Region of GovCloud",
            &[("regions: [eu-west-1]", "regions: [us-gov-west-1]")],
        ),
        (
            "a Region without function URLs",
            &[("regions: [eu-west-1]", "regions: [eu-central-2]")],
        ),
        (
            "one Region without brackets",
            &[("regions: [eu-west-1]", "regions: eu-west-1")],
        ),
        ("no Region at all", &[("regions: [eu-west-1]", "regions: []")]),
        (
            "four Regions",
            &[(
                "regions: [eu-west-1]",
                "regions: [eu-west-1, eu-west-2, eu-west-3, eu-north-1]",
            )],
        ),
        (
            "an accelerator by its name",
            &[("a1b2c3d4e5f60718.awsglobalaccelerator.com", "keycloak")],
        ),
        (
            "an accelerator with a scheme",
            &[("accelerator: a1", "accelerator: https://a1")],
        ),
        (
            "an accelerator of another partition",
            &[(
                "accelerator: a1b2c3d4e5f60718.awsglobalaccelerator.com",
                "accelerator: arn:aws-cn:globalaccelerator::123456789012:accelerator/1234abcd-abcd-1234",
            )],
        ),
        (
            "a listener for an accelerator",
            &[(
                "accelerator: a1b2c3d4e5f60718.awsglobalaccelerator.com",
                "accelerator: arn:aws:globalaccelerator::123456789012:accelerator/1234abcd-abcd-1234/listener/0123vxyz",
            )],
        ),
        (
            "a CloudFront host for an accelerator",
            &[(
                "a1b2c3d4e5f60718.awsglobalaccelerator.com",
                "d111111abcdef8.cloudfront.net",
            )],
        ),
        (
            "a secret of another partition",
            &[(
                "passwordSecret: keycloak/infinispan",
                "passwordSecret: arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:x",
            )],
        ),
        (
            "a secret in a Region without function",
            &[(
                "passwordSecret: keycloak/infinispan",
                "passwordSecret: arn:aws:secretsmanager:eu-north-1:123456789012:secret:x",
            )],
        ),
        (
            "a parameter for a secret",
            &[(
                "passwordSecret: keycloak/infinispan",
                "passwordSecret: arn:aws:ssm:eu-west-1:123456789012:parameter/x",
            )],
        ),
        (
            "a role by its name",
            &[(
                "sites:\n",
                "register: { table: shared, roleArn: register }\nsites:\n",
            )],
        ),
        (
            "an account of eleven digits",
            &[(
                "sites:\n",
                "register: { roleArn: \"arn:aws:iam::12345678901:role/x\" }\nsites:\n",
            )],
        ),
        (
            "an alias for a key",
            &[("sites:\n", "function: { kmsKey: alias/mine }\nsites:\n")],
        ),
        (
            "a key of another Region",
            &[(
                "sites:\n",
                "function: { kmsKey: \"arn:aws:kms:eu-north-1:123456789012:key/mrk-1\" }\nsites:\n",
            )],
        ),
        (
            "a topic that is FIFO",
            &[(
                "sites:\n",
                "notify: { topics: [\"arn:aws:sns:eu-west-1:123456789012:oncall.fifo\"] }\nsites:\n",
            )],
        ),
        (
            "flat subnets",
            &[(
                "sites:\n",
                "function:\n  vpc:\n    subnetIds: [subnet-0123456789abcdef0]\n    securityGroupIds: [sg-0123456789abcdef0]\nsites:\n",
            )],
        ),
        (
            "a subnet by its name",
            &[(
                "sites:\n",
                "function: { vpc: { eu-west-1: { subnetIds: [private-a], securityGroupIds: [sg-0123456789abcdef0] } } }\nsites:\n",
            )],
        ),
        (
            "tags as AWS lists them",
            &[("sites:\n", "tags:\n  - Key: team\n    Value: sso\nsites:\n")],
        ),
        (
            "tags as pairs in one text",
            &[("sites:\n", "tags: team=sso\nsites:\n")],
        ),
        (
            "a tag that is ours",
            &[("sites:\n", "tags: { \"sitefence:topology\": x }\nsites:\n")],
        ),
        (
            "a processor as Docker calls it",
            &[("sites:\n", "function: { architecture: amd64 }\nsites:\n")],
        ),
        (
            "a processor as Linux calls it",
            &[("sites:\n", "function: { architecture: aarch64 }\nsites:\n")],
        ),
        (
            "retention as a text",
            &[("sites:\n", "function: { logRetentionDays: forever }\nsites:\n")],
        ),
        (
            "a single reserved execution",
            &[("sites:\n", "function: { reservedConcurrency: 1 }\nsites:\n")],
        ),
        (
            "memory with its unit",
            &[("sites:\n", "function: { memory: 256MiB }\nsites:\n")],
        ),
        (
            "memory as a fraction",
            &[("sites:\n", "function: { memory: 256.5 }\nsites:\n")],
        ),
        (
            "a negative memory",
            &[("sites:\n", "function: { memory: -1 }\nsites:\n")],
        ),
    ]);
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(page) });
}

#[test]
fn what_belongs_to_the_clusters() {
    let page = page(&[
        (
            "a platform as Red Hat sells it",
            &[(
                "platform: openshift\n    context: site-a",
                "platform: rosa\n    context: site-a",
            )],
        ),
        (
            "a platform as AWS sells it",
            &[(
                "platform: openshift\n    context: site-a",
                "platform: eks\n    context: site-a",
            )],
        ),
        (
            "a platform in capitals",
            &[(
                "platform: openshift\n    context: site-a",
                "platform: OpenShift\n    context: site-a",
            )],
        ),
        (
            "an endpoint inside the cluster",
            &[(
                "    context: site-a",
                "    infinispan: { endpoint: infinispan.keycloak.svc.cluster.local:11222 }\n    context: site-a",
            )],
        ),
        (
            "an endpoint over plain HTTP",
            &[(
                "    context: site-a",
                "    infinispan: { endpoint: \"http://infinispan.example.com:11222\" }\n    context: site-a",
            )],
        ),
        (
            "an endpoint with a path",
            &[(
                "    context: site-a",
                "    infinispan: { endpoint: infinispan.example.com/rest/v2 }\n    context: site-a",
            )],
        ),
        (
            "an endpoint with a port out of range",
            &[(
                "    context: site-a",
                "    infinispan: { endpoint: \"infinispan.example.com:112222\" }\n    context: site-a",
            )],
        ),
        (
            "an endpoint that is a number",
            &[(
                "    context: site-a",
                "    infinispan: { endpoint: 10 }\n    context: site-a",
            )],
        ),
        (
            "an endpoint without its block",
            &[(
                "    context: site-a",
                "    infinispan: infinispan.example.com\n    context: site-a",
            )],
        ),
        (
            "an endpoint at the site",
            &[(
                "    context: site-a",
                "    endpoint: infinispan.example.com\n    context: site-a",
            )],
        ),
        (
            "a caBundle at the top",
            &[("sites:\n", "caBundle: ca.pem\nsites:\n")],
        ),
        (
            "a context at the top",
            &[("sites:\n", "context: site-a\nsites:\n")],
        ),
        (
            "a certificate in place of its file",
            &[(
                "    context: site-a",
                "    infinispan:\n      caBundle: |\n        -----BEGIN CERTIFICATE-----\n        MAMCAQE=\n        -----END CERTIFICATE-----\n    context: site-a",
            )],
        ),
        (
            "sites as a block",
            &[
                ("sites:\n  - name: site-a\n", "sites:\n  site-a:\n"),
                ("  - name: site-b\n", "  site-b:\n"),
            ],
        ),
        ("a site that is a word", &[("sites:\n", "sites:\n  - site-c\n")]),
        (
            "labels as a list",
            &[("sites:\n", "monitoring: { labels: [release] }\nsites:\n")],
        ),
        (
            "a label with a blank",
            &[(
                "sites:\n",
                "monitoring: { labels: { release: \"kube prometheus\" } }\nsites:\n",
            )],
        ),
        (
            "a label that is true",
            &[("sites:\n", "monitoring: { labels: { release: true } }\nsites:\n")],
        ),
        (
            "a cache with a slash",
            &[("sites:\n", "caches: [sessions/x]\nsites:\n")],
        ),
        ("no caches", &[("sites:\n", "caches: []\nsites:\n")]),
        ("a cache twice", &[("sites:\n", "caches: [work, work]\nsites:\n")]),
        (
            "secret delivery by a tool",
            &[("sites:\n", "secretDelivery: external-secrets\nsites:\n")],
        ),
        (
            "a password beside the secret",
            &[("  passwordSecret", "  password: hunter2\n  passwordSecret")],
        ),
        (
            "a token in the webhook",
            &[(
                "sites:\n",
                "webhook: { username: keycloak, token: abcdef }\nsites:\n",
            )],
        ),
    ]);
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(page) });
}

/// A password in the file is never repeated, whatever is wrong with it or beside it.
#[test]
fn secrets_in_the_file() {
    let chapter: &[Wrong<'_>] = &[
        (
            "a password for a secret's name",
            &[("keycloak/infinispan", "hunter2 $ecret")],
        ),
        (
            "a password for a secret's name, on a line of its own",
            &[("keycloak/infinispan", "\n    hunter2 $ecret")],
        ),
        (
            "a password for a secret's name, as a block",
            &[("keycloak/infinispan", "|\n    hunter2 $ecret\n    hunter2")],
        ),
        (
            "a password with capitals and blanks around it",
            &[("keycloak/infinispan", "\" Hunter2$ \"")],
        ),
        (
            "a password without the blank after its colon",
            &[("  passwordSecret", "  password:hunter2\n  passwordSecret")],
        ),
        (
            "a password without its colon",
            &[("  passwordSecret", "  password hunter2\n  passwordSecret")],
        ),
        (
            "a password in a quote that is never closed",
            &[("keycloak/infinispan", "\"hunter2 $ecret")],
        ),
        (
            "another mistake in a password's line",
            &[(
                "sites:\n",
                "webhook: { usernme: keycloak, token: hunter2 }\nsites:\n",
            )],
        ),
        (
            "a password that is a list",
            &[("keycloak/infinispan", "[hunter2, $ecret]")],
        ),
        (
            "a password twice",
            &[(
                "  passwordSecret",
                "  password: hunter2\n  password: hunter2\n  passwordSecret",
            )],
        ),
    ];
    let said = page(chapter);
    assert!(!said.to_lowercase().contains("hunter2"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    for (name, edits) in chapter {
        let text = edits
            .iter()
            .fold(MINIMAL.to_owned(), |text, (from, to)| text.replacen(from, to, 1));
        std::fs::write(folder.path().join("topology.yaml"), text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_provision"))
            .args(["validate", "topology.yaml", "--output", "json"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let json = String::from_utf8(output.stdout).unwrap().to_lowercase();
        assert!(
            json.contains("mistakes") && !json.contains("hunter2"),
            "{name}: {json}"
        );
    }
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(said) });
}

/// What the user wrote is quoted in part, and without what a terminal would obey or nobody would see.
#[test]
fn long_and_invisible_texts() {
    let long = format!("\"{}\"", "x".repeat(3000));
    let key = format!("{}: 1\nsites:\n", "k".repeat(300));
    let page = page(&[
        (
            "a long accelerator",
            &[("a1b2c3d4e5f60718.awsglobalaccelerator.com", &long)],
        ),
        (
            "a long site's name",
            &[("name: site-a", &format!("name: {long}"))],
        ),
        (
            "a long platform",
            &[("platform: openshift", &format!("platform: {long}"))],
        ),
        ("a long unknown field", &[("sites:\n", &key)]),
        (
            "a field with an escape sequence",
            &[("sites:\n", "\"a\\e[31mb\": 1\nsites:\n")],
        ),
        (
            "a site with a right-to-left override",
            &[("name: site-a", "name: \"site\\u202ea\"")],
        ),
        (
            "an accelerator with a zero-width space",
            &[("a1b2c3d4e5f60718", "\"a1b2c3\\u200bd4e5f60718\"\n# ")],
        ),
    ]);
    for line in page.lines().filter(|line| line.starts_with("error: ")) {
        assert!(line.chars().count() < 230, "{line}");
    }
    let is_hidden = |c: char| matches!(c, '\u{200b}' | '\u{202e}');
    assert!(!page.contains(is_hidden), "{page}");
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(page) });
}

#[test]
fn durations_and_switches() {
    let page = page(&[
        (
            "seconds without a unit",
            &[("sites:\n", "alerting: { for: 10 }\nsites:\n")],
        ),
        (
            "a unit written out",
            &[("sites:\n", "alerting: { for: 10 seconds }\nsites:\n")],
        ),
        (
            "a fraction of a minute",
            &[("sites:\n", "alerting: { for: 0.5m }\nsites:\n")],
        ),
        (
            "units in the wrong order",
            &[("sites:\n", "alerting: { for: 30s1m }\nsites:\n")],
        ),
        (
            "milliseconds",
            &[("sites:\n", "alerting: { for: 500ms }\nsites:\n")],
        ),
        ("ISO 8601", &[("sites:\n", "alerting: { for: PT10S }\nsites:\n")]),
        (
            "a negative duration",
            &[("sites:\n", "alerting: { for: \"-5s\" }\nsites:\n")],
        ),
        (
            "groupInterval shorter than the default timeout",
            &[("sites:\n", "alerting: { groupInterval: 10s }\nsites:\n")],
        ),
        (
            "a timeout as long as a flush",
            &[("sites:\n", "function: { timeout: 20s }\nsites:\n")],
        ),
        (
            "a timeout too short for two calls",
            &[("sites:\n", "function: { timeout: 2s }\nsites:\n")],
        ),
        (
            "scraping once in ten minutes",
            &[(
                "sites:\n",
                "alerting: { scrapeInterval: 10m, for: 20m }\nsites:\n",
            )],
        ),
        (
            "no waiting before the alert",
            &[("sites:\n", "alerting: { for: 0s }\nsites:\n")],
        ),
        (
            "an hour before the alert",
            &[("sites:\n", "alerting: { for: 2h }\nsites:\n")],
        ),
        (
            "a repeat shorter than a flush",
            &[("sites:\n", "alerting: { repeatInterval: 5s }\nsites:\n")],
        ),
        (
            "a quiet time of a week",
            &[("sites:\n", "register: { cooldown: 7d }\nsites:\n")],
        ),
        (
            "a claim that outlives the function",
            &[("sites:\n", "claim: { renewInterval: 20s }\nsites:\n")],
        ),
        (
            "checkers that ask every minute",
            &[("sites:\n", "health: { route53: true, interval: 1m }\nsites:\n")],
        ),
        (
            "a percentage above a hundred",
            &[("sites:\n", "health: { deepPercent: 101 }\nsites:\n")],
        ),
        (
            "a truth value as a number",
            &[("sites:\n", "health: { route53: 1 }\nsites:\n")],
        ),
        (
            "a truth value as a word",
            &[("sites:\n", "health: { route53: \"on\" }\nsites:\n")],
        ),
        (
            "a mode by another name",
            &[("sites:\n", "mode: dry-run\nsites:\n")],
        ),
        ("two modes", &[("sites:\n", "mode: [act, observe]\nsites:\n")]),
        (
            "an alert's field at the top",
            &[("sites:\n", "groupWait: 5s\nsites:\n")],
        ),
        ("a field of others", &[("sites:\n", "replicas: 2\nsites:\n")]),
    ]);
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(page) });
}
