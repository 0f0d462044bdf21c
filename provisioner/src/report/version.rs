//! Versions: this program's, of the function that it carries, of the functions that are deployed; and what goes from one
//! to another.

use std::cmp::Ordering;
use std::fmt::Write as _;

use semver::Version;
use serde::Serialize;
use serde_json::{Value, json};

use super::bytes;
use super::changelog::{ReleaseNotes, changes};
use crate::observed::version::{Deployed, DeployedFunction};
use crate::package::Package;
use crate::plan::FunctionMove;

/// How many changes are shown before the rest is counted: a screen has room for a plan, too.
const SHOWN: usize = 8;
/// How much of a change is shown: its first sentence, cut there if it has no end.
const SENTENCE: usize = 160;

/// The function that this program carries for a processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// For which.
    pub architecture: String,
    /// SHA-256 of the binary, in hexadecimal.
    pub sha256: String,
    /// Its size as it is packed.
    pub bytes: u64,
}

/// Everything that has a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// This program's, which is its function's, too.
    pub version: &'static str,
    /// The commit that it was built from, if that was said.
    pub commit: Option<&'static str>,
    /// What it carries; nothing where it builds the function when it is needed.
    pub carried: Vec<Carried>,
    /// What a topology has.
    pub topology: Option<OfTopology>,
}

/// What is deployed for a topology, and what would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfTopology {
    pub name: String,
    /// The function that this program carries, with the topology's authorities: what `apply` would deploy.
    pub package: Option<Package>,
    /// What is there, by Region.
    pub deployed: Vec<DeployedFunction>,
}

/// For people.
pub fn version_text(versions: &Versions) -> String {
    let mut text = format!("provision {}", versions.version);
    if let Some(commit) = versions.commit {
        // Writing to a String cannot fail.
        let _ = write!(text, " (commit {commit})");
    }
    text.push('\n');
    for carried in &versions.carried {
        let _ = writeln!(
            text,
            "carries the function for {:<6}  sha256 {}  {}",
            carried.architecture,
            carried.sha256,
            bytes(carried.bytes)
        );
    }
    if versions.carried.is_empty() {
        text.push_str("carries no function: `plan` and `apply` build it from a checkout\n");
    }
    let Some(of) = &versions.topology else {
        return text;
    };
    let _ = writeln!(text, "\n{}", of.name);
    if let Some(package) = &of.package {
        let _ = writeln!(
            text,
            "  apply would deploy  {}  code {}",
            package.version.as_deref().unwrap_or("an unnamed version"),
            package.sha256
        );
    }
    for function in &of.deployed {
        let _ = writeln!(
            text,
            "  {:<18}  {}",
            function.region.as_str(),
            deployed(&function.what, of)
        );
    }
    text
}

fn deployed(what: &Deployed, of: &OfTopology) -> String {
    match what {
        Deployed::Nothing => "no function".to_owned(),
        Deployed::Unknown { why } => format!("out of reach: {why}"),
        Deployed::Function { version, code_sha256 } => {
            let version = version.as_deref().unwrap_or("a version that was not recorded");
            let code = code_sha256.as_deref().unwrap_or("not said");
            let is_the_same = of.package.as_ref().map(|package| package.sha256 == code);
            let note = match is_the_same {
                Some(true) => "  the same",
                Some(false) => "  another one; `provision plan` shows what would change",
                None => "",
            };
            format!("{version}  code {code}{note}")
        }
    }
}

/// For programs.
pub fn version_json(versions: &Versions) -> Value {
    let mut value = json!({
        "version": versions.version,
        "commit": versions.commit,
        "functions": versions.carried,
    });
    if let Some(of) = &versions.topology {
        value["topology"] = json!({
            "name": of.name,
            "wouldDeploy": of.package.as_ref().map(|package| json!({
                "version": package.version, "codeSha256": package.sha256, "bytes": package.bytes,
            })),
            "deployed": of.deployed,
        });
    }
    value
}

/// What a plan says of the functions that it replaces, and what CHANGELOG says about that.
pub(super) fn moves_text(moves: &[FunctionMove]) -> String {
    let mut text = String::new();
    for moved in moves {
        let _ = writeln!(text, "  ~ {}  {}", moved.region, way(moved));
    }
    if text.is_empty() {
        return text;
    }
    text.insert_str(0, "\nthe function\n");
    let mut left = SHOWN;
    let mut hidden = 0;
    for release in news(moves) {
        let (shown, rest) = release.entries.split_at(left.min(release.entries.len()));
        if !shown.is_empty() {
            let _ = writeln!(text, "    {} (CHANGELOG)", release.version);
        }
        for entry in shown {
            let _ = writeln!(text, "      - {}", sentence(entry));
        }
        left -= shown.len();
        hidden += rest.len();
    }
    if hidden > 0 {
        let _ = writeln!(text, "      … and {hidden} more: `provision version --changes`");
    }
    text
}

/// What CHANGELOG says about the longest of these ways.
pub(super) fn news(moves: &[FunctionMove]) -> Vec<ReleaseNotes> {
    let of_one = |moved: &FunctionMove| match &moved.to {
        Some(to) => changes(moved.from.as_deref(), to),
        None => Vec::new(),
    };
    moves.iter().map(of_one).max_by_key(Vec::len).unwrap_or_default()
}

