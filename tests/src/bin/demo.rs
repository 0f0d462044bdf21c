//! Plays the demo: `cargo xtask demo` builds what it needs and starts it.

#![allow(clippy::print_stderr)] // the one message of a demo that failed

use std::path::PathBuf;
use std::process::ExitCode;

use provisioner::topology::Architecture;
use tests::demo::{Function, Programs, keep, play, play_two_regions};

const USAGE: &str = "usage: demo [--two-regions | --keep] PROVISION FUNCTION EXAMPLES\n\n  \
    PROVISION  the program `provision`\n  \
    FUNCTION   the function's binary, built for this machine; or `carried:x86_64`, `carried:arm64`, where PROVISION\n             \
    carries it\n  \
    EXAMPLES   the directory with the example topologies\n\n\
    `cargo xtask demo` builds all of it and starts this program.";

fn main() -> ExitCode {
    let mut arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let is_flag = |argument: &PathBuf| argument.to_string_lossy().starts_with("--");
    let flag = arguments.first().filter(|first| is_flag(first)).cloned();
    if flag.is_some() {
        arguments.remove(0);
    }
    let flag = flag.map(|flag| flag.display().to_string());
    let Ok([provision, function, examples]) = <[PathBuf; 3]>::try_from(arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let carried = function.to_str().and_then(|text| text.strip_prefix("carried:"));
    let programs = Programs {
        provision,
        function: match carried {
            Some("arm64") => Function::Carried(Architecture::Arm64),
            Some(_) => Function::Carried(Architecture::X86_64),
            None => Function::Built(function),
        },
        examples,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let played = match runtime {
        Ok(runtime) => runtime
            .block_on(async {
                match flag.as_deref() {
                    Some("--two-regions") => play_two_regions(&programs).await,
                    Some("--keep") => keep(&programs).await,
                    _ => play(&programs).await,
                }
            })
            .map_err(|error| chain(&error)),
        Err(error) => Err(error.to_string()),
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            ExitCode::FAILURE
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str("\n  because: ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
