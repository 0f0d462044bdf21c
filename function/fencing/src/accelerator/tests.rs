//! Tables of readings and what they mean.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::health::samples;
pub(super) use crate::health::samples::{balancer, site as name};

pub(super) const LISTENER: &str = "arn:aws:globalaccelerator::111111111111:accelerator/a/listener/l1";
pub(super) const OTHER_LISTENER: &str = "arn:aws:globalaccelerator::111111111111:accelerator/a/listener/l2";

/// The health check's deployment, before anybody has looked which endpoint groups there are.
pub(super) fn settings() -> Settings {
    let mut settings = samples::settings();
    settings.found.endpoint_group_arns.clear();
    settings
}

fn endpoint(id: String, health: Health) -> Endpoint {
    Endpoint {
        config: EndpointConfig {
            id,
            weight: Some(77),
            client_ip_preservation: Some(true),
        },
        health,
    }
}

fn group(listener: &str, number: u8, endpoints: Vec<Endpoint>) -> Group {
    Group {
        arn: format!("{listener}/endpoint-group/{number}"),
        endpoints,
        closed: false,
    }
}

fn outcome_of(groups: Vec<Group>) -> Result<Outcome, Unfit> {
    Reading {
        groups,
        ..Reading::default()
    }
    .outcome(
        &settings(),
        &Survivor(name("site-a")),
        &Fenced(name("site-b")),
        None,
    )
}

fn a(health: Health) -> Endpoint {
    endpoint(balancer("site-a"), health)
}

fn b(health: Health) -> Endpoint {
    endpoint(balancer("site-b"), health)
}

pub(super) fn kept(outcome: &Outcome) -> Vec<Vec<&str>> {
    outcome
        .groups
        .iter()
        .map(|g| g.endpoints.iter().map(|e| e.id.as_str()).collect())
        .collect()
}

use Health::{Healthy, Initial, Unhealthy};

#[test]
fn the_survivor_keeps_its_own_configuration() {
    let outcome = outcome_of(vec![group(LISTENER, 1, vec![b(Healthy), a(Healthy)])]).unwrap();
    assert_eq!(outcome.groups[0].endpoints, vec![a(Healthy).config]);
    assert!(outcome.groups[0].remove.is_empty());
}

#[test]
fn endpoints_are_counted_over_the_listener_not_the_group() {
    let outcome = outcome_of(vec![
        group(LISTENER, 1, vec![a(Healthy)]),
        group(LISTENER, 2, vec![b(Healthy)]),
    ])
    .unwrap();
    assert_eq!(kept(&outcome), [vec![balancer("site-a").as_str()], vec![]]);
    let split = outcome_of(vec![
        group(LISTENER, 1, vec![a(Healthy), b(Healthy)]),
        group(OTHER_LISTENER, 1, vec![b(Healthy)]),
    ]);
    assert_eq!(
        split,
        Err(Unfit::SurvivorAbsent {
            survivor: Survivor(name("site-a")),
            listener: "l2".into()
        }),
        "emptying the second listener would take it down"
    );
}

/// Somebody puts the fenced site into a listener that the decision found empty.
#[test]
fn the_fenced_site_in_a_listener_outside_the_outcome_is_no_agreement() {
    let settings = settings();
    let outcome = outcome_of(vec![
        group(LISTENER, 1, vec![a(Healthy), b(Healthy)]),
        group(OTHER_LISTENER, 1, vec![]),
    ])
    .unwrap();
    let fenced = Fenced(name("site-b"));
    for (here, there, agrees, exactly) in [
        (vec![a(Healthy)], vec![], true, true),
        (vec![a(Healthy)], vec![b(Healthy)], true, false),
        (vec![a(Healthy)], vec![a(Healthy)], true, true),
        (vec![a(Healthy), b(Healthy)], vec![], false, false),
        (vec![], vec![], false, false),
    ] {
        let reading = Reading {
            groups: vec![group(LISTENER, 1, here), group(OTHER_LISTENER, 1, there)],
            ..Reading::default()
        };
        assert_eq!(reading.agrees_with(&outcome), agrees, "{reading:?}");
        assert_eq!(
            reading.holds_exactly(&settings, &outcome, &fenced),
            exactly,
            "{reading:?}"
        );
    }
}

