//! The local AWS: started, used as demo and tests use it, and gone without a trace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, FunctionUrlAuthType, Runtime};
use serde_json::{Value, json};
use tests::standins::local_aws::{ACCOUNT, LocalAws, LocalAwsError};
use zip::write::SimpleFileOptions;

const REGION: &str = "eu-west-1";
const STANDIN: &str = "http://127.0.0.1:9";

/// A function in the words of a shell's neighbour: it answers with what it was given.
const FUNCTION: &str = r#"#!/usr/bin/env python3
import json, os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as next:
        event = json.load(next)
        request_id = next.headers["Lambda-Runtime-Aws-Request-Id"]
    print("one sentence for the log", flush=True)
    body = json.dumps({"event": event, "environment": dict(os.environ), "process": os.getpid()})
    answer = json.dumps({"statusCode": 200, "headers": {"x-of": "function"}, "body": body})
    urllib.request.urlopen(api + request_id + "/response", data=answer.encode())
"#;

fn zipped() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755))
        .unwrap();
    zip.write_all(FUNCTION.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

#[tokio::test]
async fn it_starts_side_by_side_with_another_and_ends_without_a_trace() {
    let both = std::thread::scope(|scope| {
        let threads = [scope.spawn(LocalAws::start), scope.spawn(LocalAws::start)];
        threads.map(|thread| thread.join().unwrap().unwrap())
    });
    let addresses = both.each_ref().map(LocalAws::address);
    assert_ne!(addresses[0], addresses[1]);
    assert!(addresses.iter().all(|address| address.ip().is_loopback()));
    let [one, other] = both;
    one.create_secret(REGION, "mine", "alone").await.unwrap();
    let not_there = other.secret(REGION, "mine").await.unwrap_err();
    assert!(
        not_there.to_string().contains("ResourceNotFoundException"),
        "{not_there}"
    );
    drop((one, other));
    for address in addresses {
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

#[tokio::test]
async fn balancers_secrets_and_items_are_made_and_read() {
    let aws = LocalAws::start().unwrap();
    let tagged = aws
        .create_balancer(REGION, "site-a", Some("site-a"))
        .await
        .unwrap();
    let untagged = aws.create_balancer(REGION, "site-b", None).await.unwrap();
    assert!(tagged.starts_with(&format!(
        "arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/"
    )));
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&aws.sdk_config(REGION));
    let tags = elb
        .describe_tags()
        .resource_arns(&tagged)
        .resource_arns(&untagged)
        .send()
        .await
        .unwrap();
    let sites: Vec<Option<&str>> = tags
        .tag_descriptions()
        .iter()
        .map(|one| one.tags().first().and_then(|tag| tag.value()))
        .collect();
    assert_eq!(sites, [Some("site-a"), None]);
    let elsewhere = aws_sdk_elasticloadbalancingv2::Client::new(&aws.sdk_config("eu-central-1"));
    let none = elsewhere.describe_load_balancers().send().await.unwrap();
    assert!(
        none.load_balancers().is_empty(),
        "a balancer is seen in its Region only"
    );

    let arn = aws
        .create_secret(REGION, "keycloak/infinispan", "p%40ss")
        .await
        .unwrap();
    assert_eq!(aws.secret(REGION, &arn).await.unwrap(), "p%40ss");

    let dynamodb = aws_sdk_dynamodb::Client::new(&aws.sdk_config(REGION));
    let key = KeySchemaElement::builder()
        .attribute_name("pk")
        .key_type(KeyType::Hash)
        .build()
        .unwrap();
    let attribute = AttributeDefinition::builder()
        .attribute_name("pk")
        .attribute_type(ScalarAttributeType::S)
        .build();
    dynamodb
        .create_table()
        .table_name("register")
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key)
        .attribute_definitions(attribute.unwrap())
        .send()
        .await
        .unwrap();
    dynamodb
        .put_item()
        .table_name("register")
        .item("pk", AttributeValue::S("keycloak".to_owned()))
        .item("epoch", AttributeValue::N("4".to_owned()))
        .send()
        .await
        .unwrap();
    assert_eq!(
        aws.items(REGION, "register").await.unwrap(),
        [json!({"pk": "keycloak", "epoch": 4})]
    );
}

#[tokio::test]
async fn it_takes_only_credentials_that_it_knows() {
    let aws = LocalAws::start().unwrap();
    let stranger = aws_credential_types::Credentials::new("AKIASTRANGER", "x", None, None, "tests");
    let config = aws_sdk_secretsmanager::config::Builder::from(&aws.sdk_config(REGION))
        .credentials_provider(stranger)
        .build();
    let error = aws_sdk_secretsmanager::Client::from_conf(config)
        .list_secrets()
        .send()
        .await
        .unwrap_err();
    assert!(
        format!("{error:?}").contains("UnrecognizedClientException"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_function_runs_here_with_the_inherited_environment_and_is_called_by_its_url() {
    let aws = LocalAws::builder().global_accelerator(STANDIN).start().unwrap();
    let name = "fencing";
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
    }]});
    let iam = aws_sdk_iam::Client::new(&aws.sdk_config(REGION));
    let role = iam
        .create_role()
        .role_name(name)
        .assume_role_policy_document(trust.to_string());
    let role = role.send().await.unwrap().role.unwrap().arn;
    let lambda = aws_sdk_lambda::Client::new(&aws.sdk_config(REGION));
    lambda
        .create_function()
        .function_name(name)
        .runtime(Runtime::Providedal2023)
        .handler("bootstrap")
        .role(role)
        .code(FunctionCode::builder().zip_file(Blob::new(zipped())).build())
        .environment(Environment::builder().variables("OF_THE_FUNCTION", "yes").build())
        .timeout(10)
        .send()
        .await
        .unwrap();
    let url = lambda
        .create_function_url_config()
        .function_name(name)
        .auth_type(FunctionUrlAuthType::None);
    let url = url.send().await.unwrap().function_url;
    assert!(url.contains(".lambda-url.eu-west-1.on.aws"), "{url}");

    let answer = aws
        .post(&url, "/alert", &[("x-header", "kept")], r#"{"status":"firing"}"#)
        .await
        .unwrap();
    assert_eq!(
        (answer.status, answer.headers["x-of"].as_str()),
        (200, "function"),
        "{answer:?}"
    );
    let seen: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(seen["event"]["version"], "2.0");
    assert_eq!(seen["event"]["rawPath"], "/alert");
    assert_eq!(seen["event"]["headers"]["x-header"], "kept");
    let environment = &seen["environment"];
    assert_eq!(environment["OF_THE_FUNCTION"], "yes");
    assert_eq!(environment["AWS_ENDPOINT_URL_GLOBAL_ACCELERATOR"], STANDIN);
    assert_eq!(environment["AWS_ENDPOINT_URL"], aws.url());
    assert_eq!(environment["AWS_REGION"], REGION);
    assert!(
        environment["AWS_SESSION_TOKEN"]
            .as_str()
            .is_some_and(|token| !token.is_empty())
    );
    assert_eq!(environment.get("CARGO_MANIFEST_DIR"), None);

    // The same process answers again, and its lines are there when the answer is.
    let again = aws.get(&url, "/health/secret", &[]).await.unwrap();
    let again: Value = serde_json::from_str(&again.body).unwrap();
    assert_eq!(again["process"], seen["process"]);
    let lines = aws
        .log_lines(REGION, &format!("/aws/lambda/{name}"))
        .await
        .unwrap();
    assert!(
        lines.iter().any(|line| line.trim() == "one sentence for the log"),
        "{lines:?}"
    );
    let unknown = aws.log_lines(REGION, "/aws/lambda/none").await.unwrap_err();
    assert!(matches!(unknown, LocalAwsError::Refused { .. }), "{unknown}");

    // It is a child of the local AWS, and goes with it.
    let process = u32::try_from(seen["process"].as_u64().unwrap()).unwrap();
    assert!(is_alive(process));
    drop(aws);
    let gone = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        !is_alive(process)
    });
    assert!(gone, "the function's process {process} outlived its AWS");
}

fn is_alive(process: u32) -> bool {
    let pid = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    rustix::process::test_kill_process(pid).is_ok()
}

#[tokio::test]
async fn what_other_programs_need_to_use_it_is_in_variables() {
    let aws = LocalAws::builder()
        .global_accelerator(STANDIN)
        .environment("OTHER", "x")
        .start()
        .unwrap();
    let variables = aws.client_environment();
    let value = |name: &str| {
        variables
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(value("AWS_ENDPOINT_URL"), Some(aws.url().as_str()));
    assert_eq!(value("AWS_ENDPOINT_URL_GLOBAL_ACCELERATOR"), Some(STANDIN));
    assert_eq!((value("AWS_ACCESS_KEY_ID"), value("OTHER")), (Some("test"), None));
    assert!(aws.log_tail(50).contains("Ready"), "{}", aws.log_tail(50));
}
