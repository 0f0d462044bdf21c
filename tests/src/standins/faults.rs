//! What is to go wrong next.
//!
//! A fault is ordered for an operation and is used up by the calls that meet it, or stands until it is
//! lifted. Both kinds of stand-in keep their orders here; what a fault means is the stand-in's business.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use super::locked;

/// The faults ordered and not yet met, by operation.
#[derive(Debug)]
pub struct Faults<O, F> {
    orders: Mutex<Orders<O, F>>,
}

#[derive(Debug)]
struct Orders<O, F> {
    next: BTreeMap<O, VecDeque<F>>,
    standing: BTreeMap<O, F>,
}

impl<O, F> Default for Faults<O, F> {
    fn default() -> Self {
        Self {
            orders: Mutex::new(Orders {
                next: BTreeMap::new(),
                standing: BTreeMap::new(),
            }),
        }
    }
}

impl<O: Ord + Copy, F: Clone> Faults<O, F> {
    /// The next `times` calls of `operation` meet `fault`, after those already ordered for it.
    pub fn next(&self, operation: O, times: usize, fault: &F) {
        let mut orders = locked(&self.orders);
        orders
            .next
            .entry(operation)
            .or_default()
            .extend(std::iter::repeat_n(fault.clone(), times));
    }

    /// Every call of `operation` meets `fault` until [`Faults::lift`]; ordered ones go first.
    pub fn always(&self, operation: O, fault: F) {
        locked(&self.orders).standing.insert(operation, fault);
    }

    /// Nothing goes wrong with `operation` any more.
    pub fn lift(&self, operation: O) {
        let mut orders = locked(&self.orders);
        orders.next.remove(&operation);
        orders.standing.remove(&operation);
    }

    /// How many ordered faults no call has met yet: a test that ends with some left tested less than it says.
    pub fn unmet(&self) -> usize {
        locked(&self.orders).next.values().map(VecDeque::len).sum()
    }

    pub(super) fn take(&self, operation: O) -> Option<F> {
        let mut orders = locked(&self.orders);
        let ordered = orders.next.get_mut(&operation).and_then(VecDeque::pop_front);
        ordered.or_else(|| orders.standing.get(&operation).cloned())
    }
}
