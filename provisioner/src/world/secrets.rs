//! Secrets Manager: whether a secret is there. Values are read only where they must be handed on.

use aws_sdk_secretsmanager::Client;
use secrecy::SecretString;

use super::call::{Call, CallError};
use crate::observed::SecretReading;

/// The secrets of one Region.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: Client,
    region: String,
}

impl Secrets {
    /// The secrets of `region`.
    pub fn new(client: Client, region: &str) -> Self {
        Self {
            client,
            region: region.to_owned(),
        }
    }

    /// A secret by name or ARN, without its value.
    pub async fn describe(&self, secret: &str) -> Result<Option<SecretReading>, CallError> {
        let call = || Call::new("SecretsManager", "DescribeSecret", &self.region);
        let answer = self
            .client
            .describe_secret()
            .secret_id(secret)
            .send()
            .await
            .map_err(|error| call().failed(error));
        match answer {
            Ok(answer) => Ok(Some(SecretReading {
                arn: answer.arn.ok_or_else(|| call().lacks("the secret's ARN"))?,
                is_being_deleted: answer.deleted_date.is_some(),
                has_value: answer.version_ids_to_stages.is_some_and(|versions| {
                    versions
                        .values()
                        .any(|stages| stages.iter().any(|stage| stage == "AWSCURRENT"))
                }),
            })),
            Err(error) if error.is("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A secret's value, if it is there and has one.
    pub async fn value(&self, secret: &str) -> Result<Option<SecretString>, CallError> {
        let answer = self
            .client
            .get_secret_value()
            .secret_id(secret)
            .send()
            .await
            .map_err(|error| Call::new("SecretsManager", "GetSecretValue", &self.region).failed(error));
        match answer {
            Ok(answer) => Ok(answer.secret_string.map(SecretString::from)),
            Err(error) if error.is("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }
}
