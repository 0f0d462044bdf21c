//! One site's Infinispan, and what its relay nodes say, each out of order by itself.

use super::*;

#[test]
fn each_sites_infinispan() {
    let a = balancer("site-a");
    let complete = || record(decided(State::Complete, at(-9000)));
    each(vec![
        // A site whose relay node is not met: by chance, or always.
        (
            vec![(
                infinispan("site-a"),
                Ok(tells(&[relay("site-a", "n2", &["site-a"])])),
            )],
            &[],
            &["infinispan:site-a"],
            "for 0 seconds its primary relay node did not",
        ),
        (
            vec![
                (
                    infinispan("site-a"),
                    Ok(tells(&[relay("site-a", "n2", &["site-a"])])),
                ),
                (Probe::LastCheckup, Ok(blind_before("site-a", -300))),
            ],
            &["infinispan:site-a"],
            &[],
            "for 300 seconds its primary relay node did not",
        ),
        (
            vec![
                (
                    infinispan("site-a"),
                    Ok(tells(&[relay("site-a", "n2", &["site-a"])])),
                ),
                (Probe::LastCheckup, Ok(blind_before("site-b", -300))),
            ],
            &[],
            &["infinispan:site-a"],
            "for 0 seconds its primary relay node did not",
        ),
        // Nobody says anything.
        (
            vec![(infinispan("site-a"), Ok(tells(&[])))],
            &[],
            &["infinispan:site-a"],
            "maxRelayNodes",
        ),
        // An address that leads to the other site.
        (
            vec![(
                infinispan("site-a"),
                Ok(tells(&[relay("site-b", "n1", &["site-b"])])),
            )],
            &["infinispan:site-a"],
            &[],
            "leads to the Infinispan of `site-b`",
        ),
        // Relay nodes that disagree: for a moment, or for good.
        (
            vec![(infinispan("site-a"), Ok(divided()))],
            &[],
            &["infinispan:site-a"],
            "disagree for 0 seconds: n2 sees site-b, n1 does not",
        ),
        (
            vec![
                (infinispan("site-a"), Ok(divided())),
                (Probe::LastCheckup, Ok(divided_before(-119))),
            ],
            &[],
            &["infinispan:site-a"],
            "disagree for 119 seconds",
        ),
        (
            vec![
                (infinispan("site-a"), Ok(divided())),
                (Probe::LastCheckup, Ok(divided_before(-120))),
            ],
            &["infinispan:site-a"],
            &[],
            "gossip routers",
        ),
        // One site's Infinispan.
        (
            vec![(infinispan("site-b"), silence())],
            &[],
            &["infinispan:site-b"],
            "what the other one's alert is for",
        ),
        (
            vec![
                (infinispan("site-a"), silence()),
                (infinispan("site-b"), silence()),
            ],
            &["infinispan:site-a", "infinispan:site-b"],
            &[],
            "neither site",
        ),
        (
            vec![(infinispan("site-a"), Ok(refuses(Refusal::Credentials, "401")))],
            &["infinispan:site-a"],
            &[],
            "current password of `developer`",
        ),
        (
            vec![(infinispan("site-a"), Ok(refuses(Refusal::Rights, "403")))],
            &["infinispan:site-a"],
            &[],
            "role `admin`",
        ),
        (
            vec![(infinispan("site-b"), Ok(refuses(Refusal::Certificate, "expired")))],
            &["infinispan:site-b"],
            &[],
            "caBundle",
        ),
        (
            vec![(infinispan("site-b"), Ok(refuses(Refusal::Site, "404")))],
            &["infinispan:site-b"],
            &[],
            "names of sites",
        ),
        (
            vec![(infinispan("site-b"), Ok(refuses(Refusal::Other, "418")))],
            &["infinispan:site-b"],
            &[],
            "418",
        ),
        (
            vec![
                (infinispan("site-a"), silence()),
                (infinispan("site-b"), Ok(refuses(Refusal::Credentials, "401"))),
            ],
            &["infinispan:site-b"],
            &["infinispan:site-a"],
            "401",
        ),
        (
            vec![(infinispan("site-a"), Ok(answers("site-a", Backup::Mixed)))],
            &["infinispan:site-a"],
            &[],
            "is mixed, not the same at each of its nodes, although no site is fenced",
        ),
        (
            vec![(infinispan("site-a"), Ok(mixed("site-a", &["sessions", "work"])))],
            &["infinispan:site-a"],
            &[],
            "is mixed, offline for sessions, work, although no site is fenced",
        ),
        (
            vec![
                (infinispan("site-a"), Ok(answers("site-a", Backup::Offline))),
                (Probe::Register, Ok(complete())),
                (Probe::Endpoints, Ok(endpoints(&[&a]))),
            ],
            &[],
            &[],
            "it sees site-b, and replication to that is offline",
        ),
    ]);
}
