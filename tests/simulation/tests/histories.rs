//! The quick part of the histories; `cargo xtask simulate` plays ten thousand.

use std::collections::BTreeSet;

use simulation::history::{play, play_with};
use simulation::summary::Summary;
use simulation::watcher::Circumstance;

/// Another range than the one that `cargo xtask simulate` begins with.
const SEEDS: std::ops::Range<u64> = 1_000_000..1_000_800;

/// Histories that come upon something which once showed a fault, and what that was. Each has to come upon it still: what
/// happens in a history depends on every throw of the dice. `cargo xtask simulate --meets NAME` finds others.
const SHOWN: &[(u64, Circumstance, &str)] = &[
    (
        115,
        Circumstance::CalmBeforeACry,
        "the law on losses that nobody fences shrank in the moment in which calm set in",
    ),
    (
        115,
        Circumstance::CalmAfterAClockWasSetBack,
        "the same, with a clock that was set back",
    ),
    (
        21_871,
        Circumstance::RefilledListenerLeftAlone,
        "people took the survivor out of a listener that had just been filled with it",
    ),
    (
        301,
        Circumstance::ReplyAfterItsCallerLeft,
        "the watcher took a reply for heard that came after its caller had given it up",
    ),
    (
        75_179,
        Circumstance::TimeOverByAClock,
        "an invocation found its time over when its clock was set right",
    ),
    (
        139_842,
        Circumstance::EmptyListenerLeftAlone,
        "people put the fenced site into a listener that the function was about to fill",
    ),
    (
        25_269,
        Circumstance::ForcedBesideADeadSitesCut,
        "people cut off a dead site that was then fenced by force once more",
    ),
    (
        15_224,
        Circumstance::ForcedAfterAPromotion,
        "a dead site that a promotion had given up was fenced by force as well",
    ),
    (
        1004,
        Circumstance::RegisterAwayAndSaid,
        "a check was shown a register that did not answer",
    ),
];

#[test]
fn what_histories_have_shown_stays_mended() {
    for (seed, circumstance, shown) in SHOWN {
        let outcome = play(*seed, false);
        assert_eq!(outcome.violation, None, "seed {seed}, which showed: {shown}");
        assert!(
            outcome.met.contains(circumstance),
            "seed {seed} no longer comes upon {circumstance}, only upon {:?}",
            outcome.met
        );
    }
    let kept: BTreeSet<Circumstance> = SHOWN.iter().map(|(_, circumstance, _)| *circumstance).collect();
    assert!(Circumstance::ALL.iter().all(|one| kept.contains(one)), "{kept:?}");
}

#[test]
fn every_invariant_holds_in_eight_hundred_histories() {
    let mut summary = Summary::default();
    for seed in SEEDS {
        let outcome = play(seed, false);
        if let Some(violation) = &outcome.violation {
            let told = play(seed, true);
            assert!(
                outcome.violation.is_none(),
                "seed {seed}: {violation}\n\n{}\nagain: cargo xtask simulate --histories 1 --seed {seed}",
                told.transcript
            );
        }
        summary.add(&Summary::of(&outcome));
    }
    // And enough happens in them: one that waits for nothing to go wrong would pass, too.
    assert!(summary.tells_something(), "{summary}");
    let counts = summary.counts;
    for (number, what) in [
        (counts.fences, "fence"),
        (counts.rejoins, "rejoin"),
        (counts.takeovers, "takeover"),
        (counts.renewals, "renewal"),
        (counts.lost_races, "lost race"),
        (counts.recuts, "cut repeated"),
        (counts.refences, "fence repeated"),
        (counts.refills, "listener filled again"),
        (counts.aborts, "broken rejoin"),
        (counts.promotions, "promotion"),
        (counts.adoptions, "recovery by hand"),
        (counts.holds, "hold"),
        (counts.applies, "apply"),
        (counts.destructions, "destroy"),
        (counts.left_drained, "site that was left and drained"),
        (counts.restored, "drained site that an operator had serve"),
        (counts.left_to_its_owner, "second topology that was refused"),
        (counts.cries, "loss that is not fenced"),
        (counts.suspected, "decision on a suspicion"),
        (counts.left, "suspicion left to the alert"),
        (counts.near_misses, "near miss"),
        (counts.forced, "fence without the register"),
        (counts.reconciled, "forced fence that the register came to say"),
    ] {
        assert!(number > 0, "no {what} in\n{summary}");
    }
}

/// The harm that the accelerator's tag keeps away: each topology decides by its own register, and both decisions win.
#[test]
fn two_topologies_on_an_accelerator_that_does_not_say_whose_it_is_break_the_laws() {
    // As many histories as it takes to see both.
    let mut unseen = vec!["I1: ", "I2: "];
    for seed in SEEDS.start..SEEDS.start + 2_000 {
        if let Some(broken) = play_with(seed, false, false).violation {
            unseen.retain(|law| !broken.starts_with(law));
        }
        if unseen.is_empty() {
            break;
        }
    }
    assert!(unseen.is_empty(), "never broken: {unseen:?}");
}

#[test]
fn a_seed_tells_a_history_completely() {
    for seed in [7, 1_000_003] {
        assert_eq!(play(seed, true).transcript, play(seed, true).transcript);
    }
}
