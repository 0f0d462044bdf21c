//! The register's table, read; and emptied of a topology's items when it is shared and the topology goes.
//!
//! Only the function writes decisions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeyType, MultiRegionConsistency, ScalarAttributeType, TableDescription,
};

use fencing::register::Record;
use fencing::register::items::{self, CHECKUP, KEY, MEASURED, Stamp, Unread};
use fencing::register::near::{NearMiss, NearMisses};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde_json::Value;

use super::call::{AwsCall, CallError};
use crate::observed::status::{KeptMisses, RegisterItems};
use crate::observed::{RegisterReading, Replicas, TableReading};
use crate::topology::names::TAG_TOPOLOGY;
use crate::topology::{Region, SiteName, TopologyName};

/// Global tables of this version do not list their replicas, and are eventually consistent without exception.
const LEGACY_GLOBAL_TABLE: &str = "2017.11.29";

/// Why the register's items are not known.
#[derive(Debug, thiserror::Error)]
pub enum ItemsError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Unread(#[from] Unread),
    #[error("the register is in no Region")]
    Nowhere,
}

impl ItemsError {
    /// Whether the register is out of reach for everybody. That somebody may not read it says nothing about it.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Call(error) if error.is_outage())
    }
}

#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    region: Region,
    name: String,
}

impl Table {
    /// The table `name` in `region`.
    pub fn new(client: Client, region: &Region, name: &str) -> Self {
        Self {
            client,
            region: region.clone(),
            name: name.to_owned(),
        }
    }

    fn call(&self, operation: &'static str) -> AwsCall {
        AwsCall::new("DynamoDB", operation, &self.region)
    }

    /// The table, and in it the item of `topology`; `None` if there is no such table.
    pub async fn read(&self, topology: &TopologyName) -> Result<Option<TableReading>, CallError> {
        let described = self
            .client
            .describe_table()
            .table_name(&self.name)
            .send()
            .await
            .map_err(|error| self.call("DescribeTable").failed(error));
        let table = match described {
            Ok(answer) => answer
                .table
                .ok_or_else(|| self.call("DescribeTable").lacks("the table"))?,
            Err(error) if error.is("ResourceNotFoundException") => return Ok(None),
            Err(error) => return Err(error),
        };
        let replicas = replicas(&table, &self.region);
        let arn = table
            .table_arn
            .ok_or_else(|| self.call("DescribeTable").lacks("the table's ARN"))?;
        let keys = table.key_schema.unwrap_or_default();
        let hash_key = keys
            .iter()
            .find(|key| key.key_type == KeyType::Hash)
            .map(|key| key.attribute_name.clone());
        let types: HashMap<String, ScalarAttributeType> = table
            .attribute_definitions
            .unwrap_or_default()
            .into_iter()
            .map(|definition| (definition.attribute_name, definition.attribute_type))
            .collect();
        let item = self.item(topology).await?;
        Ok(Some(TableReading {
            hash_key: hash_key.map(|name| {
                let kind = types
                    .get(&name)
                    .map(|kind| kind.as_str().to_owned())
                    .unwrap_or_default();
                (name, kind)
            }),
            has_range_key: keys.iter().any(|key| key.key_type == KeyType::Range),
            topology: self.tag(&arn).await?,
            holds_item: item.is_some(),
            item: item.unwrap_or_else(RegisterReading::blank),
            replicas,
            arn,
        }))
    }

