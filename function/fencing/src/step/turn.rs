//! The steps of a rejoin: what each changes, and when it may.
//!
//! STALE is the fenced site, whose state is stale; KEPT is the survivor; [`rejoin`](super::rejoin) tells the order and why. Here it is about
//! one step, which is one call of the operator's command.
//!
//! A clear whose reply was lost may arrive after its repetition, and after the next step has brought STALE
//! online: then it wipes KEPT. So a step that changes something first writes a claim into the register, and
//! only an attempt whose every change was answered takes it away. An executor that finds the claim of another attempt
//! waits first, as if the rejoin had changed hands.

use jiff::SignedDuration;

use super::evidence::{owned, reading};
use super::rejoin::Sites;
use super::restored::note_end;
use super::script::{Halt, Script, Switched};
use super::sweep::infinispan;
use super::{Call, Fault, Keycloak};
use crate::accelerator::{Outcome, remember};
use crate::answer::{Answer, Cause, Next, Status};
use crate::register::{Record, Rejoin, RejoinStep};
use crate::replication::{Backup, CachePush, Push};
use crate::words::SiteName;

/// How long a push may be under way before it is started again, the first time. At the measured 440 entries a second
/// that is enough for four hundred thousand; a push that was lost never ends.
const PUSH_STALLS_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// One step of a rejoin that this command drives and has waited for.
pub(super) struct Turn<'s, 'a, 'r> {
    script: &'s mut Script<'a>,
    record: Record,
    session: &'r str,
    by: &'r str,
    sites: &'r Sites,
    /// A change was not answered: it may still take effect.
    doubt: bool,
}

impl<'s, 'a, 'r> Turn<'s, 'a, 'r> {
    pub(super) fn new(
        script: &'s mut Script<'a>,
        record: &Record,
        session: &'r str,
        by: &'r str,
        sites: &'r Sites,
    ) -> Self {
        Self {
            script,
            record: record.clone(),
            session,
            by,
            sites,
            doubt: false,
        }
    }

    pub(super) fn take(&mut self, step: RejoinStep, keycloak: Keycloak) -> Result<Answer, Halt> {
        let number = step.number();
        let as_step = |answer: Answer| answer.as_step(number, RejoinStep::COUNT);
        match self.answer(step, keycloak) {
            Ok(answer) => Ok(as_step(answer)),
            // One that failed is named as well: the person who waits wants to know where it hangs.
            Err(Halt::Answer(answer)) => Err(Halt::Answer(as_step(answer))),
            Err(halt) => Err(halt),
        }
    }

    fn answer(&mut self, step: RejoinStep, keycloak: Keycloak) -> Result<Answer, Halt> {
        // Until STALE is up to date nobody may write there.
        if step != RejoinStep::Readd && keycloak != Keycloak::Stopped {
            return Ok(stop_keycloak(&self.sites.stale));
        }
        match step {
            RejoinStep::CutStale => self.cut_stale(),
            RejoinStep::Clear(caches) => self.clear(&caches),
            RejoinStep::RestoreStale => self.restore_stale(),
            RejoinStep::Push => self.push(),
            RejoinStep::AwaitPush => self.await_push(),
            RejoinStep::Readd => self.readd(keycloak),
        }
    }

    fn signed(&self) -> String {
        format!("rejoin by {} (request {})", self.by, self.script.executor())
    }

    /// How often the push was started again.
    fn restarts(&self) -> u8 {
        self.record.rejoin.as_ref().map_or(0, |rejoin| rejoin.restarts)
    }

    /// Writes down that this attempt is going to change something.
    fn attempt(&mut self) -> Result<(), Halt> {
        let begun = Record {
            claim: self.script.fresh_claim(),
            waiting: false,
            ..self.record.revised(&self.signed(), self.script.now())
        };
        self.record = self.script.write(begun)?;
        Ok(())
    }

    /// The same for the start of a push. Unless all of it succeeds, nothing is known of that push, and the whole step
    /// is taken again.
    fn attempt_push(&mut self) -> Result<(), Halt> {
        if let Some(rejoin) = &mut self.record.rejoin {
            rejoin.step = RejoinStep::Push;
        }
        self.attempt()
    }

    fn advance(&mut self, step: RejoinStep, sentence: String) -> Result<Answer, Halt> {
        let rejoin = Rejoin {
            session: self.session.to_owned(),
            step,
            restarts: self.restarts(),
        };
        let next = Record {
            rejoin: Some(rejoin),
            claim: None,
            ..self.record.revised(&self.signed(), self.script.now())
        };
        self.script.write(next)?;
        Ok(Answer::new(Status::NotNow, sentence).then(Next::Again))
    }

