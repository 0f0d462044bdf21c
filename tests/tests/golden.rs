//! Every example, rendered and compared with what is committed in `golden/`, so that a change of a template is
//! reviewed as a change of what it makes. `UPDATE_GOLDEN=1` rewrites them; `git diff` shows what that did.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use provisioner::check::documents as render;
use provisioner::render::Document;
use provisioner::topology::load;

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
