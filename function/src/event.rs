//! What Lambda hands in: a web request, the schedule's tick, an operator's task, or a rehearsal.
//!
//! All of them arrive through the same door as JSON. The Function URL is public and its caller writes path,
//! headers and body; the schedule and the operators come by `lambda:Invoke`, which IAM guards. So the two
//! kinds must never be confused: whatever carries one of a web request's own fields is a web request, and an
//! invocation by name has `sitefence` (and `task`) and nothing else at all.

use std::fmt;

use fencing::contract::{Envelope, Misunderstood};
use fencing::health::Drill;
use fencing::step::Task;
use fencing::words::SiteName;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug)]
pub enum Incoming {
    /// Through the Function URL, from anybody.
    Web(Box<Request>),
    Sweep,
    Operate(Task),
    /// By an operator who rehearses.
    Drill(Drill),
    /// By an operator who wants to know what only one site has.
    Count {
        /// The site that would be given up.
        given_up: SiteName,
        /// The other one.
        kept: SiteName,
    },
}

/// A web request, as much of it as anyone here reads.
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    pub path: String,
    /// The header `authorization`.
    pub authorization: Option<SecretString>,
    /// The body as Lambda wrote it down.
    pub body: String,
    /// Whether that is base64.
    pub base64: bool,
}

/// Neither the header nor the body nor the path, which may hold a secret, is ever printed.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The fields by which an event is a web request. The first is the one that Function URLs set; the others
/// belong to the remaining web integrations of Lambda, none of which may reach an operator's door either.
const WEB_FIELDS: [&str; 5] = ["requestContext", "rawPath", "headers", "body", "httpMethod"];

#[derive(Deserialize)]
struct WebEvent {
    #[serde(default, rename = "rawPath")]
    raw_path: String,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default, rename = "isBase64Encoded")]
    is_base64_encoded: bool,
    #[serde(default, rename = "requestContext")]
    request_context: Context,
}

#[derive(Default, Deserialize)]
struct Context {
    #[serde(default)]
    http: Http,
}

#[derive(Default, Deserialize)]
struct Http {
    #[serde(default)]
    method: String,
}

impl Incoming {
    pub fn read(value: Value) -> Result<Self, Misunderstood> {
        if WEB_FIELDS.iter().any(|field| value.get(field).is_some()) {
            return serde_json::from_value::<WebEvent>(value)
                .map(|event| Self::Web(Box::new(event.into())))
                .map_err(|_| Misunderstood::Envelope);
        }
        Ok(match Envelope::read(value)? {
            Envelope::Sweep {} => Self::Sweep,
            Envelope::Operate { task } => Self::Operate(task),
            Envelope::Drill { task } => Self::Drill(task),
            Envelope::Count { given_up, kept } => Self::Count { given_up, kept },
        })
    }
}

impl From<WebEvent> for Request {
    fn from(event: WebEvent) -> Self {
        let authorization = event
            .headers
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        Self {
            method: event.request_context.http.method,
            path: event.raw_path,
            authorization: match authorization {
                Some((_, Value::String(value))) => Some(value.into()),
                _ => None,
            },
            body: event.body.unwrap_or_default(),
            base64: event.is_base64_encoded,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    fn web(event: Value) -> Request {
        match Incoming::read(event).unwrap() {
            Incoming::Web(request) => *request,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_function_url_event_is_a_request() {
        let request = web(json!({
            "version": "2.0", "rawPath": "/webhook", "rawQueryString": "",
            "headers": {"authorization": "Basic x", "content-type": "application/json"},
            "requestContext": {"http": {"method": "POST", "path": "/webhook", "sourceIp": "1.2.3.4"}},
            "body": "e30=", "isBase64Encoded": true
        }));
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/webhook")
        );
        assert_eq!(request.authorization.as_ref().unwrap().expose_secret(), "Basic x");
        assert_eq!((request.body.as_str(), request.base64), ("e30=", true));
        let printed = format!("{request:?}");
        assert!(
            !printed.contains("Basic") && !printed.contains("e30="),
            "{printed}"
        );
    }

    #[test]
    fn the_schedule_and_operators_come_by_name() {
        assert!(matches!(
            Incoming::read(json!({"sitefence": "sweep"})),
            Ok(Incoming::Sweep)
        ));
        let release = json!({"sitefence": "operate", "task": {"task": "release", "by": "ana"}});
        assert!(matches!(
            Incoming::read(release),
            Ok(Incoming::Operate(Task::Release { by })) if by == "ana"
        ));
        let drill =
            json!({"sitefence": "drill", "task": {"task": "fail-health", "by": "ana", "seconds": 60}});
        assert!(matches!(
            Incoming::read(drill),
            Ok(Incoming::Drill(Drill::FailHealth { seconds: 60, .. }))
        ));
        // A rehearsal cannot be made to act, nor an act be passed for one.
        for (kind, task) in [
            ("operate", "fail-health"),
            ("drill", "release"),
            ("operate", "dance"),
        ] {
            let mixed = json!({"sitefence": kind, "task": {"task": task, "by": "ana", "seconds": 60}});
            assert!(
                matches!(Incoming::read(mixed), Err(Misunderstood::Task)),
                "{kind} {task}"
            );
        }
    }

    /// The public door never leads to an operator's effect.
    #[test]
    fn a_web_request_is_never_an_operation_whatever_it_says() {
        let task = json!({"task": "release", "by": "mallory"});
        let operate = json!({"sitefence": "operate", "task": task});
        for field in WEB_FIELDS {
            let mut event = operate.clone();
            event[field] = json!({});
            assert!(
                !matches!(
                    Incoming::read(event),
                    Ok(Incoming::Operate(_) | Incoming::Drill(_) | Incoming::Count { .. } | Incoming::Sweep)
                ),
                "{field}"
            );
        }
        let request = web(json!({
            "requestContext": {"http": {"method": "POST"}}, "rawPath": "/webhook",
            "sitefence": "operate", "task": task, "body": operate.to_string()
        }));
        assert!(request.authorization.is_none());
        // A request without any of a request's usual parts stays one, too.
        assert!(
            web(json!({"requestContext": {}, "sitefence": "sweep"}))
                .method
                .is_empty()
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for event in [
            json!(null),
            json!([]),
            json!({}),
            json!("sweep"),
            json!({"sitefence": "sleep"}),
            json!({"sitefence": "sweep", "task": {"task": "release", "by": "ana"}}),
            json!({"sitefence": "operate"}),
            json!({"sitefence": "sweep", "source": "aws.events"}),
            json!({"requestContext": 7}),
            json!({"rawPath": {}}),
        ] {
            assert!(
                matches!(Incoming::read(event.clone()), Err(Misunderstood::Envelope)),
                "{event}"
            );
        }
    }
}
