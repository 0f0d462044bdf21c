//! CloudFormation: stacks, change sets, events.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::describe_events::builders::DescribeEventsFluentBuilder;
use aws_sdk_cloudformation::types::{
    Capability, ChangeSetType, EventFilter, HookFailureMode, OnStackFailure, OperationEvent, Parameter,
    StackDriftDetectionStatus, StackResource, StackResourceDrift, StackResourceDriftStatus, Tag,
    TemplateStage,
};

use super::call::{AwsCall, CallError};
use crate::observed::cause::{Holder, StackCause};
use crate::observed::changes::{
    Action, ChangeSetReading, PropertyChange, Replacement, ResourceChange, ResourceDrift,
};
use crate::observed::{ResourceReading, StackReading};
use crate::render::Template;
use crate::topology::Region;

/// The type of a stack among its own resources.
pub const STACK: &str = "AWS::CloudFormation::Stack";

/// The stacks of one Region.
#[derive(Debug, Clone)]
pub struct Stacks {
    client: Client,
    region: Region,
}

/// One event of a stack's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackEvent {
    pub id: String,
    /// The resource's name in the template, or the stack's own.
    pub logical_id: String,
    /// The resource's name outside, if it has one.
    pub physical_id: String,
    pub kind: String,
    pub status: String,
    /// Why, if it says.
    pub reason: Option<String>,
}

/// What a change set is to be made of.
#[derive(Debug, Clone, Copy)]
pub struct ChangeSetRequest<'a> {
    /// The stack, existing or not.
    pub stack: &'a str,
    pub name: &'a str,
    /// Whether it makes the stack.
    pub creates: bool,
    /// Whether a named resource that is there already is taken over.
    pub adopts: bool,
    pub template: &'a str,
    /// Tells it from one that another run has made under the same name.
    pub description: &'a str,
    /// The values of all its parameters.
    pub parameters: &'a BTreeMap<String, String>,
    /// The stack's tags, which its resources inherit.
    pub tags: &'a BTreeMap<String, String>,
}

impl Stacks {
    /// The stacks of `region`.
    pub fn new(client: Client, region: &Region) -> Self {
        Self {
            client,
            region: region.clone(),
        }
    }

    fn call(&self, operation: &'static str) -> AwsCall {
        AwsCall::new("CloudFormation", operation, &self.region)
    }

    /// A stack by name or id, without template and resources; a deleted one is none when asked for by name.
    pub async fn describe(&self, stack: &str) -> Result<Option<StackReading>, CallError> {
        let answer = self.client.describe_stacks().stack_name(stack).send().await;
        let answer = match answer.map_err(|error| self.call("DescribeStacks").failed(error)) {
            Ok(answer) => answer,
            Err(error) if says_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(stack) = answer.stacks.unwrap_or_default().into_iter().next() else {
            return Ok(None);
        };
        Ok(Some(StackReading {
            id: stack
                .stack_id
                .ok_or_else(|| self.call("DescribeStacks").lacks("the stack's id"))?,
            status: stack
                .stack_status
                .ok_or_else(|| self.call("DescribeStacks").lacks("the stack's status"))?
                .as_str()
                .to_owned(),
            reason: stack.stack_status_reason,
            template: Template::default(),
            parameters: stack
                .parameters
                .unwrap_or_default()
                .into_iter()
                .filter_map(|parameter| Some((parameter.parameter_key?, parameter.parameter_value?)))
                .collect(),
            outputs: stack
                .outputs
                .unwrap_or_default()
                .into_iter()
                .filter_map(|output| Some((output.output_key?, output.output_value?)))
                .collect(),
            tags: stack
                .tags
                .unwrap_or_default()
                .into_iter()
                .filter_map(|tag| Some((tag.key?, tag.value?)))
                .collect(),
            resources: Vec::new(),
        }))
    }

    /// Begins to compare a stack's resources with what they were deployed as; the id tells how far it is.
    pub async fn detect_drift(&self, stack: &str) -> Result<String, CallError> {
        let answer = self.client.detect_stack_drift().stack_name(stack).send().await;
        let answer = answer.map_err(|error| self.call("DetectStackDrift").failed(error))?;
        answer
            .stack_drift_detection_id
            .ok_or_else(|| self.call("DetectStackDrift").lacks("its id"))
    }

    /// Whether such a comparison is over. What could not be compared is left out of it.
    pub async fn knows_drift(&self, detection: &str) -> Result<bool, CallError> {
        let answer = self
            .client
            .describe_stack_drift_detection_status()
            .stack_drift_detection_id(detection)
            .send()
            .await
            .map_err(|error| self.call("DescribeStackDriftDetectionStatus").failed(error))?;
        let status = answer.detection_status;
        Ok(status != Some(StackDriftDetectionStatus::DetectionInProgress))
    }

    /// What the last comparison found to differ.
    pub async fn drifts(&self, stack: &str) -> Result<Vec<ResourceDrift>, CallError> {
        let mut drifts = Vec::new();
        let mut next = None;
        loop {
            let answer = self
                .client
                .describe_stack_resource_drifts()
                .stack_name(stack)
                .stack_resource_drift_status_filters(StackResourceDriftStatus::Modified)
                .stack_resource_drift_status_filters(StackResourceDriftStatus::Deleted)
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| self.call("DescribeStackResourceDrifts").failed(error))?;
            drifts.extend(
                answer
                    .stack_resource_drifts
                    .unwrap_or_default()
                    .into_iter()
                    .map(drift),
            );
            next = answer.next_token;
            if next.is_none() {
                return Ok(drifts);
            }
        }
    }

