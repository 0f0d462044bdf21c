//! The command line as people and programs meet it: help at two widths, the flags of all verbs, and what each verb
//! answers a program with where it fails.
//!
//! `INSTA_UPDATE=always cargo test --workspace --test command_line` rewrites the pages.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const MINIMAL: &str = include_str!("../../examples/minimal.yaml");
/// Each verb, with arguments that it cannot do without.
const VERBS: &[&[&str]] = &[
    &["validate"],
    &["render"],
    &["build"],
    &["plan"],
    &["apply", "--yes"],
    &["status"],
    &["destroy", "--yes"],
    &["history"],
    &["fence", "site-b", "--reason", "work", "--yes"],
    &["reconcile"],
    &["rejoin", "site-b", "--yes"],
    &["promote", "site-b", "--yes"],
    &["hold", "--reason", "work"],
    &["release"],
    &["drill", "--fail-health", "1m"],
];

fn provision(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
    command
        .env_clear()
        .env("HOME", folder)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .args(arguments)
        .current_dir(folder);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn help(verb: Option<&str>, width: &str, colour: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    let arguments: Vec<&str> = verb.into_iter().chain(["--help"]).collect();
    let mut command = provision(folder.path(), &arguments);
    command.env("COLUMNS", width);
    if colour {
        command.env("CLICOLOR_FORCE", "1");
    }
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    assert!(status.success() && stderr.is_empty(), "{}", text(&stderr));
    text(&stdout)
}

/// Every verb there is, by the program's own help.
fn verbs() -> Vec<String> {
    let help = help(None, "200", false);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let lines = commands.lines().take_while(|line| !line.is_empty());
    lines
        .filter(|line| !line.starts_with("    "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|verb| verb != "help")
        .collect()
}

#[test]
fn help_fits_the_terminal_and_shows_examples() {
    let mut page = help(None, "80", false);
    for verb in verbs() {
        let narrow = help(Some(&verb), "80", false);
        assert!(narrow.contains("\nExamples:\n  "), "{verb}: {narrow}");
        page.push_str(&format!("\n===== {verb}\n{narrow}"));
    }
    for (width, most) in [("80", 80), ("200", 100)] {
        for verb in std::iter::once(None).chain(verbs().iter().map(|verb| Some(verb.as_str()))) {
            let help = help(verb, width, false);
            // An example is one line, to be pasted.
            let (words, _) = help.split_once("\nExamples:\n").unwrap_or((&help, ""));
            let longest = words.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(most), "{verb:?} at {width}: {help}");
        }
    }
    insta::assert_snapshot!("help", page);
}

#[test]
fn colour_adds_nothing_but_colour() {
    for verb in verbs() {
        let (plain, painted) = (help(Some(&verb), "80", false), help(Some(&verb), "80", true));
        assert!(!plain.contains('\u{1b}'), "{verb}: {plain}");
        assert!(painted.contains("\u{1b}["), "{verb}: {painted}");
        let mut bare = String::new();
        let mut rest = painted.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            bare.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        bare.push_str(rest);
        assert_eq!(bare, plain, "{verb}");
    }
}

/// What a program reads when `arguments` fail.
fn error(folder: &Path, arguments: &[&str], code: i32) -> Value {
    let arguments = [arguments, &["--output", "json"]].concat();
    let output = provision(folder, &arguments).output().unwrap();
    let about = || format!("{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{}", about());
    assert!(!text(&output.stderr).contains("panicked"), "{}", about());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", about()))
}

fn without_places(page: &str, folder: &Path) -> String {
    page.replace(&folder.display().to_string(), "FOLDER")
}

#[test]
fn each_verb_answers_a_program_where_it_fails() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("good.yaml"), MINIMAL).unwrap();
    std::fs::write(at.join("bad.yaml"), MINIMAL.replace("site-b", "Site b")).unwrap();
    // Neither a compiler nor a checkout is here.
    std::fs::create_dir(at.join("empty")).unwrap();
    let mut page = String::new();
    let mut show = |title: String, answer: &Value| page.push_str(&format!("## {title}\n{answer:#}\n\n"));
    for arguments in VERBS {
        let with = |file: &'static str| [*arguments, &[file]].concat();
        let verb = arguments[0];
        show(
            format!("{verb}: no such file"),
            &error(at, &with("absent.yaml"), 2),
        );
        show(
            format!("{verb}: an invalid topology"),
            &error(at, &with("bad.yaml"), 2),
        );
        show(
            format!("{verb}: an unknown flag"),
            &error(at, &[arguments, &["--no-such-flag"][..]].concat(), 2),
        );
        let needs_aws = !["validate", "render", "build"].contains(&verb);
        if needs_aws {
            show(
                format!("{verb}: nobody is signed in"),
                &error(at, &with("good.yaml"), 1),
            );
        }
        if ["fence", "rejoin", "promote"].contains(&verb) {
            let elsewhere = [&[verb, "site-c"], &arguments[2..], &["good.yaml"]].concat();
            show(format!("{verb}: no such site"), &error(at, &elsewhere, 2));
        }
        if ["plan", "apply", "destroy"].contains(&verb) {
            let part = [arguments, &["good.yaml", "--only", "site-c"][..]].concat();
            show(format!("{verb}: no such part"), &error(at, &part, 2));
        }
    }
    let source = ["build", "good.yaml", "--source", "empty"];
    show("build: no checkout".to_owned(), &error(at, &source, 1));
    show(
        "explain: no such field".to_owned(),
        &error(at, &["explain", "sites.contxt"], 2),
    );
    show("no verb".to_owned(), &error(at, &["deploy"], 2));
    insta::assert_snapshot!("failures", without_places(&page, at));
}

