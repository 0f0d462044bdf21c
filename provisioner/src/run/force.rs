//! `fence --force` and `reconcile`: a fence where the functions, or their register, are out of reach.
//!
//! ```text
//!   the register answers ──▶ the protocol, here, on the register: as another Region's function would
//!   it does not ──▶ stop the functions in every Region ─▶ wait ─▶ the protocol, here, without the register
//!                        ─▶ … ─▶ reconcile: the same on the register ─▶ functions run again
//! ```
//!
//! A lock is of no use to the protocol, and a decision that nobody can read is none. So where the register does not
//! answer, nothing else may decide: the functions' concurrency goes to 0, which is read back, and whatever they had under
//! way ends within twice their timeout. Only then is anything touched. What is done is the protocol's own task, run by the
//! function's own driver in this process ([`Direct`]), with all that it looks at before and after each write; only the
//! register is a record in memory. Interrupted anywhere, the same command goes on, since nothing of it is relative.
//!
//! The functions stay stopped until the register says the same. Were they to run before that, and it held a decision the
//! other way half carried out, the next sweep would finish it: both sites cut off, or nobody in the accelerator. What was
//! done stands at the functions as tags, where `status` finds it.

use std::time::Duration;

use fencing::answer::{Answer, Next, Status};
use fencing::register::{Record, State};
use fencing::replication::Backup;
use fencing::settings::Settings;
use fencing::step::Task;
use fencing::words::Token;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Failure, Session, observe};
use crate::observed::forced::{ForcedFence, ForcedStep, KEYS};
use crate::report::Operated;
use crate::topology::{Loaded, Region, Site, SiteName, Topology};
use crate::world::direct::Direct;
use crate::world::functions::Functions;

/// How often a task is begun again that a dependency failed, and after how long.
const RETRIES: u32 = 10;
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// The function of one Region.
struct Deployed {
    region: Region,
    functions: Functions,
    arn: String,
    settings: Settings,
    left: Option<ForcedFence>,
}

/// One command, and all that it needs.
struct Forcing<'a> {
    session: &'a Session,
    topology: &'a Topology,
    name: String,
    deployed: Vec<Deployed>,
    direct: Direct,
    by: String,
    began: Instant,
}

/// Fences `site` without the functions.
pub async fn fence(
    session: &Session,
    loaded: &Loaded,
    site: &Site,
    reason: &str,
    cut_first: bool,
) -> Result<Operated, Failure> {
    let forcing = Forcing::begin(session, loaded).await?;
    forcing.fence(site, reason, cut_first).await
}

/// Has the register say what was forced, and lets the functions run again; or only the latter.
pub async fn reconcile(session: &Session, loaded: &Loaded, abandon: bool) -> Result<Operated, Failure> {
    let forcing = Forcing::begin(session, loaded).await?;
    forcing.reconcile(abandon).await
}

fn refused(sentence: String) -> Failure {
    Failure::NotDone {
        status: Status::NotNow,
        sentence,
    }
}

fn failed(sentence: String) -> Failure {
    Failure::NotDone {
        status: Status::Retry,
        sentence,
    }
}

impl<'a> Forcing<'a> {
    async fn begin(session: &'a Session, loaded: &'a Loaded) -> Result<Self, Failure> {
        let topology = &loaded.topology;
        let name = topology.function_name();
        let by = observe::identity(session, topology).await?.arn;
        let mut deployed = Vec::new();
        for region in &topology.regions {
            let functions = Functions::new(session.aws.lambda(region), region);
            let Some(function) = functions.by_name(&name).await? else {
                continue;
            };
            let settings = Settings::from_environment(|name| function.environment.get(name).cloned());
            let settings = settings
                .map_err(|_| failed(format!("the settings of the function of {region} cannot be read")))?;
            deployed.push(Deployed {
                left: ForcedFence::read(&functions.tags(&function.arn).await?),
                region: region.clone(),
                functions,
                arn: function.arn,
                settings,
            });
        }
        let Some(first) = deployed.first() else {
            return Err(Failure::NotDeployed {
                function: name,
                regions: topology.regions.iter().map(ToString::to_string).collect(),
            });
        };
        let like = async |one: &Deployed| {
            let direct = Direct::new(
                &session.aws,
                one.region.as_str(),
                one.settings.clone(),
                &loaded.ca_bundles,
            );
            direct.await.map_err(|error| failed(error.to_string()))
        };
        let mut direct = like(first).await?;
        // Each Region's function may have a replica of the register beside it; any is as good.
        for other in deployed.iter().skip(1) {
            if direct.register().await.is_ok() {
                break;
            }
            let another = like(other).await?;
            if another.register().await.is_ok() {
                direct = another;
            }
        }
        Ok(Self {
            session,
            topology,
            name,
            deployed,
            direct,
            by,
            began: Instant::now(),
        })
    }

