//! What happened in many histories, in a dozen lines: a simulation in which nothing happens proves nothing.

use std::fmt;

use crate::history::Outcome;
use crate::watcher::Counts;

/// The sum of some histories.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    pub histories: u64,
    /// In how many something broke.
    pub broken: u64,
    /// In how many a site was fenced and a rejoin ended.
    pub whole_circles: u64,
    /// The same before calm set in, with everything going wrong around them.
    pub circles_in_trouble: u64,
    /// How many calls took effect.
    pub effects: u64,
    /// In the history with the fewest.
    pub fewest_effects: u64,
    pub counts: Counts,
}

impl Summary {
    pub fn of(outcome: &Outcome) -> Self {
        let circle = |counts: &Counts| u64::from(counts.fences > 0 && counts.rejoins > 0);
        Self {
            histories: 1,
            broken: u64::from(outcome.violation.is_some()),
            whole_circles: circle(&outcome.counts),
            circles_in_trouble: circle(&outcome.in_trouble),
            effects: outcome.effects as u64,
            fewest_effects: outcome.effects as u64,
            counts: outcome.counts,
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.fewest_effects = match (self.histories, other.histories) {
            (0, _) => other.fewest_effects,
            (_, 0) => self.fewest_effects,
            _ => self.fewest_effects.min(other.fewest_effects),
        };
        self.histories += other.histories;
        self.broken += other.broken;
        self.whole_circles += other.whole_circles;
        self.circles_in_trouble += other.circles_in_trouble;
        self.effects += other.effects;
        self.counts = self.counts.plus(other.counts);
    }

    /// Whether enough happened: each history has fifty effects, and a fifth of many has a fence and a rejoin.
    pub fn tells_something(&self) -> bool {
        self.fewest_effects >= 50 && (self.histories < 20 || self.whole_circles * 5 >= self.histories)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(
            f,
            "{} histories, {} broken; {} effects, at least {} in each",
            self.histories, self.broken, self.effects, self.fewest_effects
        )?;
        writeln!(
            f,
            "a fence and a rejoin in {} of them, in {} before calm set in",
            self.whole_circles, self.circles_in_trouble
        )?;
        for (number, what) in [
            (counts.fences, "fences carried out"),
            (counts.takeovers, "times somebody went on with another's work"),
            (counts.renewals, "claims renewed"),
            (counts.lost_races, "writes of the register that came too late"),
            (counts.recuts, "cuts repeated after Infinispan forgot them"),
            (counts.refences, "fences repeated after an early return"),
            (counts.refills, "listeners filled again that people had emptied"),
            (counts.rejoins, "rejoins ended"),
            (counts.aborts, "rejoins ended by a lost link"),
            (counts.promotions, "promotions"),
            (counts.adoptions, "recoveries by hand believed"),
            (counts.holds, "holds"),
            (counts.cries, "losses not fenced, and heard of"),
            (counts.suspected, "decisions on a suspicion"),
            (counts.left, "suspicions left to the alert"),
            (counts.near_misses, "of them over by themselves"),
            (counts.forced, "fences without the register"),
            (counts.reconciled, "of them that the register came to say"),
            (counts.applies, "times applied anew"),
            (counts.left_drained, "times only a drained site was left"),
            (counts.restored, "drained sites that an operator had serve"),
            (
                counts.left_to_its_owner,
                "times another topology left the accelerator to its owner",
            ),
        ] {
            writeln!(f, "{number:>9}  {what}")?;
        }
        write!(f, "{:>9}  times destroyed and applied", counts.destructions)
    }
}
