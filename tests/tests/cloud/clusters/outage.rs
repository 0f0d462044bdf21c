//! One site is out of reach: it may be the one that is down.

use tests::standins::kubernetes::{Fault, Target, Verb};

use super::*;
use crate::assert_run;

#[test]
fn a_site_out_of_reach_is_completed_by_the_next_apply() {
    let sites = Sites::new();
    // Where its Infinispan answers must be known from somewhere.
    sites.applied();
    assert_eq!(
        sites.run(&[DESTROY, &["--only", "clusters"]].concat()).code,
        Some(0)
    );
    sites.b.go_away();
    let plan = sites.run(PLAN);
    assert_eq!(plan.code, Some(1), "{plan}");
    assert!(
        plan.stdout.contains("? out of reach: what it needs is not known"),
        "{plan}"
    );
    let partly = sites.apply();
    assert_eq!(partly.code, Some(1), "{partly}");
    assert!(
        partly
            .stderr
            .contains("error: the cluster of site `site-b` was skipped: site-b: "),
        "{partly}"
    );
    assert!(sites.at_a("PrometheusRule").is_some());
    sites.b.come_back();
    assert_eq!(sites.at_b("PrometheusRule"), None);
    sites.applied();
    assert!(sites.at_b("PrometheusRule").is_some());
    assert!(sites.apply().stderr.contains("nothing to do"));
}

#[test]
fn a_first_apply_does_without_a_site_whose_infinispan_the_topology_names() {
    let sites = Sites::new();
    let path = sites.cloud.home.path().join("topology.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let named = text.replace(
        "context: site-b,",
        "context: site-b, infinispan: { endpoint: infinispan.site-b.example.com },",
    );
    std::fs::write(&path, named).unwrap();
    sites.b.go_away();
    let partly = sites.apply();
    assert_eq!(partly.code, Some(1), "{partly}");
    assert!(
        sites
            .cloud
            .inventory()
            .contains_key("function sitefence-demo-fencing")
    );
    assert!(sites.at_a("Secret").is_some());

    std::fs::write(&path, text).unwrap();
    sites.b.come_back();
    sites.applied();
    assert!(sites.at_b("Secret").is_some());
}

#[test]
fn destroy_removes_the_rest_and_says_what_is_left() {
    let sites = Sites::new();
    let (clusters, cloud) = (sites.inventory(), sites.cloud.inventory());
    sites.applied();
    sites.b.go_away();
    let partly = sites.run(DESTROY);
    assert_run!(partly, sites.cloud);
    assert_eq!(sites.cloud.inventory(), cloud);
    assert_eq!(sites.inventory()[0], clusters[0]);
    sites.b.come_back();
    assert!(sites.at_b("Secret").is_some());
    let rest = sites.run(DESTROY);
    assert_eq!(rest.code, Some(0), "{rest}");
    assert_eq!(sites.inventory(), clusters);
}

#[test]
fn what_cannot_be_done_just_now_is_asked_again() {
    let sites = Sites::new();
    let target = |verb, kind| Target::known(verb, kind).unwrap();
    sites
        .a
        .faults()
        .next(target(Verb::Get, "Secret"), 2, &Fault::Unavailable);
    sites.b.faults().next(
        target(Verb::Patch, "PrometheusRule"),
        1,
        &Fault::TooManyRequests(0),
    );
    sites.applied();
    assert_eq!((sites.a.faults().unmet(), sites.b.faults().unmet()), (0, 0));
}

#[test]
fn a_cluster_that_fails_halfway_keeps_the_other_from_nothing() {
    let sites = Sites::new();
    let rule = Target::known(Verb::Patch, "Secret").unwrap();
    // The first is the dry run of the look, the second the application.
    sites.b.faults().next(rule, 1, &Fault::Meanwhile(|_| {}));
    sites.b.faults().next(rule, 1, &Fault::Internal);
    let failed = sites.apply();
    assert_eq!(failed.code, Some(1), "{failed}");
    assert!(failed.stderr.contains("it answered 500"), "{failed}");
    assert!(sites.at_a("PrometheusRule").is_some());
    sites.applied();
    assert!(sites.at_b("PrometheusRule").is_some());
}