#[test]
fn each_offline_verb_answers_a_program() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("topology.yaml"), MINIMAL).unwrap();
    let mut page = String::new();
    for arguments in [
        &["validate"][..],
        &["render", "-o", "out"],
        &["render", "-o", "out"],
        &["explain", "sites.infinispan"],
        &["explain", "mode"],
    ] {
        let answer = error(at, arguments, 0);
        page.push_str(&format!("## {}\n{answer:#}\n\n", arguments.join(" ")));
    }
    insta::assert_snapshot!("answers", without_places(&page, at));
}

#[test]
fn fields_are_explained_as_people_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut page = String::new();
    for field in [
        "",
        "sites",
        "sites.infinispan.caBundle",
        "mode",
        "alerting.for",
        "tags",
        "sites.contxt",
    ] {
        let output = provision(folder.path(), &["explain", field]).output().unwrap();
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(
            text(&output.stdout)
                .lines()
                .all(|line| line.chars().count() <= 80),
            "{said}"
        );
        page.push_str(&format!("$ provision explain {field}\n{said}\n"));
    }
    insta::assert_snapshot!("explain", page);
}

#[test]
fn a_profile_wins_over_keys_and_reaches_every_reader() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("topology.yaml"), MINIMAL).unwrap();
    let run = |arguments: &[&str]| {
        let output = provision(at, arguments)
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "s3cret")
            .output()
            .unwrap();
        text(&output.stderr)
    };
    let said = run(&["history", "--profile", "prod"]);
    assert!(
        said.contains("the AWS profile `prod` gives no credentials"),
        "{said}"
    );
    // Said before anybody signs in: it decides nothing about where things are.
    let said = run(&["history", "--profile", "prod", "--region", "us-east-1"]);
    assert!(
        said.starts_with("warning: us-east-1 is not one of the Regions in topology.yaml"),
        "{said}"
    );
    let said = run(&["history", "--profile", "prod", "--region", "eu-west-1"]);
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn a_profile_or_region_without_a_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("topology.yaml"), MINIMAL).unwrap();
    for flags in [
        &["--profile", ""][..],
        &["--profile="],
        &["--region", ""],
        &["--region="],
        &["--profile", "", "--region", ""],
    ] {
        // Starting over for ever would never end: no waiting for that.
        let mut child = provision(at, &[&["validate"], flags].concat())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let began = std::time::Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code();
            }
            if began.elapsed().as_secs() > 30 {
                child.kill().unwrap();
                panic!("{flags:?} does not end");
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        assert_eq!(status, Some(2), "{flags:?}");
    }
    // Both reasons to start over, one after the other.
    let output = provision(at, &["validate", "--profile", "prod", "--region", "eu-west-1"])
        .env("AWS_PROFILE", "")
        .env("AWS_REGION", "")
        .env("AWS_ENDPOINT_URL", "")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn what_others_export_for_their_completion_stops_no_verb() {
    let folder = tempfile::tempdir().unwrap();
    for (variable, value) in [
        ("COMPLETE", "true"),
        ("COMPLETE", "bash"),
        ("PROVISION_COMPLETE", "true"),
        ("PROVISION_COMPLETE", "bash"),
    ] {
        let output = provision(folder.path(), &["validate", "/nonexistent.yaml"])
            .env(variable, value)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{variable}={value}");
        assert!(!output.stderr.is_empty(), "{variable}={value}");
    }
}

