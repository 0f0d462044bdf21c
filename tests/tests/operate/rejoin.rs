//! `provision rejoin` where a person handles Keycloak, and where credentials run out: beside a function that answers by
//! a script.

use std::collections::VecDeque;
use std::path::Path as FilePath;

use tests::skip;

use super::*;

/// A function's answers, one after the other, and how often STS still says that the credentials have expired.
#[derive(Clone, Default)]
struct Scripted {
    answers: Arc<Mutex<VecDeque<Value>>>,
    expired: Arc<Mutex<u32>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

/// STS; DynamoDB is asked at the same address, and has no table here.
async fn identity(State(scripted): State<Scripted>, body: String) -> Response {
    let is_expired = body.contains("Action=GetCallerIdentity") && {
        let mut expired = scripted.expired.lock().unwrap();
        let is_expired = *expired > 0;
        *expired = expired.saturating_sub(1);
        is_expired
    };
    if !is_expired {
        return sts().await.into_response();
    }
    let body = r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
        <Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error>
        <RequestId>r</RequestId></ErrorResponse>"#;
    (StatusCode::FORBIDDEN, [("content-type", "text/xml")], body).into_response()
}

async fn answer(State(scripted): State<Scripted>, body: String) -> Response {
    let event: Value = serde_json::from_str(&body).unwrap();
    if event["sitefence"] == "count" {
        let sessions = json!({"cache": "sessions", "givenUp": 5, "kept": 7, "onlyGivenUp": 2});
        let losses = json!({"givenUp": event["given_up"], "kept": event["kept"], "caches": [sessions]});
        let answer = json!({"status": "done", "sentence": "counted", "losses": losses});
        return answer.to_string().into_response();
    }
    scripted.asked.lock().unwrap().push(event["task"].clone());
    let answer = scripted.answers.lock().unwrap().pop_front();
    answer.unwrap().to_string().into_response()
}

/// Serves it for as long as the runtime lives; its address.
fn serve(runtime: &tokio::runtime::Runtime, scripted: &Scripted) -> String {
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))
        .unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new()
        .route("/", post(identity))
        .route("/2015-03-31/functions/{name}/invocations", post(answer))
        .with_state(scripted.clone());
    runtime.spawn(async move { axum::serve(listener, app).await });
    url
}

fn says(sentence: &str, next: Option<&str>, number: u8) -> Value {
    let mut answer = json!({
        "status": if next.is_some() { "not-now" } else { "done" }, "sentence": sentence,
        "step": {"number": number, "of": 6},
    });
    if let Some(next) = next {
        answer["next"] = json!({"do": next});
    }
    answer
}

/// What a person with a terminal sees who types this.
fn on_a_terminal(home: &FilePath, url: &str, arguments: &str, typed: &str) -> Option<(Option<i32>, String)> {
    let provision = Provision::new(home).unwrap().env("AWS_ENDPOINT_URL", url);
    let provision = provision
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    provision.args(arguments.split(' ')).on_a_terminal(typed).unwrap()
}

fn scripted(answers: impl IntoIterator<Item = Value>) -> Scripted {
    Scripted {
        answers: Arc::new(Mutex::new(answers.into_iter().collect())),
        ..Scripted::default()
    }
}

#[test]
fn a_person_who_handles_keycloak_is_asked_for_each_step_and_nothing_goes_on_before() {
    let name = "a_person_who_handles_keycloak_is_asked_for_each_step_and_nothing_goes_on_before";
    let answers = || {
        [
            says(
                "site-b's Keycloak has to be scaled to zero",
                Some("stop-keycloak"),
                1,
            ),
            says("site-b no longer replicates to site-a", Some("again"), 1),
            says(
                "site-b is up to date: its Keycloak can be started",
                Some("start-keycloak"),
                6,
            ),
            says("site-b is back: both sites serve", None, 6),
        ]
    };
    let home = topology_of(&["eu-west-1"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rejoin = "rejoin site-b topology.yaml --keycloak manual";

    let all = scripted(answers());
    let url = serve(&runtime, &all);
    let typed = "site-b\nstopped\nready\n";
    let Some((code, seen)) = on_a_terminal(home.path(), &url, rejoin, typed) else {
        skip::impossible(name, "there is no `script` that would play a terminal");
        return;
    };
    assert_eq!(code, Some(0), "{seen}");
    for said in [
        "entries of    site-b    site-a  only site-b\nsessions           5         7            2  stay there alone\n",
        "type site-b to continue:",
        "step 1 of 6: site-b no longer replicates to site-a",
        "Scale Keycloak of site-b to 0",
        "Scale Keycloak of site-b back",
        "step 6 of 6: site-b is back",
    ] {
        assert!(seen.contains(said), "{said}: {seen}");
    }
    let told: Vec<Value> = all
        .asked
        .lock()
        .unwrap()
        .iter()
        .map(|task| task["keycloak"].clone())
        .collect();
    assert_eq!(told, ["unknown", "stopped", "stopped", "ready"]);

    // Whoever types something else has agreed to nothing.
    let stopped = scripted(answers());
    let url = serve(&runtime, &stopped);
    let (code, seen) = on_a_terminal(home.path(), &url, rejoin, "site-b\nno\n").unwrap();
    assert_eq!(
        (code, stopped.asked.lock().unwrap().len()),
        (Some(1), 1),
        "{seen}"
    );
    let other = scripted(answers());
    let url = serve(&runtime, &other);
    let (code, seen) = on_a_terminal(home.path(), &url, rejoin, "site-a\n").unwrap();
    assert_eq!((code, other.asked.lock().unwrap().len()), (Some(1), 0), "{seen}");
}

/// It takes as long as the command lets somebody sign in: a quarter of a minute.
#[test]
fn credentials_that_run_out_cost_nothing_but_the_time_to_sign_in_again() {
    let scripted = scripted([says("site-b is back: both sites serve", None, 6)]);
    *scripted.expired.lock().unwrap() = 1;
    let home = topology_of(&["eu-west-1"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = serve(&runtime, &scripted);
    let run = Provision::new(home.path())
        .unwrap()
        .env("AWS_ENDPOINT_URL", &url)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .args([
            "rejoin",
            "site-b",
            "topology.yaml",
            "--keycloak",
            "manual",
            "--yes",
        ])
        .run()
        .unwrap();
    assert_eq!(run.code, Some(0), "{run}");
    assert!(
        run.stderr
            .contains("the AWS credentials have run out: sign in again"),
        "{run}"
    );
    assert_eq!(run.stdout, "site-b is back: both sites serve\n", "{run}");
}
