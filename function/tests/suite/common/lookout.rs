//! The world in memory as a lookout sees it: as it is, or as a test would have it.

use std::future::pending;
use std::time::Duration;

use fencing::accelerator::Reading;
use fencing::health::{Checkup, Forced, Kept, Listing, Probe, Reach, Seen};
use fencing::metrics::Measured;
use fencing::register::near::{NearMiss, NotedMiss};
use fencing::rehearsal::SplitBrain;
use fencing::step::Fault;
use fencing::words::SiteName;
use function::losses::{Keys, Sizes};
use function::world::Lookout;
use secrecy::SecretString;

use super::{Memory, Sight, State};

/// What there is to be seen.
fn sight(state: &State, probe: &Probe) -> Seen {
    let groups = state.groups.clone();
    match probe {
        Probe::WebhookSecret | Probe::HealthSecret | Probe::InfinispanSecret | Probe::RegisterWrite => {
            Seen::Whole
        }
        Probe::Accelerator => Seen::Listing(Listing {
            enabled: true,
            groups,
        }),
        Probe::Endpoints => Seen::Endpoints(Reading {
            groups,
            mark: state.mark.clone(),
            reached: state.reached,
        }),
        Probe::Infinispan { at, .. } => {
            Seen::Infinispan(Reach::Answers(state.backups[at], vec![state.views[at].clone()]))
        }
        Probe::Certificate { .. } => Seen::Certificate(None),
        Probe::Register => Seen::Register(state.record.clone().map(Box::new)),
        Probe::Watchdog { of } => Seen::Watchdog(state.stamped.get(of).copied()),
        Probe::Subscriptions => Seen::Subscriptions {
            confirmed: 1,
            pending: 0,
        },
        Probe::LastDrill => Seen::Drilled(
            state
                .drilled
                .as_ref()
                .map_or(jiff::Timestamp::UNIX_EPOCH, |drilled| drilled.lost_at),
        ),
        Probe::LastCheckup => Seen::Checkup(state.kept.checkup.clone().map(Box::new)),
    }
}

impl Lookout for &Memory {
    async fn look(&self, probe: &Probe) -> Result<Seen, Fault> {
        let uptime = self.uptime();
        let other = self.with(|state| {
            state.looks.push((uptime, probe.clone()));
            let other = state.sights.iter().find(|(sees, _)| sees(probe));
            other.map(|(_, sight)| sight.clone())
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        match other {
            None => Ok(self.with(|state| sight(state, probe))),
            Some(Sight::Of(seen)) => Ok(seen),
            Some(Sight::Fault(what)) => Err(Fault {
                whom: probe.name(),
                what: what.to_owned(),
            }),
            Some(Sight::Hangs) => pending().await,
        }
    }

    async fn health_secret(&self) -> Result<SecretString, Fault> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.with(|state| {
            state.health_secret_reads += 1;
            state.health_secret.clone()
        })
        .map(SecretString::from)
        .map_err(|what| Fault {
            whom: "the health check's secret".to_owned(),
            what,
        })
    }

    async fn keep(&self, checkup: &Checkup) -> Result<(), Fault> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.with(|state| {
            if state.keep_fails {
                return Err(Fault {
                    whom: "the register".to_owned(),
                    what: "out of order".to_owned(),
                });
            }
            state.kept.checkup = Some(checkup.clone());
            Ok(())
        })
    }

    async fn measured_by_drill(&self, measured: &SplitBrain) -> Result<(), Fault> {
        self.with(|state| state.drilled = Some(measured.clone()));
        Ok(())
    }

    async fn force(&self, forced: &Forced) -> Result<(), Fault> {
        self.with(|state| state.kept.forced = Some(forced.clone()));
        Ok(())
    }

    async fn kept(&self) -> Result<Kept, Fault> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok(self.with(|state| state.kept.clone()))
    }

    async fn near_miss(&self, site: &SiteName, miss: NearMiss) -> Result<bool, Fault> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.with(|state| {
            if state.near_fails {
                return Err(Fault {
                    whom: "the register".to_owned(),
                    what: "out of order".to_owned(),
                });
            }
            let kept = state.near.entry(site.clone()).or_default();
            let (noted, is_new) = match kept.noting(miss) {
                NotedMiss::Known => return Ok(false),
                NotedMiss::Mended(noted) => (noted, false),
                NotedMiss::Added(noted) => (noted, true),
            };
            *kept = noted;
            Ok(is_new)
        })
    }

    async fn sizes(&self, at: &SiteName, _: &SiteName) -> Result<Sizes, Fault> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.with(|state| {
            let caches = state.entries.get(at).ok_or_else(|| Fault {
                whom: format!("{at}'s Infinispan"),
                what: "connection refused".to_owned(),
            })?;
            let sizes = caches
                .iter()
                .map(|(cache, keys)| (cache.clone(), (cache != "mute").then_some(keys.len() as u64)));
            Ok(sizes.collect())
        })
    }

    async fn keys(&self, at: &SiteName, cache: &str, at_most: u64) -> Result<Keys, Fault> {
        if self.with(|state| state.keys_hang) {
            return pending().await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        let most = usize::try_from(at_most).unwrap();
        Ok(self.with(|state| state.entries[at][cache].iter().copied().take(most).collect()))
    }

    fn measure(&self, measured: Measured) {
        self.with(|state| state.measured.push(measured));
    }

    fn publish(&self) {
        self.with(|state| {
            let measured = std::mem::take(&mut state.measured);
            if !measured.is_empty() {
                state.published.push(measured);
            }
        });
    }
}
