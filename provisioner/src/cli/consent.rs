//! What the verbs that change who serves have in common: a look before, a name that is typed, the function's last word.

use std::time::Duration;

use super::{Exit, OutputFormat, cloud};
use crate::report::{self, Operated};
use crate::run;
use crate::run::console::Console;

/// How long the look before may take.
pub(super) const LOOK_WITHIN: Duration = Duration::from_secs(10);
/// The last word where nothing was to be done.
pub(super) const DRY: &str = "nothing was changed: this was a dry run";

pub(super) fn answer(output: OutputFormat, operated: &Operated) -> Result<Exit, run::Failure> {
    cloud::answer(
        output,
        || report::operated_text(operated),
        || report::operated_json(operated),
    )?;
    Ok(Exit::Done)
}

/// The name typed, or consent in advance.
pub(super) fn consent(console: &Console, given: bool, name: &str) -> Result<(), run::Failure> {
    if given {
        return Ok(());
    }
    match console.ask(&format!("type {name} to continue:")) {
        Ok(typed) if typed == name => Ok(()),
        Ok(_) => Err(run::Failure::Declined),
        Err(_) => Err(run::Failure::NoTerminal),
    }
}
