//! The chapters.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fencing::register::State;
use jiff::Timestamp;
use serde_json::Value;

use super::look::{self, View};
use super::provision::Provision;
use super::screen::Screen;
use super::stage::{EXAMPLE, Stage};
use super::{DemoError, Programs, alert, leftovers};
use crate::standins::infinispan::BackupStatus;
use crate::standins::local_aws::HttpAnswer;

/// The alert that says a site is gone.
pub(super) const SITE_OFFLINE: &str = "SiteOffline";

/// Plays all of it.
pub async fn play(programs: &Programs) -> Result<(), DemoError> {
    let mut screen = Screen::new();
    screen.title("Sitefence: two sites lose each other, and one goes on serving");

    screen.chapter("The stage");
    let stage = Stage::set(&programs.examples, EXAMPLE).await?;
    show_stage(&screen, &stage);

    let mut play = Play::new(programs, stage, screen);
    play.deploy(programs).await?;
    play.lose_each_other().await?;
    play.first_report().await?;
    play.second_report().await?;
    play.apply_again().await?;
    play.destroy().await?;
    play.screen.end();
    Ok(())
}

pub(super) fn show_stage(screen: &Screen, stage: &Stage) {
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
    /// By Region, the function's URL.
    pub(super) urls: BTreeMap<String, String>,
    /// What Alertmanager sends as its Authorization header.
    pub(super) credentials: String,
}

impl Play {
    pub(super) fn new(programs: &Programs, stage: Stage, screen: Screen) -> Self {
        Self {
            provision: Provision::new(
                &programs.provision,
                stage.folder.path(),
                stage.aws.client_environment(),
            ),
            stage,
            screen,
            urls: BTreeMap::new(),
            credentials: String::new(),
        }
    }

    pub(super) async fn deploy(&mut self, programs: &Programs) -> Result<(), DemoError> {
        self.screen.chapter("One command deploys");
        self.stage.pack(&programs.function)?;
        let ran = self
            .provision
            .run(&self.screen, &["render", self.stage.example, "-o", "out"])
            .await?;
        self.screen.claim(
            "every document can be reviewed first",
            ran.code == Some(0),
            || ran.seen(),
        )?;
        let began = Instant::now();
        let arguments = [
            "apply",
            self.stage.example,
            "--yes",
            "--only",
            "aws",
            "--function-zip",
            "function.zip",
            "--output",
            "json",
        ];
        let ran = self.provision.run(&self.screen, &arguments).await?;
        let seconds = began.elapsed().as_secs_f64();
        let claim = format!("deployed in {seconds:.0} s");
        self.screen.claim(&claim, ran.code == Some(0), || ran.seen())?;
        let applied = ran.json()?;
        let urls = applied["webhookUrls"].as_object();
        self.urls = urls
            .into_iter()
            .flatten()
            .filter_map(|(region, url)| Some((region.clone(), url.as_str()?.to_owned())))
            .collect();
        let name = self.stage.topology.webhook_secret_name();
        let secret = self.stage.aws.secret(self.stage.region(), &name).await?;
        let secret: Value = serde_json::from_str(&secret).unwrap_or(Value::String(secret));
        let password = secret["password"]
            .as_str()
            .or(secret.as_str())
            .unwrap_or_default()
            .to_owned();
        self.credentials = self.basic(&password);
        self.screen.claim(
            &format!(
                "a password for the webhook was generated: {} characters, typed by nobody",
                password.len()
            ),
            password.len() >= 32,
            || format!("the secret {name} holds {} characters", password.len()),
        )?;
        self.claim_writes("the accelerator was read and not touched", 0)?;

        let view = self.show("Before:").await?;
        self.screen
            .claim(
                "both sites are in the accelerator and serve",
                view.sites.iter().all(look::SiteView::is_whole),
                || view.seen(),
            )
            .map_err(Into::into)
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
        let wrong = self.basic("changeme");
        let answer = self.post(&wrong, 0).await?.0;
        self.screen.claim(
            &format!("whoever does not know the password is answered {}", answer.status),
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
            "{b} lives, and sees as little of {a} as {a} of it. Its alert must not take the last site away."
        ));
        let (answer, _) = self.report(1).await?;
        self.screen.claim(
            &format!("answered {}: not now", answer.status),
            answer.status == 429,
            || format!("{answer:?}"),
        )?;
        let (again, _) = self.report(0).await?;
        self.screen.claim(
            &format!(
                "{a}'s alert, sent again, is answered {}: it is so already",
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
        let began = Instant::now();
        let arguments = [
            "apply",
            self.stage.example,
            "--yes",
            "--only",
            "aws",
            "--function-zip",
            "function.zip",
            "--output",
            "json",
        ];
        let ran = self.provision.run(&self.screen, &arguments).await?;
        let seconds = began.elapsed().as_secs_f64();
        let nothing = ran.code == Some(0) && ran.json()?["changed"] == false;
        self.screen
            .claim(&format!("nothing to do, said in {seconds:.1} s"), nothing, || {
                ran.seen()
            })?;
        let view = View::of(&self.stage).await?;
        self.screen.claim(
            &format!("{b} was not put back"),
            view.sites[1].endpoint.is_none(),
            || view.seen(),
        )?;
        self.claim_writes("and the accelerator was not touched", 1)
    }

    async fn destroy(&mut self) -> Result<(), DemoError> {
        let [_, b] = self.sites();
        self.screen.chapter("Taken away again");
        let ran = self
            .provision
            .run(
                &self.screen,
                &["destroy", self.stage.example, "--yes", "--only", "aws"],
            )
            .await?;
        self.screen.claim(
            &format!("refused with exit code 3: {b} is fenced, and the record of it would be lost"),
            ran.code == Some(3),
            || ran.seen(),
        )?;
        let ran = self
            .provision
            .run(
                &self.screen,
                &["destroy", self.stage.example, "--yes", "--force", "--only", "aws"],
            )
            .await?;
        self.screen.claim(
            "forced, it removes all that apply made",
            ran.code == Some(0),
            || ran.seen(),
        )?;
        let left = leftovers::of(&self.stage).await?;
        self.screen.claim(
            "no stack, function, table, bucket, secret, role or log group is left",
            left.is_empty(),
            || left.join("\n"),
        )?;
        let ran = self
            .provision
            .run(
                &self.screen,
                &["destroy", self.stage.example, "--yes", "--only", "aws"],
            )
            .await?;
        self.screen
            .claim("destroyed again: nothing there", ran.code == Some(0), || {
                ran.seen()
            })?;
        self.claim_writes("the accelerator is as the fence left it", 1)
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
        let rule = self.rendered(reporting.name.as_str(), "PrometheusRule")?;
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

    async fn show_log(&self) -> Result<(), DemoError> {
        let group = self.stage.topology.log_group_name();
        self.screen.say("What the function says about it in its log:");
        let mut last = String::new();
        for line in self.stage.aws.log_lines(self.stage.region(), &group).await? {
            if let Ok(entry) = serde_json::from_str::<Value>(&line)
                && let Some(sentence) = entry["message"].as_str()
                // The decision and the answer are the same sentence.
                && last != sentence
            {
                self.screen.quote(sentence);
                sentence.clone_into(&mut last);
            }
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

    fn basic(&self, password: &str) -> String {
        let user = &self.stage.topology.webhook.username;
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }

    pub(super) fn sites(&self) -> [String; 2] {
        [0, 1].map(|index| self.stage.site(index).to_owned())
    }
}
