//! `provision init` without a world: from flags, and on a terminal. What it writes is a snapshot and validates, or its
//! marks are what `validate` names.
//!
//! `INSTA_UPDATE=always cargo test --workspace --test init` rewrites the pages.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const WHOLE: &[&str] = &[
    "--name",
    "sso",
    "--site",
    "LON",
    "--site",
    "dc.2",
    "--context",
    "default/api-ocp:6443/admin",
    "--context",
    "b",
    "--site-region",
    "eu-west-2",
    "--platform",
    "openshift",
    "--platform",
    "kubernetes",
    "--namespace",
    "keycloak",
    "--accelerator",
    "a1b2c3d4e5f60718.awsglobalaccelerator.com",
    "--username",
    "developer",
    "--password-secret",
    "keycloak/infinispan",
];

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
    command
        .env_clear()
        .env("HOME", folder)
        .args(arguments)
        .current_dir(folder);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command(folder, arguments).output().unwrap();
    format!(
        "$ provision {}\nexit code {}\n--- stdout\n{}--- stderr\n{}",
        arguments.join(" "),
        status.code().unwrap_or(-1),
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    )
}

fn written(folder: &Path) -> String {
    fs::read_to_string(folder.join("topology.yaml")).unwrap()
}

#[test]
fn flags_alone_make_a_topology_that_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let said = run(at, &[&["init"], WHOLE].concat());
    let validated = run(at, &["validate"]);
    assert!(validated.contains("exit code 0"), "{validated}\n{}", written(at));
    insta::assert_snapshot!(
        "from_flags",
        format!("{said}\n{validated}\n--- topology.yaml\n{}", written(at))
    );
}

#[test]
fn what_flags_do_not_say_is_marked_and_validate_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let said = run(
        at,
        &[
            "init",
            "--site",
            "site-a",
            "--site",
            "site-b",
            "--site-region",
            "eu-west-1",
        ],
    );
    let validated = run(at, &["validate"]);
    assert!(validated.contains("exit code 2"), "{validated}");
    let marks = written(at)
        .lines()
        .filter(|line| line.contains(": FILL-IN"))
        .count();
    assert_eq!(
        validated.matches("was left for you to fill in").count(),
        marks,
        "{validated}"
    );
    // Nothing else is said about a line that waits.
    assert_eq!(validated.matches("error: ").count(), marks, "{validated}");
    insta::assert_snapshot!(
        "marked",
        format!("{said}\n{validated}\n--- topology.yaml\n{}", written(at))
    );
}

/// The flag of all verbs is the Region of both sites, and of the function, where no flag of a site says otherwise.
#[test]
fn one_region_for_all_is_both_sites_and_the_function_s() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let sites = ["init", "--site", "site-a", "--site", "site-b"];
    run(at, &[&sites[..], &["--region", "eu-west-1"]].concat());
    let text = written(at);
    assert!(text.contains("\nregions: [eu-west-1]  # "), "{text}");
    assert_eq!(
        text.matches("    region: eu-west-1  # by --region\n").count(),
        2,
        "{text}"
    );
    assert!(!text.contains("egions: [FILL-IN]"), "{text}");
    let other = [
        "--force",
        "--site-region",
        "eu-west-1",
        "--site-region",
        "eu-west-2",
    ];
    run(at, &[&sites[..], &other, &["--region", "eu-central-1"]].concat());
    let text = written(at);
    assert!(
        text.contains("\nregions: [eu-west-1, eu-west-2]  # ") && !text.contains("by --region"),
        "{text}"
    );
    let wrong = run(at, &[&sites[..], &["--force", "--region", "eu-wset-1"]].concat());
    assert!(
        wrong.contains("exit code 2") && wrong.contains("error: "),
        "{wrong}"
    );
}

#[test]
fn what_does_not_validate_is_said_and_is_not_planned() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // The same site twice: each flag is right, the two together are not.
    let same: Vec<&str> = WHOLE
        .iter()
        .map(|word| if *word == "dc.2" { "LON" } else { *word })
        .collect();
    let said = run(at, &[&["init"], &same[..]].concat());
    let validated = run(at, &["validate"]);
    assert!(validated.contains("exit code 2"), "{validated}");
    let mistake = validated
        .lines()
        .find(|line| line.starts_with("error: "))
        .unwrap();
    assert!(said.contains(mistake), "{said}\n{validated}");
    assert!(
        said.contains("provision validate") && !said.contains("provision plan"),
        "{said}"
    );
    let answer = command(
        at,
        &[&["init", "--force", "--output", "json"], &same[..]].concat(),
    )
    .output()
    .unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(answer["next"], serde_json::json!(["provision validate"]));
}

