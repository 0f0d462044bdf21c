//! The first chapters: both clusters before, one `apply`, both clusters after.

use serde_json::Value;

use super::monitoring::{self, Monitoring, Objects};
use super::play::Play;
use super::{DemoError, Programs, clusters, look};
use crate::standins::local_aws::ACCOUNT;

impl Play {
    pub(super) async fn deploy(&mut self, programs: &Programs) -> Result<(), DemoError> {
        self.screen.chapter("One command deploys");
        self.show_clusters("In the clusters, before:");
        self.stage.provide(&programs.function)?;
        let ran = self
            .provision
            .run(&self.screen, &["render", self.stage.example, "-o", "out"])
            .await?;
        self.screen.claim(
            "every document can be reviewed first",
            ran.code == Some(0),
            || ran.seen(),
        )?;
        self.apply_first().await?;

        self.show_clusters("In the clusters, after:");
        let whole = [0, 1].map(|index| clusters::is_whole(&self.stage, index));
        self.screen.claim(
            "each has the four objects, in the version that it serves",
            whole == [true, true],
            || format!("{:?}", clusters::rows(&self.stage)),
        )?;
        self.check_password().await?;
        self.claim_writes("the accelerator was read and not touched", 0)?;

        let view = self.show("Before the split:").await?;
        self.screen
            .claim(
                "both sites are in the accelerator and serve",
                view.sites.iter().all(look::SiteView::is_whole),
                || view.seen(),
            )
            .map_err(Into::into)
    }

    /// The first of them, after which the functions have addresses.
    async fn apply_first(&mut self) -> Result<(), DemoError> {
        let monitoring = Monitoring::new();
        let (ran, seconds) = self.apply(&monitoring).await?;
        let claim = format!("deployed to AWS and to both clusters in {seconds:.0} s");
        self.screen.claim(&claim, ran.code == Some(0), || ran.seen())?;
        let heard = look::watchdogs(&self.stage).await?;
        self.screen.claim(
            &format!(
                "the function has stamped both sites' watchdogs (sent by {})",
                monitoring.who()
            ),
            heard == [true, true],
            || format!("{heard:?}"),
        )?;
        let applied = ran.json()?;
        let urls = applied["webhookUrls"].as_object().into_iter().flatten();
        self.urls = urls
            .filter_map(|(region, url)| Some((region.clone(), url.as_str()?.to_owned())))
            .collect();
        self.outputs.push_str(&ran.stdout);
        self.subscribe().await
    }

    /// Whoever is to be told subscribes to each function's topic.
    pub(super) async fn subscribe(&self) -> Result<(), DemoError> {
        let topic = self.stage.topology.topic_name();
        for region in &self.stage.topology.regions {
            let topic = format!("arn:aws:sns:{region}:{ACCOUNT}:{topic}");
            self.mailbox.subscribe(&self.stage.aws, region, &topic).await?;
        }
        Ok(())
    }

    /// Takes from the first cluster's Secret what its Alertmanager has from there.
    async fn check_password(&mut self) -> Result<(), DemoError> {
        let secrets = [0, 1].map(|index| clusters::ours(&self.stage, index, "Secret").unwrap_or_default());
        let name = self.stage.topology.webhook_secret_name();
        let generated = self.stage.aws.secret(self.stage.region(), &name).await?;
        let generated = match serde_json::from_str::<Value>(&generated) {
            Ok(Value::Object(fields)) => fields["password"].as_str().unwrap_or_default().to_owned(),
            _ => generated,
        };
        let is_that = |secret: &Value| monitoring::value_of(secret, "password").as_ref() == Some(&generated);
        self.screen.claim(
            &format!(
                "the webhook's password was generated, {} characters, and is in both Secrets",
                generated.len()
            ),
            generated.len() >= 32 && secrets.iter().all(is_that),
            || format!("the secret {name} holds {} characters", generated.len()),
        )?;
        self.password = generated;
        self.claim_unseen("nobody typed it, and nobody saw it")?;
        self.credentials = Objects::of(&self.stage, 0)
            .map(|objects| objects.authorization())
            .unwrap_or_default();
        Ok(())
    }

    /// The password stands in nothing that was shown or printed for programs.
    pub(super) fn claim_unseen(&mut self, claim: &str) -> Result<(), DemoError> {
        let shown = self.screen.shown().contains(&self.password) || self.outputs.contains(&self.password);
        self.screen
            .claim(claim, !shown && !self.password.is_empty(), || {
                "the password was shown".to_owned()
            })
            .map_err(Into::into)
    }

    /// Nothing of ours is left, and nothing else is missing.
    pub(super) fn claim_clusters_as_before(&mut self) -> Result<(), DemoError> {
        let now = clusters::inventory(&self.stage.clusters);
        self.screen
            .claim(
                "both clusters hold what they held before, and nothing else",
                now == self.stage.clusters_before,
                || format!("{:?}", clusters::rows(&self.stage)),
            )
            .map_err(Into::into)
    }

    fn show_clusters(&self, heading: &str) {
        self.screen.say(heading);
        self.screen
            .table(&clusters::COLUMNS, &clusters::rows(&self.stage));
        if let Some(text) = clusters::user_workload(&self.stage) {
            self.screen.say(&text);
        }
    }
}
