//! The register, holds, and whether anybody would be heard, each out of order by itself.

use super::*;

#[test]
fn the_register_and_people() {
    let a = balancer("site-a");
    each(vec![
        // The register.
        (
            vec![(Probe::Register, silence())],
            &["register"],
            &[],
            "KeepTheRegister",
        ),
        (
            vec![(Probe::RegisterWrite, silence())],
            &["register-write"],
            &[],
            "writing to the table",
        ),
        (
            vec![
                (Probe::Register, silence()),
                (Probe::Endpoints, Ok(endpoints(&[&a]))),
            ],
            &["register"],
            &[],
            "only the register knows",
        ),
        (
            vec![(Probe::Register, Ok(record(decided(State::Isolated, at(-121)))))],
            &["decision"],
            &[],
            "isolated for 121 seconds",
        ),
        (
            vec![(Probe::Register, Ok(record(decided(State::Isolated, at(-120)))))],
            &[],
            &[],
            "for 120 seconds",
        ),
        // Operators.
        (
            vec![(Probe::Register, Ok(record(held(-3600, None))))],
            &[],
            &[],
            "held by ana",
        ),
        (
            vec![(Probe::Register, Ok(record(held(-3601, None))))],
            &[],
            &["hold"],
            "1 seconds longer than intended",
        ),
        (
            vec![(Probe::Register, Ok(record(held(-90_000, Some(60)))))],
            &[],
            &[],
            "held by ana",
        ),
        (
            vec![(Probe::Register, Ok(record(held(-90, Some(-60)))))],
            &[],
            &["hold"],
            "60 seconds longer",
        ),
        // Whether anybody would be heard, and notified.
        (
            vec![(watchdog("site-a"), Ok(Seen::Watchdog(None)))],
            &[],
            &["watchdog:site-a"],
            "has ever arrived",
        ),
        (
            vec![(watchdog("site-a"), Ok(Seen::Watchdog(Some(at(-180)))))],
            &[],
            &[],
            "180 seconds ago",
        ),
        (
            vec![(watchdog("site-a"), Ok(Seen::Watchdog(Some(at(-181)))))],
            &[],
            &["watchdog:site-a"],
            "181 seconds ago",
        ),
        (
            vec![(watchdog("site-b"), silence())],
            &[],
            &["watchdog:site-b"],
            "not known whether",
        ),
        (
            vec![(
                Probe::Subscriptions,
                Ok(Seen::Subscriptions {
                    confirmed: 1,
                    pending: 1,
                }),
            )],
            &[],
            &["notifications"],
            "1 of 2 subscriptions wait",
        ),
        (
            vec![(
                Probe::Subscriptions,
                Ok(Seen::Subscriptions {
                    confirmed: 0,
                    pending: 0,
                }),
            )],
            &[],
            &["notifications"],
            "nobody has subscribed",
        ),
        (
            vec![(Probe::Subscriptions, silence())],
            &[],
            &["notifications"],
            "publish",
        ),
    ]);
}
