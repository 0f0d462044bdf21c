//! The layers of the provisioner, read from its sources.
//!
//! Arrows run down one list. Where a module names one above it, or two files of one folder name each other, the
//! compiler is content and a reader is lost: so this test reads the paths in every source and refuses them. The
//! pure modules may not reach for a clock, the environment, a thread, a process, a file or a socket either, nor for
//! the crates that do: what they need of these is handed in.
//!
//! Tests inside the sources are left out: a sample may come from anywhere.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// From the top down. A module may name those after it, never those before.
const LAYERS: [&str; 15] = [
    "cli",
    "run",
    "report",
    "check",
    "plan",
    "preflight",
    "world",
    "package",
    "observed",
    "render",
    "topology",
    "yaml",
    "environment",
    "folder",
    "files",
];

const PURE: [&str; 9] = [
    "report",
    "check",
    "plan",
    "preflight",
    "package",
    "observed",
    "render",
    "topology",
    "yaml",
];

/// Modules with effects, which pure ones do not name although some stand below them.
const EDGES: [&str; 6] = ["cli", "run", "world", "environment", "folder", "files"];

/// What reaches out of the process, and why a pure module has no business with it.
const FORBIDDEN: [(&str, &str); 12] = [
    (r"\bTimestamp::now\b", "the time is an argument"),
    (
        r"\b(?:Instant|SystemTime|Zoned|OffsetDateTime)\b",
        "the time is an argument",
    ),
    (
        r"\bstd::env\b|\benv::(?:var|vars|args|current_dir|temp_dir)",
        "the environment is cli's to read",
    ),
    (
        r"\bstd::thread\b|\bthread::(?:spawn|sleep)",
        "what runs beside it is run's to decide",
    ),
    (
        r"\bstd::process\b|\bprocess::(?:Command|exit)",
        "processes are world's",
    ),
    (
        r"\bstd::fs\b|\bfs::(?:read|write|File)|\bFile::",
        "files are the caller's to read and to write",
    ),
    (
        r"\bstd::net\b|\bTcpStream\b|\bToSocketAddrs\b",
        "the network is world's",
    ),
    (
        r"\bprintln!|\beprintln!|\bprint!|\bdbg!|\bstd::io::std(?:in|out|err)\b",
        "what is said is cli's to print",
    ),
    (r"\btokio::|\basync fn\b|\.await\b", "nothing is waited for here"),
    (
        r"\baws_(?:sdk|config|smithy)\w*::|\bkube::|\breqwest::|\bhyper\w*::",
        "SDK types stay in world",
    ),
    (
        r"(?:^|[^:\w])function::",
        "the function's edges are world's to call",
    ),
    (
        r"\b(?:rand|uuid|getrandom)::|\bRandomState\b",
        "the same input gives the same output",
    ),
];

/// A source without its comments and without the tests at its end.
struct Source {
    /// Below `src`, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// The top module that it belongs to.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }

    /// The path of its module: `plan::clusters` for `plan/clusters/mod.rs`.
    fn name(&self) -> String {
        let path = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        path.replace('/', "::")
    }

    /// Every path in it that begins at the crate's root or beside it, resolved to one from the root.
    fn names(&self) -> BTreeSet<String> {
        // `use a::{b, c::d}` says the same as `use a::b; use a::c::d`.
        let text = spread(&self.text);
        static PATHS: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"\b(crate|super|self)((?:::\w+)+)").unwrap());
        let here = self.name();
        let mut names = BTreeSet::new();
        for found in PATHS.captures_iter(&text) {
            let mut at: Vec<&str> = match &found[1] {
                "crate" => Vec::new(),
                "self" => here.split("::").collect(),
                _ => {
                    let mut parts: Vec<&str> = here.split("::").collect();
                    parts.pop();
                    parts
                }
            };
            let rest = found.get(2).unwrap().as_str();
            for part in rest.split("::").filter(|part| !part.is_empty()) {
                if part == "super" {
                    at.pop();
                } else {
                    at.push(part);
                }
            }
            names.insert(at.join("::"));
        }
        names
    }
}

/// Writes every `prefix::{a, b::c}` of a text out, from the inside to the outside.
fn spread(text: &str) -> String {
    static GROUP: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"((?:\w+::)+)\{([^{}]*)\}").unwrap());
    let mut text = text.to_owned();
    while GROUP.is_match(&text) {
        text = GROUP
            .replace_all(&text, |found: &regex::Captures<'_>| {
                let items = found[2].split(',').map(str::trim).filter(|item| !item.is_empty());
                let items = items.map(|item| format!("{}{item}", &found[1]));
                items.collect::<Vec<_>>().join(", ")
            })
            .into_owned();
    }
    text
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(&root).unwrap();
            let path_below = below.to_str().unwrap().replace('\\', "/");
            let is_test = below.components().any(|part| part.as_os_str() == "tests")
                || ["tests.rs", "robustness.rs"]
                    .iter()
                    .any(|end| path_below.ends_with(end));
            let is_root = ["lib.rs", "main.rs", "sample.rs"].contains(&path_below.as_str());
            if !is_test && !is_root {
                sources.push(Source {
                    text: without_comments_and_tests(&fs::read_to_string(&path).unwrap()),
                    path: path_below,
                });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn without_comments_and_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == module)
}

/// What a source breaks of the rules between modules.
fn breaks_of_layers(source: &Source) -> Vec<String> {
    let Some(here) = rank(source.module()) else {
        return vec![format!("{} stands in no layer", source.path)];
    };
    let is_pure = PURE.contains(&source.module());
    let names = source.names();
    let breaks = names.iter().filter_map(|name| {
        let module = name.split("::").next().unwrap_or_default();
        let there = rank(module)?;
        let is_above = there < here;
        let is_edge = is_pure && EDGES.contains(&module);
        (is_above || is_edge).then(|| format!("{} names {name}", source.path))
    });
    breaks.collect()
}

