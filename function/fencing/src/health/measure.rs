//! What a deep check measures.

use super::{Checkup, Level, seconds_from};
use crate::metrics::{Measured, Metric};

/// What each deep check measures, whatever it finds.
pub const STEADY: [Metric; 3] = [
    Metric::DeepCheckRan,
    Metric::DeepCheckFailures,
    Metric::DeepCheckWarnings,
];

/// The measurements that follow from a deep check. What is not there is not measured as zero: alarms treat
/// silence by its meaning, and a graph of nothing should show nothing.
pub fn measured(checkup: &Checkup) -> Vec<Measured> {
    let count = |level| u64::try_from(checkup.at_level(level).count()).unwrap_or(u64::MAX);
    let steady = STEADY
        .into_iter()
        .zip([1, count(Level::Fails), count(Level::Warns)]);
    let mut all: Vec<Measured> = steady
        .map(|(metric, value)| Measured::new(metric, value))
        .collect();
    if checkup.not_ours {
        all.push(Measured::new(Metric::NotOurs, 1));
    }
    let age = checkup
        .unfinished_since
        .map(|since| seconds_from(since, checkup.at));
    for (metric, value) in [
        (Metric::DecisionAge, age),
        (Metric::Held, checkup.held_seconds),
        (Metric::HoldOverdue, checkup.hold_overdue_seconds),
        (
            Metric::Undrilled,
            checkup
                .undrilled_since
                .map(|since| seconds_from(since, checkup.at)),
        ),
    ] {
        all.extend(value.map(|value| Measured::new(metric, value)));
    }
    // What people plan they know.
    if let Some(unfenced) = checkup.unfenced.as_ref().filter(|unfenced| !unfenced.planned) {
        let lasts = Measured::new(Metric::Unfenced, seconds_from(unfenced.since, checkup.at));
        all.push(lasts.because(unfenced.reason.name()));
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::samples::{at, checkup, site};
    use super::super::{Reason, Unfenced};
    use super::*;

    /// The reason is no dimension: one alarm covers all of them.
    #[test]
    fn a_loss_that_is_not_fenced_is_measured_with_its_reason_unless_it_is_planned() {
        let lost = |planned| Checkup {
            unfenced: Some(Unfenced {
                site: site("site-a"),
                since: at(-60),
                reason: Reason::Cooldown,
                planned,
            }),
            ..checkup(&[])
        };
        let measured_of = |checkup: &Checkup| {
            let all = measured(checkup).into_iter();
            all.filter(|one| one.metric == Metric::Unfenced)
                .collect::<Vec<_>>()
        };
        let expected = Measured::new(Metric::Unfenced, 60).because("cooldown");
        assert_eq!(measured_of(&lost(false)), [expected]);
        assert_eq!(measured_of(&lost(true)), []);
        assert_eq!(measured_of(&checkup(&[])), []);
    }

    #[test]
    fn what_is_not_there_is_not_measured() {
        let names = |checkup: &Checkup| -> Vec<(&str, u64)> {
            measured(checkup)
                .iter()
                .map(|one| (one.metric.name(), one.value))
                .collect()
        };
        let whole = checkup(&[]);
        assert_eq!(
            names(&whole),
            [
                ("DeepCheckRan", 1),
                ("DeepCheckFailures", 0),
                ("DeepCheckWarnings", 0)
            ]
        );
        let sick = Checkup {
            unfinished_since: Some(at(-90)),
            held_seconds: Some(4000),
            hold_overdue_seconds: Some(400),
            undrilled_since: Some(at(-86_400)),
            not_ours: true,
            ..checkup(&[("register", Level::Fails), ("notifications", Level::Warns)])
        };
        assert_eq!(
            names(&sick),
            [
                ("DeepCheckRan", 1),
                ("DeepCheckFailures", 1),
                ("DeepCheckWarnings", 1),
                ("AcceleratorNotOurs", 1),
                ("DecisionAgeSeconds", 90),
                ("HeldSeconds", 4000),
                ("HoldOverdueSeconds", 400),
                ("UndrilledSeconds", 86_400),
            ]
        );
    }
}
