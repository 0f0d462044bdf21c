//! Names with a closed grammar, and the four roles a site can play.
//!
//! A name that got in here has only characters that mean nothing to YAML, PromQL's quotes, an ARN, a URL's path or
//! `Fn::Sub`, so nothing downstream has to escape it. The roles are types of their own: a function that needs the
//! survivor cannot be handed the fenced site.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not the name it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    #[error("the {what} is empty")]
    Empty { what: &'static str },
    /// Longer than anything derived from it may be.
    #[error(
        "the {what} `{}` has {length} characters; the limit is {at_most}",
        shown(text)
    )]
    TooLong {
        what: &'static str,
        text: String,
        length: usize,
        /// The most that is allowed.
        at_most: usize,
    },
    /// A character outside the grammar.
    #[error("the {what} `{}` may only contain {of}", shown(text))]
    Grammar {
        what: &'static str,
        text: String,
        /// What such names are made of.
        of: &'static str,
    },
}

/// At most this much of a text is quoted.
const QUOTED: usize = 80;

/// A text as a message quotes it: its beginning, without a character that a terminal would obey or nobody would see.
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == QUOTED {
            shown.push('…');
            break;
        }
        let is_plain = c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric();
        if is_plain {
            shown.push(c);
        } else {
            shown.push_str(&format!("<U+{:04X}>", u32::from(c)));
        }
    }
    shown
}

/// A name that prefixes resources of AWS and labels objects of Kubernetes, so it keeps to what both allow.
fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && !text.ends_with('-') && text.chars().all(inner)
}

/// A name that Infinispan, and the tags of load balancers, gave before we came.
fn is_site(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(ends) && text.ends_with(ends) && text.chars().all(inner)
}

fn name(
    what: &'static str,
    text: &str,
    at_most: usize,
    (fits, of): (fn(&str) -> bool, &'static str),
) -> Result<String, WordError> {
    if text.is_empty() {
        return Err(WordError::Empty { what });
    }
    let length = text.chars().count();
    if length > at_most {
        return Err(WordError::TooLong {
            what,
            text: text.to_owned(),
            length,
            at_most,
        });
    }
    if !fits(text) {
        return Err(WordError::Grammar {
            what,
            text: text.to_owned(),
            of,
        });
    }
    Ok(text.to_owned())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $at_most:literal, $fits:path, $of:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The most characters the name may have.
            pub const MAX_LENGTH: usize = $at_most;
            /// The grammar, as a regular expression for schemas and messages.
            pub const PATTERN: &'static str = $pattern;

            /// Accepts `text` if it keeps to [`Self::PATTERN`] and [`Self::MAX_LENGTH`].
            pub fn new(text: &str) -> Result<Self, WordError> {
                name($what, text, $at_most, ($fits, $of)).map(Self)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = WordError;
            fn try_from(text: String) -> Result<Self, WordError> {
                Self::new(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = WordError;
            fn from_str(text: &str) -> Result<Self, WordError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// One deployment of Sitefence: prefixes every AWS resource (the longest derived one is a bucket name of
    /// 63 characters), labels every object, and is the alerts' label `topology`.
    TopologyName,
    "topology's name",
    24,
    is_label,
    "lower-case letters, digits and inner hyphens, starting with a letter",
    "^[a-z]([a-z0-9-]*[a-z0-9])?$"
);
name!(
    /// One of the two peers. The same text as Infinispan's local site name and the balancer's tag `site`.
    SiteName,
    "site's name",
    32,
    is_site,
    "letters, digits, and inner hyphens, underscores and dots",
    "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"
);

macro_rules! role {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub SiteName);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

role!(
    /// The site whose monitoring sent an alert.
    Reporter
);
role!(
    /// The site an alert calls offline.
    Suspect
);
role!(
    /// The site that a decision keeps in the accelerator.
    Survivor
);
role!(
    /// The site that a decision takes out of the accelerator, and to which the survivor stops replicating.
    Fenced
);

/// The number of a decision. It grows by one with each decision and never falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// The number of a write to the register. It grows by one with each write and never falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rev(pub u64);

/// Names one write of the register to the command that has to wait for it. Nobody can guess it: it holds
/// the id of the request that wrote, which Lambda makes up, so a wait can neither be guessed nor be pasted from
/// an example.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// The token of what this request writes as this revision.
    pub fn of(rev: Rev, request: &str) -> Self {
        Self(format!("{rev}-{request}"))
    }

    /// Whether it names this revision. One of an earlier revision was left there by a function that knows no tokens.
    pub fn is_of(&self, rev: Rev) -> bool {
        self.0
            .split_once('-')
            .is_some_and(|(named, _)| named == rev.to_string())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Epoch {
    /// The epoch of the next decision.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Rev {
    /// The revision that the next write creates.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Rev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_keep_to_their_grammar() {
        for good in ["a", "site-a", "s1", "keycloak-prod", "a--b"] {
            assert!(SiteName::new(good).is_ok(), "{good}");
            assert!(TopologyName::new(good).is_ok(), "{good}");
        }
        // As Infinispan's sites are called in its own documentation and in the field.
        for site in ["LON", "EUROPE", "site_b", "1a", "dc.2"] {
            assert!(SiteName::new(site).is_ok(), "{site}");
            assert!(TopologyName::new(site).is_err(), "{site}");
        }
        for bad in [
            "", "-a", "a-", ".", "..", "a.", "_a", "a b", "a/b", "é", "a\n", "${x}", "a\"b", "a?b", "a%2f",
        ] {
            assert!(SiteName::new(bad).is_err(), "{bad}");
            assert!(TopologyName::new(bad).is_err(), "{bad}");
        }
        assert!(TopologyName::new(&"a".repeat(24)).is_ok());
        assert!(matches!(
            TopologyName::new(&"a".repeat(25)),
            Err(WordError::TooLong { length: 25, .. })
        ));
    }

    #[test]
    fn a_message_quotes_shortly_and_names_what_nobody_sees() {
        let said = |text: &str| TopologyName::new(text).unwrap_err().to_string();
        let long = said(&"a".repeat(500));
        assert!(long.contains(&format!("`{}…` has 500", "a".repeat(80))), "{long}");
        let odd = said("a\u{a0}b\u{1b}[31m");
        assert!(odd.contains("`a<U+00A0>b<U+001B>[31m` may only"), "{odd}");
    }
}
