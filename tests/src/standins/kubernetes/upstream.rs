//! A real API server behind the stand-in's front: what is asked goes there, and so does the administrator's console.
//!
//! ```text
//!   provision ──▶ token ──▶ faults, counter ──▶ as that user ──▶ kube-apiserver
//!   console (World) ───────────────────────────▶ as administrator ──▶ kube-apiserver
//! ```
//!
//! Users are the front's own: it signs in as administrator and says for whom (`Impersonate-User`), so RBAC is judged
//! by the real server. A server is leased to one cluster at a time and swept before it is.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use provisioner::topology::Platform;
use serde_json::{Value, json};

use super::kinds::ResourceType;
use super::real::{Address, VARIABLE};
use crate::standins::locked;

/// What only the server itself made, and stays.
const OWN_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
const RBAC: &str = "rbac.authorization.k8s.io/v1";
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) struct Upstream {
    pub(super) address: Address,
    client: Client,
    runtime: tokio::runtime::Runtime,
    /// The definitions that are installed, as they were asked for.
    definitions: Mutex<Option<BTreeMap<String, Value>>>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").finish_non_exhaustive()
    }
}

/// An answer, whole.
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) response: Response<Bytes>,
}

impl Answer {
    pub(super) fn body(&self) -> Value {
        serde_json::from_slice(self.response.body()).unwrap_or(Value::Null)
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

impl Upstream {
    pub(super) fn new(address: &Address) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let (address, its) = (address.clone(), address.clone());
        // On a thread of the runtime's own: the caller's may run tasks itself.
        let (made, client) = mpsc::channel();
        runtime.spawn(async move {
            // Nobody waits any more: then nobody needs it.
            let _ = made.send(client_of(&its).await);
        });
        let client = client.recv().map_err(io::Error::other)?;
        let client = client.map_err(io::Error::other)?;
        Ok(Self {
            address,
            client,
            runtime,
            definitions: Mutex::new(None),
        })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.send(Method::GET, "/readyz", HeaderMap::new(), &Bytes::new())
            .is_ok_and(|answer| answer.code == 200)
    }

    /// Asks from any thread, also from one that runs tasks of its own.
    fn send(&self, method: Method, target: &str, headers: HeaderMap, body: &Bytes) -> Result<Answer, String> {
        let mut request = Request::new(Body::from(body.to_vec()));
        *request.method_mut() = method;
        *request.uri_mut() = target.parse().map_err(|error| format!("{target}: {error}"))?;
        *request.headers_mut() = headers;
        let client = self.client.clone();
        let (told, answer) = mpsc::channel();
        self.runtime.spawn(async move {
            let answered = async {
                let response = client.send(request).await.map_err(|error| error.to_string())?;
                let (parts, body) = response.into_parts();
                let body = body
                    .collect()
                    .await
                    .map_err(|error| error.to_string())?
                    .to_bytes();
                Ok::<_, String>(Answer {
                    code: parts.status.as_u16(),
                    response: Response::from_parts(parts, body),
                })
            };
            // Nobody waits any more: then nobody needs it.
            let _ = told.send(answered.await);
        });
        answer.recv().map_err(|error| error.to_string())?
    }

    /// Passes a request on, for a user.
    pub(super) fn forward(
        &self,
        method: &Method,
        target: &str,
        received: &HeaderMap,
        body: &Bytes,
        user: Option<&str>,
    ) -> Result<Answer, String> {
        let mut headers = HeaderMap::new();
        for name in [ACCEPT, CONTENT_TYPE, USER_AGENT] {
            for value in received.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        let (name, group) = match user {
            None => ("system:anonymous", Some("system:unauthenticated")),
            Some(super::ADMINISTRATOR) => (super::ADMINISTRATOR, Some("system:masters")),
            Some(name) => (name, None),
        };
        let mut say = |header: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(HeaderName::from_static(header), value);
            }
        };
        say("impersonate-user", name);
        if let Some(group) = group {
            say("impersonate-group", group);
        }
        let mut answer = self.send(method.clone(), target, headers, body)?;
        let kept = [CONTENT_TYPE, http::header::WARNING, http::header::RETRY_AFTER];
        let all = std::mem::take(answer.response.headers_mut());
        for (name, value) in all.iter().filter(|(name, _)| kept.contains(name)) {
            answer.response.headers_mut().append(name.clone(), value.clone());
        }
        Ok(answer)
    }

