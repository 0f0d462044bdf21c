//! `provision build`: the function, compiled and packed, without any cloud.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::cloud::{self, FunctionArgs};
use super::{CommandError, Exit, OutputFormat, TopologyFile};
use crate::report;
use crate::run;
use crate::run::console::Console;

#[derive(Debug, Args)]
pub(super) struct Build {
    #[command(flatten)]
    file: TopologyFile,
    /// Where to write the zip
    #[arg(short = 'o', long, value_name = "FILE", default_value = "function.zip", value_hint = ValueHint::FilePath)]
    out: PathBuf,
    #[command(flatten)]
    function: FunctionArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Build {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let loaded = self.file.load()?;
        cloud::finish(async {
            let console = Console::new();
            let (function, binary) = cloud::built(&loaded, &self.function, &console).await?;
            write(&self.out, &function.zip).map_err(|source| run::Failure::Unwritable {
                path: self.out.clone(),
                source,
            })?;
            cloud::answer(
                self.output,
                || report::package_text(&function, &binary, &self.out),
                || report::package_json(&function, &binary, &self.out),
            )?;
            Ok(Exit::Done)
        })
    }
}

/// Writes the file whole or not at all.
fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(content)?;
    file.persist(path)?;
    Ok(())
}
