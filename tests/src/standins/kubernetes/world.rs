//! A cluster's objects, and the console at which a test or an administrator edits them.
//!
//! Objects are kept as they were written, with the server's own fields. Whatever is edited here goes the way of an
//! update: it gets a new resourceVersion, and whoever edited owns what is different.

use std::collections::BTreeMap;
use std::sync::Arc;

use provisioner::topology::Platform;
use serde_json::{Value, json};

use super::kinds::{self, ResourceType};
use super::merge::{self, Actor};
use super::operators::{self, Rollout};
use super::shape::Shape;
use super::upstream::{self, Lease, Upstream};

/// Where an object is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) group: String,
    pub(super) plural: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// Everything that a cluster holds.
#[derive(Debug, Clone)]
pub struct World {
    platform: Platform,
    objects: BTreeMap<Key, Value>,
    /// What is served, which only a definition changes.
    kinds: Arc<Vec<ResourceType>>,
    revision: u64,
    uids: u64,
    /// What each pod of Keycloak answers to `/lb-check`.
    pub lb_check: u16,
    pub(super) rollout: Rollout,
    /// How often somebody has looked at what is being rolled out since the last pod came.
    pub(super) looks: u32,
    /// The real server whose objects these are: then they are a copy, and what is edited is edited there.
    pub(super) upstream: Option<Arc<Upstream>>,
}

/// What an edit at the console did not find.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cluster has no {0}")]
pub struct NotThere(pub String);

impl World {
    /// A cluster as it is after its installation, with none of the kinds that operators bring.
    pub(super) fn new(platform: Platform) -> Self {
        let mut world = Self {
            platform,
            objects: BTreeMap::new(),
            kinds: Arc::new(kinds::built_in_kinds()),
            revision: 1000,
            uids: 0,
            lb_check: 200,
            rollout: Rollout::default(),
            looks: 0,
            upstream: None,
        };
        let mut namespaces = vec!["default", "kube-system"];
        if platform == Platform::Openshift {
            namespaces.extend(["openshift-monitoring", "openshift-user-workload-monitoring"]);
        }
        for name in namespaces {
            world.keep(
                "kube-apiserver",
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
            );
        }
        world
    }

    /// Takes a real server for itself, where the environment names some.
    pub(super) fn lease(&mut self, wanted: &[Value]) -> Result<Option<Lease>, String> {
        let kinds = self.kinds();
        let definitions = kinds
            .iter()
            .find(|kind| kind.plural == "customresourcedefinitions");
        let Some(definitions) = definitions else {
            return Ok(None);
        };
        let mut namespaced: Vec<ResourceType> =
            kinds.iter().filter(|kind| kind.namespaced).cloned().collect();
        namespaced.extend(wanted.iter().flat_map(kinds::defined_kinds));
        let lease = upstream::lease(self.platform, definitions, wanted, &namespaced)?;
        if let Some(lease) = &lease {
            let names: Vec<String> = self.objects.keys().map(|key| key.name.clone()).collect();
            self.objects.clear();
            self.upstream = Some(Arc::clone(&lease.upstream));
            self.refresh();
            for name in names {
                if !self.has_namespace(&name) {
                    let made = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
                    self.write("kube-apiserver", made).map_err(|error| error.0)?;
                }
            }
        }
        Ok(lease)
    }

    /// Whether there is such a kind.
    pub(super) fn serves(&self, manifest: &Value) -> bool {
        self.kind_of(manifest).is_some()
    }

    pub fn platform(&self) -> Platform {
        self.platform
    }

    /// Every kind that is served now.
    pub(super) fn kinds(&self) -> Arc<Vec<ResourceType>> {
        Arc::clone(&self.kinds)
    }

    fn look_at_definitions(&mut self) {
        let mut kinds = kinds::built_in_kinds();
        let definitions = self
            .objects
            .iter()
            .filter(|(key, _)| key.plural == "customresourcedefinitions");
        for (_, definition) in definitions {
            kinds.extend(kinds::defined_kinds(definition));
        }
        self.kinds = Arc::new(kinds);
    }

    /// A kind as a manifest names it.
    fn kind_of(&self, manifest: &Value) -> Option<ResourceType> {
        let wanted = manifest["apiVersion"].as_str()?;
        self.kinds
            .iter()
            .find(|kind| kind.api_version() == wanted && manifest["kind"] == kind.kind.as_str())
            .cloned()
    }