    /// A JSON call of the administrator's.
    fn call(&self, method: Method, target: &str, manager: &str, body: &Value) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let separator = if target.contains('?') { '&' } else { '?' };
        let target = if method == Method::GET || method == Method::DELETE {
            target.to_owned()
        } else {
            format!("{target}{separator}fieldManager={manager}")
        };
        let body = if body.is_null() {
            Bytes::new()
        } else {
            Bytes::from(body.to_string())
        };
        self.send(method, &target, headers, &body)
            .unwrap_or_else(|error| Answer {
                code: 599,
                response: Response::new(Bytes::from(error)),
            })
    }

    /// An object as it is now.
    pub(super) fn get(&self, kind: &ResourceType, namespace: &str, name: &str) -> Option<Value> {
        let answer = self.call(Method::GET, &path(kind, namespace, Some(name)), "", &Value::Null);
        answer.is_success().then(|| answer.body())
    }

    /// All objects of a kind, each with its kind's name.
    pub(super) fn list(&self, kind: &ResourceType) -> Vec<Value> {
        let answer = self.call(Method::GET, &path(kind, "", None), "", &Value::Null);
        let mut items = answer.body()["items"].as_array().cloned().unwrap_or_default();
        for item in &mut items {
            item["apiVersion"] = Value::from(kind.api_version());
            item["kind"] = Value::from(kind.kind.as_str());
        }
        items
    }

    /// Makes or replaces an object and, where it is written apart, its status.
    pub(super) fn put(&self, kind: &ResourceType, manager: &str, object: &Value) -> Result<Value, String> {
        let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
        let (namespace, name) = (text("namespace"), text("name"));
        let one = path(kind, namespace, Some(name));
        let mut object = object.clone();
        let live = self.get(kind, namespace, name);
        let (method, target) = match &live {
            Some(live) => {
                object["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
                (Method::PUT, one.clone())
            }
            None => {
                if let Some(metadata) = object["metadata"].as_object_mut() {
                    metadata.retain(|name, _| !["resourceVersion", "uid"].contains(&name.as_str()));
                }
                (Method::POST, path(kind, namespace, None))
            }
        };
        let answer = self.call(method, &target, manager, &object);
        if !answer.is_success() {
            return Err(format!(
                "{target}: {}",
                String::from_utf8_lossy(answer.response.body())
            ));
        }
        let mut kept = answer.body();
        if kind.has_status && !object["status"].is_null() && kept["status"] != object["status"] {
            kept["status"] = object["status"].clone();
            let answer = self.call(Method::PUT, &format!("{one}/status"), manager, &kept);
            if !answer.is_success() {
                return Err(format!(
                    "{one}/status: {}",
                    String::from_utf8_lossy(answer.response.body())
                ));
            }
            kept = answer.body();
        }
        Ok(kept)
    }

    /// Takes an object away, and does for a namespace what its controller would.
    pub(super) fn remove(&self, kind: &ResourceType, namespace: &str, name: &str) -> bool {
        let one = path(kind, namespace, Some(name));
        let now = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0});
        let answer = self.call(Method::DELETE, &one, "", &now);
        if kind.kind == "Namespace" && answer.is_success() {
            let mut namespace = answer.body();
            namespace["spec"]["finalizers"] = json!([]);
            self.call(
                Method::PUT,
                &format!("{one}/finalize"),
                "namespace-controller",
                &namespace,
            );
        }
        answer.is_success()
    }

    /// Asks for a namespace's end; nobody here brings it about.
    pub(super) fn terminate(&self, namespace: &str) -> Result<(), String> {
        let answer = self.call(
            Method::DELETE,
            &format!("/api/v1/namespaces/{namespace}"),
            "",
            &Value::Null,
        );
        if answer.is_success() {
            Ok(())
        } else {
            Err(answer.body()["message"].to_string())
        }
    }

    fn until(&self, mut holds: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + SETTLED_WITHIN;
        while !holds(self) && Instant::now() < end {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Whether a kind that a definition brings answers.
    fn serves(&self, kind: &ResourceType) -> bool {
        self.call(Method::GET, &format!("{}?limit=1", path(kind, "", None)), "", &Value::Null).is_success()
            // Discovery follows later than the kind itself.
            && self
                .call(Method::GET, &format!("/apis/{}/{}", kind.group, kind.version), "", &Value::Null)
                .body()["resources"]
                .as_array()
                .is_some_and(|all| all.iter().any(|it| it["name"] == kind.plural.as_str()))
    }

    /// Installs a definition and waits until its kinds are served.
    pub(super) fn define(
        &self,
        definitions: &ResourceType,
        manager: &str,
        definition: &Value,
    ) -> Result<(), String> {
        self.put(definitions, manager, definition)?;
        let kinds = super::kinds::defined_kinds(definition);
        self.until(|server| kinds.iter().all(|kind| server.serves(kind)));
        let name = definition["metadata"]["name"].as_str().unwrap_or_default();
        let mut installed = locked(&self.definitions);
        installed
            .get_or_insert_default()
            .insert(name.to_owned(), definition.clone());
        Ok(())
    }

    /// Takes a definition away, and waits until its kinds are gone.
    pub(super) fn undefine(&self, definitions: &ResourceType, definition: &Value) -> bool {
        let name = definition["metadata"]["name"].as_str().unwrap_or_default();
        let was_there = self.remove(definitions, "", name);
        let kinds = super::kinds::defined_kinds(definition);
        self.until(|server| {
            server.get(definitions, "", name).is_none() && kinds.iter().all(|kind| !server.serves(kind))
        });
        self.forget_definition(name);
        was_there
    }

    /// Somebody took a definition away.
    pub(super) fn forget_definition(&self, name: &str) {
        locked(&self.definitions).get_or_insert_default().remove(name);
    }

    /// As after its installation: only the definitions that are wanted, and nobody's objects or rights.
    fn sweep(&self, definitions: &ResourceType, wanted: &[Value], namespaced: &[ResourceType]) {
        // What an earlier process left is nobody's.
        let unknown = locked(&self.definitions).is_none();
        let installed: Vec<Value> = if unknown {
            self.list(definitions)
        } else {
            locked(&self.definitions)
                .iter()
                .flat_map(BTreeMap::values)
                .cloned()
                .collect()
        };
        for kind in namespaced {
            for object in self.list(kind) {
                let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
                if !OWN_NAMESPACES.contains(&text("namespace")) {
                    self.remove(kind, text("namespace"), text("name"));
                }
            }
        }
        let kind = |api_version, kind, plural, namespaced| {
            super::kinds::built_in(api_version, kind, plural, namespaced, true, None)
        };
        let namespaces = kind("v1", "Namespace", "namespaces", false);
        for namespace in self.list(&namespaces) {
            let name = namespace["metadata"]["name"].as_str().unwrap_or_default();
            if !OWN_NAMESPACES.contains(&name) {
                self.remove(&namespaces, "", name);
            }
        }
        for rights in [
            kind(RBAC, "RoleBinding", "rolebindings", true),
            kind(RBAC, "ClusterRoleBinding", "clusterrolebindings", false),
            kind(RBAC, "Role", "roles", true),
            kind(RBAC, "ClusterRole", "clusterroles", false),
        ] {
            for object in self.list(&rights) {
                let metadata = &object["metadata"];
                let text = |name: &str| metadata[name].as_str().unwrap_or_default();
                if metadata["labels"]["kubernetes.io/bootstrapping"].is_null() {
                    self.remove(&rights, text("namespace"), text("name"));
                }
            }
        }
        for definition in installed {
            if unknown || !wanted.contains(&definition) {
                self.undefine(definitions, &definition);
            }
        }
        locked(&self.definitions).get_or_insert_default();
    }

    /// Lets a user have what Roles and bindings grant, and waits until the server knows.
    pub(super) fn grant(&self, user: &str, manifests: &[Value]) -> Result<(), String> {
        let of = |manifest: &Value| {
            let plural = format!(
                "{}s",
                manifest["kind"].as_str().unwrap_or_default().to_lowercase()
            );
            let namespaced = !plural.starts_with("cluster");
            let kind = manifest["kind"].as_str().unwrap_or_default().to_owned();
            super::kinds::built_in(RBAC, &kind, &plural, namespaced, false, None)
        };
        let (roles, bindings): (Vec<&Value>, Vec<&Value>) = manifests
            .iter()
            .partition(|manifest| manifest["roleRef"].is_null());
        for manifest in roles.iter().chain(&bindings) {
            self.put(&of(manifest), "kubectl-create", manifest)?;
        }
        for binding in bindings {
            // Roles of several namespaces may share a name.
            let role = roles.iter().find(|role| {
                role["kind"] == binding["roleRef"]["kind"]
                    && role["metadata"]["name"] == binding["roleRef"]["name"]
                    && (role["kind"] == "ClusterRole"
                        || role["metadata"]["namespace"] == binding["metadata"]["namespace"])
            });
            let rule = role
                .map(|role| &role["rules"][0])
                .filter(|rule| rule["resources"].is_array());
            let Some(rule) = rule else { continue };
            let review = json!({
                "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                "spec": {"user": user, "groups": ["system:authenticated"], "resourceAttributes": {
                    "verb": rule["verbs"][0], "group": rule["apiGroups"][0], "resource": rule["resources"][0],
                    "name": rule["resourceNames"][0], "namespace": binding["metadata"]["namespace"],
                }},
            });
            self.until(|server| {
                let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
                server.call(Method::POST, path, "test", &review).body()["status"]["allowed"] == true
            });
        }
        Ok(())
    }
}

