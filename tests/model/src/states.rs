//! The state diagram: a table that is compared with what the checker sees, and the page that is made from it.
//!
//! The table says how the register's states follow each other. It is not the protocol, it is a claim about it:
//! every row has to be seen to happen, and nothing may be seen that is in no row. So the diagram in
//! `docs/protocol.md`, which is made from the table, shows the protocol that runs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use fencing::register::State;
use fencing::register::State::{Complete, Decided, Isolated, Open, Rejoining};

use crate::observed::{Edge, Observed, Why};

/// One row: from, why, to.
type Row = (State, Why, State);

/// What leads from one state to another.
const CHANGES: &[Row] = &[
    (Open, Why::Evidence, Decided),
    (Open, Why::Planned, Decided),
    (Decided, Why::OutOfAccelerator, Isolated),
    (Isolated, Why::Cut, Complete),
    (Complete, Why::Forgotten, Isolated),
    (Complete, Why::PutBackEarly, Decided),
    (Complete, Why::Emptied, Decided),
    (Complete, Why::RejoinBegun, Rejoining),
    (Rejoining, Why::BroughtBack, Open),
    (Rejoining, Why::BrokenOff, Decided),
    (Complete, Why::RecoveredByHand, Open),
    (Isolated, Why::OnceMore, Decided),
    (Isolated, Why::Promoted, Decided),
    (Complete, Why::Promoted, Decided),
    (Rejoining, Why::Promoted, Decided),
];

/// What is written while the state stays.
const STAYS: &[Row] = &[
    (Complete, Why::PushesForgotten, Complete),
    (Complete, Why::PushesDoubted, Complete),
    (Decided, Why::Promoted, Decided),
    (Decided, Why::Claimed, Decided),
    (Isolated, Why::Claimed, Isolated),
    (Decided, Why::GivenUp, Decided),
    (Isolated, Why::GivenUp, Isolated),
    (Isolated, Why::CarriedOutOnce, Isolated),
    (Complete, Why::RecoverySeen, Complete),
    (Rejoining, Why::StepBegun, Rejoining),
    (Rejoining, Why::StepTaken, Rejoining),
    (Rejoining, Why::GivenUp, Rejoining),
    (Rejoining, Why::RejoinTakenOver, Rejoining),
    (Open, Why::Doubted, Open),
    (Open, Why::Held, Open),
    (Open, Why::Released, Open),
    (Decided, Why::Held, Decided),
    (Isolated, Why::Held, Isolated),
    (Complete, Why::Held, Complete),
    (Rejoining, Why::Held, Rejoining),
    (Decided, Why::Released, Decided),
    (Isolated, Why::Released, Isolated),
    (Complete, Why::Released, Complete),
    (Rejoining, Why::Released, Rejoining),
];

fn rows() -> BTreeSet<Edge> {
    let edge = |(from, why, to): &Row| Edge {
        from: *from,
        why: *why,
        to: *to,
    };
    CHANGES.iter().chain(STAYS).map(edge).collect()
}

/// In which the table and what was seen differ.
pub fn compare(observed: &Observed) -> Vec<String> {
    let rows = rows();
    let strange = observed.edges.difference(&rows);
    let unseen = rows.difference(&observed.edges);
    strange
        .map(|edge| {
            format!(
                "seen and in no row: {} ─ {:?} ─▶ {}",
                edge.from, edge.why, edge.to
            )
        })
        .chain(unseen.map(|edge| {
            format!(
                "a row and never seen: {} ─ {:?} ─▶ {}",
                edge.from, edge.why, edge.to
            )
        }))
        .collect()
}

/// The events that lead out of a state.
pub fn exits(state: State) -> Vec<Why> {
    CHANGES
        .iter()
        .filter(|(from, _, _)| *from == state)
        .map(|(_, why, _)| *why)
        .collect()
}

