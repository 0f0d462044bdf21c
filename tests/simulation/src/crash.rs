//! Crash points: a task meets a state, and one of its calls goes wrong. Or two of them.
//!
//! ```text
//!   prepare ─▶ the state ─▶ act, call number i fails │ loses its reply │ comes late │ … │ takes its process along
//!                             ─▶ the claim runs out ─▶ once more, and nothing goes wrong ─▶ the goal    (L1)
//! ```
//!
//! How many calls an act makes is found by letting it act once in peace.

mod play;

use std::fmt;

use self::play::Play;
use crate::layout::Layout;
use crate::sim::{Fault, Faults};

/// In which state an act finds the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing was ever decided, the link is whole.
    Whole,
    /// Nothing is decided, the link is lost.
    Lost,
    /// The same, and the minute's check has seen it whole before.
    Watched,
    /// Nothing is decided, the link is lost, and somebody took the suspect out already.
    LostAndOut,
    /// Decided, and the executor died.
    Decided,
    /// Out of the accelerator, and the executor died.
    Isolated,
    Complete,
    /// Fenced, and the link is whole again.
    Healed,
    /// The same, while a write of an executor that has given up is still on its way.
    Straggling,
    /// The link is lost, nothing is decided, and somebody holds.
    Held,
    CompleteHeld,
    /// A rejoin is putting the site back, its write is on its way, and the link is lost again.
    BrokenOff,
    /// Fenced, and the survivor's Infinispan has forgotten it.
    Forgotten,
    /// Fenced, and somebody put the fenced site back.
    PutBack,
    /// Fenced, and somebody took the survivor out as well.
    Emptied,
    /// Fenced, the link is whole, somebody put the fenced site back, and the survivor's Infinispan restarted: all
    /// looks well, and no state was pushed.
    PutBackUnpushed,
    /// An earlier recovery has left its push, then fenced, and people have brought everything back without another one.
    LeftOver,
    /// Fenced, and people have brought everything back.
    Recovered,
    /// The same, but for the fenced site's own replication, which is still cut.
    HalfRecovered,
    /// A rejoin stopped at its step of this number; the link is whole.
    Rejoining(usize),
    /// A rejoin stopped at its step of this number; the link is lost again.
    RejoiningLost(usize),
    /// The survivor was changed, and the operator went home.
    Promoted,
    /// Fenced, and the survivor died.
    SurvivorDead,
}

/// Who does something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The first site reports the second.
    Alert,
    /// The first site suspects the second.
    Suspicion,
    /// The schedule, as often as it takes.
    Sweep,
    /// An operator fences the second site.
    Fence,
    /// An operator brings the second site back.
    Rejoin,
    /// An operator makes the second site survive, if the first is lost.
    Promote,
    /// An operator says that the first site is lost, and makes the second survive.
    Impose,
}

/// What has to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The second site is fenced, completely.
    Fenced,
    /// The first one is.
    FencedFirst,
    Open,
    /// The decision stays in force.
    Kept,
    Untouched,
}

/// One row: from where, by whom, to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene {
    pub start: Start,
    pub act: Act,
    pub goal: Goal,
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} meets {:?}, to be {:?}", self.act, self.start, self.goal)
    }
}

/// How many steps a rejoin has.
const STEPS: usize = 7;

