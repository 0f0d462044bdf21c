//! `reconcile`: the register is brought to say what was forced, by the protocol's own tasks, and then functions run again;
//! or they run again without a word in it, where nothing was begun or somebody insists.

use std::time::Duration;

use fencing::answer::{Answer, Next, Status};
use fencing::by_force::{self, WriteDown};
use fencing::step::Task;
use fencing::words::Token;
use jiff::Timestamp;

use super::{ForceRequest, Forcing, Halted, RETRIES, RETRY_AFTER, failed, not_the_other_way, refused};
use crate::observed::forced::{ForcedFence, ForcedStep};
use crate::preflight::forced::{self as rules, Signed};
use crate::report::Operated;
use crate::run::Failure;
use crate::topology::SiteName;

impl Forcing<'_> {
    pub(super) async fn reconcile(
        &self,
        asked: ForceRequest,
        agree: impl FnOnce(&SiteName) -> Result<(), Failure>,
    ) -> Result<Operated, Failure> {
        let Some(left) = self.left() else {
            let sentence = "no forced fence waits to be recorded";
            return self.done(Answer::new(Status::Done, sentence));
        };
        let fenced = &left.fenced;
        let only_stopped = left.step == ForcedStep::Stopped;
        self.say(&match (only_stopped, asked.abandon) {
            (true, _) => format!(
                "the functions were stopped at {} by {}, and nothing was done to {fenced}: this lets them run again",
                left.at, left.by
            ),
            (false, true) => format!(
                "{fenced} was fenced by force at {}, by {}: this does not record it, and lets the functions run \
                 again. What they decide may undo it",
                left.at, left.by
            ),
            (false, false) => format!(
                "{fenced} was fenced by force at {}, by {}: this records it, whatever the register says about it, \
                 and lets the functions run again",
                left.at, left.by
            ),
        });
        agree(fenced)?;
        if only_stopped || asked.abandon {
            self.give_up(left).await?;
            let sentence = if asked.abandon {
                format!("that {fenced} was fenced by force was not recorded")
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
                "the register says that {} survives (epoch {}), but that site was fenced by force: if the functions \
                 ran now, both sites would be cut off. Run `provision reconcile` without --abandon: it writes the \
                 forced decision into the register",
                left.fenced, record.epoch
            ))
            .into());
        }
        let own = Signed {
            at: Timestamp::now(),
            by: self.by.clone(),
            step: ForcedStep::Stopped,
        };
        // A command that is still at it sees this before it touches anything, and this sees whether anything was begun.
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
                        "the hold by {} since {} was there before the forced fence, for something else: {}. If that \
                         is over, `provision reconcile --lift-hold` releases it",
                        hold.by, hold.since, hold.reason
                    )));
                }
                self.say(&format!("the hold by {} is released: {}", hold.by, hold.reason));
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
            let survivor = self.peer(&left.fenced);
            let task = match by_force::write_down(&record, &left.fenced, &survivor, &by(), waited.as_ref()) {
                WriteDown::BroughtBack => {
                    let sentence = format!(
                        "{} is being brought back: `provision rejoin` continues that",
                        left.fenced
                    );
                    return Ok(Answer::new(Status::Done, sentence));
                }
                WriteDown::Later(task) => {
                    self.pause_for("what a broken rejoin had under way").await?;
                    task
                }
                WriteDown::Now(task) => task,
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
            "the register does not contain the forced decision yet".to_owned(),
        ))
    }

    fn peer(&self, site: &SiteName) -> SiteName {
        let mut others = self.topology.sites.iter().map(|site| &site.name);
        others.find(|other| *other != site).unwrap_or(site).clone()
    }
}
