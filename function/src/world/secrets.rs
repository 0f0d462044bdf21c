//! The passwords, from Secrets Manager.
//!
//! The webhook's secret and that of the health check live in the function's own Region and are cached by
//! the handler, which knows when a caller's mismatch is a reason to read them again. Infinispan's lives in the topology's first Region; it is
//! cached here and read again when an Infinispan refuses it.

use std::time::Duration;

use fencing::credentials::Credentials;
use fencing::health::Seen;
use fencing::settings::Settings;
use fencing::step::Fault;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::world::aws::{Aws, describe};

/// A password that Infinispan refuses is read again at most this often: when it is simply wrong, reading it
/// over and over helps nobody.
const REREAD_AFTER_REFUSAL: Duration = Duration::from_secs(10);

/// One secret and where it lives.
#[derive(Debug)]
struct Stored {
    client: aws_sdk_secretsmanager::Client,
    id: String,
}

impl Stored {
    async fn read(&self) -> Result<SecretString, String> {
        let reply = self
            .client
            .get_secret_value()
            .secret_id(&self.id)
            .send()
            .await
            .map_err(|error| describe(&error))?;
        reply
            .secret_string
            .map(SecretString::from)
            .ok_or_else(|| "it holds bytes instead of text".to_owned())
    }
}

#[derive(Debug)]
pub struct Secrets {
    webhook: Stored,
    health: Stored,
    infinispan: Stored,
    infinispan_username: String,
    cached: Mutex<Cached>,
}

#[derive(Debug, Default)]
struct Cached {
    credentials: Option<Credentials>,
    reread_at: Option<Instant>,
}

impl Secrets {
    /// Where the settings say they are.
    pub fn new(aws: &Aws, settings: &Settings) -> Self {
        let own = aws.secrets(&aws.region);
        let first = if settings.secrets_region == aws.region {
            own.clone()
        } else {
            aws.secrets(&settings.secrets_region)
        };
        Self {
            webhook: Stored {
                client: own.clone(),
                id: settings.found.webhook_secret.clone(),
            },
            health: Stored {
                client: own,
                id: settings.found.health_secret.clone(),
            },
            infinispan: Stored {
                client: first,
                id: settings.found.infinispan_secret.clone(),
            },
            infinispan_username: settings.infinispan_username.clone(),
            cached: Mutex::default(),
        }
    }

    /// The webhook's secret as it is stored now.
    pub async fn webhook(&self) -> Result<SecretString, Fault> {
        self.webhook.read().await.map_err(|what| Fault {
            whom: "the webhook's secret".to_owned(),
            what,
        })
    }

    /// The secret in the path of the health check as it is stored now.
    pub async fn health(&self) -> Result<SecretString, Fault> {
        self.health.read().await.map_err(|what| Fault {
            whom: "the health check's secret".to_owned(),
            what,
        })
    }

    /// Reads Infinispan's credentials as they are stored now, whatever was known. They are used from now on,
    /// so that a password that was stored wrongly shows before a fence needs it.
    pub async fn infinispan_anew(&self) -> Result<Seen, Fault> {
        let mut cached = self.cached.lock().await;
        let read = self.read_infinispan(&mut cached).await;
        read.map(|credentials| Seen::secret(credentials.ends_a_line()))
            .map_err(|what| Fault {
                whom: "Infinispan".to_owned(),
                what,
            })
    }

    /// Infinispan's credentials, read once.
    pub async fn infinispan(&self) -> Result<Credentials, String> {
        // Held while reading, so that callers side by side cause one read.
        let mut cached = self.cached.lock().await;
        match &cached.credentials {
            Some(credentials) => Ok(credentials.clone()),
            None => self.read_infinispan(&mut cached).await,
        }
    }

    /// Infinispan's credentials after these were refused: others, if there are any by now.
    pub async fn infinispan_instead_of(&self, refused: &Credentials) -> Result<Option<Credentials>, String> {
        let mut cached = self.cached.lock().await;
        let differs = |known: &Credentials| {
            known.username != refused.username
                || known.password.expose_secret() != refused.password.expose_secret()
        };
        if let Some(known) = cached.credentials.as_ref().filter(|known| differs(known)) {
            return Ok(Some(known.clone()));
        }
        if cached
            .reread_at
            .is_some_and(|at| at.elapsed() < REREAD_AFTER_REFUSAL)
        {
            return Ok(None);
        }
        cached.reread_at = Some(Instant::now());
        let read = self.read_infinispan(&mut cached).await?;
        Ok(Some(read).filter(differs))
    }

    async fn read_infinispan(&self, cached: &mut Cached) -> Result<Credentials, String> {
        let secret = self
            .infinispan
            .read()
            .await
            .map_err(|what| format!("its secret cannot be read: {what}"))?;
        let credentials = Credentials::parse(&secret, &self.infinispan_username)
            .map_err(|error| format!("its secret is of no use: {error}"))?;
        cached.credentials = Some(credentials.clone());
        Ok(credentials)
    }
}
