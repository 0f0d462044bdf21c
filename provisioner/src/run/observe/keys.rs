//! Keys and topics of other people. Whatever cannot be read of them is reported, and ends nothing.

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

/// How long is waited for an answer that only makes a warning more exact.
const LIMIT: Duration = Duration::from_secs(5);

/// The key of each existing topic that the topology names.
pub(super) async fn existing_topics(aws: &Aws, topology: &Topology) -> BTreeMap<String, TopicReading> {
    let asked = topology.notify.topics.iter().filter_map(|topic| {
        let region = Region::seen(topic.region())?;
        Some(async move {
            let sns = aws.sns(&region);
            let key = in_time("SNS", &region, topics::key(&sns, &region, topic.as_str())).await;
            (
                topic.to_string(),
                key.map_or_else(TopicReading::Unread, TopicReading::Key),
            )
        })
    });
    join_all(asked).await.into_iter().collect()
}

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
        let kms = aws.kms(&region);
        let reading = in_time("KMS", &region, keys::policy(&kms, &region, &key)).await;
        ((region, key), reading.unwrap_or_else(KeyReading::Unread))
    });
    join_all(asked).await.into_iter().collect()
}

/// An answer, or why there is none.
async fn in_time<T>(
    service: &str,
    region: &Region,
    asked: impl Future<Output = Result<T, CallError>>,
) -> Result<T, String> {
    match timeout(LIMIT, asked).await {
        Ok(answer) => answer.map_err(|error| why(&error)),
        Err(_) => Err(format!("{service} in {region} does not answer in time")),
    }
}

/// What went wrong, with the right that is missing where it is one.
fn why(error: &CallError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}: {hint}"),
        None => error.to_string(),
    }
}
