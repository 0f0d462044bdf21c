//! The register's other items, which no decision rests on: what watching the watchman keeps.
//!
//! The probe, the deep checks and the watchdogs' stamps of [`items`].

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use fencing::health::{Checkup, Forced, Kept};
use fencing::register::items::{self, CHECKUP, KEY, MEASURED, NEAR_MISSES_REV, Stamp, WAITED_SINCE};
use fencing::register::near::{NearMiss, NearMisses, NotedMiss};
use fencing::rehearsal::SplitBrain;
use fencing::settings::Settings;
use fencing::step::Fault;
use fencing::words::{SiteName, TopologyName};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::world::aws::{Aws, describe};

const FORCED: &str = "forced";

/// So often a near miss is written over what others have written meanwhile: there are two Alertmanagers and two Regions.
const ATTEMPTS: usize = 5;

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

    fn deep(&self) -> AttributeValue {
        AttributeValue::S(items::deep(&self.topology, &self.region))
    }

    /// Shows that the table accepts a conditional write. One that fails its condition shows it, too.
    pub async fn probe(&self, at: Timestamp) -> Result<(), Fault> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item(KEY, AttributeValue::S(items::probe(&self.topology, &self.region)))
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
        self.set(self.deep(), CHECKUP, checkup).await
    }

    pub async fn force(&self, forced: &Forced) -> Result<(), Fault> {
        self.set(self.deep(), FORCED, forced).await
    }

    /// Keeps what a drill measured, in the place of what the drill before did.
    pub async fn measured_by_drill(&self, measured: &SplitBrain) -> Result<(), Fault> {
        let key = AttributeValue::S(items::drill(&self.topology));
        self.set(key, MEASURED, measured).await
    }

    /// When a drill last cut the link. Where none has, since when this is asked: the first who asks notes that, and
    /// nobody after it, in whatever Region.
    pub async fn undrilled_since(&self, now: Timestamp) -> Result<Timestamp, Fault> {
        let key = AttributeValue::S(items::drill(&self.topology));
        let mut item = self.get(key.clone()).await?;
        if let Some(measured) = understood::<SplitBrain>(item.remove(MEASURED)) {
            return Ok(measured.lost_at);
        }
        if let Some(since) = understood(item.remove(WAITED_SINCE)) {
            return Ok(since);
        }
        let noted = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(KEY, key)
            .update_expression("SET #since = if_not_exists(#since, :now)")
            .expression_attribute_names("#since", WAITED_SINCE)
            .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
            .send();
        noted.await.map_err(|error| fault(describe(&error)))?;
        Ok(now)
    }

    pub async fn kept(&self) -> Result<Kept, Fault> {
        let mut item = self.get(self.deep()).await?;
        Ok(Kept {
            checkup: understood(item.remove(CHECKUP)),
            forced: understood(item.remove(FORCED)),
        })
    }

    /// Keeps a near miss among those of its site; whether it is a new one. Two of us may hear of it at once, so each writes
    /// over what it has read or not at all, and looks again.
    pub async fn near_miss(&self, site: &SiteName, miss: &NearMiss) -> Result<bool, Fault> {
        let key = items::near(&self.topology, site);
        for _ in 0..ATTEMPTS {
            let item = self.get(AttributeValue::S(key.clone())).await?;
            let is_there = !item.is_empty();
            let kept: NearMisses = if is_there {
                serde_dynamo::from_item(item)
                    .map_err(|error| fault(format!("the stored near misses cannot be read: {error}")))?
            } else {
                NearMisses::default()
            };
            let (kept, is_new) = match kept.noting(miss.clone()) {
                NotedMiss::Known => return Ok(false),
                NotedMiss::Mended(kept) => (kept, false),
                NotedMiss::Added(kept) => (kept, true),
            };
            let mut item: HashMap<String, AttributeValue> = serde_dynamo::to_item(&kept)
                .map_err(|error| fault(format!("near misses cannot be stored: {error}")))?;
            item.insert(KEY.to_owned(), AttributeValue::S(key.clone()));
            let put = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(item));
            let put = if is_there {
                put.condition_expression("#rev = :rev")
                    .expression_attribute_names("#rev", NEAR_MISSES_REV)
                    .expression_attribute_values(":rev", AttributeValue::N((kept.rev - 1).to_string()))
            } else {
                put.condition_expression("attribute_not_exists(#pk)")
                    .expression_attribute_names("#pk", KEY)
            };
            let Err(error) = put.send().await else {
                return Ok(is_new);
            };
            if !matches!(
                error.as_service_error(),
                Some(PutItemError::ConditionalCheckFailedException(_))
            ) {
                return Err(fault(describe(&error)));
            }
        }
        Err(fault(format!(
            "{site}'s near misses were changed by others at each of several attempts"
        )))
    }

    /// When a site's watchdog came through last, if ever.
    pub async fn seen(&self, site: &SiteName) -> Result<Option<Timestamp>, Fault> {
        let key = AttributeValue::S(items::stamp(&self.topology, site));
        let item = self.get(key).await?;
        if item.is_empty() {
            return Ok(None);
        }
        match serde_dynamo::from_item::<_, Stamp>(item) {
            Ok(stamp) => Ok(Some(stamp.seen_at)),
            Err(_) => Err(fault(format!("its stamp of {site}'s watchdog cannot be read"))),
        }
    }

    async fn set<T: Serialize>(&self, key: AttributeValue, attribute: &str, value: &T) -> Result<(), Fault> {
        let value: AttributeValue = serde_dynamo::to_attribute_value(value)
            .map_err(|error| fault(format!("a result cannot be stored: {error}")))?;
        self.client
            .update_item()
            .table_name(&self.table)
            .key(KEY, key)
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
/// next deep check writes it again.
fn understood<T: DeserializeOwned>(value: Option<AttributeValue>) -> Option<T> {
    value.and_then(|value| serde_dynamo::from_attribute_value(value).ok())
}
