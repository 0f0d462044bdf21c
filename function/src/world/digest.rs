//! HTTP Digest (RFC 7616) as a client, as far as Infinispan speaks it: `qop=auth` or none, MD5 or SHA-256.
//!
//! Basic over verified TLS is what an Infinispan on Kubernetes usually offers; a server that was set up by
//! hand may offer Digest only. A nonce belongs to the node that gave it, so an answer to one node may be
//! refused by the next, with a nonce of its own.

use md5::Md5;
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest as _, Sha256};

use fencing::credentials::Credentials;

/// One of the ways to authenticate that a 401 offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// User and password as they are.
    Basic,
    /// A digest over a nonce.
    Digest(Nonce),
}

/// What a Digest challenge says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// The algorithm as spelt by the server, to be given back; absent means MD5.
    algorithm: Option<String>,
    kind: Algorithm,
    qop_auth: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn hash(self, parts: &[&str]) -> String {
        let text = Zeroizing::new(parts.join(":"));
        match self {
            Self::Md5 => hex::encode(Md5::digest(text.as_bytes())),
            Self::Sha256 => hex::encode(Sha256::digest(text.as_bytes())),
        }
    }
}

/// All that is understood of the values of `WWW-Authenticate`; the strongest Digest first. A header may
/// carry several challenges, separated by the same commas as their parameters.
pub fn challenges<'a>(headers: impl Iterator<Item = &'a str>) -> Vec<Challenge> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for header in headers {
        for item in split_outside_quotes(header) {
            let item = item.trim();
            let name_end = item.find(['=', ' ']).unwrap_or(item.len());
            let (name, rest) = item.split_at(name_end);
            if name.is_empty() {
                continue;
            }
            // `key=value` belongs to the scheme before it; `Scheme` or `Scheme key=value` begins another.
            let parameter = if rest.trim_start().starts_with('=') {
                Some(item)
            } else {
                found.push((name.to_ascii_lowercase(), Vec::new()));
                Some(rest.trim()).filter(|rest| !rest.is_empty())
            };
            if let (Some((_, parameters)), Some((key, value))) =
                (found.last_mut(), parameter.and_then(|text| text.split_once('=')))
            {
                parameters.push((key.trim().to_ascii_lowercase(), unquoted(value.trim())));
            }
        }
    }
    let mut understood: Vec<Challenge> = found
        .into_iter()
        .filter_map(|(scheme, parameters)| match scheme.as_str() {
            "basic" => Some(Challenge::Basic),
            "digest" => nonce(&parameters).map(Challenge::Digest),
            _ => None,
        })
        .collect();
    understood.sort_by_key(|challenge| match challenge {
        Challenge::Basic => None,
        Challenge::Digest(nonce) => Some(std::cmp::Reverse(nonce.kind)),
    });
    understood
}

fn nonce(parameters: &[(String, String)]) -> Option<Nonce> {
    let get = |wanted: &str| {
        parameters
            .iter()
            .find(|(key, _)| key == wanted)
            .map(|(_, value)| value.clone())
    };
    let algorithm = get("algorithm");
    let kind = match algorithm.as_deref().map(str::to_ascii_uppercase).as_deref() {
        None | Some("MD5") => Algorithm::Md5,
        Some("SHA-256") => Algorithm::Sha256,
        Some(_) => return None,
    };
    let qop = get("qop");
    let qop_auth = qop.as_deref().is_some_and(|offered| {
        offered
            .split(',')
            .any(|one| one.trim().eq_ignore_ascii_case("auth"))
    });
    if qop.is_some() && !qop_auth {
        // Only `auth-int`, which signs bodies too.
        return None;
    }
    Some(Nonce {
        realm: get("realm")?,
        nonce: get("nonce")?,
        opaque: get("opaque"),
        algorithm,
        kind,
        qop_auth,
    })
}

fn split_outside_quotes(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        text.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    text
}

fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

