//! What stands between a request and the store: decoding, the rules that all objects keep, and the kind's schema.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::kinds::ResourceType;
use super::schema;
use super::shape::{ListKind, Shape};
use super::status::{FieldError, Refusal};

/// What becomes of fields that the schema does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

impl FieldValidation {
    pub(super) fn of(text: Option<&str>) -> Result<Self, Refusal> {
        match text {
            None => Ok(Self::default()),
            Some("Ignore") => Ok(Self::Ignore),
            Some("Warn") => Ok(Self::Warn),
            Some("Strict") => Ok(Self::Strict),
            Some(other) => Err(Refusal::bad_request(format!(
                "fieldValidation: Unsupported value: \"{other}\": supported values: \"Ignore\", \"Strict\", \"Warn\""
            ))),
        }
    }
}

/// A body as an object: JSON, or YAML where the type says so.
pub(super) fn decoded(body: &[u8], is_yaml: bool) -> Result<Value, Refusal> {
    let read = if is_yaml {
        // Every JSON document is YAML; this way its errors are JSON's.
        serde_json::from_slice(body).or_else(|_| {
            serde_yaml::from_str(&String::from_utf8_lossy(body)).map_err(|error| error.to_string())
        })
    } else {
        serde_json::from_slice(body).map_err(|error| error.to_string())
    };
    match read {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Refusal::bad_request("the body is no object")),
        Err(error) => Err(Refusal::bad_request(format!("error decoding the body: {error}"))),
    }
}

/// Finds and takes out what the schema does not name. The warnings, or a refusal.
pub(super) fn settle_unknown_fields(
    object: &mut Value,
    kind: &ResourceType,
    validation: FieldValidation,
) -> Result<Vec<String>, Refusal> {
    let Some(schema) = &kind.schema else {
        return Ok(Vec::new());
    };
    let unknown = schema::prune(object, schema);
    let said = unknown.iter().map(|field| format!("unknown field \"{field}\""));
    match validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(said.collect()),
        FieldValidation::Strict if unknown.is_empty() => Ok(Vec::new()),
        FieldValidation::Strict => Err(Refusal::bad_request(format!(
            "{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
            kind.kind,
            kind.version,
            kind.kind,
            said.collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// What a built-in kind is sent must fit into its type at all; of a custom kind the schema judges later.
pub(super) fn check_types(object: &Value, kind: &ResourceType) -> Result<(), Refusal> {
    let Some(schema) = kind.schema.as_ref().filter(|_| !kind.custom) else {
        return Ok(());
    };
    let wrong = schema::judge(object, schema).into_iter().find(|error| {
        error.reason == "FieldValueTypeInvalid" || error.message.contains("must be of type \"byte\"")
    });
    wrong.map_or(Ok(()), |error| {
        Err(Refusal::bad_request(format!(
            "{} in version \"{}\" cannot be handled as a {}: {}: {}",
            kind.kind, kind.version, kind.kind, error.field, error.message
        )))
    })
}

/// An applied configuration is read by its schema, which has no place for what it does not name.
pub(super) fn check_applied_fields(config: &Value, kind: &ResourceType, place: &str) -> Result<(), Refusal> {
    let shape = Shape::new(kind.schema.as_deref());
    let mut said: Vec<String> = undeclared(config, shape, "")
        .iter()
        .map(|field| format!("{field}: field not declared in schema"))
        .collect();
    if !kind.custom
        && let Some(schema) = &kind.schema
    {
        let mistyped = schema::judge(config, schema).into_iter();
        let mistyped = mistyped.filter(|error| error.reason == "FieldValueTypeInvalid");
        said.extend(mistyped.map(|error| {
            let found = config.pointer(&format!("/{}", error.field.replace('.', "/")));
            format!(
                ".{}: expected string, got &value.valueUnstructured{{Value:{}}}",
                error.field,
                found.unwrap_or(&Value::Null)
            )
        }));
    }
    if said.is_empty() {
        return Ok(());
    }
    let api_version = match kind.group.as_str() {
        "" => format!("/{}", kind.version),
        _ => kind.api_version(),
    };
    Err(Refusal::new(
        500,
        "",
        format!(
            "failed to create typed patch object ({place}; {api_version}, Kind={}): {}",
            kind.kind,
            said.join("\n")
        ),
    ))
}

fn undeclared(value: &Value, shape: Shape<'_>, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let (below, is_named) = shape.field(name);
                let path = format!("{path}.{name}");
                if is_named || shape.takes_any_field() {
                    found.extend(undeclared(value, below, &path));
                } else {
                    found.push(path);
                }
            }
        }
        Value::Array(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                // An entry that is known by a field is named by it.
                let at = match shape.list() {
                    ListKind::Map(keys) => {
                        let named = keys.iter().map(|key| format!("{key}={}", entry[key]));
                        named.collect::<Vec<_>>().join(",")
                    }
                    _ => index.to_string(),
                };
                found.extend(undeclared(entry, shape.entry(), &format!("{path}[{at}]")));
            }
        }
        _ => {}
    }
    found
}

