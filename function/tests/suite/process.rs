//! The binary itself: how it starts, how it refuses to, and a few events through Lambda's runtime interface.

use std::collections::VecDeque;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::server::{Authority, Server, given};
use crate::common::{PASSWORD, accusation, settings};
use fencing::settings::Settings;
use serde_json::{Value, json};
use tokio::sync::mpsc;

const BINARY: &str = env!("CARGO_BIN_EXE_bootstrap");

#[test]
fn missing_settings_end_the_start_with_a_line_for_each() {
    let output = Command::new(BINARY)
        .env_clear()
        .env("SITEFENCE_TIMEOUT_SECONDS", "soon")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.len() > 10);
    assert!(lines.iter().all(|line| line["level"] == "ERROR"));
    let said = |text: &str| {
        lines
            .iter()
            .any(|line| line["message"].as_str().unwrap().contains(text))
    };
    assert!(
        said("SITEFENCE_TOPOLOGY is not set") && said("holds `soon`"),
        "{lines:?}"
    );
}

#[test]
fn outside_lambda_it_says_so() {
    let mut command = Command::new(BINARY);
    command.env_clear();
    for (variable, value) in settings().environment() {
        command.env(variable.name, value);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("runs inside AWS Lambda")
    );
}

/// Ends the process with the test, whatever becomes of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lambda's runtime interface: hands out events, takes replies.
async fn runtime_interface(events: Vec<Value>) -> (Server, mpsc::UnboundedReceiver<(String, Value)>) {
    let queue = Mutex::new(VecDeque::from(events));
    let (sender, replies) = mpsc::unbounded_channel();
    let server = Server::plain(move |asked| {
        if asked.path.ends_with("/invocation/next") {
            let Some(event) = queue.lock().unwrap().pop_front() else {
                return given(200, "{}").after(Duration::from_secs(3600));
            };
            let deadline = jiff::Timestamp::now() + Duration::from_secs(15);
            return given(200, event.to_string())
                .with("lambda-runtime-aws-request-id", "request-1")
                .with(
                    "lambda-runtime-deadline-ms",
                    deadline.as_millisecond().to_string(),
                )
                .with("lambda-runtime-invoked-function-arn", "arn:function");
        }
        sender.send((asked.path.clone(), asked.json())).unwrap();
        given(202, "")
    })
    .await;
    (server, replies)
}

/// What Lambda sets, and what leads the process to servers of our own.
fn started(settings: &Settings, lambda: &Server, aws: &Server) -> Command {
    let mut command = Command::new(BINARY);
    command
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{}", lambda.port)),
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", aws.port)),
        ])
        .envs([
            ("AWS_LAMBDA_FUNCTION_NAME", "sitefence"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "eu-west-1"),
        ]);
    for (variable, value) in settings.environment() {
        command.env(variable.name, value);
    }
    command
}

/// Both sites' Infinispan at one server.
fn settings_with(infinispan: &Server) -> Settings {
    let mut settings = settings();
    for url in settings.found.infinispan_urls.values_mut() {
        *url = format!("https://localhost:{}", infinispan.port);
    }
    settings
}

/// Starting the process for somebody without credentials reads two secrets, and asks nobody else for anything. Some
/// connections are opened, and nothing is sent over them; further strangers cause nothing at all.
#[tokio::test]
async fn a_stranger_who_makes_the_process_start_causes_two_calls() {
    let aws = Server::plain(|asked| match asked.header("x-amz-target").rsplit('.').next() {
        Some("GetSecretValue") => given(200, json!({"SecretString": "s3cret"}).to_string()),
        _ => given(500, "{}"),
    })
    .await;
    let infinispan = Server::tls(&Authority::new(), |_| given(200, "{}")).await;
    let stranger =
        json!({"requestContext": {"http": {"method": "POST"}}, "rawPath": "/webhook", "body": "{}"});
    let lost = json!({"requestContext": {"http": {"method": "GET"}}, "rawPath": "/.env"});
    let (lambda, mut replies) = runtime_interface(vec![stranger, lost]).await;
    let mut command = started(&settings_with(&infinispan), &lambda, &aws);
    let _running = Running(command.stdout(Stdio::null()).spawn().unwrap());
    for status in [401, 404] {
        let reply = tokio::time::timeout(Duration::from_secs(20), replies.recv()).await;
        assert_eq!(reply.expect("a reply in time").unwrap().1["statusCode"], status);
    }
    let mut asked: Vec<String> = aws
        .asked()
        .iter()
        .map(|asked| format!("{} {}", asked.header("x-amz-target"), asked.json()["SecretId"]))
        .collect();
    asked.sort();
    // On a busy machine the second may not have got so far when the first stranger was answered, and is given up then.
    let both = [
        "secretsmanager.GetSecretValue \"infinispan\"",
        "secretsmanager.GetSecretValue \"webhook\"",
    ];
    assert!(
        !asked.is_empty() && asked.iter().all(|call| both.contains(&call.as_str())) && asked.len() <= 2,
        "{asked:?}"
    );
    // One for each call that a fence makes at once, and for the secrets.
    assert!(aws.connections() <= 5, "{}", aws.connections());
    // Two for each site.
    assert!(infinispan.connections() <= 4, "{}", infinispan.connections());
    assert!(infinispan.asked().is_empty());
}

