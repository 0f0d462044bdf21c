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
//! done stands at the functions as tags, where `status` finds it. They are also what two operators see of each other: see
//! [`forced_rules`](super::forced_rules).

use std::cell::Cell;
use std::time::Duration;

use fencing::answer::{Answer, Next, Status};
use fencing::register::{Record, State};
use fencing::replication::Backup;
use fencing::settings::Settings;
use fencing::step::Task;
use fencing::words::Token;
use jiff::Timestamp;
use tokio::time::Instant;

use super::forced_rules::{self as rules, Signed, Stands};
use super::{Failure, Session, observe, status};
use crate::observed::forced::{ForcedFence, ForcedStep, KEYS};
use crate::report::Operated;
use crate::topology::{Loaded, Region, Site, SiteName, Topology};
use crate::world::call::CallError;
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

/// What `reconcile` was asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Only to let the functions run again.
    pub abandon: bool,
    /// To take a hold off that was there before.
    pub lift_hold: bool,
}

/// Has the register say what was forced, and lets the functions run again; or only the latter. `agree` is asked for the
/// fenced site's name, where there is anything to do.
pub async fn reconcile(
    session: &Session,
    loaded: &Loaded,
    asked: Asked,
    agree: impl FnOnce(&SiteName) -> Result<(), Failure>,
) -> Result<Operated, Failure> {
    let forcing = Forcing::begin(session, loaded).await?;
    forcing.reconcile(asked, agree).await
}

/// Why a command ends after functions were stopped.
struct Halted {
    failure: Failure,
    /// They are, and by this command.
    stays: bool,
}

impl From<Failure> for Halted {
    fn from(failure: Failure) -> Self {
        Self { failure, stays: true }
    }
}

impl From<CallError> for Halted {
    fn from(error: CallError) -> Self {
        Failure::from(error).into()
    }
}

impl From<Halted> for Failure {
    fn from(halted: Halted) -> Self {
        if halted.stays {
            Self::StaysStopped(Box::new(halted.failure))
        } else {
            halted.failure
        }
    }
}

