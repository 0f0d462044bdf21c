//! Which version of the function a binary is.

use fencing::contract::AGENT_NAME;
use memchr::memmem;

/// No version of ours is longer. What is, is something else that looks like one.
const LIMIT: usize = 40;

/// The version that a binary calls itself by. It is read from its bytes: the binary may be for another processor.
pub fn version_of(bootstrap: &[u8]) -> Option<String> {
    let name = AGENT_NAME.as_bytes();
    memmem::find_iter(bootstrap, name).find_map(|at| {
        let rest = bootstrap.get(at + name.len()..)?;
        let end = rest.iter().take(LIMIT).position(|byte| *byte == b' ')?;
        let version = std::str::from_utf8(rest.get(..end)?).ok()?;
        // The name alone may stand there, too.
        semver::Version::parse(version)
            .is_ok()
            .then(|| version.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use fencing::contract::AGENT;

    use super::*;

    #[test]
    fn a_binary_says_its_version_wherever_it_stands() {
        let around = |middle: &str| [b"\x7fELF\0\xff".as_slice(), middle.as_bytes(), b"4.2.0\0"].concat();
        assert_eq!(
            version_of(&around(AGENT)).as_deref(),
            Some(env!("CARGO_PKG_VERSION"))
        );
        let twice = format!("{AGENT_NAME} {AGENT_NAME}1.2.3-rc.1 (fencing)");
        assert_eq!(version_of(&around(&twice)).as_deref(), Some("1.2.3-rc.1"));
        for other in ["", AGENT_NAME, "sitefence/0.1.0 ", "sitefence-function/one "] {
            assert_eq!(version_of(&around(other)), None, "{other}");
        }
    }
}
