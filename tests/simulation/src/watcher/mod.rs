//! What must hold, looked at after every single step.
//!
//! The watcher is told of each call when it is issued, when it takes effect, and when its reply arrives; of
//! each invocation when it begins and what it answers. It knows the world as it is and each executor's share
//! of it, and shares no rule with the function: what is demanded here is written down a second time.
//!
//! Where people's hands, a lagging reading or a restart between two of our calls explain what is seen, the
//! function is not to blame; those excuses are narrow and stand beside the demand that needs them.

mod effects;
mod losses;
mod met;
mod records;
mod replies;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use fencing::accelerator::{EndpointConfig, Reading};
use fencing::answer::{Cause, Notice};
use fencing::register::{Record, State};
use fencing::replication::{Backup, View};
use fencing::settings::Mode;
use fencing::step::{Call, Event, Task};
use fencing::words::{Epoch, Reporter, Suspect};
use jiff::SignedDuration;

pub use self::met::Circumstance;
use crate::reality::{Instance, Reality};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InvocationId(pub(crate) u64);

impl InvocationId {
    /// Of a process that serves nothing.
    pub const NONE: Self = Self(u64::MAX);
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Why an invocation happens, as far as the watcher cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Alert(Reporter, Suspect),
    /// The same before it is certain.
    Suspicion(Reporter, Suspect),
    /// A resolved alert, or a watchdog's.
    Harmless,
    /// Somebody without credentials.
    Stranger,
    Sweep,
    Operate(Task),
    /// An operator's own machine, without the register.
    Forced(Task),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alert(reporter, suspect) => write!(f, "ALERT {reporter} reports {suspect}"),
            Self::Suspicion(reporter, suspect) => write!(f, "SUSPICION {reporter} misses {suspect}"),
            Self::Harmless => f.write_str("resolved alert and watchdog"),
            Self::Stranger => f.write_str("STRANGER"),
            Self::Sweep => f.write_str("sweep"),
            Self::Operate(task) => write!(f, "OPERATOR {task:?}"),
            Self::Forced(task) => write!(f, "BY FORCE {task:?}"),
        }
    }
}

/// One invocation: what it is for, and what it knows.
#[derive(Debug)]
struct Invoked {
    kind: Kind,
    began: Duration,
    ends: Duration,
    over: bool,
    /// Something of it went wrong.
    faulty: bool,
    /// The register as last told.
    record: Option<Record>,
    /// The newest epoch that it was told of.
    epoch: Epoch,
    reading: Option<Reading>,
    /// What it knows of each group: as read, or as replied to its own write, and nothing while that is out.
    seen: Reading,
    /// When its writes of groups were answered.
    answered: Vec<(String, Duration)>,
    views: Vec<View>,
    /// When it was shown which process's view, where it is a suspicion's.
    looks: Vec<(Duration, Instance)>,
    /// When its last reading of each site's backup took effect.
    backup_read: [Option<Duration>; 2],
    secret_reads: u32,
    /// It has begun to write endpoint groups.
    has_balanced: bool,
    /// The world agreed with a completed decision, for this reporter, when it began; the revision then.
    agreeing: bool,
}

/// What was so right before a call took effect.
#[derive(Debug)]
pub(crate) struct Before {
    record: Record,
    listeners: Vec<(String, usize)>,
    backups: [Backup; 2],
    wiped: [u32; 2],
    configs: [Vec<(String, EndpointConfig)>; 2],
    inside: [bool; 2],
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// A decision was carried out completely.
    pub fences: u64,
    pub rejoins: u64,
    pub promotions: u64,
    /// The link was lost during a rejoin.
    pub aborts: u64,
    /// A recovery by hand was believed.
    pub adoptions: u64,
    /// An executor went on with another's decision.
    pub takeovers: u64,
    /// A write of the register came too late.
    pub lost_races: u64,
    /// Infinispan had forgotten the cut.
    pub recuts: u64,
    /// The fenced site was back too early.
    pub refences: u64,
    /// A listener that people had emptied was filled again.
    pub refills: u64,
    /// A claim was renewed beside a call.
    pub renewals: u64,
    /// A hold was put on.
    pub holds: u64,
    /// A topology was applied once more.
    pub applies: u64,
    /// Everything was destroyed, register and all.
    pub destructions: u64,
    /// The only site that was left to survive was drained, and nothing was decided.
    pub left_drained: u64,
    /// An operator had a drained site serve.
    pub restored: u64,
    /// Another topology's function left the accelerator to the one that it names.
    pub left_to_its_owner: u64,
    /// A loss was not fenced, and people heard of it.
    pub cries: u64,
    /// A suspicion led to a decision.
    pub suspected: u64,
    /// One did not, and was left to the alert.
    pub left: u64,
    /// One was over by itself, and that was kept.
    pub near_misses: u64,
    /// A site was fenced without the register.
    pub forced: u64,
    /// The register came to say what was forced, and functions ran again.
    pub reconciled: u64,
}

