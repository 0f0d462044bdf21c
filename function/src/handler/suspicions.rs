//! The handler's part in suspicions: what is looked into, and what is kept of one that was over by itself.

use std::collections::BTreeMap;

use fencing::answer::{Answer, Status};
use fencing::contract::alert::LEFT;
use fencing::metrics::{Measured, Metric};
use fencing::register::Record;
use fencing::register::near::{NearMiss, ended_by_itself};
use fencing::step::{Call, Event, Fault, Task};
use jiff::Timestamp;

use super::{Handler, Invocation, late};
use crate::run::Budget;
use crate::webhook::{Accusation, Delivery, Ended};
use crate::world::Lookout;

/// What was said of each site's last suspicion. A near miss is kept with that, if both arrived at this process.
#[derive(Debug, Default)]
pub(super) struct Looked(BTreeMap<Accusation, (Option<Timestamp>, String)>);

impl Looked {
    fn saw(&mut self, accusation: &Accusation, since: Option<Timestamp>, sentence: &str) {
        self.0.insert(accusation.clone(), (since, sentence.to_owned()));
    }

    fn at(&self, accusation: &Accusation, from: Timestamp) -> Option<String> {
        let (since, sentence) = self.0.get(accusation)?;
        (*since == Some(from)).then(|| sentence.clone())
    }
}

impl<W: Lookout> Handler<W> {
    /// Looks into a suspicion. It is no alert that may be refused without a look, nor one whose refusal is remembered.
    pub(super) async fn suspicion(
        &self,
        accusation: &Accusation,
        since: Option<Timestamp>,
        invocation: &Invocation,
        budget: Budget,
    ) -> Answer {
        let began = self.world.moment().uptime;
        let Accusation { reporter, suspect } = accusation.clone();
        let task = Task::Suspicion {
            reporter,
            suspect,
            since,
        };
        let answer = self.task(task, invocation, budget).await;
        if answer.sentence.starts_with(LEFT) {
            self.memory().looked.saw(accusation, since, &answer.sentence);
        } else {
            self.measure_fence(began);
        }
        answer
    }

    /// Keeps those suspicions that were over by themselves. Nothing rests on them, so nobody has to send them again.
    pub(super) async fn near_misses(&self, delivery: &Delivery, budget: Budget) -> Option<Answer> {
        if delivery.ended.is_empty() {
            return None;
        }
        let within = budget.left_beside(self.world.moment());
        let register = self.within(within, self.world.call(&Call::ReadRegister)).await;
        let record = match register {
            Some(Event::Register(Ok(record))) => record.map_or_else(Record::empty, |record| *record),
            Some(Event::Register(Err(fault))) => return Some(self.not_kept(&fault)),
            _ => return Some(self.not_kept(&late("the register"))),
        };
        let mut sentences = Vec::new();
        for ended in &delivery.ended {
            sentences.push(if ended_by_itself(&self.settings, &record, ended.from) {
                self.near_miss(ended, budget).await
            } else {
                let Accusation { reporter, suspect } = &ended.accusation;
                format!("{reporter} sees {suspect} again; a decision was made after it went out of view")
            });
        }
        self.world.settle().await;
        Some(Answer::new(Status::Done, sentences.join("; ")))
    }

    async fn near_miss(&self, ended: &Ended, budget: Budget) -> String {
        let Accusation { reporter, suspect } = &ended.accusation;
        let miss = NearMiss {
            from: ended.from,
            to: ended.to,
            looked: self.memory().looked.at(&ended.accusation, ended.from),
        };
        let seconds = miss.seconds();
        let within = budget.left_beside(self.world.moment());
        let kept = self.within(within, self.world.near_miss(&reporter.0, miss)).await;
        let is_new = match kept.unwrap_or_else(|| Err(late("the register"))) {
            Ok(is_new) => is_new,
            Err(fault) => {
                tracing::warn!(%fault, "a near miss of {reporter} was not kept");
                // Rather measured once too often than never.
                true
            }
        };
        // Of several deliveries the first counts.
        if is_new {
            self.world
                .measure(Measured::of(&reporter.0, Metric::NearMiss, seconds));
        }
        let sentence =
            format!("{reporter} did not see {suspect} for {seconds} seconds, and nobody was fenced");
        tracing::info!(topology = %self.settings.topology, seconds, "{sentence}");
        sentence
    }

    fn not_kept(&self, fault: &Fault) -> Answer {
        tracing::warn!(%fault, "whether a suspicion led to a decision is not known, so no near miss is kept");
        Answer::new(
            Status::Done,
            format!("a suspicion is over, and it is not known whether it led to a decision: {fault}"),
        )
    }
}
