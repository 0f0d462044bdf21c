//! `provision validate`: everything that can be known about a topology without a network.

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::topology_file::invalid;
use super::{CommandError, Exit, OutputFormat, TopologyFile, print, print_json};
use crate::check;
use crate::preflight::warning::Warning;
use crate::topology::time_to_fence::{Advice, Readings, advice};
use crate::topology::{Diagnostic, Expiry, FailureDetection, Topology, Validity, endings};

#[derive(Debug, Args)]
pub(super) struct Validate {
    #[command(flatten)]
    file: TopologyFile,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Validate {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let file = self.file.name();
        match (self.file.examine()?, self.output) {
            (Ok(loaded), output) => {
                // A topology is only as good as its documents: their promises are proven here too.
                check::documents(&loaded.topology).map_err(|error| CommandError::new(Exit::Failed, error))?;
                // What the clusters have to say is for `plan`: here nothing is supposed of them.
                let sites = loaded.topology.sites.iter();
                let supposed = sites.map(|site| (site.name.clone(), Some(FailureDetection::OF_THE_GUIDE)));
                let supposed = Readings {
                    detections: supposed.collect(),
                    ..Readings::default()
                };
                let advice = advice(&loaded.topology, &supposed);
                let endings = endings(&loaded.ca_bundles, Timestamp::now());
                let (soon, useless): (Vec<Expiry>, Vec<Expiry>) = endings
                    .into_iter()
                    .partition(|ending| ending.validity == Validity::EndsSoon);
                if !useless.is_empty() {
                    return Err(untrusted(&file, useless));
                }
                let warnings: Vec<String> =
                    soon.into_iter().map(|it| Warning::from(it).to_string()).collect();
                match output {
                    OutputFormat::Text => {
                        print(&format!("{file} is valid: {}\n", summary(&loaded.topology)))?;
                        for Advice { path, what } in advice {
                            print(&format!("  to fence faster or more safely: {path}: {what}\n"))?;
                        }
                        for warning in &warnings {
                            print(&format!("  warning: {warning}\n"))?;
                        }
                    }
                    OutputFormat::Json => print_json(&json!({
                        "valid": true, "file": file, "topology": loaded.topology, "mistakes": [], "advice": advice,
                        "warnings": warnings,
                    }))?,
                }
                Ok(Exit::Done)
            }
            (Err(mistakes), OutputFormat::Text) => Err(invalid(&mistakes)),
            (Err(mistakes), OutputFormat::Json) => {
                let mistakes: Vec<_> = mistakes.iter().map(Diagnostic::as_json).collect();
                print_json(&json!({"valid": false, "file": file, "mistakes": mistakes}))?;
                Ok(Exit::Invalid)
            }
        }
    }
}

/// Bundles in which no authority is valid: the topology is in order, what it names is not.
fn untrusted(file: &str, endings: Vec<Expiry>) -> CommandError {
    let lines: Vec<String> = endings
        .into_iter()
        .map(|ending| Warning::from(ending).to_string())
        .collect();
    CommandError::new(Exit::Invalid, lines.join("\n"))
        .code("untrustedAuthority")
        .at(file)
}

fn summary(topology: &Topology) -> String {
    let [a, b] = topology
        .sites
        .each_ref()
        .map(|site| format!("{} ({}, {})", site.name, site.region, site.platform));
    let regions = topology
        .regions
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    format!("{} with {a} and {b}, function in {regions}", topology.name)
}