    pub(super) fn key(kind: &ResourceType, namespace: &str, name: &str) -> Key {
        Key {
            group: kind.group.clone(),
            plural: kind.plural.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(super) fn at(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    pub(super) fn all_of<'a>(
        &'a self,
        kind: &'a ResourceType,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Value> + 'a {
        self.objects
            .iter()
            .filter(move |(key, _)| {
                key.group == kind.group
                    && key.plural == kind.plural
                    && namespace.is_none_or(|namespace| key.namespace == namespace)
            })
            .map(|(_, object)| object)
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub fn has_namespace(&self, name: &str) -> bool {
        self.get("Namespace", "", name).is_some()
    }

    pub(super) fn is_terminating(&self, namespace: &str) -> bool {
        self.get("Namespace", "", namespace)
            .is_some_and(|namespace| namespace["status"]["phase"] == "Terminating")
    }

    /// An object by its kind's name; the namespace is empty for what lives in none.
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.objects
            .iter()
            .find(|(key, object)| key.namespace == namespace && key.name == name && object["kind"] == kind)
            .map(|(_, object)| object)
    }

    /// All objects of a kind in a namespace; the namespace is empty for what lives in none.
    pub fn of(&self, kind: &str, namespace: &str) -> Vec<Value> {
        self.objects
            .iter()
            .filter(|(key, object)| key.namespace == namespace && object["kind"] == kind)
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// Makes or replaces an object, as somebody who calls himself `manager` would. `status` may stand in it.
    pub fn put_as(&mut self, manager: &str, manifest: Value) -> Result<(), NotThere> {
        if self.kind_of(&manifest).is_none() {
            return Err(NotThere(format!(
                "kind {} in {}",
                manifest["kind"], manifest["apiVersion"]
            )));
        }
        self.write(manager, manifest)
    }

    /// Changes an object, as somebody who calls himself `manager` would.
    pub fn edit_as(
        &mut self,
        manager: &str,
        [kind, namespace, name]: [&str; 3],
        edit: impl FnOnce(&mut Value),
    ) -> Result<(), NotThere> {
        let Some(object) = self.get(kind, namespace, name) else {
            return Err(NotThere(format!("{kind} {namespace}/{name}")));
        };
        let mut object = object.clone();
        edit(&mut object);
        self.write(manager, object)
    }

    /// Here, or at the real server.
    fn write(&mut self, manager: &str, manifest: Value) -> Result<(), NotThere> {
        let Some(upstream) = self.upstream.clone() else {
            self.keep(manager, manifest);
            return Ok(());
        };
        let Some(kind) = self.kind_of(&manifest) else {
            return Ok(());
        };
        let kept = if kind.plural == "customresourcedefinitions" {
            upstream.define(&kind, manager, &manifest).map(|()| manifest)
        } else {
            upstream.put(&kind, manager, &manifest)
        };
        let kept = kept.map_err(NotThere)?;
        let text = |name: &str| kept["metadata"][name].as_str().unwrap_or_default().to_owned();
        let key = Self::key(&kind, &text("namespace"), &text("name"));
        self.objects.insert(key, kept);
        if kind.plural == "customresourcedefinitions" {
            self.look_at_definitions();
        }
        operators::react(self);
        Ok(())
    }

    /// Reads everything again where it is a real server's. Only we define kinds there, so definitions are known.
    pub(super) fn refresh(&mut self) {
        let Some(upstream) = self.upstream.clone() else {
            return;
        };
        self.objects
            .retain(|key, _| key.plural == "customresourcedefinitions");
        for kind in self.kinds().iter() {
            if kind.is_review() || kind.plural == "customresourcedefinitions" {
                continue;
            }
            for object in upstream.list(kind) {
                let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
                let key = Self::key(kind, &text("namespace"), &text("name"));
                // A kind of several versions is listed in each; kept is the one that it was written in.
                if !self.objects.contains_key(&key) || was_written_in(&object, &kind.api_version()) {
                    self.objects.insert(key, object);
                }
            }
        }
    }

    /// A definition went, by another hand than the console's.
    pub(super) fn undefined(&mut self, name: &str) {
        if let Some(upstream) = &self.upstream {
            upstream.forget_definition(name);
            self.objects
                .retain(|key, _| key.plural != "customresourcedefinitions" || key.name != name);
            self.look_at_definitions();
        }
    }

    /// Forgets who owns what of an object, as if it had been written before that was recorded.
    pub fn disown(&mut self, [kind, namespace, name]: [&str; 3]) -> Result<(), NotThere> {
        if self.upstream.is_some() {
            return self.edit_as("before", [kind, namespace, name], |object| {
                // One empty entry, not none, takes all of them away.
                object["metadata"]["managedFields"] = json!([{}]);
            });
        }
        let found = self
            .objects
            .iter_mut()
            .find(|(key, object)| key.namespace == namespace && key.name == name && object["kind"] == kind);
        let (_, object) = found.ok_or_else(|| NotThere(format!("{kind} {namespace}/{name}")))?;
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        Ok(())
    }

    /// Takes an object away; says whether it was there.
    pub fn remove(&mut self, kind: &str, namespace: &str, name: &str) -> bool {
        let found = self
            .objects
            .iter()
            .find(|(key, object)| key.namespace == namespace && key.name == name && object["kind"] == kind)
            .map(|(key, object)| (key.clone(), object.clone()));
        let Some((key, object)) = found else {
            return false;
        };
        let Some(upstream) = self.upstream.clone() else {
            self.forget(&key);
            return true;
        };
        let Some(kind) = self.kind_of(&object) else {
            return false;
        };
        if kind.kind == "Namespace" {
            // What its controller does first.
            let inside: Vec<Key> = self
                .objects
                .keys()
                .filter(|key| key.namespace == name)
                .cloned()
                .collect();
            for key in inside {
                let kind = self.objects.get(&key).and_then(|object| self.kind_of(object));
                if let Some(kind) = kind {
                    upstream.remove(&kind, name, &key.name);
                }
                self.objects.remove(&key);
            }
        }
        let gone = if kind.plural == "customresourcedefinitions" {
            upstream.undefine(&kind, &object)
        } else {
            upstream.remove(&kind, namespace, name)
        };
        self.objects.remove(&key);
        self.look_at_definitions();
        operators::react(self);
        gone
    }

    /// Has an object end: it is there until somebody has cleaned up and removes it.
    pub(super) fn mark_for_deletion(&mut self, kind: &str, namespace: &str, name: &str) {
        let Some(object) = self.get(kind, namespace, name) else {
            return;
        };
        let mut object = object.clone();
        if let Some(kind) = self.kind_of(&object) {
            object["metadata"]["deletionTimestamp"] = Value::from(now());
            self.store(&kind, &Self::key(&kind, namespace, name), object);
        }
    }

    /// A namespace is being deleted, and something in it holds on.
    pub fn terminate(&mut self, namespace: &str) -> Result<(), NotThere> {
        let Some(upstream) = self.upstream.clone() else {
            return self.edit_as("kubectl-delete", ["Namespace", "", namespace], |object| {
                object["metadata"]["deletionTimestamp"] = Value::from(now());
                object["status"]["phase"] = Value::from("Terminating");
            });
        };
        upstream.terminate(namespace).map_err(NotThere)
    }

    /// Every object without what differs from one run to the next, by kind, namespace and name.
    pub fn inventory(&self) -> BTreeMap<String, Value> {
        let described = |(key, object): (&Key, &Value)| {
            let kind = object["kind"].as_str().unwrap_or_default();
            let mut object = object.clone();
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                for servers_own in [
                    "creationTimestamp",
                    "managedFields",
                    "resourceVersion",
                    "uid",
                    "generation",
                ] {
                    metadata.remove(servers_own);
                }
            }
            if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
                status.remove("observedGeneration");
            }
            (format!("{kind} {}/{}", key.namespace, key.name), object)
        };
        self.objects.iter().map(described).collect()
    }

    fn keep(&mut self, manager: &str, manifest: Value) {
        let Some(kind) = self.kind_of(&manifest) else {
            return;
        };
        let text = |name: &str| manifest["metadata"][name].as_str().unwrap_or_default().to_owned();
        let key = Self::key(&kind, &text("namespace"), &text("name"));
        let live = self.objects.get(&key).cloned();
        let api_version = kind.api_version();
        let now = now();
        let actor = Actor {
            manager,
            api_version: &api_version,
            subresource: "",
            now: &now,
        };
        let mut object = manifest;
        self.give_identity(&mut object, live.as_ref());
        let object = merge::update(live.as_ref(), &object, &actor, Shape::new(kind.schema.as_deref()));
        self.store(&kind, &key, object);
    }

    /// The server's own fields: those of the object that is there, or new ones.
    pub(super) fn give_identity(&mut self, object: &mut Value, live: Option<&Value>) {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
            return;
        };
        let servers_own = [
            "uid",
            "creationTimestamp",
            "generation",
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ];
        for field in servers_own {
            metadata.remove(field);
            if let Some(value) = live.and_then(|live| live["metadata"].get(field)) {
                metadata.insert(field.to_owned(), value.clone());
            }
        }
        if live.is_none() {
            self.uids += 1;
            let uid = format!("{:08x}-0000-4000-8000-{:012x}", self.revision, self.uids);
            metadata.insert("uid".to_owned(), Value::from(uid));
            metadata.insert("creationTimestamp".to_owned(), Value::from(now()));
            metadata.insert("generation".to_owned(), Value::from(1));
        }
    }

    /// Keeps an object that is right. What is as it was stays, resourceVersion and all.
    pub(super) fn store(&mut self, kind: &ResourceType, key: &Key, mut object: Value) -> Value {
        if let Some(live) = self.objects.get(key) {
            if timeless(live) == timeless(&object) {
                return live.clone();
            }
            if has_generation(kind) && is_of_another_generation(live, &object) {
                let next = live["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
                object["metadata"]["generation"] = Value::from(next);
            }
        }
        if !has_generation(kind)
            && let Some(metadata) = object["metadata"].as_object_mut()
        {
            metadata.remove("generation");
        }
        self.revision += 1;
        object["metadata"]["resourceVersion"] = Value::from(self.revision.to_string());
        if kind.plural == "customresourcedefinitions" {
            object["status"]["acceptedNames"] = object["spec"]["names"].clone();
            object["status"]["conditions"] = json!([
                {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts"},
                {"type": "Established", "status": "True", "reason": "InitialNamesAccepted"},
            ]);
        }
        if kind.kind == "Namespace" && object["status"]["phase"].is_null() {
            object["status"]["phase"] = Value::from("Active");
        }
        self.objects.insert(key.clone(), object.clone());
        if kind.plural == "customresourcedefinitions" {
            self.look_at_definitions();
        }
        operators::react(self);
        object
    }

    /// Takes an object away, and with a namespace or a definition all that was in it.
    pub(super) fn forget(&mut self, key: &Key) {
        let Some(gone) = self.objects.remove(key) else {
            return;
        };
        self.revision += 1;
        if key.plural == "namespaces" {
            self.objects.retain(|other, _| other.namespace != key.name);
        }
        if key.plural == "customresourcedefinitions" {
            let (group, plural) = (&gone["spec"]["group"], &gone["spec"]["names"]["plural"]);
            self.objects
                .retain(|other, _| *group != other.group.as_str() || *plural != other.plural.as_str());
            self.look_at_definitions();
        }
        operators::react(self);
    }
}

fn has_generation(kind: &ResourceType) -> bool {
    kind.custom || kind.has_status
}

fn is_of_another_generation(before: &Value, after: &Value) -> bool {
    let rest = |object: &Value| {
        let mut object = object.clone();
        if let Some(fields) = object.as_object_mut() {
            fields.remove("metadata");
            fields.remove("status");
        }
        object
    };
    rest(before) != rest(after)
}

/// An object without the times at which somebody came to own something.
fn timeless(object: &Value) -> Value {
    let mut object = object.clone();
    let managed = object.pointer_mut("/metadata/managedFields");
    for entry in managed.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(entry) = entry.as_object_mut() {
            entry.remove("time");
        }
    }
    object
}

/// Now, as the API server writes it.
pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whether somebody wrote the object in this version.
fn was_written_in(object: &Value, api_version: &str) -> bool {
    let managers = object["metadata"]["managedFields"].as_array();
    managers
        .into_iter()
        .flatten()
        .any(|entry| entry["apiVersion"] == api_version)
}
