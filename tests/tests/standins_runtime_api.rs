//! The stand-in of Lambda, around a function written with the real `lambda_runtime`.
//!
//! The function is this very program: started again with a variable that tells it to be one. It does what
//! the event says, so that each way for an invocation to end can be ordered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use tests::standins::runtime_api::{Builder, Ended, FunctionProcess, FunctionUrlRequest, scheduled_event};

const BE_THE_FUNCTION: &str = "SITEFENCE_TEST_BE_THE_FUNCTION";
const LIMIT: Duration = Duration::from_secs(20);

/// Not a test unless told to be the function.
#[tokio::test]
async fn be_the_function() {
    match std::env::var(BE_THE_FUNCTION).as_deref() {
        Ok("refuse to start") => {
            let address = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
            report_init_error(&address).await;
            std::process::exit(1);
        }
        Ok(_) => lambda_runtime::run(service_fn(obey)).await.unwrap(),
        Err(_) => {}
    }
}

async fn obey(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let order = event.payload["order"].as_str().unwrap_or_default().to_owned();
    println!("ordered: {order}");
    match order.as_str() {
        "panic" => panic!("ordered to"),
        "fail" => Err("ordered to".into()),
        "exit" => std::process::exit(3),
        "hang" => std::future::pending().await,
        "environment" => Ok(json!(std::env::vars().collect::<Vec<_>>())),
        "tick after the answer" => {
            tokio::spawn(async {
                loop {
                    println!("tick");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
            Ok(json!("ticking"))
        }
        _ => Ok(json!({
            "statusCode": 200,
            "headers": {"X-Process": std::process::id().to_string()},
            "body": json!({
                "request_id": event.context.request_id,
                "arn": event.context.invoked_function_arn,
                "milliseconds_left": milliseconds_left(&event.context),
                "event": event.payload,
            }).to_string(),
        })),
    }
}

fn milliseconds_left(context: &lambda_runtime::Context) -> u64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    context.deadline - u64::try_from(now.as_millis()).unwrap()
}

async fn report_init_error(address: &str) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let body = r#"{"errorType":"Settings","errorMessage":"no settings"}"#;
    let request = format!(
        "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

fn function() -> Builder {
    FunctionProcess::builder(std::env::current_exe().unwrap())
        .argument("--exact")
        .argument("be_the_function")
        .argument("--nocapture")
        .environment(BE_THE_FUNCTION, "yes")
        .timeout(Duration::from_secs(15))
}

fn order(what: &str) -> Value {
    json!({"order": what})
}

async fn process_of(function: &FunctionProcess) -> String {
    let answer = function
        .request(&FunctionUrlRequest::post("/", "x"))
        .await
        .unwrap()
        .unwrap();
    answer.headers["x-process"].clone()
}

#[tokio::test]
async fn events_arrive_as_a_function_url_words_them_and_one_process_answers_them_all() {
    let function = function().name("keycloak-prod-fencing").build();
    assert!(!function.is_running());
    let request = FunctionUrlRequest::post("/alert?x=1", r#"{"status":"firing"}"#)
        .header("Content-Type", "application/json")
        .basic_auth("keycloak", "p%40ss");
    let answer = function.request(&request).await.unwrap().unwrap();
    assert_eq!(answer.status, 200);
    let seen: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        seen["arn"],
        "arn:aws:lambda:eu-west-1:123456789012:function:keycloak-prod-fencing"
    );
    assert!(
        (1..=15_000).contains(&seen["milliseconds_left"].as_u64().unwrap()),
        "{}",
        seen["milliseconds_left"]
    );
    let event = &seen["event"];
    assert_eq!(
        (&event["version"], &event["rawPath"]),
        (&json!("2.0"), &json!("/alert"))
    );
    assert_eq!(event["queryStringParameters"], json!({"x": "1"}));
    assert_eq!(event["requestContext"]["http"]["method"], "POST");
    assert_eq!(event["headers"]["content-type"], "application/json");
    assert_eq!(event["headers"]["authorization"], "Basic a2V5Y2xvYWs6cCU0MHNz");
    assert_eq!(
        (&event["body"], &event["isBase64Encoded"]),
        (&json!(r#"{"status":"firing"}"#), &json!(false))
    );
    assert_eq!(process_of(&function).await, answer.headers["x-process"]);
    let scheduled = function
        .invoke(&scheduled_event("arn:aws:events:eu-west-1:1:rule/x"))
        .await
        .unwrap();
    assert!(matches!(scheduled, Ended::Answered(_)), "{scheduled:?}");
}

#[test]
fn bodies_travel_as_base64_when_asked_or_when_they_must() {
    let told = FunctionUrlRequest::post("/", "text").base64().event();
    assert_eq!(
        (&told["body"], &told["isBase64Encoded"]),
        (&json!("dGV4dA=="), &json!(true))
    );
    let must = FunctionUrlRequest::post("/", [0xff_u8, 0xfe]).event();
    assert_eq!(
        (&must["body"], &must["isBase64Encoded"]),
        (&json!("//4="), &json!(true))
    );
    let get = FunctionUrlRequest::get("/health/secret").event();
    assert!(get.get("body").is_none());
}

#[tokio::test]
async fn nothing_of_the_callers_environment_reaches_the_function() {
    let function = function()
        .environment("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .build();
    let Ended::Answered(variables) = function.invoke(&order("environment")).await.unwrap() else {
        panic!("no answer");
    };
    let variables: Vec<(String, String)> = serde_json::from_value(variables).unwrap();
    let value = |name: &str| {
        variables
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(value("AWS_ENDPOINT_URL"), Some("http://127.0.0.1:9"));
    assert_eq!(value("_HANDLER"), Some("bootstrap"));
    assert_eq!(value("AWS_REGION"), Some("eu-west-1"));
    assert!(value("AWS_SESSION_TOKEN").is_some());
    for ours in ["HOME", "CARGO_MANIFEST_DIR", "USER"] {
        assert_eq!(value(ours), None, "{ours} leaked");
    }
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_ends_its_invocation_and_not_the_process() {
    let function = function().build();
    let process = process_of(&function).await;
    for what in ["fail", "panic"] {
        let Ended::Failed(error) = function.invoke(&order(what)).await.unwrap() else {
            panic!("{what}")
        };
        assert!(
            error["errorMessage"].as_str().unwrap().contains("ordered to"),
            "{error}"
        );
    }
    assert_eq!(process_of(&function).await, process);
}

#[tokio::test]
async fn a_process_that_dies_takes_its_invocation_with_it_and_the_next_event_starts_another() {
    let function = function().build();
    let process = process_of(&function).await;
    assert_eq!(function.invoke(&order("exit")).await.unwrap(), Ended::Died);
    assert_eq!(function.exit_status().unwrap().code(), Some(3));
    let next = process_of(&function).await;
    assert_ne!(next, process);
    // Killed in the middle of one.
    let hanging = function.send(&order("hang")).unwrap();
    assert!(
        function
            .log()
            .reached(LIMIT, |lines| lines.iter().any(|line| line == "ordered: hang"))
            .await
    );
    function.kill();
    assert_eq!(hanging.ended().await, Ended::Died);
    assert!(!function.is_running());
    assert_ne!(process_of(&function).await, next);
}

#[tokio::test]
async fn a_process_that_passes_its_deadline_is_killed() {
    let function = function().timeout(Duration::from_millis(300)).build();
    assert_eq!(function.invoke(&order("hang")).await.unwrap(), Ended::TimedOut);
    assert!(!function.is_running());
}

#[tokio::test]
async fn a_function_that_cannot_start_says_so() {
    let function = function().environment(BE_THE_FUNCTION, "refuse to start").build();
    let ended = function.invoke(&order("anything")).await.unwrap();
    let Ended::InitFailed(error) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(error["errorMessage"], "no settings");
    assert_eq!(function.initialised(LIMIT).await, None);
    let missing = FunctionProcess::builder("/nonexistent/bootstrap").build();
    let error = missing.send(&order("anything")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/bootstrap"), "{error}");
}

#[tokio::test]
async fn the_time_to_the_first_poll_is_known() {
    let function = function().build();
    function.start().unwrap();
    let after = function.initialised(LIMIT).await.unwrap();
    assert!(after > Duration::ZERO && after < LIMIT, "{after:?}");
}

fn ticks(lines: &[String]) -> usize {
    lines.iter().filter(|line| *line == "tick").count()
}

#[tokio::test]
async fn nothing_runs_on_after_the_answer_until_the_next_event() {
    let frozen = function().build();
    frozen.invoke(&order("tick after the answer")).await.unwrap();
    let awake = function().never_frozen().build();
    awake.invoke(&order("tick after the answer")).await.unwrap();
    assert!(awake.log().reached(LIMIT, |lines| ticks(lines) >= 20).await);
    let while_frozen = ticks(&frozen.log().all());
    assert!(while_frozen < 20, "{while_frozen} ticks of a frozen process");
    frozen.invoke(&order("answer")).await.unwrap();
    assert!(
        frozen
            .log()
            .reached(LIMIT, |lines| ticks(lines) > while_frozen)
            .await,
        "thawed, it goes on"
    );
}

#[tokio::test]
async fn a_process_can_be_stopped_in_the_middle_and_continued_much_later() {
    let function = function().never_frozen().build();
    process_of(&function).await;
    function.freeze().unwrap();
    let invocation = function.send(&order("answer")).unwrap();
    let mut ended = Box::pin(invocation.ended());
    let waited = tokio::time::timeout(Duration::from_millis(200), &mut ended).await;
    assert!(waited.is_err(), "a stopped process answered");
    function.thaw().unwrap();
    assert!(matches!(ended.await, Ended::Answered(_)));
}
