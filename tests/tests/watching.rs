//! The function's real binary watches itself: against an accelerator, two Infinispans, and a local AWS with its
//! secrets, its register and a topic to which a subscription waits to be confirmed.
//!
//! What the local AWS lacks: it neither makes metrics of log lines nor runs the schedule of a rule, so the minute
//! is an event that the test sends, and what would become a metric is read from the log.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use fencing::accelerator::OWNER_TAG;
use fencing::metrics::Metric;
use fencing::settings::{Found, Settings, sample};
use fencing::words::SiteName;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::standins::accelerator::{Accelerator, AcceleratorStandIn, Fault, Operation, World, balancer_arn};
use tests::standins::function_url::{FunctionUrl, Upstream};
use tests::standins::infinispan::{InfinispanPair, Role};
use tests::standins::local_aws::LocalAws;
use tests::standins::runtime_api::{Ended, FunctionProcess, FunctionUrlRequest, HttpAnswer};
use tokio::sync::Semaphore;

const REGION: &str = "eu-west-1";
const PASSWORD: &str = "s3cret%40 of the webhook";
const INFINISPAN_PASSWORD: &str = "s3cret of infinispan";
const HEALTH_SECRET: &str = "0123456789abcdefghijABCDEFGHIJ0123456789";
const SITES: [&str; 2] = ["site-a", "site-b"];

struct Stage {
    accelerator: AcceleratorStandIn,
    infinispan: InfinispanPair,
    aws: LocalAws,
    function: Arc<FunctionProcess>,
    _root: TempDir,
}

fn bootstrap() -> PathBuf {
    let binary = tests::tools::target_directory().unwrap().join("debug/bootstrap");
    assert!(
        binary.is_file(),
        "`cargo build --workspace --bins` makes {}",
        binary.display()
    );
    binary
}

impl Stage {
    async fn set() -> Self {
        let balancers = SITES.map(|site| balancer_arn(REGION, site));
        let accelerator = AcceleratorStandIn::start(
            World::new().with_decoys(3).with(
                Accelerator::in_one_region("keycloak", REGION, &[&balancers[0], &balancers[1]])
                    .tag(OWNER_TAG, &sample::settings().found.owner),
            ),
        )
        .unwrap();
        let aws = LocalAws::builder()
            .global_accelerator(&accelerator.url())
            .start()
            .unwrap();
        let infinispan = InfinispanPair::builder(SITES)
            .user("developer", INFINISPAN_PASSWORD, Role::Admin)
            .start()
            .unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("ca")).unwrap();
        for site in SITES {
            let bundle = root.path().join("ca").join(format!("{site}.pem"));
            std::fs::write(bundle, infinispan.authority().pem()).unwrap();
        }
        let secret = async |name: &str, value: &str| aws.create_secret(REGION, name, value).await.unwrap();
        let named = SITES.map(|site| SiteName::new(site).unwrap());
        let (accelerator_arn, endpoint_group_arns) = {
            let world = accelerator.world();
            let ours = world.accelerator("keycloak").unwrap();
            let groups = ours.groups().map(|group| group.arn.clone()).collect();
            (ours.arn.clone(), groups)
        };
        let settings = Settings {
            found: Found {
                accelerator_arn,
                endpoint_group_arns,
                balancers: named
                    .iter()
                    .cloned()
                    .zip(balancers.map(|arn| vec![arn]))
                    .collect(),
                infinispan_urls: named
                    .iter()
                    .map(|name| {
                        let site = infinispan.site(name.as_str()).unwrap();
                        (name.clone(), site.url())
                    })
                    .collect(),
                infinispan_secret: secret("infinispan", INFINISPAN_PASSWORD).await,
                webhook_secret: secret("webhook", PASSWORD).await,
                health_secret: secret("health", HEALTH_SECRET).await,
                register_table: table(&aws).await,
                topic_arn: topic(&aws).await,
                owner: sample::settings().found.owner,
            },
            ..sample::settings()
        };
        let environment = settings
            .environment()
            .into_iter()
            .map(|(variable, value)| (variable.name.to_owned(), value));
        let function = FunctionProcess::builder(bootstrap())
            .region(REGION)
            .task_root(root.path())
            .timeout(Duration::from_secs(15))
            .environments(environment)
            .environments(aws.client_environment())
            .environment("AWS_SESSION_TOKEN", "")
            .build();
        Self {
            accelerator,
            infinispan,
            aws,
            function: Arc::new(function),
            _root: root,
        }
    }

    async fn ask(&self, request: &FunctionUrlRequest) -> HttpAnswer {
        self.function.request(request).await.unwrap().expect("an answer")
    }

    async fn minute(&self) {
        let ended = self
            .function
            .invoke(&json!({"sitefence": "sweep"}))
            .await
            .unwrap();
        assert!(matches!(ended, Ended::Answered(_)), "{ended:?}");
    }

    async fn health(&self) -> HttpAnswer {
        let path = format!("/health/{HEALTH_SECRET}");
        self.ask(&FunctionUrlRequest::get(&path)).await
    }

    /// The minute passes, and somebody asks.
    async fn health_after_a_minute(&self) -> (u16, String) {
        self.minute().await;
        let answer = self.health().await;
        let line = answer.body.lines().next().unwrap_or_default().to_owned();
        (answer.status, line)
    }
}

