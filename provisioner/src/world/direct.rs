//! The function's own driver and its edges, in this process, with the rights of the person who runs it.
//!
//! For the day on which the functions or their register are out of reach. Nothing of the protocol is written a second
//! time for it: the task goes through [`fencing::step`], as in Lambda, and the calls through the same clients, with the
//! settings of the deployed function. They go straight to AWS and to both Infinispans, by no proxy.

use std::time::Duration;

use fencing::answer::Answer;
use fencing::register::Record;
use fencing::replication::Backup;
use fencing::settings::Settings;
use fencing::step::{Call, Event, Fault, Task};
use fencing::words::SiteName;
use function::run::{Budget, run};
use function::world::apart::Apart;
use function::world::{Cloud, CloudError, World};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::aws::{Aws, SignInError};
use crate::observed::place::Answerer;
use crate::topology::{CaBundle, Region};

/// Why that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum DirectError {
    #[error(transparent)]
    SignIn(#[from] SignInError),
    #[error("the function's clients cannot be made here")]
    Cloud(#[from] CloudError),
    #[error("the CA bundles cannot be laid out for them")]
    Folder(#[from] std::io::Error),
}

#[derive(Debug)]
pub struct Direct {
    settings: Settings,
    cloud: Cloud,
    began: Timestamp,
    /// Where the bundles are, as in the function's zip.
    _folder: TempDir,
}

impl Direct {
    /// With the settings of the function of `region`.
    pub async fn new(
        aws: &Aws,
        region: &Region,
        settings: Settings,
        bundles: &[CaBundle],
    ) -> Result<Self, DirectError> {
        let credentials = aws.credentials().await?;
        let folder = TempDir::new()?;
        std::fs::create_dir(folder.path().join("ca"))?;
        for bundle in bundles {
            std::fs::write(folder.path().join(format!("ca/{}.pem", bundle.site)), &bundle.pem)?;
        }
        let root = folder.path().display().to_string();
        let lookup = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" => Some(credentials.access_key_id().to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some(credentials.secret_access_key().to_owned()),
            "AWS_SESSION_TOKEN" => credentials.session_token().map(str::to_owned),
            "AWS_REGION" => Some(region.to_string()),
            "LAMBDA_TASK_ROOT" => Some(root.clone()),
            name => of_the_environment(name, |name| std::env::var(name).ok())
                .or_else(|| aws.endpoints().get(name).cloned()),
        };
        Ok(Self {
            cloud: Cloud::new(&settings, &lookup)?,
            settings,
            began: Timestamp::now(),
            _folder: folder,
        })
    }

    /// How long whatever a function has begun may still take effect.
    pub fn wait(&self) -> Duration {
        Duration::from_secs(u64::from(self.settings.timeout_seconds) * 2)
    }

    /// What answers where a site's Infinispan is said to be, or why nothing does.
    pub async fn place(&self, at: &SiteName) -> Result<Answerer, Fault> {
        let inventory = self.cloud.infinispan().inventory(at).await?;
        Ok(Answerer {
            site: inventory.site,
            caches: inventory.caches,
            keeps_statistics: inventory.keeps_statistics,
        })
    }

    /// The register's item, or why it cannot be read.
    pub async fn register(&self) -> Result<Record, Fault> {
        match self.cloud.call(&Call::ReadRegister).await {
            Event::Register(found) => Ok(found?.map_or_else(Record::empty, |record| *record)),
            _ => Err(other_question()),
        }
    }

    /// Whether a site replicates to another, or why nobody knows.
    pub async fn backup(&self, at: &SiteName, backup: &SiteName) -> Result<Backup, Fault> {
        let read = Call::ReadBackup {
            at: at.clone(),
            backup: backup.clone(),
        };
        match self.cloud.call(&read).await {
            Event::Backup(backup) => backup,
            _ => Err(other_question()),
        }
    }

    /// Stops a site from replicating to another, and looks whether it has.
    pub async fn cut(&self, at: &SiteName, backup: &SiteName) -> Result<(), Fault> {
        let cut = Call::TakeOffline {
            at: at.clone(),
            backup: backup.clone(),
        };
        // What it answers is no success; what is read afterwards is.
        self.cloud.call(&cut).await;
        match self.backup(at, backup).await? {
            Backup::Offline => Ok(()),
            status => Err(Fault {
                whom: format!("{at}'s Infinispan"),
                what: format!("its backup to {backup} is {status} after take-offline"),
            }),
        }
    }

    /// Carries a task out on the register.
    pub async fn run(&self, task: Task) -> Answer {
        self.drive(&self.cloud, task).await
    }

    /// Carries a task out without the register. Nothing else may decide meanwhile.
    /// Also whether anything was asked to change.
    pub async fn run_apart(&self, task: Task) -> (Answer, bool) {
        let apart = Apart::from(&self.cloud);
        let answer = self.drive(&apart, task).await;
        (answer, apart.has_touched())
    }

    async fn drive(&self, world: &impl World, task: Task) -> Answer {
        let now = world.moment();
        let timeout = Duration::from_secs(self.settings.timeout_seconds.into());
        let deadline = now
            .wall
            .saturating_add(SignedDuration::from_secs(self.settings.timeout_seconds.into()));
        let deadline = deadline.unwrap_or(now.wall);
        // Of no other run: it names claims and the waits that others are given.
        let executor = format!(
            "provision-{}-{}-{}",
            std::process::id(),
            self.began.as_nanosecond(),
            now.uptime.as_nanos()
        );
        let budget = Budget::new(now, deadline, timeout);
        run(&self.settings, world, &executor, task, budget).await.answer
    }
}

/// What the function's clients take from the environment in which they run: behind an egress that inspects TLS,
/// AWS shows certificates of its authority.
fn of_the_environment(name: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    (name == "AWS_CA_BUNDLE").then(|| variable(name)).flatten()
}

fn other_question() -> Fault {
    Fault {
        whom: "the function's client".to_owned(),
        what: "it replied to another question".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing else of it: the credentials are those that were signed in with.
    #[test]
    fn the_authorities_are_those_of_the_person_who_runs_it() {
        let variable = |name: &str| Some(format!("{name} of the shell"));
        assert_eq!(
            of_the_environment("AWS_CA_BUNDLE", variable).as_deref(),
            Some("AWS_CA_BUNDLE of the shell")
        );
        assert_eq!(of_the_environment("AWS_CA_BUNDLE", |_| None), None);
        assert_eq!(of_the_environment("AWS_ENDPOINT_URL", variable), None);
    }
}
