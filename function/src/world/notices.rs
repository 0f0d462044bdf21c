//! Notices leave by two doors: as a metric, always, and as a notification to people, where the cause is one
//! that happens once. The metric is noted by the world, beside all others.

use fencing::answer::{Cause, Notice};
use fencing::contract;
use fencing::health::Seen;
use fencing::register::next::NextCommand;
use fencing::register::{Record, State};
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
            log: log_group.map(|group| contract::log_page(&aws.region, group)),
        }
    }

    /// Says a notice in the log and, where its cause wants that, notifies.
    pub async fn tell(&self, notice: &Notice, record: Option<&Record>) {
        tracing::warn!(topology = %self.topology, cause = notice.cause.metric(), "{}", notice.sentence);
        let Some((client, arn)) = self.topic.as_ref().filter(|_| notice.cause.notifies()) else {
            return;
        };
        let sent = client
            .publish()
            .topic_arn(arn)
            .subject(subject(&self.topology, notice.cause))
            .message(self.message(notice, record, Timestamp::now()))
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

    /// What a mail says: what happened, when, who serves, what to do next, and where to read on.
    fn message(&self, notice: &Notice, record: Option<&Record>, now: Timestamp) -> String {
        let Notice { cause, sentence } = notice;
        // What the topology's file is called where this is read, nobody knows here: `provision` finds it by this.
        let topology = &self.topology;
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let mut lines = vec![("when", now.to_string())];
        lines.extend(record.map(|record| ("serves", serving(record))));
        lines.push(("look", format!("provision status {topology}")));
        lines.extend(record.and_then(|record| Some(("next", next(*cause, record, topology)?))));
        lines.push(("runbook", contract::runbook(cause.section())));
        lines.extend(self.log.iter().map(|log| ("log", log.clone())));
        let lines = lines.iter().map(|(name, text)| {
            let name = format!("{name}:");
            format!("{name:<10}{text}\n")
        });
        format!("{sentence}\n\n{}", lines.collect::<String>())
    }
}

/// Which site serves, as far as the register knows.
fn serving(record: &Record) -> String {
    let Some(decision) = &record.decision else {
        return "both sites, according to the register".to_owned();
    };
    let (survivor, fenced) = (&decision.survivor, &decision.fenced);
    match record.state {
        State::Open => "both sites, according to the register".to_owned(),
        // A promotion moves nothing before whatever was begun earlier has ended.
        State::Decided | State::Isolated if record.waiting => {
            format!("nobody for certain: {survivor} is to serve, and {fenced} is not out yet")
        }
        State::Decided | State::Isolated => format!("{survivor}; {fenced} is being taken out"),
        State::Complete => format!("{survivor}; {fenced} is out"),
        State::Rejoining => format!("{survivor}; {fenced} is being brought back"),
    }
}

/// What to type, where the function needs somebody to type something.
fn next(cause: Cause, record: &Record, topology: &TopologyName) -> Option<String> {
    let next = match (NextCommand::of(record)?, record.fenced()) {
        // The site is taken out once more, and the way back is the same.
        (NextCommand::Watch, Some(fenced)) if cause == Cause::RejoinAborted => {
            NextCommand::RejoinWhenHealed(fenced)
        }
        (NextCommand::Watch, _) => return None,
        (next, _) => next,
    };
    let line = next.line(&topology.to_string());
    Some(match next {
        NextCommand::RejoinWhenHealed(fenced) => {
            format!("{line}    (waits until {fenced} is well again)")
        }
        _ => line,
    })
}

