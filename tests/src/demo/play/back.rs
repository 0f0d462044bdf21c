//! The chapters after the fence: what somebody reads who is woken, and how the lost site comes back.

use std::time::Instant;

use super::{EXAMPLE, Play};
use crate::demo::DemoError;
use crate::demo::look::SiteView;
use crate::demo::stage::NAME;

/// A cache that Keycloak writes to.
const CACHE: &str = "sessions";
const WRITTEN: &str = "a login during the split";
/// The sentence, and the command that comes next.
const LINES: usize = 2;

impl Play {
    pub(super) async fn how_things_stand(&mut self) -> Result<(), DemoError> {
        let [a, b] = self.sites();
        self.screen.chapter("What an operator reads when woken");
        self.screen.say("A mail has come:");
        let mail = self.show_mail("a site is fenced").await?;
        let told = [
            format!("serves:   {a}; {b} is out\n"),
            format!("provision rejoin {b} {NAME} --when-healed"),
        ];
        self.screen.claim(
            "it says what happened and when, who serves, and what to type",
            told.iter().all(|told| mail.message.contains(told)),
            || format!("{mail:?}"),
        )?;
        let arguments = ["status", NAME, "--within", "20s"];
        let ran = self.provision.run(&self.screen, &arguments).await?;
        for line in ran.stdout.lines().take(LINES) {
            self.screen.quote(line);
        }
        let says = format!(": {a} serves alone\nnext: provision rejoin {b} {EXAMPLE} --when-healed\n");
        self.screen.claim(
            "how things stand, and the command that comes next; exit code 6",
            ran.code == Some(6) && ran.stdout.contains(&says),
            || ran.seen(),
        )?;
        let ran = self
            .provision
            .run(&self.screen, &["destroy", EXAMPLE, "--yes"])
            .await?;
        self.screen.claim(
            &format!("refused with exit code 3: {b} is fenced, and the record of it would be lost"),
            ran.code == Some(3),
            || ran.seen(),
        )?;
        Ok(())
    }

    pub(super) async fn bring_back(&mut self) -> Result<(), DemoError> {
        let [a, b] = self.sites();
        self.screen
            .chapter(&format!("The link heals, and one command brings {b} back"));
        let written = self
            .stage
            .infinispan
            .world()
            .put(&a, CACHE, WRITTEN, "somebody")
            .is_ok();
        self.stage.infinispan.heal_link();
        let has = |play: &Self| {
            let world = play.stage.infinispan.world();
            world.entries(&b, CACHE).iter().any(|entry| entry == WRITTEN)
        };
        self.screen.claim(
            &format!("{a} has a login that {b} has not"),
            written && !has(self),
            || format!("written: {written}"),
        )?;
        let began = Instant::now();
        let ran = self
            .provision
            .run(&self.screen, &["rejoin", &b, EXAMPLE, "--yes"])
            .await?;
        let seconds = began.elapsed().as_secs();
        self.screen.claim(
            &format!("{b} is back after {seconds} s, 30 of them the wait for what had begun before"),
            ran.code == Some(0),
            || ran.seen(),
        )?;
        let view = self.show("Now:").await?;
        self.screen.claim(
            "both sites are in the accelerator, both serve, each replicates to the other",
            view.sites.iter().all(SiteView::is_whole),
            || view.seen(),
        )?;
        self.screen.claim(
            &format!("{b} has what was written while it was out"),
            has(self),
            || "it is not there".to_owned(),
        )?;
        let mail = self.mailbox.mail("both sites serve again").await;
        self.screen.claim(
            "and a mail says that both sites serve again",
            mail.is_some_and(|mail| {
                mail.message
                    .contains("serves:   both sites, according to the register\n")
            }),
            || format!("{:?}", self.mailbox.mails()),
        )?;
        self.claim_writes("with one more write to the accelerator", 2)?;
        let ran = self
            .provision
            .run(
                &self.screen,
                &["history", "1", EXAMPLE, "--report", "incident.html"],
            )
            .await?;
        let page = std::fs::read_to_string(self.stage.folder.path().join("incident.html"));
        let page = page.unwrap_or_default();
        self.screen.claim(
            "and for the post-mortem a page: what happened when, why, who did what",
            ran.code == Some(0) && page.contains("the alert fired") && page.contains("both serve again"),
            || format!("{}\n{page}", ran.seen()),
        )?;
        Ok(())
    }
}