async fn table(aws: &LocalAws) -> String {
    let client = aws_sdk_dynamodb::Client::new(&aws.sdk_config(REGION));
    let key = AttributeDefinition::builder()
        .attribute_name("pk")
        .attribute_type(ScalarAttributeType::S)
        .build()
        .unwrap();
    let schema = KeySchemaElement::builder()
        .attribute_name("pk")
        .key_type(KeyType::Hash)
        .build()
        .unwrap();
    let made = client
        .create_table()
        .table_name("register")
        .attribute_definitions(key)
        .key_schema(schema)
        .billing_mode(BillingMode::PayPerRequest);
    made.send().await.unwrap();
    "register".to_owned()
}

/// With one subscription that waits to be confirmed. The local AWS takes mail addresses for confirmed at once, so
/// it is one by HTTP, to where nobody listens.
async fn topic(aws: &LocalAws) -> String {
    let client = aws_sdk_sns::Client::new(&aws.sdk_config(REGION));
    let made = client.create_topic().name("notifications").send().await.unwrap();
    let arn = made.topic_arn.unwrap();
    let subscribed = client
        .subscribe()
        .topic_arn(&arn)
        .protocol("http")
        .endpoint("http://127.0.0.1:9/");
    subscribed.send().await.unwrap();
    arn
}

fn alert(name: &str, reporter: &str, suspect: Option<&str>) -> FunctionUrlRequest {
    let mut labels = json!({"alertname": name, "topology": "keycloak-test", "reporter": reporter});
    if let Some(suspect) = suspect {
        labels["site"] = json!(suspect);
    }
    FunctionUrlRequest::post("/webhook", payload(&labels)).basic_auth("keycloak", PASSWORD)
}

fn payload(labels: &Value) -> String {
    let payload = json!({
        "version": "4", "status": "firing", "truncatedAlerts": 0,
        "alerts": [{"status": "firing", "labels": labels}],
    });
    payload.to_string()
}

