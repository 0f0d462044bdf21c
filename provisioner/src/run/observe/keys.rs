//! Keys and topics of other people. Whatever cannot be read of them is told, and ends nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use crate::observed::SecretReading;
use crate::observed::key::{KeyReading, TopicReading};
use crate::preflight::keys::needs;
use crate::topology::{Region, Topology};
use crate::world::aws::Aws;
use crate::world::call::CallError;
use crate::world::{keys, topics};

/// The key of each existing topic that the topology names.
pub(super) async fn existing_topics(aws: &Aws, topology: &Topology) -> BTreeMap<String, TopicReading> {
    let asked = topology.notify.topics.iter().filter_map(|topic| {
        let region = Region::seen(topic.region())?;
        Some(async move {
            let reading = match topics::key(&aws.sns(&region), &region, topic.as_str()).await {
                Ok(key) => TopicReading::Key(key),
                Err(error) => TopicReading::Unread(why(&error)),
            };
            (topic.to_string(), reading)
        })
    });
    join_all(asked).await.into_iter().collect()
}

/// How long is waited for a key's policy: it only makes a warning more exact.
const LIMIT: Duration = Duration::from_secs(5);

/// The policy of each key that somebody needs something of, but for Regions that did not answer before.
pub(super) async fn policies(
    aws: &Aws,
    topology: &Topology,
    account_id: &str,
    secrets: &BTreeMap<Region, SecretReading>,
    topics: &BTreeMap<String, TopicReading>,
    unreached: &BTreeMap<Region, String>,
) -> BTreeMap<(Region, String), KeyReading> {
    let needs = needs(topology, account_id, secrets, topics).into_iter();
    let wanted: BTreeSet<(Region, String)> = needs.map(|need| (need.region, need.key)).collect();
    let wanted = wanted
        .into_iter()
        .filter(|(region, _)| !unreached.contains_key(region));
    let asked = wanted.map(|(region, key)| async move {
        let reading = match timeout(LIMIT, keys::policy(&aws.kms(&region), &region, &key)).await {
            Ok(Ok(reading)) => reading,
            Ok(Err(error)) => KeyReading::Unread(why(&error)),
            Err(_) => KeyReading::Unread(format!("KMS in {region} does not answer in time")),
        };
        ((region, key), reading)
    });
    join_all(asked).await.into_iter().collect()
}

/// What went wrong, with the right that is missing where it is one.
fn why(error: &CallError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}: {hint}"),
        None => error.to_string(),
    }
}
