//! A request, understood: what is asked of which kind, by whom.

use http::{HeaderMap, Method};
use serde_json::Value;

use super::front::User;
use super::kinds::ResourceType;
use super::path::{Query, ResourcePath};
use super::status::Refusal;
use super::world::{Key, World};
use crate::standins::server::Received;

/// What is asked of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Anything of discovery: `/api`, `/apis` and what is below them.
    Discover,
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
}

impl Verb {
    pub(super) fn of(method: &Method, path: &ResourcePath, query: &Query) -> Option<Self> {
        Some(match (method.as_str(), &path.name) {
            ("GET", Some(_)) => Self::Get,
            ("GET", None) if query.is_true("watch") => Self::Watch,
            ("GET", None) => Self::List,
            ("POST", None) => Self::Create,
            ("PUT", Some(_)) => Self::Update,
            ("PATCH", Some(_)) => Self::Patch,
            ("DELETE", Some(_)) => Self::Delete,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Discover | Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }

    pub fn changes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Patch | Self::Delete)
    }
}

#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) verb: Verb,
    pub(super) kind: &'a ResourceType,
    pub(super) path: &'a ResourcePath,
    pub(super) query: &'a Query,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    /// Whether the caller may create what he applies and is not there.
    pub(super) may_create: Result<(), Refusal>,
    /// As it arrived, and whose it is: for a real server to judge.
    pub(super) received: &'a Received,
    pub(super) user: Option<&'a User>,
}

impl Asked<'_> {
    pub(super) fn is_dry_run(&self) -> bool {
        let in_body = || {
            let options: Value = serde_json::from_slice(self.body).unwrap_or_default();
            options["kind"] != self.kind.kind.as_str() && options["dryRun"][0] == "All"
        };
        let by_body = self.verb == Verb::Delete && in_body();
        self.query.get("dryRun") == Some("All") || by_body
    }

    pub(super) fn content_type(&self) -> &str {
        let value = self.headers.get(http::header::CONTENT_TYPE);
        let value = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }

    pub(super) fn namespace(&self) -> &str {
        self.path.namespace.as_deref().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.path.name.as_deref().unwrap_or_default()
    }

    pub(super) fn key(&self) -> Key {
        World::key(self.kind, self.namespace(), self.name())
    }

    pub(super) fn subresource(&self) -> &str {
        self.path.subresource.as_deref().unwrap_or_default()
    }

    /// The name that `managedFields` gets: what was said, or the program's own.
    pub(super) fn manager(&self) -> String {
        if let Some(manager) = self.query.get("fieldManager") {
            return manager.to_owned();
        }
        let agent = self.headers.get(http::header::USER_AGENT);
        let agent = agent.and_then(|value| value.to_str().ok()).unwrap_or("unknown");
        agent.split('/').next().unwrap_or_default().to_owned()
    }
}
