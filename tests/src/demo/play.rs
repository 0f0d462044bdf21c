//! The chapters.

mod back;
mod keep;
mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use fencing::register::State;
use jiff::Timestamp;
use serde_json::Value;

use super::look::{self, View};
use super::monitoring::{self, Monitoring};
use super::provision::{Provision, Ran};
use super::screen::Screen;
use super::stage::{EXAMPLE, Stage};
use super::{DemoError, Programs, alert, clusters, leftovers};
use crate::standins::infinispan::BackupStatus;
use crate::standins::local_aws::HttpAnswer;
use crate::standins::mailbox::{Mail, Mailbox};

pub use keep::keep;

/// The alert that says a site is gone.
pub(super) const SITE_OFFLINE: &str = "SiteOffline";

pub async fn play(programs: &Programs) -> Result<(), DemoError> {
    let title = "Sitefence: two sites lose each other, and one keeps serving";
    let mut play = Play::begin(programs, title, EXAMPLE).await?;
    play.deploy(programs).await?;
    play.watch_the_watchman().await?;
    play.lose_each_other().await?;
    play.first_report().await?;
    play.second_report().await?;
    play.apply_again().await?;
    play.how_things_stand().await?;
    play.bring_back().await?;
    play.destroy().await?;
    play.screen.end();
    Ok(())
}

fn show_stage(screen: &Screen, stage: &Stage) {
    let [a, b] = [0, 1].map(|index| stage.site(index).to_owned());
    let infinispan = |site: &str| {
        stage
            .infinispan
            .site(site)
            .map(|site| site.url())
            .unwrap_or_default()
    };
    let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
    screen.table(
        &["what", "where", "which is"],
        &[
            row(["AWS", &stage.aws.url(), "ministack, checks role policies"]),
            row(["Global Accelerator", &stage.accelerator.url(), "a stand-in"]),
            row([
                &format!("Infinispan of {a}"),
                &infinispan(&a),
                "a stand-in, 2 nodes",
            ]),
            row([
                &format!("Infinispan of {b}"),
                &infinispan(&b),
                "a stand-in, 2 nodes",
            ]),
            row([
                &format!("cluster of {a}"),
                &stage.clusters[0].url(),
                clusters::what(stage, 0),
            ]),
            row([
                &format!("cluster of {b}"),
                &stage.clusters[1].url(),
                clusters::what(stage, 1),
            ]),
        ],
    );
    screen.say(&format!(
        "Both sites serve: each has a balancer in the accelerator, and each replicates to the other. The topology is \
         examples/{}, with this run's Infinispan ports.",
        stage.example
    ));
}

pub(super) struct Play {
    pub(super) stage: Stage,
    pub(super) provision: Provision,
    pub(super) screen: Screen,
    /// Where everybody's mails arrive.
    pub(super) mailbox: Mailbox,
    /// By Region, the function's URL.
    pub(super) urls: BTreeMap<String, String>,
    /// What Alertmanager sends as its Authorization header.
    pub(super) credentials: String,
    /// What nobody may see.
    pub(super) password: String,
    /// What `provision` printed for programs, which the screen does not show.
    pub(super) outputs: String,
}

impl Play {
    /// Sets the stage and shows it.
    pub(super) async fn begin(
        programs: &Programs,
        title: &str,
        example: &'static str,
    ) -> Result<Self, DemoError> {
        let mut screen = Screen::new();
        screen.title(title);
        screen.chapter("The stage");
        let stage = Stage::set(&programs.examples, example).await?;
        show_stage(&screen, &stage);
        Ok(Self {
            provision: Provision::new(&programs.provision, stage.folder.path(), stage.environment()),
            stage,
            screen,
            mailbox: Mailbox::start()?,
            urls: BTreeMap::new(),
            credentials: String::new(),
            password: String::new(),
            outputs: String::new(),
        })
    }

    /// Applies while the clusters' monitoring does its part, and says how many seconds that took.
    pub(super) async fn apply(&self, monitoring: &Monitoring) -> Result<(Ran, f64), DemoError> {
        let began = Instant::now();
        let mut arguments = vec!["apply", self.stage.example, "--yes", "--output", "json"];
        arguments.extend(self.stage.function_flags());
        let ran = tokio::select! {
            ran = self.provision.run(&self.screen, &arguments) => ran?,
            error = monitoring.run(&self.stage) => return Err(error),
        };
        Ok((ran, began.elapsed().as_secs_f64()))
    }

    /// Takes everything away, with these flags.
    pub(super) async fn destroy_all(
        &mut self,
        flags: &[&str],
        removed: &str,
        nothing_left: &str,
    ) -> Result<(), DemoError> {
        let mut arguments = vec!["destroy", self.stage.example, "--yes"];
        arguments.extend(flags);
        let ran = self.provision.run(&self.screen, &arguments).await?;
        self.screen.claim(removed, ran.code == Some(0), || ran.seen())?;
        let left = leftovers::of(&self.stage).await?;
        self.screen
            .claim(nothing_left, left.is_empty(), || left.join("\n"))?;
        self.claim_clusters_as_before()
    }

