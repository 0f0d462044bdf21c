//! What a change set would do, in words of our own.

use serde::Serialize;

use crate::topology::Region;

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    /// It is changed, in place or by a new one.
    Change,
    Delete,
    /// It is there already and is taken over.
    Adopt,
}

/// Whether a change makes a new resource and removes the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Replacement {
    /// It is changed in place.
    No,
    /// Only CloudFormation knows, when it gets there.
    Perhaps,
    Yes,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PropertyChange {
    /// Which, as a dotted path.
    pub path: String,
    /// Its value before, where CloudFormation tells.
    pub before: Option<String>,
    /// Its value after, where CloudFormation tells.
    pub after: Option<String>,
    /// Whether this is what makes the resource be replaced.
    pub recreates: bool,
    /// Whether CloudFormation will not say in advance that it does not.
    #[serde(skip)]
    pub may_recreate: bool,
    /// The parameter or the resource by which the value changes, where CloudFormation names one.
    #[serde(skip)]
    pub cause: Option<String>,
}

impl PropertyChange {
    /// A change of which nothing is known but where it is.
    pub fn at(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            before: None,
            after: None,
            recreates: false,
            may_recreate: false,
            cause: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChange {
    pub action: Action,
    /// Its name in the template.
    pub logical_id: String,
    pub kind: String,
    /// Its name outside, if it has one.
    pub physical_id: Option<String>,
    pub replacement: Replacement,
    pub properties: Vec<PropertyChange>,
}

/// What an update changes in a stack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StackDifference {
    /// The stack's tags, which all its resources inherit.
    pub tags: Vec<PropertyChange>,
    pub resources: Vec<ResourceChange>,
}

/// A resource that someone changed behind CloudFormation's back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDrift {
    /// Its name in the template.
    pub logical_id: String,
    pub kind: String,
    /// Whether it is not there any more.
    pub is_gone: bool,
    /// What of it differs: before, as it was deployed; after, as it is.
    pub properties: Vec<PropertyChange>,
}

/// A stack with such resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StackDrift {
    pub region: Region,
    pub stack: String,
    pub resources: Vec<ResourceDrift>,
}

/// A change set as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeSetReading {
    /// Its ARN, by which alone its events are found.
    pub id: String,
    pub stack_id: String,
    /// What the caller who had it made wrote on it.
    pub description: String,
    /// CloudFormation's word for its state.
    pub status: String,
    /// Why, if it says.
    pub reason: Option<String>,
    /// CloudFormation's word for whether it was started.
    pub execution: String,
    pub changes: Vec<ResourceChange>,
}

/// What is known about a change set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeSetState {
    /// It is still being made.
    Pending,
    Ready,
    /// There is nothing to change. CloudFormation calls that a failure.
    Empty,
    Failed,
}

impl ChangeSetReading {
    /// Whether it was started, however it went on.
    pub fn was_executed(&self) -> bool {
        self.execution.starts_with("EXECUTE_")
    }

    /// What the status and its reason mean.
    pub fn verdict(&self) -> ChangeSetState {
        let says = |text: &str| self.reason.as_deref().is_some_and(|reason| reason.contains(text));
        match self.status.as_str() {
            "CREATE_COMPLETE" => ChangeSetState::Ready,
            "FAILED" if says("didn't contain changes") || says("No updates are to be performed") => {
                ChangeSetState::Empty
            }
            "CREATE_PENDING" | "CREATE_IN_PROGRESS" | "DELETE_PENDING" | "DELETE_IN_PROGRESS" => {
                ChangeSetState::Pending
            }
            _ => ChangeSetState::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_set_without_changes_is_no_failure() {
        for (status, reason, verdict) in [
            ("CREATE_PENDING", None, ChangeSetState::Pending),
            ("CREATE_IN_PROGRESS", None, ChangeSetState::Pending),
            ("CREATE_COMPLETE", None, ChangeSetState::Ready),
            (
                "FAILED",
                Some("The submitted information didn't contain changes. Submit different information."),
                ChangeSetState::Empty,
            ),
            (
                "FAILED",
                Some("No updates are to be performed."),
                ChangeSetState::Empty,
            ),
            (
                "FAILED",
                Some("Parameter ArtifactKey failed to satisfy constraint"),
                ChangeSetState::Failed,
            ),
            ("FAILED", None, ChangeSetState::Failed),
            ("DELETE_FAILED", None, ChangeSetState::Failed),
        ] {
            let reading = ChangeSetReading {
                status: status.to_owned(),
                reason: reason.map(str::to_owned),
                ..ChangeSetReading::default()
            };
            assert_eq!(reading.verdict(), verdict, "{status} {reason:?}");
        }
    }
}
