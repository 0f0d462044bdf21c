//! The configurations that are checked: the quick ones with every test run, all of them by
//! `cargo xtask model --long`.
//!
//! A configuration is small on purpose: a few invocations, one or two mishaps of a few kinds, explored in every
//! order. What each allows is a line to read, and together they hold every mishap that the protocol is meant
//! for, in every layout.

use crate::configuration::{Configuration, From};
use crate::grounds::{Layout, Site};
use crate::scene::Hand;

mod afterwards;
mod fences;
mod operators;
mod suspicions;

/// Two zones of one Region: one endpoint group.
const ZONES: Layout = Layout {
    listeners: 1,
    two_regions: false,
};
/// The same behind two listeners.
const ZONES_TWICE: Layout = Layout {
    listeners: 2,
    two_regions: false,
};
/// Two Regions: an endpoint group each.
const REGIONS: Layout = Layout {
    listeners: 1,
    two_regions: true,
};
/// The same behind two listeners.
const REGIONS_TWICE: Layout = Layout {
    listeners: 2,
    two_regions: true,
};

/// What rows have in common.
pub const BASE: Configuration = Configuration {
    name: "",
    about: "",
    long: false,
    executors: 2,
    layout: ZONES,
    never: None,
    from: From::Split,
    chances: &[],
    hands: &[],
    revisions: 14,
    expects: &[],
    driver_stops: true,
    marked: true,
};

/// What people may do around a fence.
const EDITS: &[Hand] = &[
    Hand::Remove(Site::A),
    Hand::Remove(Site::B),
    Hand::AddStranger,
    Hand::Weigh(Site::A),
    Hand::Sicken(Site::A),
];

/// What people may do where a site is drained.
const DRAINS: &[Hand] = &[Hand::Drain(Site::A), Hand::Drain(Site::B), Hand::Remove(Site::B)];

/// What people may do to the accelerator that holds the survivor alone.
const EMPTYINGS: &[Hand] = &[Hand::Remove(Site::A), Hand::Add(Site::B), Hand::AddStranger];

/// What people may do to a fence that is complete.
const RETURNS: &[Hand] = &[
    Hand::Add(Site::B),
    Hand::BringOnline(Site::A),
    Hand::Recover(Site::B),
];

pub fn all() -> Vec<Configuration> {
    let mut rows = fences::rows();
    rows.extend(suspicions::rows());
    rows.extend(afterwards::rows());
    rows.extend(operators::rows());
    rows
}
