//! The quick configurations: every law holds in every state, everything expected is seen, and the diagram of
//! `docs/protocol.md` is what was seen. `UPDATE_GOLDEN=1` writes the diagram into the page.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::PathBuf;

use fencing::register::State;
use model::configuration::Configuration;
use model::observed::Observed;
use model::run::{Checked, check};
use model::{states, table};

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn explain(checked: &Checked) -> String {
    checked
        .broken
        .iter()
        .map(|breach| {
            format!(
                "{} in `{}`:\n{}\n",
                breach.law,
                checked.name,
                breach.story.join("\n")
            )
        })
        .collect()
}

#[test]
fn every_law_holds_everywhere_and_the_diagram_is_what_is_seen() {
    let mut observed = Observed::default();
    let mut states = 0;
    for configuration in table::all().into_iter().filter(|row| !row.long) {
        let checked = check(configuration, threads());
        println!(
            "{}: {} states in {:?}",
            checked.name, checked.states, checked.took
        );
        assert!(checked.broken.is_empty(), "{}", explain(&checked));
        assert!(
            checked.missing.is_empty(),
            "`{}` proves nothing: {:?} never happened",
            checked.name,
            checked.missing
        );
        observed.merge(&checked.observed);
        states += checked.states;
    }
    assert!(
        states > 50_000,
        "only {states} states: something keeps the checker from exploring"
    );
    let differences = states::compare(&observed);
    assert!(differences.is_empty(), "{differences:#?}");
}

/// What the waits of `rejoin` and `promote` rest on: nobody writes later than the timeout. With a driver that
/// lets invocations run on, the checker has to find the harm.
#[test]
fn a_driver_that_writes_after_the_timeout_breaks_the_laws() {
    let promote = table::all()
        .into_iter()
        .find(|row| row.name == "promote")
        .unwrap();
    let checked = check(
        Configuration {
            driver_stops: false,
            ..promote
        },
        1,
    );
    let laws: Vec<&str> = checked.broken.iter().map(|breach| breach.law).collect();
    assert!(laws.iter().any(|law| law.starts_with("I12")), "{laws:?}");
}

/// What the accelerator's tag is for: without it each of two topologies decides by its own register, and both decisions
/// win.
#[test]
fn two_topologies_on_an_accelerator_that_does_not_say_whose_it_is_break_the_laws() {
    let two = table::all()
        .into_iter()
        .find(|row| row.name == "two topologies on one accelerator")
        .unwrap();
    let checked = check(Configuration { marked: false, ..two }, 1);
    let laws: Vec<&str> = checked.broken.iter().map(|breach| breach.law).collect();
    let empties = |law: &&str| law.starts_with("I1 ") || law.starts_with("I2 ");
    assert!(laws.iter().any(empties), "{laws:?}");
}

#[test]
fn every_state_has_an_exit() {
    for state in State::ALL {
        let exits = states::exits(state);
        println!("{state}: {exits:?}");
        assert!(!exits.is_empty(), "nothing leads out of {state}");
    }
}

#[test]
fn the_page_shows_the_diagram() {
    const BEGIN: &str = "<!-- made from the code: begin -->\n";
    const END: &str = "<!-- made from the code: end -->\n";
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md"));
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    let made = states::page();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
    } else {
        assert_eq!(
            shown, made,
            "docs/protocol.md is not what the code says: run once with UPDATE_GOLDEN=1"
        );
    }
}
