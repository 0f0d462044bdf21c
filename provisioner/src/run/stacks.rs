//! Brings one stack to its goal: change set, execution, events until the end.
//!
//! The SDK's waiters say nothing for minutes, so the stack's events are polled and shown as they happen. The
//! first event that failed is the cause; those after it are mostly resources that were cancelled for it.

use super::Session;
use super::failure::Failure;
use super::learned::Learned;
use super::pace::Pace;
use crate::observed::cause::StackCause;
use crate::observed::changes::{ChangeSetReading, ChangeSetState, ResourceChange};
use crate::observed::{StackHealth, StackReading};
use crate::plan::{StackGoal, difference};
use crate::preflight::causes;
use crate::report;
use crate::topology::{Region, Topology};
use crate::world::call::CallError;
use crate::world::cloudformation::{ChangeSetRequest, STACK, StackEvent, Stacks};

/// The change set that is executed. One name, so that the next run finds what an interrupted one left.
const APPLY: &str = "sitefence-apply";

/// A change set that waits to be executed, if there is anything to change.
#[derive(Debug)]
pub struct Prepared {
    change_set: Option<ChangeSetReading>,
    /// The stack's newest event before.
    last_event: Option<String>,
}

/// The stacks of a Region, for one session.
#[derive(Debug)]
pub struct Driver<'a> {
    pub(super) session: &'a Session,
    pub(super) topology: &'a Topology,
    stacks: Stacks,
    region: Region,
}

impl<'a> Driver<'a> {
    /// Drives the stacks of `region`.
    pub fn new(session: &'a Session, topology: &'a Topology, region: &Region) -> Self {
        Self {
            session,
            topology,
            stacks: Stacks::new(session.aws.cloudformation(region), region),
            region: region.clone(),
        }
    }

    /// Makes or changes a stack.
    pub async fn reach(&self, goal: &StackGoal, creates: bool, learned: &Learned) -> Result<(), Failure> {
        let prepared = self.prepare(goal, creates, learned).await?;
        self.carry_out(goal, creates, prepared, learned).await
    }

    /// Has the change set made, which changes nothing yet.
    pub async fn prepare(
        &self,
        goal: &StackGoal,
        creates: bool,
        learned: &Learned,
    ) -> Result<Prepared, Failure> {
        let looked = async {
            // A stack that is about to be made has no past.
            if creates {
                Ok::<_, Failure>(None)
            } else {
                Ok(self.last_event(&goal.stack).await?)
            }
        };
        let (change_set, last_event) =
            tokio::try_join!(self.change_set(goal, APPLY, creates, Some(learned)), looked)?;
        Ok(Prepared {
            change_set,
            last_event,
        })
    }

    /// Takes back what was prepared in the end for nothing: the change set, and with it a stack that was only about to be
    /// made. The next run finds what cannot be taken back.
    pub async fn take_back(&self, goal: &StackGoal, creates: bool, prepared: &Prepared) {
        let Some(change_set) = &prepared.change_set else {
            return;
        };
        let _ = if creates {
            self.stacks.delete(&change_set.stack_id).await
        } else {
            // By its own id: under the name there may be another run's by now.
            self.stacks.delete_change_set(&goal.stack, &change_set.id).await
        };
    }

    /// Executes what was prepared, and stays until it is over.
    pub async fn carry_out(
        &self,
        goal: &StackGoal,
        creates: bool,
        prepared: Prepared,
        learned: &Learned,
    ) -> Result<(), Failure> {
        let session = self.session;
        let Some(change_set) = prepared.change_set else {
            session.console.say("  nothing to change after all");
            return Ok(());
        };
        if !creates {
            for line in report::changes(&difference::explained(&goal.difference, &change_set.changes)) {
                session.console.say(&format!("  {line}"));
            }
        }
        session.interrupt.check()?;
        self.execute(&goal.stack, &change_set.id).await?;
        let stack_id = change_set.stack_id;
        match self.follow(&goal.stack, &stack_id, prepared.last_event).await {
            Ok(reading) => {
                let outputs = reading.map(|reading| reading.outputs).unwrap_or_default();
                learned.note_outputs(&self.region, goal.kind, outputs);
                Ok(())
            }
            Err(Failure::Stack {
                stack,
                region,
                status,
                cause,
            }) => {
                let of_stack = cause.as_ref().is_none_or(|cause| cause.kind == STACK);
                let mut cause = cause;
                if of_stack {
                    // The stack's own events only count what its operation's tell. Without the right to look, what is
                    // known is reported.
                    let failures = self.stacks.failures_of_stack(&stack_id).await.unwrap_or_default();
                    cause = failures.into_iter().next().map(Box::new).or(cause);
                }
                if let Some(cause) = &mut cause {
                    self.complete(goal, cause, &stack_id).await;
                }
                Err(Failure::Stack {
                    stack,
                    region,
                    status,
                    cause,
                })
            }
            Err(other) => Err(other),
        }
    }

