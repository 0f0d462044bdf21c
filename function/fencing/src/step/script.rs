//! How a script runs: the log of calls, and its replay.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    Call, Effect, Event, Fault, Task, Ticket, Written, alert, operate, rejoin, restored, suspicion, sweep,
};
use crate::accelerator::{Marked, Reading};
use crate::answer::{Answer, Cause, Notice, Status};
use crate::health::RelayWitness;
use crate::register::{self, Claim, Record, SCHEMA};
use crate::replication::{Backup, View};
use crate::settings::Settings;
use crate::words::{SiteName, Token};

/// How often a script starts over because someone else wrote the register in between.
const ROUNDS: usize = 4;

/// One invocation, as far as it is: its task, and every call it made with the reply, if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Progress {
    task: Task,
    executor: String,
    started_at: Timestamp,
    log: Vec<LogEntry>,
    said: usize,
    answer: Option<Answer>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LogEntry {
    call: Call,
    reply: Option<(Timestamp, Event)>,
    /// For a pause: what was still under way when it was over.
    overtaken: Vec<Ticket>,
}

impl Progress {
    /// What the invocation is for.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The end, once it is reached.
    pub fn answer(&self) -> Option<&Answer> {
        self.answer.as_ref()
    }

    /// The calls that are under way.
    pub fn under_way(&self) -> impl Iterator<Item = (Ticket, &Call)> {
        self.log
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.reply.is_none())
            .map(|(index, entry)| (ticket(index), &entry.call))
    }
}

fn ticket(index: usize) -> Ticket {
    // A script makes some dozens of calls; 65,536 is out of reach, and saturating beats panicking.
    Ticket(u16::try_from(index).unwrap_or(u16::MAX))
}

/// Begins an invocation. `executor` names it in claims: the Lambda request's id.
pub fn start(settings: &Settings, executor: &str, task: Task, now: Timestamp) -> (Progress, Vec<Effect>) {
    let state = Progress {
        task,
        executor: executor.to_owned(),
        started_at: now,
        log: Vec::new(),
        said: 0,
        answer: None,
    };
    replay(settings, state)
}

/// Goes on with the reply to one call. A reply that came already, or comes after the end, changes nothing.
pub fn step(
    settings: &Settings,
    mut state: Progress,
    now: Timestamp,
    ticket: Ticket,
    event: Event,
) -> (Progress, Vec<Effect>) {
    let overtaken = match event {
        Event::Passed => state.under_way().map(|(other, _)| other).collect(),
        _ => Vec::new(),
    };
    match state.log.get_mut(usize::from(ticket.0)) {
        Some(entry) if entry.reply.is_none() && state.answer.is_none() => {
            entry.reply = Some((now, event));
            entry.overtaken = overtaken;
        }
        _ => return (state, Vec::new()),
    }
    replay(settings, state)
}

fn replay(settings: &Settings, state: Progress) -> (Progress, Vec<Effect>) {
    let already = state.log.len();
    let said = state.said;
    let clock = state.started_at;
    let mut script = Script {
        settings,
        state,
        clock,
        position: 0,
        notices: Vec::new(),
        unwritten: None,
    };
    let end = match script.state.task.clone() {
        Task::Alert {
            reporter,
            suspect,
            since,
        } => alert::alert(&mut script, &reporter, &suspect, since),
        Task::Suspicion {
            reporter,
            suspect,
            since,
        } => suspicion::suspicion(&mut script, &reporter, &suspect, since),
        Task::Sweep { waited } => sweep::sweep(&mut script, waited),
        Task::Fence { fenced, by } => operate::fence(&mut script, &fenced, &by),
        Task::Promote {
            survivor,
            by,
            waited,
            survivor_is_lost,
        } => operate::promote(&mut script, &survivor, &by, waited.as_ref(), survivor_is_lost),
        Task::Hold {
            by,
            reason,
            until,
            replace,
        } => operate::hold(&mut script, &by, &reason, until, replace),
        Task::Release { by } => operate::release(&mut script, &by),
        Task::Resume { by, epoch } => restored::resume(&mut script, &by, epoch),
        Task::Rejoin {
            stale,
            session,
            by,
            waited,
            keycloak,
        } => rejoin::rejoin(&mut script, &stale, &session, &by, waited.as_ref(), keycloak),
    };
    let Script {
        mut state, notices, ..
    } = script;
    let mut effects: Vec<Effect> = (already..state.log.len())
        .filter_map(|index| Some(Effect::Call(ticket(index), state.log.get(index)?.call.clone())))
        .collect();
    state.said = notices.len().max(said);
    effects.extend(notices.into_iter().skip(said).map(Effect::Say));
    let answer = match end {
        Err(Halt::Waiting) => return (state, effects),
        Ok(answer) | Err(Halt::Answer(answer)) => answer,
        // A script catches it in `rounds`; if one forgets, the caller is asked to come again.
        Err(Halt::Rerun(_)) => contended(),
    };
    state.answer = Some(answer.clone());
    effects.push(Effect::Answer(answer));
    (state, effects)
}

