//! Two thousand topologies that nobody meant to write: whatever the file, `provision validate` ends with a documented
//! exit code and one JSON document.
//!
//! The mutations are the same in each run. Each takes an example and does one to three things to it that editors,
//! templates and tired people do: a line twice, gone, moved or cut; a character or a word replaced; indentation
//! changed; a value taken from another line; bytes that are no text. Some come out valid, and that is looked at, too.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

const EXAMPLES: [&str; 5] = [
    include_str!("../../examples/minimal.yaml"),
    include_str!("../../examples/two-zones.yaml"),
    include_str!("../../examples/two-regions.yaml"),
    include_str!("../../examples/every-setting.yaml"),
    include_str!("../../examples/local.yaml"),
];
const COUNT: u64 = 2000;
const THREADS: u64 = 4;
/// What stands in for a value.
const ODD: [&str; 24] = [
    "",
    "null",
    "~",
    "true",
    "-1",
    "0",
    "1e999",
    "0x1F",
    "[]",
    "{}",
    "[[[[",
    "&a",
    "*a",
    "!!binary x",
    "|",
    ">-",
    "'",
    "\"",
    "\u{feff}",
    "\u{202e}",
    "é\u{301}",
    "{{ .Values.x }}",
    "9999999999999999999999",
    "eu-west-1",
];

/// Xorshift: numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }
}

fn mutated(number: u64) -> Vec<u8> {
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15 ^ (number + 1).wrapping_mul(0xD134_2543_DE82_EF95));
    for _ in 0..8 {
        numbers.next();
    }
    let example = EXAMPLES[numbers.below(EXAMPLES.len())];
    let mut lines: Vec<String> = example.lines().map(str::to_owned).collect();
    for _ in 0..=numbers.below(3) {
        if lines.is_empty() {
            break;
        }
        let at = numbers.below(lines.len());
        let other = numbers.below(lines.len());
        let line = lines[at].clone();
        match numbers.below(10) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, line),
            2 => lines.swap(at, other),
            3 => {
                lines[at] = line
                    .chars()
                    .take(numbers.below(line.chars().count() + 1))
                    .collect();
            }
            4 => lines[at] = format!("{}{line}", " ".repeat(numbers.below(5))),
            5 => line.trim_start().clone_into(&mut lines[at]),
            6 => {
                let odd = ODD[numbers.below(ODD.len())];
                lines[at] = match line.split_once(": ") {
                    Some((key, _)) => format!("{key}: {odd}"),
                    None => format!("{line}{odd}"),
                };
            }
            7 => {
                let value = lines[other].split_once(": ").map(|(_, value)| value.to_owned());
                if let (Some((key, _)), Some(value)) = (line.split_once(": "), value) {
                    lines[at] = format!("{key}: {value}");
                }
            }
            8 => {
                let mut characters: Vec<char> = line.chars().collect();
                if !characters.is_empty() {
                    let place = numbers.below(characters.len());
                    let odd = ODD[numbers.below(ODD.len())];
                    characters.splice(place..=place, odd.chars());
                }
                lines[at] = characters.into_iter().collect();
            }
            _ => lines.truncate(at),
        }
    }
    let mut bytes = lines.join("\n").into_bytes();
    if numbers.below(20) == 0 && !bytes.is_empty() {
        let at = numbers.below(bytes.len());
        bytes[at] = [0xff, 0xc3, 0x00, 0x1b][numbers.below(4)];
    }
    bytes
}

/// Exit code, and what stands on stdout and on stderr.
fn validate(topology: &[u8]) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_provision"))
        .args(["validate", "-", "--output", "json"])
        // Bundles that the examples name.
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(topology).unwrap();
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// 0 or 2; anything else is a fault of ours.
fn judge(number: u64) -> i32 {
    let topology = mutated(number);
    let (code, stdout, stderr) = validate(&topology);
    let about = || {
        format!(
            "mutation {number}, exit {code:?}\n{stderr}\n{stdout}\n{}",
            String::from_utf8_lossy(&topology)
        )
    };
    assert!(!stderr.contains("panicked"), "{}", about());
    let answer: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {}", about()));
    match code {
        Some(0) => assert!(
            answer["valid"] == true && answer["mistakes"] == Value::Array(Vec::new()),
            "{}",
            about()
        ),
        Some(2) => {
            assert_eq!(answer["valid"], false, "{}", about());
            let mistakes = answer["mistakes"].as_array().unwrap();
            assert!(!mistakes.is_empty(), "{}", about());
            for mistake in mistakes {
                assert!(
                    mistake["message"].as_str().is_some_and(|it| !it.is_empty()),
                    "{}",
                    about()
                );
                assert!(mistake["line"].as_u64().is_some_and(|it| it >= 1), "{}", about());
                let keys: Vec<&str> = mistake.as_object().unwrap().keys().map(String::as_str).collect();
                assert_eq!(
                    keys,
                    ["column", "hint", "line", "message", "path", "snippet"],
                    "{}",
                    about()
                );
            }
        }
        _ => panic!("{}", about()),
    }
    code.unwrap()
}

#[test]
fn two_thousand_mutated_topologies_end_with_a_documented_exit_code() {
    let codes: Vec<i32> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|worker| scope.spawn(move || (worker..COUNT).step_by(4).map(judge).collect::<Vec<_>>()))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    let valid = codes.iter().filter(|code| **code == 0).count();
    // Mutations that change nothing, or nothing but wrong files, would look at one thing only.
    assert_eq!(codes.len() as u64, COUNT);
    assert!((100..1200).contains(&valid), "{valid} of them are valid");
}
