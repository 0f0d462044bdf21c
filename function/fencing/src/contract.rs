//! What `provision` and the function have to agree on, word for word, each once.
//!
//! The two halves are built and deployed at different times and meet only in text: an event, a path, a label, an
//! item of the register. Wherever one of them writes such a word and the other reads it, both take it from here
//! (or from beside here: [`settings`](crate::settings) for the environment, [`register`](crate::register) for the
//! record and its keys, [`metrics`](crate::metrics) for what alarms listen to). The templates hold none of them;
//! they are handed in. A test looks through both halves and the templates for any that was written a second time.
//!
//! What is *stored* or *sent between versions* keeps its spelling for ever: an older function may read it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::health::Drill;
use crate::step::Task;
use crate::words::SiteName;

pub mod alert {
    /// The alert that fences, whether or not a suspicion came before it. No human reads it: it carries the same labels as
    /// the watchdog, so that whatever mutes one mutes both, and is noticed.
    pub const SITE_OFFLINE: &str = "SiteOffline";
    /// The same before it is certain: the first evaluation that shows the other site out of view. The function then looks
    /// for itself for a while, and decides when that site has been missing all along. It pages nobody, and whatever it does
    /// not lead to is left to [`SITE_OFFLINE`].
    pub const SITE_SUSPECTED: &str = "SiteSuspected";
    /// How the answer begins to one that is left to [`SITE_OFFLINE`].
    pub const LEFT: &str = "left to SiteOffline";
    /// [`SITE_OFFLINE`] for people, with the severity by which their pagers, silences and inhibitions go. It fences nobody.
    pub const SITE_LOST: &str = "SiteLost";
    /// Nothing shows whether the other site is in view.
    pub const SITE_VIEW_ABSENT: &str = "SiteViewAbsent";
    /// A cache is not replicated: the state that a healed link hides.
    pub const REPLICATION_CUT: &str = "ReplicationCut";
    /// The alert that always fires, and only shows that the path is whole.
    pub const WATCHDOG: &str = "FencingPathWatchdog";

    /// What a rehearsal posts in the place of [`SITE_OFFLINE`]. No rule has this name, and a function that does not know
    /// it passes over it.
    pub const REHEARSAL: &str = "RehearsedLoss";

    /// All that there are rules of.
    pub const ALL: [&str; 6] = [
        SITE_OFFLINE,
        SITE_SUSPECTED,
        SITE_LOST,
        SITE_VIEW_ABSENT,
        REPLICATION_CUT,
        WATCHDOG,
    ];
}

/// The labels that an alert is judged by, beside `alertname`, which is Prometheus's own.
pub mod label {
    /// Which deployment the alert concerns.
    pub const TOPOLOGY: &str = "topology";
    pub const REPORTER: &str = "reporter";
    pub const SITE: &str = "site";

    pub const ALL: [&str; 3] = [TOPOLOGY, REPORTER, SITE];
}

/// Where people read on: a section of the runbook, as a link from the top of a checkout.
pub fn runbook(section: &str) -> String {
    // As viewers of Markdown make an anchor of a heading of one word.
    format!("docs/runbook.md#{}", section.to_lowercase())
}

/// The page of a function's log in AWS's console, which writes the slashes of the group's name in a way of its own.
pub fn log_page(region: &str, group: &str) -> String {
    let group = group.replace('/', "$252F");
    format!(
        "https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}"
    )
}

pub mod path {
    pub const WEBHOOK: &str = "/webhook";
    /// What the path of the health check begins with; the secret follows.
    pub const HEALTH: &str = "/health/";
}

/// The function's name, spelt where a constant cannot stand.
macro_rules! agent {
    () => {
        "sitefence-function/"
    };
}

/// What the function calls itself when it asks an Infinispan. It stands in the binary as it is, so that a binary says
/// its version to somebody who only has its bytes: a zip from elsewhere, one from last year.
pub const AGENT: &str = concat!(agent!(), env!("CARGO_PKG_VERSION"), " (fencing)");
/// What [`AGENT`] begins with. The version follows, up to the next space.
pub const AGENT_NAME: &str = agent!();

