//! What is really so, whoever knows it: the register's item, the accelerator, two sites, the link.
//!
//! Calls of the function take effect here, one at a time, and so does what people and bad luck do. It is
//! noted when hands that are not ours last touched a thing: for what they did, the function is not to blame.

mod accelerator;
mod others;
mod site;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use fencing::accelerator::{Group, Mark, Outcome, Reached, listener_of};
use fencing::health::Checkup;
use fencing::register::Record;
use fencing::replication::Backup;
use fencing::settings::Settings;
use fencing::step::{Call, Event, Fault, Written};
use fencing::words::{SiteName, Token};

pub use self::others::{Others, Whose};
pub use self::site::{Instance, Keycloak, Relay, Site};
use crate::dice::Dice;
use crate::layout::Layout;

/// When something other than the function last changed a thing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hands {
    /// The accelerator's endpoints, or their health.
    pub groups: Option<Duration>,
    /// A site's backups, its life or its Keycloak; by the site's index.
    pub sites: [Option<Duration>; 2],
    /// The start of a site's Keycloak, whoever started it; by the site's index.
    pub keycloak: [Option<Duration>; 2],
    pub link: Option<Duration>,
}

/// The world of one history.
#[derive(Debug)]
pub struct Reality {
    /// What the function is told of it.
    pub settings: Settings,
    pub record: Option<Record>,
    /// Whether there is a table that could hold it.
    table_stands: bool,
    /// It answers nobody.
    pub register_away: bool,
    /// When it was last written.
    pub written_at: Duration,
    pub groups: Vec<Group>,
    /// What they were; readings can lag behind.
    earlier: VecDeque<(Duration, Vec<Group>)>,
    /// The most that a reading lags.
    pub lag: Duration,
    /// The sites, in the settings' order.
    pub sites: [Site; 2],
    /// Whether they see each other.
    pub link: bool,
    /// The one that sees the other all the same.
    pub half: Option<usize>,
    /// A call over all caches fails for one of them, so many times in a thousand.
    pub cache_failures: u64,
    /// A relay node is not met, or one that is none any more is, so many times in a thousand.
    pub no_relay: u64,
    /// What the accelerator's tag says.
    pub mark: Mark,
    /// How far the register had come, as its other tag has it.
    pub reached: Option<Reached>,
    /// It cannot be read, so many times in a thousand.
    pub unread: u64,
    /// Our last deep check.
    checkup: Option<Checkup>,
    /// The relay nodes that a deep check has seen with the other site in view.
    pub witnesses: BTreeSet<Instance>,
    /// The other topology on the accelerator, if it is deployed.
    pub others: Others,
    pub hands: Hands,
    /// Operators do not wait as they are told, repeat what they typed, and paste what others typed. In such a history
    /// no clock is set: of the two that a wait is kept by, the operator's and the function's, one has to be right.
    pub rude: bool,
    /// The waits that operators were told of.
    pub told: Vec<Token>,
    pub password: String,
    /// When it was changed.
    pub rotated_at: Duration,
}

impl Reality {
    /// Both sites serve and see each other; nothing was ever decided.
    pub fn new(layout: Layout) -> Self {
        let settings = layout.settings();
        Self {
            groups: layout.groups(&settings),
            sites: [Site::new(), Site::new()],
            record: None,
            table_stands: true,
            register_away: false,
            written_at: Duration::ZERO,
            earlier: VecDeque::new(),
            lag: Duration::ZERO,
            link: true,
            half: None,
            cache_failures: 0,
            no_relay: 0,
            mark: Mark::Names(settings.found.owner.clone()),
            reached: None,
            unread: 0,
            checkup: None,
            witnesses: BTreeSet::new(),
            others: Others::beside(&settings),
            hands: Hands::default(),
            rude: false,
            told: Vec::new(),
            password: "s3cret%40".to_owned(),
            rotated_at: Duration::ZERO,
            settings,
        }
    }

    pub fn index(&self, site: &SiteName) -> usize {
        usize::from(self.settings.sites[1].name == *site)
    }

    pub fn name(&self, index: usize) -> &SiteName {
        &self.settings.sites[index.min(1)].name
    }

    pub fn site(&self, site: &SiteName) -> &Site {
        &self.sites[self.index(site)]
    }

    /// Whether a site's primary relay node sees the other site.
    pub fn sees_other(&self, index: usize) -> bool {
        (self.link || self.half == Some(index)) && self.sites[index].alive && self.sites[1 - index].alive
    }

    /// The register as an executor would read it.
    pub fn register(&self) -> Record {
        self.record.clone().unwrap_or_else(Record::empty)
    }

    /// Whether a topology's table answers.
    pub(crate) fn table(&self, whose: Whose) -> Result<(), Fault> {
        let what = match whose {
            Whose::Others => return Ok(()),
            Whose::Ours if self.register_away => "it does not answer",
            Whose::Ours if !self.table_stands => "there is no such table",
            Whose::Ours => return Ok(()),
        };
        Err(Fault {
            whom: "the register".to_owned(),
            what: what.to_owned(),
        })
    }

    /// Whether there is a register.
    pub fn has_table(&self) -> bool {
        self.table_stands
    }