fn way(moved: &FunctionMove) -> String {
    let (Some(from), Some(to)) = (&moved.from, &moved.to) else {
        let word =
            |version: &Option<String>| version.clone().unwrap_or_else(|| "an unnamed version".to_owned());
        return format!("{} → {}", word(&moved.from), word(&moved.to));
    };
    match (Version::parse(from), Version::parse(to)) {
        (Ok(from), Ok(to)) => match from.cmp(&to) {
            Ordering::Less => format!("{from} → {to}"),
            Ordering::Equal => format!("{to} → {to}: another build of it, or other authorities beside it"),
            Ordering::Greater => format!("{from} → {to}: BACK to an older one"),
        },
        _ => format!("{from} → {to}"),
    }
}

/// The first sentence of a paragraph.
fn sentence(entry: &str) -> String {
    let first = entry.split_inclusive(". ").next().unwrap_or(entry).trim_end();
    if first.chars().count() <= SENTENCE {
        return first.to_owned();
    }
    let cut: String = first.chars().take(SENTENCE).collect();
    let whole = cut.rsplit_once(' ').map_or(cut.as_str(), |(whole, _)| whole);
    format!("{whole} …")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::topology::Region;

    fn moved(from: Option<&str>, to: Option<&str>) -> FunctionMove {
        FunctionMove {
            region: Region::new("eu-west-1").unwrap(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
        }
    }

    #[test]
    fn each_way_from_one_version_to_another_is_named() {
        for (from, to, expected) in [
            (Some("0.9.0"), Some("0.10.0"), "0.9.0 → 0.10.0"),
            (
                Some("0.10.0"),
                Some("0.9.0"),
                "0.10.0 → 0.9.0: BACK to an older one",
            ),
            (
                Some("0.1.0"),
                Some("0.1.0"),
                "0.1.0 → 0.1.0: another build of it, or other authorities beside it",
            ),
            (None, Some("0.1.0"), "an unnamed version → 0.1.0"),
            (Some("0.1.0"), None, "0.1.0 → an unnamed version"),
        ] {
            assert_eq!(way(&moved(from, to)), expected);
        }
    }

    #[test]
    fn a_newer_function_comes_with_its_changes_and_no_more_than_a_screen_holds() {
        assert_eq!(moves_text(&[]), "");
        let text = moves_text(&[moved(Some("0.0.1"), Some(env!("CARGO_PKG_VERSION")))]);
        assert!(
            text.contains(concat!(
                "  ~ eu-west-1  0.0.1 → ",
                env!("CARGO_PKG_VERSION"),
                "\n"
            )),
            "{text}"
        );
        assert!(
            text.contains(concat!(
                "    ",
                env!("CARGO_PKG_VERSION"),
                " (CHANGELOG)\n      - "
            )),
            "{text}"
        );
        assert!(text.contains("more: `provision version --changes`"), "{text}");
        assert_eq!(text.matches("      - ").count(), SHOWN, "{text}");
        // The same again brings nothing new.
        let again = moves_text(&[moved(
            Some(env!("CARGO_PKG_VERSION")),
            Some(env!("CARGO_PKG_VERSION")),
        )]);
        assert!(!again.contains("CHANGELOG"), "{again}");
    }

    #[test]
    fn a_paragraph_is_shown_up_to_the_end_of_its_first_sentence() {
        assert_eq!(sentence("One. Two."), "One.");
        assert_eq!(sentence("`a.b` is one word."), "`a.b` is one word.");
        let long = "word ".repeat(100);
        assert!(sentence(&long).ends_with("word …") && sentence(&long).chars().count() <= SENTENCE + 2);
    }

    #[test]
    fn what_runs_is_compared_with_what_would_be_deployed() {
        let function = |code: &str| DeployedFunction {
            region: Region::new("eu-west-1").unwrap(),
            what: Deployed::Function {
                version: Some("0.1.0".to_owned()),
                code_sha256: Some(code.to_owned()),
            },
        };
        let versions = |package: Option<&str>, deployed: Vec<DeployedFunction>| Versions {
            version: "0.2.0",
            commit: Some("abc"),
            carried: Vec::new(),
            topology: Some(OfTopology {
                name: "demo".to_owned(),
                package: package.map(|sha256| Package {
                    sha256: sha256.to_owned(),
                    bytes: 1,
                    version: Some("0.2.0".to_owned()),
                }),
                deployed,
            }),
        };
        let text = version_text(&versions(Some("aa"), vec![function("aa")]));
        assert!(
            text.starts_with("provision 0.2.0 (commit abc)\n") && text.contains("code aa  the same\n"),
            "{text}"
        );
        let text = version_text(&versions(Some("bb"), vec![function("aa")]));
        assert!(text.contains("0.1.0  code aa  another one"), "{text}");
        let text = version_text(&versions(None, vec![function("aa")]));
        assert!(
            text.contains("carries no function") && text.ends_with("code aa\n"),
            "{text}"
        );
        let silent = DeployedFunction {
            region: Region::new("eu-west-1").unwrap(),
            what: Deployed::Unknown {
                why: "no answer".to_owned(),
            },
        };
        let json = version_json(&versions(None, vec![silent]));
        assert_eq!(
            json["topology"]["deployed"][0]["outOfReach"], "no answer",
            "{json}"
        );
    }
}
