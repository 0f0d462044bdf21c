//! Registers that are not one topology's own: shared by several, of another account, or of a kind on which no
//! decision may rest. The functions are the real ones, run inside the test with what `apply` told them and with
//! their roles' rights.
//!
//! The local AWS enforces who may do what to which table, and does not look at `dynamodb:LeadingKeys`: that a role
//! reaches its own topology's items only is checked in the templates.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateReplicationGroupMemberAction, KeySchemaElement, KeyType,
    ReplicationGroupUpdate, ScalarAttributeType, StreamSpecification, StreamViewType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fencing::settings::Settings;
use function::event::Incoming;
use function::handler::{Handler, Invocation, Reply};
use function::world::{Cloud as FunctionWorld, World as _};
use serde_json::{Value, json};
use tests::standins::accelerator::{Accelerator, World};
use tests::standins::infinispan::{InfinispanPair, Role};
use tests::standins::local_aws::LocalAws;

use crate::regions::settings;
use crate::world::{APPLY, Cloud, REGION, block_on, decide_in, hold_in};

const PASSWORD: &str = "its password";

/// A table as people make one for several topologies.
async fn create_table(aws: &LocalAws, name: &str) {
    let part = KeySchemaElement::builder()
        .attribute_name("pk")
        .key_type(KeyType::Hash)
        .build()
        .unwrap();
    let attribute = AttributeDefinition::builder()
        .attribute_name("pk")
        .attribute_type(ScalarAttributeType::S)
        .build()
        .unwrap();
    let streams = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewAndOldImages)
        .build()
        .unwrap();
    let client = aws_sdk_dynamodb::Client::new(&aws.sdk_config(REGION));
    let created = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute)
        .key_schema(part)
        .stream_specification(streams);
    created.send().await.unwrap();
}

/// One deployment: a pair of Infinispans and an accelerator of its own.
struct Deployment {
    name: &'static str,
    infinispan: InfinispanPair,
    /// Where the function finds the authorities of its Infinispans.
    root: tempfile::TempDir,
}

