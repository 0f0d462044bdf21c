//! Killed at any change, `apply` and `destroy` are finished by being run again.

use std::sync::mpsc;

use tests::provision::Run;
use tests::standins::gate::Moment;

use crate::world::{APPLY, Cloud, aws_half};

/// Runs `provision` and kills it at its `at`-th change; `None` if it ended before.
fn killed_at(cloud: &Cloud, arguments: &[&str], at: usize, moment: Moment) -> Option<String> {
    let (send_child, receive_child) = mpsc::channel::<std::process::Child>();
    let (send_dead, receive_dead) = mpsc::channel();
    cloud.counter.stop_at(at, moment, move || {
        let mut child = receive_child.recv().unwrap();
        child.kill().unwrap();
        send_dead.send(child.wait_with_output().unwrap()).unwrap();
    });
    let mut child = cloud.provision().args(aws_half(arguments)).spawn().unwrap();
    // Reading the streams is left to the action: what is written before the kill fits into the pipes.
    let id = child.id();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(
                status.success(),
                "{}",
                Run::from(child.wait_with_output().unwrap())
            );
            cloud.counter.reset();
            return None;
        }
        if cloud.counter.changes().len() > at {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    send_child.send(child).unwrap();
    let output = receive_dead.recv().unwrap();
    assert_eq!(output.status.code(), None, "process {id} was not killed");
    let change = cloud.counter.changes()[at].clone();
    cloud.counter.reset();
    Some(change)
}

const DESTROY: &[&str] = &["destroy", "--yes"];

#[test]
fn an_apply_that_was_killed_anywhere_is_finished_by_the_next() {
    let cloud = Cloud::new();
    let empty = cloud.inventory();
    let whole = cloud.apply();
    assert_eq!(whole.code, Some(0), "{whole}");
    let whole = cloud.inventory();
    let destroyed = cloud.run(DESTROY);
    assert_eq!(destroyed.code, Some(0), "{destroyed}");

    let mut told = Vec::new();
    for moment in [Moment::Before, Moment::After] {
        for at in 0.. {
            let Some(change) = killed_at(&cloud, APPLY, at, moment) else {
                break;
            };
            let context = format!("killed {moment:?} change {at}, {change}");
            let finished = cloud.apply();
            assert_eq!(finished.code, Some(0), "{context}: {finished}");
            assert_eq!(cloud.inventory(), whole, "{context}");
            let destroyed = cloud.run(DESTROY);
            assert_eq!(destroyed.code, Some(0), "{context}: {destroyed}");
            assert_eq!(cloud.inventory(), empty, "{context}");
            told.push(change);
        }
        // The last round was not killed at all.
        let destroyed = cloud.run(DESTROY);
        assert_eq!(destroyed.code, Some(0), "{destroyed}");
    }
    for change in ["CreateChangeSet", "ExecuteChangeSet"] {
        assert_eq!(told.iter().filter(|it| *it == change).count(), 6, "{told:?}");
    }
    assert!(cloud.accelerator.writes().is_empty());
}

#[test]
fn a_destroy_that_was_killed_anywhere_is_finished_by_the_next() {
    let cloud = Cloud::new();
    let empty = cloud.inventory();
    let mut told = Vec::new();
    for moment in [Moment::Before, Moment::After] {
        for at in 0.. {
            let applied = cloud.apply();
            assert_eq!(applied.code, Some(0), "{applied}");
            let Some(change) = killed_at(&cloud, DESTROY, at, moment) else {
                break;
            };
            let context = format!("killed {moment:?} change {at}, {change}");
            let finished = cloud.run(DESTROY);
            assert_eq!(finished.code, Some(0), "{context}: {finished}");
            assert_eq!(cloud.inventory(), empty, "{context}");
            told.push(change);
        }
    }
    assert_eq!(
        told.iter().filter(|it| *it == "DeleteStack").count(),
        6,
        "{told:?}"
    );
}

#[test]
#[cfg(unix)]
fn ctrl_c_stops_after_the_current_call_and_says_how_to_go_on() {
    let cloud = Cloud::new();
    let (send, receive) = mpsc::channel::<u32>();
    // At the creation of the register's stack.
    cloud.counter.stop_at(4, Moment::After, move || {
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
            "error: stopped; nothing is lost\nhint: run the same command again to go on; what was begun \
             at a server goes on there meanwhile\n"
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
