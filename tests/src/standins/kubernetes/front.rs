//! What stands between a connection and the objects: who is there, may he, what was ordered to go wrong.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::asked::{Asked, Verb};
use super::discovery;
use super::operators;
use super::path::{Place, Query, ResourcePath};
use super::proxy;
use super::rights::{Attempt, Denial, Rights};
use super::status::{Refusal, json_response};
use super::upstream::Lease;
use super::world::World;
use super::{Call, Fault, Outcome, Target};
use crate::standins::calls::CallLog;
use crate::standins::faults::Faults;
use crate::standins::gate::{Counter, Moment};
use crate::standins::server::{Received, Reply};

/// Somebody who may sign in.
#[derive(Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) token: String,
    pub(super) rights: Rights,
}

/// Tokens are only good for tests, and still print nowhere.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (token [redacted])", self.name)
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) world: World,
    /// The real server that is asked instead of the world, where there is one.
    pub(super) lease: Option<Lease>,
    pub(super) users: Vec<User>,
    pub(super) denials: Vec<Denial>,
}

#[derive(Debug)]
pub(super) struct Front {
    pub(super) name: String,
    pub(super) state: Mutex<State>,
    pub(super) faults: Faults<Target, Fault>,
    pub(super) calls: Arc<CallLog<Call>>,
    pub(super) counter: Counter,
}

/// What an answer says, before it is bytes.
type Answered = Result<(u16, Value, Vec<String>), Refusal>;

impl Front {
    pub(super) fn respond(&self, received: &Received) -> Reply {
        let place = Place::of(received.uri.path());
        let query = Query::of(received.uri.query());
        let mut call = self.call_of(received, &query);
        let (outcome, reply) = self.answer(received, &place, &query, &mut call);
        call.outcome = outcome;
        self.calls.record(call);
        reply
    }

    fn call_of(&self, received: &Received, query: &Query) -> Call {
        let target = received
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        Call {
            at: Instant::now(),
            cluster: self.name.clone(),
            verb: Verb::Discover,
            kind: String::new(),
            namespace: String::new(),
            name: String::new(),
            is_dry_run: false,
            field_manager: query.get("fieldManager").map(str::to_owned),
            is_forced: query.is_true("force"),
            user: None,
            request: format!("{} {target}", received.method),
            outcome: Outcome::Answered(0),
        }
    }

