//! A checker that cannot fail proves nothing. Here it has to find what is wrong with the guide's protocol.

#![allow(clippy::unwrap_used)]

use model::guide::{Guide, Question, refuted};

fn shortest(lock: bool, crash: bool, question: Question) -> Option<Vec<String>> {
    refuted(Guide {
        lock,
        crash,
        question,
    })
}

#[test]
fn without_a_lock_both_sites_are_detached() {
    let story = shortest(false, false, Question::NeverBothDetached).unwrap();
    assert_eq!(
        story,
        [
            "site-a reports site-b",
            "site-a's alert reads the endpoint group: 2 endpoints",
            "site-b reports site-a",
            "site-b's alert reads the endpoint group: 2 endpoints",
            "site-a's alert removes site-b's endpoint",
            "site-a's alert takes site-b offline at site-a",
            "site-b's alert removes site-a's endpoint",
            "site-b's alert takes site-a offline at site-b",
        ]
    );
}

#[test]
fn without_a_lock_relative_removal_leaves_no_endpoint() {
    let story = shortest(false, false, Question::AnEndpointIsLeft).unwrap();
    assert_eq!(
        story,
        [
            "site-a reports site-b",
            "site-a's alert reads the endpoint group: 2 endpoints",
            "site-b reports site-a",
            "site-b's alert reads the endpoint group: 2 endpoints",
            "site-a's alert removes site-b's endpoint",
            "site-b's alert removes site-a's endpoint",
        ]
    );
}

#[test]
fn a_perfect_lock_prevents_both_and_still_never_completes_after_a_crash() {
    assert_eq!(shortest(true, true, Question::NeverBothDetached), None);
    assert_eq!(shortest(true, true, Question::AnEndpointIsLeft), None);
    assert_eq!(shortest(true, false, Question::OneRetryCompletes), None);
    let story = shortest(true, true, Question::OneRetryCompletes).unwrap();
    assert_eq!(
        story,
        [
            "site-a reports site-b",
            "site-a's alert reads the endpoint group: 2 endpoints",
            "site-a's alert removes site-b's endpoint",
            "the function that site-a's alert called dies",
            "site-b reports site-a",
            "site-b's alert reads the endpoint group: 1 endpoint",
        ]
    );
}

/// The page for sceptics shows these stories; it must show what the checker finds.
#[test]
fn the_documentation_tells_the_same_stories() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md")).unwrap();
    for (lock, question) in [
        (false, Question::NeverBothDetached),
        (true, Question::OneRetryCompletes),
    ] {
        let story = shortest(lock, true, question).unwrap();
        let told: String = story
            .iter()
            .enumerate()
            .map(|(index, line)| format!("{}. {line}\n", index + 1))
            .collect();
        assert!(page.contains(&told), "docs/protocol.md should tell:\n{told}");
    }
}
