//! Servers, the function in front of them, and a local AWS and an accelerator around it.

use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use fencing::settings::{Found, Settings, sample};
use fencing::words::SiteName;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::servers::{Plan, SITES, Servers, USERS};
use tests::standins::accelerator::{Accelerator, AcceleratorStandIn, World, balancer_arn};
use tests::standins::local_aws::LocalAws;
use tests::standins::runtime_api::{Ended, FunctionProcess, FunctionUrlRequest, HttpAnswer};

const REGION: &str = "eu-west-1";
const PASSWORD: &str = "s3cret of the webhook";
const HEALTH_SECRET: &str = "0123456789abcdefghijABCDEFGHIJ0123456789";

/// With Keycloak's failure detection the view is lost at most so long after the link.
pub(crate) const SUSPICION: Duration = Duration::from_secs(20);
/// Merging takes JGroups its time, more on a machine that is busy.
pub(crate) const MERGE: Duration = Duration::from_secs(150);

pub(crate) struct Stage {
    pub(crate) servers: Servers,
    pub(crate) accelerator: AcceleratorStandIn,
    pub(crate) aws: LocalAws,
    pub(crate) function: FunctionProcess,
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
    /// None where this machine cannot have the servers, which is told.
    pub(crate) async fn set(test: &str, plan: Plan) -> Option<Self> {
        let servers = Servers::for_test(test, plan)
            .await
            .unwrap_or_else(|error| panic!("{error}"))?;
        let balancers = SITES.map(|site| balancer_arn(REGION, site));
        let accelerator = AcceleratorStandIn::start(World::new().with(Accelerator::in_one_region(
            "keycloak",
            REGION,
            &[&balancers[0], &balancers[1]],
        )))
        .unwrap();
        let aws = LocalAws::builder()
            .global_accelerator(&accelerator.url())
            .start()
            .unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("ca")).unwrap();
        for site in SITES {
            let bundle = root.path().join("ca").join(format!("{site}.pem"));
            std::fs::write(bundle, servers.authority().pem()).unwrap();
        }
        let secret = async |name: &str, value: &str| aws.create_secret(REGION, name, value).await.unwrap();
        let named = SITES.map(|site| SiteName::new(site).unwrap());
        let (accelerator_arn, endpoint_group_arns) = {
            let world = accelerator.world();
            let ours = world.accelerator("keycloak").unwrap();
            (
                ours.arn.clone(),
                ours.groups().map(|group| group.arn.clone()).collect(),
            )
        };
        let urls = servers.sites.iter().map(tests::servers::Site::url);
        let settings = Settings {
            found: Found {
                accelerator_arn,
                endpoint_group_arns,
                balancers: named
                    .iter()
                    .cloned()
                    .zip(balancers.map(|arn| vec![arn]))
                    .collect(),
                infinispan_urls: named.iter().cloned().zip(urls).collect(),
                infinispan_secret: secret("infinispan", USERS[0].1).await,
                webhook_secret: secret("webhook", PASSWORD).await,
                health_secret: secret("health", HEALTH_SECRET).await,
                register_table: table(&aws).await,
                topic_arn: topic(&aws).await,
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
        Some(Self {
            servers,
            accelerator,
            aws,
            function,
            _root: root,
        })
    }

    /// What site-a's or site-b's Alertmanager would post, and the answer.
    pub(crate) async fn alert(&self, reporter: usize) -> HttpAnswer {
        let labels = json!({
            "alertname": "SiteOffline", "topology": "keycloak-test",
            "reporter": SITES[reporter], "site": SITES[1 - reporter],
        });
        let payload = json!({
            "version": "4", "status": "firing", "truncatedAlerts": 0,
            "alerts": [{"status": "firing", "labels": labels}],
        });
        let request =
            FunctionUrlRequest::post("/webhook", payload.to_string()).basic_auth("keycloak", PASSWORD);
        self.function.request(&request).await.unwrap().expect("an answer")
    }

    /// Posts until the answer is a 200, as Alertmanager does.
    pub(crate) async fn fence(&self, reporter: usize) -> String {
        let mut told = String::new();
        for _ in 0..20 {
            let answer = self.alert(reporter).await;
            if answer.status == 200 {
                return answer.body;
            }
            told = format!("{} {}", answer.status, answer.body);
            // Alertmanager waits between two attempts, and the function answers a repeat from memory.
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        panic!("not fenced: {told}");
    }

    /// The minute passes.
    pub(crate) async fn minute(&self) {
        let ended = self
            .function
            .invoke(&json!({"sitefence": "sweep"}))
            .await
            .unwrap();
        assert!(matches!(ended, Ended::Answered(_)), "{ended:?}");
    }

    /// The minute passes, and somebody asks.
    pub(crate) async fn health_after_a_minute(&self) -> String {
        self.minute().await;
        let path = format!("/health/{HEALTH_SECRET}");
        let answer = self.function.request(&FunctionUrlRequest::get(&path)).await;
        answer.unwrap().expect("an answer").body
    }

    /// Another password in the secret.
    pub(crate) async fn set_password(&self, password: &str) {
        let secrets = aws_sdk_secretsmanager::Client::new(&self.aws.sdk_config(REGION));
        let stored = secrets
            .put_secret_value()
            .secret_id("infinispan")
            .secret_string(password);
        stored.send().await.unwrap();
    }

    /// The balancers that are in the accelerator, by the site's name at their end.
    pub(crate) fn endpoints(&self) -> Vec<String> {
        let world = self.accelerator.world();
        let listeners = world.accelerator("keycloak").unwrap().endpoint_ids();
        let all = listeners.into_iter().flatten();
        all.filter_map(|id| {
            SITES
                .iter()
                .find(|site| id.contains(*site))
                .map(|site| (*site).to_owned())
        })
        .collect()
    }

    /// What a site says of its backup at the other.
    pub(crate) async fn backup(&self, site: usize) -> Value {
        let path = format!("/rest/v2/container/x-site/backups/{}", SITES[1 - site]);
        self.servers.ask(site, 0, "GET", &path).await.json()["status"].clone()
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

async fn topic(aws: &LocalAws) -> String {
    let client = aws_sdk_sns::Client::new(&aws.sdk_config(REGION));
    let made = client.create_topic().name("notifications").send().await.unwrap();
    made.topic_arn.unwrap()
}
