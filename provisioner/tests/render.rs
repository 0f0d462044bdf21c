//! `provision render` as a user meets it: the real binary and the folder it leaves.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Runs without anything in the environment that a render could use.
fn provision(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_provision"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_folder_is_laid_out_and_left_alone_where_others_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let example = examples().join("two-zones.yaml");
    let example = example.to_str().unwrap();

    let first = provision(folder.path(), &["render", example, "-o", "out"]);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let listed: Vec<String> = text(&first.stdout).lines().map(str::to_owned).collect();
    for file in [
        "aws/eu-west-1/fencing.yaml",
        "clusters/site-a/kustomization.yaml",
        "by-hand/site-b/secret.yaml",
    ] {
        assert!(listed.contains(&format!("out/{file}")), "{listed:?}");
        assert!(folder.path().join("out").join(file).is_file(), "{file}");
    }
    assert_eq!(
        text(&first.stderr),
        format!("{} written, 0 removed, 0 unchanged\n", listed.len())
    );

    let second = provision(folder.path(), &["render", example, "-o", "out"]);
    assert_eq!(
        text(&second.stderr),
        format!("0 written, 0 removed, {} unchanged\n", listed.len())
    );

    std::fs::write(
        folder.path().join("out/clusters/site-a/prometheusrule.yaml"),
        "mine\n",
    )
    .unwrap();
    let third = provision(folder.path(), &["render", example, "-o", "out"]);
    assert_eq!(
        (third.status.code(), text(&third.stdout), text(&third.stderr)),
        (
            Some(3),
            String::new(),
            "error: nothing was written to `out`: these files are not as `render` left them\n  clusters/site-a/prometheusrule.yaml was edited since\nhint: change the topology instead, or copy your version elsewhere; `--force` overwrites them\n"
                .to_owned()
        )
    );

    let forced = provision(folder.path(), &["render", example, "-o", "out", "--force"]);
    assert_eq!(
        text(&forced.stderr),
        format!("1 written, 0 removed, {} unchanged\n", listed.len() - 1)
    );
}

#[test]
fn without_a_folder_everything_goes_to_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let example = examples().join("minimal.yaml");
    let example = example.to_str().unwrap();
    let stream = provision(folder.path(), &["render", example]);
    assert!(text(&stream.stdout).contains("--- # aws/eu-west-1/fencing.yaml\n"));
    let json = provision(folder.path(), &["render", example, "--output", "json"]);
    let answer: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    for document in answer["documents"].as_array().unwrap() {
        let path = document["path"].as_str().unwrap();
        assert!(
            text(&stream.stdout).contains(&format!("--- # {path}\n{}", document["text"].as_str().unwrap()))
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_invalid_topology_renders_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("topology.yaml"), "name: x\n").unwrap();
    let output = provision(folder.path(), &["render", "-o", "out"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!folder.path().join("out").exists());
}

/// A folder may be called what is no text; the documents are written and the answer names it as well as it can.
#[test]
#[cfg(target_os = "linux")]
fn a_folder_whose_name_is_not_text_is_shown_in_json_too() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let example = examples().join("minimal.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_provision"))
        .arg("render")
        .arg(&example)
        .args(["--output", "json", "-o"])
        .arg(std::ffi::OsStr::from_bytes(b"ou\xfft"))
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["folder"], "ou\u{fffd}t");
}

/// Documents of one topology are not removed for another's, and nothing is written through a link.
#[cfg(unix)]
#[test]
fn a_folder_is_one_topology_s_and_ends_where_a_link_begins() {
    let folder = tempfile::tempdir().unwrap();
    let minimal = include_str!("../../examples/minimal.yaml");
    std::fs::write(folder.path().join("one.yaml"), minimal).unwrap();
    let other = minimal.replacen("name: keycloak", "name: other", 1);
    std::fs::write(folder.path().join("other.yaml"), other).unwrap();
    let render = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_provision"))
            .arg("render")
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    assert_eq!(render(&["one.yaml", "-o", "out"]).0, Some(0));
    let (code, told) = render(&["other.yaml", "-o", "out", "--force"]);
    assert_eq!(code, Some(3), "{told}");
    assert!(
        told.contains("holds the documents of the topology `keycloak`"),
        "{told}"
    );

    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::create_dir(folder.path().join("linked")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.path().join("linked/aws")).unwrap();
    let (code, told) = render(&["one.yaml", "-o", "linked", "--force"]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("is a link, and leads out of the folder"), "{told}");
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}
