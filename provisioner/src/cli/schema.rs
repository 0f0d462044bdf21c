//! `provision schema`: the JSON Schema, for editors.

use clap::Args;

use super::{CommandError, Exit, print};
use crate::topology;

#[derive(Debug, Args)]
#[command(
    after_help = "Editors with the YAML language server check a topology while it is written, if its first line is\n\
    # yaml-language-server: $schema=topology.schema.json"
)]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        print(&topology::json_schema_text())?;
        Ok(Exit::Done)
    }
}
