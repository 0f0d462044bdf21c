//! A site's Keycloak during a rejoin: stopped and started by this command, or by a person.

use std::time::Duration;

use serde_json::Value;

use super::failure::KEYCLOAK_CONTROLLED;
use super::scaling::{Patience, Scalable, Scaled};
use super::{Failure, Session};
use crate::observed::cluster::SCALED_OBJECTS;
use crate::observed::workload::{Owner, Workload};
use crate::topology::Site;
use crate::world::kubernetes::ClusterError;

/// Who stops and starts the stale site's Keycloak.
#[derive(Debug, Clone)]
pub enum Hands {
    /// This command, in this cluster; its pods may take so long to go, or to come.
    Ours {
        /// The Keycloak, in the site's cluster.
        keycloak: Box<Scaled>,
        /// How long its pods may take.
        within: Duration,
    },
    /// A person, who is asked and says when it is done.
    Theirs,
}

impl Hands {
    /// Ours, checked: the site's Keycloak is there, and nobody would undo what is done to it.
    pub async fn ours(session: &Session, site: &Site, within: Duration) -> Result<Self, Failure> {
        let keycloak = Scaled::new(session.cluster_of(site)?, site, Scalable::Keycloak);
        let found = keycloak.find().await?;
        let owner = match found.controller() {
            Some(owner) => Some(owner),
            None => scaler(session, &keycloak, &found).await?,
        };
        if let Some(owner) = owner {
            return Err(Failure::Controlled {
                object: found.title(),
                code: KEYCLOAK_CONTROLLED,
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
            keycloak: Box::new(keycloak),
            within,
        })
    }

    /// No pod is left when this returns.
    pub(super) async fn stop(&self, session: &Session, site: &Site) -> Result<(), Failure> {
        let Self::Ours { keycloak, within } = self else {
            let question = format!(
                "Scale Keycloak of {} to 0, wait until no pod is left, then type `stopped`:",
                site.name
            );
            return confirmed(session, &question, "stopped");
        };
        keycloak.stop().await?;
        keycloak.gone(session, Patience::Interruptible, *within).await
    }

    /// As many pods as before are ready when this returns.
    pub(super) async fn start(&self, session: &Session, site: &Site) -> Result<(), Failure> {
        let Self::Ours { keycloak, within } = self else {
            let question = format!(
                "Scale Keycloak of {} back, wait until it is ready, then type `ready`:",
                site.name
            );
            return confirmed(session, &question, "ready");
        };
        let wanted = keycloak.start().await?;
        keycloak
            .ready(session, Patience::Interruptible, *within, wanted)
            .await
    }

    /// How many pods there are. They are counted before every call that cuts, clears or pushes: one that came back may
    /// write to what is cleared. What a person stopped is believed to be.
    pub(super) async fn pods(&self) -> Result<usize, Failure> {
        let Self::Ours { keycloak, .. } = self else {
            return Ok(0);
        };
        Ok(keycloak.find().await?.state().pods)
    }
}

/// KEDA's scaler of a Keycloak, which starts it again when it sees load. A HorizontalPodAutoscaler leaves what was
/// scaled to none alone until somebody scales it up.
async fn scaler(session: &Session, keycloak: &Scaled, found: &Workload) -> Result<Option<Owner>, Failure> {
    let scaled: Vec<Value> = match keycloak.cluster().list(SCALED_OBJECTS, &found.namespace).await {
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

fn confirmed(session: &Session, question: &str, word: &str) -> Result<(), Failure> {
    match session.console.ask(question) {
        Ok(answer) if answer == word => Ok(()),
        Ok(_) => Err(Failure::Declined),
        Err(_) => Err(Failure::NoTerminal),
    }
}
