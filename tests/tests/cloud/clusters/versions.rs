//! Which version runs, which one would, and what lies between: from an older function to this one, and away again.
//!
//! Where `cargo xtask dist --check` runs these tests, `provision` is what is distributed, alone in an empty root, and the
//! newer function is the one that it carries. Otherwise both functions are handed in.

use fencing::contract::{AGENT, AGENT_NAME};
use provisioner::topology::Architecture;
use tests::provision;

use super::*;
use crate::world::fake_function;

const OURS: &str = env!("CARGO_PKG_VERSION");
const OLDER: &str = "0.0.9";

/// The processor whose function is deployed. What is distributed carries both.
fn architecture() -> Architecture {
    match std::env::var("SITEFENCE_ARCHITECTURE").as_deref() {
        Ok("arm64") => Architecture::Arm64,
        _ => Architecture::X86_64,
    }
}

/// A function that calls itself by a version.
fn function(version: &str) -> Vec<u8> {
    let machine = match architecture() {
        Architecture::Arm64 => 183,
        Architecture::X86_64 => 62,
    };
    fake_function(&format!("{AGENT_NAME}{version} (fencing)"), machine)
}

/// What hands the newer function in: nothing where `provision` carries it.
fn newer() -> &'static [&'static str] {
    if provision::another().is_some() {
        &[]
    } else {
        &["--function-zip", "newer.zip"]
    }
}

impl Sites {
    fn with_two_functions() -> Self {
        let sites = Self::new();
        let home = sites.cloud.home.path();
        let topology = std::fs::read_to_string(home.join("topology.yaml")).unwrap();
        let wanted = format!("architecture: {}", architecture());
        std::fs::write(
            home.join("topology.yaml"),
            topology.replace("architecture: x86_64", &wanted),
        )
        .unwrap();
        std::fs::write(home.join("older.zip"), function(OLDER)).unwrap();
        std::fs::write(home.join("newer.zip"), function(OURS)).unwrap();
        sites
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(0), "{arguments:?}: {run}");
        run.stdout
    }
}

#[test]
fn an_older_function_is_replaced_by_a_newer_one_and_goes() {
    assert!(AGENT.contains(OURS), "{AGENT}");
    let sites = Sites::with_two_functions();
    let before = sites.inventory();
    sites.succeeds(&["validate"]);
    sites.succeeds(&["render", "-o", "out"]);
    assert!(sites.cloud.home.path().join("out/aws/eu-west-1").is_dir());
    let version = sites.succeeds(&["version", "topology.yaml"]);
    assert!(version.contains("eu-west-1           no function\n"), "{version}");

    sites.succeeds(&["apply", "--yes", "--no-wait", "--function-zip", "older.zip"]);
    let version = sites.succeeds(&["version", "topology.yaml"]);
    assert!(
        version.contains(&format!("eu-west-1           {OLDER}  code ")),
        "{version}"
    );
    let same = sites.succeeds(&["plan", "--function-zip", "older.zip"]);
    assert!(
        !same.contains("the function\n") && same.contains("\nnothing to do\n"),
        "{same}"
    );

    let plan = sites.succeeds(&[&["plan"], newer()].concat());
    let way = format!("\nthe function\n  ~ eu-west-1  {OLDER} → {OURS}\n    {OURS} (CHANGELOG)\n      - ");
    assert!(plan.contains(&way), "{plan}");
    sites.succeeds(&[&["apply", "--yes", "--no-wait"], newer()].concat());
    let nothing = sites.succeeds(&[&["plan", "--detailed-exitcode"], newer()].concat());
    assert!(nothing.contains("\nnothing to do\n"), "{nothing}");
    let version = sites.succeeds(&["version", "topology.yaml"]);
    assert!(
        version.contains(&format!("eu-west-1           {OURS}  code ")),
        "{version}"
    );
    if provision::another().is_some() {
        assert!(
            version.contains("carries the function for arm64") && version.contains("  the same\n"),
            "{version}"
        );
    }
    let said = block_on(async {
        let lambda = aws_sdk_lambda::Client::new(&sites.cloud.aws.sdk_config(REGION));
        let function = lambda
            .get_function_configuration()
            .function_name("sitefence-demo-fencing");
        function.send().await.unwrap().description.unwrap_or_default()
    });
    assert!(said.ends_with(&format!("; version {OURS}")), "{said}");

    // Back to the older one is said as loudly.
    let back = sites.succeeds(&["plan", "--function-zip", "older.zip"]);
    assert!(
        back.contains(&format!("{OURS} → {OLDER}: BACK to an older one")),
        "{back}"
    );
    sites.succeeds(DESTROY);
    assert_eq!(sites.inventory(), before);
    let version = sites.succeeds(&["version", "topology.yaml", "--output", "json"]);
    assert!(
        version.contains("\"deployed\": [\n      {\n        \"region\": \"eu-west-1\""),
        "{version}"
    );
}

/// A Region that is out of reach is named, and the exit code says that the answer is not whole.
#[test]
fn a_region_that_does_not_answer_leaves_the_versions_incomplete() {
    let sites = Sites::with_two_functions();
    let dead = "http://127.0.0.1:9";
    let run = sites
        .provision()
        .env("AWS_ENDPOINT_URL_LAMBDA", dead)
        .env("AWS_MAX_ATTEMPTS", "1")
        .args(["version", "topology.yaml"])
        .run()
        .unwrap();
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stdout.contains("eu-west-1           out of reach: "), "{run}");
}
