//! `provision man`: manual pages, made from the same words as `--help`.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::ArgValueCandidates;
use clap_mangen::Man;

use crate::yaml::shortened;

use super::completions::verbs;
use super::{CommandError, Exit, examples, print, say};

#[derive(Debug, Args)]
pub(super) struct ManPages {
    /// The verb; by default, the program's own page
    #[arg(value_name = "VERB", add = ArgValueCandidates::new(verbs))]
    verb: Option<String>,
    /// Write the pages of all verbs into this folder
    #[arg(short = 'o', long = "out", value_name = "FOLDER", conflicts_with = "verb")]
    folder: Option<PathBuf>,
}

impl ManPages {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        // Built, the verbs know the flags that all have.
        let mut program = examples::command().disable_help_subcommand(true);
        program.build();
        let verbs: Vec<Command> = program.get_subcommands().cloned().collect();
        if let Some(folder) = &self.folder {
            std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
            let all = std::iter::once(&program).chain(&verbs);
            for command in all {
                let path = folder.join(format!("{}.1", title(command)));
                std::fs::write(&path, page(command)?).map_err(|error| unwritable(&path, &error))?;
            }
            say(&format!("{} pages in {}", verbs.len() + 1, folder.display()));
            return Ok(Exit::Done);
        }
        let command = match &self.verb {
            None => &program,
            Some(name) => verbs.iter().find(|verb| verb.get_name() == name).ok_or_else(|| {
                CommandError::new(
                    Exit::Invalid,
                    format!("there is no verb `{}`", shortened(name, 80)),
                )
                .hint("`provision --help` lists them")
            })?,
        };
        print(&page(command)?)?;
        Ok(Exit::Done)
    }
}

/// `provision` or `provision-plan`: how a page is asked for.
fn title(command: &Command) -> String {
    match command.get_name() {
        "provision" => "provision".to_owned(),
        verb => format!("provision-{verb}"),
    }
}

fn page(command: &Command) -> Result<String, CommandError> {
    let title = title(command);
    let mut page = Vec::new();
    Man::new(command.clone())
        .title(title.to_uppercase())
        .source(format!("provision {}", env!("CARGO_PKG_VERSION")))
        .manual("provision")
        // The same bytes whenever it is made.
        .date("")
        .render(&mut page)
        .map_err(|error| CommandError::new(Exit::Failed, error))?;
    // Colours are a terminal's.
    Ok(anstream::adapter::strip_str(&String::from_utf8_lossy(&page)).to_string())
}

fn unwritable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::new(
        Exit::Failed,
        format!("{} cannot be written: {error}", path.display()),
    )
}
