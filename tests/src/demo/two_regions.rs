//! The chapters of `--two-regions`: a function in each site's Region, the register in a third.
//!
//! ```text
//!   Alertmanager of a ──┬──▶ function in a's Region ──┐
//!                      ╲╱                             ├──▶ register in a third Region: one decision
//!                      ╱╲                             │
//!   Alertmanager of b ──┴──▶ function in b's Region ──┘
//! ```
//!
//! Act one is the ordinary case: four deliveries at the same time. Act two kills the first function between two
//! effects. The local AWS keeps Regions apart as AWS does and replicates secrets between them, at once; nothing
//! is slow or cut off between its Regions.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use fencing::register::State;
use provisioner::topology::names::StackKind;
use serde_json::json;

use super::look::View;
use super::play::Play;
use super::stage::ACCELERATOR;
use super::{DemoError, Programs, leftovers};
use crate::standins::accelerator::{self, Endpoint};
use crate::standins::infinispan::{self, BackupStatus};
use crate::standins::local_aws::{HttpAnswer, LocalAwsError};

/// The example that is played.
const EXAMPLE: &str = "local-two-regions.yaml";

/// How long one waits for what takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Alertmanager's first pause before it repeats what was answered 503.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// A delivery and its answer.
struct Delivered {
    /// The index of the site whose Alertmanager posted.
    reporter: usize,
    region: String,
    answer: HttpAnswer,
}

pub async fn play(programs: &Programs) -> Result<(), DemoError> {
    let title = "Sitefence: a function in each of two Regions, and one decision";
    let mut play = Play::begin(programs, title, EXAMPLE).await?;
    let topology = &play.stage.topology;
    play.screen.say(&format!(
        "Each site lives in a Region of its own, with a function beside it. The register is a table in {}, where no \
         site lives: a conditional write there is what makes two functions one fencer.",
        topology.register_region(topology.first_region())
    ));

    play.provision = play.provision.briefly();
    play.deploy(programs).await?;
    play.everybody_knows_both().await?;
    play.lose_each_other().await?;
    play.four_deliveries().await?;
    play.again().await?;
    play.killed_half_way().await?;
    play.the_other_finishes().await?;
    play.take_away().await?;
    play.screen.end();
    Ok(())
}

impl Play {
    fn regions(&self) -> [String; 2] {
        let regions = &self.stage.topology.regions;
        [0, 1].map(|index| regions.get(index).map(ToString::to_string).unwrap_or_default())
    }

    fn url_in(&self, region: &str) -> &str {
        self.urls.get(region).map(String::as_str).unwrap_or_default()
    }

    /// Both clusters' Alertmanagers post to both functions, with one password.
    async fn everybody_knows_both(&mut self) -> Result<(), DemoError> {
        self.screen.chapter("Every Alertmanager knows both functions");
        for site in self.sites() {
            let config = self.rendered(&site, "AlertmanagerConfig")?.to_string();
            let topology = &self.stage.topology;
            let mut keys = topology.regions.iter().map(|region| topology.url_key(region));
            let has_all = keys.all(|key| config.contains(&format!("\"{key}\"")));
            self.screen.claim(
                &format!("the AlertmanagerConfig of {site} has a receiver for each function"),
                has_all,
                || config.clone(),
            )?;
        }
        let name = self.stage.topology.webhook_secret_name();
        let [here, there] = self.regions();
        let original = self.stage.aws.secret(&here, &name).await?;
        let replica = self.stage.aws.secret(&there, &name).await?;
        self.screen.claim(
            &format!("the password was generated in {here} and replicated to {there}"),
            original == replica,
            || "the two differ".to_owned(),
        )?;
        self.stop_the_schedules().await?;
        let leftover = self.stage.topology.stack_name(StackKind::Register);
        let region = self
            .stage
            .topology
            .register_region(self.stage.topology.first_region());
        let stands = leftovers::of(&self.stage)
            .await?
            .contains(&format!("{region}: stack {leftover}"));
        self.screen
            .claim(&format!("the register is in {region}, once"), stands, || {
                leftover.clone()
            })
            .map_err(Into::into)
    }

    /// Each function's schedule would finish what the other left open, too, within a minute. Here the alerts shall
    /// be seen to do it.
    async fn stop_the_schedules(&self) -> Result<(), DemoError> {
        let rule = json!({"Name": self.stage.topology.schedule_name()});
        for region in self.regions() {
            self.stage
                .aws
                .json_call(&region, "events", "AWSEvents.DisableRule", &rule)
                .await?;
        }
        Ok(())
    }

