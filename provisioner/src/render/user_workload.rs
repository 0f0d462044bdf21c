//! OpenShift's ConfigMap for user-defined projects: our two lines in, and out again.
//!
//! ```text
//!   alertmanager:                      in the ConfigMap's `config.yaml`
//!     enabled: true
//!     enableAlertmanagerConfig: true
//! ```
//!
//! The ConfigMap belongs to the cluster's administrators. So their text stays byte for byte: lines are
//! inserted, or a value is replaced within its line, and the result is parsed and compared with what it should
//! say before it is believed. An annotation remembers what was added and for which topologies; when
//! the last of them is destroyed, exactly that is taken out. What was there before us is not ours to remove.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// OpenShift's switches for monitoring user-defined projects.
pub mod names {
    /// Where the cluster's own monitoring is configured.
    pub const CLUSTER_NAMESPACE: &str = "openshift-monitoring";
    /// The ConfigMap with `enableUserWorkload`.
    pub const CLUSTER_CONFIG: &str = "cluster-monitoring-config";
    /// Where the users' monitoring runs.
    pub const NAMESPACE: &str = "openshift-user-workload-monitoring";
    /// The ConfigMap with `alertmanager`.
    pub const CONFIG: &str = "user-workload-monitoring-config";
    /// The Alertmanager that both settings bring up.
    pub const STATEFUL_SET: &str = "alertmanager-user-workload";
    /// The key of either ConfigMap that holds the settings.
    pub const KEY: &str = "config.yaml";
}

pub const ANNOTATION: &str = "sitefence.io/added";
const BLOCK: &str = "alertmanager";
const SETTINGS: [&str; 2] = ["enabled", "enableAlertmanagerConfig"];

/// What we added to the ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MergeMemory {
    /// The topologies that need it.
    pub needed_by: BTreeSet<String>,
    /// The settings that are there because of us, each with the text of the value it had before, if any.
    pub settings: Vec<(String, Option<String>)>,
    /// The block around them is there because of us.
    pub block: bool,
    /// So is the key `config.yaml`.
    pub key: bool,
    /// So is the ConfigMap itself.
    pub config_map: bool,
}

/// How the ConfigMap is to be changed.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigMapChange {
    /// It is as it should be.
    None,
    Create(Value),
    Replace(Value),
    /// It goes: it holds nothing but what we put there.
    Delete {
        uid: String,
    },
}

/// The settings that are missing or switched off.
pub fn missing(config_map: Option<&Value>) -> Result<Vec<&'static str>, String> {
    let parsed = parsed(text(config_map).unwrap_or_default())?;
    let block = parsed.get(BLOCK).cloned().unwrap_or_default();
    match block {
        Value::Null | Value::Object(_) => Ok(SETTINGS
            .into_iter()
            .filter(|name| block.get(name) != Some(&Value::Bool(true)))
            .collect()),
        _ => Err(format!("`{BLOCK}` is no mapping")),
    }
}

/// Whether the platform's own Alertmanager takes AlertmanagerConfigs, so that nothing has to be switched on. It does
/// only as long as there is none for user workloads.
pub fn uses_platform(cluster_monitoring: Option<&Value>, config_map: Option<&Value>) -> bool {
    let setting = |config: Option<&Value>, pointer: &str| {
        let parsed = text(config).and_then(|text| parsed(text).ok());
        parsed.and_then(|it| it.pointer(pointer).cloned()) == Some(Value::Bool(true))
    };
    setting(
        cluster_monitoring,
        "/alertmanagerMain/enableUserAlertmanagerConfig",
    ) && !setting(config_map, "/alertmanager/enabled")
}

/// Whether monitoring for user-defined projects is switched on; `None` where its settings cannot be read.
pub fn is_enabled(cluster_monitoring: Option<&Value>) -> Option<bool> {
    let settings = parsed(text(cluster_monitoring).unwrap_or_default()).ok()?;
    Some(settings.get("enableUserWorkload") == Some(&Value::Bool(true)))
}

