//! Servers, the function in front of them, and a local AWS and an accelerator around it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use fencing::accelerator::OWNER_TAG;
use fencing::answer::Answer;
use fencing::contract::Envelope;
use fencing::settings::{Found, Settings, sample};
use fencing::step::Task;
use fencing::words::SiteName;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::servers::{Plan, SITES, Servers, USERS};
use tests::standins::accelerator::{Accelerator, AcceleratorStandIn, Health, World, balancer_arn};
use tests::standins::infinispan::Role;
use tests::standins::local_aws::LocalAws;
use tests::standins::runtime_api::{Ended, FunctionProcess, FunctionUrlRequest, HttpAnswer};

const REGION: &str = "eu-west-1";
const TABLE: &str = "register";
pub(crate) const PASSWORD: &str = "s3cret of the webhook";
const HEALTH_SECRET: &str = "0123456789abcdefghijABCDEFGHIJ0123456789";

/// How long a scene waits for what the servers come to by themselves: to miss each other, to see each other again, to
/// form a site. A minute at most on a machine that has time for them; scenes wait for the state and never say how
/// soon it has to come.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

/// How often an alert is posted that is not answered with a 200.
pub(crate) const ALERT_EVERY: Duration = Duration::from_secs(3);

/// A scene, once with each version of the servers. `cargo xtask test` leaves them out: they take minutes.
macro_rules! with_both_versions {
    ($($scene:ident),+ $(,)?) => {
        mod infinispan_16 {
            $(
                #[tokio::test]
                #[ignore = "takes minutes: cargo xtask real infinispan"]
                async fn $scene() {
                    super::$scene(tests::servers::Version::Sixteen).await;
                }
            )+
        }
        mod infinispan_15 {
            $(
                #[tokio::test]
                #[ignore = "takes minutes: cargo xtask real infinispan"]
                async fn $scene() {
                    super::$scene(tests::servers::Version::Fifteen).await;
                }
            )+
        }
    };
}
pub(crate) use with_both_versions;

/// What a test is called, to say that it is skipped.
pub(crate) fn this_scene() -> String {
    std::thread::current().name().unwrap_or("a scene").to_owned()
}

pub(crate) struct Stage {
    pub(crate) servers: Servers,
    pub(crate) accelerator: AcceleratorStandIn,
    pub(crate) aws: LocalAws,
    pub(crate) function: Arc<FunctionProcess>,
    pub(crate) settings: Settings,
    root: TempDir,
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
    pub(crate) async fn set(plan: Plan) -> Option<Self> {
        Self::set_for(plan, USERS[0]).await
    }

