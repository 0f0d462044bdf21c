//! Bringing the fenced site back, one bounded step per call.
//!
//! S is the stale (fenced) site, K the kept one. The order is Infinispan's, with the step it warns about: S
//! must have stopped replicating to K before its caches are cleared, or the clear wipes both sites. State
//! push never deletes, so the clear cannot be left out.
//!
//! ```text
//!   complete ─▶ rejoining, wait ─▶ S: take K offline ─▶ S: clear ─▶ S: bring K online
//!        ─▶ K: push state to S ─▶ all pushed ─▶ S's endpoint back ─▶ open, quiet time
//! ```
//!
//! Executors of the decision may still be running when the rejoin starts, and would undo its last step. So
//! whoever starts it or takes it over waits twice the function's timeout before the first write; by then
//! they have ended. The wait is the operator's command's, on a monotonic clock, for a revision that it names.
//! If the link is lost again, the decision goes back into force, same epoch.

use super::Call;
use super::carry_out::decision_of;
use super::evidence::{misses, reading};
use super::operate::wait_for;
use super::script::{Halt, Script};
use super::watch::{finish, infinispan};
use super::{Fault, Keycloak};
use crate::accelerator::{Outcome, remember};
use crate::answer::{Answer, Cause, Next, Status};
use crate::register::{Record, Rejoin, RejoinStep, State};
use crate::replication::{Backup, Push, Sight};
use crate::words::{Rev, SiteName};

struct Sites {
    kept: SiteName,
    stale: SiteName,
}

pub(super) fn rejoin(
    script: &mut Script<'_>,
    session: &str,
    by: &str,
    waited: Option<Rev>,
    keycloak: Keycloak,
) -> Result<Answer, Halt> {
    let register = script.start(Call::ReadRegister);
    let record = script.register(register)?;
    script.rounds(record, |script, record| match record.state {
        State::Open => Ok(Answer::new(
            Status::Done,
            "no decision is in force: both sites belong to it",
        )),
        State::Decided | State::Unbalanced => Ok(Answer::new(
            Status::NotNow,
            format!(
                "epoch {} is {}: the fence has to be complete first",
                record.epoch, record.state
            ),
        )),
        State::Complete => begin(script, record, session, by),
        State::Rejoining => go_on(script, record, session, by, waited, keycloak),
    })
}

fn sites(script: &mut Script<'_>, record: &Record) -> Result<Sites, Halt> {
    let decision = decision_of(script, record)?;
    Ok(Sites {
        kept: decision.survivor.0,
        stale: decision.fenced.0,
    })
}

/// K has to see S before anything is worth starting.
fn begin(script: &mut Script<'_>, record: &Record, session: &str, by: &str) -> Result<Answer, Halt> {
    let Sites { kept, stale } = sites(script, record)?;
    let view = script.start(Call::ReadView { at: kept.clone() });
    if misses(script, view, &kept, &stale)? == Sight::Misses {
        let sentence = format!("{kept} does not see {stale}: repair the link first");
        return Ok(Answer::new(Status::NotNow, sentence));
    }
    let first = Rejoin {
        session: session.to_owned(),
        step: RejoinStep::CutStale,
    };
    let record = Record {
        state: State::Rejoining,
        recovery_seen_at: None,
        ..record.clone()
    };
    take_over(
        script,
        &record,
        first,
        by,
        format!("{stale} is being brought back"),
    )
}

fn take_over(
    script: &mut Script<'_>,
    record: &Record,
    rejoin: Rejoin,
    by: &str,
    sentence: String,
) -> Result<Answer, Halt> {
    let signed = format!("rejoin by {by} (request {})", script.executor());
    let taken = Record {
        rejoin: Some(rejoin),
        waiting: true,
        claim: None,
        ..record.revised(&signed, script.now())
    };
    let taken = script.write(taken)?;
    Ok(wait_for(script, &taken, sentence))
}