/// Whether the Alertmanager for user workloads is yet to be switched on.
pub fn switches_on(config_map: Option<&Value>) -> bool {
    missing(config_map).is_ok_and(|missing| missing.contains(&"enabled"))
}

/// What must be changed so that `topology` has what it needs.
pub fn merge(config_map: Option<&Value>, topology: &str) -> Result<ConfigMapChange, String> {
    let missing = missing(config_map)?;
    let mut memory = memory(config_map);
    if missing.is_empty() {
        // Without a memory they were there before us, and stay when we go.
        if memory == MergeMemory::default() || !memory.needed_by.insert(topology.to_owned()) {
            return Ok(ConfigMapChange::None);
        }
        return Ok(written(config_map, None, Some(&memory)));
    }
    let before = text(config_map);
    memory.needed_by.insert(topology.to_owned());
    memory.config_map |= config_map.is_none();
    memory.key |= before.is_none();
    let after = added(before.unwrap_or_default(), &missing, &mut memory)?;
    Ok(written(config_map, Some(Some(after)), Some(&memory)))
}

/// What must be changed when `topology` goes.
pub fn undo(config_map: Option<&Value>, topology: &str) -> Result<ConfigMapChange, String> {
    let mut memory = memory(config_map);
    let Some(object) = config_map else {
        return Ok(ConfigMapChange::None);
    };
    if !memory.needed_by.remove(topology) {
        return Ok(ConfigMapChange::None);
    }
    if !memory.needed_by.is_empty() {
        return Ok(written(config_map, None, Some(&memory)));
    }
    let before = text(config_map).unwrap_or_default();
    let after = removed(before, &memory)?;
    let is_bare = after.trim().is_empty();
    let others = object
        .get("data")
        .and_then(Value::as_object)
        .is_some_and(|data| data.keys().any(|key| key != names::KEY));
    if memory.config_map && is_bare && !others {
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
        return Ok(ConfigMapChange::Delete {
            uid: uid.unwrap_or_default().to_owned(),
        });
    }
    let content = if memory.key && is_bare { None } else { Some(after) };
    Ok(written(config_map, Some(content), None))
}

/// What the ConfigMap remembers of us.
pub fn memory(config_map: Option<&Value>) -> MergeMemory {
    config_map
        .and_then(|object| {
            object
                .get("metadata")?
                .get("annotations")?
                .get(ANNOTATION)?
                .as_str()
        })
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The text of `config.yaml`.
pub fn text(config_map: Option<&Value>) -> Option<&str> {
    config_map?.get("data")?.get(names::KEY)?.as_str()
}

/// The change that gives the ConfigMap this content (`None` leaves it) and this memory.
fn written(
    config_map: Option<&Value>,
    content: Option<Option<String>>,
    memory: Option<&MergeMemory>,
) -> ConfigMapChange {
    let mut object = config_map.cloned().unwrap_or_else(|| {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": names::CONFIG, "namespace": names::NAMESPACE },
        })
    });
    if let (Some(content), Some(data)) = (content, child(&mut object, "data")) {
        match content {
            Some(text) => drop(data.insert(names::KEY.to_owned(), Value::String(text))),
            None => drop(data.remove(names::KEY)),
        }
    }
    if let Some(metadata) = child(&mut object, "metadata") {
        remember(metadata, memory);
    }
    if config_map.is_none() {
        ConfigMapChange::Create(object)
    } else {
        ConfigMapChange::Replace(object)
    }
}

/// Writes the annotation, or takes it away, and with the last one their mapping.
fn remember(metadata: &mut Map<String, Value>, memory: Option<&MergeMemory>) {
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    let Some(annotations) = annotations.as_object_mut() else {
        return;
    };
    match memory.map(serde_json::to_string) {
        Some(Ok(text)) => drop(annotations.insert(ANNOTATION.to_owned(), Value::String(text))),
        _ => drop(annotations.remove(ANNOTATION)),
    }
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

/// The mapping under `name`, made if there is none.
fn child<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    let field = object.as_object_mut()?.entry(name).or_insert_with(|| json!({}));
    if !field.is_object() {
        *field = json!({});
    }
    field.as_object_mut()
}

