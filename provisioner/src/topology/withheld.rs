//! What a mistake does not show of the file: the values of keys that name a secret.
//!
//! A password that somebody typed into the topology is in the wrong place whatever else is wrong there, and a
//! message about it ends up in terminals, in the logs of pipelines and in bug reports. So a line is shown only up to
//! such a key, and neither message nor hint repeats the value. Two of our own fields are called after secrets
//! without holding one; what stands there is shown as long as it looks like a name.

use std::sync::LazyLock;

use regex::Regex;

use crate::yaml::{shortened, without_comment};

pub(super) const ADVICE: &str = "never put a secret into this file: keep it in AWS Secrets Manager, and change it if this file was shared";

/// Our own fields that name a secret, or how one is delivered.
const OWN: [&str; 2] = ["passwordsecret", "secretdelivery"];

/// What such a key has in its name, however that is spelt: `api_key` and `apiKey` are the same.
const WORDS: &str = "password|passwd|passphrase|pwd|secret|token|credential|apikey|privatekey";

/// A key of a line, with what separates it from its value; at the line's start also one whose colon was forgotten.
static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let spelt = |word: &str| {
        let letters: Vec<String> = word.chars().map(String::from).collect();
        letters.join("[_.-]*")
    };
    let words: Vec<String> = WORDS.split('|').map(spelt).collect();
    let name = format!(r"([\w.-]*(?:{})[\w.-]*)", words.join("|"));
    Regex::new(&format!(
        r#"(?i)(?:^|[\s{{,"'])["']?{name}["']?\s*[:=]|^\s*(?:-\s+)?{name}\s"#
    ))
    .ok()
});

/// What a message about a line must not say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Withheld {
    /// The line as it may be shown.
    pub(super) line: String,
    /// The value, as it may turn up in a sentence.
    values: Vec<String>,
}

/// A name without what spellings differ in: `password_secret` and `passwordSecret` are the same.
pub(super) fn letters(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_lowercase()
}

/// Whether a field might hold a secret: its value is not for terminals and logs.
fn names_a_secret(field: &str) -> bool {
    let field = letters(field);
    WORDS.split('|').any(|word| field.contains(word))
}

/// Whether this can be the name or ARN of a secret, or a word. A password of letters and digits can, too; but that
/// one is no mistake to anybody who reads the file by its grammar.
pub(super) fn looks_like_a_name(value: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "/_+=.@!:-".contains(c);
    value.chars().all(inner) && value.chars().any(|c| c.is_ascii_alphabetic())
}

fn may_be_shown(key: &str, value: &str) -> bool {
    value.is_empty() || OWN.contains(&letters(key).as_str()) && looks_like_a_name(value)
}

impl Withheld {
    /// For a line of the file, the key that a mistake is about, and what that key holds where it could be read.
    pub(super) fn of(line: &str, key: Option<&str>, held: Option<&str>) -> Option<Self> {
        let mut values = Vec::new();
        let mut shown = line.to_owned();
        // What a comment says of a password is none.
        let code = without_comment(line);
        for found in KEY.iter().flat_map(|key| key.captures_iter(code)) {
            let name = found.get(1).or_else(|| found.get(2));
            let (Some(whole), Some(name)) = (found.get(0), name) else {
                continue;
            };
            let rest = line[whole.end()..].trim();
            let first = scalar(rest);
            if !may_be_shown(name.as_str(), first) {
                shown = format!(
                    "{}: …",
                    line[..whole.end()].trim_end_matches([':', '=']).trim_end()
                );
                values.extend([rest.to_owned(), first.to_owned()]);
                break;
            }
        }
        if let (Some(key), Some(held)) = (key, held)
            && names_a_secret(key)
            && !may_be_shown(key, held.trim())
        {
            // The value may begin on a line of its own.
            if values.is_empty() {
                shown = String::new();
            }
            values.extend([held.to_owned(), held.trim().to_owned()]);
        }
        values.retain(|value| !value.is_empty());
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        (!values.is_empty()).then_some(Self { line: shown, values })
    }

    /// A message without the value. A field that nobody knows is named, whatever it holds.
    pub(super) fn message(&self, message: &str) -> String {
        if message.starts_with("unknown field") {
            return message.to_owned();
        }
        let mut message = message.to_owned();
        for form in self.forms() {
            message = message.replace(&format!("`{form}`"), "`…`");
            if let Some(before) = message.strip_suffix(&format!(" {form}")) {
                message = format!("{before} …");
            }
        }
        message
    }

    /// A hint is left out if it repeats the value; what to do about the secret is always said.
    pub(super) fn hint(&self, hint: Option<String>) -> String {
        let repeats = |hint: &String| {
            let is_in = |form: String| {
                hint.contains(&format!("`{form}`"))
                    || hint.contains(&format!(": {form}`"))
                    || form.chars().count() > 3 && hint.contains(&form)
            };
            !hint.starts_with("known here") && self.forms().any(is_in)
        };
        match hint.filter(|hint| !repeats(hint)) {
            Some(hint) if hint.ends_with('?') => format!("{hint} {ADVICE}"),
            Some(hint) if !hint.is_empty() => format!("{}; {ADVICE}", hint.trim_end_matches('.')),
            _ => ADVICE.to_owned(),
        }
    }

