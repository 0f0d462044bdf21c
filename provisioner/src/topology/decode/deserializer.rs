//! Serde's view of a node: each value as its type wants it, each mistake with its place.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, IntoDeserializer, Visitor};

use super::{Mistake, What};
use crate::yaml::{Node, Path, Value, shortened};

pub(super) fn listed(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

pub(super) const TEXT: &str = "a text";
pub(super) const LIST: &str = "a list";
pub(super) const BLOCK: &str = "a block of fields";
pub(super) const TRUTH: &str = "true or false";

/// A mistake on its way out of serde; the innermost place it passes is its own.
#[derive(Debug)]
pub(super) struct Mismatch {
    pub path: Option<Path>,
    pub is_key: bool,
    pub what: What,
}

impl Mismatch {
    fn new(path: Option<&Path>, what: What) -> Self {
        Self {
            path: path.cloned(),
            is_key: false,
            what,
        }
    }

    fn at(mut self, path: &Path) -> Self {
        self.path.get_or_insert_with(|| path.clone());
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.what)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        // A grammar's error is its hint where it is printed with `#`; the others look the same both ways.
        let (message, hint) = (message.to_string(), format!("{message:#}"));
        let hint = (hint != message).then_some(hint);
        Self::new(None, What::Text { message, hint })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(
            None,
            What::Missing {
                field: field.to_owned(),
            },
        )
    }
}

#[derive(Clone, Copy)]
pub(super) struct NodeDeserializer<'a> {
    pub node: &'a Node,
    pub unknown: &'a RefCell<Vec<Mistake>>,
}

impl<'a> NodeDeserializer<'a> {
    fn wrong_kind(self, wanted: &str) -> Mismatch {
        let found = match &self.node.value {
            _ if self.node.is_null() => "nothing".to_owned(),
            Value::Sequence(_) => LIST.to_owned(),
            Value::Mapping(_) => BLOCK.to_owned(),
            Value::Scalar { text, plain } => match scalar_kind(text, *plain) {
                ScalarKind::Number => format!("the number {text}"),
                ScalarKind::Truth(_) => format!("the truth value {text}"),
                ScalarKind::Text => format!("the text `{}`", shortened(text, 60)),
            },
        };
        let scalar = match &self.node.value {
            Value::Scalar { text, .. } if !self.node.is_null() => Some(text.clone()),
            _ => None,
        };
        Mismatch::new(
            Some(&self.node.path),
            What::Kind {
                wanted: wanted.to_owned(),
                found,
                scalar,
            },
        )
    }

    fn text(self) -> Result<&'a str, Mismatch> {
        match &self.node.value {
            Value::Scalar { text, plain }
                if !self.node.is_null() && matches!(scalar_kind(text, *plain), ScalarKind::Text) =>
            {
                Ok(text)
            }
            _ => Err(self.wrong_kind(TEXT)),
        }
    }

    fn whole_number(self) -> Result<u64, Mismatch> {
        match &self.node.value {
            Value::Scalar { text, plain: true } if text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().map_err(|_| self.wrong_kind("a whole number"))
            }
            _ => Err(self.wrong_kind("a whole number")),
        }
    }

    fn visit_items<V: Visitor<'a>>(self, items: &'a [Node], visitor: V) -> Result<V::Value, Mismatch> {
        visitor
            .visit_seq(Items {
                items: items.iter(),
                unknown: self.unknown,
            })
            .map_err(|failure| failure.at(&self.node.path))
    }
}

/// What a scalar is to YAML 1.2 (core schema).
enum ScalarKind {
    Text,
    Truth(bool),
    Number,
}

fn scalar_kind(text: &str, plain: bool) -> ScalarKind {
    if !plain {
        return ScalarKind::Text;
    }
    match text {
        "true" | "True" | "TRUE" => ScalarKind::Truth(true),
        "false" | "False" | "FALSE" => ScalarKind::Truth(false),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
            && (text.parse::<f64>().is_ok() || text.starts_with("0x") || text.starts_with("0o")) =>
        {
            ScalarKind::Number
        }
        _ => ScalarKind::Text,
    }
}