impl Counts {
    /// The sum of two histories.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            fences: self.fences + other.fences,
            rejoins: self.rejoins + other.rejoins,
            promotions: self.promotions + other.promotions,
            aborts: self.aborts + other.aborts,
            adoptions: self.adoptions + other.adoptions,
            takeovers: self.takeovers + other.takeovers,
            lost_races: self.lost_races + other.lost_races,
            recuts: self.recuts + other.recuts,
            refences: self.refences + other.refences,
            refills: self.refills + other.refills,
            renewals: self.renewals + other.renewals,
            holds: self.holds + other.holds,
            applies: self.applies + other.applies,
            destructions: self.destructions + other.destructions,
            left_drained: self.left_drained + other.left_drained,
            restored: self.restored + other.restored,
            left_to_its_owner: self.left_to_its_owner + other.left_to_its_owner,
            cries: self.cries + other.cries,
            suspected: self.suspected + other.suspected,
            left: self.left + other.left,
            near_misses: self.near_misses + other.near_misses,
            forced: self.forced + other.forced,
            reconciled: self.reconciled + other.reconciled,
        }
    }
}

#[derive(Debug, Default)]
pub struct Watcher {
    /// The first thing that did not hold.
    pub violation: Option<String>,
    pub counts: Counts,
    /// What the history came upon.
    pub met: BTreeSet<Circumstance>,
    invocations: Vec<Invoked>,
    /// When the newest epoch was decided.
    epoch_began: Duration,
    /// When the one before was.
    epoch_before: Duration,
    /// How often an alert that changes nothing could be explained to nobody.
    pub unexplained: u64,
    /// A loss that nobody fences.
    loss: losses::Loss,
    /// When an operator looked for the last time, before something was forced, whether the fenced site replicates.
    pub forced_since: Duration,
    /// Whether that site was dead and said nothing.
    pub forced_blind: bool,
}

impl Watcher {
    /// Notes what does not hold; the first one counts.
    pub fn violated(&mut self, what: String) {
        if self.violation.is_none() {
            self.violation = Some(what);
        }
    }

