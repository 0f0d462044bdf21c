//! From nodes with positions to a value of a Rust type, telling every mistake on the way.
//!
//! Serde's derived code stops at the first mistake. Two tricks make it tell them all without a second,
//! hand-written description of the file:
//!
//! - a struct announces its fields, so an unknown one is noted and skipped right away;
//! - any other mistake ends the attempt. It is noted, the node is replaced by the one at the same place in a
//!   *donor* document that is known to be right (or taken out, if the donor has none: then the field is
//!   optional), and the next attempt gets one mistake further.
//!
//! A file with a hundred mistakes is decoded a hundred times, which takes a few milliseconds: a topology has some
//! forty lines.
//!
//! A validator for JSON Schema would tell all mistakes at once too, and was set aside for four reasons. It knows a
//! pattern and not what the pattern is for: "does not match `^[a-z]{2}-…`" where our grammar says "is not an AWS
//! Region, did you mean `eu-west-1`?". It wants JSON, where a `5` that should be `5s` and a text that only looks like
//! a number are already the same as what was meant. What it accepts has still to be decoded, so that there would be
//! two descriptions of the file, free to disagree. And it leaves no value behind, so that a misspelt field would keep
//! all checks that look at several fields from being made.
//!
//! The value that comes out in the end may hold the donor's parts. [`Decoded::spoiled`] lists their places, so
//! that checks that look at several fields do not complain about what the user never wrote.

mod deserializer;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use serde::de::DeserializeOwned;

use self::deserializer::{BLOCK, LIST, Mismatch, NodeDeserializer, TEXT, TRUTH, listed};
use super::schema;
use super::suggest::{closest, meant};
use crate::yaml::{Node, Path, PathSegment, Value, shortened};

/// A mistake and where it belongs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mistake {
    pub path: Path,
    /// The key is wrong, not what stands under it.
    pub is_key: bool,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Unknown {
        field: String,
        known: &'static [&'static str],
    },
    Missing {
        field: String,
    },
    /// `scalar` is what was written, if it was one value.
    Kind {
        wanted: String,
        found: String,
        scalar: Option<String>,
    },
    Word {
        text: String,
        known: &'static [&'static str],
    },
    Length {
        wanted: usize,
        found: usize,
    },
    Text {
        message: String,
        hint: Option<String>,
    },
}

impl Mistake {
    pub(super) fn message(&self) -> String {
        match &self.what {
            What::Unknown { field, .. } => format!("unknown field `{field}`"),
            What::Missing { field } => match self.owner() {
                Some(owner) => format!("{owner} has no `{field}`"),
                None => format!("the topology has no `{field}`"),
            },
            What::Kind { wanted, found, .. } => format!("{wanted} is expected here, not {found}"),
            What::Word { text, known } => format!("`{text}` is not one of {}", listed(known)),
            What::Length { wanted, found } => {
                format!("exactly {wanted} `{}` are wanted, not {found}", self.path)
            }
            What::Text { message, .. } => message.clone(),
        }
    }

    /// The field that an unknown one was most likely meant to be.
    pub(super) fn meant(&self) -> Option<&'static str> {
        match &self.what {
            What::Unknown { field, known } => closest(field, known.iter().copied()),
            _ => None,
        }
    }

    fn owner(&self) -> Option<String> {
        self.path
            .parent()
            .filter(|parent| *parent != Path::root())
            .map(|parent| format!("`{parent}`"))
    }

    /// What to do, as far as the mistake itself tells.
    pub(super) fn hint(&self) -> Option<String> {
        match &self.what {
            What::Unknown { field, known } => Some(match self.meant() {
                Some(word) => format!("did you mean `{word}`?"),
                None => match schema::homes(field).as_slice() {
                    [] => format!("known here: {}", listed(known)),
                    homes => format!("`{field}` belongs under {}", homes.join(" or ")),
                },
            }),
            What::Word { text, known } => meant(text, known).map(|word| format!("did you mean `{word}`?")),
            What::Kind {
                wanted,
                scalar: Some(text),
                ..
            } if wanted == TEXT => schema::remedy(&self.path, text),
            What::Kind {
                wanted,
                scalar: Some(text),
                ..
            } if wanted == LIST => Some(format!("write it as a list: [{}]", shortened(text, 60))),
            What::Kind {
                wanted,
                scalar: Some(text),
                ..
            } if wanted == BLOCK => slip_in(text),
            What::Kind { wanted, found, .. }
                if wanted == BLOCK && found == LIST && schema::takes_any_key(&self.path) =>
            {
                Some("write `key: value` pairs, without hyphens".to_owned())
            }
            What::Kind { wanted, .. } if wanted == TRUTH => {
                Some("write true or false, without quotes".to_owned())
            }
            What::Text { hint, .. } => hint.clone(),
            What::Missing { .. } | What::Kind { .. } | What::Length { .. } => None,
        }
    }
}

/// A block that was read as one word, because its only line has no space after the colon.
fn slip_in(text: &str) -> Option<String> {
    let (key, value) = text.split_once(':')?;
    let is_key = key.chars().all(|c| c.is_ascii_alphanumeric());
    let is_address = value.starts_with("//");
    (is_key && !key.is_empty() && !value.is_empty() && !is_address).then(|| {
        format!(
            "there is no space after the colon: write `{key}: {}`",
            shortened(value, 40)
        )
    })
}

