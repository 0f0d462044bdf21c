//! `provision drill` without options: what it posts, what it says, what it makes of other answers.

use axum::http::Method;
use provisioner::plan::{OUTPUT_URL, OUTPUT_WEBHOOK_SECRET};

use super::*;

const PASSWORD: &str = "s3cret%40:ü";

/// What the function's URL answers, and what was posted there.
#[derive(Clone)]
struct Cloud {
    url: String,
    status: u16,
    body: String,
    posted: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

/// CloudFormation, Secrets Manager and STS at one address, as an endpoint variable makes them.
async fn api(State(cloud): State<Cloud>, headers: HeaderMap, body: String) -> Response {
    let target = headers.get("x-amz-target").map(|target| target.to_str().unwrap());
    if target == Some("secretsmanager.GetSecretValue") {
        return json!({"ARN": "arn", "Name": "webhook", "SecretString": PASSWORD})
            .to_string()
            .into_response();
    }
    if !body.contains("Action=DescribeStacks") {
        return sts().await.into_response();
    }
    let output = |key: &str, value: &str| {
        format!("<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>")
    };
    let body = format!(
        r#"<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult>
        <Stacks><member><StackId>arn:stack</StackId><StackName>s</StackName><StackStatus>CREATE_COMPLETE</StackStatus>
        <CreationTime>2026-11-21T10:00:00Z</CreationTime><Outputs>{}{}</Outputs></member></Stacks>
        </DescribeStacksResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeStacksResponse>"#,
        output(OUTPUT_URL, &cloud.url),
        output(
            OUTPUT_WEBHOOK_SECRET,
            "arn:aws:secretsmanager:eu-west-1:111111111111:secret:webhook"
        ),
    );
    ([("content-type", "text/xml")], body).into_response()
}

async fn webhook(State(cloud): State<Cloud>, method: Method, headers: HeaderMap, body: String) -> Response {
    assert_eq!(method, Method::POST);
    let payload = serde_json::from_str(&body).unwrap();
    cloud.posted.lock().unwrap().push((headers, payload));
    (StatusCode::from_u16(cloud.status).unwrap(), cloud.body).into_response()
}

/// Runs it beside a function whose URL answers so.
fn drill(status: u16, body: &str, arguments: &[&str]) -> (Run, Vec<(HeaderMap, Value)>) {
    let home = topology_of(&["eu-west-1"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))
        .unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let cloud = Cloud {
        url: format!("{url}/"),
        status,
        body: body.to_owned(),
        posted: Arc::default(),
    };
    let app = Router::new()
        .route("/", post(api))
        .route("/webhook", post(webhook))
        .with_state(cloud.clone());
    runtime.spawn(async move { axum::serve(listener, app).await });
    let run = Provision::new(home.path())
        .unwrap()
        .env("AWS_ENDPOINT_URL", &url)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .args(["drill", "topology.yaml"])
        .args(arguments)
        .run()
        .unwrap();
    let posted = cloud.posted.lock().unwrap().clone();
    (run, posted)
}

fn rehearsal() -> Value {
    json!({
        "reporter": "site-a", "suspect": "site-b", "sight": "sees", "status": "done",
        "sentence": "would fence site-b: site-a reports it offline and does not see it, both endpoints present, epoch 4",
        "wouldDecide": {
            "epoch": 4, "survivor": "site-a", "fenced": "site-b", "evidence": "site-a does not see it",
            "outcome": [],
        },
        "calls": [
            {"what": "read the register", "ms": 4},
            {"what": "ask site-a's Infinispan which sites it sees", "ms": 31},
            {"what": "read the accelerator", "ms": 118},
        ],
        "isCold": true, "upMs": 12, "tookMs": 122,
    })
}

fn held() -> Value {
    json!({
        "reporter": "site-a", "suspect": "site-b", "status": "not-now",
        "sentence": "held by ana since 2026-11-21T10:00:00Z: router work",
        "calls": [{"what": "read the accelerator", "ms": 1, "failed": "no answer within 6000 ms"}],
        "isCold": false, "upMs": 86_400_000, "tookMs": 9, "somethingNewer": 1,
    })
}

macro_rules! assert_shown {
    ($run:expr) => {
        insta::with_settings!({
            filters => vec![
                (r"answer    \d+ ms from here", "answer    <n> ms from here"),
                (r#""roundTripMs": \d+"#, r#""roundTripMs": "<n>""#),
                (r"AWS_ENDPOINT_URL is set: .*", "AWS_ENDPOINT_URL is set: <url>"),
            ],
            snapshot_path => "snapshots",
            prepend_module_to_snapshot => false,
        }, {
            insta::assert_snapshot!($run);
        })
    };
}

#[test]
fn a_rehearsal_posts_what_alertmanager_posts_and_shows_what_came_of_it() {
    let (run, posted) = drill(200, &rehearsal().to_string(), &[]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_shown!(run.stdout);
    assert_eq!(posted.len(), 2);
    for ((headers, payload), [reporter, suspect]) in
        posted.iter().zip([["site-a", "site-b"], ["site-b", "site-a"]])
    {
        let expected = tests::demo::basic("keycloak", PASSWORD);
        assert_eq!(headers["authorization"], expected);
        let labels = &payload["alerts"][0]["labels"];
        assert_eq!(
            (&labels["reporter"], &labels["site"]),
            (&reporter.into(), &suspect.into())
        );
        assert_eq!(labels["topology"], "demo");
        // An alert in earnest has another name, whatever else is wrong.
        let name = payload["alerts"][0]["labels"]["alertname"].as_str().unwrap();
        assert!(!fencing::contract::alert::ALL.contains(&name), "{name}");
    }
}

#[test]
fn a_rehearsal_answers_programs_in_json() {
    let (run, _) = drill(200, &rehearsal().to_string(), &["--output", "json"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_shown!(run.stdout);
}

#[test]
fn a_loss_that_would_not_be_fenced_has_an_exit_code_of_its_own() {
    let (run, _) = drill(200, &held().to_string(), &[]);
    assert_eq!(run.code, Some(5), "{run}");
    assert_shown!(run.stdout);
}

#[test]
fn what_is_no_rehearsal_s_answer_is_reported_with_what_to_do() {
    for (status, body, code, said) in [
        (
            200,
            "there is nothing to do: 0 resolved, 1 of other names",
            "notRehearsed",
            "older than this command",
        ),
        (
            403,
            "user or password is wrong",
            "notRehearsed",
            "its secret was changed",
        ),
        (
            403,
            r#"{"Message":"Forbidden"}"#,
            "notRehearsed",
            "one of its two permissions",
        ),
        (
            422,
            "it is not for this deployment",
            "notRehearsed",
            "deployed for another topology",
        ),
        (429, "", "notRehearsed", "reservedConcurrency"),
        (404, "nothing", "notRehearsed", "leads elsewhere"),
        (
            503,
            "the webhook's secret cannot be read",
            "notRehearsed",
            "alerts get the same answer",
        ),
    ] {
        let (run, posted) = drill(status, body, &["--output", "json"]);
        assert_eq!((run.code, posted.len()), (Some(1), 1), "{run}");
        let error: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(error["error"]["code"], code, "{run}");
        assert!(error["error"]["hint"].as_str().unwrap().contains(said), "{run}");
        assert!(run.stderr.contains(&format!("answers {status}: ")), "{run}");
    }
}

#[test]
fn a_password_that_somebody_echoes_is_not_shown() {
    let (run, _) = drill(500, &format!("trace: basic {PASSWORD}"), &[]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("trace: basic [redacted]"), "{run}");
}
