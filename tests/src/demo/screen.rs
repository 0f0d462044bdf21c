//! What the reader of the demo sees: eighty columns, chapters, tables, and claims that are checked as they are
//! printed.
//!
//! A demo that only prints is a story; this one ends with an error at the first sentence that is not true.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Instant;

/// The width that everything fits into.
const COLUMNS: usize = 80;
const INDENT: &str = "   ";
const QUOTE: &str = "   │ ";

/// A sentence that was about to be shown and is not true.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not true: {claim}\n  {seen}")]
pub struct Untrue {
    pub claim: String,
    pub seen: String,
}

#[derive(Debug)]
pub(super) struct Screen {
    began: Instant,
    chapters: u32,
    claims: u32,
    /// All of it, so that what must not be shown can be looked for.
    shown: RefCell<String>,
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

impl Screen {
    /// An empty one; time is counted from here.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            chapters: 0,
            claims: 0,
            shown: RefCell::default(),
        }
    }

    pub(super) fn title(&self, text: &str) {
        self.put(&format!("\n{text}\n{}\n", "═".repeat(text.chars().count())));
    }

    /// A new chapter, numbered, with the seconds since the beginning.
    pub(super) fn chapter(&mut self, text: &str) {
        self.chapters += 1;
        let heading = format!("{}. {text}", self.chapters);
        let seconds = format!("{:.0} s", self.began.elapsed().as_secs_f64());
        let room = COLUMNS.saturating_sub(heading.chars().count() + 1);
        self.put(&format!(
            "\n{heading} {seconds:>room$}\n{}\n",
            "─".repeat(COLUMNS)
        ));
    }

    pub(super) fn say(&self, text: &str) {
        self.put(&wrapped(text, INDENT, INDENT));
    }

    /// A command as one would type it.
    pub(super) fn command(&self, line: &str) {
        self.put(&wrapped(line, "   $ ", "     "));
    }

    /// A line that somebody else said.
    pub(super) fn quote(&self, line: &str) {
        self.put(&wrapped(line, QUOTE, QUOTE));
    }

    pub(super) fn table(&self, head: &[&str], rows: &[Vec<String>]) {
        self.put(&table(head, rows));
    }

    /// A sentence that must be true. `seen` is what the reader is told when it is not.
    pub(super) fn claim(
        &mut self,
        claim: &str,
        holds: bool,
        seen: impl FnOnce() -> String,
    ) -> Result<(), Untrue> {
        let mark = if holds { " ✔ " } else { " ✘ " };
        self.put(&wrapped(claim, mark, INDENT));
        if holds {
            self.claims += 1;
            return Ok(());
        }
        Err(Untrue {
            claim: claim.to_owned(),
            seen: seen(),
        })
    }

    /// Everything that was shown so far, however it was wrapped.
    pub(super) fn shown(&self) -> String {
        let shown = self.shown.borrow();
        shown
            .chars()
            .filter(|character| !character.is_whitespace() && *character != '│')
            .collect()
    }

    fn put(&self, text: &str) {
        self.shown.borrow_mut().push_str(text);
        let mut out = std::io::stdout().lock();
        // A reader who closed the pipe has seen enough; the claims are still checked.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// The last line.
    pub(super) fn end(&self) {
        self.put(&format!(
            "\n{} claims shown, all of them true, in {:.0} s.\n",
            self.claims,
            self.began.elapsed().as_secs_f64()
        ));
    }
}

/// Text in lines of at most eighty columns. A word that is longer is cut: ARNs and addresses are.
fn wrapped(text: &str, first: &str, rest: &str) -> String {
    let room = COLUMNS - rest.chars().count().max(first.chars().count());
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let words = paragraph.trim_start_matches(' ');
        let mut line = paragraph[..paragraph.len() - words.len()].to_owned();
        let mut begun = false;
        for word in words.split(' ') {
            let mut word: Vec<char> = word.chars().collect();
            if begun && line.chars().count() + 1 + word.len() > room {
                lines.push(std::mem::take(&mut line));
            } else if begun {
                line.push(' ');
            }
            begun = true;
            while word.len() > room {
                lines.push(word.drain(..room).collect());
            }
            line.extend(word);
        }
        lines.push(line);
    }
    lines
        .iter()
        .enumerate()
        .fold(String::new(), |mut text, (index, line)| {
            let indent = if index == 0 { first } else { rest };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", format!("{indent}{line}").trim_end());
            text
        })
}

/// Columns as wide as what stands in them.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(column, name)| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .fold(name.chars().count(), usize::max)
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect::<Vec<_>>()
            .join("   ");
        format!("{}\n", format!("{INDENT}{cells}").trim_end())
    };
    let mut text = line(&mut head.iter().copied());
    let rule: Vec<String> = widths.iter().map(|width| "╌".repeat(*width)).collect();
    text.push_str(&line(&mut rule.iter().map(String::as_str)));
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_screen() {
        let arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/net/keycloak/".repeat(3);
        let text = format!("fenced site-b: {arn} is out of the accelerator, and replication is cut");
        for (first, rest) in [(INDENT, INDENT), (QUOTE, QUOTE), ("   $ ", "     ")] {
            let wrapped = wrapped(&text, first, rest);
            assert!(
                wrapped.lines().all(|line| line.chars().count() <= COLUMNS),
                "{wrapped}"
            );
            let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
            assert_eq!(letters(&wrapped), letters(&text), "nothing is lost");
        }
    }

    #[test]
    fn lines_stay_lines_and_indents_stay() {
        assert_eq!(wrapped("one\n  two", INDENT, INDENT), "   one\n     two\n");
    }

    #[test]
    fn columns_line_up() {
        let rows = vec![
            vec!["site-a".to_owned(), "in, healthy".to_owned()],
            vec!["site-b".to_owned(), "out".to_owned()],
        ];
        assert_eq!(
            table(&["site", "accelerator"], &rows),
            "   site     accelerator\n   ╌╌╌╌╌╌   ╌╌╌╌╌╌╌╌╌╌╌\n   site-a   in, healthy\n   site-b   out\n"
        );
    }

    #[test]
    fn an_untrue_claim_is_an_error_and_tells_what_is_so() {
        let mut screen = Screen::new();
        screen.claim("one endpoint is left", true, String::new).unwrap();
        let untrue = screen
            .claim("replication is cut", false, || "it is online".to_owned())
            .unwrap_err();
        assert_eq!(untrue.to_string(), "not true: replication is cut\n  it is online");
        assert_eq!(screen.claims, 1);
    }
}