    /// The value as sentences show it.
    fn forms(&self) -> impl Iterator<Item = String> + '_ {
        self.values.iter().flat_map(|value| {
            let short = [80, 60, 40].map(|most| shortened(value, most));
            [value.clone(), value.to_lowercase()].into_iter().chain(short)
        })
    }
}

/// The first scalar of what follows a key: without quotes, a comment, or what comes after it in a flow mapping.
fn scalar(rest: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = rest.strip_prefix(quote) {
            return inner.split(quote).next().unwrap_or(inner);
        }
    }
    let rest = rest.split(" #").next().unwrap_or(rest);
    rest.split([',', '}']).next().unwrap_or(rest).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_at_a_key_that_names_a_secret() {
        for (line, shown) in [
            ("  password: hunter2", "  password: …"),
            ("  \"password\": hunter2", "  \"password\": …"),
            (
                "webhook: { username: keycloak, token: abcdef }",
                "webhook: { username: keycloak, token: …",
            ),
            ("  password=hunter2", "  password: …"),
            ("  passwordSecret: hunter2 $x", "  passwordSecret: …"),
            ("  passwordSecret: \"hunter2, $x\" # mine", "  passwordSecret: …"),
            ("  password_secret: 'p w'", "  password_secret: …"),
            ("  passwordSecret:hunter$2", "  passwordSecret: …"),
            ("- PASSWD: x", "- PASSWD: …"),
            ("  password hunter2", "  password: …"),
            (
                "infinispan: { passwordSecret: prod/x, clientToken: y }",
                "infinispan: { passwordSecret: prod/x, clientToken: …",
            ),
            (
                "infinispan: { username: \"dev #1\", password: hunter2 }",
                "infinispan: { username: \"dev #1\", password: …",
            ),
            (
                r#"infinispan: { username: "a\" #1", password: hunter2 }"#,
                r#"infinispan: { username: "a\" #1", password: …"#,
            ),
            (
                "infinispan: { username: 'it''s #1', password: hunter2 }",
                "infinispan: { username: 'it''s #1', password: …",
            ),
            ("  passPhrase: x", "  passPhrase: …"),
            ("  pwd: x", "  pwd: …"),
            ("  api_key: x", "  api_key: …"),
            ("  private-key: x", "  private-key: …"),
            ("  pass-word: x", "  pass-word: …"),
        ] {
            let withheld = Withheld::of(line, None, None);
            assert_eq!(withheld.map(|it| it.line).as_deref(), Some(shown), "{line}");
        }
        for line in [
            "  passwordSecret: prod/infinispan",
            "  passwordSecret: arn:aws:secretsmanager:eu-west-1:123456789012:secret:x",
            "infinispan: { username: a b, passwordSecret: prod/infinispan }",
            "secretDelivery: external-secrets",
            "  passwordSecret:",
            "  username: keycloak",
            "  passwordSecret prod/infinispan",
            "  passwordSecret: prod/infinispan # never the password: that is in Secrets Manager",
            "# password: hunter2",
        ] {
            assert_eq!(Withheld::of(line, None, None), None, "{line}");
        }
    }

    #[test]
    fn neither_message_nor_hint_repeats_the_value() {
        let withheld = Withheld::of("  passwordSecret: hunter2 $x", None, None);
        let said = withheld
            .as_ref()
            .map(|it| it.message("`hunter2 $x` is not a secret's name or ARN"));
        assert_eq!(said.as_deref(), Some("`…` is not a secret's name or ARN"));
        let hint = |hint: &str| withheld.as_ref().map(|it| it.hint(Some(hint.to_owned())));
        assert_eq!(hint("write `hunter2 $x`").as_deref(), Some(ADVICE));
        assert!(hint("did you mean it?").is_some_and(|it| it.starts_with("did you mean it? never put")));
        let withheld = Withheld::of("  password: password", None, None);
        let said = withheld.map(|it| it.message("unknown field `password`"));
        assert_eq!(said.as_deref(), Some("unknown field `password`"));

        // On a line of its own, and too long to be shown whole.
        let long = "p w".repeat(50);
        let withheld = Withheld::of("    x", Some("api_key"), Some("x"));
        assert_eq!(withheld.map(|it| it.line).as_deref(), Some(""));
        let withheld = Withheld::of("    p wp wp w", Some("passwordSecret"), Some(&long));
        let said = withheld.map(|it| {
            (
                it.line.clone(),
                it.message(&format!("`{}` is not", shortened(&long, 80))),
            )
        });
        assert_eq!(said, Some((String::new(), "`…` is not".to_owned())));
    }
}