fn parsed(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(json!({}));
    }
    let value: Value =
        serde_yaml::from_str(text).map_err(|_| format!("its {} is not the YAML it should be", names::KEY))?;
    match value {
        Value::Null => Ok(json!({})),
        Value::Object(_) => Ok(value),
        _ => Err(format!("its {} is no mapping", names::KEY)),
    }
}

/// The lines of the block in `lines`: its header, and the range of what is below it.
fn block(lines: &[String]) -> Option<(usize, std::ops::Range<usize>)> {
    let header = lines.iter().position(|line| {
        line.strip_prefix(BLOCK)
            .is_some_and(|rest| rest.trim_end().starts_with(':'))
    })?;
    let mut end = header + 1;
    for (index, line) in lines.iter().enumerate().skip(header + 1) {
        let content = line.trim_start();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if content.len() == line.len() {
            break;
        }
        end = index + 1;
    }
    Some((header, header + 1..end))
}

/// How far a line is indented.
fn indentation(line: &str) -> &str {
    line.get(..line.len() - line.trim_start().len())
        .unwrap_or_default()
}

/// `  name: value  # comment` taken apart: everything up to the value, the value, the rest.
fn setting<'a>(line: &'a str, indent: &str, name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let after_name = line.strip_prefix(indent)?.strip_prefix(name)?;
    let after_colon = after_name.trim_start().strip_prefix(':')?;
    let value_at = line.len() - after_colon.trim_start().len();
    let (before, rest) = line.split_at(value_at);
    let end = rest.find([' ', '\t', '#', '\r']).unwrap_or(rest.len());
    let (value, tail) = rest.split_at(end);
    Some((before, value, tail))
}

/// `text` with the missing settings in it.
fn added(text: &str, missing: &[&str], memory: &mut MergeMemory) -> Result<String, String> {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut remembered = memory.clone();
    match block(&lines) {
        None => {
            // Before the empty piece that a final newline leaves.
            let at = match lines.last() {
                Some(last) if last.is_empty() => lines.len() - 1,
                _ => lines.len(),
            };
            let ours = missing.iter().map(|name| format!("  {name}: true"));
            let ours: Vec<String> = [format!("{BLOCK}:")].into_iter().chain(ours).collect();
            lines.splice(at..at, ours);
            remembered.block = true;
            remembered.settings = missing.iter().map(|name| ((*name).to_owned(), None)).collect();
        }
        Some((header, below)) => {
            let first = lines
                .get(below.clone())
                .unwrap_or_default()
                .iter()
                .find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
            let indent = first.map_or("  ", |line| indentation(line)).to_owned();
            for name in missing {
                let present = below
                    .clone()
                    .find_map(|index| Some((index, setting(lines.get(index)?, &indent, name)?)));
                let former = match present {
                    Some((index, (before, value, tail))) => {
                        let former = value.to_owned();
                        let line = format!("{before}true{tail}");
                        lines.splice(index..=index, [line]);
                        Some(former)
                    }
                    None => {
                        lines.insert(header + 1, format!("{indent}{name}: true"));
                        None
                    }
                };
                remembered.settings.retain(|(known, _)| known != name);
                remembered.settings.push(((*name).to_owned(), former));
            }
        }
    }
    let after = lines.join("\n");
    let mut wanted = parsed(text)?;
    if let Some(block) = child(&mut wanted, BLOCK) {
        block.extend(missing.iter().map(|name| ((*name).to_owned(), Value::Bool(true))));
    }
    if parsed(&after).ok().as_ref() != Some(&wanted) {
        return Err(format!(
            "its {} is laid out in a way that is not understood",
            names::KEY
        ));
    }
    *memory = remembered;
    Ok(after)
}

