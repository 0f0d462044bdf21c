//! `apply` ends when both sites' watchdogs reached the function.

use super::*;
use crate::assert_run;

#[test]
fn an_apply_ends_when_both_watchdogs_came_through() {
    let sites = Sites::new();
    let mut child = sites.provision().args(APPLY).spawn().unwrap();
    // A stamp that stood before the wait began proves nothing, so each is another one, until it ends.
    let status = (0..)
        .find_map(|number: u64| {
            if sites
                .cloud
                .inventory()
                .contains_key("table sitefence-demo-register")
            {
                sites.bark("site-a", &number.to_string());
                sites.bark("site-b", &number.to_string());
            }
            child.try_wait().unwrap()
        })
        .unwrap();
    let run = Run::from(child.wait_with_output().unwrap());
    assert!(status.success(), "{run}");
    for site in ["site-a", "site-b"] {
        assert!(
            run.stderr
                .contains(&format!("the watchdog of {site} came through")),
            "{run}"
        );
    }
    // They were heard, and nothing changed: there is nothing to wait for.
    let again = sites.run(APPLY);
    assert_eq!(again.code, Some(0), "{again}");
    assert!(!again.stderr.contains("waiting for the watchdog"), "{again}");
}

#[test]
fn a_watchdog_that_does_not_come_is_told_with_where_its_way_ends() {
    let sites = Sites::new();
    sites.applied();
    sites.bark("site-a", "2026-11-21T10:00:00Z");
    let silent = sites.run(&[APPLY, &["--wait", "1s"]].concat());
    assert_run!(silent, sites.cloud);
}
