//! `cargo deny` over `deny.toml`, in the version that its rules were written for.
//!
//! Licences, bans and sources need nothing but Cargo.lock. Advisories need the RustSec database, which lives on
//! GitHub: where it can be fetched it is, where only an older copy is there that is used, and where there is neither
//! this is said loudly, because a machine in a closed network still has to be able to judge a change.
//! A mirror is set as for any git repository: `git config --global url.MIRROR.insteadOf https://github.com/RustSec/advisory-db`.

use std::path::PathBuf;
use std::time::Duration;

use crate::command::Command;
use crate::failure::Failure;
use crate::tasks::no_arguments;
use crate::tools;
use crate::workspace::Workspace;

/// The version whose rules `deny.toml` is written in.
const VERSION: &str = "0.20.2";

/// A network that swallows packets must not hold up a run; the database arrives in seconds where it can.
const FETCH_LIMIT: Duration = Duration::from_secs(90);

const HINT: &str = "run this task again; it installs cargo-deny itself";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    no_arguments("deny", arguments)?;
    judge(workspace).map(drop)
}

/// Judges the dependencies, and says what could not be judged. A longer run has it said again at its end, where it is
/// not lost between tests.
pub(crate) fn judge(workspace: &Workspace) -> Result<Option<String>, Failure> {
    let program = tools::installed(workspace, "cargo-deny", VERSION)?;
    let deny = |arguments: &[&str]| Command::new(workspace, &program, HINT).arguments(arguments);
    deny(&["--workspace", "check", "bans", "licenses", "sources"]).run()?;
    let fetched = deny(&["fetch", "db"]).run_within(FETCH_LIMIT);
    let warning = match (fetched, database_is_here()) {
        (Ok(()), _) => None,
        (Err(failure), true) => Some(format!(
            "ADVISORIES WERE CHECKED AGAINST AN OLDER COPY of their database: {failure}"
        )),
        (Err(failure), false) => Some(format!(
            "ADVISORIES WERE NOT CHECKED, their database is out of reach: {failure}"
        )),
    };
    if let Some(warning) = &warning {
        eprintln!("warning: {warning}");
    }
    if warning.is_none() || database_is_here() {
        deny(&["--workspace", "--offline", "check", "advisories"]).run()?;
    }
    Ok(warning)
}

/// Whether a copy of the database stands where cargo-deny keeps it.
fn database_is_here() -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".cargo"))
    });
    home.and_then(|home| std::fs::read_dir(home.join("advisory-dbs")).ok())
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.path().join(".git").exists())
}
