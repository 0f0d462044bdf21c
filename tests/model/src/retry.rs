//! Liveness as an invariant: what one retry without faults reaches, from any state.
//!
//! "Eventually" says little where crashes may go on for ever. What an operator wants to know is: whatever has
//! happened, once the others are gone and claims have run out, does a single undisturbed run finish it? So
//! from each world that the checker comes to, those runs are made, and have to reach their goal.

use fencing::accelerator::GroupOutcome;
use fencing::answer::{Answer, Status};
use fencing::register::{Record, State};
use fencing::replication::{Backup, Push};
use fencing::step::Task;

use crate::grounds::{Grounds, STRANGER, Site};
use crate::invocation::Invocation;
use crate::laws::promoted;
use crate::scene::{Chance, Command, Phase, Verb, task_of};
use crate::world::{Data, Relay, Way, World};

/// The longest that any invocation may be; a longer one runs in circles.
const CALLS: usize = 300;

/// The most calls of one operator's command.
const TURNS: usize = 60;

/// Longer than a claim, a cooldown and any wait.
const LATER: u16 = 60;

/// As long as an objection of a second relay node counts.
const DOUBT: u16 = 60;

/// What retries reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// L1: what was begun is completed.
    pub completes: bool,
    /// L2: a loss that lasts is fenced.
    pub fences: bool,
    /// L4: there is a way out, and round again.
    pub leaves: bool,
}

/// Tries them from one world.
pub fn ends(grounds: &Grounds, world: &World) -> Ends {
    // Until an operator says that it is to be believed nothing is done on the word of such a register.
    if world.restored {
        return Ends {
            completes: true,
            fences: true,
            leaves: true,
        };
    }
    let mut later = world.clone();
    later.before = None;
    later.seconds += LATER;
    Ends {
        completes: completes(grounds, later.clone()),
        fences: fences(grounds, &later),
        leaves: leaves(grounds, &later) && promotes(grounds, later),
    }
}

/// One invocation, with nobody else around and every call answered at once.
pub fn alone(grounds: &Grounds, world: &mut World, name: u8, task: Task) -> Option<Answer> {
    let (mut invocation, _) = Invocation::begin(grounds, name, task, world.now());
    for _ in 0..CALLS {
        if let Some(answer) = invocation.answer() {
            return Some(answer.clone());
        }
        // No call takes long, so no pause is over before one.
        let (ticket, call) = invocation
            .state
            .under_way()
            .find(|(_, call)| !matches!(call, fencing::step::Call::Pause { .. }))?;
        let event = world.land(grounds, call, Way::Plain);
        invocation = invocation.reply(grounds, world.now(), ticket, event).0;
    }
    None
}

/// One operator's command, with nobody else around, until it is over.
pub fn drive(grounds: &Grounds, world: &mut World, verb: Verb) -> Option<Answer> {
    let mut command = Command::new(verb, 200);
    let mut last = None;
    for _ in 0..TURNS {
        match command.phase.clone() {
            Phase::Waiting(token) => {
                world.seconds += 31;
                command.waited = Some(token);
            }
            Phase::StopKeycloak | Phase::StartKeycloak => command.scale(world),
            Phase::Due | Phase::Calling(_) => {}
        }
        let answer = alone(grounds, world, 201, command.task(grounds, world))?;
        let next = command.after(answer.status, answer.next.clone());
        last = Some(answer);
        match next {
            Some(next) => command = next,
            None => return last,
        }
    }
    last
}

/// Whether a decision is carried out, in truth.
pub fn complete(grounds: &Grounds, world: &World) -> bool {
    let record = world.record();
    let Some(decision) = &record.decision else {
        return false;
    };
    let survivor = grounds.site(&decision.survivor.0);
    let exact = |write: &GroupOutcome| {
        let index = grounds.group(&write.arn);
        let group = world.accelerator[index];
        let wanted = grounds
            .written(write, group)
            .members
            .map(|member| member.is_some());
        let held = group.members.map(|member| member.is_some());
        // Where people took the survivor out of one of its places, that is for them to arrange.
        let nobody_else = (0..held.len()).all(|member| member == survivor.index() || !held[member]);
        // And where an operator had it serve again, it does, unless people have drained it since.
        let serves = !(write.opens || write.reweighs)
            || group.by_hand
            || !Grounds::drained(std::slice::from_ref(&group), survivor.index());
        serves && (wanted == held || (group.by_hand && nobody_else))
    };
    record.state == State::Complete
        && decision.outcome.groups.iter().all(exact)
        && world.at(survivor).backup == Backup::Offline
}

