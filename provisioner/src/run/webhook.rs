//! The values of the clusters' Secret: the functions' URLs, the user, the password.
//!
//! They are put together here, from the stacks' outputs and Secrets Manager, and go nowhere but into the
//! clusters' Secrets. They print as `[redacted]`.

use std::collections::BTreeMap;

use fencing::contract::path;
use fencing::credentials::Credentials;
use k8s_openapi::ByteString;
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::{Value, json};

use super::Session;
use super::failure::Failure;
use super::learned::Learned;
use crate::observed::{StackHealth, Standing};
use crate::plan::{OUTPUT_URL, OUTPUT_WEBHOOK_SECRET};
use crate::preflight::ours::REDACTED;
use crate::topology::names::StackKind;
use crate::topology::names::{PASSWORD_KEY, USERNAME_KEY};
use crate::topology::{Region, Topology};
use crate::world::call::CallError;
use crate::world::cloudformation::Stacks;
use crate::world::secrets::{Secrets, oddity};

/// The values by key, as far as they are known.
#[derive(Debug, Default)]
pub struct WebhookValues {
    pub values: BTreeMap<String, SecretSlice<u8>>,
    /// What is odd about the secret that user and password come from.
    pub oddity: Option<String>,
}

/// The address that Alertmanager posts to, from the function's URL.
pub fn webhook_url(function_url: &str) -> String {
    format!("{}{}", function_url.trim_end_matches('/'), path::WEBHOOK)
}

/// By Region: what the fencing stack tells.
pub type Outputs = BTreeMap<Region, BTreeMap<String, String>>;

/// The outputs of those fencing stacks that can be relied on.
pub fn outputs(topology: &Topology, standing: &Standing) -> Outputs {
    let usable = topology.regions.iter().filter_map(|region| {
        let stack = standing.stack(region, StackKind::Fencing)?;
        (stack.condition() == StackHealth::Usable).then(|| (region.clone(), stack.outputs.clone()))
    });
    usable.collect()
}

impl WebhookValues {
    /// What follows from the outputs.
    pub async fn of(session: &Session, topology: &Topology, outputs: &Outputs) -> Result<Self, CallError> {
        let output = |region: &Region, name: &str| outputs.get(region)?.get(name);
        let mut values = BTreeMap::new();
        for (key, region) in topology.url_keys() {
            if let Some(url) = output(&region, OUTPUT_URL) {
                values.insert(key, secret(webhook_url(url)));
            }
        }
        let mut username = topology.webhook.username.to_string();
        let mut odd = None;
        // Each Region's stack names the secret beside it, the original or a replica.
        let mut regions = topology.regions.iter();
        let secret_of = regions.find_map(|region| Some((region, output(region, OUTPUT_WEBHOOK_SECRET)?)));
        if let Some((region, arn)) = secret_of {
            let secrets = Secrets::new(session.aws.secrets_manager(region), region);
            if let Some(stored) = secrets.value(arn).await? {
                odd = oddity(&stored, &username);
                // As the function reads it; what it cannot use is handed on as it is, and reported.
                let password = match Credentials::parse(&stored, &username) {
                    Ok(read) => {
                        username = read.username;
                        read.password
                    }
                    Err(_) => stored,
                };
                values.insert(
                    PASSWORD_KEY.to_owned(),
                    secret(password.expose_secret().to_owned()),
                );
            }
        }
        values.insert(USERNAME_KEY.to_owned(), secret(username));
        Ok(Self { values, oddity: odd })
    }

    /// What is to be written now: the stacks stand, so that every value is known.
    pub async fn now(session: &Session, topology: &Topology, learned: &Learned) -> Result<Self, Failure> {
        let stack = topology.stack_name(StackKind::Fencing);
        let mut outputs = Outputs::new();
        for region in &topology.regions {
            if let Some(known) = learned.outputs(region, StackKind::Fencing) {
                outputs.insert(region.clone(), known);
                continue;
            }
            let stacks = Stacks::new(session.aws.cloudformation(region), region);
            if let Some(reading) = stacks.describe(&stack).await? {
                outputs.insert(region.clone(), reading.outputs);
            }
        }
        let values = Self::of(session, topology, &outputs).await?;
        for (key, region) in topology.url_keys() {
            if !values.values.contains_key(&key) {
                return Err(Failure::NoOutput {
                    stack,
                    region,
                    output: OUTPUT_URL,
                });
            }
        }
        if !values.values.contains_key(PASSWORD_KEY) {
            return Err(Failure::NoOutput {
                stack,
                region: topology.first_region().clone(),
                output: OUTPUT_WEBHOOK_SECRET,
            });
        }
        Ok(values)
    }

    /// The Secret with its values in it, as an API server takes it. Not for anyone's eyes.
    pub fn object(&self, frame: &Value) -> Value {
        let mut object = frame.clone();
        let data: BTreeMap<&str, ByteString> = self
            .values
            .iter()
            .map(|(key, value)| (key.as_str(), ByteString(value.expose_secret().to_vec())))
            .collect();
        if let Some(fields) = object.as_object_mut() {
            fields.insert("data".to_owned(), json!(data));
        }
        object
    }

    /// `text` without any of the values, as they are or as the API writes them.
    pub fn scrubbed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in self.values.values() {
            let plain = String::from_utf8_lossy(value.expose_secret()).into_owned();
            let encoded = json!(ByteString(value.expose_secret().to_vec()));
            for word in [plain.as_str(), encoded.as_str().unwrap_or_default()] {
                if !word.is_empty() {
                    text = text.replace(word, REDACTED);
                }
            }
        }
        text
    }
}

fn secret(text: String) -> SecretSlice<u8> {
    text.into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> WebhookValues {
        WebhookValues {
            oddity: None,
            values: [
                ("url", "https://abc.lambda-url.eu-west-1.on.aws/webhook"),
                ("password", "s3cret-password"),
            ]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), secret(value.to_owned())))
            .collect(),
        }
    }

    #[test]
    fn values_are_for_the_api_server_only() {
        let object = values().object(&json!({ "kind": "Secret", "metadata": { "name": "x" } }));
        assert_eq!(object["data"]["password"], "czNjcmV0LXBhc3N3b3Jk");
        assert!(!format!("{:?}", values()).contains("s3cret"));
        let told = values().scrubbed("invalid value \"s3cret-password\", that is czNjcmV0LXBhc3N3b3Jk");
        assert_eq!(told, "invalid value \"[redacted]\", that is [redacted]");
    }

    #[test]
    fn alertmanager_posts_below_the_function_s_url() {
        for url in ["https://a.on.aws/", "https://a.on.aws"] {
            assert_eq!(webhook_url(url), "https://a.on.aws/webhook");
        }
    }
}
