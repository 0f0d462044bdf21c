//! Secrets, certificates and the accelerator, each out of order by itself.

use super::*;

#[test]
fn secrets_certificates_and_the_accelerator() {
    let (a, b) = (balancer("site-a"), balancer("site-b"));
    let complete = || record(decided(State::Complete, at(-9000)));
    let listing = |enabled, groups: Vec<Group>| Seen::Listing(Listing { enabled, groups });
    each(vec![
        (
            vec![(Probe::WebhookSecret, silence())],
            &["webhook-secret"],
            &[],
            "no answer",
        ),
        (
            vec![(Probe::InfinispanSecret, silence())],
            &["infinispan-secret"],
            &[],
            "developer",
        ),
        (
            vec![(Probe::WebhookSecret, Ok(Seen::EndsALine))],
            &[],
            &["webhook-secret"],
            "ends with a line break",
        ),
        (
            vec![(Probe::InfinispanSecret, Ok(Seen::EndsALine))],
            &[],
            &["infinispan-secret"],
            "ends with a line break",
        ),
        (
            vec![shows(ending(29, false))],
            &[],
            &["certificate:site-a"],
            "its certificate, infinispan, expires in 29 days",
        ),
        (
            vec![shows(ending(7, true))],
            &[],
            &["certificate:site-a"],
            "add its successor",
        ),
        (
            vec![shows(ending(6, true))],
            &["certificate:site-a"],
            &[],
            "an authority's certificate, infinispan, expires in 6 days",
        ),
        (
            vec![shows(ending(-1, false))],
            &["certificate:site-a"],
            &[],
            "expires in 0 days",
        ),
        (
            vec![(Probe::HealthSecret, Ok(Seen::EndsALine))],
            &[],
            &["health-secret"],
            "ends with a line break",
        ),
        (
            vec![(Probe::HealthSecret, silence())],
            &[],
            &["health-secret"],
            "ReadItsSecrets",
        ),
        (
            vec![(
                Probe::Endpoints,
                Ok(marked(&[&a, &b], Mark::Names("another".into()))),
            )],
            &["owner"],
            &[],
            "belongs to `another`",
        ),
        (
            vec![(Probe::Endpoints, Ok(marked(&[&a, &b], Mark::Absent)))],
            &[],
            &["owner"],
            "sitefence:owner",
        ),
        (
            vec![(
                Probe::Endpoints,
                Ok(marked(&[&a, &b], Mark::Unread("AccessDenied".into()))),
            )],
            &[],
            &["owner"],
            "FindListenersAndGroups",
        ),
        (
            vec![(Probe::Accelerator, silence())],
            &["accelerator"],
            &[],
            "FindListenersAndGroups",
        ),
        (
            vec![(
                Probe::Accelerator,
                Ok(listing(false, vec![group(GROUP, &[&a, &b])])),
            )],
            &["accelerator"],
            &[],
            "disabled",
        ),
        (
            vec![(Probe::Accelerator, Ok(listing(true, vec![])))],
            &["endpoint-groups"],
            &[],
            "is gone",
        ),
        (
            vec![(
                Probe::Accelerator,
                Ok(listing(true, vec![group(GROUP, &[]), group("arn:new", &[&b])])),
            )],
            &["endpoint-groups"],
            &[],
            "arn:new holds a site",
        ),
        (
            vec![(Probe::Endpoints, silence())],
            &["endpoints"],
            &[],
            "each endpoint group",
        ),
        (
            vec![(Probe::Endpoints, Ok(endpoints(&[&a, &b, "arn:of:somebody"])))],
            &["endpoints"],
            &[],
            "arn:of:somebody",
        ),
        (
            vec![(Probe::Endpoints, Ok(endpoints(&[])))],
            &["endpoints"],
            &[],
            "no listener holds",
        ),
        (
            vec![(Probe::Endpoints, Ok(endpoints(&[&a])))],
            &["endpoints"],
            &[],
            "site-b is not in the accelerator",
        ),
        (
            vec![(Probe::Endpoints, Ok(endpoints(&[&b])))],
            &["endpoints"],
            &[],
            "site-a is not in the accelerator",
        ),
        // While fenced, they agree with the register.
        (
            vec![
                (Probe::Endpoints, Ok(endpoints(&[&a]))),
                (Probe::Register, Ok(complete())),
            ],
            &[],
            &[],
            "exactly site-a",
        ),
        (
            vec![(Probe::Register, Ok(complete()))],
            &["endpoints"],
            &[],
            "not what epoch 3 decided",
        ),
        (
            vec![(
                Probe::Register,
                Ok(record(Record {
                    recovery_seen_at: Some(at(-5)),
                    ..decided(State::Complete, at(-9000))
                })),
            )],
            &[],
            &["endpoints"],
            "not yet confirmed",
        ),
        (
            vec![(
                Probe::Register,
                Ok(record(Record {
                    written_at: at(-3600),
                    ..decided(State::Rejoining, at(-9000))
                })),
            )],
            &["endpoints"],
            &[],
            "site-b is in the accelerator while it is being brought back",
        ),
        (
            vec![
                (Probe::Register, Ok(record(rejoining(RejoinStep::Push, -3600)))),
                (Probe::Endpoints, Ok(endpoints(&[&balancer("site-a")]))),
            ],
            &[],
            &[],
            "epoch 3 is rejoining",
        ),
        (
            vec![
                (Probe::Register, Ok(record(rejoining(RejoinStep::Push, -3601)))),
                (Probe::Endpoints, Ok(endpoints(&[&balancer("site-a")]))),
            ],
            &["decision"],
            &[],
            "nobody has continued it for 3601 seconds",
        ),
        // Its last step puts the site in.
        (
            vec![(Probe::Register, Ok(record(rejoining(RejoinStep::Readd, -5))))],
            &[],
            &[],
            "epoch 3 is rejoining",
        ),
        (
            vec![(Probe::Register, Ok(record(decided(State::Decided, at(-5)))))],
            &[],
            &[],
            "epoch 3 has been decided for 5 seconds",
        ),
    ]);
}