/// The most characters of a name: an identity's ARN, a rejoin's session.
pub const NAME_LIMIT: usize = 2048;
/// The most characters of a reason. It stands in the register's item, in every answer meanwhile and in mails.
pub const REASON_LIMIT: usize = 1000;

/// What comes by name, through `lambda:Invoke`: from the schedule, or from an operator's command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "sitefence", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Envelope {
    Sweep {},
    Operate {
        /// Which. Only what operators do can be read: an alert comes through the webhook or not at all.
        task: Task,
    },
    Drill {
        task: Drill,
    },
    /// Count what only one site has, for an operator who is about to give it up.
    Count {
        /// The site that would be given up.
        given_up: SiteName,
        /// The other one.
        kept: SiteName,
    },
}

/// Why an event by name is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misunderstood {
    /// Not one of the envelopes.
    #[error(
        "the event is neither a Function URL request nor {{\"sitefence\":\"sweep\"}} nor \
         {{\"sitefence\":\"operate\",\"task\":…}} nor {{\"sitefence\":\"drill\",\"task\":…}}"
    )]
    Envelope,
    /// A task that this version does not know, or that is none of an operator's.
    #[error("the operator's task is not understood; is the command newer than the function?")]
    Task,
    /// More text than anybody means to write.
    #[error("{what} has {characters} characters; the limit is {limit}")]
    TooLong {
        /// Which part of the task.
        what: &'static str,
        characters: usize,
        /// How many it may have.
        limit: usize,
    },
}

impl Envelope {
    /// The field by which an event is an envelope.
    pub const FIELD: &str = "sitefence";

