//! A long random history: trouble first, then calm, in which everything has to come right.
//!
//! ```text
//!   trouble: calls fail and processes die, links come and go, people meddle, an operator improvises
//!   calm, link lost      ─▶ the decision is complete and the world is as it says        (L1, L2)
//!                           or, where the function only observes, people hear of it     (L3)
//!   calm, link whole     ─▶ an operator's rejoin ends: both serve, both replicate       (L4)
//! ```

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use fencing::accelerator::Mark;
use fencing::register::State;
use fencing::replication::Backup;
use fencing::settings::Mode;
use jiff::SignedDuration;

use crate::actors::operator::End;
use crate::actors::{self, Stage, operator};
use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::layout::Layout;
use crate::reality::Whose;
use crate::sim::{Faults, Sim};
use crate::watcher::{Circumstance, Counts};

/// How long calm may take to come right with the link lost: the alert, a cooldown, a claim that runs out, the
/// wait of a promotion whose operator went home.
const FENCED_WITHIN: Duration = Duration::from_secs(15 * 60);

/// How long a rejoin may take, a few attempts included.
const REJOINED_WITHIN: Duration = Duration::from_secs(20 * 60);

/// So many calls take effect before calm sets in …
const EFFECTS: usize = 50;

/// … unless that takes too long.
const TROUBLE_AT_MOST: Duration = Duration::from_secs(3 * 3600);

/// What came of a history.
#[derive(Debug)]
pub struct Outcome {
    pub seed: u64,
    /// What did not hold, if anything.
    pub violation: Option<String>,
    pub counts: Counts,
    /// What had happened when calm set in.
    pub in_trouble: Counts,
    /// How many calls took effect.
    pub effects: usize,
    /// What it came upon.
    pub met: BTreeSet<Circumstance>,
    /// The whole story, if it was asked for.
    pub transcript: String,
}

/// Plays the history of a seed.
pub fn play(seed: u64, transcript: bool) -> Outcome {
    play_with(seed, transcript, true)
}

/// Plays the history of a seed, on an accelerator that says whose it is or does not. Only a test that shows what rests
/// on it wants one that does not.
pub fn play_with(seed: u64, transcript: bool, marked: bool) -> Outcome {
    let mut dice = Dice::new(seed);
    let layout = Layout {
        // By the seed, not by the dice: what else happens in a history stays as it is.
        never: match seed % 16 {
            3 => Some(0),
            11 => Some(1),
            _ => None,
        },
        ..Layout::any(&mut dice)
    };
    let regions = if dice.permille(300) { 2 } else { 1 };
    let replicas = if dice.permille(300) { 2 } else { 1 };
    let faults = dice.one_of(&[0, 10, 40, 120]);
    let lag = dice.one_of(&[Duration::ZERO, Duration::ZERO, Duration::from_secs(3)]);
    let (failures, no_relay) = (dice.one_of(&[0, 0, 60]), dice.one_of(&[0, 0, 30]));
    let unread = dice.one_of(&[0, 0, 60]);
    let beside_another = dice.permille(300);
    let (meddling, lucky) = (dice.permille(600), dice.permille(100));
    let (operated, provisioned) = (dice.permille(750), dice.permille(400));
    let trouble = dice.seconds(180, 720);
    let pace = dice.one_of(&[60, 150]);
    let rude = dice.permille(400);
    let sim = Sim::new(layout, dice, transcript);
    sim.note(|| format!("       {layout:?}, {regions} functions, {faults} faults in a thousand calls"));
    {
        let mut core = sim.core();
        core.reality.lag = lag;
        core.reality.cache_failures = failures;
        core.reality.no_relay = no_relay;
        core.reality.rude = rude;
        core.reality.unread = unread;
        if !marked {
            core.reality.mark = Mark::Absent;
        }
    }
    sim.set_faults(match faults {
        0 => Faults::Never,
        permille => Faults::Sometimes(permille),
    });
    let stage = Stage {
        fleet: Fleet::new(&sim, Whose::Ours),
        sim: sim.clone(),
        regions,
        calm: Rc::new(Cell::new(false)),
    };
    for region in 0..regions {
        sim.clock.spawn(actors::schedule(stage.clone(), region));
        for index in 0..2 {
            for _ in 0..replicas {
                sim.clock
                    .spawn(actors::alertmanager(stage.clone(), index, region));
            }
        }
    }
    // By the seed, not by the dice, as above.
    if seed % 6 == 4 {
        for region in 0..regions {
            for index in 0..2 {
                // One of the sites' clocks is an hour off, either way.
                let hours = [[0, 0], [1, 0], [0, -1]][(seed / 6 % 3) as usize][index];
                let clock = SignedDuration::from_hours(hours);
                sim.clock
                    .spawn(actors::suspicious(stage.clone(), index, region, clock));
            }
        }
        sim.clock.spawn(actors::relay_nodes(stage.clone()));
    }
    sim.clock.spawn(actors::health_checks(stage.clone()));
    sim.clock.spawn(actors::alarms(stage.clone()));
    if operated {
        sim.clock.spawn(operator::on_duty(stage.clone()));
    }
    sim.clock.spawn(actors::strangers(stage.clone()));
    if provisioned {
        sim.clock.spawn(actors::provisioner(stage.clone()));
    }
    if !lucky {
        sim.clock.spawn(actors::chaos(stage.clone(), pace));
    }
    if meddling {
        sim.clock.spawn(actors::people(stage.clone(), layout));
    }
    // By the seed, as above.
    if seed % 5 == 4 {
        sim.clock.spawn(actors::outages(stage.clone()));
    }
    if beside_another {
        sim.clock.spawn(actors::another_topology(Stage {
            fleet: Fleet::new(&sim, Whose::Others),
            ..stage.clone()
        }));
    }
    // Trouble lasts until enough has happened for the history to be worth something.
    while sim.violation().is_none()
        && (sim.clock.now() < trouble || sim.core().effects < EFFECTS)
        && sim.clock.now() < TROUBLE_AT_MOST
    {
        sim.clock.run(sim.clock.now() + Duration::from_secs(60), || {
            sim.violation().is_some()
        });
    }
    let in_trouble = sim.core().watcher.counts;
    settle(&stage, layout);
    let outcome = {
        let core = sim.core();
        Outcome {
            seed,
            violation: core.watcher.violation.clone(),
            counts: core.watcher.counts,
            in_trouble,
            effects: core.effects,
            met: core.watcher.met.clone(),
            transcript: String::new(),
        }
    };
    let transcript = sim.transcript();
    sim.clock.clear();
    Outcome {
        transcript,
        ..outcome
    }
}

