//! A world in memory, on tokio's paused clock: what the function does to it is exact, and takes no time.

mod lookout;
pub(crate) mod server;

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fencing::accelerator::{Endpoint, EndpointConfig, Group, Health, Reading};
use fencing::answer::{Answer, Cause, Notice};
use fencing::health::{Kept, Probe, Seen};
use fencing::metrics::Measured;
use fencing::register::Record;
use fencing::register::near::NearMisses;
use fencing::rehearsal::SplitBrain;
use fencing::replication::{Backup, CacheFailure, CachePush, Push, View};
use fencing::step::{Call, Event, Fault, Written};
use fencing::words::{Reporter, Rev, SiteName};
use function::event;
use function::handler::{Handler, Invocation, Reply};
use function::moment::Moment;
use function::world::World;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::Instant;

pub(crate) const PASSWORD: &str = "s3cret%40";
pub(crate) const HEALTH_SECRET: &str = "0123456789abcdefghijABCDEFGHIJ0123456789";

/// Two zones of one Region: one endpoint group holds both sites.
pub(crate) use fencing::settings::sample::{ACCELERATOR, GROUP, SITES, balancer, settings, site};

/// What each call takes.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(10);

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// It fails and has no effect.
    Fails,
    /// It takes effect and its reply is lost.
    LosesReply,
    /// It never answers and has no effect.
    Hangs,
    /// It takes effect and never answers.
    HangsAfter,
    /// It takes effect and answers after so many seconds.
    Dawdles(u64),
}

type Matches = fn(&Call) -> bool;

pub(crate) type Sees = fn(&Probe) -> bool;

/// What comes of a look instead.
#[derive(Debug, Clone)]
pub(crate) enum Sight {
    Of(Seen),
    Fault(&'static str),
    Hangs,
}

/// The state of the world in memory.
pub(crate) struct State {
    pub(crate) record: Option<Record>,
    pub(crate) groups: Vec<Group>,
    pub(crate) backups: BTreeMap<SiteName, Backup>,
    /// What each cache's push status is, at either site.
    pub(crate) pushed: Push,
    pub(crate) views: BTreeMap<SiteName, View>,
    /// When a site's node was started anew.
    pub(crate) started: BTreeMap<SiteName, Duration>,
    pub(crate) near: BTreeMap<SiteName, NearMisses>,
    pub(crate) near_fails: bool,
    /// A second relay node has not noticed the loss.
    pub(crate) another_sees: bool,
    /// What the next take-offline answers inside its 200, without taking effect.
    pub(crate) switch_failures: Vec<CacheFailure>,
    pub(crate) secret: Result<String, String>,
    pub(crate) secret_reads: u32,
    pub(crate) health_secret: Result<String, String>,
    pub(crate) health_secret_reads: u32,
    pub(crate) stamp_fails: bool,
    pub(crate) tell_hangs: bool,
    /// Every call, when it began.
    pub(crate) calls: Vec<(Duration, Call)>,
    /// Every write that took effect, when.
    pub(crate) effects: Vec<(Duration, Call)>,
    pub(crate) mishaps: Vec<(Matches, Mishap, u32)>,
    pub(crate) history: Vec<Record>,
    pub(crate) stamps: Vec<Reporter>,
    pub(crate) stamped: BTreeMap<SiteName, Timestamp>,
    /// Every look, when it began.
    pub(crate) looks: Vec<(Duration, Probe)>,
    /// Looks that do not see what is there.
    pub(crate) sights: Vec<(Sees, Sight)>,
    pub(crate) kept: Kept,
    pub(crate) drilled: Option<SplitBrain>,
    /// What each site's caches hold; a site that is not there does not answer.
    pub(crate) entries: BTreeMap<SiteName, BTreeMap<String, function::losses::Keys>>,
    pub(crate) keys_hang: bool,
    pub(crate) keep_fails: bool,
    measured: Vec<Measured>,
    /// What was measured, invocation by invocation.
    pub(crate) published: Vec<Vec<Measured>>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) mark: fencing::accelerator::Mark,
    pub(crate) reached: Option<fencing::accelerator::Reached>,
    pub(crate) settled: u32,
    pub(crate) wall_offset: jiff::SignedDuration,
}

pub(crate) struct Memory {
    pub(crate) state: Mutex<State>,
    began: Instant,
}

fn endpoint(name: &str) -> Endpoint {
    Endpoint {
        config: EndpointConfig {
            id: balancer(name),
            weight: Some(if name == "site-a" { 128 } else { 64 }),
            client_ip_preservation: Some(true),
        },
        health: Health::Healthy,
    }
}

fn view(own: &str, seen: &[&str]) -> View {
    View {
        relay_node: true,
        node_address: "n1".to_owned(),
        relay_nodes_address: vec!["n1".to_owned()],
        local_site: own.to_owned(),
        sites_view: seen.iter().map(|site| (*site).to_owned()).collect(),
    }
}

