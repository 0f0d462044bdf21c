//! The real programs around Sitefence, where the machine has them: Debian's `prometheus` and
//! `prometheus-alertmanager`.

use std::path::PathBuf;

/// A program of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Alertmanager,
    Prometheus,
    Promtool,
}

/// A program that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not installed; on Debian and Ubuntu it is in the package {package}")]
pub struct NotInstalled {
    pub name: &'static str,
    pub package: &'static str,
}

impl Program {
    /// What it is called, by its makers and by Debian.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Alertmanager => &["alertmanager", "prometheus-alertmanager"],
            Self::Prometheus => &["prometheus"],
            Self::Promtool => &["promtool"],
        }
    }

    pub fn find(self) -> Result<PathBuf, NotInstalled> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let found = self
            .names()
            .iter()
            .flat_map(|name| places.iter().map(move |place| place.join(name)))
            .find(|program| program.is_file());
        found.ok_or(NotInstalled {
            name: self.names()[0],
            package: match self {
                Self::Alertmanager => "prometheus-alertmanager",
                Self::Prometheus | Self::Promtool => "prometheus",
            },
        })
    }

    /// Where it is; says that a test is skipped where it is not.
    pub fn for_test(self, test: &str) -> Option<PathBuf> {
        match self.find() {
            Ok(program) => Some(program),
            Err(missing) => {
                crate::skip::skipped(test, &missing.to_string());
                None
            }
        }
    }
}
