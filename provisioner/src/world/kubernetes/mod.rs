//! A site's cluster: objects in and out, as JSON.
//!
//! ```text
//!   kubeconfig ── context ─▶ Cluster ── get, list, apply, replace, delete ─▶ API server
//! ```
//!
//! One client per site. Every call has a deadline; what the API server could not do just now is asked again
//! a few times within it. What an answer means is the planner's business.

mod call;
mod kubeconfig;
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::time::Duration;

use k8s_openapi::ByteString;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::client::Body;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};
use secrecy::SecretSlice;
use serde_json::Value;

pub use self::call::{ClusterCall, ClusterError};
pub use self::kubeconfig::{ConnectError, Contexts};
use crate::observed::cluster::{Conflict, FIELD_MANAGER, PODS, Resource};
use crate::observed::serving::PodAnswer;
use crate::topology::SiteName;

/// The deadline of a call.
pub const CALL_SECONDS: u64 = 20;
/// The pauses before what could not be done just now is asked again.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

/// An object's address in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    pub resource: Resource,
    pub namespace: &'a str,
    pub name: &'a str,
}

/// How an object is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ApplyMode {
    /// Only ask what it would change.
    pub dry_run: bool,
    /// Take fields over from the managers that hold them.
    pub force: bool,
}

/// What an application came to.
#[derive(Debug, Clone, PartialEq)]
pub enum AppliedObject {
    /// The object afterwards.
    Done(Value),
    /// Others hold some of its fields.
    Conflicts(Vec<Conflict>),
}

/// What a write under a condition came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarded {
    Done,
    /// Someone else was first.
    Overtaken,
}

/// A Secret, its values apart from the rest.
#[derive(Debug)]
pub struct SecretObject {
    /// The object without its values.
    pub object: Value,
    pub values: BTreeMap<String, SecretSlice<u8>>,
}

#[derive(Clone)]
pub struct Cluster {
    client: Client,
    site: SiteName,
    context: String,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("site", &self.site)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// The cluster that `client` reaches.
    pub fn new(client: Client, site: &SiteName, context: &str) -> Self {
        Self {
            client,
            site: site.clone(),
            context: context.to_owned(),
        }
    }

    fn api(&self, resource: &Resource, namespace: &str) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk(resource.group, resource.version, resource.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, resource.plural);
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    fn call(&self, verb: &'static str, resource: &Resource, namespace: Option<&str>) -> ClusterCall {
        ClusterCall::new(&self.site, &self.context, verb, resource, namespace)
    }

    /// Asks within the deadline, again where the answer was that it cannot be done just now.
    async fn ask<T, F>(&self, call: ClusterCall, ask: impl Fn() -> F) -> Result<T, ClusterError>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let attempts = async {
            let mut pauses = PAUSES.iter();
            loop {
                let error = match ask().await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error,
                };
                let is_passing =
                    matches!(&error, kube::Error::Api(status) if [429, 503, 504].contains(&status.code));
                match pauses.next() {
                    Some(pause) if is_passing => tokio::time::sleep(*pause).await,
                    _ => return Err(error),
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(CALL_SECONDS), attempts).await {
            Ok(answer) => answer.map_err(|error| call.failed(error)),
            Err(_) => Err(call.timed_out(CALL_SECONDS)),
        }
    }

    /// The API groups that are served, each with its versions.
    pub async fn groups(&self) -> Result<BTreeMap<String, BTreeSet<String>>, ClusterError> {
        let call = ClusterCall {
            site: self.site.clone(),
            context: self.context.clone(),
            verb: "get",
            resource: "/apis".to_owned(),
            namespace: None,
        };
        let answer = self.ask(call, || self.client.list_api_groups()).await?;
        Ok(answer
            .groups
            .into_iter()
            .map(|group| {
                let versions = group.versions.into_iter().map(|it| it.version).collect();
                (group.name, versions)
            })
            .collect())
    }

    /// The kinds that a version of a group has.
    pub async fn kinds(&self, group: &str, version: &str) -> Result<BTreeSet<String>, ClusterError> {
        let path = format!("{group}/{version}");
        let call = ClusterCall {
            site: self.site.clone(),
            context: self.context.clone(),
            verb: "get",
            resource: format!("/apis/{path}"),
            namespace: None,
        };
        let answer = self
            .ask(call, || self.client.list_api_group_resources(&path))
            .await;
        match answer {
            Ok(answer) => Ok(answer.resources.into_iter().map(|it| it.kind).collect()),
            Err(ClusterError::Refused { code: 404, .. }) => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        }
    }

