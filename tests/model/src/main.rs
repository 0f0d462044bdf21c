//! Checks the configurations and says what came of each.
//!
//! `model [--long] [--executors N] [--threads N] [NAME …]`: the quick ones or all, with at least so many
//! invocations at the same time, or only those whose name contains one of these words.

// Telling what came of it is what this program is for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use model::configuration::Configuration;
use model::guide::{Guide, Question, refuted};
use model::observed::Observed;
use model::run::{Checked, check};
use model::{states, table};

#[derive(Debug, Default)]
struct Asked {
    long: bool,
    executors: Option<usize>,
    threads: Option<usize>,
    names: Vec<String>,
}

fn main() -> ExitCode {
    let asked = match read(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(mistake) => {
            eprintln!("error: {mistake}\nhint: model [--long] [--executors N] [--threads N] [NAME …]");
            return ExitCode::from(2);
        }
    };
    let rows = chosen(&asked);
    if rows.is_empty() {
        eprintln!("error: no configuration is called that");
        return ExitCode::from(2);
    }
    let mut good = true;
    let mut states = 0;
    let mut observed = Observed::default();
    for configuration in rows {
        let about = configuration.about;
        let checked = check(configuration, asked.threads.unwrap_or(1));
        states += checked.states;
        good &= checked.holds();
        observed.merge(&checked.observed);
        say(&checked, about);
    }
    println!("{states} states in all");
    if asked.names.is_empty() {
        good &= the_rest(&observed);
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn read(mut arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked::default();
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments.next().unwrap_or_default();
            value
                .parse()
                .ok()
                .filter(|number| (1..=64).contains(number))
                .ok_or_else(|| format!("`{argument}` wants a number from 1 to 64, got `{value}`"))
        };
        match argument.as_str() {
            "--long" => asked.long = true,
            "--executors" => asked.executors = Some(number()?),
            "--threads" => asked.threads = Some(number()?),
            option if option.starts_with('-') => return Err(format!("there is no option `{option}`")),
            name => asked.names.push(name.to_owned()),
        }
    }
    Ok(asked)
}

fn chosen(asked: &Asked) -> Vec<Configuration> {
    table::all()
        .into_iter()
        .filter(|row| match asked.names.as_slice() {
            [] => asked.long || !row.long,
            names => names.iter().any(|name| row.name.contains(name.as_str())),
        })
        .map(|row| Configuration {
            executors: row.executors.max(asked.executors.unwrap_or_default()),
            ..row
        })
        .collect()
}

fn say(checked: &Checked, about: &str) {
    println!(
        "{:<38}{:>9} states, {:>5} worlds retried, {:>3} steps deep, {:>6.1} s\n    {about}",
        checked.name,
        checked.states,
        checked.worlds,
        checked.depth,
        checked.took.as_secs_f64()
    );
    for breach in &checked.broken {
        println!("  BROKEN: {}", breach.law);
        for line in &breach.story {
            println!("    {line}");
        }
    }
    if !checked.missing.is_empty() {
        println!("  NEVER SEEN: {:?}", checked.missing);
    }
}

/// What no single configuration shows: the whole diagram, and that the guide's protocol is refuted.
fn the_rest(observed: &Observed) -> bool {
    let mut good = true;
    for problem in states::compare(observed) {
        println!("  DIAGRAM: {problem}");
        good = false;
    }
    println!("\nthe guide's protocol, under the same checker:");
    for (lock, question) in [
        (false, Question::NeverBothDetached),
        (false, Question::AnEndpointIsLeft),
        (true, Question::OneRetryCompletes),
    ] {
        let story = refuted(Guide {
            lock,
            crash: true,
            question,
        });
        println!(
            "  {question:?}, {}:",
            if lock {
                "with a perfect lock"
            } else {
                "without a lock"
            }
        );
        match story {
            Some(story) => story.iter().for_each(|line| println!("    {line}")),
            None => {
                println!("    NOT REFUTED: the checker does not find what is known to be wrong");
                good = false;
            }
        }
    }
    good
}