    /// The end of an attempt that failed. Its claim stays where a change was not answered.
    fn fail(&mut self, fault: &Fault) -> Halt {
        let failed = self.script.failed(fault);
        match failed {
            Halt::Answer(answer) if !self.doubt => self.script.give_up(&self.record, answer),
            other => other,
        }
    }

    fn backup(&mut self, at: &SiteName, backup: &SiteName) -> Result<Backup, Halt> {
        let read = self.script.start(Call::ReadBackup {
            at: at.clone(),
            backup: backup.clone(),
        });
        match self.script.backup(read)? {
            Ok(status) => Ok(status),
            Err(fault) => Err(self.fail(&fault)),
        }
    }

    fn switch(&mut self, call: Call) -> Result<(), Halt> {
        let place = self.script.start(call);
        match self.script.switched(place)? {
            Switched::All => Ok(()),
            Switched::Partly(fault) => Err(self.fail(&fault)),
            Switched::Unanswered(fault) => {
                self.doubt = true;
                Err(self.fail(&fault))
            }
        }
    }

    fn finish(&mut self, call: Call) -> Result<(), Halt> {
        let place = self.script.start(call);
        match self.script.done(place)? {
            Ok(()) => Ok(()),
            Err(fault) => {
                self.doubt = true;
                Err(self.fail(&fault))
            }
        }
    }

    /// Both backups may be cut only while nobody writes at STALE: Keycloak stopped, endpoint out.
    fn cut_stale(&mut self) -> Result<Answer, Halt> {
        let Sites { kept, stale } = self.sites;
        self.stale_is_out()?;
        self.attempt()?;
        self.switch(Call::TakeOffline {
            at: stale.clone(),
            backup: kept.clone(),
        })?;
        match self.backup(stale, kept)? {
            Backup::Offline => {
                let caches = self.script.settings.cleared_caches.clone();
                let step = if caches.is_empty() {
                    RejoinStep::RestoreStale
                } else {
                    RejoinStep::Clear(caches)
                };
                self.advance(step, format!("{stale} no longer replicates to {kept}"))
            }
            status => {
                let fault = infinispan(
                    stale,
                    format!("its backup to {kept} is {status} after take-offline"),
                );
                Err(self.fail(&fault))
            }
        }
    }

    /// The command that counts pods says that none is left. That no users are sent there the function sees for itself.
    fn stale_is_out(&mut self) -> Result<(), Halt> {
        let stale = &self.sites.stale;
        let asked = self.script.start(Call::ReadAccelerator);
        let reading = reading(self.script, asked)?;
        owned(self.script, &self.record, &reading)?;
        if !reading.holds(self.script.settings, stale) {
            return Ok(());
        }
        let sentence =
            format!("{stale} is in the accelerator already: take it out before it is brought back");
        self.script.say(Cause::Unexplained, sentence.clone());
        Err(Halt::Answer(Answer::new(Status::NotNow, sentence)))
    }

    fn clear(&mut self, caches: &[String]) -> Result<Answer, Halt> {
        let Sites { kept, stale } = self.sites;
        let Some((cache, left)) = caches.split_first() else {
            return self.advance(RejoinStep::RestoreStale, format!("{stale} is cleared"));
        };
        self.stale_is_out()?;
        self.attempt()?;
        // Right before each clear: an Infinispan that restarted has forgotten the cut.
        if self.backup(stale, kept)? != Backup::Offline {
            return self.advance(
                RejoinStep::CutStale,
                format!("{stale} replicates to {kept} again: cutting again"),
            );
        }
        self.finish(Call::ClearCache {
            at: stale.clone(),
            cache: cache.clone(),
        })?;
        let step = match left {
            [] => RejoinStep::RestoreStale,
            left => RejoinStep::Clear(left.to_vec()),
        };
        self.advance(step, format!("{stale}: cache {cache} is cleared"))
    }

