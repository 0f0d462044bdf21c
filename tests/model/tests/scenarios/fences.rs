//! Alerts and planned fences: what decides, what forbids, what fails.

use fencing::register::State;
use fencing::settings::Mode;
use fencing::step::{Call, Event, Task};
use fencing::words::{Reporter, SiteName, Suspect};
use model::grounds::{Layout, STRANGER, Site};
use model::invocation::Invocation;
use model::scene::{Chance, Verb, task_of};
use model::world::{Way, World};

use crate::stage::{Fate, Scene, fail, lag, lose};

#[test]
fn a_split_brain() {
    let mut scene = Scene::split();
    scene
        .ask(Chance::Sweep)
        .ask(Chance::AlertA)
        .ask(Chance::AlertB)
        .ask(Chance::AlertA)
        .ask(Chance::Sweep)
        .ask(Chance::Fence)
        .is("a_split_brain");
}

#[test]
fn two_regions_behind_two_listeners() {
    let mut scene = Scene::at(Layout {
        listeners: 2,
        two_regions: true,
    });
    scene.ask(Chance::AlertB).is("two_regions_behind_two_listeners");
}

#[test]
fn no_evidence_no_fence() {
    let mut scene = Scene::split();
    scene
        .now("the link is whole", |world| world.link = true)
        .ask(Chance::AlertA)
        .now("and lost again", |world| world.link = false)
        .ask_where(Chance::AlertA, |call| match call {
            Call::ReadView { .. } => Way::NoRelay,
            _ => Way::Plain,
        })
        .now("site-a is unhealthy", |world| world.sites[0].healthy = false)
        .ask(Chance::AlertA)
        .now("a stranger is in", |world| {
            world.sites[0].healthy = true;
            world.accelerator[0].members[STRANGER] = Some(50);
        })
        .ask(Chance::AlertA)
        .now("only site-b is in", |world| {
            world.accelerator[0].members = [None, Some(200), None];
        })
        .ask(Chance::AlertA)
        .now("nobody is in", |world| world.accelerator[0].members = [None; 3])
        .ask(Chance::AlertA)
        .now("only site-a is in", |world| {
            world.accelerator[0].members = [Some(100), None, None];
        })
        .ask(Chance::AlertA)
        .is("no_evidence_no_fence");
}

/// Drained is the administrators' own word: such a site does not win over one that is not, and where nobody else is
/// left an operator has to say so.
#[test]
fn a_drained_site() {
    let mut scene = Scene::split();
    scene
        .now("site-a is drained", |world| {
            world.accelerator[0].members[0] = Some(0);
        })
        .ask(Chance::AlertA)
        .now("site-b fails its health checks", |world| {
            world.sites[1].healthy = false;
        })
        .ask(Chance::AlertA)
        .ask(Chance::Fence)
        .ask(Chance::AlertA)
        .now("site-a is drained again, and site-b is put back", |world| {
            world.accelerator[0].members = [Some(0), Some(200), None];
        })
        .ask(Chance::Sweep)
        .is("a_drained_site");
}

#[test]
fn a_site_drained_by_the_dial_of_its_region() {
    let mut scene = Scene::at(Layout {
        listeners: 1,
        two_regions: true,
    });
    scene
        .now("site-a's group is dialled to 0, and site-b is out", |world| {
            world.accelerator[0].closed = true;
            world.accelerator[1].members = [None; 3];
        })
        .ask(Chance::AlertA)
        .ask(Chance::Fence)
        .is("a_site_drained_by_the_dial_of_its_region");
}

#[test]
fn two_drained_sites() {
    let mut scene = Scene::split();
    scene
        .now("both sites are drained", |world| {
            world.accelerator[0].members = [Some(0), Some(0), None];
        })
        .ask(Chance::AlertA)
        .is("two_drained_sites");
}

