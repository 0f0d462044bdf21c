//! What CloudFormation's most common sentences mean, and what to do about each.
//!
//! A sentence of a service ends in a stack's event word for word, and it is written for the author of the template.
//! These are the ones that a deployment of ours meets, by what people report of such templates and by the services'
//! own documents. What is not in the table is shown as it came. Each hint says what to change; only where time alone
//! may mend it, it says to run the same command again and nothing else.

use crate::observed::cause::StackCause;
use crate::preflight::problem::quoted;

/// What CloudFormation says when its own look ahead failed, without a word of why: at a change set, and at its execution.
const WITHHELD: [&str; 3] = ["EarlyValidation", "DescribeEvents", "FAILED event for details"];
/// After something was changed.
const THEN: &str = "then run the same command again: it continues where it stopped";

/// Words that a reason holds, any of them, in small letters; and what to do then.
type Row = (&'static [&'static str], fn(&StackCause, &str) -> String);

/// The first row that fits is the one; so the narrow ones come first.
const ROWS: [Row; 24] = [
    (
        &["scheduled for deletion", "marked for deletion"],
        |cause, region| {
            let name = name(cause);
            format!(
                "a deleted secret keeps its name until its recovery window ends: aws secretsmanager delete-secret --region \
             {region} --secret-id {name} --force-delete-without-recovery ends that now and for ever; or wait for it; {THEN}"
            )
        },
    ),
    (&["tag policy", "tag policies"], |_, _| {
        format!("the organization's tag policies refuse a tag: correct `tags`, {THEN}")
    }),
    (
        &["bucket name is not available", "bucketalreadyexists"],
        |cause, _| {
            format!(
                "bucket names are shared by all accounts, and another account has {}: give the topology another \
                 `name`",
                name(cause)
            )
        },
    ),
    (
        &[
            "already exists",
            "alreadyexists",
            "already own",
            "alreadyowned",
            "resourceinuse",
        ],
        taken,
    ),
    (
        &["deletion protection", "protected against deletion"],
        |cause, _| {
            format!(
                "{} is protected from being deleted: `provision destroy` removes the protection first; if it belongs \
                 to another stack, remove it there",
                name(cause)
            )
        },
    ),
    (&["not empty", "bucketnotempty"], |cause, _| {
        format!(
            "somebody writes to the bucket {} while it is emptied: run the same command again when that is over",
            name(cause)
        )
    }),
    (&["kms"], |cause, _| {
        format!(
            "the policy of the key has to let {} use it; {THEN}",
            match cause.kind.as_str() {
                "AWS::Logs::LogGroup" => "CloudWatch Logs (logs.REGION.amazonaws.com)",
                "AWS::SNS::Topic" => "CloudWatch and SNS (cloudwatch.amazonaws.com, sns.amazonaws.com)",
                "AWS::S3::Bucket" => "the caller of provision",
                _ => "the function's role and the caller of provision",
            }
        )
    }),
    (&["createnetworkinterface"], |_, _| {
        "the function's role may not make network interfaces: check whether function.permissionsBoundary or a \
         service control policy leaves out ec2:CreateNetworkInterface"
            .to_owned()
    }),
    (&["does not exist or is not attachable"], |_, _| {
        format!("correct function.permissionsBoundary: the policy does not exist; {THEN}")
    }),
    (&["cannot be assumed by lambda"], |_, _| {
        "the role is new, and not yet known everywhere: run the same command again".to_owned()
    }),
    (
        &[
            "not authorized to perform",
            "accessdenied",
            "access denied",
            "unauthorizedoperation",
            "is not authorized",
        ],
        denied,
    ),
    (&["unreservedconcurrentexecution"], |_, _| {
        format!(
            "the account would have too few executions left for other functions: leave function.reservedConcurrency out, or \
             have the account's concurrency raised in Service Quotas; {THEN}"
        )
    }),
    (&["code storage limit", "codestorageexceeded"], |_, region| {
        format!(
            "the account's functions take up all their code storage in {region}: delete old versions; {THEN}"
        )
    }),
    (
        &[
            "nosuchkey",
            "nosuchversion",
            "specified key does not exist",
            "specified version does not exist",
        ],
        |_, _| {
            "somebody deleted the function's package from its bucket: run the same command again, which uploads it".to_owned()
        },
    ),
    (
        &["4kb limit", "environment variables you have provided exceeded"],
        |_, _| format!("the function's environment is too large: shorten names, hosts or `caches`; {THEN}"),
    ),
    (
        &["subnet", "securitygroup", "security group", "vpc"],
        |_, region| {
            format!(
                "correct function.vpc: its subnets and security groups have to be of one VPC in {region}; {THEN}"
            )
        },
    ),
    (
        &["following hook(s) failed", "following hook(s)/validation failed"],
        |_, _| {
            "a hook of this account refuses what would be deployed: the people who look after its CloudFormation hooks can say why"
                .to_owned()
        },
    ),
    (
        &["invalid parameter: email", "invalid parameter: endpoint"],
        |_, _| format!("SNS does not take one of notify.emails as an address: correct it, {THEN}"),
    ),
    (
        &[
            "can't find the specified secret",
            "could not resolve",
            "could not find a value associated",
        ],
        |cause, region| {
            format!(
                "{} reads a secret that is not in {region}: if somebody deleted it or its replica, restore it there; {THEN}",
                cause.resource()
            )
        },
    ),
    (
        &[
            "optinrequired",
            "not subscribed",
            "needs a subscription",
            "is not enabled for this account",
        ],
        |_, region| format!("the account may not use {region} yet: enable it, or another Region; {THEN}"),
    ),
    (
        &[
            "limitexceeded",
            "limit exceeded",
            "cannot exceed quota",
            "quota",
            "maximum number of",
            "toomanyhealthchecks",
        ],
        |cause, region| {
            format!(
                "the account has as many of {} as it is allowed: delete what nobody needs, or have the limit raised \
                 in Service Quotas in {region}; {THEN}",
                cause.kind
            )
        },
    ),
    (
        &["expiredtoken", "token included in the request is expired"],
        |_, _| {
            "the credentials expired on the way: sign in again, then run the same command again".to_owned()
        },
    ),
    (
        &["rate exceeded", "throttl", "toomanyrequests", "too many requests"],
        |_, _| "the account asked AWS too often: run the same command again in a minute".to_owned(),
    ),
    (
        &[
            "internal failure",
            "internalfailure",
            "internal error",
            "internalerror",
            "service unavailable",
            "serviceunavailable",
            "did not stabilize",
            "notstabilized",
            "timed out",
            "timeout",
        ],
        |_, _| {
            "AWS had an internal problem: run the same command again; its health dashboard says more"
                .to_owned()
        },
    ),
];

