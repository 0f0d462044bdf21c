//! All contact with YAML, in one place.
//!
//! [`tree`] reads a file that people write, as nodes with their positions, and goes on after each surprise of
//! YAML that a configuration file is better off without: anchors and aliases, merge keys, tags, duplicate
//! keys, keys that are not text, a second document. [`read`] reads a document that a program wrote, strictly;
//! [`write`] writes one.

mod slips;
mod tree;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_yaml::granit_parser;

pub(crate) use self::slips::without_comment;
pub use self::slips::{MARK, lookalike};
pub use self::tree::{Slip, tree};

/// One step from a node to a child.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathSegment {
    Key(String),
    /// A sequence's index, from zero.
    Index(usize),
}

/// A place in a document, such as `sites[1].infinispan`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Vec<PathSegment>);

impl Path {
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads `sites[1].infinispan`; for paths that stand in this program, so nothing can go wrong.
    pub fn of(text: &str) -> Self {
        let mut path = Self::root();
        for part in text.split('.').filter(|part| !part.is_empty()) {
            let mut pieces = part.split('[');
            if let Some(key) = pieces.next().filter(|key| !key.is_empty()) {
                path = path.key(key);
            }
            for index in pieces.filter_map(|piece| piece.trim_end_matches(']').parse().ok()) {
                path = path.index(index);
            }
        }
        path
    }

    /// The child of that key.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.with(PathSegment::Key(key.to_owned()))
    }

    /// The child of that index.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(PathSegment::Index(index))
    }

    fn with(&self, segment: PathSegment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// The steps from the root.
    pub fn segments(&self) -> &[PathSegment] {
        &self.0
    }

    /// Where this is a part of; `None` for the document.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    /// Whether one of the two is a part of the other, or both are the same.
    pub fn touches(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0) || other.0.starts_with(&self.0)
    }
}

impl From<&str> for Path {
    fn from(text: &str) -> Self {
        Self::of(text)
    }
}