    /// The register is made, with nothing in it, unless it is there. How far another had come goes from the
    /// accelerator where nothing is in this one, as `provision` has it.
    pub fn create_table(&mut self) {
        self.table_stands = true;
        if self.record.is_none() {
            self.reached = None;
        }
    }

    /// The register goes, with what is in it.
    pub fn delete_table(&mut self) {
        self.table_stands = false;
        self.record = None;
    }

    /// A site's backup to the other.
    pub fn backup(&self, index: usize) -> Backup {
        self.sites[index].backup()
    }

    /// Whether the accelerator holds exactly what a decision says, the fenced site nowhere.
    pub fn holds_exactly(&self, outcome: &Outcome, fenced: usize) -> bool {
        let as_said = outcome.groups.iter().all(|write| {
            let mut wanted: Vec<&str> = write.endpoints.iter().map(|e| e.id.as_str()).collect();
            wanted.sort_unstable();
            self.groups
                .iter()
                .find(|group| group.arn == write.arn)
                .is_some_and(|group| accelerator::ids(group) == wanted)
        });
        as_said && !self.is_in(fenced)
    }

    /// Whether a site is in the accelerator and nobody else.
    pub fn holds_only(&self, index: usize) -> bool {
        let id = crate::layout::balancer(index);
        let mut ends = self.groups.iter().flat_map(|group| &group.endpoints).peekable();
        ends.peek().is_some() && ends.all(|end| end.config.id == id)
    }

    /// Whether a listener that a decision is about holds nobody.
    pub fn is_empty(&self, outcome: &Outcome, listener: &str) -> bool {
        let decided = outcome
            .groups
            .iter()
            .any(|write| listener_of(&write.arn) == listener);
        let mut groups = self
            .groups
            .iter()
            .filter(|group| listener_of(&group.arn) == listener);
        decided && groups.all(|group| group.endpoints.is_empty())
    }

    /// Whether the world is as a completed decision leaves it.
    pub fn agrees(&self, record: &Record) -> bool {
        record.decision.as_ref().is_some_and(|decision| {
            let survivor = self.index(&decision.survivor.0);
            let mut listeners = self.groups.iter().map(|group| listener_of(&group.arn));
            self.holds_only(survivor)
                && !listeners.any(|listener| self.is_empty(&decision.outcome, listener))
                && self.backup(survivor) == Backup::Offline
        })
    }

    /// A dead site comes back: its Infinispan has forgotten everything, its Keycloak runs.
    pub fn revive(&mut self, index: usize, now: Duration) {
        let site = &mut self.sites[index];
        site.alive = true;
        site.restart(now);
        site.keycloak = Keycloak::Running;
        self.hands.sites[index] = Some(now);
        self.hands.keycloak[index] = Some(now);
    }

    /// Carries a call out, at its landing.
    pub fn apply(&mut self, whose: Whose, call: &Call, now: Duration, dice: &mut Dice) -> Event {
        match call {
            Call::ReadRegister if whose == Whose::Others => {
                Event::Register(Ok(self.others.record.clone().map(Box::new)))
            }
            Call::WriteRegister { expect, record } if whose == Whose::Others => {
                others::write(&mut self.others.record, *expect, record)
            }
            // What checks have kept is in the same table.
            Call::ReadRegister | Call::WriteRegister { .. } | Call::ReadMark
                if let Err(fault) = self.table(whose) =>
            {
                call.failed(fault.what)
            }
            Call::ReadRegister => Event::Register(Ok(self.record.clone().map(Box::new))),
            Call::WriteRegister { expect, record } => {
                let written = others::write(&mut self.record, *expect, record);
                if written == Event::Written(Written::Stored) {
                    self.written_at = now;
                }
                written
            }
            Call::ReadAccelerator => Event::Accelerator(Ok(self.read_accelerator(now, dice))),
            Call::ReadMark => {
                let checkup = self.checkup(whose);
                Event::Marked(Ok(checkup.and_then(|checkup| checkup.marked.clone())))
            }
            Call::WriteGroup(outcome) => self.write_group(outcome, now),
            Call::NoteReached(reached) => {
                self.reached = Some(*reached);
                Event::Done(Ok(()))
            }
            Call::ReadWitnesses => {
                let checkup = self.checkup(whose);
                let witnesses = checkup.map_or_else(BTreeMap::new, |checkup| checkup.witnesses.clone());
                Event::Witnesses(Ok(witnesses))
            }
            Call::ReadView { at }
            | Call::ReadAge { at, .. }
            | Call::TakeOffline { at, .. }
            | Call::BringOnline { at, .. }
            | Call::ReadBackup { at, .. }
            | Call::ClearCache { at, .. }
            | Call::StartPush { at, .. }
            | Call::CancelPush { at, .. }
            | Call::CancelReceive { at, .. }
            | Call::ReadPushes { at, .. }
            | Call::ClearPushes { at, .. } => {
                let index = self.index(at);
                if !self.sites[index].alive {
                    return call.failed("connection refused");
                }
                self.infinispan(index, call, now, dice)
            }
            Call::Pause { .. } | Call::Wait { .. } => Event::Passed,
        }
    }
}
