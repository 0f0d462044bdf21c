//! Another topology on the same accelerator: the same sites, and a register and deep checks of its own.

use fencing::health::Checkup;
use fencing::register::Record;
use fencing::settings::{Found, Settings};
use fencing::step::{Event, Written};
use fencing::words::Rev;

use super::Reality;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// That of the topology that the accelerator names.
    Ours,
    /// That of the other one.
    Others,
}

/// What the other topology does not share.
#[derive(Debug)]
pub struct Others {
    /// What its function is told.
    pub settings: Settings,
    pub(super) record: Option<Record>,
    /// Its last deep check.
    checkup: Option<Checkup>,
}

impl Others {
    /// Nothing was ever decided there.
    pub(super) fn beside(ours: &Settings) -> Self {
        Self {
            settings: Settings {
                found: Found {
                    owner: format!("{}-in-another-register", ours.found.owner),
                    ..ours.found.clone()
                },
                ..ours.clone()
            },
            record: None,
            checkup: None,
        }
    }
}

/// A conditional write of a register's item.
pub(super) fn write(item: &mut Option<Record>, expect: Rev, record: &Record) -> Event {
    if item.as_ref().map_or(Rev(0), |record| record.rev) != expect {
        return Event::Written(Written::Lost(item.clone().map(Box::new)));
    }
    *item = Some(record.clone());
    Event::Written(Written::Stored)
}

impl Reality {
    /// What a topology's function is told.
    pub fn settings_of(&self, whose: Whose) -> &Settings {
        match whose {
            Whose::Ours => &self.settings,
            Whose::Others => &self.others.settings,
        }
    }

    /// A topology's last deep check.
    pub fn checkup(&self, whose: Whose) -> Option<&Checkup> {
        match whose {
            Whose::Ours => self.checkup.as_ref(),
            Whose::Others => self.others.checkup.as_ref(),
        }
    }

    /// A deep check is kept.
    pub fn keep(&mut self, whose: Whose, checkup: Checkup) {
        match whose {
            Whose::Ours => self.checkup = Some(checkup),
            Whose::Others => self.others.checkup = Some(checkup),
        }
    }
}
