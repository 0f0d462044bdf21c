//! What the stacks are made with.

pub(super) mod parameters;
