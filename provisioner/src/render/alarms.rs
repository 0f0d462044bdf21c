//! The alarms of the fencing stack: what would make a fence late, incomplete or impossible, and the fence
//! itself.
//!
//! An alarm either listens for a report (silence is fine) or for a heartbeat (silence is the failure): that is
//! [`Silence`], and nothing else decides what missing data means.

use fencing::answer::Cause;
use fencing::contract;
use fencing::health::{STUCK_AFTER_SECONDS, UNFENCED_AFTER_SECONDS, WATCHDOG_SILENT_AFTER_SECONDS};
use fencing::metrics::{DIMENSION_SITE, DIMENSION_TOPOLOGY, Metric, NAMESPACE};
use serde::Serialize;

use crate::topology::{Mode, SiteName, Topology};

/// What it means when a metric has no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    IsFine,
    IsFailure,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Dimension {
    pub name: &'static str,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Alarm {
    pub id: String,
    pub name: String,
    says: String,
    namespace: &'static str,
    pub metric: &'static str,
    pub dimensions: Vec<Dimension>,
    pub statistic: &'static str,
    pub period_seconds: u32,
    evaluation_periods: u32,
    datapoints_to_alarm: u32,
    comparison: &'static str,
    threshold: u32,
    missing_data: &'static str,
    /// Whether it notifies people. What the function mails them itself, once for each cause, is an alarm
    /// for the dashboard's sake.
    tells: bool,
    /// Whether people are also notified when it is over; an event is over at once.
    says_when_over: bool,
}

const MINUTE_SECONDS: u32 = 60;
const HOUR_SECONDS: u32 = 3600;
const DAY_SECONDS: u32 = 86_400;

/// Its alarm has the site's name in its own, its section has not.
const PATH_SILENT: &str = "No watchdog from this site arrives: its reports about the other site would not arrive \
                           either. Check Prometheus, Alertmanager, the way out of the cluster, and the webhook's \
                           password.";

struct AlarmBuilder<'a> {
    topology: &'a Topology,
    alarms: Vec<Alarm>,
}

impl AlarmBuilder<'_> {
    /// At least one in so many minutes. The schedule's minutes and CloudWatch's do not fall together, so one
    /// minute among them may stay empty.
    fn cry(&mut self, id: &str, what: &str, metric: Metric, minutes: u32, text: &str) {
        let alarm = self.alarm(id, what, metric.name(), Silence::IsFine, text);
        self.alarms.push(Alarm {
            evaluation_periods: minutes + 1,
            datapoints_to_alarm: minutes,
            ..alarm
        });
    }

    /// What the function counts and, if it is worth a notification, says itself.
    fn cause(&mut self, id: &str, what: &str, cause: Cause, minutes: u32, text: &str) {
        let is_told_already = cause.notifies();
        let alarm = self.alarm(id, what, cause.metric(), Silence::IsFine, text);
        self.alarms.push(Alarm {
            evaluation_periods: minutes,
            datapoints_to_alarm: minutes,
            tells: !is_told_already,
            says_when_over: !is_told_already,
            ..alarm
        });
    }

    fn alarm(&self, id: &str, what: &str, metric: &'static str, silence: Silence, text: &str) -> Alarm {
        Alarm {
            id: id.to_owned(),
            name: self.topology.alarm_name(what),
            says: says(self.topology, text, what),
            namespace: NAMESPACE,
            metric,
            dimensions: vec![topology_dimension(self.topology)],
            statistic: "Sum",
            period_seconds: MINUTE_SECONDS,
            evaluation_periods: 1,
            datapoints_to_alarm: 1,
            comparison: "GreaterThanOrEqualToThreshold",
            threshold: 1,
            missing_data: match silence {
                Silence::IsFine => "notBreaching",
                Silence::IsFailure => "breaching",
            },
            tells: true,
            says_when_over: true,
        }
    }
}

/// What an alarm says, with the command to type next, and where to read on: the section of its name. The log's page
/// follows.
///
/// The command names the topology, not its file: an alarm's text must not depend on what the file was called where
/// somebody ran `apply`, or each apply from another machine would change all of them.
pub(super) fn says(topology: &Topology, text: &str, section: &str) -> String {
    let (verb, flags) = match section {
        "held-too-long" => ("release", ""),
        "drill-due" => ("drill", " --split-brain"),
        _ => ("status", ""),
    };
    let (name, runbook) = (&topology.name, contract::runbook(section));
    format!("{text} Next: `provision {verb} {name}{flags}`. Runbook: {runbook} Log: ")
}

