//! `provision history`: what was decided, when, by which caller, and how it ended.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::topology_file::USUAL;
use super::{CommandError, Exit, OutputFormat, TopologyFile, cloud, say};
use crate::report::{self, Around, Chapter};
use crate::run::console::Console;
use crate::run::{self, Session, status};
use crate::topology::Topology;
use crate::topology::time_to_fence::{Readings, worst_cases};

/// How long the register is waited for, where only the last drill is wanted.
const REGISTER_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
#[command(override_usage = "provision history [OPTIONS] [EPOCH] [TOPOLOGY]")]
pub(super) struct History {
    /// An epoch's number, to show every entry of it; and the topology file, by default `topology.yaml`
    #[arg(value_name = "EPOCH] [TOPOLOGY", num_args = 0..=2)]
    words: Vec<PathBuf>,
    /// The same as EPOCH
    #[arg(long, value_name = "EPOCH")]
    epoch: Option<u64>,
    /// Write the epoch as a page for a post-mortem: one self-contained HTML file
    #[arg(long, value_name = "FILE.html", conflicts_with = "output")]
    report: Option<PathBuf>,
    /// List suspicions that ended by themselves: from when, for how long, and why nobody was fenced
    #[arg(long, conflicts_with_all = ["epoch", "report"])]
    near_misses: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
    #[arg(from_global)]
    region: Option<String>,
}

/// A number among the words is an epoch, whichever stands first.
fn epoch_of(word: &Path) -> Option<u64> {
    word.to_str()?.parse().ok()
}

impl History {
    /// The file and the epoch that are meant.
    fn meant(&self) -> Result<(TopologyFile, Option<u64>), CommandError> {
        let (epochs, files): (Vec<&PathBuf>, Vec<&PathBuf>) =
            self.words.iter().partition(|word| epoch_of(word).is_some());
        let stated = epochs.first().and_then(|word| epoch_of(word));
        let once = epochs.len() + usize::from(self.epoch.is_some()) <= 1;
        if !once || files.len() > 1 {
            let failure = CommandError::new(Exit::Invalid, "give at most one epoch and one topology file");
            return Err(failure.hint("provision history 4 topology.yaml"));
        }
        let topology = files
            .first()
            .map_or_else(|| PathBuf::from(USUAL), |file| (*file).clone());
        Ok((
            TopologyFile::named(topology, self.region.clone()),
            self.epoch.or(stated),
        ))
    }

    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let (file, epoch) = self.meant()?;
        let loaded = file.load()?;
        let topology = &loaded.topology;
        if self.near_misses && epoch.is_some() {
            let failure = CommandError::new(
                Exit::Invalid,
                "a near miss belongs to no epoch: nothing was decided",
            );
            return Err(failure.hint(format!("provision history --near-misses {}", file.name())));
        }
        if epoch.is_none() && self.report.is_some() {
            let failure = CommandError::new(Exit::Invalid, "a page shows one epoch: say which one");
            return Err(failure.hint(format!(
                "provision history EPOCH {} --report FILE.html",
                file.name()
            )));
        }
        cloud::finish(async {
            let session = Session::begin(topology, Console::new()).await?;
            cloud::herald(&session, topology, &file.name()).await;
            if self.near_misses {
                let misses = report::near_misses(topology, status::near_misses(&session, topology).await?);
                cloud::answer(
                    self.output,
                    || report::near_misses_text(topology, &misses),
                    || report::near_misses_json(&misses),
                )?;
                return Ok(Exit::Done);
            }
            let entries = status::history(&session, topology).await?;
            let chapters = report::chapters(entries);
            let Some(wanted) = epoch else {
                cloud::answer(
                    self.output,
                    || report::history_text(&chapters),
                    || report::history_json(&chapters),
                )?;
                return Ok(Exit::Done);
            };
            let chapter = chapters.iter().find(|chapter| chapter.epoch.0 == wanted);
            let chapter = chapter.ok_or(run::Failure::NoSuchEpoch { epoch: wanted })?;
            if let Some(path) = &self.report {
                write_page(&session, topology, &file.name(), chapter, path).await?;
                return Ok(Exit::Done);
            }
            cloud::answer(
                self.output,
                || report::chapter_text(chapter),
                || report::chapter_json(chapter),
            )?;
            Ok(Exit::Done)
        })
    }
}

async fn write_page(
    session: &Session,
    topology: &Topology,
    file: &str,
    chapter: &Chapter,
    path: &Path,
) -> Result<(), run::Failure> {
    // Only a drill's own time comes from there; without it the page says less.
    let items = status::register_of(session, topology, REGISTER_WITHIN).await.ok();
    let around = Around {
        topology,
        file,
        worst_cases: &worst_cases(topology, &Readings::default()),
        drill: items.as_ref().and_then(|items| items.drill.as_ref()),
        now: Timestamp::now(),
    };
    let html = report::incident_html(chapter, &around).ok_or(run::Failure::NothingDecided {
        epoch: chapter.epoch.0,
    })?;
    let html = html.map_err(run::Failure::Page)?;
    std::fs::write(path, html).map_err(|source| run::Failure::Unwritable {
        path: path.to_owned(),
        source,
    })?;
    say(&format!("written: {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_number_is_an_epoch_wherever_it_stands() {
        let meant = |words: &[&str], epoch| {
            let history = History {
                words: words.iter().map(PathBuf::from).collect(),
                epoch,
                report: None,
                near_misses: false,
                output: OutputFormat::Text,
                region: None,
            };
            history.meant().ok().map(|(file, epoch)| (file.name(), epoch))
        };
        for (words, epoch, expected) in [
            (&[][..], None, Some(("topology.yaml", None))),
            (&["4"], None, Some(("topology.yaml", Some(4)))),
            (&["4", "prod.yaml"], None, Some(("prod.yaml", Some(4)))),
            (&["prod.yaml", "4"], None, Some(("prod.yaml", Some(4)))),
            (&["prod.yaml"], Some(4), Some(("prod.yaml", Some(4)))),
            (&["4"], Some(5), None),
            (&["4", "5"], None, None),
            (&["a.yaml", "b.yaml"], None, None),
        ] {
            let expected = expected.map(|(file, epoch)| (file.to_owned(), epoch));
            assert_eq!(meant(words, epoch), expected, "{words:?}");
        }
    }
}