fn contended() -> Answer {
    Answer::new(
        Status::Retry,
        "the register changed during each of several attempts; try again",
    )
}

/// Why a script does not go on.
pub(super) enum Halt {
    Waiting,
    /// The end was reached early.
    Answer(Answer),
    /// Someone else wrote the register: look again at what is there now.
    Rerun(Box<Record>),
}

/// How a switch of all caches ended.
pub(super) enum Switched {
    All,
    /// It was answered, and failed for some.
    Partly(Fault),
    Unanswered(Fault),
}

impl Switched {
    pub(super) fn fault(self) -> Option<Fault> {
        match self {
            Self::All => None,
            Self::Partly(fault) | Self::Unanswered(fault) => Some(fault),
        }
    }
}

type Witnesses = BTreeMap<SiteName, RelayWitness>;

/// The place of a call in the log.
#[derive(Clone, Copy)]
pub(super) struct Position(usize);

/// A script being run: the log so far, and what it adds.
pub(super) struct Script<'a> {
    pub(super) settings: &'a Settings,
    state: Progress,
    clock: Timestamp,
    position: usize,
    notices: Vec<Notice>,
    /// Why the last write is not in the register although nobody else wrote either.
    unwritten: Option<Fault>,
}

impl Script<'_> {
    /// Starts a call, without waiting. In a replay, finds it in the log.
    pub(super) fn start(&mut self, call: Call) -> Position {
        let place = Position(self.position);
        self.position += 1;
        match self.state.log.get(place.0) {
            None => self.state.log.push(LogEntry {
                call,
                reply: None,
                overtaken: Vec::new(),
            }),
            // A replay makes the same calls: it depends on nothing but the log.
            Some(entry) => debug_assert_eq!(entry.call, call, "the script is not deterministic"),
        }
        place
    }

    fn wait(&mut self, place: Position) -> Result<Event, Halt> {
        let entry = self.state.log.get(place.0).and_then(|entry| entry.reply.as_ref());
        let (at, event) = entry.ok_or(Halt::Waiting)?;
        self.clock = self.clock.max(*at);
        Ok(event.clone())
    }

    /// Waits for a pause to be over or another call to be answered: whether the pause came first.
    pub(super) fn came_before(&mut self, pause: Position, other: Position) -> Result<bool, Halt> {
        let entry = |place: Position| self.state.log.get(place.0);
        let overtook = entry(pause).is_some_and(|pause| pause.overtaken.contains(&ticket(other.0)));
        if overtook {
            self.wait(pause)?;
            return Ok(true);
        }
        if entry(other).is_some_and(|other| other.reply.is_some()) {
            Ok(false)
        } else {
            Err(Halt::Waiting)
        }
    }

    /// The time: that of the latest reply the script has looked at, so that a replay sees the same.
    pub(super) fn now(&self) -> Timestamp {
        self.clock
    }

    /// The time so many seconds from now.
    pub(super) fn in_seconds(&self, seconds: u32) -> Timestamp {
        self.clock
            .saturating_add(SignedDuration::from_secs(i64::from(seconds)))
            .unwrap_or(Timestamp::MAX)
    }

    pub(super) fn executor(&self) -> String {
        self.state.executor.clone()
    }

    /// Whether an alert is behind it, not the schedule or an operator.
    pub(super) fn for_an_alert(&self) -> bool {
        matches!(self.state.task, Task::Alert { .. } | Task::Suspicion { .. })
    }

    /// Whether the schedule is behind it.
    pub(super) fn for_the_schedule(&self) -> bool {
        matches!(self.state.task, Task::Sweep { .. })
    }

    pub(super) fn say(&mut self, cause: Cause, sentence: impl Into<String>) {
        self.notices.push(Notice {
            cause,
            sentence: sentence.into(),
        });
    }

    /// The end for a call that failed: someone has to try again.
    pub(super) fn failed(&mut self, fault: &Fault) -> Halt {
        self.say(Cause::DependencyFailed, fault.to_string());
        Halt::Answer(Answer::new(Status::Retry, fault.to_string()))
    }

    /// A reply of another kind than its call's: the driver is broken, and no conclusion may be drawn.
    fn confused(&mut self, event: &Event) -> Fault {
        let kind = format!("{event:?}");
        let kind = kind.split(['(', ' ']).next().unwrap_or_default().to_owned();
        Fault {
            whom: "the driver".to_owned(),
            what: format!("replied to another question ({kind})"),
        }
    }

    /// Waits for the register's content.
    pub(super) fn register(&mut self, place: Position) -> Result<Record, Halt> {
        let found = match self.wait(place)? {
            Event::Register(found) => found,
            other => Err(self.confused(&other)),
        };
        match found {
            Ok(record) => self.understood(record.map_or_else(Record::empty, |record| *record)),
            Err(fault) => Err(self.failed(&fault)),
        }
    }

    /// Refuses to act on a record that a newer function wrote.
    fn understood(&mut self, record: Record) -> Result<Record, Halt> {
        if record.schema <= SCHEMA {
            return Ok(record);
        }
        let what = format!(
            "its record has schema {}, this function understands up to {SCHEMA}: deploy the newer function",
            record.schema
        );
        Err(self.failed(&Fault {
            whom: "the register".to_owned(),
            what,
        }))
    }

    /// Waits for a reading of the accelerator.
    pub(super) fn accelerator(&mut self, place: Position) -> Result<Result<Reading, Fault>, Halt> {
        Ok(match self.wait(place)? {
            Event::Accelerator(reading) => reading,
            other => Err(self.confused(&other)),
        })
    }

    /// Waits for what the last deep check saw of the accelerator's tag.
    pub(super) fn marked(&mut self, place: Position) -> Result<Result<Option<Marked>, Fault>, Halt> {
        Ok(match self.wait(place)? {
            Event::Marked(marked) => marked,
            other => Err(self.confused(&other)),
        })
    }

    /// Waits for what the last deep check saw of each site's primary relay node.
    pub(super) fn witnesses(&mut self, place: Position) -> Result<Result<Witnesses, Fault>, Halt> {
        Ok(match self.wait(place)? {
            Event::Witnesses(witnesses) => witnesses,
            other => Err(self.confused(&other)),
        })
    }

    /// Waits for how long a node has been running.
    pub(super) fn age(&mut self, place: Position) -> Result<Result<Option<u64>, Fault>, Halt> {
        Ok(match self.wait(place)? {
            Event::Age(age) => age,
            other => Err(self.confused(&other)),
        })
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, milliseconds: u32) -> Result<(), Halt> {
        let place = self.start(Call::Wait { milliseconds });
        self.wait(place).map(|_| ())
    }

    /// Waits for the views of a site's nodes.
    pub(super) fn views(&mut self, place: Position) -> Result<Result<Vec<View>, Fault>, Halt> {
        Ok(match self.wait(place)? {
            Event::Views(views) => views,
            other => Err(self.confused(&other)),
        })
    }

    /// Waits for a backup's status.
    pub(super) fn backup(&mut self, place: Position) -> Result<Result<Backup, Fault>, Halt> {
        Ok(match self.wait(place)? {
            Event::Backup(backup) => backup,
            other => Err(self.confused(&other)),
        })
    }

    /// Waits for a written group, as its reply shows it.
    pub(super) fn group(
        &mut self,
        place: Position,
    ) -> Result<Result<crate::accelerator::Group, Fault>, Halt> {
        Ok(match self.wait(place)? {
            Event::Group(group) => group,
            other => Err(self.confused(&other)),
        })
    }

    /// Waits for a switch over all caches; those that failed are a fault that names them.
    pub(super) fn switched(&mut self, place: Position) -> Result<Switched, Halt> {
        let failures = match self.wait(place)? {
            Event::Switched(failures) => failures,
            other => Err(self.confused(&other)),
        };
        Ok(match failures.as_deref() {
            Ok([]) => Switched::All,
            Ok([first, rest @ ..]) => Switched::Partly(Fault {
                whom: format!("cache {}", first.cache),
                what: if rest.is_empty() {
                    first.message.clone()
                } else {
                    format!("{} (and {} more caches)", first.message, rest.len())
                },
            }),
            Err(fault) => Switched::Unanswered(fault.clone()),
        })
    }

    /// Waits for the push status of all caches.
    pub(super) fn pushes(
        &mut self,
        place: Position,
    ) -> Result<Result<Vec<crate::replication::CachePush>, Fault>, Halt> {
        Ok(match self.wait(place)? {
            Event::Pushes(pushes) => pushes,
            other => Err(self.confused(&other)),
        })
    }

    /// Waits for a call that only succeeds or fails.
    pub(super) fn done(&mut self, place: Position) -> Result<Result<(), Fault>, Halt> {
        Ok(match self.wait(place)? {
            Event::Done(done) => done,
            other => Err(self.confused(&other)),
        })
    }

    /// Starts a conditional write: `record` over the revision just before it. Returns it as it is written, with
    /// the token that names it.
    pub(super) fn start_write(&mut self, record: Record) -> (Position, Record) {
        let expect = crate::words::Rev(record.rev.0.saturating_sub(1));
        let record = Record {
            token: Some(Token::of(record.rev, &self.state.executor)),
            ..record.sealed()
        };
        let place = self.start(Call::WriteRegister {
            expect,
            record: Box::new(record.clone()),
        });
        (place, record)
    }

    /// Waits for a conditional write.
    ///
    /// A write whose reply was lost may have taken effect. One's own is recognised by its content: nobody
    /// else writes the same revision with this executor's name. Another's sends the script back to look.
    pub(super) fn written(&mut self, place: Position, record: Record) -> Result<Record, Halt> {
        let written = match self.wait(place)? {
            Event::Written(written) => written,
            other => Written::Unknown(self.confused(&other)),
        };
        let current = match written {
            Written::Stored => return Ok(record),
            Written::Lost(current) => {
                self.unwritten = None;
                current.map_or_else(Record::empty, |current| *current)
            }
            Written::Unknown(fault) => {
                let again = self.start(Call::ReadRegister);
                let current = self.register(again)?;
                self.unwritten = (current.rev < record.rev).then_some(fault);
                current
            }
        };
        if current == record {
            return Ok(record);
        }
        let current = self.understood(current)?;
        Err(Halt::Rerun(Box::new(current)))
    }

    pub(super) fn write(&mut self, record: Record) -> Result<Record, Halt> {
        let (place, record) = self.start_write(record);
        self.written(place, record)
    }

    /// A claim for this executor from now on.
    pub(super) fn fresh_claim(&self) -> Option<Claim> {
        let until = self.in_seconds(self.settings.claim.ttl_seconds());
        Some(Claim {
            owner: self.state.executor.clone(),
            until,
        })
    }

    /// Gives the work back, so that the next one need not wait for the claim to run out, and ends. Whether
    /// the release is written does not matter: a claim ends by itself.
    ///
    /// A decision that is to be carried out twice starts over: isolated and unclaimed, it would say that the
    /// first time is done, and nobody would go on before the wait.
    pub(super) fn give_up(&mut self, record: &Record, answer: Answer) -> Halt {
        let own = record
            .claim
            .as_ref()
            .is_some_and(|claim| claim.owner == self.state.executor);
        if own {
            let released = Record {
                claim: None,
                state: match record.state {
                    register::State::Isolated if record.unsettled => register::State::Decided,
                    state => state,
                },
                ..record.revised(&record.by, self.now())
            };
            if let Err(Halt::Waiting) = self.write(released) {
                return Halt::Waiting;
            }
        }
        Halt::Answer(answer)
    }

    /// Runs `attempt` on `record`, and again on what others wrote meanwhile, a few times.
    pub(super) fn rounds(
        &mut self,
        mut record: Record,
        mut attempt: impl FnMut(&mut Self, &Record) -> Result<Answer, Halt>,
    ) -> Result<Answer, Halt> {
        for _ in 0..ROUNDS {
            match attempt(self, &record) {
                Err(Halt::Rerun(newer)) => record = *newer,
                end => return end,
            }
        }
        // Nobody was faster: the register takes no writes, and people have to know why.
        match self.unwritten.take() {
            Some(fault) => Err(self.failed(&fault)),
            None => Ok(contended()),
        }
    }
}

#[cfg(test)]
mod tests;
