//! What the API server says instead of an object: `Status`, in its own words.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::kinds::ResourceType;
use super::merge::Conflict;

const NO_SUCH_PATH: &str = "404 page not found";

#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) reason: &'static str,
    pub(super) message: String,
    details: Map<String, Value>,
    pub(super) retry_after: Option<u32>,
}

/// A field that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldError {
    /// As the server writes paths: `spec.groups[0].rules[1].expr`.
    pub(super) field: String,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl FieldError {
    pub(super) fn new(field: &str, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            reason,
            message: message.into(),
        }
    }
}

impl Refusal {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Map::new(),
            retry_after: None,
        }
    }

    fn about(mut self, group: &str, what: &str, name: &str) -> Self {
        for (key, value) in [("name", name), ("group", group), ("kind", what)] {
            if !value.is_empty() {
                self.details.insert(key.to_owned(), Value::from(value));
            }
        }
        self
    }

    fn because(mut self, causes: Vec<Value>) -> Self {
        self.details.insert("causes".to_owned(), Value::Array(causes));
        self
    }

    /// What nobody here knows. The real server has other words for some of it; these say whose fault it is.
    pub(super) fn not_of_this_stand_in(what: impl std::fmt::Display) -> Self {
        Self::new(
            501,
            "NotImplemented",
            format!("the stand-in of the Kubernetes API server does not know {what}"),
        )
    }

    /// A path that is no API here, as when a CustomResourceDefinition is missing.
    pub(super) fn no_such_path() -> Self {
        Self::new(404, "", NO_SUCH_PATH)
    }

    pub(super) fn no_namespace(name: &str) -> Self {
        let message = format!("namespaces \"{name}\" not found");
        Self::new(404, "NotFound", message).about("", "namespaces", name)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(super) fn not_found(kind: &ResourceType, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.qualified());
        Self::new(404, "NotFound", message).about(&kind.group, &kind.plural, name)
    }

    pub(super) fn exists(kind: &ResourceType, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.qualified());
        Self::new(409, "AlreadyExists", message).about(&kind.group, &kind.plural, name)
    }

    pub(super) fn conflict(kind: &ResourceType, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {why}",
            kind.qualified()
        );
        Self::new(409, "Conflict", message).about(&kind.group, &kind.plural, name)
    }

    pub(super) fn modified(kind: &ResourceType, name: &str) -> Self {
        Self::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// Fields that others own.
    pub(super) fn apply_conflict(conflicts: &[Conflict]) -> Self {
        let causes = conflicts.iter().map(|conflict| {
            json!({
                "reason": "FieldManagerConflict",
                "message": format!("conflict with {}", conflict.with),
                "field": conflict.path.to_string(),
            })
        });
        let message = match conflicts {
            [one] => format!(
                "Apply failed with 1 conflict: conflict with {}: {}",
                one.with, one.path
            ),
            many => {
                let mut managers: Vec<&str> = many.iter().map(|conflict| conflict.with.as_str()).collect();
                managers.sort_unstable();
                managers.dedup();
                let mut lines = Vec::new();
                for manager in managers {
                    lines.push(format!("conflicts with {manager}:"));
                    let theirs = many.iter().filter(|conflict| conflict.with == manager);
                    lines.extend(theirs.map(|conflict| format!("- {}", conflict.path)));
                }
                format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n"))
            }
        };
        Self::new(409, "Conflict", message).because(causes.collect())
    }

    pub(super) fn invalid(kind: &ResourceType, name: &str, errors: &[FieldError]) -> Self {
        let said: Vec<String> = errors
            .iter()
            .map(|error| format!("{}: {}", error.field, error.message))
            .collect();
        let said = match said.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let what = if kind.group.is_empty() {
            kind.kind.clone()
        } else {
            format!("{}.{}", kind.kind, kind.group)
        };
        let causes = errors
            .iter()
            .map(|error| json!({"reason": error.reason, "message": error.message, "field": error.field}));
        Self::new(422, "Invalid", format!("{what} \"{name}\" is invalid: {said}"))
            .about(&kind.group, &kind.kind, name)
            .because(causes.collect())
    }

    /// `subject` is the resource, and its name where one was asked for.
    pub(super) fn forbidden(group: &str, plural: &str, name: &str, sentence: &str) -> Self {
        let resource = if group.is_empty() {
            plural.to_owned()
        } else {
            format!("{plural}.{group}")
        };
        let subject = if name.is_empty() {
            resource
        } else {
            format!("{resource} \"{name}\"")
        };
        Self::new(403, "Forbidden", format!("{subject} is forbidden: {sentence}")).about(group, plural, name)
    }

    pub(super) fn forbidden_path(user: &str, verb: &str, path: &str) -> Self {
        Self::new(
            403,
            "Forbidden",
            format!("forbidden: User \"{user}\" cannot {verb} path \"{path}\""),
        )
    }

    pub(super) fn too_many_requests(retry_after: u32) -> Self {
        let mut refusal = Self::new(
            429,
            "TooManyRequests",
            "The server is currently unable to handle the request: too many requests, please try again later.",
        );
        refusal
            .details
            .insert("retryAfterSeconds".to_owned(), Value::from(retry_after));
        refusal.retry_after = Some(retry_after);
        refusal
    }

    pub(super) fn response(&self) -> Response<Bytes> {
        if self.code == 404 && self.message == NO_SUCH_PATH {
            // Said by the router, which knows no objects.
            let mut response = Response::new(Bytes::from(format!("{NO_SUCH_PATH}\n")));
            *response.status_mut() = StatusCode::NOT_FOUND;
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, plain);
            return response;
        }
        let mut body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if !self.reason.is_empty() {
            body["reason"] = Value::from(self.reason);
        }
        if !self.details.is_empty() {
            body["details"] = Value::Object(self.details.clone());
        }
        let mut response = json_response(self.code, &body);
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The `Status` of something that was done and leaves no object.
pub(super) fn success(kind: &ResourceType, name: &str, uid: &str) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": name, "group": kind.group, "kind": kind.plural, "uid": uid},
    })
}

pub(super) fn json_response(code: u16, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
