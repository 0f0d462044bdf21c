//! The words that people read. docs/glossary.md says which ones are ours; these here made readers stop, so no page,
//! no document that is rendered, no sentence of a program and no name of a test has them.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Each with what to say instead.
const BANNED: &[(&str, &str)] = &[
    ("whom", "which one, or turn the sentence round"),
    ("told", "notified, said, reported"),
    ("whoever", "the person who, the caller, somebody who"),
    ("talks?", "messages; connects"),
    ("stands twice", "appears twice"),
    ("is wanted here", "is expected here"),
    ("comes? to", "reaches, becomes, ends in"),
    ("cry|cries", "raises an alarm"),
    ("an economy", "it saves work"),
    ("length of time", "duration"),
    ("health question", "health check"),
    ("in vain", "without success"),
    ("vouch(es)?", "is mistaken for; counts for"),
    ("anew", "again"),
    ("in step", "up to date"),
    ("for want of", "because it lacks"),
    ("straight", "directly"),
    ("beforehand", "in advance"),
    ("so long", "how long, this long, until then"),
    ("left out,", "by default,"),
    ("look(s|ed|ing)? along", "check"),
    ("put(s|ting)? ((that|it|this) )?right", "correct"),
    ("go(es|ing|ne)? on with", "continue"),
    ("(written|writes?) down", "record"),
    ("comes? about", "happens, can be made"),
    ("came through", "arrived"),
    ("lapse[sd]?", "expires"),
    ("stands? (in|here)", "is in; is a part of"),
    ("is told", "is notified, is reported"),
    ("(is|was) waited for", "who waits for what"),
    ("kept as it is", "managed by"),
    ("holds? everything", "has put a hold on"),
    ("longer than wished", "longer than intended"),
    ("whose the accelerator is", "the accelerator's owner"),
    ("missing in the accelerator", "missing from it"),
    ("the one of", "name the thing again"),
    ("the fence of", "say who was fenced"),
    ("is no (part|platform|file|object|checkout|json)", "is not a"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn below(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" {
                open.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found
}

/// A source without what is only run by its tests.
fn shipped(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    let is_of_tests = path.to_string_lossy().ends_with("tests.rs")
        || path.components().any(|part| part.as_os_str() == "tests")
        || path.file_name().unwrap().to_string_lossy().starts_with("sample");
    if is_of_tests {
        String::new()
    } else {
        text[..end].to_owned()
    }
}

/// The texts in a source: its string literals, without the names of the values that are put in.
fn texts(source: &str) -> Vec<String> {
    let comment = Regex::new(r"(?m)^\s*//.*$").unwrap();
    let quote = Regex::new(r#"b?'\\?"'"#).unwrap();
    let literal = Regex::new(r##"(?s)r#"(.*?)"#|"((?:[^"\\]|\\.)*)""##).unwrap();
    let value = Regex::new(r"\{[^{}]*\}").unwrap();
    let broken = Regex::new(r"\\\n\s*").unwrap();
    let source = comment.replace_all(source, "");
    let source = quote.replace_all(&source, "' '");
    literal
        .captures_iter(&source)
        .map(|found| {
            let text = found.get(1).or_else(|| found.get(2)).unwrap().as_str();
            let text = broken.replace_all(text, "");
            value.replace_all(&text, "…").into_owned()
        })
        // A word alone is a key or a name.
        .filter(|text| text.contains(' '))
        .collect()
}

#[test]
fn no_text_has_a_word_that_makes_readers_stop() {
    let banned: Vec<(Regex, &str)> = BANNED
        .iter()
        .map(|(word, instead)| (Regex::new(&format!(r"(?i)\b(?:{word})\b")).unwrap(), *instead))
        .collect();
    let mut read: Vec<(PathBuf, Vec<String>)> = Vec::new();
    let whole = |path: PathBuf| {
        let lines = fs::read_to_string(&path).unwrap();
        (path, lines.lines().map(str::to_owned).collect())
    };
    read.extend(["README.md", "CHANGELOG.md", "topology.schema.json"].map(|page| whole(root().join(page))));
    for (folder, endings) in [
        ("docs", &[".md"][..]),
        ("templates", &[".yaml", ".html", ".json"]),
        ("examples", &[".yaml"]),
        ("tests/golden", &[".yaml", ".json"]),
        ("tests/model/scenarios", &[".txt"]),
        ("provisioner", &[".snap"]),
        ("tests/tests", &[".snap"]),
    ] {
        read.extend(below(folder, endings).into_iter().map(whole));
    }
    for folder in [
        "provisioner/src",
        "function/src",
        "function/fencing/src",
        "tests/src/demo",
        "tests/xtask/src",
    ] {
        for path in below(folder, &[".rs"]) {
            let found = if path.starts_with(root().join("tests/src/demo")) {
                texts(&fs::read_to_string(&path).unwrap())
            } else {
                texts(&shipped(&path))
            };
            read.push((path, found));
        }
    }
    let count: usize = read.iter().map(|(_, texts)| texts.len()).sum();
    assert!(count > 20_000, "only {count} texts were found");

    let mut found = Vec::new();
    for (path, texts) in &read {
        for text in texts {
            for (word, instead) in &banned {
                if word.is_match(text) {
                    let shown = path.strip_prefix(root()).unwrap_or(path).display();
                    found.push(format!("{shown}: {}\n    rather: {instead}", text.trim()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{} texts:\n{}", found.len(), found.join("\n"));
}

/// The names of the tests in a source. They are sentences, and reports show them.
fn tests_in(source: &str) -> Vec<String> {
    let test = Regex::new(r"#\[(?:tokio::)?test[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:async )?fn (\w+)").unwrap();
    test.captures_iter(source)
        .map(|found| found[1].replace('_', " "))
        // The name of a thing, not a verb.
        .map(|name| name.replace("stand in", "stand-in"))
        .collect()
}

#[test]
fn no_test_has_such_a_word_in_its_name() {
    let banned: Vec<(Regex, &str)> = BANNED
        .iter()
        .map(|(word, instead)| (Regex::new(&format!(r"(?i)\b(?:{word})\b")).unwrap(), *instead))
        .collect();
    let mut count = 0;
    let mut found = Vec::new();
    for folder in ["provisioner", "function", "tests"] {
        for path in below(folder, &[".rs"]) {
            for name in tests_in(&fs::read_to_string(&path).unwrap()) {
                count += 1;
                for (word, instead) in &banned {
                    if word.is_match(&name) {
                        let shown = path.strip_prefix(root()).unwrap_or(&path).display();
                        found.push(format!("{shown}: {name}\n    rather: {instead}"));
                    }
                }
            }
        }
    }
    assert!(count > 1_000, "only {count} tests were found");
    assert!(found.is_empty(), "{} names:\n{}", found.len(), found.join("\n"));
}

#[test]
fn what_is_looked_for_is_found() {
    let tests =
        "#[test]\nfn a_is_told() {}\n#[tokio::test]\n#[ignore]\nasync fn the_stand_in_b() {}\nfn c() {}";
    assert_eq!(tests_in(tests), ["a is told", "the stand-in b"]);
    let source = "// whom\nlet told = format!(\"site {told} was \\\n    told by '{}' and\", '\"');\nlet key = \"told\";";
    assert_eq!(texts(source), ["site … was told by '…' and"]);
}