/// What a pure source reaches for outside the process.
fn breaks_of_purity(source: &Source) -> Vec<String> {
    if !PURE.contains(&source.module()) {
        return Vec::new();
    }
    let breaks = FORBIDDEN.iter().filter_map(|(pattern, why)| {
        let found = Regex::new(pattern)
            .unwrap()
            .find(&source.text)?
            .as_str()
            .to_owned();
        Some(format!("{} has `{found}`: {why}", source.path))
    });
    breaks.collect()
}

/// Whether a module is the other one or lies in its folder.
fn lies_in(module: &str, folder: &str) -> bool {
    module
        .strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Files of one module that name each other, as pairs. A folder's `mod.rs` and what lies in the folder may: it names what
/// it holds, and what it holds its words.
fn circles(sources: &[Source]) -> Vec<String> {
    let files: BTreeMap<String, &Source> = sources.iter().map(|source| (source.name(), source)).collect();
    let file_of = |name: &str| -> Option<String> {
        let mut parts: Vec<&str> = name.split("::").collect();
        while !parts.is_empty() {
            let candidate = parts.join("::");
            if files.contains_key(&candidate) {
                return Some(candidate);
            }
            parts.pop();
        }
        None
    };
    let arrows: BTreeMap<String, BTreeSet<String>> = files
        .iter()
        .map(|(name, source)| {
            let names = source.names();
            let there = names.iter().filter_map(|other| file_of(other));
            let there = there.filter(|other| !lies_in(other, name) && !lies_in(name, other));
            (name.clone(), there.collect())
        })
        .collect();
    let mut circles = Vec::new();
    for (here, there) in &arrows {
        for other in there.iter().filter(|other| *other > here) {
            if arrows.get(other).is_some_and(|back| back.contains(here)) {
                circles.push(format!("{here} and {other} name each other"));
            }
        }
    }
    circles
}

#[test]
fn arrows_run_down_the_list() {
    let breaks: Vec<String> = sources().iter().flat_map(breaks_of_layers).collect();
    assert_eq!(breaks, Vec::<String>::new());
}

#[test]
fn pure_modules_reach_for_nothing() {
    let breaks: Vec<String> = sources().iter().flat_map(breaks_of_purity).collect();
    assert_eq!(breaks, Vec::<String>::new());
}

#[test]
fn no_two_files_name_each_other() {
    assert_eq!(circles(&sources()), Vec::<String>::new());
}

/// The page for those who change the sources.
fn architecture() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/architecture.md");
    fs::read_to_string(page).unwrap()
}

#[test]
fn the_page_lists_the_layers_as_they_are() {
    let page = architecture();
    let (_, table) = page.split_once("| layer | what it does |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let rows = table.lines().filter_map(|line| {
        let (layer, about) = line.strip_prefix("| `")?.split_once("` |")?;
        Some((layer.to_owned(), about.contains("Pure.")))
    });
    let layers = LAYERS.map(|layer| (layer.to_owned(), PURE.contains(&layer)));
    assert_eq!(rows.collect::<Vec<_>>(), layers);
}

#[test]
fn the_files_that_the_page_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = architecture();
    let quoted = page.split('`').skip(1).step_by(2);
    let (there, missing): (BTreeSet<&str>, BTreeSet<&str>) = quoted
        .filter(|word| word.contains('/') || word.ends_with(".json"))
        .partition(|word| root.join(word).exists());
    assert_eq!(missing, BTreeSet::new());
    assert!(there.len() > 50, "only {} files were recognised", there.len());
}

#[test]
fn the_rules_bite() {
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: without_comments_and_tests(text),
    };
    let upwards = source("world/artifacts.rs", "use crate::{package, plan::{self, Step}};");
    assert_eq!(
        breaks_of_layers(&upwards),
        [
            "world/artifacts.rs names plan::Step",
            "world/artifacts.rs names plan::self"
        ]
    );
    let to_an_edge = source("plan/mod.rs", "fn f() { crate::world::call::now() }");
    assert_eq!(
        breaks_of_layers(&to_an_edge),
        ["plan/mod.rs names world::call::now"]
    );
    let homeless = source("helpers.rs", "");
    assert_eq!(breaks_of_layers(&homeless), ["helpers.rs stands in no layer"]);
    let downwards = source("plan/mod.rs", "// crate::cli\nuse crate::topology::Topology;");
    assert_eq!(breaks_of_layers(&downwards), Vec::<String>::new());

    for (text, found) in [
        ("let now = jiff::Timestamp::now();", "Timestamp::now"),
        ("let home = std::env::var(\"HOME\");", "std::env"),
        ("std::thread::sleep(pause);", "std::thread"),
        ("std::process::Command::new(\"git\");", "std::process"),
        ("std::fs::read(path)", "std::fs"),
        ("println!(\"{plan}\")", "println!"),
        ("async fn plan() {}", "async fn"),
        ("use aws_sdk_s3::Client;", "aws_sdk_s3::"),
    ] {
        let breaks = breaks_of_purity(&source("plan/mod.rs", text));
        assert_eq!(breaks.len(), 1, "{text}");
        assert!(
            breaks[0].starts_with(&format!("plan/mod.rs has `{found}`")),
            "{breaks:?}"
        );
        assert_eq!(
            breaks_of_purity(&source("world/mod.rs", text)),
            Vec::<String>::new()
        );
    }

    let pair = [
        source("report/a.rs", "use super::b::text;"),
        source("report/b.rs", "use crate::report::a::number;"),
    ];
    assert_eq!(circles(&pair), ["report::a and report::b name each other"]);
}