pub(super) struct Decoded<T> {
    /// The value, with the donor's parts where the file was wrong; `None` if even the donor did not help.
    pub value: Option<T>,
    /// All mistakes, in the order in which they were met.
    pub mistakes: Vec<Mistake>,
    /// The places at which the value is not the user's.
    pub spoiled: Vec<Path>,
}

/// A file has no more mistakes than this that are worth telling.
const MOST_ATTEMPTS: usize = 200;

/// Decodes `root`, repairing it from `donor` after each mistake.
pub(super) fn decode<T: DeserializeOwned>(mut root: Node, donor: &Node) -> Decoded<T> {
    let unknown = RefCell::new(Vec::new());
    let mut mistakes: Vec<Mistake> = Vec::new();
    let mut spoiled: Vec<Path> = Vec::new();
    let mut value = None;
    for _ in 0..MOST_ATTEMPTS {
        match T::deserialize(NodeDeserializer {
            node: &root,
            unknown: &unknown,
        }) {
            Ok(decoded) => {
                value = Some(decoded);
                break;
            }
            Err(Mismatch { path, is_key, what }) => {
                let path = path.unwrap_or_default();
                let path = if let What::Missing { field } = &what {
                    path.key(field)
                } else {
                    path
                };
                // The second mistake at one place is the donor's: take the place out altogether.
                let is_second = spoiled.contains(&path);
                let wanted_length = match what {
                    What::Length { wanted, .. } if !is_second => Some(wanted),
                    _ => None,
                };
                if !is_second {
                    spoiled.push(path.clone());
                    mistakes.push(Mistake {
                        path: path.clone(),
                        is_key,
                        what,
                    });
                }
                let replacement = if is_second || is_key {
                    None
                } else {
                    donor.at(&path)
                };
                let is_repaired = match wanted_length {
                    Some(wanted) => resize(&mut root, &path, wanted, donor.at(&path)),
                    None => replace(&mut root, path.segments(), replacement),
                };
                if !is_repaired {
                    break;
                }
            }
        }
    }
    let unknown = unknown.into_inner();
    // A field that is only misspelt is not missing as well.
    mistakes.retain(|mistake| match &mistake.what {
        What::Missing { field } => !unknown.iter().any(|other| {
            other.path.parent() == mistake.path.parent() && other.meant().is_some_and(|meant| meant == field)
        }),
        _ => true,
    });
    mistakes.extend(unknown);
    Decoded {
        value,
        mistakes,
        spoiled,
    }
}

/// Puts `replacement` at `path`, or takes out what is there. Says whether anything changed. Nodes of a
/// sequence keep the path they had in the file, so a child is found by its path, not by its index.
fn replace(node: &mut Node, path: &[PathSegment], replacement: Option<&Node>) -> bool {
    let Some((segment, rest)) = path.split_first() else {
        let Some(replacement) = replacement else {
            return false;
        };
        node.value = replacement.value.clone();
        return true;
    };
    let whole = node.path.clone();
    let child_path = match segment {
        PathSegment::Key(key) => whole.key(key),
        PathSegment::Index(index) => whole.index(*index),
    };
    let spot = (node.span, node.key_span);
    match &mut node.value {
        Value::Mapping(entries) => {
            let found = entries.iter().position(|(_, child)| child.path == child_path);
            match (found, replacement, segment) {
                (Some(index), None, _) if rest.is_empty() => {
                    entries.remove(index);
                    true
                }
                (Some(index), _, _) => entries
                    .get_mut(index)
                    .is_some_and(|(_, child)| replace(child, rest, replacement)),
                (None, Some(replacement), PathSegment::Key(key)) if rest.is_empty() => {
                    let (span, key_span) = spot;
                    let node = Node {
                        path: child_path,
                        span,
                        key_span,
                        value: replacement.value.clone(),
                    };
                    entries.push((key.clone(), node));
                    true
                }
                _ => false,
            }
        }
        Value::Sequence(items) => match items.iter().position(|child| child.path == child_path) {
            Some(index) if rest.is_empty() && replacement.is_none() => {
                items.remove(index);
                true
            }
            Some(index) => items
                .get_mut(index)
                .is_some_and(|child| replace(child, rest, replacement)),
            None => false,
        },
        Value::Scalar { .. } => false,
    }
}

/// Makes the list at `path` as long as it should be: the surplus goes, what is missing is the donor's.
/// What the user wrote stays, to be read for its own mistakes.
fn resize(root: &mut Node, path: &Path, wanted: usize, donor: Option<&Node>) -> bool {
    let Some(Value::Sequence(given)) = donor.map(|node| &node.value) else {
        return false;
    };
    let Some(Value::Sequence(items)) = root.at(path).map(|node| &node.value) else {
        return false;
    };
    let resized: Vec<Node> = items
        .iter()
        .chain(given.iter().skip(items.len()))
        .take(wanted)
        .cloned()
        .collect();
    let Some(node) = root.at(path) else { return false };
    let replacement = Node {
        value: Value::Sequence(resized),
        ..node.clone()
    };
    replace(root, path.segments(), Some(&replacement))
}
