//! The handler's part in watching the watchman: who may ask, what is answered, when all is looked at.

use std::time::Duration;

use fencing::answer::{Answer, Status};
use fencing::health::{self, Drill, Forced, Probe, Seen};
use fencing::register::Record;
use fencing::rehearsal::SplitBrain;
use fencing::step::Fault;
use fencing::words::SiteName;
use futures_util::future::join;

use super::{Handler, Invocation, Reply, SECRET_LIMIT, late};
use crate::credentials::Key;
use crate::deep_check;
use crate::losses;
use crate::run::Budget;
use crate::webhook::Rejection;
use crate::world::Lookout;

/// Route 53, which asks for the function's health, waits two seconds; what has not answered by then is
/// reported as not answering.
const HEALTH_LIMIT: Duration = Duration::from_millis(1500);

impl<W: Lookout> Handler<W> {
    pub(super) async fn read_health_secret(&self) -> Result<Key, Fault> {
        let asked = self.world.moment();
        self.memory().health.asking(asked);
        let secret = self
            .within(SECRET_LIMIT, self.world.health_secret())
            .await
            .unwrap_or_else(|| Err(late("Secrets Manager")))?;
        let key = Key::parse(&secret).map_err(|error| Fault {
            whom: "the health check's secret".to_owned(),
            what: error.to_string(),
        })?;
        self.memory().health.learned(key.clone());
        Ok(key)
    }

    /// Whether this is the secret of the health check.
    async fn opens(&self, given: &str) -> bool {
        let known = self.memory().health.known();
        if known.is_some_and(|key| key.opens(given)) {
            return true;
        }
        let now = self.world.moment();
        if !self.memory().health.may_be_asked(now) {
            return false;
        }
        match self.read_health_secret().await {
            Ok(key) => key.opens(given),
            Err(fault) => {
                tracing::error!(%fault, "nobody can ask for the function's health");
                false
            }
        }
    }

    /// Answers a health check. A caller who does not know the secret gets the answer to every wrong path.
    pub(super) async fn health(&self, given: &str, invocation: &Invocation, budget: Budget) -> Reply {
        if !self.opens(given).await {
            return self.turned_away(&Rejection::NotFound);
        }
        let within = HEALTH_LIMIT.min(budget.left(self.world.moment()));
        let (record, kept) = deep_check::look_up(&self.world, within).await;
        let told = health::answer(
            &self.settings,
            self.world.moment().wall,
            health::depth(self.settings.deep_percent, &invocation.request_id),
            record.as_ref().map(Option::as_deref),
            kept.as_ref(),
        );
        tracing::debug!(status = told.status, "{}", told.body);
        Reply::web(told.status, told.body)
    }

    /// Looks whether everything is in order that a fence would need. This also reads the secrets again that
    /// callers present: one that was changed because it leaked must not live on in a process that is kept
    /// warm. `record` is what the sweep before it has just read.
    pub(super) async fn deep_check(&self, record: Option<Record>, budget: Budget) {
        let callers = async {
            let (webhook, health) = join(
                deep_check::timed(&self.world, Probe::WebhookSecret, async {
                    let expected = self.read_webhook_secret().await?;
                    Ok(Seen::secret(expected.ends_a_line()))
                }),
                deep_check::timed(&self.world, Probe::HealthSecret, async {
                    let key = self.read_health_secret().await?;
                    Ok(Seen::secret(key.ends_a_line()))
                }),
            )
            .await;
            vec![webhook, health]
        };
        let failed = self.memory().failed.take();
        deep_check::deep_check(&self.settings, &self.world, budget, record, failed, callers).await;
    }

    pub(super) async fn drill(&self, drill: &Drill, budget: Budget) -> Answer {
        let (by, seconds) = match drill {
            Drill::FailHealth { by, seconds } => (by, *seconds),
            Drill::Keep { measured } => return self.keep_drill(measured, budget).await,
        };
        let now = self.world.moment();
        let forced = Forced::lasting(by, seconds, now.wall);
        let kept = self.within(budget.left_beside(now), self.world.force(&forced));
        match kept.await.unwrap_or_else(|| Err(late("the register"))) {
            Ok(()) => {
                let sentence = if forced.until > now.wall {
                    format!(
                        "the health check fails until {} for a rehearsal by {}; it ends by itself",
                        forced.until, forced.by
                    )
                } else {
                    format!("the rehearsal was ended by {}", forced.by)
                };
                tracing::warn!(topology = %self.settings.topology, "{sentence}");
                Answer::new(Status::Done, sentence)
            }
            Err(fault) => Answer::new(Status::Retry, format!("the rehearsal did not begin: {fault}")),
        }
    }

    /// Counts what only one site has. Nothing of it is logged but that it was asked for.
    pub(super) async fn count(&self, given_up: &SiteName, kept: &SiteName, budget: Budget) -> Answer {
        if self.settings.peer_of(given_up) != Some(kept) {
            return Answer::new(
                Status::Foreign,
                format!("{given_up} and {kept} are not the two sites of this topology"),
            );
        }
        let losses = losses::count(&self.world, given_up, kept, budget).await;
        let sentence = format!("counted what only {given_up} has");
        tracing::info!(topology = %self.settings.topology, silent = losses.silent.join("; "), "{sentence}");
        Answer {
            losses: Some(Box::new(losses)),
            ..Answer::new(Status::Done, sentence)
        }
    }

    async fn keep_drill(&self, measured: &SplitBrain, budget: Budget) -> Answer {
        let left = budget.left_beside(self.world.moment());
        let kept = self.within(left, self.world.measured_by_drill(measured));
        match kept.await.unwrap_or_else(|| Err(late("the register"))) {
            Ok(()) => Answer::new(Status::Done, "the drill's measurements are stored"),
            Err(fault) => Answer::new(
                Status::Retry,
                format!("the drill's measurements are not stored: {fault}"),
            ),
        }
    }
}