    async fn deliver(&self, reporter: usize, region: &str) -> Result<Delivered, DemoError> {
        let (answer, _) = self
            .post_to(self.url_in(region), &self.credentials, reporter)
            .await?;
        Ok(Delivered {
            reporter,
            region: region.to_owned(),
            answer,
        })
    }

    fn tell(&self, deliveries: &[&Delivered]) {
        let sites = self.sites();
        let rows: Vec<Vec<String>> = deliveries
            .iter()
            .map(|delivered| {
                let from = sites.get(delivered.reporter).cloned().unwrap_or_default();
                vec![
                    from,
                    delivered.region.clone(),
                    delivered.answer.status.to_string(),
                ]
            })
            .collect();
        self.screen
            .table(&["Alertmanager of", "function in", "answer"], &rows);
        let sentences: BTreeSet<&str> = deliveries
            .iter()
            .flat_map(|delivered| delivered.answer.body.lines())
            .collect();
        for sentence in sentences {
            self.screen.quote(sentence);
        }
    }

    fn writes(&self) -> Vec<accelerator::Call> {
        self.stage.accelerator.writes()
    }

    /// The calls that cut replication.
    fn cuts(&self) -> Vec<infinispan::Call> {
        self.stage.infinispan.calls().matching(|call| {
            call.request.starts_with("POST ") && call.request.contains("action=take-offline")
        })
    }

    /// Both sites' Alertmanagers post to both functions at the same time.
    async fn four_deliveries(&mut self) -> Result<(), DemoError> {
        self.screen
            .chapter("Both sites report each other, to both functions, at once");
        let [here, there] = self.regions();
        let (one, two, three, four) = tokio::try_join!(
            self.deliver(0, &here),
            self.deliver(1, &here),
            self.deliver(0, &there),
            self.deliver(1, &there),
        )?;
        let all = [&one, &two, &three, &four];
        self.tell(&all);
        let view = self.show("After:").await?;
        let survivor = view.survivor().unwrap_or_default();
        let decided = view.register.as_ref().is_some_and(|record| record.epoch.0 == 1);
        self.screen.claim(
            &format!("one decision was made: epoch 1, {survivor} survives"),
            decided && view.state() == State::Complete,
            || view.seen(),
        )?;
        let survivors = view.sites.iter().filter(|site| site.is_whole()).count();
        self.screen.claim(
            "one site is left in the accelerator, and it serves",
            survivors == 1,
            || view.seen(),
        )?;

        let done: Vec<&&Delivered> = all
            .iter()
            .filter(|delivered| delivered.answer.status == 200)
            .collect();
        self.screen.claim(
            "a 200 went to the survivor's Alertmanager, or said that nothing changes",
            done.iter()
                .any(|delivered| self.sites()[delivered.reporter] == survivor)
                && done.iter().all(|delivered| {
                    self.sites()[delivered.reporter] == survivor
                        || delivered.answer.body.contains("changes nothing")
                }),
            || {
                format!(
                    "{:?}",
                    all.map(|delivered| (delivered.reporter, delivered.answer.status))
                )
            },
        )?;
        self.screen.claim(
            "the others were answered to try again (503), or that the other site survives",
            all.iter()
                .all(|delivered| [200, 503].contains(&delivered.answer.status)),
            || format!("{:?}", all.map(|delivered| delivered.answer.clone())),
        )?;

        let (writes, cuts) = (self.writes(), self.cuts());
        let groups: BTreeSet<String> = writes
            .iter()
            .map(|call| call.input["EndpointGroupArn"].to_string())
            .collect();
        self.screen.claim(
            &format!(
                "one executor did the work: {} write to the accelerator, {} call to cut replication, none twice",
                writes.len(),
                cuts.len()
            ),
            groups.len() == writes.len() && !writes.is_empty() && cuts.len() == 1,
            || format!("{writes:?} {cuts:?}"),
        )?;
        let decisions = self.decisions().await?;
        self.screen
            .claim("the history holds one decision", decisions == 1, || {
                decisions.to_string()
            })?;

        self.screen.say("Alertmanager repeats what was answered 503:");
        let mut repeated = Vec::new();
        for delivered in all.into_iter().filter(|delivered| delivered.answer.status == 503) {
            repeated.push(self.deliver(delivered.reporter, &delivered.region).await?);
        }
        self.tell(&repeated.iter().collect::<Vec<_>>());
        let fit = repeated.iter().all(|delivered| delivered.answer.status == 200);
        let is_quiet = self.writes().len() == writes.len() && self.cuts().len() == cuts.len();
        self.screen
            .claim(
                "the survivor's is done, the other's changes nothing",
                fit && is_quiet,
                || {
                    format!(
                        "{:?}",
                        repeated.iter().map(|it| it.answer.clone()).collect::<Vec<_>>()
                    )
                },
            )
            .map_err(Into::into)
    }

