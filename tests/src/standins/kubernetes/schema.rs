//! Structural schemas, as the API server applies them to objects of a CustomResourceDefinition: defaults are filled
//! in, fields that nobody named are found, values are judged.
//!
//! Rules in CEL (`x-kubernetes-validations`) are not evaluated; the kinds that Sitefence writes have none where it
//! writes.

use serde_json::{Map, Value};

use super::status::FieldError;

/// Fills in what the schema says of fields that are not there.
pub(super) fn fill_defaults(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, below) in properties(schema) {
                if !fields.contains_key(name)
                    && let Some(default) = below.get("default")
                {
                    fields.insert(name.clone(), default.clone());
                }
                if let Some(value) = fields.get_mut(name) {
                    fill_defaults(value, below);
                }
            }
            if let Some(others) = schema.get("additionalProperties").filter(|it| it.is_object()) {
                for value in fields.values_mut() {
                    fill_defaults(value, others);
                }
            }
        }
        Value::Array(entries) => {
            if let Some(items) = schema.get("items") {
                for entry in entries {
                    fill_defaults(entry, items);
                }
            }
        }
        _ => {}
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// Takes out every field that the schema does not name, and says which.
pub(super) fn prune(value: &mut Value, schema: &Value) -> Vec<String> {
    let mut pruned = Vec::new();
    prune_below(value, schema, "", &mut pruned);
    pruned
}

fn prune_below(value: &mut Value, schema: &Value, path: &str, pruned: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let keeps_all = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
            let known = schema.get("properties").and_then(Value::as_object);
            let others = schema.get("additionalProperties");
            if known.is_none() && others.is_none() {
                if !keeps_all && schema.get("type").is_some() {
                    pruned.extend(fields.keys().map(|name| joined(path, name)));
                    fields.clear();
                }
                return;
            }
            fields.retain(|name, value| {
                let path = joined(path, name);
                if let Some(below) = known.and_then(|known| known.get(name)) {
                    prune_below(value, below, &path, pruned);
                    return true;
                }
                match others {
                    Some(Value::Bool(false)) | None if !keeps_all => {
                        pruned.push(path);
                        false
                    }
                    Some(below @ Value::Object(_)) => {
                        prune_below(value, below, &path, pruned);
                        true
                    }
                    _ => true,
                }
            });
        }
        Value::Array(entries) => {
            if let Some(items) = schema.get("items") {
                for (index, entry) in entries.iter_mut().enumerate() {
                    prune_below(entry, items, &format!("{path}[{index}]"), pruned);
                }
            }
        }
        _ => {}
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// What is wrong with a value.
pub(super) fn judge(value: &Value, schema: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    judge_at(value, schema, "", &mut errors);
    errors
}

fn judge_at(value: &Value, schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let place = if path.is_empty() { "<nil>" } else { path };
    if value.is_null() && schema.get("nullable") == Some(&Value::Bool(true)) {
        return;
    }
    if let Some(wanted) = wrong_type(value, schema) {
        let message = format!(
            "Invalid value: \"{}\": {place} in body must be of type {wanted}: \"{}\"",
            type_of(value),
            type_of(value)
        );
        errors.push(FieldError::new(place, "FieldValueTypeInvalid", message));
        return;
    }
    let mut invalid = |why: String| {
        let message = format!("Invalid value: {value}: {place} in body {why}");
        errors.push(FieldError::new(place, "FieldValueInvalid", message));
    };
    if let Some(text) = value.as_str() {
        judge_text(text, schema, &mut invalid);
    }
    if let Some(number) = value.as_f64() {
        judge_number(number, schema, &mut invalid);
    }
    if let Some(entries) = value.as_array() {
        judge_count(
            entries.len(),
            schema,
            ["minItems", "maxItems"],
            "items",
            &mut invalid,
        );
        for (index, entry) in entries.iter().enumerate() {
            if is_repeated(&entries[..index], entry, schema) {
                let message = format!("Duplicate value: {}", key_fields(entry, schema));
                let place = format!("{place}[{index}]");
                errors.push(FieldError::new(&place, "FieldValueDuplicate", message));
            }
            if let Some(items) = schema.get("items") {
                judge_at(entry, items, &format!("{path}[{index}]"), errors);
            }
        }
    }
    if let Some(fields) = value.as_object() {
        judge_fields(fields, schema, path, errors);
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let message = format!(
            "Unsupported value: {value}: supported values: {}",
            allowed.join(", ")
        );
        errors.push(FieldError::new(place, "FieldValueNotSupported", message));
    }
    judge_combined(value, schema, place, errors);
}

