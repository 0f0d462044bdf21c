//! SNS: whether anybody would hear what is said on a topic.

use aws_sdk_sns::Client;

use super::call::{AwsCall, CallError};
use crate::topology::Region;

/// How many subscriptions of a topic wait for their owner to confirm them.
pub async fn pending_subscriptions(
    client: &Client,
    region: &Region,
    topic_arn: &str,
) -> Result<u32, CallError> {
    let call = || AwsCall::new("SNS", "GetTopicAttributes", region);
    let answer = client
        .get_topic_attributes()
        .topic_arn(topic_arn)
        .send()
        .await
        .map_err(|error| call().failed(error))?;
    answer
        .attributes
        .and_then(|attributes| attributes.get("SubscriptionsPending")?.parse().ok())
        .ok_or_else(|| call().lacks("the number of pending subscriptions"))
}

/// The key that a topic is encrypted under, as the topic names it.
pub async fn key(client: &Client, region: &Region, topic_arn: &str) -> Result<Option<String>, CallError> {
    let answer = client
        .get_topic_attributes()
        .topic_arn(topic_arn)
        .send()
        .await
        .map_err(|error| AwsCall::new("SNS", "GetTopicAttributes", region).failed(error))?;
    let key = answer
        .attributes
        .and_then(|mut attributes| attributes.remove("KmsMasterKeyId"));
    Ok(key.filter(|key| !key.is_empty()))
}

/// Sends a message through a topic.
pub async fn publish(
    client: &Client,
    region: &Region,
    topic: &str,
    subject: &str,
    text: &str,
) -> Result<(), CallError> {
    client
        .publish()
        .topic_arn(topic)
        .subject(subject)
        .message(text)
        .send()
        .await
        .map_err(|error| AwsCall::new("SNS", "Publish", region).failed(error))?;
    Ok(())
}
