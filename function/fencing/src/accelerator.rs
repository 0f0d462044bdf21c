//! Readings of the accelerator, and the one outcome that a decision writes into it.
//!
//! ```text
//!   accelerator ─┬─ listener :443 ─┬─ endpoint group eu-west-1 ─ endpoints: balancer of site-a (weight, …)
//!                │                 └─ endpoint group eu-west-2 ─ endpoints: balancer of site-b
//!                └─ listener :8443 …
//! ```
//!
//! There is one endpoint group per Region and listener: two zones of one Region share a group, two Regions
//! have two. So nothing here counts within a group; it counts over a listener.
//!
//! An [`Outcome`] is absolute: for each group the exact list to write. Writing it twice, late, or by two
//! executors gives the same accelerator, which is what makes a decision safe to repeat.

mod drained;
mod places;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::register::Record;
use crate::settings::Settings;
use crate::words::{Epoch, Fenced, Rev, SiteName, Survivor};

use self::drained::Alone;
pub use self::drained::Waiver;
pub use self::places::{Place, remember};

/// Global Accelerator's opinion of an endpoint. Evidence, not truth: on 2025-10-20 it was wrong about
/// balancers on both sides at once. Ordered: a later one is healthier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Health {
    Unhealthy,
    /// Its checks have not ended yet.
    Initial,
    Healthy,
}

impl std::fmt::Display for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unhealthy => "UNHEALTHY",
            Self::Initial => "INITIAL",
            Self::Healthy => "HEALTHY",
        })
    }
}

/// What is configured for one endpoint; what `UpdateEndpointGroup` wants back for those that stay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EndpointConfig {
    pub id: String,
    /// 0 to 255.
    pub weight: Option<i32>,
    /// Whether the client's address is preserved.
    pub client_ip_preservation: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    pub config: EndpointConfig,
    /// Its health; not part of the configuration.
    pub health: Health,
}

/// One endpoint group as read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    /// Its ARN, `…:accelerator/A/listener/L/endpoint-group/G`.
    pub arn: String,
    pub endpoints: Vec<Endpoint>,
    /// Its traffic dial is at 0: administrators drain all that is in it.
    pub closed: bool,
}

impl Group {
    /// Whether it holds exactly the endpoints of `write`, whatever their health, and serves where `write` has to see
    /// to that.
    pub fn agrees_with(&self, write: &GroupOutcome) -> bool {
        self.holds_those_of(write) && self.serves_as(write)
    }

    /// Whether it holds exactly the endpoints of `write`, however they are configured.
    pub(crate) fn holds_those_of(&self, write: &GroupOutcome) -> bool {
        let here: BTreeSet<&str> = self.endpoints.iter().map(|e| e.config.id.as_str()).collect();
        let wanted: BTreeSet<&str> = write.endpoints.iter().map(|e| e.id.as_str()).collect();
        here == wanted
    }
}

/// The accelerator's tag that names its owner. Two deployments that share one each decide by a register of their own,
/// and each decision wins: together they leave no endpoint in it. It is a mark and no lock: the last writer wins, and
/// other tools may strip it.
pub const OWNER_TAG: &str = "sitefence:owner";

/// What the accelerator's tag [`OWNER_TAG`] says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "what")]
pub enum Mark {
    /// There is none.
    #[default]
    Absent,
    Names(String),
    /// It could not be read, for this reason.
    Unread(String),
}

/// What a look at the tag came to, and when that was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Marked {
    /// What it said; never [`Mark::Unread`].
    pub mark: Mark,
    pub at: Timestamp,
}

/// What was seen of the tag counts for this long if it cannot be read now.
const MARK_COUNTS_FOR: SignedDuration = SignedDuration::from_mins(10);

impl Marked {
    /// Whether it still counts. What was seen in the future belongs to a wrong clock, and is as old as it is new.
    pub fn counts_at(&self, now: Timestamp) -> bool {
        now.duration_since(self.at).abs() <= MARK_COUNTS_FOR
    }
}

/// The accelerator's tag that says how far the register had come: a table that is restored from a backup does not know
/// it any more, and would have decisions carried out that are long over. The table cannot remember that for itself.
pub const REACHED_TAG: &str = "sitefence:reached";

/// How far the register had come when this was noted; it never goes back from there by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reached {
    pub epoch: Epoch,
    pub rev: Rev,
}

impl Reached {
    /// How far a record is.
    pub fn of(record: &Record) -> Self {
        Self {
            epoch: record.epoch,
            rev: record.rev,
        }
    }