    /// Starts the change set of this id. An answer that was lost makes the next attempt fail, and the work is done. One that
    /// is gone was taken away by another run, whatever stands under its name now.
    async fn execute(&self, stack: &str, id: &str) -> Result<(), Failure> {
        let error = match self.stacks.execute_change_set(stack, id).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if error.is("ChangeSetNotFound") || error.is("InvalidChangeSetStatus") {
            match self.stacks.change_set(stack, id).await? {
                Some(change_set) if !change_set.was_executed() => {}
                Some(_) => return Ok(()),
                None => return Err(Failure::Overtaken),
            }
        }
        Err(error.into())
    }

    /// What a change of `goal`'s stack would do. The change set that tells is removed again.
    pub async fn preview(&self, goal: &StackGoal) -> Result<Vec<ResourceChange>, Failure> {
        // Two people may look at the same time.
        let name = format!("sitefence-plan-{}", jiff::Timestamp::now().as_millisecond());
        let change_set = self.change_set(goal, &name, false, None).await;
        // Removed whatever came of it; an interrupted look must leave nothing, either.
        self.stacks.delete_change_set(&goal.stack, &name).await?;
        Ok(change_set?
            .map(|change_set| change_set.changes)
            .unwrap_or_default())
    }

    /// Makes a change set and waits until it can be read; `None` if there is nothing to change.
    async fn change_set(
        &self,
        goal: &StackGoal,
        name: &str,
        creates: bool,
        learned: Option<&Learned>,
    ) -> Result<Option<ChangeSetReading>, Failure> {
        let parameters = self.parameters(goal, learned).await?;
        let description = format!("made by provision, run {}", self.session.run);
        let request = ChangeSetRequest {
            stack: &goal.stack,
            name,
            creates,
            adopts: goal.adopts,
            template: &goal.template.text,
            description: &description,
            parameters: &parameters,
            tags: &goal.tags,
        };
        let mut created = self.stacks.create_change_set(request).await;
        // What an interrupted run left is of another day. Of a stack that is only being made it is the answer that was
        // lost: the stack was not there before.
        if !creates
            && created
                .as_ref()
                .is_err_and(|error| error.is("AlreadyExistsException"))
        {
            self.stacks.delete_change_set(&goal.stack, name).await?;
            created = self.stacks.create_change_set(request).await;
        }
        match created {
            Ok(_) => {}
            Err(error) if error.is("AlreadyExistsException") => {}
            Err(error) if says_empty(&error) => return Ok(None),
            // Planned on a stack that has changed since: the plan is void, not the world.
            Err(error) if says_overtaken(&error) => return Err(Failure::Overtaken),
            Err(error) => return Err(error.into()),
        }
        let mut pace = Pace::new();
        loop {
            let Some(change_set) = self.stacks.change_set(&goal.stack, name).await? else {
                return Err(Failure::Overtaken);
            };
            match change_set.verdict() {
                // Of two runs that make the same stack at the same time, one must not execute what the other had made.
                ChangeSetState::Ready if change_set.description != description => {
                    return Err(Failure::Overtaken);
                }
                ChangeSetState::Ready => return Ok(Some(change_set)),
                ChangeSetState::Pending => pace.pause(self.session).await?,
                ChangeSetState::Empty => {
                    self.stacks.delete_change_set(&goal.stack, name).await?;
                    return Ok(None);
                }
                ChangeSetState::Failed => {
                    // Its events go with it, and they alone say what failed.
                    let refused = self.refused(goal, change_set).await;
                    self.stacks.delete_change_set(&goal.stack, name).await?;
                    return Err(refused);
                }
            }
        }
    }

