//! Two tagged balancers in an accelerator among many, a secret, a topology, and `provision` to act on them.
//!
//! All tests share one local AWS, and each has an account of its own in it: what one leaves behind can neither help
//! nor hurt another, and nobody waits for a server to start. Global Accelerator is each test's own.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use provisioner::package;
use tempfile::TempDir;
use tests::provision::{Provision, Run};
use tests::standins::accelerator::{Accelerator, AcceleratorStandIn, World};
use tests::standins::gate::{Counter, Gate};
use tests::standins::local_aws::LocalAws;

pub(crate) const REGION: &str = "eu-west-1";
/// The other Region of those worlds that have two.
pub(crate) const OTHER_REGION: &str = "eu-central-1";
/// A Region in which no site lives.
pub(crate) const THIRD_REGION: &str = "eu-west-3";
/// Applies the usual topology with a function that need not be built.
pub(crate) const APPLY: &[&str] = &["apply", "--yes", "--function-zip", "given.zip"];

/// The server, which ends with this process.
static SHARED: OnceLock<LocalAws> = OnceLock::new();
static ACCOUNTS: AtomicU64 = AtomicU64::new(100_000_000_001);

/// A world in which a topology can be deployed.
pub(crate) struct Cloud {
    pub(crate) account: String,
    pub(crate) accelerator: AcceleratorStandIn,
    pub(crate) aws: LocalAws,
    /// Counts the changes that `provision` asks for.
    pub(crate) counter: Counter,
    gate: Gate,
    pub(crate) home: TempDir,
    pub(crate) balancers: [String; 2],
}

/// How a [`Cloud`] differs from a good one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flaws {
    pub(crate) untagged_balancer: bool,
    pub(crate) no_secret: bool,
    /// site-b lives in a Region of its own.
    pub(crate) two_regions: bool,
}

impl Flaws {
    fn region_of_b(self) -> &'static str {
        if self.two_regions { OTHER_REGION } else { REGION }
    }
}

/// Runs what needs a runtime.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn s3_client(config: &aws_config::SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config)
        .force_path_style(true)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

impl Cloud {
    pub(crate) fn new() -> Self {
        Self::with(Flaws::default())
    }

    pub(crate) fn with(flaws: Flaws) -> Self {
        let accelerator = AcceleratorStandIn::start(World::new()).unwrap();
        let account = ACCOUNTS.fetch_add(1, Ordering::Relaxed).to_string();
        let aws = SHARED
            .get_or_init(|| LocalAws::start().unwrap())
            .in_account(&account);
        let balancers = block_on(async {
            if !flaws.no_secret {
                aws.create_secret(REGION, "demo/infinispan", "its password")
                    .await
                    .unwrap();
            }
            if flaws.two_regions {
                aws.replicate_secret(REGION, "demo/infinispan", OTHER_REGION)
                    .await
                    .unwrap();
            }
            let b_tag = (!flaws.untagged_balancer).then_some("site-b");
            [
                aws.create_balancer(REGION, "keycloak-a", Some("site-a"))
                    .await
                    .unwrap(),
                aws.create_balancer(flaws.region_of_b(), "keycloak-b", b_tag)
                    .await
                    .unwrap(),
            ]
        });
        // More than one page of accelerators lies before ours.
        let ours = if flaws.two_regions {
            let sites = [
                (REGION, balancers[0].as_str()),
                (OTHER_REGION, balancers[1].as_str()),
            ];
            Accelerator::in_two_regions("keycloak", sites)
        } else {
            Accelerator::in_one_region("keycloak", REGION, &[&balancers[0], &balancers[1]])
        };
        *accelerator.world() = World::new().with_decoys(12).with(ours);
        let counter = Counter::default();
        let cloud = Self {
            account,
            gate: Gate::start(aws.address(), &counter).unwrap(),
            counter,
            accelerator,
            aws,
            home: tempfile::tempdir().unwrap(),
            balancers,
        };
        cloud.write_topology("topology.yaml", "");
        std::fs::write(cloud.function_zip(), fake_function("the function", 62)).unwrap();
        cloud
    }