/// The subject of a mail; SNS allows 100 ASCII characters.
fn subject(topology: &TopologyName, cause: Cause) -> String {
    let what = match cause {
        Cause::Decided => "a site is being fenced",
        Cause::Completed => "a site is fenced",
        Cause::RefencedEarlyReturn => "the fenced site was put back too early",
        Cause::Refilled => "an empty listener was filled again",
        Cause::SurvivorMissing => "the survivor is missing from the accelerator",
        Cause::RecutAfterRestart => "replication was cut again",
        Cause::Recurring => "the same fault keeps being corrected",
        Cause::Adopted => "recovered by hand",
        Cause::Rejoined => "both sites serve again",
        Cause::RejoinAborted => "a rejoin was abandoned",
        Cause::Promoted => "the survivor was changed",
        Cause::HoldChanged => "a hold was put on or released",
        Cause::AnothersAccelerator => "the accelerator is another deployment's",
        Cause::OnlyDrainedLeft => "the only site that is left is drained",
        Cause::OwnerUnknown => "the accelerator's owner is not known",
        Cause::Unexplained => "accelerator and register do not match",
        Cause::DependencyFailed => "a dependency failed",
        Cause::ForeignLabels => "foreign alerts arrive",
    };
    format!("Sitefence {topology}: {what}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fencing::accelerator::Outcome;
    use fencing::register::Decision;
    use fencing::settings::sample::site;
    use fencing::words::{Fenced, Survivor};

    use super::*;

    fn notices() -> Notices {
        Notices {
            topology: TopologyName::new("keycloak-prod").unwrap(),
            topic: None,
            log: Some(contract::log_page(
                "eu-west-1",
                "/aws/lambda/sitefence-keycloak-prod-fencing",
            )),
        }
    }

    fn record(state: State) -> Record {
        let decision = Decision {
            survivor: Survivor(site("site-a")),
            fenced: Fenced(site("site-b")),
            outcome: Outcome::default(),
            by: "site-a's alert".to_owned(),
            evidence: "a test".to_owned(),
            decided_at: Timestamp::UNIX_EPOCH,
            alerted_at: None,
        };
        Record {
            state,
            decision: (state != State::Open).then_some(decision),
            ..Record::empty()
        }
    }

    fn mail(cause: Cause, record: Option<&Record>) -> String {
        let notice = Notice {
            cause,
            sentence: "this happened".to_owned(),
        };
        notices().message(&notice, record, "2026-11-21T20:00:00.25Z".parse().unwrap())
    }

    #[test]
    fn a_mail_says_what_happened_when_who_serves_and_where_to_go_on() {
        assert_eq!(
            mail(Cause::Completed, Some(&record(State::Complete))),
            "this happened\n\n\
             when:     2026-11-21T20:00:00Z\n\
             serves:   site-a; site-b is out\n\
             look:     provision status keycloak-prod\n\
             next:     provision rejoin site-b keycloak-prod --when-healed    (waits until site-b is well again)\n\
             runbook:  docs/runbook.md#a-site-is-fenced\n\
             log:      https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/\
             $252Faws$252Flambda$252Fsitefence-keycloak-prod-fencing\n"
        );
    }

    /// No mail says to bring back a site that is only just being taken out, or that is in.
    #[test]
    fn a_mail_names_the_way_back_only_where_a_site_is_out() {
        for (cause, state, serves, goes_back) in [
            (
                Cause::Decided,
                State::Decided,
                "site-a; site-b is being taken out",
                false,
            ),
            (
                Cause::Completed,
                State::Isolated,
                "site-a; site-b is being taken out",
                false,
            ),
            (
                Cause::RefencedEarlyReturn,
                State::Complete,
                "site-a; site-b is out",
                true,
            ),
            (
                Cause::RejoinAborted,
                State::Decided,
                "site-a; site-b is being taken out",
                true,
            ),
            (
                Cause::HoldChanged,
                State::Rejoining,
                "site-a; site-b is being brought back",
                true,
            ),
            (
                Cause::Rejoined,
                State::Open,
                "both sites, according to the register",
                false,
            ),
        ] {
            let mail = mail(cause, Some(&record(state)));
            assert!(mail.contains(&format!("serves:   {serves}\n")), "{mail}");
            assert_eq!(
                mail.contains("provision rejoin site-b keycloak-prod"),
                goes_back,
                "{mail}"
            );
        }
        let promoted = Record {
            waiting: true,
            ..record(State::Decided)
        };
        let told = mail(Cause::Promoted, Some(&promoted));
        assert!(
            told.contains("serves:   nobody for certain: site-a is to serve, and site-b is not out yet\n"),
            "{told}"
        );
        assert!(
            told.contains("next:     provision promote site-a keycloak-prod\n"),
            "{told}"
        );
        let mail = mail(Cause::DependencyFailed, None);
        assert!(!mail.contains("serves:") && !mail.contains("rejoin"), "{mail}");
        assert!(
            mail.contains("look:     provision status keycloak-prod\n"),
            "{mail}"
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