/// Whose view counts: the primary's, at once where no other relay node objects, after a minute where one does.
#[test]
fn the_primary_decides() {
    let asks = |way: Way| {
        move |call: &Call| match call {
            Call::ReadView { .. } => way,
            _ => Way::Plain,
        }
    };
    let mut scene = Scene::split();
    scene
        .now("the link is whole", |world| world.link = true)
        .ask_where(Chance::AlertA, asks(Way::Demoted))
        .now("site-a's second relay node misses site-b", |world| {
            world.sites[0].stuck = Some(false);
        })
        .ask(Chance::AlertA)
        .ask_where(Chance::AlertA, asks(Way::Second))
        .now(
            "the link is lost, and site-a's second relay node does not notice",
            |world| {
                world.link = false;
                world.sites[0].stuck = Some(true);
            },
        )
        .ask_where(Chance::AlertA, asks(Way::Second))
        .ask(Chance::AlertA)
        .now("20 s pass", |world| world.seconds += 20)
        .ask(Chance::AlertA)
        .now("site-b's second relay node does not notice, either", |world| {
            world.sites[1].stuck = Some(true);
        })
        .ask(Chance::AlertB)
        .now("the link heals", |world| world.link = true)
        .ask(Chance::AlertA)
        .now("it is lost, and two hours pass", |world| {
            world.link = false;
            world.seconds += 7200;
        })
        .ask(Chance::AlertB)
        .now("59 s pass", |world| world.seconds += 59)
        .ask(Chance::AlertA)
        .ask(Chance::AlertB)
        .now("1 s passes", |world| world.seconds += 1)
        .ask(Chance::AlertB)
        .is("the_primary_decides");
}

/// Only site-b has lost the other one.
#[test]
fn a_link_lost_for_one_site() {
    let mut scene = Scene::split();
    scene
        .now("site-a still sees site-b", |world| world.half = Some(Site::A))
        .ask(Chance::AlertA)
        .ask(Chance::AlertB)
        .ask(Chance::AlertA)
        .is("a_link_lost_for_one_site");
}

/// Quiet time keeps alerts waiting, and no operator.
#[test]
fn an_operator_does_not_wait_for_quiet_time() {
    let mut scene = Scene::split();
    let quiet = scene.world.now() + jiff::SignedDuration::from_secs(15);
    scene
        .recall("the sites have only just been brought together", |record| {
            record.cooldown_until = Some(quiet);
        })
        .ask(Chance::AlertA)
        .ask(Chance::Fence)
        .is("an_operator_does_not_wait_for_quiet_time");
}

#[test]
fn holds_and_releases() {
    let mut scene = Scene::split();
    scene
        .ask(Chance::Release)
        .ask(Chance::Hold)
        .ask(Chance::AlertA)
        .ask(Chance::Fence)
        .ask(Chance::Release)
        .ask(Chance::AlertA)
        .ask(Chance::Hold)
        .drive(Verb::Promote(Site::B), 1)
        .is("holds_and_releases");
}

#[test]
fn dependencies_fail() {
    let register = |call: &Call| match call {
        Call::ReadRegister => Way::Unanswered,
        _ => Way::Plain,
    };
    let reads = |call: &Call| match call {
        Call::ReadAccelerator => Way::Unanswered,
        _ => Way::Plain,
    };
    let group = |call: &Call| match call {
        Call::WriteGroup(_) => Way::Unanswered,
        _ => Way::Plain,
    };
    let asks = |call: &Call| match call {
        Call::ReadView { .. } => Way::Unanswered,
        _ => Way::Plain,
    };
    let cut = |call: &Call| match call {
        Call::TakeOffline { .. } => Way::Partly,
        _ => Way::Plain,
    };
    let silent = |call: &Call| match call {
        Call::TakeOffline { .. } | Call::ReadBackup { .. } => Way::Unanswered,
        _ => Way::Plain,
    };
    let mut scene = Scene::split();
    scene
        .ask_where(Chance::AlertA, register)
        .ask_where(Chance::AlertA, reads)
        .ask_where(Chance::Fence, reads)
        .ask_where(Chance::AlertA, asks)
        .ask_where(Chance::AlertA, group)
        .ask_where(Chance::Fence, group)
        .ask_where(Chance::Sweep, |call| match call {
            Call::WriteGroup(_) | Call::ReadAccelerator => Way::Unanswered,
            _ => Way::Plain,
        })
        .ask_where(Chance::Sweep, cut)
        .ask_where(Chance::AlertA, silent)
        .ask(Chance::AlertB)
        .is("dependencies_fail");
}

