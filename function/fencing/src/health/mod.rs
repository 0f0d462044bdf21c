//! Watching the watchman: is everything in order that a fence would need?
//!
//! A fencer is used once a year, and one that broke silently last month is worse than none. So every minute
//! the schedule looks at all of it, the *deep check*, and keeps what it found; `GET /health/<secret>` shows
//! that to callers from outside.
//!
//! ```text
//!   probes ─▶ the world, side by side ─▶ looks ─▶ judge ─▶ Checkup ─┬─▶ the register's item deep#<region>
//!                                                                   ├─▶ metrics, over which alarms wake people
//!                                          GET /health ─▶ answer ◀──┘   FENCER-OK …, or 503 and the names
//! ```
//!
//! A look changes nothing of what it looks at: it asks for what a fence would ask for, with the same rights,
//! and stops before the first write. Only the register is also written to, in an item that nobody else reads.
//!
//! One site that cannot be reached is what this product is made for, so it does not make the fencer sick:
//! the answer stays OK and names the site. Both of them are another matter.

mod answer;
mod judge;
mod measure;

pub use answer::{Depth, Told, answer, depth};
pub use judge::{judge, leads_elsewhere};
pub use measure::{STEADY, measured};

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::accelerator::{Group, Marked, Reading};
use crate::register::{Record, State};
use crate::rehearsal::SplitBrain;
use crate::replication::{Backup, Sight, View};
use crate::settings::Settings;
use crate::step::Fault;
use crate::words::{Epoch, SiteName};

/// What the answer begins with while a site could be fenced. Route 53 looks for it.
pub const OK: &str = "FENCER-OK";
/// What it begins with otherwise.
pub const FAILED: &str = "FENCER-FAILED";

/// The longest that one look of the deep check may take. An Infinispan that needs more would make a fence late, too.
pub const LOOK_WITHIN_SECONDS: u32 = 4;

/// A result that is older is none: the schedule comes every minute, so at least two of its runs are missing.
pub const STALE_AFTER_SECONDS: u32 = 180;
/// A decision takes seconds, and the schedule finishes within a minute what a crash left open.
pub const STUCK_AFTER_SECONDS: u32 = 120;
/// A rejoin that nobody goes on with for so long was given up: no step takes that, but for a push of very much state.
pub const REJOIN_ABANDONED_AFTER_SECONDS: u32 = 3600;
/// Where connections are spread by chance, ten of them in a row can miss the one relay node of several; not each
/// minute of so many.
pub const BLIND_AFTER_SECONDS: u32 = 300;
/// Relay nodes notice a lost site, or its return, within a minute of each other; a difference that lasts is a fault
/// of the network between them.
pub const DIVIDED_AFTER_SECONDS: u32 = 120;
/// The watchdog comes once a minute, or every ninety seconds where Alertmanager's clocks fall badly; so three
/// minutes without one are at least two that failed to come.
pub const WATCHDOG_SILENT_AFTER_SECONDS: u32 = 180;
/// A loss that the check has seen for so long is not fenced in time: that takes less than the minute between two checks.
pub const UNFENCED_AFTER_SECONDS: u32 = 45;
/// A certificate that expires so soon is reported; renewing one takes people some days.
pub const ENDING_WARNS_DAYS: u32 = 30;
/// One that ends so soon was forgotten.
pub const ENDING_FAILS_DAYS: u32 = 7;
/// The longest that a rehearsal makes the answer fail.
pub const FORCED_AT_MOST_SECONDS: u32 = 3600;

/// One thing to look at. The comment names what is [`Seen`] there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Probe {
    /// The webhook's secret, which must be usable. [`Seen::Whole`], [`Seen::EndsALine`]
    WebhookSecret,
    /// The secret in the path of the health check, likewise. [`Seen::Whole`], [`Seen::EndsALine`]
    HealthSecret,
    /// Infinispan's secret as it is stored now, likewise. [`Seen::Whole`], [`Seen::EndsALine`]
    InfinispanSecret,
    /// The accelerator, its listeners and their endpoint groups, as they are found from the top.
    /// [`Seen::Listing`]
    Accelerator,
    /// The endpoint groups of the settings, read as a fence reads them. [`Seen::Endpoints`]
    Endpoints,
    /// Whether a site's Infinispan would do what a fence asks: over TLS, with our credentials, by a call that needs
    /// ADMIN. A fault is silence; a wrong answer is a [`Reach`]. [`Seen::Infinispan`]
    Infinispan {
        at: SiteName,
        /// Of its replication to which site.
        backup: SiteName,
    },
    /// What a site's Infinispan has shown of its certificates in handshakes so far. [`Seen::Certificate`]
    Certificate { of: SiteName },
    /// The record, strongly consistent. [`Seen::Register`]
    Register,
    /// A conditional write into an item of the probe's own. [`Seen::Whole`]
    RegisterWrite,
    /// When a site's watchdog alert came through last. [`Seen::Watchdog`]
    Watchdog { of: SiteName },
    /// Who wants to be notified. [`Seen::Subscriptions`]
    Subscriptions,
    /// What the deep check before this one kept. [`Seen::Checkup`]
    LastCheckup,
    /// When the link was last cut for a drill. [`Seen::Drilled`]
    LastDrill,
}

