//! The fenced site is brought back.

use fencing::register::State;
use fencing::replication::{Backup, Push};
use fencing::step::{Call, Keycloak, Task};
use fencing::words::{SiteName, Token};
use model::grounds::Site;
use model::scene::{Chance, Command, Verb};
use model::world::Way;

use crate::stage::{Scene, fail, rev_waits};

#[test]
fn a_rejoin() {
    let mut scene = Scene::fenced();
    scene
        .drive(Verb::Rejoin(Site::B), 1)
        .now("the link heals", |world| world.link = true)
        .ask(Chance::AlertB)
        .drive(Verb::Rejoin(Site::B), 2)
        .drive(Verb::Rejoin(Site::B), 3)
        .is("a_rejoin");
}

/// The next call of the command of session 7, which names this token.
fn rejoin(waited: &Token, keycloak: Keycloak) -> Task {
    Task::Rejoin {
        stale: SiteName::new("site-b").unwrap(),
        session: "s7".to_owned(),
        by: "alice".to_owned(),
        waited: Some(waited.clone()),
        keycloak,
    }
}

#[test]
fn a_rejoin_with_hindrances() {
    let mut scene = Scene::fenced();
    scene.now("the link heals", |world| world.link = true);
    let task = |scene: &Scene, keycloak| rejoin(&scene.token(), keycloak);
    let first = Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds, &scene.world);
    scene.ask_for(first);
    let waited = scene.waits();
    let next = task(&scene, Keycloak::Stopped);
    scene
        .now("somebody put site-b back", |world| {
            world.accelerator[0].members[1] = Some(200);
        })
        .ask_for(next)
        .now("and out again", |world| world.accelerator[0].members[1] = None);
    let next = task(&scene, Keycloak::Stopped);
    scene.run(next, |call| match call {
        Call::TakeOffline { .. } => Way::Partly,
        _ => Way::Plain,
    });
    // As the command does it: it has waited once, and nothing is under way any more.
    let next = rejoin(&waited, Keycloak::Stopped);
    scene.run(next.clone(), |call| match call {
        Call::TakeOffline { .. } => Way::Unanswered,
        _ => Way::Plain,
    });
    // The same call again has not waited for what may be on its way.
    scene.ask_for(next);
    scene.waits();
    let next = task(&scene, Keycloak::Stopped);
    scene
        .ask_for(next)
        .now("site-b's Infinispan restarts before it is cleared", |world| {
            world.sites[1].backup = Backup::Online;
        });
    let next = task(&scene, Keycloak::Stopped);
    scene.ask_for(next);
    for _ in 0..4 {
        let next = task(&scene, Keycloak::Stopped);
        scene.ask_for(next);
    }
    scene.now("the push fails", |world| world.sites[0].push = Push::Error);
    let next = task(&scene, Keycloak::Stopped);
    scene.ask_for(next);
    for _ in 0..2 {
        let next = task(&scene, Keycloak::Stopped);
        scene.ask_for(next);
    }
    scene.now("site-b's Infinispan is cut by hand", |world| {
        world.sites[1].backup = Backup::Offline;
    });
    let next = task(&scene, Keycloak::Ready);
    scene
        .ask_for(next)
        .ask(Chance::Sweep)
        .ask(Chance::Fence)
        .is("a_rejoin_with_hindrances");
}

