//! What CHANGELOG says about the versions between two, for those who are about to go from one to the other.

use semver::Version;
use serde::Serialize;

const CHANGELOG: &str = include_str!("../../../CHANGELOG.md");

/// A version and what it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ReleaseNotes {
    /// Which.
    pub(super) version: String,
    /// Each change as one paragraph.
    pub(super) entries: Vec<String>,
}

/// Everything, newest first, as it is read.
pub fn changelog() -> &'static str {
    CHANGELOG
}

/// What changed after `from`, which has it already, up to `to`; without `from`, what `to` itself changed. Newest first.
pub(super) fn changes(from: Option<&str>, to: &str) -> Vec<ReleaseNotes> {
    between(CHANGELOG, from, to)
}

fn between(text: &str, from: Option<&str>, to: &str) -> Vec<ReleaseNotes> {
    let Ok(to) = Version::parse(to) else {
        return Vec::new();
    };
    let from = from.and_then(|from| Version::parse(from).ok());
    let is_meant = |version: &Version| match &from {
        Some(from) => from < version && *version <= to,
        None => *version == to,
    };
    let releases = text.split("\n## ").skip(1).filter_map(|section| {
        let (heading, body) = section.split_once('\n').unwrap_or((section, ""));
        let version = heading.split_whitespace().next()?.trim_end_matches(',');
        is_meant(&Version::parse(version).ok()?).then(|| ReleaseNotes {
            version: version.to_owned(),
            entries: entries(body),
        })
    });
    releases.collect()
}

fn entries(body: &str) -> Vec<String> {
    let words = |entry: &str| entry.split_whitespace().collect::<Vec<_>>().join(" ");
    let body = format!("\n{body}");
    body.split("\n- ").skip(1).map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Changes\n\nWords.\n\n## 1.10.0 (not released yet)\n\n- Ten is\n  more than nine.\n- More.\n\n\
                        ## 1.9.0, 1 May\n\n- Nine.\n\n## 1.0.0\n\n- The first.\n";

    fn versions(from: Option<&str>, to: &str) -> Vec<String> {
        between(TEXT, from, to).into_iter().map(|it| it.version).collect()
    }

    #[test]
    fn what_lies_between_two_versions_is_shown_newest_first() {
        assert_eq!(versions(Some("1.0.0"), "1.10.0"), ["1.10.0", "1.9.0"]);
        assert_eq!(versions(Some("1.9.0"), "1.10.0"), ["1.10.0"]);
        assert_eq!(versions(Some("1.0.0"), "1.9.0"), ["1.9.0"]);
        assert_eq!(versions(None, "1.9.0"), ["1.9.0"]);
        // Back, the same, and what this program does not know.
        for (from, to) in [
            ("1.10.0", "1.0.0"),
            ("1.9.0", "1.9.0"),
            ("1.10.0", "2.0.0"),
            ("1.0.0", "?"),
        ] {
            assert!(versions(Some(from), to).is_empty(), "{from} to {to}");
        }
        let newest = &between(TEXT, None, "1.10.0")[0];
        assert_eq!(newest.entries, ["Ten is more than nine.", "More."]);
    }

    /// Or `plan` would have nothing to say of a version that is about to go out.
    #[test]
    fn the_changelog_has_this_version() {
        let ours = changes(None, env!("CARGO_PKG_VERSION"));
        assert!(ours.first().is_some_and(|release| !release.entries.is_empty()));
    }
}
