//! What operators and Alertmanager are told, and what is called meanwhile, scene by scene. Each scene is a script
//! below; its transcript lies in `scenarios/`, to be read and reviewed. `UPDATE_GOLDEN=1` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;
use std::path::PathBuf;

use fencing::answer::Next;
use fencing::register::Record;
use fencing::replication::{Backup, Push};
use fencing::settings::Mode;
use fencing::step::{Call, Event, Keycloak, Task};
use fencing::words::{Reporter, Rev, SiteName, Suspect};
use jiff::Timestamp;
use model::grounds::{Grounds, Layout, STRANGER, Site};
use model::invocation::Invocation;
use model::scene::{Chance, Command, Phase, Verb, task_of};
use model::story::what;
use model::world::{Way, World, unanswered};

/// A world, and what was said in it so far.
struct Scene {
    grounds: Grounds,
    world: World,
    name: u8,
    text: String,
}

impl Scene {
    fn split() -> Self {
        Self::at(Layout {
            listeners: 1,
            two_regions: false,
        })
    }

    fn at(layout: Layout) -> Self {
        let grounds = Grounds::new(layout);
        let mut world = World::new(&grounds, false);
        world.link = false;
        Self {
            grounds,
            world,
            name: 0,
            text: String::new(),
        }
    }

    fn fenced() -> Self {
        let mut scene = Self::split();
        scene.ask(Chance::AlertA);
        scene.text.clear();
        scene
    }

    fn now(&mut self, what: &str, change: impl FnOnce(&mut World)) -> &mut Self {
        let _ = writeln!(self.text, "* {what}");
        change(&mut self.world);
        self
    }

    fn ask(&mut self, chance: Chance) -> &mut Self {
        let task = task_of(&self.grounds, chance).unwrap();
        self.run(task, |_| Way::Plain);
        self
    }

    fn ask_for(&mut self, task: Task) -> &mut Self {
        self.run(task, |_| Way::Plain);
        self
    }

    /// The same, where some calls fare otherwise.
    fn ask_where(&mut self, chance: Chance, way: impl Fn(&Call) -> Way) -> &mut Self {
        let task = task_of(&self.grounds, chance).unwrap();
        self.run(task, way);
        self
    }

    /// One invocation, all its calls in the order in which they are begun.
    fn run(&mut self, task: Task, way: impl Fn(&Call) -> Way) -> Next {
        self.name += 1;
        let _ = writeln!(self.text, "> {}", asked(&task));
        let (mut invocation, mut told) = Invocation::begin(&self.grounds, self.name, task, self.world.now());
        loop {
            if let Some(answer) = invocation.answer() {
                for cause in &told {
                    let _ = writeln!(self.text, "    tells people: {cause:?}");
                }
                let _ = writeln!(self.text, "< {}: {}", answer.status.http(), answer.sentence);
                if answer.next != Next::Nothing {
                    let _ = writeln!(self.text, "  next: {:?}", answer.next);
                }
                return answer.next;
            }
            let calls = invocation.state.under_way();
            let (ticket, call) = calls
                .filter(|(_, call)| !matches!(call, Call::Pause { .. }))
                .map(|(ticket, call)| (ticket, call.clone()))
                .next()
                .unwrap();
            let way = way(&call);
            let _ = write!(self.text, "    {}", what(&self.grounds, &call));
            let event = match way {
                Way::Unanswered => unanswered(&call),
                way => self.world.land(&self.grounds, &call, way),
            };
            let _ = writeln!(
                self.text,
                "{}",
                if way == Way::Plain {
                    String::new()
                } else {
                    format!(" ({way:?})")
                }
            );
            if let Call::WriteRegister { record, .. } = &call {
                let _ = writeln!(self.text, "      {}", small_print(&self.grounds, record));
            }
            let more;
            (invocation, more) = invocation.reply(&self.grounds, self.world.now(), ticket, event);
            told.extend(more);
        }
    }

    /// An operator's command to its end.
    fn drive(&mut self, verb: Verb, session: u8) -> &mut Self {
        let mut command = Command::new(verb, session);
        loop {
            match command.phase {
                Phase::Waiting(rev) => {
                    self.world.seconds += 31;
                    command.waited = Some(rev);
                }
                Phase::StopKeycloak | Phase::StartKeycloak => command.scale(&mut self.world),
                Phase::Due | Phase::Calling(_) => {}
            }
            let next = self.run(command.task(&self.grounds), |_| Way::Plain);
            // What Retry would mean does not occur here: everything answers.
            match command.after(fencing::answer::Status::Done, next) {
                Some(next) => command = next,
                None => return self,
            }
        }
    }

    /// Compares with what is committed.
    fn is(&self, name: &str) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &self.text).unwrap();
            return;
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            expected == self.text,
            "{name} went otherwise than scenarios/{name}.txt says (UPDATE_GOLDEN=1 rewrites it):\n{}",
            self.text
        );
    }
}

