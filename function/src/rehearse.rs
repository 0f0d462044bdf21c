//! A rehearsed alert: the real protocol over a world that lets looks through and nothing else.
//!
//! ```text
//!   fencing::step ──▶ run ──▶ OnlyLooks ─┬─ a look ──▶ the world, and its time is noted
//!                                        ├─ a view ──▶ the same, and the suspect is taken out of the answer
//!                                        └─ a write ─▶ nowhere: noted as what would be done, and the end
//! ```
//!
//! That nothing is written does not rest on the protocol's goodwill: the world of a rehearsal has no way to write.

use std::future::pending;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use fencing::answer::{Notice, Status};
use fencing::register::{Record, State};
use fencing::rehearsal::{Rehearsal, WouldDecide, title, would};
use fencing::replication::{self, Sight};
use fencing::settings::Settings;
use fencing::step::{Call, Event, Fault, Task};
use fencing::timed_call::TimedCall;
use fencing::words::Reporter;
use secrecy::SecretString;

use crate::moment::Moment;
use crate::run::{Budget, milliseconds, run};
use crate::webhook::Accusation;
use crate::world::World;

/// Judges an alert that nobody sent in earnest.
pub(crate) async fn rehearse<W: World>(
    settings: &Settings,
    world: &W,
    executor: &str,
    accusation: &Accusation,
    budget: Budget,
    is_cold: bool,
) -> Rehearsal {
    let began = world.moment().uptime;
    let looks = OnlyLooks {
        world,
        accusation,
        noted: Mutex::default(),
    };
    let task = Task::Alert {
        reporter: accusation.reporter.clone(),
        suspect: accusation.suspect.clone(),
        since: None,
    };
    let ran = {
        let mut running = pin!(run(settings, &looks, executor, task, budget));
        std::future::poll_fn(|context| match running.as_mut().poll(context) {
            Poll::Ready(ran) => Poll::Ready(Some(ran)),
            // What the first write would be is all that was asked.
            Poll::Pending if looks.noted().would.is_some() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    };
    world.settle().await;
    let took = world.moment().uptime.saturating_sub(began);
    let noted = looks.noted.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (status, sentence) = match (&noted.would_decide, noted.would, ran) {
        (Some(decision), ..) => (
            Status::Done,
            format!(
                "would fence {}: {}, epoch {}",
                decision.fenced, decision.evidence, decision.epoch
            ),
        ),
        (None, Some(would), _) => (Status::Done, format!("would {would}")),
        (None, None, Some(ran)) => (ran.answer.status, ran.answer.sentence),
        // Only a withheld write ends a run early.
        (None, None, None) => (Status::Retry, "nothing was found out".to_owned()),
    };
    Rehearsal {
        reporter: accusation.reporter.clone(),
        suspect: accusation.suspect.clone(),
        sight: noted.sight,
        status,
        sentence,
        would_decide: noted.would_decide,
        calls: noted.calls,
        is_cold,
        up_ms: milliseconds(began),
        took_ms: milliseconds(took),
    }
}

#[derive(Default)]
struct RehearsalNotes {
    calls: Vec<TimedCall>,
    sight: Option<Sight>,
    would: Option<String>,
    would_decide: Option<WouldDecide>,
}

/// A world in which everything can be seen and nothing done.
struct OnlyLooks<'a, W> {
    world: &'a W,
    accusation: &'a Accusation,
    noted: Mutex<RehearsalNotes>,
}

impl<W: World> OnlyLooks<'_, W> {
    fn noted(&self) -> MutexGuard<'_, RehearsalNotes> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what is not done.
    fn withheld(&self, call: &Call) {
        let mut noted = self.noted();
        noted.would = Some(would(call));
        if let Call::WriteRegister { record, .. } = call
            && record.state == State::Decided
            && let Some(decision) = &record.decision
        {
            noted.would_decide = Some(WouldDecide {
                epoch: record.epoch,
                survivor: decision.survivor.clone(),
                fenced: decision.fenced.clone(),
                evidence: decision.evidence.clone(),
                outcome: decision.outcome.clone(),
            });
        }
    }

    /// The same view on a lost link.
    fn without_the_suspect(&self, event: &mut Event) {
        let Accusation { reporter, suspect } = self.accusation;
        if let Event::Views(Ok(views)) = event {
            self.noted().sight = Some(replication::sight(views, &reporter.0, &suspect.0));
            for view in views {
                view.sites_view.retain(|site| site != suspect.0.as_str());
            }
        }
    }
}

impl<W: World> World for OnlyLooks<'_, W> {
    fn moment(&self) -> Moment {
        self.world.moment()
    }

    async fn sleep(&self, duration: Duration) {
        self.world.sleep(duration).await;
    }

    async fn call(&self, call: &Call) -> Event {
        if matches!(call, Call::NoteReached(_)) {
            // How far the register has come is written beside a decision. It is none, and the rehearsal goes on.
            return Event::Done(Ok(()));
        }
        if call.writes() {
            self.withheld(call);
            return pending().await;
        }
        let began = self.world.moment().uptime;
        let mut event = self.world.call(call).await;
        let took = self.world.moment().uptime.saturating_sub(began);
        let failed = event.fault().map(|fault| fault.what.as_str());
        let timed = TimedCall::new(&title(call), milliseconds(took), failed);
        self.noted().calls.push(timed);
        if matches!(call, Call::ReadView { at } if *at == self.accusation.reporter.0) {
            self.without_the_suspect(&mut event);
        }
        event
    }

    async fn webhook_secret(&self) -> Result<SecretString, Fault> {
        self.world.webhook_secret().await
    }

    async fn stamp(&self, _: &Reporter) -> Result<(), Fault> {
        Err(Fault {
            whom: "the register".to_owned(),
            what: "a rehearsal writes nothing".to_owned(),
        })
    }

    async fn chronicle(&self, _: &Record) {}

    async fn tell(&self, _: &Notice, _: Option<&Record>) {}

    async fn settle(&self) {
        self.world.settle().await;
    }
}
