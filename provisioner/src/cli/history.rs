//! `provision history`: what was decided, when, by whom, and how it ended.

use clap::Args;

use super::{Exit, Failure, OutputFormat, TopologyFile, cloud};
use crate::report;
use crate::run::console::Console;
use crate::run::{self, Session, status};

#[derive(Debug, Args)]
pub(super) struct History {
    #[command(flatten)]
    file: TopologyFile,
    /// Show every entry of this epoch
    #[arg(long, value_name = "EPOCH")]
    epoch: Option<u64>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl History {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let loaded = self.file.load()?;
        cloud::finish(async {
            let session = Session::begin(&loaded.topology, Console::new()).await?;
            let entries = status::history(&session, &loaded.topology).await?;
            let chapters = report::chapters(entries);
            let Some(wanted) = self.epoch else {
                cloud::answer(
                    self.output,
                    || report::history_text(&chapters),
                    || report::history_json(&chapters),
                )?;
                return Ok(Exit::Done);
            };
            let chapter = chapters.iter().find(|chapter| chapter.epoch.0 == wanted);
            let chapter = chapter.ok_or(run::Failure::NoSuchEpoch { epoch: wanted })?;
            cloud::answer(
                self.output,
                || report::chapter_text(chapter),
                || report::chapter_json(chapter),
            )?;
            Ok(Exit::Done)
        })
    }
}
