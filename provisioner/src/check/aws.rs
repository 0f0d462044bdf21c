//! Promises about the CloudFormation templates.

use std::collections::BTreeSet;

use fencing::register::items;
use serde_json::{Value, json};

use super::permissions::permissions;
use super::{DocumentCase, as_list, of_type, resources, text, texts};
use crate::render::{parameters, schedule_input};
use crate::topology::names::{StackKind, TAG_TOPOLOGY};

/// The largest template that fits into a request (CloudFormation quota); a larger one needs a bucket.
pub const TEMPLATE_LIMIT_BYTES: usize = 51_200;

pub(super) fn nothing_of_the_accelerator_is_managed(case: &mut DocumentCase<'_>) {
    for (document, _, _) in case.stacks() {
        for (id, kind, _) in resources(&document.value) {
            if kind.starts_with("AWS::GlobalAccelerator::") || kind.starts_with("AWS::ElasticLoadBalancing") {
                case.breach(document, format!("`{id}` is a {kind}"));
            }
        }
    }
}

pub(super) fn template_fits(case: &mut DocumentCase<'_>) {
    for (document, _, _) in case.stacks() {
        if document.text.len() > TEMPLATE_LIMIT_BYTES {
            case.breach(
                document,
                format!(
                    "{} bytes, {TEMPLATE_LIMIT_BYTES} are allowed",
                    document.text.len()
                ),
            );
        }
    }
}

pub(super) fn nothing_is_expanded(case: &mut DocumentCase<'_>) {
    for (document, kind, _) in case.stacks() {
        let mut found = Vec::new();
        texts(&document.value, "", &mut |path, text| {
            let is_health_path =
                kind == StackKind::Health && path.contains("/HealthCheckConfig/ResourcePath/");
            if text.contains("${") || (text.contains("{{") && !is_health_path) || text == "Fn::Sub" {
                found.push(format!("`{text}` at {path}"));
            }
        });
        for found in found {
            case.breach(document, found);
        }
    }
}

/// Properties that name something, and how long AWS lets them be.
const NAME_LIMITS: &[(&str, &str, usize)] = &[
    ("AWS::IAM::Role", "/RoleName", 64),
    ("AWS::Lambda::Function", "/FunctionName", 64),
    ("AWS::Events::Rule", "/Name", 64),
    ("AWS::SNS::Topic", "/TopicName", 256),
    ("AWS::DynamoDB::Table", "/TableName", 255),
    ("AWS::DynamoDB::GlobalTable", "/TableName", 255),
    ("AWS::CloudWatch::Alarm", "/AlarmName", 255),
    ("AWS::CloudWatch::Dashboard", "/DashboardName", 255),
    ("AWS::Logs::LogGroup", "/LogGroupName", 512),
    ("AWS::SecretsManager::Secret", "/Name", 512),
];

pub(super) fn names_fit(case: &mut DocumentCase<'_>) {
    for (document, kind, region) in case.stacks() {
        for (wanted, pointer, limit) in NAME_LIMITS {
            for (id, properties) in of_type(&document.value, wanted) {
                let name = text(properties, pointer);
                if name.is_empty() || name.len() > *limit {
                    case.breach(
                        document,
                        format!(
                            "`{id}` is named `{name}`: {} characters, {limit} are allowed",
                            name.len()
                        ),
                    );
                }
            }
        }
        if kind == StackKind::Artifacts {
            let name = case.topology.bucket_name("123456789012", region);
            let parts = json!([format!("{}-{}", crate::topology::names::PREFIX, case.topology.name), {"Ref": "AWS::AccountId"}, region.as_str()]);
            let written = of_type(&document.value, "AWS::S3::Bucket")
                .next()
                .and_then(|(_, bucket)| bucket.pointer("/BucketName/Fn::Join"))
                .cloned();
            if name.len() > 63 || written != Some(json!(["-", parts])) {
                case.breach(document, format!("the bucket would be named `{name}`"));
            }
        }
    }
}

/// Types that take `Tags` (or a thing of that kind under another name).
const TAGGED: &[(&str, &str)] = &[
    ("AWS::S3::Bucket", "/Tags"),
    ("AWS::DynamoDB::Table", "/Tags"),
    ("AWS::DynamoDB::GlobalTable", "/Replicas/0/Tags"),
    ("AWS::Logs::LogGroup", "/Tags"),
    ("AWS::SecretsManager::Secret", "/Tags"),
    ("AWS::SNS::Topic", "/Tags"),
    ("AWS::IAM::Role", "/Tags"),
    ("AWS::Lambda::Function", "/Tags"),
    ("AWS::CloudWatch::Alarm", "/Tags"),
    ("AWS::Route53::HealthCheck", "/HealthCheckTags"),
];

pub(super) fn resources_are_tagged(case: &mut DocumentCase<'_>) {
    let ours = json!({"Key": TAG_TOPOLOGY, "Value": case.topology.name.as_str()});
    for (document, _, _) in case.stacks() {
        for (wanted, pointer) in TAGGED {
            for (id, properties) in of_type(&document.value, wanted) {
                let tags = properties.pointer(pointer).map(as_list).unwrap_or_default();
                if !tags.contains(&&ours) {
                    case.breach(document, format!("`{id}` has no tag {TAG_TOPOLOGY}"));
                }
            }
        }
    }
}

