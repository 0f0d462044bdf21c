//! `provision hold`, `release` and `drill`, as a user runs them, beside a Lambda that answers as told in each Region.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod drill;
mod page;
mod rejoin;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tests::provision::{Provision, Run};

const CALLER: &str = "arn:aws:sts::111111111111:assumed-role/on-call/ana";

#[derive(Clone)]
enum Lambda {
    /// There is no such function.
    Absent,
    Answers(Value),
    Fails(Value),
}

#[derive(Clone)]
struct Aws {
    /// By Region.
    lambdas: Vec<(&'static str, Lambda)>,
    invoked: Arc<Mutex<Vec<(String, Value)>>>,
}

async fn sts() -> impl IntoResponse {
    let body = format!(
        r#"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
        <Arn>{CALLER}</Arn><UserId>AROA:ana</UserId><Account>111111111111</Account></GetCallerIdentityResult>
        <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>"#
    );
    ([("content-type", "text/xml")], body)
}

async fn invoke(
    State(aws): State<Aws>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let event = serde_json::from_str(&body).unwrap();
    aws.invoked.lock().unwrap().push((name, event));
    // All Regions are at one address; the signature says which one is meant.
    let signed = headers["authorization"].to_str().unwrap();
    let mut lambdas = aws.lambdas.into_iter();
    let (_, lambda) = lambdas
        .find(|(region, _)| signed.contains(&format!("/{region}/")))
        .unwrap();
    match lambda {
        Lambda::Absent => (
            StatusCode::NOT_FOUND,
            [("x-amzn-errortype", "ResourceNotFoundException")],
            json!({"Type": "User", "Message": "Function not found"}).to_string(),
        )
            .into_response(),
        Lambda::Answers(answer) => answer.to_string().into_response(),
        Lambda::Fails(error) => ([("x-amz-function-error", "Unhandled")], error.to_string()).into_response(),
    }
}

/// Runs a verb beside such a Lambda; what came of it, and what was invoked.
fn run(lambda: Lambda, arguments: &[&str]) -> (Run, Vec<(String, Value)>) {
    run_in(&[("eu-west-1", lambda)], arguments)
}

/// A folder with a topology whose functions are in these Regions.
fn topology_of(regions: &[&str]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let site = |name: &str| {
        format!(
            "  - name: {name}\n    region: eu-west-1\n    platform: openshift\n    context: {name}\n    namespace: keycloak\n    infinispan: {{ endpoint: infinispan.{name}.example.com }}\n"
        )
    };
    let topology = format!(
        "name: demo\nregions: [{}]\naccelerator: a3da6a6cbd4e27b02.awsglobalaccelerator.com\n\
         infinispan: {{ username: developer, passwordSecret: demo/infinispan }}\nsites:\n{}{}",
        regions.join(", "),
        site("site-a"),
        site("site-b")
    );
    std::fs::write(home.path().join("topology.yaml"), topology).unwrap();
    home
}

/// The same where each of these Regions has a function.
fn run_in(lambdas: &[(&'static str, Lambda)], arguments: &[&str]) -> (Run, Vec<(String, Value)>) {
    let regions: Vec<&str> = lambdas.iter().map(|(region, _)| *region).collect();
    let home = topology_of(&regions);
    let aws = Aws {
        lambdas: lambdas.to_vec(),
        invoked: Arc::default(),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))
        .unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new()
        .route("/", post(sts))
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .with_state(aws.clone());
    runtime.spawn(async move { axum::serve(listener, app).await });
    let run = Provision::new(home.path())
        .unwrap()
        .env("AWS_ENDPOINT_URL", &url)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .args(arguments)
        .run()
        .unwrap();
    let invoked = aws.invoked.lock().unwrap().clone();
    (run, invoked)
}

fn says(status: &str, sentence: &str) -> Lambda {
    Lambda::Answers(json!({"status": status, "sentence": sentence}))
}

fn done(sentence: &str) -> Lambda {
    says("done", sentence)
}

#[test]
fn hold_names_the_caller_the_reason_and_the_end() {
    let (run, invoked) = run(
        done("held by ana: router maintenance; no new decision until it is released"),
        &[
            "hold",
            "topology.yaml",
            "--reason",
            "router maintenance",
            "--until",
            "2999-01-01T00:00:00Z",
        ],
    );
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(
        run.stdout,
        "held by ana: router maintenance; no new decision until it is released\n"
    );
    let task = json!({
        "task": "hold", "by": CALLER, "reason": "router maintenance", "until": "2999-01-01T00:00:00Z",
    });
    assert_eq!(
        invoked,
        [(
            "sitefence-demo-fencing".to_owned(),
            json!({"sitefence": "operate", "task": task})
        )]
    );
    // The function reads exactly this.
    let event = function::event::Incoming::read(invoked[0].1.clone()).unwrap();
    assert!(matches!(
        event,
        function::event::Incoming::Operate(fencing::step::Task::Hold { .. })
    ));
}

#[test]
fn release_answers_programs_in_json() {
    let (run, invoked) = run(
        done("there is no hold"),
        &["release", "topology.yaml", "--output", "json"],
    );
    assert_eq!(run.code, Some(0), "{run}");
    let answer: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        answer,
        json!({"topology": "demo", "region": "eu-west-1", "status": "done", "sentence": "there is no hold"})
    );
    assert_eq!(invoked[0].1["task"], json!({"task": "release", "by": CALLER}));
}

/// The table was restored from a backup; whoever names the epoch has looked.
#[test]
fn release_has_a_restored_register_believed() {
    let (run, invoked) = run(
        done("epoch 4 counts from now on, confirmed by ana: it is open; the register had reached epoch 5"),
        &["release", "topology.yaml", "--resume-epoch", "4"],
    );
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(
        invoked[0].1["task"],
        json!({"task": "resume", "by": CALLER, "epoch": 4})
    );
    let event = function::event::Incoming::read(invoked[0].1.clone()).unwrap();
    assert!(matches!(
        event,
        function::event::Incoming::Operate(fencing::step::Task::Resume { .. })
    ));
}

#[test]
fn where_nothing_is_deployed_the_hint_says_what_deploys_it() {
    let (run, _) = run(
        Lambda::Absent,
        &["hold", "topology.yaml", "--reason", "maintenance"],
    );
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stdout.is_empty(), "{run}");
    assert!(
        run.stderr.contains(
            "error: the function sitefence-demo-fencing is deployed in none of eu-west-1\n\
             hint: `provision apply` deploys it; is this the account and the topology that you mean?"
        ),
        "{run}"
    );
}