/// What a write of the register leaves there beside what the line above it tells.
fn small_print(grounds: &Grounds, record: &Record) -> String {
    let second = |at: Timestamp| at.duration_since(World::new(grounds, false).now()).as_secs();
    let mut text = format!(
        "schema {}, by {}, at {} s",
        record.schema,
        record.by,
        second(record.written_at)
    );
    for (what, at) in [
        ("quiet until", record.cooldown_until),
        ("recovery seen at", record.recovery_seen_at),
        ("claimed until", record.claim.as_ref().map(|claim| claim.until)),
    ] {
        if let Some(at) = at {
            let _ = write!(text, ", {what} {} s", second(at));
        }
    }
    for place in &record.places {
        let group = grounds.group(&place.group_arn);
        let _ = write!(text, ", {} in group {group}", place.site);
    }
    text
}

fn asked(task: &Task) -> String {
    match task {
        Task::Alert { reporter, suspect } => format!("{reporter} reports {suspect}"),
        Task::Sweep { waited: None } => "the schedule".to_owned(),
        Task::Sweep { waited: Some(rev) } => format!("the schedule, having waited for rev {rev}"),
        Task::Fence { fenced, .. } => format!("fence {fenced}"),
        Task::Rejoin {
            stale,
            session,
            waited,
            keycloak,
            ..
        } => format!(
            "rejoin {stale}, session {session}, waited {:?}, Keycloak {keycloak:?}",
            waited.map(|rev| rev.0)
        ),
        Task::Promote { survivor, waited, .. } => {
            format!("promote {survivor}, waited {:?}", waited.map(|rev| rev.0))
        }
        Task::Hold { .. } => "hold".to_owned(),
        Task::Release { .. } => "release".to_owned(),
    }
}

fn having_waited(scene: &Scene) -> Task {
    Task::Sweep {
        waited: Some(scene.world.record().rev),
    }
}