    /// A world of two Regions with a site in each, and a topology with a function in each of them; its register
    /// is in a third.
    pub(crate) fn in_two_regions() -> Self {
        let cloud = Self::with(Flaws {
            two_regions: true,
            ..Flaws::default()
        });
        cloud.write_topology_in("topology.yaml", &[REGION, OTHER_REGION], "");
        cloud
    }

    /// Writes a topology of two Regions with functions in `regions` that differs from the usual one by `extra`.
    pub(crate) fn write_topology_in(&self, name: &str, regions: &[&str], extra: &str) {
        let text = format!(
            "name: demo
regions: [{}]
accelerator: {}
infinispan: {{ username: developer, passwordSecret: demo/infinispan }}
sites:
  - name: site-a
    region: {REGION}
    platform: openshift
    context: site-a
    namespace: keycloak
    infinispan: {{ endpoint: infinispan.site-a.example.com }}
  - name: site-b
    region: {OTHER_REGION}
    platform: openshift
    context: site-b
    namespace: keycloak
    infinispan: {{ endpoint: infinispan.site-b.example.com }}
register: {{ kind: table, regions: [{THIRD_REGION}] }}
function: {{ architecture: x86_64, timeout: 5s }}
claim: {{ renewInterval: 2s }}
{extra}
",
            regions.join(", "),
            self.dns_name(),
        );
        std::fs::write(self.home.path().join(name), text).unwrap();
    }

    /// The function of Keycloak's guide, told its usual variables and these.
    pub(crate) fn deploy_the_guides(&self, more: &[(&str, &str)]) {
        let told = [
            ("INFINISPAN_SITE_ENDPOINTS", "{}"),
            ("WEBHOOK_USER_SECRET", "webhook-password"),
        ];
        let told: Vec<(&str, &str)> = told.iter().chain(more).copied().collect();
        block_on(self.make_function("keycloak-failover", &told));
    }

    /// A function that somebody has made by hand.
    pub(crate) async fn make_function(&self, name: &str, told: &[(&str, &str)]) {
        use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
        let role = aws_sdk_iam::Client::new(&self.aws.sdk_config(REGION))
            .create_role()
            .role_name("guide")
            .assume_role_policy_document("{}")
            .send()
            .await
            .unwrap();
        let environment = told
            .iter()
            .fold(Environment::builder(), |told, (name, value)| {
                told.variables(*name, *value)
            })
            .build();
        let code = FunctionCode::builder()
            .zip_file(aws_sdk_lambda::primitives::Blob::new(fake_function(
                "the guide's",
                62,
            )))
            .build();
        aws_sdk_lambda::Client::new(&self.aws.sdk_config(REGION))
            .create_function()
            .function_name(name)
            .role(role.role.unwrap().arn)
            .runtime(Runtime::Providedal2023)
            .handler("bootstrap")
            .code(code)
            .environment(environment)
            .send()
            .await
            .unwrap();
    }

    /// The accelerator's first DNS name.
    pub(crate) fn dns_name(&self) -> String {
        self.accelerator
            .world()
            .accelerator("keycloak")
            .unwrap()
            .dns_name
            .clone()
    }

    /// Writes a topology that differs from the usual one by `extra`.
    pub(crate) fn write_topology(&self, name: &str, extra: &str) {
        self.write_topology_for(name, &self.dns_name(), extra);
    }

    pub(crate) fn write_topology_for(&self, name: &str, accelerator: &str, extra: &str) {
        let text = format!(
            "name: demo
regions: [{REGION}]
accelerator: {accelerator}
infinispan: {{ username: developer, passwordSecret: demo/infinispan }}
sites:
  - name: site-a
    region: {REGION}
    platform: openshift
    context: site-a
    namespace: keycloak
    infinispan: {{ endpoint: infinispan.site-a.example.com }}
  - name: site-b
    region: {REGION}
    platform: openshift
    context: site-b
    namespace: keycloak
    infinispan: {{ endpoint: infinispan.site-b.example.com }}
function: {{ architecture: x86_64, timeout: 5s }}
claim: {{ renewInterval: 2s }}
{extra}
"
        );
        std::fs::write(self.home.path().join(name), text).unwrap();
    }

