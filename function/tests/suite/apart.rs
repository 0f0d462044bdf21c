//! A fence where the register does not answer, carried out by the driver with a record of its own, and what comes of it
//! afterwards: stopped after each call, and begun again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fencing::answer::{Next, Notice, Status};
use fencing::register::{Record, State};
use fencing::replication::Backup;
use fencing::step::{Call, Event, Fault, Task};
use fencing::words::{Reporter, Suspect};
use function::moment::Moment;
use function::run::{Budget, run};
use function::world::World;
use function::world::apart::Apart;
use jiff::SignedDuration;
use secrecy::SecretString;

use crate::common::{Memory, balancer, settings, site};

/// A world that stands still after so many calls that change something or ask somebody.
struct Until<'m> {
    memory: &'m Memory,
    calls: AtomicUsize,
}

impl World for Until<'_> {
    fn moment(&self) -> Moment {
        (&self.memory).moment()
    }

    async fn sleep(&self, duration: Duration) {
        (&self.memory).sleep(duration).await;
    }

    async fn call(&self, call: &Call) -> Event {
        let left = self
            .calls
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_err() {
            std::future::pending::<()>().await;
        }
        (&self.memory).call(call).await
    }

    async fn webhook_secret(&self) -> Result<SecretString, Fault> {
        (&self.memory).webhook_secret().await
    }

    async fn stamp(&self, reporter: &Reporter) -> Result<(), Fault> {
        (&self.memory).stamp(reporter).await
    }

    async fn chronicle(&self, record: &Record) {
        (&self.memory).chronicle(record).await;
    }

    async fn tell(&self, notice: &Notice, record: Option<&Record>) {
        (&self.memory).tell(notice, record).await;
    }

    async fn settle(&self) {}
}

fn fence() -> Task {
    Task::Fence {
        fenced: site("site-b"),
        by: "ana by force".to_owned(),
    }
}

async fn drive(world: &impl World, task: Task) -> fencing::answer::Answer {
    let now = world.moment();
    let timeout = Duration::from_secs(15);
    let deadline = now.wall + SignedDuration::from_secs(15);
    let executor = format!("provision-{}", now.uptime.as_nanos());
    let budget = Budget::new(now, deadline, timeout);
    run(&settings(), world, &executor, task, budget).await.answer
}

/// Somebody is always served, and never are both cut.
fn is_safe(world: &Memory, when: &str) {
    assert!(!world.endpoints().is_empty(), "{when}: nobody is in");
    let cut = ["site-a", "site-b"].map(|name| world.backup(name) == Backup::Offline);
    assert_ne!(cut, [true, true], "{when}: both are cut");
    // The cut comes after the accelerator was read to hold the survivor alone.
    assert!(!cut[0] || world.endpoints() == [balancer("site-a")], "{when}");
}

#[tokio::test(start_paused = true)]
async fn a_fence_without_its_register_is_whole_wherever_it_was_stopped() {
    let mut most = 0;
    for calls in 0.. {
        let world = Memory::split();
        let until = Until {
            memory: &world,
            calls: AtomicUsize::new(calls),
        };
        let answer = drive(&Apart::from(&until), fence()).await;
        is_safe(&world, &format!("stopped after {calls}"));
        // Nothing of it is in the register.
        assert_eq!(world.with(|state| state.record.clone()), None);
        if answer.status == Status::Done {
            most = calls;
            break;
        }
        // The same command once more, and then it is written down.
        let answer = drive(&Apart::from(&&world), fence()).await;
        assert_eq!(answer.status, Status::Done, "{calls}: {}", answer.sentence);
        assert_eq!(world.endpoints(), [balancer("site-a")]);
        assert_eq!(world.backup("site-a"), Backup::Offline);
        let answer = drive(&&world, fence()).await;
        assert_eq!(answer.status, Status::Done, "{calls}: {}", answer.sentence);
        is_safe(&world, &format!("written down after {calls}"));
        let record = world.with(|state| state.record.clone().unwrap());
        assert_eq!((record.state, record.epoch.0), (State::Complete, 1));
        assert_eq!(record.fenced(), Some(&site("site-b")));
    }
    assert_eq!(most, 4, "reads, takes out, cuts, looks");
}

