//! What a stand-in was asked, in the order of arrival.
//!
//! A test of a fencing protocol is mostly a question about this list: was the accelerator read before
//! replication was cut, did nothing go to the suspect's cluster, did the second delivery make no call at
//! all. Instants of one process can be compared, so the logs of two stand-ins can be merged into one
//! timeline. Waiting for a call replaces sleeping: a test that wants to kill the function between two
//! effects waits until the log holds the first.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::locked;

/// The calls of one stand-in.
#[derive(Debug)]
pub struct CallLog<C> {
    calls: Mutex<Vec<C>>,
    grown: Condvar,
    length: watch::Sender<usize>,
}

impl<C> Default for CallLog<C> {
    fn default() -> Self {
        Self {
            calls: Mutex::new(Vec::new()),
            grown: Condvar::new(),
            length: watch::Sender::new(0),
        }
    }
}

impl<C: Clone> CallLog<C> {
    /// Every call since the start, or since [`CallLog::forget`].
    pub fn all(&self) -> Vec<C> {
        locked(&self.calls).clone()
    }

    /// The calls for which `wanted` holds.
    pub fn matching(&self, mut wanted: impl FnMut(&C) -> bool) -> Vec<C> {
        locked(&self.calls)
            .iter()
            .filter(|call| wanted(call))
            .cloned()
            .collect()
    }

    /// Starts over, so that an assertion can speak of what came after this point.
    pub fn forget(&self) {
        locked(&self.calls).clear();
    }

    /// Blocks until the calls satisfy `holds`; false when they do not within `limit`.
    ///
    /// For tests whose actor is another process or thread. A test that drives the actor on its own
    /// runtime uses [`CallLog::reached`], since a blocked thread polls nothing.
    pub fn wait_until(&self, limit: Duration, mut holds: impl FnMut(&[C]) -> bool) -> bool {
        let end = Instant::now() + limit;
        let mut calls = locked(&self.calls);
        while !holds(&calls) {
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                return false;
            };
            calls = self
                .grown
                .wait_timeout(calls, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// Like [`CallLog::wait_until`], without blocking the thread.
    pub async fn reached(&self, limit: Duration, mut holds: impl FnMut(&[C]) -> bool) -> bool {
        let mut length = self.length.subscribe();
        let growing = async {
            loop {
                length.borrow_and_update();
                if holds(&locked(&self.calls)) {
                    return;
                }
                // The sender lives in self, so this cannot fail while we are here.
                if length.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(limit, growing).await.is_ok()
    }

    pub(crate) fn record(&self, call: C) {
        let length = {
            let mut calls = locked(&self.calls);
            calls.push(call);
            calls.len()
        };
        self.grown.notify_all();
        self.length.send_replace(length);
    }
}
