//! The register against a DynamoDB that evaluates conditions and expressions by itself.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use fencing::register::items::{self, KEY};
use fencing::register::near::{NearMiss, NearMisses};
use fencing::register::{Hold, Record, SCHEMA, State};
use fencing::settings::Settings;
use fencing::step::Written;
use fencing::words::{Epoch, Rev};
use function::world::aws::Aws;
use function::world::journal::Journal;
use function::world::register::Register;
use simulation::layout::Layout;
use tests::standins::local_aws::LocalAws;

const REGION: &str = "eu-west-1";

struct Table {
    aws: LocalAws,
    dynamodb: aws_sdk_dynamodb::Client,
    settings: Settings,
}

impl Table {
    async fn make() -> Self {
        let aws = LocalAws::start().unwrap();
        let dynamodb = aws_sdk_dynamodb::Client::new(&aws.sdk_config(REGION));
        let settings = Layout::PLAIN.settings();
        let key = KeySchemaElement::builder()
            .attribute_name(KEY)
            .key_type(KeyType::Hash);
        let attribute = AttributeDefinition::builder()
            .attribute_name(KEY)
            .attribute_type(ScalarAttributeType::S);
        dynamodb
            .create_table()
            .table_name(&settings.found.register_table)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key.build().unwrap())
            .attribute_definitions(attribute.build().unwrap())
            .send()
            .await
            .unwrap();
        Self {
            aws,
            dynamodb,
            settings,
        }
    }

    fn register(&self) -> Register {
        self.register_in(&self.settings)
    }

    fn journal(&self) -> Journal {
        Journal::new(&self.aws(), &self.settings)
    }

    async fn item(&self, key: &str) -> Option<HashMap<String, AttributeValue>> {
        let read = self
            .dynamodb
            .get_item()
            .table_name(&self.settings.found.register_table)
            .key(KEY, AttributeValue::S(key.to_owned()))
            .consistent_read(true)
            .send();
        read.await.unwrap().item
    }

    fn register_in(&self, settings: &Settings) -> Register {
        Register::new(&self.aws(), settings)
    }

    fn aws(&self) -> Aws {
        let environment = self.aws.client_environment();
        let lookup = move |name: &str| match name {
            "AWS_REGION" => Some(REGION.to_owned()),
            name => environment
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone()),
        };
        Aws::from_environment(&lookup).unwrap()
    }

    /// Sets one attribute of the item behind the register's back.
    async fn set(&self, name: &str, value: AttributeValue) {
        self.dynamodb
            .update_item()
            .table_name(&self.settings.found.register_table)
            .key(KEY, AttributeValue::S(self.settings.topology.to_string()))
            .update_expression("SET #name = :value")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", value)
            .send()
            .await
            .unwrap();
    }

    async fn attribute(&self, name: &str) -> Option<AttributeValue> {
        let got = self
            .dynamodb
            .get_item()
            .table_name(&self.settings.found.register_table)
            .key(KEY, AttributeValue::S(self.settings.topology.to_string()))
            .consistent_read(true)
            .send()
            .await
            .unwrap();
        got.item.unwrap_or_default().remove(name)
    }
}

fn record(rev: u64) -> Record {
    Record {
        rev: Rev(rev),
        epoch: Epoch(2),
        state: State::Complete,
        by: format!("request {rev}"),
        ..Record::empty()
    }
}

fn held(rev: u64) -> Record {
    Record {
        hold: Some(Hold {
            by: "ana".to_owned(),
            reason: "maintenance".to_owned(),
            since: jiff::Timestamp::UNIX_EPOCH,
            until: None,
        }),
        waiting: true,
        ..record(rev)
    }
}

