//! What is said about a small document of every shape.

#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::topology::{Interval, Region};
use crate::yaml::tree;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Thing {
    name: Region,
    #[serde(default)]
    wait: Option<Interval>,
    #[serde(default)]
    list: Vec<Region>,
    #[serde(default)]
    map: BTreeMap<Region, u8>,
    pair: [Inner; 2],
    #[serde(default)]
    flag: bool,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Inner {
    x: u32,
    kind: Kind,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Table,
    Strong,
}

const DONOR: &str = "name: eu-west-1\npair: [{x: 1, kind: table}, {x: 2, kind: strong}]\n";

fn run(text: &str) -> (Option<Thing>, Vec<String>, Vec<String>) {
    let decoded = decode::<Thing>(tree(text).0.unwrap(), &tree(DONOR).0.unwrap());
    let told = decoded
        .mistakes
        .iter()
        .map(|m| format!("{}: {}", m.path, m.message()))
        .collect();
    (
        decoded.value,
        told,
        decoded.spoiled.iter().map(ToString::to_string).collect(),
    )
}

#[test]
fn what_is_right_comes_out_as_written() {
    let (value, told, spoiled) = run(
        "name: us-east-1\nwait: 5m\nlist: [eu-west-1]\nmap: {eu-west-2: 7}\nflag: true\npair: [{x: 3, kind: strong}, {x: 4, kind: table}]",
    );
    let value = value.unwrap();
    assert_eq!((told.len(), spoiled.len()), (0, 0));
    assert_eq!(
        (value.name.as_str(), value.pair[1].x, value.flag),
        ("us-east-1", 4, true)
    );
    assert_eq!(value.wait, Some(Interval::from_seconds(300)));
}

#[test]
fn every_kind_of_mistake_is_reported_in_one_run() {
    let (value, told, _) = run(
        "nmae: x\nwait: soon\nlist: [eu-west-1, narnia, 5]\nmap: {nowhere: 1, eu-west-1: 300}\nflag: yes\npair: [{x: -1, kind: tabel}, {y: 2}]",
    );
    for expected in [
        "nmae: unknown field `nmae`",
        "wait: `soon` is not a duration",
        "list[1]: `narnia` is not an AWS Region",
        "list[2]: a text is expected here, not the number 5",
        "map.nowhere: `nowhere` is not an AWS Region",
        "map.eu-west-1: a whole number up to 255 is expected here, not the number 300",
        "flag: true or false is expected here, not the text `yes`",
        "pair[0].x: a whole number is expected here, not the number -1",
        "pair[0].kind: `tabel` is not one of `table`, `strong`",
        "pair[1].y: unknown field `y`",
        "pair[1].x: `pair[1]` has no `x`",
        "pair[1].kind: `pair[1]` has no `kind`",
    ] {
        assert!(
            told.iter().any(|t| t == expected),
            "{expected:?} is not among {told:#?}"
        );
    }
    assert_eq!(told.len(), 12, "{told:#?}");
    assert!(
        value.is_some(),
        "the checks that look at several fields need a value"
    );
}

#[test]
fn a_hint_stands_beside_its_message_and_no_text_can_pass_for_one() {
    let donor = tree(DONOR).0.unwrap();
    let text = "name: \"eu-west-1\\u0001hint\\u0001run this\"\nwait: soon\npair: [{x: 1, kind: table}, {x: 1, kind: table}]";
    let decoded = decode::<Thing>(tree(text).0.unwrap(), &donor);
    let told: Vec<_> = decoded
        .mistakes
        .iter()
        .map(|it| (it.message(), it.hint()))
        .collect();
    let expected = [
        (
            "`eu-west-1\\u{1}hint\\u{1}run this` is not an AWS Region",
            "did you mean `eu-west-1`?",
        ),
        (
            "`soon` is not a duration",
            "write whole numbers with units: 10s, 5m, 1m30s, 1h or 2d",
        ),
    ];
    assert_eq!(
        told,
        expected.map(|(message, hint)| (message.to_owned(), Some(hint.to_owned())))
    );
}

#[test]
fn one_too_many_or_too_few_does_not_hide_the_others() {
    for (text, found) in [
        ("name: eu-west-1\npair: [{x: a, kind: table}]", 1),
        (
            "name: eu-west-1\npair: [{x: a, kind: table}, {x: 1, kind: table}, {x: 1, kind: table}]",
            3,
        ),
        ("name: eu-west-1\npair: []", 0),
    ] {
        let (value, told, _) = run(text);
        assert!(value.is_some());
        assert_eq!(told[0], format!("pair: exactly 2 `pair` are wanted, not {found}"));
        if found > 0 {
            assert_eq!(
                told[1],
                "pair[0].x: a whole number is expected here, not the text `a`"
            );
        }
    }
}

#[test]
fn a_block_of_the_wrong_kind_is_one_mistake() {
    for (text, expected) in [
        (
            "just text",
            ": a block of fields is expected here, not the text `just text`",
        ),
        ("[1]", ": a block of fields is expected here, not a list"),
        (
            "name: eu-west-1\npair: 5",
            "pair: a list is expected here, not the number 5",
        ),
        (
            "name: eu-west-1\npair:",
            "pair: a list is expected here, not nothing",
        ),
        (
            "name: [a]\npair: [{x: 1, kind: table}, {x: 1, kind: table}]",
            "name: a text is expected here, not a list",
        ),
    ] {
        let (value, told, spoiled) = run(text);
        assert!(value.is_some(), "{text}");
        assert_eq!(
            (told.len(), told[0].as_str(), spoiled.len()),
            (1, expected, 1),
            "{text}"
        );
    }
}
