//! KMS: what the policy of a key says. A key is never used from here.

use aws_sdk_kms::Client;

use super::call::{AwsCall, CallError};
use crate::observed::key::KeyReading;
use crate::topology::Region;

/// How the policy of every key is called.
const POLICY: &str = "default";

/// The policy of a key, which may be named by ARN, id or alias.
pub async fn policy(client: &Client, region: &Region, key: &str) -> Result<KeyReading, CallError> {
    let is_alias = key.contains("alias/");
    let id = if is_alias {
        // Of an alias the policy cannot be asked for.
        let call = || AwsCall::new("KMS", "DescribeKey", region);
        let described = client.describe_key().key_id(key).send().await;
        let described = described.map_err(|error| call().failed(error))?;
        let metadata = described.key_metadata.ok_or_else(|| call().lacks("the key"))?;
        metadata.key_id
    } else {
        key.to_owned()
    };
    let call = || AwsCall::new("KMS", "GetKeyPolicy", region);
    let answer = client
        .get_key_policy()
        .key_id(&id)
        .policy_name(POLICY)
        .send()
        .await;
    let answer = answer.map_err(|error| call().failed(error))?;
    let policy = answer.policy.ok_or_else(|| call().lacks("the policy"))?;
    Ok(if is_alias {
        KeyReading::OfAlias { id, policy }
    } else {
        KeyReading::Policy(policy)
    })
}
