//! A path of the checker in sentences, as one would tell what happened.

use fencing::register::Record;
use fencing::step::{Call, Task};
use stateright::Path;

use crate::grounds::Grounds;
use crate::invocation::Invocation;
use crate::scene::{Action, Chance, Scene};
use crate::world::{Relay, Way};

/// Every step in a line.
pub fn story(grounds: &Grounds, path: Path<Scene, Action>) -> Vec<String> {
    path.into_vec()
        .into_iter()
        .enumerate()
        .filter_map(|(index, (scene, action))| {
            Some(format!(
                "{:>3}. {}",
                index + 1,
                sentence(grounds, &scene, action?)
            ))
        })
        .collect()
}

fn sentence(grounds: &Grounds, scene: &Scene, action: Action) -> String {
    match action {
        Action::Begin(chance) => format!("{} begins as r{}", begun(chance), scene.fresh_name()),
        Action::SweepHavingWaited => format!(
            "the schedule, having seen the register wait long enough, begins as r{}",
            scene.fresh_name()
        ),
        Action::Type(verb) => format!("an operator types {verb:?}"),
        Action::Command(slot) => match &scene.commands[slot] {
            Some(command) => format!(
                "command {slot} ({:?}) goes on from {:?}",
                command.verb, command.phase
            ),
            None => format!("command {slot} is over"),
        },
        Action::Force(false) => "an operator types `fence site-b --force`".to_owned(),
        Action::Force(true) => "an operator types `reconcile`".to_owned(),
        Action::Desk => match scene.desk.as_ref().and_then(|desk| desk.errand.as_ref()) {
            Some(errand) => format!("the command at the desk goes on from {:?}", errand.phase),
            None => "nobody is at the desk".to_owned(),
        },
        Action::BreakOff => "the command at the desk is broken off".to_owned(),
        Action::Skip(slot) => format!("command {slot} goes on and does not wait"),
        Action::Call(index, ticket, way) => {
            let running = &scene.running[index];
            let call = running.invocation.call(ticket);
            format!(
                "{} {}{}",
                who(&running.invocation),
                call.map_or_else(String::new, |c| what(grounds, c)),
                how(way)
            )
        }
        Action::Land(index) => {
            let adrift = &scene.adrift[index];
            let call = adrift.by.call(adrift.ticket);
            format!(
                "LATE: what {} began takes effect: it {}",
                who(&adrift.by),
                call.map_or_else(String::new, |call| what(grounds, call))
            )
        }
        Action::Crash(index) => format!("{} dies", who(&scene.running[index].invocation)),
        Action::Pass(Chance::Tick) => "time passes: claims expire, who runs runs on".to_owned(),
        Action::Pass(_) => "twice the timeout passes: who ran has ended".to_owned(),
        Action::Hand(hand) => format!("a person {hand}"),
        Action::Restart(site) => format!("{}'s Infinispan restarts and forgets", site.as_str()),
        Action::Link(true) => "the link heals".to_owned(),
        Action::Link(false) => "the link is lost".to_owned(),
        Action::Half(site) => format!("the link is lost, but {} still sees the other", site.as_str()),
        Action::Stuck(site) => format!("{}'s second relay node shows no change any more", site.as_str()),
        Action::Relay(site, Relay::Restarted { .. }) => {
            format!("{}'s relay node is started anew", site.as_str())
        }
        Action::Relay(site, _) => format!("another node becomes {}'s relay node", site.as_str()),
        Action::Joined(site) => format!("{}'s relay node has joined the bridge", site.as_str()),
        Action::Death(site) => format!("{} dies for good", site.as_str()),
    }
}

fn begun(chance: Chance) -> &'static str {
    match chance {
        Chance::AlertA => "site-a's alert",
        Chance::AlertB => "site-b's alert",
        Chance::SuspicionA => "site-a's suspicion",
        Chance::SuspicionB => "site-b's suspicion",
        Chance::Sweep => "the schedule",
        Chance::Fence => "a planned fence of site-b",
        Chance::Hold => "a hold",
        Chance::Release => "a release",
        _ => "something",
    }
}