    pub(super) async fn lose_each_other(&mut self) -> Result<(), DemoError> {
        self.screen.chapter("The sites lose each other");
        self.stage.infinispan.cut_link();
        let view = self.show("Now:").await?;
        self.screen
            .claim(
                "no site serves: each waits for a backup that cannot be reached",
                view.sites.iter().all(|site| !site.serves),
                || view.seen(),
            )
            .map_err(Into::into)
    }

    async fn first_report(&mut self) -> Result<(), DemoError> {
        let [a, b] = self.sites();
        self.screen
            .chapter(&format!("{a}'s monitoring reports {b} offline"));
        let user = &self.stage.topology.webhook.username;
        let wrong = monitoring::basic(user.as_str(), "changeme");
        let answer = self.post(&wrong, 0).await?.0;
        self.screen.claim(
            &format!(
                "a caller who does not know the password is answered {}",
                answer.status
            ),
            answer.status == 403 || answer.status == 401,
            || format!("{answer:?}"),
        )?;
        self.claim_writes("and nothing happened", 0)?;

        let (answer, milliseconds) = self.report(0).await?;
        self.screen.claim(
            &format!("answered {} after {milliseconds} ms", answer.status),
            answer.status == 200,
            || format!("{answer:?}"),
        )?;
        let view = self.show("After:").await?;
        let [at_a, at_b] = &view.sites;
        self.screen
            .claim(&format!("{a} serves again"), at_a.is_whole(), || view.seen())?;
        self.screen.claim(
            &format!("{b} is out of the accelerator: nobody is sent there"),
            at_b.endpoint.is_none(),
            || view.seen(),
        )?;
        self.screen.claim(
            &format!("replication to {b} is cut at {a}, and only there"),
            at_a.replication == Some(BackupStatus::Offline) && at_b.replication == Some(BackupStatus::Online),
            || view.seen(),
        )?;
        self.screen.claim(
            "the decision is recorded as complete",
            view.state() == State::Complete,
            || view.seen(),
        )?;
        self.claim_writes("with one write to the accelerator", 1)?;
        self.show_log().await
    }

    async fn second_report(&mut self) -> Result<(), DemoError> {
        let [a, b] = self.sites();
        self.screen
            .chapter(&format!("{b}'s monitoring reports {a} offline, too"));
        self.screen.say(&format!(
            "{b} is alive, and does not see {a} either. Its alert must not take the last site out."
        ));
        let (answer, _) = self.report(1).await?;
        self.screen.claim(
            &format!("answered {}: received, and there is nothing to do", answer.status),
            answer.status == 200,
            || format!("{answer:?}"),
        )?;
        let (again, _) = self.report(0).await?;
        self.screen.claim(
            &format!(
                "{a}'s alert, sent again, is answered {}: nothing is left to do",
                again.status
            ),
            again.status == 200,
            || format!("{again:?}"),
        )?;
        let view = self.show("Still:").await?;
        let [at_a, at_b] = &view.sites;
        self.screen.claim(
            "one site survives",
            at_a.is_whole() && at_b.endpoint.is_none() && at_b.replication == Some(BackupStatus::Online),
            || view.seen(),
        )?;
        self.claim_writes("neither alert wrote anything", 1)
    }

    async fn apply_again(&mut self) -> Result<(), DemoError> {
        let [_, b] = self.sites();
        self.screen.chapter("Applied again while fenced");
        // Where the way here took minutes, the watchdogs are waited for once more.
        let (ran, seconds) = self.apply(&Monitoring::new()).await?;
        let nothing = ran.code == Some(0) && ran.json()?["changed"] == false;
        self.screen.claim(
            &format!("nothing to do, found in {seconds:.1} s"),
            nothing,
            || ran.seen(),
        )?;
        let view = View::of(&self.stage).await?;
        self.screen.claim(
            &format!("{b} was not put back"),
            view.sites[1].endpoint.is_none(),
            || view.seen(),
        )?;
        self.claim_writes("and the accelerator was not touched", 1)
    }

    async fn destroy(&mut self) -> Result<(), DemoError> {
        self.screen.chapter("Removed again");
        self.destroy_all(
            &[],
            "it removes all that apply made",
            "no stack, function, table, bucket, secret, role or log group is left",
        )
        .await?;
        let ran = self
            .provision
            .run(&self.screen, &["destroy", self.stage.example, "--yes"])
            .await?;
        self.screen.claim(
            "destroyed once more: nothing was left",
            ran.code == Some(0),
            || ran.seen(),
        )?;
        self.claim_writes("and leaves the accelerator as it is", 2)?;
        self.claim_unseen("and to the end nobody has seen the password")
    }