#[test]
fn a_function_that_does_not_do_it_is_no_success() {
    for (status, code) in [("not-now", 3), ("foreign", 2), ("retry", 1)] {
        let answer = json!({"status": status, "sentence": "the register does not answer"});
        let (run, _) = run(Lambda::Answers(answer), &["release", "topology.yaml"]);
        assert_eq!(run.code, Some(code), "{status}: {run}");
        assert!(run.stdout.is_empty(), "{run}");
        assert!(
            run.stderr.contains("error: the register does not answer"),
            "{run}"
        );
    }
    let error = json!({"errorMessage": "the operator's task is not understood; is the command newer than the function?"});
    let (run, _) = run(Lambda::Fails(error), &["release", "topology.yaml"]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("is not understood"), "{run}");
    assert!(run.stderr.contains("hint: its log says more"), "{run}");
}

#[test]
fn what_one_region_cannot_do_just_now_the_next_is_asked_to() {
    let retry = |of: &str| says("retry", &format!("the register does not answer {of}"));
    for (first, second, code, told) in [
        (retry("a"), done("held"), 0, "held"),
        (retry("a"), says("not-now", "b is at it"), 3, "error: b is at it"),
        (retry("a"), retry("b"), 1, "error: the register does not answer a"),
        (
            retry("a"),
            Lambda::Absent,
            1,
            "error: the register does not answer a",
        ),
    ] {
        let lambdas = [("eu-west-1", first), ("eu-central-1", second)];
        let (run, invoked) = run_in(&lambdas, &["hold", "topology.yaml", "--reason", "maintenance"]);
        assert_eq!((run.code, invoked.len()), (Some(code), 2), "{run}");
        assert!(format!("{}{}", run.stdout, run.stderr).contains(told), "{run}");
    }
    let lambdas = [("eu-west-1", done("held")), ("eu-central-1", done("held again"))];
    let (run, invoked) = run_in(&lambdas, &["hold", "topology.yaml", "--reason", "maintenance"]);
    assert_eq!((run.stdout.as_str(), invoked.len()), ("held\n", 1), "{run}");
}

#[test]
fn a_rehearsal_that_stops_halfway_tells_where_it_goes_on() {
    let begun = done("the health check fails until 10:00; it ends by itself");
    let lambdas = [
        ("eu-west-1", begun),
        (
            "eu-central-1",
            says("retry", "the rehearsal did not begin: the register is silent"),
        ),
    ];
    // By the name that it had first.
    let (run, _) = run_in(&lambdas, &["drill", "topology.yaml", "--fail-health", "10m"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{run}");
    assert!(
        run.stderr.contains(
            "stopped at eu-central-1; the Regions before it said:\neu-west-1  the health check fails until 10:00; it \
             ends by itself\nerror: the rehearsal did not begin: the register is silent\n"
        ),
        "{run}"
    );
    let (run, _) = run_in(
        &[("eu-west-1", Lambda::Absent)],
        &["drill", "topology.yaml", "--path", "10m"],
    );
    assert_eq!(run.code, Some(1), "{run}");
    assert!(!run.stderr.contains("stopped at"), "{run}");
}

#[test]
fn what_makes_no_sense_is_refused_before_anybody_is_called() {
    for arguments in [
        &["hold", "topology.yaml"][..],
        &["hold", "topology.yaml", "--reason", " "],
        &["hold", "topology.yaml", "--reason", "x", "--until", "tomorrow"],
        &[
            "hold",
            "topology.yaml",
            "--reason",
            "x",
            "--until",
            "2020-01-01T00:00:00Z",
        ],
        &["release", "nowhere.yaml"],
    ] {
        let (run, invoked) = run(done("done"), arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {run}");
        assert_eq!(invoked, []);
    }
}
