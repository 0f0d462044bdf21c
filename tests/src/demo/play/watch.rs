//! The chapter before anything happens: would the function fence, and who hears if it would not?

use serde_json::json;

use super::{EXAMPLE, Play};
use crate::demo::DemoError;
use crate::standins::local_aws::HttpAnswer;

impl Play {
    pub(super) async fn watch_the_watchman(&mut self) -> Result<(), DemoError> {
        self.screen.chapter("The watchman is watched");
        self.screen.say(
            "Each minute the function looks whether it could fence, and changes nothing. Those who know the secret may ask.",
        );
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
        self.screen.claim(
            "once that is corrected, it is green again",
            answer.status == 200,
            || format!("{answer:?}"),
        )?;

        let arguments = ["drill", EXAMPLE, "--path", "1m"];
        let ran = self.provision.run(&self.screen, &arguments).await?;
        let answer = self.ask().await?;
        self.screen.claim(
            "a rehearsal makes it fail, and ends by itself: are people notified?",
            ran.code == Some(0) && answer.status == 503 && answer.body.contains("failing=forced"),
            || format!("{}\n{answer:?}", ran.seen()),
        )?;
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
}
