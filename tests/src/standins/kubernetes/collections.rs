//! The verbs that show all objects of a kind, or take one away. Whoever asks for some of them only, or for pages, is
//! refused as the stand-in refuses whatever it does not know: `provision` does neither.

use serde_json::{Value, json};

use super::asked::Asked;
use super::status::{self, Refusal};
use super::verbs::Done;
use super::workloads;
use super::world::{Key, World, now};

impl Asked<'_> {
    pub(super) fn list(&self, world: &mut World) -> Result<Done, Refusal> {
        if self.kind.kind == "Pod" {
            workloads::pass(world, self.namespace());
        }
        let all = world.all_of(self.kind, self.path.namespace.as_deref());
        let mut items = all
            .map(|object| self.in_version(object))
            .collect::<Result<Vec<Value>, Refusal>>()?;
        let metadata = json!({"resourceVersion": world.revision().to_string()});
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
}

/// Whether nobody has to clean up before it goes.
pub(super) fn is_finalized(object: &Value) -> bool {
    object["metadata"]["finalizers"]
        .as_array()
        .is_none_or(Vec::is_empty)
}
