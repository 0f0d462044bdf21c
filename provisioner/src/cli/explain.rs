//! `provision explain`: what a field of the topology is for, as `kubectl explain` does for a resource.

use clap::Args;
use clap_complete::ArgValueCandidates;
use serde_json::Value;

use super::completions::fields;
use super::{CommandError, Exit, OutputFormat, print, print_json};
use crate::topology::explain::{self, Explained};

/// Where lines end: a terminal's usual width.
const WIDTH: usize = 80;

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The field, such as sites.infinispan.caBundle; by default, the whole topology
    #[arg(value_name = "FIELD", default_value = "", hide_default_value = true, add = ArgValueCandidates::new(fields))]
    field: String,
    /// Show the fields of inner blocks, too
    #[arg(long)]
    recursive: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Explain {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let mut explained = explain::explain(&self.field).map_err(|unknown| {
            let hint = unknown.hint.clone();
            CommandError::new(Exit::Invalid, unknown)
                .code("noSuchField")
                .hint(hint)
        })?;
        if self.recursive {
            deepen(&mut explained);
        }
        match self.output {
            OutputFormat::Text => print(&text(&explained))?,
            OutputFormat::Json => print_json(&serde_json::to_value(&explained).unwrap_or(Value::Null))?,
        }
        Ok(Exit::Done)
    }
}

/// Puts the fields of its blocks into each block.
fn deepen(explained: &mut Explained) {
    for field in &mut explained.fields {
        if let Ok(inner) = explain::explain(&field.path) {
            field.fields = inner.fields;
            deepen(field);
        }
    }
}

fn text(explained: &Explained) -> String {
    let mut text = String::new();
    let name = match explained.path.as_str() {
        "" => "the topology",
        path => path,
    };
    text.push_str(&format!("FIELD: {name} <{}>\n", explained.kind));
    if !explained.path.is_empty() {
        text.push_str(&format!("       {}\n", presence(explained)));
    }
    text.push_str(&format!("\nDESCRIPTION:\n{}", wrapped(&explained.description, 4)));
    if !explained.limits.is_empty() {
        let limits = explained.limits.join(", ");
        text.push_str(&format!("\nLIMITS:\n{}", wrapped(&limits, 4)));
    }
    if !explained.values.is_empty() {
        text.push_str("\nVALUES:\n");
        for value in &explained.values {
            text.push_str(&format!("    {}\n{}", value.value, wrapped(&value.meaning, 8)));
        }
    }
    if !explained.fields.is_empty() {
        text.push_str("\nFIELDS:\n");
        list(&explained.fields, 4, &mut text);
    }
    text
}

fn presence(explained: &Explained) -> String {
    match (&explained.default, explained.required) {
        (_, true) => "required".to_owned(),
        (Some(default), false) => format!("by default {}", shown(default)),
        (None, false) => "optional".to_owned(),
    }
}

fn list(fields: &[Explained], indentation: usize, text: &mut String) {
    for field in fields {
        let name = field.path.rsplit('.').next().unwrap_or_default();
        let (name, presence) = (name.trim_end_matches("[]"), presence(field));
        text.push_str(&wrapped(
            &format!("{name} <{}>, {presence}", field.kind),
            indentation,
        ));
        text.push_str(&wrapped(&field.description, indentation + 4));
        list(&field.fields, indentation + 4, text);
    }
}

/// A default as one would write it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// A paragraph in lines that end before the terminal does.
fn wrapped(paragraph: &str, indentation: usize) -> String {
    let mut text = String::new();
    let mut line = String::new();
    for word in paragraph.split_whitespace() {
        let length = indentation + line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > WIDTH {
            text.push_str(&format!("{}{line}\n", " ".repeat(indentation)));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        text.push_str(&format!("{}{line}\n", " ".repeat(indentation)));
    }
    text
}
