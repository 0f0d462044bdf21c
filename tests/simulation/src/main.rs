//! `simulate --histories N --seed S`: plays so many random histories, from that seed on.
//!
//! With `--meets NAME` it names those that come upon a circumstance, such as kept seeds have to come upon. Prints what happened in them, all together. When an invariant breaks, the seed and the whole story of the
//! first such history are printed, and the exit code is 1. One history alone is always told.

// Telling is this program's job.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use simulation::history::{Outcome, play};
use simulation::summary::Summary;
use simulation::watcher::Circumstance;

struct Arguments {
    histories: u64,
    seed: u64,
    meets: Option<Circumstance>,
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments {
        histories: 10_000,
        seed: 1,
        meets: None,
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().unwrap_or_default();
        let place = match name.as_str() {
            "--histories" => &mut arguments.histories,
            "--seed" => &mut arguments.seed,
            "--meets" => {
                let known = Circumstance::ALL.map(|one| one.to_string()).join(", ");
                let named = Circumstance::named(&value);
                arguments.meets = Some(named.ok_or_else(|| format!("--meets wants one of {known}"))?);
                continue;
            }
            other => return Err(format!("`{other}` is none of --histories, --seed and --meets")),
        };
        *place = value
            .parse()
            .map_err(|_| format!("{name} wants a number, got `{value}`"))?;
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("error: {problem}\nhint: simulate --histories 10000 --seed 1");
            return ExitCode::from(2);
        }
    };
    if arguments.histories == 1 {
        let told = play(arguments.seed, true);
        println!("{}", told.transcript);
        return conclude(
            &Summary::of(&told),
            &told.violation.iter().map(|_| told.seed).collect::<Vec<_>>(),
        );
    }
    let began = Instant::now();
    let (summary, broken) = play_all(&arguments);
    println!("{summary}");
    println!("in {:.1} s", began.elapsed().as_secs_f64());
    if let Some(first) = broken.iter().min() {
        println!(
            "\nthe story of seed {first}:\n\n{}",
            play(*first, true).transcript
        );
    }
    conclude(&summary, &broken)
}

/// Histories are independent, so each processor plays its own.
fn play_all(arguments: &Arguments) -> (Summary, Vec<u64>) {
    let next = AtomicU64::new(arguments.seed);
    let end = arguments.seed.saturating_add(arguments.histories);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let (mut summary, mut broken) = (Summary::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return (summary, broken);
            }
            let outcome: Outcome = play(seed, false);
            if let Some(violation) = &outcome.violation {
                println!("seed {seed}: {violation}");
                broken.push(seed);
            }
            if let Some(circumstance) = arguments.meets.filter(|one| outcome.met.contains(one)) {
                println!("seed {seed} comes upon {circumstance}");
            }
            summary.add(&Summary::of(&outcome));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all = (Summary::default(), Vec::new());
        for worker in workers {
            if let Ok((summary, broken)) = worker.join() {
                all.0.add(&summary);
                all.1.extend(broken);
            }
        }
        all
    })
}

fn conclude(summary: &Summary, broken: &[u64]) -> ExitCode {
    if broken.is_empty() && summary.tells_something() {
        return ExitCode::SUCCESS;
    }
    for seed in broken {
        eprintln!("again: cargo xtask simulate --histories 1 --seed {seed}");
    }
    if broken.is_empty() {
        eprintln!("error: too few fences and rejoins happened for this to show anything");
    }
    ExitCode::FAILURE
}