    /// Why a change set cannot be made. That more cannot be read is no reason to say less.
    async fn refused(&self, goal: &StackGoal, change_set: ChangeSetReading) -> Failure {
        let (mut causes, unread) = match self.stacks.failures_of_change_set(&change_set.id).await {
            Ok(causes) => (causes, None),
            Err(error) => (Vec::new(), Some(Box::new(error))),
        };
        for cause in &mut causes {
            self.complete(goal, cause, &change_set.id).await;
        }
        Failure::ChangeSet {
            stack: goal.stack.clone(),
            region: self.region.clone(),
            reason: change_set.reason.unwrap_or_else(|| "no reason given".to_owned()),
            causes,
            unread,
        }
    }

    /// Adds to a cause the resource's own name and, where that is taken, who has it.
    async fn complete(&self, goal: &StackGoal, cause: &mut StackCause, arn: &str) {
        if cause.name.is_none() {
            let account_id = arn.split(':').nth(4).unwrap_or_default();
            cause.name = difference::name_of(goal, &cause.logical_id, account_id);
        }
        if let (true, Some(name)) = (causes::is_taken(cause), &cause.name) {
            // A service of the message: without the right to look it says less.
            cause.holder = self.stacks.holder(name).await.ok().flatten();
        }
    }

    /// Removes a stack. `id` is the one that was planned for; its successor is left alone.
    pub async fn delete(&self, stack: &str, id: &str) -> Result<(), Failure> {
        let last = self.last_event(id).await?;
        self.stacks.delete(id).await?;
        self.follow(stack, id, last).await.map(drop)
    }

    /// Continues a rollback that failed.
    pub async fn continue_rollback(&self, stack: &str) -> Result<(), Failure> {
        let reading = self.stacks.describe(stack).await?.ok_or(Failure::Overtaken)?;
        let last = self.last_event(&reading.id).await?;
        self.stacks.continue_rollback(&reading.id).await?;
        match self.follow(stack, &reading.id, last).await {
            // That is where it was meant to get.
            Err(Failure::Stack { status, .. }) if status == "UPDATE_ROLLBACK_COMPLETE" => Ok(()),
            other => other.map(drop),
        }
    }