impl<'de> de::Deserializer<'de> for NodeDeserializer<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.node.value {
            Value::Sequence(_) => self.deserialize_seq(visitor),
            Value::Mapping(_) => self.deserialize_map(visitor),
            Value::Scalar { .. } if self.node.is_null() => visitor.visit_unit(),
            Value::Scalar { text, plain } => match scalar_kind(text, *plain) {
                ScalarKind::Truth(truth) => visitor.visit_bool(truth),
                ScalarKind::Number => match text.parse::<u64>() {
                    Ok(number) => visitor.visit_u64(number),
                    Err(_) => visitor.visit_f64(text.parse().unwrap_or(f64::NAN)),
                },
                ScalarKind::Text => visitor.visit_borrowed_str(text),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.node.value {
            Value::Scalar { text, plain } => match scalar_kind(text, *plain) {
                ScalarKind::Truth(truth) => visitor.visit_bool(truth),
                ScalarKind::Text | ScalarKind::Number => Err(self.wrong_kind(TRUTH)),
            },
            _ => Err(self.wrong_kind(TRUTH)),
        }
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let number = self.whole_number()?;
        let number = u8::try_from(number).map_err(|_| self.wrong_kind("a whole number up to 255"))?;
        visitor.visit_u8(number)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let number = self.whole_number()?;
        let number = u32::try_from(number).map_err(|_| self.wrong_kind("a whole number up to 4294967295"))?;
        visitor.visit_u32(number)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_u64(self.whole_number()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        if self.node.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.node.value {
            Value::Sequence(items) => self.visit_items(items, visitor),
            _ => Err(self.wrong_kind(LIST)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.node.value {
            Value::Sequence(items) if items.len() == length => self.visit_items(items, visitor),
            Value::Sequence(items) => Err(Mismatch::new(
                Some(&self.node.path),
                What::Length {
                    wanted: length,
                    found: items.len(),
                },
            )),
            _ => Err(self.wrong_kind(LIST)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.node.value {
            Value::Mapping(entries) => visitor
                .visit_map(Entries {
                    entries: entries.iter(),
                    value: None,
                    fields: None,
                    unknown: self.unknown,
                })
                .map_err(|failure| failure.at(&self.node.path)),
            _ => Err(self.wrong_kind(BLOCK)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match &self.node.value {
            Value::Mapping(entries) => visitor
                .visit_map(Entries {
                    entries: entries.iter(),
                    value: None,
                    fields: Some(fields),
                    unknown: self.unknown,
                })
                .map_err(|failure| failure.at(&self.node.path)),
            _ => Err(self.wrong_kind(BLOCK)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let text = match &self.node.value {
            Value::Scalar { text, .. } if !self.node.is_null() => text.as_str(),
            _ => return Err(self.wrong_kind(&format!("one of {}", listed(variants)))),
        };
        if !variants.contains(&text) {
            let what = What::Word {
                text: shortened(text, 60),
                known: variants,
            };
            return Err(Mismatch::new(Some(&self.node.path), what));
        }
        let word: StrDeserializer<'_, Mismatch> = text.into_deserializer();
        visitor
            .visit_enum(word)
            .map_err(|failure| failure.at(&self.node.path))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u16 u128 f32 f64 char bytes byte_buf unit unit_struct tuple_struct identifier
        ignored_any
    }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Node>,
    unknown: &'a RefCell<Vec<Mistake>>,
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = Mismatch;

    fn next_element_seed<S: de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Mismatch> {
        let Some(node) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(NodeDeserializer {
            node,
            unknown: self.unknown,
        })
        .map(Some)
        .map_err(|failure| failure.at(&node.path))
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, (String, Node)>,
    value: Option<&'a Node>,
    /// A struct's fields; `None` for a map, which takes any key.
    fields: Option<&'static [&'static str]>,
    unknown: &'a RefCell<Vec<Mistake>>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = Mismatch;

    fn next_key_seed<S: de::DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        for (key, node) in self.entries.by_ref() {
            if let Some(known) = self.fields.filter(|fields| !fields.contains(&key.as_str())) {
                let what = What::Unknown {
                    field: shortened(key, 60),
                    known,
                };
                let mistake = Mistake {
                    path: node.path.clone(),
                    is_key: true,
                    what,
                };
                let mut unknown = self.unknown.borrow_mut();
                if !unknown.contains(&mistake) {
                    unknown.push(mistake);
                }
                continue;
            }
            self.value = Some(node);
            let key: StrDeserializer<'_, Mismatch> = key.as_str().into_deserializer();
            return seed.deserialize(key).map(Some).map_err(|failure| Mismatch {
                is_key: true,
                ..failure.at(&node.path)
            });
        }
        Ok(None)
    }

    fn next_value_seed<S: de::DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mismatch> {
        let Some(node) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(NodeDeserializer {
            node,
            unknown: self.unknown,
        })
        .map_err(|failure| failure.at(&node.path))
    }
}