fn who(invocation: &Invocation) -> String {
    let name = invocation.name;
    match invocation.state.task() {
        Task::Alert { reporter, .. } => format!("r{name} ({reporter}'s alert)"),
        Task::Suspicion { reporter, .. } => format!("r{name} ({reporter}'s suspicion)"),
        Task::Sweep { .. } => format!("r{name} (the schedule)"),
        Task::Fence { .. } => format!("r{name} (a planned fence)"),
        Task::Rejoin { stale, session, .. } => format!("r{name} (rejoin {stale}, {session})"),
        Task::Promote { .. } => format!("r{name} (promote)"),
        Task::Hold { .. } => format!("r{name} (hold)"),
        Task::Release { .. } => format!("r{name} (release)"),
        Task::Resume { .. } => format!("r{name} (resume)"),
    }
}

fn how(way: Way) -> &'static str {
    match way {
        Way::Plain => "",
        Way::Unanswered => " and gets no answer",
        Way::Lagging => " and is shown what was there before",
        Way::Repeated => " and its repetition is refused",
        Way::Partly => " and it fails for one cache",
        Way::NoRelay => " and no relay node answers",
        Way::Demoted => " and only one that is no relay node any more answers",
        Way::Second => " and the primary does not answer",
        Way::Unmarked => " and not whose it is",
    }
}

/// A call in a few words.
pub fn what(grounds: &Grounds, call: &Call) -> String {
    match call {
        Call::ReadRegister => "reads the register".to_owned(),
        Call::WriteRegister { expect, record } => {
            format!(
                "writes the register over rev {expect}: {}",
                record_in_words(record)
            )
        }
        Call::ReadAccelerator => "reads the accelerator".to_owned(),
        Call::ReadMark => "reads whose it was a minute ago".to_owned(),
        Call::ReadWitnesses => "reads which nodes saw the other site last".to_owned(),
        Call::ReadAge { at, node } => format!("asks {at}'s {node} how long it has been running"),
        Call::Wait { milliseconds } => format!("waits {milliseconds} ms"),
        Call::WriteGroup(write) => {
            let ids: Vec<&str> = write
                .endpoints
                .iter()
                .filter_map(|endpoint| endpoint.id.split('/').nth(2))
                .collect();
            format!(
                "writes group {} as [{}]",
                grounds.group(&write.arn),
                ids.join(", ")
            )
        }
        Call::NoteReached(reached) => format!("notes {reached} at the accelerator"),
        Call::ReadView { at } => format!("asks {at} which sites it sees"),
        Call::TakeOffline { at, backup } => format!("cuts replication from {at} to {backup}"),
        Call::BringOnline { at, backup } => format!("lets {at} replicate to {backup} again"),
        Call::ReadBackup { at, .. } => format!("reads {at}'s backup"),
        Call::ClearCache { at, cache } => format!("clears {cache} at {at}"),
        Call::CancelPush { at, backup, .. } => format!("breaks the push from {at} to {backup} off"),
        Call::CancelReceive { at, from, .. } => format!("has {at} expect no push from {from}"),
        Call::StartPush { at, backup, .. } => format!("starts the push from {at} to {backup}"),
        Call::ReadPushes { at, .. } => format!("reads {at}'s pushes"),
        Call::Pause { seconds } => format!("sees {seconds} s pass while a call hangs"),
        Call::ClearPushes { at, .. } => format!("clears {at}'s push status"),
    }
}

/// A record in a few words.
pub fn record_in_words(record: &Record) -> String {
    let decision = record.decision.as_ref().map_or_else(String::new, |decision| {
        format!(", {} survives", decision.survivor)
    });
    let claim = record
        .claim
        .as_ref()
        .map_or_else(String::new, |claim| format!(", claimed by {}", claim.owner));
    let step = record.rejoin.as_ref().map_or_else(String::new, |rejoin| {
        format!(", {} at {:?}", rejoin.session, rejoin.step)
    });
    format!(
        "epoch {} {}{decision}{claim}{step}{}{}{}{}{}{}",
        record.epoch,
        record.state,
        if record.waiting { ", waiting" } else { "" },
        if record.unsettled { ", unsettled" } else { "" },
        if record.hold.is_some() { ", held" } else { "" },
        if record.divided_since.is_empty() {
            ""
        } else {
            ", doubted"
        },
        if record.recovery_seen_at.is_some() {
            ", recovery seen"
        } else {
            ""
        },
        if record.cooldown_until.is_some() {
            ", quiet"
        } else {
            ""
        },
    )
}
