//! A key of one's own whose policy lets too little through: `plan` reads it and says what will be missing.

use aws_sdk_kms::Client;
use serde_json::{Value, json};
use tests::provision::Run;

use crate::world::{Cloud, REGION, block_on};

const DENIED: &str = r#"{"__type":"AccessDeniedException","message":"User: someone is not authorized to perform: kms:GetKeyPolicy on this resource"}"#;

fn client(cloud: &Cloud) -> Client {
    Client::new(&cloud.aws.sdk_config(REGION))
}

/// A key with a statement for the account and these.
fn key(cloud: &Cloud, statements: &[Value]) -> String {
    let account = json!({
        "Effect": "Allow",
        "Principal": {"AWS": format!("arn:aws:iam::{}:root", cloud.account)},
        "Action": "kms:*",
        "Resource": "*",
    });
    let statements: Vec<&Value> = std::iter::once(&account).chain(statements).collect();
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    block_on(async {
        let made = client(cloud).create_key().policy(policy).send().await.unwrap();
        made.key_metadata.unwrap().arn.unwrap()
    })
}

fn plan_under(cloud: &Cloud, key: &str) -> Run {
    cloud.write_topology("topology.yaml", "");
    let path = cloud.home.path().join("topology.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        path,
        text.replace("timeout: 5s", &format!("timeout: 5s, kmsKey: '{key}'")),
    )
    .unwrap();
    let plan = cloud.run(&["plan", "--function-zip", "given.zip"]);
    assert_eq!(plan.code, Some(0), "{plan}");
    plan
}

#[test]
fn what_a_key_s_policy_withholds_is_in_the_plan() {
    let cloud = Cloud::new();
    let plan = plan_under(&cloud, &key(&cloud, &[]));
    for told in [
        "does not let logs.eu-west-1.amazonaws.com use kms:Encrypt, kms:Decrypt, kms:GenerateDataKey, \
         kms:DescribeKey, and the log group /aws/lambda/sitefence-demo-fencing cannot be created",
        "does not let cloudwatch.amazonaws.com use kms:Decrypt, kms:GenerateDataKey, and alarms do not get through the topic \
         sitefence-demo-notifications",
    ] {
        assert!(plan.stderr.contains(told), "{plan}");
    }
    // As docs/permissions.md has it.
    let group = format!(
        "arn:aws:logs:{REGION}:{}:log-group:/aws/lambda/sitefence-demo-fencing",
        cloud.account
    );
    let documented = key(
        &cloud,
        &[
            json!({
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                "Resource": "*",
            }),
            json!({
                "Effect": "Allow",
                "Principal": {"Service": format!("logs.{REGION}.amazonaws.com")},
                "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
                "Resource": "*",
                "Condition": {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": group}},
            }),
        ],
    );
    let plan = plan_under(&cloud, &documented);
    assert!(!plan.stderr.contains("the policy of the key"), "{plan}");

    cloud.counter.answer("GetKeyPolicy", 400, DENIED);
    let plan = plan_under(&cloud, &documented);
    assert_eq!(
        plan.stderr
            .matches("not verified: whether the policy of the key")
            .count(),
        1,
        "{plan}"
    );
    assert!(
        plan.stderr
            .contains("the caller needs the permission `kms:GetKeyPolicy`"),
        "{plan}"
    );
}

/// The secret's own key, and that of a topic that was there before.
#[test]
fn keys_that_nobody_named_are_found_and_read() {
    let cloud = Cloud::new();
    let of_secret = key(&cloud, &[]);
    let topic = block_on(async {
        let secrets = aws_sdk_secretsmanager::Client::new(&cloud.aws.sdk_config(REGION));
        let update = secrets
            .update_secret()
            .secret_id("demo/infinispan")
            .kms_key_id(&of_secret);
        update.send().await.unwrap();
        let topics = aws_sdk_sns::Client::new(&cloud.aws.sdk_config(REGION));
        let topic = topics
            .create_topic()
            .name("pagers")
            .attributes("KmsMasterKeyId", "alias/aws/sns");
        topic.send().await.unwrap().topic_arn.unwrap()
    });
    cloud.write_topology("topology.yaml", &format!("notify: {{ topics: ['{topic}'] }}"));
    let plan = cloud.run(&["plan", "--function-zip", "given.zip"]);
    assert_eq!(plan.code, Some(0), "{plan}");
    for told in [
        "does not let the role sitefence-demo-eu-west-1 use kms:Decrypt, and the function cannot read the secret `demo/infinispan`",
        "is encrypted under AWS's own key for SNS, which lets no CloudWatch alarm through",
    ] {
        assert!(plan.stderr.contains(told), "{plan}");
    }
}
