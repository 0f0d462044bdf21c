//! One state of the model: the world, the invocations that run, what is adrift, and what may still go wrong.

use std::fmt;

use fencing::answer::{Next, Status};
use fencing::register::State;
use fencing::step::{Keycloak, Task, Ticket};
use fencing::words::{Reporter, Rev, Suspect, Token};

use crate::desk::{self, Desk};
use crate::grounds::{Grounds, Site};
use crate::invocation::Invocation;
use crate::laws::Broken;
use crate::shared::Shared;
use crate::world::{Relay, Way, World};

/// Something that may happen, so often as a configuration allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chance {
    /// site-a's alert is delivered: first, again, late, out of order.
    AlertA,
    AlertB,
    /// The same before it is certain.
    SuspicionA,
    SuspicionB,
    /// site-b's, delivered to the function of another topology that stands on the same accelerator.
    OthersAlertB,
    Sweep,
    /// An operator fences site-b as planned.
    Fence,
    Hold,
    Release,
    /// A command that brings the fenced site back, step by step.
    Rejoin,
    /// A command that makes site-b the survivor.
    Promote,
    /// The same by an operator who says that site-a is lost, whatever it looks like.
    Impose,
    /// Whoever drives a command does not wait as it is told to.
    Skip,
    Crash,
    /// A call is not answered, whether it takes effect or not, now or later.
    Unanswered,
    /// A conditional write is repeated after it took effect.
    Repeated,
    /// A read of the accelerator lags.
    Lag,
    /// A switch fails for one cache.
    Partly,
    NoRelay,
    /// The only relay node that answers was demoted by a local merge.
    Demoted,
    /// The second relay node answers, and the primary does not.
    Second,
    /// A second relay node shows from now on what it shows now.
    Stuck,
    /// A site's primary relay node is started anew, or another one takes its place.
    Relay,
    /// The link is lost for one of the sites only.
    Half,
    /// The accelerator's tag cannot be read.
    Unmarked,
    /// A call takes longer than an interval of renewal.
    Slow,
    /// A claim's time passes while its holder runs on.
    Tick,
    /// Twice the function's timeout passes, and nobody who ran before runs on.
    Rest,
    Hand,
    /// A site's Infinispan restarts and forgets.
    Restart,
    Break,
    Heal,
    /// An operator stops the functions and fences site-b without the register.
    Force,
    /// A site dies for good.
    Death,
}

/// How many chances there are.
pub const CHANCES: usize = Chance::Death as usize + 1;

/// What is left of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Left([u8; CHANCES]);

impl Default for Left {
    fn default() -> Self {
        Self([0; CHANCES])
    }
}

impl Left {
    /// So often each.
    pub fn new(chances: &[(Chance, u8)]) -> Self {
        let mut left = Self::default();
        for (chance, times) in chances {
            left.0[*chance as usize] = *times;
        }
        left
    }

    /// How often it may still happen.
    pub fn of(&self, chance: Chance) -> u8 {
        self.0[chance as usize]
    }

    pub fn take(&mut self, chance: Chance) {
        let left = &mut self.0[chance as usize];
        *left = left.saturating_sub(1);
    }
}

/// What a person may do, other than through Sitefence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hand {
    /// Puts a site's balancer where it belongs.
    Add(Site),
    /// Takes a site's balancer out.
    Remove(Site),
    /// Adds a balancer of nobody's.
    AddStranger,
    /// Changes the weight of a site's balancer.
    Weigh(Site),
    /// Lets a site replicate to the other again.
    BringOnline(Site),
    StartKeycloak(Site),
    /// Brings the fenced site back altogether: in step, replicating, in the accelerator.
    Recover(Site),
    /// Drains a site: in a Region of its own by the dial of its groups, beside the other by its weight.
    Drain(Site),
    /// Restores the table from a backup that was made when the last decision was there: decided, complete, or with a
    /// rejoin under way.
    RestoreTable(State),
    /// Makes a site's health checks fail (a person, a deployment, or an outage of AWS).
    Sicken(Site),
}

/// Who waits for invocations to be over: an operator's command, by its slot, or the schedule.
pub const SCHEDULE: u8 = 2;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Running {
    /// The protocol's side of it.
    pub invocation: Shared<Invocation>,
    /// Who began to wait after it had begun: when that wait is over, its time is, too.
    pub waited_for: u8,
    /// Whether its time is over. Only a driver that breaks its promise lets it go on.
    pub overdue: bool,
}

/// A write that was not answered, and may still take effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Adrift {
    /// Who began it, as it was then.
    pub by: Shared<Invocation>,
    pub ticket: Ticket,
    /// As of a running invocation.
    pub waited_for: u8,
    /// As of a running invocation.
    pub overdue: bool,
}

/// What an operator's command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// `rejoin SITE`.
    Rejoin(Site),
    /// `promote SITE`.
    Promote(Site),
    /// The same, saying that the survivor is lost.
    Impose(Site),
}

