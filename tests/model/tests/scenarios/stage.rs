//! A scene: a world, what is asked of it, and the transcript of what was called and answered.

use std::cell::Cell;
use std::fmt::Write as _;
use std::path::PathBuf;

use fencing::answer::Next;
use fencing::register::Record;
use fencing::step::{Call, Event, Task};
use fencing::words::Token;
use jiff::Timestamp;
use model::grounds::{Grounds, Layout};
use model::invocation::Invocation;
use model::scene::{Chance, Command, Phase, Verb, task_of};
use model::shared::Shared;
use model::story::what;
use model::world::{Way, World, unanswered};

/// What becomes of a call.
pub(crate) enum Fate {
    /// What the world makes of it.
    As(Way),
    /// It takes effect, and its reply is lost.
    Lost,
    /// It takes effect, and its reply shows what was there before.
    Earlier,
    /// Somebody else writes the register first, and no reply comes.
    Beaten,
}

impl From<Way> for Fate {
    fn from(way: Way) -> Self {
        Self::As(way)
    }
}

/// The first so many of the calls that `which` names fail.
pub(crate) fn fail(first: u32, which: impl Fn(&Call) -> bool) -> impl Fn(&Call) -> Fate {
    fare(first, which, || Fate::As(Way::Unanswered))
}

/// The same number takes effect, and the replies are lost.
pub(crate) fn lose(first: u32, which: impl Fn(&Call) -> bool) -> impl Fn(&Call) -> Fate {
    fare(first, which, || Fate::Lost)
}

/// The same number takes effect, and the replies show what was there before.
pub(crate) fn lag(first: u32, which: impl Fn(&Call) -> bool) -> impl Fn(&Call) -> Fate {
    fare(first, which, || Fate::Earlier)
}

fn fare(first: u32, which: impl Fn(&Call) -> bool, how: impl Fn() -> Fate) -> impl Fn(&Call) -> Fate {
    let left = Cell::new(first);
    move |call| {
        if which(call) && left.get() > 0 {
            left.set(left.get() - 1);
            how()
        } else {
            Fate::As(Way::Plain)
        }
    }
}

/// A world, and what was said in it so far.
pub(crate) struct Scene {
    pub(crate) grounds: Grounds,
    pub(crate) world: World,
    /// So many seconds each call takes.
    pub(crate) pace: u16,
    /// What happens during which wait.
    meanwhile: Vec<(u32, &'static str, fn(&mut World))>,
    name: u8,
    text: String,
}

impl Scene {
    pub(crate) fn split() -> Self {
        Self::at(Layout {
            listeners: 1,
            two_regions: false,
        })
    }

    pub(crate) fn at(layout: Layout) -> Self {
        let grounds = Grounds::new(layout, None);
        let mut world = World::new(&grounds, false);
        world.link = false;
        Self {
            grounds,
            world,
            pace: 0,
            meanwhile: Vec::new(),
            name: 0,
            text: String::new(),
        }
    }

    pub(crate) fn fenced() -> Self {
        let mut scene = Self::split();
        scene.ask(Chance::AlertA).ask(Chance::Sweep);
        scene.text.clear();
        scene
    }

    pub(crate) fn now(&mut self, what: &str, change: impl FnOnce(&mut World)) -> &mut Self {
        let _ = writeln!(self.text, "* {what}");
        change(&mut self.world);
        self
    }

    /// The same in the middle of the next invocation: during its wait of this number, from 1 on.
    pub(crate) fn during(&mut self, wait: u32, what: &'static str, change: fn(&mut World)) -> &mut Self {
        self.meanwhile.push((wait, what, change));
        self
    }

    pub(crate) fn recall(&mut self, what: &str, change: impl FnOnce(&mut Record)) -> &mut Self {
        self.now(what, |world| {
            let mut record = world.record();
            change(&mut record);
            world.register = Some(Shared::new(record));
        })
    }

    pub(crate) fn ask(&mut self, chance: Chance) -> &mut Self {
        let task = task_of(&self.grounds, chance).unwrap();
        self.run(task, |_| Way::Plain);
        self
    }

    pub(crate) fn ask_for(&mut self, task: Task) -> &mut Self {
        self.run(task, |_| Way::Plain);
        self
    }

    /// The same, where some calls fare otherwise.
    pub(crate) fn ask_where<F: Into<Fate>>(
        &mut self,
        chance: Chance,
        fate: impl Fn(&Call) -> F,
    ) -> &mut Self {
        let task = task_of(&self.grounds, chance).unwrap();
        self.run(task, fate);
        self
    }