    /// The Regions in which it stands; none if it is gone.
    pub async fn regions(&self) -> Result<Vec<Region>, CallError> {
        let described = self.client.describe_table().table_name(&self.name).send().await;
        match described.map_err(|error| self.call("DescribeTable").failed(error)) {
            Ok(answer) => {
                let replicas = answer.table.and_then(|table| table.replicas).unwrap_or_default();
                let mut regions: BTreeSet<Region> = replicas
                    .into_iter()
                    .filter_map(|replica| Region::seen(&replica.region_name?))
                    .collect();
                regions.insert(self.region.clone());
                Ok(regions.into_iter().collect())
            }
            Err(error) if error.is("ResourceNotFoundException") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    pub async fn unprotect(&self) -> Result<(), CallError> {
        let update = self
            .client
            .update_table()
            .table_name(&self.name)
            .deletion_protection_enabled(false);
        match update
            .send()
            .await
            .map_err(|error| self.call("UpdateTable").failed(error))
        {
            Ok(_) => Ok(()),
            Err(error) if error.is("ResourceNotFoundException") => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn tag(&self, arn: &str) -> Result<Option<String>, CallError> {
        let answer = self
            .client
            .list_tags_of_resource()
            .resource_arn(arn)
            .send()
            .await
            .map_err(|error| self.call("ListTagsOfResource").failed(error));
        match answer {
            Ok(answer) => Ok(answer
                .tags
                .unwrap_or_default()
                .into_iter()
                .find(|tag| tag.key == TAG_TOPOLOGY)
                .map(|tag| tag.value)),
            // A table of another account need not let us read its tags.
            Err(error) if error.is("AccessDeniedException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The item of `topology`, read consistently.
    async fn item(&self, topology: &TopologyName) -> Result<Option<RegisterReading>, CallError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(KEY, AttributeValue::S(items::record(topology)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| self.call("GetItem").failed(error));
        match answer {
            Ok(answer) => Ok(answer.item.map(reading)),
            // The table has another key; the preflight says so.
            Err(error) if error.is("ValidationException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// When the watchdog of `site` last came through to the function; `None` if it never did, or if there is no
    /// table.
    pub async fn seen(
        &self,
        topology: &TopologyName,
        site: &SiteName,
    ) -> Result<Option<Timestamp>, CallError> {
        let key = items::stamp(topology, site);
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(KEY, AttributeValue::S(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| self.call("GetItem").failed(error));
        match answer {
            Ok(answer) => Ok(answer
                .item
                .and_then(|item| serde_dynamo::from_item::<_, Stamp>(item).ok())
                .map(|stamp| stamp.seen_at)),
            Err(error) if error.is("ResourceNotFoundException") || error.is("ValidationException") => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The record of `topology` and what stands beside it, read consistently and side by side. That there is no table
    /// is an error here; that there is no item yet is the empty record.
    pub async fn items(
        &self,
        topology: &TopologyName,
        sites: &[SiteName; 2],
        regions: &[Region],
    ) -> Result<RegisterItems, ItemsError> {
        let watchdogs = sites.iter().map(|site| async move {
            let stamp = self.seen(topology, site).await?;
            Ok::<_, CallError>(stamp.map(|at| (site.clone(), at)))
        });
        let checkups = regions.iter().map(|region| async move {
            let item = self.raw(items::deep(topology, region)).await?;
            // What another version of the function kept, and this one does not understand, is as good as nothing.
            let checkup =
                item.and_then(|mut item| serde_dynamo::from_attribute_value(item.remove(CHECKUP)?).ok());
            Ok::<_, CallError>(checkup.map(|checkup| (region.clone(), checkup)))
        });
        let (record, drill, watchdogs, checkups) = tokio::try_join!(
            self.raw(items::record(topology)),
            self.raw(items::drill(topology)),
            try_join_all(watchdogs),
            try_join_all(checkups),
        )?;
        let record = match record.map(reading) {
            Some(RegisterReading::Record(record)) => *record,
            Some(RegisterReading::Unread(unread)) => return Err(unread.into()),
            None => Record::empty(),
        };
        Ok(RegisterItems {
            record,
            watchdogs: watchdogs.into_iter().flatten().collect(),
            checkups: checkups.into_iter().flatten().collect(),
            drill: drill.and_then(|mut item| serde_dynamo::from_attribute_value(item.remove(MEASURED)?).ok()),
        })
    }

    /// The item with this key.
    async fn raw(&self, key: String) -> Result<Option<HashMap<String, AttributeValue>>, CallError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(KEY, AttributeValue::S(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| self.call("GetItem").failed(error))?;
        Ok(answer.item)
    }

    /// All revisions of `topology`, in no order: the copies of those before, and the record, which is the newest of them.
    /// What cannot be read is left out.
    pub async fn history(&self, topology: &TopologyName) -> Result<Vec<Record>, CallError> {
        let mut pages = self
            .client
            .scan()
            .table_name(&self.name)
            .consistent_read(true)
            .filter_expression("#k = :record OR begins_with(#k, :revisions)")
            .expression_attribute_names("#k", KEY)
            .expression_attribute_values(":record", AttributeValue::S(items::record(topology)))
            .expression_attribute_values(":revisions", AttributeValue::S(items::revisions(topology)))
            .into_paginator()
            .items()
            .send();
        // By revision: former functions copied the newest one, too.
        let mut entries = BTreeMap::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| self.call("Scan").failed(error))?;
            if let RegisterReading::Record(record) = reading(item) {
                entries.insert((record.epoch, record.rev), *record);
            }
        }
        Ok(entries.into_values().collect())
    }

    /// The near misses that each of these sites reported.
    pub async fn near_misses(
        &self,
        topology: &TopologyName,
        sites: &[SiteName; 2],
    ) -> Result<Vec<KeptMisses>, CallError> {
        let reads = sites.iter().map(|site| async move {
            let item = self.raw(items::near(topology, site)).await?;
            Ok::<_, CallError>(KeptMisses {
                site: site.clone(),
                misses: item.map_or_else(|| Some(Vec::new()), misses),
            })
        });
        try_join_all(reads).await
    }

    /// Removes everything that belongs to `topology` and leaves the others' items alone.
    pub async fn forget(&self, topology: &TopologyName) -> Result<usize, CallError> {
        let mut pages = self
            .client
            .scan()
            .table_name(&self.name)
            .consistent_read(true)
            .projection_expression("#k")
            .filter_expression("#k = :topology OR begins_with(#k, :others)")
            .expression_attribute_names("#k", KEY)
            .expression_attribute_values(":topology", AttributeValue::S(items::record(topology)))
            .expression_attribute_values(":others", AttributeValue::S(items::others(topology)))
            .into_paginator()
            .items()
            .send();
        let mut count = 0;
        while let Some(key) = pages.next().await {
            let key = match key.map_err(|error| self.call("Scan").failed(error)) {
                Ok(key) => key,
                Err(error) if error.is("ResourceNotFoundException") => return Ok(count),
                Err(error) => return Err(error),
            };
            self.client
                .delete_item()
                .table_name(&self.name)
                .set_key(Some(key))
                .send()
                .await
                .map_err(|error| self.call("DeleteItem").failed(error))?;
            count += 1;
        }
        Ok(count)
    }
}

/// Where else a table is. A description lists the other Regions, its own sometimes among them; one that says
/// nothing of its consistency is of the usual kind, which is only eventually consistent.
fn replicas(table: &TableDescription, region: &str) -> Replicas {
    let others: BTreeSet<String> = table
        .replicas()
        .iter()
        .filter_map(|replica| replica.region_name())
        .filter(|other| *other != region)
        .map(str::to_owned)
        .collect();
    let is_legacy = table.global_table_version() == Some(LEGACY_GLOBAL_TABLE);
    match table.multi_region_consistency() {
        Some(MultiRegionConsistency::Strong) => Replicas::Strong(others),
        _ if others.is_empty() && !is_legacy => Replicas::None,
        _ => Replicas::Eventual(others),
    }
}

/// The near misses in an item, if they can be read. Its writer had at least one to note.
fn misses(item: HashMap<String, AttributeValue>) -> Option<Vec<NearMiss>> {
    let kept: NearMisses = serde_dynamo::from_item(item).ok()?;
    (!kept.misses.is_empty()).then_some(kept.misses)
}

/// The record, read as the function reads it.
fn reading(item: HashMap<String, AttributeValue>) -> RegisterReading {
    let item: Value = serde_dynamo::from_item(item).unwrap_or_default();
    match Record::read(item) {
        Ok(record) => RegisterReading::Record(Box::new(record)),
        Err(unread) => RegisterReading::Unread(unread),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::world::call::AwsCall;
    use fencing::accelerator::Outcome;
    use fencing::register::{Decision, State};
    use fencing::words::{Epoch, Fenced, Survivor};
    use serde_json::json;

    use super::*;

    fn record(state: State) -> Record {
        let name = |text| SiteName::new(text).unwrap();
        Record {
            state,
            epoch: Epoch(4),
            decision: (state != State::Open).then(|| Decision {
                survivor: Survivor(name("site-a")),
                fenced: Fenced(name("site-b")),
                outcome: Outcome { groups: Vec::new() },
                by: "site-a".to_owned(),
                evidence: "a test".to_owned(),
                decided_at: Timestamp::UNIX_EPOCH,
                alerted_at: None,
            }),
            ..Record::empty()
        }
    }

    #[test]
    fn what_the_function_writes_is_read() {
        for state in State::ALL {
            let item: HashMap<String, AttributeValue> = serde_dynamo::to_item(record(state)).unwrap();
            let reading = reading(item);
            assert_eq!(reading.state(), state.to_string());
            assert_eq!(reading.epoch(), 4);
            assert_eq!(reading.is_open(), state == State::Open);
            assert_eq!(
                reading.fenced().map(SiteName::as_str),
                (state != State::Open).then_some("site-b")
            );
            assert!(!reading.is_held());
        }
        let hold = fencing::register::Hold {
            by: "ana".to_owned(),
            reason: "work".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            until: None,
        };
        let held = Record {
            hold: Some(hold),
            ..record(State::Open)
        };
        assert!(reading(serde_dynamo::to_item(held).unwrap()).is_held());
    }

    #[test]
    fn only_what_calls_itself_strong_is_strongly_consistent() {
        use aws_sdk_dynamodb::types::ReplicaDescription;
        let table = |regions: &[&str], consistency: Option<MultiRegionConsistency>, version: Option<&str>| {
            let replicas = regions
                .iter()
                .map(|region| ReplicaDescription::builder().region_name(*region).build())
                .collect();
            TableDescription::builder()
                .set_replicas(Some(replicas))
                .set_multi_region_consistency(consistency)
                .set_global_table_version(version.map(str::to_owned))
                .build()
        };
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let current = Some("2019.11.21");
        for (described, expected) in [
            (table(&[], None, None), Replicas::None),
            (table(&["eu-west-1"], None, current), Replicas::None),
            (
                table(&["eu-west-2"], None, current),
                Replicas::Eventual(of(&["eu-west-2"])),
            ),
            (
                table(
                    &["eu-west-1", "eu-west-2"],
                    Some(MultiRegionConsistency::Eventual),
                    current,
                ),
                Replicas::Eventual(of(&["eu-west-2"])),
            ),
            (table(&[], None, Some("2017.11.29")), Replicas::Eventual(of(&[]))),
            (
                table(&["eu-west-2"], Some(MultiRegionConsistency::Strong), current),
                Replicas::Strong(of(&["eu-west-2"])),
            ),
        ] {
            assert_eq!(replicas(&described, "eu-west-1"), expected, "{described:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_open() {
        assert!(!reading(HashMap::new()).is_open());
        let newer = HashMap::from([
            ("schema".to_owned(), AttributeValue::N("99".to_owned())),
            ("epoch".to_owned(), AttributeValue::N("7".to_owned())),
            ("state".to_owned(), AttributeValue::S("open".to_owned())),
        ]);
        let newer = reading(newer);
        assert!(!newer.is_open());
        assert_eq!((newer.epoch(), newer.state().as_str()), (7, "unreadable"));
    }

    #[test]
    fn near_misses_of_another_form_are_not_none_at_all() {
        let miss = NearMiss {
            from: Timestamp::UNIX_EPOCH,
            to: Timestamp::UNIX_EPOCH,
            looked: None,
        };
        let kept = NearMisses {
            rev: 1,
            misses: vec![miss],
        };
        let item =
            |content: Value| -> HashMap<String, AttributeValue> { serde_dynamo::to_item(content).unwrap() };
        assert_eq!(
            misses(serde_dynamo::to_item(kept.clone()).unwrap()),
            Some(kept.misses)
        );
        for newer in [
            json!({"rev": 2, "misses": [{"began": 1, "lastedMs": 800}]}),
            json!({"rev": 2, "missed": []}),
        ] {
            assert_eq!(misses(item(newer.clone())), None, "{newer}");
        }
    }

    #[test]
    fn a_register_that_may_not_be_read_is_not_silent() {
        let call = || AwsCall::new("DynamoDB", "GetItem", "eu-west-1");
        let refused = |code: &str| {
            ItemsError::Call(CallError::Refused {
                call: call(),
                code: code.to_owned(),
                message: "no".to_owned(),
            })
        };
        let source = || "no".into();
        assert!(refused("InternalServerError").is_outage());
        assert!(
            ItemsError::Call(CallError::Unanswered {
                call: call(),
                source: source()
            })
            .is_outage()
        );
        for code in [
            "AccessDeniedException",
            "ExpiredTokenException",
            "ResourceNotFoundException",
        ] {
            assert!(!refused(code).is_outage(), "{code}");
        }
        assert!(
            !ItemsError::Call(CallError::Unsigned {
                call: call(),
                source: source()
            })
            .is_outage()
        );
        assert!(!ItemsError::Nowhere.is_outage());
    }
}
