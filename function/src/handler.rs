//! One invocation from event to reply, and what the process remembers between two of them.
//!
//! A Lambda process serves one invocation after the other. What it keeps is worth little and costs little
//! when lost: the digests of what callers present, the refusals of the last seconds, since when the
//! register waits. None of it is evidence: every decision reads the world again.

mod health;
mod suspicions;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, mem};

use fencing::answer::{Answer, Cause, Notice, Status};
use fencing::contract::alert::LEFT;
use fencing::credentials::{Credentials, ENDS_A_LINE};
use fencing::health::LastFailure;
use fencing::metrics::{Measured, Metric};
use fencing::settings::Settings;
use fencing::step::{Fault, Task};
use fencing::words::Reporter;
use futures_util::future::{Either, join, join_all, select};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::credentials::{self, Expected, Key};
use crate::event::{Incoming, Request};
use crate::moment::Moment;
use crate::recent::Recent;
use crate::rehearse;
use crate::remembered::Remembered;
use crate::run::{Budget, Ran, milliseconds, run};
use crate::waiting::Waiting;
use crate::webhook::{self, Accusation, Authentic, Delivery, Foreign, Rejection, Route};
use crate::world::Lookout;

/// The longest a read of the secret may take.
const SECRET_LIMIT: Duration = Duration::from_secs(3);

/// Wrong credentials are logged at most this often, with their number.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// What Lambda says about an invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Names the invocation, in claims and in the log.
    pub request_id: String,
    /// When Lambda ends it.
    pub deadline: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Web {
        status: u16,
        headers: &'static [(&'static str, &'static str)],
        body: String,
    },
    /// To the schedule or an operator's command.
    Answer(Answer),
}

impl Reply {
    fn web(status: u16, body: impl Into<String>) -> Self {
        Self::Web {
            status,
            headers: &[],
            body: body.into(),
        }
    }

    /// As Lambda wants it: the Function URL's form, or the answer itself.
    pub fn into_json(self) -> Value {
        match self {
            Self::Web {
                status,
                headers,
                body,
            } => {
                let mut all = json!({
                    "content-type": "text/plain; charset=utf-8",
                    "cache-control": "no-store",
                });
                for (name, value) in headers {
                    all[*name] = json!(value);
                }
                json!({ "statusCode": status, "headers": all, "body": body, "isBase64Encoded": false })
            }
            Self::Answer(answer) => json!(answer),
        }
    }
}

pub struct Handler<W> {
    settings: Settings,
    world: W,
    memory: Mutex<Memory>,
    /// Held while the webhook's secret is read, so that who comes meanwhile waits for that and causes no further read.
    reading: futures_util::lock::Mutex<()>,
}

#[derive(Default)]
struct Memory {
    webhook: Remembered<Expected>,
    health: Remembered<Key>,
    recent: Recent,
    looked: suspicions::Looked,
    waiting: Waiting,
    turned_away: u32,
    complained: Option<Moment>,
    /// What could not be done since the last deep check, which keeps it.
    failed: Option<LastFailure>,
    /// How many invocations have begun.
    invocations: u64,
}

impl<W> fmt::Debug for Handler<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler")
            .field("topology", &self.settings.topology)
            .finish_non_exhaustive()
    }
}

impl<W: Lookout> Handler<W> {
    /// A handler that remembers nothing yet.
    pub fn new(settings: Settings, world: W) -> Self {
        Self {
            settings,
            world,
            memory: Mutex::default(),
            reading: futures_util::lock::Mutex::default(),
        }
    }

    /// The world it acts in.
    pub fn world(&self) -> &W {
        &self.world
    }

    /// Makes ready for the first event: reads the webhook's secret, without which nobody is served, and lets the world
    /// make ready what a fence would wait for. The health check's secret can wait for the first who asks. It may be
    /// dropped at any point; what is missing then is done when it is needed.
    pub async fn prepare(&self) {
        let secret = async {
            if let Err(fault) = self.read_webhook_secret().await {
                tracing::warn!(%fault, "the webhook's secret could not be read in advance");
            }
        };
        join(secret, self.world.prepare()).await;
    }

    pub async fn handle(&self, event: Incoming, invocation: &Invocation) -> Reply {
        self.memory().invocations += 1;
        let reply = self.serve(event, invocation).await;
        self.world.put_away();
        self.world.publish();
        reply
    }