    /// With a function that calls the servers as somebody else.
    pub(crate) async fn set_for(plan: Plan, user: (&str, &str, Role)) -> Option<Self> {
        let servers = Servers::for_test(&this_scene(), plan)
            .await
            .unwrap_or_else(|error| panic!("{error}"))?;
        let balancers = SITES.map(|site| balancer_arn(REGION, site));
        let accelerator = AcceleratorStandIn::start(
            World::new().with(
                Accelerator::in_one_region("keycloak", REGION, &[&balancers[0], &balancers[1]])
                    .tag(OWNER_TAG, &sample::settings().found.owner),
            ),
        )
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
                infinispan_secret: secret("infinispan", user.1).await,
                webhook_secret: secret("webhook", PASSWORD).await,
                health_secret: secret("health", HEALTH_SECRET).await,
                register_table: table(&aws).await,
                topic_arn: topic(&aws).await,
                owner: sample::settings().found.owner,
            },
            infinispan_username: user.0.to_owned(),
            // Scenes fence again right after a rejoin.
            cooldown_seconds: 0,
            ..sample::settings()
        };
        let function = Arc::new(process(&settings, &aws, &root));
        Some(Self {
            servers,
            accelerator,
            aws,
            function,
            settings,
            root,
        })
    }

    /// Another process of the same function, as Lambda starts one where the first is busy.
    pub(crate) fn another_process(&self) -> Arc<FunctionProcess> {
        Arc::new(process(&self.settings, &self.aws, &self.root))
    }

    /// What site-a's or site-b's Alertmanager would post, and the answer.
    pub(crate) async fn alert(&self, reporter: usize) -> HttpAnswer {
        self.report("SiteOffline", reporter).await
    }

    /// The same as soon as the other site is out of view.
    pub(crate) async fn suspect(&self, reporter: usize) -> HttpAnswer {
        self.report("SiteSuspected", reporter).await
    }

    async fn report(&self, name: &str, reporter: usize) -> HttpAnswer {
        let labels = json!({
            "alertname": name, "topology": "keycloak-test",
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

    /// A site misses the other one, and its Alertmanager posts until that is answered with a 200.
    pub(crate) async fn fence(&self, reporter: usize) -> String {
        self.servers.until_seen(reporter, false, LIMIT).await.unwrap();
        let began = Instant::now();
        loop {
            let answer = self.alert(reporter).await;
            if answer.status == 200 {
                return answer.body;
            }
            assert!(
                began.elapsed() < LIMIT,
                "not fenced: {} {}",
                answer.status,
                answer.body
            );
            // Alertmanager waits between two attempts, and the function answers a repeat from memory.
            tokio::time::sleep(ALERT_EVERY).await;
        }
    }

    pub(crate) async fn minute(&self) -> Answer {
        self.invoke(&Envelope::Sweep {}).await
    }

    /// One call of an operator's command.
    pub(crate) async fn operate(&self, task: Task) -> Answer {
        self.invoke(&Envelope::Operate { task }).await
    }

    /// What an operator is shown before giving a site up.
    pub(crate) async fn count(&self, given_up: usize, kept: usize) -> Answer {
        let [given_up, kept] = [given_up, kept].map(|site| SiteName::new(SITES[site]).unwrap());
        self.invoke(&Envelope::Count { given_up, kept }).await
    }

    async fn invoke(&self, envelope: &Envelope) -> Answer {
        match self.function.invoke(&envelope.event()).await.unwrap() {
            Ended::Answered(answer) => serde_json::from_value(answer).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Minutes pass until replication at a site is cut.
    pub(crate) async fn until_cut(&self, site: usize) {
        let what = format!("{} still replicates", SITES[site]);
        let cut = async || {
            self.minute().await;
            self.backup(site).await == "offline"
        };
        self.servers.until(&what, LIMIT, cut).await.unwrap();
    }

    /// The register's record, as it is stored.
    pub(crate) async fn record(&self) -> Value {
        let items = self.aws.items(REGION, TABLE).await.unwrap();
        let record = items.into_iter().find(|item| !item["epoch"].is_null());
        record.unwrap_or_default()
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

    /// Health checks have passed wherever there is an endpoint.
    pub(crate) fn all_are_healthy(&self) {
        let mut world = self.accelerator.world();
        for site in SITES {
            world.set_health(&balancer_arn(REGION, site), Health::Healthy);
        }
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

    /// What a site's first node says of its backup at the other site.
    pub(crate) async fn backup(&self, site: usize) -> Value {
        self.backup_by(site, 0).await
    }

    /// What one node says of that.
    pub(crate) async fn backup_by(&self, site: usize, node: usize) -> Value {
        let path = format!("/rest/v2/container/x-site/backups/{}", SITES[1 - site]);
        self.servers.ask(site, node, "GET", &path).await.json()["status"].clone()
    }

    /// The sites see each other again.
    pub(crate) async fn linked(&self) {
        for site in 0..2 {
            self.servers.until_seen(site, true, LIMIT).await.unwrap();
        }
    }
}

fn process(settings: &Settings, aws: &LocalAws, root: &TempDir) -> FunctionProcess {
    let environment = settings
        .environment()
        .into_iter()
        .map(|(variable, value)| (variable.name.to_owned(), value));
    FunctionProcess::builder(bootstrap())
        .region(REGION)
        .task_root(root.path())
        .timeout(Duration::from_secs(15))
        .environments(environment)
        .environments(aws.client_environment())
        .environment("AWS_SESSION_TOKEN", "")
        .build()
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
        .table_name(TABLE)
        .attribute_definitions(key)
        .key_schema(schema)
        .billing_mode(BillingMode::PayPerRequest);
    made.send().await.unwrap();
    TABLE.to_owned()
}

async fn topic(aws: &LocalAws) -> String {
    let client = aws_sdk_sns::Client::new(&aws.sdk_config(REGION));
    let made = client.create_topic().name("notifications").send().await.unwrap();
    made.topic_arn.unwrap()
}
