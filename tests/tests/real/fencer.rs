//! The real function, with a world to act on and an address for Alertmanager: Lambda's Runtime API in front of the
//! binary, the register and the secrets in a local AWS, stand-ins of the accelerator and of two Infinispan clusters.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use fencing::accelerator::OWNER_TAG;
use fencing::settings::Found;
use fencing::words::SiteName;
use provisioner::topology::{Topology, parse};
use serde_json::Value;
use tempfile::TempDir;
use tests::standins::accelerator::{Accelerator, AcceleratorStandIn, World, balancer_arn};
use tests::standins::function_url::{Delivery, FunctionUrl, Upstream};
use tests::standins::infinispan::{InfinispanPair, Role};
use tests::standins::local_aws::LocalAws;
use tests::standins::runtime_api::FunctionProcess;
use tests::tools;

/// What Alertmanager must send as it is: nothing of it may be taken for an escape of a URL or of YAML.
pub(crate) const PASSWORD: &str = "p%40ss+w:ö\"rd\\ &#'";
/// How long something may take on a machine that is busy compiling.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

const REGION: &str = "eu-west-1";

static SHARED: OnceLock<LocalAws> = OnceLock::new();
static ACCOUNTS: AtomicU64 = AtomicU64::new(200_000_000_001);

pub(crate) struct Fencer {
    pub(crate) topology: Topology,
    pub(crate) accelerator: Arc<AcceleratorStandIn>,
    pub(crate) infinispan: Arc<InfinispanPair>,
    pub(crate) function: Arc<FunctionProcess>,
    pub(crate) url: FunctionUrl,
    aws: LocalAws,
    _task_root: TempDir,
}

impl Fencer {
    /// Everything is well, and both sites serve.
    pub(crate) async fn start() -> Self {
        let topology = topology("demo");
        let names = topology.sites.each_ref().map(|site| site.name.to_string());
        let balancers = names.each_ref().map(|name| balancer_arn(REGION, name));
        let account = ACCOUNTS.fetch_add(1, Ordering::Relaxed).to_string();
        let accelerator = AcceleratorStandIn::start(
            World::new().with(
                Accelerator::in_one_region("keycloak", REGION, &[&balancers[0], &balancers[1]])
                    .tag(OWNER_TAG, &topology.owner(&account)),
            ),
        )
        .unwrap();
        let infinispan = InfinispanPair::builder(names.each_ref().map(String::as_str))
            .user(topology.infinispan.username.as_str(), "infinispan's", Role::Admin)
            .start()
            .unwrap();
        Self::deployed(topology, &account, Arc::new(accelerator), Arc::new(infinispan)).await
    }

    /// Another topology with the same sites, on the same accelerator, which does not say that it is this one's. It has a
    /// function and a register of its own, in an account of its own.
    pub(crate) async fn beside(&self) -> Self {
        let account = ACCOUNTS.fetch_add(1, Ordering::Relaxed).to_string();
        let (accelerator, infinispan) = (Arc::clone(&self.accelerator), Arc::clone(&self.infinispan));
        Self::deployed(topology("another"), &account, accelerator, infinispan).await
    }