    /// The tag's value; nothing where somebody else wrote it.
    pub fn read(value: &str) -> Option<Self> {
        let (epoch, rev) = value.split_once('/')?;
        Some(Self {
            epoch: Epoch(epoch.parse().ok()?),
            rev: Rev(rev.parse().ok()?),
        })
    }

    /// Whether a record has come less far: it was restored from a backup, or is another one than the one before. The
    /// epoch counts as well: revisions grow with every hold and with every claim, also those of a register that has gone
    /// back, while an epoch stands for a decision.
    pub fn is_beyond(&self, record: &Record) -> bool {
        self.rev > record.rev || self.epoch > record.epoch
    }
}

/// As the tag spells it.
impl std::fmt::Display for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.epoch, self.rev)
    }
}

/// All groups that can hold a site, read at one time, and with them the accelerator's owner.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Reading {
    /// The groups in the order of the settings.
    pub groups: Vec<Group>,
    pub mark: Mark,
    /// How far the register had come, by its other tag; where that is not there, nobody knows.
    pub reached: Option<Reached>,
}

/// The exact content of one group once a decision is carried out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupOutcome {
    pub arn: String,
    /// What is to be in it; nothing at all where only the fenced site was.
    pub endpoints: Vec<EndpointConfig>,
    /// Balancers to take out by `RemoveEndpoints` instead of writing the list: someone in the list lives in
    /// another account, and its attachment cannot be read back (`EndpointDescription` lacks it).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// The weights in the list are not those that were read: they were 0, and an operator has the site serve again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reweighs: bool,
    /// The traffic dial was at 0, and an operator has it opened.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opens: bool,
}

impl GroupOutcome {
    /// A group of which nothing but the content is decided.
    pub fn holding(arn: impl Into<String>, endpoints: Vec<EndpointConfig>) -> Self {
        Self {
            arn: arn.into(),
            endpoints,
            remove: Vec::new(),
            reweighs: false,
            opens: false,
        }
    }
}

/// What a decision writes: the exact content of every group of every listener that holds either site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Outcome {
    pub groups: Vec<GroupOutcome>,
}

/// How the survivor of a decision stands in the listeners that the decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    /// It is in each of them.
    Everywhere,
    /// Where it is not nobody is: what the decision says of those listeners can be written without taking
    /// anybody out.
    Emptied,
    /// Others are where it is not, or somebody unknown is about.
    Missing,
}

/// Why the accelerator does not allow a decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// An endpoint that belongs to neither site.
    #[error("the accelerator holds `{endpoint}`, which is neither site's balancer")]
    Unknown { endpoint: String },
    #[error("no listener holds either site")]
    Nobody,
    /// The one who would stay is not there.
    #[error("{survivor} is not in the accelerator's listener {listener}")]
    SurvivorAbsent {
        survivor: Survivor,
        /// The listener's last part.
        listener: String,
    },
    /// The one who would stay looks worse.
    #[error("{survivor} is {survivors} in the accelerator while {fenced} is {others}")]
    SurvivorUnhealthy {
        survivor: Survivor,
        survivors: Health,
        fenced: Fenced,
        /// Its best health in the same listener.
        others: Health,
    },
    /// The one who would stay is drained, and the other one is not.
    #[error(
        "{survivor} is drained in the accelerator's listener {listener} (weight or traffic dial 0){}", others(fenced, *alone)
    )]
    SurvivorDrained {
        survivor: Survivor,
        /// The listener's last part.
        listener: String,
        fenced: Fenced,
        /// That one is not there, or not healthy: nobody else is left to serve.
        alone: bool,
    },
    /// Its weight would have to be restored, and it cannot be: its balancer lives in another account.
    #[error("{survivor} is drained in the accelerator, and its balancer belongs to another account")]
    DrainedElsewhere { survivor: Survivor },
    /// It is not known where a site belongs.
    #[error("the record does not say where {site} belongs in the accelerator")]
    NoPlace { site: SiteName },
}

/// The listener's ARN within an endpoint group's.
pub fn listener_of(group_arn: &str) -> &str {
    group_arn
        .split_once("/endpoint-group/")
        .map_or(group_arn, |(listener, _)| listener)
}

fn others(fenced: &Fenced, alone: bool) -> String {
    if alone {
        format!(", and {fenced} is not there or not healthy: an operator's `fence` of {fenced} restores both")
    } else {
        format!(", and {fenced} is not")
    }
}

fn short(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}

