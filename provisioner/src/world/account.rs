//! Who is signed in, and what the account has and allows.

use aws_sdk_iam::Client as Iam;
use aws_sdk_sts::Client as Sts;

use super::call::{AwsCall, CallError};
use crate::observed::Identity;
use crate::topology::Region;

pub async fn identity(client: &Sts, region: &Region) -> Result<Identity, CallError> {
    let call = || AwsCall::new("STS", "GetCallerIdentity", region);
    let answer = client
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| call().failed(error))?;
    Ok(Identity {
        account_id: answer.account.ok_or_else(|| call().lacks("the account"))?,
        arn: answer.arn.ok_or_else(|| call().lacks("the caller's ARN"))?,
    })
}

/// Whether there is a role of this name.
pub async fn role_exists(client: &Iam, name: &str) -> Result<bool, CallError> {
    let answer = client
        .get_role()
        .role_name(name)
        .send()
        .await
        .map_err(|error| AwsCall::new("IAM", "GetRole", "all Regions").failed(error));
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.is("NoSuchEntity") => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether there is a policy with this ARN.
pub async fn policy_exists(client: &Iam, arn: &str) -> Result<bool, CallError> {
    let answer = client
        .get_policy()
        .policy_arn(arn)
        .send()
        .await
        .map_err(|error| AwsCall::new("IAM", "GetPolicy", "all Regions").failed(error));
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.is("NoSuchEntity") => Ok(false),
        Err(error) => Err(error),
    }
}
