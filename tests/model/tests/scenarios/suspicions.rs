//! A site is suspected, and the function looks for itself.

use fencing::register::Hold;
use jiff::Timestamp;
use model::grounds::Site;
use model::scene::Chance::{AlertA, SuspicionA, SuspicionB};
use model::shared::Shared;
use model::world::Relay;

use crate::stage::Scene;

#[test]
fn a_suspicion_that_lasts_fences() {
    let mut scene = Scene::split();
    scene.ask(SuspicionA).ask(SuspicionB).ask(AlertA);
    scene.is("a_suspicion_that_lasts_fences");
}

#[test]
fn a_suspicion_that_ends_by_itself_is_left_alone() {
    let mut scene = Scene::split();
    scene
        .during(2, "the link heals", |world| world.link = true)
        .ask(SuspicionA);
    scene.is("a_suspicion_that_ends_by_itself_is_left_alone");
}

#[test]
fn a_relay_node_that_is_new_convicts_nobody() {
    let mut scene = Scene::split();
    scene
        .now(
            "the link is whole, and another node becomes site-a's relay node",
            |world| {
                world.link = true;
                world.at_mut(Site::A).relay = Relay::Other { joined: false };
            },
        )
        .ask(SuspicionA)
        .now("the known one is started again", |world| {
            world.at_mut(Site::A).relay = Relay::Restarted { joined: false };
        })
        .ask(SuspicionA)
        .now("it has joined the bridge, and the link is lost", |world| {
            world.at_mut(Site::A).relay = Relay::Restarted { joined: true };
            world.link = false;
        })
        .ask(SuspicionA)
        .now("a check has seen it with site-b in view before that", |world| {
            world.at_mut(Site::A).relay = Relay::Known;
        })
        .during(1, "another node becomes site-a's relay node", |world| {
            world.at_mut(Site::A).relay = Relay::Other { joined: true };
        })
        .ask(SuspicionA)
        .ask(AlertA);
    scene.is("a_relay_node_that_is_new_convicts_nobody");
}

#[test]
fn what_is_decided_while_a_suspicion_looks_is_judged_again() {
    let mut scene = Scene::split();
    scene
        .during(1, "an operator puts a hold on", |world| {
            let hold = Hold {
                by: "alice".to_owned(),
                reason: "works on the network".to_owned(),
                since: Timestamp::UNIX_EPOCH,
                until: None,
            };
            let held = fencing::register::Record {
                hold: Some(hold),
                ..world.record().revised("alice", world.now())
            };
            world.register = Some(Shared::new(held));
        })
        .ask(SuspicionA)
        .ask(SuspicionA);
    scene.now("the hold is off", |world| {
        let free = fencing::register::Record {
            hold: None,
            ..world.record().revised("alice", world.now())
        };
        world.register = Some(Shared::new(free));
    });
    scene
        .during(2, "somebody writes the register", |world| {
            let other = world.record().revised("bob", world.now());
            world.register = Some(Shared::new(other));
        })
        .ask(SuspicionA);
    scene.is("what_is_decided_while_a_suspicion_looks_is_judged_again");
}
