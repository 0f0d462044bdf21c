//! The argument that nearly every verb takes: the topology file.

use std::io::ErrorKind;
use std::path::PathBuf;

use clap::Args;

use super::{Exit, Failure};
use crate::topology::{self, Diagnostic, Loaded};

/// The topology file.
#[derive(Debug, Args)]
pub struct TopologyFile {
    /// The topology file
    #[arg(value_name = "TOPOLOGY", default_value = "topology.yaml")]
    pub topology: PathBuf,
}

impl TopologyFile {
    /// Its name, for messages.
    pub fn name(&self) -> String {
        self.topology.display().to_string()
    }

    /// Reads it, or says everything that is wrong with it.
    pub fn load(&self) -> Result<Loaded, Failure> {
        self.examine()?
            .map_err(|mistakes| Failure::new(Exit::Invalid, report(&mistakes)))
    }

    /// Reads it; its mistakes are an answer, not a failure.
    pub fn examine(&self) -> Result<Result<Loaded, Vec<Diagnostic>>, Failure> {
        let bytes = std::fs::read(&self.topology).map_err(|error| {
            let failure = Failure::new(
                Exit::Invalid,
                format!("cannot read `{}`: {error}", self.topology.display()),
            );
            // Whoever has a file that cannot be read does not need another one.
            match error.kind() {
                ErrorKind::NotFound => failure.hint(
                    "name the topology file: `provision VERB path/to/topology.yaml`; examples/ has some to start from",
                ),
                _ => failure,
            }
        })?;
        Ok(topology::load(&bytes, &self.name(), &|path| std::fs::read(path)))
    }
}

/// All mistakes, one after the other, and how many there are.
pub(super) fn report(mistakes: &[Diagnostic]) -> String {
    let mut report = String::new();
    for mistake in mistakes {
        report.push_str(&format!("{mistake}\n"));
    }
    let file = mistakes
        .first()
        .map_or("the topology", |mistake| mistake.file.as_str());
    match mistakes.len() {
        1 => report.push_str(&format!("one mistake in {file}")),
        number => report.push_str(&format!("{number} mistakes in {file}")),
    }
    report
}
