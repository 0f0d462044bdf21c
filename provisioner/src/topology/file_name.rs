//! What the topology's file is called: for the commands that a mail names, which the function writes and cannot know.
//!
//! The folder is left out: it differs from machine to machine, and each `apply` from another one would be a change.

use std::fmt;
use std::path::Path;

use fencing::contract::USUAL_FILE;

/// A file's name of characters that mean nothing to a shell, in a mail, or in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// As a template may have it.
    pub const PATTERN: &'static str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";

    /// The name in a path; the usual one where that has none, or one that would have to be quoted.
    pub fn of(path: &str) -> Self {
        let name = Path::new(path).file_name().and_then(|name| name.to_str());
        name.filter(|name| super::grammar::matches(Self::PATTERN, name))
            .map_or_else(Self::default, |name| Self(name.to_owned()))
    }
}

impl Default for FileName {
    fn default() -> Self {
        Self(USUAL_FILE.to_owned())
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_is_what_a_command_can_name_without_quotes() {
        let long = format!("{}.yaml", "a".repeat(80));
        for (path, name) in [
            ("prod.yaml", "prod.yaml"),
            ("../deploy/site_1.prod-eu.yaml", "site_1.prod-eu.yaml"),
            ("(stdin)", "topology.yaml"),
            ("", "topology.yaml"),
            ("..", "topology.yaml"),
            ("my topology.yaml", "topology.yaml"),
            ("$(reboot).yaml", "topology.yaml"),
            ("-rf", "topology.yaml"),
            ("töpologie.yaml", "topology.yaml"),
            (&long, "topology.yaml"),
        ] {
            assert_eq!(FileName::of(path).to_string(), name, "{path}");
        }
    }
}