impl Probe {
    /// What the check is called, in answers and in the log.
    pub fn name(&self) -> String {
        match self {
            Self::WebhookSecret => "webhook-secret".to_owned(),
            Self::HealthSecret => "health-secret".to_owned(),
            Self::InfinispanSecret => "infinispan-secret".to_owned(),
            Self::Accelerator => "accelerator".to_owned(),
            Self::Endpoints => "endpoints".to_owned(),
            Self::Infinispan { at, .. } => format!("infinispan:{at}"),
            Self::Certificate { of } => format!("certificate:{of}"),
            Self::Register => "register".to_owned(),
            Self::RegisterWrite => "register-write".to_owned(),
            Self::Watchdog { of } => format!("watchdog:{of}"),
            Self::Subscriptions => "notifications".to_owned(),
            Self::LastCheckup => "last-checkup".to_owned(),
            Self::LastDrill => "last-drill".to_owned(),
        }
    }
}

/// Everything a deep check looks at, except the secrets that callers present: the handler holds and compares
/// with them, and so reads them itself.
pub fn probes(settings: &Settings) -> Vec<Probe> {
    let [a, b] = settings.sites.each_ref().map(|site| &site.name);
    let mut probes = vec![
        Probe::InfinispanSecret,
        Probe::Accelerator,
        Probe::Endpoints,
        Probe::Register,
        Probe::RegisterWrite,
        Probe::LastCheckup,
        Probe::LastDrill,
    ];
    for (at, backup) in [(a, b), (b, a)] {
        probes.push(Probe::Infinispan {
            at: at.clone(),
            backup: backup.clone(),
        });
        probes.push(Probe::Certificate { of: at.clone() });
        probes.push(Probe::Watchdog { of: at.clone() });
    }
    if !settings.found.topic_arn.is_empty() {
        probes.push(Probe::Subscriptions);
    }
    probes
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Seen {
    /// It is as it should be.
    Whole,
    /// A secret that can be used, and that ends with the end of a line.
    EndsALine,
    /// The accelerator, found from the top.
    Listing(Listing),
    /// The endpoint groups of the settings.
    Endpoints(Reading),
    Infinispan(Reach),
    /// Which certificate ends first, if any was shown.
    Certificate(Option<Ending>),
    /// The record; `None` where there is no item.
    Register(Option<Box<Record>>),
    /// When it came last, if ever.
    Watchdog(Option<Timestamp>),
    /// How many have confirmed that they want to be notified, and how many have not yet.
    Subscriptions {
        confirmed: u32,
        pending: u32,
    },
    /// What was kept, if anything.
    Checkup(Option<Box<Checkup>>),
    /// When that was; where it never was, since when it is looked for.
    Drilled(Timestamp),
}

impl Seen {
    /// A secret that can be used.
    pub fn secret(ends_a_line: bool) -> Self {
        if ends_a_line { Self::EndsALine } else { Self::Whole }
    }
}

/// The accelerator as found from the top.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listing {
    /// Whether it is switched on.
    pub enabled: bool,
    /// Every endpoint group of every listener.
    pub groups: Vec<Group>,
}

/// When a certificate ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ending {
    pub subject: String,
    /// Whether it is an authority's.
    pub is_authority: bool,
    /// From then on nobody trusts it.
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reach {
    /// As a fence needs it, with what its replication to the other site is, and what those of its nodes that were
    /// asked said about sites in view.
    Answers(Backup, Vec<View>),
    /// The same, and these of its caches are offline while others are online.
    Mixed(Vec<String>, Vec<View>),
    /// In a way that no fence could work with.
    Refuses(Refusal, String),
}

/// Why an Infinispan that answers is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It cannot prove to be who it is meant to be.
    Certificate,
    /// It does not accept user and password.
    Credentials,
    Rights,
    /// It knows no such site.
    Site,
    /// It cannot even be asked, or answers something that nobody understands.
    Other,
}

/// One probe and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Look {
    pub probe: Probe,
    pub took_ms: u32,
    pub seen: Result<Seen, Fault>,
}

/// How bad it is. Ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// In order.
    Fine,
    /// A site can be fenced all the same.
    Warns,
    /// A site could perhaps not be fenced now.
    Fails,
}