fn rev_waits(scene: &mut Scene) {
    let task = having_waited(scene);
    scene.world.seconds += 31;
    scene.ask_for(task);
}

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
fn what_is_left_alone() {
    let mut scene = Scene::fenced();
    scene
        .now("the link heals, replication is on", |world| {
            world.link = true;
            world.sites[0].backup = Backup::Online;
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
        .now("nobody is in", |world| world.accelerator[0].members = [None; 3])
        .ask(Chance::Sweep)
        .ask(Chance::AlertA)
        .is("what_is_left_alone");
}

#[test]
fn early_returns_and_restarts() {
    let mut scene = Scene::fenced();
    scene
        .now("site-b is put back", |world| {
            world.accelerator[0].members[1] = Some(200);
        })
        .ask(Chance::Sweep)
        .now("site-a's Infinispan restarts", |world| {
            world.sites[0].backup = Backup::Online;
        })
        .ask(Chance::AlertA)
        .is("early_returns_and_restarts");
}

#[test]
fn a_recovery_by_hand() {
    let mut scene = Scene::fenced();
    scene
        .now("people bring both together, one direction is missing", |world| {
            world.link = true;
            world.sites[0].backup = Backup::Online;
            world.sites[1].backup = Backup::Offline;
            world.accelerator[0].members = [Some(100), Some(200), None];
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
fn a_recovery_that_was_seen_long_ago_is_seen_anew() {
    let mut scene = Scene::fenced();
    scene
        .now("people bring both together", |world| {
            world.link = true;
            world.sites[0].backup = Backup::Online;
            world.accelerator[0].members = [Some(100), Some(200), None];
        })
        .ask(Chance::Sweep)
        .now("eleven minutes pass", |world| world.seconds += 660);
    rev_waits(&mut scene);
    scene.is("a_recovery_that_was_seen_long_ago_is_seen_anew");
}

#[test]
fn a_recovery_that_was_seen_ten_minutes_ago_is_believed() {
    let mut scene = Scene::fenced();
    scene
        .now("people bring both together", |world| {
            world.link = true;
            world.sites[0].backup = Backup::Online;
            world.accelerator[0].members = [Some(100), Some(200), None];
        })
        .ask(Chance::Sweep)
        .now("nine minutes and 29 seconds pass", |world| world.seconds += 569);
    rev_waits(&mut scene);
    scene.is("a_recovery_that_was_seen_ten_minutes_ago_is_believed");
}

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

/// The next call of the command of session 7, which has waited for this revision.
fn rejoin(waited: Rev, keycloak: Keycloak) -> Task {
    Task::Rejoin {
        stale: SiteName::new("site-b").unwrap(),
        session: "s7".to_owned(),
        by: "alice".to_owned(),
        waited: Some(waited),
        keycloak,
    }
}

#[test]
fn a_rejoin_with_hindrances() {
    let mut scene = Scene::fenced();
    scene.now("the link heals", |world| world.link = true);
    let task = |scene: &Scene, keycloak| rejoin(scene.world.record().rev, keycloak);
    let first = Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds);
    scene.ask_for(first);
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
    let next = rejoin(Rev(4), Keycloak::Stopped);
    scene.run(next.clone(), |call| match call {
        Call::TakeOffline { .. } => Way::Unanswered,
        _ => Way::Plain,
    });
    // The same call again has not waited for what may be on its way.
    scene.ask_for(next);
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

#[test]
fn a_rejoin_is_broken_off() {
    let mut scene = Scene::fenced();
    scene.now("the link heals", |world| world.link = true);
    let first = Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds);
    scene
        .ask_for(first)
        .now("the link is lost", |world| world.link = false)
        .ask(Chance::AlertA)
        .ask(Chance::AlertA)
        .ask(Chance::Fence)
        .ask(Chance::Sweep);
    rev_waits(&mut scene);
    scene.ask(Chance::AlertA).is("a_rejoin_is_broken_off");
}

#[test]
fn a_rejoin_breaks_itself_off() {
    let mut scene = Scene::fenced();
    scene.now("the link heals", |world| world.link = true);
    let first = Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds);
    scene
        .ask_for(first)
        .ask(Chance::AlertA)
        .drive(Verb::Promote(Site::A), 1)
        .now("the link is lost", |world| world.link = false)
        .ask(Chance::AlertB)
        .ask_for(rejoin(Rev(4), Keycloak::Stopped))
        .is("a_rejoin_breaks_itself_off");
}

#[test]
fn a_rejoin_passes_to_another_command() {
    let mut scene = Scene::fenced();
    scene.now("the link heals", |world| world.link = true);
    let first = Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds);
    scene.ask_for(first);
    scene.run(rejoin(Rev(4), Keycloak::Stopped), |call| match call {
        Call::TakeOffline { .. } => Way::Unanswered,
        _ => Way::Plain,
    });
    scene
        .drive(Verb::Rejoin(Site::B), 8)
        .ask_for(rejoin(Rev(4), Keycloak::Stopped))
        .is("a_rejoin_passes_to_another_command");
}

#[test]
fn a_rejoin_finds_its_state_gone() {
    let mut scene = Scene::fenced();
    scene.now("the link heals", |world| world.link = true);
    scene.ask_for(Command::new(Verb::Rejoin(Site::B), 7).task(&scene.grounds));
    for _ in 0..5 {
        scene.ask_for(rejoin(Rev(4), Keycloak::Stopped));
    }
    scene.now("site-a's Infinispan restarts: the push is forgotten", |world| {
        world.sites[0].push = Push::Idle;
    });
    scene.ask_for(rejoin(Rev(4), Keycloak::Stopped));
    scene.now("site-a is cut again, the push is over", |world| {
        world.sites[0].backup = Backup::Offline;
        world.sites[0].push = Push::Ok;
    });
    for _ in 0..4 {
        scene.ask_for(rejoin(Rev(4), Keycloak::Stopped));
    }
    scene.ask_for(rejoin(Rev(4), Keycloak::Unknown));
    scene.run(rejoin(Rev(4), Keycloak::Ready), |call| match call {
        Call::WriteGroup(_) => Way::Unanswered,
        _ => Way::Plain,
    });
    scene.ask_for(rejoin(Rev(4), Keycloak::Ready));
    let waited = scene.world.record().rev;
    scene
        .ask_for(rejoin(waited, Keycloak::Ready))
        .is("a_rejoin_finds_its_state_gone");
}

#[test]
fn a_recovery_by_hand_is_overtaken() {
    let mut scene = Scene::fenced();
    scene
        .now("people bring both together", |world| {
            world.link = true;
            world.sites[0].backup = Backup::Online;
            world.accelerator[0].members = [Some(100), Some(200), None];
        })
        .ask(Chance::Sweep)
        .now("the link is lost", |world| world.link = false)
        .ask(Chance::AlertA)
        .now("the link heals, people bring both together", |world| {
            world.link = true;
            world.sites[0].backup = Backup::Online;
            world.accelerator[0].members = [Some(100), Some(200), None];
        })
        .ask(Chance::Sweep)
        .drive(Verb::Rejoin(Site::B), 1)
        .is("a_recovery_by_hand_is_overtaken");
}

#[test]
fn another_survivor() {
    let mut scene = Scene::split();
    scene
        .drive(Verb::Promote(Site::B), 1)
        .ask(Chance::AlertA)
        .now("site-a dies", |world| world.sites[0].alive = false)
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

#[test]
fn another_survivor_while_others_ask() {
    let mut scene = Scene::fenced();
    let promote = Command::new(Verb::Promote(Site::B), 1).task(&scene.grounds);
    scene
        .ask_for(promote.clone())
        .ask_for(promote)
        .ask(Chance::AlertB)
        .ask(Chance::Sweep)
        .ask(Chance::Fence)
        .drive(Verb::Rejoin(Site::B), 5)
        .drive(Verb::Rejoin(Site::A), 6);
    rev_waits(&mut scene);
    scene.is("another_survivor_while_others_ask");
}

#[test]
fn what_is_not_ours() {
    let mut scene = Scene::split();
    let foreign = SiteName::new("site-z").unwrap();
    scene
        .ask_for(Task::Alert {
            reporter: Reporter(foreign.clone()),
            suspect: Suspect(scene.grounds.name(Site::A).clone()),
        })
        .ask_for(Task::Fence {
            fenced: foreign.clone(),
            by: "alice".to_owned(),
        })
        .ask_for(Task::Promote {
            survivor: foreign,
            by: "alice".to_owned(),
            waited: None,
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
