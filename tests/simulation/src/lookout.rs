//! What a deep check sees of a history: the truth, since looks neither fail nor lag here. That they change
//! nothing is shown by there being nothing they could change.

use std::time::Duration;

use fencing::health::{Checkup, Forced, Kept, Listing, Probe, Reach, Seen};
use fencing::metrics::Measured;
use fencing::step::Fault;
use function::world::Lookout;
use secrecy::SecretString;

use crate::fleet::Outside;

/// A look takes this long.
const LOOK: Duration = Duration::from_millis(20);

impl Lookout for Outside {
    async fn look(&self, probe: &Probe) -> Result<Seen, Fault> {
        self.sim().sleep(LOOK).await;
        let core = self.sim().core();
        let reality = &core.reality;
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
            // What the other topology's register says is for nobody here to judge.
            Probe::Register => Seen::Register(reality.record.clone().map(Box::new)),
            Probe::Watchdog { .. } => Seen::Watchdog(None),
            Probe::Subscriptions => Seen::Subscriptions {
                confirmed: 1,
                pending: 0,
            },
            Probe::LastCheckup => Seen::Checkup(reality.checkup(self.whose()).cloned().map(Box::new)),
        })
    }

    async fn health_secret(&self) -> Result<SecretString, Fault> {
        self.sim().sleep(LOOK).await;
        Ok("a-long-secret-in-a-path-0123456789".to_owned().into())
    }

    async fn keep(&self, checkup: &Checkup) -> Result<(), Fault> {
        self.sim().sleep(LOOK).await;
        self.sim().core().reality.keep(self.whose(), checkup.clone());
        Ok(())
    }

    async fn force(&self, _: &Forced) -> Result<(), Fault> {
        Ok(())
    }

    async fn kept(&self) -> Result<Kept, Fault> {
        self.sim().sleep(LOOK).await;
        Ok(Kept::default())
    }

    fn measure(&self, _: Measured) {}

    fn publish(&self) {}
}
