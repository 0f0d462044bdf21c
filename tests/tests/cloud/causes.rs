//! What CloudFormation refuses ends in the resource that is in the way, who has it, and what to do.
//!
//! The local AWS does not look at a change set before it is executed, as AWS does since November 2025. What AWS
//! answers then is laid ready in the gate, in the shape that its reference documents.

use aws_sdk_s3::types::CreateBucketConfiguration;

use crate::assert_run;
use crate::world::{Cloud, REGION, block_on};

/// As `DescribeChangeSet` tells of a change set that the early validation refused: without a word of why.
const REFUSED: &str = "<DescribeChangeSetResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">
<DescribeChangeSetResult>
<ChangeSetId>arn:aws:cloudformation:eu-west-1:111122223333:changeSet/sitefence-apply/1</ChangeSetId>
<Status>FAILED</Status><ExecutionStatus>UNAVAILABLE</ExecutionStatus>
<StatusReason>The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. To troubleshoot \
Early Validation errors, use the DescribeEvents API for detailed failure information.</StatusReason>
</DescribeChangeSetResult></DescribeChangeSetResponse>";

/// As `DescribeEvents` lists what that validation found, asked with the change set's ARN.
fn events(logical_id: &str, kind: &str, reason: &str) -> String {
    format!(
        "<DescribeEventsResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">
<DescribeEventsResult><OperationEvents><member>
<EventId>1</EventId><EventType>VALIDATION_ERROR</EventType>
<LogicalResourceId>{logical_id}</LogicalResourceId><ResourceType>{kind}</ResourceType>
<ValidationFailureMode>FAIL</ValidationFailureMode><ValidationName>NAME_CONFLICT_VALIDATION</ValidationName>
<ValidationStatus>FAILED</ValidationStatus><ValidationStatusReason>{reason}</ValidationStatusReason>
<ValidationPath>/Resources/{logical_id}</ValidationPath>
</member></OperationEvents></DescribeEventsResult></DescribeEventsResponse>"
    )
}

const DENIED: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: someone is not \
authorized to perform: cloudformation:DescribeEvents</Message></Error></ErrorResponse>";

const NOT_LISTED: &str = "<Error><Code>AccessDenied</Code><Message>no ListBucketVersions</Message></Error>";

fn make_bucket(cloud: &Cloud, bucket: &str) {
    let place = CreateBucketConfiguration::builder()
        .location_constraint(REGION.into())
        .build();
    let made = cloud
        .s3()
        .create_bucket()
        .bucket(bucket)
        .create_bucket_configuration(place);
    block_on(made.send()).unwrap();
}

fn position(asked: &[String], operation: &str) -> usize {
    let found = asked.iter().position(|it| it.starts_with(operation));
    found.unwrap_or_else(|| panic!("nobody asked for {operation}: {asked:#?}"))
}

#[test]
fn what_the_early_validation_found_is_reported_with_who_has_the_name() {
    let cloud = Cloud::new();
    let bucket = format!("sitefence-demo-{}-eu-west-1", cloud.account);
    let exists = format!("Resource of type 'AWS::S3::Bucket' with identifier '{bucket}' already exists.");
    cloud.counter.answer("DescribeChangeSet", 200, REFUSED);
    cloud.counter.answer(
        "DescribeEvents",
        200,
        events("Bucket", "AWS::S3::Bucket", &exists),
    );
    let run = cloud.apply();
    assert_run!(run, cloud);
    let asked = cloud.counter.asked();
    assert!(
        position(&asked, "DescribeEvents") < position(&asked, "DeleteChangeSet"),
        "the events go with the change set: {asked:#?}"
    );

    // A stack that has it is told, and nothing is advised to be removed by hand.
    let owned = format!(
        "<DescribeStackResourcesResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">
<DescribeStackResourcesResult><StackResources><member><StackName>older</StackName><LogicalResourceId>Code\
</LogicalResourceId><PhysicalResourceId>{bucket}</PhysicalResourceId><ResourceType>AWS::S3::Bucket</ResourceType>\
<ResourceStatus>CREATE_COMPLETE</ResourceStatus><Timestamp>2026-01-01T00:00:00Z</Timestamp></member></StackResources>\
</DescribeStackResourcesResult></DescribeStackResourcesResponse>"
    );
    cloud.counter.answer("DescribeStackResources", 200, owned);
    let run = cloud.apply();
    assert!(
        run.stderr.contains(&format!(
            "hint: {bucket} belongs to the stack `older` (its Code): give the topology another `name`, or delete that stack"
        )) && !run.stderr.contains("s3 rb"),
        "{run}"
    );
}