#[test]
fn somebody_else_is_at_work() {
    let mut scene = Scene::split();
    let task = task_of(&scene.grounds, Chance::AlertA).unwrap();
    // It stops right after its decision is written.
    let (mut first, _) = Invocation::begin(&scene.grounds, 99, task, scene.world.now());
    while scene.world.register.is_none() {
        let (ticket, call) = first
            .state
            .under_way()
            .next()
            .map(|(t, c)| (t, c.clone()))
            .unwrap();
        let event = scene.world.land(&scene.grounds, &call, Way::Plain);
        (first, _) = first.reply(&scene.grounds, scene.world.now(), ticket, event);
    }
    scene
        .ask(Chance::AlertB)
        .ask(Chance::Sweep)
        .now("its claim runs out, to the second", |world| world.seconds += 15)
        .ask(Chance::Sweep)
        .is("somebody_else_is_at_work");
}

#[test]
fn what_is_not_ours() {
    let mut scene = Scene::split();
    let foreign = SiteName::new("site-z").unwrap();
    scene
        .ask_for(Task::Alert {
            reporter: Reporter(foreign.clone()),
            suspect: Suspect(scene.grounds.name(Site::A).clone()),
            since: None,
        })
        .ask_for(Task::Fence {
            fenced: foreign.clone(),
            by: "alice".to_owned(),
        })
        .ask_for(Task::Promote {
            survivor: foreign,
            by: "alice".to_owned(),
            waited: None,
            survivor_is_lost: true,
        })
        .is("what_is_not_ours");
}

#[test]
fn only_observed() {
    let mut scene = Scene::split();
    scene.grounds.settings.mode = Mode::Observe;
    scene.ask(Chance::AlertA).ask(Chance::Fence).is("only_observed");
}

#[test]
fn a_claim_is_renewed_beside_a_call_that_hangs() {
    let scene = Scene::split();
    let mut world = scene.world.clone();
    let task = task_of(&scene.grounds, Chance::AlertA).unwrap();
    let (mut one, _) = Invocation::begin(&scene.grounds, 1, task, world.now());
    // Everything is answered but the write of the endpoint group, which hangs.
    let mut renewals = Vec::new();
    for _ in 0..12 {
        let call = one
            .state
            .under_way()
            .map(|(ticket, call)| (ticket, call.clone()))
            .find(|(_, call)| !matches!(call, Call::WriteGroup(_) | Call::Pause { .. }));
        if let Some((ticket, call)) = call {
            let event = world.land(&scene.grounds, &call, Way::Plain);
            (one, _) = one.reply(&scene.grounds, world.now(), ticket, event);
            renewals.push(world.record().claim.map(|claim| claim.until));
            continue;
        }
        let pause = one.state.under_way().find_map(|(ticket, call)| match call {
            Call::Pause { seconds } => Some((ticket, *seconds)),
            _ => None,
        });
        let (ticket, seconds) = pause.unwrap();
        assert_eq!(seconds, scene.grounds.settings.claim.renew_interval_seconds);
        world.seconds += u16::try_from(seconds).unwrap();
        (one, _) = one.reply(&scene.grounds, world.now(), ticket, Event::Passed);
    }
    let mut held: Vec<_> = renewals.into_iter().flatten().collect();
    held.dedup();
    assert!(held.len() >= 3, "the claim was not renewed: {held:?}");
    assert!(held.windows(2).all(|two| two[0] < two[1]), "{held:?}");
    assert_eq!(world.record().claim.unwrap().owner, "r1");
}