    /// The template that a stack was last made from, as it was sent.
    pub async fn template(&self, stack: &str) -> Result<String, CallError> {
        let answer = self
            .client
            .get_template()
            .stack_name(stack)
            .template_stage(TemplateStage::Original)
            .send()
            .await
            .map_err(|error| self.call("GetTemplate").failed(error))?;
        Ok(answer.template_body.unwrap_or_default())
    }

    pub async fn resources(&self, stack: &str) -> Result<Vec<ResourceReading>, CallError> {
        let mut pages = self
            .client
            .list_stack_resources()
            .stack_name(stack)
            .into_paginator()
            .send();
        let mut resources = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.call("ListStackResources").failed(error))?;
            resources.extend(
                page.stack_resource_summaries
                    .unwrap_or_default()
                    .into_iter()
                    .map(|resource| ResourceReading {
                        logical_id: resource.logical_resource_id.unwrap_or_default(),
                        kind: resource.resource_type.unwrap_or_default(),
                        physical_id: resource.physical_resource_id.filter(|id| !id.is_empty()),
                        status: resource
                            .resource_status
                            .map(|status| status.as_str().to_owned())
                            .unwrap_or_default(),
                    }),
            );
        }
        Ok(resources)
    }

    /// The events after `last`, oldest first. Without `last`, only the newest one, to start from.
    pub async fn events_after(&self, stack: &str, last: Option<&str>) -> Result<Vec<StackEvent>, CallError> {
        let mut pages = self
            .client
            .describe_stack_events()
            .stack_name(stack)
            .into_paginator()
            .send();
        let mut events = Vec::new();
        'pages: while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.call("DescribeStackEvents").failed(error))?;
            for event in page.stack_events.unwrap_or_default() {
                let id = event.event_id.unwrap_or_default();
                if last == Some(id.as_str()) {
                    break 'pages;
                }
                events.push(StackEvent {
                    id,
                    logical_id: event.logical_resource_id.unwrap_or_default(),
                    physical_id: event.physical_resource_id.unwrap_or_default(),
                    kind: event.resource_type.unwrap_or_default(),
                    status: event
                        .resource_status
                        .map(|status| status.as_str().to_owned())
                        .unwrap_or_default(),
                    reason: event.resource_status_reason.filter(|reason| !reason.is_empty()),
                });
                if last.is_none() {
                    break 'pages;
                }
            }
        }
        events.reverse();
        Ok(events)
    }

    /// Has a change set made; it is ready later. The answer is the stack's id.
    pub async fn create_change_set(&self, wanted: ChangeSetRequest<'_>) -> Result<String, CallError> {
        let kind = if wanted.creates {
            ChangeSetType::Create
        } else {
            ChangeSetType::Update
        };
        let mut request = self
            .client
            .create_change_set()
            .stack_name(wanted.stack)
            .change_set_name(wanted.name)
            .change_set_type(kind)
            .description(wanted.description)
            .template_body(wanted.template)
            .capabilities(Capability::CapabilityNamedIam)
            .on_stack_failure(OnStackFailure::Rollback);
        if wanted.adopts {
            request = request.import_existing_resources(true);
        }
        for (key, value) in wanted.parameters {
            request = request.parameters(
                Parameter::builder()
                    .parameter_key(key)
                    .parameter_value(value)
                    .build(),
            );
        }
        for (key, value) in wanted.tags {
            request = request.tags(Tag::builder().key(key).value(value).build());
        }
        let answer = request
            .send()
            .await
            .map_err(|error| self.call("CreateChangeSet").failed(error))?;
        answer
            .stack_id
            .ok_or_else(|| self.call("CreateChangeSet").lacks("the stack's id"))
    }

    /// A change set, with the values before and after.
    pub async fn change_set(&self, stack: &str, name: &str) -> Result<Option<ChangeSetReading>, CallError> {
        let mut reading = ChangeSetReading::default();
        let mut next_token = None;
        loop {
            let page = self
                .client
                .describe_change_set()
                .stack_name(stack)
                .change_set_name(name)
                .include_property_values(true)
                .set_next_token(next_token)
                .send()
                .await
                .map_err(|error| self.call("DescribeChangeSet").failed(error));
            let page = match page {
                Ok(page) => page,
                Err(error) if says_absent(&error) || error.is("ChangeSetNotFound") => return Ok(None),
                Err(error) => return Err(error),
            };
            reading.status = page
                .status
                .map(|status| status.as_str().to_owned())
                .unwrap_or_default();
            reading.reason = page.status_reason;
            reading.id = page.change_set_id.unwrap_or_default();
            reading.stack_id = page.stack_id.unwrap_or_default();
            reading.description = page.description.unwrap_or_default();
            reading.execution = page
                .execution_status
                .map(|status| status.as_str().to_owned())
                .unwrap_or_default();
            reading.changes.extend(
                page.changes
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|change| change.resource_change)
                    .map(resource_change),
            );
            next_token = page.next_token.filter(|token| !token.is_empty());
            if next_token.is_none() {
                return Ok(Some(reading));
            }
        }
    }

    /// What failed while a change set was made, resource by resource. Its description tells only that something did.
    pub async fn failures_of_change_set(&self, arn: &str) -> Result<Vec<StackCause>, CallError> {
        self.failures(self.client.describe_events().change_set_name(arn))
            .await
    }

    /// What failed in the last operation on a stack that failed at all, resource by resource, where its events only
    /// refer to these.
    pub async fn failures_of_stack(&self, id: &str) -> Result<Vec<StackCause>, CallError> {
        self.failures(self.client.describe_events().stack_name(id)).await
    }

    async fn failures(&self, asked: DescribeEventsFluentBuilder) -> Result<Vec<StackCause>, CallError> {
        let failed = EventFilter::builder().failed_events(true).build();
        let mut pages = asked.filters(failed).into_paginator().send();
        let (mut operation, mut causes) = (None, Vec::new());
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.call("DescribeEvents").failed(error))?;
            for event in page.operation_events.unwrap_or_default() {
                // What failed another day explains nothing.
                if *operation.get_or_insert_with(|| event.operation_id.clone()) == event.operation_id {
                    causes.extend(failure(event));
                }
            }
        }
        Ok(causes)
    }

    /// The stack that a resource belongs to, by the resource's name outside.
    pub async fn holder(&self, physical_id: &str) -> Result<Option<Holder>, CallError> {
        let answer = self
            .client
            .describe_stack_resources()
            .physical_resource_id(physical_id)
            .send()
            .await
            .map_err(|error| self.call("DescribeStackResources").failed(error));
        let resources = match answer {
            Ok(answer) => answer.stack_resources.unwrap_or_default(),
            Err(error) if says_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        // The answer holds all that the stack has.
        let wanted = |resource: &StackResource| resource.physical_resource_id.as_deref() == Some(physical_id);
        Ok(resources.into_iter().find(wanted).map(|resource| Holder {
            stack: resource.stack_name.unwrap_or_default(),
            logical_id: resource.logical_resource_id.unwrap_or_default(),
        }))
    }

    /// Removes a change set, if it is there.
    pub async fn delete_change_set(&self, stack: &str, name: &str) -> Result<(), CallError> {
        let answer = self
            .client
            .delete_change_set()
            .stack_name(stack)
            .change_set_name(name)
            .send()
            .await
            .map_err(|error| self.call("DeleteChangeSet").failed(error));
        match answer {
            Err(error) if !says_absent(&error) && !error.is("ChangeSetNotFound") => Err(error),
            _ => Ok(()),
        }
    }

    pub async fn execute_change_set(&self, stack: &str, name: &str) -> Result<(), CallError> {
        self.client
            .execute_change_set()
            .stack_name(stack)
            .change_set_name(name)
            .send()
            .await
            .map_err(|error| self.call("ExecuteChangeSet").failed(error))?;
        Ok(())
    }

    /// Starts the deletion of a stack. One that is gone already is fine.
    pub async fn delete(&self, stack: &str) -> Result<(), CallError> {
        let answer = self
            .client
            .delete_stack()
            .stack_name(stack)
            .send()
            .await
            .map_err(|error| self.call("DeleteStack").failed(error));
        match answer {
            Err(error) if !says_absent(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Starts to finish a rollback that failed.
    pub async fn continue_rollback(&self, stack: &str) -> Result<(), CallError> {
        self.client
            .continue_update_rollback()
            .stack_name(stack)
            .send()
            .await
            .map_err(|error| self.call("ContinueUpdateRollback").failed(error))?;
        Ok(())
    }
}

fn drift(drift: StackResourceDrift) -> ResourceDrift {
    let differences = drift.property_differences.unwrap_or_default().into_iter();
    ResourceDrift {
        is_gone: drift.stack_resource_drift_status == Some(StackResourceDriftStatus::Deleted),
        logical_id: drift.logical_resource_id.unwrap_or_default(),
        kind: drift.resource_type.unwrap_or_default(),
        properties: differences
            .map(|difference| PropertyChange {
                before: difference.expected_value,
                after: difference.actual_value,
                ..PropertyChange::at(dotted(&difference.property_path.unwrap_or_default()))
            })
            .collect(),
    }
}

/// A failed event, if it says why: a validation's, a hook's or a resource's own.
fn failure(event: OperationEvent) -> Option<StackCause> {
    let reasons = [
        event.validation_status_reason,
        event.hook_status_reason,
        event.resource_status_reason,
    ];
    let reason = reasons.into_iter().flatten().find(|reason| !reason.is_empty())?;
    // A stack's own event only counts those of its resources.
    if event.resource_type.as_deref() == Some(STACK) {
        return None;
    }
    let warns = [event.validation_failure_mode, event.hook_failure_mode];
    if warns.contains(&Some(HookFailureMode::Warn)) {
        return None;
    }
    Some(StackCause::new(
        &event.logical_resource_id.unwrap_or_default(),
        &event.resource_type.unwrap_or_default(),
        event.physical_resource_id.as_deref(),
        &reason,
    ))
}

/// A JSON pointer as a dotted path.
fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

/// CloudFormation has no code of its own for a stack that is not there, only a sentence.
fn says_absent(error: &CallError) -> bool {
    error
        .refusal()
        .is_some_and(|(code, message)| code == "ValidationError" && message.contains("does not exist"))
}

fn resource_change(change: aws_sdk_cloudformation::types::ResourceChange) -> ResourceChange {
    let replacement = match change
        .replacement
        .as_ref()
        .map(|replacement| replacement.as_str())
    {
        Some("True") => Replacement::Yes,
        Some("Conditional") => Replacement::Perhaps,
        _ => Replacement::No,
    };
    let action = match change.action.as_ref().map(|action| action.as_str()) {
        Some("Add") => Action::Create,
        Some("Remove") => Action::Delete,
        Some("Import") => Action::Adopt,
        _ => Action::Change,
    };
    let mut properties: Vec<PropertyChange> = Vec::new();
    for detail in change.details.unwrap_or_default() {
        let Some(target) = detail.target else {
            continue;
        };
        let recreation = target
            .requires_recreation
            .as_ref()
            .map_or("Never", |recreation| recreation.as_str());
        let attribute = target
            .attribute
            .map(|attribute| attribute.as_str().to_owned())
            .unwrap_or_default();
        let property = PropertyChange {
            // A path names a property inside a property; old replies have the outer name only.
            path: match (target.path, target.name) {
                (Some(path), _) if !path.is_empty() => dotted(path.trim_start_matches("/Properties")),
                (_, Some(name)) if !name.is_empty() => name,
                _ => attribute,
            },
            before: target.before_value,
            after: target.after_value,
            recreates: recreation == "Always",
            may_recreate: recreation != "Never",
            cause: detail.causing_entity.filter(|cause| !cause.is_empty()),
        };
        // The same property stands once per reason for its change.
        match properties.iter_mut().find(|known| known.path == property.path) {
            Some(known) => {
                known.recreates |= property.recreates;
                known.may_recreate |= property.may_recreate;
                // One that is written so is the reason that nothing else takes away.
                known.cause = known.cause.take().filter(|_| property.cause.is_some());
            }
            None => properties.push(property),
        }
    }
    ResourceChange {
        action,
        logical_id: change.logical_resource_id.unwrap_or_default(),
        kind: change.resource_type.unwrap_or_default(),
        physical_id: change.physical_resource_id,
        replacement,
        properties,
    }
}