/// Every act in every state that it may meet.
pub fn scenes() -> Vec<Scene> {
    use Act::{Alert, Fence, Impose, Promote, Rejoin, Suspicion, Sweep};
    use Start::{
        Complete, Decided, Emptied, Forgotten, Healed, Isolated, Lost, LostAndOut, Promoted, PutBack,
        Recovered, Whole,
    };
    let mut rows: Vec<(Start, Act, Goal)> = Vec::new();
    for start in [
        Lost, LostAndOut, Decided, Isolated, Complete, Forgotten, PutBack, Emptied,
    ] {
        rows.push((start, Alert, Goal::Fenced));
    }
    for start in [Decided, Isolated, Complete, Forgotten, PutBack, Emptied] {
        rows.push((start, Sweep, Goal::Fenced));
    }
    for start in [Start::Watched, Decided, Isolated, Complete] {
        rows.push((start, Suspicion, Goal::Fenced));
    }
    rows.push((Whole, Suspicion, Goal::Untouched));
    // Nobody is known to have seen the other site.
    rows.push((Lost, Suspicion, Goal::Untouched));
    rows.push((Start::Held, Suspicion, Goal::Untouched));
    rows.push((Start::PutBackUnpushed, Sweep, Goal::Fenced));
    rows.push((Start::LeftOver, Sweep, Goal::Fenced));
    rows.push((Recovered, Sweep, Goal::Open));
    rows.push((Start::HalfRecovered, Sweep, Goal::Kept));
    rows.push((Promoted, Sweep, Goal::FencedFirst));
    for start in [Whole, Lost, LostAndOut, Decided, Isolated, Complete] {
        rows.push((start, Fence, Goal::Fenced));
    }
    for start in [Decided, Isolated, Complete, Promoted] {
        rows.push((start, Impose, Goal::FencedFirst));
    }
    rows.push((Start::SurvivorDead, Promote, Goal::FencedFirst));
    rows.push((Complete, Promote, Goal::Fenced));
    rows.push((Healed, Rejoin, Goal::Open));
    rows.push((Start::Straggling, Rejoin, Goal::Open));
    // An alert of a link that has healed since.
    rows.push((Whole, Alert, Goal::Untouched));
    rows.push((Start::Held, Alert, Goal::Untouched));
    rows.push((Start::CompleteHeld, Impose, Goal::Fenced));
    rows.push((Start::BrokenOff, Alert, Goal::Fenced));
    for step in 0..STEPS {
        rows.push((Start::Rejoining(step), Rejoin, Goal::Open));
        rows.push((Start::RejoiningLost(step), Alert, Goal::Fenced));
        rows.push((Start::RejoiningLost(step), Impose, Goal::FencedFirst));
    }
    rows.into_iter()
        .map(|(start, act, goal)| Scene { start, act, goal })
        .collect()
}

/// How many calls a scene's act makes in peace; none if the scene cannot be.
pub fn calls(scene: Scene, layout: Layout) -> usize {
    let play = Play::new(layout, false);
    if !play.prepare(scene.start) {
        return 0;
    }
    play.sim().set_faults(Faults::Never);
    play.act(scene.act);
    let calls = play.sim().core().calls;
    play.sim().clock.clear();
    calls
}

/// Plays a scene with these faults. On failure: what did not hold, and the story.
pub fn play(scene: Scene, layout: Layout, faults: &[(usize, Fault)]) -> Result<(), String> {
    match once(scene, layout, faults, false) {
        Ok(()) => Ok(()),
        Err(_) => match once(scene, layout, faults, true) {
            Err(story) => Err(format!("{scene}, {layout:?}, {faults:?}: {story}")),
            Ok(()) => Err(format!("{scene}, {faults:?}: fails only sometimes")),
        },
    }
}

fn once(scene: Scene, layout: Layout, faults: &[(usize, Fault)], transcript: bool) -> Result<(), String> {
    let play = Play::new(layout, transcript);
    play.prepare(scene.start);
    play.sim().note(|| format!("=====  {scene}"));
    play.sim().set_faults(Faults::At(faults.to_vec()));
    play.act(scene.act);
    play.sim().note(|| "=====  once more, in peace".to_owned());
    play.sim().set_faults(Faults::Never);
    play.again(scene);
    let result = match play.sim().violation() {
        Some(violation) => Err(violation),
        None => play.reached(scene.goal),
    };
    let story = play.sim().transcript();
    play.sim().clock.clear();
    result.map_err(|problem| format!("{problem}\n\n{story}"))
}
