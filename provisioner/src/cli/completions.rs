//! `provision completions`, and what a shell asks while somebody types.
//!
//! ```text
//!   completions bash ─▶ a script that calls `PROVISION_COMPLETE=bash provision -- WORDS…` at each Tab
//!                        └─▶ verbs, flags, files; sites of the topology, contexts of the kubeconfig, Regions, profiles
//! ```
//!
//! What is proposed is read from files of this machine; a cloud is never asked, and whatever cannot be read
//! proposes nothing.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::env::{CompleteEnv, Shells};
use clap_complete::{CompletionCandidate, Shell};

use super::{CommandError, Exit, print, topology_file};
use crate::files;
use crate::topology::{self, Topology, explain, regions};
use crate::world::kubernetes::Contexts;

/// Set by the scripts, to the shell's name. Others export a plain `COMPLETE` for their own ends.
const VARIABLE: &str = "PROVISION_COMPLETE";
const PROGRAM: &str = "provision";

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let name = self.shell.to_string();
        let mut script = Vec::new();
        if let Some(shell) = Shells::builtins().completer(&name) {
            shell
                .write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)
                .map_err(|error| CommandError::new(Exit::Failed, error))?;
        }
        print(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Done)
    }
}

/// Whether a script of ours started this process: it names a shell, and the words that were typed stand behind `--`.
fn is_asked(shell: Option<&OsStr>, words: &[OsString]) -> bool {
    let is_known = shell
        .and_then(OsStr::to_str)
        .is_some_and(|shell| Shells::builtins().completer(shell).is_some());
    is_known && words.len() > 2 && words.get(1).is_some_and(|word| word == "--")
}

/// Answers a shell, if it was one that started this process. True when it was.
pub(super) fn answered() -> bool {
    let words: Vec<OsString> = std::env::args_os().collect();
    if !is_asked(std::env::var_os(VARIABLE).as_deref(), &words) {
        return false;
    }
    let here = std::env::current_dir().ok();
    let answered = CompleteEnv::with_factory(super::examples::command)
        .var(VARIABLE)
        .bin(PROGRAM)
        .try_complete(words, here.as_deref());
    // In the middle of somebody's command line nothing is said of what went wrong.
    answered.unwrap_or(true)
}

fn candidates(words: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    words.into_iter().map(CompletionCandidate::new).collect()
}

pub(super) fn verbs() -> Vec<CompletionCandidate> {
    let command = super::examples::command();
    candidates(command.get_subcommands().map(|verb| verb.get_name().to_owned()))
}

/// The fields that can be explained.
pub(super) fn fields() -> Vec<CompletionCandidate> {
    candidates(explain::fields())
}

/// The sites of the topology that is being typed, or of the usual one.
pub(super) fn sites() -> Vec<CompletionCandidate> {
    let sites = topology_at_hand().map(|topology| topology.sites);
    candidates(sites.into_iter().flatten().map(|site| site.name.to_string()))
}

/// What `--only` takes.
pub(super) fn parts() -> Vec<CompletionCandidate> {
    let mut parts = candidates(["aws", "clusters"].map(str::to_owned));
    parts.extend(sites());
    parts
}

/// The contexts of the kubeconfig.
pub(super) fn contexts() -> Vec<CompletionCandidate> {
    candidates(Contexts::read().names())
}

/// The Regions of AWS that a function can run in.
pub(super) fn regions() -> Vec<CompletionCandidate> {
    candidates(regions::known().map(str::to_owned))
}

/// The profiles of the AWS tools' files.
pub(super) fn profiles() -> Vec<CompletionCandidate> {
    let home = std::env::home_dir().map(|home| home.join(".aws"));
    let place = |variable: &str, name: &str| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .or_else(|| Some(home.as_ref()?.join(name)))
    };
    let files = [
        place("AWS_CONFIG_FILE", "config"),
        place("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    ];
    let mut names: Vec<String> = files
        .into_iter()
        .flatten()
        .filter_map(|path| files::read(&path, files::TOPOLOGY_BYTES).ok())
        .flat_map(|bytes| profile_names(&String::from_utf8_lossy(&bytes)))
        .collect();
    names.sort();
    names.dedup();
    candidates(names)
}

/// `[profile NAME]` of the one file and `[NAME]` of the other.
fn profile_names(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']'))
        .map(str::trim)
        .filter(|heading| !heading.starts_with("sso-session ") && !heading.starts_with("services "))
        .map(|heading| {
            heading
                .strip_prefix("profile ")
                .unwrap_or(heading)
                .trim()
                .to_owned()
        })
        .collect()
}

/// The topology whose name stands among the words typed so far, else the usual one.
fn topology_at_hand() -> Option<Topology> {
    let typed = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let is_topology = |path: &Path| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        matches!(ending, Some("yaml" | "yml"))
    };
    let path = typed
        .map(PathBuf::from)
        .find_map(|word| {
            if is_topology(&word) && word.is_file() {
                Some(word)
            } else {
                topology_file::named(&word).pop()
            }
        })
        .unwrap_or_else(|| PathBuf::from(topology_file::USUAL));
    let bytes = files::read(&path, files::TOPOLOGY_BYTES).ok()?;
    topology::parse(&bytes, &path.to_string_lossy()).ok()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn profiles_are_read_from_either_file() {
        let config = "[default]\nregion = x\n[profile prod]\n[sso-session corp]\n [ profile two words ] \n";
        assert_eq!(profile_names(config), ["default", "prod", "two words"]);
        assert_eq!(profile_names("[default]\n[ci]\n"), ["default", "ci"]);
    }

    #[test]
    fn only_a_script_of_ours_is_answered() {
        let asked = |shell: &str, line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            is_asked(Some(OsStr::new(shell)), &words)
        };
        assert!(asked("bash", "provision -- provision pl") && asked("zsh", "provision -- provision"));
        assert!(!asked("true", "provision -- provision pl") && !asked("", "provision -- provision pl"));
        assert!(!asked("bash", "provision plan") && !asked("bash", "provision plan -- x.yaml"));
        assert!(!asked("bash", "provision --") && !is_asked(None, &["provision".into(), "--".into()]));
    }

    #[test]
    fn each_shell_has_a_script() {
        for shell in Shell::value_variants() {
            assert!(
                Shells::builtins().completer(&shell.to_string()).is_some(),
                "{shell}"
            );
        }
    }
}