/// What is slow at the start does not keep anybody waiting who does not need it.
#[tokio::test]
async fn a_process_that_is_not_ready_serves_callers_that_do_not_need_what_is_missing() {
    let never = Duration::from_secs(3600);
    let aws = Server::plain(move |_| given(500, "{}").after(never)).await;
    let infinispan = Server::plain(move |_| given(500, "{}").after(never)).await;
    let lost = json!({"requestContext": {"http": {"method": "GET"}}, "rawPath": "/.env"});
    let (lambda, mut replies) = runtime_interface(vec![lost]).await;
    let mut command = started(&settings_with(&infinispan), &lambda, &aws);
    let _running = Running(command.stdout(Stdio::null()).spawn().unwrap());
    let reply = tokio::time::timeout(Duration::from_secs(20), replies.recv()).await;
    assert_eq!(reply.expect("a reply in time").unwrap().1["statusCode"], 404);
}

/// The first alert comes while the process is still getting ready: it waits for the secrets that are being read, and does
/// not read them again.
#[tokio::test]
async fn the_first_alert_waits_for_what_is_being_read() {
    let aws = Server::plain(|asked| match asked.header("x-amz-target").rsplit('.').next() {
        // Longer than the first event is held up for it.
        Some("GetSecretValue") => {
            given(200, json!({"SecretString": PASSWORD}).to_string()).after(Duration::from_millis(700))
        }
        _ => given(400, json!({"__type": "AccessDeniedException"}).to_string()),
    })
    .await;
    let infinispan = Server::plain(|_| given(500, "{}")).await;
    let (lambda, mut replies) = runtime_interface(vec![accusation("site-a", "site-b")]).await;
    let mut command = started(&settings_with(&infinispan), &lambda, &aws);
    let _running = Running(command.stdout(Stdio::null()).spawn().unwrap());
    let reply = tokio::time::timeout(Duration::from_secs(20), replies.recv()).await;
    let reply = reply.expect("a reply in time").unwrap().1;
    assert_eq!(reply["statusCode"], 503, "{reply}");
    let mut secrets: Vec<String> = aws
        .asked()
        .iter()
        .filter_map(|asked| asked.json()["SecretId"].as_str().map(str::to_owned))
        .collect();
    secrets.sort();
    assert_eq!(secrets, ["infinispan", "webhook"]);
}

#[tokio::test]
async fn events_go_in_replies_come_out_and_no_secret_header_or_body_is_logged() {
    let secret = Arc::new("s3cret%40".to_owned());
    let aws = Server::plain(
        move |asked| match asked.header("x-amz-target").rsplit('.').next() {
            Some("GetSecretValue") => given(200, json!({"SecretString": *secret}).to_string()),
            Some("DescribeEndpointGroup") => {
                let arn = asked.json()["EndpointGroupArn"].clone();
                given(
                    200,
                    json!({"EndpointGroup": {"EndpointGroupArn": arn}}).to_string(),
                )
            }
            _ => given(200, "{}"),
        },
    )
    .await;
    let url = json!({"requestContext": {"http": {"method": "POST"}}, "rawPath": "/webhook", "body": "{}"});
    let (lambda, mut replies) = runtime_interface(vec![
        json!({"sitefence": "sweep"}),
        url,
        accusation("site-a", "site-c"),
        json!({"sitefence": "dance"}),
    ])
    .await;
    let mut settings = settings();
    // Nobody listens there; starting must not wait for it.
    for url in settings.found.infinispan_urls.values_mut() {
        *url = "https://127.0.0.1:1".to_owned();
    }
    let mut command = started(&settings, &lambda, &aws);
    command
        // The most talkative that anybody can make it.
        .envs([("AWS_LAMBDA_LOG_LEVEL", "TRACE"), ("RUST_LOG", "trace")])
        .stdout(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let mut told = Vec::new();
    for _ in 0..4 {
        let reply = tokio::time::timeout(Duration::from_secs(20), replies.recv()).await;
        told.push(reply.expect("a reply in time").unwrap());
    }
    assert_eq!(told[0].1["sentence"], "open, epoch 0");
    assert_eq!(told[1].1["statusCode"], 401);
    assert_eq!(told[2].1["statusCode"], 422, "{}", told[2].1);
    assert!(told[3].0.ends_with("/error"), "{told:?}");

    running.0.kill().unwrap();
    let mut log = String::new();
    std::io::Read::read_to_string(&mut running.0.stdout.take().unwrap(), &mut log).unwrap();
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "not JSON: {line}");
    }
    assert!(
        log.contains("open, epoch 0") && log.contains("\"ForeignLabels\":1"),
        "{log}"
    );
    for never in ["s3cret", "Basic ", "authorization", "truncatedAlerts", "startsAt"] {
        assert!(!log.contains(never), "{never}: {log}");
    }
}
