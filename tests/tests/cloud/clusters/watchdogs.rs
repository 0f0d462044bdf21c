//! `apply` ends when both sites' watchdogs reached the function.

use jiff::Timestamp;

use super::*;
use crate::assert_run;

#[test]
fn an_apply_ends_when_both_watchdogs_have_arrived() {
    let sites = Sites::new();
    let mut child = sites.provision().args(APPLY).spawn().unwrap();
    // A stamp that stood before the wait began proves nothing, so each is another one, until it ends.
    let status = loop {
        if sites
            .cloud
            .inventory()
            .contains_key("table sitefence-demo-register")
        {
            for site in ["site-a", "site-b"] {
                sites.bark(site, &Timestamp::now().to_string());
            }
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
    };
    let run = Run::from(child.wait_with_output().unwrap());
    assert!(status.success(), "{run}");
    for site in ["site-a", "site-b"] {
        assert!(
            run.stderr.contains(&format!("the watchdog from {site} arrived")),
            "{run}"
        );
    }
    // They were heard just now, and nothing changed: there is nothing to wait for.
    let again = sites.run(APPLY);
    assert_eq!(again.code, Some(0), "{again}");
    assert!(!again.stderr.contains("waiting for the watchdog"), "{again}");
}

#[test]
fn a_watchdog_that_does_not_come_is_reported_with_where_its_way_ends() {
    let sites = Sites::new();
    sites.applied();
    sites.bark("site-a", "2020-11-21T10:00:00Z");
    let wait = [APPLY, &["--wait", "1s"]].concat();
    let silent = sites.run(&wait);
    assert_run!(silent, sites.cloud);

    // That both came once makes nothing of it good: whoever goes on waiting hears the same.
    let long_ago = Timestamp::now() - jiff::SignedDuration::from_secs(181);
    for site in ["site-a", "site-b"] {
        sites.bark(site, &long_ago.to_string());
    }
    let again = sites.run(&wait);
    assert_eq!(again.code, Some(1), "{again}");
    assert!(
        again
            .stderr
            .contains("(silent for more than 180 seconds: site-a and site-b)")
            && again.stderr.contains("no watchdog alert reached the function"),
        "{again}"
    );
    let no_wait = sites.apply();
    assert_eq!(no_wait.code, Some(0), "{no_wait}");
    assert!(no_wait.stderr.contains("nothing to do"), "{no_wait}");
}