    fn demand(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violated(what());
        }
    }

    fn invoked(&self, id: InvocationId) -> Option<&Invoked> {
        self.invocations.get(usize::try_from(id.0).ok()?)
    }

    fn invoked_mut(&mut self, id: InvocationId) -> Option<&mut Invoked> {
        self.invocations.get_mut(usize::try_from(id.0).ok()?)
    }

    pub(crate) fn begins(
        &mut self,
        kind: Kind,
        now: Duration,
        ends: Duration,
        reality: &Reality,
    ) -> InvocationId {
        let agreeing = matches!(&kind, Kind::Alert(reporter, _) if stands_for(reality, reporter));
        self.invocations.push(Invoked {
            kind,
            began: now,
            ends,
            over: false,
            faulty: false,
            record: None,
            epoch: Epoch::default(),
            reading: None,
            seen: Reading::default(),
            answered: Vec::new(),
            views: Vec::new(),
            looks: Vec::new(),
            backup_read: [None; 2],
            secret_reads: 0,
            has_balanced: false,
            agreeing,
        });
        InvocationId(self.invocations.len() as u64 - 1)
    }

    /// A call is issued. Returns when its caller's time is over, and the epoch that it knows of.
    pub(crate) fn issued(
        &mut self,
        id: InvocationId,
        call: &Call,
        faulty: bool,
        now: Duration,
        reality: &Reality,
    ) -> (Duration, Epoch) {
        let Some(invoked) = self.invoked_mut(id) else {
            self.violated(format!("I12: a call outside any invocation: {call:?}"));
            return (now, Epoch::default());
        };
        invoked.faulty |= faulty;
        let (ends, over, epoch) = (invoked.ends, invoked.over, invoked.epoch);
        let told_open = invoked
            .record
            .as_ref()
            .is_some_and(|record| record.state == State::Open);
        let kind = invoked.kind.clone();
        self.demand(!over && now <= ends, || {
            format!("I12: {id} issues a call after its end: {call:?}")
        });
        let writes = call.writes();
        match kind {
            Kind::Stranger => {
                self.violated(format!("I9: {id} has no credentials and causes {call:?}"));
            }
            Kind::Harmless => self.demand(!writes, || {
                format!("I11: {id}, which only confirms, causes {call:?}")
            }),
            // Whoever has just ended an epoch notes that.
            Kind::Sweep if matches!(call, Call::NoteReached(_)) => {}
            Kind::Sweep => self.demand(!(writes && told_open), || {
                format!("I11: the schedule finds nothing open and still causes {call:?}")
            }),
            Kind::Alert(..) | Kind::Suspicion(..) | Kind::Operate(_) => {}
            Kind::Forced(_) => {
                let of_the_register = matches!(
                    call,
                    Call::ReadRegister | Call::WriteRegister { .. } | Call::NoteReached(_)
                );
                self.demand(!of_the_register, || {
                    format!("I7: {id}, which is to do without the register, causes {call:?}")
                });
            }
        }
        if reality.settings.mode == Mode::Observe {
            let own = matches!(kind, Kind::Operate(Task::Hold { .. } | Task::Release { .. }));
            self.demand(!writes || own, || {
                format!("I11: mode is observe and {id} causes {call:?}")
            });
        }
        if let Call::TakeOffline { .. } = call {
            self.cut_is_issued(id, call, reality);
        }
        if let Call::WriteGroup(write) = call {
            self.forced_write_is_issued(id, write, reality);
        }
        if let Call::WriteGroup(write) = call
            && let Some(invoked) = self.invoked_mut(id)
        {
            // What was read before a write says nothing about what is there after it.
            invoked.seen.groups.retain(|group| group.arn != write.arn);
        }
        (ends, epoch)
    }

    /// The webhook's secret is read.
    pub(crate) fn secret_read(&mut self, id: InvocationId, process: u64, _: Duration) {
        let Some(invoked) = self.invoked_mut(id) else {
            return;
        };
        invoked.secret_reads += 1;
        let (reads, stranger) = (invoked.secret_reads, invoked.kind == Kind::Stranger);
        self.demand(!stranger || reads <= 1, || {
            format!("I9: {id} without credentials makes process {process} read the secret {reads} times")
        });
    }

    pub(crate) fn told(&mut self, notice: &Notice) {
        match notice.cause {
            Cause::Unexplained => self.unexplained += 1,
            Cause::OnlyDrainedLeft => self.counts.left_drained += 1,
            Cause::AnothersAccelerator => self.counts.left_to_its_owner += 1,
            _ => {}
        }
    }

    /// The clock of what serves this invocation is set, by so many seconds: if that runs just then it may take its time for
    /// over.
    pub(crate) fn clock_jumps(&mut self, id: InvocationId, by: SignedDuration, now: Duration) {
        if by.is_negative() {
            self.loss.set_back(now);
        }
        let Some(invoked) = self.invoked_mut(id).filter(|invoked| !invoked.over) else {
            return;
        };
        invoked.faulty = true;
        if by.is_positive() {
            self.met.insert(Circumstance::TimeOverByAClock);
        }
    }

    /// A reply found nobody waiting for it.
    pub(crate) fn unheard(&mut self, id: InvocationId, event: &Event) {
        let is_running = self.invoked(id).is_some_and(|invoked| !invoked.over);
        if is_running && matches!(event, Event::Accelerator(Ok(_)) | Event::Group(Ok(_))) {
            self.met.insert(Circumstance::ReplyAfterItsCallerLeft);
        }
    }

    pub(crate) fn died(&mut self, id: InvocationId) {
        if let Some(invoked) = self.invoked_mut(id) {
            invoked.over = true;
        }
    }

    /// What is so right before a call takes effect.
    pub(crate) fn before(&self, reality: &Reality) -> Before {
        Before {
            record: reality.register(),
            listeners: reality.per_listener(),
            backups: [reality.backup(0), reality.backup(1)],
            wiped: [reality.sites[0].wiped, reality.sites[1].wiped],
            configs: [reality.configs(0), reality.configs(1)],
            inside: [reality.is_in(0), reality.is_in(1)],
        }
    }

    /// A call has taken effect; its executor knew of this epoch when it sent it.
    pub(crate) fn landed(
        &mut self,
        (id, epoch): (InvocationId, Epoch),
        call: &Call,
        event: &Event,
        before: &Before,
        reality: &Reality,
        now: Duration,
    ) {
        if event.fault().is_some()
            && let Some(invoked) = self.invoked_mut(id)
        {
            // The register is away, say.
            invoked.faulty = true;
        }
        match call {
            Call::WriteRegister { record, .. } => {
                self.register_is_written(id, record, event, before, reality, now);
            }
            Call::WriteGroup(write) => {
                self.group_is_written(id, write, before, reality, epoch);
            }
            Call::ReadView { at } if matches!(event, Event::Views(Ok(_))) => {
                let (instance, _) = reality.instance(reality.index(at));
                if let Some(invoked) = self.invoked_mut(id) {
                    invoked.looks.push((now, instance));
                }
            }
            Call::ReadBackup { at, .. } if matches!(event, Event::Backup(Ok(_))) => {
                let index = reality.index(at);
                if let Some(invoked) = self.invoked_mut(id) {
                    invoked.backup_read[index] = Some(now);
                }
            }
            Call::TakeOffline { at, .. }
            | Call::BringOnline { at, .. }
            | Call::ClearCache { at, .. }
            | Call::StartPush { at, .. }
            | Call::CancelPush { at, .. }
            | Call::CancelReceive { at, .. }
            | Call::ClearPushes { at, .. } => {
                self.infinispan_is_changed(id, call, reality.index(at), before, reality, epoch);
            }
            _ => {}
        }
    }

    /// A call of the other topology's function has taken effect. Whatever it is, both sites' users need somebody to
    /// serve them.
    pub(crate) fn others_landed(&mut self, call: &Call, before: &Before, reality: &Reality) {
        let now = reality.per_listener();
        for (listener, count) in &before.listeners {
            let left = now.iter().any(|(known, count)| known == listener && *count > 0);
            self.demand(*count == 0 || left, || {
                format!("I1: the other topology leaves listener {listener} without an endpoint: {call:?}")
            });
        }
        let both = |backups: [Backup; 2]| backups == [Backup::Offline; 2];
        let backups = [reality.backup(0), reality.backup(1)];
        self.demand(!both(backups) || both(before.backups), || {
            format!("I2: the other topology cuts the second backup: {call:?}")
        });
    }

    pub(crate) fn replied(
        &mut self,
        id: InvocationId,
        call: &Call,
        event: &Event,
        issued: Duration,
        now: Duration,
    ) {
        let Some(invoked) = self.invoked_mut(id) else {
            return;
        };
        let record = match (call, event) {
            (_, Event::Register(Ok(record))) => {
                Some(record.as_ref().map_or_else(Record::empty, |r| (**r).clone()))
            }
            (Call::WriteRegister { record, .. }, Event::Written(fencing::step::Written::Stored)) => {
                Some((**record).clone())
            }
            (_, Event::Written(fencing::step::Written::Lost(Some(record)))) => Some((**record).clone()),
            _ => None,
        };
        if let Some(record) = record {
            invoked.epoch = invoked.epoch.max(record.epoch);
            invoked.record = Some(record);
        }
        match event {
            Event::Accelerator(Ok(reading)) => {
                invoked.reading = Some(reading.clone());
                // A reading that was asked for before a write was answered is older than that answer.
                let newer = reading.groups.iter().filter(|group| {
                    invoked
                        .answered
                        .iter()
                        .all(|(arn, at)| *arn != group.arn || *at <= issued)
                });
                let newer = newer.cloned().collect();
                invoked.seen = std::mem::take(&mut invoked.seen).updated(newer);
            }
            Event::Group(Ok(group)) => {
                invoked.answered.push((group.arn.clone(), now));
                invoked.seen = std::mem::take(&mut invoked.seen).updated(vec![group.clone()]);
            }
            Event::Views(Ok(views)) => invoked.views.clone_from(views),
            _ => {}
        }
    }
}

/// Whether somebody else touched a thing since then, or so shortly before that a reading may not show it.
fn touched(hands: Option<Duration>, since: Duration, reality: &Reality) -> bool {
    hands.is_some_and(|at| at + reality.lag >= since)
}

/// Whether a decision is complete, in force for this reporter, and the world is as it says.
fn stands_for(reality: &Reality, reporter: &Reporter) -> bool {
    reality.record.as_ref().is_some_and(|record| {
        record.state == State::Complete
            && record
                .decision
                .as_ref()
                .is_some_and(|d| d.survivor.0 == reporter.0)
            && reality.agrees(record)
    })
}

/// Whether a decision is complete that fences this reporter: what it says changes nothing.
fn fences(reality: &Reality, reporter: &Reporter) -> bool {
    reality.record.as_ref().is_some_and(|record| {
        record.state == State::Complete && record.fenced().is_some_and(|fenced| *fenced == reporter.0)
    })
}

fn is_rejoin(kind: &Kind) -> bool {
    matches!(kind, Kind::Operate(Task::Rejoin { .. }))
}
