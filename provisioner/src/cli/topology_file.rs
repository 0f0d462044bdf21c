//! The argument that nearly every verb takes: the topology file.

use std::io::ErrorKind;
use std::path::PathBuf;

use clap::Args;

use super::{Exit, Failure};
use crate::files;
use crate::topology::{self, Diagnostic, Loaded};

/// The topology file.
#[derive(Debug, Args)]
pub struct TopologyFile {
    /// The topology file; `-` is stdin
    #[arg(value_name = "TOPOLOGY", default_value = "topology.yaml")]
    pub topology: PathBuf,
}

impl TopologyFile {
    /// Its name, for messages.
    pub fn name(&self) -> String {
        if self.is_stdin() {
            "(stdin)".to_owned()
        } else {
            self.topology.display().to_string()
        }
    }

    fn is_stdin(&self) -> bool {
        self.topology.as_os_str() == "-"
    }

    /// Reads it, or says everything that is wrong with it.
    pub fn load(&self) -> Result<Loaded, Failure> {
        self.examine()?.map_err(|mistakes| invalid(&mistakes))
    }

    /// Reads it; its mistakes are an answer, not a failure.
    pub fn examine(&self) -> Result<Result<Loaded, Vec<Diagnostic>>, Failure> {
        let read = if self.is_stdin() {
            files::read_from(std::io::stdin().lock(), files::TOPOLOGY_BYTES)
        } else {
            files::read(&self.topology, files::TOPOLOGY_BYTES)
        };
        let bytes = read.map_err(|error| {
            let failure = Failure::new(
                Exit::Invalid,
                format!("cannot read `{}`: {error}", self.name()),
            )
            .code("unreadableTopology");
            // Whoever has a file that cannot be read does not need another one.
            match error.kind() {
                ErrorKind::NotFound => failure.hint(
                    "name the topology file: `provision VERB path/to/topology.yaml`; examples/ has some to start from",
                ),
                _ => failure,
            }
        })?;
        Ok(topology::load(&bytes, &self.name(), &|path| {
            files::read(path, files::CA_BUNDLE_BYTES)
        }))
    }
}

/// The failure that an invalid topology is.
pub(super) fn invalid(mistakes: &[Diagnostic]) -> Failure {
    let details = mistakes.iter().map(Diagnostic::as_json).collect();
    let failure = Failure::new(Exit::Invalid, report(mistakes)).code("invalidTopology");
    match mistakes.first() {
        Some(first) => failure
            .at(&first.file)
            .details("mistakes", count(mistakes), details),
        None => failure,
    }
}

/// All mistakes, one after the other, and how many there are.
pub(super) fn report(mistakes: &[Diagnostic]) -> String {
    let mut report = String::new();
    for mistake in mistakes {
        report.push_str(&format!("{mistake}\n"));
    }
    report.push_str(&count(mistakes));
    report
}

fn count(mistakes: &[Diagnostic]) -> String {
    let file = mistakes
        .first()
        .map_or("the topology", |mistake| mistake.file.as_str());
    match mistakes.len() {
        1 => format!("one mistake in {file}"),
        number => format!("{number} mistakes in {file}"),
    }
}
