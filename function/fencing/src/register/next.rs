//! What an operator types next, by what the register holds: mails, `status` and an incident's report say the same.

use super::{Record, State};
use crate::words::SiteName;

/// The command that comes next while a decision is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextCommand<'a> {
    /// A promotion waits for whatever was begun earlier; the same command goes on with it.
    Promote(&'a SiteName),
    /// The function is at it.
    Watch,
    /// A rejoin is under way, and stops with the command that drives it.
    Rejoin(&'a SiteName),
    RejoinWhenHealed(&'a SiteName),
}

impl<'a> NextCommand<'a> {
    /// Nothing where both sites serve.
    pub fn of(record: &'a Record) -> Option<Self> {
        let decision = record.decision.as_ref()?;
        let (survivor, fenced) = (&decision.survivor.0, &decision.fenced.0);
        Some(match record.state {
            State::Open => return None,
            State::Decided | State::Isolated if record.waiting => Self::Promote(survivor),
            State::Decided | State::Isolated => Self::Watch,
            State::Complete => Self::RejoinWhenHealed(fenced),
            State::Rejoining => Self::Rejoin(fenced),
        })
    }

    /// As it is typed; `topology` is the topology's file or its name.
    pub fn line(self, topology: &str) -> String {
        match self {
            Self::Promote(survivor) => format!("provision promote {survivor} {topology}"),
            Self::Watch => format!("provision status {topology}"),
            Self::Rejoin(fenced) => format!("provision rejoin {fenced} {topology}"),
            Self::RejoinWhenHealed(fenced) => format!("provision rejoin {fenced} {topology} --when-healed"),
        }
    }
}