fn path(kind: &ResourceType, namespace: &str, name: Option<&str>) -> String {
    let root = match kind.group.as_str() {
        "" => format!("/api/{}", kind.version),
        group => format!("/apis/{group}/{}", kind.version),
    };
    let place = if kind.namespaced && !namespace.is_empty() {
        format!("/namespaces/{namespace}")
    } else {
        String::new()
    };
    let name = name.map(|name| format!("/{name}")).unwrap_or_default();
    format!("{root}{place}/{}{name}", kind.plural)
}

async fn client_of(address: &Address) -> Result<Client, Box<dyn std::error::Error + Send + Sync>> {
    let read = Kubeconfig::from_yaml(&address.kubeconfig().to_string())?;
    let mut config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
    config.default_retry = false;
    // Else the environment's proxy would stand before the loopback.
    config.proxy_url = None;
    Ok(Client::try_from(config)?)
}

/// The servers that this process may use, and which are free.
struct Pool {
    free: Mutex<Vec<(Option<Platform>, Arc<Upstream>)>>,
    returned: Condvar,
}

/// A server for one cluster, as long as that lives.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) upstream: Arc<Upstream>,
    platform: Platform,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Ok(Some(pool)) = pool() {
            locked(&pool.free).push((Some(self.platform), Arc::clone(&self.upstream)));
            pool.returned.notify_one();
        }
    }
}