fn judge_fields(fields: &Map<String, Value>, schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            errors.push(FieldError::new(
                &joined(path, name),
                "FieldValueRequired",
                "Required value",
            ));
        }
    }
    let known = schema.get("properties").and_then(Value::as_object);
    let others = schema.get("additionalProperties").filter(|it| it.is_object());
    for (name, value) in fields {
        let below = known.and_then(|known| known.get(name)).or(others);
        if let Some(below) = below {
            judge_at(value, below, &joined(path, name), errors);
        }
    }
}

fn judge_text(text: &str, schema: &Value, invalid: &mut impl FnMut(String)) {
    let length = text.chars().count() as u64;
    if let Some(least) = schema.get("minLength").and_then(Value::as_u64)
        && length < least
    {
        invalid(format!("should be at least {least} chars long"));
    }
    if let Some(most) = schema.get("maxLength").and_then(Value::as_u64)
        && length > most
    {
        invalid(format!("should be at most {most} chars long"));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        match regex::Regex::new(pattern) {
            Ok(known) if known.is_match(text) => {}
            Ok(_) => invalid(format!("should match '{pattern}'")),
            Err(_) => invalid(format!(
                "cannot be judged here: '{pattern}' is no pattern of ours"
            )),
        }
    }
    let is_well_formed = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => text.parse::<jiff::Timestamp>().is_ok(),
        Some("byte") => {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(text).is_ok()
        }
        _ => true,
    };
    if !is_well_formed {
        invalid(format!("must be of type {}", schema["format"]));
    }
}

fn judge_number(number: f64, schema: &Value, invalid: &mut impl FnMut(String)) {
    if let Some(least) = schema.get("minimum").and_then(Value::as_f64)
        && number < least
    {
        invalid(format!("should be greater than or equal to {least}"));
    }
    if let Some(most) = schema.get("maximum").and_then(Value::as_f64)
        && number > most
    {
        invalid(format!("should be less than or equal to {most}"));
    }
    let limits = match schema.get("format").and_then(Value::as_str) {
        Some("int32") => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
        _ => None,
    };
    if let Some((least, most)) = limits
        && !(least..=most).contains(&number)
    {
        invalid("must be of type int32".to_owned());
    }
}

fn judge_count(
    count: usize,
    schema: &Value,
    [least, most]: [&str; 2],
    what: &str,
    invalid: &mut impl FnMut(String),
) {
    let count = count as u64;
    if let Some(least) = schema.get(least).and_then(Value::as_u64)
        && count < least
    {
        invalid(format!("should have at least {least} {what}"));
    }
    if let Some(most) = schema.get(most).and_then(Value::as_u64)
        && count > most
    {
        invalid(format!("should have at most {most} {what}"));
    }
}

fn judge_combined(value: &Value, schema: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let fits = |option: &Value| judge(value, option).is_empty();
    let options = |name: &str| schema.get(name).and_then(Value::as_array);
    let mut refuse = |how: &str| {
        let message = format!("Invalid value: {value}: {place} in body {how}");
        errors.push(FieldError::new(place, "FieldValueInvalid", message));
    };
    if options("anyOf").is_some_and(|all| !all.iter().any(fits)) {
        refuse("must validate at least one schema (anyOf)");
    }
    if options("oneOf").is_some_and(|all| all.iter().filter(|option| fits(option)).count() != 1) {
        refuse("must validate one and only one schema (oneOf)");
    }
    if options("allOf").is_some_and(|all| !all.iter().all(fits)) {
        refuse("must validate all the schemas (allOf)");
    }
    if schema.get("not").is_some_and(fits) {
        refuse("must not validate the schema (not)");
    }
}

/// The type that a value should have and has not.
fn wrong_type<'a>(value: &Value, schema: &'a Value) -> Option<&'a str> {
    if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        return (!(value.is_string() || value.is_i64() || value.is_u64())).then_some("integer,string");
    }
    let wanted = schema.get("type").and_then(Value::as_str)?;
    let is_right = match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    };
    (!is_right).then_some(wanted)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether a list whose entries must differ has this one already.
fn is_repeated(before: &[Value], entry: &Value, schema: &Value) -> bool {
    match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => before.contains(entry),
        Some("map") => {
            let key = key_fields(entry, schema);
            before.iter().any(|other| key_fields(other, schema) == key)
        }
        _ => false,
    }
}

fn key_fields(entry: &Value, schema: &Value) -> Value {
    let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
    match keys {
        None => entry.clone(),
        Some(keys) => keys
            .iter()
            .filter_map(Value::as_str)
            .map(|key| (key.to_owned(), entry[key].clone()))
            .collect::<Map<_, _>>()
            .into(),
    }
}
