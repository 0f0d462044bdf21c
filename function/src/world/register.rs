//! The register: one DynamoDB item per topology, written only if its revision is still the expected one.
//!
//! [`items`](fencing::register::items) lists them all.
//!
//! The record is written field by field, not as a whole: while a new version is being deployed the old one
//! still writes, and a field that it does not know must survive that. (Within a field it would not: a later
//! version that adds something puts it beside the others, or raises the form. And a field that survives may be of an
//! epoch that is over: it has to name its own.)
//!
//! A write whose reply was lost is repeated by the SDK and then fails its own condition. The condition's
//! failure carries the item that is there; when that is what was written, it was written. A record of a
//! newer form, or one that cannot be read, is never overwritten: it is a fault, and people decide.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use fencing::register::Record;
use fencing::register::items::{self, KEY, Stamp};
use fencing::settings::Settings;
use fencing::step::{Fault, Written};
use fencing::words::{Reporter, Rev, TopologyName};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::world::aws::{Aws, describe};

type Item = HashMap<String, AttributeValue>;

#[derive(Debug)]
pub struct Register {
    client: Client,
    table: String,
    topology: TopologyName,
}

impl Register {
    /// Where the settings say it is.
    pub fn new(aws: &Aws, settings: &Settings) -> Self {
        Self {
            client: aws.dynamodb(&settings.register_region, &settings.register_role_arn),
            table: settings.found.register_table.clone(),
            topology: settings.topology.clone(),
        }
    }

    /// Reads the record, strongly consistent.
    pub async fn read(&self) -> Result<Option<Box<Record>>, Fault> {
        let reply = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(KEY, AttributeValue::S(items::record(&self.topology)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| fault(describe(&error)))?;
        reply.item.map(record).transpose().map_err(fault)
    }

    /// Writes the record if its revision is still `expect`; 0 means that there is none.
    pub async fn write(&self, expect: Rev, record: &Record) -> Written {
        let change = match ItemChange::of(record) {
            Ok(change) => change,
            Err(what) => return Written::Unknown(fault(what)),
        };
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(KEY, AttributeValue::S(items::record(&self.topology)))
            .update_expression(change.expression)
            .set_expression_attribute_names(Some(change.names))
            .set_expression_attribute_values(Some(change.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = if expect == Rev(0) {
            update
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", KEY)
        } else {
            update
                .condition_expression("#rev = :expected")
                .expression_attribute_values(":expected", AttributeValue::N(expect.to_string()))
        };
        let Err(error) = update.send().await else {
            return Written::Stored;
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                lost(failed.item.clone(), record)
            }
            _ => Written::Unknown(fault(describe(&error))),
        }
    }

    /// Keeps a copy of a revision.
    pub async fn chronicle(&self, record: &Record) -> Result<(), Fault> {
        let key = items::history(&self.topology, record.epoch, record.rev);
        let item = item(&key, record).map_err(fault)?;
        self.put(item).await
    }

    /// Stamps that a site's watchdog alert came through.
    pub async fn stamp(&self, reporter: &Reporter, at: Timestamp) -> Result<(), Fault> {
        let key = items::stamp(&self.topology, &reporter.0);
        self.put(item(&key, &Stamp::new(reporter, at)).map_err(fault)?)
            .await
    }

    async fn put(&self, item: Item) -> Result<(), Fault> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item));
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(fault(describe(&error))),
        }
    }
}

fn fault(what: String) -> Fault {
    Fault {
        whom: "the register".to_owned(),
        what,
    }
}

fn item(key: &str, content: &impl Serialize) -> Result<Item, String> {
    let mut item: Item =
        serde_dynamo::to_item(content).map_err(|error| format!("an item cannot be stored: {error}"))?;
    item.insert(KEY.to_owned(), AttributeValue::S(key.to_owned()));
    Ok(item)
}

/// Fields of a record that are left out where there is nothing to say; they have to be taken away then.
const OPTIONAL: [&str; 18] = [
    "decision",
    "claim",
    "waiting",
    "token",
    "unsettled",
    "pushes_cleared",
    "rejoin",
    "hold",
    "cooldown_until",
    "divided_since",
    "recovery_seen_at",
    "refilled_at",
    "completed",
    "episodes",
    "noted_in",
    "restores",
    "places",
    "calls_before",
];