/// A short label for the diagram, a sentence for the tables.
fn words(why: Why) -> (&'static str, &'static str) {
    match why {
        Why::Evidence => (
            "alert, evidence complete",
            "A site reports the other offline, does not see it itself, and is fit to survive.",
        ),
        Why::Planned => (
            "planned fence",
            "An operator fences a site for planned work; only the survivor's view is waived.",
        ),
        Why::OutOfAccelerator => (
            "only the survivor is in",
            "The accelerator was read back and holds exactly the survivor.",
        ),
        Why::Cut => (
            "replication is cut",
            "Replication to the fenced site was read back as cut.",
        ),
        Why::Claimed => (
            "claimed",
            "An executor starts to carry the decision out, or continues it; others answer 503 meanwhile.",
        ),
        Why::GivenUp => (
            "given up",
            "A dependency failed; the claim is released, so that the next executor need not wait.",
        ),
        Why::CarriedOutOnce => (
            "carried out once",
            "A rejoin was broken off in the middle of a step; what it had under way may still arrive, so the schedule waits.",
        ),
        Why::OnceMore => (
            "once more",
            "Nothing of a rejoin that was broken off can still be under way: the decision is carried out once more, \
             and then counts as complete.",
        ),
        Why::PushesForgotten => (
            "pushes forgotten",
            "The survivor forgets what it pushed before: only a push after the fence counts for a recovery by hand.",
        ),
        Why::PushesDoubted => (
            "pushes doubted",
            "An operator fences the site again, as after a fence by force: it may have been recovered in between, so its pushes are forgotten once more.",
        ),
        Why::Forgotten => (
            "cut forgotten",
            "The survivor's Infinispan restarted and replicates again to a site it does not see.",
        ),
        Why::PutBackEarly => (
            "put back too early",
            "The fenced site is in the accelerator while its state is stale.",
        ),
        Why::Emptied => (
            "survivor taken out",
            "People took the survivor out of a listener, which is now empty: the decision is carried out again, at \
             most once an hour.",
        ),
        Why::RejoinBegun => (
            "rejoin",
            "An operator brings the fenced site back; the survivor sees it.",
        ),
        Why::RejoinTakenOver => (
            "rejoin taken over",
            "Another command continues the rejoin, after a wait.",
        ),
        Why::StepBegun => (
            "step begun",
            "The rejoin records that it is about to change something.",
        ),
        Why::StepTaken => (
            "step taken",
            "The rejoin has taken a step, or starts over where a restart undid one.",
        ),
        Why::BrokenOff => (
            "broken off",
            "The survivor no longer sees the fenced site, or somebody started the fenced site's Keycloak during the \
             rejoin; the decision stays in force, same epoch.",
        ),
        Why::BroughtBack => (
            "rejoined",
            "The fenced site is up to date and back in the accelerator; quiet time begins.",
        ),
        Why::RecoverySeen => (
            "recovery seen once",
            "Both are back and replicate; confirmed when it is seen again after a wait.",
        ),
        Why::RecoveredByHand => (
            "recovered by hand",
            "Both are back and replicate, and this was seen twice: people brought the site back.",
        ),
        Why::Promoted => (
            "promote",
            "An operator makes the other site the survivor: a new epoch, carried out after a wait.",
        ),
        Why::Doubted => (
            "doubted",
            "A site reports the other offline while its relay nodes disagree, or they agree again; a decision waits \
             for up to a minute.",
        ),
        Why::Held => ("hold", "An operator forbids new decisions; this one completes."),
        Why::Released => ("release", "An operator allows new decisions again."),
    }
}

/// The part of the page that is made from the table.
pub fn page() -> String {
    let mut text = "```mermaid\nstateDiagram-v2\n    [*] --> open\n".to_owned();
    // Writing to a String cannot fail.
    for (from, why, to) in CHANGES {
        let _ = writeln!(text, "    {from} --> {to}: {}", words(*why).0);
    }
    text.push_str("```\n\n| from | to | when |\n|---|---|---|\n");
    for (from, why, to) in CHANGES {
        let _ = writeln!(text, "| `{from}` | `{to}` | {} |", words(*why).1);
    }
    text.push_str("\nWhat is written while the state stays:\n\n| in | what | meaning |\n|---|---|---|\n");
    let mut told = BTreeSet::new();
    for (_, why, _) in STAYS {
        if !told.insert(*why) {
            continue;
        }
        let states: Vec<String> = STAYS
            .iter()
            .filter(|(_, other, _)| other == why)
            .map(|(state, _, _)| format!("`{state}`"))
            .collect();
        let (label, sentence) = words(*why);
        let _ = writeln!(text, "| {} | {label} | {sentence} |", states.join(", "));
    }
    text
}