    /// As the event that the function is invoked with.
    pub fn event(&self) -> Value {
        // Strings, numbers and structs with named fields: there is nothing in it that JSON has no form for.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Reads it back. What does not fit is refused without a word of what it was, nor of how we spell our types.
    pub fn read(event: Value) -> Result<Self, Misunderstood> {
        let has_task = event.get("task").is_some();
        let kind = event.get(Self::FIELD).and_then(Value::as_str);
        let takes_a_task = matches!(kind, Some("operate" | "drill"));
        let envelope: Self = serde_json::from_value(event).map_err(|_| {
            if has_task && takes_a_task {
                Misunderstood::Task
            } else {
                Misunderstood::Envelope
            }
        })?;
        envelope.fits()?;
        Ok(envelope)
    }

    /// Whether every text in it is as short as texts of people are. A register's item takes 400 KB, and one that is
    /// full would take no decision.
    pub fn fits(&self) -> Result<(), Misunderstood> {
        let mut texts = Vec::new();
        match self {
            // A site's name is as short as its type says.
            Self::Sweep {} | Self::Count { .. } => {}
            Self::Operate { task } => match task {
                Task::Alert { .. } | Task::Suspicion { .. } | Task::Sweep { .. } => {
                    return Err(Misunderstood::Task);
                }
                Task::Fence { by, .. }
                | Task::Promote { by, .. }
                | Task::Release { by }
                | Task::Resume { by, .. } => {
                    texts.push(("the caller's name", by, NAME_LIMIT));
                }
                Task::Rejoin { session, by, .. } => {
                    texts.push(("the caller's name", by, NAME_LIMIT));
                    texts.push(("the rejoin's session", session, NAME_LIMIT));
                }
                Task::Hold { by, reason, .. } => {
                    texts.push(("the caller's name", by, NAME_LIMIT));
                    texts.push(("the reason", reason, REASON_LIMIT));
                }
            },
            Self::Drill {
                task: Drill::FailHealth { by, .. },
            } => texts.push(("the caller's name", by, NAME_LIMIT)),
            Self::Drill {
                task: Drill::Keep { measured },
            } => texts.push(("the name of the person who drilled", &measured.by, NAME_LIMIT)),
        }
        for (what, text, limit) in texts {
            let characters = text.chars().count();
            if characters > limit {
                return Err(Misunderstood::TooLong {
                    what,
                    characters,
                    limit,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn hold(reason: &str) -> Envelope {
        Envelope::Operate {
            task: Task::Hold {
                by: "ana".to_owned(),
                reason: reason.to_owned(),
                until: None,
                replace: false,
            },
        }
    }

    #[test]
    fn what_a_command_sends_the_function_reads() {
        let drill = Drill::FailHealth {
            by: "ana".to_owned(),
            seconds: 60,
        };
        for (envelope, spelt) in [
            (Envelope::Sweep {}, json!({"sitefence": "sweep"})),
            (
                Envelope::Operate {
                    task: Task::Release { by: "ana".to_owned() },
                },
                json!({"sitefence": "operate", "task": {"task": "release", "by": "ana"}}),
            ),
            (
                Envelope::Count {
                    given_up: SiteName::new("site-b").unwrap(),
                    kept: SiteName::new("site-a").unwrap(),
                },
                json!({"sitefence": "count", "given_up": "site-b", "kept": "site-a"}),
            ),
            (
                Envelope::Drill { task: drill },
                json!({"sitefence": "drill", "task": {"task": "fail-health", "by": "ana", "seconds": 60}}),
            ),
        ] {
            assert_eq!(envelope.event(), spelt);
            assert_eq!(Envelope::read(spelt), Ok(envelope));
        }
    }

    /// Every event that docs/operating.md shows is one, and every task of an operator's is shown there.
    #[test]
    fn what_the_page_for_operators_shows_is_understood() {
        let page = include_str!("../../../docs/operating.md");
        let shown: Vec<Value> = page
            .lines()
            .filter(|line| line.starts_with("{\"sitefence\""))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        for event in &shown {
            assert!(
                matches!(Envelope::read(event.clone()), Ok(Envelope::Operate { .. })),
                "{event}"
            );
        }
        for task in ["hold", "release", "resume", "fence", "promote", "rejoin"] {
            assert!(shown.iter().any(|event| event["task"]["task"] == task), "{task}");
        }
    }

    /// An alert that came this way would be an alert without the webhook's credentials.
    #[test]
    fn only_what_operators_do_can_be_asked_for_by_name() {
        for task in [
            json!({"task": "alert", "reporter": "site-a", "suspect": "site-b"}),
            json!({"task": "suspicion", "reporter": "site-a", "suspect": "site-b"}),
            json!({"task": "sweep", "waited": 7}),
            json!({"task": "dance"}),
            json!({"task": "release"}),
            json!("release"),
        ] {
            for kind in ["operate", "drill"] {
                let event = json!({"sitefence": kind, "task": task});
                assert_eq!(Envelope::read(event), Err(Misunderstood::Task), "{kind} {task}");
            }
        }
        for event in [
            json!({}),
            json!({"sitefence": "sleep"}),
            json!({"sitefence": "operate"}),
            json!({"sitefence": "sweep", "source": "aws.events"}),
            json!({"sitefence": "sweep", "task": {"task": "release", "by": "ana"}}),
        ] {
            assert_eq!(
                Envelope::read(event.clone()),
                Err(Misunderstood::Envelope),
                "{event}"
            );
        }
    }

    #[test]
    fn a_text_is_as_short_as_people_write_it() {
        assert_eq!(hold(&"x".repeat(REASON_LIMIT)).fits(), Ok(()));
        let long = hold(&"ä".repeat(300_000));
        let told = Envelope::read(long.event()).unwrap_err().to_string();
        assert_eq!(told, "the reason has 300000 characters; the limit is 1000");
        let by = "x".repeat(NAME_LIMIT + 1);
        for envelope in [
            Envelope::Operate {
                task: Task::Release { by: by.clone() },
            },
            Envelope::Drill {
                task: Drill::FailHealth { by, seconds: 1 },
            },
        ] {
            assert!(envelope.fits().is_err(), "{envelope:?}");
        }
    }
}