    /// One invocation, all its calls in the order in which they are begun.
    pub(crate) fn run<F: Into<Fate>>(&mut self, task: Task, fate: impl Fn(&Call) -> F) -> Next {
        self.name += 1;
        let _ = writeln!(self.text, "> {}", asked(&task));
        let mut waits = 0;
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
                return answer.next.clone();
            }
            let calls = invocation.state.under_way();
            let (ticket, call) = calls
                .filter(|(_, call)| !matches!(call, Call::Pause { .. }))
                .map(|(ticket, call)| (ticket, call.clone()))
                .next()
                .unwrap();
            let _ = write!(self.text, "    {}", what(&self.grounds, &call));
            let (event, remark) = self.land(&call, fate(&call).into());
            let _ = writeln!(self.text, "{remark}");
            self.world.seconds += self.pace;
            if let Call::Wait { milliseconds } = &call {
                waits += 1;
                self.world.seconds += u16::try_from(milliseconds.div_ceil(1000)).unwrap();
                for (_, what, change) in self.meanwhile.extract_if(.., |(wait, ..)| *wait == waits) {
                    let _ = writeln!(self.text, "    * {what}");
                    change(&mut self.world);
                }
            }
            if let Call::WriteRegister { record, .. } = &call {
                let _ = writeln!(self.text, "      {}", small_print(&self.grounds, record));
            }
            let more;
            (invocation, more) = invocation.reply(&self.grounds, self.world.now(), ticket, event);
            told.extend(more);
        }
    }

    fn land(&mut self, call: &Call, fate: Fate) -> (Event, String) {
        let mut before = self.world.clone();
        match (fate, call) {
            (Fate::As(Way::Plain), _) => (self.world.land(&self.grounds, call, Way::Plain), String::new()),
            (Fate::As(way), _) => (self.world.land(&self.grounds, call, way), format!(" ({way:?})")),
            (Fate::Earlier, Call::WriteGroup(write)) => {
                self.world.land(&self.grounds, call, Way::Plain);
                let shown = before.land(&self.grounds, &Call::ReadAccelerator, Way::Plain);
                let Event::Accelerator(Ok(shown)) = shown else {
                    panic!("{shown:?}")
                };
                let group = shown.groups.into_iter().find(|group| group.arn == write.arn);
                (
                    Event::Group(Ok(group.unwrap())),
                    " (its reply shows what was there before)".to_owned(),
                )
            }
            (Fate::Beaten, _) => {
                let theirs = before.record().revised("somebody else", before.now());
                self.world.register = Some(Shared::new(theirs));
                (
                    unanswered(call),
                    " (somebody else was faster, and its reply is lost)".to_owned(),
                )
            }
            (Fate::Lost | Fate::Earlier, _) => {
                self.world.land(&self.grounds, call, Way::Plain);
                (unanswered(call), " (its reply is lost)".to_owned())
            }
        }
    }

    /// The token that names what is in the register.
    pub(crate) fn token(&self) -> Token {
        self.world.record().token.unwrap()
    }

    /// Twice the timeout passes; the token that names what was waited for.
    pub(crate) fn waits(&mut self) -> Token {
        self.world.seconds += 30;
        self.token()
    }

    /// An operator's command to its end.
    pub(crate) fn drive(&mut self, verb: Verb, session: u8) -> &mut Self {
        let mut command = Command::new(verb, session);
        loop {
            match command.phase.clone() {
                Phase::Waiting(token) => {
                    self.world.seconds += 31;
                    command.waited = Some(token);
                }
                Phase::StopKeycloak | Phase::StartKeycloak => command.scale(&mut self.world),
                Phase::Due | Phase::Calling(_) => {}
            }
            let next = self.run(command.task(&self.grounds, &self.world), |_| Way::Plain);
            // What Retry would mean does not occur here: everything answers.
            match command.after(fencing::answer::Status::Done, next) {
                Some(next) => command = next,
                None => return self,
            }
        }
    }

    /// Compares with what is committed.
    pub(crate) fn is(&self, name: &str) {
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
    for (site, at) in &record.divided_since {
        let _ = write!(text, ", {site} divided since {} s", second(*at));
    }
    for place in &record.places {
        let (group, weight) = (
            grounds.group(&place.group_arn),
            place.config.weight.unwrap_or_default(),
        );
        let _ = write!(text, ", {} in group {group} by {weight}", place.site);
    }
    text
}

fn asked(task: &Task) -> String {
    match task {
        Task::Alert {
            reporter, suspect, ..
        } => format!("{reporter} reports {suspect}"),
        Task::Suspicion {
            reporter, suspect, ..
        } => format!("{reporter} suspects {suspect}"),
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
            waited.as_ref().map(ToString::to_string)
        ),
        Task::Promote {
            survivor,
            waited,
            survivor_is_lost,
            ..
        } => format!(
            "promote {survivor}{}, waited {:?}",
            if *survivor_is_lost {
                ", the other is lost"
            } else {
                ""
            },
            waited.as_ref().map(ToString::to_string)
        ),
        Task::Hold { .. } => "hold".to_owned(),
        Task::Release { .. } => "release".to_owned(),
        Task::Resume { epoch, .. } => format!("release --resume-epoch {epoch}"),
    }
}

fn having_waited(scene: &Scene) -> Task {
    Task::Sweep {
        waited: Some(scene.world.record().rev),
    }
}

pub(crate) fn rev_waits(scene: &mut Scene) {
    let task = having_waited(scene);
    scene.world.seconds += 31;
    scene.ask_for(task);
}