    fn say(&self, sentence: &str) {
        let seconds = self.began.elapsed().as_secs();
        self.session.console.say(&format!("{seconds:>4} s  {sentence}"));
    }

    fn left(&self) -> Option<&ForcedFence> {
        self.deployed.iter().find_map(|one| one.left.as_ref())
    }

    fn done(&self, answer: Answer) -> Result<Operated, Failure> {
        let operated = Operated {
            topology: self.topology.name.to_string(),
            region: self
                .deployed
                .first()
                .map_or_else(|| self.topology.first_region().clone(), |one| one.region.clone()),
            answer,
        };
        operated.done()
    }

    async fn fence(&self, site: &Site, reason: &str, cut_first: bool) -> Result<Operated, Failure> {
        let (fenced, survivor) = (&site.name, &self.topology.peer_of(site).name);
        if let Some(left) = self.left().filter(|left| left.fenced != *fenced) {
            return Err(refused(format!(
                "{} was to be fenced by force since {}: `provision reconcile` first",
                left.fenced, left.at
            )));
        }
        let task = || Task::Fence {
            fenced: fenced.clone(),
            by: format!("{} by force: {reason}", self.by),
        };
        match self.direct.register().await {
            Ok(record) => {
                not_the_other_way(&record, fenced)?;
                if !cut_first && self.left().is_none() {
                    self.say("the register answers: the fence is decided there, and carried out from here");
                    return self.done(self.persist(async || self.direct.run(task()).await).await?);
                }
            }
            Err(fault) => self.say(&format!(
                "{fault}: the functions are stopped, so that nothing else decides"
            )),
        }
        self.stop(fenced, self.left().map_or(ForcedStep::Stopped, |left| left.step))
            .await?;
        self.say(&format!(
            "waiting {} s: what a function has begun has ended by then",
            self.direct.wait().as_secs()
        ));
        self.session.interrupt.pause(self.direct.wait()).await?;
        // Nothing has been touched by this command so far, and all is as it was read from here on.
        if let Ok(record) = self.direct.register().await
            && let Err(refusal) = not_the_other_way(&record, fenced)
        {
            self.release().await?;
            return Err(refusal);
        }
        // The register may hold what cannot be read: had the other site been decided for, it would not replicate.
        if let Ok(status @ (Backup::Offline | Backup::Mixed)) = self.direct.backup(fenced, survivor).await {
            self.release().await?;
            return Err(refused(format!(
                "replication from {fenced} to {survivor} is {status}: {fenced} may have been made the survivor, and with both \
                 cut nobody could be brought back without loss"
            )));
        }
        self.session.interrupt.check()?;
        match cut_first {
            false => {
                self.note(fenced, ForcedStep::Begun).await?;
                self.say(&format!(
                    "{fenced} leaves the accelerator, then {survivor} is cut off from it"
                ));
                let answer = self.persist(async || self.direct.run_apart(task()).await).await?;
                if answer.status != Status::Done {
                    return self.done(answer);
                }
            }
            true => {
                self.note(fenced, ForcedStep::CutAlone).await?;
                self.say(&format!(
                    "{survivor} is cut off from {fenced}; both stay in the accelerator"
                ));
                let cut = self.direct.cut(survivor, fenced).await;
                cut.map_err(|fault| failed(fault.to_string()))?;
            }
        }
        let sentence = match cut_first {
            false => format!(
                "{fenced} is fenced by force; no function runs until `provision reconcile` has it written down"
            ),
            true => format!(
                "{survivor} no longer waits for {fenced}, and both still serve: what is written at {fenced} is lost. Once \
                 the accelerator's API answers, `provision reconcile` takes {fenced} out and lets the functions run"
            ),
        };
        self.done(Answer::new(Status::Done, sentence))
    }

