//! The verbs on one object: what a request that was admitted reads or changes.

use serde_json::{Value, json};

use super::admission::{self, FieldValidation};
use super::asked::{Asked, Verb};
use super::collections::is_finalized;
use super::kinds::ResourceType;
use super::merge::{self, Actor};
use super::operators;
use super::shape::Shape;
use super::status::{FieldError, Refusal};
use super::world::{Key, World, now};

/// What is answered when nothing is refused.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) code: u16,
    pub(super) body: Value,
    pub(super) warnings: Vec<String>,
}

impl Done {
    pub(super) fn new(code: u16, body: Value) -> Self {
        Self {
            code,
            body,
            warnings: Vec::new(),
        }
    }
}

/// The parameters that are known; another one is a mistake of the caller or a gap here.
const PARAMETERS: [&str; 11] = [
    "dryRun",
    "fieldManager",
    "fieldValidation",
    "force",
    "gracePeriodSeconds",
    "pretty",
    "propagationPolicy",
    "resourceVersion",
    "timeout",
    "timeoutSeconds",
    "watch",
];

impl Asked<'_> {
    pub(super) fn carry_out(&self, world: &mut World) -> Result<Done, Refusal> {
        if let Some(unknown) = self.query.names().find(|name| !PARAMETERS.contains(name)) {
            return Err(Refusal::not_of_this_stand_in(format_args!(
                "the parameter '{unknown}'"
            )));
        }
        if self.kind.namespaced && self.path.namespace.is_none() && self.verb != Verb::List {
            return Err(Refusal::no_such_path());
        }
        match self.subresource() {
            "" => {}
            "status" if self.kind.has_status => {}
            other => {
                return Err(Refusal::not_of_this_stand_in(format_args!(
                    "the subresource '{other}' of {}",
                    self.kind.qualified()
                )));
            }
        }
        match self.verb {
            Verb::Get => self.get(world),
            Verb::List => self.list(world),
            Verb::Create => self.create(world),
            Verb::Update => self.update(world),
            Verb::Patch => self.patch(world),
            Verb::Delete => self.delete(world),
            Verb::Watch | Verb::Discover => Err(Refusal::not_of_this_stand_in("how to watch")),
        }
    }

    fn live(&self, world: &World) -> Result<Value, Refusal> {
        let live = world.at(&self.key());
        let live = live.ok_or_else(|| Refusal::not_found(self.kind, self.name()))?;
        self.in_version(live)
    }

    /// An object in the version that was asked for, which has to be the one that it was written in.
    pub(super) fn in_version(&self, object: &Value) -> Result<Value, Refusal> {
        let wanted = self.kind.api_version();
        if object["apiVersion"] == wanted.as_str() {
            return Ok(object.clone());
        }
        Err(Refusal::not_of_this_stand_in(format_args!(
            "how to convert {} \"{}\" from {} to {wanted}",
            self.kind.qualified(),
            object["metadata"]["name"].as_str().unwrap_or_default(),
            object["apiVersion"].as_str().unwrap_or_default(),
        )))
    }

    fn get(&self, world: &mut World) -> Result<Done, Refusal> {
        if self.kind.kind == "StatefulSet" {
            operators::progress(world, self.namespace(), self.name());
        }
        self.live(world).map(|object| Done::new(200, object))
    }

    /// An object that was sent: decoded, of this kind, at this place.
    fn sent(&self, is_yaml: bool) -> Result<Value, Refusal> {
        let mut object = admission::decoded(self.body, is_yaml)?;
        self.check_place(&mut object)?;
        Ok(object)
    }

    fn check_place(&self, object: &mut Value) -> Result<(), Refusal> {
        let expected = self.kind.api_version();
        if object["apiVersion"] != expected.as_str() || object["kind"] != self.kind.kind.as_str() {
            return Err(Refusal::bad_request(format!(
                "the API version in the data ({}, {}) does not match the expected API version ({expected}, {})",
                object["apiVersion"], object["kind"], self.kind.kind
            )));
        }
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        let metadata = &mut object["metadata"];
        if let Some(namespace) = &self.path.namespace {
            match metadata["namespace"].as_str() {
                Some(other) if other != namespace => {
                    return Err(Refusal::bad_request(
                        "the namespace of the provided object does not match the namespace sent on the request",
                    ));
                }
                _ => metadata["namespace"] = Value::from(namespace.as_str()),
            }
        }
        if let Some(name) = &self.path.name {
            match metadata["name"].as_str() {
                Some(other) if other != name => {
                    return Err(Refusal::bad_request(format!(
                        "the name of the object ({other}) does not match the name on the URL ({name})"
                    )));
                }
                _ => metadata["name"] = Value::from(name.as_str()),
            }
        }
        Ok(())
    }

    fn create(&self, world: &mut World) -> Result<Done, Refusal> {
        if self.content_type() != "application/json" {
            return Err(self.unknown_format());
        }
        let mut object = self.sent(false)?;
        admission::check_types(&object, self.kind)?;
        let validation = FieldValidation::of(self.query.get("fieldValidation"))?;
        let warnings = admission::settle_unknown_fields(&mut object, self.kind, validation)?;
        let name = match object["metadata"]["name"].as_str() {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => {
                let missing = FieldError::new(
                    "metadata.name",
                    "FieldValueRequired",
                    "Required value: name or generateName is required",
                );
                return Err(Refusal::invalid(self.kind, "", &[missing]));
            }
        };
        if !object["metadata"]["resourceVersion"].is_null() {
            return Err(Refusal::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let key = World::key(self.kind, self.namespace(), &name);
        if world.at(&key).is_some() {
            return Err(Refusal::exists(self.kind, &name));
        }
        self.check_namespace(world)?;
        world.give_identity(&mut object, None);
        let mut done = self.keep(world, &key, None, object, None)?;
        done.code = 201;
        done.warnings = warnings;
        Ok(done)
    }

    fn check_namespace(&self, world: &World) -> Result<(), Refusal> {
        match &self.path.namespace {
            Some(namespace) if !world.has_namespace(namespace) => Err(Refusal::no_namespace(namespace)),
            Some(namespace) if world.is_terminating(namespace) => Err(Refusal::forbidden(
                &self.kind.group,
                &self.kind.plural,
                self.name(),
                &format!(
                    "unable to create new content in namespace {namespace} because it is being terminated"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Judges and keeps what an update or a create makes of an object, or what an apply has already made of it.
    fn keep(
        &self,
        world: &mut World,
        key: &Key,
        live: Option<&Value>,
        mut object: Value,
        applied: Option<Value>,
    ) -> Result<Done, Refusal> {
        self.separate_status(live, &mut object);
        admission::complete(&mut object, self.kind);
        let schema = self.kind.schema.clone();
        let mut object = match applied {
            // Whoever applies owns what he wrote, not what the server made of it.
            Some(managed) => {
                if managed.is_array() {
                    object["metadata"]["managedFields"] = managed;
                }
                object
            }
            None => {
                let (manager, api_version, now) = (self.manager(), self.kind.api_version(), now());
                let actor = Actor {
                    manager: &manager,
                    api_version: &api_version,
                    subresource: self.subresource(),
                    now: &now,
                };
                merge::update(live, &object, &actor, Shape::new(schema.as_deref()))
            }
        };
        admission::judge(&object, live, self.kind)?;
        if self.is_dry_run() {
            if live.is_none()
                && let Some(metadata) = object["metadata"].as_object_mut()
            {
                metadata.remove("resourceVersion");
            }
            return Ok(Done::new(200, object));
        }
        let object = world.store(self.kind, key, object);
        if object["metadata"]["deletionTimestamp"].is_string() && is_finalized(&object) {
            world.forget(key);
        }
        Ok(Done::new(200, object))
    }

    /// `status` has an address of its own: it is written there and nowhere else.
    fn separate_status(&self, live: Option<&Value>, object: &mut Value) {
        if !self.kind.has_status {
            return;
        }
        if self.subresource() == "status" {
            let status = object["status"].clone();
            if let Some(live) = live {
                *object = live.clone();
            }
            object["status"] = status;
        } else if let Some(fields) = object.as_object_mut() {
            match live.and_then(|live| live.get("status")) {
                Some(status) => fields.insert("status".to_owned(), status.clone()),
                None => fields.remove("status"),
            };
        }
    }

    fn update(&self, world: &mut World) -> Result<Done, Refusal> {
        if self.content_type() != "application/json" {
            return Err(self.unknown_format());
        }
        let mut object = self.sent(false)?;
        admission::check_types(&object, self.kind)?;
        let validation = FieldValidation::of(self.query.get("fieldValidation"))?;
        let warnings = admission::settle_unknown_fields(&mut object, self.kind, validation)?;
        let live = self.live(world)?;
        if self.kind.custom
            && object["metadata"]["resourceVersion"]
                .as_str()
                .is_none_or(str::is_empty)
        {
            let missing = FieldError::new(
                "metadata.resourceVersion",
                "FieldValueInvalid",
                "Invalid value: 0x0: must be specified for an update",
            );
            return Err(Refusal::invalid(self.kind, self.name(), &[missing]));
        }
        self.check_preconditions(&object, &live)?;
        world.give_identity(&mut object, Some(&live));
        let mut done = self.keep(world, &self.key(), Some(&live), object, None)?;
        done.warnings = warnings;
        Ok(done)
    }

    /// An object that was read earlier must still be that one.
    pub(super) fn check_preconditions(&self, sent: &Value, live: &Value) -> Result<(), Refusal> {
        let differs = |field: &str| {
            sent["metadata"][field]
                .as_str()
                .is_some_and(|said| !said.is_empty() && live["metadata"][field] != said)
        };
        let (said, there) = (&sent["metadata"]["uid"], &live["metadata"]["uid"]);
        if differs("uid") && self.verb == Verb::Delete {
            let why = format!(
                "the UID in the precondition ({}) does not match the UID in record ({}). The object might have been \
                 deleted and then recreated",
                said.as_str().unwrap_or_default(),
                there.as_str().unwrap_or_default()
            );
            return Err(Refusal::conflict(self.kind, self.name(), &why));
        }
        if differs("uid") && self.content_type() == "application/apply-patch+yaml" {
            let stays = format!("Invalid value: {said}: field is immutable");
            let stays = FieldError::new("metadata.uid", "FieldValueInvalid", stays);
            return Err(Refusal::invalid(self.kind, self.name(), &[stays]));
        }
        if differs("uid") {
            let why = format!(
                "Precondition failed: UID in precondition: {}, UID in object meta: {}",
                said.as_str().unwrap_or_default(),
                there.as_str().unwrap_or_default()
            );
            return Err(Refusal::conflict(self.kind, self.name(), &why));
        }
        if differs("resourceVersion") {
            return Err(Refusal::modified(self.kind, self.name()));
        }
        Ok(())
    }

    fn unknown_format(&self) -> Refusal {
        let accepted = if self.verb == Verb::Patch {
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
        } else {
            "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        };
        Refusal::new(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: {accepted} (the \
                 stand-in takes application/json, application/merge-patch+json and application/apply-patch+yaml)"
            ),
        )
    }

    fn patch(&self, world: &mut World) -> Result<Done, Refusal> {
        match self.content_type() {
            "application/apply-patch+yaml" => self.apply(world),
            "application/merge-patch+json" => self.merge(world),
            _ => Err(self.unknown_format()),
        }
    }

    fn merge(&self, world: &mut World) -> Result<Done, Refusal> {
        if self.query.get("force").is_some() {
            let forbidden = "Forbidden: may not be specified for non-apply patch";
            return Err(self.invalid_options("force", "FieldValueForbidden", forbidden));
        }
        let patch = admission::decoded(self.body, false)?;
        let validation = FieldValidation::of(self.query.get("fieldValidation"))?;
        let live = self.live(world)?;
        let mut object = merge::merge_patch(&live, &patch);
        self.check_place(&mut object)?;
        let warnings = admission::settle_unknown_fields(&mut object, self.kind, validation)?;
        self.check_preconditions(&patch, &live)?;
        world.give_identity(&mut object, Some(&live));
        let mut done = self.keep(world, &self.key(), Some(&live), object, None)?;
        done.warnings = warnings;
        Ok(done)
    }

    fn invalid_options(&self, field: &str, reason: &'static str, message: &str) -> Refusal {
        let options = ResourceType {
            group: "meta.k8s.io".to_owned(),
            kind: "PatchOptions".to_owned(),
            ..self.kind.clone()
        };
        Refusal::invalid(&options, "", &[FieldError::new(field, reason, message)])
    }

    fn apply(&self, world: &mut World) -> Result<Done, Refusal> {
        let Some(manager) = self.query.get("fieldManager") else {
            let missing = "Required value: is required for apply patch";
            return Err(self.invalid_options("fieldManager", "FieldValueRequired", missing));
        };
        let mut config = self.sent(true)?;
        if !config["metadata"]["managedFields"].is_null() {
            return Err(Refusal::bad_request("metadata.managedFields must be nil"));
        }
        let place = format!("{}/{}", self.namespace(), self.name());
        admission::check_applied_fields(&config, self.kind, &place)?;
        if let Some(fields) = config.as_object_mut().filter(|_| self.kind.has_status) {
            fields.remove("status");
        }
        let live = world
            .at(&self.key())
            .map(|live| self.in_version(live))
            .transpose()?;
        match &live {
            Some(live) => self.check_preconditions(&config, live)?,
            None => {
                self.may_create.clone()?;
                if config["metadata"]["resourceVersion"].is_string() || config["metadata"]["uid"].is_string()
                {
                    return Err(Refusal::conflict(
                        self.kind,
                        self.name(),
                        "the object does not exist",
                    ));
                }
                self.check_namespace(world)?;
            }
        }
        let (api_version, now) = (self.kind.api_version(), now());
        let actor = Actor {
            manager,
            api_version: &api_version,
            subresource: self.subresource(),
            now: &now,
        };
        let shape = Shape::new(self.kind.schema.as_deref());
        let applied = merge::apply(live.as_ref(), &config, &actor, self.query.is_true("force"), shape);
        let mut object = applied.map_err(|conflicts| Refusal::apply_conflict(&conflicts))?;
        let managed = object["metadata"]["managedFields"].clone();
        world.give_identity(&mut object, live.as_ref());
        let mut done = self.keep(world, &self.key(), live.as_ref(), object, Some(managed))?;
        if live.is_none() {
            done.code = 201;
        }
        Ok(done)
    }
}
