//! Where a topic's notifications arrive, and stay to be read.
//!
//! The local AWS delivers to no address of a mail, so this is a subscriber by HTTP: it confirms its subscription as every
//! such subscriber has to, and then is sent subject and message of whatever is published.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde_json::Value;
use tokio::sync::watch;

use super::StartError;
use super::local_aws::{LocalAws, LocalAwsError};
use super::server::{Received, Reply, Server};

/// How long a notification may be on its way.
const WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub subject: String,
    pub message: String,
}

#[derive(Debug, Clone, Default)]
struct Inbox {
    /// By topic, what a subscription is to be confirmed with.
    tokens: BTreeMap<String, String>,
    mails: Vec<Mail>,
}

#[derive(Debug)]
struct Front(watch::Sender<Inbox>);

#[derive(Debug)]
pub struct Mailbox {
    server: Server,
    inbox: watch::Receiver<Inbox>,
}

impl Mailbox {
    pub fn start() -> Result<Self, StartError> {
        let (sender, inbox) = watch::channel(Inbox::default());
        let front = Arc::new(Front(sender));
        Ok(Self {
            server: Server::answering("a mailbox", None, &front, Front::take)?,
            inbox,
        })
    }

    /// Has everything sent here that is published to a topic.
    pub async fn subscribe(&self, aws: &LocalAws, region: &str, topic: &str) -> Result<(), LocalAwsError> {
        let client = aws_sdk_sns::Client::new(&aws.sdk_config(region));
        // Of a topic of this name that is gone.
        let earlier = self.inbox.borrow().tokens.get(topic).cloned();
        let failed = |call, message: String| LocalAwsError::Call { call, message };
        client
            .subscribe()
            .topic_arn(topic)
            .protocol("http")
            .endpoint(format!("http://{}/", self.server.address()))
            .send()
            .await
            .map_err(|error| failed("Subscribe", format!("{error:?}")))?;
        let new = |token: &&String| Some(*token) != earlier.as_ref();
        let token = self
            .wait(|inbox| inbox.tokens.get(topic).filter(new).cloned())
            .await;
        let token = token.ok_or_else(|| failed("Subscribe", "no token has arrived".to_owned()))?;
        client
            .confirm_subscription()
            .topic_arn(topic)
            .token(token)
            .send()
            .await
            .map_err(|error| failed("ConfirmSubscription", format!("{error:?}")))?;
        Ok(())
    }

    /// The first mail with this in its subject, as soon as it is there.
    pub async fn mail(&self, about: &str) -> Option<Mail> {
        let find = |inbox: &Inbox| {
            let mut mails = inbox.mails.iter();
            mails.find(|mail| mail.subject.contains(about)).cloned()
        };
        self.wait(find).await
    }

    /// All that have arrived.
    pub fn mails(&self) -> Vec<Mail> {
        self.inbox.borrow().mails.clone()
    }

    async fn wait<T>(&self, find: impl Fn(&Inbox) -> Option<T>) -> Option<T> {
        let mut inbox = self.inbox.clone();
        let found = inbox.wait_for(|inbox| find(inbox).is_some());
        let inbox = tokio::time::timeout(WITHIN, found).await.ok()?.ok()?;
        find(&inbox)
    }
}

impl Front {
    fn take(&self, received: &Received) -> Reply {
        let sent: Value = serde_json::from_slice(&received.body).unwrap_or_default();
        let text = |name: &str| sent[name].as_str().unwrap_or_default().to_owned();
        self.0.send_modify(|inbox| match sent["Type"].as_str() {
            Some("SubscriptionConfirmation") => drop(inbox.tokens.insert(text("TopicArn"), text("Token"))),
            Some("Notification") => inbox.mails.push(Mail {
                subject: text("Subject"),
                message: text("Message"),
            }),
            _ => {}
        });
        Reply::Answer(Response::new(Bytes::new()))
    }
}