/// What has to be set and taken away for a record to be there, whatever else there is.
#[derive(Debug)]
struct ItemChange {
    expression: String,
    names: HashMap<String, String>,
    values: Item,
}

impl ItemChange {
    fn of(record: &Record) -> Result<Self, String> {
        let item: Item =
            serde_dynamo::to_item(record).map_err(|error| format!("a record cannot be stored: {error}"))?;
        // Each name is spelt by a placeholder: `state` and others are words of DynamoDB's own.
        let removed: Vec<&str> = OPTIONAL
            .into_iter()
            .filter(|name| !item.contains_key(*name))
            .collect();
        let names = item.keys().map(String::as_str).chain(removed.iter().copied());
        let names = names.map(|name| (format!("#{name}"), name.to_owned())).collect();
        let mut set: Vec<String> = item.keys().map(|name| format!("#{name} = :{name}")).collect();
        set.sort();
        let mut expression = format!("SET {}", set.join(", "));
        if !removed.is_empty() {
            let removed: Vec<String> = removed.iter().map(|name| format!("#{name}")).collect();
            expression = format!("{expression} REMOVE {}", removed.join(", "));
        }
        Ok(Self {
            expression,
            names,
            values: item
                .into_iter()
                .map(|(name, value)| (format!(":{name}"), value))
                .collect(),
        })
    }
}

/// The record in an item.
fn record(item: Item) -> Result<Box<Record>, String> {
    let item: Value =
        serde_dynamo::from_item(item).map_err(|error| format!("its record cannot be read: {error}"))?;
    Record::read(item)
        .map(Box::new)
        .map_err(|unread| unread.to_string())
}