    pub(crate) fn function_zip(&self) -> PathBuf {
        self.home.path().join("given.zip")
    }

    /// `provision`, through the gate, for someone who has not signed in.
    pub(crate) fn stranger(&self) -> Provision {
        Provision::new(self.home.path())
            .unwrap()
            .env("AWS_ENDPOINT_URL", &self.gate.url())
            .env("AWS_ENDPOINT_URL_GLOBAL_ACCELERATOR", &self.accelerator.url())
    }

    /// `provision` with the credentials of the account's root, through the gate.
    pub(crate) fn provision(&self) -> Provision {
        let credentials = self.credentials().into_iter();
        credentials.fold(self.stranger(), |provision, (name, value)| {
            provision.env(&name, &value)
        })
    }

    fn credentials(&self) -> Vec<(String, String)> {
        let mut environment = self.aws.client_environment();
        environment.retain(|(name, _)| !name.starts_with("AWS_ENDPOINT_URL"));
        environment
    }

    /// What another program needs to call AWS as the account's root, through the gate.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.credentials();
        environment.push(("AWS_ENDPOINT_URL".to_owned(), self.gate.url()));
        environment
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.provision().args(aws_half(arguments)).run().unwrap()
    }

    /// A client for the buckets of the usual Region.
    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        s3_client(&self.aws.sdk_config(REGION))
    }

    /// The bucket that an apply has made.
    pub(crate) fn bucket(&self) -> String {
        self.inventory()
            .keys()
            .find_map(|name| name.strip_prefix("bucket ").map(str::to_owned))
            .unwrap()
    }

    /// Deletes the bucket behind CloudFormation's back.
    pub(crate) fn lose_the_bucket(&self) {
        let (s3, bucket) = (self.s3(), self.bucket());
        block_on(async {
            let versions = s3.list_object_versions().bucket(&bucket).send().await.unwrap();
            let objects = versions.versions().iter().map(|it| (it.key(), it.version_id()));
            let markers = versions.delete_markers().iter();
            let markers = markers.map(|it| (it.key(), it.version_id()));
            for (key, version) in objects.chain(markers) {
                let delete = s3.delete_object().bucket(&bucket);
                let delete = delete.key(key.unwrap()).version_id(version.unwrap());
                delete.send().await.unwrap();
            }
            s3.delete_bucket().bucket(&bucket).send().await.unwrap();
        });
    }

    /// Runs [`APPLY`].
    pub(crate) fn apply(&self) -> Run {
        self.run(APPLY)
    }

    /// Everything there is that `provision` could have made, each with what matters about it.
    pub(crate) fn inventory(&self) -> BTreeMap<String, String> {
        self.inventory_of(REGION)
    }

    /// The same of another Region. Roles are everybody's.
    pub(crate) fn inventory_of(&self, region: &str) -> BTreeMap<String, String> {
        block_on(async {
            let config = self.aws.sdk_config(region);
            let mut found = BTreeMap::new();
            let stacks = aws_sdk_cloudformation::Client::new(&config);
            for stack in stacks
                .describe_stacks()
                .send()
                .await
                .unwrap()
                .stacks
                .unwrap_or_default()
            {
                let name = stack.stack_name.unwrap_or_default();
                let status = stack.stack_status.unwrap();
                let mut parameters: Vec<String> = stack
                    .parameters
                    .unwrap_or_default()
                    .into_iter()
                    // S3 draws a new version for each upload.
                    .filter(|it| it.parameter_key() != Some("ArtifactVersion"))
                    .map(|it| format!("{}={}", it.parameter_key.unwrap(), it.parameter_value.unwrap()))
                    .collect();
                parameters.sort();
                let sets = stacks.list_change_sets().stack_name(&name).send().await.unwrap();
                let open: Vec<String> = sets
                    .summaries
                    .unwrap_or_default()
                    .into_iter()
                    .filter(|set| {
                        set.execution_status()
                            .is_some_and(|it| it.as_str() == "AVAILABLE")
                    })
                    .filter_map(|set| set.change_set_name)
                    .collect();
                // Created or updated: either is how an interrupted run may have got there.
                let state = if status.as_str().ends_with("_COMPLETE") {
                    "complete"
                } else {
                    status.as_str()
                };
                found.insert(
                    format!("stack {name}"),
                    format!("{state} {parameters:?} open: {open:?}"),
                );
            }
            let s3 = s3_client(&config);
            for bucket in s3
                .list_buckets()
                .send()
                .await
                .unwrap()
                .buckets
                .unwrap_or_default()
            {
                let name = bucket.name.unwrap_or_default();
                if !name.ends_with(region) {
                    // Another Region's, which has to be asked for what is in it.
                    continue;
                }
                let objects = s3.list_objects_v2().bucket(&name).send().await.unwrap();
                let keys: Vec<String> = objects
                    .contents()
                    .iter()
                    .filter_map(|it| it.key.clone())
                    .collect();
                found.insert(format!("bucket {name}"), keys.join(" "));
            }
            let dynamodb = aws_sdk_dynamodb::Client::new(&config);
            for table in dynamodb
                .list_tables()
                .send()
                .await
                .unwrap()
                .table_names
                .unwrap_or_default()
            {
                found.insert(format!("table {table}"), String::new());
            }
            let lambda = aws_sdk_lambda::Client::new(&config);
            for function in lambda
                .list_functions()
                .send()
                .await
                .unwrap()
                .functions
                .unwrap_or_default()
            {
                found.insert(
                    format!("function {}", function.function_name.clone().unwrap_or_default()),
                    format!("{:?}", function.architectures()),
                );
            }
            let iam = aws_sdk_iam::Client::new(&config);
            for role in iam.list_roles().send().await.unwrap().roles {
                found.insert(format!("role {}", role.role_name), String::new());
            }
            let secrets = aws_sdk_secretsmanager::Client::new(&config);
            for secret in secrets
                .list_secrets()
                .include_planned_deletion(true)
                .send()
                .await
                .unwrap()
                .secret_list
                .unwrap_or_default()
            {
                found.insert(
                    format!("secret {}", secret.name.unwrap_or_default()),
                    String::new(),
                );
            }
            found
        })
    }

    /// The endpoints over each listener of the accelerator.
    pub(crate) fn endpoints(&self) -> Vec<Vec<String>> {
        self.accelerator
            .world()
            .accelerator("keycloak")
            .unwrap()
            .endpoint_ids()
    }

    /// Writes the register's item as the function would.
    pub(crate) fn decide(&self, state: &str) {
        decide_in(&self.aws, "sitefence-demo-register", state);
    }
}