fn go_on(
    script: &mut Script<'_>,
    record: &Record,
    session: &str,
    by: &str,
    waited: Option<Rev>,
    keycloak: Keycloak,
) -> Result<Answer, Halt> {
    let sites = sites(script, record)?;
    let Some(rejoin) = record.rejoin.clone() else {
        let what = "it is rejoining and does not say how far".to_owned();
        return Err(script.failed(&Fault {
            whom: "the register".to_owned(),
            what,
        }));
    };
    if rejoin.session != session {
        let sentence = format!("taking over the rejoin of {}", sites.stale);
        let mine = Rejoin {
            session: session.to_owned(),
            ..rejoin
        };
        return take_over(script, record, mine, by, sentence);
    }
    if record.waiting && waited != Some(record.rev) {
        let sentence = format!("{} is being brought back", sites.stale);
        return Ok(wait_for(script, record, sentence));
    }
    let view = script.start(Call::ReadView {
        at: sites.kept.clone(),
    });
    if misses(script, view, &sites.kept, &sites.stale)? == Sight::Misses {
        return abort(script, record, &format!("rejoin by {by}"));
    }
    let mut turn = Turn {
        script,
        record,
        session,
        by,
        sites: &sites,
    };
    match rejoin.step {
        RejoinStep::CutStale => turn.cut_stale(keycloak),
        RejoinStep::Clear(caches) => turn.clear(&caches, keycloak),
        RejoinStep::RestoreStale => turn.restore_stale(),
        RejoinStep::Push => turn.push(),
        RejoinStep::AwaitPush => turn.await_push(),
        RejoinStep::Readd => turn.readd(keycloak),
    }
}

/// The link is lost again: the decision is in force as before, same epoch, and is carried out anew.
pub(super) fn abort(script: &mut Script<'_>, record: &Record, by: &str) -> Result<Answer, Halt> {
    let Sites { kept, stale } = sites(script, record)?;
    let signed = format!("{by} (request {})", script.executor());
    let back = Record {
        state: State::Decided,
        rejoin: None,
        waiting: false,
        claim: script.fresh_claim(),
        ..record.revised(&signed, script.now())
    };
    let back = script.write(back)?;
    let epoch = back.epoch;
    script.say(
        Cause::RejoinAborted,
        format!("{kept} lost {stale} again: the rejoin is off, epoch {epoch} stands"),
    );
    finish(script, back)
}

/// One step of a rejoin that this command drives and has waited for.
struct Turn<'s, 'a, 'r> {
    script: &'s mut Script<'a>,
    record: &'r Record,
    session: &'r str,
    by: &'r str,
    sites: &'r Sites,
}

