//! Time and tasks: everything that happens in a history happens here, one thing after the other.
//!
//! A task is a future: an invocation, a packet on its way, an Alertmanager, an operator. Those that can go on
//! are polled in the order in which they were woken; when none can, time leaps to the next timer. So an hour
//! takes milliseconds, and the same dice give the same order of events. A task can be killed between two
//! polls, which is how processes die.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

type Work = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId(u64);

/// The one clock of a history, and its tasks.
#[derive(Clone, Default)]
pub struct Clock(Rc<Inner>);

#[derive(Default)]
struct Inner {
    now: Cell<Duration>,
    next: Cell<u64>,
    tasks: RefCell<BTreeMap<u64, Option<Work>>>,
    timers: RefCell<BTreeMap<(Duration, u64), Waker>>,
    ready: Arc<Mutex<VecDeque<u64>>>,
}

struct Woken {
    task: u64,
    ready: Arc<Mutex<VecDeque<u64>>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.contains(&self.task) {
            ready.push_back(self.task);
        }
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock at {:?}", self.now())
    }
}

impl Clock {
    /// The true time since the history began. No process sees it.
    pub fn now(&self) -> Duration {
        self.0.now.get()
    }

    fn number(&self) -> u64 {
        let number = self.0.next.get();
        self.0.next.set(number + 1);
        number
    }

    pub fn spawn(&self, work: impl Future<Output = ()> + 'static) -> TaskId {
        let task = self.number();
        self.0.tasks.borrow_mut().insert(task, Some(Box::pin(work)));
        Arc::new(Woken {
            task,
            ready: self.0.ready.clone(),
        })
        .wake();
        TaskId(task)
    }

    /// Ends a task where it stands. It may be the one that is just being polled.
    pub fn kill(&self, task: TaskId) {
        let killed = self.0.tasks.borrow_mut().remove(&task.0);
        drop(killed);
    }

    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep {
            clock: self.clone(),
            at: (self.now().saturating_add(duration), self.number()),
        }
    }

    /// Runs until `until` says so or nothing is left to do before `deadline`; time stands at `deadline` then.
    pub fn run(&self, deadline: Duration, until: impl Fn() -> bool) {
        while !until() {
            let ready = {
                let mut ready = self.0.ready.lock().unwrap_or_else(PoisonError::into_inner);
                ready.pop_front()
            };
            if let Some(task) = ready {
                self.poll(task);
                continue;
            }
            let timer = {
                let mut timers = self.0.timers.borrow_mut();
                match timers.first_key_value() {
                    Some((at, _)) if at.0 <= deadline => timers.pop_first(),
                    _ => None,
                }
            };
            let Some(((at, _), waker)) = timer else {
                self.0.now.set(self.now().max(deadline));
                return;
            };
            self.0.now.set(self.now().max(at));
            waker.wake();
        }
    }

    fn poll(&self, task: u64) {
        let work = match self.0.tasks.borrow_mut().get_mut(&task) {
            Some(work) => work.take(),
            None => return,
        };
        let Some(mut work) = work else { return };
        let waker = Waker::from(Arc::new(Woken {
            task,
            ready: self.0.ready.clone(),
        }));
        let polled = work.as_mut().poll(&mut Context::from_waker(&waker));
        let mut tasks = self.0.tasks.borrow_mut();
        match polled {
            Poll::Ready(()) => drop(tasks.remove(&task)),
            // Unless it was killed meanwhile, by itself perhaps.
            Poll::Pending => {
                if let Some(place) = tasks.get_mut(&task) {
                    *place = Some(work);
                }
            }
        }
    }

    /// Drops everything that is under way: the history is over.
    pub fn clear(&self) {
        let tasks = std::mem::take(&mut *self.0.tasks.borrow_mut());
        drop(tasks);
        self.0.timers.borrow_mut().clear();
    }
}

/// See [`Clock::sleep`].
#[derive(Debug)]
pub struct Sleep {
    clock: Clock,
    at: (Duration, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.at.0 {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        self.clock.0.timers.borrow_mut().insert(self.at, waker);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Ok(mut timers) = self.clock.0.timers.try_borrow_mut() {
            timers.remove(&self.at);
        }
    }
}

/// One value from one task to another; `None` when the sender was dropped.
pub fn letter<T>() -> (Sender<T>, Letter<T>) {
    let slot = Rc::new(RefCell::new(Slot {
        value: None,
        closed: false,
        waker: None,
    }));
    (Sender(slot.clone()), Letter(slot))
}

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    closed: bool,
    waker: Option<Waker>,
}

#[derive(Debug)]
pub struct Sender<T>(Rc<RefCell<Slot<T>>>);

#[derive(Debug)]
pub struct Letter<T>(Rc<RefCell<Slot<T>>>);

impl<T> Sender<T> {
    /// Whether whoever waited for it still does.
    pub fn is_awaited(&self) -> bool {
        Rc::strong_count(&self.0) > 1
    }

    /// Sends; nobody may be waiting any more.
    pub fn send(self, value: T) {
        self.0.borrow_mut().value = Some(value);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waker = {
            let mut slot = self.0.borrow_mut();
            slot.closed = true;
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Letter<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut slot = self.0.borrow_mut();
        if slot.value.is_some() || slot.closed {
            return Poll::Ready(slot.value.take());
        }
        slot.waker = Some(context.waker().clone());
        Poll::Pending
    }
}
