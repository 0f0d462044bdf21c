//! `cargo xtask TASK`: everything this repository can be asked to do, by one name each.
//!
//! ```text
//!   cargo xtask            the table of tasks
//!   cargo xtask test …     the table's entry ─▶ commands, one after the other ─▶ exit code
//! ```
//!
//! A task makes its own set-up: a machine with Rust and Python 3 is enough, and a second run finds what the first
//! one made. Commands inherit the terminal, so what they say is seen as they say it. When one fails, the task ends
//! with that command's own exit code and names the command line that repeats it, ready to be pasted.
//!
//! The crate has no dependencies: it is compiled before anything can be done, so it must be there in a second.

// Saying what is being run, and what came of it, is this program's job.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod command;
mod demo;
mod deny;
mod dist;
mod failure;
mod infinispan;
mod kubernetes;
mod protocol;
mod real;
mod summary;
mod tasks;
mod tools;
mod workspace;

use std::process::ExitCode;

use failure::Failure;
use workspace::Workspace;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            let mut cause = std::error::Error::source(&failure);
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            if let Some(hint) = failure.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let Some((name, rest)) = arguments.split_first() else {
        print!("{}", tasks::list());
        return Ok(());
    };
    if ["-h", "--help", "help"].contains(&name.as_str()) {
        print!("{}", tasks::list());
        return Ok(());
    }
    let task = tasks::find(name)?;
    (task.run)(&Workspace::locate()?, rest)
}