    fn restore_stale(&mut self) -> Result<Answer, Halt> {
        let Sites { kept, stale } = self.sites;
        self.attempt()?;
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
                Err(self.fail(&fault))
            }
        }
    }

    fn pushes(&mut self) -> Result<Vec<CachePush>, Halt> {
        let asked = self.script.start(Call::ReadPushes {
            at: self.sites.kept.clone(),
            backup: self.sites.stale.clone(),
        });
        match self.script.pushes(asked)? {
            Ok(pushes) => Ok(pushes),
            Err(fault) => Err(self.fail(&fault)),
        }
    }

    /// A call whose complaints do not matter, because what it was for is read afterwards.
    fn try_to(&mut self, call: Call) -> Result<(), Halt> {
        let place = self.script.start(call);
        match self.script.switched(place)? {
            Switched::All | Switched::Partly(_) => Ok(()),
            Switched::Unanswered(fault) => {
                self.doubt = true;
                Err(self.fail(&fault))
            }
        }
    }

    /// Both ends give up the pushes of these caches, so that they can be started again: one that never ends blocks the
    /// next, and one that ended well would be mistaken for it.
    fn forget(&mut self, caches: &[String]) -> Result<(), Halt> {
        let Sites { kept, stale } = self.sites;
        self.try_to(Call::CancelPush {
            at: kept.clone(),
            backup: stale.clone(),
            caches: caches.to_vec(),
        })?;
        self.try_to(Call::CancelReceive {
            at: stale.clone(),
            from: kept.clone(),
            caches: caches.to_vec(),
        })?;
        self.finish(Call::ClearPushes {
            at: kept.clone(),
            caches: caches.to_vec(),
        })?;
        let pushes = self.pushes()?;
        let left = pushes
            .iter()
            .find(|push| push.push != Push::Idle && caches.contains(&push.cache));
        match left {
            None => Ok(()),
            Some(push) => {
                let what = format!("it does not forget the push of {}", push.cache);
                Err(self.fail(&infinispan(kept, what)))
            }
        }
    }

    /// Replication first, state second: what is written while state is pushed must not be missed.
    fn push(&mut self) -> Result<Answer, Halt> {
        let Sites { kept, stale } = self.sites;
        self.stale_is_out()?;
        self.attempt_push()?;
        let caches: Vec<String> = self.pushes()?.into_iter().map(|push| push.cache).collect();
        self.forget(&caches)?;
        self.switch(Call::BringOnline {
            at: kept.clone(),
            backup: stale.clone(),
        })?;
        let status = self.backup(kept, stale)?;
        if status != Backup::Online {
            let fault = infinispan(
                kept,
                format!("its backup to {stale} is {status} after bring-online"),
            );
            return Err(self.fail(&fault));
        }
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
        let pushes = self.pushes()?;
        // Idle: the push was never started, or a restart forgot it. Pushing twice is harmless.
        let again: Vec<String> = pushes
            .iter()
            .filter(|push| matches!(push.push, Push::Error | Push::Cancelled | Push::Idle))
            .map(|push| push.cache.clone())
            .collect();
        if !again.is_empty() {
            let sentence = format!("{kept} pushes again: {}", again.join(", "));
            self.stale_is_out()?;
            self.attempt_push()?;
            self.forget(&again)?;
            self.switch(Call::StartPush {
                at: kept.clone(),
                backup: stale.clone(),
                caches: again,
            })?;
            return self
                .advance(RejoinStep::AwaitPush, sentence)
                .map(|answer| answer.then(Next::Poll));
        }
        let sending = pushes.iter().filter(|push| push.push == Push::Sending).count();
        if sending > 0 && self.stalls() {
            return self.begin_anew(sending, pushes.len());
        }
        if sending > 0 {
            let under_way = pushes.iter().filter(|push| push.push == Push::Sending);
            let names: Vec<&str> = under_way.map(|push| push.cache.as_str()).collect();
            let sentence = format!(
                "{sending} of {} caches are still being pushed to {stale}: {}",
                pushes.len(),
                names.join(", ")
            );
            return Ok(Answer::new(Status::NotNow, sentence).then(Next::Poll));
        }
        self.attempt()?;
        let status = self.backup(kept, stale)?;
        if status != Backup::Online {
            // What was written meanwhile may be missing at the stale site.
            let sentence = format!("{kept}'s backup to {stale} is {status} again: pushing again");
            return self.advance(RejoinStep::Push, sentence);
        }
        let caches = pushes.into_iter().map(|push| push.cache).collect();
        self.finish(Call::ClearPushes {
            at: kept.clone(),
            caches,
        })?;
        self.advance(
            RejoinStep::Readd,
            format!("{kept} has pushed all its state to {stale}"),
        )
    }

    /// Whether the push has been under way for longer than it is given. Each time it is given twice as long: much
    /// state takes long, and must end some time.
    fn stalls(&self) -> bool {
        let since = self.script.now().duration_since(self.record.written_at);
        since > PUSH_STALLS_AFTER.saturating_mul(1 << self.restarts().min(8))
    }

    /// A push that does not end is started again, and people are notified.
    fn begin_anew(&mut self, sending: usize, all: usize) -> Result<Answer, Halt> {
        let Sites { kept, stale } = self.sites;
        let restarts = self.restarts().saturating_add(1);
        let sentence = format!(
            "the push from {kept} to {stale} began at {} and has not ended, {sending} of {all} caches are under way: \
             it is started again (attempt {})",
            self.record.written_at,
            u16::from(restarts) + 1
        );
        self.script.say(Cause::DependencyFailed, sentence.clone());
        if let Some(rejoin) = &mut self.record.rejoin {
            rejoin.restarts = restarts;
        }
        self.advance(RejoinStep::Push, sentence)
    }

    fn readd(&mut self, keycloak: Keycloak) -> Result<Answer, Halt> {
        let Sites { kept, stale } = self.sites;
        if keycloak != Keycloak::Ready {
            let sentence = format!("{stale} is up to date: its Keycloak can be started");
            return Ok(Answer::new(Status::NotNow, sentence).then(Next::StartKeycloak));
        }
        for (at, backup) in [(kept, stale), (stale, kept)] {
            let status = self.backup(at, backup)?;
            if status != Backup::Online {
                let sentence = format!("{at}'s backup to {backup} is {status}: starting from the cut again");
                return self.advance(RejoinStep::CutStale, sentence);
            }
        }
        let asked = self.script.start(Call::ReadAccelerator);
        let before = reading(self.script, asked)?;
        owned(self.script, &self.record, &before)?;
        let settings = self.script.settings;
        if let Some(stranger) = before.stranger(settings) {
            // The write is absolute, and would take out whatever this is.
            let sentence = format!(
                "{stale} is not put back: the accelerator holds `{}`, which is neither site's balancer",
                stranger.id
            );
            self.script.say(Cause::Unexplained, sentence.clone());
            return Ok(Answer::new(Status::NotNow, sentence));
        }
        // Where nobody ever saw the stale site, a person may have put it back by now.
        let places = remember(&self.record.places, &before.places(settings));
        let outcome = match Outcome::both(settings, &places, kept, stale) {
            Ok(outcome) => outcome,
            Err(unfit) => {
                let sentence = format!(
                    "{stale} cannot be put back: {unfit}; add its balancer by hand, then rejoin again"
                );
                return Ok(Answer::new(Status::NotNow, sentence));
            }
        };
        self.attempt()?;
        let writes: Vec<_> = outcome
            .groups
            .iter()
            .map(|write| self.script.start(Call::WriteGroup(write.clone())))
            .collect();
        let mut unanswered = None;
        for place in writes {
            unanswered = unanswered.or(self.script.group(place)?.err());
        }
        let asked = self.script.start(Call::ReadAccelerator);
        let after = match self.script.accelerator(asked)? {
            Ok(after) => after,
            Err(fault) => {
                self.doubt = unanswered.is_some();
                return Err(self.fail(&fault));
            }
        };
        // A write that was not answered could undo the next decision if this rejoin ended now.
        if let Some(fault) = unanswered {
            self.doubt = true;
            return Err(self.fail(&fault));
        }
        if !after.agrees_with(&outcome) {
            let what = "it does not hold both sites yet".to_owned();
            return Err(self.fail(&Fault {
                whom: "the accelerator".to_owned(),
                what,
            }));
        }
        let signed = self.signed();
        let script = &mut *self.script;
        let quiet_until = script.in_seconds(script.settings.cooldown_seconds);
        let open = Record {
            places: remember(&self.record.places, &after.places(script.settings)),
            ..self.record.opened(quiet_until, &signed, script.now())
        };
        let open = script.write(open)?;
        note_end(script, &open, &after)?;
        let sentence = format!(
            "{stale} is back: both sites serve, epoch {} is over",
            self.record.epoch
        );
        script.say(Cause::Rejoined, sentence.clone());
        Ok(Answer::new(Status::Done, sentence))
    }
}

fn stop_keycloak(stale: &SiteName) -> Answer {
    let sentence =
        format!("{stale}'s Keycloak has to be scaled to zero, and to stay there until {stale} is up to date");
    Answer::new(Status::NotNow, sentence).then(Next::StopKeycloak)
}