/// What the server makes of an object of this kind before it judges it.
pub(super) fn complete(object: &mut Value, kind: &ResourceType) {
    if kind.kind == "Secret" {
        if object["type"].is_null() {
            object["type"] = Value::from("Opaque");
        }
        // `stringData` is for writing only: it ends up in `data`, whatever was there.
        let plain = object
            .as_object_mut()
            .and_then(|fields| fields.remove("stringData"));
        if let Some(Value::Object(plain)) = plain {
            let data = object["data"].as_object_mut();
            let mut data = data.map(std::mem::take).unwrap_or_default();
            for (key, value) in plain {
                let value = BASE64.encode(value.as_str().unwrap_or_default());
                data.insert(key, Value::from(value));
            }
            object["data"] = Value::Object(data);
        }
    }
    if let Some(schema) = kind.schema.as_deref().filter(|_| kind.custom) {
        schema::fill_defaults(object, schema);
    }
    drop_nothings(object);
}

/// What stands there as null is as good as not there.
fn drop_nothings(object: &mut Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|_, value| !value.is_null());
        }
    }
}

/// Everything that must be so before an object is kept.
pub(super) fn judge(object: &Value, live: Option<&Value>, kind: &ResourceType) -> Result<(), Refusal> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let mut errors = Vec::new();
    if !is_subdomain(name) {
        errors.push(FieldError::new(
            "metadata.name",
            "FieldValueInvalid",
            format!(
                "Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
                 characters, '-' or '.', and must start and end with an alphanumeric character"
            ),
        ));
    }
    judge_labels(&object["metadata"]["labels"], &mut errors);
    if let Some(live) = live {
        judge_what_stays(object, live, kind, &mut errors);
    }
    if let Some(schema) = &kind.schema {
        errors.extend(schema::judge(object, schema));
    }
    if kind.kind == "ConfigMap" || kind.kind == "Secret" {
        for key in object["data"].as_object().into_iter().flat_map(Map::keys) {
            if key.is_empty()
                || !key
                    .chars()
                    .all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it))
            {
                let message = format!(
                    "Invalid value: \"{key}\": a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
                );
                errors.push(FieldError::new(
                    &format!("data[{key}]"),
                    "FieldValueInvalid",
                    message,
                ));
            }
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Refusal::invalid(kind, name, &errors))
    }
}

fn judge_what_stays(object: &Value, live: &Value, kind: &ResourceType, errors: &mut Vec<FieldError>) {
    let keeps_data = kind.kind == "Secret" || kind.kind == "ConfigMap";
    if kind.kind == "Secret" && object["type"] != live["type"] {
        let message = format!("Invalid value: {}: field is immutable", object["type"]);
        errors.push(FieldError::new("type", "FieldValueInvalid", message));
    }
    if keeps_data
        && live["immutable"] == true
        && (object["data"] != live["data"] || object["immutable"] != live["immutable"])
    {
        let message = "Forbidden: field is immutable when `immutable` is set";
        errors.push(FieldError::new("data", "FieldValueForbidden", message));
    }
}

fn judge_labels(labels: &Value, errors: &mut Vec<FieldError>) {
    let is_word = |text: &str| {
        let is_end = |character: Option<char>| character.is_some_and(|it| it.is_ascii_alphanumeric());
        text.len() <= 63
            && is_end(text.chars().next())
            && is_end(text.chars().last())
            && text
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it))
    };
    for (key, value) in labels.as_object().into_iter().flatten() {
        let (prefix, name) = key.rsplit_once('/').unwrap_or(("x", key));
        if !is_subdomain(prefix) || !is_word(name) {
            let message =
                format!("Invalid value: \"{key}\": name part must consist of alphanumeric characters");
            errors.push(FieldError::new("metadata.labels", "FieldValueInvalid", message));
        }
        let value = value.as_str().unwrap_or_default();
        if !value.is_empty() && !is_word(value) {
            let message = format!(
                "Invalid value: \"{value}\": a valid label must be an empty string or consist of alphanumeric characters, \
                 '-', '_' or '.', and must start and end with an alphanumeric character"
            );
            errors.push(FieldError::new("metadata.labels", "FieldValueInvalid", message));
        }
    }
}

fn is_subdomain(name: &str) -> bool {
    let is_plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|part| {
            part.starts_with(is_plain)
                && part.ends_with(is_plain)
                && part.chars().all(|it| is_plain(it) || it == '-')
        })
}
