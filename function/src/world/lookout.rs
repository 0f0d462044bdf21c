//! The real lookout: each look asks for what a fence would ask for, and stops before the first write.

use std::io::Write as _;
use std::sync::PoisonError;

use fencing::credentials::ends_a_line;
use fencing::health::{Checkup, Forced, Kept, Probe, Seen};
use fencing::metrics::{self, Measured};
use fencing::register::near::NearMiss;
use fencing::rehearsal::SplitBrain;
use fencing::step::Fault;
use fencing::words::SiteName;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::credentials::Key;
use crate::losses::{Keys, Sizes};
use crate::world::{Cloud, Lookout};

impl Lookout for Cloud {
    async fn look(&self, probe: &Probe) -> Result<Seen, Fault> {
        Ok(match probe {
            // The code that compares callers with these reads them itself; only what they hold matters here.
            Probe::WebhookSecret => self
                .secrets
                .webhook()
                .await
                .map(|secret| Seen::secret(ends_a_line(secret.expose_secret())))?,
            Probe::HealthSecret => {
                let secret = self.secrets.health().await?;
                let key = Key::parse(&secret).map_err(|error| Fault {
                    whom: "the health check's secret".to_owned(),
                    what: error.to_string(),
                })?;
                Seen::secret(key.ends_a_line())
            }
            Probe::InfinispanSecret => self.secrets.infinispan_anew().await?,
            Probe::Accelerator => Seen::Listing(self.accelerator.list().await?),
            Probe::Endpoints => Seen::Endpoints(self.accelerator.read().await?),
            Probe::Infinispan { at, backup } => Seen::Infinispan(self.infinispan.reach(at, backup).await?),
            Probe::Certificate { of } => Seen::Certificate(self.infinispan.first_to_end(of)),
            Probe::Register => Seen::Register(self.register.read().await?),
            Probe::RegisterWrite => self.journal.probe(Timestamp::now()).await.map(|()| Seen::Whole)?,
            Probe::Watchdog { of } => Seen::Watchdog(self.journal.seen(of).await?),
            Probe::Subscriptions => self.notices.subscriptions().await?,
            Probe::LastDrill => Seen::Drilled(self.journal.undrilled_since(Timestamp::now()).await?),
            Probe::LastCheckup => Seen::Checkup(self.journal.kept().await?.checkup.map(Box::new)),
        })
    }

    async fn health_secret(&self) -> Result<SecretString, Fault> {
        self.secrets.health().await
    }

    async fn keep(&self, checkup: &Checkup) -> Result<(), Fault> {
        self.journal.keep(checkup).await
    }

    async fn force(&self, forced: &Forced) -> Result<(), Fault> {
        self.journal.force(forced).await
    }

    async fn measured_by_drill(&self, measured: &SplitBrain) -> Result<(), Fault> {
        self.journal.measured_by_drill(measured).await
    }

    async fn kept(&self) -> Result<Kept, Fault> {
        self.journal.kept().await
    }

    async fn near_miss(&self, site: &SiteName, miss: NearMiss) -> Result<bool, Fault> {
        self.journal.near_miss(site, &miss).await
    }

    async fn sizes(&self, at: &SiteName, backup: &SiteName) -> Result<Sizes, Fault> {
        self.infinispan.sizes(at, backup).await
    }

    async fn keys(&self, at: &SiteName, cache: &str, at_most: u64) -> Result<Keys, Fault> {
        self.infinispan.keys(at, cache, at_most).await
    }

    fn measure(&self, measured: Measured) {
        let mut all = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(measured);
    }

    /// Into the log: CloudWatch makes metrics of such lines.
    fn publish(&self) {
        let measured = std::mem::take(&mut *self.measured.lock().unwrap_or_else(PoisonError::into_inner));
        let lines: String = metrics::lines(&self.topology, Timestamp::now(), &measured)
            .into_iter()
            .map(|line| format!("{line}\n"))
            .collect();
        if lines.is_empty() {
            return;
        }
        if let Err(error) = std::io::stdout().lock().write_all(lines.as_bytes()) {
            tracing::error!(%error, "a metric could not be written");
        }
    }
}
