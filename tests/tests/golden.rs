//! Every example, rendered and compared with what is committed in `golden/`, so that a change of a template is
//! reviewed as a change of what it makes. `UPDATE_GOLDEN=1` rewrites them; `git diff` shows what that did.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use provisioner::check::documents as render;
use provisioner::render::Document;
use provisioner::topology::explain::explain;
use provisioner::topology::load;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every example, by name.
fn examples() -> BTreeMap<String, Vec<Document>> {
    let mut examples = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let bytes = std::fs::read(&path).unwrap();
            let loaded = load(&bytes, &path.to_string_lossy(), &|file| std::fs::read(file));
            let topology = loaded
                .unwrap_or_else(|mistakes| panic!("{name}: {mistakes:#?}"))
                .topology;
            examples.insert(name, render(&topology).unwrap());
        }
    }
    examples
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_example_renders_as_committed() {
    let golden = root().join("tests/golden");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        for file in files_below(&golden) {
            std::fs::remove_file(file).unwrap();
        }
        for (name, documents) in examples() {
            for document in documents {
                let path = golden.join(&name).join(&document.path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, &document.text).unwrap();
            }
        }
    }
    let mut committed: BTreeMap<String, String> = files_below(&golden)
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(&golden)
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/");
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    let mut differences = Vec::new();
    for (name, documents) in examples() {
        for document in documents {
            let path = format!("{name}/{}", document.path);
            match committed.remove(&path) {
                Some(text) if text == document.text => {}
                Some(text) => {
                    differences.push(format!("{path}: {}", first_difference(&text, &document.text)));
                }
                None => differences.push(format!("{path}: rendered, but not committed")),
            }
        }
    }
    differences.extend(
        committed
            .into_keys()
            .map(|path| format!("{path}: committed, but not rendered")),
    );
    assert!(
        differences.is_empty(),
        "{}\nIf that is as it should be, UPDATE_GOLDEN=1 rewrites tests/golden; review it with `git diff`.",
        differences.join("\n")
    );
}

fn first_difference(committed: &str, rendered: &str) -> String {
    let lines = committed
        .lines()
        .zip(rendered.lines())
        .enumerate()
        .find(|(_, (a, b))| a != b);
    match lines {
        Some((number, (was, is))) => format!("line {} was {was:?}, is {is:?}", number + 1),
        None => "one ends before the other".to_owned(),
    }
}

/// The same topology gives the same bytes, however often it is rendered.
#[test]
fn rendering_is_deterministic() {
    assert_eq!(examples(), examples());
}

/// `docs/topology.md`: every field with the values that it takes, its default and an example, by the schema itself.
fn reference() -> String {
    let examples = ["every-setting", "two-zones", "two-regions", "minimal"].map(|name| {
        let text = std::fs::read_to_string(root().join(format!("examples/{name}.yaml"))).unwrap();
        provisioner::yaml::read::<Value>(&text).unwrap()
    });
    let example = |path: &str| {
        let pointer = path.replace("[]", "/0").replace('.', "/");
        examples.iter().find_map(|it| it.pointer(&format!("/{pointer}")))
    };
    let shown = |value: &Value| match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{}`", serde_json::to_string(other).unwrap()),
    };

    let minimal = std::fs::read_to_string(root().join("examples/minimal.yaml")).unwrap();
    let mut page = format!(
        "# The topology file\n\nOne YAML file says everything about a deployment. This is all that is \
         required:\n\n```yaml\n{minimal}```\n\nThe other fields have defaults, or can be left out. `examples/every-setting.yaml` \
         uses all fields but `register.table`, `register.roleArn` and `notify.topics`. `provision explain FIELD` shows a field's entry in a terminal, `provision schema` prints \
         the JSON Schema for editors, and `provision validate` finds all mistakes at once.\n\nA duration is written \
         as `90s`, `5m`, `1m30s` or `2h`. Paths are relative to the topology file. Unknown fields are refused, with \
         a suggestion.\n\n<!-- made from the schema; UPDATE_GOLDEN=1 rewrites this page -->\n"
    );
    let mut blocks = vec![String::new()];
    let mut next = 0;
    while let Some(path) = blocks.get(next).cloned() {
        next += 1;
        let block = explain(&path).unwrap();
        if path.is_empty() {
            page.push_str("\n## The topology\n");
        } else {
            page.push_str(&format!("\n## {path}\n\n{}\n", block.description));
        }
        page.push_str("\n| field | value | default | example | what it is for |\n|---|---|---|---|---|\n");
        let mut inner = Vec::new();
        for field in &block.fields {
            let name = field.path.rsplit('.').next().unwrap().trim_end_matches("[]");
            let mut holds = vec![field.kind.clone()];
            holds.extend(field.limits.iter().cloned());
            let without = match &field.default {
                Some(value) => shown(value),
                None if field.required => "required".to_owned(),
                None => String::new(),
            };
            let is_block = field.kind == "block" || field.kind == "list of blocks";
            let value = example(&field.path)
                .filter(|_| !is_block)
                .map_or_else(String::new, shown);
            let mut what = field.description.clone();
            for meaning in &field.values {
                what.push_str(&format!(" `{}`: {}", meaning.value, meaning.meaning));
            }
            let name = if is_block {
                inner.push(field.path.clone());
                let anchor: String = field
                    .path
                    .to_lowercase()
                    .chars()
                    .filter(|c| c.is_alphanumeric())
                    .collect();
                format!("[{name}](#{anchor})")
            } else {
                format!("`{name}`")
            };
            let cells = [name, holds.join(", "), without, value, what].map(|cell| cell.replace('|', "\\|"));
            page.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        // Depth first: a block stands right behind the one that it belongs to.
        blocks.splice(next..next, inner);
    }
    page
}

#[test]
fn the_page_about_the_topology_says_what_the_schema_says() {
    let path = root().join("docs/topology.md");
    let page = reference();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/topology.md: {}\nUPDATE_GOLDEN=1 rewrites it.",
        first_difference(&committed, &page)
    );
}