/// Whatever breaks, a minute later the answer is red and names it; and looking has changed nothing.
#[tokio::test]
async fn what_breaks_turns_health_red_within_a_minute_and_is_named() {
    let stage = Stage::set().await;
    // Before the first deep check there is nothing to be told.
    let first = stage.health().await;
    assert!(
        first.body.starts_with("FENCER-FAILED failing=deep-check "),
        "{}",
        first.body
    );
    for site in SITES {
        let answer = stage.ask(&alert("FencingPathWatchdog", site, None)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let ok = "FENCER-OK epoch=0 state=open depth=deep";
    let whole = (200, format!("{ok} warnings=notifications"));
    assert_eq!(stage.health_after_a_minute().await, whole);
    let told = stage.health().await.body;
    assert!(
        told.contains("1 of 1 subscriptions wait to be confirmed"),
        "{told}"
    );

    // Somebody changes the password at the sites, and forgets the secret.
    stage.infinispan.set_password("developer", "another");
    let red = |checks: &str| {
        (
            503,
            format!("FENCER-FAILED failing={checks} epoch=0 state=open depth=deep"),
        )
    };
    let both_sites = "infinispan:site-a,infinispan:site-b";
    let (status, line) = stage.health_after_a_minute().await;
    assert_eq!(
        (status, line),
        (503, format!("{} warnings=notifications", red(both_sites).1))
    );
    let told = stage.health().await.body;
    assert!(
        told.contains("it does not accept user `developer` with the password from its secret (401)"),
        "{told}"
    );
    stage.infinispan.set_password("developer", INFINISPAN_PASSWORD);
    assert_eq!(stage.health_after_a_minute().await, whole);

    // Or the secret, and forgets the sites: what is remembered from before must not hide that.
    let secrets = aws_sdk_secretsmanager::Client::new(&stage.aws.sdk_config(REGION));
    let store = async |value: &str| {
        let stored = secrets
            .put_secret_value()
            .secret_id("infinispan")
            .secret_string(value);
        stored.send().await.unwrap();
    };
    store("misspelt").await;
    assert_eq!(stage.health_after_a_minute().await.0, 503);
    store("").await;
    let (_, line) = stage.health_after_a_minute().await;
    assert!(line.contains("failing=infinispan-secret"), "{line}");
    store(INFINISPAN_PASSWORD).await;
    assert_eq!(stage.health_after_a_minute().await, whole);

    // Reading the container would still work, cutting replication would not.
    stage.infinispan.set_role("developer", Role::Observer);
    let (status, line) = stage.health_after_a_minute().await;
    assert_eq!(status, 503);
    assert!(line.contains(both_sites), "{line}");
    assert!(stage.health().await.body.contains("needs ADMIN"));
    stage.infinispan.set_role("developer", Role::Admin);
    assert_eq!(stage.health_after_a_minute().await, whole);

    // One lost site is what all this is for; two are not.
    stage.infinispan.site("site-b").unwrap().die();
    let degraded = format!("{ok} degraded=site-b warnings=infinispan:site-b,notifications");
    assert_eq!(stage.health_after_a_minute().await, (200, degraded));
    stage.infinispan.site("site-a").unwrap().die();
    assert_eq!(stage.health_after_a_minute().await.0, 503);
    for site in SITES {
        stage.infinispan.site(site).unwrap().come_back();
    }
    assert_eq!(stage.health_after_a_minute().await, whole);

    // Another deployment claims the accelerator; then some tool strips its tags; then they cannot be read.
    let tags = || {
        let mut world = stage.accelerator.world();
        std::mem::take(&mut world.accelerator_mut("keycloak").unwrap().tags)
    };
    let mark = |tags: Vec<(String, String)>| {
        stage
            .accelerator
            .world()
            .accelerator_mut("keycloak")
            .unwrap()
            .tags = tags;
    };
    let kept = tags();
    mark(vec![(OWNER_TAG.to_owned(), "another".to_owned())]);
    assert_eq!(
        stage.health_after_a_minute().await,
        (503, format!("{} warnings=notifications", red("owner").1))
    );
    let told = stage.health().await.body;
    assert!(told.contains("the accelerator belongs to `another`"), "{told}");
    let warned = (200, format!("{ok} warnings=owner,notifications"));
    tags();
    assert_eq!(stage.health_after_a_minute().await, warned);
    mark(kept);
    let faults = stage.accelerator.faults();
    faults.always(Operation::ListTagsForResource, Fault::AccessDenied);
    assert_eq!(stage.health_after_a_minute().await, warned);
    faults.lift(Operation::ListTagsForResource);
    assert_eq!(stage.health_after_a_minute().await, whole);

    // Somebody takes a site out by hand.
    let taken = balancer_arn(REGION, "site-b");
    stage.accelerator.world().remove_by_hand(&taken);
    let (status, line) = stage.health_after_a_minute().await;
    assert_eq!(status, 503);
    assert!(line.starts_with("FENCER-FAILED failing=endpoints "), "{line}");

    // All that looking has changed nothing of what it looked at …
    assert!(stage.accelerator.writes().is_empty());
    let writes = stage
        .infinispan
        .calls()
        .matching(|call| call.operation.is_some_and(|operation| operation.writes()));
    assert!(writes.is_empty(), "{writes:#?}");
    let keys: BTreeSet<String> = stage
        .aws
        .items(REGION, "register")
        .await
        .unwrap()
        .iter()
        .map(|item| item["pk"].as_str().unwrap().to_owned())
        .collect();
    let of_topology = |what: &str| format!("keycloak-test#{what}");
    // Since when there has been no drill is kept where a drill's figures will be.
    let wanted = [
        "deep#eu-west-1",
        "drill",
        "probe#eu-west-1",
        "seen#site-a",
        "seen#site-b",
    ]
    .map(of_topology);
    assert_eq!(keys, wanted.into());

    // … and the log is JSON throughout, with metrics of known names and without secrets.
    let known: BTreeSet<&str> = Metric::all().map(Metric::name).collect();
    let mut measured = BTreeSet::new();
    for line in stage.function.log().all() {
        for secret in [PASSWORD, INFINISPAN_PASSWORD, HEALTH_SECRET, "misspelt"] {
            assert!(!line.contains(secret), "{line}");
        }
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let name = metric["Name"].as_str().unwrap();
            assert!(known.contains(name) && line[name].is_number(), "{line}");
            measured.insert(name.to_owned());
        }
    }
    for name in ["DeepCheckRan", "DeepCheckFailures", "WatchdogSeen"] {
        assert!(measured.contains(name), "{measured:?}");
    }
}

/// Every stranger of some seconds' flood stands in one line with a genuine alert, before one single process, as
/// with a reserved concurrency of 1. The alert is served; the strangers cause not one call.
#[tokio::test]
async fn a_flood_of_strangers_does_not_keep_an_alert_from_being_served() {
    let stage = Stage::set().await;
    stage.infinispan.cut_link();
    stage.minute().await;
    let stranger = |number: u32| match number % 4 {
        0 => FunctionUrlRequest::get(&format!("/health/{number:040}")),
        1 => FunctionUrlRequest::post("/webhook", "{}").basic_auth("keycloak", &number.to_string()),
        2 => FunctionUrlRequest::post("/webhook", "{}"),
        _ => FunctionUrlRequest::get("/.env"),
    };
    let began = Instant::now();
    let before: Vec<_> = (0..500)
        .map(|number| stage.function.send(&stranger(number).event()).unwrap())
        .collect();
    let genuine = stage
        .function
        .send(&alert("SiteOffline", "site-a", Some("site-b")).event())
        .unwrap();
    let after: Vec<_> = (0..500)
        .map(|number| stage.function.send(&stranger(number).event()).unwrap())
        .collect();
    for invocation in before {
        turned_away(&invocation.ended().await);
    }
    let flood = began.elapsed();
    let calls = || {
        (
            stage.accelerator.calls().all().len(),
            stage.infinispan.calls().all().len(),
        )
    };
    let Ended::Answered(answer) = genuine.ended().await else {
        panic!("the alert was not answered");
    };
    let answer = HttpAnswer::of(&answer);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.starts_with("fenced site-b"), "{}", answer.body);
    let calls_of_the_alert = calls();
    for invocation in after {
        turned_away(&invocation.ended().await);
    }
    assert_eq!(calls(), calls_of_the_alert, "a stranger caused a call");
    println!("500 strangers were turned away in {flood:?}, before the alert's turn");
}