/// Whether what people did is still there.
fn touched(world: &World) -> bool {
    world.accelerator.iter().any(|group| group.by_hand) || world.sites.iter().any(|site| site.by_hand)
}

fn survivor_of(grounds: &Grounds, record: &Record) -> Option<Site> {
    record
        .decision
        .as_ref()
        .map(|decision| grounds.site(&decision.survivor.0))
}

fn alert(grounds: &Grounds, site: Site) -> Option<Task> {
    task_of(
        grounds,
        match site {
            Site::A => Chance::AlertA,
            Site::B => Chance::AlertB,
        },
    )
}

fn sweep(grounds: &Grounds, world: &mut World) -> Option<Answer> {
    let record = world.record();
    let waited = record.waits().then_some(record.rev);
    alone(grounds, world, 202, Task::Sweep { waited })
}

/// One run of the schedule; where a rejoin was broken off, the one that has to follow it.
fn finish(grounds: &Grounds, world: &mut World) {
    let unsettled = world.record().unsettled;
    sweep(grounds, world);
    if unsettled {
        sweep(grounds, world);
    }
}

fn completes(grounds: &Grounds, mut world: World) -> bool {
    let record = world.record();
    let Some(survivor) = survivor_of(grounds, &record).filter(|site| world.at(*site).alive) else {
        return true;
    };
    match record.state {
        State::Open => return true,
        State::Complete if emptied(grounds, &world, &record) => {
            finish(grounds, &mut world);
            return !emptied(grounds, &world, &record);
        }
        State::Complete if touched(&world) => return true,
        State::Decided | State::Isolated | State::Complete => finish(grounds, &mut world),
        State::Rejoining if touched(&world) => return true,
        State::Rejoining if world.connected() => {
            drive(grounds, &mut world, Verb::Rejoin(survivor.other()));
            return together(grounds, &world, record.decision.as_ref().is_some_and(promoted));
        }
        // The kept site sees the other, which is no way to push its state there: people repair the link.
        State::Rejoining if world.sees(survivor) => return true,
        State::Rejoining => {
            let Some(task) = alert(grounds, survivor) else {
                return false;
            };
            alone(grounds, &mut world, 203, task);
            finish(grounds, &mut world);
        }
    }
    let completed = complete(grounds, &world);
    // And the next alert of the survivor is told that it is done.
    let agrees = alert(grounds, survivor)
        .and_then(|task| alone(grounds, &mut world, 204, task))
        .is_some_and(|answer| answer.status == Status::Done);
    completed && agrees && complete(grounds, &world)
}

/// Whether people left a listener of the decision without anybody, and nothing keeps it from being filled again:
/// no hold, nobody unknown, no filling a moment ago, and the survivor wherever somebody is.
fn emptied(grounds: &Grounds, world: &World, record: &Record) -> bool {
    let Some(decision) = &record.decision else {
        return false;
    };
    let survivor = grounds.site(&decision.survivor.0).index();
    let ours = |groups: &std::ops::Range<usize>| {
        let mut writes = decision.outcome.groups.iter();
        writes.any(|write| groups.contains(&grounds.group(&write.arn)))
    };
    let inside = |groups: std::ops::Range<usize>, member: usize| {
        let mut groups = world.accelerator[groups].iter();
        groups.any(|group| group.members[member].is_some())
    };
    let (mut empty, mut others) = (false, false);
    for groups in grounds.listeners().filter(ours) {
        let somebody = (0..3).any(|member| inside(groups.clone(), member));
        empty |= !somebody;
        others |= somebody && !inside(groups, survivor);
    }
    let stranger = world
        .accelerator
        .iter()
        .any(|group| group.members[STRANGER].is_some());
    empty && !others && !stranger && record.hold.is_none() && record.refilled_at.is_none()
}

/// Whether both sites serve as if nothing had happened. After a promotion in the middle of a rejoin what is in
/// step with what, and whose Keycloak was stopped, is for people to see to, and they were told so.
fn together(grounds: &Grounds, world: &World, promoted: bool) -> bool {
    let members =
        |groups: &[crate::grounds::Group]| -> Vec<_> { groups.iter().map(|group| group.members).collect() };
    world.record().state == State::Open
        && members(&world.accelerator) == members(&grounds.whole())
        && world.sites.iter().all(|site| {
            site.backup == Backup::Online && (promoted || site.data == Data::InStep && site.keycloak)
        })
}