    async fn deployed(
        topology: Topology,
        account: &str,
        accelerator: Arc<AcceleratorStandIn>,
        infinispan: Arc<InfinispanPair>,
    ) -> Self {
        let names = topology.sites.each_ref().map(|site| site.name.to_string());
        let balancers = names.each_ref().map(|name| balancer_arn(REGION, name));
        let aws = SHARED
            .get_or_init(|| LocalAws::start().unwrap())
            .in_account(account);
        let task_root = tempfile::tempdir().unwrap();
        std::fs::create_dir(task_root.path().join("ca")).unwrap();
        for name in &names {
            let bundle = task_root.path().join("ca").join(format!("{name}.pem"));
            std::fs::write(bundle, infinispan.authority().pem()).unwrap();
        }
        let found = Found {
            owner: topology.owner(account),
            ..found(&topology, &aws, &accelerator, &infinispan, &balancers).await
        };
        let settings = topology.settings(topology.first_region(), found);
        let binary = tools::target_directory().unwrap().join("debug/bootstrap");
        assert!(
            binary.is_file(),
            "the function is not built; `cargo build --workspace --bins` does it"
        );
        let function = FunctionProcess::builder(&binary)
            .task_root(task_root.path())
            .timeout(Duration::from_secs(15))
            .environments(
                settings
                    .environment()
                    .into_iter()
                    .map(|(variable, value)| (variable.name.to_owned(), value)),
            )
            .environments(aws.client_environment())
            .environment("AWS_SESSION_TOKEN", "")
            .environment("AWS_ENDPOINT_URL_GLOBAL_ACCELERATOR", &accelerator.url())
            .build();
        let function = Arc::new(function);
        let url = FunctionUrl::start(Upstream::Process(Arc::clone(&function))).unwrap();
        Self {
            topology,
            accelerator,
            infinispan,
            function,
            url,
            aws,
            _task_root: task_root,
        }
    }

    /// What the Secret in a site's cluster holds.
    pub(crate) fn secret(&self, key: &str) -> Option<String> {
        match key {
            "url" => Some(format!("{}webhook", self.url.url())),
            "username" => Some(self.topology.webhook.username.to_string()),
            "password" => Some(PASSWORD.to_owned()),
            _ => None,
        }
    }

    /// Waits until the deliveries satisfy `holds`.
    pub(crate) async fn until(&self, what: &str, holds: impl FnMut(&[Delivery]) -> bool) {
        let reached = self.url.deliveries().reached(LIMIT, holds).await;
        assert!(
            reached,
            "not seen: {what}; deliveries: {:#?}\nfunction: {:#?}",
            self.url.deliveries().all(),
            self.function.log().all()
        );
    }

    /// The endpoint of the site of this index.
    pub(crate) fn balancer(&self, index: usize) -> String {
        balancer_arn(REGION, self.topology.sites[index].name.as_str())
    }

    /// The items of the register's table.
    pub(crate) async fn register(&self) -> Vec<Value> {
        self.aws.items(REGION, &self.topology.table_name()).await.unwrap()
    }
}

fn topology(name: &str) -> Topology {
    let text = include_str!("../../../examples/local.yaml");
    let text = text.replace("\nname: demo\n", &format!("\nname: {name}\n"));
    parse(text.as_bytes(), "local.yaml").unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

async fn found(
    topology: &Topology,
    aws: &LocalAws,
    accelerator: &AcceleratorStandIn,
    infinispan: &InfinispanPair,
    balancers: &[String; 2],
) -> Found {
    let table = topology.table_name();
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
    client
        .create_table()
        .table_name(&table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(key)
        .key_schema(schema)
        .send()
        .await
        .unwrap();
    let secret = async |name: &str, value: &str| aws.create_secret(REGION, name, value).await.unwrap();
    let by_site = |index: usize| topology.sites[index].name.clone();
    let world = accelerator.world();
    let ours = world.accelerator("keycloak").unwrap();
    let (accelerator_arn, endpoint_group_arns) = (
        ours.arn.clone(),
        ours.groups().map(|group| group.arn.clone()).collect(),
    );
    drop(world);
    let infinispan_urls: BTreeMap<SiteName, String> = [0, 1]
        .map(|index| {
            let name = by_site(index);
            let url = infinispan.site(name.as_str()).unwrap().url();
            (name, url)
        })
        .into();
    Found {
        accelerator_arn,
        endpoint_group_arns,
        balancers: [0, 1]
            .map(|index| (by_site(index), vec![balancers[index].clone()]))
            .into(),
        infinispan_urls,
        infinispan_secret: secret("infinispan", "infinispan's").await,
        webhook_secret: secret("webhook", PASSWORD).await,
        health_secret: secret("health", "health").await,
        register_table: table,
        topic_arn: String::new(),
        owner: String::new(),
    }
}
