//! The chapter before anything happens: would the function fence, and who hears if it would not?

use jiff::Timestamp;
use serde_json::json;

use super::{EXAMPLE, Play};
use crate::demo::{DemoError, alert};
use crate::standins::local_aws::HttpAnswer;

/// The alert that always fires.
const WATCHDOG: &str = "FencingPathWatchdog";

impl Play {
    pub(super) async fn watch_the_watchman(&mut self) -> Result<(), DemoError> {
        self.screen.chapter("The watchman is watched");
        self.screen.say(
            "Before anything happens: each minute the function looks whether it could fence, with its own rights and \
             without changing anything. Whoever knows the secret may ask.",
        );
        for site in [0, 1] {
            let answer = self.watchdog(site).await?;
            self.screen.claim(
                &format!("{}'s watchdog comes through", self.stage.site(site)),
                answer.status == 200,
                || format!("{answer:?}"),
            )?;
        }
        let answer = self.health_after_a_minute().await?;
        self.screen.claim(
            &format!("everything is in order that a fence needs: {}", answer.status),
            answer.status == 200 && answer.body.starts_with("FENCER-OK "),
            || format!("{answer:?}"),
        )?;

        let user = self.stage.topology.infinispan.username.to_string();
        self.stage
            .infinispan
            .set_password(&user, "changed at the sites only");
        let answer = self.health_after_a_minute().await?;
        self.screen.claim(
            "a broken Infinispan password turns it red within the minute, and names the check",
            answer.status == 503 && answer.body.contains("failing=infinispan:"),
            || format!("{answer:?}"),
        )?;
        let secret = self.stage.topology.infinispan.password_secret.to_string();
        let password = self.stage.aws.secret(self.stage.region(), &secret).await?;
        self.stage.infinispan.set_password(&user, &password);
        let answer = self.health_after_a_minute().await?;
        self.screen
            .claim("put right, it is green again", answer.status == 200, || {
                format!("{answer:?}")
            })?;

        for (lasts, status, claim) in [
            (
                "10m",
                503,
                "a rehearsal makes it fail for a while, so that people see whether they hear of it",
            ),
            ("0s", 200, "ended before its time, it is green again"),
        ] {
            let arguments = ["drill", EXAMPLE, "--fail-health", lasts];
            let ran = self.provision.run(&self.screen, &arguments).await?;
            self.screen.quote(ran.stdout.trim_end());
            let answer = self.ask().await?;
            self.screen
                .claim(claim, ran.code == Some(0) && answer.status == status, || {
                    format!("{}\n{answer:?}", ran.seen())
                })?;
        }
        self.claim_writes("and all this has written nothing to the accelerator", 0)
    }

    /// The schedule's minute passes, and somebody asks. (The local AWS has no clock for schedules.)
    async fn health_after_a_minute(&self) -> Result<HttpAnswer, DemoError> {
        let function = self.stage.topology.function_name();
        let minute = json!({"sitefence": "sweep"});
        self.stage
            .aws
            .invoke(self.stage.region(), &function, &minute)
            .await?;
        let answer = self.ask().await?;
        self.screen.command("GET …/health/SECRET");
        self.screen.quote(answer.body.lines().next().unwrap_or_default());
        Ok(answer)
    }

    async fn ask(&self) -> Result<HttpAnswer, DemoError> {
        let name = self.stage.topology.health_secret_name();
        let secret = self.stage.aws.secret(self.stage.region(), &name).await?;
        let path = format!("/health/{secret}");
        Ok(self.stage.aws.get(self.url(), &path, &[]).await?)
    }

    async fn watchdog(&self, reporter: usize) -> Result<HttpAnswer, DemoError> {
        let site = &self.stage.topology.sites[reporter];
        let rule = self.rendered(site.name.as_str(), "PrometheusRule")?;
        let labels = alert::labels(&rule, WATCHDOG, site.namespace.as_str(), site.name.as_str())?;
        let name = self.stage.topology.object_name();
        let receiver = format!("{}/{name}/{name}", site.namespace);
        let payload = alert::payload(&labels, &receiver, Timestamp::now());
        let headers = [
            ("authorization", self.credentials.as_str()),
            ("content-type", "application/json"),
        ];
        let answer = self
            .stage
            .aws
            .post(self.url(), "webhook", &headers, payload.to_string())
            .await?;
        Ok(answer)
    }
}
