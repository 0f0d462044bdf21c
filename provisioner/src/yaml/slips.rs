//! What people and their editors leave in a file by mistake, and where a parser's complaint really begins.
//!
//! A YAML parser says what its grammar did not expect, often a line late. The few slips behind most broken
//! files are known: a colon without its space, a key without its colon, a placeholder that nobody filled in,
//! the marks of a merge, a character that looks like a space and is none. They are looked for by hand, in the
//! text, so that the message names the slip and points at it.

use super::{Path, Slip, Span, lines};

/// What `init` writes where nobody knew a value.
pub const MARK: &str = "FILL-IN";

/// Characters that a reader cannot see, or takes for others.
const LOOKALIKES: &[(char, &str, &str)] = &[
    ('\u{a0}', "no-break space", "an ordinary space"),
    ('\u{2007}', "figure space", "an ordinary space"),
    ('\u{202f}', "narrow no-break space", "an ordinary space"),
    ('\u{3000}', "ideographic space", "an ordinary space"),
    ('\u{200b}', "zero-width space", "nothing"),
    ('\u{200c}', "zero-width non-joiner", "nothing"),
    ('\u{200d}', "zero-width joiner", "nothing"),
    ('\u{200e}', "left-to-right mark", "nothing"),
    ('\u{200f}', "right-to-left mark", "nothing"),
    ('\u{2060}', "word joiner", "nothing"),
    ('\u{feff}', "byte order mark", "nothing"),
    ('\u{ad}', "soft hyphen", "nothing, or an ordinary hyphen"),
    ('\u{2010}', "hyphen", "an ordinary hyphen (-)"),
    ('\u{2011}', "non-breaking hyphen", "an ordinary hyphen (-)"),
    ('\u{2013}', "en dash", "an ordinary hyphen (-)"),
    ('\u{2014}', "em dash", "an ordinary hyphen (-)"),
    ('\u{2018}', "left single quotation mark", "an ordinary quote (')"),
    ('\u{2019}', "right single quotation mark", "an ordinary quote (')"),
    ('\u{201c}', "left double quotation mark", "an ordinary quote (\")"),
    (
        '\u{201d}',
        "right double quotation mark",
        "an ordinary quote (\")",
    ),
];

/// The name of a character that a reader cannot see or takes for another, such as `U+00A0 no-break space`.
pub fn lookalike(c: char) -> Option<String> {
    let (_, name, _) = LOOKALIKES.iter().find(|(known, ..)| *known == c)?;
    Some(format!("U+{:04X} {name}", u32::from(c)))
}

/// Everything in `text` that cannot be meant, whatever a parser makes of it.
pub(super) fn slips(text: &str) -> Vec<Slip> {
    let mut faults = Vec::new();
    let mut is_in_conflict = false;
    for (index, line) in lines(text).enumerate() {
        let number = index + 1;
        if is_merge_mark(line) {
            // The first mark stands for the conflict.
            if std::mem::replace(&mut is_in_conflict, true) {
                continue;
            }
            faults.push(fault(
                (number, 1),
                line.chars().count(),
                "a merge left its conflict markers here".to_owned(),
                "keep one of the two versions and remove the lines <<<<<<<, ======= and >>>>>>>",
            ));
            continue;
        }
        let code = without_comment(line);
        if let Some(start) = marked(code) {
            faults.push(fault(
                (number, start + 1),
                MARK.len(),
                match key_on(code).1.split_once(':') {
                    Some((key, _)) if is_key(key) => format!("`{key}` was left for you to fill in"),
                    _ => "this was left for you to fill in".to_owned(),
                },
                "`provision init` did not find it: its comment says where to look, and `provision explain` what it \
                 is for",
            ));
        }
        for (open, close) in [("{{", "}}"), ("{%", "%}"), ("<%", "%>")] {
            if let Some((start, width)) = placeholder(code, open, close) {
                faults.push(fault(
                    (number, start + 1),
                    width,
                    "a template's placeholder was not filled in".to_owned(),
                    "run the file through your template engine first, or write the value",
                ));
                break;
            }
        }
        if let Some((column, (c, name, instead))) = code.chars().enumerate().find_map(|(column, c)| {
            LOOKALIKES
                .iter()
                .find(|(known, ..)| *known == c)
                .map(|entry| (column, entry))
        }) {
            faults.push(fault(
                (number, column + 1),
                1,
                format!("there is a U+{:04X} {name} here", u32::from(*c)),
                &format!("write {instead} instead; copied text often brings it along"),
            ));
        }
    }
    faults
}

