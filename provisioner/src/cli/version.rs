//! `provision version`: what this program is, which function it carries, and what is deployed.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{CommandError, Exit, OutputFormat, TopologyFile, cloud, print};
use crate::observed::version::Deployed;
use crate::package::{self, embedded};
use crate::report::{self, Carried, OfTopology, Versions};
use crate::run::console::Console;
use crate::run::{self, Session, version};
use crate::topology::Architecture;

#[derive(Debug, Args)]
pub(super) struct Version {
    /// A topology file, or the name of a topology in this folder, to see what is deployed in its Regions, too; `-` is stdin
    #[arg(value_name = "TOPOLOGY", value_hint = ValueHint::FilePath)]
    topology: Option<PathBuf>,
    /// The flag of all verbs, which goes with the file
    #[arg(from_global)]
    region: Option<String>,
    /// Print what changed in this version and in earlier ones
    #[arg(long, conflicts_with_all = ["topology", "output"])]
    changes: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Version {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        if self.changes {
            return print(report::changelog()).map(|()| Exit::Done);
        }
        let mut versions = Versions {
            version: env!("CARGO_PKG_VERSION"),
            commit: embedded::commit(),
            carried: carried().map_err(|error| CommandError::new(Exit::Failed, error))?,
            topology: None,
        };
        let mut exit = Exit::Done;
        if let Some(path) = self.topology {
            let loaded = TopologyFile::named(path, self.region).load()?;
            let topology = &loaded.topology;
            exit = cloud::finish(async {
                let session = Session::begin(topology, Console::new()).await?;
                let deployed = version::deployed(&session, topology).await;
                let is_whole = deployed
                    .iter()
                    .all(|function| !matches!(function.what, Deployed::Unknown { .. }));
                versions.topology = Some(OfTopology {
                    name: topology.name.to_string(),
                    package: run::pack_embedded(topology, &loaded.ca_bundles)?.map(|packed| packed.package),
                    deployed,
                });
                Ok(if is_whole { Exit::Done } else { Exit::Failed })
            })?;
        }
        match self.output {
            OutputFormat::Text => print(&report::version_text(&versions))?,
            OutputFormat::Json => super::print_json(&report::version_json(&versions))?,
        }
        Ok(exit)
    }
}

/// What this program carries.
fn carried() -> Result<Vec<Carried>, package::PackageError> {
    let mut carried = Vec::new();
    for architecture in [Architecture::Arm64, Architecture::X86_64] {
        if let Some(zip) = embedded::zip(architecture) {
            carried.push(Carried {
                architecture: architecture.to_string(),
                sha256: package::sha256(&package::bootstrap_of(zip)?),
                bytes: zip.len() as u64,
            });
        }
    }
    Ok(carried)
}