/// Writes a register's item as the function would.
pub(crate) fn decide_in(aws: &LocalAws, table: &str, state: &str) {
    decide_at(aws, REGION, table, state);
}

/// The same in another Region.
pub(crate) fn decide_at(aws: &LocalAws, region: &str, table: &str, state: &str) {
    use aws_sdk_dynamodb::types::AttributeValue::{L, M, N, S};
    let decision = [
        ("survivor".to_owned(), S("site-a".into())),
        ("fenced".to_owned(), S("site-b".into())),
        ("outcome".to_owned(), L(Vec::new())),
        ("by".to_owned(), S("site-a's alert".into())),
        ("evidence".to_owned(), S("site-a does not see site-b".into())),
        ("decided_at".to_owned(), S("2026-01-01T00:00:00Z".into())),
    ];
    block_on(async {
        aws_sdk_dynamodb::Client::new(&aws.sdk_config(region))
            .put_item()
            .table_name(table)
            .item("pk", S("demo".into()))
            .item("state", S(state.into()))
            .item("epoch", N("4".into()))
            .item("rev", N("9".into()))
            .item("schema", N("1".into()))
            .item("by", S("site-a's alert".into()))
            .item("written_at", S("2026-01-01T00:00:00Z".into()))
            .item("decision", M(decision.into()))
            .send()
            .await
            .unwrap();
    });
}

