//! What a deep check sees of a history: the truth, since looks neither fail nor lag here, except at a site that is dead
//! and at a register that is away. That they change nothing is shown by there being nothing they could change. What it
//! keeps is there for the next one, if the register takes it, and what it measures the watcher hears, as alarms would.

use std::time::Duration;

use fencing::health::{Checkup, Forced, Kept, Listing, Probe, Reach, Seen};
use fencing::metrics::{Measured, Metric};
use fencing::register::near::{NearMiss, NotedMiss};
use fencing::rehearsal::SplitBrain;
use fencing::step::Fault;
use fencing::words::SiteName;
use function::losses::{Keys, Sizes};
use function::world::Lookout;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::fleet::Outside;
use crate::reality::Whose;

/// A look takes this long.
const LOOK: Duration = Duration::from_millis(20);

/// Whether a look goes to the register's table.
fn is_of_the_register(probe: &Probe) -> bool {
    matches!(
        probe,
        Probe::Register
            | Probe::RegisterWrite
            | Probe::LastCheckup
            | Probe::LastDrill
            | Probe::Watchdog { .. }
    )
}

impl Lookout for Outside {
    async fn look(&self, probe: &Probe) -> Result<Seen, Fault> {
        self.sim().sleep(LOOK).await;
        let mut core = self.sim().core();
        if let Probe::Infinispan { at, .. } = probe {
            let reality = &mut core.reality;
            let index = reality.index(at);
            let (instance, joined) = reality.instance(index);
            if joined && reality.sees_other(index) {
                reality.witnesses.insert(instance);
            }
        }
        let reality = &core.reality;
        if is_of_the_register(probe) {
            reality.table(self.whose())?;
        }
        Ok(match probe {
            Probe::WebhookSecret | Probe::HealthSecret | Probe::InfinispanSecret | Probe::RegisterWrite => {
                Seen::Whole
            }
            Probe::Accelerator => Seen::Listing(Listing {
                enabled: true,
                groups: reality.groups.clone(),
            }),
            Probe::Endpoints => Seen::Endpoints(fencing::accelerator::Reading {
                groups: reality.groups.clone(),
                mark: reality.mark.clone(),
                reached: reality.reached,
            }),
            Probe::Infinispan { at, .. } => {
                let index = reality.index(at);
                if !reality.sites[index].alive {
                    return Err(Fault {
                        whom: format!("{at}'s Infinispan"),
                        what: "connection refused".to_owned(),
                    });
                }
                Seen::Infinispan(Reach::Answers(reality.backup(index), reality.views(index)))
            }
            Probe::Certificate { .. } => Seen::Certificate(None),
            // What the other topology's register says is for nobody here to judge.
            Probe::Register => Seen::Register(reality.record.clone().map(Box::new)),
            Probe::Watchdog { .. } => Seen::Watchdog(None),
            Probe::Subscriptions => Seen::Subscriptions {
                confirmed: 1,
                pending: 0,
            },
            // Nobody drills here.
            Probe::LastDrill => Seen::Drilled(Timestamp::UNIX_EPOCH),
            Probe::LastCheckup => Seen::Checkup(reality.checkup(self.whose()).cloned().map(Box::new)),
        })
    }

    async fn health_secret(&self) -> Result<SecretString, Fault> {
        self.sim().sleep(LOOK).await;
        Ok("a-long-secret-in-a-path-0123456789".to_owned().into())
    }

    async fn keep(&self, checkup: &Checkup) -> Result<(), Fault> {
        self.sim().sleep(LOOK).await;
        let mut core = self.sim().core();
        core.reality.table(self.whose())?;
        core.reality.keep(self.whose(), checkup.clone());
        Ok(())
    }

    async fn measured_by_drill(&self, _: &SplitBrain) -> Result<(), Fault> {
        Ok(())
    }

    async fn force(&self, _: &Forced) -> Result<(), Fault> {
        Ok(())
    }

    async fn kept(&self) -> Result<Kept, Fault> {
        self.sim().sleep(LOOK).await;
        Ok(Kept::default())
    }

    async fn near_miss(&self, site: &SiteName, miss: NearMiss) -> Result<bool, Fault> {
        self.sim().sleep(LOOK).await;
        let mut core = self.sim().core();
        let index = core.reality.index(site);
        let (noted, is_new) = match core.near[index].noting(miss) {
            NotedMiss::Known => return Ok(false),
            NotedMiss::Mended(noted) => (noted, false),
            NotedMiss::Added(noted) => (noted, true),
        };
        core.near[index] = noted;
        core.watcher.counts.near_misses += u64::from(is_new);
        Ok(is_new)
    }

    async fn sizes(&self, _: &SiteName, _: &SiteName) -> Result<Sizes, Fault> {
        Ok(Sizes::new())
    }

    async fn keys(&self, _: &SiteName, _: &str, _: u64) -> Result<Keys, Fault> {
        Ok(Keys::new())
    }

    fn measure(&self, measured: Measured) {
        if self.whose() == Whose::Others {
            return;
        }
        let now = self.sim().clock.now();
        if measured.metric == Metric::DeepCheckFailures && measured.value > 0 {
            self.sim().core().watcher.check_fails(now);
        }
        if measured.metric == Metric::Unfenced {
            self.sim()
                .note(|| format!("       unfenced for {} s: {:?}", measured.value, measured.reason));
            let mut core = self.sim().core();
            let core = &mut *core;
            core.watcher.cries(measured.value, now, &core.reality);
        }
    }

    fn publish(&self) {}
}