fn fences(grounds: &Grounds, world: &World) -> bool {
    let record = world.record();
    if record.state != State::Open || record.hold.is_some() || world.connected() {
        return true;
    }
    Site::ALL.into_iter().all(|site| {
        if !world.at(site).alive || !fit(grounds, world, site) {
            return true;
        }
        let mut world = world.clone();
        // Shut out of its own site a new relay node is for two minutes at most: a loss lasts longer.
        world.at_mut(site).relay = world.at(site).relay.joining();
        if drained(grounds, &world, site) {
            // No alert fences then. An operator's word does, and lets it serve.
            let fenced = grounds.name(site.other()).clone();
            let by = "alice".to_owned();
            alone(grounds, &mut world, 205, Task::Fence { fenced, by });
            return complete(grounds, &world) && !drained(grounds, &world, site);
        }
        if world.sees(site) {
            return true;
        }
        let Some(task) = alert(grounds, site) else {
            return false;
        };
        alone(grounds, &mut world, 205, task.clone());
        if world.at(site).stuck == Some(true) {
            // A second relay node sees what is not there: that makes the decision late, and no more.
            world.seconds += DOUBT;
            alone(grounds, &mut world, 205, task);
        }
        complete(grounds, &world)
    })
}

/// Whether this site is drained in a listener in which the other one is not.
fn drained(grounds: &Grounds, world: &World, site: Site) -> bool {
    grounds.listeners().any(|groups| {
        let groups = &world.accelerator[groups];
        Grounds::drained(groups, site.index()) && !Grounds::drained(groups, site.other().index())
    })
}

/// Whether the accelerator lets this site survive, and the settings do, but for its being drained.
fn fit(grounds: &Grounds, world: &World, site: Site) -> bool {
    let holds = |groups: std::ops::Range<usize>, member: usize| {
        world.accelerator[groups]
            .iter()
            .any(|group| group.members[member].is_some())
    };
    let everywhere = grounds
        .listeners()
        .all(|groups| holds(groups.clone(), site.index()) || !holds(groups, site.other().index()));
    let healthy = |site: Site| world.at(site).alive && world.at(site).healthy;
    let stranger = world
        .accelerator
        .iter()
        .any(|group| group.members[STRANGER].is_some());
    let may = grounds.settings.may_survive(grounds.name(site));
    may && everywhere && world.holds(site) && !stranger && (healthy(site) || !healthy(site.other()))
}

/// With everything repaired, there is a way to `open`, and from there to the next fence.
fn leaves(grounds: &Grounds, world: &World) -> bool {
    if touched(world) {
        return true;
    }
    let mut world = world.clone();
    world.link = true;
    world.half = None;
    for site in &mut world.sites {
        if !site.alive {
            site.alive = true;
            site.backup = Backup::Online;
            site.push = Push::Idle;
            (site.stalled, site.receiving) = (false, false);
            site.data = Data::Stale;
        }
        site.healthy = true;
        site.stuck = None;
        site.relay = Relay::Known;
    }
    if let Some(survivor) = survivor_of(grounds, &world.record()) {
        let stale = survivor.other();
        finish(grounds, &mut world);
        drive(grounds, &mut world, Verb::Rejoin(stale));
        if world.record().state == State::Complete {
            // Broken off because somebody had started the Keycloak that an earlier command stopped.
            drive(grounds, &mut world, Verb::Rejoin(stale));
        }
        if world.record().state != State::Open {
            // Where a site was out before anything was decided nobody knows its place: a person puts it back.
            world.accelerator = grounds.whole();
            drive(grounds, &mut world, Verb::Rejoin(stale));
        }
    }
    let opened = world.record().state == State::Open;
    if let Some(task) = task_of(grounds, Chance::Release) {
        alone(grounds, &mut world, 206, task);
    }
    world.seconds += LATER;
    world.link = false;
    let whole = fit(grounds, &world, Site::A) && !drained(grounds, &world, Site::A);
    if let Some(task) = alert(grounds, Site::A) {
        alone(grounds, &mut world, 207, task);
    }
    opened && (!whole || complete(grounds, &world))
}

/// A survivor that died is replaced by the other site, if that one lives and its place is known.
fn promotes(grounds: &Grounds, mut world: World) -> bool {
    let record = world.record();
    let Some(survivor) = survivor_of(grounds, &record).filter(|site| !world.at(*site).alive) else {
        return true;
    };
    let heir = survivor.other();
    let known = grounds.listeners().all(|mut groups| {
        groups.any(|index| {
            record
                .places
                .iter()
                .any(|place| grounds.site(&place.site) == heir && grounds.group(&place.group_arn) == index)
        })
    });
    if !world.at(heir).alive || !known {
        return true;
    }
    if let Some(task) = task_of(grounds, Chance::Release) {
        alone(grounds, &mut world, 208, task);
    }
    drive(grounds, &mut world, Verb::Promote(heir));
    complete(grounds, &world) && survivor_of(grounds, &world.record()) == Some(heir)
}