impl Deployment {
    /// Sets the stage and writes the topology `NAME.yaml`, whose accelerator is called the same.
    fn new(cloud: &Cloud, name: &'static str, register: &str) -> Self {
        let infinispan = InfinispanPair::builder(["site-a", "site-b"])
            .user("developer", PASSWORD, Role::Admin)
            .start()
            .unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("ca")).unwrap();
        let pem = infinispan.authority().pem();
        for site in ["site-a", "site-b"] {
            std::fs::write(root.path().join("ca").join(format!("{site}.pem")), &pem).unwrap();
        }
        std::fs::write(cloud.home.path().join("authority.pem"), pem).unwrap();
        let dns_name = cloud
            .accelerator
            .world()
            .accelerator(name)
            .unwrap()
            .dns_name
            .clone();
        let [a, b] = infinispan.sites().each_ref().map(|site| site.endpoint());
        let text = format!(
            "name: {name}
regions: [{REGION}]
accelerator: {dns_name}
infinispan: {{ username: developer, passwordSecret: demo/infinispan }}
sites:
  - {{ name: site-a, region: {REGION}, platform: openshift, context: a, namespace: {name}, infinispan: {{ endpoint: '{a}' }} }}
  - {{ name: site-b, region: {REGION}, platform: openshift, context: b, namespace: {name}, infinispan: {{ endpoint: '{b}' }} }}
function: {{ architecture: x86_64, timeout: 5s }}
claim: {{ renewInterval: 2s }}
register: {register}
"
        );
        std::fs::write(cloud.home.path().join(format!("{name}.yaml")), text).unwrap();
        Self {
            name,
            infinispan,
            root,
        }
    }

    fn file(&self) -> String {
        format!("{}.yaml", self.name)
    }

    fn apply(&self, cloud: &Cloud) {
        let file = self.file();
        let arguments: Vec<&str> = APPLY.iter().copied().chain([file.as_str()]).collect();
        let applied = cloud.run(&arguments);
        assert_eq!(applied.code, Some(0), "{applied}");
    }

    /// A function as Lambda would start it: told what the deployed one is told, with its role's rights.
    async fn function(&self, cloud: &Cloud, settings: &Settings) -> Handler<FunctionWorld> {
        let role = format!(
            "arn:aws:iam::{}:role/sitefence-{}-{REGION}",
            cloud.account, self.name
        );
        let credentials = role_credentials(&cloud.aws, &role).await;
        let mut variables: BTreeMap<String, String> = [
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ENDPOINT_URL", cloud.aws.url()),
            ("AWS_ENDPOINT_URL_GLOBAL_ACCELERATOR", cloud.accelerator.url()),
            ("LAMBDA_TASK_ROOT", self.root.path().display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        variables.extend(credentials);
        let lookup = move |name: &str| variables.get(name).cloned();
        let handler = Handler::new(settings.clone(), FunctionWorld::new(settings, &lookup).unwrap());
        handler.prepare().await;
        handler
    }

    /// site-a's Alertmanager reports site-b to the deployed function.
    async fn report(&self, cloud: &Cloud, settings: &Settings) -> (u16, String) {
        let function = self.function(cloud, settings).await;
        let secret = cloud
            .aws
            .secret(REGION, &settings.found.webhook_secret)
            .await
            .unwrap();
        let body = json!({"version": "4", "status": "firing", "truncatedAlerts": 0, "alerts": [{
            "status": "firing", "startsAt": "2026-11-21T10:00:00Z", "annotations": {}, "labels": {
                "alertname": "SiteOffline", "topology": self.name, "reporter": "site-a", "site": "site-b",
            },
        }]});
        let credentials = STANDARD.encode(format!("{}:{secret}", settings.webhook_username));
        let event = json!({
            "version": "2.0", "rawPath": "/webhook",
            "headers": {"authorization": format!("Basic {credentials}"), "content-type": "application/json"},
            "requestContext": {"http": {"method": "POST", "path": "/webhook"}},
            "body": body.to_string(), "isBase64Encoded": false,
        });
        let invocation = Invocation {
            request_id: format!("request-of-{}", self.name),
            deadline: function.world().moment().wall + Duration::from_secs(15),
        };
        match function.handle(Incoming::read(event).unwrap(), &invocation).await {
            Reply::Web { status, body, .. } => (status, body),
            other @ Reply::Answer(_) => panic!("{other:?}"),
        }
    }
}

/// What Lambda puts into a function's environment. The local AWS has a client for no service that hands out
/// credentials but this one.
async fn role_credentials(aws: &LocalAws, role: &str) -> BTreeMap<String, String> {
    let ours = aws.sdk_config(REGION);
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::from_static(REGION))
        .endpoint_url(aws.url())
        .credentials_provider(ours.credentials_provider().unwrap())
        .http_client(ours.http_client().unwrap())
        .load()
        .await;
    let provider = aws_config::sts::AssumeRoleProvider::builder(role)
        .session_name("function")
        .configure(&config)
        .build()
        .await;
    let credentials = aws_credential_types::provider::ProvideCredentials::provide_credentials(&provider)
        .await
        .unwrap();
    [
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key()),
        (
            "AWS_SESSION_TOKEN",
            credentials.session_token().unwrap_or_default(),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Keys of the items in a table, those of the history by their topology only.
fn keys(items: &[Value]) -> Vec<String> {
    let mut keys: Vec<String> = items
        .iter()
        .map(|item| {
            item["pk"]
                .as_str()
                .unwrap()
                .split("#history#")
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

#[test]
fn two_topologies_share_a_table_fence_on_their_own_and_one_can_go() {
    let cloud = Cloud::new();
    block_on(create_table(&cloud.aws, "shared"));
    let other_balancers = block_on(async {
        [
            cloud
                .aws
                .create_balancer(REGION, "other-a", Some("site-a"))
                .await
                .unwrap(),
            cloud
                .aws
                .create_balancer(REGION, "other-b", Some("site-b"))
                .await
                .unwrap(),
        ]
    });
    *cloud.accelerator.world() = World::new()
        .with(Accelerator::in_one_region(
            "demo",
            REGION,
            &[&cloud.balancers[0], &cloud.balancers[1]],
        ))
        .with(Accelerator::in_one_region(
            "other",
            REGION,
            &[&other_balancers[0], &other_balancers[1]],
        ));
    let demo = Deployment::new(&cloud, "demo", "{ table: shared }");
    let other = Deployment::new(&cloud, "other", "{ table: shared }");
    for deployment in [&demo, &other] {
        deployment.apply(&cloud);
        deployment.infinispan.cut_link();
    }
    let [of_demo, of_other] = [&demo, &other]
        .map(|deployment| settings(&cloud, REGION, &format!("sitefence-{}-fencing", deployment.name)));

    // The first fences; the second's world is as it was.
    let (status, body) = block_on(demo.report(&cloud, &of_demo));
    assert_eq!(status, 200, "{body}");
    let endpoints = |name: &str| {
        cloud
            .accelerator
            .world()
            .accelerator(name)
            .unwrap()
            .endpoint_ids()
    };
    assert_eq!(endpoints("demo"), [[cloud.balancers[0].clone()]]);
    assert_eq!(endpoints("other"), [other_balancers.to_vec()]);
    let items = block_on(cloud.aws.items(REGION, "shared")).unwrap();
    assert_eq!(keys(&items), ["demo"]);

    // Its decision is nothing to the second, which makes its own.
    let (status, body) = block_on(other.report(&cloud, &of_other));
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("epoch 1"), "{body}");
    assert_eq!(endpoints("other"), [[other_balancers[0].clone()]]);
    let items = block_on(cloud.aws.items(REGION, "shared")).unwrap();
    assert_eq!(keys(&items), ["demo", "other"]);

    // One goes, with its items; the other keeps its table, its decision and its history.
    let kept: Vec<Value> = items
        .into_iter()
        .filter(|item| item["pk"].as_str().unwrap().starts_with("other"))
        .collect();
    let destroyed = cloud.run(&["destroy", "demo.yaml", "--yes", "--force"]);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");
    let mut left = block_on(cloud.aws.items(REGION, "shared")).unwrap();
    let mut expected = kept;
    for items in [&mut left, &mut expected] {
        items.sort_by_key(|item| item["pk"].as_str().unwrap().to_owned());
    }
    assert_eq!(left, expected);
    let refused = cloud.run(&["destroy", "other.yaml", "--yes"]);
    assert_eq!(
        refused.code,
        Some(3),
        "the other is still known to be fenced: {refused}"
    );
}

/// A table that was restored from a backup has a name of its own, and an item that knows nothing of what was decided
/// since.
#[test]
fn a_restored_register_is_taken_only_when_its_epoch_is_confirmed() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    block_on(create_table(&cloud.aws, "restored"));
    decide_in(&cloud.aws, "restored", "open");
    cloud.write_topology("topology.yaml", "register: { table: restored }");
    cloud.counter.reset();
    let plan: &[&str] = &["plan", "--function-zip", "given.zip"];
    for arguments in [
        APPLY.to_vec(),
        [APPLY, &["--resume-epoch", "3"]].concat(),
        plan.to_vec(),
    ] {
        let refused = cloud.run(&arguments);
        assert_eq!(refused.code, Some(3), "{refused}");
        assert!(refused.stderr.contains("--resume-epoch 4"), "{refused}");
        // Until all functions know it, one could decide in the former table and another in this one.
        let moves =
            "error: the register moves from sitefence-demo-register in eu-west-1 to restored in eu-west-1";
        assert!(refused.stderr.contains(moves), "{refused}");
    }
    let confirm = [APPLY, &["--resume-epoch", "4"]].concat();
    let refused = cloud.run(&confirm);
    assert_eq!(refused.code, Some(3), "not held yet: {refused}");
    assert_eq!(cloud.counter.changes(), [""; 0]);
    hold_in(&cloud.aws, "sitefence-demo-register");

    let confirmed = cloud.run(&confirm);
    assert_eq!(confirmed.code, Some(0), "{confirmed}");
    let items = block_on(cloud.aws.items(REGION, "restored")).unwrap();
    assert!(items.iter().any(|item| item["epoch"] == 4), "{items:?}");
    // It is the register now, and nothing is left to confirm.
    let again = cloud.apply();
    assert_eq!(again.code, Some(0), "{again}");
    assert!(again.stderr.contains("nothing to do"), "{again}");
}

/// A global table of the usual kind is where two functions could both win.
#[test]
fn an_eventually_consistent_table_is_refused_where_it_stands() {
    let cloud = Cloud::new();
    block_on(async {
        create_table(&cloud.aws, "shared").await;
        let member = CreateReplicationGroupMemberAction::builder()
            .region_name("eu-west-2")
            .build()
            .unwrap();
        let replica = ReplicationGroupUpdate::builder().create(member).build();
        aws_sdk_dynamodb::Client::new(&cloud.aws.sdk_config(REGION))
            .update_table()
            .table_name("shared")
            .replica_updates(replica)
            .send()
            .await
            .unwrap();
    });
    cloud.write_topology("topology.yaml", "register: { table: shared }");
    let refused = cloud.apply();
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(
        refused.stderr.contains(
            "the register's table `shared` in eu-west-1 is an eventually consistent global table, also in eu-west-2: \
             two functions could decide for different sites in the same second"
        ),
        "{refused}"
    );
    assert_eq!(cloud.counter.changes(), [""; 0]);
}

#[test]
fn a_register_of_another_account_is_reached_through_its_role_and_by_no_other_right() {
    // The function runs on its process's main thread, which has 8 MiB of stack. A test's thread has two: without
    // optimisation too few for a call that first assumes a role.
    let thread = std::thread::Builder::new().stack_size(8 << 20);
    thread
        .spawn(through_another_accounts_role)
        .unwrap()
        .join()
        .unwrap();
}

fn through_another_accounts_role() {
    let cloud = Cloud::new();
    let owner = format!("2{}", &cloud.account[1..]);
    let owners = cloud.aws.in_account(&owner);
    let role_arn = format!("arn:aws:iam::{owner}:role/register");
    block_on(async {
        create_table(&owners, "decisions").await;
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"AWS": format!("arn:aws:iam::{}:root", cloud.account)},
        }]});
        let rights = json!({"Version": "2012-10-17", "Statement": [
            {
                "Effect": "Allow",
                "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
                "Resource": format!("arn:aws:dynamodb:{REGION}:{owner}:table/decisions"),
                "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["demo", "demo#*"]}},
            },
            {
                "Effect": "Allow",
                "Action": ["dynamodb:DescribeTable", "dynamodb:Scan"],
                "Resource": format!("arn:aws:dynamodb:{REGION}:{owner}:table/decisions"),
            },
        ]});
        let iam = aws_sdk_iam::Client::new(&owners.sdk_config(REGION));
        iam.create_role()
            .role_name("register")
            .assume_role_policy_document(trust.to_string())
            .send()
            .await
            .unwrap();
        iam.put_role_policy()
            .role_name("register")
            .policy_name("keep")
            .policy_document(rights.to_string())
            .send()
            .await
            .unwrap();
    });
    *cloud.accelerator.world() = World::new().with(Accelerator::in_one_region(
        "demo",
        REGION,
        &[&cloud.balancers[0], &cloud.balancers[1]],
    ));
    let demo = Deployment::new(
        &cloud,
        "demo",
        &format!("{{ table: decisions, roleArn: '{role_arn}' }}"),
    );
    demo.apply(&cloud);
    let tables = cloud
        .inventory()
        .keys()
        .filter(|name| name.starts_with("table"))
        .count();
    assert_eq!(tables, 0, "no table of our own is made");
    demo.infinispan.cut_link();
    let told = settings(&cloud, REGION, "sitefence-demo-fencing");
    assert_eq!(told.register_role_arn, role_arn);

    let (status, body) = block_on(demo.report(&cloud, &told));
    assert_eq!(status, 200, "{body}");
    let items = block_on(owners.items(REGION, "decisions")).unwrap();
    assert_eq!(keys(&items), ["demo"]);

    // Without the role there is no register, and so no decision.
    let mut alone = told;
    alone.register_role_arn.clear();
    let (status, body) = block_on(demo.report(&cloud, &alone));
    assert_eq!(status, 503, "{body}");

    // `apply` and `destroy` read it through the role, too.
    let refused = cloud.run(&["destroy", "demo.yaml", "--yes"]);
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(
        refused.stderr.contains("the register is `complete`, epoch 1"),
        "{refused}"
    );
    let destroyed = cloud.run(&["destroy", "demo.yaml", "--yes", "--force"]);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");
    assert!(block_on(owners.items(REGION, "decisions")).unwrap().is_empty());
}
