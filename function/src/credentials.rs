//! Who may call: one user and one password, both of them, compared in constant time.
//!
//! The predecessor of this check joined the two comparisons by "and not", so either half was enough, and it
//! unquoted the header like a URL, so that a password with `%40` in it never matched: Alertmanager sends it
//! raw. Here the header is decoded once, split at the first colon, and both halves are hashed to a fixed
//! length before they are compared, so that neither the content nor the length of what is expected can be
//! timed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fencing::credentials::{Credentials, CredentialsError, ends_a_line};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The value of an `Authorization` header that presents them.
pub fn basic_header(credentials: &Credentials) -> SecretString {
    let pair = Zeroizing::new(format!(
        "{}:{}",
        credentials.username,
        credentials.password.expose_secret()
    ));
    format!("Basic {}", STANDARD.encode(pair.as_bytes())).into()
}

/// What a caller must present, as fixed-length digests.
#[derive(Clone)]
pub struct Expected {
    username: [u8; 32],
    password: [u8; 32],
    ends_a_line: bool,
}

impl std::fmt::Debug for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Expected([redacted])")
    }
}

impl From<&Credentials> for Expected {
    fn from(credentials: &Credentials) -> Self {
        Self {
            username: digest(credentials.username.as_bytes()),
            password: digest(credentials.password.expose_secret().as_bytes()),
            ends_a_line: credentials.ends_a_line(),
        }
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// What a header says about its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// No Basic credentials at all.
    None,
    /// User or password or both are not the expected ones.
    Wrong,
    Right,
}

/// Whether a text is a `Basic` header with a decodable pair, whatever the pair.
pub fn is_basic(header: &str) -> bool {
    pair(header).is_some()
}

fn pair(header: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, encoded) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    decoded.contains(&b':').then_some(decoded)
}

impl Expected {
    /// Whether the password ends with the end of a line, which callers hardly present.
    pub fn ends_a_line(&self) -> bool {
        self.ends_a_line
    }

    /// Judges the value of an `Authorization` header.
    pub fn judge(&self, header: &str) -> Presented {
        let Some(decoded) = pair(header) else {
            return Presented::None;
        };
        // `pair` found a colon; without one the whole would be the user, and no password never matches.
        let colon = decoded.iter().position(|b| *b == b':').unwrap_or(decoded.len());
        let (username, rest) = decoded.split_at(colon);
        let password = rest.get(1..).unwrap_or_default();
        // `&`, not `&&`: the second comparison happens whatever the first one said.
        let both = digest(username).ct_eq(&self.username) & digest(password).ct_eq(&self.password);
        if both.into() {
            Presented::Right
        } else {
            Presented::Wrong
        }
    }
}

/// What a caller of the health check must know, as a digest.
#[derive(Clone)]
pub struct Key {
    digest: [u8; 32],
    ends_a_line: bool,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key([redacted])")
    }
}

impl Key {
    /// From the secret as it is stored. An empty one would admit anyone who leaves it out.
    pub fn parse(secret: &SecretString) -> Result<Self, CredentialsError> {
        match secret.expose_secret() {
            "" => Err(CredentialsError::EmptyPassword),
            text => Ok(Self {
                digest: digest(text.as_bytes()),
                ends_a_line: ends_a_line(text),
            }),
        }
    }

    /// Whether it ends with the end of a line, which no path holds.
    pub fn ends_a_line(&self) -> bool {
        self.ends_a_line
    }

    /// Whether `given` is it, found out in constant time.
    pub fn opens(&self, given: &str) -> bool {
        digest(given.as_bytes()).ct_eq(&self.digest).into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn credentials(username: &str, password: &str) -> Credentials {
        Credentials {
            username: username.to_owned(),
            password: password.into(),
        }
    }

    fn header(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn user_and_password_must_both_be_right() {
        let expected = Expected::from(&credentials("keycloak", "s3cret"));
        for (given, claim) in [
            (header("keycloak:s3cret"), Presented::Right),
            (header("keycloak:wrong"), Presented::Wrong),
            (header("wrong:s3cret"), Presented::Wrong),
            (header("wrong:wrong"), Presented::Wrong),
            (header("keycloak:"), Presented::Wrong),
            (header(":s3cret"), Presented::Wrong),
            (header(":"), Presented::Wrong),
            (header("keycloak:s3cret "), Presented::Wrong),
            (header("keycloak:s3cretx"), Presented::Wrong),
            (header("keycloak:s3cre"), Presented::Wrong),
            (header("keycloak"), Presented::None),
            (String::new(), Presented::None),
            ("Basic".to_owned(), Presented::None),
            ("Basic %%%".to_owned(), Presented::None),
            ("Bearer s3cret".to_owned(), Presented::None),
        ] {
            assert_eq!(expected.judge(&given), claim, "{given}");
        }
        let lower = header("keycloak:s3cret").replace("Basic", "basic");
        assert_eq!(expected.judge(&lower), Presented::Right);
    }

    #[test]
    fn a_password_is_taken_raw_without_url_unquoting() {
        let expected = Expected::from(&credentials("keycloak", "a%40b+c:d é"));
        assert_eq!(expected.judge(&header("keycloak:a%40b+c:d é")), Presented::Right);
        assert_eq!(expected.judge(&header("keycloak:a@b c:d é")), Presented::Wrong);
    }

    #[test]
    fn what_is_sent_is_what_is_expected() {
        let credentials = credentials("developer", "p:%40 é");
        let header = basic_header(&credentials);
        assert_eq!(
            Expected::from(&credentials).judge(header.expose_secret()),
            Presented::Right
        );
    }

    #[test]
    fn a_key_opens_to_itself_only() {
        let key = Key::parse(&"s3cret".into()).unwrap();
        for (given, opens) in [
            ("s3cret", true),
            ("", false),
            ("s3cre", false),
            ("s3crett", false),
            ("S3cret", false),
            ("s3cret/", false),
        ] {
            assert_eq!(key.opens(given), opens, "{given}");
        }
        assert!(Key::parse(&"".into()).is_err());
    }

    #[test]
    fn nothing_of_it_is_printed() {
        let credentials = credentials("keycloak", "s3cret");
        let key = Key::parse(&credentials.password).unwrap();
        let printed = format!("{credentials:?} {:?} {key:?}", Expected::from(&credentials));
        assert!(!printed.contains("s3cret"), "{printed}");
    }
}