/// What a failed condition means: somebody else's record, or one's own from before its reply was lost.
fn lost(there: Option<Item>, ours: &Record) -> Written {
    match there.map(record).transpose() {
        Ok(Some(there)) if *there == *ours => Written::Stored,
        Ok(there) => Written::Lost(there),
        Err(what) => Written::Unknown(fault(what)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use fencing::accelerator::{EndpointConfig, GroupOutcome, Outcome, Place};
    use fencing::register::{Claim, Decision, Episode, Hold, Rejoin, RejoinStep, Restores, SCHEMA, State};
    use fencing::timed_call::{CallsBefore, TimedCall};
    use fencing::words::{Epoch, Fenced, SiteName, Survivor};

    fn full() -> Record {
        let now: Timestamp = "2026-11-21T10:00:00.123456789Z".parse().unwrap();
        let a = SiteName::new("site-a").unwrap();
        let b = SiteName::new("site-b").unwrap();
        let config = EndpointConfig {
            id: "arn:a".to_owned(),
            weight: Some(128),
            client_ip_preservation: None,
        };
        Record {
            schema: SCHEMA,
            epoch: Epoch(4),
            rev: Rev(u64::MAX),
            state: State::Rejoining,
            decision: Some(Decision {
                survivor: Survivor(a.clone()),
                fenced: Fenced(b),
                outcome: Outcome {
                    groups: vec![GroupOutcome {
                        arn: "arn:g".to_owned(),
                        endpoints: vec![config.clone()],
                        remove: vec!["arn:b".to_owned()],
                        reweighs: true,
                        opens: true,
                    }],
                },
                by: "site-a".to_owned(),
                evidence: "…".to_owned(),
                decided_at: now,
                alerted_at: None,
            }),
            claim: Some(Claim {
                owner: "request".to_owned(),
                until: now,
            }),
            token: Some(fencing::words::Token::of(Rev(u64::MAX), "r1")),
            waiting: true,
            unsettled: true,
            pushes_cleared: Some(Epoch(4)),
            rejoin: Some(Rejoin {
                session: "s".to_owned(),
                restarts: 1,
                step: RejoinStep::Clear(vec!["work".to_owned()]),
            }),
            hold: Some(Hold {
                by: "ana".to_owned(),
                reason: "maintenance".to_owned(),
                since: now,
                until: Some(now),
            }),
            cooldown_until: Some(now),
            divided_since: [(a.clone(), now)].into(),
            recovery_seen_at: Some(now),
            refilled_at: Some(now),
            completed: true,
            episodes: [(
                "put-back".to_owned(),
                Episode {
                    times: 2,
                    since: now,
                    last: now,
                },
            )]
            .into(),
            noted_in: Some(Epoch(4)),
            restores: Some(Restores {
                epoch: Epoch(4),
                reweighs: vec!["arn:g".to_owned()],
                opens: vec!["arn:g".to_owned()],
            }),
            places: vec![Place {
                site: a,
                group_arn: "arn:g".to_owned(),
                config,
            }],
            calls_before: CallsBefore::of(
                Rev(u64::MAX),
                &[TimedCall::new("read the register", 12, Some("late"))],
            ),
            by: "request".to_owned(),
            written_at: now,
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_stored() {
        for stored in [full(), Record::empty()] {
            let item = item("keycloak-prod", &stored).unwrap();
            assert_eq!(item[KEY], AttributeValue::S("keycloak-prod".to_owned()));
            assert_eq!(*record(item).unwrap(), stored);
        }
    }

    #[test]
    fn every_step_of_a_rejoin_can_be_stored() {
        for step in [
            RejoinStep::CutStale,
            RejoinStep::Clear(vec![]),
            RejoinStep::RestoreStale,
            RejoinStep::Push,
            RejoinStep::AwaitPush,
            RejoinStep::Readd,
        ] {
            let stored = Record {
                rejoin: Some(Rejoin {
                    session: "s".to_owned(),
                    step,
                    restarts: 0,
                }),
                ..Record::empty()
            };
            assert_eq!(*record(item("t", &stored).unwrap()).unwrap(), stored);
        }
    }

    /// The reply was lost after the write took effect; the repetition failed its own condition.
    #[test]
    fn ones_own_write_is_recognised_by_its_content() {
        let ours = full();
        let there = item("t", &ours).unwrap();
        assert_eq!(lost(Some(there), &ours), Written::Stored);
    }

    #[test]
    fn somebody_elses_write_is_handed_over() {
        let ours = full();
        let theirs = Record {
            by: "another".to_owned(),
            ..full()
        };
        assert_eq!(
            lost(Some(item("t", &theirs).unwrap()), &ours),
            Written::Lost(Some(Box::new(theirs)))
        );
        assert_eq!(lost(None, &ours), Written::Lost(None));
    }

    #[test]
    fn a_newer_or_unreadable_record_is_a_fault_and_no_answer() {
        let mut newer = item("t", &full()).unwrap();
        newer.insert("schema".to_owned(), AttributeValue::N((SCHEMA + 1).to_string()));
        newer.remove("state");
        let what = record(newer.clone()).unwrap_err();
        assert!(what.contains("apply the newer version"), "{what}");
        assert!(matches!(lost(Some(newer), &full()), Written::Unknown(_)));

        let mut broken = item("t", &full()).unwrap();
        broken.insert("state".to_owned(), AttributeValue::S("dancing".to_owned()));
        assert!(record(broken.clone()).unwrap_err().contains("is not changed"));
        assert!(matches!(lost(Some(broken), &full()), Written::Unknown(_)));

        // A field that a later version of the same form adds is no reason to stop.
        let mut more = item("t", &full()).unwrap();
        more.insert("mood".to_owned(), AttributeValue::S("fine".to_owned()));
        assert_eq!(*record(more).unwrap(), full());
    }

    /// An older function sets what it knows, takes away what it knows to be optional, and leaves the rest.
    #[test]
    fn a_write_names_every_field_of_a_record_and_no_other() {
        let full = item("t", &full()).unwrap();
        let empty = item("t", &Record::empty()).unwrap();
        let mut optional: Vec<&str> = full
            .keys()
            .filter(|name| !empty.contains_key(*name))
            .map(String::as_str)
            .collect();
        optional.sort_unstable();
        let mut listed = OPTIONAL;
        listed.sort_unstable();
        assert_eq!(optional, listed, "a record's fields and the list have come apart");

        let change = ItemChange::of(&Record::empty()).unwrap();
        assert_eq!(
            change.expression,
            "SET #by = :by, #epoch = :epoch, #rev = :rev, #schema = :schema, #state = :state, \
             #written_at = :written_at REMOVE #decision, #claim, #waiting, #token, #unsettled, \
             #pushes_cleared, #rejoin, #hold, #cooldown_until, #divided_since, #recovery_seen_at, #refilled_at, \
             #completed, #episodes, #noted_in, #restores, #places, #calls_before"
        );
        let mut names: Vec<&String> = change.names.values().collect();
        names.sort();
        let mut all: Vec<&String> = full.keys().filter(|name| *name != KEY).collect();
        all.sort();
        assert_eq!(names, all);
    }
}