/// All alarms of the function of a Region. What only reminds is said once, by the first Region's.
pub(super) fn alarms(topology: &Topology, is_first: bool) -> Vec<Alarm> {
    let mut b = AlarmBuilder {
        topology,
        alarms: Vec::new(),
    };

    b.cause("FenceHappened", "fence-happened", Cause::Decided, 1, "A site was lost and is being fenced. You need not \
                                                                   do anything yet: the dashboard and the function's \
                                                                   log show how things stand.");
    b.cause("FenceCompleted", "fence-completed", Cause::Completed, 1, "The lost site is out of the accelerator and \
                                                                       replication to it is cut: the survivor \
                                                                       serves. When the other is well again, bring \
                                                                       it back with `provision rejoin`.");
    b.cause("FenceRepeated", "fence-repeated", Cause::RefencedEarlyReturn, 1, "The fenced site was put back into the accelerator while its data is stale; it has been taken out again. `provision rejoin` brings it back.");
    // A controller that does it each minute is one alarm, and that ends when it has not happened for a quarter of an hour.
    let recurring = b.alarm("PutRightAgain", "put-right-again", Cause::Recurring.metric(), Silence::IsFine, "The \
                                                                                                             fenced \
                                                                                                             site \
                                                                                                             was put \
                                                                                                             back \
                                                                                                             into \
                                                                                                             the \
                                                                                                             accelerator, \
                                                                                                             or the \
                                                                                                             survivor's \
                                                                                                             Infinispan \
                                                                                                             forgot \
                                                                                                             that \
                                                                                                             replication \
                                                                                                             is cut, \
                                                                                                             more \
                                                                                                             than \
                                                                                                             once \
                                                                                                             within \
                                                                                                             an \
                                                                                                             hour. \
                                                                                                             It was \
                                                                                                             corrected \
                                                                                                             each \
                                                                                                             time. \
                                                                                                             The \
                                                                                                             function's \
                                                                                                             log \
                                                                                                             says \
                                                                                                             which \
                                                                                                             of the \
                                                                                                             two, \
                                                                                                             and how \
                                                                                                             often: \
                                                                                                             stop a \
                                                                                                             controller \
                                                                                                             that \
                                                                                                             puts \
                                                                                                             endpoints \
                                                                                                             back; \
                                                                                                             look \
                                                                                                             into an \
                                                                                                             Infinispan \
                                                                                                             that \
                                                                                                             keeps \
                                                                                                             restarting.");
    b.alarms.push(Alarm {
        evaluation_periods: 15,
        datapoints_to_alarm: 1,
        ..recurring
    });
    b.cause("OnlyDrainedLeft", "only-drained-left", Cause::OnlyDrainedLeft, 1, "A site is lost, and the only one \
                                                                                that is left is drained: its weight \
                                                                                or traffic dial in the accelerator \
                                                                                is 0. Nothing is decided, and nobody \
                                                                                can log in, until an operator fences \
                                                                                the lost site, which also restores \
                                                                                the other one's weight and dial.");
    b.cause("SurvivorMissing", "survivor-missing", Cause::SurvivorMissing, 1, "A site is fenced, and the other one, \
                                                                               the survivor, is missing from the \
                                                                               accelerator: users are not served as \
                                                                               decided. The function does not put it \
                                                                               back while other endpoints are in the \
                                                                               listener, while a hold is on, or \
                                                                               twice within an hour: put it back by \
                                                                               hand now.");
    b.cause("AnothersAccelerator", "anothers-accelerator", Cause::AnothersAccelerator, 1, "A site was not fenced, or not brought back, because the accelerator's tag names another deployment. Two of them would empty it between them: destroy one, then apply the other.");
    b.cause("OwnerUnknown", "owner-unknown", Cause::OwnerUnknown, 1, "A decision was taken although the \
                                                                      accelerator's tag could not be read for ten \
                                                                      minutes. If another deployment uses the same \
                                                                      accelerator, check its endpoints now.");
    b.cause("StateUnexplained", "state-unexplained", Cause::Unexplained, 2, "Accelerator and Infinispan do not match \
                                                                             what the register says, so the function \
                                                                             changes nothing. Its log says what \
                                                                             differs.");
    b.cause("DependencyFailed", "dependency-failed", Cause::DependencyFailed, 3, "For three minutes the function could not reach something it needs: register, accelerator, Infinispan or a secret. Its log names it. No site can be fenced until it is back.");
    b.cause("ForeignAlerts", "foreign-alerts", Cause::ForeignLabels, 1, "Authenticated alerts of another deployment arrive here: a webhook's address was copied together with its password.");

    let stuck = b.alarm("DecisionStuck", "decision-stuck", Metric::DecisionAge.name(), Silence::IsFine, "A decision has been under way for more than two minutes: the survivor may still wait for the lost site. The function's log says what keeps failing.");
    b.alarms.push(Alarm {
        statistic: "Maximum",
        threshold: STUCK_AFTER_SECONDS,
        ..stuck
    });

    let lost = b.alarm("LossNotFenced", "loss-not-fenced", Metric::Unfenced.name(), Silence::IsFine, "A site does \
                                                                                                      not see the \
                                                                                                      other one, and \
                                                                                                      no site is \
                                                                                                      fenced: both \
                                                                                                      may refuse \
                                                                                                      their users. \
                                                                                                      The function's \
                                                                                                      log and \
                                                                                                      /health say \
                                                                                                      why (check \
                                                                                                      `loss`): a \
                                                                                                      hold, quiet \
                                                                                                      time, a \
                                                                                                      survivor that \
                                                                                                      is not fit or \
                                                                                                      whose relay \
                                                                                                      nodes \
                                                                                                      disagree, \
                                                                                                      mode: observe, \
                                                                                                      or a report \
                                                                                                      that does not \
                                                                                                      arrive. An \
                                                                                                      operator's \
                                                                                                      fence decides \
                                                                                                      at once.");
    b.alarms.push(Alarm {
        statistic: "Maximum",
        threshold: UNFENCED_AFTER_SECONDS,
        ..lost
    });

    let held = b.alarm("HeldTooLong", "held-too-long", Metric::HoldOverdue.name(), Silence::IsFine, "An operator's hold has lasted longer than it was meant to: no site is fenced while it does. `provision release` ends it.");
    b.alarms.push(Alarm {
        statistic: "Maximum",
        ..held
    });

    for site in &topology.sites {
        let silent = b.alarm(
            &format!("PathSilent{}", logical_id(&site.name)),
            &format!("path-silent-{}", site.name),
            Metric::WatchdogSeen.name(),
            Silence::IsFailure,
            PATH_SILENT,
        );
        let silent = Alarm {
            says: says(topology, PATH_SILENT, "path-silent"),
            ..silent
        };
        let mut dimensions = silent.dimensions.clone();
        dimensions.push(Dimension {
            name: DIMENSION_SITE,
            value: site.name.to_string(),
        });
        b.alarms.push(Alarm {
            dimensions,
            period_seconds: WATCHDOG_SILENT_AFTER_SECONDS,
            comparison: "LessThanThreshold",
            ..silent
        });
    }

    b.cry("DeepCheckFailing", "deep-check-failing", Metric::DeepCheckFailures, 3, "For three minutes something that a fence needs has been out of order. The function's log and /health name it.");
    b.cry("OwnerTagWrong", "accelerator-not-ours", Metric::NotOurs, 2, "The accelerator has lost the tag that names \
                                                                        its owner, or the tag names another \
                                                                        deployment. In the second case this \
                                                                        deployment fences nobody; in the first, \
                                                                        nothing keeps another one away. `provision \
                                                                        apply` writes a tag that is gone.");
    let not_running = b.alarm("DeepCheckNotRunning", "deep-check-not-running", Metric::DeepCheckRan.name(), Silence::IsFailure, "The function's check of everything that a fence needs has not finished for three minutes: is the schedule on, does the function start?");
    b.alarms.push(Alarm {
        evaluation_periods: 3,
        datapoints_to_alarm: 3,
        comparison: "LessThanThreshold",
        ..not_running
    });

    let remind_after = topology.drill.remind_after.seconds();
    // Where a fence is only observed, a drill is refused.
    if is_first && remind_after > 0 && topology.mode == Mode::Act {
        let due = b.alarm("DrillDue", "drill-due", Metric::Undrilled.name(), Silence::IsFine, &format!("No drill has \
                                                                                                        cut the link \
                                                                                                        for {} days. \
                                                                                                        Nothing is \
                                                                                                        wrong, but \
                                                                                                        nobody knows \
                                                                                                        whether a \
                                                                                                        fence would \
                                                                                                        still work \
                                                                                                        from end to \
                                                                                                        end. \
                                                                                                        `provision \
                                                                                                        drill \
                                                                                                        --split-brain` \
                                                                                                        shows it; \
                                                                                                        `drill.remindAfter` \
                                                                                                        in the \
                                                                                                        topology \
                                                                                                        says how \
                                                                                                        often, and \
                                                                                                        0s switches \
                                                                                                        this off.", remind_after / DAY_SECONDS));
        b.alarms.push(Alarm {
            statistic: "Maximum",
            // A minute without a check is no drill: it would be reminded of again after it.
            period_seconds: HOUR_SECONDS,
            threshold: remind_after,
            says_when_over: false,
            ..due
        });
    }

    for (id, what, metric, text) in [
        (
            "FunctionErrors",
            "function-errors",
            "Errors",
            "The function crashed or ran into its timeout; its log says where.",
        ),
        (
            "FunctionThrottled",
            "function-throttled",
            "Throttles",
            "Lambda turned invocations away: the account's or the function's concurrency is used up, and an alert may have been among them.",
        ),
    ] {
        let alarm = b.alarm(id, what, metric, Silence::IsFine, text);
        b.alarms.push(Alarm {
            namespace: "AWS/Lambda",
            dimensions: vec![Dimension {
                name: "FunctionName",
                value: topology.function_name(),
            }],
            ..alarm
        });
    }
    b.alarms
}

pub(super) fn topology_dimension(topology: &Topology) -> Dimension {
    Dimension {
        name: DIMENSION_TOPOLOGY,
        value: topology.name.to_string(),
    }
}

/// A site's name as part of a logical id, which takes letters and digits only. `validate` refuses two sites
/// whose names are one here.
pub(super) fn logical_id(site: &SiteName) -> String {
    site.as_str()
        .split(['-', '_', '.'])
        .map(|word| match word.split_at_checked(1) {
            Some((first, rest)) => format!("{}{rest}", first.to_ascii_uppercase()),
            // Two hyphens in a row: `a--b` is not `a-b`.
            None => "Dash".to_owned(),
        })
        .collect()
}
