//! How much is asked, and how long that takes from far away.

// The ignored one is a measurement, and says what it measured.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::process::Command;
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

/// Where nothing is to be done each stack is asked for once, and who is signed in, too. What an answer has said, such as
/// the function's URL, the topic, the lock's own tag, is not asked for again.
#[test]
fn each_stack_is_asked_for_once() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    let asked = cloud.counter.asked();
    let of_lock = asked.iter().filter(|it| it.contains("apply.lock"));
    let of_lock: Vec<&str> = of_lock.filter_map(|it| it.split(' ').next()).collect();
    assert_eq!(of_lock, ["PUT", "DELETE"], "{asked:#?}");
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
    assert_eq!(counts.get("DescribeStacks"), Some(&3), "{counts:#?}");
    assert_eq!(counts.get("GetCallerIdentity"), Some(&1), "{counts:#?}");
}

/// The AWS half of Keycloak's guide, one command after the other, without what it does in the clusters. How long it takes;
/// nothing where the AWS CLI is not installed.
fn guides_commands(cloud: &Cloud) -> Option<Duration> {
    const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    const READ: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}"#;
    let account = &cloud.account;
    let role = format!("arn:aws:iam::{account}:role/guide");
    let read = format!("arn:aws:iam::{account}:policy/guide");
    let zip = format!("fileb://{}", cloud.function_zip().display());
    let list = ["iam", "list-policies", "--scope", "AWS"].as_slice();
    let attach = |policy: &str| {
        let attach = [
            "iam",
            "attach-role-policy",
            "--role-name",
            "guide",
            "--policy-arn",
            policy,
        ];
        attach.map(str::to_owned).to_vec()
    };
    let plain = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let commands = [
        plain(&[
            "secretsmanager",
            "create-secret",
            "--name",
            "webhook",
            "--secret-string",
            "changeme",
        ]),
        plain(&[
            "iam",
            "create-role",
            "--role-name",
            "guide",
            "--assume-role-policy-document",
            TRUST,
        ]),
        plain(&[
            "iam",
            "create-policy",
            "--policy-name",
            "guide",
            "--policy-document",
            READ,
        ]),
        attach(&read),
        plain(list),
        attach("arn:aws:iam::aws:policy/ElasticLoadBalancingReadOnly"),
        plain(list),
        attach("arn:aws:iam::aws:policy/GlobalAcceleratorFullAccess"),
        plain(&[
            "lambda",
            "create-function",
            "--function-name",
            "guide",
            "--zip-file",
            &zip,
            "--handler",
            "lambda.handler",
            "--runtime",
            "python3.12",
            "--role",
            &role,
        ]),
        plain(&[
            "lambda",
            "create-function-url-config",
            "--function-name",
            "guide",
            "--auth-type",
            "NONE",
        ]),
        plain(&[
            "lambda",
            "add-permission",
            "--function-name",
            "guide",
            "--statement-id",
            "public",
            "--principal",
            "*",
            "--action",
            "lambda:InvokeFunctionUrl",
            "--function-url-auth-type",
            "NONE",
        ]),
        plain(&[
            "lambda",
            "update-function-configuration",
            "--function-name",
            "guide",
            "--environment",
            "Variables={WEBHOOK_USER_SECRET=webhook,WEBHOOK_USER=keycloak}",
        ]),
        plain(&["lambda", "get-function-url-config", "--function-name", "guide"]),
    ];
    let begun = Instant::now();
    for command in commands {
        let run = Command::new("aws")
            .args(["--region", REGION])
            .args(&command)
            .env("AWS_PAGER", "")
            .envs(cloud.environment())
            .output()
            .ok()?;
        assert!(
            run.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&run.stderr)
        );
    }
    Some(begun.elapsed())
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
        let (asked, chain) = (cloud.counter.asked().len(), cloud.counter.longest_chain());
        println!(
            "{what}: {seconds:.2} s, {asked} requests, of which {} one after the other",
            chain.len()
        );
        for it in chain {
            let at = it.began.duration_since(begun).as_millis();
            println!(
                "    {at:>5} ms, {:>4} ms  {}",
                (it.ended - it.began).as_millis(),
                it.operation
            );
        }
    };
    for delay in [0, 100] {
        cloud.counter.delay(Duration::from_millis(delay));
        println!("{delay} ms a request");
        timed("the first apply", APPLY);
        timed("an apply with nothing to do", APPLY);
        timed("a plan", &["plan", "--function-zip", "given.zip"]);
        timed("a destroy", &["destroy", "--yes"]);
        // Each time in an account of its own.
        let other = Cloud::new();
        other.counter.delay(Duration::from_millis(delay));
        match guides_commands(&other) {
            Some(took) => println!(
                "the guide's commands: {:.1} s, {} requests",
                took.as_secs_f64(),
                other.counter.asked().len()
            ),
            None => println!("the guide's commands: the AWS CLI is not installed"),
        }
    }
}