pub(super) fn log_group_comes_first(case: &mut DocumentCase<'_>) {
    for (document, _) in case.fencing_stacks() {
        let template = &document.value;
        let groups: Vec<_> = of_type(template, "AWS::Logs::LogGroup").collect();
        for (id, function) in of_type(template, "AWS::Lambda::Function") {
            let name = format!("/aws/lambda/{}", text(function, "/FunctionName"));
            let group = groups
                .iter()
                .find(|(_, group)| text(group, "/LogGroupName") == name);
            let Some((group_id, group)) = group else {
                case.breach(document, format!("`{id}` has no log group {name}"));
                continue;
            };
            if group.get("RetentionInDays").and_then(Value::as_u64).is_none() {
                case.breach(document, format!("`{group_id}` keeps its logs for ever"));
            }
            let depends_on = template
                .pointer(&format!("/Resources/{id}/DependsOn"))
                .map(as_list)
                .unwrap_or_default();
            if !depends_on.contains(&&json!(group_id)) {
                case.breach(document, format!("`{id}` may start before `{group_id}`"));
            }
        }
    }
}

pub(super) fn schedule_reaches_the_function(case: &mut DocumentCase<'_>) {
    for (document, _) in case.fencing_stacks() {
        let template = &document.value;
        let rules: Vec<_> = of_type(template, "AWS::Events::Rule").collect();
        let [(id, rule)] = rules.as_slice() else {
            case.breach(document, format!("there are {} schedules", rules.len()));
            continue;
        };
        if text(rule, "/ScheduleExpression") != "rate(1 minute)" || text(rule, "/State") != "ENABLED" {
            case.breach(document, format!("`{id}` does not come every minute"));
        }
        if text(rule, "/Targets/0/Input") != schedule_input() {
            case.breach(
                document,
                format!("`{id}` sends {:?}", text(rule, "/Targets/0/Input")),
            );
        }
        let source = json!({"Fn::GetAtt": [id, "Arn"]});
        let may_invoke = permissions(template).iter().any(|(_, permission)| {
            text(permission, "/Principal") == "events.amazonaws.com"
                && text(permission, "/Action") == "lambda:InvokeFunction"
                && permission.get("SourceArn") == Some(&source)
        });
        if !may_invoke {
            case.breach(document, format!("`{id}` may not invoke the function"));
        }
    }
}

pub(super) fn secrets_are_generated(case: &mut DocumentCase<'_>) {
    for (document, _, _) in case.stacks() {
        for (id, secret) in of_type(&document.value, "AWS::SecretsManager::Secret") {
            let length = secret
                .pointer("/GenerateSecretString/PasswordLength")
                .and_then(Value::as_u64)
                .unwrap_or(0);
            if length < 32 || secret.get("SecretString").is_some() {
                case.breach(
                    document,
                    format!("`{id}` is not a generated secret of 32 characters at least"),
                );
            }
        }
        for (name, parameter) in document
            .value
            .get("Parameters")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if parameter.get("NoEcho").is_some() || name.to_ascii_lowercase().contains("password") {
                case.breach(document, format!("the parameter {name} takes a secret"));
            }
        }
    }
}

pub(super) fn password_is_one(case: &mut DocumentCase<'_>) {
    let topology = case.topology;
    for (document, region) in case.fencing_stacks() {
        let is_first = region == topology.first_region();
        let name = topology.webhook_secret_name();
        let secret = of_type(&document.value, "AWS::SecretsManager::Secret")
            .find(|(_, secret)| text(secret, "/Name") == name);
        match (is_first, secret) {
            (true, Some((id, secret))) => {
                let replicas = as_list(secret.get("ReplicaRegions").unwrap_or(&Value::Null));
                let replicas: BTreeSet<&str> = replicas
                    .into_iter()
                    .map(|replica| text(replica, "/Region"))
                    .collect();
                let others = topology.regions.iter().filter(|other| *other != region);
                let others: BTreeSet<&str> = others.map(|other| other.as_str()).collect();
                if replicas != others {
                    case.breach(
                        document,
                        format!("`{id}` is replicated to {replicas:?}, and functions run in {others:?}"),
                    );
                }
            }
            (true, None) => case.breach(document, "nothing makes the password"),
            (false, Some((id, _))) => {
                case.breach(
                    document,
                    format!("`{id}` is a second password, which nobody sends"),
                );
            }
            (false, None) => {}
        }
    }
}

