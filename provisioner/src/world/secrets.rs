//! Secrets Manager: whether a secret is there. Values are read only where they must be handed on.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::{ReplicationStatusType, StatusType};
use fencing::credentials::{Credentials, ENDS_A_LINE, WITHOUT_THE_END_OF_A_LINE};
use secrecy::SecretString;

use super::call::{AwsCall, CallError};
use crate::observed::{ReplicaBehind, SecretReading};
use crate::topology::Region;

/// The key under which a secret is that names none.
const AWS_KEY: &str = "alias/aws/secretsmanager";

/// The secrets of one Region.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: Client,
    region: Region,
}

impl Secrets {
    /// The secrets of `region`.
    pub fn new(client: Client, region: &Region) -> Self {
        Self {
            client,
            region: region.clone(),
        }
    }

    /// A secret by name or ARN, without its value.
    pub async fn describe(&self, secret: &str) -> Result<Option<SecretReading>, CallError> {
        let call = || AwsCall::new("SecretsManager", "DescribeSecret", &self.region);
        let answer = self
            .client
            .describe_secret()
            .secret_id(secret)
            .send()
            .await
            .map_err(|error| call().failed(error));
        match answer {
            Ok(answer) => Ok(Some(SecretReading {
                oddity: None,
                arn: answer.arn.ok_or_else(|| call().lacks("the secret's ARN"))?,
                is_being_deleted: answer.deleted_date.is_some(),
                version: answer.version_ids_to_stages.and_then(|versions| {
                    let is_current = |stages: &[String]| stages.iter().any(|stage| stage == "AWSCURRENT");
                    let mut versions = versions.into_iter();
                    versions.find_map(|(version, stages)| is_current(&stages).then_some(version))
                }),
                key: answer.kms_key_id.filter(|key| !key.ends_with(AWS_KEY)),
                // The original names itself, too.
                primary_region: answer.primary_region.filter(|primary| *primary != *self.region),
                replicas_behind: answer
                    .replication_status
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(behind)
                    .collect(),
            })),
            Err(error) if error.is("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same with what is odd about its value. A caller who may not read that learns nothing about it; the function,
    /// which may, reports it in its deep check.
    pub async fn examine(&self, secret: &str, username: &str) -> Result<Option<SecretReading>, CallError> {
        let Some(reading) = self.describe(secret).await? else {
            return Ok(None);
        };
        let value = if reading.version.is_some() && !reading.is_being_deleted {
            self.value(secret).await.ok().flatten()
        } else {
            None
        };
        Ok(Some(SecretReading {
            oddity: value.and_then(|value| oddity(&value, username)),
            ..reading
        }))
    }

    /// A secret's value, if it is there and has one.
    pub async fn value(&self, secret: &str) -> Result<Option<SecretString>, CallError> {
        let answer = self
            .client
            .get_secret_value()
            .secret_id(secret)
            .send()
            .await
            .map_err(|error| AwsCall::new("SecretsManager", "GetSecretValue", &self.region).failed(error));
        match answer {
            Ok(answer) => Ok(answer.secret_string.map(SecretString::from)),
            Err(error) if error.is("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A replica that is not in step.
fn behind(replica: ReplicationStatusType) -> Option<ReplicaBehind> {
    let status = replica.status.filter(|status| *status != StatusType::InSync)?;
    let why = match replica.status_message {
        Some(message) => format!("{}: {message}", status.as_str()),
        None => status.as_str().to_owned(),
    };
    Some(ReplicaBehind {
        region: Region::seen(replica.region.as_deref()?)?,
        why,
    })
}

/// What is odd about a secret's value, in words that tell nothing of it.
pub fn oddity(secret: &SecretString, username: &str) -> Option<String> {
    match Credentials::parse(secret, username) {
        Err(error) => Some(error.to_string()),
        Ok(credentials) if credentials.ends_a_line() => {
            Some(format!("{ENDS_A_LINE}; {WITHOUT_THE_END_OF_A_LINE}"))
        }
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_odd_is_reported_without_a_word_of_it() {
        for (secret, odd) in [
            ("s3cret", None),
            ("s3cret\n", Some("ends with a line break")),
            (r#"{"username":"u","password":"s3cret"}"#, None),
            (r#"{"username":"s3cret"}"#, Some("without a string `password`")),
            ("", Some("empty password")),
        ] {
            let told = oddity(&secret.into(), "developer");
            assert_eq!(told.is_some(), odd.is_some(), "{secret}");
            let told = told.unwrap_or_default();
            assert!(
                told.contains(odd.unwrap_or_default()) && !told.contains("s3cret"),
                "{told}"
            );
        }
    }
}
