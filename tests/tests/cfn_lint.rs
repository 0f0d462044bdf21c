//! Every template that the examples render to, judged by cfn-lint: no finding, not even a hint.
//!
//! The files are those of `golden/`, which `golden.rs` compares with what is rendered. What cfn-lint does not see, a
//! missing URL permission for one, `provisioner`'s own checks prove on every render.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tests::tools::{Tools, ToolsError};

/// A finding that asks for `Fn::Sub`, which our templates do without: nothing in them is to be expanded by surprise.
const WITHOUT_SUB: &str = "I1022";

/// Shows that findings are found: the retention is one that CloudWatch does not know.
const FLAWED: &str = "
Resources:
  LogGroup: { Type: 'AWS::Logs::LogGroup', Properties: { RetentionInDays: 8 } }
";

/// The templates below `golden/`, and the Regions they are for: `EXAMPLE/aws/REGION/STACK.yaml`.
fn templates() -> (Vec<PathBuf>, BTreeSet<String>) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let below = |folder: &Path| -> Vec<PathBuf> {
        let entries =
            std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let (mut files, mut regions) = (Vec::new(), BTreeSet::new());
    for example in below(&golden) {
        for region in below(&example.join("aws")) {
            regions.insert(region.file_name().unwrap().to_string_lossy().into_owned());
            files.extend(below(&region));
        }
    }
    files.sort();
    (files, regions)
}

#[test]
fn no_template_has_a_finding() {
    let tools = match Tools::ensure() {
        Ok(tools) => tools,
        Err(error @ (ToolsError::NoPython(_) | ToolsError::OldPython { .. })) => {
            // Past the test harness, which would keep it to itself.
            let said = writeln!(
                std::io::stderr(),
                "SKIPPED: the templates were not linted: {error}"
            );
            return said.unwrap();
        }
        Err(error) => panic!("{error}"),
    };
    let place = tempfile::tempdir().unwrap();
    let flawed = place.path().join("flawed.yaml");
    std::fs::write(&flawed, FLAWED).unwrap();
    let (files, regions) = templates();
    // One process for all of them: it takes seconds to start.
    let output = Command::new(tools.program("cfn-lint"))
        .args([
            "--format",
            "json",
            "--include-checks",
            "I",
            "--ignore-checks",
            WITHOUT_SUB,
            "--regions",
        ])
        .args(regions)
        .arg("--")
        .args(&files)
        .arg(&flawed)
        // Somebody's own settings for it are not ours.
        .current_dir(place.path())
        .env("HOME", place.path())
        .output()
        .unwrap();
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let (said, complained) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        panic!("{error}\n{said}\n{complained}");
    });
    let (expected, others): (Vec<&Value>, Vec<&Value>) = findings
        .iter()
        .partition(|finding| finding["Filename"].as_str() == flawed.to_str());
    assert!(others.is_empty(), "{others:#?}");
    assert!(!expected.is_empty(), "it finds nothing where something is");
    assert!(files.len() >= 15, "{files:#?}");
}