impl Turn<'_, '_, '_> {
    fn advance(&mut self, step: RejoinStep, sentence: String) -> Result<Answer, Halt> {
        let signed = format!("rejoin by {} (request {})", self.by, self.script.executor());
        let rejoin = Rejoin {
            session: self.session.to_owned(),
            step,
        };
        let next = Record {
            rejoin: Some(rejoin),
            waiting: false,
            ..self.record.revised(&signed, self.script.now())
        };
        self.script.write(next)?;
        Ok(Answer::new(Status::NotNow, sentence).then(Next::Again))
    }

    fn backup(&mut self, at: &SiteName, backup: &SiteName) -> Result<Backup, Halt> {
        let read = self.script.start(Call::ReadBackup {
            at: at.clone(),
            backup: backup.clone(),
        });
        match self.script.backup(read)? {
            Ok(status) => Ok(status),
            Err(fault) => Err(self.script.failed(&fault)),
        }
    }

    fn switch(&mut self, call: Call) -> Result<(), Halt> {
        let place = self.script.start(call);
        match self.script.switched(place)? {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.script.failed(&fault)),
        }
    }

    /// Both backups may be cut only while nobody writes at S: Keycloak stopped, endpoint out.
    fn cut_stale(&mut self, keycloak: Keycloak) -> Result<Answer, Halt> {
        let Sites { kept, stale } = self.sites;
        if keycloak != Keycloak::Stopped {
            return Ok(stop_keycloak(stale));
        }
        let asked = self.script.start(Call::ReadAccelerator);
        let reading = reading(self.script, asked)?;
        if reading.holds(self.script.settings, stale) {
            let sentence =
                format!("{stale} is in the accelerator already: take it out before its caches are cleared");
            self.script.say(Cause::Unexplained, sentence.clone());
            return Ok(Answer::new(Status::NotNow, sentence));
        }
        self.switch(Call::TakeOffline {
            at: stale.clone(),
            backup: kept.clone(),
        })?;
        match self.backup(stale, kept)? {
            Backup::Offline => {
                let caches = self.script.settings.cleared_caches.clone();
                let step = match caches.is_empty() {
                    true => RejoinStep::RestoreStale,
                    false => RejoinStep::Clear(caches),
                };
                self.advance(step, format!("{stale} no longer replicates to {kept}"))
            }
            status => {
                let fault = infinispan(
                    stale,
                    format!("its backup to {kept} is {status} after take-offline"),
                );
                Err(self.script.failed(&fault))
            }
        }
    }

    fn clear(&mut self, caches: &[String], keycloak: Keycloak) -> Result<Answer, Halt> {
        let Sites { kept, stale } = self.sites;
        if keycloak != Keycloak::Stopped {
            return Ok(stop_keycloak(stale));
        }
        let Some((cache, left)) = caches.split_first() else {
            return self.advance(RejoinStep::RestoreStale, format!("{stale} is cleared"));
        };
        // Right before each clear: an Infinispan that restarted has forgotten the cut.
        if self.backup(stale, kept)? != Backup::Offline {
            return self.advance(
                RejoinStep::CutStale,
                format!("{stale} replicates to {kept} again: cutting anew"),
            );
        }
        let place = self.script.start(Call::ClearCache {
            at: stale.clone(),
            cache: cache.clone(),
        });
        if let Err(fault) = self.script.done(place)? {
            return Err(self.script.failed(&fault));
        }
        let step = match left {
            [] => RejoinStep::RestoreStale,
            left => RejoinStep::Clear(left.to_vec()),
        };
        self.advance(step, format!("{stale}: cache {cache} is cleared"))
    }

    fn restore_stale(&mut self) -> Result<Answer, Halt> {
        let Sites { kept, stale } = self.sites;
        self.switch(Call::BringOnline {
            at: stale.clone(),
            backup: kept.clone(),
        })?;
        match self.backup(stale, kept)? {
            Backup::Online => self.advance(RejoinStep::Push, format!("{stale} replicates to {kept} again")),
            status => {
                let fault = infinispan(
                    stale,
                    format!("its backup to {kept} is {status} after bring-online"),
                );
                Err(self.script.failed(&fault))
            }
        }
    }

    fn push(&mut self) -> Result<Answer, Halt> {
        let Sites { kept, stale } = self.sites;
        self.switch(Call::StartPush {
            at: kept.clone(),
            backup: stale.clone(),
            caches: Vec::new(),
        })?;
        self.advance(
            RejoinStep::AwaitPush,
            format!("{kept} pushes its state to {stale}"),
        )
    }

    fn await_push(&mut self) -> Result<Answer, Halt> {
        let Sites { kept, stale } = self.sites;
        let asked = self.script.start(Call::ReadPushes {
            at: kept.clone(),
            backup: stale.clone(),
        });
        let pushes = match self.script.pushes(asked)? {
            Ok(pushes) => pushes,
            Err(fault) => return Err(self.script.failed(&fault)),
        };
        // Idle: the push was never started, or a restart forgot it. Pushing twice is harmless.
        let again: Vec<String> = pushes
            .iter()
            .filter(|push| matches!(push.push, Push::Error | Push::Cancelled | Push::Idle))
            .map(|push| push.cache.clone())
            .collect();
        if !again.is_empty() {
            let sentence = format!("{kept} pushes again: {}", again.join(", "));
            self.switch(Call::StartPush {
                at: kept.clone(),
                backup: stale.clone(),
                caches: again,
            })?;
            return Ok(Answer::new(Status::NotNow, sentence).then(Next::Poll));
        }
        let sending = pushes.iter().filter(|push| push.push == Push::Sending).count();
        if sending > 0 {
            let sentence = format!(
                "{sending} of {} caches are still being pushed to {stale}",
                pushes.len()
            );
            return Ok(Answer::new(Status::NotNow, sentence).then(Next::Poll));
        }
        self.switch(Call::BringOnline {
            at: kept.clone(),
            backup: stale.clone(),
        })?;
        let status = self.backup(kept, stale)?;
        if status != Backup::Online {
            let fault = infinispan(
                kept,
                format!("its backup to {stale} is {status} after the state push"),
            );
            return Err(self.script.failed(&fault));
        }
        let caches = pushes.into_iter().map(|push| push.cache).collect();
        let place = self.script.start(Call::ClearPushes {
            at: kept.clone(),
            caches,
        });
        if let Err(fault) = self.script.done(place)? {
            return Err(self.script.failed(&fault));
        }
        self.advance(
            RejoinStep::Readd,
            format!("{kept} has pushed all its state to {stale}"),
        )
    }

    fn readd(&mut self, keycloak: Keycloak) -> Result<Answer, Halt> {
        let Sites { kept, stale } = self.sites;
        if keycloak != Keycloak::Ready {
            let sentence = format!("{stale} is in step: its Keycloak can be started");
            return Ok(Answer::new(Status::NotNow, sentence).then(Next::StartKeycloak));
        }
        for (at, backup) in [(kept, stale), (stale, kept)] {
            let status = self.backup(at, backup)?;
            if status != Backup::Online {
                let sentence = format!("{at}'s backup to {backup} is {status}: starting from the cut again");
                return self.advance(RejoinStep::CutStale, sentence);
            }
        }
        let outcome = match Outcome::from_places(&self.record.places, &[kept, stale]) {
            Ok(outcome) => outcome,
            Err(unfit) => {
                return Ok(Answer::new(
                    Status::NotNow,
                    format!("{stale} cannot be put back: {unfit}"),
                ));
            }
        };
        let writes: Vec<_> = outcome
            .groups
            .iter()
            .map(|write| self.script.start(Call::WriteGroup(write.clone())))
            .collect();
        for place in writes {
            // What is read afterwards decides.
            let _ = self.script.group(place)?;
        }
        let asked = self.script.start(Call::ReadAccelerator);
        let reading = reading(self.script, asked)?;
        if !reading.agrees_with(&outcome) {
            let what = "it does not hold both sites yet".to_owned();
            return Err(self.script.failed(&Fault {
                whom: "the accelerator".to_owned(),
                what,
            }));
        }
        let script = &mut *self.script;
        let signed = format!("rejoin by {} (request {})", self.by, script.executor());
        let open = Record {
            state: State::Open,
            decision: None,
            claim: None,
            waiting: false,
            rejoin: None,
            cooldown_until: Some(script.in_seconds(script.settings.cooldown_seconds)),
            places: remember(&self.record.places, &reading.places(script.settings)),
            ..self.record.revised(&signed, script.now())
        };
        script.write(open)?;
        let sentence = format!(
            "{stale} is back: both sites serve, epoch {} is over",
            self.record.epoch
        );
        script.say(Cause::Rejoined, sentence.clone());
        Ok(Answer::new(Status::Done, sentence))
    }
}

fn stop_keycloak(stale: &SiteName) -> Answer {
    let sentence = format!("{stale}'s Keycloak has to be scaled to zero before its caches are cleared");
    Answer::new(Status::NotNow, sentence).then(Next::StopKeycloak)
}
