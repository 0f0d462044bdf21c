//! The driver: carries out what [`fencing::step`] asks for, and decides nothing again.
//!
//! ```text
//!   start ─▶ effects ─┬─ Call ──▶ under way ─┐ reply, or a fault at its deadline
//!             ▲       ├─ Say ───▶ beside     ▼
//!             └───────┼──────────────────── step
//!                     └─ Answer ▶ drop what is under way ─▶ finish what is beside ─▶ answer
//! ```
//!
//! Calls run side by side; each has a deadline inside the time that is left. Three promises are kept here:
//!
//! * **No write later than the timeout.** A write is not begun any more when little time is left, and every
//!   one still under way is abandoned before the deadline. Waiting twice the timeout therefore outlasts
//!   every executor, which is what `rejoin` and `promote` rest on.
//! * **Nothing runs on after the answer.** Lambda freezes the process then and may thaw it an hour later;
//!   what was still under way would write into another time. So it is dropped, and the world lets go of it.
//! * **Somebody always answers.** When time runs out without a decision, the answer is "try again".

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use fencing::answer::{Answer, Cause, Notice, Status};
use fencing::register::Record;
use fencing::rehearsal::title;
use fencing::settings::Settings;
use fencing::step::{self, Call, Effect, Event, Task, Ticket, Written};
use fencing::timed_call::{CallsBefore, TimedCall};
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::Timestamp;

use crate::moment::Moment;
use crate::world::World;

/// The answer leaves so long before the deadline, whatever happens.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);

/// With less than this before the last moment for an answer no write is begun: it could not be distinguished
/// from one that never arrived.
const WRITE_ROOM: Duration = Duration::from_millis(750);

/// Kept back from every call but the register's, so that after a hanging dependency the claim can still be
/// given back and the reason returned.
const ENDING: Duration = Duration::from_millis(1500);

/// What is answered where time ran out.
const LATE: &str =
    "the time ran out before an answer was found; the next delivery finishes whatever was begun";

/// The longest that history and notifications may hold up an answer.
const BESIDE_LIMIT: Duration = Duration::from_secs(2);

/// How much time an invocation has.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// By the monotonic clock: the last moment at which an answer is in time.
    answer_by: Duration,
    /// The same by the wall clock. The monotonic one may stand still while the process is frozen, so that after a
    /// thaw it would still promise time that has long gone. None where the wall clock is not to be believed.
    wall_by: Option<Timestamp>,
}

impl Budget {
    /// What Lambda's deadline leaves, and never more than `timeout`: the two agree in Lambda, and the waits
    /// of the protocol rest on the latter. A deadline that has passed before anything began belongs to a
    /// wrong clock and is not believed.
    pub fn new(now: Moment, deadline: Timestamp, timeout: Duration) -> Self {
        let believed = Duration::try_from(deadline.duration_since(now.wall))
            .ok()
            .filter(|left| !left.is_zero());
        let left = believed
            .unwrap_or(timeout)
            .min(timeout)
            .saturating_sub(ANSWER_MARGIN);
        Self {
            answer_by: now.uptime + left,
            wall_by: believed.and_then(|_| now.wall.checked_add(left).ok()),
        }
    }

    /// What is left of it, by whichever clock says less.
    pub fn left(self, now: Moment) -> Duration {
        let left = self.answer_by.saturating_sub(now.uptime);
        match self.wall_by {
            // A clock that was set back shows more than there ever was; the other one bounds it.
            Some(by) => left.min(Duration::try_from(by.duration_since(now.wall)).unwrap_or_default()),
            None => left,
        }
    }

    /// What may be spent on bookkeeping.
    pub fn left_beside(self, now: Moment) -> Duration {
        self.left(now).min(BESIDE_LIMIT)
    }
}

/// What came of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub answer: Answer,
    /// The register's record as it was last read or written; none where there is none, or it was not to be read.
    pub record: Option<Record>,
    /// What it could not do because something else failed. That another request is at work is none.
    pub failure: Option<String>,
}

