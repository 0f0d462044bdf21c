//! What both halves must agree on stands once. Whatever is looked for here would be left behind if the contract's
//! word were changed: a name that a template writes by itself, a path that a module spells again.
//!
//! The sources are read as text, tests excepted: those say in their own words what is expected.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fencing::contract::{Envelope, alert, label, path};
use fencing::metrics::{DIMENSION_SITE, DIMENSION_TOPOLOGY, Metric, NAMESPACE};
use fencing::register::items;
use fencing::settings::VARIABLES;
use fencing::settings::sample;
use fencing::words::{Epoch, Rev};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path);
            }
        }
    }
    found
}

/// The lines of a source that are shipped, with their numbers: no comments, and nothing behind `#[cfg(test)]`.
fn shipped(path: &Path) -> Vec<(usize, String)> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    if name.ends_with("tests.rs")
        || name.starts_with("sample")
        || path.components().any(|c| c.as_os_str() == "tests")
    {
        return Vec::new();
    }
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let end = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "))
        .unwrap_or(lines.len());
    lines[..end]
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//") && !line.trim_start().starts_with('#'))
        .map(|(number, line)| (number + 1, (*line).to_owned()))
        .collect()
}

/// Each word that a source may not spell by itself, as it would look there.
fn words() -> Vec<String> {
    let settings = sample::settings();
    let (topology, region) = (&settings.topology, "eu-west-1");
    let middle = |key: String| {
        key.trim_start_matches(topology.as_str())
            .trim_end_matches(region)
            .to_owned()
    };
    let history = items::history(topology, Epoch(1), Rev(1));
    let mut words: Vec<String> = alert::ALL.map(str::to_owned).into();
    words.push(alert::SITE_SUSPECTED.to_owned());
    words.extend([path::WEBHOOK, path::HEALTH].map(|path| format!("\"{path}")));
    words.extend([
        middle(items::probe(topology, region)),
        middle(items::deep(topology, region)),
        middle(items::near(topology, &sample::site("site-a"))).replace("site-a", ""),
        middle(items::stamp(topology, &sample::site("site-a"))).replace("site-a", ""),
        middle(history).replace("1#1", ""),
        format!("\"{}\"", items::KEY),
        format!("\"{}\"", label::REPORTER),
        format!("\"{}\":", Envelope::FIELD),
        format!("\"{}\\\":", Envelope::FIELD),
        format!("\"{NAMESPACE}\""),
    ]);
    words.extend(VARIABLES.iter().map(|variable| variable.name.to_owned()));
    words.extend(Metric::all().map(|metric| format!("\"{}\"", metric.name())));
    words
}

/// Where they do stand, and why nowhere else is right.
fn is_their_place(path: &Path, line: &str) -> bool {
    let fencing = [
        "contract.rs",
        "settings.rs",
        "metrics.rs",
        "answer.rs",
        "items.rs",
    ];
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let is_fencing = path.components().any(|c| c.as_os_str() == "fencing");
    // The guide's alert has the name of ours, and would keep it.
    (is_fencing && fencing.contains(&name.as_str())) || line.contains("const GUIDE_ALERT")
}

#[test]
fn no_source_spells_a_word_of_the_contract_by_itself() {
    let words = words();
    let (mut left, mut seen) = (Vec::new(), 0);
    for folder in ["provisioner/src", "function/src", "function/fencing/src"] {
        for file in files(folder, "rs") {
            for (number, line) in shipped(&file) {
                seen += 1;
                if is_their_place(&file, &line) {
                    continue;
                }
                // An alarm's logical id, its first argument, is its own, also where it is spelt as the metric is.
                let line = if line.trim_start().starts_with("b.cause(") {
                    line.split_once(',')
                        .map_or_else(String::new, |(_, rest)| rest.to_owned())
                } else {
                    line
                };
                for word in words.iter().filter(|word| line.contains(word.as_str())) {
                    left.push(format!("{}:{number} has {word}", file.display()));
                }
            }
        }
    }
    assert!(left.is_empty(), "{}", left.join("\n"));
    assert!(seen > 10_000, "only {seen} lines were looked at");
}

#[test]
fn no_template_spells_a_word_of_the_contract_by_itself() {
    let mut words = words();
    let bare: Vec<String> = words
        .iter()
        .map(|word| word.trim_matches('"').to_owned())
        .collect();
    words.extend(bare);
    // As keys of a mapping; anywhere else they are words of the language.
    let keys = label::ALL.map(|label| format!("{label}:"));
    let values = [DIMENSION_TOPOLOGY, DIMENSION_SITE].map(|dimension| format!("name: {dimension}"));
    let (mut left, mut seen) = (Vec::new(), 0);
    for file in files("templates", "yaml") {
        for (number, line) in shipped(&file) {
            seen += 1;
            // What is filled in is no word of the template's own.
            let filled = line
                .split("<<")
                .map(|part| part.split_once(">>").map_or(part, |(_, rest)| rest));
            let line = filled
                .collect::<String>()
                .trim_start()
                .trim_start_matches("- ")
                .to_owned();
            let spelt = words.iter().any(|word| line.contains(word.as_str()))
                || keys.iter().any(|key| line.starts_with(key.as_str()))
                || values.iter().any(|value| line.to_lowercase() == *value);
            if spelt {
                left.push(format!("{}:{number} has {line}", file.display()));
            }
        }
    }
    assert!(left.is_empty(), "{}", left.join("\n"));
    assert!(seen > 500, "only {seen} lines were looked at");
}

/// A type's name where a line begins one that a whole module knows; one inside a function is that function's own.
fn type_named(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub").map_or(line, |rest| {
        let rest = rest
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(')'))
            .map_or(rest, |(_, rest)| rest);
        rest.trim_start()
    });
    let named = line
        .strip_prefix("struct ")
        .or_else(|| line.strip_prefix("enum "))?;
    let end = named.find(|c: char| !c.is_alphanumeric()).unwrap_or(named.len());
    named.get(..end)
}

/// Where a name may be another type's, too: what the user writes has the name of what becomes of it.
fn is_a_door(path: &Path) -> bool {
    // A verb's arguments; a block of the topology's file.
    path.components().any(|c| c.as_os_str() == "cli") || path.ends_with("topology/types.rs")
}

/// Each half has clients of its own for the same services.
const EDGES_OF_EITHER_HALF: [&str; 2] = ["Aws", "Secrets"];

#[test]
fn a_word_names_one_type() {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in ["provisioner/src", "function/src", "function/fencing/src"] {
        for file in files(folder, "rs").into_iter().filter(|file| !is_a_door(file)) {
            for (number, line) in shipped(&file) {
                if let Some(name) = type_named(&line) {
                    let place = format!("{}:{number}", file.display());
                    named.entry(name.to_owned()).or_default().push(place);
                }
            }
        }
    }
    assert!(named.len() > 400, "only {} types were found", named.len());
    named.retain(|name, places| places.len() > 1 && !EDGES_OF_EITHER_HALF.contains(&name.as_str()));
    assert_eq!(named, BTreeMap::new());
}