/// What `provision hold` makes the function write into a register in which nothing was ever decided.
pub(crate) fn hold_in(aws: &LocalAws, table: &str) {
    hold_at(aws, REGION, table);
}

/// The same in another Region.
pub(crate) fn hold_at(aws: &LocalAws, region: &str, table: &str) {
    use aws_sdk_dynamodb::types::AttributeValue::{M, N, S};
    let hold = [
        ("by", "ana"),
        ("reason", "it moves"),
        ("since", "2026-01-01T00:00:00Z"),
    ];
    let hold = hold.map(|(name, value)| (name.to_owned(), S(value.into())));
    block_on(async {
        aws_sdk_dynamodb::Client::new(&aws.sdk_config(region))
            .put_item()
            .table_name(table)
            .item("pk", S("demo".into()))
            .item("state", S("open".into()))
            .item("epoch", N("0".into()))
            .item("rev", N("1".into()))
            .item("schema", N("1".into()))
            .item("by", S("ana".into()))
            .item("written_at", S("2026-01-01T00:00:00Z".into()))
            .item("hold", M(hold.into()))
            .send()
            .await
            .unwrap();
    });
}

/// The same command line for the AWS half only: there are no clusters here.
pub(crate) fn aws_half<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &["--only", "aws"]].concat()
}

/// A zip with the smallest binary that passes for the function: a static ELF of a processor.
pub(crate) fn fake_function(content: &str, machine: u8) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend([2, 0, machine, 0, 1, 0, 0, 0]);
    bytes.extend([0; 28]);
    bytes.extend([64, 0, 56, 0, 0, 0, 64, 0, 0, 0, 0, 0]);
    bytes.extend(content.as_bytes());
    package::pack(&bytes, &BTreeMap::new()).unwrap().zip
}

/// A run with everything replaced that differs from one to the next.
pub(crate) fn settled(run: &Run, cloud: &Cloud) -> String {
    let mut text = run.to_string();
    for (from, to) in [
        (cloud.accelerator.url(), "http://accelerator"),
        (cloud.gate.url(), "http://aws"),
        (cloud.balancers[0].clone(), "<balancer a>"),
        (cloud.balancers[1].clone(), "<balancer b>"),
        (cloud.home.path().display().to_string(), "<home>"),
        (cloud.account.clone(), "<account>"),
    ] {
        text = text.replace(&from, to);
    }
    text
}

/// Compares a run with the snapshot of this name.
#[macro_export]
macro_rules! assert_run {
    ($run:expr, $cloud:expr) => {
        insta::with_settings!({
            filters => vec![
                (r"[0-9a-f]{64}", "<sha256>"),
                (r"https?://[a-z0-9]+\.lambda-url", "https://<id>.lambda-url"),
                (r"stack/([a-z-]+)/[0-9a-f-]{36}", "stack/$1/<uuid>"),
                (r"(secret:[A-Za-z/]+)-[A-Za-z0-9]{6}", "$1-<suffix>"),
                (r"(Permission)-[0-9a-f]{8}\b", "$1-<suffix>"),
                (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "<time>"),
                // The order in which resources are made is CloudFormation's own.
                (r"(?m)^  (CREATE|UPDATE|DELETE)_[A-Z_]+ .*\n", ""),
                // Which alarms there are is the golden files' to tell.
                (r"(?m)^ +[-+~±] AWS::CloudWatch::Alarm .*\n( {10}.*\n)*", ""),
            ],
            snapshot_path => "snapshots",
            prepend_module_to_snapshot => false,
        }, {
            insta::assert_snapshot!($crate::world::settled(&$run, &$cloud));
        })
    };
}
