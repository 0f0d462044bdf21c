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
            "its primary relay node has not answered for 0 seconds",
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
            "its primary relay node has not answered for 300 seconds",
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
            "its primary relay node has not answered for 0 seconds",
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
            "have disagreed for 0 seconds: n2 sees site-b, n1 does not",
        ),
        (
            vec![
                (infinispan("site-a"), Ok(divided())),
                (Probe::LastCheckup, Ok(divided_before(-119))),
            ],
            &[],
            &["infinispan:site-a"],
            "have disagreed for 119 seconds",
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
            "the other one's alert deals with that",
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
            "the site names in the topology",
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
            "it sees site-b, and replication to it is offline",
        ),
    ]);
}

/// Rows: what site-a's nodes say, who the check before has seen and when, who counts from now on.
#[test]
fn the_primary_that_has_seen_the_other_site_is_remembered() {
    let both: &[&str] = &["site-a", "site-b"];
    let own: &[&str] = &["site-a"];
    let one = |name: &str, sees| View {
        relay_nodes_address: vec![name.to_owned()],
        ..relay("site-a", name, sees)
    };
    let known = |seconds| Some(("n1", seconds));
    for (views, before, expected) in [
        (Some(vec![one("n1", both)]), None, Some(("n1", 0))),
        (Some(vec![one("n2", both)]), known(-60), Some(("n2", 0))),
        // The link is lost: who saw the other site counts for a while.
        (Some(vec![one("n1", own)]), known(-60), known(-60)),
        (Some(vec![one("n1", own)]), known(-181), None),
        (Some(vec![one("n1", own)]), known(60), None),
        (Some(vec![one("n1", own)]), None, None),
        // Somebody else has become the primary, and may not have joined yet.
        (Some(vec![one("n2", own)]), known(-60), None),
        // The site has fallen apart.
        (Some(vec![one("n1", both), one("n2", own)]), known(-60), None),
        // By chance only a pod was met, or nobody.
        (Some(vec![]), known(-60), known(-60)),
        (None, known(-60), known(-60)),
        // That is another site's.
        (Some(vec![relay("site-b", "n1", both)]), known(-60), None),
    ] {
        let witness = |(node, seconds): (&str, i64)| RelayWitness {
            node: node.to_owned(),
            relays: 1,
            at: at(seconds),
        };
        let previous = Checkup {
            witnesses: before
                .into_iter()
                .map(|it| (site("site-a"), witness(it)))
                .collect(),
            ..checkup(&[])
        };
        let seen = match &views {
            Some(views) => Ok(tells(views)),
            None => silence(),
        };
        let judged = judged(&[
            (infinispan("site-a"), seen),
            (Probe::LastCheckup, Ok(Seen::Checkup(Some(Box::new(previous))))),
        ]);
        assert_eq!(
            judged.witnesses.get(&site("site-a")),
            expected.map(witness).as_ref(),
            "{views:?} {before:?}"
        );
    }
}