/// What AWS refuses and the local AWS takes over without a word: each kind that a stack makes under a name of ours.
#[test]
fn a_name_of_each_kind_that_is_taken_is_reported_with_how_to_free_it() {
    let cloud = Cloud::new();
    cloud.counter.answer("DescribeChangeSet", 200, REFUSED);
    for (logical_id, kind, name, hint) in [
        (
            "LogGroup",
            "AWS::Logs::LogGroup",
            "/aws/lambda/sitefence-demo-fencing",
            "aws logs delete-log-group --region eu-west-1 --log-group-name /aws/lambda/sitefence-demo-fencing",
        ),
        (
            "Topic",
            "AWS::SNS::Topic",
            "arn:aws:sns:eu-west-1:111122223333:sitefence-demo-notifications",
            "aws sns delete-topic --region eu-west-1 --topic-arn arn:aws:sns:eu-west-1:111122223333:sitefence-demo-notifications",
        ),
        (
            "Table",
            "AWS::DynamoDB::Table",
            "sitefence-demo-register",
            "set register.retain: true to take it over with its history; or, if nothing needs it, aws dynamodb delete-table --region eu-west-1 --table-name sitefence-demo-register",
        ),
        (
            "RegisterUnreachable",
            "AWS::CloudWatch::Alarm",
            "sitefence-demo-register-unreachable",
            "aws cloudwatch delete-alarms --region eu-west-1 --alarm-names sitefence-demo-register-unreachable",
        ),
        (
            "Dashboard",
            "AWS::CloudWatch::Dashboard",
            "sitefence-demo-eu-west-1",
            "aws cloudwatch delete-dashboards --region eu-west-1 --dashboard-names sitefence-demo-eu-west-1",
        ),
        (
            "Schedule",
            "AWS::Events::Rule",
            "sitefence-demo-schedule",
            "aws events delete-rule --region eu-west-1 --name sitefence-demo-schedule",
        ),
        (
            "Function",
            "AWS::Lambda::Function",
            "sitefence-demo-fencing",
            "aws lambda delete-function --region eu-west-1 --function-name sitefence-demo-fencing",
        ),
        (
            "Role",
            "AWS::IAM::Role",
            "sitefence-demo-eu-west-1",
            "aws iam delete-role --role-name sitefence-demo-eu-west-1",
        ),
        (
            "WebhookSecret",
            "AWS::SecretsManager::Secret",
            "sitefence/demo/webhook",
            "aws secretsmanager delete-secret --region eu-west-1 --secret-id sitefence/demo/webhook",
        ),
    ] {
        let exists = format!("Resource of type '{kind}' with identifier '{name}' already exists.");
        cloud
            .counter
            .answer("DescribeEvents", 200, events(logical_id, kind, &exists));
        let run = cloud.apply();
        assert_eq!(run.code, Some(1), "{run}");
        assert!(
            run.stderr
                .contains(&format!("{logical_id} ({kind} `{name}`): {exists}")),
            "{run}"
        );
        assert!(run.stderr.contains(hint), "{run}");
        assert!(!run.stderr.contains("hint: run the same command again"), "{run}");
    }
}

/// To run again changes nothing about a name that is taken, nor about a right that is missing.
#[test]
fn where_the_events_cannot_be_read_the_right_for_it_is_named() {
    let cloud = Cloud::new();
    cloud.counter.answer("DescribeChangeSet", 200, REFUSED);
    cloud.counter.answer("DescribeEvents", 403, DENIED);
    let run = cloud.apply();
    assert_eq!(run.code, Some(1), "{run}");
    assert!(
        run.stderr
            .contains("allow cloudformation:DescribeEvents, and the next run shows it")
            && !run.stderr.contains("hint: run the same command again"),
        "{run}"
    );
}