    fn answer(&self, received: &Received, place: &Place, query: &Query, call: &mut Call) -> (Outcome, Reply) {
        let mut state = self.state.lock();
        let user = match signed_in(&state.users, &received.headers) {
            Ok(user) => user,
            Err(refusal) => return refused(&refusal),
        };
        call.user = user.as_ref().map(|user| user.name.clone());
        let Place::Resource(path) = place else {
            return self.tell(received, place, user.as_ref(), &state);
        };
        let verb = Verb::of(&received.method, path, query);
        let Some(verb) = verb else {
            return refused(&Refusal::new(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            ));
        };
        call.verb = verb;
        call.namespace = path.namespace.clone().unwrap_or_default();
        call.name = path.name.clone().unwrap_or_default();
        let may = |verb: Verb| allowed(&state, user.as_ref(), verb, path);
        if let Err(refusal) = may(verb) {
            return refused(&refusal);
        }
        if path.subresource.as_deref() == Some("proxy") && state.lease.is_none() {
            match self.fault_for(verb, "Pod") {
                Some(Fault::Meanwhile(edit)) => edit(&mut state.world),
                Some(fault) if let Some(refusal) = fault.refusal() => return refused(&refusal),
                _ => {}
            }
            return proxy::ask(received, path, &state.world);
        }
        let may_create = may(Verb::Create);
        let kinds = state.world.kinds();
        let kind = kinds.iter().find(|kind| {
            kind.group == path.group && kind.version == path.version && kind.plural == path.plural
        });
        let Some(kind) = kind else {
            return match &state.lease {
                Some(lease) => forwarded(lease, received, user.as_ref()),
                None => refused(&Refusal::no_such_path()),
            };
        };
        call.kind.clone_from(&kind.kind);
        let asked = Asked {
            verb,
            kind,
            path,
            query,
            headers: &received.headers,
            body: &received.body,
            may_create,
            received,
            user: user.as_ref(),
        };
        call.is_dry_run = asked.is_dry_run();
        if verb == Verb::Create && call.name.is_empty() {
            let sent: Value = serde_json::from_slice(&received.body).unwrap_or_default();
            call.name = sent["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        }
        if kind.is_review() {
            if let Some(lease) = &state.lease
                && !is_about_a_denial(&state, &asked)
            {
                return forwarded(lease, received, user.as_ref());
            }
            return respond_with(self.review(&asked, &state, user.as_ref()), &received.headers);
        }
        self.carry_out(&asked, &mut state, call)
    }

    fn carry_out(&self, asked: &Asked<'_>, state: &mut State, call: &Call) -> (Outcome, Reply) {
        let stop = if asked.verb.changes() && !call.is_dry_run {
            let change = format!(
                "{}: {} {} {}/{}",
                self.name,
                asked.verb.name(),
                call.kind,
                call.namespace,
                call.name
            );
            self.counter.count(change, None)
        } else {
            None
        };
        let stop = match stop {
            Some((Moment::Before, action)) => {
                action();
                return (Outcome::Met(Fault::ClosedBeforeEffect), Reply::Close);
            }
            stop => stop,
        };
        let fault = self.fault_for(asked.verb, &call.kind);
        match fault {
            Some(Fault::Hang) => return (Outcome::Met(Fault::Hang), Reply::Hang),
            Some(Fault::ClosedBeforeEffect) => {
                return (Outcome::Met(Fault::ClosedBeforeEffect), Reply::Close);
            }
            Some(Fault::Meanwhile(edit)) => {
                state.world.refresh();
                edit(&mut state.world);
            }
            Some(fault) => {
                if let Some(refusal) = fault.refusal() {
                    return (Outcome::Met(fault), Reply::Answer(refusal.response()));
                }
            }
            None => {}
        }
        let (outcome, reply) = if state.lease.is_some() {
            carry_out_there(asked, state, call)
        } else {
            let done = asked
                .carry_out(&mut state.world)
                .map(|done| (done.code, done.body, done.warnings));
            respond_with(done, asked.headers)
        };
        if let Some((_, action)) = stop {
            action();
            return (outcome, Reply::Close);
        }
        match fault {
            Some(Fault::AppliedReplyLost) => (Outcome::Met(Fault::AppliedReplyLost), Reply::Close),
            Some(Fault::AppliedThenHang) => (Outcome::Met(Fault::AppliedThenHang), Reply::Hang),
            _ => (outcome, reply),
        }
    }

    /// Orders for the kind, then those for every kind.
    fn fault_for(&self, verb: Verb, kind: &str) -> Option<Fault> {
        let named = Target::known(verb, kind);
        let named = named.and_then(|target| self.faults.take(target));
        named.or_else(|| self.faults.take(Target::every(verb)))
    }

    /// What is no object: discovery, the server's version and health.
    fn tell(
        &self,
        received: &Received,
        place: &Place,
        user: Option<&User>,
        state: &State,
    ) -> (Outcome, Reply) {
        if let Some(lease) = &state.lease
            && matches!(place, Place::Server(_))
        {
            return forwarded(lease, received, user);
        }
        if received.method != http::Method::GET {
            return refused(&Refusal::not_of_this_stand_in(format_args!(
                "{} {}",
                received.method,
                received.uri.path()
            )));
        }
        if let Place::Server(what) = place {
            return match what.as_str() {
                "version" => respond_with(Ok((200, discovery::version(), Vec::new())), &received.headers),
                _ => {
                    let mut response = Response::new(Bytes::from_static(b"ok"));
                    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
                    response.headers_mut().insert(CONTENT_TYPE, plain);
                    (Outcome::Answered(200), Reply::Answer(response))
                }
            };
        }
        if user.is_none() {
            let path = received.uri.path();
            return refused(&Refusal::forbidden_path("system:anonymous", "get", path));
        }
        match self.fault_for(Verb::Discover, "") {
            Some(Fault::Hang | Fault::AppliedThenHang) => return (Outcome::Met(Fault::Hang), Reply::Hang),
            Some(fault) => {
                let reply = fault
                    .refusal()
                    .map_or(Reply::Close, |refusal| Reply::Answer(refusal.response()));
                return (Outcome::Met(fault), reply);
            }
            None => {}
        }
        match &state.lease {
            Some(lease) => forwarded(lease, received, user),
            None => self.discover(received, place, &state.world),
        }
    }

    fn discover(&self, received: &Received, place: &Place, world: &World) -> (Outcome, Reply) {
        let kinds = world.kinds();
        let wants_aggregated = accepts(&received.headers)
            .iter()
            .any(|accepted| is_aggregated(accepted));
        if let Place::Groups { core } = place
            && wants_aggregated
        {
            let mut response = json_response(200, &discovery::aggregated(&kinds, *core));
            let content_type = HeaderValue::from_static(discovery::AGGREGATED);
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            return (Outcome::Answered(200), Reply::Answer(response));
        }
        let document = match place {
            Place::Groups { core: true } => Some(discovery::core_versions("127.0.0.1")),
            Place::Groups { core: false } => Some(discovery::group_list(&kinds)),
            Place::Group(group) => discovery::group(&kinds, group),
            Place::Version { group, version } => discovery::resources(&kinds, group, version),
            Place::Server(_) | Place::Resource(_) | Place::Unknown => None,
        };
        match document {
            Some(document) => respond_with(Ok((200, document, Vec::new())), &received.headers),
            None if *place == Place::Unknown => refused(&Refusal::new(
                404,
                "NotFound",
                format!(
                    "the stand-in of the Kubernetes API server does not know {}",
                    received.uri.path()
                ),
            )),
            None => refused(&Refusal::no_such_path()),
        }
    }

    /// What somebody may do, asked by himself.
    fn review(&self, asked: &Asked<'_>, state: &State, user: Option<&User>) -> Answered {
        let mut review: Value = serde_json::from_slice(asked.body)
            .map_err(|error| Refusal::bad_request(format!("error decoding the body: {error}")))?;
        review["apiVersion"] = Value::from(asked.kind.api_version());
        review["kind"] = Value::from(asked.kind.kind.as_str());
        if !review["metadata"].is_object() {
            review["metadata"] = json!({"creationTimestamp": null});
        }
        let name = user.map_or("system:anonymous", |user| user.name.as_str());
        match asked.kind.kind.as_str() {
            "SelfSubjectAccessReview" => {
                let attributes = &review["spec"]["resourceAttributes"];
                let text = |field: &str| attributes[field].as_str().filter(|text| !text.is_empty());
                let Some(verb) = text("verb") else {
                    return Err(Refusal::not_of_this_stand_in(
                        "an access review without resourceAttributes.verb",
                    ));
                };
                let resource = match text("subresource") {
                    Some(subresource) => format!("{}/{subresource}", text("resource").unwrap_or_default()),
                    None => text("resource").unwrap_or_default().to_owned(),
                };
                let attempt = Attempt {
                    verb,
                    group: text("group").unwrap_or_default(),
                    resource: &resource,
                    namespace: text("namespace"),
                    name: text("name"),
                };
                let allowed = may(state, user, &attempt);
                review["status"] = json!({"allowed": allowed});
                if allowed {
                    review["status"]["reason"] = Value::from("RBAC: allowed by a binding of the stand-in");
                }
            }
            "SelfSubjectRulesReview" => {
                let namespace = review["spec"]["namespace"].as_str().unwrap_or_default();
                let rules = user
                    .map(|user| user.rights.rules_in(namespace))
                    .unwrap_or_default();
                let (paths, resources): (Vec<Value>, Vec<Value>) =
                    rules.into_iter().partition(|rule| rule["resources"].is_null());
                review["status"] = json!({
                    "resourceRules": resources, "nonResourceRules": paths,
                    // Denials are this stand-in's, and no list of rules can tell them.
                    "incomplete": !state.denials.is_empty(),
                });
            }
            _ => {
                review["status"] =
                    json!({"userInfo": {"username": name, "groups": ["system:authenticated"]}});
            }
        }
        Ok((201, review, Vec::new()))
    }
}

fn is_denied(state: &State, attempt: &Attempt<'_>) -> bool {
    state.denials.iter().any(|denial| denial.covers(attempt))
}

fn may(state: &State, user: Option<&User>, attempt: &Attempt<'_>) -> bool {
    !is_denied(state, attempt) && user.is_some_and(|user| user.rights.allow(attempt))
}

/// What the real server says.
fn forwarded(lease: &Lease, received: &Received, user: Option<&User>) -> (Outcome, Reply) {
    let target = received
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let user = user.map(|user| user.name.as_str());
    let (method, headers, body) = (&received.method, &received.headers, &received.body);
    match lease.upstream.forward(method, target, headers, body, user) {
        Ok(answer) => (Outcome::Answered(answer.code), Reply::Answer(answer.response)),
        Err(error) => refused(&Refusal::new(
            502,
            "BadGateway",
            format!("the real server behind the stand-in: {error}"),
        )),
    }
}

/// The same, with what the operators of the cluster do before and after.
fn carry_out_there(asked: &Asked<'_>, state: &mut State, call: &Call) -> (Outcome, Reply) {
    if asked.verb == Verb::Get && asked.kind.kind == "StatefulSet" {
        state.world.refresh();
        operators::progress(&mut state.world, asked.namespace(), asked.name());
    }
    let Some(lease) = &state.lease else {
        return refused(&Refusal::not_of_this_stand_in("a server behind it"));
    };
    let (outcome, reply) = forwarded(lease, asked.received, asked.user);
    let took_effect =
        asked.verb.changes() && !call.is_dry_run && matches!(outcome, Outcome::Answered(200..300));
    if took_effect && asked.kind.kind == "ConfigMap" {
        state.world.refresh();
        operators::react(&mut state.world);
    }
    if took_effect && asked.verb == Verb::Delete && asked.kind.plural == "customresourcedefinitions" {
        state.world.undefined(asked.name());
    }
    (outcome, reply)
}

/// Whether an access review asks for what is denied here, which the real server cannot know.
fn is_about_a_denial(state: &State, asked: &Asked<'_>) -> bool {
    let review: Value = serde_json::from_slice(asked.body).unwrap_or_default();
    let attributes = &review["spec"]["resourceAttributes"];
    let text = |field: &str| attributes[field].as_str().filter(|text| !text.is_empty());
    let attempt = Attempt {
        verb: text("verb").unwrap_or_default(),
        group: text("group").unwrap_or_default(),
        resource: text("resource").unwrap_or_default(),
        namespace: text("namespace"),
        name: text("name"),
    };
    is_denied(state, &attempt)
}

fn allowed(state: &State, user: Option<&User>, verb: Verb, path: &ResourcePath) -> Result<(), Refusal> {
    let resource = match &path.subresource {
        Some(subresource) => format!("{}/{subresource}", path.plural),
        None => path.plural.clone(),
    };
    let is_namespace = path.group.is_empty() && path.plural == "namespaces";
    // A namespace is judged as being in itself.
    let namespace = path
        .namespace
        .as_deref()
        .or(path.name.as_deref().filter(|_| is_namespace));
    // A creation by POST has no name in its path; one by an application has, and rules may be limited to it.
    let name = path.name.as_deref();
    let attempt = Attempt {
        verb: verb.name(),
        group: &path.group,
        resource: &resource,
        namespace,
        name,
    };
    let is_own_review = path.group == "authorization.k8s.io" || path.group == "authentication.k8s.io";
    if (is_own_review && user.is_some()) || may(state, user, &attempt) {
        return Ok(());
    }
    // What is not denied here the real server judges.
    if state.lease.is_some() && !is_denied(state, &attempt) {
        return Ok(());
    }
    let who = user.map_or("system:anonymous", |user| user.name.as_str());
    let place = match &path.namespace {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    let sentence = format!(
        "User \"{who}\" cannot {} resource \"{resource}\" in API group \"{}\" {place}",
        verb.name(),
        path.group
    );
    Err(Refusal::forbidden(
        &path.group,
        &path.plural,
        name.unwrap_or_default(),
        &sentence,
    ))
}

/// Whoever brings a token that is known; nobody in particular without one.
fn signed_in(users: &[User], headers: &HeaderMap) -> Result<Option<User>, Refusal> {
    let Some(said) = headers.get(http::header::AUTHORIZATION) else {
        return Ok(None);
    };
    let token = said.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
    let user = users.iter().find(|user| Some(user.token.as_str()) == token);
    user.cloned().map(Some).ok_or_else(Refusal::unauthorized)
}

fn refused(refusal: &Refusal) -> (Outcome, Reply) {
    (Outcome::Answered(refusal.code), Reply::Answer(refusal.response()))
}

fn accepts(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(http::header::ACCEPT).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|value| value.replace(' ', ""))
        .collect()
}

fn is_aggregated(accepted: &str) -> bool {
    let has = |part: &str| accepted.split(';').any(|it| it == part);
    has("application/json") && has("g=apidiscovery.k8s.io") && has("v=v2") && has("as=APIGroupDiscoveryList")
}

/// An answer in a form that the caller takes.
fn respond_with(answered: Answered, headers: &HeaderMap) -> (Outcome, Reply) {
    let (code, mut body, warnings) = match answered {
        Ok(answered) => answered,
        Err(refusal) => return refused(&refusal),
    };
    let accepted = accepts(headers);
    let plain = |accepted: &String| {
        let mut parts = accepted.split(';');
        let kind = parts.next().unwrap_or_default();
        let is_json = ["application/json", "application/*", "*/*"].contains(&kind);
        is_json && parts.all(|part| !part.starts_with("as="))
    };
    let metadata_only = |accepted: &String| accepted.contains("as=PartialObjectMetadata");
    if !accepted.is_empty() && !accepted.iter().any(plain) {
        if !accepted.iter().any(metadata_only) {
            let message = "only the following media types are accepted: application/json";
            return refused(&Refusal::new(406, "NotAcceptable", message));
        }
        body = metadata_of(&body);
    }
    let mut response = json_response(code, &body);
    for warning in warnings {
        let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.headers_mut().append("warning", value);
        }
    }
    (Outcome::Answered(code), Reply::Answer(response))
}

/// An object or a list of them, reduced to metadata.
fn metadata_of(body: &Value) -> Value {
    let one = |object: &Value| {
        json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
        })
    };
    match body["items"].as_array() {
        None if body["kind"] == "Status" => body.clone(),
        None => one(body),
        Some(items) => json!({
            "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
            "metadata": body["metadata"], "items": items.iter().map(one).collect::<Vec<_>>(),
        }),
    }
}