/// A start that fails leaves a push under way for ever, and a receiver that takes no other one.
#[test]
fn a_rejoin_whose_push_does_not_end() {
    let mut scene = Scene::fenced();
    scene.now("the link heals", |world| world.link = true);
    let task = |scene: &Scene| rejoin(&scene.token(), Keycloak::Stopped);
    let first = Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds, &scene.world);
    scene.ask_for(first);
    scene.waits();
    for _ in 0..3 {
        let next = task(&scene);
        scene.ask_for(next);
    }
    let next = task(&scene);
    scene.run(next, |call| match call {
        Call::StartPush { .. } => Way::Partly,
        _ => Way::Plain,
    });
    assert_eq!(scene.world.sites[0].push, Push::Sending);
    let next = task(&scene);
    scene.ask_for(next).now("the push is lost", |world| {
        world.sites[0].stalled = true;
    });
    for (what, seconds) in [
        ("15 minutes pass", 900),
        ("one second more", 1),
        ("the next one is lost, too, and 30 minutes pass", 1800),
        ("one second more", 1),
    ] {
        scene.now(what, |world| {
            world.seconds += seconds;
            world.sites[0].stalled = true;
        });
        for _ in 0..1 + usize::from(seconds == 1) {
            let next = task(&scene);
            scene.ask_for(next);
        }
    }
    scene.is("a_rejoin_whose_push_does_not_end");
}

/// Pods are counted before each call. At the first step they have not been stopped yet, at the last they may run; in
/// between somebody else has started them.
#[test]
fn a_rejoin_finds_keycloak_running() {
    let running = Keycloak::Running { pods: 2 };
    let mut scene = Scene::fenced();
    scene.now("the link heals", |world| world.link = true);
    let first = Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds, &scene.world);
    scene.ask_for(first);
    let waited = scene.waits();
    scene.ask_for(rejoin(&waited, running));
    for step in 0..2 {
        let waited = scene.token();
        scene.ask_for(rejoin(&waited, Keycloak::Stopped));
        if step == 0 {
            scene
                .now("somebody puts site-b into the accelerator", |world| {
                    world.accelerator[0].members[1] = Some(200);
                })
                .ask_for(rejoin(&waited, Keycloak::Stopped))
                .now("and out again", |world| world.accelerator[0].members[1] = None);
        }
    }
    let waited = scene.token();
    scene
        .ask_for(rejoin(&waited, Keycloak::Unknown))
        .ask_for(rejoin(&waited, running));
    scene.is("a_rejoin_finds_keycloak_running");

    // Each step in between, and only these.
    for (steps, off) in [(1, true), (2, true), (3, true), (4, true), (5, true), (6, false)] {
        let mut scene = Scene::fenced();
        scene.now("the link heals", |world| world.link = true);
        let first = Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds, &scene.world);
        scene.ask_for(first);
        scene.waits();
        for _ in 0..steps {
            let waited = scene.token();
            scene.ask_for(rejoin(&waited, Keycloak::Stopped));
        }
        let before = scene.world.record();
        assert_eq!(before.state, State::Rejoining, "{steps}");
        let waited = scene.token();
        scene.ask_for(rejoin(&waited, running));
        let state = if off { State::Complete } else { State::Rejoining };
        assert_eq!(scene.world.record().state, state, "{steps}: {:?}", before.rejoin);
        assert_eq!(scene.world.record().epoch, before.epoch);
    }
}

#[test]
fn a_rejoin_is_broken_off() {
    let mut scene = Scene::fenced();
    scene.now("the link heals", |world| world.link = true);
    let first = Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds, &scene.world);
    scene
        .ask_for(first)
        .now("the link is lost", |world| world.link = false)
        .ask(Chance::AlertA)
        .ask(Chance::AlertA)
        .ask(Chance::Fence)
        .drive(Verb::Promote(Site::A), 2)
        .ask(Chance::Sweep);
    rev_waits(&mut scene);
    scene.ask(Chance::AlertA).is("a_rejoin_is_broken_off");
}

#[test]
fn a_rejoin_breaks_itself_off() {
    let mut scene = Scene::fenced();
    scene.now("the link heals", |world| world.link = true);
    let first = Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds, &scene.world);
    scene
        .ask_for(first)
        .ask(Chance::AlertA)
        .drive(Verb::Promote(Site::A), 1)
        .now("the link is lost", |world| world.link = false)
        .ask(Chance::AlertB);
    let waited = scene.waits();
    scene
        .ask_for(rejoin(&waited, Keycloak::Stopped))
        .is("a_rejoin_breaks_itself_off");
}