#[test]
fn calls_are_shown_when_asked_for_and_never_what_they_carry() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("topology.yaml"), MINIMAL).unwrap();
    let run = |flags: &[&str]| {
        let output = provision(at, &[&["history"], flags].concat())
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "s3cret")
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
            .env("AWS_MAX_ATTEMPTS", "1")
            .output()
            .unwrap();
        text(&output.stderr)
    };
    let lines = |said: &str| said.lines().filter(|line| line.contains(": no answer")).count();
    assert_eq!(lines(&run(&[])), 0);
    assert_eq!(lines(&run(&["-q"])), 0);
    let said = run(&["-v"]);
    assert!(
        said.contains("dynamodb ") && said.contains(" in eu-west-1: no answer"),
        "{said}"
    );
    let more = run(&["-vv"]);
    assert!(more.contains("(http://127.0.0.1:1/"), "{more}");
    for said in [said, more] {
        assert!(!said.contains("s3cret") && !said.contains("AKIA"), "{said}");
    }
}

fn completed(folder: &Path, words: &[&str]) -> Vec<String> {
    let output = provision(folder, &[&["--", "provision"], words].concat())
        .env("PROVISION_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .env("_CLAP_IFS", "\n")
        .env("KUBECONFIG", folder.join("kubeconfig"))
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        text(&output.stderr)
    );
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn a_shell_completes_verbs_files_sites_regions_and_profiles() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("topology.yaml"), MINIMAL).unwrap();
    std::fs::write(at.join("other.yaml"), MINIMAL.replace("site-", "dc-")).unwrap();
    std::fs::create_dir(at.join(".aws")).unwrap();
    std::fs::write(at.join(".aws/config"), "[profile prod]\n[profile pilot]\n").unwrap();
    for (words, expected) in [
        (&["rel"][..], &["release"][..]),
        (&["validate", "to"], &["topology.yaml"]),
        (&["rejoin", "s"], &["site-a", "site-b"]),
        (&["plan", "other.yaml", "--only", "d"], &["dc-a", "dc-b"]),
        (
            &["plan", "--region", "eu-west-"],
            &["eu-west-1", "eu-west-2", "eu-west-3"],
        ),
        (&["plan", "--profile", "p"], &["prod", "pilot"]),
        (
            &["explain", "alerting.g"],
            &["alerting.groupInterval", "alerting.groupWait"],
        ),
        (&["man", "dr"], &["drill"]),
    ] {
        let mut proposed = completed(at, words);
        let mut expected: Vec<String> = expected.iter().map(|it| (*it).to_owned()).collect();
        proposed.sort();
        expected.sort();
        assert_eq!(proposed, expected, "{words:?}");
    }
}

#[test]
fn each_verb_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let output = provision(folder.path(), &["man", "-o", "man1"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    for verb in verbs() {
        let page = std::fs::read_to_string(folder.path().join(format!("man1/provision-{verb}.1"))).unwrap();
        assert!(
            page.contains(&format!(".TH PROVISION-{}", verb.to_uppercase())),
            "{page}"
        );
        assert!(page.contains("Examples:") && !page.contains('\u{1b}'), "{page}");
    }
}