impl Nonce {
    /// The value of an `Authorization` header for one request. `count` is how often this nonce has been used,
    /// this time included; `cnonce` is the client's own, fresh one.
    pub fn answer(
        &self,
        credentials: &Credentials,
        method: &str,
        uri: &str,
        count: u32,
        cnonce: &str,
    ) -> String {
        let Credentials { username, password } = credentials;
        let secret = Zeroizing::new(self.kind.hash(&[username, &self.realm, password.expose_secret()]));
        let request = self.kind.hash(&[method, uri]);
        let count = format!("{count:08x}");
        let response = if self.qop_auth {
            self.kind
                .hash(&[&secret, &self.nonce, &count, cnonce, "auth", &request])
        } else {
            self.kind.hash(&[&secret, &self.nonce, &request])
        };
        let mut header = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quoted(username),
            quoted(&self.realm),
            quoted(&self.nonce),
            quoted(uri),
        );
        if self.qop_auth {
            header.push_str(&format!(", qop=auth, nc={count}, cnonce={}", quoted(cnonce)));
        }
        if let Some(algorithm) = &self.algorithm {
            header.push_str(&format!(", algorithm={algorithm}"));
        }
        if let Some(opaque) = &self.opaque {
            header.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        header
    }

    /// Whether two challenges carry the same nonce.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.nonce == other.nonce && self.realm == other.realm
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn only_digest(headers: &[&str]) -> Nonce {
        match challenges(headers.iter().copied()).as_slice() {
            [Challenge::Digest(nonce), ..] => nonce.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn mufasa(password: &str) -> Credentials {
        Credentials {
            username: "Mufasa".to_owned(),
            password: password.into(),
        }
    }

    /// The example of RFC 2617, section 3.5.
    #[test]
    fn md5_gives_the_response_of_the_standard() {
        let nonce = only_digest(&[
            r#"Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#,
        ]);
        let header = nonce.answer(&mufasa("Circle Of Life"), "GET", "/dir/index.html", 1, "0a4f113b");
        assert!(
            header.contains(r#"response="6629fae49393a05397450978507c4ef1""#),
            "{header}"
        );
        assert!(header.contains("nc=00000001"), "{header}");
        assert!(
            header.contains(r#"opaque="5ccc069c403ebaf9f0171e9517f40e41""#),
            "{header}"
        );
    }

    /// The example of RFC 7616, section 3.9.1.
    #[test]
    fn sha_256_gives_the_response_of_the_standard_and_is_preferred() {
        let nonce = only_digest(&[
            r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#,
            r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#,
        ]);
        let header = nonce.answer(
            &mufasa("Circle of Life"),
            "GET",
            "/dir/index.html",
            1,
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        );
        assert!(
            header.contains(r#"response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1""#),
            "{header}"
        );
        assert!(header.contains("algorithm=SHA-256"), "{header}");
    }

    #[test]
    fn several_challenges_in_one_header_are_distinguished() {
        let found = challenges(
            [
                r#"Basic realm="a, b", Digest realm="d\"q", nonce="n,1", qop=auth, Negotiate"#,
                "Bearer",
            ]
            .into_iter(),
        );
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], Challenge::Basic);
        let Challenge::Digest(nonce) = &found[1] else {
            panic!("{found:?}")
        };
        assert_eq!((nonce.realm.as_str(), nonce.nonce.as_str()), ("d\"q", "n,1"));
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        for header in [
            "",
            ",,=,",
            "Digest",
            "Digest realm=\"r\"",
            r#"Digest realm="r", nonce="n", algorithm=SHA-512-256"#,
            r#"Digest realm="r", nonce="n", qop="auth-int""#,
            "Negotiate",
            "\"",
            "Digest realm=\"\\",
        ] {
            assert_eq!(challenges([header].into_iter()), [], "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_the_parser_panic(header in ".{0,200}") {
            let _ = challenges([header.as_str()].into_iter());
        }
    }
}