fn fault(start: (usize, usize), width: usize, message: String, hint: &str) -> Slip {
    Slip {
        span: Span {
            start,
            end: (start.0, start.1 + width.max(1)),
        },
        path: Path::root(),
        message,
        hint: Some(hint.to_owned()),
        spoils: true,
    }
}

fn is_merge_mark(line: &str) -> bool {
    ["<<<<<<<", ">>>>>>>", "|||||||"].iter().any(|mark| {
        line.strip_prefix(mark)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }) || line == "======="
}

/// A line up to its comment. A `#` begins one at the line's start or after a blank, outside of quotes.
pub(crate) fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut previous = ' ';
    let mut is_escaped = false;
    for (at, c) in line.char_indices() {
        if std::mem::take(&mut is_escaped) {
            continue;
        }
        match (quote, c) {
            (Some('"'), '\\') => is_escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') if !previous.is_alphanumeric() => quote = Some(c),
            (None, '#') if previous.is_whitespace() => return &line[..at],
            _ => {}
        }
        previous = c;
    }
    line
}

/// Where the mark stands as a value of its own.
fn marked(code: &str) -> Option<usize> {
    let start = code.find(MARK)?;
    let is_end = |c: char| c.is_whitespace() || matches!(c, '[' | ']' | ',' | ':' | '"' | '\'');
    let (before, after) = (&code[..start], &code[start + MARK.len()..]);
    let is_alone = before.ends_with(is_end) && (after.is_empty() || after.starts_with(is_end));
    is_alone.then(|| before.chars().count())
}

/// Where a placeholder stands in a line, and how wide it is, in characters.
fn placeholder(code: &str, open: &str, close: &str) -> Option<(usize, usize)> {
    let start = code.find(open)?;
    let length = code[start..].find(close)? + close.len();
    Some((
        code[..start].chars().count(),
        code[start..start + length].chars().count(),
    ))
}

/// The slip that most likely made a parser stumble in line `line`: there, or in the line with content above.
pub(super) fn cause(text: &str, line: usize) -> Option<Slip> {
    let all: Vec<&str> = lines(text).collect();
    let above = (1..line).rev().find(|number| {
        !without_comment(all.get(number - 1).copied().unwrap_or_default())
            .trim()
            .is_empty()
    });
    [Some(line), above].into_iter().flatten().find_map(|number| {
        let code = without_comment(all.get(number - 1)?);
        let next = all
            .iter()
            .skip(number)
            .map(|line| without_comment(line))
            .find(|line| !line.trim().is_empty());
        missing_blank(number, code)
            .or_else(|| missing_space(number, code))
            .or_else(|| missing_colon(number, code, next))
            .or_else(|| open_quote(number, code))
    })
}

/// `  - key` of a line: how many characters stand before the key, and the rest of the line from there.
fn key_on(code: &str) -> (usize, &str) {
    let rest = code.trim_start_matches([' ', '-']);
    (code.chars().count() - rest.chars().count(), rest.trim_end())
}

