//! What may happen in a state.

use fencing::step::Call;

use super::Protocol;
use super::calls::ways;
use crate::desk;
use crate::grounds::Site;
use crate::scene::{Action, Chance, Phase, Scene, Verb};
use crate::world::{Relay, Way};

/// What begins an invocation by itself.
const BEGINS: [Chance; 9] = [
    Chance::AlertA,
    Chance::AlertB,
    Chance::SuspicionA,
    Chance::SuspicionB,
    Chance::OthersAlertB,
    Chance::Sweep,
    Chance::Fence,
    Chance::Hold,
    Chance::Release,
];

/// What can change what a site sees, or withhold it.
const UNSETTLING: [Chance; 10] = [
    Chance::Break,
    Chance::Heal,
    Chance::Death,
    Chance::NoRelay,
    Chance::Demoted,
    Chance::Second,
    Chance::Stuck,
    Chance::Half,
    Chance::Unanswered,
    Chance::Relay,
];

impl Protocol {
    /// Everything that may happen next.
    pub(super) fn offer(&self, scene: &Scene, actions: &mut Vec<Action>) {
        if scene.broken.any() {
            return;
        }
        if let Some(look) = settled(scene) {
            actions.push(look);
            return;
        }
        of_calls(scene, actions);
        at_the_desk(scene, actions);
        // While an operator is at the desk the functions are stopped: nobody else gets anything done.
        if scene.desk.is_none() {
            self.of_people(scene, actions);
        }
        for chance in [Chance::Tick, Chance::Rest] {
            if may(scene, chance) {
                actions.push(Action::Pass(chance));
            }
        }
        if may(scene, Chance::Hand) {
            actions.extend(self.configuration.hands.iter().copied().map(Action::Hand));
        }
        of_sites(scene, actions);
        of_the_link(scene, actions);
    }

    /// Commands go on, alerts and the schedule arrive, somebody types a command.
    fn of_people(&self, scene: &Scene, actions: &mut Vec<Action>) {
        for (slot, command) in scene.commands.iter().enumerate() {
            match command.as_ref().map(|command| &command.phase) {
                None | Some(Phase::Calling(_)) => {}
                Some(phase) => {
                    actions.push(Action::Command(slot));
                    if may(scene, Chance::Skip) && matches!(phase, Phase::Waiting(_)) {
                        actions.push(Action::Skip(slot));
                    }
                }
            }
        }
        if scene.running.len() < self.configuration.executors {
            let begins = BEGINS.into_iter().filter(|chance| may(scene, *chance));
            actions.extend(begins.map(Action::Begin));
            if may(scene, Chance::Sweep) && scene.seen.is_some() {
                actions.push(Action::SweepHavingWaited);
            }
        }
        if scene.commands.iter().any(Option::is_none) {
            // A command names the site that is seen to be fenced when it is typed; when it runs, another may be.
            let fenced = scene.world.record().fenced().map(|name| self.grounds.site(name));
            let fenced = fenced.unwrap_or(Site::B);
            for (chance, verb) in [
                (Chance::Rejoin, Verb::Rejoin(fenced)),
                (Chance::Promote, Verb::Promote(Site::B)),
                (Chance::Impose, Verb::Impose(Site::B)),
            ] {
                if may(scene, chance) {
                    actions.push(Action::Type(verb));
                }
            }
        }
    }
}

fn may(scene: &Scene, chance: Chance) -> bool {
    scene.left.of(chance) > 0
}

/// What a site sees depends on the link alone. Where that cannot change any more, and cannot be withheld either, it does
/// not matter when the site is asked: at once is as good as later.
fn settled(scene: &Scene) -> Option<Action> {
    let joined = scene.world.sites.iter().all(|site| site.relay.joined());
    if !joined || UNSETTLING.into_iter().any(|chance| may(scene, chance)) {
        return None;
    }
    scene.running.iter().enumerate().find_map(|(index, running)| {
        let mut under_way = running.invocation.state.under_way();
        let look = under_way.find(|(_, call)| matches!(call, Call::ReadView { .. }));
        look.map(|(ticket, _)| Action::Call(index, ticket, Way::Plain))
    })
}

/// Calls land, in each way in which they may; whoever makes them dies.
fn of_calls(scene: &Scene, actions: &mut Vec<Action>) {
    for (index, running) in scene.running.iter().enumerate() {
        for (ticket, call) in running.invocation.state.under_way() {
            let ways = ways(scene, &running.invocation, call);
            actions.extend(ways.map(|way| Action::Call(index, ticket, way)));
        }
        // One that has changed nothing yet leaves nothing behind: as if it had never begun.
        if may(scene, Chance::Crash) && running.invocation.shown.wrote {
            actions.push(Action::Crash(index));
        }
    }
    actions.extend((0..scene.adrift.len()).map(Action::Land));
}

/// A fence by force.
fn at_the_desk(scene: &Scene, actions: &mut Vec<Action>) {
    match &scene.desk {
        None if may(scene, Chance::Force) => actions.push(Action::Force(false)),
        None => {}
        Some(desk) if desk.is_free() => {
            actions.push(Action::Force(true));
            if may(scene, Chance::Force) {
                actions.push(Action::Force(false));
            }
        }
        Some(desk) => {
            let phase = desk.errand.as_ref().map(|errand| &errand.phase);
            if !matches!(phase, Some(desk::Phase::Calling(_))) {
                actions.push(Action::Desk);
            }
            if may(scene, Chance::Crash) {
                actions.push(Action::BreakOff);
            }
        }
    }
}

/// A site restarts or is lost; its relay nodes change.
fn of_sites(scene: &Scene, actions: &mut Vec<Action>) {
    for site in Site::ALL.into_iter().filter(|site| scene.world.at(*site).alive) {
        if may(scene, Chance::Restart) {
            actions.push(Action::Restart(site));
        }
        if may(scene, Chance::Death) {
            actions.push(Action::Death(site));
        }
        if may(scene, Chance::Relay) {
            for relay in [Relay::Other { joined: false }, Relay::Restarted { joined: false }] {
                actions.push(Action::Relay(site, relay));
            }
        }
        if !scene.world.at(site).relay.joined() {
            actions.push(Action::Joined(site));
        }
    }
}

/// The link is lost, in one direction or in both, and comes back; a node goes on showing what it saw.
fn of_the_link(scene: &Scene, actions: &mut Vec<Action>) {
    if may(scene, Chance::Break) && (scene.world.link || scene.world.half.is_some()) {
        actions.push(Action::Link(false));
    }
    if may(scene, Chance::Half) && scene.world.link {
        actions.extend(Site::ALL.map(Action::Half));
    }
    if may(scene, Chance::Stuck) {
        actions.extend(Site::ALL.map(Action::Stuck));
    }
    if may(scene, Chance::Heal) && !scene.world.link {
        actions.push(Action::Link(true));
    }
}
