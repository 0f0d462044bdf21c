//! Notices leave by two doors: as a metric, always, and as a notification to people, where the cause is one
//! that happens once. The metric is a line of CloudWatch's embedded metric format on standard output: no
//! call, no permission, nothing that can fail.

use std::io::Write as _;

use fencing::answer::{Cause, Notice};
use fencing::settings::Settings;
use fencing::words::TopologyName;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::aws::{Aws, describe};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Sitefence";

/// The one dimension.
pub const DIMENSION: &str = "topology";

/// Where notices go.
#[derive(Debug)]
pub struct Notices {
    topology: TopologyName,
    topic: Option<(aws_sdk_sns::Client, String)>,
}

impl Notices {
    /// To the topic of the settings, if there is one.
    pub fn new(aws: &Aws, settings: &Settings) -> Self {
        let arn = &settings.found.topic_arn;
        Self {
            topology: settings.topology.clone(),
            topic: (!arn.is_empty()).then(|| (aws.notifications(), arn.clone())),
        }
    }

    /// Counts a notice and, where its cause wants that, notifies.
    pub async fn tell(&self, notice: &Notice, now: Timestamp) {
        tracing::warn!(topology = %self.topology, cause = notice.cause.metric(), "{}", notice.sentence);
        let line = format!("{}\n", metric(&self.topology, notice.cause, now));
        if let Err(error) = std::io::stdout().lock().write_all(line.as_bytes()) {
            tracing::error!(%error, "a metric could not be written");
        }
        let Some((client, arn)) = self.topic.as_ref().filter(|_| notice.cause.notifies()) else {
            return;
        };
        let sent = client
            .publish()
            .topic_arn(arn)
            .subject(subject(&self.topology, notice.cause))
            .message(&notice.sentence)
            .send()
            .await;
        if let Err(error) = sent {
            tracing::error!(error = describe(&error), "nobody could be notified");
        }
    }
}

/// One count, in the embedded metric format.
fn metric(topology: &TopologyName, cause: Cause, now: Timestamp) -> Value {
    let name = cause.metric();
    json!({
        "_aws": {
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [[DIMENSION]],
                "Metrics": [{ "Name": name, "Unit": "Count" }],
            }],
        },
        DIMENSION: topology.as_str(),
        name: 1,
    })
}

/// The subject of a mail; SNS allows 100 ASCII characters.
fn subject(topology: &TopologyName, cause: Cause) -> String {
    let what = match cause {
        Cause::Decided => "a site is being fenced",
        Cause::Completed => "a site is fenced",
        Cause::RefencedEarlyReturn => "the fenced site was put back too early",
        Cause::RecutAfterRestart => "replication was cut again",
        Cause::Adopted => "recovered by hand",
        Cause::Rejoined => "both sites serve again",
        Cause::RejoinAborted => "a rejoin was given up",
        Cause::Promoted => "the survivor was changed",
        Cause::HoldChanged => "a hold was put on or taken off",
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

    const CAUSES: [Cause; 12] = [
        Cause::Decided,
        Cause::Completed,
        Cause::RefencedEarlyReturn,
        Cause::RecutAfterRestart,
        Cause::Adopted,
        Cause::Rejoined,
        Cause::RejoinAborted,
        Cause::Promoted,
        Cause::HoldChanged,
        Cause::Unexplained,
        Cause::DependencyFailed,
        Cause::ForeignLabels,
    ];

    #[test]
    fn a_metric_line_names_its_value_and_its_dimension() {
        let topology = TopologyName::new("keycloak-prod").unwrap();
        for cause in CAUSES {
            let line = metric(
                &topology,
                cause,
                Timestamp::from_millisecond(1_700_000_000_123).unwrap(),
            );
            let described = &line["_aws"]["CloudWatchMetrics"][0];
            let name = described["Metrics"][0]["Name"].as_str().unwrap();
            let dimension = described["Dimensions"][0][0].as_str().unwrap();
            assert_eq!((name, &line[name]), (cause.metric(), &json!(1)));
            assert_eq!(line[dimension], "keycloak-prod");
            assert_eq!(line["_aws"]["Timestamp"], 1_700_000_000_123_u64);
            assert!(!line.to_string().contains('\n'));
        }
    }

    #[test]
    fn a_subject_fits_into_a_mail() {
        let longest = TopologyName::new(&"t".repeat(TopologyName::MAX_LENGTH)).unwrap();
        for cause in CAUSES {
            let subject = subject(&longest, cause);
            assert!(subject.len() <= 100 && subject.is_ascii(), "{subject}");
        }
    }
}