fn writes_a_group(call: &Call) -> bool {
    matches!(call, Call::WriteGroup(_))
}

fn reads_the_accelerator(call: &Call) -> bool {
    matches!(call, Call::ReadAccelerator)
}

fn writes_the_register(call: &Call) -> bool {
    matches!(call, Call::WriteRegister { .. })
}

#[test]
fn a_fence_takes_its_time() {
    let mut scene = Scene::split();
    scene.pace = 2;
    scene.ask(Chance::AlertA).is("a_fence_takes_its_time");
}

#[test]
fn replies_that_do_not_show_the_outcome() {
    let mut scene = Scene::split();
    scene
        .ask_where(Chance::AlertA, lose(1, writes_a_group))
        .recall(
            "its executor had died before the accelerator was written",
            |record| {
                record.state = State::Decided;
            },
        )
        .now("and site-b was in", |world| {
            world.accelerator[0].members[1] = Some(200);
        })
        .ask_where(Chance::Sweep, lag(1, writes_a_group))
        .recall("once more", |record| record.state = State::Decided)
        .now("and site-b was in", |world| {
            world.accelerator[0].members[1] = Some(200);
        })
        .ask_where(Chance::Sweep, |call| match call {
            Call::WriteGroup(_) => Fate::Earlier,
            Call::ReadAccelerator => Fate::As(Way::Unanswered),
            _ => Fate::As(Way::Plain),
        })
        .is("replies_that_do_not_show_the_outcome");
}

#[test]
fn a_listener_that_held_nobody() {
    let mut scene = Scene::at(Layout {
        listeners: 2,
        two_regions: false,
    });
    scene
        .now("the second listener holds nobody", |world| {
            world.accelerator[1].members = [None; 3];
        })
        .ask(Chance::AlertA)
        .recall(
            "its executor had died before the accelerator was written",
            |record| {
                record.state = State::Decided;
            },
        )
        .ask(Chance::Sweep)
        .recall("once more", |record| record.state = State::Decided)
        .now("and site-b is in the second listener", |world| {
            world.accelerator[1].members[1] = Some(200);
        })
        .ask(Chance::Sweep)
        .is("a_listener_that_held_nobody");
}

#[test]
fn a_resumed_fence_looks_before_it_is_complete() {
    let mut scene = Scene::fenced();
    let resumed = |record: &mut fencing::register::Record| record.state = State::Isolated;
    let back = |world: &mut World| world.accelerator[0].members[1] = Some(200);
    scene
        .recall("its executor had died before it was complete", resumed)
        .ask_where(Chance::Sweep, fail(1, reads_the_accelerator))
        .recall("once more", resumed)
        .now("and site-b is put back", back)
        .ask_where(Chance::Sweep, fail(1, reads_the_accelerator))
        .recall("once more", resumed)
        .ask_where(Chance::Sweep, fail(2, reads_the_accelerator))
        .now("site-b is put back", back)
        .ask(Chance::AlertA)
        .is("a_resumed_fence_looks_before_it_is_complete");
}

#[test]
fn the_register_does_not_answer() {
    let mut scene = Scene::split();
    scene
        .ask_where(Chance::AlertA, fail(9, writes_the_register))
        .ask_where(Chance::AlertA, |call| match call {
            Call::WriteRegister { .. } => Fate::Beaten,
            _ => Fate::As(Way::Plain),
        })
        .ask_where(Chance::AlertA, fail(1, writes_the_register))
        .recall(
            "its executor had died before the accelerator was written",
            |record| {
                record.state = State::Decided;
            },
        )
        .ask_where(Chance::AlertA, lose(9, writes_the_register))
        .is("the_register_does_not_answer");
}
