//! Scales something in a site's cluster to none and back, and waits until its pods are gone or ready.
//!
//! The former count is remembered in an annotation of the very object that is scaled, in the same write: so the next
//! command, on whatever machine, finds it, and no crash can come between the two.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::failure::KEYCLOAK_SLOW;
use super::{Failure, Session};
use crate::observed::workload::Workload;
use crate::topology::{Platform, Site};
use crate::world::kubernetes::{Cluster, Guarded, Target};

/// How often pods are counted while they go or come.
const LOOK_EVERY: Duration = Duration::from_secs(2);
pub(super) const UNTIL_GONE: &str = "until none is left";
/// How often a write is tried that somebody else was faster than.
const ATTEMPTS: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalable {
    Keycloak,
    /// The Infinispan operator, which would put the gossip router back.
    Operator,
    /// The gossip router, over which the sites see each other.
    Router,
}

/// Whether waiting ends when somebody wants to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    Interruptible,
    /// What was taken down has to come up again first.
    ToTheEnd,
}

impl Patience {
    pub(super) async fn pause(self, session: &Session, duration: Duration) -> Result<(), Failure> {
        match self {
            Self::Interruptible => session.interrupt.pause(duration).await,
            Self::ToTheEnd => {
                tokio::time::sleep(duration).await;
                Ok(())
            }
        }
    }
}

/// One of them, in its cluster.
#[derive(Debug, Clone)]
pub struct Scaled {
    cluster: Cluster,
    site: Site,
    part: Scalable,
}

impl Scaled {
    pub(super) fn new(cluster: Cluster, site: &Site, part: Scalable) -> Self {
        Self {
            cluster,
            site: site.clone(),
            part,
        }
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(super) fn what(&self) -> String {
        let what = match self.part {
            Scalable::Keycloak => "Keycloak",
            Scalable::Operator => "the Infinispan operator",
            Scalable::Router => "the gossip router",
        };
        format!("{what} of {}", self.site.name)
    }

    fn name(&self) -> &str {
        match self.part {
            Scalable::Keycloak => self.site.keycloak.name.as_str(),
            Scalable::Operator => self.site.operator.deployment.as_str(),
            Scalable::Router => self.site.router.deployment.as_str(),
        }
    }

    fn namespace(&self) -> String {
        let (stated, usual) = match self.part {
            Scalable::Keycloak => (&self.site.keycloak.namespace, self.site.namespace.as_str()),
            Scalable::Router => (&self.site.router.namespace, self.site.namespace.as_str()),
            Scalable::Operator => (
                &self.site.operator.namespace,
                match self.site.platform {
                    Platform::Openshift => "openshift-operators",
                    Platform::Kubernetes => "operators",
                },
            ),
        };
        stated
            .as_ref()
            .map_or_else(|| usual.to_owned(), ToString::to_string)
    }

    /// It, where there has to be one.
    pub(super) async fn find(&self) -> Result<Workload, Failure> {
        let namespace = self.namespace();
        let found = match self.part {
            Scalable::Keycloak => self.cluster.keycloak(&self.site).await?,
            Scalable::Operator | Scalable::Router => self.cluster.deployment(&namespace, self.name()).await?,
        };
        let (site, name) = (self.site.name.clone(), self.name().to_owned());
        found.ok_or(match self.part {
            Scalable::Keycloak => Failure::NoKeycloak {
                site,
                name,
                namespace,
            },
            Scalable::Operator | Scalable::Router => Failure::NoDeployment {
                site,
                what: match self.part {
                    Scalable::Operator => "the Infinispan operator",
                    _ => "the gossip router",
                },
                name,
                namespace,
            },
        })
    }

    async fn write(&self, change: impl Fn(&Workload) -> Value) -> Result<(), Failure> {
        for _ in 0..ATTEMPTS {
            let found = self.find().await?;
            let changed = change(&found);
            if changed == found.object {
                return Ok(());
            }
            let target = Target {
                resource: found.resource,
                namespace: &found.namespace,
                name: self.name(),
            };
            if self.cluster.replace(target, &changed, false).await? == Guarded::Done {
                return Ok(());
            }
        }
        Err(Failure::Overtaken)
    }

    /// Asks for none, and remembers how many there were.
    pub(super) async fn stop(&self) -> Result<(), Failure> {
        self.write(Workload::stopped).await
    }

    /// Asks for as many as there were, and says how many that is.
    pub(super) async fn start(&self) -> Result<usize, Failure> {
        // Read before the annotation goes with the write.
        let (_, wanted) = self.find().await?.started();
        self.write(|found| found.started().0).await?;
        // The count is theirs again: the next one to apply it meets no conflict with us.
        self.write(Workload::given_back).await?;
        Ok(usize::try_from(wanted).unwrap_or(usize::MAX))
    }

    /// It, or what is left of it where somebody has deleted it.
    pub(super) async fn find_or_left(&self) -> Result<Workload, Failure> {
        match self.find().await {
            Err(Failure::NoKeycloak { .. }) => Ok(self.cluster.left_of_keycloak(&self.site).await?),
            found => found,
        }
    }

    /// How many pods there are, and what is waited for.
    pub(super) fn counted(&self, found: &Workload, until: &str) -> String {
        let state = found.state();
        format!(
            "{} has {} pods, {} ready; waiting {until}",
            self.what(),
            state.pods,
            state.ready
        )
    }

    /// Returns when no pod is left.
    pub(super) async fn gone(
        &self,
        session: &Session,
        patience: Patience,
        within: Duration,
    ) -> Result<(), Failure> {
        self.wait(session, patience, within, UNTIL_GONE, async || {
            let found = self.find().await?;
            Ok((!found.pods.is_empty()).then(|| self.counted(&found, UNTIL_GONE)))
        })
        .await
    }

    /// Returns when so many pods are ready.
    pub(super) async fn ready(
        &self,
        session: &Session,
        patience: Patience,
        within: Duration,
        wanted: usize,
    ) -> Result<(), Failure> {
        let until = format!("until {wanted} are ready");
        self.wait(session, patience, within, &until, async || {
            let found = self.find().await?;
            Ok((found.state().ready < wanted).then(|| self.counted(&found, &until)))
        })
        .await
    }

    /// Looks again and again. A look that finds it as it is to be has nothing more to say; what another one says is said
    /// once.
    pub(super) async fn wait(
        &self,
        session: &Session,
        patience: Patience,
        within: Duration,
        until: &str,
        mut look: impl AsyncFnMut() -> Result<Option<String>, Failure>,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        let mut said = None;
        loop {
            let Some(now) = look().await? else {
                return Ok(());
            };
            if said.as_ref() != Some(&now) {
                session.console.say(&format!("        {now}"));
                said = Some(now);
            }
            if began.elapsed() >= within {
                return Err(Failure::WorkloadSlow {
                    what: self.what(),
                    code: match self.part {
                        Scalable::Keycloak => KEYCLOAK_SLOW,
                        Scalable::Operator | Scalable::Router => "deploymentSlow",
                    },
                    until: until.to_owned(),
                    seconds: within.as_secs(),
                });
            }
            patience.pause(session, LOOK_EVERY).await?;
        }
    }
}