    async fn reconcile(&self, abandon: bool) -> Result<Operated, Failure> {
        let Some(left) = self.left() else {
            let sentence = "no fence by force waits to be written down";
            return self.done(Answer::new(Status::Done, sentence));
        };
        if left.step == ForcedStep::Stopped || abandon {
            self.release().await?;
            let sentence = match abandon {
                true => format!("nothing of the forced fence of {} is written down", left.fenced),
                false => format!("nothing was done to {} by force", left.fenced),
            };
            return self.done(Answer::new(
                Status::Done,
                format!("{sentence}; the functions run again"),
            ));
        }
        let record = self.direct.register().await;
        record.map_err(|fault| Failure::RegisterUnread {
            reason: fault.to_string(),
        })?;
        if self.stop(&left.fenced, left.step).await? {
            self.say("somebody had let a function run again: waiting for what it may have begun");
            self.session.interrupt.pause(self.direct.wait()).await?;
        }
        let answer = self.write_down(left).await?;
        if answer.status != Status::Done {
            return self.done(answer);
        }
        self.release().await?;
        self.done(answer)
    }

    /// Task by task, until the register says what was forced and the world shows it.
    async fn write_down(&self, left: &ForcedFence) -> Result<Answer, Failure> {
        let by = || format!("{} by force", left.by);
        let mut waited: Option<Token> = None;
        for _ in 0..RETRIES {
            self.session.interrupt.check()?;
            let record = self.direct.register().await;
            let record = record.map_err(|fault| Failure::RegisterUnread {
                reason: fault.to_string(),
            })?;
            if let Some(hold) = &record.hold {
                // It was put on so that nobody decides beside what was forced, and nobody can.
                self.say(&format!("the hold of {} is taken off: {}", hold.by, hold.reason));
                self.direct.run(Task::Release { by: by() }).await;
                continue;
            }
            let same = record.fenced() == Some(&left.fenced);
            let in_force = matches!(record.state, State::Decided | State::Isolated);
            let task = if same && record.state == State::Rejoining {
                let sentence = format!(
                    "{} is being brought back: `provision rejoin` goes on",
                    left.fenced
                );
                return Ok(Answer::new(Status::Done, sentence));
            } else if same && record.carried_out_once() {
                self.pause_for("what a broken rejoin had under way").await?;
                Task::Sweep {
                    waited: Some(record.rev),
                }
            } else if record.decision.is_some() && (!same || in_force && record.waiting) {
                Task::Promote {
                    survivor: self.peer(&left.fenced),
                    by: by(),
                    waited: waited.clone(),
                    survivor_is_lost: true,
                }
            } else {
                Task::Fence {
                    fenced: left.fenced.clone(),
                    by: by(),
                }
            };
            let answer = self.direct.run(task).await;
            self.say(&answer.sentence);
            match (answer.status, answer.next.clone()) {
                (Status::Done, _) => return Ok(answer),
                (_, Next::Wait { seconds, token }) => {
                    self.session
                        .interrupt
                        .pause(Duration::from_secs(seconds.into()))
                        .await?;
                    waited = Some(token);
                }
                (Status::Retry, _) => self.session.interrupt.pause(RETRY_AFTER).await?,
                (_, _) if record.unsettled => {}
                _ => return Ok(answer),
            }
        }
        Err(failed(
            "the register was not brought to say what was forced; the functions stay stopped".to_owned(),
        ))
    }

