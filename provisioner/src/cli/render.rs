//! `provision render`: every document, into a folder or to stdout.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::json;

use super::{CommandError, Exit, OutputFormat, TopologyFile, print, print_json, say};
use crate::check;
use crate::folder::{self, FolderError};

#[derive(Debug, Args)]
pub(super) struct Render {
    #[command(flatten)]
    file: TopologyFile,
    /// The folder to write to; by default, all documents go to stdout
    #[arg(short = 'o', long = "out", value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    folder: Option<PathBuf>,
    /// Also overwrite or remove files that were edited manually, or that `render` did not write
    #[arg(long, requires = "folder")]
    force: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Render {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let topology = self.file.load()?.topology;
        let documents =
            check::documents(&topology).map_err(|error| CommandError::new(Exit::Failed, error))?;
        let Some(folder) = &self.folder else {
            match self.output {
                OutputFormat::Text => {
                    let stream: String = documents
                        .iter()
                        .map(|document| format!("--- # {}\n{}", document.path, document.text))
                        .collect();
                    print(&stream)?;
                }
                OutputFormat::Json => {
                    let documents: Vec<_> = documents
                        .iter()
                        .map(|document| json!({"path": document.path, "text": document.text}))
                        .collect();
                    print_json(&json!({"topology": topology.name, "documents": documents}))?;
                }
            }
            return Ok(Exit::Done);
        };
        let files: Vec<(&str, &str)> = documents
            .iter()
            .map(|document| (document.path.as_str(), document.text.as_str()))
            .collect();
        let written = folder::write(folder, topology.name.as_str(), &files, self.force).map_err(|error| {
            let exit = match error {
                FolderError::Io { .. } => Exit::Failed,
                _ => Exit::Refused,
            };
            let hint = error.hint();
            let failure = CommandError::new(exit, error);
            if hint.is_empty() {
                failure
            } else {
                failure.hint(hint)
            }
        })?;
        match self.output {
            OutputFormat::Text => {
                let paths: String = files
                    .iter()
                    .map(|(path, _)| format!("{}\n", folder.join(path).display()))
                    .collect();
                print(&paths)?;
                say(&written.to_string());
            }
            OutputFormat::Json => print_json(&json!({
                "topology": topology.name,
                // A path need not be a text, and JSON has nothing else.
                "folder": folder.display().to_string(),
                "files": files.iter().map(|(path, _)| path).collect::<Vec<_>>(),
                "written": written.written,
                "removed": written.removed,
                "unchanged": written.unchanged,
            }))?,
        }
        Ok(Exit::Done)
    }
}