/// Writing it down is stopped at each call, and begun again.
#[tokio::test(start_paused = true)]
async fn what_was_forced_is_recorded_wherever_that_was_stopped() {
    for calls in 0..40 {
        let world = Memory::split();
        assert_eq!(drive(&Apart::from(&&world), fence()).await.status, Status::Done);
        let until = Until {
            memory: &world,
            calls: AtomicUsize::new(calls),
        };
        drive(&until, fence()).await;
        is_safe(&world, &format!("stopped after {calls}"));
        // A claim of whoever died holds for some seconds.
        tokio::time::advance(Duration::from_secs(60)).await;
        let answer = drive(&&world, fence()).await;
        assert_eq!(answer.status, Status::Done, "{calls}: {}", answer.sentence);
        is_safe(&world, &format!("written down after {calls}"));
        assert_eq!(world.endpoints(), [balancer("site-a")]);
        let record = world.with(|state| state.record.clone().unwrap());
        assert_eq!((record.state, record.epoch.0), (State::Complete, 1));
    }
}

/// Nobody can read it, but the other site's alert had decided for that one, and whoever carried it out died half-way. What
/// was forced against that wins, and is written down before anything runs again; where the other site no longer
/// replicates, or is alone in the accelerator, nothing can be forced.
#[tokio::test(start_paused = true)]
async fn a_decision_the_other_way_is_overruled_or_stands_and_never_are_both_cut() {
    let mut ends = [0; 3];
    for calls in 0..12 {
        let world = Memory::split();
        let until = Until {
            memory: &world,
            calls: AtomicUsize::new(calls),
        };
        let alert = Task::Alert {
            reporter: Reporter(site("site-b")),
            suspect: Suspect(site("site-a")),
            since: None,
        };
        drive(&until, alert).await;
        tokio::time::advance(Duration::from_secs(60)).await;
        if world.backup("site-b") == Backup::Offline {
            // `provision` reads that first, and refuses.
            ends[0] += 1;
            continue;
        }
        let before = world.endpoints();
        let answer = drive(&Apart::from(&&world), fence()).await;
        if answer.status != Status::Done {
            assert_eq!(before, [balancer("site-b")], "{calls}: {}", answer.sentence);
            assert_eq!(world.endpoints(), before, "{calls}");
            assert_eq!(world.backup("site-a"), Backup::Online, "{calls}");
            ends[1] += 1;
            continue;
        }
        is_safe(&world, &format!("forced after {calls}"));
        ends[2] += 1;
        let mut waited = None;
        for _ in 0..4 {
            let record = world.with(|state| state.record.clone());
            let decided = record.as_ref().is_some_and(|record| record.decision.is_some());
            let task = if decided {
                Task::Promote {
                    survivor: site("site-a"),
                    by: "ana by force".to_owned(),
                    waited: waited.clone(),
                    survivor_is_lost: true,
                }
            } else {
                fence()
            };
            let answer = drive(&&world, task).await;
            is_safe(&world, &format!("written down after {calls}"));
            if let Next::Wait { seconds, token } = answer.next {
                tokio::time::advance(Duration::from_secs(seconds.into())).await;
                waited = Some(token);
            }
            if answer.status == Status::Done {
                break;
            }
        }
        let record = world.with(|state| state.record.clone().unwrap());
        assert_eq!(record.state, State::Complete, "{calls}");
        assert_eq!(record.fenced(), Some(&site("site-b")), "{calls}");
        assert_eq!(world.endpoints(), [balancer("site-a")], "{calls}");
    }
    assert!(ends.iter().all(|end| *end > 0), "{ends:?}");
}

/// `provision` does not say of a fence that was refused so that it was begun.
#[tokio::test(start_paused = true)]
async fn a_fence_that_is_refused_without_its_register_has_touched_nothing() {
    let world = Memory::split();
    let reached = &world;
    let apart = Apart::from(&reached);
    assert!(!apart.has_touched());
    assert_eq!(drive(&apart, fence()).await.status, Status::Done);
    assert!(apart.has_touched());

    let world = Memory::split();
    world.take_out("site-a");
    let before = world.endpoints();
    let reached = &world;
    let apart = Apart::from(&reached);
    let answer = drive(&apart, fence()).await;
    assert_eq!(answer.status, Status::NotNow, "{}", answer.sentence);
    assert!(!apart.has_touched());
    assert_eq!(world.endpoints(), before);
    assert_eq!(world.backup("site-a"), Backup::Online);

    // However far it came before it was stopped, that it may have touched something is known.
    for calls in 0..8 {
        let world = Memory::split();
        let until = Until {
            memory: &world,
            calls: AtomicUsize::new(calls),
        };
        let apart = Apart::from(&until);
        drive(&apart, fence()).await;
        let whole = world.endpoints().len() == 2 && world.backup("site-a") == Backup::Online;
        assert!(whole || apart.has_touched(), "{calls}");
    }
}
