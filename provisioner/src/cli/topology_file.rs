//! The argument that nearly every verb takes: the topology file.

use std::io::ErrorKind;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{CommandError, Exit, say};
use crate::files;
use crate::topology::{self, Diagnostic, Loaded, Topology};
use crate::yaml::shortened;

/// The one that is meant where none is named.
pub(super) use fencing::contract::USUAL_FILE as USUAL;

/// The topology file.
#[derive(Debug, Args)]
pub struct TopologyFile {
    /// The topology file; `-` is stdin
    #[arg(value_name = "TOPOLOGY", default_value = USUAL, value_hint = ValueHint::FilePath)]
    pub topology: PathBuf,
    /// The flag of all verbs, which cannot say where things go.
    #[arg(from_global)]
    region: Option<String>,
}

impl TopologyFile {
    /// For a verb that finds the file among other words; what goes with it is the flag of all verbs.
    pub(super) fn named(topology: PathBuf, region: Option<String>) -> Self {
        Self { topology, region }
    }

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
    pub fn load(&self) -> Result<Loaded, CommandError> {
        let loaded = self.examine()?.map_err(|mistakes| invalid(&mistakes))?;
        self.warn_of_region(&loaded.topology);
        Ok(loaded)
    }

    /// Whoever names a Region that is none of the topology's may think that it decides where things go.
    fn warn_of_region(&self, topology: &Topology) {
        let sites = topology.sites.iter().map(|site| &site.region);
        let mut known = topology.regions.iter().chain(sites);
        if let Some(region) = &self.region
            && !known.any(|known| known.as_str() == region)
        {
            say(&format!(
                "warning: {region} is not one of the Regions in {}: --region is only for signing in; the topology \
                 decides where things are deployed",
                self.name()
            ));
        }
    }

    /// Reads it; its mistakes are an answer, not a failure.
    pub fn examine(&self) -> Result<Result<Loaded, Vec<Diagnostic>>, CommandError> {
        let read = if self.is_stdin() {
            files::read_from(std::io::stdin().lock(), files::TOPOLOGY_BYTES)
        } else {
            files::read(&self.topology, files::TOPOLOGY_BYTES)
        };
        let bytes = read.map_err(|error| {
            let failure = CommandError::new(
                Exit::Invalid,
                format!("cannot read `{}`: {error}", shortened(&self.name(), 200)),
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
pub(super) fn invalid(mistakes: &[Diagnostic]) -> CommandError {
    let details = mistakes.iter().map(Diagnostic::as_json).collect();
    let failure = CommandError::new(Exit::Invalid, report(mistakes)).code("invalidTopology");
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