/// `text` without what we added. What someone changed since is left as it is.
fn removed(text: &str, memory: &MergeMemory) -> Result<String, String> {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut wanted = parsed(text)?;
    for (name, former) in &memory.settings {
        let Some((_, below)) = block(&lines) else { break };
        let found = below.clone().find_map(|index| {
            let line = lines.get(index)?;
            let (before, value, tail) = setting(line, indentation(line), name)?;
            (value == "true").then(|| {
                (
                    index,
                    format!("{before}{}{tail}", former.as_deref().unwrap_or_default()),
                )
            })
        });
        let Some((index, line)) = found else { continue };
        let Some(settings) = child(&mut wanted, BLOCK) else {
            break;
        };
        match former {
            Some(former) => {
                lines.splice(index..=index, [line]);
                let value: Value = serde_yaml::from_str(former).unwrap_or_default();
                settings.insert(name.clone(), value);
            }
            None => {
                lines.remove(index);
                settings.remove(name);
            }
        }
    }
    if memory.block
        && let Some((header, below)) = block(&lines)
        && lines
            .get(below)
            .unwrap_or_default()
            .iter()
            .all(|line| line.trim().is_empty())
    {
        lines.remove(header);
        if let Value::Object(fields) = &mut wanted {
            fields.remove(BLOCK);
        }
    }
    let after = lines.join("\n");
    let mut reached = parsed(&after)?;
    // A block that lost all its settings reads as null.
    if let (Some(block @ Value::Null), Some(Value::Object(_))) = (reached.get_mut(BLOCK), wanted.get(BLOCK)) {
        *block = json!({});
    }
    if reached == wanted {
        Ok(after)
    } else {
        Err(format!(
            "its {} is laid out in a way that is not understood",
            names::KEY
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn config_map(text: Option<&str>) -> Value {
        let mut object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": names::CONFIG, "uid": "u1", "resourceVersion": "7" },
            "data": { "other": "kept" },
        });
        if let Some(text) = text {
            object["data"][names::KEY] = json!(text);
        }
        object
    }

    fn replaced(change: ConfigMapChange) -> Value {
        match change {
            ConfigMapChange::Replace(object) | ConfigMapChange::Create(object) => object,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn our_lines_go_in_and_out_and_nothing_else_moves() {
        for (before, after) in [
            (
                "",
                "alertmanager:\n  enabled: true\n  enableAlertmanagerConfig: true\n",
            ),
            (
                "prometheus:\n  retention: 7d # a week\n",
                "prometheus:\n  retention: 7d # a week\nalertmanager:\n  enabled: true\n  enableAlertmanagerConfig: true\n",
            ),
            (
                "prometheus:\n  retention: 7d",
                "prometheus:\n  retention: 7d\nalertmanager:\n  enabled: true\n  enableAlertmanagerConfig: true",
            ),
            (
                "# ours\nalertmanager:\n    logLevel: debug # why not\nthanosRuler: {}\n",
                "# ours\nalertmanager:\n    enableAlertmanagerConfig: true\n    enabled: true\n    logLevel: debug # why not\nthanosRuler: {}\n",
            ),
            (
                "alertmanager:\n  enabled: false  # not yet\n  enableAlertmanagerConfig: true\n",
                "alertmanager:\n  enabled: true  # not yet\n  enableAlertmanagerConfig: true\n",
            ),
            (
                "alertmanager:\nprometheus: {}\n",
                "alertmanager:\n  enableAlertmanagerConfig: true\n  enabled: true\nprometheus: {}\n",
            ),
        ] {
            let original = config_map(Some(before));
            let merged = replaced(merge(Some(&original), "prod").unwrap());
            assert_eq!(text(Some(&merged)), Some(after), "{before:?}");
            assert_eq!(merged["data"]["other"], "kept");
            assert_eq!(merged["metadata"]["resourceVersion"], "7");
            assert_eq!(
                merge(Some(&merged), "prod").unwrap(),
                ConfigMapChange::None,
                "{before:?}"
            );
            let undone = replaced(undo(Some(&merged), "prod").unwrap());
            assert_eq!(undone, original, "{before:?}");
        }
    }

    #[test]
    fn monitoring_for_user_projects_is_read_as_yaml() {
        for (text, is_on) in [
            ("enableUserWorkload: true\n", Some(true)),
            ("enableUserWorkload:   true # since May\n", Some(true)),
            ("{\"enableUserWorkload\": true}", Some(true)),
            ("prometheusK8s:\n  enableUserWorkload: true\n", Some(false)),
            ("# enableUserWorkload: true\n", Some(false)),
            ("enableUserWorkload: false\n", Some(false)),
            ("", Some(false)),
            ("a: [", None),
        ] {
            assert_eq!(is_enabled(Some(&config_map(Some(text)))), is_on, "{text:?}");
        }
        assert_eq!(is_enabled(None), Some(false));
    }

    #[test]
    fn what_was_there_before_us_is_not_ours_to_remove() {
        let theirs = config_map(Some(
            "alertmanager:\n  enabled: true\n  enableAlertmanagerConfig: true\n",
        ));
        assert_eq!(merge(Some(&theirs), "prod").unwrap(), ConfigMapChange::None);
        assert_eq!(undo(Some(&theirs), "prod").unwrap(), ConfigMapChange::None);
    }

    #[test]
    fn a_config_map_that_we_made_goes_with_us_unless_others_use_it() {
        let made = replaced(merge(None, "prod").unwrap());
        assert!(matches!(
            undo(Some(&made), "prod").unwrap(),
            ConfigMapChange::Delete { .. }
        ));
        let mut used = made;
        used["data"][names::KEY] = json!(format!(
            "{}prometheus:\n  retention: 7d\n",
            text(Some(&used)).unwrap()
        ));
        let undone = replaced(undo(Some(&used), "prod").unwrap());
        assert_eq!(text(Some(&undone)), Some("prometheus:\n  retention: 7d\n"));
    }

    #[test]
    fn a_key_that_we_made_goes_and_the_others_stay() {
        let original = config_map(None);
        let merged = replaced(merge(Some(&original), "prod").unwrap());
        let undone = replaced(undo(Some(&merged), "prod").unwrap());
        assert_eq!(undone["data"], json!({ "other": "kept" }));
    }

    #[test]
    fn the_last_of_several_topologies_takes_it_out() {
        let first = replaced(merge(Some(&config_map(Some(""))), "prod").unwrap());
        let both = replaced(merge(Some(&first), "test").unwrap());
        let one_left = replaced(undo(Some(&both), "prod").unwrap());
        assert!(text(Some(&one_left)).unwrap().contains("enabled: true"));
        let none_left = replaced(undo(Some(&one_left), "test").unwrap());
        assert_eq!(text(Some(&none_left)), Some(""));
    }

    #[test]
    fn what_someone_changed_since_is_left_alone() {
        let mut merged = replaced(merge(Some(&config_map(Some("a: 1\n"))), "prod").unwrap());
        merged["data"][names::KEY] = json!("a: 1\nalertmanager:\n  enabled: false\n  replicas: 3\n");
        let undone = replaced(undo(Some(&merged), "prod").unwrap());
        assert_eq!(
            text(Some(&undone)),
            Some("a: 1\nalertmanager:\n  enabled: false\n  replicas: 3\n")
        );
    }

    #[test]
    fn a_layout_that_is_not_understood_is_left_to_people() {
        for text in [
            "alertmanager: {enabled: false}\n",
            "alertmanager: [a]\n",
            "{alertmanager: {}}",
            "a: [",
            "- a\n",
        ] {
            assert!(merge(Some(&config_map(Some(text))), "prod").is_err(), "{text}");
        }
    }

    #[test]
    fn an_annotation_that_is_not_ours_is_no_memory() {
        let mut object = config_map(Some("a: 1\n"));
        object["metadata"]["annotations"] = json!({ ANNOTATION: "nonsense", "theirs": "x" });
        let merged = replaced(merge(Some(&object), "prod").unwrap());
        assert_eq!(merged["metadata"]["annotations"]["theirs"], "x");
    }
}