    /// Waits for what someone else began. How it ends is for the next plan to judge.
    pub async fn await_settled(&self, stack: &str) -> Result<(), Failure> {
        let Some(reading) = self.stacks.describe(stack).await? else {
            return Ok(());
        };
        let last = self.last_event(&reading.id).await?;
        match self.follow(stack, &reading.id, last).await {
            Err(Failure::Stack { .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// The events after `last`, or all there are.
    async fn events(&self, id: &str, last: Option<&str>) -> Result<Vec<StackEvent>, CallError> {
        self.stacks.events_after(id, Some(last.unwrap_or_default())).await
    }

    async fn last_event(&self, id: &str) -> Result<Option<String>, CallError> {
        let newest = self.stacks.events_after(id, None).await;
        match newest {
            Ok(events) => Ok(events.into_iter().next().map(|event| event.id)),
            // A stack in review has no events, and some say so by failing.
            Err(error) if error.is("ValidationError") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Tells a stack's events until it rests. How it is then; nothing where it is gone.
    async fn follow(
        &self,
        stack: &str,
        id: &str,
        mut last: Option<String>,
    ) -> Result<Option<StackReading>, Failure> {
        let mut pace = Pace::new();
        let mut cause = None;
        loop {
            let (reading, events) = tokio::join!(self.stacks.describe(id), self.events(id, last.as_deref()));
            let reading = reading?;
            let is_over = reading
                .as_ref()
                .is_none_or(|reading| StackHealth::of(&reading.status) != StackHealth::Working);
            let mut events = match events {
                // A stack that is gone may have taken its events along.
                Err(error) if error.is("ValidationError") && reading.is_none() => Vec::new(),
                events => events?,
            };
            // What was read beside a state need not hold what led to it, unless it holds the end itself; what is read
            // after the last one does.
            let ends = |event: &StackEvent, status: &str| event.physical_id == id && event.status == status;
            let lacks_the_end = |reading: &StackReading| !events.iter().any(|it| ends(it, &reading.status));
            if is_over && reading.as_ref().is_some_and(lacks_the_end) {
                let seen = events
                    .last()
                    .map(|event| event.id.clone())
                    .or_else(|| last.clone());
                events.extend(self.events(id, seen.as_deref()).await?);
            }
            for event in events {
                self.tell(&event);
                if cause.is_none() {
                    cause = cause_of(&event, stack);
                }
                last = Some(event.id);
            }
            let Some(reading) = reading else { return Ok(None) };
            match reading.status.as_str() {
                "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "DELETE_COMPLETE" | "IMPORT_COMPLETE" => {
                    return Ok(Some(reading));
                }
                status if StackHealth::of(status) == StackHealth::Working => {}
                status => {
                    return Err(Failure::Stack {
                        stack: stack.to_owned(),
                        region: self.region.clone(),
                        status: status.to_owned(),
                        cause: cause
                            .or_else(|| {
                                let reason = reading.reason.filter(|reason| !reason.is_empty())?;
                                Some(StackCause::new(stack, STACK, None, &reason))
                            })
                            .map(Box::new),
                    });
                }
            }
            pace.pause(self.session).await?;
        }
    }

    fn tell(&self, event: &StackEvent) {
        let reason = event
            .reason
            .as_deref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        self.session.console.say(&format!(
            "  {:<28} {} {}{reason}",
            event.status, event.kind, event.logical_id
        ));
    }
}

fn cause_of(event: &StackEvent, stack: &str) -> Option<StackCause> {
    let reason = event.reason.clone()?;
    // Resources that were stopped because another one failed are not the cause; nor is the stack, which
    // only counts them.
    let is_consequence = reason.contains("creation cancelled")
        || reason.contains("update cancelled")
        || event.logical_id == stack;
    let is_cause = event.status.ends_with("_FAILED") && !is_consequence;
    is_cause.then(|| StackCause::new(&event.logical_id, &event.kind, Some(&event.physical_id), &reason))
}

fn says_empty(error: &CallError) -> bool {
    error.refusal().is_some_and(|(_, message)| {
        message.contains("No updates are to be performed") || message.contains("didn't contain changes")
    })
}

fn says_overtaken(error: &CallError) -> bool {
    error.refusal().is_some_and(|(code, message)| {
        code == "ValidationError"
            && (message.contains("already exists")
                || message.contains("does not exist")
                || message.contains("_IN_PROGRESS state")
                || message.contains("cannot be updated"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(logical_id: &str, status: &str, reason: Option<&str>) -> StackEvent {
        StackEvent {
            id: "e".into(),
            logical_id: logical_id.into(),
            physical_id: String::new(),
            kind: "AWS::IAM::Role".into(),
            status: status.into(),
            reason: reason.map(str::to_owned),
        }
    }

    #[test]
    fn the_first_real_failure_is_the_cause() {
        for (event, is_cause) in [
            (
                event("Role", "CREATE_IN_PROGRESS", Some("Resource creation Initiated")),
                false,
            ),
            (
                event("Role", "CREATE_FAILED", Some("Resource creation cancelled")),
                false,
            ),
            (
                event("Table", "UPDATE_FAILED", Some("Resource update cancelled")),
                false,
            ),
            (
                event(
                    "the-stack",
                    "UPDATE_FAILED",
                    Some("The following resource(s) failed to update: [Role]"),
                ),
                false,
            ),
            (event("Role", "CREATE_FAILED", None), false),
            (event("Role", "CREATE_FAILED", Some("EntityAlreadyExists")), true),
            (
                event(
                    "Bucket",
                    "DELETE_FAILED",
                    Some("The bucket you tried to delete is not empty"),
                ),
                true,
            ),
        ] {
            assert_eq!(cause_of(&event, "the-stack").is_some(), is_cause, "{event:?}");
        }
    }
}