/// What to do about a cause, where that is known.
pub fn hint(cause: &StackCause, region: &str) -> Option<String> {
    let reason = cause.reason.to_lowercase();
    let fits = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    let (_, tell) = ROWS.iter().find(|(words, _)| fits(words))?;
    Some(tell(cause, region))
}

/// Whether a reason only says that there is one.
pub fn is_withheld(reason: &str) -> bool {
    WITHHELD.iter().any(|words| reason.contains(words))
}

/// Whether a name is in the way.
pub fn is_taken(cause: &StackCause) -> bool {
    let reason = cause.reason.to_lowercase();
    reason.contains("already exists") || reason.contains("alreadyexists")
}

/// The name as a command takes it.
fn name(cause: &StackCause) -> String {
    quoted(cause.name.as_deref().unwrap_or(&cause.logical_id))
}

fn taken(cause: &StackCause, region: &str) -> String {
    let name = name(cause);
    if let Some(holder) = &cause.holder {
        return format!(
            "{name} belongs to the stack `{}` (its {}): give the topology another `name`, or delete that stack if \
             nothing needs it any more; {THEN}",
            holder.stack, holder.logical_id
        );
    }
    let command = match cause.kind.as_str() {
        "AWS::CloudWatch::Alarm" => Some(format!(
            "cloudwatch delete-alarms --region {region} --alarm-names {name}"
        )),
        "AWS::CloudWatch::Dashboard" => Some(format!(
            "cloudwatch delete-dashboards --region {region} --dashboard-names {name}"
        )),
        "AWS::DynamoDB::GlobalTable" | "AWS::DynamoDB::Table" => {
            return format!(
                "no stack has the table {name}: set register.retain: true to take it over with its history; or, if nothing \
                 needs it, aws dynamodb delete-table --region {region} --table-name {name}; {THEN}"
            );
        }
        "AWS::Events::Rule" => Some(format!("events delete-rule --region {region} --name {name}")),
        "AWS::IAM::Role" => Some(format!("iam delete-role --role-name {name}")),
        "AWS::Lambda::Function" => Some(format!(
            "lambda delete-function --region {region} --function-name {name}"
        )),
        "AWS::Logs::LogGroup" => Some(format!(
            "logs delete-log-group --region {region} --log-group-name {name}"
        )),
        "AWS::S3::Bucket" => Some(format!("s3 rb --force s3://{name}")),
        "AWS::SecretsManager::Secret" => Some(format!(
            "secretsmanager delete-secret --region {region} --secret-id {name} --force-delete-without-recovery"
        )),
        "AWS::SNS::Topic" => Some(format!("sns delete-topic --region {region} --topic-arn {name}")),
        _ => None,
    };
    match command {
        Some(command) => format!(
            "no stack has {name}: somebody made it by hand, or an earlier deployment left it. If nothing needs it: \
             aws {command}; if something does, give the topology another `name`, or import it into a stack of its \
             own first and find out what it is for; {THEN}"
        ),
        None => format!(
            "{} already exists, and no stack has it: remove it if nothing needs it, or give the topology another \
             `name`; {THEN}",
            cause.resource()
        ),
    }
}