fn account_of(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

impl Reading {
    /// Whether every group of `outcome` was read and holds exactly what it should.
    pub fn agrees_with(&self, outcome: &Outcome) -> bool {
        outcome.groups.iter().all(|write| {
            self.groups
                .iter()
                .any(|group| group.arn == write.arn && group.agrees_with(write))
        })
    }

    /// Whether the accelerator holds exactly what a decision says: its groups as they should be, and the
    /// fenced site nowhere else either. A listener that was empty at the decision is in no outcome, and a
    /// site put there serves all the same.
    pub fn holds_exactly(&self, settings: &Settings, outcome: &Outcome, fenced: &Fenced) -> bool {
        self.agrees_with(outcome) && !self.holds(settings, &fenced.0)
    }

    /// Whether a site is in the accelerator and nobody else.
    fn holds_only(&self, settings: &Settings, site: &SiteName) -> bool {
        let mut endpoints = self.groups.iter().flat_map(|group| &group.endpoints).peekable();
        endpoints.peek().is_some()
            && endpoints.all(|endpoint| settings.site_of_balancer(&endpoint.config.id) == Some(site))
    }

    /// How a site stands in the listeners that a decision is about.
    pub fn standing(&self, settings: &Settings, outcome: &Outcome, site: &SiteName) -> Presence {
        let listeners: BTreeSet<&str> = outcome.listeners().collect();
        let mut standing = Presence::Everywhere;
        for listener in listeners {
            let groups: Vec<&Group> = self
                .groups
                .iter()
                .filter(|group| listener_of(&group.arn) == listener)
                .collect();
            let mut endpoints = groups.iter().flat_map(|group| &group.endpoints).peekable();
            let is_empty = endpoints.peek().is_none();
            let is_in = endpoints.any(|end| settings.site_of_balancer(&end.config.id) == Some(site));
            // A listener of which nothing was read has gone: there is nothing to write to.
            if is_in || groups.is_empty() {
                continue;
            }
            if !is_empty {
                return Presence::Missing;
            }
            standing = Presence::Emptied;
        }
        match (standing, self.stranger(settings)) {
            (Presence::Emptied, Some(_)) => Presence::Missing,
            (standing, _) => standing,
        }
    }

    /// Whether the accelerator serves a site alone: it is in each listener that a decision is about, and nobody
    /// else is anywhere.
    pub fn serves_alone(&self, settings: &Settings, outcome: &Outcome, site: &SiteName) -> bool {
        self.holds_only(settings, site) && self.standing(settings, outcome, site) == Presence::Everywhere
    }

    /// Whether writing `outcome` would take a site out of every group it is in.
    pub fn reaches(&self, settings: &Settings, outcome: &Outcome, site: &SiteName) -> bool {
        let holds = |group: &&Group| {
            group
                .endpoints
                .iter()
                .any(|e| settings.site_of_balancer(&e.config.id) == Some(site))
        };
        self.groups
            .iter()
            .filter(holds)
            .all(|group| outcome.covers(&group.arn))
    }

    /// An endpoint that belongs to neither site, if there is one.
    pub fn stranger(&self, settings: &Settings) -> Option<&EndpointConfig> {
        self.groups
            .iter()
            .flat_map(|group| &group.endpoints)
            .map(|endpoint| &endpoint.config)
            .find(|config| settings.site_of_balancer(&config.id).is_none())
    }

    /// The same reading with newer ones of some groups put in.
    #[must_use]
    pub fn updated(mut self, newer: Vec<Group>) -> Self {
        for group in newer {
            match self.groups.iter_mut().find(|old| old.arn == group.arn) {
                Some(old) => *old = group,
                None => self.groups.push(group),
            }
        }
        self
    }

    /// Whether a site is in any listener.
    pub fn holds(&self, settings: &Settings, site: &SiteName) -> bool {
        self.endpoints_of(settings, site).next().is_some()
    }

    /// Whether a site is in, and is nowhere said to be unhealthy. What is not known yet is no sign of death.
    pub fn shows_alive(&self, settings: &Settings, site: &SiteName) -> bool {
        let worst = self
            .endpoints_of(settings, site)
            .map(|endpoint| endpoint.health)
            .min();
        worst.is_some_and(|worst| worst != Health::Unhealthy)
    }

    /// Where each site's balancers are now, with their configuration.
    pub fn places(&self, settings: &Settings) -> Vec<Place> {
        let mut places: Vec<Place> = self
            .groups
            .iter()
            .flat_map(|group| group.endpoints.iter().map(move |endpoint| (group, endpoint)))
            .filter_map(|(group, endpoint)| {
                let site = settings.site_of_balancer(&endpoint.config.id)?.clone();
                Some(Place {
                    site,
                    group_arn: group.arn.clone(),
                    config: endpoint.config.clone(),
                })
            })
            .collect();
        places.sort();
        places
    }

    /// The absolute outcome that keeps `survivor` and takes `fenced` out, or why there is none.
    ///
    /// The survivor must be in every listener that holds either site, its health not worse than the other's there, not
    /// drained where the other is not, and nobody unknown may be around. A suspect that is already out is fine:
    /// someone may have taken it out by hand, and replication still has to be cut.
    ///
    /// An operator's `waiver` lets a drained one survive anyway, and has its weight and the dial restored.
    pub fn outcome(
        &self,
        settings: &Settings,
        survivor: &Survivor,
        fenced: &Fenced,
        waiver: Option<Waiver<'_>>,
    ) -> Result<Outcome, Unfit> {
        let mut listeners: BTreeMap<&str, Vec<&Group>> = BTreeMap::new();
        if let Some(stranger) = self.stranger(settings) {
            return Err(Unfit::Unknown {
                endpoint: stranger.id.clone(),
            });
        }
        for group in &self.groups {
            listeners.entry(listener_of(&group.arn)).or_default().push(group);
        }
        let mut outcome = Outcome::default();
        for (listener, groups) in listeners {
            let health = |site: &SiteName| {
                groups
                    .iter()
                    .flat_map(|group| &group.endpoints)
                    .filter(|e| settings.site_of_balancer(&e.config.id) == Some(site))
                    .map(|e| e.health)
                    .collect::<Vec<_>>()
            };
            let (survivors, others) = (health(&survivor.0), health(&fenced.0));
            let (Some(survivors), others) = (survivors.into_iter().min(), others.into_iter().max()) else {
                if groups.iter().all(|group| group.endpoints.is_empty()) {
                    continue;
                }
                return Err(Unfit::SurvivorAbsent {
                    survivor: survivor.clone(),
                    listener: short(listener),
                });
            };
            if let Some(others) = others.filter(|others| *others > survivors) {
                return Err(Unfit::SurvivorUnhealthy {
                    survivor: survivor.clone(),
                    survivors,
                    fenced: fenced.clone(),
                    others,
                });
            }
            let drained = drained::survivor(settings, &groups, survivor, fenced);
            let writes = groups.iter().map(|group| keep(settings, group, &survivor.0));
            match (drained, waiver) {
                (None, _) => outcome.groups.extend(writes),
                (Some(Alone(alone)), None) => {
                    return Err(Unfit::SurvivorDrained {
                        survivor: survivor.clone(),
                        listener: short(listener),
                        fenced: fenced.clone(),
                        alone,
                    });
                }
                (Some(_), Some(waiver)) => {
                    for (write, group) in writes.zip(&groups) {
                        outcome
                            .groups
                            .push(waiver.restored(settings, write, group, survivor)?);
                    }
                }
            }
        }
        if outcome.groups.is_empty() {
            Err(Unfit::Nobody)
        } else {
            Ok(outcome)
        }
    }

    fn endpoints_of<'a>(
        &'a self,
        settings: &'a Settings,
        site: &'a SiteName,
    ) -> impl Iterator<Item = &'a Endpoint> {
        self.groups
            .iter()
            .flat_map(|group| &group.endpoints)
            .filter(move |endpoint| settings.site_of_balancer(&endpoint.config.id) == Some(site))
    }
}

fn keep(settings: &Settings, group: &Group, survivor: &SiteName) -> GroupOutcome {
    let (kept, removed): (Vec<&Endpoint>, Vec<&Endpoint>) = group
        .endpoints
        .iter()
        .partition(|endpoint| settings.site_of_balancer(&endpoint.config.id) == Some(survivor));
    let own = account_of(&settings.found.accelerator_arn);
    let foreign = kept.iter().any(|endpoint| account_of(&endpoint.config.id) != own);
    let remove = if foreign {
        removed.iter().map(|e| e.config.id.clone()).collect()
    } else {
        Vec::new()
    };
    let mut endpoints: Vec<EndpointConfig> = kept.into_iter().map(|e| e.config.clone()).collect();
    endpoints.sort();
    GroupOutcome {
        remove,
        ..GroupOutcome::holding(group.arn.clone(), endpoints)
    }
}

#[cfg(test)]
mod tests;
