//! Lengths of time that must fit each other.

use fencing::step::ROOM_SECONDS;

use super::{Clash, complaint};
use crate::topology::defaults::SUSPICION_SECONDS;
use crate::topology::{Alerting, Interval, Topology};

/// Three readings, a second apart, and their round trips.
const LEAST_SUSPICION_SECONDS: u32 = 3;

pub(super) fn function_answers_within_a_flush(t: &Topology, found: &mut Vec<Clash>) {
    let (timeout, interval) = (t.function.timeout, t.alerting.group_interval);
    if timeout >= interval {
        let at = "function.timeout";
        found.push(complaint(
            at,
            &["alerting.groupInterval"],
            format!(
                "the function may take {timeout}, but Alertmanager gives up after groupInterval, {interval}"
            ),
            "make `function.timeout` shorter than `alerting.groupInterval`, or the latter longer",
        ));
    }
}

/// Whether the function's timeout leaves time to look into a suspicion, and for a fence after it.
pub(in crate::topology) fn has_time_to_look(t: &Topology) -> bool {
    t.alerting.suspicion.seconds().saturating_add(ROOM_SECONDS) <= t.function.timeout.seconds()
}

/// A suspicion is looked into within one invocation, which then has to fence, too.
pub(super) fn suspicion_leaves_time_to_fence(t: &Topology, found: &mut Vec<Clash>) {
    let (suspicion, timeout) = (t.alerting.suspicion, t.function.timeout);
    if suspicion.seconds() == 0 {
        return;
    }
    let at = "alerting.suspicion";
    if suspicion.seconds() < LEAST_SUSPICION_SECONDS {
        found.push(complaint(
            at,
            &[],
            format!("within {suspicion} the function cannot look three times"),
            format!(
                "at least {LEAST_SUSPICION_SECONDS}s; the default is {SUSPICION_SECONDS}s, and 0s switches it off"
            ),
        ));
    }
    if !has_time_to_look(t) {
        found.push(complaint(
            at,
            &["function.timeout"],
            format!(
                "looking into a suspicion for {suspicion} leaves no time for a fence, which may need {ROOM_SECONDS}s: the \
                 function's timeout is {timeout}"
            ),
            room_for(suspicion, timeout),
        ));
    }
}

/// What can be done about it: below a certain timeout no suspicion is short enough.
fn room_for(suspicion: Interval, timeout: Interval) -> String {
    let least = suspicion.seconds().saturating_add(ROOM_SECONDS);
    let longer =
        format!("make `function.timeout` {least}s or longer, and `alerting.groupInterval` longer than that");
    match timeout.seconds().checked_sub(ROOM_SECONDS) {
        Some(most) if most >= LEAST_SUSPICION_SECONDS => {
            format!("make `alerting.suspicion` at most {most}s, or 0s, which switches it off; or {longer}")
        }
        _ => format!("make `alerting.suspicion` 0s, which switches it off; or {longer}"),
    }
}