/// Carries out one task to its answer. `executor` names this invocation in claims.
pub async fn run<W: World>(
    settings: &Settings,
    world: &W,
    executor: &str,
    task: Task,
    budget: Budget,
) -> Ran {
    let mut current = Current::default();
    let mut made = Made::default();
    let mut failure = None;
    let mut calls = FuturesUnordered::new();
    let mut beside = FuturesUnordered::new();
    let (mut state, mut effects) = step::start(settings, executor, task, world.moment().wall);
    let answer = {
        let mut late = pin!(world.sleep(budget.left(world.moment())));
        loop {
            let mut answer = None;
            for effect in effects {
                match effect {
                    Effect::Call(ticket, call) => {
                        tracing::debug!(?ticket, ?call, "calls");
                        if let Some(record) = current.left_by(&call) {
                            beside.push(aside(world, Aside::Chronicle(Box::new(record))));
                        }
                        calls.push(carry_out(world, budget, ticket, made.entered_in(call)));
                    }
                    Effect::Say(notice) => {
                        if notice.cause == Cause::DependencyFailed {
                            failure = Some(notice.sentence.clone());
                        }
                        let record = current.record.clone().map(Box::new);
                        beside.push(aside(world, Aside::Tell(notice, record)));
                    }
                    Effect::Answer(given) => answer = Some(given),
                }
            }
            if let Some(answer) = answer {
                break answer;
            }
            let turn = std::future::poll_fn(|context| {
                // Replies first: one that has arrived in time counts even when time is up.
                if let Poll::Ready(reply) = calls.poll_next_unpin(context) {
                    return Poll::Ready(reply.map_or(Awaited::Idle, Awaited::Returned));
                }
                while let Poll::Ready(Some(())) = beside.poll_next_unpin(context) {}
                late.as_mut().poll(context).map(|()| Awaited::Late)
            })
            .await;
            match turn {
                Awaited::Returned(Returned {
                    ticket,
                    call,
                    mut event,
                    took,
                }) => {
                    tracing::debug!(?ticket, ?event, "is answered");
                    if let Some(record) = record_of(&call, &event) {
                        current.saw(record);
                    }
                    made.note(&call, &event, took);
                    if let Some(record) = record_in(&mut event) {
                        record.calls_before = None;
                    }
                    (state, effects) = step::step(settings, state, world.moment().wall, ticket, event);
                }
                Awaited::Late => {
                    failure = Some(LATE.to_owned());
                    break Answer::new(Status::Retry, LATE);
                }
                // The protocol always either waits for somebody or answers; if it ever does neither, the
                // next delivery starts afresh.
                Awaited::Idle => {
                    break Answer::new(Status::Retry, "nothing is under way and nothing was decided");
                }
            }
        }
    };
    drop(calls);
    world.settle().await;
    if !beside.is_empty() {
        let enough = world.sleep(budget.left_beside(world.moment()));
        let all = async { while beside.next().await.is_some() {} };
        if let Either::Right(_) = select(pin!(all), pin!(enough)).await {
            tracing::warn!("history or notifications were not finished in time");
        }
        drop(beside);
        world.settle().await;
    }
    Ran {
        answer,
        record: current.record,
        failure,
    }
}

enum Awaited {
    Returned(Returned),
    Late,
    Idle,
}

struct Returned {
    ticket: Ticket,
    call: Call,
    event: Event,
    took: Duration,
}

enum Aside {
    Tell(Notice, Option<Box<Record>>),
    Chronicle(Box<Record>),
}

async fn aside<W: World>(world: &W, aside: Aside) {
    match aside {
        Aside::Tell(notice, record) => world.tell(&notice, record.as_deref()).await,
        Aside::Chronicle(record) => world.chronicle(&record).await,
    }
}

async fn carry_out<W: World>(world: &W, budget: Budget, ticket: Ticket, call: Call) -> Returned {
    let began = world.moment().uptime;
    let time = match call {
        Call::Pause { seconds } => Some(Duration::from_secs(seconds.into())),
        Call::Wait { milliseconds } => Some(Duration::from_millis(milliseconds.into())),
        _ => None,
    };
    if let Some(took) = time {
        world.sleep(took).await;
        return Returned {
            ticket,
            call,
            event: Event::Passed,
            took,
        };
    }
    let left = budget.left(world.moment());
    let left = match call {
        Call::ReadRegister | Call::WriteRegister { .. } => left,
        _ => left.saturating_sub(ENDING),
    };
    let event = if left < WRITE_ROOM && call.writes() {
        call.failed(format!("not begun: only {} ms were left", left.as_millis()))
    } else {
        let within = limit(&call).min(left);
        let answer = before(world, budget, world.call(&call));
        match select(pin!(answer), pin!(world.sleep(within))).await {
            Either::Left((Some(event), _)) => event,
            Either::Left((None, _)) => {
                call.failed("the invocation's time was over, by the wall clock".to_owned())
            }
            Either::Right(_) => call.failed(format!("no answer within {} ms", within.as_millis())),
        }
    };
    Returned {
        ticket,
        call,
        event,
        took: world.moment().uptime.saturating_sub(began),
    }
}

