//! After a fence: what is repaired, what is believed, what is left alone.

use fencing::replication::{Backup, Push};
use model::grounds::{Layout, Site};
use model::scene::{Chance, Verb, task_of};
use model::world::World;

use crate::stage::{Scene, fail, rev_waits};

/// What people do who bring the fenced site back by hand.
fn together(world: &mut World) {
    world.link = true;
    world.sites[0].backup = Backup::Online;
    world.sites[0].push = Push::Ok;
    world.accelerator[0].members = [Some(100), Some(200), None];
}

#[test]
fn what_is_left_alone() {
    let mut scene = Scene::fenced();
    scene
        .now("the link heals, people push the state", |world| {
            world.link = true;
            world.sites[0].backup = Backup::Online;
            world.sites[0].push = Push::Sending;
        })
        .ask(Chance::Sweep)
        .now("both are in, replication is on for some caches", |world| {
            world.sites[0].backup = Backup::Mixed;
            world.accelerator[0].members = [Some(100), Some(200), None];
        })
        .ask(Chance::Sweep)
        .now("replication is cut, site-a is unhealthy", |world| {
            world.sites[0].backup = Backup::Offline;
            world.sites[0].healthy = false;
        })
        .ask(Chance::Sweep)
        .is("what_is_left_alone");
}

/// Nobody in a listener is an outage that the decision in force knows how to end; somebody means it the second time,
/// and what holds others is for people.
#[test]
fn the_survivor_is_taken_out() {
    let nobody = |world: &mut World| world.accelerator[0].members = [None; 3];
    let mut scene = Scene::fenced();
    scene
        .now("nobody is in", nobody)
        .ask(Chance::Hold)
        .ask(Chance::Sweep)
        .ask(Chance::Release)
        .ask(Chance::Sweep)
        .now("nobody is in, an hour later", |world| {
            nobody(world);
            world.seconds += 3600;
        })
        .ask(Chance::AlertA)
        .now(
            "and a second more, while site-a's Infinispan does not answer",
            |world| {
                world.seconds += 1;
            },
        );
    let alert = task_of(&scene.grounds, Chance::AlertA).unwrap();
    scene.run(alert, fail(9, |call| call.site().is_some()));
    scene
        .ask(Chance::Sweep)
        .now("only the fenced site is in", |world| {
            world.accelerator[0].members = [None, Some(200), None];
        })
        .ask(Chance::Sweep)
        .now("only somebody unknown is in", |world| {
            world.accelerator[0].members = [None, None, Some(50)];
        })
        .ask(Chance::Sweep)
        .is("the_survivor_is_taken_out");
}

#[test]
fn the_survivor_is_taken_out_of_one_listener_of_two() {
    let mut scene = Scene::at(Layout {
        listeners: 2,
        two_regions: true,
    });
    scene
        .ask(Chance::AlertA)
        .now("site-a is taken out of the second listener", |world| {
            world.accelerator[2].members = [None; 3];
        })
        .ask(Chance::Sweep)
        .now(
            "an hour later again, and a stranger is in the first one",
            |world| {
                world.seconds += 3601;
                world.accelerator[2].members = [None; 3];
                world.accelerator[1].members = [None, None, Some(50)];
            },
        )
        .ask(Chance::Sweep)
        .is("the_survivor_is_taken_out_of_one_listener_of_two");
}

#[test]
fn early_returns_and_restarts() {
    let mut scene = Scene::fenced();
    scene
        .now("site-b is put back, with another weight", |world| {
            world.accelerator[0].members[1] = Some(70);
        })
        .ask(Chance::Sweep)
        .now("site-a's Infinispan restarts", |world| {
            world.sites[0].backup = Backup::Online;
        })
        .ask(Chance::AlertA)
        .now("the link heals, and it restarts once more", |world| {
            world.link = true;
            world.sites[0].backup = Backup::Online;
        })
        .ask(Chance::Sweep)
        .now("site-b is put back, and site-a's Infinispan restarts", |world| {
            world.sites[0].backup = Backup::Online;
            world.accelerator[0].members[1] = Some(200);
        })
        .ask(Chance::Sweep)
        .is("early_returns_and_restarts");
}

#[test]
fn a_recovery_by_hand() {
    let mut scene = Scene::fenced();
    scene
        .now("people bring both together, one direction is missing", |world| {
            together(world);
            world.sites[1].backup = Backup::Offline;
        })
        .ask(Chance::Sweep)
        .now("and the other direction", |world| {
            world.sites[1].backup = Backup::Online;
        })
        .ask(Chance::Sweep)
        .ask(Chance::Sweep);
    rev_waits(&mut scene);
    scene
        .now("the link is lost at once", |world| world.link = false)
        .ask(Chance::AlertA)
        .now("and still when the quiet time ends, to the second", |world| {
            world.seconds += 20;
        })
        .ask(Chance::AlertA)
        .is("a_recovery_by_hand");
}

#[test]
fn a_recovery_that_was_seen_long_ago_has_to_be_seen_again() {
    let mut scene = Scene::fenced();
    scene
        .now("people bring both together", together)
        .ask(Chance::Sweep)
        .now("eleven minutes pass", |world| world.seconds += 660);
    rev_waits(&mut scene);
    scene.is("a_recovery_that_was_seen_long_ago_has_to_be_seen_again");
}

#[test]
fn a_recovery_that_was_seen_ten_minutes_ago_is_believed() {
    let mut scene = Scene::fenced();
    scene
        .now("people bring both together", together)
        .ask(Chance::Sweep)
        .now("nine minutes and 29 seconds pass", |world| world.seconds += 569);
    rev_waits(&mut scene);
    scene.is("a_recovery_that_was_seen_ten_minutes_ago_is_believed");
}

#[test]
fn a_recovery_by_hand_is_overtaken() {
    let mut scene = Scene::fenced();
    scene
        .now("people bring both together", together)
        .ask(Chance::Sweep)
        .now("the link is lost", |world| world.link = false)
        .ask(Chance::AlertA)
        .now("the link heals, people bring both together", together)
        .ask(Chance::Sweep)
        .drive(Verb::Rejoin(Site::B), 1)
        .is("a_recovery_by_hand_is_overtaken");
}

#[test]
fn a_recovery_by_hand_with_other_weights() {
    let mut scene = Scene::fenced();
    scene
        .now("people bring both together, with other weights", |world| {
            together(world);
            world.accelerator[0].members = [Some(60), Some(40), None];
        })
        .ask(Chance::Sweep);
    rev_waits(&mut scene);
    scene.is("a_recovery_by_hand_with_other_weights");
}
