//! `fence --force`: on the register where that answers; else beside stopped functions, with a record in memory.

use std::cell::Cell;

use fencing::answer::{Answer, Status};
use fencing::by_force;
use fencing::step::Task;

use super::{Forcing, Halted, failed, not_the_other_way, refused};
use crate::observed::forced::ForcedStep;
use crate::preflight::forced::{self as rules, Signed};
use crate::report::Operated;
use crate::run::{Failure, status};
use crate::topology::Site;

impl Forcing<'_> {
    pub(super) async fn fence(
        &self,
        site: &Site,
        reason: &str,
        cut_first: bool,
    ) -> Result<Operated, Failure> {
        let fenced = &site.name;
        let mut lefts = self.deployed.iter().filter_map(|one| one.left.as_ref());
        if let Some(left) = lefts.find(|left| left.fenced != *fenced) {
            return Err(refused(format!(
                "a forced fence is under way for {}, begun {}: `provision reconcile` first",
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
            Err(error) if error.is_outage() => Ok(()),
            Err(error) => Err(refused(format!(
                "the register is not out of reach, but cannot be read from here, and nothing was changed: {error}"
            ))),
            Ok(_) => Err(refused(format!(
                "the register answers `provision status`, so it must not be bypassed, but it does not answer the \
                 function's clients, which use no proxy: {fault}. Nothing was changed; run this again, or run it \
                 from a machine that reaches AWS directly"
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
            "waiting {} s: what a function has begun will have ended by then",
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
        if let Ok(status) = self.direct.backup(fenced, survivor).await
            && by_force::may_survive(Some(status))
        {
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
                "{survivor} no longer waits for {fenced}, and both are still in the accelerator: what is written at {fenced} is lost. Once \
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
                "{fenced} is fenced by force. All functions are stopped until `provision reconcile` has recorded it"
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
}