/// What comes of a call, unless the time is over when it is to go on. A call sends nothing but when it is polled, and
/// this looks at both clocks before each time: so one that was frozen on its way, between two attempts or before its
/// first byte, writes nothing after the thaw, although its timer has not noticed yet.
async fn before<W: World, T>(world: &W, budget: Budget, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    std::future::poll_fn(|context| {
        if budget.left(world.moment()).is_zero() {
            return Poll::Ready(None);
        }
        call.as_mut().poll(context).map(Some)
    })
    .await
}

/// The record in the register, as far as this invocation knows.
///
/// The newest entry of the history is the record itself, so it is copied when it is overwritten, beside that write, by
/// the writer: nobody waits for a copy, and what somebody wrote who died right after it is copied by the next.
#[derive(Default)]
struct Current {
    record: Option<Record>,
    is_copied: bool,
}

impl Current {
    fn saw(&mut self, record: &Record) {
        if self.record.as_ref() != Some(record) {
            self.record = Some(record.clone());
            self.is_copied = false;
        }
    }

    /// The record that this call is going to replace, once.
    fn left_by(&mut self, call: &Call) -> Option<Record> {
        let Call::WriteRegister { expect, .. } = call else {
            return None;
        };
        let left = self
            .record
            .as_ref()
            .filter(|record| record.rev == *expect && !self.is_copied)?;
        self.is_copied = true;
        Some(left.clone())
    }
}

/// The calls that were answered since this invocation last wrote, for the history.
///
/// They go into the register with the next revision, and are kept from the protocol when it reads one: how long something
/// took is no ground for a decision, and an executor that recognises a record by its content looks at the rest.
#[derive(Default)]
struct Made {
    calls: Vec<TimedCall>,
    /// So many of them are in the revision that is being written. More may be answered before it is.
    entered: usize,
    /// As they are entered there.
    entry: Option<CallsBefore>,
}

impl Made {
    fn entered_in(&mut self, mut call: Call) -> Call {
        if let Call::WriteRegister { record, .. } = &mut call {
            record.calls_before = CallsBefore::of(record.rev, &self.calls);
            self.entered = self.calls.len();
            self.entry.clone_from(&record.calls_before);
        }
        call
    }

    fn note(&mut self, call: &Call, event: &Event, took: Duration) {
        // Also where the reply to the write was lost, and a look at the register finds it there.
        let stored = record_of(call, event).and_then(|record| record.calls_before.as_ref());
        if stored.is_some() && stored == self.entry.as_ref() {
            self.calls.drain(..self.entered);
            self.entered = 0;
            self.entry = None;
        }
        if !matches!(call, Call::Pause { .. }) {
            let failed = event.fault().map(|fault| fault.what.as_str());
            let timed = TimedCall::new(&title(call), milliseconds(took), failed);
            self.calls.push(timed);
        }
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn record_in(event: &mut Event) -> Option<&mut Record> {
    match event {
        Event::Register(Ok(Some(record))) | Event::Written(Written::Lost(Some(record))) => Some(record),
        _ => None,
    }
}

/// The record that a reply shows to be in the register.
fn record_of<'a>(call: &'a Call, event: &'a Event) -> Option<&'a Record> {
    match (call, event) {
        (_, Event::Register(Ok(Some(record))) | Event::Written(Written::Lost(Some(record)))) => Some(record),
        (Call::WriteRegister { record, .. }, Event::Written(Written::Stored)) => Some(record),
        _ => None,
    }
}

/// The longest a call may take, repetitions included. The worlds' own limits per attempt are shorter; these
/// only keep one hanging dependency from eating the time of all.
fn limit(call: &Call) -> Duration {
    Duration::from_secs(match call {
        Call::ReadRegister | Call::WriteRegister { .. } => 4,
        Call::ReadAccelerator => 6,
        // Global Accelerator refuses a change while another one is in progress, and is asked again.
        Call::WriteGroup(_) => 9,
        Call::ReadView { .. } => 5,
        _ => 6,
    })
}