fn pool() -> Result<Option<&'static Pool>, String> {
    static POOL: OnceLock<Result<Option<Pool>, String>> = OnceLock::new();
    let found = POOL.get_or_init(|| {
        let Some(file) = std::env::var_os(VARIABLE).filter(|file| !file.is_empty()) else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{VARIABLE}: {error}"))?;
        let addresses: Vec<Address> =
            serde_json::from_str(&text).map_err(|error| format!("{VARIABLE}: {error}"))?;
        let servers = addresses
            .iter()
            .map(|address| Upstream::new(address).map(|it| (None, Arc::new(it))));
        let servers = servers
            .collect::<io::Result<Vec<_>>>()
            .map_err(|error| error.to_string())?;
        Ok(Some(Pool {
            free: Mutex::new(servers),
            returned: Condvar::new(),
        }))
    });
    found.as_ref().map(Option::as_ref).map_err(Clone::clone)
}

/// A real server, swept, where the environment names some.
pub(super) fn lease(
    platform: Platform,
    definitions: &ResourceType,
    wanted: &[Value],
    namespaced: &[ResourceType],
) -> Result<Option<Lease>, String> {
    let Some(pool) = pool()? else {
        return Ok(None);
    };
    let mut free = locked(&pool.free);
    while free.is_empty() {
        free = pool
            .returned
            .wait(free)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
    }
    // Definitions take longest, and those of its platform are still there.
    let alike = free.iter().position(|(last, _)| *last == Some(platform));
    let (_, upstream) = free.swap_remove(alike.unwrap_or(0));
    drop(free);
    let lease = Lease { upstream, platform };
    lease.upstream.sweep(definitions, wanted, namespaced);
    Ok(Some(lease))
}
