//! One site's monitoring: Prometheus sees that the other site is lost, Alertmanager delivers until it is told
//! that all is well.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fencing::words::{Reporter, Suspect};
use function::handler::Reply;
use serde_json::{Value, json};

use super::Stage;
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
