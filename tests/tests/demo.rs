//! The demo is also a test: the whole road, from a topology to a deployed function that fences and is taken away again,
//! with the programs as they were built for tests. Each of its claims is checked while it is shown.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use tests::{provision, tools};

fn play(arguments: &[&str]) {
    let function = tools::target_directory().unwrap().join("debug/bootstrap");
    assert!(
        function.is_file(),
        "{} is not built: `cargo build --workspace --bins`",
        function.display()
    );
    let output = Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(arguments)
        .arg(provision::binary().unwrap())
        .arg(function)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples"))
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}\n{complaints}");
    assert!(shown.contains("all of them true"), "{shown}");
    assert!(shown.lines().count() < 340, "too long to be read: {shown}");
}

#[test]
fn every_claim_of_the_demo_is_true() {
    play(&[]);
}

#[test]
fn every_claim_of_its_scene_with_two_regions_is_true() {
    play(&["--two-regions"]);
}

/// Somebody who is new types what the screen says, and stops it.
#[test]
fn a_stage_that_is_kept_can_be_tried_and_is_gone_after_an_interrupt() {
    let function = tools::target_directory().unwrap().join("debug/bootstrap");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"))
        .arg("--keep")
        .arg(provision::binary().unwrap())
        .arg(function)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut shown = BufReader::new(demo.stdout.take().unwrap()).lines();
    let script = shown
        .by_ref()
        .map(Result::unwrap)
        .find_map(|line| Some(line.split_once("$ . ")?.1.to_owned()))
        .unwrap();
    let mut shown_until = |words: &str| -> Vec<String> {
        let mut lines = Vec::new();
        for line in shown.by_ref().map(Result::unwrap) {
            lines.push(line);
            if lines.iter().any(|line| line.contains(words)) {
                return lines;
            }
        }
        panic!("never said {words:?}: {lines:?}");
    };
    let proposed = shown_until("Ctrl-C takes all of it down");
    let typed = |command: &str| {
        let shell = Command::new("bash")
            .args(["-ec", &format!(". '{script}'\n{command}")])
            .output()
            .unwrap();
        assert!(shell.status.success(), "{command}: {shell:?}");
        format!("{shell:?}")
    };
    let drill = typed("provision drill local.yaml");
    assert!(drill.contains("would fence site-b"), "{drill}");
    assert!(drill.contains("nothing was changed"), "{drill}");
    // Whoever types may take everything away, and apply again: the world around it goes on.
    typed("provision destroy local.yaml --yes");
    shown_until("The function does not run");
    let apply = proposed
        .iter()
        .find_map(|line| line.split_once("$ provision apply "));
    typed(&format!("provision apply {} --yes", apply.unwrap().1));
    shown_until("The function runs again");
    let pid = rustix::process::Pid::from_child(&demo);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let last: Vec<String> = shown.map(Result::unwrap).collect();
    assert!(demo.wait().unwrap().success(), "{last:?}");
    assert!(
        last.iter().any(|line| line.contains("nothing of it is left")),
        "{last:?}"
    );
    assert!(!Path::new(&script).exists());
}
