//! The verbs that choose among objects or take them away: list, delete, delete a collection.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use super::asked::Asked;
use super::selector::Selector;
use super::status::{self, Refusal};
use super::verbs::Done;
use super::workloads;
use super::world::{Key, World, now};

impl Asked<'_> {
    fn selected(&self, world: &World) -> Result<Vec<Value>, Refusal> {
        let unreadable = |text: String| Refusal::bad_request(format!("unable to parse requirement: {text}"));
        let labels = Selector::of_labels(self.query.get("labelSelector").unwrap_or_default());
        let labels = labels.map_err(unreadable)?;
        let fields = Selector::of_fields(self.query.get("fieldSelector").unwrap_or_default());
        let fields =
            fields.map_err(|text| Refusal::bad_request(format!("field label not supported: {text}")))?;
        world
            .all_of(self.kind, self.path.namespace.as_deref())
            .filter(|object| labels.selects_labels(object) && fields.selects_fields(object))
            .map(|object| self.in_version(object))
            .collect()
    }

    pub(super) fn list(&self, world: &mut World) -> Result<Done, Refusal> {
        if self.kind.kind == "Pod" {
            workloads::pass(world, self.namespace());
        }
        let mut items = self.selected(world)?;
        let mut metadata = json!({"resourceVersion": world.revision().to_string()});
        if let Some(token) = self.query.get("continue") {
            let start = read_token(token)
                .ok_or_else(|| Refusal::bad_request("continue key is not valid: illegal base64 data"))?;
            metadata["resourceVersion"] = start["rv"].clone();
            let after = [start["namespace"].clone(), start["name"].clone()];
            items.retain(|item| {
                let place = [
                    item["metadata"]["namespace"].clone(),
                    item["metadata"]["name"].clone(),
                ];
                order(&place) > order(&after)
            });
        }
        let limit = self
            .query
            .get("limit")
            .and_then(|limit| limit.parse::<usize>().ok());
        if let Some(limit) = limit.filter(|limit| *limit > 0 && *limit < items.len()) {
            let rest = items.split_off(limit);
            let last = items
                .last()
                .map(|item| item["metadata"].clone())
                .unwrap_or_default();
            let token = json!({
                "rv": metadata["resourceVersion"], "namespace": last["namespace"], "name": last["name"],
            });
            metadata["continue"] = Value::from(BASE64.encode(token.to_string()));
            // Whoever selects is not told: the server would have to read them all.
            if ["labelSelector", "fieldSelector"]
                .iter()
                .all(|it| self.query.get(it).is_none())
            {
                metadata["remainingItemCount"] = Value::from(rest.len());
            }
        }
        if !self.kind.custom {
            // Lists of built-in kinds say what their items are once, at the top.
            for item in items.iter_mut().filter_map(Value::as_object_mut) {
                item.remove("apiVersion");
                item.remove("kind");
            }
        }
        Ok(Done::new(
            200,
            json!({
                "kind": format!("{}List", self.kind.kind),
                "apiVersion": self.kind.api_version(),
                "metadata": metadata,
                "items": items,
            }),
        ))
    }

    pub(super) fn delete(&self, world: &mut World) -> Result<Done, Refusal> {
        let options: Value = serde_json::from_slice(self.body).unwrap_or_default();
        let key = self.key();
        let Some(live) = world.at(&key).cloned() else {
            return Err(Refusal::not_found(self.kind, self.name()));
        };
        let wanted = json!({"metadata": options["preconditions"]});
        self.check_preconditions(&wanted, &live)?;
        if self.is_dry_run() {
            return Ok(Done::new(200, live));
        }
        Ok(Done::new(200, self.take_away(world, &key, live)))
    }

    /// Deletes, or marks for deletion where somebody still has to clean up.
    fn take_away(&self, world: &mut World, key: &Key, mut live: Value) -> Value {
        if !is_finalized(&live) {
            if live["metadata"]["deletionTimestamp"].is_null() {
                live["metadata"]["deletionTimestamp"] = Value::from(now());
                live = world.store(self.kind, key, live);
            }
            return live;
        }
        world.forget(key);
        let uid = live["metadata"]["uid"].as_str().unwrap_or_default();
        status::success(self.kind, &key.name, uid)
    }

    pub(super) fn delete_collection(&self, world: &mut World) -> Result<Done, Refusal> {
        let chosen = self.selected(world)?;
        if !self.is_dry_run() {
            for object in &chosen {
                let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
                let key = World::key(self.kind, text("namespace"), text("name"));
                self.take_away(world, &key, object.clone());
            }
        }
        Ok(Done::new(
            200,
            json!({
                "kind": format!("{}List", self.kind.kind),
                "apiVersion": self.kind.api_version(),
                "metadata": {"resourceVersion": world.revision().to_string()},
                "items": chosen,
            }),
        ))
    }
}

/// Whether nobody has to clean up before it goes.
pub(super) fn is_finalized(object: &Value) -> bool {
    object["metadata"]["finalizers"]
        .as_array()
        .is_none_or(Vec::is_empty)
}

fn read_token(token: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64.decode(token).ok()?).ok()
}

fn order(place: &[Value; 2]) -> [&str; 2] {
    place.each_ref().map(|text| text.as_str().unwrap_or_default())
}