impl From<String> for Path {
    fn from(text: String) -> Self {
        Self::of(&text)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, segment) in self.0.iter().enumerate() {
            match segment {
                PathSegment::Key(key) if number == 0 => write!(f, "{}", shortened(key, 80))?,
                PathSegment::Key(key) => write!(f, ".{}", shortened(key, 80))?,
                PathSegment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A place in the text: lines and columns from one, columns in characters; `end` is where the next
/// character would stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Line and column of the first character.
    pub start: (usize, usize),
    /// Line and column behind the last character.
    pub end: (usize, usize),
}

impl From<granit_parser::Span> for Span {
    fn from(span: granit_parser::Span) -> Self {
        Self {
            start: (span.start.line(), span.start.col() + 1),
            end: (span.end.line(), span.end.col() + 1),
        }
    }
}

/// A node: what it is, where it stands, and where it belongs.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// From the root to here.
    pub path: Path,
    pub span: Span,
    /// Where its key stands, if it has one.
    pub key_span: Option<Span>,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Scalar {
        /// After YAML's escapes.
        text: String,
        /// Without quotes, so that it may be a number, a truth value or nothing.
        plain: bool,
    },
    Sequence(Vec<Node>),
    /// Keys and values, in the file's order.
    Mapping(Vec<(String, Node)>),
}

impl Node {
    /// Whether nothing was written here.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The child that `segment` leads to.
    pub fn child(&self, segment: &PathSegment) -> Option<&Node> {
        match (&self.value, segment) {
            (Value::Mapping(entries), PathSegment::Key(key)) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            (Value::Sequence(items), PathSegment::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    /// The node at `path` below this one.
    pub fn at(&self, path: &Path) -> Option<&Node> {
        path.segments()
            .iter()
            .try_fold(self, |node, segment| node.child(segment))
    }
}

/// At most `most` characters of a text on one line, for a message: what a reader or a terminal would not see as
/// written is named or escaped.
pub fn shortened(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == most {
            shown.push('…');
            break;
        }
        match lookalike(c) {
            Some(name) => shown.push_str(&format!("<{name}>")),
            None if c.is_control() => shown.extend(c.escape_default()),
            None if is_invisible(c) => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
            None => shown.push(c),
        }
    }
    shown
}

/// Characters without a picture of their own that are no control characters: they end lines, join or reorder others,
/// or are passed over.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{180e}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A sentence in which each text between backticks is short and harmless.
pub fn quoting_shortly(sentence: &str) -> String {
    let pieces = sentence.split('`').enumerate();
    let pieces: Vec<String> = pieces
        .map(|(number, piece)| match number % 2 {
            1 => shortened(piece, 80),
            _ => shortened(piece, usize::MAX),
        })
        .collect();
    pieces.join("`")
}

/// A text's lines as YAML counts them: a carriage return ends one, too.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n')
        .flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// Reads one document strictly: no duplicate keys, merge keys or unknown tags, and `yes` is a text.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let options = serde_yaml::options! {
        duplicate_keys: serde_yaml::options::DuplicateKeyPolicy::Error,
        merge_keys: serde_yaml::options::MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    serde_yaml::from_str_with_options(text, options).map_err(|error| error.to_string())
}

pub fn write<T: Serialize>(value: &T) -> Result<String, String> {
    serde_yaml::to_string(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        tree(text)
            .1
            .into_iter()
            .map(|f| format!("{}:{} {} {}", f.span.start.0, f.span.start.1, f.path, f.message))
            .collect()
    }

    #[test]
    fn nodes_know_where_they_stand_and_belong() {
        let (root, faults) = tree("a: 1\nb:\n  - x: \"y\"\n  - {z: [1, 2]}\n");
        let root = root.unwrap();
        assert_eq!(faults, []);
        let y = root.at(&Path::of("b[0].x")).unwrap();
        assert_eq!(
            (
                y.span.start,
                y.key_span.unwrap().start,
                y.path.to_string().as_str()
            ),
            ((3, 8), (3, 5), "b[0].x")
        );
        assert_eq!(
            y.value,
            Value::Scalar {
                text: "y".into(),
                plain: false
            }
        );
        assert_eq!(root.at(&Path::of("b[1].z[1]")).unwrap().span.start, (4, 13));
        assert!(root.at(&Path::of("b[2]")).is_none());
    }

    #[test]
    fn each_surprise_of_yaml_is_refused_and_the_rest_still_read() {
        for (text, said) in [
            ("a: &x 1\nb: 2", "1:4 a an anchor (`&x`) is not allowed here"),
            ("a: &x [1]\nb: 2", "1:4 a an anchor (`&x`) is not allowed here"),
            ("a: *x\nb: 2", "1:4 a an alias (`*…`) is not allowed here"),
            ("<<: {c: 1}\nb: 2", "1:1  a merge key (`<<`) is not allowed here"),
            ("a: !!str 1\nb: 2", "1:4 a a tag (`!…`) is not allowed here"),
            ("a: !Sub x\nb: 2", "1:4 a a tag (`!…`) is not allowed here"),
            ("a: 1\na: 3\nb: 2", "2:1 a `a` appears twice here"),
            ("? [a, {b: c}]\n: d\nb: 2", "1:3  a key must be a text"),
            ("b: 2\n---\nb: 3", "2:1  a second document begins here"),
        ] {
            let (root, _) = tree(text);
            let messages = messages(text);
            assert!(messages.iter().any(|m| m == said), "{text:?} gives {messages:?}");
            let b = root.unwrap().at(&Path::of("b")).cloned().unwrap();
            assert_eq!(
                b.value,
                Value::Scalar {
                    text: "2".into(),
                    plain: true
                },
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_is_not_yaml_is_said_with_its_place() {
        for text in ["a: [1", "a: b: c", "- a\nb: c", "%FOO\n"] {
            let (root, faults) = tree(text);
            assert!(root.is_none(), "{text:?}");
            assert!(
                faults
                    .iter()
                    .any(|f| f.message.starts_with("not YAML") && f.span.start.0 >= 1),
                "{text:?} {faults:?}"
            );
        }
        for deep in ["[".repeat(5_000), "- ".repeat(5_000)] {
            let (root, faults) = tree(&deep);
            assert!(
                root.is_none() && faults[0].message.starts_with("nested more than"),
                "{faults:?}"
            );
        }
        for (text, said) in [
            ("a:\n\tb: 1", "a tab indents this line"),
            ("a: \"x", "the quote that opens the value of `a` is never closed"),
        ] {
            let (root, faults) = tree(text);
            assert!(root.is_none());
            assert_eq!(faults[0].message, said);
        }
    }

    #[test]
    fn what_is_shown_is_short_and_harmless() {
        for (text, shown) in [
            ("plain é", "plain é"),
            ("a\u{a0}b", "a<U+00A0 no-break space>b"),
            ("a\nb\u{1b}[31m", "a\\nb\\u{1b}[31m"),
            ("abcdefghij", "abcdefgh…"),
            ("a\u{202e}b\u{2028}c", "a<U+202E>b<U+2028>c"),
        ] {
            let most = if text.len() == 10 { 8 } else { 80 };
            assert_eq!(shortened(text, most), shown);
        }
    }

    #[test]
    fn a_sentence_quotes_shortly() {
        let long = "x".repeat(100);
        let said = quoting_shortly(&format!("`{long}` is not `a\u{7}b`, it is {long}"));
        assert_eq!(
            said,
            format!("`{}…` is not `a\\u{{7}}b`, it is {long}", "x".repeat(80))
        );
        // A backtick of the user's own leaves nothing unquoted that a terminal would obey.
        assert!(!quoting_shortly("`a`\u{1b}[2J` is not a name").contains('\u{1b}'));
    }

    #[test]
    fn lines_end_as_yaml_ends_them() {
        assert_eq!(
            lines("a\nb\r\nc\rd\n").collect::<Vec<_>>(),
            ["a", "b", "c", "d", ""]
        );
        let (_, faults) = tree("\"0a\r0\r\u{e}");
        assert_eq!(faults[0].span.start.0, 3);
    }

    #[test]
    fn a_strict_reader_takes_no_duplicate_and_no_tag() {
        assert!(read::<serde_json::Value>("a: 1\nb: [x, no]\n").is_ok_and(|v| v["b"][1] == "no"));
        for text in [
            "a: 1\na: 2\n",
            "a: !Ref b\n",
            "a: &x {b: 1}\nc:\n  <<: *x\n",
            "a: 1\n---\nb: 2\n",
        ] {
            assert!(read::<serde_json::Value>(text).is_err(), "{text:?}");
        }
    }
}