/// Somebody else is at it, or has been: this command touches nothing more.
fn overtaken(why: &str) -> Halted {
    Halted {
        failure: refused(format!(
            "{why}: nothing more is done by this command; see `provision status`, and begin again if it is still needed"
        )),
        stays: false,
    }
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
        rules::furthest(self.deployed.iter().filter_map(|one| one.left.as_ref()))
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
        let fenced = &site.name;
        let mut lefts = self.deployed.iter().filter_map(|one| one.left.as_ref());
        if let Some(left) = lefts.find(|left| left.fenced != *fenced) {
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
                not_the_other_way(&record, fenced).map_err(|refusal| self.as_it_stands(refusal))?;
                if !cut_first && self.left().is_none() {
                    self.say("the register answers: the fence is decided there, and carried out from here");
                    let answer = self
                        .persist(async || Ok::<_, Failure>(self.direct.run(task()).await))
                        .await?;
                    return self.done(answer);
                }
            }
            Err(fault) => {
                let out = self.is_out_of_reach(&fault.to_string()).await;
                out.map_err(|refusal| self.as_it_stands(refusal))?;
                self.say(&format!(
                    "{fault}: the functions are stopped, so that nothing else decides"
                ));
            }
        }
        let (own, _) = self.stop(fenced).await?;
        let answer = self.carry_out(site, task, cut_first, own).await?;
        self.done(answer)
    }

    /// What fails before this command has stopped anything; an earlier one may have.
    fn as_it_stands(&self, failure: Failure) -> Halted {
        Halted {
            failure,
            stays: self.left().is_some(),
        }
    }

    /// Only where nobody can read the register may it be done without. Not having the right to, or another way to it
    /// than the function's clients have, is for people to mend.
    async fn is_out_of_reach(&self, fault: &str) -> Result<(), Failure> {
        match status::record(self.session, self.topology).await {
            Err(error) if rules::is_silent(&error) => Ok(()),
            Err(error) => Err(refused(format!(
                "the register is not out of reach, it only cannot be read from here, and nothing was touched: {error}"
            ))),
            Ok(_) => Err(refused(format!(
                "the register answers `provision status`, and so is not to be passed over, but not the function's clients, \
                 which use no proxy: {fault}. Nothing was touched; run this again, or from a machine that reaches AWS \
                 directly"
            ))),
        }
    }

    /// From when the functions are stopped.
    async fn carry_out(
        &self,
        site: &Site,
        task: impl Fn() -> Task,
        cut_first: bool,
        own: Signed,
    ) -> Result<Answer, Halted> {
        let (fenced, survivor) = (&site.name, &self.topology.peer_of(site).name);
        let earlier = self.left().map(|left| left.step);
        self.say(&format!(
            "waiting {} s: what a function has begun has ended by then",
            self.direct.wait().as_secs()
        ));
        self.session.interrupt.pause(self.direct.wait()).await?;
        // Somebody may have let functions run meanwhile.
        self.look(&own).await?;
        // Nothing has been touched by this command so far, and all is as it was read from here on.
        if let Ok(record) = self.direct.register().await
            && let Err(refusal) = not_the_other_way(&record, fenced)
        {
            return Err(self.back_out(earlier, &own, refusal).await);
        }
        // The register may hold what cannot be read: had the other site been decided for, it would not replicate.
        if let Ok(status @ (Backup::Offline | Backup::Mixed)) = self.direct.backup(fenced, survivor).await {
            let refusal = refused(format!(
                "replication from {fenced} to {survivor} is {status}: {fenced} may have been made the survivor, and with both \
                 cut nobody could be brought back without loss"
            ));
            return Err(self.back_out(earlier, &own, refusal).await);
        }
        self.session.interrupt.check()?;
        if cut_first {
            let own = self.note(own, ForcedStep::CutAlone).await?;
            self.say(&format!(
                "{survivor} is cut off from {fenced}; both stay in the accelerator"
            ));
            self.look(&own).await?;
            let cut = self.direct.cut(survivor, fenced).await;
            cut.map_err(|fault| failed(fault.to_string()))?;
            let sentence = format!(
                "{survivor} no longer waits for {fenced}, and both still serve: what is written at {fenced} is lost. Once \
                 the accelerator's API answers, `provision reconcile` takes {fenced} out and lets the functions run"
            );
            return Ok(Answer::new(Status::Done, sentence));
        }
        let own = self.note(own, ForcedStep::Begun).await?;
        self.say(&format!(
            "{fenced} leaves the accelerator, then {survivor} is cut off from it"
        ));
        let touched = Cell::new(false);
        let attempt = async || {
            self.look(&own).await?;
            let (answer, did) = self.direct.run_apart(task()).await;
            touched.set(touched.get() || did);
            Ok::<_, Halted>(answer)
        };
        let answer = self.persist(attempt).await?;
        if answer.status == Status::Done {
            let sentence = format!(
                "{fenced} is fenced by force; no function runs until `provision reconcile` has it written down"
            );
            return Ok(Answer::new(Status::Done, sentence));
        }
        let step = rules::step_after(earlier, own.step, answer.status, touched.get());
        let refusal = Failure::NotDone {
            status: answer.status,
            sentence: answer.sentence,
        };
        if step == own.step {
            return Err(refusal.into());
        }
        let own = self.note(own, step).await?;
        // A dependency that failed is soon tried again.
        if answer.status == Status::Retry {
            return Err(refusal.into());
        }
        self.look(&own).await?;
        Err(self.back_out(earlier, &own, refusal).await)
    }

    /// Lets functions run again after a refusal, unless an earlier command has begun something that they would undo.
    async fn back_out(&self, earlier: Option<ForcedStep>, own: &Signed, refusal: Failure) -> Halted {
        if !rules::may_release(earlier) {
            return refusal.into();
        }
        match self.release(Some(own)).await {
            Ok(()) => Halted {
                failure: refusal,
                stays: false,
            },
            Err(halted) => halted,
        }
    }

    async fn reconcile(
        &self,
        asked: Asked,
        agree: impl FnOnce(&SiteName) -> Result<(), Failure>,
    ) -> Result<Operated, Failure> {
        let Some(left) = self.left() else {
            let sentence = "no fence by force waits to be written down";
            return self.done(Answer::new(Status::Done, sentence));
        };
        let fenced = &left.fenced;
        let only_stopped = left.step == ForcedStep::Stopped;
        self.say(&match (only_stopped, asked.abandon) {
            (true, _) => format!(
                "the functions are stopped since {}, by {}, and nothing was done to {fenced}: they are to run again",
                left.at, left.by
            ),
            (false, true) => format!(
                "{fenced} was fenced by force since {}, by {}: that is not written down, and the functions run again. What \
                 they decide may undo it",
                left.at, left.by
            ),
            (false, false) => format!(
                "{fenced} was fenced by force since {}, by {}: that is written down, whatever the register says of it, and \
                 the functions run again",
                left.at, left.by
            ),
        });
        agree(fenced)?;
        if only_stopped || asked.abandon {
            self.give_up(left).await?;
            let sentence = if asked.abandon {
                format!("nothing of the forced fence of {fenced} is written down")
            } else {
                format!("nothing was done to {fenced} by force")
            };
            return self.done(Answer::new(
                Status::Done,
                format!("{sentence}; the functions run again"),
            ));
        }
        let answer = self.reconciled(left, asked.lift_hold).await?;
        self.done(answer)
    }

    /// Lets functions run again without a word in the register.
    async fn give_up(&self, left: &ForcedFence) -> Result<(), Halted> {
        let begun = left.step != ForcedStep::Stopped;
        if begun
            && let Ok(record) = self.direct.register().await
            && not_the_other_way(&record, &left.fenced).is_err()
        {
            return Err(refused(format!(
                "the register keeps {} in epoch {}, against what was forced: functions that run would cut off both. \
                 `provision reconcile` without --abandon has it say what was forced",
                left.fenced, record.epoch
            ))
            .into());
        }
        let own = Signed {
            at: Timestamp::now(),
            by: self.by.clone(),
            step: ForcedStep::Stopped,
        };
        // Whoever is still at it sees this before it touches anything, and this sees whether anything was begun.
        for one in &self.deployed {
            if self.stands(one).await?.left.is_some() {
                let signature = ForcedFence::signature(own.at, &own.by);
                one.functions.tag(&one.arn, signature).await?;
            }
        }
        if begun {
            self.pause_for("what the command that began it may have under way")
                .await?;
        }
        self.release((!begun).then_some(&own)).await
    }

    async fn reconciled(&self, left: &ForcedFence, lift_hold: bool) -> Result<Answer, Halted> {
        let record = self.direct.register().await;
        record.map_err(|fault| Failure::RegisterUnread {
            reason: fault.to_string(),
        })?;
        let (own, ran) = self.stop(&left.fenced).await?;
        if ran {
            self.say("somebody had let a function run again: waiting for what it may have begun");
            self.session.interrupt.pause(self.direct.wait()).await?;
        }
        let answer = self.write_down(left, lift_hold).await?;
        if answer.status != Status::Done {
            let refusal = Failure::NotDone {
                status: answer.status,
                sentence: answer.sentence,
            };
            return Err(refusal.into());
        }
        self.release(Some(&own)).await?;
        Ok(answer)
    }

    /// Task by task, until the register says what was forced and the world shows it.
    async fn write_down(&self, left: &ForcedFence, lift_hold: bool) -> Result<Answer, Failure> {
        let by = || format!("{} by force", left.by);
        let mut waited: Option<Token> = None;
        for _ in 0..RETRIES {
            self.session.interrupt.check()?;
            let record = self.direct.register().await;
            let record = record.map_err(|fault| Failure::RegisterUnread {
                reason: fault.to_string(),
            })?;
            if let Some(hold) = &record.hold {
                // One that was put on afterwards was so that nobody decides beside what was forced, and nobody can.
                if !lift_hold && !rules::hold_came_after(hold.since, left) {
                    return Err(refused(format!(
                        "the hold of {} since {} was there before the forced fence, for something else: {}. Where that is \
                         over, `provision reconcile --lift-hold` takes it off",
                        hold.by, hold.since, hold.reason
                    )));
                }
                self.say(&format!("the hold of {} is taken off: {}", hold.by, hold.reason));
                let answer = self.direct.run(Task::Release { by: by() }).await;
                match answer.status {
                    Status::Done => {}
                    Status::Retry => {
                        self.say(&answer.sentence);
                        self.session.interrupt.pause(RETRY_AFTER).await?;
                    }
                    Status::NotNow | Status::Foreign => return Ok(answer),
                }
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
            "the register was not brought to say what was forced".to_owned(),
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
    async fn persist<E: From<Failure>>(&self, run: impl AsyncFn() -> Result<Answer, E>) -> Result<Answer, E> {
        let mut said = String::new();
        let mut attempt = 0;
        loop {
            let answer = run().await?;
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

    /// What stands at a function now: the tags first, since whoever stops it writes them first.
    async fn stands(&self, one: &Deployed) -> Result<Stands, CallError> {
        let left = ForcedFence::read(&one.functions.tags(&one.arn).await?);
        Ok(Stands {
            region: one.region.clone(),
            reserved: one.functions.reserved(&self.name).await?,
            left,
        })
    }

    /// Fails unless every function is stopped, and by this command.
    async fn look(&self, own: &Signed) -> Result<(), Halted> {
        let mut all = Vec::new();
        for one in &self.deployed {
            all.push(self.stands(one).await?);
        }
        rules::may_act(&all, own).map_err(|why| overtaken(&why))
    }

    /// No function begins any more, in no Region. What was reserved before is remembered first. What it is signed with,
    /// and whether a function could have begun until now.
    async fn stop(&self, fenced: &SiteName) -> Result<(Signed, bool), Halted> {
        let own = match self.left() {
            Some(left) if left.step != ForcedStep::Stopped => Signed {
                at: left.at,
                by: left.by.clone(),
                step: left.step,
            },
            // Where nothing was begun, this command takes it over.
            _ => Signed {
                at: Timestamp::now(),
                by: self.by.clone(),
                step: ForcedStep::Stopped,
            },
        };
        let mut ran = false;
        let mut stays = self.left().is_some();
        for one in &self.deployed {
            let stands = self.stands(one).await;
            let stands = stands.map_err(|error| Halted {
                failure: error.into(),
                stays,
            })?;
            ran |= stands.reserved != Some(0);
            let concurrency = rules::reserved_before(&stands, one.left.as_ref()).map_err(|why| Halted {
                failure: refused(why),
                stays,
            })?;
            stays = true;
            let tags = match &stands.left {
                Some(_) => {
                    let mut tags = ForcedFence::signature(own.at, &own.by);
                    // Of what has stopped only, another command may just begin something: that it did must stay.
                    if own.step != ForcedStep::Stopped {
                        tags.extend(own.step.tag());
                    }
                    tags
                }
                None => {
                    let left = ForcedFence {
                        fenced: fenced.clone(),
                        step: own.step,
                        at: own.at,
                        by: own.by.clone(),
                        concurrency,
                    };
                    left.tags()
                }
            };
            one.functions.tag(&one.arn, tags).await?;
            one.functions.reserve(&self.name, Some(0)).await?;
            if one.functions.reserved(&self.name).await? != Some(0) {
                let sentence = format!(
                    "the function of {} cannot be stopped, and nothing was touched",
                    one.region
                );
                return Err(failed(sentence).into());
            }
            self.say(&format!("the function of {} is stopped", one.region));
        }
        Ok((own, ran))
    }

    /// Writes down how far it is, at every function. Only that: what is gone there is not written anew.
    async fn note(&self, own: Signed, step: ForcedStep) -> Result<Signed, Halted> {
        for one in &self.deployed {
            rules::may_go_on(&self.stands(one).await?, &own).map_err(|why| overtaken(&why))?;
            one.functions.tag(&one.arn, step.tag()).await?;
        }
        Ok(Signed { step, ..own })
    }

    /// Functions run again, with what was reserved before; where a signature is given, only while all is as it says.
    async fn release(&self, own: Option<&Signed>) -> Result<(), Halted> {
        let mut all = Vec::new();
        for one in &self.deployed {
            let stands = self.stands(one).await?;
            if let Some(own) = own.filter(|_| stands.left.is_some()) {
                rules::may_go_on(&stands, own).map_err(|why| overtaken(&why))?;
            }
            all.push((one, stands.left));
        }
        for (one, left) in all {
            let Some(left) = left else {
                continue;
            };
            one.functions.reserve(&self.name, left.concurrency).await?;
            if one.functions.reserved(&self.name).await? != left.concurrency {
                return Err(failed(format!(
                    "the function of {} does not get its concurrency back; the same command tries again",
                    one.region
                ))
                .into());
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_fails_while_functions_are_stopped_says_that_they_stay_so() {
        for failure in [
            Failure::Interrupted,
            refused("no".to_owned()),
            failed("no".to_owned()),
        ] {
            let (code, kind, text) = (failure.code(), failure.kind(), failure.to_string());
            let hint = failure.hint();
            let stays = Failure::from(Halted::from(failure));
            assert_eq!(
                (stays.code(), stays.kind(), stays.to_string()),
                (code, kind, text)
            );
            let said = stays.hint().unwrap();
            assert!(said.starts_with(hint.as_deref().unwrap_or_default()), "{said}");
            assert!(
                said.contains("stay stopped until `provision reconcile`"),
                "{said}"
            );
        }
        // Somebody has let them run: nobody knows.
        let overtaken = Failure::from(overtaken("somebody did"));
        assert_eq!((overtaken.code(), overtaken.hint()), ("notNow", None));
    }
}