#[test]
fn a_listener_that_holds_neither_site_is_left_alone() {
    let outcome = outcome_of(vec![
        group(LISTENER, 1, vec![a(Healthy), b(Healthy)]),
        group(OTHER_LISTENER, 1, vec![]),
    ])
    .unwrap();
    assert_eq!(outcome.groups.len(), 1);
    assert_eq!(outcome_of(vec![group(LISTENER, 1, vec![])]), Err(Unfit::Nobody));
}

/// A decision says what its own groups hold, and takes nobody out of others.
#[test]
fn an_outcome_reaches_a_site_only_where_it_says_what_belongs() {
    let decided = Reading {
        groups: vec![
            group(LISTENER, 1, vec![a(Healthy), b(Healthy)]),
            group(LISTENER, 2, vec![]),
        ],
        ..Reading::default()
    };
    let (settings, site_b) = (settings(), name("site-b"));
    let outcome = decided
        .outcome(
            &settings,
            &Survivor(name("site-a")),
            &Fenced(site_b.clone()),
            None,
        )
        .unwrap();
    for (groups, reached) in [
        (decided.groups, true),
        (vec![group(LISTENER, 2, vec![b(Healthy)])], true),
        (vec![group(OTHER_LISTENER, 1, vec![b(Healthy)])], false),
        (
            vec![
                group(LISTENER, 1, vec![a(Healthy), b(Healthy)]),
                group(OTHER_LISTENER, 1, vec![a(Healthy), b(Healthy)]),
            ],
            false,
        ),
        // Where it is not, there is nothing to reach.
        (vec![group(OTHER_LISTENER, 1, vec![a(Healthy)])], true),
    ] {
        let reading = Reading {
            groups,
            ..Reading::default()
        };
        assert_eq!(
            reading.reaches(&settings, &outcome, &site_b),
            reached,
            "{reading:?}"
        );
    }
}

#[test]
fn a_suspect_taken_out_by_hand_is_no_obstacle() {
    let outcome = outcome_of(vec![group(LISTENER, 1, vec![a(Unhealthy)])]).unwrap();
    assert_eq!(kept(&outcome), [vec![balancer("site-a").as_str()]]);
}

#[test]
fn nobody_unknown_may_be_around() {
    let stranger = endpoint("arn:of:somebody".into(), Healthy);
    assert_eq!(
        outcome_of(vec![group(LISTENER, 1, vec![a(Healthy), b(Healthy), stranger])]),
        Err(Unfit::Unknown {
            endpoint: "arn:of:somebody".into()
        })
    );
}

#[test]
fn the_survivor_may_not_look_worse() {
    for (survivor, other, fit) in [
        (Healthy, Healthy, true),
        (Healthy, Unhealthy, true),
        (Unhealthy, Unhealthy, true),
        (Initial, Unhealthy, true),
        (Initial, Initial, true),
        (Initial, Healthy, false),
        (Unhealthy, Healthy, false),
        (Unhealthy, Initial, false),
    ] {
        let outcome = outcome_of(vec![group(LISTENER, 1, vec![a(survivor), b(other)])]);
        assert_eq!(outcome.is_ok(), fit, "{survivor} against {other}");
    }
}

#[test]
fn beside_a_cross_account_survivor_the_other_is_removed_by_name() {
    let mut settings = settings();
    let foreign = balancer("site-a").replace("111111111111", "222222222222");
    settings
        .found
        .balancers
        .insert(name("site-a"), vec![foreign.clone()]);
    let reading = Reading {
        groups: vec![group(LISTENER, 1, vec![endpoint(foreign, Healthy), b(Healthy)])],
        ..Reading::default()
    };
    let outcome = reading
        .outcome(
            &settings,
            &Survivor(name("site-a")),
            &Fenced(name("site-b")),
            None,
        )
        .unwrap();
    assert_eq!(outcome.groups[0].remove, [balancer("site-b")]);
}
