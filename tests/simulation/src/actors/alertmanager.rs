//! One site's monitoring: Prometheus sees that the other site is lost, Alertmanager delivers until it is told
//! that all is well.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fencing::words::{Reporter, Suspect};
use function::handler::Reply;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Stage;
use crate::fleet::wall_of;
use crate::layout::USER;
use crate::watcher::Kind;

/// From the lost link to the first delivery, at the least: suspicion, scrape, evaluation, `for`, groupWait.
const FIRST: u64 = 20;
/// So long an alert goes on firing when its reason is gone: the next scrape and evaluation end it.
const LINGERS: Duration = Duration::from_secs(12);
/// How often the alert is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// A delivery that was refused is made again after this.
const GROUP_INTERVAL: Duration = Duration::from_secs(20);
/// One that was accepted, after this.
const REPEAT_INTERVAL: Duration = Duration::from_secs(300);

/// A request as the Function URL hands it on.
pub(crate) fn post(user: &str, password: &str, alerts: &[Value]) -> Value {
    let body = json!({ "version": "4", "status": "firing", "alerts": alerts, "truncatedAlerts": 0 });
    json!({
        "version": "2.0", "rawPath": "/webhook",
        "headers": {"authorization": format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))},
        "requestContext": {"http": {"method": "POST"}},
        "body": body.to_string(), "isBase64Encoded": false,
    })
}

pub(crate) fn alert(name: &str, status: &str, reporter: &str, suspect: &str) -> Value {
    json!({
        "status": status,
        "labels": {"alertname": name, "topology": "keycloak-test", "reporter": reporter, "site": suspect},
    })
}

/// The status, where there was a reply at all.
fn status(reply: Option<&Reply>) -> u16 {
    match reply {
        Some(Reply::Web { status, .. }) => *status,
        Some(Reply::Answer(answer)) => answer.status.http(),
        // The connection broke.
        None => 502,
    }
}

/// A scrape and an evaluation of the suspicion's rule, at the least and at the most.
const SUSPECTS: (u64, u64) = (1, 10);

/// The other rule of that site's Prometheus: as soon as its primary relay node is seen without the other site. Its clock
/// may be wrong.
pub async fn suspicious(stage: Stage, index: usize, region: usize, clock: SignedDuration) {
    let (own, other) = {
        let core = stage.sim.core();
        (
            core.reality.name(index).clone(),
            core.reality.name(1 - index).clone(),
        )
    };
    let misses = || {
        let core = stage.sim.core();
        let (_, joined) = core.reality.instance(index);
        core.reality.sites[index].alive && !(joined && core.reality.sees_other(index))
    };
    let wall = || {
        wall_of(stage.sim.clock.now())
            .saturating_add(clock)
            .unwrap_or(Timestamp::MAX)
    };
    loop {
        let (least, most) = SUSPECTS;
        let next = stage.sim.core().dice.seconds(least, most);
        stage.sim.sleep(next).await;
        if !misses() {
            continue;
        }
        let since = wall();
        let deliver = async |state: &str, until: Option<Timestamp>| {
            let password = stage.sim.core().reality.password.clone();
            let mut alert = alert("SiteSuspected", state, own.as_str(), other.as_str());
            alert["startsAt"] = json!(since.to_string());
            alert["endsAt"] = json!(until.map(|until| until.to_string()));
            let kind = match until {
                None => Kind::Suspicion(Reporter(own.clone()), Suspect(other.clone())),
                Some(_) => Kind::Harmless,
            };
            let reply = stage
                .fleet
                .invoke(region, kind, post(USER, &password, &[alert]))
                .await;
            status(reply.as_ref())
        };
        let mut backoff = Duration::from_millis(500);
        while deliver("firing", None).await >= 500 && misses() {
            stage.sim.sleep(backoff).await;
            backoff = backoff * 3 / 2;
        }
        while misses() {
            stage.sim.sleep(LOOK).await;
        }
        if stage.sim.core().reality.sites[index].alive {
            deliver("resolved", Some(wall())).await;
        }
    }
}

/// Relay nodes are started anew, and take each other's places: rolling updates, pods that move. Each shows no other site
/// until it has joined the bridge.
pub async fn relay_nodes(stage: Stage) {
    while !stage.calm() {
        stage.sim.pause(20, 150).await;
        let joins = {
            let now = stage.sim.clock.now();
            let mut core = stage.sim.core();
            let index = core.dice.below(2) as usize;
            let anew = core.dice.permille(500);
            let relay = &mut core.reality.sites[index].relay;
            if anew {
                relay.restart(now);
            } else {
                relay.hand_over();
            }
            core.dice.seconds(6, 15)
        };
        stage.note(|| "       a relay node is new".to_owned());
        stage.sim.sleep(joins).await;
        for site in &mut stage.sim.core().reality.sites {
            site.relay.join();
        }
    }
}

/// Alertmanager of the site with this index, posting to one Region's URL.
pub async fn alertmanager(stage: Stage, index: usize, region: usize) {
    let (own, other) = {
        let core = stage.sim.core();
        (
            core.reality.name(index).clone(),
            core.reality.name(1 - index).clone(),
        )
    };
    let lost_at = std::cell::Cell::new(None);
    let fires = || {
        let now = stage.sim.clock.now();
        let core = stage.sim.core();
        if !core.reality.sees_other(index) {
            lost_at.set(Some(now));
        }
        let lately = lost_at.get().is_some_and(|at| now < at + LINGERS);
        core.reality.sites[index].alive && lately
    };
    let deliver = async |state: &str| {
        let password = stage.sim.core().reality.password.clone();
        let firing = state == "firing";
        let mut alerts = vec![alert("SiteOffline", state, own.as_str(), other.as_str())];
        let kind = if firing {
            Kind::Alert(Reporter(own.clone()), Suspect(other.clone()))
        } else {
            // The watchdog comes along.
            alerts.push(alert(
                "FencingPathWatchdog",
                "firing",
                own.as_str(),
                other.as_str(),
            ));
            Kind::Harmless
        };
        let request = post(USER, &password, &alerts);
        let reply = stage.fleet.invoke(region, kind, request).await;
        status(reply.as_ref())
    };
    loop {
        // Wait until it has been lost for so long.
        let patience = stage.sim.core().dice.seconds(FIRST, FIRST + 10);
        let mut lost = Duration::ZERO;
        while lost < patience {
            stage.sim.sleep(LOOK).await;
            lost = if fires() { lost + LOOK } else { Duration::ZERO };
        }
        while fires() {
            // One flush.
            let began = stage.sim.clock.now();
            let mut backoff = Duration::from_millis(500);
            let mut answered = deliver("firing").await;
            while answered >= 500 && stage.sim.clock.now() - began < GROUP_INTERVAL && fires() {
                stage.sim.sleep(backoff).await;
                backoff = backoff * 3 / 2;
                answered = deliver("firing").await;
            }
            let until = began
                + if answered < 300 {
                    REPEAT_INTERVAL
                } else {
                    GROUP_INTERVAL
                };
            while fires() && stage.sim.clock.now() < until {
                stage.sim.sleep(LOOK).await;
            }
        }
        if stage.sim.core().reality.sites[index].alive {
            let _ = deliver("resolved").await;
        }
    }
}
