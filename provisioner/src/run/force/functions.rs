//! The functions: stopped in every Region, let run again, and distinguished from those that somebody else has stopped or let
//! run. What stands at each of them are its tags, and how many executions are reserved for it.

use jiff::Timestamp;

use super::{Forcing, Halted, StoppedFunction, failed, overtaken, refused};
use crate::observed::forced::{ForcedFence, ForcedStep, KEYS};
use crate::preflight::forced::{self as rules, Signed, Stands};
use crate::topology::SiteName;
use crate::world::call::CallError;

impl Forcing<'_> {
    /// What is recorded at a function now: the tags first, since a command that stops it writes them first.
    pub(super) async fn stands(&self, one: &StoppedFunction) -> Result<Stands, CallError> {
        let left = ForcedFence::read(&one.functions.tags(&one.arn).await?);
        Ok(Stands {
            region: one.region.clone(),
            reserved: one.functions.reserved(&self.name).await?,
            left,
        })
    }

    /// Fails unless every function is stopped, and by this command.
    pub(super) async fn look(&self, own: &Signed) -> Result<(), Halted> {
        let mut all = Vec::new();
        for one in &self.deployed {
            all.push(self.stands(one).await?);
        }
        rules::may_act(&all, own).map_err(|why| overtaken(&why))
    }

    /// No function begins any more, in no Region. What was reserved before is remembered first. What it is signed with,
    /// and whether a function could have begun until now.
    pub(super) async fn stop(&self, fenced: &SiteName) -> Result<(Signed, bool), Halted> {
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
                    "the function in {} cannot be stopped, and nothing was changed",
                    one.region
                );
                return Err(failed(sentence).into());
            }
            self.say(&format!("the function in {} is stopped", one.region));
        }
        Ok((own, ran))
    }

    /// Records how far it is, at every function. Only that: what is gone there is not written again.
    pub(super) async fn note(&self, own: Signed, step: ForcedStep) -> Result<Signed, Halted> {
        for one in &self.deployed {
            rules::may_go_on(&self.stands(one).await?, &own).map_err(|why| overtaken(&why))?;
            one.functions.tag(&one.arn, step.tag()).await?;
        }
        Ok(Signed { step, ..own })
    }

    /// Functions run again, with what was reserved before; where a signature is given, only while all is as it says.
    pub(super) async fn release(&self, own: Option<&Signed>) -> Result<(), Halted> {
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
                    "the function in {} could not get its concurrency back; run the same command again",
                    one.region
                ))
                .into());
            }
            one.functions.untag(&one.arn, &KEYS).await?;
            self.say(&format!("the function in {} runs again", one.region));
        }
        Ok(())
    }
}
