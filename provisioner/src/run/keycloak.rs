//! Scales a site's Keycloak to none and back, and waits until its pods are gone or ready.
//!
//! Its former count is remembered in an annotation of the very object that is scaled, in the same write: so whoever
//! resumes a rejoin, from whatever machine, finds it, and no crash can come between the two.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{Failure, Session};
use crate::observed::cluster::SCALED_OBJECTS;
use crate::observed::keycloak::{Keycloak, Owner};
use crate::preflight::cluster_problem::ClusterProblem;
use crate::topology::Site;
use crate::world::kubernetes::{Cluster, ClusterError, ConnectError, Target, Written};

/// How often pods are counted while they go or come.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often a write is tried that somebody else was faster than.
const ATTEMPTS: usize = 5;

/// Who stops and starts the stale site's Keycloak.
#[derive(Debug, Clone)]
pub enum Hands {
    /// This command, in this cluster; its pods may take so long to go, or to come.
    Ours {
        /// The site's cluster.
        cluster: Box<Cluster>,
        /// How long its pods may take.
        within: Duration,
    },
    /// A person, who is asked and says when it is done.
    Theirs,
}

impl Hands {
    /// Ours, checked: the site's Keycloak is there, and nobody would undo what is done to it.
    pub async fn ours(session: &Session, site: &Site, within: Duration) -> Result<Self, Failure> {
        let cluster = match session.clusters.get(&site.name) {
            Some(Ok(cluster)) => cluster.clone(),
            Some(Err(ConnectError::Problem(problem))) => {
                return Err(Failure::Problems(vec![
                    ClusterProblem::from(problem.clone()).into(),
                ]));
            }
            Some(Err(ConnectError::Unreached(unreached))) => {
                return Err(Failure::ClusterNeeded {
                    site: site.name.clone(),
                    what: unreached.what.clone(),
                });
            }
            None => {
                return Err(Failure::ClusterNeeded {
                    site: site.name.clone(),
                    what: "it is not in scope".to_owned(),
                });
            }
        };
        let found = find(&cluster, site).await?;
        let owner = match found.controller() {
            Some(owner) => Some(owner),
            None => scaler(session, &cluster, &found).await?,
        };
        if let Some(owner) = owner {
            return Err(Failure::KeycloakControlled {
                object: found.title(),
                owner,
            });
        }
        let state = found.state();
        session.console.say(&format!(
            "{}: {} has {} pods, {} of them ready",
            site.name,
            found.title(),
            state.pods,
            state.ready
        ));
        Ok(Self::Ours {
            cluster: Box::new(cluster),
            within,
        })
    }

    /// No pod is left when this returns.
    pub(super) async fn stop(&self, session: &Session, site: &Site) -> Result<(), Failure> {
        let Self::Ours { cluster, within } = self else {
            let question = format!(
                "Scale Keycloak of {} to 0, wait until no pod is left, then type `stopped`:",
                site.name
            );
            return confirmed(session, &question, "stopped");
        };
        write(cluster, site, Keycloak::stopped).await?;
        wait(session, cluster, site, *within, "until none is left", |found| {
            found.pods.is_empty()
        })
        .await
    }

    /// As many pods as before are ready when this returns.
    pub(super) async fn start(&self, session: &Session, site: &Site) -> Result<(), Failure> {
        let Self::Ours { cluster, within } = self else {
            let question = format!(
                "Scale Keycloak of {} back, wait until it is ready, then type `ready`:",
                site.name
            );
            return confirmed(session, &question, "ready");
        };
        // Read before the annotation goes with the write.
        let (_, wanted) = find(cluster, site).await?.started();
        write(cluster, site, |found| found.started().0).await?;
        // The count is theirs again: whoever applies it next meets no conflict with us.
        write(cluster, site, Keycloak::given_back).await?;
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let until = format!("until {wanted} are ready");
        wait(session, cluster, site, *within, &until, |found| {
            found.state().ready >= wanted
        })
        .await
    }

    /// How many pods there are. They are counted before every call that cuts, clears or pushes: one that came back may
    /// write to what is cleared. What a person stopped is believed to be.
    pub(super) async fn pods(&self, site: &Site) -> Result<usize, Failure> {
        let Self::Ours { cluster, .. } = self else {
            return Ok(0);
        };
        Ok(find(cluster, site).await?.state().pods)
    }
}

/// KEDA's scaler of a Keycloak, which starts it again when it sees load. A HorizontalPodAutoscaler leaves what was
/// scaled to none alone until somebody scales it up.
async fn scaler(session: &Session, cluster: &Cluster, found: &Keycloak) -> Result<Option<Owner>, Failure> {
    let scaled: Vec<Value> = match cluster.list(SCALED_OBJECTS, &found.namespace).await {
        Ok(scaled) => scaled,
        // It is not installed.
        Err(ClusterError::Refused { code: 404, .. }) => return Ok(None),
        Err(ClusterError::Forbidden { .. }) => {
            session
                .console
                .say("whether KEDA scales it cannot be seen: `list` on scaledobjects.keda.sh is denied");
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    Ok(found.scaler(&scaled))
}

/// A site's Keycloak where there has to be one.
async fn find(cluster: &Cluster, site: &Site) -> Result<Keycloak, Failure> {
    let found = cluster.keycloak(site).await?;
    found.ok_or_else(|| Failure::NoKeycloak {
        site: site.name.clone(),
        name: site.keycloak.name.to_string(),
        namespace: site
            .keycloak
            .namespace
            .as_ref()
            .unwrap_or(&site.namespace)
            .to_string(),
    })
}

async fn write(cluster: &Cluster, site: &Site, change: impl Fn(&Keycloak) -> Value) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        let found = find(cluster, site).await?;
        let changed = change(&found);
        if changed == found.object {
            return Ok(());
        }
        let target = Target {
            resource: found.resource,
            namespace: &found.namespace,
            name: site.keycloak.name.as_str(),
        };
        if cluster.replace(target, &changed, false).await? == Written::Done {
            return Ok(());
        }
    }
    Err(Failure::Overtaken)
}

async fn wait(
    session: &Session,
    cluster: &Cluster,
    site: &Site,
    within: Duration,
    until: &str,
    is_there: impl Fn(&Keycloak) -> bool,
) -> Result<(), Failure> {
    let began = Instant::now();
    let mut said = None;
    loop {
        let found = find(cluster, site).await?;
        if is_there(&found) {
            return Ok(());
        }
        let state = found.state();
        if said.as_ref() != Some(&state) {
            session.console.say(&format!(
                "        Keycloak of {} has {} pods, {} ready; waiting {until}",
                site.name, state.pods, state.ready
            ));
            said = Some(state);
        }
        if began.elapsed() >= within {
            return Err(Failure::KeycloakSlow {
                site: site.name.clone(),
                until: until.to_owned(),
                seconds: within.as_secs(),
            });
        }
        session.interrupt.pause(LOOK_EVERY).await?;
    }
}

fn confirmed(session: &Session, question: &str, word: &str) -> Result<(), Failure> {
    match session.console.ask(question) {
        Ok(answer) if answer == word => Ok(()),
        Ok(_) => Err(Failure::Declined),
        Err(_) => Err(Failure::NoTerminal),
    }
}
