//! A site's Keycloak during a rejoin: stopped and started by this command, or by a person.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::failure::{KEYCLOAK_CONTROLLED, KEYCLOAK_SLOW};
use super::scaling::{Patience, Scalable, Scaled};
use super::{Failure, Session};
use crate::observed::cluster::SCALED_OBJECTS;
use crate::observed::workload::{Owner, Workload};
use crate::topology::Site;
use crate::world::kubernetes::{ClusterError, PodAnswer};

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
    Theirs {
        /// The same Keycloak, to look at only, where the cluster can be asked.
        seen: Option<Box<Scaled>>,
        within: Duration,
    },
}

/// For how long pods are asked again that could not be asked whether they serve.
const ASKED_FOR: Duration = Duration::from_secs(20);
const ASK_EVERY: Duration = Duration::from_secs(2);

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

    /// A person's. What the person says is checked in the site's cluster, as far as that can be asked.
    pub async fn theirs(session: &Session, site: &Site, within: Duration) -> Self {
        let found = match session.cluster_of(site) {
            Ok(cluster) => {
                let keycloak = Scaled::new(cluster, site, Scalable::Keycloak);
                keycloak.find().await.map(|_| keycloak)
            }
            Err(failure) => Err(failure),
        };
        let seen = match found {
            Ok(keycloak) => Some(Box::new(keycloak)),
            Err(failure) => {
                session.console.say(&format!(
                    "Keycloak of {} cannot be seen from here, so what you say of it is believed: {failure}",
                    site.name
                ));
                None
            }
        };
        Self::Theirs { seen, within }
    }

    /// No pod is left when this returns.
    pub(super) async fn stop(&self, session: &Session, site: &Site) -> Result<(), Failure> {
        match self {
            Self::Ours { keycloak, within } => {
                keycloak.stop().await?;
                keycloak.gone(session, Patience::Interruptible, *within).await
            }
            Self::Theirs { seen, within } => {
                let question = format!(
                    "Scale Keycloak of {} to 0, wait until no pod is left, then type `stopped`:",
                    site.name
                );
                confirmed(session, &question, "stopped")?;
                match seen {
                    Some(keycloak) => keycloak.gone(session, Patience::Interruptible, *within).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// As many pods as before are ready when this returns, and say that they can serve.
    pub(super) async fn start(&self, session: &Session, site: &Site) -> Result<(), Failure> {
        let (keycloak, wanted, within) = match self {
            Self::Ours { keycloak, within } => (keycloak, keycloak.start().await?, *within),
            Self::Theirs { seen, within } => {
                let question = format!(
                    "Scale Keycloak of {} back, wait until it is ready, then type `ready`:",
                    site.name
                );
                confirmed(session, &question, "ready")?;
                match seen {
                    Some(keycloak) => (keycloak, 1, *within),
                    None => return Ok(()),
                }
            }
        };
        keycloak
            .ready(session, Patience::Interruptible, within, wanted)
            .await?;
        serves(session, keycloak, within).await
    }

    /// How many pods there are. They are counted before every call that cuts, clears or pushes: one that came back may
    /// write to what is cleared. Where the cluster cannot be asked, a person is believed who says that there is none.
    pub(super) async fn pods(&self) -> Result<usize, Failure> {
        match self {
            Self::Ours { keycloak, .. }
            | Self::Theirs {
                seen: Some(keycloak), ..
            } => Ok(keycloak.find().await?.state().pods),
            Self::Theirs { seen: None, .. } => Ok(0),
        }
    }
}

/// Returns when every pod says that it can serve, its caches and its database included: only then is the site put back
/// into the accelerator. A pod that cannot be asked from here is said to be, and holds nothing up: it is ready, by its
/// own probe.
async fn serves(session: &Session, keycloak: &Scaled, within: Duration) -> Result<(), Failure> {
    let began = Instant::now();
    let mut said = String::new();
    loop {
        let found = keycloak.find().await?;
        let mut refused = None;
        let mut unasked = None;
        for check in found.lb_checks() {
            let answer = match check {
                Ok(check) => {
                    let cluster = keycloak.cluster();
                    let answer = cluster.ask_pod(&found.namespace, &check.address, &check.path);
                    match answer.await {
                        PodAnswer::Yes => continue,
                        PodAnswer::No(code) => {
                            refused = Some(format!("{} answers {code}", check.pod));
                            continue;
                        }
                        // Without the feature `multi-site` there is none, and it will not come.
                        PodAnswer::NotServed => Err(format!("{} has none", check.pod)),
                        PodAnswer::NotAsked(why) => Ok(why),
                    }
                }
                Err(why) => Err(why),
            };
            unasked = Some(answer);
        }
        let what = keycloak.what();
        let now = match (refused, unasked) {
            (Some(refused), _) => format!("{what} is ready, but does not serve yet: /lb-check of {refused}"),
            (None, Some(Ok(why))) if began.elapsed() < ASKED_FOR => {
                format!("/lb-check of {what} cannot be asked: {why}")
            }
            (None, Some(Ok(why) | Err(why))) => {
                session.console.say(&format!(
                    "        whether {what} can serve is not checked, beyond its pods being ready: /lb-check: {why}"
                ));
                return Ok(());
            }
            (None, None) => {
                session
                    .console
                    .say(&format!("        {what} answers /lb-check with 200"));
                return Ok(());
            }
        };
        if now != said {
            session.console.say(&format!("        {now}"));
            said = now;
        }
        if began.elapsed() >= within {
            return Err(Failure::WorkloadSlow {
                what,
                code: KEYCLOAK_SLOW,
                until: "until /lb-check of each pod answers 200".to_owned(),
                seconds: within.as_secs(),
            });
        }
        session.interrupt.pause(ASK_EVERY).await?;
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