    /// Posts the alert that the site of this index sends about the other one, as its Alertmanager does.
    async fn report(&self, reporter: usize) -> Result<(HttpAnswer, u128), DemoError> {
        let [a, b] = self.sites();
        let from = if reporter == 0 { a } else { b };
        self.screen
            .command(&format!("POST {}  (Alertmanager of {from})", self.url()));
        let (answer, milliseconds) = self.post(&self.credentials, reporter).await?;
        self.screen.quote(answer.body.trim_end());
        Ok((answer, milliseconds))
    }

    /// Where the first Region's function answers.
    fn url(&self) -> &str {
        let url = self.urls.get(self.stage.region());
        url.map(String::as_str).unwrap_or_default()
    }

    async fn post(&self, authorization: &str, reporter: usize) -> Result<(HttpAnswer, u128), DemoError> {
        self.post_to(self.url(), authorization, reporter).await
    }

    pub(super) async fn post_to(
        &self,
        url: &str,
        authorization: &str,
        reporter: usize,
    ) -> Result<(HttpAnswer, u128), DemoError> {
        let payload = self.payload(reporter)?;
        let headers = [
            ("authorization", authorization),
            ("content-type", "application/json"),
            ("user-agent", "Alertmanager/0.28.1"),
        ];
        let began = Instant::now();
        let answer = self
            .stage
            .aws
            .post(url, "webhook", &headers, payload.to_string())
            .await?;
        Ok((answer, began.elapsed().as_millis()))
    }

    fn payload(&self, reporter: usize) -> Result<Value, DemoError> {
        let (reporting, suspected) = (
            &self.stage.topology.sites[reporter],
            self.stage.site(1 - reporter),
        );
        let rule = clusters::ours(&self.stage, reporter, "PrometheusRule").unwrap_or_default();
        let labels = alert::labels(&rule, SITE_OFFLINE, reporting.namespace.as_str(), suspected)?;
        let name = self.stage.topology.object_name();
        let receiver = format!("{}/{name}/{name}", reporting.namespace);
        Ok(alert::payload(&labels, &receiver, Timestamp::now()))
    }

    /// A document that `provision render` wrote for a site's cluster.
    pub(super) fn rendered(&self, site: &str, kind: &str) -> Result<Value, DemoError> {
        let folder = self.stage.folder.path().join("out/clusters").join(site);
        for entry in fs::read_dir(&folder).map_err(DemoError::file(&folder))? {
            let path = entry.map_err(DemoError::file(&folder))?.path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = fs::read_to_string(&path).map_err(DemoError::file(&path))?;
            if let Ok(document) = serde_yaml::from_str::<Value>(&text)
                && document["kind"] == kind
            {
                return Ok(document);
            }
        }
        Err(DemoError::Example {
            path: folder,
            reason: format!("no {kind} was rendered"),
        })
    }

    pub(super) async fn show(&self, heading: &str) -> Result<View, DemoError> {
        let view = View::of(&self.stage).await?;
        self.screen.say(heading);
        self.screen.table(&look::COLUMNS, &view.rows());
        self.screen.say(&view.register_text());
        Ok(view)
    }

    /// The mail with this in its subject, on the screen.
    pub(super) async fn show_mail(&self, about: &str) -> Result<Mail, DemoError> {
        let mail = self.mailbox.mail(about).await;
        let mail = mail.ok_or_else(|| DemoError::NoMail {
            about: about.to_owned(),
            subjects: self
                .mailbox
                .mails()
                .into_iter()
                .map(|mail| mail.subject)
                .collect(),
        })?;
        self.quote_mail(&mail);
        Ok(mail)
    }

    fn quote_mail(&self, mail: &Mail) {
        self.screen.quote(&format!("Subject: {}", mail.subject));
        for line in mail.message.lines() {
            self.screen.quote(line);
        }
    }

    async fn show_log(&self) -> Result<(), DemoError> {
        let group = self.stage.topology.log_group_name();
        self.screen.say("What the function says about it in its log:");
        let lines = self.stage.aws.log_lines(self.stage.region(), &group).await?;
        let sentences = lines.iter().filter_map(|line| {
            let entry: Value = serde_json::from_str(line).ok()?;
            entry["message"].as_str().map(str::to_owned)
        });
        // What came before is the chapter about the watchman.
        let about_it = sentences.skip_while(|sentence| !sentence.starts_with("fencing "));
        let mut last = String::new();
        // The decision and the answer are the same sentence, the first of them with the request's id.
        for sentence in about_it.filter(|sentence| !sentence.is_empty()) {
            if last.is_empty() || !last.starts_with(&sentence) {
                self.screen.quote(&sentence);
            }
            last = sentence;
        }
        Ok(())
    }

    pub(super) fn claim_writes(&mut self, claim: &str, expected: usize) -> Result<(), DemoError> {
        let writes = self.stage.accelerator.writes();
        self.screen.claim(claim, writes.len() == expected, || {
            format!(
                "it saw {} writes: {}",
                writes.len(),
                writes
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        })?;
        Ok(())
    }

    pub(super) fn sites(&self) -> [String; 2] {
        [0, 1].map(|index| self.stage.site(index).to_owned())
    }
}
