//! Notices leave by two doors: as a metric, always, and as a notification to people, where the cause is one
//! that happens once. The metric is noted by the world, beside all others.

use fencing::answer::{Cause, Notice};
use fencing::contract;
use fencing::health::Seen;
use fencing::settings::Settings;
use fencing::step::Fault;
use fencing::words::TopologyName;
use jiff::Timestamp;

use crate::world::aws::{Aws, describe};

#[derive(Debug)]
pub struct Notices {
    topology: TopologyName,
    topic: Option<(aws_sdk_sns::Client, String)>,
    /// Where the function's log is looked at.
    log: Option<String>,
}

impl Notices {
    /// To the topic of the settings, if there is one.
    pub fn new(aws: &Aws, settings: &Settings, log_group: Option<&str>) -> Self {
        let arn = &settings.found.topic_arn;
        Self {
            topology: settings.topology.clone(),
            topic: (!arn.is_empty()).then(|| (aws.notifications(), arn.clone())),
            log: log_group.map(|group| console(&aws.region, group)),
        }
    }

    /// Says a notice in the log and, where its cause wants that, notifies.
    pub async fn tell(&self, notice: &Notice) {
        tracing::warn!(topology = %self.topology, cause = notice.cause.metric(), "{}", notice.sentence);
        let Some((client, arn)) = self.topic.as_ref().filter(|_| notice.cause.notifies()) else {
            return;
        };
        let sent = client
            .publish()
            .topic_arn(arn)
            .subject(subject(&self.topology, notice.cause))
            .message(message(
                &self.topology,
                notice,
                self.log.as_deref(),
                Timestamp::now(),
            ))
            .send()
            .await;
        if let Err(error) = sent {
            tracing::error!(error = describe(&error), "nobody could be notified");
        }
    }

    /// Reads how many want to be notified. Nobody's address comes along.
    pub async fn subscriptions(&self) -> Result<Seen, Fault> {
        let fault = |what| Fault {
            whom: "the topic for notifications".to_owned(),
            what,
        };
        let Some((client, arn)) = &self.topic else {
            return Err(fault("there is none".to_owned()));
        };
        let reply = client
            .get_topic_attributes()
            .topic_arn(arn)
            .send()
            .await
            .map_err(|error| fault(describe(&error)))?;
        let attributes = reply.attributes.unwrap_or_default();
        let number = |name: &str| {
            attributes
                .get(name)
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| fault(format!("its attributes do not say {name}")))
        };
        Ok(Seen::Subscriptions {
            confirmed: number("SubscriptionsConfirmed")?,
            pending: number("SubscriptionsPending")?,
        })
    }
}

/// What a mail says: what happened, when, what to do next, and where to read on.
fn message(topology: &TopologyName, notice: &Notice, log: Option<&str>, now: Timestamp) -> String {
    let Notice { cause, sentence } = notice;
    let runbook = contract::runbook(cause.section());
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let log = log.map(|log| format!("\nlog:      {log}")).unwrap_or_default();
    format!(
        "{sentence}\n\nwhen:     {now}\nnext:     provision status TOPOLOGY, with the file of {topology}: it says which site \
         serves, and which command comes next\nrunbook:  {runbook}{log}\n"
    )
}

/// The log's page in AWS's console, which writes the group's slashes in a way of its own.
fn console(region: &str, group: &str) -> String {
    let group = group.replace('/', "$252F");
    format!(
        "https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}"
    )
}

/// The subject of a mail; SNS allows 100 ASCII characters.
fn subject(topology: &TopologyName, cause: Cause) -> String {
    let what = match cause {
        Cause::Decided => "a site is being fenced",
        Cause::Completed => "a site is fenced",
        Cause::RefencedEarlyReturn => "the fenced site was put back too early",
        Cause::Refilled => "a listener was empty and is filled again",
        Cause::SurvivorMissing => "the survivor is missing in the accelerator",
        Cause::RecutAfterRestart => "replication was cut again",
        Cause::Recurring => "the same is put right again and again",
        Cause::Adopted => "recovered by hand",
        Cause::Rejoined => "both sites serve again",
        Cause::RejoinAborted => "a rejoin was given up",
        Cause::Promoted => "the survivor was changed",
        Cause::HoldChanged => "a hold was put on or taken off",
        Cause::AnothersAccelerator => "the accelerator is another deployment's",
        Cause::OnlyDrainedLeft => "the only site that is left is drained",
        Cause::OwnerUnknown => "whose the accelerator is, is not known",
        Cause::Unexplained => "something does not fit",
        Cause::DependencyFailed => "a dependency failed",
        Cause::ForeignLabels => "foreign alerts arrive",
    };
    format!("Sitefence {topology}: {what}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_mail_says_what_happened_when_and_where_to_go_on() {
        let topology = TopologyName::new("keycloak-prod").unwrap();
        let log = console("eu-west-1", "/aws/lambda/sitefence-keycloak-prod-fencing");
        let at = "2026-11-21T20:00:00.25Z".parse().unwrap();
        let notice = Notice {
            cause: Cause::Completed,
            sentence: "fenced site-b".to_owned(),
        };
        assert_eq!(
            message(&topology, &notice, Some(&log), at),
            "fenced site-b\n\n\
             when:     2026-11-21T20:00:00Z\n\
             next:     provision status TOPOLOGY, with the file of keycloak-prod: it says which site serves, and which \
             command comes next\n\
             runbook:  docs/runbook.md#a-site-is-fenced\n\
             log:      https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/\
             $252Faws$252Flambda$252Fsitefence-keycloak-prod-fencing\n"
        );
    }

    #[test]
    fn a_subject_fits_into_a_mail() {
        let longest = TopologyName::new(&"t".repeat(TopologyName::MAX_LENGTH)).unwrap();
        for cause in Cause::ALL {
            let subject = subject(&longest, cause);
            assert!(subject.len() <= 100 && subject.is_ascii(), "{subject}");
        }
    }
}