    /// How many decisions the history holds.
    async fn decisions(&self) -> Result<usize, DemoError> {
        let topology = &self.stage.topology;
        let region = topology.register_region(topology.first_region());
        let items = self
            .stage
            .aws
            .items(region.as_str(), &topology.table_name())
            .await?;
        let history = format!("{}#history#", topology.name);
        let epochs: BTreeSet<(String, String)> = items
            .iter()
            .filter(|item| item["pk"].as_str().is_some_and(|key| key.starts_with(&history)))
            .filter(|item| item["decision"].is_object())
            .map(|item| {
                (
                    item["epoch"].to_string(),
                    item["decision"]["survivor"].to_string(),
                )
            })
            .collect();
        Ok(epochs.len())
    }

    /// Sets the stage as it was before the sites lost each other.
    async fn again(&mut self) -> Result<(), DemoError> {
        self.screen.chapter("The stage is set again");
        self.screen.say(
            "Bringing a site back is another story. Here the demo itself puts everything back as it was: the \
             endpoint, replication, the link, an empty register, and functions that remember nothing. Then the sites \
             lose each other once more. (The schedule, which would also finish an open decision within a minute, is \
             switched off: what follows is done by the alerts alone.)",
        );
        self.stage.infinispan.heal_link();
        let sites = self.sites();
        for (index, site) in sites.iter().enumerate() {
            self.stage
                .infinispan
                .world()
                .set_replication(site, BackupStatus::Online);
            let region = self.stage.topology.sites[index].region.to_string();
            let endpoint = Endpoint::healthy(&self.stage.balancers[index]);
            self.stage
                .accelerator
                .world()
                .add_by_hand(ACCELERATOR, &region, &endpoint);
        }
        self.empty_register().await?;
        for region in self.regions() {
            self.kill(&region)?;
        }
        self.stage.accelerator.calls().forget();
        self.stage.infinispan.calls().forget();
        let view = self.show("Before:").await?;
        self.screen.claim(
            "both sites serve, nothing is decided",
            view.sites.iter().all(super::look::SiteView::is_whole) && view.state() == State::Open,
            || view.seen(),
        )?;
        self.stage.infinispan.cut_link();
        Ok(())
    }

    fn kill(&self, region: &str) -> Result<usize, DemoError> {
        let function = self.stage.topology.function_name();
        let killed = self.stage.aws.kill_function(region, &function);
        killed.map_err(DemoError::file("/proc"))
    }

    async fn empty_register(&self) -> Result<(), DemoError> {
        let topology = &self.stage.topology;
        let (region, table) = (
            topology.register_region(topology.first_region()),
            topology.table_name(),
        );
        let client = aws_sdk_dynamodb::Client::new(&self.stage.aws.sdk_config(region.as_str()));
        for item in self.stage.aws.items(region.as_str(), &table).await? {
            let key = item["pk"].as_str().unwrap_or_default().to_owned();
            let deleted = client
                .delete_item()
                .table_name(&table)
                .key("pk", AttributeValue::S(key))
                .send()
                .await;
            deleted.map_err(|error| LocalAwsError::Call {
                call: "DeleteItem",
                message: error.to_string(),
            })?;
        }
        Ok(())
    }