#[tokio::test]
async fn a_revision_is_written_once_and_read_back() {
    let table = Table::make().await;
    let register = table.register();
    assert_eq!(register.read().await, Ok(None));
    assert_eq!(register.write(Rev(0), &held(1)).await, Written::Stored);
    assert_eq!(register.read().await, Ok(Some(Box::new(held(1)))));
    // What the next revision leaves out is gone.
    assert_eq!(register.write(Rev(1), &record(2)).await, Written::Stored);
    assert_eq!(register.read().await, Ok(Some(Box::new(record(2)))));
    // Somebody is late; and somebody repeats what was written already, because the reply was lost.
    let late = Record {
        by: "another".to_owned(),
        ..record(2)
    };
    let lost = Written::Lost(Some(Box::new(record(2))));
    assert_eq!(register.write(Rev(1), &late).await, lost);
    assert_eq!(register.write(Rev(0), &late).await, lost);
    assert_eq!(register.write(Rev(1), &record(2)).await, Written::Stored);
}

/// Old and new function run side by side while a new version is being deployed.
#[tokio::test]
async fn a_field_of_a_later_version_survives_the_writes_of_an_older_one() {
    let table = Table::make().await;
    let register = table.register();
    assert_eq!(register.write(Rev(0), &held(1)).await, Written::Stored);
    table.set("mood", AttributeValue::S("fine".to_owned())).await;
    assert_eq!(register.write(Rev(1), &record(2)).await, Written::Stored);
    assert_eq!(
        table.attribute("mood").await,
        Some(AttributeValue::S("fine".to_owned()))
    );
    assert_eq!(register.read().await, Ok(Some(Box::new(record(2)))));
}

#[tokio::test]
async fn a_newer_form_is_left_alone() {
    let table = Table::make().await;
    let register = table.register();
    assert_eq!(register.write(Rev(0), &record(1)).await, Written::Stored);
    let newer = AttributeValue::N((SCHEMA + 1).to_string());
    table.set("schema", newer.clone()).await;
    let fault = register.read().await.unwrap_err();
    assert!(fault.what.contains("apply the newer version"), "{fault}");
    assert!(matches!(
        register.write(Rev(0), &record(1)).await,
        Written::Unknown(_)
    ));
    assert_eq!(table.attribute("schema").await, Some(newer));
}

/// No table is no register: a fault, where no item is a register in which nothing was ever decided.
#[tokio::test]
async fn a_missing_table_is_a_fault_and_a_missing_item_is_none() {
    let table = Table::make().await;
    let mut elsewhere = table.settings.clone();
    elsewhere.found.register_table = "nowhere".to_owned();
    let register = table.register_in(&elsewhere);
    let fault = register.read().await.unwrap_err();
    assert!(fault.what.contains("ResourceNotFoundException"), "{fault}");
    assert!(matches!(
        register.write(Rev(0), &record(1)).await,
        Written::Unknown(_)
    ));
    assert_eq!(table.register().read().await, Ok(None));
    // An item that vanishes between reading and writing is told, too.
    assert_eq!(
        table.register().write(Rev(3), &record(4)).await,
        Written::Lost(None)
    );
}

fn miss(from: i64, to: i64) -> NearMiss {
    NearMiss {
        from: jiff::Timestamp::from_second(from).unwrap(),
        to: jiff::Timestamp::from_second(to).unwrap(),
        looked: Some("left to SiteOffline: site-a sees site-b again".to_owned()),
    }
}

/// Two Alertmanagers and two Regions tell of the same suspicions at once.
#[tokio::test]
async fn near_misses_that_arrive_at_once_are_all_kept_and_each_once() {
    let table = Table::make().await;
    let (one, other) = (table.journal(), table.journal());
    let site = table.settings.sites[0].name.clone();
    let (first, second) = (miss(100, 108), miss(200, 203));
    let told = tokio::join!(
        one.near_miss(&site, &first),
        other.near_miss(&site, &second),
        one.near_miss(&site, &first),
        other.near_miss(&site, &first),
    );
    let new = [told.0, told.1, told.2, told.3].map(Result::unwrap);
    assert_eq!(new.iter().filter(|new| **new).count(), 2, "{new:?}");
    assert_eq!(one.near_miss(&site, &second).await, Ok(false));
    let key = items::near(&table.settings.topology, &site);
    let item = table.item(&key).await.unwrap();
    let kept: NearMisses = serde_dynamo::from_item(item).unwrap();
    assert_eq!(kept.misses, [first, second]);
    // The record is not one of them, nor the other way round.
    assert_eq!(table.register().read().await, Ok(None));
}
