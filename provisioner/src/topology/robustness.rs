//! Whatever the bytes, reading them ends with a topology or with mistakes that point into the file.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::{Diagnostic, parse};

const EXAMPLES: [&str; 5] = [
    include_str!("../../../examples/minimal.yaml"),
    include_str!("../../../examples/two-zones.yaml"),
    include_str!("../../../examples/two-regions.yaml"),
    include_str!("../../../examples/every-setting.yaml"),
    include_str!("../../../examples/local.yaml"),
];

fn points_into(bytes: &[u8], mistakes: &[Diagnostic]) -> Result<(), TestCaseError> {
    let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    prop_assert!(!mistakes.is_empty());
    for mistake in mistakes {
        prop_assert!(!mistake.message.is_empty());
        prop_assert!((1..=lines).contains(&mistake.position.line), "{mistake:?}");
        prop_assert!(
            mistake.position.column >= 1 && mistake.position.width >= 1,
            "{mistake:?}"
        );
        // Writing it down must not panic either.
        prop_assert!(mistake.to_string().starts_with("error: "));
    }
    Ok(())
}

fn judge(bytes: &[u8]) -> Result<(), TestCaseError> {
    match parse(bytes, "again.yaml") {
        Ok(topology) => {
            // What was accepted can be written down and read again as the same.
            let text = crate::yaml::write(&topology).unwrap();
            let again = parse(text.as_bytes(), "again.yaml");
            prop_assert_eq!(again, Ok(topology), "{}", text);
            Ok(())
        }
        Err(mistakes) => points_into(bytes, &mistakes),
    }
}

#[test]
fn every_example_is_valid_and_survives_a_round_trip() {
    for example in EXAMPLES {
        assert!(parse(example.as_bytes(), "example.yaml").is_ok(), "{example}");
        judge(example.as_bytes()).unwrap();
    }
}

#[test]
fn defaults_keep_to_their_grammars() {
    // All defaults, written out, are read back strictly.
    let topology = parse(EXAMPLES[0].as_bytes(), "again.yaml").unwrap();
    let text = crate::yaml::write(&topology).unwrap();
    for default in [
        "infinispan-operator-controller-manager",
        "authenticationSessions",
        "critical",
        "arm64",
    ] {
        assert!(text.contains(default), "{default} is not written out:\n{text}");
    }
    assert_eq!(parse(text.as_bytes(), "again.yaml"), Ok(topology));
}

/// An example with a few pieces cut out, doubled, or replaced by what might confuse a parser.
fn mangled() -> impl Strategy<Value = Vec<u8>> {
    let splices = proptest::collection::vec(
        (
            any::<prop::sample::Index>(),
            0_usize..40,
            prop_oneof![
                Just(String::new()),
                Just("\t".to_owned()),
                Just("\n".to_owned()),
                Just(": ".to_owned()),
                Just("- ".to_owned()),
                Just("{[".to_owned()),
                Just("]}".to_owned()),
                Just("\"'".to_owned()),
                Just("&a *a <<: !!x ? |".to_owned()),
                Just("---\n".to_owned()),
                Just("é\u{feff}\u{2028}".to_owned()),
                "[ -~\\n]{0,12}",
            ],
        ),
        1..6,
    );
    (prop::sample::select(EXAMPLES.to_vec()), splices).prop_map(|(example, splices)| {
        let mut bytes = example.as_bytes().to_vec();
        for (at, length, text) in splices {
            let start = at.index(bytes.len() + 1);
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, text.into_bytes());
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        judge(&bytes)?;
    }

    #[test]
    fn no_text_makes_it_panic(text in "[\\x00-\\x7f\u{80}-\u{2fff}]{0,200}") {
        judge(text.as_bytes())?;
    }

    #[test]
    fn no_mangled_topology_makes_it_panic(bytes in mangled()) {
        judge(&bytes)?;
    }
}
