//! The register's other items, which no decision rests on: what watching the watchman keeps.
//!
//! | key `pk` | what |
//! |---|---|
//! | `<topology>#probe#<region>` | the last conditional write that showed that the table takes one |
//! | `<topology>#deep#<region>` | the last deep check's result, and a rehearsal's end, each written by itself |
//! | `<topology>#seen#<site>` | when that site's watchdog alert last came through; written by the register |
//!
//! The key's first part is the topology's name, which is all that the function's role reaches.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use fencing::health::{Checkup, Forced, Kept};
use fencing::settings::Settings;
use fencing::step::Fault;
use fencing::words::{SiteName, TopologyName};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::world::aws::{Aws, describe};
use crate::world::register::KEY;

const CHECKUP: &str = "checkup";
const FORCED: &str = "forced";

/// Those items, for one Region's function.
#[derive(Debug)]
pub struct Journal {
    client: Client,
    table: String,
    topology: TopologyName,
    region: String,
}

impl Journal {
    /// Beside the register that the settings name.
    pub fn new(aws: &Aws, settings: &Settings) -> Self {
        Self {
            client: aws.dynamodb(&settings.register_region, &settings.register_role_arn),
            table: settings.found.register_table.clone(),
            topology: settings.topology.clone(),
            region: aws.region.clone(),
        }
    }

    fn key(&self, what: &str, of: &str) -> AttributeValue {
        AttributeValue::S(format!("{}#{what}#{of}", self.topology))
    }

    /// Shows that the table takes a conditional write. One that fails its condition shows it, too.
    pub async fn probe(&self, at: Timestamp) -> Result<(), Fault> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item(KEY, self.key("probe", &self.region))
            .item("at", AttributeValue::S(at.to_string()))
            .item("at_ms", AttributeValue::N(at.as_millisecond().to_string()))
            .condition_expression("attribute_not_exists(#pk) OR #at < :at")
            .expression_attribute_names("#pk", KEY)
            .expression_attribute_names("#at", "at_ms")
            .expression_attribute_values(":at", AttributeValue::N(at.as_millisecond().to_string()));
        let Err(error) = put.send().await else {
            return Ok(());
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
            _ => Err(fault(describe(&error))),
        }
    }

    /// Keeps what a deep check came to.
    pub async fn keep(&self, checkup: &Checkup) -> Result<(), Fault> {
        self.set(CHECKUP, checkup).await
    }

    /// Keeps a rehearsal.
    pub async fn force(&self, forced: &Forced) -> Result<(), Fault> {
        self.set(FORCED, forced).await
    }

    /// Reads both.
    pub async fn kept(&self) -> Result<Kept, Fault> {
        let mut item = self.get(self.key("deep", &self.region)).await?;
        Ok(Kept {
            checkup: understood(item.remove(CHECKUP)),
            forced: understood(item.remove(FORCED)),
        })
    }

    /// When a site's watchdog came through last, if ever.
    pub async fn seen(&self, site: &SiteName) -> Result<Option<Timestamp>, Fault> {
        let item = self.get(self.key("seen", site.as_str())).await?;
        match item.get("seen_at") {
            None => Ok(None),
            Some(value) => {
                let at = value.as_s().ok().and_then(|text| text.parse().ok());
                at.map(Some)
                    .ok_or_else(|| fault(format!("its stamp of {site}'s watchdog cannot be read")))
            }
        }
    }

    async fn set<T: Serialize>(&self, attribute: &str, value: &T) -> Result<(), Fault> {
        let value: AttributeValue = serde_dynamo::to_attribute_value(value)
            .map_err(|error| fault(format!("a result cannot be stored: {error}")))?;
        self.client
            .update_item()
            .table_name(&self.table)
            .key(KEY, self.key("deep", &self.region))
            .update_expression("SET #what = :what")
            .expression_attribute_names("#what", attribute)
            .expression_attribute_values(":what", value)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| fault(describe(&error)))
    }

    async fn get(&self, key: AttributeValue) -> Result<HashMap<String, AttributeValue>, Fault> {
        let reply = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(KEY, key)
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| fault(describe(&error)))?;
        Ok(reply.item.unwrap_or_default())
    }
}

fn fault(what: String) -> Fault {
    Fault {
        whom: "the register".to_owned(),
        what,
    }
}

/// What another version of the function kept, and this one does not understand, is as good as nothing: the
/// next deep check writes it anew.
fn understood<T: DeserializeOwned>(value: Option<AttributeValue>) -> Option<T> {
    value.and_then(|value| serde_dynamo::from_attribute_value(value).ok())
}
