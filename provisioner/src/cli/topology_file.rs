//! The argument that nearly every verb takes: the topology file, or a topology's name.
//!
//! Mails and alarms give the name: they are read on one machine and were made by an `apply` on another, and neither
//! knows what the file is called on the first.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::{Args, ValueHint};

use super::{CommandError, Exit, say};
use crate::files;
use crate::topology::{self, Diagnostic, Loaded, Topology, TopologyName};
use crate::yaml::shortened;

/// The one that is meant where none is named.
pub(super) const USUAL: &str = "topology.yaml";

/// The topology file.
#[derive(Debug, Args)]
pub struct TopologyFile {
    /// The topology file, or the name of a topology in this folder; `-` is stdin
    #[arg(value_name = "TOPOLOGY", default_value = USUAL, value_hint = ValueHint::FilePath)]
    pub topology: PathBuf,
    /// The files in this folder of which the argument is the topology's name, once that was looked for.
    #[arg(skip)]
    found: OnceLock<Vec<PathBuf>>,
    /// The flag of all verbs, which cannot say where things go.
    #[arg(from_global)]
    region: Option<String>,
}

impl TopologyFile {
    /// For a verb that finds the file among other words; what goes with it is the flag of all verbs.
    pub(super) fn named(topology: PathBuf, region: Option<String>) -> Self {
        Self {
            topology,
            found: OnceLock::new(),
            region,
        }
    }

    /// Its name, for messages.
    pub fn name(&self) -> String {
        if self.is_stdin() {
            "(stdin)".to_owned()
        } else {
            self.path().display().to_string()
        }
    }

    /// Where it is.
    fn path(&self) -> &Path {
        match self.found() {
            [only] => only,
            _ => &self.topology,
        }
    }

    fn found(&self) -> &[PathBuf] {
        self.found.get_or_init(|| named(&self.topology))
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

    /// Says which file was found by a topology's name, or that there are several.
    fn tell_where_it_is(&self) -> Result<(), CommandError> {
        let list = |files: &[PathBuf]| {
            let shown = files.iter().map(|file| file.display().to_string());
            shown.collect::<Vec<_>>().join(", ")
        };
        match self.found() {
            [] => Ok(()),
            [only] => {
                say(&format!(
                    "{} is the topology in {}",
                    self.topology.display(),
                    only.display()
                ));
                Ok(())
            }
            several => Err(CommandError::new(
                Exit::Invalid,
                format!(
                    "`{}` is the name of the topology in several files: {}",
                    self.topology.display(),
                    list(several)
                ),
            )
            .code("unreadableTopology")
            .hint("give the file that you mean")),
        }
    }

    /// A person who names a Region that is not the topology's may think that it decides where things go.
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
            self.tell_where_it_is()?;
            files::read(self.path(), files::TOPOLOGY_BYTES)
        };
        let bytes = read.map_err(|error| {
            let failure = CommandError::new(
                Exit::Invalid,
                format!("cannot read `{}`: {error}", shortened(&self.name(), 200)),
            )
            .code("unreadableTopology");
            // A file that is there but cannot be read needs no other one proposed.
            match error.kind() {
                ErrorKind::NotFound if name_in(&self.topology).is_some() => failure.hint(
                    "no *.yaml file in this folder has a topology of that name either: run the command in the folder \
                     of the topology file, or give the file's path",
                ),
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

/// The topology's name that an argument may be: one that is the path of nothing, or of a folder.
fn name_in(argument: &Path) -> Option<TopologyName> {
    let name = TopologyName::new(argument.to_str()?).ok()?;
    (argument.is_dir() || !argument.exists()).then_some(name)
}

/// The files in this folder whose topology has the name that the argument is.
pub(super) fn named(argument: &Path) -> Vec<PathBuf> {
    name_in(argument).map_or_else(Vec::new, |name| {
        files::topologies_named(name.as_str(), Path::new(""))
    })
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