/// The key of a package is known to anybody who can write to the bucket; its version is not theirs to choose.
pub(super) fn package_is_pinned(case: &mut DocumentCase<'_>) {
    for (document, _, _) in case.stacks() {
        for (id, function) in of_type(&document.value, "AWS::Lambda::Function") {
            let wanted = [
                ("S3Bucket", parameters::ARTIFACT_BUCKET),
                ("S3Key", parameters::ARTIFACT_KEY),
                ("S3ObjectVersion", parameters::ARTIFACT_VERSION),
            ];
            for (name, parameter) in wanted {
                if function.pointer(&format!("/Code/{name}")) != Some(&json!({"Ref": parameter})) {
                    case.breach(document, format!("`{id}` takes any {name} for its package"));
                }
            }
        }
    }
}

pub(super) fn bucket_is_safe(case: &mut DocumentCase<'_>) {
    for (document, _, _) in case.stacks() {
        let template = &document.value;
        for (id, bucket) in of_type(template, "AWS::S3::Bucket") {
            let block = bucket
                .get("PublicAccessBlockConfiguration")
                .and_then(Value::as_object);
            let blocks = block.map_or(0, |block| {
                block.values().filter(|value| **value == json!(true)).count()
            });
            let encryption = text(
                bucket,
                "/BucketEncryption/ServerSideEncryptionConfiguration/0/ServerSideEncryptionByDefault/SSEAlgorithm",
            );
            let versioned = text(bucket, "/VersioningConfiguration/Status") == "Enabled";
            if blocks != 4 || encryption.is_empty() || !versioned {
                case.breach(
                    document,
                    format!("`{id}` is not private, encrypted and versioned"),
                );
            }
            for rule in bucket
                .pointer("/LifecycleConfiguration/Rules")
                .map(as_list)
                .unwrap_or_default()
            {
                if rule.get("ExpirationInDays").is_some() || rule.get("ExpirationDate").is_some() {
                    case.breach(
                        document,
                        format!("`{id}` forgets packages that a rollback may need"),
                    );
                }
            }
            let reference = json!({"Ref": id});
            let is_tls_only = of_type(template, "AWS::S3::BucketPolicy").any(|(_, policy)| {
                policy.get("Bucket") == Some(&reference)
                    && policy
                        .pointer("/PolicyDocument/Statement")
                        .map(as_list)
                        .unwrap_or_default()
                        .iter()
                        .any(|statement| {
                            text(statement, "/Effect") == "Deny"
                                && text(statement, "/Condition/Bool/aws:SecureTransport") == "false"
                                && text(statement, "/Action") == "s3:*"
                        })
            });
            if !is_tls_only {
                case.breach(document, format!("`{id}` answers without TLS"));
            }
        }
    }
}

pub(super) fn register_is_safe(case: &mut DocumentCase<'_>) {
    for (document, _, _) in case.stacks() {
        for (id, kind, table) in resources(&document.value) {
            let recovery = "/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled";
            let is_recoverable = |at: &Value| at.pointer(recovery) == Some(&json!(true));
            let is_protected = |at: &Value| at.get("DeletionProtectionEnabled") == Some(&json!(true));
            let protected = match kind {
                "AWS::DynamoDB::Table" => is_protected(table),
                "AWS::DynamoDB::GlobalTable" => {
                    let replicas = table.get("Replicas").map(as_list).unwrap_or_default();
                    replicas.iter().all(|replica| is_protected(replica))
                }
                _ => continue,
            };
            if !protected {
                case.breach(document, format!("`{id}` can be deleted by anybody"));
            }
            match kind {
                "AWS::DynamoDB::Table" => {
                    if !is_recoverable(table) {
                        case.breach(document, format!("`{id}` cannot be recovered"));
                    }
                }
                "AWS::DynamoDB::GlobalTable" => {
                    if text(table, "/MultiRegionConsistency") != "STRONG" {
                        case.breach(document, format!("`{id}` is eventually consistent"));
                    }
                    let replicas = table.get("Replicas").map(as_list).unwrap_or_default();
                    let witnesses = table.get("GlobalTableWitnesses").map(as_list).unwrap_or_default();
                    if replicas.len() + witnesses.len() != 3
                        || !replicas.iter().all(|replica| is_recoverable(replica))
                    {
                        case.breach(document, format!("`{id}` has no quorum of recoverable replicas"));
                    }
                }
                _ => continue,
            }
            if text(table, "/BillingMode") != "PAY_PER_REQUEST" {
                case.breach(document, format!("`{id}` can run out of capacity"));
            }
            // Multi-Region strong consistency has neither, and the function writes what neither would keep.
            for refused in ["TimeToLiveSpecification", "LocalSecondaryIndexes"] {
                if table.get(refused).is_some() {
                    case.breach(document, format!("`{id}` has {refused}"));
                }
            }
            if text(table, "/KeySchema/0/AttributeName") != items::KEY {
                case.breach(document, format!("`{id}` has another key"));
            }
            let policy = |name: &str| text(&document.value, &format!("/Resources/{id}/{name}"));
            let deletion = if case.topology.register.retain {
                "Retain"
            } else {
                "Delete"
            };
            if policy("UpdateReplacePolicy") != "Retain" || policy("DeletionPolicy") != deletion {
                case.breach(document, format!("`{id}` is deleted against the topology's will"));
            }
        }
    }
}