fn turned_away(ended: &Ended) {
    let Ended::Answered(answer) = ended else {
        panic!("{ended:?}");
    };
    let status = HttpAnswer::of(answer).status;
    assert!([401, 403, 404].contains(&status), "{answer}");
}

/// What became of a flood, and of the alert in the middle of it.
struct Flooded {
    /// How many strangers were answered what.
    strangers: BTreeMap<u16, u32>,
    /// How many were not even sent, because so many of those before were still waiting for an answer.
    unsent: u32,
    /// What the alert was answered in the end.
    status: u16,
    /// How often it was sent until then.
    tries: u32,
    /// How long the last try took.
    took: Duration,
}

/// So many strangers wait at the same time: each of them is a connection at both ends, and files are few.
const WAITING_AT_MOST: usize = 200;

/// Strangers at a rate, by a front with this much reserved concurrency or none; and after two seconds a genuine alert,
/// sent again twice a second for as long as it is turned away.
async fn flood(stage: &Stage, rate: u32, reserved: Option<usize>) -> Flooded {
    let upstream = Upstream::Process(Arc::clone(&stage.function));
    let front = match reserved {
        Some(reserved) => FunctionUrl::capped(upstream, reserved).unwrap(),
        None => FunctionUrl::start(upstream).unwrap(),
    };
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let post = |password: &str, body: String| {
        let credentials = BASE64.encode(format!("keycloak:{password}"));
        let request = http::Request::post(format!("{}webhook", front.url()))
            .header("authorization", format!("Basic {credentials}"))
            .body(Full::from(body))
            .unwrap();
        client.request(request)
    };
    let mut junk = tokio::task::JoinSet::new();
    let (waiting, mut unsent) = (Arc::new(Semaphore::new(WAITING_AT_MOST)), 0);
    let mut clock = tokio::time::interval(Duration::from_secs(1) / rate);
    let began = Instant::now();
    let mut alert = None;
    while alert
        .as_ref()
        .is_none_or(|alert: &tokio::task::JoinHandle<_>| !alert.is_finished())
    {
        clock.tick().await;
        match Arc::clone(&waiting).try_acquire_owned() {
            Ok(place) => {
                let answer = post("guess", "{}".to_owned());
                junk.spawn(async move {
                    let status = answer.await.unwrap().status().as_u16();
                    drop(place);
                    status
                });
            }
            Err(_) => unsent += 1,
        }
        if alert.is_none() && began.elapsed() >= Duration::from_secs(2) {
            let body = payload(&json!({
                "alertname": "SiteOffline", "topology": "keycloak-test", "reporter": "site-a", "site": "site-b",
            }));
            let (client, url) = (client.clone(), front.url());
            alert = Some(tokio::spawn(async move {
                let credentials = BASE64.encode(format!("keycloak:{PASSWORD}"));
                for tries in 1.. {
                    let request = http::Request::post(format!("{url}webhook"))
                        .header("authorization", format!("Basic {credentials}"))
                        .body(Full::from(body.clone()))
                        .unwrap();
                    let sent = Instant::now();
                    let status = client.request(request).await.unwrap().status().as_u16();
                    if status == 200 || tries == 40 {
                        return (status, tries, sent.elapsed());
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                unreachable!()
            }));
        }
    }
    let (status, tries, took) = alert.unwrap().await.unwrap();
    let mut strangers = BTreeMap::new();
    for status in junk.join_all().await {
        *strangers.entry(status).or_default() += 1;
    }
    Flooded {
        strangers,
        unsent,
        status,
        tries,
        took,
    }
}

/// The figures of docs/performance.md: one process, as with a concurrency of one.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, for an idle machine: cargo test -p tests --test watching --release -- --ignored --nocapture"]
async fn how_an_alert_fares_in_a_flood() {
    for rate in [1, 100, 1000] {
        for reserved in [None, Some(1)] {
            let stage = Stage::set().await;
            stage.infinispan.cut_link();
            stage.minute().await;
            let calls = || stage.accelerator.calls().all().len() + stage.infinispan.calls().all().len();
            let before = calls();
            let flooded = flood(&stage, rate, reserved).await;
            println!(
                "{rate} strangers a second, reserved {reserved:?}: answered {:?}, {} not sent; the alert answered {} at try {} \
                 in {} ms; {} calls, all of them the alert's",
                flooded.strangers,
                flooded.unsent,
                flooded.status,
                flooded.tries,
                flooded.took.as_millis(),
                calls() - before
            );
        }
    }
}