pub(super) fn intervals_can_work(t: &Topology, found: &mut Vec<Clash>) {
    let alerting = &t.alerting;
    let zero = Interval::from_seconds(0);
    for (name, interval) in [
        ("groupInterval", alerting.group_interval),
        ("repeatInterval", alerting.repeat_interval),
        ("scrapeInterval", alerting.scrape_interval),
        ("evaluationInterval", alerting.evaluation_interval),
    ] {
        if interval == zero {
            found.push(complaint(
                format!("alerting.{name}"),
                &[],
                format!("`{name}` cannot be zero"),
                "leave it out for the default",
            ));
        }
    }
    if alerting.repeat_interval < alerting.group_interval {
        found.push(complaint(
            "alerting.repeatInterval",
            &["alerting.groupInterval"],
            format!(
                "repeatInterval ({}) is shorter than groupInterval ({}), so nothing is repeated that often",
                alerting.repeat_interval, alerting.group_interval
            ),
            "make it a multiple of groupInterval",
        ));
    }
    if alerting.pending < alerting.scrape_interval {
        found.push(complaint(
            "alerting.for",
            &["alerting.scrapeInterval"],
            format!(
                "the alert would fire on a single reading: `for` is {}, the series are read every {}",
                alerting.pending, alerting.scrape_interval
            ),
            "a pod that becomes a relay node shows the other site as gone for a moment; make `for` at least 10s",
        ));
    }
    // Prometheus forgets a series after five minutes without a reading; two readings must fit.
    let longest = Interval::from_seconds(120);
    for (name, interval) in [
        ("scrapeInterval", alerting.scrape_interval),
        ("evaluationInterval", alerting.evaluation_interval),
    ] {
        if interval > longest {
            found.push(complaint(
                format!("alerting.{name}"),
                &[],
                format!("`{name}` is {interval}; Prometheus forgets a series after 5m without a reading"),
                format!("at most {longest}; the default is 5s"),
            ));
        }
    }
    let hour = Interval::from_seconds(3_600);
    let usual = Alerting::default();
    for (name, interval, usual) in [
        ("for", alerting.pending, usual.pending),
        ("groupWait", alerting.group_wait, usual.group_wait),
        ("groupInterval", alerting.group_interval, usual.group_interval),
    ] {
        if interval > hour {
            found.push(complaint(
                format!("alerting.{name}"),
                &[],
                format!("`{name}` is {interval}: a lost site would stay in the accelerator that long"),
                format!("at most {hour}; the default is {usual}"),
            ));
        }
    }
    let day = Interval::from_seconds(86_400);
    if t.register.cooldown > day {
        found.push(complaint(
            "register.cooldown",
            &[],
            format!(
                "after a rejoin no site would be fenced for {}",
                t.register.cooldown
            ),
            "at most 1d; the default is none",
        ));
    }
    if t.notify.hold_after < Interval::from_seconds(60)
        || t.notify.hold_after > Interval::from_seconds(7 * 86_400)
    {
        found.push(complaint(
            "notify.holdAfter",
            &[],
            format!("`holdAfter` is {}", t.notify.hold_after),
            "between 1m and 7d; the default is 1h",
        ));
    }
    let remind_after = t.drill.remind_after;
    if remind_after != Interval::from_seconds(0)
        && !(Interval::from_seconds(86_400)..=Interval::from_seconds(366 * 86_400)).contains(&remind_after)
    {
        found.push(complaint(
            "drill.remindAfter",
            &[],
            format!("`remindAfter` is {remind_after}"),
            "between 1d and 366d, or 0s for no reminder; the default is 30d",
        ));
    }
}

pub(super) fn failure_detection_can_work(t: &Topology, found: &mut Vec<Clash>) {
    for (index, site) in t.sites.iter().enumerate() {
        let Some(detection) = site.infinispan.failure_detection else {
            continue;
        };
        if detection.interval == Interval::from_seconds(0) || detection.timeout <= detection.interval {
            found.push(complaint(
                format!("sites[{index}].infinispan.failureDetection"),
                &[],
                format!(
                    "with a heartbeat every {} and a timeout of {}, every site would be suspected all the time",
                    detection.interval, detection.timeout
                ),
                "use the values of the Infinispan custom resource; Keycloak's guide has 2s and 15s",
            ));
        }
    }
}

pub(super) fn relay_nodes_are_as_infinispan_has_them(t: &Topology, found: &mut Vec<Clash>) {
    for (index, site) in t.sites.iter().enumerate() {
        if site.infinispan.relay_nodes == Some(0) {
            found.push(complaint(
                format!("sites[{index}].infinispan.relayNodes"),
                &[],
                "without a relay node nobody at the site knows whether the other one is there",
                "the Infinispan operator's default is 1; leave it out, and `plan` reads it from the cluster",
            ));
        }
        let Some(heartbeats) = site.infinispan.heartbeats else {
            continue;
        };
        if heartbeats.interval == Interval::from_seconds(0) || heartbeats.timeout <= heartbeats.interval {
            found.push(complaint(
                format!("sites[{index}].infinispan.heartbeats"),
                &[],
                format!(
                    "with a heartbeat every {} and a timeout of {}, every connection would be given up all the time",
                    heartbeats.interval, heartbeats.timeout
                ),
                "use the values of the Infinispan custom resource, which are milliseconds there; the operator's \
                 default is 10s and 30s",
            ));
        }
    }
}

pub(super) fn timeout_is_one_lambda_takes(t: &Topology, found: &mut Vec<Clash>) {
    let timeout = t.function.timeout;
    if !(5..=120).contains(&timeout.seconds()) {
        found.push(complaint(
            "function.timeout",
            &[],
            format!("the function's timeout is {timeout}"),
            "between 5s, so that two calls to AWS and one repetition fit, and 2m; the default is 15s",
        ));
    }
}

pub(super) fn claim_can_be_renewed(t: &Topology, found: &mut Vec<Clash>) {
    let interval = t.claim.renew_interval;
    if interval.seconds() == 0 || interval >= t.function.timeout {
        found.push(complaint(
            "claim.renewInterval",
            &["function.timeout"],
            format!(
                "a claim that is renewed every {interval} is not renewed within the function's {}",
                t.function.timeout
            ),
            "make it at least 1s and shorter than `function.timeout`; the default is 5s",
        ));
    }
}