/// One part of a deep check.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub level: Level,
    /// How long it took; 0 for what was concluded from other looks.
    pub took_ms: u32,
    /// What was found, in one sentence.
    pub found: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What a deep check came to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Checkup {
    pub at: Timestamp,
    /// The register's epoch, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Sites whose Infinispan gave no answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreachable: Vec<SiteName>,
    /// What each site that answers shows of the other.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sights: BTreeMap<SiteName, Sight>,
    /// Of each site the primary relay node that has last been seen with the other site in view.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub witnesses: BTreeMap<SiteName, RelayWitness>,
    /// Sites whose primary relay node was not met, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blind_since: BTreeMap<SiteName, Timestamp>,
    /// Sites whose relay nodes contradict each other about the other site, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub divided_since: BTreeMap<SiteName, Timestamp>,
    /// A loss of which no decision comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfenced: Option<Unfenced>,
    /// Since when a decision is not carried out completely, as far as the deep checks have seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished_since: Option<Timestamp>,
    /// For how long an operator's hold has lasted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_seconds: Option<u64>,
    /// How much longer than intended it has lasted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_overdue_seconds: Option<u64>,
    /// Since when no drill has cut the link, as far as that could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undrilled_since: Option<Timestamp>,
    /// What the accelerator's tag said when it was last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marked: Option<Marked>,
    /// That is not this deployment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_ours: bool,
    /// Which version of the function that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What the function could not do last, whenever that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
    /// Its parts, each by itself.
    pub checks: Vec<Check>,
}

/// A node that has seen the other site, and so can lose it. One that has just become its site's relay node has not
/// joined the bridge yet, and shows no other site either.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RelayWitness {
    /// Its name in its cluster.
    pub node: String,
    /// How many relay nodes its site had then, itself included.
    pub relays: u32,
    /// When that was, by the function's clock.
    pub at: Timestamp,
}

impl RelayWitness {
    /// Whether it is not too long ago to say something: as long as a result of the check counts.
    pub fn counts_at(&self, now: Timestamp) -> bool {
        let ago = now.duration_since(self.at);
        !ago.is_negative() && ago <= SignedDuration::from_secs(STALE_AFTER_SECONDS.into())
    }
}

/// That the function could not do what it was to do, because something else failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LastFailure {
    /// When.
    pub at: Timestamp,
    /// What it answered.
    pub sentence: String,
}

impl Checkup {
    /// The parts of one level.
    pub fn at_level(&self, level: Level) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |check| check.level == level)
    }
}

/// That a site does not see the other one, and nobody is fenced.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Unfenced {
    /// Who does not see the other one, and could survive soonest.
    pub site: SiteName,
    /// Since when, as far as the deep checks have seen.
    pub since: Timestamp,
    /// What keeps a report of it from leading to a decision.
    pub reason: Reason,
    /// A hold is on that was meant to last until later: people know.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub planned: bool,
}

/// Why a loss is not fenced. Ordered by how much would have to happen: of two sites that could survive, the one with
/// less in its way tells why neither does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nothing forbids a decision, and no report has led to one.
    NoReport,
    /// The survivor's relay nodes disagree.
    Divided,
    /// The quiet time after a recovery is not over.
    Cooldown,
    /// What a decision would look at cannot be read.
    Dependency,
    /// The accelerator names another deployment as its owner.
    NotOurs,
    /// The register has gone back: its table was restored from a backup.
    GoneBack,
    /// The one who would survive is not fit to.
    Unfit,
    /// The one who would survive is never to be left alone.
    NeverSurvivor,
    /// The one who missed the other does not answer any more.
    Unheard,
    /// The function only observes.
    Observe,
    Hold,
}

impl Reason {
    /// As metrics and answers name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoReport => "no-report",
            Self::Divided => "divided",
            Self::Cooldown => "cooldown",
            Self::Dependency => "dependency",
            Self::NotOurs => "not-ours",
            Self::GoneBack => "gone-back",
            Self::Unfit => "unfit",
            Self::NeverSurvivor => "never-survivor",
            Self::Unheard => "unheard",
            Self::Observe => "observe",
            Self::Hold => "hold",
        }
    }
}

/// A failure that a rehearsal asked for. It ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Forced {
    pub by: String,
    pub until: Timestamp,
}

/// What is kept between two invocations, of one Region's function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Kept {
    /// What the last deep check came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkup: Option<Checkup>,
    /// The failure that a rehearsal asked for last, over or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<Forced>,
}

/// What operators ask for to rehearse. It fences nobody and touches nothing but what is kept beside the register.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "task")]
pub enum Drill {
    /// Let health checks be answered with a failure for a while, to see whether people hear of it.
    FailHealth {
        by: String,
        /// For how long, [`FORCED_AT_MOST_SECONDS`] at most; 0 ends an earlier one.
        seconds: u32,
    },
    /// Keep what a drill measured, for everybody to read.
    Keep { measured: Box<SplitBrain> },
}

impl Forced {
    /// From now on, for so long.
    pub fn lasting(by: &str, seconds: u32, now: Timestamp) -> Self {
        let seconds = seconds.min(FORCED_AT_MOST_SECONDS);
        // In whole seconds, for the sentences' sake. Beyond the calendar's end nothing is rehearsed.
        let until = now.as_second().checked_add(seconds.into());
        Self {
            by: by.to_owned(),
            until: until
                .and_then(|until| Timestamp::from_second(until).ok())
                .unwrap_or(now),
        }
    }
}

/// How many whole seconds lie between two times; none if the second is not the later one.
fn seconds_from(earlier: Timestamp, later: Timestamp) -> u64 {
    u64::try_from(later.duration_since(earlier).as_secs()).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod samples;
