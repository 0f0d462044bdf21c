//! Killed at any change, `apply` and `destroy` are finished by being run again.

use std::collections::BTreeMap;
use std::sync::mpsc;

use tests::provision::Run;
use tests::standins::gate::Moment;

use crate::world::{APPLY, Cloud, aws_half};

/// The changes that were made, each with how many of its name came before it: what goes on side by side has no order.
fn occurrences(changes: &[String]) -> Vec<(String, usize)> {
    let mut counted: BTreeMap<&String, usize> = BTreeMap::new();
    let mut numbered = Vec::new();
    for change in changes {
        let count = counted.entry(change).or_default();
        numbered.push((change.clone(), *count));
        *count += 1;
    }
    numbered
}

/// Runs `provision` and kills it at a change.
fn kill_at(cloud: &Cloud, arguments: &[&str], (change, nth): (&str, usize), moment: Moment) {
    let (send_child, receive_child) = mpsc::channel::<std::process::Child>();
    let (send_dead, receive_dead) = mpsc::channel();
    cloud.counter.stop_on(change, nth, moment, move || {
        let mut child = receive_child.recv().unwrap();
        child.kill().unwrap();
        send_dead.send(child.wait_with_output().unwrap()).unwrap();
    });
    let mut child = cloud.provision().args(aws_half(arguments)).spawn().unwrap();
    // Reading the streams is left to the action: what is written before the kill fits into the pipes.
    let id = child.id();
    while cloud.counter.waits_to_stop() {
        if child.try_wait().unwrap().is_some() {
            let run = Run::from(child.wait_with_output().unwrap());
            panic!("{change} {nth} never came: {run}");
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    send_child.send(child).unwrap();
    let output = receive_dead.recv().unwrap();
    assert_eq!(output.status.code(), None, "process {id} was not killed");
    cloud.counter.reset();
}

const DESTROY: &[&str] = &["destroy", "--yes"];

#[test]
fn an_apply_that_was_killed_anywhere_is_finished_by_the_next() {
    let cloud = Cloud::new();
    let empty = cloud.inventory();
    let whole = cloud.apply();
    assert_eq!(whole.code, Some(0), "{whole}");
    let changes = occurrences(&cloud.counter.changes());
    let whole = cloud.inventory();
    let destroyed = cloud.run(DESTROY);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");

    for wanted in ["CreateChangeSet", "ExecuteChangeSet"] {
        let count = changes.iter().filter(|(change, _)| change == wanted).count();
        assert_eq!(count, 3, "{changes:?}");
    }
    for moment in [Moment::Before, Moment::After] {
        for (change, nth) in &changes {
            kill_at(&cloud, APPLY, (change, *nth), moment);
            let context = format!("killed {moment:?} {change} {nth}");
            let finished = cloud.apply();
            assert_eq!(finished.code, Some(0), "{context}: {finished}");
            assert_eq!(cloud.inventory(), whole, "{context}");
            let destroyed = cloud.run(DESTROY);
            assert_eq!(destroyed.code, Some(0), "{context}: {destroyed}");
            assert_eq!(cloud.inventory(), empty, "{context}");
        }
    }
    assert!(cloud.accelerator.writes().is_empty());
}

#[test]
fn a_destroy_that_was_killed_anywhere_is_finished_by_the_next() {
    let cloud = Cloud::new();
    let empty = cloud.inventory();
    let applied = cloud.apply();
    assert_eq!(applied.code, Some(0), "{applied}");
    cloud.counter.reset();
    let destroyed = cloud.run(DESTROY);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");
    let changes = occurrences(&cloud.counter.changes());
    let stacks = changes
        .iter()
        .filter(|(change, _)| change == "DeleteStack")
        .count();
    assert_eq!(stacks, 3, "{changes:?}");
    for moment in [Moment::Before, Moment::After] {
        for (change, nth) in &changes {
            let applied = cloud.apply();
            assert_eq!(applied.code, Some(0), "{applied}");
            kill_at(&cloud, DESTROY, (change, *nth), moment);
            let context = format!("killed {moment:?} {change} {nth}");
            let finished = cloud.run(DESTROY);
            assert_eq!(finished.code, Some(0), "{context}: {finished}");
            assert_eq!(cloud.inventory(), empty, "{context}");
        }
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_stops_after_the_current_call_and_says_how_to_go_on() {
    let cloud = Cloud::new();
    let (send, receive) = mpsc::channel::<u32>();
    // At the creation of the register's stack.
    cloud
        .counter
        .stop_on("CreateChangeSet", 1, Moment::After, move || {
            let id = receive.recv().unwrap();
            let killed = std::process::Command::new("kill")
                .args(["-INT", &id.to_string()])
                .status()
                .unwrap();
            assert!(killed.success());
        });
    let child = cloud.provision().args(aws_half(APPLY)).spawn().unwrap();
    send.send(child.id()).unwrap();
    let run = Run::from(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(1), "{run}");
    assert!(
        run.stderr.ends_with(
            "error: stopped; nothing is lost\nhint: run the same command again to continue. Requests that \
             were already sent may still take effect\n"
        ),
        "{run}"
    );
    assert!(run.stderr.contains("stopping after the current call"), "{run}");
    cloud.counter.reset();
    assert!(
        !cloud.inventory().values().any(|it| it.contains("apply.lock")),
        "the lock was let go"
    );
    let finished = cloud.apply();
    assert_eq!(finished.code, Some(0), "{finished}");
}