    /// An object, if it is there.
    pub async fn get(&self, target: Target<'_>) -> Result<Option<Value>, ClusterError> {
        let api = self.api(&target.resource, target.namespace);
        let call = self.call("get", &target.resource, Some(target.namespace));
        match self.ask(call, || api.get_opt(target.name)).await {
            Ok(found) => Ok(found.map(|object| json(&object))),
            // Of a kind that is not installed nothing is there. Its path answers so, in a form of its own.
            Err(ClusterError::Refused { code: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether an object is there. Of what it holds nothing is sent.
    pub async fn is_there(&self, target: Target<'_>) -> Result<bool, ClusterError> {
        let api = self.api(&target.resource, target.namespace);
        let call = self.call("get", &target.resource, Some(target.namespace));
        let found = self.ask(call, || api.get_metadata_opt(target.name)).await?;
        Ok(found.is_some())
    }

    /// Whether the caller may do this to one object: asked, not tried.
    pub async fn may(&self, verb: &'static str, target: Target<'_>) -> Result<(), ClusterError> {
        let reviews = Resource {
            group: "authorization.k8s.io",
            version: "v1",
            kind: "SelfSubjectAccessReview",
            plural: "selfsubjectaccessreviews",
        };
        let kind = GroupVersionKind::gvk(reviews.group, reviews.version, reviews.kind);
        let kind = ApiResource::from_gvk_with_plural(&kind, reviews.plural);
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind);
        let call = self.call(verb, &target.resource, Some(target.namespace));
        let review = serde_json::json!({
            "apiVersion": reviews.api_version(), "kind": reviews.kind, "metadata": {},
            "spec": {"resourceAttributes": {
                "verb": verb, "group": target.resource.group, "resource": target.resource.plural,
                "namespace": target.namespace, "name": target.name,
            }},
        });
        let review = object(&call, &review)?;
        let answer = self
            .ask(call.clone(), || async {
                api.create(&PostParams::default(), &review).await
            })
            .await?;
        match answer.data.pointer("/status/allowed") {
            Some(Value::Bool(true)) => Ok(()),
            _ => Err(ClusterError::Forbidden {
                message: format!(
                    "{} \"{}\" is forbidden: it says so when asked whether you cannot {verb} resource \"{}\"",
                    target.resource.qualified(),
                    target.name,
                    target.resource.plural
                ),
                call: Box::new(call),
            }),
        }
    }

    /// A Secret, if it is there.
    pub async fn secret(&self, target: Target<'_>) -> Result<Option<SecretObject>, ClusterError> {
        let Some(mut object) = self.get(target).await? else {
            return Ok(None);
        };
        let data = object
            .as_object_mut()
            .and_then(|fields| fields.remove("data"))
            .and_then(|data| serde_json::from_value::<BTreeMap<String, ByteString>>(data).ok())
            .unwrap_or_default();
        Ok(Some(SecretObject {
            object,
            values: data
                .into_iter()
                .map(|(key, value)| (key, value.0.into()))
                .collect(),
        }))
    }

    /// The objects of a kind in a namespace.
    pub async fn list(&self, resource: Resource, namespace: &str) -> Result<Vec<Value>, ClusterError> {
        let api = self.api(&resource, namespace);
        let call = self.call("list", &resource, Some(namespace));
        let all = ListParams::default();
        let found = self.ask(call, || api.list(&all)).await?;
        Ok(found.items.iter().map(json).collect())
    }

    /// The objects of a kind in all namespaces.
    pub async fn list_everywhere(&self, resource: Resource) -> Result<Vec<Value>, ClusterError> {
        let kind = GroupVersionKind::gvk(resource.group, resource.version, resource.kind);
        let kind = ApiResource::from_gvk_with_plural(&kind, resource.plural);
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind);
        let call = self.call("list", &resource, None);
        let all = ListParams::default();
        let found = self.ask(call, || api.list_metadata(&all)).await?;
        let metadata = found
            .items
            .iter()
            .map(|object| serde_json::json!({"metadata": object.metadata}));
        Ok(metadata.collect())
    }

    /// Applies an object on the server's side.
    pub async fn apply(
        &self,
        target: Target<'_>,
        body: &Value,
        mode: ApplyMode,
    ) -> Result<AppliedObject, ClusterError> {
        let api = self.api(&target.resource, target.namespace);
        let call = self.call("patch", &target.resource, Some(target.namespace));
        let mut how = PatchParams::apply(FIELD_MANAGER).validation_strict();
        how.dry_run = mode.dry_run;
        how.force = mode.force;
        let patch = Patch::Apply(body);
        let deadline = Duration::from_secs(CALL_SECONDS);
        // Not by `ask`: a conflict's causes are wanted, and an application repeats itself safely.
        let mut pauses = PAUSES.iter();
        let attempts = async {
            loop {
                let error = match api.patch(target.name, &how, &patch).await {
                    Ok(object) => return Ok(AppliedObject::Done(json(&object))),
                    Err(error) => error,
                };
                if let kube::Error::Api(status) = &error {
                    let causes = status.details.iter().flat_map(|details| &details.causes);
                    let conflicts: Vec<Conflict> = causes
                        .filter(|cause| cause.reason == "FieldManagerConflict")
                        .map(|cause| Conflict {
                            manager: manager_in(&cause.message),
                            field: cause.field.clone(),
                        })
                        .collect();
                    if !conflicts.is_empty() {
                        return Ok(AppliedObject::Conflicts(conflicts));
                    }
                    if [429, 503, 504].contains(&status.code)
                        && let Some(pause) = pauses.next()
                    {
                        tokio::time::sleep(*pause).await;
                        continue;
                    }
                }
                return Err(error);
            }
        };
        match tokio::time::timeout(deadline, attempts).await {
            Ok(answer) => answer.map_err(|error| call.failed(error)),
            Err(_) => Err(call.timed_out(CALL_SECONDS)),
        }
    }

    /// Asks a pod by HTTP, by way of the API server.
    pub async fn ask_pod(&self, namespace: &str, address: &str, path: &str) -> PodAnswer {
        let uri = format!("/api/v1/namespaces/{namespace}/pods/{address}/proxy/{path}");
        let Ok(request) = http::Request::get(uri).body(Body::empty()) else {
            return PodAnswer::NotAsked(format!("`{address}` is not an address"));
        };
        let asked = async {
            // Not what the client makes of an answer: it takes a pod's own JSON for the API server's.
            let response = self.client.send(request).await?;
            let code = response.status().as_u16();
            Ok((code, response.into_body().collect_bytes().await?))
        };
        match tokio::time::timeout(Duration::from_secs(CALL_SECONDS), asked).await {
            Ok(Ok((code, body))) => PodAnswer::of(code, &String::from_utf8_lossy(&body)),
            Ok(Err(error)) => {
                let call = self.call("get", &PODS, Some(namespace));
                PodAnswer::NotAsked(call.failed(error).to_string())
            }
            Err(_) => PodAnswer::NotAsked(format!("no answer within {CALL_SECONDS} seconds")),
        }
    }

    /// Makes an object that is not there yet.
    pub async fn create(
        &self,
        target: Target<'_>,
        body: &Value,
        dry_run: bool,
    ) -> Result<Guarded, ClusterError> {
        let api = self.api(&target.resource, target.namespace);
        let call = self.call("create", &target.resource, Some(target.namespace));
        let object = object(&call, body)?;
        let answer = self
            .ask(call, || async { api.create(&writing(dry_run), &object).await })
            .await;
        written(answer)
    }

    /// Writes an object back. Its `resourceVersion` is the condition.
    pub async fn replace(
        &self,
        target: Target<'_>,
        body: &Value,
        dry_run: bool,
    ) -> Result<Guarded, ClusterError> {
        let api = self.api(&target.resource, target.namespace);
        let call = self.call("update", &target.resource, Some(target.namespace));
        let object = object(&call, body)?;
        let answer = self
            .ask(call, || async {
                api.replace(target.name, &writing(dry_run), &object).await
            })
            .await;
        match answer {
            // It went meanwhile.
            Err(ClusterError::Refused { code: 404, .. }) => Ok(Guarded::Overtaken),
            other => written(other),
        }
    }

    /// Removes the object with this `uid`. One that is gone, or that is another one by now, is left alone.
    pub async fn delete(&self, target: Target<'_>, uid: &str) -> Result<(), ClusterError> {
        let api = self.api(&target.resource, target.namespace);
        let call = self.call("delete", &target.resource, Some(target.namespace));
        let how = DeleteParams::background().preconditions(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        });
        match self.ask(call, || api.delete(target.name, &how)).await {
            Ok(_) => Ok(()),
            Err(ClusterError::Refused { code: 404 | 409, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn writing(dry_run: bool) -> PostParams {
    PostParams {
        dry_run,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    }
}

fn written<T>(answer: Result<T, ClusterError>) -> Result<Guarded, ClusterError> {
    match answer {
        Ok(_) => Ok(Guarded::Done),
        Err(ClusterError::Refused { code: 409, .. }) => Ok(Guarded::Overtaken),
        Err(error) => Err(error),
    }
}

fn json(object: &DynamicObject) -> Value {
    // What was just parsed from JSON can be written as JSON.
    serde_json::to_value(object).unwrap_or_default()
}

fn object(call: &ClusterCall, body: &Value) -> Result<DynamicObject, ClusterError> {
    serde_json::from_value(body.clone()).map_err(|_| call.clone().unreached("it is not an object".to_owned()))
}

/// The manager in `conflict with "kubectl-edit" using v1`.
fn manager_in(message: &str) -> String {
    message.split('"').nth(1).unwrap_or(message).to_owned()
}