/// Where it is in its loop.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It is going to call.
    Due,
    /// It waits for the answer of the invocation of this name.
    Calling(u8),
    /// It waits twice the timeout, and names this afterwards.
    Waiting(Token),
    /// It scales Keycloak to zero.
    StopKeycloak,
    StartKeycloak,
}

/// An operator's command that runs until the function says that it is over, as the command line does it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Command {
    pub verb: Verb,
    /// Its number: a second run of the same command is another session.
    pub session: u8,
    pub phase: Phase,
    /// What it has waited for.
    pub waited: Option<Token>,
    /// What it knows of the stale site's Keycloak.
    pub keycloak: Keycloak,
}

impl Command {
    /// One that has just been typed.
    pub fn new(verb: Verb, session: u8) -> Self {
        Self {
            verb,
            session,
            phase: Phase::Due,
            waited: None,
            keycloak: Keycloak::Unknown,
        }
    }

    /// The answer told it to scale a site's Keycloak, which a `rejoin` does to the one that it brings back.
    pub fn scale(&mut self, world: &mut World) {
        let Verb::Rejoin(site) = self.verb else { return };
        let runs = self.phase == Phase::StartKeycloak;
        world.at_mut(site).keycloak = runs;
        world.at_mut(site).started = false;
        self.keycloak = if runs { Keycloak::Ready } else { Keycloak::Stopped };
    }

    /// What it calls with. Right before it calls, it counts the pods that it has stopped.
    pub fn task(&self, grounds: &Grounds, world: &World) -> Task {
        let by = "alice".to_owned();
        match self.verb {
            Verb::Promote(site) | Verb::Impose(site) => Task::Promote {
                survivor: grounds.name(site).clone(),
                by,
                waited: self.waited.clone(),
                survivor_is_lost: matches!(self.verb, Verb::Impose(_)),
            },
            Verb::Rejoin(site) => Task::Rejoin {
                stale: grounds.name(site).clone(),
                session: format!("s{}", self.session),
                by,
                waited: self.waited.clone(),
                keycloak: match self.keycloak {
                    Keycloak::Stopped if world.at(site).keycloak => Keycloak::Running { pods: 1 },
                    known => known,
                },
            },
        }
    }

    /// Where it goes on after an answer; `None` when it is over.
    pub fn after(mut self, status: Status, next: Next) -> Option<Self> {
        self.phase = match next {
            Next::Nothing if status == Status::Retry => Phase::Due,
            Next::Nothing => return None,
            Next::Again | Next::Poll => Phase::Due,
            Next::Wait { token, .. } => Phase::Waiting(token),
            Next::StopKeycloak => Phase::StopKeycloak,
            Next::StartKeycloak => Phase::StartKeycloak,
        };
        Some(self)
    }
}

/// One state of the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scene {
    pub world: World,
    /// The invocations that run, by name.
    pub running: Vec<Running>,
    /// Writes without a caller.
    pub adrift: Vec<Adrift>,
    pub commands: [Option<Command>; 2],
    /// The functions are stopped, for a fence by force.
    pub desk: Option<Desk>,
    pub typed: u8,
    /// The waiting revision that a warm process has been seeing.
    pub seen: Option<Rev>,
    /// Who was shown the view of a relay node that was not in the bridge.
    pub misled: Vec<u8>,
    /// What may still happen.
    pub left: Left,
    pub broken: Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Begin(Chance),
    /// The schedule's invocation in a process that has been seeing the register wait long enough.
    SweepHavingWaited,
    /// An operator types a command.
    Type(Verb),
    Command(usize),
    /// A command goes on without the wait that it was told to keep.
    Skip(usize),
    /// An operator types `fence SITE --force`, or, with true, `reconcile`.
    Force(bool),
    /// The command at that desk goes on.
    Desk,
    /// It is broken off where it is.
    BreakOff,
    /// A call of a running invocation fares so.
    Call(usize, Ticket, Way),
    /// A write without a caller takes effect.
    Land(usize),
    Crash(usize),
    Pass(Chance),
    Hand(Hand),
    Restart(Site),
    /// The link is lost, or heals.
    Link(bool),
    /// The link is lost, but for this site.
    Half(Site),
    /// The second relay node of a site shows what it does now from now on.
    Stuck(Site),
    /// Another node is a site's primary relay node, or the same one anew.
    Relay(Site, Relay),
    /// It has joined the bridge.
    Joined(Site),
    Death(Site),
}

/// What an invocation is for that a chance begins.
pub fn task_of(grounds: &Grounds, chance: Chance) -> Option<Task> {
    let alert = |site: Site| Task::Alert {
        reporter: Reporter(grounds.name(site).clone()),
        suspect: Suspect(grounds.name(site.other()).clone()),
        since: None,
    };
    let suspicion = |site: Site| Task::Suspicion {
        reporter: Reporter(grounds.name(site).clone()),
        suspect: Suspect(grounds.name(site.other()).clone()),
        since: None,
    };
    Some(match chance {
        Chance::SuspicionA => suspicion(Site::A),
        Chance::SuspicionB => suspicion(Site::B),
        Chance::AlertA => alert(Site::A),
        Chance::AlertB | Chance::OthersAlertB => alert(Site::B),
        Chance::Sweep => Task::Sweep { waited: None },
        Chance::Fence => Task::Fence {
            fenced: grounds.name(Site::B).clone(),
            by: "alice".to_owned(),
        },
        Chance::Hold => Task::Hold {
            by: "alice".to_owned(),
            reason: "works on the network".to_owned(),
            until: None,
            replace: false,
        },
        Chance::Release => Task::Release {
            by: "alice".to_owned(),
        },
        _ => return None,
    })
}

