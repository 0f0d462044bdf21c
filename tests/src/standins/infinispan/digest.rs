//! The server's half of Digest, as far as a test needs it: MD5 and `qop=auth`, any nonce.

use http::Method;
use md5::{Digest as _, Md5};

/// Whether what a caller said after `Digest ` shows that it knows the user's password.
pub(super) fn proves(said: &str, method: &Method, target: &str, user: &str, password: &str) -> bool {
    let value = |name: &str| {
        said.split(',').find_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name).then(|| value.trim_matches('"'))
        })
    };
    let all = (
        value("username"),
        value("realm"),
        value("nonce"),
        value("nc"),
        value("cnonce"),
        value("response"),
    );
    let (Some(name), Some(realm), Some(nonce), Some(count), Some(cnonce), Some(response)) = all else {
        return false;
    };
    if name != user || value("uri") != Some(target) {
        return false;
    }
    let who = hash(&format!("{user}:{realm}:{password}"));
    let what = hash(&format!("{method}:{target}"));
    response == hash(&format!("{who}:{nonce}:{count}:{cnonce}:auth:{what}"))
}

fn hash(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}