#[test]
fn sites_in_two_regions_need_a_register_in_a_third() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let two: Vec<&str> = WHOLE
        .iter()
        .copied()
        .chain(["--site-region", "eu-central-1"])
        .collect();
    run(at, &[&["init"], &two[..]].concat());
    assert!(
        written(at).contains("regions: [eu-central-1, eu-west-2]"),
        "{}",
        written(at)
    );
    assert!(written(at).contains("  regions: [FILL-IN]"), "{}", written(at));
    let third = [&["init", "--force", "--register-region", "eu-west-3"], &two[..]].concat();
    run(at, &third);
    let validated = run(at, &["validate"]);
    assert!(validated.contains("exit code 0"), "{validated}\n{}", written(at));
}

#[test]
fn nothing_is_overwritten_and_mistakes_in_flags_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("topology.yaml"), "mine").unwrap();
    let mut page = String::new();
    for arguments in [
        &["init"][..],
        &["init", "-o", "new.yaml", "--name", "Keycloak Prod"],
        &["init", "-o", "new.yaml", "--site-region", "eu-wset-1"],
        &["init", "-o", "new.yaml", "--platform", "rosa"],
        &["init", "-o", "new.yaml", "--from-clusters"],
        &[
            "init",
            "-o",
            "new.yaml",
            "--from-clusters",
            "--context",
            "a",
            "--context",
            "b",
        ],
        &["init", "-o", "new.yaml", "--trust", "AB:CD"],
        &[
            "init", "-o", "new.yaml", "--site", "a", "--site", "b", "--site", "c",
        ],
        &[
            "init",
            "-o",
            "new.yaml",
            "--from-clusters",
            "--context",
            "a",
            "--context",
            "b",
            "--context",
            "c",
        ],
    ] {
        page.push_str(&run(at, arguments));
        page.push('\n');
        assert!(!at.join("new.yaml").exists());
    }
    assert_eq!(written(at), "mine");
    insta::assert_snapshot!("refusals", page);
}

#[test]
fn it_goes_to_stdout_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(folder.path(), &[&["init", "-o", "-"], WHOLE].concat());
    assert!(
        said.contains("exit code 0") && said.contains("\nname: sso\n"),
        "{said}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// `provision` on a terminal of its own, with these answers typed.
fn talk(folder: &Path, arguments: &[&str], answers: &str) -> String {
    let provision = command(folder, arguments);
    let mut line = vec![provision.get_program().to_string_lossy().into_owned()];
    line.extend(provision.get_args().map(|it| it.to_string_lossy().into_owned()));
    let line: Vec<String> = line
        .iter()
        .map(|word| shlex::try_quote(word).unwrap().into_owned())
        .collect();
    // util-linux' script gives a program a terminal.
    let mut child = Command::new("script")
        .args([
            "--quiet",
            "--return",
            "--echo",
            "never",
            "--command",
            &line.join(" "),
            "/dev/null",
        ])
        .env("HOME", folder)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdin.write_all(answers.as_bytes()).unwrap();
    let mut said = Vec::new();
    stdout.read_to_end(&mut said).unwrap();
    drop(stdin);
    let status = child.wait().unwrap();
    format!(
        "exit code {}\n{}",
        status.code().unwrap_or(-1),
        String::from_utf8_lossy(&said).replace("\r\n", "\n")
    )
}

#[test]
fn on_a_terminal_what_is_left_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let answers = [
        "sso",
        "site-a",
        "a",
        "keycloak",
        "rosa",
        "openshift",
        "eu-west-1",
        "site-b",
        "b",
        "keycloak",
        "openshift",
        "eu-west-1",
        "",
        "a1b2c3d4e5f60718.awsglobalaccelerator.com",
        "developer",
        "keycloak/infinispan",
    ];
    let said = talk(at, &["init"], &format!("{}\n", answers.join("\n")));
    let validated = run(at, &["validate"]);
    assert!(validated.contains("exit code 0"), "{said}\n{validated}");
    insta::assert_snapshot!("terminal", format!("{said}\n--- topology.yaml\n{}", written(at)));
}