/// From here on nothing goes wrong any more.
fn settle(stage: &Stage, layout: Layout) {
    let sim = &stage.sim;
    if sim.violation().is_some() {
        return;
    }
    sim.note(|| "=====  calm, the link is lost".to_owned());
    stage.calm.set(true);
    sim.set_faults(Faults::Never);
    stage.fleet.set_clocks_right();
    {
        let now = sim.clock.now();
        let mut core = sim.core();
        core.reality.lag = Duration::ZERO;
        core.reality.cache_failures = 0;
        core.reality.no_relay = 0;
        core.reality.rude = false;
        core.reality.link = false;
        core.reality.half = None;
        core.reality.register_away = false;
        for index in 0..2 {
            core.reality.sites[index].relay.join();
            core.reality.sites[index].slandered = false;
            if !core.reality.sites[index].alive {
                core.reality.revive(index, now);
            }
        }
    }
    // What is still on its way arrives, commands that run come to their end.
    sim.clock.run(sim.clock.now() + Duration::from_secs(20), || {
        sim.violation().is_some()
    });
    actors::tidy(&mut sim.core(), layout, sim.clock.now());
    if sim.core().reality.settings.mode == Mode::Observe {
        // Nobody is fenced, and that is heard of (L3).
        sim.clock.run(sim.clock.now() + Duration::from_secs(300), || {
            sim.violation().is_some()
        });
        return;
    }
    if sim.core().reality.register().hold.is_some() {
        let stage = stage.clone();
        sim.clock.spawn(async move {
            while stage.sim.core().reality.register().hold.is_some() {
                operator::release(&stage).await;
                stage.sim.sleep(Duration::from_secs(10)).await;
            }
        });
    }
    let fenced = || {
        let core = sim.core();
        let record = core.reality.register();
        record.state == State::Complete && core.reality.agrees(&record)
    };
    reach(sim, FENCED_WITHIN, "L2: a lost site is not fenced", fenced);
    if sim.violation().is_some() {
        return;
    }
    sim.note(|| "=====  calm, the link is whole".to_owned());
    sim.core().reality.link = true;
    {
        let stage = stage.clone();
        sim.clock.spawn(async move {
            while stage.sim.core().reality.register().state != State::Open {
                let end = operator::rejoin(&stage).await;
                // Where the function never saw the site, nobody has told it where that belongs.
                if let End::Answered(answer) = end
                    && answer.sentence.contains("add its balancer by hand")
                {
                    actors::put_back(&mut stage.sim.core(), layout, stage.sim.clock.now());
                }
                stage.sim.sleep(Duration::from_secs(10)).await;
            }
        });
    }
    let rejoined = || {
        let core = sim.core();
        let reality = &core.reality;
        let whole = |index| reality.is_in(index) && reality.backup(index) == Backup::Online;
        reality.register().state == State::Open && whole(0) && whole(1)
    };
    reach(sim, REJOINED_WITHIN, "L4: no rejoin leads back to open", rejoined);
    // And it stays so: nothing that was begun before comes late.
    sim.clock.run(sim.clock.now() + Duration::from_secs(90), || {
        sim.violation().is_some()
    });
    if sim.violation().is_none() && !rejoined() {
        sim.violated("L1: what was reached did not last".to_owned());
    }
}

fn reach(sim: &Sim, within: Duration, otherwise: &str, goal: impl Fn() -> bool) {
    let until = sim.clock.now() + within;
    sim.clock.run(until, || sim.violation().is_some() || goal());
    if sim.violation().is_none() && !goal() {
        let record = sim.core().reality.register();
        let state = format!("{} epoch {} rev {}", record.state, record.epoch, record.rev);
        sim.violated(format!("{otherwise} within {within:?}: {state}"));
    }
}
