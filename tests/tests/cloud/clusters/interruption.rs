//! Killed at any change in a cluster, `apply` and `destroy` are finished by being run again.

use std::collections::BTreeMap;
use std::sync::mpsc;

use tests::standins::gate::Moment;

use super::*;

/// Runs `provision` and kills it at its `at`-th change; `None` if it ended before.
fn killed_at(sites: &Sites, arguments: &[&str], at: usize, moment: Moment) -> Option<String> {
    let (send_child, receive_child) = mpsc::channel::<std::process::Child>();
    let (send_dead, receive_dead) = mpsc::channel();
    sites.cloud.counter.stop_at(at, moment, move || {
        let mut child = receive_child.recv().unwrap();
        child.kill().unwrap();
        send_dead.send(child.wait_with_output().unwrap()).unwrap();
    });
    let mut child = sites.provision().args(arguments).spawn().unwrap();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(
                status.success(),
                "{}",
                Run::from(child.wait_with_output().unwrap())
            );
            sites.cloud.counter.reset();
            return None;
        }
        if sites.cloud.counter.changes().len() > at {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    send_child.send(child).unwrap();
    let output = receive_dead.recv().unwrap();
    assert_eq!(output.status.code(), None);
    let change = sites.cloud.counter.changes()[at].clone();
    sites.cloud.counter.reset();
    Some(change)
}

/// The lock lies in a bucket of AWS, whose own interruptions are tried elsewhere.
const APPLY_CLUSTERS: &[&str] = &[
    "apply",
    "--yes",
    "--no-wait",
    "--function-zip",
    "given.zip",
    "--only",
    "clusters",
];
const DESTROY_CLUSTERS: &[&str] = &["destroy", "--yes", "--only", "clusters"];

fn run(sites: &Sites, arguments: &[&str], context: &str) {
    let run = sites.run(arguments);
    assert_eq!(run.code, Some(0), "{context}: {run}");
}

#[test]
fn an_apply_that_was_killed_anywhere_is_finished_by_the_next() {
    let sites = Sites::new();
    let empty = sites.inventory();
    sites.applied();
    let whole = sites.inventory();
    run(&sites, DESTROY_CLUSTERS, "whole");
    assert_eq!(sites.inventory(), empty);

    let mut told = Vec::new();
    for moment in [Moment::Before, Moment::After] {
        for at in 0.. {
            let Some(change) = killed_at(&sites, APPLY_CLUSTERS, at, moment) else {
                break;
            };
            let context = format!("killed {moment:?} change {at}, {change}");
            run(&sites, APPLY_CLUSTERS, &context);
            assert_eq!(sites.inventory(), whole, "{context}");
            run(&sites, DESTROY_CLUSTERS, &context);
            assert_eq!(sites.inventory(), empty, "{context}");
            told.push(change);
        }
        run(&sites, DESTROY_CLUSTERS, "the last round was not killed at all");
    }
    // Nine objects and the lock, made and let go, at either moment.
    assert_eq!(told.len(), 2 * 11, "{told:?}");
}

#[test]
fn a_destroy_that_was_killed_anywhere_is_finished_by_the_next() {
    let sites = Sites::new();
    let empty = sites.inventory();
    sites.applied();
    let mut told = Vec::new();
    for moment in [Moment::Before, Moment::After] {
        for at in 0.. {
            run(&sites, APPLY_CLUSTERS, "applied");
            let Some(change) = killed_at(&sites, DESTROY_CLUSTERS, at, moment) else {
                break;
            };
            let context = format!("killed {moment:?} change {at}, {change}");
            run(&sites, DESTROY_CLUSTERS, &context);
            assert_eq!(sites.inventory(), empty, "{context}");
            told.push(change);
        }
    }
    assert_eq!(told.len(), 2 * 11, "{told:?}");
}

/// Both sites are being worked on; each ends the call that it is at, and people are told one thing.
#[test]
#[cfg(unix)]
fn ctrl_c_between_objects_stops_both_sites_and_lets_the_lock_go() {
    let sites = Sites::new();
    sites.applied();
    let whole = sites.inventory();
    run(&sites, DESTROY_CLUSTERS, "destroyed");
    sites.cloud.counter.reset();
    let (send, receive) = mpsc::channel::<u32>();
    // The lock is the first change, the first object the second.
    sites.cloud.counter.stop_at(1, Moment::After, move || {
        let id = receive.recv().unwrap();
        let told = std::process::Command::new("kill")
            .args(["-INT", &id.to_string()])
            .status()
            .unwrap();
        assert!(told.success());
    });
    let child = sites.provision().args(APPLY_CLUSTERS).spawn().unwrap();
    send.send(child.id()).unwrap();
    let stopped = Run::from(child.wait_with_output().unwrap());
    assert_eq!(stopped.code, Some(1), "{stopped}");
    assert_eq!(stopped.stderr.matches("error: ").count(), 1, "{stopped}");
    assert!(
        stopped.stderr.contains("stopping after the current call ("),
        "{stopped}"
    );
    // The one call that the gate broke off; the other site only stopped.
    assert!(stopped.stderr.contains("got no usable answer"), "{stopped}");
    sites.cloud.counter.reset();
    let objects = |all: &[BTreeMap<String, Value>; 2]| all.iter().map(BTreeMap::len).sum::<usize>();
    assert!(
        objects(&sites.inventory()) < objects(&whole),
        "nothing was left to do"
    );
    run(&sites, APPLY_CLUSTERS, "finished");
    assert_eq!(sites.inventory(), whole);
}