    /// The first function dies after it has taken the lost site out, before it has cut replication.
    async fn killed_half_way(&mut self) -> Result<(), DemoError> {
        let [a, b] = self.sites();
        let [here, _] = self.regions();
        self.screen
            .chapter(&format!("The function in {here} dies half-way"));
        // The call takes effect, its answer never comes: the moment to die in.
        self.stage.accelerator.faults().next(
            accelerator::Operation::UpdateEndpointGroup,
            1,
            &accelerator::Fault::AppliedThenHang,
        );
        self.screen
            .command(&format!("POST {}  (Alertmanager of {a})", self.url_in(&here)));
        let death = async {
            let calls = self.stage.accelerator.calls();
            let reached = calls.reached(PATIENCE, |calls| calls.iter().any(accelerator::Call::took_effect));
            if reached.await { self.kill(&here) } else { Ok(0) }
        };
        let (answer, killed) = tokio::join!(self.deliver(0, &here), death);
        let killed = killed?;
        let told = match answer {
            Ok(delivered) => format!("answered {}", delivered.answer.status),
            Err(_) => "answered by nobody".to_owned(),
        };
        self.screen.claim(
            &format!(
                "its process was killed right after {b} left the accelerator; {a}'s Alertmanager is {told}"
            ),
            killed > 0,
            || format!("{killed} processes were killed"),
        )?;
        let view = self.show("What it leaves:").await?;
        let [at_a, at_b] = &view.sites;
        self.screen.claim(
            &format!("{b} is out, but {a} still waits for it: a login there fails"),
            at_b.endpoint.is_none() && !at_a.serves && at_a.replication == Some(BackupStatus::Online),
            || view.seen(),
        )?;
        let record = view.register.clone();
        let claim = record.as_ref().and_then(|record| record.claim.clone());
        self.screen
            .claim(
                &format!(
                    "the register says: decided, epoch 1, and who was at work until when ({})",
                    claim
                        .as_ref()
                        .map(|claim| claim.until.to_string())
                        .unwrap_or_default()
                ),
                view.state() == State::Decided && claim.is_some(),
                || view.seen(),
            )
            .map_err(Into::into)
    }

    /// The other function leaves the work to the claim's holder as long as the claim is fresh, then does it.
    async fn the_other_finishes(&mut self) -> Result<(), DemoError> {
        let [a, b] = self.sites();
        let [_, there] = self.regions();
        self.screen
            .chapter(&format!("The function in {there} finishes it"));
        let ttl =
            self.stage.topology.claim.renew_interval.seconds() * self.stage.topology.claim.failure_threshold;
        let writes = self.writes().len();
        let began = Instant::now();
        let mut last = self.deliver(0, &there).await?;
        self.tell(&[&last]);
        self.screen.claim(
            "at first the answer is that somebody is at work, and nothing is done",
            last.answer.status == 503 && self.writes().len() == writes && self.cuts().is_empty(),
            || format!("{:?}", last.answer),
        )?;
        let mut tries = 1;
        while last.answer.status == 503 && began.elapsed() < PATIENCE {
            tokio::time::sleep(RETRY_PAUSE).await;
            last = self.deliver(0, &there).await?;
            tries += 1;
        }
        self.screen.say(&format!(
            "Alertmanager tried again {tries} times, for {:.1} s; the claim had {ttl} s:",
            began.elapsed().as_secs_f64()
        ));
        self.tell(&[&last]);
        let view = self.show("After:").await?;
        let [at_a, at_b] = &view.sites;
        self.screen.claim(
            &format!("{a} serves again, {b} is out, replication to it is cut"),
            at_a.is_whole() && at_b.endpoint.is_none() && at_a.replication == Some(BackupStatus::Offline),
            || view.seen(),
        )?;
        let epoch = view.register.as_ref().map_or(0, |record| record.epoch.0);
        self.screen.claim(
            "it is the first one's decision, complete: epoch 1 still",
            view.state() == State::Complete && epoch == 1 && last.answer.status == 200,
            || view.seen(),
        )?;
        let cuts = self.cuts().len();
        self.screen
            .claim("replication was cut by one call", cuts == 1, || cuts.to_string())?;
        let late = self.deliver(1, &there).await?;
        self.tell(&[&late]);
        self.screen
            .claim(
                &format!("what {b} says about {a} changes nothing"),
                late.answer.status == 200,
                || format!("{:?}", late.answer),
            )
            .map_err(Into::into)
    }

    async fn take_away(&mut self) -> Result<(), DemoError> {
        self.screen.chapter("Removed again, from three Regions");
        self.destroy_all(
            &["--force"],
            "everything that apply made is removed",
            "no stack, function, table, bucket, secret, role or log group is left in any of them",
        )
        .await
    }
}

impl View {
    fn survivor(&self) -> Option<String> {
        let decision = self.register.as_ref()?.decision.as_ref()?;
        Some(decision.survivor.0.to_string())
    }
}
