//! Filling a template so that no value can become anything but a value.
//!
//! Four fences, each enough by itself for most accidents:
//!
//! 1. Every text is written as a YAML double-quoted scalar by the engine's own escape function, with all but
//!    printable ASCII escaped. Templates never put quotes around a value.
//! 2. The filter `safe`, which would switch that off, is an error, and so is an undefined variable.
//! 3. The delimiters are `<<`, `<%`, `<#`, so that Prometheus' `{{ $labels.x }}` passes through untouched.
//! 4. The differential check: the template is filled a second time with an opaque marker in place of each
//!    text. Both results are parsed back; putting the values where the markers stand in the second must give
//!    the first. A value that changed the structure, stands inside a larger text or in a comment, or went
//!    through a filter on the way, shows there. It runs inside every render, not only in tests.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::LazyLock;

use serde::Serialize;
use serde_json::Value;
use tera::{Context, Delimiters, Kwargs, State, Tera};

use crate::yaml;

/// What kept a document from being rendered. All of them are faults of this program or its templates; a
/// topology that passed its checks causes none.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The template and what it is filled with do not fit together.
    #[error("template `{template}` cannot be filled")]
    Fill {
        template: &'static str,
        source: tera::Error,
    },
    /// The values cannot be handed to the template.
    #[error("the values of template `{template}` cannot be written: {reason}")]
    Values { template: &'static str, reason: String },
    /// What came out is not YAML.
    #[error("template `{template}` gives a document that cannot be read back: {reason}")]
    Unreadable { template: &'static str, reason: String },
    /// A value did not stay a value.
    #[error("in template `{template}` a value does not stay a value: {reason}")]
    Injected { template: &'static str, reason: String },
    /// A value holds something that AWS or Prometheus would expand.
    #[error("template `{template}` would write `{value}`, which is expanded later on")]
    Expandable { template: &'static str, value: String },
}

/// The templates, one per document.
const TEMPLATES: &[(&str, &str)] = &[
    (
        "artifacts.yaml",
        include_str!("../../../templates/cloudformation/artifacts.yaml"),
    ),
    (
        "fencing.yaml",
        include_str!("../../../templates/cloudformation/fencing.yaml"),
    ),
    (
        "health.yaml",
        include_str!("../../../templates/cloudformation/health.yaml"),
    ),
    (
        "register.yaml",
        include_str!("../../../templates/cloudformation/register.yaml"),
    ),
    (
        "alertmanagerconfig.yaml",
        include_str!("../../../templates/kubernetes/alertmanagerconfig.yaml"),
    ),
    (
        "kustomization.yaml",
        include_str!("../../../templates/kubernetes/kustomization.yaml"),
    ),
    (
        "podmonitor.yaml",
        include_str!("../../../templates/kubernetes/podmonitor.yaml"),
    ),
    (
        "prometheusrule.yaml",
        include_str!("../../../templates/kubernetes/prometheusrule.yaml"),
    ),
    (
        "secret.yaml",
        include_str!("../../../templates/kubernetes/secret.yaml"),
    ),
    (
        "user-workload-monitoring-config.yaml",
        include_str!("../../../templates/kubernetes/user-workload-monitoring-config.yaml"),
    ),
];

/// A filled template: its text and what the text says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filled {
    pub text: String,
    pub value: Value,
}

/// Fills one of our templates.
pub(super) fn fill(template: &'static str, values: &impl Serialize) -> Result<Filled, RenderError> {
    static ENGINE: LazyLock<Result<Tera, tera::Error>> = LazyLock::new(|| engine(TEMPLATES));
    match &*ENGINE {
        Ok(engine) => fill_with(engine, template, values),
        Err(error) => Err(RenderError::Unreadable {
            template,
            reason: error.to_string(),
        }),
    }
}

fn engine(templates: &[(&'static str, &'static str)]) -> Result<Tera, tera::Error> {
    let mut tera = Tera::default();
    tera.set_delimiters(Delimiters {
        block_start: "<%".into(),
        block_end: "%>".into(),
        variable_start: "<<".into(),
        variable_end: ">>".into(),
        comment_start: "<#".into(),
        comment_end: "#>".into(),
    })?;
    tera.set_escape_fn(write_quoted);
    tera.autoescape_on([".yaml"]);
    tera.register_filter(
        "safe",
        |_: tera::Value, _: Kwargs, _: &State| -> tera::TeraResult<tera::Value> {
            Err(tera::Error::message(
                "`safe` is not allowed here: every value is written by the escape function",
            ))
        },
    );
    tera.add_raw_templates(templates.iter().copied())?;
    Ok(tera)
}

/// Writes a text as a YAML double-quoted scalar, which is also a JSON string but for the widths of escapes.
fn write_quoted(text: &str, out: &mut dyn Write) -> std::io::Result<()> {
    out.write_all(b"\"")?;
    for c in text.chars() {
        match c {
            '"' => out.write_all(b"\\\"")?,
            '\\' => out.write_all(b"\\\\")?,
            '\n' => out.write_all(b"\\n")?,
            ' '..='~' => out.write_all(&[c as u8])?,
            c if u32::from(c) <= 0xffff => write!(out, "\\u{:04x}", u32::from(c))?,
            c => write!(out, "\\U{:08x}", u32::from(c))?,
        }
    }
    out.write_all(b"\"")
}

fn fill_with(engine: &Tera, template: &'static str, values: &impl Serialize) -> Result<Filled, RenderError> {
    let values = serde_json::to_value(values).map_err(|error| RenderError::Values {
        template,
        reason: error.to_string(),
    })?;
    if let Some(value) = expandable(&values) {
        return Err(RenderError::Expandable {
            template,
            value: value.to_owned(),
        });
    }
    let render = |values: &Value| -> Result<(String, Value), RenderError> {
        let context =
            Context::from_serialize(values).map_err(|source| RenderError::Fill { template, source })?;
        let text = engine
            .render(template, &context)
            .map_err(|source| RenderError::Fill { template, source })?;
        let value = yaml::read(&text).map_err(|reason| RenderError::Unreadable { template, reason })?;
        Ok((text, value))
    };
    let (text, value) = render(&values)?;

    let mut markers = Markers::default();
    let marked_values = markers.mark(&values);
    let (marked_text, marked) = render(&marked_values)?;
    let injected = |reason: String| RenderError::Injected { template, reason };
    let mut met = 0;
    let expected = markers.unmark(&marked, &mut met).map_err(injected)?;
    // A marker in the text that is no scalar of the document stands in a comment.
    let written = marked_text.matches(Markers::BEGIN).count();
    if written != met {
        return Err(injected(format!(
            "{} of {written} values are not whole scalars",
            written - met
        )));
    }
    if expected != value {
        return Err(injected(difference("", &expected, &value)));
    }
    Ok(Filled { text, value })
}

/// A text that would be expanded by CloudFormation (`${`, `{{resolve`) or by Prometheus and Alertmanager
/// (`{{`).
fn expandable(values: &Value) -> Option<&str> {
    match values {
        Value::String(text) => (text.contains("${") || text.contains("{{")).then_some(text.as_str()),
        Value::Array(items) => items.iter().find_map(expandable),
        Value::Object(fields) => fields.values().find_map(expandable),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[derive(Default)]
struct Markers {
    texts: BTreeMap<String, String>,
}

impl Markers {
    const BEGIN: &'static str = "zqmark";

    /// The same values with a marker of its own for each text.
    fn mark(&mut self, values: &Value) -> Value {
        match values {
            Value::String(text) => {
                let marker = format!("{}{:06}", Self::BEGIN, self.texts.len());
                self.texts.insert(marker.clone(), text.clone());
                Value::String(marker)
            }
            Value::Array(items) => items.iter().map(|item| self.mark(item)).collect(),
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, value)| (name.clone(), self.mark(value)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    /// The document with the texts put back; counts the markers met.
    fn unmark(&self, document: &Value, met: &mut usize) -> Result<Value, String> {
        Ok(match document {
            Value::String(text) => Value::String(self.text(text, met)?),
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.unmark(item, met))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(fields) => {
                let mut put_back = serde_json::Map::new();
                for (name, value) in fields {
                    let name = self.text(name, met)?;
                    if put_back.insert(name.clone(), self.unmark(value, met)?).is_some() {
                        return Err(format!("two values make the same key `{name}`"));
                    }
                }
                Value::Object(put_back)
            }
            other => other.clone(),
        })
    }

    fn text(&self, scalar: &str, met: &mut usize) -> Result<String, String> {
        if !scalar.contains(Self::BEGIN) {
            return Ok(scalar.to_owned());
        }
        *met += 1;
        self.texts
            .get(scalar)
            .cloned()
            .ok_or_else(|| format!("a value is part of the larger text `{scalar}`"))
    }
}

/// The first place at which two documents differ.
fn difference(path: &str, expected: &Value, found: &Value) -> String {
    match (expected, found) {
        (Value::Object(a), Value::Object(b)) => {
            for (name, value) in a {
                match b.get(name) {
                    Some(other) if other == value => {}
                    Some(other) => return difference(&format!("{path}.{name}"), value, other),
                    None => return format!("{path}.{name} is missing"),
                }
            }
            let surplus = b.keys().find(|name| !a.contains_key(*name));
            surplus.map_or_else(
                || path.to_owned(),
                |name| format!("{path}.{name} was not expected"),
            )
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find(|(_, (a, b))| a != b)
            .map_or_else(
                || path.to_owned(),
                |(index, (a, b))| difference(&format!("{path}[{index}]"), a, b),
            ),
        _ => format!("{path} is {found}, expected {expected}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn try_template(template: &'static str, values: &Value) -> Result<Filled, RenderError> {
        fill_with(&engine(&[("t.yaml", template)]).unwrap(), "t.yaml", values)
    }

    #[test]
    fn values_come_back_as_they_went_in() {
        let values = json!({"a": "x: [y] # z", "n": 5, "on": true, "list": [{"k": "no", "v": "1"}, {"k": "é\u{1f600}\u{7f}", "v": ""}], "none": null});
        let template = "a: << a >>\nn: << n >>\non: << on >>\n<% if none -%>\nno: 1\n<%- endif -%>\nmap:\n<%- for x in list %>\n  << x.k >>: << x.v >>\n<%- endfor %>\np: \"{{ $labels.x }} ${y}\"\n";
        let filled = try_template(template, &values).unwrap();
        assert_eq!(
            filled.value,
            json!({"a": "x: [y] # z", "n": 5, "on": true, "map": {"no": "1", "é\u{1f600}\u{7f}": ""}, "p": "{{ $labels.x }} ${y}"})
        );
        assert!(filled.text.is_ascii());
    }

    #[test]
    fn a_value_that_is_not_a_whole_scalar_is_refused() {
        let values = json!({"a": "x", "b": "y"});
        for template in [
            "a: prefix-<< a >>\n",
            "a: '<< a >>'\n",
            "# << a >>\nb: << b >>\n",
            "a: |\n  << a >>\n",
            "a: << a | upper >>\n",
            "a: << a | length >>\n",
            "a: << a ~ b >>\n",
            "<% if a == \"x\" %>a: << b >><% endif %>\n",
            "<< a >>: 1\n<< a >>: 2\n",
        ] {
            let result = try_template(template, &values);
            assert!(
                matches!(
                    result,
                    Err(RenderError::Injected { .. } | RenderError::Unreadable { .. })
                ),
                "{template:?} gives {result:?}"
            );
        }
    }

    #[test]
    fn safe_and_undefined_variables_are_errors() {
        for template in ["a: << a | safe >>\n", "a: << nothing >>\n", "a: << a.b >>\n"] {
            let result = try_template(template, &json!({"a": "x"}));
            assert!(
                matches!(result, Err(RenderError::Fill { .. })),
                "{template:?} gives {result:?}"
            );
        }
    }

    #[test]
    fn what_is_expanded_later_on_is_refused() {
        for value in ["${AWS::AccountId}", "{{resolve:ssm:x}}", "{{ $labels.x }}"] {
            let result = try_template("a: << a >>\n", &json!({"a": [value], "b": {"c": value}}));
            assert!(matches!(result, Err(RenderError::Expandable { .. })), "{value}");
        }
    }

    #[test]
    fn every_template_is_there_once() {
        assert!(engine(TEMPLATES).is_ok());
        for (name, text) in TEMPLATES {
            assert!(
                !text.contains("${"),
                "{name} must join values with Fn::Join, not with Fn::Sub"
            );
            assert!(
                !text.contains("!Ref") && !text.contains("!GetAtt"),
                "{name} uses short intrinsics"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_out(text in any::<String>(), other in "[\\x00-\\xff]{0,20}") {
            let values = json!({"a": text, "b": [other]});
            match try_template("a: << a >>\nb:\n<%- for x in b %>\n  - << x >>\n<%- endfor %>\nc: {<< a >>: 1}\n", &values) {
                Ok(filled) => {
                    prop_assert_eq!(&filled.value["a"], &values["a"]);
                    prop_assert_eq!(&filled.value["b"], &values["b"]);
                }
                Err(error) => prop_assert!(matches!(error, RenderError::Expandable { .. }), "{error}"),
            }
        }
    }
}