    async fn pause_for(&self, what: &str) -> Result<(), Failure> {
        self.say(&format!("waiting {} s for {what}", self.direct.wait().as_secs()));
        self.session.interrupt.pause(self.direct.wait()).await
    }

    fn peer(&self, site: &SiteName) -> SiteName {
        let mut others = self.topology.sites.iter().map(|site| &site.name);
        others.find(|other| *other != site).unwrap_or(site).clone()
    }

    /// Runs a task again where a dependency failed.
    async fn persist(&self, run: impl AsyncFn() -> Answer) -> Result<Answer, Failure> {
        let mut said = String::new();
        let mut attempt = 0;
        loop {
            let answer = run().await;
            attempt += 1;
            if answer.status != Status::Retry || attempt >= RETRIES {
                return Ok(answer);
            }
            if answer.sentence != said {
                self.say(&answer.sentence);
                said.clone_from(&answer.sentence);
            }
            self.session.interrupt.pause(RETRY_AFTER).await?;
        }
    }

    /// No function begins any more, in no Region. What was reserved before is remembered first. Whether one could have
    /// begun until now.
    async fn stop(&self, fenced: &SiteName, step: ForcedStep) -> Result<bool, Failure> {
        let mut ran = false;
        for one in &self.deployed {
            let reserved = one.functions.reserved(&self.name).await?;
            ran |= reserved != Some(0);
            let concurrency = match &one.left {
                Some(left) => left.concurrency,
                None => reserved,
            };
            let left = self.forced(fenced, step, concurrency, one.left.as_ref());
            one.functions.tag(&one.arn, left.tags()).await?;
            one.functions.reserve(&self.name, Some(0)).await?;
            if one.functions.reserved(&self.name).await? != Some(0) {
                return Err(failed(format!(
                    "the function of {} cannot be stopped, and nothing was touched; `provision reconcile` lets it run again",
                    one.region
                )));
            }
            self.say(&format!("the function of {} is stopped", one.region));
        }
        Ok(ran)
    }

    fn forced(
        &self,
        fenced: &SiteName,
        step: ForcedStep,
        concurrency: Option<u32>,
        left: Option<&ForcedFence>,
    ) -> ForcedFence {
        ForcedFence {
            fenced: fenced.clone(),
            step,
            at: left.map_or_else(Timestamp::now, |left| left.at),
            by: left.map_or_else(|| self.by.clone(), |left| left.by.clone()),
            concurrency,
        }
    }

    /// Writes down how far it is, at every function.
    async fn note(&self, fenced: &SiteName, step: ForcedStep) -> Result<(), Failure> {
        for one in &self.deployed {
            let stands = ForcedFence::read(&one.functions.tags(&one.arn).await?);
            let concurrency = stands.as_ref().and_then(|left| left.concurrency);
            let left = self.forced(fenced, step, concurrency, stands.as_ref());
            one.functions.tag(&one.arn, left.tags()).await?;
        }
        Ok(())
    }

    /// Functions run again, with what was reserved before.
    async fn release(&self) -> Result<(), Failure> {
        for one in &self.deployed {
            let Some(left) = ForcedFence::read(&one.functions.tags(&one.arn).await?) else {
                continue;
            };
            one.functions.reserve(&self.name, left.concurrency).await?;
            if one.functions.reserved(&self.name).await? != left.concurrency {
                return Err(failed(format!(
                    "the function of {} does not get its concurrency back; the same command tries again",
                    one.region
                )));
            }
            one.functions.untag(&one.arn, &KEYS).await?;
            self.say(&format!("the function of {} runs again", one.region));
        }
        Ok(())
    }
}

/// With a decision the other way in force, half carried out or wholly, finishing or repairing it would undo this.
fn not_the_other_way(record: &Record, fenced: &SiteName) -> Result<(), Failure> {
    match &record.decision {
        Some(decision) if decision.fenced.0 != *fenced => Err(refused(format!(
            "epoch {} is {} and keeps {fenced}: `promote` is for another survivor, and needs the function",
            record.epoch, record.state
        ))),
        _ => Ok(()),
    }
}
