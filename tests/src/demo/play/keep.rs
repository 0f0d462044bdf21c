//! The stage left standing: somebody types the commands, and the world around them goes on.
//!
//! Every few seconds a minute of the schedule passes and both sites' watchdogs come through. The link is down while the
//! gossip routers are scaled to none, or while a file says so; then both sites' monitoring reports the other one.

use std::convert::Infallible;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::Play;
use crate::demo::monitoring::{Monitoring, Objects};
use crate::demo::stage::EXAMPLE;
use crate::demo::{DemoError, Programs};

/// How often the world takes a look at itself.
const EVERY: Duration = Duration::from_secs(5);
/// While this file is there, the link is cut.
const LINK_IS_CUT: &str = "link-is-cut";
const ROUTER: &str = "infinispan-router";

/// Deploys, says how to go on, and keeps everything up until Ctrl-C.
pub async fn keep(programs: &Programs) -> Result<(), DemoError> {
    let title = "Sitefence: a stage to try every verb on";
    let mut play = Play::begin(programs, title, EXAMPLE).await?;
    play.deploy(programs).await?;
    play.how_to_go_on(programs)?;
    let monitoring = Monitoring::new();
    tokio::select! {
        // Without a handler the signal ends the process, and the stage with it.
        _ = tokio::signal::ctrl_c() => {}
        error = monitoring.run(&play.stage) => return Err(error),
        ended = play.goes_on() => match ended {
            Ok(never) => match never {},
            Err(error) => return Err(error),
        },
    }
    play.screen
        .say("Taken down: the stage is gone, and nothing of it is left.");
    Ok(())
}

impl Play {
    fn link_is_cut(&self) -> PathBuf {
        self.stage.folder.path().join(LINK_IS_CUT)
    }

    fn how_to_go_on(&mut self, programs: &Programs) -> Result<(), DemoError> {
        self.screen.chapter("Your turn");
        let folder = self.stage.folder.path();
        let mut script = format!("cd {}\n", folder.display());
        for (name, value) in self.stage.environment() {
            script.push_str(&format!("export {name}='{value}'\n"));
        }
        let bin = programs.provision.parent().map(|bin| bin.display().to_string());
        script.push_str(&format!("export PATH='{}':\"$PATH\"\n", bin.unwrap_or_default()));
        let file = folder.join("environment");
        fs::write(&file, script).map_err(DemoError::file(&file))?;
        let flags = self.stage.function_flags().join(" ");
        self.screen.say("In another terminal:");
        self.screen.command(&format!(". {}", file.display()));
        for command in [
            format!("provision status {EXAMPLE}"),
            format!("provision drill {EXAMPLE}"),
            format!("touch {LINK_IS_CUT}    # the sites lose each other; rm heals the link"),
            format!("provision status {EXAMPLE} --watch"),
            format!("provision rejoin {} {EXAMPLE} --when-healed", self.stage.site(1)),
            format!("provision history {EXAMPLE}"),
            format!("provision history 1 {EXAMPLE} --report incident.html"),
            format!("provision drill {EXAMPLE} --split-brain"),
            format!("provision destroy {EXAMPLE}"),
            format!("provision apply {EXAMPLE} {flags}"),
        ] {
            self.screen.command(&command);
        }
        self.screen.say(&format!(
            "A minute of the schedule passes every {} seconds. Ctrl-C takes all of it down.",
            EVERY.as_secs()
        ));
        Ok(())
    }

    /// How many gossip routers run.
    fn routers(&self) -> usize {
        let sites = self.stage.topology.sites.iter().zip(&self.stage.clusters);
        sites
            .map(|(site, cluster)| {
                let world = cluster.world();
                let pods = world.of("Pod", site.namespace.as_str());
                pods.iter()
                    .filter(|pod| pod["metadata"]["labels"]["name"] == ROUTER)
                    .count()
            })
            .sum()
    }

    async fn goes_on(&self) -> Result<Infallible, DemoError> {
        let mut was_cut = false;
        let mut was_there = true;
        let mut shown = 0;
        loop {
            let is_cut = self.link_is_cut().exists() || self.routers() == 0;
            match (was_cut, is_cut) {
                (false, true) => {
                    self.stage.infinispan.cut_link();
                    self.screen.say("The link is cut.");
                }
                (true, false) => {
                    self.stage.infinispan.heal_link();
                    self.screen.say("The link is whole again.");
                }
                _ => {}
            }
            was_cut = is_cut;
            // What is deployed is up to whoever types: between a destroy and the next apply nothing answers.
            match (was_there, self.minute(is_cut).await) {
                (true, Err(error)) => {
                    self.screen.say(&format!("The function does not run: {error}"));
                    was_there = false;
                }
                (false, Ok(())) => {
                    let mails = match self.subscribe().await {
                        Ok(()) => String::new(),
                        Err(error) => format!(" Nobody gets its mails: {error}"),
                    };
                    self.screen.say(&format!("The function runs again.{mails}"));
                    was_there = true;
                }
                _ => {}
            }
            let mails = self.mailbox.mails();
            for mail in mails.get(shown..).unwrap_or_default() {
                self.screen.say("A mail:");
                self.quote_mail(mail);
            }
            shown = mails.len();
            tokio::time::sleep(EVERY).await;
        }
    }

    /// What a minute brings: both sites' reports while the link is cut, and the schedule.
    async fn minute(&self, is_cut: bool) -> Result<(), DemoError> {
        for reporter in [0, 1].into_iter().filter(|_| is_cut) {
            let Some(objects) = Objects::of(&self.stage, reporter) else {
                continue;
            };
            for url in objects.urls().values() {
                self.post_to(url, &objects.authorization(), reporter).await?;
            }
        }
        let function = self.stage.topology.function_name();
        let minute = json!({"sitefence": "sweep"});
        let region = self.stage.region();
        self.stage.aws.invoke(region, &function, &minute).await?;
        Ok(())
    }
}