#[test]
fn a_rejoin_passes_to_another_command() {
    let mut scene = Scene::fenced();
    scene.now("the link heals", |world| world.link = true);
    let first = Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds, &scene.world);
    scene.ask_for(first);
    let waited = scene.waits();
    scene.run(rejoin(&waited, Keycloak::Stopped), |call| match call {
        Call::TakeOffline { .. } => Way::Unanswered,
        _ => Way::Plain,
    });
    scene
        .drive(Verb::Rejoin(Site::B), 8)
        .ask_for(rejoin(&waited, Keycloak::Stopped))
        .is("a_rejoin_passes_to_another_command");
}

#[test]
fn a_rejoin_finds_its_state_gone() {
    let mut scene = Scene::fenced();
    scene.now("the link heals", |world| world.link = true);
    scene.ask_for(Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds, &scene.world));
    let waited = scene.waits();
    for _ in 0..5 {
        scene.ask_for(rejoin(&waited, Keycloak::Stopped));
    }
    scene.now("site-a's Infinispan restarts: the push is forgotten", |world| {
        world.sites[0].push = Push::Idle;
    });
    scene.ask_for(rejoin(&waited, Keycloak::Stopped));
    scene.now("site-a is cut again, the push is over", |world| {
        world.sites[0].backup = Backup::Offline;
        world.sites[0].push = Push::Ok;
    });
    for _ in 0..4 {
        scene.ask_for(rejoin(&waited, Keycloak::Stopped));
    }
    scene.ask_for(rejoin(&waited, Keycloak::Unknown));
    scene.run(rejoin(&waited, Keycloak::Ready), |call| match call {
        Call::WriteGroup(_) => Way::Unanswered,
        _ => Way::Plain,
    });
    scene.ask_for(rejoin(&waited, Keycloak::Ready));
    let waited = scene.waits();
    scene
        .ask_for(rejoin(&waited, Keycloak::Ready))
        .is("a_rejoin_finds_its_state_gone");
}

#[test]
fn a_rejoin_whose_clears_fail() {
    let mut scene = Scene::fenced();
    scene.now("the link heals", |world| world.link = true);
    scene.ask_for(Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds, &scene.world));
    let waited = scene.waits();
    scene.ask_for(rejoin(&waited, Keycloak::Stopped));
    let clears = |call: &Call| matches!(call, Call::ClearCache { .. });
    scene.run(rejoin(&waited, Keycloak::Stopped), fail(1, clears));
    let waited = scene.waits();
    for _ in 0..4 {
        scene.ask_for(rejoin(&waited, Keycloak::Stopped));
    }
    let forgets = |call: &Call| matches!(call, Call::ClearPushes { .. });
    scene.run(rejoin(&waited, Keycloak::Stopped), fail(1, forgets));
    scene
        .ask_for(rejoin(&waited, Keycloak::Stopped))
        .is("a_rejoin_whose_clears_fail");
}

#[test]
fn a_rejoin_finds_another_weight() {
    let mut scene = Scene::fenced();
    scene
        .now("the link heals, and site-a's weight is changed", |world| {
            world.link = true;
            world.accelerator[0].members[0] = Some(60);
        })
        .drive(Verb::Rejoin(Site::B), 1)
        .is("a_rejoin_finds_another_weight");
}

/// Nothing was carried out yet, so the next alert does not wait for anybody.
#[test]
fn a_rejoin_is_broken_off_and_the_cut_fails() {
    let mut scene = Scene::fenced();
    scene.now("the link heals", |world| world.link = true);
    scene.ask_for(Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds, &scene.world));
    scene
        .now("the link is lost, replication is on", |world| {
            world.link = false;
            world.sites[0].backup = Backup::Online;
        })
        .ask_where(
            Chance::AlertA,
            fail(9, |call| matches!(call, Call::TakeOffline { .. })),
        )
        .ask(Chance::AlertA)
        .is("a_rejoin_is_broken_off_and_the_cut_fails");
}
