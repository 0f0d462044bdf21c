//! What a secret holds: the password itself, or a JSON object with a user and a password.
//!
//! Both halves read the same secrets: `provision` hands the webhook's to the clusters, the function compares callers
//! with it and signs in to Infinispan with another. Read in two ways, one secret would be two passwords.
//!
//! A password is taken as it stands. Made from a file or by `echo` it ends with the end of a line, which counts, and
//! which nobody sees: that is named wherever it may matter, and never repaired in silence, since the party it has to
//! match may have been given the same.

use secrecy::{ExposeSecret as _, SecretString};

/// Why a stored secret is no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Nothing, or `{"password":""}`: such a password would admit anyone who leaves it out.
    #[error("the secret holds an empty password")]
    EmptyPassword,
    /// JSON, but not the form that Secrets Manager's own templates have.
    #[error("the secret is a JSON object without a string `password`")]
    NoPassword,
    /// A Basic header cannot carry it: everything after the first colon is the password.
    #[error("the user `{username}` contains a colon, which HTTP Basic authentication does not allow")]
    ColonInUsername { username: String },
}

/// A user with a password, as a secret holds them.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub username: String,
    pub password: SecretString,
}

impl Credentials {
    /// Reads a secret: the password itself, or `{"username": …, "password": …}`, where a missing user is
    /// `username`. A password that merely looks like JSON is taken as it stands unless it is an object.
    pub fn parse(secret: &SecretString, username: &str) -> Result<Self, CredentialsError> {
        let text = secret.expose_secret();
        let (username, password) = match serde_json::from_str::<serde_json::Value>(text) {
            Ok(serde_json::Value::Object(mut object)) => {
                let Some(serde_json::Value::String(password)) = object.remove("password") else {
                    return Err(CredentialsError::NoPassword);
                };
                let username = match object.remove("username") {
                    Some(serde_json::Value::String(name)) if !name.is_empty() => name,
                    _ => username.to_owned(),
                };
                (username, SecretString::from(password))
            }
            _ => (username.to_owned(), secret.clone()),
        };
        if password.expose_secret().is_empty() {
            return Err(CredentialsError::EmptyPassword);
        }
        if username.contains(':') {
            return Err(CredentialsError::ColonInUsername { username });
        }
        Ok(Self { username, password })
    }

    /// Whether the password ends with the end of a line.
    pub fn ends_a_line(&self) -> bool {
        ends_a_line(self.password.expose_secret())
    }
}

/// Whether a text ends with the end of a line.
pub fn ends_a_line(text: &str) -> bool {
    text.ends_with(['\n', '\r'])
}

/// What is said of a secret that does; what to do about it is [`WITHOUT_THE_END_OF_A_LINE`].
pub const ENDS_A_LINE: &str = "it ends with a line break, which counts as part of the password";

/// How a secret is stored without.
pub const WITHOUT_THE_END_OF_A_LINE: &str =
    "store it again from a file without one (`printf %s` writes none, `echo` and most editors do)";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_secret_is_a_password_or_a_pair() {
        for (secret, user, password) in [
            ("plain", "default", "plain"),
            (r#"{"username":"u","password":"p"}"#, "u", "p"),
            (r#"{"password":"p","engine":"x"}"#, "default", "p"),
            (r#"{"username":"","password":"p"}"#, "default", "p"),
            ("12345", "default", "12345"),
            (r#""quoted""#, "default", r#""quoted""#),
            ("[1]", "default", "[1]"),
            ("{not json", "default", "{not json"),
        ] {
            let read = Credentials::parse(&secret.into(), "default").unwrap();
            assert_eq!(read.username, user, "{secret}");
            assert_eq!(read.password.expose_secret(), password, "{secret}");
        }
    }

    #[test]
    fn an_empty_password_is_refused() {
        for secret in ["", r#"{"password":""}"#, r#"{"username":"u","password":""}"#] {
            assert_eq!(
                Credentials::parse(&secret.into(), "default").unwrap_err(),
                CredentialsError::EmptyPassword
            );
        }
        for secret in [r#"{"username":"u"}"#, r#"{"password":7}"#, "{}"] {
            assert_eq!(
                Credentials::parse(&secret.into(), "default").unwrap_err(),
                CredentialsError::NoPassword
            );
        }
        assert!(Credentials::parse(&"p".into(), "a:b").is_err());
    }

    #[test]
    fn the_end_of_a_line_is_part_of_the_password_and_seen() {
        for (secret, password, ends) in [
            ("p", "p", false),
            ("p\n", "p\n", true),
            ("p\r\n", "p\r\n", true),
            ("p\nq", "p\nq", false),
            // Of an object only what is in it counts.
            ("{\"password\":\"p\"}\n", "p", false),
            (r#"{"password":"p\n"}"#, "p\n", true),
        ] {
            let read = Credentials::parse(&secret.into(), "default").unwrap();
            assert_eq!(read.password.expose_secret(), password, "{secret:?}");
            assert_eq!(read.ends_a_line(), ends, "{secret:?}");
        }
    }

    #[test]
    fn nothing_of_it_is_printed() {
        let read = Credentials::parse(&"s3cret".into(), "keycloak").unwrap();
        assert!(!format!("{read:?}").contains("s3cret"));
    }
}
