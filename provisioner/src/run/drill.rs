//! `drill`: rehearsals that touch nobody's traffic.

use fencing::contract::{Envelope, alert, label};
use fencing::health::Drill;
use fencing::rehearsal::Rehearsal;
use jiff::Timestamp;
use secrecy::SecretSlice;
use serde_json::{Value, json};

use super::learned::Learned;
use super::operate;
use super::webhook::WebhookValues;
use super::{Failure, Session, observe};
use crate::report::{self, Operated, Rehearsed};
use crate::topology::names::{PASSWORD_KEY, USERNAME_KEY};
use crate::topology::{Interval, Region, Site, Topology};
use crate::world::webhook::{Posted, WebhookClient};

/// The most of an answer that is shown where it is not understood.
const SHOWN: usize = 200;

/// Rehearses the loss of each site, by the function of each Region: an alert as Alertmanager posts it, to the same
/// address with the same credentials, that the function judges and does nothing about.
pub async fn rehearse(session: &Session, topology: &Topology) -> Result<Vec<Rehearsed>, Failure> {
    let values = WebhookValues::now(session, topology, &Learned::default()).await?;
    let webhook = WebhookClient::new(&session.aws);
    let mut rehearsed = Vec::new();
    for (key, region) in topology.url_keys() {
        for reporter in &topology.sites {
            session.interrupt.check()?;
            let payload = payload(topology, reporter, Timestamp::now()).to_string();
            let value = |key: &str| values.values.get(key).cloned();
            let (Some(url), Some(user), Some(password)) =
                (value(&key), value(USERNAME_KEY), value(PASSWORD_KEY))
            else {
                // `now` has made sure of all three.
                continue;
            };
            let posted = post(&webhook, &region, [&url, &user, &password], payload).await?;
            rehearsed.push(understood(&values, region.clone(), &posted)?);
        }
    }
    Ok(rehearsed)
}

async fn post(
    webhook: &WebhookClient,
    region: &Region,
    [url, user, password]: [&SecretSlice<u8>; 3],
    payload: String,
) -> Result<Posted, Failure> {
    let posted = webhook.post(url, user, password, payload).await;
    posted.map_err(|error| Failure::Unposted {
        region: region.clone(),
        reason: error.to_string(),
    })
}

fn understood(values: &WebhookValues, region: Region, posted: &Posted) -> Result<Rehearsed, Failure> {
    let rehearsal = match posted.status {
        200 => serde_json::from_str::<Rehearsal>(&posted.body).ok(),
        _ => None,
    };
    match rehearsal {
        Some(rehearsal) => Ok(Rehearsed {
            region,
            round_trip_ms: u64::try_from(posted.took.as_millis()).unwrap_or(u64::MAX),
            rehearsal,
        }),
        None => Err(Failure::NotRehearsed {
            region,
            status: posted.status,
            said: values.scrubbed(&shown(&posted.body)),
        }),
    }
}

/// The beginning of an answer, on one line.
fn shown(body: &str) -> String {
    let words: Vec<&str> = body.split_whitespace().collect();
    let text: String = words
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .take(SHOWN)
        .collect();
    if text.is_empty() {
        "nothing".to_owned()
    } else {
        text
    }
}

/// The payload of a rehearsed alert, with the labels that the rules of this site give in earnest.
fn payload(topology: &Topology, reporter: &Site, now: Timestamp) -> Value {
    let suspect = &topology.peer_of(reporter).name;
    let labels = json!({
        "alertname": alert::REHEARSAL,
        "namespace": reporter.namespace,
        "severity": "none",
        (label::TOPOLOGY): topology.name,
        (label::REPORTER): reporter.name,
        (label::SITE): suspect,
    });
    json!({
        "version": "4",
        "status": "firing",
        "receiver": "drill",
        "groupKey": "drill",
        "groupLabels": {},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "",
        "truncatedAlerts": 0,
        "alerts": [{
            "status": "firing",
            "labels": labels,
            "annotations": {},
            "startsAt": now.to_string(),
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "",
            "fingerprint": "0000000000000000",
        }],
    })
}

/// Lets the function of each Region answer health checks with a failure for a while: Route 53
/// asks each by itself. Where one does not, the rehearsal goes on in those before it, and that is said.
pub async fn fail_health(
    session: &Session,
    topology: &Topology,
    lasts: Interval,
) -> Result<Vec<Operated>, Failure> {
    let caller = observe::identity(session, topology).await?;
    let drill = Drill::FailHealth {
        by: caller.arn,
        seconds: lasts.seconds(),
    };
    let event = Envelope::Drill { task: drill }.event();
    let mut all = Vec::new();
    for region in &topology.regions {
        match by_name(session, topology, region, &event).await {
            Ok(operated) => all.push(operated),
            Err(failure) => {
                if !all.is_empty() {
                    session
                        .console
                        .say(&format!("stopped at {region}; the Regions before it said:"));
                    session.console.say(report::drilled_text(&all).trim_end());
                }
                return Err(failure);
            }
        }
    }
    Ok(all)
}

async fn by_name(
    session: &Session,
    topology: &Topology,
    region: &Region,
    event: &Value,
) -> Result<Operated, Failure> {
    let operated = operate::ask(session, topology, region, event).await?;
    let operated = operated.ok_or_else(|| Failure::NotDeployed {
        function: topology.function_name(),
        regions: vec![region.clone()],
    })?;
    operated.done()
}