fn denied(cause: &StackCause, _: &str) -> String {
    let reason = &cause.reason;
    let action = reason
        .split_once("not authorized to perform: ")
        .and_then(|(_, rest)| rest.split([' ', ',', ';', '"']).next())
        .map(|action| action.trim_end_matches('.'));
    let right = action.map_or_else(
        || format!("the rights for {}", cause.kind),
        |action| format!("the permission `{action}`"),
    );
    let what = if reason.contains("service control policy") {
        format!(
            "a service control policy of the organization denies {right}; only its administrators can allow it"
        )
    } else if reason.contains("permissions boundary") {
        format!("a permissions boundary leaves out {right}: have it added there")
    } else if reason.contains("explicit deny") {
        format!("a policy denies {right} by name: look for its Deny")
    } else {
        format!("the caller of provision needs {right}")
    };
    format!("{what}; {THEN}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::cause::Holder;

    /// Sentences as the services have them, each with what its hint has to say, and whether running again is all.
    #[test]
    fn the_common_causes_say_what_to_do() {
        for (kind, reason, says) in [
            (
                "AWS::Logs::LogGroup",
                "Resource of type 'AWS::Logs::LogGroup' with identifier '/aws/lambda/sitefence-demo-fencing' already exists.",
                "aws logs delete-log-group --region eu-west-1 --log-group-name /aws/lambda/sitefence-demo-fencing",
            ),
            (
                "AWS::IAM::Role",
                "sitefence-demo-eu-west-1 already exists",
                "aws iam delete-role",
            ),
            (
                "AWS::DynamoDB::Table",
                "Table already exists: x",
                "register.retain: true",
            ),
            (
                "AWS::S3::Bucket",
                "The requested bucket name is not available. The bucket namespace is shared by all users of the system.",
                "another `name`",
            ),
            (
                "AWS::SecretsManager::Secret",
                "You can't create this secret because a secret with this name is already scheduled for deletion.",
                "--force-delete-without-recovery",
            ),
            (
                "AWS::IAM::Role",
                "User: arn:aws:iam::1:user/a is not authorized to perform: iam:CreateRole on resource: arn:aws:iam::1:role/x \
                 because no identity-based policy allows the iam:CreateRole action",
                "needs the permission `iam:CreateRole`",
            ),
            (
                "AWS::IAM::Role",
                "User: a is not authorized to perform: iam:CreateRole on resource: x with an explicit deny in a service control policy",
                "only its administrators",
            ),
            (
                "AWS::Lambda::Function",
                "The role defined for the function cannot be assumed by Lambda.",
                "not yet known everywhere",
            ),
            (
                "AWS::Lambda::Function",
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its \
                 minimum value of [100].",
                "function.reservedConcurrency",
            ),
            (
                "AWS::Lambda::Function",
                "Code storage limit exceeded.",
                "delete old versions",
            ),
            (
                "AWS::Lambda::Function",
                "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
                "which uploads it",
            ),
            (
                "AWS::Lambda::Function",
                "Lambda was unable to configure your environment variables because the environment variables you have provided \
                 exceeded the 4KB limit.",
                "shorten names",
            ),
            (
                "AWS::Logs::LogGroup",
                "The specified KMS key does not exist or is not allowed to be used with Arn 'arn:aws:logs:eu-west-1:1:log-group:x'",
                "CloudWatch Logs",
            ),
            (
                "AWS::Lambda::Function",
                "The provided execution role does not have permissions to call CreateNetworkInterface on EC2",
                "ec2:CreateNetworkInterface",
            ),
            (
                "AWS::Lambda::Function",
                "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound.",
                "function.vpc",
            ),
            (
                "AWS::IAM::Role",
                "Scope ARN: arn:aws:iam::1:policy/none does not exist or is not attachable.",
                "function.permissionsBoundary",
            ),
            ("AWS::CloudWatch::Alarm", "Rate exceeded", "in a minute"),
            (
                "AWS::IAM::Role",
                "Cannot exceed quota for RolesPerAccount: 1000",
                "Service Quotas",
            ),
            (
                "AWS::S3::Bucket",
                "The bucket you tried to delete is not empty",
                "while it is emptied",
            ),
            (
                "AWS::DynamoDB::Table",
                "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
                "removes the protection first",
            ),
            (
                "AWS::Lambda::Function",
                "The following hook(s) failed: [Org::Guard::Hook]",
                "CloudFormation hooks",
            ),
            (
                "AWS::SNS::Topic",
                "The tag policy does not allow the specified value for the following tag key: 'owner'.",
                "correct `tags`",
            ),
            (
                "AWS::SNS::Subscription",
                "Invalid parameter: Email address",
                "notify.emails",
            ),
            (
                "AWS::Route53::HealthCheck",
                "Secrets Manager can't find the specified secret.",
                "reads a secret that is not in eu-west-1",
            ),
            ("AWS::Lambda::Url", "Internal Failure", "an internal problem"),
            (
                "AWS::Lambda::Function",
                "The security token included in the request is expired",
                "sign in again",
            ),
            (
                "AWS::DynamoDB::GlobalTable",
                "OptInRequired: The AWS Access Key Id needs a subscription for the service",
                "enable it",
            ),
        ] {
            let cause = StackCause::new("It", kind, None, reason);
            let hint = hint(&cause, "eu-west-1").unwrap_or_default();
            assert!(hint.contains(says), "{reason}\n{hint}");
        }
        let unheard_of = StackCause::new("It", "AWS::X::Y", None, "42");
        assert_eq!(hint(&unheard_of, "eu-west-1"), None);
    }

    /// Where running again is all that there is to say, time is what mends it.
    #[test]
    fn running_again_alone_is_said_only_where_time_mends_it() {
        let patience: Vec<String> = ROWS
            .iter()
            .map(|(words, tell)| tell(&StackCause::new("It", "AWS::X::Y", None, words[0]), "eu-west-1"))
            .filter(|hint| hint.contains("run the same command again") && !hint.contains(THEN))
            .collect();
        assert_eq!(patience.len(), 6, "{patience:#?}");
    }

    #[test]
    fn the_stack_that_has_a_name_is_named() {
        let mut cause = StackCause::new("Role", "AWS::IAM::Role", Some("r"), "r already exists");
        cause.holder = Some(Holder {
            stack: "other".into(),
            logical_id: "TheirRole".into(),
        });
        let hint = hint(&cause, "eu-west-1").unwrap_or_default();
        assert!(
            hint.starts_with(
                "r belongs to the stack `other` (its TheirRole): give the topology another `name`"
            ),
            "{hint}"
        );
    }
}
