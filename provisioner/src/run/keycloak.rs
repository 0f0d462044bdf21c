//! A site's Keycloak during a rejoin: stopped and started by this command, or by a person.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use super::failure::KEYCLOAK_CONTROLLED;
use super::scaling::{Patience, Scalable, Scaled, UNTIL_GONE};
use super::{Failure, Session};
use crate::observed::cluster::SCALED_OBJECTS;
use crate::observed::serving::{AskedPod, PodAnswer, Serving, serving};
use crate::observed::workload::{Owner, Workload};
use crate::topology::Site;
use crate::world::kubernetes::ClusterError;

/// Who stops and starts the stale site's Keycloak.
#[derive(Debug, Clone)]
pub enum Hands {
    /// This command, in this cluster; its pods may take so long to go, or to come and to serve.
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
        /// Whether the cluster could not be asked the last time.
        is_away: Arc<AtomicBool>,
        within: Duration,
    },
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
                    "Keycloak of {} cannot be checked from here, so your word for it counts: {failure}",
                    site.name
                ));
                None
            }
        };
        Self::Theirs {
            seen,
            is_away: Arc::default(),
            within,
        }
    }

    /// No pod is left when this returns.
    pub(super) async fn stop(&self, session: &Session, site: &Site) -> Result<(), Failure> {
        match self {
            Self::Ours { keycloak, .. } => keycloak.stop().await?,
            Self::Theirs { .. } => {
                let question = format!(
                    "Scale Keycloak of {} to 0, wait until no pod is left, then type `stopped`:",
                    site.name
                );
                confirmed(session, &question, "stopped")?;
            }
        }
        self.wait(session, UNTIL_GONE, async |keycloak, found| {
            (!found.pods.is_empty()).then(|| keycloak.counted(found, UNTIL_GONE))
        })
        .await
    }

    /// As many pods as before are ready when this returns, and each says that it can serve, its caches and its database
    /// included: only then is the site put back into the accelerator. A pod that cannot be asked from here is said to be,
    /// and holds nothing up: it is ready, by its own probe.
    pub(super) async fn start(&self, session: &Session, site: &Site) -> Result<(), Failure> {
        let before = match self {
            Self::Ours { keycloak, .. } => Some(keycloak.start().await?),
            Self::Theirs { .. } => {
                let question = format!(
                    "Scale Keycloak of {} back, wait until it is ready, then type `ready`:",
                    site.name
                );
                confirmed(session, &question, "ready")?;
                None
            }
        };
        let until = match before {
            Some(wanted) => format!("until {wanted} are ready and each answers /lb-check with 200"),
            None => "until all are ready and each answers /lb-check with 200".to_owned(),
        };
        let mut unasked_since: Option<Instant> = None;
        self.wait(session, &until, async |keycloak, found| {
            // What a person has scaled back says itself how many there are to be.
            let wanted = before.unwrap_or_else(|| found.wanted());
            let answers = answers(keycloak, found).await;
            let unasked_for = unasked_since.map_or(Duration::ZERO, |since| since.elapsed());
            let serving = serving(&answers, wanted, unasked_for);
            unasked_since = match serving {
                Serving::Unasked(_) => unasked_since.or_else(|| Some(Instant::now())),
                _ => None,
            };
            let what = keycloak.what();
            let last = match serving {
                Serving::TooFew => {
                    return Some(keycloak.counted(found, &format!("until {wanted} are ready")));
                }
                Serving::Refused(refused) => {
                    return Some(format!(
                        "{what} is ready, but does not serve yet: /lb-check of {refused}"
                    ));
                }
                Serving::Unasked(why) => return Some(format!("/lb-check of {what} cannot be asked: {why}")),
                Serving::Unchecked(why) => format!(
                    "the pods of {what} are ready; /lb-check could not be asked as well ({why}), so continuing"
                ),
                Serving::Yes => format!("{what} answers /lb-check with 200"),
            };
            session.console.say(&format!("        {last}"));
            None
        })
        .await
    }

    /// How many pods there are. They are counted before every call that cuts, clears or pushes: one that came back may
    /// write to what is cleared. Where the cluster cannot be asked, a person is believed who says that there is none.
    pub(super) async fn pods(&self, session: &Session) -> Result<usize, Failure> {
        Ok(self.look(session).await?.map_or(0, |found| found.pods.len()))
    }

    /// What there is of it now. Nothing where a person handles it and its cluster cannot be asked: an outage is said once.
    async fn look(&self, session: &Session) -> Result<Option<Workload>, Failure> {
        let (keycloak, is_away) = match self {
            Self::Ours { keycloak, .. } => return keycloak.find().await.map(Some),
            Self::Theirs { seen: None, .. } => return Ok(None),
            Self::Theirs {
                seen: Some(keycloak),
                is_away,
                ..
            } => (keycloak, is_away),
        };
        // A person may stop it by deleting it.
        match keycloak.find_or_left().await {
            Ok(found) => {
                is_away.store(false, Ordering::Relaxed);
                Ok(Some(found))
            }
            Err(failure) => {
                if !is_away.swap(true, Ordering::Relaxed) {
                    session.console.say(&format!(
                        "{} can no longer be checked, so your word for it counts, unless the last look contradicted \
                         it: {failure}",
                        keycloak.what()
                    ));
                }
                Ok(None)
            }
        }
    }

    /// Returns when what is found leaves nothing to wait for. A person is believed where the cluster cannot be asked, and
    /// has not contradicted since the person spoke.
    async fn wait(
        &self,
        session: &Session,
        until: &str,
        mut waits_for: impl AsyncFnMut(&Scaled, &Workload) -> Option<String>,
    ) -> Result<(), Failure> {
        let (Self::Ours { keycloak, within }
        | Self::Theirs {
            seen: Some(keycloak),
            within,
            ..
        }) = self
        else {
            return Ok(());
        };
        let mut last = None;
        keycloak
            .wait(session, Patience::Interruptible, *within, until, async || {
                if let Some(found) = self.look(session).await? {
                    last = waits_for(keycloak, &found).await;
                }
                Ok(last.clone())
            })
            .await
    }
}

/// What each ready pod answers that is asked whether it can serve; all at once, for one that hangs takes its time.
async fn answers(keycloak: &Scaled, found: &Workload) -> Vec<AskedPod> {
    let cluster = keycloak.cluster();
    let asked = found.lb_checks().into_iter().map(async |check| {
        let answer = match &check.address {
            Some(address) => cluster.ask_pod(&found.namespace, address, &check.path).await,
            None => PodAnswer::NoPort,
        };
        AskedPod {
            pod: check.pod,
            answer,
        }
    });
    join_all(asked).await
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