/// The local AWS looks at a bucket's name when the change set is executed, as AWS does since July 2026: the stack's events
/// only refer to those of the operation.
#[test]
fn a_bucket_that_is_there_already_is_named_with_what_to_do() {
    let cloud = Cloud::new();
    let bucket = format!("sitefence-demo-{}-eu-west-1", cloud.account);
    make_bucket(&cloud, &bucket);
    // Whoever may look finds it beforehand, and plans nothing.
    let plan = cloud.run(&["plan", "--function-zip", "given.zip"]);
    assert_eq!(plan.code, Some(1), "{plan}");
    let told = format!(
        "the bucket `{bucket}` exists in eu-west-1 and does not belong to the stack sitefence-demo-artifacts"
    );
    assert!(plan.stderr.contains(&told), "{plan}");
    let listing: &'static str = format!("GET /{bucket}/").leak();
    cloud.counter.answer(listing, 403, NOT_LISTED);
    let run = cloud.apply();
    assert_eq!(run.code, Some(1), "{run}");
    assert!(
        run.stderr.contains(&format!(
            "Bucket (AWS::S3::Bucket `{bucket}`): Resource of type 'AWS::S3::Bucket' with identifier '{bucket}' already exists."
        )) && run.stderr.contains(&format!("aws s3 rb --force s3://{bucket}")),
        "{run}"
    );
    cloud.counter.let_through(listing);
    // What was in the way is gone, and the same command goes on.
    let s3 = cloud.s3();
    block_on(async move { s3.delete_bucket().bucket(bucket).send().await.unwrap() });
    let run = cloud.apply();
    assert_eq!(run.code, Some(0), "{run}");
}

/// What can be looked at before is told before, and nothing is begun.
#[test]
fn names_that_are_taken_are_reported_before_anything_is_begun() {
    for (taken, says, hint) in [
        (
            "role",
            "the role `sitefence-demo-eu-west-1` exists in eu-west-1 and does not belong to the stack",
            "or give the topology",
        ),
        (
            "function",
            "the function `sitefence-demo-fencing` exists in eu-west-1 and does not belong to the stack",
            "or give the topology",
        ),
        (
            "table",
            "the table `sitefence-demo-register` exists in eu-west-1 and does not belong to the stack",
            "or give the topology",
        ),
        (
            "secret",
            "the secret `sitefence/demo/webhook` exists in eu-west-1 and does not belong to the stack",
            "or give the topology",
        ),
        (
            "deleted secret",
            "the secret `sitefence/demo/health`, which is the topology's own, is waiting to be deleted in eu-west-1",
            "aws secretsmanager delete-secret --region eu-west-1 --secret-id sitefence/demo/health --force-delete-without-recovery",
        ),
    ] {
        let cloud = Cloud::new();
        let config = cloud.aws.sdk_config(REGION);
        block_on(async {
            let secrets = aws_sdk_secretsmanager::Client::new(&config);
            match taken {
                "role" => {
                    let role = aws_sdk_iam::Client::new(&config).create_role();
                    let role = role.role_name("sitefence-demo-eu-west-1");
                    role.assume_role_policy_document("{}")
                        .send()
                        .await
                        .map(drop)
                        .unwrap();
                }
                "function" => cloud.make_function("sitefence-demo-fencing", &[]).await,
                "table" => {
                    use aws_sdk_dynamodb::types::{
                        AttributeDefinition, BillingMode, KeySchemaElement, KeyType,
                    };
                    let attribute = AttributeDefinition::builder()
                        .attribute_name("pk")
                        .attribute_type("S".into());
                    let key = KeySchemaElement::builder()
                        .attribute_name("pk")
                        .key_type(KeyType::Hash);
                    let table = aws_sdk_dynamodb::Client::new(&config)
                        .create_table()
                        .table_name("sitefence-demo-register")
                        .attribute_definitions(attribute.build().unwrap())
                        .key_schema(key.build().unwrap())
                        .billing_mode(BillingMode::PayPerRequest);
                    table.send().await.map(drop).unwrap();
                }
                "secret" => {
                    let secret = secrets.create_secret().name("sitefence/demo/webhook");
                    secret.secret_string("theirs").send().await.map(drop).unwrap();
                }
                _ => {
                    let name = "sitefence/demo/health";
                    let secret = secrets.create_secret().name(name);
                    secret.secret_string("old").send().await.unwrap();
                    let deleted = secrets.delete_secret().secret_id(name).recovery_window_in_days(7);
                    deleted.send().await.map(drop).unwrap();
                }
            }
        });
        cloud.counter.reset();
        let run = cloud.apply();
        assert!(
            run.stderr.contains(says) && run.stderr.contains(hint),
            "{taken}: {run}"
        );
        assert_eq!(cloud.counter.changes(), [""; 0], "{taken}");
    }
}