    async fn serve(&self, event: Incoming, invocation: &Invocation) -> Reply {
        let budget = Budget::new(self.world.moment(), invocation.deadline, self.timeout());
        match event {
            Incoming::Web(request) => self.web(request, invocation, budget).await,
            Incoming::Sweep => {
                let waited = {
                    let now = self.world.moment().uptime;
                    self.memory().waiting.waited(now, self.timeout())
                };
                let ran = self.ran(Task::Sweep { waited }, invocation, budget).await;
                self.deep_check(ran.record, budget).await;
                Reply::Answer(ran.answer)
            }
            Incoming::Operate(task) => {
                let answer = self.task(task, invocation, budget).await;
                // A hold may have been lifted, a site may be back: the next alert is looked into.
                self.memory().recent.forget();
                Reply::Answer(answer)
            }
            Incoming::Drill(drill) => Reply::Answer(self.drill(&drill, budget).await),
            Incoming::Count { given_up, kept } => Reply::Answer(self.count(&given_up, &kept, budget).await),
        }
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.settings.timeout_seconds.into())
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // What is remembered is consistent after every statement, so a panic elsewhere has not harmed it.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn task(&self, task: Task, invocation: &Invocation, budget: Budget) -> Answer {
        self.ran(task, invocation, budget).await.answer
    }

    async fn ran(&self, task: Task, invocation: &Invocation, budget: Budget) -> Ran {
        let began = self.world.moment().uptime;
        let ran = run(&self.settings, &self.world, &invocation.request_id, task, budget).await;
        let now = self.world.moment().uptime;
        if let Some(sentence) = &ran.failure {
            self.memory().failed = Some(LastFailure {
                at: self.world.moment().wall,
                sentence: sentence.clone(),
            });
        }
        if let Some(record) = &ran.record {
            self.memory().waiting.saw(record.rev, record.waits(), now);
        }
        let took_ms = milliseconds(now.saturating_sub(began));
        tracing::info!(
            topology = %self.settings.topology,
            request_id = invocation.request_id,
            status = ran.answer.status.http(),
            took_ms,
            "{}",
            ran.answer.sentence
        );
        ran
    }

    async fn web(&self, request: Box<Request>, invocation: &Invocation, budget: Budget) -> Reply {
        match webhook::route(&request) {
            Ok(Route::Webhook) => {}
            Ok(Route::Health(given)) => return self.health(given, invocation, budget).await,
            Err(refusal) => return refused(&refusal),
        }
        let authentic = match self.authentic(request).await {
            Ok(authentic) => authentic,
            Err(reply) => return reply,
        };
        match authentic.read(&self.settings) {
            Ok(delivery) => self.deliver(delivery, invocation, budget).await,
            Err(refusal) => {
                tracing::warn!(
                    request_id = invocation.request_id,
                    status = refusal.http(),
                    "{refusal}"
                );
                refused(&refusal)
            }
        }
    }

    /// Does what a payload asks for; its answer is the worst of its parts.
    async fn deliver(&self, delivery: Delivery, invocation: &Invocation, budget: Budget) -> Reply {
        if let Some(rehearsed) = &delivery.rehearsed
            && delivery.accusations.is_empty()
            && delivery.watchdogs.is_empty()
        {
            return self.rehearsed(rehearsed, invocation, budget).await;
        }
        let mut answers: Vec<Answer> = Vec::new();
        for accusation in &delivery.accusations {
            let since = delivery.since.get(accusation).copied();
            answers.push(self.accusation(accusation, since, invocation, budget).await);
        }
        for (accusation, since) in &delivery.suspicions {
            // Where it is certain by now, the alert has been answered.
            if delivery.accusations.contains(accusation) {
                continue;
            }
            answers.push(if answers.is_empty() {
                self.suspicion(accusation, *since, invocation, budget).await
            } else {
                // Looking takes most of an invocation's time.
                let sentence = format!("{LEFT}: it came together with another report, which took too long");
                Answer::new(Status::Done, sentence)
            });
        }
        answers.extend(self.watchdogs(&delivery, budget).await);
        answers.extend(self.near_misses(&delivery, budget).await);
        answers.extend(self.foreign(&delivery, budget).await);
        if answers.is_empty() {
            answers.push(Answer::new(
                Status::Done,
                format!(
                    "there is nothing to do: {} resolved, {} of other names",
                    delivery.resolved, delivery.ignored
                ),
            ));
        }
        let status = answers.iter().map(|answer| answer.status).max();
        let body: Vec<String> = answers.into_iter().map(|answer| answer.sentence).collect();
        Reply::web(status.unwrap_or(Status::Done).http(), body.join("\n"))
    }

    /// Answers what an alert would lead to. It is measured by nobody and remembered nowhere.
    async fn rehearsed(
        &self,
        rehearsed: &Result<Accusation, Foreign>,
        invocation: &Invocation,
        budget: Budget,
    ) -> Reply {
        let accusation = match rehearsed {
            Ok(accusation) => accusation,
            Err(foreign) => {
                return Reply::web(
                    Status::Foreign.http(),
                    format!("the rehearsed alert is not for this deployment: {foreign}"),
                );
            }
        };
        let is_cold = self.memory().invocations == 1;
        let rehearsal = rehearse::rehearse(
            &self.settings,
            &self.world,
            &invocation.request_id,
            accusation,
            budget,
            is_cold,
        )
        .await;
        tracing::info!(
            topology = %self.settings.topology,
            request_id = invocation.request_id,
            took_ms = rehearsal.took_ms,
            "rehearsed, nothing is done: {}",
            rehearsal.sentence
        );
        Reply::Web {
            status: Status::Done.http(),
            headers: &[("content-type", "application/json")],
            body: json!(rehearsal).to_string(),
        }
    }

    async fn accusation(
        &self,
        accusation: &Accusation,
        since: Option<Timestamp>,
        invocation: &Invocation,
        budget: Budget,
    ) -> Answer {
        let Accusation { reporter, suspect } = accusation;
        let now = self.world.moment();
        let repeated = self
            .memory()
            .recent
            .repeated(reporter, suspect, now)
            .map(str::to_owned);
        if let Some(sentence) = repeated {
            return Answer::new(Status::NotNow, sentence);
        }
        let task = Task::Alert {
            reporter: reporter.clone(),
            suspect: suspect.clone(),
            since,
        };
        let answer = self.task(task, invocation, budget).await;
        self.measure_fence(now.uptime);
        if answer.status == Status::NotNow {
            let now = self.world.moment();
            self.memory()
                .recent
                .refused(reporter, suspect, &answer.sentence, now);
        }
        answer
    }

    /// How long an alert took that began to be looked into at `began`.
    fn measure_fence(&self, began: Duration) {
        let took = self.world.moment().uptime.saturating_sub(began);
        let took_ms = milliseconds(took);
        self.world
            .measure(Measured::new(Metric::FenceMilliseconds, took_ms));
    }

    async fn watchdogs(&self, delivery: &Delivery, budget: Budget) -> Vec<Answer> {
        let stamps = delivery.watchdogs.iter().map(async |reporter: &Reporter| {
            self.world
                .measure(Measured::of(&reporter.0, Metric::WatchdogSeen, 1));
            let stamped = self.within(
                budget.left_beside(self.world.moment()),
                self.world.stamp(reporter),
            );
            match stamped.await.unwrap_or_else(|| Err(late("the register"))) {
                Ok(()) => Answer::new(Status::Done, format!("{reporter}'s alert path works")),
                Err(fault) => {
                    tracing::warn!(%fault, "the watchdog of {reporter} could not be stamped");
                    Answer::new(
                        Status::Retry,
                        format!("{reporter}'s watchdog arrived and could not be stamped: {fault}"),
                    )
                }
            }
        });
        join_all(stamps).await
    }

    /// Authenticated, and yet not for us: somebody pasted the wrong URL, or cut our alerts off. Both have to
    /// be repaired by people, so both raise the alarm.
    async fn foreign(&self, delivery: &Delivery, budget: Budget) -> Option<Answer> {
        let mut reasons: Vec<String> = delivery
            .foreign
            .iter()
            .map(|foreign| format!("an alert is not for this deployment: {foreign}"))
            .collect();
        if delivery.truncated > 0 && delivery.accusations.is_empty() {
            reasons.push(format!(
                "Alertmanager left {} alerts out of the payload, perhaps the one that matters: raise maxAlerts",
                delivery.truncated
            ));
        }
        if reasons.is_empty() {
            return None;
        }
        let sentence = reasons.join("; ");
        tracing::warn!(status = Status::Foreign.http(), "{sentence}");
        self.tell(Cause::ForeignLabels, &sentence, budget).await;
        Some(Answer::new(Status::Foreign, sentence))
    }

    async fn tell(&self, cause: Cause, sentence: &str, budget: Budget) {
        let notice = Notice {
            cause,
            sentence: sentence.to_owned(),
        };
        self.within(
            budget.left_beside(self.world.moment()),
            self.world.tell(&notice, None),
        )
        .await;
    }

    /// The request, once its sender has shown user and password.
    async fn authentic(&self, request: Box<Request>) -> Result<Authentic, Reply> {
        let basic = request
            .authorization
            .as_ref()
            .is_some_and(|header| credentials::is_basic(header.expose_secret()));
        if !basic {
            return Err(refused(&Rejection::NoCredentials));
        }
        let mut known = self.memory().webhook.known();
        if known.is_none() {
            // Perhaps it is just being read, since the process started.
            drop(self.reading.lock().await);
            known = self.memory().webhook.known();
        }
        let is_known = known.is_some();
        let request = match known {
            None => request,
            Some(expected) => match webhook::authenticate(request, &expected) {
                Ok(authentic) => return Ok(authentic),
                Err((request, _)) => request,
            },
        };
        let now = self.world.moment();
        if !self.memory().webhook.may_be_asked(now) {
            if is_known {
                return Err(self.turned_away(&Rejection::WrongCredentials));
            }
            return Err(Reply::web(
                503,
                "the webhook's secret could not be read a moment ago",
            ));
        }
        match self.read_webhook_secret().await {
            Ok(expected) => {
                webhook::authenticate(request, &expected).map_err(|(_, refusal)| self.turned_away(&refusal))
            }
            Err(fault) => {
                let sentence = format!("the webhook's secret cannot be read: {fault}");
                tracing::error!(status = 503, "{sentence}");
                let budget = Budget::new(now, now.wall, SECRET_LIMIT);
                self.tell(Cause::DependencyFailed, &sentence, budget).await;
                // The caller has not shown who it is: so the reason must not be shown.
                Err(Reply::web(503, "the webhook's secret cannot be read"))
            }
        }
    }

    /// Answers wrong credentials, and complains in the log now and then.
    fn turned_away(&self, refusal: &Rejection) -> Reply {
        let now = self.world.moment();
        let mut memory = self.memory();
        memory.turned_away = memory.turned_away.saturating_add(1);
        let due = memory
            .complained
            .is_none_or(|last| now.perhaps_since(last) >= COMPLAIN_EVERY);
        if due {
            let times = mem::take(&mut memory.turned_away);
            memory.complained = Some(now);
            // For us only: a caller that was turned away must not learn what the secret looks like.
            let odd = memory
                .webhook
                .known()
                .is_some_and(|expected| expected.ends_a_line());
            let hint = match (refusal, odd) {
                (Rejection::WrongCredentials, true) => ENDS_A_LINE,
                _ => "",
            };
            tracing::warn!(status = refusal.http(), times, hint, "{refusal}");
        }
        refused(refusal)
    }

    async fn read_webhook_secret(&self) -> Result<Expected, Fault> {
        let _only = self.reading.lock().await;
        let asked = self.world.moment();
        self.memory().webhook.asking(asked);
        let secret = self
            .within(SECRET_LIMIT, self.world.webhook_secret())
            .await
            .unwrap_or_else(|| Err(late("Secrets Manager")))?;
        let credentials =
            Credentials::parse(&secret, &self.settings.webhook_username).map_err(|error| Fault {
                whom: "the webhook's secret".to_owned(),
                what: error.to_string(),
            })?;
        let expected = Expected::from(&credentials);
        self.memory().webhook.learned(expected.clone());
        Ok(expected)
    }

    async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        match select(std::pin::pin!(work), std::pin::pin!(self.world.sleep(limit))).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

fn late(whom: &str) -> Fault {
    Fault {
        whom: whom.to_owned(),
        what: "no answer in time".to_owned(),
    }
}

fn refused(refusal: &Rejection) -> Reply {
    tracing::debug!(status = refusal.http(), "{refusal}");
    Reply::Web {
        status: refusal.http(),
        headers: refusal.headers(),
        body: refusal.to_string(),
    }
}
