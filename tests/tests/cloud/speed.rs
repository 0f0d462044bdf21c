//! How much is asked, and how long that takes from far away.

// The ignored one is a measurement, and says what it measured.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tests::standins::gate::Gate;

use crate::world::{APPLY, Cloud, REGION, aws_half};

/// How often each operation was asked for in the usual Region.
fn counted(asked: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for operation in asked.iter().filter_map(|it| it.strip_suffix(REGION)) {
        *counts.entry(operation.trim_end()).or_default() += 1;
    }
    counts
}

/// Where nothing is to be done each stack is asked for once, and who is signed in, too. What comes after are the last
/// words of an apply: the function's URL and whether its topic has listeners.
#[test]
fn each_stack_is_asked_for_once() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    cloud.counter.reset();
    let plan = cloud.run(&["plan", "--function-zip", "given.zip"]);
    assert_eq!(plan.code, Some(0), "{plan}");
    let asked = cloud.counter.asked();
    let counts = counted(&asked);
    for (operation, times) in [
        ("DescribeStacks", 3),
        ("GetTemplate", 3),
        ("ListStackResources", 3),
        ("GetCallerIdentity", 1),
        (
            "GET /2015-03-31/functions/sitefence-demo-fencing/configuration",
            1,
        ),
    ] {
        assert_eq!(counts.get(operation), Some(&times), "{operation}: {counts:#?}");
    }
    cloud.counter.reset();
    let again = cloud.apply();
    assert!(again.stderr.contains("nothing to do"), "{again}");
    let asked = cloud.counter.asked();
    let counts = counted(&asked);
    assert_eq!(counts.get("DescribeStacks"), Some(&5), "{counts:#?}");
    assert_eq!(counts.get("GetCallerIdentity"), Some(&1), "{counts:#?}");
}

/// A measurement for an idle machine: `cargo test --workspace --test cloud -- --ignored --nocapture how_long`.
#[test]
#[ignore = "measures time"]
fn how_long_an_apply_takes_at_100_ms_a_request() {
    let cloud = Cloud::new();
    let address = cloud
        .accelerator
        .url()
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    let accelerator = Gate::start(address, &cloud.counter).unwrap();
    let timed = |what: &str, arguments: &[&str]| {
        cloud.counter.reset();
        let begun = Instant::now();
        let provision = cloud
            .provision()
            .env("AWS_ENDPOINT_URL_GLOBAL_ACCELERATOR", &accelerator.url());
        let run = provision.args(aws_half(arguments)).run().unwrap();
        assert_eq!(run.code, Some(0), "{run}");
        let seconds = begun.elapsed().as_secs_f64();
        println!("{what}: {seconds:.1} s, {} requests", cloud.counter.asked().len());
    };
    for delay in [0, 100] {
        cloud.counter.delay(Duration::from_millis(delay));
        println!("{delay} ms a request");
        timed("the first apply", APPLY);
        timed("an apply with nothing to do", APPLY);
        timed("a plan", &["plan", "--function-zip", "given.zip"]);
        timed("a destroy", &["destroy", "--yes"]);
    }
}
