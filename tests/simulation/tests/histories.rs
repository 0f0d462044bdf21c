//! The quick part of the histories; `cargo xtask simulate` plays ten thousand.

use simulation::history::{play, play_with};
use simulation::summary::Summary;

/// Another range than the one that `cargo xtask simulate` begins with.
const SEEDS: std::ops::Range<u64> = 1_000_000..1_000_800;

/// Histories that showed something once, and what it was.
const SHOWN: &[(u64, &str)] = &[
    (
        115,
        "the law on losses that nobody fences shrank in the moment in which calm set in",
    ),
    (1068, "the same, with a clock that was set back"),
    (
        6111,
        "people took the survivor out of a listener that had just been filled with it",
    ),
    (
        46_598,
        "the watcher took a reply for heard that came after its caller had given it up",
    ),
    (
        75_179,
        "an invocation found its time over when its clock was set right",
    ),
    (
        127_389,
        "people put the fenced site into a listener that the function was about to fill",
    ),
    (139_842, "the same"),
    (
        249,
        "people cut off a dead site that was then fenced by force once more",
    ),
];

#[test]
fn what_histories_have_shown_stays_mended() {
    for (seed, shown) in SHOWN {
        let violation = play(*seed, false).violation;
        assert_eq!(violation, None, "seed {seed}, which showed: {shown}");
    }
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
