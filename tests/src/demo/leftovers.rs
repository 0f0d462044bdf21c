//! What of ours is still in the local AWS.

use aws_sdk_cloudformation::types::StackStatus;
use serde_json::json;

use super::DemoError;
use super::stage::Stage;
use crate::standins::local_aws::LocalAwsError;

/// Everything that `apply` can have made and that is there, one line each. The balancers and Infinispan's password,
/// which were there before, are not ours.
pub(super) async fn of(stage: &Stage) -> Result<Vec<String>, DemoError> {
    let mut left = Vec::new();
    for region in stage.regions() {
        left.extend(
            of_region(stage, region)
                .await?
                .into_iter()
                .map(|what| format!("{region}: {what}")),
        );
    }
    Ok(left)
}

async fn of_region(stage: &Stage, region: &str) -> Result<Vec<String>, DemoError> {
    let sdk = stage.aws.sdk_config(region);
    let mut left = Vec::new();

    let stacks = aws_sdk_cloudformation::Client::new(&sdk)
        .list_stacks()
        .send()
        .await;
    let stacks = stacks.map_err(|error| call("ListStacks", &error))?;
    left.extend(
        stacks
            .stack_summaries()
            .iter()
            .filter(|stack| stack.stack_status() != Some(&StackStatus::DeleteComplete))
            .filter_map(|stack| stack.stack_name())
            .map(|name| format!("stack {name}")),
    );

    let functions = aws_sdk_lambda::Client::new(&sdk).list_functions().send().await;
    let functions = functions.map_err(|error| call("ListFunctions", &error))?;
    let functions = functions
        .functions()
        .iter()
        .filter_map(|function| function.function_name());
    left.extend(functions.map(|name| format!("function {name}")));

    let tables = aws_sdk_dynamodb::Client::new(&sdk).list_tables().send().await;
    let tables = tables.map_err(|error| call("ListTables", &error))?;
    left.extend(tables.table_names().iter().map(|name| format!("table {name}")));

    let buckets = aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(&sdk)
            .force_path_style(true)
            .build(),
    );
    let buckets = buckets
        .list_buckets()
        .send()
        .await
        .map_err(|error| call("ListBuckets", &error))?;
    left.extend(
        buckets
            .buckets()
            .iter()
            .filter_map(|bucket| bucket.name())
            .map(|name| format!("bucket {name}")),
    );

    let roles = aws_sdk_iam::Client::new(&sdk).list_roles().send().await;
    let roles = roles.map_err(|error| call("ListRoles", &error))?;
    left.extend(
        roles
            .roles()
            .iter()
            .map(|role| format!("role {}", role.role_name())),
    );

    let secrets = aws_sdk_secretsmanager::Client::new(&sdk)
        .list_secrets()
        .send()
        .await;
    let secrets = secrets.map_err(|error| call("ListSecrets", &error))?;
    let given = stage.topology.infinispan.password_secret.to_string();
    let secrets = secrets.secret_list().iter().filter_map(|secret| secret.name());
    left.extend(
        secrets
            .filter(|name| *name != given)
            .map(|name| format!("secret {name}")),
    );

    let groups = stage
        .aws
        .json_call(region, "logs", "Logs_20140328.DescribeLogGroups", &json!({}))
        .await?;
    let groups = groups["logGroups"].as_array().into_iter().flatten();
    left.extend(
        groups
            .filter_map(|group| group["logGroupName"].as_str())
            .map(|name| format!("log group {name}")),
    );
    Ok(left)
}

fn call(call: &'static str, error: &dyn std::error::Error) -> LocalAwsError {
    LocalAwsError::Call {
        call,
        message: error
            .source()
            .map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    }
}
