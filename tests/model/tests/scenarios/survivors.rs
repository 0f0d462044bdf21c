//! The survivor is changed.

use fencing::step::{Call, Task};
use fencing::words::{Rev, SiteName, Token};
use model::grounds::{Layout, Site};
use model::scene::{Chance, Command, Verb};
use model::world::{Way, World};

use crate::stage::{Scene, rev_waits};

#[test]
fn another_survivor() {
    let mut scene = Scene::split();
    scene
        .drive(Verb::Promote(Site::B), 1)
        .ask(Chance::AlertA)
        .now("site-a dies, after its weight was changed", |world| {
            world.sites[0].alive = false;
            world.accelerator[0].members[0] = Some(60);
        })
        .drive(Verb::Promote(Site::B), 2)
        .drive(Verb::Promote(Site::B), 3)
        .ask(Chance::AlertB)
        .is("another_survivor");
}

#[test]
fn another_survivor_in_two_regions() {
    let mut scene = Scene::at(Layout {
        listeners: 1,
        two_regions: true,
    });
    scene
        .ask(Chance::AlertA)
        .now("site-a dies", |world| world.sites[0].alive = false)
        .drive(Verb::Promote(Site::B), 1)
        .is("another_survivor_in_two_regions");
}

/// Who is made the survivor serves, also where administrators had drained it.
#[test]
fn a_drained_site_is_promoted() {
    let mut scene = Scene::split();
    scene
        .now("site-b is drained", |world| {
            world.accelerator[0].members[1] = Some(0);
        })
        .ask(Chance::AlertA)
        .now("site-a dies", |world| world.sites[0].alive = false)
        .drive(Verb::Promote(Site::B), 1)
        .is("a_drained_site_is_promoted");
}

#[test]
fn a_site_drained_by_its_dial_is_promoted() {
    let mut scene = Scene::at(Layout {
        listeners: 1,
        two_regions: true,
    });
    scene
        .now("site-b's group is dialled to 0", |world| {
            world.accelerator[1].closed = true;
        })
        .ask(Chance::AlertA)
        .now("site-a dies", |world| world.sites[0].alive = false)
        .drive(Verb::Promote(Site::B), 1)
        .is("a_site_drained_by_its_dial_is_promoted");
}

/// Both calls pasted at once, as from an example; the token of another wait; the right one, too early; in time.
#[test]
fn nobody_skips_the_wait_of_a_promotion() {
    let mut scene = Scene::fenced();
    let promote = |waited: Option<Token>| Task::Promote {
        survivor: SiteName::new("site-b").unwrap(),
        by: "alice".to_owned(),
        waited,
        survivor_is_lost: true,
    };
    let example = Token::of(Rev(4), "r2");
    scene
        .ask_for(promote(None))
        .ask_for(promote(Some(example)))
        .now(
            "half a minute later, still with what was in the example",
            |world| world.seconds += 30,
        )
        .ask_for(promote(Some(Token::of(Rev(4), "r9"))));
    let token = scene.token();
    scene
        .recall("the record was written eleven seconds ago", |record| {
            record.written_at += jiff::SignedDuration::from_secs(19);
        })
        .ask_for(promote(Some(token.clone())))
        .recall("by an older function, which gave it no name", |record| {
            record.token = None;
        })
        .ask_for(promote(Some(token)));
    let token = scene.waits();
    scene
        .recall("it bears a time to come", |record| {
            record.written_at += jiff::SignedDuration::from_hours(1);
        })
        .ask_for(promote(None))
        .ask_for(promote(Some(token)))
        .is("nobody_skips_the_wait_of_a_promotion");
}

/// What a survivor has written that looks healthy and answers would be lost for nothing.
#[test]
fn a_survivor_that_lives_is_replaced_only_where_it_is_called_lost() {
    type Sign = (&'static str, fn(&mut World));
    let mut scene = Scene::fenced();
    scene.drive(Verb::Promote(Site::B), 1);
    let promote = Command::new(Verb::Promote(Site::B), 2).task(&scene.grounds, &scene.world);
    scene.run(promote, |call| match call {
        Call::ReadAccelerator => Way::Unanswered,
        _ => Way::Plain,
    });
    scene
        .drive(Verb::Impose(Site::A), 3)
        .is("a_survivor_that_lives_is_replaced_only_where_it_is_called_lost");

    let signs: [Sign; 4] = [
        ("looks healthy and answers", |_| {}),
        ("looks unhealthy", |world| world.sites[0].healthy = false),
        ("is in no listener", |world| {
            world.accelerator[0].members[0] = None;
        }),
        ("does not answer, and still looks healthy", |_| {}),
    ];
    for (number, (sign, change)) in signs.into_iter().enumerate() {
        for lost in [false, true] {
            let mut scene = Scene::fenced();
            scene.now(sign, change);
            let verb = if lost {
                Verb::Impose(Site::B)
            } else {
                Verb::Promote(Site::B)
            };
            let task = Command::new(verb, 1).task(&scene.grounds, &scene.world);
            let silent = number == 3;
            scene.run(task, |call| match call {
                Call::ReadBackup { .. } if silent => Way::Unanswered,
                _ => Way::Plain,
            });
            let refused = number == 0 && !lost;
            assert_eq!(
                scene.world.record().epoch.0,
                if refused { 1 } else { 2 },
                "{sign}, {lost}"
            );
        }
    }
}

#[test]
fn another_survivor_while_others_ask() {
    let mut scene = Scene::fenced();
    let promote = Command::new(Verb::Impose(Site::B), 1).task(&scene.grounds, &scene.world);
    let fence_a = Task::Fence {
        fenced: scene.grounds.name(Site::A).clone(),
        by: "alice".to_owned(),
    };
    scene
        .ask_for(promote.clone())
        .ask_for(promote)
        .ask(Chance::AlertB)
        .ask(Chance::Sweep)
        .ask(Chance::Fence)
        .ask_for(fence_a)
        .drive(Verb::Rejoin(Site::B), 5)
        .drive(Verb::Rejoin(Site::A), 6);
    rev_waits(&mut scene);
    scene.is("another_survivor_while_others_ask");
}