impl Scene {
    /// Who can be told from the others.
    pub fn position(&self, name: u8) -> Option<usize> {
        self.running
            .iter()
            .position(|running| running.invocation.name == name)
    }

    /// Ends everybody that somebody waits for, as the function's timeout does.
    pub fn time_is_over(&mut self, for_whom: u8, driver_stops: bool) {
        let bit = 1 << for_whom;
        if driver_stops {
            let ended: Vec<u8> = self
                .running
                .iter()
                .filter(|running| running.waited_for & bit != 0)
                .map(|running| running.invocation.name)
                .collect();
            for name in ended {
                self.end(name);
            }
            self.adrift.retain(|adrift| adrift.waited_for & bit == 0);
        } else {
            for running in self.running.iter_mut().filter(|r| r.waited_for & bit != 0) {
                running.overdue = true;
            }
            for adrift in self.adrift.iter_mut().filter(|a| a.waited_for & bit != 0) {
                adrift.overdue = true;
            }
        }
    }

    /// Somebody begins to wait for all that run now.
    pub fn wait(&mut self, who: u8) {
        let bit = 1 << who;
        for running in &mut self.running {
            running.waited_for |= bit;
        }
        for adrift in &mut self.adrift {
            adrift.waited_for |= bit;
        }
    }

    /// Nobody waits any more on behalf of this one.
    pub fn wait_no_more(&mut self, who: u8) {
        let bit = 1 << who;
        for running in &mut self.running {
            running.waited_for &= !bit;
        }
        for adrift in &mut self.adrift {
            adrift.waited_for &= !bit;
        }
    }

    /// An invocation is gone without an answer; a command that called it calls again.
    pub fn end(&mut self, name: u8) {
        self.running.retain(|running| running.invocation.name != name);
        self.misled.retain(|misled| *misled != name);
        for command in self.commands.iter_mut().flatten() {
            if command.phase == Phase::Calling(name) {
                command.phase = Phase::Due;
            }
        }
        if let Some(desk) = &mut self.desk
            && desk
                .errand
                .as_ref()
                .is_some_and(|errand| errand.phase == desk::Phase::Calling(name))
        {
            desk.errand = None;
        }
    }

    /// A write is without its caller from now on.
    pub fn let_go(&mut self, running: &Running, ticket: Ticket) {
        self.adrift.push(Adrift {
            by: running.invocation.clone(),
            ticket,
            waited_for: running.waited_for,
            overdue: running.overdue,
        });
        self.adrift.sort_by_key(|adrift| (adrift.by.name, adrift.ticket));
    }

    /// The smallest name that nothing remembers.
    pub fn fresh_name(&self) -> u8 {
        let memory = self.desk.as_ref().and_then(|desk| desk.register.clone());
        let records = [&self.world.register, &self.world.others, &memory];
        let remembered = |name: u8| {
            let request = crate::invocation::request(name);
            let signature = format!("(request {request})");
            records.into_iter().flatten().any(|record| {
                record.by.ends_with(&signature)
                    || record.claim.as_ref().is_some_and(|claim| claim.owner == request)
            }) || self.running.iter().any(|running| running.invocation.name == name)
                || self.adrift.iter().any(|adrift| adrift.by.name == name)
        };
        (1..=u8::MAX).find(|name| !remembered(*name)).unwrap_or(u8::MAX)
    }
}

impl fmt::Display for Hand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(site) => write!(f, "puts {} back into the accelerator", site.as_str()),
            Self::Remove(site) => write!(f, "takes {} out of the accelerator", site.as_str()),
            Self::AddStranger => f.write_str("adds somebody else's balancer to the accelerator"),
            Self::Weigh(site) => write!(f, "changes the weight of {}", site.as_str()),
            Self::BringOnline(site) => write!(
                f,
                "lets {} replicate to {} again",
                site.as_str(),
                site.other().as_str()
            ),
            Self::Recover(site) => write!(f, "brings {} back altogether", site.as_str()),
            Self::StartKeycloak(site) => write!(f, "starts Keycloak at {}", site.as_str()),
            Self::RestoreTable(State::Complete) => f.write_str("restores the table from a backup"),
            Self::RestoreTable(state) => write!(f, "restores the table from a backup in which it is {state}"),
            Self::Drain(site) => write!(f, "drains {}", site.as_str()),
            Self::Sicken(site) => write!(f, "makes {} look unhealthy", site.as_str()),
        }
    }
}