fn is_key(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// `-key: value`: to YAML no item of a list.
fn missing_blank(number: usize, code: &str) -> Option<Slip> {
    let item = code.trim_start().strip_prefix('-')?;
    let (key, _) = item.split_once(':')?;
    is_key(key).then(|| {
        fault(
            (number, code.chars().count() - item.chars().count() + 1),
            1,
            "there is no space after the hyphen of this list item".to_owned(),
            &format!("write `- {}`", super::shortened(item.trim_end(), 40)),
        )
    })
}

/// `key:value`: to YAML this is one word.
fn missing_space(number: usize, code: &str) -> Option<Slip> {
    let (before, rest) = key_on(code);
    let (key, value) = rest.split_once(':')?;
    let is_address = value.starts_with("//");
    if !is_key(key) || value.is_empty() || value.starts_with(' ') || is_address {
        return None;
    }
    let width = key.chars().count();
    Some(fault(
        (number, before + width + 1),
        1,
        format!("there is no space after the colon of `{key}`"),
        &format!("write `{key}: {}`", super::shortened(value, 40)),
    ))
}

/// `key value`, or a lone `key` above lines that stand deeper.
fn missing_colon(number: usize, code: &str, next: Option<&str>) -> Option<Slip> {
    let (before, rest) = key_on(code);
    let (key, value) = match rest.split_once(' ') {
        Some((key, value)) => (key, value.trim()),
        None => (rest, ""),
    };
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let heads_a_block = next.is_some_and(|next| indentation(next) > indentation(code) && next.contains(':'));
    let is_pair = !value.is_empty() && !value.contains(' ') && !value.contains(": ");
    if !is_key(key) || !(is_pair || (value.is_empty() && heads_a_block)) {
        return None;
    }
    let example = if value.is_empty() {
        format!("write `{key}:`")
    } else {
        format!("write `{key}: {}`", super::shortened(value, 40))
    };
    Some(fault(
        (number, before + key.chars().count() + 1),
        1,
        format!("there is no colon after `{key}`"),
        &example,
    ))
}

/// A quote that is opened and not closed in its line.
fn open_quote(number: usize, code: &str) -> Option<Slip> {
    let (before, rest) = key_on(code);
    let (key, value) = rest.split_once(": ")?;
    let value = value.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let is_open = value.chars().filter(|c| *c == quote).count() == 1;
    (is_key(key) && is_open).then(|| {
        let column = before + rest.chars().count() - value.chars().count() + 1;
        fault(
            (number, column),
            value.chars().count(),
            format!("the quote that opens the value of `{key}` is never closed"),
            &format!("end the value with {quote}, or remove the quote at its start"),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn said(fault: &Slip) -> String {
        format!("{}:{} {}", fault.span.start.0, fault.span.start.1, fault.message)
    }

    #[test]
    fn what_cannot_be_meant_is_found_wherever_it_stands() {
        for (text, wanted) in [
            (
                "a: 1\n<<<<<<< HEAD\nb: 2\n",
                "2:1 a merge left its conflict markers here",
            ),
            (
                "a: 1\n=======\nb: 2\n",
                "2:1 a merge left its conflict markers here",
            ),
            (
                "name: {{ .Values.name }}\n",
                "1:7 a template's placeholder was not filled in",
            ),
            ("{% if x %}\n", "1:1 a template's placeholder was not filled in"),
            ("name:\u{a0}x\n", "1:6 there is a U+00A0 no-break space here"),
            ("name: x\u{200b}\n", "1:8 there is a U+200B zero-width space here"),
            (
                "name: \u{201c}x\u{201d}\n",
                "1:7 there is a U+201C left double quotation mark here",
            ),
        ] {
            let found = slips(text);
            assert_eq!(found.first().map(said).as_deref(), Some(wanted), "{text:?}");
        }
        for text in [
            "# {{ a }} and caf\u{e9}\u{a0}\n",
            "a: { b: { c: 1 } }\n",
            "a: \"x # y\"\n",
            "title: =======\n",
            "a: 1 # it's\u{a0}so\n",
        ] {
            assert_eq!(slips(text), [], "{text:?}");
        }
    }

    #[test]
    fn a_parser_s_complaint_is_led_back_to_the_slip() {
        for (text, line, wanted) in [
            (
                "username:developer\npassword: x\n",
                2,
                "1:9 there is no space after the colon of `username`",
            ),
            (
                "a:\n  b:c\n  d: e\n",
                3,
                "2:4 there is no space after the colon of `b`",
            ),
            (
                "  -name: a\n    b: c\n",
                2,
                "1:4 there is no space after the hyphen of this list item",
            ),
            ("sites\n  - name: a\n", 2, "1:6 there is no colon after `sites`"),
            (
                "name keycloak\nregions: [a]\n",
                2,
                "1:5 there is no colon after `name`",
            ),
            (
                "name: \"keycloak\nregions: [a]\n",
                2,
                "1:7 the quote that opens the value of `name` is never closed",
            ),
        ] {
            assert_eq!(
                cause(text, line).as_ref().map(said).as_deref(),
                Some(wanted),
                "{text:?}"
            );
        }
        for text in ["a: [1\n", "endpoint: https://h\n", "a: b: c\n"] {
            assert_eq!(cause(text, 1), None, "{text:?}");
        }
    }
}