impl Memory {
    /// Both sites serve, the link between them is lost, nobody has decided anything.
    pub(crate) fn split() -> Self {
        Self {
            began: Instant::now(),
            state: Mutex::new(State {
                record: None,
                groups: vec![Group {
                    arn: GROUP.to_owned(),
                    endpoints: vec![endpoint("site-a"), endpoint("site-b")],
                    closed: false,
                }],
                backups: [(site("site-a"), Backup::Online), (site("site-b"), Backup::Online)].into(),
                pushed: Push::Idle,
                views: [
                    (site("site-a"), view("site-a", &["site-a"])),
                    (site("site-b"), view("site-b", &["site-b"])),
                ]
                .into(),
                started: BTreeMap::new(),
                near: BTreeMap::new(),
                near_fails: false,
                another_sees: false,
                switch_failures: Vec::new(),
                secret: Ok(PASSWORD.to_owned()),
                secret_reads: 0,
                health_secret: Ok(HEALTH_SECRET.to_owned()),
                health_secret_reads: 0,
                stamp_fails: false,
                tell_hangs: false,
                calls: Vec::new(),
                effects: Vec::new(),
                mishaps: Vec::new(),
                history: Vec::new(),
                stamps: Vec::new(),
                stamped: BTreeMap::new(),
                looks: Vec::new(),
                sights: Vec::new(),
                kept: Kept::default(),
                drilled: None,
                entries: BTreeMap::new(),
                keys_hang: false,
                keep_fails: false,
                measured: Vec::new(),
                published: Vec::new(),
                notices: Vec::new(),
                mark: fencing::accelerator::Mark::Names(settings().found.owner),
                reached: None,
                settled: 0,
                wall_offset: jiff::SignedDuration::ZERO,
            }),
        }
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap())
    }

    /// Lets the next `times` matching calls go wrong.
    pub(crate) fn mishap(&self, matches: Matches, mishap: Mishap, times: u32) {
        self.with(|state| state.mishaps.push((matches, mishap, times)));
    }

    /// The link is whole again.
    pub(crate) fn heal(&self) {
        self.with(|state| {
            for (own, other) in [("site-a", "site-b"), ("site-b", "site-a")] {
                state.views.insert(site(own), view(own, &[own, other]));
            }
        });
    }

    /// And lost again.
    pub(crate) fn lose(&self) {
        self.with(|state| {
            for (own, view) in &mut state.views {
                view.sites_view = vec![own.to_string()];
            }
        });
    }

    /// Each site has another relay node, which nobody meets.
    pub(crate) fn second_relay_nodes(&self) {
        self.with(|state| {
            for view in state.views.values_mut() {
                view.relay_nodes_address.push("n8".to_owned());
            }
        });
    }

    /// Another node of a site is its relay node from now on; until it has joined the bridge it shows no other site.
    pub(crate) fn replace_relay(&self, own: &str, node: &str) {
        let fresh = View {
            node_address: node.to_owned(),
            relay_nodes_address: vec![node.to_owned()],
            ..view(own, &[own])
        };
        self.with(|state| state.views.insert(site(own), fresh));
    }

    pub(crate) fn put_back(&self, name: &str) {
        self.with(|state| state.groups[0].endpoints.push(endpoint(name)));
    }

    pub(crate) fn take_out(&self, name: &str) {
        self.with(|state| {
            state.groups[0]
                .endpoints
                .retain(|e| e.config.id != balancer(name));
        });
    }

    pub(crate) fn endpoints(&self) -> Vec<String> {
        self.with(|state| {
            let mut ids: Vec<String> = state.groups[0]
                .endpoints
                .iter()
                .map(|e| e.config.id.clone())
                .collect();
            ids.sort();
            ids
        })
    }

    pub(crate) fn backup(&self, at: &str) -> Backup {
        self.with(|state| state.backups[&site(at)])
    }

    /// People let a site replicate again, by pushing its state.
    pub(crate) fn push_by_hand(&self, at: &str) {
        self.with(|state| {
            state.backups.insert(site(at), Backup::Online);
            state.pushed = Push::Ok;
        });
    }

    pub(crate) fn call_count(&self) -> usize {
        self.with(|state| state.calls.len())
    }

    pub(crate) fn effect_count(&self) -> usize {
        self.with(|state| state.effects.len())
    }

    pub(crate) fn causes(&self) -> Vec<Cause> {
        self.with(|state| state.notices.iter().map(|notice| notice.cause).collect())
    }

    pub(crate) fn moment_of_wall(&self) -> Timestamp {
        self.moment().wall
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Carries a call out on the state.
fn effect(state: &mut State, call: &Call, uptime: Duration) -> Event {
    let before = state.effects.len();
    let event = match call {
        Call::ReadRegister => Event::Register(Ok(state.record.clone().map(Box::new))),
        Call::WriteRegister { expect, record } => {
            let there = state.record.as_ref().map_or(Rev(0), |record| record.rev);
            if there == *expect {
                state.record = Some((**record).clone());
                state.effects.push((uptime, call.clone()));
                Event::Written(Written::Stored)
            } else {
                Event::Written(Written::Lost(state.record.clone().map(Box::new)))
            }
        }
        Call::ReadAccelerator => Event::Accelerator(Ok(Reading {
            groups: state.groups.clone(),
            mark: state.mark.clone(),
            reached: state.reached,
        })),
        Call::NoteReached(reached) => {
            state.reached = Some(*reached);
            Event::Done(Ok(()))
        }
        Call::ReadMark => {
            let checkup = state.kept.checkup.as_ref();
            Event::Marked(Ok(checkup.and_then(|checkup| checkup.marked.clone())))
        }
        Call::ReadWitnesses => {
            let checkup = state.kept.checkup.as_ref();
            Event::Witnesses(Ok(checkup.map_or_else(BTreeMap::new, |it| it.witnesses.clone())))
        }
        Call::ReadAge { at, node } if state.views[at].node_address != *node => call.failed("it is gone"),
        Call::ReadAge { at, .. } => {
            let running = state.started.get(at).map(|started| (uptime - *started).as_secs());
            Event::Age(Ok(Some(running.unwrap_or(86_400))))
        }
        Call::WriteGroup(outcome) => {
            let group = state
                .groups
                .iter_mut()
                .find(|group| group.arn == outcome.arn)
                .unwrap();
            group.closed &= !outcome.opens;
            let old = std::mem::take(&mut group.endpoints);
            group.endpoints = outcome
                .endpoints
                .iter()
                .map(|config| Endpoint {
                    config: config.clone(),
                    health: old
                        .iter()
                        .find(|e| e.config.id == config.id)
                        .map_or(Health::Initial, |e| e.health),
                })
                .collect();
            state.effects.push((uptime, call.clone()));
            Event::Group(Ok(group.clone()))
        }
        Call::ReadView { at } => {
            let primary = state.views[at].clone();
            let other = View {
                node_address: "n8".to_owned(),
                sites_view: SITES.map(str::to_owned).into(),
                ..primary.clone()
            };
            let other = state.another_sees.then_some(other);
            Event::Views(Ok([primary].into_iter().chain(other).collect()))
        }
        Call::TakeOffline { at, .. } | Call::BringOnline { at, .. } => {
            let failures = std::mem::take(&mut state.switch_failures);
            if failures.is_empty() {
                let offline = matches!(call, Call::TakeOffline { .. });
                let status = if offline { Backup::Offline } else { Backup::Online };
                state.backups.insert(at.clone(), status);
                state.effects.push((uptime, call.clone()));
            }
            Event::Switched(Ok(failures))
        }
        Call::ReadBackup { at, .. } => Event::Backup(Ok(state.backups[at])),
        Call::ReadPushes { .. } => Event::Pushes(Ok(vec![CachePush {
            cache: "work".to_owned(),
            push: state.pushed,
        }])),
        Call::Pause { .. } | Call::Wait { .. } => Event::Passed,
        Call::StartPush { .. } | Call::CancelReceive { .. } => Event::Switched(Ok(Vec::new())),
        Call::CancelPush { .. } => {
            if state.pushed == Push::Sending {
                state.pushed = Push::Cancelled;
            }
            Event::Switched(Ok(Vec::new()))
        }
        Call::ClearPushes { .. } => {
            // One that is under way is not forgotten.
            if state.pushed != Push::Sending {
                state.pushed = Push::Idle;
            }
            Event::Done(Ok(()))
        }
        Call::ClearCache { .. } => Event::Done(Ok(())),
    };
    debug_assert!(state.effects.len() <= before + 1);
    event
}

impl World for &Memory {
    fn moment(&self) -> Moment {
        let uptime = self.began.elapsed();
        let base: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        Moment {
            wall: base + uptime + self.with(|state| state.wall_offset),
            uptime,
        }
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn call(&self, call: &Call) -> Event {
        let uptime = self.uptime();
        let mishap = self.with(|state| {
            state.calls.push((uptime, call.clone()));
            let found = state
                .mishaps
                .iter_mut()
                .find(|(matches, _, times)| *times > 0 && matches(call))?;
            found.2 -= 1;
            Some(found.1)
        });
        tokio::time::sleep(ROUND_TRIP).await;
        let uptime = self.uptime();
        match mishap {
            None => self.with(|state| effect(state, call, uptime)),
            Some(Mishap::Fails) => call.failed("out of order"),
            Some(Mishap::LosesReply) => {
                self.with(|state| effect(state, call, uptime));
                call.failed("the reply was lost")
            }
            Some(Mishap::Hangs) => pending().await,
            Some(Mishap::Dawdles(seconds)) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                let uptime = self.uptime();
                self.with(|state| effect(state, call, uptime))
            }
            Some(Mishap::HangsAfter) => {
                self.with(|state| effect(state, call, uptime));
                pending().await
            }
        }
    }

    async fn webhook_secret(&self) -> Result<SecretString, Fault> {
        tokio::time::sleep(ROUND_TRIP).await;
        self.with(|state| {
            state.secret_reads += 1;
            state.secret.clone()
        })
        .map(SecretString::from)
        .map_err(|what| Fault {
            whom: "the webhook's secret".to_owned(),
            what,
        })
    }

    async fn stamp(&self, reporter: &Reporter) -> Result<(), Fault> {
        tokio::time::sleep(ROUND_TRIP).await;
        let now = self.moment().wall;
        self.with(|state| {
            if state.stamp_fails {
                return Err(Fault {
                    whom: "the register".to_owned(),
                    what: "out of order".to_owned(),
                });
            }
            state.stamps.push(reporter.clone());
            state.stamped.insert(reporter.0.clone(), now);
            Ok(())
        })
    }

    async fn chronicle(&self, record: &Record) {
        tokio::time::sleep(ROUND_TRIP).await;
        self.with(|state| state.history.push(record.clone()));
    }

    async fn tell(&self, notice: &Notice, _: Option<&Record>) {
        if self.with(|state| state.tell_hangs) {
            pending::<()>().await;
        }
        tokio::time::sleep(ROUND_TRIP).await;
        self.with(|state| state.notices.push(notice.clone()));
    }

    async fn settle(&self) {
        self.with(|state| state.settled += 1);
    }
}

/// An event as the Function URL makes it.
pub(crate) fn post(user: &str, password: &str, body: &str) -> Value {
    json!({
        "version": "2.0", "rawPath": "/webhook", "rawQueryString": "",
        "headers": {
            "content-type": "application/json",
            "authorization": format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
        },
        "requestContext": {"http": {"method": "POST", "path": "/webhook"}},
        "body": body, "isBase64Encoded": false,
    })
}

pub(crate) fn alert(status: &str, reporter: &str, suspect: &str) -> Value {
    json!({
        "status": status,
        "labels": {
            "alertname": "SiteOffline", "topology": "keycloak-test", "reporter": reporter, "site": suspect,
        },
        "annotations": {}, "startsAt": "2026-11-21T10:00:00Z", "fingerprint": "c0ffee",
    })
}

pub(crate) fn payload(status: &str, alerts: &[Value]) -> String {
    json!({ "version": "4", "status": status, "alerts": alerts, "truncatedAlerts": 0 }).to_string()
}

/// A genuine delivery of one firing alert.
pub(crate) fn accusation(reporter: &str, suspect: &str) -> Value {
    post(
        "keycloak",
        PASSWORD,
        &payload("firing", &[alert("firing", reporter, suspect)]),
    )
}

/// The health question as the Function URL makes it.
pub(crate) fn get(path: &str) -> Value {
    json!({
        "version": "2.0", "rawPath": path, "rawQueryString": "", "headers": {"user-agent": "Amazon-Route53-Health-Check-Service"},
        "requestContext": {"http": {"method": "GET", "path": path}}, "isBase64Encoded": false,
    })
}

/// What an invocation gave back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// One invocation, with Lambda's deadline.
pub(crate) async fn invoke(handler: &Handler<&Memory>, event: Value) -> Told {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let invocation = Invocation {
        request_id: format!("request-{number}"),
        deadline: handler.world().moment().wall + Duration::from_secs(15),
    };
    match handler
        .handle(event::Incoming::read(event).unwrap(), &invocation)
        .await
    {
        Reply::Web { status, body, .. } => Told { status, body },
        Reply::Answer(answer) => Told {
            status: answer.status.http(),
            body: answer.sentence,
        },
    }
}

/// A handler whose process has started well.
/// What comes by name is answered with all that a command reads.
pub(crate) async fn answered(handler: &Handler<&Memory>, event: Value) -> Answer {
    let invocation = Invocation {
        request_id: "a command".to_owned(),
        deadline: handler.world().moment().wall + Duration::from_secs(15),
    };
    let event = event::Incoming::read(event).unwrap();
    match handler.handle(event, &invocation).await {
        Reply::Answer(answer) => answer,
        web @ Reply::Web { .. } => unreachable!("{web:?}"),
    }
}

pub(crate) async fn ready(world: &Memory) -> Handler<&Memory> {
    let handler = Handler::new(settings(), world);
    handler.prepare().await;
    handler
}

pub(crate) async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}
