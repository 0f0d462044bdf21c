//! The demo is also a test: the whole road, from a topology to a deployed function that fences and is taken away again,
//! with the programs as they were built for tests. Each of its claims is checked while it is shown.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

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
    assert!(shown.lines().count() < 320, "too long to be read: {shown}");
}

#[test]
fn every_claim_of_the_demo_is_true() {
    play(&[]);
}

#[test]
fn every_claim_of_its_scene_with_two_regions_is_true() {
    play(&["--two-regions"]);
}
